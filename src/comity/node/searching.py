"""Full-text search over what objects say of themselves: names, descriptions, labels, in any script.

Rules: the index of words lags behind the logs, so that no ingest waits for it; what is due stands in the store and is
made up in pieces while nothing else is to do, and before a search. What an office may not read it does not find.
Erased text leaves the index with the erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from comity.errors import Misuse
from comity.formats import words
from comity.node import wording
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Entry, Unit, place
from comity.node.queries import Queries, Witness
from comity.vocab import Held

PIECE: Final = 2_048  # entries indexed in one unit of work: about 50 ms
LOOKED_AT_ONCE: Final = 512  # positions asked of the index at once


class Hit(NamedTuple):
    """One entry that has every word asked for."""

    position: int
    witness: Witness


def catch_up(node: Node, *, most: int = PIECE) -> int:
    """Index up to `most` entries that are due; return how many are due still."""
    with node.store.read() as unit:
        piece = wording.first(unit, most)
        if piece is None:
            return 0
        rows = [(entry.position, found) for entry in _entries(unit, piece) if (found := wording.words_of(node, entry))]
    with node.store.write() as unit:
        unit.texts.put(rows)
        wording.done(unit, piece)
        return wording.waiting(unit)


def _entries(unit: Unit, piece: wording.Run) -> Iterator[Entry]:
    log_id, start = place(piece.first)
    for entry in unit.entries.read(log_id, start, start + piece.size):
        if entry.held is Held.PAYLOAD:
            yield entry


def search(queries: Queries, unit: Unit, actor: Actor, text: str, *, before: int, limit: int) -> list[Hit]:
    """Return entries that have every word of a text, the newest first, below a position. Raises `Misuse`."""
    asked = words.asked(text)
    if not asked:
        raise Misuse("there is no word in that question", hint="a word may end in * to stand for all that begin so")
    found: list[Hit] = []
    while len(found) < limit:
        places = unit.texts.find(asked, before=before, limit=LOOKED_AT_ONCE)
        for at in places:
            witness = queries.witness_at(unit, actor, at)
            if witness is not None and len(found) < limit:
                found.append(Hit(at, witness))
        if len(places) < LOOKED_AT_ONCE:
            break
        before = places[-1]
    return found
