"""The entries of all logs: small rows by position, with packed commitments and bodies apart.

Rules: a body has one owner, whose position it is kept under; sharers name the owner, never one another.
A body goes when neither its owner nor a sharer holds it any more. An entry that came ahead of its turn is
bound to its commitment, and keeps it when its leaf comes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

import apsw

from comity.errors import Conflict, Fault, Misuse, NotFound
from comity.node.ports import HELD_CODES, Brief, Entry, NewEntry, place, position
from comity.node.spans import covered
from comity.stores.sqlite.bodies import Bodies
from comity.stores.sqlite.interned import Interned
from comity.stores.sqlite.leaves import BLOCK, HASH, SqliteLeaves
from comity.stores.sqlite.schema import table
from comity.view import View
from comity.vocab import Held

CODES: Final = {held: code for code, held in enumerate(HELD_CODES)}
PAYLOAD: Final = CODES[Held.PAYLOAD]
WITHHELD: Final = CODES[Held.WITHHELD]
ERASED: Final = CODES[Held.ERASED]
CLASS_BITS: Final = 32  # a header's and a standing's id as one number

PUT: Final = """
INSERT INTO entry (position, header, standing, held, salt, body) VALUES (?, ?, 0, ?, ?, ?)
ON CONFLICT (position) DO UPDATE SET
  header = excluded.header, held = excluded.held, salt = excluded.salt, body = excluded.body
"""
READ: Final = """
SELECT e.position, e.held, e.header, e.salt, e.standing, b.codec, b.data FROM entry e
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.held = 0
WHERE e.position BETWEEN ? AND ? ORDER BY e.position
"""
# One entry is what is read most, by look-ups: its commitment is cut out of its row of leaves in the same step.
READ_ONE: Final = f"""
SELECT (SELECT substr(data, (e.position & {BLOCK - 1}) * {HASH} + 1, {HASH}) FROM leaves WHERE key = e.position >> 8),
  e.position, e.held, e.header, e.salt, e.standing, b.codec, b.data FROM entry e
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.held = 0
WHERE e.position = ?
"""
RELEASED: Final = f"""
SELECT e.position, CASE WHEN e.held = 0 AND NOT e.allowed THEN {WITHHELD} ELSE e.held END,
  e.header, e.salt, e.standing, b.codec, b.data
FROM (SELECT *, (header << {CLASS_BITS} | standing) IN (SELECT value FROM carray(?1)) AS allowed
      FROM entry WHERE position BETWEEN ?2 AND ?3) e
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.allowed AND e.held = 0
ORDER BY e.position
"""
BODIES: Final = f"""
SELECT e.position, b.codec, b.data FROM entry e JOIN body b ON b.position = coalesce(e.body, e.position)
WHERE e.position BETWEEN ?2 AND ?3 AND e.held = 0
  AND (e.header << {CLASS_BITS} | e.standing) IN (SELECT value FROM carray(?1))
  AND EXISTS (SELECT 1 FROM {{}} v WHERE v.position = e.position)
ORDER BY e.position
"""
COUNTS: Final = """
SELECT count(*), (SELECT count(*) FROM ahead WHERE position BETWEEN ? AND ?),
  total(e.held = 0 AND NOT EXISTS (SELECT 1 FROM body WHERE position = coalesce(e.body, e.position)))
FROM entry e WHERE e.position BETWEEN ? AND ?
"""

# What is not held stands in the index of what is unusual, a log's few entries or none: its runs are read there.
UNHELD: Final = """
FROM entry INDEXED BY entry_unusual WHERE position BETWEEN ? AND ? AND (standing != 0 OR held != 0) AND held != 0
"""
UNHELD_BEGUN: Final = f"""
SELECT position, held, before FROM (
  SELECT position, held, lag(position) OVER w AS before, lag(held) OVER w AS was {UNHELD}
  WINDOW w AS (ORDER BY position)
) AS e WHERE before IS NULL OR before != position - 1 OR was != held ORDER BY position
"""
UNHELD_LAST: Final = f"SELECT position {UNHELD} ORDER BY position DESC LIMIT 1"

CLASSES: Final = "SELECT DISTINCT header, standing FROM entry WHERE position BETWEEN ? AND ? AND held = ?"
ACTED: Final = """
SELECT DISTINCT header, standing FROM entry INDEXED BY entry_unusual
WHERE position BETWEEN ? AND ? AND (standing != 0 OR held != 0) AND standing != 0 AND held = ?
"""


class SqliteEntries:
    """`Entries` over one connection."""

    def __init__(self, connection: apsw.Connection, bodies: Bodies) -> None:
        self._connection = connection
        self._bodies = bodies
        self._leaves = SqliteLeaves(connection)
        self._headers = Interned(connection, "header")
        self._standings = Interned(connection, "standing")
        self.erased = False  # whether bytes were erased that the write-ahead log still shows

    def forget(self) -> None:
        """Forget interned ids: the unit of work that made them was undone."""
        self._headers.forget()
        self._standings.forget()

    # -- writing -------------------------------------------------------------

    def append(self, log_id: int, start: int, entries: Sequence[NewEntry]) -> None:
        """Write entries from index `start`, which must equal the number of commitments held (`Conflict`)."""
        if not entries:
            return
        first = position(log_id, start)
        self._leaves.extend(log_id, start, b"".join([entry.commitment for entry in entries]))
        early = self._settle_early(first, entries)
        placed = list(enumerate(entries, first))
        self._put([(at, entry) for at, entry in placed if at not in early] if early else placed)

    def _settle_early(self, first: int, entries: Sequence[NewEntry]) -> set[int]:
        """Return what of a run came ahead of its turn (a flash alert); the leaf must be the one it came with."""
        run = (first, first + len(entries) - 1)
        rows: Any = self._connection.execute(
            "SELECT position, commitment FROM ahead WHERE position BETWEEN ? AND ?", run
        )
        early = dict(rows)
        for at, commitment in early.items():
            if entries[at - first].commitment != commitment:
                raise Conflict(f"entry {place(at)} came ahead of its turn under another commitment than its leaf's")
        if early:
            self._connection.execute("DELETE FROM ahead WHERE position BETWEEN ? AND ?", run)
        return set(early)

    def _put(self, entries: Sequence[tuple[int, NewEntry]]) -> None:
        owners = self._owners({entry.body for _, entry in entries if isinstance(entry.body, int)})
        rows: list[tuple[int, int | None, int, bytes | None, int | None]] = []
        bodies: list[bytes] = []
        placed: list[int] = []
        header_id, payload = self._headers.id_of, Held.PAYLOAD
        for at, (commitment, held, header, salt, body) in entries:
            if len(commitment) != HASH or (held is payload) is (header is None or salt is None or body is None):
                raise Misuse(f"entry {place(at)}: header, salt and body belong to a payload, and only to one")
            ident = None if header is None else header_id(header)
            if isinstance(body, bytes):
                bodies.append(body)
                placed.append(at)
                rows.append((at, ident, PAYLOAD, salt, None))
            else:
                rows.append((at, ident, CODES[held], salt, None if body is None else owners[body]))
        self._connection.executemany(PUT, rows)
        if bodies:
            codec, packed = self._bodies.pack(bodies)
            self._connection.executemany(
                "INSERT INTO body (position, codec, data) VALUES (?, ?, ?)",
                [(at, codec, data) for at, data in zip(placed, packed, strict=True)],
            )

    def _owners(self, shared: set[int]) -> dict[int, int]:
        """Return who owns the bodies of these entries: sharing a sharer's is sharing the owner's."""
        if not shared:
            return {}
        rows: Any = self._connection.execute(
            "SELECT e.position, coalesce(e.body, e.position) FROM carray(?) asked"
            " JOIN entry e ON e.position = asked.value AND e.held = 0",
            (apsw.carray(array("q", shared)),),
        )
        owners = dict(rows)
        for at in shared - owners.keys():
            raise NotFound(f"no body is held at {place(at)} that could be shared")
        return owners

    def fill(self, log_id: int, index: int, entry: NewEntry) -> None:
        """Write the payload of one index: ahead of its turn, or released later than its leaf.

        The commitment must equal the one held, where there is one (`Conflict`). Never revives an erased one.
        """
        if entry.held is not Held.PAYLOAD:
            raise Misuse(f"entry {index} of log {log_id} is filled with no payload")
        at = position(log_id, index)
        known = self._leaves.held("leaves", log_id, index, index + 1)
        if (known or self._early(at)) not in {b"", entry.commitment}:
            raise Conflict(f"entry {index} of log {log_id} has another commitment")
        row: Any = self._connection.execute("SELECT held FROM entry WHERE position = ?", (at,)).fetchone()
        if row is not None and row[0] in {ERASED, PAYLOAD}:
            return
        if not known:
            self._connection.execute("INSERT INTO ahead VALUES (?, ?)", (at, entry.commitment))
        self._put([(at, entry)])

    def _early(self, at: int) -> bytes:
        """Return the commitment of an entry held ahead of its turn, or nothing."""
        row: Any = self._connection.execute("SELECT commitment FROM ahead WHERE position = ?", (at,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def set_standing(self, log_id: int, start: int, end: int, standing: bytes) -> None:
        """Set what the author's acts add up to for a run."""
        self._connection.execute(
            "UPDATE entry SET standing = ?1 WHERE position BETWEEN ?2 AND ?3 AND standing != ?1",
            (self._standings.id_of(standing), position(log_id, start), position(log_id, end) - 1),
        )

    def erase(self, log_id: int, start: int, end: int) -> int:
        """Drop salts and bytes of a run, and bodies nothing else shares; return how many were held."""
        first, last = position(log_id, start), position(log_id, end) - 1
        owners: Any = self._connection.execute(
            "SELECT coalesce(body, position) FROM entry WHERE position BETWEEN ? AND ? AND held = ?",
            (first, last, PAYLOAD),
        ).fetchall()
        # The header stays: whoever passed the statement on must still know whose office it was.
        self._connection.execute(
            "UPDATE entry SET held = ?, salt = NULL, body = NULL WHERE position BETWEEN ? AND ?", (ERASED, first, last)
        )
        self._connection.executemany(
            "DELETE FROM body WHERE position = ?1"
            " AND NOT EXISTS (SELECT 1 FROM entry WHERE position = ?1 AND held = 0)"
            " AND NOT EXISTS (SELECT 1 FROM entry WHERE body = ?1)",
            owners,
        )
        self.erased = self.erased or bool(owners)
        return len(owners)

    # -- reading -------------------------------------------------------------

    def read(self, log_id: int, start: int, end: int) -> Sequence[Entry]:
        """Return the entries of a run, in order, with bytes."""
        if end - start == 1:
            one: Any = self._connection.execute(READ_ONE, (position(log_id, start),)).fetchone()
            return [] if one is None else [self._entry(one[0], one[1:])]
        run = position(log_id, start), position(log_id, end) - 1
        return list(self._entries(self._connection.execute(READ, run), log_id, start, end))

    def released(self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]]) -> Iterator[Entry]:
        """Return a run's entries, in SQL: bytes where (header_id, standing_id) is allowed, else WITHHELD."""
        classes = array("q", [header << CLASS_BITS | standing for header, standing in allowed] or [-1])
        run = position(log_id, start), position(log_id, end) - 1
        rows = self._connection.execute(RELEASED, (apsw.carray(classes), *run))
        return self._entries(rows, log_id, start, end)

    def _entries(self, rows: Any, log_id: int, start: int, end: int) -> Iterator[Entry]:
        commitments = self._leaves.held("leaves", log_id, start, end)
        first = position(log_id, start)
        for row in rows:
            begin = HASH * (row[0] - first)
            yield self._entry(commitments[begin : begin + HASH], row)

    def _entry(self, commitment: bytes | None, row: tuple[Any, ...]) -> Entry:
        at, held, header, salt, standing, codec, packed = row
        if not commitment:
            commitment = self._early(at)
        acts = self._standings.data_of(standing)
        if held != PAYLOAD:
            return Entry(at, HELD_CODES[held], commitment, None, None, None, acts)
        if packed is None:
            raise Fault(f"the body of entry {place(at)} is missing", hint="the store is damaged: restore a backup")
        body = self._bodies.unpack(codec, packed)
        return Entry(at, HELD_CODES[PAYLOAD], commitment, self._headers.data_of(header), salt, body, acts)

    def bodies(
        self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]], having: View
    ) -> list[tuple[int, bytes]]:
        """Return (position, bytes) of a run, in SQL: what is held, of the classes allowed, and has a row in a view."""
        classes = array("q", [header << CLASS_BITS | standing for header, standing in allowed] or [-1])
        run = position(log_id, start), position(log_id, end) - 1
        rows: Any = self._connection.execute(BODIES.format(table(having)), (apsw.carray(classes), *run)).fetchall()
        unpack = self._bodies.unpack
        return [(at, unpack(codec, packed)) for at, codec, packed in rows]

    def brief(self, log_id: int, start: int, end: int) -> Sequence[Brief]:
        """Return the entries of a run without bytes."""
        rows: Any = self._connection.execute(
            "SELECT position, held, header, standing FROM entry WHERE position BETWEEN ? AND ? ORDER BY position",
            (position(log_id, start), position(log_id, end) - 1),
        )
        held = HELD_CODES
        return [Brief(at, held[code], header or 0, standing) for at, code, header, standing in rows]

    def is_held(self, log_id: int, index: int) -> bool:
        """Say whether the payload of an index is held, also ahead of its turn."""
        rows = self._connection.execute(
            "SELECT 1 FROM entry WHERE position = ? AND held = ?", (position(log_id, index), PAYLOAD)
        )
        return rows.fetchone() is not None

    def held_runs(self, log_id: int, start: int, end: int) -> Sequence[tuple[int, int, Held]]:
        """Return what is held of a run as ascending (start, end, held), without gaps. Raises `NotFound`."""
        if start >= end:
            return []
        if end > self.count(log_id):
            raise NotFound(f"log {log_id} ends before {end}")
        run = position(log_id, start), position(log_id, end) - 1
        begun: Any = self._connection.execute(UNHELD_BEGUN, run).fetchall()
        last: Any = self._connection.execute(UNHELD_LAST, run).fetchone()
        # Where a run begins, the row before it in the index is where the run before it ended.
        ends = [*(before for _, _, before in begun[1:]), *(last or ())]
        unheld = (
            (place(at)[1], place(stop)[1] + 1, HELD_CODES[code])
            for (at, code, _), stop in zip(begun, ends, strict=True)
        )
        return covered(start, end, unheld, Held.PAYLOAD)

    def classes(self, log_id: int, start: int, end: int, *, acted: bool = False) -> Sequence[tuple[int, int]]:
        """Return the distinct (header_id, standing_id) of the held payloads in a run, or of those an act bears on."""
        rows: Any = self._connection.execute(
            ACTED if acted else CLASSES,
            (position(log_id, start), position(log_id, end) - 1, PAYLOAD),
        )
        return list(rows)

    def header(self, header_id: int) -> bytes:
        """Return the bytes of an interned header."""
        return self._headers.data_of(header_id)

    def standing(self, standing_id: int) -> bytes:
        """Return the canonical bytes of an interned standing."""
        return self._standings.data_of(standing_id)

    def count(self, log_id: int) -> int:
        """Return how many commitments of a log are held."""
        return self._leaves.count(log_id)

    def commitments(self, log_id: int, start: int, end: int) -> bytes:
        """Return the commitments of a run, 32 bytes each. Raises `NotFound`."""
        return self._leaves.whole("leaves", log_id, start, end)

    def block_roots(self, log_id: int, start: int, end: int) -> bytes:
        """Return the roots of whole 256-leaf blocks `start` up to `end`, 32 bytes each. Raises `NotFound`."""
        return self._leaves.whole("block_roots", log_id, start, end)

    def wrong(self, log_id: int, size: int) -> list[str]:
        """Return what does not add up in a log that should have `size` leaves, in words."""
        found: list[str] = []
        held = self.count(log_id)
        if held != size:
            found.append(f"{held} commitments are kept for {size} leaves")
        run = position(log_id, 0), position(log_id + 1, 0) - 1
        counts: Any = self._connection.execute(COUNTS, (*run, *run)).fetchone()
        rows, ahead, lacking = counts
        if rows != held + ahead:
            found.append(f"{rows} entries are kept for {held} leaves and {ahead} that came ahead of theirs")
        if lacking:
            found.append(f"{int(lacking)} payloads have no body")
        return found
