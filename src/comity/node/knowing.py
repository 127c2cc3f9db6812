"""Many values at once: one line each, with what an analyst needs to sort a list by.

Rules: what is told of a value is its newest version that is still valid, else its newest; how many others there are is
counted, and `Queries.lookup` tells them all. A value that was read as nothing is said to be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Final

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.formats import observables
from comity.node.actor import Actor
from comity.node.ports import Unit
from comity.node.queries import Found, Queries, Witness
from comity.statement import Marking


class State(StrEnum):
    """What is known of a value, in one word."""

    CURRENT = "current"  # valid, and stood by
    EXPIRED = "expired"
    REVOKED = "revoked"  # by its producer
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


_MODIFIED: Final = attrgetter("modified")


def known(queries: Queries, unit: Unit, actor: Actor, texts: Sequence[str], at: Instant) -> list[Known]:
    """Return what is known of each of many values, in their order."""
    found = queries.lookup_many(unit, actor, texts)
    meant = [observables.keyed(text) for text in texts]
    seen = _seen(queries, unit, actor, [one[0] for each in meant for one in each])
    return [
        _known(text, each, told, sum([seen[one[0]] for one in each]) if seen else 0, at)
        for text, each, told in zip(texts, meant, found, strict=True)
    ]


def _known(
    text: str, meant: Sequence[tuple[bytes, str, str]], found: Sequence[Found], sightings: int, at: Instant
) -> Known:
    if not meant:
        return Known(text, State.UNREAD)
    if not found:
        return Known(text, State.UNKNOWN, meant[0][1], meant[0][2], sightings=sightings)
    best = found[0]
    if len(found) > 1:
        best = max([one for one in found if one.current(at)] or found, key=_MODIFIED)
    _, kind, value = meant[0] if len(meant) == 1 else next(one for one in meant if one[0] == best.key)
    witness = _spokesman(best)
    return Known(
        text,
        _state(best, at),
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
        sightings,
    )


def _spokesman(found: Found) -> Witness:
    """Return the first who stands by it, else the first."""
    if len(found.witnesses) == 1:
        return found.witnesses[0]
    return next((one for one in found.witnesses if not one.retracted), found.witnesses[0])


def _state(found: Found, at: Instant) -> State:
    if all(one.retracted for one in found.witnesses):
        return State.RETRACTED
    if found.revoked:
        return State.REVOKED
    return State.CURRENT if found.until is None or found.until > at else State.EXPIRED


def _seen(queries: Queries, unit: Unit, actor: Actor, keys: Sequence[bytes]) -> Counter[bytes]:
    """Return by key how often values were seen, as far as the office may read it."""
    counts: Counter[bytes] = Counter()
    for row in unit.views.find_many(intel.SIGHTING, "key", keys):
        position, key, _, count = row
        if queries.witness_at(unit, actor, int(position or 0)) is not None and isinstance(key, bytes):
            counts[key] += int(count or 0)
    return counts
