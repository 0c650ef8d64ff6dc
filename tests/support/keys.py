"""Keys of people for tests: one set per folder, as a site has one per data folder."""

from __future__ import annotations

from pathlib import Path

from infra.events import KeysOf
from infra.person_keys import PersonKeys, open_person_keys
from infra.settings import load_settings


def keys_in(folder: Path) -> KeysOf:
    return lambda site: PersonKeys(folder / "person-keys" / site, b"secret of the tests")


def keys_of(home: Path) -> KeysOf:
    """The keys that the commands use in a data folder."""
    return lambda site: open_person_keys(load_settings(home), site)
