"""Views as tables, and the look-up hot path.

Rules: names of tables and columns come from the areas' declarations; values are always bound. A view that
is clustered has no index by position, for such rows are many and small: what goes by position there reads
the whole table, and what must be quick goes by row (`delete`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import apsw

from comity.errors import Misuse
from comity.node.ports import HELD_CODES, Sight
from comity.stores.sqlite.schema import table
from comity.view import Value, View
from comity.vocab import Held

PAYLOAD: Final = HELD_CODES.index(Held.PAYLOAD)
ASKED_AT_ONCE: Final = 16_384  # values bound as one array


class SqliteViews:
    """`Views` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def put(self, view: View, rows: Sequence[tuple[Value, ...]]) -> None:
        """Insert rows (position first); a row that is there already is no error."""
        marks = ["?"] * len(view.columns)
        if view.with_header:
            marks.append("(SELECT header FROM entry WHERE position = ?1)")
        sql = f"INSERT INTO {table(view)} VALUES ({', '.join(marks)}) ON CONFLICT DO NOTHING"
        # In the order of the tree they go to: half the page writes for random keys.
        key = [_place(view, name) for name in view.clustered]
        ordered: Any = sorted(rows, key=itemgetter(*key)) if key else rows
        self._connection.executemany(sql, ordered)

    def delete(self, view: View, rows: Sequence[tuple[Value, ...]]) -> None:
        """Delete exactly these rows, found by their key."""
        where = " AND ".join(f"{name} = ?" for name in (*view.clustered, "position"))
        key = [*(_place(view, name) for name in view.clustered), 0]
        bound = [tuple([row[place] for place in key]) for row in rows]
        self._connection.executemany(f"DELETE FROM {table(view)} WHERE {where}", bound)

    def drop(self, view: View, first: int, last: int) -> None:
        """Delete the rows of positions `first` to `last` inclusive."""
        self._connection.execute(f"DELETE FROM {table(view)} WHERE position BETWEEN ? AND ?", (first, last))

    def clear(self, view: View) -> None:
        """Delete every row."""
        self._connection.execute(f"DELETE FROM {table(view)}")

    def find(
        self, view: View, where: Mapping[str, Value], *, limit: int, after: int = -1
    ) -> Sequence[tuple[Value, ...]]:
        """Return rows equal on the named columns, by ascending position after `after`."""
        equal = "".join(f"{_column(view, name)} IS ? AND " for name in where)
        sql = f"SELECT {_columns(view)} FROM {table(view)} WHERE {equal}position > ? ORDER BY position LIMIT ?"
        rows: Any = self._connection.execute(sql, (*where.values(), after, limit))
        return list(rows)

    def find_many(self, view: View, column: str, values: Sequence[Value]) -> Sequence[tuple[Value, ...]]:
        """Return the rows whose `column` is any of `values`; None matches nothing."""
        name = table(view)
        what = _columns(view, "v.")
        sql = f"SELECT {what} FROM carray(?) asked JOIN {name} v ON v.{_column(view, column)} = asked.value"
        return [row for chunk in _arrays(values) for row in self._connection.execute(sql, (chunk,))]

    def scan(self, view: View, first: int, last: int, *, limit: int) -> Sequence[tuple[Value, ...]]:
        """Return the rows of positions `first` to `last` inclusive, ascending."""
        sql = f"SELECT {_columns(view)} FROM {table(view)} WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?"
        rows: Any = self._connection.execute(sql, (first, last, limit))
        return list(rows)

    def count(self, view: View) -> int:
        """Return the number of rows."""
        row: Any = self._connection.execute(f"SELECT count(*) FROM {table(view)}").fetchone()
        return int(row[0])


class SqliteLookups:
    """`Lookups` over one connection: one statement, and one tree for what is plainly held."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._statements: dict[str, tuple[str, str]] = {}  # name of a view -> for one key, for many

    def one(self, view: View, key: bytes) -> Sequence[Sight]:
        """Return the row of every entry that has this key and whose payload is held."""
        return self._connection.execute(self._statement(view)[0], (key,)).fetchall()

    def many(self, view: View, keys: Sequence[bytes]) -> Sequence[Sight]:
        """Return the rows for any of `keys`, those of one key together."""
        sql = self._statement(view)[1]
        found: list[Sight] = []
        # In the order of the tree that is searched: neighbours stand on one page.
        for chunk in _arrays(sorted(keys)):
            found += self._connection.execute(sql, (chunk,))
        return found

    def _statement(self, view: View) -> tuple[str, str]:
        # The very same text each time: to make and to hash it anew takes longer than a look-up in memory.
        known = self._statements.get(view.name)
        if known is None:
            (key,) = view.clustered
            others = [f"i.{name}" for name, _ in view.columns if name not in {"position", key}]
            what = ", ".join([f"i.{key}", "i.position", "i.header", "coalesce(e.standing, 0)", *others])
            usual = (
                "LEFT JOIN entry e INDEXED BY entry_unusual"
                " ON e.position = i.position AND (e.standing != 0 OR e.held != 0)"
            )
            held = f"coalesce(e.held, {PAYLOAD}) = {PAYLOAD} AND i.header IS NOT NULL"
            known = self._statements[view.name] = (
                f"SELECT {what} FROM {table(view)} i {usual} WHERE i.{key} = ? AND {held}",
                f"SELECT {what} FROM carray(?) asked CROSS JOIN {table(view)} i ON i.{key} = asked.value {usual}"
                f" WHERE {held}",
            )
        return known


def _place(view: View, column: str) -> int:
    for place, (name, _) in enumerate(view.columns):
        if name == column:
            return place
    raise Misuse(f"view {view.name} has no column {column!r}")


def _columns(view: View, of: str = "") -> str:
    """Return the columns that a view declares, as a statement names them."""
    return ", ".join([of + name for name, _ in view.columns])


def _column(view: View, name: str) -> str:
    """Return a column's name, which goes into a statement, if the view declares it. Raises `Misuse`."""
    _place(view, name)
    return name


def _arrays(values: Sequence[Any]) -> Iterator[apsw.CArrayBinding]:
    """Yield values as bound arrays, each value once: a join gives a row for every time it is asked."""
    distinct = [value for value in dict.fromkeys(values) if value is not None]
    for start in range(0, len(distinct), ASKED_AT_ONCE):
        chunk = distinct[start : start + ASKED_AT_ONCE]
        try:
            yield apsw.carray(array("q", chunk) if isinstance(chunk[0], int) else tuple(chunk))
        except (TypeError, ValueError) as error:
            raise Misuse(f"these values cannot be asked for together: {error}") from error
