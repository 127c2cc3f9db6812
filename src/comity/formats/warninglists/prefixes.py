"""Networks of one address family, asked which of them hold an address.

Rules: networks are nested or apart, never otherwise. So in the order of their first addresses, wider before narrower,
the last that begins at or before an address is the narrowest that holds it, or lies inside that one: from there only
parents are left to ask, of which there are as many as the family has bits at the very most.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import MutableSequence


class Prefixes:
    """A set of (network, number of a list) of addresses with `bits` bits."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._given: dict[int, tuple[int, ...]] = {}  # first address << 8 | length -> lists
        self._starts: MutableSequence[int] = array("I") if bits == 32 else []
        self._lengths = array("B")
        self._parents = array("i")
        self._labels = array("I")
        self._lists: list[tuple[int, ...]] = []

    def add(self, number: int, start: int, length: int) -> None:
        """Add a network of a list: its first address and the length of its prefix."""
        key = start << 8 | length
        known = self._given.get(key, ())
        if number not in known:
            self._given[key] = (*known, number)

    def close(self) -> None:
        """Put the networks in order; needed before the first look-up. Nothing can be added behind it."""
        labels: dict[tuple[int, ...], int] = {}
        open_: list[int] = []  # the networks around the one at hand, widest first
        for at, key in enumerate(sorted(self._given)):
            start, length = key >> 8, key & 0xFF
            while open_ and not self._holds(open_[-1], start):
                open_.pop()
            self._starts.append(start)
            self._lengths.append(length)
            self._parents.append(open_[-1] if open_ else -1)
            self._labels.append(labels.setdefault(self._given[key], len(labels)))
            open_.append(at)
        self._lists = list(labels)
        self._given = {}

    def _holds(self, at: int, address: int) -> bool:
        return (address ^ self._starts[at]) >> (self.bits - self._lengths[at]) == 0

    def find(self, address: int, length: int) -> list[tuple[int, int]]:
        """Return (list, length of the prefix) of every network that holds all of another, narrowest first."""
        at = bisect_right(self._starts, address) - 1
        found: list[tuple[int, int]] = []
        while at >= 0:
            own = self._lengths[at]
            if own <= length and (address ^ self._starts[at]) >> (self.bits - own) == 0:
                found += [(number, own) for number in self._lists[self._labels[at]]]
            at = self._parents[at]
        return found

    def __len__(self) -> int:
        """Return how many networks there are."""
        return len(self._starts) + len(self._given)
