"""One page of a TAXII collection as it comes: its objects cut out, the known ones left out, its dates, its end.

Rules: what came before a cut is whole and is given out; the cut is told afterwards. Nothing here grows with the page
but what is bounded by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

import msgspec

from comity.errors import ComityError, Malformed, Unreachable
from comity.formats.stix.report import Refusal
from comity.formats.stix.split import Piece, split
from comity.http.exchange import Incoming
from comity.limits import TAXII_EDGE_MAX
from comity.node.polling import Faults, Part
from comity.transports.envelope import Envelope, Frame

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|z|[+-]\d\d:\d\d)", re.ASCII)


class _Named(msgspec.Struct):
    """What tells an object's version from others."""

    id: str = ""
    modified: str = ""
    created: str = ""


_NAMED: Final = msgspec.json.Decoder(_Named)


class Page:
    """One page as it comes."""

    def __init__(self, answer: Incoming, known: dict[int, int], passing: set[int], faults: Faults) -> None:
        self._answer = answer
        self._known = known
        self._passing = passing
        self._faults = faults
        self._frame = Frame()
        self.first = date(answer.headers.get("x-taxii-date-added-first", ""))
        self.last = date(answer.headers.get("x-taxii-date-added-last", ""))
        self._start = -1  # where the first byte stands that is no space
        self._is_bare = False  # an object came without an envelope
        self.size = 0  # bytes
        self.count = 0  # objects, refused ones too
        self.fresh = 0  # of which are not known
        self.passed = 0  # of which are known and were expected
        self.marks: dict[int, int] = {}  # id and version to content, at most TAXII_EDGE_MAX
        self.envelope: Envelope | None = None
        self.error: ComityError | None = None

    def pieces(self, part: Part) -> Iterator[Piece | Refusal]:
        """Yield what is new; a cut ends it and is kept as `error`: what came before it is whole."""
        for thing in split(self._through()):
            if isinstance(thing, Refusal):
                if self.error is None or thing.rule != "truncated":
                    self.count, self.fresh = self.count + 1, self.fresh + 1
                    yield thing
                continue
            name, content = marks(thing.data)
            if thing.offset == self._start:  # without `objects`, the envelope itself is cut out as one
                self._is_bare = name != content
                continue
            self.count += 1
            if len(self.marks) < TAXII_EDGE_MAX:
                self.marks[name] = content
            held = self._known.get(name)
            if held is None:
                self.fresh += 1
                yield thing
                continue
            part.known += 1
            if name in self._passing:
                self._passing.discard(name)
                self.passed += 1
            if held != content:
                self._faults.add("sends other bytes for a version that it has sent before: the first ones stand")
        if self._is_bare:
            self.error = Malformed("what came is an object without an envelope (§3.7)")
        if self.error is None:
            self._end()

    def _through(self) -> Iterator[bytes]:
        try:
            for chunk in self._answer.chunks:
                if self._start < 0 and (text := chunk.lstrip(b" \t\r\n\xef\xbb\xbf")):
                    self._start = self.size + len(chunk) - len(text)
                self.size += len(chunk)
                self._frame.feed(chunk)
                yield chunk
        except ComityError as error:
            self.error = error
            return
        if self._frame.is_open:
            self.error = Unreachable(
                "the envelope breaks off", hint="what came of it is kept, and it is asked for again"
            )

    def _end(self) -> None:
        try:
            self.envelope = self._frame.end()
        except Malformed as error:
            if not self.count:
                self.error = error
                return
            self._faults.add(str(error))
            self.envelope = Envelope(more=True)  # nobody knows: the dates lead on


def marks(data: bytes) -> tuple[int, int]:
    """Return 64 bits each that stand for an object's id and version, and for its bytes."""
    content = int.from_bytes(_hash(data))
    try:
        named = _NAMED.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return content, content
    if not named.id:
        return content, content
    version = named.modified or named.created
    return int.from_bytes(_hash(f"{named.id}\0{version}".encode("utf-8", "surrogatepass"))), content


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


def date(text: str) -> int | None:
    """Return a TAXII timestamp (§1.6.6) as microseconds since the epoch, what is finer cut off; None for none."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        when = datetime.fromisoformat(match[1].upper() + match[3].upper().replace("Z", "+00:00"))
        micros = (when - EPOCH) // timedelta(microseconds=1) + int((match[2] or "")[:6].ljust(6, "0"))
    except (ValueError, OverflowError):
        return None
    return micros if micros >= 0 else None
