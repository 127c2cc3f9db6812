"""Messages written: the label where FIRST wants it, threads that hold, and room for a signature or a ciphertext.

Rules: the same draft gives the same bytes: ids, dates and what is random come from the edge. Everything is 7-bit, so
that no server rewrites what is signed (RFC 3156 §3). Of an encrypted message the outer subject tells the label and the
number, and what it is about stands inside (RFC 9788). A header's text cannot begin another header.
"""

from __future__ import annotations

import base64
import hashlib
import quopri
from collections.abc import Sequence
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import Final, NamedTuple

from comity.canon import Instant
from comity.errors import Misuse
from comity.formats.mail import headers, tickets
from comity.formats.mail.headers import Address
from comity.vocab import Pap, Tlp

_TEXT: Final = "text/plain; charset=utf-8"
_BASE64_LINE: Final = 57  # bytes to a line of 76 characters (RFC 2045 §6.8)


class File(NamedTuple):
    """Something attached."""

    name: str
    media: str
    data: bytes


class Draft(NamedTuple):
    """A message to be written."""

    ident: str  # Message-ID, without brackets
    at: Instant  # seconds since the epoch
    sender: Address
    to: tuple[Address, ...]
    about: str  # what the subject says
    tag: str  # of the conversation, `[CERT-AR #2026-17]`
    text: str
    tlp: Tlp
    pap: Pap | None = None
    references: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    automatic: bool = True  # a program wrote it: nobody's program answers (RFC 3834 §3.1.7)


def content(draft: Draft, *, hidden: bool = False) -> bytes:
    """Return what is said, as a MIME entity of its own: what is signed or encrypted.

    `hidden`: the true subject stands in it too, for whoever can decrypt (RFC 9788 §2.2).
    """
    text = _entity([("Content-Type", _TEXT), ("Content-Transfer-Encoding", "quoted-printable")], _quoted(_body(draft)))
    inner = [("Subject", _subject(draft))] if hidden else []
    if not draft.files:
        if not hidden:
            return text
        media = f'{_TEXT}; protected-headers="v1"; hp="cipher"'
        return _entity(
            [*inner, ("Content-Type", media), ("Content-Transfer-Encoding", "quoted-printable")], _quoted(_body(draft))
        )
    return _multipart("mixed", [text, *(_file(one) for one in draft.files)], draft.ident, inner)


def message(draft: Draft, entity: bytes, *, hidden: bool = False) -> bytes:
    """Return a whole message around an entity that has its own `Content-Type`."""
    subject = f"[{draft.tlp.label}] {draft.tag}".strip() if hidden else _subject(draft)
    fields = [
        ("From", _written(draft.sender)),
        ("To", ", ".join(_written(one) for one in draft.to) or "undisclosed-recipients:;"),
        ("Subject", subject),
        ("Date", format_datetime(datetime.fromtimestamp(draft.at, UTC))),
        ("Message-ID", f"<{_ident(draft.ident)}>"),
    ]
    if draft.references:
        fields.append(("In-Reply-To", f"<{_ident(draft.references[-1])}>"))
        fields.append(("References", " ".join(f"<{_ident(one)}>" for one in draft.references[-16:])))
    if draft.automatic:
        fields.append(("Auto-Submitted", "auto-generated"))
        fields.append(("X-Auto-Response-Suppress", "All"))
    fields.append(("X-Loop", draft.sender.address))
    fields.append(("X-TLP", draft.tlp.value))
    fields.append(("MIME-Version", "1.0"))
    return b"".join(_field(name, value) for name, value in fields) + entity


def pgp_encrypted(ciphertext: bytes, ident: str) -> bytes:
    """Return the entity of RFC 3156 §4 around OpenPGP armour."""
    version = _entity([("Content-Type", "application/pgp-encrypted")], b"Version: 1\r\n")
    cipher = _entity(
        [("Content-Type", 'application/octet-stream; name="encrypted.asc"'), ("Content-Disposition", "inline")],
        _lines(ciphertext),
    )
    return _multipart('encrypted; protocol="application/pgp-encrypted"', [version, cipher], ident)


def pgp_signed(entity: bytes, signature: bytes, micalg: str, ident: str) -> bytes:
    """Return the entity of RFC 3156 §5: what is signed, untouched, and its armoured signature (`pgp-sha512`)."""
    fields = [("Content-Type", 'application/pgp-signature; name="signature.asc"')]
    kind = f'signed; protocol="application/pgp-signature"; micalg={micalg}'
    return _multipart(kind, [entity, _entity(fields, _lines(signature))], ident)


def smime_signed(entity: bytes, signature: bytes, ident: str) -> bytes:
    """Return the entity of RFC 8551 §3.5.3: what is signed, untouched, and its detached signature in DER."""
    fields = [
        ("Content-Type", 'application/pkcs7-signature; name="smime.p7s"'),
        ("Content-Disposition", 'attachment; filename="smime.p7s"'),
        ("Content-Transfer-Encoding", "base64"),
    ]
    kind = 'signed; protocol="application/pkcs7-signature"; micalg=sha-256'
    return _multipart(kind, [entity, _entity(fields, _base64(signature))], ident)


def smime(structure: bytes, kind: str) -> bytes:
    """Return the entity of RFC 8551 §3.3 around a CMS structure in DER; `kind`: `enveloped-data`, `signed-data`."""
    fields = [
        ("Content-Type", f'application/pkcs7-mime; smime-type={kind}; name="smime.p7m"'),
        ("Content-Disposition", 'attachment; filename="smime.p7m"'),
        ("Content-Transfer-Encoding", "base64"),
    ]
    return _entity(fields, _base64(structure))


def _body(draft: Draft) -> str:
    """Return the text with the label above and below it: it must be seen before what it governs (TLP 2.0, usage)."""
    label = draft.tlp.label + (f"  PAP:{draft.pap.value}" if draft.pap else "")
    return f"{label}\n\n{draft.text.strip()}\n\n{label}\n"


def _subject(draft: Draft) -> str:
    return tickets.subject(draft.about, draft.tlp, draft.tag)


def _written(address: Address) -> str:
    local, _, domain = address.address.rpartition("@")
    if not headers.is_address(address.address):
        raise Misuse(f"{address.address!r} is no mail address")
    try:
        plain = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise Misuse(f"{address.address!r} has a domain that there cannot be") from error
    if not plain.isascii():
        raise Misuse(f"{address.address!r} needs a mail server that takes SMTPUTF8, which is not spoken here")
    name = headers.cleaned(address.name).replace("\\", "").replace('"', "")
    if not name:
        return plain
    return f'"{name}" <{plain}>' if name.isascii() else f"{Header(name, 'utf-8').encode(linesep='')} <{plain}>"


def _ident(ident: str) -> str:
    if not headers.idents(f"<{ident}>") or not ident.isascii():
        raise Misuse(f"{ident!r} is no message id")
    return ident


def _field(name: str, value: str) -> bytes:
    text = headers.cleaned(value, 8_192)
    if not text.isascii():
        text = Header(text, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")
    elif len(text) > 900:  # RFC 5322 §2.1.1: 998 to a line; folded where there is a space
        text = text.replace(" ", "\r\n ")
    return f"{name}: {text}\r\n".encode("ascii")


def _entity(fields: Sequence[tuple[str, str]], body: bytes) -> bytes:
    return b"".join(_field(name, value) for name, value in fields) + b"\r\n" + body


def _multipart(kind: str, parts: Sequence[bytes], ident: str, fields: Sequence[tuple[str, str]] = ()) -> bytes:
    # `=_` stands in no quoted-printable, no base64 and no armour: a boundary with it is in no part (RFC 2045 §6.7).
    boundary = "=_" + hashlib.sha256(f"{kind}\n{ident}\n{len(parts)}".encode()).hexdigest()[:32]
    hidden = '; protected-headers="v1"; hp="cipher"' if fields else ""
    head = _entity([*fields, ("Content-Type", f'multipart/{kind}; boundary="{boundary}"{hidden}')], b"")
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return head + body + b"--%b--\r\n" % boundary.encode()


def _file(one: File) -> bytes:
    name = headers.cleaned(one.name, 200).replace('"', "").replace("\\", "").replace("/", "_") or "file"
    said = f'filename="{name}"' if name.isascii() else f"filename*=utf-8''{_percent(name)}"
    fields = [
        ("Content-Type", headers.cleaned(one.media, 100)),
        ("Content-Disposition", f"attachment; {said}"),
        ("Content-Transfer-Encoding", "base64"),
    ]
    return _entity(fields, _base64(one.data))


def _percent(text: str) -> str:
    """Return a parameter's value as RFC 2231 §4 has it."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in text.encode())


def _quoted(text: str) -> bytes:
    """Return text in quoted-printable, `From ` and a lone dot at a line's start too: servers change those."""
    encoded = quopri.encodestring(text.replace("\r\n", "\n").encode(), quotetabs=False)
    lines = [
        b"=46rom" + line[4:] if line.startswith(b"From") else b"=2E" + line[1:] if line.startswith(b".") else line
        for line in encoded.split(b"\n")
    ]
    return b"\r\n".join(lines) + b"\r\n"


def _base64(data: bytes) -> bytes:
    cut = [base64.b64encode(data[at : at + _BASE64_LINE]) for at in range(0, len(data), _BASE64_LINE)]
    return b"\r\n".join(cut) + b"\r\n"


def _lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
