"""IODEF 1 (RFC 5070) and 2 (RFC 7970): an incident as a report, indicators and what was observed.

Rules: what an incident calls the source of an event, and what version 2 calls an indicator, becomes an indicator;
everything else that was seen becomes observed data, so that a victim's address is never an indicator. A restriction
inside a stricter one loosens nothing; one that names no known level is RED. Persons are sealed: only names of
organisations are taken from contacts. Every element without a place here is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from comity.errors import Malformed, TooLarge
from comity.formats import convert, fields, iodef_values, xml
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss, object_, whole
from comity.formats.iodef_values import Budget, Values
from comity.formats.observables import Observable
from comity.formats.xml import Element
from comity.limits import PATTERN_BYTES_MAX
from comity.vocab import Tlp

SPACES: Final = {"urn:ietf:params:xml:ns:iodef-1.0": "1", "urn:ietf:params:xml:ns:iodef-2.0": "2"}
INCIDENTS_MAX: Final = 10_000  # incidents of one document
REFS_MAX: Final = 10_000  # references of one report
HISTORY_MAX: Final = 500  # entries of a history kept in one note

# RFC 7970 §3.3.1. `need-to-know` stays within an organisation, which is what AMBER+STRICT says; `partner` is a closed
# community. `default` is a policy we do not know.
_RESTRICTIONS: Final = {
    "public": Tlp.CLEAR,
    "white": Tlp.CLEAR,
    "partner": Tlp.GREEN,
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "need-to-know": Tlp.AMBER_STRICT,
    "private": Tlp.RED,
    "red": Tlp.RED,
}
_CONFIDENCE: Final = {"low": 15, "medium": 50, "high": 85}  # STIX 2.1 appendix A, None/Low/Med/High
_TIMES: Final = ("DetectTime", "StartTime", "EndTime", "RecoveryTime", "ReportTime", "GenerationTime")
_NOTES: Final = ("History", "Discovery")


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the objects of every incident of a document, and the losses."""
    data = whole(chunks, xml.XML_BYTES_MAX)
    if data is None:
        yield loss("", Outcome.REFUSED, "too-large", f"more than {xml.XML_BYTES_MAX} bytes (XML_BYTES_MAX)")
        return
    try:
        root = xml.parse(data)
    except (Malformed, TooLarge) as error:
        yield loss("", Outcome.REFUSED, "too-large" if isinstance(error, TooLarge) else "xml", str(error))
        return
    if root.name != "IODEF-Document" or root.space not in SPACES:
        yield loss("", Outcome.REFUSED, "not-iodef", f"{root.name!r} of {root.space!r} is no IODEF 1 or 2")
        return
    known = {uid: each for each in root.walk() if (uid := each.get("observable-id"))}
    seen: dict[str, bytes] = {}
    budget = Budget()
    incidents = root.all("Incident")
    for each in incidents[:INCIDENTS_MAX]:
        yield from _Incident(each, known, context, seen, budget).objects()
    for child in root.children:
        if child.name != "Incident":
            yield loss(child.where, Outcome.UNMAPPED, "element", f"{child.name!r} has no place here")
    if len(incidents) > INCIDENTS_MAX:
        yield loss("", Outcome.REFUSED, "too-many", f"{len(incidents)} incidents; {INCIDENTS_MAX} are read")
    if not incidents:
        yield loss("", Outcome.REFUSED, "empty", "no incident in it")


class _Incident:
    """One incident on its way to objects."""

    def __init__(
        self, element: Element, known: dict[str, Element], context: Context, seen: dict[str, bytes], budget: Budget
    ) -> None:
        self.element, self.known, self.context = element, known, context
        self.losses: list[Loss] = []
        self._seen, self._budget = seen, budget  # of the whole document
        named = element.first("IncidentID")
        self.key = (named.get("name") if named else "", named.text if named else "")
        # RFC 7970 §3.2: without the attribute an incident is private.
        self.tlp = self._level(element, None) if element.get("restriction") else Tlp.RED
        dates = [when for name in ("ReportTime", "GenerationTime") if (when := self._time(element, name)) is not None]
        at = context.at * fields.MICROSECONDS
        self.created, self.modified = (dates[0], dates[-1]) if dates else (at, at)
        self.timeless = not dates
        self.refs: dict[str, None] = {}
        self.words: list[str] = []
        self.labels: list[str] = []
        self.references: list[dict[str, str]] = []
        self.creator = context.creator
        self.confidence: int | None = None

    def objects(self) -> Iterator[Made | Loss]:
        """Yield the losses and the objects, the report last."""
        if not self.key[1]:
            yield loss(self.element.where, Outcome.REFUSED, "required", "an incident without an IncidentID")
            return
        if self.key[0]:
            csirt = fields.organisation(self.key[0], self.context)
            self.creator = csirt["id"]
            yield from self._give(csirt, self.element, timeless=True)
        report = ident("report", self.context, "iodef", *self.key)
        for child in self.element.children:
            yield from self._child(child, report)
            yield from self.losses
            self.losses.clear()
        yield from self._report(report)
        yield from self.losses

    def lose(self, element: Element, outcome: Outcome, rule: str, reason: str) -> None:
        """Note a loss."""
        self.losses.append(loss(element.where, outcome, rule, reason))

    def _child(self, child: Element, report: str) -> Iterator[Made | Loss]:
        if child.name == "EventData":
            yield from self._event(child, self.tlp)
        elif child.name == "IndicatorData":
            for each in child.children:
                yield from self._indicator(each)
        elif child.name in _NOTES:
            yield from self._note(child, report)
        elif child.name == "Contact":
            yield from self._contact(child)
        else:
            self._told(child)

    def _told(self, child: Element) -> None:
        """Take what an incident or an event says in words."""
        if child.name == "Description":
            self.words.append(child.text)
        elif child.name == "AlternativeID":
            named = child.all("IncidentID")
            self.references += [fields.reference(each.get("name") or "incident", each.text) for each in named]
        elif child.name == "RelatedActivity":
            self._related(child)
        elif child.name == "Assessment":
            self._assessment(child)
        elif child.name == "Method":
            self._method(child)
        elif child.name not in {"IncidentID", *_TIMES}:
            self._unmapped(child)

    def _unmapped(self, element: Element) -> None:
        outcome, rule = iodef_values.fate(element.name)
        self.lose(element, outcome, rule, f"{element.name!r} has no place here")

    def _level(self, element: Element, around: Tlp | None) -> Tlp:
        """Return the level of an element inside one of another level: the stricter of the two."""
        word = element.get("restriction").lower()
        if not word:
            return around or Tlp.RED
        own = _RESTRICTIONS.get(word)
        if own is None:
            self.lose(element, Outcome.CHANGED, "restriction", f"{word!r} names no level: taken as TLP:RED")
            own = Tlp.RED
        if around is not None and own.rank < around.rank:
            reason = f"{word!r} inside something stricter: {around.label} stays"
            self.lose(element, Outcome.CHANGED, "restriction", reason)
            return around
        return own

    def _time(self, element: Element, name: str) -> int | None:
        text = element.said(name)
        when = fields.moment(text) if text else None
        if text and when is None:
            self.lose(element, Outcome.CHANGED, "date", f"{name} {text!r} is not read as a date")
        return when

    def _make(self, kind: str, key: Iterable[str], tlp: Tlp, **properties: Any) -> dict[str, Any]:
        made = ident(kind, self.context, "iodef", *self.key, *key)
        return object_(kind, made, self.created, self.modified, tlp=tlp, created_by_ref=self.creator, **properties)

    def _give(self, tree: dict[str, Any], element: Element, *, timeless: bool | None = None) -> Iterator[Made | Loss]:
        """Yield an object, once in a document; a second of its id that differs is lost."""
        own = self.timeless and "created" in tree if timeless is None else timeless
        found = fields.made(tree, element.where, timeless=own)
        if isinstance(found, Loss):
            yield found
            return
        if tree["type"] not in {"report", "note"}:
            self.refs[tree["id"]] = None
        digest = sha256(found.data).digest()
        before = self._seen.get(tree["id"])
        if before is None:
            self._seen[tree["id"]] = digest
            yield found
        elif before != digest and "created" in tree:
            yield loss(element.where, Outcome.REFUSED, "duplicate", f"{tree['id']} stands again, with other content")
        elif before != digest:
            yield loss(element.where, Outcome.CHANGED, "marking", f"{tree['id']} keeps the marking it had first")

    # --- what was seen -----------------------------------------------------------------------------------

    def _event(self, event: Element, around: Tlp) -> Iterator[Made | Loss]:
        """Yield the indicators and the observed data of an event, and of the events within."""
        tlp = self._level(event, around)
        seen: dict[Tlp, list[tuple[Observable, Element]]] = {tlp: []}
        for child in event.children:
            if child.name == "EventData":
                yield from self._event(child, tlp)
            elif child.name == "Contact":
                yield from self._contact(child)
            elif child.name == "Flow":
                for system in child.children:
                    yield from self._system(system, tlp, seen)
            elif child.name == "Record":
                seen[tlp] += [(each, child) for each in self._values(child)]
            else:
                self._told(child)
        for level, found in seen.items():
            yield from self._observed(event, level, found)

    def _system(
        self, system: Element, around: Tlp, seen: dict[Tlp, list[tuple[Observable, Element]]]
    ) -> Iterator[Made | Loss]:
        """Yield an indicator for each value of a source; what other systems show is added to what was seen."""
        tlp = self._level(system, around)
        is_source = system.get("category").lower() == "source" and system.get("spoofed").lower() != "yes"
        for value in self._values(system):
            test = convert.pattern([value])
            if not is_source or not test:
                seen.setdefault(tlp, []).append((value, system))
                continue
            key = (tlp.value, value.kind, value.value)
            tree = self._make("indicator", key, tlp, name=fields.line(value.value), pattern=test, pattern_type="stix")
            tree |= {"valid_from": tree["created"], "labels": ["source"], "indicator_types": ["malicious-activity"]}
            yield from self._give(tree, system)

    def _observed(self, event: Element, tlp: Tlp, seen: list[tuple[Observable, Element]]) -> Iterator[Made | Loss]:
        refs: dict[str, None] = {}
        for value, element in seen:
            tree = iodef_values.as_object(value, tlp)
            if tree is None:
                self.lose(element, Outcome.UNMAPPED, "observable", f"no object shows a {value.kind}")
                continue
            refs[tree["id"]] = None
            yield from self._give(tree, element)
        if not refs:
            return
        if len(refs) > REFS_MAX:
            self.lose(event, Outcome.CHANGED, "too-many", f"{len(refs)} values; the observed data name {REFS_MAX}")
        times = [self._time(event, name) for name in ("StartTime", "DetectTime", "EndTime")]
        known = [when for when in times if when is not None]
        first, last = (known[0], max(known)) if known else (self.created, self.created)
        key = (tlp.value, str(first), str(last), *refs)
        tree = self._make("observed-data", key, tlp, number_observed=1, object_refs=list(refs)[:REFS_MAX])
        tree |= {"first_observed": convert.timestamp(first), "last_observed": convert.timestamp(max(first, last))}
        yield from self._give(tree, event)

    def _values(self, element: Element) -> list[Observable]:
        values = Values(self.losses, self._budget)
        return list(dict.fromkeys(values.of(element)))

    # --- indicators of version 2 (RFC 7970 §3.29) --------------------------------------------------------

    def _indicator(self, element: Element) -> Iterator[Made | Loss]:
        if element.name != "Indicator":
            self._unmapped(element)
            return
        named = element.first("IndicatorID")
        tlp = self._level(element, self.tlp)
        pattern = ""
        properties: dict[str, Any] = {"labels": []}
        for child in element.children:
            if child.name in {"Observable", "ObservableReference", "IndicatorExpression"}:
                pattern = self._expression(child)
            elif child.name == "Confidence":
                properties["confidence"] = self._confidence(child)
            elif child.name == "Contact":
                yield from self._contact(child)
            elif child.name == "Description":
                properties["description"] = fields.told(child.text, child.where, self.losses)
            elif child.name == "NodeRole":
                properties["labels"] = fields.labels([child.get("category")])
            elif child.name not in {"IndicatorID", "StartTime", "EndTime"}:
                self._unmapped(child)
        if not pattern or len(pattern.encode()) > PATTERN_BYTES_MAX:
            reason = f"more than {PATTERN_BYTES_MAX} bytes" if pattern else "nothing that a STIX pattern could ask for"
            self.lose(element, Outcome.REFUSED, "no-pattern", reason)
            return
        key = (named.get("name"), named.text) if named else (pattern,)
        name = fields.line(" ".join(part for part in key if part))
        tree = self._make("indicator", key, tlp, name=name, pattern=pattern, pattern_type="stix", **properties)
        start, end = self._time(element, "StartTime"), self._time(element, "EndTime")
        start = self.created if start is None else start
        tree["valid_from"] = convert.timestamp(start)
        if end is not None and end > start:
            tree["valid_until"] = convert.timestamp(end)
        elif end is not None:
            self.lose(element, Outcome.CHANGED, "date", "EndTime is not after StartTime: left out")
        yield from self._give(tree, element)

    def _expression(self, element: Element) -> str:
        """Return the pattern of an observable or an expression; empty, with a loss, where a part of an AND is lost."""
        if element.name == "ObservableReference":
            target = self.known.get(element.get("uid-ref"))
            if target is None:
                self.lose(element, Outcome.CHANGED, "reference", f"{element.get('uid-ref')!r} is not in the document")
                return ""
            return convert.pattern(self._values(target))
        if element.name == "Observable":
            return convert.pattern([value for child in element.children for value in self._values(child)])
        if element.name != "IndicatorExpression":
            self._unmapped(element)
            return ""
        word = {"and": "AND", "or": "OR"}.get(element.get("operator", "and").lower() or "and")
        if word is None:
            self.lose(element, Outcome.REFUSED, "operator", f"{element.get('operator')!r} has no place in a pattern")
            return ""
        parts = [self._expression(child) for child in element.children if child.name != "Confidence"]
        if word == "AND" and not all(parts):
            reason = "one of its parts is lost, and without it the others would match more: refused whole"
            self.lose(element, Outcome.REFUSED, "and-branch", reason)
            return ""
        kept = [part for part in parts if part]
        joined = f" {word} ".join(kept)
        return f"({joined})" if len(kept) > 1 and len(joined) <= PATTERN_BYTES_MAX else joined

    # --- words -------------------------------------------------------------------------------------------

    def _confidence(self, element: Element) -> int | None:
        """RFC 7970 §3.12.5: a word, or a number from 0 to 100."""
        rating, text = element.get("rating").lower(), element.text.strip()
        if rating in _CONFIDENCE:
            return _CONFIDENCE[rating]
        number = text.partition(".")[0]
        if rating == "numeric" and number.isascii() and number.isdigit() and len(number) <= 3 and int(number) <= 100:
            return int(number)
        if rating != "unknown":
            self.lose(element, Outcome.CHANGED, "confidence", f"{rating!r} {text!r} is no confidence")
        return None

    def _contact(self, element: Element) -> Iterator[Made | Loss]:
        """Yield the organisation that a contact is of; the rest of it is sealed."""
        is_organisation = element.get("type").lower() == "organization"
        for name in element.all("ContactName") if is_organisation else ():
            if name.text:  # who was concerned is no more public than the incident
                tree = fields.organisation(name.text, self.context, self.tlp.value, tlp=self.tlp)
                yield from self._give(tree, name, timeless=True)
        for inner in element.all("Contact"):
            yield from self._contact(inner)
        kept = {"Contact", *(("ContactName",) if is_organisation else ())}
        if any(child.name not in kept for child in element.children):
            self.lose(element, Outcome.SEALED, "contact", "how to reach somebody: only the original has it")

    def _related(self, element: Element) -> None:
        for child in element.children:
            if child.name == "IncidentID":
                self.references.append(fields.reference(child.get("name") or "incident", child.text))
            elif child.name == "URL":
                self.references.append(fields.reference("iodef", url=child.text))
            else:
                self._unmapped(child)

    def _assessment(self, element: Element) -> None:
        """Take impacts as labels and words (RFC 5070 §3.10, RFC 7970 §3.12)."""
        for child in element.children:
            if child.name in {"Impact", "SystemImpact", "BusinessImpact", "IntendedImpact"}:
                known = {name: child.get(name) for name in ("type", "severity", "completion")}
                self.labels += [f"impact-{name}:{value}" for name, value in known.items() if value]
                self.words += [child.text or child.said("Description")]
            elif child.name == "Confidence":
                found = self._confidence(child)
                self.confidence = min((each for each in (self.confidence, found) if each is not None), default=None)
            else:
                self._unmapped(child)

    def _method(self, element: Element) -> None:
        for child in element.children:
            if child.name == "Description":
                self.words.append(child.text)
            elif child.name == "Reference":
                named = child.said("ReferenceName") or next(
                    (each.said("ID") for each in child.all("ReferenceName")), ""
                )
                url, text = child.said("URL"), child.said("Description")
                self.references.append(fields.reference("iodef", named, url, text))
            else:
                self._unmapped(child)

    def _note(self, element: Element, report: str) -> Iterator[Made | Loss]:
        """Yield a history or discovery as a note; who did what is sealed."""
        tlp = self._level(element, self.tlp)
        lines: list[str] = []
        items = element.children
        for item in items[:HISTORY_MAX]:
            said = [item.get("action"), item.said("DateTime"), *(each.text for each in item.all("Description"))]
            lines.append(": ".join(part for part in [*said, item.text] if part))
            for child in item.children:
                if child.name not in {"DateTime", "Description"}:
                    self._unmapped(child)
        if len(items) > HISTORY_MAX:
            self.lose(element, Outcome.CHANGED, "too-many", f"{len(items)} entries; {HISTORY_MAX} are kept")
        content = fields.told("\n".join(line for line in lines if line), element.where, self.losses)
        if content:
            tree = self._make(
                "note", (element.name,), tlp, abstract=element.name, content=content, object_refs=[report]
            )
            yield fields.made(tree, element.where, timeless=self.timeless)

    def _report(self, report: str) -> Iterator[Made | Loss]:
        element = self.element
        labels = [f"{name}:{element.get(name)}" for name in ("purpose", "status") if element.get(name)]
        if len(self.refs) > REFS_MAX:
            self.lose(element, Outcome.CHANGED, "too-many", f"{len(self.refs)} objects; the report names {REFS_MAX}")
        own = fields.reference(self.key[0] or "incident", self.key[1])
        # A report has to name something: where an incident shows nothing, itself.
        refs = list(self.refs)[:REFS_MAX] or [report]
        tree = object_(
            "report",
            report,
            self.created,
            self.modified,
            tlp=self.tlp,
            name=fields.line(next((word for word in self.words if word), "")) or fields.line(" ".join(self.key)),
            description=fields.told("\n\n".join(word for word in self.words if word), element.where, self.losses),
            report_types=["threat-report"],
            labels=fields.labels([*labels, *self.labels]),
            external_references=fields.references([own, *self.references], element.where, self.losses),
            created_by_ref=self.creator,
            confidence=self.confidence,
            object_refs=refs,
        )
        tree["published"] = tree["created"]
        yield from self._give(tree, element)
