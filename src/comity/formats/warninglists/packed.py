"""Millions of texts in eight bytes each, asked whether they hold one.

Rules: what is kept is Python's own hash of a text, SipHash under a key that every process draws for itself,
so that nobody can look for a name that meets a listed one. Twelve bits of it say where to look; there the list's
number stands in their place, so all 64 bits count: with 2.5 million texts kept, one look-up in seven million
million errs. Nothing of it may be written to disk.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

_BITS: Final = 12
_LOW: Final = (1 << _BITS) - 1
_SIEVE: Final = 1 << 22  # bytes: of 2.5 million texts eight bits in a hundred are set, so most others are told at once
LISTS_MAX: Final = _LOW  # numbers of lists that there is room for


class Packed:
    """A set of (text, number of a list)."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._runs: list[tuple[int, int]] = []  # number of a list, and how many hashes there are behind its last
        self._ends = array("L")  # of each run of hashes with the same lowest bits
        self._sieve = bytearray(_SIEVE)  # a bit for each of some bits of a hash: where none is set the text is not kept

    def add(self, number: int, texts: Iterable[str]) -> None:
        """Add texts of a list; its number is below `LISTS_MAX`."""
        self._hashes.extend(map(hash, texts))
        if self._runs and self._runs[-1][0] == number:
            self._runs.pop()
        self._runs.append((number, len(self._hashes)))

    def close(self) -> None:
        """Put the texts in order; needed before the first look-up. Nothing can be added behind it."""
        # A counting sort by the lowest bits, then each run alone: a million Python integers are never there at once.
        counts = [0] * (_LOW + 1)
        for found in self._hashes:
            counts[found & _LOW] += 1
        ends = list(accumulate(counts))
        places = [end - count for end, count in zip(ends, counts, strict=True)]
        ordered = array("q", [0]) * len(self._hashes)
        sieve = self._sieve
        start = 0
        for number, end in self._runs:
            for found in self._hashes[start:end]:
                low = found & _LOW
                ordered[places[low]] = found - low + number
                places[low] += 1
                sieve[found >> _BITS + 3 & _SIEVE - 1] |= 1 << (found >> _BITS & 7)
            start = end
        self._hashes = ordered
        start = 0
        for end in ends:
            ordered[start:end] = array("q", sorted(ordered[start:end]))
            start = end
        self._ends = array("L", [0, *ends])

    def find(self, text: str) -> tuple[int, ...]:
        """Return the numbers of the lists that hold a text, ascending."""
        found = hash(text)
        if not self._sieve[found >> _BITS + 3 & _SIEVE - 1] & 1 << (found >> _BITS & 7):
            return ()
        low = found & _LOW
        first = found - low
        hashes = self._hashes
        end = self._ends[low + 1]
        at = bisect_left(hashes, first, self._ends[low], end)
        if at == end or hashes[at] - first > _LOW:
            return ()
        last = at + 1
        while last < end and hashes[last] - first <= _LOW:
            last += 1
        return tuple([each - first for each in hashes[at:last]])

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._hashes)
