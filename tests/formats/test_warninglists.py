"""Warning lists: every way of matching beside a plain one, hostile lists, and the published lists where installed."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.formats.convert import Outcome
from comity.formats.observables import KINDS, Observable, normal, recognise
from comity.formats.warninglists import Builder, Category, Matching, Warnings, build, checking, needles, reading
from comity.formats.warninglists.needles import LENGTHS_MAX, Needles
from comity.formats.warninglists.packed import Packed
from comity.formats.warninglists.prefixes import Prefixes
from comity.limits import WARNING_LIST_BYTES_MAX, WARNING_LISTS_MAX, WARNING_PATTERNS_MAX
from comity.node import reference

NAMES = ["domain", "hostname", "url"]


def listed(
    type_: str, entries: list[Any], *, name: str = "a list", for_: list[str] | None = None, indent: int | None = 2,
    **more: Any,
) -> bytes:  # fmt: skip
    """Return a warning list as a file holds it."""
    tree = {"name": name, "type": type_, "version": 7, "description": "d", "list": entries, **more}
    if for_ is not None:
        tree["matching_attributes"] = for_
    return json.dumps(tree, indent=indent).encode()


def warn(*lists: bytes) -> Warnings:
    return build((f"file-{number}", data) for number, data in enumerate(lists))


def on(lists: Warnings, kind: str, text: str) -> list[tuple[str, str]]:
    """Return (list, entry) of the warnings for a value as a person writes it."""
    observable = normal(kind, text)
    assert observable is not None, text
    return [(found.name, found.entry) for found in lists.check(observable)]


def rules(lists: Warnings) -> set[str]:
    return {lost.rule for lost in lists.losses.shown}


# -- each way of matching ------------------------------------------------------


def test_a_warning_names_list_version_entry_and_reason() -> None:
    lists = warn(listed("hostname", ["Example.COM."], name="Top names", for_=NAMES))
    (found,) = lists.check(Observable("domain", "www.example.com"))
    assert found == ("Top names", "7", Category.FALSE_POSITIVE, "example.com", "is this name, or a name under it")
    assert found.says() == "Top names (version 7): is this name, or a name under it, example.com"


@pytest.mark.parametrize(
    ("kind", "text", "entry"),
    [
        ("domain", "listed.example", "listed.example"),
        ("domain", "a.b.listed.example", "listed.example"),
        ("domain", "unlisted.example", ""),
        ("domain", "listed.example.org", ""),
        ("domain", "x.bücher.example", "xn--bcher-kva.example"),
        ("url", "https://user@www.listed.example:8443/path?q=1", "listed.example"),
        ("url", "http://other.example/listed.example", ""),
        ("url", "http://other.example/?http://listed.example/", ""),
        ("url", "http://a@b@listed.example/", "listed.example"),
        ("url", "http://listed.example@other.example/", ""),
        ("url", "http://192.0.2.1/x", "192.0.2.1"),
        ("url", "http://192.0.2.10/x", ""),
        ("url", "http://[2001:db8::1]/x", "2001:db8::1"),
        ("domain", "printer.local", "local"),
    ],
)  # fmt: skip
def test_hostname_lists_hold_names_and_what_is_under_them(kind: str, text: str, entry: str) -> None:
    entries = [".listed.example", "Bücher.example", "192.0.2.1", "2.1", "2001:DB8:0::1", "local"]
    assert on(warn(listed("hostname", entries, for_=NAMES)), kind, text) == ([("a list", entry)] if entry else [])


@pytest.mark.parametrize(
    ("kind", "text", "held"),
    [
        ("domain", "listed.example", True),
        ("domain", "www.listed.example", False),
        ("url", "http://listed.example/", True),
        ("url", "HTTP://LISTED.example:80", True),
        ("url", "http://listed.example/x", False),
        ("md5", "D41D8CD98F00B204E9800998ECF8427E", True),
        ("certificate", "d41d8cd98f00b204e9800998ecf8427e", True),
        ("asn", "AS64496", True),
        ("mac", "00-00-5E-00-53-01", True),
        ("cve", "cve-2026-0001", True),
    ],
)
def test_string_lists_hold_the_very_value_however_it_is_spelt(kind: str, text: str, held: bool) -> None:
    entries = [
        "Listed.example", "http://LISTED.example", "d41d8cd98f00b204e9800998ecf8427e", "as64496", "00005e005301",
        "00:00:5e:00:53:01", "CVE-2026-0001",
    ]  # fmt: skip
    assert bool(on(warn(listed("string", entries)), kind, text)) is held


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("192.0.2.77", "192.0.2.64/26"),
        ("192.0.2.1", "192.0.2.0/24"),
        ("192.0.2.64/27", "192.0.2.64/26"),
        ("192.0.2.64/26", "192.0.2.64/26"),
        ("192.0.2.0/25", "192.0.2.0/24"),
        ("192.0.0.0/16", ""),
        ("198.51.100.7", "198.51.100.7/32"),
        ("198.51.100.8", ""),
        ("2001:db8::1", "2001:db8::/32"),
        ("2001:db8:1:0::9", "2001:db8:1::/48"),
        ("2001:db9::", ""),
    ],
)
def test_networks_are_told_by_the_narrowest_that_holds_all(text: str, entry: str) -> None:
    entries = ["192.0.2.0/24", "192.0.2.64/26", "198.51.100.7", "2001:db8::/32", "2001:db8:1::/48"]
    lists = warn(listed("cidr", entries, for_=["ip-src"]))
    assert on(lists, "ipv6" if ":" in text else "ipv4", text) == ([("a list", entry)] if entry else [])


def test_a_list_speaks_only_of_the_kinds_that_it_names() -> None:
    lists = warn(
        listed("hostname", ["listed.example"], name="names", for_=["domain|ip"]),
        listed("hostname", ["listed.example"], name="any"),
        listed("string", ["listed.example"], name="files", for_=["filename|md5"]),
    )
    assert on(lists, "domain", "listed.example") == [("names", "listed.example"), ("any", "listed.example")]
    assert on(lists, "url", "http://listed.example/") == [("any", "listed.example")]
    assert [name for name, _ in on(lists, "file-name", "listed.example")] == ["any", "files"]


def test_a_list_for_what_has_no_kind_here_is_kept_and_said_to_be_idle() -> None:
    lists = warn(listed("regex", ["/0{9}/"], name="phones", for_=["phone-number"]))
    assert [one.name for one in lists.lists] == ["phones"] and rules(lists) == {"list-attributes"}
    assert all(not lists.check(Observable(kind, "000000000")) for kind in KINDS)


@pytest.mark.parametrize(
    ("entry", "text", "held"),
    [
        (r"/^(security|abuse)\@.*\..*$/i", "ABUSE@listed.example", True),
        (r"/^(security|abuse)\@.*\..*$/i", "xabuse@listed.example", False),
        (r"#^/tmp#", "/tmp/x", True),
        (r"listed\.", "x.listed.example", True),
        (r"/LISTED/", "listed", False),
        (r"(a+)+$", "a" * 4_000 + "!", False),  # a backtracking engine would not come back
        (r"(a|a)*b", "a" * 4_000, False),
        (r"(x+x+)+y", "x" * 4_000, False),
    ],
)
def test_expressions_are_searched_for_in_linear_time(entry: str, text: str, held: bool) -> None:
    lists = warn(listed("regex", [entry]))
    assert not lists.losses.shown
    assert bool(lists.check(Observable("text", text))) is held


@pytest.mark.parametrize("entry", ["(", "/a/e", r"(?=a)b", r"(a)\1", "a{1000}{1000}{1000}", "(" * 9_999, "/[/"])
def test_an_expression_that_cannot_be_taken_is_a_loss(entry: str) -> None:
    lists = warn(listed("regex", [entry[:900], "good"]))
    assert [lost.rule for lost in lists.losses.shown] == ["entry-regex"]
    assert lists.check(Observable("text", "a good one"))


def test_a_needle_is_told_by_the_longest_and_first() -> None:
    lists = warn(listed("substring", ["exam", "example", "ABLE", ".e"]), listed("substring", [".e"], name="short"))
    assert on(lists, "text", "able.example.example") == [("a list", "example"), ("short", ".e")]
    assert on(lists, "text", "a table") == [("a list", "able")]


# -- beside a plain way --------------------------------------------------------

LABEL = st.sampled_from(["a", "b", "ab", "a-b", "x1"])
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join).map(lambda text: f"{text}.example")
HOSTILE_NAME = NAME | st.text("ab.", min_size=1, max_size=8)
V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: str(ipaddress.ip_network((pair[0] & 0xF000000F, pair[1]), strict=False))
)
V6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
    lambda pair: str(ipaddress.ip_network((pair[0] & (0xF << 124 | 0xF), pair[1]), strict=False))
)


NAMED = st.tuples(st.sampled_from(["hostname", "string"]), st.lists(HOSTILE_NAME, max_size=12))


@given(st.lists(NAMED, max_size=5), NAME, st.sampled_from(["", "http://", "http://u@"]))
def test_lists_of_names_say_what_a_plain_comparison_says(
    lists: list[tuple[str, list[str]]], name: str, before: str
) -> None:
    made = warn(*(listed(type_, entries, name=f"{n}", for_=NAMES) for n, (type_, entries) in enumerate(lists)))
    expected = []
    for number, (type_, entries) in enumerate(lists):
        clean = [entry.strip(".") for entry in entries if entry.strip(".")]
        held = [entry for entry in clean if name == entry or name.endswith(f".{entry}")]
        if type_ == "string":
            held = [entry for entry in entries if entry == name and not before]
        if held:
            expected.append((f"{number}", max(held, key=len)))
    assert on(made, "url" if before else "domain", f"{before}{name}{'/x' if before else ''}") == expected


VALUE = st.one_of(
    NAME, NAME.map(str.upper), NAME.map("http://{}".format), NAME.map("HTTP://{}:80/A".format),
    st.text("ab:", max_size=9), st.integers(0, 40).map("AS{}".format),
    st.binary(min_size=16, max_size=16).map(bytes.hex), V4, V6,
)  # fmt: skip


@given(
    st.lists(VALUE, max_size=12),
    st.lists(VALUE, min_size=1, max_size=4),
    st.sampled_from([(KINDS, None), (("domain", "url"), NAMES), (("md5", "file-name", "file-path"), ["filename|md5"])]),
)
def test_string_lists_say_what_a_plain_comparison_says(
    entries: list[str], texts: list[str], for_: tuple[tuple[str, ...], list[str] | None]
) -> None:
    kinds, attributes = for_
    made = warn(listed("string", entries, for_=attributes))
    forms = {form for entry in entries for kind in kinds if (form := normal(kind, entry))}
    equal = {entry for entry in entries if entry} | {form.value for form in forms}
    for observable in (each for text in [*texts, *entries] for each in recognise(text)):
        assert bool(made.check(observable)) is (observable.kind in kinds and observable.value in equal)


@given(st.lists(st.lists(V4 | V6, max_size=20), max_size=3), st.lists(V4 | V6, min_size=1, max_size=6))
@example([["0.0.0.0/0", "0.0.0.0/32", "255.255.255.255"]], ["255.255.255.255/32", "0.0.0.0/0"])
@example([["::/0", "::/128"]], ["::/0", "ffff::"])
def test_networks_say_what_a_plain_comparison_says(lists: list[list[str]], texts: list[str]) -> None:
    made = warn(*(listed("cidr", entries, name=f"{n}") for n, entries in enumerate(lists)))
    for text in texts:
        asked: Any = ipaddress.ip_network(text)
        expected = []
        for number, entries in enumerate(lists):
            nets: list[Any] = [
                net for entry in entries if (net := ipaddress.ip_network(entry)).version == asked.version
            ]
            around = [net for net in nets if asked.subnet_of(net)]
            if around:
                expected.append((f"{number}", str(max(around, key=lambda net: net.prefixlen))))
        assert on(made, f"ipv{asked.version}", text) == expected


WORD = st.text("abAB.", min_size=1, max_size=7)


@pytest.mark.parametrize("few", [0, needles._FEW])
@given(lists=st.lists(st.lists(WORD, max_size=20), max_size=3), text=st.text("abAB.c", min_size=1, max_size=30))
def test_substring_lists_say_what_a_plain_search_says(few: int, lists: list[list[str]], text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needles, "_FEW", few)  # up to so many needles are looked for one by one
        made = warn(*(listed("substring", entries, name=f"{n}") for n, entries in enumerate(lists)))
        told = [(found.name, found.entry) for found in made.check(Observable("text", text))]
    expected = []
    for number, entries in enumerate(lists):
        held = [entry.lower() for entry in entries if entry.lower() in text.lower()]
        if held:
            expected.append((f"{number}", min(held, key=lambda each: (-len(each), text.lower().find(each)))))
    assert told == expected


@given(
    st.lists(
        st.sampled_from(["a+b", "^ab", "b$", "[ab]{2}", "a|bb", "/AB/i", "(a+)+$", "a.b"]), max_size=4, unique=True
    ),
    st.text("ab", max_size=12),
)
def test_regex_lists_say_what_another_engine_says(entries: list[str], text: str) -> None:
    made = warn(listed("regex", entries))
    plain = [re.search(entry.strip("/i"), text, re.IGNORECASE if "/i" in entry else 0) for entry in entries]
    assert bool(made.check(Observable("text", text))) is any(plain)


@given(st.lists(st.tuples(st.integers(0, 5), st.text(max_size=5)), max_size=60), st.text(max_size=5))
def test_what_is_packed_is_found_and_nothing_else(pairs: list[tuple[int, str]], other: str) -> None:
    packed = Packed()
    for number, text in pairs:
        packed.add(number, [text])
    packed.close()
    for text in [other, *(text for _, text in pairs)]:
        assert set(packed.find(text)) == {number for number, each in pairs if each == text}


def test_prefixes_of_both_families_keep_their_parents() -> None:
    prefixes = Prefixes(32)
    for number, length in enumerate(range(33)):
        prefixes.add(number, 0, length)
    prefixes.close()
    assert [own for _, own in prefixes.find(0, 32)] == list(range(32, -1, -1))
    assert [own for _, own in prefixes.find(2**31, 32)] == [0]


# -- what is no list, and hostile ones -----------------------------------------


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "list-form"),
        (b"[]", "list-form"),
        (b'{"name":"x","type":"string","version":1}', "list-form"),
        (b'{"name":"x","type":"string","version":1,"list":{}}', "list-form"),
        (b'{"name":" ","type":"string","version":1,"list":[]}', "list-form"),
        (b'{"name":"x","type":"glob","version":1,"list":[]}', "list-type"),
        (b'{"name":"x","type":"string","version":1,"list":[' + b"[" * 100_000, "list-form"),
        (
            b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"name":"x","type":"string","version":1,"list":[]}',
            "list-form",
        ),
    ],
)
def test_what_is_no_list_is_a_loss_and_stops_no_other(data: bytes, rule: str) -> None:
    made = warn(data, listed("string", ["x"], name="good"))
    assert [lost.rule for lost in made.losses.shown] == [rule]
    assert made.losses.shown[0].outcome is Outcome.REFUSED
    assert [one.name for one in made.lists] == ["good"]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_entries_that_are_none_are_named_by_their_place(indent: int | None) -> None:
    entries = ["192.0.2.1", 5, None, "", "x" * 2_000, "not a network", "198.51.100.0/24"]
    made = warn(listed("cidr", entries, indent=indent))
    assert [(lost.where, lost.rule) for lost in made.losses.shown] == [
        *((f"file-0[{place}]", "entry-form") for place in (1, 2, 3, 4)), ("file-0", "entry-cidr"),
    ]  # fmt: skip
    assert on(made, "ipv4", "192.0.2.1") and on(made, "ipv4", "198.51.100.9")


def test_nested_entries_stop_neither_reading_nor_what_came_before() -> None:
    filler = [f"host{number}.example" for number in range(8_000)]
    made = warn(listed("string", [*filler, [filler, filler], "last.example"]), listed("string", ["x"], name="good"))
    assert rules(made) == {"list-entries"}
    assert on(made, "domain", "host0.example") and not on(made, "domain", "last.example")
    assert on(made, "text", "x") == [("good", "x")]
    compact = warn(listed("string", [*filler, [filler], "last.example"], indent=None))
    assert [lost.where for lost in compact.losses.shown] == ["file-0[8000]"]
    assert on(compact, "domain", "last.example")


def test_a_list_in_many_windows_is_whole() -> None:
    names = [f"host{number}.example" for number in range(30_000)]
    for indent in (None, 1):
        data = listed("string", [*names, 'quote",\\n.example'], indent=indent)
        read = reading.read_head(data, "")
        assert isinstance(read, tuple) and isinstance(read[1], memoryview)
        found = [entry for window in reading.windows(read[1], "") for entry in window]
        assert found == [*names, 'quote",\\n.example']


def test_of_two_lists_with_one_name_the_first_stands() -> None:
    made = warn(listed("string", ["a.example"]), listed("string", ["b.example"]))
    assert on(made, "domain", "a.example") and not on(made, "domain", "b.example")
    assert rules(made) == {"list-twice"}


def test_numbers_of_lists_and_sizes_are_limited() -> None:
    builder = Builder()
    for number in range(WARNING_LISTS_MAX + 2):
        builder.add(listed("string", ["x"], name=f"{number}"), f"{number}")
    builder.add(b" " * (WARNING_LIST_BYTES_MAX + 1), "large")
    made = builder.done()
    assert len(made.lists) == WARNING_LISTS_MAX
    assert [lost.rule for lost in made.losses.shown] == ["list-count", "list-count", "list-size"]
    assert len(made.check(Observable("text", "x"))) == WARNING_LISTS_MAX
    patterns = warn(listed("regex", [f"a{number}" for number in range(WARNING_PATTERNS_MAX + 3)]))
    assert patterns.losses.counts[Outcome.REFUSED, "entry-count"] == 3


def test_numbers_of_networks_and_needles_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "WARNING_NETWORKS_MAX", 2)
    monkeypatch.setattr(checking, "WARNING_NEEDLES_MAX", 2)
    monkeypatch.setattr(checking, "WARNING_ENTRIES_MAX", 12)
    made = warn(
        listed("cidr", ["192.0.2.0/24", "::/0", "198.51.100.0/24"], name="nets"),
        listed("substring", ["needle one", "needle two", "needle three"], name="needles"),
        listed("string", ["x"] * 7, name="too many"),
        listed("string", ["y"] * 6, name="just right"),
    )
    assert [(lost.where, lost.rule) for lost in made.losses.shown] == [
        ("file-0", "entry-count"),
        ("file-1", "entry-count"),
        ("file-2", "list-entries"),
    ]
    assert on(made, "text", "a needle one") and not on(made, "text", "a needle three") and on(made, "text", "y")


def test_needles_that_differ_only_in_length_are_bounded() -> None:
    made = warn(listed("substring", ["a" * length for length in range(5, 1_000)]))
    assert made.losses.counts[Outcome.REFUSED, "entry-substring"] == 1_000 - 5 - LENGTHS_MAX
    assert on(made, "text", "a" * 4_096) == [("a list", "a" * (LENGTHS_MAX + 4))]


def test_a_category_that_is_not_known_is_read_as_the_louder_one_and_said() -> None:
    made = warn(
        listed("string", ["x"], name="1", category="odd"),
        listed("string", ["x"], name="2", category="known"),
        listed("string", ["x"], name="3"),
    )
    assert [one.category for one in made.lists] == [Category.FALSE_POSITIVE, Category.KNOWN, Category.FALSE_POSITIVE]
    assert rules(made) == {"list-category"}


def test_words_of_a_list_cannot_break_a_line() -> None:
    made = warn(listed("string", ["x"], name="a\nb\u202ec\x1b[0m" + "n" * 500))
    (found,) = made.check(Observable("text", "x"))
    assert found.says().isprintable() and len(found.name) <= reading.NAME_CHARS_MAX


def test_only_what_is_wanted_is_taken() -> None:
    known = listed("string", ["x"], name="k", category="known")
    made = build([("a", known), ("b", listed("string", ["x"]))], lambda one: one.category is Category.FALSE_POSITIVE)
    assert [one.name for one in made.lists] == ["a list"] and not made.losses.shown


GOOD = listed("cidr", ["192.0.2.0/24", "2001:db8::/32"], for_=["ip-src"], category="known")


@given(st.binary(max_size=300) | st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=4)).map(
    lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + len(cut[1]) :]
))  # fmt: skip
@example(b'{"name":"x","type":"string","version":1,"list":["\xff"]}')
@example(b'{"name":"x","type":"string","version":1,"list":["\\ud800"]}')
@example(b'{"name":"x","type":"string","version":1e400,"list":[1e400]}')
def test_any_bytes_are_a_list_or_a_loss(data: bytes) -> None:
    made = warn(data)
    assert made.lists or made.losses.shown
    made.check_many([Observable("ipv4", "192.0.2.1"), Observable("text", "x"), Observable("ipv6", "::")])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@given(
    st.sampled_from([*Matching]), st.lists(JSON, max_size=12), JSON, JSON, JSON,
    st.lists(st.sampled_from(KINDS), min_size=1), st.text(max_size=40),
)  # fmt: skip
def test_any_entries_and_any_values_are_answered(
    matching: Matching, entries: list[Any], version: Any, category: Any, attributes: Any, kinds: list[str], text: str
) -> None:
    data = listed(matching.value, entries, version=version, category=category, matching_attributes=attributes)
    made = warn(data, listed(matching.value, ["a", "192.0.2.0/24"], name="good"))
    for kind in kinds:
        for found in made.check(Observable(kind, text)):
            assert found.says()
    assert len(made.check_many([Observable(kind, text) for kind in kinds])) == len(kinds)


def test_no_needles_find_nothing() -> None:
    assert Needles().find("anything") == {}


# -- the published lists -------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> Warnings:
    folder = reference.installed("pymispwarninglists", "data", "misp-warninglists", "lists")
    if folder is None:
        pytest.skip("the package pymispwarninglists is not installed: its lists are only read by this test")
    return build((path.parent.name, path.read_bytes()) for path in sorted(Path(folder).glob("*/list.json")))


def test_every_published_list_is_taken_whole(published: Warnings) -> None:
    assert len(published.lists) > 100 and published.entries > 1_000_000
    assert rules(published) <= {"list-attributes"}


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("ipv4", "192.0.2.7", "List of RFC 5735 CIDR blocks"),
        ("ipv6", "2001:db8::7", "List of RFC 3849 CIDR blocks"),
        ("email", "abuse@listed.example", "Common contact e-mail addresses"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", "List of known hashes for empty files"),
    ],
)
def test_published_lists_say_what_they_are_for(published: Warnings, kind: str, value: str, name: str) -> None:
    assert name in {found.name for found in published.check(Observable(kind, value))}


def test_a_name_that_nobody_listed_is_on_no_published_list(published: Warnings) -> None:
    assert published.check(Observable("domain", "host.comity-unlisted.example")) == ()
