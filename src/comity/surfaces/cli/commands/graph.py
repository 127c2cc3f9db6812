"""`comity graph`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import click

from comity.surfaces.cli.session import Session, visible
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import graph as verbs

NOTHING_TIED: Final = 1  # exit code: understood, and the object stands alone
FORMS: Final = ("tree", "dot", "json")
Ties = Mapping[str, list[verbs.TieShown]]


@command(
    "graph",
    example="comity graph report--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f --depth 2\n"
    "comity graph malware--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f --format dot > malware.dot",
)
@click.argument("name", metavar="OBJECT")
@click.option("--depth", default=1, show_default=True, help="How many steps far, 1 to 3.")
@click.option("--limit", default=1_000, show_default=True, help="Objects in all.")
@click.option("--edges", default=50, show_default=True, help="Edges of one object that are followed.")
@click.option("--start", default=0, show_default=True, help="Where the page of the object's own edges begins.")
@click.option("--format", "form", type=click.Choice(FORMS), default="tree", show_default=True, help="How to print it.")
def graph(session: Session, name: str, depth: int, limit: int, edges: int, start: int, form: str) -> int:
    """Show what an object is tied to: relationships, sightings, references, in both directions.

    An arrow points away from the object above, or towards it. What your office may not read does not show; an object
    that is named and not held shows with its id alone. Leaves with 1 if the object is tied to nothing.
    """
    ask = verbs.Walk(name=name, depth=depth, limit=limit, start=start, edges=edges, **session.who)
    found = session.ask(verbs.WALK, ask)
    session.as_json = session.as_json or form == "json"
    session.put(found, dot(found) if form == "dot" else _tree(found, start + edges))
    return 0 if found.ties else NOTHING_TIED


def _tree(found: verbs.Walked, following: int) -> Iterator[str]:
    vertices = {one.id: one for one in found.vertices}
    ties: Ties = defaultdict(list)
    for tie in found.ties:
        ties[tie.source].append(tie)
        if tie.target != tie.source:
            ties[tie.target].append(tie)
    yield _named(vertices[found.start])
    yield from _below(found, vertices, ties)
    if vertices[found.start].more:
        yield f"More edges of {found.start}: --start {following}"
    if found.cut:
        yield f"Not all: there are more than these {len(found.vertices)} objects and {len(found.ties)} edges (--limit)."


def _below(found: verbs.Walked, vertices: Mapping[str, verbs.VertexShown], ties: Ties) -> Iterator[str]:
    """Yield each edge once, under the object from which it is reached first."""
    told: set[tuple[str, str, str]] = set()
    opened = {found.start}
    waiting: list[tuple[str, Iterator[verbs.TieShown]]] = [(found.start, iter(ties[found.start]))]
    while waiting:
        here, rest = waiting[-1]
        indent = "  " * len(waiting)
        tie = next(rest, None)
        if tie is None:
            waiting.pop()
            if vertices[here].more and here != found.start:
                yield f"{indent}… more edges: comity graph {here}"
            continue
        other = tie.target if tie.source == here else tie.source
        if (tie.source, tie.role, tie.target) in told or other not in vertices:
            continue
        deeper = vertices[other].depth > vertices[here].depth
        if not deeper and other not in opened:
            continue  # told where that one stands
        told.add((tie.source, tie.role, tie.target))
        again = other in opened
        yield indent + _edge(tie, here) + _named(vertices[other]) + (" (above)" if again else "") + _says(tie)
        if deeper and not again:
            opened.add(other)
            waiting.append((other, iter(ties[other])))


def _edge(tie: verbs.TieShown, here: str) -> str:
    return f"{tie.role} → " if tie.source == here else f"← {tie.role} by "


def _named(vertex: verbs.VertexShown) -> str:
    name = f" {vertex.name!r}" if vertex.name else ""
    return f"{vertex.type}{name} {vertex.id}" + ("" if vertex.held else " (not held)")


def _says(tie: verbs.TieShown) -> str:
    offices = dict.fromkeys(f"{one.party}/{one.office}" for one in tie.witnesses)
    return f"  says {', '.join(offices)}{', RETRACTED' if tie.retracted else ''}"


# -- for tools -------------------------------------------------------------------


def dot(found: verbs.Walked) -> Iterator[str]:
    """Return the graph in the DOT language; text of strangers stands in quoted strings and means nothing there."""
    yield "digraph comity {"
    for one in found.vertices:
        label = f"{one.type}: {one.name}" if one.name else one.id
        style = "" if one.held else ", style=dashed"
        yield f"  {quoted(one.id)} [label={quoted(label)}{style}];"
    for tie in found.ties:
        style = ", style=dotted" if tie.retracted else ""
        yield f"  {quoted(tie.source)} -> {quoted(tie.target)} [label={quoted(tie.role)}{style}];"
    yield "}"


def quoted(text: str) -> str:
    """Return text as a quoted string of DOT, in which neither escapes nor entities of HTML mean anything."""
    inert = visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{inert}"'
