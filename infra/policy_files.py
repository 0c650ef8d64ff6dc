"""Reading policy files: bytes, paths and the packs that ship; what they mean is :mod:`governance.policy`'s.

A path is a YAML or JSON file, or a folder whose files below are read in order of their names. A pack is a
named list of shipped files (``governance/policies/packs.yaml``).
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import governance
from governance.errors import PolicyError
from governance.policy.cases import Case, parse_case
from governance.policy.document import PolicyDocument, document_digest, parse
from governance.policy.pins import Pin, repin
from governance.policy.source import Source, read

__all__ = [
    "MAX_BYTES",
    "POLICIES",
    "SUFFIXES",
    "files_of",
    "load",
    "load_all",
    "load_cases",
    "load_pack",
    "packs",
    "pin",
    "read_source",
    "with_pinned",
]

MAX_BYTES: Final = 2_000_000
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
POLICIES: Final = Path(governance.__file__).parent / "policies"
# Cases that policy owners keep beside their policies are not policies.
_CASE_FOLDERS: Final = frozenset({"allow", "deny"})


def read_source(path: Path | str) -> Source:
    """The values of one file with their places.

    Raises:
        PolicyError: The file is absent, too large, not UTF-8 or not readable as YAML.
    """
    file = Path(path)
    name = str(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"cannot read the file: {error.strerror}", file=name) from error
    if len(data) > MAX_BYTES:
        raise PolicyError("the file is too large", file=name, expected=f"at most {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise PolicyError("not UTF-8", file=name, line=line, column=column, expected="UTF-8 text") from error
    return read(text, name=name)


def load(path: Path | str) -> PolicyDocument:
    """The policy document in one file."""
    return parse(read_source(path))


def load_pack(name_or_path: str | Path) -> list[PolicyDocument]:
    """The documents of a shipped pack by its name, or of a file or folder by its path.

    Raises:
        PolicyError: There is neither, or a document cannot be used.
    """
    return [load(file) for file in files_of(name_or_path)]


def files_of(name_or_path: str | Path) -> list[Path]:
    """The files that :func:`load_pack` reads, in order.

    Raises:
        PolicyError: There is no such pack, file or folder, or the folder holds no policy file.
    """
    shipped = packs()
    if str(name_or_path) in shipped:
        return [POLICIES / member for member in shipped[str(name_or_path)]]
    path = Path(name_or_path)
    if path.is_dir():
        files = [
            file
            for file in sorted(path.rglob("*"))
            if file.suffix in SUFFIXES
            and file != POLICIES / "packs.yaml"
            and not _CASE_FOLDERS & set(file.relative_to(path).parts[:-1])
        ]
        if not files:
            raise PolicyError("the folder holds no policy file", file=str(path), expected="*.yaml")
        return files
    if not path.exists():
        raise PolicyError(
            "no such policy file or pack",
            file=str(path),
            expected=f"a path, or one of {', '.join(sorted(shipped))}",
        )
    return [path]


def load_all(names_or_paths: Iterable[str | Path]) -> list[PolicyDocument]:
    """The documents of several packs, files and folders, each once."""
    found: list[PolicyDocument] = []
    for name_or_path in names_or_paths:
        found.extend(document for document in load_pack(name_or_path) if document not in found)
    return found


def with_pinned(documents: Iterable[PolicyDocument]) -> list[PolicyDocument]:
    """``documents``, and the shipped ones they extend by a digest that matches.

    A policy owner can then work on one file: the shipped documents it is pinned to come along.
    """
    found = list(documents)
    wanted = {pin.digest for document in found for pin in getattr(document, "extends", ())}
    wanted -= {document_digest(document) for document in found}
    if not wanted:
        return found
    shipped = [load(file) for file in sorted(POLICIES.rglob("*.yaml")) if file != POLICIES / "packs.yaml"]
    added = [document for document in shipped if document_digest(document) in wanted]
    return with_pinned([*found, *added]) if added else found


def pin(path: Path | str, names_or_paths: Iterable[str | Path]) -> tuple[Pin, ...]:
    """Write the digests of a stack's documents into the `extends` of one file; the pins that changed.

    Args:
        path: The file to rewrite. Where it lies among the stack's files, it is not read as one of them.
        names_or_paths: The stack: packs, files and folders.

    Raises:
        PolicyError: A file cannot be read, or an entry cannot be pinned; nothing is written then.
    """
    file = Path(path)
    read_source(file)  # its size, encoding and form
    digests: dict[str, set[str]] = defaultdict(set)
    for other in (found for name in names_or_paths for found in files_of(name)):
        if not other.samefile(file):
            document = load(other)
            digests[document.id].add(document_digest(document))
    data = file.read_bytes()
    mark = BOM_UTF8 if data.startswith(BOM_UTF8) else b""
    known = {name: sorted(found) for name, found in digests.items()}
    text, changed = repin(data.removeprefix(mark).decode("utf-8"), name=str(file), digests=known)
    if changed:
        file.write_bytes(mark + text.encode("utf-8"))
    return changed


def load_cases(folder: Path | str) -> list[Case]:
    """The cases below a folder: files in folders named ``allow`` and ``deny``, the file name is the sentence."""
    found: list[Case] = []
    for file in sorted(Path(folder).rglob("*")):
        verdict = file.parent.name
        if file.suffix in SUFFIXES and verdict in _CASE_FOLDERS:
            expected: Literal["allow", "deny"] = "allow" if verdict == "allow" else "deny"
            found.append(
                parse_case(read_source(file), sentence=file.stem.replace("_", " "), verdict=expected)
            )
    return found


def packs() -> dict[str, list[str]]:
    """Name of each shipped pack → its files, relative to ``POLICIES``."""
    index = read_source(POLICIES / "packs.yaml").data
    return {str(name): list(members) for name, members in index.items()}
