"""Tokens of this party's own programs: making, listing, revoking."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class Create(Ask, frozen=True):
    """A token to make: its name, what the program is for (read, sensor or lookup), what it may, for how long."""

    name: str
    purpose: str = "read"
    may: str = "read"  # read or write
    days: int = 90


class TokenShown(msgspec.Struct, frozen=True):
    """What is kept of a token; times are 0 for never, `used` is to the hour."""

    id: str
    name: str
    office: str
    purpose: str
    may: str
    created: int
    expires: int
    used: int
    revoked: int
    holds: bool
    by: str


class Created(msgspec.Struct, frozen=True):
    """A new token; `token` is shown this once."""

    shown: TokenShown
    token: str


class TokensShown(msgspec.Struct, frozen=True):
    """The tokens of the asking office."""

    tokens: tuple[TokenShown, ...]


class Revoke(Ask, frozen=True):
    """A token by name or id."""

    name: str


CREATE: Final = Verb("token/create", Create, Created, signs=True)
LIST: Final = Verb("token/list", Nothing, TokensShown)
REVOKE: Final = Verb("token/revoke", Revoke, TokenShown, signs=True)
