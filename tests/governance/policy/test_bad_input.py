"""Whatever is wrong with a policy file is refused with its place, in bounded time and memory."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.digest import digest
from governance.errors import PolicyError
from governance.policy.compose import compose
from governance.policy.document import document_digest, parse
from governance.policy.source import Source, read
from infra.policy_files import MAX_BYTES, POLICIES, load
from tests.support.policies import AT, make, rule, span

BASE = (POLICIES / "tier1" / "baseline.yaml").read_text("utf-8")
BOMB = "a: &a [x, x]\n" + "".join(
    f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (BOMB, "an anchor", 1),
        ("a: 1\nb: *a", "an alias", 2),
        ("a:\n  <<: {x: 1}", "a merge key", 2),
        ("a: 1\nb: 2\na: 3", "the same key twice", 3),
        ("a: !!python/object:os.system x", "a tag", 1),
        ("a: 12345678901234567890123", "too many digits", 1),
        ("a: 1e999", "too large", 1),
        ("a: .nan", "not a finite number", 1),
        ("a: -Infinity\nb: -.inf", "not a finite number", 2),
        ("a: 1\n---\nb: 2", "a second document", 2),
        ("", "empty", 1),
        ("a: [1, 2", "not readable", 2),
        ("? [a]\n: 1", "a key that is not a word", 1),
        ("[" * 5000, "nested too deeply", 1),
        ("{a: " * 5000, "nested too deeply", 1),
        ("a: " + "x" * 20_000, "too long", 1),
        ("a: 1\nb: \x07", "U+0007", 2),
        ("a: \0", "U+0000", 1),
        ("a:\n\tb: 1", "a tab", 2),
        ("a:\n  b:\n\t- 1", "expected spaces", 3),
    ],
)
def test_what_the_loader_does_not_take_is_refused_with_its_place(text, message, line):
    started = time.perf_counter()
    with pytest.raises(PolicyError) as caught:
        read(text, name="policy.yaml")
    assert message in str(caught.value)
    assert caught.value.line == line
    assert time.perf_counter() - started < 2


def test_words_stay_words():
    source = read("a: no\nb: on\nc: 2026-12-02\nd: 1_000\ne: 0x10\nf: 'true'\ng: true\nh: 010", name="x")
    assert source.data == {
        "a": "no",
        "b": "on",
        "c": "2026-12-02",
        "d": "1_000",
        "e": "0x10",
        "f": "true",
        "g": True,
        "h": "010",
    }


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("id: T1.csam", "id: T1.сsam", "rules[1].id", "plain ASCII"),  # Cyrillic es
        ("kind: restriction", "kind: requirement", "rules[0].kind", "known words"),
        ("risks: [S.R.3]", "risks: [S.R.9]", "rules[0].risks[0]", "unknown code"),
        ("tier: 1", "tier: 4", "tier", "tier is missing or unknown"),
        ("tier: 1", "tier: '1'", "tier", "tier is missing or unknown"),
        ("version: 1.0.0", "version: 1.0", "version", "three numbers in quotes"),
        ("format: 1", "format: 2", "format", "known words"),
        ("property: csam", "waivable: true", "rules[1].waivable", "cannot say this"),
        ("property: csam", "propertie: csam", "rules[1].propertie", "unknown field"),
        ("effective: {from: 2023-03-09}", "effective: {from: soon}", "effective.from", "not a date"),
        ("effective: {from: 2023-03-09}", "promotion: {}", "promotion", "cannot say this"),
        ("effective: {from: 2023-03-09}", "data: []", "data", "cannot say this"),
        ("effective: {from: 2023-03-09}", "jurisdictions: [UK]", "jurisdictions[0]", "expected GB"),
        (
            "when: {age_band: [under_13, '13_17']}",
            "when: {age: [x]}",
            "rules[2].when.age",
            "does not declare",
        ),
        (
            "when: {age_band: [under_13, '13_17']}",
            "when: {age_band: [old]}",
            "rules[2].when.age_band[0]",
            "no value 'old'",
        ),
        ("kind: regulator", "kind: end_user", "authority.kind", "owned by regulator"),
        ("title: What", "title: \u202eWhat", "title", "hidden or control character"),
        ("id: T1.csam\n", "id: T1.terrorism\n", "rules[1].id", "written twice"),
    ],
)
def test_what_a_document_may_not_say_is_refused_with_its_field(old, new, field, message):
    assert old in BASE
    with pytest.raises(PolicyError) as caught:
        parse(read(BASE.replace(old, new, 1), name="policy.yaml"))
    assert message in str(caught.value)
    assert caught.value.field == field
    assert caught.value.line is not None
    assert caught.value.file == "policy.yaml"


def test_every_fault_is_said_at_once():
    with pytest.raises(PolicyError) as caught:
        parse(
            read(
                BASE.replace("risks: [S.R.3]", "risk: [S.R.3]").replace("tier: 1", "tier: 1\nx: 1"), name="p"
            )
        )
    assert str(caught.value).count("expected `risks`") >= 3


def test_the_place_of_a_fault_is_the_line_of_its_field():
    text = BASE.replace("property: csam", "propertie: csam")
    expected = next(n for n, line in enumerate(text.splitlines(), 1) if "propertie" in line)
    with pytest.raises(PolicyError) as caught:
        parse(read(text, name="policy.yaml"))
    assert caught.value.line == expected
    assert "`property`" in str(caught.value)


HEAD = """format: 1
id: mine
version: 1.0.0
tier: 2
title: Mine
authority: {kind: application_provider, name: N, contact: c@x.example}
context: {age_band: [under_13, "13_17"]}
"""
RULE = "  - {id: T2.a, kind: restriction, statement: S., rationale: R.%s}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules:\n" + RULE % "" + RULE % "",
            "10:6: rules[1].id: rule 'T2.a' is written twice (got 'T2.a'; expected each once)",
        ),
        (
            "rules:\n" + RULE % ", when: {age_band: [under_13, 13_18]}",
            (
                "9:93: rules[0].when.age_band[1]: T2.a: age_band has no value '13_18' in `context` "
                "(got '13_18'; expected one of under_13, 13_17)"
            ),
        ),
        (
            "promotion:\n  otherwise: {max_rate: 0.05, families: 59, allow: 1, evidence: [A]}",
            (
                "9:31: promotion.otherwise.families: a plan of 59 families that allows 1 can never show a rate "
                "below 0.05 with confidence 0.95; more families are needed (got 59; expected at least 93)"
            ),
        ),
        (
            "effective: {from: 2026-02-01, until: 2026-01-01}",
            (
                "8:31: effective.until: `until` must come after `from` "
                "(got '2026-01-01'; expected after 2026-02-01T00:00:00+00:00)"
            ),
        ),
        (
            "extends:\n  - {id: law, version: '1.0.0', digest: 'sha256:%s'}" % ("0" * 64),
            "9:15: extends[0].version: unknown field (got '1.0.0'; expected one of id, digest)",
        ),
        (
            "extends: [law-baseline]",
            (
                "8:11: extends[0]: not a map (got 'law-baseline'; expected it pinned as {id, digest}; "
                "`bounds policy show FILE` prints the digest)"
            ),
        ),
        (
            "dimensions:\n  - {id: a, type: choice, statement: S., values: []}",
            "9:42: dimensions[0].values: too few (expected at least 1)",
        ),
        (
            "dimensions:\n  - {id: a, type: flag, statement: S., hihg: 3}",
            (
                "9:40: dimensions[0].hihg: unknown field (got 3; expected one of id, statement, rationale, "
                "benefits, settable_by, prompt, type, default)"
            ),
        ),
        (
            "rules:\n" + RULE % ", limits: {a: {at_mots: 3}}",
            "9:78: rules[0].limits.a.at_mots: unknown field (got 3; expected `at_most`)",
        ),
        (
            "jurisdictions: [DE, XX]",
            (
                "8:21: jurisdictions[1]: unknown jurisdiction 'XX' (got 'XX'; expected an ISO 3166-1 alpha-2 code "
                "such as DE, a part such as US-CA, or EU)"
            ),
        ),
        (
            "dimensions:\n  - {id: a, type: range, statement: S., low: 5, high: 1}",
            "9:41: dimensions[0].low: `low` is above `high`: nothing would be left (got 5; expected at most 1)",
        ),
    ],
)
def test_what_a_whole_shape_finds_is_said_where_it_stands(text, said):
    with pytest.raises(PolicyError) as caught:
        parse(read(HEAD + text, name="p"))
    assert str(caught.value) == f"p:{said}"


def test_a_file_too_large_wrongly_encoded_or_absent_is_refused(tmp_path):
    large = tmp_path / "large.yaml"
    with large.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(PolicyError, match="too large"):
        load(large)
    assert MAX_BYTES < 50_000_000
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: b\ntitle: Röttger".encode("latin-1"))
    with pytest.raises(PolicyError, match="not UTF-8") as caught:
        load(latin)
    assert (caught.value.line, caught.value.column) == (2, 9)
    with pytest.raises(PolicyError, match="cannot read"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(PolicyError):
        load(tmp_path)


def test_pins_must_match_and_cannot_be_cyclic():
    law = make(1, "law")
    good = make(2, "mine", extends=[{"id": "law", "digest": document_digest(law)}])
    assert compose([good, law], at=AT)
    with pytest.raises(PolicyError, match="not in the stack"):
        compose([make(1, "other"), good], at=AT)
    changed = make(1, "law", version="1.0.1")
    with pytest.raises(PolicyError, match="by a digest that is not the one"):
        compose([good, changed], at=AT)
    one = make(2, "one", extends=[{"id": "two", "digest": digest("two")}])
    two = make(2, "two", extends=[{"id": "one", "digest": document_digest(one)}])
    with pytest.raises(PolicyError, match="by a digest that is not the one"):
        compose([law, one, two], at=AT)
    with pytest.raises(PolicyError, match="digest"):
        make(2, "unpinned", extends=[{"id": "law"}])
    lower = make(2, "app", owner="application_provider")
    upside_down = make(2, "up", extends=[{"id": "app", "digest": document_digest(lower)}])
    with pytest.raises(PolicyError, match="lower authority"):
        compose([law, lower, upside_down], at=AT)


@pytest.mark.parametrize(
    ("documents", "arguments", "message"),
    [
        ([], {}, "no policy document"),
        ([make(2)], {}, "no Tier One document"),
        ([make(1, effective={"until": "2026-01-01"})], {}, "expired"),
        ([make(1, effective={"from": "2027-01-01"})], {}, "not yet effective"),
        ([make(1), make(1, version="2.0.0")], {}, "two versions"),
        ([make(1, "a"), make(1, "b")], {}, "same id"),
        ([make(1)], {"jurisdictions": ["XX"]}, "unknown jurisdiction"),
        ([make(1)], {"jurisdictions": []}, "no jurisdiction is named"),
        ([make(1, jurisdictions=["FR"])], {"jurisdictions": ["DE"]}, "no Tier One document"),
        ([make(1), make(2, "x", applications=["a"])], {"application": "b"}, "no document speaks"),
        (
            [make(1), make(2, "x", applications=["a"]), make(2, "y", applications=["b"])],
            {},
            "several applications",
        ),
    ],
)
def test_a_stack_that_cannot_be_used_is_refused_with_the_reason(documents, arguments, message):
    with pytest.raises(PolicyError, match=message):
        compose(documents, at=AT, **arguments)


def test_plans_and_grades_that_can_never_pass_cannot_be_written():
    limit = {"rule": "T1.base", "max_rate": 0.01, "families": 298, "allow": 0, "evidence": ["A"]}
    with pytest.raises(
        PolicyError, match=r"families: .*more families are needed \(got 298; expected at least 299\)"
    ):
        make(2, promotion={"limits": [limit]})
    assert make(2, promotion={"limits": [limit | {"families": 299}]})
    with pytest.raises(PolicyError, match="never passes a Tier One rule"):
        make(2, promotion={"limits": [limit | {"families": 299, "evidence": ["C"]}]})
    with pytest.raises(PolicyError, match="demonstration"):
        make(2, promotion={"limits": [limit | {"families": 299, "evidence": ["S"]}]})
    with pytest.raises(PolicyError, match="whole multiple"):
        make(2, dimensions=[span("level", 1, 5, step=2)])
    with pytest.raises(PolicyError, match="one kind"):
        make(2, rules=[rule("T2.x", limits={"a": {"at_most": 1, "allow": ["b"]}})])


def read_or_refused(give):
    """A document of a known digest, or a refusal that says something; never another exception."""
    try:
        document = parse(give())
    except PolicyError as error:
        said = error.diagnostics()
    else:
        said = document_digest(document)
    assert said


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text):
    read_or_refused(lambda: read(text, name="fuzz"))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_damage_to_a_policy_is_read_or_refused(data):
    cut = data.draw(st.integers(0, len(BASE)))
    length = data.draw(st.integers(0, 30))
    junk = data.draw(st.text(alphabet="{}[]&*!|>'\"%@`:,-?#\n\t aT1.0\u0430\u202e\u0000", max_size=12))
    read_or_refused(lambda: read(BASE[:cut] + junk + BASE[cut + length :], name="fuzz"))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["tier", "id", "rules", "x"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_value_is_parsed_or_refused(value):
    read_or_refused(lambda: Source("fuzz", value))
