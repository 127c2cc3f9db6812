"""Sightings: putting on record that this party saw, or looked for and did not see, a value or an object.

Rules: a sighting stands in the home log first, where it is indexed; an accord gets it as it gets any
collected object, by `Sharing`. Without a marking it stays at home.
"""

from __future__ import annotations

from typing import Final

from comity import canon, statement
from comity.areas.intel import Sighting
from comity.node import books
from comity.node.actor import Actor
from comity.node.node import Node
from comity.statement import INTEL_SIGHTING, Header, Marking

SIGHTING_MEDIA: Final = "application/vnd.comity.sighting+json"


def record(node: Node, actor: Actor, sighting: Sighting, marking: Marking | None) -> int:
    """State a sighting in the home log; return its position. Raises `Malformed` where it names nothing."""
    sighting.key()
    header = Header(
        v=1,
        kind=INTEL_SIGHTING,
        office=actor.office_id,
        accord=0,
        at=node.now(),
        media=SIGHTING_MEDIA,
        marking=marking,
    )
    draft = books.Draft(statement.encode_header(header), canon.encode(sighting))
    with node.writing() as unit:
        return books.state(node, unit, books.home_origin(node, unit), 0, [draft])
