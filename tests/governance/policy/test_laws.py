"""The laws of the algebra, over generated stacks. They speak of allowed sets, without waivers."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.policy.compose import compose
from governance.policy.diff import diff
from governance.policy.document import document_digest, parse
from governance.policy.render import render
from governance.policy.resolve import resolve
from governance.policy.source import read
from governance.policy.view import view_of
from tests.support import generated
from tests.support.policies import AT, make, rule

stacks, requests, contexts, profiles = (
    generated.stacks(),
    generated.requests,
    generated.contexts,
    generated.profiles,
)

LAW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def policy_of(documents):
    return compose(documents, at=AT)


@LAW
@given(stacks, st.lists(requests, min_size=1, max_size=12))
def test_a_decision_is_what_the_manual_says(documents, asked):
    policy = policy_of(documents)
    for name, value, context in asked:
        verdict = policy.decider.decide(name, value, context)
        assert verdict.allowed == generated.permits(documents, name, value, context)
        assert verdict.allowed or (verdict.rule and verdict.reason)
        again = policy.decider.decide(name, value, context)  # the kept answer is the worked-out one
        assert again == verdict


@LAW
@given(stacks, profiles, contexts, profiles)
def test_a_resolution_is_never_outside_any_higher_tier(documents, wishes, context, group):
    answer = resolve(policy_of(documents), {"wishes": wishes, "context": context, "group": group})
    for name, value in answer.settings.items():
        assert generated.permits(documents, name, value, answer.context)
    for wish in (*answer.denied, *answer.clipped):
        assert wish.rule
        assert wish.reason
    assert not set(answer.settings) & set(answer.unset)
    assert (
        answer.digest
        == resolve(policy_of(documents), {"wishes": wishes, "context": context, "group": group}).digest
    )


@LAW
@given(stacks, stacks, st.lists(requests, min_size=1, max_size=12))
def test_adding_a_lower_document_never_enlarges_what_higher_ones_left(documents, more, asked):
    """For dimensions that are declared; new ones come only where everyone above allows them."""
    lower = [d for d in more if d.tier == 2 and d.authority.kind == "application_provider"]
    higher = [d for d in documents if d.authority.kind != "application_provider"]
    before, after = policy_of(higher), policy_of([*higher, *lower])
    closed = any(d.tier == 2 and d.further_dimensions == "refused" for d in higher)
    for name, value, context in asked:
        if after.decider.decide(name, value, context):
            if name in before.dimensions:
                assert before.decider.decide(name, value, context)
            else:
                assert not closed


@LAW
@given(stacks, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(documents, rng: random.Random):
    shuffled = [*documents, documents[0]]
    rng.shuffle(shuffled)
    one, other = policy_of(documents), policy_of(shuffled)
    assert one.digest == other.digest
    assert one == other


@LAW
@given(stacks, st.integers(0, 6), st.lists(requests, min_size=1, max_size=12))
def test_composing_in_steps_equals_composing_at_once(documents, cut, asked):
    """What two parts leave, met, is what the whole leaves."""
    laws = [d for d in documents if d.tier == 1]
    rest = [d.model_copy(update={"further_dimensions": "allowed"}) for d in documents if d.tier == 2]
    part_one, part_two = [*laws, *rest[:cut]], [*laws, *rest[cut:]]
    whole = policy_of([*laws, *rest])
    parts = [policy_of(part) for part in (part_one, part_two)]
    for name, value, context in asked:
        declaring = [part for part in parts if name in part.dimensions]
        silent = [part for part in parts if name not in part.dimensions]
        expected = bool(declaring) and all(part.decider.decide(name, value, context) for part in declaring)
        for part in silent:  # says nothing of the dimension but may limit it
            view = view_of(part)
            kind = generated.DIMENSIONS.get(name, "choice")
            open_view = _opened(view)
            expected = expected and _holds(open_view.left(name, kind, context), value)
        assert bool(whole.decider.decide(name, value, context)) == expected


def _opened(view):
    from dataclasses import replace

    return replace(view, is_open=True)


def _holds(domain, value):
    from governance.policy.domain import contains

    return contains(domain, value)


@LAW
@given(stacks, generated.law("tighter"), st.lists(requests, min_size=1, max_size=12))
def test_tightening_never_turns_a_denial_into_a_permission(documents, extra, asked):
    before, after = policy_of(documents), policy_of([*documents, extra])
    for name, value, context in asked:
        if not before.decider.decide(name, value, context):
            assert not after.decider.decide(name, value, context)
    found = diff(before, after)
    assert not found.loosened


@LAW
@given(stacks)
def test_the_diff_of_a_thing_with_itself_is_empty(documents):
    policy = policy_of(documents)
    assert diff(policy, policy_of(list(reversed(documents)))).is_empty
    for document in documents:
        assert diff(document, document).is_empty


@LAW
@given(stacks, stacks, st.lists(requests, min_size=1, max_size=8))
def test_the_witnesses_of_a_diff_are_true_and_none_is_missing(old, new, asked):
    before, after = policy_of(old), policy_of(new)
    found = diff(before, after)
    seen: dict[str, set[str]] = {"loosened": set(), "tightened": set()}
    for direction, ids in seen.items():
        for change in found.of(direction):
            if change.what == "dimension" and "value" in (change.witness or {}):
                asked_for = (change.witness["dimension"], change.witness["value"], change.witness["context"])
                was, now = generated.permits(old, *asked_for), generated.permits(new, *asked_for)
                assert (was, now) == ((False, True) if direction == "loosened" else (True, False))
                ids.add(change.id)
    for name, value, context in asked:
        was, now = generated.permits(old, name, value, context), generated.permits(new, name, value, context)
        if was != now and name != "name":  # the witness for text is searched, not worked out
            assert name in seen["loosened" if now else "tightened"]


@LAW
@given(stacks, st.randoms(use_true_random=False))
def test_the_digest_does_not_change_with_formatting_or_order(documents, rng: random.Random):
    for document in documents:
        text = render(document)
        again = parse(read(text, name="again"))
        assert document_digest(again) == document_digest(document)
        assert render(again) == text
        assert document_digest(parse(_shuffled(generated.plain(document), rng))) == document_digest(document)


def _shuffled(value, rng):
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: _shuffled(value[key], rng) for key in keys}
    if isinstance(value, list):
        members = [_shuffled(member, rng) for member in value]
        rng.shuffle(members)
        return members
    return value


@LAW
@given(stacks, stacks)
def test_the_digest_changes_with_meaning(one, other):
    for left, right in zip(one, other, strict=False):
        if not diff(left, right).is_empty:
            assert document_digest(left) != document_digest(right)


_rates = st.sampled_from([(0.02, 236, 1), (0.05, 59, 0), (0.05, 93, 1), (0.2, 59, 6), (0.3, 9, 0)])
_terms = st.tuples(_rates, st.sampled_from([["A"], ["A", "B"], ["B"]]), st.booleans()).map(
    lambda t: {"max_rate": t[0][0], "families": t[0][1], "allow": t[0][2], "evidence": t[1], "anytime": t[2]}
)
_promotions = st.fixed_dictionaries(
    {
        "limits": st.lists(st.sampled_from(["T1.a", "T1.b", "T1.c"]), unique=True).flatmap(
            lambda rules: st.tuples(*(_terms for _ in rules)).map(
                lambda found: [{"rule": name, **terms} for name, terms in zip(rules, found, strict=True)]
            )
        )
    },
    optional={
        "otherwise": _terms,
        "validity_days": st.integers(1, 90),
        "aliases": st.just(["champion"]),
        "approvals": st.fixed_dictionaries({"roles": st.just(["owner"]), "threshold": st.integers(1, 3)}),
    },
)
_overlap = st.fixed_dictionaries(
    {"id": st.just("D.overlap"), "check": st.just("overlap"), "at_least": st.integers(1, 5)},
    optional={"share": st.sampled_from([0.5, 0.9])},
)
_coverage = st.fixed_dictionaries(
    {
        "id": st.just("D.coverage"),
        "check": st.just("coverage"),
        "question": st.sampled_from(["gender", "age"]),
        "targets": st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([0.2, 0.4]), min_size=1),
    }
)
_data = st.tuples(st.lists(_overlap, max_size=1), st.lists(_coverage, max_size=1)).map(lambda t: t[0] + t[1])


@LAW
@given(_promotions, _data, _promotions, _data)
def test_adding_a_lower_document_never_loosens_a_promotion_or_a_demand_on_data(one, first, other, second):
    audited = [rule(f"T1.{name}", audit={"probes": [name], "judge": "j"}) for name in "abcd"]
    law = make(1, "law", rules=audited)
    higher = make(2, "higher", promotion=one, data=first)
    lower = make(2, "lower", owner="application_provider", promotion=other, data=second)
    found = diff(policy_of([law, higher]), policy_of([law, higher, lower]))
    assert not found.loosened
    assert not found.removed
