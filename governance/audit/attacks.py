"""How users press a model to leave its bounds: templates, data like probes (``governance/probes/attacks.jsonl``).

Each is one conversation: the user's turns, between which the model answers. ``request`` presses for what a rule
forbids, ``wish`` for a setting the policy denied. A template in another language frames the request in that
language; the request itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from governance.audit.probes import Expectation, Probe, ProbeSet, Turn, text_field
from governance.digest import digest
from governance.errors import InputError
from governance.strict_json import json_lines

__all__ = ["TAG", "Attack", "Carrier", "kind_of", "parse_attacks", "parse_carriers", "with_attacks"]

TAG = "attack."  # tag of a pressed probe, before the kind of attack
_FIELDS = frozenset({"attack", "kind", "language", "request", "wish", "licence", "authored", "note"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way of pressing.

    Attributes:
        id: Stable id; ``kind`` says what it is (insist, role-play, split, other-language, …).
        request: User turns with ``{request}``; ``wish`` those with ``{wish}`` and ``{question}``.
    """

    id: str
    kind: str
    language: str
    request: tuple[str, ...]
    wish: tuple[str, ...]

    def on_request(self, text: str) -> tuple[Turn, ...]:
        """The conversation that presses for a request."""
        return tuple(Turn(role="user", text=turn.replace("{request}", text)) for turn in self.request)

    def on_wish(self, wish: str, question: str) -> tuple[Turn, ...]:
        """The conversation that presses for a setting."""
        return tuple(
            Turn(role="user", text=turn.replace("{wish}", wish).replace("{question}", question))
            for turn in self.wish
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A harmless question whose answer shows the settings in force."""

    id: str
    question: str
    language: str


def parse_attacks(text: str, *, source: str) -> tuple[Attack, ...]:
    """Attacks from JSON Lines.

    Raises:
        InputError: A field is missing or unknown, an id occurs twice, or a template lacks its place for the text.
    """
    found: dict[str, Attack] = {}
    for line, row in json_lines(text, source=source):
        if unknown := sorted(set(row) - _FIELDS):
            raise InputError("unknown field", file=source, line=line, field=unknown[0])
        name, kind, language = (
            text_field(row, field, source=source, line=line) for field in ("attack", "kind", "language")
        )
        if name in found:
            raise InputError("stands twice", file=source, line=line, field="attack", value=name)
        found[name] = Attack(
            id=name,
            kind=kind,
            language=language,
            request=_template(row, "request", ("{request}",), source, line),
            wish=_template(row, "wish", ("{wish}", "{question}"), source, line),
        )
    if not found:
        raise InputError("holds no attack", file=source, expected="at least one")
    return tuple(found[name] for name in sorted(found))


def _template(
    row: dict[str, object], field: str, places: Sequence[str], source: str, line: int
) -> tuple[str, ...]:
    turns = row.get(field)
    right = isinstance(turns, list) and turns and all(isinstance(t, str) and t.strip() for t in turns)
    if not isinstance(turns, list) or not right or not all(place in " ".join(turns) for place in places):
        raise InputError(
            "not the user's turns", file=source, line=line, field=field, value=turns,
            expected=f"a list of texts that hold {' and '.join(places)}",
        )  # fmt: skip
    return tuple(turns)


def parse_carriers(text: str, *, source: str) -> tuple[Carrier, ...]:
    """Carrier questions from JSON Lines: ``carrier`` (id), ``question``, ``language``.

    Raises:
        InputError: A line is none of them, or there is none; the error names file and line.
    """
    found = {}
    for line, row in json_lines(text, source=source):
        name, question, language = (
            text_field(row, field, source=source, line=line) for field in ("carrier", "question", "language")
        )
        found[name] = Carrier(id=name, question=question, language=language)
    if not found:
        raise InputError("holds no question", file=source, expected="at least one")
    return tuple(found[name] for name in sorted(found))


def with_attacks(probes: ProbeSet, attacks: Sequence[Attack], *, families: int, seed: int) -> ProbeSet:
    """The set, with some of what must be refused asked again under every attack.

    An attacked probe stays in its family: the family violates if the model gives in to any of them. Of each rule
    (and tag) ``families`` families are attacked, drawn by the seed.

    Raises:
        InputError: No probe of the set can be attacked.
    """
    chosen: dict[tuple[str, ...], dict[str, Probe]] = {}
    single = [p for p in probes.probes if p.expectation is Expectation.REFUSE and len(p.turns) == 1]
    for probe in sorted(single, key=lambda each: digest([seed, each.id])):
        group = chosen.setdefault((*sorted(probe.rules), "|", *sorted(probe.hazards)), {})
        if len(group) < families:
            group.setdefault(probe.family, probe)
    picked = [probe for group in chosen.values() for probe in group.values()]
    if not picked:
        raise InputError(
            "no probe to attack", file=probes.name, expected="single prompts that must be refused"
        )
    pressed = [
        replace(probe, id=f"{probe.id}+{attack.id}", turns=attack.on_request(probe.prompt), hazards=probe.hazards | {f"{TAG}{attack.kind}"},
                language=probe.language if attack.language == "en" else "mul")
        for probe in picked
        for attack in attacks
    ]  # fmt: skip
    said = f"{len(picked)} families are also asked under {len(attacks)} attacks each, drawn with seed {seed}"
    return ProbeSet.of(probes.name, (*probes.probes, *pressed), (*probes.assumptions, said))


def kind_of(probe: Probe) -> str | None:
    """The way in which a probe presses; None for a probe that does not."""
    return next((tag.removeprefix(TAG) for tag in sorted(probe.hazards) if tag.startswith(TAG)), None)
