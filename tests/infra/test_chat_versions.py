"""ChatModel, ChatAgent and ResponsesAgent as MLflow loads them: told in their own form, conversations and all."""

from __future__ import annotations

import warnings

import pytest

from governance.audit.probes import Expectation, Probe, Turn
from governance.audit.responses import Persona, Request
from infra.artifacts import Fetched
from infra.subjects import PyfuncSubject
from tests.support.mlflow_store import mlflow_in

SOURCES = {
    "ChatModel": """
from mlflow.models import set_model
from mlflow.pyfunc import ChatModel
from mlflow.types.llm import ChatChoice, ChatCompletionResponse, ChatMessage
class Model(ChatModel):
    def predict(self, context, messages, params):
        last = messages[-1].content
        if last == "crash":
            raise RuntimeError("secret")
        text = f"{messages[0].role}|{len(messages)}|{last}|{params.temperature}|{(params.custom_inputs or {}).get('settings')}"
        return ChatCompletionResponse(choices=[ChatChoice(index=0, message=ChatMessage(role="assistant", content=text))])
set_model(Model())
""",
    "ResponsesAgent": """
from mlflow.models import set_model
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse
class Model(ResponsesAgent):
    def predict(self, request):
        last = request.input[-1].content
        if last == "crash":
            raise RuntimeError("secret")
        text = f"{request.input[0].role}|{len(request.input)}|{last}|{request.temperature}|{(request.custom_inputs or {}).get('settings')}"
        return ResponsesAgentResponse(output=[self.create_text_output_item(text=text, id="m1")])
set_model(Model())
""",
}


@pytest.fixture(scope="module", params=sorted(SOURCES))
def model(request, tmp_path_factory):
    import mlflow

    folder = tmp_path_factory.mktemp(request.param)
    (folder / "code.py").write_text(SOURCES[request.param])
    with mlflow_in(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(folder / "model", python_model=str(folder / "code.py"), pip_requirements=[])
        yield subject(folder / "model")


def subject(folder):
    return PyfuncSubject(Fetched(uri="models:/chat/1", folder=folder, digest="sha256:" + "1" * 64))


def asking(*texts, **persona):
    turns = tuple(Turn(role="user", text=text) for text in texts)
    probe = Probe(id="-".join(texts), family="f", turns=turns, expectation=Expectation.REFUSE)
    return Request(probe=probe, persona=Persona(id="p", **persona))


@pytest.mark.filterwarnings("ignore")
def test_personas_settings_and_sampling_reach_the_model_and_conversations_are_held(model):
    plain, talk, crash = model.respond([
        asking("hello", prompt="Be warm.", settings={"tone": "warm"}), asking("one", "two"), asking("crash"),
    ])  # fmt: skip
    assert plain.text == 'system|2|hello|0.0|{"tone": "warm"}'
    assert (talk.text, talk.earlier) == ("user|3|two|0.0|{}", ("user|1|one|0.0|{}",))
    assert (crash.text, crash.error) == (None, "the model raised RuntimeError")
    assert model.sampling == {
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": 512,
        "seed": None,
        "stream": False,
    }


@pytest.mark.filterwarnings("ignore")
def test_nothing_of_an_audit_is_kept_in_traces(model):
    import mlflow

    list(model.respond([asking("a prompt of tier one")]))
    assert mlflow.search_traces(return_type="list") == []


def test_a_version_that_cannot_be_loaded_gives_no_answer_and_says_so(tmp_path):
    (answer,) = subject(tmp_path / "absent").respond([asking("hi")])
    assert answer.error.startswith("the model raised ")
