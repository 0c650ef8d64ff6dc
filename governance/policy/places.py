"""Jurisdictions: ISO 3166-1 alpha-2 codes, their ISO 3166-2 parts (``US-CA``), and ``EU`` for its members."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["COUNTRIES", "EU_MEMBERS", "applies_in", "check_place"]

COUNTRIES: Final = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE
    YT ZA ZM ZW
    """.split()  # noqa: SIM905 - one word a country reads better than 249 quotes
)
EU_MEMBERS: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)
_PART = re.compile(r"^[A-Z]{2}-[A-Z0-9]{1,3}$")
_OTHER_NAMES: Final = {"UK": "GB", "EL": "GR"}


def check_place(code: str) -> str:
    """``code`` itself when it is a known place.

    Raises:
        ValueError: It is not, with what was probably meant.
    """
    country = code[:2] if _PART.match(code) else code
    if country in COUNTRIES or code == "EU":
        return code
    hint = _OTHER_NAMES.get(country)
    meant = (
        f"write {hint}"
        if hint
        else "write an ISO 3166-1 alpha-2 code such as DE, a part such as US-CA, or EU"
    )
    raise ValueError(f"unknown jurisdiction {code!r}; {meant}")


def applies_in(declared: Iterable[str], asked: Iterable[str]) -> bool:
    """Whether a document for ``declared`` binds in any of ``asked``.

    A document without jurisdictions binds everywhere. A country's document binds in its parts, a part's
    document binds where the whole country is asked for, and EU stands for its members in both roles.
    """
    places = frozenset(declared)
    if not places:
        return True
    spread = _spread(places)
    return any(
        place in spread or place[:2] in spread or any(part.startswith(f"{place}-") for part in places)
        for place in _spread(asked)
    )


def _spread(places: Iterable[str]) -> frozenset[str]:
    named = frozenset(places)
    return named | EU_MEMBERS if "EU" in named else named
