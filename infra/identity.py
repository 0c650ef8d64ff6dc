"""Who a pseudonym is: the one place of names and addresses, a database of its own for each site.

Its credentials are its own, too: on PostgreSQL an own database or schema and role, named by ``identity_url`` of
the site; embedded, an SQLite file of mode 600. Name and address are sealed under the person's key besides, so
that destroying the key erases them in every backup. An address is found again by a keyed hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, Table, Text, delete, select

from governance.errors import InputError
from infra import identity_migrations
from infra.database import Database
from infra.migrations import migrations
from infra.person_keys import PersonKeyDestroyedError, PersonKeys, open_person_keys
from infra.settings import Settings
from infra.tables.columns import Sealed, Utc

__all__ = ["Identity", "IdentityStore", "check_contact", "open_identity"]

_LONGEST: Final = 320  # RFC 5321: 64 before the @, 255 behind it
_IDENTITIES: Final = Table(
    "identities",
    MetaData(),
    Column("annotator", Text, nullable=False),
    Column("contact_mac", Text, nullable=False),
    Column("sealed", Sealed, nullable=False),
    Column("created_at", Utc, nullable=False),
    PrimaryKeyConstraint("annotator"),
)


def check_contact(contact: str) -> str:
    """An address as it is kept, without the space around it.

    Raises:
        InputError: No address, or one that is too long.
    """
    found = contact.strip()
    if not found or len(found) > _LONGEST:
        raise InputError(
            "not an address", field="contact", value=len(found), expected=f"1 to {_LONGEST} characters"
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identity:
    """Who a pseudonym is. Never printed by accident: it has no telling representation."""

    annotator: str
    contact: str
    name: str | None
    created_at: datetime

    def __repr__(self) -> str:
        return f"Identity(annotator={self.annotator!r})"


class IdentityStore:
    """The identity database of one site.

    Args:
        url: SQLAlchemy address; not the platform's database.
        keys: The keys of the site's people.
        secret: Secret of the site, from which the hash of addresses is keyed.
        now: Recorded with migrations applied by this call.
    """

    def __init__(self, url: str, *, keys: PersonKeys, secret: bytes, now: datetime) -> None:
        self._keys = keys
        self._secret = hashlib.sha256(b"bounds.identity/1\n" + secret).digest()
        if url.startswith("sqlite:///"):
            _make_private(Path(url.removeprefix("sqlite:///")))
        self._db = Database(url, now=now, known=migrations(identity_migrations.__name__))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back every connection."""
        self._db.close()

    def annotator_of(self, contact: str) -> str | None:
        """The pseudonym of an address; None if nobody has it."""
        query = select(_IDENTITIES.c.annotator).where(_IDENTITIES.c.contact_mac == self._mac(contact))
        with self._db.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def add(self, annotator: str, *, contact: str, name: str | None, now: datetime) -> str:
        """Note who ``annotator`` is; returns the pseudonym of the address, the earlier one if it has one already.

        Raises:
            InputError: No address, or one that is too long.
        """
        contact = check_contact(contact)
        sealed = self._keys.encrypt(annotator, json.dumps({"contact": contact, "name": name}).encode())
        row = {
            "annotator": annotator,
            "contact_mac": self._mac(contact),
            "sealed": sealed,
            "created_at": now,
        }
        with self._db.write() as connection:
            self._db.insert_new(connection, _IDENTITIES, [row])
            query = select(_IDENTITIES.c.annotator).where(_IDENTITIES.c.contact_mac == row["contact_mac"])
            return str(connection.execute(query).scalar_one())

    def identities(self) -> list[Identity]:
        """Everybody of the site, in the order of their pseudonyms; whoever's key was destroyed is left out."""
        with self._db.read() as connection:
            rows = connection.execute(select(_IDENTITIES).order_by(_IDENTITIES.c.annotator)).all()
        found = []
        for row in rows:
            try:
                opened = json.loads(self._keys.decrypt(row.annotator, row.sealed))
            except PersonKeyDestroyedError:
                continue
            found.append(Identity(annotator=row.annotator, created_at=row.created_at, **opened))
        return found

    def knows(self, annotator: str) -> bool:
        """Whether a name and an address of ``annotator`` are kept."""
        query = select(_IDENTITIES.c.annotator).where(_IDENTITIES.c.annotator == annotator)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one_or_none() is not None

    def remove(self, annotator: str) -> bool:
        """Forget who ``annotator`` is; whether anything was known."""
        with self._db.write() as connection:
            gone = connection.execute(delete(_IDENTITIES).where(_IDENTITIES.c.annotator == annotator))
            return gone.rowcount > 0

    def _mac(self, contact: str) -> str:
        plain = unicodedata.normalize("NFKC", contact.strip()).casefold()
        return hmac.new(self._secret, plain.encode(), hashlib.sha256).hexdigest()


def open_identity(settings: Settings, site: str, *, now: datetime) -> IdentityStore:
    """The identity database of a site, as the settings name it.

    Raises:
        InputError: The site has no key, or its identity database is the platform's own.
    """
    here = settings.site(site)
    url = here.identity_url.get_secret_value() if here.identity_url else None
    if url == settings.database:
        raise InputError(
            "identities must lie in a database of their own",
            field=f"sites.{site}.identity_url",
            expected="another database, or another role with a schema of its own",
        )
    return IdentityStore(
        url or f"sqlite:///{settings.home / 'identity' / f'{site}.db'}",
        keys=open_person_keys(settings, site),
        secret=here.key.get_secret_value().encode(),
        now=now,
    )


def _make_private(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives its journal files the mode of the database.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    file.chmod(0o600)
