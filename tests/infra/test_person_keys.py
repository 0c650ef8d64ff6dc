"""Keys of people: what is sealed opens for its person alone, until the key is destroyed, and then never again."""

import os
import stat
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.errors import InputError, OutsideError
from infra.person_keys import PersonKeyDestroyedError, PersonKeys, open_person_keys
from infra.settings import Settings, SiteSettings

WHO = "a-0123456789abcdef"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "person-keys"


@pytest.fixture
def keys(folder):
    return PersonKeys(folder, b"secret of the site")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(who=st.text(min_size=1, max_size=40), data=st.binary(max_size=4000))
def test_what_is_sealed_opens_again_and_shows_nothing(keys, who, data):
    sealed = keys.encrypt(who, data)
    assert keys.decrypt(who, sealed) == data
    assert keys.encrypt(who, data) != sealed
    assert len(data) < 8 or data not in sealed


def test_it_opens_for_nobody_else(keys):
    sealed = keys.encrypt(WHO, b"mine")
    keys.encrypt("a-other", b"theirs")
    with pytest.raises(OutsideError, match="not this person's"):
        keys.decrypt("a-other", sealed)


@pytest.mark.parametrize("position", [0, 3, 20, -1])
def test_a_changed_byte_is_noticed(keys, position):
    sealed = bytearray(keys.encrypt(WHO, b"mine"))
    sealed[position] ^= 1
    with pytest.raises(OutsideError, match="damaged"):
        keys.decrypt(WHO, bytes(sealed))


@pytest.mark.parametrize("garbage", [b"", b"bp1", b"bp1" + bytes(11)])
def test_what_is_no_sealed_text_is_refused(keys, garbage):
    keys.encrypt(WHO, b"")
    with pytest.raises(OutsideError):
        keys.decrypt(WHO, garbage)


def test_a_destroyed_key_is_gone_for_good(keys, folder):
    sealed = keys.encrypt(WHO, b"mine")
    other = PersonKeys(folder, b"secret of the site")
    assert keys.has(WHO)
    for _ in range(2):
        other.destroy(WHO)
        assert not keys.has(WHO)
    with pytest.raises(PersonKeyDestroyedError, match="destroyed"):
        keys.decrypt(WHO, sealed)
    with pytest.raises(PersonKeyDestroyedError):
        keys.encrypt(WHO, b"again")
    assert not list(folder.rglob("*.key"))


def test_destroying_before_there_was_a_key_keeps_it_from_being_made(keys):
    keys.destroy(WHO)
    with pytest.raises(PersonKeyDestroyedError):
        keys.encrypt(WHO, b"late")


def test_without_a_key_nothing_opens(keys):
    assert not keys.has(WHO)
    with pytest.raises(PersonKeyDestroyedError):
        keys.decrypt(WHO, b"bp1" + bytes(40))


def test_the_files_are_private_and_name_nobody(keys, folder):
    keys.encrypt(WHO, b"mine")
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert WHO not in path.name
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1


def test_another_sites_secret_opens_nothing(keys, folder):
    sealed = keys.encrypt(WHO, b"mine")
    with pytest.raises(OutsideError, match="not a key of this site"):
        PersonKeys(folder, b"another secret").decrypt(WHO, sealed)
    with pytest.raises(InputError, match="no key"):
        PersonKeys(folder, b"")


def test_many_that_make_the_key_at_once_agree_on_one(folder):
    barrier = threading.Barrier(8)
    sealed = []

    def make(_):
        keys = PersonKeys(folder, b"s")
        barrier.wait()
        sealed.append(keys.encrypt(WHO, b"mine"))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [PersonKeys(folder, b"s").decrypt(WHO, each) for each in sealed] == [b"mine"] * 8


def test_a_kill_between_tombstone_and_key_still_refuses_and_is_finished_by_the_next_run(
    keys, folder, monkeypatch
):
    keys.encrypt(WHO, b"mine")
    real = os.open

    def killed(path, flags, *rest):
        if str(path).endswith(".key") and flags == os.O_WRONLY:
            raise KeyboardInterrupt
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", killed)
    with pytest.raises(KeyboardInterrupt):
        keys.destroy(WHO)
    monkeypatch.undo()
    assert not keys.has(WHO)
    with pytest.raises(PersonKeyDestroyedError):
        keys.encrypt(WHO, b"again")
    keys.destroy(WHO)
    assert not list(folder.rglob("*.key"))


def test_a_folder_that_cannot_be_written_is_an_outside_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError):
        PersonKeys(tmp_path / "file" / "keys", b"s").encrypt(WHO, b"mine")


def test_each_site_of_the_settings_has_keys_of_its_own(tmp_path):
    sites = (SiteSettings(id="north", key="n"), SiteSettings(id="south", key="s"))
    settings_ = Settings(home=tmp_path, sites=sites)
    sealed = open_person_keys(settings_, "north").encrypt(WHO, b"mine")
    assert open_person_keys(settings_, "north").decrypt(WHO, sealed) == b"mine"
    with pytest.raises(PersonKeyDestroyedError):
        open_person_keys(settings_, "south").decrypt(WHO, sealed)
