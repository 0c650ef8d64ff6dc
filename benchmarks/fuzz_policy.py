"""Feeds the policy loader with coverage-guided input (atheris) for a bounded time: ``make fuzz``.

Whatever the bytes, reading them ends with a document or with a ``PolicyError`` that names the file; and a
document that was read is written and read again to the same digest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["governance", "yaml"]):
    from governance.errors import PolicyError
    from governance.policy.document import document_digest, parse
    from governance.policy.render import render
    from governance.policy.source import read

NAME = "fuzzed.yaml"


def one(data: bytes) -> None:
    """One input."""
    try:
        text = data.decode("utf-8")
        document = parse(read(text, name=NAME))
    except UnicodeDecodeError:
        return
    except PolicyError as error:
        assert NAME in error.diagnostics(), "an error that does not name its file"
        return
    again = parse(read(render(document), name=NAME))
    assert document_digest(again) == document_digest(document), (
        "written and read again it is another document"
    )


def main() -> None:
    """Start from the shipped documents, unless a corpus is named."""
    words = sys.argv[1:]
    if not any(not word.startswith("-") for word in words):
        words.append(str(Path(__file__).resolve().parents[1] / "governance" / "policies" / "tier2"))
    atheris.Setup([sys.argv[0], *words], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
