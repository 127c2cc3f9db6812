"""Hashes read off a store that keeps commitments and block roots only."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.leaf import leaf_hashes_of
from comity.tlog.limits import BLOCKS_CACHED
from comity.tlog.merkle import (
    Frontier,
    StoredTree,
    block_roots,
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.tlog.naive import NaiveTree, numbered_leaves

SIZES = (0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)
COMMITMENTS = b"".join(numbered_leaves(max(SIZES)))  # any 32 bytes do for a commitment
LEAF_HASHES = leaf_hashes_of(COMMITMENTS)
ROOTS = block_roots(LEAF_HASHES)
TREE = NaiveTree([LEAF_HASHES[at : at + 32] for at in range(0, len(LEAF_HASHES), 32)])


class Store:
    """Commitments and block roots in memory, with a record of what was read."""

    def __init__(self) -> None:
        self.commitments_read: list[tuple[int, int]] = []
        self.block_roots_read: list[tuple[int, int]] = []

    def commitments(self, start: int, stop: int) -> bytes:
        self.commitments_read.append((start, stop))
        return COMMITMENTS[32 * start : 32 * stop]

    def block_roots(self, start: int, stop: int) -> bytes:
        self.block_roots_read.append((start, stop))
        return ROOTS[32 * start : 32 * stop]

    def tree(self, size: int) -> StoredTree:
        return StoredTree(self.commitments, self.block_roots, size)


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_are_those_of_the_definition(size: int) -> None:
    read = Store().tree(size)
    root = tree_root(size, read)
    assert root == TREE.mth(0, size)
    picks = random.Random(size)
    for index in {0, size - 1, *(picks.randrange(size) for _ in range(10))} if size else ():
        proof = inclusion_proof(index, size, read)
        assert list(proof) == TREE.path(index, 0, size)
        verify_inclusion(TREE.leaf_hashes[index], index, size, proof, root)
    for first in {0, size // 2, size, *(picks.randrange(size + 1) for _ in range(10))}:
        proof = consistency_proof(first, size, read)
        assert list(proof) == TREE.proof(first, size)
        verify_consistency(first, size, TREE.mth(0, first), root, proof)


def test_every_node_of_a_tree_is_read() -> None:
    size = 1_111
    read = Store().tree(size)
    for level in range(size.bit_length()):
        for index in range(size >> level):
            assert read(level, index) == TREE.read(level, index)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_read_beyond_the_tree(size: int) -> None:
    read = Store().tree(size)
    for level in range(20):
        for index in (-1, size >> level, (size >> level) + 1):
            with pytest.raises(ProofError):
                read(level, index)
    with pytest.raises(ProofError):
        read(-1, 0)


@given(st.lists(st.integers(0, 1_500), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_a_tree_that_grows_reads_as_one_made_at_its_size(steps: list[int], picks: random.Random) -> None:
    read, size = Store().tree(0), 0
    for step in steps:
        size += step
        read.grow(size)
        assert tree_root(size, read) == TREE.mth(0, size)
        if size:
            index, first = picks.randrange(size), picks.randrange(size + 1)
            assert list(inclusion_proof(index, size, read)) == TREE.path(index, 0, size)
            assert list(consistency_proof(first, size, read)) == TREE.proof(first, size)


def test_a_grown_tree_still_proves_its_earlier_sizes() -> None:
    read = Store().tree(65_537)
    for size in (1, 300, 512, 65_535):
        assert tree_root(size, read) == TREE.mth(0, size)
        assert list(inclusion_proof(size // 2, size, read)) == TREE.path(size // 2, 0, size)


def test_a_proof_reads_two_blocks_at_most_and_each_block_root_once() -> None:
    store = Store()
    read = store.tree(65_537)
    for index in (0, 5, 30_000, 65_000, 65_536):
        store.commitments_read.clear()
        inclusion_proof(index, 65_537, read)
        assert len(store.commitments_read) <= 2
        assert all(stop - start <= 256 for start, stop in store.commitments_read)
    assert store.block_roots_read == [(0, 256)]


def test_growing_reads_only_the_new_block_roots() -> None:
    store = Store()
    read = store.tree(1_000)
    tree_root(1_000, read)
    read.grow(2_000)
    tree_root(2_000, read)
    read.grow(1_500)  # a tree does not shrink
    assert read.size == 2_000
    assert store.block_roots_read == [(0, 3), (3, 7)]


def test_recently_used_blocks_stay_and_the_rest_are_let_go() -> None:
    store = Store()
    read = store.tree(65_536)
    for block in range(BLOCKS_CACHED + 1):
        read(0, 0)
        read(0, 256 * block)
    assert len(store.commitments_read) == BLOCKS_CACHED + 1
    read(0, 0)  # used between all others, so it is still there
    assert len(store.commitments_read) == BLOCKS_CACHED + 1
    read(0, 256)  # used longest ago, so it is not
    assert len(store.commitments_read) == BLOCKS_CACHED + 2


def test_a_store_that_gives_too_little_is_found_out() -> None:
    with pytest.raises(FormatError, match="the store gave"):
        StoredTree(lambda start, stop: b"", Store().block_roots, 10)(0, 3)
    with pytest.raises(FormatError, match="the store gave"):
        StoredTree(Store().commitments, lambda start, stop: bytes(31), 300)(8, 0)


def test_a_store_filled_batch_by_batch_is_the_tree_that_was_signed() -> None:
    frontier, roots, tail = Frontier(), b"", b""
    for start in range(0, 20_000, 4_096):
        run = LEAF_HASHES[32 * start : 32 * min(start + 4_096, 20_000)]
        frontier.extend(run)
        tail += run
        roots += block_roots(tail)
        tail = tail[len(tail) - len(tail) % (32 * 256) :]
    read = StoredTree(Store().commitments, lambda start, stop: roots[32 * start : 32 * stop], frontier.size)
    assert tree_root(20_000, read) == frontier.root() == TREE.mth(0, 20_000)
