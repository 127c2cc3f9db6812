"""Named sets of objects: making, filling, showing."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class Create(Ask, frozen=True):
    """A collection to make: objects by id, and a saved search."""

    name: str
    objects: tuple[str, ...] = ()
    source: str = ""
    type: str = ""
    since: int = 0
    within: int = 0  # seconds before the moment it is asked
    values: tuple[str, ...] = ()
    words: str = ""
    tlp: str = ""  # at most


class Change(Ask, frozen=True):
    """Objects to put into a collection, or to take out."""

    name: str
    objects: tuple[str, ...]


class Show(Ask, frozen=True):
    """A collection by name; how many of its objects are named."""

    name: str
    limit: int = 100


class Named(Ask, frozen=True):
    """A collection by name."""

    name: str


class CollectionShown(msgspec.Struct, frozen=True):
    """What is kept of a collection."""

    name: str
    office: str
    by: str
    at: int
    objects: tuple[str, ...]  # put in by hand
    search: bool  # whether there is a saved one
    source: str
    type: str
    since: int
    within: int
    values: tuple[str, ...]
    words: str
    tlp: str


class CollectionsShown(msgspec.Struct, frozen=True):
    """The collections of the asking office."""

    collections: tuple[CollectionShown, ...]


class MemberShown(msgspec.Struct, frozen=True):
    """One entry that a collection means now."""

    id: str
    type: str
    name: str
    party: str
    office: str
    source: str
    marking: str
    at: int
    retracted: bool


class Evaluated(msgspec.Struct, frozen=True):
    """What a collection means now: the first entries, and how many in all."""

    collection: CollectionShown
    entries: int
    missing: tuple[str, ...]  # put in by hand, and nothing readable is held of them
    members: tuple[MemberShown, ...]


CREATE: Final = Verb("collection/create", Create, CollectionShown)
LIST: Final = Verb("collection/list", Nothing, CollectionsShown)
SHOW: Final = Verb("collection/show", Show, Evaluated)
ADD: Final = Verb("collection/add", Change, CollectionShown)
REMOVE: Final = Verb("collection/remove", Change, CollectionShown)
DELETE: Final = Verb("collection/delete", Named, CollectionShown)
