"""The receipt of a withdrawal: what was done where, what remains and why, as data and as words. Pure.

INVARIANT: a receipt names no person and no pseudonym. It is handed to the person, who knows; to anybody else
it says that somebody withdrew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

__all__ = ["FORMAT", "Done", "Found", "Remains", "make_receipt", "receipt_lines"]

FORMAT: Final = "bounds.withdrawal-receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What held the person when the withdrawal began, and what of it cannot be taken back.

    Attributes:
        batches: Batches with the person's judgements or answers.
        releases: Releases built from one of them.
        models: ``name/version`` of the model versions trained on one of those.
        runs: Runs in MLflow that describe one of the batches.
    """

    batches: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def joined(self, other: Found) -> Found:
        """Both together: a run that was killed has found what the next one no longer can."""
        return Found(
            **{name: tuple(sorted({*value, *getattr(other, name)})) for name, value in asdict(self).items()}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One thing that was done: where, what, to how many."""

    where: str
    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Something that stays: what, where, why, and until when where that is known."""

    what: str
    where: str
    why: str
    until: str | None = None


def make_receipt(
    *,
    request: str,
    site: str,
    via: str,
    requested_at: datetime,
    finished_at: datetime,
    found: Found,
    done: Sequence[Done],
    successors: Mapping[str, str | None],
    remains: Sequence[Remains],
) -> dict[str, Any]:
    """The receipt as a JSON object.

    Args:
        request: Id of the request, which is the receipt's.
        site: Place of collection.
        via: How the person asked.
        requested_at: When; from then on nothing was shown to them.
        finished_at: When the last store was done.
        found: What held the person.
        done: What was done.
        successors: Erased batch to the one that takes its place, None where nothing was left of it.
        remains: What stays.
    """
    return {
        "format": FORMAT,
        "receipt": request,
        "site": site,
        "via": via,
        "requested_at": requested_at.isoformat(timespec="seconds"),
        "finished_at": finished_at.isoformat(timespec="seconds"),
        "done": [asdict(each) for each in done],
        "batches": [{"erased": batch, "successor": successors[batch]} for batch in sorted(successors)],
        "releases": list(found.releases),
        "models": list(found.models),
        "remains": [asdict(each) for each in remains],
    }


def receipt_lines(receipt: Mapping[str, Any]) -> list[str]:
    """The receipt in words, one line each."""
    lines = [
        f"Receipt {receipt['receipt']}: withdrawal at site {receipt['site']}",
        f"asked for {receipt['requested_at']} ({receipt['via']}), finished {receipt['finished_at']}",
        "",
        "Done:",
        *(f"  {each['where']}: {each['what']} ({each['count']})" for each in receipt["done"]),
    ]
    if receipt["batches"]:
        lines += ["", "Batches replaced:"]
        for each in receipt["batches"]:
            lines.append(f"  {each['erased']} by {each['successor'] or 'nothing: nobody else was in it'}")
    lines += ["", "What remains, and why:"]
    for each in receipt["remains"]:
        until = f"; until {each['until']}" if each["until"] else ""
        lines.append(f"  {each['what']} ({each['where']}): {each['why']}{until}")
    return lines
