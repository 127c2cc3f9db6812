"""The events of a reader: what it sees, put together as MISP has it ([ADR 14](docs/adr/0014-misp-server.md)).

A report or grouping is an event of its own UUID and holds what it names; what came of a MISP event is that event again.
What nothing names stands in an event for its creator, its label and the day it was made. Sightings, opinions and
relationships stand with what they are about.

Rules: an object belongs to one event, for MISP takes a UUID once; others that name it show a copy under a UUID that
follows from both. A report draws to itself only what its own author says, and nothing that was given elsewhere: nobody
moves another's attributes. Only what the reader sees has a part in it, so that two readers may have two groupings.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from comity.areas import intel
from comity.formats.convert import NAMESPACE
from comity.formats.misp import rest
from comity.formats.misp.hanging import GALAXIES
from comity.formats.misp.marking import strictest
from comity.formats.misp.rest import NUMBER_MAX
from comity.node import correspondents
from comity.node.node import Node
from comity.node.openings import Moment
from comity.node.ports import Unit, place, position
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.had import Given, Had, gone
from comity.surfaces.misp.things import GATHERERS, MICROSECONDS, Sayer, Thing, Walk
from comity.vocab import Tlp

HANGING: Final = frozenset({"sighting", "opinion", "relationship", "note"})  # stand with what they are about
_COUNTED: Final = frozenset({"sighting", "opinion"})  # change `sighting_timestamp` alone
_NOWHERE: Final = frozenset(
    {"identity", "marking-definition", "extension-definition", "language-content", "sighting", "opinion"}
    | {"relationship", "location"}
)
_DATED: Final = frozenset({"indicator", "observed-data", "note", "vulnerability", "threat-actor", "campaign"})
Mark = tuple[int, int, int, int]
ENTRIES_TRIES: Final = 8  # times that what is opened is looked for anew before a question is answered


class Org(NamedTuple):
    """An organisation, as MISP has them."""

    uuid: str
    name: str


class Sums(NamedTuple):
    """What the objects of an event add up to; times in seconds."""

    changed: int  # by their authors
    opened: int  # to the reader
    sighted: int
    state: bytes  # a digest of which they are and how narrowed
    level: Tlp | None  # the strictest


@dataclass(slots=True, eq=False)
class Event:
    """One event: what belongs to it, and copies of what belongs elsewhere."""

    uuid: str
    first: int  # microseconds: its place among events
    org: Org  # who made it
    owner: Org  # who put it on record
    day: str
    tlp: Tlp | None = None  # of an event of a day
    head: Thing | None = None
    members: dict[str, Thing] = field(default_factory=dict)
    copies: dict[str, Thing] = field(default_factory=dict)
    _sums: Sums | None = None

    @property
    def number(self) -> int:
        """Return its id as a number."""
        return number(self.uuid)

    @property
    def came_from_misp(self) -> bool:
        """Say whether it was an event of MISP's, whose own time moves whenever anything in it does."""
        return self.head is not None and any(label.startswith("misp:") for label in self.head.labels)

    def all(self) -> Iterator[Thing]:
        """Yield what is in it."""
        if self.head is not None:
            yield self.head
        yield from self.members.values()
        yield from self.copies.values()

    def touch(self) -> None:
        """Say that something of it has changed."""
        self._sums = None

    def sums(self) -> Sums:
        """Return what its objects add up to."""
        if self._sums is None:
            changed = opened = sighted = 0
            digests = []
            level = self.tlp
            for one in self.all():
                level = strictest(level, one.tlp)
                if one.kind in _COUNTED:
                    sighted = max(sighted, one.added // MICROSECONDS)
                    continue
                opened = max(opened, one.added)
                if one is self.head or (one.kind in _DATED and not self.came_from_misp):
                    changed = max(changed, min(one.modified, one.added))  # a date ahead of its time counts for nothing
                digests.append(f"{one.position} {one.word}")
            state = hashlib.sha256("\n".join(sorted(digests)).encode()).digest()[:8]
            self._sums = Sums((changed or opened) // MICROSECONDS, opened // MICROSECONDS, sighted, state, level)
        return self._sums


def number(uuid: str) -> int:
    """Return the number that an id is in MISP: of the UUID's digest, so that nothing has to be kept."""
    return intel.object_number(rest.raw(uuid)) & NUMBER_MAX


class Catalogue:
    """All events of one reader, kept up to what it sees."""

    def __init__(self, node: Node, pause: Callable[[], None]) -> None:
        self._node = node
        self._pause = pause  # lets others have their turn
        self._walk = Walk(node)
        self._busy = False
        self._until: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._mark: Mark | None = None
        self._sizes: dict[int, int] = {}  # of logs, up to which acts were looked at
        self.things: dict[str, Thing] = {}
        self.events: dict[str, Event] = {}
        self.given: Given | None = None
        self._after = -1
        self._order: list[Event] = []
        self._firsts: list[int] = []
        self._numbers: dict[int, str] = {}
        self._waiting: dict[str, list[Event]] = {}  # events by what they name and is not here
        self._about: dict[str, list[Thing]] = {}  # what hangs on something that is not here
        self.shown: dict[str, list[Thing]] = {}  # the observations that show an observed object
        self.copied: dict[str, list[Event]] = {}  # the events that show a copy of an object
        self._orgs: dict[tuple[Sayer, str], Org] = {}
        self._walk.forget()

    # -- keeping up ------------------------------------------------------------------

    def refresh(self, reader: Reader) -> Mark:
        """Take in what is new; return a mark that stays while nothing changes. Raises what `Seeing.moment` does.

        Others have their turn between two pages of a long walk; who asks for the same catalogue meanwhile waits.
        """
        while self._busy:
            self._pause()
        moment = reader.seeing.moment(reader.who)
        for _ in range(ENTRIES_TRIES):
            if moment.mark[0] >= 0:
                break
            moment = reader.seeing.moment(reader.who)
        if moment.mark != self._mark or moment.mark[0] < 0:
            self._busy = True
            try:
                self._walk_on(reader, moment)
            finally:
                self._busy = False
        return moment.mark

    def _walk_on(self, reader: Reader, moment: Moment) -> None:
        with self._node.store.read() as unit:
            anew = self._has_changed(unit, moment)
            sizes = {log.id: log.size for log in unit.logs.all()}
        if anew:
            self._clear()
        self._sizes = sizes
        if self.given is None and not reader.own:
            with self._node.store.read() as unit:
                self.given = Given(unit, reader.who.audience)
        touched: set[Event] = set()
        for number_, things in enumerate(self._walk.pages(reader, self._after)):
            if number_:
                self._pause()
            touched |= self._take(things)
            self._after = max((one.added for one in things), default=self._after)
        self._settle_given(None if anew else touched)
        self._mark, self._until = moment.mark, moment.until

    def _has_changed(self, unit: Unit, moment: Moment) -> bool:
        """Say whether anything that was taken in may be another by now: then all is taken in anew."""
        lapsed = self._until is not None and self._node.now() >= self._until
        if self._mark is None or lapsed or self._mark[2] != moment.mark[2]:
            return True
        if self._mark[3] == moment.mark[3]:
            return False
        places = sorted(thing.position for thing in self.things.values())
        for log in unit.logs.all():
            for start, end, act in unit.spans.about(log.origin, 0, log.size):
                log_id, index = place(act)
                first = bisect_left(places, position(log.id, start))
                known = first < len(places) and places[first] < position(log.id, end)
                if known and index >= self._sizes.get(log_id, 0):
                    return True
        return False

    def _settle_given(self, touched: set[Event] | None) -> None:
        """Note which events that were given are made of something else by now: all, or only of those touched."""
        if self.given is None:
            return
        now = self._node.now()
        news: list[tuple[str, Had]] = []
        ended: list[str] = []
        for uuid, had in self.given.all() if touched is None else _of(self.given, touched):
            event = self.events.get(uuid)
            if event is None:
                if not gone(had, (), now):
                    ended.append(uuid)
                    continue
                event = self._event(uuid, had.first, Org(*had.org), self._me(), "")
            state = event.sums().state
            if state not in (had.state, had.found):
                news.append((uuid, msgspec.structs.replace(had, changed=now, found=state)))
        if news or ended:
            with self._node.store.write() as unit:
                for uuid, had in news:
                    self.given.keep(unit, uuid, had)
                for uuid in ended:
                    self.given.forget(unit, uuid)

    # -- asking -----------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Return how many objects it knows."""
        return len(self.things)

    @property
    def last(self) -> int:
        """Return the place of the last event."""
        return self._firsts[-1] if self._firsts else -1

    def find(self, name: str) -> Event | None:
        """Return an event by its UUID or number."""
        uuid = self._numbers.get(int(name), "") if name.isascii() and name.isdigit() else name.lower()
        event = self.events.get(uuid)
        return event if event is not None and self.is_there(event) else None

    def is_there(self, event: Event) -> bool:
        """Say whether an event has anything in it, or anything of it is to be told as deleted."""
        if event.head is not None or event.members or event.copies:
            return True
        return self.given is not None and self.given.of(event.uuid) is not None

    def behind(self, first: int) -> Iterator[Event]:
        """Yield the events whose place is behind another, in their order."""
        for event in self._order[bisect_right(self._firsts, first) :]:
            if self.is_there(event):
                yield event

    def times(self, event: Event) -> tuple[int, int, int]:
        """Return an event's timestamp, publish_timestamp and sighting_timestamp, in seconds.

        Its timestamp is its author's while nobody was given anything else under it: an unchanged event never looks new.
        """
        changed, opened, sighted, state, _ = event.sums()
        had = self.given.of(event.uuid) if self.given is not None else None
        if had is None:
            return changed, opened, sighted
        published = max(opened, had.changed if had.found == state else 0)
        if had.state == state:
            return had.timestamp, published, sighted
        return max(changed, had.timestamp + 1, published), published, sighted

    def events_of(self, thing: Thing) -> list[Event]:
        """Return the events that show an object: its own first."""
        found = [thing.home] if isinstance(thing.home, Event) else []
        for one in self.shown.get(thing.ident, ()):
            found += self.events_of(one)
        return list(dict.fromkeys([*found, *self.copied.get(thing.ident, ())]))

    def org_of(self, thing: Thing) -> Org:
        """Return whose an object is shown to be."""
        return self._org(thing.sayer, thing.creator)

    def orgs(self) -> list[Org]:
        """Return every organisation that an event is of, this party's first."""
        return list(dict.fromkeys([self._me(), *(event.org for event in self._order if self.is_there(event))]))

    # -- putting together -----------------------------------------------------------

    def _take(self, things: Iterable[Thing]) -> set[Event]:
        """Take in objects; return the events that changed by them."""
        touched: set[Event] = set()
        fresh: list[Thing] = []  # to be settled
        told: list[Thing] = []  # new, or said anew by who said it
        for thing in things:
            known = self.things.get(thing.ident)
            if known is None:
                self.things[thing.ident] = thing
                fresh.append(thing)
                told.append(thing)
            elif known.sayer == thing.sayer and thing.modified > known.modified:
                dropped = set(known.refs).difference(thing.refs)
                _renew(known, thing)
                told.append(known)
                if isinstance(known.home, Event):
                    touched.add(known.home)
                    fresh += self._dropped(known, dropped)
            # else another's word on it, an older version, or the same again
        touched |= self._gather_all([one for one in told if one.kind in GATHERERS and not one.part])
        for one in told:
            for ref in one.refs if one.kind == "observed-data" else ():
                self.shown.setdefault(ref, []).append(one)
        for thing in fresh:
            touched |= self._settle(thing)
        for event in touched:
            event.touch()
        return touched

    def _gather_all(self, heads: Iterable[Thing]) -> set[Event]:
        """Make the events of reports and groupings, then draw to each what it names."""
        touched: set[Event] = set()
        for head in heads:
            if not isinstance(head.home, Event):
                head.home = self._of_head(head)
        for head in heads:
            touched |= self._gather(head.home, head.refs)
        return touched

    def _dropped(self, head: Thing, refs: Iterable[str]) -> Iterator[Thing]:
        """Take out of a report's event what a newer version of it names no more; yield what has to be settled anew."""
        event = head.home
        for ref in refs if head.kind in GATHERERS else ():
            event.copies.pop(ref, None)
            thing = event.members.pop(ref, None)
            if thing is not None:
                thing.home = None
                yield thing

    def _of_head(self, head: Thing) -> Event:
        uuid = head.ident[-36:].lower()
        event = self.events.get(uuid)
        if event is None or event.head is not None:
            if event is not None:  # a report and a grouping of one UUID
                uuid = str(uuid5(NAMESPACE, head.ident))
            org, owner = self._org(head.sayer, head.creator), self._owner(head.sayer)
            event = self._event(uuid, head.added, org, owner, head.day)
        event.head = head
        return event

    def _event(self, uuid: str, first: int, org: Org, owner: Org, day: str) -> Event:
        had = self.given.of(uuid) if self.given is not None else None
        first = had.first if had is not None else first  # its place stays whatever of it is taken back
        event = self.events[uuid] = Event(uuid, first, org, owner, day)
        self._numbers.setdefault(event.number, uuid)
        at = bisect_right(self._firsts, first)
        self._firsts.insert(at, first)
        self._order.insert(at, event)
        return event

    def _gather(self, event: Event, refs: Iterable[str]) -> set[Event]:
        touched = {event}
        for ref in refs:
            thing = self.things.get(ref)
            if thing is None:
                self._waiting.setdefault(ref, []).append(event)
            elif thing.part:
                if thing.home is None:
                    thing.home = event
                    touched |= self._gather(event, thing.refs)
            elif thing.kind not in GATHERERS:
                touched |= self._place(event, thing)
        return touched

    def _place(self, event: Event, thing: Thing) -> set[Event]:
        """Put an object into an event: as its own where it may be drawn there, else as a copy."""
        if thing.ident in event.members or thing.ident in event.copies:
            return set()
        before = thing.home if isinstance(thing.home, Event) else None
        stays = self.given.home(thing.ident[-36:]) if self.given is not None else ""
        drawn = event.head is None or event.head.sayer == thing.sayer
        free = before is None or (before.head is None and thing.kind not in HANGING)
        if free and drawn and stays in ("", event.uuid):
            if before is not None:
                before.members.pop(thing.ident, None)
                before.copies.pop(thing.ident, None)
            thing.home = event
            event.members[thing.ident] = thing
        else:
            event.copies[thing.ident] = thing
            self.copied.setdefault(thing.ident, []).append(event)
            if before is None and event.head is None:
                thing.home = event
        return {event} | ({before} if before is not None else set())

    def _settle(self, thing: Thing) -> set[Event]:
        """Find where a new object belongs."""
        touched: set[Event] = set()
        for event in self._waiting.pop(thing.ident, ()):
            touched |= self._gather(event, (thing.ident,))
        if thing.kind in HANGING:
            touched |= self._hang(thing)
        elsewhere = thing.kind in _NOWHERE or thing.kind in GATHERERS or thing.ident in self.shown
        if not elsewhere and not isinstance(thing.home, Event):
            touched |= self._place(self._of_day(thing), thing)
        for hanging in self._about.pop(thing.ident, ()):
            touched |= self._hang(hanging)
        return touched

    def _hang(self, thing: Thing) -> set[Event]:
        """Put what is about an object where that belongs; of what a relationship names, a cluster comes with it."""
        for ref in thing.refs[:1]:
            target = self.things.get(ref)
            event = target.home if target is not None else None
            if not isinstance(event, Event):
                self._about.setdefault(ref, []).append(thing)
                return set()
            if thing.ident not in event.members and thing.ident not in event.copies:
                (event.members if thing.home is None else event.copies)[thing.ident] = thing
                thing.home = thing.home or event
            for other in thing.refs[1:] if thing.kind == "relationship" else ():
                cluster = self.things.get(other)
                if cluster is not None and cluster.kind in GALAXIES and other not in event.members:
                    event.copies[other] = cluster
            return {event}
        return set()

    def _of_day(self, thing: Thing) -> Event:
        """Return the event for what nothing names: of its organisation, its label and its day."""
        org, owner = self._org(thing.sayer, thing.creator), self._owner(thing.sayer)
        me = f"{self._node.me}"
        uuid = str(uuid5(NAMESPACE, f"comity misp {me} {owner.uuid} {thing.creator} {thing.tlp.value} {thing.day}"))
        event = self.events.get(uuid)
        if event is None:
            event = self._event(uuid, thing.added, org, owner, thing.day)
            event.tlp = thing.tlp
        return event

    # -- whose it is ------------------------------------------------------------------

    def _me(self) -> Org:
        return party(self._node.me)

    def _owner(self, sayer: Sayer) -> Org:
        return party(sayer.party)

    def _org(self, sayer: Sayer, creator: str) -> Org:
        """Return whose an object is shown to be: its author's, where that signed it; else whom its source names.

        What a correspondent sent is its own where it is by an identity of its own; else this party's, which took it in.
        """
        key = sayer, creator
        if key not in self._orgs:
            self._orgs[key] = self._told_org(sayer, creator)
        return self._orgs[key]

    def _told_org(self, sayer: Sayer, creator: str) -> Org:
        if sayer.party != self._node.me:
            return party(sayer.party)
        if sayer.source.startswith("~"):
            with self._node.store.read() as unit:
                who = correspondents.by_audience(unit, f"{sayer.party}/{sayer.office}{sayer.source}")
            if who is None or creator not in who.identities:
                return self._me()
        known = self.things.get(creator)
        return Org(creator[-36:], known.title) if known is not None and known.title else self._me()


def party(name: str) -> Org:
    """Return the organisation that a party is."""
    return Org(str(uuid5(NAMESPACE_DNS, name)), name)


def _renew(known: Thing, newer: Thing) -> None:
    known.position, known.added, known.modified = newer.position, newer.added, newer.modified
    known.creator, known.refs, known.tlp, known.word = newer.creator, newer.refs, newer.tlp, newer.word
    known.title, known.labels = newer.title, newer.labels


def _of(given: Given, events: Iterable[Event]) -> list[tuple[str, Had]]:
    return [(event.uuid, had) for event in events if (had := given.of(event.uuid)) is not None]
