"""What a killed step runs as: preloaded by a fork server, so that a process costs its work and not its imports."""

import importlib
import json
import os
import signal
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

for name in os.environ.get("BOUNDS_TEST_PRELOAD", "").split():
    importlib.import_module(name)

_calls = 0


def _counted(path, kill_at):
    """Let a function count its beginnings and its ends, and kill the process at one of them."""
    module, _, rest = path.partition(":")
    owner = importlib.import_module(module)
    *outer, name = rest.split(".")
    for part in outer:
        owner = getattr(owner, part)
    real = getattr(owner, name)

    def count():
        global _calls  # noqa: PLW0603 - one process, one count
        _calls += 1
        if _calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(*args, **kwargs):
        count()
        result = real(*args, **kwargs)
        count()
        return result

    setattr(owner, name, counted)


def run(home, step, parameters, kill_at, durable, answer):
    """Run a flow in the data folder and write its answer to a file; never returns if it is killed."""
    os.environ["BOUNDS_HOME"] = home
    from infra.settings import load_settings

    assert os.environ["PREFECT_API_URL"] == load_settings().prefect_api_url
    for path in durable:
        _counted(path, kill_at)
    flow = getattr(importlib.import_module(f"flows.{step}"), step)
    try:
        told = {"result": flow(**parameters), "calls": _calls}
    except Exception as error:  # noqa: BLE001 - the test reads what it was
        told = {"error": type(error).__name__, "text": str(error)}
    Path(answer).write_text(json.dumps(told, default=str))
