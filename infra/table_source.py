"""What the sources have in common that are tables of the platform itself, sealed with each person's key."""

from __future__ import annotations

from typing import ClassVar, Final

from annotation.records import Source
from infra.database import Database
from infra.person_keys import PersonKeys

__all__ = ["TableSource"]

_PAGE: Final = 1000


class TableSource:
    """The rows of one site in a table of the platform; the base of what implements ``JudgementSource``.

    Args:
        db: The platform's database.
        keys: The keys of the site's people.
        site: Place of collection.
        page: Events per page; bounds the memory of a pull.
    """

    source: ClassVar[Source]

    def __init__(self, db: Database, keys: PersonKeys, site: str, *, page: int = _PAGE) -> None:
        self._db = db
        self._keys = keys
        self._site = site
        self._page = page

    @property
    def site(self) -> str:
        """Place of collection."""
        return self._site

    @property
    def name(self) -> str:
        """Kind of source."""
        return str(self.source)
