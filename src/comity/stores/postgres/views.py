"""Views as tables, and the look-up hot path.

Rules: names of tables and columns come from the areas' declarations; values are always bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from comity.errors import Misuse
from comity.node.ports import HELD_CODES, Sight
from comity.stores.postgres.schema import Connection, table
from comity.view import Row, Value, View, ViewKind
from comity.vocab import Held

PAYLOAD: Final = HELD_CODES.index(Held.PAYLOAD)
ARRAYS: Final = {ViewKind.INTEGER: "bigint[]", ViewKind.TEXT: "text[]", ViewKind.BLOB: "bytea[]"}


class PostgresViews:
    """`Views` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, view: View, rows: Sequence[Row], *, first: bool = False) -> None:
        """Insert rows (position first); a row that is there already is no error."""
        marks = ["%s"] * len(view.columns)
        if view.with_header:
            marks.append("(SELECT header FROM entry WHERE position = %s)")
            rows = [(*row, row[0]) for row in rows]
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table(view)} VALUES ({', '.join(marks)}) ON CONFLICT DO NOTHING", rows)

    def arrange(self, view: View) -> None:
        """Do nothing: here rows go to their places at once."""

    def delete(self, view: View, rows: Sequence[Row]) -> None:
        """Delete exactly these rows, found by their key."""
        key = [*view.clustered, "position"]
        where = " AND ".join(f'"{name}" = %s' for name in key)
        places = [_place(view, name) for name in key]
        bound = [tuple([row[place] for place in places]) for row in rows]
        with self._connection.cursor() as cursor:
            cursor.executemany(f"DELETE FROM {table(view)} WHERE {where}", bound)

    def drop(self, view: View, first: int, last: int) -> None:
        """Delete the rows of positions `first` to `last` inclusive."""
        self._connection.execute(f"DELETE FROM {table(view)} WHERE position BETWEEN %s AND %s", (first, last))

    def clear(self, view: View) -> None:
        """Delete every row."""
        self._connection.execute(f"DELETE FROM {table(view)}")

    def find(self, view: View, where: Mapping[str, Value], *, limit: int, after: int = -1) -> Sequence[Row]:
        """Return rows equal on the named columns, by ascending position after `after`."""
        equal = "".join(
            _column(view, name) + (" IS NULL AND " if v is None else " = %s AND ") for name, v in where.items()
        )
        bound = [value for value in where.values() if value is not None]
        sql = f"SELECT {_columns(view)} FROM {table(view)} WHERE {equal}position > %s ORDER BY position LIMIT %s"
        return self._connection.execute(sql, (*bound, after, limit)).fetchall()

    def find_many(self, view: View, column: str, values: Sequence[Value]) -> Sequence[Row]:
        """Return the rows whose `column` is any of `values`; None matches nothing."""
        kind = ARRAYS[view.columns[_place(view, column)][1]]
        sql = f"SELECT {_columns(view)} FROM {table(view)} WHERE {_column(view, column)} = ANY(%s::{kind})"
        return self._connection.execute(sql, (list(values),)).fetchall()

    def differing(self, view: View, column: str, keys: Sequence[Value]) -> Sequence[Value]:
        """Return which of `keys` have rows that differ in an integer `column`."""
        key = view.clustered[0]
        kind, told = ARRAYS[view.columns[_place(view, key)][1]], _column(view, column)
        where = f'"{key}" = ANY(%s::{kind}) GROUP BY "{key}" HAVING min({told}) < max({told})'
        sql = f'SELECT "{key}" FROM {table(view)} WHERE {where}'
        return [row[0] for row in self._connection.execute(sql, (list(keys),)).fetchall()]

    def repeated(self, view: View) -> Sequence[Row]:
        """Return the rows of a view clustered by one column whose key another row has, too, in no order."""
        key = view.clustered[0]
        several = f'SELECT "{key}" FROM {table(view)} GROUP BY "{key}" HAVING count(*) > 1'
        sql = f'SELECT {_columns(view)} FROM {table(view)} WHERE "{key}" IN ({several})'
        return self._connection.execute(sql).fetchall()

    def repeated_keys(self, view: View, *, most: int) -> Sequence[Value] | None:
        """Return those keys alone, found in one pass; None where they are more than `most`."""
        key = view.clustered[0]
        sql = f'SELECT "{key}" FROM {table(view)} GROUP BY "{key}" HAVING count(*) > 1 LIMIT %s'
        found = self._connection.execute(sql, (most + 1,)).fetchall()
        return None if len(found) > most else [row[0] for row in found]

    def scan(self, view: View, first: int, last: int, *, limit: int) -> Sequence[Row]:
        """Return the rows of positions `first` to `last` inclusive, ascending."""
        sql = f"SELECT {_columns(view)} FROM {table(view)} WHERE position BETWEEN %s AND %s ORDER BY position LIMIT %s"
        return self._connection.execute(sql, (first, last, limit)).fetchall()

    def count(self, view: View) -> int:
        """Return the number of rows."""
        row = self._connection.execute(f"SELECT count(*) FROM {table(view)}").fetchone()
        return int(row[0]) if row else 0

    def is_empty(self, view: View) -> bool:
        """Say whether there is no row; in no more time the more rows there are."""
        return self._connection.execute(f"SELECT 1 FROM {table(view)} LIMIT 1").fetchone() is None


class PostgresLookups:
    """`Lookups` over one connection: one statement, and one tree for what is plainly held."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def one(self, view: View, key: bytes) -> Sequence[Sight]:
        """Return the row of every entry that has this key and whose payload is held."""
        return self.many(view, [key])

    def many(self, view: View, keys: Sequence[bytes]) -> Sequence[Sight]:
        """Return the rows for any of `keys`, in no order."""
        key = _column(view, view.clustered[0])
        others = [f'i."{name}"' for name, _ in view.columns if name not in {"position", view.clustered[0]}]
        what = ", ".join([f"i.{key}", "i.position", "i.header", "coalesce(e.standing, 0)", *others])
        return self._connection.execute(
            f"SELECT {what} FROM {table(view)} i"
            " LEFT JOIN entry e ON e.position = i.position AND (e.standing <> 0 OR e.held <> 0)"
            f" WHERE i.{key} = ANY(%s::bytea[]) AND coalesce(e.held, {PAYLOAD}) = {PAYLOAD} AND i.header IS NOT NULL",
            (list(keys),),
            binary=True,
        ).fetchall()


def _columns(view: View) -> str:
    """Return the columns that a view declares, as a statement names them."""
    return ", ".join([f'"{name}"' for name, _ in view.columns])


def _place(view: View, column: str) -> int:
    for place, (name, _) in enumerate(view.columns):
        if name == column:
            return place
    raise Misuse(f"view {view.name} has no column {column!r}")


def _column(view: View, name: str) -> str:
    """Return a column's name, which goes into a statement, if the view declares it. Raises `Misuse`."""
    _place(view, name)
    return f'"{name}"'
