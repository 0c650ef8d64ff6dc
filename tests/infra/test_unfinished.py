"""What killed writers leave in the object store is found by the next one that looks, and what lives is left alone."""

import os
import signal
import subprocess
import sys

import pytest

from governance.errors import OutsideError
from infra.objects_directory import DirectoryStore
from infra.unfinished import half_written, require_stored
from tests.support.s3 import moto_server
from tests.support.way import ROOT

FILES = {"a.parquet": b"rows of people", "b.json": b"{}"}
KILLED = """
import os, signal, sys
from pathlib import Path
from infra.objects_directory import DirectoryStore
DirectoryStore._settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
DirectoryStore(Path(sys.argv[1])).put_tree("releases", {"a.parquet": b"rows of people"})
"""


def test_a_folder_of_a_dead_writer_goes_and_that_of_a_living_one_stays(tmp_path):
    store = DirectoryStore(tmp_path)
    whole = store.put_tree("batches", FILES)
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    mine = tmp_path / ".incoming" / f"{os.getpid()}-aa"
    mine.mkdir()
    [left] = half_written(store)
    assert (tmp_path / ".incoming" / left / "a.parquet").is_file()
    for _ in range(2):
        store.erase_half_written([left])
    assert half_written(store) == []
    assert mine.is_dir()
    require_stored(store, "batches", whole)
    with pytest.raises(OutsideError, match="run again"):
        require_stored(store, "releases", whole)


@pytest.mark.servers
def test_keys_of_a_tree_without_a_manifest_go_with_all_versions(monkeypatch):
    with moto_server() as server:
        store, s3 = server.store("half"), server.client()
        s3.put_bucket_versioning(Bucket="half", VersioningConfiguration={"Status": "Enabled"})
        whole = store.put_tree("batches", FILES)
        upload = store._upload

        def killed(place, content, digest):
            if place.endswith("manifest.json"):
                raise KeyboardInterrupt
            upload(place, content, digest)

        with monkeypatch.context() as patch:
            patch.setattr(store, "_upload", killed)
            with pytest.raises(KeyboardInterrupt):
                store.put_tree("releases", FILES)
        keys = half_written(store)
        assert sorted(key.rpartition("/")[2] for key in keys) == ["a.parquet", "b.json"]
        # A tree that is completed while it is taken for a leftover stays whole.
        ended = store.put_tree("releases", FILES)
        store.erase_half_written(keys)
        assert store.get_file("releases", ended, "a.parquet") == FILES["a.parquet"]
        store._erase(next(key for key in store.below("releases") if key.endswith("manifest.json")))
        store.erase_half_written(half_written(store))
        assert half_written(store) == []
        listed = s3.list_object_versions(Bucket="half")
        assert "DeleteMarkers" not in listed
        assert all(whole[7:] in each["Key"] for each in listed["Versions"])
