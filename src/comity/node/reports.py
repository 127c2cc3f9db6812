"""What people read of released objects: each report with what it names, and what no report names.

Rules: only what is released is named: a reference to anything else is as if it were not there. Of several versions of
an object the newest counts, and what it revokes is not told. Memory grows with the reports and what they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.errors import NotFound
from comity.limits import REPORT_REFS_MAX
from comity.node.exporting import idents
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Queries
from comity.vocab import Tlp

Tree = dict[str, Any]
REPORT: Final = "report"
ALONE: Final = ("vulnerability",)  # tells something to people also where no report names it
ABOUT: Final = ("note", "opinion")  # stand with what they are about
_DECODE: Final = msgspec.json.Decoder(Tree).decode


class Told(NamedTuple):
    """One object that people read, and what goes with it."""

    at: int  # position of its entry
    tree: Tree
    label: Tlp  # the strictest of its own and of all that stands with it
    source: str
    recorded: Instant
    named: tuple[Tree, ...]
    versions: int  # released ones, this one included


class _Place(NamedTuple):
    at: int
    label: Tlp
    versions: int


def reports(node: Node, queries: Queries, unit: Unit, places: Sequence[int]) -> Iterator[Told]:
    """Yield reports and what stands alone, the newest first."""
    heads: dict[str, _Place] = {}
    about: list[tuple[Tree, _Place]] = []
    for at, ident, label in idents(node, unit, places):
        kind = ident.partition("--")[0]
        if kind == REPORT or kind in ALONE:
            before = heads.get(ident)
            heads[ident] = _newer(queries, unit, before, at, label)
        elif kind in ABOUT:
            about.append((_tree(queries, unit, at), _Place(at, label, 1)))
    trees = {ident: _tree(queries, unit, place.at) for ident, place in heads.items()}
    wanted = {ref for ident, tree in trees.items() if ident.startswith(REPORT) for ref in refs(tree)}
    held: dict[str, _Place] = {}
    for at, ident, label in idents(node, unit, places):
        if ident in wanted:
            held[ident] = _newer(queries, unit, held.get(ident), at, label)
    order = sorted(trees, key=lambda ident: (str(trees[ident].get("modified")), ident), reverse=True)
    for ident in order:
        if trees[ident].get("revoked") is True or (not ident.startswith(REPORT) and ident in wanted):
            continue
        inside = [ref for ref in refs(trees[ident]) if ref in held and ref != ident]
        yield _told(node, queries, unit, ident, heads[ident], trees[ident], [held[ref] for ref in inside], about)


def _told(
    node: Node,
    queries: Queries,
    unit: Unit,
    ident: str,
    place: _Place,
    tree: Tree,
    inside: Iterable[_Place],
    about: Sequence[tuple[Tree, _Place]],
) -> Told:
    named = [(_tree(queries, unit, each.at), each.label) for each in inside]
    known = {ident, *(str(each["id"]) for each, _ in named)}
    named += [
        (each, where.label) for each, where in about if known.intersection(refs(each)) and each["id"] not in known
    ]
    named = [(each, where) for each, where in named if each.get("revoked") is not True]
    label = max((place.label, *(each for _, each in named)), key=lambda one: one.rank)
    header = queries.stated(unit, place.at).header
    trees = tuple(each for each, _ in named)
    return Told(place.at, tree, label, header.source, header.at, trees, place.versions)


def refs(tree: Tree) -> list[str]:
    """Return what an object names, at most REPORT_REFS_MAX ids, each once."""
    found = tree.get("object_refs")
    named = dict.fromkeys(ref for ref in found if isinstance(ref, str)) if isinstance(found, list) else {}
    return list(named)[:REPORT_REFS_MAX]


def _newer(queries: Queries, unit: Unit, before: _Place | None, at: int, label: Tlp) -> _Place:
    """Return the place of the newer of two versions; of equal ones that on record first."""
    if before is None:
        return _Place(at, label, 1)
    one, two = (str(_tree(queries, unit, each).get("modified")) for each in (before.at, at))
    newest = (at, label) if two > one else (before.at, before.label)
    return _Place(*newest, before.versions + 1)


def _tree(queries: Queries, unit: Unit, at: int) -> Tree:
    try:
        return _DECODE(queries.body(unit, at))
    except NotFound:  # erased since it was decided
        return {"id": "", "type": ""}
