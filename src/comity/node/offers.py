"""Which accords and collections of an office a correspondent is told of by name.

Rules: that an accord exists, and what a collection is called, may say more than the objects in it: they are offered one
by one, on record. An offer releases nothing: what is shown under it is decided as everything else is.
"""

from __future__ import annotations

from typing import Final

import msgspec

from comity.errors import Misuse, NotFound
from comity.node import books, collections, correspondents
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit

SHELF: Final = "offer"  # audience -> `Offers`
KIND: Final = "home.offer"
OFFERS_MAX: Final = 256  # of one correspondent


class Offers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one correspondent is told of by name."""

    accords: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


def of(unit: Unit, audience: str) -> Offers:
    """Return what a correspondent is offered."""
    data = unit.documents.get(SHELF, audience)
    return Offers() if data is None else msgspec.json.decode(data, type=Offers)


def offer(node: Node, actor: Actor, name: str, *, accord: str = "", collection: str = "", end: bool = False) -> Offers:
    """Offer an accord or a collection to a correspondent of the actor's office, or end that, on record.

    Raises `NotFound` for none of that name, `Misuse` where not exactly one thing is named.
    """
    if bool(accord) == bool(collection):
        raise Misuse("an accord or a collection is offered", hint="--accord ID or --collection NAME")
    with node.writing() as unit:
        who = correspondents.get(unit, actor, name)
        known = of(unit, who.audience)
        field, thing = ("accords", accord) if accord else ("collections", collection)
        before: tuple[str, ...] = getattr(known, field)
        if end and thing not in before:
            raise NotFound(f"{thing!r} is not offered to {who.audience}")
        if not end and collection:
            collections.get(unit, actor, collection)
        after = tuple(sorted({*before} - {thing} if end else {*before, thing}))
        if len(after) > OFFERS_MAX:
            raise Misuse(f"over {OFFERS_MAX} are offered to {who.audience} (OFFERS_MAX)")
        changed = msgspec.structs.replace(known, **{field: after})
        unit.documents.put(SHELF, who.audience, msgspec.json.encode(changed))
        body = {"to": who.audience, "what": field, "name": thing, "end": end, "by": actor.user}
        books.record(node, unit, actor.office_id, KIND, body)
        return changed
