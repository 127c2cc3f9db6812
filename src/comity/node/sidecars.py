"""Side-cars: a team's own MISP beside this node. What is registered, how each does, what stands in its books.

Rules: a side-car belongs to an office, and what it brings is that office's own. What asks for a decision is a tag or a
sharing group that the office named, each for one accord; what is written is what came under accords that it named. A
secret is named here and lies elsewhere. How a MISP is spoken to is a port (`Misp`); here stands what is kept of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from comity.canon import AccordId, Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound
from comity.formats.misp import crossing
from comity.limits import SIDECARS_MAX, SOURCE_QUIET_SECONDS_MAX, SOURCE_RETRY_AFTER_MAX, SOURCE_SECONDS_MIN
from comity.node import books, ingest, sources
from comity.node.actor import Actor
from comity.node.ingest import Source
from comity.node.node import Node
from comity.node.ports import Unit
from comity.party import OfficeRef
from comity.statement import Marking

SIDECARS: Final = "sidecar"  # shelf: office/name -> `Sidecar`
HEALTH: Final = "sidecar-health"  # shelf: office/name -> `Health`
INDEXES: Final = "sidecar-index"  # shelf: office/name -> `Index`: what was seen of the MISP
EVENTS: Final = "sidecar-event"  # shelf: office/name/uuid -> `Kept`
WRITTEN: Final = "sidecar-written"  # shelf: office/name/uuid -> `Written`
LOOKED: Final = "sidecar-looked"  # shelf: office/name -> `Looked`
KIND: Final = "home.sidecar"
NAME_CHARS_MAX: Final = 100

T = TypeVar("T")


class Retracted(StrEnum):
    """What becomes in MISP of what a partner took back. What was erased always goes."""

    DELETE = "delete"
    MARK = "mark"


class Sidecar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A MISP beside this node: what of it asks for a decision here, and what is written into it."""

    name: str
    office: str
    address: str  # URL of the MISP
    login: str  # name of a file in the node's `keys`
    every: int  # seconds between two rounds
    tags: tuple[tuple[str, str], ...] = ()  # (tag of an event, the accord it asks for)
    groups: tuple[tuple[str, str], ...] = ()  # (UUID of a sharing group, the accord it stands for)
    standing: bool = False  # what asks and may go goes at once; else a person lets it
    unpublished: bool = False  # also events that are still being written
    writes: tuple[str, ...] = ()  # accords of which what partners state is written
    distribution: int = 0  # of what is written, at most
    retracted: Retracted = Retracted.DELETE
    certificate: str = ""  # PEM: the MISP's own, where no public authority knows it
    plain: bool = False  # plain http may leave this machine
    enabled: bool = True

    @property
    def asking(self) -> frozenset[str]:
        """Return the tags that ask, in lower case: MISP does not tell them apart by it."""
        return frozenset(tag.lower() for tag, _ in self.tags)


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """What rounds did: events and objects brought in; objects shared, withheld, withdrawn; events written."""

    events: int = 0
    objects: int = 0
    shared: int = 0
    withheld: int = 0
    withdrawn: int = 0
    written: int = 0
    removed: int = 0
    lost: int = 0

    def __add__(self, other: Tally) -> Tally:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Tally(*(a + b for a, b in pairs))


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a side-car does. `failures` counts rounds that failed since the last one that did not."""

    attempt: Instant = 0
    success: Instant = 0
    due: Instant = 0
    failures: int = 0
    error: str = ""
    whose: str = ""
    faults: tuple[str, ...] = ()  # of the last round, which went on all the same
    last: Tally = Tally()
    total: Tally = Tally()


class Listed(msgspec.Struct):
    """The last answer to one question for an index."""

    etag: str = ""
    digest: str = ""
    rows: dict[str, tuple[int, bool]] = {}  # uuid -> MISP's timestamp, published


class Index(msgspec.Struct):
    """What was last seen of a MISP: each event that asks, and which state of it was taken."""

    listed: dict[str, Listed] = {}  # question -> its answer
    seen: dict[str, int] = {}  # uuid -> MISP's timestamp of the state that was taken
    again: list[str] = []  # events that are looked at once more: their last second was not over
    groups: dict[str, str] = {}  # UUID of a sharing group -> its number there
    withheld: dict[str, Instant] = {}  # uuid of an event of which not all may go yet -> when that was last tried


class Asked(StrEnum):
    """What became of an event that asks for an accord."""

    WAITING = "waiting"  # for a person
    SHARED = "shared"  # what may go has gone
    REFUSED = "refused"  # by a person: this state of it
    WITHDRAWN = "withdrawn"  # it asks no more, or is gone
    HELD = "held"  # nothing of it may leave


class Asking(msgspec.Struct, omit_defaults=True):
    """An event and one accord."""

    by: str = ""  # what asks: "tag …" or "sharing group …"
    state: Asked = Asked.WAITING
    stated: dict[str, int] = {}  # id of an object -> the home entry that stands in the accord
    older: list[int] = []  # home entries that stand there too, of versions before
    withheld: int = 0
    grounds: dict[str, int] = {}
    digest: str = ""  # the state of the event that it is about
    decided: str = ""  # by whom, where a person did
    reason: str = ""
    at: Instant = 0


class Kept(msgspec.Struct, omit_defaults=True):
    """An event that was brought in, as it was last seen."""

    uuid: str
    title: str = ""
    timestamp: int = 0
    digest: str = ""
    stays: str = ""  # why nothing of it leaves
    kept: int = 0  # parts that stay in MISP
    gone: bool = False  # from the MISP
    objects: dict[str, int] = {}  # id -> home entry
    asks: dict[str, Asking] = {}  # accord -> what became of it


class Stand(StrEnum):
    """Where an event that is written stands."""

    NEW = "new"  # not written yet, or nobody knows
    WRITTEN = "written"
    DELETED = "deleted"  # by somebody in the MISP: it is not written again
    REMOVED = "removed"  # by us: all of it was taken back
    FOREIGN = "foreign"  # the MISP has another event of that UUID, or takes none


class Written(msgspec.Struct, omit_defaults=True):
    """An event written into the MISP: of one partner, under one accord."""

    uuid: str
    party: str
    accord: str
    title: str = ""
    report: str = ""  # UUID of the partner's report that the event is; empty for one of a day
    day: Instant = 0  # seconds: the date of the event
    members: dict[str, int] = {}  # id of an object -> the entry it is written from
    parts: tuple[str, ...] = ()  # of what was last sent, as `<kind>/<uuid>`
    digest: str = ""  # of what was last taken
    sent: str = ""  # of what is being sent: after a crash it may be there
    seen: str = ""  # what the entries allowed when it was last built
    stand: Stand = Stand.NEW
    fault: str = ""


class Looked(msgspec.Struct, omit_defaults=True):
    """How far partners' logs were looked at."""

    sizes: dict[str, int] = {}  # origin -> size
    missing: list[tuple[int, int]] = []  # runs of entries whose bytes were not here
    dirty: list[str] = []  # UUIDs of events that are to be written again


# -- the way to a MISP ------------------------------------------------------------------


class Row(NamedTuple):
    """An event in an index."""

    timestamp: int
    published: bool


class Listing(NamedTuple):
    """An index that is another than the last one."""

    rows: Mapping[str, Row]
    etag: str
    digest: str


class Member(NamedTuple):
    """Who the login is in the MISP."""

    organisation: str
    creator: bool  # may say that another organisation made an event


class Answer(NamedTuple):
    """What became of something that was sent."""

    taken: bool
    why: str = ""
    exists: bool = False  # an event of that UUID was there already
    absent: bool = False  # there is none
    event: bytes = b""


class Misp(Protocol):
    """A MISP server, by its REST interface. Everything raises `ComityError` for what ends a round."""

    def index(self, tags: Sequence[str], group: str, before: Listing) -> Listing | None:
        """Return the events that bear one of the tags, or go to a sharing group; None where that is as before."""

    def events(self, uuids: Sequence[str]) -> Mapping[str, bytes]:
        """Return what there is of these events, as JSON, by UUID."""

    def group(self, uuid: str) -> str:
        """Return the number of a sharing group; empty where there is none."""

    def me(self) -> Member:
        """Return who the login is."""

    def add(self, data: bytes) -> Answer:
        """Add an event."""

    def edit(self, uuid: str, data: bytes) -> Answer:
        """Edit an event: parts that it does not name stay as they are."""

    def delete(self, uuid: str) -> Answer:
        """Delete an event."""

    def drop(self, part: str) -> Answer:
        """Delete a part (`<kind>/<uuid>`) for good."""

    def mark(self, part: str, tag: str, comment: str) -> Answer:
        """Say of a part that it holds no more: no sensor, a tag, and why."""


# -- the register ------------------------------------------------------------------------


def register(node: Node, unit: Unit, actor: Actor, wanted: Sidecar, marking: Marking | None) -> Sidecar:
    """Register a side-car, or change it; `marking` is for what MISP gives to all communities without a `tlp:` tag.

    Raises `Misuse`, `Conflict` where the name is another source's.
    """
    check(wanted)
    at = key(wanted)
    before = unit.documents.get(SIDECARS, at)
    if before is None:
        if len(unit.documents.all(SIDECARS)) >= SIDECARS_MAX:
            raise Conflict(f"there are {SIDECARS_MAX} side-cars (SIDECARS_MAX)", hint="`comity sidecar remove`")
        if any(one.name == wanted.name for one in ingest.sources(unit, actor.office_id)):
            raise Conflict(
                f"{actor.office} has a source {wanted.name!r}", hint="a side-car is a source of its own name"
            )
    ingest.put_source(unit, actor, wanted.name, marking, f"MISP side-car {wanted.address}")
    unit.documents.put(SIDECARS, at, msgspec.json.encode(wanted))
    put(unit, HEALTH, at, msgspec.structs.replace(health_of(unit, wanted), due=0))
    record(node, unit, wanted, "registered" if before is None else "changed", actor, terms=msgspec.to_builtins(wanted))
    return wanted


def check(wanted: Sidecar) -> None:
    """Refuse what is no side-car. Raises `Misuse`."""
    name = wanted.name
    if not name or name != name.strip() or len(name) > NAME_CHARS_MAX or not name.isprintable() or "/" in name:
        raise Misuse(f"a side-car has a name of 1 to {NAME_CHARS_MAX} characters on one line, without a slash")
    if not wanted.address.startswith(("https://", "http://")):
        raise Misuse(f"{wanted.address!r} is no URL", hint="https://misp.example")
    if not wanted.login:
        raise Misuse("a MISP knows us by a key", hint="--key-file FILE: the name of a file in the node's `keys`")
    if wanted.plain and wanted.address.startswith("https://"):
        raise Misuse("plain http is meant for an http address")
    login = wanted.login
    if PurePosixPath(login).name != login or login.startswith(".") or login.endswith((".key", ".retired")):
        raise Misuse(f"{login!r} is no login", hint="the name of a file in the node's `keys`, none of its own keys")
    _check_work(wanted)


def _check_work(wanted: Sidecar) -> None:
    if wanted.every < SOURCE_SECONDS_MIN:
        raise Misuse(f"a MISP is asked every {SOURCE_SECONDS_MIN} s at most", hint="for example --every 5m")
    if wanted.distribution not in (0, 1, 2, 3):
        raise Misuse(f"distribution {wanted.distribution} is none of MISP's: 0 to 3")
    if not (wanted.tags or wanted.groups or wanted.writes):
        raise Misuse("this side-car would do nothing", hint="--tag TAG=ACCORD, --group UUID=ACCORD, --write ACCORD")
    for tag, _ in wanted.tags:
        # In an index `|` separates tags, `&` joins them, `!` negates, and a number is the tag of that number.
        if not tag.strip() or tag != tag.strip() or tag[:1] == "!" or "|" in tag or "&" in tag or tag.isdigit():
            raise Misuse(f"{tag!r} is no tag that can be asked for", hint='for example comity:share="energy"')
        if tag.lower().startswith((crossing.FROM, crossing.UNDER, "comity:retracted")):
            raise Misuse(f"{tag!r} is a tag that Comity writes by itself: it cannot ask for anything")
    if len(wanted.asking) < len(wanted.tags) or len(dict(wanted.groups)) < len(wanted.groups):
        raise Misuse("a tag or a sharing group asks for one accord")
    for group, _ in wanted.groups:
        if crossing.name_of(group) != group:
            raise Misuse(f"{group!r} is no UUID of a sharing group", hint="MISP shows it with the sharing group")


def all_(unit: Unit, office: str = "") -> list[Sidecar]:
    """Return the side-cars of an office, or of all."""
    prefix = f"{office}/" if office else ""
    return [msgspec.json.decode(data, type=Sidecar) for _, data in unit.documents.all(SIDECARS, prefix)]


def named(unit: Unit, actor: Actor, name: str) -> Sidecar:
    """Return a side-car of the actor's office. Raises `NotFound`."""
    data = unit.documents.get(SIDECARS, f"{actor.office_id}/{name}")
    if data is None:
        raise NotFound(f"no side-car {name!r} of {actor.office}", hint="`comity sidecar list` names them")
    return msgspec.json.decode(data, type=Sidecar)


def is_kept(unit: Unit, sidecar: Sidecar) -> bool:
    """Say whether a side-car is registered still, exactly as it was read."""
    data = unit.documents.get(SIDECARS, key(sidecar))
    return data is not None and msgspec.json.decode(data, type=Sidecar) == sidecar


def enable(node: Node, unit: Unit, actor: Actor, sidecar: Sidecar, *, enabled: bool) -> Sidecar:
    """Let a side-car rest, or go on."""
    changed = msgspec.structs.replace(sidecar, enabled=enabled)
    unit.documents.put(SIDECARS, key(sidecar), msgspec.json.encode(changed))
    record(node, unit, sidecar, "resumed" if enabled else "paused", actor)
    return changed


def remove(node: Node, unit: Unit, actor: Actor, sidecar: Sidecar) -> None:
    """Forget a side-car and its books; what it shared stays shared, what it wrote stays written."""
    at = key(sidecar)
    for shelf in (SIDECARS, HEALTH, INDEXES, LOOKED):
        unit.documents.delete(shelf, at)
    for shelf in (EVENTS, WRITTEN):
        for name, _ in unit.documents.all(shelf, f"{at}/"):
            unit.documents.delete(shelf, name)
    unit.documents.delete(ingest.SOURCES, f"{sidecar.office}/{sidecar.name}")
    record(node, unit, sidecar, "removed", actor)


def source_of(unit: Unit, sidecar: Sidecar) -> Source:
    """Return the source that a side-car's objects bear. Raises `NotFound`."""
    for one in ingest.sources(unit, sidecar.office):
        if one.name == sidecar.name:
            return one
    raise NotFound(f"the source {sidecar.name!r} is gone", hint="`comity sidecar add` registers it again")


# -- its books ----------------------------------------------------------------------------


def get(unit: Unit, shelf: str, at: str, kind: type[T]) -> T | None:
    """Return what stands on a shelf; None where there is nothing, or what another version wrote."""
    data = unit.documents.get(shelf, at)
    try:
        return None if data is None else msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:
        return None


def put(unit: Unit, shelf: str, at: str, value: object) -> None:
    """Keep something on a shelf."""
    unit.documents.put(shelf, at, msgspec.msgpack.encode(value))


def health_of(unit: Unit, sidecar: Sidecar) -> Health:
    """Return how a side-car does."""
    return get(unit, HEALTH, key(sidecar), Health) or Health()


def events(unit: Unit, sidecar: Sidecar) -> list[Kept]:
    """Return the events that were brought in, by UUID."""
    return list(_all(unit, EVENTS, sidecar, Kept))


def written(unit: Unit, sidecar: Sidecar) -> list[Written]:
    """Return the events that are written, by UUID."""
    return list(_all(unit, WRITTEN, sidecar, Written))


def _all(unit: Unit, shelf: str, sidecar: Sidecar, kind: type[T]) -> Iterator[T]:
    for name, _ in unit.documents.all(shelf, f"{key(sidecar)}/"):
        found = get(unit, shelf, name, kind)
        if found is not None:
            yield found


def record(node: Node, unit: Unit, sidecar: Sidecar, what: str, actor: Actor, **more: object) -> None:
    """Put on the home log what was done about a side-car."""
    body = {"sidecar": sidecar.name, "what": what, "by": actor.user, **more}
    books.record(node, unit, OfficeId(sidecar.office), KIND, body)


def due(node: Node, at: Instant) -> list[Sidecar]:
    """Return the side-cars whose round is due, the longest due first."""
    found: list[tuple[Instant, Sidecar]] = []
    with node.store.read() as unit:
        for one in all_(unit):
            when = health_of(unit, one).due
            longest = max(one.every, SOURCE_QUIET_SECONDS_MAX, SOURCE_RETRY_AFTER_MAX) * (1 + sources.JITTER)
            if one.enabled and (when <= at or when > at + longest):  # later ones are of a clock that was wrong
                found.append((when, one))
    return [one for _, one in sorted(found, key=lambda pair: (pair[0], key(pair[1])))]


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return what an operator should know of the side-cars, as (what, advice)."""
    found: list[tuple[str, str]] = []
    for one in all_(unit):
        health, name = health_of(unit, one), f"side-car {one.name!r} of {one.office}"
        if not one.enabled:
            found.append((f"{name} is paused", f"`comity sidecar resume {one.name}`"))
        if health.error:
            times = f"{health.failures} rounds" if health.failures > 1 else "the last round"
            what = f"{name}: {times} failed: {health.whose}: {health.error}"
            found.append((what, f"`comity sidecar run {one.name}` tries now"))
        found += [(f"{name}: {fault}", "") for fault in health.faults]
    return found


def actor_for(node: Node, sidecar: Sidecar) -> Actor:
    """Return in whose name a due round is made."""
    return Actor(OfficeRef(node.me, OfficeId(sidecar.office)), sources.SCHEDULE)


def accords_of(sidecar: Sidecar) -> dict[str, AccordId]:
    """Return which accord each tag (in lower case) and each sharing group asks for."""
    tags = {tag.lower(): AccordId(accord) for tag, accord in sidecar.tags}
    return tags | {group: AccordId(accord) for group, accord in sidecar.groups}


def key(sidecar: Sidecar) -> str:
    """Return a side-car's key on every shelf."""
    return f"{sidecar.office}/{sidecar.name}"


def counts(tally: Tally) -> dict[str, int]:
    """Return what a tally counts, by name."""
    return dict(msgspec.structs.asdict(tally))
