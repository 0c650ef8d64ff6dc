"""The assigner that follows a plan: quotas of people, gold and attention items, limits, order balanced in cells.

The choice is :mod:`annotation.assignment`'s; here is what it chooses from. Everything happens in the transaction,
and under the lock, of :class:`infra.reservations.PlainAssigner`, so that what is counted is what is.

Which cell a person is in says something sensitive about them. Beside the pseudonym therefore stands a keyed token of
the cell, not the cell: who lacks the site's key cannot read it, and it goes with the person.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, func, insert, select

from annotation.assignment import (
    OUTSIDE,
    Achieved,
    Cell,
    Counts,
    Limits,
    Plan,
    Role,
    achieved,
    balanced_order,
    choose,
    due_role,
)
from annotation.presentations import FIRST_PORTAL_SLOT
from governance.errors import InputError
from infra.catalogue import Presentation
from infra.database import Database
from infra.reservations import HOLD, PlainAssigner, portal_presentation
from infra.settings import SiteSettings
from infra.tables.items import GOLD_ITEMS, PRESENTATIONS
from infra.tables.portal import PLACEMENTS, PORTAL_ITEMS, PORTAL_JUDGEMENTS, RESERVATIONS

__all__ = ["QuotaAssigner"]

_COUNTING: Final = ("held", "done")
_DAY: Final = timedelta(days=1)
# Statements that every page needs are built once: building one anew costs as much as running it.
_SITE: Final[BindParameter[str]] = bindparam("site")
_ANNOTATOR: Final[BindParameter[str]] = bindparam("annotator")
_ITEM: Final[BindParameter[str]] = bindparam("item")
_CELL: Final[BindParameter[str]] = bindparam("cell")
_OF_PERSON: Final = (RESERVATIONS.c.site == _SITE) & (RESERVATIONS.c.annotator == _ANNOTATOR)
_JUDGED: Final = (PORTAL_JUDGEMENTS.c.site == _SITE) & (PORTAL_JUDGEMENTS.c.annotator == _ANNOTATOR)
_PLACED: Final = RESERVATIONS.join(PLACEMENTS, PLACEMENTS.c.presentation == RESERVATIONS.c.presentation)
_GIVEN: Final = select(func.count()).select_from(PORTAL_JUDGEMENTS).where(_JUDGED)
_GIVEN_SINCE: Final = select(PORTAL_JUDGEMENTS.c.presented_at, PORTAL_JUDGEMENTS.c.submitted_at).where(
    _JUDGED, PORTAL_JUDGEMENTS.c.submitted_at > bindparam("since")
)
_MINE: Final = (
    select(RESERVATIONS.c.presentation, RESERVATIONS.c.item, RESERVATIONS.c.state, PLACEMENTS.c.cell)
    .select_from(_PLACED)
    .where(_OF_PERSON, RESERVATIONS.c.state.in_(("held", "expired")))
    .order_by(RESERVATIONS.c.state.desc(), RESERVATIONS.c.reserved_at)
)
_MET: Final = select(RESERVATIONS.c.item).where(_OF_PERSON)
_ITEMS: Final = (
    select(PORTAL_ITEMS.c.item, PORTAL_ITEMS.c.kind, GOLD_ITEMS.c.role)
    .select_from(
        PORTAL_ITEMS.outerjoin(
            GOLD_ITEMS,
            (GOLD_ITEMS.c.site == PORTAL_ITEMS.c.site) & (GOLD_ITEMS.c.item == PORTAL_ITEMS.c.item),
        )
    )
    .where(PORTAL_ITEMS.c.site == _SITE)
    .order_by(PORTAL_ITEMS.c.item)
)
_COUNTS: Final = (
    select(RESERVATIONS.c.item, PLACEMENTS.c.cell, func.count())
    .select_from(_PLACED)
    .where(
        RESERVATIONS.c.site == _SITE,
        RESERVATIONS.c.state.in_(_COUNTING),
        PLACEMENTS.c.role == str(Role.ORDINARY),
    )
    .group_by(RESERVATIONS.c.item, PLACEMENTS.c.cell)
)
_TURNS: Final = (
    select(PLACEMENTS.c.cell, PLACEMENTS.c.turn, RESERVATIONS.c.item, func.count())
    .select_from(_PLACED)
    .where(
        RESERVATIONS.c.site == _SITE,
        RESERVATIONS.c.state.in_(_COUNTING),
        PLACEMENTS.c.candidates == bindparam("candidates"),
        (PLACEMENTS.c.cell == _CELL) | (RESERVATIONS.c.item == _ITEM),
    )
    .group_by(PLACEMENTS.c.cell, PLACEMENTS.c.turn, RESERVATIONS.c.item)
)
_LAST_SLOT: Final = select(func.max(PRESENTATIONS.c.slot)).where(
    PRESENTATIONS.c.site == _SITE, PRESENTATIONS.c.item == _ITEM
)

Profile = Callable[[str], Mapping[str, str | None]]
"""The codebook answers of a person by field; what they did not answer is missing or None."""


class QuotaAssigner(PlainAssigner):
    """Implements ``annotation.ports.Assigner`` by a plan.

    Args:
        db: The platform's database.
        site: The site.
        plan: The plan.
        profile: What a person said about themselves.
        policy: The digest of the effective policy at an instant.
        hold: How long an item stays held.

    Raises:
        InputError: The site has no key, so cells cannot be kept unreadable.
    """

    def __init__(
        self,
        db: Database,
        site: SiteSettings,
        *,
        plan: Plan,
        profile: Profile,
        policy: Callable[[datetime], str | None],
        hold: timedelta = HOLD,
    ) -> None:
        super().__init__(db, site, policy=policy, hold=hold)
        secret = site.key.get_secret_value()
        if not secret:
            raise InputError("the site has no key", field=f"sites.{site.id}.key", expected="a secret")
        self._plan = plan
        self._profile = profile
        self._secret = hashlib.sha256(b"bounds.cells/1\n" + secret.encode()).digest()
        self._cells = {self._token(cell): cell for cell in (*plan.cells, OUTSIDE)}

    def reserve(self, annotator: str, now: datetime) -> str | None:
        """The presentation held for the person, or a new one; None if nothing is left for them, or a limit is reached."""
        if self._plan.limits != Limits():
            with self._db.read() as connection:
                given = self._given(connection, annotator, now)
            if self._plan.limits.reached(**given) is not None:
                return None
        return super().reserve(annotator, now)

    def _given(self, connection: Connection, annotator: str, now: datetime) -> dict[str, Any]:
        of = {"site": self._site.id, "annotator": annotator}
        times = connection.execute(_GIVEN_SINCE, {**of, "since": now - _DAY}).all()
        return {
            "items": int(connection.execute(_GIVEN, of).scalar_one()),
            "items_today": len(times),
            "seconds_today": sum((row.submitted_at - row.presented_at).total_seconds() for row in times),
        }

    def _held(self, connection: Connection, annotator: str, now: datetime) -> str | None:
        counts: Counts | None = None
        for row in connection.execute(_MINE, {"site": self._site.id, "annotator": annotator}).all():
            if row.state == "expired":
                # A person who comes back late goes on where they were, if the place was not given away.
                counts = self._counted(connection) if counts is None else counts
                cell = self._cells.get(row.cell, OUTSIDE)
                full = counts.by_item.get(row.item, 0) >= self._plan.overlap
                items = len(self._items(connection)[Role.ORDINARY])
                if full or counts.by_cell.get(cell, 0) >= self._plan.quota(cell, items):
                    continue
            self._hold_on(connection, row.presentation, now)
            return str(row.presentation)
        return None

    def _items(self, connection: Connection) -> dict[Role, dict[str, str]]:
        """Role → item → kind, of every item of the site's portal."""
        found: dict[Role, dict[str, str]] = {role: {} for role in Role}
        for row in connection.execute(_ITEMS, {"site": self._site.id}):
            found[Role(row.role or Role.ORDINARY)][row.item] = row.kind
        return found

    def _counted(self, connection: Connection) -> Counts:
        """What is done or in flight of ordinary items."""
        pairs: Counter[tuple[str, Cell]] = Counter()
        for item, token, count in connection.execute(_COUNTS, {"site": self._site.id}):
            pairs[item, self._cells.get(token, OUTSIDE)] += int(count)
        return Counts.of(pairs)

    def _new(
        self, connection: Connection, annotator: str, consent: str, policy: str | None, now: datetime
    ) -> str | None:
        of = {"site": self._site.id, "annotator": annotator}
        met = list(connection.execute(_MET, of).scalars())
        items = self._items(connection)
        cell = self._plan.cell_of(self._profile(annotator))
        item, role = self._special(annotator, items, met)
        if item is None:
            item = choose(
                self._plan,
                cell=cell,
                annotator=annotator,
                items=list(items[Role.ORDINARY]),
                met=met,
                counts=self._counted(connection),
                seed=self._site.seed,
            )
        if item is None:
            return None
        record = self._record(connection, item)
        row, turn = self._shown(connection, record, items[role][item], cell, consent, policy, now)
        self._hold_for(connection, annotator, row, now)
        connection.execute(
            insert(PLACEMENTS),
            {
                "presentation": row.presentation,
                **of,
                "cell": self._token(cell),
                "role": str(role),
                "turn": turn,
                "candidates": len(row.shown),
            },
        )
        return row.presentation

    def _special(
        self, annotator: str, items: Mapping[Role, Mapping[str, str]], met: list[str]
    ) -> tuple[str | None, Role]:
        """The gold or attention item that is due for the person; an ordinary one where none is left of them."""
        role = due_role(self._plan, len(met) + 1)
        left = set() if role is Role.ORDINARY else set(items[role]) - set(met)
        if not left:
            return None, Role.ORDINARY
        return min(left, key=lambda item: self._draw(item, annotator)), role

    def _shown(
        self,
        connection: Connection,
        item: Mapping[str, Any],
        kind: str,
        cell: Cell,
        consent: str,
        policy: str | None,
        now: datetime,
    ) -> tuple[Presentation, int]:
        ids = [candidate["candidate"] for candidate in item["candidates"]]
        of = {"site": self._site.id, "item": item["item"]}
        token = self._token(cell)
        of_cell: Counter[int] = Counter()
        of_item: Counter[int] = Counter()
        for row in connection.execute(_TURNS, {**of, "cell": token, "candidates": len(ids)}):
            if row.cell == token:
                of_cell[row.turn] += int(row[3])
            if row.item == item["item"]:
                of_item[row.turn] += int(row[3])
        order, turn = balanced_order(
            ids, item=item["item"], turns_of_cell=of_cell, turns_of_item=of_item, seed=self._site.seed
        )
        last = connection.execute(_LAST_SLOT, of).scalar_one()
        slot = max(FIRST_PORTAL_SLOT - 1, -1 if last is None else int(last)) + 1
        shown = portal_presentation(
            self._site.id, item, slot, order, kind=kind, policy=policy, consent=consent, now=now
        )
        return shown, turn

    def achieved(self, now: datetime) -> tuple[Achieved, ...]:
        """Achieved against target, cell by cell."""
        query = (
            select(PLACEMENTS.c.cell, RESERVATIONS.c.state, PORTAL_JUDGEMENTS.c.submitted_at)
            .join(RESERVATIONS, RESERVATIONS.c.presentation == PLACEMENTS.c.presentation)
            .outerjoin(PORTAL_JUDGEMENTS, PORTAL_JUDGEMENTS.c.presentation == PLACEMENTS.c.presentation)
            .where(
                PLACEMENTS.c.site == self._site.id,
                PLACEMENTS.c.role == str(Role.ORDINARY),
                RESERVATIONS.c.state.in_(_COUNTING),
            )
        )
        done: Counter[Cell] = Counter()
        flying: Counter[Cell] = Counter()
        lately: Counter[Cell] = Counter()
        with self._db.read() as connection:
            items = len(self._items(connection)[Role.ORDINARY])
            for row in connection.execute(query):
                cell = self._cells.get(row.cell, OUTSIDE)
                if row.state == "held":
                    flying[cell] += 1
                    continue
                done[cell] += 1
                if row.submitted_at is not None and row.submitted_at > now - _DAY:
                    lately[cell] += 1
        return achieved(self._plan, items=items, done=done, in_flight=flying, done_last_day=lately, now=now)

    def _token(self, cell: Cell) -> str:
        return hmac.new(self._secret, "\x1f".join(cell).encode(), hashlib.sha256).hexdigest()[:32]
