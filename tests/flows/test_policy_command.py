from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.commands.policy import app
from governance.errors import BoundsError, InputError, PolicyError
from governance.policy.render import render
from infra.policy_files import POLICIES, load

ROOT = Path(__file__).parents[2]


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, BoundsError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("place", ["XX", "", "UK", "de"])
def test_a_place_that_there_is_not_is_bad_input_and_no_finding(place):
    with pytest.raises(InputError, match="--jurisdiction: unknown jurisdiction"):
        run("check", "demo", "-j", place)


@pytest.mark.parametrize(("option", "value"), [("--wish", "tone"), ("--context", "=x")])
def test_half_a_pair_is_named_with_its_option(option, value):
    with pytest.raises(InputError, match=f"^{option}: not a pair"):
        run("resolve", option, value)


def test_check_as_json_is_one_document():
    shown = json.loads(run("check", "health", "--json", "--at", "2026-11-21"))
    assert shown["passed"]
    assert shown["errors"] == 0
    assert shown["policy"].startswith("sha256:")


def test_strict_fails_on_warnings(tmp_path):
    text = (POLICIES / "tier1" / "baseline.yaml").read_text("utf-8")
    (tmp_path / "law.yaml").write_text(
        text.replace("    audit: {probes: [terrorism], judge: unsafe-content}\n", "")
    )
    assert "rule-without-effect-or-audit" in run("check", str(tmp_path / "law.yaml"))
    run("check", "--strict", str(tmp_path / "law.yaml"), code=1)


def test_a_pinned_document_brings_what_it_rests_on():
    shown = json.loads(run("check", str(POLICIES / "tier2" / "health-information.yaml"), "--json"))
    assert shown["passed"]


def test_diff_fails_only_on_what_it_was_told(tmp_path):
    old = POLICIES / "tier2" / "companion-chat.yaml"
    new = tmp_path / "new.yaml"
    new.write_text(old.read_text("utf-8").replace("low: 3\n    high: 10", "low: 1\n    high: 9"))
    for kind in ("loosened", "tightened", "any"):
        run("diff", str(old), str(new), "--fail-on", kind, code=1)
    run("diff", str(old), str(new), "--fail-on", "removed")
    shown = json.loads(run("diff", str(old), str(new), "--json"))
    assert [change["witness"]["value"] for change in shown["loosened"]] == [1]
    assert [change["witness"]["value"] for change in shown["tightened"]] == [10]
    new.write_text(render(load(old)))
    assert "no difference" in run("diff", str(old), str(new), "--fail-on", "any")
    with pytest.raises(InputError, match="not a kind of change"):
        run("diff", str(old), str(new), "--fail-on", "everything")


def test_two_packs_are_compared_as_stacks():
    shown = json.loads(run("diff", "provider", "health", "--json"))
    assert {change["id"] for change in shown["added"]} >= {"T2.no-dosage"}


def test_resolve_takes_files_packs_and_wishes(tmp_path):
    shown = json.loads(run("resolve", str(POLICIES / "tier3" / "clinician.yaml"), "-p", "health", "--json"))
    assert shown["settings"]["tone"] == "formal"
    assert shown["denied"][0]["owner"] == "Example Health"
    group = json.loads(
        run(
            "resolve",
            str(POLICIES / "tier3" / "easy-reading-group.yaml"),
            "-p",
            "provider",
            "-c",
            "age_band=adult",
            "--json",
        )
    )
    assert group["sources"]["reading_level"] == "group"
    plain = tmp_path / "wishes.json"
    plain.write_text('{"tone": "warm"}')
    said = json.loads(
        run("resolve", str(plain), "-p", "provider", "-w", "tone=formal", "-w", "emoji=true", "--json")
    )
    assert said["settings"]["tone"] == "formal"
    assert said["settings"]["emoji"] is True
    assert "Use a formal tone." in run(
        "resolve", str(plain), "-p", "provider", "-w", "tone=formal", "--prompt"
    )


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("foo=bar", "--context: no document asks for this attribute (got 'foo'; expected one of age_band"),
        (
            "age_band=nonsense",
            "not a known value of age_band (got 'nonsense'; expected one of 13_17, adult, ",
        ),
    ],
)
def test_a_circumstance_nobody_knows_is_refused_with_the_known_ones(pair, said):
    with pytest.raises(InputError) as caught:
        run("resolve", "-p", "provider", "-c", pair, "-w", "tone=warm")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_notes_on_what_law_limits_and_nobody_declares_take_one_line():
    shown = run("check", "baseline", "--at", "2026-11-21")
    assert shown.count("no document declares") == 1
    assert "companionship, content_maturity" in shown
    findings = json.loads(run("check", "baseline", "--json", "--at", "2026-11-21"))["findings"]
    limits = [found for found in findings if found["code"] == "limit-on-undeclared-dimension"]
    assert len(limits) > 1
    assert all(found["file"].endswith(".yaml") and found["line"] > 1 for found in limits)


def test_rules_that_no_case_can_try_are_not_counted(tmp_path):
    case = tmp_path / "deny" / "a misspelt dimension is denied.yaml"
    case.parent.mkdir()
    case.write_text("wish: {tonne: warm}")
    shown = json.loads(run("test", str(tmp_path), "-p", "baseline", "--json"))
    assert shown["passed"]
    assert shown["rules"] == {}


def test_a_date_is_said_as_it_is_written():
    with pytest.raises(InputError, match=r"not yet effective .*got '20..-..-..T00:00:00\+00:00'"):
        run("show", "demo", "--at", "2020-01-01")


def test_explain_names_the_ids_there_are():
    shown = json.loads(
        run(
            "explain",
            "T2.no-dosage",
            "-p",
            "health",
            "--for",
            str(POLICIES / "tier3" / "clinician.yaml"),
            "--json",
        )
    )
    assert shown["owner"] == "Example Health"
    assert shown["promotion"]["max_rate"] == 0.02
    assert shown["for_profile"]["holds"]
    assert json.loads(run("explain", "dimension.tone", "-p", "health", "--json"))["narrowed_by"]
    with pytest.raises(PolicyError, match=r"one of T1\.csam"):
        run("explain", "T2.gone", "-p", "health")


def test_show_and_coverage():
    assert "law-baseline@1.0.0" in run("show", "health")
    assert "sha256:" in run("show", str(POLICIES / "tier3" / "student.yaml"))
    shown = json.loads(run("coverage", "health", "--json"))
    assert set(shown["uncovered"]) == {"I.R.1", "I.R.4", "S.R.4", "S.R.5"}


def test_the_shipped_cases_pass():
    for pack in ("health", "companion", "baseline"):
        folder = ROOT / "tests" / "cases" / "policy" / pack
        shown = json.loads(
            run("test", str(folder), "-p", pack if pack != "baseline" else "provider", "--json")
        )
        assert shown["passed"], shown["cases"]


def test_a_folder_without_cases_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no cases"):
        run("test", str(tmp_path), "-p", "demo")


def test_resolving_from_the_shell_is_quick_because_little_is_loaded():
    heavy = [
        "polars",
        "numpy",
        "pandas",
        "scipy",
        "mlflow",
        "prefect",
        "great_expectations",
        "boto3",
        "sqlalchemy",
        "fastapi",
        "cryptography",
    ]
    script = (
        "import sys; sys.argv = ['bounds', 'policy', 'resolve', 'demo-profile', '-p', 'demo', '--json']\n"
        "from flows.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["settings"]


@pytest.mark.slow
def test_resolving_from_the_shell_takes_under_half_a_second():
    command = [sys.executable, "-m", "flows.cli", "policy", "resolve", "demo-profile", "-p", "demo", "--json"]
    seconds = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # CPU seconds: on a machine that does nothing else the wall's, and other work does not count
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5
