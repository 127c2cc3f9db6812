"""What people read: reports, feeds and layers hold what they were given, and nothing in it is markup."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.sensors import atom
from comity.formats.sensors.item import Item, Skipped
from comity.formats.sensors.navigator import Technique, layer
from comity.formats.sensors.page import Words, banner, page
from comity.vocab import Tlp
from tests.formats.consumers import ABOUT, AT, item, run, tool, written
from tests.formats.test_sensors_lines import hostile_about, items, text

ATOM = "{http://www.w3.org/2005/Atom}"
MARKUP = "</td><script>alert(1)</script><img src=x onerror=y> \"'& ]]> <!-- \u202e\0"
ARABIC = Words(
    language="ar",
    direction="rtl",
    made="أُعدّ في",
    by="من",
    edition="الإصدار",
    kind="النوع",
    value="القيمة",
    name="الاسم",
    confidence="الثقة",
    until="صالح حتى",
    label="التصنيف",
    source="المصدر",
    written="القيم في هذه الصفحة: {}",
    left_out="استُبعدت لأنها لا تُعرض كما هي: {}",
)
VOID = {"meta"}


class Page(HTMLParser):
    """A page's tags, all balanced, its attributes, and the text of each cell with a value."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.banners: list[str] = []
        self.policy = self.style = ""
        self.collected: list[str] | None = None
        self.feed(data.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        found = dict(attrs)
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag not in VOID:
            self.open.append(tag)
        if found.get("class") == "v":
            self.values.append("")
        if (found.get("class") or "").startswith("tlp"):
            self.banners.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-2:] == ["td", "bdi"] and self.values and self._in_value:
            self.values[-1] += data
        elif self.open[-1:] == ["div"]:
            self.banners[-1] += data
        elif self.open[-1:] == ["style"]:
            self.style += data

    @property
    def _in_value(self) -> bool:
        return (self.get_starttag_text() or "") == "<bdi dir=ltr>" and self.values[-1] == ""


TAGS = set("html head meta title style body table thead tfoot tbody tr td th main h1 p bdi div".split())
ATTRIBUTES = set("lang dir charset http-equiv content name class role scope data-w".split())


@given(given_items=st.lists(items, max_size=8), about=hostile_about, word=text)
def test_a_report_has_only_its_own_markup(given_items: list[Item], about: object, word: str) -> None:
    skipped = Skipped()
    words = Words(name=word, written=word)
    made = b"".join(page(given_items, about, skipped, words))  # type: ignore[arg-type]
    found = Page(made)
    assert set(found.tags) <= TAGS
    assert found.attributes <= ATTRIBUTES
    rows = found.tags["tr"] - 4
    assert rows == len(found.values) == len(given_items) - skipped.total
    assert Counter(found.values) <= Counter(one.value for one in given_items)
    assert found.banners == [f"TLP:{ABOUT.tlp}"] * 2


def test_the_policy_of_a_report_allows_its_own_style_and_nothing_else() -> None:
    found = Page(written("html", [item("ipv4", "192.0.2.7", name=MARKUP)]))
    digest = b64encode(sha256(found.style.encode()).digest()).decode()
    assert found.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"url\(|@import|expression", found.style)


@pytest.mark.parametrize(
    ("tlp", "colour"), [*zip(Tlp, ("clear", "green", "amber", "amber", "red"), strict=True), ("?", "red")]
)
def test_the_label_is_as_first_writes_it(tlp: str, colour: str) -> None:
    assert banner(tlp) == f'<div class="tlp {colour}">TLP:{tlp}</div>'


def test_a_report_says_how_many_it_shows_and_how_many_not() -> None:
    made = written("html", [item("ipv4", "192.0.2.7"), item("ipv4", "x"), item("text", "a\nb")]).decode()
    assert "Values on this page: <bdi dir=ltr>1</bdi>" in made
    assert "cannot be shown exactly: <bdi dir=ltr>2</bdi>" in made


def sample() -> list[Item]:
    """Return what a report looks like: names in two directions, long values, labels of every strictness."""
    return [
        item("ipv4", "192.0.2.7", name="Command server of the loader", until=None),
        item("domain", "login.bank-portal.example", name="بوابة تصيّد تنتحل صفة مصرف", tlp="AMBER+STRICT"),
        item("url", f"https://shop.example/{'very-long-path/' * 9}gate.php?id=1&x=2", name=MARKUP, confidence=None),
        item("sha256", "c0ffee" * 10 + "abcd", name="Loader, second stage", tlp="AMBER", marking="© Arcadia, لا يُنشر"),
        item("ipv6", "2001:db8:5::/48", name="", source="مركز بورياليا"),
        item("user-agent", "Mozilla/4.0 (compatible; <b>x</b>)", name="Agent with markup in it"),
        item("text", "left\nout"),
    ] + [item("domain", f"host{number}.bad.example", name=f"Host {number}") for number in range(60)]


@pytest.mark.parametrize("words", [Words(), ARABIC], ids=["ltr", "rtl"])
@pytest.mark.parametrize("width", [1280, 390])
def test_chromium_shows_a_report_without_running_over_its_edge(words: Words, width: int, tmp_path: Path) -> None:
    """The browser's own measure: nothing is wider than the window, and no script of the page's content ran."""
    chromium = tool("chromium")
    made = b"".join(page(sample(), ABOUT, Skipped(), words))
    # A frame of the wanted width, because a headless window is never narrower than 500 pixels.
    (tmp_path / "report.html").write_bytes(made)
    (tmp_path / "frame.html").write_text(
        f'<!doctype html><body><iframe id=f src="report.html" style="width:{width}px;height:2000px;border:0"></iframe>'
        "<script>onload=()=>{const d=document.getElementById('f').contentDocument;const r=d.documentElement;"
        "document.title=[r.clientWidth,r.scrollWidth,r.dir,d.querySelectorAll('.items tbody tr').length,"
        "d.querySelectorAll('script').length,getComputedStyle(d.querySelector('.tlp')).color].join(' ')}</script>"
    )
    answer = run(
        *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1300,2000",
            "--hide-scrollbars",
        ),
        *("--dump-dom", (tmp_path / "frame.html").as_uri()),
    )
    title = re.search("<title>(.*)</title>", answer.stdout)
    assert title, answer.stderr[-2_000:]
    assert title[1] == f"{width} {width} {words.direction} 66 0 rgb(255, 192, 0)"


# Atom


def feed_of(data: bytes) -> ET.Element:
    root = ET.fromstring(data)
    assert root.tag == f"{ATOM}feed"
    for parent in (root, *root.findall(f"{ATOM}entry")):  # RFC 4287 §4.1.1, §4.1.2
        for name in ("id", "title", "updated"):
            (only,) = parent.findall(f"{ATOM}{name}")
            assert only.text
            assert name != "updated" or re.fullmatch(r"-?\d{1,5}-\d\d-\d\dT\d\d:\d\d:\d\dZ", only.text)
            assert name != "id" or only.text.startswith("urn:uuid:")
        assert parent.findtext(f"{ATOM}author/{ATOM}name")
    return root


@given(given_items=st.lists(items, max_size=8), about=hostile_about)
def test_a_feed_has_an_entry_for_each_value_and_no_markup_of_theirs(given_items: list[Item], about: object) -> None:
    skipped = Skipped()
    root = feed_of(written("atom", given_items, about, skipped))  # type: ignore[arg-type]
    contents = [entry.findtext(f"{ATOM}content") for entry in root.findall(f"{ATOM}entry")]
    assert Counter(contents) <= Counter(one.value for one in given_items)
    assert len(contents) + skipped.total == len(given_items)
    known = {"id", "title", "updated", "published", "author", "name", "content", "rights", "category", "link"}
    assert {node.tag.removeprefix(ATOM) for node in root.iter()} <= known | {"feed", "entry", "generator"}


def test_entries_of_one_object_have_ids_of_their_own_that_stay() -> None:
    first = feed_of(written("atom", [item("ipv4", "192.0.2.7"), item("domain", "bad.example")]))
    again = feed_of(written("atom", [item("domain", "bad.example", name="other", modified=AT)]))
    one, two = (node.text for node in first.findall(f"{ATOM}entry/{ATOM}id"))
    assert one != two == again.findtext(f"{ATOM}entry/{ATOM}id")


@given(st.lists(st.builds(atom.Entry, text, text, st.just(AT), st.just(AT), text, text, text, st.tuples(text), text)))
def test_a_feed_of_reports_holds_any_text(entries: list[atom.Entry]) -> None:
    root = feed_of(b"".join(atom.feed(entries, ABOUT)))
    assert len(root.findall(f"{ATOM}entry")) == len(entries)


def test_libxml_takes_a_feed(tmp_path: Path) -> None:
    (tmp_path / "feed.atom").write_bytes(written("atom", [item("url", "http://a.example/?a&b<c>", name=MARKUP)]))
    answer = run(tool("xmllint"), "--noout", "--nonet", tmp_path / "feed.atom")
    assert answer.returncode == 0 and not answer.stderr


# ATT&CK Navigator, layer format 4.5

REQUIRED = {"name": str, "domain": str, "versions": dict}
LAYER = {
    "description": str,
    "sorting": int,
    "layout": dict,
    "hideDisabled": bool,
    "techniques": list,
    "gradient": dict,
    "metadata": list,
}
TECHNIQUE = {"techniqueID": str, "score": int, "comment": str, "enabled": bool}


@given(
    st.lists(
        st.builds(Technique, st.one_of(text, st.from_regex(r"\AT[0-9]{4}(\.[0-9]{3})?\Z")), st.integers(0, 9), text)
    )
)
def test_a_layer_has_the_documented_properties(techniques: list[Technique]) -> None:
    skipped = Skipped()
    tree = json.loads(b"".join(layer(techniques, ABOUT, skipped)))
    assert all(isinstance(tree[name], type_) for name, type_ in REQUIRED.items())
    assert all(isinstance(value, (REQUIRED | LAYER)[name]) for name, value in tree.items())
    assert tree["versions"] == {"navigator": "4.9.0", "layer": "4.5"}
    assert tree["domain"] in {"enterprise-attack", "mobile-attack", "ics-attack"}
    for technique in tree["techniques"]:
        assert {name: type(value) for name, value in technique.items()} == TECHNIQUE
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", technique["techniqueID"])
    gradient = tree["gradient"]
    assert len(gradient["colors"]) >= 2 and gradient["maxValue"] > gradient["minValue"]
    assert all(set(entry) == {"name", "value"} for entry in tree["metadata"])
    assert sum(technique["score"] for technique in tree["techniques"]) == sum(
        technique.times for technique in techniques if re.fullmatch(r"T[0-9]{4}(\.[0-9]{3})?", technique.ident)
    )
    assert skipped.total == sum(
        not re.fullmatch(r"T[0-9]{4}(\.[0-9]{3})?", technique.ident) for technique in techniques
    )
