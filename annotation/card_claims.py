"""What a card claims, read from its Markdown: licences, counts, and tables of counts and shares.

Works on any data card, not only on one this platform wrote. Only what can be held against data is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["CountClaim", "LicenceClaim", "TableClaim", "count_claims", "licence_claims", "table_claims"]

_LICENCES: Final = {
    "apache-2.0": r"apache(?:[\s-]*licen[sc]e)?[\s,-]*(?:v(?:ersion)?[\s.]*)?2(?:\.0)?",
    "mit": r"\bmit(?:[\s-]+licen[sc]e)?\b",
    "cc-by-nc-sa-4.0": r"cc[\s-]*by[\s-]*nc[\s-]*sa(?:[\s-]*4(?:\.0)?)?",
    "cc-by-nc-4.0": r"cc[\s-]*by[\s-]*nc(?![\s-]*(?:sa|nd))(?:[\s-]*4(?:\.0)?)?",
    "cc-by-sa-4.0": r"cc[\s-]*by[\s-]*sa(?:[\s-]*4(?:\.0)?)?",
    "cc-by-4.0": r"cc[\s-]*by(?![\s-]*(?:nc|sa|nd))(?:[\s-]*4(?:\.0)?)?",
    "cc0-1.0": r"cc0(?:[\s-]*1(?:\.0)?)?",
    "gpl-3.0": r"\bgpl(?:[\s-]*v?3(?:\.0)?)?",
    "odc-by": r"odc[\s-]*by",
}
_NOUNS: Final = {
    "judgements": r"judge?ments?|ratings?|votes?|labels|responses",
    "annotators": r"annotators?|participants?|raters?|labell?ers?|(?:crowd)?workers?|users?|respondents?|people",
    "items": r"items?|prompts?|conversations?|questions?|tasks",
    "pairs": r"preference pairs?|comparisons?|pairs?",
    "rows": r"rows?|records?|entries|examples?|samples?|data points?",
}
_COUNT: Final = re.compile(
    r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)\s+(?:(?:unique|distinct|different|human)\s+)?("
    + "|".join(f"(?P<{noun}>{words})" for noun, words in _NOUNS.items())
    + r")\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceClaim:
    """A licence named in a line about licences."""

    line: int
    licence: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountClaim:
    """``1,500 participants``: a number of judgements, annotators, items, pairs or rows."""

    line: int
    noun: str
    count: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableClaim:
    """One cell of a table: the share (0 to 1) or the count of a label.

    ``step`` is the unit of the last digit written: a share of 63.4 % is right within half of .001.
    """

    line: int
    label: str
    column: str
    value: float
    is_share: bool
    step: float
    words: str
    table: int


def licence_claims(text: str) -> list[LicenceClaim]:
    """Licences in lines that speak of a licence (front matter included), in order."""
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not re.search(r"licen[sc]e", line, re.IGNORECASE):
            continue
        for licence, words in _LICENCES.items():
            match = re.search(words, line, re.IGNORECASE)
            if match:
                found.append(LicenceClaim(line=number, licence=licence, words=match.group().strip()))
    return found


def same_licence(words: str) -> str:
    """The licence's id where it is a known one, else the words in small letters."""
    for licence, pattern in _LICENCES.items():
        if re.fullmatch(pattern, words.strip(), re.IGNORECASE):
            return licence
    return words.strip().lower()


def count_claims(text: str) -> list[CountClaim]:
    """Counts in running text, tables left out."""
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("|"):
            continue
        for match in _COUNT.finditer(line):
            noun = next(name for name, words in match.groupdict().items() if words)
            found.append(
                CountClaim(line=number, noun=noun, count=int(match[1].replace(",", "")), words=match.group())
            )
    return found


def table_claims(text: str) -> list[TableClaim]:
    """Numeric cells of Markdown tables, each with its row's label and its column's header."""
    found = []
    for table, (header, rows) in enumerate(_tables(text.split("\n"))):
        for line, cells in rows:
            for column, cell in zip(header[1:], cells[1:], strict=False):
                parsed = _number(cell, column)
                if parsed is None:
                    continue
                value, is_share, step = parsed
                found.append(
                    TableClaim(
                        line=line,
                        label=cells[0].strip("` *"),
                        column=column.strip("` *"),
                        value=value,
                        is_share=is_share,
                        step=step,
                        words=cell,
                        table=table,
                    )
                )
    return found


def _tables(lines: Sequence[str]) -> Iterator[tuple[list[str], list[tuple[int, list[str]]]]]:
    number = 0
    while number + 1 < len(lines):
        if not (lines[number].lstrip().startswith("|") and re.fullmatch(r"[\s|:-]+", lines[number + 1])):
            number += 1
            continue
        header, rows = _cells(lines[number]), []
        number += 2
        while number < len(lines) and lines[number].lstrip().startswith("|"):
            rows.append((number + 1, _cells(lines[number])))
            number += 1
        yield header, rows


def _cells(line: str) -> list[str]:
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _number(cell: str, column: str) -> tuple[float, bool, float] | None:
    match = re.fullmatch(r"(\d[\d,]*(?:\.(\d+))?)\s*(%?)", cell.strip("` *"))
    if match is None:
        return None
    value = float(match[1].replace(",", ""))
    step = 10.0 ** -len(match[2] or "")
    if match[3] or re.search(r"%|percent|share", column, re.IGNORECASE):
        scale = 100 if match[3] or value > 1 else 1
        return value / scale, True, step / scale
    return value, False, step
