"""STIX objects for the tests: one good object of a kind, and changes to it."""

from __future__ import annotations

import json
from typing import Any

Tree = dict[str, Any]

ABSENT = object()
MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
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


# One good object of many types, and values that hardly fit anywhere.
OBJECTS: list[Tree] = [
    indicator(labels=["x"], confidence=5, kill_chain_phases=[{"kill_chain_name": "x", "phase_name": "y"}], lang="en"),
    relationship(start_time=TIME, stop_time=LATER),
    sighting(count=5, first_seen=TIME, summary=True, where_sighted_refs=[IDENTITY]),
    domain_object(
        "identity", name="x", identity_class="group", external_references=[{"source_name": "y", "external_id": "z"}]
    ),
    domain_object(
        "report",
        name="x",
        published=TIME,
        object_refs=[IDENTITY],
        granular_markings=[{"marking_ref": TLP1["RED"], "selectors": ["name"]}],
    ),
    domain_object("malware", name="x", is_family=True, malware_types=["worm"]),
    domain_object("location", latitude=1.5, longitude=2.5, precision=10.0, country="xx"),
    domain_object("note", content="x", object_refs=[IDENTITY]),
    domain_object("opinion", opinion="agree", object_refs=[IDENTITY]),
    domain_object(
        "vulnerability", name="x", external_references=[{"source_name": "cve", "external_id": "CVE-2021-44228"}]
    ),
    domain_object("marking-definition", modified=ABSENT, definition_type="statement", definition={"statement": "x"}),
    domain_object("observed-data", first_observed=TIME, last_observed=TIME, number_observed=1, object_refs=[ADDRESS]),
    domain_object("x-thing", x_own=1),
    observable("ipv4-addr", value="198.51.100.7", resolves_to_refs=[f"mac-addr--{UUID}"]),
    observable("file", name="x", size=5, hashes={"MD5": MD5}, mtime=TIME),
    observable("network-traffic", protocols=["tcp"], src_ref=ADDRESS, src_port=5, is_active=False),
    observable("process", pid=5, command_line="x", environment_variables={"AAA": "b"}),
    observable("x509-certificate", hashes={"SHA-256": SHA256}, is_self_signed=True),
    observable("x-thing", value="y"),
]
WRONG: list[Any] = [
    ABSENT,
    None,
    5,
    -1,
    1.5,
    True,
    "",
    "x",
    [],
    ["x"],
    [5],
    [None],
    {},
    {"x": None},
    TIME,
    IDENTITY,
    "\u0661",
]
