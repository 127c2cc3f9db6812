"""The side-cars of a serving node: a round of each when it is due, in a thread of its own, none in another's way."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError
from comity.node import sidecars
from comity.node.sidecar_rounds import Result
from comity.node.sidecars import Sidecar

AT_ONCE: Final = 4  # side-cars whose MISP is waited for at once; the work itself is done in turns
AMISS_SECONDS: Final = 60.0  # until a round is tried again of which not even the outcome could be kept


class Sidecars:
    """Rounds under way."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._pool = ThreadPoolExecutor(AT_ONCE, "sidecar")
        self._under_way: dict[str, tuple[Sidecar, Future[Result]]] = {}
        self._amiss: dict[str, float] = {}  # not before this time on the monotonic clock

    def attend(self) -> None:
        """Take the outcomes of rounds that have ended, and begin those that are due."""
        for name, (sidecar, future) in list(self._under_way.items()):
            if future.done():
                del self._under_way[name]
                self._ended(name, sidecar, future)
        node = self._machine.services.node
        if not node.signs:
            return
        with self._machine.turns.mine():
            due = sidecars.due(node, node.now())
        for sidecar in due:
            name = sidecars.key(sidecar)
            if name not in self._under_way and time.monotonic() >= self._amiss.get(name, 0.0):
                self._under_way[name] = sidecar, self._pool.submit(self._round, sidecar)

    def close(self) -> None:
        """Wait for what is under way; the machine's `stop` cuts it short."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _round(self, sidecar: Sidecar) -> Result:
        with self._machine.turns.mine():
            actor = sidecars.actor_for(self._machine.services.node, sidecar)
            return self._machine.sidecar(actor, sidecar)

    def _ended(self, name: str, sidecar: Sidecar, future: Future[Result]) -> None:
        words = {"sidecar": sidecar.name, "office": sidecar.office}
        error = future.exception()
        if error is not None:
            # A fault of the program too: what a stranger sends may not stop a node that serves.
            what = error.says() if isinstance(error, ComityError) else f"a fault of this program: {error!r}"
            self._amiss[name] = time.monotonic() + AMISS_SECONDS
            self._log.error("side-car amiss", **words, what=what)
            return
        health = future.result().health
        done = {name: count for name, count in sidecars.counts(health.last).items() if count}
        if health.error:
            again = max(0, health.due - self._machine.services.node.now())
            why = f"{health.whose}: {health.error}"
            self._log.warning("side-car failed", **words, **done, why=why, again_in=again)
        elif done or health.faults:
            self._log.info("side-car", **words, **done, faults=list(health.faults))
