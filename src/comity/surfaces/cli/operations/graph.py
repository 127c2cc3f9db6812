"""What an object is tied to, a bounded walk at a time."""

from __future__ import annotations

from typing import Final

from comity.node import graph
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_text
from comity.surfaces.cli.verbs import graph as verbs


def walk(desk: Desk, ask: verbs.Walk) -> verbs.Walked:
    """Return the objects and edges around one object."""
    queries = desk.services.queries
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        ident = graph.resolve(queries, unit, actor, ask.name)
        found = graph.graph(
            queries, unit, actor, ident, depth=ask.depth, objects=ask.limit, start=ask.start, each=ask.edges
        )
    vertices = tuple(verbs.VertexShown(*one.known, depth=one.depth, more=one.more) for one in found.vertices.values())
    return verbs.Walked(found.start, vertices, tuple(_shown(tie) for tie in found.ties), found.cut)


def _shown(tie: graph.Tie) -> verbs.TieShown:
    witnesses = tuple(
        verbs.WitnessShown(one.party, one.office, one.source, marking_text(one.marking), one.retracted)
        for one in tie.witnesses
    )
    return verbs.TieShown(tie.source, tie.role, tie.target, tie.retracted, witnesses)


OPERATIONS: Final = (Operation(verbs.WALK, walk),)
