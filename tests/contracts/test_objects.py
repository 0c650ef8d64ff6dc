"""What every backend of the object store keeps, on the directory and on two real S3 servers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.ports import ObjectStore
from governance.digest import digest_bytes
from governance.errors import InputError
from infra.layout import encode_manifest
from infra.objects_directory import DirectoryStore
from tests.support.s3 import Server, moto_server, rclone_server

ABSENT = digest_bytes(b"never stored")


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(
    params=[
        "directory",
        pytest.param("rclone", marks=pytest.mark.servers),
        pytest.param("moto", marks=pytest.mark.servers),
        pytest.param("moto-versioned", marks=pytest.mark.servers),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "directory":
        return DirectoryStore(tmp_path / "objects")
    server: Server = request.getfixturevalue(request.param.split("-")[0])
    bucket = f"b{secrets.token_hex(6)}"
    opened = server.store(bucket)
    if request.param == "moto-versioned":
        server.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return opened


def test_implements_the_port(store: ObjectStore) -> None:
    assert isinstance(store, ObjectStore)


@pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff" * 5000, b"line\r\n" * 9], ids=len)
def test_what_is_put_is_got(store: ObjectStore, data: bytes) -> None:
    digest = store.put("raw/de", data)
    assert digest == digest_bytes(data)
    assert store.get("raw/de", digest) == data
    assert store.has("raw/de", digest)
    assert list(store.list("raw/de")) == [digest]


def test_put_is_idempotent(store: ObjectStore) -> None:
    assert store.put("raw/de", b"once") == store.put("raw/de", b"once")
    assert len(list(store.list("raw/de"))) == 1


def test_large_objects_go_in_parts(store: ObjectStore, tmp_path: Path) -> None:
    data = secrets.token_bytes(1 << 16) * 300  # 19.7 MB: three parts
    digest = store.put("batches", data)
    assert store.get("batches", digest) == data
    source = tmp_path / "big.parquet"
    source.write_bytes(data)
    tree = store.put_tree("batches", {"big.parquet": source})
    assert store.manifest("batches", tree) == {"big.parquet": (digest_bytes(data), len(data))}
    fetched = store.fetch_tree("batches", tree, tmp_path / "fetched")
    assert (fetched / "big.parquet").read_bytes() == data
    assert store.put("batches", data) == digest


def test_absent_objects_are_key_errors(store: ObjectStore, tmp_path: Path) -> None:
    assert not store.has("raw/de", ABSENT)
    for call in (
        lambda: store.get("raw/de", ABSENT),
        lambda: store.manifest("raw/de", ABSENT),
        lambda: store.get_file("raw/de", ABSENT, "a"),
        lambda: store.fetch_tree("raw/de", ABSENT, tmp_path),
    ):
        with pytest.raises(KeyError):
            call()
    assert list(store.list("raw/de")) == []
    store.delete("raw/de", ABSENT)


def test_a_tree_is_complete_and_verified(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    path.write_bytes(b"PAR1")
    files = {"items.parquet": path, "card.md": b"# card", "figures/alpha=1/plot.svg": b"<svg/>", "empty": b""}
    digest = store.put_tree("releases", files)
    expected = {
        name: (digest_bytes(content), len(content))
        for name, content in sorted({**files, "items.parquet": b"PAR1"}.items())
    }
    assert digest == digest_bytes(encode_manifest(expected))
    assert store.manifest("releases", digest) == expected
    assert store.get_file("releases", digest, "figures/alpha=1/plot.svg") == b"<svg/>"
    assert store.has("releases", digest)
    assert list(store.list("releases")) == [digest]
    folder = store.fetch_tree("releases", digest, tmp_path / "out" / "deep")
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == set(files)
    assert store.put_tree("releases", dict(reversed(files.items()))) == digest
    assert store.fetch_tree("releases", digest, folder) == folder  # again over what is there
    with pytest.raises(KeyError):
        store.get_file("releases", digest, "absent")


def test_an_empty_tree_is_a_tree(store: ObjectStore, tmp_path: Path) -> None:
    digest = store.put_tree("releases", {})
    assert store.has("releases", digest)
    assert store.manifest("releases", digest) == {}
    assert list(store.fetch_tree("releases", digest, tmp_path / "made").iterdir()) == []


def test_prefixes_are_apart(store: ObjectStore) -> None:
    blob = store.put("raw/de", b"1")
    tree = store.put_tree("raw", {"a": b"1"})
    assert list(store.list("raw")) == [tree]
    assert list(store.list("raw/de")) == [blob]
    assert not store.has("raw", blob)
    assert not store.has("raw/at", blob)
    with pytest.raises(KeyError):
        store.get("raw/at", blob)


def test_lists_are_sorted_and_hold_both_kinds(store: ObjectStore) -> None:
    stored = {store.put("mixed", bytes([n])) for n in range(12)}
    stored |= {store.put_tree("mixed", {"n": bytes([n])}) for n in range(3)}
    assert list(store.list("mixed")) == sorted(stored)


def test_deleted_objects_are_gone(store: ObjectStore) -> None:
    blob, tree = store.put("gone", b"b"), store.put_tree("gone", {"x/y": b"1", "z": b"2"})
    kept = store.put("gone", b"kept")
    store.delete("gone", blob)
    store.delete("gone", tree)
    assert list(store.list("gone")) == [kept]
    assert not store.has("gone", blob)
    assert not store.has("gone", tree)
    with pytest.raises(KeyError):
        store.get_file("gone", tree, "z")
    assert store.put_tree("gone", {"x/y": b"1", "z": b"2"}) == tree
    assert store.get_file("gone", tree, "x/y") == b"1"


def test_addresses(store: ObjectStore) -> None:
    blob, tree = store.put("p", b"b"), store.put_tree("p", {"x": b"1"})
    assert store.uri("p", blob).endswith(f"/p/sha256/{blob[7:9]}/{blob[7:]}")
    assert store.uri("p", tree).endswith(f"/p/{tree[7:]}")
    assert store.uri("p", tree).startswith(("file:///", "s3://"))


BAD_PREFIXES = (
    *(
        "",
        "/",
        "..",
        "raw/../x",
        "/abs",
        "raw/",
        "raw//de",
        ".hidden",
        "sha256",
        "raw/" + "a" * 64,
        "a b",
        "a\n",
    ),
)
BAD_NAMES = ("", "..", "../x", "/abs", "a/../b", "a//b", ".hidden", "manifest.json", "a\\b")
BAD_DIGESTS = ("", "sha256:", "abc", "sha256:" + "A" * 64, "sha256:../" + "0" * 61)


def test_what_leads_elsewhere_is_refused(store: ObjectStore) -> None:
    for prefix in BAD_PREFIXES:
        calls: list[Callable[[], object]] = [
            partial(store.put, prefix, b"x"),
            partial(store.get, prefix, ABSENT),
            partial(store.has, prefix, ABSENT),
            partial(store.put_tree, prefix, {}),
            partial(lambda p: list(store.list(p)), prefix),
            partial(store.delete, prefix, ABSENT),
            partial(store.uri, prefix, ABSENT),
        ]
        for call in calls:
            with pytest.raises(InputError, match="prefix"):
                call()
    for name in BAD_NAMES:
        with pytest.raises(InputError, match="name"):
            store.put_tree("p", {name: b""})
    for digest in BAD_DIGESTS:
        with pytest.raises(InputError, match="digest"):
            store.get("p", digest)
    assert list(store.list("p")) == []


def test_a_name_is_not_a_file_and_a_folder(store: ObjectStore) -> None:
    with pytest.raises(InputError, match="share a name"):
        store.put_tree("p", {"a": b"", "a/b": b""})


def test_a_missing_source_file_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        store.put_tree("p", {"x": tmp_path / "nowhere.parquet"})
    assert list(store.list("p")) == []


def test_many_writers_of_the_same_objects(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        blobs = set(pool.map(lambda n: store.put("many", b"%d" % (n % 4)), range(32)))
        trees = set(pool.map(lambda _: store.put_tree("many", {"a": b"1", "b/c": b"2"}), range(8)))
    assert len(blobs) == 4
    assert len(trees) == 1
    assert list(store.list("many")) == sorted(blobs | trees)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    files=st.dictionaries(
        st.text("abcxyz0189_-=.", min_size=1, max_size=8).filter(
            lambda name: name[0] not in ".-=" and name != "manifest.json"
        ),
        st.binary(max_size=64),
        max_size=4,
    )
)
def test_a_tree_is_named_by_its_content_alone(store: ObjectStore, files: dict[str, bytes]) -> None:
    digest = store.put_tree("law", files)
    assert store.put_tree("law", dict(sorted(files.items(), reverse=True))) == digest
    assert {name: store.get_file("law", digest, name) for name in files} == files
    assert store.put_tree("law", {**files, "more": b""}) != digest or "more" in files
