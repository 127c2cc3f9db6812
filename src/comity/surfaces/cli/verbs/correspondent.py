"""Correspondents: the register, their credentials, what they were given and are owed, and what they send."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, MarkingSaid, Nothing, Verb


class Add(Ask, frozen=True):
    """An organisation or person without a node, and the terms it accepted."""

    name: str
    jurisdiction: str
    ceiling: str
    client: bool = False
    individual: bool = False
    communities: tuple[str, ...] = ()
    terms: str = ""
    title: str = ""
    until: int = 0
    waits: bool = True


class Named(Ask, frozen=True):
    """One correspondent, by its short name."""

    name: str


class Change(Ask, frozen=True):
    """What is to be another; None leaves it as it is."""

    name: str
    title: str | None = None
    jurisdiction: str | None = None
    ceiling: str | None = None
    client: bool | None = None
    communities: tuple[str, ...] | None = None
    until: int | None = None
    waits: bool | None = None
    identities: tuple[str, ...] | None = None


class Accept(Ask, frozen=True):
    """A text of terms, and who accepted it."""

    name: str
    text: str
    accepted_by: str
    called: str = ""


class Allow(Ask, frozen=True):
    """A channel, and its settings; certificates as bytes."""

    name: str
    channel: str
    send: bool = False
    addresses: tuple[str, ...] = ()
    pgp: bytes = b""
    smime: bytes = b""


class Forbid(Ask, frozen=True):
    """A channel to take away."""

    name: str
    channel: str


class Move(Ask, frozen=True):
    """A state to bring a correspondent into: active, suspended or ended."""

    name: str
    state: str
    reason: str = ""


class Source(Ask, frozen=True):
    """How what a correspondent sends is marked where it is unmarked, and how reliable it is."""

    name: str
    marking: MarkingSaid | None = None
    reliability: str = ""


class Promote(Ask, frozen=True):
    """The party that a correspondent has become."""

    name: str
    party: str


class Login(Ask, frozen=True):
    """A credential to make; `spki` or `certificate` (DER) for a client certificate."""

    name: str
    channel: str
    form: str = ""  # what the channel's programs take, where nothing is said
    days: int = 90
    spki: str = ""
    certificate: bytes = b""


class EndLogin(Ask, frozen=True):
    """A credential to revoke, by id."""

    name: str
    id: str


class Table(Ask, frozen=True):
    """Correspondents as CSV."""

    text: str
    dry: bool = False


class NetworkShown(msgspec.Struct, frozen=True):
    """A network that a credential was used from, and between which hours."""

    network: str
    first: int
    last: int


class LoginShown(msgspec.Struct, frozen=True):
    """What is kept of a credential; times are 0 for never."""

    id: str
    channel: str
    form: str
    user: str  # of a basic log-in
    created: int
    expires: int
    used: int
    revoked: int
    holds: bool
    roams: bool
    networks: tuple[NetworkShown, ...]
    by: str


class LoginMade(msgspec.Struct, frozen=True):
    """A new credential; `secret` is shown this once."""

    shown: LoginShown
    secret: str
    guards: bool  # whether this version asks for it anywhere


class LoginsShown(msgspec.Struct, frozen=True):
    """A correspondent's credentials."""

    credentials: tuple[LoginShown, ...]


class ChannelShown(msgspec.Struct, frozen=True):
    """A channel that is allowed; of certificates only which there are."""

    channel: str
    send: bool
    addresses: tuple[str, ...]
    certificates: tuple[str, ...]
    carried: bool  # whether this version gives or takes anything by it


class DeliveryShown(msgspec.Struct, frozen=True):
    """How much of one log got how far by one channel, between which hours: this node's own word."""

    channel: str
    grade: str  # sent, fetched, acknowledged
    origin: str
    entries: int
    runs: tuple[tuple[int, int], ...]
    first: int
    last: int


class OwedShown(msgspec.Struct, frozen=True):
    """One thing a correspondent is still to be told by a channel."""

    channel: str
    statement: str
    id: str
    what: str
    reason: str


class CorrespondentShown(msgspec.Struct, frozen=True):
    """A registered correspondent."""

    audience: str
    jurisdiction: str
    ceiling: str
    client: bool
    communities: tuple[str, ...]
    terms: str
    title: str
    individual: bool
    state: str
    until: int
    accepted: str  # digest of the text of terms, or nothing
    accepted_by: str
    accepted_at: int
    waits: bool
    channels: tuple[ChannelShown, ...]
    party: str


class Whole(msgspec.Struct, frozen=True):
    """One correspondent with its credentials, receipts and what it is owed."""

    correspondent: CorrespondentShown
    credentials: tuple[LoginShown, ...]
    deliveries: tuple[DeliveryShown, ...]
    owed: tuple[OwedShown, ...]
    waiting: int  # submissions
    more_owed: bool  # than are shown


class CorrespondentsShown(msgspec.Struct, frozen=True):
    """Every correspondent of the asking office."""

    correspondents: tuple[CorrespondentShown, ...]


class LineShown(msgspec.Struct, frozen=True):
    """What became of one line of a table."""

    line: int
    name: str
    outcome: str
    reason: str


class LinesShown(msgspec.Struct, frozen=True):
    """What became of a table, line by line."""

    lines: tuple[LineShown, ...]


class TableShown(msgspec.Struct, frozen=True):
    """Correspondents as CSV."""

    text: str


ADD: Final = Verb("correspondent/add", Add, Done, signs=True)
LIST: Final = Verb("correspondent/list", Nothing, CorrespondentsShown)
SHOW: Final = Verb("correspondent/show", Named, Whole)
CHANGE: Final = Verb("correspondent/change", Change, Done, signs=True)
ACCEPT: Final = Verb("correspondent/accept", Accept, Done, signs=True)
ALLOW: Final = Verb("correspondent/allow", Allow, Done, signs=True)
FORBID: Final = Verb("correspondent/forbid", Forbid, Done, signs=True)
MOVE: Final = Verb("correspondent/move", Move, Done, signs=True)
SOURCE: Final = Verb("correspondent/source", Source, Done)
PROMOTE: Final = Verb("correspondent/promote", Promote, Done, signs=True)
LOGIN: Final = Verb("correspondent/login", Login, LoginMade, signs=True)
LOGINS: Final = Verb("correspondent/logins", Named, LoginsShown)
END_LOGIN: Final = Verb("correspondent/end-login", EndLogin, LoginShown, signs=True)
IMPORT: Final = Verb("correspondent/import", Table, LinesShown, signs=True)
EXPORT: Final = Verb("correspondent/export", Nothing, TableShown)
