"""Edges between objects, found from either end.

Rules: an object's rows come from its own bytes: one row for each object it ties to others, found by that object's id.
The whole id counts, for cyber-observable objects of two types may have one UUID (STIX 2.1 §2.9).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from comity.formats.stix.edges import Edge
from comity.view import Row, View, ViewKind

EDGE: Final = View(
    "intel_edge",
    (
        ("position", ViewKind.INTEGER),  # of the object that states it
        ("key", ViewKind.BLOB),  # of one end, see `end_key`
        ("ends", ViewKind.BLOB),  # what that end is tied to, see `ends_of`
    ),
    clustered=("key",),
)

_ENCODE: Final = msgspec.json.Encoder().encode
_Told = tuple[str, bool, str]  # of an `End`


class End(NamedTuple):
    """What one object is tied to: by which relationship or property, whether it points away, and to which id."""

    role: str
    out: bool
    ident: str


def end_key(ident: str) -> bytes:
    """Return the 16 bytes by which the edges of an object are found."""
    return hashlib.sha256(ident.lower().encode()).digest()[:16]


def edge_rows(position: int, edges: Iterable[Edge]) -> list[Row]:
    """Return the rows of the edges that one object states."""
    ends: dict[str, list[_Told]] = {}
    for source, role, target in edges:
        ends.setdefault(source.lower(), []).append((role, True, target))
        ends.setdefault(target.lower(), []).append((role, False, source))
    alone: dict[_Told, bytes] = {}  # what is told of all that a report names is the same
    rows: list[Row] = []
    for ident, found in ends.items():
        if len(found) > 1:
            data = _ENCODE(sorted(set(found)))
        elif (known := alone.get(found[0])) is not None:
            data = known
        else:
            data = alone[found[0]] = _ENCODE(found)
        rows.append((position, end_key(ident), data))
    return rows


def ends_of(data: bytes) -> list[End]:
    """Read what a row says its end is tied to."""
    return msgspec.json.decode(data, type=list[End])
