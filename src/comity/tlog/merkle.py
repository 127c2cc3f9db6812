"""RFC 6962 Merkle trees: roots, proofs and their verification, and the state that appending needs.

Rules: hashes are 32 bytes; a run of hashes is their concatenation, which is also the order in which two
siblings are hashed. A tree is read through a `HashReader`: (level, index) gives the hash of the perfect
subtree over the 2**level leaves from index * 2**level on. Such a subtree never changes while the log
grows, so every hash read can be kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.leaf import leaf_hashes_of
from comity.tlog.limits import BLOCKS_CACHED, PROOF_HASHES_MAX, TREE_SIZE_MAX
from comity.tlog.text import HASH_BYTES

HashReader = Callable[[int, int], bytes]

EMPTY_ROOT: Final = sha256(b"").digest()
BLOCK_LEVEL: Final = 8
BLOCK_LEAVES: Final = 1 << BLOCK_LEVEL  # leaves under one tile of tlog-tiles, and under one stored block root

_SIZE: Final = struct.Struct(">Q")


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry: SHA-256(0x00 || entry) (RFC 6962 §2.1)."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two siblings: SHA-256(0x01 || left || right) (RFC 6962 §2.1)."""
    return sha256(b"\1" + left + right).digest()


def _parents(row: bytes | bytearray) -> bytes:
    """Hash a run of siblings pair by pair; a last one without a sibling is left out."""
    pair = 2 * HASH_BYTES
    return b"".join([sha256(b"\1" + row[at : at + pair]).digest() for at in range(0, len(row) - pair + 1, pair)])


def _fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling height that stand side by side."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def block_roots(leaf_hashes: bytes) -> bytes:
    """Return the roots of the whole 256-leaf blocks in a run of leaf hashes; leaves after them are left out."""
    row = leaf_hashes[: len(leaf_hashes) - len(leaf_hashes) % (BLOCK_LEAVES * HASH_BYTES)]
    for _ in range(BLOCK_LEVEL):
        row = _parents(row)
    return row


class Frontier:
    """What appending needs to know of a tree: its size and the roots of its perfect subtrees, left to right."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf hash. Raises `FormatError` if it is not one."""
        if len(leaf_hash) != HASH_BYTES:
            raise FormatError(f"a leaf hash has {HASH_BYTES} bytes, not {len(leaf_hash)}")
        self.extend(leaf_hash)

    def extend(self, leaf_hashes: bytes) -> None:
        """Add a run of leaf hashes, in about two hash operations each. Raises `FormatError` if it is not whole."""
        count, rest = divmod(len(leaf_hashes), HASH_BYTES)
        if rest or self.size + count > TREE_SIZE_MAX:
            raise FormatError("leaf hashes are not whole, or too many for a tree")
        row, level = leaf_hashes, 0
        kept, risen = self._peaks.copy(), []
        # Level by level: a peak that waits there is the left sibling of the first, and an odd last one waits in turn.
        while row:
            if self.size >> level & 1:
                row = kept.pop() + row
            if len(row) // HASH_BYTES & 1:
                risen.append(row[-HASH_BYTES:])
            row, level = _parents(row), level + 1
        self._peaks = kept + risen[::-1]
        self.size += count

    def root(self) -> bytes:
        """Return the root of the tree."""
        return _fold(self._peaks) if self._peaks else EMPTY_ROOT

    def copy(self) -> Frontier:
        """Return a frontier that goes its own way from here."""
        other = Frontier()
        other.size, other._peaks = self.size, self._peaks  # `extend` makes a new list, so this one can be shared
        return other

    def encode(self) -> bytes:
        """Return the frontier as bytes: the size in 8 big-endian bytes, then its peaks from left to right."""
        return _SIZE.pack(self.size) + b"".join(self._peaks)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """Read what `encode` wrote. Raises `FormatError`."""
        size = int.from_bytes(data[: _SIZE.size], "big")
        if len(data) < _SIZE.size or size > TREE_SIZE_MAX:
            raise FormatError("a frontier does not begin with a tree size")
        if len(data) != _SIZE.size + HASH_BYTES * size.bit_count():
            raise FormatError(f"a frontier of {size} leaves has {size.bit_count()} peaks, not these")
        frontier = cls()
        frontier.size = size
        frontier._peaks = [data[at : at + HASH_BYTES] for at in range(_SIZE.size, len(data), HASH_BYTES)]
        return frontier


def tree_root(size: int, read: HashReader) -> bytes:
    """Return the root of the tree over the first `size` leaves."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def _range_root(start: int, stop: int, read: HashReader) -> bytes:
    """Return the root over leaves `start` to `stop`, a range that RFC 6962 §2.1 arrives at by splitting."""
    peaks = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        peaks.append(read(level, start >> level))
        start += 1 << level
    return _fold(peaks)


def _split(start: int, stop: int) -> int:
    """Return where RFC 6962 §2.1 splits a range of two leaves or more: at the largest power of two below its length."""
    return start + (1 << (stop - start - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """Return the proof that leaf `index` is in the tree of `size`, from its sibling upwards (RFC 9162 §2.1.3.1).

    Raises `ProofError` if there is no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    start, stop, proof = 0, size, []
    while stop - start > 1:
        middle = _split(start, stop)
        if index < middle:
            proof.append(_range_root(middle, stop, read))
            stop = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(first: int, second: int, read: HashReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of `second` begins with the tree of `first` (RFC 9162 §2.1.4.1).

    It is empty for equal sizes and for an empty first tree. Raises `ProofError` if `first` is the larger.
    """
    if not 0 <= first <= second:
        raise ProofError(f"a tree of {second} cannot begin with one of {first}")
    if first in (0, second):
        return ()
    start, stop, proof = 0, second, []
    while stop != first:
        middle = _split(start, stop)
        if first <= middle:
            proof.append(_range_root(middle, stop, read))
            stop = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    # Where the first tree is itself a perfect subtree from leaf 0 on, the verifier already has its hash.
    if start:
        proof.append(_range_root(start, stop, read))
    return tuple(reversed(proof))


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf_hash` is leaf `index` of the tree of `size` under `root`. Raises `ProofError`.

    The loop is that of RFC 9162 §2.1.3.2, with its names: `fn` and `sn` are the places, on the level
    reached, of the node being climbed from and of the last node.
    """
    _check_hashes((leaf_hash, root, *proof))
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    fn, sn, node = index, size - 1, leaf_hash
    for sibling in proof:
        if sn == 0:
            raise ProofError("an inclusion proof is too long")
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or node != root:
        raise ProofError(f"leaf {index} is not proven to be in the tree of {size}")


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `second` begins with the tree of `first`. Raises `ProofError`.

    The loop is that of RFC 9162 §2.1.4.2. Sizes that need no proof (equal ones, an empty first tree) take
    none, but their roots are checked all the same.
    """
    _check_hashes((first_root, second_root, *proof))
    if not 0 <= first <= second:
        raise ProofError(f"a tree of {second} cannot begin with one of {first}")
    if first in (0, second):
        if proof or (first == 0 and first_root != EMPTY_ROOT) or (first == second and first_root != second_root):
            raise ProofError(f"the trees of {first} and {second} are not consistent")
        return
    path = list(proof)
    if not first & (first - 1):
        path.insert(0, first_root)
    if not path:
        raise ProofError("a consistency proof is empty")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise ProofError("a consistency proof is too long")
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn or old != first_root or new != second_root:
        raise ProofError(f"the trees of {first} and {second} are not consistent")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > PROOF_HASHES_MAX + 2 or any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a proof is up to {PROOF_HASHES_MAX} hashes of {HASH_BYTES} bytes")


class StoredTree:
    """A `HashReader` over a store that keeps 32 bytes a leaf and one root per whole block of 256 leaves.

    `commitments(start, stop)` and `block_roots(start, stop)` return those of a half-open range of leaves or
    of whole blocks, concatenated. Nodes below a block's root are hashed again from that block's commitments;
    the last few blocks stay in memory. Nodes above are hashed once from the block roots, which are read once.

    Not for several threads at a time.
    """

    __slots__ = ("_above", "_block_roots", "_blocks", "_commitments", "size")

    def __init__(
        self, commitments: Callable[[int, int], bytes], block_roots: Callable[[int, int], bytes], size: int
    ) -> None:
        self._commitments = commitments
        self._block_roots = block_roots
        self._blocks: dict[tuple[int, int], list[bytes]] = {}
        self._above = [bytearray()]
        self.size = size

    def grow(self, size: int) -> None:
        """Let the tree reach `size` leaves, which the store now holds; what is known of it stays true."""
        self.size = max(self.size, size)

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of a perfect subtree. Raises `ProofError` if the tree does not reach that far."""
        if level < 0 or index < 0 or (index + 1) << level > self.size:
            raise ProofError(f"a tree of {self.size} has no whole subtree {index} at level {level}")
        if level < BLOCK_LEVEL:
            block, offset = divmod(index, BLOCK_LEAVES >> level)
            row: bytes | bytearray = self._block(block)[level]
        else:
            self._rise()
            row, offset = self._above[level - BLOCK_LEVEL], index
        return bytes(row[offset * HASH_BYTES : (offset + 1) * HASH_BYTES])

    def _block(self, block: int) -> list[bytes]:
        """Return the rows of one block, from its leaves up to level 7."""
        start = block * BLOCK_LEAVES
        stop = min(start + BLOCK_LEAVES, self.size)
        rows = self._blocks.pop((block, stop), None)
        if rows is None:
            rows = [leaf_hashes_of(_whole(self._commitments(start, stop), stop - start, "commitments"))]
            while len(rows) < BLOCK_LEVEL:
                rows.append(_parents(rows[-1]))
            if len(self._blocks) >= BLOCKS_CACHED:
                del self._blocks[next(iter(self._blocks))]
        # Taken out and put back, so that the first key is the one not used for longest.
        self._blocks[block, stop] = rows
        return rows

    def _rise(self) -> None:
        """Bring the rows from the block roots upwards to the tree's size, each from the pairs it does not have yet."""
        known, whole = len(self._above[0]) // HASH_BYTES, self.size // BLOCK_LEAVES
        if known == whole:
            return
        fresh = _whole(self._block_roots(known, whole), whole - known, "block roots")
        for level in range(whole.bit_length()):
            if level == len(self._above):
                self._above.append(bytearray())
            row = self._above[level]
            row += fresh
            done = len(self._above[level + 1]) if level + 1 < len(self._above) else 0
            fresh = _parents(row[2 * done :])


def _whole(data: bytes, count: int, what: str) -> bytes:
    if len(data) != count * HASH_BYTES:
        raise FormatError(f"the store gave {len(data)} bytes for {count} {what}")
    return data
