"""Cut a stream into STIX objects, each as the very bytes its producer wrote, in constant memory.

Takes a bundle or TAXII envelope (the array `objects` of a top-level object), a top-level array, or objects
one after another. Rules: `split` never raises for what it reads and never holds more than one object and
one window. A piece is cut by JSON's own structure; whether it is good JSON is for `check`. What cannot be
cut is refused, naming the byte, and reading goes on at the next place that looks like the beginning of a
STIX object: a guess, which every piece has to justify by passing the checks. The input is never read as
ended in silence: an input that breaks off, or bytes that belong to nothing, are refusals too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from comity.formats.stix.report import Refusal, refusal
from comity.formats.stix.strict import decode, ident_of
from comity.limits import JSON_DEPTH_MAX, SPLIT_WINDOW_BYTES, STATEMENT_BYTES_MAX


class Piece(NamedTuple):
    """One object as it stood in the input."""

    offset: int  # bytes before it
    data: bytes


_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
# What may stand between brackets: whole strings, and the bytes of numbers, literals, commas and colons.
_FILLER: Final = re.compile(
    rb'[ \t\r\n,:0-9+\-.eEtrufalsn]*+(?:"[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+"'
    rb"[ \t\r\n,:0-9+\-.eEtrufalsn]*+)*+"
)
_TEXT: Final = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+')
_SCALAR: Final = re.compile(rb'[^ \t\r\n,\[\]{}"]*+')
_OBJECTS: Final = re.compile(rb'(?<!\\)"objects"[ \t\r\n]*:[ \t\r\n]*\Z')
# Where a STIX object seems to begin: an opening brace after a break, and a common property that producers
# write first, so that a brace inside a broken object is seldom taken for one.
_BEGINNING: Final = re.compile(
    rb'(?<=[\[,}\n])[ \t\r]*+(?=\{[ \t\r\n]*"(?:type|id|spec_version|created|created_by_ref|confidence)"[ \t\r\n]*:)'
)
_BEGINNING_BYTES: Final = 128  # what the pattern above may span
_BEGUN_BYTES: Final = 16
_CUTS_TRIED: Final = 8
_OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY, _QUOTE, _COMMA = b'{}[]",'
_CLOSERS: Final = {_OPEN_OBJECT: _CLOSE_OBJECT, _OPEN_ARRAY: _CLOSE_ARRAY}


class _Form(NamedTuple):
    """How objects follow one another, and how a run of them is decoded."""

    between: bytes  # what ends all but the last
    around: bytes
    decode: Callable[[bytes], list[msgspec.Raw]]


_ARRAY: Final = _Form(b"},", b"[%b]", msgspec.json.Decoder(list[msgspec.Raw]).decode)
_LINES: Final = _Form(b"}\n", b"%b", msgspec.json.Decoder(msgspec.Raw).decode_lines)
_LOOK_BACK: Final = 64  # bytes before a bracket in which `"objects":` is looked for


def split(chunks: Iterable[bytes]) -> Iterator[Piece | Refusal]:
    """Yield each object of the input, or why it could not be cut out, in the order they stand."""
    return _Splitter(chunks).documents()


class _BrokenError(Exception):
    """The value being read is no JSON from the current byte on."""


class _EndedError(Exception):
    """The input broke off inside a value."""


class _Splitter:
    """The input seen through a window: `_data` from byte `_base` of the input, read up to `_at` in it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._windows = _windows(chunks)
        self._data = b""
        self._base = 0
        self._at = 0
        self._careful = {_ARRAY: 0, _LINES: 0}  # up to which byte of the input objects are cut one by one
        self._ended = False  # inside a value, which was told
        self._guessed = False  # what comes was guessed to be an object: no comma is missed before it
        self._loose = False  # after any guess, closers and commas at the top level are no news

    def documents(self) -> Iterator[Piece | Refusal]:
        """Read the top level: any number of values, one after another."""
        if self._fill(len(_BOM)) and self._data.startswith(_BOM):
            self._at = len(_BOM)
        while (byte := self._look()) >= 0:
            if byte == _OPEN_OBJECT:
                if run := self._run(_LINES):
                    yield from run
                else:
                    yield from self._object()
            elif byte == _OPEN_ARRAY:
                self._at += 1
                yield from self._elements()
            elif self._loose and byte in b",]}":
                self._at += 1
            else:
                yield self._refused("garbage", "neither an object nor an array begins here")
                self._seek(self._at + 1)

    # --- the window -------------------------------------------------------------------------------------

    def _here(self) -> int:
        return self._base + self._at

    def _more(self, keep: int) -> bool:
        """Add a window, keeping what stands from `keep` on; False at the end of the input."""
        window = next(self._windows, b"")
        self._data = self._data[keep:] + window
        self._base += keep
        self._at -= keep
        return bool(window)

    def _fill(self, count: int) -> bool:
        """Have `count` bytes ahead; False where the input ends before."""
        while len(self._data) - self._at < count:
            if not self._more(self._at):
                return False
        return True

    def _look(self) -> int:
        """Skip white space; return the byte ahead, or -1 at the end of the input."""
        while True:
            self._at = _SPACE.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._data):
                return self._data[self._at]
            if not self._more(self._at):
                return -1

    def _refused(self, rule: str, reason: str, value: _Value | None = None) -> Refusal:
        here = self._here()
        if value is None:
            return refusal(rule, f"byte {here}: {reason}", offset=here)
        ident = ident_of(self._data[value.offset - self._base : self._at]) if value.kept else ""
        return refusal(rule, f"byte {here}: {reason}", offset=value.offset, ident=ident)

    def _seek(self, start: int) -> None:
        """Go on to where the next object seems to begin from `start` on, or to the end of the input."""
        self._guessed = self._loose = True
        self._at = start
        while True:
            found = _BEGINNING.search(self._data, self._at)
            if found is not None:
                self._at = found.end()
                return
            # What the pattern may span stays, and the byte before it that it looks back on.
            self._at = max(self._at, len(self._data) - _BEGINNING_BYTES)
            if not self._more(max(self._at - 1, 0)):
                self._at = len(self._data)
                return

    # --- objects ----------------------------------------------------------------------------------------

    def _object(self) -> Iterator[Piece | Refusal]:
        """Read a top-level object: one of its own, or what is around an array `objects`."""
        value = _Value(self._here())
        try:
            if self._scan(value, container=True):
                yield self._piece(value)
                return
            head = self._data[value.offset - self._base : self._at]
            if not (yield from self._elements()):
                return
            rest = _Value(self._here(), inside=True)
            self._scan(rest)
            shell = decode(head + b"]" + self._data[rest.offset - self._base : self._at])
            if isinstance(shell, Refusal):
                yield shell._replace(offset=value.offset, reason=f"around the objects: {shell.reason}")
        except (_BrokenError, _EndedError) as error:
            yield self._lost(value, error)

    def _elements(self) -> Generator[Piece | Refusal, None, bool]:
        """Read the elements of an array behind its opening bracket; return whether it was closed."""
        separated = True
        while (byte := self._look()) >= 0:
            if byte == _CLOSE_ARRAY:
                self._at += 1
                return True
            if byte == _COMMA:
                if separated:
                    yield self._refused("separator", "a comma without an object before it")
                separated = True
                self._at += 1
                continue
            if not separated and not self._guessed:
                yield self._refused("separator", "a comma is missing")
            separated = self._guessed = False
            if byte != _OPEN_OBJECT:
                yield self._other()
            elif run := self._run(_ARRAY):
                yield from run
            else:
                yield self._cut()
        if not self._ended:
            yield self._refused("truncated", "the input ends before the array of objects does")
        return False

    def _run(self, form: _Form) -> list[Piece]:
        """Cut all objects that stand whole in the window at once; none where that is not done quickly.

        Decoding proves the cut: only whole values, one after another, are an array once brackets are put
        around them, or lines of one value each.
        """
        data, start = self._data, self._at
        if self._base + start < self._careful[form]:
            return []
        self._careful[form] = self._base + len(data)  # one attempt for each window keeps hostile input linear
        end = len(data)
        for _ in range(_CUTS_TRIED):
            end = data.rfind(form.between, start, end)
            if end < 0 or (form is _LINES and b'"objects"' in data[start:end]):  # a bundle is more than one piece
                break
            try:
                pieces = list(map(bytes, form.decode(form.around % data[start : end + 1])))
            except (msgspec.MsgspecError, RecursionError):
                end = start + (end - start) // 2
                continue
            if placed := self._placed(pieces):
                self._at = end + 1
                self._careful[form] = 0
            return placed
        return []

    def _placed(self, pieces: list[bytes]) -> list[Piece]:
        """Find where each piece stands; nothing where one of them is no object, or too large."""
        placed: list[Piece] = []
        find, base, at = self._data.find, self._base, self._at
        for piece in pieces:
            if piece[0] != _OPEN_OBJECT or len(piece) > STATEMENT_BYTES_MAX:
                return []
            at = find(b"{", at)
            placed.append(Piece(base + at, piece))
            at += len(piece)
        return placed

    def _cut(self) -> Piece | Refusal:
        """Cut one object by its structure."""
        value = _Value(self._here())
        try:
            self._scan(value)
        except (_BrokenError, _EndedError) as error:
            return self._lost(value, error)
        return self._piece(value)

    def _piece(self, value: _Value) -> Piece | Refusal:
        size = self._here() - value.offset
        if size > STATEMENT_BYTES_MAX:
            reason = f"{size} bytes; {STATEMENT_BYTES_MAX} are allowed (STATEMENT_BYTES_MAX)"
            return self._refused("too-large", reason, value)
        return Piece(value.offset, self._data[value.offset - self._base : self._at])

    def _other(self) -> Refusal:
        """Pass over an element that is no object."""
        value = _Value(self._here())
        byte = self._data[self._at]
        try:
            if byte == _OPEN_ARRAY:
                self._scan(value)
            elif byte == _QUOTE:
                self._text(value)
            else:
                self._scalar(value)
        except (_BrokenError, _EndedError) as error:
            return self._lost(value, error)
        return self._refused("not-an-object", "an element that is not an object ends here", value)

    def _lost(self, value: _Value, error: Exception) -> Refusal:
        if isinstance(error, _EndedError):
            self._ended = True
            self._at = len(self._data)
            return self._refused("truncated", f"the input ends inside what began at byte {value.offset}", value)
        lost = self._refused("structure", f"what began at byte {value.offset} is no JSON from here on", value)
        # A text without its end swallows the beginning of the next object and breaks within a few bytes of it.
        self._seek(max(value.offset - self._base + 1, self._at - _BEGUN_BYTES, 0))
        return lost

    # --- values -----------------------------------------------------------------------------------------

    def _scan(self, value: _Value, *, container: bool = False) -> bool:
        """Read to the end of a value (True), or behind the bracket of a container's array (False)."""
        while True:
            self._at = _FILLER.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at == len(self._data):
                self._need(value)
                continue
            byte = self._data[self._at]
            if byte == _QUOTE:
                self._text(value)
                continue
            if container and byte == _OPEN_ARRAY and value.depth() == 1 and self._is_objects(value):
                self._at += 1
                return False
            if not value.step(byte):
                raise _BrokenError
            self._at += 1
            if value.depth() == 0:
                return True

    def _is_objects(self, value: _Value) -> bool:
        begin = max(value.offset - self._base, self._at - _LOOK_BACK, 0)
        return value.kept and _OBJECTS.search(self._data, begin, self._at) is not None

    def _text(self, value: _Value) -> None:
        """Read a text that the window cuts, or find where it is broken."""
        self._at += 1
        while True:
            self._at = _TEXT.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            ahead = self._data[self._at : self._at + 2]
            if ahead in {b"", b"\\"}:
                self._need(value)
            elif ahead[0] == _QUOTE:
                self._at += 1
                return
            else:
                raise _BrokenError

    def _scalar(self, value: _Value) -> None:
        begin = self._here()
        while True:
            self._at = _SCALAR.match(self._data, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._data):
                break
            self._need(value)
        if self._here() == begin:
            raise _BrokenError

    def _need(self, value: _Value) -> None:
        """Read on inside a value; let go of its bytes once they are too many."""
        value.kept = value.kept and self._here() - value.offset <= STATEMENT_BYTES_MAX
        if not self._more(value.offset - self._base if value.kept else self._at):
            raise _EndedError


class _Value:
    """How deep the reader stands in a value that began at `offset`."""

    __slots__ = ("_beyond", "_closers", "kept", "offset")

    def __init__(self, offset: int, *, inside: bool = False) -> None:
        self.offset = offset
        self.kept = True  # its bytes still stand in the window
        self._closers = [_CLOSE_OBJECT] if inside else []
        self._beyond = 0  # levels beyond JSON_DEPTH_MAX, only counted: `check` refuses them

    def depth(self) -> int:
        return len(self._closers) + self._beyond

    def step(self, byte: int) -> bool:
        """Take a bracket; False where it cannot stand here."""
        closer = _CLOSERS.get(byte)
        if closer is None:
            if byte not in {_CLOSE_OBJECT, _CLOSE_ARRAY}:
                return False
            if self._beyond:
                self._beyond -= 1
                return True
            return bool(self._closers) and self._closers.pop() == byte
        if len(self._closers) == JSON_DEPTH_MAX:
            self._beyond += 1
        else:
            self._closers.append(closer)
        return True


def _windows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), SPLIT_WINDOW_BYTES):
            yield chunk[start : start + SPLIT_WINDOW_BYTES]
