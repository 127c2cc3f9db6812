"""The polls of a serving node: every source when it is due, each in a thread of its own, none in another's way."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError
from comity.node import sources
from comity.node.ingest import Source
from comity.node.polling import Polled

POLLERS: Final = 16  # sources waited for at once; the work itself is done in turns
AMISS_SECONDS: Final = 60.0  # until a poll is tried again of which not even the outcome could be kept


class Polls:
    """Polls under way."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._pool = ThreadPoolExecutor(POLLERS, "poll")
        self._under_way: dict[str, tuple[Source, Future[Polled]]] = {}
        self._amiss: dict[str, float] = {}  # not before this time on the monotonic clock

    def attend(self) -> None:
        """Take the outcomes of polls that have ended, and begin those that are due."""
        for name, (source, future) in list(self._under_way.items()):
            if future.done():
                del self._under_way[name]
                self._ended(name, source, future)
        node = self._machine.services.node
        if not node.signs:
            return
        with self._machine.turns.mine():
            due = sources.due(node, node.now())
        for source in due:
            name = sources.key(source)
            if name not in self._under_way and time.monotonic() >= self._amiss.get(name, 0.0):
                self._under_way[name] = source, self._pool.submit(self._poll, source)

    def close(self) -> None:
        """Wait for what is under way; the machine's `stop` cuts it short."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _poll(self, source: Source) -> Polled:
        with self._machine.turns.mine():
            actor = sources.actor_for(self._machine.services.node, source)
            return self._machine.poll(actor, source)

    def _ended(self, name: str, source: Source, future: Future[Polled]) -> None:
        error = future.exception()
        if error is not None:
            # A fault of the program too: what a stranger sends may not stop a node that serves.
            what = error.says() if isinstance(error, ComityError) else f"a fault of this program: {error!r}"
            self._amiss[name] = time.monotonic() + AMISS_SECONDS
            self._log.error("poll amiss", source=source.name, office=source.office, what=what)
            return
        polled = future.result()
        health, counts = polled.health, polled.counts
        words = {"source": source.name, "office": source.office, "read": counts.read, "kept": counts.kept}
        if health.error:
            again = max(0, health.due - self._machine.services.node.now())
            self._log.warning("poll failed", **words, why=f"{health.whose}: {health.error}", again_in=again)
        elif counts.read or counts.lost or health.faults:
            self._log.info("polled", **words, refused=counts.refused, lost=counts.lost, faults=list(health.faults))
