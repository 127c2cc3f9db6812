"""STIX objects for the tests: one good object of a kind, and changes to it."""

from __future__ import annotations

import json
from typing import Any

Tree = dict[str, Any]

ABSENT = object()
TIME = "2026-03-01T10:00:00.000Z"
LATER = "2026-04-01T10:00:00.000Z"
UUID = "7d3f1a52-3c5e-4a6b-9f10-0123456789ab"
IDENTITY = f"identity--{UUID}"
ADDRESS = f"ipv4-addr--{UUID}"
TLP1 = {
    "WHITE": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"


def changed(tree: Tree, changes: Tree) -> Tree:
    """Return a copy with these properties set, or left out where they are ABSENT."""
    return {key: value for key, value in (tree | changes).items() if value is not ABSENT}


def domain_object(kind: str, **changes: Any) -> Tree:
    """Return an object with the properties that every domain and relationship object has."""
    common = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{UUID}", "created": TIME, "modified": TIME}
    return changed(common, changes)


def indicator(**changes: Any) -> Tree:
    """Return a good indicator of one address."""
    own = {"name": "A server", "pattern": "[ipv4-addr:value = '198.51.100.7']", "pattern_type": "stix"}
    return domain_object("indicator", **({**own, "valid_from": TIME} | changes))


def relationship(**changes: Any) -> Tree:
    """Return a good relationship."""
    own = {"relationship_type": "indicates", "source_ref": f"indicator--{UUID}", "target_ref": f"malware--{UUID}"}
    return domain_object("relationship", **(own | changes))


def sighting(**changes: Any) -> Tree:
    """Return a good sighting."""
    return domain_object("sighting", **({"sighting_of_ref": f"indicator--{UUID}"} | changes))


def observable(kind: str, **changes: Any) -> Tree:
    """Return a cyber-observable object with these properties."""
    return changed({"type": kind, "spec_version": "2.1", "id": f"{kind}--{UUID}"}, changes)


def encoded(tree: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(tree, separators=(",", ":")).encode()


def bundle(*objects: bytes) -> bytes:
    """Return a bundle around these bytes."""
    return b'{"type":"bundle","id":"bundle--%b","objects":[%b]}' % (UUID.encode(), b",".join(objects))
