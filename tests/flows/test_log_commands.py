"""`bounds log` and `bounds verify` as a person calls them, on a folder without servers."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from flows.cli import build
from governance.errors import InputError
from infra import log
from infra.database import open_database
from infra.person_key import create_person_key
from tests.support.decisions import NOW
from tests.support.record import fill, settings_of

AT = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    settings = settings_of(tmp_path / "home")
    with open_database(settings, now=NOW) as db:
        fill(settings, db)
    return settings.home


def bounds(*words, code=0, **environment):
    run = CliRunner().invoke(build(words[0]), [str(word) for word in words], env=environment)
    if run.exception and not isinstance(run.exception, SystemExit):
        raise run.exception
    assert run.exit_code == code, run.output
    return run.stdout


def test_list_and_show(home):
    listed = json.loads(bounds("log", "list", "--home", home, "--json"))
    assert listed["size"] == len(listed["entries"]) == 15
    kinds = [entry["kind"] for entry in listed["entries"]]
    assert kinds[:8] == ["trust", *["key"] * 5, "policy", "release"]
    assert "promotion" in bounds("log", "list", "--home", home)
    only = json.loads(bounds("log", "list", "--kind", "decision", "--home", home, "--json"))
    assert [entry["body"]["version"] for entry in only["entries"]] == ["3", "4"]
    assert json.loads(bounds("log", "show", 0, "--home", home))["kind"] == "trust"
    with pytest.raises(InputError, match="no such entry"):
        bounds("log", "show", 99, "--home", home)
    with pytest.raises(InputError, match="no such kind"):
        bounds("log", "list", "--kind", "gossip", "--home", home)


def test_export_and_verify_everything(home, tmp_path):
    told = json.loads(bounds("log", "export", tmp_path / "b", "--store", "--home", home, "--json"))
    words = ("--key", told["log_key"], "--trust", told["trust"])
    found = json.loads(bounds("verify", "log", tmp_path / "b", *words, "--json"))
    assert found["verified"]
    assert found["believed"] == []
    assert "because the bundle says so" in bounds("verify", "log", tmp_path / "b")
    entries = json.loads(bounds("log", "list", "--home", home, "--json"))["entries"]
    release = next(entry["body"]["digest"] for entry in entries if entry["kind"] == "release")
    files = tmp_path / "release"
    files.mkdir()
    (files / "pairs.parquet").write_bytes(b"pairs")
    bounds("verify", "release", release[:20], "--bundle", tmp_path / "b", "--files", files, *words)
    (files / "pairs.parquet").write_bytes(b"other pairs")
    said = bounds("verify", "release", release, "--bundle", tmp_path / "b", "--files", files, *words, code=1)
    assert "pairs.parquet: has digest" in said
    bounds("verify", "release", "sha256:00000000", "--bundle", tmp_path / "b", *words, code=1)
    said = bounds("verify", "decision", "chat/3", "--bundle", tmp_path / "b", *words, code=1)
    assert "WRONG" in said  # bo's key was revoked after the promotion: it would not be allowed again
    assert "1 of 2 approvals" in said
    assert "no such decision" in bounds(
        "verify", "decision", "chat/9", "--bundle", tmp_path / "b", *words, code=1
    )
    made = next(each["body"]["digest"] for each in entries if each["kind"] == "decision")
    for beginning in (made[:19], made.removeprefix("sha256:")[:12]):  # as `bounds log list` prints it
        said = bounds("verify", "decision", beginning, "--bundle", tmp_path / "b", *words, code=1)
        assert "decision about chat 3" in said
    for short in (made[:9], "sha256:", ""):
        said = bounds("verify", "decision", short, "--bundle", tmp_path / "b", *words, code=1)
        assert "no such decision" in said
    (tmp_path / "b/checkpoint").write_bytes(b"x")
    assert "checkpoint:" in bounds("verify", "log", tmp_path / "b", *words, code=1)
    with pytest.raises(InputError, match="not a bundle"):
        bounds("verify", "log", tmp_path)


@pytest.mark.parametrize("position", [-1, 99, 10**30])
def test_an_entry_that_is_not_there_is_said(home, position):
    with pytest.raises(InputError, match=r"position: no such entry .*expected 0 to"):
        bounds("log", "show", "--home", home, "--", position)


def test_files_of_a_model_that_nobody_decided_about(home, tmp_path):
    bounds("log", "export", tmp_path / "b", "--home", home)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/MLmodel").write_text("stranger")
    said = bounds("verify", "model", tmp_path / "model", "--bundle", tmp_path / "b", code=1)
    assert "no decision in the log is about these files" in said


def test_what_is_no_proof_no_checkpoint_and_no_place_is_bad_input(home, tmp_path):
    bounds("log", "export", tmp_path / "b", "--home", home)
    junk = tmp_path / "junk"
    for text in ("", "{", "[" * 100_000, '{"proof": 1}'):
        junk.write_text(text)
        with pytest.raises(InputError, match="junk: not a proof"):
            bounds("log", "witness", junk, "--log-key", "k", "--key", junk, "--memory", junk, "--name", "n")
        with pytest.raises(InputError, match="junk: not a checkpoint"):
            bounds("verify", "log", tmp_path / "b", "--since", junk)
    with pytest.raises(InputError, match="--trust: not a digest"):
        bounds("verify", "log", tmp_path / "b", "--trust", "sha256:abc")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        bounds("log", "export", junk / "below", "--home", home)


def test_prove_and_witness(home, tmp_path):
    told = json.loads(bounds("log", "export", tmp_path / "b", "--home", home, "--json"))
    proof = json.loads(bounds("log", "prove", 2, "--home", home))
    assert proof["position"] == 2
    assert len(proof["proof"]) == 4
    (tmp_path / "none").write_bytes((tmp_path / "b/checkpoint").read_bytes())
    create_person_key(tmp_path / "eye.pem", "a long passphrase")
    words = (
        "log", "witness", tmp_path / "proof", "--log-key", told["log_key"], "--key", tmp_path / "eye.pem",
        "--memory", tmp_path / "eye.json", "--name", "eye",
    )  # fmt: skip
    for _ in range(2):
        (tmp_path / "proof").write_text(bounds("log", "prove", "--since", tmp_path / "none", "--home", home))
        seen = bounds(*words, BOUNDS_PASSPHRASE="a long passphrase")
        assert "— eye " in seen
        (tmp_path / "none").write_text(seen)
        with open_database(settings_of(home), now=NOW) as db:
            log.append(db, log.Kind.KEY, {"number": log.size(db)}, NOW + timedelta(days=1))
