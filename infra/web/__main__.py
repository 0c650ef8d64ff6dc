"""``python -m infra.web --port PORT``: serve the web app of the data folder ``BOUNDS_HOME`` on loopback."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final

import uvicorn

from governance.errors import BoundsError
from infra.database import open_database
from infra.settings import load_settings
from infra.web.app import create_app
from infra.web.portal import has_portal, make_portal

_KEPT_OPEN: Final = 75
"""Seconds that a connection stays open for the next page: longer than people usually think about an item."""


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m infra.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8800)
    options = parser.parse_args()
    _stay_on_one_core(options.port)
    try:
        settings = load_settings()
        with ExitStack() as closing:
            portal = None
            if has_portal(settings):
                db = closing.enter_context(open_database(settings, now=datetime.now(UTC)))
                portal = partial(make_portal, settings, db)
            app = create_app(settings, portal=portal)
            # Paths of personal links are secrets: no access log.
            uvicorn.run(
                app,
                host=options.host,
                port=options.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEPT_OPEN,
            )
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return error.exit_code
    return 0


def _stay_on_one_core(port: int) -> None:
    """Keep the threads of this process on one core; which of those it may use, its port says.

    Python computes in one thread at a time. Threads on several cores hand that turn to each other across them, twice
    for every answer of the database, which takes as long again as the work itself
    (docs/measurements/2026-11-portal.md).
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[port % len(cores)]})


if __name__ == "__main__":
    sys.exit(main())
