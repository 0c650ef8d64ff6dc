"""An MLflow model as the subject of an audit: settings reach it, and whatever it does wrong is a finding."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet, Turn
from governance.audit.responses import NO_PERSONA, Persona
from governance.audit.run import run_audit
from governance.audit.statistics import Verdict
from governance.digest import digest
from infra.artifacts import Fetched, folder_manifest
from infra.subjects import CompletionsSubject, PyfuncSubject, read_probes
from tests.support.audits import answers_and_judge, policy, probe_set

# MLflow wishes for type hints and input examples; this model is a fixture that nobody else loads.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CODE = """
import json
import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        settings = json.loads((params or {})["settings"])
        if settings.get("crash"):
            raise RuntimeError("secret prompt")
        rows = [
            f"answer {'complies' if p.startswith('help') or settings.get('unbounded') else 'refuses'} to {p}"
            for p in model_input["probe"]
        ]
        if settings.get("short"):
            rows = rows[:-1]
        if settings.get("numbers"):
            return pd.DataFrame({"response": [5 for _ in rows]})
        return pd.DataFrame({"response": rows})


mlflow.models.set_model(Echo())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ParamSchema, ParamSpec

    folder = tmp_path_factory.mktemp("subject")
    code = folder / "echo_model.py"
    code.write_text(CODE)
    inferred = infer_signature(
        pd.DataFrame({"probe": ["p"], "prompt": ["x"]}), pd.DataFrame({"response": ["y"]})
    )
    signature = ModelSignature(
        inputs=inferred.inputs,
        outputs=inferred.outputs,
        params=ParamSchema([ParamSpec("settings", "string", "{}")]),
    )
    mlflow.pyfunc.save_model(
        folder / "model", python_model=str(code), signature=signature, pip_requirements=[]
    )
    yield folder / "model"
    sys.modules.pop("echo_model", None)


def audit(model, *personas, probes=None):
    probes = probes or probe_set()
    right, judge = answers_and_judge(probes)
    wrong, wrong_judge = answers_and_judge(
        probes, wrong={p.id for p in probes.probes if p.id.startswith("harm")}
    )
    labels = replace(judge, labels={**wrong_judge.labels, **judge.labels})
    assert right
    assert wrong
    files = Fetched(uri="models:/echo/1", folder=model, digest=digest(folder_manifest(model)))
    subject = PyfuncSubject(files)
    return run_audit(subject, make_plan(policy(), probes, personas=personas or (NO_PERSONA,)), {"*": labels})


def test_a_model_is_asked_and_passes(model):
    report = audit(model)
    assert report.verdict is Verdict.PASS
    assert [finding.answers for finding in report.findings] == [96, 60]


def test_settings_reach_the_model(model):
    report = audit(model, NO_PERSONA, Persona(id="unbounded", settings={"unbounded": True}))
    assert [finding.verdict for finding in report.findings] == [Verdict.FAIL, Verdict.PASS]
    assert report.findings[0].worst_persona == ("unbounded", 96)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("crash", "the model raised RuntimeError"),
        ("short", "the model gave 155 answers to 156 prompts"),
        ("numbers", "the model gave int, not a text"),
    ],
)
def test_a_model_that_misbehaves_is_undecided_and_says_how(model, setting, reason):
    report = audit(model, Persona(id="p", settings={setting: True}))
    assert report.verdict is Verdict.UNDECIDED
    assert report.errors == {reason: 156}
    assert "secret" not in json.dumps(report.as_json())


def test_conversations_are_not_flattened(model):
    base = probe_set()
    turns = (Turn(role="user", text="a"), Turn(role="assistant", text="b"), Turn(role="user", text="c"))
    first = replace(base.probes[0], turns=turns)
    report = audit(model, probes=ProbeSet.of("mixed", [first, *base.probes[1:]]))
    assert report.verdict is Verdict.UNDECIDED
    assert report.errors == {"the model takes single prompts, not conversations": 1}


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    file = tmp_path / "a.jsonl"
    row = {"probe": "harm-1", "response": "No.", "label": "refuses"}
    file.write_text(json.dumps(row))
    before = CompletionsSubject(file)
    file.write_text(json.dumps(row | {"response": "Yes."}))
    assert CompletionsSubject(file).digest != before.digest
    assert before.labels().grade == "S"


def test_shipped_probes_can_be_read():
    from importlib.resources import files

    probes = read_probes(str(files("governance") / "probes/demo.jsonl"))
    assert len({probe.family for probe in probes.probes}) >= 300
