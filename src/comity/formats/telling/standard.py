"""Webhooks by the Standard Webhooks specification 1.0.0: what is signed, the three headers, the body.

Rules: signed is `<id>.<timestamp>.<body>`, with HMAC-SHA256 under each secret that holds, so that a secret is replaced
without a gap. The timestamp is that of the attempt. A secret is never shown, not even in an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from comity.canon import Instant
from comity.errors import Malformed
from comity.formats.telling.message import Message, Thing, stamp

PREFIX: Final = "whsec_"
SECRET_BYTES_MIN: Final = 24  # "Random. At least 24 bytes"
SECRET_BYTES_MAX: Final = 64  # of the reference libraries; the specification's 512 are bits
SECRET_BYTES: Final = 32  # of one that is made here
SECRETS_MAX: Final = 3  # that hold at once: the one in use, the one before it, and one to come
MEDIA: Final = "application/json"


def made(random: bytes) -> str:
    """Return a secret as receivers are given it."""
    return PREFIX + base64.b64encode(random).decode("ascii")


def secrets_of(data: bytes, path: str) -> tuple[bytes, ...]:
    """Return the secrets of a file, one a line, the newest first. Raises `Malformed`, without a word of its content."""
    hint = f"one line `{PREFIX}<base64>` for each secret that holds, the newest first"
    try:
        texts = data.decode("ascii").split()
        found = tuple(base64.b64decode(text.removeprefix(PREFIX), validate=True) for text in texts)
    except (UnicodeDecodeError, binascii.Error, ValueError):
        raise Malformed(f"{path} holds no secret of a webhook", hint=hint) from None  # the cause would show it
    if not 1 <= len(found) <= SECRETS_MAX or any(not SECRET_BYTES_MIN <= len(one) <= SECRET_BYTES_MAX for one in found):
        raise Malformed(f"{path} holds no secret of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes", hint=hint)
    return found


def headers(secrets: Sequence[bytes], ident: str, at: Instant, body: bytes) -> Mapping[str, str]:
    """Return the headers of one attempt; without a secret there is no signature."""
    sent = {"webhook-id": ident, "webhook-timestamp": str(at)}
    if secrets:
        signed = f"{ident}.{at}.".encode("ascii") + body
        macs = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
        sent["webhook-signature"] = " ".join(f"v1,{base64.b64encode(mac).decode('ascii')}" for mac in macs)
    return sent


def body(message: Message) -> bytes:
    """Return the body: `type`, `timestamp` of the event, `data`."""
    return msgspec.json.encode({"type": message.type, "timestamp": stamp(message.at), "data": data(message)})


def data(message: Message) -> dict[str, Any]:
    """Return what the body tells; a field that the neighbour may not see is left out."""
    told: dict[str, Any] = {
        "id": message.id,
        "event": message.event,
        "title": message.title,
        "subject": message.subject,
        "party": message.party,
        "office": message.office,
        "severity": message.severity,
        "things": [_thing(thing) for thing in message.things],
        "more": message.more,
        "hidden": message.hidden,
    }
    optional = {"hidden_tlp": message.hidden_tlp, "link": message.link}
    told |= {name: value for name, value in optional.items() if value}
    told |= {name: True for name, holds in (("exercise", message.exercise), ("test", message.test)) if holds}
    return told


def _thing(thing: Thing) -> dict[str, Any]:
    told: dict[str, Any] = {name: value for name, value in thing._asdict().items() if value and name != "values"}
    if thing.values:
        told["values"] = [{"type": value.kind, "value": value.value} for value in thing.values]
    return told


def line(message: Message) -> bytes:
    """Return the same as one line of JSON in ASCII, for programs that read logs."""
    told = {"type": message.type, "timestamp": stamp(message.at), **data(message)}
    text: str = _ascii(msgspec.json.encode(told).decode("utf-8"))
    return text.encode("ascii")


def _ascii(text: str) -> str:
    return "".join(char if char < "\x7f" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    pairs = char.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(pairs[at : at + 2]):04x}" for at in range(0, len(pairs), 2))
