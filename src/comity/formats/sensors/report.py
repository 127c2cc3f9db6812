"""Reports as one page to read and to print: for those who decide, on paper too.

Rules: those of `page`: no script, no address to fetch, no link, a policy that forbids them, everything escaped, every
text isolated from the direction of what stands around it. The label is at the top and the foot of every printed
page, as strict as the strictest report; each report bears its own. Nobody can click on a web address.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from typing import Final

from comity.formats import defang
from comity.formats.lookalikes import told
from comity.formats.sensors.account import Account, Named
from comity.formats.sensors.item import About, chunks, moment, one_line
from comity.formats.sensors.page import banner

MEDIA_TYPE: Final = "text/html; charset=utf-8"
KINDS: Final = {
    "ipv4": "IPv4 address", "ipv6": "IPv6 address", "domain": "Domain", "url": "Web address", "email": "Mail address",
    "md5": "File, MD5", "sha1": "File, SHA-1", "sha256": "File, SHA-256", "sha512": "File, SHA-512",
    "asn": "Network (AS)", "mac": "MAC address", "file-name": "File name", "file-path": "File path",
    "registry-key": "Registry key", "mutex": "Mutex", "user-agent": "User agent", "certificate": "Certificate",
    "wallet": "Wallet",
}  # fmt: skip
_WHO: Final = {
    "threat-actor": "Threat actor", "intrusion-set": "Intrusion set", "campaign": "Campaign", "malware": "Malware",
    "tool": "Tool", "infrastructure": "Infrastructure",
}  # fmt: skip
CSS: Final = """
:root{color-scheme:light;--ink:#14181d;--dim:#5a636e;--line:#d5dae0;--wash:#f4f6f8;--mark:#1f4e79}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:17px/1.6 "Noto Serif","Source Serif 4",Georgia,serif}
.sheet{width:100%;border-collapse:collapse;table-layout:fixed}.sheet>*>tr>td{padding:0}
.tlp{background:#000;font:700 12pt/1.4 ui-monospace,"Noto Sans Mono",monospace;text-align:right;direction:ltr;
padding:.4em 1rem;print-color-adjust:exact;-webkit-print-color-adjust:exact}
/* TLP 2.0 §2 */
.red{color:#ff2b2b}.amber{color:#ffc000}.green{color:#33ff00}.clear{color:#fff}
main{max-width:50rem;margin:0 auto;padding:2.5rem 1.25rem 3rem}
h1,h2,h3,.meta,.toc,table.list,.chip,footer{font-family:system-ui,"Noto Sans",sans-serif}
h1{font-size:2rem;line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere;letter-spacing:-.01em}
h2{font-size:1.5rem;line-height:1.25;margin:.35rem 0 .4rem;overflow-wrap:anywhere}
h3{font-size:.85rem;text-transform:uppercase;letter-spacing:.06em;color:var(--mark);margin:1.8rem 0 .5rem;
break-after:avoid}
.meta{color:var(--dim);font-size:.85rem;margin:.1rem 0;overflow-wrap:anywhere}
.toc{margin:1.8rem 0 0;padding:1rem 1.25rem;background:var(--wash);border-inline-start:4px solid var(--mark);
font-size:.95rem;list-style-position:inside}.toc li{margin:.2rem 0;overflow-wrap:anywhere}
article{border-top:3px solid var(--ink);margin-top:2.8rem;padding-top:1rem}
.chip{display:inline-block;background:#000;font-weight:700;font-size:.72rem;padding:.15em .6em;direction:ltr;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
p{margin:.7rem 0;overflow-wrap:anywhere;white-space:pre-line}
table.list{width:100%;border-collapse:collapse;font-size:.85rem}
.list th{text-align:start;color:var(--dim);font-weight:600;border-bottom:1px solid var(--ink);padding:.3rem 0}
.list td{border-bottom:1px solid var(--line);padding:.35rem 0;padding-inline-end:.6rem;vertical-align:top;
overflow-wrap:anywhere}
.list tr{break-inside:avoid}.k{width:9.5rem;color:var(--dim)}.v{font-family:ui-monospace,"Noto Sans Mono",monospace}
.u{width:7rem;white-space:nowrap}
ul{margin:.4rem 0;padding-inline-start:1.2rem}li{margin:.3rem 0;overflow-wrap:anywhere}li p{margin:.1rem 0}
aside{border-inline-start:3px solid var(--line);padding-inline-start:1rem;margin:.8rem 0}
footer{color:var(--dim);font-size:.8rem;margin-top:3rem;border-top:1px solid var(--line);padding-top:.8rem}
@media (max-width:34rem){
body{font-size:16px}h1{font-size:1.55rem}h2{font-size:1.25rem}main{padding:1.5rem 1rem 2rem}
.list thead{display:none}.list,.list tbody,.list tr,.list td{display:block;width:auto}
.list tr{border-bottom:1px solid var(--line);padding:.45rem 0}.list td{border:0;padding:0}.v{font-weight:600}
.list td:empty{display:none}.u:not(:empty)::before{content:"Valid until "}
}
@media print{
@page{margin:12mm}
body{font-size:10.5pt}main{padding:1rem 0;max-width:none}article{break-before:page;border-top:0;margin-top:0}
article:only-of-type{break-before:auto;margin-top:1.5rem}h1{font-size:20pt}h2{font-size:15pt}
}
"""
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(CSS.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)


def page(accounts: Sequence[Account], about: About) -> Iterator[bytes]:
    """Write reports as one page, in the order they come, in English; texts stay in their own language and direction."""

    def lines() -> Iterator[str]:
        yield _start(about)
        if len(accounts) > 1:
            yield '<ol class="toc">' + "".join(f"<li>{_own(each.title)}</li>" for each in accounts) + "</ol>\n"
        if not accounts:
            yield "<p>There is no report for this audience.</p>\n"
        for each in accounts:
            yield from _article(each)
        yield (
            f"<footer>From <bdi>{_safe(about.node)}</bdi>, {moment(about.at)}. The label says who may have this "
            "(FIRST, Traffic Light Protocol 2.0). Values are written so that nobody opens them by mistake.</footer>\n"
            "</main></td></tr></tbody></table>\n</body>\n</html>\n"
        )

    return chunks(lines())


def _start(about: About) -> str:
    label, title = banner(about.tlp), _safe(about.title)
    return (
        '<!doctype html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>TLP:{_safe(about.tlp)} {title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<table class="sheet" role="presentation"><thead><tr><td>{label}</td></tr></thead>\n'
        f"<tfoot><tr><td>{label}</td></tr></tfoot>\n<tbody><tr><td><main>\n<h1><bdi>{title}</bdi></h1>\n"
        f'<p class="meta">{moment(about.at)[:10]}</p>\n'
    )


def _article(one: Account) -> Iterator[str]:
    colour = banner(one.label.value).partition("tlp ")[2].partition('"')[0]
    dates = f"Published {moment(one.published)[:10]}"
    dates += f", version of {moment(one.updated)[:10]}" if one.updated > one.published else ""
    source = f", from {_own(one.source)}" if one.source else ""
    yield (
        f'<article>\n<span class="chip {colour}">{one.label.label}</span>\n<h2>{_own(one.title)}</h2>\n'
        f'<p class="meta">{dates}{source}. <bdi dir=ltr>{_safe(one.ident)}</bdi></p>\n'
    )
    yield from _paragraphs(one.text)
    yield from _list("Who and what", one.who, _WHO)
    yield from _list("Vulnerabilities", one.vulnerabilities, {})
    yield from _list("Techniques (ATT&CK)", (each for each in one.techniques if not each.disarm), {})
    yield from _list("Behaviours (DISARM)", (each for each in one.techniques if each.disarm), {})
    yield from _values(one)
    if one.sealed:
        yield f'<p class="meta">{_safe(one.says_sealed())}</p>\n'
    if one.notes:
        yield "<h3>Notes</h3>\n"
        for note in one.notes:
            yield "<aside>" + "".join(_paragraphs(note)) + "</aside>\n"
    if one.links:
        yield "<h3>References</h3>\n<ul>"
        for what, address in one.links:
            yield f"<li>{_own(what)}: <bdi dir=ltr>{_safe(defang.text(address))}</bdi></li>"
        yield "</ul>\n"
    yield "</article>\n"


def _paragraphs(text: str) -> Iterator[str]:
    for part in defang.text(text).replace("\r\n", "\n").split("\n\n"):
        if part.strip():
            yield f'<p dir="auto">{_block(part.strip())}</p>\n'


def _list(heading: str, named: Iterable[Named], kinds: dict[str, str]) -> Iterator[str]:
    found = list(named)
    if not found:
        return
    yield f"<h3>{escape(heading)}</h3>\n<ul>"
    for each in found:
        kind = f"{kinds[each.kind]} " if each.kind in kinds else ""
        ident = f"{each.ident} " if each.ident and each.ident != each.name else ""
        text = f'<p dir="auto">{_block(defang.text(each.text))}</p>' if each.text else ""
        yield f"<li>{kind}{_safe(ident)}<strong>{_own(each.name)}</strong>{text}</li>"
    yield "</ul>\n"


def _values(one: Account) -> Iterator[str]:
    if not one.values:
        return
    heads = "".join(f"<th scope=col>{word}</th>" for word in ("Kind", "Value", "Name", "Valid until"))
    yield f'<h3>What to look for</h3>\n<table class="list"><thead><tr>{heads}</tr></thead><tbody>\n'
    for each in one.values:
        yield (
            f'<tr><td class="k">{_safe(KINDS.get(each.kind, each.kind))}</td>'
            f'<td class="v"><bdi dir=ltr>{_safe(each.shown)}</bdi></td>'
            f'<td>{_own(each.name) if each.name else ""}</td><td class="u">{_safe(each.until)}</td></tr>\n'
        )
    yield "</tbody></table>\n"
    if one.left:
        yield f"<p>{one.left} more values are not shown here.</p>\n"


def _own(text: str) -> str:
    """Return a text of one line in its own direction."""
    return f"<bdi>{_safe(text)}</bdi>"


def _safe(text: str) -> str:
    return escape(told(one_line(text)))


def _block(text: str) -> str:
    """Return a text of any lines, escaped, without characters that cannot be seen."""
    return escape(told("".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)))
