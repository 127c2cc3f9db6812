"""Attachments: samples and documents, encrypted in parts, with a manifest that holds the key.

Rules: a part is ciphertext and nothing else, so that no plaintext of a sample ever lies on disk, and without the
manifest a part says nothing: erasing the manifest erases the content. Each part is bound to its attachment and its
place (AES-256-GCM with associated data), and the manifest names each by digest, in order. Nothing here opens or
renders what is inside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comity import canon
from comity.areas.intel.columns import object_key, object_number, uuid_of
from comity.errors import Malformed, TooLarge, Unverified
from comity.formats import observables
from comity.formats.observables import Observable
from comity.limits import ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_CHARS_MAX, ATTACHMENT_PART_BYTES
from comity.statement import Header
from comity.view import Row, View, ViewKind

MANIFEST_MEDIA: Final = "application/vnd.comity.attachment+json"
PART_MEDIA: Final = "application/vnd.comity.attachment-part"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
IDENT_BYTES: Final = 16
ABOUT_MAX: Final = 256  # objects that an attachment is about
NOTE_CHARS_MAX: Final = 2_000
PARTS_MAX: Final = ATTACHMENT_BYTES_MAX // ATTACHMENT_PART_BYTES + 1

ATTACHMENT: Final = View(
    "intel_attachment",
    (
        ("position", ViewKind.INTEGER),
        ("key", ViewKind.BLOB),  # of a part: its digest; of a manifest: its hashes' and its objects' keys
        ("part", ViewKind.INTEGER),  # 1: a part, 0: a manifest
    ),
    clustered=("key",),
)


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an attachment is, and what opens it."""

    name: str  # as its sender says; nothing is written under it unasked
    size: int  # bytes of the plaintext
    sha256: str
    sha1: str
    md5: str
    ident: str  # base64 of 16 bytes: what the parts are bound to
    key: str  # base64 of 32 bytes
    parts: tuple[str, ...]  # SHA-256 of each part's body, in hexadecimal, in order
    media: str = ""  # as its sender says
    about: tuple[str, ...] = ()  # STIX ids
    note: str = ""


def read_manifest(header: Header, body: bytes) -> Attachment:
    """Read a manifest. Raises `Malformed` or `TooLarge`."""
    if header.media != MANIFEST_MEDIA:
        raise Malformed(f"an attachment is {MANIFEST_MEDIA}, not {header.media[:80]!r}")
    found = canon.decode(body, Attachment, what="an attachment")
    if not 0 <= found.size <= ATTACHMENT_BYTES_MAX or len(found.parts) > PARTS_MAX:
        raise TooLarge(f"an attachment of {found.size} bytes is over ATTACHMENT_BYTES_MAX ({ATTACHMENT_BYTES_MAX})")
    if len(found.parts) != max(1, -(-found.size // ATTACHMENT_PART_BYTES)):
        raise Malformed("an attachment whose parts are not as many as its size asks for")
    digests = (*found.parts, found.sha256)
    if any(len(one) != 64 or not _is_hex(one) for one in digests) or not _is_hex(found.sha1 + found.md5):
        raise Malformed("an attachment with a digest that is none")
    if (len(found.sha1), len(found.md5)) != (40, 32):
        raise Malformed("an attachment with a digest that is none")
    canon.unb64(found.key, what="a key", length=KEY_BYTES)
    canon.unb64(found.ident, what="an attachment's id", length=IDENT_BYTES)
    if not found.name or len(found.name) > ATTACHMENT_NAME_CHARS_MAX or len(found.note) > NOTE_CHARS_MAX:
        raise Malformed(f"an attachment has a name of 1 to {ATTACHMENT_NAME_CHARS_MAX} characters")
    if len(found.about) > ABOUT_MAX:
        raise TooLarge(f"an attachment is about {ABOUT_MAX} objects at most")
    for ident in found.about:
        uuid_of(ident)
    return found


def _is_hex(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)


def rows(position: int, found: Attachment) -> list[Row]:
    """Return the rows of a manifest: it is found by its hashes and by what it is about."""
    hashes = (("sha256", found.sha256), ("sha1", found.sha1), ("md5", found.md5))
    keys = {observables.key(Observable(kind, value)) for kind, value in hashes}
    keys |= {object_key(object_number(uuid_of(ident))) for ident in found.about}
    return [(position, key, 0) for key in sorted(keys)]


def part_key(digest: str) -> bytes:
    """Return what a part is found by: its body's SHA-256."""
    return bytes.fromhex(digest)


# -- sealing and opening -----------------------------------------------------------------


def seal(data: bytes, *, key: bytes, nonce: bytes, ident: bytes, number: int, last: bool) -> bytes:
    """Return the body of one part: the nonce and the ciphertext."""
    return nonce + AESGCM(key).encrypt(nonce, data, _bound(ident, number, last=last))


def opened(found: Attachment, bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plaintext of parts given in order. Raises `Unverified` before anything that does not fit is yielded.

    The whole is checked at the end: whoever writes it somewhere keeps it apart until then.
    """
    key, ident = canon.unb64(found.key, what="a key"), canon.unb64(found.ident, what="an attachment's id")
    digest = hashlib.sha256()
    count = size = 0
    for number, (body, said) in enumerate(zip(bodies, found.parts, strict=False)):
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), said):
            raise Unverified(f"part {number + 1} of {found.name!r} is not what its manifest names")
        bound = _bound(ident, number, last=number + 1 == len(found.parts))
        try:
            data = AESGCM(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:
            raise Unverified(f"part {number + 1} of {found.name!r} does not open under its manifest's key") from error
        digest.update(data)
        count, size = count + 1, size + len(data)
        yield data
    if count != len(found.parts) or size != found.size or digest.hexdigest() != found.sha256:
        raise Unverified(f"{found.name!r} is not what its manifest says: {size} bytes of {found.size}")


def _bound(ident: bytes, number: int, *, last: bool) -> bytes:
    """Return what a part is bound to: no part is of another attachment, in another place, or the end before the end."""
    return b"comity attachment" + ident + number.to_bytes(4, "big") + bytes([last])
