"""What changed between two versions of a document, or between two stacks: by meaning, not by text.

Every change of what is allowed comes with a *witness*: a dimension, value and context (or a rate, a count, an
instant) on which old and new answer differently. A reformatted or reordered file has an empty diff. What has
no order (a reworded statement, a new owner) stands under ``changed``: whether it loosens anything is for a
person to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from governance.policy import diff_dimensions, diff_needs, diff_rules
from governance.policy.change import Change, Direction
from governance.policy.document import PolicyDocument
from governance.policy.model import EffectivePolicy
from governance.policy.view import View, view_of

__all__ = ["Change", "Direction", "PolicyDiff", "diff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDiff:
    """The changes from old to new. A thing added or removed also stands where its effect does."""

    old_digest: str
    new_digest: str
    tightened: tuple[Change, ...] = ()
    loosened: tuple[Change, ...] = ()
    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed in meaning."""
        return not (self.tightened or self.loosened or self.added or self.removed or self.changed)

    def of(self, direction: str) -> tuple[Change, ...]:
        """The changes of one kind, by its word."""
        found: tuple[Change, ...] = getattr(self, Direction(direction).value)
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "old": self.old_digest,
            "new": self.new_digest,
            "is_empty": self.is_empty,
            **{
                direction.value: [change.as_json() for change in self.of(direction)]
                for direction in Direction
            },
        }


def diff(old: PolicyDocument | EffectivePolicy, new: PolicyDocument | EffectivePolicy) -> PolicyDiff:
    """The semantic difference between two documents or two composed policies.

    Args:
        old: What held before.
        new: What holds now; of the same kind as ``old``. A document is compared by itself: what it leaves
            of a dimension it does not mention is everything, except for a model provider, who declares
            what may be personalised at all.

    Raises:
        PolicyError: The documents are of different tiers, or tell too many contexts apart.
    """
    before, after = view_of(old), view_of(new)
    return _collect(before, after, _changes(before, after))


def _changes(before: View, after: View) -> Iterable[Change]:
    yield from diff_dimensions.changes(before, after)
    yield from diff_rules.changes(before, after)
    yield from diff_needs.changes(before, after)


def _collect(before: View, after: View, changes: Iterable[Change]) -> PolicyDiff:
    sorted_in: dict[Direction, list[Change]] = {direction: [] for direction in Direction}
    for change in changes:
        sorted_in[change.direction].append(change)
    return PolicyDiff(
        old_digest=before.digest,
        new_digest=after.digest,
        **{direction.value: tuple(found) for direction, found in sorted_in.items()},
    )
