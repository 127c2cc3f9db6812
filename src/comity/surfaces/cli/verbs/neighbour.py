"""Neighbours that are told what happens: added, listed, tested, paused, replayed, forgotten; their messages."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class Add(Ask, frozen=True):
    """A neighbour: by what it is told, where it is, what it may see. `sign` makes a secret for it."""

    name: str
    kind: str
    address: str
    form: str = ""
    to: str = "own"
    ceiling: str = "CLEAR"
    events: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    purpose: str = "read"
    login: str = ""
    sign: bool = False
    certificate: str = ""  # PEM
    link: str = ""
    facility: str = "local0"
    settings: tuple[tuple[str, str], ...] = ()
    plain: bool = False


class Named(Ask, frozen=True):
    """A neighbour by name."""

    name: str


class Enable(Ask, frozen=True):
    """A neighbour that is to rest, or to be told again."""

    name: str
    enabled: bool


class Messages(Ask, frozen=True):
    """Messages of a neighbour; `standing` is waiting, sent, dead or empty for all."""

    name: str
    standing: str = ""


class Message(Ask, frozen=True):
    """One message of a neighbour; for a replay an empty id stands for all that were given up."""

    name: str
    id: str = ""


class NeighbourShown(msgspec.Struct, frozen=True):
    """A neighbour, and how it does; times are 0 for never."""

    name: str
    office: str
    kind: str
    form: str
    address: str  # scheme and host alone: of a chat's webhook the rest is a secret
    to: str
    ceiling: str
    events: tuple[str, ...]
    fields: tuple[str, ...]
    purpose: str
    login: str  # the name of its file
    signed: bool
    link: str
    enabled: bool
    waiting: int
    sent: int
    dead: int
    attempt: int
    success: int
    due: int
    failures: int
    error: str
    whose: str


class Added(msgspec.Struct, frozen=True):
    """A neighbour as it was kept; `secret` is what its messages are signed with, shown this once."""

    neighbour: NeighbourShown
    secret: str


class NeighboursShown(msgspec.Struct, frozen=True):
    """The neighbours of the asking office."""

    neighbours: tuple[NeighbourShown, ...]


class MessageShown(msgspec.Struct, frozen=True):
    """A message: what it is about, and how far it got."""

    id: str
    event: str
    at: int
    about: tuple[str, ...]  # `<origin>#<start>` or `<origin>#<start>-<end>`, or a name
    standing: str
    attempts: int
    due: int
    ended: int
    said: str
    whose: str


class MessagesShown(msgspec.Struct, frozen=True):
    """Messages of a neighbour, the newest first."""

    messages: tuple[MessageShown, ...]


class ToldShown(msgspec.Struct, frozen=True):
    """What telling a neighbour now did."""

    neighbour: NeighbourShown
    sent: int
    failed: int
    dead: int
    said: str
    exit_code: int


class TicketShown(msgspec.Struct, frozen=True):
    """A ticket of a neighbour: what it is about, and where it is; without an id nobody knows whether it was opened."""

    subject: str
    reference: str
    id: str
    url: str
    opened: int
    told: int  # messages since


class TicketsShown(msgspec.Struct, frozen=True):
    """Tickets of a neighbour, the newest first."""

    tickets: tuple[TicketShown, ...]


class Replayed(msgspec.Struct, frozen=True):
    """How many messages are sent again."""

    messages: int


ADD: Final = Verb("neighbour/add", Add, Added, signs=True)
LIST: Final = Verb("neighbour/list", Nothing, NeighboursShown)
SHOW: Final = Verb("neighbour/show", Named, NeighbourShown)
MESSAGES: Final = Verb("neighbour/messages", Messages, MessagesShown)
MESSAGE: Final = Verb("neighbour/message", Message, MessageShown)
TEST: Final = Verb("neighbour/test", Named, ToldShown, signs=True)
SEND: Final = Verb("neighbour/send", Named, ToldShown, signs=True)
REPLAY: Final = Verb("neighbour/replay", Message, Replayed, signs=True)
ENABLE: Final = Verb("neighbour/enable", Enable, NeighbourShown, signs=True)
RENEW: Final = Verb("neighbour/renew", Named, Added, signs=True)
REMOVE: Final = Verb("neighbour/remove", Named, NeighbourShown, signs=True)
TICKETS: Final = Verb("neighbour/tickets", Named, TicketsShown)
