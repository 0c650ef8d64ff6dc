"""The data card of a release: what a careful reader asks, answered from the data or "not recorded".

Its order follows the alignment target (what "better" means here), then the people, the way of the data,
and what is not known. The sections are those of data statements (Bender and Friedman 2018,
doi:10.1162/tacl_a_00041, schema 3); the questions follow CrowdWorkSheets (Díaz et al. 2022,
doi:10.1145/3531146.3534647).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from annotation.card_parts import aggregates_section, intersections_section, learning_section, limits_section

__all__ = ["NOT_RECORDED", "QUESTIONS", "card"]

NOT_RECORDED: Final = "not recorded"

QUESTIONS: Final = (
    ("subjective", "Which parts of the task are subjective?"),
    ("assumptions", "What was assumed about the annotators?"),
    ("instructions", "What were annotators told, and how was it tested that they understood?"),
    ("perspectives", "Whose perspectives were sought, and how?"),
    ("excluded_perspectives", "Whose answers were kept out, and why?"),
    ("selection", "By which characteristics were annotators chosen?"),
    ("affected", "Are the communities that a model touches among the annotators?"),
    ("platform", "On which platforms was the work done, and why there?"),
    ("communication", "How could annotators reach those who asked them?"),
    ("pay", "What were they paid, and by which standard?"),
    ("quality", "How is quality judged?"),
    ("disagreement", "What became of disagreement?"),
    ("labels", "How do single answers relate to what is released?"),
    ("updates", "Will the data change after release?"),
    ("limits_of_use", "What would make the data less useful, and are uses limited?"),
    ("informed", "Were annotators told where their answers go?"),
    ("withdrawal", "Can annotators withdraw later?"),
)


def card(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        figures: What :class:`annotation.release_figures.FigureParts` found.
        about: The manifest's statements: alignment target, policies, codebooks, consent, sources, k,
            withheld fields, answers to the questions above, and so on.
    """
    parts = [
        _target(about),
        _summary(figures, about),
        _people(figures, about),
        _coverage(figures),
        *([cells] if (cells := intersections_section(figures)) else []),
        _agreement(figures),
        aggregates_section(figures),
        learning_section(figures),
        _filtered(figures, about),
        _items(figures, about),
        _questions({**_from_the_data(figures, about), **about["answers"]}),
        limits_section(figures, about),
        _files(about),
    ]
    return "\n\n".join(parts) + "\n"


def _target(about: Mapping[str, Any]) -> str:
    target = about["alignment_target"]
    policies = "\n".join(
        f"- `{policy['id']}` {policy['version']} ({policy['digest']})" for policy in about["policies"]
    )
    return (
        "# Release of human feedback\n\n## Alignment target\n\n"
        f'**What "better" means here:** {target["better"]}\n\n'
        f"**Who was asked:** {target['asked']}\n\n"
        f"**For whom a model is to be aligned:** {target['for_whom']}\n\n"
        f"**Under which policy:** effective policy {about['policy_digest']}, composed of\n\n{policies}"
    )


def _summary(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    counts = figures["counts"]
    lines = [
        "## Summary",
        (
            f"As of {about['as_of']}: {counts['judgements']:,} judgements by {counts['annotators']:,} annotators on "
            f"{counts['items']:,} items, of which {counts['pairs']:,} preference pairs. "
            f"Judgements that make no pair: {_counts(figures['left_out_of_pairs'])}."
        ),
        *_warnings(figures, about),
    ]
    return "\n\n".join(lines)


def _warnings(figures: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    counts = figures["counts"]
    warnings = []
    if counts["simulated_annotators"]:
        who = (
            "All"
            if counts["simulated_annotators"] == counts["annotators"]
            else f"{counts['simulated_annotators']:,} of the"
        )
        warnings.append(
            f"> **Simulated people.** {who} annotators are simulated. Their answers say nothing about any person."
        )
    if counts["simulated_items"]:
        warnings.append(f"> **Written for demonstration.** {counts['simulated_items']:,} items are.")
    documented = figures["documented_share"]
    if not documented:
        warnings.append(
            "> **Undocumented people.** Nothing is documented about the people behind these judgements: whose "
            "preferences they are cannot be said."
        )
    elif documented < 1:
        warnings.append(
            f"> **Partly documented people.** {documented:.0%} of the annotators answered at least one question."
        )
    if about["consent"] is None:
        warnings.append("> **Consent is not recorded** in this release: no state of consent was consulted.")
    return warnings


def _people(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    lines = ["## Annotators"]
    if about["k"] is None:
        lines.append("Profiles are withheld: no rule of the policy says how small a published cell may be.")
    else:
        lines.append(
            f"Codebook: {', '.join(about['codebooks']) or NOT_RECORDED}. Every published combination of the columns below is "
            f"shared by at least {about['k']} annotators; what was not is `suppressed`. `prefer_not_to_say`, "
            "`not_asked`, `expired` and `revoked` are the reasons why an answer is absent."
        )
    alike: dict[str, list[str]] = {}
    for field, people in figures["people"].items():
        if len(people) == 1 and field != "site":
            alike.setdefault(next(iter(people)), []).append(f"`{field}`")
            continue
        lines.append(_table(f"`{field}`", ["annotators"], {name: [f"{n:,}"] for name, n in people.items()}))
    for value, fields in sorted(alike.items()):
        lines.append(f"`{value}` for every annotator: {', '.join(fields)}.")
    if about["weighting"] and not any("reason" not in found for found in figures["coverage"].values()):
        lines.append(
            "Weights: none that tell people apart, for of no question with a population target "
            f"({', '.join(about['weighting']['columns'])}) is an answer published."
        )
    elif about["weighting"]:
        weighting = about["weighting"]
        lines.append(
            f"Weights: raked to {', '.join(weighting['columns'])}; effective sample size "
            f"{weighting['effective_sample_size']:.1f} of {figures['counts']['annotators']:,}, largest misfit of a "
            f"margin {weighting['misfit']:.3f}, {weighting['capped']} at the cap, nobody there for: "
            f"{', '.join(weighting['absent']) or 'none'}."
        )
    else:
        lines.append("Weights: none (no population target applies to a published column).")
    return "\n\n".join(lines)


def _coverage(figures: Mapping[str, Any]) -> str:
    lines = ["## Coverage of the population"]
    if not figures["coverage"]:
        lines.append("The policy states no population target: who is missing cannot be said.")
    for field, found in figures["coverage"].items():
        if "reason" in found:
            lines.append(f"`{field}`: {found['reason']}.")
            continue
        rows = {
            cell["stratum"][field]: [
                f"{cell['share']:.1%}",
                f"{cell['have'] / found['observed']:.1%}" if found["observed"] else "-",
                f"{cell['have']:,}",
            ]
            for cell in found["cells"]
        }
        lines.append(_table(f"`{field}`", ["population", "annotators", "count"], rows))
        lines.append(
            f"Distance from the target (total variation): {found['total_variation_before']:.3f}. Not documented or "
            f"suppressed: {found['undocumented']:,} annotators."
        )
    return "\n\n".join(lines)


def _agreement(figures: Mapping[str, Any]) -> str:
    lines = [
        "## Agreement",
        (
            "Krippendorff's alpha with a 95 % bootstrap interval over items: those that two or more of the group judged "
            "(`on items`; with a few of them the interval says little). `across` compares a group with everybody "
            "else on the same items (cross-replication reliability); a difference above 0 says that its members agree "
            "with each other more than with the others. The interval of a difference holds for all groups of its "
            "table at once (Bonferroni). Disagreement is kept in the judgements, not voted away."
        ),
    ]
    for name, found in figures["agreement"].items():
        rows = {"all": [_figure(found), *_rests_on(found), "", ""]}
        for field, groups in found["by"].items():
            for value, group in groups.items():
                rows[f"{field}: {value}"] = [
                    _figure(group),
                    *_rests_on(group),
                    _number(group["across"]),
                    _difference(group),
                ]
        lines.append(
            _table(
                f"{name} ({found['level']})",
                ["alpha", "annotators", "judgements", "on items", "across", "difference"],
                rows,
            )
        )
        if found["reason"]:
            lines.append(f"No value for {name}: {found['reason']}.")
    if len(lines) == 2:
        lines.append("No judgement is of a kind that agreement is defined on.")
    return "\n\n".join(lines)


def _filtered(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    counts = figures["counts"]
    share = figures["quarantine_share"]
    lines = [
        "## Who was filtered out",
        f"Validation read {counts['read']:,} rows and quarantined {counts['quarantined']:,}"
        + ("." if share is None else f" ({share:.1%}).")
        + (
            ""
            if about["consent"] is None
            else f" {counts['without_consent']:,} judgements were left out for want of a live consent "
            f"for `{about['consent']['purpose']}`."
        ),
    ]
    several = {
        field: groups
        for field, groups in figures["filtered_out"].items()
        if sum(part is not None for part in groups.values()) > 1
    }
    for field, groups in several.items():
        rows = {name: ["-" if part is None else f"{part:.0%}"] for name, part in groups.items()}
        lines.append(_table(f"`{field}`", ["rows quarantined"], rows))
    if not figures["filtered_out"]:
        lines.append("By group of people: not recorded.")
    elif not several:
        lines.append("By group of people: of no question is more than one group published.")
    if figures.get("without_consent") is not None:
        lines += _missing(figures["without_consent"], about["k"])
    return "\n\n".join(lines)


def _missing(found: Mapping[str, Any], k: int | None) -> list[str]:
    """Who is missing because they did not agree."""
    if found["people"] == 0:
        return ["Nobody whose judgements were collected is missing for want of consent."]
    if found["people"] is None:
        few = "how many is not said" if k is None else f"fewer than {k:,}"
        return [f"People whose judgements were collected and who are missing for want of consent: {few}."]
    lines = [
        (
            "People whose judgements were collected and who are missing for want of consent: "
            f"{found['people']:,} or a few more. Numbers of people are rounded down to a multiple of {k:,}, and "
            "smaller groups are not named."
        )
    ]
    for field, groups in found["by"].items():
        rows = {name: ["-" if many is None else f"{many:,}"] for name, many in groups.items()}
        lines.append(_table(f"`{field}`", ["missing for want of consent"], rows))
    return lines


def _items(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    sources = about["sources"]
    rows = {f"{origin['origin']}": [origin["licence"], f"{origin['items']:,}"] for origin in sources["items"]}
    collected = {
        f"{part['site']}, {part['source']}": [f"{part['judgements']:,}"] for part in sources["judgements"]
    }
    per_item = figures["judgements_per_item"]
    return "\n\n".join(
        [
            "## Items and sources",
            _table("origin", ["licence", "items"], rows),
            _table("collected at", ["judgements"], collected),
            (
                f"Languages: {_counts(sources['languages'])}. Models that wrote the answers: "
                f"{', '.join(sources['models']) or NOT_RECORDED}. Judgements per item: {_number(per_item)}."
            ),
        ]
    )


def _from_the_data(figures: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, str]:
    """Answers that the data give by themselves."""
    counts, sources = figures["counts"], about["sources"]["judgements"]
    answers = {
        "platform": ", ".join(f"{part['source']} at {part['site']}" for part in sources) + ".",
        "quality": f"By the checks of the policy before the release: {counts['quarantined']:,} of {counts['read']:,} "
        "rows were quarantined; each with the rules it failed.",
        "disagreement": "It is kept: every judgement is released, none is outvoted; agreement is given within and "
        "across groups above.",
        "labels": "One row per judgement; a preference pair is one judgement that prefers one of two answers.",
        "updates": "A release never changes; a later one has another digest and other annotator ids.",
        "excluded_perspectives": "Quarantined rows (above by group, where recorded)"
        + (
            ". No state of consent was consulted."
            if about["consent"] is None
            else f" and {counts['without_consent']:,} judgements without live consent."
        ),
    }
    if figures["coverage"]:
        answers["perspectives"] = (
            f"The policy sets population targets for {', '.join(sorted(figures['coverage']))}; see the coverage above."
        )
    if about["consent"] is not None:
        answers["withdrawal"] = (
            "Yes: a judgement is released only under a consent that was live on the day of the release; a withdrawal "
            "keeps it out of every later one. This release, once handed out, cannot be called back."
        )
    return answers


def _questions(answers: Mapping[str, str]) -> str:
    lines = ["## Questions about the work"]
    lines += [f"**{question}** {answers.get(key) or NOT_RECORDED}" for key, question in QUESTIONS]
    return "\n\n".join(lines)


def _files(about: Mapping[str, Any]) -> str:
    rows = {
        f"`{name}`": [f"{entry['rows']:,}" if entry.get("rows") is not None else "-", f"`{entry['sha256']}`"]
        for name, entry in about["files"].items()
    }
    withheld = "\n".join(f"- `{name}`: {why}" for name, why in sorted(about["withheld"].items()))
    return "\n\n".join(
        [
            "## Files",
            _table("file", ["rows", "digest"], rows),
            "Withheld:\n\n" + withheld,
            f"Inputs: `{about['inputs_digest']}`. Annotator and judgement ids hold in this release only.",
        ]
    )


def _table(first: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    body = [line([name, *cells]) for name, cells in rows.items()]
    return "\n".join([line([first, *columns]), line(["---"] * (len(columns) + 1)), *body])


def _figure(found: Mapping[str, Any]) -> str:
    if found["alpha"] is None:
        return "-"
    if found["low"] is None or found["high"] is None:
        return _number(found["alpha"])
    return f"{found['alpha']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _rests_on(found: Mapping[str, Any]) -> list[str]:
    """Annotators, judgements, and the items with two of these judgements: only they have a part in alpha."""
    return [f"{found[name]:,}" for name in ("annotators", "judgements", "pairable_items")]


def _difference(group: Mapping[str, Any]) -> str:
    low, high = group.get("difference_simultaneous", (None, None))
    return _figure({"alpha": group["difference"], "low": low, "high": high})


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()) or "none"
