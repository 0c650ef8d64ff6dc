"""Which judgements came into a release or left it since another, and why; for the staff of the site only.

Works on the platform's own rows, before ids are scoped: it can name people, and nothing of it is published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

__all__ = ["Changes", "Side", "changes"]

NO_CONSENT = "its consent is not live any more"
WITHDRAWN = "nothing of its annotator is there any more: withdrawn, or not collected again"
NOT_THERE = "it is in no batch any more"
CHANGED = "another row stands under its id"
COLLECTED = "collected since"
ACCEPTED = "it was in quarantine before"
CONSENTED = "its consent is live now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Judgements that differ.

    Attributes:
        gone: ``judgement``, ``item``, ``annotator``, ``site``, ``reason``.
        new: The same.
        kept: Judgements in both, alike.
    """

    gone: pl.DataFrame
    new: pl.DataFrame
    kept: int

    def as_json(self, *, by_person: bool) -> dict[str, Any]:
        """Counts by reason; with ``by_person`` also by annotator, for those who may know."""
        body: dict[str, Any] = {
            "kept": self.kept,
            "gone": dict(sorted(Counter(self.gone["reason"]).items())),
            "new": dict(sorted(Counter(self.new["reason"]).items())),
        }
        if by_person:
            body["by_person"] = [
                {"annotator": annotator, "site": site, "change": side, "reason": reason, "judgements": many}
                for side, frame in (("gone", self.gone), ("new", self.new))
                for annotator, site, reason, many in frame.group_by("annotator", "site", "reason")
                .len()
                .sort("annotator", "site", "reason")
                .iter_rows()
            ]
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One release's inputs.

    Attributes:
        judgements: Accepted rows of its batches: ``judgement``, ``source_digest``, ``item``, ``annotator``,
            ``site``, ``consent``.
        quarantined: Judgement id to the rules it failed, in its batches.
        live: Consents that were live for the release; None if it did not ask.
        people: Annotators of all its batches, where ``judgements`` are only some of their rows.
    """

    judgements: pl.DataFrame
    quarantined: Mapping[str, Sequence[str]]
    live: frozenset[str] | None = None
    people: frozenset[str] | None = None

    def released(self) -> pl.DataFrame:
        """Rows that went into the release."""
        once = self.judgements.unique("judgement", keep="first", maintain_order=True)
        return once if self.live is None else once.filter(pl.col("consent").is_in(list(self.live)))


def changes(before: Side, after: Side) -> Changes:
    """Compare the rows behind two releases.

    A judgement that was re-decoded to another answer counts as gone and as new.
    """
    a, b = before.released(), after.released()
    key = ["judgement", "source_digest"]
    gone, new = a.join(b, on=key, how="anti"), b.join(a, on=key, how="anti")
    return Changes(
        gone=_told(gone, after, b, (NO_CONSENT, WITHDRAWN, NOT_THERE), quarantined="quarantined by {}"),
        new=_told(new, before, a, (CONSENTED, COLLECTED, COLLECTED), quarantined=ACCEPTED),
        kept=a.height - gone.height,
    )


def _told(
    rows: pl.DataFrame, other: Side, released: pl.DataFrame, words: tuple[str, str, str], *, quarantined: str
) -> pl.DataFrame:
    """Each row with the reason why the other side does not have it."""
    there, known = set(released["judgement"]), set(other.judgements["judgement"])
    people = set(other.judgements["annotator"]) if other.people is None else other.people
    reasons = []
    for judgement, annotator in rows.select("judgement", "annotator").iter_rows():
        rules = other.quarantined.get(judgement)
        if rules:
            reasons.append(quarantined.format(", ".join(dict.fromkeys(rules))))
        elif judgement in there:
            reasons.append(CHANGED)
        elif judgement in known:
            reasons.append(words[0])
        else:
            reasons.append(words[2] if annotator in people else words[1])
    return rows.select("judgement", "item", "annotator", "site").with_columns(
        pl.Series("reason", reasons, dtype=pl.String)
    )
