"""Signed documents: what is signed, who signed, and what a hostile envelope gets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import canon, dsse
from comity.errors import Malformed, TooLarge, Unverified
from tests.domain.makers import key, mangled, public

MEDIA = "application/vnd.comity.test"
DOCUMENT = "Traité de paix".encode()
ENVELOPE = dsse.sign(MEDIA, DOCUMENT, key("a"), key("b"))


def parse(data: bytes, bytes_max: int = 1_000) -> dsse.Envelope:
    return dsse.parse(data, media_type=MEDIA, bytes_max=bytes_max)


def wire(**changes: object) -> bytes:
    return json.dumps(
        json.loads(ENVELOPE.encode()) | changes, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def test_the_pre_authentication_encoding_is_that_of_the_specification() -> None:
    # DSSE protocol.md, "PAE", its example.
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", "é".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xa9"  # lengths are of bytes


@given(st.text(max_size=9), st.binary(max_size=9), st.text(max_size=9), st.binary(max_size=9))
def test_no_two_documents_share_one_encoding(kind: str, data: bytes, other_kind: str, other: bytes) -> None:
    same = (kind, data) == (other_kind, other)
    assert (dsse.pae(kind, data) == dsse.pae(other_kind, other)) is same


def test_an_envelope_is_read_back_and_verifies_for_each_signer() -> None:
    envelope = parse(ENVELOPE.encode())
    assert envelope == ENVELOPE
    dsse.verify(envelope, public("a"), who="a")
    dsse.verify(envelope, public("b"), who="b")


def test_a_newline_gained_by_mail_is_no_harm() -> None:
    assert parse(ENVELOPE.encode() + b"\r\n") == ENVELOPE


def test_who_did_not_sign_is_named() -> None:
    with pytest.raises(Unverified, match="Cascadia"):
        dsse.verify(ENVELOPE, public("c"), who="Cascadia")


def test_a_signature_moved_to_another_key_does_not_hold() -> None:
    swapped = {dsse.key_id(public("a")): ENVELOPE.signatures[dsse.key_id(public("b"))]}
    with pytest.raises(Unverified):
        dsse.verify(dsse.Envelope(MEDIA, DOCUMENT, swapped), public("a"), who="a")


@pytest.mark.parametrize(("media", "document"), [(MEDIA, DOCUMENT + b"."), (MEDIA + "x", DOCUMENT), (MEDIA, b"")])
def test_a_signature_holds_for_one_document_of_one_type(media: str, document: bytes) -> None:
    with pytest.raises(Unverified):
        dsse.verify(dsse.Envelope(media, document, ENVELOPE.signatures), public("a"), who="a")


@pytest.mark.parametrize("bad_key", [b"", b"\x00" * 31, b"\xff" * 32])
def test_a_key_that_is_none_verifies_nothing(bad_key: bytes) -> None:
    with pytest.raises(Unverified):
        dsse.check(bad_key, bytes(64), MEDIA, DOCUMENT, who="nobody")


@pytest.mark.parametrize(
    "data",
    [
        wire(payloadType="application/vnd.comity.card+json"),
        wire(signatures=[]),
        wire(signatures=[{"keyid": "k", "sig": "QQ=="}]),
        wire(signatures=[{"keyid": "k", "sig": canon.b64(bytes(64))}] * 2),
        wire(signatures=[{"keyid": str(n), "sig": canon.b64(bytes(64))} for n in range(dsse.SIGNATURES_MAX + 1)]),
        wire(payload="QR=="),
        wire(payload="_-=="),
        wire(more=1),
        wire(payload=None),
        ENVELOPE.encode().replace(b'{"payload"', b'{"payload":"QQ==","payload"'),  # duplicate key
        json.dumps(json.loads(ENVELOPE.encode())).encode(),  # spacing
        b"",
        b"\xff",
        b"[" * 1_500,
    ],
)
def test_a_hostile_envelope_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data, bytes_max=100_000)


def test_an_oversize_document_or_envelope_is_too_large() -> None:
    envelope = dsse.sign(MEDIA, bytes(1_001), key("a")).encode()
    with pytest.raises(TooLarge, match="1001"):
        parse(envelope)
    with pytest.raises(TooLarge):
        parse(b" " * 2_001)


@given(mangled(ENVELOPE.encode()) | st.binary(max_size=64))
def test_any_bytes_give_an_envelope_or_their_fault(data: bytes) -> None:
    try:
        envelope = parse(data)
    except (Malformed, TooLarge):
        return
    assert parse(envelope.encode()) == envelope
    try:
        dsse.verify(envelope, public("a"), who="a")
    except Unverified:
        return
    assert envelope.payload == DOCUMENT  # whatever happened to the file, only this was signed
