"""Sources that are fetched: what is registered, when each is due, how each does.

Rules: a source belongs to an office. A secret is named here and lies elsewhere. What fails is put off, twice as long
each time up to a cap, and stops no other; a success ends that at once.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import Misuse, NotFound
from comity.limits import (
    SOURCE_QUIET_SECONDS_MAX,
    SOURCE_RETRY_AFTER_MAX,
    SOURCE_SECONDS_MIN,
)
from comity.node import ingest
from comity.node.actor import Actor
from comity.node.ingest import SOURCES, Source
from comity.node.node import Node
from comity.node.ports import Unit
from comity.party import OfficeRef

HEALTH: Final = "source-health"  # shelf: office/name -> the last poll and the next
CURSORS: Final = "source-cursor"  # shelf: office/name -> where its fetch stands, in its transport's own words
STIX: Final = "stix"  # the format whose objects are taken as they are
RELIABILITIES: Final = "ABCDEF"  # Admiralty code: A is reliable, E is not, F cannot be judged
SCHEDULE: Final = "schedule"  # the user in whose name due sources are polled
JITTER: Final = 0.1  # share of a wait by which polls spread, so that sources do not all come due together
WAIT_DOUBLINGS_MAX: Final = 20  # beyond it any interval is over SOURCE_QUIET_SECONDS_MAX


class Kind(StrEnum):
    """How a source is fetched."""

    TAXII = "taxii"
    URL = "url"
    MISP_FEED = "misp-feed"
    FILE = "file"


FORMS: Final = {Kind.TAXII: STIX, Kind.URL: "", Kind.MISP_FEED: "misp", Kind.FILE: ""}
"""The format of a source that names none; empty: by what comes."""


class Counts(msgspec.Struct, frozen=True):
    """What polls brought: objects read, kept, known already, refused; and losses of a reader."""

    read: int = 0
    kept: int = 0
    known: int = 0
    refused: int = 0
    lost: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a source does. `failures` counts polls that failed since the last one that did not."""

    attempt: Instant = 0
    success: Instant = 0
    due: Instant = 0
    failures: int = 0
    error: str = ""
    whose: str = ""  # whose fault the error is
    faults: tuple[str, ...] = ()  # of the last poll, which went on all the same
    last: Counts = Counts()
    total: Counts = Counts()


# -- the register ------------------------------------------------------------------


def register(unit: Unit, wanted: Source) -> Source:
    """Register a source that is fetched, or change how. Raises `Misuse` for what cannot be fetched so."""
    _check(wanted)
    at = key(wanted)
    before = unit.documents.get(SOURCES, at)
    if before is not None and asks(msgspec.json.decode(before, type=Source)) != asks(wanted):
        unit.documents.delete(CURSORS, at)
    unit.documents.put(SOURCES, at, msgspec.json.encode(wanted))
    health = health_of(unit, wanted)
    unit.documents.put(HEALTH, at, msgspec.json.encode(msgspec.structs.replace(health, due=0)))
    return wanted


def asks(source: Source) -> tuple[object, ...]:
    """Return what a cursor belongs to."""
    return source.kind, source.address, source.collection, source.match, source.form


def _check(source: Source) -> None:
    name = source.name
    if not name or name != name.strip() or len(name) > 200 or not name.isprintable():
        raise Misuse("a source has a name of 1 to 200 characters on one line")
    if source.kind not in tuple(Kind):
        raise Misuse(f"{source.kind!r} is no kind of source", hint=f"one of {', '.join(Kind)}")
    if source.reliability and (len(source.reliability) != 1 or source.reliability not in RELIABILITIES):
        raise Misuse(f"{source.reliability!r} is no reliability", hint="A to F, by the Admiralty code")
    if source.every < SOURCE_SECONDS_MIN:
        raise Misuse(f"a source is polled every {SOURCE_SECONDS_MIN} s at most", hint="for example --every 1h")
    if source.kind == Kind.FILE:
        if not PurePosixPath(source.address).is_absolute() or source.login:
            raise Misuse("a file is named by its absolute path, and needs no login")
        return
    if not source.address.startswith(("https://", "http://")):
        raise Misuse(f"{source.address!r} is no URL", hint="https://…")
    if (source.collection or source.match) and source.kind != Kind.TAXII:
        raise Misuse("collections and matches are asked for of TAXII servers only")
    if source.login and source.plain:
        raise Misuse("a login is not sent over plain http", hint="use https")
    login = source.login
    if login and (PurePosixPath(login).name != login or login.startswith(".") or login.endswith((".key", ".retired"))):
        raise Misuse(f"{login!r} is no login", hint="the name of a file in the node's `keys`, none of its own keys")


def fetched(unit: Unit, office: str = "") -> list[Source]:
    """Return the sources of an office, or of all, that are fetched."""
    return [source for source in ingest.sources(unit, office) if source.kind]


def named(unit: Unit, actor: Actor, name: str) -> Source:
    """Return a source of the actor's office that is fetched. Raises `NotFound`."""
    for source in fetched(unit, actor.office_id):
        if source.name == name:
            return source
    raise NotFound(f"no source {name!r} of {actor.office} is fetched", hint="`comity source list` names them")


def remove(unit: Unit, source: Source) -> None:
    """Forget a source: no more is fetched, and what came from it stays."""
    for shelf in (SOURCES, HEALTH, CURSORS):
        unit.documents.delete(shelf, key(source))


def enable(unit: Unit, source: Source, *, enabled: bool) -> Source:
    """Let a source rest, or be polled again."""
    changed = msgspec.structs.replace(source, enabled=enabled)
    unit.documents.put(SOURCES, key(source), msgspec.json.encode(changed))
    return changed


def health_of(unit: Unit, source: Source) -> Health:
    """Return how a source does."""
    data = unit.documents.get(HEALTH, key(source))
    return msgspec.json.decode(data, type=Health) if data is not None else Health()


def due(node: Node, at: Instant) -> list[Source]:
    """Return the sources that are to be polled, the longest due first."""
    found: list[tuple[Instant, Source]] = []
    with node.store.read() as unit:
        for source in fetched(unit):
            when = health_of(unit, source).due
            longest = max(source.every, SOURCE_QUIET_SECONDS_MAX, SOURCE_RETRY_AFTER_MAX) * (1 + JITTER)
            # A time further off than any wait was written by a clock that was wrong.
            if source.enabled and (when <= at or when > at + longest):
                found.append((when, source))
    return [source for _, source in sorted(found, key=lambda one: (one[0], one[1].office, one[1].name))]


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return what an operator should know of the sources, as (what, advice)."""
    found: list[tuple[str, str]] = []
    for source in fetched(unit):
        health = health_of(unit, source)
        name = f"source {source.name!r} of {source.office}"
        if not source.enabled:
            found.append((f"{name} is paused", "`comity source resume` polls it again"))
        if health.error:
            times = f"{health.failures} polls" if health.failures > 1 else "the last poll"
            found.append((f"{name}: {times} failed: {health.whose}: {health.error}", "`comity source poll` tries now"))
        found += [(f"{name}: {fault}", "") for fault in health.faults]
    return found


def actor_for(node: Node, source: Source) -> Actor:
    """Return in whose name a due source is polled."""
    return Actor(OfficeRef(node.me, OfficeId(source.office)), SCHEDULE)


def wait(every: int, failures: int, jitter: float, asked: int = 0) -> int:
    """Return the seconds to the next poll: doubled with each failure up to a cap, never less than was asked for."""
    doubled = every * 2 ** min(failures, WAIT_DOUBLINGS_MAX)
    usual = min(doubled, max(every, SOURCE_QUIET_SECONDS_MAX)) if failures else every
    longest = max(usual, min(asked, SOURCE_RETRY_AFTER_MAX))
    return longest + int(longest * JITTER * jitter)


def key(source: Source) -> str:
    """Return a source's key on every shelf."""
    return f"{source.office}/{source.name}"
