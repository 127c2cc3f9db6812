"""Many values at once: one line each, with what an analyst needs to sort a list by.

Rules: of an object only its newest version counts, whatever value that names; what is told of a value is the newest
that is still valid, else the newest; how many others there are is counted, and `Queries.lookup` tells them all. A
sighting counts once, however often it came. A value that was read as nothing is said to be so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Final

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.formats import observables
from comity.node.actor import Actor
from comity.node.ports import Unit, place
from comity.node.queries import Found, Meant, Queries, Said, Witness, said
from comity.statement import Marking


class State(StrEnum):
    """What is known of a value, in one word."""

    CURRENT = "current"  # valid, and stood by
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


Newest = Mapping[Said, Sequence[Found]]
"""What each sayer says in its newest version of an object that has several."""

_MODIFIED: Final = attrgetter("modified")
SIGHTINGS_COUNTED_MAX: Final = 10_000  # of one value, this party's own first: about 0.3 s


def known(queries: Queries, unit: Unit, actor: Actor, texts: Sequence[str], at: Instant) -> list[Known]:
    """Return what is known of each of many values, in their order."""
    meant = list(map(observables.keyed, texts))
    found = queries.lookup_meant(unit, actor, meant)
    seen = _seen(queries, unit, actor, [one[0] for each in meant for one in each])
    newest = queries.newest(unit, actor, sorted({one.object for each in found for one in each}))
    return [
        _known(text, each, told, sum([seen[one[0]] for one in each]) if seen else 0, newest, at)
        for text, each, told in zip(texts, meant, found, strict=True)
    ]


def _known(
    text: str,
    meant: Meant,
    found: Sequence[Found],
    sightings: int,
    newest: Newest,
    at: Instant,
) -> Known:
    if not meant:
        return Known(text, State.UNREAD)
    if not found:
        return Known(text, State.UNKNOWN, meant[0][1], meant[0][2], sightings=sightings)
    best = found[0]
    if len(found) > 1:
        last = [one for one in found if not _later(one, newest)] if newest else found
        best = max([one for one in last if one.current(at)] or last or found, key=_MODIFIED)
    _, kind, value = meant[0] if len(meant) == 1 else next(one for one in meant if one[0] == best.key)
    witness = _spokesman(best)
    return Known(
        text,
        _state(best, newest, at),
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


def _later(found: Found, newest: Newest) -> list[Found]:
    """Return what everybody who said this says now; nothing where anybody stands by it as the newest."""
    later: list[Found] = []
    for witness in found.witnesses:
        now = newest.get(said(found.object, witness), ())
        if not now or now[0].modified <= found.modified:
            return []
        later += now
    return later


def _state(found: Found, newest: Newest, at: Instant) -> State:
    if all(one.retracted for one in found.witnesses):
        return State.RETRACTED
    later = _later(found, newest) if newest else ()
    if later:
        # Where several state the newest version in different ways, one who still holds it valid is enough.
        states = [_state(one, {}, at) for one in later]
        if State.CURRENT in states:
            return State.SUPERSEDED
        return State.EXPIRED if State.EXPIRED in states else State.REVOKED
    if found.revoked:
        return State.REVOKED
    return State.CURRENT if found.until is None or found.until > at else State.EXPIRED


def _seen(queries: Queries, unit: Unit, actor: Actor, keys: Sequence[bytes]) -> Counter[bytes]:
    """Return by key how often values were seen, as far as the office may read it and it was not taken back.

    One sighting may stand in several logs of its author, and come by relay too: of those that say the same, as many
    count as stand in one log.
    """
    looked: Counter[bytes] = Counter()
    same: dict[tuple[bytes, str, str, int, int], dict[str, set[int]]] = {}
    for row in sorted(unit.views.find_many(intel.SIGHTING, "key", sorted(set(keys)))):
        position, key, seen, count = row
        if not isinstance(key, bytes) or looked[key] == SIGHTINGS_COUNTED_MAX:
            continue
        looked[key] += 1
        witness = queries.witness_at(unit, actor, int(position or 0))
        if witness is None or witness.retracted:
            continue
        ident = key, witness.party, witness.office, int(seen or 0), int(count or 0)
        same.setdefault(ident, {}).setdefault(witness.origin, set()).add(_original(unit, witness))
    counts: Counter[bytes] = Counter()
    for (key, _, _, _, count), logs in same.items():
        counts[key] += count * max(map(len, logs.values()))
    return counts


def _original(unit: Unit, witness: Witness) -> int:
    """Return the index that a statement has in the log it was first stated in."""
    log_id, index = place(witness.position)
    if unit.logs.get(log_id).origin == witness.origin:
        return index
    (entry,) = unit.entries.read(log_id, index, index + 1)
    return intel.cut_relay(entry.body or b"").line.index
