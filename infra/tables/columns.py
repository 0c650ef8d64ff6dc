"""The types of columns in the platform's database, and how its tables are declared."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Dialect, MetaData, PrimaryKeyConstraint, Table, Text, TypeDecorator

from governance.digest import canonical

__all__ = ["METADATA", "Json", "Sealed", "Utc", "count", "instant", "sealed", "structure", "table", "text"]


class Utc(TypeDecorator[datetime]):
    """An aware time, stored as ISO 8601 text in UTC with microseconds, so that it sorts as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text; a time without a zone is a mistake of the caller."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs a zone: {value!r}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A JSON value, stored as canonical text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To canonical text."""
        del dialect
        return None if value is None else canonical(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From text."""
        del dialect
        return None if value is None else json.loads(value)


class Sealed(TypeDecorator[bytes]):
    """Encrypted bytes, stored as base64 text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> str | None:
        """To text."""
        del dialect
        return None if value is None else base64.b64encode(value).decode("ascii")

    def process_result_value(self, value: str | None, dialect: Dialect) -> bytes | None:
        """From text."""
        del dialect
        return None if value is None else base64.b64decode(value)


METADATA: Final = MetaData()


def table(name: str, *columns: Column[Any], key: tuple[str, ...]) -> Table:
    """A table of the platform's database, with its primary key."""
    return Table(name, METADATA, *columns, PrimaryKeyConstraint(*key))


def text(name: str, *, nullable: bool = False) -> Column[Any]:
    """A column of text."""
    return Column(name, Text, nullable=nullable)


def count(name: str) -> Column[Any]:
    """A column of whole numbers."""
    return Column(name, BigInteger, nullable=False)


def instant(name: str, *, nullable: bool = False) -> Column[Any]:
    """A column of aware times."""
    return Column(name, Utc, nullable=nullable)


def sealed(name: str, *, nullable: bool = False) -> Column[Any]:
    """A column of encrypted bytes."""
    return Column(name, Sealed, nullable=nullable)


def structure(name: str, *, nullable: bool = False) -> Column[Any]:
    """A column of JSON values."""
    return Column(name, Json, nullable=nullable)
