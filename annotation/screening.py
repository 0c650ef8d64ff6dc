"""Screens of free text: personal data, and the name of a model that should have stayed hidden.

Patterns find candidates; where a kind has a check digit it decides (Luhn for cards, ISO 7064 mod 97-10 for
IBANs), so that order numbers and timestamps pass. A screen is a net with a known mesh, not a proof that a
text is free of personal data: names of persons are not found at all, postal addresses only where they carry
a street word beside a house number. What was found is reported by kind, never by quoting the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

__all__ = ["KINDS", "has_luhn", "has_mod_97", "named_models", "personal_data", "prefilter"]

_LONG_NUMBER: Final = r"\d(?:[ ()/.-]{0,2}\d){6}"
_HINTS: Final[Mapping[str, str]] = {
    "email": "@",
    "phone": _LONG_NUMBER,
    "url": r"://|(?i:www\.)",
    "ip_address": r"\d\.\d|[0-9A-Fa-f:]:",
    "payment_card": _LONG_NUMBER,
    "iban": r"[A-Z]{2}\d{2}",
    "national_id": rf"{_LONG_NUMBER}|[A-Z]{{2}} ?\d\d",
    "postal_address": r"\d",
}


def prefilter(kinds: Iterable[str]) -> str:
    """A pattern without which a text holds nothing of ``kinds``; it means the same in Rust's and Python's regex."""
    return "|".join(_HINTS[kind] for kind in sorted(kinds))


_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])")
_URL: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"']{3,}", re.IGNORECASE)
# E.164 numbers have up to 15 digits; below 10 a national run of digits is more often a quantity or a date.
_PHONE: Final = re.compile(
    r"(?<![\w.,/-])(?<!\d )(?:(?:\+\d|\(\+?\d)(?:[ ()/.-]{0,2}\d){7,14}|\(?0(?!\.)(?:[ ()/.-]{0,2}\d){9,13})(?![\w-])"
)
_US_PHONE: Final = re.compile(r"(?<![\w.,/-])(?<!\d )\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])")
_CARD: Final = re.compile(r"(?<![\w-])(?:\d[ -]?){12,18}\d(?![\w-])")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
# Characters of an IBAN by country (ISO 13616 registry, release 99).
_IBAN_LENGTHS: Final = (
    "15NO 16BE 18DKFIFOGLNLSD 19MKSI 20ATBAEEKZLTLUMNXK 21CHHRLILV 22BGBHCRDEGBGEIEMERS 23AEGIILIQOMSOTL "
    "24ADCZESMDPKROSASESKTNVG 25LYPTST 26ISTR 27BIDJFRGRITMCMRSM 28ALAZBYCYDOGTHULBNIPLSV 29BREGPSQAUA "
    "30JOKWMUYE 31MTSC 32LC 33RU"
)
_IBAN_LENGTH: Final = {
    group[at : at + 2]: int(group[:2]) for group in _IBAN_LENGTHS.split() for at in range(2, len(group), 2)
}
_IP: Final = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})(?![\w.:]\w)"
)
_US_SSN: Final = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_UK_NINO: Final = re.compile(
    r"(?<!\w)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:\d\d ?){3}[A-D](?!\w)"
)
_STREET: Final = re.compile(
    r"\b\d{1,5}[a-z]?,? (?:[A-Z][\w'.-]* ){1,3}(?i:street|st|road|rd|avenue|ave|lane|ln|drive|boulevard|blvd|square)\b"
    r"|\b[A-Z\u00c4\u00d6\u00dc][\w.-]*(?:stra\u00dfe|strasse|str\.|weg|platz|gasse) \d{1,4}[a-z]?\b"
    r"|\b(?i:rue|calle|via|avenida) (?:[\w'.-]+ ){0,3}[A-Z][\w'.-]*,? \d{1,4}\b"
)


def has_luhn(digits: str) -> bool:
    """Whether the digits end in a valid Luhn check digit (ISO/IEC 7812-1 annex B).

    From the right, every second digit is doubled and its digits added; the total is a multiple of 10.
    Worked: 4539 1488 0343 6467 → 80.
    """
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def has_mod_97(iban: str) -> bool:
    """Whether an IBAN's check digits hold: moved to the end, letters as 10 to 35, the number is 1 mod 97.

    ISO 13616-1 and ISO 7064 (mod 97-10). Worked: GB82 WEST 1234 5698 7654 32.
    """
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _cards(text: str) -> bool:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        # Issuer ranges in use begin with 2 to 6 (ISO/IEC 7812-1); one digit repeated is a placeholder.
        if digits[0] in "23456" and len(set(digits)) > 1 and has_luhn(digits):
            return True
    return False


def _ibans(text: str) -> bool:
    for match in _IBAN.finditer(text):
        joined = match.group().replace(" ", "")
        length = _IBAN_LENGTH.get(joined[:2])
        # The pattern may run on into the next word; the country says where an IBAN ends.
        if length is not None and len(joined) >= length and has_mod_97(joined[:length]):
            return True
    return False


def _addresses(text: str) -> bool:
    for match in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address.is_private):
            return True
    return False


def _phones(text: str) -> bool:
    return any(not _is_date(match.group()) for match in _PHONE.finditer(text)) or bool(_US_PHONE.search(text))


def _is_date(text: str) -> bool:
    return re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}", text) is not None


_SCREENS: Final[Mapping[str, Callable[[str], bool]]] = {
    "email": lambda text: bool(_EMAIL.search(text)),
    "phone": _phones,
    "url": lambda text: bool(_URL.search(text)),
    "ip_address": _addresses,
    "payment_card": _cards,
    "iban": _ibans,
    "national_id": lambda text: bool(_US_SSN.search(text) or _UK_NINO.search(text)),
    "postal_address": lambda text: bool(_STREET.search(text)),
}

KINDS: Final = tuple(_SCREENS)
"""The kinds of personal data that can be screened for."""


def personal_data(text: str, kinds: Iterable[str] = KINDS) -> list[str]:
    """The kinds of personal data found in ``text``, in the order of ``kinds``."""
    return [kind for kind in kinds if _SCREENS[kind](text)]


@lru_cache(maxsize=4096)
def _naming(model: str) -> re.Pattern[str] | None:
    """How a text names ``model``; None for a name too short or too common to be told from other words.

    A name with a digit, hyphen or underscore ("llama-7b") counts wherever it stands as a whole word. A plain
    word ("alpaca") counts only where the speaker names itself or an answer is called by it.
    """
    name = model.rsplit("/", 1)[-1].strip()
    if len(name) < 4:
        return None
    body = r"[\s_-]?".join(re.escape(part) for part in re.split(r"[\s_-]+", name) if part)
    if re.search(r"[\d_-]", name):
        return re.compile(rf"(?<![\w-]){body}(?![\w-])", re.IGNORECASE)
    naming = r"(?:\bi am|\bi['\u2019]m|\bas|\bmy name is|\bcalled|\bthis is|\bmodel)"
    return re.compile(rf"{naming}\s+{body}(?!\w)", re.IGNORECASE)


def named_models(text: str, models: Iterable[str | None]) -> list[str]:
    """Those of ``models`` that ``text`` names, sorted."""
    found = set()
    for model in models:
        pattern = _naming(model) if model else None
        if model and pattern is not None and pattern.search(text):
            found.add(model)
    return sorted(found)
