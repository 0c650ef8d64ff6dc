"""The ``bounds`` command: one root, one module per noun, loaded only when called.

Exit codes: 0 passed, 1 a failed verdict, 2 usage or bad input, 3 a fault of the outside world or of the program.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from flows.arguments import is_named, require_said
from flows.data_folder import require_data_folder
from governance.errors import BoundsError

__all__ = ["build", "main"]

# command -> (module below flows.commands, attribute: a typer.Typer or a function, one-line help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("stack", "up", "Start the embedded stack and keep it running."),
    "down": ("stack", "down", "Stop the embedded stack of a data folder."),
    "status": ("stack", "status", "Say what runs where, and how it is."),
    "demo": ("demo", "demo", "The whole way once, on the embedded stack, with simulated people."),
    "policy": ("policy", "app", "Check, diff, resolve, explain and test policies."),
    "keys": ("keys", "app", "Make, list and take back API keys of the policy service."),
    "import": ("importing", "app", "Import items and judgements from files."),
    "annotators": ("annotators", "app", "Invite the people of the portal, and see how far they are."),
    "gold": ("gold", "app", "Items of known answer: declare, list and take back."),
    "live": ("live", "app", "Let people talk with several models at once, blind."),
    "collect": ("way", "collect", "Pull judgements from every source of a site."),
    "validate": ("way", "validate", "Check what was collected; accept or quarantine each row."),
    "quotas": ("quotas", "quotas", "Who has spoken at a site, against whom its plan asks for."),
    "withdraw": ("withdraw", "withdraw", "Erase a person who withdraws, with a receipt."),
    "quarantine": ("quarantine", "app", "What was set aside and why; submit corrected rows again."),
    "release": ("release", "app", "Build a release; compare two; find contradictions in one."),
    "train": ("way", "train", "Train the example candidates from a release."),
    "audit": ("audit", "app", "Put a model to the probes of the policy in force."),
    "promote": ("way", "promote", "Move an alias, if a signed decision allows it."),
    "gate": ("gate", "app", "Tell MLflow's gates what holds now."),
    "agreement": ("agreement", "agreement", "Agreement between annotators, with intervals."),
    "aggregate": ("aggregate", "aggregate", "What many judgements come to, beside them."),
    "coverage": ("coverage", "coverage", "Who speaks and who is missing, against a population."),
    "approve": ("approve", "approve", "Sign a decision with a key of your own."),
    "waive": ("waive", "waive", "Let one version pass a waivable rule of Tier Two, signed, for a while."),
    "trust": ("trust", "app", "Who may sign as what, and how that changes."),
    "model": ("model", "app", "Verify or fetch the model that carries an alias."),
    "history": ("history", "history", "Which version carried which alias from when to when, and why."),
    "export": ("export", "app", "The record as OpenLineage, PROV, a model card, a draft for Annex IV."),
    "log": ("log", "app", "The append-only log: list, show, prove, witness, export."),
    "verify": ("verify", "app", "Verify a log, release, decision or model from exported files alone."),
    "reaudit": ("way", "reaudit", "Judge again what holds a protected alias."),
}

_INTERRUPTED = 130
_OFFERED_AFRESH = {"demo"}

# heading of the list of commands -> the commands below it
PANELS: dict[str, str] = {
    "Run the platform": "up down status demo keys",
    "Say what is allowed": "policy",
    "Ask people": "import annotators gold live quotas withdraw",
    "From judgements to a model": "collect validate quarantine release train audit promote reaudit",
    "Measure": "agreement aggregate coverage",
    "Decide, and show it": "gate approve waive trust model history export log verify",
}


def build(called: str | None = None) -> typer.Typer:
    """The command line. Only the module of the command ``called`` is loaded; the others are named."""
    app = typer.Typer(
        name="bounds",
        help="Human feedback from documented people; models gated by a three-tiered policy.",
        epilog="Exit codes: 0 passed, 1 a failed verdict, 2 bad input, 3 a fault of the outside or of the program.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        *,
        version: Annotated[
            bool,
            typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is."),
        ] = False,
    ) -> None:
        """Human feedback from documented people; models gated by a three-tiered policy."""

    panels = {name: panel for panel, names in PANELS.items() for name in names.split()}
    for name, (module, attribute, line) in COMMANDS.items():
        if name != called:
            app.command(name, help=line, rich_help_panel=panels[name])(_named_only)
            continue
        target: Any = getattr(importlib.import_module(f"flows.commands.{module}"), attribute)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name, help=line)
        else:
            app.command(name)(target)
    return app


def _named_only() -> None:
    """Stands for a command that is listed but not called."""


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"bounds {version('bounds')}")
        raise typer.Exit


def _hush() -> None:
    """Let what is still to be printed go nowhere, so that Python does not complain while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _left(called: str | None) -> str:
    """What an interrupted command left behind, and how to go on."""
    if called in _OFFERED_AFRESH:
        return f"interrupted: the stack is stopped, unless --keep was given; `bounds {called}` begins afresh"
    return "interrupted: what was finished is kept, and nothing counts by halves; the same command again goes on from there"


def main() -> None:
    """Run the command line; every error of the platform ends in its sentence and its exit code.

    What nobody foresaw is shown with its traceback and ends with 3: 1 says that something was judged and failed.
    """
    called = None
    try:
        called = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
        command = typer.main.get_command(build(called))
        require_data_folder(command)
        require_said(command)
        command()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # whoever read on had enough; nothing was judged
            _hush()
            sys.exit(0)
        if ended.code == _INTERRUPTED:
            sys.stderr.write(_left(called) + "\n")
        raise
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _hush()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write(_left(called) + "\n")
        sys.exit(_INTERRUPTED)
    except OSError as error:
        if error.filename is None:
            traceback.print_exc()
        else:
            sys.stderr.write(f"{os.fsdecode(error.filename)}: cannot be read or written: {error.strerror}\n")
        is_given = error.errno == errno.ENAMETOOLONG or is_named(error.filename, sys.argv[1:])
        sys.exit(2 if is_given else 3)
    except Exception:  # noqa: BLE001 - whatever it is, it is no verdict
        traceback.print_exc()
        sys.exit(3)


if __name__ == "__main__":
    main()
