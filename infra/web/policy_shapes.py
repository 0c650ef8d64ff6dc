"""Shapes of the policy service's requests and answers, as its OpenAPI document shows them.

What a wish holds is not checked here: the engine answers for every value. Only the frame is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

__all__ = [
    "BatchAnswer",
    "BatchRequest",
    "Part",
    "PolicyList",
    "Problem",
    "ResolveAnswer",
    "ResolveRequest",
    "SingleRequest",
]

MOST_PROFILES = 1000
Part = Literal["prompt", "rules", "documents", "digest"]
Wishes = Annotated[dict[str, Any], Field(max_length=200)]
Circumstances = Annotated[dict[str, Any], Field(max_length=50)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Profile(_Shape):
    """What a person wishes, what their group supplies as defaults, and the circumstances."""

    wishes: Wishes = Field(default_factory=dict, description="dimension → value; judged, never refused")
    group: Wishes = Field(default_factory=dict, description="defaults of a group; they never widen a bound")
    context: Circumstances = Field(
        default_factory=dict, description="attribute → word, such as age_band: adult; what you vouch for"
    )


class _Stacked(_Shape):
    jurisdictions: tuple[Annotated[str, Field(max_length=8)], ...] | None = Field(
        default=None,
        max_length=32,
        description="ISO 3166 codes or EU; absent: the installation's own, or else every overlay there is",
    )
    application: str | None = Field(default=None, max_length=64, description="absent: the installation's own")


class SingleRequest(Profile, _Stacked):
    """One profile."""

    include: tuple[Part, ...] = Field(
        default=("prompt", "rules", "documents"), max_length=4, description="what to answer beside"
    )


class BatchRequest(_Stacked):
    """Many profiles under one policy."""

    profiles: tuple[Profile, ...] = Field(max_length=MOST_PROFILES)
    context: Circumstances = Field(
        default_factory=dict, description="for every profile; outweighs what a profile says of itself"
    )
    include: tuple[Part, ...] = Field(default=(), max_length=4, description="what to answer beside")


def _kind(value: Any) -> str:
    is_batch = "profiles" in value if isinstance(value, dict) else isinstance(value, BatchRequest)
    return "batch" if is_batch else "single"


ResolveRequest = Annotated[
    Annotated[SingleRequest, Tag("single")] | Annotated[BatchRequest, Tag("batch")], Discriminator(_kind)
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Unhonoured(_Answer):
    """A wish or default that is not in force as stated, by which rule, tier and owner."""

    dimension: str
    wish: str | bool | int | float | None
    source: str
    rule: str
    tier: Literal[1, 2, 3] | None
    owner: str | None
    document: str | None
    reason: str
    value: int | float | None = Field(default=None, description="what it was clipped to")


class DocumentReference(_Answer):
    """A document and who answers for it."""

    id: str
    version: str
    digest: str
    tier: Literal[1, 2, 3]
    owner: str
    owner_kind: str
    contact: str
    title: str


class RuleInForce(_Answer):
    """A rule that holds, whom to ask about it and why it is there."""

    id: str
    kind: Literal["restriction", "requirement"]
    statement: str
    rationale: str
    risks: list[str]
    when: dict[str, list[str]]
    tier: Literal[1, 2, 3]
    owner: str
    document: str


class ResolveAnswer(_Answer):
    """What is in force for one profile."""

    policy: str = Field(description="digest of the policy it was decided under")
    context: dict[str, str]
    settings: dict[str, str | bool | int | float]
    sources: dict[str, str] = Field(description="where each setting came from")
    honoured: list[str] = Field(description="dimensions where the person's wish is in force as stated")
    denied: list[Unhonoured]
    clipped: list[Unhonoured]
    unset: list[str]
    prompt: str | None = Field(default=None, description="the same as a fragment of a system prompt")
    restrictions: list[RuleInForce] | None = None
    requirements: list[RuleInForce] | None = None
    documents: list[DocumentReference] | None = None
    digest: str | None = Field(default=None, description="identity of the whole answer, rules included")


class BatchAnswer(_Answer):
    """One answer for each profile, in their order."""

    policy: str
    valid_until: str | None = Field(description="when composing would next give something else")
    results: list[ResolveAnswer]


class PolicyEntry(DocumentReference):
    """A document of the stack."""

    jurisdictions: list[str]
    applications: list[str]
    effective: dict[str, str]
    href: str
    applies: bool
    why_not: str | None = None


class PolicyList(_Answer):
    """The stack, and the policy in force for the context that was asked for."""

    policy: str
    valid_until: str | None
    stack: str
    jurisdictions: list[str] = Field(description="empty: every overlay there is")
    application: str | None
    fault: str | None = Field(description="why the files as they lie now are not in use, if they are not")
    documents: list[PolicyEntry]
    dimensions: dict[str, Any] = Field(description="what may be personalised, and who narrows it")
    context: dict[str, list[str]] = Field(description="attributes of the context with every known value")


class FieldError(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(extra="forbid")
    field: str
    message: str
    value: str | None = None
    expected: str | None = None


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="forbid")
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
