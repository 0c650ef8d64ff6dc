"""A codebook that others publish, mapped to the platform's as data: columns, categories, missing codes.

INVARIANT: a value that the mapping does not list is refused with the values that it does list; nobody is
put into a category by likeness. Only a field marked ``unlisted: slug`` keeps the origin's own word, which
then names the category.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from annotation.importers.rows import FileProfile, RowError
from annotation.records import AnswerStatus
from governance.digest import digest
from governance.errors import InputError
from governance.policy.source import read

__all__ = ["FieldMapping", "ProfileMapping", "parse_mapping"]

FORMAT: Final = "bounds.mapping/1"
_KEYS: Final = ("format", "id", "version", "codebook", "source", "licence", "language", "annotator")
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """One question: where its answer stands and what the answers mean.

    Attributes:
        field: Codebook field.
        column: Column, or dotted path into nested columns.
        values: The origin's words to category ids.
        pattern: Values of this form are categories themselves (ISO country codes).
        slug: Whether a word that is not listed names its own category.
    """

    field: str
    column: str
    values: Mapping[str, str]
    pattern: str | None = None
    slug: bool = False

    def category(self, word: str) -> str:
        """The category of an answer.

        Raises:
            RowError: The mapping does not know it.
        """
        if word in self.values:
            return self.values[word]
        if self.pattern is not None and re.search(self.pattern, word):
            return word
        if self.slug and (slug := re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")):
            return slug
        known = ", ".join(self.values) or self.pattern or "a word"
        raise RowError(f"{self.column} is {word[:_SHOWN]!r}, which the mapping does not list ({known})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileMapping:
    """A mapping, read and checked.

    Attributes:
        id: Name of the data set.
        version: Version of the mapping.
        codebook: ``id@version`` of the codebook it leads to.
        licence: Licence of the data set.
        language: BCP 47 tag of its texts.
        column: Column of the person.
        prefix: What the pseudonym begins with, so that two data sets share no person.
        missing: The origin's missing codes to the typed ones.
        fields: The questions.
        more: What else the file says, for the importer it belongs to.
        digest: Identity of the whole.
    """

    id: str
    version: str
    codebook: str
    licence: str
    language: str
    column: str
    prefix: str
    missing: Mapping[str, AnswerStatus]
    fields: Sequence[FieldMapping]
    more: Mapping[str, Any]
    digest: str

    def answers(self, row: Mapping[str, Any], annotator: str) -> list[FileProfile]:
        """The answers in a row, one per field of the mapping.

        Raises:
            RowError: An answer is not one the mapping knows.
        """
        found = []
        for field in self.fields:
            status, value = self._answer(field, _at(row, field.column))
            found.append(
                FileProfile(
                    annotator=annotator,
                    codebook=self.codebook,
                    field=field.field,
                    status=status,
                    value=value,
                )
            )
        return found

    def _answer(self, field: FieldMapping, word: Any) -> tuple[AnswerStatus, str | None]:
        if word is None or (isinstance(word, str) and not word.strip()):
            return AnswerStatus.NOT_ASKED, None
        if not isinstance(word, str):
            raise RowError(f"{field.column} is {str(word)[:_SHOWN]}, not text")
        word = word.strip()
        if word in self.missing:
            return self.missing[word], None
        return AnswerStatus.ANSWERED, field.category(word)


def _at(row: Mapping[str, Any], path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def parse_mapping(text: str, *, name: str) -> ProfileMapping:
    """The mapping of a YAML text.

    Raises:
        InputError: It is no mapping; the error names the file and the field.
    """
    data = read(text, name=name).data
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError("not a mapping of a codebook", file=name, field="format", expected=FORMAT)
    for key in _KEYS:
        if key not in data:
            raise InputError("the mapping lacks a field", file=name, field=key, expected=", ".join(_KEYS))
    known = {*_KEYS, "missing", "fields"}
    fields = data.get("fields") or {}
    try:
        missing = {str(word): AnswerStatus(status) for word, status in (data.get("missing") or {}).items()}
        return ProfileMapping(
            id=str(data["id"]),
            version=str(data["version"]),
            codebook=str(data["codebook"]),
            licence=str(data["licence"]),
            language=str(data["language"]),
            column=str(data["annotator"]["column"]),
            prefix=str(data["annotator"]["prefix"]),
            missing=missing,
            fields=[_field(name, field, entry) for field, entry in fields.items()],
            more={key: value for key, value in data.items() if key not in known},
            digest=digest(data),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not a mapping of a codebook: {error}", file=name, expected=FORMAT) from error


def _field(file: str, field: str, entry: Mapping[str, Any]) -> FieldMapping:
    extra = set(entry) - {"column", "values", "pattern", "unlisted"}
    if extra or entry.get("unlisted", "slug") != "slug":
        raise InputError(
            "a field of the mapping says something else",
            file=file,
            field=f"fields.{field}",
            value=sorted(extra) or entry["unlisted"],
            expected="column, values, pattern, unlisted: slug",
        )
    return FieldMapping(
        field=field,
        column=str(entry["column"]),
        values={str(word): str(value) for word, value in (entry.get("values") or {}).items()},
        pattern=entry.get("pattern"),
        slug="unlisted" in entry,
    )
