"""The registry of checks: what must hold of the rows of a batch, as data.

A :class:`Check` says which column of which table is tested how, on whose authority, and in one plain
sentence why. It is run twice, by machinery that shares nothing but this declaration: by Great Expectations
over DuckDB (:mod:`infra.expectations`) and by one polars pass (:mod:`annotation.quarantine`); a batch counts
as validated only when both agree. The checks that hold for every batch are in
:mod:`annotation.record_checks`, those that a policy asks for in :mod:`annotation.policy_checks`.

Null means "does not apply": it passes every test but ``NOT_NULL``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from governance.errors import InputError

__all__ = ["RECORD", "Check", "On", "Origin", "Test", "check_json"]


class On(StrEnum):
    """The table that a check reads."""

    ROWS = "rows"
    """Every row that was read, decodable or not."""
    JUDGEMENTS = "judgements"
    """The decodable rows, with the facts of :mod:`annotation.facts` beside the record's own columns."""
    FIGURES = "figures"
    """One row of figures over the accepted judgements; a failure here stops the batch."""


class Test(StrEnum):
    """How a column is tested."""

    __test__ = False  # not a test class, whatever a collector thinks of its name

    NOT_NULL = "not_null"
    NULL = "null"
    IN_SET = "in_set"
    NOT_IN_SET = "not_in_set"
    RANGE = "range"
    LENGTH = "length"
    REGEX = "regex"
    UNIQUE = "unique"
    UNIQUE_TOGETHER = "unique_together"
    NOT_BEFORE = "not_before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """On whose authority a check stands: the record's declaration, or a policy document."""

    kind: str
    document: str | None = None
    version: str | None = None
    digest: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """JSON object for expectation metadata, reports and ``checks.json``."""
        return {
            "kind": self.kind,
            "document": self.document,
            "version": self.version,
            "digest": self.digest,
        }


RECORD: Final = Origin(kind="record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold of every row (or of the batch).

    Attributes:
        rule: Stable dotted id: ``R.*`` from the record, ``D.*`` from a policy's data rules.
        on: The table read.
        column: The column tested, of the record or a fact.
        test: How it is tested.
        statement: What must hold, as a plain sentence without a full stop.
        values: ``IN_SET``, ``NOT_IN_SET``: the set.
        low: ``RANGE``, ``LENGTH``: least value that passes; None for no bound.
        high: ``RANGE``, ``LENGTH``: greatest value that passes; None for no bound.
        pattern: ``REGEX``: pattern that must be found (anchored by itself where it must match whole).
        other: ``NOT_BEFORE``: the column that must not be greater.
        together: ``UNIQUE_TOGETHER``: the columns that no two rows share beside ``column``. A row that lacks
            one of them is not compared.
        shows: Columns whose values explain a failure; never free text that a screen flagged.
        figure: ``FIGURES``: which figure the column holds, and its parameters.
        origin: On whose authority.
    """

    rule: str
    on: On = On.JUDGEMENTS
    column: str
    test: Test
    statement: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    pattern: str | None = None
    other: str | None = None
    together: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    figure: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = RECORD

    def __post_init__(self) -> None:
        needs = {
            Test.IN_SET: bool(self.values),
            Test.NOT_IN_SET: bool(self.values),
            Test.RANGE: self.low is not None or self.high is not None,
            Test.LENGTH: self.low is not None or self.high is not None,
            Test.REGEX: bool(self.pattern),
            Test.NOT_BEFORE: bool(self.other),
            Test.UNIQUE_TOGETHER: bool(self.together),
        }
        # INVARIANT: a check that tests nothing does not exist; it would pass everything.
        if not needs.get(self.test, True):
            raise InputError(f"a {self.test} check without its parameter tests nothing", field=self.rule)
        if self.on is On.FIGURES and (self.test is not Test.RANGE or "check" not in self.figure):
            raise InputError("a figure is tested by its range and says what it is", field=self.rule)

    @classmethod
    def holds(
        cls, rule: str, fact: str, statement: str, *, shows: tuple[str, ...], origin: Origin = RECORD
    ) -> Self:
        """A check that the boolean fact ``fact`` is true wherever it applies."""
        return cls(
            rule=rule,
            column=fact,
            test=Test.IN_SET,
            values=(True,),
            statement=statement,
            shows=shows,
            origin=origin,
        )

    @property
    def key(self) -> str:
        """Identity of the check within a registry: one rule may test several columns."""
        return f"{self.rule}@{self.origin.document or 'record'}:{self.column}"

    @property
    def tested(self) -> tuple[str, ...]:
        """Every column that the test reads."""
        return (self.column, *((self.other,) if self.other else ()), *self.together)

    @property
    def limit(self) -> str:
        """The limit in words, for tables and pages."""
        bounds = []
        if self.low is not None:
            bounds.append(f"at least {self.low:g}")
        if self.high is not None:
            bounds.append(f"at most {self.high:g}")
        if self.values and self.values != (True,):
            listed = ", ".join(map(str, self.values))
            bounds.append(("none of " if self.test is Test.NOT_IN_SET else "one of ") + listed)
        if self.pattern:
            bounds.append(f"matches {self.pattern}")
        if self.other:
            bounds.append(f"not before {self.other}")
        if self.together:
            bounds.append(f"once together with {', '.join(self.together)}")
        return ", ".join(bounds)

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """The columns whose values a failure is shown with."""
        return self.shows or (self.column,)


def check_json(check: Check) -> dict[str, Any]:
    """The check as a JSON object, without what is empty."""
    out: dict[str, Any] = {
        "rule": check.rule,
        "on": str(check.on),
        "column": check.column,
        "test": str(check.test),
        "statement": check.statement,
        "origin": check.origin.as_json(),
    }
    optional = {
        "values": list(check.values),
        "low": check.low,
        "high": check.high,
        "pattern": check.pattern,
        "other": check.other,
        "together": list(check.together),
        "shows": list(check.shows),
        "figure": dict(check.figure),
    }
    return out | {name: value for name, value in optional.items() if value not in (None, [], {})}
