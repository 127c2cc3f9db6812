"""Catalogues of context: ATT&CK, DISARM, actors, tools, and what tags say."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class Find(Ask, frozen=True):
    """What an entry is called: its id, name, synonym or UUID."""

    text: str


class EntryShown(msgspec.Struct, frozen=True):
    """One entry of a catalogue."""

    catalogue: str  # its galaxy's type, e.g. `disarm-techniques`
    uuid: str
    name: str
    ids: tuple[str, ...]  # of the framework, e.g. `T0049`
    synonyms: tuple[str, ...]
    description: str
    refs: tuple[str, ...]
    phases: tuple[str, ...]
    revoked: bool
    deprecated: bool
    tag: str  # as MISP names it
    kind: str  # the STIX type that it is about; `note` for none
    object: str  # it as a STIX object, to be ingested; empty where STIX has none


class Entries(msgspec.Struct, frozen=True):
    """The entries that a name finds, of so many catalogues, or why none could be asked."""

    entries: tuple[EntryShown, ...]
    catalogues: int
    why_not: str


class Tag(Ask, frozen=True):
    """A machine tag, e.g. `tlp:amber` or `misp-galaxy:disarm-techniques="…"`."""

    tag: str


class TagShown(msgspec.Struct, frozen=True):
    """What a tag says in words, or why it cannot be told."""

    tag: str
    words: str
    description: str
    number: int | None  # where its taxonomy gives the value a number, 0 to 100
    entries: tuple[EntryShown, ...]
    why_not: str


FIND: Final = Verb("catalogue/find", Find, Entries)
TAG: Final = Verb("catalogue/tag", Tag, TagShown)
