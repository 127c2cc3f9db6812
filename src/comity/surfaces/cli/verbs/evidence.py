"""Sealed evidence: personal accounts, read with a reason."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, Nothing, Verb


class SealedShown(msgspec.Struct, frozen=True):
    """One piece of evidence, without its content."""

    statement: str  # <origin>#<index>
    source: str
    at: int
    digest: str


class SealedMany(msgspec.Struct, frozen=True):
    """What the asking office has sealed, the newest first."""

    evidence: tuple[SealedShown, ...]


class Read(Ask, frozen=True):
    """A piece of evidence to read, and why."""

    name: str
    reason: str


class Opened(msgspec.Struct, frozen=True):
    """A piece of evidence with its content."""

    evidence: SealedShown
    text: str
    by: str


class Erase(Ask, frozen=True):
    """A piece of evidence to erase, on a legal basis."""

    name: str
    basis: str


LIST: Final = Verb("evidence/list", Nothing, SealedMany)
READ: Final = Verb("evidence/read", Read, Opened, signs=True)
ERASE: Final = Verb("evidence/erase", Erase, Done, signs=True)
