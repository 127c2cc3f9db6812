"""Timestamped cosignatures, `cosignature/v1` with Ed25519 (c2sp.org/tlog-cosignature, type 0x04).

A cosigner states that, at that time, this is the largest consistent tree it has seen of this origin.

Rules: only checkpoints are cosigned. The signed message does not name the cosigner, so an operator with
two cosigners must give them two keys. Time comes in; seconds since the epoch, at most 2**63 - 1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.checkpoint import parse_checkpoint
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import TREE_SIZE_MAX
from comity.tlog.note import Note, Signature, check_key, compute_key_id, read_vkey, signature_holds, write_vkey

COSIGNATURE_V1: Final = 0x04

_TIME_MAX: Final = TREE_SIZE_MAX
_BLOB: Final = struct.Struct(">Q64s")  # timestamp, Ed25519 signature


@dataclass(frozen=True, slots=True)
class CosignatureVerifier:
    """A cosigner's Ed25519 key (type 0x04): its name and 32-byte public key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_key(self.name, self.public)

    @property
    def key_id(self) -> bytes:
        """The key's 4-byte id, unlike that of the same key as a note key."""
        return compute_key_id(self.name, COSIGNATURE_V1, self.public)

    def vkey(self) -> str:
        """Return the text form that `parse_cosigner_vkey` reads."""
        return write_vkey(self.name, COSIGNATURE_V1, self.public)


def parse_cosigner_vkey(text: str) -> CosignatureVerifier:
    """Read the text form of a cosigner's key. Raises `FormatError`."""
    return CosignatureVerifier(*read_vkey(text, COSIGNATURE_V1))


def cosign(text: bytes, name: str, private: Ed25519PrivateKey, at: int) -> Signature:
    """Return the cosignature of a checkpoint's text at `at`. Raises `FormatError` for another text or time."""
    parse_checkpoint(text)
    if not 0 <= at <= _TIME_MAX:
        raise FormatError("a cosignature's time is not within 0 to 2**63 - 1")
    verifier = CosignatureVerifier(name, private.public_key().public_bytes_raw())
    return Signature(name, verifier.key_id, _BLOB.pack(at, private.sign(_message(text, at))))


def verify_cosignature(note: Note, verifier: CosignatureVerifier) -> int:
    """Return when the cosigner saw this checkpoint: the earliest, if it signed more than once.

    Raises `FormatError` if the note is no checkpoint, `ProofError` if the cosigner did not sign it or
    one of its signatures does not hold.
    """
    parse_checkpoint(note.text)
    signatures = note.by(verifier.name, verifier.key_id)
    if not signatures:
        raise ProofError(f"the checkpoint is not cosigned by {verifier.name}")
    return min(_check(signature.blob, note.text, verifier) for signature in signatures)


def _check(blob: bytes, text: bytes, verifier: CosignatureVerifier) -> int:
    if len(blob) != _BLOB.size:
        raise ProofError(f"the cosignature of {verifier.name} has {len(blob)} bytes instead of {_BLOB.size}")
    at: int
    at, signature = _BLOB.unpack(blob)
    if at > _TIME_MAX or not signature_holds(verifier.public, signature, _message(text, at)):
        raise ProofError(f"the cosignature of {verifier.name} does not hold")
    return at


def _message(text: bytes, at: int) -> bytes:
    return b"cosignature/v1\ntime %d\n%b" % (at, text)
