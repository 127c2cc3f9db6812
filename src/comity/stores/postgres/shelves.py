"""Spans of acts, documents, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from comity.canon import Instant, Origin
from comity.limits import QUARANTINE_ROWS_MAX
from comity.stores.postgres.schema import SPAN_SHORT_MAX, Connection

ABOUT: Final = f"""
SELECT start, stop, act FROM span
WHERE origin = %s AND start > %s AND start < %s AND stop > %s AND stop - start <= {SPAN_SHORT_MAX}
UNION ALL
SELECT start, stop, act FROM span
WHERE origin = %s AND start < %s AND stop > %s AND stop - start > {SPAN_SHORT_MAX}
ORDER BY 1, 2, 3
"""


class PostgresSpans:
    """`Spans` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, origin: Origin, start: int, end: int, act: int) -> None:
        """Record that the act at position `act` is about a run of `origin`."""
        self._connection.execute(
            "INSERT INTO span VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", (origin, start, end, act)
        )

    def about(self, origin: Origin, start: int, end: int) -> Sequence[tuple[int, int, int]]:
        """Return (start, end, act position) of every act overlapping a run."""
        least = start - SPAN_SHORT_MAX  # a short run that begins here or before does not reach the asked one
        rows = self._connection.execute(ABOUT, (origin, least, end, start, origin, end, start))
        return [(first, last, act) for first, last, act in rows]

    def clear(self) -> None:
        """Delete all: they are folded again from the logs."""
        self._connection.execute("DELETE FROM span")


class PostgresDocuments:
    """`Documents` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, shelf: str, key: str, value: bytes) -> None:
        """Write or replace a record."""
        self._connection.execute(
            "INSERT INTO document VALUES (%s, %s, %s) ON CONFLICT (shelf, key) DO UPDATE SET value = excluded.value",
            (shelf, key, value),
        )

    def get(self, shelf: str, key: str) -> bytes | None:
        """Return a record, or None."""
        row = self._connection.execute(
            "SELECT value FROM document WHERE shelf = %s AND key = %s", (shelf, key)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def all(self, shelf: str, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        """Return the records of a shelf whose key starts with `prefix`, in order of key."""
        rows = self._connection.execute(
            "SELECT key, value FROM document WHERE shelf = %s AND key >= %s AND starts_with(key, %s) ORDER BY key",
            (shelf, prefix, prefix),
        )
        return [(key, value) for key, value in rows]

    def delete(self, shelf: str, key: str) -> None:
        """Delete a record if it is there."""
        self._connection.execute("DELETE FROM document WHERE shelf = %s AND key = %s", (shelf, key))


class PostgresQuarantine:
    """`Quarantine` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, at: Instant, source: str, code: str, reason: str, evidence: bytes) -> None:
        """Keep one refused item; beyond QUARANTINE_ROWS_MAX the oldest goes and is counted."""
        newest = self.count() + 1
        self._connection.execute(
            "INSERT INTO quarantine VALUES (%s, %s, %s, %s, %s, %s)",
            # A reason may quote hostile text, and half a surrogate pair is no text.
            (newest, at, source, code, reason.encode(errors="replace"), evidence),
        )
        self._connection.execute("DELETE FROM quarantine WHERE number <= %s", (newest - QUARANTINE_ROWS_MAX,))

    def all(self, *, limit: int) -> Sequence[tuple[int, Instant, str, str, str, bytes]]:
        """Return (number, at, source, code, reason, evidence), newest first."""
        rows = self._connection.execute(
            "SELECT number, at, source, code, reason, evidence FROM quarantine ORDER BY number DESC LIMIT %s", (limit,)
        )
        return [(number, at, source, code, reason.decode(), data) for number, at, source, code, reason, data in rows]

    def count(self) -> int:
        """Return how many were ever refused."""
        row = self._connection.execute("SELECT coalesce(max(number), 0) FROM quarantine").fetchone()
        return int(row[0]) if row else 0
