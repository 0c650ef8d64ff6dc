"""What goes wrong with stored objects: damage, absence, a server that is down, a writer that is killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from annotation.ports import ObjectStore
from governance.digest import digest_bytes
from governance.errors import DigestError, OutsideError
from infra.objects import open_store
from infra.objects_directory import DirectoryStore
from infra.objects_s3 import S3Store
from infra.s3 import Retries
from infra.settings import S3Settings, Settings
from tests.support.proxy import Proxy
from tests.support.s3 import Server, moto_server, rclone_server

DATA = b"a judgement\n" * 300


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(params=["directory", pytest.param("rclone", marks=pytest.mark.servers)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ObjectStore, Path]:
    """A store, and the folder in which its objects lie as files."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "o"), tmp_path / "o"
    server: Server = request.getfixturevalue("rclone")
    bucket = f"b{secrets.token_hex(6)}"
    return server.store(bucket), server.files / bucket / "objects"


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


class TestDamage:
    @pytest.mark.parametrize(
        "damaged",
        [DATA[:-1], b"", bytes([DATA[0] ^ 1]) + DATA[1:], DATA + b"\n"],
        ids=["cut", "empty", "bit", "more"],
    )
    def test_a_damaged_blob_is_never_returned(self, place: tuple[ObjectStore, Path], damaged: bytes) -> None:
        store, folder = place
        digest = store.put("raw/main", DATA)
        damage(folder / "raw" / "main" / "sha256" / digest[7:9] / digest[7:], damaged)
        if isinstance(store, S3Store) and len(damaged) > len(DATA):
            assert store.get("raw/main", digest) == DATA  # rclone serves as many bytes as it was given
            return
        with pytest.raises(DigestError) as caught:
            store.get("raw/main", digest)
        assert (caught.value.expected, caught.value.actual) == (digest, digest_bytes(damaged))

    @pytest.mark.parametrize("name", ["a.parquet", "deep/b.json"])
    def test_a_damaged_file_of_a_tree_is_never_returned(
        self, place: tuple[ObjectStore, Path], tmp_path: Path, name: str
    ) -> None:
        store, folder = place
        digest = store.put_tree("batches", {"a.parquet": DATA, "deep/b.json": b"{}"})
        damage(folder / "batches" / digest[7:] / name, b"[]")
        with pytest.raises(DigestError):
            store.get_file("batches", digest, name)
        with pytest.raises(DigestError):
            store.fetch_tree("batches", digest, tmp_path / "out")
        assert not (tmp_path / "out" / name).exists()

    def test_a_missing_file_of_a_tree(self, place: tuple[ObjectStore, Path], tmp_path: Path) -> None:
        store, folder = place
        digest = store.put_tree("batches", {"a": DATA, "b": b"2"})
        (folder / "batches" / digest[7:] / "b").unlink()
        with pytest.raises(OutsideError):
            store.get_file("batches", digest, "b")
        with pytest.raises(OutsideError):
            store.fetch_tree("batches", digest, tmp_path / "out")
        assert store.get_file("batches", digest, "a") == DATA

    def test_a_forged_manifest(self, place: tuple[ObjectStore, Path]) -> None:
        store, folder = place
        digest = store.put_tree("batches", {"a": DATA})
        manifest = folder / "batches" / digest[7:] / "manifest.json"
        damage(manifest, manifest.read_bytes().replace(b'"bytes":3600', b'"bytes":3601'))
        with pytest.raises(DigestError):
            store.manifest("batches", digest)
        with pytest.raises(DigestError):
            store.get_file("batches", digest, "a")

    def test_a_manifest_of_another_kind(self, place: tuple[ObjectStore, Path]) -> None:
        store, folder = place
        data = b'{"format":"other/9","files":{}}'
        digest = digest_bytes(data)
        other = folder / "batches" / digest[7:]
        other.mkdir(parents=True)
        (other / "manifest.json").write_bytes(data)
        with pytest.raises(OutsideError, match="unknown format 'other/9'"):
            store.manifest("batches", digest)

    def test_storing_again_mends_a_cut_object(self, place: tuple[ObjectStore, Path]) -> None:
        store, folder = place
        digest = store.put("raw/main", DATA)
        damage(folder / "raw" / "main" / "sha256" / digest[7:9] / digest[7:], DATA[:9])
        assert store.put("raw/main", DATA) == digest
        assert store.get("raw/main", digest) == DATA

    def test_storing_a_tree_again_mends_it(self, place: tuple[ObjectStore, Path]) -> None:
        store, folder = place
        files: dict[str, bytes | Path] = {"a": DATA, "b/c": b"2"}
        digest = store.put_tree("batches", files)
        damage(folder / "batches" / digest[7:] / "a", DATA[:5])
        (folder / "batches" / digest[7:] / "b" / "c").unlink()
        assert store.put_tree("batches", files) == digest
        assert [store.get_file("batches", digest, name) for name in files] == [DATA, b"2"]

    def test_files_that_are_no_objects_are_not_listed(self, place: tuple[ObjectStore, Path]) -> None:
        store, folder = place
        digest = store.put("mixed", DATA)
        for stray in (
            "mixed/README",
            "mixed/sha256/zz",
            f"mixed/{'0' * 64}/a",
            f"mixed/sha256/ab/{'x' * 64}",
        ):
            if isinstance(
                store, S3Store
            ):  # rclone remembers its folders: what is laid there itself stays unseen
                store._s3.put_object(Bucket=store._bucket, Key=f"objects/{stray}", Body=b"x")
                continue
            (folder / stray).parent.mkdir(parents=True, exist_ok=True)
            (folder / stray).write_bytes(b"x")
        assert list(store.list("mixed")) == [digest]
        assert not store.has("mixed", "sha256:" + "0" * 64)  # a tree without its manifest is not there


def test_objects_are_private_and_read_only(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "o")
    digest = store.put("raw/main", DATA)
    path = tmp_path / "o" / "raw" / "main" / "sha256" / digest[7:9] / digest[7:]
    assert path.stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o700


def test_what_killed_writers_left_is_removed_after_a_day(tmp_path: Path) -> None:
    DirectoryStore(tmp_path)
    old, new = tmp_path / ".incoming" / "1-old", tmp_path / ".incoming" / "2-new"
    (old / "deep").mkdir(parents=True)
    new.write_bytes(b"")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    DirectoryStore(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutsideError):
        DirectoryStore(tmp_path / "file" / "objects")


_WRITER = """
import sys
from pathlib import Path
from infra.objects_directory import DirectoryStore
from infra.objects_s3 import S3Store
from infra.s3 import client
kind, where, bucket, key, secret = sys.argv[1:]
store = DirectoryStore(Path(where)) if kind == "directory" else S3Store(
    client(endpoint=where, region="us-east-1", access_key=key, secret_key=secret), bucket, prefix="objects")
print("ready", flush=True)
number = 0
while True:
    number += 1
    body = (b"%d " % number) * 200_000
    store.put("killed", body)
    store.put_tree("killed", {name: name.encode() + body for name in ("a", "b", "c/d")})
"""


@pytest.mark.parametrize("after", [0.02, 0.11, 0.23, 0.41])
def test_a_killed_writer_leaves_whole_objects_only(
    place: tuple[ObjectStore, Path], tmp_path: Path, after: float
) -> None:
    store, folder = place
    arguments = ["directory", str(folder), "", "", ""]
    if isinstance(store, S3Store):
        keys = store._s3._request_signer._credentials
        arguments = ["s3", store._s3.meta.endpoint_url, store._bucket, keys.access_key, keys.secret_key]
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, *arguments],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert writer.stdout.readline() == b"ready\n"
    time.sleep(after)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    for number, digest in enumerate(store.list("killed")):
        try:
            store.fetch_tree("killed", digest, tmp_path / f"out{number}")
        except KeyError:
            assert digest_bytes(store.get("killed", digest)) == digest
    body = b"1 " * 200_000
    files: dict[str, bytes | Path] = {name: name.encode() + body for name in ("a", "b", "c/d")}
    assert store.get("killed", store.put("killed", body)) == body
    again = store.put_tree("killed", files)
    assert {name: store.get_file("killed", again, name) for name in files} == files


@pytest.mark.servers
class TestServer:
    def test_down_is_an_outside_error_after_bounded_attempts(self, tmp_path: Path) -> None:
        waits: list[float] = []
        with rclone_server(tmp_path) as server:
            store = server.store("bounds", attempts=4, sleep=waits.append)
            digest = store.put("raw/main", DATA)
        for call in (
            lambda: store.get("raw/main", digest),
            lambda: store.put("raw/main", b"new"),
            lambda: store.put("raw/main", b"x" * (9 << 20)),
            lambda: store.has("raw/main", digest),
            lambda: list(store.list("raw/main")),
            lambda: store.put_tree("t", {"a": b"1"}),
            lambda: store.delete("raw/main", digest),
        ):
            waits.clear()
            with pytest.raises(OutsideError, match="tried 4 times"):
                call()
            assert len(waits) == 3
            # 0.01 s doubled each time, jittered by half.
            assert all(0.005 * 2**n <= wait <= 0.015 * 2**n for n, wait in enumerate(waits))

    def test_a_wrong_secret_is_told_at_once(self, rclone: Server) -> None:
        def never(seconds: float) -> None:
            raise AssertionError(f"waited {seconds} s")

        store = S3Store(rclone.client(secret_key="wrong"), "b", retries=Retries(sleep=never))
        with pytest.raises(OutsideError, match=r"403|Signature|Forbidden"):
            store.put("raw/main", DATA)
        with pytest.raises(OutsideError, match=r"403|Signature|Forbidden"):
            store.require_bucket(create=False)

    def test_a_missing_bucket(self, rclone: Server) -> None:
        store = S3Store(rclone.client(), f"b{secrets.token_hex(6)}")
        with pytest.raises(OutsideError, match="no such bucket"):
            store.require_bucket(create=False)
        store.require_bucket(create=True)
        store.require_bucket(create=True)
        assert list(store.list("raw")) == []

    def test_settings_open_it(self, rclone: Server, tmp_path: Path) -> None:
        s3 = S3Settings(
            endpoint=rclone.endpoint,
            bucket=f"b{secrets.token_hex(6)}",
            access_key=rclone.access_key,
            secret_key=rclone.secret_key,
        )
        store = open_store(Settings(home=tmp_path, store="s3", s3=s3))
        digest = store.put("raw/main", DATA)
        assert (
            store.uri("raw/main", digest)
            == f"s3://{s3.bucket}/objects/raw/main/sha256/{digest[7:9]}/{digest[7:]}"
        )
        assert isinstance(open_store(Settings(home=tmp_path)), DirectoryStore)

    @pytest.mark.parametrize("fault", ["refuse", "break", "cut", "503"])
    def test_a_passing_fault_is_survived(self, rclone: Server, fault: str) -> None:
        bucket = f"b{secrets.token_hex(6)}"
        stored = rclone.store(bucket)
        old = stored.put("raw/main", DATA)
        with Proxy(rclone.endpoint) as proxy:
            through = Server(
                endpoint=proxy.endpoint, access_key=rclone.access_key, secret_key=rclone.secret_key
            )
            store = through.store(bucket)
            for call in (
                lambda: store.get("raw/main", old) == DATA,
                lambda: store.put("raw/main", b"new " * 99) == digest_bytes(b"new " * 99),
                lambda: store.put_tree("t", {"a": b"1", "b": b"2"}) and True,
                lambda: len(list(store.list("raw/main"))) == 2,
            ):
                proxy.fail_next(fault, 2)
                assert call()
                assert proxy.faults_left == 0

    def test_a_server_that_comes_back(self, tmp_path: Path) -> None:
        with rclone_server(tmp_path) as first:
            digest = first.store("bounds").put("raw/main", DATA)
        with rclone_server(tmp_path) as second:
            assert second.store("bounds").get("raw/main", digest) == DATA


@pytest.mark.servers
def test_what_lies_below_a_folder_beside_the_objects_is_erased_with_all_versions() -> None:
    with moto_server() as server:
        store, s3 = server.store("beside"), server.client()
        s3.put_bucket_versioning(Bucket="beside", VersioningConfiguration={"Status": "Enabled"})
        for key in (
            "mlflow/1/run/artifacts/a/b.txt",
            "mlflow/1/run/artifacts/c.txt",
            "mlflow/1/running/c.txt",
        ):
            for body in (b"first", b"second"):
                s3.put_object(Bucket="beside", Key=f"objects/{key}", Body=body)
        s3.delete_object(Bucket="beside", Key="objects/mlflow/1/run/artifacts/c.txt")
        keys = store.below("mlflow/1/run/artifacts")
        assert [key.rpartition("/")[2] for key in keys] == ["b.txt", "c.txt"]
        store.erase(keys)
        store.erase(keys)
        assert list(store.below("mlflow/1/run/artifacts")) == []
        left = s3.list_object_versions(Bucket="beside")
        assert {entry["Key"] for entry in left["Versions"]} == {"objects/mlflow/1/running/c.txt"}
        assert "DeleteMarkers" not in left


def test_delete_leaves_no_version() -> None:
    with moto_server() as server:
        store, s3 = server.store("versions"), server.client()
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        blob = store.put("raw/main", DATA)
        tree = store.put_tree("batches", {"a": b"1", "b/c": b"2"})
        key = f"objects/raw/main/sha256/{blob[7:9]}/{blob[7:]}"
        s3.put_object(Bucket="versions", Key=key, Body=b"overwritten")
        s3.delete_object(Bucket="versions", Key=key)  # leaves a delete marker over two versions
        kept = store.put("raw/main", b"kept")
        store.delete("raw/main", blob)
        store.delete("batches", tree)
        left = s3.list_object_versions(Bucket="versions")
        assert [one["Key"].rpartition("/")[2] for one in left.get("Versions", [])] == [kept[7:]]
        assert left.get("DeleteMarkers", []) == []


@pytest.mark.servers
def test_what_is_locked_cannot_be_erased_and_says_so() -> None:
    with moto_server() as server:
        s3 = server.client()
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        s3.put_object_lock_configuration(
            Bucket="locked",
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
            },
        )
        store = S3Store(s3, "locked")
        digest = store.put("raw/main", DATA)
        with pytest.raises(OutsideError, match="AccessDenied"):
            store.delete("raw/main", digest)
        assert store.get("raw/main", digest) == DATA


@pytest.mark.servers
def test_two_writers_meet_the_condition_of_the_service() -> None:
    """moto refuses the second PUT of a key (412); the first stays and nobody sees an error."""
    with moto_server() as server:
        store, s3 = server.store("met"), server.client()
        s3.put_bucket_versioning(Bucket="met", VersioningConfiguration={"Status": "Enabled"})
        threads = [threading.Thread(target=store.put, args=("raw/main", DATA)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.put("raw/main", DATA)
        assert len(s3.list_object_versions(Bucket="met")["Versions"]) == 1
        with pytest.raises(ClientError):
            s3.put_object(Bucket="met", Key="objects/raw/main/sha256/x", Body=b"", IfMatch="absent")
