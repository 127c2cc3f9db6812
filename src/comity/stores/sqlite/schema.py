"""The tables of a node's SQLite file, and how an older file becomes a newer one.

Rules: commitments are packed, 256 to a row, because they are forever and many; payloads are apart from
entries, because they can be erased and shared. A file of a later schema is refused, never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from comity.errors import Fault
from comity.stores.sqlite import texts
from comity.view import View, ViewKind

APPLICATION_ID: Final = 0x436F6D69  # "Comi"
VERSION: Final = 4

SPAN_SHORT_MAX: Final = 4_096  # entries of a run that is looked for by where it starts

# Of the first version; what came later is in MIGRATIONS, which a new file goes through too.
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

MIGRATIONS: Final[dict[int, str]] = {  # from version -> statements that make it the next
    # What is not plainly held and stood by: the few entries that a look-up has to ask about.
    1: "CREATE INDEX entry_unusual ON entry (position, standing, held) WHERE standing != 0 OR held != 0",
    2: texts.TABLES,
    # The few acts about long runs: what is about one entry then stands near it, or here.
    3: f"CREATE INDEX span_long ON span (origin, start, stop, act) WHERE stop - start > {SPAN_SHORT_MAX}",
}


def recognise(connection: apsw.Connection) -> int:
    """Return the schema version of a node's file, 0 for an empty one. Raises `Fault` for a file that is not ours.

    Changes nothing, so that a file named by mistake stays as it is.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()  # type: ignore[misc]
    (application,) = connection.execute("PRAGMA application_id").fetchone()  # type: ignore[misc]
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # type: ignore[misc]
    if not tables:
        return 0
    if application != APPLICATION_ID:
        raise Fault("this SQLite file is not a Comity node", hint="name another file; this one is left as it is")
    if int(version) > VERSION:
        raise Fault(
            f"this node's file has schema {version}; this program knows {VERSION}",
            hint="use the program that wrote it, or a newer one",
        )
    return int(version)


def prepare(connection: apsw.Connection, views: Sequence[View]) -> None:
    """Make or upgrade the tables, then the views' tables, in one transaction."""
    version = recognise(connection)
    with connection:
        if not version:
            connection.execute(TABLES)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for number in range(version, VERSION):
            if number:
                connection.execute(MIGRATIONS[number])
        connection.execute(f"PRAGMA user_version = {VERSION}")
        for view in views:
            _prepare(connection, view)


def _prepare(connection: apsw.Connection, view: View) -> None:
    wanted = statements_of(view)
    marks = ", ".join("?" * len(tables(view)))
    sql = f"SELECT sql FROM sqlite_schema WHERE tbl_name IN ({marks}) AND sql IS NOT NULL"
    if {row[0] for row in connection.execute(sql, tables(view))} != set(wanted):
        # Another shape: a view is never the only copy, and is due to be folded again by its version.
        for name in tables(view):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in wanted:
            connection.execute(statement)


def table(view: View) -> str:
    """Return the name of a view's table. Names come from the areas' code, never from data."""
    return f"view_{view.name}"


def tables(view: View) -> tuple[str, ...]:
    """Return the tables of a view: one, or for scattered rows also the small one that they first go to."""
    return (table(view), f"{table(view)}_new") if view.scattered else (table(view),)


def statements_of(view: View) -> list[str]:
    """Return the statements that make a view's tables and indexes, as SQLite keeps them."""
    return [statement for name in tables(view) for statement in _statements_of(view, name)]


def _statements_of(view: View, name: str) -> list[str]:
    kinds = {ViewKind.INTEGER: "INTEGER", ViewKind.TEXT: "TEXT", ViewKind.BLOB: "BLOB"}
    columns = [f"{column} {kinds[kind]}" for column, kind in view.columns]
    if view.with_header:
        columns.append("header INTEGER")
    if view.clustered:
        columns.append(f"PRIMARY KEY ({', '.join((*view.clustered, 'position'))})")
        options = "STRICT, WITHOUT ROWID"
    else:
        columns[0] = "position INTEGER PRIMARY KEY"
        options = "STRICT"
    indexes = [f"CREATE INDEX {name}_{'_'.join(names)} ON {name} ({', '.join(names)})" for names in view.by]
    return [f"CREATE TABLE {name} ({', '.join(columns)}) {options}", *indexes]
