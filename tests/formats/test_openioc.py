"""OpenIOC: trees become patterns of the same logic, and nothing that is lost makes one match more."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats import openioc
from comity.formats.stix.pattern import parse_pattern
from comity.limits import PATTERN_BYTES_MAX
from tests.formats.reading import CONTEXT, Read, chunked, sorted_out

ID = "2f1f3c52-7a55-4f0e-9c61-0b6f0a1c2d3e"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def item(search: str, value: str, condition: str = "is", **more: str) -> str:
    extra = "".join(f' {name.replace("_", "-")}="{text}"' for name, text in more.items())
    return (
        f'<IndicatorItem id="x" condition="{condition}"{extra}><Context document="d" search="{search}" type="mir"/>'
        f'<Content type="string">{value}</Content></IndicatorItem>'
    )


def both(*parts: str) -> str:
    return f'<Indicator operator="AND" id="a">{"".join(parts)}</Indicator>'


def either(*parts: str) -> str:
    return f'<Indicator operator="OR" id="o">{"".join(parts)}</Indicator>'


def ioc10(logic: str, more: str = "") -> str:
    return (
        f'<?xml version="1.0"?><ioc xmlns="http://schemas.mandiant.com/2010/ioc" id="{ID}" '
        'last-modified="2024-03-05T00:00:00"><short_description>LOADER (BACKDOOR)</short_description>'
        "<description>Finds the loader.</description><keywords>apt, loader</keywords><authored_by>Ada</authored_by>"
        "<authored_date>2024-02-01T00:00:00</authored_date>"
        '<links><link rel="report" href="https://cert.arcadia.example/1">a report</link></links>'
        f"{more}<definition>{logic}</definition></ioc>"
    )


def ioc11(logic: str) -> str:
    return (
        f'<OpenIOC xmlns="http://openioc.org/schemas/OpenIOC_1.1" id="{ID}" published-date="2024-02-02T00:00:00">'
        "<metadata><short_description>LOADER</short_description><authored_by>Ada</authored_by></metadata>"
        f'<criteria>{logic}</criteria><parameters><param id="p" ref-id="x" name="weight"><value>3</value></param>'
        "</parameters></OpenIOC>"
    )


def read(text: str | bytes) -> Read:
    return sorted_out(openioc.read(chunked(text.encode() if isinstance(text, str) else text), CONTEXT))


def pattern(logic: str) -> str:
    found = read(ioc10(logic))
    trees = found.of("indicator")
    return trees[0]["pattern"] if trees else ""


def test_a_document_becomes_an_indicator() -> None:
    found = read(ioc10(either(item("FileItem/Md5sum", MD5.upper()), item("Network/DNS", "C2.Borealia.example"))))
    tree = found.only("indicator")
    assert tree["id"] == f"indicator--{ID}"
    assert tree["pattern"] == f"[file:hashes.MD5 = '{MD5}'] OR [domain-name:value = 'c2.borealia.example']"
    assert (tree["name"], tree["labels"]) == ("LOADER (BACKDOOR)", ["apt", "loader"])
    assert (tree["created"][:10], tree["modified"][:10]) == ("2024-02-01", "2024-03-05")
    assert tree["external_references"] == [
        {"source_name": "report", "external_id": "a report", "url": "https://cert.arcadia.example/1"}
    ]
    assert found.rules() == [("sealed", "author")]


def test_version_1_1_is_read_too() -> None:
    found = read(ioc11(either(item("PortItem/remoteIP", "192.0.2.1", negate="true"))))
    assert found.only("indicator")["pattern"] == "[network-traffic:dst_ref.value != '192.0.2.1']"
    assert found.rules() == [("unmapped", "element"), ("sealed", "author")]


@pytest.mark.parametrize(
    ("logic", "wanted"),
    [
        (both(item("FileItem/FileName", "a.exe"), item("FileItem/SizeInBytes", "12")),
         "[file:name = 'a.exe' AND file:size = 12]"),
        (both(item("FileItem/FileName", "a.exe"), item("Network/DNS", "b.example")),
         "([file:name = 'a.exe'] AND [domain-name:value = 'b.example'])"),
        (both(item("FileItem/FileName", "a"), either(item("FileItem/Md5sum", MD5), item("FileItem/FileName", "b"))),
         f"[file:name = 'a' AND (file:hashes.MD5 = '{MD5}' OR file:name = 'b')]"),
        (both(item("FileItem/FileName", "a"), either(item("FileItem/Md5sum", MD5), item("Network/DNS", "b.example"))),
         f"([file:name = 'a'] AND ([file:hashes.MD5 = '{MD5}'] OR [domain-name:value = 'b.example']))"),
        (either(both(item("FileItem/FileName", "a")), either(item("FileItem/FileName", "b"))),
         "[file:name = 'a'] OR [file:name = 'b']"),
        (either(item("RegistryItem/Path", "HKLM\\Run")), "[windows-registry-key:key = 'HKLM\\\\Run']"),
        (either(item("FileItem/FullPath", "\\evil\\", "contains")), "[file:path LIKE '%\\\\evil\\\\%']"),
        (either(item("FileItem/FullPath", "it's", "starts-with")), "[file:path LIKE 'it\\'s%']"),
        (either(item("FileItem/FullPath", "x", "ends-with", negate="true")), "[file:path NOT LIKE '%x']"),
        (either(item("FileItem/FileName", "100%_", "contains")), "[file:name MATCHES '100%_']"),
        (either(item("FileItem/FileName", "a_.b", "ends-with")), "[file:name MATCHES 'a_\\\\.b$']"),
        (either(item("FileItem/FileName", "(a+)+$", "matches")), "[file:name MATCHES '(a+)+$']"),
        (either(item("FileItem/FileName", "a", "isnot")), "[file:name != 'a']"),
        (either(item("FileItem/FileName", "a", "containsnot")), "[file:name NOT LIKE '%a%']"),
        (either(item("FileItem/SizeInBytes", "12", "greater-than")), "[file:size > 12]"),
        (either(item("DnsEntryItem/RecordData/IPv4Address", "2001:db8::1")), "[ipv6-addr:value = '2001:db8::1']"),
    ],
)  # fmt: skip
def test_logic_and_conditions(logic: str, wanted: str) -> None:
    assert pattern(logic) == wanted


@pytest.mark.parametrize("term", sorted(openioc.TERMS))
def test_every_known_term_makes_a_pattern(term: str) -> None:
    value = {
        "md5": MD5, "sha1": MD5 + "01234567", "sha256": MD5 * 2, "integer": "80", "address": "192.0.2.1",
        "domain": "a.example", "url": "https://a.example/x", "email": "a@b.example", "text": "x",
    }[openioc.TERMS[term][1]]  # fmt: skip
    assert openioc.TERMS[term][0] in pattern(either(item(term, value)))


LOST = item("FileItem/PEInfo/Unknown", "x")


@pytest.mark.parametrize(
    ("logic", "wanted"),
    [
        (either(item("FileItem/FileName", "a"), LOST), "[file:name = 'a']"),
        (both(item("FileItem/FileName", "a"), LOST), ""),
        (either(item("FileItem/FileName", "b"), both(item("FileItem/FileName", "a"), LOST)), "[file:name = 'b']"),
        (both(item("FileItem/FileName", "a"), either(LOST)), ""),
        (both(item("FileItem/FileName", "a"), either(LOST, item("FileItem/FileName", "c"))),
         "[file:name = 'a' AND file:name = 'c']"),
        (both(item("FileItem/FileName", "a"), both(item("FileItem/FileName", "a"), LOST)), ""),
        (both(item("FileItem/FileName", "a"), "<Other/>"), ""),
        (both(item("FileItem/FileName", "a"), item("UserItem/Username", "ada")), ""),
    ],
)  # fmt: skip
def test_a_lost_term_never_makes_a_pattern_match_more(logic: str, wanted: str) -> None:
    assert pattern(logic) == wanted
    rules = read(ioc10(logic)).rules()
    assert {"term", "element", "personal"} & {rule for _, rule in rules}
    assert (("refused", "and-branch") in rules) is ("AND" in logic and "file:name = 'c'" not in wanted)


TREES = st.recursive(
    st.sampled_from("abcd?"),
    lambda inner: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=12,
)


def as_xml(tree: Any) -> str:
    if isinstance(tree, str):
        # Two kinds of object, so that both ways of joining are taken.
        return LOST if tree == "?" else item("FileItem/FileName" if tree in "ab" else "ProcessItem/name", tree)
    return (both if tree[0] == "AND" else either)(*map(as_xml, tree[1]))


def holds(tree: Any, seen: Iterable[str]) -> bool:
    """Whether OpenIOC's own logic holds where each of these is seen, and the unknown term never."""
    if isinstance(tree, str):
        return tree in seen
    return (all if tree[0] == "AND" else any)(holds(each, seen) for each in tree[1])


def matches(node: Any, seen: Iterable[str]) -> bool:
    """Whether a pattern matches an observation in which each value is seen; several of a kind at once are allowed."""
    match type(node).__name__:
        case "Comparison":
            return node.value.value in seen
        case "Joined":
            return (all if node.word == "AND" else any)(matches(part, seen) for part in node.parts)
        case _:
            return matches(node.test, seen)


@given(TREES)
def test_the_logic_is_the_same(tree: Any) -> None:
    text = pattern(either(as_xml(tree)))
    for size in range(5):
        for seen in itertools.combinations("abcd", size):
            assert holds(tree, seen) == (bool(text) and matches(parse_pattern(text).root, seen))


@pytest.mark.parametrize(
    ("search", "value", "condition"),
    [
        ("FileItem/Md5sum", "not a hash", "is"),
        ("FileItem/Md5sum", MD5[:8], "contains"),
        ("PortItem/remoteIP", "[192.0.2.1 TO 192.0.2.9]", "is"),
        ("PortItem/remotePort", "http", "is"),
        ("PortItem/remotePort", "80", "contains"),
        ("PortItem/remotePort", "9" * 400, "is"),
        ("FileItem/FileName", "", "is"),
        ("FileItem/FileName", "x" * 5_000, "is"),
        ("FileItem/FileName", "x", "resembles"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(search: str, value: str, condition: str) -> None:
    found = read(ioc10(either(item(search, value, condition))))
    assert not found.made
    assert ("refused", "value") in found.rules()


def test_case_is_told_once() -> None:
    found = read(ioc10(either(item("FileItem/FileName", "a"), item("FileItem/FileName", "b"))))
    assert found.rules().count(("changed", "case")) == 1
    exact = read(ioc11(either(item("FileItem/FileName", "a", preserve_case="true"))))
    assert ("changed", "case") not in exact.rules()


def test_a_long_or_is_cut_into_several_indicators_and_a_long_and_is_refused() -> None:
    items = [item("FileItem/FileName", f"{number:05}{'x' * 200}") for number in range(1_000)]
    found = read(ioc10(either(*items)))
    trees = found.of("indicator")
    assert len(trees) > 3
    assert trees[0]["id"] == f"indicator--{ID}"
    assert sum(tree["pattern"].count("file:name") for tree in trees) == 1_000
    refused = read(ioc10(either(both(*items), item("FileItem/FileName", "a"))))
    assert refused.only("indicator")["pattern"] == "[file:name = 'a']"
    assert ("refused", "too-large") in refused.rules()
    assert len(trees[0]["pattern"].encode()) <= PATTERN_BYTES_MAX


def test_logic_nested_deeper_than_a_pattern_may_be_is_refused() -> None:
    logic = item("FileItem/FileName", "a")
    for number in range(50):
        logic = (both if number % 2 else either)(item("ProcessItem/name", str(number)), logic)
    found = read(ioc10(logic))
    assert not found.made
    assert ("refused", "pattern") in found.rules()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("<x/>", "not-openioc"),
        ("<ioc/>", "not-openioc"),
        ("", "xml"),
        ('<!DOCTYPE ioc [<!ENTITY a "b">]><ioc xmlns="http://schemas.mandiant.com/2010/ioc">&a;</ioc>', "xml"),
        (ioc10(""), "no-pattern"),
        (ioc10('<Indicator operator="XOR"/>'), "operator"),
        (ioc10("<Indicator/>"), "operator"),
        ("<a>" * 100, "too-large"),
        (" " * 20_000_000, "too-large"),
    ],
)
def test_what_is_refused(text: str, rule: str) -> None:
    found = read(text)
    assert not found.made
    assert ("refused", rule) in found.rules()


def test_what_has_no_place_is_told() -> None:
    found = read(ioc10(either(item("Network/DNS", "a.example")), more="<extra>words</extra>"))
    assert ("unmapped", "element") in found.rules()


def test_without_a_date_it_is_dated_with_the_import() -> None:
    text = (
        ioc10(either(item("Network/DNS", "a.example"))).replace("2024-02-01T00:00:00", "x").replace("2024-03-05", "y")
    )
    found = read(text)
    assert found.made[0].timeless
    assert found.rules().count(("changed", "date")) == 2


@given(st.binary(max_size=300))
def test_any_bytes_give_indicators_or_losses(data: bytes) -> None:
    read(data)


GOOD = ioc10(
    either(item("FileItem/Md5sum", MD5), both(item("Network/DNS", "a.example"), item("FileItem/FileName", "x")))
)


@given(st.integers(0, len(GOOD)), st.integers(0, 60), st.text(max_size=8))
def test_changed_good_text_gives_indicators_or_losses(start: int, length: int, put: str) -> None:
    found = read((GOOD[:start] + put + GOOD[start + length :]).encode("utf-8", "surrogatepass"))
    assert found.made or found.losses
