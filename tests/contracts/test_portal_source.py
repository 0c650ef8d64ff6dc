"""The portal as a source of judgements: each once, none lost; the same on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest

from annotation.labelling import ATTRIBUTES
from annotation.ports import JudgementSource
from infra import collected
from infra.portal_judgements import (
    Submitted,
)
from infra.portal_source import PortalSource
from infra.tables.portal import PORTAL_JUDGEMENTS
from tests.support import portal
from tests.support.platform import NOW

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


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
                portal.judge(db, keys, who, presentation, now=LATER + timedelta(seconds=number))
                is Submitted.STORED
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
        portal.judge(
            db, keys, who, presentation, now=NOW + timedelta(seconds=1)
        )  # earlier than those collected
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
            portal.judge(db, keys, who, portal.assigner(db).reserve(name, NOW))
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
        portal.judge(db, keys, who, portal.assigner(db).reserve("a-0001", NOW), answer=answer)
        [judgement] = [event.judgement for page in self.pull(db, keys) for event in page.events]
        first, second, third = judgement["shown"]
        if kind == "ranking":
            assert judgement["ranking"] == [second, third, first]
        else:
            scores = {(s["attribute"], s["candidate"]): s["score"] for s in judgement["scores"]}
            attribute = "overall" if kind == "rating" else "safety"
            assert [scores[attribute, each] for each in (first, second, third)] == [90, 10, 50]
