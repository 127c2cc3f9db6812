"""Indexes kept in memory while everything they were made of stays as it is, for servers that ask for the same ones.

Rules: an answer is kept for one reader's question and as long as the mark of its catalogue stays. Nothing is given by
an index but names and times, so that no receipt belongs to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from comity.limits import MISP_KEPT_BYTES
from comity.surfaces.misp.answers import Answer

LARGEST: Final = MISP_KEPT_BYTES // 2


class Kept:
    """Answers by question, the longest unused given up first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Hashable, Answer]] = OrderedDict()
        self._bytes = 0

    def answer(self, key: Hashable, mark: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, made anew where the mark is another."""
        known = self._known.get(key)
        if known is not None and known[0] == mark:
            self._known.move_to_end(key)
            return known[1]
        answer = make()
        before = self._known.pop(key, None)
        self._bytes -= len(before[1].body) if before else 0
        if len(answer.body) <= LARGEST:
            self._known[key] = mark, answer
            self._bytes += len(answer.body)
        while self._bytes > MISP_KEPT_BYTES:
            _, (_, oldest) = self._known.popitem(last=False)
            self._bytes -= len(oldest.body)
        return answer
