"""TAXII 2.1 as bytes and values: media types, times, filters, cursors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.formats import taxii
from comity.formats.taxii import Filters

ALL = frozenset({"added_after", "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]"})


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        (None, True),
        ("application/taxii+json;version=2.1", True),
        ("application/taxii+json; version=2.1", True),
        ("application/taxii+json", True),
        ('APPLICATION/TAXII+JSON;VERSION="2.1"', True),
        ("*/*", True),
        ("application/*;q=0.1", True),
        ("application/taxii+json;version=2.1,application/stix+json;version=2.1", True),
        ("text/html, application/taxii+json;q=0.5", True),
        ("application/taxii+json;version=2.0", False),
        ("application/vnd.oasis.taxii+json", False),
        ("application/json", False),
        ("application/taxii+json;q=0", False),
        ("application/taxii+json;q=0.000", False),
        (";;;=,", False),
    ],
)
def test_1_6_8_what_a_client_takes_is_negotiated_by_media_type_and_version(accept: str | None, fits: bool) -> None:
    assert taxii.accepts(accept) is fits


def test_2_a_timestamp_has_microseconds_and_is_in_utc() -> None:
    assert taxii.stamp(0) == "1970-01-01T00:00:00.000000Z"
    assert taxii.stamp(1_764_057_600_000_001) == "2025-11-25T08:00:00.000001Z"
    assert taxii.version_stamp(1_764_057_600_123_000) == "2025-11-25T08:00:00.123Z"
    assert taxii.version_stamp(1_764_057_600_123_456) == "2025-11-25T08:00:00.123456Z"


@given(st.integers(0, taxii.MOMENT_MAX - 1))
def test_times_come_back_as_they_were(micros: int) -> None:
    assert taxii.instant(taxii.stamp(micros)) == micros
    assert taxii.instant(taxii.version_stamp(micros)) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-25",
        "2026-13-01T00:00:00Z",
        "2026-11-25T08:00:00+01:00",
        "2026-11-25T08:00:00.Z",
        "٢٠٢٦-11-25T08:00:00Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        taxii.instant(text)


def test_3_4_filters_are_read_and_several_values_of_one_are_alternatives() -> None:
    one, other = (
        "indicator--" + "0" * 8 + "-0000-4000-8000-" + "0" * 12,
        "x-acme--" + "1" * 8 + "-0000-4000-8000-" + "0" * 12,
    )
    read = taxii.filters(
        f"added_after=1970-01-01T00:00:01Z&limit=5&match[id]={one},{other}&match[type]=indicator,x-acme"
        "&match[version]=first,last,1970-01-01T00:00:02.5Z&match[spec_version]=2.0,2.1&unknown=1",
        fields=ALL,
    )
    assert read == Filters(
        after=1_000_000,
        limit=5,
        ids=frozenset({one, other}),
        types=frozenset({"indicator", "x-acme"}),
        words=frozenset({"first", "last"}),
        versions=frozenset({2_500_000}),
        specs=frozenset({"2.0", "2.1"}),
    )


def test_3_4_1_the_latest_version_is_meant_where_none_is_said() -> None:
    assert taxii.filters("", fields=ALL).words == {"last"}
    assert taxii.filters("match[version]=1970-01-01T00:00:02Z", fields=ALL).words == set()


@pytest.mark.parametrize(
    "query",
    [
        "added_after=yesterday",
        "added_after=1970-01-01T00:00:01Z&added_after=1970-01-01T00:00:02Z",  # §3.4: not more than once
        "limit=0",  # §3.4: greater than zero
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=99999999999999999999",
        "match[id]=nobody",
        "match[id]=",
        "match[type]=In dicator",
        "match[version]=all,last",  # §3.4.1: `all` stands alone
        "match[version]=last,last",  # §3.4.1: no duplicates
        "match[version]=newest",
        "match[type]=indicator&match[type]=malware",  # §3.4: a field once
        "match[colour]=red",
        "match[type]=a" + ",aa" * 1_000,
        "&&&",
    ],
)
def test_3_4_malformed_parameters_are_refused(query: str) -> None:
    with pytest.raises(Malformed):
        taxii.filters(query, fields=ALL)


def test_3_5_a_cursor_goes_on_where_a_page_ended_and_only_for_its_own_question() -> None:
    asked = taxii.filters("match[type]=indicator", fields=ALL)
    following = asked._replace(next=taxii.cursor(77, asked), limit=3)
    assert taxii.begins(following) == 77
    assert taxii.begins(asked) == -1
    with pytest.raises(Malformed):
        taxii.begins(taxii.filters("", fields=ALL)._replace(next=following.next))


@given(st.text(max_size=200))
def test_any_text_gives_filters_or_malformed(query: str) -> None:
    try:
        read = taxii.filters(query, fields=ALL)
        taxii.stamp(max(taxii.begins(read), 0))
    except Malformed:
        pass


@given(st.text(max_size=120))
def test_any_cursor_gives_a_time_or_malformed(text: str) -> None:
    try:
        assert -1 <= taxii.begins(Filters(next=text)) < taxii.MOMENT_MAX
    except Malformed:
        pass


@given(st.text(max_size=100))
def test_any_header_is_judged(header: str) -> None:
    assert taxii.accepts(header) in {True, False}
    assert taxii.is_taxii(header) in {True, False}


def test_3_7_an_envelope_keeps_bytes_and_an_empty_one_has_no_list() -> None:
    odd = b'{"type" :"indicator" , "x": 1.0}'
    assert taxii.envelope([odd], next_="n", more=True) == b'{"more":true,"next":"n","objects":[' + odd + b"]}"
    assert taxii.envelope([]) == b"{}"
    assert json.loads(taxii.envelope([], next_="n", more=True)) == {"more": True, "next": "n"}
