"""Searches whole stores for words: every file, and every version of every object, also inside packed forms."""

import gzip
import io
import sqlite3
import zipfile
import zlib

import pyarrow.parquet as pq


def words_in(data, words):
    """Which of the words bytes hold, as they are or inside Parquet, gzip or zip."""
    shapes = [data, *_unpacked(data)]
    return {word for word in words if any(word.encode() in shape for shape in shapes)}


def _unpacked(data):
    if data[:4] == b"PAR1" and data[-4:] == b"PAR1":
        return [repr(pq.read_table(io.BytesIO(data)).to_pylist()).encode()]
    if data[:2] == b"\x1f\x8b":
        try:
            return [gzip.decompress(data)]
        except (OSError, EOFError, zlib.error):
            return []
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return [shape for name in packed.namelist() for shape in _with_unpacked(packed.read(name))]
    return []


def _with_unpacked(data):
    return [data, *_unpacked(data)]


def files_with(folder, *words):
    """Path below the folder → which of the words the file or its name holds; every file, of whatever kind."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink():
            try:
                held = words_in(path.read_bytes(), words) | words_in(name.encode(), words)
            except FileNotFoundError:
                continue  # a server's own file, gone since it was listed
            if held:
                found[name] = held
    return found


def tables_with(file, word):
    """The tables of an SQLite file that hold a word in some row."""
    with sqlite3.connect(file) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            name
            for name in names
            if any(word in repr(row) for row in database.execute(f"SELECT * FROM {name}"))
        }
    database.close()
    return found


def versions_of(s3, bucket):
    """``(key, version, is a delete marker)`` of everything that a bucket holds, hidden versions included."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found += [(each["Key"], each["VersionId"], False) for each in page.get("Versions", ())]
        found += [(each["Key"], each["VersionId"], True) for each in page.get("DeleteMarkers", ())]
    return sorted(found)


def objects_with(s3, bucket, *words):
    """Key → which of the words any version of the object holds, or its key does."""
    found = {}
    for key, version, gone in versions_of(s3, bucket):
        held = words_in(key.encode(), words)
        if not gone:
            held |= words_in(s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read(), words)
        if held:
            found.setdefault(key, set()).update(held)
    return found
