"""The events in a MISP document, whatever its shape and age, and its parts as bytes until they are wanted.

Rules: an event's attributes stay bytes until their turn, so that what is broken in one costs that one. What
every reader would stumble over and that has one meaning (a comma too many, a control character, NaN) is mended and
said; a key that stands twice is said. Depth and size are bounded; anything else is refused with a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.formats.convert import Loss, Outcome, loss
from comity.limits import MISP_COMMAS_MAX, MISP_MENDED_BYTES_MAX

Raw = msgspec.Raw

ENVELOPES_MAX: Final = 4  # lists and `response` around an event; MISP writes two
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_ITEMS: Final = msgspec.json.Decoder(list[Raw]).decode
_TREE: Final = msgspec.json.Decoder().decode
_LIST: Final = msgspec.json.Decoder(list[Any]).decode
_TOGETHER: Final = 64  # parts decoded at a time,
_TOGETHER_BYTES: Final = 262_144  # while they are small: they are in memory twice
_ENCODE: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
_SURPLUS: Final = re.compile(r'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))|,(?=[ \t\r\n]*+[}\]])', re.DOTALL)
_NUMBER_CHARS_MAX: Final = 300  # digits; a double has 309 and no id or count has more than 20
_EVENT_MEMBERS: Final = frozenset({"Attribute", "Object", "info", "uuid"})


class Part(NamedTuple):
    """A part of a document and its place in it."""

    where: str
    raw: Raw | bytes


class Event(NamedTuple):
    """An event, its place in the document, its members as bytes, and whether a key may stand twice among them."""

    where: str
    members: dict[str, Raw]
    again: bool


class Broken(Exception):
    """A part cannot be read; never leaves this package."""


def events(data: bytes) -> Iterator[Event | Loss]:
    """Yield each event of a document, its members not decoded.

    Takes one event with or without its `Event` wrapper, lists of events, and the `response` of a server
    (also of attributes alone) around any of them.
    """
    if data.count(b",") > MISP_COMMAS_MAX:
        yield loss("", Outcome.REFUSED, "too-many", f"more than {MISP_COMMAS_MAX} values (MISP_COMMAS_MAX)")
        return
    data = data.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\0")
    try:
        _TREE_SHAPE(data)
    except _UNREADABLE as error:
        mended = _mend(data)
        if isinstance(mended, str):
            yield loss("", Outcome.REFUSED, "json", f"{mended or error}")
            return
        yield loss("", Outcome.CHANGED, "json", f"not JSON as it stood, and mended: {error}")
        data = mended
    yield from _events(Part("", data), ENVELOPES_MAX)


def _TREE_SHAPE(data: bytes) -> None:  # noqa: N802 - reads as the constants above
    """Go over all of a document once, decoding only the outermost level."""
    if data[:1] == b"[":
        _ITEMS(data)
    else:
        _MEMBERS(data)


def _events(part: Part, levels: int) -> Iterator[Event | Loss]:
    head = bytes(memoryview(part.raw)[:1])
    if head == b"[" and levels:
        for at, item in enumerate(items(part.raw)):
            yield from _events(Part(f"{part.where}[{at}]", item), levels - 1)
        return
    if head != b"{" or not levels:
        reason = "no event, nor a list of events" if levels else "an event inside too many lists (ENVELOPES_MAX)"
        yield loss(part.where, Outcome.REFUSED, "shape", reason)
        return
    found, again = members(part.raw)
    dot = "." if part.where else ""
    inner = [name for name in ("response", "Event") if name in found and bytes(found[name])[:1] in {b"[", b"{"}]
    if _EVENT_MEMBERS.isdisjoint(found) and inner:
        if again:
            yield repeated(part.where)
        for name in found:
            where = f"{part.where}{dot}{name}"
            if name in inner:
                yield from _events(Part(where, found[name]), levels - 1)
            elif bytes(found[name]) not in _EMPTY:
                yield loss(where, Outcome.UNMAPPED, "beside-event", "a member beside the event")
    elif _EVENT_MEMBERS.isdisjoint(found):
        yield loss(part.where, Outcome.REFUSED, "shape", "an object that is no event")
    else:
        yield Event(part.where, found, again)


_EMPTY: Final = frozenset({b"", b"null", b"[]", b"{}", b'""', b"false"})


def is_empty(raw: Raw | bytes) -> bool:
    """Whether a member says nothing: null, false, or an empty text, list or object."""
    return bytes(raw) in _EMPTY


def repeated(where: str) -> Loss:
    """Return the loss of a part in which a key stands twice."""
    return loss(where, Outcome.CHANGED, "repeated-key", "a key stands twice in one object: the last one counts")


def members(raw: Raw | bytes) -> tuple[dict[str, Raw], bool]:
    """Return an object's members as bytes, and whether a key may stand twice. Raises `Broken`."""
    try:
        found = _MEMBERS(raw)
    except _UNREADABLE as error:
        raise Broken(_why(error)) from error
    # Each key is followed by a colon; one more than members and their insides have is a key's that was lost.
    inside = sum(bytes(value).count(b":") + name.count(":") for name, value in found.items())
    return found, bytes(raw).count(b":") != inside + len(found) and _repeats(raw)


def items(raw: Raw | bytes) -> list[Raw]:
    """Return a list's items as bytes. Raises `Broken`."""
    try:
        return _ITEMS(raw)
    except _UNREADABLE as error:
        raise Broken(_why(error)) from error


def tree(raw: Raw | bytes) -> tuple[Any, bool]:
    """Return a part decoded, and whether a key may stand twice in it. Raises `Broken`."""
    try:
        found = _TREE(raw)
        data = bytes(raw)
        # An escaped colon could stand in for a lost one, so such data is looked at closely too.
        return found, (b"\\u003" in data or data.count(b":") != _ENCODE(found).count(b":")) and _repeats(raw)
    except _UNREADABLE as error:
        raise Broken(_why(error)) from error


def trees(raws: Sequence[Raw]) -> Iterator[tuple[Any, bool] | Broken]:
    """Yield for each part what `tree` returns or raises; several at a time where nothing is wrong with them."""
    for start in range(0, len(raws), _TOGETHER):
        some = raws[start : start + _TOGETHER]
        data = b"[%b]" % b",".join(some)
        try:
            # No part gains a colon when it is written again, so none has lost one where there are as many in all.
            found = _LIST(data) if len(data) <= _TOGETHER_BYTES and b"\\u003" not in data else []
            if found and data.count(b":") == _ENCODE(found).count(b":"):
                yield from [(one, False) for one in found]
                continue
        except _UNREADABLE:
            pass  # met again below, with the part it belongs to
        yield from map(_one, some)


def _one(raw: Raw) -> tuple[Any, bool] | Broken:
    try:
        return tree(raw)
    except Broken as error:
        return error


class _RepeatedError(Exception):
    """A key stands twice."""


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _RepeatedError


def _repeats(raw: Raw | bytes) -> bool:
    try:
        json.loads(bytes(raw), object_pairs_hook=_distinct, parse_int=len, parse_float=len)
    except _RepeatedError:
        return True
    except _UNREADABLE:
        return False  # what is wrong with it is said where it is decoded
    return False


def _why(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _mend(data: bytes) -> bytes | str:
    """Return a document that JSON readers take, or why it cannot be made one (empty: too long to try).

    Takes away a comma before a closing bracket, reads control characters in texts as themselves and bytes that are
    no UTF-8 as U+FFFD, and NaN, infinities and endless numbers as null.
    """
    if len(data) > MISP_MENDED_BYTES_MAX:
        return ""
    text = _SURPLUS.sub(lambda found: found[1] or "", data.decode("utf-8", "replace"))
    try:
        found = json.loads(text, strict=False, parse_constant=_nothing, parse_float=_float, parse_int=_int)
        mended = json.dumps(found, separators=(",", ":")).encode()
        _TREE_SHAPE(mended)
    except _UNREADABLE as error:
        return _why(error)
    return mended


def _nothing(_: str) -> None:
    return None


def _float(text: str) -> float | None:
    value = float(text)
    return value if value - value == 0 else None  # not infinite


def _int(text: str) -> int | None:
    return int(text) if len(text) <= _NUMBER_CHARS_MAX else None
