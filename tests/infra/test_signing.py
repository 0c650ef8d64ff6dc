"""Keys on disk: private, made once, refused when others may read them."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from governance.errors import InputError
from governance.promotion import verify_decision
from governance.provenance import Trust
from infra.artifacts import folder_manifest
from infra.signing import add_signature, load_key, load_or_create_key, sign
from tests.support.decisions import ASKED, NOW, decision


def test_a_key_is_made_once_and_private(tmp_path):
    folder = tmp_path / "keys"
    key = load_or_create_key(folder, "auditor")
    assert load_or_create_key(folder, "auditor").id == key.id
    assert load_or_create_key(folder, "model-reviewer").id != key.id
    assert stat.S_IMODE((folder / "auditor.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(file.name for file in folder.iterdir()) == ["auditor.pem", "model-reviewer.pem"]


def test_two_makers_agree_on_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        ids = {
            key.id for key in pool.map(lambda _: load_or_create_key(tmp_path / "keys", "auditor"), range(8))
        }
    assert ids == {load_key(tmp_path / "keys", "auditor").id}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602])
def test_a_key_others_may_read_or_change_is_refused(tmp_path, mode):
    load_or_create_key(tmp_path, "auditor")
    (tmp_path / "auditor.pem").chmod(mode)
    with pytest.raises(InputError, match="others may read"):
        load_or_create_key(tmp_path, "auditor")


def test_a_link_is_refused(tmp_path):
    load_or_create_key(tmp_path, "auditor")
    (tmp_path / "other.pem").symlink_to(tmp_path / "auditor.pem")
    with pytest.raises(InputError, match="cannot be read"):
        load_key(tmp_path, "other")


@pytest.mark.parametrize("role", ["", "../x", "Auditor", "a/b", ".hidden"])
def test_a_role_is_a_plain_word(tmp_path, role):
    with pytest.raises(InputError, match="not a role"):
        load_or_create_key(tmp_path, role)


def test_other_files_are_no_keys(tmp_path):
    file = tmp_path / "auditor.pem"
    file.write_bytes(b"hello")
    file.chmod(0o600)
    with pytest.raises(InputError, match="not a private key"):
        load_key(tmp_path, "auditor")
    curve = generate_private_key(SECP256R1())
    file.write_bytes(
        curve.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(InputError, match="not an Ed25519 key"):
        load_key(tmp_path, "auditor")
    with pytest.raises(InputError, match="cannot be read"):
        load_key(tmp_path, "absent")


def test_a_key_never_shows_itself(tmp_path):
    key = load_or_create_key(tmp_path, "auditor")
    secret = key.private.private_bytes_raw().hex()
    assert secret not in repr(key)
    assert key.id in repr(key)


def test_sign_then_verify(tmp_path):
    key = load_or_create_key(tmp_path, "auditor")
    begin, end = NOW.replace(month=1), NOW.replace(year=2027)
    trust = Trust(keys=(key.trusted(person="audit-office", not_before=begin, not_after=end),))
    envelope = sign(decision().statement(), key)
    assert verify_decision(envelope, **ASKED | {"trust": trust})
    assert add_signature(envelope, key) == envelope
    stranger = load_or_create_key(tmp_path / "other", "auditor")
    assert not verify_decision(sign(decision().statement(), stranger), **ASKED | {"trust": trust})


def test_a_manifest_of_a_folder(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "MLmodel").write_text("a")
    (tmp_path / "code/model.py").write_text("b")
    (tmp_path / "registered_model_meta").write_text("written by the download")
    assert sorted(folder_manifest(tmp_path)) == ["MLmodel", "code/model.py"]
    (tmp_path / "link").symlink_to(tmp_path / "MLmodel")
    with pytest.raises(InputError, match="links"):
        folder_manifest(tmp_path)
    with pytest.raises(InputError, match="no file"):
        folder_manifest(tmp_path / "absent")
