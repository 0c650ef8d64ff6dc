"""Names and addresses in a database of their own, sealed; the same on SQLite and on a real PostgreSQL."""

import stat

import pytest
from sqlalchemy import create_engine, text

from governance.errors import InputError, OutsideError
from infra.database import Database
from infra.identity import IdentityStore, open_identity
from infra.settings import Settings, SiteSettings
from tests.support import portal
from tests.support.databases import everything, new_database
from tests.support.platform import NOW


@pytest.fixture
def keys(tmp_path):
    return portal.keys(tmp_path)


class TestIdentity:
    def open(self, empty_url, keys):
        return IdentityStore(empty_url, keys=keys, secret=b"secret of the site", now=NOW)

    def test_an_address_has_one_pseudonym_and_is_found_again(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            assert store.add("a-1", contact=" Ada@Example.org ", name="Ada", now=NOW) == "a-1"
            assert store.add("a-2", contact="ada@example.ORG", name=None, now=NOW) == "a-1"
            assert store.annotator_of("ADA@example.org") == "a-1"
            [who] = store.identities()
            assert (who.contact, who.name) == ("Ada@Example.org", "Ada")
            assert "Ada" not in repr(who)
            assert store.remove("a-1")
            assert not store.remove("a-1")
            assert store.annotator_of("ada@example.org") is None

    def test_nothing_readable_lies_in_the_database(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            store.add("a-1", contact="canary@example.org", name="Canary Name", now=NOW)
        assert not [value for value in everything(empty_url) if "canary" in str(value).lower()]

    def test_a_destroyed_key_takes_the_name_with_it(self, empty_url, keys):
        with self.open(empty_url, keys) as store:
            store.add("a-1", contact="ada@example.org", name="Ada", now=NOW)
            keys.destroy("a-1")
            assert store.identities() == []

    @pytest.mark.parametrize("contact", ["", "  ", "x" * 321])
    def test_no_address_is_refused(self, empty_url, keys, contact):
        with self.open(empty_url, keys) as store, pytest.raises(InputError, match="not an address"):
            store.add("a-1", contact=contact, name=None, now=NOW)


def test_embedded_identities_lie_in_a_private_file_of_each_site(tmp_path):
    sites = (SiteSettings(id="north", key="n"), SiteSettings(id="south", key="s"))
    settings_ = Settings(home=tmp_path, sites=sites)
    with (
        open_identity(settings_, "north", now=NOW) as north,
        open_identity(settings_, "south", now=NOW) as south,
    ):
        north.add("a-1", contact="ada@example.org", name=None, now=NOW)
        assert south.annotator_of("ada@example.org") is None
    for path in (tmp_path / "identity").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    own = Settings(home=tmp_path, sites=(SiteSettings(id="a", key="n", identity_url="sqlite:////x"),))
    with pytest.raises(InputError, match="their own"):
        open_identity(own.model_copy(update={"database_url": "sqlite:////x"}), "a", now=NOW)


@pytest.mark.servers
def test_on_postgresql_the_platforms_role_cannot_read_identities(postgres_address, tmp_path):
    address = new_database(postgres_address)
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "CREATE ROLE platform LOGIN PASSWORD 'p'",
            "CREATE ROLE identity LOGIN PASSWORD 'i'",
            "CREATE SCHEMA identity AUTHORIZATION identity",
            "GRANT CREATE, USAGE ON SCHEMA public TO platform",
            "ALTER ROLE identity SET search_path = identity",
        ):
            connection.execute(text(statement))
    engine.dispose()
    place = address.partition("@")[2]
    keys = portal.keys(tmp_path)
    url = f"postgresql+psycopg2://identity:i@{place}"
    with (
        Database(f"postgresql+psycopg2://platform:p@{place}", now=NOW) as platform,
        IdentityStore(url, keys=keys, secret=b"s", now=NOW) as store,
    ):
        store.add("a-1", contact="ada@example.org", name=None, now=NOW)
        assert store.annotator_of("ada@example.org") == "a-1"
        with pytest.raises(OutsideError, match="permission denied"), platform.read() as connection:
            connection.execute(text("SELECT * FROM identity.identities"))
