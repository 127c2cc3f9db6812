"""The objects of a saved collection as a correspondent or program meets them: each since it was found to be in it.

An object may come into a collection long after it was released, so when it was released says nothing to somebody who
reads the collection on from where they stood. Each gets a time of its own when it is first found there.

Rules: times only grow. What left the collection, or is not released any more, is not shown, and has its time back if it
returns. Kept are times and positions, nothing of the objects.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from comity.node.correspondents import Correspondent
from comity.node.node import Node
from comity.node.openings import MICROSECONDS
from comity.node.seeing import Page, Seeing, Seen

SHELF: Final = "gathered"  # `<audience> <collection> <number>` -> [(first time, positions)]
_Part = tuple[int, list[int]]


@dataclass(slots=True)
class _Gathered:
    parts: int = 0
    last: int = 0  # microseconds: of the newest
    places: list[tuple[int, int]] = field(default_factory=list)  # (added, position), ascending
    known: dict[int, int] = field(default_factory=dict)  # position -> added


class Gathering:
    """Keeps since when objects are in collections."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._kept: dict[tuple[str, str], _Gathered] = {}

    def gather(self, seeing: Seeing, who: Correspondent, name: str, places: Collection[int]) -> None:
        """Give what is in a collection by now, and may be seen, its time where it has none yet."""
        kept = self._of(who, name)
        fresh = seeing.opened(who, [at for at in places if at not in kept.known])
        if not fresh:
            return
        first = max(kept.last + 1, self._node.now() * MICROSECONDS)
        part: _Part = first, sorted(fresh)
        with self._node.store.write() as unit:
            unit.documents.put(SHELF, f"{who.audience} {name} {kept.parts:08}", msgspec.msgpack.encode(part))
        _add(kept, part)

    def page(
        self,
        seeing: Seeing,
        who: Correspondent,
        name: str,
        places: Collection[int],
        after: int,
        *,
        limit: int,
        bodies: bool,
    ) -> Page:
        """Return a page of a collection, whose entries are `places` now; `Seen.added` is since when it is in it."""
        kept = self._of(who, name)
        low, high = 0, len(kept.places)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if kept.places[middle][0] <= after else (low, middle)
        run = kept.places[low : low + limit]
        found: Sequence[Seen] = seeing.at(who, [one for one in run if one[1] in places], bodies=bodies)
        return Page(tuple(found), run[-1][0] if run else after, more=low + limit < len(kept.places))

    def since(self, who: Correspondent, name: str, at: int) -> int | None:
        """Return since when an entry is in a collection, in microseconds; None where it never was."""
        return self._of(who, name).known.get(at)

    def _of(self, who: Correspondent, name: str) -> _Gathered:
        kept = self._kept.get((who.audience, name))
        if kept is None:
            kept = self._kept[who.audience, name] = _Gathered()
            with self._node.store.read() as unit:
                for _, data in unit.documents.all(SHELF, f"{who.audience} {name} "):
                    _add(kept, msgspec.msgpack.decode(data, type=_Part))
        return kept


def _add(kept: _Gathered, part: _Part) -> None:
    first, places = part
    kept.parts += 1
    kept.places += list(enumerate(places, first))
    kept.known.update(zip(places, range(first, first + len(places)), strict=True))
    kept.last = first + len(places) - 1
