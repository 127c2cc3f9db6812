"""The logs a node writes or follows, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from comity.canon import Origin, PartyId
from comity.errors import Conflict, NotFound
from comity.node.ports import Log, LogState

COLUMNS: Final = "id, origin, party, own, state, size, root, frontier, signed, note"
ORDER: Final = (LogState.OPEN, LogState.CLOSED, LogState.FROZEN)


class SqliteLogs:
    """`Logs` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def find(self, origin: Origin) -> Log | None:
        """Return the log of that origin, or None."""
        row = self._connection.execute(f"SELECT {COLUMNS} FROM log WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else _log(row)

    def get(self, log_id: int) -> Log:
        """Return the log of that id. Raises `NotFound`."""
        row = self._connection.execute(f"SELECT {COLUMNS} FROM log WHERE id = ?", (log_id,)).fetchone()
        if row is None:
            raise NotFound(f"no log {log_id} in this store")
        return _log(row)

    def all(self) -> Sequence[Log]:
        """Return every log, in order of origin."""
        return [_log(row) for row in self._connection.execute(f"SELECT {COLUMNS} FROM log ORDER BY origin")]

    def unsigned(self) -> Sequence[Log]:
        """Return the own logs that grew since their last checkpoint, frozen ones left out."""
        sql = f"SELECT {COLUMNS} FROM log WHERE own AND signed < size AND state != ? ORDER BY origin"
        return [_log(row) for row in self._connection.execute(sql, (LogState.FROZEN.value,))]

    def open(self, origin: Origin, party: PartyId, *, own: bool) -> Log:
        """Create an empty log, or return the one that exists."""
        self._connection.execute(
            "INSERT INTO log (origin, party, own, state, size, root, frontier, signed, note)"
            " VALUES (?, ?, ?, ?, 0, x'', x'', 0, x'') ON CONFLICT (origin) DO NOTHING",
            (origin, party, int(own), LogState.OPEN.value),
        )
        log = self.find(origin)
        if log is None or log.party != party or log.own != own:
            raise Conflict(f"{origin} is here already, as another party's log")
        return log

    def advance(self, log_id: int, was: int, size: int, root: bytes, frontier: bytes) -> None:
        """Compare-and-swap the tree: from exactly `was` leaves to `size`. Raises `Conflict`."""
        self._connection.execute(
            "UPDATE log SET size = ?, root = ?, frontier = ? WHERE id = ? AND size = ? AND ? >= size",
            (size, root, frontier, log_id, was, size),
        )
        if not self._connection.changes():
            raise Conflict(f"{self.get(log_id).origin} no longer has {was} leaves")

    def sign(self, log_id: int, size: int, note: bytes) -> None:
        """Keep a signed checkpoint; never one smaller than the kept one, nor beyond the tree (`Conflict`)."""
        self._connection.execute(
            "UPDATE log SET signed = ?, note = ? WHERE id = ? AND ? >= signed AND ? <= size",
            (size, note, log_id, size, size),
        )
        if not self._connection.changes():
            log = self.get(log_id)
            raise Conflict(f"{log.origin}: a checkpoint of {size} leaves, where {log.signed} of {log.size} are signed")

    def set_state(self, log_id: int, state: LogState) -> None:
        """Close or freeze a generation; its state only moves forward. Raises `Conflict`."""
        log = self.get(log_id)
        if ORDER.index(state) < ORDER.index(log.state):
            raise Conflict(f"{log.origin} is {log.state}: it does not become {state} again")
        self._connection.execute("UPDATE log SET state = ? WHERE id = ?", (state.value, log_id))


def _log(row: tuple[apsw.SQLiteValue, ...]) -> Log:
    ident, origin, party, own, state, size, root, frontier, signed, note = row
    return Log(
        id=int(ident),  # type: ignore[arg-type]
        origin=Origin(str(origin)),
        party=PartyId(str(party)),
        own=bool(own),
        state=LogState(str(state)),
        size=int(size),  # type: ignore[arg-type]
        root=bytes(root),  # type: ignore[arg-type]
        frontier=bytes(frontier),  # type: ignore[arg-type]
        signed=int(signed),  # type: ignore[arg-type]
        note=bytes(note),  # type: ignore[arg-type]
    )
