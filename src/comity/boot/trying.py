"""`comity doctor --neighbours`: every connection of this node, tried at once, each within a bounded time.

Rules: a row of `CHECKS` lists what is to be tried of its kind, within one's turn and without a network; the tries run
outside it, in threads, and write nothing. What a row cannot list is an outcome of that row and stops no other.
`send_test` allows a row to send something that is marked as a test; without it nothing is sent that anybody takes for
real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from comity.boot import reaching
from comity.errors import ComityError
from comity.node.tries import Tried, Try, attempt

if TYPE_CHECKING:
    from comity.boot.compose import Machine

TRIERS: Final = 16  # connections waited for at once


class Check(NamedTuple):
    """One kind of neighbour: `tries` takes the machine and whether a test may be sent."""

    kind: str
    tries: Callable[[Machine, bool], Iterable[Try]]


CHECKS: Final = (
    Check("certificate", reaching.certificates),
    Check("proxy", reaching.proxy),
    Check("own door", reaching.doors),
    Check("peer", reaching.peers),
    Check("source", reaching.sources),
    Check("neighbour", reaching.neighbours),
    Check("mail", reaching.mail),
    Check("side-car", reaching.sidecars),
    Check("clock", reaching.clocks),
)
"""Every kind of neighbour that is tried, in the order in which people are told."""


def tried(machine: Machine, *, send_test: bool = False) -> list[Tried]:
    """Try every connection, in the caller's turn; others have theirs while the network is waited for."""
    listed: list[tuple[str, Try]] = []
    found: list[Tried] = []
    for check in CHECKS:
        try:
            listed += [(check.kind, one) for one in check.tries(machine, send_test)]
        except ComityError as error:
            found.append(Tried(check.kind, f"every {check.kind}", False, str(error), error.whose, error.hint))
    with machine.turns.others(), ThreadPoolExecutor(TRIERS, "try") as pool:
        found += pool.map(lambda one: attempt(*one), listed)
    order = [check.kind for check in CHECKS]
    return sorted(found, key=lambda one: order.index(one.kind))
