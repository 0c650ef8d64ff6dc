"""Composition: the meet of every document that applies at an instant.

INVARIANT: nothing a lower tier says can enlarge what a higher tier left. Rules accumulate, allowed sets
intersect, promotion and data requirements take the strictest term of every document. A lower document may
introduce a dimension only where every document above allows further dimensions.

A document that is expired, not yet effective, unpinned to what it extends or ambiguous is refused, never
left out: leaving a restriction out would enlarge what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

from governance.digest import digest
from governance.errors import PolicyError
from governance.policy import dimensions, needs_meet
from governance.policy.convert import effective_rule, reference
from governance.policy.document import (
    PolicyDocument,
    TierOneDocument,
    TierThreeDocument,
    TierTwoDocument,
    document_digest,
)
from governance.policy.model import DocumentRef, EffectivePolicy, EffectiveRule, Wishes
from governance.policy.places import applies_in, check_place
from governance.policy.shapes import Window
from governance.tiers import Tier

__all__ = ["compose"]

Placed = tuple[DocumentRef, PolicyDocument]


def compose(
    documents: Iterable[PolicyDocument],
    *,
    at: datetime,
    jurisdictions: Sequence[str] | None = None,
    application: str | None = None,
) -> EffectivePolicy:
    """The policy in force at ``at``.

    Args:
        documents: In any order; the order does not matter.
        at: The instant, with its offset.
        jurisdictions: ISO 3166 codes or EU. Several: every overlay of each. None: every overlay there is.
        application: The application; needed where the documents speak of more than one.

    Raises:
        PolicyError: The stack cannot be used, with the reason.
    """
    if at.tzinfo is None:
        raise PolicyError("the instant needs its offset", field="at", value=at.isoformat())
    at = at.astimezone(UTC)
    places = _places(jurisdictions)
    stack = _placed(documents)
    if not stack:
        raise PolicyError("no policy document was given", expected="at least one Tier One document")
    _check_pins(stack)
    application = _application(stack, application)
    applying, elsewhere = _select(stack, places, application)
    current = _current(applying, at)
    if not any(ref.tier is Tier.ONE for ref, _ in current):
        raise PolicyError("no Tier One document applies here", expected="the law's restrictions in the stack")
    in_force, pending = _rules(current, at)
    found = dimensions.effective_dimensions(current, in_force)
    return EffectivePolicy(
        at=at,
        valid_until=_valid_until(current, at),
        jurisdictions=places or (),
        application=application,
        digest=digest(
            {
                "documents": [ref.digest for ref, _ in current],
                "rules": sorted(rule.id for rule in in_force),
            }
        ),
        documents=tuple(ref for ref, _ in current),
        rules=in_force,
        pending=pending,
        dimensions=found,
        context=_context(current),
        data_requirements=needs_meet.data_requirements(current),
        promotion=needs_meet.promotion(current, in_force),
        wishes=tuple(
            Wishes(
                level=ref.level, values=dict(document.wishes), context=dict(document.context), document=ref
            )
            for ref, document in current
            if isinstance(document, TierThreeDocument)
        ),
        not_applicable=elsewhere,
    )


def _places(jurisdictions: Sequence[str] | None) -> tuple[str, ...] | None:
    if jurisdictions is None:
        return None
    if not jurisdictions:
        raise PolicyError(
            "no jurisdiction is named",
            field="jurisdictions",
            expected="codes, or nothing at all for every overlay",
        )
    try:
        return tuple(sorted({check_place(code) for code in jurisdictions}))
    except ValueError as error:
        raise PolicyError(str(error), field="jurisdictions") from error


def _placed(documents: Iterable[PolicyDocument]) -> list[Placed]:
    """Each different document once, highest authority first."""
    found: dict[str, Placed] = {}
    for document in documents:
        ref = reference(document, document_digest(document))
        found[ref.digest] = (ref, document)
    return sorted(
        found.values(),
        key=lambda placed: (placed[0].level, placed[0].id, placed[0].version, placed[0].digest),
    )


def _check_pins(stack: Sequence[Placed]) -> None:
    """Every pin names a document of the stack by its id and digest.

    A cycle cannot be pinned (a digest cannot hold itself), so it shows as a digest that does not match.
    """
    for ref, document in stack:
        for number, pin in enumerate(getattr(document, "extends", ())):
            digests = sorted(other.digest for other, _ in stack if other.id == pin.id)
            if pin.digest in digests:
                if not any(o.digest == pin.digest and o.level <= ref.level for o, _ in stack):
                    raise _pin_error(
                        "a document cannot extend one of lower authority",
                        (ref, document),
                        (number, "id"),
                        value=pin.id,
                        expected="a document of the same level or above",
                    )
                continue
            if pin.id == ref.id and digests == [ref.digest]:
                raise _pin_error(
                    "a document cannot extend itself",
                    (ref, document),
                    (number, "id"),
                    value=pin.id,
                    expected="the id of another document, or no such entry",
                )
            if not digests:
                raise _pin_error(
                    "extends a document that is not in the stack",
                    (ref, document),
                    (number, "id"),
                    value=pin.id,
                    expected="the file that holds it beside this one",
                )
            raise _pin_error(
                f"extends {pin.id} by a digest that is not the one in the stack",
                (ref, document),
                (number, "digest"),
                value=pin.digest,
                expected=" or ".join(digests),
            )


def _pin_error(
    message: str, placed: Placed, below: tuple[int, str], *, value: str, expected: str
) -> PolicyError:
    """A pin that cannot be used, where it stands."""
    ref, document = placed
    number, name = below
    spot = document.origin.spot(("extends", number, name))
    return PolicyError(
        message,
        file=spot.file if spot else ref.id,
        line=spot.line if spot else None,
        column=spot.column if spot else None,
        field=f"extends[{number}].{name}",
        value=value,
        expected=expected,
    )


def _application(stack: Sequence[Placed], asked: str | None) -> str | None:
    named = sorted({name for _, document in stack for name in getattr(document, "applications", ())})
    if asked is None:
        if len(named) > 1:
            raise PolicyError(
                "the stack speaks of several applications",
                field="application",
                expected=f"one of {', '.join(named)}",
            )
        return named[0] if named else None
    # A misspelt application would silently lose its restrictions.
    if named and asked not in named:
        raise PolicyError(
            "no document speaks of this application",
            field="application",
            value=asked,
            expected=f"one of {', '.join(named)}",
        )
    return asked


def _select(
    stack: Sequence[Placed], places: tuple[str, ...] | None, application: str | None
) -> tuple[list[Placed], tuple[tuple[DocumentRef, str], ...]]:
    applying: list[Placed] = []
    elsewhere: list[tuple[DocumentRef, str]] = []
    for ref, document in stack:
        if places is not None and not applies_in(getattr(document, "jurisdictions", ()), places):
            elsewhere.append((ref, f"binds in {', '.join(getattr(document, 'jurisdictions', ()))}"))
        elif (
            isinstance(document, TierTwoDocument)
            and document.applications
            and application not in document.applications
        ):
            elsewhere.append((ref, f"binds {', '.join(document.applications)}"))
        else:
            applying.append((ref, document))
    return applying, tuple(elsewhere)


def is_in_force(window: Window, at: datetime) -> bool:
    """Whether ``at`` lies in the window; ``until`` itself does not."""
    return (window.from_ is None or window.from_ <= at) and (window.until is None or at < window.until)


def _current(applying: Sequence[Placed], at: datetime) -> list[Placed]:
    """Of each document the one version in force."""
    current: list[Placed] = []
    for name, versions in groupby(
        sorted(applying, key=lambda placed: placed[0].id), key=lambda placed: placed[0].id
    ):
        candidates = list(versions)
        live = [placed for placed in candidates if is_in_force(placed[1].effective, at)]
        if len(live) > 1:
            raise PolicyError(
                "two versions of a document are in force at once",
                file=name,
                value=[ref.version for ref, _ in live],
                expected="effective dates that do not overlap",
            )
        if not live:
            window = candidates[-1][1].effective
            late = window.until is not None and at >= window.until
            spot = candidates[-1][1].origin.spot(("effective", "until" if late else "from"))
            raise PolicyError(
                f"the document is {'expired' if late else 'not yet effective'} at {at.isoformat()}",
                file=spot.file if spot else name,
                line=spot.line if spot else None,
                column=spot.column if spot else None,
                field="effective",
                value=moment.isoformat() if (moment := window.until if late else window.from_) else None,
                expected="a version that is in force",
            )
        current.extend(live)
    return sorted(current, key=lambda placed: (placed[0].level, placed[0].id))


def _rules(
    current: Sequence[Placed], at: datetime
) -> tuple[tuple[EffectiveRule, ...], tuple[EffectiveRule, ...]]:
    in_force: list[EffectiveRule] = []
    pending: list[EffectiveRule] = []
    owners: dict[str, DocumentRef] = {}
    for ref, document in current:
        for rule in getattr(document, "rules", ()):
            if (other := owners.setdefault(rule.id, ref)) is not ref:
                spot = document.origin.member("rules", rule.id)
                raise PolicyError(
                    f"two documents set a rule of the same id: {other.id} and {ref.id}",
                    file=spot.file if spot else ref.id,
                    line=spot.line if spot else None,
                    column=spot.column if spot else None,
                    field="rules",
                    value=rule.id,
                    expected="another id; rules of both documents hold side by side",
                )
            if is_in_force(rule.effective, at):
                in_force.append(effective_rule(rule, document, ref))
            elif rule.effective.from_ is not None and at < rule.effective.from_:
                pending.append(effective_rule(rule, document, ref))
    order = lambda rule: (rule.document.level, rule.document.id, rule.id)  # noqa: E731
    return tuple(sorted(in_force, key=order)), tuple(sorted(pending, key=order))


def _valid_until(current: Sequence[Placed], at: datetime) -> datetime | None:
    """The next instant at which something begins or ends."""
    windows = [document.effective for _, document in current]
    windows += [rule.effective for _, document in current for rule in getattr(document, "rules", ())]
    return min(
        (moment for window in windows for moment in (window.from_, window.until) if moment and moment > at),
        default=None,
    )


def _context(current: Sequence[Placed]) -> dict[str, frozenset[str]]:
    """For each attribute the values that every document asking for it knows."""
    known: dict[str, frozenset[str]] = {}
    for _, document in current:
        if not isinstance(document, TierOneDocument | TierTwoDocument):
            continue
        for attribute, values in document.context.items():
            known[attribute] = known.get(attribute, frozenset(values)) & frozenset(values)
    return known
