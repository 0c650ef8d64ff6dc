"""The stores of the people, the same on SQLite and on a real PostgreSQL."""

import stat
import threading
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, text

from annotation.labelling import ATTRIBUTES
from annotation.ports import Assigner, JudgementSource
from governance.errors import InputError, OutsideError, RecordError
from infra import answers, collected, consents, enrolment
from infra.database import Database
from infra.identity import IdentityStore, open_identity
from infra.person_keys import PersonKeyDestroyedError
from infra.portal_judgements import (
    Submitted,
    done_by,
    given_judgements,
    held,
    leave,
    save_draft,
    show,
    submit,
)
from infra.portal_source import PortalSource
from infra.settings import Settings, SiteSettings
from infra.tables import (
    CODEBOOK_ANSWERS,
    PORTAL_DRAFTS,
    PORTAL_JUDGEMENTS,
    PRESENTATIONS,
    RESERVATIONS,
)
from tests.support import portal
from tests.support.databases import new_database
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=5)
BOOK = "core@1.0.0"


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


def judge(db, keys, who, presentation, *, answer=None, now=LATER, seconds=4.0):
    show(db, who, presentation, now=NOW)
    return submit(db, keys, who, presentation, answer or {"choice": "first_better"}, seconds=seconds, now=now)


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
        failed = together(
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


class TestAssignment:
    def test_it_implements_the_port(self, db):
        port: Assigner = portal.assigner(db)
        assert port.reserve("a-none", NOW) is None

    def test_the_presentation_is_written_before_it_is_shown_and_stays_until_answered(self, db, keys):
        [item] = portal.items(db, 1)
        who = portal.person(db)
        port = portal.assigner(db)
        first = port.reserve("a-0001", NOW)
        assert port.reserve("a-0001", LATER) == first
        with db.read() as connection:
            row = connection.execute(select(PRESENTATIONS)).one()
        assert (row.presentation, row.item_digest, row.source) == (first, item["digest"], "portal")
        assert row.consent == consents.consent_state(db, "main", "a-0001").consent
        assert held(db, keys, who, first).order == tuple(row.shown)

    def test_nobody_meets_an_item_twice_and_no_item_gets_more_than_wanted(self, db, keys):
        portal.items(db, 3)
        port = portal.assigner(db, overlap=2)
        given = []
        for name in ("a-1", "a-2", "a-3"):
            who = portal.person(db, name)
            while (presentation := port.reserve(name, NOW)) is not None:
                given.append((name, held(db, keys, who, presentation).item["item"]))
                assert judge(db, keys, who, presentation) is Submitted.STORED
        assert len(given) == len(set(given)) == 6
        assert set(Counter(item for _, item in given).values()) == {2}

    def test_each_order_is_shown_equally_often(self, db, keys):
        portal.items(db, 1, candidates=2)
        portal.items(db, 1, candidates=3, kind="ranking", prefix="r")
        port = portal.assigner(db, overlap=6)
        orders: dict[str, Counter] = {}
        for number in range(6):
            who = portal.person(db, f"a-{number}")
            while (presentation := port.reserve(f"a-{number}", NOW)) is not None:
                shown = held(db, keys, who, presentation)
                orders.setdefault(shown.kind, Counter())[shown.order] += 1
                answer = {"choice": "first_better"} if shown.kind == "pairwise" else {"ranks": [2, 1, 3]}
                judge(db, keys, who, presentation, answer=answer)
        assert sorted(orders["pairwise"].values()) == [3, 3]
        assert sorted(orders["ranking"].values()) == [2, 2, 2]

    def test_a_reservation_expires_and_its_place_is_given_away(self, db, keys):
        portal.items(db, 1)
        slow, quick = portal.person(db, "a-slow"), portal.person(db, "a-quick")
        port = portal.assigner(db, overlap=1)
        first = port.reserve("a-slow", NOW)
        show(db, slow, first, now=NOW)
        assert port.reserve("a-quick", NOW + timedelta(minutes=29)) is None
        second = port.reserve("a-quick", NOW + timedelta(minutes=30))
        assert second not in {None, first}
        late = NOW + timedelta(minutes=31)
        assert (
            submit(db, keys, slow, first, {"choice": "first_better"}, seconds=1, now=late)
            is Submitted.GIVEN_AWAY
        )
        assert port.reserve("a-slow", late) is None
        assert judge(db, keys, quick, second, now=late) is Submitted.STORED

    def test_who_comes_back_late_goes_on_if_the_place_is_still_free(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        port = portal.assigner(db, overlap=1)
        first = port.reserve("a-0001", NOW)
        assert save_draft(db, keys, who, first, {"choice": "first_better"}, now=NOW)
        assert port.reserve("a-0001", NOW + timedelta(days=3)) == first
        assert held(db, keys, who, first).draft == {"choice": "first_better"}

    def test_a_released_place_is_free_for_others_and_not_offered_again(self, db):
        portal.items(db, 1)
        portal.person(db, "a-1"), portal.person(db, "a-2")
        port = portal.assigner(db, overlap=1)
        port.release(port.reserve("a-1", NOW), NOW)
        assert port.reserve("a-1", NOW) is None
        assert port.reserve("a-2", NOW) is not None

    def test_nobody_is_served_without_consent_or_after_being_stopped(self, db):
        portal.items(db, 2)
        port = portal.assigner(db)
        portal.person(db, "a-none", consents=False)
        assert port.reserve("a-none", NOW) is None
        portal.person(db, "a-1")
        assert port.reserve("a-1", NOW) is not None
        version = consents.record_version(db, portal.TEXT, now=NOW)
        consents.decide(db, "main", "a-1", version, {"collection": False}, now=NOW)
        assert port.reserve("a-1", NOW) is None

    def test_many_at_once_never_exceed_what_is_wanted(self, db):
        portal.items(db, 4)
        port = portal.assigner(db, overlap=2)
        for number in range(12):
            portal.person(db, f"a-{number}")
        got: list[str | None] = [None] * 12

        def reserve(number):
            got[number] = port.reserve(f"a-{number}", NOW)

        assert together(reserve, 12) == []
        assert sum(each is not None for each in got) == 8
        with db.read() as connection:
            rows = connection.execute(select(RESERVATIONS.c.item)).scalars().all()
        assert set(Counter(rows).values()) == {2}

    def test_the_same_seed_gives_the_same_way(self, db, tmp_path):
        portal.items(db, 5)
        portal.person(db)
        with Database(f"sqlite:///{tmp_path / 'other.db'}", now=NOW) as other:
            portal.items(other, 5)
            portal.person(other)
            way = [walk(each) for each in (db, other)]
        assert way[0] == way[1]
        assert len(way[0]) == 5

    @pytest.mark.parametrize(("kind", "candidates"), [("pairwise", 3), ("ranking", 5), ("text", 2)])
    def test_what_the_page_cannot_show_is_refused(self, db, kind, candidates):
        with pytest.raises(RecordError):
            portal.items(db, 1, candidates=candidates, kind=kind)


class TestJudgements:
    def test_a_form_sent_twice_is_one_judgement(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        assert judge(db, keys, who, presentation) is Submitted.STORED
        assert judge(db, keys, who, presentation) is Submitted.SAME
        other = {"choice": "second_better"}
        assert judge(db, keys, who, presentation, answer=other) is Submitted.ANSWERED_BEFORE
        [given] = given_judgements(db, keys, who)
        assert given["answer"] == {"choice": "first_better"}
        assert (done_by(db, who).done, done_by(db, who, since=LATER + timedelta(1)).done) == (1, 0)

    def test_a_form_sent_many_times_at_once_is_one_judgement(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        show(db, who, presentation, now=NOW)
        came: list[Submitted] = []
        answer = {"choice": "about_the_same"}
        failed = together(
            lambda _: came.append(submit(db, keys, who, presentation, answer, seconds=1, now=LATER)), 8
        )
        assert failed == []
        assert Counter(came) == {Submitted.STORED: 1, Submitted.SAME: 7}

    def test_somebody_elses_presentation_is_unknown(self, db, keys):
        portal.items(db, 1)
        portal.person(db, "a-1")
        stranger = portal.person(db, "a-2")
        presentation = portal.assigner(db).reserve("a-1", NOW)
        assert held(db, keys, stranger, presentation) is None
        assert judge(db, keys, stranger, presentation) is Submitted.UNKNOWN
        assert not save_draft(db, keys, stranger, presentation, {}, now=NOW)
        assert not leave(db, keys, stranger, presentation, kind="skipped", reason=None, now=NOW)

    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            ("pairwise", {}),
            ("pairwise", {"choice": "both"}),
            ("pairwise", {"choice": "first_better", "scores": [1, 2]}),
            ("pairwise", {"choice": "first_better", "rationale": "x" * 20_001}),
            ("rating", {"scores": [50]}),
            ("rating", {"scores": [50, 0]}),
            ("rating", {"scores": [50, 101]}),
            ("rating", {"scores": [50, True]}),
            ("rating", {"scores": [50, None]}),
            ("ranking", {"ranks": [1, 1]}),
            ("ranking", {}),
            ("attributes", {"attributes": {"helpfulness": [50, 50]}}),
        ],
    )
    def test_an_incomplete_answer_is_refused_and_nothing_is_stored(self, db, keys, kind, answer):
        portal.items(db, 1, kind=kind)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        show(db, who, presentation, now=NOW)
        with pytest.raises(RecordError):
            submit(db, keys, who, presentation, answer, seconds=1, now=LATER)
        assert given_judgements(db, keys, who) == []
        assert held(db, keys, who, presentation) is not None

    def test_labelling_without_live_consent_is_impossible(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        show(db, who, presentation, now=NOW)
        version = consents.record_version(db, portal.TEXT, now=NOW)
        consents.decide(db, "main", "a-0001", version, {"collection": False}, now=NOW)
        answer = {"choice": "first_better"}
        assert submit(db, keys, who, presentation, answer, seconds=1, now=LATER) is Submitted.NO_CONSENT
        assert not save_draft(db, keys, who, presentation, answer, now=LATER)

    def test_what_was_never_shown_cannot_be_answered(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        answer = {"choice": "first_better"}
        assert submit(db, keys, who, presentation, answer, seconds=1, now=LATER) is Submitted.GIVEN_AWAY

    @pytest.mark.parametrize(("said", "kept"), [(None, 300.0), (4.0, 4.0), (1e9, 300.0), (-5.0, 0.0)])
    def test_the_time_spent_is_bounded_by_the_time_since_showing(self, db, keys, said, kept):
        portal.items(db, 1)
        who = portal.person(db)
        judge(db, keys, who, portal.assigner(db).reserve("a-0001", NOW), seconds=said)
        assert given_judgements(db, keys, who)[0]["seconds"] == kept

    def test_texts_are_sealed(self, db, keys, url):
        portal.items(db, 2)
        who = portal.person(db)
        port = portal.assigner(db)
        presentation = port.reserve("a-0001", NOW)
        judge(db, keys, who, presentation, answer={"choice": "first_better", "rationale": "canary-one"})
        save_draft(db, keys, who, port.reserve("a-0001", NOW), {"rationale": "canary-two"}, now=NOW)
        leave(db, keys, who, port.reserve("a-0001", NOW), kind="reported", reason="canary-three", now=NOW)
        assert not [value for value in everything(url) if "canary" in str(value)]
        assert given_judgements(db, keys, who)[0]["answer"]["rationale"] == "canary-one"


class TestWithdrawal:
    def test_the_request_is_kept_and_stops_everything_at_once(self, db, keys):
        portal.items(db, 3)
        who = portal.person(db)
        port = portal.assigner(db, overlap=1)
        token = enrolment.invite(db, who, life=timedelta(days=2), now=NOW)
        secret = enrolment.open_session(db, token, locale="en", now=NOW)
        first = port.reserve("a-0001", NOW)
        save_draft(db, keys, who, first, {"choice": "first_better"}, now=NOW)
        show(db, who, first, now=NOW)
        made = [enrolment.request_withdrawal(db, "main", "a-0001", via="portal", now=LATER) for _ in range(2)]
        assert made[0] == made[1]
        assert enrolment.withdrawal_requests(db, open_only=True) == [made[0]]
        assert enrolment.session(db, secret, now=LATER) is None
        assert enrolment.redeem(db, token, now=LATER) is None
        assert port.reserve("a-0001", LATER) is None
        assert consents.live_consents(db) == []
        answer = {"choice": "first_better"}
        assert submit(db, keys, who, first, answer, seconds=1, now=LATER) is not Submitted.STORED
        with db.read() as connection:
            assert connection.execute(select(PORTAL_DRAFTS)).all() == []
        portal.person(db, "a-0002")
        assert port.reserve("a-0002", LATER) is not None
        with pytest.raises(InputError, match="withdrawn"):
            enrolment.invite(db, who, life=timedelta(days=2), now=LATER)

    def test_nobody_unknown_can_withdraw(self, db):
        with pytest.raises(InputError, match="nobody"):
            enrolment.request_withdrawal(db, "main", "a-none", via="portal", now=NOW)


class TestSource:
    def pull(self, db, keys):
        source: JudgementSource = PortalSource(db, keys, "main", page=2)
        return list(source.pages(None, collected.known(db, "main", "portal")))

    def keep(self, db, pages):
        for number, page in enumerate(pages):
            chunk = f"sha256:{number:064d}" if page.events else None
            collected.append_events(db, "main", "portal", page.events, chunk, page.cursor, now=NOW)

    def given(self, db, keys, count=5):
        portal.items(db, count)
        who = portal.person(db)
        port = portal.assigner(db)
        for number in range(count):
            presentation = port.reserve("a-0001", NOW)
            assert (
                judge(db, keys, who, presentation, now=LATER + timedelta(seconds=number)) is Submitted.STORED
            )
        return who

    def test_every_judgement_is_stated_once(self, db, keys):
        self.given(db, keys)
        pages = self.pull(db, keys)
        assert [len(page.events) for page in pages] == [2, 2, 1]
        assert all(event.problem is None for page in pages for event in page.events)
        self.keep(db, pages)
        assert self.pull(db, keys) == []

    def test_a_judgement_that_became_visible_late_is_not_lost(self, db, keys):
        who = self.given(db, keys, 3)
        pages = self.pull(db, keys)
        self.keep(db, pages)
        portal.items(db, 1, prefix="late")
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        judge(db, keys, who, presentation, now=NOW + timedelta(seconds=1))  # earlier than those collected
        assert [event.ref for page in self.pull(db, keys) for event in page.events] == [presentation]

    def test_what_is_no_longer_there_is_stated_as_deleted(self, db, keys):
        self.given(db, keys, 3)
        self.keep(db, self.pull(db, keys))
        with db.write() as connection:
            connection.execute(PORTAL_JUDGEMENTS.delete())
        gone = [event for page in self.pull(db, keys) for event in page.events]
        assert {str(event.kind) for event in gone} == {"deleted"}
        assert len(gone) == 3

    def test_an_erased_persons_answers_are_not_stated(self, db, keys):
        self.given(db, keys, 2)
        keys.destroy("a-0001")
        assert [event for page in self.pull(db, keys) for event in page.events] == []

    def test_the_order_shown_is_undone(self, db, keys):
        [item] = portal.items(db, 1)
        preferred = set()
        for name in ("a-1", "a-2"):
            who = portal.person(db, name)
            judge(db, keys, who, portal.assigner(db).reserve(name, NOW))
        for page in self.pull(db, keys):
            for event in page.events:
                judgement = event.judgement
                assert judgement["preferred"] == judgement["shown"][0]
                assert judgement["strength"] == (
                    -2 if judgement["shown"][0] == item["candidates"][0]["candidate"] else 2
                )
                preferred.add(judgement["preferred"])
        assert len(preferred) == 2

    @pytest.mark.parametrize(
        ("kind", "answer"),
        [
            ("rating", {"scores": [90, 10, 50]}),
            ("ranking", {"ranks": [3, 1, 2]}),
            (
                "attributes",
                {"attributes": {name: [90, 10, 50] for name in ATTRIBUTES}},
            ),
        ],
    )
    def test_other_kinds_name_the_candidates_shown(self, db, keys, kind, answer):
        portal.items(db, 1, candidates=3, kind=kind)
        who = portal.person(db)
        judge(db, keys, who, portal.assigner(db).reserve("a-0001", NOW), answer=answer)
        [judgement] = [event.judgement for page in self.pull(db, keys) for event in page.events]
        first, second, third = judgement["shown"]
        if kind == "ranking":
            assert judgement["ranking"] == [second, third, first]
        else:
            scores = {(s["attribute"], s["candidate"]): s["score"] for s in judgement["scores"]}
            attribute = "overall" if kind == "rating" else "safety"
            assert [scores[attribute, each] for each in (first, second, third)] == [90, 10, 50]


class TestIdentity:
    def open(self, empty_url, keys):
        return IdentityStore(empty_url, keys=keys, secret=b"secret of the site", now=NOW)

    def test_an_address_has_one_pseudonym_and_is_found_again(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            assert store.add("a-1", contact=" Ada@Example.org ", name="Ada", now=NOW) == "a-1"
            assert store.add("a-2", contact="ada@example.ORG", name=None, now=NOW) == "a-1"
            assert store.annotator_of("ADA@example.org") == "a-1"
            [who] = store.identities()
            assert (who.contact, who.name) == ("Ada@Example.org", "Ada")
            assert "Ada" not in repr(who)
            assert store.remove("a-1")
            assert not store.remove("a-1")
            assert store.annotator_of("ada@example.org") is None

    def test_nothing_readable_lies_in_the_database(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            store.add("a-1", contact="canary@example.org", name="Canary Name", now=NOW)
        assert not [value for value in everything(empty_url) if "canary" in str(value).lower()]

    def test_a_destroyed_key_takes_the_name_with_it(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            store.add("a-1", contact="ada@example.org", name="Ada", now=NOW)
            keys.destroy("a-1")
            assert store.identities() == []

    @pytest.mark.parametrize("contact", ["", "  ", "x" * 321])
    def test_no_address_is_refused(self, empty_url, keys, contact):
        with self.open(empty_url, keys) as store, pytest.raises(InputError, match="not an address"):
            store.add("a-1", contact=contact, name=None, now=NOW)


def test_embedded_identities_lie_in_a_private_file_of_each_site(tmp_path):
    sites = (SiteSettings(id="north", key="n"), SiteSettings(id="south", key="s"))
    settings_ = Settings(home=tmp_path, sites=sites)
    with (
        open_identity(settings_, "north", now=NOW) as north,
        open_identity(settings_, "south", now=NOW) as south,
    ):
        north.add("a-1", contact="ada@example.org", name=None, now=NOW)
        assert south.annotator_of("ada@example.org") is None
    for path in (tmp_path / "identity").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    own = Settings(home=tmp_path, sites=(SiteSettings(id="a", key="n", identity_url="sqlite:////x"),))
    with pytest.raises(InputError, match="their own"):
        open_identity(own.model_copy(update={"database_url": "sqlite:////x"}), "a", now=NOW)


@pytest.mark.servers
def test_on_postgresql_the_platforms_role_cannot_read_identities(postgres_address, tmp_path):
    address = new_database(postgres_address)
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "CREATE ROLE platform LOGIN PASSWORD 'p'",
            "CREATE ROLE identity LOGIN PASSWORD 'i'",
            "CREATE SCHEMA identity AUTHORIZATION identity",
            "GRANT CREATE, USAGE ON SCHEMA public TO platform",
            "ALTER ROLE identity SET search_path = identity",
        ):
            connection.execute(text(statement))
    engine.dispose()
    place = address.partition("@")[2]
    keys = portal.keys(tmp_path)
    url = f"postgresql+psycopg2://identity:i@{place}"
    with (
        Database(f"postgresql+psycopg2://platform:p@{place}", now=NOW) as platform,
        IdentityStore(url, keys=keys, secret=b"s", now=NOW) as store,
    ):
        store.add("a-1", contact="ada@example.org", name=None, now=NOW)
        assert store.annotator_of("ada@example.org") == "a-1"
        with pytest.raises(OutsideError, match="permission denied"), platform.read() as connection:
            connection.execute(text("SELECT * FROM identity.identities"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["take", "take", "judge", "skip", "wait", "withdraw"]),
            st.integers(0, 40),
        ),
        max_size=40,
    )
)
def test_laws_of_assignment_hold_under_any_course_of_events(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("laws")
    keys = portal.keys(folder)
    with Database(f"sqlite:///{folder / 'p.db'}", now=NOW) as db:
        portal.items(db, 3)
        port = portal.assigner(db, overlap=2)
        people = [portal.person(db, f"a-{number}") for number in range(5)]
        now, mine = NOW, {}
        for number, act, minutes in steps:
            who = people[number]
            if act == "wait":
                now += timedelta(minutes=minutes)
            elif act == "take":
                mine[number] = port.reserve(who.annotator, now)
            elif act == "withdraw":
                enrolment.request_withdrawal(db, "main", who.annotator, via="portal", now=now)
            elif mine.get(number):
                if act == "judge":
                    show(db, who, mine[number], now=now)
                    submit(db, keys, who, mine[number], {"choice": "first_better"}, seconds=1, now=now)
                else:
                    leave(db, keys, who, mine[number], kind="skipped", reason=None, now=now)
            with db.read() as connection:
                rows = connection.execute(select(RESERVATIONS)).all()
                done = set(connection.execute(select(PORTAL_JUDGEMENTS.c.presentation)).scalars())
            live = Counter(
                row.item
                for row in rows
                if row.state == "done" or (row.state == "held" and row.expires_at > now)
            )
            assert all(count <= 2 for count in live.values())
            assert len({(row.annotator, row.item) for row in rows}) == len(rows)
            assert {row.presentation for row in rows if row.state == "done"} == done
            assert all(
                sum(r.annotator == p.annotator and r.state == "held" for r in rows) <= 1 for p in people
            )


def walk(db):
    port, found = portal.assigner(db), []
    while (presentation := port.reserve("a-0001", NOW)) is not None:
        found.append(presentation)
        port.release(presentation, NOW)
    return found


def together(act, count):
    """Run ``act(0..count-1)`` at the same time; what they raised."""
    barrier, raised = threading.Barrier(count), []

    def run(number):
        barrier.wait()
        try:
            act(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def everything(url):
    """Every value of every table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        from sqlalchemy import inspect

        for name in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{name}"')):
                yield from map(str, row)
    engine.dispose()
