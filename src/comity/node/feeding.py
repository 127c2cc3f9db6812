"""What sensors are given of released objects: the values that are worth acting on, each once.

Rules: whether an object may go is decided before (`exporting`); here only what is of no use, or of harm, to a sensor is
left out, and each is counted under its reason. A value is acted on alone, so only indicators count whose pattern is
that value or one of several, never a part of a combination; what was merely seen is no indicator. A million pass here:
entries are read in runs and by class, read for their leads elsewhere (`leads.Reader`), and only a value that several
entries say is remembered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.canon import Instant
from comity.formats.sensors.item import Item
from comity.formats.stix import leads
from comity.formats.stix.leads import Lead
from comity.node.node import Node
from comity.node.ports import Entry, Unit, place, position
from comity.node.queries import Ident
from comity.node.releases import Class
from comity.node.repeats import Repeats
from comity.node.scoring import Asked, Judge, Worth
from comity.node.spans import runs
from comity.statement import Header, Marking
from comity.vocab import Held

READ_AT_ONCE: Final = 1_024  # entries read together
CLASSES_APART: Final = 4  # classes in one run of entries that are read class by class; more are read entry by entry
_SECOND: Final = 1_000_000  # microseconds
_STANDING: Final = msgspec.json.Decoder(Standing).decode
_UNTOUCHED: Final = b"{}"
_INDICATOR: Final = intel.type_code("indicator")


class Sieve(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a consumer wants of what it may have."""

    confidence: int = 0  # at least this is left of it, from 0 to 100
    unsure: bool = True  # also what came without a confidence
    kinds: tuple[str, ...] = ()  # of observables; empty: all
    warned: bool = False  # also values that a warning list has: likely false positives
    faded: bool = False  # also what has worn off, is doubted, or is said to have ended


Given = Callable[[bytes, int, Item], None]
"""Is told of each value that is given: its key, the position of the entry that says it, what is given."""


@dataclass(slots=True)
class Sifted:
    """How many values were given, and how many things were left out for which reason."""

    given: int = 0
    left: Counter[str] = field(default_factory=Counter)
    tell: Given | None = None


class _Said(NamedTuple):
    """What entries of one class have in common."""

    tlp: str
    source: str
    created: Instant
    relayed: bool
    which: Ident


class _Fit(msgspec.Struct, frozen=True, gc=False):
    """An entry that may give leads."""

    at: int  # its position
    object: int  # its number
    versions: bool  # whether other versions of the object are held
    said: _Said
    confidence: int | None
    until: Instant | None
    modified: int  # seconds


class _Batch(NamedTuple):
    """Entries that may give leads, the newest first, with their bytes beside them."""

    fit: list[_Fit]
    bodies: list[bytes]


ALONE: Final = leads.reader()  # no warning list is asked


def items(
    node: Node,
    unit: Unit,
    places: Sequence[int],
    sieve: Sieve,
    done: Sifted,
    *,
    at: Instant,
    read: leads.Reader = ALONE,
    judge: Judge | None = None,
) -> Iterator[Item]:
    """Yield the values of released objects, the newest objects first, each value once.

    Without a judge a value is worth what its producer says, whatever its age.
    """
    under_way: deque[_Batch] = deque()

    def bodies() -> Iterator[list[bytes]]:
        stated = Repeats(unit, intel.STATED, "modified", asked=len(places))
        for batch in _batches(node, unit, places, stated, done, at):
            under_way.append(batch)
            yield batch.bodies

    sifting = _Sifting(unit, sieve, done, judge)
    for told in read(bodies()):
        yield from sifting.sift(under_way.popleft(), told)


class _Sifting:
    """Takes from leads what is of no use to a sensor."""

    def __init__(self, unit: Unit, sieve: Sieve, done: Sifted, judge: Judge | None) -> None:
        self._unit = unit
        self._sieve = sieve
        self._done = done
        self._judge = judge
        self._given: set[bytes] = set()  # of the values given those that other entries say too

    def sift(self, batch: _Batch, told: Sequence[Lead]) -> Iterator[Item]:
        """Yield what is given of a batch."""
        kinds, left, warned = self._sieve.kinds, self._done.left, self._sieve.warned
        given, tell = self._given, self._done.tell
        worths = self._worths(batch, told)
        for fit, lead in zip(batch.fit, told, strict=True):
            if lead.note:
                left[lead.note] += 1
            for key, kind, value, on_list in lead.values:
                if kinds and kind not in kinds:
                    left["kind not asked for"] += 1
                    continue
                worth = next(worths)
                if key in given:
                    left["given already"] += 1
                elif on_list and not warned:
                    left["on a warning list"] += 1
                elif reason := self._reason(worth):
                    left[reason] += 1
                else:
                    if worth is None or not worth.alone:
                        given.add(key)
                    self._done.given += 1
                    item = _item(kind, value, lead, fit)
                    if tell is not None:
                        tell(key, fit.at, item)
                    yield item

    def _worths(self, batch: _Batch, told: Sequence[Lead]) -> Iterator[Worth | None]:
        """Yield what each value of the kinds asked for is worth, in their order."""
        kinds, judge = self._sieve.kinds, self._judge
        if judge is None:
            for fit, lead in zip(batch.fit, told, strict=True):
                for _, kind, _, _ in lead.values:
                    if not kinds or kind in kinds:
                        yield Worth(fit.confidence, faded=False, alone=False)
            return
        asked = [
            Asked(kind, key, fit.said.which, fit.object, fit.versions, fit.confidence, fit.modified)
            for fit, lead in zip(batch.fit, told, strict=True)
            for key, kind, _, _ in lead.values
            if not kinds or kind in kinds
        ]
        yield from judge(self._unit, asked) if asked else ()

    def _reason(self, worth: Worth | None) -> str:
        """Return why a value of such a worth is left out; empty where it is given."""
        if worth is None:  # its author says something newer by another way, which does not go to this audience
            return "superseded"
        if worth.faded and not self._sieve.faded:
            return "faded"
        if worth.score is None:
            return "" if self._sieve.unsure else "without a confidence"
        return "confidence too low" if worth.score < self._sieve.confidence else ""


# -- entries --------------------------------------------------------------------------------


def _batches(
    node: Node, unit: Unit, places: Sequence[int], stated: Repeats, done: Sifted, at: Instant
) -> Iterator[_Batch]:
    """Yield what may give leads, the newest first; count what may not."""
    for start, end in reversed(runs(places)):
        log_id, first = place(start)
        stop = first + end - start
        for last in range(stop, first, -READ_AT_ONCE):
            batch = _batch(node, unit, (log_id, max(first, last - READ_AT_ONCE), last), stated, done, at)
            if batch.fit:
                yield batch


def _batch(node: Node, unit: Unit, run: tuple[int, int, int], stated: Repeats, done: Sifted, at: Instant) -> _Batch:
    log_id, start, end = run
    rows = _rows(unit, log_id, start, end)
    numbers = [intel.object_number(row[1]) for row in rows]
    versions = _versions(unit, stated, numbers)
    older = _superseded(node, unit, rows, numbers, versions)
    held = _held(node, unit, log_id, start, end)
    left = done.left
    batch = _Batch([], [])
    left["no object"] += end - start - len(rows)
    for number, (where, _, code, modified, until, flags) in zip(reversed(numbers), reversed(rows), strict=True):
        known = held.get(where)
        if where in older:
            left["superseded"] += 1
        elif known is None:
            left["no object"] += 1
        elif reason := _unfit(code, until, flags, at):
            left[reason] += 1
        else:
            said, body = known
            sure = intel.confidence_of(flags)
            batch.fit.append(_Fit(where, number, number in versions, said, sure, until, modified // _SECOND))
            batch.bodies.append(body)
    if not left["no object"]:
        del left["no object"]
    return batch


def _held(node: Node, unit: Unit, log_id: int, start: int, end: int) -> dict[int, tuple[_Said, bytes]]:
    """Return what is held of a run of entries: what its class says, and the object as its author wrote it."""
    classes = [Class(*pair) for pair in unit.entries.classes(log_id, start, end)]
    if len(classes) <= CLASSES_APART:
        common = {which: _said(node, unit, log_id, which) for which in classes}
        if not any(said.relayed for said in common.values()):
            return {
                where: (said, body)
                for which, said in common.items()
                for where, body in unit.entries.bodies(log_id, start, end, [which], intel.OBJECT)
            }
    kept: dict[Class, _Said] = {}
    found: dict[int, tuple[_Said, bytes]] = {}
    briefs = unit.entries.brief(log_id, start, end)
    for brief, entry in zip(briefs, unit.entries.read(log_id, start, end), strict=True):
        if entry.header is not None and entry.body is not None:
            which = Class(brief.header_id, brief.standing_id)
            said = kept.get(which) or kept.setdefault(which, _said(node, unit, log_id, which))
            found[entry.position] = said, intel.body_of(node.header(entry.header), entry.body)
    return found


def _said(node: Node, unit: Unit, log_id: int, which: Class) -> _Said:
    header = node.header(unit.entries.header(which.header_id))
    return _of_header(header, unit.entries.standing(which.standing_id), (log_id, *which))


def _of_header(header: Header, standing: bytes, which: Ident) -> _Said:
    marking = _marking(header.marking, standing)
    return _Said(marking.tlp.value if marking else "", header.source, header.at, header.relayed is not None, which)


def _rows(unit: Unit, log_id: int, start: int, end: int) -> Sequence[tuple[Any, ...]]:
    first, last = position(log_id, start), position(log_id, end - 1)
    return unit.views.scan(intel.OBJECT, first, last, limit=end - start)


def _versions(unit: Unit, stated: Repeats, numbers: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Return for those objects that have several versions all of these, as (modified, position)."""
    several = list(stated.of(set(numbers)))
    if not several:
        return {}
    found: dict[int, list[tuple[int, int]]] = {}
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", several)
    for at, number, modified in rows:
        found.setdefault(number, []).append((modified, at))
    return found


def _superseded(
    node: Node,
    unit: Unit,
    rows: Sequence[tuple[Any, ...]],
    numbers: Sequence[int],
    versions: Mapping[int, Sequence[tuple[int, int]]],
) -> set[int]:
    """Return the positions of versions that the same author and source have a newer one of.

    Others cannot supersede: who states somebody else's id does not speak for them. Nor does what was taken back.
    """
    found: set[int] = set()
    for number, (at, _, _, modified, *_) in zip(numbers, rows, strict=True) if versions else ():
        later = [other for when, other in versions.get(number, ()) if when > modified]
        if later:
            said = sayer(node, unit, at)
            found.update([at] if any(sayer(node, unit, other) == said for other in later) else ())
    return found


def sayer(node: Node, unit: Unit, at: int) -> tuple[object, ...]:
    """Return who says an entry, and where they have it from; nothing where nobody stands by it."""
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    if brief.held is not Held.PAYLOAD or _STANDING(unit.entries.standing(brief.standing_id)).retracted:
        return ()
    header = node.header(unit.entries.header(brief.header_id))
    if header.relayed is not None:
        return header.relayed.origin, header.relayed.office
    return unit.logs.get(log_id).party, header.office, header.source


def told(node: Node, entry: Entry) -> Iterator[tuple[bytes, Item]]:
    """Yield every value that a held entry says, with its key, whatever it is worth: to tell that it is gone."""
    if entry.header is None or entry.body is None:
        return
    header = node.header(entry.header)
    body = intel.body_of(header, entry.body)
    lead = leads.lead_of(body)
    nowhere = (0, 0, 0)
    fit = _Fit(entry.position, 0, False, _of_header(header, entry.standing, nowhere), None, None, 0)
    for key, kind, value, _ in lead.values:
        yield key, _item(kind, value, lead, fit)


def _item(kind: str, value: str, lead: Lead, fit: _Fit) -> Item:
    said = fit.said
    return Item(
        kind,
        value,
        lead.ident,
        lead.name,
        fit.confidence,
        None,
        fit.until,
        said.tlp,
        "",
        said.source,
        lead.labels,
        said.created,
        fit.modified,
    )


def _unfit(code: int, until: int | None, flags: int, at: Instant) -> str:
    if code != _INDICATOR:
        return "not an indicator"
    if flags & intel.REVOKED:
        return "revoked"
    return "expired" if until is not None and until <= at else ""


def _marking(marking: Marking | None, standing: bytes) -> Marking | None:
    if marking is None or standing == _UNTOUCHED:
        return marking
    return narrowed(marking, _STANDING(standing))
