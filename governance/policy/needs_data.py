"""Shapes of what Tier Two demands of data, read by validation and by the release.

Every threshold of the platform stands in a policy document, so that each has an owner, a version and a digest.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from governance.policy.blame import BlameError
from governance.policy.shapes import Shape
from governance.policy.words import Code, DataRuleId, Prose, Slug, Word

__all__ = ["DataRequirement", "Share"]

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PersonalData = Literal[
    "email", "phone", "url", "ip_address", "payment_card", "iban", "national_id", "postal_address"
]


class _Data(Shape):
    id: DataRuleId
    statement: Prose | None = None
    rationale: Prose | None = None
    risks: tuple[Code, ...] = ()


class DocumentedShare(_Data):
    """At least this share of annotators answered these codebook questions (any typed answer but absence)."""

    check: Literal["documented_share"]
    at_least: Share
    questions: tuple[Slug, ...] = ()


class Overlap(_Data):
    """At least this many judgements for each item (for ``share`` of the items)."""

    check: Literal["overlap"]
    at_least: int = Field(ge=1, le=1000)
    share: Share = 1.0


class Agreement(_Data):
    """Krippendorff's alpha over the batch is at least this."""

    check: Literal["agreement"]
    at_least: float = Field(ge=-1, le=1, allow_inf_nan=False)


class OneJudgement(_Data):
    """One judgement for each annotator and item."""

    check: Literal["one_judgement"]


class Duration(_Data):
    """Seconds spent on a judgement."""

    check: Literal["duration"]
    at_least: Annotated[float, Field(ge=0, le=86_400)] | None = None
    at_most: Annotated[float, Field(ge=0, le=86_400)] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give `at_least`, `at_most` or both, in seconds")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise BlameError(
                "`at_least` is above `at_most`: no judgement could pass",
                at=("at_least",),
                expected=f"at most {self.at_most:g}",
            )
        return self


class Consent(_Data):
    """A live consent for this purpose stands behind every judgement."""

    check: Literal["consent"]
    purpose: Slug


class QuarantineShare(_Data):
    """At most this share of the rows may fail before the whole batch stops."""

    check: Literal["quarantine_share"]
    at_most: Share


class BusiestShare(_Data):
    """No annotator gave more than this share of the judgements."""

    check: Literal["busiest_share"]
    at_most: Share


class Suppression(_Data):
    """Published demographic cells hold at least k annotators."""

    check: Literal["suppression"]
    at_least: int = Field(ge=1, le=1000)


class PersonalDataFree(_Data):
    """Free text holds none of these."""

    check: Literal["personal_data"]
    forbid: tuple[PersonalData, ...] = Field(min_length=1)


class Coverage(_Data):
    """For each stratum of a codebook question, the share of annotators is at least ``at_least`` times its target."""

    check: Literal["coverage"]
    question: Slug
    targets: dict[Word, Share] = Field(min_length=1)
    at_least: Share = 0.8

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if math.fsum(self.targets.values()) > 1 + 1e-9:
            raise ValueError("the targets add up to more than 1")
        return self


class StraightLining(_Data):
    """Nobody chooses the same position more than this many times in a row."""

    check: Literal["straight_lining"]
    at_most: int = Field(ge=1, le=10_000)


class ReadingSpeed(_Data):
    """Prompt and answers are not read faster than this many characters a second."""

    check: Literal["reading_speed"]
    at_most: float = Field(gt=0, le=10_000, allow_inf_nan=False)


class KnownAnnotator(_Data):
    """Every annotator is in the people of the site: at least one question of the codebook was put to them."""

    check: Literal["known_annotator"]


class Gold(_Data):
    """Whoever judged this many items of known answer got at least this share of them right."""

    check: Literal["gold"]
    at_least: Share
    answers: int = Field(default=3, ge=1, le=1000, description="fewer say nothing about a person")


class Language(_Data):
    """The item declares its language; with ``as_written``, its text does not contradict that."""

    check: Literal["language"]
    as_written: bool = False


class CandidateDiversity(_Data):
    """The answers put side by side differ: two of them share at most this part of their words."""

    check: Literal["candidate_diversity"]
    at_most: Share


class NearDuplicates(_Data):
    """No item repeats an earlier one: two items share at most this part of their phrases."""

    check: Literal["near_duplicates"]
    at_most: Annotated[float, Field(gt=0.2, lt=1, allow_inf_nan=False)]


class ProbeContamination(_Data):
    """No prompt is a probe of the audit: it shares at most this part of its phrases with one."""

    check: Literal["probe_contamination"]
    at_most: Share


class SplitContamination(_Data):
    """At most this share of the items has a prompt that nearly is another's, and could fall on both sides of a split."""

    check: Literal["split_contamination"]
    at_most: Share
    similarity: Annotated[float, Field(gt=0.2, lt=1, allow_inf_nan=False)] = 0.8


class StaleShare(_Data):
    """At most this share of the judgements was given under a policy that has changed since in what it rules."""

    check: Literal["stale_share"]
    at_most: Share


class Drift(_Data):
    """The answers are distributed as in the last batch, up to this distance (total variation)."""

    check: Literal["drift"]
    of: Literal["outcome", "position", "language", "topic"]
    at_most: Share


DataRequirement = Annotated[
    DocumentedShare
    | Overlap
    | Agreement
    | OneJudgement
    | Duration
    | Consent
    | QuarantineShare
    | BusiestShare
    | Suppression
    | PersonalDataFree
    | Coverage
    | StraightLining
    | ReadingSpeed
    | KnownAnnotator
    | Gold
    | Language
    | CandidateDiversity
    | NearDuplicates
    | ProbeContamination
    | SplitContamination
    | StaleShare
    | Drift,
    Field(discriminator="check"),
]
