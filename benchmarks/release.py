"""Building and verifying a release measured: 10^5 to 10^7 judgements, against a plain copy with SHA-256.

Run ``python -m benchmarks.release --rows 100000 1000000 [10000000]``. Batches of a million generated judgements
are written to disk; each measurement is a process of its own, so that CPU seconds (user and system, all
threads) and peak memory belong to it alone. ``build`` is what ``bounds release`` does between reading its
batches and storing the tree; ``verify`` reads every byte back and recomputes what the manifest says of it;
``lint`` and ``diff`` are the commands of that name;
``copy`` copies the files of the release and takes their SHA-256, which is the least that any release can cost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.own_process import measure

ROOT = Path(__file__).resolve().parents[1]
SEED = 20260101
OVERLAP = 5
ROWS_OF_A_BATCH = 1_000_000
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "you",
]
FIELDS = {
    "age": ("18-24", "25-34", "35-44", "45-54", "55-64", "65+"),
    "gender": ("female", "male", "non_binary"),
    "country_of_residence": ("GBR", "KEN", "USA", "IND", "BRA", "DEU"),
}


def _texts(rng: np.random.Generator, count: int, words: int) -> list[str]:
    """Sentences of frequent words, each with a number of its own."""
    drawn = rng.integers(0, len(WORDS), size=(count, words))
    return [f"{' '.join(WORDS[word] for word in row)} {number}." for number, row in enumerate(drawn)]


def generate(rows: int, folder: Path, *, people: int) -> None:
    """Batches of up to a million judgements: pairs of answers of about 40 words, five judgements an item."""
    from annotation.records import ITEMS, JUDGEMENTS, PROFILES, make_item, table

    for number, start in enumerate(range(0, rows, ROWS_OF_A_BATCH)):
        place = folder / f"batch-{number:03}"
        place.mkdir(parents=True)
        rng = np.random.default_rng([SEED, number])
        many = min(ROWS_OF_A_BATCH, rows - start)
        count = max(1, many // OVERLAP)
        prompts, ones, others = (_texts(rng, count, words) for words in (15, 40, 40))
        items = table(
            (
                make_item(
                    prompt=[{"role": "user", "content": f"{number} {prompt}"}],
                    candidates=[("model-a", one), ("model-b", other)],
                    language="en",
                    topic=None,
                    origin="generated",
                    licence="Apache-2.0",
                    source_ref=str(at),
                    simulated=True,
                )
                for at, (prompt, one, other) in enumerate(zip(prompts, ones, others, strict=True))
            ),
            ITEMS,
        )
        pq.write_table(items, place / "items.parquet")
        judgements = _judgements(rng, items, many, start, people)
        pq.write_table(
            judgements.to_arrow().cast(JUDGEMENTS), place / "judgements.parquet", row_group_size=100_000
        )
        who = np.random.default_rng(SEED)
        profiles = [
            {
                "annotator": f"person-{person:07}",
                "site": "main",
                "codebook": "core@1.0.0",
                "field": field,
                "status": "answered",
                "value": values[int(who.integers(len(values)))],
                "simulated": True,
            }
            for person in range(people)
            for field, values in FIELDS.items()
        ]
        pq.write_table(table(profiles, PROFILES), place / "profiles.parquet")
        checks = {"read": many, "quarantined": 0, "filtered_out": []}
        (place / "checks.json").write_text(json.dumps(checks), encoding="utf-8")


def _judgements(rng: np.random.Generator, items: Any, many: int, start: int, people: int) -> pl.DataFrame:
    pairs = pl.from_arrow(items).select(  # type: ignore[union-attr]
        "item", item_digest="digest", c=pl.col("candidates").list.eval(pl.element().struct[0])
    )
    row = np.arange(many)
    at = row % pairs.height
    # The people of an item follow one another, so that nobody judges it twice.
    person = (at * 7919 + row // pairs.height) % people
    lean = rng.integers(-2, 3, pairs.height)[at]
    strength = np.clip(lean + rng.integers(-1, 2, many), -3, 3)
    number = pl.Series(row + start)
    frame = pairs[at].with_columns(
        number=number,
        person=pl.Series(person),
        strength=pl.Series(strength, dtype=pl.Int8),
        flip=pl.Series(rng.integers(0, 2, many)),
    )
    digest = pl.lit("sha256:") + pl.col("number").cast(pl.String).str.pad_start(64, "0")
    sign = pl.col("strength").sign()
    shown = pl.datetime(2026, 1, 5, time_zone="UTC") + pl.duration(seconds=60 * pl.col("number"))
    return frame.select(
        judgement=digest,
        item="item",
        item_digest="item_digest",
        annotator=pl.format("person-{}", pl.col("person").cast(pl.String).str.pad_start(7, "0")),
        site=pl.lit("main"),
        kind=pl.lit("pairwise"),
        shown=pl.when(pl.col("flip") == 1).then(pl.col("c").list.reverse()).otherwise("c"),
        outcome=pl.when(sign == 0).then(pl.lit("tie")).otherwise(pl.lit("prefers")),
        preferred=pl.when(sign < 0)
        .then(pl.col("c").list.get(0))
        .when(sign > 0)
        .then(pl.col("c").list.get(1)),
        strength="strength",
        scores=None,
        ranking=None,
        rationale=pl.when(pl.col("flip") == 1).then(pl.format("Because of point {}.", "number")),
        presentation=None,
        config_digest=digest,
        policy_digest=pl.lit("sha256:" + "0" * 64),
        consent=pl.format("consent-{}", "person"),
        presented_at=shown,
        submitted_at=shown + pl.duration(seconds=40),
        seconds=40.0 + pl.col("flip"),
        source=pl.lit("portal"),
        source_ref=pl.col("number").cast(pl.String),
        source_digest=digest,
        simulated=pl.lit(value=True),
    )


def build(folder: Path) -> Callable[[], Any]:
    """Batches on disk → the release's files on disk."""
    from annotation.release import AlignmentTarget, release_of, require_terms
    from governance.policy.compose import compose
    from infra.policy_files import load_pack
    from infra.release_spill import BatchFolder, spill

    policy = compose(load_pack("demo"), at=datetime(2026, 1, 10, tzinfo=UTC))
    target = AlignmentTarget(better="clearer", asked="generated people", for_whom="nobody; a benchmark")
    batches = [BatchFolder(digest=place.name, folder=place) for place in sorted(folder.glob("batch-*"))]

    def work() -> Any:
        places = [folder / "parts", folder / "release"]
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        built = release_of(
            spill(batches, places[0], consents=None),
            batches=[batch.digest for batch in batches],
            terms=require_terms(policy, target, None, None),
            as_of=date(2026, 1, 10),
            seed=0,
            folder=places[1],
        )
        shutil.rmtree(places[0])
        return built.digest

    return work


def verify(folder: Path) -> Callable[[], Any]:
    """Every byte of the release read back and held against its manifest."""
    from annotation.release_verify import verify_release

    return lambda: verify_release(folder / "release").digest


def copy(folder: Path) -> Callable[[], Any]:
    """The release's files copied with their SHA-256."""

    def work() -> int:
        target = folder / "copy"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for path in sorted((folder / "release").iterdir()):
            state = hashlib.sha256()
            with path.open("rb") as source, (target / path.name).open("wb") as sink:
                while piece := source.read(1 << 20):
                    state.update(piece)
                    sink.write(piece)
        shutil.rmtree(target)
        return 0

    return work


def lint(folder: Path) -> Callable[[], Any]:
    """Every figure and every line of the card computed again from the release's columns."""
    from annotation.release_lint import lint_release
    from infra.release_folder import read_release

    def work() -> int:
        found = read_release(folder / "release")
        card = (folder / "release" / "card.md").read_text(encoding="utf-8")
        return len(lint_release(found.path, found.manifest, found.figures, {"card.md": card}, found.broken))

    return work


def diff(folder: Path) -> Callable[[], Any]:
    """The release compared with itself: every row of both sides is read."""
    from annotation.release_diff import diff_releases
    from infra.release_folder import read_release

    def work() -> int:
        sides = [read_release(folder / "release") for _ in range(2)]
        found = diff_releases(
            *(side.manifest for side in sides),
            figures=(sides[0].figures, sides[1].figures),
            folders=(sides[0].path, sides[1].path),
        )
        return found.judgements["kept"]

    return work


MEASURED: dict[str, Callable[[Path], Callable[[], Any]]] = {
    "build": build,
    "verify": verify,
    "lint": lint,
    "diff": diff,
    "copy": copy,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where to work; kept, and batches in it are used again")
    parser.add_argument("--only", choices=[*MEASURED, "generate"], nargs="+")
    arguments = parser.parse_args()
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(prefix="bounds-bench-") as name:
            folder = (arguments.folder or Path(name)) / str(rows)
            if not (folder / "ready").exists():
                shutil.rmtree(folder, ignore_errors=True)
                generate(rows, folder, people=arguments.people)
                (folder / "ready").touch()
            for what, prepare in MEASURED.items():
                if arguments.only and what not in arguments.only:
                    continue
                found = measure(prepare, folder)
                if "stopped" in found:
                    raise SystemExit(f"{what} stopped {found['stopped']}")
                print(
                    f"{rows:>11,} {what:<8} {found['cpu_s']:8.2f} CPU-s {found['wall_s']:8.2f} s "
                    f"{found['peak_mb']:7.0f} MB (from {found['ready_mb']:.0f})  {found['result']}",
                    flush=True,
                )
            size = sum(path.stat().st_size for path in (folder / "release").glob("*"))
            print(f"{rows:>11,} release of {size / 1e6:,.0f} MB", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
