"""What a message says: its text, what it carries, and what stands in it where its content may not go.

Rules: the label stands in the subject, in a field, above and below the text, as FIRST writes it. Values are named so
that nobody clicks them. Where there is no valid key nothing above TLP:CLEAR is said: not what it is about, no id, no
value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from comity.canon import Instant
from comity.errors import TooLarge
from comity.formats import defang
from comity.formats.mail import headers, write
from comity.formats.mail.headers import Address
from comity.formats.mail.write import Draft, File
from comity.limits import MAIL_OUT_BYTES_MAX, MAIL_OUT_LISTED_MAX
from comity.node import exporting
from comity.node.correspondents import Correspondent
from comity.node.exporting import Exported
from comity.node.mail import threads
from comity.node.mail.accounts import Account
from comity.node.mail.outbox import Outgoing
from comity.node.mail.threads import Ticket
from comity.node.owing import Owed
from comity.node.ports import Unit
from comity.node.queries import Queries
from comity.vocab import Channel, Tlp

STIX_MEDIA: Final = "application/stix+json;version=2.1"
_NAMED: Final = ("name", "value", "pattern", "path", "id")


def draft(
    account: Account,
    one: Outgoing,
    ticket: Ticket,
    who: Correspondent,
    at: Instant,
    said: tuple[Tlp, str],
    files: tuple[File, ...] = (),
) -> Draft:
    """Return the message to a correspondent; `said` is its text under its label."""
    allowed = who.by(Channel.MAIL)
    addresses = allowed.addresses if allowed is not None else ()
    return Draft(
        ident=one.ident,
        at=at,
        sender=Address(account.display, account.address),
        to=tuple(Address(who.title, address) for address in addresses),
        about=one.about,
        tag=threads.tag(account, ticket),
        text=said[1],
        tlp=said[0],
        references=tuple(ident for ident in ticket.references if ident != one.ident),
        files=files,
    )


def carried(queries: Queries, unit: Unit, exported: Exported, ident: str) -> tuple[str, tuple[File, ...]]:
    """Return what a message says of the objects that go with it, and the file of them. Raises `TooLarge`."""
    if not exported.places:
        return "", ()
    lines: list[str] = []
    left: Counter[str] = Counter()
    size = 0
    parts: list[bytes] = []
    name = f"bundle--{uuid5(NAMESPACE_URL, ident)}"
    for part in exporting.bundle(queries, unit, exported, name, left):
        size += len(part)
        if size * 4 > MAIL_OUT_BYTES_MAX * 3:  # a third more in base64
            raise TooLarge("its objects are over MAIL_OUT_BYTES_MAX", hint="fewer objects, or `comity export`")
        parts.append(part)
        line = _named(part.lstrip(b",\n"))
        if line and len(lines) < MAIL_OUT_LISTED_MAX:
            lines.append(line)
    count = len(exported.places)
    more = [f"  … and {count - len(lines)} more"] if count > len(lines) else []
    told = [f"{count} object{'s' if count > 1 else ''} with this message (STIX 2.1, attached):", *lines, *more]
    return "\n".join(told), (File("comity.json", STIX_MEDIA, b"".join(parts)),)


def _named(data: bytes) -> str:
    """Return one line about an object, in which nothing can be clicked."""
    try:
        found: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError:
        return ""  # the frame of the bundle
    said = [str(found[name]) for name in _NAMED if isinstance(found.get(name), str)][:2]
    return headers.cleaned(f"  - {found.get('type', 'object')}: {' | '.join(_safe(one) for one in said)}", 300)


def _safe(text: str) -> str:
    return defang.text(text).replace(".", "[.]")


def joined(*texts: str) -> str:
    """Return paragraphs as one text."""
    return "\n\n".join(one.strip() for one in texts if one.strip())


def taken_back(owed: Sequence[Owed]) -> str:
    """Return what a correspondent is told of what it was given and holds no more, or only more narrowly."""
    lines = ["What you were given by mail does not hold any more, or only more narrowly:", ""]
    for one in owed:
        label = f" now {one.marking.tlp.label}" if one.marking is not None else ""
        reason = f": {headers.cleaned(one.reason, 300)}" if one.reason else ""
        lines.append(f"  - {one.id or one.statement}: {one.what}{label}{reason}")
    words = "Erased: delete what you have. Retracted: its author no longer stands by it. Narrowed: the label above."
    return "\n".join([*lines, "", words])


def notice(account: Account, label: Tlp, why: str) -> str:
    """Return what is said where the content may not go: nothing of it."""
    who = account.display or account.address
    lines = [
        f"{who} has a message for you that is marked {label.label}. It is not sent in the clear: {why}.",
        "",
        f"Please send your OpenPGP or S/MIME certificate to {account.address}; tell its fingerprint by another way.",
    ]
    return "\n".join([*lines, *(["", f"Or ask for it here: {account.link}"] if account.link else [])])


def entity(made: Draft, *, hidden: bool) -> bytes:
    """Return what is signed or encrypted. Raises `TooLarge`."""
    data = write.content(made, hidden=hidden)
    if len(data) > MAIL_OUT_BYTES_MAX:
        raise TooLarge("a message over MAIL_OUT_BYTES_MAX", hint="fewer objects, or `comity export`")
    return data
