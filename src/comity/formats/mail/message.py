"""A message read: its fields, its parts, how it is protected, and whether a person wrote it.

Rules: any bytes are a message or `Malformed`/`TooLarge`, in bounded time: parts, depth and sizes have limits, and what
is over one is named in `defects`, not passed over in silence. Nothing is rendered, run or fetched. What is protected is
not opened here: `protected` says where the signed or encrypted bytes are, exactly as they came.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message as Tree
from email.policy import Compat32
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from comity.errors import Malformed, TooLarge
from comity.formats.mail import headers
from comity.formats.mail.headers import Address, Field
from comity.formats.text.html import shown
from comity.limits import (
    MAIL_BYTES_MAX,
    MAIL_DEPTH_MAX,
    MAIL_FIELD_CHARS_MAX,
    MAIL_FIELDS_MAX,
    MAIL_LINES_MAX,
    MAIL_NAME_CHARS_MAX,
    MAIL_PARAMS_CHARS_MAX,
    MAIL_PARTS_MAX,
    MAIL_STEPS_MAX,
    MAIL_TEXT_CHARS_MAX,
)

_MEDIA: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,100}\Z")
_NESTING: Final = re.compile(rb"(?i)multipart/|message/")
_SHOWN: Final = ("text/plain", "text/html")
WITHIN: Final = frozenset({"message/rfc822", "message/global"})  # a message within a message, whose parts are read too
_PGP_INLINE: Final = re.compile(r"^-----BEGIN PGP (MESSAGE|SIGNED MESSAGE)-----\s*$", re.MULTILINE)


class _Bounded(Compat32):
    """Cuts each field before anything takes it apart: the library's time grows with the square of its parameters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        most = MAIL_PARAMS_CHARS_MAX if name.lower().startswith("content-") else MAIL_FIELD_CHARS_MAX
        return name, value[:most]


BOUNDED: Final = _Bounded()
"""How every message and part is parsed, see `email.policy`."""


class Protection(StrEnum):
    """How a message is protected, by what it looks like: nothing is checked yet."""

    NONE = "none"
    PGP_ENCRYPTED = "pgp-encrypted"  # RFC 3156 §4
    PGP_SIGNED = "pgp-signed"  # RFC 3156 §5
    PGP_INLINE = "pgp-inline"  # armour in the text
    SMIME_ENCRYPTED = "smime-encrypted"  # RFC 8551 §3.3
    SMIME_SIGNED = "smime-signed"  # RFC 8551 §3.5


class Automatic(StrEnum):
    """Who wrote it, as far as programs say so of themselves."""

    NO = "no"
    REPLY = "reply"  # RFC 3834: away from the desk, received your message …
    BOUNCE = "bounce"  # RFC 3464
    LIST = "list"  # a mailing list or bulk mail


class Part(NamedTuple):
    """One leaf of a message."""

    path: str  # its place: `1`, `2.1`
    media: str  # what it is said to be, in lower case
    name: str  # a file's name as said, bounded; empty for the text itself
    data: bytes  # its transfer encoding undone
    charset: str = ""


class Message(NamedTuple):
    """What a message says. Nothing of it is proven."""

    fields: tuple[Field, ...]
    subject: str
    ident: str  # Message-ID without brackets; empty where there is none
    references: tuple[str, ...]  # what it answers, the oldest first
    senders: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    recipients: tuple[Address, ...]  # To and Cc
    date: int  # seconds since the epoch; 0: none
    parts: tuple[Part, ...]
    protection: Protection
    automatic: Automatic
    defects: tuple[str, ...]  # what was cut, left out or could not be read, in words
    forwarded: tuple[tuple[Field, ...], ...] = ()  # the fields of each message within it

    @property
    def text(self) -> str:
        """Return what a person reads first: the plain text, else the HTML as text; bounded."""
        return next((text.replace("\r\n", "\n") for _, text in _read_first(self.parts)), "")

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield path and text of every part that is read: of a forwarded message too, and each alternative; bounded."""
        for part in self.parts:
            if part.media in _SHOWN and not part.name:
                yield part.path, _shown(part)

    @property
    def files(self) -> tuple[Part, ...]:
        """Return the parts that are files: they have a name, or are no text."""
        return tuple(part for part in self.parts if part.name or not part.media.startswith("text/"))


def read(data: bytes) -> Message:
    """Read a message (RFC 5322, RFC 2045). Raises `Malformed` or `TooLarge`, at most for MAIL_BYTES_MAX bytes."""
    if len(data) > MAIL_BYTES_MAX:
        raise TooLarge(f"a message of {len(data)} bytes is over MAIL_BYTES_MAX")
    nested = len(_NESTING.findall(data))
    if nested > MAIL_PARTS_MAX:  # the parser behind this one recurses for each
        raise TooLarge(f"a message with more than MAIL_PARTS_MAX ({MAIL_PARTS_MAX}) parts within parts")
    lines = data.count(b"\n") + data.count(b"\r")
    if lines > MAIL_LINES_MAX * 2 or lines * nested > MAIL_STEPS_MAX * 2:  # two for each CRLF
        raise TooLarge(f"a message of so many lines ({lines}) within so many parts ({nested}) takes too long to read")
    try:
        tree = message_from_bytes(data, policy=BOUNDED)
    except (MessageError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise Malformed(f"this is no message that can be read: {type(error).__name__}") from error
    fields = _fields(tree)
    if not any(name in {"from", "date", "subject", "message-id", "received", "to"} for name, _ in fields):
        raise Malformed("this is no message: it has no field that every message has")
    defects: list[str] = []
    forwarded: list[tuple[Field, ...]] = []
    parts = tuple(_leaves(tree, defects, forwarded))
    idents = headers.idents(headers.first(fields, "message-id"))
    answered = headers.idents(" ".join(headers.every(fields, "references")))
    direct = headers.idents(headers.first(fields, "in-reply-to"))
    return Message(
        fields,
        headers.words(headers.first(fields, "subject")),
        idents[0] if idents else "",
        tuple(dict.fromkeys((*answered, *direct))),
        headers.addresses(fields, "from"),
        headers.addresses(fields, "reply-to"),
        headers.addresses(fields, "to", "cc"),
        headers.date(headers.first(fields, "date")),
        parts,
        _protection(tree, parts),
        _automatic(tree, fields),
        tuple(defects),
        tuple(forwarded),
    )


def _fields(tree: Tree) -> tuple[Field, ...]:
    return tuple(
        (str(name)[:MAIL_NAME_CHARS_MAX].lower(), _value(str(value)[:MAIL_FIELD_CHARS_MAX]))
        for name, value in islice(tree.raw_items(), MAIL_FIELDS_MAX)
    )


def _value(value: str) -> str:
    """Return a field's value with bytes beyond ASCII as UTF-8 (RFC 6532), or whatever they may be."""
    return value if value.isascii() else headers.decoded(value.encode("utf-8", "surrogateescape"), "utf-8")


def _leaves(tree: Tree, defects: list[str], forwarded: list[tuple[Field, ...]]) -> Iterator[Part]:
    """Yield the leaves in order, MAIL_PARTS_MAX at most; the fields of messages within go to `forwarded`."""
    stack: list[tuple[Tree, str, int]] = [(tree, "", 0)]
    count = copied = 0
    while stack:
        at, path, depth = stack.pop()
        inside = at.get_payload()
        media = str(at.get("content-type", "")).lower()
        if isinstance(inside, list) and media.startswith("message/"):
            count += 1
            kind = media.partition(";")[0].strip()
            if kind in WITHIN:
                forwarded += [_fields(one) for one in inside if not isinstance(one, str)]
            # One within another is in both: of all of them together no more is copied than a message may have.
            data = _whole(inside, path, defects) if copied <= MAIL_BYTES_MAX else b""
            copied += len(data)
            if copied > MAIL_BYTES_MAX:
                defects.append(f"part {path or '1'}: forwarded messages are over MAIL_BYTES_MAX; its parts follow")
                data = b""
            yield Part(path or "1", kind, "", data)
        if isinstance(inside, list) and not media.startswith("message/delivery-status"):
            if depth == MAIL_DEPTH_MAX:
                defects.append(f"part {path or '1'}: nested deeper than MAIL_DEPTH_MAX: not read")
                continue
            numbered = [(one, f"{path}.{n}" if path else str(n), depth + 1) for n, one in enumerate(inside, 1)]
            stack += reversed([(one, name, deep) for one, name, deep in numbered if not isinstance(one, str)])
            continue
        if isinstance(inside, list):
            continue
        count += 1
        if count > MAIL_PARTS_MAX:
            defects.append("more parts than MAIL_PARTS_MAX: the rest was not read")
            return
        yield _part(at, path or "1", defects)


def _whole(inside: Sequence[Tree | str], path: str, defects: list[str]) -> bytes:
    """Return messages within a message: one that was forwarded, or the blocks of a notification (RFC 3464 §2.1)."""
    try:
        return b"\n".join(one.as_bytes(policy=BOUNDED) for one in inside if not isinstance(one, str))
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        defects.append(f"part {path or '1'}: what is forwarded could not be written out; its parts follow")
        return b""


def _part(leaf: Tree, path: str, defects: list[str]) -> Part:
    media = str(leaf.get("content-type", "text/plain")).partition(";")[0].strip().lower()
    if not _MEDIA.match(media):
        media = "application/octet-stream"
    try:
        data = leaf.get_payload(decode=True)
    except (ValueError, LookupError, binascii.Error):
        data = None
    if not isinstance(data, bytes):
        defects.append(f"part {path}: its transfer encoding could not be undone")
        data = b""
    try:
        name = headers.words(str(leaf.get_filename() or ""))[:MAIL_NAME_CHARS_MAX]
        charset = str(leaf.get_content_charset() or "")[:40]
    except (ValueError, LookupError, TypeError, MessageError):
        name, charset = "", ""
        defects.append(f"part {path}: its name could not be read")
    return Part(path, media, name, data, charset)


def _read_first(parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    """Yield path and text of parts in the order in which a person would read them: plain text before HTML."""
    for media in _SHOWN:
        for part in parts:
            if part.media == media and not part.name:
                yield part.path, _shown(part)


def _shown(part: Part) -> str:
    text = headers.decoded(part.data[: MAIL_TEXT_CHARS_MAX * 4], part.charset or "utf-8")[:MAIL_TEXT_CHARS_MAX]
    return shown(text)[:MAIL_TEXT_CHARS_MAX] if part.media == "text/html" else text


def _protection(tree: Tree, parts: tuple[Part, ...]) -> Protection:
    media = str(tree.get("content-type", "")).lower()
    kind = media.partition(";")[0].strip()
    if kind == "multipart/encrypted" and "pgp-encrypted" in media:
        return Protection.PGP_ENCRYPTED
    if kind == "multipart/signed":
        return Protection.PGP_SIGNED if "pgp-signature" in media else Protection.SMIME_SIGNED
    if kind in {"application/pkcs7-mime", "application/x-pkcs7-mime"}:
        return Protection.SMIME_SIGNED if "signed-data" in media else Protection.SMIME_ENCRYPTED
    first = next((text for _, text in _read_first(parts)), "")
    return Protection.PGP_INLINE if _PGP_INLINE.search(first) else Protection.NONE


def _automatic(tree: Tree, fields: tuple[Field, ...]) -> Automatic:
    """Say whether a program wrote it: nobody answers a program, or two of them talk for ever (RFC 3834 §2)."""
    media = str(tree.get("content-type", "")).lower()
    if media.startswith("multipart/report") or headers.first(fields, "return-path").strip() == "<>":
        return Automatic.BOUNCE
    said = headers.first(fields, "auto-submitted").partition(";")[0].strip().lower()
    if said not in {"", "no"} or headers.first(fields, "x-autoreply") or headers.first(fields, "x-autorespond"):
        return Automatic.REPLY
    precedence = headers.first(fields, "precedence").strip().lower()
    if precedence == "auto_reply":
        return Automatic.REPLY
    if precedence in {"bulk", "list", "junk"} or headers.first(fields, "list-id"):
        return Automatic.LIST
    return Automatic.NO
