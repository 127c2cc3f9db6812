"""Requests to MISP's REST interface, read: whatever they are, a value or `Malformed`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.formats.misp import rest
from comity.formats.misp.filters import Filters, Terms, filters

NOW = 1_793_520_000
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
names = st.sampled_from(
    ["value", "tags", "timestamp", "last", "deleted", "limit", "from", "to_ids", "published", "uuid"]
)


@given(st.text(max_size=200))
def test_any_path_gives_a_call_or_malformed(path: str) -> None:
    try:
        call = rest.call(path)
    except Malformed:
        return
    assert call.who == call.who.lower()


@given(st.binary(max_size=300))
def test_any_bytes_give_a_tree_and_an_event_or_malformed(data: bytes) -> None:
    for read in (rest.body, rest.tree, rest.event):
        try:
            read(data)
        except Malformed:
            continue


@given(st.dictionaries(names, json_values, max_size=4), st.booleans())
def test_any_question_gives_filters_or_malformed(asked: dict[str, Any], view: bool) -> None:
    try:
        found = filters(asked, NOW, view=view)
    except Malformed:
        return
    found.values.fits(["login.example.com"])
    assert isinstance(found.looks_inside, bool)


@given(json_values)
def test_any_event_can_be_dated(found: Any) -> None:
    data = json.dumps({"Event": {"info": "x", "Attribute": found, "Object": found}}).encode()
    try:
        event = rest.event(data)
    except Malformed:
        return
    rest.dated(event, NOW)
    assert event["timestamp"] == str(NOW)


def test_a_path_is_read_as_cakephp_has_it() -> None:
    call = rest.call("/events/view/5f0c2a9b-0000-4000-8000-0000000000ee/deleted[]:0/deleted[]:1/excludeGalaxy:1.json")
    assert (call.who, call.what, call.of) == ("events", "view", ("5f0c2a9b-0000-4000-8000-0000000000ee",))
    assert call.named == {"deleted": ["0", "1"], "excludegalaxy": ["1"]}
    assert rest.call("/sharing_groups").who == rest.call("sharingGroups/index").who == "sharinggroups"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"value": ["a", "!b"]}, Filters(values=Terms(("a",), (), ("b",)))),
        ({"tags": {"OR": ["x"], "AND": ["y"], "NOT": ["z"]}}, Filters(tags=Terms(("x",), ("y",), ("z",)))),
        ({"limit": "5", "page": 2}, Filters(limit=5, page=2)),
        ({"to_ids": "1", "published": [0, 1]}, Filters(to_ids=True)),
        ({"deleted": [0, 1]}, Filters(deleted=frozenset({False, True}))),
        ({"deleted": "only"}, Filters(deleted=frozenset({True}))),
        ({"includeContext": 1, "returnFormat": "JSON"}, Filters(form="json")),
    ],
)
def test_filters_are_read_as_pymisp_writes_them(asked: dict[str, Any], found: Filters) -> None:
    assert filters(asked, NOW) == found


def test_times_are_moments_or_how_long_ago() -> None:
    assert filters({"timestamp": "5d"}, NOW).changed == (NOW - 5 * 86_400, 1 << 62)
    assert filters({"timestamp": [NOW, 10]}, NOW).changed == (10, NOW)
    assert filters({"publish_timestamp": "2026-11-01"}, NOW).published == (1_793_491_200, 1 << 62)


@pytest.mark.parametrize(
    "asked",
    [{"unknown": 1}, {"value": {"XOR": 1}}, {"timestamp": "soon"}, {"timestamp": [1]}, {"limit": "-1"},
     {"deleted": 3}, {"to_ids": "maybe"}, {"value": "x" * 9_000}, {"value": [None]}],
)  # fmt: skip
def test_what_is_not_understood_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        filters(asked, NOW)


@pytest.mark.parametrize(
    ("term", "text", "fits"),
    [("%b%", "abc", True), ("a%", "abc", True), ("%c", "abc", True), ("a%c", "abc", True), ("a%c%", "abd", False),
     ("ABC", "abc", True), ("ab", "abc", False), ("%ab%bc%", "abc", False), ("%%", "", True)],
)  # fmt: skip
def test_a_percent_sign_stands_for_anything(term: str, text: str, fits: bool) -> None:
    assert Terms((term,)).fits([text]) is fits


@pytest.mark.deadline
def test_a_hostile_pattern_is_looked_for_in_one_pass() -> None:
    before = time.monotonic()
    assert not Terms(("%a" * 2_000 + "%b",)).fits(["a" * 8_000])
    assert time.monotonic() - before < 2.0
