"""What partners stated, sorted into the events by which it is written into a MISP, each event of one partner alone.

Rules: what a partner's report names goes into one event, what nothing names into one event a day; a report that comes
late takes its own out of the events of days. What is sorted and how far logs were looked at is one unit of work. What
came from this MISP, and what this party said itself, does not go back into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from comity import canon
from comity.areas import intel
from comity.areas.intel.edges import EDGE, end_key, ends_of
from comity.errors import NotFound
from comity.formats.misp import crossing
from comity.limits import SIDECAR_MEMBERS_MAX
from comity.node import exporting, sidecars
from comity.node.ports import Log, Unit, place
from comity.node.sidecar_pulling import Round
from comity.node.sidecars import LOOKED, WRITTEN, Looked, Written
from comity.node.spans import runs
from comity.statement import INTEL_OBJECT, INTEL_SIGHTING
from comity.vocab import Held

BATCH: Final = 2_048  # entries looked at in one unit of work
_DAY: Final = 86_400
EDGES_MAX: Final = 256  # objects that may name one before it is taken for one that nobody's report is about
_NOT_WRITTEN: Final = frozenset({"marking-definition", "extension-definition", "identity"})


class _Head(msgspec.Struct):
    """What an object is called, and what it names."""

    id: str
    type: str
    name: str = ""
    object_refs: list[str] = []
    sighting_of_ref: str = ""


class _Member(NamedTuple):
    """An object as its author has it: its id, head, position and who says so."""

    at: int
    head: _Head
    party: str
    when: int  # seconds: when it was stated


def look(going: Round) -> None:
    """Sort what is new in partners' logs into events, batch by batch."""
    while _next(going):
        going.pause()


def _next(going: Round) -> bool:
    """Sort one batch; say whether there was one. What it sorts and how far it looked is one unit of work."""
    node = going.services.node
    with node.store.write() as unit:
        if not sidecars.is_kept(unit, going.sidecar):
            return False
        looked = sidecars.get(unit, LOOKED, going.at, Looked) or Looked()
        again = [at for start, end in looked.missing for at in range(start, end) if unit.entries.is_held(*place(at))]
        log = next((one for one in _logs(going, unit) if looked.sizes.get(one.origin, 0) < one.size), None)
        if log is None and not again:
            return False
        missing = {at for start, end in looked.missing for at in range(start, end)} - set(again)
        places = again
        if log is not None:
            start = looked.sizes.get(log.origin, 0)
            end = min(start + BATCH, log.size)
            looked.sizes[log.origin] = end
            for brief in unit.entries.brief(log.id, start, end):
                if brief.held is Held.PAYLOAD:
                    places.append(brief.position)
                elif brief.held is not Held.ERASED:
                    missing.add(brief.position)
        sorting = _Sorting(going, unit)
        sorting.sort(sorted(places))
        looked.missing = [(start, end) for start, end in runs(sorted(missing))]
        looked.dirty = sorted(sorting.dirty | set(looked.dirty))
        sidecars.put(unit, LOOKED, going.at, looked)
    return True


def _logs(going: Round, unit: Unit) -> Iterator[Log]:
    """Yield partners' logs of the accords whose statements are written."""
    for log in unit.logs.all():
        if not log.own and canon.parse_origin(log.origin)[1] in going.sidecar.writes:
            yield log


class _Sorting:
    """Puts objects into events, in one unit of work."""

    def __init__(self, going: Round, unit: Unit) -> None:
        self._going = going
        self._node = going.services.node
        self._unit = unit
        self.dirty: set[str] = set()  # events that are to be written again

    def sort(self, places: Sequence[int]) -> None:
        """Put each object into its event; reports first, for they say what goes with them."""
        found: dict[str, list[_Member]] = {}
        for at in places:
            member = self._member(at)
            if member is not None:
                found.setdefault(member.party, []).append(member)
        for party, members in found.items():
            for member in members:
                if member.head.type == "report":
                    self._report(party, member)
            for member in members:
                if member.head.type == "sighting":
                    self._sighting(party, member)
                elif member.head.type != "report":
                    self._put(self._event_of(party, member), member)

    def _sighting(self, party: str, member: _Member) -> None:
        """Put a sighting beside what was seen, where that is the same partner's and is written."""
        for seen in self._held(party, member.head.sighting_of_ref):
            event = self._event_of(party, seen)
            if member.head.sighting_of_ref in event.members:
                self._put(event, member)
                return

    def _member(self, at: int) -> _Member | None:
        """Return an entry's object, where it is one that is written."""
        unit, node = self._unit, self._node
        log = unit.logs.get(place(at)[0])
        try:
            stated = self._going.services.queries.stated(unit, at)
        except NotFound:
            return None
        kind = intel.kind_of(stated.header)
        if kind == INTEL_SIGHTING:
            data = exporting.as_stix(self._going.services.queries, unit, at)
        else:
            data = stated.body if kind == INTEL_OBJECT else None
        if data is None:
            return None
        try:
            head = msgspec.json.decode(data, type=_Head)
        except msgspec.MsgspecError:
            return None
        relayed = stated.header.relayed
        party = canon.parse_origin(relayed.origin if relayed else log.origin)[0]
        if head.type in _NOT_WRITTEN or party == node.me or self._is_ours(head.id):
            return None
        return _Member(at, head, str(party), stated.header.at)

    def _is_ours(self, ident: str) -> bool:
        """Say whether an object of that id came from this very MISP: then it is there."""
        try:
            number = intel.object_number(UUID(ident[-36:]).bytes)
        except ValueError:
            return False
        if ident.partition("--")[0] not in {"indicator", "report", "note", "observed-data", "vulnerability"}:
            return False  # what has one id wherever it stands is nobody's own
        for row in self._unit.views.find_many(intel.STATED, "object", [number]):
            log_id, index = place(int(row[0] or 0))
            if self._unit.logs.get(log_id).own:
                (brief,) = self._unit.entries.brief(log_id, index, index + 1)
                header = self._node.header(self._unit.entries.header(brief.header_id))
                if header.source == self._going.sidecar.name and header.office == self._going.sidecar.office:
                    return True
        return False

    def _report(self, party: str, member: _Member) -> None:
        """Put a report into its event, and what it names that stood in events of days."""
        event = self._open(party, member, f"report {member.head.id}", member.head.name or "Report")
        event.report = member.head.id[-36:].lower()
        event.title = f"{member.head.name or 'Report'} [{party}]"[: crossing.TITLE_CHARS_MAX]
        self._put(event, member)
        for ref in member.head.object_refs:
            for other in self._held(party, ref):
                day = self._kept(self._day_uuid(party, other))
                if day is not None and ref in day.members:
                    del day.members[ref]
                    self._save(day)
                    self._put(event, other)

    def _held(self, party: str, ident: str) -> Iterator[_Member]:
        """Yield the entries of a partner's that carry an object, where they were sorted before."""
        try:
            number = intel.object_number(UUID(ident[-36:]).bytes)
        except ValueError:
            return
        for row in self._unit.views.find_many(intel.STATED, "object", [number]):
            at = int(row[0] or 0)
            if not self._unit.logs.get(place(at)[0]).own:
                member = self._member(at)
                if member is not None and member.head.id == ident and member.party == party:
                    yield member

    def _event_of(self, party: str, member: _Member) -> Written:
        """Return the event of an object: its report's, where one names it; else that of its day."""
        for report in self._reports(member.head.id):
            known = self._kept(crossing.event_uuid(party, self._accord(member), f"report {report}"))
            if known is not None:
                return known
        day = member.when - member.when % _DAY
        date = datetime.fromtimestamp(day, UTC).date().isoformat()
        return self._open(party, member, f"day {date}", f"{self._accord(member)}, {date}", day)

    def _reports(self, ident: str) -> Iterator[str]:
        """Yield the reports that name an object, themselves or through a grouping."""
        for row in self._unit.views.find(EDGE, {"key": end_key(ident)}, limit=EDGES_MAX):
            for end in ends_of(bytes(row[2] or b"")):  # type: ignore[arg-type]
                if end.out or end.role != "object_refs":
                    continue
                if end.ident.startswith("report--"):
                    yield end.ident
                elif end.ident.startswith("grouping--") and not ident.startswith("grouping--"):
                    yield from self._reports(end.ident)

    def _day_uuid(self, party: str, member: _Member) -> str:
        date = datetime.fromtimestamp(member.when - member.when % _DAY, UTC).date().isoformat()
        return crossing.event_uuid(party, self._accord(member), f"day {date}")

    def _accord(self, member: _Member) -> str:
        return str(canon.parse_origin(self._unit.logs.get(place(member.at)[0]).origin)[1])

    def _open(self, party: str, member: _Member, what: str, title: str, day: int = 0) -> Written:
        accord = self._accord(member)
        uuid = crossing.event_uuid(party, accord, what)
        known = self._kept(uuid)
        if known is not None:
            return known
        named = f"{title} [{party}]"[: crossing.TITLE_CHARS_MAX]
        return Written(uuid, party, accord, title=named, day=day or member.when)

    def _put(self, event: Written, member: _Member) -> None:
        """Put an object into an event; of several versions the one that was stated last."""
        if event.members.get(member.head.id) == member.at:
            return
        if member.head.id not in event.members and len(event.members) >= SIDECAR_MEMBERS_MAX:
            event.fault = f"it has over {SIDECAR_MEMBERS_MAX} objects (SIDECAR_MEMBERS_MAX): the rest is not written"
        else:
            event.members[member.head.id] = self._newer(event.members.get(member.head.id), member.at)
        self._save(event)

    def _newer(self, before: int | None, after: int) -> int:
        """Return the entry of the later version; of equal ones the later entry."""
        if before is None:
            return after
        dates = [self._unit.views.scan(intel.OBJECT, at, at, limit=1) for at in (before, after)]
        first, second = (int(rows[0][3] or 0) if rows else 0 for rows in dates)
        return before if first > second else after

    def _kept(self, uuid: str) -> Written | None:
        return sidecars.get(self._unit, WRITTEN, f"{self._going.at}/{uuid}", Written)

    def _save(self, event: Written) -> None:
        self.dirty.add(event.uuid)
        sidecars.put(self._unit, WRITTEN, f"{self._going.at}/{event.uuid}", event)
