"""Bringing foreign formats in: what a reader makes of them, what was lost on the way, and the original itself.

Rules: the original is kept, byte for byte, in parts on the home log, where it is released to nobody; the record of the
import names them, the source, the reader, the counts and the first losses. The same original from the same source is
kept once. A dry run writes nothing and tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec

from comity import statement
from comity.areas import intel
from comity.areas.intel import Checker
from comity.canon import Instant
from comity.errors import NotFound
from comity.formats.convert import Context, Loss, Outcome, Reader, loss
from comity.limits import (
    BATCH_ENTRIES_MAX,
    IMPORT_LOSSES_RECORDED_MAX,
    ORIGINAL_BYTES_MAX,
    ORIGINAL_PART_BYTES,
    ORIGINAL_SPOOL_BYTES,
)
from comity.node import books
from comity.node.actor import Actor
from comity.node.ingest import Ingested, Source, keep
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.statement import Header

IMPORTS: Final = "import"  # shelf: office/source/digest -> the newest record of importing that original
MAPPINGS: Final = "mapping"  # shelf: office/source -> how its tables are read
ORIGINAL_KIND: Final = "home.original"
IMPORTED_KIND: Final = "home.imported"
ORIGINAL_MEDIA: Final = "application/octet-stream"


class LossNoted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loss as a record keeps it."""

    where: str
    outcome: str
    rule: str
    reason: str


class Imported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is on record of an import."""

    name: str  # of the file or address it came from
    source: str
    office: str
    form: str  # the reader's name
    at: Instant
    digest: str  # SHA-256 of the original, in hexadecimal
    bytes: int
    parts: tuple[tuple[int, int], ...]  # positions of its parts as (first, count); empty: too large to keep
    read: int
    kept: int
    known: int
    refused: int
    lost: dict[str, int]  # `outcome rule` -> how many
    losses: tuple[LossNoted, ...]  # the first ones


@dataclass(slots=True)
class Import:
    """One input to bring in."""

    name: str
    form: str
    read: Reader
    chunks: Iterable[bytes]


def bring_in(
    node: Node,
    actor: Actor,
    origin: Source,
    what: Import,
    done: Ingested,
    *,
    progress: Callable[[int], None] | None = None,
    check: Checker = intel.check_each,
) -> Imported:
    """Read an input, keep what it is made into and the original, and put the import on record; unless `done.dry`."""
    original = _Original(node, actor, origin, what, dry=done.dry)
    things = what.read(original.through(), Context(origin.name, node.now()))
    keep(node, actor, origin, things, progress, check, done)
    original.finish()
    if original.too_large:
        reason = f"the original has over {ORIGINAL_BYTES_MAX} bytes (ORIGINAL_BYTES_MAX) and is not kept"
        done.lose(loss("the whole input", Outcome.CHANGED, "original-too-large", reason))
    record = Imported(
        name=what.name,
        source=origin.name,
        office=actor.office_id,
        form=what.form,
        at=node.now(),
        digest=original.digest,
        bytes=original.size,
        parts=original.parts(),
        read=done.read,
        kept=done.kept,
        known=done.known,
        refused=done.report.refused,
        lost={f"{outcome.value} {rule}": count for (outcome, rule), count in sorted(done.losses.counts.items())},
        losses=tuple(_noted(lost) for lost in done.losses.shown[:IMPORT_LOSSES_RECORDED_MAX]),
    )
    if not done.dry:
        with node.writing() as unit:
            books.record(node, unit, actor.office_id, IMPORTED_KIND, record)
            unit.documents.put(IMPORTS, _key(record), msgspec.json.encode(record))
    return record


def imports(unit: Unit, office: str, source: str = "") -> list[Imported]:
    """Return the newest record of every original an office imported, oldest first."""
    prefix = f"{office}/{source}/" if source else f"{office}/"
    found = [msgspec.json.decode(data, type=Imported) for _, data in unit.documents.all(IMPORTS, prefix)]
    return sorted(found, key=lambda one: (one.at, one.digest))


def mapping(unit: Unit, office: str, source: str) -> bytes | None:
    """Return the mapping that an office keeps for a source's tables, as `tables.mapping` encodes it; or None."""
    return unit.documents.get(MAPPINGS, f"{office}/{source}")


def put_mapping(unit: Unit, office: str, source: str, encoded: bytes) -> None:
    """Keep the mapping by which a source's tables are read from now on."""
    unit.documents.put(MAPPINGS, f"{office}/{source}", encoded)


def original(node: Node, imported: Imported) -> Iterator[bytes]:
    """Yield an original as it came. Raises `NotFound` where it was too large to keep or was erased since."""
    if not imported.parts and imported.bytes:
        raise NotFound(f"the original of {imported.name} was too large to keep")
    for first, count in imported.parts:
        log_id, index = place(first)
        for at in range(index, index + count):
            with node.store.read() as unit:
                entries = unit.entries.read(log_id, at, at + 1)
            if not entries or entries[0].body is None:
                raise NotFound(f"a part of the original of {imported.name} is not held any more")
            yield entries[0].body


class _Original:
    """An input on its way to the reader, of which a copy is kept."""

    def __init__(self, node: Node, actor: Actor, origin: Source, what: Import, *, dry: bool) -> None:
        self._node = node
        self._actor = actor
        self._origin = origin
        self._dry = dry
        self._chunks = iter(what.chunks)
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._places: list[int] = []
        self._known: Imported | None = None
        self.size = 0

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was read so far, in hexadecimal."""
        return self._hash.hexdigest()

    @property
    def too_large(self) -> bool:
        """Say whether it is over ORIGINAL_BYTES_MAX."""
        return self.size > ORIGINAL_BYTES_MAX

    def through(self) -> Iterator[bytes]:
        """Yield the input as it comes, keeping a copy."""
        for chunk in self._chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            if not self.too_large and not self._dry:
                self._waiting += chunk
                if len(self._waiting) >= ORIGINAL_SPOOL_BYTES:
                    self._flush(whole=False)
            yield chunk

    def finish(self) -> None:
        """Read what the reader left, and keep the rest; one of few bytes that is known is not kept again."""
        for _ in self.through():
            pass
        if self._dry or self.too_large:
            return
        if not self._places:
            with self._node.store.read() as unit:
                key = f"{self._actor.office_id}/{self._origin.name}/{self.digest}"
                data = unit.documents.get(IMPORTS, key)
            if data is not None:
                self._known = msgspec.json.decode(data, type=Imported)
                return
        self._flush(whole=True)

    def parts(self) -> tuple[tuple[int, int], ...]:
        """Return the positions of its parts as (first, count)."""
        if self._known is not None:
            return self._known.parts
        if self.too_large or not self._places:
            return ()
        breaks = [0, *(n for n, (a, b) in enumerate(pairwise(self._places), 1) if b != a + 1), len(self._places)]
        return tuple((self._places[start], end - start) for start, end in pairwise(breaks))

    def _flush(self, *, whole: bool) -> None:
        node, size = self._node, ORIGINAL_PART_BYTES
        end = len(self._waiting) if whole else len(self._waiting) // size * size
        bodies = [bytes(self._waiting[at : min(at + size, end)]) for at in range(0, end, size)]
        del self._waiting[:end]
        header = statement.encode_header(
            Header(
                v=1,
                kind=ORIGINAL_KIND,
                office=self._actor.office_id,
                accord=0,
                at=node.now(),
                media=ORIGINAL_MEDIA,
                source=self._origin.name,
            )
        )
        for start in range(0, len(bodies), BATCH_ENTRIES_MAX):
            drafts = [books.Draft(header, body) for body in bodies[start : start + BATCH_ENTRIES_MAX]]
            with node.writing() as unit:
                first = books.append(node, unit, books.home_origin(node, unit), 0, drafts)
            self._places += range(first, first + len(drafts))


def _key(record: Imported) -> str:
    return f"{record.office}/{record.source}/{record.digest}"


def _noted(lost: Loss) -> LossNoted:
    return LossNoted(lost.where, lost.outcome.value, lost.rule, lost.reason)
