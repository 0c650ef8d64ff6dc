"""The form of the catalogue page: its fields, what a visitor sent in them, and the profile that makes.

An empty field is no wish. A value that is not of the dimension's type goes to the engine as it came, and the
engine says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from governance.policy.document import TierThreeDocument
from governance.policy.model import EffectivePolicy

__all__ = ["WishForm"]

_MOST_FIELDS: Final = 400
_LONGEST: Final = 2000
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class WishForm:
    """What the form holds.

    Attributes:
        wishes: Dimension → value that the visitor wishes.
        context: Attribute → word; what is not said is not there.
        group: Id of the group whose defaults are taken; None for nobody's.
    """

    wishes: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None

    @classmethod
    def of_example(cls, example: TierThreeDocument) -> WishForm:
        """The form as the person of an example would fill it in."""
        return cls(wishes=dict(example.wishes), context=dict(example.context))

    @classmethod
    def read(cls, body: bytes, policy: EffectivePolicy) -> WishForm:
        """The form out of an URL-encoded body; fields that the policy does not know are left out.

        Raises:
            ValueError: There are more fields than any form of ours has.
        """
        pairs = parse_qsl(body.decode("utf-8", "replace"), errors="replace", max_num_fields=_MOST_FIELDS)
        sent = {name: value[:_LONGEST] for name, value in pairs}
        wishes = {}
        for dimension in policy.dimensions.values():
            text = sent.get(f"w.{dimension.id}", "")
            if dimension.kind == "range" and f"on.{dimension.id}" not in sent:
                continue
            if text:
                wishes[dimension.id] = _value(dimension.kind, text)
        context = {name: text for name in policy.context if (text := sent.get(f"c.{name}", ""))}
        return cls(wishes=wishes, context=context, group=sent.get("group") or None)


def _value(kind: str, text: str) -> str | bool | int | float:
    if kind == "flag":
        return _FLAGS.get(text, text)
    if kind == "range":
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    return text
