"""A node's store in one SQLite file, by APSW.

Rules: WAL with `synchronous=FULL`, so what a unit of work wrote is on the disk when `write()` returns. One
process writes (a lock file says which), one unit at a time; readers have a connection each and see one
moment. An error inside a unit undoes all of it; nothing of it stays in memory either.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw

from comity.errors import ComityError, Conflict, Fault, Misuse
from comity.node.ports import Durability
from comity.stores.sqlite import schema
from comity.stores.sqlite.bodies import Bodies
from comity.stores.sqlite.entries import SqliteEntries
from comity.stores.sqlite.logs import SqliteLogs
from comity.stores.sqlite.shelves import SqliteDocuments, SqliteQuarantine, SqliteSpans
from comity.stores.sqlite.texts import SqliteTexts
from comity.stores.sqlite.views import SqliteLookups, SqliteViews
from comity.view import View

BUSY_MS: Final = 10_000  # a checkpoint of the WAL may hold a reader up this long
CACHE_KIB: Final = 32_768  # of pages a connection keeps: a small node has 120 MB in all
SPILL_PAGES: Final = 16_384  # 128 MiB changed in one unit stay in memory: random index pages are then written once
MMAP_BYTES: Final = 2_147_483_648  # reads go through the page cache of the system, not through copies
PAGE_BYTES: Final = 8_192  # of a new file: bulk writes take a fifth less time than with 4 KiB, for 1 % more disk
CHECKPOINT_PAGES: Final = 8_192  # 64 MiB of WAL: random index pages are written back once for many batches
STATEMENTS_KEPT: Final = 200  # prepared statements of a connection: the ports have about sixty


class SqliteUnit:
    """One unit of work: the ports over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.bodies = Bodies(connection)  # one per connection: compressors are not for two threads
        self.logs = SqliteLogs(connection)
        self.entries = SqliteEntries(connection, self.bodies)
        self.views = SqliteViews(connection)
        self.lookups = SqliteLookups(connection)
        self.texts = SqliteTexts(connection)
        self.spans = SqliteSpans(connection)
        self.documents = SqliteDocuments(connection)
        self.quarantine = SqliteQuarantine(connection)

    def version(self) -> int:
        """Return a number that is another one after every commit of another connection."""
        row: Any = self.connection.execute("PRAGMA data_version").fetchone()
        return int(row[0])


class SqliteStore:
    """The store of one node. Make it with `open_store`."""

    def __init__(self, path: Path, views: Sequence[View], durability: Durability, vfs: str | None) -> None:
        self._path = path
        self._durability = durability
        self._vfs = vfs
        self._lock = threading.Lock()
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        self._writer: SqliteUnit | None = None
        self._closed = False
        self._holder = _claim(path)
        try:
            self._prepare(views)
        except BaseException:
            os.close(self._holder)
            raise

    def _prepare(self, views: Sequence[View]) -> None:
        connection: apsw.Connection | None = None
        try:
            connection = self._open()
            schema.recognise(connection)  # before anything of the file is changed
            self._configure(connection)
            settle(connection)
            schema.prepare(connection, views)
        except BaseException as error:
            if connection is not None:
                _close(connection)
            if isinstance(error, apsw.Error):
                raise translate(error) from error
            raise
        self._writer = SqliteUnit(connection)

    @contextmanager
    def write(self) -> Iterator[SqliteUnit]:
        """Begin a unit of work: committed and durable on exit, undone wholly on any exception."""
        if getattr(self._local, "writing", False):
            raise Misuse("a unit of work inside another: they would commit apart")
        with self._lock:
            self._check_open()
            self._local.writing = True
            try:
                unit = self._writer = self._writer or self._begin_anew()
                unit.connection.execute("BEGIN IMMEDIATE")
                yield unit
                unit.connection.execute("COMMIT")
                _overwrite(unit)
            except BaseException as error:
                self._undo(lasting=not isinstance(error, apsw.Error))
                if isinstance(error, apsw.Error):
                    raise translate(error) from error
                raise
            finally:
                self._local.writing = False

    def _begin_anew(self) -> SqliteUnit:
        connection = self._connect()
        try:
            settle(connection)
        except apsw.Error:
            _close(connection)
            raise
        return SqliteUnit(connection)

    def _undo(self, *, lasting: bool) -> None:
        """Undo the unit; after an error of the database its connection goes too: what is true is on the disk."""
        unit = self._writer
        if unit is None:
            return
        try:
            if unit.connection.in_transaction:
                unit.connection.execute("ROLLBACK")
        except apsw.Error:
            lasting = False
        if lasting:
            unit.bodies.forget()
            unit.entries.forget()
            unit.views.forget()
        else:
            self._writer = None
            _close(unit.connection)

    @contextmanager
    def read(self) -> Iterator[SqliteUnit]:
        """Begin a read of one moment; writing in it is a `Misuse`."""
        self._check_open()
        unit = self._reader()
        nested = unit.connection.in_transaction
        try:
            if not nested:
                unit.connection.execute("BEGIN")
            yield unit
        except apsw.ReadOnlyError as error:
            raise Misuse("a write inside a read", hint="use Store.write()") from error
        except apsw.Error as error:
            raise translate(error) from error
        finally:
            if not nested and unit.connection.in_transaction:
                unit.connection.execute("ROLLBACK")

    def _reader(self) -> SqliteUnit:
        unit: SqliteUnit | None = getattr(self._local, "reader", None)
        if unit is None:
            try:
                connection = self._connect()
                connection.execute("PRAGMA query_only = 1")
            except apsw.Error as error:
                raise translate(error) from error
            unit = self._local.reader = SqliteUnit(connection)
            # Without the lock: the thread that writes may hold it, and an append is one step.
            self._readers.append(connection)
        return unit

    def check(self) -> Sequence[str]:
        """Return what is wrong with the store, in words; empty when all is well."""
        with self.read() as unit:
            rows = unit.connection.execute("PRAGMA integrity_check(20)").fetchall()
            wrong = [f"SQLite says: {row[0]}" for row in rows if row[0] != "ok"]
            for log in unit.logs.all():
                wrong += [f"{log.origin}: {what}" for what in unit.entries.wrong(log.id, log.size)]
        return wrong

    def close(self) -> None:
        """Close; later use is a `Misuse`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._readers:
                _close(connection)
            if self._writer is not None:
                _close(self._writer.connection)
            os.close(self._holder)

    def _check_open(self) -> None:
        if self._closed:
            raise Misuse("this store is closed")

    def _connect(self) -> apsw.Connection:
        connection = self._open()
        self._configure(connection)
        return connection

    def _open(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path), vfs=self._vfs, statementcachesize=STATEMENTS_KEPT)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        return connection

    def _configure(self, connection: apsw.Connection) -> None:
        # One plan for each statement: else SQLite plans anew for every value bound, and a look-up takes thrice as long.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durability == 'full' else 'OFF'}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA cache_spill = {SPILL_PAGES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA trusted_schema = 0")
        connection.execute("PRAGMA secure_delete = 1")  # what is erased is overwritten, not only unlinked
        if self._vfs is None:
            connection.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")


def open_store(
    path: Path | str, views: Sequence[View], *, durability: Durability = "full", vfs: str | None = None
) -> SqliteStore:
    """Open or make a node's store. Raises `Conflict` where another process has it, `Fault` where it cannot be.

    `durability="off"` is for tests that can lose everything; `vfs` names an APSW VFS, for fault tests.
    """
    return SqliteStore(Path(path), views, durability, vfs)


def settle(connection: apsw.Connection) -> None:
    """Write back and empty the write-ahead log, before anything is built on what was found in it.

    A sync that failed may leave pages that the system shows but never writes. What a new connection finds in
    the log may be such pages; copied to the database and synced, they are on the disk for certain.
    """
    (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # type: ignore[misc]
    if busy:
        raise apsw.BusyError("a reader holds what has to be written back first")


def _overwrite(unit: SqliteUnit) -> None:
    """After an erasure, empty the write-ahead log, in which the erased bytes still stand.

    Readers are not waited for: while one looks back, and after an error, it is tried again after the next unit.
    """
    if not unit.entries.erased:
        return
    unit.connection.set_busy_timeout(0)
    with suppress(apsw.Error):
        settle(unit.connection)
        unit.entries.erased = False
    unit.connection.set_busy_timeout(BUSY_MS)


def _close(connection: apsw.Connection) -> None:
    # Closing may write the WAL back. That this fails loses nothing: it is done again when the file is next opened.
    with suppress(apsw.Error):
        connection.close(True)


def _claim(path: Path) -> int:
    """Take the writer's lock beside the file: the kernel lets go of it whatever happens to this process."""
    mode = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        holder = os.open(f"{path}.lock", mode, 0o600)
    except OSError as error:
        raise Fault(f"{path} cannot be opened: {error.strerror}", hint="check the directory and its owner") from error
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(path, mode, 0o600))  # for its owner alone, as SQLite makes its other files after it
    except BlockingIOError as error:
        os.close(holder)
        raise Conflict(f"another process has {path} open", hint="talk to the serving node, or stop it") from error
    except OSError as error:
        os.close(holder)
        raise Fault(f"{path} cannot be opened: {error.strerror}", hint="check the file and its owner") from error
    return holder


def translate(error: apsw.Error) -> ComityError:
    """Return what an APSW error means to whoever runs this node."""
    if isinstance(error, apsw.FullError):
        return Fault("the disk is full: nothing of this was written", hint="make room and try again")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Conflict("the store is busy with another writer", hint="try again")
    if isinstance(error, apsw.NotADBError):
        return Fault("this file is not a Comity node", hint="name another file; this one is left as it is")
    if isinstance(error, apsw.CorruptError):
        return Fault(f"the store is damaged: {error}", hint="restore a backup; `comity doctor` tells more")
    if isinstance(error, apsw.ReadOnlyError):
        return Fault(f"the store cannot be written: {error}", hint="check the file's owner and permissions")
    return Fault(f"the store failed: {error}", hint="nothing of this was written; look at the disk")
