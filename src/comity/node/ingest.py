"""Bringing intelligence in: bytes of STIX to entries of the home log, indexed, in batches.

Rules: every object is one entry with the producer's own bytes. The same object from the same source is
there once, where a reader made it and dated it too; from another source it is another witness. What is refused
is counted and named with its reason, and stops nothing. A source without a default marking leaves its unmarked
objects at home.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from comity import statement
from comity.areas import intel
from comity.areas.intel import Checker, Facts
from comity.errors import Misuse, NotFound, Theirs
from comity.formats.convert import Attached, Loss, Losses, Made, Outcome, loss
from comity.formats.stix import split
from comity.formats.stix.report import Refusal, Report, refusal
from comity.formats.stix.split import Piece
from comity.limits import (
    BATCH_ENTRIES_MAX,
    INGEST_BATCH_BYTES_MAX,
    INGEST_DRY_REPEATS_MAX,
    STATEMENT_BYTES_MAX,
    STATEMENT_HEADER_BYTES_MAX,
)
from comity.node import attachments, books, evidence, folding
from comity.node.actor import Actor
from comity.node.attachments import Offered
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.statement import INTEL_OBJECT, STIX_MEDIA, Header, Marking
from comity.view import Value
from comity.vocab import Pap, Tlp

SOURCES: Final = "source"
IMPORT_TIMES: Final = frozenset({"created", "modified", "valid_from", "first_observed", "last_observed", "published"})

Thing = Piece | Made | Attached | Refusal | Loss
"""What a reader or a splitter gives: an object, a file that was inside, or why there is none."""

_OBJECTS: Final = (Piece, Made)
_BYTES: Final = (Piece, Made, Attached)
ROOM: Final = STATEMENT_BYTES_MAX - STATEMENT_HEADER_BYTES_MAX - 1  # bytes of a body that fits under any header
_DIGEST_BYTES: Final = 16  # of SHA-256: nobody finds two bodies with the same
_REPEATS: Final = "beyond what a dry run remembers: repeats of it are counted as new"


class _Good(NamedTuple):
    """An object that passed its checks."""

    data: bytes
    facts: Facts
    made: bool  # by a reader
    timeless: bool  # its times are the import's

    def digest(self) -> bytes:
        """Return what it is told apart by from what is there already."""
        return _timeless_digest(self.data) if self.timeless else _digest(self.data)


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an office has intelligence from, and the marking it puts on what comes unmarked."""

    name: str
    office: str
    marking: Marking | None = None
    note: str = ""
    reliability: str = ""  # Admiralty code, A to F
    licence: str = ""
    form: str = ""  # name of a reader; empty: by what comes
    kind: str = ""  # how it is fetched (`node.sources.Kind`); empty: by hand
    address: str = ""  # URL, or absolute path of a file
    collection: str = ""  # of a TAXII server: id, alias or title
    match: tuple[tuple[str, str], ...] = ()  # TAXII 2.1 §3.4: what is asked for
    login: str = ""  # name of a file in the node's `keys`
    plain: bool = False  # plain http may leave this machine
    every: int = 0  # seconds between two polls
    enabled: bool = True
    floor: Tlp | None = None  # of one input, never kept: the label of what it came in, below which nothing is marked
    floor_pap: Pap | None = None


@dataclass(slots=True)
class Ingested:
    """What an ingest did, or with `dry` would do."""

    read: int = 0
    kept: int = 0
    known: int = 0  # the same bytes from the same source: there already
    unmarked: int = 0  # kept, and withheld from everyone
    attached: int = 0  # files from inside that were kept as attachments
    attached_known: int = 0  # the same bytes from the same source, about the same: there already
    dry: bool = False
    more: bool = False  # more inputs follow: after the last of them `arrange` is due
    sign: bool = True  # each batch at once; else with what is signed next, within BATCH_SECONDS_MAX while a node serves
    report: Report = field(default_factory=Report)  # of objects
    losses: Losses = field(default_factory=Losses)  # of a reader: what it could not make objects of
    tell: Callable[[Loss], None] | None = None  # hears every loss, also those that no list has room for
    would_keep: set[bytes] = field(default_factory=set, repr=False)  # with `dry`: digests of the batches before

    def lose(self, lost: Loss) -> None:
        """Count a loss of the reader's, and pass it on."""
        self.losses.add(lost)
        if self.tell is not None:
            self.tell(lost)

    def refuse(self, refused: Refusal, where: str = "") -> None:
        """Count an object that was refused, and pass it on; `where` is its place, if that is not a byte."""
        self.report.refuse(refused)
        if self.tell is not None:
            name = f"{where or f'byte {refused.offset}'} {refused.ident}".rstrip()
            self.tell(loss(name, Outcome.REFUSED, refused.rule, refused.reason))


def put_source(unit: Unit, actor: Actor, name: str, marking: Marking | None, note: str = "") -> Source:
    """Register a source of the actor's office, or change its default marking for what comes from now on."""
    statement_name = name.strip()
    if not statement_name or len(statement_name) > 200 or "\n" in statement_name:
        raise Misuse("a source has a name of 1 to 200 characters on one line")
    if statement_name.startswith("~"):
        raise Misuse("a name that begins with ~ is a correspondent's", hint="`comity party correspondent source`")
    key = f"{actor.office_id}/{statement_name}"
    known = unit.documents.get(SOURCES, key)
    before = msgspec.json.decode(known, type=Source) if known else Source(statement_name, actor.office_id)
    source = msgspec.structs.replace(before, marking=marking, note=note or before.note)
    unit.documents.put(SOURCES, key, msgspec.json.encode(source))
    return source


def sources(unit: Unit, office: str = "") -> list[Source]:
    """Return the sources of an office, or of all."""
    prefix = f"{office}/" if office else ""
    return [msgspec.json.decode(data, type=Source) for _, data in unit.documents.all(SOURCES, prefix)]


def source(unit: Unit, actor: Actor, name: str) -> Source:
    """Return one source of the actor's office. Raises `NotFound`."""
    data = unit.documents.get(SOURCES, f"{actor.office_id}/{name}")
    if data is None:
        raise NotFound(
            f"no source {name!r} of {actor.office}", hint="give `--tlp`, or register it with `comity ingest`"
        )
    return msgspec.json.decode(data, type=Source)


def ingest(
    node: Node,
    actor: Actor,
    origin: Source,
    chunks: Iterable[bytes],
    progress: Callable[[int], None] | None = None,
    check: Checker = intel.check_each,
    done: Ingested | None = None,
) -> Ingested:
    """Read STIX from chunks of bytes of any total size; keep, index and commit it batch by batch."""
    return keep(node, actor, origin, split.split(chunks), progress, check, done)


def keep(
    node: Node,
    actor: Actor,
    origin: Source,
    things: Iterator[Thing],
    progress: Callable[[int], None] | None = None,
    check: Checker = intel.check_each,
    done: Ingested | None = None,
) -> Ingested:
    """Check, keep, index and commit objects batch by batch; what a reader could not make is counted beside them."""
    done = done or Ingested()
    taken: deque[list[Thing]] = deque()  # by `check`, and not answered yet

    def bodies() -> Iterator[list[bytes]]:
        for batch in _batches(things):
            taken.append(batch)
            yield [thing.data for thing in batch if isinstance(thing, _OBJECTS)]

    for answers in check(bodies()):
        _batch(node, actor, origin, taken.popleft(), answers, done)
        if progress is not None:
            progress(done.read)
    if not done.dry and not done.more:
        arrange(node, done.kept)
    return done


def arrange(node: Node, kept: int) -> None:
    """Let look-ups find as quickly as all others what was kept last, where that is many."""
    if kept > BATCH_ENTRIES_MAX:
        folding.arrange(node)


def _batches(things: Iterator[Thing]) -> Iterator[list[Thing]]:
    """Yield what is committed together: as many as go under one checkpoint, or as many bytes as fit in memory."""
    batch: list[Thing] = []
    size = 0
    for thing in things:
        batch.append(thing)
        if isinstance(thing, _BYTES):
            size += len(thing.data)
        if len(batch) == BATCH_ENTRIES_MAX or size >= INGEST_BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _batch(
    node: Node, actor: Actor, origin: Source, batch: Sequence[Thing], answers: Sequence[Facts | Refusal], done: Ingested
) -> None:
    headers = _Headers(node, actor, origin)
    good = _good(batch, answers, headers, done)
    accounts = [one for one in good if one.facts.flags & intel.PERSONAL]
    good = [one for one in good if not one.facts.flags & intel.PERSONAL]
    _seal(node, actor, origin, accounts, done)
    if good:
        _objects(node, origin, headers, good, done)
    for thing in batch:  # after what they are about
        if isinstance(thing, Attached):
            _attach(node, actor, origin, headers, thing, done)


def _attach(node: Node, actor: Actor, origin: Source, headers: _Headers, file: Attached, done: Ingested) -> None:
    """Keep a file as an attachment, under the marking that an object at its place would have."""
    offered = Offered(file.name, file.about, "", file.note, origin.name, headers.marking_of(file.tlp))
    digest = _digest(msgspec.json.encode((file.name, file.about, sha256(file.data).hexdigest())))
    with node.store.read() as unit:
        known = digest in done.would_keep or attachments.holds(node, unit, actor.office_id, offered, file.data)
    if known:
        done.attached_known += 1
        return
    if done.dry:
        if len(done.would_keep) < INGEST_DRY_REPEATS_MAX:
            done.would_keep.add(digest)
    else:
        try:
            attachments.add(node, actor, [file.data], offered)
        except Theirs as error:
            done.lose(loss(file.where, Outcome.REFUSED, "attachment", str(error)))
            return
    done.attached += 1


def _objects(node: Node, origin: Source, headers: _Headers, good: Sequence[_Good], done: Ingested) -> None:
    """Keep what is not there yet."""
    if done.dry:
        with node.store.read() as unit:
            fresh = _not_repeated(_unknown(node, unit, origin, good, done), done)
        for one in fresh:
            headers.of(one.facts.tlp)
    else:
        with node.writing(sign=done.sign) as unit:
            fresh = _unknown(node, unit, origin, good, done)
            _write(node, unit, headers, fresh)
    for one in fresh:
        done.report.accept(one.facts.note)
    done.kept += len(fresh)
    done.unmarked += headers.unmarked


def _good(batch: Sequence[Thing], answers: Sequence[Facts | Refusal], headers: _Headers, done: Ingested) -> list[_Good]:
    """Return what passed its checks and fits into a statement; count all the rest."""
    found: list[_Good] = []
    following = iter(answers)
    for thing in batch:
        if isinstance(thing, Loss):
            done.lose(thing)
            continue
        if isinstance(thing, Attached):
            continue
        done.read += 1
        if isinstance(thing, Refusal):
            done.refuse(thing)
            continue
        answer = next(following)
        if not isinstance(answer, Refusal) and len(thing.data) > ROOM:
            answer = _fitting(thing.data, answer, headers)
        made = isinstance(thing, Made)
        if not isinstance(answer, Refusal):
            found.append(_Good(thing.data, answer, made, isinstance(thing, Made) and thing.timeless))
        elif isinstance(thing, Made):
            done.refuse(answer, thing.where)
        else:
            done.refuse(answer._replace(offset=thing.offset))
    return found


def _fitting(data: bytes, facts: Facts, headers: _Headers) -> Facts | Refusal:
    """Return the facts of a large object, or why it cannot be stated."""
    size = len(headers.bytes_of(facts.tlp)) + 1 + len(data)
    if size <= STATEMENT_BYTES_MAX:
        return facts
    reason = f"{size} bytes with its header are over STATEMENT_BYTES_MAX ({STATEMENT_BYTES_MAX})"
    return refusal("too-large", reason, ident=f"{intel.type_name(facts.type)}--{UUID(bytes=facts.uuid)}")


def _seal(node: Node, actor: Actor, origin: Source, accounts: Sequence[_Good], done: Ingested) -> None:
    """Keep personal accounts as sealed evidence, once each, and say so: they are no intelligence."""
    for one in accounts:
        ident = f"{intel.type_name(one.facts.type)}--{UUID(bytes=one.facts.uuid)}"
        done.lose(loss(ident, Outcome.SEALED, "account", "somebody's account: sealed evidence, `comity evidence list`"))
    if done.dry or not accounts:
        return
    header = statement.encode_header(evidence.header(actor.office_id, origin.name, node.now()))
    with node.writing() as unit:
        for one in accounts:
            digest = sha256(one.data).hexdigest()
            if not evidence.is_kept(unit, actor.office_id, digest):
                at = books.state(node, unit, books.home_origin(node, unit), 0, [books.Draft(header, one.data)])
                evidence.keep(unit, actor.office_id, digest, at, origin.name, node.now())


def _write(node: Node, unit: Unit, headers: _Headers, fresh: Sequence[_Good]) -> None:
    if not fresh:
        return
    drafts = [books.Draft(headers.of(one.facts.tlp), one.data) for one in fresh]
    first = books.append(node, unit, books.home_origin(node, unit), 0, drafts)
    folded = intel.Folded.empty()
    for position, one in enumerate(fresh, first):
        intel.rows(folded, position, one.facts, one.data)
    folding.put(node, unit, unit.logs.get(place(first)[0]), folded, first=True)


class _Headers:
    """The headers of a batch: one per marking, so that a batch is a handful of classes."""

    def __init__(self, node: Node, actor: Actor, origin: Source) -> None:
        self._header = Header(
            v=1,
            kind=INTEL_OBJECT,
            office=actor.office_id,
            accord=0,
            at=node.now(),
            media=STIX_MEDIA,
            marking=origin.marking,
            source=origin.name,
        )
        self._floor, self._floor_pap = origin.floor, origin.floor_pap
        self._known: dict[Tlp | None, bytes] = {}
        self.unmarked = 0

    def of(self, tlp: Tlp | None) -> bytes:
        """Return the header bytes for an object that is kept, and count it where it is unmarked."""
        if self.marking_of(tlp) is None:
            self.unmarked += 1
        return self.bytes_of(tlp)

    def bytes_of(self, tlp: Tlp | None) -> bytes:
        """Return the header bytes for an object: its own TLP where it has one, else its source's default."""
        known = self._known.get(tlp)
        if known is None:
            header = msgspec.structs.replace(self._header, marking=self.marking_of(tlp))
            known = self._known[tlp] = statement.encode_header(header)
        return known

    def marking_of(self, tlp: Tlp | None) -> Marking | None:
        """Return the source's default marking, under an own TLP where there is one; None: it stays at home."""
        marking = self._header.marking
        if tlp is None and self._floor is None:
            return marking
        said = [one for one in (tlp or (marking.tlp if marking else None), self._floor) if one is not None]
        label = max(said, key=lambda one: one.rank)
        made = msgspec.structs.replace(marking or Marking(tlp=label, pap=PAP_DEFAULT), tlp=label)
        pap = self._floor_pap
        return msgspec.structs.replace(made, pap=pap) if pap is not None and pap.rank > made.pap.rank else made


PAP_DEFAULT: Final = Pap.RED  # what nobody allowed is not allowed


def _unknown(node: Node, unit: Unit, origin: Source, good: Sequence[_Good], done: Ingested) -> list[_Good]:
    """Leave out what this office has from this source already, byte for byte (also within the batch)."""
    numbers = {intel.object_number(one.facts.uuid) for one in good}
    rows = unit.views.find_many(intel.STATED, "object", sorted(numbers))
    held = _held(node, unit, origin, good, rows) if rows else set()
    kept: list[_Good] = []
    seen: set[bytes] = set()
    for one in good:
        if one.data in seen or (held and one.digest() in held):
            done.known += 1
            continue
        seen.add(one.data)
        kept.append(one)
    return kept


def _held(
    node: Node, unit: Unit, origin: Source, good: Sequence[_Good], rows: Sequence[tuple[Value, ...]]
) -> set[bytes]:
    """Return the digests of what this office has from this source of the objects of a batch, each read once."""
    number = intel.object_number
    dated = {(number(one.facts.uuid), one.facts.modified) for one in good if not one.timeless}
    timeless = {number(one.facts.uuid) for one in good if one.timeless}
    held: set[bytes] = set()
    for at, stated, modified in rows:
        is_dated, is_timeless = (stated, modified) in dated, stated in timeless
        if not is_dated and not is_timeless:
            continue
        body = _body(node, unit, origin, int(at or 0))
        if body is not None and is_dated:
            held.add(_digest(body))
        if body is not None and is_timeless:
            held.add(_timeless_digest(body))
    return held


def _body(node: Node, unit: Unit, origin: Source, at: int) -> bytes | None:
    """Return the object that stands at a position, where this office stated it and has it from this source."""
    log_id, index = place(at)
    if not unit.logs.get(log_id).own:
        return None
    (entry,) = unit.entries.read(log_id, index, index + 1)
    if entry.header is None or entry.body is None:
        return None
    header = node.header(entry.header)
    is_ours = header.kind == INTEL_OBJECT and header.source == origin.name and header.office == origin.office
    return entry.body if is_ours else None


def positions(node: Node, unit: Unit, origin: Source, made: Sequence[Made]) -> dict[str, int]:
    """Return where an office holds these objects from a source, by id: the newest entry of each that is theirs."""
    wanted: dict[bytes, str] = {}
    numbers: set[int] = set()
    for one in made:
        ident = msgspec.json.decode(one.data, type=_Identified).id
        wanted[_timeless_digest(one.data) if one.timeless else _digest(one.data)] = ident
        numbers.add(intel.object_number(UUID(ident[-36:]).bytes))
    found: dict[str, int] = {}
    for row in unit.views.find_many(intel.STATED, "object", sorted(numbers)):
        at = int(row[0] or 0)
        body = _body(node, unit, origin, at)
        named = None if body is None else wanted.get(_digest(body)) or wanted.get(_timeless_digest(body))
        if named is not None and at > found.get(named, -1):
            found[named] = at
    return found


class _Identified(msgspec.Struct):
    id: str


def _not_repeated(fresh: Sequence[_Good], done: Ingested) -> list[_Good]:
    """Leave out what a dry run would have kept in a batch before: the store does not know of it."""
    kept = [one for one in fresh if one.digest() not in done.would_keep] if done.would_keep else list(fresh)
    done.known += len(fresh) - len(kept)
    for one in kept:
        if len(done.would_keep) >= INGEST_DRY_REPEATS_MAX:
            done.report.notes[_REPEATS] += 1
            continue
        done.would_keep.add(_digest(one.data))
        if one.made:  # another of it may come undated
            done.would_keep.add(_timeless_digest(one.data))
    return kept


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()[:_DIGEST_BYTES]


def _timeless_digest(data: bytes) -> bytes:
    """Return the digest of an object without the times that an import gave it."""
    tree = msgspec.json.decode(data, type=dict[str, object])
    kept = {name: value for name, value in tree.items() if name not in IMPORT_TIMES}
    return _digest(b"timeless " + msgspec.json.encode(kept, order="deterministic"))
