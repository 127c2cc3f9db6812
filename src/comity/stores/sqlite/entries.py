"""The entries of all logs: packed commitments, small entry rows, bodies apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import apsw

from comity.errors import Conflict, Fault, NotFound
from comity.node.ports import HELD_CODES, Brief, Entry, NewEntry, place, position
from comity.stores.sqlite.bodies import Bodies
from comity.tlog import merkle
from comity.tlog.leaf import leaf_hashes_of
from comity.vocab import Held

BLOCK: Final = 256  # leaves in a row of commitments, and blocks in a row of block roots
HASH: Final = 32
CODES: Final = {held: code for code, held in enumerate(HELD_CODES)}
PAYLOAD: Final = CODES[Held.PAYLOAD]
ERASED: Final = CODES[Held.ERASED]
INTERNED_KEPT: Final = 65_536

READ: Final = """
SELECT e.position, e.held, h.data, e.salt, s.data, b.codec, b.data
FROM entry e JOIN standing s ON s.id = e.standing
LEFT JOIN header h ON h.id = e.header
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.held = 0
WHERE e.position BETWEEN ? AND ? ORDER BY e.position
"""


class SqliteEntries:
    """`Entries` over one connection."""

    def __init__(self, connection: apsw.Connection, bodies: Bodies) -> None:
        self._connection = connection
        self._bodies = bodies
        self._ids: dict[tuple[str, bytes], int] = {}
        self._data: dict[tuple[str, int], bytes] = {}

    def forget(self) -> None:
        """Forget interned ids: the unit of work that made them was undone."""
        self._ids.clear()
        self._data.clear()

    # -- writing -------------------------------------------------------------

    def append(self, log_id: int, start: int, entries: Sequence[NewEntry]) -> None:
        """Write entries from index `start`, which must equal the number of commitments held (`Conflict`)."""
        if not entries:
            return
        self._extend_leaves(log_id, start, b"".join(entry.commitment for entry in entries))
        first = position(log_id, start)
        rows = []
        for at, entry in enumerate(entries, first):
            shared = entry.body if isinstance(entry.body, int) else None
            header = self._intern("header", entry.header) if entry.header is not None else None
            rows.append((at, header, CODES[entry.held], entry.salt, self._owner(shared)))
        # An entry that came ahead of its turn (a flash alert) is there already, proven by the same leaf.
        self._connection.executemany(
            "INSERT INTO entry (position, header, standing, held, salt, body) VALUES (?, ?, 0, ?, ?, ?)"
            " ON CONFLICT (position) DO NOTHING",
            rows,
        )
        self._put_bodies([(at, e.body) for at, e in enumerate(entries, first) if isinstance(e.body, bytes)])

    def _put_bodies(self, bodies: Sequence[tuple[int, bytes]]) -> None:
        if bodies:
            codec, packed = self._bodies.pack([body for _, body in bodies])
            self._connection.executemany(
                "INSERT INTO body (position, codec, data) VALUES (?, ?, ?) ON CONFLICT (position) DO NOTHING",
                [(at, codec, data) for (at, _), data in zip(bodies, packed, strict=True)],
            )

    def _owner(self, shared: int | None) -> int | None:
        """Return the position that owns a shared body: sharing a sharer's is sharing the owner's."""
        if shared is None:
            return None
        row: Any = self._connection.execute("SELECT coalesce(body, position) FROM entry WHERE position = ?", (shared,))
        found: Any = row.fetchone()
        if found is None:
            raise NotFound(f"no entry at {shared} whose body could be shared")
        return int(found[0])

    def _extend_leaves(self, log_id: int, start: int, commitments: bytes) -> None:
        if self.count(log_id) != start:
            raise Conflict(f"log {log_id} holds {self.count(log_id)} commitments, not {start}")
        block, within = divmod(start, BLOCK)
        tail = self.commitments(log_id, start - within, start) + commitments
        rows = [
            (log_id << 32 | block + number, tail[at : at + BLOCK * HASH])
            for number, at in enumerate(range(0, len(tail), BLOCK * HASH))
        ]
        self._connection.executemany("INSERT OR REPLACE INTO leaves (key, data) VALUES (?, ?)", rows)
        whole = len(tail) // (BLOCK * HASH) * (BLOCK * HASH)
        if whole:
            self._extend_roots(log_id, block, merkle.block_roots(leaf_hashes_of(tail[:whole])))

    def _extend_roots(self, log_id: int, block: int, roots: bytes) -> None:
        group, within = divmod(block, BLOCK)
        tail = self.block_roots(log_id, block - within, block) + roots
        rows = [
            (log_id << 32 | group + number, tail[at : at + BLOCK * HASH])
            for number, at in enumerate(range(0, len(tail), BLOCK * HASH))
        ]
        self._connection.executemany("INSERT OR REPLACE INTO block_roots (key, data) VALUES (?, ?)", rows)

    def fill(self, log_id: int, index: int, entry: NewEntry) -> None:
        """Write the payload of one index: ahead of its turn, or released later than its leaf.

        The commitment must equal the one held, where there is one (`Conflict`). Never revives an erased one.
        """
        at = position(log_id, index)
        if index < self.count(log_id) and self.commitments(log_id, index, index + 1) != entry.commitment:
            raise Conflict(f"entry {index} of log {log_id} has another commitment")
        row: Any = self._connection.execute("SELECT held FROM entry WHERE position = ?", (at,)).fetchone()
        if row is not None and row[0] in {ERASED, PAYLOAD}:
            return
        header = self._intern("header", entry.header) if entry.header is not None else None
        shared = self._owner(entry.body if isinstance(entry.body, int) else None)
        self._connection.execute(
            "INSERT INTO entry (position, header, standing, held, salt, body) VALUES (?, ?, 0, ?, ?, ?)"
            " ON CONFLICT (position) DO UPDATE SET"
            " header = excluded.header, held = excluded.held, salt = excluded.salt, body = excluded.body",
            (at, header, CODES[entry.held], entry.salt, shared),
        )
        if isinstance(entry.body, bytes):
            self._put_bodies([(at, entry.body)])

    def set_standing(self, log_id: int, start: int, end: int, standing: bytes) -> None:
        """Set what the author's acts add up to for a run."""
        self._connection.execute(
            "UPDATE entry SET standing = ?1 WHERE position BETWEEN ?2 AND ?3 AND standing != ?1",
            (self._intern("standing", standing), position(log_id, start), position(log_id, end - 1)),
        )

    def erase(self, log_id: int, start: int, end: int) -> int:
        """Drop salts and bytes of a run, and bodies nothing else shares; return how many were held."""
        first, last = position(log_id, start), position(log_id, end - 1)
        owners: Any = self._connection.execute(
            "SELECT coalesce(body, position) FROM entry WHERE position BETWEEN ? AND ? AND held = ?",
            (first, last, PAYLOAD),
        ).fetchall()
        self._connection.execute(
            "UPDATE entry SET held = ?, salt = NULL, body = NULL, header = NULL WHERE position BETWEEN ? AND ?",
            (ERASED, first, last),
        )
        for (owner,) in owners:
            self._connection.execute(
                "DELETE FROM body WHERE position = ?1"
                " AND NOT EXISTS (SELECT 1 FROM entry WHERE position = ?1 AND held = 0)"
                " AND NOT EXISTS (SELECT 1 FROM entry WHERE body = ?1)",
                (owner,),
            )
        return len(owners)

    def _intern(self, table: str, data: bytes) -> int:
        known = self._ids.get((table, data))
        if known is not None:
            return known
        self._connection.execute(f"INSERT INTO {table} (data) VALUES (?) ON CONFLICT (data) DO NOTHING", (data,))
        row: Any = self._connection.execute(f"SELECT id FROM {table} WHERE data = ?", (data,)).fetchone()
        assert row is not None
        if len(self._ids) >= INTERNED_KEPT:
            self._ids.clear()
        found = self._ids[table, data] = int(row[0])
        return found

    # -- reading -------------------------------------------------------------

    def read(self, log_id: int, start: int, end: int) -> Sequence[Entry]:
        """Return the entries of a run, in order, with bytes."""
        if end == start + 1:
            rows: Any = self._connection.execute(READ, (position(log_id, start), position(log_id, start))).fetchall()
            commitments = self.commitments(log_id, start, end)
            return [self._entry(row, commitments) for row in rows]
        return list(self._run(READ, (position(log_id, start), position(log_id, end - 1)), log_id, start, end))

    def _run(self, sql: str, bindings: tuple[Any, ...], log_id: int, start: int, end: int) -> Iterator[Entry]:
        commitments = self.commitments(log_id, start, end)
        first = position(log_id, start)
        rows: Any = self._connection.execute(sql, bindings)
        for row in rows:
            at = HASH * (int(row[0]) - first)
            yield self._entry(row, commitments[at : at + HASH])

    def _entry(self, row: tuple[Any, ...], commitment: bytes) -> Entry:
        at, held, header, salt, standing, codec, packed = row
        if held != PAYLOAD:
            return Entry(at, HELD_CODES[held], commitment, None, None, None, standing)
        if packed is None:
            raise Fault(f"the body of entry {at} is missing", hint="the store is damaged: restore a backup")
        return Entry(at, Held.PAYLOAD, commitment, header, salt, self._bodies.unpack(codec, packed), standing)

    def brief(self, log_id: int, start: int, end: int) -> Sequence[Brief]:
        """Return the entries of a run without bytes."""
        rows: Any = self._connection.execute(
            "SELECT position, held, header, standing FROM entry WHERE position BETWEEN ? AND ? ORDER BY position",
            (position(log_id, start), position(log_id, end - 1)),
        )
        held = HELD_CODES
        return [Brief(at, held[code], header or 0, standing) for at, code, header, standing in rows]

    def is_held(self, log_id: int, index: int) -> bool:
        """Say whether the payload of an index is held, also ahead of its turn."""
        bindings = (position(log_id, index), PAYLOAD)
        return (
            self._connection.execute("SELECT 1 FROM entry WHERE position = ? AND held = ?", bindings).fetchone()
            is not None
        )

    def held_runs(self, log_id: int, start: int, end: int) -> Sequence[tuple[int, int, Held]]:
        """Return what is held of a run as ascending (start, end, held), without gaps."""
        if start >= end:
            return []
        # Rows where the answer differs from the one before begin a run.
        rows: Any = self._connection.execute(
            "SELECT position, held FROM (SELECT position, held, lag(held) OVER (ORDER BY position) AS before"
            " FROM entry WHERE position BETWEEN ? AND ?) WHERE before IS NULL OR before != held ORDER BY position",
            (position(log_id, start), position(log_id, end - 1)),
        ).fetchall()
        starts = [(place(int(at))[1], HELD_CODES[int(code)]) for at, code in rows]
        ends = [*(at for at, _ in starts[1:]), end]
        return [(at, stop, held) for (at, held), stop in zip(starts, ends, strict=True)]

    def classes(self, log_id: int, start: int, end: int) -> Sequence[tuple[int, int]]:
        """Return the distinct (header_id, standing_id) of the held payloads in a run."""
        if start >= end:
            return []
        rows: Any = self._connection.execute(
            "SELECT DISTINCT header, standing FROM entry WHERE position BETWEEN ? AND ? AND held = ?",
            (position(log_id, start), position(log_id, end - 1), PAYLOAD),
        )
        return [(int(header), int(standing)) for header, standing in rows]

    def released(self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]]) -> Iterator[Entry]:
        """Return a run's entries, in SQL: bytes where (header_id, standing_id) is allowed, else WITHHELD."""
        pairs = ", ".join(f"({int(header)}, {int(standing)})" for header, standing in allowed) or "(-1, -1)"
        sql = f"""
WITH allowed (header, standing) AS (VALUES {pairs})
SELECT e.position, CASE WHEN e.held = 0 AND a.header IS NULL THEN {CODES[Held.WITHHELD]} ELSE e.held END,
  h.data, e.salt, s.data, b.codec, b.data
FROM entry e JOIN standing s ON s.id = e.standing
LEFT JOIN allowed a ON a.header = e.header AND a.standing = e.standing
LEFT JOIN header h ON h.id = a.header
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND a.header IS NOT NULL AND e.held = 0
WHERE e.position BETWEEN ? AND ? ORDER BY e.position"""
        return self._run(sql, (position(log_id, start), position(log_id, end - 1)), log_id, start, end)

    def header(self, header_id: int) -> bytes:
        """Return the bytes of an interned header."""
        return self._interned("header", header_id)

    def standing(self, standing_id: int) -> bytes:
        """Return the canonical bytes of an interned standing."""
        return self._interned("standing", standing_id)

    def _interned(self, table: str, ident: int) -> bytes:
        known = self._data.get((table, ident))
        if known is not None:
            return known
        row: Any = self._connection.execute(f"SELECT data FROM {table} WHERE id = ?", (ident,)).fetchone()
        if row is None:
            raise NotFound(f"no {table} {ident} in this store")
        if len(self._data) >= INTERNED_KEPT:
            self._data.clear()
        found = self._data[table, ident] = bytes(row[0])
        return found

    def count(self, log_id: int) -> int:
        """Return how many commitments of a log are held."""
        row: Any = self._connection.execute(
            "SELECT key, length(data) FROM leaves WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
            (log_id << 32, (log_id + 1 << 32) - 1),
        ).fetchone()
        if row is None:
            return 0
        return (int(row[0]) & 0xFFFFFFFF) * BLOCK + int(row[1]) // HASH

    def commitments(self, log_id: int, start: int, end: int) -> bytes:
        """Return the commitments of a run, 32 bytes each."""
        return self._packed("leaves", log_id, start, end)

    def block_roots(self, log_id: int, start: int, end: int) -> bytes:
        """Return the roots of whole 256-leaf blocks `start` up to `end`, 32 bytes each."""
        return self._packed("block_roots", log_id, start, end)

    def _packed(self, table: str, log_id: int, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        first = start // BLOCK
        rows: Any = self._connection.execute(
            f"SELECT data FROM {table} WHERE key BETWEEN ? AND ? ORDER BY key",
            (log_id << 32 | first, log_id << 32 | (end - 1) // BLOCK),
        )
        data = b"".join(row[0] for row in rows)
        skip = (start - first * BLOCK) * HASH
        found = data[skip : skip + (end - start) * HASH]
        if len(found) != (end - start) * HASH:
            raise NotFound(f"{table} of log {log_id} end before {end}")
        return found
