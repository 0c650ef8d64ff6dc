"""Hashes and proofs against RFC 6962's published vectors and a tree written down as the RFC defines it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    fold,
    inclusion_ranges,
    leaf_hash,
    range_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from governance.log.tiles import Tile, bundle, hashes_of, node_reader, tiles_of, unbundle

# The reference data of the certificate-transparency project.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H = [leaf_hash(leaf) for leaf in LEAVES]


def naive_root(leaves):
    """MTH, as RFC 6962 section 2.1 states it."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m, leaves):
    """PATH(m, D[n]), section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m, leaves, whole):
    """SUBPROOF(m, D[n], b), section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def leaves_of(count):
    return [leaf_hash(b"%d" % number) for number in range(count)]


def hashed(ranges, leaves):
    def node(level, index):
        return fold(leaves[index << level : (index + 1) << level])

    return [range_hash(begin, end, node) for begin, end in ranges]


def test_the_published_roots():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, expected in enumerate(ROOTS, start=1):
        assert root_of(H[:size]).hex() == expected


def test_the_published_inclusion_proofs():
    one = hashed(inclusion_ranges(0, 8), H)
    assert [step.hex() for step in one] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    two = hashed(inclusion_ranges(5, 8), H)
    assert [step.hex() for step in two] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_the_published_consistency_proofs():
    assert consistency_ranges(8, 8) == []
    assert [step.hex() for step in hashed(consistency_ranges(6, 8), H)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_root_and_proof_of_small_trees_is_the_naive_one():
    for size in range(1, 34):
        leaves = leaves_of(size)
        root = naive_root(leaves)
        assert root_of(leaves) == root
        for index in range(size):
            proof = hashed(inclusion_ranges(index, size), leaves)
            assert proof == naive_path(index, leaves)
            assert verify_inclusion(leaves[index], index, size, proof, root)
        for old in range(1, size + 1):
            proof = hashed(consistency_ranges(old, size), leaves)
            assert proof == naive_subproof(old, leaves, True)
            assert verify_consistency(old, naive_root(leaves[:old]), size, root, proof)


def test_no_other_position_size_root_or_step_is_proven():
    for size in range(1, 18):
        leaves = leaves_of(size)
        root = naive_root(leaves)
        for index in range(size):
            proof = hashed(inclusion_ranges(index, size), leaves)
            leaf = leaves[index]
            for other in range(-1, size + 2):
                if other != index:
                    assert not verify_inclusion(leaf, other, size, proof, root)
            assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, root)
            assert not verify_inclusion(leaf, index, size, proof, EMPTY_ROOT)
            assert not verify_inclusion(leaf, index, size, [*proof, leaf], root)
            for at in range(len(proof)):
                assert not verify_inclusion(leaf, index, size, proof[:at] + proof[at + 1 :], root)
                bent = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
                assert not verify_inclusion(leaf, index, size, bent, root)


def test_a_fork_or_a_rewind_is_not_consistent():
    for size in range(2, 18):
        leaves = leaves_of(size)
        root = naive_root(leaves)
        for old in range(1, size):
            proof = hashed(consistency_ranges(old, size), leaves)
            before = naive_root(leaves[:old])
            forked = naive_root([*leaves[: old - 1], leaf_hash(b"forked")])
            assert not verify_consistency(old, forked, size, root, proof)
            assert not verify_consistency(old, before, size, forked, proof)
            assert not verify_consistency(size, root, old, before, proof)
            assert not verify_consistency(old, before, size, root, [])
            assert not verify_consistency(old, before, size, root, [*proof, before])
            for at in range(len(proof)):
                bent = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
                assert not verify_consistency(old, before, size, root, bent)


def test_the_empty_tree_is_a_beginning_of_every_tree_without_a_proof():
    root = root_of(leaves_of(3))
    assert verify_consistency(0, EMPTY_ROOT, 3, root, [])
    assert not verify_consistency(0, root, 3, root, [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root, [root])
    assert verify_consistency(3, root, 3, root, [])
    assert not verify_consistency(3, root, 3, EMPTY_ROOT, [])


@given(st.integers(-2, 40), st.integers(-2, 40), st.lists(st.binary(min_size=31, max_size=33), max_size=6))
def test_noise_proves_nothing_and_breaks_nothing(first, second, proof):
    assert not verify_inclusion(H[0], first, second, proof, b"x" * 32)
    if first and first != second:
        assert not verify_consistency(first, H[0], second, H[1], proof)


@given(st.integers(1, 700), st.data())
def test_tiles_give_the_same_hashes_as_the_leaves(size, data):
    leaves = leaves_of(size)
    above = [fold(leaves[at : at + 256]) for at in range(0, size - size % 256, 256)]
    read = {0: leaves, 1: above}

    def tile(level, index):
        return read[level][index * 256 : (index + 1) * 256]

    node = node_reader(tile)
    index = data.draw(st.integers(0, size - 1))
    proof = [range_hash(*part, node) for part in inclusion_ranges(index, size)]
    assert verify_inclusion(leaves[index], index, size, proof, range_hash(0, size, node))
    assert range_hash(0, size, node) == root_of(leaves)


def test_a_growing_edge_needs_little_memory():
    edge = Frontier()
    for leaf in leaves_of(1000):
        edge.add(leaf)
    assert len(edge._stack) == (1000).bit_count()


def test_tile_paths_are_those_of_the_specification():
    assert Tile(0, 1234067, 256).path() == "tile/0/x001/x234/067"
    assert Tile(1, 0, 5).path() == "tile/1/000.p/5"
    assert Tile(0, 12, 256).entries_path() == "tile/entries/012"
    assert [tile.path() for tile in tiles_of(70_000)][-3:] == [
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert list(tiles_of(0)) == []
    assert [tile.width for tile in tiles_of(256)] == [256, 1]


def test_bundles_read_back_and_do_not_end_early():
    entries = [b"", b"a", b"b" * 65_535]
    assert unbundle(bundle(entries)) == entries
    with pytest.raises(ValueError, match="ends within"):
        unbundle(bundle(entries)[:-1])
    with pytest.raises(ValueError, match="ends within"):
        unbundle(b"\x00")
    with pytest.raises(ValueError, match="the most"):
        bundle([b"b" * 65_536])
    for wrong in (b"", b"x" * 31, b"x" * 32 * 257):
        with pytest.raises(ValueError, match="no tile"):
            hashes_of(wrong)


@pytest.mark.parametrize(("first", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(first, size):
    with pytest.raises(ValueError, match="no entry"):
        inclusion_ranges(first, size)


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_proof_between_what_was_never(old, new):
    with pytest.raises(ValueError, match="no beginning"):
        consistency_ranges(old, new)
