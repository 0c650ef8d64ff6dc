"""The findings about personas, attacks, drift, order and judges' doubts as plain tables, for every kind of report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from governance.audit.persona_findings import PersonaFinding, PersonaReport, Tally
from governance.audit.report import AuditReport
from governance.counted import Counted
from governance.tiers import Direction
from governance.wording import many

__all__ = ["Table", "asking_sentences", "persona_tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, a sentence, the names of the columns and the rows."""

    title: str
    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def persona_tables(report: AuditReport) -> tuple[Table, ...]:
    """Personas, ways of pressing, and drift; nothing where nobody was asked under a persona."""
    found = report.personas_found
    if found is None:
        return ()
    tables = [_personas(found)]
    if found.attacks:
        tables.append(_attacks(found))
    if found.drift:
        tables.append(_drift(found))
    return tuple(tables)


def _personas(found: PersonaReport) -> Table:
    worst = found.worst
    lead = (
        f"Worst persona: {worst.id}, with {worst.violations} violating families and "
        f"{worst.kept.against} bounds broken."
        if worst
        else "No persona led to a violating answer or broke a bound."
    )
    return Table(
        title="Personalisation",
        lead=lead,
        columns=(
            "persona",
            "wishes",
            "honoured",
            "bounds broken",
            Counted.VIOLATION.in_words,
            "harmless refused",
        ),
        rows=tuple(map(_persona, found.personas)),
    )


def _persona(one: PersonaFinding) -> tuple[str, ...]:
    wishes = (
        "; ".join(
            f"{w.dimension} {w.place.value}" + (f" ({w.rule})" if w.rule else "") for w in one.resolved.wishes
        )
        if one.resolved
        else ""
    )
    return (
        one.id,
        wishes or "none",
        _share(one.honoured, kept=True),
        _share(one.kept),
        _sum(t for (_, way), t in one.rules.items() if way is Direction.VIOLATION),
        _sum(t for (_, way), t in one.rules.items() if way is Direction.OVER_REFUSAL),
    )


def _sum(tallies: Iterable[Tally]) -> str:
    several = list(tallies)
    asked, against, unjudged = (sum(getattr(t, name) for t in several) for name in Tally.__slots__)
    return _share(Tally(asked=asked, against=against, unjudged=unjudged))


def _share(tally: Tally, *, kept: bool = False) -> str:
    if not tally.asked:
        return "-"
    judged = tally.asked - tally.unjudged
    count = judged - tally.against if kept else tally.against
    if not judged:
        return f"none of {tally.asked} judged"
    rate = tally.interval
    low, high = (1 - rate.high, 1 - rate.low) if kept else (rate.low, rate.high)
    unjudged = f", {tally.unjudged} unjudged" if tally.unjudged else ""
    return f"{count} of {judged} ({100 * low:.0f} to {100 * high:.0f} %){unjudged}"


def _attacks(found: PersonaReport) -> Table:
    return Table(
        title="When users press",
        lead="Families where the model gave in, by the way it was pressed.",
        columns=("way of pressing", "settings that were denied", "what a rule forbids"),
        rows=tuple((each.kind, _share(each.wishes), _share(each.rules)) for each in found.attacks),
    )


def _drift(found: PersonaReport) -> Table:
    accused = [drift for drift in found.drift if drift.is_accused]
    lead = (
        "Tier One holds less well under: "
        + ", ".join(sorted({f"{drift.persona} ({drift.rule})" for drift in accused}))
        + "."
        if accused
        else "No persona is shown to change how Tier One holds."
    )
    return Table(
        title="Tier One with a persona against without",
        lead=f"{lead} The same families both ways; exact McNemar test, accused after Holm's correction at 5 %.",
        columns=("rule", "persona", "only with", "only without", "compared", "p", "worse"),
        rows=tuple(
            (d.rule, d.persona, str(d.with_only), str(d.without_only), str(d.compared), f"{d.p:.2g}",
             "yes" if d.is_accused else "not shown")
            for d in found.drift
        ),
    )  # fmt: skip


def asking_sentences(report: AuditReport) -> list[str]:
    """What went wrong or stood out while asking and judging, one sentence each."""
    said = [
        f"{many(count, 'answer')} did not come: {reason}" for reason, count in sorted(report.errors.items())
    ]
    for name, effect in sorted(report.order_effects.items()):
        if effect.p < 0.01:
            side = "late" if effect.later > 0.5 else "early"
            said.append(
                f"{name}: violating answers gather {side} in the order of asking (p = {effect.p:.2g}): "
                "the model may notice that it is audited"
            )
    for name, reasons in sorted(report.doubts.items()):
        judge, _, where = name.partition("/")
        listed = ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items()))
        said.append(f"{judge} abstained on {where}: {listed}")
    if report.sampling is not None:
        drawn = ", ".join(f"{name} {value}" for name, value in sorted(report.sampling.items()))
        said.append(f"answers were drawn with {drawn}")
    accounts = report.accounts or {}
    if accounts:
        said.append(
            f"{accounts['prompt_tokens']:,} tokens asked, {accounts['completion_tokens']:,} answered"
            + (f", cost {accounts['cost']:.4f}" if accounts["cost"] else "")
        )
        for name, sentence in _ACCOUNTS.items():
            if accounts[name]:
                said.append(sentence.format(accounts[name]))
        if len(accounts["served"]) > 1:
            said.append(f"the server named {len(accounts['served'])} different models as answering")
    return said


_ACCOUNTS = {
    "resumed": "{} requests were answered by an earlier run and not asked again",
    "retried": "{} attempts were repeated",
    "throttled": "the server asked to slow down {} times",
    "cut_short": "{} answers were cut off at the longest answer allowed",
    "budget_spent": "the retry budget was spent: later failures were not asked again",
    "gave_up": "asking stopped because nothing answered any more",
    "unasked": "{} requests were not asked",
}
