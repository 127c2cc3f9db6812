"""Canonical JSON for what we author, digests, and look-alike strings as types.

Rules: canonical form is RFC 8785 restricted to what Comity writes (no floats, integers within
2**53 - 1, keys within the basic plane), so every encoder of the field gives the same bytes. Received
bytes are hashed as they came and never rewritten; where a received header steers a decision it must
already *be* canonical, so that no two parsers can read it differently (duplicate keys, odd escapes, spacing).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, Final, NewType, TypeVar

import msgspec

from comity.errors import Malformed
from comity.limits import JSON_DEPTH_MAX

PartyId = NewType("PartyId", str)
"""A domain name the party holds, e.g. `cert.arcadia.example`."""
OfficeId = NewType("OfficeId", str)
"""An office of a party, e.g. `csirt`."""
AccordId = NewType("AccordId", str)
"""The short name of an accord, e.g. `three-shores`."""
Origin = NewType("Origin", str)
"""The name of a log: `<party>/accord/<id>/<generation>` or `<party>/home/<generation>`."""
Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hexadecimal digits."""
Instant = int
"""Whole seconds since 1970-01-01T00:00:00Z."""

T = TypeVar("T")

INTEGER_MAX: Final = 2**53 - 1  # RFC 8785 §3.2.2.3: beyond it, doubles lose integers

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_DECODER: Final = msgspec.json.Decoder()
_PARTY: Final = re.compile(r"(?=.{3,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z")
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")


def encode(value: object) -> bytes:
    """Return the canonical bytes of `value` (structs, mappings, lists, strings, integers, booleans, null).

    Raises `Malformed` for floats, integers beyond `INTEGER_MAX` and more than `JSON_DEPTH_MAX` levels:
    we never author them.
    """
    try:
        plain = msgspec.to_builtins(value, order="deterministic")
        _check(plain, JSON_DEPTH_MAX)
        return _ENCODER.encode(plain)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(f"cannot be written as canonical JSON: {error}") from error


def _check(value: object, levels: int) -> None:
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise Malformed("an integer is beyond 2**53 - 1")
        return
    if isinstance(value, float):
        raise Malformed("a float has no place in a signed record")
    if not isinstance(value, dict | list | tuple):
        return
    if not levels:
        # A named depth, not the interpreter's: every node must refuse the same bytes.
        raise Malformed(f"nested deeper than JSON_DEPTH_MAX ({JSON_DEPTH_MAX})")
    if isinstance(value, dict):
        for key in value:
            # RFC 8785 §3.2.3 sorts keys by UTF-16 units, our encoder by code points: alike within the basic plane.
            if not isinstance(key, str) or not (key.isascii() or max(key) <= "\uffff"):
                raise Malformed(f"{key!r} is no key of a signed record")
    for item in value.values() if isinstance(value, dict) else value:
        if not isinstance(item, str):  # most are, and there is nothing to check in one
            _check(item, levels - 1)


def decode(data: bytes, kind: type[T], *, what: str) -> T:
    """Read canonical JSON as `kind`; `what` names the thing in the error.

    Raises `Malformed` if the bytes are not JSON of that shape or not in canonical form.
    """
    try:
        plain: Any = _DECODER.decode(data)
        if encode(plain) != data:
            raise Malformed(f"{what} is not in canonical form", hint="duplicate keys, spacing or number form differ")
        return msgspec.convert(plain, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{what} cannot be read: {error}") from error


def b64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, *, what: str, length: int | None = None) -> bytes:
    """Read strict standard base64, of exactly `length` bytes where given; raises `Malformed`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what} is not base64") from error
    if b64(data) != text or (length is not None and len(data) != length):
        raise Malformed(f"{what} is not base64 of {length} bytes" if length else f"{what} is not canonical base64")
    return data


def digest(data: bytes) -> Digest:
    """Return the SHA-256 digest of `data` as text."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def party_id(text: str) -> PartyId:
    """Check a party's name: a lower-case domain name. Raises `Malformed`."""
    if not _PARTY.match(text):
        raise Malformed(f"{text!r} is not a party's name", hint="use a lower-case domain the party holds")
    return PartyId(text)


def slug(text: str, *, what: str) -> str:
    """Check a short name of lower-case letters, digits and inner hyphens. Raises `Malformed`."""
    if not _SLUG.match(text):
        raise Malformed(f"{text!r} is not a short name for {what}", hint="lower-case letters, digits, inner hyphens")
    return text


def accord_origin(party: PartyId, accord: AccordId, generation: int) -> Origin:
    """Return the origin of a party's log in an accord (design §1, *origin*)."""
    return Origin(f"{party}/accord/{accord}/{generation}")


def home_origin(party: PartyId, generation: int) -> Origin:
    """Return the origin of a party's home log."""
    return Origin(f"{party}/home/{generation}")


def parse_origin(text: str) -> tuple[PartyId, AccordId | None, int]:
    """Split an origin into party, accord (None for a home log) and generation. Raises `Malformed`."""
    match text.split("/"):
        case [party, "accord", accord, generation]:
            return party_id(party), AccordId(slug(accord, what="an accord")), _generation(generation)
        case [party, "home", generation]:
            return party_id(party), None, _generation(generation)
    raise Malformed(f"{text!r} is not a log's origin")


def _generation(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6 or text != str(int(text)) or text == "0":
        raise Malformed(f"{text!r} is not a log's generation")
    return int(text)
