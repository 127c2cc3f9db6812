"""Signed notes and Ed25519 verifier keys (c2sp.org/signed-note).

A note is a text, a blank line, and one line per signature:

    — <key name> base64(key id[4] || signature)

Rules: the text ends in a newline and is signed as the bytes that came. A key is known by its name *and*
its id. Signatures of unknown keys are ignored; one bad signature of a known key condemns the note.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import NOTE_BYTES_MAX, SIGNATURES_MAX
from comity.tlog.text import b64, check_name, read_clean, unb64

ED25519: Final = 0x01  # signature type of this module; 0x04 is in `cosignature`
KEY_ID_BYTES: Final = 4
PUBLIC_KEY_BYTES: Final = 32

_DASH: Final = "\u2014 "  # em dash and space open a signature line


class Signature(NamedTuple):
    """One signature line: who (name and 4-byte key id), and the signature's own bytes."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> bytes:
        """Return the signature line with its newline."""
        return f"{_DASH}{self.name} {b64(self.key_id + self.blob)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its signatures; what `parse_note` gives encodes to the same bytes again."""

    text: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note as bytes."""
        return self.text + b"\n" + b"".join(signature.line() for signature in self.signatures)

    def by(self, name: str, key_id: bytes) -> tuple[Signature, ...]:
        """Return the signatures that claim to be of this key."""
        return tuple(s for s in self.signatures if s.name == name and s.key_id == key_id)


def parse_note(data: bytes) -> Note:
    """Read a signed note; verifies nothing yet. Raises `FormatError`."""
    if len(data) > NOTE_BYTES_MAX:
        raise FormatError(f"a note of {len(data)} bytes is over the limit of {NOTE_BYTES_MAX}")
    read_clean(data, what="a note")
    # The text itself may hold blank lines, so it is the last one that parts it from the signatures.
    text, blank, block = data.rpartition(b"\n\n")
    if not blank or not block.endswith(b"\n"):
        raise FormatError("a note has no signatures after a blank line")
    lines = block[:-1].decode("utf-8").split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise FormatError(f"a note with {len(lines)} signatures is over the limit of {SIGNATURES_MAX}")
    return Note(text + b"\n", tuple(_parse_line(line) for line in lines))


def _parse_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise FormatError("a signature line is not an em dash, a key name and base64")
    check_name(name)
    blob = unb64(encoded, what="a signature")
    if len(blob) <= KEY_ID_BYTES:
        raise FormatError("a signature has no bytes after its key id")
    return Signature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def check_text(text: bytes) -> None:
    """Check that `text` can be signed as a note. Raises `FormatError`."""
    if not text.endswith(b"\n") or len(text) > NOTE_BYTES_MAX:
        raise FormatError("a note's text ends in a newline and keeps within the limit of a note")
    read_clean(text, what="a note's text")


def compute_key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the 4-byte id of a key: SHA-256(name || 0x0A || type || public key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_BYTES]


def write_vkey(name: str, kind: int, public: bytes) -> str:
    """Return a key's text form: `<name>+<hex key id>+<base64(type || public key)>`."""
    return f"{name}+{compute_key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}"


def read_vkey(text: str, kind: int) -> tuple[str, bytes]:
    """Return name and public key of a key's text form of the given type. Raises `FormatError`."""
    parts = text.split("+", 2)  # base64 may hold further plus signs
    if len(parts) != 3:
        raise FormatError("a verifier key is not name, id and key joined by plus signs")
    name, key_id, encoded = parts
    key = unb64(encoded, what="a verifier key")
    if len(key) != 1 + PUBLIC_KEY_BYTES or key[0] != kind:
        raise FormatError(f"a verifier key is not of type {kind:#04x}")
    check_name(name)
    if compute_key_id(name, kind, key[1:]).hex() != key_id:
        raise FormatError(f"the verifier key of {name} does not match its own id")
    return name, key[1:]


def check_key(name: str, public: bytes) -> None:
    """Check a key's name and the length of its public half. Raises `FormatError`."""
    check_name(name)
    if len(public) != PUBLIC_KEY_BYTES:
        raise FormatError(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public)}")


def signature_holds(public: bytes, blob: bytes, message: bytes) -> bool:
    """Say whether `blob` is the Ed25519 signature of `message` (RFC 8032) by the key `public`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(blob, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 key that signs note texts (type 0x01): its name and 32-byte public key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_key(self.name, self.public)

    @property
    def key_id(self) -> bytes:
        """The key's 4-byte id."""
        return compute_key_id(self.name, ED25519, self.public)

    def vkey(self) -> str:
        """Return the text form that `parse_vkey` reads."""
        return write_vkey(self.name, ED25519, self.public)


def parse_vkey(text: str) -> Verifier:
    """Read the text form of an Ed25519 note key. Raises `FormatError`."""
    return Verifier(*read_vkey(text, ED25519))


def sign(text: bytes, name: str, private: Ed25519PrivateKey) -> Signature:
    """Return the signature of a note's text under a key name. Raises `FormatError` if it cannot be a note."""
    check_text(text)
    verifier = Verifier(name, private.public_key().public_bytes_raw())
    return Signature(name, verifier.key_id, private.sign(text))


def verify(note: Note, *verifiers: Verifier) -> None:
    """Check that one of `verifiers` signed the note and that none of them has a bad signature on it.

    Several keys are alternatives, as in a rotation. Raises `ProofError`, also where no key is given.
    """
    signed = False
    for verifier in verifiers:
        for signature in note.by(verifier.name, verifier.key_id):
            if not signature_holds(verifier.public, signature.blob, note.text):
                raise ProofError(f"the signature of {verifier.name} does not hold")
            signed = True
    if not signed:
        raise ProofError(f"the note is not signed by {', '.join(v.name for v in verifiers) or 'any key asked for'}")
