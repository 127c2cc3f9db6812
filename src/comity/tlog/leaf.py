r"""What an entry of a log says: a salted commitment to a payload that is kept elsewhere.

    leaf       = {"c":"<standard base64 of the commitment>","v":1}
    commitment = SHA-256("comity/commit/v1\0" || salt[16] || u16 len || origin || u16 len || version || PAE)
    PAE        = "DSSEv1 <len> <media type> <len> <payload>"            (DSSE protocol; numbers in decimal)

Rules: the leaf has no id, time, kind or size, so it stays when payload and salt are erased. The commitment
names the log and the version of the terms: a leaf copied into another log opens to nothing there. Every
salt is fresh; who makes one twice lets two leaves be linked.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.text import HASH_BYTES, read_hash

SALT_BYTES: Final = 16

_TAG: Final = b"comity/commit/v1\0"
_LEAF_HEAD: Final = b'{"c":"'
_LEAF_TAIL: Final = b'","v":1}'
_HASHED_HEAD: Final = b"\0" + _LEAF_HEAD  # RFC 6962 §2.1: a leaf is hashed behind a zero byte


def commit(salt: bytes, origin: str, version: int, media_type: str, payload: bytes) -> bytes:
    """Return the 32-byte commitment of one payload. Raises `FormatError` as `commit_many` does."""
    return commit_many([salt], origin, version, media_type, [payload])


def commit_many(salts: Sequence[bytes], origin: str, version: int, media_type: str, payloads: Sequence[bytes]) -> bytes:
    """Return the commitments of `payloads`, concatenated: 32 bytes each, in order.

    `salts` holds one salt of 16 bytes for each payload; `version` is that of the accord.
    Raises `FormatError` for salts of another length or number, and for names that are no Unicode or too long.
    """
    # A salt of another length would let two different openings spell the same hashed bytes.
    if len(salts) != len(payloads) or any(len(salt) != SALT_BYTES for salt in salts):
        raise FormatError(f"each payload needs its own salt of {SALT_BYTES} bytes")
    bound = _bound(origin, version, media_type)
    return b"".join(
        [
            sha256(b"%b%b%b%d %b" % (_TAG, salt, bound, len(payload), payload)).digest()
            for salt, payload in zip(salts, payloads, strict=True)
        ]
    )


def _bound(origin: str, version: int, media_type: str) -> bytes:
    """Return what every commitment of one log, version and media type hashes between salt and payload."""
    try:
        kind = media_type.encode()
        names = b"".join(struct.pack(">H", len(name)) + name for name in (origin.encode(), str(version).encode()))
    except (ValueError, struct.error) as error:  # lone surrogates; a length over 65,535
        raise FormatError("an origin, version or media type cannot be committed to") from error
    return b"%bDSSEv1 %d %b " % (names, len(kind), kind)


def check_opening(commitment: bytes, salt: bytes, origin: str, version: int, media_type: str, payload: bytes) -> None:
    """Check that salt and payload open `commitment` in this log. Raises `ProofError`, or `FormatError` for the salt."""
    if commit(salt, origin, version, media_type, payload) != commitment:
        raise ProofError(f"the payload is not what the leaf in {origin} commits to")


def leaf_of(commitment: bytes) -> bytes:
    """Return the leaf that holds a 32-byte commitment. Raises `FormatError` for another length."""
    if len(commitment) != HASH_BYTES:
        raise FormatError(f"a commitment has {HASH_BYTES} bytes, not {len(commitment)}")
    return _LEAF_HEAD + binascii.b2a_base64(commitment, newline=False) + _LEAF_TAIL


def parse_leaf(leaf: bytes) -> bytes:
    """Return the commitment in a leaf. Raises `FormatError` for any other bytes, however like a leaf as JSON."""
    encoded = leaf.removeprefix(_LEAF_HEAD).removesuffix(_LEAF_TAIL)
    if len(leaf) != len(encoded) + len(_LEAF_HEAD) + len(_LEAF_TAIL) or not encoded.isascii():
        raise FormatError("a leaf is not a commitment in its one spelling")
    return read_hash(encoded.decode("ascii"), what="a leaf's commitment")


def leaf_hashes_of(commitments: bytes) -> bytes:
    """Return the RFC 6962 leaf hashes of concatenated commitments, concatenated: 32 bytes each.

    Raises `FormatError` if the bytes are not whole commitments.
    """
    if len(commitments) % HASH_BYTES:
        raise FormatError(f"{len(commitments)} bytes are not whole commitments of {HASH_BYTES}")
    encode = binascii.b2a_base64
    return b"".join(
        [
            sha256(_HASHED_HEAD + encode(commitments[at : at + HASH_BYTES], newline=False) + _LEAF_TAIL).digest()
            for at in range(0, len(commitments), HASH_BYTES)
        ]
    )
