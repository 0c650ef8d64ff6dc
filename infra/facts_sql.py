"""The facts of :mod:`annotation.facts` a second time, in SQL over DuckDB.

Written apart on purpose: Great Expectations judges a batch by what this module computes, quarantine by what
polars computes, and a batch is validated only when both give the same counts. Only the screens of free text
are shared (they are one text function, see :mod:`annotation.screening`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from annotation.item_facts import is_item_fact
from annotation.quarantine import NTH
from annotation.staging import STAGED, as_table
from annotation.surroundings import Surroundings

# ruff: noqa: S608 - no text of a row or a policy enters a statement: names are constants or plain slugs
__all__ = ["JUDGED", "KEYS", "ROWS", "load_batch", "load_files"]

ROWS: Final = "bounds_rows"
JUDGED: Final = "bounds_judgements"
KEYS: Final = "bounds_keys"
_FACTS: Final = "bounds_facts"

_ITEM_FACTS: Final = """
    CASE WHEN j.item IS NOT NULL THEN i.item IS NOT NULL END AS item_known,
    j.item_digest = i.digest AS item_digest_equal,
    i.language AS language,
    CASE WHEN i.item IS NOT NULL AND j.shown IS NOT NULL THEN
        -- Two answers, the rule, are compared one by one: functions over lists cost three times as much.
        len(j.shown) > 0
        AND CASE WHEN len(j.shown) = 2 THEN coalesce(
            j.shown[1] <> j.shown[2] AND list_contains(i.ids, j.shown[1]) AND list_contains(i.ids, j.shown[2]), false)
        ELSE len(list_distinct(j.shown)) = len(j.shown) AND list_has_all(i.ids, j.shown) END
        AND (j.kind IS DISTINCT FROM 'pairwise' OR len(j.shown) = 2)
    END AS shown_known,
    CASE WHEN i.item IS NOT NULL AND j.shown IS NOT NULL AND j.preferred IS NOT NULL THEN
        list_contains(i.ids, j.preferred) AND list_contains(j.shown, j.preferred)
    END AS preferred_known,
"""
_ANSWER_FACTS: Final = """
    CASE
        WHEN j.kind = 'pairwise' THEN j.outcome IS NOT NULL
        WHEN j.kind IN ('rating', 'attributes') THEN coalesce(len(j.scores) > 0, false)
        WHEN j.kind = 'ranking' THEN j.ranking IS NOT NULL
        WHEN j.kind = 'text' THEN j.rationale IS NOT NULL
    END AS answer_present,
    CASE WHEN j.kind = 'pairwise' THEN CASE
        WHEN j.outcome = 'prefers' THEN
            j.preferred IS NOT NULL
            AND coalesce(j.strength <> 0, true)
            AND coalesce(
                (list_position(i.ids, j.preferred) < list_position(i.ids, CASE
                    WHEN j.shown[1] = j.shown[2] THEN NULL
                    WHEN j.preferred = j.shown[1] THEN j.shown[2]
                    WHEN j.preferred = j.shown[2] THEN j.shown[1]
                END)) = (j.strength < 0), true)
        WHEN j.outcome = 'tie' THEN j.preferred IS NULL AND coalesce(j.strength = 0, true)
        WHEN j.outcome IN ('neither', 'cannot_judge') THEN j.preferred IS NULL AND j.strength IS NULL
    END END AS outcome_consistent,
    CASE WHEN j.scores IS NOT NULL THEN len(list_filter(j.scores, lambda s:
        NOT coalesce(s.score BETWEEN 1 AND 100 AND list_contains(j.shown, s.candidate), false)
    )) = 0 END AS scores_valid,
    CASE WHEN j.ranking IS NOT NULL AND j.shown IS NOT NULL THEN
        list_sort(j.ranking) = list_sort(j.shown)
    END AS ranking_valid,
    CASE WHEN j.source IN ('label_studio', 'portal') THEN
        p.presentation IS NOT NULL AND coalesce(p.item = j.item, false) AND coalesce(p.shown = j.shown, false)
    END AS presentation_matches,
    CASE WHEN p.consent IS NOT NULL THEN coalesce(j.consent = p.consent, false) END AS presentation_consent_equal,
"""
_KNOWN: Final = """
    CASE WHEN j.annotator IS NOT NULL AND j.site IS NOT NULL THEN EXISTS (
        SELECT 1 FROM raw_profiles a WHERE a.annotator = j.annotator AND a.site = j.site
    ) END AS annotator_known,
"""
_READING: Final = """
    CASE WHEN j.seconds > 0 THEN j.item_characters::DOUBLE / j.seconds END AS reading_rate,
"""
_FIRST_GIVEN: Final = """
    CASE WHEN j.annotator IS NOT NULL AND j.item IS NOT NULL THEN l.nth IS NULL END AS first_given,
"""
# Windows go over few columns and, here, few rows: what they sort may not fit in memory.
_LATER: Final = """
, repeated AS (
    SELECT annotator, item FROM raw_rows
    WHERE problem IS NULL AND annotator IS NOT NULL AND item IS NOT NULL
    GROUP BY annotator, item HAVING count(*) > 1
), places AS (
    SELECT j.nth, row_number() OVER (
        PARTITION BY j.annotator, j.item
        ORDER BY j.submitted_at NULLS LAST, j.judgement NULLS LAST, j.source_digest NULLS LAST
    ) AS place
    FROM raw_rows j SEMI JOIN repeated r ON r.annotator = j.annotator AND r.item = j.item
    WHERE j.problem IS NULL
), later AS (
    SELECT nth FROM places WHERE place > 1
)
"""
# People are numbers, and only rows of one moment are told apart by their ids: what a window sorts is its cost.
_STREAKS: Final = """
, people AS (
    SELECT site, annotator, row_number() OVER () AS person
    FROM (SELECT DISTINCT site, annotator FROM raw_rows WHERE annotator IS NOT NULL)
), told AS MATERIALIZED (
    SELECT j.nth, p.person, j.submitted_at,
        CASE WHEN j.outcome = 'prefers' THEN
            CASE WHEN j.preferred = j.shown[1] THEN 0 WHEN j.preferred = j.shown[2] THEN 1 END
        END AS position
    FROM raw_rows j JOIN people p ON p.annotator = j.annotator AND p.site IS NOT DISTINCT FROM j.site
    WHERE j.submitted_at IS NOT NULL
), at_once AS (
    SELECT person, submitted_at FROM told GROUP BY person, submitted_at HAVING count(*) > 1
), ties AS (
    SELECT t.nth, row_number() OVER (PARTITION BY t.person, t.submitted_at
        ORDER BY j.judgement NULLS LAST, j.source_digest NULLS LAST, t.position NULLS LAST) AS tie
    FROM told t
    SEMI JOIN at_once o ON o.person = t.person AND o.submitted_at = t.submitted_at
    JOIN raw_rows j ON j.nth = t.nth
), steps AS (
    SELECT t.nth, t.person, t.position, row_number() OVER given AS place,
        t.position IS DISTINCT FROM lag(t.position) OVER given AS changes
    FROM told t LEFT JOIN ties ON ties.nth = t.nth
    WINDOW given AS (PARTITION BY t.person ORDER BY t.submitted_at, coalesce(ties.tie, 0))
), runs AS MATERIALIZED (
    SELECT nth, person, position, count(*) FILTER (changes) OVER (PARTITION BY person ORDER BY place) AS run
    FROM steps
), lengths AS (
    SELECT person, run, count(*) AS length FROM runs GROUP BY person, run
), streaks AS (
    SELECT r.nth, CASE WHEN r.position IS NOT NULL THEN l.length END AS streak
    FROM runs r JOIN lengths l ON l.person = r.person AND l.run = r.run
)
"""


def load_batch(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    around: Surroundings,
    columns: Collection[str],
) -> None:
    """Create ``bounds_rows``, ``bounds_judgements`` (decodable rows with their facts) and ``bounds_keys`` (without them).

    Only the facts are a table: what rows say is read where it lies.

    Args:
        connection: An open connection.
        rows: Screened staged rows.
        around: The tables the rows refer to.
        columns: Names of the columns that checks test; costly facts nobody asks for are left out.
    """
    numbers = pa.array(range(len(rows)), pa.uint64())
    connection.register("raw_rows", rows.append_column(NTH, numbers))
    connection.register("raw_items", as_table(around.items))
    connection.register("raw_presentations", as_table(around.presentations))
    _load(connection, around, columns)


def load_files(
    connection: duckdb.DuckDBPyConnection,
    *,
    rows: Sequence[Path],
    items: Sequence[Path],
    presentations: Sequence[Path],
    around: Surroundings,
    columns: Collection[str],
) -> None:
    """:func:`load_batch` from Parquet files, all parts of a table at once; rows have their number ``nth``."""
    tables = {"raw_rows": rows, "raw_items": items, "raw_presentations": presentations}
    for name, files in tables.items():
        connection.read_parquet([str(file) for file in files]).create_view(name)
    _load(connection, around, columns)


def _load(connection: duckdb.DuckDBPyConnection, around: Surroundings, columns: Collection[str]) -> None:
    connection.register("raw_consents", as_table(around.consents))
    connection.register("raw_profiles", as_table(around.profiles.select("annotator", "site").unique()))
    connection.register("raw_gold", as_table(around.gold))
    # One problem per row is all that the checks of every row look at.
    connection.execute(f"CREATE VIEW {ROWS} AS SELECT judgement, source_ref, problem FROM raw_rows")
    connection.execute(_facts(set(columns)))
    said = [name for name in STAGED.names if name in {*columns, "judgement", "presented_at"}]
    # Whoever looks for repeated keys needs no fact: joined with them, all rows would have to be held at once.
    connection.execute(f"CREATE VIEW {KEYS} AS SELECT {', '.join(said)} FROM raw_rows WHERE problem IS NULL")
    said += [name for name in sorted(columns) if _is_screen(name)]
    connection.execute(f"""CREATE VIEW {JUDGED} AS
        SELECT f.* EXCLUDE ({NTH}), {", ".join(f"j.{name}" for name in said)}
        FROM raw_rows j JOIN {_FACTS} f ON f.{NTH} = j.{NTH}""")


def _facts(columns: AbstractSet[str]) -> str:
    streak, first = "streak" in columns, "first_given" in columns
    return f"""
CREATE TABLE {_FACTS} AS
WITH items AS (
    SELECT item, digest, language, list_transform(candidates, lambda c: c.candidate) AS ids FROM raw_items
){_STREAKS if streak else ""}{_LATER if first else ""}
SELECT {_ITEM_FACTS}{_ANSWER_FACTS}{_FIRST_GIVEN if first else ""}
    {"s.streak," if streak else ""}{"".join(_consents(columns))}{"".join(_gold(columns))}
    {_KNOWN if "annotator_known" in columns else ""}{_READING if "reading_rate" in columns else ""}
    j.{NTH}
FROM raw_rows j
LEFT JOIN items i ON i.item = j.item
LEFT JOIN raw_presentations p ON p.presentation = j.presentation
{"LEFT JOIN streaks s ON s.nth = j.nth" if streak else ""}
{"LEFT JOIN later l ON l.nth = j.nth" if first else ""}
WHERE j.problem IS NULL
"""


def _is_screen(name: str) -> bool:
    named = {"rationale_names_model", "shown_names_model"}
    return name.startswith("personal_data_") or name in named or is_item_fact(name)


def _consents(columns: Collection[str]) -> Iterator[str]:
    for name in sorted(columns):
        if name.startswith("consent_live_"):
            purpose = name.removeprefix("consent_live_")
            yield f"""EXISTS (SELECT 1 FROM raw_consents k
                WHERE k.consent = j.consent AND k.annotator = j.annotator
                AND regexp_replace(lower(k.purpose), '[^a-z0-9]+', '_', 'g') = '{purpose}') AS {name},
"""


# Null where a judgement of this kind cannot say the known answer.
_RIGHT: Final = """CASE
    WHEN o.kind = 'pairwise' THEN coalesce(
        o.outcome = g.outcome AND (g.outcome <> 'prefers' OR o.preferred = g.preferred), false)
    WHEN o.kind = 'ranking' AND g.outcome = 'prefers' THEN coalesce(o.ranking[1] = g.preferred, false)
    WHEN o.kind = 'rating' AND g.outcome = 'prefers' THEN coalesce(
        list_max([s.score for s in o.scores if s.candidate = g.preferred])
        > list_max([s.score for s in o.scores if s.candidate <> g.preferred]), false)
    WHEN o.kind = 'rating' AND g.outcome = 'tie' THEN coalesce(
        list_max([s.score for s in o.scores]) = list_min([s.score for s in o.scores]), false)
END"""


def _gold(columns: Collection[str]) -> Iterator[str]:
    for name in sorted(columns):
        if name.startswith("gold_share_"):
            least = int(name.removeprefix("gold_share_"))
            yield f"""(SELECT CASE WHEN count({_RIGHT}) >= {least} THEN
                count(*) FILTER ({_RIGHT})::DOUBLE / count({_RIGHT}) END
                FROM raw_rows o JOIN raw_gold g ON g.item = o.item
                WHERE o.site = j.site AND o.annotator = j.annotator AND o.problem IS NULL) AS {name},
"""
