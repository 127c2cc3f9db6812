"""Proof files: what a stranger with the keys of log and witnesses can check on a machine without a network."""

from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.checkpoint import Checkpoint
from comity.tlog.cosignature import CosignatureVerifier, cosign
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import EXTRA_BYTES_MAX, PROOF_HASHES_MAX
from comity.tlog.merkle import inclusion_proof
from comity.tlog.note import Note, Verifier, sign
from comity.tlog.proof import Proof, parse_proof, verify_proof
from tests.tlog.naive import NaiveTree, numbered_leaves

ORIGIN = "cert.arcadia.example/accord/three-shores/1"
SIZE, INDEX = 1_000, 777
TREE = NaiveTree(numbered_leaves(SIZE))
LOG_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Verifier(ORIGIN, LOG_PRIVATE.public_key().public_bytes_raw())
WITNESS_PRIVATES = {
    f"cert.{party}.example/w": Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    for number, party in enumerate(("borealia", "cascadia", "delmaria"), start=1)
}
WITNESSES = [CosignatureVerifier(name, key.public_key().public_bytes_raw()) for name, key in WITNESS_PRIVATES.items()]

CHECKPOINT = Checkpoint(ORIGIN, SIZE, TREE.mth(0, SIZE))
NOTE = Note(
    CHECKPOINT.text(),
    (
        sign(CHECKPOINT.text(), ORIGIN, LOG_PRIVATE),
        *(cosign(CHECKPOINT.text(), name, key, 1_790_000_000) for name, key in WITNESS_PRIVATES.items()),
    ),
)
PROOF = Proof(INDEX, inclusion_proof(INDEX, SIZE, TREE.read), NOTE.encode(), b"an opening")
LEAF = TREE.leaf_hashes[INDEX]


def test_a_proof_file_is_laid_out_as_specified() -> None:
    lines = PROOF.encode().decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra YW4gb3BlbmluZw==", "index 777"]
    assert lines[3 + len(PROOF.hashes) :] == ["", *NOTE.encode().decode().split("\n")]
    without = dataclasses.replace(PROOF, extra=None).encode()
    assert without.startswith(b"c2sp.org/tlog-proof@v1\nindex 777\n")


@pytest.mark.parametrize("extra", [None, b"", b"x", bytes(EXTRA_BYTES_MAX)])
def test_a_proof_file_is_read_back(extra: bytes | None) -> None:
    proof = dataclasses.replace(PROOF, extra=extra)
    assert parse_proof(proof.encode()) == proof


def test_a_proof_of_a_tree_with_one_leaf_has_no_hashes() -> None:
    checkpoint = Checkpoint(ORIGIN, 1, LEAF)
    note = Note(checkpoint.text(), (sign(checkpoint.text(), ORIGIN, LOG_PRIVATE),))
    proof = parse_proof(Proof(0, (), note.encode()).encode())
    assert verify_proof(proof, LEAF, [LOG]) == checkpoint


def test_a_proof_file_over_a_million_entries_with_three_cosigners_stays_under_2_kilobytes() -> None:
    proof = Proof(2**19, (bytes(32),) * 20, NOTE.encode())
    assert len(proof.encode()) < 2_000


def test_a_proof_holds_for_the_log_alone_and_with_its_cosigners() -> None:
    proof = parse_proof(PROOF.encode())
    assert verify_proof(proof, LEAF, [LOG]) == CHECKPOINT
    assert verify_proof(proof, LEAF, [LOG, *WITNESSES]) == CHECKPOINT


def test_a_retired_log_key_beside_the_present_one_does_no_harm() -> None:
    retired = Verifier(ORIGIN, WITNESSES[0].public)
    assert verify_proof(PROOF, LEAF, [retired, LOG]) == CHECKPOINT


def test_a_proof_without_the_logs_signature_is_refused() -> None:
    for verifiers in ([], WITNESSES, [Verifier(ORIGIN, WITNESSES[0].public)], [Verifier("other.example", LOG.public)]):
        with pytest.raises(ProofError):
            verify_proof(PROOF, LEAF, verifiers)


def test_every_cosigner_asked_for_must_have_signed() -> None:
    stranger = CosignatureVerifier("cert.elysia.example/w", bytes(32))
    with pytest.raises(ProofError, match=r"not cosigned by cert\.elysia\.example/w"):
        verify_proof(PROOF, LEAF, [LOG, *WITNESSES, stranger])


def test_another_leaf_index_hash_or_checkpoint_is_refused() -> None:
    flipped = (bytes([PROOF.hashes[0][0] ^ 1]) + PROOF.hashes[0][1:], *PROOF.hashes[1:])
    unsigned = dataclasses.replace(NOTE, text=Checkpoint(ORIGIN, SIZE, bytes(32)).text()).encode()
    for proof, leaf in (
        (PROOF, TREE.leaf_hashes[INDEX - 1]),
        (dataclasses.replace(PROOF, index=INDEX - 1), LEAF),
        (dataclasses.replace(PROOF, index=SIZE), LEAF),
        (dataclasses.replace(PROOF, hashes=flipped), LEAF),
        (dataclasses.replace(PROOF, hashes=PROOF.hashes[1:]), LEAF),
        (dataclasses.replace(PROOF, hashes=(*PROOF.hashes, bytes(32))), LEAF),
        (dataclasses.replace(PROOF, checkpoint=unsigned), LEAF),
    ):
        with pytest.raises(ProofError):
            verify_proof(proof, leaf, [LOG])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"index 777", b"index 0777"),
        (b"index 777", b"index -1"),
        (b"index 777", b"index 9223372036854775808"),
        (b"index 777\n", b""),
        (b"index 777", b"index  777"),
        (b"extra YW4gb3BlbmluZw==", b"extra YW4gb3BlbmluZw"),
        (b"extra ", b"extra"),
        (b"extra YW4gb3BlbmluZw==\nindex 777", b"index 777\nextra YW4gb3BlbmluZw=="),
        (b"extra YW4gb3BlbmluZw==", b"extra YQ==\nextra YQ=="),
        (b"index 777\n", b"index 777\nAAAA\n"),
        (b"index 777\n", b"index 777\n" + b"A" * 43 + b"=\n" * PROOF_HASHES_MAX),
        (b"index 777\n", b"index 777\n\n"),
        (b"index 777\n", b"index 777\r\n"),
        (b"\n\n" + ORIGIN.encode(), b"\n" + ORIGIN.encode()),
    ],
)
def test_malformed_proof_files_are_refused(old: bytes, new: bytes) -> None:
    data = PROOF.encode()
    assert old in data
    with pytest.raises(FormatError):
        parse_proof(data.replace(old, new, 1))


def test_proof_files_over_their_limits_are_refused() -> None:
    with pytest.raises(FormatError, match="a proof file of"):
        parse_proof(bytes(10_000_000))
    hashes = (bytes(32),) * (PROOF_HASHES_MAX + 1)
    for proof in (
        dataclasses.replace(PROOF, extra=bytes(EXTRA_BYTES_MAX + 1)),
        dataclasses.replace(PROOF, extra=bytes(4 * EXTRA_BYTES_MAX)),
        dataclasses.replace(PROOF, hashes=hashes),
    ):
        with pytest.raises(FormatError, match="over the limit"):
            parse_proof(proof.encode())


def test_a_proof_file_without_a_signed_checkpoint_is_refused() -> None:
    for checkpoint in (b"", CHECKPOINT.text(), Note(b"no checkpoint\n", NOTE.signatures).encode()):
        with pytest.raises(FormatError):
            parse_proof(dataclasses.replace(PROOF, checkpoint=checkpoint).encode())
