"""The rounds of a serving node: every standing rule that has something to look at, each in turns of its own."""

from __future__ import annotations

import time
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError
from comity.node.carrying import Carrier

BATCHES: Final = 4  # of one rule in one round: about 8,000 entries, so that none holds up the others for long
AMISS_SECONDS: Final = 60.0  # until a rule is looked at again that failed for a reason of this machine


class Rounds:
    """What a serving node does about standing rules."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._carrier = Carrier(machine.services, machine.warnings)
        self._amiss: dict[str, float] = {}  # not before this time on the monotonic clock

    def attend(self) -> None:
        """Carry out every rule that is due, a few batches of each."""
        node = self._machine.services.node
        if not node.signs:
            return
        with self._machine.turns.mine(), node.store.read() as unit:
            due = self._carrier.due(unit)
        for rule in due:
            if self._machine.stop.is_set():
                return
            words = {"rule": rule.name, "office": rule.office, "accord": rule.accord}
            name = f"{rule.office}/{rule.name}"
            if time.monotonic() < self._amiss.get(name, 0.0):
                continue
            try:
                with self._machine.turns.mine():
                    actor = self._carrier.scheduled(rule)
                    done = self._carrier.run(actor, rule, most=BATCHES, pause=self._machine.pause)
            except ComityError as error:
                self._amiss[name] = time.monotonic() + AMISS_SECONDS
                self._log.warning("rule not carried out", **words, why=error.says())
                continue
            if done.stated or done.withheld:
                self._log.info("rule", **words, stated=done.stated, withheld=done.withheld)
