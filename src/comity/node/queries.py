"""Asking a node what it knows: look-ups of values, objects with their versions and witnesses, explanations.

Rules: every answer names its source, its marking and how long it is valid. What an office may not read it
does not see, not even as a count. The hot path decodes nothing twice: headers, readings and sources are
kept by their interned numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.canon import Instant, Origin
from comity.errors import Misuse, NotFound
from comity.formats import observables
from comity.formats.observables import Observable
from comity.node import views
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Sight, Unit, place, position
from comity.node.releases import Class, Releases
from comity.policy import Release
from comity.statement import Header, Marking
from comity.vocab import Held

SIGHTS_KEPT: Final = 65_536  # class readings kept in memory


class Witness(msgspec.Struct, frozen=True, gc=False):
    """Who says so: one entry that carries an object, and under which marking."""

    position: int
    origin: Origin
    index: int
    party: str
    office: str
    source: str
    marking: Marking | None
    retracted: bool
    at: Instant


class Found(msgspec.Struct, frozen=True, gc=False):
    """One thing known of a value: an object version, and everybody who says it."""

    value: Observable
    uuid: bytes
    type: str
    modified: int
    until: int | None
    revoked: bool
    witnesses: tuple[Witness, ...]

    def current(self, at: Instant) -> bool:
        """Say whether it is still valid, not revoked, and stood by by at least one witness."""
        in_time = self.until is None or self.until > at
        return in_time and not self.revoked and any(not w.retracted for w in self.witnesses)


class _Reading(NamedTuple):
    """What an office may know of a class, or that it may not (`marking` then says nothing)."""

    readable: bool
    party: str
    office: str
    source: str
    marking: Marking | None
    retracted: bool
    origin: Origin
    at: Instant
    lapses: Instant


class Queries:
    """Answers the people and tools of this party."""

    def __init__(self, node: Node, accords: Accords, releases: Releases) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases
        self._epoch = -1
        self._readings: dict[tuple[int, int, int, Actor], _Reading] = {}

    # -- look-ups ------------------------------------------------------------

    def lookup(self, unit: Unit, actor: Actor, text: str) -> list[Found]:
        """Return what is known of a value as a person writes it, defanged or not; newest version first."""
        found: list[Found] = []
        for key, observable in _meant(text).items():
            sights = unit.lookups.one(intel.OBSERVABLE, intel.OBJECT, key)
            if sights:
                found += self._group(unit, actor, observable, sights)
        return found

    def lookup_many(self, unit: Unit, actor: Actor, texts: Sequence[str]) -> list[list[Found]]:
        """Return what is known of each of many values, in their order."""
        meant = [_meant(text) for text in texts]
        sights: dict[bytes, list[Sight]] = {}
        for sight in unit.lookups.many(intel.OBSERVABLE, intel.OBJECT, [key for each in meant for key in each]):
            sights.setdefault(sight.value, []).append(sight)
        return [
            [
                found
                for key, observable in each.items()
                if key in sights
                for found in self._group(unit, actor, observable, sights[key])
            ]
            for each in meant
        ]

    def _group(self, unit: Unit, actor: Actor, value: Observable, sights: Sequence[Sight]) -> list[Found]:
        if len(sights) == 1:
            (sight,) = sights
            only = self._witness(unit, actor, sight.position, sight.held, sight.header_id, sight.standing_id)
            return [] if only is None else [_found(value, sight.row, (only,))]
        versions: dict[tuple[object, object], tuple[Sight, list[Witness]]] = {}
        for sight in sights:
            witness = self._witness(unit, actor, sight.position, sight.held, sight.header_id, sight.standing_id)
            if witness is not None:
                versions.setdefault((sight.row[1], sight.row[3]), (sight, []))[1].append(witness)
        return [_found(value, sight.row, tuple(witnesses)) for sight, witnesses in versions.values()]

    def _witness(
        self, unit: Unit, actor: Actor, at: int, held: Held, header_id: int, standing_id: int
    ) -> Witness | None:
        if held is not Held.PAYLOAD:
            return None
        log_id, index = place(at)
        reading = self._reading(unit, actor, log_id, header_id, standing_id)
        readable, party, office, source, marking, retracted, origin, made, _ = reading
        if not readable and not self._through_accord(unit, actor, at):
            return None
        return Witness(at, origin, index, party, office, source, marking, retracted, made)

    def _reading(self, unit: Unit, actor: Actor, log_id: int, header_id: int, standing_id: int) -> _Reading:
        if self._epoch != self._node.epoch or len(self._readings) > SIGHTS_KEPT:
            self._readings.clear()
            self._epoch = self._node.epoch
        key = (log_id, header_id, standing_id, actor)
        known = self._readings.get(key)
        if known is not None and (not known.lapses or self._node.now() < known.lapses):
            return known
        log = unit.logs.get(log_id)
        judged = self._releases.readable(unit, log, Class(header_id, standing_id), actor)
        header = self._node.header(unit.entries.header(header_id))
        standing = msgspec.json.decode(unit.entries.standing(standing_id), type=Standing)
        # A retracted statement still shows, as retracted: who acted on it must learn that.
        readable = judged is None or bool(judged.released) or _only_retracted(judged.decisions)
        author, office = _author(log, header)
        reading = self._readings[key] = _Reading(
            readable,
            author,
            office,
            header.source,
            narrowed(header.marking, standing) if header.marking else None,
            standing.retracted,
            header.relayed.origin if header.relayed else log.origin,
            header.at,
            (judged.lapses or 0) if judged else 0,
        )
        return reading

    def _through_accord(self, unit: Unit, actor: Actor, at: int) -> bool:
        """Say whether another office's home record was released to this one by being stated in an accord."""
        for row in unit.views.find(views.PASSED, {"source": at}, limit=64):
            log_id, index = place(int(row[0] or 0))
            (brief,) = unit.entries.brief(log_id, index, index + 1)
            if (
                brief.held is Held.PAYLOAD
                and self._reading(unit, actor, log_id, brief.header_id, brief.standing_id).readable
            ):
                return True
        return False

    # -- objects -------------------------------------------------------------

    def entries_of(self, unit: Unit, actor: Actor, name: str) -> list[Witness]:
        """Return the entries that a name means: a STIX id, `<origin>#<index>`, or a value. Raises `NotFound`."""
        if "#" in name and "/" in name.partition("#")[0]:
            places = [self.parse_place(unit, name)]
        elif "--" in name:
            uuid = intel.uuid_of(name)
            rows = unit.views.find_many(intel.OBJECT, "uuid", [uuid])
            places = [int(row[0] or 0) for row in rows]
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
        uuid = intel.uuid_of(ident)
        groups: dict[object, tuple[tuple[object, ...], list[Witness]]] = {}
        for row in unit.views.find_many(intel.OBJECT, "uuid", [uuid]):
            witness = self.witness_at(unit, actor, int(row[0] or 0))
            if witness is not None:
                groups.setdefault(row[3], (row, []))[1].append(witness)
        value = Observable("stix-id", ident)
        found = [_found(value, row, tuple(witnesses)) for row, witnesses in groups.values()]
        return sorted(found, key=lambda f: -f.modified)

    def body(self, unit: Unit, at: int) -> bytes:
        """Return an object's original bytes. Raises `NotFound` where they are not held."""
        log_id, index = place(at)
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.body is None or entry.header is None:
            raise NotFound("its bytes are not held here")
        if self._node.header(entry.header).relayed is None:
            return entry.body
        payload = intel.cut_relay(entry.body).payload
        return payload[payload.find(b"\n") + 1 :]

    def sightings(self, unit: Unit, actor: Actor, key: bytes) -> list[tuple[Witness, int, int]]:
        """Return (who, when seen, count) of every readable sighting of a value or object."""
        found = []
        for row in unit.views.find(intel.SIGHTING, {"key": key}, limit=10_000):
            witness = self.witness_at(unit, actor, int(row[0] or 0))
            if witness is not None:
                found.append((witness, int(row[2] or 0), int(row[3] or 0)))
        return found

    def home_objects(self, unit: Unit, *, source: str, type_: str, after: Instant) -> Iterator[tuple[int, Header]]:
        """Yield (position, header) of this party's own collected objects that fit a query."""
        code = intel.type_code(type_) if type_ else None
        for log in unit.logs.all():
            if not log.own or canon.parse_origin(log.origin)[1] is not None:
                continue
            yield from self._home_objects(unit, log, source, code, after)

    def _home_objects(
        self, unit: Unit, log: Log, source: str, code: int | None, after: Instant
    ) -> Iterator[tuple[int, Header]]:
        types: dict[int, int] = {}
        for start in range(0, log.size, 4_096):
            end = min(start + 4_096, log.size)
            if code is not None:
                rows = unit.views.scan(intel.OBJECT, position(log.id, start), position(log.id, end - 1), limit=4_096)
                types = {int(row[0] or 0): int(row[2] or 0) for row in rows}
            for brief in unit.entries.brief(log.id, start, end):
                if brief.held is not Held.PAYLOAD:
                    continue
                header = self._node.header(unit.entries.header(brief.header_id))
                fits = header.kind == "intel.object" and header.at >= after and source in {"", header.source}
                if fits and (code is None or types.get(brief.position) == code):
                    yield brief.position, header


def _meant(text: str) -> dict[bytes, Observable]:
    """Return what a text may be, by index key, likeliest first; of two with one key the likelier stands for both."""
    meant: dict[bytes, Observable] = {}
    for observable in observables.recognise(text):
        meant.setdefault(observables.key(observable), observable)
    return meant


def _found(value: Observable, row: tuple[Any, ...], witnesses: tuple[Witness, ...]) -> Found:
    """Return an answer from a row of `intel.OBJECT`."""
    _, uuid, code, modified, until, flags = row
    return Found(value, uuid, intel.type_name(code), modified, until, flags & intel.REVOKED != 0, witnesses)


def _author(log: Log, header: Header) -> tuple[str, str]:
    if header.relayed is not None:
        return canon.parse_origin(header.relayed.origin)[0], header.relayed.office
    return log.party, header.office


def _only_retracted(decisions: Sequence[object]) -> bool:
    """Say whether retraction is the only ground that keeps a statement from its reader."""
    for decision in decisions:
        if isinstance(decision, Release):
            return True
        grounds = getattr(decision, "grounds", ())
        if grounds and all(g.rule == "standing" and "retracted" in g.because for g in grounds):
            return True
    return False
