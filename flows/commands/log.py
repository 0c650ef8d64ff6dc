"""``bounds log``: what the append-only log holds, proofs of it, and exports that outsiders can verify."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import AsJson, Home
from governance.errors import InputError, in_words
from governance.wording import many

__all__ = ["app"]

app = typer.Typer(help="The append-only log: list, show, prove, witness, export.", no_args_is_help=True)


@app.command("list")
def list_entries(
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; repeatable.")] = None,
    last: Annotated[int, typer.Option(help="Only the last so many.", min=1)] = 50,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """The entries, oldest first."""
    from infra import log
    from infra.database import open_database
    from infra.settings import load_settings

    with open_database(load_settings(home), now=datetime.now(UTC)) as db:
        found = log.entries(db, kinds=_kinds(kind))[-last:]
        size = log.size(db)
    if as_json:
        rows = [{"position": at, **_plain(entry)} for at, entry in found]
        typer.echo(json.dumps({"size": size, "entries": rows}, sort_keys=True))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for at, entry in found:
        console.print(f"{at:>6}  {entry.at:%Y-%m-%d %H:%M:%S}  [b]{entry.kind:<10}[/b]  {_short(entry.body)}")
    console.print(f"[dim]{len(found)} of {many(size, 'entry', 'entries')}[/dim]")


@app.command()
def show(
    position: Annotated[int, typer.Argument(help="The entry's number, from 0.")],
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """One entry, as its canonical bytes say it."""
    from infra import log
    from infra.database import open_database
    from infra.settings import load_settings

    with open_database(load_settings(home), now=datetime.now(UTC)) as db:
        size = log.size(db)
        found = log.entries(db, begin=position, end=position + 1) if 0 <= position < size else []
    if not found:
        raise InputError("no such entry", field="position", value=position, expected=f"0 to {size - 1}")
    entry = found[0][1]
    document = {"position": position, "leaf": base64.b64encode(entry.leaf()).decode(), **_plain(entry)}
    typer.echo(json.dumps(document, sort_keys=True, indent=None if as_json else 1))


@app.command()
def prove(
    position: Annotated[int | None, typer.Argument(help="Entry whose inclusion is to be proven.")] = None,
    since: Annotated[
        Path | None, typer.Option(help="Checkpoint seen earlier: prove that the log only grew since.")
    ] = None,
    *,
    home: Home = None,
) -> None:
    """A proof against a fresh signed checkpoint, as one JSON document: of an entry, or of growth."""
    from governance.log.note import Checkpoint, Note, NoteError
    from infra.database import open_database
    from infra.log import Tree
    from infra.log_checkpoint import sign_checkpoint
    from infra.settings import load_settings

    if (position is None) == (since is None):
        raise InputError("either an entry or --since", expected="`bounds log prove 12`")
    settings, now = load_settings(home), datetime.now(UTC)
    with open_database(settings, now=now) as db:
        note = sign_checkpoint(settings, db, now)
        size = Checkpoint.parse(Note.parse(note).text).size
        document: dict[str, Any] = {"checkpoint": note.decode()}
        with db.read() as connection:
            tree = Tree.at(connection)
            if position is not None:
                document |= {"position": position}
                proof = tree.inclusion(position, size)
            else:
                try:
                    old = Checkpoint.parse(Note.parse(Path(str(since)).read_bytes()).text).size
                except (OSError, NoteError) as error:
                    raise InputError(f"not a checkpoint: {in_words(error)}", file=str(since)) from error
                document |= {"since": old}
                proof = tree.consistency(old, size) if old else []
    document["proof"] = [base64.b64encode(step).decode() for step in proof]
    if position is not None:
        document["entry"] = _entry_text(home, position)
    typer.echo(json.dumps(document, sort_keys=True))


def _entry_text(home: Path | None, position: int) -> str:
    from infra import log
    from infra.database import open_database
    from infra.settings import load_settings

    with open_database(load_settings(home), now=datetime.now(UTC)) as db:
        return log.entries(db, begin=position, end=position + 1)[0][1].to_bytes().decode()


@app.command()
def witness(
    proof: Annotated[Path, typer.Argument(help="What `bounds log prove --since` printed for this witness.")],
    log_key: Annotated[str, typer.Option("--log-key", help="The log's verifier key.")],
    key: Annotated[Path, typer.Option(help="The witness's own key file.")],
    memory: Annotated[Path, typer.Option(help="The witness's own file: what it saw last.")],
    name: Annotated[str, typer.Option(help="The witness's name.")],
) -> None:
    """Watch a log of others: print its checkpoint with our cosignature, if it only grew. Exit 1 if not.

    The passphrase of the key is read from BOUNDS_PASSPHRASE, or asked for.
    """
    from flows.commands.passphrase import passphrase
    from infra.bundle import verifier
    from infra.log_checkpoint import witness as watch
    from infra.person_key import load_person_key

    try:
        document = json.loads(proof.read_text(encoding="utf-8"))
        steps = [base64.b64decode(step, validate=True) for step in document["proof"]]
        checkpoint = document["checkpoint"].encode()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"not a proof: {in_words(error)}", file=str(proof), expected="what `bounds log prove` printed"
        ) from error
    signing = load_person_key(key, passphrase(key))
    data = watch(
        checkpoint,
        steps,
        log=verifier(log_key),
        memory=memory,
        key=signing,
        name=name,
        now=datetime.now(UTC),
    )
    typer.echo(data.decode(), nl=False)


@app.command()
def export(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the bundle; made, or brought up to date.")
    ] = None,
    *,
    store: Annotated[bool, typer.Option("--store", help="Also put the tiles into the object store.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Sign a checkpoint and write everything that is needed to verify the log without us."""
    from infra.database import open_database
    from infra.log_export import export_bundle, export_tiles
    from infra.objects import open_store
    from infra.settings import load_settings
    from infra.trust import log_verifier, newest_version

    if folder is None and not store:
        raise InputError("nowhere to export to", expected="a folder, or --store")
    settings, now = load_settings(home), datetime.now(UTC)
    document: dict[str, Any] = {}
    with open_database(settings, now=now) as db:
        objects = open_store(settings)
        document |= {
            "log_key": str(log_verifier(settings)),
            "trust": newest_version(settings, db, now).digest,
        }
        if folder is not None:
            done = export_bundle(settings, db, objects, folder, now)
            document |= {
                "folder": str(folder),
                "entries": done.size,
                "objects": done.objects,
                "written": done.files,
            }
        if store:
            document |= {"tree": export_tiles(settings, db, objects, now)}
    if as_json:
        typer.echo(json.dumps(document, sort_keys=True))
        return
    for name, value in document.items():
        typer.echo(f"{name:<8}  {value}")
    typer.echo("Tell the key and the trust to those who verify, by another way than this folder.")


def _kinds(words: list[str] | None) -> list[Any]:
    from governance.log.entry import Kind

    try:
        return [Kind(word) for word in words or ()]
    except ValueError as error:
        known = ", ".join(Kind)
        raise InputError("no such kind of entry", field="--kind", expected=known) from error


def _plain(entry: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(entry.to_bytes())
    return value


def _short(body: Any) -> str:
    from rich.markup import escape

    def word(value: Any) -> str:
        text = str(value)
        return text[:19] if text.startswith("sha256:") else text[:40]

    return escape("  ".join(f"{name}={word(value)}" for name, value in body.items() if value is not None))
