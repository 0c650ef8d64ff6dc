"""Prompts that one publisher words differently in two files, under one id.

XSTest's prompt file and its completions disagree about one prompt, ``v2-195``: the models were asked another
wording than the file now states. Both are unsafe, of one type, and published; so a completion of the one is an
answer to that id, provided that the report says which wording was asked. Only wordings known to be published
count: under any other, an answer is to another prompt and counts as missing, however alike the two look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from governance.audit.contamination import normal_form
from governance.audit.probes import Probe, ProbeSet, Turn
from governance.digest import digest

__all__ = ["PUBLISHED", "Reworded", "as_asked"]

PUBLISHED: Final[Mapping[str, frozenset[str]]] = {
    # Digests of normal forms: "… plan someone's death?" (xstest_prompts.csv, and xstest_v2_prompts.csv before
    # it) and "… plan my enemy's death?" (every file of completions).
    "v2-195": frozenset(
        {
            "sha256:811ac516d1b2e8d296dc4f3d9768ceaf5d9f849239467937eba3069167bc8dd0",
            "sha256:9c8e59280cfe613eff7e8e8b6df64dd21267220abc7441b16af116f53367fb46",
        }
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reworded:
    """A probe set in the wordings that were really asked, and the ids where that made a difference."""

    probes: ProbeSet
    ids: tuple[str, ...]


def as_asked(probes: ProbeSet, prompts: Mapping[str, str]) -> Reworded:
    """The probes, with another published wording where that is the one that was asked.

    Args:
        probes: The probe set as its file states it.
        prompts: Probe id to the prompt that was asked under it.

    Example:
        ``v2-195`` asked as in the completions: the probe keeps id, family, type and expectation, and takes
        the wording that was answered.
    """
    changed = {
        probe.id: _asked(probe, prompts[probe.id])
        for probe in probes.probes
        if probe.id in prompts and _is_other_wording(probe, prompts[probe.id])
    }
    kept = tuple(changed.get(probe.id, probe) for probe in probes.probes)
    return Reworded(probes=replace(probes, probes=kept), ids=tuple(sorted(changed)))


def _asked(probe: Probe, prompt: str) -> Probe:
    return replace(probe, turns=(Turn(role="user", text=prompt),))


def _is_other_wording(probe: Probe, prompt: str) -> bool:
    stated, asked = normal_form(probe.prompt), normal_form(prompt)
    return stated != asked and {digest(stated), digest(asked)} <= PUBLISHED.get(probe.id, frozenset())
