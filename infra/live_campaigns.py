"""Campaigns of live conversations: opened, closed, and how they go; a site has one open at most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, exists, func, insert, or_, select, update

from annotation.enrolment import Enrolled
from annotation.live import Campaign, CampaignModel
from annotation.records import JudgementKind
from governance.digest import digest
from governance.errors import InputError
from infra.chat_endpoint import Endpoint
from infra.database import Database
from infra.settings import Settings
from infra.tables.live import LIVE_CAMPAIGNS, LIVE_CONVERSATIONS, LIVE_REPLIES, LIVE_TURNS

__all__ = [
    "OpenCampaign",
    "Progress",
    "close_campaign",
    "endpoint_of",
    "is_offered",
    "make_campaign",
    "open_campaign",
    "opened",
    "progress",
]

_OFFERED: Final = select(
    or_(
        exists().where(LIVE_CAMPAIGNS.c.site == bindparam("site"), LIVE_CAMPAIGNS.c.closed_at.is_(None)),
        exists().where(
            LIVE_CONVERSATIONS.c.site == bindparam("site"),
            LIVE_CONVERSATIONS.c.annotator == bindparam("annotator"),
            LIVE_CONVERSATIONS.c.ended_at.is_(None),
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCampaign:
    """A campaign as it stands in the database."""

    id: str
    site: str
    campaign: Campaign
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a campaign goes, in counts; nobody's words.

    Attributes:
        conversations: Begun; ``ended`` of them are over.
        turns: Messages written; ``judged`` of them were judged.
        answers: Model → answers that came.
        errors: Model → reason → answers that did not come.
        naming: Model → answers that give away the name of a model.
    """

    conversations: int
    ended: int
    turns: int
    judged: int
    answers: dict[str, int]
    errors: dict[str, dict[str, int]]
    naming: dict[str, int]


def make_campaign(
    settings: Settings,
    *,
    models: list[str] | None = None,
    kind: str = str(JudgementKind.RATING),
    turns: int = 4,
    answers: int = 2,
    conversations: int = 6,
    seed: int = 0,
) -> Campaign:
    """A campaign with the models of the settings, all or those named.

    Raises:
        InputError: A model is not in the settings, or there are too few or too many.
    """
    chosen = models or sorted(settings.live)
    for name in chosen:
        if name not in settings.live:
            raise InputError(
                "the settings name no such model",
                field="live",
                value=name,
                expected=", ".join(sorted(settings.live)) or "a table [live.NAME] with url and model",
            )
    return Campaign(
        models=tuple(
            CampaignModel(
                name=name,
                url=settings.live[name].url,
                model=settings.live[name].model,
                temperature=settings.live[name].temperature,
                max_tokens=settings.live[name].max_tokens,
            )
            for name in chosen
        ),
        kind=kind,
        turns=turns,
        answers=answers,
        conversations=conversations,
        seed=seed,
    )


def endpoint_of(settings: Settings, model: CampaignModel, *, seed: int) -> Endpoint | None:
    """How a campaign's model is asked; None where the settings no longer say it as the campaign does."""
    found = settings.live.get(model.name)
    if found is None or (found.url, found.model) != (model.url, model.model):
        return None
    return Endpoint(
        url=model.url,
        model=model.model,
        key=None if found.key is None else found.key.get_secret_value(),
        temperature=model.temperature,
        max_tokens=model.max_tokens,
        seed=seed,
        in_flight=1,
        timeout=found.timeout,
        attempts=2,
        patience=20.0,
        largest=200_000,
    )


def open_campaign(db: Database, site: str, campaign: Campaign, *, now: datetime) -> OpenCampaign:
    """Open a campaign at a site.

    Raises:
        InputError: Another one is open there.
    """
    made = OpenCampaign(
        id="live-" + digest([site, campaign.as_json(), now.isoformat()]).removeprefix("sha256:")[:16],
        site=site,
        campaign=campaign,
        opened_at=now,
        closed_at=None,
    )
    with db.write() as connection:
        db.lock(connection, "live", site)
        there = select(LIVE_CAMPAIGNS.c.campaign).where(
            LIVE_CAMPAIGNS.c.site == site, LIVE_CAMPAIGNS.c.closed_at.is_(None)
        )
        if (other := connection.execute(there).scalar_one_or_none()) is not None:
            raise InputError(
                "a campaign is open already",
                field="site",
                value=site,
                expected=f"`bounds live close` {other}",
            )
        row = {"campaign": made.id, "site": site, "document": campaign.as_json(), "opened_at": now}
        connection.execute(insert(LIVE_CAMPAIGNS).values(**row))
    return made


def close_campaign(db: Database, site: str, *, now: datetime) -> str | None:
    """Begin no more conversations; those begun may be finished. The campaign's id, None if none was open."""
    found = opened(db, site)
    if found is not None:
        here = LIVE_CAMPAIGNS.c.campaign == found.id
        with db.write() as connection:
            connection.execute(
                update(LIVE_CAMPAIGNS).where(here, LIVE_CAMPAIGNS.c.closed_at.is_(None)).values(closed_at=now)
            )
    return None if found is None else found.id


def opened(db: Database, site: str) -> OpenCampaign | None:
    """The campaign that is open at a site."""
    query = select(LIVE_CAMPAIGNS).where(LIVE_CAMPAIGNS.c.site == site, LIVE_CAMPAIGNS.c.closed_at.is_(None))
    with db.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _campaign(row)


def is_offered(db: Database, person: Enrolled) -> bool:
    """Whether a campaign is open at the person's site, or a conversation of theirs goes on."""
    with db.read() as connection:
        return bool(
            connection.execute(_OFFERED, {"site": person.site, "annotator": person.annotator}).scalar_one()
        )


def progress(db: Database, site: str) -> list[tuple[OpenCampaign, Progress]]:
    """Every campaign of a site, the newest first, with how it goes."""
    query = select(LIVE_CAMPAIGNS).where(LIVE_CAMPAIGNS.c.site == site)
    with db.read() as connection:
        rows = connection.execute(query.order_by(LIVE_CAMPAIGNS.c.opened_at.desc())).all()
    return [(_campaign(row), _progress(db, row.campaign)) for row in rows]


def _campaign(row: Any) -> OpenCampaign:
    return OpenCampaign(
        id=row.campaign,
        site=row.site,
        campaign=Campaign.from_json(row.document),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


def _progress(db: Database, campaign: str) -> Progress:
    mine = select(LIVE_CONVERSATIONS.c.conversation).where(LIVE_CONVERSATIONS.c.campaign == campaign)
    begun = select(func.count(), func.count(LIVE_CONVERSATIONS.c.ended_at)).where(
        LIVE_CONVERSATIONS.c.campaign == campaign
    )
    said = select(func.count(), func.count(LIVE_TURNS.c.winner)).where(LIVE_TURNS.c.conversation.in_(mine))
    replies = select(LIVE_REPLIES.c.model, LIVE_REPLIES.c.error, LIVE_REPLIES.c.named).where(
        LIVE_REPLIES.c.conversation.in_(mine)
    )
    answers: Counter[str] = Counter()
    naming: Counter[str] = Counter()
    errors: dict[str, Counter[str]] = {}
    with db.read() as connection:
        conversations, ended = connection.execute(begun).one()
        turns, judged = connection.execute(said).one()
        for row in connection.execute(replies):
            if row.error is not None:
                errors.setdefault(row.model, Counter())[row.error] += 1
            else:
                answers[row.model] += 1
                naming[row.model] += bool(row.named)
    return Progress(
        conversations=int(conversations),
        ended=int(ended),
        turns=int(turns),
        judged=int(judged),
        answers=dict(sorted(answers.items())),
        errors={model: dict(sorted(found.items())) for model, found in sorted(errors.items())},
        naming={model: count for model, count in sorted(naming.items()) if count},
    )
