"""What a correspondent may see: entries opened to it by recorded decisions, in an order that only grows.

Rules: every class that is released to a correspondent, and that its office may read, is *opened* to it: once, on
record on the home log with its findings before anything can be fetched, with a time of its own for every entry. Times
only grow, so that asking for what was added after one neither repeats nor misses anything, whatever is written or comes
out of its embargo meanwhile. What was opened is decided again by class whenever it is shown. Where nothing has changed,
nothing is written.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing
from comity.canon import Instant, Origin
from comity.errors import NotFound
from comity.limits import (
    BATCH_ENTRIES_MAX,
    OPENING_RUNS_MAX,
)
from comity.node import correspondents, deliveries
from comity.node.correspondents import Correspondent
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.releases import Class, Judged, Releases
from comity.node.spans import Run, both, joined, runs, without
from comity.statement import INTEL_OBJECT, Header
from comity.vocab import Held

REACHES: Final = "reach"  # shelf: audience -> `Reach`
OPENINGS: Final = "opening"  # shelf: `<audience> <number>` -> `Opening`
OPENED: Final = "opened"  # shelf: `<audience> <origin> <block>` -> runs by the number of the opening
BLOCK: Final = BATCH_ENTRIES_MAX
MICROSECONDS: Final = 1_000_000
STEP: Final = 1_024  # entries looked at together
LINES_MAX: Final = 256  # decisions in one record: some 400 kB
RETRACTED: Final = "retracted"
WITHHELD: Final = "withheld"
ERASED: Final = deliveries.ERASED
UNSEEN: Final = frozenset({RETRACTED, WITHHELD, ERASED})


class Opening(msgspec.Struct, frozen=True, array_like=True):
    """Entries of one log that were opened together; entry number n was added at `base + n` microseconds."""

    base: int
    origin: Origin
    runs: tuple[Run, ...]

    @property
    def count(self) -> int:
        """Return how many entries it opened."""
        return sum(end - start for start, end in self.runs)


class Reached(msgspec.Struct, frozen=True, array_like=True):
    """How far one log was looked at."""

    size: int  # entries of a log that were looked at
    digest: str  # of what was released of them by class, and of what was held


class Reach(msgspec.Struct, frozen=True, array_like=True):
    """How far the openings of one correspondent have come."""

    openings: int  # how many there are, numbered from 1
    base: int  # microseconds that the next one begins at, or later
    logs: dict[str, Reached]


class Moment(NamedTuple):
    """When the openings of a correspondent were last looked at, as one thread sees the store; until when they hold."""

    version: tuple[int, int, int]
    until: Instant | None
    mark: tuple[int, int, int, int]  # the same while everything that was opened, and all that is decided of it, is


class _Ground(NamedTuple):
    """What the openings of one log rest on, remembered so that only what is new is looked at."""

    epochs: tuple[int, int]
    size: int
    released: frozenset[tuple[int, int]]  # classes
    held: tuple[tuple[int, int, Held], ...]  # of another party's log: payloads may come long after their leaves
    until: Instant | None

    @property
    def digest(self) -> str:
        """Return a digest of what is released and held: it changes whenever the openings may have to."""
        told = [sorted(self.released), [[start, end, held.value] for start, end, held in self.held]]
        return hashlib.sha256(msgspec.msgpack.encode(told)).hexdigest()[:32]


class Openings:
    """Decides what is opened to correspondents, and keeps it."""

    def __init__(self, node: Node, releases: Releases) -> None:
        self._node = node
        self._releases = releases
        self._current: dict[tuple[str, int], Moment] = {}
        self._grounds: dict[tuple[str, int], _Ground] = {}

    # -- deciding -----------------------------------------------------------------

    def word(self, unit: Unit, who: Correspondent, at: int) -> str | None:
        """Return what holds of an entry for a correspondent: released ("" or how narrowed), or why it is not."""
        log_id, index = place(at)
        return self.words(unit, who, unit.logs.get(log_id), index, index + 1).get(index)

    def words(self, unit: Unit, who: Correspondent, log: Log, start: int, end: int) -> dict[int, str]:
        """Return the words of a run of entries, by index; none for what is not held."""
        found: dict[int, str] = {}
        known: dict[Class, str] = {}
        for brief in unit.entries.brief(log.id, start, end):
            if brief.held is Held.ERASED:
                found[place(brief.position)[1]] = ERASED
            elif brief.held is Held.PAYLOAD:
                which = Class(brief.header_id, brief.standing_id)
                if which not in known:
                    known[which] = self.word_of(unit, who, log, which)
                found[place(brief.position)[1]] = known[which]
        return found

    def word_of(self, unit: Unit, who: Correspondent, log: Log, which: Class) -> str:
        """Return the word of a class of held entries, see `word`."""
        standing = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
        if standing.erased:
            return ERASED
        if self._judge(unit, who, log, which) is None:
            return RETRACTED if standing.retracted else WITHHELD
        said = (standing.tlp, standing.pap, standing.to, standing.onward, standing.unnamed)
        plain = Standing()
        if said == (plain.tlp, plain.pap, plain.to, plain.onward, plain.unnamed):
            return ""
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]

    def _judge(self, unit: Unit, who: Correspondent, log: Log, which: Class) -> Judged | None:
        """Return the decision that releases a class of objects to a correspondent, or None."""
        header = self._node.header(unit.entries.header(which.header_id))
        if not is_object(header) or (log.own and header.relayed is None and header.office != who.actor().office_id):
            return None
        mine = self._releases.readable(unit, log, which, who.actor())
        if mine is not None and not mine.released:
            return None
        judged = self._releases.for_audience(unit, log, which, correspondents.as_audience(who))
        return judged if judged.released else None

    def _decided(self, unit: Unit, who: Correspondent, log: Log, which: Class) -> tuple[Judged | None, ...]:
        """Return the decisions that a judgement rests on: it lapses with the first of them."""
        mine = self._releases.readable(unit, log, which, who.actor())
        return self._releases.for_audience(unit, log, which, correspondents.as_audience(who)), mine

    # -- opening ------------------------------------------------------------------

    def refresh(self, who: Correspondent) -> Moment:
        """Open what is released to a correspondent by now, on record. Raises `Refused` while it does not take part.

        While a later call gives the same mark, and until the moment has passed, all that is shown is the same.
        """
        node, key = self._node, (who.audience, threading.get_ident())
        correspondents.audience(who, node.now())
        with node.store.read() as unit:
            moment = (unit.version(), node.epoch, node.standings)
            known = self._current.get(key)
            if known is not None and known.version == moment and (known.until is None or node.now() < known.until):
                return known
            reach = reach_of(unit, who)
            logs = [log for log in unit.logs.all() if log.size and _is_a_source(log)]
            due = [one for log in logs if (one := self._due(unit, who, log, reach)) is not None]
        if due:
            self._open(who, due)
            return Moment((-1, 0, 0), 0, (-1, 0, 0, 0))  # what was written meanwhile is looked at by the next question
        ends = [self._grounds[who.audience, log.id].until for log in logs]
        until = min((end for end in ends if end is not None), default=None)
        found = Moment(moment, until, (reach.openings, reach.base, moment[1], moment[2]))
        self._current[key] = found
        return found

    def _due(self, unit: Unit, who: Correspondent, log: Log, reach: Reach) -> _Due | None:
        """Return what of a log must be looked at, or None where nothing has changed."""
        before = reach.logs.get(log.origin)
        old = before.size if before else 0
        known = self._grounds.get((who.audience, log.id))
        ground = known if known is not None and known.size == old and self._holds(known) else None
        changed: list[Run] = []
        if ground is None:
            ground = self._extended(unit, who, log, None, old)
            if before is not None and ground.digest != before.digest:
                changed = [(0, old)]
            elif before is not None:
                changed = _acted_on(unit, log, old, reach)
        if log.size > old:
            changed = joined([*changed, (old, log.size)])
            ground = self._extended(unit, who, log, ground, log.size)
        self._grounds[who.audience, log.id] = ground
        return _Due(log.id, log.size, tuple(changed), ground.digest) if changed else None

    def _holds(self, ground: _Ground) -> bool:
        fresh = ground.until is None or self._node.now() < ground.until
        return fresh and ground.epochs == (self._node.epoch, self._node.standings)

    def _extended(self, unit: Unit, who: Correspondent, log: Log, ground: _Ground | None, size: int) -> _Ground:
        """Return what the openings of a log rest on up to a size, only looking at what is behind `ground`."""
        node = self._node
        start = ground.size if ground else 0
        released = set(ground.released) if ground else set()
        ends = [ground.until] if ground and ground.until is not None else []
        for pair in unit.entries.classes(log.id, start, size):
            if not is_object(node.header(unit.entries.header(pair[0]))):
                continue
            which = Class(*pair)
            decided = self._decided(unit, who, log, which)
            ends += [one.lapses for one in decided if one is not None and one.lapses is not None]
            if self._judge(unit, who, log, which) is not None:
                released.add(pair)
        held = list(ground.held) if ground else []
        if not log.own and size > start:
            held += unit.entries.held_runs(log.id, start, size)
        epochs = node.epoch, node.standings
        return _Ground(epochs, size, frozenset(released), _seamless(held), min(ends, default=None))

    def _open(self, who: Correspondent, due: Sequence[_Due]) -> None:
        for one in due:
            for start, end in one.runs:
                at = start
                while at < end:
                    at = self._open_blocks(who, one, at, end)
        with self._node.writing(sign=False) as unit:
            reach = reach_of(unit, who)
            logs = {unit.logs.get(one.log_id).origin: Reached(one.size, one.digest) for one in due}
            _put_reach(unit, who, msgspec.structs.replace(reach, logs=reach.logs | logs))

    def _open_blocks(self, who: Correspondent, due: _Due, start: int, end: int) -> int:
        """Open what is released of a run, and close what is not any more; return how far it got.

        Decisions on record, openings and what is opened are written in one unit of work.
        """
        with self._node.writing(sign=False) as unit:
            log, reach = unit.logs.get(due.log_id), reach_of(unit, who)
            decided: dict[Class, tuple[Judged, list[int]]] = {}
            opened: list[Run] = []
            at = start
            while at < end and len(opened) < OPENING_RUNS_MAX and at - start < BLOCK * 16:
                stop = min(at - at % BLOCK + BLOCK, end)
                opened += self._open_block(unit, who, log, (at, stop), reach.openings + 1, decided)
                at = stop
            if opened:
                self._record(unit, who, log, decided, opened)
                self._put_opening(unit, who, reach, log, joined(opened))
            return at

    def _record(
        self,
        unit: Unit,
        who: Correspondent,
        log: Log,
        decided: dict[Class, tuple[Judged, list[int]]],
        opened: Sequence[Run],
    ) -> None:
        new = {index for run in opened for index in range(*run)}
        lines = [(which, judged, [i for i in some if i in new]) for which, (judged, some) in decided.items()]
        lines = [line for line in lines if line[2]]
        for at in range(0, len(lines), LINES_MAX):
            some = self._releases.unrecorded(unit, log, lines[at : at + LINES_MAX], to=who.audience)
            if some:
                office = who.actor().office_id
                self._releases.record(unit, log, some, to=who.audience, office=office, why="may be fetched")

    def _open_block(
        self,
        unit: Unit,
        who: Correspondent,
        log: Log,
        here: Run,
        number: int,
        decided: dict[Class, tuple[Judged, list[int]]],
    ) -> list[Run]:
        released: list[int] = []
        for brief in unit.entries.brief(log.id, *here):
            if brief.held is not Held.PAYLOAD:
                continue
            which = Class(brief.header_id, brief.standing_id)
            judged = decided[which][0] if which in decided else self._judge(unit, who, log, which)
            if judged is not None:
                index = place(brief.position)[1]
                decided.setdefault(which, (judged, []))[1].append(index)
                released.append(index)
        key = f"{who.audience} {log.origin} {here[0] // BLOCK:08}"
        data = unit.documents.get(OPENED, key)
        before: dict[int, tuple[Run, ...]] = msgspec.msgpack.decode(data, type=_Opened) if data else {}
        now = runs(released)
        gone = without([here], now)
        kept = {n: tuple(left) for n, some in before.items() if (left := without(some, gone))}
        added = without(now, joined([run for some in kept.values() for run in some]))
        if added:
            kept[number] = tuple(joined([*kept.get(number, ()), *added]))
        if kept != before:
            unit.documents.put(OPENED, key, msgspec.msgpack.encode(kept))
        return added

    def _put_opening(self, unit: Unit, who: Correspondent, reach: Reach, log: Log, opened: Sequence[Run]) -> None:
        number, base = reach.openings + 1, max(reach.base, self._node.now() * MICROSECONDS)
        opening = Opening(base, log.origin, tuple(opened))
        unit.documents.put(OPENINGS, f"{who.audience} {number:012}", msgspec.msgpack.encode(opening))
        _put_reach(unit, who, msgspec.structs.replace(reach, openings=number, base=base + opening.count))


class _Due(NamedTuple):
    log_id: int
    size: int
    runs: tuple[Run, ...]
    digest: str


_Opened = dict[int, tuple[Run, ...]]


def _is_a_source(log: Log) -> bool:
    """Say whether entries are first held in a log: what this party stated in accords stands in its home log, too."""
    return not log.own or canon.parse_origin(log.origin)[1] is None


def _acted_on(unit: Unit, log: Log, size: int, reach: Reach) -> list[Run]:
    """Return the runs of a log that acts bear on which came after the log was last looked at."""
    found = unit.spans.about(log.origin, 0, size)
    origins = {log_id: unit.logs.get(log_id).origin for log_id in {place(act)[0] for _, _, act in found}}
    seen = {log_id: reach.logs[origin].size if origin in reach.logs else 0 for log_id, origin in origins.items()}
    return joined((s, min(e, size)) for s, e, act in found if place(act)[1] >= seen[place(act)[0]])


def _seamless(held: Sequence[tuple[int, int, Held]]) -> tuple[tuple[int, int, Held], ...]:
    found: list[tuple[int, int, Held]] = []
    for start, end, word in held:
        if found and found[-1][2] is word and found[-1][1] == start:
            found[-1] = (found[-1][0], end, word)
        else:
            found.append((start, end, word))
    return tuple(found)


def is_object(header: Header) -> bool:
    """Say whether a statement is an object, or passes one on."""
    return (header.relayed.kind if header.relayed else header.kind) == INTEL_OBJECT


def reach_of(unit: Unit, who: Correspondent) -> Reach:
    """Return how far the openings of a correspondent have come."""
    data = unit.documents.get(REACHES, who.audience)
    return msgspec.msgpack.decode(data, type=Reach) if data else Reach(0, 0, {})


def _put_reach(unit: Unit, who: Correspondent, reach: Reach) -> None:
    unit.documents.put(REACHES, who.audience, msgspec.msgpack.encode(reach))


def reserve(node: Node, unit: Unit, who: Correspondent, count: int) -> int:
    """Return the first of some times in the order of a correspondent's openings that nothing else will be added at."""
    reach = reach_of(unit, who)
    base = max(reach.base, node.now() * MICROSECONDS)
    _put_reach(unit, who, msgspec.structs.replace(reach, base=base + count))
    return base


def opening_of(unit: Unit, who: Correspondent, number: int) -> Opening:
    """Return an opening by its number. Raises `NotFound`."""
    data = unit.documents.get(OPENINGS, f"{who.audience} {number:012}")
    if data is None:
        raise NotFound(f"opening {number} of {who.audience} is not held")
    return msgspec.msgpack.decode(data, type=Opening)


def opened_of(unit: Unit, who: Correspondent, log: Log, number: int) -> _Opened:
    """Return what is opened of a block of a log, by the number of the opening."""
    data = unit.documents.get(OPENED, f"{who.audience} {log.origin} {number:08}")
    return msgspec.msgpack.decode(data, type=_Opened) if data else {}


def added(unit: Unit, who: Correspondent, at: int) -> int | None:
    """Return when an entry was opened to a correspondent, or None."""
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    for number, some in opened_of(unit, who, log, index // BLOCK).items():
        if both([(index, index + 1)], some):
            opening = opening_of(unit, who, number)
            before = sum(min(end, index) - start for start, end in opening.runs if start < index)
            return opening.base + before
    return None
