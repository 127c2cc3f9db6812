"""Envelopes, and what stands in headers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.testing.world import START
from comity.transports.caller import retry_after
from comity.transports.envelope import Envelope, Frame
from comity.transports.page import date
from comity.transports.taxii import written
from tests.transports.taxii_server import indicator


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), ("", 0), ("soon", 0), ("-5", 0), ("²", 0), ("1" * 500, 111_111_111),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Mon, 21 Sep 2026 14:13:30 GMT", 10),
        ("Mon, 99 Sep 2026 14:13:30 GMT", 0), ("Mon, 21 Sep 99999999 1:1:1 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, seconds: int) -> None:
    assert retry_after(text, START) == seconds


@given(st.text(max_size=60))
def test_any_header_gives_seconds_and_a_date_or_none(text: str) -> None:
    assert retry_after(text, START) >= 0
    assert date(text) is None or date(text) >= 0  # type: ignore[operator]


@given(st.integers(0, 253_402_300_799_999_999))
def test_a_date_is_read_as_it_is_written(micros: int) -> None:
    assert date(written(micros)) == micros


def test_a_finer_date_is_cut_and_another_zone_is_read() -> None:
    assert date("1970-01-01T00:00:01.1234569Z") == 1_123_456
    assert date("1970-01-01T01:00:00+01:00") == 0
    assert date("1970-01-01T00:00:00.5Z") == 500_000


# ---- envelopes ----


def framed(data: bytes, size: int) -> Envelope:
    frame = Frame()
    for at in range(0, len(data), size):
        frame.feed(data[at : at + size])
    return frame.end()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=4),
    st.booleans(),
    st.none() | st.text(max_size=20),
    st.dictionaries(st.text(min_size=1, max_size=3), JSON, max_size=3),
    st.integers(1, 40),
    st.booleans(),
)
def test_what_stands_around_the_objects_is_read_however_it_is_cut(
    objects: list[object], more: bool, following: str | None, rest: dict[str, object], size: int, plain: bool
) -> None:
    tree = {**rest, "objects": objects, "more": more, "next": following}
    try:
        data = json.dumps(tree, ensure_ascii=not plain).encode()
    except UnicodeEncodeError:
        return
    assert framed(data, size) == Envelope(more, following, [])


@given(st.binary(max_size=80) | st.text(alphabet='{}[]",\\:tru 1"', max_size=60).map(str.encode), st.integers(1, 9))
def test_any_bytes_give_an_envelope_or_malformed(data: bytes, size: int) -> None:
    try:
        assert isinstance(framed(data, size), Envelope)
    except Malformed:
        pass


def test_an_envelope_holds_no_more_than_what_stands_around_its_objects() -> None:
    frame = Frame()
    frame.feed(b'{"more":true,"objects":[')
    for number in range(2_000):
        frame.feed(b"," * (number > 0) + indicator(number, more=',"name":"' + "x" * 1_000 + '"'))
    assert len(frame._kept) < 40
    frame.feed(b'],"next":"n"}')
    assert frame.end() == Envelope(True, "n", [])
