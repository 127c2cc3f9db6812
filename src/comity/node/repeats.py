"""Which keys of a view several rows have: of some they are looked up, of very many they are found in one pass.

Rules: to look one up takes a walk through a tree, by the million as long as all that is done with what it finds; most
keys have one row, so what one pass finds is little to keep. It holds for one unit of work, which sees one moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from comity.node.ports import Unit, Value, View

KEPT_MAX: Final = 500_000  # keys in memory: some 50 MB; where more are repeated they are looked up after all
LOOKED_UP: Final = 4  # so many rows are passed over in the time of one look-up


class Repeats:
    """Asks one view which of its keys have rows that differ in an integer column."""

    def __init__(self, unit: Unit, view: View, column: str, *, asked: int) -> None:
        """Remember that about `asked` keys will be asked about."""
        self._unit = unit
        self._view = view
        self._column = column
        self._kept: frozenset[Value] | None = None
        # Every entry has a row or none: their number is known without counting.
        if asked * LOOKED_UP > sum(log.size for log in unit.logs.all()):
            found = unit.views.repeated_keys(view, most=KEPT_MAX)
            self._kept = None if found is None else frozenset(found)

    def of(self, keys: Collection[Value]) -> Iterable[Value]:
        """Return which of some keys have rows that differ."""
        asked: list[Any] = list(keys if self._kept is None else self._kept.intersection(keys))
        asked.sort()  # in the order of the tree: neighbours stand on one page
        return self._unit.views.differing(self._view, self._column, asked) if asked else ()
