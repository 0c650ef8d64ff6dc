"""The example candidates: how they differ, how they are stored, and how MLflow logs and loads them.

Their preference is learned from a release in :mod:`infra.ranker_training`; what they do with it is
:mod:`infra.ranker`.

Candidates, all of the same form; each has one fault or none:

=============  ==============================================================================
``bounded``    the person's wish, inside what the consensus of the stored answers allows
``unbounded``  the same wish and weights without the bound: leaves Tier One under "no lectures"
``over-refuser``  refuses wherever any stored answer refuses
``overfitted`` does what most stored answers do, in the manner of one person to the letter
``one-manner`` gives everybody answers without a reminder, which most people like and a minority does not
=============  ==============================================================================

A logged model holds data only (``ranker.json``, ``answers.jsonl``: no pickle); its code is this module, so
``bounds`` must be installed where it is loaded.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from governance.digest import canonical, digest_set
from governance.errors import InputError
from infra.ranker import Bound, Manner, StoredAnswer, StoredRanker, Weights
from infra.ranker_training import busiest, train

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from mlflow.data.dataset import Dataset

__all__ = ["KINDS", "candidate", "learn", "load", "log_candidate", "save", "train"]

KINDS: Final[Mapping[str, Manner]] = {
    "bounded": Manner(bound=Bound.CONSENSUS),
    "unbounded": Manner(bound=Bound.NONE),
    "over-refuser": Manner(bound=Bound.ANY_REFUSAL),
    "overfitted": Manner(bound=Bound.MAJORITY, learned=5.0),
    "one-manner": Manner(bound=Bound.CONSENSUS, always={"moralising": False}),
}
_TO_THE_LETTER: Final = 1e-3
# One person of the shipped panel has some ten preferences, of which a release trains on about six.
_LEAST_OF_ONE: Final = 3
_RANKER: Final = "ranker.json"
_ANSWERS: Final = "answers.jsonl"
_TAG: Final = "bounds.candidate_digest"


def candidate(
    weights: Weights, kind: str, *, stored: Mapping[str, Sequence[StoredAnswer]] | None = None
) -> StoredRanker:
    """The candidate of a kind; by default over the stored answers that the project ships.

    Raises:
        InputError: Unknown kind.
    """
    if kind not in KINDS:
        raise InputError(
            "unknown candidate", file="candidates", field="kind", value=kind, expected=", ".join(KINDS)
        )
    if stored is None:
        from infra.demo_files import stored_answers

        stored = stored_answers()
    return StoredRanker(kind=kind, manner=KINDS[kind], weights=weights, stored=stored)


def learn(
    tables: Mapping[str, pa.Table],
    kind: str,
    *,
    seed: int,
    stored: Mapping[str, Sequence[StoredAnswer]] | None = None,
) -> StoredRanker:
    """Train a candidate as its kind is trained: ``overfitted`` on the busiest person alone, others on everybody.

    Args:
        tables: See :func:`infra.ranker_training.pairs_of`.
        kind: One of ``KINDS``.
        seed: Kept with the weights.
        stored: Stored answers; the shipped ones by default.

    Raises:
        InputError: Unknown kind, or too few preferences.
    """
    if kind == "overfitted":
        one = {busiest(tables)}
        return candidate(
            train(tables, seed=seed, annotators=one, regularisation=_TO_THE_LETTER, least=_LEAST_OF_ONE),
            kind,
            stored=stored,
        )
    return candidate(train(tables, seed=seed), kind, stored=stored)


def save(ranker: StoredRanker, folder: Path) -> None:
    """Write the model's data; equal models write equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    manner = {
        "bound": str(ranker.manner.bound),
        "strength": ranker.manner.strength,
        "learned": ranker.manner.learned,
        "always": dict(ranker.manner.always),
    }
    head = {
        "format": "bounds.ranker/1",
        "kind": ranker.kind,
        "manner": manner,
        "weights": ranker.weights.as_json(),
    }
    (folder / _RANKER).write_bytes(canonical(head) + b"\n")
    lines = [
        canonical({"prompt": key, "answers": [[answer.source, answer.text] for answer in answers]})
        for key, answers in sorted(ranker.stored.items())
    ]
    (folder / _ANSWERS).write_bytes(b"\n".join(lines) + b"\n")


def load(folder: Path) -> StoredRanker:
    """Read what :func:`save` wrote.

    Raises:
        InputError: The files are not a model of a known format.
    """
    try:
        head = json.loads((folder / _RANKER).read_text("utf-8"))
        if head["format"] != "bounds.ranker/1":
            raise InputError("unknown format", file=_RANKER, value=head["format"], expected="bounds.ranker/1")
        rows = [json.loads(line) for line in (folder / _ANSWERS).read_text("utf-8").splitlines()]
        return StoredRanker(
            kind=head["kind"],
            manner=Manner(**{**head["manner"], "bound": Bound(head["manner"]["bound"])}),
            weights=Weights.from_json(head["weights"]),
            stored={
                row["prompt"]: [StoredAnswer(source=source, text=text) for source, text in row["answers"]]
                for row in rows
            },
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"not a stored ranker: {error}", file=str(folder)) from error


class _Served:
    """What ``mlflow.pyfunc`` calls."""

    def __init__(self, ranker: StoredRanker) -> None:
        self.ranker = ranker

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """One ``response`` for each row's ``prompt``, under ``params["settings"]`` (JSON).

        Where a row brings two answers, ``first`` and ``second``, also how much the model ``prefers`` the first.
        """
        import pandas as pd

        try:
            settings = json.loads((params or {}).get("settings") or "{}")
        except ValueError as error:
            raise InputError(f"not JSON: {error}", file="params", field="settings") from error
        if not isinstance(settings, dict):
            raise InputError("not an object", file="params", field="settings", value=settings)
        answers = [self.ranker.answer(str(prompt), settings) for prompt in model_input["prompt"]]
        columns: dict[str, Any] = {"response": answers}
        if {"first", "second"} <= set(model_input.columns):
            scores = [
                self.ranker.score([str(first), str(second)], settings)
                for first, second in zip(model_input["first"], model_input["second"], strict=True)
            ]
            columns["prefers"] = [round(float(first - second), 9) for first, second in scores]
        return pd.DataFrame(columns, index=model_input.index)


def _load_pyfunc(path: str) -> _Served:
    """Entry that ``mlflow.pyfunc.load_model`` calls in this module."""
    return _Served(load(Path(path)))


def log_candidate(
    ranker: StoredRanker,
    *,
    registered_model: str,
    release_digest: str,
    dataset: Dataset | None = None,
    experiment: str = "bounds/candidates",
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Log the candidate as a version of a registered model, once: again, and the same version is returned.

    The caller has set the tracking URI.

    Args:
        ranker: The candidate.
        registered_model: Name in the registry.
        release_digest: Release it was trained on; stands in the tags of run and version.
        dataset: Dataset input of the training run.
        experiment: Name of the experiment.
        tags: Further tags of the version.
        metrics: Further metrics of the run, such as held-out preference accuracy.

    Returns:
        The version.
    """
    import mlflow

    identity = digest_set([ranker.digest, release_digest])
    version_tags = {
        _TAG: identity,
        "bounds.candidate": ranker.kind,
        "bounds.release_digest": release_digest,
        **(tags or {}),
    }
    client = mlflow.MlflowClient()
    for known in client.search_model_versions(f"name = '{registered_model}'"):
        if known.tags.get(_TAG) == identity:
            return str(known.version)
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=ranker.kind, tags=version_tags) as run:
        if dataset is not None:
            mlflow.log_input(dataset, context="training")
        mlflow.log_params(
            {
                "kind": ranker.kind,
                "bound": str(ranker.manner.bound),
                "strength": ranker.manner.strength,
                "seed": ranker.weights.seed,
            }
        )
        mlflow.log_metrics({"pairs": ranker.weights.pairs, **(metrics or {})})
        info = _log_model(ranker)
    # MLflow prints what it does; the terminal belongs to the command.
    with contextlib.redirect_stderr(io.StringIO()):
        version = mlflow.register_model(info.model_uri, registered_model, tags=version_tags)
    client.update_model_version(
        registered_model,
        version.version,
        f"{ranker.kind}: {ranker.manner.bound} bound, run {run.info.run_id}",
    )
    return str(version.version)


def _log_model(ranker: StoredRanker) -> Any:
    import mlflow
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    signature = ModelSignature(
        inputs=Schema(
            [
                ColSpec(DataType.string, "probe", required=False),
                ColSpec(DataType.string, "prompt", required=True),
                ColSpec(DataType.string, "first", required=False),
                ColSpec(DataType.string, "second", required=False),
            ]
        ),
        outputs=Schema([ColSpec(DataType.string, "response")]),
        params=ParamSchema([ParamSpec("settings", DataType.string, "{}")]),
    )
    # A harmless prompt: the example is shown on the model's page.
    example = pd.DataFrame({"probe": ["example"], "prompt": ["Do lie detectors work?"]})
    with tempfile.TemporaryDirectory(prefix="bounds-candidate-") as folder:
        data = Path(folder) / "ranker"
        save(ranker, data)
        return mlflow.pyfunc.log_model(
            name="candidate",
            loader_module="infra.candidates",
            data_path=str(data),
            signature=signature,
            input_example=example,
            pip_requirements=["numpy>=2.1", "pyarrow>=20"],
            metadata={"needs": "the bounds distribution, whose module infra.candidates loads this model"},
        )
