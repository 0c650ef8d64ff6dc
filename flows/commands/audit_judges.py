"""``--judge`` of ``bounds audit``, and ``bounds audit judge``: which judge speaks, how one is trained and measured.

A judge is named ``human`` (labels of the completions file), ``patterns``, ``classifier``, ``classifier:FILE``,
``rubric:MODEL@URL``, a column of published labels, or several by a rule: ``any(a,b)``, ``majority(a,b,c)``,
``all(a,b)``. ``NAME=JUDGE`` is the judge of the rules whose policy names it so; without a name it is for all.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from governance.audit.judges import Judge, Label
from governance.errors import InputError

__all__ = ["app", "choose_judges"]

_TOGETHER: Final = re.compile(r"(any|majority|all)\((.+)\)", re.DOTALL)
_KINDS: Final = "human, patterns, classifier[:FILE], rubric:MODEL@URL, any|majority|all(JUDGE,JUDGE…)"

app = typer.Typer(help="Train and measure judges.", no_args_is_help=True)


def choose_judges(
    specs: Sequence[str],
    *,
    labels: Callable[[str], Judge] | None = None,
    evidence: Path | None = None,
    key: str | None = None,
) -> dict[str, Judge]:
    """The judges by the id that policies name; ``*`` stands for every other.

    Args:
        specs: As on the command line.
        labels: Labels that the audited file carries, by column; None where it carries none.
        evidence: File that keeps the replies of a judging model.
        key: Key for a judging model's endpoint.

    Raises:
        InputError: A judge that is not known, or named twice.
    """
    chosen: dict[str, Judge] = {}
    for spec in specs:
        name, given, what = spec.partition("=")
        if not given or not re.fullmatch(r"[a-z0-9-]+|\*", name):
            name, what = "*", spec
        if name in chosen:
            raise InputError(
                f"two judges for {name}", field="--judge", value=spec, expected="one for each name"
            )
        chosen[name] = _judge(what, labels, evidence, key)
    return chosen


def _judge(what: str, labels: Callable[[str], Judge] | None, evidence: Path | None, key: str | None) -> Judge:
    if together := _TOGETHER.fullmatch(what):
        from governance.audit.ensembles import Ensemble, Rule

        members = tuple(_judge(each.strip(), labels, evidence, key) for each in _split(together[2]))
        return Ensemble(rule=Rule(together[1]), members=members)
    kind, _, rest = what.partition(":")
    if what == "patterns":
        from governance.audit.judges import RefusalPatterns

        return RefusalPatterns()
    if kind == "classifier":
        from infra.shipped_judges import read_classifier, shipped_classifier

        return read_classifier(Path(rest)) if rest else shipped_classifier()
    if kind == "rubric":
        return _rubric(rest, evidence, key)
    if labels is not None:
        return labels(what)
    raise InputError("no such judge", field="--judge", value=what, expected=_KINDS)


def _rubric(named: str, evidence: Path | None, key: str | None) -> Judge:
    from infra.asking import Endpoint
    from infra.rubric import RubricJudge

    model, _, url = named.partition("@")
    if not model or not url:
        raise InputError("not rubric:MODEL@URL", field="--judge", value=f"rubric:{named}", expected=_KINDS)
    return RubricJudge(
        endpoint=Endpoint(url=url, model=model, key=key), evidence=evidence or Path("audit-evidence.db")
    )


def _split(text: str) -> list[str]:
    """The members of a list, at commas outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


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
        list[str] | None, typer.Option(help=f"Judge to measure; repeatable. {_KINDS}, or a column of labels.")
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

    table = Table(box=None, pad_edge=False)
    for name in (
        "completions",
        "judge",
        "right",
        "judged",
        "finds",
        "spares",
        "unsafe off",
        "safe off",
        "texts/s",
    ):
        table.add_column(
            name, justify="left" if name in {"completions", "judge"} else "right", overflow="fold"
        )
    for row in rows:
        table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    typer.echo("All but the last in per cent or points. right: of the answers judged; finds and spares: sensitivity and specificity for refusals; "
               "off: the judge's rate minus people's, in points (complied with unsafe, refused safe)")  # fmt: skip


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

    def share(hits: Sequence[bool]) -> float:
        return 100 * sum(hits) / len(hits) if hits else float("nan")

    def off(unsafe: bool) -> float:
        label = Label.COMPLIES if unsafe else Label.REFUSES
        mine = [(t, s) for row, t, s in zip(subject.completions.rows, truth, said, strict=True)
                if row.is_unsafe is unsafe and Label.ABSTAINS not in {t, s}]  # fmt: skip
        return share([s is label for _, s in mine]) - share([t is label for t, _ in mine])

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
