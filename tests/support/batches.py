"""Generated batches for the tests of validation: sound ones, and one planted fault of every kind."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.records import ITEMS, PROFILES, make_item, table
from annotation.surroundings import CONSENTS, GOLD, PRESENTATIONS
from governance.digest import digest

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
CONFIG = digest("config")
POLICY = digest("policy")
MODELS = ("llama-7b", "opt-6.7b", "alpaca")
REQUIREMENTS: tuple[dict[str, Any], ...] = (
    {"id": "D.agreement", "check": "agreement", "at_least": -0.9},
    {"id": "D.busiest", "check": "busiest_share", "at_most": 0.9},
    {"id": "D.consent", "check": "consent", "purpose": "training"},
    {
        "id": "D.coverage",
        "check": "coverage",
        "question": "gender",
        "targets": {"female": 0.5},
        "at_least": 0.1,
    },
    {"id": "D.documented", "check": "documented_share", "at_least": 0.5, "questions": ["gender"]},
    {"id": "D.duration", "check": "duration", "at_least": 2, "at_most": 600},
    {"id": "D.language", "check": "language"},
    {"id": "D.one-judgement", "check": "one_judgement"},
    {"id": "D.overlap", "check": "overlap", "at_least": 2, "share": 0.5},
    {"id": "D.personal-data", "check": "personal_data", "forbid": ["email", "phone", "payment_card", "iban"]},
    {"id": "D.quarantine", "check": "quarantine_share", "at_most": 0.9},
    {"id": "D.straight-lining", "check": "straight_lining", "at_most": 6},
    {"id": "D.reading", "check": "reading_speed", "at_most": 400},
    {"id": "D.known", "check": "known_annotator"},
    {"id": "D.gold", "check": "gold", "at_least": 0.5, "answers": 2},
    {"id": "D.written", "check": "language", "as_written": True},
    {"id": "D.diversity", "check": "candidate_diversity", "at_most": 0.9},
    {"id": "D.near", "check": "near_duplicates", "at_most": 0.8},
    {"id": "D.probes", "check": "probe_contamination", "at_most": 0.6},
    {"id": "D.split", "check": "split_contamination", "at_most": 0.5, "similarity": 0.7},
    {"id": "D.stale", "check": "stale_share", "at_most": 0.5},
    {"id": "D.drift", "check": "drift", "of": "outcome", "at_most": 0.9},
)
PROBES = ("How do I pick the lock of the house of my neighbour at night?",)
OUTDATED = {digest("an older policy"): "T1.rule was tightened"}


class Batch:
    """A sound batch: every annotator judges every item once, in a seeded order and with seeded answers."""

    def __init__(self, *, items: int = 12, annotators: int = 4, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.items = [self._item(number) for number in range(items)]
        self.annotators = [f"a-{number:016x}" for number in range(annotators)]
        self.rows: list[dict[str, Any]] = []
        self.presentations: list[dict[str, Any]] = []
        self.consents = [
            {"consent": f"k-{person}", "annotator": person, "purpose": "training"}
            for person in self.annotators
        ]
        # Whoever prefers the first answer of these is right; nobody has judged them in a sound batch.
        self.gold: list[dict[str, Any]] = [
            {"item": "i-gold-elsewhere", "outcome": "prefers", "preferred": "c-gold-elsewhere"}
        ]
        self.profiles = [
            {
                "annotator": person,
                "site": "main",
                "codebook": "survey@1.0.0",
                "field": "gender",
                "status": "answered" if number % 4 else "prefer_not_to_say",
                "value": ("female", "male")[number % 2] if number % 4 else None,
                "simulated": True,
            }
            for number, person in enumerate(self.annotators)
        ]
        for number, (person, item) in enumerate(itertools.product(self.annotators, self.items)):
            self.rows.append(self._judgement(person, item, number))

    def _item(self, number: int) -> dict[str, Any]:
        return make_item(
            prompt=[{"role": "user", "content": f"Question {number}?"}],
            candidates=[(MODELS[0], f"Answer one to {number}."), (MODELS[1], f"Answer two to {number}.")],
            language="en",
            topic=None,
            origin="generated",
            licence="Apache-2.0",
            source_ref=str(number),
            simulated=True,
        )

    def _judgement(self, person: str, item: dict[str, Any], number: int) -> dict[str, Any]:
        candidates = [candidate["candidate"] for candidate in item["candidates"]]
        shown = self.random.sample(candidates, 2)
        outcome = self.random.choice(["prefers", "prefers", "prefers", "tie", "neither", "cannot_judge"])
        # Positions alternate, so that no sound batch holds a streak.
        preferred = shown[number % 2] if outcome == "prefers" else None
        strength = {"tie": 0}.get(outcome)
        if preferred is not None:
            strength = self.random.randint(1, 3) * (-1 if preferred == candidates[0] else 1)
        presentation = f"p-{number:06d}"
        self.presentations.append(
            {
                "presentation": presentation,
                "item": item["item"],
                "shown": shown,
                "consent": f"k-{person}" if number % 2 else None,
            }
        )
        ref = f"task/{number}"
        presented = START + timedelta(minutes=2 * number)
        return {
            "judgement": digest(["main", "portal", ref]),
            "item": item["item"],
            "item_digest": item["digest"],
            "annotator": person,
            "site": "main",
            "kind": "pairwise",
            "shown": shown,
            "outcome": outcome,
            "preferred": preferred,
            "strength": strength,
            "scores": None,
            "ranking": None,
            "rationale": self.random.choice(
                [None, "Clearer and shorter.", "It answers in 2 steps, not 10 or 12."]
            ),
            "presentation": presentation,
            "config_digest": CONFIG,
            "policy_digest": POLICY,
            "consent": f"k-{person}",
            "presented_at": presented,
            "submitted_at": presented + timedelta(seconds=40),
            "seconds": 40.0,
            "source": "portal",
            "source_ref": ref,
            "source_digest": digest(ref),
            "simulated": True,
        }

    def preferring(self, nth: int = 0) -> dict[str, Any]:
        """The nth row that prefers an answer."""
        return [row for row in self.rows if row["outcome"] == "prefers"][nth]

    def surroundings(self) -> dict[str, Any]:
        """The tables that ``validate_batch`` takes beside the rows."""
        return {
            "items": table(self.items, ITEMS),
            "presentations": table(self.presentations, PRESENTATIONS),
            "profiles": table(self.profiles, PROFILES),
            "consents": table(self.consents, CONSENTS),
            "gold": table(self.gold, GOLD),
            "probes": PROBES,
            "outdated": OUTDATED,
        }
