"""The definitions of RFC 6962 §2.1 written down as they stand there: slow, recursive, and easy to check by eye."""

from __future__ import annotations

from functools import cache
from hashlib import sha256


class NaiveTree:
    """A tree over leaf hashes, each range hashed by the recursive definition and remembered."""

    def __init__(self, leaf_hashes: list[bytes]) -> None:
        self.leaf_hashes = leaf_hashes
        self.mth = cache(self._mth)

    def _mth(self, start: int, stop: int) -> bytes:
        """MTH(D[start:stop])."""
        if start == stop:
            return sha256(b"").digest()
        if stop - start == 1:
            return self.leaf_hashes[start]
        middle = start + split(stop - start)
        return sha256(b"\x01" + self.mth(start, middle) + self.mth(middle, stop)).digest()

    def path(self, index: int, start: int, stop: int) -> list[bytes]:
        """PATH(index, D[start:stop]) with `index` counted from leaf 0."""
        if stop - start == 1:
            return []
        middle = start + split(stop - start)
        if index < middle:
            return [*self.path(index, start, middle), self.mth(middle, stop)]
        return [*self.path(index, middle, stop), self.mth(start, middle)]

    def proof(self, first: int, second: int) -> list[bytes]:
        """PROOF(first, D[0:second])."""
        return [] if first in (0, second) else self._subproof(first, 0, second, known=True)

    def _subproof(self, first: int, start: int, stop: int, *, known: bool) -> list[bytes]:
        if first == stop:
            return [] if known else [self.mth(start, stop)]
        middle = start + split(stop - start)
        if first <= middle:
            return [*self._subproof(first, start, middle, known=known), self.mth(middle, stop)]
        return [*self._subproof(first, middle, stop, known=False), self.mth(start, middle)]

    def read(self, level: int, index: int) -> bytes:
        """Read a perfect subtree: what the code under test calls a `HashReader`."""
        assert (index + 1) << level <= len(self.leaf_hashes), "read beyond the tree"
        return self.mth(index << level, (index + 1) << level)


def split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    power = 1
    while 2 * power < count:
        power *= 2
    return power


def numbered_leaves(count: int, *, salt: bytes = b"") -> list[bytes]:
    """Leaf hashes that all differ."""
    return [sha256(b"\x00" + salt + str(number).encode()).digest() for number in range(count)]
