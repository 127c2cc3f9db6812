"""The collections that a reader has: everything, by marking, by accord, by saved collection, and its own inbox.

Rules: ids are made of party, office and what a collection is, so that they stay over restarts and a rebuilt node. A
correspondent is told of accords and saved collections where its office offered them (`node.offers`); an office's own
programs see all of their office's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from comity.errors import NotFound
from comity.formats import taxii
from comity.node import collections, offers
from comity.node.ports import Unit
from comity.node.services import Services
from comity.surfaces.taxii.admission import Reader
from comity.vocab import Tlp

RELEASED: Final = "released"
TLP: Final = "tlp"
ACCORD: Final = "accord"
SAVED: Final = "collection"
INBOX: Final = "inbox"


class Shelf(NamedTuple):
    """One collection of a reader's."""

    kind: str
    name: str  # of the level, the accord or the saved collection; else empty
    shown: taxii.Collection


def shelves(services: Services, unit: Unit, reader: Reader) -> list[Shelf]:
    """Return the collections of a reader, in a lasting order."""
    return list(_shelves(services, unit, reader))


def find(services: Services, unit: Unit, reader: Reader, name: str) -> Shelf:
    """Return a collection by its id or alias. Raises `NotFound`, the same for none and for another's."""
    for one in _shelves(services, unit, reader):
        if name in (one.shown.id, one.shown.alias):
            return one
    raise NotFound("there is no such collection", hint="the API root's `collections/` names them")


def _shelves(services: Services, unit: Unit, reader: Reader) -> Iterator[Shelf]:
    office = reader.who.office
    yield _shelf(office, RELEASED, "", RELEASED, f"Everything of {office} that you may have")
    ceiling = Tlp(reader.who.ceiling)
    for level in sorted(Tlp, key=lambda one: one.rank):
        if level.rank <= ceiling.rank:
            yield _shelf(office, TLP, level.value, _alias("tlp", level.value), f"{level.label} and below")
    offered = offers.of(unit, reader.who.audience)
    for accord in _accords(services, unit) if reader.own else offered.accords:
        yield _shelf(office, ACCORD, accord, _alias("accord", accord), f"Stated in the accord {accord}")
    for name in (one.name for one in collections.collections(unit, reader.actor)):
        if reader.own or name in offered.collections:
            yield _shelf(office, SAVED, name, _alias("collection", name), name)
    title = "What you sent; what you post here comes in as yours"
    yield _shelf(office, INBOX, reader.who.source, INBOX, title, write=reader.may_send)


def _accords(services: Services, unit: Unit) -> list[str]:
    return sorted(services.accords.all(unit))


def _alias(kind: str, name: str) -> str:
    return f"{kind}-{name.lower().replace('+', '-')}"


@lru_cache(4_096)
def _shelf(office: str, kind: str, name: str, alias: str, title: str, *, write: bool = False) -> Shelf:
    digest = hashlib.sha256(f"comity taxii {office} {kind} {name}".encode()).digest()
    shown = taxii.Collection(
        id=str(UUID(bytes=digest[:16], version=4)),
        title=title,
        can_read=True,
        can_write=write,
        alias=alias,
        media_types=(taxii.STIX_MEDIA,),
    )
    return Shelf(kind, name, shown)
