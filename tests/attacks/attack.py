"""What an attack is, and how a module of attacks names its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.attacks.deployment import ALIAS, MODEL, Deployment

__all__ = ["ROUTE", "Attack", "attack", "of", "onto_bad"]

ROUTE = "mlflow/registered-models/alias"


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack; ``needs_s3`` where it is one on an object store only."""

    name: str
    by: str
    act: Callable[[Deployment], object]
    needs_s3: bool = False


_FOUND: dict[str, list[Attack]] = {}


def attack(
    by: str = "the API", *, needs_s3: bool = False
) -> Callable[[Callable[[Deployment], object]], Callable[[Deployment], object]]:
    def register(act: Callable[[Deployment], object]) -> Callable[[Deployment], object]:
        made = Attack(name=act.__name__.replace("_", " "), by=by, act=act, needs_s3=needs_s3)
        _FOUND.setdefault(act.__module__, []).append(made)
        return act

    return register


def of(module) -> list[Attack]:
    """The attacks of a module, in the order of its text."""
    return _FOUND[module.__name__]


def onto_bad(d: Deployment) -> dict[str, str]:
    """The request that would make the refused version champion."""
    return {"name": MODEL, "alias": ALIAS, "version": d.versions["bad"].version}
