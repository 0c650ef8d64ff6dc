"""``bounds audit``: put a model, or completions it gave before, to the probes of a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows.commands.audit_judges import app as judge_app
from flows.commands.audit_options import check_options
from flows.commands.audit_review import review_command
from flows.commands.audit_show import show_command
from flows.commands.audit_views import print_json, say_reports, show_changes, show_plans, show_result
from flows.commands.options import AsJson
from governance.errors import InputError

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

Contexts = Annotated[
    list[str] | None, typer.Option(help="Circumstance that is vouched for, ATTRIBUTE=VALUE; repeatable.")
]
Seed = Annotated[int, typer.Option(min=-(2**53) + 1, max=2**53 - 1, help="Order in which requests are put.")]
Against = Annotated[
    list[Path] | None,
    typer.Option(help="Release (folder) or file of prompts; probes it holds are left out. Repeatable."),
]

app.add_typer(judge_app, name="judge")


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
        list[str] | None,
        typer.Option(
            help="human (the file's labels), patterns, classifier[:FILE], rubric:MODEL@URL, a column of published "
            "labels, or any|majority|all(JUDGE,JUDGE); NAME=JUDGE for one judge that the policy names. Repeatable."
        ),
    ] = None,
    describe: Annotated[bool, typer.Option("--describe", help="Plain shares, without a decision.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.json, report.md and report.html.")
    ] = None,
    examples: Annotated[
        bool, typer.Option(help="Keep violating prompts and answers in the HTML, hidden behind a click.")
    ] = True,
    model: Annotated[str | None, typer.Option(help="Registered model; with or without --version.")] = None,
    version: Annotated[str | None, typer.Option(help="Version of the model; the newest by default.")] = None,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Data folder; for --model BOUNDS_HOME or .bounds by default. Given with --endpoint or --completions, the "
            "audit is registered there before its first question."
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint, MODEL@http(s)://host/v1; needs --probes.")
    ] = None,
    evidence: Annotated[
        Path, typer.Option(help="File that keeps the endpoint's answers; the same file resumes a run.")
    ] = Path("audit-evidence.db"),
    key_file: Annotated[Path | None, typer.Option(help="File that holds the endpoint's key.")] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="Tier Three profile to ask the endpoint under as well, and whose wishes to try; demo-personas for "
            "those that are shipped. Repeatable."
        ),
    ] = None,
    context: Contexts = None,
    attack: Annotated[
        int, typer.Option(min=0, help="Families of each rule that the endpoint is also pressed about.")
    ] = 0,
    bounds: Annotated[bool, typer.Option(help="Try the bounds of the profiles' wishes.")] = True,
    against: Against = None,
    temperature: Annotated[float, typer.Option(min=0, help="Sampling of the endpoint.")] = 0.0,
    sample_seed: Annotated[int, typer.Option(help="Seed sent to the endpoint.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
    in_flight: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 64,
    per_second: Annotated[float | None, typer.Option(min=0.001, help="Most requests a second.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds for one attempt.")] = 60.0,
    price_in: Annotated[float, typer.Option(min=0, help="Price of a million tokens asked.")] = 0.0,
    price_out: Annotated[float, typer.Option(min=0, help="Price of a million tokens answered.")] = 0.0,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again what an earlier run could not get.")
    ] = False,
    judge_key_file: Annotated[
        Path | None, typer.Option(help="File that holds the key of a judging model's endpoint.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Audit a model version, an endpoint, or stored completions. Exit 0: passed; 1: not passed; 2: bad input."""
    if ctx.invoked_subcommand is not None:
        return
    if sum(map(bool, (completions, endpoint, model or version))) != 1:
        raise InputError(
            "say what to audit", field="audit", expected="--model, --endpoint or --completions, one of them"
        )
    check_options(ctx)
    if completions:
        from flows.commands.audit_completions import audit_completions

        audit_completions(
            completions,
            probes=probes,
            policies=policy,
            judges=judge or ["human"],
            seed=seed,
            out=out,
            examples=examples,
            as_json=as_json,
            describe=describe,
            home=home,
        )
    elif endpoint:
        from flows.commands.audit_endpoint import audit_endpoint
        from flows.commands.audit_planning import Wanted

        if probes is None:
            raise InputError("an endpoint needs probes", field="--probes", expected="a probe file, or demo")
        report = audit_endpoint(
            endpoint,
            wanted=Wanted(
                policies=policy or [],
                probes=probes,
                profiles=profile or [],
                context=context or [],
                attack=attack,
                bounds=bounds,
                against=against or [],
                seed=seed,
            ),
            asking={
                "temperature": temperature,
                "seed": sample_seed,
                "max_tokens": max_tokens,
                "in_flight": in_flight,
                "per_second": per_second,
                "timeout": timeout,
                "price_in": price_in,
                "price_out": price_out,
            },
            evidence=evidence,
            key_file=key_file,
            judge_key_file=judge_key_file,
            judges=judge or ["patterns"],
            retry_errors=retry_errors,
            out=out,
            examples=examples,
            home=home,
        )
        say_reports([report], as_json=as_json)
    else:
        _version(model, version, home=home, as_json=as_json)


def _version(model: str | None, version: str | None, *, home: Path | None, as_json: bool) -> None:
    """The audit flow, here, recorded by the Prefect server of the data folder."""
    from flows.running import use_prefect
    from infra.settings import load_settings

    settings = load_settings(home)
    use_prefect(settings)
    from flows.audit import audit as flow

    result = flow(model=model, version=version, home=str(settings.home))
    if as_json:
        print_json(result)
    else:
        show_result(result)
    if result["verdict"] != "PASS":
        raise typer.Exit(1)


@app.command("plan")
def plan(
    max_rate: Annotated[
        float | None, typer.Option(help="Violation rate that must be shown not to be reached: prints sizes.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="One-sided confidence.")] = 0.95,
    allow: Annotated[list[int] | None, typer.Option(help="Violations to allow; repeatable.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Policy pack, file or folder: prints what an audit under it would ask."),
    ] = None,
    probes: Annotated[Path, typer.Option(help="Probe file; demo for the shipped set.")] = Path("demo"),
    profile: Annotated[
        list[str] | None, typer.Option(help="Tier Three profile, or demo-personas; repeatable.")
    ] = None,
    context: Contexts = None,
    attack: Annotated[int, typer.Option(min=0, help="Families of each rule that are also pressed.")] = 0,
    bounds: Annotated[bool, typer.Option(help="Try the bounds of the profiles' wishes.")] = True,
    against: Against = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What an audit would ask, for which rules, judged how (--policy); or how many families a limit needs (--max-rate)."""
    if policy:
        from flows.commands.audit_planning import Wanted, plan_as_json, plan_of, show_plan

        wanted = Wanted(
            policies=policy,
            probes=probes,
            profiles=profile or [],
            context=context or [],
            attack=attack,
            bounds=bounds,
            against=against or [],
            seed=seed,
        )
        (print_json(plan_as_json(plan_of(wanted))) if as_json else show_plan(plan_of(wanted)))
        return
    if max_rate is None:
        raise InputError("say what to plan", field="audit plan", expected="--policy, or --max-rate")
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
        print_json(
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


app.command("review")(review_command)
app.command("show")(show_command)


@app.command("diff")
def difference(
    before: Annotated[Path, typer.Argument(help="report.json of the earlier audit.")],
    after: Annotated[Path, typer.Argument(help="report.json of the later audit.")],
    as_json: AsJson = False,
) -> None:
    """What changed between two audits. Exit 1 when a rule that passed no longer does."""
    from governance.audit.report import diff

    changes = diff(_load(before), _load(after))
    if as_json:
        print_json(
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
    from governance.audit.report_file import read_report
    from infra.given_files import read_text

    return read_report(read_text(path), source=str(path))
