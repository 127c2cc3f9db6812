"""Views as tables, and the look-up hot path.

Random keys of a batch would change nearly every page of a large tree, and each page is written twice. So new rows of
a scattered view go to a small table first, and from there, many at once and in order, to the large one.

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
from comity.stores.sqlite.schema import table, tables
from comity.view import Value, View
from comity.vocab import Held

PAYLOAD: Final = HELD_CODES.index(Held.PAYLOAD)
NEW_ROWS_MAX: Final = 65_536  # rows that wait: half as many or twice as many are written 25 % more often, all in all
NEW_ROWS_KEPT: Final = 4_096  # so few may wait on: their table stays in memory
ASKED_AT_ONCE: Final = 16_384  # values bound as one array


class SqliteViews:
    """`Views` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._new: dict[str, int] = {}  # by view: rows that wait in its small table, once counted

    def forget(self) -> None:
        """Count anew: the unit of work that wrote was undone."""
        self._new.clear()

    def put(self, view: View, rows: Sequence[tuple[Value, ...]], *, first: bool = False) -> None:
        """Insert rows (position first); a row that is there already is no error, unless these are the `first`."""
        # In the order of the tree they go to: half the page writes for random keys.
        key = [_place(view, name) for name in view.clustered]
        ordered: Any = sorted(rows, key=itemgetter(*key)) if key else rows
        self._connection.executemany(_insert(view, first=first), ordered)
        if view.scattered and self._waiting(view, len(rows)) >= NEW_ROWS_MAX:
            self.arrange(view)

    def _waiting(self, view: View, more: int) -> int:
        known = self._new.get(view.name)
        if known is None:
            row: Any = self._connection.execute(f"SELECT count(*) FROM {tables(view)[1]}").fetchone()
            known, more = int(row[0]), 0
        self._new[view.name] = known + more
        return known + more

    def arrange(self, view: View) -> None:
        """Put new rows of a scattered view, where they are many, where a look-up takes one step to them."""
        if not view.scattered or self._waiting(view, 0) < NEW_ROWS_KEPT:
            return
        name, new = tables(view)
        self._connection.execute(f"INSERT INTO {name} SELECT * FROM {new} ORDER BY {', '.join(view.clustered)}")
        self._connection.execute(f"DELETE FROM {new}")
        self._new[view.name] = 0

    def delete(self, view: View, rows: Sequence[tuple[Value, ...]]) -> None:
        """Delete exactly these rows, found by their key."""
        where = " AND ".join(f"{name} = ?" for name in (*view.clustered, "position"))
        key = [*(_place(view, name) for name in view.clustered), 0]
        bound = [tuple([row[place] for place in key]) for row in rows]
        for name in tables(view):
            self._connection.executemany(f"DELETE FROM {name} WHERE {where}", bound)

    def drop(self, view: View, first: int, last: int) -> None:
        """Delete the rows of positions `first` to `last` inclusive."""
        for name in tables(view):
            self._connection.execute(f"DELETE FROM {name} WHERE position BETWEEN ? AND ?", (first, last))

    def clear(self, view: View) -> None:
        """Delete every row."""
        self._new.pop(view.name, None)
        for name in tables(view):
            self._connection.execute(f"DELETE FROM {name}")

    def find(
        self, view: View, where: Mapping[str, Value], *, limit: int, after: int = -1
    ) -> Sequence[tuple[Value, ...]]:
        """Return rows equal on the named columns, by ascending position after `after`."""
        equal = "".join(f"{_column(view, name)} IS ? AND " for name in where)
        return self._by_position(view, f"{equal}position > ?", (*where.values(), after), limit)

    def find_many(self, view: View, column: str, values: Sequence[Value]) -> Sequence[tuple[Value, ...]]:
        """Return the rows whose `column` is any of `values`; None matches nothing."""
        what = _columns(view, "v.")
        found: list[Any] = []
        for chunk in _arrays(values):
            for name in tables(view):
                sql = f"SELECT {what} FROM carray(?) asked JOIN {name} v ON v.{_column(view, column)} = asked.value"
                found += self._connection.execute(sql, (chunk,)).fetchall()
        return found

    def differing(self, view: View, column: str, keys: Sequence[Value]) -> Sequence[Value]:
        """Return which of `keys` have rows that differ in an integer `column`."""
        key = view.clustered[0]
        rows = " UNION ALL ".join(
            f"SELECT {_column(view, column)} AS told FROM {name} WHERE {key} = asked.value" for name in tables(view)
        )
        # No row is made for a key whose rows agree, and nothing is sorted: most keys have one row.
        sql = f"SELECT value FROM carray(?) asked WHERE (SELECT min(told) < max(told) FROM ({rows}))"
        return [row[0] for chunk in _arrays(keys) for row in self._connection.execute(sql, (chunk,))]

    def repeated(self, view: View) -> Sequence[tuple[Value, ...]]:
        """Return the rows of a view clustered by one column whose key another row has, too, in no order."""
        keys = set(self._repeated(view))
        return self.find_many(view, view.clustered[0], sorted(keys)) if keys else []

    def repeated_keys(self, view: View, *, most: int) -> Sequence[Value] | None:
        """Return those keys alone, found in one pass; None where they are more than `most`."""
        found: set[Any] = set()
        for key in self._repeated(view):
            found.add(key)
            if len(found) > most:
                return None
        return list(found)

    def _repeated(self, view: View) -> Iterator[Any]:
        """Yield keys that several rows have; some of them twice."""
        key = view.clustered[0]
        name, *small = tables(view)
        # In the order of the tree, so that nothing is sorted; what waits is looked up in it.
        asked = [f"SELECT {key} FROM {name} GROUP BY {key} HAVING count(*) > 1"]
        for new in small:
            asked.append(f"SELECT {key} FROM {new} GROUP BY {key} HAVING count(*) > 1")
            asked.append(f"SELECT {key} FROM {new} n WHERE EXISTS (SELECT 1 FROM {name} v WHERE v.{key} = n.{key})")
        for sql in asked:
            yield from (row[0] for row in self._connection.execute(sql))

    def scan(self, view: View, first: int, last: int, *, limit: int) -> Sequence[tuple[Value, ...]]:
        """Return the rows of positions `first` to `last` inclusive, ascending."""
        return self._by_position(view, "position BETWEEN ? AND ?", (first, last), limit)

    def _by_position(self, view: View, where: str, bound: tuple[Value, ...], limit: int) -> Sequence[tuple[Value, ...]]:
        found: list[tuple[Any, ...]] = []
        for name in tables(view):
            sql = f"SELECT {_columns(view)} FROM {name} WHERE {where} ORDER BY position LIMIT ?"
            found += self._connection.execute(sql, (*bound, limit)).fetchall()
        return sorted(found, key=itemgetter(0))[:limit] if view.scattered else found

    def count(self, view: View) -> int:
        """Return the number of rows."""
        counts: Any = [self._connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in tables(view)]
        return sum(int(row[0]) for row in counts)

    def is_empty(self, view: View) -> bool:
        """Say whether there is no row; in no more time the more rows there are."""
        names = tables(view)
        return not any(self._connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in names)


def _insert(view: View, *, first: bool) -> str:
    """Return the statement that adds one row, whose values are bound in the order of the view's columns."""
    values = [f"?{number}" for number, _ in enumerate(view.columns, 1)]
    if view.with_header:
        values.append("(SELECT header FROM entry WHERE position = ?1)")
    if not view.scattered:
        return f"INSERT INTO {table(view)} VALUES ({', '.join(values)}) ON CONFLICT DO NOTHING"
    name, new = tables(view)
    known = " AND ".join(f"{column} = ?{_place(view, column) + 1}" for column in (*view.clustered, "position"))
    unless = "true" if first else f"NOT EXISTS (SELECT 1 FROM {name} WHERE {known})"
    return f"INSERT INTO {new} SELECT {', '.join(values)} WHERE {unless} ON CONFLICT DO NOTHING"


class SqliteLookups:
    """`Lookups` over one connection: one statement, and one tree for what is plainly held."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._statements: dict[str, tuple[str, str]] = {}  # name of a view -> for one key, for many

    def one(self, view: View, key: bytes) -> Sequence[Sight]:
        """Return the row of every entry that has this key and whose payload is held."""
        return self._connection.execute(self._statement(view)[0], (key,)).fetchall()

    def many(self, view: View, keys: Sequence[bytes]) -> Sequence[Sight]:
        """Return the rows for any of `keys`, in no order."""
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
            known = self._statements[view.name] = (
                " UNION ALL ".join(_look_up(view, f"{name} i", "?1") for name in tables(view)),
                " UNION ALL ".join(
                    _look_up(view, f"carray(?1) asked CROSS JOIN {name} i", "asked.value") for name in tables(view)
                ),
            )
        return known


def _look_up(view: View, tables: str, wanted: str) -> str:
    (key,) = view.clustered
    others = [f"i.{name}" for name, _ in view.columns if name not in {"position", key}]
    return (
        f"SELECT {', '.join([f'i.{key}', 'i.position', 'i.header', 'coalesce(e.standing, 0)', *others])} FROM {tables}"
        " LEFT JOIN entry e INDEXED BY entry_unusual"
        " ON e.position = i.position AND (e.standing != 0 OR e.held != 0)"
        f" WHERE i.{key} = {wanted} AND coalesce(e.held, {PAYLOAD}) = {PAYLOAD} AND i.header IS NOT NULL"
    )


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
