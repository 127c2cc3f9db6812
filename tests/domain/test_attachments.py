"""Attachments: sealed in parts that open in their own place alone, and a manifest that is what it says."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import canon
from comity.areas.intel import attachments
from comity.areas.intel.attachments import MANIFEST_MEDIA, Attachment
from comity.errors import Theirs, Unverified
from comity.limits import ATTACHMENT_BYTES_MAX, ATTACHMENT_PART_BYTES
from comity.statement import INTEL_ATTACHMENT, Header, Marking
from comity.vocab import Tlp

HEADER = Header(1, INTEL_ATTACHMENT, canon.OfficeId("csirt"), 1, 1, MANIFEST_MEDIA, Marking(Tlp.AMBER))
KEY, IDENT = bytes(range(32)), bytes(16)


def sealed(data: bytes, cut: int) -> tuple[Attachment, list[bytes]]:
    """Seal data in parts of `cut` bytes."""
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)] or [b""]
    bodies = [
        attachments.seal(piece, key=KEY, nonce=n.to_bytes(12, "big"), ident=IDENT, number=n, last=n + 1 == len(pieces))
        for n, piece in enumerate(pieces)
    ]
    hashes = [hashlib.new(name, data).hexdigest() for name in ("sha256", "sha1", "md5")]
    digests = tuple(hashlib.sha256(body).hexdigest() for body in bodies)
    return Attachment("x", len(data), *hashes, canon.b64(IDENT), canon.b64(KEY), digests), bodies


@given(st.binary(max_size=300), st.integers(1, 64))
def test_what_is_sealed_opens_and_shows_nothing_of_itself(data: bytes, cut: int) -> None:
    found, bodies = sealed(data, cut)
    assert b"".join(attachments.opened(found, bodies)) == data
    assert len(data) < 8 or not any(data[:8] in body for body in bodies)


@given(st.binary(min_size=3, max_size=60), st.data())
def test_a_part_elsewhere_altered_or_left_out_opens_nothing(data: bytes, draw: st.DataObject) -> None:
    found, bodies = sealed(data, 1)
    which = draw.draw(st.integers(0, len(bodies) - 1))
    other = draw.draw(st.integers(0, len(bodies) - 1).filter(lambda one: one != which))
    swapped = list(bodies)
    swapped[which], swapped[other] = swapped[other], swapped[which]
    told = list(found.parts)
    told[which], told[other] = told[other], told[which]
    wrongs: list[tuple[Attachment, list[bytes]]] = [
        (found, swapped),
        (Attachment(**{**fields(found), "parts": tuple(told)}), swapped),  # also where the manifest says so
        (found, bodies[:-1]),
        (Attachment(**{**fields(found), "parts": found.parts[:-1], "size": found.size - 1}), bodies[:-1]),
        (found, [*bodies[:which], bodies[which][:-1] + bytes([bodies[which][-1] ^ 1]), *bodies[which + 1 :]]),
        (Attachment(**{**fields(found), "sha256": "0" * 64}), bodies),
    ]
    for manifest, parts in wrongs:
        with pytest.raises(Unverified):
            list(attachments.opened(manifest, parts))


def fields(found: Attachment) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1}, {"size": ATTACHMENT_BYTES_MAX + 1}, {"size": ATTACHMENT_PART_BYTES + 1},
        {"sha256": "x" * 64}, {"md5": ""},
        {"key": "AAAA"}, {"ident": ""}, {"name": ""}, {"name": "x" * 256}, {"parts": ()}, {"parts": ("0" * 63,)},
        {"about": ("nothing",)}, {"about": tuple(f"report--{'0' * 8}-0000-4000-8000-{n:012}" for n in range(257))},
        {"note": "x" * 2_001},
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(change: dict[str, Any]) -> None:
    found, _ = sealed(b"data", 4)
    assert attachments.read_manifest(HEADER, canon.encode(found)) == found
    with pytest.raises(Theirs):
        attachments.read_manifest(HEADER, canon.encode(Attachment(**{**fields(found), **change})))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_malformed(data: bytes) -> None:
    try:
        attachments.read_manifest(HEADER, data)
    except Theirs:
        pass
