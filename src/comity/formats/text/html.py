"""A page of HTML as the text that people see of it, and where its links lead.

Rules: nothing is rendered, run or fetched. Scripts, styles, templates, comments and hidden elements are not looked
at. Elements that begin a line of their own end the line before; others join what they stand between. Depth costs
nothing: no tree is built. A tag or comment that does not end within HTML_MARKUP_CHARS_MAX is read as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Final

from comity.formats.convert import Context, Loss, Made, Outcome, loss
from comity.formats.text.read import Findings, Source, headline
from comity.formats.text.scan import scan
from comity.limits import HTML_MARKUP_CHARS_MAX, OBSERVABLE_CHARS_MAX, TEXT_BYTES_MAX, TEXT_WINDOW_CHARS

_UNSEEN: Final = frozenset(("script", "style", "template", "title", "object", "iframe", "noembed", "noframes"))
_VOID: Final = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_INLINE: Final = frozenset(
    """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q rp rt ruby s samp small span
    strike strong sub sup time tt u var wbr
    """.split()
)
_HIDDEN: Final = re.compile(r"display\s*+:\s*+none|visibility\s*+:\s*+hidden", re.IGNORECASE)
_CODE: Final = ("javascript:", "vbscript:", "data:")  # addresses that lead nowhere but are run or unpacked
_BLANKS: Final = re.compile(r"[\x00-\x20]+")  # which browsers pass over in a scheme
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s{0,4}=\s{0,4}[\"']?([A-Za-z0-9_:-]{1,40})", re.IGNORECASE)
_ENCODINGS: Final = frozenset(
    """
    iso-8859-1 iso-8859-2 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 iso-8859-9 iso-8859-15 windows-1250 windows-1251
    windows-1252 windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 koi8-r koi8-u gb2312 gbk
    gb18030 big5 shift_jis euc-jp euc-kr
    """.split()
)
_FEED_CHARS: Final = 16_384  # characters given to the parser at once: what it cannot finish it looks at again
_END_TAG_CHARS: Final = 64  # characters in which the end of an element that is passed over may have begun
_TITLE_PARTS_MAX: Final = 64  # pieces that markup cuts a title into


def read_html(chunks: Iterable[bytes], context: Context, *, title: str = "") -> Iterator[Made | Loss]:
    """Read a page and yield a report, and an object for each value that is shown in it or that it links to.

    An indicator that only a link's target had bears the label `link-target`. The page's own title, or `title`,
    names the report. At most TEXT_BYTES_MAX bytes are read.
    """
    findings = Findings(context, title)
    source = Source(chunks, TEXT_BYTES_MAX, guess=_charset)
    page = _Page()
    yield from findings.all(scan(findings.named(_shown(source, page, findings))))
    for links in page.links:
        yield from findings.all(scan(links), "link-target", where="link")
    yield from source.losses()
    if page.unseen:
        reason = f"{page.unseen} scripts, styles, comments and hidden elements were not looked at"
        yield loss("page", Outcome.UNMAPPED, "not-shown", reason)
    if page.broken:
        reason = f"{page.broken} pieces of markup that could not be read were read as text"
        yield loss("page", Outcome.CHANGED, "markup", reason)
    if page.inside:
        reason = f"an element {page.inside} that is not shown does not end: nothing behind it was looked at"
        yield loss("page", Outcome.REFUSED, "unclosed", reason)
    yield from findings.reports()


def shown(markup: str) -> str:
    """Return the text that a page of a bounded size shows."""
    page = _Page()
    for start in range(0, len(markup), _FEED_CHARS):
        page.read(markup[start : start + _FEED_CHARS])
    page.end()
    return page.taken()


def _charset(head: bytes) -> str:
    found = _CHARSET.search(head)
    name = found[1].decode("ascii").lower() if found else ""
    return name if name in _ENCODINGS else ""


def _shown(source: Source, page: _Page, findings: Findings) -> Iterator[str]:
    """Yield the text that a page shows, in parts."""
    for text in source.decoded():
        for start in range(0, len(text), _FEED_CHARS):
            page.read(text[start : start + _FEED_CHARS])
            if page.size >= TEXT_WINDOW_CHARS:
                findings.title = findings.title or headline(page.title())
                yield page.taken()
    page.end()
    findings.title = findings.title or headline(page.title())
    yield page.taken()


class _Page(HTMLParser):
    """Gathers what is shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.unseen = self.broken = self.size = 0
        self._text: list[str] = []
        self._title: list[str] = []
        self.inside = ""  # the element whose content is not shown
        self._depth = 0  # elements of that name open inside it
        self._kept = 0  # open elements in which spaces count

    def read(self, text: str) -> None:
        """Take some more of the page."""
        try:
            self.feed(text)
        except AssertionError:  # the parser's own, for declarations that it does not know
            self._as_text()
        if len(self.rawdata) > HTML_MARKUP_CHARS_MAX:
            if self.inside and self.cdata_elem:  # the parser holds a whole script until its end
                self.rawdata = self.rawdata[-_END_TAG_CHARS:]
            else:
                self._as_text()

    def end(self) -> None:
        """Take what is left."""
        try:
            self.close()
        except AssertionError:
            self._as_text()

    def _as_text(self) -> None:
        self.broken += 1
        rest, self.rawdata = self.rawdata, ""
        self.handle_data(rest)

    def taken(self) -> str:
        """Return what was gathered since the last time."""
        text = "".join(self._text)
        self._text.clear()
        self.size = 0
        return text

    def title(self) -> str:
        """Return the page's title as far as it is read."""
        return " ".join("".join(self._title).split())[:1_024]

    def _add(self, text: str) -> None:
        self._text.append(text)
        self.size += len(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what opens."""
        if self.inside:
            self._depth += tag == self.inside
            return
        known = dict(attrs)
        if tag not in _VOID and (tag in _UNSEEN or "hidden" in known or _HIDDEN.search(known.get("style") or "")):
            self.inside, self._depth = tag, 1
            self.unseen += tag != "title"
            return
        if tag not in _INLINE:
            self._add("\t" if tag in {"td", "th"} else "\n")
        self._kept += tag == "pre"
        target = known.get("href")
        if target and _BLANKS.sub("", target[:64]).lower().startswith(_CODE):
            self.unseen += 1
        elif target and ":" in target[:16] and len(target) <= OBSERVABLE_CHARS_MAX:
            self.links.append(target.replace("\n", "").replace("\r", "") + "\n")

    def handle_endtag(self, tag: str) -> None:
        """Note what closes."""
        if self.inside:
            self._depth -= tag == self.inside
            if not self._depth:
                self.inside = ""
            return
        if tag not in _INLINE:
            self._add("\t" if tag in {"td", "th"} else "\n")
        self._kept = max(self._kept - (tag == "pre"), 0)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what opens and closes at once: only void elements do; on others HTML ignores the slash."""
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self.inside:
            self._add(data if self._kept else _SPACES.sub(" ", data))
        elif self.inside == "title" and len(self._title) < _TITLE_PARTS_MAX:
            self._title.append(data[:OBSERVABLE_CHARS_MAX])

    def handle_comment(self, data: str) -> None:
        """Count a comment."""
        self.unseen += 1

    def parse_html_declaration(self, i: int) -> int:
        """Pass over `<![…>`, which the parser behind this one may raise for."""
        if self.rawdata.startswith("<![", i):
            end = self.rawdata.find(">", i)
            self.unseen += end >= 0
            return end + 1 if end >= 0 else -1
        return super().parse_html_declaration(i)
