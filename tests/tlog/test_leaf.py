"""Leaves and commitments: exact bytes, and that nothing opens where it was not stated."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.leaf import check_opening, commit, commit_many, leaf_hashes_of, leaf_of, parse_leaf
from comity.tlog.merkle import leaf_hash

SALT = bytes(range(16))
ORIGIN = "cert.arcadia.example/accord/three-shores/1"
KIND = "application/vnd.example+json"
PAYLOAD = b'{"type":"indicator"}'
COMMITMENT = commit(SALT, ORIGIN, 1, KIND, PAYLOAD)


def test_a_commitment_hashes_exactly_these_bytes() -> None:
    spelled = (
        b"comity/commit/v1\x00"
        + SALT
        + b"\x00\x2acert.arcadia.example/accord/three-shores/1"
        + b"\x00\x0212"
        + b'DSSEv1 28 application/vnd.example+json 20 {"type":"indicator"}'
    )
    assert commit(SALT, ORIGIN, 12, KIND, PAYLOAD) == sha256(spelled).digest()


def test_a_leaf_is_exactly_these_bytes() -> None:
    assert leaf_of(bytes(range(32))) == b'{"c":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","v":1}'


@given(st.binary(min_size=32, max_size=32))
def test_a_leaf_is_canonical_json_and_is_read_back(commitment: bytes) -> None:
    leaf = leaf_of(commitment)
    assert json.loads(leaf) == {"c": base64.b64encode(commitment).decode(), "v": 1}
    assert json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":")).encode() == leaf
    assert parse_leaf(leaf) == commitment


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b'{"c":"","v":1}',
        b'{"c":"' + base64.b64encode(bytes(31)) + b'","v":1}',
        b'{"c":"' + base64.b64encode(bytes(33)) + b'","v":1}',
        b'{"c":"' + base64.urlsafe_b64encode(b"\xff" * 32) + b'","v":1}',
        b'{"c":"' + base64.b64encode(bytes(32)).replace(b"A=", b"B=") + b'","v":1}',
        b'{"v":1,"c":"' + base64.b64encode(bytes(32)) + b'"}',
        b'{"c": "' + base64.b64encode(bytes(32)) + b'","v":1}',
        b'{"c":"' + base64.b64encode(bytes(32)) + b'","v":2}',
        leaf_of(bytes(32)) + b" ",
        leaf_of(bytes(32))[:-1],
        leaf_of(bytes(32)) + leaf_of(bytes(32)),
        b'{"c":"","v":1}' + leaf_of(bytes(32)),
        b'{"c":"\xff","v":1}',
    ],
)
def test_other_spellings_of_a_leaf_are_refused(leaf: bytes) -> None:
    with pytest.raises(FormatError):
        parse_leaf(leaf)


def test_what_was_committed_opens() -> None:
    check_opening(COMMITMENT, SALT, ORIGIN, 1, KIND, PAYLOAD)


def test_a_leaf_copied_into_another_log_opens_to_nothing() -> None:
    for origin in (
        "cert.borealia.example/accord/three-shores/1",  # another party
        "cert.arcadia.example/accord/four-shores/1",  # another accord of the same party
        "cert.arcadia.example/accord/three-shores/2",  # the next generation of the same log
    ):
        with pytest.raises(ProofError, match="not what the leaf"):
            check_opening(parse_leaf(leaf_of(COMMITMENT)), SALT, origin, 1, KIND, PAYLOAD)


@pytest.mark.parametrize(
    "opening",
    [
        (bytes(16), ORIGIN, 1, KIND, PAYLOAD),
        (SALT, ORIGIN, 2, KIND, PAYLOAD),
        (SALT, ORIGIN, 1, "text/plain", PAYLOAD),
        (SALT, ORIGIN, 1, KIND, PAYLOAD + b" "),
        (SALT, ORIGIN, 1, KIND, b""),
        (SALT, ORIGIN + "1", 1, KIND, PAYLOAD),
    ],
)
def test_nothing_of_an_opening_can_be_changed(opening: tuple[bytes, str, int, str, bytes]) -> None:
    with pytest.raises(ProofError):
        check_opening(COMMITMENT, *opening)


openings = st.tuples(
    st.binary(min_size=16, max_size=16), st.text("ab/1", max_size=4), st.integers(0, 120), st.text("ab 1", max_size=4)
).flatmap(lambda head: st.tuples(*map(st.just, head), st.binary(max_size=6)))


@given(openings, openings)
def test_two_openings_that_differ_anywhere_commit_differently(
    one: tuple[bytes, str, int, str, bytes], other: tuple[bytes, str, int, str, bytes]
) -> None:
    assert (commit(*one) == commit(*other)) == (one == other)


def test_many_commitments_are_those_made_one_by_one() -> None:
    salts = [bytes([number]) * 16 for number in range(50)]
    payloads = [b"x" * number for number in range(50)]
    one_by_one = [commit(salt, ORIGIN, 3, KIND, payload) for salt, payload in zip(salts, payloads, strict=True)]
    assert commit_many(salts, ORIGIN, 3, KIND, payloads) == b"".join(one_by_one)
    assert commit_many([], ORIGIN, 3, KIND, []) == b""


def test_salts_that_do_not_fit_are_refused() -> None:
    for salts in ([], [SALT, SALT], [SALT[:-1]], [SALT + b"\x00"], [b""]):
        with pytest.raises(FormatError):
            commit_many(salts, ORIGIN, 1, KIND, [PAYLOAD])
    with pytest.raises(FormatError):  # the same bytes in all, but cut in other places
        commit_many([SALT[:-1], SALT + b"\x00"], ORIGIN, 1, KIND, [PAYLOAD, PAYLOAD])
    with pytest.raises(FormatError):
        check_opening(COMMITMENT, SALT[:-1], ORIGIN, 1, KIND, PAYLOAD)


def test_names_that_cannot_be_written_are_refused() -> None:
    for origin, kind in (("o" * 65_536, KIND), ("\ud800", KIND), (ORIGIN, "\ud800")):
        with pytest.raises(FormatError):
            commit(SALT, origin, 1, kind, PAYLOAD)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20))
def test_leaf_hashes_of_commitments_are_the_hashes_of_their_leaves(commitments: list[bytes]) -> None:
    expected = b"".join(leaf_hash(leaf_of(commitment)) for commitment in commitments)
    assert leaf_hashes_of(b"".join(commitments)) == expected


def test_commitments_of_another_length_are_refused() -> None:
    for data in (b"x", bytes(31), bytes(33)):
        with pytest.raises(FormatError):
            leaf_hashes_of(data)
        with pytest.raises(FormatError):
            leaf_of(data)
