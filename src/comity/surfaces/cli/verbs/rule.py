"""Standing rules of sharing: making, listing, running, resting, forgetting."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, Nothing, Verb
from comity.surfaces.cli.verbs.release import Planned


class Create(Ask, frozen=True):
    """A rule to make; without `yes` only what it would share is answered."""

    name: str
    accord: str
    source: str = ""
    type: str = ""
    tlp: str = "RED"  # at most this strict
    confidence: int = 0
    to: tuple[str, ...] = ()
    anonymous: bool = False
    interest: str = ""  # <origin>#<index>: only what fits it
    warned: bool = False
    yes: bool = False


class Named(Ask, frozen=True):
    """A rule by name."""

    name: str


class Enable(Ask, frozen=True):
    """A rule that is to rest, or to go on."""

    name: str
    enabled: bool


class Run(Ask, frozen=True):
    """A rule to carry out now; `warned` lets go what warning lists hold back."""

    name: str
    warned: bool = False


class RuleShown(msgspec.Struct, frozen=True):
    """A rule and how far it has come; times are 0 for never."""

    name: str
    office: str
    accord: str
    by: str
    at: int
    source: str
    type: str
    tlp: str
    confidence: int
    to: tuple[str, ...]
    anonymous: bool
    interest: str
    warned: bool
    enabled: bool
    stopped: str
    ran: int
    stated: int
    withheld: int
    grounds: dict[str, int]
    flagged: int


class RulesShown(msgspec.Struct, frozen=True):
    """The rules of the asking office."""

    rules: tuple[RuleShown, ...]


class PlanShown(msgspec.Struct, frozen=True):
    """What a rule would share now, and the decisions, class by class."""

    rule: RuleShown
    made: bool
    objects: int
    known: int
    withheld: int
    grounds: dict[str, int]
    planned: tuple[Planned, ...]
    flagged: int
    warnings: str


class Held(msgspec.Struct, frozen=True):
    """An object that is held back, and the lists its values are on."""

    statement: str
    values: tuple[str, ...]
    lists: tuple[str, ...]


class RuleDetail(msgspec.Struct, frozen=True):
    """A rule with the first of what it holds back."""

    rule: RuleShown
    held: tuple[Held, ...]
    warnings: str


class RunShown(msgspec.Struct, frozen=True):
    """What carrying a rule out did."""

    rule: RuleShown
    stated: int
    withheld: int
    grounds: dict[str, int]


CREATE: Final = Verb("rule/create", Create, PlanShown, signs=True)
LIST: Final = Verb("rule/list", Nothing, RulesShown)
SHOW: Final = Verb("rule/show", Named, RuleDetail)
PLAN: Final = Verb("rule/plan", Named, PlanShown)
RUN: Final = Verb("rule/run", Run, RunShown, signs=True)
ENABLE: Final = Verb("rule/enable", Enable, RuleShown, signs=True)
DELETE: Final = Verb("rule/delete", Named, Done, signs=True)
