"""Parties: cards, the twelve words, keys, correspondents."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, Nothing, Verb


class OfficeShown(msgspec.Struct, frozen=True):
    """An office of a party."""

    id: str
    kind: str
    name: str
    languages: tuple[str, ...]
    contact: str
    hours: str


class PartyShown(msgspec.Struct, frozen=True):
    """A party as its card describes it; `state` is own, known, waiting or succeeded."""

    party: str
    state: str
    name: str
    jurisdiction: str
    serial: int
    issued: int
    languages: tuple[str, ...]
    time_zone: str
    offices: tuple[OfficeShown, ...]
    address: str
    tls: str
    words: str
    card: str  # the digest of its card


class CardFile(msgspec.Struct, frozen=True):
    """This party's signed card, as the text of a file."""

    party: str
    text: str
    words: str


class PartiesShown(msgspec.Struct, frozen=True):
    """Every party known here, and every card that waits."""

    parties: tuple[PartyShown, ...]


class Import(Ask, frozen=True):
    """A card somebody sent, as the text of its file."""

    text: str


class Named(Ask, frozen=True):
    """A party by name."""

    party: str


class Confirm(Ask, frozen=True):
    """A party whose words were compared by voice; the words heard, if they were written down."""

    party: str
    words: str = ""


class Rotate(Ask, frozen=True):
    """A key to replace: log, witness, request or root."""

    key: str
    stolen: bool = False


class Rotated(msgspec.Struct, frozen=True):
    """The card that names the new key, and what followed from it."""

    key: str
    serial: int
    by: str
    renewed: tuple[str, ...]


CARD: Final = Verb("party/card", Nothing, CardFile)
IMPORT: Final = Verb("party/import", Import, PartyShown)
CONFIRM: Final = Verb("party/confirm", Confirm, Done, signs=True)
REFUSE: Final = Verb("party/refuse", Named, Done)
LIST: Final = Verb("party/list", Nothing, PartiesShown)
SHOW: Final = Verb("party/show", Named, PartyShown)
ROTATE: Final = Verb("party/rotate", Rotate, Rotated, signs=True)
