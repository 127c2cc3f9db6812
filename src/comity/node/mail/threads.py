"""Which conversation a letter or message belongs to: a ticket of this node's own, for one correspondent.

Rules: a number or a reference proves nothing: it counts only for whom the ticket is with. Numbers are given once, by
year and account. Message ids of our own are not to be guessed, so who names one has had the message.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from comity.canon import Instant
from comity.formats.mail import tickets
from comity.node.mail.accounts import Account
from comity.node.node import Node
from comity.node.ports import Unit

TICKETS: Final = "mail-ticket"  # shelf: `<office> <account> <number>` -> `Ticket`
NEXT: Final = "mail-ticket-next"  # shelf: `<office> <account> <year>` -> the number given last
IDENTS: Final = "mail-ident"  # shelf: `<office> <message id>` -> `Said`
IDENT_BYTES: Final = 16


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """A conversation with one correspondent."""

    number: str
    account: str
    who: str  # audience
    about: str
    opened: Instant
    references: tuple[str, ...] = ()  # message ids, the newest last


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message id belongs to."""

    ticket: str = ""
    account: str = ""
    message: str = ""  # id of a message of ours; empty for a letter


REFERENCES_KEPT: Final = 16


def begin(node: Node, unit: Unit, account: Account, who: str, about: str) -> Ticket:
    """Open a ticket under the next number of the year."""
    year = datetime.fromtimestamp(node.now(), UTC).year
    key = f"{account.key} {year}"
    number = int(unit.documents.get(NEXT, key) or b"0") + 1
    unit.documents.put(NEXT, key, str(number).encode())
    ticket = Ticket(f"{year}-{number}", account.name, who, tickets.topic(about)[:200], node.now())
    put(unit, account, ticket)
    return ticket


def put(unit: Unit, account: Account, ticket: Ticket) -> None:
    """Keep a ticket."""
    unit.documents.put(TICKETS, f"{account.key} {ticket.number}", msgspec.json.encode(ticket))


def get(unit: Unit, account: Account, number: str) -> Ticket | None:
    """Return a ticket by number, or None."""
    data = unit.documents.get(TICKETS, f"{account.key} {number}")
    return msgspec.json.decode(data, type=Ticket) if data else None


def find(
    unit: Unit, account: Account, who: str, subjects: tuple[str, ...], references: tuple[str, ...]
) -> Ticket | None:
    """Return the ticket that a letter from somebody belongs to: by its number, else by what it answers; or None."""
    numbers = [number for subject in subjects if (number := tickets.number(account.prefix, subject))]
    for ident in reversed(references):
        said = said_of(unit, account.office, ident)
        if said is not None and said.account == account.name and said.ticket:
            numbers.append(said.ticket)
    for number in numbers:
        ticket = get(unit, account, number)
        if ticket is not None and ticket.who == who:
            return ticket
    return None


def add(unit: Unit, account: Account, ticket: Ticket, ident: str, message: str = "") -> Ticket:
    """Note that a letter, or a message of ours, is part of a ticket."""
    if not ident or len(ident) > 500:
        return ticket
    references = (*(one for one in ticket.references if one != ident), ident)[-REFERENCES_KEPT:]
    ticket = msgspec.structs.replace(ticket, references=references)
    put(unit, account, ticket)
    if message or said_of(unit, account.office, ident) is None:  # a letter cannot take a message's id
        said = Said(ticket.number, account.name, message)
        unit.documents.put(IDENTS, f"{account.office} {ident}", msgspec.json.encode(said))
    return ticket


def said_of(unit: Unit, office: str, ident: str) -> Said | None:
    """Return what a message id belongs to, or None."""
    if not ident or len(ident) > 500:
        return None
    data = unit.documents.get(IDENTS, f"{office} {ident}")
    return msgspec.json.decode(data, type=Said) if data else None


def tag(account: Account, ticket: Ticket) -> str:
    """Return what stands in subjects."""
    return tickets.tag(account.prefix, ticket.number)


def ident(node: Node, account: Account) -> str:
    """Return a new message id, which nobody can guess."""
    return f"{node.entropy(IDENT_BYTES).hex()}@{account.address.rpartition('@')[2]}"
