"""Spans of acts, documents, and what was refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import apsw

from comity.canon import Instant, Origin
from comity.limits import QUARANTINE_ROWS_MAX
from comity.stores.sqlite.schema import SPAN_SHORT_MAX

SURROGATES_START: Final = 0xD800  # code points that no UTF-8 has
SURROGATES_END: Final = 0xE000


ABOUT: Final = f"""
SELECT start, stop, act FROM span
WHERE origin = ? AND start > ? AND start < ? AND stop > ? AND stop - start <= {SPAN_SHORT_MAX}
UNION ALL
SELECT start, stop, act FROM span INDEXED BY span_long
WHERE origin = ? AND start < ? AND stop > ? AND stop - start > {SPAN_SHORT_MAX}
ORDER BY 1, 2, 3
"""


class SqliteSpans:
    """`Spans` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def add(self, origin: Origin, start: int, end: int, act: int) -> None:
        """Record that the act at position `act` is about a run of `origin`."""
        self._connection.execute(
            "INSERT INTO span VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (origin, start, end, act)
        )

    def about(self, origin: Origin, start: int, end: int) -> Sequence[tuple[int, int, int]]:
        """Return (start, end, act position) of every act overlapping a run."""
        least = start - SPAN_SHORT_MAX  # a short run that begins here or before does not reach the asked one
        rows: Any = self._connection.execute(ABOUT, (origin, least, end, start, origin, end, start))
        return list(rows)

    def clear(self) -> None:
        """Delete all: they are folded again from the logs."""
        self._connection.execute("DELETE FROM span")


class SqliteDocuments:
    """`Documents` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def put(self, shelf: str, key: str, value: bytes) -> None:
        """Write or replace a record."""
        self._connection.execute(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (shelf, key) DO UPDATE SET value = excluded.value",
            (shelf, key, value),
        )

    def get(self, shelf: str, key: str) -> bytes | None:
        """Return a record, or None."""
        row: Any = self._connection.execute("SELECT value FROM document WHERE shelf = ? AND key = ?", (shelf, key))
        found = row.fetchone()
        return None if found is None else bytes(found[0])

    def all(self, shelf: str, prefix: str = "") -> Sequence[tuple[str, bytes]]:
        """Return the records of a shelf whose key starts with `prefix`, in order of key."""
        end = _end_of(prefix)
        before = " AND key < ?" if end else ""
        rows: Any = self._connection.execute(
            f"SELECT key, value FROM document WHERE shelf = ? AND key >= ?{before} ORDER BY key",
            (shelf, prefix, end) if end else (shelf, prefix),
        )
        return [(str(key), bytes(value)) for key, value in rows]

    def delete(self, shelf: str, key: str) -> None:
        """Delete a record if it is there."""
        self._connection.execute("DELETE FROM document WHERE shelf = ? AND key = ?", (shelf, key))


class SqliteQuarantine:
    """`Quarantine` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def add(self, at: Instant, source: str, code: str, reason: str, evidence: bytes) -> None:
        """Keep one refused item; beyond QUARANTINE_ROWS_MAX the oldest goes and is counted."""
        self._connection.execute(
            "INSERT INTO quarantine (at, source, code, reason, evidence) VALUES (?, ?, ?, ?, ?)",
            # A reason may quote hostile text, and half a surrogate pair is no text to a database.
            (at, source, code, reason.encode(errors="replace").decode(), evidence),
        )
        newest = self._connection.last_insert_rowid()
        self._connection.execute("DELETE FROM quarantine WHERE number <= ?", (newest - QUARANTINE_ROWS_MAX,))

    def all(self, *, limit: int) -> Sequence[tuple[int, Instant, str, str, str, bytes]]:
        """Return (number, at, source, code, reason, evidence), newest first."""
        rows: Any = self._connection.execute(
            "SELECT number, at, source, code, reason, evidence FROM quarantine ORDER BY number DESC LIMIT ?", (limit,)
        )
        return list(rows)

    def count(self) -> int:
        """Return how many were ever refused."""
        row: Any = self._connection.execute("SELECT coalesce(max(number), 0) FROM quarantine").fetchone()
        return int(row[0])


def _end_of(prefix: str) -> str:
    """Return the least text above everything that starts with `prefix`; empty where there is none."""
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return ""
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(SURROGATES_END if following == SURROGATES_START else following)
