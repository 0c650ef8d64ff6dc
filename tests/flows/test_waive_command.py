"""`bounds waive` as a policy owner calls it: with a key of their own, for a rule that its owner lets be waived."""

import json
import re
import shutil

import pytest

from governance.errors import InputError, RefusedError
from infra.policy_files import POLICIES
from tests.flows.test_trust_commands import bounds

REASON = ("--reason", "being retrained")
WHAT = ("waive", "T2.no-over-refusal", "--model", "chat", "--version", "3")


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(POLICIES / "demo", folder)
    (folder / "profile.yaml").unlink()
    text = (folder / "provider.yaml").read_text()
    (folder / "provider.yaml").write_text(
        text.replace("  - id: T2.no-over-refusal\n", "  - id: T2.no-over-refusal\n    waivable: true\n")
    )
    made = tmp_path / "home"
    made.mkdir()
    (made / "settings.toml").write_text(f'policy = "{folder}"\n')
    (made / "keys").mkdir(mode=0o700)
    bounds("trust", "show", "--home", made)
    words = []
    for person, role in (("bo", "policy-owner"), ("ann", "model-reviewer")):
        public = bounds("trust", "key", tmp_path / f"{person}.pem").strip()
        words += ["--add", f"{person}={role}={public}"]
    bounds("trust", "draft", tmp_path / "draft", *words, "--home", made)
    bounds("trust", "sign", tmp_path / "draft", "--key", made / "keys/trust-keeper.pem")
    bounds("trust", "apply", tmp_path / "draft", "--home", made)
    return made


def test_a_policy_owner_waives_and_everybody_sees_it(home, tmp_path):
    key = ("--key", tmp_path / "bo.pem", "--yes", "--home", home)
    said = bounds(*WHAT, "--days", 10, *REASON, *key)
    assert re.search(
        r"waived: T2.no-over-refusal for chat version 3 until \d{4}-\d\d-\d\d \d\d:\d\d UTC, by bo", said
    )
    [given] = json.loads(bounds("waive", "--list", "--home", home, "--json"))
    assert (given["person"], given["reason"], given["covers"]) == ("bo", "being retrained", True)
    assert "covers it" in bounds("waive", "--list", "--home", home)
    [entry] = json.loads(bounds("log", "list", "--kind", "waiver", "--home", home, "--json"))["entries"]
    assert entry["body"]["waiver"] == given["waiver"]
    bounds(*WHAT, *REASON, *key, "--out", tmp_path / "w")
    bounds("waive", "--take", tmp_path / "w", "--home", home)
    assert len(json.loads(bounds("waive", "--list", "--home", home, "--json"))) == 2
    keyid = entry["body"]["keyid"]
    bounds("trust", "revoke", keyid, "--key", home / "keys/trust-keeper.pem", "--home", home)
    assert "covers nothing: signed by a revoked key of bo" in bounds("waive", "--list", "--home", home)


def test_what_cannot_be_waived_is_said(home, tmp_path):
    key = ("--key", tmp_path / "bo.pem", "--yes", "--home", home)
    about = ("--model", "chat", "--version", "3")
    with pytest.raises(RefusedError, match=r"T1\.terrorism is of Tier 1; nothing waives it"):
        bounds("waive", "T1.terrorism", *about, *REASON, *key)
    with pytest.raises(RefusedError, match=r"not marked waivable by Demonstration provider"):
        bounds("waive", "T2.enough-detail", *about, *REASON, *key)
    with pytest.raises(InputError, match=r"RULE: no such rule is in force .*expected T2\.no-over-refusal"):
        bounds("waive", "T2.typo", *about, *REASON, *key)
    with pytest.raises(RefusedError, match="ann does not sign as policy-owner"):
        bounds(*WHAT, *REASON, "--key", tmp_path / "ann.pem", "--yes", "--home", home)
    with pytest.raises(InputError, match="--reason: is needed"):
        bounds(*WHAT, *key)
    with pytest.raises(InputError, match="cannot be read"):
        bounds("waive", "--take", tmp_path / "none", "--home", home)
    (tmp_path / "junk").write_bytes(b"junk")
    for other in (tmp_path / "junk", tmp_path / "draft"):
        with pytest.raises(InputError, match=r"not a waiver: .*expected what `bounds waive --out` wrote"):
            bounds("waive", "--take", other, "--home", home)
    assert "no waiver was ever given" in bounds("waive", "--list", "--home", home)
