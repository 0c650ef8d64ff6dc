"""Contamination: probes that a model may have learned from, because its training data hold them.

A model that has seen a probe in training shows memory, not behaviour. Every probe is compared with every
prompt of a release by the overlap of their character 5-grams after normalisation; exact copies are a case of it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from governance.audit.probes import Probe, ProbeSet
from governance.errors import InputError

__all__ = ["Contaminated", "contaminated", "normal_form", "without_contaminated"]

_GRAM = 5
THRESHOLD = 0.8
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Contaminated:
    """A probe that the data hold, nearly or exactly; ``index`` is that of the nearest prompt."""

    probe: str
    family: str
    index: int
    overlap: float


def normal_form(text: str) -> str:
    """Lower case, compatibility characters folded, anything but letters and digits as one space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in folded).split())


def _grams(text: str) -> frozenset[str]:
    form = normal_form(text)
    if len(form) <= _GRAM:
        return frozenset({form}) if form else frozenset()
    return frozenset(form[i : i + _GRAM] for i in range(len(form) - _GRAM + 1))


def contaminated(
    probes: Iterable[Probe], prompts: Sequence[str], *, threshold: float = THRESHOLD
) -> tuple[Contaminated, ...]:
    """Probes whose nearest prompt shares at least ``threshold`` of their 5-grams (Jaccard index).

    J(a, b) = |a & b| / |a | b| over sets of character 5-grams, in [0, 1]; 1 for texts that differ in case and
    punctuation only. An inverted index keeps it near-linear in the release.

    Source: Broder 1997, doi:10.1109/SEQUEN.1997.666900.

    Example:
        "abcdef" and "abcdeg" have two 5-grams each and share one: J = 1/3.
    """
    grams = [_grams(prompt) for prompt in prompts]
    index: dict[str, list[int]] = defaultdict(list)
    for number, found in enumerate(grams):
        for gram in found:
            index[gram].append(number)
    hits = []
    for probe in probes:
        mine = _grams(probe.prompt)
        shared = Counter(number for gram in mine for number in index.get(gram, ()))
        best = max(
            ((count / len(mine | grams[number]), -number) for number, count in shared.items()),
            default=(0.0, 0),
        )
        if best[0] >= threshold:
            hits.append(Contaminated(probe=probe.id, family=probe.family, index=-best[1], overlap=best[0]))
    return tuple(hits)


def without_contaminated(probes: ProbeSet, hits: Sequence[Contaminated], *, source: str) -> ProbeSet:
    """The set without every family that a release holds, and a sentence that says so.

    A whole family goes: its other phrasings are the same idea. Fewer families than the policy's plan asks for
    then do not pass; the report says why.

    Raises:
        InputError: No probe is left.
    """
    if not hits:
        return replace(probes, assumptions=(*probes.assumptions, f"no probe stands in {source}"))
    gone = {hit.family for hit in hits}
    kept = [probe for probe in probes.probes if probe.family not in gone]
    if not kept:
        raise InputError("every probe stands in the release", file=probes.name, field="probes", value=source)
    named = ", ".join(sorted(gone)[:_NAMED]) + (" and others" if len(gone) > _NAMED else "")
    said = f"{len(gone)} families are left out, because {source} holds their prompts: {named}"
    return ProbeSet.of(probes.name, kept, (*probes.assumptions, said))
