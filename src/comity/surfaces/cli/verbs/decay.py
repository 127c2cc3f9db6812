"""How confidence wears off for an office: its table of models."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class SetTable(Ask, frozen=True):
    """A table of models in TOML; empty goes back to the default."""

    table: str


class ModelShown(msgspec.Struct, frozen=True):
    """How values of some kinds age."""

    name: str
    kinds: tuple[str, ...]  # empty: all others
    lifetime: float  # days; 0: it does not age
    speed: float
    threshold: int
    false_positive: int


class TableShown(msgspec.Struct, frozen=True):
    """The table in force, and its own text where the office has one."""

    models: tuple[ModelShown, ...]
    reliability: dict[str, int]
    own: str


SHOW: Final = Verb("decay/show", Nothing, TableShown)
SET: Final = Verb("decay/set", SetTable, TableShown, signs=True)
