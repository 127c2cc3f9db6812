"""Fork certificates: a log that signs two histories is shown to have done so, and an honest one cannot be."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.checkpoint import Checkpoint
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.fork import Exhibit, ForkCertificate, prove_fork
from comity.tlog.merkle import inclusion_proof, leaf_hash
from comity.tlog.note import Note, Verifier, sign
from tests.tlog.naive import NaiveTree, numbered_leaves

ORIGIN = "cert.arcadia.example/accord/three-shores/1"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
LOG = Verifier(ORIGIN, PRIVATE.public_key().public_bytes_raw())
TREE = NaiveTree(numbered_leaves(300))


def signed(tree: NaiveTree, size: int, *, origin: str = ORIGIN, private: Ed25519PrivateKey = PRIVATE) -> Note:
    text = Checkpoint(origin, size, tree.mth(0, size)).text()
    return Note(text, (sign(text, origin, private),))


def rewritten(index: int) -> NaiveTree:
    """The same history but for one leaf."""
    leaves = TREE.leaf_hashes.copy()
    leaves[index] = leaf_hash(b"rewritten")
    return NaiveTree(leaves)


def exhibit(tree: NaiveTree, index: int, size: int) -> Exhibit:
    return Exhibit(tree.leaf_hashes[index], inclusion_proof(index, size, tree.read))


def test_two_roots_for_one_size_are_a_fork() -> None:
    certificate = ForkCertificate(signed(TREE, 200), signed(rewritten(7), 200))
    first, second = ForkCertificate.decode(certificate.encode()).verify(LOG)
    assert first.size == second.size == 200
    assert first.root != second.root


@pytest.mark.parametrize(("smaller", "larger"), [(1, 2), (7, 8), (64, 65), (100, 300), (256, 257), (255, 256)])
def test_a_rewritten_leaf_is_found_and_proves_a_fork_of_different_sizes(smaller: int, larger: int) -> None:
    for index in {0, smaller // 2, smaller - 1}:
        other = rewritten(index)
        notes = signed(TREE, smaller), signed(other, larger)
        certificate = prove_fork(*notes, TREE.read, other.read)
        assert certificate.exhibits is not None
        assert certificate.exhibits[0] == index
        again = ForkCertificate.decode(certificate.encode())
        assert again == certificate
        assert [checkpoint.size for checkpoint in again.verify(LOG)] == [smaller, larger]
        # The larger tree may as well be the one seen first.
        assert prove_fork(*notes[::-1], other.read, TREE.read).verify(LOG)[0].size == larger


def test_a_reader_that_lies_makes_no_certificate() -> None:
    other = rewritten(7)
    for read_first, read_second in (
        (TREE.read, lambda level, index: bytes(32)),
        (TREE.read, lambda level, index: b""),
        (lambda level, index: leaf_hash(b"%d %d" % (level, index)), TREE.read),
        (TREE.read, other.read),  # a peer that shows a rewritten history under a checkpoint of the true one
    ):
        with pytest.raises(ProofError):
            prove_fork(signed(TREE, 100), signed(TREE, 250), read_first, read_second)
    with pytest.raises(ProofError, match="different logs"):
        prove_fork(signed(TREE, 100), signed(other, 250, origin="cert.arcadia.example/home/1"), TREE.read, other.read)


def test_the_first_of_several_differences_is_shown() -> None:
    leaves = TREE.leaf_hashes.copy()
    for index in (90, 41, 240):
        leaves[index] = leaf_hash(b"rewritten")
    other = NaiveTree(leaves)
    certificate = prove_fork(signed(TREE, 100), signed(other, 250), TREE.read, other.read)
    assert certificate.exhibits is not None
    assert certificate.exhibits[0] == 41


def test_a_log_that_changed_its_key_is_still_caught() -> None:
    newer = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
    certificate = ForkCertificate(signed(TREE, 200), signed(rewritten(7), 200, private=newer))
    certificate.verify(LOG, Verifier(ORIGIN, newer.public_key().public_bytes_raw()))
    with pytest.raises(ProofError):
        certificate.verify(LOG)


def test_an_honest_log_cannot_be_shown_to_have_forked() -> None:
    for first, second in itertools.product((1, 5, 64, 200), repeat=2):
        notes = signed(TREE, first), signed(TREE, second)
        with pytest.raises(ProofError):
            prove_fork(*notes, TREE.read, TREE.read)
        with pytest.raises(ProofError):
            ForkCertificate(*notes).verify(LOG)
        for index in range(min(first, second)):
            honest = exhibit(TREE, index, first), exhibit(TREE, index, second)
            forged = Exhibit(leaf_hash(b"forged"), honest[1].hashes)
            for pair in (honest, (honest[0], forged), (forged, honest[1])):
                with pytest.raises(ProofError):
                    ForkCertificate(*notes, (index, *pair)).verify(LOG)


def test_leaves_of_two_indexes_are_no_fork() -> None:
    with pytest.raises(ProofError):
        ForkCertificate(signed(TREE, 100), signed(TREE, 200), (5, exhibit(TREE, 5, 100), exhibit(TREE, 6, 200))).verify(
            LOG
        )


def test_a_node_above_the_leaves_passes_for_none() -> None:
    # Two honest sizes have different nodes at their right edges; offered as leaves, their paths are too short.
    first = Exhibit(TREE.mth(4, 5), inclusion_proof(4, 5, TREE.read))
    second = Exhibit(TREE.mth(4, 6), inclusion_proof(4, 6, TREE.read)[1:])
    with pytest.raises(ProofError):
        ForkCertificate(signed(TREE, 5), signed(TREE, 6), (4, first, second)).verify(LOG)


def test_what_others_signed_is_no_fork_of_this_log() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    home = "cert.arcadia.example/home/1"
    two_origins = ForkCertificate(signed(TREE, 200), signed(rewritten(7), 200, origin=home))
    for certificate, keys in (
        (ForkCertificate(signed(TREE, 200), signed(rewritten(7), 200, private=stranger)), [LOG]),
        (ForkCertificate(Note(signed(TREE, 200).text, ()), signed(rewritten(7), 200)), [LOG]),
        (two_origins, [LOG]),
        (two_origins, [LOG, Verifier(home, LOG.public)]),
        (ForkCertificate(signed(TREE, 200), signed(rewritten(7), 200)), []),
    ):
        with pytest.raises(ProofError):
            certificate.verify(*keys)


def test_a_certificate_of_large_logs_stays_under_6_kilobytes() -> None:
    text = Checkpoint(ORIGIN, 2**20, bytes(32)).text()
    note = Note(text, (sign(text, ORIGIN, PRIVATE),) * 6)
    one = Exhibit(bytes(32), (bytes(32),) * 20)
    assert len(ForkCertificate(note, note, (7, one, one)).encode()) < 6_000


CERTIFICATE = prove_fork(signed(TREE, 100), signed(rewritten(41), 250), TREE.read, rewritten(41).read)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"comity/fork/v1", b"comity/fork/v2"),
        (b"index 41", b"index 041"),
        (b"index 41\n", b""),
        (b"index 41", b"leaf 41"),
        (b"index 41\n", b"index 41\n" + b"A" * 43 + b"=\n"),
        (b"\nleaf ", b"\nleaf"),
        (b"\nleaf ", b"\n"),
        (b"\nleaf ", b"\n\nleaf "),
        (b"\n\n" + ORIGIN.encode(), b"\n" + ORIGIN.encode()),
        (b"\n\n" + ORIGIN.encode(), b"\n\n\n" + ORIGIN.encode()),
        (b"comity/fork/v1\n", b"comity/fork/v1\r\n"),
        (b"comity/fork/v1", "comity/fork/v\u0661".encode()),
    ],
)
def test_malformed_certificates_are_refused(old: bytes, new: bytes) -> None:
    data = CERTIFICATE.encode()
    assert old in data
    with pytest.raises(FormatError):
        ForkCertificate.decode(data.replace(old, new, 1))


def test_certificates_over_their_limits_or_without_checkpoints_are_refused() -> None:
    no_checkpoint = Note(b"no checkpoint\n", CERTIFICATE.first.signatures)
    assert CERTIFICATE.exhibits is not None
    index, here, there = CERTIFICATE.exhibits
    endless = dataclasses.replace(here, hashes=(bytes(32),) * 65)
    for certificate in (
        dataclasses.replace(CERTIFICATE, first=no_checkpoint),
        dataclasses.replace(CERTIFICATE, second=no_checkpoint),
        dataclasses.replace(CERTIFICATE, exhibits=(index, endless, there)),
        dataclasses.replace(CERTIFICATE, exhibits=(index, here, endless)),
    ):
        with pytest.raises(FormatError):
            ForkCertificate.decode(certificate.encode())
    with pytest.raises(FormatError, match="over the limit"):
        ForkCertificate.decode(b"x" * 3_000_000)
