"""The commitments of all logs, 256 to a row, and the roots of their whole blocks.

Rules: as in the SQLite store: commitments are only ever added, at the end, and a full row is hashed into
its block's root.
"""

from __future__ import annotations

from typing import Final

from comity.errors import Conflict, NotFound
from comity.stores.postgres.schema import Connection
from comity.tlog import merkle
from comity.tlog.leaf import leaf_hashes_of

BLOCK: Final = 256  # leaves in a row of commitments, and blocks in a row of block roots
HASH: Final = 32


class PostgresLeaves:
    """Packed hashes over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, log_id: int) -> int:
        """Return how many commitments of a log are held."""
        row = self._connection.execute(
            "SELECT number, length(data) FROM leaves WHERE log = %s ORDER BY number DESC LIMIT 1", (log_id,)
        ).fetchone()
        return 0 if row is None else int(row[0]) * BLOCK + int(row[1]) // HASH

    def extend(self, log_id: int, start: int, commitments: bytes) -> None:
        """Add commitments from index `start`, which must be the number held (`Conflict`)."""
        count = self.count(log_id)
        if count != start:
            raise Conflict(f"log {log_id} holds {count} commitments, not {start}")
        tail = self._extend("leaves", log_id, start, commitments)
        whole = len(tail) // (BLOCK * HASH) * (BLOCK * HASH)
        if whole:
            self._extend("block_roots", log_id, start // BLOCK, merkle.block_roots(leaf_hashes_of(tail[:whole])))

    def _extend(self, table: str, log_id: int, start: int, hashes: bytes) -> bytes:
        """Add hashes to the rows of a table; return them with what stood before them in their first row."""
        first, within = divmod(start, BLOCK)
        tail = self.held(table, log_id, start - within, start) + hashes
        rows = [
            (log_id, first + number, tail[at : at + BLOCK * HASH])
            for number, at in enumerate(range(0, len(tail), BLOCK * HASH))
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} VALUES (%s, %s, %s) ON CONFLICT (log, number) DO UPDATE SET data = excluded.data",
                rows,
            )
        return tail

    def whole(self, table: str, log_id: int, start: int, end: int) -> bytes:
        """Return the hashes of a run. Raises `NotFound` where it is not held to its end."""
        found = self.held(table, log_id, start, end)
        if len(found) != max(0, end - start) * HASH:
            raise NotFound(f"{table} of log {log_id} end before {end}")
        return found

    def held(self, table: str, log_id: int, start: int, end: int) -> bytes:
        """Return the hashes of a run as far as they are held."""
        if start >= end:
            return b""
        first = start // BLOCK
        rows = self._connection.execute(
            f"SELECT data FROM {table} WHERE log = %s AND number BETWEEN %s AND %s ORDER BY number",
            (log_id, first, (end - 1) // BLOCK),
            binary=True,
        )
        data = b"".join([row[0] for row in rows])
        skip = (start - first * BLOCK) * HASH
        return data[skip : skip + (end - start) * HASH]
