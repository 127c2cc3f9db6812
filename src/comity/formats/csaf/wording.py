"""The words of a CSAF document: what of it is text in a STIX object, and what is told as lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from comity.formats import fields
from comity.formats.convert import Loss, Outcome, loss
from comity.formats.csaf.shape import Action, Document, Note, Reference, Remediation, Vulnerability

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,6}")
_KIND: Final = re.compile("[^a-z0-9]+")
_SUMMARIES: Final = ("summary", "description", "general")  # which note is the description, the likeliest first
_KNOWN_CONTENT: Final = frozenset(
    {"cvss_v2", "cvss_v3", "cvss_v4", "epss", "qualitative_severity_rating", "ssvc_v1", "ssvc_v2"}
)


def dashed(text: str) -> str:
    """Return a name as STIX writes the kinds of relationships (STIX 2.1 §5.1): small letters, digits, dashes."""
    return _KIND.sub("-", text.lower()[:64]).strip("-") or "related-to"


def language(document: Document) -> str:
    """Return the document's language; empty where it names none that RFC 5646 knows."""
    return document.lang if _LANGUAGE.fullmatch(document.lang) else ""


def split_notes(notes: list[Note]) -> tuple[Note | None, list[Note]]:
    """Return the note that describes the whole, and the others in their order."""
    whole = [note for note in notes if not note.product_ids and not note.group_ids]
    first = next((note for kind in _SUMMARIES for note in whole if note.category == kind and note.text.strip()), None)
    return first, [note for note in notes if note is not first]


def other_notes(document: Document) -> Iterator[Note]:
    """Yield the notes of a document that are not its description, with its history and terms of distribution."""
    yield from split_notes(document.notes)[1]
    revisions = [f"{each.number}, {each.date}: {each.summary}" for each in document.tracking.revision_history]
    yield Note("revision history", "\n".join(revisions))
    if document.distribution is not None and document.distribution.text:
        yield Note("distribution", document.distribution.text)
    for action in document.involvement.actions if document.involvement else ():
        said = (f"{action.category}: {action.status}", action.date, action.summary)
        yield Note("involvement", "\n\n".join(part for part in said if part))


def severity(document: Document) -> str:
    """Return the aggregate severity as one line, or nothing."""
    given = document.aggregate_severity
    if given is None:
        return ""
    return f"Severity: {given.text} ({given.namespace})" if given.namespace else f"Severity: {given.text}"


def document_references(document: Document) -> Iterator[dict[str, str]]:
    """Yield the document itself, its aliases, and what it refers to."""
    tracking = document.tracking
    canonical = _canonical(document.references)
    version = f"version {tracking.version}, {tracking.status}"
    yield fields.reference(document.publisher.name, tracking.id, canonical, version)
    yield from (fields.reference("alias", alias) for alias in tracking.aliases)
    for each in document.references:
        if each.url != canonical:
            yield fields.reference("csaf", url=each.url, description=each.summary)


def _concerns(action: Action) -> bool:
    lists = (action.acting_entity_refs, action.receiving_entity_refs, action.dl_vuln_ids, action.product_ids)
    return any((*lists, action.group_ids, action.referenced_action_ids))


def _canonical(references: list[Reference]) -> str:
    """Return where the document itself lies: CSAF 2.0 §7.1.2 asks for a JSON file by https."""
    own = [each.url for each in references if each.category == "self"]
    return next((url for url in own if url.startswith("https://") and url.endswith(".json")), own[0] if own else "")


def vulnerability_references(one: Vulnerability) -> Iterator[dict[str, str]]:
    """Yield what a vulnerability is called elsewhere, its weaknesses, and what it refers to."""
    if one.cve:
        yield fields.reference("cve", one.cve)
    if one.dl_vuln_id:
        yield fields.reference("csaf", one.dl_vuln_id)
    yield from (fields.reference(each.system_name, each.text) for each in one.ids)
    for weakness in [*([one.cwe] if one.cwe else []), *one.cwes]:
        name = f"{weakness.name} (CWE {weakness.version})" if weakness.version else weakness.name
        yield fields.reference("cwe", weakness.id, description=name)
    yield from (fields.reference("csaf", url=each.url, description=each.summary) for each in one.references)


def scores(one: Vulnerability, where: str, losses: list[Loss]) -> Iterator[str]:
    """Yield a line for each distinct score; of which products it is stands in no property, and is told."""
    contents: list[dict[str, Any]] = [{"cvss_v2": each.cvss_v2, "cvss_v3": each.cvss_v3} for each in one.scores]
    contents += [each.content for each in one.metrics]
    lines: dict[str, None] = {}
    for content in contents:
        for name in sorted(content.keys() - _KNOWN_CONTENT):
            losses.append(loss(where, Outcome.UNMAPPED, "score", f"{name!r} is no score of CSAF"))
        lines |= dict.fromkeys(line for name in sorted(_KNOWN_CONTENT) if (line := _score(name, content.get(name))))
    if len(lines) > 1:
        losses.append(loss(where, Outcome.CHANGED, "score-products", "which score is of which product is not kept"))
    if sources := sorted({each.source for each in one.metrics if each.source}):
        lines[f"Scored by: {', '.join(map(fields.line, sources[:8]))}"] = None
    yield "\n".join(lines)


def _score(name: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return f"Severity: {fields.line(value)}"
    if not isinstance(value, dict) or not value:
        return ""
    if name.startswith("cvss"):
        default = name.removeprefix("cvss_v") + ".0"
        words = [_plain(value.get(key)) for key in ("baseScore", "baseSeverity", "vectorString")]
        return fields.line(
            f"CVSS {_plain(value.get('version')) or default}: " + " ".join(word for word in words if word)
        )
    if name == "epss":
        return fields.line(f"EPSS: {_plain(value.get('probability'))}, {_plain(value.get('timestamp'))}")
    chosen = value.get("selections")
    return fields.line(f"SSVC: {chosen if isinstance(chosen, list) else ''}", 1_024)


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def dates(one: Vulnerability) -> Iterator[str]:
    """Yield the dates that a vulnerability has, each as a line."""
    known = {
        "Discovered": one.discovery_date,
        "Disclosed": one.disclosure_date,
        "Released": one.release_date,
        "First known exploitation": ", ".join(
            fields.line(each.exploitation_date or each.date, 64) for each in one.first_known_exploitation_dates[:16]
        ),
    }
    yield "\n".join(f"{name}: {fields.line(date)}" for name, date in known.items() if date)


def remedy(given: Remediation) -> str:
    """Return what to do as text."""
    parts = [given.details]
    if given.date:
        parts.append(f"Date: {given.date}")
    if given.restart_required is not None:
        parts.append(f"Restart: {given.restart_required.category} {given.restart_required.details}".strip())
    parts += [f"Entitlement: {each}" for each in given.entitlements]
    return "\n\n".join(parts)


def as_notes(one: Vulnerability) -> Iterator[tuple[str, Note]]:
    """Yield threats, flags and involvements as notes, each with its place."""
    for number, threat in enumerate(one.threats):
        text = f"{threat.details}\n\nDate: {threat.date}" if threat.date else threat.details
        made = Note(f"threat: {threat.category}", text, "", "", threat.group_ids, threat.product_ids)
        yield f"threats[{number}]", made
    for number, flag in enumerate(one.flags):
        text = f"{flag.label}, {flag.date}" if flag.date else flag.label
        yield f"flags[{number}]", Note("justification", text, "", "", flag.group_ids, flag.product_ids)
    for number, each in enumerate(one.involvements):
        text = "\n\n".join(part for part in (f"{each.party}: {each.status}", each.date, each.summary) if part)
        yield f"involvements[{number}]", Note("involvement", text, "", "", each.group_ids, each.product_ids)


def sealed_of(one: Vulnerability) -> Iterator[tuple[str, str]]:
    """Yield what of a vulnerability concerns persons."""
    if one.acknowledgments:
        yield "acknowledgments", "who is thanked may be a person: only the original has it"
    if any(each.contact for each in one.involvements):
        yield "contact", "how an involved party is reached: only the original has it"


def sealed_document(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what of a document concerns persons."""
    if document.acknowledgments:
        yield "acknowledgments", "who is thanked may be a person: only the original has it"
    if document.involvement is not None and document.involvement.entities:
        yield "entities", "who was involved may be a person: only the original has it"
    if document.publisher.contact_details or document.publisher.contact:
        yield "contact", "how the publisher is reached: only the original has it"


def unmapped_document(document: Document) -> Iterator[tuple[str, str]]:
    """Yield what of a document has no place in STIX."""
    if document.publisher.issuing_authority:
        yield "issuing-authority", fields.line(document.publisher.issuing_authority)
    if document.tracking.generator is not None:
        yield "generator", "the program that wrote the document"
    if document.source_lang:
        yield "source-language", fields.line(document.source_lang)
    if document.license_expression:
        yield "licence", fields.line(document.license_expression)
    if document.lang and not language(document):
        yield "language", f"{fields.line(document.lang)!r} is no language of RFC 5646"
    if document.involvement is not None and any(_concerns(each) for each in document.involvement.actions):
        yield "involvement", "whom, which products and which vulnerabilities an action concerns"
    if any(note.audience for note in document.notes):
        yield "audience", "whom a note is for"
