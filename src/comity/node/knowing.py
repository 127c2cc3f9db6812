"""Many values at once: one line each, with what an analyst needs to sort a list by.

Rules: of an object only its newest version counts, whatever value that names; what is told of a value is the newest
that is still valid, else the newest; how many others there are is counted, and `Queries.lookup` tells them all. A
sighting counts once, however often it came. A value that was read as nothing is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Final

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


_MODIFIED: Final = attrgetter("modified")


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
    told = _told(meant, found, sightings) if sightings else ()
    count = sum([one.count for one in told])
    if not found:
        return Known(text, State.UNKNOWN, meant[0][1], meant[0][2], sightings=count)
    best, last = found[0], found
    if len(found) > 1:
        last = [one for one in found if not later(one, newest)] if newest else found
        best = max([one for one in last if one.current(at)] or last or found, key=_MODIFIED)
    _, kind, value = meant[0] if len(meant) == 1 else next(one for one in meant if one[0] == best.key)
    witness = _spokesman(best)
    state = _state(best, newest, at)
    score = None
    if state is State.CURRENT:
        if len(found) == 1 and len(best.witnesses) == 1 and not told:
            score, faded = scoring.plain(best, kind, weighing, at)
        else:
            standing = [one for one in last if one.key == best.key and one.current(at)]
            whole = scoring.score(kind, standing, [word for one in told for word in one.words], weighing, at)
            score, faded = whole.score, whole.faded
        state = State.FADED if faded else state
    return Known(
        text,
        state,
        kind,
        value,
        witness.party,
        witness.office,
        witness.source,
        witness.marking,
        best.modified,
        best.until,
        best.confidence,
        len(found),
        sum([len(one.witnesses) for one in found]) if len(found) > 1 else len(best.witnesses),
        count,
        score,
    )


def _told(meant: Meant, found: Sequence[Found], sightings: Mapping[bytes, Seen]) -> list[Seen]:
    """Return what sightings say of a value and of the objects that name it."""
    keys = {one[0] for one in meant} | {intel.object_key(one.object) for one in found}
    return [sightings[key] for key in sorted(keys) if key in sightings]


def _spokesman(found: Found) -> Witness:
    """Return the first who stands by it, else the first."""
    if len(found.witnesses) == 1:
        return found.witnesses[0]
    return next((one for one in found.witnesses if not one.retracted), found.witnesses[0])


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
