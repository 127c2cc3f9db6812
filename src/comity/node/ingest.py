"""Bringing intelligence in: bytes of STIX to entries of the home log, indexed, in batches.

Rules: every object is one entry with the producer's own bytes. The same object from the same source is
there once; from another source it is another witness. What is refused is counted and named with its
reason, and stops nothing. A source without a default marking leaves its unmarked objects at home.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from comity import statement
from comity.areas import intel
from comity.areas.intel import Checker, Facts
from comity.errors import Misuse, NotFound
from comity.formats.stix import split
from comity.formats.stix.report import Refusal, Report
from comity.limits import BATCH_ENTRIES_MAX, INGEST_BATCH_BYTES_MAX
from comity.node import books, folding
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.statement import INTEL_OBJECT, STIX_MEDIA, Header, Marking
from comity.vocab import Pap, Tlp

SOURCES: Final = "source"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an office has intelligence from, and the marking it puts on what comes unmarked."""

    name: str
    office: str
    marking: Marking | None = None
    note: str = ""


@dataclass(slots=True)
class Ingested:
    """What an ingest did."""

    read: int = 0
    kept: int = 0
    known: int = 0  # the same bytes from the same source: there already
    unmarked: int = 0  # kept, and withheld from everyone
    report: Report | None = None


def put_source(unit: Unit, actor: Actor, name: str, marking: Marking | None, note: str = "") -> Source:
    """Register a source of the actor's office, or change its default marking for what comes from now on."""
    statement_name = name.strip()
    if not statement_name or len(statement_name) > 200 or "\n" in statement_name:
        raise Misuse("a source has a name of 1 to 200 characters on one line")
    source = Source(statement_name, actor.office_id, marking, note)
    unit.documents.put(SOURCES, f"{actor.office_id}/{statement_name}", msgspec.json.encode(source))
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
) -> Ingested:
    """Read STIX from chunks of bytes of any total size; keep, index and commit it batch by batch."""
    done = Ingested(report=Report())
    taken: deque[list[split.Piece | Refusal]] = deque()  # by `check`, and not answered yet

    def bodies() -> Iterator[list[bytes]]:
        for batch in _batches(split.split(chunks)):
            taken.append(batch)
            yield [piece.data for piece in batch if not isinstance(piece, Refusal)]

    for answers in check(bodies()):
        _batch(node, actor, origin, taken.popleft(), answers, done)
        if progress is not None:
            progress(done.read)
    if done.kept > BATCH_ENTRIES_MAX:
        folding.arrange(node)
    return done


def _batches(pieces: Iterator[split.Piece | Refusal]) -> Iterator[list[split.Piece | Refusal]]:
    """Yield what is committed together: as many as go under one checkpoint, or as many bytes as fit in memory."""
    batch: list[split.Piece | Refusal] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += 0 if isinstance(piece, Refusal) else len(piece.data)
        if len(batch) == BATCH_ENTRIES_MAX or size >= INGEST_BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _batch(
    node: Node,
    actor: Actor,
    origin: Source,
    batch: Sequence[split.Piece | Refusal],
    answers: Sequence[Facts | Refusal],
    done: Ingested,
) -> None:
    done.read += len(batch)
    assert done.report is not None
    fresh: list[tuple[bytes, Facts]] = []
    good = iter(answers)
    for piece in batch:
        answer = piece if isinstance(piece, Refusal) else next(good)
        if isinstance(answer, Refusal):
            done.report.refuse(answer._replace(offset=piece.offset))
        else:
            fresh.append((piece.data, answer))  # type: ignore[union-attr]  # a Refusal is its own answer
    if not fresh:
        return
    headers = _Headers(node, actor, origin)
    with node.writing() as unit:
        fresh = _unknown(node, unit, origin, fresh, done)
        if fresh:
            drafts = [books.Draft(headers.of(facts.tlp), data) for data, facts in fresh]
            home = books.home_origin(node, unit)
            first = books.append(node, unit, home, 0, drafts)
            folded = intel.Folded.empty()
            for position, (_, facts) in enumerate(fresh, first):
                intel.rows(folded, position, facts)
            folding.put(node, unit, unit.logs.get(place(first)[0]), folded, first=True)
    for _, facts in fresh:
        done.report.accept(facts.note)
    done.kept += len(fresh)
    done.unmarked += headers.unmarked


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
        self._known: dict[Tlp | None, bytes] = {}
        self.unmarked = 0

    def of(self, tlp: Tlp | None) -> bytes:
        """Return the header bytes for an object: its own TLP where it has one, else its source's default."""
        known = self._known.get(tlp)
        if known is None:
            marking = self._header.marking
            if tlp is not None:
                default = marking or Marking(tlp=tlp, pap=PAP_DEFAULT)
                marking = msgspec.structs.replace(default, tlp=tlp)
            header = msgspec.structs.replace(self._header, marking=marking)
            known = self._known[tlp] = statement.encode_header(header)
        if tlp is None and self._header.marking is None:
            self.unmarked += 1
        return known


PAP_DEFAULT: Final = Pap.RED  # what nobody allowed is not allowed


def _unknown(
    node: Node, unit: Unit, origin: Source, fresh: list[tuple[bytes, Facts]], done: Ingested
) -> list[tuple[bytes, Facts]]:
    """Leave out what this office has from this source already, byte for byte (also within the batch)."""
    rows = unit.views.find_many(intel.UUID, "uuid", sorted({facts.uuid for _, facts in fresh}))
    held: dict[tuple[object, object], list[int]] = {}
    for at, uuid, modified in rows:
        held.setdefault((uuid, modified), []).append(int(at or 0))
    kept: list[tuple[bytes, Facts]] = []
    seen: set[bytes] = set()
    for data, facts in fresh:
        places = held.get((facts.uuid, facts.modified)) if held else None
        if data in seen or (places and any(_same(node, unit, origin, at, data) for at in places)):
            done.known += 1
            continue
        seen.add(data)
        kept.append((data, facts))
    return kept


def _same(node: Node, unit: Unit, origin: Source, at: int, data: bytes) -> bool:
    log_id, index = place(at)
    if not unit.logs.get(log_id).own:
        return False
    (entry,) = unit.entries.read(log_id, index, index + 1)
    if entry.header is None or entry.body != data:
        return False
    header = node.header(entry.header)
    return header.source == origin.name and header.office == origin.office
