"""Generated stacks in Cedar's language: an oracle that shares no code with the engine.

Choices, flags and whole-number ranges with ``deny``. A missing or unknown attribute that matters forbids, as
in the manual; a request that Cedar cannot build or evaluate counts as denied.
"""

from __future__ import annotations

from typing import Any

from governance.policy.document import PolicyDocument
from tests.support.generated import ATTRIBUTES, _rank, plain

TYPES = {"tone": "String", "emoji": "Bool", "level": "Long"}
LARGEST = 40


def schema() -> str:
    attributes = ", ".join(f"{name}?: String" for name in ATTRIBUTES)
    actions = "\n".join(
        f'action "{name}" appliesTo {{ principal: [Person], resource: [Model], context: {{value: {kind}, {attributes}}} }};'
        for name, kind in TYPES.items()
    )
    return f"entity Person; entity Model;\n{actions}\n"


def request(name: str, value: Any, context: dict[str, str]) -> dict[str, Any]:
    return {
        "principal": 'Person::"p"',
        "action": f'Action::"{name}"',
        "resource": 'Model::"m"',
        "context": {"value": value, **context},
    }


def export(documents: list[PolicyDocument]) -> str:
    """One permit for each declared dimension, one forbid for everything that narrows it."""
    policies = []
    for name in TYPES:
        declaring = [d for d in documents if any(x["id"] == name for x in plain(d).get("dimensions", []))]
        if not declaring:
            continue
        policies.append(f'permit(principal, action == Action::"{name}", resource);')
        first = min(map(_rank, declaring))
        if any(_rank(d) < first and d.tier == 2 and d.further_dimensions == "refused" for d in documents):
            policies.append(_forbid(name, "true"))
        for document in declaring:
            shape = next(x for x in plain(document)["dimensions"] if x["id"] == name)
            policies.append(_forbid(name, f"!({_declared(shape)})"))
        rules = [r for d in documents for r in plain(d).get("rules", []) if name in r.get("limits", {})]
        for attribute in sorted({a for rule in rules for a in rule.get("when", {})}):
            known = _set(ATTRIBUTES[attribute])
            policies.append(
                _forbid(name, f"!(context has {attribute} && {known}.contains(context.{attribute}))")
            )
        for rule in rules:
            holds = " && ".join(
                f"context has {attribute} && {_set(values)}.contains(context.{attribute})"
                for attribute, values in sorted(rule.get("when", {}).items())
            )
            policies.append(_forbid(name, f"({holds or 'true'}) && !({_limited(rule['limits'][name])})"))
    return "\n".join(policies)


def _forbid(name: str, condition: str) -> str:
    return f'forbid(principal, action == Action::"{name}", resource) when {{ {condition} }};'


def _set(words: list[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _declared(shape: dict[str, Any]) -> str:
    match shape["type"]:
        case "choice":
            return f"{_set(shape['values'])}.contains(context.value)"
        case "flag":
            return "context.value == true || context.value == false"
        case _:
            ends = f"context.value >= {int(shape['low'])} && context.value <= {int(shape['high'])}"
            return f"{ends} && {_multiples(shape.get('step', 1))}"


def _multiples(step: float) -> str:
    """Cedar has no remainder: the multiples among the numbers that are asked for are listed."""
    members = [str(n) for n in range(-LARGEST, LARGEST + 1) if (n / step).is_integer()]
    return f"[{', '.join(members)}].contains(context.value)"


def _limited(limit: dict[str, Any]) -> str:
    parts = []
    for term, wanted in limit.items():
        match term:
            case "allow":
                parts.append(f"{_set(wanted)}.contains(context.value)")
            case "forbid":
                parts.append(f"!{_set(wanted)}.contains(context.value)")
            case "must_be":
                parts.append(f"context.value == {str(wanted).lower()}")
            case "at_least":
                parts.append(f"context.value >= {int(wanted)}")
            case "at_most":
                parts.append(f"context.value <= {int(wanted)}")
            case _:
                parts.append(_multiples(wanted))
    return " && ".join(parts)
