"""Every format that can be read, by name, and which one an input is in.

Rules: `recognise` looks at the first bytes and the name, and answers for any input: what is nothing else is plain text.
A parser is loaded when it is first asked for: all of them take longer to load than most inputs take to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from comity.errors import Misuse
from comity.formats import opaque
from comity.formats.convert import Attached, Loss, Made, Reader
from comity.formats.tables.guess import guess
from comity.limits import PDF_BYTES_MAX

STIX: Final = "stix"  # 2.1, read by `stix.split`: its objects are the producer's own bytes
TABLE_CONFIDENCE: Final = 80  # of a guess, from which on an input is a table and no running text
BLANK_COLUMNS_MAX: Final = 3  # columns with blanks between them, e.g. of a hosts file
TABLES: Final = frozenset({"table", "json"})  # readers that go by a mapping
TITLED: Final = frozenset({"text", "html", "pdf"})  # readers that call what they make by the file's name
HEAD_BYTES: Final = 65_536  # bytes that `recognise` looks at: a feed's licence may stand before its first line

Read = Callable[..., Iterator[Made | Loss | Attached]]
"""A `convert.Reader`, some of which take more than an input and a context."""


class Form(NamedTuple):
    """One format."""

    what: str  # in a few words
    suffixes: tuple[str, ...]  # of files that a directory is searched for
    family: Callable[[], Mapping[str, Read]] | None  # loads it and its like, by name; None for STIX 2.1


def _opaque() -> Mapping[str, Read]:
    return {"opaque": opaque.read}


def _misp() -> Mapping[str, Read]:
    from comity.formats.misp.read import read

    return {"misp": read}


def _documents() -> Mapping[str, Read]:
    from comity.formats import csaf, iodef, openioc
    from comity.formats.stix import upgrade

    return {"stix20": upgrade.read, "csaf": csaf.read, "iodef": iodef.read, "openioc": openioc.read}


def _rules() -> Mapping[str, Read]:
    from comity.formats.rules import sigma, suricata, yara

    snort = partial(suricata.read, language="snort")
    return {"sigma": sigma.read, "yara": yara.read, "suricata": suricata.read, "snort": snort}


def _tables() -> Mapping[str, Read]:
    from comity.formats.tables.reading import read

    return dict.fromkeys(TABLES, read)


def _texts() -> Mapping[str, Read]:
    from comity.formats.mail import reading
    from comity.formats.text import html, pdf, read

    return {"mail": reading.read, "text": read.read, "html": html.read_html, "pdf": pdf.read_pdf}


FORMS: Final[Mapping[str, Form]] = {
    STIX: Form(
        "STIX 2.1: bundles, or objects one after another", (".json", ".stix", ".stix2", ".ndjson", ".jsonl"), None
    ),
    "stix20": Form("STIX 2.0, brought up to 2.1", (), _documents),
    "misp": Form("MISP events", (), _misp),
    "csaf": Form("CSAF 2.0 and 2.1 advisories", (), _documents),
    "iodef": Form("IODEF 1 and 2 incidents", (".xml", ".iodef"), _documents),
    "openioc": Form("OpenIOC 1.0 and 1.1", (".ioc",), _documents),
    "sigma": Form("Sigma rules", (".yml", ".yaml"), _rules),
    "yara": Form("YARA rules", (".yar", ".yara"), _rules),
    "suricata": Form("Suricata rules", (".rules",), _rules),
    "snort": Form("Snort rules", (), _rules),
    "table": Form("CSV and other tables, one value a row", (".csv", ".tsv"), _tables),
    "json": Form("JSON lines, or an array of records", (), _tables),
    "mail": Form("a mail message with its header", (".eml",), _texts),
    "text": Form("plain text, e.g. a report", (), _texts),
    "html": Form("a page of HTML", (".html", ".htm"), _texts),
    "pdf": Form("a document in PDF", (".pdf",), _texts),
    "opaque": Form("archives, office documents, programs, images: refused, for they are never opened", (), _opaque),
}
APART: Final[Mapping[str, int]] = {"pdf": PDF_BYTES_MAX}
"""Readers whose time or memory their input's size does not bound, and the bytes they take at most.

Whoever runs strangers' files through one does so in a process that can be ended.
"""
# What may stand before a word on its line is blanks: `\s` would go over every line end from each of them.
_YARA: Final = re.compile(rb"^[ \t]*+(?:(?:private|global)\s++){0,2}+rule\s++\w++[^\n]*+", re.MULTILINE)
_SURICATA: Final = re.compile(
    rb"^[ \t]*+#?[ \t]*+(?:alert|drop|reject|pass|log|rejectsrc|rejectdst|rejectboth)\s++\w[\w.-]*+\s++"
    rb"(?:\S++\s++){2}(?:->|<>|=>)\s",
    re.MULTILINE,
)
_SIGMA: Final = re.compile(rb"^(?:detection|logsource)\s*+:", re.MULTILINE)
_TAG: Final = re.compile(rb"<(?!\?|!--)(?:[\w.-]++:)?([\w.-]++|!doctype\s++\w++)", re.IGNORECASE)
_MISP: Final = re.compile(rb'"(?:Event|Attribute|Orgc)"\s*+:')
_CSAF: Final = re.compile(rb'"csaf_version"\s*+:')
_STIX20: Final = re.compile(rb'"spec_version"\s*+:\s*+"2\.0"')
_STIX21: Final = re.compile(
    rb'"(?:spec_version"\s*+:\s*+"2\.1"|id"\s*+:\s*+"[a-z0-9-]{3,50}--[0-9a-fA-F]{8}-)|"objects"\s*+:'
)
# Three header fields on end, one of them of those that every message has (RFC 5322 §3.6).
_MAIL: Final = re.compile(
    rb"(?:From [^\r\n]{1,200}\r?\n)?(?=(?:.{0,8000}\n)?(?i:from|date|message-id|received|return-path):)"
    rb"(?:[!-9;-~]{1,77}:[^\r\n]{0,2000}\r?\n(?:[ \t][^\r\n]{0,2000}\r?\n){0,20}){3}",
    re.DOTALL,
)
_JSON_STARTS: Final = (b"{", b"[")


def reader(name: str, title: str = "") -> Reader:
    """Return the reader of a format that is not STIX 2.1, for an input of that title. Raises `Misuse`."""
    form = FORMS.get(name)
    if form is None or form.family is None:
        raise Misuse(f"there is no reader for {name!r}", hint=f"one of {', '.join(FORMS)}")
    read = form.family()[name]
    return partial(read, title=title) if name in TITLED else read


def recognise(head: bytes, name: str) -> str:
    """Return the name of the format that an input with these first bytes and this file name is in."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"%PDF-"):
        return "pdf"
    if opaque.what(head):
        return "opaque"
    if start.startswith(_JSON_STARTS):
        return _of_json(head)
    if start.startswith(b"<"):
        return _of_markup(head)
    if name.lower().endswith(".eml") or _MAIL.match(start):
        return "mail"
    for form, pattern in (("sigma", _SIGMA), ("yara", _YARA), ("suricata", _SURICATA)):
        if pattern.search(head):
            return form
    return "table" if name.lower().endswith((".csv", ".tsv")) or _is_a_table(head, name) else "text"


def _of_json(head: bytes) -> str:
    by_content: tuple[tuple[str, re.Pattern[bytes]], ...] = (
        ("csaf", _CSAF),
        ("stix20", _STIX20),
        ("misp", _MISP),
        (STIX, _STIX21),
    )
    for form, pattern in by_content:
        if pattern.search(head):
            return form
    return "json" if b":" in head else STIX


def _of_markup(head: bytes) -> str:
    for found in _TAG.finditer(head):
        tag = found[1].lower()
        if tag == b"iodef-document":
            return "iodef"
        if tag in {b"ioc", b"openioc"}:
            return "openioc"
        if tag.startswith(b"!doctype") and tag.split()[1] != b"html":
            continue  # of XML: its reader refuses it by name
        if tag.startswith((b"html", b"!doctype", b"head", b"body", b"div", b"p", b"table")):
            return "html"
    return "html"


def _is_a_table(head: bytes, name: str) -> bool:
    found = guess(head, name)
    # Blanks stand between words too: a line of many is a sentence.
    is_prose = found.mapping.delimiter == " " and len(found.mapping.columns) > BLANK_COLUMNS_MAX
    return found.confidence >= TABLE_CONFIDENCE and not is_prose
