"""Plain pages: everything in order, where nothing has to be asked of single objects.

Most pages are plain: every entry is of a class that is released as first stated, each object is stated once, none is a
relay. Then what goes out is found by class and taken from the store in one step, as its producer wrote it, three times
as fast as object by object. Whatever is not plain is left to `seeing`, which gives the same page.

Rules: a page is plain or it is None: never a guess. Classes are decided for each page as everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.limits import SEEN_PAGE_BYTES_MAX
from comity.node.correspondents import Correspondent
from comity.node.node import Node
from comity.node.openings import UNSEEN, Openings
from comity.node.ports import Log, Unit, place, position
from comity.node.releases import Class
from comity.vocab import Tlp

FEW: Final = 16_384  # new rows looked at by themselves; more are found by looking at all

Class_ = tuple[int, int]


class Plain(NamedTuple):
    """A plain page."""

    bodies: list[bytes]
    places: list[int]  # positions, in the same order
    word: str  # what holds of all of them, see `openings`
    first: int  # microseconds: when the first was added
    last: int
    more: bool
    times: list[int]  # microseconds: when each was added, in the same order


class Restated:
    """Knows which entries carry an object that other entries carry, too: those have to be looked at one by one."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._filled = -1
        self._sizes: dict[int, int] = {}
        self._known: set[int] = set()

    def places(self, unit: Unit) -> set[int]:
        """Return their positions, by what was folded up to now."""
        sizes = {log.id: log.size for log in unit.logs.all()}
        if sizes == self._sizes and self._filled == self._node.filled:
            return self._known
        grown = [(log_id, self._sizes.get(log_id, 0), size) for log_id, size in sizes.items()]
        if self._filled != self._node.filled or sum(size - old for _, old, size in grown) > FEW:
            self._known = {int(row[0] or 0) for row in unit.views.repeated(intel.STATED)}
        else:
            for log_id, old, size in grown:
                if size > old:
                    self._known |= _repeated(unit, position(log_id, old), position(log_id, size - 1))
        self._sizes, self._filled = sizes, self._node.filled
        return self._known


def _repeated(unit: Unit, first: int, last: int) -> set[int]:
    """Return the positions of all entries of objects that a run of entries carries, where there are several."""
    rows: Sequence[tuple[Any, ...]] = unit.views.scan(intel.OBJECT, first, last, limit=FEW)
    numbers = sorted({intel.object_number(row[1]) for row in rows})
    by: dict[int, list[int]] = {}
    stated: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", numbers) if numbers else ()
    for at, number, _ in stated:
        by.setdefault(number, []).append(at)
    return {at for some in by.values() if len(some) > 1 for at in some}


class PlainPage:
    """A page while it is gathered."""

    def __init__(self, node: Node, openings: Openings, who: Correspondent, limit: int, tlp: Tlp | None) -> None:
        self._node = node
        self._openings = openings
        self._who = who
        self._limit = limit
        self._tlp = tlp
        self._words: dict[tuple[int, Class_], str | None] = {}
        self._bodies: list[bytes] = []
        self._places: list[int] = []
        self._times: list[int] = []
        self._word: str | None = None
        self._size = 0

    @property
    def room(self) -> int:
        """Return how many more objects are asked for."""
        return self._limit - len(self._bodies)

    def take(self, unit: Unit, log: Log, step: Sequence[tuple[int, int]], restated: set[int]) -> bool:
        """Add entries, given as (added, position); return False where they are not plain."""
        first, last = place(step[0][1])[1], place(step[-1][1])[1] + 1
        allowed: list[Class_] = []
        for pair in unit.entries.classes(log.id, first, last):
            word = self._word_of(unit, log, pair)
            if word is None:
                return False
            if word not in UNSEEN:
                if self._word not in {None, word}:
                    return False
                self._word = word
                allowed.append(pair)
        if not allowed:
            return True
        rows = unit.entries.bodies(log.id, first, last, allowed, intel.OBJECT)
        if len(step) < last - first:
            chosen = {at for _, at in step}
            rows = [row for row in rows if row[0] in chosen]
        places = [at for at, _ in rows]
        if restated and not restated.isdisjoint(places):
            return False
        bodies = [body for _, body in rows]
        self._size += sum(map(len, bodies))
        if self._size > SEEN_PAGE_BYTES_MAX:
            return False
        if len(places) == len(step):
            self._times += [added for added, _ in step]
        else:
            added = {at: when for when, at in step}
            self._times += [added[at] for at in places]
        self._bodies += bodies
        self._places += places
        return True

    def _word_of(self, unit: Unit, log: Log, pair: Class_) -> str | None:
        """Return the word of a class; None where its entries have to be looked at one by one."""
        key = log.id, pair
        if key not in self._words:
            header = self._node.header(unit.entries.header(pair[0]))
            word: str | None = self._openings.word_of(unit, self._who, log, Class(*pair))
            if header.relayed is not None:
                word = None
            elif self._tlp is not None and word not in UNSEEN:
                acted = msgspec.json.decode(unit.entries.standing(pair[1]), type=Standing)
                label = narrowed(header.marking, acted).tlp if header.marking else None
                if label is None or label.rank > self._tlp.rank:
                    word = next(iter(UNSEEN))
            self._words[key] = word
        return self._words[key]

    def page(self, after: int, *, more: bool) -> Plain:
        """Return the page; `after` is where it began."""
        first, last = (self._times[0], self._times[-1]) if self._times else (after, after)
        return Plain(self._bodies, self._places, self._word or "", first, last, more, self._times)
