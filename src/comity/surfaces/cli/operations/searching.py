"""Full-text search: what is due is indexed first, so that nothing held is missed."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from comity.errors import Misuse
from comity.node import searching
from comity.node.ports import Unit, place
from comity.node.searching import Hit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_text
from comity.surfaces.cli.verbs import searching as verbs

PAGE_MAX: Final = 1_000  # entries on one page: each is read for its name
TEXT_CHARS: Final = 200  # characters of a description that are shown
NEWEST: Final = 2**62


def search(desk: Desk, ask: verbs.Search) -> verbs.Searched:
    """Return a page of the entries that have every word."""
    if not 0 < ask.limit <= PAGE_MAX:
        raise Misuse(f"a page has 1 to {PAGE_MAX} entries")
    node, queries = desk.services.node, desk.services.queries
    total = 0
    while left := searching.catch_up(node):
        total = max(total, left)
        desk.report("indexing", total - left, total)
        desk.pause()
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = searching.search(queries, unit, actor, ask.text, before=ask.before or NEWEST, limit=ask.limit)
        hits = tuple(_shown(desk, unit, hit) for hit in found)
    return verbs.Searched(hits, found[-1].position if len(found) == ask.limit else 0)


def _shown(desk: Desk, unit: Unit, hit: Hit) -> verbs.HitShown:
    witness = hit.witness
    tree: dict[str, Any] = msgspec.json.decode(desk.services.queries.body(unit, hit.position))
    log_id, index = place(hit.position)
    text = tree.get("description", tree.get("content", tree.get("abstract", "")))
    return verbs.HitShown(
        statement=f"{unit.logs.get(log_id).origin}#{index}",
        id=str(tree["id"]),
        type=str(tree["type"]),
        name=str(tree.get("name", "")),
        text=text[:TEXT_CHARS] if isinstance(text, str) else "",
        party=witness.party,
        office=witness.office,
        source=witness.source,
        marking=marking_text(witness.marking),
        at=witness.at,
        retracted=witness.retracted,
    )


OPERATIONS: Final = (Operation(verbs.SEARCH, search),)
