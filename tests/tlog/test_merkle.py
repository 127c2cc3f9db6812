"""Trees, frontiers and proofs against published vectors and against the definitions written down naively."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    block_roots,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.tlog import vectors
from tests.tlog.naive import NaiveTree, numbered_leaves

EVERY_PAIR_UP_TO = 600
EDGES = (0, 1, 255, 256, 257, 65_535, 65_536, 65_537)
SMALL = NaiveTree(numbered_leaves(EVERY_PAIR_UP_TO))
LARGE = NaiveTree(numbered_leaves(max(EDGES)))


def test_published_roots_and_proofs_are_ours() -> None:
    hashes = [leaf_hash(entry) for entry in vectors.RFC6962_LEAVES]
    tree = NaiveTree(hashes)
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT == vectors.RFC6962_ROOTS[0]
    for size, root in enumerate(vectors.RFC6962_ROOTS[1:], start=1):
        frontier.append(hashes[size - 1])
        assert frontier.root() == tree_root(size, tree.read) == root
    for (index, size), proof in vectors.RFC6962_INCLUSION.items():
        assert inclusion_proof(index, size, tree.read) == proof
        verify_inclusion(hashes[index], index, size, proof, vectors.RFC6962_ROOTS[size])
    for (first, second), proof in vectors.RFC6962_CONSISTENCY.items():
        assert consistency_proof(first, second, tree.read) == proof
        verify_consistency(first, second, vectors.RFC6962_ROOTS[first], vectors.RFC6962_ROOTS[second], proof)


def test_published_consistency_proof_between_two_signed_checkpoints_holds() -> None:
    from comity.tlog.checkpoint import verify_checkpoint
    from comity.tlog.note import parse_note, parse_vkey

    first, second = (
        verify_checkpoint(parse_note(note), parse_vkey(vectors.MONKEYS_VKEY)) for note in vectors.MONKEYS_NOTES
    )
    verify_consistency(first.size, second.size, first.root, second.root, vectors.MONKEYS_PROOF)


def test_every_pair_of_sizes_is_proven_consistent() -> None:
    for second in range(EVERY_PAIR_UP_TO + 1):
        second_root = SMALL.mth(0, second)
        for first in range(second + 1):
            proof = consistency_proof(first, second, SMALL.read)
            assert list(proof) == SMALL.proof(first, second)
            verify_consistency(first, second, SMALL.mth(0, first), second_root, proof)


@pytest.mark.parametrize("sizes", [range(1, 131), (255, 256, 257, 511, 512, 513, 600)])
def test_every_index_is_proven_included(sizes: tuple[int, ...]) -> None:
    for size in sizes:
        root = tree_root(size, SMALL.read)
        assert root == SMALL.mth(0, size)
        for index in range(size):
            proof = inclusion_proof(index, size, SMALL.read)
            assert list(proof) == SMALL.path(index, 0, size)
            verify_inclusion(SMALL.leaf_hashes[index], index, size, proof, root)


@pytest.mark.parametrize("size", EDGES)
def test_large_and_edge_sizes_are_proven(size: int) -> None:
    root = tree_root(size, LARGE.read)
    assert root == LARGE.mth(0, size)
    picks = random.Random(size)
    indexes = {0, size // 2, size - 1, *(picks.randrange(size) for _ in range(20))} if size else set()
    for index in indexes:
        proof = inclusion_proof(index, size, LARGE.read)
        assert list(proof) == LARGE.path(index, 0, size)
        verify_inclusion(LARGE.leaf_hashes[index], index, size, proof, root)
    for first in {*EDGES, size // 3, *indexes}:
        if first <= size:
            proof = consistency_proof(first, size, LARGE.read)
            assert list(proof) == LARGE.proof(first, size)
            verify_consistency(first, size, LARGE.mth(0, first), root, proof)


def damaged(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Every proof that has one hash flipped, dropped, doubled, added, cut or swapped with the next."""
    cases = []
    for at in range(len(proof)):
        one = proof[at]
        flipped = bytes([one[0] ^ 1]) + one[1:]
        cases += [
            (*proof[:at], flipped, *proof[at + 1 :]),
            (*proof[:at], *proof[at + 1 :]),
            (*proof[:at], one[:-1], *proof[at + 1 :]),
        ]
        if at + 1 < len(proof):
            cases.append((*proof[:at], proof[at + 1], one, *proof[at + 2 :]))
    return cases + [(*proof[:at], bytes(32), *proof[at:]) for at in range(len(proof) + 1)]


def test_no_damaged_inclusion_proof_is_accepted() -> None:
    for size in (*range(1, 20), 64, 65, 100):
        root = SMALL.mth(0, size)
        for index in range(size):
            for proof in damaged(inclusion_proof(index, size, SMALL.read)):
                with pytest.raises(ProofError):
                    verify_inclusion(SMALL.leaf_hashes[index], index, size, proof, root)


def test_no_damaged_consistency_proof_is_accepted() -> None:
    for second in (*range(20), 64, 65, 100):
        for first in range(second + 1):
            roots = SMALL.mth(0, first), SMALL.mth(0, second)
            for proof in damaged(consistency_proof(first, second, SMALL.read)):
                with pytest.raises(ProofError):
                    verify_consistency(first, second, *roots, proof)


def test_an_inclusion_proof_holds_for_its_own_leaf_index_size_and_root_only() -> None:
    for size in range(2, 18):
        root = SMALL.mth(0, size)
        for index in range(size):
            proof = inclusion_proof(index, size, SMALL.read)
            leaf = SMALL.leaf_hashes[index]
            wrong = [
                *((leaf, other, size, root) for other in range(-1, size + 2) if other != index),
                (SMALL.leaf_hashes[(index + 1) % size], index, size, root),
                (leaf, index, size + 1, SMALL.mth(0, size + 1)),
                (leaf, index, size, SMALL.mth(0, size + 1)),
                (leaf, index, 0, root),
            ]
            for claim in wrong:
                with pytest.raises(ProofError):
                    verify_inclusion(claim[0], claim[1], claim[2], proof, claim[3])


def test_a_consistency_proof_does_not_hold_for_another_root() -> None:
    for second in range(18):
        for first in range(second + 1):
            proof = consistency_proof(first, second, SMALL.read)
            roots = SMALL.mth(0, first), SMALL.mth(0, second)
            with pytest.raises(ProofError):
                verify_consistency(first, second, bytes(32), roots[1], proof)
            # An empty tree is the beginning of every other, so there alone the second root says nothing.
            if first or not second:
                with pytest.raises(ProofError):
                    verify_consistency(first, second, roots[0], bytes(32), proof)
            if first != second:
                with pytest.raises(ProofError):
                    verify_consistency(second, first, *roots[::-1], proof)


def test_a_rewritten_history_is_not_consistent() -> None:
    forged = SMALL.leaf_hashes.copy()
    forged[37] = leaf_hash(b"rewritten")
    other = NaiveTree(forged)
    for first, second in ((38, 39), (64, 65), (100, 600), (256, 512)):
        with pytest.raises(ProofError):
            verify_consistency(
                first, second, SMALL.mth(0, first), other.mth(0, second), consistency_proof(first, second, other.read)
            )


def test_a_log_that_signs_a_root_of_the_wrong_height_cannot_prove_anything_under_it() -> None:
    # The root is the log's to choose, so a proof must have the length that the sizes ask for, and not only hash to it.
    leaf, sibling = SMALL.leaf_hashes[2], bytes(32)
    proof, root = inclusion_proof(2, 8, SMALL.read), SMALL.mth(0, 8)
    for size, path, claimed in (
        (16, proof, root),
        (8, (*proof, sibling), node_hash(root, sibling)),
        (8, (*proof, sibling), node_hash(sibling, root)),
        (8, proof[:2], node_hash(SMALL.mth(0, 2), leaf)),
    ):
        with pytest.raises(ProofError):
            verify_inclusion(leaf, 2, size, path, claimed)
    for first in (4, 6):
        old, path = SMALL.mth(0, first), consistency_proof(first, 8, SMALL.read)
        for second, longer, claimed in (
            (16, path, root),
            (8, (*path, sibling), node_hash(root, sibling)),
            (8, (*path, sibling), node_hash(sibling, root)),
        ):
            for first_root in (old, node_hash(sibling, old)):
                with pytest.raises(ProofError):
                    verify_consistency(first, second, first_root, claimed, longer)


def test_a_hash_of_another_length_is_refused_even_where_it_hashes_to_the_root() -> None:
    leaf = SMALL.leaf_hashes[0]
    for sibling in (b"", bytes(31), bytes(33)):
        with pytest.raises(ProofError, match="hashes of 32 bytes"):
            verify_inclusion(leaf, 0, 2, [sibling], node_hash(leaf, sibling))
        with pytest.raises(ProofError, match="hashes of 32 bytes"):
            verify_consistency(1, 2, leaf, node_hash(leaf, sibling), [sibling])


def test_an_empty_consistency_proof_proves_no_growth() -> None:
    for second in range(2, 20):
        for first in range(1, second):
            with pytest.raises(ProofError):
                verify_consistency(first, second, SMALL.mth(0, first), SMALL.mth(0, second), ())


def test_proofs_of_what_a_tree_does_not_hold_are_not_made() -> None:
    for index, size in ((0, 0), (-1, 5), (5, 5), (6, 5)):
        with pytest.raises(ProofError):
            inclusion_proof(index, size, SMALL.read)
    for first, second in ((-1, 5), (6, 5)):
        with pytest.raises(ProofError):
            consistency_proof(first, second, SMALL.read)


def test_an_endless_proof_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(ProofError, match="up to 64"):
        verify_inclusion(bytes(32), 0, 2**62, [bytes(32)] * 100_000, bytes(32))


# --- Frontier -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", EDGES)
def test_a_frontier_extended_at_once_has_the_root_of_the_tree(size: int) -> None:
    frontier = Frontier()
    frontier.extend(b"".join(LARGE.leaf_hashes[:size]))
    assert (frontier.size, frontier.root()) == (size, LARGE.mth(0, size))


def test_a_frontier_appended_one_by_one_has_every_root() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(SMALL.leaf_hashes):
        assert frontier.root() == SMALL.mth(0, size)
        frontier.append(leaf)


@given(st.lists(st.integers(0, 300), max_size=12))
@settings(deadline=None)
def test_a_frontier_is_the_same_however_the_leaves_arrive(runs: list[int]) -> None:
    frontier, size = Frontier(), 0
    for run in runs:
        stop = min(size + run, len(SMALL.leaf_hashes))
        frontier.extend(b"".join(SMALL.leaf_hashes[size:stop]))
        size = stop
        assert (frontier.size, frontier.root()) == (size, SMALL.mth(0, size))
        frontier = Frontier.decode(frontier.encode())


def test_a_copied_frontier_goes_its_own_way() -> None:
    frontier = Frontier()
    frontier.extend(b"".join(SMALL.leaf_hashes[:7]))
    before = frontier.encode()
    other = frontier.copy()
    other.append(SMALL.leaf_hashes[7])
    assert (frontier.encode(), frontier.root()) == (before, SMALL.mth(0, 7))
    assert other.root() == SMALL.mth(0, 8)


def test_a_frontier_refuses_what_is_not_whole_and_stays_as_it_was() -> None:
    frontier = Frontier()
    frontier.extend(b"".join(SMALL.leaf_hashes[:5]))
    before = frontier.encode()
    for run in (b"x", bytes(31), bytes(33)):
        with pytest.raises(FormatError):
            frontier.extend(run)
    for leaf in (b"", bytes(31), bytes(64)):
        with pytest.raises(FormatError):
            frontier.append(leaf)
    assert frontier.encode() == before
    full = Frontier.decode((2**63 - 1).to_bytes(8, "big") + bytes(32 * 63))
    with pytest.raises(FormatError):
        full.append(bytes(32))


@pytest.mark.parametrize(
    "data", [b"", bytes(7), bytes(9), b"\x00" * 7 + b"\x01", b"\x00" * 7 + b"\x03" + bytes(32), b"\x80" + bytes(39)]
)
def test_bytes_that_are_no_frontier_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        Frontier.decode(data)


# --- Hashes -------------------------------------------------------------------------------------------------------


def test_block_roots_are_the_roots_of_whole_blocks() -> None:
    run = b"".join(SMALL.leaf_hashes)
    for leaves in (0, 1, 255, 256, 257, 511, 512, 600):
        whole = leaves // 256
        expected = b"".join(SMALL.mth(256 * block, 256 * (block + 1)) for block in range(whole))
        assert block_roots(run[: 32 * leaves]) == expected


def test_leaf_and_node_hashes_are_kept_apart() -> None:
    left, right = SMALL.leaf_hashes[:2]
    assert node_hash(left, right) == SMALL.mth(0, 2)
    assert node_hash(left, right) != leaf_hash(left + right)
