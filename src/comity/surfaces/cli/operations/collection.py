"""Named sets of objects: making and filling them, and what they mean now."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from comity.errors import Misuse
from comity.node import collections
from comity.node.actor import Actor
from comity.node.collections import Collection, Query
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import chosen, indexed, marking_text, one_of, unknown
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import collection as verbs
from comity.surfaces.cli.verbs.release import Choice
from comity.vocab import Tlp

SHOWN_MAX: Final = 1_000  # objects named at once: each is read for its name


def create(desk: Desk, ask: verbs.Create) -> verbs.CollectionShown:
    """Make a collection of the asking office."""
    query = Query(
        source=ask.source,
        type=ask.type,
        since=ask.since,
        within=ask.within,
        values=ask.values,
        words=ask.words,
        tlp=one_of(Tlp, ask.tlp, what="a TLP label") if ask.tlp else None,
    )
    services = desk.services
    with services.node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        _check(desk, unit, actor, ask.objects)
        return _shown(collections.create(services.node, unit, actor, ask.name, ask.objects, query))


def list_(desk: Desk, ask: Nothing) -> verbs.CollectionsShown:
    """Return the collections of the asking office."""
    with desk.services.node.store.read() as unit:
        found = collections.collections(unit, actor_of(desk, unit, ask))
    return verbs.CollectionsShown(tuple(map(_shown, found)))


def show(desk: Desk, ask: verbs.Show) -> verbs.Evaluated:
    """Return what a collection means now."""
    if not 0 < ask.limit <= SHOWN_MAX:
        raise Misuse(f"1 to {SHOWN_MAX} objects are shown at once")
    choice = Choice(collection=ask.name)
    indexed(desk, choice)
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        known = collections.get(unit, actor, ask.name)
        places = chosen(services, unit, actor, choice, received=True)
        members = tuple(_member(desk, unit, actor, at) for at in places[: ask.limit])
        missing = tuple(ident for ident in known.objects if unknown(services, unit, actor, ident))
    return verbs.Evaluated(_shown(known), len(places), missing, members)


def add(desk: Desk, ask: verbs.Change) -> verbs.CollectionShown:
    """Put objects into a collection that the asking office may read."""
    with desk.services.node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        _check(desk, unit, actor, ask.objects)
        return _shown(collections.add(unit, actor, ask.name, ask.objects))


def remove(desk: Desk, ask: verbs.Change) -> verbs.CollectionShown:
    """Take objects out of a collection."""
    with desk.services.node.writing() as unit:
        return _shown(collections.remove(unit, actor_of(desk, unit, ask), ask.name, ask.objects))


def delete(desk: Desk, ask: verbs.Named) -> verbs.CollectionShown:
    """Forget a collection."""
    with desk.services.node.writing() as unit:
        return _shown(collections.delete(unit, actor_of(desk, unit, ask), ask.name))


def _check(desk: Desk, unit: Unit, actor: Actor, objects: tuple[str, ...]) -> None:
    for ident in objects:
        if "--" not in ident or "#" in ident:
            raise Misuse(f"{ident!r} is not a STIX id", hint="`comity lookup` and `comity search` tell ids")
        desk.services.queries.entries_of(unit, actor, ident)


def _shown(one: Collection) -> verbs.CollectionShown:
    query = one.query
    return verbs.CollectionShown(
        name=one.name,
        office=one.office,
        by=one.by,
        at=one.at,
        objects=one.objects,
        search=query.asks,
        source=query.source,
        type=query.type,
        since=query.since,
        within=query.within,
        values=query.values,
        words=query.words,
        tlp=query.tlp.label if query.tlp else "",
    )


def _member(desk: Desk, unit: Unit, actor: Actor, at: int) -> verbs.MemberShown:
    queries = desk.services.queries
    witness = queries.witness_at(unit, actor, at)
    if witness is None:
        raise Misuse("what a collection means changed while it was read", hint="ask again")
    tree: dict[str, Any] = msgspec.json.decode(queries.body(unit, at))
    name = tree.get("name", tree.get("value", ""))
    return verbs.MemberShown(
        id=str(tree["id"]),
        type=str(tree["type"]),
        name=name if isinstance(name, str) else "",
        party=witness.party,
        office=witness.office,
        source=witness.source,
        marking=marking_text(witness.marking),
        at=witness.at,
        retracted=witness.retracted,
    )


OPERATIONS: Final = (
    Operation(verbs.CREATE, create),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.ADD, add),
    Operation(verbs.REMOVE, remove),
    Operation(verbs.DELETE, delete),
)
