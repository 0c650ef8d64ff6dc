"""Anthropic's HH-RLHF: two whole conversations a line, one chosen, one rejected (arXiv 2204.05862).

JSON Lines (also gzip, as published) with ``chosen`` and ``rejected``, each a text of turns that begin with
``Human:`` and ``Assistant:`` after an empty line. The prompt is what both conversations share at their beginning, turn
by turn; after it each must hold exactly one answer of the assistant, or the row is refused: a pair whose
conversations part earlier compares two histories, not two answers.

As in :mod:`annotation.importers.trl` the answers are put in the order of their digests, so that an item does
not tell which one was chosen; who chose is unknown.
"""

from __future__ import annotations

import gzip
import re
import zlib
from functools import partial
from io import BytesIO
from itertools import takewhile
from typing import Any, Final

from annotation.importers.rows import (
    FileJudgement,
    Import,
    RowError,
    Rows,
    json_lines,
    require_columns,
    text_of,
)
from annotation.importers.trl import ANNOTATOR
from annotation.records import Outcome, make_item
from governance.digest import digest
from governance.errors import InputError

__all__ = ["ORIGIN", "read_hh_rlhf"]

ORIGIN: Final = "HH-RLHF"
LICENCE: Final = "MIT"
MOST_BYTES: Final = 1 << 30
_SPEAKER: Final = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ ]?")
_ROLES: Final = {"Human": "user", "Assistant": "assistant"}

Turn = tuple[str, str]


def read_hh_rlhf(data: bytes, *, name: str) -> Import:
    """Read a file of the ``helpful`` or ``harmless`` sets.

    Args:
        data: The bytes of the file, plain or gzip.
        name: Its name, for errors and for the record.

    Raises:
        InputError: The file is empty, damaged, not UTF-8, or has other columns.
    """
    plain = _unpacked(data, name) if data[:2] == b"\x1f\x8b" else data
    lines = json_lines(plain, name=name)
    if any(isinstance(row, dict) for _, row in lines):
        require_columns([row for _, row in lines], ("chosen", "rejected"), name=name)
    found = Rows(origin=ORIGIN, file_name=name, data=data)
    for place, row in lines:
        found.add(place, partial(_row, row, place))
    return found.finish()


def _unpacked(data: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            plain = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"damaged gzip: {error}", file=name) from error
    if len(plain) > MOST_BYTES:
        raise InputError("unpacks to too much", file=name, expected=f"at most {MOST_BYTES} bytes")
    return plain


def _row(row: Any, place: str) -> tuple[dict[str, Any], list[FileJudgement]]:
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, dict):
        raise RowError("not an object")
    chosen, rejected = (_turns(text_of(row, column), column) for column in ("chosen", "rejected"))
    if chosen == rejected:
        raise RowError("chosen and rejected are the same conversation")
    shared = [
        one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    ]
    rests = (chosen[len(shared) :], rejected[len(shared) :])
    if not shared:
        raise RowError("chosen and rejected do not begin alike")
    for column, rest in zip(("chosen", "rejected"), rests, strict=True):
        if len(rest) != 1 or rest[0][0] != "assistant":
            raise RowError(f"{column} holds {len(rest)} turns after what both share, not one answer")
    if shared[-1][0] != "user":
        raise RowError("what both share does not end with the person")
    best, worst = rests[0][0][1], rests[1][0][1]
    texts = sorted((best, worst), key=digest)
    item = make_item(
        prompt=[{"role": role, "content": content} for role, content in shared],
        candidates=[(None, text) for text in texts],
        language="en",
        topic=None,
        origin=ORIGIN,
        licence=LICENCE,
        source_ref=place,
    )
    shown = tuple(candidate["candidate"] for candidate in item["candidates"])
    return item, [
        FileJudgement(
            item=item["item"],
            item_digest=item["digest"],
            annotator=ANNOTATOR,
            shown=shown,
            raw={"format": "hh-rlhf", "chosen": digest(best), "rejected": digest(worst)},
            outcome=Outcome.PREFERS,
            preferred=shown[texts.index(best)],
        )
    ]


def _turns(text: str, column: str) -> list[Turn]:
    parts = _SPEAKER.split(text)
    if len(parts) < 3 or parts[0].strip():
        raise RowError(f"{column} does not begin with Human: or Assistant:")
    return [
        (_ROLES[speaker], content.strip()) for speaker, content in zip(parts[1::2], parts[2::2], strict=True)
    ]
