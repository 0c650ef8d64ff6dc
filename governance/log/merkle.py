"""Merkle trees as RFC 6962 defines them (section 2.1): hashes, roots, proofs and their verification.

``MTH({}) = SHA-256()``, ``MTH({d}) = SHA-256(0x00 || d)``, ``MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n]))``
with k the largest power of two smaller than n. A proof is a list of subtree hashes; which subtrees is said by
:func:`inclusion_ranges` and :func:`consistency_ranges`, so that whoever keeps the tree in any form can make proofs.
Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, and never raises on bad input: it says no.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "Frontier",
    "consistency_ranges",
    "fold",
    "inclusion_ranges",
    "leaf_hash",
    "node_hash",
    "range_hash",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of an entry's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over the hashes of 2^k neighbouring complete subtrees of one size.

    Raises:
        ValueError: Their number is not a power of two.
    """
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError(f"{len(hashes)} subtrees make no complete one")
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


class Frontier:
    """The right edge of a growing tree: enough to give its root, in memory that grows with log(size)."""

    __slots__ = ("_stack", "size")

    def __init__(self) -> None:
        self.size = 0
        self._stack: list[bytes] = []

    def add(self, root: bytes, level: int = 0) -> None:
        """Append a leaf hash, or the root of a complete subtree of 2^level leaves where such a one may begin."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"no complete subtree of {1 << level} leaves begins at {self.size}")
        self.size += 1 << level
        at = self.size >> level
        while not at & 1:
            root = node_hash(self._stack.pop(), root)
            at >>= 1
        self._stack.append(root)

    def root(self) -> bytes:
        """Root of the tree as it is."""
        if not self._stack:
            return EMPTY_ROOT
        found = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            found = node_hash(left, found)
        return found


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes."""
    edge = Frontier()
    for leaf in leaves:
        edge.add(leaf)
    return edge.root()


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose hashes prove that leaf ``index`` is in the tree of ``size``, lowest first.

    Example:
        For leaf 3 of 7: its neighbour 2, then leaves 0 and 1, then leaves 4 to 6.
        ``[(2, 3), (0, 2), (4, 7)]``, the path [c, g, l] of RFC 6962's figure.

    Raises:
        ValueError: There is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no entry {index} in a log of {size}")
    begin, end, found = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return found[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The ranges whose hashes prove that the tree of ``old`` is a beginning of the tree of ``new``.

    Raises:
        ValueError: ``old`` is 0 (nothing to prove) or beyond ``new``.
    """
    if not 0 < old <= new:
        raise ValueError(f"a log of {old} is no beginning of one of {new}")
    begin, end, is_whole, found = 0, new, True, []
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin, is_whole = middle, False
    if not is_whole:
        found.append((begin, end))
    return found[::-1]


def range_hash(begin: int, end: int, node: Callable[[int, int], bytes]) -> bytes:
    """Hash of a range of leaves out of hashes of complete subtrees.

    Args:
        begin: First leaf; the range is one that a proof names, so it begins at a multiple of its largest part.
        end: Behind the last leaf.
        node: ``node(level, index)`` is the root over leaves ``index << level`` to ``(index + 1) << level``.
    """
    parts = [node(level, index) for level, index in _complete(begin, end)]
    found = parts.pop()
    while parts:
        found = node_hash(parts.pop(), found)
    return found


def _complete(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that a range consists of, from left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf hash stands at ``index`` in the tree of this size and root."""
    if not 0 <= index < size or not _are_hashes((leaf, root, *proof)):
        return False
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the new tree begins with the old one.

    The empty tree is a beginning of every tree; it and equal sizes need, and take, no proof.
    """
    if not 0 <= old <= new or not _are_hashes((old_root, new_root, *proof)):
        return False
    if old in (0, new):
        return not proof and (old_root == new_root if old == new else old_root == EMPTY_ROOT)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, step)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(values: Iterable[object]) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)
