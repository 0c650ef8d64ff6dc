"""Great Expectations counts what the quarantine pass counts, on DuckDB and on pandas, for every kind of fault."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa

from annotation.checks import Check, On
from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from governance.errors import OutsideError
from infra import expectations_duckdb
from infra.expectations import require_agreement, run, run_on_pandas, suites
from tests.support.batches import REQUIREMENTS, Batch
from tests.support.faults import FAULTS
from tests.support.naive import naive_tables
from tests.support.whole_catalogue import whole_catalogue

CHECKS = checks_for(REQUIREMENTS)


def planted(names: list[str], seed: int = 3) -> Batch:
    """A batch with each fault planted in rows of its own."""
    batch = Batch(items=10, annotators=4, seed=seed)
    for name in names:
        FAULTS[name].plant(batch)
    return batch


def validated(batch: Batch) -> Any:
    return validate_batch(batch.rows, checks=CHECKS, **batch.surroundings())


def test_every_expectation_carries_its_rule() -> None:
    made = suites(CHECKS)
    assert set(made) == {On.ROWS, On.JUDGEMENTS, On.FIGURES}
    metas = [expectation.meta for suite in made.values() for expectation in suite.expectations]
    assert {meta["key"] for meta in metas} == {check.key for check in CHECKS}
    assert all(meta["rule"] and meta["check"]["origin"]["kind"] for meta in metas)
    # The keys of judgements can be a table of their own; nothing is left out, and nothing asked twice.
    apart = suites(CHECKS, keys_apart=True)
    assert set(apart) == {*made, "keys"}
    assert {e.meta["check"]["test"] for e in apart["keys"].expectations} == {"unique", "unique_together"}
    again = [expectation.meta["key"] for suite in apart.values() for expectation in suite.expectations]
    assert sorted(again) == sorted(meta["key"] for meta in metas)


def test_a_sound_batch_passes_both() -> None:
    result = run(validated(Batch()))
    assert all(found.success and not found.unexpected for found in result.counts)


def test_all_faults_at_once_are_counted_alike_by_gx_on_duckdb_on_pandas_and_by_polars() -> None:
    batch = whole_catalogue()
    found = validated(batch)
    # Every check of rows has something to find in this batch, so that no equality is one of zeros.
    silent = {key for key, count in found.summary.counts.items() if not count}
    assert silent == set()
    on_duckdb = run(found).unexpected
    on_pandas = run_on_pandas(naive_tables(batch, found), CHECKS).unexpected
    assert {key: on_duckdb[key] for key in found.summary.counts} == found.summary.counts
    assert on_pandas == on_duckdb


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_counted_alike(name: str) -> None:
    found = validated(planted([name]))
    assert {
        key: count for key, count in run(found).unexpected.items() if key in found.summary.counts
    } == found.summary.counts


def test_a_disagreement_is_never_passed() -> None:
    found = validated(Batch())
    result = run(found)
    more = dict(found.summary.counts) | {"R.known.item@record:item_known": 1}
    wrong = dataclasses.replace(found, summary=dataclasses.replace(found.summary, counts=more))
    with pytest.raises(OutsideError, match=r"R\.known\.item.*counts 0, the quarantine pass 1"):
        require_agreement(wrong.summary, result)
    with pytest.raises(OutsideError, match="validation disagrees with itself"):
        run(wrong)
    fewer = dataclasses.replace(result, counts=result.counts[1:])
    with pytest.raises(OutsideError, match="disagrees"):
        require_agreement(found.summary, fewer)


def test_a_figure_outside_its_limit_fails_in_both() -> None:
    checks = checks_for([{"id": "D.overlap", "check": "overlap", "at_least": 9}])
    batch = Batch()
    found = validate_batch(batch.rows, checks=checks, **batch.surroundings())
    (failed,) = [count for count in run(found).counts if not count.success]
    assert failed.check.rule == "D.overlap"
    empty = validate_batch([], checks=checks, **batch.surroundings())
    assert [count.check.rule for count in run(empty).counts if not count.success] == ["D.overlap"]


def test_data_docs_ask_nothing_of_the_network_and_quote_no_row(tmp_path: Path) -> None:
    batch = Batch()
    batch.rows[0]["rationale"] = "Write to jane.doe@example.org about it."
    batch.rows[1]["rationale"] = "secret" * 5_000
    before = set(tmp_path.parent.rglob("*"))
    result = run(validated(batch), docs_folder=tmp_path / "docs")
    pages = sorted((tmp_path / "docs").rglob("*.html"))
    assert len(pages) >= 4
    text = "\n".join(page.read_text() for page in pages) + result.json_bytes().decode()
    assert "D.personal-data" in text
    assert not re.search(r"jane\.doe|secretsecret", text)
    for page in pages:
        body = page.read_text()
        assert "default-src 'none'" in body
        assert not re.search(r"<(script|link|iframe)\b", body, re.IGNORECASE)
        assert not re.search(r"\bsrc=[\"']?(https?:)?//|url\(", body, re.IGNORECASE)
    created = set(tmp_path.parent.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path) for path in created)


def test_a_check_without_its_parameter_is_refused() -> None:
    with pytest.raises(Exception, match="tests nothing"):
        Check(rule="R.x", column="item", test="range", statement="x")  # type: ignore[arg-type]


def test_a_statement_that_finds_no_room_gets_more_when_it_is_asked_again() -> None:
    connection = duckdb.connect(":memory:")
    connection.execute("SET memory_limit = '20MB'; SET temp_directory = ''; SET threads = 1")
    address = expectations_duckdb._address(connection)
    expectations_duckdb._CONNECTIONS[address] = connection
    try:
        engine = expectations_duckdb.DuckDBExecutionEngine(connection_string=address)
        counted = sa.text("SELECT count(*) FROM (SELECT n FROM range(3_000_000) t(n) GROUP BY n)")
        with pytest.raises(sa.exc.DBAPIError, match="Out of Memory"), engine.get_connection() as given:
            given.execute(counted)
        with engine.get_connection() as given:
            given.rollback()
            assert given.execute(counted).fetchall() == [(3_000_000,)]
            given.close()
        engine.engine.dispose()
    finally:
        expectations_duckdb._CONNECTIONS.pop(address)
        connection.close()
