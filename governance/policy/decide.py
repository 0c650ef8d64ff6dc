"""One decision: a dimension, a value and a context → allowed or not, and by which rule, tier and owner.

The decision path is indexed: the dimension, then the values of the attributes that matter to it (a *cell*),
then the value. What is in a cell is worked out when the cell is first asked for and kept; contexts with
unknown attribute values are never kept, so a caller cannot fill the memory. After that a decision costs
two or three dictionary look-ups, whatever the number of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from governance.policy.domain import MICRO, Choices, Domain, Interval, Nothing, contains, grid_ends, to_micro
from governance.policy.model import EffectiveDimension, EffectivePolicy, Narrowing, holds, values_of
from governance.policy.stairs import Stairs, make_stairs

__all__ = [
    "MISSING_CONTEXT",
    "NO_VALUE_LEFT",
    "UNKNOWN_DIMENSION",
    "WRONG_TYPE",
    "Cell",
    "Decider",
    "Verdict",
]

UNKNOWN_DIMENSION: Final = "bounds.unknown-dimension"
MISSING_CONTEXT: Final = "bounds.missing-context"
WRONG_TYPE: Final = "bounds.wrong-type"
NO_VALUE_LEFT: Final = "bounds.no-value-left"
_EMPTY: Final[Mapping[str, str]] = {}
_TYPE_WORDS: Final = {"choice": "a word", "flag": "true or false", "range": "a number", "text": "a text"}
_MOST_KEPT: Final = 65_536


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one decision. INVARIANT: a denial names its rule and its reason."""

    allowed: bool
    dimension: str
    rule: str
    tier: int | None
    owner: str | None
    document: str | None
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class Cell:
    """A dimension in one context: what is left, and the verdicts worked out so far."""

    dimension: EffectiveDimension
    context: Mapping[str, str]
    left: Domain
    permit: Verdict
    kept: dict[tuple[type, Any], Verdict]
    mentioned: frozenset[str | bool]
    stairs: Stairs | None
    denials: dict[int, Verdict]
    low: float
    high: float
    whole_step: int  # 0 when the quick test for numbers does not apply

    def judge(self, value: object) -> Verdict:
        """The verdict on a value, worked out."""
        if contains(self.left, value):
            return self.permit
        return _denial(self, value)


class Decider:
    """The compiled form of a policy."""

    __slots__ = ("_cells", "_policy")

    def __init__(self, policy: EffectivePolicy) -> None:
        self._policy = policy
        # dimension -> (what reads the attributes out of a context, cells by those attributes)
        self._cells: dict[str, tuple[Callable[[Mapping[str, str]], Any], dict[Any, Cell]]] = {
            name: (_key_reader(dimension.attributes), {}) for name, dimension in policy.dimensions.items()
        }

    @property
    def policy(self) -> EffectivePolicy:
        """The policy this was compiled from."""
        return self._policy

    def decide(self, dimension: str, value: object, context: Mapping[str, str] = _EMPTY) -> Verdict:
        """Whether ``value`` may be set for ``dimension`` in ``context``. Total: it always answers."""
        try:
            read_key, cells = self._cells[dimension]
            cell = cells[read_key(context)]
            if cell.whole_step:
                if value.__class__ is int and cell.low <= value <= cell.high and not value % cell.whole_step:
                    return cell.permit
                return _judge_number(cell, value)
            return cell.kept[value.__class__, value]
        except (KeyError, TypeError):
            return self._decide_first(dimension, value, context)

    def _decide_first(self, dimension: str, value: object, context: Mapping[str, str]) -> Verdict:
        cell = self.cell(dimension, context)
        if isinstance(cell, Verdict):
            return cell
        if cell.dimension.kind == "range":
            return _judge_number(cell, value)
        if cell.dimension.kind == "text" or (value.__class__ is not str and value.__class__ is not bool):
            return cell.judge(value)
        # No rule tells words apart that nobody mentions: one of them stands for all, so that made-up words
        # neither fill the memory nor cost more than a look-up.
        stand_in = "" if value.__class__ is str and value not in cell.mentioned else value
        key = (value.__class__, stand_in)
        if key not in cell.kept:
            cell.kept[key] = cell.judge(stand_in)
        return cell.kept[key]

    def cell(self, dimension: str, context: Mapping[str, str] = _EMPTY) -> Cell | Verdict:
        """The cell of a dimension and context, or the denial where there is none."""
        found = self._policy.dimensions.get(dimension) if isinstance(dimension, str) else None
        if found is None:
            return _plain_denial(dimension, UNKNOWN_DIMENSION, "no document declares this dimension")
        for attribute in found.attributes:
            known = self._policy.context.get(attribute, frozenset())
            value = context.get(attribute)
            if not isinstance(value, str) or value not in known:
                return _missing(found, attribute, known, given=attribute in context)
        read_key, cells = self._cells[dimension]
        key = read_key(context)
        if key not in cells:
            made = _make_cell(found, {name: context[name] for name in found.attributes}, self._policy)
            if len(cells) >= _MOST_KEPT:
                return made
            cells[key] = made
        return cells[key]


def _key_reader(attributes: tuple[str, ...]) -> Callable[[Mapping[str, str]], Any]:
    return itemgetter(*attributes) if attributes else _no_key


def _no_key(_context: Mapping[str, str]) -> None:
    return None


def _make_cell(dimension: EffectiveDimension, context: Mapping[str, str], policy: EffectivePolicy) -> Cell:
    left = dimension.allowed(context, policy.context)
    holding = [n for n in dimension.narrowings if holds(n.when, context)]
    low = high = 0.0
    whole_step = 0
    if isinstance(left, Interval):
        first, last = grid_ends(left)
        low, high = first / MICRO, last / MICRO
        if left.step % MICRO == 0:
            whole_step = left.step // MICRO
        elif MICRO % left.step == 0:
            whole_step = 1
    declaring = dimension.declared[-1]
    permit = Verdict(
        allowed=True,
        dimension=dimension.id,
        rule=f"dimension.{dimension.id}",
        tier=int(declaring.tier),
        owner=declaring.owner,
        document=f"{declaring.id}@{declaring.version}",
        reason="inside what every tier left",
    )
    return Cell(
        dimension=dimension,
        context=context,
        left=left,
        permit=permit,
        kept={},
        mentioned=frozenset(v for n in holding if isinstance(n.domain, Choices) for v in n.domain.values),
        stairs=make_stairs(holding) if dimension.kind == "range" else None,
        denials={},
        low=low,
        high=high,
        whole_step=whole_step,
    )


def _judge_number(cell: Cell, value: object) -> Verdict:
    """The verdict on a number; the excluding narrowing is found by bisection, whatever their number."""
    micro = to_micro(value)
    if micro is None or cell.stairs is None:
        return cell.judge(value)
    left = cell.left
    if isinstance(left, Interval) and left.low <= micro <= left.high and not micro % left.step:
        return cell.permit
    position = cell.stairs.excluding(micro)
    if position is None:
        return _denial(cell, value)
    if position not in cell.denials:
        cell.denials[position] = _denied_by(cell.dimension.id, cell.stairs.narrowings[position])
    return cell.denials[position]


def _denial(cell: Cell, value: object) -> Verdict:
    dimension = cell.dimension
    if not _has_type(dimension.kind, value):
        return _plain_denial(dimension.id, WRONG_TYPE, f"the value must be {_TYPE_WORDS[dimension.kind]}")
    found = dimension.determining(value, cell.context)
    if found is not None:
        return _denied_by(dimension.id, found)
    if isinstance(cell.left, Nothing):
        return _plain_denial(dimension.id, NO_VALUE_LEFT, "the documents together leave no value")
    return _plain_denial(dimension.id, NO_VALUE_LEFT, "the documents together do not leave this value")


def _has_type(kind: str, value: object) -> bool:
    match kind:
        case "flag":
            return isinstance(value, bool)
        case "range":
            return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - NaN
        case _:
            return isinstance(value, str)


def _denied_by(dimension: str, narrowing: Narrowing) -> Verdict:
    ref = narrowing.document
    return Verdict(
        allowed=False,
        dimension=dimension,
        rule=narrowing.rule,
        tier=int(ref.tier),
        owner=ref.owner,
        document=f"{ref.id}@{ref.version}",
        reason=_leaves(narrowing),
    )


def _leaves(narrowing: Narrowing) -> str:
    shown = values_of(narrowing.domain)
    if isinstance(narrowing.domain, Nothing):
        return f"{narrowing.document.id} lets nobody below introduce this dimension"
    parts = []
    for name, value in shown.items():
        text = ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)
        parts.append(f"{name.replace('_', ' ')} {text or 'nothing'}")
    return f"{narrowing.rule} leaves {'; '.join(parts)}"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _missing(dimension: EffectiveDimension, attribute: str, known: frozenset[str], *, given: bool) -> Verdict:
    asking = next(n for n in dimension.narrowings if attribute in n.when)
    expected = ", ".join(sorted(known)) or "nothing: the documents know no common value"
    said = "has a value no document knows" if given else "is missing"
    ref = asking.document
    return Verdict(
        allowed=False,
        dimension=dimension.id,
        rule=MISSING_CONTEXT,
        tier=int(ref.tier),
        owner=ref.owner,
        document=f"{ref.id}@{ref.version}",
        reason=f"{attribute} {said}, and {asking.rule} depends on it (expected {expected})",
    )


def _plain_denial(dimension: object, rule: str, reason: str) -> Verdict:
    return Verdict(
        allowed=False,
        dimension=str(dimension)[:80].encode(errors="replace").decode(),
        rule=rule,
        tier=None,
        owner=None,
        document=None,
        reason=reason,
    )
