"""The words of entries, and which entries are still to be indexed by them: runs of positions, oldest first.

Rules: a run is noted in the unit of work that folds its entries, so none is ever missed; it is taken out in the unit
that indexes it. Indexing twice does no harm. Words come of the bytes alone, so that what is erased can be taken out
with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.areas import intel
from comity.errors import Theirs
from comity.formats import words
from comity.node.node import Node
from comity.node.ports import Entry, Unit
from comity.statement import INTEL_OBJECT

SHELF: Final = "words-due"  # first position, 20 digits -> how many
_TEXTS: Final = ("name", "description", "abstract", "content", "explanation", "pattern_type", "opinion", "objective")
_LISTS: Final = ("labels", "aliases", "goals", "indicator_types", "malware_types", "report_types", "roles", "sectors")
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Run(NamedTuple):
    """Entries of one log."""

    first: int
    size: int
    whole: int  # entries of the run as it is noted


def note(unit: Unit, first: int, last: int) -> None:
    """Note that the entries from one position to another are due."""
    key = f"{first:020}"
    known = unit.documents.get(SHELF, key)
    count = max(last - first + 1, int(known) if known else 0)
    unit.documents.put(SHELF, key, str(count).encode())


def first(unit: Unit, most: int) -> list[Run]:
    """Return the first runs that are due, the last of them cut so that they have `most` entries in all."""
    found: list[Run] = []
    for key, count in unit.documents.all(SHELF):
        if most <= 0:
            break
        found.append(Run(int(key), min(int(count), most), int(count)))
        most -= found[-1].size
    return found


def done(unit: Unit, run: Run) -> None:
    """Take a run out, or its beginning."""
    unit.documents.delete(SHELF, f"{run.first:020}")
    if run.size < run.whole:
        note(unit, run.first + run.size, run.first + run.whole - 1)


def waiting(unit: Unit) -> int:
    """Return how many entries are due."""
    return sum(int(count) for _, count in unit.documents.all(SHELF))


def clear(unit: Unit) -> None:
    """Forget what is due: everything is folded again."""
    for key, _ in list(unit.documents.all(SHELF)):
        unit.documents.delete(SHELF, key)


def forget(node: Node, unit: Unit, entries: Sequence[Entry]) -> None:
    """Take entries out of the index, before their bytes go."""
    unit.texts.delete([(entry.position, words_of(node, entry)) for entry in entries])


def words_of(node: Node, entry: Entry) -> list[str]:
    """Return the words that an entry is found by; none for what is no object."""
    if entry.header is None or entry.body is None:
        return []
    header = node.header(entry.header)
    if intel.kind_of(header) != INTEL_OBJECT:
        return []
    try:
        tree = _DECODE(intel.body_of(header, entry.body))
    except (Theirs, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []  # an entry may hold anything: what is no object was said to be none when it was folded
    return words.words("\n".join(_texts(tree)))


def _texts(tree: dict[str, Any]) -> Iterator[str]:
    for name in _TEXTS:
        if isinstance(tree.get(name), str):
            yield tree[name]
    for name in _LISTS:
        if isinstance(tree.get(name), list):
            yield from (each for each in tree[name] if isinstance(each, str))
    references = tree.get("external_references")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict):
            yield from (
                reference[name]
                for name in ("source_name", "external_id", "description")
                if isinstance(reference.get(name), str)
            )
