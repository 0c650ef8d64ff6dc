"""The checks that a policy's data rules ask for. Every threshold comes from a document, none from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from annotation.checks import Check, On, Origin, Test
from annotation.item_facts import threshold_name
from annotation.record_checks import record_checks
from annotation.screening import KINDS
from governance.digest import digest, short
from governance.errors import PolicyError

__all__ = ["RELEASE_ONLY", "checks_for", "policy_checks"]

_Builder = Callable[[str, Mapping[str, Any], Origin], list[Check]]
_UNDECLARED: Final = ("und", "mul", "zxx", "mis")


def checks_for(
    requirements: Iterable[Any] = (), *, origins: Mapping[str, Origin] | None = None
) -> tuple[Check, ...]:
    """The record's checks followed by those of the policy's data rules.

    Args:
        requirements: Data rules of an effective policy: pydantic shapes or plain mappings with ``id`` and
            ``check`` and the parameters of that check.
        origins: Rule id → the document that states it; also read from ``document``, ``version`` and
            ``digest`` of a plain mapping.

    Raises:
        PolicyError: A rule asks for something that cannot be checked; it is never left out silently.
    """
    return (*record_checks(), *policy_checks(requirements, origins=origins))


def policy_checks(
    requirements: Iterable[Any], *, origins: Mapping[str, Origin] | None = None
) -> tuple[Check, ...]:
    """The checks of the policy's data rules alone, sorted by rule id.

    Raises:
        PolicyError: A requirement names a check that does not exist.
    """
    made: list[Check] = []
    for requirement in requirements:
        rule = _plain(requirement)
        name, kind = str(rule["id"]), str(rule.get("check"))
        if kind in RELEASE_ONLY:
            continue
        if kind not in _BUILDERS:
            raise PolicyError(
                "no such check of data",
                field=name,
                value=kind,
                expected=", ".join(sorted([*_BUILDERS, *RELEASE_ONLY])),
            )
        origin = (origins or {}).get(name) or Origin(
            kind="policy",
            document=rule.get("document"),
            version=rule.get("version"),
            digest=rule.get("digest"),
        )
        made.extend(_BUILDERS[kind](name, rule, origin))
    return tuple(sorted(made, key=lambda check: (check.rule, check.column, str(check.origin.document))))


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _plain(requirement: Any) -> Mapping[str, Any]:
    if isinstance(requirement, Mapping):
        return requirement
    dumped: Mapping[str, Any] = requirement.model_dump(mode="json")
    return dumped


def _one_judgement(name: str, _: Mapping[str, Any], origin: Origin) -> list[Check]:
    return [
        Check.holds(
            name,
            "first_given",
            "it is the first judgement of this annotator on this item",
            shows=("annotator", "item", "submitted_at"),
            origin=origin,
        )
    ]


def _duration(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    return [
        Check(
            rule=name,
            column="seconds",
            test=Test.RANGE,
            low=rule.get("at_least"),
            high=rule.get("at_most"),
            statement="the time spent is plausible for a person who read the answers",
            origin=origin,
        )
    ]


def _straight_lining(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    return [
        Check(
            rule=name,
            column="streak",
            test=Test.RANGE,
            high=rule["at_most"],
            statement=f"the annotator chose the same position at most {rule['at_most']} times in a row",
            shows=("annotator", "streak"),
            origin=origin,
        )
    ]


def _consent(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    # A judgement given without a page (a file) has no consent on record: it fails, it is not excused.
    return [
        Check.holds(
            name,
            f"consent_live_{slug(rule['purpose'])}",
            f"a live consent of the annotator for {rule['purpose']} stands behind the judgement",
            shows=("annotator", "consent"),
            origin=origin,
        )
    ]


def _personal_data(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    for kind in rule["forbid"]:
        if kind not in KINDS:
            raise PolicyError("no screen for it", field=name, value=kind, expected=", ".join(KINDS))
    return [
        Check(
            rule=name,
            column=f"personal_data_{kind}",
            test=Test.NULL,
            statement=f"the rationale holds no {kind.replace('_', ' ')}",
            shows=("judgement",),
            origin=origin,
        )
        for kind in sorted(rule["forbid"])
    ]


def _language(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    declared = Check(
        rule=name,
        column="language",
        test=Test.NOT_IN_SET,
        values=_UNDECLARED,
        statement="the item declares the language it is written in",
        shows=("item", "language"),
        origin=origin,
    )
    written = Check(
        rule=name,
        column="language_contradicted",
        test=Test.NULL,
        statement="the item is not plainly written in another language than it declares",
        shows=("item", "language", "language_contradicted"),
        origin=origin,
    )
    return [declared, written] if rule.get("as_written") else [declared]


def _most(column: str, statement: str, *shows: str) -> _Builder:
    """A builder of a check that ``column`` is at most what the rule says."""

    def build(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
        return [
            Check(
                rule=name,
                column=column,
                test=Test.RANGE,
                high=rule["at_most"],
                statement=statement.format(**rule),
                shows=shows,
                origin=origin,
            )
        ]

    return build


def _known_annotator(name: str, _: Mapping[str, Any], origin: Origin) -> list[Check]:
    return [
        Check.holds(
            name,
            "annotator_known",
            "the annotator is one of the people of the site",
            shows=("annotator", "site"),
            origin=origin,
        )
    ]


def _gold(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    answers = rule.get("answers", 3)
    column = f"gold_share_{answers}"
    return [
        Check(
            rule=name,
            column=column,
            test=Test.RANGE,
            low=rule["at_least"],
            statement=f"an annotator who judged {answers} or more items of known answer got enough of them right",
            shows=("annotator", column),
            origin=origin,
        )
    ]


def _near_duplicates(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    column = threshold_name("near_duplicate_", rule["at_most"])
    return [
        Check(
            rule=name,
            column=column,
            test=Test.NULL,
            statement=f"the item has at most {rule['at_most']:g} of its phrases in common with an earlier item",
            shows=("item", column),
            origin=origin,
        )
    ]


def _figure(statement: str, *parameters: str, low: str | None = None, high: str | None = None) -> _Builder:
    def build(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
        given = {key: _json(rule[key]) for key in parameters if rule.get(key) is not None}
        figure = {"check": rule["check"], **given}
        return [
            Check(
                rule=name,
                on=On.FIGURES,
                column=_column(figure),
                test=Test.RANGE,
                low=None if low is None else rule.get(low, 1.0 if low == "share" else None),
                high=None if high is None else rule[high],
                statement=statement.format(**{"at_least": "", "at_most": "", **rule}),
                figure=figure,
                origin=origin,
            )
        ]

    return build


def _split_contamination(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    share = _figure(
        "share of items whose prompt nearly is another's and could fall on the other side of a split",
        "similarity",
        high="at_most",
    )
    return share(name, {"similarity": 0.8, **rule}, origin)


def _coverage(name: str, rule: Mapping[str, Any], origin: Origin) -> list[Check]:
    share = rule.get("at_least", 0.8)
    made = []
    for stratum, target in sorted(rule["targets"].items()):
        figure = {"check": "coverage", "question": rule["question"], "stratum": stratum}
        made.append(
            Check(
                rule=name,
                on=On.FIGURES,
                column=_column(figure),
                test=Test.RANGE,
                low=share * target,
                statement=f"{rule['question']} {stratum}: at least {share:g} of its target share {target:g} of the annotators",
                figure=figure,
                origin=origin,
            )
        )
    return made


def _column(figure: Mapping[str, Any]) -> str:
    """The column of a figure: its name and parameters, and a piece of their digest against collisions."""
    return slug(f"{figure['check']}_{short(digest(dict(figure)), 8)}")


def slug(text: str) -> str:
    """``text`` as a plain column name."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


RELEASE_ONLY: Final = frozenset({"suppression"})
"""Rules about what may be published: the release enforces them, a batch publishes nothing."""

_BUILDERS: Final[Mapping[str, _Builder]] = {
    "one_judgement": _one_judgement,
    "duration": _duration,
    "straight_lining": _straight_lining,
    "consent": _consent,
    "personal_data": _personal_data,
    "language": _language,
    "coverage": _coverage,
    "documented_share": _figure(
        "share of annotators who are documented: they answered the questions of the codebook",
        "questions",
        low="at_least",
    ),
    "overlap": _figure("share of items with at least {at_least} judgements", "at_least", low="share"),
    "agreement": _figure("agreement between annotators (Krippendorff's alpha, nominal)", low="at_least"),
    "quarantine_share": _figure("share of the rows read that went to quarantine", high="at_most"),
    "reading_speed": _most(
        "reading_rate",
        "prompt and answers were read at no more than {at_most:g} characters a second",
        "seconds",
        "reading_rate",
    ),
    "known_annotator": _known_annotator,
    "gold": _gold,
    "candidate_diversity": _most(
        "candidates_overlap",
        "two answers of the item have at most {at_most:g} of their words in common",
        "item",
        "candidates_overlap",
    ),
    "near_duplicates": _near_duplicates,
    "probe_contamination": _most(
        "probe_overlap",
        "the prompt has at most {at_most:g} of its phrases in common with a probe of the audit",
        "item",
        "probe_overlap",
    ),
    "split_contamination": _split_contamination,
    "stale_share": _figure(
        "share of the judgements given under a policy that has changed since in what it rules", high="at_most"
    ),
    "drift": _figure("distance from the last batch by {of} (total variation)", "of", high="at_most"),
    "busiest_share": _figure("share of the judgements given by the busiest annotator", high="at_most"),
}
