"""What an object is tied to: its neighbours, and theirs, to a depth.

Rules: what the asking office may not read does not show, neither as an edge nor as a count. An edge holds as long as
the newest version that the same source gave of the object that states it says so and is not revoked: no source can
take back what another says. Every walk is bounded, and says where it stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from comity.areas import intel
from comity.areas.intel import End
from comity.errors import Malformed, Misuse, NotFound
from comity.limits import STIX_NAME_CHARS_MAX
from comity.node.actor import Actor
from comity.node.ports import Unit, Value
from comity.node.queries import Queries, Witness

GRAPH_DEPTH_MAX: Final = 3  # steps from the object asked about: beyond, nearly everything hangs together
GRAPH_OBJECTS_MAX: Final = 1_000  # objects of one graph: more nobody reads, and each is read for its name
GRAPH_EDGES_MAX: Final = 20_000  # edges of one graph: twenty to an object
NEIGHBOURS_AT_ONCE: Final = 50  # edges of one object followed; one that has more says so, and is paged
EDGE_WITNESSES_MAX: Final = 64  # entries named that state one edge
ROWS_AT_ONCE: Final = 512  # entries looked at together


@dataclass(slots=True)
class Neighbour:
    """One edge, seen from one of its ends."""

    role: str  # relationship type, or the property that holds the reference
    out: bool  # whether it points away from the object asked about
    ident: str  # of the object at the other end
    witnesses: list[Witness] = field(default_factory=list)  # who states it, at most EDGE_WITNESSES_MAX

    @property
    def retracted(self) -> bool:
        """Say whether nobody named stands by it."""
        return all(witness.retracted for witness in self.witnesses)


class Page(NamedTuple):
    """Some edges of an object, and whether there are more after them."""

    neighbours: list[Neighbour]
    more: bool


class Known(NamedTuple):
    """What may be said of one object: `held` only where the office may read it."""

    ident: str
    type: str
    name: str
    held: bool


@dataclass(slots=True)
class Vertex:
    """An object of a graph."""

    known: Known
    depth: int
    more: bool = False  # has edges that were not followed


class Tie(NamedTuple):
    """One edge of a graph."""

    source: str
    role: str
    target: str
    witnesses: tuple[Witness, ...]
    retracted: bool


@dataclass(slots=True)
class Graph:
    """Objects and edges around one object."""

    start: str
    vertices: dict[str, Vertex]  # by id, nearest first
    ties: list[Tie]
    cut: bool = False  # a bound on the whole left some out


def resolve(queries: Queries, unit: Unit, actor: Actor, name: str) -> str:
    """Return the id of the one object that an id, a statement or a value means. Raises `NotFound`, `Misuse`."""
    with suppress(Malformed):  # two dashes stand in names of hosts too
        intel.uuid_of(name)
        return name
    if "#" in name:
        witnesses = queries.entries_of(unit, actor, name)
    else:
        witnesses = [witness for found in queries.lookup(unit, actor, name) for witness in found.witnesses]
    idents = list(dict.fromkeys(str(_tree(queries, unit, witness.position)["id"]) for witness in witnesses))
    if not idents:
        raise NotFound(f"nothing here is known as {name!r}", hint="`comity lookup` finds values and objects")
    if len(idents) > 1:
        hint = f"name one of them: {', '.join(idents[:3])}"
        raise Misuse(f"{len(idents)} objects are known as {name!r}", hint=hint)
    return idents[0]


def neighbours(
    queries: Queries, unit: Unit, actor: Actor, ident: str, *, start: int = 0, limit: int = NEIGHBOURS_AT_ONCE
) -> Page:
    """Return a page of the edges of an object, in both directions, in the order in which they were put on record."""
    found: dict[End, Neighbour] = {}
    for end, witness in _stated(queries, unit, actor, ident):
        known = found.get(end)
        if known is None:
            if len(found) == start + limit:
                return Page(list(found.values())[start:], more=True)
            known = found[end] = Neighbour(*end)
        if len(known.witnesses) < EDGE_WITNESSES_MAX:
            known.witnesses.append(witness)
    return Page(list(found.values())[start:], more=False)


def graph(
    queries: Queries,
    unit: Unit,
    actor: Actor,
    ident: str,
    *,
    depth: int = 1,
    objects: int = GRAPH_OBJECTS_MAX,
    start: int = 0,
    each: int = NEIGHBOURS_AT_ONCE,
) -> Graph:
    """Walk breadth-first from an object; `start` is where the page of its own edges begins.

    Raises `NotFound` where the office may read nothing of it, `Misuse` for a depth or a bound that is none.
    """
    _check(depth, objects, start, each)
    first = describe(queries, unit, actor, ident)
    if first.type == "relationship":
        ends = _tree_of(queries, unit, actor, ident)
        hint = f"{ends['source_ref']} or {ends['target_ref']}" if ends else "name one of the objects at its ends"
        raise Misuse("a relationship is an edge: ask about one of its ends", hint=hint)
    made = Graph(ident, {ident: Vertex(first, 0)}, [])
    ties: dict[tuple[str, str, str], Tie] = {}
    waiting = deque([ident])
    while waiting:
        here = waiting.popleft()
        vertex = made.vertices[here]
        if vertex.depth == depth:
            continue
        page = neighbours(queries, unit, actor, here, start=start if here == ident else 0, limit=each)
        vertex.more = page.more
        for one in page.neighbours:
            if one.ident not in made.vertices:
                if len(made.vertices) == objects:
                    made.cut = True
                    continue
                known = describe(queries, unit, actor, one.ident)
                made.vertices[one.ident] = Vertex(known, vertex.depth + 1)
                waiting.append(one.ident)
            source, target = (here, one.ident) if one.out else (one.ident, here)
            if len(ties) == GRAPH_EDGES_MAX and (source, one.role, target) not in ties:
                made.cut = True
                break
            tie = Tie(source, one.role, target, tuple(one.witnesses), one.retracted)
            ties.setdefault((source, one.role, target), tie)
    made.ties = list(ties.values())
    if not made.ties and not made.cut and not first.held:
        raise NotFound(f"nothing here is known of {ident!r}", hint="`comity lookup` finds values and objects")
    return made


def describe(queries: Queries, unit: Unit, actor: Actor, ident: str) -> Known:
    """Return the type and the name of an object; without a name where the office may not read it or has none."""
    tree = _tree_of(queries, unit, actor, ident)
    if tree is None:
        return Known(ident, ident.partition("--")[0], "", held=False)
    name = tree.get("name") or tree.get("value") or tree.get("abstract") or tree.get("pattern")
    return Known(ident, str(tree["type"]), name[:STIX_NAME_CHARS_MAX] if isinstance(name, str) else "", held=True)


def _check(depth: int, objects: int, start: int, each: int) -> None:
    if not 1 <= depth <= GRAPH_DEPTH_MAX:
        raise Misuse(f"a graph goes 1 to {GRAPH_DEPTH_MAX} steps far (GRAPH_DEPTH_MAX)")
    if not 1 <= objects <= GRAPH_OBJECTS_MAX:
        raise Misuse(f"a graph has 1 to {GRAPH_OBJECTS_MAX} objects (GRAPH_OBJECTS_MAX)")
    if start < 0 or not 1 <= each <= GRAPH_OBJECTS_MAX:
        raise Misuse(f"a page has 1 to {GRAPH_OBJECTS_MAX} edges and begins at 0 or after")


def _tree_of(queries: Queries, unit: Unit, actor: Actor, ident: str) -> dict[str, Any] | None:
    """Return the newest version of an object that the office may read, of this very id."""
    for version in queries.versions(unit, actor, ident):
        tree = _tree(queries, unit, version.witnesses[0].position)
        if str(tree["id"]).lower() == ident.lower():
            return tree
    return None


def _tree(queries: Queries, unit: Unit, at: int) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.json.decode(queries.body(unit, at))
    return tree


def _stated(queries: Queries, unit: Unit, actor: Actor, ident: str) -> Iterator[tuple[End, Witness]]:
    """Yield what readable entries tie an object to, by position."""
    key = intel.end_key(ident)
    after = -1
    while True:
        rows = unit.views.find(intel.EDGE, {"key": key}, limit=ROWS_AT_ONCE, after=after)
        told = {at: witness for at in _places(rows) if (witness := queries.witness_at(unit, actor, at)) is not None}
        holding = _standing(queries, unit, actor, told)
        for at, row in zip(_places(rows), rows, strict=True):
            if at in holding:
                for end in intel.ends_of(bytes(row[2])):  # type: ignore[arg-type]  # the view's third column is bytes
                    yield end, told[at]
        if len(rows) < ROWS_AT_ONCE:
            return
        after = _places(rows)[-1]


def _standing(queries: Queries, unit: Unit, actor: Actor, told: dict[int, Witness]) -> set[int]:
    """Return which entries hold the newest version of their object that the same source states, not revoked."""
    rows = unit.views.find_many(intel.OBJECT, "position", list(told))
    numbers = list({intel.object_number(bytes(row[1])) for row in rows})  # type: ignore[arg-type]  # bytes, as declared
    others = [row[0] for row in unit.views.find_many(intel.STATED, "object", numbers)]
    if len(others) > len(rows):
        rows = unit.views.find_many(intel.OBJECT, "position", others)
    newest: dict[tuple[Value, ...], tuple[int, list[int]]] = {}
    for at, uuid, code, modified, _, flags in rows:
        witness = told.get(int(at or 0)) or queries.witness_at(unit, actor, int(at or 0))
        if witness is None:
            continue
        key = uuid, code, witness.party, witness.office, witness.source
        version, places = newest.setdefault(key, (int(modified or 0), []))
        if int(modified or 0) > version:
            places = []
            newest[key] = int(modified or 0), places
        if int(modified or 0) >= version and not int(flags or 0) & intel.REVOKED:
            places.append(int(at or 0))
    return {at for _, places in newest.values() for at in places}


def _places(rows: Sequence[tuple[Any, ...]]) -> list[int]:
    return [int(row[0]) for row in rows]
