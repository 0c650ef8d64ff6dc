"""How much is enough: what a simple preference model gains from more judgements of a person, and of a group.

The model is meant to be simple enough to be computed again by hand from the release: a logistic regression on
plain properties of the two answers. What it cannot learn from ten judgements another model may; what it
shows is where more judgements stop to change the prediction, and what is used where there are none.

INVARIANT: every prediction is for somebody whose other judgements no population or group weight was fitted to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

__all__ = ["FALLBACK", "FEATURES", "LearningParts", "fit_weights"]

FEATURES: Final = ("characters", "lines", "list marks", "question marks")
_PROPERTIES: Final = ("characters", "lines", "lists", "questions")
FALLBACK: Final = (
    "Nobody starts from nothing: without judgements a person gets the weights of their group where it is published, "
    "and those of all people where it is not."
)
PERSON_STEPS: Final = (0, 1, 2, 4, 8, 16, 32)
GROUP_STEPS: Final = (0, 10, 30, 100, 300, 1000)
RIDGE_ALL: Final = 1.0
RIDGE_CLOSER: Final = 5.0
MOST_PEOPLE: Final = 300
MOST_OF_A_PERSON: Final = 1000
MOST_MODELS: Final = 8
_LEAST_JUDGEMENTS: Final = 3
_LEAST_PEOPLE: Final = 4
_NEWTON: Final = 25


def fit_weights(
    x: NDArray[np.float64], y: NDArray[np.float64], *, towards: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """(D,) weights w that minimise ``-sum log sigma(s_i x_i w) + ridge / 2 |w - towards|^2``, s = 2 y - 1.

    Args:
        x: (N, D) differences of the two answers, first minus second.
        y: (N,) 1 where the first is preferred, 0 where the second.
        towards: (D,) weights that no judgement pulls away from.
        ridge: Strength of that pull, above 0.
    """
    w = towards.copy()
    for _ in range(_NEWTON):
        p = expit(x @ w)
        gradient = x.T @ (y - p) - ridge * (w - towards)
        information = (x.T * (p * (1 - p))) @ x + ridge * np.eye(len(w))
        step = np.linalg.solve(information, gradient)
        w = w + step
        if float(np.abs(step).max(initial=0.0)) < 1e-10:
            break
    return np.asarray(w)


def _u(*words: str) -> float:
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:8], "big") / 2**64


class LearningParts:
    """Takes in released judgements part by part and keeps a sample: of people, and of the judgements of each.

    What is held does not grow with the release. Who and what is in the sample is said by hashes of ids, so
    parts and their order change nothing.

    Args:
        annotators: Released annotators.
        group: Column of ``annotators`` whose groups are compared; None for none.
        no_group: Values of it that are no group.
    """

    def __init__(self, annotators: pl.DataFrame, *, group: str | None, no_group: Sequence[str] = ()) -> None:
        names = annotators["annotator"].to_list()
        kept = sorted(sorted(names, key=lambda name: _u("learning", name))[:MOST_PEOPLE])
        self._people = pl.Series("annotator", kept, dtype=pl.String)
        self._people_left_out = len(names) - len(kept)
        self.group = group
        self._groups: dict[str, str | None] = {}
        if group is not None:
            self._groups = {
                name: value if value not in no_group else None
                for name, value in annotators.select("annotator", group).iter_rows()
            }
        self._rows: list[pl.DataFrame] = []
        self._held = self._after_pruning = 0
        self._all = 0

    def add(self, judgements: pl.DataFrame, items: pl.DataFrame) -> None:
        """Take in a part: released judgements and their items."""
        mine = judgements.filter(
            pl.col("annotator").is_in(self._people.implode())
            & (pl.col("kind") == "pairwise")
            & (pl.col("outcome") == "prefers")
            & (pl.col("shown").list.len() == 2)
        )
        if mine.is_empty():
            return
        text = pl.col("candidates").struct.field("text")
        answers = (
            items.join(mine, on="item", how="semi")
            .select("item", "candidates")
            .explode("candidates")
            .select(
                "item",
                candidate=pl.col("candidates").struct.field("candidate"),
                rank=pl.int_range(pl.len()).over("item"),
                model=pl.col("candidates").struct.field("model").fill_null(""),
                characters=text.str.len_chars().log1p(),
                lines=text.str.count_matches("\n", literal=True).log1p(),
                lists=text.str.count_matches(r"(?m)^\s*(?:[-*•]|\d+[.)])\s").log1p(),
                questions=text.str.count_matches("?", literal=True).log1p(),
            )
        )
        sides = mine.select(
            "item",
            "annotator",
            "preferred",
            one=pl.col("shown").list.get(0),
            two=pl.col("shown").list.get(1),
        )
        for side in ("one", "two"):
            sides = sides.join(
                answers.rename(
                    {name: f"{side}_{name}" for name in answers.columns if name not in ("item", "candidate")}
                ),
                left_on=["item", side],
                right_on=["item", "candidate"],
                how="inner",
            )
        first = pl.col("one_rank") < pl.col("two_rank")
        sign = pl.when(first).then(1.0).otherwise(-1.0)
        self._keep(
            sides.select(
                "annotator",
                "item",
                y=(pl.col("preferred") == pl.when(first).then("one").otherwise("two")).cast(pl.Float64),
                first=pl.when(first).then("one_model").otherwise("two_model"),
                second=pl.when(first).then("two_model").otherwise("one_model"),
                **{name: sign * (pl.col(f"one_{name}") - pl.col(f"two_{name}")) for name in _PROPERTIES},
            )
        )

    def _keep(self, rows: pl.DataFrame) -> None:
        """Hold these rows; where many have come together, only each person's first ones by the hash."""
        keys = rows.select("annotator", "item").iter_rows()
        place = pl.Series("place", [_u(*key) for key in keys], dtype=pl.Float64)
        # Copied: rows of a text column otherwise keep the texts of the whole part they were taken from.
        copied = rows.with_columns(place).to_arrow(compat_level=pl.CompatLevel.oldest())
        self._rows.append(pl.DataFrame(copied))
        self._held += rows.height
        self._all += rows.height
        if self._held > 2 * self._after_pruning + MOST_OF_A_PERSON:
            self._prune()

    def _prune(self) -> None:
        whole = pl.concat(self._rows).sort("annotator", "place", "item", "first", "y", *_PROPERTIES)
        self._rows = [whole.group_by("annotator", maintain_order=True).head(MOST_OF_A_PERSON)]
        self._held = self._after_pruning = self._rows[0].height

    def finish(self) -> dict[str, Any]:
        """Figure and table of the curve, or the reason why there is none, as a JSON object."""
        if not self._rows:
            return {"reason": "no preference between two answers"}
        self._prune()
        rows = self._rows[0]
        x, names = _design(rows)
        people = _people(rows, x, self._groups)
        enough = [person for person in people if len(person.y) >= _LEAST_JUDGEMENTS]
        if min(sum(p.fold == fold for p in enough) for fold in (0, 1)) < _LEAST_PEOPLE // 2:
            return {
                "reason": f"too few people with {_LEAST_JUDGEMENTS} preferences to predict some from others"
            }
        return {
            "features": names,
            "people": len(enough),
            "preferences": int(sum(len(person.y) for person in enough)),
            "people_left_out": self._people_left_out,
            "preferences_left_out": self._all - rows.height,
            "group": self.group,
            "fallback": FALLBACK,
            "per_person": _per_person(enough),
            "per_group": _per_group(enough),
        }


class _Person:
    """One person's rows in an order that depends on nothing but names; the last third is predicted."""

    def __init__(self, name: str, group: str | None, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        self.name, self.group, self.x, self.y = name, group, x, y
        self.fold = int(_u("fold", name) * 2)
        self.seen = len(y) - max(1, -(-len(y) // 3))


def _people(rows: pl.DataFrame, x: NDArray[np.float64], groups: Mapping[str, str | None]) -> list[_Person]:
    y = rows["y"].to_numpy()
    found = []
    # A person's rows already stand in the order of their hashes.
    where = rows.with_row_index("row").group_by("annotator", maintain_order=True).agg("row")
    for name, numbers in where.iter_rows():
        picked = np.array(numbers)
        found.append(_Person(name, groups.get(name), x[picked], y[picked]))
    return found


def _design(rows: pl.DataFrame) -> tuple[NDArray[np.float64], list[str]]:
    """(N, D) differences, each divided by its root mean square; then one column per frequent model."""
    plain = rows.select(_PROPERTIES).to_numpy()
    models = pl.concat([rows["first"], rows["second"]]).value_counts().filter(pl.col("first") != "")
    listed = sorted(models.sort("count", "first", descending=[True, False])["first"].to_list()[:MOST_MODELS])
    chosen = [
        (rows["first"] == model).to_numpy().astype(float) - (rows["second"] == model).to_numpy().astype(float)
        for model in listed
    ]
    x = np.column_stack([plain, *chosen])
    scale = np.sqrt((x**2).mean(axis=0))
    kept = scale > 0
    names = [
        name for name, keep in zip([*FEATURES, *(f"model {m}" for m in listed)], kept, strict=True) if keep
    ]
    return x[:, kept] / scale[kept], names


def _start(
    people: Sequence[_Person], fold: int
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Weights of all people of the other fold, and of each of their groups."""
    others = [person for person in people if person.fold != fold]
    x, y = np.concatenate([p.x for p in others]), np.concatenate([p.y for p in others])
    everybody = fit_weights(x, y, towards=np.zeros(x.shape[1]), ridge=RIDGE_ALL)
    groups = {}
    for group in sorted({p.group for p in others if p.group is not None}):
        members = [p for p in others if p.group == group]
        groups[group] = fit_weights(
            np.concatenate([p.x for p in members]),
            np.concatenate([p.y for p in members]),
            towards=everybody,
            ridge=RIDGE_CLOSER,
        )
    return everybody, groups


def _score(x: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]) -> tuple[float, float]:
    """Accuracy (1/2 where the prediction is even) and mean log loss."""
    z = (2 * y - 1) * (x @ w)
    right = np.where(z > 0, 1.0, np.where(z < 0, 0.0, 0.5))
    return float(right.mean()), float(np.logaddexp(0, -z).mean())


def _per_person(people: Sequence[_Person]) -> list[dict[str, Any]]:
    starts = {fold: _start(people, fold) for fold in (0, 1)}
    found = []
    for n in PERSON_STEPS:
        scores = []
        for person in people:
            if person.seen < n:
                continue
            everybody, groups = starts[person.fold]
            start = groups.get(person.group or "", everybody)
            held = person.x[person.seen :], person.y[person.seen :]
            own = fit_weights(person.x[:n], person.y[:n], towards=start, ridge=RIDGE_CLOSER)
            scores.append((*_score(*held, own), *_score(*held, start), *_score(*held, everybody)))
        if len(scores) < _LEAST_PEOPLE:
            break
        table = np.array(scores)
        low, high = _interval(table[:, 3] - table[:, 1])
        found.append(
            {
                "judgements": n,
                "people": len(scores),
                "accuracy": float(table[:, 0].mean()),
                "log_loss": float(table[:, 1].mean()),
                "fallback_accuracy": float(table[:, 2].mean()),
                "fallback_log_loss": float(table[:, 3].mean()),
                "everybody_log_loss": float(table[:, 5].mean()),
                "gain": float((table[:, 3] - table[:, 1]).mean()),
                "gain_low": low,
                "gain_high": high,
            }
        )
    return found


def _per_group(people: Sequence[_Person]) -> dict[str, list[dict[str, Any]]]:
    """Group to its curve: weights of n judgements of its members in one fold, tried on its members in the other."""
    starts = {fold: _start(people, fold)[0] for fold in (0, 1)}
    found: dict[str, list[dict[str, Any]]] = {}
    for group in sorted({p.group for p in people if p.group is not None}):
        members = [p for p in people if p.group == group]
        rows: list[dict[str, Any]] = []
        for n in GROUP_STEPS:
            scores = []
            for fold in (0, 1):
                others = [p for p in members if p.fold != fold]
                if sum(len(p.y) for p in others) < n or not others:
                    continue
                x = np.concatenate([p.x for p in others])[:n]
                y = np.concatenate([p.y for p in others])[:n]
                w = fit_weights(x, y, towards=starts[fold], ridge=RIDGE_CLOSER)
                scores += [_score(p.x, p.y, w) for p in members if p.fold == fold]
            if len(scores) < _LEAST_PEOPLE // 2:
                break
            accuracy, loss = np.array(scores).mean(axis=0)
            rows.append(
                {"judgements": n, "people": len(scores), "accuracy": float(accuracy), "log_loss": float(loss)}
            )
        if rows:
            found[group] = rows
    return found


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean over people, Student's t."""
    reach = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - reach, float(values.mean()) + reach
