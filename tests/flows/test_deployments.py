"""The deployments of the project as data: each names a flow that is there, with parameters that it takes."""

import subprocess
import sys

import pytest

from flows.deployments import DEFAULT_FILE, _source, read_deployments
from governance.errors import InputError

SITES = ["uk", "ke"]


@pytest.fixture(scope="module")
def deployments():
    return read_deployments(DEFAULT_FILE, SITES)


def test_what_names_a_site_is_there_once_per_site(deployments):
    collect = [entry for entry in deployments if entry.entrypoint == "flows.collect.collect"]
    assert [(e.name, e.parameters, e.work_pool.name) for e in collect] == [
        (f"collect-{site}", {"site": site}, f"site-{site}") for site in SITES
    ]
    assert len({entry.name for entry in deployments}) == len(deployments) == 9


def test_every_entrypoint_is_a_flow_that_takes_its_parameters(deployments):
    for entry in deployments:
        name, schema = _source(entry.entrypoint)
        assert name
        assert set(entry.parameters) <= set(schema.properties), entry.name


def test_what_happens_by_itself_has_schedules_that_are_schedules(deployments):
    scheduled = {entry.name for entry in deployments if [schedule.create() for schedule in entry.schedules]}
    assert scheduled == {"collect-uk", "collect-ke", "validate", "reaudit", "withdraw"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deployments: {", "cannot be read"),
        ("[]", "cannot be read"),
        ("deployments: [{name: a, entrypoint: b.c}]", "work_pool"),
        ("deployments: [{name: a, entrypoint: b.c, work_pool: {name: p}, shedules: []}]", "shedules"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, text, said):
    file = tmp_path / "prefect.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said) as refused:
        read_deployments(file, SITES)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("entrypoint", ["flows.nothing.here", "flows.collect.nothing", "nothing"])
def test_an_entrypoint_that_is_no_flow_is_named(entrypoint):
    with pytest.raises(InputError, match="no such flow"):
        _source(entrypoint)


def test_a_schedule_is_either_cron_or_interval(tmp_path):
    file = tmp_path / "prefect.yaml"
    head = "deployments: [{name: a, entrypoint: b.c, work_pool: {name: p}, schedules: [{slug: s"
    for fields in ("", ", cron: '* * * * *', interval: 5"):
        file.write_text(f"{head}{fields}}}]}}]")
        (entry,) = read_deployments(file, [])
        with pytest.raises(InputError, match="either cron or interval"):
            entry.schedules[0].create()


def test_the_command_says_what_is_wrong_in_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "flows.deployments", "apply", "--file", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        check=False,
        env={"BOUNDS_HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path), "PREFECT_LOGGING_LEVEL": "ERROR"},
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none.yaml" in done.stderr
