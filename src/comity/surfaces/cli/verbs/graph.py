"""What an object is tied to."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class Walk(Ask, frozen=True):
    """An object by id, statement or value; how far, how many objects, and the page of its own edges."""

    name: str
    depth: int = 1
    limit: int = 1_000  # objects in all
    start: int = 0
    edges: int = 50  # of one object


class VertexShown(msgspec.Struct, frozen=True):
    """An object of a graph; `held` only where the asking office may read it."""

    id: str
    type: str
    name: str
    held: bool
    depth: int
    more: bool  # has edges that were not followed


class WitnessShown(msgspec.Struct, frozen=True):
    """Who states an edge, and under which marking."""

    party: str
    office: str
    source: str
    marking: str
    retracted: bool


class TieShown(msgspec.Struct, frozen=True):
    """An edge, in the direction in which it was stated."""

    source: str
    role: str
    target: str
    retracted: bool  # nobody named stands by it
    witnesses: tuple[WitnessShown, ...]


class Walked(msgspec.Struct, frozen=True):
    """Objects and edges around one object, nearest first."""

    start: str
    vertices: tuple[VertexShown, ...]
    ties: tuple[TieShown, ...]
    cut: bool  # a bound on the whole left some out


WALK: Final = Verb("graph/walk", Walk, Walked)
