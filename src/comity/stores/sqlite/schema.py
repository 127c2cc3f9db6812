"""The tables of a node's SQLite file, and how an older file becomes a newer one.

Rules: commitments are packed, 256 to a row, because they are forever and many; payloads are apart from
entries, because they can be erased and shared. A file of a later schema is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from comity.errors import Fault
from comity.view import View, ViewKind

APPLICATION_ID: Final = 0x436F6D69  # "Comi"
VERSION: Final = 1

TABLES: Final = """
CREATE TABLE log (
  id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, party TEXT NOT NULL, own INTEGER NOT NULL,
  state TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, frontier BLOB NOT NULL,
  signed INTEGER NOT NULL, note BLOB NOT NULL
) STRICT;
-- key: log << 32 | number of the block of 256 leaves; data: their commitments
CREATE TABLE leaves (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
-- key: log << 32 | number of the group of 256 blocks; data: their roots
CREATE TABLE block_roots (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE header (id INTEGER PRIMARY KEY, data BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE standing (id INTEGER PRIMARY KEY, data BLOB NOT NULL UNIQUE) STRICT;
-- body: the position whose body this entry shares; NULL for its own
CREATE TABLE entry (
  position INTEGER PRIMARY KEY, header INTEGER, standing INTEGER NOT NULL, held INTEGER NOT NULL,
  salt BLOB, body INTEGER
) STRICT;
CREATE INDEX entry_body ON entry (body) WHERE body IS NOT NULL;
-- what came ahead of its turn: the commitment that its leaf must have when it comes
CREATE TABLE ahead (position INTEGER PRIMARY KEY, commitment BLOB NOT NULL) STRICT;
-- codec: 0 for zstd alone, else the dictionary it was compressed with
CREATE TABLE body (position INTEGER PRIMARY KEY, codec INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE span (
  origin TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, act INTEGER NOT NULL,
  PRIMARY KEY (origin, start, stop, act)
) STRICT, WITHOUT ROWID;
CREATE TABLE document (
  shelf TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (shelf, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, source TEXT NOT NULL, code TEXT NOT NULL,
  reason TEXT NOT NULL, evidence BLOB NOT NULL
) STRICT;
INSERT INTO standing VALUES (0, CAST('{}' AS BLOB));
"""

MIGRATIONS: Final[dict[int, str]] = {}  # from version -> statements that make it the next


def prepare(connection: apsw.Connection, views: Sequence[View]) -> None:
    """Make or upgrade the tables, then the views' tables. Raises `Fault` for a file that is not ours."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()  # type: ignore[misc]
    (application,) = connection.execute("PRAGMA application_id").fetchone()  # type: ignore[misc]
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # type: ignore[misc]
    if tables and application != APPLICATION_ID:
        raise Fault("this SQLite file is not a Comity node", hint="name another file; this one is left as it is")
    if version > VERSION:
        raise Fault(
            f"this node's file has schema {version}; this program knows {VERSION}",
            hint="use the program that wrote it, or a newer one",
        )
    with connection:
        if not tables:
            connection.execute(TABLES)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        else:
            while version < VERSION:
                connection.execute(MIGRATIONS[version])
                version += 1
        connection.execute(f"PRAGMA user_version = {VERSION}")
        for view in views:
            connection.execute(table_of(view))


def table(view: View) -> str:
    """Return the name of a view's table. Names come from the areas' code, never from data."""
    return f"view_{view.name}"


def table_of(view: View) -> str:
    """Return the statements that make a view's table and indexes where they are missing."""
    kinds = {ViewKind.INTEGER: "INTEGER", ViewKind.TEXT: "TEXT", ViewKind.BLOB: "BLOB"}
    columns = [f"{name} {kinds[kind]}" for name, kind in view.columns]
    if view.clustered:
        columns.append(f"PRIMARY KEY ({', '.join((*view.clustered, 'position'))})")
        options = "STRICT, WITHOUT ROWID"
    else:
        columns[0] = "position INTEGER PRIMARY KEY"
        options = "STRICT"
    statements = [f"CREATE TABLE IF NOT EXISTS {table(view)} ({', '.join(columns)}) {options};"]
    statements += [
        f"CREATE INDEX IF NOT EXISTS {table(view)}_{'_'.join(names)} ON {table(view)} ({', '.join(names)});"
        for names in view.by
    ]
    return "\n".join(statements)
