"""Delivery status notifications: which message did not arrive, at whom, and why (RFC 3464).

Rules: a notification is a stranger's word. It is believed of a message that this node sent, and of nothing else:
whoever asks compares `about` with its own message ids.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from typing import Final, NamedTuple

from comity.formats.mail import headers
from comity.formats.mail.message import BOUNDED, Automatic, Message

_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\Z")
_BLOCKS_MAX: Final = 256  # recipients of one notification
_IDENT: Final = re.compile(r"(?im)^message-id:\s*<([^<>\s]{1,512})>")


class Bounce(NamedTuple):
    """What became of a message at one recipient."""

    recipient: str
    action: str  # failed | delayed | delivered | relayed | expanded (RFC 3464 §2.3.3)
    status: str  # RFC 3463, e.g. `5.1.1`; empty where it is none
    reason: str  # the far side's words, bounded


class Notice(NamedTuple):
    """A delivery status notification."""

    about: str  # the Message-ID of what was sent, as it is quoted; empty where it is not
    bounces: tuple[Bounce, ...]


def read(message: Message) -> Notice | None:
    """Return what a notification says; None for a message that is none."""
    if message.automatic is not Automatic.BOUNCE:
        return None
    bounces: list[Bounce] = []
    about = ""
    for part in message.parts:
        if part.media in {"message/delivery-status", "text/plain"} and b"Final-Recipient" in part.data[:65_536]:
            bounces += _bounces(part.data[:65_536])
        found = _IDENT.search(headers.decoded(part.data[:65_536], "utf-8"))
        about = about or (found[1] if found else "")
    return Notice(about or (message.references[-1] if message.references else ""), tuple(bounces))


def _bounces(data: bytes) -> list[Bounce]:
    found: list[Bounce] = []
    for block in re.split(rb"\r?\n\r?\n", data)[:_BLOCKS_MAX]:
        tree = message_from_bytes(block.lstrip() + b"\n\n", policy=BOUNDED)
        recipient = str(tree.get("final-recipient") or tree.get("original-recipient") or "").partition(";")[2].strip()
        if recipient:
            status = str(tree.get("status", "")).split(" ")[0].strip()
            found.append(
                Bounce(
                    headers.cleaned(recipient, 320),
                    headers.cleaned(str(tree.get("action", "")), 16).lower(),
                    status if _STATUS.match(status) else "",
                    headers.cleaned(str(tree.get("diagnostic-code", "")).partition(";")[2], 300),
                )
            )
    return found
