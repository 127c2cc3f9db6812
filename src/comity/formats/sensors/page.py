"""A readable report: one page that stands alone, for a screen or for paper, written from left or from right.

Rules: no script, no address to fetch, no link; the page's own policy forbids them too. Everything is escaped; each name
is isolated from the direction of what stands around it, each value stands from left to right. The label is at
the top and the foot of every printed page, in FIRST's colours, at the right, in 12 points or more (TLP 2.0).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from typing import Final, Literal, NamedTuple

from comity.formats.sensors.item import FORMS, About, Item, Skipped, chunks, moment, one_line, suited
from comity.vocab import Tlp


class Words(NamedTuple):
    """The page's own words in one language. Texts with braces are filled in."""

    language: str = "en"  # BCP 47
    direction: Literal["ltr", "rtl"] = "ltr"
    made: str = "Made"
    by: str = "by"
    edition: str = "Edition"
    kind: str = "Kind"
    value: str = "Value"
    name: str = "Name"
    confidence: str = "Confidence"
    until: str = "Valid until"
    label: str = "Label"
    source: str = "Source"
    written: str = "Values on this page: {}"
    left_out: str = "Left out, because they cannot be shown exactly: {}"


CSS: Final = """
:root{color-scheme:light;--line:#d0d4da;--dim:#51585f}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#16191d;font:16px/1.5 system-ui,"Noto Sans","Noto Sans Arabic",sans-serif}
.page{width:100%;border-collapse:collapse;table-layout:fixed}
.page>*>tr>td{padding:0}
.tlp{background:#000;font:700 12pt/1.4 ui-monospace,monospace;text-align:right;direction:ltr;padding:.4em 1rem;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
/* TLP 2.0 §2 */
.red{color:#ff2b2b}.amber{color:#ffc000}.green{color:#33ff00}.clear{color:#fff}
main{padding:1.5rem 1rem 2rem;max-width:80rem;margin:0 auto}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
p{margin:.25rem 0;color:var(--dim)}
.items{width:100%;border-collapse:collapse;margin:1.25rem 0}
.items th{text-align:start;font-size:.8rem;font-weight:600;color:var(--dim);border-bottom:2px solid #16191d;
padding:.4rem .6rem .4rem 0;vertical-align:bottom}
.items td{border-bottom:1px solid var(--line);padding:.4rem 0;padding-inline-end:.6rem;vertical-align:top;
text-align:start;overflow-wrap:anywhere}
.items th{padding-inline:0 .6rem}
.items tr{break-inside:avoid}
.v{font-family:ui-monospace,"Noto Sans Mono",monospace;font-size:.9em;min-width:15em}
.k,.n,.w{white-space:nowrap}
.l,.s{min-width:8em}.t{min-width:9em}
@media screen and (max-width:60rem){
.items thead{display:none}
.items,.items tbody,.items tr{display:block}
.items tr{border-bottom:1px solid var(--line);padding:.6rem 0}
.items td{display:block;border:0;padding:.05rem 0;white-space:normal}
.items td:empty{display:none}
.items td[data-w]::before{content:attr(data-w) ": ";color:var(--dim)}
.items td{min-width:0}.v{font-weight:600}
}
@media print{
@page{margin:10mm}
body{font-size:10pt}main{padding:.75rem 0;max-width:none}
.items{font-size:9pt}
}
"""
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(CSS.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
_CLASSES: Final = {Tlp.RED: "red", Tlp.GREEN: "green", Tlp.CLEAR: "clear"}


def banner(tlp: str) -> str:
    """Return the label as FIRST writes it; one that is not FIRST's is shown in the colour of RED."""
    known = Tlp(tlp) if tlp in set(Tlp) else None
    colour = "red" if known is None else _CLASSES.get(known, "amber")
    return f'<div class="tlp {colour}">TLP:{_escaped(tlp)}</div>'


def _escaped(text: str) -> str:
    return escape(one_line(text))


def _start(about: About, words: Words) -> str:
    label = banner(about.tlp)
    title = _escaped(about.title)
    heads = "".join(
        f"<th scope=col>{_escaped(word)}</th>"
        for word in (
            *(words.kind, words.value, words.name, words.confidence),
            *(words.until, words.label, words.source),
        )
    )
    return (
        f'<!doctype html>\n<html lang="{_escaped(words.language)}" dir="{_escaped(words.direction)}">\n<head>\n'
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>TLP:{_escaped(about.tlp)} {title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<table class="page" role="presentation"><thead><tr><td>{label}</td></tr></thead>\n'
        f"<tfoot><tr><td>{label}</td></tr></tfoot>\n<tbody><tr><td><main>\n<h1><bdi>{title}</bdi></h1>\n"
        f"<p>{_escaped(words.made)} <bdi dir=ltr>{moment(about.at)}</bdi> {_escaped(words.by)} "
        f"<bdi dir=ltr>{_escaped(about.node)}</bdi>. {_escaped(words.edition)} <bdi dir=ltr>{about.serial}</bdi>.</p>\n"
        f'<table class="items"><thead><tr>{heads}</tr></thead>\n<tbody>\n'
    )


def _row(item: Item, words: Words) -> str:
    sure = "" if item.confidence is None else str(item.confidence)
    cells = (
        ("k", words.kind, escape(item.kind)),
        ("v", "", f"<bdi dir=ltr>{escape(item.value)}</bdi>"),
        ("t", words.name, _isolated(item.name)),
        ("n", words.confidence, sure),
        ("w", words.until, f"<bdi dir=ltr>{moment(item.until)[:10]}</bdi>" if item.until is not None else ""),
        ("l", words.label, f"<bdi dir=ltr>{_escaped(item.tlp)}</bdi> {_isolated(item.marking)}".strip()),
        ("s", words.source, _isolated(item.source)),
    )
    return "<tr>" + "".join(_cell(*cell) for cell in cells) + "</tr>\n"


def _isolated(text: str) -> str:
    return f"<bdi>{_escaped(text)}</bdi>" if text else ""


def _cell(class_: str, word: str, content: str) -> str:
    said = f' data-w="{_escaped(word)}"' if word and content else ""
    return f'<td class="{class_}"{said}>{content}</td>'


def page(items: Iterable[Item], about: About, skipped: Skipped, words: Words | None = None) -> Iterator[bytes]:
    """Write the report of these items in the order they come, in English where no words are given."""
    said = words or Words()

    def lines() -> Iterator[str]:
        before = skipped.total
        written = 0
        yield _start(about, said)
        for item in suited(items, FORMS, about, skipped):
            written += 1
            yield _row(item, said)
        yield f"</tbody></table>\n<p>{_filled(said.written, written)}</p>\n"
        if skipped.total > before:
            yield f"<p>{_filled(said.left_out, skipped.total - before)}</p>\n"
        yield "</main></td></tr></tbody></table>\n</body>\n</html>\n"

    return chunks(lines())


def _filled(sentence: str, count: int) -> str:
    return _escaped(sentence).replace("{}", f"<bdi dir=ltr>{count}</bdi>")
