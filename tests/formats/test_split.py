"""Cutting a stream: byte-exact at any window, constant in memory, and never stopped by a broken object."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.formats.stix.split import Piece, split
from comity.limits import JSON_DEPTH_MAX, SPLIT_WINDOW_BYTES, STATEMENT_BYTES_MAX
from tests.formats.samples import UUID, bundle, encoded, indicator, relationship

GOOD = encoded(indicator(description='brackets ]}{[ and a quote " in text \\'))
OTHER = encoded(relationship(labels=["a", "b"], external_references=[{"source_name": "x"}, {"source_name": "y"}]))
SMALL = b'\n {"type": "bundle", "objects" : [ {"type":"a","n":[{"b":"}\\"]"}]} ,\t{"type":"b"} ], "z":{"objects":[1]}} '


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def pieces(data: bytes, size: int = SPLIT_WINDOW_BYTES) -> list[bytes]:
    """Return the pieces, having checked that each stands where it says."""
    found = [each for each in split(chunked(data, size)) if isinstance(each, Piece)]
    assert all(data[piece.offset : piece.offset + len(piece.data)] == piece.data for piece in found)
    return [piece.data for piece in found]


def refusals(data: bytes) -> list[Refusal]:
    return [each for each in split([data]) if isinstance(each, Refusal)]


@pytest.mark.parametrize(
    "data",
    [
        bundle(GOOD, OTHER, GOOD),
        b"[%b,%b,%b]" % (GOOD, OTHER, GOOD),
        b"%b\n%b\r\n%b\n" % (GOOD, OTHER, GOOD),
        GOOD + OTHER + GOOD,
        b'\xef\xbb\xbf{"more":true,"objects":[%b,\n\t%b , %b],"next":"5"}' % (GOOD, OTHER, GOOD),
        b'{"type":"bundle","objects":[%b]}\n{"type":"bundle","objects":[%b,%b]}' % (GOOD, OTHER, GOOD),
    ],
    ids=["bundle", "array", "lines", "concatenated", "envelope after a mark of order", "two bundles"],
)
@pytest.mark.parametrize("size", [1, 7, 64, 4_096])
def test_each_object_comes_out_as_its_own_bytes(data: bytes, size: int) -> None:
    assert pieces(data, size) == [GOOD, OTHER, GOOD]
    assert not refusals(data)


def test_many_objects_come_out_in_order_with_their_places() -> None:
    objects = [encoded(indicator(name=f"number {number}", labels=["x"] * (number % 5 + 1))) for number in range(2_000)]
    pretty = json.dumps({"type": "bundle", "objects": [json.loads(each) for each in objects]}, indent=4).encode()
    assert pieces(bundle(*objects)) == objects
    assert pieces(b"\n".join(objects)) == objects
    assert [json.loads(piece) for piece in pieces(pretty)] == [json.loads(each) for each in objects]


def test_an_object_longer_than_a_window_is_kept_whole() -> None:
    long = encoded(indicator(description="x" * 3 * SPLIT_WINDOW_BYTES))
    assert pieces(bundle(GOOD, long, GOOD)) == [GOOD, long, GOOD]


def test_what_stands_deeper_is_not_taken_for_the_array_of_objects() -> None:
    inner = b'{"type":"observed-data","x":{"objects":[{"type":"a"}]},"a\\"objects":[{"type":"b"}]}'
    assert pieces(inner) == [inner]


@pytest.mark.parametrize("cut", range(len(SMALL)))
def test_an_input_that_breaks_off_is_told_with_its_byte(cut: int) -> None:
    data = SMALL[:cut]
    told = [refused for refused in refusals(data) if refused.rule == "truncated"]
    if data.strip():
        assert cut == len(SMALL) - 1 or len(told) == 1
        assert all(f"byte {cut}:" in refused.reason for refused in told)
    assert pieces(data) == [piece for piece in pieces(SMALL) if SMALL.index(piece) + len(piece) <= cut]


@given(st.integers(1, 40))
def test_the_size_of_the_chunks_changes_nothing(size: int) -> None:
    hostile = bundle(GOOD, b'{"type":"x","a":[1}', OTHER, b'{"type":"y","s":"open}', GOOD) + b" tail\n" + OTHER
    assert list(split(chunked(hostile, size))) == list(split(chunked(hostile, 1)))


def test_an_object_nested_too_deep_is_cut_for_the_check_to_refuse() -> None:
    deep = b'{"type":"x","a":' + b"[" * 9 * JSON_DEPTH_MAX + b"]" * 9 * JSON_DEPTH_MAX + b"}"
    assert pieces(bundle(GOOD, deep, OTHER)) == pieces(bundle(GOOD, deep, OTHER), 50) == [GOOD, deep, OTHER]


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b'{"type":"x","a":[1}', "structure"),
        (b'{"type":"x","a":1]', "structure"),
        (b'{"type":"x","s":"never closed}', "structure"),
        (b'{"type":"x","s":"a\nline"}', "structure"),
        (b'{"type":"x","s":"a\x00nul"}', "structure"),
        (b'{"type":"x","a":\x00}', "structure"),
        (b'{"type":"x","a":undefined}', "structure"),
        (b'{"type":"x" // comment\n}', "structure"),
        (b"17", "not-an-object"),
        (b'"text, [with] brackets"', "not-an-object"),
        (b'[{"type":"x"}]', "not-an-object"),
        (b"null", "not-an-object"),
        (b'{"type":"x","s":"%b"}' % (b"x" * STATEMENT_BYTES_MAX), "too-large"),
        (b",", "separator"),
    ],
)
def test_a_broken_object_is_refused_and_those_around_it_are_not_lost(broken: bytes, rule: str) -> None:
    data = bundle(GOOD, OTHER, broken, GOOD, OTHER)
    assert pieces(data) == [GOOD, OTHER, GOOD, OTHER]
    assert {refused.rule for refused in refusals(data)} == {rule}
    assert next(iter(refusals(data))).offset == data.index(broken, data.index(OTHER) + len(OTHER) + 1)


def test_ten_thousand_broken_objects_do_not_stop_the_good_ones() -> None:
    broken = [
        b'{"type":"x","a":[1}',
        b'{"id":"y","s":"open}',
        b'{"type":"z","t":tru}',
        b'{"type":"x",}',
        b'{"id":"\xff"}',
    ]
    good = [encoded(indicator(name=f"number {number}")) for number in range(2_000)]
    mixed = [part for number in range(2_000) for part in (good[number], *broken)]
    found = list(split(chunked(bundle(*mixed), 10_000)))
    results = check.check_many([each.data for each in found if isinstance(each, Piece)])
    accepted = [result for result in results if isinstance(result, check.Checked)]
    assert [result.name for result in accepted] == [f"number {number}" for number in range(2_000)]
    assert sum(isinstance(each, Refusal) for each in (*found, *results)) == 10_000


def test_a_refusal_names_the_object_where_it_can() -> None:
    refused = refusals(bundle(b'{"type":"x","id":"x--%b","a":[1}' % UUID.encode()))[0]
    assert refused.ident == f"x--{UUID}"


def test_what_belongs_to_nothing_is_told() -> None:
    refused = refusals(b"%b trailing words" % GOOD)
    assert [(each.rule, each.offset) for each in refused] == [("garbage", len(GOOD) + 1)]


def test_a_second_array_of_objects_is_refused_because_readers_would_differ() -> None:
    data = b'{"type":"bundle","objects":[%b],"objects":[%b]}' % (GOOD, OTHER)
    assert pieces(data) == [GOOD]
    assert [refused.rule for refused in refusals(data)] == ["duplicate-key"]


def test_a_bundle_of_any_size_takes_the_memory_of_one_window() -> None:
    def input_of(objects: int) -> Iterator[bytes]:
        yield b'{"type":"bundle","objects":['
        block = b",".join([GOOD] * 200)
        for number in range(objects // 200):
            yield b"," * bool(number) + block
        yield b"]}"

    tracemalloc.start()
    count = sum(isinstance(each, Piece) for each in split(input_of(40_000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 40 * SPLIT_WINDOW_BYTES  # the input has 250 times the window


def test_an_object_without_an_end_is_not_collected() -> None:
    def endless() -> Iterator[bytes]:
        yield b'[{"type":"x","s":"'
        for _ in range(64):
            yield b"x" * SPLIT_WINDOW_BYTES

    tracemalloc.start()
    found = list(split(endless()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.rule for each in found if isinstance(each, Refusal)] == ["truncated"]
    assert peak < 3 * STATEMENT_BYTES_MAX


JSON_ISH = st.lists(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in b'{}[]",:\\ \n\x00\xff1tfn'),
            b'"objects":[',
            b'{"type":"x"}',
            b"\xef\xbb\xbf",
            GOOD,
        ]
    )
).map(b"".join)


@given(JSON_ISH | st.binary(max_size=200), st.integers(1, 9))
@example(b'{"objects":[{"type":"x"', 3)
@example(b'[{}]]}{"objects":[', 1)
def test_any_bytes_give_pieces_and_refusals_and_nothing_else(data: bytes, size: int) -> None:
    found = list(split(chunked(data, size)))
    assert all(isinstance(each, Piece | Refusal) for each in found)
    assert found == list(split([data]))
    for each in found:
        if isinstance(each, Piece):
            assert data[each.offset : each.offset + len(each.data)] == each.data


@given(st.lists(st.sampled_from([GOOD, OTHER, b'{"type":"x"}']), max_size=30), st.sampled_from([b",", b" ,\n", b",\t"]))
def test_good_input_is_cut_as_a_decoder_reads_it(objects: list[bytes], between: bytes) -> None:
    data = b'{"type":"bundle","objects":[%b]}' % between.join(objects)
    assert pieces(data) == objects
    assert not refusals(data)
