"""A node's store in one schema of a PostgreSQL database, by psycopg.

Rules: a unit of work is one transaction, durable when `write()` returns, as the server's `fsync` is. Writers
of all processes take turns by an advisory lock; readers have a connection a thread and see one moment. What
a unit of work remembered ends with it, so that nothing undone is believed later. A connection that failed
is not used again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from comity.errors import ComityError, Conflict, Fault, Misuse
from comity.node.ports import Durability
from comity.stores.postgres import schema
from comity.stores.postgres.entries import PostgresEntries
from comity.stores.postgres.logs import PostgresLogs
from comity.stores.postgres.schema import Connection
from comity.stores.postgres.shelves import PostgresDocuments, PostgresQuarantine, PostgresSpans
from comity.stores.postgres.texts import PostgresTexts
from comity.stores.postgres.views import PostgresLookups, PostgresViews
from comity.view import View

CONNECT_SECONDS: Final = 10  # how long a server may take to answer
LOCK_MS: Final = 60_000  # how long a unit of work waits for the one before it, in another process
READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresUnit:
    """One unit of work: the ports over one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.logs = PostgresLogs(connection)
        self.entries = PostgresEntries(connection)
        self.views = PostgresViews(connection)
        self.lookups = PostgresLookups(connection)
        self.texts = PostgresTexts(connection)
        self.spans = PostgresSpans(connection)
        self.documents = PostgresDocuments(connection)
        self.quarantine = PostgresQuarantine(connection)

    def version(self) -> int:
        """Return a number that is another one after every commit of anybody's, as this reader sees it."""
        row = self.connection.execute("SELECT commits FROM comity").fetchone()
        return int(row[0]) if row else 0


class PostgresStore:
    """The store of one node. Make it with `open_store`."""

    def __init__(self, dsn: str, views: Sequence[View], durability: Durability) -> None:
        self._dsn = dsn
        self._durability = durability
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[Connection] = []
        self._writer: Connection | None = None
        self._closed = False
        with self.write() as unit:
            schema.prepare(unit.connection, views)

    @contextmanager
    def write(self) -> Iterator[PostgresUnit]:
        """Begin a unit of work: committed and durable on exit, undone wholly on any exception."""
        if getattr(self._local, "writing", False):
            raise Misuse("a unit of work inside another: they would commit apart")
        with self._lock:
            self._check_open()
            self._local.writing = True
            try:
                connection = self._writer = self._writer or self._connect()
                connection.execute("BEGIN")
                schema.lock(connection)
                yield PostgresUnit(connection)
                connection.execute("UPDATE comity SET commits = commits + 1")
                connection.execute("COMMIT")
            except psycopg.Error as error:
                self._abandon()
                raise translate(error) from error
            except BaseException:
                self._undo()
                raise
            finally:
                self._local.writing = False

    def _undo(self) -> None:
        try:
            if self._writer is not None:
                self._writer.execute("ROLLBACK")
        except psycopg.Error:
            self._abandon()  # the server undoes what its client left

    def _abandon(self) -> None:
        """Close the writer's connection: what is true is with the server, and the next unit asks it anew."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def read(self) -> Iterator[PostgresUnit]:
        """Begin a read of one moment; writing in it is a `Misuse`."""
        self._check_open()
        try:
            connection = self._reader()
            nested = connection.info.transaction_status is not TransactionStatus.IDLE
            if not nested:
                connection.execute(READ)
        except psycopg.Error as error:
            raise translate(error) from error
        try:
            yield PostgresUnit(connection)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise Misuse("a write inside a read", hint="use Store.write()") from error
        except psycopg.Error as error:
            raise translate(error) from error
        finally:
            if not nested:
                self._end(connection)

    def _end(self, connection: Connection) -> None:
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()  # what was read stays true; the next read has a connection of its own

    def _reader(self) -> Connection:
        connection: Connection | None = getattr(self._local, "reader", None)
        if connection is None or connection.closed:
            connection = self._local.reader = self._connect()
            # Without the lock: the thread that writes may hold it, and an append is one step.
            self._readers.append(connection)
        return connection

    def check(self) -> Sequence[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        with self.read() as unit:
            return [f"{log.origin}: {what}" for log in unit.logs.all() for what in unit.entries.wrong(log.id, log.size)]

    def close(self) -> None:
        """Close; later use is a `Misuse`."""
        with self._lock:
            self._closed = True
            for connection in self._readers:
                connection.close()
            self._abandon()

    def _check_open(self) -> None:
        if self._closed:
            raise Misuse("this store is closed")

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=CONNECT_SECONDS)
        # Said either way: a database or a role may have another default.
        connection.execute(f"SET synchronous_commit = {'on' if self._durability == 'full' else 'off'}")
        connection.execute(f"SET lock_timeout = {LOCK_MS}")
        return connection


def open_store(dsn: str, views: Sequence[View], *, durability: Durability = "full") -> PostgresStore:
    """Open or make a node's store in the first schema of `dsn`'s search path. Raises `Fault`.

    `durability="off"` is for tests that can lose the last second.
    """
    return PostgresStore(dsn, views, durability)


def translate(error: psycopg.Error) -> ComityError:
    """Return what an error of the database means to whoever runs this node."""
    if isinstance(error, psycopg.errors.DiskFull):
        return Fault("the database's disk is full: nothing of this was written", hint="make room and try again")
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.SerializationFailure):
        return Conflict("the store is busy with another writer", hint="try again")
    if isinstance(error, psycopg.DataError):
        return Misuse(f"the database cannot keep this value: {error}")
    if isinstance(error, psycopg.OperationalError):
        return Fault(f"the database does not answer: {error}", hint="look at the server; then try again")
    return Fault(f"the database failed: {error}", hint="nothing of this was written; look at the server's log")
