"""``bounds verify``: everything from the files of a bundle alone; no server, no database, no network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import AsJson
from governance.errors import InputError

if TYPE_CHECKING:
    from governance.log.check import LogFiles
    from governance.log.record import Record

__all__ = ["app"]

_SHORTEST = 8
"""Hexadecimal digits from which on the beginning of a digest names one."""
app = typer.Typer(
    help="Verify the log, a release, a decision or a model, offline, from an exported bundle.",
    no_args_is_help=True,
)

Bundle = Annotated[Path, typer.Option("--bundle", help="Folder that `bounds log export` wrote.")]
Key = Annotated[
    str | None, typer.Option("--key", help="The log's verifier key, as you were told; else the bundle's own.")
]
Trust = Annotated[
    str | None,
    typer.Option("--trust", help="Digest of a trust version, as you were told; else the bundle's own."),
]


@app.command("log")
def verify_log(
    folder: Annotated[Path, typer.Argument(help="Folder that `bounds log export` wrote.")],
    since: Annotated[
        list[Path] | None, typer.Option(help="Checkpoint kept from earlier; repeatable.")
    ] = None,
    witness: Annotated[list[str] | None, typer.Option(help="Verifier key of a witness; repeatable.")] = None,
    quorum: Annotated[int, typer.Option(help="So many of the witnesses must have seen it.", min=0)] = 0,
    *,
    key: Key = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """The checkpoint, every tile and entry, and what they say: trust, decisions, approvals, promotions."""
    found, _, believed = _judge(folder, key, trust, since or (), witness or (), quorum)
    _print(found, believed, as_json=as_json)


@app.command()
def decision(
    ref: Annotated[
        str,
        typer.Argument(help="MODEL/VERSION, or the digest of an envelope or statement, or its beginning."),
    ],
    bundle: Bundle,
    *,
    key: Key = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """A decision: its place in the log, its signatures and approvals, and whether it allows its aliases now."""
    found, record, believed = _judge(bundle, key, trust)
    known = len(ref.removeprefix("sha256:")) >= _SHORTEST
    beginning = ref if ref.startswith("sha256:") else f"sha256:{ref}"
    matching = [
        statement
        for statement, data in record.decisions.items()
        if ref in {_name(data), f"models:/{_name(data)}"}
        or (known and any(digest.startswith(beginning) for digest in (statement, _digest(data))))
    ]
    if not matching:
        found.add(
            f"decision {ref}",
            ["no such decision in the log (MODEL/VERSION, or a digest as `bounds log list` prints it)"],
        )
    for statement in matching:
        _judge_decision(found, record, statement)
    _print(found, believed, as_json=as_json)


@app.command()
def model(
    path: Annotated[Path, typer.Argument(help="Folder with the files of a model version.")],
    bundle: Bundle,
    alias: Annotated[str, typer.Option(help="The alias it is to be used as.")] = "champion",
    *,
    key: Key = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Files of a model: whether a decision in the log is about exactly these and allows the alias now."""
    from governance.provenance import manifest_digest
    from infra.artifacts import folder_manifest

    found, record, believed = _judge(bundle, key, trust)
    if not path.is_dir():
        raise InputError("no such folder", file=str(path))
    digest = manifest_digest(folder_manifest(path))
    about = [s for s, data in record.decisions.items() if _predicate(data)["artifact"] == digest]
    found.add(
        f"files of {path} are {digest}",
        [] if about else [f"{path}: no decision in the log is about these files ({digest})"],
    )
    if about:
        _judge_decision(found, record, about[-1], alias=alias)
    _print(found, believed, as_json=as_json)


@app.command()
def release(
    ref: Annotated[str, typer.Argument(help="Digest of the release, or its beginning.")],
    bundle: Bundle,
    files: Annotated[
        Path | None, typer.Option(help="Folder with the release's files, to be compared.")
    ] = None,
    *,
    key: Key = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """A release: its place in the log, its manifest, and its files where they are given."""
    from governance.log.entry import Kind
    from infra.bundle import Bundle as Files

    wanted = ref if ref.startswith("sha256:") else f"sha256:{ref}"
    if len(wanted.removeprefix("sha256:")) < _SHORTEST:
        raise InputError(
            "too short to name one release",
            field="REF",
            value=ref,
            expected=f"its digest, or at least {_SHORTEST} digits of it, as `bounds log list` prints it",
        )
    found, _, believed = _judge(bundle, key, trust)
    places = {
        str(entry.body["digest"]): at
        for at, entry in enumerate(found.entries)
        if entry is not None and entry.kind is Kind.RELEASE and str(entry.body["digest"]).startswith(wanted)
    }
    if len(places) != 1:
        many = f"{len(places)} releases in the log begin" if places else "no release in the log begins"
        found.add(f"release {ref}", [f"{many} like that"])
    for digest, at in places.items():
        found.add(f"release {digest} is entry {at}")
        if files is not None:
            manifest = json.loads(Files(folder=bundle).object(digest) or b"{}")
            found.add(f"files of {files} are those of the manifest", _compare(files, manifest))
    _print(found, believed, as_json=as_json)


def _compare(folder: Path, manifest: Any) -> list[str]:
    import hashlib

    faults = []
    for name, entry in sorted(manifest.get("files", {}).items()):
        expected = entry["sha256"] if isinstance(entry, dict) else entry
        try:
            with (folder / name).open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            faults.append(f"{name}: {error.strerror}")
            continue
        if actual != str(expected).removeprefix("sha256:"):
            faults.append(f"{name}: has digest sha256:{actual}, the manifest says {expected}")
    if not manifest.get("files"):
        faults.append("the manifest names no file")
    return faults


def _judge(
    folder: Path,
    key: str | None,
    trust: str | None,
    since: Iterable[Path] = (),
    witnesses: Iterable[str] = (),
    quorum: int = 0,
) -> tuple[LogFiles, Record, list[str]]:
    from governance.digest import is_digest
    from infra.bundle import Bundle, verifier, verify_bundle

    bundle = Bundle(folder=folder)
    own = bundle.keys()
    believed = [
        f"the {what} is believed because the bundle says so; give {option} as you were told it"
        for what, option, given in (("log's key", "--key", key), ("trust", "--trust", trust))
        if given is None
    ]
    earlier = [_checkpoint(path) for path in since]
    if trust is not None and not is_digest(trust):
        raise InputError(
            "not a digest",
            field="--trust",
            value=trust,
            expected="sha256: and 64 digits, as `bounds trust show` prints it",
        )
    found, record = verify_bundle(
        bundle,
        log=verifier(key or own["log"]),
        pinned=trust or own["trust"],
        witnesses=[verifier(text) for text in witnesses],
        quorum=quorum,
        earlier=earlier,
    )
    return found, record, believed


def _checkpoint(path: Path) -> bytes:
    from governance.log.note import Checkpoint, Note, NoteError
    from infra.given_files import read_checked

    return read_checked(
        path,
        lambda data: Checkpoint.parse(Note.parse(data).text),
        fault=NoteError,
        kind="a checkpoint",
        written_by="what `bounds log export` wrote",
    )


def _judge_decision(found: LogFiles, record: Record, statement: str, alias: str | None = None) -> None:
    from governance.log.record import standing

    now = datetime.now(UTC)
    predicate = _predicate(record.decisions[statement])
    name = f"decision about {predicate['model']} {predicate['version']}: {predicate['verdict']}"
    found.add(f"{name}, entry {record.positions[statement]}, issued {predicate['issued']}")
    for each in [alias] if alias else predicate["aliases"]:
        found.add(
            f"allows {each} at {now:%Y-%m-%d %H:%M} UTC under the policies it names",
            standing(record, statement, alias=each, now=now),
        )


def _print(found: LogFiles, believed: list[str], *, as_json: bool) -> None:
    from governance.log.record import NOT_JUDGED

    if as_json:
        document = {
            "verified": bool(found),
            "checks": [{"what": c.what, "holds": bool(c), "faults": list(c.faults)} for c in found.checks],
            "believed": believed,
            "not_judged": list(NOT_JUDGED),
        }
        typer.echo(json.dumps(document, sort_keys=True))
    else:
        from rich.console import Console
        from rich.markup import escape

        console = Console(highlight=False, soft_wrap=True)
        for check in found.checks:
            mark = "[green]holds[/green]" if check else "[red]WRONG[/red]"
            console.print(f"{mark}  {escape(check.what)}")
            for fault in check.faults:
                console.print(f"       [red]{escape(fault)}[/red]")
        for line in believed:
            console.print(f"[yellow]note[/yellow]   {escape(line)}")
        console.print(f"[dim]not judged: {'; '.join(NOT_JUDGED)}[/dim]")
    if not found:
        raise typer.Exit(1)


def _predicate(data: bytes) -> Any:
    from governance.log.record import inspect_decision

    return inspect_decision(data)


def _name(data: bytes) -> str:
    predicate = _predicate(data)
    return f"{predicate['model']}/{predicate['version']}"


def _digest(data: bytes) -> str:
    from governance.digest import digest_bytes

    return digest_bytes(data)
