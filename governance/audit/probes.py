"""Probes: what a model is asked in an audit, and what a right answer would be.

A probe belongs to a **family** (paraphrases of one idea); the family is the unit of every rate. A probe set
is data: JSON Lines, one probe a line, read strictly so that a misspelt field is an error and not a probe
that tests nothing. Readers of published sets are in :mod:`governance.audit.published`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from governance.digest import digest, digest_set
from governance.errors import InputError
from governance.strict_json import json_lines

__all__ = [
    "Expectation",
    "Probe",
    "ProbeSet",
    "Property",
    "Turn",
    "parse_probes",
    "text_field",
]

_ROLES: Final = ("system", "user", "assistant")
_FIELDS: Final = frozenset({
    "probe", "family", "prompt", "turns", "rules", "hazards", "expectation", "language", "licence", "sha256",
    "group", "partial", "authored", "source", "note", "id", "property",
})  # fmt: skip
_PARTIAL: Final = {"violates": True, "tolerated": False}


class Expectation(StrEnum):
    """What a right answer does."""

    REFUSE = "refuse"
    COMPLY = "comply"
    PROPERTY = "property"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation put to the model."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """What an answer is looked at for, where the expectation is a property.

    Attributes:
        statement: In plain words, as a judge is asked: ``The answer uses a warm tone.``
        is_wanted: Whether a right answer has it, or must not have it.
        dimension, value: The policy's dimension and its value, where the property is one of personalisation.
    """

    statement: str
    is_wanted: bool = True
    dimension: str | None = None
    value: str | bool | int | float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, as they stand in a probe file."""
        return {
            "statement": self.statement,
            "wanted": self.is_wanted,
            "dimension": self.dimension,
            "value": self.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One thing a model is asked.

    Attributes:
        id: Stable id, unique in its set.
        family: Paraphrases of one idea share a family.
        turns: What is asked; a single user turn for most.
        rules: Ids of the rules it tries.
        hazards: Tags that a rule's ``audit.probes`` may name instead.
        expectation: What a right answer does.
        partial_violates: Whether a partial refusal counts as a violation.
        group: Kind of probe (XSTest's ``type``), for the design effect.
        property: What a judge looks for, where the expectation is a property.
    """

    id: str
    family: str
    turns: tuple[Turn, ...]
    expectation: Expectation
    rules: frozenset[str] = frozenset()
    hazards: frozenset[str] = frozenset()
    partial_violates: bool = False
    language: str = "und"
    licence: str = "unknown"
    group: str | None = None
    property: Property | None = None

    @builtins.property
    def prompt(self) -> str:
        """The last user turn."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    @builtins.property
    def sha256(self) -> str:
        """Digest of what is asked: of the prompt's text, or of the list of turns when there are several."""
        if len(self.turns) == 1 and self.turns[0].role == "user":
            return digest(self.turns[0].text)
        return digest([{"role": turn.role, "text": turn.text} for turn in self.turns])

    def tries(self, rule: str, tags: Iterable[str]) -> bool:
        """Whether the probe belongs to a rule: by the rule's id or by one of its tags."""
        return rule in self.rules or not self.hazards.isdisjoint(tags)

    def as_json(self) -> dict[str, Any]:
        """The row as it would stand in a probe file."""
        single = len(self.turns) == 1 and self.turns[0].role == "user"
        asked: dict[str, Any] = (
            {"prompt": self.prompt}
            if single
            else {"turns": [{"role": turn.role, "text": turn.text} for turn in self.turns]}
        )
        return {
            "probe": self.id,
            "family": self.family,
            **asked,
            "rules": sorted(self.rules),
            "hazards": sorted(self.hazards),
            "expectation": self.expectation.value,
            "partial": "violates" if self.partial_violates else "tolerated",
            "language": self.language,
            "licence": self.licence,
            "group": self.group,
            "sha256": self.sha256,
        } | ({"property": self.property.as_json()} if self.property else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSet:
    """Probes with distinct ids, where they come from, and what had to be assumed to read them."""

    name: str
    probes: tuple[Probe, ...]
    assumptions: tuple[str, ...] = ()
    _found: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Order-free digest of every probe's row; taken once, as a plan and its report ask for it again and again."""
        if not self._found:
            self._found.append(digest_set(digest(probe.as_json()) for probe in self.probes))
        return self._found[0]

    @property
    def by_id(self) -> dict[str, Probe]:
        """Probes by id."""
        return {probe.id: probe for probe in self.probes}

    @classmethod
    def of(cls, name: str, probes: Sequence[Probe], assumptions: Sequence[str] = ()) -> ProbeSet:
        """A set whose ids, and prompts across families, are distinct.

        Raises:
            InputError: The set is empty, an id occurs twice, or one prompt stands in two families (it would
                count twice as evidence).
        """
        if not probes:
            raise InputError("holds no probe", file=name, expected="at least one")
        ids: set[str] = set()
        families: dict[tuple[str, Expectation], str] = {}
        for probe in probes:
            if probe.id in ids:
                raise InputError("probe id occurs twice", file=name, field="probe", value=probe.id)
            ids.add(probe.id)
            first = families.setdefault((probe.sha256, probe.expectation), probe.family)
            if first != probe.family:
                raise InputError(
                    f"the same prompt stands in the families {first!r} and {probe.family!r}",
                    file=name,
                    field="family",
                    value=probe.id,
                    expected="one family, so that it counts once",
                )
        return cls(name=name, probes=tuple(probes), assumptions=tuple(assumptions))


def text_field(
    row: Mapping[str, Any], name: str, *, source: str, line: int, default: str | None = None
) -> str:
    """A non-empty text of ``row``; ``default`` where the field is absent, if there is one.

    Raises:
        InputError: Absent without a default, not text, or empty.
    """
    value = row.get(name, default)
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            "missing" if name not in row else "not a text",
            file=source,
            line=line,
            field=name,
            value=row.get(name, ...),
            expected="a non-empty text",
        )
    return value


def parse_probes(text: str, *, source: str) -> ProbeSet:
    """A probe set from our JSON Lines.

    Fields: ``probe`` or ``id``, ``family``, ``prompt`` or ``turns`` ([{role, text}]), ``rules`` and/or
    ``hazards``, ``expectation`` (refuse, comply, property), and optionally ``partial`` (``violates`` or
    ``tolerated``; by default a partial refusal violates where refusal is expected), ``language``,
    ``licence``, ``group``, ``property``, ``sha256`` (checked), ``authored``, ``source``, ``note``.

    Raises:
        InputError: With file, line and field.
    """
    return ProbeSet.of(source, [_probe(row, source, line) for line, row in json_lines(text, source=source)])


def _probe(row: Mapping[str, Any], source: str, line: int) -> Probe:
    def bad(field: str, message: str, expected: str) -> InputError:
        value = row.get(field, ...)
        return InputError(message, file=source, line=line, field=field, value=value, expected=expected)

    if unknown := sorted(set(row) - _FIELDS):
        raise bad(unknown[0], "unknown field", ", ".join(sorted(_FIELDS)))
    if row.get("expectation") not in set(Expectation):
        raise bad("expectation", "unknown expectation", ", ".join(Expectation))
    expectation = Expectation(row["expectation"])
    partial = row.get("partial", "violates" if expectation is Expectation.REFUSE else "tolerated")
    if partial not in _PARTIAL:
        raise bad("partial", "unknown word", ", ".join(_PARTIAL))
    if "id" in row and "probe" in row:
        raise bad("id", "stands beside `probe`", "one of the two names")
    probe = Probe(
        id=text_field(row, "id" if "id" in row else "probe", source=source, line=line),
        family=text_field(row, "family", source=source, line=line),
        turns=_turns(row, source, line),
        rules=_tags(row, "rules", source, line),
        hazards=_tags(row, "hazards", source, line),
        expectation=expectation,
        partial_violates=_PARTIAL[partial],
        language=text_field(row, "language", source=source, line=line, default="und"),
        licence=text_field(row, "licence", source=source, line=line, default="unknown"),
        group=row.get("group"),
        property=_property(row, source, line),
    )
    if probe.property is not None and expectation is not Expectation.PROPERTY:
        raise bad("property", "is said where another expectation stands", '"expectation": "property"')
    if not probe.rules and not probe.hazards:
        raise bad("rules", "belongs to no rule", "rules, hazards, or both")
    if "sha256" in row and row["sha256"] != probe.sha256:
        raise bad("sha256", "is not the digest of what the probe asks", probe.sha256)
    return probe


def _property(row: Mapping[str, Any], source: str, line: int) -> Property | None:
    held = row.get("property")
    if held is None:
        return None
    fields = {"statement", "wanted", "dimension", "value"}
    if not isinstance(held, dict) or set(held) - fields or type(held.get("wanted", True)) is not bool:
        raise InputError(
            "not a property", file=source, line=line, field="property", value=held,
            expected="statement, and optionally wanted (true or false), dimension, value",
        )  # fmt: skip
    dimension = held.get("dimension")
    return Property(
        statement=text_field(held, "statement", source=source, line=line),
        is_wanted=held.get("wanted", True),
        dimension=dimension if isinstance(dimension, str) else None,
        value=held.get("value"),
    )


def _tags(row: Mapping[str, Any], field: str, source: str, line: int) -> frozenset[str]:
    value = row.get(field, [])
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag for tag in value):
        raise InputError(
            "not a list of texts", file=source, line=line, field=field, value=value, expected='["…"]'
        )
    return frozenset(value)


def _turns(row: Mapping[str, Any], source: str, line: int) -> tuple[Turn, ...]:
    if ("prompt" in row) == ("turns" in row):
        raise InputError(
            "give `prompt` or `turns`",
            file=source,
            line=line,
            field="prompt",
            expected="exactly one of the two",
        )
    if "prompt" in row:
        return (Turn(role="user", text=text_field(row, "prompt", source=source, line=line)),)
    turns = row["turns"]
    if not isinstance(turns, list) or not turns:
        raise InputError("not a list of turns", file=source, line=line, field="turns", value=turns)
    parsed = []
    for index, turn in enumerate(turns):
        if not isinstance(turn, dict) or set(turn) != {"role", "text"} or turn["role"] not in _ROLES:
            raise InputError(
                "not a turn",
                file=source,
                line=line,
                field=f"turns[{index}]",
                value=turn,
                expected=f"role ({', '.join(_ROLES)}) and text",
            )
        parsed.append(Turn(role=turn["role"], text=text_field(turn, "text", source=source, line=line)))
    if parsed[-1].role != "user":
        raise InputError("the last turn is not the user's", file=source, line=line, field="turns")
    return tuple(parsed)
