"""The references of a STIX object to others, as edges of a graph.

Rules: a relationship is one edge between its two ends; every other object is an end itself, with an edge for each
reference it holds, named by the property. Who made an object and how it is marked are no edges. Nothing leads to or
from a user account: who a person is in touch with is nothing that Comity indexes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from comity.formats.stix.strict import Tree

_NOT_EDGES: Final = frozenset({"created_by_ref", "object_marking_refs"})
_ENDINGS: Final = ("_ref", "_refs")
_ACCOUNT: Final = "user-account--"


class Edge(NamedTuple):
    """One edge: from which object, by which relationship or property, to which object; ids as they were written."""

    source: str
    role: str
    target: str


def of_object(tree: Tree) -> tuple[Edge, ...]:
    """Return the edges that a checked object states, each once, in the order of its properties."""
    if tree["type"] == "relationship":  # STIX 2.1 §5.1
        found = [Edge(tree["source_ref"], tree["relationship_type"], tree["target_ref"])]
    else:
        source = tree["id"]
        found = [Edge(source, role, ref) for role, ref in _references(tree)]
    return tuple([edge for edge in dict.fromkeys(found) if not _is_personal(edge)]) if found else ()


def _is_personal(edge: Edge) -> bool:
    return edge[0].startswith(_ACCOUNT) or edge[2].startswith(_ACCOUNT)


def _references(tree: Tree) -> list[tuple[str, str]]:
    """Return (property, id) of the object itself, its predefined extensions, and the parts of a mail (§6.6.2)."""
    found = _of(tree)
    extensions = tree.get("extensions")
    if isinstance(extensions, dict):
        for inner in extensions.values():
            found += _of(inner) if isinstance(inner, dict) else ()
    parts = tree.get("body_multipart")
    if isinstance(parts, list):
        for inner in parts:
            found += _of(inner) if isinstance(inner, dict) else ()
    return found


def _of(properties: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in properties.items():
        if not name.endswith(_ENDINGS) or name in _NOT_EDGES:
            continue
        # An extension of somebody's own may hold anything under such a name.
        refs = value if isinstance(value, list) else (value,)
        found += [(name, ref) for ref in refs if isinstance(ref, str) and len(ref) > 38 and ref[-38:-36] == "--"]
    return found
