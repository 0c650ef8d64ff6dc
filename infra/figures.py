"""Figures of a release as PNG bytes: agreement by group, coverage, strengths. Drawn without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["release_figures"]

_INK: Final = "#1f2933"
_OURS: Final = "#2f6f8f"
_TARGET: Final = "#c9b458"
_ROW: Final = 0.34
_WORDS: Final = {
    -3: "first\nmuch better",
    -2: "first\nbetter",
    -1: "first\nslightly",
    0: "about\nthe same",
    1: "second\nslightly",
    2: "second\nbetter",
    3: "second\nmuch better",
}


def release_figures(figures: Mapping[str, Any]) -> dict[str, bytes]:
    """File name to PNG for every figure that the data allow.

    Args:
        figures: The release's ``figures.json``.
    """
    drawn: dict[str, bytes] = {}
    for name, found in figures["agreement"].items():
        drawn[f"agreement-{name}.png"] = _agreement(name, found)
    for field, found in figures["coverage"].items():
        if "cells" in found:
            drawn[f"coverage-{field}.png"] = _coverage(field, found)
    for found in figures.get("intersections", ()):
        drawn[f"crossing-{'-by-'.join(found['columns'])}.png"] = _crossing(found)
    if figures.get("learning_curve", {}).get("per_person"):
        drawn["learning-curve.png"] = _learning(figures["learning_curve"])
    for thing, rate in figures.get("aggregates", {}).get("rates", {}).items():
        if rate["by"]:
            drawn[f"preferred-{_safe(thing)}.png"] = _preferred(thing, rate)
    if figures["strengths"]:
        drawn["strengths.png"] = _strengths(figures["strengths"])
    return drawn


def _canvas(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)
    return figure, axes


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=120, metadata={"Software": None})
    return sink.getvalue()


def _agreement(name: str, found: Mapping[str, Any]) -> bytes:
    rows = [("all", found)]
    for field, groups in found["by"].items():
        rows += [(f"{field}: {value}", group) for value, group in groups.items()]
    rows.reverse()
    figure, axes = _canvas(7.5, 1.3 + _ROW * len(rows))
    for height, (_, group) in enumerate(rows):
        if group["alpha"] is None:
            axes.text(0, height, "no value", va="center", ha="center", color=_INK, fontsize=8)
            continue
        if group["low"] is not None and group["high"] is not None:
            axes.plot([group["low"], group["high"]], [height, height], color=_OURS, linewidth=2)
        axes.plot([group["alpha"]], [height], "o", color=_OURS)
        if group.get("across") is not None:
            axes.plot([group["across"]], [height], "|", color=_INK, markersize=12, markeredgewidth=2)
    axes.axvline(0, color=_INK, linewidth=0.6)
    axes.set_yticks(range(len(rows)), [f"{label} ({group['annotators']})" for label, group in rows])
    axes.set_xlim(right=1.02)
    axes.set_xlabel(f"Krippendorff's alpha ({found['level']}), 95 % interval\nbar: agreement with all others")
    axes.set_title(f"Agreement on {name} (annotators)", loc="left", color=_INK)
    return _png(figure)


def _coverage(field: str, found: Mapping[str, Any]) -> bytes:
    cells = list(reversed(found["cells"]))
    figure, axes = _canvas(7.5, 1.4 + 1.4 * _ROW * len(cells))
    heights = range(len(cells))
    observed = max(1, found["observed"])
    axes.barh(
        [h + 0.2 for h in heights], [c["share"] for c in cells], 0.36, color=_TARGET, label="population"
    )
    axes.barh(
        [h - 0.2 for h in heights],
        [c["have"] / observed for c in cells],
        0.36,
        color=_OURS,
        label="annotators",
    )
    axes.set_yticks(heights, [c["stratum"][field] for c in cells])
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(frameon=False)
    axes.set_title(f"Coverage by {field}: {found['observed']} annotators", loc="left", color=_INK)
    return _png(figure)


def _strengths(strengths: Mapping[str, int]) -> bytes:
    figure, axes = _canvas(7.5, 3.2)
    values = sorted(_WORDS)
    axes.bar(values, [strengths.get(str(value), 0) for value in values], 0.7, color=_OURS)
    axes.set_xticks(values, [_WORDS[value] for value in values], fontsize=8)
    axes.set_ylabel("judgements")
    axes.set_title("Strength of preference, candidates in canonical order", loc="left", color=_INK)
    return _png(figure)


def _safe(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name)[:80]


def _crossing(found: Mapping[str, Any]) -> bytes:
    """A map of two answers: how many people gave both."""
    one, other = found["columns"]
    rows = sorted({cell["values"][0] for cell in found["cells"]})
    columns = sorted({cell["values"][1] for cell in found["cells"]})
    many = {tuple(cell["values"]): cell["annotators"] for cell in found["cells"]}
    table = [[many.get((row, column), 0) for column in columns] for row in rows]
    figure, axes = _canvas(2.5 + 0.9 * len(columns), 1.6 + _ROW * len(rows))
    top = max(max(row) for row in table)
    axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, vmax=max(1, top))
    for height, row in enumerate(table):
        for place, value in enumerate(row):
            ink = "white" if value > 0.6 * top else _INK
            axes.text(place, height, f"{value:,}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title(f"Annotators: {one} by {other}", loc="left", color=_INK)
    return _png(figure)


def _learning(found: Mapping[str, Any]) -> bytes:
    """Log loss against the judgements of a person, beside what is used without any."""
    rows = found["per_person"]
    places = range(len(rows))
    figure, axes = _canvas(7.5, 3.6)
    axes.plot(
        places, [row["log_loss"] for row in rows], "o-", color=_OURS, label="with the person's own judgements"
    )
    axes.plot(
        places,
        [row["fallback_log_loss"] for row in rows],
        "s--",
        color=_TARGET,
        label="fallback: group, or all people",
    )
    axes.axhline(0.6931, color=_INK, linewidth=0.6)
    axes.annotate("a coin", (0, 0.6931), textcoords="offset points", xytext=(0, 3), fontsize=8, color=_INK)
    axes.set_xticks(places, [f"{row['judgements']}\n({row['people']} people)" for row in rows], fontsize=8)
    axes.set_xlabel("judgements of the person seen")
    axes.set_ylabel("log loss on held-out preferences")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("How much is enough", loc="left", color=_INK)
    return _png(figure)


def _preferred(thing: str, rate: Mapping[str, Any]) -> bytes:
    """How often each group prefers one model, with intervals over people."""
    rows = [("all", rate)]
    for column, groups in rate["by"].items():
        rows += [(f"{column}: {name}", group) for name, group in groups.items()]
    rows.reverse()
    figure, axes = _canvas(7.5, 1.3 + _ROW * len(rows))
    for height, (_, group) in enumerate(rows):
        if group["low"] is not None:
            axes.plot([group["low"], group["high"]], [height, height], color=_OURS, linewidth=2)
        axes.plot([group["rate"]], [height], "o", color=_OURS)
    axes.axvline(0.5, color=_INK, linewidth=0.6)
    axes.set_yticks(range(len(rows)), [f"{label} ({group['people']})" for label, group in rows], fontsize=8)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title(f"How often {thing} is preferred, 95 % interval (people)", loc="left", color=_INK)
    return _png(figure)
