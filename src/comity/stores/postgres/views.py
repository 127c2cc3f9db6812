"""Views as tables, and the look-up hot path.

Rules: names of tables and columns come from the areas' declarations; values are always bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from comity.errors import Misuse
from comity.node.ports import HELD_CODES, Sight
from comity.stores.postgres.schema import Connection, table
from comity.view import Row, Value, View, ViewKind

ARRAYS: Final = {ViewKind.INTEGER: "bigint[]", ViewKind.TEXT: "text[]", ViewKind.BLOB: "bytea[]"}


class PostgresViews:
    """`Views` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, view: View, rows: Sequence[Row]) -> None:
        """Insert rows (position first); a row that is there already is no error."""
        marks = ", ".join(["%s"] * len(view.columns))
        with self._connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table(view)} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)

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
        sql = f"SELECT * FROM {table(view)} WHERE {equal}position > %s ORDER BY position LIMIT %s"
        return self._connection.execute(sql, (*bound, after, limit)).fetchall()

    def find_many(self, view: View, column: str, values: Sequence[Value]) -> Sequence[Row]:
        """Return the rows whose `column` is any of `values`; None matches nothing."""
        kind = ARRAYS[view.columns[_place(view, column)][1]]
        sql = f"SELECT * FROM {table(view)} WHERE {_column(view, column)} = ANY(%s::{kind})"
        return self._connection.execute(sql, (list(values),)).fetchall()

    def scan(self, view: View, first: int, last: int, *, limit: int) -> Sequence[Row]:
        """Return the rows of positions `first` to `last` inclusive, ascending."""
        sql = f"SELECT * FROM {table(view)} WHERE position BETWEEN %s AND %s ORDER BY position LIMIT %s"
        return self._connection.execute(sql, (first, last, limit)).fetchall()

    def count(self, view: View) -> int:
        """Return the number of rows."""
        row = self._connection.execute(f"SELECT count(*) FROM {table(view)}").fetchone()
        return int(row[0]) if row else 0


class PostgresLookups:
    """`Lookups` over one connection: one statement from value to entry to object."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def one(self, index: View, objects: View, value: bytes) -> Sequence[Sight]:
        """Return every entry whose indexed value is `value`."""
        return self.many(index, objects, [value])

    def many(self, index: View, objects: View, values: Sequence[bytes]) -> Sequence[Sight]:
        """Return the entries of any of `values`, unordered."""
        key = _column(index, index.clustered[0])
        rows = self._connection.execute(
            f"SELECT i.{key}, e.position, e.held, e.header, e.standing, o.* FROM {table(index)} i"
            f" JOIN entry e ON e.position = i.position JOIN {table(objects)} o ON o.position = i.position"
            f" WHERE i.{key} = ANY(%s::bytea[])",
            (list(values),),
            binary=True,
        )
        return [_sight(row) for row in rows]


def _sight(row: tuple[Any, ...]) -> Sight:
    value, at, held, header, standing, *rest = row
    return Sight(value, at, HELD_CODES[held], header or 0, standing, tuple(rest))


def _place(view: View, column: str) -> int:
    for place, (name, _) in enumerate(view.columns):
        if name == column:
            return place
    raise Misuse(f"view {view.name} has no column {column!r}")


def _column(view: View, name: str) -> str:
    """Return a column's name, which goes into a statement, if the view declares it. Raises `Misuse`."""
    _place(view, name)
    return f'"{name}"'
