"""Held-out judgements and a model's side of them: the input of alignment by stratum.

A judgement is held out where its prompt is in no pair the model may have learned from: the release's
``validation`` and ``test`` splits. The model says which of two answers it prefers; one that cannot say so is
not measured, which blocks wherever the policy names strata.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import pyarrow as pa

from governance.audit.alignment import HeldOut
from governance.audit.contested import Contested, contested
from governance.errors import InputError, RecordError
from infra.artifacts import Fetched

__all__ = [
    "HELD_OUT",
    "Judged",
    "NoPreferenceError",
    "Preferences",
    "PyfuncPreferences",
    "apart",
    "held_out",
    "judged_in",
]

HELD_OUT: Final = frozenset({"validation", "test"})
_BATCH: Final = 1024


class NoPreferenceError(InputError):
    """The model does not say which of two answers it prefers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One held-out preference: who preferred which answer, what is known of them, and their settings.

    ``profile`` holds codebook answers by question; ``settings`` the person's own resolved Tier Three settings,
    empty where they are not known.
    """

    annotator: str
    item: str
    prompt: str
    chosen: str
    rejected: str
    profile: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    simulated: bool = False


class Preferences(Protocol):
    """A model that says which of two answers it prefers."""

    def prefer(self, pairs: Sequence[tuple[str, str, str]], settings: Mapping[str, Any]) -> list[float]:
        """For each (prompt, first, second): above 0 for the first answer, below 0 for the second, 0 for neither."""
        ...


class PyfuncPreferences:
    """An MLflow model whose signature takes ``first`` and ``second`` beside ``prompt`` and returns ``prefers``.

    Args:
        version: Its files; they must outlive the questions.
    """

    def __init__(self, version: Fetched) -> None:
        self._folder = version.folder

    @cached_property
    def _model(self) -> Any:
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(self._folder))

    def prefer(self, pairs: Sequence[tuple[str, str, str]], settings: Mapping[str, Any]) -> list[float]:
        """The model's preferences.

        Raises:
            NoPreferenceError: Its signature does not take two answers, or it failed on them.
        """
        import pandas as pd

        model = self._model
        inputs = model.metadata.signature.inputs if model.metadata.signature else None
        if inputs is None or not {"first", "second"} <= set(inputs.input_names()):
            raise NoPreferenceError(
                "the model does not say which of two answers it prefers",
                field="signature",
                expected="inputs `first` and `second` beside `prompt`, output `prefers`",
            )
        told: list[float] = []
        for start in range(0, len(pairs), _BATCH):
            frame = pd.DataFrame(pairs[start : start + _BATCH], columns=["prompt", "first", "second"])
            frame.insert(0, "probe", "held-out")
            try:
                found = model.predict(frame, params={"settings": json.dumps(dict(settings), sort_keys=True)})
                told += [float(value) for value in found["prefers"]]
            except Exception as error:
                raise NoPreferenceError(
                    f"the model raised {type(error).__name__} when asked which answer it prefers",
                    field="prefers",
                ) from error
        if len(told) != len(pairs) or any(value != value for value in told):  # noqa: PLR0124 - NaN alone differs from itself
            raise NoPreferenceError("the model left out preferences", field="prefers", value=len(told))
        return told


def judged_in(pairs: pa.Table, annotators: pa.Table) -> list[Judged]:
    """The held-out preferences of a release, with the published profile of who gave them.

    Args:
        pairs: The release's ``pairs.parquet``.
        annotators: Its ``annotators.parquet``.

    Raises:
        RecordError: A column is missing, or a pair's annotator is not among the annotators.
    """
    if missing := {"item", "annotator", "split", "prompt", "chosen", "rejected"} - set(pairs.column_names):
        raise RecordError("missing column", field=f"pairs.{min(missing)}")
    kept = {"annotator", "site", "simulated", "split", "judgements", "weight"}
    people = {row["annotator"]: row for row in annotators.to_pylist()}
    found = []
    for row in pairs.to_pylist():
        if row["split"] not in HELD_OUT:
            continue
        person = people.get(row["annotator"])
        if person is None:
            raise RecordError("a pair of an unknown annotator", field=str(row["judgement"]))
        found.append(
            Judged(
                annotator=row["annotator"],
                item=row["item"],
                prompt=_text(row["prompt"]),
                chosen=_text(row["chosen"]),
                rejected=_text(row["rejected"]),
                profile={name: str(value) for name, value in person.items() if name not in kept and value},
                simulated=bool(person.get("simulated")),
            )
        )
    return found


def _text(value: str | Sequence[Mapping[str, str]]) -> str:
    return value if isinstance(value, str) else str(value[-1]["content"])


def held_out(
    judged: Sequence[Judged], model: Preferences, *, questions: Iterable[str], source: str
) -> HeldOut:
    """The judgements with the model's side. Each pair is put once per settings, in an order that tells nothing.

    Args:
        judged: Held-out preferences.
        model: Whose side.
        questions: Codebook questions whose answers form strata.
        source: Where the judgements come from, for people.
    """
    asked: dict[str, dict[tuple[str, str, str], float]] = defaultdict(dict)
    for one in judged:
        asked[_key(one)][_pair(one)] = 0.0
    for key, pairs in asked.items():
        ordered = sorted(pairs)
        for pair, value in zip(ordered, model.prefer(ordered, json.loads(key)), strict=True):
            pairs[pair] = value

    def agrees(one: Judged) -> float:
        first = asked[_key(one)][_pair(one)]
        if one.chosen != _pair(one)[1]:
            first = -first
        return 1.0 if first > 0 else 0.5 if first == 0 else 0.0

    return HeldOut(
        annotators=[one.annotator for one in judged],
        items=[one.item for one in judged],
        agrees=[agrees(one) for one in judged],
        strata={
            question: [one.profile.get(question, "not_asked") for one in judged]
            for question in dict.fromkeys(questions)
        },
        source=source,
        simulated=any(one.simulated for one in judged),
    )


def apart(judged: Sequence[Judged], *, questions: Iterable[str]) -> Contested:
    """On how many pairs groups prefer different answers, whatever any model prefers."""
    return contested(
        [_pair(one) for one in judged],
        [one.chosen == _pair(one)[1] for one in judged],
        {
            question: [one.profile.get(question, "not_asked") for one in judged]
            for question in dict.fromkeys(questions)
        },
    )


def _key(one: Judged) -> str:
    return json.dumps(dict(one.settings), sort_keys=True)


def _pair(one: Judged) -> tuple[str, str, str]:
    """The pair in an order that does not say which answer was chosen."""
    first, second = sorted((one.chosen, one.rejected))
    return one.prompt, first, second
