"""Read a table or a stream of records by its mapping: indicators, and a loss for whatever did not come over.

Rules: constant memory at any size; a row is bounded by the limits named `TABLE_…`, a record by
`STATEMENT_BYTES_MAX`. What the mapping does not name, ignores or seals is told once for each column. Nothing a
row holds stops the rows behind it; a mapping that does not fit the input is one loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from comity.formats.convert import Context, Loss, Made, Outcome, loss
from comity.formats.tables import records, words
from comity.formats.tables.dialect import Row, Rows, lines_of, text_of
from comity.formats.tables.guess import guess
from comity.formats.tables.mapping import Column, Form, Mapping, Role
from comity.formats.tables.rows import Maker
from comity.limits import TABLE_COLUMNS_MAX, TABLE_SAMPLE_BYTES

_UNREAD: Final = frozenset({Role.IGNORED, Role.SEALED})
_SEVERAL: Final = frozenset({Role.LABELS, Role.DESCRIPTION, Role.NOTE, Role.REFERENCE, Role.VALUE})
"""Roles of which a record may have several values at one path."""


def read(chunks: Iterable[bytes], context: Context, mapping: Mapping | None = None) -> Iterator[Made | Loss]:
    """Yield the objects of an input in the order of its rows; without a mapping, by one that its beginning suggests.

    Raises nothing for what the bytes hold. A `convert.Reader`.
    """
    if mapping is None:
        rest = iter(chunks)
        head = _head(rest)
        mapping = guess(head).mapping
        chunks = chain((head,), rest)
    return (_delimited if mapping.form is Form.DELIMITED else _records)(chunks, context, mapping)


def _head(chunks: Iterator[bytes]) -> bytes:
    """Take enough of an input to guess from."""
    parts: list[bytes] = []
    size = 0
    while size < TABLE_SAMPLE_BYTES and (chunk := next(chunks, None)) is not None:
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts)


# --- delimited text --------------------------------------------------------------------------------------


def _delimited(chunks: Iterable[bytes], context: Context, mapping: Mapping) -> Iterator[Made | Loss]:
    rows = Rows(lines_of(text_of(chunks, mapping.encoding)), mapping)
    maker = Maker(mapping, context)
    plan: _Plan | None = None
    for row in rows:
        if isinstance(row, Loss):
            yield row
            continue
        if plan is None:
            plan = _Plan(mapping, row.cells)
            yield from plan.losses
            if not plan.reads_values:
                return
            if mapping.header:
                continue
        yield from _row(plan, maker, row)
    if rows.comments:
        yield loss("", Outcome.UNMAPPED, "comments", f"{rows.comments} lines of comment")


class _Plan:
    """Which cells of this input are read as what, found out from its first row."""

    def __init__(self, mapping: Mapping, first: list[str]) -> None:
        titles = {words.title(text): at for at, text in reversed(list(enumerate(first)))} if mapping.header else {}
        self.losses: list[Loss] = []
        self.cells: list[tuple[int, Column]] = []
        self.through: tuple[int, Column] | None = None
        named: set[int] = set()
        for column in mapping.columns:
            at = titles.get(words.title(column.at)) if isinstance(column.at, str) else column.at - 1
            if at is None or (mapping.header and at >= len(first)):
                self.losses.append(loss(column.name(), Outcome.UNMAPPED, "column", "the table has no such column"))
                continue
            named.add(at)
            if column.role in _UNREAD:
                self.losses.append(_unread(column))
            else:
                self.cells.append((at, column))
                if column.through:
                    self.through = at + 1, column
        beyond = self.through[0] if self.through else len(first)
        for at in sorted(set(range(beyond)) - named)[:TABLE_COLUMNS_MAX]:
            title = first[at] if mapping.header else ""
            reason = f"the mapping does not name this column{f' ({title})' if title else ''}"
            self.losses.append(loss(f"column {at + 1}", Outcome.UNMAPPED, "column", reason))
        self.width = max([len(first) if not self.through else TABLE_COLUMNS_MAX + 1, *(at + 1 for at in named)])
        self.reads_values = any(column.role is Role.VALUE for _, column in self.cells)
        if not self.reads_values:
            self.losses.append(loss("", Outcome.REFUSED, "mapping", "no column of this input is mapped to a value"))


def _row(plan: _Plan, maker: Maker, row: Row) -> Iterator[Made | Loss]:
    where = f"line {row.line}"
    cells, width = row.cells, len(row.cells)
    if width > plan.width and any(cell.strip() for cell in cells[plan.width :]):
        yield loss(where, Outcome.CHANGED, "columns", f"{width} cells; those behind the {plan.width}th are not read")
    if row.note:
        reason = "NUL characters taken out" if row.note == "nul" else "not all of it is in the table's encoding"
        yield loss(where, Outcome.CHANGED, row.note, reason)
    read = []
    for at, column in plan.cells:
        if at < width and words.is_present(text := cells[at].strip(), column):
            read.append((column, text))
    if plan.through is not None:
        start, column = plan.through
        read += [(column, text) for cell in cells[start:] if (text := cell.strip())]
    yield from maker.make(where, read, row.comment)


def _unread(column: Column) -> Loss:
    if column.role is Role.SEALED:
        return loss(column.name(), Outcome.SEALED, "person", "names or accounts of persons: only the original has them")
    return loss(column.name(), Outcome.UNMAPPED, "ignored", "left out by the mapping: only the original has it")


# --- records ---------------------------------------------------------------------------------------------


def _records(chunks: Iterable[bytes], context: Context, mapping: Mapping) -> Iterator[Made | Loss]:
    columns: dict[str, Column] = {}
    for column in mapping.columns:
        path = records.path(str(column.at))
        if path is None:
            yield loss(column.name(), Outcome.UNMAPPED, "column", "this is no path into a record")
        elif column.role in _UNREAD:
            yield _unread(column)
            columns[path] = column
        else:
            columns[path] = column
    if not any(column.role is Role.VALUE for column in columns.values()):
        yield loss("", Outcome.REFUSED, "mapping", "no path is mapped to a value")
        return
    maker = Maker(mapping, context)
    told: set[str] = set()
    cut = records.lines if mapping.form is Form.JSON_LINES else records.elements
    for record in cut(chunks, mapping):
        if isinstance(record, Loss):
            yield record
            continue
        cells: list[tuple[Column, str]] = []
        for path, texts in record.values.items():
            found = columns.get(path)
            if found is None:
                if path not in told and len(told) < TABLE_COLUMNS_MAX:
                    told.add(path)
                    yield loss(
                        path, Outcome.UNMAPPED, "column", f"the mapping does not name this path ({record.where})"
                    )
            elif found.role not in _UNREAD:
                yield from _texts(record.where, found, texts, cells)
        yield from maker.make(record.where, cells)


def _texts(where: str, column: Column, texts: list[str], cells: list[tuple[Column, str]]) -> Iterator[Loss]:
    """Add a record's values at one path to its cells."""
    good = [text for each in texts if words.is_present(text := each.strip(), column)]
    if len(good) > 1 and column.role not in _SEVERAL:
        yield loss(where, Outcome.CHANGED, "several", f"{column.name()} has {len(good)} values; the first is read")
        good = good[:1]
    cells += [(column, text) for text in good]
