"""Other policy engines given the same rules; each is a function from requests to a list of answers.

A peer that is not installed is left out, and the benchmark says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.policy_stack import AGES, DIMENSIONS, WORDS, BenchRule, kind_of

Requests = list[tuple[str, Any, dict[str, str]]]
Ask = Callable[[Requests], list[bool]]
Made = tuple[str, Callable[[], Ask]]


def peers(rules: list[BenchRule]) -> Iterator[tuple[str, Callable[[], Ask] | str]]:
    """Name and maker of each peer; instead of a maker the reason why it is missing."""
    for name, make in (
        ("cedarpy", _cedar),
        ("jsonschema-rs", _jsonschema),
        ("cel-expr-python (C++)", _cel_cpp),
        ("common-expression-language (Rust)", _cel_rust),
        ("regorus", _regorus),
    ):
        try:
            yield name, make(rules)
        except ImportError as error:
            yield name, f"not installed ({error.name})"


def _value_key(kind: str) -> str:
    return {"choice": "word", "flag": "flag", "range": "number"}[kind]


def _cedar(rules: list[BenchRule]) -> Callable[[], Ask]:
    import cedarpy

    lines = []
    for number in range(DIMENSIONS):
        action = f'action == Action::"d{number}"'
        kind = kind_of(number)
        inside = {
            "choice": f"[{', '.join(json.dumps(word) for word in WORDS)}].contains(context.value)",
            "flag": "context.value == true || context.value == false",
            "range": "context.value >= 0 && context.value <= 100",
        }[kind]
        lines.append(f"permit(principal, {action}, resource) when {{ {inside} }};")
    for rule in rules:
        test = {
            "forbid": lambda v: f"!{json.dumps(v)}.contains(context.value)",
            "must_be": lambda v: f"context.value == {str(v).lower()}",
            "at_least": lambda v: f"context.value >= {v}",
            "at_most": lambda v: f"context.value <= {v}",
        }[rule.term](rule.value)
        when = f"{json.dumps(list(rule.ages))}.contains(context.age) && " if rule.ages else ""
        lines.append(
            f'forbid(principal, action == Action::"{rule.dimension}", resource) when {{ {when}!({test}) }};'
        )

    def make() -> Ask:
        policies = cedarpy.PolicySet.from_str("\n".join(lines))

        def ask(requests: Requests) -> list[bool]:
            asked = [
                {
                    "principal": 'P::"p"',
                    "action": f'Action::"{dimension}"',
                    "resource": 'M::"m"',
                    "context": {"value": value, **context},
                }
                for dimension, value, context in requests
            ]
            return [bool(a.allowed) for a in cedarpy.is_authorized_batch(asked, policies, [])]

        return ask

    return make


def _jsonschema(rules: list[BenchRule]) -> Callable[[], Ask]:
    import jsonschema_rs

    inside = {
        "choice": {"enum": WORDS},
        "flag": {"type": "boolean"},
        "range": {"type": "integer", "minimum": 0, "maximum": 100},
    }
    checks: list[dict[str, Any]] = [
        {
            "if": {"properties": {"dimension": {"const": f"d{n}"}}},
            "then": {"properties": {"value": inside[kind_of(n)]}},
        }
        for n in range(DIMENSIONS)
    ]
    for rule in rules:
        test = {
            "forbid": lambda v: {"not": {"enum": v}},
            "must_be": lambda v: {"const": v},
            "at_least": lambda v: {"minimum": v},
            "at_most": lambda v: {"maximum": v},
        }[rule.term](rule.value)
        condition: dict[str, Any] = {"dimension": {"const": rule.dimension}}
        if rule.ages:
            condition["age"] = {"enum": list(rule.ages)}
        checks.append({"if": {"properties": condition}, "then": {"properties": {"value": test}}})

    def make() -> Ask:
        valid = jsonschema_rs.validator_for({"type": "object", "allOf": checks}).is_valid
        return lambda requests: [valid({"dimension": d, "value": v, **c}) for d, v, c in requests]

    return make


def _cel_text(rules: list[BenchRule]) -> dict[str, str]:
    """One expression for each dimension: the index that CEL does not have is given to it."""
    texts: dict[str, list[str]] = {}
    for number in range(DIMENSIONS):
        inside = {
            "choice": f"word in {json.dumps(WORDS)}",
            "flag": "flag == true || flag == false",
            "range": "number >= 0 && number <= 100",
        }[kind_of(number)]
        texts[f"d{number}"] = [f"({inside})"]
    for rule in rules:
        key = _value_key(rule.kind)
        test = {
            "forbid": lambda v, key=key: f"!({key} in {json.dumps(v)})",
            "must_be": lambda v, key=key: f"{key} == {str(v).lower()}",
            "at_least": lambda v, key=key: f"{key} >= {v}",
            "at_most": lambda v, key=key: f"{key} <= {v}",
        }[rule.term](rule.value)
        when = f"!(age in {json.dumps(list(rule.ages))}) || " if rule.ages else ""
        texts[rule.dimension].append(f"({when}{test})")
    return {dimension: _balanced(parts) for dimension, parts in texts.items()}


def _balanced(parts: list[str]) -> str:
    """A conjunction nested evenly: parsers limit how deep an expression may be."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_balanced(parts[:half])} && {_balanced(parts[half:])})"


def _cel_names(dimension: str, value: Any, context: dict[str, str]) -> dict[str, Any]:
    return {_value_key(kind_of(int(dimension[1:]))): value, "age": context["age"]}


def _cel_rust(rules: list[BenchRule]) -> Callable[[], Ask]:
    import cel

    def make() -> Ask:
        programs = {name: cel.compile(text) for name, text in _cel_text(rules).items()}
        return lambda requests: [bool(programs[d].execute(_cel_names(d, v, c))) for d, v, c in requests]

    return make


def _cel_cpp(rules: list[BenchRule]) -> Callable[[], Ask]:
    from cel_expr_python import cel

    kinds = {"word": cel.Type.STRING, "flag": cel.Type.BOOL, "number": cel.Type.INT, "age": cel.Type.STRING}

    def make() -> Ask:
        environment = cel.NewEnv(variables=kinds)
        programs = {name: environment.compile(text) for name, text in _cel_text(rules).items()}

        def ask(requests: Requests) -> list[bool]:
            return [bool(programs[d].eval(data=_cel_names(d, v, c)).value()) for d, v, c in requests]

        return ask

    return make


def _regorus(rules: list[BenchRule]) -> Callable[[], Ask]:
    import regorus

    lines = ["package bounds", "import rego.v1", "default allow := false", "allow if { inside; not denied }"]
    for number in range(DIMENSIONS):
        inside = {
            "choice": f"input.value in {json.dumps(WORDS)}",
            "flag": "is_boolean(input.value)",
            "range": "input.value >= 0; input.value <= 100",
        }[kind_of(number)]
        lines.append(f'inside if {{ input.dimension == "d{number}"; {inside} }}')
    for rule in rules:
        test = {
            "forbid": lambda v: f"input.value in {json.dumps(v)}",
            "must_be": lambda v: f"input.value != {str(v).lower()}",
            "at_least": lambda v: f"input.value < {v}",
            "at_most": lambda v: f"input.value > {v}",
        }[rule.term](rule.value)
        when = f"input.age in {json.dumps(list(rule.ages))}; " if rule.ages else ""
        lines.append(f'denied if {{ input.dimension == "{rule.dimension}"; {when}{test} }}')

    def make() -> Ask:
        engine = regorus.Engine()
        engine.add_policy("bounds.rego", "\n".join(lines))

        def ask(requests: Requests) -> list[bool]:
            found = []
            for dimension, value, context in requests:
                engine.set_input_json(json.dumps({"dimension": dimension, "value": value, **context}))
                found.append(bool(engine.eval_rule("data.bounds.allow")))
            return found

        return ask

    return make


__all__ = ["AGES", "Ask", "peers"]
