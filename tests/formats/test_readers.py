"""Which format an input is in: by its content first, and an answer for any bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.errors import Misuse
from comity.formats import readers
from comity.formats.convert import Context
from tests.tree import ROOT

DATA = ROOT.parent / "shared/data"


@pytest.mark.parametrize(
    ("head", "name", "form"),
    [
        (b'{"type":"bundle","id":"bundle--1","objects":[', "x.json", "stix"),
        (b'\xef\xbb\xbf {"type": "indicator", "spec_version": "2.1"}', "x", "stix"),
        (b'{"type":"bundle","spec_version": "2.0","objects":[', "x.json", "stix20"),
        (b'{"Event": {"info": "a wave", "Attribute": [', "x.json", "misp"),
        (b'{"response": [{"Event": {', "x", "misp"),
        (b'{"document":{"category":"csaf_vex","csaf_version": "2.0"', "x.json", "csaf"),
        (b'{"ioc":"198.51.100.7"}\n{"ioc":"evil.example"}\n', "x.jsonl", "json"),
        (b"%PDF-1.7\n", "x.txt", "pdf"),
        (b'<?xml version="1.0"?><IODEF-Document version="2.00">', "x.xml", "iodef"),
        (b'<?xml version="1.0"?>\n<ioc xmlns="http://schemas.mandiant.com/2010/ioc">', "x.ioc", "openioc"),
        (b"<!DOCTYPE html><html>", "x", "html"),
        (b"title: A rule\nlogsource:\n  product: windows\ndetection:\n", "x.yml", "sigma"),
        (b'import "pe"\nprivate rule Loader : tag {\n  strings:\n', "x.yar", "yara"),
        (b'# mine\nalert dns any any -> any any (msg:"x"; sid:1;)\n', "x", "suricata"),
        (b"198.51.100.1\n198.51.100.2\n203.0.113.9\n", "x.txt", "table"),
        (b"ip,first_seen,confidence\n198.51.100.1,2026-01-02,90\n198.51.100.2,2026-01-03,80\n", "x", "table"),
        (b"Dear colleagues,\nwe saw 198.51.100.7 contact evil[.]example on Monday, see below.\n", "mail.txt", "text"),
        (b"", "x", "text"),
    ],
)
def test_a_format_is_known_by_its_beginning(head: bytes, name: str, form: str) -> None:
    assert readers.recognise(head, name) == form


def test_published_events_are_known() -> None:
    files = sorted(DATA.glob("eset/**/*.json"))
    if not files:
        pytest.skip("no ../shared/data beside this checkout: published reports are not part of the project")
    assert {readers.recognise(path.read_bytes()[: readers.HEAD_BYTES], path.name) for path in files} == {"misp"}


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\n" * readers.HEAD_BYTES, "text"),
        (b"x" + b"\n" * (readers.HEAD_BYTES - 1), "text"),
        (b"\n" * 65_000 + b" \t#  alert dns any any -> any any (sid:1;)\n", "suricata"),
        (b"\n" * 65_000 + b" \t private global rule Loader {", "yara"),
        (b"private\n" * 8_192, "text"),
    ],
)
def test_a_head_of_line_ends_is_looked_at_once(head: bytes, form: str) -> None:
    assert readers.recognise(head, "x.txt") == form


@pytest.mark.parametrize("pattern", [readers._YARA, readers._SURICATA])
def test_blanks_before_a_word_do_not_reach_over_a_line_end(pattern: re.Pattern[bytes]) -> None:
    # A match that began on a line before would be tried from every one of them: quadratic in their number.
    rule = b"rule alert dns -> x" if pattern is readers._YARA else b"alert dns any any -> any any"
    found = pattern.search(b"\n\n\n" + rule)
    assert found is not None
    assert found.start() == 3


@given(st.binary(max_size=400), st.text(max_size=20))
@example(b"<" * 300, "x")
@example(b"rule " * 60, "x")
def test_any_bytes_are_in_some_format(head: bytes, name: str) -> None:
    assert readers.recognise(head, name) in readers.FORMS


@pytest.mark.parametrize("name", [name for name in readers.FORMS if name != readers.STIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"nothing to see here", b"{", b"<a", b"[" * 5_000])
def test_every_reader_takes_anything(name: str, data: bytes) -> None:
    made = list(readers.reader(name, "title")([data], Context("source", 1_790_000_000)))
    assert all(len(thing) in {3, 4} for thing in made)


@pytest.mark.parametrize("name", [readers.STIX, "nothing"])
def test_what_has_no_reader_is_said(name: str) -> None:
    with pytest.raises(Misuse):
        readers.reader(name)
