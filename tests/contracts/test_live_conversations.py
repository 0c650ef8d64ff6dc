"""The store of live conversations, the same on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from annotation.enrolment import Submitted
from annotation.live import Campaign, CampaignModel, LiveState, Reply
from governance.errors import InputError, RecordError
from infra import consents, enrolment, erasure
from infra.collected import known
from infra.live_campaigns import close_campaign, open_campaign, opened, progress
from infra.live_conversations import LEASE, Conversations
from infra.pay import progress_of
from infra.person_keys import PersonKeyDestroyedError
from infra.portal_source import PortalSource
from infra.settings import SiteSettings
from infra.tables import METADATA
from infra.tables.items import ITEM_AUTHORS, ITEMS, PRESENTATIONS
from infra.tables.portal import ITEM_REPORTS
from tests.support import portal
from tests.support.platform import NOW

SAYS = "canary words of a person"
POLICY = "sha256:" + "5" * 64


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def rules(**over):
    models = tuple(
        CampaignModel(name=f"m{n}", url="http://127.0.0.1:9/v1", model="m", temperature=1.0, max_tokens=9)
        for n in range(3)
    )
    return Campaign(models=models, **{"turns": 2, "conversations": 2, **over})


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


@pytest.fixture
def store(db, keys):
    open_campaign(db, "main", rules(), now=NOW)
    return Conversations(db, keys, "main", policy=lambda _: POLICY)


def person(db, name="a-0001", *, agrees=True):
    who = portal.person(db, name)
    version = consents.record_version(db, portal.TEXT, now=NOW)
    consents.decide(db, "main", name, version, {"conversation": agrees}, now=NOW)
    return who


def answer(store, who, talk, texts, *, now=None):
    """What asking the models does, without models: claim, keep each reply, let go."""
    now = now or at(1)
    found = store.claim(who, talk, now)
    assert found is not None
    number = found.turns[-1].number
    for place, text in enumerate(texts):
        if place in found.turns[-1].texts:
            continue
        reply = Reply(place=place, model=f"m{place}", text=text, error=None if text else "HTTP 500")
        assert store.keep_reply(who, found.campaign, talk, number, reply, now=now)
    store.renew(talk, number, None)
    return store.read(who, talk, now)


def begun(store, who, talk="t-1", texts=("x", "y", "z"), words=SAYS):
    assert store.say(who, talk, 1, words, 3.0, NOW).outcome == "stored"
    return answer(store, who, talk, texts)


def rate(store, who, talk, number, scores, *, now=None, ends=False):
    now = now or at(60)
    store.show(who, talk, number, at(2))
    return store.judge(who, talk, number, {"scores": scores, "rationale": None}, 5.0, now, ends=ends)


def pulled(db, keys):
    source = PortalSource(db, keys, "main")
    memory = known(db, "main", "portal")
    return [event for page in source.pages(None, memory) for event in page.events]


class TestCampaigns:
    def test_a_site_has_one_at_a_time(self, db):
        made = open_campaign(db, "main", rules(), now=NOW)
        assert opened(db, "main") == made
        with pytest.raises(InputError, match="open already"):
            open_campaign(db, "main", rules(), now=at(1))
        open_campaign(db, "other", rules(), now=NOW)
        assert close_campaign(db, "main", now=at(2)) == made.id
        assert (close_campaign(db, "main", now=at(3)), opened(db, "main")) == (None, None)
        open_campaign(db, "main", rules(), now=at(4))
        assert [one.closed_at is None for one, _ in progress(db, "main")] == [True, False]


class TestTalking:
    def test_from_the_first_message_to_a_judgement_that_is_collected_once(self, db, keys, store):
        who = person(db)
        found = begun(store, who)
        assert found.state == LiveState.JUDGE
        with db.read() as connection:
            row = connection.execute(select(PRESENTATIONS)).one()
            item = connection.execute(select(ITEMS.c.record)).scalar_one()
            authors = connection.execute(select(ITEM_AUTHORS)).all()
        assert (row.policy_digest, row.source, sorted(row.shown)) == (
            POLICY,
            "portal",
            sorted(c["candidate"] for c in item["candidates"]),
        )
        assert item["prompt"] == [{"role": "user", "content": SAYS}]
        assert [(one.item, one.annotator) for one in authors] == [(item["item"], "a-0001")]
        assert rate(store, who, "t-1", 1, [1, 2, 90]) is Submitted.STORED
        assert rate(store, who, "t-1", 1, [1, 2, 90]) is Submitted.SAME
        assert rate(store, who, "t-1", 1, [9, 9, 9]) is Submitted.ANSWERED_BEFORE
        [event] = pulled(db, keys)
        assert event.problem is None
        best = max(event.judgement["scores"], key=lambda one: one["score"])
        turn = store.read(who, "t-1", at(61)).turns[0]
        texts = {c["candidate"]: (c["model"], c["text"]) for c in item["candidates"]}
        reply = turn.replies[turn.winner]
        assert texts[best["candidate"]] == (reply.model, reply.text)
        assert event.raw["live"] == {
            "conversation": "t-1",
            "turn": 1,
            "goes_on": 3,
            "names_model": [],
            "reduced": False,
        }
        assert (event.judgement["seconds"], event.judgement["presented_at"]) == (5.0, at(2).isoformat())

    def test_the_winner_goes_on_and_the_last_turn_ends_it(self, db, keys, store):
        who = person(db)
        begun(store, who)
        rate(store, who, "t-1", 1, [1, 90, 2])
        won = store.read(who, "t-1", at(61)).turns[0]
        assert store.say(who, "t-1", 2, "and then?", None, at(61)).outcome == "stored"
        claimed = store.claim(who, "t-1", at(62))
        assert claimed is not None
        for place, text in enumerate(("p", "q")):
            reply = Reply(place=place, model=won.replies[won.winner].model, text=text, error=None)
            store.keep_reply(who, claimed.campaign, "t-1", 2, reply, now=at(62))
        store.renew("t-1", 2, None)
        assert store.read(who, "t-1", at(63)).state == LiveState.JUDGE
        assert rate(store, who, "t-1", 2, [50, 60], now=at(90)) is Submitted.STORED
        assert store.read(who, "t-1", at(91)).state == LiveState.ENDED
        assert store.current(who) is None
        items = {e.judgement["item"] for e in pulled(db, keys)}
        assert len(items) == 2
        with db.read() as connection:
            longer = [
                r for r in connection.execute(select(ITEMS.c.record)).scalars() if len(r["prompt"]) == 3
            ]
        assert longer[0]["prompt"][1]["content"] == won.texts[won.winner]

    def test_a_message_sent_twice_is_one_and_the_first_stands(self, db, store):
        who = person(db)
        assert store.say(who, "t-1", 1, "first", None, NOW).outcome == "stored"
        assert store.say(who, "t-1", 1, "second", None, NOW).outcome == "before"
        assert store.say(who, "t-2", 1, "elsewhere", None, NOW).conversation == "t-1"
        assert store.say(who, "t-1", 2, "too soon", None, NOW).outcome == "before"
        assert [turn.message for turn in store.read(who, "t-1", NOW).turns] == ["first"]

    def test_nobody_reads_or_moves_somebody_elses(self, db, store):
        who, other = person(db), person(db, "a-0002")
        begun(store, who)
        assert store.read(other, "t-1", NOW) is None
        assert store.say(other, "t-1", 1, "mine now", None, NOW).outcome == "unknown"
        assert store.claim(other, "t-1", NOW) is None
        assert rate(store, other, "t-1", 1, [1, 2, 3]) is Submitted.UNKNOWN
        assert (store.end(other, "t-1", None, NOW), store.go_on(other, "t-1", NOW)) == (False, False)
        assert store.read(who, "t-1", NOW).turns[0].presented_at is None

    def test_nothing_is_kept_of_somebody_who_does_not_agree_to_conversations(self, db, store):
        who = person(db, agrees=False)
        assert store.say(who, "t-1", 1, "words", None, NOW).outcome == "no_consent"
        assert store.mine(who) == []

    def test_what_comes_after_consent_was_taken_back_is_not_kept(self, db, store):
        who = person(db)
        store.say(who, "t-1", 1, "words", None, NOW)
        found = store.claim(who, "t-1", NOW)
        version = consents.record_version(db, portal.TEXT, now=NOW)
        consents.decide(db, "main", who.annotator, version, {"conversation": False}, now=at(1))
        reply = Reply(place=0, model="m0", text="late", error=None)
        assert not store.keep_reply(who, found.campaign, "t-1", 1, reply, now=at(2))
        store.renew("t-1", 1, None)
        assert store.claim(who, "t-1", at(3)) is None
        assert store.read(who, "t-1", at(3)).turns[0].replies == ()

    def test_so_many_conversations_and_no_more(self, db, store):
        who = person(db)
        for number in (1, 2):
            assert store.left(who) == 3 - number
            store.say(who, f"t-{number}", 1, "words", None, NOW)
            store.end(who, f"t-{number}", None, NOW)
        assert (store.left(who), store.say(who, "t-3", 1, "x", None, NOW).outcome) == (0, "none_left")
        close_campaign(db, "main", now=at(1))
        assert store.say(person(db, "a-0002"), "t-4", 1, "x", None, at(2)).outcome == "none_left"

    def test_an_incomplete_judgement_stores_nothing(self, db, keys, store):
        who = person(db)
        begun(store, who)
        with pytest.raises(RecordError):
            rate(store, who, "t-1", 1, [1, None, 3])
        assert pulled(db, keys) == []

    def test_the_time_of_writing_counts_as_work(self, db, store):
        who = person(db)
        begun(store, who)
        rate(store, who, "t-1", 1, [1, 2, 3])
        spent = progress_of(db, SiteSettings(id="main"), who.annotator, rate=None, since=NOW)
        assert (spent.done, spent.lately, spent.meter.seconds) == (1, 58.0 + 3.0, 58.0 + 3.0)


class TestFaults:
    def test_what_did_not_come_is_asked_again_and_what_came_stays(self, db, store):
        who = person(db)
        found = begun(store, who, texts=("x", None, "z"))
        assert (found.state, found.turns[0].texts) == (LiveState.STUCK, {0: "x", 2: "z"})
        again = answer(store, who, "t-1", ("never", "y", "never"), now=at(5))
        assert (again.state, again.turns[0].texts) == (LiveState.JUDGE, {0: "x", 1: "y", 2: "z"})

    def test_one_goes_on_with_two_answers_but_not_with_one(self, db, store):
        who = person(db)
        begun(store, who, texts=("x", None, None))
        assert not store.go_on(who, "t-1", at(2))
        answer(store, who, "t-1", ("-", "y", None), now=at(3))
        assert store.go_on(who, "t-1", at(4))
        found = store.read(who, "t-1", at(4))
        assert (found.state, len(found.turns[0].shown)) == (LiveState.JUDGE, 2)
        assert rate(store, who, "t-1", 1, [3, 4]) is Submitted.STORED

    def test_one_process_asks_at_a_time_and_a_dead_one_is_followed(self, db, store):
        who = person(db)
        store.say(who, "t-1", 1, "words", None, NOW)
        assert store.claim(who, "t-1", NOW) is not None
        assert store.claim(who, "t-1", at(1)) is None
        assert store.read(who, "t-1", at(1)).state == LiveState.WAIT
        late = NOW + LEASE
        assert store.read(who, "t-1", late).state == LiveState.STUCK
        assert store.claim(who, "t-1", late) is not None

    def test_a_process_killed_before_the_presentation_is_made_leaves_it_to_the_next_page(
        self, db, keys, store
    ):
        who = person(db)
        store.say(who, "t-1", 1, "words", None, NOW)
        found = store.claim(who, "t-1", NOW)
        for place in range(3):
            reply = Reply(place=place, model=f"m{place}", text=f"text {place}", error=None)
            store.keep_reply(who, found.campaign, "t-1", 1, reply, now=NOW)
        fresh = Conversations(db, keys, "main", policy=lambda _: POLICY)
        assert fresh.read(who, "t-1", at(1)).state == LiveState.JUDGE
        with db.read() as connection:
            assert len(connection.execute(select(PRESENTATIONS)).all()) == 1

    def test_the_very_same_answers_are_not_judged_twice(self, db, store):
        who = person(db)
        begun(store, who)
        rate(store, who, "t-1", 1, [1, 2, 3], ends=True)
        again = begun(store, who, "t-2")
        assert (again.state, again.turns[0].is_repeated) == (LiveState.WRITE, True)
        assert store.say(who, "t-2", 1, "something else", None, at(9)).outcome == "stored"
        assert answer(store, who, "t-2", ("x", "y", "z"), now=at(10)).state == LiveState.JUDGE

    def test_two_people_with_the_same_words_share_an_item_and_have_presentations_of_their_own(
        self, db, keys, store
    ):
        for name in ("a-0001", "a-0002"):
            who = person(db, name)
            begun(store, who, f"t-{name}")
            assert rate(store, who, f"t-{name}", 1, [1, 2, 3]) is Submitted.STORED
        first, second = pulled(db, keys)
        assert first.judgement["item"] == second.judgement["item"]
        assert first.judgement["presentation"] != second.judgement["presentation"]
        assert first.judgement["shown"] != second.judgement["shown"]

    def test_answers_that_name_a_model_are_flagged_for_staff_and_in_the_event(self, db, keys, store):
        who = person(db)
        begun(store, who, texts=("I am Claude.", "y", "z"))
        rate(store, who, "t-1", 1, [1, 2, 3])
        [event] = pulled(db, keys)
        turn = store.read(who, "t-1", at(99)).turns[0]
        assert event.raw["live"]["names_model"] == [turn.shown.index(0) + 1]
        [(_, how)] = progress(db, "main")
        assert (how.naming, how.answers) == ({"m0": 1}, {"m0": 1, "m1": 1, "m2": 1})

    def test_what_should_not_be_shown_is_reported_and_ends_it(self, db, keys, store):
        who = person(db)
        begun(store, who)
        assert store.end(who, "t-1", "because", at(3))
        with db.read() as connection:
            [report] = connection.execute(select(ITEM_REPORTS)).all()
        assert keys.decrypt(who.annotator, report.sealed) == b"because"
        assert (store.current(who), pulled(db, keys)) == (None, [])
        assert rate(store, who, "t-1", 1, [1, 2, 3]) is Submitted.GIVEN_AWAY


class TestLeaving:
    def test_words_lie_sealed_until_they_are_an_item(self, db, store):
        who = person(db)
        store.say(who, "t-1", 1, SAYS, None, NOW)
        assert held(db, SAYS) == set()

    def test_withdrawing_ends_the_conversation_and_erases_every_word(self, db, keys, store):
        who, other = person(db), person(db, "a-0002")
        for each, talk in ((who, "t-1"), (other, "t-2")):
            begun(store, each, talk, words=f"{SAYS} {each.annotator}")
            rate(store, each, talk, 1, [1, 2, 3])
        enrolment.request_withdrawal(db, "main", who.annotator, via="portal", now=at(70))
        assert store.say(who, "t-1", 2, "more", None, at(71)).outcome == "no_consent"
        assert store.current(who) is None
        keys.destroy(who.annotator)
        gone = erasure.erase_rows(db, "main", who.annotator)
        assert (gone["live conversations"], gone["messages to models"]) == (1, 1)
        assert gone["presentations of conversations"] == 1
        assert gone["items that only the person brought"] == 1
        assert held(db, f"{SAYS} {who.annotator}") == set()
        assert held(db, who.annotator) == {"annotators", "consent_events", "withdrawal_requests"}
        assert held(db, f"{SAYS} {other.annotator}") == {"items"}
        assert [e.judgement["annotator"] for e in pulled(db, keys)] == [other.annotator]
        assert set(erasure.erase_rows(db, "main", who.annotator).values()) == {0}

    def test_an_answer_that_comes_after_the_key_is_gone_is_not_kept(self, db, keys, store):
        who = person(db)
        store.say(who, "t-1", 1, SAYS, None, NOW)
        found = store.claim(who, "t-1", NOW)
        keys.destroy(who.annotator)
        reply = Reply(place=0, model="m0", text="late", error=None)
        with pytest.raises(PersonKeyDestroyedError):
            store.keep_reply(who, found.campaign, "t-1", 1, reply, now=at(1))


def held(db, word):
    with db.read() as connection:
        return {
            name
            for name, table in METADATA.tables.items()
            if any(word in repr(tuple(row)) for row in connection.execute(table.select()))
        }
