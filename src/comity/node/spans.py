"""Runs of indexes as sorted pairs (start, end): joined, cut, compared."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeVar

Run = tuple[int, int]
What = TypeVar("What")


def joined(runs: Iterable[Run]) -> list[Run]:
    """Return the same indexes as few ascending runs as can be."""
    found: list[Run] = []
    for start, end in sorted(runs):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(runs: Iterable[Run], known: Sequence[Run]) -> list[Run]:
    """Return what of some runs is in none of the known ones (ascending, apart)."""
    found: list[Run] = []
    for start, end in runs:
        at = start
        for begin, stop in known[max(0, bisect_right(known, (start, start)) - 1) :]:
            if begin >= end:
                break
            if begin > at:
                found.append((at, begin))
            at = max(at, stop)
        if at < end:
            found.append((at, end))
    return found


def both(runs: Sequence[Run], known: Sequence[Run]) -> list[Run]:
    """Return what is in some runs and in the known ones (ascending, apart)."""
    return without(runs, without(runs, known))


def runs(indexes: Sequence[int]) -> list[tuple[int, int]]:
    """Return indexes as ascending runs (start, end); a million of them in a few runs come in order as a rule."""
    found: list[tuple[int, int]] = []
    start = end = -1
    for index in indexes:
        if index == end:
            end += 1
            continue
        if index < end:  # not in order, or given twice
            return runs(sorted(set(indexes)))
        if end > start:
            found.append((start, end))
        start, end = index, index + 1
    return [*found, (start, end)] if end > start else found


def covered(
    start: int, end: int, known: Iterable[tuple[int, int, What]], otherwise: What
) -> list[tuple[int, int, What]]:
    """Return a run without gaps: the known ones in it (ascending, apart), and one thing for all between them."""
    found: list[tuple[int, int, What]] = []
    for first, stop, what in known:
        if start < first:
            found.append((start, first, otherwise))
        found.append((first, stop, what))
        start = stop
    return [*found, (start, end, otherwise)] if start < end else found
