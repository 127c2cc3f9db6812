"""The messages of a serving node: every neighbour is told what happens, in a thread of its own, in nobody's way."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError
from comity.node import delivering, neighbours
from comity.node.delivering import Delivered
from comity.node.neighbours import Neighbour

COURIERS: Final = 8  # neighbours waited for at once; the work itself is done in turns
CONDITION_SECONDS: Final = 15.0  # between two looks at sources, deadlines and the inbox
AMISS_SECONDS: Final = 60.0  # until a neighbour is looked after again of whom not even the outcome could be kept


class Couriers:
    """Rounds under way, one at most for each neighbour."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._pool = ThreadPoolExecutor(COURIERS, "courier")
        self._under_way: dict[str, tuple[Neighbour, Future[Delivered]]] = {}
        self._conditions: dict[str, float] = {}  # when sources, deadlines and the inbox are looked at next
        self._amiss: dict[str, float] = {}  # not before this time on the monotonic clock

    def attend(self) -> None:
        """Take the outcomes of rounds that have ended, and begin one for every neighbour that has none."""
        for name, (one, future) in list(self._under_way.items()):
            if future.done():
                del self._under_way[name]
                self._ended(name, one, future)
        node = self._machine.services.node
        if not node.signs or self._machine.stop.is_set():
            return
        now = time.monotonic()
        with self._machine.turns.mine(), node.store.read() as unit:
            for one in neighbours.every(unit):
                name = neighbours.key(one)
                if not one.enabled or name in self._under_way or now < self._amiss.get(name, 0.0):
                    continue
                conditions = now >= self._conditions.get(name, 0.0)
                if conditions or delivering.is_due(self._machine.services, unit, one):
                    self._conditions[name] = now + CONDITION_SECONDS if conditions else self._conditions[name]
                    self._under_way[name] = one, self._pool.submit(self._round, one, conditions)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _round(self, one: Neighbour, conditions: bool) -> Delivered:
        with self._machine.turns.mine():
            return self._machine.told(one, conditions=conditions)

    def _ended(self, name: str, one: Neighbour, future: Future[Delivered]) -> None:
        words = {"neighbour": one.name, "office": one.office}
        error = future.exception()
        if error is not None:
            # A fault of the program too: what a stranger answers may not stop a node that serves.
            what = error.says() if isinstance(error, ComityError) else f"a fault of this program: {error!r}"
            self._amiss[name] = time.monotonic() + AMISS_SECONDS
            self._log.error("telling amiss", **words, what=what)
            return
        done = future.result()
        if done.failed:
            self._log.warning("telling failed", **words, sent=done.sent, given_up=done.dead, why=done.error)
        elif done.sent:
            self._log.info("told", **words, sent=done.sent)
