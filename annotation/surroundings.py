"""The tables that a batch's judgements refer to: items, presentations, profiles, consents, gold; each id known once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.records import ITEMS, PROFILES
from annotation.staging import as_frame, as_table
from governance.errors import RecordError

__all__ = ["CONSENTS", "GOLD", "PRESENTATIONS", "Surroundings", "known_once", "shaped"]

PRESENTATIONS: Final = pa.schema(
    [
        pa.field("presentation", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("shown", pa.list_(pa.string()), nullable=False),
        pa.field("consent", pa.string()),
    ]
)
"""What validation reads of a presentation; further columns of the table are ignored. ``consent`` may be
left out: the presentation was then made for nobody in particular."""
GOLD: Final = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("preferred", pa.string()),
    ]
)
"""Items of known answer: what whoever reads them answers, ``prefers`` with the candidate, ``tie`` or ``neither``."""
CONSENTS: Final = pa.schema(
    [
        pa.field("consent", pa.string(), nullable=False),
        pa.field("annotator", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
    ]
)
"""The live consents, one row per purpose; a withdrawn or expired one is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The tables that a batch's judgements refer to. Build with :meth:`of`."""

    items: pl.DataFrame
    presentations: pl.DataFrame
    profiles: pl.DataFrame
    consents: pl.DataFrame
    gold: pl.DataFrame

    @classmethod
    def of(
        cls,
        items: pa.Table | pl.DataFrame,
        presentations: pa.Table | pl.DataFrame | None = None,
        profiles: pa.Table | pl.DataFrame | None = None,
        consents: pa.Table | pl.DataFrame | None = None,
        gold: pa.Table | pl.DataFrame | None = None,
    ) -> Surroundings:
        """Surroundings in canonical order, each known once.

        Raises:
            RecordError: A table lacks a column, or two rows give the same id different contents.
        """
        return cls(
            items=known_once(shaped(items, ITEMS, "items"), "item", "digest"),
            presentations=known_once(
                shaped(presentations, PRESENTATIONS, "presentations"),
                "presentation",
                "item",
                "shown",
                "consent",
            ),
            profiles=shaped(profiles, PROFILES, "profiles").sort(PROFILES.names),
            consents=shaped(consents, CONSENTS, "consents").unique().sort(CONSENTS.names),
            gold=known_once(shaped(gold, GOLD, "gold"), "item", "outcome", "preferred"),
        )


def shaped(table: pa.Table | pl.DataFrame | None, schema: pa.Schema, name: str) -> pl.DataFrame:
    """A table the rows refer to as a frame of ``schema``; None is an empty one.

    Raises:
        RecordError: It lacks a column, or a column has another type.
    """
    given = schema.empty_table() if table is None else as_table(table)
    for column in schema.names:
        if column not in given.column_names and column == "consent" and name == "presentations":
            given = given.append_column(schema.field(column), pa.nulls(len(given), pa.string()))
        if column not in given.column_names:
            raise RecordError("missing column", file=name, field=column)
    try:
        return as_frame(given.select(schema.names).cast(schema))
    except (pa.ArrowInvalid, ValueError) as error:
        raise RecordError("a column has another type or a null where none may be", file=name) from error


def known_once(frame: pl.DataFrame, key: str, *content: str) -> pl.DataFrame:
    """Each key once: repeated rows of equal content count once, of different content are an error.

    Raises:
        RecordError: Two rows of one key differ in ``content``.
    """
    if frame.get_column(key).is_duplicated().any():
        distinct = frame.select(key, *content).unique()
        for repeated in distinct.filter(pl.col(key).is_duplicated()).get_column(key).sort().head(1):
            raise RecordError("two different rows have the same id", field=key, value=repeated)
        order = [key, *(name for name in frame.columns if frame.schema[name] == pl.String)]
        frame = frame.sort(list(dict.fromkeys(order)), nulls_last=True).unique(
            key, keep="first", maintain_order=True
        )
    return frame.sort(key)
