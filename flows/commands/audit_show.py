"""``bounds audit show``: one probe of an audit again, what was asked, what came, how it was ruled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.errors import InputError

if TYPE_CHECKING:
    from governance.audit.probes import Probe
    from governance.audit.responses import Response

__all__ = ["show_command"]


def show_command(
    probe: Annotated[str, typer.Argument(help="Id of the probe.")],
    folder: Annotated[Path, typer.Option("--audit", help="Folder that `bounds audit --out` wrote.")],
    persona: Annotated[str | None, typer.Option(help="Only under this persona.")] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(help="Judges to put the answer to again; patterns by default; repeatable."),
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the prompt and the answers; they may hold harmful text.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else.")
    ] = False,
) -> None:
    """Replay one probe: its rules and family, each answer, and what judges say of it now. Texts only with --reveal."""
    from flows.commands.audit_folder import answers_in, report_in
    from flows.commands.audit_views import print_json
    from infra.audit_files import PROBES
    from infra.named_judges import choose_judges
    from infra.subjects import read_probes

    report = report_in(folder)
    probes = read_probes(folder / PROBES).by_id
    if probe not in probes:
        near = [name for name in probes if probe in name or name.startswith(probe.rsplit(".", 1)[0])][:5]
        raise InputError(
            "no such probe in this audit",
            file=str(folder),
            field="probe",
            value=probe,
            expected=", ".join(near) or f"one of {len(probes)} ids of {PROBES}",
        )
    answers = [
        answer
        for key, answer in sorted(answers_in(folder, report).items())
        if key[0] == probe and persona in {None, key[1]}
    ]
    judges = {name: choose_judges([name])["*"] for name in judge or ["patterns"]}
    found = _found(probes[probe], answers, judges, report, reveal=reveal)
    if as_json:
        print_json(found)
    else:
        _show(found)


def _found(
    probe: Probe,
    answers: list[Response],
    judges: Mapping[str, Any],
    report: Mapping[str, Any],
    *,
    reveal: bool,
) -> dict[str, Any]:
    from governance.audit.judges import CellJudge, outcome

    violated: dict[tuple[str, str], list[str]] = {}
    for finding in report["findings"]:
        for ruling in finding["violating"]:
            if ruling["probe"] == probe.id:
                violated.setdefault((ruling["persona"], ruling["answer"]), []).append(finding["rule"])
    rows = []
    for answer in answers:
        said = {}
        for name, judge in judges.items():
            if isinstance(judge, CellJudge):
                said[name] = "needs its whole cell"
            else:
                label = judge.label(probe, answer)
                said[name] = f"{label.value} ({outcome(probe, label).value})"
        rows.append(
            {
                "persona": answer.persona,
                "answer": answer.digest,
                "breaks": violated.get((answer.persona, answer.digest), []),
                "judges_now": said,
                **({"earlier": list(answer.earlier), "text": answer.text} if reveal else {}),
            }
        )
    return {
        "probe": probe.id,
        "family": probe.family,
        "group": probe.group,
        "expectation": probe.expectation.value,
        "rules": sorted(probe.rules),
        "hazards": sorted(probe.hazards),
        "sha256": probe.sha256,
        "subject": report["subject"]["name"],
        "audit": report["digest"],
        **({"turns": [{"role": turn.role, "text": turn.text} for turn in probe.turns]} if reveal else {}),
        "answers": rows,
    }


def _show(found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"[b]{escape(found['probe'])}[/b]  family {escape(found['family'])}, expected to {found['expectation']}"
    )
    console.print(
        f"  tries {escape(', '.join([*found['rules'], *found['hazards']]))}  [dim]{found['sha256']}[/dim]"
    )
    console.print(f"  {escape(found['subject'])}, audit [dim]{found['audit']}[/dim]")
    for turn in found.get("turns", ()):
        console.print(f"  {turn['role']}: {escape(turn['text'])}")
    if not found["answers"]:
        console.print("  [yellow]no answer[/yellow]")
    for row in found["answers"]:
        word = (
            f"[red]breaks {escape(', '.join(row['breaks']))}[/red]"
            if row["breaks"]
            else "breaks nothing it was judged for"
        )
        console.print(f"  persona {escape(row['persona'])}: {word}  [dim]{row['answer']}[/dim]")
        for name, said in row["judges_now"].items():
            console.print(f"    {escape(name)} says now: {escape(said)}")
        for text in (*row.get("earlier", ()), row.get("text")):
            if text is not None:
                console.print(f"    {escape(text)}")
    if "turns" not in found:
        console.print(
            "  [dim]--reveal prints the prompt and the answers; they may hold harmful or upsetting text[/dim]"
        )
