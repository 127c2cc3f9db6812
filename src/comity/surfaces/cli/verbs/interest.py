"""Interests: what an office asks others for, and what fits."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Verb
from comity.surfaces.cli.verbs.release import Planned


class Voice(Ask, frozen=True):
    """An interest to state in an accord. `about` holds values, networks and domains as people write them."""

    accord: str
    why: str
    about: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    confidence: int = 0
    until: int = 0
    text: str = ""
    marking: MarkingSaid = MarkingSaid()


class List(Ask, frozen=True):
    """Interests that this office may read; `ended`: also those withdrawn or past their end."""

    mine: bool = False
    ended: bool = False


class InterestShown(msgspec.Struct, frozen=True):
    """An interest and who asks."""

    statement: str  # <origin>#<index>
    party: str
    office: str
    accord: str
    at: int
    marking: str
    why: str
    withdrawn: bool
    until: int
    types: tuple[str, ...]
    kinds: tuple[str, ...]
    networks: tuple[str, ...]
    domains: tuple[str, ...]
    values: tuple[tuple[str, str], ...]  # kind and value
    names: tuple[str, ...]
    techniques: tuple[str, ...]
    sectors: tuple[str, ...]
    countries: tuple[str, ...]
    confidence: int
    text: str


class InterestsShown(msgspec.Struct, frozen=True):
    """Interests, the newest first."""

    interests: tuple[InterestShown, ...]


class Match(Ask, frozen=True):
    """What of one's own fits an interest, and what would be decided about sharing it."""

    name: str
    limit: int = 1_000
    before: int = 0  # go on before this position


class Arrived(Ask, frozen=True):
    """What arrived from others that fits this office's interests."""

    since: int = 0
    limit: int = 1_000
    before: int = 0


class FittingShown(msgspec.Struct, frozen=True):
    """One object that fits."""

    statement: str
    id: str
    type: str
    name: str
    party: str
    source: str
    marking: str
    at: int
    known: bool = False  # it stands in the interest's accord already


class Matched(msgspec.Struct, frozen=True):
    """Objects that fit, the newest first; `before` goes on, 0: nothing is left to look at."""

    found: tuple[FittingShown, ...]
    looked: int
    before: int
    planned: tuple[Planned, ...] = ()  # what sharing them in the interest's accord would decide
    withheld: int = 0


VOICE: Final = Verb("interest/voice", Voice, InterestShown, signs=True)
LIST: Final = Verb("interest/list", List, InterestsShown)
MATCH: Final = Verb("interest/match", Match, Matched)
ARRIVED: Final = Verb("interest/arrived", Arrived, Matched)
