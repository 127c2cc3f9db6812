"""Interests at a node: stating and withdrawing them, whose are known, and what fits one.

Rules: an interest is stated in an accord like any content, decided first, and withdrawn by a retraction. What fits is
found among this office's own collected objects, or among what arrived; nothing is shared by that: sharing asks for each
object what it always asks. Where interests name nothing but values, the index says where those stand; else objects are
looked through, each once for all interests. A look is bounded and says where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.areas.intel import columns, interests
from comity.areas.intel.columns import uuid_of
from comity.areas.intel.interests import INTEREST_MEDIA, Compare, Interest
from comity.areas.intel.questions import STIX_ID
from comity.canon import Instant, Origin
from comity.errors import Malformed, Misuse, NotFound, Refused, Theirs
from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import observe
from comity.node.actor import Actor
from comity.node.asking import Asking, readable, require
from comity.node.node import Node
from comity.node.ports import Entry, Log, Unit, place, position
from comity.node.queries import Queries
from comity.policy import Release
from comity.statement import INTEL_INTEREST, INTEL_OBJECT, Marking
from comity.vocab import Held, Priority

INTERESTS_READ_MAX: Final = 10_000  # interests listed at once, the newest of every log
LOOKED_MAX: Final = 200_000  # entries looked at in one question: some four seconds' work
STEP: Final = 512
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Voiced(NamedTuple):
    """An interest as it stands: who asks, in which accord, under which marking."""

    name: str  # <origin>#<index>
    position: int
    origin: Origin
    party: str
    office: str
    accord: str
    at: Instant
    marking: Marking
    interest: Interest
    withdrawn: bool

    def holds(self, at: Instant) -> bool:
        """Say whether it asks still."""
        return not self.withdrawn and (not self.interest.until or at < self.interest.until)


@dataclass(slots=True)
class Fitting:
    """What fits an interest: positions, the newest first, and how far was looked."""

    places: list[int] = field(default_factory=list)
    looked: int = 0  # entries
    before: int = 0  # to go on, ask for what stands before this position; 0: nothing is left


class Interests:
    """States interests, lists them, and finds what fits."""

    def __init__(self, node: Node, asking: Asking, queries: Queries) -> None:
        self._node = node
        self._asking = asking
        self._queries = queries

    def voice(self, actor: Actor, accord: str, interest: Interest, marking: Marking) -> int:
        """State an interest in an accord; return its position.

        Raises `Misuse` for one that asks for nothing or for what may not be asked for, `Refused` where nobody could
        have it.
        """
        with self._node.writing() as unit:
            found = self._asking.taking_part(unit, accord)
            if interest.until and interest.until <= self._node.now():
                raise Misuse("an interest ends in time to come", hint="--until 2027-06-30")
            header = self._asking.header(actor, found, INTEL_INTEREST, INTEREST_MEDIA, marking, Priority.ROUTINE)
            body = readable(lambda: canon.encode(interest))
            readable(lambda: interests.read_interest(header, body))
            decisions = self._asking.decide(unit, found, header)
            for name in marking.to:
                require(decisions, name)
            if not any(isinstance(decision, Release) for decision in decisions):
                grounds = sorted({f"{f.rule}: {f.because}" for d in decisions for f in d.findings if not f.allows})
                raise Refused(f"nobody in {found.id} could have the interest: {'; '.join(grounds)}")
            return self._asking.put(unit, found, header, body)

    def voiced(self, unit: Unit, actor: Actor, at: int) -> Voiced:
        """Return the interest at a position as this actor may read it. Raises `NotFound`."""
        log_id, index = place(at)
        log = unit.logs.get(log_id)
        name = f"{log.origin}#{index}"
        if self._queries.witness_at(unit, actor, at) is None:
            raise NotFound(f"{name} is not here for {actor.office}")
        (entry,) = unit.entries.read(log_id, index, index + 1)
        header = self._node.header(entry.header or b"")
        try:
            interest = interests.read_interest(header, entry.body or b"") if header.kind == INTEL_INTEREST else None
        except Theirs as error:
            raise NotFound(f"{name} is no interest: {error}") from error
        accord = canon.parse_origin(log.origin)[1]
        if interest is None or header.marking is None or accord is None:
            raise NotFound(f"{name} is no interest", hint="`comity interest list` names them")
        standing = msgspec.json.decode(entry.standing, type=Standing)
        return Voiced(
            name, at, log.origin, log.party, header.office, accord, header.at, narrowed(header.marking, standing),
            interest, standing.retracted,
        )  # fmt: skip

    def named(self, unit: Unit, actor: Actor, name: str) -> Voiced:
        """Return the interest of a name, `<origin>#<index>`. Raises `NotFound` or `Misuse`."""
        return self.voiced(unit, actor, self._queries.parse_place(unit, name))

    def all_(self, unit: Unit, actor: Actor, *, mine: bool = False, ended: bool = False) -> list[Voiced]:
        """Return the interests this actor may read, the newest first; `mine`: of the actor's office alone."""
        rows = unit.views.scan(interests.INTEREST, 0, 2**62, limit=INTERESTS_READ_MAX)
        found: list[Voiced] = []
        for row in rows:
            try:
                one = self.voiced(unit, actor, int(row[0] or 0))
            except NotFound:
                continue
            is_mine = (one.party, one.office) == tuple(actor.office)
            if (is_mine or not mine) and (ended or one.holds(self._node.now())):
                found.append(one)
        return sorted(found, key=lambda one: (-one.at, one.name))

    # -- what fits -------------------------------------------------------------

    def fitting(
        self, unit: Unit, actor: Actor, wanted: Sequence[Interest], *, arrived: bool = False, since: Instant = 0,
        before: int = 0, most: int = 1_000,
    ) -> Fitting:  # fmt: skip
        """Return what fits any of some interests, the newest first: own collected objects, or what arrived.

        At most `most` of them and LOOKED_MAX entries looked at; `Fitting.before` goes on from there.
        """
        logs = self._logs(unit, arrived=arrived)
        named = _named(unit, wanted)
        if named is not None:
            places = [at for at in named if at < (before or 2**62) and place(at)[0] in {log.id for log in logs}]
            return self._found(unit, actor, wanted, places, since=since, most=most)
        done = Fitting()
        for log in reversed(logs):
            last = log.size
            if before:
                upto_log, upto = place(before)
                if log.id > upto_log:
                    continue
                last = min(log.size, upto) if log.id == upto_log else log.size
            for end in range(last, 0, -STEP):
                start = max(0, end - STEP)
                span = position(log.id, start), position(log.id, end)
                found = fits(self._node, self._queries, unit, actor, wanted, *span)
                done.places += [at for at, said in reversed(found) if said >= since]
                done.looked += end - start
                if len(done.places) >= most or done.looked >= LOOKED_MAX:
                    done.before = position(log.id, start)
                    return done
        return done

    def _found(
        self, unit: Unit, actor: Actor, wanted: Sequence[Interest], places: Sequence[int], *, since: Instant, most: int
    ) -> Fitting:
        """Return what fits of entries that an index named, the newest first."""
        done = Fitting()
        compare = interests.comparing(wanted)
        for at in places:
            if len(done.places) >= most or done.looked >= LOOKED_MAX:
                done.before = at + 1
                return done
            log_id, index = place(at)
            (entry,) = unit.entries.read(log_id, index, index + 1)
            said = _said(self._node, self._queries, unit, actor, unit.logs.get(log_id), entry, compare)
            done.places += [at] if said is not None and said >= since else []
            done.looked += 1
        return done

    def _logs(self, unit: Unit, *, arrived: bool) -> list[Log]:
        """Return own home logs, or others' logs in accords, by number."""
        logs = [log for log in unit.logs.all() if log.size]
        if arrived:
            return sorted((log for log in logs if not log.own), key=lambda log: log.id)
        return sorted(
            (log for log in logs if log.own and canon.parse_origin(log.origin)[1] is None), key=lambda log: log.id
        )


def fits(
    node: Node, queries: Queries, unit: Unit, actor: Actor, wanted: Sequence[Interest], start: int, end: int
) -> list[tuple[int, Instant]]:
    """Return (position, when it was stated) of what fits any interest from one position to another of one log.

    Of an own log only the actor's office's own objects, of another's what the actor may read and what stands.
    """
    log_id, first = place(start)
    log = unit.logs.get(log_id)
    codes: set[int] | None = None
    rows: dict[int, int] = {}
    if all(one.types for one in wanted):
        codes = {columns.type_code(type_) for one in wanted for type_ in one.types}
        scanned = unit.views.scan(columns.OBJECT, start, end - 1, limit=end - start)
        rows = {int(row[0] or 0): int(row[2] or 0) for row in scanned}
        if codes.isdisjoint(rows.values()):
            return []
    found: list[tuple[int, Instant]] = []
    compare = interests.comparing(wanted)
    for entry in unit.entries.read(log_id, first, first + end - start):
        if codes is not None and rows.get(entry.position) not in codes:
            continue
        said = _said(node, queries, unit, actor, log, entry, compare)
        if said is not None:
            found.append((entry.position, said))
    return found


def _said(
    node: Node, queries: Queries, unit: Unit, actor: Actor, log: Log, entry: Entry, compare: Compare
) -> Instant | None:
    """Return when an entry was stated if it fits, stands and is for this actor; None if not."""
    if entry.held is not Held.PAYLOAD or entry.header is None or entry.body is None:
        return None
    header = node.header(entry.header)
    if intel.kind_of(header) != INTEL_OBJECT or (log.own and header.office != actor.office_id):
        return None
    tree = _DECODE(intel.body_of(header, entry.body))
    try:
        seen, _ = observe.of_object(tree)
    except Malformed:  # a pattern that is not read: it may still fit by its name or type
        seen = ()
    if not compare(tree, seen):
        return None
    witness = queries.witness_at(unit, actor, entry.position)
    return None if witness is None or witness.retracted else header.at


def _named(unit: Unit, wanted: Sequence[Interest]) -> list[int] | None:
    """Return where what some interests name stands, the newest first; None where they ask for more than values."""
    keys: set[bytes] = set()
    numbers: set[int] = set()
    for one in wanted:
        if not one.values or msgspec.structs.replace(one, values=()).about:
            return None
        keys.update(observables.key(Observable(each.kind, each.value)) for each in one.values if each.kind != STIX_ID)
        numbers.update(columns.object_number(uuid_of(each.value)) for each in one.values if each.kind == STIX_ID)
    found = {sight[1] for sight in unit.lookups.many(columns.OBSERVABLE, sorted(keys))}
    found.update(int(row[0] or 0) for row in unit.views.find_many(columns.STATED, "object", sorted(numbers)))
    return sorted(found, reverse=True)
