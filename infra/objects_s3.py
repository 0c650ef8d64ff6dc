"""The object store in S3 through boto3.

A blob is one PUT, refused by the service where the key exists (services that do not know the condition
write the same bytes again). A tree's files are written first and its manifest last: what has no manifest is
not there. Every read is verified against its digest.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from governance.digest import digest_bytes
from governance.errors import DigestError, InputError, OutsideError
from infra.layout import (
    MANIFEST,
    Manifest,
    blob_key,
    check_names,
    check_prefix,
    encode_manifest,
    hexadecimal,
    is_hexadecimal,
    parse_manifest,
    tree_key,
)
from infra.s3 import NotOfferedError, Retries, client, is_conflict, is_not_offered
from infra.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Store", "open_s3"]

_PART: Final = 8 << 20
_TRANSFER: Final = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=4)


class S3Store:
    """Content-addressed objects in one bucket; implements ``annotation.ports.ObjectStore``.

    Args:
        s3: A client as :func:`client` makes it.
        bucket: Name of the bucket; it exists.
        prefix: Put before every key; may be empty.
        retries: How requests are made.
    """

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        *,
        prefix: str = "",
        retries: Retries | None = None,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._base = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._ask = retries or Retries()

    def __repr__(self) -> str:
        return f"S3Store('s3://{self._bucket}/{self._base}')"

    def require_bucket(self, *, create: bool) -> None:
        """See that the bucket is there.

        Args:
            create: Whether to make it if it is missing.

        Raises:
            OutsideError: It is missing and may not be made, or the service cannot be reached.
        """
        try:
            self._ask(self._bucket, lambda: self._s3.head_bucket(Bucket=self._bucket))
        except KeyError as error:
            if not create:
                raise OutsideError(f"s3://{self._bucket}: there is no such bucket") from error
            self._ask(self._bucket, lambda: self._s3.create_bucket(Bucket=self._bucket))

    def put(self, prefix: str, data: bytes) -> str:
        """Store ``data``; a stored copy of another size is replaced."""
        digest = digest_bytes(data)
        self._upload(blob_key(prefix, digest), data, digest)
        return digest

    def get(self, prefix: str, digest: str) -> bytes:
        """The bytes of a blob, verified."""
        return self._read(blob_key(prefix, digest), digest)

    def has(self, prefix: str, digest: str) -> bool:
        """Whether the blob or the complete tree is stored."""
        blob, tree = blob_key(prefix, digest), f"{tree_key(prefix, digest)}/{MANIFEST}"
        return self._size(blob) is not None or self._size(tree) is not None

    def put_tree(self, prefix: str, files: Mapping[str, Path | bytes]) -> str:
        """Store named files as one tree, its manifest last."""
        names = check_names(files)
        check_prefix(prefix)
        entries = {name: _measure(files[name]) for name in names}
        manifest = encode_manifest(entries)
        digest = digest_bytes(manifest)
        place = tree_key(prefix, digest)
        for name in names:
            self._upload(f"{place}/{name}", files[name], entries[name][0])
        self._upload(f"{place}/{MANIFEST}", manifest, digest)
        # Until the manifest stood, a withdrawal could take this for what a killed run left.
        for name in names:
            if self._size(f"{place}/{name}") is None:
                self._upload(f"{place}/{name}", files[name], entries[name][0])
        return digest

    def manifest(self, prefix: str, digest: str) -> Manifest:
        """Files of a tree with their digests and sizes, verified."""
        place = tree_key(prefix, digest)
        return parse_manifest(place, digest, self._read(f"{place}/{MANIFEST}", digest))

    def get_file(self, prefix: str, digest: str, name: str) -> bytes:
        """One file of a tree, verified."""
        entry = self.manifest(prefix, digest).get(name)
        if entry is None:
            raise KeyError(f"{prefix}/{digest}/{name}")
        place = f"{tree_key(prefix, digest)}/{name}"
        try:
            return self._read(place, entry[0])
        except KeyError as error:
            raise OutsideError(f"{place}: the tree is stored, this file of it is missing") from error

    def fetch_tree(self, prefix: str, digest: str, folder: Path) -> Path:
        """Copy a tree into ``folder``, every file verified before it takes its name."""
        entries = self.manifest(prefix, digest)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (expected, _) in entries.items():
            place = f"{tree_key(prefix, digest)}/{name}"
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
            try:
                self._ask(place, partial(self._download, place, temporary))
                with temporary.open("rb") as file:
                    actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
                if actual != expected:
                    raise DigestError(self._address(place), expected=expected, actual=actual)
                temporary.replace(target)
            except KeyError as error:
                raise OutsideError(f"{place}: the tree is stored, this file of it is missing") from error
            except OSError as error:
                raise OutsideError(f"{target}: {error.strerror}") from error
            finally:
                temporary.unlink(missing_ok=True)
        return folder

    def list(self, prefix: str) -> Iterator[str]:
        """Digests of the blobs and complete trees under ``prefix``, sorted."""
        base = f"{self._base}{check_prefix(prefix)}/"
        found = {key.rpartition("/")[2] for key in self._keys(f"{base}sha256/")}
        for folder in self._folders(base):
            name = folder.removesuffix("/").rpartition("/")[2]
            if is_hexadecimal(name) and self._size(f"{prefix}/{name}/{MANIFEST}") is not None:
                found.add(name)
        yield from (f"sha256:{name}" for name in sorted(found) if is_hexadecimal(name))

    def delete(self, prefix: str, digest: str) -> None:
        """Erase a blob or tree with all its versions; the manifest goes first."""
        blob, tree = blob_key(prefix, digest), tree_key(prefix, digest)
        self._erase(self._base + blob)
        self._erase(f"{self._base}{tree}/{MANIFEST}")
        for key in list(self._keys(f"{self._base}{tree}/", versions=True)):
            self._erase(key)

    def below(self, folder: str) -> Sequence[str]:
        """The keys below a folder beside the objects, also of what only older versions are left of. For MLflow's files."""
        return [*self._keys(f"{self._base}{check_prefix(folder)}/", versions=True)]

    def half_written(self, *prefixes: str) -> Sequence[str]:
        """The keys of trees whose manifest, which is written last, is not there."""
        return [key for prefix in prefixes for key in self._without_manifest(prefix)]

    def _without_manifest(self, prefix: str) -> Sequence[str]:
        base = f"{self._base}{check_prefix(prefix)}/"
        found: dict[str, list[str]] = {}
        for key in self._keys(base, versions=True):
            name, _, file = key.removeprefix(base).partition("/")
            if is_hexadecimal(name) and file:
                found.setdefault(name, []).append(key)
        return [
            key
            for name, keys in sorted(found.items())
            if self._size(f"{prefix}/{name}/{MANIFEST}") is None
            for key in keys
        ]

    def erase_half_written(self, names: Iterable[str]) -> None:
        """Erase keys of :meth:`half_written`, but of no tree that was completed meanwhile."""
        for key in names:
            prefix, name, _ = key.removeprefix(self._base).split("/", 2)
            if self._size(f"{prefix}/{name}/{MANIFEST}") is None:
                self._erase(key)

    def erase(self, keys: Iterable[str]) -> None:
        """Erase keys of :meth:`below` with all their versions."""
        for key in keys:
            self._erase(key)

    def uri(self, prefix: str, digest: str) -> str:
        """``s3://`` address of the tree's folder, or of the blob."""
        tree = tree_key(prefix, digest)
        place = tree if self._size(f"{tree}/{MANIFEST}") is not None else blob_key(prefix, digest)
        return self._address(place)

    def _address(self, place: str) -> str:
        return f"s3://{self._bucket}/{self._base}{place}"

    def _upload(self, place: str, content: Path | bytes, digest: str) -> None:
        size = len(content) if isinstance(content, bytes) else _size_of(content)
        if size > _PART:
            if self._size(place) != size:
                self._ask(place, lambda: self._upload_parts(place, content))
        elif not self._ask(place, lambda: self._put_once(place, _bytes_of(content), digest)) and (
            self._size(place) != size
        ):
            self._ask(place, lambda: self._put_once(place, _bytes_of(content), digest, replace=True))

    def _put_once(self, place: str, data: bytes, digest: str, *, replace: bool = False) -> bool:
        """One PUT; False if the service says that the key exists."""
        checksum = base64.b64encode(bytes.fromhex(hexadecimal(digest))).decode()
        condition: dict[str, Any] = {} if replace else {"IfNoneMatch": "*"}
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._base + place,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                **condition,
            )
        except ClientError as error:
            if is_conflict(error):
                return False
            if is_not_offered(error) and not replace:
                return self._put_once(place, data, digest, replace=True)
            raise
        return True

    def _upload_parts(self, place: str, content: Path | bytes) -> None:
        with _opened(content) as file:
            self._s3.upload_fileobj(file, self._bucket, self._base + place, Config=_TRANSFER)

    def _download(self, place: str, target: Path) -> None:
        body = self._s3.get_object(Bucket=self._bucket, Key=self._base + place)["Body"]
        with body, target.open("wb") as sink:
            for piece in body.iter_chunks(1 << 20):
                sink.write(piece)

    def _read(self, place: str, digest: str) -> bytes:
        def once() -> bytes:
            with self._s3.get_object(Bucket=self._bucket, Key=self._base + place)["Body"] as body:
                return body.read()

        data = self._ask(place, once)
        actual = digest_bytes(data)
        if actual != digest:
            raise DigestError(self._address(place), expected=digest, actual=actual)
        return data

    def _size(self, place: str) -> int | None:
        """Bytes stored under a key, or None."""
        try:
            head = self._ask(place, lambda: self._s3.head_object(Bucket=self._bucket, Key=self._base + place))
        except KeyError:
            return None
        return int(head["ContentLength"])

    def _folders(self, base: str) -> Iterator[str]:
        for page in self._pages("list_objects_v2", base, Delimiter="/"):
            yield from (entry["Prefix"] for entry in page.get("CommonPrefixes", ()))

    def _keys(self, base: str, *, versions: bool = False) -> Iterator[str]:
        if versions:
            yield from sorted({key for key, _ in self._versions(base)})
            return
        for page in self._pages("list_objects_v2", base):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _versions(self, base: str) -> Iterator[tuple[str, str | None]]:
        """``(key, version)`` of every version and delete marker; version None where the service has none."""
        try:
            pages = self._pages("list_object_versions", base)
        except NotOfferedError:
            yield from ((key, None) for key in self._keys(base))
            return
        for page in pages:
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield entry["Key"], entry.get("VersionId")

    def _erase(self, key: str) -> None:
        for found, version in list(self._versions(key)):
            if found == key:
                which: dict[str, Any] = {"VersionId": version} if version else {}
                self._ask(key, partial(self._s3.delete_object, Bucket=self._bucket, Key=key, **which))

    def _pages(self, operation: Any, base: str, **more: Any) -> Sequence[Any]:
        # A listing that breaks off is made again whole: half a listing would look like a whole one.
        paginator = self._s3.get_paginator(operation)
        return self._ask(base, lambda: list(paginator.paginate(Bucket=self._bucket, Prefix=base, **more)))


def open_s3(settings: Settings) -> S3Store:
    """The S3 store that the settings name; an endpoint of one's own gets its bucket made if it is missing.

    Raises:
        InputError: The settings have no ``s3`` table.
        OutsideError: The service cannot be reached, or refuses the bucket.
    """
    s3 = settings.s3
    if s3 is None:
        raise InputError("store = s3 needs an [s3] table", field="s3")
    connection = client(
        endpoint=s3.endpoint,
        region=s3.region,
        access_key=s3.access_key.get_secret_value() if s3.access_key else None,
        secret_key=s3.secret_key.get_secret_value() if s3.secret_key else None,
    )
    store = S3Store(connection, s3.bucket, prefix=s3.prefix)
    store.require_bucket(create=s3.endpoint is not None)
    return store


def _opened(content: Path | bytes) -> BufferedReader | BytesIO:
    if isinstance(content, bytes):
        return BytesIO(content)
    try:
        return content.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(content)) from error


def _bytes_of(content: Path | bytes) -> bytes:
    with _opened(content) as file:
        return file.read()


def _size_of(path: Path) -> int:
    with _opened(path) as file:
        return file.seek(0, 2)


def _measure(content: Path | bytes) -> tuple[str, int]:
    with _opened(content) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"sha256:{digest}", file.seek(0, 2)
