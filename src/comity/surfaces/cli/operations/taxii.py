"""What the TAXII server has for whom, and offering accords and collections by name."""

from __future__ import annotations

from typing import Final

from comity.canon import Instant
from comity.node import correspondents, offers
from comity.node.programs import program
from comity.node.tokens import Token
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import taxii as verbs
from comity.surfaces.cli.verbs.taxii import CollectionShown
from comity.surfaces.taxii.admission import Reader
from comity.surfaces.taxii.shelf import shelves
from comity.vocab import Channel, Purpose

NEVER: Final[Instant] = 0


def list_(desk: Desk, ask: verbs.Collections) -> verbs.CollectionsShown:
    """Return the collections of a correspondent, or of the office's own programs."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        if ask.name:
            who = correspondents.get(unit, actor, ask.name)
            allowed = who.by(Channel.TAXII)
            send = allowed is not None and allowed.send
            reader = Reader(who, own=False, seeing=services.seeing, may_send=send)
        else:
            token = Token("", "any", actor.office_id, Purpose.READ, True, "", NEVER, NEVER, actor.user)
            reader = Reader(program(str(actor.office), token), own=True, seeing=services.programs, may_send=True)
        known = [one.shown for one in shelves(services, unit, reader)]
    shown = tuple(CollectionShown(one.alias, one.id, one.title, one.can_write) for one in known)
    return verbs.CollectionsShown(ask.name or "own programs", f"/taxii2/{actor.office_id}/", desk.taxii_listen, shown)


def offer(desk: Desk, ask: verbs.Offer) -> verbs.Offered:
    """Tell a correspondent of an accord or a collection by name, or no longer."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        if ask.accord and not ask.end:
            desk.services.accords.get(unit, ask.accord)
    done = offers.offer(node, actor, ask.name, accord=ask.accord, collection=ask.collection, end=ask.end)
    return verbs.Offered(ask.name, done.accords, done.collections)


OPERATIONS: Final = (Operation(verbs.LIST, list_), Operation(verbs.OFFER, offer))
