"""The registry: every check tests something, every shipped policy can be checked, screens find what they should."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from annotation.checks import Check, On, Test, check_json
from annotation.policy_checks import checks_for, policy_checks
from annotation.record_checks import record_checks
from annotation.records import JUDGEMENTS
from annotation.screening import (
    _HINTS,
    KINDS,
    has_luhn,
    has_mod_97,
    named_models,
    personal_data,
    prefilter,
)
from governance.errors import InputError, PolicyError
from governance.policy.needs_data import Duration
from tests.support.batches import REQUIREMENTS


def test_every_column_that_may_not_be_null_has_its_check() -> None:
    rules = {check.rule for check in record_checks()}
    assert {f"R.present.{field.name}" for field in JUDGEMENTS if not field.nullable} <= rules


def test_keys_are_unique_and_statements_are_sentences_without_a_stop() -> None:
    checks = checks_for(REQUIREMENTS)
    assert len({check.key for check in checks}) == len(checks)
    for check in checks:
        assert len(check.statement.split()) > 2
        assert not check.statement.endswith(".")
        assert check_json(check)["rule"] == check.rule


def test_a_policy_shape_and_a_mapping_give_the_same_check() -> None:
    shape = Duration(id="D.duration", check="duration", at_least=2, at_most=60)
    assert policy_checks([shape]) == policy_checks(
        [{"id": "D.duration", "check": "duration", "at_least": 2.0, "at_most": 60.0}]
    )


def test_the_document_behind_a_rule_is_kept() -> None:
    (check,) = policy_checks(
        [
            {
                "id": "D.one",
                "check": "one_judgement",
                "document": "org",
                "version": "1.2.0",
                "digest": "sha256:0",
            }
        ]
    )
    assert check.origin.as_json() == {
        "kind": "policy",
        "document": "org",
        "version": "1.2.0",
        "digest": "sha256:0",
    }


@pytest.mark.parametrize(
    "requirement",
    [
        {"id": "D.x", "check": "horoscope"},
        {"id": "D.x"},
        {"id": "D.x", "check": "personal_data", "forbid": ["shoe_size"]},
    ],
)
def test_what_cannot_be_checked_is_refused_not_left_out(requirement: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=r"D\.x"):
        policy_checks([requirement])


@pytest.mark.parametrize(
    "test", [Test.IN_SET, Test.NOT_IN_SET, Test.RANGE, Test.LENGTH, Test.REGEX, Test.NOT_BEFORE]
)
def test_a_check_without_its_parameter_tests_nothing_and_is_refused(test: Test) -> None:
    with pytest.raises(InputError, match="tests nothing"):
        Check(rule="R.x", column="item", test=test, statement="nothing at all")


def test_a_figure_needs_its_range_and_its_name() -> None:
    with pytest.raises(InputError, match="figure"):
        Check(rule="D.x", on=On.FIGURES, column="x", test=Test.RANGE, low=1, statement="no figure named")


@pytest.mark.parametrize("pack", ["baseline", "provider", "health", "companion", "demo"])
def test_every_data_rule_of_a_shipped_policy_becomes_a_check(pack: str) -> None:
    from governance.policy.compose import compose
    from infra.policy_files import load_pack

    policy = compose(load_pack(pack), at=datetime(2026, 11, 1, tzinfo=UTC))
    needs = [{"id": need.id, "check": need.check, **need.terms} for need in policy.data_requirements]
    checked = {check.rule for check in policy_checks(needs)}
    assert checked == {need["id"] for need in needs if need["check"] != "suppression"}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to jane.doe+x@mail.example.org", ["email"]),
        ("the answer is @ best 3 out of 5", []),
        ("call 020 7946 0958 or +1 (202) 555-0143", ["phone"]),
        ("(415) 555-0132 rang", ["phone"]),
        ("on 03.04.2021 and 2019-2021 it cost 1,234,567", []),
        ("it has 0.123456789 as its value", []),
        ("card 4539 1488 0343 6467", ["payment_card"]),
        ("card 4539 1488 0343 6468", []),
        ("placeholder 4444 4444 4444 4448 order 1234567890123456", ["payment_card"]),
        ("IBAN DE89 3704 0044 0532 0130 00 please", ["iban"]),
        ("IBAN DE88 3704 0044 0532 0130 00 please", []),
        ("see https://example.org/a?b=1", ["url"]),
        ("host 8.8.8.8 but not 127.0.0.1 or 10.0.0.1", ["ip_address"]),
        ("version 1.2.3.4567", []),
        ("at 12:30:45 sharp", []),
        ("SSN 078-05-1120", ["national_id"]),
        ("NI number AB 12 34 56 C", ["national_id"]),
        ("lives at 221b Baker Street in London", ["postal_address"]),
        ("wohnt Hauptstraße 12", ["postal_address"]),
        ("2 steps down the road", []),
        ("plain words and 2 numbers, 17", []),
    ],
)
def test_screens_find_personal_data_and_leave_other_numbers(text: str, kinds: list[str]) -> None:
    assert personal_data(text) == kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a@b.org", "email"),
        ("www.example.org", "url"),
        ("DE89370400440532013000", "iban"),
        ("Hauptstraße 12", "postal_address"),
        ("+44 2079", "phone"),
        ("+1 415 55", "phone"),
        ("8.8.8.8", "ip_address"),
        ("2001:4860:4860::8888", "ip_address"),
        ("4539-1488-0343-6467", "payment_card"),
        ("AB 12 34 56 C", "national_id"),
        ("078-05-1120", "national_id"),
    ],
)
def test_the_prefilter_never_hides_what_a_screen_would_find(text: str, kind: str) -> None:
    import polars as pl

    hinted = pl.Series([text]).str.contains(prefilter([kind])).item()
    assert hinted or not personal_data(text, [kind])
    assert personal_data(text, [kind]) or kind == "phone"
    assert set(KINDS) == set(_HINTS)


def test_check_digits_of_worked_examples() -> None:
    assert has_luhn("4539148803436467")
    assert not has_luhn("4539148803436466")
    assert has_mod_97("GB82WEST12345698765432")
    assert not has_mod_97("GB82WEST12345698765433")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("This is LLaMA-7B speaking", ["llama-7b"]),
        ("I am llama 7b.", ["llama-7b"]),
        ("a llama-7bx is another word", []),
        ("The llama eats 7b grass", []),
        ("an alpaca eats grass", []),
        ("As Alpaca, I cannot say", ["alpaca"]),
        ("my name is alpaca", ["alpaca"]),
        ("gpt is short", []),
    ],
)
def test_model_names_are_found_as_names_only(text: str, named: list[str]) -> None:
    assert named_models(text, ["llama-7b", "org/alpaca", "gpt", None]) == [
        "org/alpaca" if name == "alpaca" else name for name in named
    ]
