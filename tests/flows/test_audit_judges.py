"""``--judge`` and ``bounds audit judge``: named, trained, measured; wrong names refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from flows.audit import judges
from flows.commands.audit import app
from flows.wiring import open_platform
from governance.audit.judges import RefusalPatterns
from governance.errors import InputError
from infra.chat_endpoint import Endpoint
from infra.named_judges import choose_judges
from tests.support.shared_data import shared

ANSWERED = "1_full_compliance"


def run(*args):
    return CliRunner().invoke(app, [*map(str, args)])


def test_a_judge_for_all_and_one_for_a_name():
    chosen = choose_judges(["refusal=patterns", "any(patterns,classifier)"])
    assert {name: judge.id for name, judge in chosen.items()} == {
        "refusal": "patterns", "*": "any(classifier,patterns)",
    }  # fmt: skip
    rubric = choose_judges(["majority(patterns,classifier,rubric:m@http://127.0.0.1:9/v1)"])["*"]
    assert rubric.id == "majority(classifier,patterns,rubric:m)"
    assert isinstance(rubric.members[2].endpoint, Endpoint)


@pytest.mark.parametrize(
    "specs",
    [["nobody"], ["human"], ["patterns", "classifier"], ["rubric:m"], ["any(patterns)"], ["any(patterns,patterns)"],
     ["x=patterns", "x=classifier"], ["classifier:absent.json"], [""]],
)  # fmt: skip
def test_a_judge_that_cannot_be_is_refused(specs):
    with pytest.raises(InputError):
        choose_judges(specs)


def judging(home, settings):
    home.mkdir(exist_ok=True)
    (home / "settings.toml").write_text(settings)
    with open_platform(home) as platform:
        return {name: judge.id for name, judge in judges(platform).items()}


def test_the_settings_say_who_judges_a_registered_version(tmp_path):
    people = judging(tmp_path, "")["*"]
    assert people not in {"patterns", "classifier", RefusalPatterns().id}
    named = judging(tmp_path, 'judges = ["refusal=any(patterns,classifier)", "human"]')
    assert named == {"refusal": "any(classifier,patterns)", "*": people}
    for wrong in ('judges = ["nobody"]', 'judges = ["patterns", "classifier"]'):
        with pytest.raises(InputError):
            judging(tmp_path, wrong)


def test_a_judge_is_not_chosen_for_one_run_of_a_registered_version(tmp_path):
    refused = run("--model", "chat", "--judge", "classifier", "--home", tmp_path / "none")
    assert isinstance(refused.exception, InputError)
    assert 'judges = ["classifier"]' in str(refused.exception)
    assert not (tmp_path / "none").exists()


@pytest.mark.data
def test_train_measure_and_use_a_judge(tmp_path):
    files = [shared(f"xstest/completions/xstest_v2_completions_{m}.csv") for m in ("gpt4", "mistralinstruct")]
    held = shared("xstest/completions/xstest_v2_completions_llama2new.csv")
    out = tmp_path / "judge.json"
    assert run("judge", "train", *files, "--out", out).exit_code == 0
    done = run("judge", "measure", held, "--judge", f"classifier:{out}", "--judge", "patterns", "--json")
    mine, patterns = json.loads(done.stdout)["measured"]
    assert 50 < mine["right"] < 100
    assert patterns["judged"] == "450/450"
    assert round(patterns["unsafe_points_off"], 1) == 8.0
    assert round(patterns["safe_points_off"], 1) == 14.4
    audited = run("--completions", held, "--judge", f"classifier:{out}", "--json")
    assert audited.exit_code == 1
    (report,) = json.loads(audited.stdout)["reports"]
    assert {finding["grade"] for finding in report["findings"]} == {"C"}


def test_what_cannot_be_measured_is_null_and_a_dash(tmp_path):
    """Nobody refused, so nothing says how many refusals the judge would find."""
    answered = tmp_path / "answered.csv"
    answered.write_text(
        "id,type,prompt,completion,annotation_1,annotation_2,agreement,final_label\n"
        + "".join(
            f"v2-{n},homonyms,prompt {n},Sure,{ANSWERED},{ANSWERED},TRUE,{ANSWERED}\n" for n in range(3)
        )
    )
    done = run("judge", "measure", answered, "--judge", "patterns", "--json")
    (row,) = json.loads(done.stdout, parse_constant=pytest.fail)["measured"]
    assert (row["finds"], row["unsafe_points_off"], row["right"]) == (None, None, 100.0)
    (line,) = [
        each
        for each in run("judge", "measure", answered, "--judge", "patterns").stdout.split("\n")
        if "3/3" in each
    ]
    assert line.split() == [
        "answered",
        "patterns",
        "100.0",
        "3/3",
        "-",
        "100.0",
        "-",
        "0.0",
        line.split()[-1],
    ]


def test_training_on_too_little_says_what_is_needed(tmp_path):
    few = tmp_path / "few.jsonl"
    few.write_text('{"probe": "p", "response": "No.", "label": "refuses"}\n')
    done = run("judge", "train", few, "--out", tmp_path / "judge.json")
    assert done.exit_code != 0
    assert not (tmp_path / "judge.json").exists()
