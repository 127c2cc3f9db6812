"""Bytes that many rows have in common, kept once: headers and standings.

Rules: an id is never given twice to different bytes that were committed, and never taken back; what an
undone unit of work interned is forgotten with it.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

from comity.errors import NotFound

KEPT: Final = 65_536  # ids and bytes in memory, a few hundred bytes each; then it begins anew


class Interned:
    """One table of interned bytes over one connection."""

    def __init__(self, connection: apsw.Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._ids: dict[bytes, int] = {}
        self._data: dict[int, bytes] = {}

    def forget(self) -> None:
        """Forget what is in memory: the unit of work that wrote it was undone."""
        self._ids.clear()
        self._data.clear()

    def id_of(self, data: bytes) -> int:
        """Return the id of these bytes, which are kept from now on."""
        known = self._ids.get(data)
        if known is not None:
            return known
        table = self._table
        self._connection.execute(f"INSERT INTO {table} (data) VALUES (?) ON CONFLICT (data) DO NOTHING", (data,))
        row: Any = self._connection.execute(f"SELECT id FROM {table} WHERE data = ?", (data,)).fetchone()
        if len(self._ids) >= KEPT:
            self._ids.clear()
        found = self._ids[data] = int(row[0])
        return found

    def data_of(self, ident: int) -> bytes:
        """Return the bytes of an id. Raises `NotFound`."""
        known = self._data.get(ident)
        if known is not None:
            return known
        row: Any = self._connection.execute(f"SELECT data FROM {self._table} WHERE id = ?", (ident,)).fetchone()
        if row is None:
            raise NotFound(f"no {self._table} {ident} in this store")
        if len(self._data) >= KEPT:
            self._data.clear()
        found = self._data[ident] = bytes(row[0])
        return found
