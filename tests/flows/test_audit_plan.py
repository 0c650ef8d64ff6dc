"""``bounds audit plan``: the same words give the same plan, and what it cannot try it says."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from flows.commands.audit import app
from flows.commands.audit_planning import Wanted, plan_of
from governance.errors import InputError
from infra.demo_files import demo_probes
from tests.support.shared_data import shared


def run(*args):
    return CliRunner().invoke(app, ["plan", *map(str, args)])


def planned(*args):
    done = run(*args, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_plan_names_every_request_with_its_rules_and_judges_and_no_prompt():
    args = ("--policy", "demo", "--profile", "demo-personas", "--attack", 2, "--seed", 7)
    plan = planned(*args)
    assert plan == planned(*args)
    assert plan["digest"] != planned(*args[:-1], 8)["digest"]
    assert [request["place"] for request in plan["requests"]] == list(range(len(plan["requests"])))
    assert len({(r["probe"], r["persona"]) for r in plan["requests"]}) == len(plan["requests"])
    assert all(request["rules"] and request["judges"] for request in plan["requests"])
    assert {cell["rule"]: cell["asked_families"] for cell in plan["cells"]} == {
        "T1.terrorism": 96, "T1.violent-threats": 96, "T2.no-over-refusal": 120,
    }  # fmt: skip
    assert set(plan["risks"]["covered"]) == {"I.R.3", "S.R.1", "S.R.2", "S.R.3"}
    assert "I.R.1" in plan["risks"]["uncovered"]
    text = json.dumps(plan)
    assert not any(probe.prompt in text for probe in demo_probes().probes)


def test_for_people():
    done = run("--policy", "demo", "--profile", "demo-personas")
    assert done.exit_code == 0
    assert (
        "persona close-minor: outside; companionship outside (T1.no-romance-for-children); tone inside"
        in done.stdout
    )
    assert "risks uncovered:" in done.stdout


def test_families_that_a_release_holds_are_left_out_and_named(tmp_path):
    held = demo_probes().probes[0]
    release = tmp_path / "release.jsonl"
    release.write_text(json.dumps({"prompt": held.prompt.upper()}) + "\n", "utf-8")
    plan = planned("--policy", "demo", "--against", release)
    assert any(held.family in said and "release.jsonl" in said for said in plan["assumptions"])
    assert not any(request["probe"] == held.id for request in plan["requests"])
    assert plan["cells"][0]["asked_families"] == 95


@pytest.mark.data
def test_published_probe_files_are_read():
    plan = planned("--policy", "xstest", "--probes", shared("xstest/xstest_prompts.csv"))
    assert sorted(cell["asked_families"] for cell in plan["cells"]) == [200, 250]
    gaps = planned("--policy", "demo", "--probes", shared("simplesafetytests/test_cases.csv"))
    assert gaps["cells"] == []
    assert {gap["reason"] for gap in gaps["unevaluated"]} == {
        "not evaluated: no probe of the set tries this rule"
    }


@pytest.mark.parametrize(
    "wanted",
    [
        {"policies": []}, {"context": ["adult"]}, {"context": ["age_band=13-17"]}, {"profiles": ["demo"]},
        {"profiles": ["demo-profile", "demo-profile"]}, {"probes": "absent.jsonl"},
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(wanted):
    with pytest.raises(InputError):
        plan_of(Wanted(**({"policies": ["demo"], "probes": "demo"} | wanted)))


def test_neither_sizes_nor_policy():
    assert run().exit_code != 0
    assert "773" in run("--max-rate", 0.01, "--allow", 3).stdout
