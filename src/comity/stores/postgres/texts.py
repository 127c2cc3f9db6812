"""The index of words, by a GIN index over the words themselves: PostgreSQL's own parser is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from comity.stores.postgres.schema import Connection


class PostgresTexts:
    """`Texts` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Index the words of entries, by position; what is indexed already stays as it is."""
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO text VALUES (%s, array_to_tsvector(%s::text[])) ON CONFLICT DO NOTHING",
                [(at, list(words)) for at, words in rows if words],
            )

    def delete(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Take entries out, each with the words it was indexed with."""
        with self._connection.cursor() as cursor:
            cursor.executemany("DELETE FROM text WHERE position = %s", [(at,) for at, _ in rows])

    def clear(self) -> None:
        """Take everything out."""
        self._connection.execute("DELETE FROM text")

    def find(self, asked: Sequence[str], *, before: int, limit: int) -> Sequence[int]:
        """Return the positions, the highest first, of entries below `before` that have every word asked for."""
        if not asked:
            return []
        rows = self._connection.execute(
            "SELECT position FROM text WHERE words @@ %s::tsquery AND position < %s ORDER BY position DESC LIMIT %s",
            (" & ".join(map(_term, asked)), before, limit),
        )
        return [int(row[0]) for row in rows]

    def count(self) -> int:
        """Return how many entries are indexed."""
        row = self._connection.execute("SELECT count(*) FROM text").fetchone()
        return int(row[0]) if row else 0


def _term(word: str) -> str:
    """Return a word as a tsquery has it, quoted: it is looked for as it is."""
    begins = word.endswith("*")
    quoted = word.removesuffix("*").replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}':*" if begins else f"'{quoted}'"
