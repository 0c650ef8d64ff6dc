"""The demonstration's people at the portal: they enrol, judge by quota, and one of them withdraws.

All of it is HTTP, through the pages that real people use: a personal link, the consent text, the codebook's
questions, the labelling page, the page of one's own data. Everybody is marked as simulated from the link on.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flows.demonstration import say_demo
from flows.wiring import Platform, clock
from governance.errors import OutsideError
from infra import catalogue, enrolment, erasure
from infra.assignment_files import quotas_of
from infra.demo_files import demo_items, demo_people
from infra.identity import open_identity
from infra.portal_visitor import PortalVisitor
from infra.reservations import add_portal_items

__all__ = [
    "FROM_OUTSIDE",
    "Quota",
    "enrolled",
    "gone_from",
    "judge_by_quota",
    "people_in",
    "portal_items",
    "put_in_portal",
    "under_filled",
    "withdraw_at_portal",
]

FROM_OUTSIDE: Final = "sim-04"
"""Takes part through the portal alone, as everybody from outside does; the others are the trusted panel, too.
Of one taste among several, so that what the candidates learn does not hang on a withdrawal."""
_ITEMS: Final = 8
# The page's own time is bounded by the time since it was shown: nobody is believed to have read in less.
_READING_SECONDS: Final = 1.1
_LINK_LIFE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A cell of the plan that lacks people.

    Attributes:
        cell: Its name.
        done: Judgements so far.
        quota: Judgements that it would give.
    """

    cell: str
    done: int
    quota: int


def portal_items() -> list[str]:
    """The items that the portal gives out: the first of the file."""
    return [item.row["item"] for item in demo_items()[:_ITEMS]]


def put_in_portal(platform: Platform, site: str) -> None:
    """Put the portal's items before its people."""
    add_portal_items(platform.db, site, portal_items(), kind="pairwise")


@contextmanager
def enrolled(platform: Platform, site: str) -> Iterator[dict[str, PortalVisitor]]:
    """Every simulated person, invited and enrolled through the portal; by pseudonym, at the portal until the end.

    Raises:
        OutsideError: The portal is not running.
    """
    address = platform.settings.near_pages_url
    if address is None:
        raise OutsideError("the portal is not running")
    with ExitStack() as closing:
        visitors = {}
        now = clock()
        with open_identity(platform.settings, site, now=now) as identities:
            for person in demo_people():
                contact = f"{person.id}@panel.invalid"
                name = f"simulated person {person.id}"
                known = identities.add(person.id, contact=contact, name=name, now=now)
                who = enrolment.enrol(platform.db, site, known, locale="en", simulated=True, now=now)
                link = "/join/" + enrolment.invite(platform.db, who, life=_LINK_LIFE, now=now)
                visitors[known] = closing.enter_context(
                    PortalVisitor(address=address, link=link, profile=person.profile)
                )
        for visitor in visitors.values():
            visitor.enrol()
        yield visitors


def judge_by_quota(platform: Platform, site: str, visitors: Mapping[str, PortalVisitor], *, seed: int) -> int:
    """Let everybody judge what the portal gives them, in turns, until it gives nobody anything; how many judgements.

    Everybody opens a page, then everybody has read, then everybody answers: one after the other in a fixed order,
    so the plan gives the same items to the same people in every run.
    """
    items = {item.row["item"]: item for item in demo_items()}
    people = {person.id: person for person in demo_people()}
    # The one from outside first: there is no other way for them to be heard.
    order = sorted(visitors, key=lambda name: (name != FROM_OUTSIDE, name))
    given = 0
    while turn := [(name, *found) for name in order if (found := visitors[name].look()) is not None]:
        time.sleep(_READING_SECONDS)
        rows = {row.presentation: row for row in catalogue.presentations(platform.db, site)}
        for name, presentation, page in turn:
            row = rows[presentation]
            said = say_demo(items[row.item], row.shown, people[name], seed=seed)
            answer = {"choice": said.label, "rationale": said.rationale or "", "seconds": str(said.seconds)}
            visitors[name].submit(presentation, page, answer)
            given += 1
    return given


def under_filled(platform: Platform, site: str) -> tuple[list[Quota], int]:
    """The cells of the plan that lack people, and how many cells there are."""
    made = quotas_of(platform.settings, platform.db, site)
    if made is None:
        return [], 0
    plan, assigner = made
    short = [each for each in assigner.achieved(clock()) if each.is_under_filled]
    return [Quota(cell=" ".join(e.cell), done=e.done, quota=e.quota) for e in short], len(plan.cells)


def withdraw_at_portal(platform: Platform, site: str, annotator: str) -> None:
    """The person follows a personal link, opens the page of their own data, and withdraws.

    Raises:
        OutsideError: The portal is not running.
    """
    address = platform.settings.near_pages_url
    if address is None:
        raise OutsideError("the portal is not running")
    now = clock()
    who = enrolment.find_person(platform.db, site, annotator)
    link = "/join/" + enrolment.invite(platform.db, who, life=_LINK_LIFE, now=now)
    with PortalVisitor(address=address, link=link, profile={}) as visitor:
        visitor.join()
        visitor.withdraw()


def gone_from(platform: Platform, site: str, annotator: str, released: Mapping[str, Any]) -> bool:
    """Whether no batch behind a release holds the person; read from the batches' own files."""
    held: Sequence[str] = erasure.batches_with(platform.store, platform.db, site, annotator)
    return not set(held) & set(released["batches"])


def people_in(platform: Platform, released: Mapping[str, Any]) -> int:
    """How many people a release holds; counted in its file."""
    import pyarrow.parquet as pq

    data = platform.store.get_file("releases", released["tree"], "annotators.parquet")
    return int(pq.read_metadata(io.BytesIO(data)).num_rows)
