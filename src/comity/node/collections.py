"""Named sets of objects: gathered by hand, by a saved search, or both.

Rules: a collection belongs to an office and holds ids and a question, never objects: what it means is found anew each
time it is asked for, by what its office may read then. It decides nothing about release. Names are an office's own, and
nothing of a collection leaves the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from comity import canon
from comity.areas import intel
from comity.canon import Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound
from comity.formats import words
from comity.node import searching
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Queries
from comity.vocab import Tlp

SHELF: Final = "collection"  # office/name -> `Collection`
COLLECTIONS_MAX: Final = 1_000  # of one office: what people can still name
COLLECTION_OBJECTS_MAX: Final = 10_000  # ids gathered by hand: more is a saved search
COLLECTION_VALUES_MAX: Final = 1_000  # values that one saved search asks for
WORD_HITS_MAX: Final = 100_000  # entries that the words of a saved search may be in, a few seconds' work
HITS_AT_ONCE: Final = 1_024
NEWEST: Final = 2**62  # above every position


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A saved search; what is left empty asks for nothing, and all the rest has to fit."""

    source: str = ""
    type: str = ""
    since: Instant = 0
    within: int = 0  # seconds before the moment it is asked; 0: no such bound
    values: tuple[str, ...] = ()
    words: str = ""
    tlp: Tlp | None = None  # at most this; what is unmarked does not fit then

    @property
    def asks(self) -> bool:
        """Say whether it asks for anything."""
        return self != Query()

    def after(self, now: Instant) -> Instant:
        """Return since when an object must have been put on record."""
        return max(self.since, now - self.within if self.within else 0)


class Collection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept of one: whose it is, the ids gathered by hand, and the saved search."""

    name: str
    office: OfficeId
    by: str  # the user who made it
    at: Instant
    objects: tuple[str, ...] = ()  # STIX ids, in the order in which they were added
    query: Query = Query()


def create(node: Node, unit: Unit, actor: Actor, name: str, objects: Sequence[str], query: Query) -> Collection:
    """Make a collection. Raises `Malformed` for a name or an id that is none, `Conflict` where the name is taken."""
    canon.slug(name, what="a collection")
    if unit.documents.get(SHELF, _key(actor, name)) is not None:
        raise Conflict(f"{actor.office} has a collection {name!r}", hint="`comity collection add` puts more into it")
    if len(unit.documents.all(SHELF, f"{actor.office_id}/")) >= COLLECTIONS_MAX:
        raise Conflict(f"{actor.office} has {COLLECTIONS_MAX} collections (COLLECTIONS_MAX)")
    if query.tlp is not None and query == Query(tlp=query.tlp):
        raise Misuse("a TLP level alone is no search", hint="give --source, --type, --since, --value or --words too")
    if query.words and not words.asked(query.words):
        raise Misuse(f"there is no word in {query.words!r}")
    if query.type and not intel.type_code(query.type):
        raise Misuse(f"{query.type!r} is not a STIX 2.1 object type")
    if len(query.values) > COLLECTION_VALUES_MAX:
        raise Misuse(f"{len(query.values)} values in one saved search are over COLLECTION_VALUES_MAX")
    return _put(unit, actor, Collection(name, actor.office_id, actor.user, node.now(), _ids((), objects), query))


def get(unit: Unit, actor: Actor, name: str) -> Collection:
    """Return a collection of the actor's office. Raises `NotFound`."""
    data = unit.documents.get(SHELF, _key(actor, name))
    if data is None:
        raise NotFound(f"{actor.office} has no collection {name!r}", hint="`comity collection list` names them")
    return msgspec.json.decode(data, type=Collection)


def collections(unit: Unit, actor: Actor) -> list[Collection]:
    """Return the collections of the actor's office, by name."""
    return [msgspec.json.decode(data, type=Collection) for _, data in unit.documents.all(SHELF, f"{actor.office_id}/")]


def add(unit: Unit, actor: Actor, name: str, objects: Sequence[str]) -> Collection:
    """Put objects into a collection, each once. Raises `NotFound`, `Malformed` for an id that is none."""
    known = get(unit, actor, name)
    return _put(unit, actor, msgspec.structs.replace(known, objects=_ids(known.objects, objects)))


def remove(unit: Unit, actor: Actor, name: str, objects: Sequence[str]) -> Collection:
    """Take objects out that were put in by hand. Raises `NotFound` for one that was not."""
    known = get(unit, actor, name)
    absent = [ident for ident in objects if ident not in known.objects]
    if absent:
        hint = "its saved search may find it: that is changed by making the collection anew" if known.query.asks else ""
        raise NotFound(f"{absent[0]!r} was not put into {name!r} by hand", hint=hint)
    kept = tuple(ident for ident in known.objects if ident not in set(objects))
    return _put(unit, actor, msgspec.structs.replace(known, objects=kept))


def delete(unit: Unit, actor: Actor, name: str) -> Collection:
    """Forget a collection; the objects stay. Raises `NotFound`."""
    known = get(unit, actor, name)
    unit.documents.delete(SHELF, _key(actor, name))
    return known


# -- what a saved search asks beside what `home_objects` and look-ups answer -----------


def having(queries: Queries, unit: Unit, actor: Actor, asked: str) -> set[int]:
    """Return the readable entries that have every word, of those indexed. Raises `Misuse` where they are too many."""
    found: set[int] = set()
    before = NEWEST
    while True:
        hits = searching.search(queries, unit, actor, asked, before=before, limit=HITS_AT_ONCE)
        found.update(hit.position for hit in hits)
        if len(hits) < HITS_AT_ONCE:
            return found
        if len(found) > WORD_HITS_MAX:
            raise Misuse(f"more than {WORD_HITS_MAX} entries have the words {asked!r} (WORD_HITS_MAX)")
        before = hits[-1].position


def at_most(queries: Queries, unit: Unit, actor: Actor, places: Iterable[int], tlp: Tlp) -> list[int]:
    """Return the readable entries whose marking, as narrowed since, is at most a level; what is unmarked is not."""
    found = []
    for at in places:
        witness = queries.witness_at(unit, actor, at)
        if witness is not None and witness.marking is not None and witness.marking.tlp.rank <= tlp.rank:
            found.append(at)
    return found


def _key(actor: Actor, name: str) -> str:
    return f"{actor.office_id}/{name}"


def _ids(known: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    for ident in more:
        intel.uuid_of(ident)
    found = tuple(dict.fromkeys((*known, *more)))
    if len(found) > COLLECTION_OBJECTS_MAX:
        raise Misuse(f"{len(found)} objects by hand are over COLLECTION_OBJECTS_MAX", hint="save a search instead")
    return found


def _put(unit: Unit, actor: Actor, collection: Collection) -> Collection:
    unit.documents.put(SHELF, _key(actor, collection.name), msgspec.json.encode(collection))
    return collection
