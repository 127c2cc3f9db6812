"""JSON records: cut from any stream, read strictly, by paths; a bad one costs itself."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import Made
from comity.formats.tables import records
from comity.formats.tables.mapping import Column, Form, Mapping, Role
from comity.formats.tables.reading import read
from comity.limits import JSON_DEPTH_MAX, STATEMENT_BYTES_MAX, TABLE_COLUMNS_MAX
from tests.formats.tables import AT, losses, results, rules, trees, values

IP = Column("ip", Role.VALUE)
LINES = Mapping(columns=(IP,), form=Form.JSON_LINES)
ARRAY = Mapping(columns=(IP,), form=Form.JSON_ARRAY)
NAMED = Mapping(columns=(IP,), form=Form.JSON_ARRAY, array="a.data")
A, B = b'{"ip":"192.0.2.1"}', b'{"ip":"192.0.2.2"}'
BOTH = ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$.indicator", "indicator"), ("ioc.value", "ioc.value"), ("tags[]", "tags[]"), ("a[].b[]", "a[].b[]"),
        ('["odd.key"].x', '["odd.key"].x'), ('$["plain"]', "plain"), ('a["b c"]', 'a["b c"]'), ("$[]", "[]"),
        ("", None), ("$", None), ("a b", None), ("a[0]", None), ('["open', None), ("a..b", None), ('["\\x"]', None),
    ],
)  # fmt: skip
def test_paths_have_one_form(text: str, path: str | None) -> None:
    assert records.path(text) == path


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_record_is_flat_by_paths_that_read_back(tree: dict[str, Any]) -> None:
    flat = records.flat(tree)
    assert all(records.path(path) == path for path in flat)

    def scalars(value: object) -> int:
        if isinstance(value, dict | list):
            return sum(map(scalars, value.values() if isinstance(value, dict) else value))
        return value is not None

    assert sum(map(len, flat.values())) == scalars(tree)


def test_a_record_has_no_more_paths_than_a_table_columns() -> None:
    assert len(records.flat({str(number): number for number in range(2 * TABLE_COLUMNS_MAX)})) == TABLE_COLUMNS_MAX


@pytest.mark.parametrize(
    ("mapping", "data"),
    [
        (LINES, b"%b\n\r\n# c\n %b \n" % (A, B)),
        (LINES, b"\xef\xbb\xbf%b\r%b" % (A, B)),
        (ARRAY, b"[%b,%b]" % (A, B)),
        (ARRAY, b" [\n%b ,\n\t%b\n] " % (A, B)),
        (NAMED, b'{"x":[1,{"data":[]}],"y":"a\\"[","a":{"n":null,"data":[%b,%b]},"z":1}' % (A, B)),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_records_are_cut_in_any_chunks(mapping: Mapping, data: bytes, size: int) -> None:
    found = results(data, mapping, size)
    assert values(found) == BOTH
    assert set(rules(found)) <= {"around"}


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b'{"ip":"192.0.2.3","ip":"192.0.2.4"}', "duplicate-key"),
        (b'{"ip":"192.0.2.3"', None),
        (b'{"ip":NaN}', "json"),
        (b'{"ip":"\xff"}', None),
        (b"17", "json"),
        (b'["192.0.2.3"]', "json"),
        (b'"192.0.2.3"', "json"),
        (b'{"x":' + b"[" * 2 * JSON_DEPTH_MAX + b"]" * 2 * JSON_DEPTH_MAX + b"}", "too-deep"),
        (b'{"x":"%b"}' % (b"x" * STATEMENT_BYTES_MAX), "too-large"),
        (b'{"ip":"192.0.2.3"]', None),
        (b'{"no":"value"}', "no-value"),
        (b"{}", "no-value"),
        (b'{"ip":["192.0.2.3"]}', "no-value"),
    ],
)
def test_a_bad_record_costs_itself(broken: bytes, rule: str | None) -> None:
    for mapping, data in ((LINES, b"\n".join((A, broken, B))), (ARRAY, b"[" + b",".join((A, broken, B)) + b"]")):
        found = results(data, mapping)
        assert values(found)[0] == BOTH[0]
        assert values(found)[-1] == BOTH[1]
        assert losses(found)
        if rule is not None:
            assert rules(found)[-1] == rule


@pytest.mark.parametrize(
    ("mapping", "data", "rule"),
    [
        (ARRAY, A, "array"),
        (ARRAY, b"", "array"),
        (NAMED, b'{"a":{"other":[]}}', "array"),
        (NAMED, b'{"a":{"data":5}}', "array"),
        (NAMED, b'{"a" {', "structure"),
        (ARRAY, b"[%b" % A, "truncated"),
        (ARRAY, b'[{"ip":"192', "truncated"),
    ],
)
def test_an_input_without_its_array_or_its_end_is_told(mapping: Mapping, data: bytes, rule: str) -> None:
    assert rules(results(data, mapping))[-1] == rule


def test_several_values_at_one_path() -> None:
    columns = (Column("ips[]", Role.VALUE), Column("seen[]", Role.FIRST_SEEN), Column("tags[]", Role.LABELS))
    data = b'{"ips":["192.0.2.1","192.0.2.2"],"seen":["2026-01-01","2026-01-02"],"tags":["a","b"]}'
    found = results(data, Mapping(columns=columns, form=Form.JSON_LINES))
    assert values(found) == BOTH
    assert [tree["labels"] for tree in trees(found)] == [["a", "b"]] * 2
    assert rules(found) == ["several"]


def test_a_record_with_40_000_values_makes_no_more_than_a_row() -> None:
    values_ = [f"198.51.{number // 256}.{number % 256}" for number in range(40_000)]
    data = json.dumps({"ips": values_, "tags": ["x" + each for each in values_[:2_000]]}).encode()
    columns = (Column("ips[]", Role.VALUE), Column("tags[]", Role.LABELS))
    found = results(data, Mapping(columns=columns, form=Form.JSON_LINES))
    assert len(values(found)) == TABLE_COLUMNS_MAX
    assert rules(found) == ["labels", "several"]


def test_paths_that_are_not_read_are_told_once() -> None:
    columns = (IP, Column("who", Role.SEALED), Column("a b", Role.NOTE))
    data = b'{"ip":"192.0.2.1","more":1,"who":"ada"}\n{"ip":"192.0.2.2","more":2,"who":"bob"}'
    found = results(data, Mapping(columns=columns, form=Form.JSON_LINES))
    assert [(each.where, each.rule) for each in losses(found)] == [
        ("who", "person"),
        ("a b", "column"),
        ("more", "column"),
    ]


@pytest.mark.parametrize("piece", [b"{", b'{"a":[', b'{"a":"', b"[", b'"', b",", b'{"a":1],', b"x"])
def test_hostile_arrays_are_read_in_linear_time(piece: bytes) -> None:
    data = b"[" + piece * (300_000 // len(piece))
    assert rules(results(data, ARRAY))  # each byte looked at again for every other would take hours


def test_an_array_of_any_size_takes_the_memory_of_a_record() -> None:
    def input_of(count: int) -> Iterator[bytes]:
        yield b'{"a":{"data":['
        for number in range(count):
            yield b"," * bool(number) + json.dumps({"ip": "192.0.2.1", "text": "x" * 5_000}).encode()
        yield b"]}}"

    tracemalloc.start()
    count = sum(isinstance(each, Made) for each in read(input_of(3_000), AT, NAMED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3_000
    assert peak < 2 * STATEMENT_BYTES_MAX  # the input has fifteen times one statement


PIECES = st.lists(
    st.sampled_from(
        [
            *(bytes([byte]) for byte in b'{}[]",:\\ \n\x00\xff1tn'),
            A,
            B,
            b'"a":{',
            b'"data":[',
            b'"\\ud800"',
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=40,
).map(b"".join)


@given(PIECES | st.binary(max_size=200), st.sampled_from([LINES, ARRAY, NAMED]), st.integers(1, 9))
def test_any_bytes_give_objects_and_losses_whatever_the_chunks(data: bytes, mapping: Mapping, size: int) -> None:
    assert results(data, mapping, size) == results(data, mapping)
