"""Bringing foreign formats in: what a reader makes of them, what was lost on the way, and the original itself.

Rules: the original is kept, byte for byte, in parts on the home log, where it is released to nobody; the record of the
import names them, the source, the reader and the counts. No record quotes the input: an erasure could not reach it.
An original of which parts were sealed as evidence is given with a reason, on record, as the evidence itself is.
The same original from the same source is kept once: of its parts only those are appended that are not held any more.
A part is named by the import's document in the unit of work that appends it, and nothing is appended before the whole
input has passed: what breaks off or is too large leaves no part. A dry run writes nothing and tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec

from comity import statement
from comity.areas import intel
from comity.areas.intel import Checker
from comity.canon import Instant, OfficeId
from comity.errors import Fault, Misuse, NotFound
from comity.formats.convert import Context, Outcome, Reader, loss
from comity.limits import (
    INGEST_BATCH_BYTES_MAX,
    ORIGINAL_BYTES_MAX,
    ORIGINAL_PART_BYTES,
    ORIGINAL_SPOOL_BYTES,
)
from comity.node import acting, books, evidence
from comity.node.actor import Actor
from comity.node.ingest import Ingested, Source, keep
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.statement import Header

IMPORTS: Final = "import"  # shelf: office/source/digest -> the newest record of importing that original
ERASED: Final = "import-erased"  # shelf: office/source/digest -> when that original was erased
MAPPINGS: Final = "mapping"  # shelf: office/source -> how its tables are read, as a person said
GUESSES: Final = "mapping-guess"  # shelf: office/source/layout -> how tables of that layout are read, by a guess
ORIGINAL_KIND: Final = "home.original"
IMPORTED_KIND: Final = "home.imported"
ORIGINAL_MEDIA: Final = "application/octet-stream"


class Readers(Protocol):
    """The table of readers (`comity.formats.readers`)."""

    def reader(self, name: str, title: str = "", /) -> Reader:
        """Return a format's reader, for an input of that title. Raises `Misuse`."""

    def recognise(self, head: bytes, name: str, /) -> str:
        """Return the format of an input by its first bytes and its name."""


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
    with _Original(what, dry=done.dry) as original:
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
            parts=(),
            read=done.read,
            kept=done.kept,
            known=done.known,
            refused=done.report.refused,
            lost={f"{outcome.value} {rule}": count for (outcome, rule), count in sorted(done.losses.counts.items())},
        )
        return record if done.dry else _put(node, record, original.bodies())


def _put(node: Node, record: Imported, bodies: Iterator[bytes]) -> Imported:
    """Append the parts that are not held, and put the import on record.

    Parts go in units of work of at most INGEST_BATCH_BYTES_MAX; each writes the document with the parts so far, so
    that after a break the next import goes on where this one ended. The last unit writes the record too.
    """
    held = _positions(_newest(node, record))
    header = _part_header(node, record)
    places: list[int] = []
    batch = max(1, INGEST_BATCH_BYTES_MAX // ORIGINAL_PART_BYTES)
    more = True
    while more:
        with node.writing() as unit:
            for _ in range(batch):
                body = next(bodies, None)
                if body is None:
                    more = False
                    break
                known = held[len(places)] if len(places) < len(held) else None
                if known is None or not _is_the_same(unit, known, body):
                    known = books.append(node, unit, books.home_origin(node, unit), 0, [books.Draft(header, body)])
                places.append(known)
            # Parts of an earlier import that are not reached yet stay named, too.
            record = msgspec.structs.replace(record, parts=_runs(places + (held[len(places) :] if more else [])))
            unit.documents.put(IMPORTS, _key(record), msgspec.json.encode(record))
            if not more:
                unit.documents.delete(ERASED, _key(record))
                books.record(node, unit, OfficeId(record.office), IMPORTED_KIND, record)
    return record


def erase(node: Node, actor: Actor, digest: str, basis: str, reason: str) -> int:
    """State a tombstone about every part of an original that is held, and forget its document; return how many parts.

    The counted records stay, and what was made of the original, which is erased as every statement is. Raises
    `NotFound`, `Refused`, or `Misuse` without a basis.
    """
    with node.store.read() as unit:
        found = [one for one in imports(unit, actor.office_id) if one.digest == digest]
        parts = {at for one in found for at in _positions(one) if unit.entries.is_held(*place(at))}
    if not found:
        raise NotFound(f"no original of {digest!r} is held")
    if parts:
        acting.erase(actor, node, sorted(parts), basis, reason)
    with node.writing() as unit:
        for one in found:
            unit.documents.delete(IMPORTS, _key(one))
            unit.documents.put(ERASED, _key(one), msgspec.json.encode(node.now()))
    return len(parts)


def erased(unit: Unit, office: str) -> dict[str, Instant]:
    """Return the digests of the originals an office erased, and when."""
    return {
        key.rpartition("/")[2]: msgspec.json.decode(data, type=int)
        for key, data in unit.documents.all(ERASED, f"{office}/")
    }


def imports(unit: Unit, office: str, source: str = "") -> list[Imported]:
    """Return the newest record of every original an office imported, oldest first."""
    prefix = f"{office}/{source}/" if source else f"{office}/"
    found = [msgspec.json.decode(data, type=Imported) for _, data in unit.documents.all(IMPORTS, prefix)]
    found = [one for one in found if not source or one.source == source]  # a source's name may have a / in it
    return sorted(found, key=lambda one: (one.at, one.digest))


def mapping(unit: Unit, office: str, source: str, layout: str = "") -> bytes | None:
    """Return the mapping that an office keeps for a source's tables, as `tables.mapping` encodes it; or None.

    Without a layout it is the one a person gave; with one, what was guessed of tables of that layout.
    """
    shelf, key = _mapping_key(office, source, layout)
    return unit.documents.get(shelf, key)


def put_mapping(unit: Unit, office: str, source: str, encoded: bytes, layout: str = "") -> None:
    """Keep the mapping by which a source's tables, or those of one layout, are read from now on."""
    shelf, key = _mapping_key(office, source, layout)
    unit.documents.put(shelf, key, encoded)


def _mapping_key(office: str, source: str, layout: str) -> tuple[str, str]:
    return (GUESSES, f"{office}/{source}/{layout}") if layout else (MAPPINGS, f"{office}/{source}")


def statements(unit: Unit, imported: Imported) -> list[str]:
    """Return what the parts of an original are called, each as `<origin>#<index>`."""
    return [f"{unit.logs.get(place(at)[0]).origin}#{place(at)[1]}" for at in _positions(imported)]


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


def give_back(node: Node, actor: Actor, imported: Imported, reason: str) -> Iterator[bytes]:
    """Yield an original to a person; where parts of it were sealed, who reads it and why is on record first.

    Raises `Misuse` without a reason where one is needed, and what `original` does.
    """
    with node.store.read() as unit:
        same = [one for one in imports(unit, actor.office_id) if one.digest == imported.digest]
    if any(what.startswith(f"{Outcome.SEALED.value} ") for one in same for what in one.lost):
        if not reason.strip() or len(reason) > evidence.REASON_CHARS_MAX:
            hint = "--reason 'request 2026-17 of the prosecutor'"
            raise Misuse("this original has what was sealed as evidence: reading it has a reason", hint=hint)
        with node.writing() as unit:
            told = {"read": f"original {imported.digest}", "by": actor.user, "reason": reason}
            books.record(node, unit, actor.office_id, evidence.ACCESS_KIND, told)
    yield from original(node, imported)


class _Original:
    """An input on its way to the reader, of which a copy lies in an unnamed file until it is known to be whole."""

    def __init__(self, what: Import, *, dry: bool) -> None:
        self._chunks = iter(what.chunks)
        self._hash = hashlib.sha256()
        self._spool = SpooledTemporaryFile(max_size=ORIGINAL_SPOOL_BYTES, prefix="comity-")  # noqa: SIM115
        self._keeps = not dry
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was read so far, in hexadecimal."""
        return self._hash.hexdigest()

    @property
    def too_large(self) -> bool:
        """Say whether it is over ORIGINAL_BYTES_MAX."""
        return self.size > ORIGINAL_BYTES_MAX

    def through(self) -> Iterator[bytes]:
        """Yield the input as it comes, keeping a copy. Raises `Fault` where there is no room for one."""
        for chunk in self._chunks:
            self._hash.update(chunk)
            self.size += len(chunk)
            if self.too_large and self._keeps:
                self._spool.close()
                self._keeps = False
            if self._keeps:
                try:
                    self._spool.write(chunk)
                except OSError as error:
                    raise Fault(f"no copy of the original can be written: {error.strerror}") from error
            yield chunk

    def finish(self) -> None:
        """Read what the reader left."""
        for _ in self.through():
            pass

    def bodies(self) -> Iterator[bytes]:
        """Yield the parts of the copy; none where it is too large to keep. Raises `Fault`."""
        if not self._keeps:
            return
        try:
            self._spool.seek(0)
            while body := self._spool.read(ORIGINAL_PART_BYTES):
                yield body
        except OSError as error:
            raise Fault(f"the copy of the original cannot be read: {error.strerror}") from error


def _newest(node: Node, record: Imported) -> Imported | None:
    with node.store.read() as unit:
        data = unit.documents.get(IMPORTS, _key(record))
    return None if data is None else msgspec.json.decode(data, type=Imported)


def _is_the_same(unit: Unit, at: int, body: bytes) -> bool:
    """Say whether a part is held and has this body: it may have been erased, or cut to another size."""
    log_id, index = place(at)
    if not unit.entries.is_held(log_id, index):
        return False
    return unit.entries.read(log_id, index, index + 1)[0].body == body


def _positions(record: Imported | None) -> list[int]:
    return [] if record is None else [at for first, count in record.parts for at in range(first, first + count)]


def _runs(places: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return positions as (first, count)."""
    if not places:
        return ()
    breaks = [0, *(n for n, (a, b) in enumerate(pairwise(places), 1) if b != a + 1), len(places)]
    return tuple((places[start], end - start) for start, end in pairwise(breaks))


def _part_header(node: Node, record: Imported) -> bytes:
    return statement.encode_header(
        Header(
            v=1,
            kind=ORIGINAL_KIND,
            office=OfficeId(record.office),
            accord=0,
            at=node.now(),
            media=ORIGINAL_MEDIA,
            source=record.source,
        )
    )


def _key(record: Imported) -> str:
    return f"{record.office}/{record.source}/{record.digest}"
