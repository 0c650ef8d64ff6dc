"""What is said of a Parquet file that cannot be read: one sentence, whoever reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from governance.errors import InputError, RecordError, in_words

__all__ = ["reading"]


@contextmanager
def reading(file: str, *, error: type[InputError] = RecordError) -> Iterator[None]:
    """Read a Parquet file inside; whatever is wrong with it becomes one error that names it.

    Args:
        file: What the error names.
        error: Its class.

    Raises:
        InputError: The file is gone, cut short, damaged, or no Parquet at all.
    """
    try:
        yield
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as cause:
        raise error(f"is not a sound and complete Parquet table: {in_words(cause)}", file=file) from cause
