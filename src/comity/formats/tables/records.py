"""JSON records: lines or array elements cut from a stream, read strictly, flattened to paths.

Rules: constant memory. A record that is no strict JSON (a key twice, NaN, nested too deep, longer than
`STATEMENT_BYTES_MAX`) is a loss, and reading goes on with the next line, or where the next object seems to
begin. A path is written `ioc.value`, `tags[]`, `["odd.key"]`; a leading `$.` means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from comity.formats.convert import Loss, Outcome, loss
from comity.formats.stix.report import Refusal
from comity.formats.stix.strict import decode
from comity.formats.tables.dialect import lines_of, text_of
from comity.formats.tables.mapping import Mapping
from comity.limits import JSON_DEPTH_MAX, STATEMENT_BYTES_MAX, TABLE_COLUMNS_MAX

_PLAIN_KEY: Final = re.compile(r"[^\s.\[\]\"$]+")
_STEP: Final = re.compile(r"\.?(?:([^\s.\[\]\"]+)|\[(\"(?:[^\"\\]|\\.)*+\")\]|(\[\]))")
_NEXT: Final = re.compile(rb"(?<=[\[,}\n])[ \t\r\n]*+(?=\{)")  # where an element seems to begin
_QUIET: Final = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+")*+')
_TEXT: Final = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+')
_SCALAR: Final = re.compile(rb'[^ \t\r\n,:\[\]{}"]*+')
_GAPS: Final = b" \t\r\n,"
_BEGUN_BYTES: Final = 64  # before what is broken, in which the next object may have begun: more only costs time
_ENCODE: Final = msgspec.json.Encoder().encode
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY, _QUOTE, _COLON = b'{}[]":'
_CLOSERS: Final = {_OPEN_OBJECT: _CLOSE_OBJECT, _OPEN_ARRAY: _CLOSE_ARRAY}


class Record(NamedTuple):
    """One object, flattened."""

    where: str
    values: dict[str, list[str]]  # by path: the texts there, numbers and booleans as JSON writes them


def path(text: str) -> str | None:
    """Return a path in the one form that `Record.values` has; None where it is none."""
    rest = text.strip().removeprefix("$")
    made, at = "", 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None:
            return None
        key, quoted, items = found.groups()
        if items:
            made += items
        else:
            try:
                made += _key(key if key is not None else msgspec.json.decode(quoted, type=str), made)
            except msgspec.MsgspecError:
                return None
        at = found.end()
    return made or None


def joined(place: str, key: str) -> str:
    """Return the path of a key below a path."""
    return place + _key(key, place)


def _key(key: str, before: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return f".{key}" if before else key
    return f"[{_ENCODE(key).decode()}]"


def flat(tree: dict[str, Any]) -> dict[str, list[str]]:
    """Return the scalars of an object by path, at most `TABLE_COLUMNS_MAX` paths; nulls are absent."""
    found: dict[str, list[str]] = {}
    pending: list[tuple[str, Any]] = [("", tree)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, dict):
            pending += [(joined(place, key), each) for key, each in reversed(value.items())]
        elif isinstance(value, list):
            pending += [(place + "[]", each) for each in reversed(value)]
        elif value is not None and (place in found or len(found) < TABLE_COLUMNS_MAX):
            text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
            found.setdefault(place, []).append(text.replace("\0", ""))
    return found


def lines(chunks: Iterable[bytes], mapping: Mapping) -> Iterator[Record | Loss]:
    """Read a JSON object from each line that is neither empty nor a comment."""
    comments = 0
    for number, text in lines_of(text_of(chunks, mapping.encoding)):
        where = f"line {number}"
        if text is None:
            yield _too_large(where)
            continue
        bare = text.strip(" \t")
        if not bare:
            continue
        if bare.startswith(mapping.comments):
            comments += 1
            continue
        yield _record(where, bare.encode("utf-8", "replace"))
    if comments:
        yield loss("", Outcome.UNMAPPED, "comments", f"{comments} lines of comment")


def elements(chunks: Iterable[bytes], mapping: Mapping) -> Iterator[Record | Loss]:
    """Read each object of the mapping's array."""
    encoded = (text.encode("utf-8", "replace") for text in text_of(chunks, mapping.encoding))
    return _Array(encoded, path(mapping.array) or "").records()


def _record(where: str, data: bytes) -> Record | Loss:
    tree = decode(data)
    if isinstance(tree, Refusal):
        return loss(where, Outcome.REFUSED, tree.rule, tree.reason)
    return Record(where, flat(tree))


def _too_large(where: str) -> Loss:
    reason = f"more than {STATEMENT_BYTES_MAX} bytes (STATEMENT_BYTES_MAX)"
    return loss(where, Outcome.REFUSED, "too-large", reason)


class _BrokenError(Exception):
    """What is read is no JSON from here on."""


class _EndedError(Exception):
    """The input ends inside a value."""


class _Nesting:
    """The brackets that are open within a value."""

    def __init__(self) -> None:
        self._closers: list[int] = []
        self._beyond = 0  # levels deeper than any record may be, only counted: decoding refuses them

    @property
    def depth(self) -> int:
        return len(self._closers) + self._beyond

    def step(self, byte: int) -> bool:
        """Take a bracket; False for another byte."""
        closer = _CLOSERS.get(byte)
        if closer is not None and len(self._closers) < JSON_DEPTH_MAX:
            self._closers.append(closer)
        elif closer is not None:
            self._beyond += 1
        elif byte not in {_CLOSE_OBJECT, _CLOSE_ARRAY}:
            return False
        elif self._beyond:
            self._beyond -= 1
        elif not self._closers or self._closers.pop() != byte:
            raise _BrokenError
        return True


class _Array:
    """A JSON text seen through a window, and where in it the array of records is."""

    def __init__(self, windows: Iterator[bytes], array: str) -> None:
        self._windows = windows
        self._array = array
        self._data = b""
        self._base = 0  # bytes before the window
        self._at = 0

    def records(self) -> Iterator[Record | Loss]:
        """Find the array, read its elements, and tell of what stands around them."""
        try:
            if not self._enter():
                yield loss(
                    "",
                    Outcome.REFUSED,
                    "array",
                    f"no array {self._array!r} in this input" if self._array else "no array",
                )
                return
        except (_BrokenError, _EndedError):
            yield loss(f"byte {self._base + self._at}", Outcome.REFUSED, "structure", "no JSON before the array begins")
            return
        yield from self._elements()
        rest = self._base + self._at
        while self._more():
            self._at = len(self._data)
        length = self._base + len(self._data) - rest
        if self._array and length > 2:
            yield loss(f"byte {rest}", Outcome.UNMAPPED, "around", f"{length} bytes behind the array are not read")

    def _more(self, keep: int | None = None) -> bool:
        """Add a window, keeping what stands from `keep` on."""
        start = self._at if keep is None else keep
        window = next((each for each in self._windows if each), b"")
        self._data = self._data[start:] + window
        self._base += start
        self._at -= start
        return bool(window)

    def _look(self, gaps: bytes = _GAPS) -> int:
        """Skip gaps; return the byte ahead, -1 at the end."""
        while True:
            while self._at < len(self._data) and self._data[self._at] in gaps:
                self._at += 1
            if self._at < len(self._data):
                return self._data[self._at]
            if not self._more():
                return -1

    def _enter(self) -> bool:
        """Go behind the bracket that opens the array."""
        place = ""
        while True:
            byte = self._look()
            if place == self._array and byte == _OPEN_ARRAY:
                self._at += 1
                return True
            if byte != _OPEN_OBJECT or not (self._array.startswith(place) and place != self._array):
                return False
            self._at += 1
            inner = self._key_towards(place)
            if inner is None:
                return False
            place = inner

    def _key_towards(self, place: str) -> str | None:
        """Pass the members of an object up to the one that leads to the array."""
        while True:
            byte = self._look()
            if byte != _QUOTE:
                return None
            begin = self._base + self._at
            self._value(begin)
            try:
                key = msgspec.json.decode(self._data[begin - self._base : self._at], type=str)
            except msgspec.MsgspecError as error:
                raise _BrokenError from error
            if self._look(b" \t\r\n") != _COLON:
                raise _BrokenError
            self._at += 1
            inner = joined(place, key)
            self._look(b" \t\r\n")
            if inner == self._array or self._array.startswith((inner + ".", inner + "[")):
                return inner
            self._value(self._base + self._at)

    def _elements(self) -> Iterator[Record | Loss]:
        """Read up to the bracket that closes the array."""
        while (byte := self._look()) >= 0:
            if byte == _CLOSE_ARRAY:
                self._at += 1
                return
            begin = self._base + self._at
            where = f"byte {begin}"
            try:
                kept = self._value(begin)
            except _EndedError:
                break
            except _BrokenError:
                here = self._base + self._at
                self._seek(max(begin - self._base + 1, self._at - _BEGUN_BYTES, 0))
                reason = f"no JSON from byte {here} on; read on from byte {self._base + self._at}"
                yield loss(where, Outcome.REFUSED, "structure", reason)
                continue
            if not kept:
                yield _too_large(where)
            else:
                yield _record(where, self._data[begin - self._base : self._at])
        yield loss(
            f"byte {self._base + len(self._data)}", Outcome.REFUSED, "truncated", "the input ends inside the array"
        )

    def _value(self, begin: int) -> bool:
        """Pass a value that begins at this byte of the input; return whether its bytes still stand in the window."""
        nesting = _Nesting()
        kept = True
        while True:
            if self._at >= len(self._data):
                kept = self._read_on(begin, kept)
            byte = self._data[self._at]
            if byte == _QUOTE:
                kept = self._text(begin, kept)
            elif nesting.step(byte):
                self._at += 1
            elif nesting.depth:
                self._at = _QUIET.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
                continue
            else:
                kept = self._scalar(begin, kept)
            if not nesting.depth:
                return kept

    def _read_on(self, begin: int, kept: bool) -> bool:
        """Read more of a value; let go of its bytes once they are too many."""
        kept = kept and self._base + self._at - begin <= STATEMENT_BYTES_MAX
        if not self._more(begin - self._base if kept else None):
            raise _EndedError
        return kept

    def _text(self, begin: int, kept: bool) -> bool:
        self._at += 1
        while True:
            self._at = _TEXT.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            ahead = self._data[self._at : self._at + 2]
            if ahead[:1] == b'"':
                self._at += 1
                return kept
            if ahead not in {b"", b"\\"}:
                raise _BrokenError
            kept = self._read_on(begin, kept)

    def _scalar(self, begin: int, kept: bool) -> bool:
        start = self._base + self._at
        while True:
            self._at = _SCALAR.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._data):
                break
            kept = self._read_on(begin, kept)
        if self._base + self._at == start:
            raise _BrokenError
        return kept

    def _seek(self, start: int) -> None:
        """Go on to where the next element seems to begin."""
        self._at = start
        while True:
            found = _NEXT.search(self._data, self._at)
            if found is not None:
                self._at = found.end()
                return
            self._at = max(len(self._data) - 1, self._at)
            if not self._more(max(self._at - 1, 0)):
                self._at = len(self._data)
                return
