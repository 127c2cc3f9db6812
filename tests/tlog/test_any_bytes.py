"""The parsers' one promise: any bytes give a value that encodes to the same bytes, or `FormatError`, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.tlog.checkpoint import Checkpoint, parse_checkpoint
from comity.tlog.cosignature import CosignatureVerifier, parse_cosigner_vkey
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.fork import Exhibit, ForkCertificate
from comity.tlog.leaf import leaf_of, parse_leaf
from comity.tlog.merkle import Frontier, inclusion_proof
from comity.tlog.note import Note, Verifier, parse_note, parse_vkey, sign, verify
from comity.tlog.proof import Proof, parse_proof, verify_proof
from comity.tlog.tiles import encode_bundle, parse_bundle, parse_tile_path, tile_path
from tests.tlog import vectors
from tests.tlog.naive import NaiveTree, numbered_leaves

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
ORIGIN = "cert.arcadia.example/home/1"
TREE = NaiveTree(numbered_leaves(5))
TEXT = Checkpoint(ORIGIN, 5, TREE.mth(0, 5)).text()
NOTE = Note(TEXT, (sign(TEXT, ORIGIN, PRIVATE),))
PROOF = Proof(1, inclusion_proof(1, 5, TREE.read), NOTE.encode(), b"extra")
FORK = ForkCertificate(NOTE, NOTE, (1, Exhibit(bytes(32), (bytes(32),)), Exhibit(b"\x01" * 32, ())))
FRONTIER = Frontier()
FRONTIER.extend(bytes(32 * 5))


class Format(NamedTuple):
    parse: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    valid: bytes


def text(data: bytes) -> str:
    """Any bytes as a string, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


FORMATS = {
    "note": Format(parse_note, Note.encode, vectors.CT_NOTE),
    "checkpoint": Format(parse_checkpoint, Checkpoint.text, Checkpoint(ORIGIN, 42, bytes(32), ("extension",)).text()),
    "vkey": Format(lambda data: parse_vkey(text(data)), lambda key: key.vkey().encode(), vectors.PETER_VKEY.encode()),
    "cosigner vkey": Format(
        lambda data: parse_cosigner_vkey(text(data)),
        lambda key: key.vkey().encode(),
        CosignatureVerifier("w.example", bytes(32)).vkey().encode(),
    ),
    "frontier": Format(Frontier.decode, Frontier.encode, FRONTIER.encode()),
    "tile path": Format(
        lambda data: parse_tile_path(text(data)),
        lambda tile: tile_path(tile.level, tile.index, tile.width).encode(),
        b"tile/0/x001/x234/067.p/5",
    ),
    "entry bundle": Format(parse_bundle, encode_bundle, encode_bundle([b"one", b"", b"three"])),
    "leaf": Format(parse_leaf, leaf_of, leaf_of(bytes(range(32)))),
    "proof": Format(parse_proof, Proof.encode, PROOF.encode()),
    "fork": Format(ForkCertificate.decode, ForkCertificate.encode, FORK.encode()),
}

edits = st.tuples(
    st.floats(0, 1, exclude_max=True),  # where, as a share of the length
    st.integers(0, 12),  # bytes taken out
    st.one_of(
        st.binary(max_size=3),
        st.sampled_from([b"\n", b"\n\n", b" ", b"+", b"=", b"A", b"0", b"\x00", b"\xff", "—".encode(), b"leaf ", b"x"]),
    ),
)


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    data = valid
    for where, out, put in draw(st.lists(edits, min_size=1, max_size=4)):
        at = int(where * (len(data) + 1))
        data = data[:at] + put + data[at + out :]
    return data


def check(form: Format, data: bytes) -> None:
    try:
        value = form.parse(data)
    except FormatError:
        return
    assert form.encode(value) == data


@pytest.mark.parametrize("name", FORMATS)
def test_valid_bytes_are_read_and_written_back(name: str) -> None:
    form = FORMATS[name]
    assert form.encode(form.parse(form.valid)) == form.valid


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_a_value_or_malformed(name: str, data: st.DataObject) -> None:
    check(FORMATS[name], data.draw(st.binary(max_size=400)))


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_mutated_bytes_are_a_value_or_malformed(name: str, data: st.DataObject) -> None:
    form = FORMATS[name]
    check(form, data.draw(mutated(form.valid)))


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut_is_a_value_or_malformed(name: str) -> None:
    form = FORMATS[name]
    for length in range(len(form.valid)):
        check(form, form.valid[:length])
        check(form, form.valid[length:])


@given(mutated(NOTE.encode()))
@settings(deadline=None, max_examples=300)
def test_a_mutated_note_never_verifies_as_another_text(data: bytes) -> None:
    log = Verifier(ORIGIN, PRIVATE.public_key().public_bytes_raw())
    try:
        note = parse_note(data)
        verify(note, log)
    except (FormatError, ProofError):
        return
    assert note.text == TEXT


@given(mutated(PROOF.encode()), st.integers(0, 5))
@settings(deadline=None, max_examples=300)
def test_no_mutated_proof_proves_a_leaf_that_is_not_there(data: bytes, number: int) -> None:
    log = Verifier(ORIGIN, PRIVATE.public_key().public_bytes_raw())
    leaf = numbered_leaves(6)[number]  # the last one is not in the tree
    try:
        proof = parse_proof(data)
        verify_proof(proof, leaf, [log])
    except (FormatError, ProofError):
        return
    assert (proof.index, leaf) == (1, TREE.leaf_hashes[1])
