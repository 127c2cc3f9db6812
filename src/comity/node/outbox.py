"""Messages to neighbours: waiting, sent, given up; each at least once, under an id that never changes.

Rules: a message is kept before what it is about counts as looked at, in one unit of work, so that a crash neither loses
nor doubles it. It is sent until its receiver takes it, by the schedule that Standard Webhooks publishes; after that it
is given up, which people see, and is sent again when somebody says so. A message that fails holds up no other; a
neighbour that does not answer is left alone for a while as a whole.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

import msgspec

from comity.canon import Instant
from comity.errors import ComityError, NotFound, Unreachable
from comity.limits import OUTBOX_DEAD_MAX, OUTBOX_ROUND_MAX, OUTBOX_SENT_KEPT, SOURCE_RETRY_AFTER_MAX
from comity.node import neighbours
from comity.node.events import Event
from comity.node.neighbours import Neighbour
from comity.node.polling import asked
from comity.node.ports import Unit

SHELF: Final = "outbox"  # office/name state number -> `Kept`
SCHEDULE: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after each attempt that failed until the next: ten attempts within 75 hours, then it is given up."""
QUIET_SECONDS: Final = 5  # until a neighbour that did not answer is tried again; doubled up to the next
QUIET_SECONDS_MAX: Final = 900
JITTER: Final = 0.1  # share of a wait by which attempts spread
PREFIX: Final = "msg_"


class Standing(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"  # given up: `comity neighbour replay` sends it again


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as it is kept: what it is about, and how far it got. What it says is decided when it is sent."""

    id: str
    number: int
    event: Event
    made: Instant
    standing: Standing = Standing.WAITING
    attempts: int = 0
    due: Instant = 0
    ended: Instant = 0  # when it was sent, or given up
    said: str = ""  # what the receiver answered, or why it was given up
    whose: str = ""  # whose fault the last failure was


class Gone(Exception):
    """The cause of an error: the far side wants no more messages, ever (410)."""


def ident(one: Neighbour, event: Event, number: int) -> str:
    """Return the id of a message: the same for the same event and neighbour, whatever stopped in between."""
    told = [one.office, one.name, one.created, event, number]
    return PREFIX + hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]


def _key(one: Neighbour, standing: Standing, number: int) -> str:
    return f"{neighbours.key(one)} {standing} {number:012}"


def put(unit: Unit, one: Neighbour, event: Event, number: int, now: Instant) -> Kept:
    """Keep a message that is to be sent."""
    kept = Kept(ident(one, event, number), number, event, now)
    _put(unit, one, kept)
    return kept


def _put(unit: Unit, one: Neighbour, kept: Kept) -> None:
    unit.documents.put(SHELF, _key(one, kept.standing, kept.number), msgspec.json.encode(kept))


def of(unit: Unit, one: Neighbour, standing: Standing) -> list[Kept]:
    """Return the messages of a neighbour that stand so, the oldest first."""
    rows = unit.documents.all(SHELF, f"{neighbours.key(one)} {standing} ")
    return [msgspec.json.decode(data, type=Kept) for _, data in rows]


def count(unit: Unit, one: Neighbour, standing: Standing) -> int:
    """Return how many messages of a neighbour stand so."""
    return len(unit.documents.all(SHELF, f"{neighbours.key(one)} {standing} "))


def find(unit: Unit, one: Neighbour, ident: str) -> Kept:
    """Return a message by its id. Raises `NotFound`."""
    for standing in Standing:
        for kept in of(unit, one, standing):
            if kept.id == ident:
                return kept
    raise NotFound(f"{one.name} has no message {ident!r}", hint=f"`comity neighbour messages {one.name}`")


def due(unit: Unit, one: Neighbour, now: Instant) -> list[Kept]:
    """Return the messages that are to be sent now, the oldest first; none while the neighbour is left alone."""
    state = neighbours.state_of(unit, one)
    # A time further off than any wait was written by a clock that was wrong.
    if not one.enabled or now < state.due <= now + SOURCE_RETRY_AFTER_MAX * 2:
        return []
    longest = SCHEDULE[-1] * 2
    return [kept for kept in of(unit, one, Standing.WAITING) if not now < kept.due <= now + longest][:OUTBOX_ROUND_MAX]


def sent(unit: Unit, one: Neighbour, kept: Kept, said: str, now: Instant) -> None:
    """Note that the receiver took a message."""
    if not neighbours.is_kept(unit, one):
        return
    unit.documents.delete(SHELF, _key(one, kept.standing, kept.number))
    done = msgspec.structs.replace(
        kept, standing=Standing.SENT, attempts=kept.attempts + 1, ended=now, said=said, whose=""
    )
    _put(unit, one, done)
    older = unit.documents.all(SHELF, f"{neighbours.key(one)} {Standing.SENT} ")
    for key, _ in older[: max(0, len(older) - OUTBOX_SENT_KEPT)]:
        unit.documents.delete(SHELF, key)
    state = neighbours.state_of(unit, one)
    well = msgspec.structs.replace(
        state, attempt=now, success=now, due=0, failures=0, error="", whose="", sent=state.sent + 1
    )
    neighbours.keep(unit, one, well)


def void(unit: Unit, one: Neighbour, kept: Kept, why: str, now: Instant) -> None:
    """Note that nothing of a message may be told any more: nothing was sent."""
    unit.documents.delete(SHELF, _key(one, kept.standing, kept.number))
    if neighbours.is_kept(unit, one):
        _put(unit, one, msgspec.structs.replace(kept, standing=Standing.SENT, ended=now, said=why, whose=""))


def failed(unit: Unit, one: Neighbour, kept: Kept, error: ComityError, now: Instant, chance: float) -> Kept:
    """Note that an attempt failed; return the message, which is given up after the last one of the schedule."""
    if not neighbours.is_kept(unit, one):
        return kept
    unit.documents.delete(SHELF, _key(one, kept.standing, kept.number))
    attempts = kept.attempts + 1
    why = f"{error} → {error.hint}" if error.hint else str(error)
    gone = isinstance(error.__cause__, Gone)
    if attempts > len(SCHEDULE) or gone:
        after = msgspec.structs.replace(
            kept, standing=Standing.DEAD, attempts=attempts, ended=now, said=why, whose=error.whose
        )
    else:
        wait = max(_spread(SCHEDULE[attempts - 1], chance), min(asked(error), SOURCE_RETRY_AFTER_MAX))
        after = msgspec.structs.replace(kept, attempts=attempts, due=now + wait, said=why, whose=error.whose)
    _put(unit, one, after)
    state = neighbours.state_of(unit, one)
    failures = state.failures + 1
    wait = 0
    if isinstance(error, Unreachable):
        doubled = _spread(min(QUIET_SECONDS * 2 ** min(failures - 1, 20), QUIET_SECONDS_MAX), chance)
        wait = max(doubled, min(asked(error), SOURCE_RETRY_AFTER_MAX))
    neighbours.keep(
        unit,
        one,
        msgspec.structs.replace(
            state, attempt=now, due=now + wait if wait else 0, failures=failures, error=why, whose=error.whose
        ),
    )
    return after


def is_full(unit: Unit, one: Neighbour) -> bool:
    """Say whether so much was given up that the neighbour is to rest until somebody looks."""
    return count(unit, one, Standing.DEAD) >= OUTBOX_DEAD_MAX


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return where messages were given up, as (what, advice)."""
    found = []
    for one in neighbours.every(unit):
        dead = count(unit, one, Standing.DEAD)
        if dead:
            what = f"neighbour {one.name!r} of {one.office}: {dead} messages were given up"
            found.append((what, f"`comity neighbour replay {one.name}` sends them again"))
    return found


def replay(unit: Unit, one: Neighbour, ident: str = "") -> int:
    """Have messages sent again that were given up, or one by its id, sent ones too; return how many."""
    found = [find(unit, one, ident)] if ident else of(unit, one, Standing.DEAD)
    for kept in found:
        unit.documents.delete(SHELF, _key(one, kept.standing, kept.number))
        _put(unit, one, msgspec.structs.replace(kept, standing=Standing.WAITING, attempts=0, due=0, ended=0))
    if found:
        neighbours.keep(unit, one, msgspec.structs.replace(neighbours.state_of(unit, one), due=0))
    return len(found)


def forget(unit: Unit, one: Neighbour) -> int:
    """Forget every message of a neighbour; return how many were waiting or given up."""
    rows = unit.documents.all(SHELF, f"{neighbours.key(one)} ")
    for key, _ in rows:
        unit.documents.delete(SHELF, key)
    return sum(f" {Standing.SENT} " not in key for key, _ in rows)


def _spread(seconds: int, chance: float) -> int:
    return seconds + int(seconds * JITTER * chance)
