"""Options that many commands have, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "Home", "Site"]

Home = Annotated[Path | None, typer.Option("--home", help="Data folder; BOUNDS_HOME or .bounds by default.")]
Site = Annotated[str | None, typer.Option("--site", help="The site; the first by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
