"""Shapes of the parts of a policy document: rules, limits, dimensions (pydantic, wire only).

``extra="forbid"`` and ``strict`` everywhere: a misspelt field or a number written as text is an error with
its place, never a silent default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from governance import taxonomy
from governance.policy.blame import BlameError
from governance.policy.words import (
    AttributeName,
    Code,
    DimensionId,
    Instant,
    Line,
    Number,
    Prose,
    RuleId,
    Slug,
    TierOneRuleId,
    TierTwoRuleId,
    Word,
)
from governance.tiers import Direction, RuleKind

__all__ = [
    "Audit",
    "Choice",
    "Dimension",
    "Flag",
    "Limit",
    "Range",
    "Rule",
    "Shape",
    "Text",
    "TierOneRule",
    "TierTwoRule",
    "Window",
    "distinct",
]

Settable = Literal["model_provider", "application_provider", "group", "end_user"]


class Shape(BaseModel):
    """Base of every part of a policy document."""

    # built when first used: a command that parses one document builds the shapes of its tier only
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, defer_build=True
    )


def distinct(
    values: tuple[Any, ...], what: str, *, under: str | None = None, field: str | None = "id"
) -> tuple[Any, ...]:
    """``values`` when no two are equal; the lists of a policy document are sets.

    Args:
        values: What must differ, in the order of the list.
        what: What one of them is called.
        under: The list's field, where the whole shape is validated; none: the list itself is.
        field: The field of a member that holds the value, for a list of maps.
    """
    seen: set[Any] = set()
    for number, value in enumerate(values):
        if value in seen:
            at = (number,) if under is None else (under, number) if field is None else (under, number, field)
            raise BlameError(f"{what} {value!r} is written twice", at=at, value=value, expected="each once")
        seen.add(value)
    return values


class Window(Shape):
    """From (inclusive) until (exclusive); open where absent."""

    from_: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise BlameError(
                "`until` must come after `from`", at=("until",), expected=f"after {self.from_.isoformat()}"
            )
        return self


class Limit(Shape):
    """What a rule leaves of one dimension. Fields of one kind only."""

    allow: tuple[Word, ...] | None = Field(default=None, description="choice: only these")
    forbid: tuple[Word, ...] | None = Field(default=None, description="choice: all but these")
    must_be: bool | None = Field(default=None, description="flag: only this")
    at_least: Number | None = Field(default=None, description="range: the smallest value left")
    at_most: Number | None = Field(default=None, description="range: the largest value left")
    step: Number | None = Field(default=None, gt=0, description="range: whole multiples of this only")
    max_length: int | None = Field(default=None, ge=0, le=10_000, description="text: characters")
    forbid_phrases: tuple[Line, ...] | None = Field(
        default=None, description="text: phrases it must not hold; * stands for any text"
    )

    @property
    def kind(self) -> str:
        """Which kind of dimension this limit speaks about."""
        given = self.model_fields_set
        return next((kind for kind, names in _LIMIT_FIELDS.items() if given & names), "")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind, names in _LIMIT_FIELDS.items() if self.model_fields_set & names]
        if len(kinds) != 1:
            raise ValueError(f"a limit is about one kind of dimension; this one is about {kinds or 'none'}")
        if any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("a limit without a value limits nothing; leave the field out")
        if self.forbid is not None and not self.forbid:
            raise ValueError("`forbid` is empty and forbids nothing; leave it out")
        if self.allow is not None and self.forbid is not None:
            raise ValueError("write `allow` or `forbid`, not both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise BlameError(
                "`at_least` is above `at_most`: nothing would be left",
                at=("at_least",),
                expected=f"at most {self.at_most:g}",
            )
        return self


_LIMIT_FIELDS: dict[str, frozenset[str]] = {
    "choice": frozenset({"allow", "forbid"}),
    "flag": frozenset({"must_be"}),
    "range": frozenset({"at_least", "at_most", "step"}),
    "text": frozenset({"max_length", "forbid_phrases"}),
}


class Audit(Shape):
    """How an audit tries a rule. The tolerated rate is not here: it is a promotion requirement."""

    probes: tuple[Slug, ...] = Field(min_length=1, description="hazard or rule tags of the probes")
    judge: Slug = Field(description="id of the judge")
    direction: Direction = Field(default=Direction.VIOLATION, strict=False)


class Rule(Shape):
    """What both kinds of rule share."""

    id: RuleId
    statement: Prose = Field(description="what holds, in plain language, as an instruction to the model")
    rationale: Prose = Field(description="why")
    sources: tuple[Prose, ...] = Field(default=(), description="law, guideline or study it rests on")
    risks: tuple[Code, ...] = Field(default=(), description="codes of the risk taxonomy")
    output_property: Slug | None = Field(
        default=None,
        alias="property",
        description="the property of an output this rule forbids or demands; rules that name the same "
        "property are compared with each other",
    )
    when: dict[AttributeName, tuple[Word, ...]] = Field(
        default_factory=dict, description="context in which it holds: every attribute has one of its values"
    )
    limits: dict[DimensionId, Limit] = Field(default_factory=dict, description="what is left to personalise")
    audit: Audit | None = None
    effective: Window = Window()

    @field_validator("risks")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for number, code in enumerate(codes):
            if code not in taxonomy.codes():
                known = f"one of {', '.join(sorted(taxonomy.codes()))}"
                raise BlameError("unknown code", at=(number,), expected=known)
        return codes

    @field_validator("when")
    @classmethod
    def _not_empty(cls, when: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for attribute, values in when.items():
            if not values:
                raise BlameError("no value is listed, so the rule would never hold", at=(attribute,))
        return when


class TierOneRule(Rule):
    """Tier One holds restrictions only, and nothing can waive them: there is no field for it."""

    id: TierOneRuleId
    kind: Literal["restriction"]


class TierTwoRule(Rule):
    """A restriction or a requirement that an organisation sets."""

    id: TierTwoRuleId
    kind: RuleKind = Field(strict=False)
    waivable: bool = Field(
        default=False, description="a named person may waive it, signed and with an expiry"
    )


class _Dimension(Shape):
    id: DimensionId
    statement: Prose = Field(description="what it changes, in plain language")
    rationale: Prose | None = None
    benefits: tuple[Code, ...] = ()
    settable_by: tuple[Settable, ...] = ("model_provider", "application_provider", "group", "end_user")
    prompt: Line | dict[Word, Line] | None = Field(
        default=None,
        description="sentence for the system prompt with {value} in it, or a sentence for each value",
    )

    @field_validator("benefits")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for number, code in enumerate(codes):
            if code not in taxonomy.codes():
                known = f"one of {', '.join(sorted(taxonomy.codes()))}"
                raise BlameError("unknown code", at=(number,), expected=known)
        return codes


class Choice(_Dimension):
    """One of a finite set of words."""

    type: Literal["choice"]
    values: tuple[Word, ...] = Field(min_length=1)
    default: Word | None = None


class Flag(_Dimension):
    """On or off."""

    type: Literal["flag"]
    default: bool | None = None


class Range(_Dimension):
    """A number between two ends, in steps."""

    type: Literal["range"]
    low: Number
    high: Number
    step: Number = Field(default=1.0, gt=0, description="allowed values are whole multiples of this")
    unit: Line | None = None
    default: Number | None = None
    outside: Literal["deny", "clip"] = Field(
        default="deny", description="what happens to a wish outside the bounds"
    )

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        if self.low > self.high:
            raise BlameError(
                "`low` is above `high`: nothing would be left", at=("low",), expected=f"at most {self.high:g}"
            )
        step = round(self.step * 1e6)
        for name in ("low", "high"):
            if round(getattr(self, name) * 1e6) % step:
                raise BlameError(
                    f"`{name}` must be a whole multiple of `step`",
                    at=(name,),
                    expected=f"a multiple of {self.step:g}",
                )
        return self


class Text(_Dimension):
    """A short text of the person's own, screened by length and phrases; no claim about its meaning."""

    type: Literal["text"]
    max_length: int = Field(ge=1, le=10_000)
    forbid_phrases: tuple[Line, ...] = ()
    default: Annotated[str, Field(max_length=10_000)] | None = None


Dimension = Annotated[Choice | Flag | Range | Text, Field(discriminator="type")]
