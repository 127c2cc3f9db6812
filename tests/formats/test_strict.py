"""Strict JSON: nothing that two parsers could read differently gets through, alone or in company."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.stix.report import Refusal
from comity.formats.stix.strict import decode, decode_many
from comity.limits import JSON_DEPTH_MAX, STATEMENT_BYTES_MAX

BROKEN = {
    b'{"a":1,"a":1}': "duplicate-key",
    b'{"a":1,"b":{"c":[{"d":1,"e":2,"d":1}]}}': "duplicate-key",
    b'{"a":1,"\\u0061":1}': "duplicate-key",
    b'{"a" :1,"a":":"}': "duplicate-key",
    b'{"a":"x","a":"\\u003a"}': "duplicate-key",  # the escaped colon makes up for the one that is lost
    b'{"a":"x","a":"\\u003A"}': "duplicate-key",
    b'{"\xc3\xa9":1,"\\u00e9":1}': "duplicate-key",
    b'{"a":NaN}': "json",
    b'{"a":Infinity}': "json",
    b'{"a":-Infinity}': "json",
    b'{"a":1e999}': "json",
    b'{"a":' + b"9" * 5_000 + b"}": "json",
    b'{"a":01}': "json",
    b'{"a":1,}': "json",
    b"{'a':1}": "json",
    b'{"a":1}{"b":2}': "json",
    b'{"a":"\\ud800"}': "json",
    b'{"\\udc00":1}': "json",
    b'{"a":"\x00"}': "json",
    b'{"a":"\n"}': "json",
    b"": "json",
    b"[]": "json",
    b"null": "json",
    b'"text"': "json",
    b"\xef\xbb\xbf{}": "json",
    b'{"a":"\xff"}': "encoding",
    b'{"a":"\xed\xa0\x80"}': "encoding",  # a surrogate written as UTF-8
    b'{"a":"\xc0\x80"}': "encoding",  # an overlong NUL
    b'{"a":' + b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX + b"}": "too-deep",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000: "too-deep",
    b'{"a":"' + b"x" * STATEMENT_BYTES_MAX + b'"}': "too-large",
}
GOOD = [
    b'{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    b'{"a":"b:c:\\":\\u003a","d":":"}',
    b'{"a":"\\ud83d\\ude00","b":1.5e3,"c":-0,"d":123456789012345678901234567890}',
    b' {"a":[' + b"[" * (JSON_DEPTH_MAX - 2) + b"]" * (JSON_DEPTH_MAX - 2) + b"]} ",
    b"{}",
]


@pytest.mark.parametrize(("data", "rule"), BROKEN.items(), ids=[str(data[:40]) for data in BROKEN])
def test_ambiguous_or_broken_json_is_refused(data: bytes, rule: str) -> None:
    refused = decode(data)
    assert isinstance(refused, Refusal)
    assert refused.rule == rule


def test_in_company_each_gets_the_same_answer_as_alone() -> None:
    together = [part for data in BROKEN for part in (data, *GOOD)]
    assert decode_many(together) == [decode(data) for data in together]
    for data in BROKEN:
        assert decode_many([*GOOD, data, *GOOD]) == [decode(each) for each in (*GOOD, data, *GOOD)]


@pytest.mark.parametrize("data", GOOD)
def test_good_json_is_read_as_any_decoder_reads_it(data: bytes) -> None:
    assert decode(data) == decode_many([data])[0] == json.loads(data)


def test_a_repeated_key_is_named() -> None:
    assert "'id'" in decode(b'{"x":[{"id":1,"id":2}]}').reason  # type: ignore[union-attr]


KEYS = st.sampled_from(["a", "b", ":", '"', "\\", "é", "a:", '":'])
VALUES = st.recursive(
    st.integers() | KEYS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple),
    max_leaves=12,
)


def written(value: Any, ascii_only: bool) -> str:
    """Write JSON by hand: a tuple is an object, whose keys may repeat."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{written(k, ascii_only)}:{written(v, ascii_only)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, ascii_only) for item in value) + "]"
    text = json.dumps(value, ensure_ascii=ascii_only)
    return text.replace(":", "\\u003a") if ascii_only and isinstance(value, str) else text


def repeats(value: Any) -> bool:
    if isinstance(value, tuple):
        return len({key for key, _ in value}) < len(value) or any(repeats(item) for _, item in value)
    return isinstance(value, list) and any(map(repeats, value))


@given(st.lists(st.tuples(KEYS, VALUES), max_size=4).map(tuple), st.booleans())
def test_exactly_the_objects_with_a_key_twice_are_refused_for_it(value: Any, ascii_only: bool) -> None:
    data = written(value, ascii_only).encode()
    for answer in (decode(data), decode_many([data, b"{}"])[0]):
        assert isinstance(answer, Refusal) == repeats(value)
        assert not isinstance(answer, Refusal) or answer.rule == "duplicate-key"


@given(st.binary(max_size=60) | st.text('{}[]":,\\u0a1.e- ', max_size=40).map(str.encode))
def test_any_bytes_give_an_object_or_a_refusal(data: bytes) -> None:
    answer = decode(data)
    assert isinstance(answer, dict | Refusal)
    assert decode_many([data, b"{}"]) == [answer, {}]
    if isinstance(answer, dict):
        assert json.loads(data) == answer
