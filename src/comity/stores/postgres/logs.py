"""The logs a node writes or follows, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from comity.canon import Origin, PartyId
from comity.errors import Conflict, NotFound
from comity.node.ports import Log, LogState
from comity.stores.postgres.schema import Connection

COLUMNS: Final = "id, origin, party, own, state, size, root, frontier, signed, note"
ORDER: Final = (LogState.OPEN, LogState.CLOSED, LogState.FROZEN)


class PostgresLogs:
    """`Logs` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, origin: Origin) -> Log | None:
        """Return the log of that origin, or None."""
        row = self._connection.execute(f"SELECT {COLUMNS} FROM log WHERE origin = %s", (origin,)).fetchone()
        return None if row is None else _log(row)

    def get(self, log_id: int) -> Log:
        """Return the log of that id. Raises `NotFound`."""
        row = self._connection.execute(f"SELECT {COLUMNS} FROM log WHERE id = %s", (log_id,)).fetchone()
        if row is None:
            raise NotFound(f"no log {log_id} in this store")
        return _log(row)

    def all(self) -> Sequence[Log]:
        """Return every log, in order of origin."""
        return [_log(row) for row in self._connection.execute(f"SELECT {COLUMNS} FROM log ORDER BY origin")]

    def unsigned(self) -> Sequence[Log]:
        """Return the own logs that grew since their last checkpoint, frozen ones left out."""
        sql = f"SELECT {COLUMNS} FROM log WHERE own AND signed < size AND state != %s ORDER BY origin"
        return [_log(row) for row in self._connection.execute(sql, (LogState.FROZEN.value,))]

    def open(self, origin: Origin, party: PartyId, *, own: bool) -> Log:
        """Create an empty log, or return the one that exists. Raises `Conflict` where that is another party's."""
        self._connection.execute(
            "INSERT INTO log (origin, party, own, state, size, root, frontier, signed, note)"
            " VALUES (%s, %s, %s, %s, 0, '', '', 0, '') ON CONFLICT (origin) DO NOTHING",
            (origin, party, own, LogState.OPEN.value),
        )
        log = self.find(origin)
        if log is None or log.party != party or log.own != own:
            raise Conflict(f"{origin} is here already, as another party's log")
        return log

    def advance(self, log_id: int, was: int, size: int, root: bytes, frontier: bytes) -> None:
        """Compare-and-swap the tree: from exactly `was` leaves to `size`. Raises `Conflict`."""
        done = self._connection.execute(
            "UPDATE log SET size = %s, root = %s, frontier = %s WHERE id = %s AND size = %s AND %s >= size",
            (size, root, frontier, log_id, was, size),
        )
        if not done.rowcount:
            raise Conflict(f"{self.get(log_id).origin} does not go from {was} leaves to {size}")

    def sign(self, log_id: int, size: int, note: bytes) -> None:
        """Keep a signed checkpoint; never one smaller than the kept one, nor beyond the tree (`Conflict`)."""
        done = self._connection.execute(
            "UPDATE log SET signed = %s, note = %s WHERE id = %s AND %s >= signed AND %s <= size",
            (size, note, log_id, size, size),
        )
        if not done.rowcount:
            log = self.get(log_id)
            raise Conflict(f"{log.origin}: a checkpoint of {size} leaves, where {log.signed} of {log.size} are signed")

    def set_state(self, log_id: int, state: LogState) -> None:
        """Close or freeze a generation; its state only moves forward. Raises `Conflict`."""
        log = self.get(log_id)
        if ORDER.index(state) < ORDER.index(log.state):
            raise Conflict(f"{log.origin} is {log.state}: it does not become {state} again")
        self._connection.execute("UPDATE log SET state = %s WHERE id = %s", (state.value, log_id))


def _log(row: tuple[Any, ...]) -> Log:
    ident, origin, party, own, state, size, root, frontier, signed, note = row
    return Log(ident, Origin(origin), PartyId(party), own, LogState(state), size, root, frontier, signed, note)
