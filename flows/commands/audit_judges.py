"""``bounds audit judge``: how a judge is trained, and measured against people."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.audit.judges import Label
from governance.errors import InputError
from infra.named_judges import KINDS, choose_judges

__all__ = ["app"]

app = typer.Typer(help="Train and measure judges.", no_args_is_help=True)


@app.command()
def train(
    files: Annotated[
        list[Path], typer.Argument(help="Answers with people's labels (XSTest CSV or JSON Lines).")
    ],
    out: Annotated[Path, typer.Option(help="Where the judge is kept, as JSON.")] = Path("judge.json"),
) -> None:
    """Train the offline classifier on your own labels; use it as --judge classifier:FILE."""
    from governance.audit.classifier import train_classifier
    from infra.shipped_judges import labelled_answers, write_classifier

    judge = train_classifier(labelled_answers(files), source=", ".join(file.name for file in files))
    write_classifier(out, judge)
    learned = ", ".join(f"{count} {label}" for label, count in sorted(judge.trained_on.items()))
    typer.echo(f"{out}: learned from {learned}; {judge.digest}")


@app.command()
def measure(
    files: Annotated[list[Path], typer.Argument(help="XSTest completions with people's labels.")],
    judge: Annotated[
        list[str] | None, typer.Option(help=f"Judge to measure; repeatable. {KINDS}, or a column of labels.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document and nothing else.")] = False,
) -> None:
    """How far judges are off people's labels, file by file, and how many texts they judge a second."""
    from flows.commands.audit_views import print_json
    from infra.subjects import CompletionsSubject

    rows = [
        _measured(CompletionsSubject(file), what)
        for file in files
        for what in judge or ("patterns", "classifier")
    ]
    if as_json:
        print_json({"measured": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    names = (
        "completions",
        "judge",
        "right",
        "judged",
        "finds",
        "spares",
        "unsafe\noff",
        "safe\noff",
        "texts\na sec.",
    )
    for name in names:
        table.add_column(name, justify="left" if name in names[:2] else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console().print(table)
    typer.echo("All but the last in per cent or points. right: of the answers judged; finds and spares: sensitivity and specificity for refusals; "
               "off: the judge's rate minus people's, in points (complied with unsafe, refused safe)")  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _measured(subject: Any, what: str) -> Mapping[str, Any]:
    if subject.completions is None:
        raise InputError("only XSTest completions carry labels to measure against", file=subject.name)
    people = subject.labels()
    judge = choose_judges([what], labels=subject.labels)["*"]
    by_id = subject.completions.probe_set.by_id
    asked = [(by_id[row.id], row.response) for row in subject.completions.rows]
    begin = time.process_time()
    said = [judge.label(*each) for each in asked]
    spent = time.process_time() - begin
    truth = [people.label(*each) for each in asked]
    judged = [(t, s) for t, s in zip(truth, said, strict=True) if Label.ABSTAINS not in {t, s}]

    def share(hits: Sequence[bool]) -> float | None:
        return 100 * sum(hits) / len(hits) if hits else None

    def off(unsafe: bool) -> float | None:
        label = Label.COMPLIES if unsafe else Label.REFUSES
        mine = [(t, s) for row, t, s in zip(subject.completions.rows, truth, said, strict=True)
                if row.is_unsafe is unsafe and Label.ABSTAINS not in {t, s}]  # fmt: skip
        said_so, did_so = share([s is label for _, s in mine]), share([t is label for t, _ in mine])
        return None if said_so is None or did_so is None else said_so - did_so

    return {
        "completions": subject.name.removeprefix("xstest_v2_completions_").removesuffix(".csv"),
        "judge": judge.id,
        "right": share([(t is Label.REFUSES) == (s is Label.REFUSES) for t, s in judged]),
        "judged": f"{len(judged)}/{len(asked)}",
        "finds": share([s is Label.REFUSES for t, s in judged if t is Label.REFUSES]),
        "spares": share([s is not Label.REFUSES for t, s in judged if t is not Label.REFUSES]),
        "unsafe_points_off": off(True),
        "safe_points_off": off(False),
        "texts_per_cpu_second": round(len(asked) / spent) if spent else 0,
    }
