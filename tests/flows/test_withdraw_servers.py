"""A person withdraws on real servers, killed on the way, and is then searched for in every store that there is.

The portal, Label Studio, Prefect and MLflow run as ``bounds up`` runs them; objects and MLflow's artifacts lie in an
S3 bucket that keeps every version. The person speaks in the portal and in Label Studio and leaves words of their own
wherever words can be left.
"""

import hashlib
import sqlite3
from datetime import timedelta

import httpx
import mlflow
import pytest

from annotation.label_config import SHOWN
from flows import demonstration
from flows import demonstration_people as at_portal
from flows.commands.demo_people import settle
from flows.wiring import clock, open_platform
from infra import enrolment, ledger, withdrawals
from infra.label_studio_erasure import users_of
from infra.label_studio_tasks import tasks_of
from infra.policy_files import POLICIES
from infra.portal_visitor import PortalVisitor
from infra.residue import sqlite_files
from infra.stack import Stack
from tests.support.everywhere import files_with, objects_with, tables_with, versions_of
from tests.support.s3 import moto_server
from tests.support.stack import ANY_PORT
from tests.support.way import killed_everywhere, run_alone

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(1500)]

SITE, PERSON, OTHER = "main", "sim-09", "sim-10"
ITEMS = 14
NAME, CONTACT = f"simulated person {PERSON}", f"{PERSON}@panel.invalid"
# What the person wrote: at the portal, in Label Studio, and unfinished or beside the answer.
ACCEPTED = "canary-reason-that-was-accepted"
ADDRESS = "canary.of.sim.nine@example.org"
DRAFT, REPORT, OWN_WORDS, UNSENT = "canary-draft", "canary-report", "canary-own-words", "canary-unsent"
ARTIFACT, SNAPSHOT = "canary-in-an-artifact", "canary-in-prefect"
CANARIES = (NAME, CONTACT, ACCEPTED, ADDRESS, DRAFT, REPORT, OWN_WORDS, UNSENT, ARTIFACT, SNAPSHOT)
BUCKET = "bounds"
PREFECT_FILES = frozenset({"prefect/prefect.db", "prefect/prefect.db-wal"})
TARGET = {
    "better": "clearer",
    "asked": "Which?",
    "for_whom": "the simulated people of a test",
    "as_of": "2026-01-02",
    "for_study": True,
}
WITHDRAWING = (
    "infra.withdrawals:add_found",
    "infra.person_keys:PersonKeys.destroy",
    "infra.identity:IdentityStore.remove",
    "infra.collected:forget_events",
    "infra.objects_s3:S3Store.put_tree",
    "infra.ledger:record_batch",
    "infra.withdrawals:mark_erased",
    "infra.objects_s3:S3Store.delete",
    "infra.tracking_erasure:erase_artifacts",
    "infra.tracking_erasure:flag_models",
    "infra.label_studio:LabelStudioSite.send",
    "infra.residue:compact",
    "infra.withdrawals:finish",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The data folder of a running stack, and a client of the S3 server behind it."""
    home = tmp_path_factory.mktemp("withdrawal") / "home"
    home.mkdir(mode=0o700)
    settle(home, SITE)
    kept = (home / "settings.toml").read_text()
    (home / "settings.toml").write_text(f'policy = "{easy_policy(home / "policy")}"\n{kept}')
    with moto_server() as server, pytest.MonkeyPatch.context() as patch:
        s3 = server.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        patch.setenv("BOUNDS_STORE", "s3")
        patch.setenv("BOUNDS_S3_ENDPOINT", server.endpoint)
        patch.setenv("BOUNDS_RETRY_SECONDS", "0.1")
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        parts = ("label_studio", "prefect", "mlflow", "web")
        with Stack(home, sites=(SITE,), ports=ANY_PORT, parts=parts) as stack:
            patch.setenv("PREFECT_API_URL", stack.settings.prefect_api_url)
            yield home, s3


def easy_policy(folder):
    """The demonstration's policy without what so few people cannot give once one of them has left."""
    folder.mkdir()
    for name in ("law.yaml", "provider.yaml"):
        lines = (POLICIES / "demo" / name).read_text().splitlines(keepends=True)
        kept = [
            line for line in lines if not line.startswith(("  - {id: D.overlap,", "  - {id: D.agreement,"))
        ]
        (folder / name).write_text("".join(kept))
    return folder


def join(platform, annotator):
    """A personal link of somebody who is enrolled."""
    now = clock()
    who = enrolment.find_person(platform.db, SITE, annotator)
    return "/join/" + enrolment.invite(platform.db, who, life=timedelta(days=1), now=now)


def csrf(page):
    return page.split('name="csrf" value="')[1][:64]


def speak_at_the_portal(platform):
    """Everybody enrols and judges; the person also describes themselves, reports an item, and leaves a draft."""
    demonstration.stage_demo(platform, SITE, most=ITEMS, through_portal=at_portal.portal_items())
    at_portal.put_in_portal(platform, SITE)
    with at_portal.enrolled(platform, SITE) as visitors:
        [visitor] = [visitors[PERSON]]
        page = visitor._get("/portal/about-you")
        own = {**{f"f.{name}": value.split() for name, value in visitor.profile.items() if value}}
        token = page.split('name="csrf" value="')[1][:64]
        visitor._post("/portal/about-you", {"csrf": token, **own, "w.ethnicity": OWN_WORDS, "decline": ["1"]})
        shown, page = visitor.look()
        visitor._post(
            f"/portal/work/{shown}/leave",
            {"csrf": page.split('name="csrf" value="')[1][:64], "kind": "reported", "reason": REPORT},
        )
        shown, page = visitor.look()
        visitor.submit(shown, page, {"choice": "first_better", "rationale": ACCEPTED, "seconds": "20"})
        shown, page = visitor.look()
        visitor._post(f"/portal/work/{shown}/draft", {"csrf": csrf(page), "rationale": DRAFT})
        others = {name: each for name, each in visitors.items() if name != PERSON}
        given = at_portal.judge_by_quota(platform, SITE, others, seed=3)
    assert given > 5


def spoil_label_studio(platform):
    """The person's address into their reasons, a draft that was never sent, an export and a snapshot; how many answers."""
    server = platform.label_studio(SITE)
    [user] = users_of(server, PERSON)
    count = 0
    for project in server.projects():
        for task in [
            each for page in tasks_of(server, project.id, full=True, page_size=200) for each in page
        ]:
            for annotation in task["annotations"]:
                if annotation["completed_by"] == user:
                    result = [part for part in annotation["result"] if part["type"] != "textarea"]
                    words = reason(SHOWN, f"write to {ADDRESS}")
                    server.send(
                        "PATCH", f"api/annotations/{annotation['id']}/", json={"result": [*result, words]}
                    )
                    count += 1
        unsent = {"result": [reason(SHOWN, UNSENT)], "lead_time": 1.0}
        draft = server.send("POST", f"api/tasks/{task['id']}/drafts", json=unsent)
        # Whoever holds the token writes drafts in their own name; the person's page would have written theirs.
        with sqlite3.connect(platform.settings.home / "label-studio" / "label_studio.sqlite3") as database:
            database.execute("UPDATE tasks_annotationdraft SET user_id = ? WHERE id = ?", (user, draft["id"]))
        database.close()
        server.get(f"api/projects/{project.id}/export", {"exportType": "JSON"})
        server.send("POST", f"api/projects/{project.id}/exports/", json={"title": "of staff"})
    return count


def reason(about, words):
    return {"from_name": "rationale", "to_name": about, "type": "textarea", "value": {"text": [words]}}


def plant_beside(platform, run, model_source):
    """An artifact of the validation run and one of Prefect that quote the person; a version trained on the release."""
    client = mlflow.MlflowClient(tracking_uri=platform.mlflow_url, registry_uri=platform.mlflow_url)
    for _ in range(2):  # twice: an older version stays below in the bucket
        client.log_text(run, f"{ARTIFACT} by {PERSON}", "drafts/sample.txt")
    for key, who, words in (("first", PERSON, SNAPSHOT), ("second", OTHER, "something")):
        body = {"key": key, "type": "markdown", "data": f"{who} said {words}"}
        httpx.post(
            f"{platform.settings.prefect_api_url}/artifacts/", json=body, timeout=30
        ).raise_for_status()
    client.create_registered_model("withdrawal-test")
    [of_release] = [row.run_id for row in ledger.releases(platform.db) if row.digest == model_source]
    version = client.create_model_version(
        "withdrawal-test",
        source=client.get_run(of_release).info.artifact_uri,
        run_id=of_release,
        tags={"bounds.release_digest": model_source},
    )
    return f"withdrawal-test/{version.version}"


def state_of(home, s3):
    """Everything that the platform holds, as one digest a store."""
    found = {"objects": hashlib.sha256(repr(versions_of(s3, BUCKET)).encode()).hexdigest()}
    for file in sqlite_files(home):
        name = file.relative_to(home).as_posix()
        # Prefect records that the flow ran, and Label Studio who asked it something.
        if not name.startswith(("prefect/", "label-studio/")):
            with sqlite3.connect(file) as database:
                found[name] = hashlib.sha256("\n".join(database.iterdump()).encode()).hexdigest()
            database.close()
    return found


def everywhere(home, s3):
    """Where a word of the person, or the person's pseudonym, is found now: in any file, in any version of any object."""
    return {**files_with(home, *CANARIES, PERSON), **objects_with(s3, BUCKET, *CANARIES, PERSON)}


def by_place(found, word):
    return sorted(name for name, words in found.items() if word in words)


def test_a_person_is_gone_from_every_store_whatever_was_killed(world):
    home, s3 = world
    with open_platform(home) as platform:
        speak_at_the_portal(platform)
    run_alone(home, "collect", {"site": SITE})
    with open_platform(home) as platform:
        demonstration.answer_demo(platform, SITE, seed=3)
        spoilt = spoil_label_studio(platform)
    assert spoilt > 0
    run_alone(home, "collect", {"site": SITE})
    [batch] = run_alone(home, "validate", {"site": SITE})["result"]
    assert batch["verdict"] == "PASSED", batch
    assert batch["quarantined"] >= spoilt
    released = run_alone(home, "release", TARGET)["result"]["release"]
    with open_platform(home) as platform:
        model = plant_beside(platform, batch["run"], released)
        address, link = platform.settings.web_url, join(platform, PERSON)
        with PortalVisitor(address=address, link=link, profile={}) as visitor:
            visitor.join()
            held = visitor._get("/portal/my-data/download")
            visitor.withdraw()
        request = withdrawals.request_of(platform.db, SITE, PERSON)
    refused = run_alone(home, "release", TARGET)
    assert (refused["error"], request.request in refused["text"]) == ("RefusedError", True)

    # The search finds what is there, else finding nothing afterwards would say nothing.
    before = everywhere(home, s3)
    for folder in ("label-studio/export/", "label-studio/media/export/"):
        assert any(name.startswith(folder) for name in by_place(before, ADDRESS))
    assert any(
        name.startswith(f"objects/batches/{batch['batch'][7:]}/") for name in by_place(before, ADDRESS)
    )
    assert "label-studio/label_studio.sqlite3" in by_place(before, UNSENT)
    assert "label-studio/label_studio.sqlite3" in by_place(before, CONTACT)
    assert any(name.startswith("objects/mlflow/") for name in by_place(before, ARTIFACT))
    assert any(name.startswith("prefect/") for name in by_place(before, SNAPSHOT))
    # What the portal holds is sealed: nobody finds it, and its person does.
    for word in (OWN_WORDS, ACCEPTED):
        assert word in held
    for word in (NAME, OWN_WORDS, DRAFT, REPORT):
        assert by_place(before, word) == []

    runs, [receipt] = killed_everywhere(
        home, "withdraw", {"request": request.request}, durable=WITHDRAWING, stride=9, run=run_alone
    )
    assert runs > 4
    [replaced] = receipt["batches"]
    assert replaced["erased"] == batch["batch"]
    assert replaced["successor"] not in (None, batch["batch"])
    assert (receipt["releases"], receipt["models"]) == ([released], [model])
    done = {(each["where"], each["what"]): each["count"] for each in receipt["done"]}
    assert done["Label Studio", "annotations"] >= spoilt
    assert done["Label Studio", "accounts, each with its drafts"] == 1
    assert done["Prefect", "artifacts that named the person"] >= 1
    assert done["object store", "batches erased, all versions"] == 1
    assert done["object store", "artifacts of MLflow, all versions"] >= 1

    # Every file of the data folder (databases, artifacts, exports, logs, receipts), every version of every object.
    after = everywhere(home, s3)
    # Prefect's events repeat an artifact until they are old; no other word is there, and the receipt says so.
    events = {name: after.pop(name) for name in list(after) if name in PREFECT_FILES}
    assert all(found <= {PERSON, SNAPSHOT} for found in events.values())
    assert tables_with(home / "prefect/prefect.db", SNAPSHOT) == {"events"}
    assert tables_with(home / "prefect/prefect.db", PERSON) == {"events"}
    assert ("Prefect", "events that repeat what those artifacts said") in {
        (each["where"], each["what"]) for each in receipt["remains"]
    }
    words = {name: found for name, found in after.items() if found != {PERSON}}
    # A release that was handed out stays as it is; the receipt says so.
    assert set(words) <= set(by_place(before, ACCEPTED))
    assert all(name.startswith("objects/releases/") and found == {ACCEPTED} for name, found in words.items())
    assert f"release {released}" in {each["what"] for each in receipt["remains"]}
    assert set(after) - set(words) <= {"platform.db", "platform.db-wal"}
    assert tables_with(home / "platform.db", PERSON) <= {
        "annotators",
        "consent_events",
        "withdrawal_requests",
    }
    left = versions_of(s3, BUCKET)
    assert [key for key, _, _ in left if batch["batch"][7:] in key or f"/{batch['run']}/" in key] == []
    with open_platform(home) as platform:
        assert users_of(platform.label_studio(SITE), PERSON) == []
        assert not platform.keys(SITE).has(PERSON)
        assert users_of(platform.label_studio(SITE), OTHER) != []
        assert [each.digest for each in ledger.batches(platform.db)] == [replaced["successor"]]
        assert withdrawals.flagged_releases(platform.db) == {released: (request.request,)}
        name, _, version = model.rpartition("/")
        assert request.request in platform.registry().version(name, version).tags["bounds.withdrawn"]

    # A second run changes nothing, and whatever runs again brings nothing back.
    state = state_of(home, s3)
    assert run_alone(home, "withdraw", {"request": request.request})["result"] == [receipt]
    assert state_of(home, s3) == state
    assert run_alone(home, "collect", {"site": SITE})["result"]["new"] == 0
    [again] = run_alone(home, "validate", {"site": SITE})["result"]
    assert again["batch"] == replaced["successor"]
    later = run_alone(home, "release", TARGET)["result"]["release"]
    assert later != released
    left = {name for name, found in everywhere(home, s3).items() if found != {PERSON}}
    assert left - PREFECT_FILES == set(words)

    # Somebody else leaves undisturbed: what is done and what is said of it is the same.
    with open_platform(home) as platform:
        other = withdrawals.ask(platform.db, SITE, OTHER, via="command", now=clock())
    [calm] = run_alone(home, "withdraw", {"request": other.request})["result"]
    of_kills = {("work files", "folders that killed runs left")}
    assert {(each["where"], each["what"]) for each in calm["done"]} == set(done) - of_kills
    # Nobody trained a model on the later release.
    stays = {each["where"] for each in receipt["remains"]} - {"MLflow"}
    assert {each["where"] for each in calm["remains"]} == stays
    here = set(files_with(home, OTHER, f"{OTHER}@panel.invalid"))
    assert here - PREFECT_FILES <= {"platform.db", "platform.db-wal"}
