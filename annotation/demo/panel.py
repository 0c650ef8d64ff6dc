r"""How a simulated person judges a pair: a seeded random-utility model.

The utility of an answer :math:`a` to a person with weights :math:`w` is

.. math:: u(a) = \sum_t w_t\, x_t(a),

over the traits of its manner (refuses, helps with harm, lectures, is warm) and its length
:math:`x_{length} = \log_2(words / 20)`. With :math:`d = u(second) - u(first) + \varepsilon`,
:math:`\varepsilon \sim N(0, noise^2)`, the answer is a tie where :math:`|d| < 0.35` and otherwise
``strength`` 1, 2 or 3 at the cuts 0.35, 1.1, 2.2, with the sign of :math:`d`. Where both utilities are below
``FLOOR`` the person finds neither acceptable; one judgement in fifty is ``cannot_judge``. Random utilities
are Thurstone's (1927, doi:10.1037/h0070288).

Worked: utilities 1.0 and -0.5 without noise give d = -1.5, that is strength -2: the first is better.

The same item, person and seed always give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from annotation.demo.items import DemoItem, Style
from annotation.demo.people import Person, Tastes
from annotation.records import Outcome
from governance.digest import digest
from governance.errors import RecordError

__all__ = ["PanelAnswer", "Panellist", "answer", "utility"]

CUTS: Final = (0.35, 1.1, 2.2)
FLOOR: Final = -1.2
_CANNOT_JUDGE: Final = 0.02
_SAYS_WHY: Final = 0.45
_REFUSALS: Final = frozenset({Style.CURT, Style.POLITE, Style.REFUSE})
_WHY: Final[Mapping[Style, tuple[str, ...]]] = {
    Style.SHORT: ("Straight to the point.", "I had my answer in one line."),
    Style.LONG: ("More to work with.", "It explains why, not only what."),
    Style.WARM: ("Feels like somebody cares.", "Friendly without being silly."),
    Style.LECTURE: ("It reminds people to be careful.", "I like that it takes a stand."),
    Style.CURT: ("A clear no is enough.", "No sermon, simply no."),
    Style.POLITE: ("It says no and still offers something.", "A kind way to decline."),
    Style.REFUSE: ("Better safe than sorry.",),
    Style.COMPLY: ("The other one was worse.",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelAnswer:
    """What a simulated person answers, in the item's canonical order.

    Attributes:
        outcome: prefers, tie, neither, cannot_judge.
        strength: -3 (first much better) to 3 (second much better), 0 a tie; None without a preference.
        preferred: Id of the preferred candidate; None unless ``outcome`` is prefers.
        rationale: A short sentence, or None.
        seconds: Time on the page.
    """

    outcome: Outcome
    strength: int | None
    preferred: str | None
    rationale: str | None
    seconds: float


def utility(style: Style, words: int, *, harmful: bool, tastes: Tastes) -> float:
    """Utility of one answer without noise, in steps of the scale."""
    value = 0.0
    if style is Style.COMPLY:
        # A withheld answer has no length of its own, and whatever it lacks is not a matter of taste.
        return tastes.helps_harm
    refuses = style in _REFUSALS or (style is Style.LECTURE and harmful)
    if refuses:
        value += tastes.refuses_harm if harmful else tastes.refuses_harmless
    if style is Style.LECTURE:
        value += tastes.lecture
    if style in {Style.WARM, Style.POLITE}:
        value += tastes.warmth
    return value + tastes.length * math.log2(max(words, 1) / 20)


def answer(item: DemoItem, person: Person, *, seed: int) -> PanelAnswer:
    """The person's judgement of the item."""
    random = np.random.default_rng(list(bytes.fromhex(digest([seed, item.row["digest"], person.id])[7:39])))
    texts = [candidate["text"] for candidate in item.row["candidates"]]
    words = sum(len(text.split()) for text in texts) + len(item.prompt.split())
    # Reading speed and hesitation: log-normal around 6 s and 4 words a second.
    seconds = round(float((6 + words / 4) * random.lognormal(0.0, 0.35)), 1)
    first, second = (
        utility(style, len(text.split()), harmful=item.harmful, tastes=person.tastes)
        for style, text in zip(item.styles, texts, strict=True)
    )
    noise = float(random.normal(0.0, person.tastes.noise))
    chance, says, which = random.random(3)
    if chance < _CANNOT_JUDGE:
        return _without(Outcome.CANNOT_JUDGE, None, seconds)
    if max(first, second) < FLOOR:
        return _without(Outcome.NEITHER, None, seconds)
    difference = second - first + noise
    size = sum(abs(difference) >= cut for cut in CUTS)
    if size == 0:
        return _without(Outcome.TIE, 0, seconds)
    position = int(difference > 0)
    reasons = _WHY[item.styles[position]]
    return PanelAnswer(
        outcome=Outcome.PREFERS,
        strength=size if position else -size,
        preferred=item.row["candidates"][position]["candidate"],
        rationale=reasons[int(which * len(reasons))] if says < _SAYS_WHY else None,
        seconds=seconds,
    )


def _without(outcome: Outcome, strength: int | None, seconds: float) -> PanelAnswer:
    return PanelAnswer(outcome=outcome, strength=strength, preferred=None, rationale=None, seconds=seconds)


class Panellist:
    """Answers for one person about any shipped item, found by its id.

    A row that is not a shipped item is refused: nobody knows how it was written.
    """

    def __init__(self, person: Person, items: Iterable[DemoItem], *, seed: int) -> None:
        self.person = person
        self._seed = seed
        self._items = {item.row["item"]: item for item in items}

    def __call__(self, row: Mapping[str, Any]) -> PanelAnswer:
        """The answer to an ``ITEMS`` row.

        Raises:
            RecordError: The row is not one of the items.
        """
        item = self._items.get(row["item"])
        if item is None or item.row["digest"] != row["digest"]:
            raise RecordError("not a shipped item", field="item", value=row["item"])
        return answer(item, self.person, seed=self._seed)
