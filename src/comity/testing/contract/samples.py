"""The logs, entries and views that the contract's tests are made of: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final

from comity.canon import Origin, PartyId
from comity.node.ports import Entry, Log, NewEntry, Store, Unit
from comity.tlog import merkle
from comity.tlog.leaf import leaf_hashes_of
from comity.view import View, ViewKind
from comity.vocab import Held

Opener = Callable[[], Store]
"""Opens the same store again, made with `VIEWS`; the one before is closed first."""

ARCADIA: Final = PartyId("cert.arcadia.example")
BOREALIA: Final = PartyId("cert.borealia.example")
ORIGIN: Final = Origin("cert.arcadia.example/accord/three-shores/1")
OTHER: Final = Origin("cert.borealia.example/accord/three-shores/1")

OBJECTS: Final = View(
    "contract_object",
    (("position", ViewKind.INTEGER), ("uuid", ViewKind.BLOB), ("until", ViewKind.INTEGER), ("name", ViewKind.TEXT)),
    by=(("uuid", "until"), ("name",)),
)
VALUES: Final = View("contract_value", (("position", ViewKind.INTEGER), ("key", ViewKind.BLOB)), clustered=("key",))
KEYS: Final = View(
    "contract_key",
    (("position", ViewKind.INTEGER), ("key", ViewKind.BLOB), ("until", ViewKind.INTEGER), ("name", ViewKind.TEXT)),
    clustered=("key",),
    with_header=True,
)
PAIRS: Final = View(
    "contract_pair",
    (
        ("position", ViewKind.INTEGER),
        ("origin", ViewKind.TEXT),
        ("holder", ViewKind.TEXT),
        ("size", ViewKind.INTEGER),
    ),
    clustered=("origin", "holder"),
)
VIEWS: Final = (OBJECTS, VALUES, KEYS, PAIRS)
"""The views a contract store is opened with."""

HEADERS: Final = (b'{"kind":"intel.object"}', b'{"kind":"act.retract"}', b'{"kind":"intel.sighting","at":1}')
RETRACTED: Final = b'{"retracted":true}'


def payload(seed: int, *, body: bytes | int | None = None, header: bytes | None = None) -> NewEntry:
    """Return a held entry, the same for the same seed."""
    chance = random.Random(seed)
    commitment = chance.randbytes(32)  # first, so that `unheld` of this seed has the same
    text = b'{"name":"%b","type":"indicator"}' % chance.randbytes(24).hex().encode()
    return NewEntry(
        commitment,
        Held.PAYLOAD,
        chance.choice(HEADERS) if header is None else header,
        chance.randbytes(16),
        text if body is None else body,
    )


def unheld(seed: int, held: Held = Held.WITHHELD) -> NewEntry:
    """Return an entry of which only the commitment is here."""
    return NewEntry(random.Random(seed).randbytes(32), held, None, None, None)


def expected(at: int, entry: NewEntry, standing: bytes = b"{}") -> Entry:
    """Return what a store should give back for an entry that shares no other's body."""
    body = entry.body if isinstance(entry.body, bytes) else None
    return Entry(at, entry.held, entry.commitment, entry.header, entry.salt, body, standing)


def open_log(unit: Unit, origin: Origin = ORIGIN, *, own: bool = True) -> Log:
    """Open a log of the party its name begins with."""
    return unit.logs.open(origin, PartyId(origin.partition("/")[0]), own=own)


def grown(store: Store, entries: Sequence[NewEntry], origin: Origin = ORIGIN) -> int:
    """Append entries to a log in one unit of work, tree included; return the log's id."""
    with store.write() as unit:
        log = open_log(unit, origin)
        extend(unit, log, entries)
    return log.id


def extend(unit: Unit, log: Log, entries: Sequence[NewEntry]) -> None:
    """Append entries and advance the tree over them."""
    frontier = merkle.Frontier.decode(log.frontier) if log.frontier else merkle.Frontier()
    frontier.extend(leaf_hashes_of(b"".join(entry.commitment for entry in entries)))
    unit.entries.append(log.id, log.size, entries)
    unit.logs.advance(log.id, log.size, frontier.size, frontier.root(), frontier.encode())


class raises:  # noqa: N801  (read as a word: `with raises(Conflict)`)
    """Demand an error of this kind or one below it."""

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Swallow the error demanded, pass on another, complain of none."""
        if kind is None:
            raise AssertionError(f"no {self._kind.__name__} was raised")
        return issubclass(kind, self._kind)
