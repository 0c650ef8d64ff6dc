"""A card's claims held against the data: shares and counts of labels, numbers of rows, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from annotation.card_claims import (
    TableClaim,
    count_claims,
    licence_claims,
    same_licence,
    table_claims,
)

__all__ = ["ColumnCounts", "Contradiction", "contradictions"]

_LABELS_KNOWN = 0.6
_FEW = 200
_IDS = ("id", "annotator", "item", "user", "rater", "worker", "participant", "respondent", "person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two statements that cannot both be true.

    Attributes:
        where: File, with the line or place.
        what: What the statement is about.
        says: What stands there.
        but: What the data, or another place, say.
    """

    where: str
    what: str
    says: str
    but: str

    def sentence(self) -> str:
        """For people."""
        return f"{self.where}: {self.what}: says {self.says}, but {self.but}"

    def as_json(self) -> dict[str, str]:
        """JSON form."""
        return {"where": self.where, "what": self.what, "says": self.says, "but": self.but}


class ColumnCounts:
    """How often each value of a table's columns occurs, where there are few; takes in the table part by part."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._many: set[str] = set()

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        for field, dtype in frame.schema.items():
            if field in self._many or (dtype != pl.String and not dtype.is_integer()):
                continue
            values = frame[field].drop_nulls().cast(pl.String).str.strip_chars()
            counter = self._counts.setdefault(field, Counter())
            counter.update({str(value): int(many) for value, many in values.value_counts().iter_rows()})
            if len(counter) > _FEW:
                self._many.add(field)
                del self._counts[field]

    def columns(self) -> dict[str, dict[str, int]]:
        """Column to value, whatever its case, to how often it occurs."""
        found = {}
        for field, counter in self._counts.items():
            counts: Counter[str] = Counter()
            for value, many in counter.items():
                counts[value.casefold()] += many
            found[field] = dict(counts)
        return found

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """Those of one table."""
        counts = cls()
        counts.add(frame)
        return counts


def contradictions(
    card: str,
    frames: Mapping[str, pl.DataFrame],
    *,
    name: str,
    counts: Mapping[str, int] | None = None,
    licences: Iterable[str] = (),
    columns: Mapping[str, ColumnCounts] | None = None,
) -> list[Contradiction]:
    """Claims of a card that its data contradict.

    Args:
        card: Markdown.
        frames: File name to table.
        name: Name of the card in the findings.
        counts: What is known to be true of ``judgements``, ``annotators``, ``items``, ``pairs``; a noun
            not given is held against the rows of the files: no file has so many.
        licences: Licences that the data name.
        columns: File name to the values of a table that is not among ``frames``.
    """
    found = _licences(card, name, list(licences))
    found += _counts(card, frames, name, counts or {})
    claims = table_claims(card)
    if claims:
        known = {file: ColumnCounts.of(frame).columns() for file, frame in frames.items()}
        known |= {file: found_in.columns() for file, found_in in (columns or {}).items()}
    for table in sorted({claim.table for claim in claims}):
        found += _table([claim for claim in claims if claim.table == table], known, name)
    return found


def _licences(card: str, name: str, of_data: Sequence[str]) -> list[Contradiction]:
    claims = licence_claims(card)
    found = [
        Contradiction(
            where=f"{name}:{claim.line}",
            what="licence",
            says=claim.words,
            but=f"line {claims[0].line} says {claims[0].words}",
        )
        for claim in claims[1:]
        if claim.licence != claims[0].licence
    ]
    known = {same_licence(licence) for licence in of_data}
    if known and claims and claims[0].licence not in known:
        found.append(
            Contradiction(
                where=f"{name}:{claims[0].line}",
                what="licence",
                says=claims[0].words,
                but=f"the data say {', '.join(sorted(of_data))}",
            )
        )
    return found


def _counts(
    card: str, frames: Mapping[str, pl.DataFrame], name: str, counts: Mapping[str, int]
) -> list[Contradiction]:
    """Counts in running text. What is not known is compared with row counts and ids of the files."""
    found = []
    rows = {frame.height for frame in frames.values()} | {sum(frame.height for frame in frames.values())}
    possible = set(rows)
    for frame in frames.values():
        possible |= {
            frame[column].n_unique()
            for column in frame.columns
            if not frame[column].dtype.is_nested() and column.lower().endswith(_IDS)
        }
    for claim in count_claims(card):
        if claim.noun in counts:
            if claim.count != counts[claim.noun]:
                found.append(
                    Contradiction(
                        where=f"{name}:{claim.line}",
                        what=f"number of {claim.noun}",
                        says=claim.words,
                        but=f"the data hold {counts[claim.noun]:,}",
                    )
                )
        elif frames and claim.count not in (known := rows if claim.noun == "rows" else possible):
            near = min(known, key=lambda many, wanted=claim.count: abs(many - wanted))  # type: ignore[misc]
            found.append(
                Contradiction(
                    where=f"{name}:{claim.line}",
                    what=f"number of {claim.noun}",
                    says=claim.words,
                    but=f"no file has so many rows{'' if claim.noun == 'rows' else ' or ids'}; the nearest is {near:,}",
                )
            )
    return found


def _table(
    claims: Sequence[TableClaim], known: Mapping[str, Mapping[str, Mapping[str, int]]], name: str
) -> list[Contradiction]:
    """A table whose labels are values of a column is held against that column's counts."""
    column = _column_of({claim.label for claim in claims}, known)
    if column is None:
        return []
    file, field, counts = column
    total = sum(counts.values())
    found = []
    for claim in claims:
        many = counts.get(claim.label.casefold())
        if many is None:
            continue
        true = many / total if claim.is_share else float(many)
        if abs(true - claim.value) > claim.step / 2 + 1e-9:
            said = f"{true:.1%}" if claim.is_share else f"{many:,}"
            found.append(
                Contradiction(
                    where=f"{name}:{claim.line}",
                    what=f"{claim.label}, {claim.column}",
                    says=claim.words,
                    but=f"{field} in {file} says {said} ({many:,} of {total:,})",
                )
            )
    return found


def _column_of(
    labels: set[str], known: Mapping[str, Mapping[str, Mapping[str, int]]]
) -> tuple[str, str, Mapping[str, int]] | None:
    """The column whose values the labels are: most labels known, then most values covered."""
    wanted = {label.casefold() for label in labels}
    best: tuple[float, str, str, Mapping[str, int]] | None = None
    for file, fields in known.items():
        for field, counts in fields.items():
            met = wanted & set(counts)
            share = len(met) / len(wanted)
            if len(met) < 2 or share < _LABELS_KNOWN:
                continue
            score = share + len(met) / len(counts)
            if best is None or score > best[0]:
                best = (score, file, field, counts)
    return None if best is None else best[1:]
