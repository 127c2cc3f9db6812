"""The collections of the TAXII server, and who is told of which."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class Collections(Ask, frozen=True):
    """What the TAXII server has for a correspondent; without a name, for the office's own programs."""

    name: str = ""


class CollectionShown(msgspec.Struct, frozen=True):
    """A collection as its reader sees it."""

    alias: str
    id: str
    title: str
    write: bool


class CollectionsShown(msgspec.Struct, frozen=True):
    """The collections of one reader, and where they are found."""

    reader: str
    root: str  # path of the API root
    listen: str  # where the server listens; empty: nowhere
    collections: tuple[CollectionShown, ...]


class Offer(Ask, frozen=True):
    """An accord or a collection that a correspondent is told of, or is not any more."""

    name: str
    accord: str = ""
    collection: str = ""
    end: bool = False


class Offered(msgspec.Struct, frozen=True):
    """What a correspondent is told of by name."""

    name: str
    accords: tuple[str, ...]
    collections: tuple[str, ...]


LIST: Final = Verb("taxii/collections", Collections, CollectionsShown)
OFFER: Final = Verb("taxii/offer", Offer, Offered, signs=True)
