"""A policy document: one owner's rules, for one tier, with a version and a digest.

What a tier may not say, its shape cannot hold. Tier One has no field for a requirement, a waiver, a default
or a rate; Tier Three has no field for a rule. The identity of a document is the SHA-256 of the RFC 8785
canonical JSON of what was parsed, with every list (all of them are sets or maps by id) sorted first:
formatting, order and comments do not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from governance.digest import canonical, digest
from governance.policy import faults
from governance.policy.blame import BlameError
from governance.policy.needs import DataRequirement, Promotion, PromotionTerms
from governance.policy.origin import NOWHERE, Origin
from governance.policy.places import check_place
from governance.policy.shapes import Dimension, Rule, Shape, TierOneRule, TierTwoRule, Window, distinct
from governance.policy.source import Source
from governance.policy.words import (
    AttributeName,
    Digest,
    DimensionId,
    DocumentId,
    Line,
    Prose,
    Slug,
    Version,
    Word,
)
from governance.tiers import AuthorityKind, Level, Tier, level_of

__all__ = [
    "Authority",
    "Extends",
    "PolicyDocument",
    "TierOneDocument",
    "TierThreeDocument",
    "TierTwoDocument",
    "as_tuples",
    "canonical_form",
    "document_digest",
    "json_schema",
    "parse",
]

FORMAT = 1
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class Authority(Shape):
    """Who answers for a document."""

    kind: AuthorityKind = Field(strict=False)
    name: Line
    contact: Line


class Extends(Shape):
    """Another document this one rests on, pinned by digest."""

    id: DocumentId
    digest: Digest


class PolicyDocument(Shape):
    """What the documents of all tiers share."""

    owners: ClassVar[frozenset[AuthorityKind]]

    format: Literal[1] = Field(description="version of the document format")
    id: DocumentId
    version: Version = Field(description="semantic version")
    tier: Literal[1, 2, 3]
    title: Line
    summary: Prose | None = None
    notice: Prose | None = None
    authority: Authority
    effective: Window = Window()
    context: dict[AttributeName, tuple[Word, ...]] = Field(
        default_factory=dict,
        description="attributes of the context that rules ask for, with every known value",
    )

    _origin: Origin = PrivateAttr(default=NOWHERE)

    @property
    def origin(self) -> Origin:
        """Where it was written; no part of what it is, so neither equality nor the digest know of it."""
        return self._origin

    @property
    def level(self) -> Level:
        """The level of authority at which the document speaks."""
        return level_of(Tier(self.tier), self.authority.kind, subject=getattr(self, "subject", "person"))

    @model_validator(mode="after")
    def _owned(self) -> Self:
        if self.authority.kind not in self.owners:
            allowed = ", ".join(sorted(self.owners))
            raise BlameError(
                f"a Tier {self.tier} document is owned by {allowed}",
                at=("authority", "kind"),
                expected=f"one of {allowed}",
            )
        return self


class _Binding(PolicyDocument):
    """A document that binds those below it: Tiers One and Two."""

    jurisdictions: tuple[str, ...] = Field(default=(), description="ISO 3166 codes or EU; none: everywhere")
    extends: tuple[Extends, ...] = ()
    rules: tuple[Rule, ...] = ()

    @field_validator("jurisdictions")
    @classmethod
    def _places(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for number, code in enumerate(codes):
            try:
                check_place(code)
            except ValueError as error:
                message, _, meant = str(error).partition("; ")
                raise BlameError(message, at=(number,), expected=meant.removeprefix("write ")) from error
        return distinct(codes, "jurisdiction")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        distinct(tuple(rule.id for rule in self.rules), "rule", under="rules")
        distinct(tuple(pin.id for pin in self.extends), "extends", under="extends")
        for number, rule in enumerate(self.rules):
            for attribute, values in rule.when.items():
                at = ("rules", number, "when", attribute)
                known = self.context.get(attribute)
                if known is None:
                    raise BlameError(
                        f"{rule.id}: `when` asks for {attribute!r}, which `context` does not declare",
                        at=at,
                        value=attribute,
                        expected=f"one of {', '.join(self.context) or 'none: `context` is empty'}",
                    )
                for position, value in enumerate(values):
                    if value not in known:
                        raise BlameError(
                            f"{rule.id}: {attribute} has no value {value!r} in `context`",
                            at=(*at, position),
                            expected=f"one of {', '.join(known)}",
                        )
        return self


class TierOneDocument(_Binding):
    """Immutable restrictions, set by law."""

    owners = frozenset({AuthorityKind.REGULATOR})
    tier: Literal[1]
    rules: tuple[TierOneRule, ...] = Field(min_length=1)


class TierTwoDocument(_Binding):
    """Optional restrictions and requirements, set by an organisation."""

    owners = frozenset({AuthorityKind.MODEL_PROVIDER, AuthorityKind.APPLICATION_PROVIDER})
    tier: Literal[2]
    purpose: Literal["production", "demonstration"] = "production"
    applications: tuple[Slug, ...] = Field(
        default=(), description="ids of applications; none: every application"
    )
    rules: tuple[TierTwoRule, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    further_dimensions: Literal["refused", "allowed"] = Field(
        default="refused",
        description="whether documents of a lower level may introduce dimensions nobody above has declared",
    )
    data: tuple[DataRequirement, ...] = ()
    promotion: Promotion | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        distinct(tuple(dimension.id for dimension in self.dimensions), "dimension", under="dimensions")
        distinct(tuple(need.id for need in self.data), "data requirement", under="data")
        terms: tuple[PromotionTerms, ...] = ()
        if self.promotion is not None:
            terms = self.promotion.limits + ((self.promotion.otherwise,) if self.promotion.otherwise else ())
        grades = {grade for limit in terms for grade in limit.evidence}
        if "S" in grades and self.purpose != "demonstration":
            raise ValueError("simulated evidence (grade S) is accepted with `purpose: demonstration` only")
        return self


class TierThreeDocument(PolicyDocument):
    """Tailored requirements: what a person wishes, or what a group supplies as defaults."""

    owners = frozenset(
        {AuthorityKind.END_USER, AuthorityKind.APPLICATION_PROVIDER, AuthorityKind.MODEL_PROVIDER}
    )
    tier: Literal[3]
    subject: Literal["person", "group"] = "person"
    wishes: dict[DimensionId, bool | int | float | str] = Field(default_factory=dict)
    context: dict[AttributeName, Word] = Field(  # type: ignore[assignment]
        default_factory=dict, description="what is known of the person's circumstances"
    )


_BY_TIER: dict[Any, type[PolicyDocument]] = {1: TierOneDocument, 2: TierTwoDocument, 3: TierThreeDocument}
_ANY: TypeAdapter[Any] = TypeAdapter(
    Annotated[TierOneDocument | TierTwoDocument | TierThreeDocument, Field(discriminator="tier")],
    config=ConfigDict(defer_build=True),
)


def parse(data: Mapping[str, Any] | Source, *, source: str | None = None) -> PolicyDocument:
    """The document that ``data`` describes.

    Args:
        data: Plain values, or a :class:`Source` that also knows where each stands.
        source: Name for messages; a :class:`Source` has its own.

    Raises:
        DocumentError: It is not a policy document; every fault with file, line, column, field, value and
            what would be right.
    """
    text = data if isinstance(data, Source) else Source(source or "document", data)
    plain = as_tuples(text.data)
    shape = (
        _BY_TIER.get(plain.get("tier"))
        if isinstance(plain, dict) and type(plain.get("tier")) is int
        else None
    )
    if shape is None:
        raise faults.no_tier(text)
    try:
        document = shape.model_validate(plain)
    except ValidationError as error:
        raise faults.document_error(error, text, shape) from error
    document._origin = Origin(text)  # noqa: SLF001 - set once, here, before anybody sees the document
    return document


def as_tuples(value: Any) -> Any:
    """``value`` with every list as a tuple: the shapes are strict and immutable."""
    if isinstance(value, Mapping):
        return {key: as_tuples(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map(as_tuples, value))
    return value


def canonical_form(document: PolicyDocument) -> dict[str, Any]:
    """The JSON value whose canonical bytes are the document's identity; defaults are left out."""
    plain = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    plain |= {"format": FORMAT, "tier": document.tier}
    return _sorted(plain)  # type: ignore[no-any-return]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=_order)
    return value


def _order(member: Any) -> tuple[str, bytes]:
    """Order within a list: by id where members have one, else by text."""
    if isinstance(member, str):
        return member, b""
    if isinstance(member, dict) and "id" in member:
        return member["id"], b""
    return "", canonical(member)


def document_digest(document: PolicyDocument) -> str:
    """``sha256:…``, the same for every way of writing the same document."""
    return digest(canonical_form(document))


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of all three tiers, for editors."""
    schema = _ANY.json_schema(by_alias=True, mode="validation")
    return {"$schema": SCHEMA_ID, "title": "bounds policy document"} | schema
