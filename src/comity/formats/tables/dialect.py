"""Bytes to text, text to lines, lines to rows of cells: in constant memory and in time linear in the input.

Rules: any bytes give rows and losses. A row ends with its line, unless a quoted cell runs on; a quote that is
not closed within `TABLE_ROW_LINES_MAX` lines or `TABLE_ROW_CHARS_MAX` characters costs the line it is on, and
reading goes on with the next one. A quote inside a quoted cell is doubled (RFC 4180 §2). CR, LF and CRLF end
lines alike. NUL characters are taken out, and what is not in the encoding becomes U+FFFD; both are told.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from comity.formats.convert import Loss, Outcome, loss
from comity.formats.tables.mapping import Mapping
from comity.limits import TABLE_COLUMNS_MAX, TABLE_ROW_CHARS_MAX, TABLE_ROW_LINES_MAX

WINDOW_BYTES: Final = 65_536  # bytes decoded together
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_SEPARATOR_LINE: Final = re.compile(r"\A\"?sep=(.?)\"?\Z", re.IGNORECASE)  # Excel's; by it alone, the first line
_BLANKS: Final = " \t"
REPLACED: Final = "\ufffd"


class Row(NamedTuple):
    """The cells of one row."""

    line: int  # from 1; of a row over several lines, the first
    cells: list[str]
    comment: str = ""  # behind the cells
    note: str = ""  # what was changed in reading: `nul`, `encoding`


class Line(NamedTuple):
    """A line without its end; None where it is longer than a row may be."""

    number: int
    text: str | None


def marked_encoding(data: bytes) -> str:
    """Return the encoding that a mark of byte order names; empty without one."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")


def text_of(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Decode a stream in windows; a mark of byte order at its beginning goes before `encoding`."""
    windows = _windows(chunks)
    head = next(windows, b"")
    decoder = codecs.getincrementaldecoder(marked_encoding(head) or encoding)("replace")
    yield decoder.decode(head).removeprefix("\ufeff")
    for window in windows:
        yield decoder.decode(window)
    yield decoder.decode(b"", True)


def _windows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), WINDOW_BYTES):
            parts.append(chunk[start : start + WINDOW_BYTES])
            size += len(parts[-1])
            if size >= WINDOW_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    if parts:
        yield b"".join(parts)


def lines_of(texts: Iterable[str]) -> Iterator[Line]:
    """Yield the lines of a text that comes in pieces."""
    number, open_, size, after_return = 0, [""], 0, False
    for piece in texts:
        text = piece
        if after_return and text:
            text = text.removeprefix("\n")  # the second half of CRLF, cut by the window
            after_return = False
        if "\r" in text:
            after_return = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *rest = text.split("\n")
        size += len(first)
        if size <= TABLE_ROW_CHARS_MAX:
            open_.append(first)
        else:
            open_.clear()
        if not rest:
            continue
        number += 1
        yield Line(number, "".join(open_) if size <= TABLE_ROW_CHARS_MAX else None)
        for whole in rest[:-1]:
            number += 1
            yield Line(number, whole)
        open_, size = [rest[-1]], len(rest[-1])
    if size:
        yield Line(number + 1, "".join(open_) if size <= TABLE_ROW_CHARS_MAX else None)


class Rows:
    """The rows of a table, with what was passed over counted."""

    def __init__(self, lines: Iterator[Line], mapping: Mapping) -> None:
        self._lines = lines
        self._ahead: deque[Line] = deque()  # read in search of a closing quote, and given back
        self._delimiter = mapping.delimiter
        self._quote = mapping.quote
        self._comments = mapping.comments
        self._trailing = mapping.trailing
        self._failed_to = 0  # up to this line a search for a closing quote has failed; none begins before it again
        self.comments = 0

    def __iter__(self) -> Iterator[Row | Loss]:
        """Yield rows; lines that are empty or comments are none."""
        quote, comments, trailing = self._quote, self._comments, self._trailing
        split = _splitter(self._delimiter)
        while (line := self._next()) is not None:
            number, text = line
            if text is None:
                yield _too_long(number)
                continue
            if number == 1 and (found := _SEPARATOR_LINE.match(text)):
                if found[1]:
                    self._delimiter = found[1]
                    split = _splitter(self._delimiter)
                continue
            text, note = _cleaned(text) if "\0" in text or REPLACED in text else (text, "")
            bare = text.lstrip(_BLANKS) if text[:1] in _BLANKS else text
            if (not bare or bare.isspace()) and not note:
                continue
            if bare.startswith(comments):
                self.comments += 1
                continue
            comment = ""
            if trailing and trailing in text:
                text, comment = _without_comment(text, trailing)
            if quote and quote in text:
                yield self._quoted(number, text, comment, note)
                continue
            cells = split(text)
            if len(cells) > TABLE_COLUMNS_MAX:
                yield _too_wide(number)
            else:
                yield Row(number, cells, comment, note)

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def _quoted(self, number: int, text: str, comment: str, note: str) -> Row | Loss:
        """Read a row with quotes, over further lines where a quoted cell is not closed."""
        cell, ending = _patterns(self._delimiter, self._quote)
        cells: list[str] = []
        at = 0
        taken: list[Line] = []
        while True:
            found = cell.match(text, at)
            if found is None:  # a quoted cell without its end: does a further line close it?
                joined = self._run_on(number, text[at:], ending, taken)
                if joined is None:
                    self._ahead.extendleft(reversed(taken))
                    self._failed_to = max([self._failed_to, *(line.number for line in taken[-1:])])
                    reason = "a quoted cell that is not closed, or goes on behind its quote"
                    return loss(f"line {number}", Outcome.REFUSED, "quote", reason)
                text, at = joined, 0
                continue
            quoted = found[1]
            cells.append(quoted.replace(self._quote * 2, self._quote) if quoted is not None else found[2])
            if len(cells) > TABLE_COLUMNS_MAX:
                return _too_wide(number)
            at = found.end()
            if not found[3]:
                return Row(number, cells, comment, note or _changed(taken))

    def _run_on(self, number: int, text: str, ending: re.Pattern[str], taken: list[Line]) -> str | None:
        """Add lines to an open cell until one closes it; None where its quote is broken or none does."""
        if number < self._failed_to or ending.match(text.lstrip(_BLANKS), 1):
            return None
        parts, size = [text], len(text) + sum(len(line.text or "") for line in taken)
        while len(taken) < TABLE_ROW_LINES_MAX and (line := self._next()) is not None:
            taken.append(line)
            if line.text is None or (size := size + len(line.text)) > TABLE_ROW_CHARS_MAX:
                return None
            parts.append(line.text.replace("\0", ""))
            if ending.match(line.text):
                return "\n".join(parts)
        return None


def _cleaned(text: str) -> tuple[str, str]:
    """Return a text without NUL characters, and what is wrong with it."""
    return (text.replace("\0", ""), "nul") if "\0" in text else (text, "encoding")


def _changed(lines: list[Line]) -> str:
    """Return what was changed in reading any of these lines."""
    texts = [line.text or "" for line in lines]
    return "nul" if any("\0" in text for text in texts) else "encoding" * any(REPLACED in text for text in texts)


def _splitter(delimiter: str) -> Callable[[str], list[str]]:
    if delimiter == " ":
        return lambda text: text.split(None, TABLE_COLUMNS_MAX)
    if not delimiter:
        return lambda text: [text]
    return lambda text: text.split(delimiter, TABLE_COLUMNS_MAX)


@lru_cache(maxsize=64)
def _patterns(delimiter: str, quote: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what matches one cell with what ends it, and what matches the rest of an open cell to its quote."""
    mark = re.escape(quote)
    if delimiter == " ":
        end, other, around = r"([ \t]++(?!\Z)|[ \t]*+\Z)", r"[^ \t]*+", r"[ \t]*+"
    elif delimiter:
        end, other = f"({re.escape(delimiter)}|\\Z)", f"[^{re.escape(delimiter)}]*+"
        around = " *+" if delimiter == "\t" else r"[ \t]*+"
    else:
        end, other, around = r"(\Z)", r"(?s:.*+)", r"[ \t]*+"
    inside = f"(?:[^{mark}]++|{mark}{mark})*+"
    behind = "" if delimiter == " " else around
    cell = re.compile(f"(?:{around}{mark}({inside}){mark}{behind}|(?!{around}{mark})({other})){end}")
    # The quote that closes: the first that is not doubled.
    return cell, re.compile(f"{inside}{mark}")


def _without_comment(text: str, trailing: str) -> tuple[str, str]:
    """Cut off a comment that begins behind a blank."""
    found = re.search(rf"[ \t]{re.escape(trailing)}", text)
    if found is None:
        return text, ""
    return text[: found.start()].rstrip(_BLANKS), text[found.end() :].strip()


def _too_long(number: int) -> Loss:
    reason = f"longer than {TABLE_ROW_CHARS_MAX} characters (TABLE_ROW_CHARS_MAX)"
    return loss(f"line {number}", Outcome.REFUSED, "row-size", reason)


def _too_wide(number: int) -> Loss:
    reason = f"more than {TABLE_COLUMNS_MAX} cells (TABLE_COLUMNS_MAX)"
    return loss(f"line {number}", Outcome.REFUSED, "columns", reason)
