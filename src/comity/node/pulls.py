"""Pulling from one peer as people see it: the outcome, or why nothing came, kept per peer.

Rules: a pull that fails is an outcome too, and stops nobody. The last one of each peer is kept, so that a
sync that fails silently is seen by whoever asks (`comity doctor`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from comity.canon import Instant, Origin, PartyId
from comity.errors import ComityError
from comity.node.ports import Unit, Wire
from comity.node.services import Services
from comity.node.syncing import Progress

SHELF: Final = "sync"  # party -> the last pull


class Pull(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last pull from one peer; `since` is when it last went well, `failures` how often it has not since."""

    party: PartyId
    at: Instant
    since: Instant = 0
    failures: int = 0
    unchanged: bool = False
    entries: int = 0
    payloads: int = 0
    refused: int = 0
    receipts: int = 0
    forks: tuple[Origin, ...] = ()
    faults: tuple[str, ...] = ()
    error: str = ""


def pull(services: Services, peer: PartyId, wire: Wire, progress: Progress | None = None) -> Pull:
    """Pull from a peer and keep what came of it; raises nothing that is the peer's or the network's fault."""
    node = services.node
    before = of(services, peer)
    try:
        outcome = services.syncing.pull(peer, wire, progress)
        record = Pull(
            party=peer,
            at=node.now(),
            since=node.now(),
            unchanged=outcome.unchanged,
            entries=outcome.entries,
            payloads=outcome.payloads,
            refused=outcome.refused,
            receipts=outcome.receipts,
            forks=tuple(outcome.forks),
            faults=tuple(outcome.faults),
        )
    except ComityError as error:
        failures = before.failures + 1 if before is not None else 1
        since = before.since if before is not None else 0
        record = Pull(party=peer, at=node.now(), since=since, failures=failures, error=error.says())
    with node.store.write() as unit:
        unit.documents.put(SHELF, peer, msgspec.json.encode(record))
    return record


def of(services: Services, peer: PartyId) -> Pull | None:
    """Return the last pull from a peer."""
    with services.node.store.read() as unit:
        data = unit.documents.get(SHELF, peer)
    return msgspec.json.decode(data, type=Pull) if data is not None else None


def last(unit: Unit) -> list[Pull]:
    """Return the last pull from every peer, in order of party."""
    return [msgspec.json.decode(data, type=Pull) for _, data in unit.documents.all(SHELF)]
