"""A whole real stack for the session, and the processes that belong to a data folder."""

import json
import os
import time
from pathlib import Path

import pytest

from infra.stack import Stack

SAMPLES = Path(__file__).with_name("prefect.yaml")
ANY_PORT = dict.fromkeys(("label_studio", "mlflow", "prefect", "web", "s3"), 0)


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory):
    """Every part, S3 included, with the two sites ``uk`` and ``ke`` and the sample deployments."""
    home = tmp_path_factory.mktemp("stack") / "home"
    with Stack(home, store="s3", sites=("uk", "ke"), ports=ANY_PORT, deployments=SAMPLES) as stack:
        yield stack


def processes_of(home):
    """Ids of the processes that name the folder in their command line or environment, without this one."""
    needle, found = str(home).encode(), []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if needle in text:
                found.append(int(folder.name))
    return found


def eventually(question, *, seconds=30.0):
    """Ask until the answer is true, and give it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"still {answer!r} after {seconds} s"
        time.sleep(0.05)
    return answer


def record_of(home):
    try:
        return json.loads((home / "stack.json").read_text())
    except FileNotFoundError:
        return {}
