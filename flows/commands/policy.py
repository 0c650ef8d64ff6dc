"""``bounds policy``: check, diff, resolve, explain, test, show, pin policies; which risks they cover."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import AsJson
from governance.errors import InputError

if TYPE_CHECKING:
    from governance.policy.document import PolicyDocument
    from governance.policy.model import EffectivePolicy

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Check, diff, resolve, explain and test policies.")

Paths = Annotated[
    list[str], typer.Argument(help="Files, folders, or names of shipped packs.", metavar="PATH…")
]
Places = Annotated[
    list[str] | None, typer.Option("--jurisdiction", "-j", help="ISO 3166 code or EU; none: every overlay.")
]
Application = Annotated[str | None, typer.Option("--application", "-a", help="Id of the application.")]
At = Annotated[str | None, typer.Option("--at", help="Instant to compose for, 2026-12-02; none: now.")]
Policy = Annotated[
    list[str], typer.Option("--policy", "-p", help="Files, folders or packs; may be repeated.")
]
Circumstances = Annotated[
    list[str] | None, typer.Option("--context", "-c", help="What is known: age_band=adult; may be repeated.")
]


@app.command()
def check(
    paths: Paths,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find conflicts and weaknesses of a stack before it is used; exit 1 on an error."""
    from governance.policy.conflicts import check as check_stack
    from governance.policy.places import check_place

    try:  # what was asked for is no weakness of the stack
        for place in jurisdiction or ():
            check_place(place)
    except ValueError as error:
        raise InputError(str(error), field="--jurisdiction") from error
    report = check_stack(
        _documents(paths), at=_instant(at), jurisdictions=jurisdiction or None, application=application
    )
    if as_json:
        _print_json(report.as_json())
    else:
        from flows.commands import policy_views

        policy_views.print_check(report)
    if not report or (strict and report.warnings):
        raise typer.Exit(1)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="The version before: a file, folder or pack.")],
    new: Annotated[str, typer.Argument(help="The version now.")],
    beside: Annotated[
        list[str] | None,
        typer.Option("--with", help="Compare both inside this stack: files, folders or packs."),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="Exit 1 on tightened, loosened, added, removed, changed or any."),
    ] = None,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed in meaning, each change with an example; a reformatted file has no difference."""
    from governance.policy.diff import Direction
    from governance.policy.diff import diff as compare

    kinds = [*Direction] if "any" in (fail_on or []) else [_direction(word) for word in fail_on or []]
    before, after = _documents([old]), _documents([new])
    if len(before) == len(after) == 1 and not beside:
        found = compare(before[0], after[0])
    else:
        stack = _documents(beside or [])
        names = {document.id for document in (*before, *after)}
        rest = [document for document in stack if document.id not in names]
        composed = [_compose([*rest, *side], jurisdiction, application, at) for side in (before, after)]
        found = compare(*composed)
    if as_json:
        _print_json(found.as_json())
    else:
        from flows.commands import policy_views

        policy_views.print_diff(found)
    if any(found.of(kind) for kind in kinds):
        raise typer.Exit(1)


@app.command()
def resolve(
    profile: Annotated[
        str | None, typer.Argument(help="Tier Three file (YAML or JSON); none: the defaults.")
    ] = None,
    policy: Policy = ["demo"],  # noqa: B006 - typer copies it
    wish: Annotated[
        list[str] | None, typer.Option("--wish", "-w", help="A wish: tone=playful; may be repeated.")
    ] = None,
    context: Circumstances = None,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    prompt: Annotated[bool, typer.Option("--prompt", help="Print the system-prompt fragment only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is in force for a person: settings, what was denied or clipped, and by whom."""
    from governance.policy.resolve import resolve as settle

    effective = _compose(_documents(policy), jurisdiction, application, at)
    answer = settle(effective, _profile(profile, wish), context=_circumstances(context, effective))
    if as_json:
        _print_json(answer.as_json())
    elif prompt:
        typer.echo(answer.as_prompt(), nl=False)
    else:
        from flows.commands import policy_views

        policy_views.print_resolution(answer)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Id of a rule, or dimension.NAME.")],
    policy: Policy = ["demo"],  # noqa: B006 - typer copies it
    profile: Annotated[
        str | None, typer.Option("--for", help="Tier Three file whose wishes to look at.")
    ] = None,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Say who set a rule, why, since when, what it overrides, and how it is audited."""
    from governance.policy.explain import explain as tell

    effective = _compose(_documents(policy), jurisdiction, application, at)
    shown = tell(effective, rule, profile=None if profile is None else _profile(profile, None))
    if as_json:
        _print_json(shown)
    else:
        from flows.commands import policy_views

        policy_views.print_map(shown)


@app.command("test")
def try_cases(
    folder: Annotated[Path, typer.Argument(help="Folder with allow/ and deny/.")],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", help="Files, folders or packs; none: the policies in the folder."),
    ] = None,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Run the cases kept beside policies; exit 1 when one does not come out as its name says."""
    from governance.policy.cases import rule_coverage, run_case
    from infra.policy_files import load_cases

    cases = load_cases(folder)
    if not cases:
        raise InputError("no cases", file=str(folder), expected="files in folders named allow and deny")
    documents = _documents(policy or [str(folder)])
    standard = _compose(documents, jurisdiction, application, at)
    results = []
    for case in cases:
        own = case.jurisdictions or case.application or case.at
        effective = standard
        if own:
            effective = _compose(
                documents,
                case.jurisdictions or jurisdiction,
                case.application or application,
                case.at.isoformat() if case.at else at,
            )
        results.append(run_case(case, effective))
    covered = rule_coverage(standard, results)
    if as_json:
        _print_json(
            {
                "policy": standard.digest,
                "passed": all(results),
                "cases": [result.as_json() for result in results],
                "rules": {rule: list(sentences) for rule, sentences in covered.items()},
                "uncovered": [rule for rule, sentences in covered.items() if not sentences],
            }
        )
    else:
        from flows.commands import policy_views

        policy_views.print_cases(results, covered)
    if not all(results):
        raise typer.Exit(1)


@app.command()
def coverage(
    paths: Paths,
    probes: Annotated[
        Path | None, typer.Option(help="Probe set that is to try the rules.", show_default="the shipped one")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Show which codes of the risk taxonomy have rules, which of them are really tried by probes, and which have neither."""
    from governance import taxonomy
    from infra.demo_files import demo_probes
    from infra.subjects import read_probes

    probe_set = demo_probes() if probes is None else read_probes(probes)

    effective = _compose(_documents(paths), None, None, at)
    audited: dict[str, tuple[str, ...]] = {}
    for rule in effective.rules:
        # What a rule asks to be tried by counts only where the set holds such probes.
        families = {probe.family for probe in probe_set.probes if probe.tries(rule.id, rule.probes)}
        if families:
            audited[f"{rule.id} by {len(families)} families"] = rule.risks
    rows = taxonomy.coverage(((rule.id, rule.risks) for rule in effective.rules), audited.items())
    if as_json:
        _print_json(
            {
                "policy": effective.digest,
                "codes": [
                    {
                        "code": row.entry.code,
                        "name": row.entry.name,
                        "effect": row.entry.effect,
                        "verified": row.entry.verified,
                        "rules": list(row.rules),
                        "probes": list(row.probes),
                    }
                    for row in rows
                ],
                "uncovered": [
                    row.entry.code for row in rows if row.entry.effect == "risk" and not row.is_covered
                ],
            }
        )
    else:
        from flows.commands import policy_views

        policy_views.print_coverage(rows)


@app.command()
def show(
    paths: Paths,
    jurisdiction: Places = None,
    application: Application = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Show what a stack puts in force, with the digest of each document."""
    documents = _documents(paths)
    if any(document.tier == 1 for document in documents):
        effective = _compose(documents, jurisdiction, application, at)
        shown = effective.as_json()
    else:
        from governance.policy.document import canonical_form, document_digest

        shown = {"documents": [canonical_form(d) | {"digest": document_digest(d)} for d in documents]}
    if as_json:
        _print_json(shown)
    else:
        from flows.commands import policy_views

        policy_views.print_stack(shown)


@app.command()
def pin(
    file: Annotated[str, typer.Argument(help="The document whose `extends` to bring up to date.")],
    beside: Annotated[
        list[str],
        typer.Option("--with", help="The stack that holds what it extends: files, folders or packs."),
    ],
    as_json: AsJson = False,
) -> None:
    """Rewrite the digests in a document's `extends` in place; the rest of the file stays as it is."""
    from infra.policy_files import pin as rewrite

    changed = rewrite(file, beside)
    if as_json:
        _print_json({"file": file, "changed": [{"id": c.id, "old": c.old, "new": c.new} for c in changed]})
        return
    for change in changed:
        typer.echo(f"{change.id}: {change.old} → {change.new}")
    if not changed:
        typer.echo("every pin matches")


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy documents, for editors."""
    from governance.policy.document import json_schema

    _print_json(json_schema())


def _documents(paths: Sequence[str]) -> list[PolicyDocument]:
    from infra.policy_files import load_all, with_pinned

    return with_pinned(load_all(paths))


def _compose(
    documents: Sequence[PolicyDocument],
    jurisdictions: Sequence[str] | None,
    application: str | None,
    at: str | None,
) -> EffectivePolicy:
    from governance.policy.compose import compose

    return compose(documents, at=_instant(at), jurisdictions=jurisdictions or None, application=application)


def _instant(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("not an instant", field="--at", value=text, expected="2026-12-02") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _direction(word: str) -> Any:
    from governance.policy.diff import Direction

    try:
        return Direction(word)
    except ValueError as error:
        expected = f"one of {', '.join(Direction)}, any"
        raise InputError("not a kind of change", field="--fail-on", value=word, expected=expected) from error


def _profile(path: str | None, wishes: Sequence[str] | None) -> Any:
    """A Tier Three document, or a plain map of wishes; wishes on the command line outweigh the file."""
    said = _pairs(wishes, words=False)
    if path is None:
        return {"wishes": said}
    from governance.policy.document import TierThreeDocument, parse
    from infra.policy_files import load_pack, packs, read_source

    if path in packs():
        document: Any = load_pack(path)[0]
    else:
        source = read_source(path)
        is_document = isinstance(source.data, dict) and "format" in source.data
        document = parse(source) if is_document else source.data
    if isinstance(document, TierThreeDocument):
        if document.subject == "group":
            document = {"wishes": {}, "group": dict(document.wishes)}
        else:
            document = {"wishes": dict(document.wishes), "context": document.context}
    elif not isinstance(document, dict):
        raise InputError("not a profile", file=path, expected="a Tier Three document or a map of wishes")
    elif "wishes" not in document:
        document = {"wishes": document}
    return {**document, "wishes": {**document["wishes"], **said}}


def _pairs(pairs: Sequence[str] | None, *, words: bool) -> dict[str, Any]:
    from governance.policy.source import read

    found: dict[str, Any] = {}
    for pair in pairs or ():
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise InputError(
                "not a pair", field="--context" if words else "--wish", value=pair, expected="name=value"
            )
        found[name] = value if words else read(value or "''", name=pair).data
    return found


def _circumstances(pairs: Sequence[str] | None, policy: EffectivePolicy) -> dict[str, Any]:
    """What the command line says is known; a misspelt attribute or value would be denied for another reason."""
    from governance.policy.circumstances import check_circumstances

    said = _pairs(pairs, words=True)
    check_circumstances(policy, said)
    return said


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
