"""The whole stack on real servers: what it promises to a person, and what it survives."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import httpx
import pytest

from infra.stack import Stack, State
from infra.stack.health import look
from tests.support.stack import eventually, processes_of, record_of

pytestmark = pytest.mark.servers
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds for one answer of a server on a busy machine


def bounds(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answered(*arguments):
    ran = bounds(*arguments)
    return ran if ran.returncode == 0 else None


def environment_of(pid):
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(pair.decode().partition("=")[::2] for pair in pairs if pair)


def test_every_part_answers_and_its_start_was_measured(whole_stack):
    health = look(whole_stack.home)
    assert {part.name: part.said for part in health.parts if not part.is_healthy} == {}
    workers = {"worker-site-uk", "worker-site-ke", "worker-central"}
    assert {part.name for part in health.parts} == {
        "s3",
        "label_studio",
        "prefect",
        "mlflow",
        "web",
        *workers,
    }
    assert set(whole_stack.timings) == {part.name for part in health.parts} | {"deployments", "webhook"}


def test_status_is_for_people_and_for_programs(whole_stack):
    # A part has two seconds to answer, which a loaded machine may not leave it: the question is asked again.
    people = eventually(lambda: answered("status", "--home", whole_stack.home), seconds=120)
    assert "worker-site-ke" in people.stdout
    programs = eventually(lambda: answered("status", "--home", whole_stack.home, "--json"), seconds=120)
    document = json.loads(programs.stdout)
    assert document["healthy"]
    assert document["parts"]["mlflow"]["url"] == whole_stack.settings.mlflow_url


def test_a_second_stack_is_refused_with_the_reason(whole_stack):
    second = bounds("up", "--home", whole_stack.home)
    assert second.returncode == 1
    assert f"process {os.getpid()}" in second.stderr
    assert whole_stack.settings.mlflow_url in second.stderr


def test_a_folder_with_nothing_running_is_said_to_be_so(tmp_path):
    asked = bounds("status", "--home", tmp_path / "none")
    assert asked.returncode == 1
    assert "no stack runs" in asked.stdout
    assert bounds("down", "--home", tmp_path / "none").returncode == 0


def test_each_site_has_its_own_project_key_and_pool(whole_stack):
    uk, ke = whole_stack.settings.site("uk"), whole_stack.settings.site("ke")
    assert len({uk.project, ke.project}) == len({uk.key, ke.key}) == len({uk.work_pool, ke.work_pool}) == 2


def test_label_studio_has_its_administrator_and_lets_nobody_sign_up(whole_stack):
    site = whole_stack.settings.site("uk")
    headers = {"Authorization": f"Token {site.label_studio_token.get_secret_value()}"}
    me = httpx.get(
        f"{site.label_studio_url}/api/current-user/whoami", headers=headers, timeout=PATIENCE
    ).json()
    assert me["email"] == "operator@bounds.localhost"
    assert me["active_organization"] == 1
    with httpx.Client(base_url=site.label_studio_url, follow_redirects=True, timeout=PATIENCE) as visitor:
        visitor.get("/user/signup/")
        form = {
            "email": "a@example.org",
            "password": "long enough 1",
            "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
        }
        assert visitor.post("/user/signup/", data=form).status_code == 403
        login = json.loads((whole_stack.home / "secrets.json").read_text())["label_studio"]
        visitor.get("/user/login/")
        form = {
            "email": login["username"],
            "password": login["password"],
            "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
        }
        visitor.post("/user/login/", data=form)
        assert visitor.get("/projects/").url.path == "/projects/"  # a stranger is led to the login


def test_telemetry_is_off_in_every_part(whole_stack):
    label_studio = environment_of(whole_stack.pid("label_studio"))
    assert label_studio["LABEL_STUDIO_COLLECT_ANALYTICS"] == "false"
    assert label_studio["LABEL_STUDIO_SENTRY_DSN"] == label_studio["LABEL_STUDIO_FRONTEND_SENTRY_DSN"] == ""
    assert environment_of(whole_stack.pid("mlflow"))["MLFLOW_DISABLE_TELEMETRY"] == "true"
    settings = httpx.get(f"{whole_stack.settings.prefect_api_url}/admin/settings", timeout=PATIENCE).json()
    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["ui"]["show_promotional_content"] is False


def test_a_page_from_elsewhere_cannot_call_prefect(whole_stack):
    def allowed(origin):
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(
            f"{whole_stack.settings.prefect_api_url}/deployments/", headers=asks, timeout=PATIENCE
        )
        return answer.headers.get("access-control-allow-origin")

    own = whole_stack.settings.prefect_api_url.removesuffix("/api")
    assert allowed(own) == own
    assert allowed("http://attacker.example") is None


def test_no_secret_stands_on_a_command_line(whole_stack):
    login = json.loads((whole_stack.home / "secrets.json").read_text())
    hidden = [
        login["label_studio"]["password"],
        login["label_studio"]["token"],
        login["settings"]["s3"]["secret_key"],
    ]
    for pid in processes_of(whole_stack.home):
        line = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in hidden if secret in line]


def test_artifacts_and_objects_lie_in_one_bucket(whole_stack):
    s3 = whole_stack.settings.s3
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.access_key.get_secret_value(),
        aws_secret_access_key=s3.secret_key.get_secret_value(),
    )
    address = f"{whole_stack.settings.mlflow_url}/api/2.0/mlflow-artifacts/artifacts/probe/hello.txt"
    assert httpx.put(address, content=b"hello", timeout=PATIENCE).status_code == 200
    try:
        stored = client.get_object(Bucket=s3.bucket, Key=f"{s3.prefix}/mlflow/probe/hello.txt")["Body"].read()
    finally:
        client.close()
    assert stored == b"hello"
    assert httpx.get(address, timeout=PATIENCE).content == b"hello"


def test_schedules_run_on_the_worker_of_their_site(whole_stack):
    for site in ("uk", "ke"):
        ran = eventually((whole_stack.home / f"sample-{site}.txt").is_file, seconds=180)
        assert ran
    api = whole_stack.settings.prefect_api_url

    def completed():
        runs = httpx.post(f"{api}/flow_runs/filter", json={"limit": 200}, timeout=PATIENCE).json()
        return [run for run in runs if run["state_type"] == "COMPLETED"]

    # The flow leaves its line before Prefect hears that it has ended.
    done = eventually(
        lambda: len({run["work_pool_name"] for run in completed()}) == 2 and completed(), seconds=240
    )
    assert {(run["parameters"]["site"], run["work_pool_name"]) for run in done} >= {
        ("uk", "site-uk"),
        ("ke", "site-ke"),
    }
    assert {run["created_by"]["type"] for run in done} == {"SCHEDULE"}


def test_killed_parts_are_started_again_while_the_others_go_on(whole_stack):
    other = whole_stack.home / "sample-ke.txt"
    eventually(other.is_file, seconds=180)
    killed = {name: whole_stack.pid(name) for name in ("mlflow", "worker-site-uk")}
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)

    def restarted():
        now = {part.name: part for part in whole_stack.statuses}
        return all(now[name].restarts >= 1 and now[name].state is State.READY for name in killed)

    before = len(other.read_text().splitlines())
    eventually(restarted, seconds=180)
    assert httpx.get(f"{whole_stack.settings.mlflow_url}/health", timeout=PATIENCE).text == "OK"
    assert {name: whole_stack.pid(name) for name in killed} != killed
    eventually(lambda: len(other.read_text().splitlines()) > before, seconds=120)
    assert all(part.restarts == 0 for part in whole_stack.statuses if part.name not in killed)
    assert record_of(whole_stack.home)["parts"]["mlflow"]["restarts"] >= 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_during_the_start_leaves_no_process(tmp_path, number):
    home = tmp_path / "home"
    options = [
        word for name in ("label_studio", "mlflow", "prefect", "web") for word in ("--port", f"{name}=0")
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "up", "--home", str(home), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        eventually(
            lambda: (
                record_of(home).get("parts", {}).get("prefect", {}).get("pid") and len(processes_of(home)) > 5
            )
        )
        running.send_signal(number)
        out, said = running.communicate(timeout=60)
    eventually(lambda: processes_of(home) == [], seconds=20)
    assert "Traceback" not in said
    assert out == ""
    if number != signal.SIGKILL:
        assert running.returncode == 0
        assert "stopped; no process is left" in said
        assert record_of(home)["state"] == "stopped"


def test_a_stack_starts_again_on_its_old_data(tmp_path):
    def projects(stack):
        site = stack.settings.sites[0]
        headers = {"Authorization": f"Token {site.label_studio_token.get_secret_value()}"}
        return httpx.Client(base_url=f"{site.label_studio_url}/api", headers=headers, timeout=PATIENCE)

    options = {"parts": ("label_studio", "s3"), "ports": {"label_studio": 0, "s3": 0}}
    with Stack(tmp_path, store="s3", **options) as stack, projects(stack) as client:
        assert client.post("/projects/", json={"title": "kept"}).status_code == 201
    assert processes_of(tmp_path) == []
    with Stack(tmp_path, **options) as stack, projects(stack) as client:
        assert [project["title"] for project in client.get("/projects/").json()["results"]] == ["kept"]
        assert stack.settings.store == "s3"
