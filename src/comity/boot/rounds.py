"""The rounds of a serving node: every standing rule that has something to look at, in a thread of their own."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError, Fault
from comity.node.carrying import Carrier
from comity.node.rules import Rule, key

BATCHES: Final = 4  # of one rule in one round: about 8,000 entries, so that none holds up the others for long
AMISS_SECONDS: Final = 60.0  # until a rule is looked at again that failed


class Rounds:
    """What a serving node does about standing rules: one round at a time."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._carrier = Carrier(machine.services, machine.warnings)
        self._pool = ThreadPoolExecutor(1, "rule")
        self._under_way: Future[None] | None = None
        self._amiss: dict[str, float] = {}  # not before this time on the monotonic clock

    def attend(self) -> None:
        """Take the outcome of a round that has ended, and begin the next."""
        if self._under_way is not None:
            if not self._under_way.done():
                return
            error = self._under_way.exception()
            if error is not None:
                # A fault of the program: what a stranger sends may not stop a node that serves.
                what = error.says() if isinstance(error, ComityError) else f"a fault of this program: {error!r}"
                self._log.error("rules amiss", what=what)
        self._under_way = self._pool.submit(self._round) if self._machine.services.node.signs else None

    def close(self) -> None:
        """Wait for the round under way; the machine's `stop` cuts it short."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _round(self) -> None:
        node = self._machine.services.node
        with self._machine.turns.mine(), node.store.read() as unit:
            due = self._carrier.due(unit)
        for rule in due:
            if self._machine.stop.is_set():
                return
            if time.monotonic() >= self._amiss.get(key(rule), 0.0):
                self._carry(rule)

    def _carry(self, rule: Rule) -> None:
        words = {"rule": rule.name, "office": rule.office, "accord": rule.accord}
        self._amiss[key(rule)] = time.monotonic() + AMISS_SECONDS  # for whatever goes wrong from here on
        try:
            with self._machine.turns.mine():
                actor = self._carrier.scheduled(rule)
                done = self._carrier.run(actor, rule, most=BATCHES, pause=self._machine.pause)
        except ComityError as error:
            if not isinstance(error, Fault):
                del self._amiss[key(rule)]  # it has stopped, and goes on as soon as somebody resumes it
            self._log.warning("rule not carried out", **words, why=error.says())
            return
        del self._amiss[key(rule)]
        if done.stated or done.withheld:
            self._log.info("rule", **words, stated=done.stated, withheld=done.withheld)
