"""Texts looked for inside another, thousands at once.

Rules: letters are compared in lower case. Most needles are names, and a text has few dots: such a needle is found by
the characters around its first dot. For the others every second place of a text is looked at, for the four characters
there: they tell which needles may lie around them, one place earlier or here, and of which lengths. At most
`LENGTHS_MAX` lengths are tried for each, so a value costs its length times that at the worst, whatever a list holds: a
needle that would be one more is not taken. A few needles are looked for one by one.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

_GRAM: Final = 4  # characters looked at together: with fewer, most places of a name would be some needle's
_STRIDE: Final = 2  # every needle of at least _GRAM + _STRIDE - 1 characters shows a gram at such a place
_BEFORE, _AFTER = 2, 3  # characters looked at before a dot, where there are so many, and from it on
_FEW: Final = 48  # needles that are found sooner one by one
LENGTHS_MAX: Final = 32  # of needles with one gram at one place; 13 in the longest published list


class Needles:
    """A set of (text to be contained, number of a list)."""

    def __init__(self) -> None:
        self._lists: dict[str, tuple[int, ...]] = {}
        # By characters before the dot: what is around it -> its place in needles, their lengths.
        self._dotted: dict[int, dict[str, list[tuple[int, int]]]] = {}
        self._around: dict[str, list[tuple[int, int]]] = {}  # gram -> its place in needles, their lengths
        self._short: list[int] = []  # lengths of needles too short to show a gram

    def add(self, number: int, needle: str) -> bool:
        """Add a needle of a list; False where too many lengths look alike."""
        needle = needle.lower()
        if needle not in self._lists and not self._index(needle):
            return False
        known = self._lists.get(needle, ())
        if number not in known:
            self._lists[needle] = (*known, number)
        return True

    def _index(self, needle: str) -> bool:
        length, dot = len(needle), needle.find(".")
        if 0 <= dot <= length - _AFTER:
            before = min(dot, _BEFORE)
            around = self._dotted.setdefault(before, {}).setdefault(needle[dot - before : dot + _AFTER], [])
            if (dot, length) in around:
                return True
            if len(around) < LENGTHS_MAX:
                around.append((dot, length))
                return True
        if length < _GRAM + _STRIDE - 1:
            if length not in self._short:
                self._short.append(length)
            return True
        grams = [(needle[at : at + _GRAM], at) for at in range(_STRIDE)]
        for gram, at in grams:
            known = [each for each in self._around.get(gram, ()) if each[0] == at]
            if len(known) >= LENGTHS_MAX and (at, length) not in known:
                return False
        for gram, at in grams:
            around = self._around.setdefault(gram, [])
            if (at, length) not in around:
                around.append((at, length))
        return True

    def only(self, numbers: Set[int]) -> Needles:
        """Return the needles of some lists."""
        some = Needles()
        for needle, lists in self._lists.items():
            for number in lists:
                if number in numbers:
                    some.add(number, needle)
        return some

    def find(self, text: str) -> dict[int, str]:
        """Return each list that has a needle in a text, with its longest one, the first of several."""
        found: dict[int, tuple[int, int, str]] = {}  # list -> minus the length, the place, the needle
        text = text.lower()
        if len(self._lists) <= _FEW:
            for needle in self._lists:
                if needle in text:
                    self._note(text.find(needle), needle, found)
        else:
            dot = text.find(".")
            while dot >= 0:
                for before, dotted in self._dotted.items():
                    for back, length in dotted.get(text[dot - before : dot + _AFTER], ()):
                        if back <= dot:
                            self._try(text, dot - back, length, found)
                dot = text.find(".", dot + 1)
            if self._around or self._short:
                self._everywhere(text, found)
        return {number: needle for number, (_, _, needle) in found.items()} if found else {}

    def _everywhere(self, text: str, found: dict[int, tuple[int, int, str]]) -> None:
        around = self._around
        places = range(0, len(text) - _GRAM + 1, _STRIDE)
        for at in [at for at in places if text[at : at + _GRAM] in around]:
            for back, length in around[text[at : at + _GRAM]]:
                if back <= at:
                    self._try(text, at - back, length, found)
        for length in self._short:
            for at in range(len(text)):
                self._try(text, at, length, found)

    def _try(self, text: str, at: int, length: int, found: dict[int, tuple[int, int, str]]) -> None:
        needle = text[at : at + length]
        if needle in self._lists:
            self._note(at, needle, found)

    def _note(self, at: int, needle: str, found: dict[int, tuple[int, int, str]]) -> None:
        here = (-len(needle), at, needle)
        for number in self._lists[needle]:
            if number not in found or here < found[number]:
                found[number] = here

    def __len__(self) -> int:
        """Return how many needles there are."""
        return len(self._lists)
