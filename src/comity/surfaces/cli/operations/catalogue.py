"""Catalogues asked by name or by tag; an entry is given as a STIX object too."""

from __future__ import annotations

from typing import Final

from comity.formats.catalogues import Entry
from comity.formats.misp import galaxies
from comity.surfaces.cli.desk import Desk, Operation
from comity.surfaces.cli.verbs import catalogue as verbs


def find(desk: Desk, ask: verbs.Find) -> verbs.Entries:
    """Return the entries of all catalogues that are called so."""
    answer = desk.catalogues.find(ask.text)
    return verbs.Entries(tuple(map(_shown, answer.entries)), answer.catalogues, answer.why_not)


def tag(desk: Desk, ask: verbs.Tag) -> verbs.TagShown:
    """Return what a tag says."""
    said = desk.catalogues.explain(ask.tag)
    entries = tuple(map(_shown, said.entries))
    return verbs.TagShown(said.tag, said.words, said.description, said.number, entries, said.why_not)


def _shown(entry: Entry) -> verbs.EntryShown:
    return verbs.EntryShown(
        catalogue=entry.catalogue,
        uuid=entry.uuid,
        name=entry.name,
        ids=entry.ids,
        synonyms=entry.synonyms,
        description=entry.description,
        refs=entry.refs,
        phases=entry.phases,
        revoked=entry.revoked,
        deprecated=entry.deprecated,
        tag=entry.tag,
        kind=galaxies.kind_of(entry.catalogue),
        object=galaxies.of_entry(entry).decode(),
    )


OPERATIONS: Final = (Operation(verbs.FIND, find), Operation(verbs.TAG, tag))
