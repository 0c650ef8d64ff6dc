"""The policy cache keeps to the operator's places."""

from infra.policy_cache import PolicyCache


def places(policy):
    return {document.id for document in policy.documents if document.id.startswith("law-")}


def test_a_caller_may_add_a_jurisdiction_but_never_leave_the_operators_out():
    cache = PolicyCache("provider", jurisdictions=("GB",))
    home = places(cache.policy())
    assert "law-uk" in home
    assert "law-us" not in home
    assert places(cache.policy(jurisdictions=["US"])) == home | {"law-us"}
    assert places(cache.policy(jurisdictions=[])) == home
