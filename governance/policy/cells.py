"""The contexts that make a difference: one example of each class of contexts that no rule tells apart.

Diff and check must look at every context, and there may be very many. Two values of an attribute that occur
in the same rules' ``when`` lead to the same answers, so one of them stands for both, and nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final

from governance.errors import PolicyError
from governance.policy.model import When

__all__ = ["MAX_CELLS", "contexts"]

MAX_CELLS: Final = 100_000
Known = Mapping[str, frozenset[str]]


def contexts(
    whens: Iterable[When], knowns: Sequence[Known], *, with_missing: bool = False
) -> Iterator[dict[str, str]]:
    """One context of each class that ``whens`` or ``knowns`` tell apart, in a fixed order.

    Args:
        whens: The conditions of everything that is compared.
        knowns: For each policy compared, the values it knows of each attribute.
        with_missing: Also contexts in which attributes are absent (last).

    Raises:
        PolicyError: There are more than ``MAX_CELLS`` classes.
    """
    conditions = list({tuple(sorted((name, values) for name, values in when.items())) for when in whens})
    attributes = sorted({name for condition in conditions for name, _ in condition})
    choices: list[list[str | None]] = []
    for attribute in attributes:
        classes: dict[tuple[bool, ...], str] = {}
        for value in sorted({value for known in knowns for value in known.get(attribute, ())}):
            signature = (
                *(value in known.get(attribute, ()) for known in knowns),
                *(value in dict(condition).get(attribute, ()) for condition in conditions),
            )
            classes.setdefault(signature, value)
        choices.append([*classes.values(), *([None] if with_missing or not classes else [])])
    if prod(map(len, choices)) > MAX_CELLS:
        raise PolicyError(
            "the conditions tell too many contexts apart",
            field="when",
            value=prod(map(len, choices)),
            expected=f"at most {MAX_CELLS} classes of contexts for one dimension",
        )
    cells = (
        {attribute: value for attribute, value in zip(attributes, chosen, strict=True) if value is not None}
        for chosen in product(*choices)
    )
    yield from sorted(cells, key=lambda cell: -len(cell))
