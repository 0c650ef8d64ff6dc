"""What people agreed to and said about themselves, and their sessions; the same on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from governance.errors import InputError
from infra import answers, consents, enrolment
from infra.person_keys import PersonKeyDestroyedError
from infra.tables.people import CODEBOOK_ANSWERS
from tests.support import portal
from tests.support.databases import everything
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=5)
BOOK = "core@1.0.0"


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


class TestConsent:
    def test_it_is_appended_and_the_last_word_counts(self, db):
        portal.person(db, consents=False)
        assert consents.consent_state(db, "main", "a-0001") is None
        version = consents.record_version(db, portal.TEXT, now=NOW)
        given = consents.decide(
            db, "main", "a-0001", version, {"collection": True, "training": False}, now=NOW
        )
        assert (given.is_live("collection"), given.is_live("training"), given.is_live("other")) == (
            True,
            False,
            False,
        )
        for _ in range(2):  # saying the same again writes nothing
            consents.decide(db, "main", "a-0001", version, {"training": True}, now=LATER)
        assert [(e["number"], e["purpose"], e["kind"]) for e in consents.history(db, "main", "a-0001")] == [
            (1, "collection", "given"),
            (2, "training", "withdrawn"),
            (3, "training", "given"),
        ]
        assert consents.live_consents(db) == [
            {"consent": given.consent, "annotator": "a-0001", "purpose": purpose}
            for purpose in ("collection", "training")
        ]

    def test_a_version_that_people_answered_to_is_never_edited(self, db):
        first = consents.record_version(db, portal.TEXT, now=NOW)
        assert consents.record_version(db, portal.TEXT, now=LATER) == first
        with pytest.raises(InputError, match="another content"):
            consents.record_version(db, {**portal.TEXT, "purposes": []}, now=LATER)

    def test_a_new_text_is_a_new_record_and_leaves_the_old_one(self, db):
        portal.person(db)
        old = consents.consent_state(db, "main", "a-0001")
        version = consents.record_version(db, {**portal.TEXT, "version": "2.0.0"}, now=LATER)
        new = consents.decide(db, "main", "a-0001", version, {"collection": True}, now=LATER)
        assert new.consent != old.consent
        assert {row["consent"] for row in consents.live_consents(db)} == {old.consent, new.consent}

    def test_nothing_decided_is_refused(self, db):
        portal.person(db)
        version = consents.record_version(db, portal.TEXT, now=NOW)
        with pytest.raises(InputError, match="nothing was decided"):
            consents.decide(db, "main", "a-0001", version, {}, now=NOW)

    def test_many_decisions_at_once_are_all_numbered(self, db):
        portal.person(db)
        version = consents.record_version(db, portal.TEXT, now=NOW)
        failed = portal.together(
            lambda n: consents.decide(db, "main", "a-0001", version, {f"p{n}": True}, now=NOW), 6
        )
        assert failed == []
        assert [e["number"] for e in consents.history(db, "main", "a-0001")] == list(range(1, 9))


class TestAnswers:
    def test_they_are_sealed_appended_and_read_as_profiles(self, db, keys):
        portal.person(db)
        said = [
            ("gender", "answered", "female", "a woman from Kreuzberg"),
            ("age", "prefer_not_to_say", None, None),
        ]
        assert answers.give_answers(db, keys, "main", "a-0001", BOOK, said, now=NOW) == 2
        assert answers.give_answers(db, keys, "main", "a-0001", BOOK, said, now=LATER) == 0
        change = [("gender", "answered", "non_binary", None)]
        assert answers.give_answers(db, keys, "main", "a-0001", BOOK, change, now=LATER) == 1
        now = answers.answers_of(db, keys, "main", "a-0001", BOOK)
        assert (now["gender"].value, now["gender"].words, now["age"].status) == (
            "non_binary",
            None,
            "prefer_not_to_say",
        )
        assert answers.portal_profiles(db, keys, "main") == [
            {
                "annotator": "a-0001",
                "site": "main",
                "codebook": BOOK,
                "field": field,
                "status": status,
                "value": value,
                "simulated": True,
            }
            for field, status, value in (
                ("age", "prefer_not_to_say", None),
                ("gender", "answered", "non_binary"),
            )
        ]
        with db.read() as connection:
            stored = connection.execute(select(CODEBOOK_ANSWERS)).all()
        assert len(stored) == 3
        assert "female" not in str(stored)
        assert "Kreuzberg" not in str(stored)

    def test_an_erased_person_has_no_profile(self, db, keys):
        portal.person(db)
        said = [("gender", "answered", "female", None)]
        answers.give_answers(db, keys, "main", "a-0001", BOOK, said, now=NOW)
        keys.destroy("a-0001")
        assert answers.portal_profiles(db, keys, "main") == []
        with pytest.raises(PersonKeyDestroyedError):
            answers.give_answers(
                db, keys, "main", "a-0001", BOOK, [("age", "answered", "18-24", None)], now=NOW
            )

    def test_a_value_without_the_status_is_refused_by_the_database(self, db, keys):
        portal.person(db)
        with pytest.raises(InputError):
            answers.give_answers(db, keys, "main", "a-0001", BOOK, [("age", "unknown", None, None)], now=NOW)


class TestSessions:
    def test_a_link_opens_a_session_until_it_expires(self, db):
        who = portal.person(db)
        token = enrolment.invite(db, who, life=timedelta(days=2), now=NOW)
        assert enrolment.redeem(db, token, now=NOW).annotator == "a-0001"
        secret = enrolment.open_session(db, token, locale="de", now=NOW)
        assert enrolment.session(db, secret, now=LATER).locale == "de"
        assert enrolment.redeem(db, token, now=NOW + timedelta(days=2)) is None
        assert enrolment.open_session(db, token, locale="en", now=NOW + timedelta(days=3)) is None

    @pytest.mark.parametrize("guess", ["", "x" * 43, "\ud800", "' OR 1=1 --"])
    def test_a_guess_opens_nothing(self, db, guess):
        portal.person(db)
        assert enrolment.redeem(db, guess, now=NOW) is None
        assert enrolment.session(db, guess, now=NOW) is None

    def test_a_session_ends_when_left_alone_when_old_and_when_signed_out(self, db):
        token = enrolment.invite(db, portal.person(db), life=timedelta(days=2), now=NOW)
        opened = enrolment.open_session(db, token, locale="en", now=NOW)
        assert enrolment.session(db, opened, now=NOW + timedelta(hours=2)) is None
        at = NOW
        while enrolment.session(db, opened, now=at) is not None:
            at += timedelta(hours=1, minutes=50)
        assert at >= NOW + enrolment.SESSION_LIFE
        other = enrolment.open_session(db, token, locale="en", now=NOW)
        enrolment.sign_out(db, other)
        assert enrolment.session(db, other, now=NOW) is None

    def test_neither_links_nor_sessions_can_be_read_off_the_database(self, db, url):
        token = enrolment.invite(db, portal.person(db), life=timedelta(days=2), now=NOW)
        secret = enrolment.open_session(db, token, locale="en", now=NOW)
        assert not {token, secret} & set(everything(url))
