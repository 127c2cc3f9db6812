"""Taking turns at one node: its services share memory, so that one command, answer or pull works at a time.

Rules: first come, first served, which a plain lock does not promise; nobody waits for a network while it
is their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from comity.node.ports import Wire
from comity.sync import Answer, AnyRequest


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
