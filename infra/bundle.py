"""Reading a bundle's files for :mod:`governance.log.check` and :mod:`governance.log.record`; no server, no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from governance.errors import InputError
from governance.log.check import LogFiles, check_log
from governance.log.note import NoteError, Verifier
from governance.log.record import Record, check_record
from infra.log_spill import spilled

__all__ = ["Bundle", "verifier", "verify_bundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder that ``bounds log export`` wrote, believed in nothing."""

    folder: Path

    def read(self, name: str) -> bytes | None:
        """Bytes of a file, None where there is none."""
        path = self.folder / name
        try:
            return None if path.is_symlink() else path.read_bytes()
        except OSError:
            return None

    def object(self, digest: str) -> bytes | None:
        """The object of that digest, unverified."""
        name = digest.removeprefix("sha256:")
        return self.read(f"objects/{name}") if name.isalnum() else None

    def tiles(self) -> list[str]:
        """Names of the files under ``tile``."""
        root = self.folder / "tile"
        return [path.relative_to(self.folder).as_posix() for path in root.rglob("*") if not path.is_dir()]

    def keys(self) -> dict[str, str]:
        """What the bundle itself says its keys are: to be believed only where nothing better is known.

        Raises:
            InputError: There is no such file, so it is no bundle.
        """
        try:
            value = json.loads(self.read("keys.json") or b"")
            return {name: str(value[name]) for name in ("log", "trust")}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                "not a bundle", file=str(self.folder), expected="a folder that `bounds log export` wrote"
            ) from error


def verifier(text: str) -> Verifier:
    """A verifier key as people write it.

    Raises:
        InputError: It is none.
    """
    try:
        return Verifier.parse(text)
    except NoteError as error:
        raise InputError(str(error), value=text, expected="<name>+<hash>+<key>") from error


def verify_bundle(
    bundle: Bundle,
    *,
    log: Verifier,
    pinned: str,
    witnesses: Sequence[Verifier] = (),
    quorum: int = 0,
    earlier: Sequence[bytes] = (),
    said: Callable[[str], None] = lambda _: None,
) -> tuple[LogFiles, Record]:
    """Every check of a bundle: the log, then what it says. ``said`` hears each step as it begins."""
    said("reading the log")
    names = bundle.tiles()
    with spilled() as parts:
        found = check_log(
            bundle.read, names, log=log, witnesses=witnesses, quorum=quorum, earlier=earlier, parts=parts
        )
    if found.checkpoint is None:
        return found, Record()
    said("replaying what it says")
    return found, check_record(found, bundle.object, trust=bundle.read("trust.json") or b"", pinned=pinned)
