"""A node: one party's store, keys and clock, and the unit of work through which everything is written.

Rules: nothing is signed that is not durable; nothing is written but in a `Work`. After a commit the grown
logs are signed; were the machine to stop between the two, `settle` signs the same trees at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from comity import acts, party, statement
from comity.acts import AnyAct
from comity.canon import Instant, Origin, PartyId
from comity.errors import ComityError, Conflict, Fault, Malformed, NotFound
from comity.limits import ACTS_KEPT_BYTES
from comity.node.ports import Clock, Entropy, Log, LogState, Signer, Store, Unit, place
from comity.party import SignedCard
from comity.statement import Header
from comity.tlog.checkpoint import Checkpoint

HEADERS_KEPT: Final = 16_384  # decoded headers in memory: a few hundred bytes each
FROZEN: Final = LogState.FROZEN
CARDS: Final = "card"  # party -> the signed card in force
HISTORY: Final = "card-history"  # party/serial -> every card that was ever in force
SETTINGS: Final = "setting"


@dataclass(eq=False, slots=True)
class Node:
    """One party's node. `signs` is False while a restored store awaits its peers' answer."""

    me: PartyId
    store: Store
    signer: Signer
    clock: Clock
    entropy: Entropy
    signs: bool = True
    why_not: str = ""
    epoch: int = 0  # grows with every change to accords, cards or registers: what was derived is derived again
    standings: int = 0  # grows with every act about statements
    filled: int = 0  # grows with every payload that came later than its leaf
    checked: set[tuple[bytes, bytes, tuple[bytes, ...]]] = field(default_factory=set)  # checkpoints, by `witness`
    _headers: dict[bytes, Header] = field(default_factory=dict)
    _cards: dict[str, SignedCard] = field(default_factory=dict)
    _cards_epoch: int = -1
    cards: int = 0  # grows with every card put in force
    _acts: dict[int, tuple[AnyAct, Instant]] = field(default_factory=dict)
    _acts_bytes: int = 0

    def now(self) -> Instant:
        """Return the time by this node's clock."""
        return self.clock()

    def header(self, data: bytes) -> Header:
        """Return a header, decoded once per distinct bytes. Raises `Malformed`."""
        header = self._headers.get(data)
        if header is None:
            if len(self._headers) >= HEADERS_KEPT:
                self._headers.clear()
            header = self._headers[data] = statement.decode_header(data)
        return header

    def card(self, unit: Unit, name: str) -> SignedCard:
        """Return the card held of a party. Raises `NotFound`."""
        if self._cards_epoch != self.cards:
            self._cards.clear()
            self._cards_epoch = self.cards
        card = self._cards.get(name)
        if card is None:
            data = unit.documents.get(CARDS, name)
            if data is None:
                raise NotFound(
                    f"no card of {name} is held", hint=f"ask {name} for its card, then `comity party import`"
                )
            card = self._cards[name] = party.parse_card(data)
        return card

    def act(self, unit: Unit, where: int) -> tuple[AnyAct, Instant]:
        """Return the act at a position and its author's time, read once. Raises `Malformed` without its bytes."""
        known = self._acts.get(where)
        if known is None:
            log_id, index = place(where)
            (entry,) = unit.entries.read(log_id, index, index + 1)
            if entry.header is None or entry.body is None:
                raise Malformed(f"the act at {where} has lost its bytes")
            header = self.header(entry.header)
            self._acts_bytes += len(entry.body)
            if len(self._acts) >= HEADERS_KEPT or self._acts_bytes > ACTS_KEPT_BYTES:
                self._acts.clear()
                self._acts_bytes = len(entry.body)
            known = self._acts[where] = acts.decode(entry.body, header.kind), header.at
        return known

    def require_signing(self) -> None:
        """Refuse to write while this node may not sign. Raises `Fault`."""
        if not self.signs:
            raise Fault(f"this node reads but does not sign: {self.why_not}", hint="see `comity doctor`")

    @contextmanager
    def writing(self, *, sign: bool = True) -> Iterator[Unit]:
        """Begin a unit of work; after it is durable, sign every own log that grew in it.

        `sign=False` leaves that to the next `settle`, for records that nobody waits for.
        """
        try:
            with self.store.write() as unit:
                yield unit
        except BaseException:
            self.epoch += 1  # what was derived inside, of what is undone now, is derived again
            self.standings += 1
            self.cards += 1
            self._acts.clear()
            raise
        if sign:
            self.settle()

    def settle(self) -> None:
        """Sign the tree of every own log that grew since its last checkpoint.

        The tree was durable before; Ed25519 is deterministic, so signing it twice gives the same bytes.
        """
        if not self.signs:
            return
        with self.store.read() as unit:
            grown = unit.logs.unsigned()
        if not grown:
            return
        notes = [(log, self._note(log)) for log in grown]
        with self.store.write() as unit:
            for log, note in notes:
                unit.logs.sign(log.id, log.size, note)

    def sign_anew(self) -> None:
        """Sign the same trees with the keys now at hand: after a rotation, peers know only the new key."""
        with self.store.read() as unit:
            own = [log for log in unit.logs.all() if log.own and log.size and log.state is not FROZEN]
        with self.store.write() as unit:
            for log in own:
                unit.logs.sign(log.id, log.size, self._note(log))

    def _note(self, log: Log) -> bytes:
        return self.signer.checkpoint(log.origin, Checkpoint(log.origin, log.size, log.root).text())


def own_log(unit: Unit, me: PartyId, origin: Origin) -> Log:
    """Return this party's log of that origin, opened if need be. Raises `Conflict` where it no longer grows."""
    log = unit.logs.find(origin) or unit.logs.open(origin, me, own=True)
    if log.state is not LogState.OPEN:
        raise Conflict(f"{origin} is {log.state}", hint="begin its next generation with `comity log renew`")
    return log


def generation(unit: Unit, me: PartyId, stem: str) -> int:
    """Return the newest generation of one of this party's logs; 1 before the first."""
    newest = 1
    for log in unit.logs.all():
        head, _, tail = log.origin.rpartition("/")
        if log.own and head == f"{me}/{stem}":
            newest = max(newest, int(tail))
    return newest


def note(error: ComityError) -> str:
    """Return what the quarantine keeps of an error."""
    return f"{error} → {error.hint}" if error.hint else str(error)
