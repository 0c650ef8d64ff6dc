"""Sections of the card about what stands beside the judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = [
    "aggregates_section",
    "intersections_section",
    "learning_section",
    "limits_section",
    "markdown_table",
]

_QUANTILES: Final = ("lowest", "quarter", "median", "three_quarters", "highest")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), line(["---"] * len(header)), *(line(row) for row in rows)])


def intersections_section(figures: Mapping[str, Any]) -> str:
    """Who speaks, where two columns cross; empty where there are none."""
    lines = []
    for table in figures.get("intersections", ()):
        one, other = table["columns"]
        columns = sorted({cell["values"][1] for cell in table["cells"]})
        rows = []
        for value in sorted({cell["values"][0] for cell in table["cells"]}):
            many = {c["values"][1]: c["annotators"] for c in table["cells"] if c["values"][0] == value}
            rows.append([value, *(f"{many[name]:,}" if name in many else "0" for name in columns)])
        lines.append(markdown_table([f"`{one}` by `{other}`, annotators", *columns], rows))
    if not lines:
        return ""
    return "\n\n".join(["## Who speaks, where two answers cross", *lines])


def aggregates_section(figures: Mapping[str, Any]) -> str:
    """Aggregates beside the judgements."""
    found = figures.get("aggregates")
    head = "## Aggregates beside the judgements"
    if found is None or "reason" in found:
        return f"{head}\n\nNone: {(found or {}).get('reason', 'not computed')}."
    items, model = found["items"], found["dawid_skene"]
    lines = [
        head,
        (
            "Each is one reading of the judgements above, and none replaces them; `aggregates.parquet` has them by item. "
            f"Of {items['items']:,} items {items['judged_again']:,} were judged more than once, and "
            f"{items['unanimous']:,} of these are unanimous; the mean entropy of the soft labels of all is "
            f"{items['mean_entropy']:.3f} (0 unanimous, 1 evenly split)."
        ),
    ]
    if model is not None:
        accuracy = model["accuracy"]
        lines.append(
            "Dawid and Skene's model, which takes for granted that each item has one true answer, differs from the most "
            f"frequent one on {items['differs_from_most_votes']:,} items. It holds annotators for right in "
            f"{accuracy['lowest']:.0%} to {accuracy['highest']:.0%} of their answers (median {accuracy['median']:.0%})."
            + _fitted(model["fitted_to_share_of_items"])
        )
    crowd = found["bradley_terry"]
    if crowd is None:
        lines.append("Models: none are named, or no two different ones were compared.")
    else:
        lines += _models(crowd, found["rates"])
    return "\n\n".join(lines)


def _fitted(share: float) -> str:
    if share >= 1:
        return ""
    return f" It was fitted to a share of {share:.1%} of the items, drawn by a hash of their ids, and then applied to all."


def _models(crowd: Mapping[str, Any], rates: Mapping[str, Any]) -> list[str]:
    lines = []
    if crowd["reason"]:
        lines.append(f"Bradley-Terry strengths: none, {crowd['reason']}.")
    rows = []
    for name, thing in crowd["things"].items():
        strength, error = thing["strength"], thing["error"]
        shown = "-" if strength is None else f"{strength:+.3f}" + ("" if error is None else f" ± {error:.3f}")
        rows.append([name, shown, _rate(rates[name]), f"{thing['comparisons']:,}"])
    lines.append(
        markdown_table(
            ["model", "strength (Bradley-Terry with ties)", "preferred (95 %)", "comparisons"], rows
        )
    )
    lines.append(
        'Preferred: wins and half of the ties, by comparisons with another model; "neither" and "cannot judge" are no '
        "comparison. Its interval takes people as clusters (Wilson's, with the effective number of judgements). "
        "Strengths have mean zero; ± is one standard error that takes every comparison for independent, as if no person "
        "had judged twice: it is too small where people differ. No judgement is weighted."
    )
    columns = list(next(iter(rates.values()))["by"])
    for column in columns:
        groups = sorted({group for rate in rates.values() for group in rate["by"][column]})
        cells = [
            [group, *(_rate(rates[name]["by"][column].get(group)) for name in crowd["things"])]
            for group in groups
        ]
        lines.append(markdown_table([f"preferred, by `{column}`", *crowd["things"]], cells))
    return lines


def _rate(rate: Mapping[str, Any] | None) -> str:
    if rate is None or rate["rate"] is None:
        return "-"
    if rate["low"] is None:
        return f"{rate['rate']:.2f}"
    return f"{rate['rate']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"


def learning_section(figures: Mapping[str, Any]) -> str:
    """How much is enough."""
    found = figures.get("learning_curve")
    head = "## How much is enough"
    if found is None or "reason" in found:
        return f"{head}\n\nNot computed: {(found or {}).get('reason', 'no data')}."
    lines = [
        head,
        (
            f"A logistic model of {', '.join(found['features'])} predicts the last third of each of {found['people']:,} "
            "people's preferences from the first n, weights pulled towards those of their group and of all people, which "
            f"others' judgements gave. {found['fallback']}{_sampled(found)}"
        ),
        markdown_table(
            ["judgements of a person", "people", "right", "log loss", "fallback's log loss", "gain (95 %)"],
            [
                [
                    f"{row['judgements']:,}",
                    f"{row['people']:,}",
                    f"{row['accuracy']:.1%}",
                    f"{row['log_loss']:.3f}",
                    f"{row['fallback_log_loss']:.3f}",
                    f"{row['gain']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]",
                ]
                for row in found["per_person"]
            ],
        ),
        (
            "Each row is of the people who have so many judgements before their last third, so rows are of different "
            "people: within a row the fallback is theirs, from row to row it is not. The gain's interval is Student's "
            "over people, for one row at a time."
        ),
        _enough(found["per_person"]),
    ]
    if found["per_group"]:
        rows = [
            [
                group,
                f"{row['judgements']:,}",
                f"{row['people']:,}",
                f"{row['accuracy']:.1%}",
                f"{row['log_loss']:.3f}",
            ]
            for group, curve in found["per_group"].items()
            for row in curve
        ]
        lines.append(
            markdown_table(
                [f"`{found['group']}`", "judgements of the group", "people", "right", "log loss"], rows
            )
        )
        lines.append(
            "These rows have no interval: each is the mean over the people it counts, and few people tell little."
        )
    return "\n\n".join(lines)


def _sampled(found: Mapping[str, Any]) -> str:
    people, preferences = found["people_left_out"], found["preferences_left_out"]
    if not people and not preferences:
        return ""
    return (
        f" This is a sample, drawn by hashes of ids: {people:,} people and {preferences:,} more preferences of the "
        "people in it were not looked at."
    )


def _enough(rows: Sequence[Mapping[str, Any]]) -> str:
    told = [row for row in rows if row["judgements"]]
    better = [f"{row['judgements']:,}" for row in told if row["gain_low"] > 0]
    if better:
        where = "at every number tried" if len(better) == len(told) else f"at {', '.join(better)}"
        return (
            f"A person's own judgements predict better than the fallback {where}: there the interval lies above no gain"
            + ("." if len(better) == len(told) else "; at the other numbers it does not.")
        )
    return "At no number of judgements here does a person's own prediction beat the fallback for certain."


def limits_section(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Which figures a reader of the tables cannot compute again."""
    untold = [
        "rows read and quarantined, their share, and their shares by group: quarantined rows are not released"
    ]
    if about["consent"] is not None:
        untold.append("judgements left out for want of a live consent: they are not released")
    if figures.get("without_consent") is not None:
        untold.append("people who are missing for want of consent: nothing of them is released")
    if figures["documented_share"]:
        untold.append(
            "the share of annotators who answered a question, where it is given: an answer may be suppressed or "
            "withheld"
        )
    untold.append("how many judgements have a rationale: free text is withheld")
    untold.append("where judgements were collected: their site and source are not among the columns")
    lines = [
        "## What the tables cannot tell",
        "Every figure of this card follows from the tables of this release, except for these:",
        "\n".join(f"- {what}" for what in untold),
    ]
    if figures["agreement"]:
        lines.append(
            f"Intervals of alpha are drawn with the seed {about['seed']}; another generator finds them again within "
            "what the draws leave open."
        )
    return "\n\n".join(lines)
