"""Correspondents of a node of a world, for the tests of what they are given and what they send."""

from __future__ import annotations

import json
from typing import Any

from comity.node import correspondents
from comity.node.correspondents import Allowed, Correspondent
from comity.testing.world import Inhabitant
from comity.vocab import Channel

ALL = tuple(Allowed(channel, send=True) for channel in sorted(Channel) if channel is not Channel.FILE)


def take_on(one: Inhabitant, name: str = "grid", **more: Any) -> Correspondent:
    """Register a correspondent with every channel: a client up to TLP:AMBER, unless said otherwise."""
    fields: dict[str, Any] = {"jurisdiction": "XA", "ceiling": "AMBER", "client": True, "channels": ALL}
    known = Correspondent(str(one.actor.office), name, **(fields | more))
    correspondents.register(one.node, one.actor, known)
    return known


def indicator(number: int, **more: object) -> bytes:
    """Return a STIX indicator, as its producer would write it."""
    fields = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08x}-0000-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "pattern": f"[domain-name:value = 'host-{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
    }
    return json.dumps(fields | more).encode()


def ident(number: int) -> str:
    """Return the id of `indicator(number)`."""
    return f"indicator--{number:08x}-0000-4000-8000-000000000000"
