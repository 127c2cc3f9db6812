"""The index of words, by FTS5.

Rules: the table holds no text, only which word is in which entry; so what is deleted is given again with its words,
and FTS5 takes it out of its pages at once (`secure-delete`), as an erasure asks. Words come cut and folded, see
`formats.words`: the tokenizer takes each as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw

TABLES: Final = """
CREATE VIRTUAL TABLE text USING fts5(words, content='', detail=none, tokenize='ascii');
INSERT INTO text (text, rank) VALUES ('secure-delete', 1);
"""


class SqliteTexts:
    """`Texts` over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def put(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Index the words of entries, by position; what is indexed already stays as it is."""
        fresh = {at: " ".join(words) for at, words in rows if words and not self._is_indexed(at)}
        self._connection.executemany("INSERT INTO text (rowid, words) VALUES (?, ?)", fresh.items())

    def delete(self, rows: Iterable[tuple[int, Sequence[str]]]) -> None:
        """Take entries out, each with the words it was indexed with."""
        # Each once: to take out what is not there would damage the index.
        held = {at: " ".join(words) for at, words in rows if words and self._is_indexed(at)}
        self._connection.executemany("INSERT INTO text (text, rowid, words) VALUES ('delete', ?, ?)", held.items())

    def _is_indexed(self, at: int) -> bool:
        return self._connection.execute("SELECT 1 FROM text_docsize WHERE id = ?", (at,)).fetchone() is not None

    def clear(self) -> None:
        """Take everything out."""
        self._connection.execute("INSERT INTO text (text) VALUES ('delete-all')")

    def find(self, asked: Sequence[str], *, before: int, limit: int) -> Sequence[int]:
        """Return the positions, the highest first, of entries below `before` that have every word asked for."""
        if not asked:
            return []
        terms = [f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"' for word in asked]
        rows: Any = self._connection.execute(
            "SELECT rowid FROM text WHERE text MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?",
            (" ".join(terms), before, limit),
        )
        return [int(row[0]) for row in rows]

    def count(self) -> int:
        """Return how many entries are indexed."""
        row: Any = self._connection.execute("SELECT count(*) FROM text_docsize").fetchone()
        return int(row[0])
