"""Asking a node what it knows: look-ups of values, objects with their versions and witnesses, explanations.

Rules: every answer names its source, its marking and how long it is valid. What an office may not read it
does not see, not even as a count. The hot path decodes nothing twice: headers, readings and sources are
kept by their interned numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.canon import Instant, Origin
from comity.errors import Misuse, NotFound
from comity.formats import observables
from comity.formats.decay import Verdict
from comity.node import views
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.contents import by_content
from comity.node.node import Node
from comity.node.ports import POSITION_BITS, Log, Sight, Unit, place, position
from comity.node.releases import Class, Releases, class_runs, classes_in
from comity.policy import Release
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Header, Marking, cut
from comity.vocab import Held

_confidence_of: Final = intel.confidence_of
READINGS_KEPT: Final = 65_536  # class readings in memory, a few hundred bytes each

Ident = tuple[int, int, int]  # of a class of entries: log, header, standing
Readings = dict[Ident, "Reading"]
Meant = Sequence[tuple[bytes, str, str]]  # what one text means: key, kind and value of each reading
Said = tuple[int, str, str, str]  # number of an object; party, office and source that speak of it


class Reading(NamedTuple):
    """What statements of one class say of themselves to one office, and whether it may read them at all."""

    readable: bool
    party: str
    office: str
    source: str
    marking: Marking | None  # None: unmarked, or not readable
    retracted: bool
    by: tuple[tuple[Origin, int], ...]  # what takes its place, where it was corrected
    origin: Origin  # for a relay: of what it passes on
    at: Instant
    lapses: Instant  # 0: until something changes


class Witness(msgspec.Struct, frozen=True, gc=False):
    """Who says so: one entry that carries an object, and under which marking."""

    position: int
    reading: Reading

    @property
    def index(self) -> int:
        """Return the entry's index in its log here."""
        return place(self.position)[1]

    @property
    def origin(self) -> Origin:
        """Return the origin of the log it was first stated in."""
        return self.reading.origin

    @property
    def party(self) -> str:
        """Return the party that says so."""
        return self.reading.party

    @property
    def office(self) -> str:
        """Return the office that says so."""
        return self.reading.office

    @property
    def source(self) -> str:
        """Return where that office has it from; empty where it does not say."""
        return self.reading.source

    @property
    def marking(self) -> Marking | None:
        """Return the marking, as narrowed since."""
        return self.reading.marking

    @property
    def retracted(self) -> bool:
        """Say whether it was taken back."""
        return self.reading.retracted

    @property
    def corrected_by(self) -> tuple[str, ...]:
        """Return the statements that took its place, as `<origin>#<index>`."""
        return tuple(f"{origin}#{index}" for origin, index in self.reading.by)

    @property
    def at(self) -> Instant:
        """Return when it was put on record."""
        return self.reading.at


class Found(msgspec.Struct, frozen=True, gc=False):
    """One thing known of a value: an object version, and everybody who says it."""

    key: bytes  # of the value, see `observables.key`; empty where no value was asked for
    object: int  # its uuid folded, see `intel.object_number`
    code: int
    modified: int  # microseconds since the epoch
    until: int | None  # seconds
    flags: int
    witnesses: tuple[Witness, ...]

    @property
    def type(self) -> str:
        """Return the STIX type; `custom` for one that the specification does not have."""
        return intel.type_name(self.code)

    @property
    def revoked(self) -> bool:
        """Say whether its producer revoked it."""
        return self.flags & intel.REVOKED != 0

    @property
    def confidence(self) -> int | None:
        """Return its producer's confidence, from 0 to 100; None where it gave none."""
        return _confidence_of(self.flags)

    def current(self, at: Instant) -> bool:
        """Say whether it is still valid, not revoked, and stood by by at least one witness."""
        if self.flags & intel.REVOKED or (self.until is not None and self.until <= at):
            return False
        if len(self.witnesses) == 1:  # of very many values nearly every one: no generator is made for it
            return not self.witnesses[0].reading.retracted
        return any(not witness.retracted for witness in self.witnesses)


class Sighting(NamedTuple):
    """One sighting of a value or object: by whom, when last, how often, and what it says."""

    witness: Witness
    seen: Instant
    times: int
    verdict: Verdict
    is_stix: bool  # a STIX sighting or opinion, and not a statement of Comity's own


class Stated(NamedTuple):
    """What an entry states, or passes on."""

    header: Header
    standing: bytes
    number: int  # its index in the log it was first stated in
    body: bytes  # as its author wrote it


Newest = Mapping[Said, Sequence[Found]]
"""What each sayer says in its newest version of an object that has several."""


class Queries:
    """Answers the people and tools of this party."""

    def __init__(self, node: Node, accords: Accords, releases: Releases) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases
        self._epoch = -1
        self._lapse: Instant = 0  # when the first of the readings kept lapses; 0: none does
        self._readings: dict[Actor, dict[Ident, Reading]] = {}

    # -- look-ups ------------------------------------------------------------

    def lookup(self, unit: Unit, actor: Actor, text: str) -> list[Found]:
        """Return what is known of a value as a person writes it, defanged or not."""
        found: list[Found] = []
        for key, _, _ in observables.keyed(text):
            rows = unit.lookups.one(intel.OBSERVABLE, key)
            if rows:
                found += self._told(unit, actor, rows).get(key, ())
        return found

    def lookup_many(self, unit: Unit, actor: Actor, texts: Sequence[str]) -> list[Sequence[Found]]:
        """Return what is known of each of many values, in their order."""
        return self.lookup_meant(unit, actor, list(map(observables.keyed, texts)))

    def lookup_meant(self, unit: Unit, actor: Actor, meant: Sequence[Meant]) -> list[Sequence[Found]]:
        """Return what is known of each of many values as `observables.keyed` reads them, in their order."""
        keys = [one[0] for each in meant for one in each]
        told = self._told(unit, actor, unit.lookups.many(intel.OBSERVABLE, keys))
        return [
            told.get(each[0][0], ()) if len(each) == 1 else [found for one in each for found in told.get(one[0], ())]
            for each in meant
        ]

    def lookup_keys(self, unit: Unit, actor: Actor, keys: Sequence[bytes]) -> dict[bytes, list[Found]]:
        """Return what is known by each of many keys (`observables.key`); nothing known, no row."""
        return self._told(unit, actor, unit.lookups.many(intel.OBSERVABLE, keys))

    def _told(self, unit: Unit, actor: Actor, rows: Sequence[Sight]) -> dict[bytes, list[Found]]:
        """Return by key what this office is told: each version once, with everybody who says it."""
        readings = self._kept(actor)
        told: dict[bytes, list[Found]] = {}
        several: set[bytes] = set()
        for key, at, header_id, standing_id, number, code, modified, until, flags in rows:
            ident = at >> POSITION_BITS, header_id, standing_id
            reading = readings.get(ident) or self._read(unit, actor, readings, ident)
            if reading.readable or self._through_accord(unit, actor, at):
                found = Found(key, number, code, modified, until, flags, (Witness(at, reading),))
                if key in told:
                    told[key].append(found)
                    several.add(key)
                else:
                    told[key] = [found]
        for key in several:
            told[key] = _versions(told[key])
        return told

    def _kept(self, actor: Actor) -> Readings:
        """Return the readings of an office that still hold, to look in and to add to."""
        node = self._node
        full = sum(map(len, self._readings.values())) > READINGS_KEPT
        if self._epoch != node.epoch or full or (self._lapse and node.now() >= self._lapse):
            self._readings.clear()
            self._epoch, self._lapse = node.epoch, 0
        return self._readings.setdefault(actor, {})

    def _read(self, unit: Unit, actor: Actor, readings: Readings, ident: Ident) -> Reading:
        """Judge a class, and keep the reading. Several in one read may see more than `READINGS_KEPT`."""
        log_id, header_id, standing_id = ident
        log = unit.logs.get(log_id)
        judged = self._releases.readable(unit, log, Class(header_id, standing_id), actor)
        header = self._node.header(unit.entries.header(header_id))
        standing = msgspec.json.decode(unit.entries.standing(standing_id), type=Standing)
        # A retracted statement still shows, as retracted: who acted on it must learn that.
        readable = judged is None or bool(judged.released) or only_retracted(judged.decisions)
        readable = readable and header.kind != INTEL_EVIDENCE  # its office reads it with a reason (`evidence`)
        author, office = _author(log, header)
        lapses = (judged.lapses or 0) if judged else 0
        if lapses and (not self._lapse or lapses < self._lapse):
            self._lapse = lapses
        reading = readings[ident] = Reading(
            readable,
            author,
            office,
            header.source,
            narrowed(header.marking, standing) if header.marking else None,
            standing.retracted,
            standing.by,
            header.relayed.origin if header.relayed else log.origin,
            header.at,
            lapses,
        )
        return reading

    def reading(self, unit: Unit, actor: Actor, which: Ident) -> Reading:
        """Return what statements of a class say of themselves to an office."""
        readings = self._kept(actor)
        return readings.get(which) or self._read(unit, actor, readings, which)

    def _witness(
        self, unit: Unit, actor: Actor, at: int, held: Held, header_id: int, standing_id: int
    ) -> Witness | None:
        if held is not Held.PAYLOAD:
            return None
        reading = self.reading(unit, actor, (place(at)[0], header_id, standing_id))
        if not reading.readable and not self._through_accord(unit, actor, at):
            return None
        return Witness(at, reading)

    def _through_accord(self, unit: Unit, actor: Actor, at: int) -> bool:
        """Say whether another office's home record was released to this one by being stated in an accord."""
        for row in unit.views.find(views.PASSED, {"source": at}, limit=64):
            log_id, index = place(int(row[0] or 0))
            (brief,) = unit.entries.brief(log_id, index, index + 1)
            if (
                brief.held is Held.PAYLOAD
                and self.reading(unit, actor, (log_id, brief.header_id, brief.standing_id)).readable
            ):
                return True
        return False

    # -- objects -------------------------------------------------------------

    def entries_of(self, unit: Unit, actor: Actor, name: str) -> list[Witness]:
        """Return the entries that a name means: a STIX id, `<origin>#<index>`, or a value. Raises `NotFound`."""
        if "#" in name and "/" in name.partition("#")[0]:
            places = [self.parse_place(unit, name)]
        elif "--" in name:
            places = [found for found, _ in _stated(unit, name)]
        else:
            places = [w.position for found in self.lookup(unit, actor, name) for w in found.witnesses]
        found = [w for at in sorted(set(places)) if (w := self.witness_at(unit, actor, at)) is not None]
        if not found:
            raise NotFound(f"nothing here is known as {name!r}", hint="`comity lookup` finds values and objects")
        return found

    def witness_at(self, unit: Unit, actor: Actor, at: int) -> Witness | None:
        """Return the entry at a position as this actor may see it, or None."""
        log_id, index = place(at)
        briefs = unit.entries.brief(log_id, index, index + 1)
        if not briefs:
            return None
        return self._witness(unit, actor, at, briefs[0].held, briefs[0].header_id, briefs[0].standing_id)

    def readable(self, unit: Unit, actor: Actor, places: Sequence[int]) -> Sequence[int]:
        """Return those of some positions, ascending, whose entries this actor may see."""
        found = array("q")
        for run in class_runs(unit, places):
            if self.reading(unit, actor, (run.log_id, *run.which)).readable:
                found.extend(run.places)
            else:
                found.extend([at for at in run.places if self._through_accord(unit, actor, at)])
        return found

    def parse_place(self, unit: Unit, name: str) -> int:
        """Return the position of `<origin>#<index>`. Raises `NotFound` or `Misuse`."""
        origin, _, number = name.partition("#")
        log = unit.logs.find(Origin(origin))
        if not number.isdigit():
            raise Misuse(f"{name!r} is not a statement", hint="write <origin>#<index>")
        if log is None or int(number) >= log.size:
            raise NotFound(f"no statement {name} is held")
        return position(log.id, int(number))

    def versions(self, unit: Unit, actor: Actor, ident: str) -> list[Found]:
        """Return every version held of a STIX object, newest first, each with its witnesses."""
        groups: dict[object, tuple[tuple[Any, ...], list[Witness]]] = {}
        places = [found for found, _ in _stated(unit, ident)]
        for row in unit.views.find_many(intel.OBJECT, "position", places):
            witness = self.witness_at(unit, actor, int(row[0] or 0))
            if witness is not None:
                groups.setdefault(row[2:], (row, []))[1].append(witness)
        number = intel.object_number(intel.uuid_of(ident))
        found = [
            Found(b"", number, code, modified, until, flags, told)
            for (_, _, code, modified, until, flags), witnesses in groups.values()
            for told in by_content(witnesses, lambda at: self.body(unit, at))
        ]
        return sorted(found, key=lambda f: -f.modified)

    def body(self, unit: Unit, at: int) -> bytes:
        """Return an object's original bytes. Raises `NotFound` where they are not held."""
        return self.stated(unit, at).body

    def stated(self, unit: Unit, at: int) -> Stated:
        """Return what an entry states, for a relay what it passes on. Raises `NotFound` where it is not held."""
        log_id, index = place(at)
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.body is None or entry.header is None:
            raise NotFound("its bytes are not held here")
        header = self._node.header(entry.header)
        if header.relayed is None:
            return Stated(header, entry.standing, index, entry.body)
        relay = intel.cut_relay(entry.body)
        return Stated(header, entry.standing, relay.line.index, cut(relay.payload)[1])

    def sightings(self, unit: Unit, actor: Actor, key: bytes) -> list[Sighting]:
        """Return every readable sighting of a value or object."""
        found = []
        rows: Sequence[tuple[Any, ...]] = unit.views.find(intel.SIGHTING, {"key": key}, limit=10_000)
        for at, _, when, count, verdict, number in rows:
            witness = self.witness_at(unit, actor, at)
            if witness is not None:
                found.append(Sighting(witness, when, count, intel.VERDICTS[verdict], bool(number)))
        return found

    def home_objects(self, unit: Unit, *, source: str, type_: str, after: Instant) -> Iterator[tuple[int, Header]]:
        """Yield (position, header) of this party's own collected objects that fit a query."""
        code = intel.type_code(type_) if type_ else None
        home = [log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None]
        for run in (run for log in home for run in classes_in(unit, log.id, 0, log.size)):
            header, places = self._node.header(unit.entries.header(run.which.header_id)), run.places
            if header.kind != INTEL_OBJECT or header.at < after or source not in {"", header.source}:
                continue
            if code is None:
                yield from zip(places, repeat(header))
                continue
            rows = unit.views.scan(intel.OBJECT, places[0], places[-1], limit=len(places))
            yield from ((int(row[0] or 0), header) for row in rows if row[2] == code)

    def newest(self, unit: Unit, actor: Actor, numbers: Sequence[int]) -> dict[Said, list[Found]]:
        """Return for objects that have several versions the newest that each sayer has: what its statements say.

        Only what this office may read counts, and what somebody stands by. By sayer, for nobody replaces another's
        word: who states somebody else's id with a later date does not speak for them.
        """
        several = unit.views.differing(intel.STATED, "modified", numbers)  # most objects have one version
        if not several:
            return {}
        dated: dict[int, dict[int, list[int]]] = {}
        rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", several)
        for at, number, modified in rows:
            dated.setdefault(number, {}).setdefault(modified, []).append(at)
        chosen: dict[int, Witness] = {}
        for versions in dated.values():
            last: dict[Said, int] = {}
            for modified in sorted(versions, reverse=True):
                for at in versions[modified]:
                    one = self.witness_at(unit, actor, at)
                    if one is not None and not one.retracted and last.setdefault(said(0, one), modified) == modified:
                        chosen[at] = one
        found: dict[Said, list[Found]] = {}
        facts: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.OBJECT, "position", list(chosen))
        for at, uuid, code, modified, until, flags in facts:
            number, one = intel.object_number(uuid), chosen[at]
            found.setdefault(said(number, one), []).append(Found(b"", number, code, modified, until, flags, (one,)))
        return found


def _stated(unit: Unit, ident: str) -> list[tuple[int, int]]:
    """Return (position, modified) of every entry that states an object, by its STIX id. Raises `Malformed`.

    The type counts: cyber-observable objects of two types may have one UUID (STIX 2.1 §2.9).
    """
    rows = unit.views.find_many(intel.STATED, "object", [intel.object_number(intel.uuid_of(ident))])
    code = intel.type_code(ident.partition("--")[0])
    facts: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.OBJECT, "position", [row[0] for row in rows])
    of_type = {row[0] for row in facts if row[2] == code}
    return [(int(row[0] or 0), int(row[2] or 0)) for row in rows if row[0] in of_type]


def said(number: int, witness: Witness) -> Said:
    """Return whose word about an object a witness is."""
    return number, witness.party, witness.office, witness.source


def later(found: Found, newest: Newest) -> list[Found]:
    """Return what everybody who said this says now; nothing where anybody stands by it as the newest.

    Who took it back neither stands by it nor says anything newer by that.
    """
    after: list[Found] = []
    for witness in found.witnesses:
        if witness.retracted:
            continue
        now = _replaced(found, witness, newest)
        if not now:
            return []
        after += now
    return after


def still(found: Found, newest: Newest) -> Found | None:
    """Return this with those of its witnesses who say nothing newer and did not take it back; None where none do."""
    left = tuple([one for one in found.witnesses if not one.retracted and not _replaced(found, one, newest)])
    if len(left) == len(found.witnesses):
        return found
    return msgspec.structs.replace(found, witnesses=left) if left else None


def _replaced(found: Found, witness: Witness, newest: Newest) -> Sequence[Found]:
    """Return what a witness says now of the object, where that is newer than this."""
    now = newest.get(said(found.object, witness), ())
    return now if now and now[0].modified > found.modified else ()


def _versions(found: Sequence[Found]) -> list[Found]:
    """Join what is the same version of the same object, and says the same: one thing, with all its witnesses."""
    if len({(one.object, one.modified) for one in found}) == len(found):
        return list(found)
    same: dict[tuple[object, ...], list[Found]] = {}
    for one in found:
        # Who states another's id and version with other facts is no witness of the other's.
        same.setdefault((one.object, one.modified, one.code, one.until, one.flags), []).append(one)
    return [
        msgspec.structs.replace(some[0], witnesses=tuple([w for one in some for w in one.witnesses]))
        if len(some) > 1
        else some[0]
        for some in same.values()
    ]


def _author(log: Log, header: Header) -> tuple[str, str]:
    if header.relayed is not None:
        return canon.parse_origin(header.relayed.origin)[0], header.relayed.office
    return log.party, header.office


def only_retracted(decisions: Sequence[object]) -> bool:
    """Say whether retraction is the only ground that keeps a statement from its reader."""
    for decision in decisions:
        if isinstance(decision, Release):
            return True
        grounds = getattr(decision, "grounds", ())
        if grounds and all(g.rule == "standing" and "retracted" in g.because for g in grounds):
            return True
    return False
