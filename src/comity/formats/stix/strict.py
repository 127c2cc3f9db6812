"""JSON as RFC 8259 and I-JSON (RFC 7493) have it, with nothing that two parsers could read differently.

Rules: no key twice in one object, no NaN, no number beyond what a double or 4,300 digits hold, no lone
surrogate, UTF-8 only, at most `JSON_DEPTH_MAX` deep and `STATEMENT_BYTES_MAX` long. Any bytes give an object
or a `Refusal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from comity.formats.stix.report import Refusal, refusal
from comity.limits import JSON_DEPTH_MAX, STATEMENT_BYTES_MAX

Tree = dict[str, Any]

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_IDENT: Final = re.compile(rb'"id"[ \t\r\n]*:[ \t\r\n]*"([^"\\\x00-\x1f]{1,300})"')
_IDENT_BYTES: Final = 4_096  # bytes of a broken object in which its id is looked for
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


class _RepeatedKeyError(Exception):
    """A key stands twice; the message is the key."""


def ident_of(data: bytes) -> str:
    """Return the id that unread bytes seem to give themselves, for a report; empty where none is found."""
    found = _IDENT.search(data, 0, _IDENT_BYTES)
    return found[1].decode("utf-8", "replace") if found else ""


def decode_many(batch: Sequence[bytes]) -> list[Tree | Refusal]:
    """Decode objects: together where all are good, one by one where anything among them is suspicious."""
    try:
        trees: list[Any] = list(map(_DECODE, batch))
        if all(map(_is_small, batch)) and not _may_repeat_keys(b"".join(batch), trees):
            return [
                tree if type(tree) is dict else _not_an_object(data) for tree, data in zip(trees, batch, strict=True)
            ]
    except _UNREADABLE:
        pass  # met again below, with the object it belongs to
    return [decode(data) for data in batch]


def decode(data: bytes) -> Tree | Refusal:
    """Decode one object."""
    if len(data) > STATEMENT_BYTES_MAX:
        return _refused(
            "too-large", f"{len(data)} bytes; {STATEMENT_BYTES_MAX} are allowed (STATEMENT_BYTES_MAX)", data
        )
    try:
        tree = _DECODE(data)
        if _depth(tree) > JSON_DEPTH_MAX:
            return _too_deep(data)
        if type(tree) is not dict:
            return _not_an_object(data)
        if _may_repeat_keys(data, tree):
            json.loads(data, object_pairs_hook=_distinct)
    except _RepeatedKeyError as error:
        return _refused("duplicate-key", f"the key {str(error)!r} stands twice in one object", data)
    except UnicodeError as error:
        return _refused("encoding", f"not UTF-8: {error}", data)
    except RecursionError:
        return _too_deep(data)
    except _UNREADABLE as error:
        return _refused("json", str(error), data)
    return tree


def _refused(rule: str, reason: str, data: bytes) -> Refusal:
    return refusal(rule, reason, ident=ident_of(data))


def _not_an_object(data: bytes) -> Refusal:
    return _refused("json", "not a JSON object", data)


def _too_deep(data: bytes) -> Refusal:
    return _refused("too-deep", f"nested more than {JSON_DEPTH_MAX} deep (JSON_DEPTH_MAX)", data)


def _is_small(data: bytes) -> bool:
    """Whether an object is surely small and flat; brackets in texts count too, which only sends it the slow way."""
    return len(data) <= STATEMENT_BYTES_MAX and data.count(b"{") + data.count(b"[") <= JSON_DEPTH_MAX


def _may_repeat_keys(data: bytes, trees: object) -> bool:
    """Whether any object may have a key twice; never wrong when it says no.

    A decoder keeps the last of two values, so what it read, written again, has fewer colons than the bytes
    had: one follows each key, and those inside texts come out as they went in. Only a colon that was escaped
    could stand in for a lost one, so such data is suspicious too.
    """
    return b"\\u003" in data or data.count(b":") != _ENCODE(trees).count(b":")


def _depth(tree: object) -> int:
    """Count the levels of objects and arrays."""
    level, depth = [tree], 0
    while level := [node for node in level if isinstance(node, dict | list)]:
        level = [item for node in level for item in (node.values() if isinstance(node, dict) else node)]
        depth += 1
    return depth


def _distinct(pairs: list[tuple[str, Any]]) -> Tree:
    tree: Tree = {}
    for key, value in pairs:
        if key in tree:
            raise _RepeatedKeyError(key)
        tree[key] = value
    return tree
