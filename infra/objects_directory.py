"""The object store in a local directory: durable on return, complete or absent whatever is killed.

Every write goes to ``.incoming`` on the same file system, is flushed to the disk with its folder, and then
takes its place by one rename. A killed write leaves at most a file in ``.incoming``, which nothing reads
and which the next store to open the directory removes after a day.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from governance.digest import digest_bytes
from governance.errors import DigestError, InputError, OutsideError
from infra.layout import (
    MANIFEST,
    Manifest,
    blob_key,
    check_names,
    check_prefix,
    encode_manifest,
    is_hexadecimal,
    parse_manifest,
    tree_key,
)

__all__ = ["DirectoryStore"]

_INCOMING: Final = ".incoming"
_STALE_SECONDS: Final = 86_400
_COPY: Final = 1 << 20


class DirectoryStore:
    """Content-addressed objects under one folder; implements ``annotation.ports.ObjectStore``.

    Args:
        folder: Root of the store; made if needed, readable by its owner only.

    Raises:
        OutsideError: The folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        self._incoming = self._root / _INCOMING
        try:
            _make_folder(self._incoming)
        except OSError as error:
            raise OutsideError(f"object store {self._root}: {error.strerror}") from error
        self._sweep()

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self._root)!r})"

    def put(self, prefix: str, data: bytes) -> str:
        """Store ``data``; a stored copy that was damaged is replaced."""
        digest = digest_bytes(data)
        target = self._root / blob_key(prefix, digest)
        if _holds(target, digest):
            return digest
        with _outside(target):
            temporary = self._temporary()
            _write(temporary, data)
            _make_folder(target.parent)
            temporary.replace(target)
            _sync_folder(target.parent)
        return digest

    def get(self, prefix: str, digest: str) -> bytes:
        """The bytes of a blob, verified."""
        return self._read(blob_key(prefix, digest), digest)

    def has(self, prefix: str, digest: str) -> bool:
        """Whether the blob or the tree is stored."""
        blob = self._root / blob_key(prefix, digest)
        return blob.is_file() or (self._root / tree_key(prefix, digest) / MANIFEST).is_file()

    def put_tree(self, prefix: str, files: Mapping[str, Path | bytes]) -> str:
        """Store named files as one tree; a stored copy that was damaged is replaced."""
        names = check_names(files)
        check_prefix(prefix)
        staged = self._temporary()
        try:
            with _outside(staged):
                _make_folder(staged)
                entries = {name: _stage(staged / name, files[name]) for name in names}
                manifest = encode_manifest(entries)
                _write(staged / MANIFEST, manifest)
                for folder in {(staged / name).parent for name in names} | {staged}:
                    _sync_folder(folder)
            digest = digest_bytes(manifest)
            target = self._root / tree_key(prefix, digest)
            with _outside(target):
                _make_folder(target.parent)
                self._settle(prefix, digest, staged, target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return digest

    def manifest(self, prefix: str, digest: str) -> Manifest:
        """Files of a tree with their digests and sizes, verified."""
        place = tree_key(prefix, digest)
        return parse_manifest(place, digest, self._read(f"{place}/{MANIFEST}", digest))

    def get_file(self, prefix: str, digest: str, name: str) -> bytes:
        """One file of a tree, verified.

        Raises:
            KeyError: There is no such tree, or no such file in it.
            OutsideError: The tree is stored, and this file of it is missing or cannot be read.
        """
        entry = self.manifest(prefix, digest).get(name)
        if entry is None:
            raise KeyError(f"{prefix}/{digest}/{name}")
        place = f"{tree_key(prefix, digest)}/{name}"
        try:
            return self._read(place, entry[0])
        except KeyError as error:
            raise OutsideError(f"{place}: the tree is stored, this file of it is missing") from error

    def fetch_tree(self, prefix: str, digest: str, folder: Path) -> Path:
        """Copy a tree into ``folder``, every file verified while it is copied."""
        entries = self.manifest(prefix, digest)
        root = self._root / tree_key(prefix, digest)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (expected, _) in entries.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
            try:
                with (root / name).open("rb") as source, temporary.open("wb") as sink:
                    actual, _ = _copy(source, sink)
                if actual != expected:
                    raise DigestError(str(root / name), expected=expected, actual=actual)
                temporary.replace(target)
            except OSError as error:
                raise OutsideError(f"{root / name}: {error.strerror}") from error
            finally:
                temporary.unlink(missing_ok=True)
        return folder

    def list(self, prefix: str) -> Iterator[str]:
        """Digests of the blobs and trees under ``prefix``, sorted."""
        base = self._root / check_prefix(prefix)
        found = {path.name for path in base.glob("sha256/[0-9a-f][0-9a-f]/*")}
        found |= {path.parent.name for path in base.glob(f"*/{MANIFEST}")}
        yield from (f"sha256:{name}" for name in sorted(found) if is_hexadecimal(name))

    def delete(self, prefix: str, digest: str) -> None:
        """Erase a blob or tree; the tree disappears whole before its files are removed."""
        for place in (blob_key(prefix, digest), tree_key(prefix, digest)):
            target, gone = self._root / place, self._temporary()
            with _outside(target):
                try:
                    target.rename(gone)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                _sync_folder(target.parent)
                if gone.is_dir():
                    shutil.rmtree(gone)
                else:
                    gone.unlink()

    def uri(self, prefix: str, digest: str) -> str:
        """``file://`` address of the tree's folder, or of the blob."""
        tree = self._root / tree_key(prefix, digest)
        return (tree if tree.is_dir() else self._root / blob_key(prefix, digest)).as_uri()

    def _read(self, place: str, digest: str) -> bytes:
        path = self._root / place
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise KeyError(place) from error
        except OSError as error:
            raise OutsideError(f"{path}: {error.strerror}") from error
        actual = digest_bytes(data)
        if actual != digest:
            raise DigestError(str(path), expected=digest, actual=actual)
        return data

    def _settle(self, prefix: str, digest: str, staged: Path, target: Path) -> None:
        """Give the staged tree its place; one that stands there already stays if it is whole."""
        for _ in range(8):
            try:
                staged.rename(target)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                    raise
                if self._is_whole(prefix, digest, target):
                    return
                damaged = self._temporary()
                target.rename(damaged)
                shutil.rmtree(damaged, ignore_errors=True)
            else:
                _sync_folder(target.parent)
                return
        raise OutsideError(f"{target}: changed by others again and again while it was written")

    def _is_whole(self, prefix: str, digest: str, target: Path) -> bool:
        try:
            entries = self.manifest(prefix, digest)
        except (KeyError, OutsideError):
            return False
        return all(_holds(target / name, expected) for name, (expected, _) in entries.items())

    def _temporary(self) -> Path:
        return self._incoming / f"{os.getpid()}-{secrets.token_hex(8)}"

    def half_written(self, *prefixes: str) -> Sequence[str]:
        """What writers that no longer live had begun, under whatever prefix: names below the folder in which writing begins."""
        del prefixes
        return sorted(
            path.name for path in self._incoming.iterdir() if not _lives(path.name.partition("-")[0])
        )

    def erase_half_written(self, names: Iterable[str]) -> None:
        """Remove what :meth:`half_written` named."""
        for name in names:
            path = self._incoming / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what killed writers left behind more than a day ago."""
        for path in self._incoming.iterdir():
            try:
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except FileNotFoundError:
                continue


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True  # not named by a writer of ours, or somebody else's process
    return True


class _outside:  # noqa: N801 - reads as a statement: with _outside(path)
    """Turns what the file system refuses into an ``OutsideError`` that names the place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise OutsideError(f"{error.filename or self._path}: {error.strerror or error}") from error


def _stage(target: Path, content: Path | bytes) -> tuple[str, int]:
    """Write one file of a tree; returns the digest and size of the bytes that were written."""
    _make_folder(target.parent)
    if isinstance(content, bytes):
        _write(target, content)
        return digest_bytes(content), len(content)
    try:
        source = content.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(content)) from error
    with source, _create(target) as sink:
        result = _copy(source, sink)
        sink.flush()
        os.fsync(sink.fileno())
    return result


def _copy(source: BinaryIO, sink: BinaryIO) -> tuple[str, int]:
    state, size = hashlib.sha256(), 0
    while piece := source.read(_COPY):
        state.update(piece)
        sink.write(piece)
        size += len(piece)
    return f"sha256:{state.hexdigest()}", size


def _holds(path: Path, digest: str) -> bool:
    """Whether the file is there and its bytes are the ones that ``digest`` names."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest
    except OSError:
        return False


def _create(path: Path) -> BinaryIO:
    # Stored bytes never change under their name, so they are written once and are read-only from then on.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb")


def _write(path: Path, data: bytes) -> None:
    with _create(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
