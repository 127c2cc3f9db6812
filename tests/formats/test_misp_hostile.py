"""Hostile MISP: any bytes give objects and losses, nothing else; and nothing is dropped without a word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity import limits
from comity.formats.convert import Loss, Made, Outcome
from comity.formats.misp import document
from comity.formats.misp import read as reading
from comity.formats.misp.feed import Entry, read_feed
from comity.formats.misp.read import read
from comity.formats.misp.types import ROWS
from tests.formats.misp_samples import (
    CONTEXT,
    MD5,
    SHA256,
    Tree,
    attribute,
    encoded,
    event,
    of_event,
    taken,
    thing,
    uuid,
)

RICH = event(
    attribute(Tag=[{"name": "tlp:amber"}], Sighting=[{"type": "0", "date_sighting": "1600000000"}]),
    attribute("domain|ip", "bad.example|192.0.2.1", 2, to_ids=False, first_seen="2020-01-01T00:00:00Z"),
    attribute("yara", "rule x { condition: true }", 3),
    attribute("vulnerability", "CVE-2021-44228", 4, to_ids=False, Note=[{"note": "n", "authors": "a@a.example"}]),
    Tag=[{"name": "tlp:green"}],
    Object=[
        thing(
            "file",
            attribute("md5", MD5, 5, object_relation="md5"),
            attribute("filename", "a.exe", 6, object_relation="filename", to_ids=False),
            attribute("text", "x", 7, object_relation="text", to_ids=False),
            ObjectReference=[{"referenced_uuid": uuid(1), "relationship_type": "drops"}],
        ),
        thing("network-connection", attribute("port", "80", 8, object_relation="dst-port"), number=901),
        thing("email", attribute("email-src", "e@bad.example", 9, object_relation="from", to_ids=False), number=902),
    ],
    Galaxy=[
        {
            "type": "mitre-tool",
            "GalaxyCluster": [{"uuid": uuid(70), "value": "T", "meta": {"refs": ["http://a.example"]}}],
        }
    ],
    EventReport=[{"uuid": uuid(71), "name": "n", "content": "c", "timestamp": "1600000000"}],
    Opinion=[{"uuid": uuid(72), "opinion": "50"}],
)
GOOD = encoded(RICH)

VALUES = st.sampled_from(
    [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            10**17,
            10**30,
            1.5,
            1e300,
            "",
            " ",
            "x",
            "0",
            "1",
            "5",
            "4",
            "\u0661",
            "\x00",
            "\u202e",
        ),
        *(
            "a" * 5_000,
            "2020-01-01",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01",
            "1600000000",
            "-1",
            "'",
            "\\",
            "']",
            "|",
        ),
        *([], [[]], [None], ["x"], {}, {"x": 1}, [{}], [{"name": []}], {"name": "x"}, [{"value": "x", "type": "y"}]),
        *(
            uuid(1),
            uuid(5),
            "HKCU\\x",
            "hkcu",
            "CVE-2020-0001",
            "CAPEC-\u0661",
            "tlp:red",
            "md5",
            "domain|ip",
            "Person",
        ),
    ]
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = [path] if path else []
    for name, value in items:
        found += places(value, (*path, name))
    return found


PLACES = places({"Event": RICH})


def changed(path: tuple[Any, ...], value: Any, tree: Any) -> Any:
    """Put a value at a place."""
    if not path:
        return value
    inner = tree[path[0]] if isinstance(tree, list) or path[0] in tree else {}
    tree[path[0]] = changed(path[1:], value, inner)
    return tree


@given(st.binary(max_size=300))
def test_any_bytes_give_objects_and_losses(data: bytes) -> None:
    taken(data)


@given(st.data())
def test_mutated_bytes_give_objects_that_pass_and_losses(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    stop = data.draw(st.integers(start, min(start + 30, len(GOOD))))
    taken(GOOD[:start] + data.draw(st.binary(max_size=8)) + GOOD[stop:])


@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
@settings(max_examples=300)
def test_wrong_types_anywhere_give_objects_that_pass_and_losses(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    tree = json.loads(GOOD)
    for path, value in changes:
        try:
            tree = changed(path, value, tree)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    taken(json.dumps(tree).encode())


def test_each_wrong_value_at_each_place() -> None:
    wrong: list[Any] = [None, 5, "x", [], {}, [{}], True]
    for path in PLACES:
        for value in wrong:
            taken(json.dumps(changed(path, value, json.loads(GOOD))).encode())


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip() != "")
ATTRIBUTES = st.fixed_dictionaries(
    {
        "type": st.one_of(st.sampled_from(sorted(ROWS)), st.just("moon-phase")),
        "value": st.one_of(
            WORDS,
            st.sampled_from(
                ["192.0.2.1", "bad.example", MD5, SHA256, f"a|{MD5}", "bad.example|192.0.2.1", "HKLM\\X|1"]
            ),
        ),
        "to_ids": st.booleans(),
        "deleted": st.booleans(),
    },
    optional={
        "uuid": st.sampled_from([uuid(1), uuid(2), "x"]),
        "object_relation": st.sampled_from(["ip", "filename", "username", "data", "text"]),
        "timestamp": st.sampled_from(["1600000000", "0", "x"]),
        "category": st.sampled_from(["Network activity", "Person"]),
    },
)


@given(
    st.lists(ATTRIBUTES, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(["file", "domain-ip", "registry-key", "person", "x"]), st.lists(ATTRIBUTES, max_size=4)
        ),
        max_size=2,
    ),
)
@settings(max_examples=300)
def test_every_attribute_is_in_what_was_made_or_in_a_loss(
    alone: list[Tree], inside: list[tuple[str, list[Tree]]]
) -> None:
    objects = [thing(name, *parts, number=900 + at) for at, (name, parts) in enumerate(inside)]
    data = encoded(event(*alone, Object=objects))
    taken(data)
    out = list(read([data], CONTEXT))
    lost = {one.where for one in out if isinstance(one, Loss)}
    strings: list[str] = []
    for one in out:
        if isinstance(one, Made):
            _strings(json.loads(one.data), strings)
    text = "\n".join(strings).lower()
    given_ = [(f"Event.Attribute[{at}]", one) for at, one in enumerate(alone)]
    given_ += [
        (f"Event.Object[{at}].Attribute[{number}]", one)
        for at, each in enumerate(objects)
        for number, one in enumerate(each["Attribute"])
    ]
    for where, one in given_:
        spellings = [one["value"].strip().lower()]
        spellings.append(spellings[0].replace("\\", "\\\\").replace("'", "\\'"))
        parts = [part.strip() for part in spellings[0].split("|")]
        stands = any(each in text for each in spellings) or all(
            part.partition("\\")[2] in text or part.replace("\\", "\\\\").replace("'", "\\'") in text for part in parts
        )
        assert where in lost or where.rpartition(".")[0] in lost or stands, (where, one)


def _strings(tree: Any, found: list[str]) -> None:
    if isinstance(tree, str):
        found.append(tree)
    elif isinstance(tree, int) and not isinstance(tree, bool):
        found.append(str(tree))
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _strings(each, found)


# --- what is large, deep or double ----------------------------------------------------------------------------


def test_a_hundred_thousand_attributes_of_long_values() -> None:
    long = "x" * 5_000
    parts = [attribute("domain", "d.example", at) | {"value": long} for at in range(100)]
    parts += [{"type": "text", "value": "v", "uuid": uuid(at)} for at in range(1_000, 100_900)]
    out = list(read([encoded(event(*parts))], CONTEXT))
    notes = [one for one in out if isinstance(one, Made) and b'"type":"note"' in one.data]
    assert len(notes) == 100_000
    assert sum(isinstance(one, Loss) for one in out) == 100


def test_what_no_statement_can_carry_is_refused_by_name() -> None:
    objects, losses = of_event(attribute("text", "x" * 1_100_000, to_ids=False), attribute("yara", "y" * 1_100_000, 2))
    assert [(loss.outcome, loss.rule) for loss in losses] == [(Outcome.REFUSED, "too-large")] * 2
    assert {one["type"] for one in objects} == {"identity", "report"}


@pytest.mark.parametrize("end", [b"", b"\\", b'"', b",]}"])
def test_quotes_without_end_are_read_over_once(end: bytes) -> None:
    out = list(read([b'{"Event": "' + b'\\"' * 2_000_000 + end], CONTEXT))
    assert [(one.outcome, one.rule) for one in out if isinstance(one, Loss)] == [(Outcome.REFUSED, "json")]


@pytest.mark.parametrize("depth", [70, 400, 100_000])
@pytest.mark.parametrize("place", [b'"value": "198.51.100.7"', b'"Orgc": {', b'"info": "Phishing against Arcadia"'])
def test_deep_nesting_costs_at_most_the_file(depth: int, place: bytes) -> None:
    name = place.partition(b":")[0]
    nested = name + b": " + b'{"a":[' * depth + b"1" + b"]}" * depth
    data = encoded(event(attribute())).replace(place, nested + (b', "x": {' if place.endswith(b"{") else b""))
    taken(data)


def test_notes_on_notes_are_bounded() -> None:
    note: Tree = {"note": "innermost"}
    for at in range(150):
        note = {"note": f"n{at}", "uuid": uuid(100 + at), "Note": [note]}
    objects, losses = of_event(attribute(Note=[note]))
    assert [loss.rule for loss in losses] == ["too-deep"]
    assert sum(one["type"] == "note" for one in objects) == 8


def test_numbers_that_no_machine_holds() -> None:
    huge = b"9" * 5_000
    data = encoded(event(attribute(), attribute(number=2))).replace(b'"1600000000"', huge, 2)
    objects, losses = taken(data)
    assert [loss.rule for loss in losses] == ["json", "json"]
    assert {one["type"] for one in objects} == {"report", "identity", "indicator"}
    endless = data.replace(huge, b"1e99999").replace(b'"deleted": false', b'"deleted": false,')
    assert taken(endless)[1][0].rule == "json"


def test_a_uuid_that_stands_twice_loses_nothing() -> None:
    twice = [attribute("domain", "a.example"), attribute("domain", "b.example"), attribute("domain", "a.example")]
    objects, losses = of_event(*twice)
    patterns = sorted(one["pattern"] for one in objects if one["type"] == "indicator")
    assert patterns == [f"[domain-name:value = '{name}.example']" for name in ("a", "a", "b")]
    assert len({one["id"] for one in objects}) == len(objects)
    again, losses = of_event(*twice, twice[2])
    assert [(loss.outcome, loss.rule) for loss in losses] == [(Outcome.REFUSED, "repeated")]
    assert len(again) == len(objects)


def test_what_is_too_large_or_has_too_many_values_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MISP_BYTES_MAX", 1_000)
    assert [one.rule for one in read([b"x" * 600, b"x" * 600], CONTEXT) if isinstance(one, Loss)] == ["too-large"]
    monkeypatch.setattr(document, "MISP_COMMAS_MAX", 10)
    assert [one.rule for one in read([b"[" + b"1," * 12 + b"1]"], CONTEXT) if isinstance(one, Loss)] == ["too-many"]
    assert limits.MISP_COMMAS_MAX < limits.MISP_BYTES_MAX


@pytest.mark.parametrize(
    "data", [b"", b"5", b'"x"', b"null", b"{}", b"[[[[[[{}]]]]]]", b'{"Event": 5}', b'{"response": 1}']
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    out = list(read([data], CONTEXT))
    assert out
    assert all(isinstance(one, Loss) and one.outcome is Outcome.REFUSED for one in out)


def test_words_that_could_break_a_line_are_neutral_in_losses() -> None:
    _, losses = of_event(attribute("moon\n\u202ephase", "x", to_ids=False), distribution="\x1b[31m")
    assert losses
    assert all(loss.reason.isprintable() and loss.where.isprintable() for loss in losses)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_loss(data: bytes) -> None:
    assert all(isinstance(one, Entry | Loss) for one in read_feed(data))


def test_a_manifest_cannot_name_a_place_outside() -> None:
    good = {"info": "x", "timestamp": "1600000000"}
    names = ["../../etc/passwd", uuid(1), uuid(2).upper(), "http://x", uuid(3), uuid(4)]
    tree: Tree = dict.fromkeys(names, good) | {uuid(3): [], uuid(4): {"timestamp": "x"}}
    out = list(read_feed(json.dumps(tree).encode()))
    assert sorted(one.uuid for one in out if isinstance(one, Entry)) == [uuid(1), uuid(2)]
    assert sorted(one.rule for one in out if isinstance(one, Loss)) == ["shape", "timestamp", "uuid", "uuid"]
