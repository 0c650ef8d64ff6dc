"""What people's time comes to: time that counts, and what it is worth at a rate that the site states. Pure.

Time counts from the moment an item is shown until it is judged, skipped or reported, and while a message is written;
an item that lies open counts for so long and no longer. Figures are shown to the person and to staff alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

__all__ = ["Meter", "Progress", "Rate", "counted", "in_words"]

_CENT: Final = Decimal("0.01")
_HOUR: Final = Decimal(3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What an hour is worth, in a currency (ISO 4217)."""

    per_hour: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A person's time that counts, and what it comes to.

    Attributes:
        seconds: Time that counts.
        rate: What an hour is worth; None where the site states none.
    """

    seconds: float
    rate: Rate | None

    @property
    def amount(self) -> Decimal | None:
        """``seconds / 3600 * per_hour``, rounded half up to a hundredth; 5400 s at 12.00 are 18.00."""
        if self.rate is None:
            return None
        worth = Decimal(str(self.seconds)) * self.rate.per_hour / _HOUR
        return worth.quantize(_CENT, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How much a person has done.

    Attributes:
        done: Judgements given.
        lately: Seconds from showing to judging, and of writing, of what they gave since an instant.
        meter: Their time that counts.
    """

    done: int
    lately: float
    meter: Meter


def counted(spans: Iterable[float], *, longest: float) -> float:
    """The time of spans in seconds, each from 0 to ``longest``."""
    return sum(min(max(span, 0.0), longest) for span in spans)


def in_words(seconds: float) -> str:
    """Hours and minutes, rounded down to whole minutes: ``1 h 05 min``, ``0 min``."""
    hours, minutes = divmod(int(seconds // 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
