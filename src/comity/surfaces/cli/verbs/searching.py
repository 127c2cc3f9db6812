"""Full-text search."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class Search(Ask, frozen=True):
    """Words, all of which an object has; a page below a position, or the first."""

    text: str
    limit: int = 20
    before: int = 0  # a position, as `more` of the page before gave it


class HitShown(msgspec.Struct, frozen=True):
    """One entry that has every word."""

    statement: str
    id: str
    type: str
    name: str
    text: str  # the beginning of its description
    party: str
    office: str
    source: str
    marking: str
    at: int
    retracted: bool


class Searched(msgspec.Struct, frozen=True):
    """A page of entries, the newest first; `more` asks for the next, 0 ends."""

    hits: tuple[HitShown, ...]
    more: int


SEARCH: Final = Verb("searching/search", Search, Searched)
