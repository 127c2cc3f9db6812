"""One round of a side-car: what asks is brought in, what partners stated is written; and how it went is kept.

Rules: a round raises nothing that is the MISP's or the network's fault: that is an outcome, and the next round is put
off. What one half cannot do does not stop the other.
"""

from __future__ import annotations

from collections.abc import Callable

from comity.canon import Instant
from comity.errors import ComityError
from comity.formats.stix.report import bounded
from comity.node import sidecar_pulling, sidecar_sorting, sidecar_writing, sidecars
from comity.node.polling import asked
from comity.node.sidecar_pulling import Round
from comity.node.sidecars import HEALTH, Health
from comity.node.sources import wait


class Result:
    """What a round did, and what ended it."""

    def __init__(self, health: Health, error: ComityError | None) -> None:
        self.health = health
        self.error = error


def run(going: Round, *, jitter: float = 0.0) -> Result:
    """Make a round and keep how it went. `jitter`, from 0 up to 1, spreads the next one."""
    node, sidecar = going.services.node, going.sidecar
    began = node.now()
    with node.store.read() as unit:
        before = sidecars.health_of(unit, sidecar)
    halves: list[Callable[[Round], None]] = []
    if sidecar.tags or sidecar.groups:
        halves.append(sidecar_pulling.pull)
    if sidecar.writes:
        halves += [sidecar_sorting.look, sidecar_writing.recheck, sidecar_writing.send]
    error: ComityError | None = None
    for half in halves:
        try:
            half(going)
        except ComityError as raised:
            error = error or raised
    health = _health(going, before, error, began, jitter)
    with node.store.write() as unit:
        if sidecars.is_kept(unit, sidecar):
            sidecars.put(unit, HEALTH, going.at, health)
    return Result(health, error)


def _health(going: Round, before: Health, error: ComityError | None, began: Instant, jitter: float) -> Health:
    failures = before.failures + 1 if error is not None else 0
    ended = going.services.node.now()
    return Health(
        attempt=began,
        success=before.success if error is not None else ended,
        due=ended + wait(going.sidecar.every, failures, jitter, asked(error)),
        failures=failures,
        error=bounded(f"{error} → {error.hint}" if error.hint else str(error)) if error is not None else "",
        whose=error.whose if error is not None else "",
        faults=tuple(going.faults.named),
        last=going.tally,
        total=before.total + going.tally,
    )
