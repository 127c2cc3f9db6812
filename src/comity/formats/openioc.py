"""OpenIOC 1.0 and 1.1 (Mandiant): an indicator's tree of AND and OR as a STIX pattern with the same logic.

Rules: a term that STIX has no path for is told. Of an OR only that alternative is lost, and the pattern finds less; an
AND is lost whole, because without one of its terms it would find more. Terms that an AND joins on one kind of object
are asked of one object, as OpenIOC means them. A pattern that grows too long is cut between its alternatives into
several indicators.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from comity.errors import Malformed, TooLarge
from comity.formats import fields, xml
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss, object_, quote, whole
from comity.formats.observables import normal
from comity.formats.stix.pattern import parse_pattern
from comity.formats.xml import Element
from comity.limits import PATTERN_BYTES_MAX

SPACES: Final = {
    "http://schemas.mandiant.com/2010/ioc": "1.0",
    "http://openioc.org/schemas/OpenIOC_1.1": "1.1",
}
VALUE_CHARS_MAX: Final = 4_096  # characters of one value
PATTERN_BYTES_AIM: Final = 49_152  # bytes at which a pattern is cut: one alternative more stays under PATTERN_BYTES_MAX
INDICATORS_MAX: Final = 1_000  # indicators of one document

_REQUEST: Final = "network-traffic:extensions.'http-request-ext'"
_SERVICE: Final = "process:extensions.'windows-service-ext'"
# Search terms and what they name in STIX: a path, and what its values are.
TERMS: Final = {
    "FileItem/Md5sum": ("file:hashes.MD5", "md5"),
    "FileItem/Sha1sum": ("file:hashes.'SHA-1'", "sha1"),
    "FileItem/Sha256sum": ("file:hashes.'SHA-256'", "sha256"),
    "FileItem/FileName": ("file:name", "text"),
    "FileItem/FullPath": ("file:path", "text"),
    "FileItem/FilePath": ("file:parent_directory_ref.path", "text"),
    "FileItem/SizeInBytes": ("file:size", "integer"),
    "TaskItem/md5sum": ("file:hashes.MD5", "md5"),
    "TaskItem/sha1sum": ("file:hashes.'SHA-1'", "sha1"),
    "TaskItem/sha256sum": ("file:hashes.'SHA-256'", "sha256"),
    "DriverItem/Md5sum": ("file:hashes.MD5", "md5"),
    "DriverItem/DriverName": ("file:name", "text"),
    "Email/Attachment/Name": ("email-message:body_multipart[*].body_raw_ref.name", "text"),
    "Email/From": ("email-message:from_ref.value", "email"),
    "Email/Subject": ("email-message:subject", "text"),
    "Network/DNS": ("domain-name:value", "domain"),
    "DnsEntryItem/Host": ("domain-name:value", "domain"),
    "DnsEntryItem/RecordName": ("domain-name:value", "domain"),
    "UrlHistoryItem/HostName": ("domain-name:value", "domain"),
    "UrlHistoryItem/URL": ("url:value", "url"),
    "FileDownloadHistoryItem/SourceURL": ("url:value", "url"),
    "Network/URI": (f"{_REQUEST}.request_value", "text"),
    "Network/UserAgent": (f"{_REQUEST}.request_header.'User-Agent'", "text"),
    "Network/HTTP_Referr": (f"{_REQUEST}.request_header.Referer", "text"),
    "PortItem/remoteIP": ("network-traffic:dst_ref.value", "address"),
    "PortItem/localIP": ("network-traffic:src_ref.value", "address"),
    "PortItem/remotePort": ("network-traffic:dst_port", "integer"),
    "PortItem/localPort": ("network-traffic:src_port", "integer"),
    "RouteEntryItem/Destination": ("network-traffic:dst_ref.value", "address"),
    "DnsEntryItem/RecordData/IPv4Address": ("ipv4-addr:value", "address"),
    "ProcessItem/name": ("process:name", "text"),
    "ProcessItem/arguments": ("process:command_line", "text"),
    "ProcessItem/Md5sum": ("process:image_ref.hashes.MD5", "md5"),
    "RegistryItem/Path": ("windows-registry-key:key", "text"),
    "RegistryItem/KeyPath": ("windows-registry-key:key", "text"),
    "RegistryItem/ValueName": ("windows-registry-key:values[*].name", "text"),
    "RegistryItem/Value": ("windows-registry-key:values[*].data", "text"),
    "RegistryItem/Text": ("windows-registry-key:values[*].data", "text"),
    "ServiceItem/name": (f"{_SERVICE}.service_name", "text"),
    "ServiceItem/descriptiveName": (f"{_SERVICE}.display_name", "text"),
}
_TERMS: Final = {name.lower(): meant for name, meant in TERMS.items()}
_PERSONAL: Final = re.compile(
    r"(?:useritem|systeminfoitem/user|email/(?:to|cc|bcc)|[a-z]+item/(?:user|owner|username))\b"
)
_EXACT: Final = frozenset({"md5", "sha1", "sha256"})  # of which OpenIOC knows `is` only
_KINDS: Final = {"address": ("ipv4", "ipv6"), "text": (), "integer": ()}
_INTEGER: Final = re.compile("[0-9]{1,15}")
_WILD: Final = re.compile("[%_]")
_NEGATED: Final = {"isnot": "is", "containsnot": "contains"}
_ANCHORS: Final[dict[str, tuple[str, str, Callable[[str], str]]]] = {
    "contains": ("%", "%", re.escape),
    "starts-with": ("", "%", lambda text: "^" + re.escape(text)),
    "begins-with": ("", "%", lambda text: "^" + re.escape(text)),
    "ends-with": ("%", "", lambda text: re.escape(text) + "$"),
}


class _Part(NamedTuple):
    """A piece of a pattern: as a test inside one observation, where it can be one, and as observations."""

    kind: str  # of object that all its tests are on; empty where they are on several
    test: str  # empty where it takes several observations
    whole: str


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the indicators of one OpenIOC document and the losses."""
    data = whole(chunks, xml.XML_BYTES_MAX)
    if data is None:
        yield loss("", Outcome.REFUSED, "too-large", f"more than {xml.XML_BYTES_MAX} bytes (XML_BYTES_MAX)")
        return
    try:
        root = xml.parse(data)
    except (Malformed, TooLarge) as error:
        yield loss("", Outcome.REFUSED, "too-large" if isinstance(error, TooLarge) else "xml", str(error))
        return
    if root.name not in {"ioc", "OpenIOC"} or root.space not in SPACES:
        reason = f"{root.name!r} of {root.space!r} is no OpenIOC 1.0 or 1.1"
        yield loss("", Outcome.REFUSED, "not-openioc", reason)
        return
    yield from _Document(root, context).objects()


class _Document:
    """One document on its way to indicators."""

    def __init__(self, root: Element, context: Context) -> None:
        self.root, self.context = root, context
        self.losses: list[Loss] = []
        self._folded = 0  # values that OpenIOC compares without regard to case

    def objects(self) -> Iterator[Made | Loss]:
        """Yield the losses, and an indicator for each pattern."""
        # 1.0 has the descriptions beside the definition, 1.1 within `metadata`.
        told = self.root.first("metadata") or self.root
        logic = self.root.first("criteria") or self.root.first("definition")
        self._leftovers(told)
        alternatives = [part for each in (logic.all("Indicator") if logic else ()) for part in self._indicator(each)]
        if not alternatives:
            self._lose(self.root, Outcome.REFUSED, "no-pattern", "nothing is left that a STIX pattern could ask for")
        patterns = list(_packed(alternatives))
        if self._folded:
            reason = f"{self._folded} values are compared without regard to case in OpenIOC, with regard to it in STIX"
            self._lose(self.root, Outcome.CHANGED, "case", reason)
        if len(patterns) > INDICATORS_MAX:
            reason = f"{len(patterns)} patterns; {INDICATORS_MAX} are kept (INDICATORS_MAX)"
            self._lose(self.root, Outcome.REFUSED, "too-many", reason)
        properties, created, modified, timeless = self._properties(told)
        yield from self.losses
        own = fields.uuid_of(self.root.get("id"))
        for number, pattern in enumerate(patterns[:INDICATORS_MAX]):
            try:
                parse_pattern(pattern)
            except Malformed as error:
                yield loss(self.root.where, Outcome.REFUSED, "pattern", str(error))
                continue
            content = (self.root.get("id") or pattern, str(number))
            name = f"indicator--{own}" if own and not number else ident("indicator", self.context, "openioc", *content)
            tree = object_("indicator", name, created, modified, pattern=pattern, pattern_type="stix", **properties)
            tree["valid_from"] = tree["created"]
            yield fields.made(tree, self.root.where, timeless=timeless)

    def _lose(self, element: Element, outcome: Outcome, rule: str, reason: str) -> None:
        self.losses.append(loss(element.where, outcome, rule, reason))

    def _leftovers(self, told: Element) -> None:
        """Tell what has no place in an indicator."""
        known = {"short_description", "description", "keywords", "authored_by", "authored_date", "links"}
        parts = {"metadata", "criteria", "definition"}
        others = self.root.children if told is not self.root else ()
        strange = [child for child in told.children if child.name not in known | parts]
        strange += [child for child in others if child.name not in parts]
        for child in strange:
            if child.children or child.text:
                self._lose(child, Outcome.UNMAPPED, "element", f"{child.name!r} has no place in an indicator")
        if told.said("authored_by"):
            self._lose(told, Outcome.SEALED, "author", "who wrote it: only the original has it")

    def _properties(self, told: Element) -> tuple[dict[str, Any], int, int, bool]:
        """Return what every indicator of the document has, its times, and whether they are the import's."""
        dates = [told.said("authored_date"), self.root.get("published-date"), self.root.get("last-modified")]
        known: list[int] = []
        for text in dates:
            when = fields.moment(text) if text else None
            if text and when is None:
                self._lose(self.root, Outcome.CHANGED, "date", f"{text!r} is not read as a date")
            if when is not None:
                known.append(when)
        created = known[0] if known else self.context.at * fields.MICROSECONDS
        links = told.first("links")
        found = [
            fields.reference(link.get("rel") or "openioc", link.text, link.get("href"))
            for link in (links.all("link") if links else ())
        ]
        words = re.split(r"[,\s]+", told.said("keywords")[: fields.PROSE_CHARS_MAX])
        properties = {
            "name": fields.line(told.said("short_description")) or "OpenIOC",
            "description": fields.told(told.said("description"), self.root.where, self.losses),
            "indicator_types": ["malicious-activity"],
            "labels": fields.labels(words),
            "external_references": fields.references(found, self.root.where, self.losses),
            "created_by_ref": self.context.creator,
        }
        return properties, created, max([created, *known]), not known

    def _indicator(self, element: Element) -> list[_Part]:
        """Return the alternatives of an Indicator: one for AND, all of them for OR."""
        operator = element.get("operator").upper()
        if operator not in {"AND", "OR"}:
            self._lose(element, Outcome.REFUSED, "operator", f"{operator!r} is neither AND nor OR")
            return []
        found: list[_Part] = []
        for child in element.children:
            parts = self._part(child)
            if operator == "OR":
                found += parts
            elif parts:
                found.append(_either(parts))
            else:
                reason = "one of its terms is lost, and without it the others would match more: refused whole"
                self._lose(element, Outcome.REFUSED, "and-branch", reason)
                return []
            if operator == "AND" and sum(len(part.whole) for part in found) > PATTERN_BYTES_MAX:
                self._lose(element, Outcome.REFUSED, "too-large", f"more than {PATTERN_BYTES_MAX} bytes in one AND")
                return []
        return found if operator == "OR" or not found else [_both(found)]

    def _part(self, element: Element) -> list[_Part]:
        if element.name == "IndicatorItem":
            return self._item(element)
        if element.name == "Indicator":
            return self._indicator(element)
        self._lose(element, Outcome.UNMAPPED, "element", f"{element.name!r} inside an Indicator")
        return []

    def _item(self, element: Element) -> list[_Part]:
        """Return the test of an IndicatorItem; none, and a loss, where there is no such in STIX."""
        context, content = element.first("Context"), element.first("Content")
        search, value = (context.get("search") if context else ""), (content.text if content else "")
        meant = _TERMS.get(search.lower())
        if meant is None:
            personal = _PERSONAL.match(search.lower()) is not None
            outcome, rule = (Outcome.SEALED, "personal") if personal else (Outcome.UNMAPPED, "term")
            self._lose(element, outcome, rule, f"no pattern asks for {search!r}")
            return []
        path, kind = meant
        condition = element.get("condition", "is").lower()
        negated = (element.get("negate").lower() == "true") != (condition in _NEGATED)
        test = _test(path, kind, _NEGATED.get(condition, condition), value, negated)
        if not test:
            reason = f"{search} {condition} {value!r}: no such test in STIX"
            self._lose(element, Outcome.REFUSED, "value", reason)
            return []
        if kind in {"text", "url", "email"} and element.get("preserve-case").lower() != "true":
            self._folded += 1
        return [_Part(path.partition(":")[0], test, f"[{test}]")]


def _test(path: str, kind: str, condition: str, value: str, negated: bool) -> str:
    """Return one comparison; empty where the value or the condition does not fit."""
    if not 0 < len(value) <= VALUE_CHARS_MAX:
        return ""
    if kind == "integer":
        return _number(path, condition, value, negated)
    if condition == "is":
        return _equal(path, kind, value, negated)
    no = "NOT " if negated else ""
    if kind in _EXACT or (condition != "matches" and condition not in _ANCHORS):
        return ""
    if condition == "matches":  # the author's own expression, which nothing here runs
        return f"{path} {no}MATCHES {quote(value)}"
    before, after, expression = _ANCHORS[condition]
    if _WILD.search(value):  # STIX has no escape for the wildcards of LIKE: it would find more
        return f"{path} {no}MATCHES {quote(expression(value))}"
    return f"{path} {no}LIKE {quote(before + value + after)}"


def _number(path: str, condition: str, value: str, negated: bool) -> str:
    marks = {"is": "!="} if negated else {"is": "=", "greater-than": ">", "less-than": "<"}
    return f"{path} {marks[condition]} {int(value)}" if condition in marks and _INTEGER.fullmatch(value) else ""


def _equal(path: str, kind: str, value: str, negated: bool) -> str:
    if kind != "text":
        found = next((each for name in _KINDS.get(kind, (kind,)) if (each := normal(name, value))), None)
        if found is None:
            return ""
        if path == "ipv4-addr:value" and found.kind == "ipv6":
            path = "ipv6-addr:value"
        value = found.value
    return f"{path} {'!=' if negated else '='} {quote(value)}"


def _either(parts: list[_Part]) -> _Part:
    """Join alternatives by OR."""
    if len(parts) == 1:
        return parts[0]
    kinds = {part.kind for part in parts}
    one = all(part.test for part in parts) and len(kinds) == 1 and "" not in kinds
    test = f"({' OR '.join(part.test for part in parts)})" if one else ""
    whole_ = f"[{test}]" if one else f"({' OR '.join(part.whole for part in parts)})"
    return _Part(next(iter(kinds)) if one else "", test, whole_)


def _both(parts: list[_Part]) -> _Part:
    """Join tests by AND: those on one kind of object inside one observation, the rest as observations."""
    by_kind: dict[str, list[str]] = {}
    apart: list[str] = []
    for part in parts:
        if part.test:
            by_kind.setdefault(part.kind, []).append(part.test)
        else:
            apart.append(part.whole)
    joined = {kind: " AND ".join(tests) for kind, tests in by_kind.items()}
    if len(joined) == 1 and not apart:
        ((kind, test),) = joined.items()
        several = len(by_kind[kind]) > 1
        return _Part(kind, f"({test})" if several else test, f"[{test}]")
    pieces = [f"[{test}]" for test in joined.values()] + apart
    return _Part("", "", f"({' AND '.join(pieces)})" if len(pieces) > 1 else pieces[0])


def _packed(alternatives: list[_Part]) -> Iterator[str]:
    """Yield patterns of as many alternatives as fit."""
    pieces: list[str] = []
    size = 0
    for part in alternatives:
        length = len(part.whole.encode()) + 4
        if pieces and size + length > PATTERN_BYTES_AIM:
            yield " OR ".join(pieces)
            pieces, size = [], 0
        pieces.append(part.whole)
        size += length
    if pieces:
        yield " OR ".join(pieces)
