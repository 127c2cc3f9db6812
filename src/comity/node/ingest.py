"""Bringing intelligence in: bytes of STIX to entries of the home log, indexed, in batches.

Rules: every object is one entry with the producer's own bytes. The same object from the same source is
there once; from another source it is another witness. What is refused is counted and named with its
reason, and stops nothing. A source without a default marking leaves its unmarked objects at home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from comity import statement
from comity.areas import intel
from comity.errors import Misuse, NotFound
from comity.formats.stix import check, split
from comity.formats.stix.report import Refusal, Report
from comity.limits import BATCH_ENTRIES_MAX
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
) -> Ingested:
    """Read STIX from chunks of bytes of any total size; keep, index and commit it batch by batch."""
    done = Ingested(report=Report())
    pieces = split.split(chunks)
    for batch in _batches(pieces, BATCH_ENTRIES_MAX):
        _batch(node, actor, origin, batch, done)
        if progress is not None:
            progress(done.read)
    return done


def _batches(pieces: Iterator[split.Piece | Refusal], size: int) -> Iterator[list[split.Piece | Refusal]]:
    while batch := list(islice(pieces, size)):
        yield batch


def _batch(node: Node, actor: Actor, origin: Source, batch: Sequence[split.Piece | Refusal], done: Ingested) -> None:
    good = [piece for piece in batch if not isinstance(piece, Refusal)]
    done.read += len(batch)
    assert done.report is not None
    for piece in batch:
        if isinstance(piece, Refusal):
            done.report.refuse(piece)
    fresh: list[tuple[bytes, check.Checked]] = []
    for piece, checked in zip(good, check.check_many([piece.data for piece in good]), strict=True):
        if isinstance(checked, Refusal):
            done.report.refuse(checked._replace(offset=piece.offset))
        else:
            fresh.append((piece.data, checked))
    if not fresh:
        return
    headers = _Headers(node, actor, origin)
    with node.writing() as unit:
        fresh = _unknown(node, unit, origin, fresh, done)
        if fresh:
            drafts = [books.Draft(headers.of(checked), data) for data, checked in fresh]
            home = books.home_origin(node, unit)
            first = books.append(node, unit, home, 0, drafts)
            folded = intel.Folded([], [], [], [])
            for position, (_, checked) in enumerate(fresh, first):
                intel.rows(folded, position, checked)
            folding.put(node, unit, unit.logs.get(place(first)[0]), folded)
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

    def of(self, checked: check.Checked) -> bytes:
        """Return the header bytes for an object: its own TLP where it has one, else its source's default."""
        known = self._known.get(checked.tlp)
        if known is None:
            marking = self._header.marking
            if checked.tlp is not None:
                default = marking or Marking(tlp=checked.tlp, pap=PAP_DEFAULT)
                marking = msgspec.structs.replace(default, tlp=checked.tlp)
            header = msgspec.structs.replace(self._header, marking=marking)
            known = self._known[checked.tlp] = statement.encode_header(header)
        if checked.tlp is None and self._header.marking is None:
            self.unmarked += 1
        return known


PAP_DEFAULT: Final = Pap.RED  # what nobody allowed is not allowed


def _unknown(
    node: Node, unit: Unit, origin: Source, fresh: list[tuple[bytes, check.Checked]], done: Ingested
) -> list[tuple[bytes, check.Checked]]:
    """Leave out what this office has from this source already, byte for byte (also within the batch)."""
    rows = unit.views.find_many(intel.OBJECT, "uuid", sorted({checked.uuid for _, checked in fresh}))
    held: dict[tuple[object, object], list[int]] = {}
    for row in rows:
        held.setdefault((row[1], row[3]), []).append(int(row[0] or 0))
    kept: list[tuple[bytes, check.Checked]] = []
    seen: set[bytes] = set()
    for data, checked in fresh:
        places = held.get((checked.uuid, checked.modified)) if held else None
        if data in seen or (places and any(_same(node, unit, origin, at, data) for at in places)):
            done.known += 1
            continue
        seen.add(data)
        kept.append((data, checked))
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
