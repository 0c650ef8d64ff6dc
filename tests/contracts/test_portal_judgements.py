"""What people judge, leave out and take back, the same on SQLite and on a real PostgreSQL."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from governance.errors import InputError, RecordError
from infra import consents, enrolment
from infra.pay import progress_of
from infra.portal_judgements import (
    Submitted,
    given_judgements,
    held,
    leave,
    save_draft,
    show,
    submit,
)
from infra.settings import SiteSettings
from infra.tables.portal import PORTAL_DRAFTS
from tests.support import portal
from tests.support.databases import everything
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


class TestJudgements:
    def test_a_form_sent_twice_is_one_judgement(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        assert portal.judge(db, keys, who, presentation) is Submitted.STORED
        assert portal.judge(db, keys, who, presentation) is Submitted.SAME
        other = {"choice": "second_better"}
        assert portal.judge(db, keys, who, presentation, answer=other) is Submitted.ANSWERED_BEFORE
        [given] = given_judgements(db, keys, who)
        assert given["answer"] == {"choice": "first_better"}
        lately = progress_of(db, SiteSettings(id="main"), "a-0001", rate=None, since=LATER + timedelta(1))
        assert (lately.done, lately.lately) == (1, 0)

    def test_a_form_sent_many_times_at_once_is_one_judgement(self, db, keys):
        portal.items(db, 1)
        who = portal.person(db)
        presentation = portal.assigner(db).reserve("a-0001", NOW)
        show(db, who, presentation, now=NOW)
        came: list[Submitted] = []
        answer = {"choice": "about_the_same"}
        failed = portal.together(
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
        assert portal.judge(db, keys, stranger, presentation) is Submitted.UNKNOWN
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
        portal.judge(db, keys, who, portal.assigner(db).reserve("a-0001", NOW), seconds=said)
        assert given_judgements(db, keys, who)[0]["seconds"] == kept

    def test_texts_are_sealed(self, db, keys, url):
        portal.items(db, 2)
        who = portal.person(db)
        port = portal.assigner(db)
        presentation = port.reserve("a-0001", NOW)
        portal.judge(
            db, keys, who, presentation, answer={"choice": "first_better", "rationale": "canary-one"}
        )
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
