"""Warning lists: which values are likely false positives."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class Check(Ask, frozen=True):
    """Values as people write them, defanged or not."""

    values: tuple[str, ...]


class WarningShown(msgspec.Struct, frozen=True):
    """One list that has a value."""

    list: str
    version: str
    entry: str  # of the list, as it matched
    why: str


class Checked(msgspec.Struct, frozen=True):
    """What the lists say of one value; without a reading it is no value at all."""

    asked: str
    read_as: tuple[str, ...]  # e.g. `domain example.com`
    warnings: tuple[WarningShown, ...]


class CheckedMany(msgspec.Struct, frozen=True):
    """What the lists say of values, in their order, and how many lists were asked."""

    values: tuple[Checked, ...]
    lists: int
    why_not: str  # empty where lists were asked


CHECK: Final = Verb("warning/check", Check, CheckedMany)
