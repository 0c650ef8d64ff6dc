"""The catalogue page without a browser: what it says, and that it needs no JavaScript."""

import re
import shutil
from urllib.parse import urlencode

import pytest

from governance.policy.domain import Choices, Interval, Nothing, Phrases
from infra.policy_cache import PolicyCache
from infra.policy_files import POLICIES, load_all, load_pack, packs
from infra.settings import Settings
from infra.web.app import create_app
from infra.web.document_view import document_view
from infra.web.policy_words import (
    check_words,
    domain_words,
    listed,
    name,
    share,
    value_words,
    when_words,
)
from infra.web.wish_form import WishForm
from tests.support.asgi import Client

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def page_of(tmp_path, named="demo", **settings):
    cache = PolicyCache(named, seconds_between_looks=0)
    return Client(create_app(Settings(home=tmp_path, **settings), policies=cache))


def sent(client, path="/policies", **fields):
    answer = client.post(path, content=urlencode(fields), headers=FORM)
    assert answer.status_code == 200, answer.text
    return answer.text


def states(text):
    """Dimension → what became of the wish."""
    rows = re.findall(r'<li data-state="(\w+)">.*?<strong>([^<]+)</strong>', text, re.DOTALL)
    return {dimension: state for state, dimension in rows}


def test_the_page_starts_from_an_example_with_one_wish_of_each_kind(tmp_path):
    text = page_of(tmp_path).get("/policies").text
    assert states(text) == {
        "Tone": "honoured",
        "Moralising": "honoured",
        "Detail": "clipped",
        "Companionship": "denied",
    }
    assert "2 honoured, 1 clipped and 1 denied." in text
    assert "Do not offer romantic role play to anyone who is not an adult." in text
    assert "demo-law@example.org" in text
    assert "Not as the person wished, also when asked again:" in text


def test_what_a_visitor_sends_decides(tmp_path):
    client = page_of(tmp_path)
    fields = {"w.companionship": "romantic", "w.moralising": "true", "w.tone": ""}
    adult = sent(client, **fields, **{"c.age_band": "adult"})
    assert states(adult) == {"Companionship": "honoured", "Moralising": "honoured"}
    child = sent(client, **fields, **{"c.age_band": "under_13"})
    assert states(child)["Companionship"] == "denied"
    unsaid = sent(client, **fields)
    assert states(unsaid)["Companionship"] == "denied"
    assert "nothing, as long as the age band is not said" in unsaid


def test_a_range_counts_only_where_it_is_wished(tmp_path):
    client = page_of(tmp_path)
    assert states(sent(client, **{"w.detail": "4"})) == {}
    assert "No wish yet" in sent(client, **{"w.detail": "4"})
    assert states(sent(client, **{"w.detail": "4", "on.detail": "1"})) == {"Detail": "honoured"}


@pytest.mark.parametrize("value", ["nan", "inf", "-1e999", "much", "9" * 400, "<script>", "\ud800", "4.5"])
def test_no_value_breaks_the_page(tmp_path, value):
    fields = {
        "w.detail": value,
        "on.detail": "1",
        "w.tone": value,
        "w.moralising": value,
        "c.age_band": value,
    }
    answer = page_of(tmp_path).post(
        "/policies", content=urlencode(fields, errors="surrogatepass"), headers=FORM
    )
    assert answer.status_code == 200
    assert "<script>" not in answer.text.split("</head>")[1]
    assert set(states(answer.text).values()) <= {"denied", "clipped"}


def test_more_fields_than_a_form_has_are_refused(tmp_path):
    answer = page_of(tmp_path).post("/policies", content="a=1&" * 1000, headers=FORM)
    assert answer.status_code == 422


def test_what_a_visitor_wishes_stands_in_no_address(tmp_path):
    text = sent(page_of(tmp_path), **{"w.tone": "warm", "c.age_band": "adult"})
    assert not [link for link in re.findall(r'(?:href|action)="([^"]*)"', text) if "warm" in link]
    assert 'method="post"' in text


def test_tiers_name_owner_reason_and_source_of_every_rule(tmp_path):
    client = page_of(tmp_path, "companion")
    text = client.get("/policies").text
    policy = PolicyCache("companion").policy()
    for rule in (*policy.rules, *policy.pending):
        assert f'id="rule-{rule.id}"' in text
        assert rule.document.contact in text
    assert "from 2 December 2026" in text
    assert "only yes" in text


def test_the_law_of_one_place_leaves_the_others_out(tmp_path):
    client = page_of(tmp_path, "companion")
    text = client.get("/policies?jurisdiction=GB").text
    assert "/policies/law-uk/" in text
    assert "/policies/law-us/" not in text
    assert 'action="/policies?jurisdiction=GB&amp;application' not in text
    assert 'action="/policies?jurisdiction=GB#try"' in text


def test_a_place_that_is_none_is_refused_with_what_was_meant(tmp_path):
    answer = page_of(tmp_path).get("/policies?jurisdiction=UK")
    assert answer.status_code == 422
    assert "write GB" in answer.text


def test_a_visitor_chooses_among_several_applications(tmp_path):
    folder = tmp_path / "several"
    folder.mkdir()
    for file in {*packs()["health"], *packs()["companion"]}:
        shutil.copy(POLICIES / file, folder)
    client = page_of(tmp_path, folder)
    assert '<option value="companion-chat" selected>' in client.get("/policies").text
    health = client.get("/policies?application=health-information").text
    assert "Do not joke about illness" in health


def test_the_defaults_of_a_group_are_taken_and_bind_nobody(tmp_path):
    client = page_of(tmp_path, "provider")
    group = {"group": "example-easy-reading-group", "c.age_band": "adult"}
    assert states(sent(client, **group)) == {"Reading level": "honoured", "Answer length": "honoured"}
    own = sent(client, **group, **{"w.reading_level": "expert"})
    assert "<td>expert</td><td>person</td>" in own


def test_a_broken_file_is_told_and_the_last_good_stack_is_shown(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in packs()["demo"]:
        shutil.copy(POLICIES / file, folder)
    client = page_of(tmp_path, folder)
    before = states(client.get("/policies").text)
    assert before
    (folder / "law.yaml").write_text("tier: [")
    after = client.get("/policies").text
    assert "cannot be used" in after
    assert states(after) == before


def test_with_no_usable_policy_the_page_says_so(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "law.yaml").write_text("tier: [")
    for path in ("/policies", "/policies/demo-law/1.0.0"):
        answer = page_of(tmp_path, folder).get(path)
        assert (answer.status_code, "There is no policy in force" in answer.text) == (503, True)


def of_policies():
    """The packs that can be in force on a platform: those of wishes alone have no law."""
    return [name for name in packs() if name != "xstest" and any(each.tier == 1 for each in load_pack(name))]


@pytest.mark.parametrize("pack", of_policies())
def test_every_shipped_document_has_a_page_in_words(tmp_path, pack):
    cache = PolicyCache(pack)
    client = page_of(tmp_path, pack)
    for held in cache.stack().held.values():
        answer = client.get(f"/policies/{held.ref.id}/{held.ref.version}")
        assert answer.status_code == 200
        assert held.ref.digest in answer.text
        view = document_view(held)
        assert len(view.rules) == len(getattr(held.document, "rules", ()))
        for rule in view.rules:
            assert f'id="rule-{rule.rule.id}"' in answer.text


def test_an_unknown_document_is_refused(tmp_path):
    assert page_of(tmp_path).get("/policies/demo-law/9.0.0").status_code == 404


def test_the_start_page_leads_here(tmp_path):
    assert '<a href="/policies">Policies</a>' in page_of(tmp_path).get("/").text


@pytest.mark.parametrize(
    ("domain", "unit", "said"),
    [
        (Choices("flag", frozenset({True, False})), None, "yes or no"),
        (Choices("flag", frozenset({True})), None, "only yes"),
        (Choices("choice", frozenset({"b", "a", "c"})), None, "a, b or c"),
        (Choices("choice", frozenset({"a"}), excluding=True), None, "anything but a"),
        (Choices("choice", frozenset(), excluding=True), None, "anything"),
        (Choices("choice", frozenset()), None, "nothing"),
        (Interval(2_000_000, 5_000_000, 1_000_000), "days", "2 to 5 days"),
        (Interval(500_000, 2_000_000, 500_000), None, "0.5 to 2 in steps of 0.5"),
        (Interval(low=2_000_000), None, "at least 2"),
        (Interval(high=7_000_000), None, "at most 7"),
        (Interval(3_000_000, 3_000_000), "days", "only 3 days"),
        (Interval(4_000_000, 3_000_000), None, "nothing"),
        (Interval(), None, "any number"),
        (Phrases(40, frozenset({"x*y"})), None, "text of at most 40 characters, without “x*y”"),
        (Phrases(), None, "text of any length"),
        (Nothing(), None, "nothing"),
    ],
)
def test_a_set_of_values_in_words(domain, unit, said):
    assert domain_words(domain, unit) == said


def test_small_words():
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed("abc", "or")] == [
        "",
        "a",
        "a and b",
        "a, b or c",
    ]
    assert [value_words(v, "days") for v in (True, 3.0, 0.5, "x", float("nan"))] == [
        "yes", "3 days", "0.5 days", "x", "nan days",
    ]  # fmt: skip
    assert (name("age_band"), share(0.025), share(1)) == ("Age band", "2.5 %", "100 %")
    when = {"age_band": frozenset({"under_13", "13_17"})}
    assert when_words(when) == "age band is 13 to 17 or under 13"


def test_every_check_of_data_has_its_sentence():
    documents = load_all(["provider", "demo"])
    needs = [need for document in documents for need in getattr(document, "data", ())]
    assert {need.check for need in needs} >= {"coverage", "overlap", "consent", "suppression"}
    for need in needs:
        assert check_words(need).endswith(".")


def test_an_example_fills_the_form_as_its_person_would():
    example = load_all(["demo-profile"])[0]
    form = WishForm.of_example(example)
    assert form.wishes["companionship"] == "romantic"
    assert form.context == {"age_band": "13_17"}
