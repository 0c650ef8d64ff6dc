"""Great Expectations over DuckDB: the gate of a batch, and its report. Only it and its neighbour import GX.

A suite is built in memory from the same :class:`annotation.checks.Check` values that quarantine uses; every
expectation carries its rule in ``meta``, and no suite is kept on disk. How GX reaches DuckDB says
:mod:`infra.expectations_duckdb`.

The gate is the agreement of two machines: GX and the polars pass must count the same failures for each
check. If they do not, one of them is wrong about the data, and nothing passes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

with warnings.catch_warnings():
    # GX 1.24 imports sre_constants, deprecated in Python 3.11.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.data_context.context_factory import project_manager

from annotation.checks import Check, On, Test, check_json
from annotation.quarantine import columns_of
from annotation.staging import as_table
from annotation.validated import Summary, Validated
from governance.errors import OutsideError
from infra.data_docs import make_self_contained
from infra.duck import duck
from infra.expectations_duckdb import connected, on_duckdb, silent_context
from infra.facts_sql import JUDGED, KEYS, ROWS, load_batch, load_files
from infra.validation_parts import ValidatedFiles

__all__ = ["GxResult", "RuleCount", "require_agreement", "run", "run_on_files", "run_on_pandas", "suites"]

_FIGURES: Final = "bounds_figures"
_KEYS: Final = "keys"
_TABLES: Final[Mapping[str, str]] = {
    On.ROWS: ROWS,
    On.JUDGEMENTS: JUDGED,
    _KEYS: KEYS,
    On.FIGURES: _FIGURES,
}
# INVARIANT: no value of a row enters GX's result or its pages; they count, and quarantine shows.
_RESULT_FORMAT: Final[dict[str, Any]] = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """What GX found for one check; for a figure ``unexpected`` is 1 where it is outside its limit."""

    check: Check
    unexpected: int
    success: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GxResult:
    """The result of Great Expectations.

    Attributes:
        counts: One count per check, in the order of the registry.
        raw: GX's own results, one JSON object per suite.
        docs: Data Docs, relative path → file; empty when no folder was given.
    """

    counts: tuple[RuleCount, ...]
    raw: tuple[Mapping[str, Any], ...] = field(repr=False)
    docs: Path | None = None

    @property
    def unexpected(self) -> dict[str, int]:
        """Check key → rows that failed."""
        return {found.check.key: found.unexpected for found in self.counts}

    def json_bytes(self) -> bytes:
        """GX's own results as one JSON document."""
        return (json.dumps(list(self.raw), indent=1, sort_keys=True) + "\n").encode()


def run(validated: Validated, *, docs_folder: Path | None = None) -> GxResult:
    """Run Great Expectations on the rows behind ``validated``, and hold both against each other.

    Args:
        validated: What the polars pass found; its screened rows and surroundings are read again.
        docs_folder: Where to write Data Docs, self-contained; None for none.

    Raises:
        OutsideError: GX failed, or it and the polars pass count differently.
    """
    with connected(duckdb.connect(":memory:")) as connection:
        connection.execute("SET threads = 2; SET enable_external_access = false; SET TimeZone = 'UTC'")
        load_batch(
            connection, as_table(validated.screened), validated.around, columns_of(validated.summary.checks)
        )
        return _agreeing(connection, validated.summary, docs_folder)


def run_on_files(validated: ValidatedFiles, *, docs_folder: Path | None = None) -> GxResult:
    """:func:`run` on a batch on disk: all parts as one table, in a DuckDB that spills instead of growing.

    Raises:
        OutsideError: GX failed, or it and the polars pass, which went part by part, count differently.
    """
    # Tables of one part fit in memory; a file takes less room on the disk than what memory spills.
    database = ":memory:" if len(validated.screened) == 1 else "expectations.duckdb"
    with duck(validated.scratch, database=database) as opened, connected(opened) as connection:
        load_files(
            connection,
            rows=validated.screened,
            items=validated.items,
            presentations=validated.presentations,
            around=validated.around,
            columns=columns_of(validated.summary.checks),
        )
        return _agreeing(connection, validated.summary, docs_folder)


def _agreeing(connection: duckdb.DuckDBPyConnection, summary: Summary, docs_folder: Path | None) -> GxResult:
    _load_figures(connection, summary)
    result = _run(on_duckdb(connection, _TABLES), summary.checks, docs_folder)
    require_agreement(summary, result)
    return result


def suites(checks: Sequence[Check], *, keys_apart: bool = False) -> dict[str, gx.ExpectationSuite]:
    """The checks as GX suites, one per table; every expectation's ``meta`` says its rule and its check.

    Args:
        checks: The registry.
        keys_apart: Whether the keys of judgements are a table of their own.
    """
    tables: dict[str, list[Check]] = {table: [] for table in _TABLES}
    for check in checks:
        key = keys_apart and check.on is On.JUDGEMENTS and check.test in {Test.UNIQUE, Test.UNIQUE_TOGETHER}
        tables[_KEYS if key else check.on].append(check)
    return {
        table: gx.ExpectationSuite(
            name=f"bounds {table}", expectations=list(chain.from_iterable(map(_expectations, tested)))
        )
        for table, tested in tables.items()
        if tested
    }


def _expectations(check: Check) -> Iterator[Any]:
    kinds: Any = gx.expectations
    common: dict[str, Any] = {
        "meta": {"rule": check.rule, "key": check.key, "check": check_json(check)},
        "description": f"{check.rule}: {check.statement}",
    }
    column = common | {"column": check.column}
    bounds = {"min_value": check.low, "max_value": check.high}
    match check.test:
        case Test.NOT_NULL:
            yield kinds.ExpectColumnValuesToNotBeNull(**column)
        case Test.NULL:
            yield kinds.ExpectColumnValuesToBeNull(**column)
        case Test.IN_SET:
            yield kinds.ExpectColumnValuesToBeInSet(**column, value_set=list(check.values))
        case Test.NOT_IN_SET:
            yield kinds.ExpectColumnValuesToNotBeInSet(**column, value_set=list(check.values))
        case Test.RANGE:
            yield kinds.ExpectColumnValuesToBeBetween(**column, **bounds)
        case Test.LENGTH:
            yield kinds.ExpectColumnValueLengthsToBeBetween(**column, **bounds)
        case Test.REGEX:
            yield kinds.ExpectColumnValuesToMatchRegex(**column, regex=check.pattern)
        case Test.UNIQUE:
            yield kinds.ExpectColumnValuesToBeUnique(**column)
        case Test.UNIQUE_TOGETHER:
            yield kinds.ExpectCompoundColumnsToBeUnique(
                **common,
                column_list=[check.column, *check.together],
                ignore_row_if="any_value_is_missing",
            )
        case Test.NOT_BEFORE:
            yield kinds.ExpectColumnPairValuesAToBeGreaterThanB(
                **common,
                column_A=check.column,
                column_B=check.other,
                or_equal=True,
                ignore_row_if="either_value_is_missing",
            )
    if check.on is On.FIGURES:
        # An undefined figure is a failed one, and a range lets null pass.
        yield kinds.ExpectColumnValuesToNotBeNull(**column)


def _load_figures(connection: duckdb.DuckDBPyConnection, summary: Summary) -> None:
    values = {finding.check.column: finding.value for finding in summary.findings}
    if values:
        frame = pd.DataFrame({name: pd.Series([value], dtype="Float64") for name, value in values.items()})
        connection.register("raw_figures", frame)
        connection.execute(f"CREATE TABLE {_FIGURES} AS FROM raw_figures")


def _run(
    context_and_batches: tuple[Any, Mapping[str, BatchDefinition[Any]]],
    checks: Sequence[Check],
    docs: Path | None,
) -> GxResult:
    context, batches = context_and_batches
    definitions = []
    for table, suite in suites(checks, keys_apart=True).items():
        definitions.append(
            context.validation_definitions.add(
                gx.ValidationDefinition(
                    name=f"bounds {table}", data=batches[table], suite=context.suites.add(suite)
                )
            )
        )
    actions: list[Any] = []
    if docs is not None:
        context.add_data_docs_site("bounds", _site(docs))
        actions.append(UpdateDataDocsAction(name="docs", site_names=["bounds"]))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name="bounds",
            validation_definitions=definitions,
            actions=actions,
            result_format=_RESULT_FORMAT,
        )
    )
    outcome = checkpoint.run()
    results = list(outcome.run_results.values())
    if docs is not None:
        make_self_contained(docs)
    return GxResult(
        counts=_counts(checks, results),
        raw=tuple(result.to_json_dict() for result in results),
        docs=docs,
    )


def _counts(checks: Sequence[Check], results: Sequence[Any]) -> tuple[RuleCount, ...]:
    found: dict[str, tuple[int, bool]] = {}
    for suite in results:
        for result in suite.results:
            key = result.expectation_config.meta["key"]
            # GX says nothing at all about a table without rows: nothing there can be unexpected.
            count = result.result.get("unexpected_count")
            if count is None and result.success and result.result.get("element_count") == 0:
                count = 0
            if count is None:
                raise OutsideError(
                    f"Great Expectations gave no count for {key}: {str(result.exception_info)[-300:]}"
                )
            before, success = found.get(key, (0, True))
            found[key] = (max(before, int(count)), success and bool(result.success))
    missing = [check.key for check in checks if check.key not in found]
    if missing:
        raise OutsideError(f"Great Expectations did not run {', '.join(missing)}")
    return tuple(
        RuleCount(check=check, unexpected=found[check.key][0], success=found[check.key][1])
        for check in checks
    )


def require_agreement(summary: Summary, result: GxResult) -> None:
    """Hold GX's counts against the polars pass.

    Raises:
        OutsideError: They differ: one of them is wrong about the data, and nothing may pass.
    """
    expected = dict(summary.counts) | {
        finding.check.key: int(not finding.passed) for finding in summary.findings
    }
    differing = [
        f"{key}: Great Expectations counts {result.unexpected.get(key)}, the quarantine pass {count}"
        for key, count in expected.items()
        if result.unexpected.get(key) != count
    ]
    if differing or set(expected) != set(result.unexpected):
        raise OutsideError(
            "validation disagrees with itself: " + "; ".join(differing or ["different checks"])
        )


def run_on_pandas(tables: Mapping[str, pd.DataFrame], checks: Sequence[Check]) -> GxResult:
    """The same suites on GX's pandas engine: the reference that the tests and the benchmark compare with.

    Args:
        tables: Table → frame that holds every column its checks test, facts included.
        checks: The registry.
    """
    context = silent_context()
    source = context.data_sources.add_pandas("bounds")
    batches = {}
    definitions = []
    for table, suite in suites(checks).items():
        batches[table] = source.add_dataframe_asset(str(table)).add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(
            name=str(table), data=batches[table], suite=context.suites.add(suite)
        )
        definitions.append((table, context.validation_definitions.add(definition)))
    results = [
        definition.run(batch_parameters={"dataframe": tables[table]}, result_format=_RESULT_FORMAT)
        for table, definition in definitions
    ]
    project_manager.set_project(None)
    return GxResult(counts=_counts(checks, results), raw=tuple(result.to_json_dict() for result in results))


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
