"""``bounds up``, ``bounds down``, ``bounds status``: the embedded stack of a data folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.options import AsJson

if TYPE_CHECKING:
    from infra.stack.health import StackHealth

__all__ = ["down", "status", "up"]

Home = Annotated[
    Path | None, typer.Option("--home", help="The data folder.", show_default="$BOUNDS_HOME or .bounds")
]
_STOP_SECONDS = 90.0


def up(
    home: Home = None,
    store: Annotated[
        Literal["directory", "s3"] | None,
        typer.Option(help="Where objects lie; a folder keeps its kind.", show_default="directory"),
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="Id of a site to have; repeat it for more.", show_default="main")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PORT, for label_studio, mlflow, prefect, web, s3; 0 is any free one."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; it runs on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the embedded stack and keep it running until Ctrl-C or `bounds down`."""
    from infra.settings import default_home
    from infra.stack.record import make_folder

    folder, ports = (home or default_home()).resolve(), _ports(port or [])
    make_folder(folder)
    if detach:
        _detach(folder, as_json=as_json)
        return
    from flows.commands.progress import Progress
    from infra.stack import Stack

    display = Progress(f"bounds on {folder}")
    stack = Stack(folder, store=store, sites=site or (), ports=ports, changed=display.changed)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stack.ask_to_stop())
    stack.begin()
    try:
        with display.shown(lambda: stack.statuses):
            stack.await_ready()
        if not stack.is_stop_asked:
            _say_ready(folder, as_json=as_json)
            stack.await_stop()
    finally:
        sys.stderr.write("stopping …\n")
        stack.stop()
        sys.stderr.write("stopped; no process is left\n")


def down(home: Home = None) -> None:
    """Stop the embedded stack of a data folder and wait until no process is left."""
    from governance.errors import OutsideError
    from infra.settings import default_home
    from infra.stack.record import is_running, read_record

    folder = (home or default_home()).resolve()
    if not is_running(folder):
        sys.stderr.write(f"nothing runs on {folder}\n")
        return
    pid = read_record(folder).get("pid")
    if isinstance(pid, int):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            sys.stderr.write("the supervisor is gone; waiting for what it left behind\n")
    end = time.monotonic() + _STOP_SECONDS
    while is_running(folder):
        if time.monotonic() > end:
            raise OutsideError(f"process {pid} has not stopped within {_STOP_SECONDS:.0f} s")
        time.sleep(0.1)
    # The folder is free; the supervisor itself may still be on its way out.
    while isinstance(pid, int) and _is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    sys.stderr.write("stopped; no process is left\n")


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc").is_dir()


def status(home: Home = None, as_json: AsJson = False) -> None:
    """Say what runs where, and how it is; exit 0 when all of it answers, else 1."""
    from infra.settings import default_home
    from infra.stack.health import look

    health = look((home or default_home()).resolve())
    if as_json:
        _print_json(_as_document(health))
    else:
        _print_health(health)
    raise typer.Exit(0 if health.is_healthy else 1)


def _ports(given: list[str]) -> dict[str, int]:
    from governance.errors import InputError
    from infra.stack.ports import USUAL

    ports = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in USUAL or not (number.isascii() and number.isdecimal()) or int(number) > 65535:
            raise InputError(
                "not a port", field="--port", value=text, expected=f"NAME=PORT, NAME of {', '.join(USUAL)}"
            )
        ports[name] = int(number)
    return ports


def _detach(folder: Path, *, as_json: bool) -> None:
    """Run ``bounds up`` in a session of its own with the same arguments, and wait until it is ready."""
    from flows.commands.progress import Progress, statuses_in
    from governance.errors import InputError, OutsideError
    from infra.stack.process import log_tail
    from infra.stack.record import FolderLock, read_record

    FolderLock(folder).close()  # refuses here, where the person sees it
    log = folder / "logs" / "supervisor.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    arguments = [word for word in sys.argv[1:] if word not in {"--detach", "-d", "--json"}]
    said_before = log.stat().st_size if log.is_file() else 0
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )

    def current() -> dict[str, Any]:
        record = read_record(folder)
        return record if record.get("pid") == supervisor.pid else {}

    display = Progress(f"bounds on {folder}")
    with display.shown(lambda: statuses_in(current())):
        while not (parts := statuses_in(current())) or any(not part.state.is_up for part in parts):
            if supervisor.poll() == InputError.exit_code:
                raise InputError(log.read_bytes()[said_before:].decode(errors="replace").strip())
            if supervisor.returncode is not None:
                raise OutsideError(f"the stack did not start (log: {log})\n{log_tail(log)}")
            display.changed(parts)
            time.sleep(0.1)
        display.changed(parts)
    _say_ready(folder, as_json=as_json)


def _say_ready(folder: Path, *, as_json: bool) -> None:
    from infra.stack.health import look

    health = look(folder)
    if as_json:
        _print_json(_as_document(health))
        return
    _print_health(health)
    sys.stdout.write(
        f"Label Studio's login is in {folder / 'secrets.json'} (label_studio: username, password).\n"
    )
    sys.stdout.flush()


def _as_document(health: StackHealth) -> dict[str, Any]:
    return {
        "home": str(health.home),
        "healthy": health.is_healthy,
        "supervised": health.is_supervised,
        "pid": health.pid,
        "started": health.started,
        "parts": {
            part.name: {
                "healthy": part.is_healthy,
                "says": part.said,
                "url": part.url,
                "seconds": part.seconds,
                "restarts": part.restarts,
            }
            for part in health.parts
        },
    }


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def _print_health(health: StackHealth) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not health.is_supervised:
        console.print(
            f"no stack runs on {health.home}; `bounds up` starts one", highlight=False, soft_wrap=True
        )
        if not any(part.is_healthy for part in health.parts):
            return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("part", "", "address", "start", "restarts"):
        table.add_column(
            heading, justify="right" if heading in {"start", "restarts"} else "left", no_wrap=heading != ""
        )
    for part in health.parts:
        table.add_row(
            part.name,
            f"[green]●[/] {part.said}" if part.is_healthy else f"[red]●[/] {part.said}",
            part.url or "",
            f"{part.seconds:.1f} s" if part.seconds is not None else "",
            str(part.restarts) if part.restarts else "",
        )
    console.print(table)
