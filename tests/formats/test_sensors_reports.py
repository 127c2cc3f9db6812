"""Reports that people read: a page that stands alone and a feed, whatever those who wrote the objects put into them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats import defang, observables
from comity.formats.sensors import atom, report
from comity.formats.sensors.account import Account, account
from comity.vocab import Tlp
from tests.formats.consumers import ABOUT
from tests.formats.test_sensors_documents import ATOM, MARKUP, Page
from tests.formats.test_sensors_lines import hostile_about

REPORT = {
    "type": "report",
    "id": "report--84e4d88f-44ea-4bcd-bbf3-b2c1c320bcb3",
    "name": "Quiet Harbour",
    "description": "They came by mail.\n\nThe page was http://login.evil.example/port.",
    "created": "2026-11-20T08:00:00Z",
    "modified": "2026-11-24T08:00:00Z",
    "external_references": [
        {"source_name": "CERT Borealia", "url": "https://cert.borealia.example/2026/17"},
        {"source_name": "bad", "url": "javascript:alert(1)"},
        {"source_name": "worse", "url": 'https://a.example/\u202e"><b>'},
    ],
}
NAMED: list[dict[str, Any]] = [
    {
        "type": "indicator",
        "id": "indicator--84e4d88f-44ea-4bcd-bbf3-b2c1c320bcb4",
        "name": "C2",
        "pattern": "[ipv4-addr:value = '198.51.100.7' OR domain-name:value = 'cdn.evil.example']",
        "pattern_type": "stix",
        "valid_until": "2027-02-01T00:00:00Z",
    },
    {
        "type": "attack-pattern",
        "name": "Spearphishing Attachment",
        "external_references": [{"source_name": "mitre-attack", "external_id": "T1566.001"}],
    },
    {"type": "intrusion-set", "name": "Quiet Harbour group"},
    {"type": "vulnerability", "name": "CVE-2026-12345", "description": "In a preview."},
    {"type": "note", "abstract": "From the SOC", "content": "تحقّق من القواعد."},
]


def told(tree: dict[str, Any] = REPORT, named: list[dict[str, Any]] = NAMED, label: Tlp = Tlp.AMBER_STRICT) -> Account:
    return account(tree, named, label=label, source="CSIRT", recorded=1_700_000_000)


def page(*accounts: Account, about: Any = ABOUT) -> bytes:
    return b"".join(report.page(accounts, about))


def test_a_report_says_what_it_has_to_say() -> None:
    one = told()
    assert [(each.kind, each.value) for each in one.values] == [
        ("ipv4", "198.51.100.7"),
        ("domain", "cdn.evil.example"),
    ]
    assert [(each.ident, each.name) for each in one.techniques] == [("T1566.001", "Spearphishing Attachment")]
    assert [each.ident for each in one.vulnerabilities] == ["CVE-2026-12345"]
    assert one.links == (("CERT Borealia", "https://cert.borealia.example/2026/17"),)  # nothing that is no web address
    text = page(one).decode()
    for said in ("Quiet Harbour", "They came by mail.", "198[.]51[.]100[.]7", "cdn[.]evil[.]example", "T1566.001"):
        assert said in text
    assert "hxxp://login[.]evil[.]example/port" in text
    assert "http://login" not in text


def test_the_label_is_at_the_head_and_foot_as_first_writes_it() -> None:
    data = page(told(), about=ABOUT._replace(tlp="AMBER+STRICT"))
    assert data.count(b">TLP:AMBER+STRICT</div>") == 2
    assert b'<thead><tr><td><div class="tlp amber">' in data
    assert b'<tfoot><tr><td><div class="tlp amber">' in data


@given(st.sampled_from([MARKUP, "\u202e</p><svg onload=x>", "a\r\n\n\x00b", "x" * 5_000]), hostile_about)
def test_nothing_of_a_report_is_markup(hostile: str, about: Any) -> None:
    tree = {**REPORT, "name": hostile, "description": hostile, "labels": [hostile], "id": hostile}
    named = [{**each, "name": hostile, "content": hostile, "description": hostile} for each in NAMED]
    found = Page(page(told(tree, named), told(tree, named), about=about))
    assert not found.tags.keys() & {"script", "img", "a", "svg", "iframe", "link", "object", "form", "base"}
    assert found.attributes <= {
        *("lang", "dir", "charset", "http-equiv", "content", "name", "class", "role", "scope"),
    }
    assert "default-src 'none'" in found.policy
    assert "script" not in found.policy
    root = ET.fromstring(b"".join(atom.of_accounts([told(tree, named)], about)))
    assert {each.tag.removeprefix(ATOM) for each in root.iter()} <= {
        *("feed", "id", "title", "updated", "author", "name", "link", "rights", "generator"),
        *("entry", "published", "content", "category"),
    }


@given(
    st.dictionaries(
        st.sampled_from(
            ["type", "id", "name", "description", "object_refs", "external_references", "labels", "pattern"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_any_tree_is_told(tree: dict[str, Any]) -> None:
    one = account(tree, [tree], label=Tlp.RED, source="", recorded=0)
    assert page(one).endswith(b"</html>\n")


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("ipv4", "198.51.100.7", "198[.]51[.]100[.]7"),
        ("domain", "cdn.evil.example", "cdn[.]evil[.]example"),
        ("url", "https://a.evil.example:8443/x.php?y=1.2", "hxxps://a[.]evil[.]example:8443/x.php?y=1.2"),
        ("email", "who.else@evil.example", "who.else[@]evil[.]example"),
        ("ipv6", "2001:db8::1", "2001:db8::1"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_what_is_shown_can_be_pasted_back(kind: str, value: str, shown: str) -> None:
    assert defang.defang(kind, value) == shown
    assert (kind, value) in [(found.kind, found.value) for found in observables.recognise(observables.refang(shown))]


def test_the_feed_is_atom(tmp_path: Path) -> None:
    one = told()
    root = ET.fromstring(b"".join(atom.of_accounts([one], ABOUT)))
    (entry,) = root.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "Quiet Harbour"
    assert entry.findtext(f"{ATOM}updated") == "2026-11-24T08:00:00Z"
    assert entry.findtext(f"{ATOM}rights") == "TLP:AMBER+STRICT"
    assert "198[.]51[.]100[.]7" in (entry.findtext(f"{ATOM}content") or "")
    for each in (*root.iter(f"{ATOM}feed"), entry):  # RFC 4287 §4.1.1, §4.1.2: what each has to have, once
        for name in ("id", "title", "updated"):
            assert len(each.findall(ATOM + name)) == 1


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_every_printed_page_bears_the_label(tmp_path: Path) -> None:
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    long = {**REPORT, "description": "\n\n".join(["A paragraph that goes on for some time. " * 8] * 60)}
    (tmp_path / "report.html").write_bytes(page(told(long), about=ABOUT._replace(tlp="AMBER+STRICT")))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    subprocess.run(
        [
            *command,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--print-to-pdf={tmp_path / 'report.pdf'}",
            (tmp_path / "report.html").as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    text = subprocess.run(
        [reader, "-layout", str(tmp_path / "report.pdf"), "-"], check=True, capture_output=True
    ).stdout
    pages = text.decode().split("\f")[:-1]
    assert len(pages) > 2
    # One more on the first page: the report's own label under the head of the page.
    assert [len(re.findall(r"TLP:AMBER\+STRICT", each)) for each in pages] == [3, *[2] * (len(pages) - 1)]
