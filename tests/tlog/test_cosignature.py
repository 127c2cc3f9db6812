"""Timestamped cosignatures, against those of the public witness network."""

from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.cosignature import CosignatureVerifier, cosign, parse_cosigner_vkey, verify_cosignature
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.note import Note, Verifier, parse_note, parse_vkey, sign, verify
from tests.tlog import vectors

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
WITNESS = CosignatureVerifier("cert.borealia.example/w", PUBLIC)
TEXT = vectors.C2SP_CHECKPOINT_TEXT


@pytest.mark.parametrize("vkey", vectors.CT_COSIGNER_VKEYS)
def test_cosignatures_of_public_witnesses_hold_and_tell_their_time(vkey: str) -> None:
    verifier = parse_cosigner_vkey(vkey)
    assert verifier.vkey() == vkey
    note = parse_note(vectors.CT_NOTE)
    assert verify_cosignature(note, verifier) == vectors.CT_COSIGNED_AT
    with pytest.raises(ProofError, match="does not hold"):
        verify_cosignature(Note(note.text.replace(b"1432088532", b"1432088533"), note.signatures), verifier)


def test_the_example_of_the_specification_is_framed_as_we_frame() -> None:
    example = parse_note(vectors.C2SP_CHECKPOINT).signatures[1]
    ours = cosign(TEXT, "witness.example.com/w1", PRIVATE, vectors.C2SP_COSIGNED_AT)
    assert len(example.blob) == len(ours.blob) == 72
    assert example.blob[:8] == ours.blob[:8] == struct.pack(">Q", vectors.C2SP_COSIGNED_AT)


def test_the_signed_message_is_that_of_the_specification() -> None:
    signature = cosign(TEXT, WITNESS.name, PRIVATE, vectors.C2SP_COSIGNED_AT)
    PRIVATE.public_key().verify(signature.blob[8:], b"cosignature/v1\ntime 1679315147\n" + TEXT)


def test_a_cosignature_is_read_back_with_its_time() -> None:
    for at in (0, 1, 1_790_000_000, 2**63 - 1):
        note = Note(TEXT, (cosign(TEXT, WITNESS.name, PRIVATE, at),))
        assert verify_cosignature(parse_note(note.encode()), WITNESS) == at


def test_of_several_cosignatures_of_one_cosigner_the_earliest_time_counts() -> None:
    note = Note(TEXT, tuple(cosign(TEXT, WITNESS.name, PRIVATE, at) for at in (300, 100, 200)))
    assert verify_cosignature(note, WITNESS) == 100


def test_time_signature_and_length_cannot_be_changed() -> None:
    good = cosign(TEXT, WITNESS.name, PRIVATE, 100)
    for blob in (
        struct.pack(">Q", 99) + good.blob[8:],
        good.blob[:-1] + bytes([good.blob[-1] ^ 1]),
        good.blob[:-1],
        good.blob + b"\x00",
        good.blob[8:],
    ):
        for signatures in ((good._replace(blob=blob),), (good, good._replace(blob=blob))):
            with pytest.raises(ProofError):
                verify_cosignature(Note(TEXT, signatures), WITNESS)


def test_a_time_beyond_63_bits_is_refused_though_signed() -> None:
    at = 2**63
    blob = struct.pack(">Q", at) + PRIVATE.sign(b"cosignature/v1\ntime %d\n%b" % (at, TEXT))
    with pytest.raises(ProofError):
        verify_cosignature(Note(TEXT, (cosign(TEXT, WITNESS.name, PRIVATE, 1)._replace(blob=blob),)), WITNESS)
    for bad in (-1, 2**63):
        with pytest.raises(FormatError):
            cosign(TEXT, WITNESS.name, PRIVATE, bad)


def test_only_checkpoints_are_cosigned() -> None:
    with pytest.raises(FormatError):
        cosign(b"just a text\n", WITNESS.name, PRIVATE, 1)
    with pytest.raises(FormatError):
        verify_cosignature(parse_note(vectors.C2SP_NOTE), WITNESS)


def test_one_key_as_note_key_and_as_cosigner_is_two_keys() -> None:
    log = Verifier(WITNESS.name, PUBLIC)
    assert log.key_id != WITNESS.key_id
    with pytest.raises(ProofError):
        verify(Note(TEXT, (cosign(TEXT, WITNESS.name, PRIVATE, 1),)), log)
    with pytest.raises(ProofError):
        verify_cosignature(Note(TEXT, (sign(TEXT, WITNESS.name, PRIVATE),)), WITNESS)
    with pytest.raises(FormatError):
        parse_vkey(WITNESS.vkey())
    with pytest.raises(FormatError):
        parse_cosigner_vkey(log.vkey())
