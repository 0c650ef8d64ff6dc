"""What the screens of free text find in the rows of a batch, as columns; how a text is screened says :mod:`annotation.screening`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from annotation.item_facts import item_facts
from annotation.record_checks import LONGEST_RATIONALE
from annotation.screening import named_models, personal_data, prefilter

__all__ = ["screens"]


def screens(
    staged: pl.DataFrame,
    items: pl.DataFrame,
    columns: Collection[str],
    *,
    probes: Sequence[str] = (),
    known: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """``staged`` with what the screens of free text found; see :mod:`annotation.screening`.

    Adds ``personal_data_<kind>`` for each kind asked for, ``rationale_names_model`` and
    ``shown_names_model``: the kind or the model's name where found, null where not; and the facts of items
    that are asked for, see :mod:`annotation.item_facts`.

    Args:
        staged: Staged rows.
        items: Their items.
        columns: Names of the columns that checks test.
        probes: Prompts of the audit's probes.
        known: ``item`` and those facts of items that were found with a view to further items, and are not
            computed here.
    """
    elsewhere = set() if known is None else set(known.columns)
    kinds = {name.removeprefix("personal_data_") for name in columns if name.startswith("personal_data_")}
    found = _screened_texts(staged, kinds)
    computed = item_facts(items, set(columns) - elsewhere, probes=probes)
    for about in (computed, known):
        if about is not None and about.width > 1:
            staged = staged.join(about, on="item", how="left", maintain_order="left")
    return (
        staged.join(found, on="rationale", how="left", maintain_order="left")
        .join(_self_naming_items(items), on="item", how="left", maintain_order="left")
        .join(_naming_rationales(staged, items), on=["item", "rationale"], how="left", maintain_order="left")
    )


def _screened_texts(staged: pl.DataFrame, kinds: Collection[str]) -> pl.DataFrame:
    texts = (
        staged.get_column("rationale").drop_nulls().unique().sort()
        if kinds
        else pl.Series("rationale", [], dtype=pl.String)
    )
    # What is too long for a reason fails for that alone; nobody should wait for a screen of 100 MB.
    texts = texts.filter(texts.str.len_chars() <= LONGEST_RATIONALE)
    texts = texts.filter(texts.str.contains(prefilter(kinds))) if kinds else texts
    found = [(text, hits) for text in texts if (hits := personal_data(text, sorted(kinds)))]
    return pl.DataFrame(
        {
            "rationale": pl.Series([text for text, _ in found], dtype=pl.String),
            **{
                f"personal_data_{kind}": pl.Series(
                    [kind if kind in hits else None for _, hits in found], dtype=pl.String
                )
                for kind in sorted(kinds)
            },
        }
    )


def _stems(items: pl.DataFrame) -> list[str]:
    """A lower-case piece of every model's name, for a cheap search before the careful one."""
    models = (
        items.select(pl.col("candidates").explode().struct.field("model")).to_series().drop_nulls().unique()
    )
    names = models.str.split("/").list.last().str.extract(r"([\p{L}\d]+)").drop_nulls().str.to_lowercase()
    # An empty list has no type that a search could be made of; where no model is named, nothing is found.
    return sorted(set(names.to_list())) or ["\0"]


def _self_naming_items(items: pl.DataFrame) -> pl.DataFrame:
    stems = _stems(items)
    hits = items.filter(
        pl.col("candidates")
        .list.eval(pl.element().struct.field("text").str.contains_any(stems, ascii_case_insensitive=True))
        .list.any()
    )
    found = {}
    for item, candidates in hits.select("item", "candidates").iter_rows():
        models = [candidate["model"] for candidate in candidates]
        if names := sorted({name for c in candidates for name in named_models(c["text"], models)}):
            found[item] = ", ".join(names)
    return pl.DataFrame(
        {"item": list(found), "shown_names_model": list(found.values())},
        schema={"item": pl.String, "shown_names_model": pl.String},
    )


def _naming_rationales(staged: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    stems = _stems(items)
    hits = (
        staged.select("item", "rationale")
        .filter(pl.col("rationale").str.len_chars() <= LONGEST_RATIONALE)
        .filter(pl.col("rationale").str.contains_any(stems, ascii_case_insensitive=True))
        .unique()
        .join(items.select("item", "candidates"), on="item")
    )
    found = []
    for item, rationale, candidates in hits.iter_rows():
        if names := named_models(rationale, [candidate["model"] for candidate in candidates]):
            found.append((item, rationale, ", ".join(names)))
    columns = ("item", "rationale", "rationale_names_model")
    return pl.DataFrame(found, schema=dict.fromkeys(columns, pl.String), orient="row")
