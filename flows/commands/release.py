"""``bounds release``: build one, compare two, find contradictions in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from flows.commands.flow_runs import print_result, run_flow
from flows.commands.options import AsJson, Home
from governance.wording import many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from annotation.claims_check import Contradiction
    from annotation.release_diff import ReleaseDiff
    from infra.release_folder import ReleaseFolder

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
_SHOWN = 15


@app.callback(invoke_without_command=True)
def release(
    context: typer.Context,
    better: Annotated[str | None, typer.Option(help='Alignment target: what "better" means here.')] = None,
    for_whom: Annotated[
        str | None, typer.Option(help="Alignment target: whose preferences these are meant to be.")
    ] = None,
    asked: Annotated[
        str, typer.Option(help="Alignment target: what annotators were asked.")
    ] = "Which answer is better?",
    seed: Annotated[int, typer.Option(help="Seed of splits and intervals.")] = 0,
    *,
    for_study: Annotated[
        bool, typer.Option(help="Also take batches that failed; no model from it passes.")
    ] = False,
    answers: Annotated[
        Path | None, typer.Option(help="Answers to the card's questions, see `bounds release questions`.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Build a release from the newest batch of every site (--better, --for-whom); or compare and check releases."""
    if context.invoked_subcommand is not None:
        return
    from governance.errors import InputError

    for name, given in (("--better", better), ("--for-whom", for_whom)):
        if not (given or "").strip():
            raise InputError(
                "a release needs an alignment target", field=name, expected="what better means, and for whom"
            )

    told = None
    if answers is not None:
        from annotation.card_answers import parse_answers
        from infra.given_files import read_text

        told = parse_answers(read_text(answers, expected="a sheet of answers"), name=str(answers))

    def flow() -> Callable[..., Any]:
        from flows.release import release

        return release

    print_result(
        run_flow(
            home,
            flow,
            better=better,
            asked=asked,
            for_whom=for_whom,
            seed=seed,
            for_study=for_study,
            answers=told,
        ),
        lambda r: [
            f"release {r['release']}",
            f"  batches {', '.join(r['batches'])}",
            f"  MLflow run {r['run']}",
        ],
        as_json=as_json,
    )


@app.command()
def questions() -> None:
    """Print the questions of the card that only people can answer, as a sheet for --answers."""
    from annotation.card_answers import answer_sheet

    typer.echo(answer_sheet(), nl=False)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a release.")],
    digest: Annotated[str | None, typer.Option(help="The release's digest, as you were told it.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Read every file of a release and hold bytes and rows against its manifest. Exit 1 where one differs."""
    from annotation.release_verify import verify_release

    found = verify_release(folder, expected=digest)
    if as_json:
        said = {"release": found.digest, "files": found.files, "faults": list(found.faults)}
        typer.echo(json.dumps(said, ensure_ascii=False, indent=2))
    else:
        for fault in found.faults:
            typer.echo(fault)
        typer.echo(f"{found.digest}: {many(found.files, 'file')}, {'holds' if found else 'does not hold'}")
        if digest is None:
            typer.echo("no digest was given: the release is only shown to agree with itself")
    if not found:
        raise typer.Exit(1)


@app.command()
def lint(
    folder: Annotated[Path, typer.Argument(help="Folder of a release, or a folder of a foreign data set.")],
    card: Annotated[
        Path | None, typer.Option(help="Card of a data set that is no release of this platform (Markdown).")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Find contradictions between a card and its data. Exit 1 where there is one.

    A release is checked whole: files, rows, every figure and every line of the card. With --card, the Markdown
    and the tables in FOLDER (CSV, TSV, JSON, JSON Lines, Parquet) of any data set are held against each other.
    """
    found = _foreign(folder, card) if card is not None else _own(folder)
    if as_json:
        typer.echo(json.dumps([entry.as_json() for entry in found], ensure_ascii=False, indent=2))
    else:
        for entry in found:
            typer.echo(entry.sentence())
        typer.echo(many(len(found), "contradiction") if found else "no contradiction found")
    if found:
        raise typer.Exit(1)


def _own(folder: Path) -> list[Contradiction]:
    from annotation.release_lint import lint_release
    from infra.release_folder import read_release

    found = read_release(folder)
    broken = dict(found.broken)
    texts = {
        name: (folder / name).read_text(encoding="utf-8", errors="replace")
        for name in ("card.md", "croissant.json")
        if name in found.manifest["files"] and (folder / name).is_file()
    }
    for other in sorted(folder.glob("*.md")):
        if other.name not in found.manifest["files"]:
            texts[other.name] = other.read_text(encoding="utf-8", errors="replace")
    for other in sorted(folder.iterdir()):
        if (
            other.name not in found.manifest["files"]
            # A manifest of its own kind stands beside in the object store; nothing else may.
            and other.name not in ("release.json", "manifest.json")
            and other.suffix != ".md"
        ):
            broken[other.name] = "is not named by release.json and lies beside it"
    return lint_release(folder, found.manifest, found.figures, texts, broken)


def _foreign(folder: Path, card: Path) -> list[Contradiction]:
    from annotation.claims_check import contradictions
    from governance.errors import InputError
    from infra.given_files import read_text
    from infra.tabular import read_table

    text = read_text(card)
    if not text.strip():
        raise InputError("the card says nothing", file=str(card), expected="the description of the data")
    files = [folder] if folder.is_file() else sorted(folder.iterdir())
    endings = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"}
    frames = {file.name: read_table(file) for file in files if file.suffix.lower() in endings}
    if not frames:
        raise InputError("holds no table", file=str(folder), expected=", ".join(sorted(endings)))
    licences = [
        str(value)
        for frame in frames.values()
        for name in frame.columns
        if name.lower() in ("licence", "license")
        for value in frame[name].drop_nulls().unique().to_list()
    ]
    return contradictions(text, frames, name=card.name, licences=licences)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Folder of a release, or digest of one of this platform.")],
    after: Annotated[str, typer.Argument(help="The other.")],
    *,
    by_person: Annotated[
        bool, typer.Option(help="For staff of the site: also by annotator; needs digests, not folders.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say which judgements, policies and consents changed between two releases, and why."""
    from annotation.release_diff import diff_releases
    from governance.errors import InputError

    folders = [Path(name).is_dir() for name in (before, after)]
    if by_person and any(folders):
        raise InputError(
            "ids hold in one release only, so files cannot say whose judgements changed",
            field="--by-person",
            expected="two digests of releases in the data folder of this platform",
        )
    if any(folders) and not all(folders):
        raise InputError(
            "one release is a folder and the other is not",
            value=before if folders[1] else after,
            expected="two folders, or two digests of releases of this platform",
        )

    def differences(sides: Sequence[ReleaseFolder]) -> ReleaseDiff:
        one, other = sides
        return diff_releases(
            one.manifest,
            other.manifest,
            figures=(one.figures, other.figures),
            folders=(one.path, other.path),
        )

    if all(folders):
        from infra.release_folder import read_release

        found, why = differences([read_release(Path(name)) for name in (before, after)]), None
    else:
        from flows.wiring import open_platform
        from infra.release_store import compare
        from infra.scratch import scratch_folder

        with open_platform(home) as platform, scratch_folder(platform.settings.home, "release") as place:
            sides, reasons = compare(platform.store, platform.db, before, after, place)
            found, why = differences(sides), reasons.as_json(by_person=by_person)
    if as_json:
        typer.echo(json.dumps({**found.as_json(), "why": why}, ensure_ascii=False, indent=2))
    else:
        _show(found, why)


def _show(found: ReleaseDiff, why: Mapping[str, Any] | None) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print("the releases are the same")
        return
    moved = found.judgements
    console.print(
        f"judgements: {moved['gone']:,} gone, {moved['new']:,} new, {moved['kept']:,} kept, on "
        f"{many(len(found.by_item), 'item')}; items: {len(found.items['gone']):,} gone, {len(found.items['new']):,} new, "
        f"{len(found.items['changed']):,} changed"
    )
    for side in ("gone", "new"):
        for reason, count in (why or {}).get(side, {}).items():
            console.print(f"  {side}: {count:,}: {escape(reason)}")
    for person in (why or {}).get("by_person", ()):
        console.print(
            f"  {person['change']}: {person['annotator']} at {person['site']}: {person['judgements']:,}: "
            f"{escape(person['reason'])}"
        )
    for title in ("policies", "terms", "sources", "counts", "agreement", "people"):
        changes = getattr(found, title)
        for name, (one, other) in list(changes.items())[:_SHOWN]:
            console.print(f"{title}: {escape(name)}: {escape(_word(one))} → {escape(_word(other))}")
        if len(changes) > _SHOWN:
            console.print(f"{title}: and {len(changes) - _SHOWN} more; see --json")
    for side, digests in found.judged_under.items():
        for digest in digests:
            console.print(f"judged under: {side}: {digest}")


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return (
        f"{value:.3f}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    )
