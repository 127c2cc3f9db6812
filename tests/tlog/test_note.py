"""Signed notes and verifier keys, against the vectors of Go's note package and the limits that are ours."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import NOTE_BYTES_MAX, SIGNATURES_MAX
from comity.tlog.note import Note, Signature, Verifier, parse_note, parse_vkey, sign, verify
from tests.tlog import vectors

PETER = parse_vkey(vectors.PETER_VKEY)
ENOCH = parse_vkey(vectors.ENOCH_VKEY)
PETER_PRIVATE = Ed25519PrivateKey.from_private_bytes(base64.b64decode(vectors.PETER_SEED)[1:])
BOTH = vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE + vectors.ENOCH_LINE


def test_go_reference_key_has_the_reference_id_and_text_form() -> None:
    assert (PETER.name, PETER.key_id.hex()) == ("PeterNeumann", "c74f20a3")
    assert PETER.vkey() == vectors.PETER_VKEY
    assert Verifier("PeterNeumann", PETER_PRIVATE.public_key().public_bytes_raw()) == PETER


def test_our_signature_is_the_reference_signature_byte_for_byte() -> None:
    signature = sign(vectors.PETER_TEXT, "PeterNeumann", PETER_PRIVATE)
    note = Note(vectors.PETER_TEXT, (signature,))
    assert note.encode() == vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE


@pytest.mark.parametrize(
    "data", [BOTH, vectors.SUMDB_NOTE, vectors.CT_NOTE, vectors.C2SP_NOTE, vectors.C2SP_CHECKPOINT]
)
def test_published_notes_parse_and_encode_to_the_same_bytes(data: bytes) -> None:
    assert parse_note(data).encode() == data


@pytest.mark.parametrize(
    ("data", "vkey"),
    [
        (BOTH, vectors.PETER_VKEY),
        (BOTH, vectors.ENOCH_VKEY),
        (vectors.SUMDB_NOTE, vectors.SUMDB_VKEY),
        (vectors.CT_NOTE, vectors.CT_LOG_VKEY),
        (vectors.MONKEYS_NOTES[0], vectors.MONKEYS_VKEY),
        (vectors.MONKEYS_NOTES[1], vectors.MONKEYS_VKEY),
    ],
)
def test_published_signatures_hold(data: bytes, vkey: str) -> None:
    note = parse_note(data)
    verify(note, parse_vkey(vkey))
    with pytest.raises(ProofError, match="does not hold"):
        verify(Note(note.text.replace(b"e", b"3", 1), note.signatures), parse_vkey(vkey))


def test_text_may_hold_blank_lines_and_the_last_one_parts_the_signatures() -> None:
    assert parse_note(vectors.C2SP_NOTE).text.endswith("sole:\n\ned è subito sera.\n".encode())


@pytest.mark.parametrize(
    "data",
    [
        vectors.PETER_TEXT,
        vectors.PETER_TEXT + b"\n",
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE[:-1],
        b"\x01" + vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE,
        b"\xff" + vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE,
        b"\r" + vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE,
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", b"Bad Name"),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", b"Peter+Neumann"),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", "Peter\u2003Neumann".encode()),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", "Peter\u0085".encode()),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", b""),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"PeterNeumann", b"P" * 256),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace("—".encode(), b"-"),
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE + b"Unexpected line.\n",
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"AM=", b"AN="),  # stray bits
        vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE.replace(b"AM=", b"AM"),
        vectors.PETER_TEXT + b"\n" + "— PeterNeumann x08gow==\n".encode(),  # a key id and no signature
        b"",
        b"\n\n",
    ],
)
def test_malformed_notes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_note(data)


def test_every_slice_and_every_mangled_letter_of_a_vkey_is_refused() -> None:
    vkey = vectors.PETER_VKEY
    slices = {vkey[i:j] for i in range(len(vkey)) for j in range(i, len(vkey) + 1)} - {vkey}
    mangled = {vkey[:i] + chr(ord(vkey[i]) + 1) + vkey[i + 1 :] for i in range(len(vkey))}
    wrong_length = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="
    unknown_type = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    for bad in (*slices, *mangled, wrong_length, unknown_type, vkey.replace("c74f20a3", "C74F20A3")):
        with pytest.raises(FormatError):
            parse_vkey(bad)


def test_unknown_keys_are_ignored_even_when_they_share_name_or_id() -> None:
    good = sign(b"text\n", "log.example", PETER_PRIVATE)
    verifier = Verifier("log.example", PETER_PRIVATE.public_key().public_bytes_raw())
    namesake = Signature("log.example", b"\x00\x00\x00\x00", b"not a signature")
    same_id = Signature("other.example", good.key_id, b"not a signature")
    verify(Note(b"text\n", (namesake, good, same_id)), verifier)
    with pytest.raises(ProofError, match=r"not signed by log\.example"):
        verify(Note(b"text\n", (namesake, same_id)), verifier)


def test_one_bad_signature_of_a_known_key_condemns_the_note() -> None:
    good = sign(b"text\n", "log.example", PETER_PRIVATE)
    verifier = Verifier("log.example", PETER_PRIVATE.public_key().public_bytes_raw())
    for blob in (bytes(64), good.blob[:-1], good.blob + b"\x00"):
        for signatures in ((good, good._replace(blob=blob)), (good._replace(blob=blob), good)):
            with pytest.raises(ProofError, match="does not hold"):
                verify(Note(b"text\n", signatures), verifier)


def test_several_keys_are_alternatives_and_no_key_proves_nothing() -> None:
    note = parse_note(vectors.PETER_TEXT + b"\n" + vectors.PETER_LINE)
    verify(note, ENOCH, PETER)
    with pytest.raises(ProofError):
        verify(note, ENOCH)
    with pytest.raises(ProofError):
        verify(note)


def test_a_note_takes_256_cosigners_and_stops_at_its_limits() -> None:
    def note_with(count: int) -> bytes:
        signatures = tuple(Signature(f"witness.example/{number}", b"abcd", bytes(72)) for number in range(count))
        return Note(b"text\n", signatures).encode()

    assert len(parse_note(note_with(256)).signatures) == 256
    parse_note(note_with(SIGNATURES_MAX))
    with pytest.raises(FormatError, match="over the limit"):
        parse_note(note_with(SIGNATURES_MAX + 1))
    with pytest.raises(FormatError, match="over the limit"):
        parse_note(b"x" * NOTE_BYTES_MAX + b"\n" + vectors.PETER_LINE)


def test_only_a_text_that_can_be_a_note_is_signed() -> None:
    for text in (b"", b"no newline", b"tab\there\n", b"\xff\n", b"x" * NOTE_BYTES_MAX + b"\n"):
        with pytest.raises(FormatError):
            sign(text, "log.example", PETER_PRIVATE)
    for name in ("", "two words", "a+b", "n" * 256, "line\nbreak", "\ud800"):
        with pytest.raises(FormatError):
            sign(b"text\n", name, PETER_PRIVATE)


def test_a_key_of_another_length_is_no_key() -> None:
    for public in (b"", bytes(31), bytes(33)):
        with pytest.raises(FormatError):
            Verifier("log.example", public)
