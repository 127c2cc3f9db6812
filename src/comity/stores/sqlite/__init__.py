"""The default store: one SQLite file, one process, nothing to install."""

from comity.stores.sqlite.store import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
