"""What a correspondent sees, a page at a time or by id, whatever channel it asks by; and noting what it was given.

Rules: only what was opened to it is looked at (`openings`), and every class of it is decided again. The order is that
in which entries were added, each at a time of its own, which is all that a cursor has to hold.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.errors import Misuse, NotFound
from comity.limits import SEEN_PAGE_BYTES_MAX, SEEN_PAGE_OBJECTS_MAX, SEEN_SCAN_ENTRIES_MAX
from comity.node import correspondents, deliveries, openings, views
from comity.node.correspondents import Correspondent
from comity.node.deliveries import BLOCK, Grade
from comity.node.node import Node
from comity.node.openings import UNSEEN, Moment, Opening, Openings
from comity.node.plain import Plain, PlainPage, Restated
from comity.node.ports import Log, Unit, place, position
from comity.node.queries import Queries
from comity.node.releases import class_runs
from comity.node.spans import Run, both, runs
from comity.vocab import Channel, Held, Tlp

STEP: Final = 1_024  # entries looked at together


class Wanted(msgspec.Struct, frozen=True):
    """What of all that is opened is asked for; what is left out asks for nothing."""

    after: int = 0  # microseconds: added later than this
    types: frozenset[int] = frozenset()  # codes, see `intel.type_code`
    uuids: frozenset[bytes] = frozenset()
    accord: str = ""  # stated in this accord, by anybody
    tlp: Tlp | None = None  # marked with at most this, as narrowed since
    fits: Callable[[int], bool] | None = None  # asked of positions, last


class Seen(NamedTuple):
    """One object that a correspondent may have."""

    position: int
    added: int  # microseconds since the epoch, different for every entry: also where to go on
    uuid: bytes
    type: int
    modified: int  # microseconds
    word: str  # "" as first stated; else a digest of how it was narrowed
    body: bytes  # its producer's own; empty where none was asked for


class Page(NamedTuple):
    """Objects in the order in which they were added."""

    objects: tuple[Seen, ...]
    after: int  # where the next page begins: `Wanted.after`
    more: bool  # whether there is, or may be, more


class Seeing:
    """Answers correspondents, by whatever channel they ask."""

    def __init__(self, node: Node, openings_: Openings, queries: Queries) -> None:
        self._node = node
        self._openings = openings_
        self._queries = queries
        self._restated = Restated(node)

    def page(self, who: Correspondent, wanted: Wanted, *, limit: int, bodies: bool = True) -> Page:
        """Return what a correspondent may see, a page at a time. Raises `Refused` while it does not take part."""
        if not 1 <= limit <= SEEN_PAGE_OBJECTS_MAX:
            raise Misuse(f"a page has from 1 to {SEEN_PAGE_OBJECTS_MAX} objects (SEEN_PAGE_OBJECTS_MAX)")
        self._openings.refresh(who)
        return self._page(who, wanted, limit, bodies=bodies)

    def plain(self, who: Correspondent, wanted: Wanted, *, limit: int) -> Plain | None:
        """Return the page that `page` would, where every version counts as the last, if it is plain; else None."""
        self._openings.refresh(who)
        if wanted.types or wanted.uuids or wanted.fits is not None:
            return None
        page = PlainPage(self._node, self._openings, who, limit, wanted.tlp)
        looked = 0
        with self._node.store.read() as unit:
            restated = self._restated.places(unit)
            for _, step in self._steps(unit, who, wanted, wanted.after):
                log = unit.logs.get(place(step[0][1])[0])
                looked += len(step)
                if looked > SEEN_SCAN_ENTRIES_MAX or (wanted.accord and log.own):
                    return None  # what this party stated in an accord is asked of each entry
                rest = step
                while rest:
                    if not page.room:
                        return page.page(wanted.after, more=True)
                    some, rest = rest[: page.room], rest[page.room :]
                    if not page.take(unit, log, some, restated):
                        return None
        return page.page(wanted.after, more=False)

    def moment(self, who: Correspondent) -> Moment:
        """Return a moment: while its mark stays, and until it has passed, every page is the same. Raises as `page`."""
        return self._openings.refresh(who)

    def _page(self, who: Correspondent, wanted: Wanted, limit: int, *, bodies: bool) -> Page:
        found: list[Seen] = []
        after, size, looked = wanted.after, 0, 0
        with self._node.store.read() as unit:
            for at, step in self._steps(unit, who, wanted, after):
                looked += STEP
                for one in self._seen(unit, who, wanted, at, step, bodies=bodies):
                    if len(found) == limit or (size + len(one.body) > SEEN_PAGE_BYTES_MAX and found):
                        return Page(tuple(found), after, more=True)
                    found.append(one)
                    size += len(one.body)
                    after = one.added
                after = max(after, step[-1][0])
                if looked >= SEEN_SCAN_ENTRIES_MAX:
                    return Page(tuple(found), after, more=True)
        return Page(tuple(found), after, more=False)

    def at(self, who: Correspondent, places: Sequence[tuple[int, int]], *, bodies: bool = True) -> list[Seen]:
        """Return what a correspondent may see now of some entries, given as (added, position), in their order."""
        self._openings.refresh(who)
        found: list[Seen] = []
        with self._node.store.read() as unit:
            for step in _steps_of(places):
                found += self._seen(unit, who, Wanted(), step[0][1], step, bodies=bodies)
        return found

    def opened(self, who: Correspondent, places: Sequence[int]) -> set[int]:
        """Return which of some entries are opened to a correspondent, and released to it now."""
        self._openings.refresh(who)
        found: set[int] = set()
        with self._node.store.read() as unit:
            for step in _steps_of([(0, at) for at in sorted(places)]):
                log = unit.logs.get(place(step[0][1])[0])
                words = self._openings.words(unit, who, log, place(step[0][1])[1], place(step[-1][1])[1] + 1)
                for _, at in step:
                    word = words.get(place(at)[1])
                    if word is not None and word not in UNSEEN and openings.added(unit, who, at) is not None:
                        found.add(at)
        return found

    def object(self, who: Correspondent, ident: str, wanted: Wanted | None = None) -> list[Seen]:
        """Return the versions of one object that a correspondent may see, in the order of `page`; none: `NotFound`.

        `wanted` says what else must fit; its `after` is not looked at.
        """
        self._openings.refresh(who)
        uuid = intel.uuid_of(ident)
        wanted = msgspec.structs.replace(wanted or Wanted(), uuids=frozenset({uuid}))
        found: list[Seen] = []
        with self._node.store.read() as unit:
            places = sorted(
                int(row[0] or 0) for row in unit.views.find_many(intel.STATED, "object", [intel.object_number(uuid)])
            )
            for at in places:
                added = openings.added(unit, who, at)
                if added is not None and self._may_fit(wanted, unit.logs.get(place(at)[0])):
                    found += self._seen(unit, who, wanted, at, [(added, at)], bodies=True)
        named = [one for one in found if intel.type_name(one.type) in {ident.partition("--")[0], "custom"}]
        if not named:
            # One answer for "none" and "not for you".
            raise NotFound(f"no object {ident} is held here")
        return sorted(named, key=lambda one: one.added)

    def given(self, audience: str, channel: Channel, grade: Grade, places: Sequence[int]) -> None:
        """Note that what was decided elsewhere (an export, a list) was given to a correspondent; before it leaves."""
        with self._node.store.write() as unit:
            who = correspondents.by_audience(unit, audience)
            if who is None:
                raise NotFound(f"{audience} is not registered")
            words: dict[str, array[int]] = {}
            for run in class_runs(unit, places):
                word = self._openings.word_of(unit, who, unit.logs.get(run.log_id), run.which)
                words.setdefault(word, array("q")).extend(run.places)
            for word, some in words.items():
                deliveries.note(self._node, unit, audience, channel, grade, some, word)

    def give(self, who: Correspondent, channel: Channel, grade: Grade, seen: Sequence[Seen]) -> None:
        """Note that objects were sent to, fetched or acknowledged by a correspondent; before they leave."""
        words: dict[str, list[int]] = {}
        for one in seen:
            words.setdefault(one.word, []).append(one.position)
        self._give(who, channel, grade, words)

    def give_plain(self, who: Correspondent, channel: Channel, grade: Grade, page: Plain) -> None:
        """Note the same of a plain page."""
        self._give(who, channel, grade, {page.word: page.places} if page.places else {})

    def _give(self, who: Correspondent, channel: Channel, grade: Grade, words: dict[str, list[int]]) -> None:
        if not words:
            return
        with self._node.store.read() as unit:
            if not any(
                deliveries.is_news(self._node, unit, who.audience, channel, grade, places, word)
                for word, places in words.items()
            ):
                return  # to write nothing is a tenth of the work of finding so in a unit that may write
        with self._node.store.write() as unit:
            for word, places in words.items():
                deliveries.note(self._node, unit, who.audience, channel, grade, places, word)

    # -- walking what is opened --------------------------------------------------

    def _steps(
        self, unit: Unit, who: Correspondent, wanted: Wanted, after: int
    ) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Yield entries opened after a time, in steps within one log and block: (position, [(added, position)])."""
        last = openings.reach_of(unit, who).openings
        number = _first(unit, who, last, after)
        while number <= last:
            opening = openings.opening_of(unit, who, number)
            log = unit.logs.find(opening.origin)
            if log is not None and self._may_fit(wanted, log):
                for step in _pieces(unit, who, opening, number, log, after):
                    yield step[0][1], step
            number += 1

    def _may_fit(self, wanted: Wanted, log: Log) -> bool:
        accord = canon.parse_origin(log.origin)[1]
        return not wanted.accord or accord is None or accord == wanted.accord

    def _seen(
        self,
        unit: Unit,
        who: Correspondent,
        wanted: Wanted,
        at: int,
        step: Sequence[tuple[int, int]],
        *,
        bodies: bool,
    ) -> Iterator[Seen]:
        """Yield what of a step fits and is released now, with its bytes."""
        log = unit.logs.get(place(at)[0])
        first, last = place(step[0][1])[1], place(step[-1][1])[1] + 1
        words = self._openings.words(unit, who, log, first, last)
        rows = {row[0]: row for row in unit.views.scan(intel.OBJECT, step[0][1], step[-1][1], limit=last - first)}
        if wanted.tlp is not None:
            marked = self._marked(unit, log, first, last, wanted.tlp)
            step = [one for one in step if one[1] in marked]
        chosen: list[tuple[int, int]] = []
        for added, where in step:
            row = rows.get(where)
            word = words.get(place(where)[1])
            if row is None or word is None or word in UNSEEN:
                continue
            if self._fits(unit, wanted, log, row):
                chosen.append((added, where))
        held = self._bodies(unit, log, [where for _, where in chosen]) if bodies else {}
        for added, where in chosen:
            row = rows[where]
            uuid, code, modified = row[1], row[2], row[3]
            assert isinstance(uuid, bytes)
            yield Seen(
                where, added, uuid, int(code or 0), int(modified or 0), words[place(where)[1]], held.get(where, b"")
            )

    def _marked(self, unit: Unit, log: Log, first: int, last: int, tlp: Tlp) -> set[int]:
        """Return the positions of a run that are marked with at most a level now."""
        fits: dict[tuple[int, int], bool] = {}
        found: set[int] = set()
        for brief in unit.entries.brief(log.id, first, last):
            which = brief.header_id, brief.standing_id
            if brief.held is Held.PAYLOAD and which not in fits:
                header = self._node.header(unit.entries.header(brief.header_id))
                acted = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
                label = narrowed(header.marking, acted).tlp if header.marking else None
                fits[which] = label is not None and label.rank <= tlp.rank
            if fits.get(which, False):
                found.add(brief.position)
        return found

    def _fits(self, unit: Unit, wanted: Wanted, log: Log, row: tuple[Any, ...]) -> bool:
        at, uuid, code = row[0], row[1], row[2]
        if (wanted.types and code not in wanted.types) or (wanted.uuids and uuid not in wanted.uuids):
            return False
        if wanted.accord and log.own and not self._passed_to(unit, at, wanted.accord):
            return False
        return wanted.fits is None or wanted.fits(at)

    def _passed_to(self, unit: Unit, at: int, accord: str) -> bool:
        for row in unit.views.find(views.PASSED, {"source": at}, limit=64):
            if canon.parse_origin(unit.logs.get(place(int(row[0] or 0))[0]).origin)[1] == accord:
                return True
        return False

    def _bodies(self, unit: Unit, log: Log, places: Sequence[int]) -> dict[int, bytes]:
        if not places:
            return {}
        found: dict[int, bytes] = {}
        for start, end in runs([place(at)[1] for at in places]):
            for entry in unit.entries.read(log.id, start, end):
                if entry.header is None or entry.body is None:
                    continue
                relayed = self._node.header(entry.header).relayed is not None
                found[entry.position] = self._queries.body(unit, entry.position) if relayed else entry.body
        return found


def _steps_of(places: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield (added, position) in steps within one log whose positions ascend and are near to one another."""
    step: list[tuple[int, int]] = []
    for one in places:
        if step and not (
            place(step[0][1])[0] == place(one[1])[0] and step[-1][1] < one[1] < step[0][1] + STEP and len(step) < STEP
        ):
            yield step
            step = []
        step.append(one)
    if step:
        yield step


def _first(unit: Unit, who: Correspondent, last: int, after: int) -> int:
    """Return the number of the first opening with an entry added after a time: they are in the order of time."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        opening = openings.opening_of(unit, who, middle)
        if opening.base + opening.count - 1 > after:
            high = middle
        else:
            low = middle + 1
    return low


def _pieces(
    unit: Unit, who: Correspondent, opening: Opening, number: int, log: Log, after: int
) -> Iterator[list[tuple[int, int]]]:
    """Yield (added, position) of an opening's entries after a time, in steps of one block, without what was closed."""
    base = opening.base
    block = -1
    still: tuple[Run, ...] = ()
    for start, end in opening.runs:
        at = max(start, start + after + 1 - base)
        while at < end:
            if at // BLOCK != block:
                block = at // BLOCK
                still = openings.opened_of(unit, who, log, block).get(number, ())
            stop = min(end, at + STEP, (block + 1) * BLOCK)
            step = [(base + i - start, position(log.id, i)) for run in both([(at, stop)], still) for i in range(*run)]
            if step:
                yield step
            at = stop
        base += end - start
