"""``bounds import``: items and judgements from files, every row accounted for."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import AsJson, Home
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from annotation.importers import Import, ProfileMapping
    from infra.importing import Stored

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Import items and judgements from files.")

_SHOWN = 5

File = Annotated[Path, typer.Argument(help="The file to read.", metavar="PATH")]
Mapping = Annotated[
    Path | None, typer.Option("--mapping", help="Codebook mapping (YAML) instead of the shipped one.")
]
Site = Annotated[str | None, typer.Option(help="Site to record the judgements under; the first by default.")]
ItemsOnly = Annotated[bool, typer.Option("--items-only", help="Leave the judgements of the file out.")]
Queue = Annotated[bool, typer.Option("--queue", help="Put the items before the annotators of the site.")]
Strict = Annotated[bool, typer.Option("--strict", help="Import nothing if any row is refused (exit 2).")]


@app.command()
def pandalm(
    path: File,
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """PandaLM's human-judged test set (a JSON array; three annotators per pair)."""
    from annotation.importers import read_pandalm

    _import(read_pandalm(_bytes(path), name=path.name), home, site, items_only, queue, strict, as_json)


@app.command()
def trl(
    path: File,
    origin: Annotated[str | None, typer.Option(help="Name of the data set; the file's by default.")] = None,
    licence: Annotated[str, typer.Option(help="SPDX id of its licence.")] = "NOASSERTION",
    language: Annotated[str, typer.Option(help="BCP 47 tag of its language.")] = "und",
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Preference pairs as TRL reads them (JSON Lines: prompt, chosen, rejected; plain or conversational)."""
    from annotation.importers import read_trl

    imported = read_trl(
        _bytes(path), name=path.name, origin=origin or path.stem, licence=licence, language=language
    )
    _import(imported, home, site, items_only, queue, strict, as_json)


@app.command()
def prism(
    path: Annotated[
        Path, typer.Argument(help="Folder with survey, conversations and utterances (.jsonl).", metavar="DIR")
    ],
    mapping: Mapping = None,
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """The PRISM alignment data set: people, their conversations, a rating of every answer."""
    from annotation.importers import read_prism
    from annotation.importers.prism import FILES

    files = {name: _bytes(path / name) for name in FILES}
    imported = read_prism(files, name=path.name, mapping=_mapping("prism", mapping))
    _import(imported, home, site, items_only, queue, strict, as_json)


@app.command()
def dices(
    path: File,
    mapping: Mapping = None,
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """DICES 350 or 990 (CSV): many documented raters on the safety of each conversation."""
    from annotation.importers import read_dices

    imported = read_dices(_bytes(path), name=path.name, mapping=_mapping("dices", mapping))
    _import(imported, home, site, items_only, queue, strict, as_json)


@app.command()
def hh_rlhf(
    path: File,
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """HH-RLHF (JSON Lines, also .gz): the prompt is what chosen and rejected share at their beginning."""
    from annotation.importers import read_hh_rlhf

    _import(read_hh_rlhf(_bytes(path), name=path.name), home, site, items_only, queue, strict, as_json)


@app.command()
def label_studio(
    path: File,
    origin: Annotated[str | None, typer.Option(help="Name of the data set; the file's by default.")] = None,
    mapping: Mapping = None,
    home: Home = None,
    site: Site = None,
    items_only: ItemsOnly = False,
    queue: Queue = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """A JSON export of a Label Studio project with pairs; other columns and labels by --mapping."""
    from annotation.importers import read_label_studio

    imported = read_label_studio(
        _bytes(path),
        name=path.name,
        origin=origin or path.stem,
        mapping=_mapping("label-studio", mapping),
    )
    _import(imported, home, site, items_only, queue, strict, as_json)


def _mapping(name: str, path: Path | None) -> ProfileMapping:
    from annotation.importers import parse_mapping
    from annotation.importers.rows import decode_text
    from infra.mapping_files import shipped_mapping

    if path is None:
        return shipped_mapping(name)
    return parse_mapping(decode_text(_bytes(path), name=str(path)), name=str(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from error


def _import(
    imported: Import,
    home: Path | None,
    site: str | None,
    items_only: bool,
    queue: bool,
    strict: bool,
    as_json: bool,
) -> None:
    refused = len(imported.refused)
    if not imported.imported or (strict and refused):
        first = imported.refused[0]
        raise InputError(
            f"nothing was imported: {refused} of {many(imported.read, 'row')} refused; the first: {first.reason}",
            file=f"{imported.file_name} {first.place}",
        )
    # The database and the object store take half a second to load; bad input is told without them.
    from infra.database import open_database
    from infra.importing import store_import
    from infra.objects import open_store
    from infra.person_keys import open_person_keys
    from infra.queues import add_to_queue
    from infra.settings import load_settings

    settings = load_settings(home)
    place = settings.site(site).id if site else settings.sites[0].id
    now = datetime.now(UTC)
    with open_database(settings, now=now) as db:
        stored = store_import(
            open_store(settings),
            db,
            imported,
            site=place,
            now=now,
            keys=partial(open_person_keys, settings),
            judgements=not items_only,
        )
        if queue:
            add_to_queue(db, place, [row["item"] for row in imported.items])
    if as_json:
        sys.stdout.write(json.dumps(_document(imported, stored, place), ensure_ascii=False) + "\n")
    else:
        _print(imported, stored, place)


def _document(imported: Import, stored: Stored, site: str) -> dict[str, object]:
    return {
        "file": imported.file_name,
        "file_digest": imported.file_digest,
        "origin": imported.origin,
        "site": site,
        "read": imported.read,
        "imported": imported.imported,
        "items": len(imported.items),
        "annotators": stored.annotators,
        "refused": len(imported.refused),
        "judgements": len(imported.judgements),
        "new_items": stored.new_items,
        "new_judgements": stored.new_judgements,
        "object": stored.object,
        "refusals": [{"place": refusal.place, "reason": refusal.reason} for refusal in imported.refused],
    }


def _print(imported: Import, stored: Stored, site: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(imported.file_name)}  ({escape(imported.origin)})", title_justify="left")
    for heading in ("rows", "count", "new"):
        table.add_column(heading, justify="left" if heading == "rows" else "right")
    table.add_row("read", f"{imported.read:,}", "")
    table.add_row("imported", f"{imported.imported:,}", "")
    table.add_row("refused", f"{len(imported.refused):,}", "")
    table.add_row("items", f"{len(imported.items):,}", f"{stored.new_items:,}")
    if stored.annotators:
        table.add_row("documented people", f"{stored.annotators:,}", "")
    table.add_row(f"judgements (site {site})", f"{len(imported.judgements):,}", f"{stored.new_judgements:,}")
    console = Console()
    console.print(table)
    for refusal in imported.refused[:_SHOWN]:
        console.print(f"  [yellow]refused[/yellow] {escape(refusal.place)}: {escape(refusal.reason)}")
    if (more := len(imported.refused) - _SHOWN) > 0:
        console.print(f"  … and {more:,} more; all of them: --json, or refused.jsonl in the object below")
    console.print(f"  object imports/{stored.object}", soft_wrap=True)
