"""Runs steps of the way in processes of their own, killed where a test wants them killed."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support import way_child

ROOT = Path(__file__).resolve().parents[2]

# What a step changes outside its own memory: each is a place where a kill could lose or double something.
COLLECTING = (
    "infra.catalogue:add_presentations",
    "infra.label_studio:LabelStudioSite.send",
    "infra.catalogue:note_presentation_refs",
    "infra.objects_directory:DirectoryStore.put",
    "infra.collected:append_events",
)
VALIDATING = (
    "infra.objects_directory:DirectoryStore.put_tree",
    "mlflow.tracking.client:MlflowClient.create_run",
    "mlflow.tracking.client:MlflowClient.log_artifacts",
    "mlflow.tracking.client:MlflowClient.set_terminated",
    "infra.ledger:record_batch",
)
RELEASING = (
    "infra.objects_directory:DirectoryStore.put_tree",
    "mlflow.tracking.client:MlflowClient.create_run",
    "mlflow.tracking.client:MlflowClient.set_terminated",
    "infra.ledger:record_release",
)

PRELOAD = (
    "flows.collect flows.validate flows.release flows.train infra.expectations infra.validation_report "
    "infra.tracking infra.label_studio_pull infra.simulated_panel infra.candidates"
)
_FORKS = multiprocessing.get_context("forkserver")


def start_fork_server(settings):
    """Load what the steps need once; every step is then a fork of it. To be called before the first step."""
    os.environ.update(
        BOUNDS_TEST_PRELOAD=PRELOAD,
        BOUNDS_RETRY_SECONDS="0.1",
        PREFECT_API_URL=settings.prefect_api_url,
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL",
        MLFLOW_DISABLE_TELEMETRY="true",
    )
    _FORKS.set_forkserver_preload(["tests.support.way_child"])


def run_step(home, step, parameters=None, *, kill_at=0, durable=()):
    """Run a flow in a process of its own; its answer, or None where it was killed at the wanted call."""
    answer = home / f"answer-{uuid.uuid4().hex}.json"
    arguments = (str(home), step, parameters or {}, kill_at, tuple(durable), str(answer))
    process = _FORKS.Process(target=way_child.run, args=arguments)
    process.start()
    process.join(timeout=300)
    assert process.exitcode is not None, f"{step} did not end"
    if process.exitcode == -signal.SIGKILL:
        return None
    assert process.exitcode == 0, process.exitcode
    return json.loads(answer.read_text())


def run_alone(home, step, parameters=None, *, kill_at=0, durable=()):
    """The same in a new interpreter that takes this process's environment as it is now: for a stack of one's own."""
    answer = home / f"answer-{uuid.uuid4().hex}.json"
    call = (str(home), step, parameters or {}, kill_at, tuple(durable), str(answer))
    program = f"from tests.support.way_child import run; run(*{call!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, timeout=300
    )
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(answer.read_text())


def killed_everywhere(home, step, parameters=None, *, durable, stride=1, most=200, run=run_step):
    """Run a flow again and again, killed one durable call later each time, until it ends; runs and answer."""
    for runs in range(1, most):
        answer = run(home, step, parameters, kill_at=1 + (runs - 1) * stride, durable=durable)
        if answer is not None:
            assert "error" not in answer, answer
            return runs, answer["result"]
    raise AssertionError(f"{step} did not end within {most} runs")


def twin_home(home, folder):
    """A data folder with the same servers and secrets and nothing collected."""
    folder.mkdir(mode=0o700)
    for name in ("settings.toml", "secrets.json", "stack.json"):
        if (home / name).is_file():
            shutil.copy2(home / name, folder / name)
    return folder
