"""Circumstances that somebody vouches for, held against those that the documents ask for."""

from __future__ import annotations

from collections.abc import Mapping

from governance.errors import InputError
from governance.policy.model import EffectivePolicy

__all__ = ["check_circumstances"]


def check_circumstances(policy: EffectivePolicy, said: Mapping[str, str]) -> None:
    """Refuse an attribute or a value that no document knows.

    INVARIANT: a misspelt value is never a circumstance of its own: a rule that holds for ``13_17`` would be left out for
    ``13-17``, and nobody would have looked whether it is kept.

    Raises:
        InputError: It names the attribute or the value, and what is known.
    """
    for name, value in said.items():
        known = policy.context.get(name)
        if known is None:
            expected = f"one of {', '.join(sorted(policy.context)) or 'none: no rule asks for any'}"
            raise InputError(
                "no document asks for this attribute", field="--context", value=name, expected=expected
            )
        if value not in known:
            expected = f"one of {', '.join(sorted(known))}"
            raise InputError(
                f"not a known value of {name}", field="--context", value=value, expected=expected
            )
