"""The store for a national team: one schema of a PostgreSQL database, several processes."""

from comity.stores.postgres.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store"]
