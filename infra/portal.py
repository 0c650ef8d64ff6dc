"""The portal's store: everything that ``annotation.web`` asks of the outside, joined for all sites of an installation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from annotation.codebook import Codebook, ConsentText
from annotation.enrolment import ConsentState, Enrolled, GivenAnswer, Shown, Submitted
from annotation.pay import Progress, Rate
from annotation.ports import Assigner
from infra import answers, consents, enrolment, portal_judgements
from infra.assignment_files import make_assigner, rate_of
from infra.database import Database
from infra.pay import progress_of
from infra.person_keys import PersonKeys, open_person_keys
from infra.settings import Settings
from infra.tables.people import CODEBOOK_VERSIONS

__all__ = ["SqlPortal"]


class SqlPortal:
    """Implements ``annotation.web.ports.PortalStore``.

    Args:
        settings: The sites and their keys.
        db: The platform's database.
        codebook: The questions; kept as a version.
        consent_text: What people agree to; kept as a version.
        policy: The digest of the effective policy at an instant.
        now: When the versions are first seen.
        assigner: Makes the assigner of a site; by default the one that the site's settings ask for.

    Raises:
        InputError: A version was used before with another content.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        *,
        codebook: Codebook,
        consent_text: ConsentText,
        policy: Callable[[datetime], str | None],
        now: datetime,
        assigner: Callable[[str], Assigner] | None = None,
    ) -> None:
        self._settings = settings
        self._db = db
        self._codebook = codebook.name
        self._version = consents.record_version(db, consent_text.document(), now=now)
        consents.record_version(db, codebook.document(), now=now, table=CODEBOOK_VERSIONS)
        self._policy = policy
        self._make = assigner or self._planned
        self._assigners: dict[str, Assigner] = {}
        self._keys: dict[str, PersonKeys] = {}
        self._rates: dict[str, Rate | None] = {}

    def redeem(self, token: str, now: datetime) -> Enrolled | None:
        """Whom a personal link is for."""
        return enrolment.redeem(self._db, token, now=now)

    def open_session(self, token: str, locale: str, now: datetime) -> str | None:
        """Open a session by a personal link; its secret."""
        return enrolment.open_session(self._db, token, locale=locale, now=now)

    def session(self, secret: str, now: datetime) -> Enrolled | None:
        """Whose session it is."""
        person = enrolment.session(self._db, secret, now=now)
        return person if person is not None and person.stopped_at is None else None

    def sign_out(self, secret: str) -> None:
        """End a session."""
        enrolment.sign_out(self._db, secret)

    def set_locale(self, person: Enrolled, locale: str) -> None:
        """The person reads another language from now on."""
        enrolment.set_locale(self._db, person, locale)

    def note_practised(self, person: Enrolled, now: datetime) -> None:
        """The practice item was done."""
        enrolment.note_practised(self._db, person, now=now)

    def consent(self, person: Enrolled) -> ConsentState | None:
        """What the person agrees to now; None if they have not decided about the text in force."""
        state = consents.consent_state(self._db, person.site, person.annotator)
        return state if state is not None and state.version == self._version else None

    def consent_history(self, person: Enrolled) -> Sequence[Mapping[str, Any]]:
        """Every consent event of the person."""
        return consents.history(self._db, person.site, person.annotator)

    def decide(self, person: Enrolled, purposes: Mapping[str, bool], now: datetime) -> None:
        """Record what the person decided about each purpose."""
        consents.decide(self._db, person.site, person.annotator, self._version, purposes, now=now)

    def answers(self, person: Enrolled) -> Mapping[str, GivenAnswer]:
        """What the person said about themselves, by field."""
        return answers.answers_of(
            self._db, self._keys_of(person), person.site, person.annotator, self._codebook
        )

    def give_answers(
        self, person: Enrolled, given: Iterable[tuple[str, str, str | None, str | None]], now: datetime
    ) -> None:
        """Record answers."""
        answers.give_answers(
            self._db, self._keys_of(person), person.site, person.annotator, self._codebook, given, now=now
        )

    def reserve(self, person: Enrolled, now: datetime) -> Shown | None:
        """The item held for the person, or a new one."""
        presentation = self._assigner(person.site).reserve(person.annotator, now)
        return None if presentation is None else self.held(person, presentation)

    def held(self, person: Enrolled, presentation: str) -> Shown | None:
        """The item of a presentation that is held for this person."""
        return portal_judgements.held(self._db, self._keys_of(person), person, presentation)

    def show(self, person: Enrolled, presentation: str, now: datetime) -> None:
        """The person sees the item now."""
        portal_judgements.show(self._db, person, presentation, now=now)

    def save_draft(
        self, person: Enrolled, presentation: str, draft: Mapping[str, Any], now: datetime
    ) -> bool:
        """Keep what the person has so far."""
        return portal_judgements.save_draft(
            self._db, self._keys_of(person), person, presentation, draft, now=now
        )

    def submit(
        self,
        person: Enrolled,
        presentation: str,
        answer: Mapping[str, Any],
        seconds: float | None,
        now: datetime,
    ) -> Submitted:
        """Store a judgement, once; its reservation is done in the same transaction, so no assigner need be told."""
        return portal_judgements.submit(
            self._db, self._keys_of(person), person, presentation, answer, seconds=seconds, now=now
        )

    def leave(
        self, person: Enrolled, presentation: str, kind: str, reason: str | None, now: datetime
    ) -> bool:
        """Leave an item out or report it."""
        left = portal_judgements.leave(
            self._db, self._keys_of(person), person, presentation, kind=kind, reason=reason, now=now
        )
        if left:
            self._assigner(person.site).release(presentation, now)
        return left

    def progress(self, person: Enrolled, since: datetime) -> Progress:
        """How much the person has done, how much of it since an instant, and what their time comes to."""
        if person.site not in self._rates:
            self._rates[person.site] = rate_of(self._settings, person.site)
        site, rate = self._settings.site(person.site), self._rates[person.site]
        return progress_of(self._db, site, person.annotator, rate=rate, since=since)

    def judgements(self, person: Enrolled) -> Sequence[Mapping[str, Any]]:
        """Everything the person judged."""
        return portal_judgements.given_judgements(self._db, self._keys_of(person), person)

    def withdraw(self, person: Enrolled, now: datetime) -> str:
        """Record that the person wants out and stop at once; the request's number."""
        made = enrolment.request_withdrawal(self._db, person.site, person.annotator, via="portal", now=now)
        return made.request

    def _keys_of(self, person: Enrolled) -> PersonKeys:
        if person.site not in self._keys:
            self._keys[person.site] = open_person_keys(self._settings, person.site)
        return self._keys[person.site]

    def _assigner(self, site: str) -> Assigner:
        if site not in self._assigners:
            self._assigners[site] = self._make(site)
        return self._assigners[site]

    def _planned(self, site: str) -> Assigner:
        return make_assigner(self._settings, self._db, site, codebook=self._codebook, policy=self._policy)
