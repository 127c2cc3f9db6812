"""What else is known of the values that objects are about, a page at a time."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.errors import Misuse
from comity.node import correlating
from comity.node.correlating import Correlation, Related
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import chosen, indexed, marking_text
from comity.surfaces.cli.verbs import correlating as verbs

VALUES_SHOWN: Final = 5  # shared values named of one object
COMMON_SHOWN: Final = 20
PAGE_MAX: Final = 1_000  # objects on one page: each is read for its name


def correlate(desk: Desk, ask: verbs.Correlate) -> verbs.Correlated:
    """Return a page of what shares values with objects, or with a list of values."""
    if bool(ask.values) == bool(ask.choice.names or ask.choice.queries):
        raise Misuse("name objects or give a query, or give values: one of them")
    if not 0 < ask.limit <= PAGE_MAX or ask.start < 0:
        raise Misuse(f"a page has 1 to {PAGE_MAX} objects and begins at 0 or after")
    services = desk.services
    common = ask.common or correlating.COMMON_OBJECTS
    indexed(desk, ask.choice)
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        if ask.values:
            asked = len(ask.values)
            found = correlating.correlate_values(services.queries, unit, actor, ask.values, common=common)
        else:
            places = chosen(services, unit, actor, ask.choice, received=True)
            asked = len(places)
            found = correlating.correlate(services.queries, unit, actor, places, common=common)
        page = tuple(_shown(desk, unit, one) for one in found.related[ask.start : ask.start + ask.limit])
    return _answer(asked, found, ask.start, page)


def _answer(asked: int, found: Correlation, start: int, page: tuple[verbs.RelatedShown, ...]) -> verbs.Correlated:
    return verbs.Correlated(
        asked=asked,
        values=found.values,
        shared=found.shared,
        related=len(found.related),
        start=start,
        page=page,
        common=len(found.common),
        commonest=tuple(
            verbs.CommonShown(one.value.kind, one.value.value, one.objects) for one in found.common[:COMMON_SHOWN]
        ),
        unread=found.unread,
    )


def _shown(desk: Desk, unit: Unit, one: Related) -> verbs.RelatedShown:
    found, witness = one.found, one.found.witnesses[0]
    body = msgspec.json.decode(desk.services.queries.body(unit, witness.position))
    return verbs.RelatedShown(
        id=str(body["id"]),
        type=str(body["type"]),
        name=str(body.get("name", "")),
        score=round(one.score, 4),
        shared=len(one.values),
        values=tuple(value.value for value in one.values[:VALUES_SHOWN]),
        party=witness.party,
        office=witness.office,
        source=witness.source,
        marking=marking_text(witness.marking),
        current=found.current(desk.services.node.now()),
    )


OPERATIONS: Final = (Operation(verbs.CORRELATE, correlate),)
