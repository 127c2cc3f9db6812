"""The entries of all logs: small rows by position, with packed commitments and bodies apart.

Rules: as in the SQLite store. A body has one owner, whose position it is kept under; sharers name the
owner. A body goes when neither its owner nor a sharer holds it any more. An entry that came ahead of its
turn is bound to its commitment, and keeps it when its leaf comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from comity.errors import Conflict, Fault, Misuse, NotFound
from comity.node.ports import HELD_CODES, Brief, Entry, NewEntry, place, position
from comity.node.spans import covered
from comity.stores.postgres.interned import Interned
from comity.stores.postgres.leaves import HASH, PostgresLeaves
from comity.stores.postgres.schema import Connection, table
from comity.view import View
from comity.vocab import Held

CODES: Final = {held: code for code, held in enumerate(HELD_CODES)}
PAYLOAD: Final = CODES[Held.PAYLOAD]
WITHHELD: Final = CODES[Held.WITHHELD]
ERASED: Final = CODES[Held.ERASED]

PUT: Final = """
INSERT INTO entry (position, header, standing, held, salt, body) VALUES (%s, %s, 0, %s, %s, %s)
ON CONFLICT (position) DO UPDATE SET
  header = excluded.header, held = excluded.held, salt = excluded.salt, body = excluded.body
"""
READ: Final = """
SELECT e.position, e.held, h.data, e.salt, s.data, b.data
FROM entry e JOIN standing s ON s.id = e.standing
LEFT JOIN header h ON h.id = e.header
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.held = 0
WHERE e.position BETWEEN %s AND %s ORDER BY e.position
"""
RELEASED: Final = f"""
SELECT e.position, CASE WHEN e.held = 0 AND NOT e.allowed THEN {WITHHELD} ELSE e.held END,
  h.data, e.salt, s.data, b.data
FROM (SELECT *, (header, standing) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[])) IS TRUE AS allowed
      FROM entry WHERE position BETWEEN %s AND %s) e
JOIN standing s ON s.id = e.standing
LEFT JOIN header h ON h.id = e.header AND e.allowed
LEFT JOIN body b ON b.position = coalesce(e.body, e.position) AND e.allowed AND e.held = 0
ORDER BY e.position
"""
COUNTS: Final = """
SELECT count(*), (SELECT count(*) FROM ahead WHERE position BETWEEN %(first)s AND %(last)s),
  count(*) FILTER (
    WHERE e.held = 0 AND NOT EXISTS (SELECT 1 FROM body b WHERE b.position = coalesce(e.body, e.position)))
FROM entry e WHERE e.position BETWEEN %(first)s AND %(last)s
"""

# What is not held stands in the index of what is unusual, a log's few entries or none: its runs are read there.
UNHELD: Final = """
FROM entry WHERE position BETWEEN %s AND %s AND (standing <> 0 OR held <> 0) AND held <> 0
"""
UNHELD_BEGUN: Final = f"""
SELECT position, held, before FROM (
  SELECT position, held, lag(position) OVER w AS before, lag(held) OVER w AS was {UNHELD}
  WINDOW w AS (ORDER BY position)
) AS e WHERE before IS NULL OR before <> position - 1 OR was <> held ORDER BY position
"""
UNHELD_LAST: Final = f"SELECT position {UNHELD} ORDER BY position DESC LIMIT 1"

BODIES: Final = """
SELECT e.position, b.data FROM entry e JOIN body b ON b.position = coalesce(e.body, e.position)
WHERE e.position BETWEEN %s AND %s AND e.held = 0
  AND (e.header, e.standing) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
  AND EXISTS (SELECT 1 FROM {} v WHERE v.position = e.position)
ORDER BY e.position
"""
CLASSES: Final = "SELECT DISTINCT header, standing FROM entry WHERE position BETWEEN %s AND %s AND held = %s"
ACTED: Final = """
SELECT DISTINCT header, standing FROM entry
WHERE position BETWEEN %s AND %s AND (standing <> 0 OR held <> 0) AND standing <> 0 AND held = %s
"""


class PostgresEntries:
    """`Entries` over one connection, in one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._leaves = PostgresLeaves(connection)
        self._headers = Interned(connection, "header")
        self._standings = Interned(connection, "standing")

    # -- writing -------------------------------------------------------------

    def append(self, log_id: int, start: int, entries: Sequence[NewEntry]) -> None:
        """Write entries from index `start`, which must equal the number of commitments held (`Conflict`)."""
        if not entries:
            return
        first = position(log_id, start)
        self._leaves.extend(log_id, start, b"".join([entry.commitment for entry in entries]))
        early = self._settle_early(first, entries)
        self._put([(at, entry) for at, entry in enumerate(entries, first) if at not in early])

    def _settle_early(self, first: int, entries: Sequence[NewEntry]) -> set[int]:
        """Return what of a run came ahead of its turn (a flash alert); the leaf must be the one it came with."""
        run = (first, first + len(entries) - 1)
        rows = self._connection.execute(
            "DELETE FROM ahead WHERE position BETWEEN %s AND %s RETURNING position, commitment", run
        )
        early: dict[int, bytes] = dict(rows.fetchall())
        for at, commitment in early.items():
            if entries[at - first].commitment != commitment:
                raise Conflict(f"entry {place(at)} came ahead of its turn under another commitment than its leaf's")
        return set(early)

    def _put(self, entries: Sequence[tuple[int, NewEntry]]) -> None:
        owners = self._owners({entry.body for _, entry in entries if isinstance(entry.body, int)})
        rows: list[tuple[int, int | None, int, bytes | None, int | None]] = []
        bodies: list[tuple[int, bytes]] = []
        for at, (commitment, held, header, salt, body) in entries:
            if len(commitment) != HASH or (held is Held.PAYLOAD) is (header is None or salt is None or body is None):
                raise Misuse(f"entry {place(at)}: header, salt and body belong to a payload, and only to one")
            if isinstance(body, bytes):
                bodies.append((at, body))
            ident = None if header is None else self._headers.id_of(header)
            rows.append((at, ident, CODES[held], salt, owners[body] if isinstance(body, int) else None))
        with self._connection.cursor() as cursor:
            cursor.executemany(PUT, rows)
            cursor.executemany("INSERT INTO body VALUES (%s, %s)", bodies)

    def _owners(self, shared: set[int]) -> dict[int, int]:
        """Return who owns the bodies of these entries: sharing a sharer's is sharing the owner's."""
        if not shared:
            return {}
        rows = self._connection.execute(
            "SELECT position, coalesce(body, position) FROM entry WHERE held = 0 AND position = ANY(%s::bigint[])",
            (list(shared),),
        )
        owners: dict[int, int] = dict(rows.fetchall())
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
        row = self._connection.execute("SELECT held FROM entry WHERE position = %s", (at,)).fetchone()
        if row is not None and row[0] in {ERASED, PAYLOAD}:
            return
        if not known:
            self._connection.execute("INSERT INTO ahead VALUES (%s, %s)", (at, entry.commitment))
        self._put([(at, entry)])

    def _early(self, at: int) -> bytes:
        """Return the commitment of an entry held ahead of its turn, or nothing."""
        row = self._connection.execute("SELECT commitment FROM ahead WHERE position = %s", (at,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def set_standing(self, log_id: int, start: int, end: int, standing: bytes) -> None:
        """Set what the author's acts add up to for a run."""
        ident = self._standings.id_of(standing)
        self._connection.execute(
            "UPDATE entry SET standing = %s WHERE position BETWEEN %s AND %s AND standing != %s",
            (ident, position(log_id, start), position(log_id, end) - 1, ident),
        )

    def erase(self, log_id: int, start: int, end: int) -> int:
        """Drop salts and bytes of a run, and bodies nothing else shares; return how many were held."""
        first, last = position(log_id, start), position(log_id, end) - 1
        owners = self._connection.execute(
            "SELECT coalesce(body, position) FROM entry WHERE position BETWEEN %s AND %s AND held = %s",
            (first, last, PAYLOAD),
        ).fetchall()
        # The header stays: whoever passed the statement on must still know whose office it was.
        self._connection.execute(
            "UPDATE entry SET held = %s, salt = NULL, body = NULL WHERE position BETWEEN %s AND %s",
            (ERASED, first, last),
        )
        self._connection.execute(
            "DELETE FROM body b WHERE b.position = ANY(%s::bigint[])"
            " AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.position = b.position AND e.held = 0)"
            " AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.body = b.position)",
            ([owner for (owner,) in owners],),
        )
        return len(owners)

    # -- reading -------------------------------------------------------------

    def read(self, log_id: int, start: int, end: int) -> Sequence[Entry]:
        """Return the entries of a run, in order, with bytes."""
        run = position(log_id, start), position(log_id, end) - 1
        return list(self._entries(READ, run, log_id, start, end))

    def released(self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]]) -> Iterator[Entry]:
        """Return a run's entries, in SQL: bytes where (header_id, standing_id) is allowed, else WITHHELD."""
        classes = [header for header, _ in allowed], [standing for _, standing in allowed]
        run = position(log_id, start), position(log_id, end) - 1
        return self._entries(RELEASED, (*classes, *run), log_id, start, end)

    def bodies(
        self, log_id: int, start: int, end: int, allowed: Sequence[tuple[int, int]], having: View
    ) -> list[tuple[int, bytes]]:
        """Return (position, bytes) of a run, in SQL: what is held, of the classes allowed, and has a row in a view."""
        classes = [header for header, _ in allowed], [standing for _, standing in allowed]
        run = position(log_id, start), position(log_id, end) - 1
        rows = self._connection.execute(BODIES.format(table(having)), (*run, *classes), binary=True)
        return [(at, bytes(body)) for at, body in rows]

    def _entries(self, sql: str, bound: tuple[Any, ...], log_id: int, start: int, end: int) -> Iterator[Entry]:
        rows = self._connection.execute(sql, bound, binary=True)
        commitments = self._leaves.held("leaves", log_id, start, end)
        first = position(log_id, start)
        for at, held, header, salt, standing, body in rows:
            begin = HASH * (at - first)
            commitment = commitments[begin : begin + HASH] or self._early(at)
            if held != PAYLOAD:
                yield Entry(at, HELD_CODES[held], commitment, None, None, None, standing)
            elif body is None:
                raise Fault(f"the body of entry {place(at)} is missing", hint="the store is damaged: restore a backup")
            else:
                yield Entry(at, Held.PAYLOAD, commitment, header, salt, body, standing)

    def brief(self, log_id: int, start: int, end: int) -> Sequence[Brief]:
        """Return the entries of a run without bytes."""
        rows = self._connection.execute(
            "SELECT position, held, header, standing FROM entry WHERE position BETWEEN %s AND %s ORDER BY position",
            (position(log_id, start), position(log_id, end) - 1),
        )
        return [Brief(at, HELD_CODES[code], header or 0, standing) for at, code, header, standing in rows]

    def is_held(self, log_id: int, index: int) -> bool:
        """Say whether the payload of an index is held, also ahead of its turn."""
        rows = self._connection.execute(
            "SELECT 1 FROM entry WHERE position = %s AND held = %s", (position(log_id, index), PAYLOAD)
        )
        return rows.fetchone() is not None

    def held_runs(self, log_id: int, start: int, end: int) -> Sequence[tuple[int, int, Held]]:
        """Return what is held of a run as ascending (start, end, held), without gaps. Raises `NotFound`."""
        if start >= end:
            return []
        if end > self.count(log_id):
            raise NotFound(f"log {log_id} ends before {end}")
        run = position(log_id, start), position(log_id, end) - 1
        begun = self._connection.execute(UNHELD_BEGUN, run).fetchall()
        last = self._connection.execute(UNHELD_LAST, run).fetchone()
        # Where a run begins, the row before it in the index is where the run before it ended.
        ends = [*(before for _, _, before in begun[1:]), *(last or ())]
        unheld = (
            (place(at)[1], place(stop)[1] + 1, HELD_CODES[code])
            for (at, code, _), stop in zip(begun, ends, strict=True)
        )
        return covered(start, end, unheld, Held.PAYLOAD)

    def classes(self, log_id: int, start: int, end: int, *, acted: bool = False) -> Sequence[tuple[int, int]]:
        """Return the distinct (header_id, standing_id) of the held payloads in a run, or of those an act bears on."""
        rows = self._connection.execute(
            ACTED if acted else CLASSES,
            (position(log_id, start), position(log_id, end) - 1, PAYLOAD),
        )
        return [(header, standing) for header, standing in rows]

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
        run = {"first": position(log_id, 0), "last": position(log_id + 1, 0) - 1}
        rows, ahead, lacking = self._connection.execute(COUNTS, run).fetchall()[0]
        if rows != held + ahead:
            found.append(f"{rows} entries are kept for {held} leaves and {ahead} that came ahead of theirs")
        if lacking:
            found.append(f"{lacking} payloads have no body")
        return found
