"""Resolution: a person's wishes inside the bounds, with the reason for every wish that is not honoured.

Precedence of settings: person, then group, then the application's default, then the provider's. A group
supplies defaults, never bounds. Total: whatever the profile holds, there is an answer, and what cannot be
judged is denied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from governance.digest import digest
from governance.policy.decide import Cell, Verdict
from governance.policy.document import TierThreeDocument
from governance.policy.domain import Interval, from_micro, is_text, nearest, to_micro
from governance.policy.model import DocumentRef, EffectivePolicy, EffectiveRule
from governance.tiers import RuleKind

__all__ = ["NOT_SETTABLE", "Profile", "Resolution", "Setting", "Unhonoured", "profile_from", "resolve"]

NOT_SETTABLE: Final = "bounds.not-settable"
MALFORMED: Final = "bounds.malformed-profile"
_SETTER: Final = {"person": "end_user", "group": "group"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a person wishes (and their group, where they chose one), and the circumstances."""

    wishes: Mapping[str, Any]
    group: Mapping[str, Any]
    context: Mapping[str, str]
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting in force, and where it came from: person, group, application or provider."""

    value: str | bool | int | float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhonoured:
    """A wish or default that is not in force as it was stated, by whom and why."""

    dimension: str
    wish: Any
    source: str
    rule: str
    tier: int | None
    owner: str | None
    document: str | None
    reason: str
    value: int | float | None = None  # what it was clipped to

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        shown = {
            "dimension": self.dimension,
            "wish": _json_value(self.wish),
            "source": self.source,
            "rule": self.rule,
            "tier": self.tier,
            "owner": self.owner,
            "document": self.document,
            "reason": self.reason,
        }
        return shown if self.value is None else shown | {"value": self.value}


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What is in force for one person, and why."""

    policy_digest: str
    documents: tuple[DocumentRef, ...]
    context: Mapping[str, str]
    chosen: Mapping[str, Setting]
    denied: tuple[Unhonoured, ...]
    clipped: tuple[Unhonoured, ...]
    unset: tuple[str, ...]
    policy: EffectivePolicy

    @cached_property
    def rules(self) -> tuple[EffectiveRule, ...]:
        """Rules that hold in this context; one whose attribute is not known holds."""
        return self.policy.rules_in(self.context)

    @cached_property
    def settings(self) -> dict[str, str | bool | int | float]:
        """Dimension → value in force."""
        return {name: setting.value for name, setting in self.chosen.items()}

    @property
    def sources(self) -> dict[str, str]:
        """Dimension → where its value came from."""
        return {name: setting.source for name, setting in self.chosen.items()}

    @property
    def honoured(self) -> tuple[str, ...]:
        """Dimensions where the person's own wish is in force as stated."""
        clipped = {wish.dimension for wish in self.clipped}
        return tuple(n for n, s in self.chosen.items() if s.source == "person" and n not in clipped)

    @property
    def restrictions(self) -> tuple[EffectiveRule, ...]:
        """Restrictions that hold in this context."""
        return tuple(rule for rule in self.rules if rule.kind is RuleKind.RESTRICTION)

    @property
    def requirements(self) -> tuple[EffectiveRule, ...]:
        """Requirements that hold in this context."""
        return tuple(rule for rule in self.rules if rule.kind is RuleKind.REQUIREMENT)

    @cached_property
    def digest(self) -> str:
        """Identity of the whole answer."""
        return digest(self._body())

    def _body(self) -> dict[str, Any]:
        return {
            "policy": self.policy_digest,
            "context": dict(self.context),
            "settings": self.settings,
            "sources": self.sources,
            "denied": [wish.as_json() for wish in self.denied],
            "clipped": [wish.as_json() for wish in self.clipped],
            "unset": list(self.unset),
            "restrictions": [rule.as_json() for rule in self.restrictions],
            "requirements": [rule.as_json() for rule in self.requirements],
        }

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON, with the digests of the answer and of the policy it was decided under."""
        return {"digest": self.digest, "documents": [ref.as_json() for ref in self.documents], **self._body()}

    def as_prompt(self) -> str:
        """The answer as a fragment of a system prompt."""
        from governance.policy.prompt import prompt_of  # prompt reads this module's types

        return prompt_of(self)


def profile_from(given: object, *, context: Mapping[str, str] | None = None) -> Profile:
    """A profile out of whatever was given; never raises.

    Taken: a :class:`Profile`, a Tier Three document, a map with ``wishes`` (and ``group``, ``context``), or a
    plain map of dimension to value. ``context`` outweighs what the profile says of itself.
    """
    outer = dict(context) if isinstance(context, Mapping) else {}
    fault: str | None = None
    if isinstance(given, Profile):
        return Profile(
            wishes=given.wishes, group=given.group, context={**given.context, **outer}, fault=given.fault
        )
    wishes: object = given
    group: object = {}
    inner: object = {}
    if isinstance(given, TierThreeDocument):
        # a group supplies defaults; it cannot say what a person's circumstances are
        if given.subject == "group":
            wishes, group = {}, given.wishes
        else:
            wishes, inner = given.wishes, given.context
    elif isinstance(given, Mapping) and "wishes" in given:
        wishes, group, inner = given["wishes"], given.get("group", {}), given.get("context", {})
    if not (isinstance(wishes, Mapping) and isinstance(group, Mapping) and isinstance(inner, Mapping)):
        fault, wishes, group, inner = "wishes, group and context must be maps", {}, {}, {}
    return Profile(wishes=wishes, group=group, context={**inner, **outer}, fault=fault)


def resolve(
    policy: EffectivePolicy, profile: object = None, *, context: Mapping[str, str] | None = None
) -> Resolution:
    """What is in force for a person under a policy.

    Args:
        policy: The composed policy. Tier Three documents in it come first; ``profile`` outweighs them.
        profile: See :func:`profile_from`.
        context: Circumstances the caller vouches for (an age band that was checked); they outweigh what the
            profile says of itself.
    """
    asked = profile_from({} if profile is None else profile, context=context)
    person, group, known = _with_documents(policy, asked)
    chosen: dict[str, Setting] = {}
    denied: list[Unhonoured] = []
    clipped: list[Unhonoured] = []
    if asked.fault is not None:
        denied.append(_malformed(asked.fault))
    for source, wishes in (("person", person), ("group", group)):
        for name, wish in wishes.items():
            if not isinstance(name, str) or name not in policy.dimensions:
                denied.append(_denied(policy.decider.decide(str(name), wish, known), wish, source))
    for name in policy.dimensions:
        for source, wish in _in_order(policy, name, person, group):
            setting, problem = _settle(policy, name, wish, source, known)
            if problem is not None:
                (denied if setting is None else clipped).append(problem)
            if setting is not None:
                chosen[name] = setting
                break
    return Resolution(
        policy_digest=policy.digest,
        documents=policy.documents,
        context=known,
        chosen=chosen,
        denied=tuple(denied),
        clipped=tuple(clipped),
        unset=tuple(name for name in policy.dimensions if name not in chosen),
        policy=policy,
    )


def _with_documents(
    policy: EffectivePolicy, asked: Profile
) -> tuple[dict[Any, Any], dict[Any, Any], dict[str, str]]:
    person: dict[Any, Any] = {}
    group: dict[Any, Any] = {}
    context: dict[Any, Any] = {}
    for wishes in policy.wishes:  # groups come before persons
        if wishes.level.source == "group":
            group.update(wishes.values)
        else:
            person.update(wishes.values)
            context.update(wishes.context)
    person.update(asked.wishes)
    group.update(asked.group)
    context.update(asked.context)
    return person, group, {name: value for name, value in context.items() if is_text(name) and is_text(value)}


def _in_order(
    policy: EffectivePolicy, name: str, person: Mapping[Any, Any], group: Mapping[Any, Any]
) -> Iterator[tuple[str, Any]]:
    if name in person:
        yield "person", person[name]
    if name in group:
        yield "group", group[name]
    for default in policy.dimensions[name].defaults:
        yield default.document.level.source, default.value


def _settle(
    policy: EffectivePolicy, name: str, wish: Any, source: str, context: Mapping[str, str]
) -> tuple[Setting | None, Unhonoured | None]:
    """The setting a wish leads to, and what kept it from being honoured as stated."""
    dimension = policy.dimensions[name]
    setter = _SETTER.get(source)
    if setter is not None and setter not in dimension.settable_by:
        return None, _not_settable(policy, name, wish, source)
    verdict = policy.decider.decide(name, wish, context)
    if verdict.allowed:
        return Setting(value=wish, source=source), None
    if dimension.outside == "clip":
        cell = policy.decider.cell(name, context)
        micro = to_micro(wish)
        if micro is not None and isinstance(cell, Cell) and isinstance(cell.left, Interval):
            inside = nearest(cell.left, micro)
            if inside is not None:
                value = from_micro(inside)
                return Setting(value=value, source=source), _denied(verdict, wish, source, value=value)
    return None, _denied(verdict, wish, source)


def _denied(verdict: Verdict, wish: Any, source: str, *, value: float | None = None) -> Unhonoured:
    return Unhonoured(
        dimension=verdict.dimension,
        wish=wish,
        source=source,
        rule=verdict.rule,
        tier=verdict.tier,
        owner=verdict.owner,
        document=verdict.document,
        reason=verdict.reason,
        value=value,
    )


def _not_settable(policy: EffectivePolicy, name: str, wish: Any, source: str) -> Unhonoured:
    ref = policy.dimensions[name].declared[-1]
    who = ", ".join(sorted(policy.dimensions[name].settable_by)) or "nobody"
    return Unhonoured(
        dimension=name,
        wish=wish,
        source=source,
        rule=NOT_SETTABLE,
        tier=int(ref.tier),
        owner=ref.owner,
        document=f"{ref.id}@{ref.version}",
        reason=f"only {who} may set this",
    )


def _malformed(fault: str) -> Unhonoured:
    return Unhonoured(
        dimension="",
        wish=None,
        source="person",
        rule=MALFORMED,
        tier=None,
        owner=None,
        document=None,
        reason=fault,
    )


def _json_value(value: Any) -> Any:
    """A wish as JSON can hold it: what is not a plain, exact value is shown as text."""
    if value is None or isinstance(value, bool | str):
        return value if not isinstance(value, str) else value[:1000].encode("utf-8", "replace").decode()
    return value if to_micro(value) is not None else repr(value)[:200]
