"""Every attack on the gate that was ever thought of, by name. Each tries; what it may return it says.

An attack is held when the protected facts (``Deployment.state``) are the same after it. Those that reach for
another version answer for it themselves. ``by`` says what the attacker is given beside the server's address.
"""

from __future__ import annotations

from tests.attacks import (
    on_aliases,
    on_decisions,
    on_files,
    on_models,
    on_tags,
    on_terms,
    on_the_log,
    on_the_object_store,
    on_what_stands_behind,
)
from tests.attacks.attack import Attack, of

__all__ = ["ATTACKS", "Attack"]

ATTACKS: list[Attack] = [
    attack
    for module in (
        on_aliases,
        on_models,
        on_files,
        on_what_stands_behind,
        on_tags,
        on_terms,
        on_decisions,
        on_the_log,
        on_the_object_store,
    )
    for attack in of(module)
]
