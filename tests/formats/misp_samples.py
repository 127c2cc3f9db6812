"""MISP events for the tests: one good event, its parts, and what reading gives."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from comity.formats.convert import Context, Loss, Made
from comity.formats.misp.read import read
from comity.formats.stix.check import Checked, check_many
from tests.tree import ROOT

Tree = dict[str, Any]

FILES = sorted((ROOT.parent / "shared/data/eset").rglob("*.json"))
AT = 1_790_000_000
CONTEXT = Context("cert.arcadia.example/feed", AT)
EVENT = "5b773e07-e694-458b-b99c-27f30a016219"
ORG = {"id": "1", "name": "CERT Arcadia", "uuid": "55f6ea5e-2c60-40e5-964f-47a8950d210f"}
MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def uuid(number: int) -> str:
    """Return a UUID of version 4 that a number stands for."""
    return str(UUID(int=(0x4000 << 64) + (0x8 << 60) + number))


def attribute(kind: str = "ip-dst", value: object = "198.51.100.7", number: int = 1, **changes: Any) -> Tree:
    """Return an attribute as a server writes it."""
    made = {"uuid": uuid(number), "type": kind, "category": "Network activity", "value": value, "to_ids": True}
    made |= {"timestamp": "1600000000", "distribution": "5", "comment": "", "deleted": False}
    return made | changes


def thing(name: str, *attributes: Tree, number: int = 900, **changes: Any) -> Tree:
    """Return an object of a template."""
    made = {"uuid": uuid(number), "name": name, "meta-category": "network", "timestamp": "1600000000"}
    return made | {"distribution": "5", "Attribute": list(attributes)} | changes


def event(*attributes: Tree, **changes: Any) -> Tree:
    """Return an event that everybody may have, as a server writes it."""
    made: Tree = {"uuid": EVENT, "info": "Phishing against Arcadia", "date": "2020-09-13", "timestamp": "1600000000"}
    made |= {"distribution": "3", "published": True, "publish_timestamp": "1600000100", "threat_level_id": "2"}
    made |= {"analysis": "2", "Orgc": ORG, "Org": ORG, "Attribute": list(attributes)}
    return made | changes


def encoded(tree: object) -> bytes:
    """Return an event in its wrapper, or anything else as it is."""
    return json.dumps({"Event": tree} if isinstance(tree, dict) and "Event" not in tree else tree).encode()


def taken(data: bytes) -> tuple[list[Tree], list[Loss]]:
    """Return what reading gives; everything made has passed every check."""
    out = list(read([data], CONTEXT))
    made = [one for one in out if isinstance(one, Made)]
    verdicts = check_many([one.data for one in made])
    assert [verdict for verdict in verdicts if not isinstance(verdict, Checked)] == []
    return [json.loads(one.data) for one in made], [one for one in out if isinstance(one, Loss)]


def of_event(*attributes: Tree, **changes: Any) -> tuple[list[Tree], list[Loss]]:
    """Return what an event of these attributes gives."""
    return taken(encoded(event(*attributes, **changes)))


def only(objects: list[Tree], kind: str) -> Tree:
    """Return the one object of a type."""
    (found,) = [one for one in objects if one["type"] == kind]
    return found


def kinds(objects: list[Tree]) -> set[str]:
    """Return the types that there are, beside report and identity."""
    return {one["type"] for one in objects} - {"report", "identity"}
