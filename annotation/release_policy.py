"""What the effective policy asks of a release: k, consent, targets, and which questions matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from governance.policy.model import EffectivePolicy

__all__ = ["ReleaseTerms", "release_terms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTerms:
    """Terms of a release.

    Attributes:
        k: Smallest published cell, the strictest of all rules; None if no rule says.
        consent_purpose: Purpose that a consent must be live for; None if no rule says.
        important: Codebook questions that rules name, in the order they are named.
        targets: Codebook question to population share by value.
    """

    k: int | None
    consent_purpose: str | None
    important: tuple[str, ...]
    targets: Mapping[str, Mapping[str, float]]


def release_terms(policy: EffectivePolicy) -> ReleaseTerms:
    """The terms that the policy's data requirements state."""
    k: int | None = None
    purpose: str | None = None
    important: list[str] = []
    targets: dict[str, dict[str, float]] = {}
    for need in policy.data_requirements:
        match need.check:
            case "suppression":
                k = max(k or 1, int(need.terms["at_least"]))
            case "consent":
                purpose = str(need.terms["purpose"])
            case "documented_share":
                important += [str(question) for question in need.terms.get("questions", ())]
            case "coverage":
                question = str(need.terms["question"])
                important.append(question)
                targets[question] = {
                    str(value): float(share) for value, share in need.terms["targets"].items()
                }
            case _:
                pass
    return ReleaseTerms(
        k=k, consent_purpose=purpose, important=tuple(dict.fromkeys(important)), targets=targets
    )
