"""What may leave a team's MISP: any bytes are an event cut down, or malformed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.formats.misp import crossing

UUID = "5f1a1c3e-0f6c-4d2c-9d55-0a1b2c3d4e5f"
NAMES = (*crossing.PARTS, "Tag", "Galaxy", "distribution", "uuid")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_event_or_malformed(data: bytes) -> None:
    for read in (lambda: crossing.leaving(data, ()), lambda: crossing.parts_of(data)):
        try:
            read()
        except Malformed:
            pass


@given(st.dictionaries(st.sampled_from((*crossing.PARTS, "Tag", "Galaxy", "Orgc", "distribution", "info")), JSON))
def test_what_nobody_released_never_leaves(tree: dict[str, object]) -> None:
    left = crossing.leaving(json.dumps({"Event": {**tree, "uuid": UUID}}).encode(), ())
    out = json.loads(left.data)["Event"]
    for kind in crossing.PARTS:
        assert all(str(part.get("distribution") or 5) in {"1", "2", "3", "5"} for part in out[kind])
    assert left.stays or str(out["distribution"]) in {"1", "2", "3"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"Event":1}', b'{"Event":{"uuid":"x"}}', b"\xff"])
def test_no_event_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        crossing.leaving(data, ())
