"""Model versions that take conversations: MLflow's ChatModel, ChatAgent and ResponsesAgent.

Each is told in its own form, known by the task that MLflow records with the model. The persona stands in a system
message, as it would in production, and its settings as such in ``custom_inputs``. Streaming is off; sampling is
stated where the form takes it. MLflow's traces are off while asking: they would keep prompts and answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from governance.audit.responses import Request, Response
from infra.endpoints import conversation

__all__ = ["SAMPLING", "ChatForm", "chat_form", "converse", "without_traces"]

SAMPLING: Final[Mapping[str, Any]] = {
    "temperature": 0.0, "top_p": 1.0, "max_tokens": 512, "seed": None, "stream": False
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatForm:
    """How one kind of model is told and answers.

    Attributes:
        task: As MLflow records it.
        messages: Field that holds the messages.
        length: Field for the longest answer; None where the form has none.
        samples: Whether temperature and top_p are taken.
    """

    task: str
    messages: str
    length: str | None
    samples: bool

    @property
    def sampling(self) -> dict[str, Any] | None:
        """What is stated about drawing answers, for the report."""
        return dict(SAMPLING) if self.samples else None

    def body(self, messages: list[Mapping[str, str]], settings: str) -> dict[str, Any]:
        """What the model is given."""
        body: dict[str, Any] = {self.messages: messages, "custom_inputs": {"settings": settings}}
        if self.samples:
            body |= {"temperature": SAMPLING["temperature"], "top_p": SAMPLING["top_p"]}
        if self.length:
            body[self.length] = SAMPLING["max_tokens"]
        return body


_FORMS: Final = {
    form.task: form
    for form in (
        ChatForm(task="agent/v1/chat", messages="messages", length="max_tokens", samples=True),
        ChatForm(task="llm/v1/chat", messages="messages", length="max_tokens", samples=True),
        ChatForm(task="agent/v2/chat", messages="messages", length=None, samples=False),
        ChatForm(task="agent/v1/responses", messages="input", length="max_output_tokens", samples=True),
    )
}


def chat_form(model: Any) -> ChatForm | None:
    """The form of a loaded pyfunc model; None where it takes rows, not conversations."""
    recorded = getattr(getattr(model, "metadata", None), "metadata", None) or {}
    return _FORMS.get(str(recorded.get("task")))


def converse(model: Any, form: ChatForm, request: Request, settings: Mapping[str, Any]) -> Response:
    """Put one request to a model, step by step; whatever it raises or returns amiss is the reason of no answer."""
    probe, persona = request.key
    said: list[str] = []
    messages: list[Mapping[str, str]] = []
    error: str | None = None
    for step in conversation(request).steps:
        messages += step
        try:
            output = model.predict(form.body(list(messages), json.dumps(dict(settings), sort_keys=True)))
            text = _text(output)
        except Exception as fault:  # noqa: BLE001 - whatever a model raises is a finding about it, not a crash of the audit
            error = f"the model raised {type(fault).__name__}"
            break
        if text is None:
            error = "the model's answer is not a text"
            break
        said.append(text)
        messages.append({"role": "assistant", "content": text})
    if error is not None:
        return Response(probe=probe, persona=persona, error=error, earlier=tuple(said))
    return Response(probe=probe, persona=persona, text=said[-1], earlier=tuple(said[:-1]))


def _text(output: Any) -> str | None:
    """The text of a chat completion, of the last message of an agent, or of a response's output items."""
    if not isinstance(output, dict):
        output = output.model_dump() if hasattr(output, "model_dump") else output.to_dict()
    if "choices" in output:
        content = output["choices"][0]["message"]["content"]
    elif "messages" in output:
        content = output["messages"][-1]["content"]
    else:
        parts = [
            part["text"]
            for item in output["output"]
            if item.get("type") == "message"
            for part in item["content"]
            if part.get("type") in {"output_text", "refusal"}
        ]
        content = "".join(parts) if parts else None
    return content if isinstance(content, str) else None


@contextmanager
def without_traces() -> Iterator[None]:
    """No MLflow traces while the context lasts."""
    import mlflow.tracing
    from mlflow.tracing.provider import is_tracing_enabled

    enabled = is_tracing_enabled()
    mlflow.tracing.disable()
    try:
        yield
    finally:
        if enabled:
            mlflow.tracing.enable()
