"""Policies in plain words: what the pages say where a document holds fields and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from governance.policy.domain import LARGEST, MICRO, Choices, Domain, Interval, Phrases, from_micro, grid_ends
from governance.policy.needs import DataRequirement, StratumRequirement

__all__ = [
    "GRADES",
    "OWNER_KINDS",
    "check_words",
    "day",
    "domain_words",
    "listed",
    "name",
    "share",
    "strata_words",
    "value_words",
    "when_words",
    "word",
]

_FROM_TO: Final = re.compile(r"(?<=[0-9])_(?=[0-9])")
OWNER_KINDS: Final = {
    "regulator": "regulator",
    "model_provider": "model provider",
    "application_provider": "application provider",
    "end_user": "end user",
}
GRADES: Final = {
    "A": "random human labels of this model",
    "B": "flags looked through by people, the rest sampled",
    "C": "an automatic judge only",
    "S": "simulated, for demonstrations",
}


def name(identifier: str) -> str:
    """An identifier as a name: ``age_band`` → Age band."""
    return word(identifier).replace("-", " ").capitalize()


def word(identifier: str) -> str:
    """A word of a document as people write it: ``under_13`` → under 13, ``13_17`` → 13 to 17."""
    return _FROM_TO.sub(" to ", identifier).replace("_", " ")


def listed(words: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    found = list(words)
    return f"{', '.join(found[:-1])} {last} {found[-1]}" if len(found) > 1 else "".join(found)


def day(moment: datetime | None) -> str | None:
    """A date as people write it: 1 June 2025."""
    return f"{moment.day} {moment:%B %Y}" if moment else None


def share(value: float) -> str:
    """A share as a percentage without needless digits."""
    return f"{value * 100:.6g} %"


def value_words(value: object, unit: str | None = None) -> str:
    """A setting in words: yes or no, a number with its unit, a word, a quoted text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        number = int(value) if value == value and abs(value) < LARGEST and value == int(value) else value  # noqa: PLR0124 - NaN
        return f"{number} {unit}" if unit else str(number)
    return str(value)


def domain_words(domain: Domain, unit: str | None = None) -> str:
    """What a set of values leaves."""
    match domain:
        case Choices():
            # True before False: people say yes or no.
            words = listed(map(value_words, sorted(domain.values, key=_true_first)), "or")
            if domain.excluding:
                return f"anything but {words}" if words else "anything"
            return words if len(domain.values) > 1 else f"only {words}" if words else "nothing"
        case Interval():
            return _interval_words(domain, f" {unit}" if unit else "")
        case Phrases():
            length = (
                f"at most {domain.max_length} characters" if domain.max_length < LARGEST else "any length"
            )
            without = listed((f"“{phrase}”" for phrase in sorted(domain.forbidden)), "or")
            return f"text of {length}{f', without {without}' if without else ''}"
        case _:
            return "nothing"


def _true_first(value: str | bool) -> tuple[bool, str]:
    return value is False, str(value)


def _interval_words(domain: Interval, unit: str) -> str:
    low, high = grid_ends(domain)
    if low > high:
        return "nothing"
    most = LARGEST * MICRO
    if low == high:
        said = f"only {from_micro(low)}{unit}"
    elif domain.low > -most and domain.high < most:
        said = f"{from_micro(low)} to {from_micro(high)}{unit}"
    elif domain.high < most:
        said = f"at most {from_micro(high)}{unit}"
    elif domain.low > -most:
        said = f"at least {from_micro(low)}{unit}"
    else:
        said = "any number"
    return (
        said if domain.step in {1, MICRO} or low == high else f"{said} in steps of {from_micro(domain.step)}"
    )


def when_words(when: Mapping[str, Iterable[str]]) -> str:
    """The context a rule asks for; empty where it always holds."""
    return listed(
        f"{word(attribute)} is {listed(map(word, sorted(values)), 'or')}"
        for attribute, values in sorted(when.items())
    )


_CHECKS: Final[Mapping[str, Callable[[Any], str]]] = {
    "documented_share": lambda n: (
        f"At least {share(n.at_least)} of the annotators are documented"
        + (f" on {listed(map(word, n.questions))}." if n.questions else ".")
    ),
    "overlap": lambda n: f"{n.at_least} or more people judge each item, for {share(n.share)} of the items.",
    "agreement": lambda n: (
        f"Agreement between annotators (alpha after Krippendorff) is at least {n.at_least:g}."
    ),
    "one_judgement": lambda _: "Nobody judges the same item twice.",
    "duration": lambda n: (
        "A judgement takes "
        + listed(
            [f"at least {n.at_least:g} s"] * (n.at_least is not None)
            + [f"at most {n.at_most:g} s"] * (n.at_most is not None)
        )
        + "."
    ),
    "consent": lambda n: f"A live consent to {n.purpose} stands behind every judgement.",
    "quarantine_share": lambda n: f"At most {share(n.at_most)} of the rows fail; above that the batch stops.",
    "busiest_share": lambda n: f"Nobody gives more than {share(n.at_most)} of the judgements.",
    "suppression": lambda n: f"A group of fewer than {n.at_least} annotators is not published.",
    "personal_data": lambda n: f"Free text holds no {listed(map(word, sorted(n.forbid)), 'or')}.",
    "coverage": lambda n: (
        f"By {word(n.question)}, every group reaches {share(n.at_least)} of its share of the population ("
        + ", ".join(f"{group} {share(part)}" for group, part in sorted(n.targets.items()))
        + ")."
    ),
    "straight_lining": lambda n: f"Nobody chooses the same position more than {n.at_most} times in a row.",
    "reading_speed": lambda n: f"Nobody reads faster than {n.at_most:g} characters a second.",
    "known_annotator": lambda _: "Every annotator is in the people of the site.",
    "gold": lambda n: (
        f"Whoever judged {n.answers} or more items of known answer got {share(n.at_least)} of them right."
    ),
    "language": lambda n: (
        "Every item declares its language" + (", and is written in it." if n.as_written else ".")
    ),
    "candidate_diversity": lambda n: (
        f"Answers put side by side have at most {share(n.at_most)} of their words in common."
    ),
    "near_duplicates": lambda n: (
        f"No item has more than {share(n.at_most)} of its phrases in common with an earlier one."
    ),
    "probe_contamination": lambda n: (
        f"No prompt has more than {share(n.at_most)} of its phrases in common with a probe of the audit."
    ),
    "split_contamination": lambda n: (
        f"At most {share(n.at_most)} of the items have a prompt that is nearly another's ({share(n.similarity)} "
        "of their phrases in common), so that one could be trained on and the other tested."
    ),
    "stale_share": lambda n: (
        f"At most {share(n.at_most)} of the judgements were given under a policy that has since changed."
    ),
    "drift": lambda n: (
        f"The distribution by {word(n.of)} lies within {share(n.at_most)} of that of the last batch."
    ),
}


def check_words(need: DataRequirement) -> str:
    """A requirement on data as a sentence."""
    return need.statement or _CHECKS[need.check](need)


def strata_words(strata: StratumRequirement) -> str:
    """What must be shown for each group of people."""
    gap = f", and the best and the worst differ by at most {share(strata.max_gap)}" if strata.max_gap else ""
    return (
        f"For every group by {listed(map(word, strata.by))} with at least "
        f"{strata.min_annotators} annotators, the model agrees with its preferences in "
        f"{share(strata.min_accuracy)} of the cases or more{gap}."
    )
