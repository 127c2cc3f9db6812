"""The references of a STIX object to others, as edges of a graph.

Rules: a relationship is one edge between its two ends; every other object is an end itself, with an edge for each
reference it holds, named by the property. Who made an object and how it is marked are no edges. Nothing leads to or
from a user account: who a person is in touch with is nothing that Comity indexes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from comity.formats.stix.strict import Tree

_NOT_EDGES: Final = frozenset({"created_by_ref", "object_marking_refs"})
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
        found = [Edge(tree["id"], role, ref) for role, ref in _references(tree)]
    return tuple(dict.fromkeys(edge for edge in found if not _is_personal(edge)))


def _is_personal(edge: Edge) -> bool:
    return edge.source.startswith(_ACCOUNT) or edge.target.startswith(_ACCOUNT)


def _references(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield (property, id) of the object itself, its predefined extensions, and the parts of a mail (§6.6.2)."""
    yield from _of(tree)
    extensions = tree.get("extensions")
    parts = tree.get("body_multipart")
    for inner in (
        *(extensions.values() if isinstance(extensions, dict) else ()),
        *(parts if isinstance(parts, list) else ()),
    ):
        if isinstance(inner, dict):
            yield from _of(inner)


def _of(properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in properties.items():
        if name in _NOT_EDGES or not name.endswith(("_ref", "_refs")):
            continue
        for ref in value if isinstance(value, list) else (value,):
            # An extension of somebody's own may hold anything under such a name.
            if isinstance(ref, str) and len(ref) > 38 and ref[-38:-36] == "--":
                yield name, ref
