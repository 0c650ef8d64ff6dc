"""Runs steps of the way in processes of their own, killed where a test wants them killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

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

_DRIVER = """
import importlib, json, os, signal, sys
step, parameters, kill_at = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
calls = 0

def wrap(path):
    module, _, rest = path.partition(":")
    owner = importlib.import_module(module)
    *outer, name = rest.split(".")
    for part in outer:
        owner = getattr(owner, part)
    real = getattr(owner, name)
    def counted(*args, **kwargs):
        global calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **kwargs)
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, counted)

from infra.settings import load_settings
from flows.running import use_prefect
use_prefect(load_settings())
for path in os.environ["BOUNDS_TEST_DURABLE"].split():
    wrap(path)
flow = getattr(importlib.import_module(f"flows.{step}"), step)
try:
    result = flow(**parameters)
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}))
    sys.exit(3)
print(json.dumps({"result": result, "calls": calls}, default=str))
"""


def run_step(home, step, parameters=None, *, kill_at=0, durable=(), retries="0.1", environment=None):
    """Run a flow; its answer, or None where it was killed at the wanted call."""
    run = subprocess.run(
        [sys.executable, "-c", _DRIVER, step, json.dumps(parameters or {}), str(kill_at)],
        cwd=ROOT,
        env={
            **os.environ,
            "BOUNDS_HOME": str(home),
            "BOUNDS_RETRY_SECONDS": retries,
            "BOUNDS_TEST_DURABLE": " ".join(durable),
            "PYTHONWARNINGS": "ignore",
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if run.returncode == -signal.SIGKILL:
        return None
    assert run.stdout.strip(), run.stderr[-4000:]
    return json.loads(run.stdout.strip().splitlines()[-1])


def killed_everywhere(home, step, parameters=None, *, durable, stride=1, most=200):
    """Run a flow again and again, killed one durable call later each time, until it ends; runs and answer."""
    for runs in range(1, most):
        answer = run_step(home, step, parameters, kill_at=1 + (runs - 1) * stride, durable=durable)
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
