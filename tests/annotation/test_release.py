"""Releases: same rows, same bytes; nobody followed or picked out; nothing without a target."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, date, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.agreement import Level, alpha
from annotation.agreement_report import assess
from annotation.card import QUESTIONS, card
from annotation.importers import read_pandalm
from annotation.patterns import histogram_of_matrix
from annotation.release import AlignmentTarget, Release, build_release
from annotation.release_figures import agreement_frames
from annotation.release_inputs import Batch, LiveConsents
from annotation.splits import split_of
from annotation.suppression import SUPPRESSED, suppress_counts, suppress_profiles
from governance.digest import digest, digest_bytes
from governance.errors import InputError, RecordError, RefusedError
from governance.policy.compose import compose
from governance.policy.model import EffectivePolicy
from infra.policy_files import load_pack
from tests.support.release_data import (
    batch,
    columns,
    filtered,
    judgement_row,
    rows,
    split_batches,
)
from tests.support.shared_data import shared

TARGET = AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody; a test")


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Any:
    """A tenth of the bootstrap: these tests are about what is released, not about intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 100)
        yield


@pytest.fixture(scope="module")
def policy() -> EffectivePolicy:
    return compose(
        load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC), jurisdictions=None, application=None
    )


def build(policy: EffectivePolicy, batches: list[Batch], **more: Any) -> Release:
    settings: dict[str, Any] = {"alignment_target": TARGET, "as_of": date(2026, 1, 2), "seed": 7}
    return build_release(batches, policy=policy, **(settings | more))


@pytest.fixture(scope="module")
def release(policy: EffectivePolicy) -> Release:
    return build(
        policy, [batch(rows(), filtered=filtered(female=(60, 6), male=(66, 1)), quarantined=7, read=127)]
    )


def frame(release: Release, name: str) -> pl.DataFrame:
    return pl.DataFrame(columns(release.files()[f"{name}.parquet"]))


@pytest.mark.parametrize(
    "target", [None, AlignmentTarget(better=" ", asked="x", for_whom="y")], ids=["none", "blank"]
)
def test_refused_without_an_alignment_target(policy: EffectivePolicy, target: AlignmentTarget | None) -> None:
    with pytest.raises(RefusedError, match="alignment target"):
        build(policy, [batch(rows())], alignment_target=target)


def test_refused_when_empty(policy: EffectivePolicy) -> None:
    with pytest.raises(RefusedError, match="no batch"):
        build(policy, [])
    made = rows() | {"judgements": []}
    with pytest.raises(RefusedError, match="no judgement is left"):
        build(policy, [batch(made)])


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_neither_order_nor_partition_changes_a_byte(policy: EffectivePolicy, parts: int) -> None:
    made = rows()
    whole = build(policy, [batch(made)])
    again = build(policy, split_batches(made, parts, seed=parts))
    assert whole.files() == again.files()
    assert whole.digest == again.digest
    assert whole.batches != again.batches


def test_a_judgement_in_two_batches_counts_once(policy: EffectivePolicy) -> None:
    made = rows()
    twice = build(policy, [batch(made), batch(made, name="again", read=0)])
    assert twice.files() == build(policy, [batch(made)]).files()


def test_contradicting_batches_are_an_error(policy: EffectivePolicy) -> None:
    made = rows()
    other = {**made, "judgements": [{**made["judgements"][0], "seconds": 99.0}]}
    with pytest.raises(RecordError, match="different rows"):
        build(policy, [batch(made), batch(other, name="other")])


def test_a_missing_item_is_an_error(policy: EffectivePolicy) -> None:
    made = rows()
    with pytest.raises(RecordError, match="in no batch"):
        build(policy, [batch(made | {"items": made["items"][1:]})])


@pytest.mark.parametrize("change", ["seed", "as_of", "target", "row", "policy"])
def test_every_input_counts(policy: EffectivePolicy, release: Release, change: str) -> None:
    made = rows()
    more: dict[str, Any] = {}
    if change == "seed":
        more["seed"] = 8
    elif change == "as_of":
        more["as_of"] = date(2026, 1, 3)
    elif change == "target":
        more["alignment_target"] = AlignmentTarget(better="kinder", asked="x", for_whom="y")
    elif change == "row":
        made["judgements"][0]["seconds"] = 13.0
    else:
        policy = compose(load_pack("provider"), at=datetime(2026, 1, 1, tzinfo=UTC))
    changed = build(policy, [batch(made)], **more)
    plain = build(compose(load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC)), [batch(rows())])
    assert changed.digest != plain.digest
    ids = set(frame(changed, "annotators")["annotator"])
    assert not ids & set(frame(plain, "annotators")["annotator"])


def test_ids_of_two_releases_cannot_be_joined(policy: EffectivePolicy, release: Release) -> None:
    keyed = build(policy, [batch(rows())], key=b"a secret")
    plain = build(policy, [batch(rows())])
    assert not set(frame(keyed, "annotators")["annotator"]) & set(frame(plain, "annotators")["annotator"])
    everything = b"".join(release.files().values())
    for table in ("judgements", "pairs", "annotators", "splits"):
        everything += frame(release, table).write_ndjson().encode()
    for planted in (b"person-", b"consent-person", b"because of"):
        assert planted not in everything
    internal = rows()["judgements"][0]
    for key in ("judgement", "source_digest", "source_ref"):
        assert internal[key].encode() not in everything


def test_pairs_are_the_preferences(release: Release) -> None:
    judgements, items, pairs = (frame(release, name) for name in ("judgements", "items", "pairs"))
    texts = {
        candidate["candidate"]: candidate["text"]
        for candidates in items["candidates"]
        for candidate in candidates
    }
    preferring = judgements.filter(pl.col("outcome") == "prefers")
    assert pairs["judgement"].to_list() == preferring["judgement"].to_list()
    for pair, row in zip(pairs.to_dicts(), preferring.to_dicts(), strict=True):
        assert pair["chosen"] == [{"role": "assistant", "content": texts[row["preferred"]]}]
        (other,) = set(row["shown"]) - {row["preferred"]}
        assert pair["rejected"] == [{"role": "assistant", "content": texts[other]}]
        assert pair["margin"] == abs(row["strength"])
        assert pair["chosen_model"] != pair["rejected_model"]
    assert release.figures["left_out_of_pairs"] == dict(
        sorted(Counter(judgements.filter(pl.col("outcome") != "prefers")["outcome"]).items())
    )
    assert sum(release.figures["left_out_of_pairs"].values()) + pairs.height == judgements.height


def test_splits_keep_prompts_together(release: Release) -> None:
    items, splits, pairs = (frame(release, name) for name in ("items", "splits", "pairs"))
    by_item = dict(splits.filter(pl.col("unit") == "item").select("id", "split").iter_rows())
    prompts: dict[str, set[str]] = {}
    for item, prompt in items.select("item", "prompt").iter_rows():
        prompts.setdefault(prompt[0]["content"], set()).add(by_item[item])
    assert len(prompts) == 10
    assert all(len(found) == 1 for found in prompts.values())
    assert all(by_item[item] == split for item, split in pairs.select("item", "split").iter_rows())


def test_splits_hold_their_shares() -> None:
    found = Counter(split_of(str(number), seed=1) for number in range(20_000))
    assert found["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert found["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert {split_of(str(number), seed=1) == split_of(str(number), seed=2) for number in range(50)} == {
        True,
        False,
    }


def test_manifest_names_every_file_and_its_rows(release: Release) -> None:
    files = release.files()
    manifest = json.loads(files["release.json"])
    assert digest_bytes(files["release.json"]) == release.digest
    assert set(manifest["files"]) == set(files) - {"release.json"}
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == digest_bytes(files[name])
        assert entry["bytes"] == len(files[name])
        if name.endswith(".parquet"):
            assert entry["rows"] == pq.read_metadata(io.BytesIO(files[name])).num_rows
    assert manifest["alignment_target"] == TARGET.as_json()
    assert manifest["codebooks"] == ["core@1.0.0"]


def test_published_combinations_hold_k(release: Release) -> None:
    annotators = frame(release, "annotators")
    k = release.manifest["k"]
    fields = ["site", "age_band", "gender", "country_of_residence"]
    for many in range(1, len(fields) + 1):
        for some in combinations(fields, many):
            assert annotators.group_by(some).len()["len"].min() >= k


@given(
    people=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("pqr"), st.sampled_from("xyz")), max_size=40
    ),
    k=st.integers(1, 6),
)
@settings(max_examples=120, deadline=None)
def test_suppression_holds_k_for_every_combination(people: list[tuple[str, str, str]], k: int) -> None:
    names = ["one", "two", "three"]
    table = pl.DataFrame(people, schema=dict.fromkeys(names, pl.String), orient="row")
    published = suppress_profiles(table, names, k=k)
    assert published.height == table.height
    if table.height < k:
        assert set(published.rows()) <= {(SUPPRESSED,) * 3}
        return
    for many in range(1, 4):
        for some in combinations(names, many):
            assert all(count >= k for count in published.group_by(some).len()["len"])
    for before, after in zip(table.rows(), published.rows(), strict=True):
        assert all(new in (old, SUPPRESSED) for old, new in zip(before, after, strict=True))


def test_the_least_important_column_goes_first() -> None:
    table = pl.DataFrame({"main": ["a"] * 4, "minor": ["x", "x", "y", "z"]})
    assert suppress_profiles(table, ["main", "minor"], k=2).rows() == [
        ("a", "x"),
        ("a", "x"),
        ("a", SUPPRESSED),
        ("a", SUPPRESSED),
    ]


def test_a_column_that_splits_too_finely_does_not_take_the_others_with_it() -> None:
    """Six ages of two people each, under k = 3, once hid gender from everybody."""
    table = pl.DataFrame(
        {
            "site": ["main"] * 12,
            "age": [f"age-{n // 2}" for n in range(12)],
            "gender": ["female"] * 5 + ["male"] * 5 + ["other", "untold"],
            "employment": ["not_asked"] * 12,
        }
    )
    published = suppress_profiles(table, ["site", "age", "gender", "employment"], k=3)
    assert published["age"].unique().to_list() == [SUPPRESSED]
    # Two people would be left over: one of the others goes with them.
    assert published["gender"].to_list() == ["female"] * 5 + ["male"] * 4 + [SUPPRESSED] * 3
    assert published["employment"].unique().to_list() == ["not_asked"]


def shown(*people: str, k: int) -> list[str]:
    """What is published of one answer beside one that everybody has to themselves."""
    table = pl.DataFrame({"main": [str(n) for n in range(len(people))], "minor": people})
    published = suppress_profiles(table, ["main", "minor"], k=k)
    assert set(published["main"]) == {SUPPRESSED}
    return [str(said) for said in published["minor"]]


def test_an_answer_that_nobody_shares_does_not_take_the_others_with_it() -> None:
    hidden = SUPPRESSED
    assert shown(*"fffmmmm", k=3) == list("fffmmmm")
    assert shown(*"fffmmmxyz", k=3) == [*"fffmmm", hidden, hidden, hidden]
    # The one without company hides among two of the largest group that can spare them,
    assert shown(*"fffmmmmmx", k=3) == [*"fffmmm", hidden, hidden, hidden]
    # or among the whole smallest group where none can.
    assert shown(*"fffmmmmx", k=3) == [hidden, hidden, hidden, *"mmmm", hidden]
    assert shown(*"fffx", k=3) == [hidden] * 4


@given(answers=st.lists(st.sampled_from("fmx"), min_size=1, max_size=40), k=st.integers(2, 6))
def test_what_many_share_is_published_whatever_else_is_hidden(answers: list[str], k: int) -> None:
    said = Counter(shown(*answers, k=k))
    assert all(said[answer] >= k for answer, many in Counter(answers).items() if many >= 2 * k)


@given(counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 20)), k=st.integers(1, 8))
def test_totals_do_not_give_counts_away(counts: dict[str, int], k: int) -> None:
    shown = suppress_counts(counts, k=k)
    hidden = [counts[name] for name, count in shown.items() if count is None]
    assert all(count is None or count == 0 or count >= k for count in shown.values())
    if hidden and sum(counts.values()) >= k:
        assert sum(hidden) >= k


def test_no_rule_for_small_cells_withholds_profiles() -> None:
    without = (
        compose(load_pack("xstest"), at=datetime(2026, 1, 1, tzinfo=UTC)) if _has_pack("xstest") else None
    )
    if without is None or any(need.check == "suppression" for need in without.data_requirements):
        pytest.skip("every shipped policy states k")
    release = build(without, [batch(rows())])
    assert release.manifest["k"] is None
    assert "age_band" not in frame(release, "annotators").columns
    assert "age_band" in release.manifest["withheld"]
    assert "Profiles are withheld" in release.card


def _has_pack(name: str) -> bool:
    from infra.policy_files import packs

    return name in packs()


def test_consent_keeps_judgements_out(policy: EffectivePolicy) -> None:
    made = rows()
    live = frozenset(row["consent"] for row in made["judgements"]) - {"consent-person-3"}
    kept = build(policy, [batch(made)], consents=LiveConsents(purpose="training", live=live))
    gone = sum(row["annotator"] == "person-3" for row in made["judgements"])
    assert gone > 0
    assert kept.figures["counts"]["without_consent"] == gone
    assert kept.figures["counts"]["judgements"] == len(made["judgements"]) - gone
    assert f"{gone:,} judgements were left out for want of a live consent" in kept.card
    strict = compose(load_pack("provider"), at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError, match="another purpose"):
        build(strict, [batch(made)], consents=LiveConsents(purpose="fun", live=live))


def test_what_is_the_same_for_everybody_is_said_once(release: Release) -> None:
    """A dozen tables of one line each once hid the one that told people apart."""
    people = {field: {"suppressed": 12} for field in ("age", "gender")} | {"languages": {"not_asked": 12}}
    filtered = {"age": {"suppressed": 0.02}}
    figures = {**release.figures, "people": {"site": {"main": 12}, **people}, "filtered_out": filtered}
    figures["coverage"] = {"gender": {"reason": "no annotator's answer to this question is published"}}
    shown = card(figures, release.manifest)
    assert "`suppressed` for every annotator: `age`, `gender`." in shown
    assert "`not_asked` for every annotator: `languages`." in shown
    assert "of no question is more than one group published" in shown
    assert "effective sample size" not in shown
    assert "Weights: none that tell people apart" in shown
    assert "judgements without live consent" not in shown


def test_the_card_reads_differences_for_all_groups_at_once(release: Release) -> None:
    found = release.figures["agreement"]["preference"]
    group = found["by"]["gender"]["female"]
    low, high = group["difference_simultaneous"]
    assert low <= group["difference_low"] <= group["difference_high"] <= high
    assert f"| {group['difference']:.3f} [{low:.3f}, {high:.3f}] |" in release.card


def test_card_says_target_first_and_what_is_unknown(release: Release) -> None:
    card = release.card
    assert card.index("more honest") < card.index("## Summary")
    assert "**Simulated people.** All annotators are simulated." in card
    assert "**Consent is not recorded**" in card
    assert "quarantined 7 (5.5%)" in card
    assert "| female | 10% |" in card
    for _, question in QUESTIONS:
        assert question in card
    assert "**What were they paid, and by which standard?** not recorded" in card


def test_undocumented_people_are_said(policy: EffectivePolicy) -> None:
    bare = build(policy, [batch(rows() | {"profiles": []})])
    assert "Nothing is documented about the people" in bare.card
    assert bare.figures["documented_share"] == 0
    assert bare.figures["coverage"]["gender"] == {
        "reason": "no annotator's answer to this question is published"
    }


def test_answers_are_told_and_checked(policy: EffectivePolicy) -> None:
    told = build(policy, [batch(rows())], answers={"pay": "12 GBP an hour."})
    assert "by which standard?** 12 GBP an hour." in told.card
    with pytest.raises(InputError, match="no such question"):
        build(policy, [batch(rows())], answers={"salary": "x"})


def test_figures_can_be_recomputed_from_the_released_columns(release: Release) -> None:
    judgements, items, annotators = (frame(release, name) for name in ("judgements", "items", "annotators"))
    figures = json.loads(release.files()["figures.json"])
    for name, (level, table) in agreement_frames(judgements, items).items():
        again = assess(table, level=level, replicates=0)
        assert figures["agreement"][name]["alpha"] == again.alpha.value
    assert figures["people"]["gender"] == dict(Counter(annotators["gender"]))
    by_hand = Counter(judgements["strength"].drop_nulls())
    assert figures["strengths"] == {str(key): count for key, count in by_hand.items()}
    weights = annotators["weight"].to_numpy()
    women = annotators["gender"] == "female"
    known = annotators["gender"] != SUPPRESSED
    share = weights[women.to_numpy()].sum() / weights[known.to_numpy()].sum()
    assert share == pytest.approx(0.5 / 0.98)


def test_ratings_have_agreement_of_their_own(policy: EffectivePolicy) -> None:
    made = rows(items=6)
    for row in made["judgements"]:
        first, second = sorted(row["shown"])
        row |= {"kind": "rating", "outcome": None, "preferred": None, "strength": None}
        row["scores"] = [
            {"candidate": first, "attribute": "overall", "score": 80.0},
            {"candidate": second, "attribute": "overall", "score": float(len(row["annotator"]))},
        ]
    release = build(policy, [batch(made)])
    found = release.figures["agreement"]["rating"]
    assert found["level"] == str(Level.INTERVAL)
    assert found["items"] == 12
    assert found["alpha"] > 0.9
    assert release.figures["left_out_of_pairs"] == {"not_pairwise": len(made["judgements"])}


def test_two_sites_with_one_pseudonym_are_two_people(policy: EffectivePolicy) -> None:
    made = rows(people=12)
    extra = [judgement_row(item, "person-1", 2, site="kenya") for item in made["items"][:4]]
    release = build(policy, [batch(made), batch({**made, "judgements": extra}, name="kenya")])
    assert release.figures["counts"]["annotators"] == 13


def test_batch_reads_its_files_or_says_what_is_wrong(policy: EffectivePolicy) -> None:
    from annotation.validated import parquet_bytes

    whole = batch(rows(), filtered=filtered(female=(3, 1)))
    files = {
        f"{name}.parquet": parquet_bytes(getattr(whole, name)) for name in ("judgements", "items", "profiles")
    }
    files["checks.json"] = json.dumps(
        {
            "read": 120,
            "quarantined": 0,
            "filtered_out": [
                {"field": "gender", "status": "answered", "value": "female", "read": 3, "quarantined": 1}
            ],
        }
    ).encode()
    read = Batch.from_files(digest("whole"), files)
    assert read.judgements.equals(whole.judgements)
    assert read.filtered == whole.filtered
    for name in files:
        with pytest.raises(RecordError, match=r"lacks a file|cannot be read"):
            Batch.from_files(digest("whole"), {key: data for key, data in files.items() if key != name})
        with pytest.raises(RecordError, match=r"sound and complete|cannot be read"):
            Batch.from_files(digest("whole"), files | {name: files[name][: len(files[name]) // 2]})


@pytest.mark.filterwarnings("ignore")  # mlcroissant and what it imports warn about themselves
def test_mlcroissant_accepts_the_description_and_reads_the_rows(release: Release, tmp_path: Path) -> None:
    import mlcroissant

    for name, data in release.files().items():
        (tmp_path / name).write_bytes(data)
    described = mlcroissant.Dataset(str(tmp_path / "croissant.json"))
    assert described.metadata.ctx.issues.errors == set()
    assert described.metadata.annotator_demographics
    assert "more honest" in described.metadata.description
    people = list(described.records("annotators"))
    assert len(people) == release.figures["counts"]["annotators"]
    assert {person["annotators/gender"].decode() for person in people} == set(
        release.figures["people"]["gender"]
    )
    (pairs,) = (entry for entry in described.metadata.distribution if entry.id == "pairs.parquet")
    assert f"sha256:{pairs.sha256}" == digest_bytes(release.files()["pairs.parquet"])


@pytest.mark.data
def test_real_votes_of_undocumented_people(policy: EffectivePolicy) -> None:
    found = read_pandalm(shared("pandalm/testset-v1.json").read_bytes(), name="testset-v1.json")
    judgements = [
        judgement_row(
            {
                "item": vote.item,
                "digest": digest(vote.item),
                "candidates": [{"candidate": c} for c in vote.shown],
            },
            vote.annotator,
            None,
            shown=list(vote.shown),
            outcome=str(vote.outcome),
            preferred=vote.preferred,
            source="file",
            simulated=False,
        )
        for vote in found.judgements
    ]
    release = build(policy, [batch({"judgements": judgements, "items": found.items, "profiles": []})])
    # 993 of the 999 rows are text on both sides; the published 0.864 is over all.
    votes = [
        [int(row[f"annotator{n}"]) for n in (1, 2, 3)]
        for row in json.loads(shared("pandalm/testset-v1.json").read_text())
        if isinstance(row["response1"], str) and isinstance(row["response2"], str)
    ]
    by_itself = alpha(histogram_of_matrix(np.array(votes), categories=(0.0, 1.0, 2.0))).value
    assert release.figures["agreement"]["preference"]["alpha"] == pytest.approx(by_itself)
    assert release.figures["counts"]["annotators"] == 3
    assert "Nothing is documented about the people" in release.card
    assert "Simulated people" not in release.card
    assert "PandaLM" in release.card


def test_of_somebody_whose_rows_were_all_quarantined_nothing_is_said(policy: EffectivePolicy) -> None:
    """One person outside of every published group once stood there as "suppressed: 100 %"."""
    counted = filtered(female=(60, 6), male=(66, 1), other=(1, 1))
    release = build(policy, [batch(rows(people=24), filtered=counted, quarantined=8, read=128)])
    assert SUPPRESSED not in release.figures["people"]["gender"]
    shares = release.figures["filtered_out"]["gender"]
    assert shares == {"female": 0.1, "male": 0.02, SUPPRESSED: None}
    assert "| suppressed | - |" in release.card
