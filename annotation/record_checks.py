"""The checks that every batch undergoes, whatever a policy says: they follow from the record's declaration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from annotation.checks import Check, On, Test
from annotation.records import JUDGEMENTS, JudgementKind, Outcome, Source
from governance.digest import DIGEST_PATTERN

__all__ = ["LANGUAGE_PATTERN", "LONGEST_RATIONALE", "record_checks"]

LONGEST_RATIONALE: Final = 20_000
"""Characters; a longer text is a broken export, not a reason."""
LANGUAGE_PATTERN: Final = r"^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$"
"""BCP 47 well-formedness (RFC 5646 section 2.1), loosely: subtags of letters and digits, first of letters."""

_SETS: Final = {"kind": JudgementKind, "outcome": Outcome, "source": Source}
_DIGESTS: Final = ("item_digest", "config_digest", "policy_digest", "source_digest")


def record_checks() -> tuple[Check, ...]:
    """The checks of origin ``record``, in a fixed order."""
    return (*_readable(), *_columns(), *_known(), *_consistent(), *_blind())


def _readable() -> Iterator[Check]:
    yield Check(
        rule="R.decodable",
        on=On.ROWS,
        column="problem",
        test=Test.NULL,
        statement="the source's record can be read as a judgement",
    )
    yield Check(
        rule="R.types",
        column="misfits",
        test=Test.NULL,
        statement="every value has the type that the record declares",
    )


def _columns() -> Iterator[Check]:
    for column in JUDGEMENTS:
        if not column.nullable:
            yield Check(
                rule=f"R.present.{column.name}",
                column=column.name,
                test=Test.NOT_NULL,
                statement=f"{column.name} is given",
            )
    for name, words in _SETS.items():
        listed = tuple(str(word) for word in words)
        yield Check(
            rule=f"R.set.{name}",
            column=name,
            test=Test.IN_SET,
            values=listed,
            statement=f"{name} is one of {', '.join(listed)}",
        )
    for name in _DIGESTS:
        yield Check(
            rule=f"R.form.{name}",
            column=name,
            test=Test.REGEX,
            pattern=DIGEST_PATTERN,
            statement=f"{name} has the form of a digest",
        )
    yield Check(
        rule="R.range.strength",
        column="strength",
        test=Test.RANGE,
        low=-3,
        high=3,
        statement="strength lies between -3 and 3",
    )
    yield Check(
        rule="R.range.seconds",
        column="seconds",
        test=Test.RANGE,
        low=0,
        statement="time spent is not negative",
    )
    yield Check(
        rule="R.length.rationale",
        column="rationale",
        test=Test.LENGTH,
        high=LONGEST_RATIONALE,
        statement=f"the rationale has at most {LONGEST_RATIONALE} characters",
        shows=("judgement",),
    )
    yield Check(
        rule="R.unique.judgement",
        column="judgement",
        test=Test.UNIQUE,
        statement="no other row has this judgement id",
    )
    yield Check(
        rule="R.unique.source",
        column="source_ref",
        test=Test.UNIQUE_TOGETHER,
        together=("site", "source"),
        statement="no other row has this reference of this source at this site",
        shows=("site", "source", "source_ref"),
    )
    yield Check(
        rule="R.order.submitted_at",
        column="submitted_at",
        test=Test.NOT_BEFORE,
        other="presented_at",
        statement="the answer was submitted after the item was shown",
        shows=("presented_at", "submitted_at"),
    )


def _known() -> Iterator[Check]:
    yield Check.holds("R.known.item", "item_known", "the item judged is in the item table", shows=("item",))
    yield Check.holds(
        "R.equal.item_digest",
        "item_digest_equal",
        "the item judged is the item as it stands in the item table",
        shows=("item", "item_digest"),
    )
    yield Check.holds(
        "R.known.shown",
        "shown_known",
        "the answers shown are different candidates of the item, two for a pairwise judgement",
        shows=("item", "shown"),
    )
    yield Check.holds(
        "R.known.preferred",
        "preferred_known",
        "the preferred answer is a candidate of the item and was shown",
        shows=("item", "shown", "preferred"),
    )
    yield Check.holds(
        "R.known.presentation",
        "presentation_matches",
        "a judgement given on a page has its presentation: same item, same answers, same order",
        shows=("presentation", "item", "shown"),
    )
    yield Check.holds(
        "R.known.consent",
        "presentation_consent_equal",
        "the judgement was given under the consent that its presentation was made under",
        shows=("presentation", "consent"),
    )
    yield Check(
        rule="R.form.language",
        column="language",
        test=Test.REGEX,
        pattern=LANGUAGE_PATTERN,
        statement="the item's language is a BCP 47 tag",
    )


def _consistent() -> Iterator[Check]:
    yield Check.holds(
        "R.consistent.answer",
        "answer_present",
        "the answer has the form that its kind asks for",
        shows=("kind", "outcome", "scores", "ranking"),
    )
    yield Check.holds(
        "R.consistent.outcome",
        "outcome_consistent",
        "outcome, preferred answer and strength say the same",
        shows=("outcome", "preferred", "strength", "shown"),
    )
    yield Check.holds(
        "R.range.scores",
        "scores_valid",
        "every score belongs to an answer shown and lies between 1 and 100",
        shows=("scores", "shown"),
    )
    yield Check.holds(
        "R.known.ranking",
        "ranking_valid",
        "the ranking names every answer shown once",
        shows=("ranking", "shown"),
    )


def _blind() -> Iterator[Check]:
    yield Check(
        rule="R.blind.shown",
        column="shown_names_model",
        test=Test.NULL,
        statement="no answer of the item names the model that gave it",
        shows=("item", "shown_names_model"),
    )
    yield Check(
        rule="R.blind.rationale",
        column="rationale_names_model",
        test=Test.NULL,
        statement="the rationale does not name a model of the item: the annotator judged blind",
        shows=("item", "rationale_names_model"),
    )
