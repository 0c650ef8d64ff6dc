"""The words of policy documents as checked types: ids, plain text, codes of places, instants.

Ids are ASCII by construction: a look-alike letter from another alphabet is refused, so that two rules that
look the same are the same. Text is kept in Unicode NFC, and characters that hide or reorder text are refused.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from governance.digest import DIGEST_PATTERN

__all__ = [
    "AttributeName",
    "Code",
    "DataRuleId",
    "Digest",
    "DimensionId",
    "DocumentId",
    "Instant",
    "LimitedRuleId",
    "Line",
    "Number",
    "Prose",
    "RuleId",
    "Slug",
    "TierOneRuleId",
    "TierTwoRuleId",
    "Version",
    "Word",
]

_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_JOINERS: Final = frozenset("\u200c\u200d")  # needed to write Persian, Hindi and others


def _plain(text: str) -> str:
    for char in text:
        if char in _ALLOWED_CONTROLS or char in _JOINERS:
            continue
        if unicodedata.category(char) in _HIDDEN:
            raise ValueError(f"hidden or control character U+{ord(char):04X}; remove it")
    return unicodedata.normalize("NFC", text).strip()


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("not a date; write 2026-12-02 or 2026-12-02T09:00:00+01:00") from error
        if len(value) <= len("2026-12-02"):
            moment = moment.replace(tzinfo=UTC)
    else:
        return value
    if moment.tzinfo is None:
        raise ValueError(
            "an instant needs its offset; write 2026-12-02T09:00:00+01:00, or a plain date (UTC)"
        )
    return moment.astimezone(UTC)


def _exact(value: float) -> float:
    if not -1e9 <= value <= 1e9 or round(value * 1e6) / 1e6 != value:
        raise ValueError("numbers have at most six decimals and are at most 1000000000 in size")
    return value


def _text(pattern: str, most: int = 64) -> StringConstraints:
    return StringConstraints(pattern=pattern, max_length=most)


DocumentId = Annotated[str, _text(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
RuleId = Annotated[str, _text(r"^T[12]\.[a-z0-9]+(-[a-z0-9]+)*$")]
TierOneRuleId = Annotated[str, _text(r"^T1\.[a-z0-9]+(-[a-z0-9]+)*$")]
TierTwoRuleId = Annotated[str, _text(r"^T2\.[a-z0-9]+(-[a-z0-9]+)*$")]
LimitedRuleId = Annotated[str, _text(r"^(?:T[12]\.[a-z0-9]+(-[a-z0-9]+)*|B\.(?:honoured|kept))$")]
DataRuleId = Annotated[str, _text(r"^D\.[a-z0-9]+(-[a-z0-9]+)*$")]
DimensionId = Annotated[str, _text(r"^[a-z][a-z0-9_]*$")]
AttributeName = Annotated[str, _text(r"^[a-z][a-z0-9_]*$")]
Slug = Annotated[str, _text(r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
Word = Annotated[str, _text(r"^[A-Za-z0-9]+([ ._-][A-Za-z0-9]+)*$")]
Code = Annotated[str, _text(r"^[IS]\.[BR]\.[1-9][0-9]?$", 8)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
Version = Annotated[str, _text(r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$", 32)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_plain)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_plain)]
Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=str)]
Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_exact)]
