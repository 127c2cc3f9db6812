"""What sensors are given of released objects: the values that are worth acting on, each once.

Rules: whether an object may go is decided before (`exporting`); here only what is of no use, or of harm, to a sensor is
left out, and each is counted under its reason. A value is acted on alone, so only indicators count whose pattern is
that value or one of several, never a part of a combination; what was merely seen is no indicator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.canon import Instant
from comity.errors import Malformed
from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.sensors.item import Item
from comity.formats.stix import observe
from comity.node.node import Node
from comity.node.ports import Entry, Unit, place, position
from comity.node.scoring import Asked, Worth
from comity.node.spans import runs
from comity.statement import Header, Marking
from comity.vocab import Held

READ_AT_ONCE: Final = 512  # entries read together
_SECOND: Final = 1_000_000  # microseconds
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode
_STANDING: Final = msgspec.json.Decoder(Standing).decode
_UNTOUCHED: Final = b"{}"


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


class _Worth(NamedTuple):
    """A value to be weighed, and what is given of it."""

    asked: Asked
    item: Item
    at: int  # position of the entry that says it


Judge = Callable[[Unit, Sequence[Asked]], Sequence[Worth]]
"""Says of values what they are worth now, and whether they have faded (`scoring.judge`)."""
Warned = Callable[[Observable], bool]
"""Says whether a warning list has a value."""


def items(
    node: Node,
    unit: Unit,
    places: Sequence[int],
    sieve: Sieve,
    done: Sifted,
    *,
    at: Instant,
    warned: Warned | None = None,
    judge: Judge | None = None,
) -> Iterator[Item]:
    """Yield the values of released objects, the newest objects first, each value once.

    Without a judge a value is worth what its producer says, whatever its age.
    """
    seen: set[bytes] = set()
    logs: dict[int, list[int]] = {}
    for each in places:
        log_id, index = place(each)
        logs.setdefault(log_id, []).append(index)
    for log_id in sorted(logs, reverse=True):
        for start, end in reversed(runs(logs[log_id])):
            for first in range(end, start, -READ_AT_ONCE):
                begin = max(start, first - READ_AT_ONCE)
                rows = {row[0]: row for row in _rows(unit, log_id, begin, first)}
                older = _superseded(node, unit, list(rows.values()))
                found: list[_Worth] = []
                for entry in reversed(unit.entries.read(log_id, begin, first)):
                    row = rows.get(entry.position)
                    if row is None or entry.body is None or entry.position in older:
                        done.left["superseded" if entry.position in older else "no object"] += 1
                        continue
                    found += _of_entry(node, entry, row, sieve, done, seen, at, warned)
                for one in _weighed(unit, found, sieve, done, seen, judge):
                    if done.tell is not None:
                        done.tell(one.asked.key, one.at, one.item)
                    yield one.item


def _weighed(
    unit: Unit, found: Sequence[_Worth], sieve: Sieve, done: Sifted, seen: set[bytes], judge: Judge | None
) -> Iterator[_Worth]:
    """Yield what is worth enough; a value that one object is too weak for may come again with another."""
    told = judge(unit, [one.asked for one in found]) if judge is not None and found else None
    for number, one in enumerate(found):
        worth = told[number] if told is not None else (one.item.confidence, False)
        if worth is None:  # its author says something newer by another way, which does not go to this audience
            done.left["superseded"] += 1
            seen.discard(one.asked.key)
            continue
        score, faded = worth
        reason = "faded" if faded and not sieve.faded else ""
        if score is None:
            reason = reason or ("" if sieve.unsure else "without a confidence")
        elif score < sieve.confidence:
            reason = reason or "confidence too low"
        if reason:
            done.left[reason] += 1
            seen.discard(one.asked.key)
            continue
        done.given += 1
        yield one


def _rows(unit: Unit, log_id: int, start: int, end: int) -> Sequence[tuple[Any, ...]]:
    first, last = position(log_id, start), position(log_id, end - 1)
    return unit.views.scan(intel.OBJECT, first, last, limit=end - start)


def _superseded(node: Node, unit: Unit, rows: Sequence[tuple[Any, ...]]) -> set[int]:
    """Return the positions of versions that the same author and source have a newer one of.

    Others cannot supersede: who states somebody else's id does not speak for them. Nor does what was taken back.
    """
    numbers = {row[0]: intel.object_number(row[1]) for row in rows}
    several = unit.views.differing(intel.STATED, "modified", sorted(set(numbers.values())))
    newer: dict[int, list[tuple[int, int]]] = {}
    stated: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", several)
    for at, number, modified in stated:
        newer.setdefault(number, []).append((modified, at))
    found: set[int] = set()
    for at, _, _, modified, *_ in rows if newer else ():
        later = [other for when, other in newer.get(numbers[at], ()) if when > modified]
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
    tree = _DECODE(intel.body_of(header, entry.body))
    marking = _marking(header.marking, entry.standing)
    for value in _observables(tree)[0]:
        yield observables.key(value), _item(value, tree, header, marking, None, None, 0)


def _of_entry(
    node: Node,
    entry: Entry,
    row: tuple[Any, ...],
    sieve: Sieve,
    done: Sifted,
    seen: set[bytes],
    at: Instant,
    warned: Warned | None,
) -> Iterator[_Worth]:
    _, _, code, modified, until, flags = row
    confidence = intel.confidence_of(flags)
    reason = _unfit(code, until, flags, at)
    header = node.header(entry.header or b"")
    tree = _DECODE(intel.body_of(header, entry.body or b"")) if not reason else {}
    found, note = _observables(tree) if not reason else ((), "")
    if reason or note:
        done.left[reason or note] += 1
        return
    marking = _marking(header.marking, entry.standing)
    for value in found:
        key = observables.key(value)
        if sieve.kinds and value.kind not in sieve.kinds:
            done.left["kind not asked for"] += 1
        elif key in seen:
            done.left["given already"] += 1
        elif warned is not None and not sieve.warned and warned(value):
            done.left["on a warning list"] += 1
        else:
            seen.add(key)
            item = _item(value, tree, header, marking, confidence, until, modified // _SECOND)
            yield _Worth(Asked(value.kind, key), item, entry.position)


def _item(
    value: Observable,
    tree: dict[str, Any],
    header: Header,
    marking: Marking | None,
    confidence: int | None,
    until: int | None,
    modified: int,
) -> Item:
    return Item(
        value.kind,
        value.value,
        str(tree["id"]),
        str(tree.get("name", "")),
        confidence,
        None,
        until,
        marking.tlp.value if marking else "",
        "",
        header.source,
        tuple(label for label in tree.get("labels", ()) if isinstance(label, str)),
        header.at,
        modified,
    )


def _unfit(code: int, until: int | None, flags: int, at: Instant) -> str:
    if intel.type_name(code) != "indicator":
        return "not an indicator"
    if flags & intel.REVOKED:
        return "revoked"
    return "expired" if until is not None and until <= at else ""


def _observables(tree: dict[str, Any]) -> tuple[tuple[Observable, ...], str]:
    try:
        return observe.of_object(tree)
    except Malformed:
        return (), "pattern not read"


def _marking(marking: Marking | None, standing: bytes) -> Marking | None:
    if marking is None or standing == _UNTOUCHED:
        return marking
    return narrowed(marking, _STANDING(standing))
