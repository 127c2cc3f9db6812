"""What stands around the objects of a TAXII envelope, read as its bytes pass, without holding the objects.

Rules: an envelope is a JSON object (TAXII 2.1 §3.7): `more`, `next`, and `objects`, which may be larger than memory.
Only what stands at the top of it is kept, at most TAXII_FRAME_BYTES_MAX bytes; objects are for `stix.split`. Any
bytes give an `Envelope` or `Malformed`, in time linear in their number.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from comity.errors import Malformed
from comity.limits import TAXII_FRAME_BYTES_MAX, TAXII_NEXT_CHARS_MAX

_SHALLOW: Final = re.compile(rb'[^"{}\[\]]*+')  # up to a bracket or a text
_DEEP: Final = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)  # and over texts
_TEXT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_QUOTE, _BACKSLASH = b'"\\'
_OPENERS: Final = frozenset(b"{[")


class Envelope(msgspec.Struct, frozen=True):
    """An envelope without its objects."""

    more: bool = False
    next: str | None = None
    objects: list[None] = []


class Frame:
    """Is fed an envelope in chunks of any size."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._depth = 0
        self._text = False  # inside a text
        self._rest = b""  # a backslash whose character is still to come
        self._broken = ""

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        data, self._rest = self._rest + chunk, b""
        at = 0
        while at < len(data) and not self._broken:
            at = self._in_text(data, at) if self._text else self._between(data, at)

    @property
    def is_open(self) -> bool:
        """Say whether it has not come to its end."""
        return not self._broken and bool(self._depth or self._text)

    def end(self) -> Envelope:
        """Return the envelope once all of it was fed. Raises `Malformed`."""
        if self.is_open:
            raise Malformed("the envelope breaks off")
        if self._broken:
            raise Malformed(f"the envelope {self._broken}")
        try:
            found = msgspec.json.decode(bytes(self._kept), type=Envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"what came is no TAXII envelope: {error}") from error
        if found.next is not None and len(found.next) > TAXII_NEXT_CHARS_MAX:
            raise Malformed(f"the envelope's `next` has over {TAXII_NEXT_CHARS_MAX} characters (TAXII_NEXT_CHARS_MAX)")
        return found

    def _keep(self, data: bytes) -> None:
        if self._depth > 1:
            return
        self._kept += data
        if len(self._kept) > TAXII_FRAME_BYTES_MAX:
            self._broken = f"has over {TAXII_FRAME_BYTES_MAX} bytes beside its objects (TAXII_FRAME_BYTES_MAX)"

    def _in_text(self, data: bytes, at: int) -> int:
        end = _TEXT.match(data, at).end()  # type: ignore[union-attr]  # matches anything
        self._keep(data[at:end])
        if end < len(data) and data[end] == _BACKSLASH:
            self._rest = data[end:]
            return len(data)
        if end < len(data):
            self._text = False
            self._keep(b'"')
            end += 1
        return end

    def _between(self, data: bytes, at: int) -> int:
        pattern = _DEEP if self._depth > 1 else _SHALLOW
        end = pattern.match(data, at).end()  # type: ignore[union-attr]  # matches anything
        self._keep(data[at:end])
        if end == len(data):
            return end
        byte = data[end]
        mark = data[end : end + 1]
        if byte == _QUOTE:
            self._text = True
            self._keep(mark)
        elif byte in _OPENERS:
            self._keep(mark)
            self._depth += 1
        else:
            self._depth -= 1
            self._keep(mark)
            if self._depth < 0:
                self._broken = "closes what was never opened"
        return end + 1
