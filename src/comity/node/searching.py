"""Full-text search over what objects say of themselves: names, descriptions, labels, in any script.

Rules: the index of words lags behind the logs, so that no ingest waits for it; what is due stands in the store and is
made up in pieces while nothing else is to do, and before a search. What an office may not read it does not find.
Erased text leaves the index with the erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from comity.areas import intel
from comity.errors import Misuse
from comity.formats import words
from comity.node import wording
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Entry, Unit, place
from comity.node.queries import Queries, Witness
from comity.vocab import Held

PIECE: Final = 2_048  # entries indexed in one unit of work: about 50 ms
LOOKED_AT_FIRST: Final = 512  # positions asked of the index at first
LOOKED_AT_MAX: Final = 65_536  # positions looked at for one page: about half a second


class Hit(NamedTuple):
    """One entry that has every word asked for."""

    position: int
    witness: Witness


def catch_up(node: Node, *, most: int = PIECE) -> int:
    """Index up to `most` entries that are due; return how many are due still."""
    with node.store.read() as unit:
        if not wording.first(unit, 1):
            return 0
    with node.store.write() as unit:  # one unit, so that nothing is erased between reading and indexing
        for run in wording.first(unit, most):
            entries = list(_objects(unit, run))
            unit.texts.put([(entry.position, wording.words_of(node, entry)) for entry in entries])
            wording.done(unit, run)
        return wording.waiting(unit)


def _objects(unit: Unit, run: wording.Run) -> Iterator[Entry]:
    """Yield the entries of a run that were folded as objects; others may stand between them."""
    log_id, start = place(run.first)
    folded = {row[0] for row in unit.views.scan(intel.OBJECT, run.first, run.first + run.size - 1, limit=run.size)}
    for entry in unit.entries.read(log_id, start, start + run.size):
        if entry.held is Held.PAYLOAD and entry.position in folded:
            yield entry


def search(queries: Queries, unit: Unit, actor: Actor, text: str, *, before: int, limit: int) -> list[Hit]:
    """Return entries that have every word of a text, the newest first, below a position. Raises `Misuse`.

    At most `LOOKED_AT_MAX` entries are looked at: where an office may read few of them, a page may be short.
    """
    asked = words.asked(text)
    if not asked:
        raise Misuse("there is no word in that question", hint="a word may end in * to stand for all that begin so")
    found: list[Hit] = []
    looked, size = 0, LOOKED_AT_FIRST
    while looked < LOOKED_AT_MAX:
        places = unit.texts.find(asked, before=before, limit=size)
        for at in places:
            witness = queries.witness_at(unit, actor, at)
            if witness is not None:
                found.append(Hit(at, witness))
            if len(found) == limit:
                return found
        if len(places) < size:
            break
        # Asking anew evaluates the whole question: so few times.
        before, looked, size = places[-1], looked + size, LOOKED_AT_MAX
    return found
