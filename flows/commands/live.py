"""``bounds live``: open a campaign of live conversations at a site, close it, see how it goes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.options import AsJson, Home, Site
from governance.errors import InputError, OutsideError

if TYPE_CHECKING:
    from annotation.live import Campaign
    from infra.database import Database
    from infra.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Let people of the portal talk with several models at once, blind."
)

_TRIAL = [{"role": "user", "content": "Please answer with one short sentence: what is a library?"}]


@app.command("open")
def open_(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model of the settings, by its name; all of them by default. May be repeated."),
    ] = None,
    kind: Annotated[
        Literal["rating", "pairwise", "ranking"], typer.Option(help="How answers are judged.")
    ] = "rating",
    turns: Annotated[int, typer.Option(help="Most messages of a conversation.", min=1, max=50)] = 4,
    answers: Annotated[
        int, typer.Option(help="How often the winner answers from the second message on.", min=2, max=4)
    ] = 2,
    conversations: Annotated[int, typer.Option(help="Most conversations of a person.", min=1, max=1000)] = 6,
    home: Home = None,
    site: Site = None,
    *,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not ask each model once beforehand.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open a campaign with two to four models of the settings (`live.NAME` with url, model, key).

    Each model is asked one harmless question first; if one does not answer, nothing is opened. The models, their
    addresses and their sampling are fixed with the campaign; keys stay in the settings.
    """
    from annotation.live import PURPOSE
    from infra.live_campaigns import make_campaign, open_campaign
    from infra.people_texts import load_consent_text

    settings, db, now = _opened(home)
    where = settings.site(site) if site else settings.sites[0]
    with db:
        campaign = make_campaign(
            settings,
            models=model,
            kind=kind,
            turns=turns,
            answers=answers,
            conversations=conversations,
            seed=where.seed,
        )
        if PURPOSE not in {purpose.id for purpose in load_consent_text(settings).purposes}:
            raise InputError(
                "nobody is asked whether their words may be sent to models",
                file="consent.yaml",
                field="purposes",
                expected=f"a purpose with the id {PURPOSE}, in a new version of the text",
            )
        if not unchecked:
            _try(settings, campaign)
        made = open_campaign(db, where.id, campaign, now=now)
    if as_json:
        typer.echo(json.dumps({"campaign": made.id, "site": made.site, **campaign.as_json()}))
        return
    names = ", ".join(one.name for one in campaign.models)
    typer.echo(f"{made.id} is open at {where.id}: {names}; up to {turns} messages a conversation, by {kind}")


@app.command()
def close(home: Home = None, site: Site = None) -> None:
    """Begin no more conversations at a site. Those that have begun may be finished."""
    from infra.live_campaigns import close_campaign

    settings, db, now = _opened(home)
    where = settings.site(site).id if site else settings.sites[0].id
    with db:
        closed = close_campaign(db, where, now=now)
    typer.echo(f"{closed} is closed" if closed else f"no campaign is open at {where}")


@app.command()
def status(home: Home = None, site: Site = None, as_json: AsJson = False) -> None:
    """How every campaign of a site goes: conversations, answers, errors, answers that name a model. No words."""
    from infra.live_campaigns import progress

    settings, db, _ = _opened(home)
    where = settings.site(site).id if site else settings.sites[0].id
    with db:
        found = progress(db, where)
    if as_json:
        rows = [
            {
                "campaign": one.id,
                "opened_at": one.opened_at.isoformat(),
                "closed_at": one.closed_at.isoformat() if one.closed_at else None,
                **one.campaign.as_json(),
                "progress": asdict(how),
            }
            for one, how in found
        ]
        typer.echo(json.dumps({"site": where, "campaigns": rows}))
        return
    if not found:
        typer.echo(f"no campaign at {where} yet")
    for one, how in found:
        ends = "open" if one.closed_at is None else f"closed {one.closed_at:%Y-%m-%d}"
        typer.echo(
            f"{one.id}  {ends}: {how.conversations} conversations ({how.ended} over), "
            f"{how.turns} messages, {how.judged} judged"
        )
        for each in one.campaign.models:
            typer.echo(f"  {each.name}: {_line(each.name, how)}")


def _line(name: str, how: Any) -> str:
    answers = how.answers.get(name, 0)
    line = f"{answers} answer{'' if answers == 1 else 's'}, {how.naming.get(name, 0)} of them naming a model"
    missing = ", ".join(f"{count} {reason}" for reason, count in how.errors.get(name, {}).items())
    return f"{line}; missing: {missing}" if missing else line


def _try(settings: Settings, campaign: Campaign) -> None:
    """Ask every model once.

    Raises:
        OutsideError: One did not answer; the error names it.
    """
    from infra.live_asking import ask_once
    from infra.live_campaigns import endpoint_of

    for model in campaign.models:
        endpoint = endpoint_of(settings, model, seed=0)
        _, error = (None, "not in the settings") if endpoint is None else ask_once(endpoint, _TRIAL)
        if error is not None:
            raise OutsideError(f"model {model.name} at {model.url} does not answer: {error}")


def _opened(home: Path | None) -> tuple[Settings, Database, datetime]:
    from infra.database import open_database
    from infra.settings import load_settings

    settings, now = load_settings(home), datetime.now(UTC)
    return settings, open_database(settings, now=now), now
