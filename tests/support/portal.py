"""People and items of a portal for the tests: small, all made up, all marked as simulated."""

from datetime import timedelta

from annotation.records import make_item
from infra import catalogue
from infra.consents import decide, record_version
from infra.enrolment import enrol
from infra.person_keys import PersonKeys
from infra.reservations import PlainAssigner, add_portal_items
from infra.settings import SiteSettings
from tests.support.platform import NOW, import_record

TEXT = {"id": "test", "version": "1.0.0", "purposes": ["collection", "training"]}


def items(db, count=3, *, candidates=2, kind="pairwise", site="main", prefix="q"):
    rows = [
        make_item(
            prompt=[{"role": "user", "content": f"Question {prefix}{number}"}],
            candidates=[
                (f"model-{each}", f"answer {each} to {prefix}{number}") for each in range(candidates)
            ],
            language="en",
            topic=None,
            origin="test",
            licence="CC0-1.0",
            source_ref=f"{prefix}{number}",
            simulated=True,
        )
        for number in range(count)
    ]
    catalogue.add_items(
        db, rows, import_record(file_digest=f"sha256:{prefix:0>64}", read=1, imported=1, refused=0)
    )
    add_portal_items(db, site, [row["item"] for row in rows], kind=kind)
    return rows


def person(db, name="a-0001", *, site="main", consents=True, now=NOW):
    who = enrol(db, site, name, locale="en", simulated=True, now=now)
    if consents:
        version = record_version(db, TEXT, now=now)
        decide(db, site, name, version, {"collection": True, "training": True}, now=now)
    return who


def assigner(db, *, overlap=2, site="main", hold=timedelta(minutes=30)):
    return PlainAssigner(
        db, SiteSettings(id=site, portal_overlap=overlap), policy=lambda _: "sha256:" + "5" * 64, hold=hold
    )


def keys(folder):
    return PersonKeys(folder / "person-keys", b"secret of the site")
