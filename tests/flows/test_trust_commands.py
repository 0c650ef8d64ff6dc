"""`bounds trust`, `approve` and `history` as people call them: each with a key of their own."""

import json
import re

import pytest
from typer.testing import CliRunner

from flows.cli import build
from flows.wiring import clock, open_platform
from governance.errors import InputError, RefusedError
from governance.promotion import verify_decision
from infra.database import open_database
from infra.history import history
from infra.trust import current_trust
from tests.support.decisions import ASKED, NOW, decision
from tests.support.record import TWO, decided, fill, settings_of

PHRASE = {"BOUNDS_PASSPHRASE": "a long passphrase"}


def bounds(*words, code=0, **environment):
    run = CliRunner().invoke(build(words[0]), [str(word) for word in words], env=PHRASE | environment)
    if run.exception and not isinstance(run.exception, SystemExit):
        raise run.exception
    assert run.exit_code == code, run.output
    return run.stdout


@pytest.fixture
def home(tmp_path):
    settings_of(tmp_path / "home")
    return tmp_path / "home"


def test_people_get_keys_and_approve_what_the_auditor_decided(home, tmp_path, monkeypatch):
    from datetime import timedelta

    from governance.digest import digest_bytes
    from infra import ledger
    from infra.signing import load_or_create_key, sign

    first = json.loads(bounds("trust", "show", "--home", home, "--json"))
    words = []
    for person, role in (("ann", "model-reviewer"), ("bo", "policy-owner")):
        public = bounds("trust", "key", tmp_path / f"{person}.pem").strip()
        words += ["--add", f"{person}={role}={public}"]
    draft, keeper = tmp_path / "draft", home / "keys/trust-keeper.pem"
    bounds("trust", "draft", draft, *words, "--home", home)
    bounds("trust", "sign", draft, "--key", tmp_path / "ann.pem")
    with pytest.raises(RefusedError, match="0 of 1 signatures by trust-keeper"):
        bounds("trust", "apply", draft, "--home", home)
    bounds("trust", "draft", draft, *words, "--home", home)
    bounds("trust", "sign", draft, "--key", keeper)
    assert "in force" in bounds("trust", "apply", draft, "--home", home)
    second = json.loads(bounds("trust", "show", "--home", home, "--json"))
    assert second["version"]["previous"] == first["digest"]
    assert "ann: model-reviewer" in bounds("trust", "show", "--home", home)
    now = clock().replace(microsecond=0)
    with open_platform(home) as platform:
        made = decision(approvals=(TWO,), issued=now, expires=now + timedelta(days=1))
        data = sign(made.statement(), load_or_create_key(home / "keys", "auditor"))
        row = ledger.Decision(
            digest=digest_bytes(data),
            model="chat",
            version="3",
            verdict="PASS",
            envelope=data.decode(),
            created_at=now,
        )
        ledger.record_decision(platform.db, row)
    approval = ("approve", "chat", "3", "--yes", "--home", home)
    assert "by ann as model-reviewer" in bounds(*approval, "--key", tmp_path / "ann.pem")
    bounds(*approval, "--key", tmp_path / "bo.pem", "--out", tmp_path / "bo.approval")
    taken = json.loads(
        bounds("approve", "chat", "3", "--take", tmp_path / "bo.approval", "--home", home, "--json")
    )
    assert taken["person"] == "bo"
    with open_platform(home) as platform:
        at = clock()
        asked = ASKED | {"trust": platform.trust(at), "now": at}
        assert verify_decision(platform.joined(row, at), **asked)
    keyid = re.search(r"ed25519:[0-9a-f]{64}", taken["keyid"])[0]
    bounds("trust", "revoke", keyid, "--key", tmp_path / "bo.pem", "--home", home)
    assert "TAKEN BACK" in bounds("trust", "show", "--home", home)
    with open_platform(home) as platform:
        at = clock()
        asked = ASKED | {"trust": platform.trust(at), "now": at}
        assert verify_decision(platform.joined(row, at), **asked).reasons == (
            "1 of 2 approvals by model-reviewer or policy-owner",
        )
    bounds("trust", "key", tmp_path / "eve.pem")
    with pytest.raises(RefusedError, match="not trusted"):
        bounds(*approval, "--key", tmp_path / "eve.pem")


def test_what_is_no_draft_key_or_decision_is_said(home, tmp_path):
    (tmp_path / "draft").write_text("{}")
    with pytest.raises(InputError, match="not a draft"):
        bounds("trust", "sign", tmp_path / "draft", "--key", tmp_path / "ann.pem")
    for wrong in ("ann", "ann=x", "ann=x=AAAA", "=x=AAAA", "ann==AAAA"):
        with pytest.raises(InputError, match="--add"):
            bounds("trust", "draft", tmp_path / "d", "--add", wrong, "--home", home)
    with pytest.raises(InputError, match="no decision about"):
        bounds("approve", "chat", "3", "--take", tmp_path / "draft", "--home", home)
    with pytest.raises(InputError, match="either a key or"):
        bounds("approve", "chat", "3", "--home", home)


def test_a_draft_nobody_signed_is_named_and_a_key_that_is_not_there_is_not_left_out(home, tmp_path):
    draft = tmp_path / "draft"
    bounds("trust", "draft", draft, "--home", home)
    with pytest.raises(InputError, match=r"draft: not signed: .*bounds trust sign"):
        bounds("trust", "apply", draft, "--home", home)
    with pytest.raises(InputError, match=r"--remove: no such key in the version in force .*ed25519:"):
        bounds("trust", "draft", tmp_path / "second", "--remove", "ed25519:typo", "--home", home)
    with pytest.raises(InputError, match=r"KEYID: no such key in the version in force .*ed25519:"):
        bounds("trust", "revoke", "ed25519:zzz", "--key", home / "keys" / "trust-keeper.pem", "--home", home)
    assert not (tmp_path / "second").exists()
    keys = json.loads(bounds("trust", "show", "--home", home, "--json"))["version"]["keys"]
    assert len(keys) == 2


def test_history_says_who_carried_what_and_why(home):
    from datetime import timedelta

    from tests.support.record import moved

    settings = settings_of(home)
    with open_database(settings, now=NOW) as db:
        fill(settings, db)
        later = decided(db, decision(version="5"), at=NOW + timedelta(hours=1))
        moved(db, later, at=NOW + timedelta(hours=2))
        moved(db, later, "demoted", at=NOW + timedelta(hours=3), reasons=("T1.harm: FAIL",))
        stays = history(db, "chat", trust=current_trust(settings, db, NOW))
    assert [(s.version, s.ended_by) for s in stays] == [("5", "demoted"), ("3", "replaced")]
    assert stays[0].reasons == ("T1.harm: FAIL",)
    assert stays[1].signed_by == ("audit-office (auditor)", "ann (model-reviewer)", "bo (policy-owner)")
    assert stays[1].until == stays[0].since
    said = json.loads(bounds("history", "chat", "--home", home, "--json"))
    assert [stay["version"] for stay in said["stays"]] == ["5", "3"]
    assert "T1.harm: FAIL" in bounds("history", "chat", "--home", home)
    with pytest.raises(InputError, match=r"MODEL: nothing is recorded about this model .*expected chat"):
        bounds("history", "other", "--home", home)
    with pytest.raises(InputError, match=r"--alias: no version of chat has carried it .*expected champion"):
        bounds("history", "chat", "--alias", "champoin", "--home", home)
    assert "no version of bounds-demo has carried an alias yet" in bounds("history", "--home", home)
