"""The facts a third time, row by row in plain Python: slow, obvious, and written from the sentences of the checks."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import Any

import pandas as pd

from annotation.checks import On
from tests.support.batches import Batch


def naive_tables(batch: Batch, found: Any) -> dict[On, pd.DataFrame]:
    """The tables that GX on pandas reads: staged columns as they are, facts computed here."""
    rows = found.screened.to_dicts()
    items = {item["item"]: item for item in batch.items}
    presentations = {shown["presentation"]: shown for shown in batch.presentations}
    consents = {(c["consent"], c["annotator"]) for c in batch.consents if c["purpose"] == "training"}
    for row in rows:
        item = items.get(row["item"])
        _about_item(row, item)
        _about_answer(row, item)
        row["presentation_matches"] = row["presentation_consent_equal"] = None
        if row["source"] in ("portal", "label_studio"):
            page = presentations.get(row["presentation"])
            row["presentation_matches"] = (
                page is not None and page["item"] == row["item"] and page["shown"] == row["shown"]
            )
            row["presentation_consent_equal"] = (
                page["consent"] == row["consent"]
                if page is not None and page["consent"] is not None
                else None
            )
        row["annotator_known"] = (
            any((p["annotator"], p["site"]) == (row["annotator"], row["site"]) for p in batch.profiles)
            if None not in (row["annotator"], row["site"])
            else None
        )
        row["reading_rate"] = (
            row["item_characters"] / row["seconds"]
            if row["seconds"] and row["seconds"] > 0 and row["item_characters"] is not None
            else None
        )
        row["consent_live_training"] = (row["consent"], row["annotator"]) in consents
    _first_given(rows)
    _streaks(rows)
    _gold(rows, {known["item"]: (known["outcome"], known["preferred"]) for known in batch.gold})
    decodable = pd.DataFrame([row for row in rows if row["problem"] is None]).astype(object)
    figures = {finding.check.column: [finding.value] for finding in found.summary.findings}
    return {
        On.ROWS: pd.DataFrame([{"problem": row["problem"]} for row in rows]),
        On.JUDGEMENTS: decodable.where(decodable.notna(), None),
        On.FIGURES: pd.DataFrame(figures),
    }


def _about_item(row: dict[str, Any], item: dict[str, Any] | None) -> None:
    known = [candidate["candidate"] for candidate in item["candidates"]] if item else []
    shown, preferred = row["shown"], row["preferred"]
    row["item_known"] = None if row["item"] is None else item is not None
    row["item_digest_equal"] = row["item_digest"] == item["digest"] if item and row["item_digest"] else None
    if item and row["item_digest"] == "":
        row["item_digest_equal"] = False
    row["language"] = item["language"] if item else None
    row["shown_known"] = row["preferred_known"] = None
    if item and shown is not None:
        row["shown_known"] = (
            bool(shown)
            and all(candidate in known for candidate in shown)
            and len(set(shown)) == len(shown)
            and (row["kind"] != "pairwise" or len(shown) == 2)
        )
        if preferred is not None:
            row["preferred_known"] = preferred in known and preferred in shown


def _about_answer(row: dict[str, Any], item: dict[str, Any] | None) -> None:
    kind, outcome, strength, preferred = row["kind"], row["outcome"], row["strength"], row["preferred"]
    shown = row["shown"] or []
    row["answer_present"] = {
        "pairwise": outcome is not None,
        "rating": bool(row["scores"]),
        "attributes": bool(row["scores"]),
        "ranking": row["ranking"] is not None,
        "text": row["rationale"] is not None,
    }.get(kind)
    row["outcome_consistent"] = (
        _consistent(outcome, strength, preferred, shown, item) if kind == "pairwise" else None
    )
    row["scores_valid"] = row["ranking_valid"] = None
    if row["scores"] is not None:
        row["scores_valid"] = all(1 <= s["score"] <= 100 and s["candidate"] in shown for s in row["scores"])
    if row["ranking"] is not None and row["shown"] is not None:
        row["ranking_valid"] = sorted(row["ranking"]) == sorted(shown)


def _consistent(outcome: Any, strength: Any, preferred: Any, shown: list[Any], item: Any) -> bool | None:
    if outcome == "tie":
        return preferred is None and strength in (None, 0)
    if outcome in ("neither", "cannot_judge"):
        return preferred is None and strength is None
    if outcome != "prefers":
        return None
    if preferred is None or strength == 0:
        return False
    order = [candidate["candidate"] for candidate in item["candidates"]] if item else []
    others = [candidate for candidate in shown if candidate != preferred]
    if (
        strength is None
        or len(shown) != 2
        or len(others) != 1
        or preferred not in order
        or others[0] not in order
    ):
        return True
    return (order.index(preferred) < order.index(others[0])) == (strength < 0)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["submitted_at"] is None,
        row["submitted_at"],
        row["judgement"] or "~",
        row["source_digest"] or "~",
    )


def _first_given(rows: list[dict[str, Any]]) -> None:
    groups = defaultdict(list)
    for row in rows:
        row["first_given"] = None
        if row["annotator"] is not None and row["item"] is not None:
            groups[row["annotator"], row["item"]].append(row)
    for group in groups.values():
        for number, row in enumerate(sorted(group, key=_key)):
            row["first_given"] = number == 0


def _streaks(rows: list[dict[str, Any]]) -> None:
    people = defaultdict(list)
    for row in rows:
        row["streak"] = None
        if row["annotator"] is not None and row["submitted_at"] is not None:
            people[row["site"], row["annotator"]].append(row)
    for person in people.values():
        for position, run in groupby(sorted(person, key=_key), key=_position):
            members = list(run)
            for row in members:
                row["streak"] = len(members) if position is not None else None


def _position(row: dict[str, Any]) -> int | None:
    shown = (row["shown"] or [])[:2]
    return (
        shown.index(row["preferred"]) if row["outcome"] == "prefers" and row["preferred"] in shown else None
    )


def _gold(rows: list[dict[str, Any]], answers: dict[str, tuple[str, str | None]]) -> None:
    for row in rows:
        mine = [
            _is_right(other, *answers[other["item"]])
            for other in rows
            if other["item"] in answers
            and other["problem"] is None
            and None not in (row["annotator"], row["site"])
            and (other["annotator"], other["site"]) == (row["annotator"], row["site"])
        ]
        said = [right for right in mine if right is not None]
        row["gold_share_2"] = sum(said) / len(said) if len(said) >= 2 else None


def _is_right(row: dict[str, Any], outcome: str, preferred: str | None) -> bool | None:
    if row["kind"] == "pairwise":
        return row["outcome"] == outcome and (outcome != "prefers" or row["preferred"] == preferred)
    if row["kind"] == "ranking" and outcome == "prefers":
        return bool(row["ranking"]) and row["ranking"][0] == preferred
    scores = row["scores"] or []
    if row["kind"] == "rating" and outcome == "prefers":
        mine = [each["score"] for each in scores if each["candidate"] == preferred]
        others = [each["score"] for each in scores if each["candidate"] != preferred]
        return bool(mine) and bool(others) and max(mine) > max(others)
    if row["kind"] == "rating" and outcome == "tie":
        return bool(scores) and len({each["score"] for each in scores}) == 1
    return None
