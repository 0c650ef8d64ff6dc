"""Which language a text plainly is in, by its script and its commonest words; for contradictions only.

The method is coarse on purpose: it never says that a text is in the language it declares, only that it
plainly is in another. A text contradicts its declaration if

- at least half of its letters are of a script that the declared language is not written in, or
- it holds at least ``LEAST`` of the commonest words of another language, and of the declared one at most a
  fifth as many. A word common in both counts for both.

Languages that are not in the tables are never contradicted by words, scripts that are not by letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

__all__ = ["LEAST", "contradictions"]

LEAST: Final = 6
_TIMES: Final = 5
_SHARE: Final = 0.5

_COMMON: Final[Mapping[str, str]] = {
    "de": "der die das und ist nicht ich ein eine zu den mit von auf für im sich dass es auch wie aus bei sie wird sind oder",
    "en": "the of and to in is that it for with as was are this be not on you have or by from at an but they which can",
    "es": "el la de que y en los las un una es por con para no se lo del como más pero su al está este muy son",
    "fr": "le la les de des et est que un une en dans pour qui pas sur au avec ce il plus par ne se sont vous nous",
    "it": "il la di che e è un una per non in con sono si da del della le lo come più anche ma nel gli questo alla",
    "nl": "de het een en van is dat niet te in op met voor zijn er aan ook als maar om dit die bij naar wordt heeft",
    "pt": "o a os as de que e em um uma para com não por do da no na se mais como mas ao dos das são está você",
}
_SCRIPTS: Final[Mapping[str, str]] = {
    "Arab": r"\p{Arabic}",
    "Cyrl": r"\p{Cyrillic}",
    "Deva": r"\p{Devanagari}",
    "Grek": r"\p{Greek}",
    "Hang": r"\p{Hangul}",
    "Hani": r"[\p{Han}\p{Hiragana}\p{Katakana}]",
    "Hebr": r"\p{Hebrew}",
    "Latn": r"\p{Latin}",
    "Thai": r"\p{Thai}",
}
_WRITTEN_IN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ar", "fa", "ur"), "Arab"),
    **dict.fromkeys(("bg", "ru", "uk", "be", "mk"), "Cyrl"),
    **dict.fromkeys(("hi", "mr", "ne"), "Deva"),
    "el": "Grek",
    "ko": "Hang",
    **dict.fromkeys(("zh", "ja", "yue"), "Hani"),
    "he": "Hebr",
    **dict.fromkeys(
        (
            "de",
            "en",
            "es",
            "fr",
            "it",
            "nl",
            "pt",
            "sv",
            "da",
            "no",
            "nb",
            "nn",
            "fi",
            "pl",
            "cs",
            "sk",
            "hu",
        ),
        "Latn",
    ),
    **dict.fromkeys(
        ("ro", "tr", "vi", "id", "ms", "sw", "et", "lv", "lt", "hr", "sl", "sq", "ca", "eu"), "Latn"
    ),
    "th": "Thai",
}


def contradictions(texts: pl.DataFrame) -> pl.DataFrame:
    """``key, found`` for the texts that plainly are in another language or script than they declare.

    Args:
        texts: ``key``, ``text`` and ``language`` (a BCP 47 tag; its first subtag counts).
    """
    own = texts.with_columns(language=pl.col("language").str.to_lowercase().str.split("-").list.first())
    return pl.concat([_by_script(own), _by_words(own)]).unique("key", keep="first", maintain_order=True)


def _by_script(texts: pl.DataFrame) -> pl.DataFrame:
    named = texts.with_columns(
        written=pl.col("language").replace_strict(_WRITTEN_IN, default=None, return_dtype=pl.String),
        letters=pl.col("text").str.count_matches(r"\p{L}"),
    ).filter(pl.col("written").is_not_null())
    if named.is_empty():
        return pl.DataFrame(schema={"key": texts.schema["key"], "found": pl.String})
    counted = named.select(
        "key",
        "written",
        "letters",
        *(pl.col("text").str.count_matches(p).alias(s) for s, p in _SCRIPTS.items()),
    )
    long = counted.unpivot(index=["key", "written", "letters"], variable_name="found", value_name="many")
    return (
        long.filter((pl.col("found") != pl.col("written")) & (pl.col("many") >= _SHARE * pl.col("letters")))
        .filter(pl.col("many") >= LEAST)
        .sort("key", "found")
        .select("key", "found")
    )


def _by_words(texts: pl.DataFrame) -> pl.DataFrame:
    table = pl.DataFrame(
        [(word, language) for language, words in _COMMON.items() for word in words.split()],
        schema={"word": pl.String, "found": pl.String},
        orient="row",
    )
    hits = (
        texts.filter(pl.col("language").is_in(list(_COMMON)))
        .select("key", "language", word=pl.col("text").str.to_lowercase().str.extract_all(r"\p{L}+"))
        .explode("word")
        .join(table, on="word")
        .group_by("key", "language", "found")
        .len("many")
    )
    own = hits.filter(pl.col("language") == pl.col("found")).select("key", own="many")
    return (
        hits.filter(pl.col("language") != pl.col("found"))
        .join(own, on="key", how="left")
        .with_columns(pl.col("own").fill_null(0))
        .filter((pl.col("many") >= LEAST) & (pl.col("many") >= _TIMES * pl.col("own")))
        .sort("key", pl.col("many"), "found", descending=[False, True, False])
        .unique("key", keep="first", maintain_order=True)
        .select("key", "found")
    )
