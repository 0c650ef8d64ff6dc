"""The policy service: keys, resolution, the stack, changes on disk, and bad input."""

import json
import shutil
import stat
from datetime import UTC, datetime

import pytest

from infra.policy_cache import PolicyCache
from infra.policy_files import POLICIES, packs, read_source
from infra.settings import Settings
from infra.web.app import create_app
from infra.web.keys import ApiKeys, Scope
from infra.web.limits import MAX_BODY
from tests.support.asgi import Client, in_pieces

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ADULT = {"age_band": "adult"}
AS_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def folder(tmp_path):
    """A stack of a policy owner's own files."""
    target = tmp_path / "policies"
    target.mkdir()
    for file in packs()["demo"]:
        shutil.copy(POLICIES / file, target)
    return target


class Service:
    def __init__(self, home, named="demo", **options):
        home.mkdir(exist_ok=True)
        self.cache = PolicyCache(named, seconds_between_looks=0, **options)
        self.keys = ApiKeys(home)
        key = self.keys.create("tests", scopes=[*Scope], now=NOW)
        self.client = Client(
            create_app(Settings(home=home), policies=self.cache),
            headers={"Authorization": f"Bearer {key}"},
        )

    def resolve(self, **body):
        return self.client.post("/v1/resolve", json=body)

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)


@pytest.fixture
def service(tmp_path):
    return Service(tmp_path / "home")


def is_problem(answer, status, *words):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    for word in words:
        assert word in answer.text
    return problem


def rewrite(file, change):
    document = read_source(file).data
    change(document)
    file.write_text(json.dumps(document))


# --- resolving


def test_a_wish_is_honoured_one_clipped_one_denied_each_with_its_owner(service):
    answer = service.resolve(
        wishes={"tone": "warm", "detail": 1, "companionship": "romantic"}, context={"age_band": "13_17"}
    )
    assert answer.status_code == 200
    found = answer.json()
    assert found["honoured"] == ["tone"]
    assert [(w["dimension"], w["value"], w["rule"]) for w in found["clipped"]] == [
        ("detail", 2, "T2.enough-detail")
    ]
    denied = found["denied"][0]
    assert (denied["rule"], denied["tier"], denied["owner"]) == (
        "T1.no-romance-for-children",
        1,
        "Example law (stands in for law)",
    )
    assert found["settings"] == {"tone": "warm", "moralising": True, "detail": 2, "companionship": "none"}
    assert found["policy"] == service.cache.policy().digest == answer.headers["policy-digest"]
    assert found["prompt"].startswith(f"Policy {found['policy']}.")
    assert {rule["id"] for rule in found["restrictions"]} >= {"T1.terrorism", "T2.enough-detail"}
    assert answer.headers["cache-control"] == "no-store"


def test_a_batch_answers_what_single_requests_answer(service):
    wishes = [{"tone": tone, "detail": detail} for tone in ("warm", "x") for detail in (1, 3, 9)]
    include = ["prompt", "rules", "documents", "digest"]
    profiles = [{"wishes": wish, "group": {"moralising": False}} for wish in wishes] * 5
    batch = service.resolve(profiles=profiles, context=ADULT, include=include).json()
    single = [service.resolve(**profile, context=ADULT, include=include).json() for profile in profiles]
    assert batch["results"] == single
    assert batch["policy"] == single[0]["policy"]


def test_what_is_vouched_for_outweighs_what_a_profile_says_of_itself(service):
    profile = {"wishes": {"companionship": "romantic"}, "context": ADULT}
    batch = service.resolve(profiles=[profile], context={"age_band": "13_17"}).json()
    assert [wish["dimension"] for wish in batch["results"][0]["denied"]] == ["companionship"]
    assert service.resolve(**profile).json()["honoured"] == ["companionship"]


def test_a_batch_says_nothing_beside_unless_it_is_asked(service):
    found = service.resolve(profiles=[{}]).json()["results"][0]
    assert not {"prompt", "restrictions", "documents", "digest"} & set(found)
    assert service.resolve(profiles=[]).json()["results"] == []


@pytest.mark.parametrize(
    ("wishes", "rule"),
    [
        ({"detail": "much"}, "bounds.wrong-type"),
        ({"detail": 10**30}, "T2.enough-detail"),
        ({"tone": None}, "bounds.wrong-type"),
        ({"tone": ["warm"]}, "bounds.wrong-type"),
        ({"tone": {"a": {}}}, "bounds.wrong-type"),
        ({"moralising": 1}, "bounds.wrong-type"),
        ({"no_such": 1}, "bounds.unknown-dimension"),
        ({"\ud800": "\udfff"}, "bounds.unknown-dimension"),
        ({"companionship": "romantic"}, "bounds.missing-context"),
    ],
)
def test_the_engine_answers_for_every_value(service, wishes, rule):
    answer = service.client.post("/v1/resolve", content=json.dumps({"wishes": wishes}), headers=AS_JSON)
    assert answer.status_code == 200
    assert rule in [wish["rule"] for wish in answer.json()["denied"] if wish["source"] == "person"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"wishes": {"detail": NaN}}', "NaN is no number"),
        (b'{"wishes": {"detail": -Infinity}}', "-Infinity is no number"),
        (b'{"wishes": {"tone": "warm", "tone": "neutral"}}', "'tone' stands twice"),
        (b'{"wishes": ', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"wishes": {"detail": 1' + b"0" * 5000 + b"}}", "not JSON"),
        (b"[1]", "valid dictionary"),
        (b"null", "body"),
        (b"", "body"),
    ],
)
def test_what_is_no_json_object_is_refused(service, body, says):
    answer = service.client.post("/v1/resolve", content=body, headers=AS_JSON)
    is_problem(answer, 422, says)


@pytest.mark.parametrize(
    ("body", "field", "expected"),
    [
        ({"wish": {}}, "single.wish", "no such field here"),
        ({"wishes": 1}, "single.wishes", None),
        ({"include": ["everything"]}, "single.include.0", "'prompt', 'rules', 'documents' or 'digest'"),
        ({"profiles": [{"wishes": {}, "id": 1}]}, "batch.profiles.0.id", "no such field here"),
        ({"jurisdictions": ["UK"]}, "jurisdictions", None),
        ({"jurisdictions": []}, "jurisdictions", "codes, or nothing at all for every overlay"),
    ],
)
def test_a_wrong_frame_is_refused_with_the_field_and_what_would_be_right(service, body, field, expected):
    problem = is_problem(service.client.post("/v1/resolve", json=body), 422)
    assert problem["errors"][0]["field"] == field
    if expected:
        assert problem["errors"][0]["expected"] == expected


def test_an_unknown_application_is_refused_with_those_there_are(tmp_path):
    service = Service(tmp_path / "home", "companion")
    problem = is_problem(service.resolve(application="other"), 422)
    assert problem["errors"] == [
        {
            "field": "application",
            "message": "no document speaks of this application",
            "expected": "one of companion-chat",
            "value": "other",
        }
    ]


def test_jurisdictions_choose_the_overlays(tmp_path):
    service = Service(tmp_path / "home", "baseline")
    owners = {
        code: {ref["id"] for ref in service.resolve(jurisdictions=[code]).json()["documents"]}
        for code in ("DE", "GB", "US-CA")
    }
    assert owners == {
        "DE": {"law-baseline", "law-eu"},
        "GB": {"law-baseline", "law-uk"},
        "US-CA": {"law-baseline", "law-us"},
    }
    every = service.resolve().json()["documents"]
    assert {ref["id"] for ref in every} == {"law-baseline", "law-eu", "law-uk", "law-us"}


def test_too_many_profiles_are_refused(service):
    is_problem(service.resolve(profiles=[{}] * 1001), 422, "1000")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused(service, declared):
    data = b" " * (MAX_BODY + 1)
    content = data if declared else in_pieces(*[data[: MAX_BODY // 2]] * 3)
    answer = service.client.post("/v1/resolve", content=content, headers=AS_JSON)
    is_problem(answer, 413, str(MAX_BODY))


# --- the stack


def test_the_stack_says_which_documents_apply_and_why_others_do_not(tmp_path):
    service = Service(tmp_path / "home", "companion")
    answer = service.get("/v1/policies?jurisdiction=GB")
    found = answer.json()
    applies = {entry["id"]: entry["why_not"] for entry in found["documents"]}
    assert applies == {
        "law-baseline": None,
        "law-eu": "binds in EU",
        "law-uk": None,
        "law-us": "binds in US",
        "example-model-provider": None,
        "example-companion-chat": None,
    }
    assert (found["application"], found["jurisdictions"], found["fault"]) == ("companion-chat", ["GB"], None)
    assert found["dimensions"]["warmth"]["narrowed_by"]


def test_every_document_of_the_list_can_be_read_and_has_the_digest_it_says(tmp_path):
    from governance.policy.document import document_digest, parse

    service = Service(tmp_path / "home", "health")
    for entry in service.get("/v1/policies").json()["documents"]:
        answer = service.get(entry["href"])
        assert answer.headers["etag"] == f'"{entry["digest"]}"'
        assert document_digest(parse(answer.json())) == entry["digest"]


def test_an_unknown_document_is_refused_with_those_there_are(service):
    is_problem(service.get("/v1/policies/demo-law/9.9.9"), 404, "demo-law/1.0.0")


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/policies/demo-law/1.0.0"])
def test_what_the_caller_has_already_is_not_sent_again(service, path):
    first = service.get(path)
    tag = first.headers["etag"]
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = service.get(path, **{"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert service.get(path, **{"If-None-Match": '"other"'}).content == first.content


# --- changes on disk


def test_a_change_takes_effect_without_a_restart(tmp_path, folder):
    service = Service(tmp_path / "home", folder)
    before = service.resolve(wishes={"detail": 5}).json()
    tag = service.get("/v1/policies").headers["etag"]

    def tighten(document):
        document["version"] = "1.1.0"
        document["rules"][1]["limits"]["detail"]["at_most"] = 3

    rewrite(folder / "provider.yaml", tighten)
    after = service.resolve(wishes={"detail": 5}).json()
    assert (before["settings"]["detail"], after["settings"]["detail"]) == (5, 3)
    assert before["policy"] != after["policy"] == service.cache.policy().digest
    assert service.get("/v1/policies", **{"If-None-Match": tag}).status_code == 200
    assert service.get("/v1/policies/demo-provider/1.0.0").status_code == 404


def test_a_reformatted_file_changes_nothing(tmp_path, folder):
    service = Service(tmp_path / "home", folder)
    first = service.cache.policy()
    rewrite(folder / "provider.yaml", lambda _: None)
    assert service.cache.policy() is first


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("provider.yaml", "format: 1\nid: [", "provider.yaml"),
        ("law.yaml", "", "law.yaml"),
        ("extra.yaml", "format: 1\nid: x\n", "extra.yaml"),
        ("law.yaml", None, "two different documents have the same id and version"),
    ],
)
def test_a_file_that_cannot_be_used_never_replaces_the_good_ones(tmp_path, folder, name, text, says):
    service = Service(tmp_path / "home", folder)
    before = service.resolve(context=ADULT).json()
    good = (folder / name).read_text() if (folder / name).exists() else None
    if text is None:  # the law changes, and the provider still rests on the law as it was
        rewrite(
            folder / name,
            lambda document: document["rules"][2]["limits"]["companionship"].update(
                forbid=["romantic", "friendly"]
            ),
        )
    else:
        (folder / name).write_text(text)
    assert service.resolve(context=ADULT).json() == before
    health = service.get("/health").json()["policy"]
    assert not health["healthy"]
    assert says in health["says"]
    assert "the last good one stays in use" in health["says"]
    assert says in service.get("/v1/policies").json()["fault"]
    if good is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(good)
    assert service.get("/health").json()["policy"]["healthy"]
    assert service.get("/v1/policies").json()["fault"] is None


def test_with_no_good_files_at_all_nothing_is_decided(tmp_path, folder):
    (folder / "law.yaml").write_text("nonsense: [")
    service = Service(tmp_path / "home", folder)
    is_problem(service.resolve(), 503, "/health")
    is_problem(service.get("/v1/policies"), 503)
    is_problem(service.get("/v1/policies/demo-law/1.0.0"), 503)
    assert "every request is refused" in service.get("/health").json()["policy"]["says"]
    shutil.copy(POLICIES / "demo" / "law.yaml", folder)
    assert service.resolve().status_code == 200


def test_a_document_that_expires_while_the_service_runs_is_not_served_from_memory(tmp_path, folder):
    moments = iter([NOW] * 3)
    moment = NOW

    def clock():
        return next(moments, moment)

    rewrite(folder / "provider.yaml", lambda d: d["effective"].update(until="2026-12-01"))
    service = Service(tmp_path / "home", folder, now=clock)
    assert service.resolve().status_code == 200
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    list(moments)
    is_problem(service.resolve(), 503, "expired")


def test_two_documents_of_one_name_are_refused(tmp_path, folder):
    service = Service(tmp_path / "home", folder)
    shutil.copy(folder / "law.yaml", folder / "law-too.yaml")
    assert service.cache.fault is None
    rewrite(folder / "law-too.yaml", lambda d: d.update(title="Another"))
    assert "same id and version" in service.cache.fault


def test_a_policy_is_composed_once_for_each_context(tmp_path):
    cache = Service(tmp_path / "home", "companion").cache
    assert cache.policy(jurisdictions=["GB", "US"]) is cache.policy(jurisdictions=["US", "GB", "GB"])
    assert cache.policy() is cache.policy()
    assert cache.policy() is not cache.policy(jurisdictions=["GB"])


def test_a_pack_that_speaks_of_several_applications_asks_which(tmp_path):
    folder = tmp_path / "several"
    folder.mkdir()
    for name in {*packs()["health"], *packs()["companion"]}:
        shutil.copy(POLICIES / name, folder)
    service = Service(tmp_path / "home", folder)
    assert service.get("/health").json()["policy"]["healthy"]
    is_problem(service.resolve(), 422, "companion-chat, health-information")
    assert service.resolve(application="companion-chat").status_code == 200


# --- keys


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/policies/demo-law/1.0.0", "/v1/resolve"])
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer x", "Basic {key}", "Bearer {key}x", "Bearer {other}", "Bearer bk_é"],
)
def test_without_a_key_that_somebody_holds_there_is_no_answer(service, path, header):
    key = service.client.headers["Authorization"].split()[1]
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    headers = (
        {} if header is None else {"Authorization": header.format(key=key, other=other).encode("latin-1")}
    )
    client = Client(service.client.app, headers=headers)
    answer = client.request("POST" if "resolve" in path else "GET", path, content=b"{")
    is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_does_what_its_scopes_say_and_no_more(service):
    reads = service.keys.create("reader", scopes=["policies:read"], now=NOW)
    client = Client(service.client.app, headers={"Authorization": f"Bearer {reads}"})
    assert client.get("/v1/policies").status_code == 200
    refused = client.post("/v1/resolve", json={})
    is_problem(refused, 403, "resolve")
    assert 'scope="resolve"' in refused.headers["www-authenticate"]


def test_a_key_that_is_taken_back_stops_working_at_once(service):
    assert service.resolve().status_code == 200
    service.keys.revoke("tests")
    is_problem(service.resolve(), 401)


def test_only_the_hash_of_a_key_is_kept_and_only_for_its_owner_to_read(service):
    key = service.client.headers["Authorization"].split()[1]
    text = service.keys.path.read_text()
    assert key not in text
    assert key.split("_", 2)[2] not in text
    assert stat.S_IMODE(service.keys.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{}", '{"keys": [{"id": "x"}]}', '{"keys": 1}', "[]"])
def test_a_key_file_that_cannot_be_read_lets_nobody_in(service, text):
    service.keys.path.write_text(text)
    is_problem(service.resolve(), 503, "nobody is let in")


@pytest.mark.parametrize(
    ("name", "scopes"),
    [("Ä", ["resolve"]), ("", ["resolve"]), ("tests", ["resolve"]), ("x", []), ("x", ["all"])],
)
def test_a_key_needs_a_new_name_and_known_scopes(service, name, scopes):
    from governance.errors import InputError

    with pytest.raises(InputError):
        service.keys.create(name, scopes=scopes, now=NOW)


def test_every_route_of_the_interface_asks_for_a_key(service):
    spec = service.client.get("/v1/openapi.json").json()
    operations = [
        operation
        for path, methods in spec["paths"].items()
        if path.startswith("/v1/")
        for operation in methods.values()
    ]
    assert {"/v1/resolve", "/v1/policies", "/v1/feedback"} <= set(spec["paths"])
    assert len(operations) == 4
    assert all(operation["security"] for operation in operations)
