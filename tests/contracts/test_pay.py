"""The time that counts, the same on SQLite and on PostgreSQL: judged, skipped, left open; each person's own."""

from datetime import timedelta
from decimal import Decimal

import pytest

from annotation.pay import Rate
from infra import enrolment, erasure
from infra.pay import meters, progress_of
from infra.portal_judgements import leave, show, submit
from infra.settings import SiteSettings
from tests.support import portal
from tests.support.platform import NOW

SITE = SiteSettings(id="main", longest_minutes=5)
RATE = Rate(per_hour=Decimal("18.00"), currency="GBP")


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


def test_what_was_judged_and_what_was_skipped_counts_and_an_open_page_does_not(db, keys):
    portal.items(db, 3)
    assigner = portal.assigner(db)
    who, other = portal.person(db), portal.person(db, "a-0002")
    for seconds in (100, 4000, None):
        presentation = assigner.reserve(who.annotator, NOW)
        show(db, who, presentation, now=NOW)
        if seconds is None:
            leave(db, keys, who, presentation, kind="skipped", reason=None, now=NOW + timedelta(seconds=20))
            continue
        answer = {"choice": "first_better", "rationale": None}
        # What the page says it took decides nothing about pay: it could be wrong to either side.
        later = NOW + timedelta(seconds=seconds)
        submit(db, keys, who, presentation, answer, seconds=0.1, now=later)
    spent = meters(db, SITE, rate=RATE)
    assert {name: meter.seconds for name, meter in spent.items()} == {who.annotator: 100.0 + 300.0 + 20.0}
    assert spent[who.annotator].amount == Decimal("2.10")  # 420 s of 18.00 an hour
    nothing = progress_of(db, SITE, other.annotator, rate=RATE, since=NOW)
    assert (nothing.done, nothing.lately, nothing.meter.amount) == (0, 0, Decimal("0.00"))
    own = progress_of(db, SITE, who.annotator, rate=RATE, since=NOW + timedelta(seconds=3000))
    assert (own.done, own.lately, own.meter) == (2, 4000.0, spent[who.annotator])
    enrolment.request_withdrawal(db, "main", who.annotator, via="portal", now=NOW)
    assert meters(db, SITE, rate=RATE)[who.annotator].amount == Decimal("2.10")  # until it is carried out
    erasure.erase_rows(db, "main", who.annotator)
    assert meters(db, SITE, rate=RATE) == {}
