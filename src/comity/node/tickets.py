"""Tickets that neighbours keep: one for each subject, with its reference there and here.

Rules: that a ticket is to be opened is kept before anybody is asked for it, so that none is opened twice.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from comity.canon import Instant
from comity.node import neighbours
from comity.node.neighbours import Neighbour
from comity.node.ports import Unit

SHELF: Final = "ticket"  # office/name digest of the subject -> `Ticket`


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ticket of a neighbour: opened for a subject, under a reference that both sides know."""

    subject: str
    reference: str  # the id of the message that opened it: stands in the ticket, too
    id: str = ""  # there; empty: it was to be opened, and nobody knows whether it was
    url: str = ""
    opened: Instant = 0
    told: tuple[str, ...] = ()  # messages that it was told of since


def _key(one: Neighbour, subject: str) -> str:
    return f"{neighbours.key(one)} {hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def get(unit: Unit, one: Neighbour, subject: str) -> Ticket | None:
    """Return the ticket of a subject, or None."""
    data = unit.documents.get(SHELF, _key(one, subject))
    return msgspec.json.decode(data, type=Ticket) if data is not None else None


def put(unit: Unit, one: Neighbour, ticket: Ticket) -> None:
    """Keep a ticket, unless its neighbour was removed."""
    if neighbours.is_kept(unit, one):
        unit.documents.put(SHELF, _key(one, ticket.subject), msgspec.json.encode(ticket))


def of(unit: Unit, one: Neighbour) -> list[Ticket]:
    """Return the tickets of a neighbour, the newest first."""
    rows = unit.documents.all(SHELF, f"{neighbours.key(one)} ")
    return sorted((msgspec.json.decode(data, type=Ticket) for _, data in rows), key=lambda one: -one.opened)


def forget(unit: Unit, one: Neighbour) -> None:
    """Forget the tickets of a neighbour; they stay where they are."""
    for key, _ in unit.documents.all(SHELF, f"{neighbours.key(one)} "):
        unit.documents.delete(SHELF, key)
