"""Polling a source: what is fetched is kept part by part, and where the fetch stands is written after it.

Rules: how a source is fetched is a port (`Fetching`); here stands what is kept. The cursor is written after what came
before it is durable, never earlier, so that a cut loses nothing and costs what came since. A poll that fails is an
outcome too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import msgspec

from comity.canon import Instant
from comity.errors import ComityError
from comity.formats.convert import Losses
from comity.formats.stix.report import Refusal, Report, bounded
from comity.formats.stix.split import Piece, split
from comity.limits import SOURCE_FAULTS_MAX
from comity.node import importing, ingest
from comity.node.actor import Actor
from comity.node.importing import Readers
from comity.node.ingest import SOURCES, Ingested, Source
from comity.node.node import Node
from comity.node.services import Services
from comity.node.sources import CURSORS, FORMS, HEALTH, STIX, Counts, Health, Kind, asks, health_of, key, wait

CURSOR_SMALL: Final = 65_536  # bytes of a cursor that is written after every part
PARTS_BETWEEN: Final = 64  # parts between two writes of a larger one
HEAD_BYTES: Final = 65_536  # bytes of an input by which its format is recognised


class Busy(Exception):
    """The cause of an error: the far side asks to be left alone for a time."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"it asks to be left alone for {seconds} s")
        self.seconds = seconds


def asked(error: ComityError | None) -> int:
    """Return for how many seconds the far side asked to be left alone; 0 where it did not."""
    cause = error.__cause__ if error is not None else None
    return cause.seconds if isinstance(cause, Busy) else 0


@dataclass(slots=True)
class Part:
    """A run of what is fetched that is kept together: either `pieces` of STIX or `chunks` for a reader.

    `settle` is called once all of it is durable, with whether anything of it was of use, and returns the cursor.
    `known` counts what was left out of `pieces` because the cursor knew it.
    """

    name: str
    settle: Callable[[bool], bytes]
    pieces: Iterator[Piece | Refusal] | None = None
    chunks: Iterator[bytes] | None = None
    known: int = 0


@dataclass(slots=True)
class Faults:
    """What is wrong with a far side without ending the poll, each thing once, the first ones named."""

    named: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Name a fault while there is room."""
        if what not in self.named and len(self.named) < SOURCE_FAULTS_MAX:
            self.named.append(bounded(what))


class Fetching(Protocol):
    """The way to one source."""

    @property
    def faults(self) -> Faults:
        """Return what was found wrong so far."""

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Yield what is new since a cursor, part by part; each is read to its end and settled before the next.

        Raises `ComityError` for what ends the poll; what was settled before stands.
        """


@dataclass(slots=True)
class Polled:
    """What one poll did, or with `dry` would do."""

    counts: Counts
    health: Health
    report: Report = field(default_factory=Report)
    losses: Losses = field(default_factory=Losses)
    unmarked: int = 0
    dry: bool = False
    error: ComityError | None = None  # what ended the poll


def poll(
    services: Services,
    actor: Actor,
    source: Source,
    fetching: Fetching,
    readers: Readers,
    *,
    jitter: float = 0.0,
    dry: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Polled:
    """Fetch what is new and keep it; raises nothing that is the source's or the network's fault.

    `jitter`, from 0 up to 1, spreads the next poll. With `dry` nothing is written.
    """
    node = services.node
    began = node.now()
    with node.store.read() as unit:
        before = health_of(unit, source)
        cursor = unit.documents.get(CURSORS, key(source)) or b""
    polled = Polled(Counts(), before, dry=dry)
    taking = _Taking(services, actor, source, readers, polled, progress)
    error: ComityError | None = None
    written = cursor
    try:
        with closing(fetching.parts(cursor)) as parts:
            for number, part in enumerate(parts):
                useful = taking.take(part)
                if not useful:
                    fetching.faults.add(f"nothing of {part.name} could be used: is it of another format?")
                cursor = part.settle(useful)
                now = len(cursor) <= CURSOR_SMALL or number % PARTS_BETWEEN == PARTS_BETWEEN - 1
                if now and cursor != written and not dry:
                    _write(node, source, CURSORS, cursor)
                    written = cursor
    except ComityError as raised:
        error = raised
    polled.error = error
    polled.health = _health(before, source, polled, error, fetching.faults, began, node.now(), jitter)
    if not dry:
        if cursor != written:
            _write(node, source, CURSORS, cursor)
        _write(node, source, HEALTH, msgspec.json.encode(polled.health))
    return polled


def _write(node: Node, source: Source, shelf: str, value: bytes) -> None:
    """Write where a source stands, unless it was removed or is asked for something else since."""
    with node.store.write() as unit:
        data = unit.documents.get(SOURCES, key(source))
        if data is not None and asks(msgspec.json.decode(data, type=Source)) == asks(source):
            unit.documents.put(shelf, key(source), value)


def _health(
    before: Health,
    source: Source,
    polled: Polled,
    error: ComityError | None,
    faults: Faults,
    began: Instant,
    ended: Instant,
    jitter: float,
) -> Health:
    failures = before.failures + 1 if error is not None else 0
    return Health(
        attempt=began,
        success=before.success if error is not None else ended,
        due=ended + wait(source.every, failures, jitter, asked(error)),
        failures=failures,
        error=bounded(f"{error} → {error.hint}" if error.hint else str(error)) if error is not None else "",
        whose=error.whose if error is not None else "",
        faults=tuple(faults.named),
        last=polled.counts,
        total=before.total + polled.counts,
    )


class _Head(NamedTuple):
    form: str
    chunks: Iterator[bytes]


class _Taking:
    """Keeps what a poll brings, part by part, and adds up what became of it."""

    def __init__(
        self,
        services: Services,
        actor: Actor,
        source: Source,
        readers: Readers,
        polled: Polled,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._services = services
        self._actor = actor
        self._source = source
        self._readers = readers
        self._polled = polled
        self._progress = progress

    def take(self, part: Part) -> bool:
        """Keep a part whole; return whether anything of it was of use, or nothing was wrong with it."""
        done = Ingested(dry=self._polled.dry)
        try:
            self._keep(part, done)
        finally:
            self._add(part, done)
        return bool(done.kept or done.known or part.known) or not (done.report.refused or done.losses.counts)

    def _keep(self, part: Part, done: Ingested) -> None:
        node, check = self._services.node, self._services.check
        form = self._source.form or FORMS[Kind(self._source.kind)]
        if part.pieces is not None and form == STIX:
            ingest.keep(node, self._actor, self._source, part.pieces, self._progress, check, done)
            return
        chunks = part.chunks if part.chunks is not None else _joined(part.pieces or (), done)
        if not form:
            form, chunks = self._recognised(chunks, part.name)
        if form == STIX:
            ingest.keep(node, self._actor, self._source, split(chunks), self._progress, check, done)
            return
        what = importing.Import(part.name, form, self._readers.reader(form), chunks)
        importing.bring_in(node, self._actor, self._source, what, done, progress=self._progress, check=check)

    def _recognised(self, chunks: Iterator[bytes], name: str) -> _Head:
        head = b""
        while len(head) < HEAD_BYTES and (chunk := next(chunks, b"")):
            head += chunk
        return _Head(self._readers.recognise(head, name), _led(head, chunks))

    def _add(self, part: Part, done: Ingested) -> None:
        polled = self._polled
        refused, lost = done.report.refused, done.losses.counts.total()
        known = done.known + part.known
        polled.counts += Counts(done.read + part.known, done.kept, known, refused, lost)
        polled.unmarked += done.unmarked
        polled.report.refused += refused
        polled.report.by_rule.update(done.report.by_rule)
        polled.report.notes.update(done.report.notes)
        polled.report.shown += done.report.shown[: SOURCE_FAULTS_MAX - len(polled.report.shown)]
        polled.losses.counts.update(done.losses.counts)
        polled.losses.shown += done.losses.shown[: SOURCE_FAULTS_MAX - len(polled.losses.shown)]


def _led(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _joined(pieces: Iterable[Piece | Refusal], done: Ingested) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Refusal):
            done.refuse(piece)
        else:
            yield piece.data + b"\n"
