"""A simulated person at a real portal over HTTP: enrols, judges what is given, withdraws, and is served no more."""

import pytest

from governance.errors import OutsideError
from infra.enrolment import overview, withdrawal_requests
from infra.portal_visitor import PortalVisitor
from tests.support import portal
from tests.support.served import served

PROFILE = {"age": "25-34", "gender": None, "languages": "de en"}


def test_a_simulated_person_enrols_judges_and_withdraws(tmp_path):
    site = portal.Site(tmp_path)
    portal.items(site.db, 3)
    link = site.invite()
    with served(site.app) as address:
        with PortalVisitor(address=address, link=link, profile=PROFILE) as visitor:
            visitor.enrol()
            assert visitor.judge(lambda *_: {"choice": "first_better"}, most=2) == 2
            presentation, page = visitor.look()
            assert visitor.look()[0] == presentation
            visitor.submit(presentation, page, {"choice": "about_the_same"})
            assert visitor.look() is None
            [person] = overview(site.db, "main")
            assert (person.simulated, person.consented, person.judgements) == (True, True, 3)
            visitor.withdraw()
            with pytest.raises(OutsideError, match=r"with 40[134]"):
                visitor.look()
        again = PortalVisitor(address=address, link=link, profile={})
        with again, pytest.raises(OutsideError, match="answers the form of /join/… with 404"):
            again.join()
    [request] = withdrawal_requests(site.db, open_only=True)
    assert (request.annotator, request.via) == ("a-0001", "portal")
