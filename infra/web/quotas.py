"""The page of quotas: for every site with a plan, who has spoken against whom it asks for, and who is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from annotation.assignment import OUTSIDE, Achieved, Plan
from infra.assignment_files import quotas_of
from infra.database import open_database
from infra.settings import Settings
from infra.web.pages import Pages

__all__ = ["PATH", "router"]

PATH: Final = "/quotas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell of a plan.

    Attributes:
        name: Its values in the order of the plan's strata.
        filled: Share of the quota that is done, in hundredths, at most 100.
        says: What is to be said of it in words.
    """

    name: str
    cell: Achieved
    filled: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """A site's plan and its cells.

    Attributes:
        missing: Names of the cells that lack people, those that nobody is filling first.
    """

    site: str
    plan: Plan
    rows: tuple[Row, ...]
    missing: tuple[str, ...]

    @property
    def cells(self) -> int:
        """How many cells the plan asks for."""
        return len(self.plan.cells)


def router(settings: Settings, pages: Pages, *, clock: Callable[[], datetime] | None = None) -> APIRouter:
    """The route ``/quotas``.

    Args:
        settings: The sites and their plans.
        pages: Renders.
        clock: Tells the time; the real one by default.
    """
    routes = APIRouter()

    @routes.get(PATH, response_class=HTMLResponse, include_in_schema=False)
    def shown() -> HTMLResponse:
        now = clock() if clock is not None else datetime.now(UTC)
        return pages.page("quotas.html", here=PATH, sites=_sites(settings, now))

    return routes


def _sites(settings: Settings, now: datetime) -> list[SitePlan]:
    planned = [site.id for site in settings.sites if site.assignment is not None]
    if not planned:
        return []
    with open_database(settings, now=now) as db:
        made = [(site, quotas_of(settings, db, site)) for site in planned]
        return [_site(site, found[0], found[1].achieved(now)) for site, found in made if found is not None]


def _site(site: str, plan: Plan, found: tuple[Achieved, ...]) -> SitePlan:
    rows = tuple(_row(each) for each in found)
    short = sorted((row for row in rows if row.cell.is_under_filled), key=lambda row: bool(row.cell.forecast))
    return SitePlan(site=site, plan=plan, rows=rows, missing=tuple(row.name for row in short))


def _row(cell: Achieved) -> Row:
    outside = cell.cell == OUTSIDE
    if outside:
        says = "at most this many"
    elif not cell.is_under_filled:
        says = "filled"
    elif cell.forecast is not None:
        says = f"filled by {cell.forecast:%Y-%m-%d %H:%M}"
    else:
        says = "nobody is coming"
    return Row(
        name="in no group" if outside else " / ".join(cell.cell),
        cell=cell,
        filled=min(100.0 * cell.done / cell.quota, 100.0) if cell.quota else 0.0,
        says=says,
    )
