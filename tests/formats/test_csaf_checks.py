"""CSAF that contradicts itself, breaks off or attacks its reader: every fault told, nothing dropped in silence."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats import csaf
from comity.formats.csaf import objects, products
from tests.formats.advisories import advisory, branch, changed, links, product, read
from tests.formats.reading import CONTEXT, sorted_out


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("vulnerabilities/0/product_status/known_affected", ["nowhere"], "product-id"),
        ("vulnerabilities/0/remediations/0/group_ids", ["nobody"], "product-group"),
        ("vulnerabilities/0/product_status/fixed", ["1.2"], "product-status"),
        ("vulnerabilities/1/cve", "CVE-2026-1234", "duplicate"),
        ("product_tree/full_product_names", [{"name": "x", "product_id": "1.2"}], "product-id"),
        ("product_tree/relationships/0/product_reference", "both", "product-circle"),
        ("product_tree/relationships/0/product_reference", "nowhere", "product-id"),
        ("vulnerabilities/0/ids/0/product_ids", ["1.2"], "id-products"),
        ("product_tree/product_groups", [{"group_id": "all", "product_ids": []}] * 2, "product-group"),
        ("document/tracking/current_release_date", "2025-01-01T00:00:00Z", "tracking"),
        ("document/tracking/current_release_date", "soon", "date"),
        ("document/tracking/version", "3", "tracking"),
        ("document/tracking/version", "0.1.0", "tracking"),
        ("document/tracking/version", "two", "tracking"),
        ("document/tracking/status", "done", "tracking"),
        ("document/tracking/revision_history/0/number", "5", "tracking"),
        ("document/tracking/revision_history/0/number", "2", "tracking"),
        ("document/tracking/revision_history/0/date", "once", "tracking"),
        ("document/tracking/revision_history/1/date", "2027-01-01T00:00:00Z", "tracking"),
        ("document/notes/0/text", "x" * 20_000, "text-cut"),
    ],
)  # fmt: skip
def test_contradictions_are_told_and_the_advisory_is_read(path: str, value: Any, rule: str) -> None:
    found = read(changed(path, value))
    assert ("changed", rule) in found.rules()
    assert found.only("report")["name"]
    assert len(found.of("vulnerability")) == 2


def test_of_contradictory_statuses_the_one_that_warns_stands() -> None:
    found = read(changed("vulnerabilities/0/product_status/known_not_affected", ["1.2"]))
    kinds = {kind for _, kind, name in links(found) if name == "Arcadia Gateway 1.2"}
    assert "known-affected" in kinds
    assert "known-not-affected" not in kinds


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("document/x_more", 1),
        ("x_more", {}),
        ("vulnerabilities/0/x_more", [1]),
        ("product_tree/branches/0/branches/0/x_more", "y"),
        ("vulnerabilities/0/remediations/0/x_more", "y"),
        ("vulnerabilities/0/product_status/x_more", []),
    ],
)
def test_names_that_csaf_does_not_have_are_told(path: str, value: Any) -> None:
    assert {"name", "product-status"} & {
        rule for outcome, rule in read(changed(path, value)).rules() if outcome == "unmapped"
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("document", None),
        ("document/title", None),
        ("document/title", " "),
        ("document/tracking/id", ""),
        ("document/publisher", None),
        ("document/publisher/namespace", None),
        ("document/csaf_version", "3.0"),
        ("document/tracking/revision_history", None),
        ("document/notes", "text"),
        ("vulnerabilities", {}),
    ],
)
def test_what_is_no_advisory_is_refused(path: str, value: Any) -> None:
    found = read(changed(path, value))
    assert not found.made
    assert found.rules() == [("refused", "required")]


def test_a_broken_vulnerability_costs_only_itself() -> None:
    found = read(changed("vulnerabilities/0/cve", 7))
    assert [tree["name"] for tree in found.of("vulnerability")] == ["No number yet"]
    assert ("refused", "required") in found.rules()


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "json"),
        (b"[]", "required"),
        (b"{", "json"),
        (b'{"document":1}', "required"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "too-deep"),
        (json.dumps(advisory()).encode().replace(b'"title"', b'"lang": "de", "title"', 1), "duplicate-key"),
        (json.dumps(advisory()).encode().replace(b"Two holes", b"\xff"), "json"),
        (json.dumps(advisory()).encode().replace(b"Two holes", b"\\ud800"), "json"),
        (b" " * (csaf.CSAF_BYTES_MAX + 1), "too-large"),
    ],
)  # fmt: skip
def test_what_is_no_strict_json_is_refused(data: bytes, rule: str) -> None:
    found = sorted_out(csaf.read([data], CONTEXT))
    assert not found.made
    assert [kind for _, kind in found.rules()] == [rule]


def test_branches_without_end_are_refused_and_the_rest_is_read() -> None:
    deep = branch("product_version", "x", product=product("x"))
    for _ in range(100):
        deep = branch("product_family", "y", deep)
    tree = changed(
        "product_tree/branches/0/branches/0/branches",
        [deep, *advisory()["product_tree"]["branches"][0]["branches"][0]["branches"]],
    )
    found = read(tree)
    assert ("refused", "too-deep") in found.rules()
    assert len(found.of("software")) == 5


def test_groups_that_name_everything_everywhere_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "NAMED_MAX", 500)
    monkeypatch.setattr(objects, "OBJECTS_MAX", 150)
    tree = advisory()
    names = [product(f"p{number}") for number in range(100)]
    tree["product_tree"]["full_product_names"] += names
    tree["product_tree"]["product_groups"][0]["product_ids"] = [each["product_id"] for each in names]
    remedy = tree["vulnerabilities"][0]["remediations"][0]
    tree["vulnerabilities"][0]["remediations"] = [remedy | {"details": str(number)} for number in range(50)]
    found = read(tree)
    assert len(found.made) <= 152  # with the publisher and the report
    assert found.only("report")
    assert [rule for rule in found.rules() if rule == ("refused", "too-many")]


def test_words_of_a_document_cannot_turn_a_line_round() -> None:
    found = read(changed("document/title", "Holes\u202e\nin \x1b[31mred"))
    assert found.only("report")["name"].isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_give_objects_or_losses(data: bytes) -> None:
    found = sorted_out(csaf.read([data], CONTEXT))
    assert found.losses


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["1.2", "both", "all", "2026-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Return every place in a tree as its holder and key."""
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    return [place for key, value in items for place in [(tree, key), *places(value)]]


@given(st.data())
def test_a_good_advisory_with_anything_anywhere_gives_objects_or_losses(data: st.DataObject) -> None:
    tree = copy.deepcopy(advisory())
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places(tree)))
        holder[key] = data.draw(VALUES)
    found = read(tree)
    assert found.losses
