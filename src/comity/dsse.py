"""Signed documents that stand alone: party cards and accord texts, in DSSE v1 envelopes.

Rules: the signature is over the pre-authentication encoding of media type and bytes, so a card can
never pass for an accord. Signers are found by key, never by a name inside the envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from comity import canon
from comity.errors import Malformed, TooLarge, Unverified

SIGNATURES_MAX = 512  # signatures in one envelope: twice the members an accord may have


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    payloadType: str  # noqa: N815 - the name is DSSE's
    signatures: tuple[_Signature, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document's bytes, its media type and the signatures over both, by key id."""

    media_type: str
    payload: bytes
    signatures: Mapping[str, bytes]

    def encode(self) -> bytes:
        """Return the envelope as canonical JSON."""
        signatures = [{"keyid": key, "sig": canon.b64(sig)} for key, sig in sorted(self.signatures.items())]
        return canon.encode(
            {"payload": canon.b64(self.payload), "payloadType": self.media_type, "signatures": signatures}
        )


def key_id(public_key: bytes) -> str:
    """Return the id of an Ed25519 public key: its digest."""
    return canon.digest(public_key)


def pae(media_type: str, payload: bytes) -> bytes:
    """Return DSSE v1's pre-authentication encoding (DSSE protocol, "PAE")."""
    kind = media_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(media_type: str, payload: bytes, *keys: Ed25519PrivateKey) -> Envelope:
    """Return an envelope signed by each of `keys`."""
    message = pae(media_type, payload)
    return Envelope(
        media_type, payload, {key_id(key.public_key().public_bytes_raw()): key.sign(message) for key in keys}
    )


def parse(data: bytes, *, media_type: str, bytes_max: int) -> Envelope:
    """Read an envelope of the given media type. Raises `Malformed` or `TooLarge`; verifies nothing yet."""
    if len(data) > 2 * bytes_max:
        raise TooLarge(f"an envelope of {len(data)} bytes is over twice the limit of {bytes_max} for {media_type}")
    # A file may have gained a newline on its way by mail; inside, one reading only.
    wire = canon.decode(data.strip(), _Wire, what="a signed document")
    if wire.payloadType != media_type:
        raise Malformed(f"a signed {wire.payloadType!r}, where {media_type!r} is wanted")
    if not 0 < len(wire.signatures) <= SIGNATURES_MAX:
        raise Malformed(f"{len(wire.signatures)} signatures, where 1 to {SIGNATURES_MAX} are allowed")
    signatures = {s.keyid: canon.unb64(s.sig, what="a signature", length=64) for s in wire.signatures}
    if len(signatures) != len(wire.signatures):
        raise Malformed("one key signs twice in the same envelope")
    payload = canon.unb64(wire.payload, what="the signed document")
    if len(payload) > bytes_max:
        raise TooLarge(f"a document of {len(payload)} bytes is over the limit of {bytes_max}")
    return Envelope(media_type, payload, signatures)


def verify(envelope: Envelope, public_key: bytes, *, who: str) -> None:
    """Check that the holder of `public_key` signed; raises `Unverified`, naming `who`."""
    signature = envelope.signatures.get(key_id(public_key))
    if signature is None:
        raise Unverified(f"{who} has not signed this {envelope.media_type}")
    check(public_key, signature, envelope.media_type, envelope.payload, who=who)


def check(public_key: bytes, signature: bytes, media_type: str, payload: bytes, *, who: str) -> None:
    """Check one detached signature over media type and bytes; raises `Unverified`, naming `who`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, pae(media_type, payload))
    except (InvalidSignature, ValueError) as error:
        raise Unverified(f"the signature of {who} does not hold") from error
