"""The public data sets beside the checkout, for tests with the marker ``data``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["shared"]


def shared(path: str) -> Path:
    """A file of the shared data; the test is skipped where it is absent. ``BOUNDS_SHARED_DATA`` overrides the folder."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    file = Path(os.environ.get("BOUNDS_SHARED_DATA", beside)) / path
    if not file.exists():
        pytest.skip(f"{file} is not there (set BOUNDS_SHARED_DATA)")
    return file
