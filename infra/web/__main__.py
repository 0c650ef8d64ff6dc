"""``python -m infra.web --port PORT``: serve the web app of the data folder ``BOUNDS_HOME`` on loopback."""

from __future__ import annotations

import argparse
import sys

import uvicorn

from governance.errors import BoundsError
from infra.settings import load_settings
from infra.web.app import create_app


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8800)
    options = parser.parse_args()
    try:
        app = create_app(load_settings())
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return error.exit_code
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", server_header=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
