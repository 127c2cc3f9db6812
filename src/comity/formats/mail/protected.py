"""Where in a message the signed or encrypted bytes are, exactly as they came.

Rules: a signature is over bytes, so they are cut out of what came, and never made again from what was parsed. The
boundary is looked for as RFC 2046 §5.1.1 has it. Lines end with CRLF for whoever checks (RFC 3156 §5, RFC 8551 §3.1.1).
"""

from __future__ import annotations

import base64
import binascii
import re
from email import message_from_bytes
from typing import Final, NamedTuple

from comity.errors import Malformed
from comity.formats.mail.message import BOUNDED

_BLANK: Final = re.compile(rb"\r?\n\r?\n")
_BARE: Final = re.compile(rb"(?<!\r)\n")
_BEGIN: Final = re.compile(r"-----BEGIN PGP (?:MESSAGE|SIGNED MESSAGE)-----")
_END: Final = re.compile(r"-----END PGP (?:MESSAGE|SIGNATURE)-----")
_PIECES_MAX: Final = 16
_FIELD: Final = re.compile(rb"^[!-9;-~]+:[^\n]*\n?(?:[ \t][^\n]*\n?)*", re.MULTILINE)
_OF_BODY: Final = re.compile(rb"(?i)content-|mime-version:")


class Signed(NamedTuple):
    """What a detached signature is over, and the signature."""

    content: bytes  # with its own header fields, lines ended by CRLF
    signature: bytes  # armour or DER, its transfer encoding undone


def signed(data: bytes) -> Signed:
    """Return what a `multipart/signed` message signs (RFC 1847 §2.1). Raises `Malformed`."""
    parts = _parts(data)
    if len(parts) != 2:
        raise Malformed("a signed message has two parts, what is signed and the signature")
    return Signed(_BARE.sub(b"\r\n", parts[0]), _payload(parts[1]))


def encrypted(data: bytes) -> bytes:
    """Return the ciphertext of a `multipart/encrypted` message (RFC 3156 §4) or of PKCS #7. Raises `Malformed`."""
    if str(message_from_bytes(_top(data), policy=BOUNDED).get("content-type", "")).lower().startswith("multipart/"):
        parts = _parts(data)
        if len(parts) != 2:
            raise Malformed("an encrypted message has two parts, its version and the ciphertext")
        return _payload(parts[1])
    return _payload(data)


def armoured(text: str) -> tuple[str, ...]:
    """Return the pieces of OpenPGP armour that stand in a text, at most `_PIECES_MAX`."""
    found: list[str] = []
    at = 0
    # Two expressions, each looking on from where the other stopped: one for both looks to the end at every beginning.
    while len(found) < _PIECES_MAX and (begin := _BEGIN.search(text, at)) and (end := _END.search(text, begin.end())):
        at = end.end()
        found.append(text[begin.start() : at])
    return tuple(found)


def within(data: bytes, entity: bytes) -> bytes:
    """Return a message that says what was inside of another: the outer fields around the inner entity.

    The inner entity's own fields come first: a subject that was encrypted or signed is the true one (RFC 9788 §4).
    """
    inner = _top(entity)
    head = inner.rstrip(b"\r\n") + b"\r\n" if inner.strip() else b"Content-Type: text/plain; charset=utf-8\r\n"
    body = entity[len(inner) :] if inner.strip() else entity
    fields = [one for one in _FIELD.findall(_top(data)) if not _OF_BODY.match(one)]
    return head + b"".join(one.rstrip(b"\r\n") + b"\r\n" for one in fields) + b"\r\n" + body


def _top(data: bytes) -> bytes:
    blank = _BLANK.search(data)
    return data[: blank.end()] if blank else data


def _parts(data: bytes) -> list[bytes]:
    """Cut a multipart body at its boundary, the line end before each delimiter being the delimiter's."""
    boundary = message_from_bytes(_top(data), policy=BOUNDED).get_boundary("")
    if not boundary or len(boundary) > 70:  # RFC 2046 §5.1.1
        raise Malformed("a message of several parts without a boundary of 1 to 70 characters")
    line = re.compile(
        rb"(?:\A|\r?\n)--" + re.escape(str(boundary).encode("utf-8", "replace")) + rb"(--)?[ \t]*(?=\r?\n|\Z)"
    )
    body = data[len(_top(data)) - 1 :]  # with the line end before a delimiter that stands at once
    parts: list[bytes] = []
    start = -1
    for found in line.finditer(body):
        if start >= 0:
            parts.append(body[start : found.start()])
        if found[1] or len(parts) > 2:
            break
        end = body.find(b"\n", found.end())
        start = end + 1 if end >= 0 else len(body)
    return parts


def _payload(part: bytes) -> bytes:
    try:
        data = message_from_bytes(part, policy=BOUNDED).get_payload(decode=True)
    except (ValueError, LookupError, binascii.Error, RecursionError) as error:
        raise Malformed("a part whose transfer encoding cannot be undone") from error
    if not isinstance(data, bytes) or not data.strip():
        raise Malformed("an empty part where a signature or a ciphertext is expected")
    return data


def der(data: bytes) -> bytes:
    """Return a certificate's or a PKCS #7 structure's DER, given that or PEM. Raises `Malformed`."""
    if not data.lstrip().startswith(b"-----BEGIN "):
        return data
    body = b"".join(line for line in data.split(b"\n") if not line.startswith(b"-----"))
    try:
        return base64.b64decode(body, validate=False)
    except (ValueError, binascii.Error) as error:
        raise Malformed("PEM whose base64 cannot be read") from error
