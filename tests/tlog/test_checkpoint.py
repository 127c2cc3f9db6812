"""Checkpoints: one spelling, every field within its bounds, and keys that speak for one log only."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.note import Note, Verifier, parse_note, parse_vkey, sign
from tests.tlog import vectors

ORIGIN = "cert.arcadia.example/accord/three-shores/1"
ROOT = bytes(range(32))
TEXT = Checkpoint(ORIGIN, 42, ROOT).text()


def test_the_example_of_the_specification_is_read_and_written() -> None:
    checkpoint = parse_checkpoint(vectors.C2SP_CHECKPOINT_TEXT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == vectors.C2SP_CHECKPOINT_TEXT


def test_published_checkpoints_parse() -> None:
    assert parse_checkpoint(parse_note(vectors.SUMDB_NOTE).text).origin == "go.sum database tree"
    assert parse_checkpoint(parse_note(vectors.CT_NOTE).text).size == 1432088532


def test_extension_lines_are_kept_in_order() -> None:
    checkpoint = Checkpoint(ORIGIN, 0, ROOT, ("one", "two words"))
    assert checkpoint.text().endswith(b"one\ntwo words\n")
    assert parse_checkpoint(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        TEXT[:-1],
        TEXT + b"\n",
        TEXT + b"\nextension\n",
        b"\n" + TEXT,
        TEXT.replace(b"42", b"042"),
        TEXT.replace(b"42", b"+42"),
        TEXT.replace(b"42", b"-42"),
        TEXT.replace(b"42", b"4 2"),
        TEXT.replace(b"42", b""),
        TEXT.replace(b"42", "\u0664\u0662".encode()),  # 42 in Arabic-Indic digits
        TEXT.replace(b"42", b"9223372036854775808"),
        TEXT.replace(b"AAECAw", b"AAECA"),
        TEXT.replace(b"Hh8=", b"Hh9="),
        TEXT.replace(b"AAECAw", b"AAEC_w"),
        TEXT.replace(b"Hh8=", b""),
        TEXT.replace(b"arcadia", b"arc\tadia"),
        TEXT.replace(b"arcadia", b"arc\xffadia"),
        TEXT.replace(b"arcadia", b"a" * 256),
        TEXT + b"x" * 4096 + b"\n",
    ],
)
def test_other_spellings_are_refused(text: bytes) -> None:
    assert parse_checkpoint(TEXT).size == 42
    with pytest.raises(FormatError):
        parse_checkpoint(text)


def test_a_checkpoint_that_could_not_be_read_back_cannot_be_made() -> None:
    for fields in (
        ("", 1, ROOT),
        ("two\nlines", 1, ROOT),
        (ORIGIN, -1, ROOT),
        (ORIGIN, 2**63, ROOT),
        (ORIGIN, 1, ROOT[:-1]),
        (ORIGIN, 1, ROOT, ("",)),
        (ORIGIN, 1, ROOT, ("a\nb",)),
        (ORIGIN, 1, ROOT, ("x" * 4096,)),
        ("\ud800", 1, ROOT),
        ("bell\x07", 1, ROOT),
    ):
        with pytest.raises(FormatError):
            Checkpoint(*fields)
    assert parse_checkpoint(Checkpoint(ORIGIN, 2**63 - 1, ROOT).text()).size == 2**63 - 1


def test_a_published_checkpoint_is_verified_by_the_key_named_like_its_origin() -> None:
    assert verify_checkpoint(parse_note(vectors.CT_NOTE), parse_vkey(vectors.CT_LOG_VKEY)).size == 1432088532
    with pytest.raises(ProofError, match="none of the keys"):
        verify_checkpoint(parse_note(vectors.SUMDB_NOTE), parse_vkey(vectors.SUMDB_VKEY))


def test_a_key_shared_by_two_logs_cannot_pass_one_logs_checkpoint_off_as_the_others() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    other = "cert.arcadia.example/home/1"
    verifier = Verifier(other, private.public_key().public_bytes_raw())
    # The signature covers the text only, so whoever holds the first log's note can write this line under it.
    relabelled = sign(TEXT, other, private)
    with pytest.raises(ProofError, match="none of the keys"):
        verify_checkpoint(Note(TEXT, (relabelled,)), verifier)


def test_a_note_that_is_no_checkpoint_is_refused_as_malformed() -> None:
    with pytest.raises(FormatError):
        verify_checkpoint(parse_note(vectors.C2SP_NOTE), parse_vkey(vectors.PETER_VKEY))
