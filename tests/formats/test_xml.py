"""XML: what is good is read with its namespaces, and nothing that XML can do to a reader is let happen."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed, TooLarge
from comity.formats import xml

GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment --><?target instruction?>
<a:root xmlns:a="urn:one" xmlns="urn:two" a:kind="x" kind=" y ">
 before <child n="1">Grüße &amp; &#x4e2d;</child> after <child n="2"><![CDATA[<raw> & more]]></child>
</a:root>"""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LAUGHTER = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in pairwise(LETTERS))
LAUGHS = f'<!DOCTYPE l [<!ENTITY a "ha">{LAUGHTER}]><l>&z;</l>'


def test_a_good_document_is_read_with_its_namespaces() -> None:
    root = xml.parse(GOOD.encode())
    assert (root.space, root.name, root.line) == ("urn:one", "root", 3)
    assert dict(root.attributes) == {"{urn:one}kind": "x", "kind": " y "}
    assert root.get("kind") == "y"
    assert [child.space for child in root.all("child")] == ["urn:two", "urn:two"]
    assert [child.text for child in root.children] == ["Grüße & 中", "<raw> & more"]
    assert root.text.split() == ["before", "after"]
    assert root.said("child") == "Grüße & 中"
    assert [element.name for element in root.walk()] == ["root", "child", "child"]


def test_a_tree_cannot_be_changed() -> None:
    root = xml.parse(GOOD.encode())
    with pytest.raises(TypeError):
        root.attributes["kind"] = "z"  # type: ignore[index]
    with pytest.raises(AttributeError):
        root.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("declared", "codec", "mark"),
    [
        ("utf-8", "utf-8", b""),
        ("utf-8", "utf-8", b"\xef\xbb\xbf"),
        ("utf-16", "utf-16-le", b"\xff\xfe"),
        ("UTF-16", "utf-16-be", b"\xfe\xff"),
        ("iso-8859-1", "latin-1", b""),
        ("Windows-1252", "cp1252", b""),
    ],
)
def test_encodings_that_are_read(declared: str, codec: str, mark: bytes) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?><a b="ü">é</a>'
    root = xml.parse(mark + text.encode(codec))
    assert (root.text, root.get("b")) == ("é", "ü")


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="rot13"?><n/>',
        b'<?xml version="1.0" encoding="us-ascii"?><a>\xe9</a>',
        b"<a>\xff</a>",
        b"<a>\xc0\xbc</a>",
        b"<a>\xed\xa0\x80</a>",
        "<a/>".encode("utf-16-le"),
        "<a/>".encode("utf-32"),
        b"\xff\xfe<",
        b"<a>\x00</a>",
        b"<a>&#0;</a>",
        b"<a>&#xd800;</a>",
        b"",
        b" ",
        b"plain",
        b"<a/><b/>",
        b"<a b='1' b='2'/>",
        b"<x:a/>",
        b"<a>&unknown;</a>",
        b"<a></b>",
        b"<a>",
    ],
)
def test_what_is_not_good_xml_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        xml.parse(data)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f"<!DOCTYPE b [<!ENTITY a '{'x' * 50_000}'>]><b>{'&a;' * 50_000}</b>",  # quadratic blow-up
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://cert.arcadia.example/a.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://cert.arcadia.example/p"> %p;]><a/>',
        '<!DOCTYPE a [<!ATTLIST a b CDATA "default">]><a/>',
        "<!DOCTYPE a><a/>",
    ],
)
def test_a_document_type_is_refused_whatever_it_holds(text: str) -> None:
    with pytest.raises(Malformed, match="document type"):
        xml.parse(text.encode())


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"<a>" * 100_000, "XML_DEPTH_MAX"),
        (b"<a>" + b"<b/>" * 300_000 + b"</a>", "XML_ELEMENTS_MAX"),
        (b"<a " + b" ".join(b'a%d=""' % number for number in range(1_000_000)) + b"/>", "XML_RUN_BYTES_MAX"),
        (b"<a " + b" ".join(b'a%d=""' % number for number in range(1_000)) + b"/>", "XML_ATTRIBUTES_MAX"),
        (b"<a>" + b"x" * 2 * xml.XML_RUN_BYTES_MAX + b"</a>", "XML_RUN_BYTES_MAX"),
        (b"<%b/>" % (b"a" * 2_000), "XML_NAME_CHARS_MAX"),
        (b"<a/>" + b" " * xml.XML_BYTES_MAX, "XML_BYTES_MAX"),
    ],
)
def test_limits_are_named(data: bytes, limit: str) -> None:
    with pytest.raises(TooLarge, match=limit):
        xml.parse(data)


def test_a_million_attributes_cost_no_memory_to_speak_of() -> None:
    data = b"<a " + b" ".join(b'a%d=""' % number for number in range(1_000_000)) + b"/>"
    tracemalloc.start()
    with pytest.raises(TooLarge):
        xml.parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data)


@pytest.mark.parametrize("cut", range(1, len(GOOD.encode()), 7))
def test_a_document_that_breaks_off_is_malformed(cut: int) -> None:
    with pytest.raises(Malformed):
        xml.parse(GOOD.encode()[:-cut])


@given(st.binary(max_size=400))
def test_any_bytes_give_a_tree_or_an_error_of_ours(data: bytes) -> None:
    try:
        xml.parse(data)
    except (Malformed, TooLarge):
        pass


@given(st.integers(0, len(GOOD.encode())), st.integers(0, 20), st.binary(max_size=12))
def test_changed_good_bytes_give_a_tree_or_an_error_of_ours(start: int, length: int, put: bytes) -> None:
    data = GOOD.encode()
    try:
        xml.parse(data[:start] + put + data[start + length :])
    except (Malformed, TooLarge):
        pass
