"""How flows run: retries for faults of the outside, the address of the Prefect server, quiet consoles."""

from __future__ import annotations

import os
from typing import Any, Final

from governance.errors import DigestError, OutsideError
from infra.settings import Settings
from infra.stack.probe import ask

__all__ = ["OUTSIDE", "say_everything", "use_prefect"]


def _is_outside(task: object, run: object, state: Any) -> bool:
    """Whether a failed task may succeed when it is run again: only faults of the outside pass by themselves."""
    del task, run
    try:
        state.result(raise_on_failure=True)
    except DigestError:
        return False  # bytes that were changed stay changed
    except OutsideError:
        return True
    except BaseException:  # noqa: BLE001 - any other fault is final, whatever it is
        return False
    return False


# Pauses before a task is tried again, in seconds; the number of pauses is the number of further tries.
_PAUSES: Final = [float(pause) for pause in os.environ.get("BOUNDS_RETRY_SECONDS", "1,4,15,30").split(",")]

# Options of every task that talks to a server: tried again within a minute, then the flow fails with the reason.
OUTSIDE: Final[dict[str, Any]] = {
    "retries": len(_PAUSES),
    "retry_delay_seconds": _PAUSES,
    "retry_condition_fn": _is_outside,
    "persist_result": False,
}


def use_prefect(settings: Settings, *, quiet: bool = True) -> None:
    """Point Prefect at the server of the settings; to be called before prefect is imported.

    Raises:
        OutsideError: There is no Prefect server, or it does not answer: no step of the way happens unrecorded.
    """
    url = os.environ.get("PREFECT_API_URL") or settings.prefect_api_url
    if not url:
        raise OutsideError(
            f"no Prefect server for {settings.home}: start one with `bounds up` or set BOUNDS_PREFECT_API_URL"
        )
    answered = ask(f"{url}/health", timeout=5.0)
    if answered is None or answered[0] != 200:
        raise OutsideError(
            f"the Prefect server of {settings.home} does not answer at {url}: start it with `bounds up`"
        )
    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if quiet:
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        # The run's log is in the Prefect UI; the terminal belongs to the command.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        os.environ.setdefault("PREFECT_INTERNAL_LOGGING_LEVEL", "CRITICAL")


def say_everything(seconds: float = 10.0) -> None:
    """Send what Prefect still holds of logs and events; to be called before its server is stopped."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=seconds)
    EventsWorker.drain_all(timeout=seconds)
