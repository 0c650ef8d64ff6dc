"""An imported file put where the platform keeps it: the object store, the items, the raw events.

Everything is idempotent and goes in the order in which it depends on each other (object, items, judgements),
so that a killed import is completed by running it again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO

import pyarrow.parquet as pq

from annotation.file_source import FileSource
from annotation.importers import Import
from annotation.ports import ObjectStore
from annotation.records import ITEMS, table
from governance.digest import canonical
from infra import catalogue, collected, people
from infra.database import Database
from infra.events import KeysOf, write_events

__all__ = ["PREFIX", "Stored", "store_import"]

PREFIX = "imports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What an import added.

    Attributes:
        object: Digest of the tree with the items and the refusals.
        new_items: Items that were not there before.
        new_judgements: Judgements that were not there before.
        annotators: People that the file describes.
    """

    object: str
    new_items: int
    new_judgements: int
    annotators: int = 0


def store_import(
    store: ObjectStore,
    db: Database,
    imported: Import,
    *,
    site: str,
    now: datetime,
    keys: KeysOf,
    judgements: bool = True,
) -> Stored:
    """Store an import; a second time adds nothing.

    Args:
        store: The object store.
        db: The database.
        imported: The file as it was read.
        site: Place of collection that its judgements are recorded under.
        now: Recorded as the time of the import.
        keys: The keys of a site's people, under which their judgements are sealed.
        judgements: Whether to store its judgements too, or the items only.
    """
    sink = BytesIO()
    pq.write_table(table(imported.items, ITEMS), sink, compression="zstd")
    refused = b"".join(canonical(asdict(refusal)) + b"\n" for refusal in imported.refused)
    tree = store.put_tree(PREFIX, {"items.parquet": sink.getvalue(), "refused.jsonl": refused})
    record = catalogue.ImportRecord(
        origin=imported.origin,
        file_name=imported.file_name,
        file_digest=imported.file_digest,
        read=imported.read,
        imported=imported.imported,
        refused=len(imported.refused),
        object=tree,
        at=now,
    )
    new_items = catalogue.add_items(db, imported.items, record)
    people.add_profiles(
        db,
        [
            {**asdict(answer), "status": str(answer.status), "site": site, "simulated": False}
            for answer in imported.profiles
        ],
    )
    new_judgements = 0
    if judgements:
        source = FileSource(site, imported)
        held = collected.known(db, site, source.name)
        for page in source.pages(collected.cursor(db, site, source.name), held):
            new_judgements += write_events(store, db, page, site=site, source=source.name, now=now, keys=keys)
    return Stored(
        object=tree,
        new_items=new_items,
        new_judgements=new_judgements,
        annotators=len({answer.annotator for answer in imported.profiles}),
    )
