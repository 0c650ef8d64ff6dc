"""The portal's words in each language, read once; a language that lacks one is refused when the app starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from governance.errors import InputError

__all__ = ["Language", "Languages", "shipped_languages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language.

    Attributes:
        tag: BCP 47 tag.
        direction: ltr or rtl.
        words: Key to text, or to a list of texts.
    """

    tag: str
    direction: str
    words: Mapping[str, Any]

    def __call__(self, key: str, **values: object) -> str:
        """The text of ``key`` with its values put in."""
        text = self.words[key]
        return str(text).format(**values) if values else str(text)

    def listed(self, key: str) -> Sequence[str]:
        """The texts of a list."""
        return tuple(self.words[key])


class Languages:
    """The languages of an installation; the first one stands in where a person asks for another.

    Args:
        languages: One or more.

    Raises:
        InputError: One lacks a text that another has.
    """

    def __init__(self, languages: Sequence[Language]) -> None:
        if not languages:
            raise InputError("the portal needs a language", field="languages")
        self._by_tag = {language.tag: language for language in languages}
        self._first = languages[0]
        every = {key for language in languages for key in language.words}
        for language in languages:
            if missing := sorted(every - set(language.words)):
                raise InputError("a text is missing", file=f"{language.tag}.yaml", field=missing[0])
            if language.direction not in {"ltr", "rtl"}:
                raise InputError(
                    "no direction", file=f"{language.tag}.yaml", field="direction", value=language.direction
                )

    def __iter__(self) -> Any:
        return iter(self._by_tag.values())

    def get(self, tag: str | None) -> Language:
        """The language of a tag, of its first subtag, or the first of all."""
        for wanted in (tag or "", (tag or "").partition("-")[0]):
            if wanted in self._by_tag:
                return self._by_tag[wanted]
        return self._first

    def preferred(self, header: str) -> Language:
        """The language of an ``Accept-Language`` header (RFC 9110), by weight."""
        weighed = []
        for place, part in enumerate(header.split(",")[:20]):
            tag, _, weight = part.strip().partition(";q=")
            try:
                weighed.append((-float(weight or 1), place, tag.strip()))
            except ValueError:
                continue
        for _, _, tag in sorted(weighed):
            for wanted in (tag, tag.partition("-")[0]):
                if wanted in self._by_tag:
                    return self._by_tag[wanted]
        return self._first


def shipped_languages() -> Languages:
    """The languages beside this module, English first."""
    folder = resources.files(__package__) / "texts"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".yaml")),
        key=lambda file: (file.name != "en.yaml", file.name),
    )
    languages = []
    for file in files:
        words = yaml.safe_load(file.read_text(encoding="utf-8"))
        languages.append(
            Language(tag=file.name.removesuffix(".yaml"), direction=words["direction"], words=words)
        )
    return Languages(languages)
