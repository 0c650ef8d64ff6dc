"""``bounds audit``: put a model, or completions it gave before, to the probes of a policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flows.commands.audit_views import show_changes, show_plans, show_report, show_shares
from governance.errors import InputError

if TYPE_CHECKING:
    from governance.audit.judges import Judge
    from governance.audit.report import AuditReport
    from governance.policy.model import EffectivePolicy
    from infra.subjects import CompletionsSubject

__all__ = ["app"]


class _ManyFiles(TyperGroup):
    """Lets ``--completions`` take several files at once: ``--completions A B C``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spread: list[str] = []
        following = False
        for arg in args:
            if (
                following
                and not arg.startswith("-")
                and spread[-1] != "--completions"
                and arg not in self.commands
            ):
                spread.append("--completions")
            elif arg.startswith("-"):
                following = arg == "--completions"
            spread.append(arg)
        parsed: list[str] = super().parse_args(ctx, spread)
        return parsed


app = typer.Typer(
    cls=_ManyFiles,
    help="Put a model to the probes of the policy in force.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@app.callback()
def audit(
    ctx: typer.Context,
    completions: Annotated[
        list[Path] | None,
        typer.Option(help="File of stored completions (XSTest CSV, or JSON Lines); several may follow."),
    ] = None,
    probes: Annotated[
        Path | None, typer.Option(help="Probe file; without it an XSTest file brings its own probes.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Policy pack by name, or file or folder; repeatable. Limits come from it alone."),
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            help="human (the file's labels), patterns (grade C), or a column of published labels (grade C)."
        ),
    ] = "human",
    describe: Annotated[bool, typer.Option("--describe", help="Plain shares, without a decision.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.json, report.md and report.html.")
    ] = None,
    examples: Annotated[
        bool, typer.Option(help="Keep violating prompts and answers in the HTML, hidden behind a click.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Order in which requests are put.")] = 0,
    as_json: Json = False,
) -> None:
    """Audit stored completions. Exit 0: all passed; 1: not passed; 2: bad input."""
    if ctx.invoked_subcommand is not None:
        return
    if not completions:
        raise InputError(
            "nothing to audit", field="--completions", expected="one or more files of completions"
        )
    from infra.subjects import CompletionsSubject

    subjects = [CompletionsSubject(path) for path in completions]
    if describe:
        _describe(subjects, judge, as_json=as_json)
        return
    reports = [
        _audit(subject, policies=policy or ["xstest"], probes=probes, judge=judge, seed=seed, out=out, examples=examples,
               alone=len(subjects) == 1)
        for subject in subjects
    ]  # fmt: skip
    if as_json:
        _print_json({"reports": [report.as_json() for report in reports]})
    else:
        for report in reports:
            show_report(report)
    if not all(reports):
        raise typer.Exit(1)


def _audit(
    subject: CompletionsSubject,
    *,
    policies: Sequence[str],
    probes: Path | None,
    judge: str,
    seed: int,
    out: Path | None,
    examples: bool,
    alone: bool,
) -> AuditReport:
    from governance.audit.judges import RefusalPatterns
    from governance.audit.plan import make_plan
    from governance.audit.run import run_audit
    from infra.subjects import read_probes

    if probes is not None:
        probe_set = read_probes(probes)
    elif subject.completions is not None:
        probe_set = subject.completions.probe_set
    else:
        raise InputError("stored responses need their probes", field="--probes", expected="a probe file")
    plan = make_plan(_policy(policies), probe_set, seed=seed)
    chosen = _judge(subject, judge)
    report = run_audit(subject, plan, {"*": chosen}, compare=(RefusalPatterns(),))
    if out is not None:
        from infra.audit_files import write_report

        folder = out if alone else out / subject.path.stem
        write_report(folder, report, plan=plan, responses=subject.respond(()), examples=examples)
    return report


def _policy(policies: Sequence[str]) -> EffectivePolicy:
    from datetime import UTC, datetime

    from governance.policy.compose import compose
    from infra.policy_files import load_all

    return compose(load_all(policies), at=datetime.now(UTC))


def _judge(subject: CompletionsSubject, name: str) -> Judge:
    from governance.audit.judges import RefusalPatterns

    if name == "patterns":
        return RefusalPatterns()
    return subject.labels() if name == "human" else subject.labels(name)


def _describe(subjects: Sequence[CompletionsSubject], judge: str, *, as_json: bool) -> None:
    from governance.audit.published import describe

    column = "final_label" if judge == "human" else judge
    shares = []
    for subject in subjects:
        if subject.completions is None:
            raise InputError(
                "only XSTest completions can be described", file=subject.name, expected="an XSTest CSV"
            )
        shares.append(describe(subject.completions, column=column))
    if as_json:
        _print_json(
            {
                "descriptions": [
                    {
                        "file": share.name,
                        "labels": share.column,
                        "unsafe": {"prompts": share.unsafe, "full_compliance": share.complied,
                                   "partial_refusal": share.unsafe_partial, "rate": share.compliance_with_unsafe},
                        "safe": {"prompts": share.safe, "full_refusal": share.refused,
                                 "partial_refusal": share.safe_partial, "rate": share.refusal_of_safe},
                        "unlabelled": share.unlabelled,
                    }
                    for share in shares
                ]
            }
        )  # fmt: skip
        return
    show_shares(shares)


@app.command("plan")
def plan(
    max_rate: Annotated[float, typer.Option(help="Violation rate that must be shown not to be reached.")],
    confidence: Annotated[float, typer.Option(help="One-sided confidence.")] = 0.95,
    allow: Annotated[list[int] | None, typer.Option(help="Violations to allow; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """How many prompt families a test needs, and how often a model of a given true rate passes it."""
    from governance.audit.evalue import families_for_clean_pass
    from governance.audit.statistics import FixedPlan, plan_size

    try:
        plans = [
            FixedPlan(
                families=plan_size(max_rate, confidence=confidence, allow=count),
                allow=count,
                max_rate=max_rate,
                confidence=confidence,
            )
            for count in (allow or [0, 1, 2, 3, 5])
        ]
    except ValueError as error:
        raise InputError(str(error), field="--max-rate, --confidence or --allow") from error
    shares = (0.1, 0.2, 0.5, 0.8)
    anytime = families_for_clean_pass(max_rate, confidence=confidence)
    if as_json:
        _print_json(
            {
                "max_rate": max_rate,
                "confidence": confidence,
                "plans": [
                    {
                        "allow": one.allow,
                        "families": one.families,
                        "power": {
                            f"{share:g}": round(float(one.power(share * max_rate)), 6) for share in shares
                        },
                    }
                    for one in plans
                ],
                "anytime_clean": anytime,
            }
        )
        return
    show_plans(plans, anytime=anytime, shares=shares)


@app.command("diff")
def difference(
    before: Annotated[Path, typer.Argument(help="report.json of the earlier audit.")],
    after: Annotated[Path, typer.Argument(help="report.json of the later audit.")],
    as_json: Json = False,
) -> None:
    """What changed between two audits. Exit 1 when a rule that passed no longer does."""
    from governance.audit.report import diff

    changes = diff(_load(before), _load(after))
    if as_json:
        _print_json(
            {
                "changes": [
                    {"rule": c.rule, "direction": c.direction, "before": c.before, "after": c.after}
                    for c in changes
                ]
            }
        )
    else:
        show_changes(changes)
    if any(c.is_lost for c in changes):
        raise typer.Exit(1)


def _load(path: Path) -> Any:
    from infra.subjects import read_text

    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"not JSON: {error}", file=str(path)) from error
    if not isinstance(value, dict):
        raise InputError("not a report", file=str(path), expected="an object")
    return value["reports"][0] if isinstance(value.get("reports"), list) and value["reports"] else value


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
