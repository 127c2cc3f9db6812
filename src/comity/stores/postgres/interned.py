"""Bytes that many rows have in common, kept once: headers and standings.

Rules: nothing is remembered beyond a unit of work, for another process may have undone or done what it rests on.
"""

from __future__ import annotations

from comity.errors import Fault, NotFound
from comity.stores.postgres.schema import Connection


class Interned:
    """One table of interned bytes, in one unit of work."""

    def __init__(self, connection: Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._ids: dict[bytes, int] = {}

    def id_of(self, data: bytes) -> int:
        """Return the id of these bytes, which are kept from now on."""
        known = self._ids.get(data)
        if known is not None:
            return known
        self._connection.execute(
            f"INSERT INTO {self._table} (data) SELECT %(data)s::bytea"
            f" WHERE NOT EXISTS (SELECT 1 FROM {self._table} WHERE sha256(data) = sha256(%(data)s::bytea))",
            {"data": data},
        )
        row = self._connection.execute(
            f"SELECT id FROM {self._table} WHERE sha256(data) = sha256(%s::bytea)", (data,)
        ).fetchone()
        if row is None:
            raise Fault(f"a {self._table} is not there after it was written", hint="the database is damaged")
        found = self._ids[data] = int(row[0])
        return found

    def data_of(self, ident: int) -> bytes:
        """Return the bytes of an id. Raises `NotFound`."""
        row = self._connection.execute(f"SELECT data FROM {self._table} WHERE id = %s", (ident,)).fetchone()
        if row is None:
            raise NotFound(f"no {self._table} {ident} in this store")
        return bytes(row[0])
