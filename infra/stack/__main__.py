"""``python -m infra.stack template``: make Label Studio's empty database ahead of the first start."""

from __future__ import annotations

import sys

from governance.errors import BoundsError, InputError
from infra.stack.template import find_label_studio


def main(argv: list[str]) -> int:
    """Run the command; its exit code."""
    try:
        if argv != ["template"]:
            raise InputError("what to make?", value=" ".join(argv), expected="template")
        sys.stdout.write(f"{find_label_studio().make_template()}\n")
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
