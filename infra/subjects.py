"""Subjects of an audit that need the outside: stored completions in files, MLflow model versions.

The Protocol they implement is :class:`governance.audit.responses.Subject`. A subject never raises for one
answer: a request that brought none yields a :class:`Response` with the reason, which is counted and blocks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from governance.audit.judges import LabelLookup
from governance.audit.labels import lookup, parse_answers, responses_of
from governance.audit.probes import ProbeSet, parse_probes
from governance.audit.published import (
    CompletionFile,
    read_simplesafetytests,
    read_xstest_completions,
    read_xstest_prompts,
)
from governance.audit.responses import Persona, Request, Response, Subject
from governance.digest import digest_bytes
from governance.errors import InputError
from infra.artifacts import Fetched
from infra.chat_versions import ChatForm, chat_form, converse, without_traces
from infra.given_files import read_text

__all__ = [
    "CompletionsSubject",
    "PyfuncSubject",
    "Subject",
    "read_probes",
]

BATCH: Final = 256


def read_probes(path: Path | str) -> ProbeSet:
    """A probe set: our JSON Lines (``.jsonl``), XSTest's or SimpleSafetyTests' CSV, known by its header.

    Raises:
        InputError: The file is none of these, with what is wrong where.
    """
    file = Path(path)
    text = read_text(file)
    if file.suffix in {".jsonl", ".ndjson"}:
        return parse_probes(text, source=file.name)
    header = text.split("\n", 1)[0].lstrip("\ufeff").strip().split(",")
    if "prompts_final" in header:
        return read_simplesafetytests(text, source=file.name)
    if "completion" in header:
        return read_xstest_completions(text, source=file.name).probe_set
    return read_xstest_prompts(text, source=file.name)


class CompletionsSubject:
    """Answers that a model gave before, from one file.

    A ``.csv`` in XSTest's form brings its own probes and labels. A ``.jsonl`` holds ``probe``, ``response``
    and optionally ``persona``, ``label``, ``grade``; the probes come from a probe file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        text = read_text(self.path)
        self._digest = digest_bytes(text.encode("utf-8"))
        self.completions: CompletionFile | None = None
        self._labels: LabelLookup | None = None
        if self.path.suffix in {".jsonl", ".ndjson"}:
            answers = parse_answers(text, source=self.path.name)
            self._responses = responses_of(answers, source=self.path.name)
            self._labels = lookup(answers, source=self.path.name)
        else:
            self.completions = read_xstest_completions(text, source=self.path.name)
            self._responses = self.completions.responses()

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def digest(self) -> str:
        """Digest of the file's bytes."""
        return self._digest

    def labels(self, column: str = "final_label") -> LabelLookup:
        """The labels that the file carries.

        Raises:
            InputError: It carries none (of that column).
        """
        if self.completions is not None:
            return self.completions.labels(column)
        if self._labels is None:
            raise InputError("the responses carry no labels", file=self.name, field="label")
        return self._labels

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Every stored answer; those that nobody asks for are counted as unplanned.

        An answer to another prompt than the one asked under its id is no answer.
        """
        asked = {request.probe.id: request.probe for request in requests}
        strangers = self.completions.strangers(asked.values()) if self.completions is not None else ()
        others = asked.keys() & set(strangers)
        for response in self._responses:
            if response.probe in others:
                yield Response(probe=response.probe, error="the answer is to another prompt")
            else:
                yield response


class PyfuncSubject:
    """An MLflow model version, loaded through the pyfunc flavour from the files that were hashed.

    The model gets a DataFrame with ``probe`` and ``prompt`` and, as parameter ``settings``, the persona's
    resolved settings as JSON; it returns one text a row (a frame with ``response``, or a list). A ChatModel,
    ChatAgent or ResponsesAgent gets conversations in its own form (:mod:`infra.chat_versions`).

    Args:
        version: Its files; they must outlive the subject.
        settings: Settings under the persona's own, for all requests.
    """

    def __init__(self, version: Fetched, *, settings: Mapping[str, Any] | None = None) -> None:
        self.name = version.uri
        self.digest = version.digest
        self._folder = version.folder
        self._settings = dict(settings or {})

    @cached_property
    def _model(self) -> Any:
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(self._folder))

    @property
    def sampling(self) -> dict[str, Any] | None:
        """How answers are drawn, where the model's form takes it; None where it is the model's own affair."""
        return self._form.sampling if self._form is not None else None

    @cached_property
    def _form(self) -> ChatForm | None:
        try:
            return chat_form(self._model)
        except Exception:  # noqa: BLE001 - a version that cannot be loaded gives no answers, each with that reason
            return None

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """An answer for each request; a batch that fails yields its reason for each of its requests."""
        with without_traces():
            form = self._form
            if form is None:
                yield from self._rows(requests)
                return
            for request in requests:
                settings = {**self._settings, **request.persona.settings}
                yield converse(self._model, form, request, settings)

    def _rows(self, requests: Iterable[Request]) -> Iterator[Response]:
        by_persona: dict[str, list[Request]] = defaultdict(list)
        personas: dict[str, Persona] = {}
        for request in requests:
            by_persona[request.persona.id].append(request)
            personas[request.persona.id] = request.persona
        for name, asked in by_persona.items():
            settings = json.dumps({**self._settings, **personas[name].settings}, sort_keys=True)
            for start in range(0, len(asked), BATCH):
                yield from self._batch(asked[start : start + BATCH], settings)

    def _batch(self, batch: list[Request], settings: str) -> list[Response]:
        import pandas as pd

        single = [request for request in batch if len(request.probe.turns) == 1]
        several = [_failed(request, "the model takes single prompts, not conversations") for request in batch
                   if len(request.probe.turns) != 1]  # fmt: skip
        if not single:
            return several
        frame = pd.DataFrame(
            {
                "probe": [request.probe.id for request in single],
                "prompt": [request.probe.prompt for request in single],
            }
        )
        try:
            texts = _texts(self._model.predict(frame, params={"settings": settings}))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is a finding about it, not a crash of the audit
            return several + [
                _failed(request, f"the model raised {type(error).__name__}") for request in single
            ]
        if len(texts) != len(single):
            reason = f"the model gave {len(texts)} answers to {len(single)} prompts"
            return several + [_failed(request, reason) for request in single]
        return several + [
            Response(probe=request.probe.id, persona=request.persona.id, text=text)
            if isinstance(text, str)
            else _failed(request, f"the model gave {type(text).__name__}, not a text")
            for request, text in zip(single, texts, strict=True)
        ]


def _failed(request: Request, reason: str) -> Response:
    return Response(probe=request.probe.id, persona=request.persona.id, error=reason)


def _texts(output: Any) -> list[Any]:
    if hasattr(output, "columns"):
        column = "response" if "response" in output.columns else output.columns[0]
        return list(output[column])
    return list(output)
