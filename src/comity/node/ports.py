"""The ports of a node: what it needs of a store, in its own words.

Rules: a `Unit` is one unit of work; log, index and decision in it commit together or not at all,
and when `Store.write()` exits without an error everything is durable (power may go). Reads inside
one `Store.read()` see one moment. One writer at a time; any number of readers. Stores compress and
intern as they like; what they return is byte for byte what they were given.

A *position* is an entry's place in this node's store: `log_id << 40 | index`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, Protocol

from comity.canon import Instant, Origin, PartyId
from comity.sync import Answer, AnyRequest
from comity.tlog.note import Signature
from comity.view import Value as Value
from comity.view import View as View
from comity.view import ViewKind as ViewKind
from comity.vocab import Held

POSITION_BITS: Final = 40
HELD_CODES: Final[tuple[Held, ...]] = (Held.PAYLOAD, Held.SEALED, Held.WITHHELD, Held.ERASED)


def position(log_id: int, index: int) -> int:
    """Return the position of an entry in this node's store."""
    return log_id << POSITION_BITS | index


def place(position: int) -> tuple[int, int]:
    """Split a position into log id and index."""
    return position >> POSITION_BITS, position & ((1 << POSITION_BITS) - 1)


class LogState(StrEnum):
    """Whether a generation of a log still grows."""

    OPEN = "open"
    CLOSED = "closed"  # followed by the next generation
    FROZEN = "frozen"  # a fork certificate exists: nothing more of it is believed


@dataclass(frozen=True, slots=True)
class Log:
    """One generation of one party's log as this node has it.

    `size`, `root` and `frontier` are durable before anything is signed over them; `note` is the newest
    signed checkpoint (author's signature and known cosignatures), over `signed` leaves.
    """

    id: int
    origin: Origin
    party: PartyId
    own: bool
    state: LogState
    size: int
    root: bytes
    frontier: bytes
    signed: int
    note: bytes


class NewEntry(NamedTuple):
    """An entry to append: `body` is bytes, or the position of an entry whose body it shares, or None (not held)."""

    commitment: bytes  # 32 bytes
    held: Held
    header: bytes | None
    salt: bytes | None  # 16 bytes
    body: bytes | int | None


class Entry(NamedTuple):
    """An entry as held. Header, salt and body are None unless `held` is PAYLOAD."""

    position: int
    held: Held
    commitment: bytes
    header: bytes | None
    salt: bytes | None
    body: bytes | None
    standing: bytes  # canonical JSON of `acts.Standing`; b"{}" while no act bears on it


class Brief(NamedTuple):
    """An entry without its bytes: enough to group by class and to walk."""

    position: int
    held: Held
    header_id: int
    standing_id: int


class Logs(Protocol):
    """The logs this node writes or follows."""

    def find(self, origin: Origin) -> Log | None:
        """Return the log of that origin, or None."""

    def get(self, log_id: int) -> Log:
        """Return the log of that id. Raises `NotFound`."""

    def all(self) -> Sequence[Log]:
        """Return every log, in order of origin."""

    def unsigned(self) -> Sequence[Log]:
        """Return the own logs that grew since their last checkpoint, frozen ones left out."""

    def open(self, origin: Origin, party: PartyId, *, own: bool) -> Log:
        """Create an empty log, or return the one that exists."""

    def advance(self, log_id: int, was: int, size: int, root: bytes, frontier: bytes) -> None:
        """Compare-and-swap the tree: from exactly `was` leaves to `size`. Raises `Conflict`."""

    def sign(self, log_id: int, size: int, note: bytes) -> None:
        """Keep a signed checkpoint; never one smaller than the kept one (`Conflict`)."""

    def set_state(self, log_id: int, state: LogState) -> None:
        """Close or freeze a generation; an OPEN one only moves forward."""


class Entries(Protocol):
    """The entries of all logs: commitments forever, payloads while held."""

    def append(self, log_id: int, start: int, entries: Sequence[NewEntry]) -> None:
        """Write entries from index `start`, which must equal the number of commitments held (`Conflict`)."""

    def fill(self, log_id: int, index: int, entry: NewEntry) -> None:
        """Write the payload of one index: held ahead of its turn, or released later than its leaf.

        The commitment must equal the one held, where there is one (`Conflict`). Never revives an erased one.
        """

    def read(self, log_id: int, start: int, end: int) -> Sequence[Entry]:
        """Return the entries of a run, in order, with bytes."""

    def brief(self, log_id: int, start: int, end: int) -> Sequence[Brief]:
        """Return the entries of a run without bytes."""

    def is_held(self, log_id: int, index: int) -> bool:
        """Say whether the payload of an index is held, also ahead of its turn."""

    def held_runs(self, log_id: int, start: int, end: int) -> Sequence[tuple[int, int, Held]]:
        """Return what is held of a run as ascending (start, end, held), without gaps."""

    def classes(self, log_id: int, start: int, end: int, *, acted: bool = False) -> Sequence[tuple[int, int]]:
        """Return the distinct (header_id, standing_id) of the held payloads in a run.

        `acted`: only of those that an act bears on, which are found without looking at the others.
        """

    def released(self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]]) -> Iterator[Entry]:
        """Return a run's entries, in SQL: bytes where (header_id, standing_id) is allowed, else WITHHELD."""

    def bodies(
        self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]], having: View
    ) -> list[tuple[int, bytes]]:
        """Return (position, bytes) of a run, in SQL: what is held, of the classes allowed, and has a row in a view."""

    def header(self, header_id: int) -> bytes:
        """Return the bytes of an interned header."""

    def standing(self, standing_id: int) -> bytes:
        """Return the canonical bytes of an interned standing."""

    def set_standing(self, log_id: int, start: int, end: int, standing: bytes) -> None:
        """Set what the author's acts add up to for a run."""

    def erase(self, log_id: int, start: int, end: int) -> int:
        """Drop salts and bytes of a run, and bodies nothing else shares; return how many were held."""

    def commitments(self, log_id: int, start: int, end: int) -> bytes:
        """Return the commitments of a run, 32 bytes each."""

    def block_roots(self, log_id: int, start: int, end: int) -> bytes:
        """Return the roots of whole 256-leaf blocks `start` up to `end`, 32 bytes each, written by `append`."""


class Views(Protocol):
    """What statements add up to: always rebuilt from the logs."""

    def put(self, view: View, rows: Sequence[tuple[Value, ...]], *, first: bool = False) -> None:
        """Insert rows (position first); a row that is there already is no error.

        `first` promises that none of them is there, nor was put before: it need not be looked for.
        """

    def arrange(self, view: View) -> None:
        """Put what bulk writing set aside where look-ups find it soonest: rows are the same before and after."""

    def delete(self, view: View, rows: Sequence[tuple[Value, ...]]) -> None:
        """Delete exactly these rows, found by their key."""

    def drop(self, view: View, first: int, last: int) -> None:
        """Delete the rows of positions `first` to `last` inclusive; slow for a clustered view."""

    def clear(self, view: View) -> None:
        """Delete every row."""

    def find(
        self, view: View, where: Mapping[str, Value], *, limit: int, after: int = -1
    ) -> Sequence[tuple[Value, ...]]:
        """Return rows equal on the named columns, by ascending position after `after`."""

    def find_many(self, view: View, column: str, values: Sequence[Value]) -> Sequence[tuple[Value, ...]]:
        """Return the rows whose `column` is any of `values`, at hundreds of thousands a second."""

    def differing(self, view: View, column: str, keys: Sequence[Value]) -> Sequence[Value]:
        """Return which of `keys` have rows that differ in an integer `column`, by the view's first clustered column."""

    def repeated(self, view: View) -> Sequence[tuple[Value, ...]]:
        """Return the rows of a view clustered by one column whose key another row has, too, in no order."""

    def repeated_keys(self, view: View, *, most: int) -> Sequence[Value] | None:
        """Return those keys alone, found in one pass; None where they are more than `most`."""

    def scan(self, view: View, first: int, last: int, *, limit: int) -> Sequence[tuple[Value, ...]]:
        """Return the rows of positions `first` to `last` inclusive, ascending."""

    def count(self, view: View) -> int:
        """Return the number of rows."""

    def is_empty(self, view: View) -> bool:
        """Say whether there is no row; in no more time the more rows there are."""


Sight = tuple[Any, ...]
"""One answer of the look-up hot path: (key, position, header id, standing id, and the view's other columns)."""


class Lookups(Protocol):
    """The look-up hot path, over a view that is `with_header`: keys to held payloads and their class in one step."""

    def one(self, view: View, key: bytes) -> Sequence[Sight]:
        """Return the row of every entry that has this key and whose payload is held."""

    def many(self, view: View, keys: Sequence[bytes]) -> Sequence[Sight]:
        """Return the rows for any of `keys`, in no order."""


class Texts(Protocol):
    """Which words are in which entry; words come from `formats.words`."""

    def put(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Index the words of entries, by position; what is indexed already stays as it is."""

    def delete(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Take entries out, each with the words it was indexed with; what is not indexed is no error."""

    def clear(self) -> None:
        """Take everything out."""

    def find(self, asked: Sequence[str], *, before: int, limit: int) -> Sequence[int]:
        """Return the positions, the highest first, of entries below `before` that have every word asked for.

        A word that ends in * stands for all that begin so. Nothing asked, nothing found.
        """

    def count(self) -> int:
        """Return how many entries are indexed."""


class Spans(Protocol):
    """Acts about statements, by the run they are about."""

    def add(self, origin: Origin, start: int, end: int, act: int) -> None:
        """Record that the act at position `act` is about a run of `origin`."""

    def about(self, origin: Origin, start: int, end: int) -> Sequence[tuple[int, int, int]]:
        """Return (start, end, act position) of every act overlapping a run."""

    def clear(self) -> None:
        """Delete all: they are folded again from the logs."""


class Documents(Protocol):
    """Signed documents and small records by (shelf, key): cards, accord texts, signatures, settings."""

    def put(self, shelf: str, key: str, value: bytes) -> None:
        """Write or replace a record."""

    def get(self, shelf: str, key: str) -> bytes | None:
        """Return a record, or None."""

    def all(self, shelf: str, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        """Return the records of a shelf whose key starts with `prefix`, in order of key."""

    def delete(self, shelf: str, key: str) -> None:
        """Delete a record if it is there."""


class Quarantine(Protocol):
    """What was refused on arrival, kept as evidence with its reason."""

    def add(self, at: Instant, source: str, code: str, reason: str, evidence: bytes) -> None:
        """Keep one refused item; beyond QUARANTINE_ROWS_MAX the oldest goes and is counted."""

    def all(self, *, limit: int) -> Sequence[tuple[int, Instant, str, str, str, bytes]]:
        """Return (number, at, source, code, reason, evidence), newest first."""

    def count(self) -> int:
        """Return how many were ever refused."""


class Unit(Protocol):
    """One unit of work."""

    def version(self) -> int:
        """Return a number that is another one after every commit of anybody's, as this reader sees it."""

    @property
    def logs(self) -> Logs: ...  # noqa: D102
    @property
    def entries(self) -> Entries: ...  # noqa: D102
    @property
    def views(self) -> Views: ...  # noqa: D102
    @property
    def lookups(self) -> Lookups: ...  # noqa: D102
    @property
    def texts(self) -> Texts: ...  # noqa: D102
    @property
    def spans(self) -> Spans: ...  # noqa: D102
    @property
    def documents(self) -> Documents: ...  # noqa: D102
    @property
    def quarantine(self) -> Quarantine: ...  # noqa: D102


class Store(Protocol):
    """The store of one node."""

    def write(self) -> AbstractContextManager[Unit]:
        """Begin a unit of work: committed and durable on exit, undone wholly on any exception."""

    def read(self) -> AbstractContextManager[Unit]:
        """Begin a read of one moment; writing in it is a `Misuse`."""

    def check(self) -> Sequence[str]:
        """Return what is wrong with the store, in words; empty when all is well."""

    def close(self) -> None:
        """Close; later use is a `Misuse`."""


class Wire(Protocol):
    """The way to one peer's node."""

    def ask(self, request: AnyRequest) -> Answer:
        """Ask and wait for the answer. Raises `Unreachable`, or the error the far side answered with."""


class Signer(Protocol):
    """The node's working keys, used and never shown."""

    def checkpoint(self, origin: Origin, text: bytes) -> bytes:
        """Return the signed note of a checkpoint's text, by the log key named `origin`."""

    def cosign(self, text: bytes, at: Instant) -> Signature:
        """Return the cosignature/v1 of this party's witness over a checkpoint's text."""

    def request(self, message: bytes) -> bytes:
        """Return the request key's signature."""


Clock = Callable[[], Instant]
Entropy = Callable[[int], bytes]
Durability = Literal["full", "off"]
