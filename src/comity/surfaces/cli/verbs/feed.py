"""Lists that sensors fetch by themselves."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class Create(Ask, frozen=True):
    """A list: for whom, in which form, of which objects."""

    name: str
    to: str
    form: str
    purpose: str = "sensor"
    source: str = ""
    type: str = "indicator"
    confidence: int = 0
    unsure: bool = True
    kinds: tuple[str, ...] = ()
    warned: bool = False
    faded: bool = False
    address: str = ""  # of this node as fetchers see it, e.g. https://node.arcadia.example:8461


class FeedShown(msgspec.Struct, frozen=True):
    """A list as it is kept."""

    name: str
    office: str
    to: str
    purpose: str
    form: str
    source: str
    type: str
    confidence: int
    created: int
    by: str


class Created(msgspec.Struct, frozen=True):
    """A new list, and the path of its address, which is shown this once."""

    feed: FeedShown
    path: str


class FeedsShown(msgspec.Struct, frozen=True):
    """Every list of the asking office."""

    feeds: tuple[FeedShown, ...]


class Revoke(Ask, frozen=True):
    """A list whose address is to answer nobody any more."""

    name: str


class Edition(Ask, frozen=True):
    """The newest edition of the list with a secret, to be had in a folder; `have` is the tag that the asker holds."""

    secret: str
    folder: str  # absolute
    have: str = ""
    file: str = ""  # of a list of several files: which one


class Editions(msgspec.Struct, frozen=True):
    """An edition: its tag, and its file where the asker does not hold it."""

    name: str
    tag: str
    media: str
    path: str  # empty: the asker has it
    address: str = ""  # what the file says NOWHERE instead of: the secret is kept nowhere


class Changes(Ask, frozen=True):
    """What came and went of the list with a secret since the edition of a tag, to be had in a folder."""

    secret: str
    folder: str  # absolute
    since: str = ""  # empty with `removed`: all that is kept
    removed: bool = False  # only what was taken back
    native: bool = False  # as the form itself removes, not as lines of JSON


class ChangesWritten(msgspec.Struct, frozen=True):
    """A file of changes, which is the asker's to delete, and the tag of the edition that they lead to."""

    name: str
    tag: str
    media: str
    path: str


NOWHERE: Final = "https://list.invalid"  # stands in files for the address under which they are fetched (RFC 2606)

CREATE: Final = Verb("feed/create", Create, Created, signs=True)
LIST: Final = Verb("feed/list", Nothing, FeedsShown)
REVOKE: Final = Verb("feed/revoke", Revoke, FeedShown, signs=True)
EDITION: Final = Verb("feed/edition", Edition, Editions, signs=True)
CHANGES: Final = Verb("feed/changes", Changes, ChangesWritten, signs=True)
