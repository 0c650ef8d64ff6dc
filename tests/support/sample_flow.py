"""A flow small enough to show that a deployment, a worker and a schedule work."""

from __future__ import annotations

import os
from pathlib import Path

from prefect import flow


@flow(name="sample")
def sample(site: str = "main") -> str:
    """Leave one line in the data folder: which site, which process."""
    with Path(os.environ["BOUNDS_HOME"], f"sample-{site}.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{site} {os.getpid()}\n")
    return site
