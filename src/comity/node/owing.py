"""What correspondents are still to be told: what they were given and may have no longer, or only more narrowly.

Rules: everything that was given is looked at, by every channel it went by, whether the correspondent still takes part
or not. What holds of an entry now is compared with what it was last told by that channel. It is owed until an adapter
says that it told it, or the correspondent acknowledged it. Retracted, narrowed, erased: with the author's own reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from comity.acts import AnyAct, Narrow, Retract, Standing, Tombstone, narrowed
from comity.errors import ComityError
from comity.formats.stix.strict import ident_of
from comity.limits import OWED_PAGE_MAX
from comity.node import correspondents, deliveries
from comity.node.correspondents import Correspondent
from comity.node.deliveries import Block
from comity.node.node import Node
from comity.node.openings import ERASED, RETRACTED, WITHHELD, Openings
from comity.node.ports import Log, Unit, place, position
from comity.node.queries import Queries
from comity.node.releases import Class
from comity.node.spans import both, runs
from comity.statement import Marking
from comity.vocab import Channel, Held

NARROWED: Final = "narrowed"


class Owed(NamedTuple):
    """One thing that a correspondent was given by a channel and is to be told of."""

    position: int
    statement: str  # `<origin>#<index>`
    id: str  # of the STIX object; empty where its bytes were lost before anybody could tell
    what: str  # retracted, narrowed, erased or withheld (no longer released, though no act says so)
    reason: str  # the author's
    marking: Marking | None  # that holds now; None where nothing may be done with it any more
    word: str  # hand it back to `told`


class Owing:
    """Finds what is owed, and notes what was told."""

    def __init__(self, node: Node, openings: Openings, queries: Queries) -> None:
        self._node = node
        self._openings = openings
        self._queries = queries
        self._clear: dict[tuple[str, Channel], tuple[int, int, int]] = {}

    def owed(self, who: Correspondent, channel: Channel, *, limit: int = OWED_PAGE_MAX) -> list[Owed]:
        """Return what a correspondent is still to be told by a channel, in the order of statements."""
        key = who.audience, channel
        with self._node.store.read() as unit:
            # An hour at most, for consents and terms run out without anybody's act.
            now = (self._node.epoch, self._node.standings, self._node.now() // 3_600)
            if self._clear.get(key) == now:
                return []
            found: list[Owed] = []
            for one in self._all(unit, who, channel):
                found.append(one)
                if len(found) == limit:
                    return found
        if not found:
            self._clear[key] = now
        return found

    def told(self, who: Correspondent, channel: Channel, items: Sequence[Owed]) -> None:
        """Note that a correspondent was told of these by a channel: they are owed no more."""
        words: dict[str, list[int]] = {}
        for one in items:
            words.setdefault(one.word, []).append(one.position)
        with self._node.store.write() as unit:
            for word, places in words.items():
                deliveries.told(unit, who.audience, channel, places, word)

    def told_of(self, who: Correspondent, channel: Channel, places: Iterable[int]) -> None:
        """Note that a correspondent was told by a channel what holds by now of some entries that it was given."""
        with self._node.store.write() as unit:
            words: dict[str, list[int]] = {}
            for at in places:
                word = self._openings.word(unit, who, at)
                if word:
                    words.setdefault(word, []).append(at)
            for word, some in words.items():
                deliveries.told(unit, who.audience, channel, some, word)

    def replaced(self, audience: str, channel: Channel) -> None:
        """Note that a channel gave a correspondent all that it may have, in place of what it had: that tells it all."""
        with self._node.store.read() as unit:
            who = correspondents.by_audience(unit, audience)
        while who is not None and (items := self.owed(who, channel)):
            self.told(who, channel, items)

    def state(self, unit: Unit, who: Correspondent, channel: Channel, at: int) -> str:
        """Return "" while an entry stands as it was first given, else whether a correspondent was told: told, owed."""
        word = self._openings.word(unit, who, at)
        if not word:
            return ""
        return "told" if deliveries.knows(unit, who.audience, channel, at, word) else "owed"

    def _all(self, unit: Unit, who: Correspondent, channel: Channel) -> Iterator[Owed]:
        for _, origin, _, block in deliveries.blocks(unit, who.audience, channel):
            log = unit.logs.find(origin)
            if log is not None:
                yield from self._of_block(unit, who, log, block)

    def _of_block(self, unit: Unit, who: Correspondent, log: Log, block: Block) -> Iterator[Owed]:
        given = block.given
        if not given:
            return
        first, end = given[0][0], given[-1][1]
        classes = [Class(*pair) for pair in unit.entries.classes(log.id, first, end)]
        words = {which: self._openings.word_of(unit, who, log, which) for which in classes}
        erased = any(held is Held.ERASED for _, _, held in unit.entries.held_runs(log.id, first, end))
        if not erased and not any(words.values()):
            return  # as first given, all of it
        differ: dict[str, list[int]] = {}
        for start, end in given:
            for brief in unit.entries.brief(log.id, start, end):
                if brief.held is Held.ERASED:
                    word = ERASED
                elif brief.held is Held.PAYLOAD:
                    word = words[Class(brief.header_id, brief.standing_id)]
                else:
                    continue
                if word:  # what is as first given is owed to nobody
                    differ.setdefault(word, []).append(place(brief.position)[1])
        for word, indexes in sorted(differ.items()):
            known = both(runs(indexes), block.words.get(word, ()))
            told = {index for run in known for index in range(*run)}
            for index in indexes:
                if index not in told:
                    yield self._owed(unit, log, index, word)

    def _owed(self, unit: Unit, log: Log, index: int, word: str) -> Owed:
        at = position(log.id, index)
        what = word if word in {ERASED, RETRACTED, WITHHELD} else NARROWED
        (brief,) = unit.entries.brief(log.id, index, index + 1)
        marking = None
        if what == NARROWED:
            header = self._node.header(unit.entries.header(brief.header_id))
            standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
            marking = narrowed(header.marking, standing) if header.marking else None
        name = deliveries.name_of_erased(unit, at) if what == ERASED else ident_of(self._queries.body(unit, at))
        return Owed(at, f"{log.origin}#{index}", name, what, self._reason(unit, log, index, what), marking, word)

    def _reason(self, unit: Unit, log: Log, index: int, what: str) -> str:
        """Return what the author says in the newest act of that sort."""
        kinds: dict[str, type[AnyAct]] = {ERASED: Tombstone, RETRACTED: Retract, NARROWED: Narrow, WITHHELD: Narrow}
        for _, _, where in sorted(unit.spans.about(log.origin, index, index + 1), key=lambda one: -one[2]):
            try:
                act = self._node.act(unit, where)[0]
            except ComityError:
                continue
            if isinstance(act, kinds[what]):
                return str(getattr(act, "reason", ""))
        return ""
