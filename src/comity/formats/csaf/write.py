"""A STIX report as a CSAF 2.0 document, with what it names: for people and programs that read advisories.

Rules: a document says what its objects say and no more. Values are defanged in its notes: an advisory is read by
people. It is of the category `csaf_base`, for what a product is affected by is its vendor's to say. The label is the
strictest of all that stands in it; CSAF 2.0 knows no AMBER+STRICT, which is written as RED with the full label as its
text: who reads the label alone gives it to nobody whom its author kept out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from comity.canon import Instant
from comity.errors import Malformed
from comity.formats import defang
from comity.formats.stix import observe
from comity.vocab import Tlp

NOTE_VALUES_MAX: Final = 5_000  # values told in one document: a longer list is a list, not an advisory
_LABELS: Final = {Tlp.CLEAR: "WHITE", Tlp.AMBER_STRICT: "RED"}  # CSAF 2.0 §3.2.1.5.2
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}\Z")
_CATEGORIES: Final = frozenset({"coordinator", "discoverer", "other", "translator", "user", "vendor"})
_UNSAFE: Final = re.compile(r"[^+\-a-z0-9]+")

Tree = Mapping[str, Any]


class Publisher(NamedTuple):
    """Who publishes (CSAF 2.0 §3.2.1.8)."""

    name: str
    namespace: str  # a URL that the party holds
    category: str = "coordinator"
    contact: str = ""


class Report(NamedTuple):
    """What becomes one document."""

    tree: Tree  # the STIX report or grouping
    about: tuple[Tree, ...]  # the objects that it names and that may go
    tlp: Tlp  # the strictest label of all of them
    revisions: tuple[Instant, ...]  # when each version of the report was made, ascending, at least one


def document(report: Report, publisher: Publisher, made: Instant, url: str) -> dict[str, Any]:
    """Return the document of a report; `url` is its own address, if it may say it; `made` when it is generated."""
    tree = report.tree
    title = _line(tree.get("name")) or "Report"
    distribution: dict[str, Any] = {"tlp": {"label": label(report.tlp), "url": "https://www.first.org/tlp/"}}
    if report.tlp is Tlp.AMBER_STRICT:
        distribution["text"] = report.tlp.label
    history = [
        {"date": moment(when), "number": str(number), "summary": "Initial version." if number == 1 else "Updated."}
        for number, when in enumerate(report.revisions, 1)
    ]
    ident = tracking_id(tree)
    found = {
        "document": {
            "category": "csaf_base",
            "csaf_version": "2.0",
            "distribution": distribution,
            "lang": "en",
            "notes": _notes(report),
            "publisher": published_by(publisher),
            "title": title,
            "tracking": {
                "current_release_date": history[-1]["date"],
                "generator": {"date": moment(made), "engine": {"name": "Comity"}},
                "id": ident,
                "initial_release_date": history[0]["date"],
                "revision_history": history,
                "status": "final",
                "version": history[-1]["number"],
            },
        }
    }
    references = [{"category": "self", "summary": "This document.", "url": url}] if url else []
    references += _references(tree)
    if references:
        found["document"]["references"] = references
    vulnerabilities = [one for tree in report.about if (one := _vulnerability(tree))]
    if vulnerabilities:
        found["vulnerabilities"] = vulnerabilities  # type: ignore[assignment]  # a list, as CSAF has it
    return found


def label(tlp: Tlp) -> str:
    """Return a label as CSAF 2.0 has it (§3.2.1.5.2): TLP of before 2022."""
    return _LABELS.get(tlp, tlp.value)


def tracking_id(tree: Tree) -> str:
    """Return the tracking id of a report: the same for every version of it."""
    return f"COMITY-{str(tree['id']).partition('--')[2]}"


def file_name(ident: str) -> str:
    """Return the name of a document's file (CSAF 2.0 §5.1)."""
    return f"{_UNSAFE.sub('_', ident.lower())}.json"


def published_by(publisher: Publisher) -> dict[str, Any]:
    """Return a publisher as documents and metadata name it."""
    found = {
        "category": publisher.category if publisher.category in _CATEGORIES else "other",
        "name": publisher.name,
        "namespace": publisher.namespace,
    }
    return found | ({"contact_details": publisher.contact} if publisher.contact else {})


def _notes(report: Report) -> list[dict[str, str]]:
    tree = report.tree
    summary = str(tree.get("description") or "").strip() or _line(tree.get("name")) or "A report without a description."
    notes = [{"category": "summary", "text": summary, "title": "Summary"}]
    for one in report.about:
        if one.get("type") == "note" and str(one.get("content") or "").strip():
            title = _line(one.get("abstract")) or "Note"
            notes.append({"category": "details", "text": str(one["content"]).strip(), "title": title})
    others = [one for one in report.about if _line(one.get("name")) and not _is_value(one)]
    named = [f"{one['type']}: {_line(one['name'])}" for one in others]
    if named:
        notes.append({"category": "details", "text": "\n".join(named), "title": "What the report is about"})
    values = _values(report.about)
    if values:
        told = values[:NOTE_VALUES_MAX]
        left = [f"… and {len(values) - len(told)} more"] if len(values) > len(told) else []
        notes.append({"category": "details", "text": "\n".join([*told, *left]), "title": "Indicators, defanged"})
    return notes


def _is_value(tree: Tree) -> bool:
    return tree.get("type") in {"indicator", "vulnerability", "note"}


def _values(about: Sequence[Tree]) -> list[str]:
    found: dict[str, None] = {}
    for tree in about:
        try:
            seen, _ = observe.of_object(dict(tree))
        except Malformed:
            continue
        found |= {f"{one.kind} {defang.defang(one.kind, one.value)}": None for one in seen}
    return list(found)


def _vulnerability(tree: Tree) -> dict[str, Any]:
    name = _line(tree.get("name"))
    if tree.get("type") != "vulnerability" or not name:
        return {}
    found: dict[str, Any] = {"cve": name} if _CVE.match(name) else {"title": name}
    text = str(tree.get("description") or "").strip()
    return found | ({"notes": [{"category": "description", "text": text}]} if text else {})


def _references(tree: Tree) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    given = tree.get("external_references")
    for one in given if isinstance(given, list) else ():
        url = one.get("url") if isinstance(one, dict) else None
        if isinstance(url, str) and url.startswith(("https://", "http://")) and url.isprintable():
            summary = _line(one.get("source_name")) or "Reference"
            found.setdefault(url, {"category": "external", "summary": summary, "url": url})
    return list(found.values())


def _line(text: object) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""


def moment(at: Instant) -> str:
    """Return a moment as CSAF writes it (RFC 3339)."""
    # Not by `strftime`, which writes the year 1 as `1`.
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
