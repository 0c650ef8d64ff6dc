"""Which options of ``bounds audit`` say something about which subject; what would be ignored is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import typer

from governance.errors import InputError

__all__ = ["check_options"]

_EVERYWHERE: Final = frozenset({"as_json", "home"})
_FILES: Final = frozenset({"completions", "probes", "policy", "judge", "describe", "out", "examples", "seed"})
_DESCRIBED: Final = frozenset({"completions", "describe", "judge"})
_ENDPOINT: Final = frozenset(
    {
        "endpoint", "probes", "policy", "judge", "out", "examples", "evidence", "key_file", "profile", "context", "attack",
        "bounds", "against", "temperature", "sample_seed", "max_tokens", "in_flight", "per_second", "timeout", "price_in",
        "price_out", "retry_errors", "judge_key_file", "seed",
    }
)  # fmt: skip
_VERSION: Final = frozenset({"model", "version"})
# What decides about a registered version stands in its data folder, the same for every run.
_SETTINGS: Final = {
    "judge": "judges", "policy": "policy", "probes": "probes", "profile": "profiles", "judge_key_file": "judge_key",
}  # fmt: skip


def check_options(ctx: typer.Context) -> None:
    """Refuse what was given and would be ignored; what ``--describe`` has no use for is only named.

    Raises:
        InputError: An option that says nothing about the subject.
    """
    values: Mapping[str, object] = ctx.params
    if values.get("completions"):
        subject, meant = ("--describe", _DESCRIBED) if values.get("describe") else ("--completions", _FILES)
    elif values.get("endpoint"):
        subject, meant = "--endpoint", _ENDPOINT
    else:
        subject, meant = "--model", _VERSION
    for name, value in values.items():
        if name in meant | _EVERYWHERE or not _is_given(ctx, name):
            continue
        flag = f"--{name.replace('_', '-')}"
        if subject == "--describe" and name in _FILES:
            typer.echo(f"{flag} decides nothing beside --describe, which only counts labels", err=True)
            continue
        shown = value if isinstance(value, (str, int, float, bool)) else ", ".join(map(str, _many(value)))
        raise InputError(
            f"{flag} says nothing about what {subject} audits, and is not ignored in silence",
            field=flag,
            value=shown,
            expected=_instead(name, value) if subject == "--model" else f"{subject} without it",
        )


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _many(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _instead(name: str, value: object) -> str:
    """Where the same is said for a registered version."""
    if setting := _SETTINGS.get(name):
        given = ["…"] if name == "judge_key_file" else [str(each) for each in _many(value)]
        wanted = given if setting in {"judges", "profiles"} else given[0]
        return f"in settings.toml of the data folder: {setting} = {json.dumps(wanted)}"
    if name == "out":
        return "its report from the version's run in MLflow, or from the data folder"
    return "--model without it"
