"""Generated policy stacks and profiles, and a second reading of what they mean.

``permits`` reads the plain documents by the words of the manual, without any class of the engine; it is
the independent reference of the laws.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from governance.policy.document import PolicyDocument, parse

ATTRIBUTES = {"age": ["child", "adult"], "place": ["home", "work", "road"]}
WORDS = ["a", "b", "c", "d"]
DIMENSIONS = {"tone": "choice", "emoji": "flag", "level": "range", "name": "text"}
NAMES = ["", "bo", "Bo the Great", "ig nore", "x" * 9]

_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True)
_when = st.dictionaries(st.sampled_from(["age", "place"]), st.none(), max_size=2).flatmap(
    lambda keys: st.fixed_dictionaries(
        {key: st.lists(st.sampled_from(ATTRIBUTES[key]), min_size=1, unique=True) for key in keys}
    )
)
_bounds = st.tuples(st.integers(-3, 6), st.integers(0, 6))
_limits = {
    "tone": st.one_of(_words.map(lambda w: {"allow": w}), _words.map(lambda w: {"forbid": w})),
    "emoji": st.booleans().map(lambda b: {"must_be": b}),
    "level": st.one_of(
        st.integers(-3, 8).map(lambda n: {"at_least": n}),
        st.integers(-3, 8).map(lambda n: {"at_most": n}),
        _bounds.map(lambda b: {"at_least": b[0], "at_most": b[0] + b[1]}),
        st.sampled_from([2, 3, 0.5, 1.5]).map(lambda s: {"step": s}),
    ),
    "name": st.one_of(
        st.integers(0, 12).map(lambda n: {"max_length": n}),
        st.sampled_from([["great"], ["ig*ore"]]).map(lambda p: {"forbid_phrases": p}),
    ),
}
_limit_map = st.lists(st.sampled_from(sorted(_limits)), max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: _limits[name] for name in names})
)
_declarations = {
    "tone": _words.map(lambda w: {"type": "choice", "values": w, "default": w[0]}),
    "emoji": st.booleans().map(lambda b: {"type": "flag", "default": b}),
    "level": st.tuples(_bounds, st.sampled_from([1, 2, 0.5]), st.sampled_from(["deny", "clip"])).map(
        lambda t: {
            "type": "range",
            "low": t[0][0] * 2,
            "high": (t[0][0] + t[0][1]) * 2,
            "step": t[1],
            "outside": t[2],
            "default": t[0][0] * 2,
        }
    ),
    "name": st.integers(1, 12).map(lambda n: {"type": "text", "max_length": n}),
}
_setters = st.sampled_from(
    [
        ["model_provider", "application_provider", "group", "end_user"],
        ["model_provider", "application_provider"],
        ["end_user"],
    ]
)


def _document(tier: int, name: str, owner: str, parts: dict[str, Any], *, used: str) -> PolicyDocument:
    rules = [
        {
            "id": f"T{tier}.{used}-{number}",
            "kind": "restriction",
            "statement": "Do not.",
            "rationale": "Because.",
            "when": when,
            "limits": limits,
        }
        for number, (when, limits) in enumerate(parts.pop("rules"))
    ]
    return parse(
        {
            "format": 1,
            "id": name,
            "version": "1.0.0",
            "tier": tier,
            "title": name,
            "authority": {"kind": owner, "name": f"Owner of {name}", "contact": "a@b.example"},
            "context": ATTRIBUTES,
            "rules": rules,
            **parts,
        },
        source=name,
    )


_rules = st.lists(st.tuples(_when, _limit_map), max_size=4)
_some_rules = st.lists(st.tuples(_when, _limit_map), min_size=1, max_size=3)


def _dimension_list(names: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.tuples(*(st.tuples(_declarations[name], _setters) for name in names)).map(
        lambda found: [
            {"id": name, "statement": "What.", "settable_by": setters, **shape}
            for name, (shape, setters) in zip(names, found, strict=True)
        ]
    )


_dimensions = st.lists(st.sampled_from(sorted(_declarations)), unique=True).flatmap(_dimension_list)


def law(name: str = "law-0") -> st.SearchStrategy[PolicyDocument]:
    return _some_rules.map(lambda rules: _document(1, name, "regulator", {"rules": rules}, used=name))


def organisation(name: str, owner: str) -> st.SearchStrategy[PolicyDocument]:
    return st.tuples(_rules, _dimensions, st.sampled_from(["refused", "allowed"])).map(
        lambda t: _document(
            2, name, owner, {"rules": t[0], "dimensions": t[1], "further_dimensions": t[2]}, used=name
        )
    )


@st.composite
def stacks(draw: st.DrawFn) -> list[PolicyDocument]:
    """One or two laws, a provider mostly, up to two applications' documents."""
    documents = [draw(law(f"law-{n}")) for n in range(draw(st.integers(1, 2)))]
    documents += [
        draw(organisation(f"provider-{n}", "model_provider")) for n in range(draw(st.integers(0, 2)))
    ]
    documents += [
        draw(organisation(f"application-{n}", "application_provider")) for n in range(draw(st.integers(0, 2)))
    ]
    return documents


contexts = st.fixed_dictionaries(
    {},
    optional={
        "age": st.sampled_from(["child", "adult", "elder"]),
        "place": st.sampled_from(["home", "work", "road", "moon"]),
    },
)
wishes_for = {
    "tone": st.one_of(st.sampled_from([*WORDS, "z", ""]), st.just(True), st.just(1)),
    "emoji": st.one_of(st.booleans(), st.sampled_from([0, 1, "true"])),
    "level": st.one_of(
        st.integers(-10, 22),
        st.integers(-40, 60).map(lambda n: n / 4),
        st.sampled_from([float("nan"), float("inf"), True, "3", None, 10**40]),
    ),
    "name": st.one_of(st.sampled_from(NAMES), st.just(3)),
    "unheard_of": st.sampled_from(["a", 1, True]),
}
requests = st.sampled_from(sorted(wishes_for)).flatmap(
    lambda name: st.tuples(st.just(name), wishes_for[name], contexts)
)
profiles = st.lists(st.sampled_from(sorted(wishes_for)), unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: wishes_for[name] for name in names})
)


def _rank(document: PolicyDocument) -> int:
    if document.tier == 1:
        return 1
    return 2 if document.authority.kind == "model_provider" else 3


def permits(documents: list[PolicyDocument], name: str, value: object, context: dict[str, str]) -> bool:
    """Whether the documents, read by the manual, leave ``value``."""
    declaring = [d for d in documents if any(x["id"] == name for x in plain(d).get("dimensions", []))]
    if not declaring:
        return False
    first = min(map(_rank, declaring))
    if any(_rank(d) < first and d.tier == 2 and d.further_dimensions == "refused" for d in documents):
        return False
    rules = [rule for d in documents for rule in plain(d).get("rules", []) if name in rule.get("limits", {})]
    for attribute in {attribute for rule in rules for attribute in rule.get("when", {})}:
        if context.get(attribute) not in ATTRIBUTES[attribute]:
            return False
    for document in declaring:
        if not _declared(next(x for x in plain(document)["dimensions"] if x["id"] == name), value):
            return False
    return all(
        _limited(rule["limits"][name], value)
        for rule in rules
        if all(context[attribute] in values for attribute, values in rule.get("when", {}).items())
    )


def plain(document: PolicyDocument) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _number(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return None if abs(value) > 1e9 else Fraction(repr(value))


def _declared(shape: dict[str, Any], value: object) -> bool:
    match shape["type"]:
        case "choice":
            return isinstance(value, str) and value in shape["values"]
        case "flag":
            return isinstance(value, bool)
        case "range":
            number, step = _number(value), Fraction(repr(shape.get("step", 1)))
            return (
                number is not None
                and shape["low"] <= number <= shape["high"]
                and (number / step).denominator == 1
            )
        case _:
            return isinstance(value, str) and len(value) <= shape["max_length"]


def _limited(limit: dict[str, Any], value: Any) -> bool:
    tests = {
        "allow": lambda words: value in words,
        "forbid": lambda words: value not in words,
        "must_be": lambda flag: value is flag,
        "at_least": lambda end: value >= end,
        "at_most": lambda end: value <= end,
        "step": lambda step: ((_number(value) or 0) / Fraction(repr(step))).denominator == 1,
        "max_length": lambda most: len(value) <= most,
        "forbid_phrases": lambda phrases: not any(_phrase(phrase, value) for phrase in phrases),
    }
    return all(tests[term](wanted) for term, wanted in limit.items())


def _phrase(phrase: str, text: str) -> bool:
    rest = text.lower()
    for part in phrase.split("*"):
        _, found, rest = rest.partition(part)
        if not found:
            return False
    return True
