"""Taking turns at one node: its services share memory, so that one command, answer or pull works at a time.

Rules: first come, first served, which a plain lock does not promise; nobody waits for a network while it
is their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Final, TypeVar

from comity.errors import Unreachable
from comity.formats.telling.message import Message
from comity.node import tickets
from comity.node.delivering import Way
from comity.node.neighbours import Neighbour
from comity.node.node import Node
from comity.node.polling import Faults, Fetching, Part
from comity.node.ports import Wire
from comity.node.sidecars import Answer as Said
from comity.node.sidecars import Listing, Member, Misp
from comity.node.tickets import Ticket
from comity.sync import Answer, AnyRequest

T = TypeVar("T")

PIECES_AT_ONCE: Final = 256  # objects of a source read on before one's turn is taken back


class Turns:
    """A fair lock that can be passed on and taken back."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = 0
        self._now = 0

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Wait for a turn, and end it on leaving."""
        self._take()
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def mine_at_once(self) -> Iterator[bool]:
        """Take a turn if nobody has one, and say whether: never waits."""
        with self._changed:
            free = self._now == self._next
            self._next += free
        try:
            yield free
        finally:
            if free:
                self._end()

    @contextmanager
    def others(self) -> Iterator[None]:
        """Let others have their turn inside one's own; take it back on leaving."""
        self._end()
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        with self._changed:
            ticket = self._next
            self._next += 1
            self._changed.wait_for(lambda: self._now == ticket)

    def _end(self) -> None:
        with self._changed:
            self._now += 1
            self._changed.notify_all()


class PoliteWire:
    """A way to a peer on which nobody's turn is kept while waiting for the answer."""

    def __init__(self, wire: Wire, turns: Turns) -> None:
        self._wire = wire
        self._turns = turns

    def ask(self, request: AnyRequest) -> Answer:
        """Ask while others have their turn."""
        with self._turns.others():
            return self._wire.ask(request)


class PoliteWay:
    """A way to a neighbour on which nobody's turn is kept while it is waited for."""

    def __init__(self, make: Callable[[], Way], turns: Turns) -> None:
        self._make = make
        self._turns = turns
        self._way: Way | None = None

    def send(self, message: Message) -> str:
        """Send while others have their turn. Raises what making the way does, too."""
        if self._way is None:
            self._way = self._make()
        with self._turns.others():
            return self._way.send(message)

    def reach(self) -> str:
        """Try while others have their turn."""
        if self._way is None:
            self._way = self._make()
        with self._turns.others():
            return self._way.reach()


class KeptTickets:
    """The tickets of a neighbour, for a way that is used outside one's turn."""

    def __init__(self, node: Node, one: Neighbour, turns: Turns) -> None:
        self._node = node
        self._one = one
        self._turns = turns

    def get(self, subject: str) -> Ticket | None:
        """Return the ticket of a subject, or None."""
        with self._turns.mine(), self._node.store.read() as unit:
            return tickets.get(unit, self._one, subject)

    def put(self, ticket: Ticket) -> None:
        """Keep a ticket, durably."""
        with self._turns.mine(), self._node.store.write() as unit:
            tickets.put(unit, self._one, ticket)


class PoliteFetching:
    """A way to a source on which nobody's turn is kept while waiting for the network, and which ends with the node."""

    def __init__(self, make: Callable[[], Fetching], turns: Turns, stop: threading.Event) -> None:
        self._make = make
        self._turns = turns
        self._stop = stop
        self.faults = Faults()

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Fetch while others have their turn. Raises what making the way and fetching do."""
        fetching = self._make()
        self.faults = fetching.faults
        with closing(fetching.parts(cursor)) as parts:
            while True:
                self._go_on()
                with self._turns.others():
                    part = next(parts, None)
                if part is None:
                    return
                if part.pieces is not None:
                    part.pieces = self._outside(part.pieces, PIECES_AT_ONCE)
                if part.chunks is not None:
                    part.chunks = self._outside(part.chunks, 1)
                yield part

    def _outside(self, things: Iterator[T], count: int) -> Iterator[T]:
        while True:
            self._go_on()
            with self._turns.others():
                group = list(islice(things, count))
            if not group:
                return
            yield from group

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Unreachable("this node is stopping", hint="the next poll goes on from here")


class PoliteMisp:
    """A way to a MISP on which nobody's turn is kept while waiting for an answer, and which ends with the node."""

    def __init__(self, make: Callable[[], Misp], turns: Turns, stop: threading.Event) -> None:
        self._make = make
        self._made: Misp | None = None
        self._turns = turns
        self._stop = stop

    def index(self, tags: Sequence[str], group: str, before: Listing) -> Listing | None:
        """Ask while others have their turn."""
        with self._others() as misp:
            return misp.index(tags, group, before)

    def events(self, uuids: Sequence[str]) -> Mapping[str, bytes]:
        """Ask while others have their turn."""
        with self._others() as misp:
            return misp.events(uuids)

    def group(self, uuid: str) -> str:
        """Ask while others have their turn."""
        with self._others() as misp:
            return misp.group(uuid)

    def me(self) -> Member:
        """Ask while others have their turn."""
        with self._others() as misp:
            return misp.me()

    def add(self, data: bytes) -> Said:
        """Send while others have their turn."""
        with self._others() as misp:
            return misp.add(data)

    def edit(self, uuid: str, data: bytes) -> Said:
        """Send while others have their turn."""
        with self._others() as misp:
            return misp.edit(uuid, data)

    def delete(self, uuid: str) -> Said:
        """Send while others have their turn."""
        with self._others() as misp:
            return misp.delete(uuid)

    def drop(self, part: str) -> Said:
        """Send while others have their turn."""
        with self._others() as misp:
            return misp.drop(part)

    def mark(self, part: str, tag: str, comment: str) -> Said:
        """Send while others have their turn."""
        with self._others() as misp:
            return misp.mark(part, tag, comment)

    @contextmanager
    def _others(self) -> Iterator[Misp]:
        """Give the way, made when it is first needed: that its key is not there is an outcome of the round."""
        if self._stop.is_set():
            raise Unreachable("this node is stopping", hint="the next round goes on from here")
        self._made = self._made or self._make()
        with self._turns.others():
            yield self._made
