"""Many values at once: one line each, with what an analyst needs to sort a list by.

Rules: of an object only its newest version counts, whatever value that names; what is told of a value is the newest
that is still valid, else the newest; how many others there are is counted, and `Queries.lookup` tells them all. A
sighting counts once, however often it came. A value that was read as nothing is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import inf

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.formats import observables
from comity.node import scoring
from comity.node.actor import Actor
from comity.node.ports import Unit
from comity.node.queries import Found, Meant, Newest, Queries, Witness, later
from comity.node.scoring import Weights
from comity.node.seen import Seen, seen
from comity.statement import Marking


class State(StrEnum):
    """What is known of a value, in one word."""

    CURRENT = "current"  # valid, and stood by
    FADED = "faded"  # still valid, but aged or doubted below what its model asks for, or said to have ended
    EXPIRED = "expired"
    REVOKED = "revoked"  # by its producer
    SUPERSEDED = "superseded"  # by a newer version, which does not name the value
    RETRACTED = "retracted"  # by everybody who said it
    UNKNOWN = "unknown"
    UNREAD = "unread"  # it is no value


class Known(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of one value, on one line."""

    asked: str
    state: State
    kind: str = ""
    value: str = ""  # as it was read
    party: str = ""  # who says so
    office: str = ""
    source: str = ""
    marking: Marking | None = None
    modified: int = 0  # microseconds since the epoch
    until: int | None = None  # seconds
    confidence: int | None = None  # 0 to 100, as its producer gave it
    objects: int = 0
    witnesses: int = 0
    sightings: int = 0  # how often it was seen, by all who said so
    score: int | None = None  # of what is current: the confidences joined, as far as they have worn off


def known(queries: Queries, unit: Unit, actor: Actor, texts: Sequence[str], at: Instant) -> list[Known]:
    """Return what is known of each of many values, in their order."""
    meant = list(map(observables.keyed, texts))
    found = queries.lookup_meant(unit, actor, meant)
    numbers = sorted({one.object for each in found for one in each})
    keys = [one[0] for each in meant for one in each]
    sightings = seen(queries, unit, actor, [*keys, *map(intel.object_key, numbers)])
    newest = queries.newest(unit, actor, numbers)
    weighing = scoring.weights(unit, actor)
    return [
        _known(text, each, told, sightings, newest, weighing, at)
        for text, each, told in zip(texts, meant, found, strict=True)
    ]


def _known(
    text: str,
    meant: Meant,
    found: Sequence[Found],
    sightings: Mapping[bytes, Seen],
    newest: Newest,
    weighing: Weights,
    at: Instant,
) -> Known:
    if not meant:
        return Known(text, State.UNREAD)
    count = _count(meant, found, sightings) if sightings else 0
    if not found:
        return Known(text, State.UNKNOWN, meant[0][1], meant[0][2], sightings=count)
    said = scoring.standing(found, newest, at)
    best = found[0] if len(found) == 1 else _newest(said or _last(found, newest) or found)
    _, kind, value = meant[0] if len(meant) == 1 else next(one for one in meant if one[0] == best.key)
    reading = (best.witnesses[0] if len(best.witnesses) == 1 else _spokesman(best)).reading
    score = None
    if said:
        same = said if len(meant) == 1 else [one for one in said if one.key == best.key]
        score, faded = scoring.worth(kind, best.key, same, sightings, weighing, at)
        state = State.FADED if faded else State.CURRENT
    else:
        state = _state(best, newest, at)
    return Known(
        text,
        state,
        kind,
        value,
        reading.party,
        reading.office,
        reading.source,
        reading.marking,
        best.modified,
        best.until,
        best.confidence,
        len(found),
        sum([len(one.witnesses) for one in found]) if len(found) > 1 else len(best.witnesses),
        count,
        score,
    )


def _newest(found: Sequence[Found]) -> Found:
    """Return the newest; of several of one date the one that is stood by and valid the longest, not what came first."""
    date = max([one.modified for one in found])
    same = [one for one in found if one.modified == date]
    return same[0] if len(same) == 1 else max(same, key=_weight)


def _weight(found: Found) -> tuple[object, ...]:
    is_stood_by = any(not one.retracted for one in found.witnesses)
    until = inf if found.until is None else found.until
    return is_stood_by, not found.revoked, until, found.object, found.code, found.flags, found.key


def _last(found: Sequence[Found], newest: Newest) -> list[Found]:
    """Return what its sayers have replaced by nothing newer, though it may not stand."""
    return [one for one in found if not later(one, newest)]


def _count(meant: Meant, found: Sequence[Found], sightings: Mapping[bytes, Seen]) -> int:
    """Return how often a value, and the objects that name it, were seen."""
    keys = {one[0] for one in meant} | {intel.object_key(one.object) for one in found}
    return sum([sightings[key].count for key in keys if key in sightings])


def _spokesman(found: Found) -> Witness:
    """Return the first by name who stands by it, else the first by name."""
    return min(found.witnesses, key=lambda one: (one.retracted, one.party, one.office, one.source, one.position))


def _state(found: Found, newest: Newest, at: Instant) -> State:
    if all(one.retracted for one in found.witnesses):
        return State.RETRACTED
    now = later(found, newest) if newest else ()
    if now:
        # Where several state the newest version in different ways, one who still holds it valid is enough.
        states = [_state(one, {}, at) for one in now]
        if State.CURRENT in states:
            return State.SUPERSEDED
        return State.EXPIRED if State.EXPIRED in states else State.REVOKED
    if found.revoked:
        return State.REVOKED
    return State.CURRENT if found.until is None or found.until > at else State.EXPIRED
