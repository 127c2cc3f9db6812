"""The values in an IODEF element, as observables, and as cyber-observable objects.

Rules: an element that holds values and a place for them is looked into; every other one is told. A value that is not
what its place says is refused. How much is looked at is bounded, since a reference may name one list many times.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, Final

from comity.formats import fields
from comity.formats.convert import TLP_REFS, Loss, Outcome, loss
from comity.formats.observables import HASH_OF_LENGTH, Observable, normal, refang
from comity.formats.xml import Element
from comity.vocab import Tlp

LOOKS_MAX: Final = 250_000  # elements and lines of lists looked at in one document, those by reference included

# RFC 7970 §3.18.1, §3.29.4.1: the type of an address or of a list, and what kinds of value it holds.
_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "asn": ("asn",),
    "e-mail": ("email",),
    "ipv4-addr": ("ipv4",),
    "ipv4-net": ("ipv4",),
    "ipv4-net-mask": ("ipv4",),
    "ipv4-net-masked": ("ipv4",),
    "ipv6-addr": ("ipv6",),
    "ipv6-net": ("ipv6",),
    "ipv6-net-mask": ("ipv6",),
    "ipv6-net-masked": ("ipv6",),
    "mac": ("mac",),
    "site-uri": ("url",),
    "domain-name": ("domain",),
    "windows-reg-key": ("registry-key",),
    "file-hash": tuple(HASH_OF_LENGTH.values()),
    "http-user-agent": ("user-agent",),
    "mutex": ("mutex",),
    "file-path": ("file-path",),
}
_LOOKED_INTO: Final = frozenset(
    (
        *("Flow", "System", "Node", "DomainData", "EmailData", "Record", "RecordData", "FileData", "File", "HashData"),
        *("WindowsRegistryKeysModified", "BulkObservable"),
    )
)
_PLACES: Final = {"NodeName": "domain", "Name": "domain", "EmailFrom": "email", "URL": "url"}
_PERSONAL: Final = frozenset(
    (
        *("Contact", "ContactName", "ContactTitle", "Email", "EmailTo", "Telephone", "Fax", "PostalAddress"),
        *("RegistryHandle", "DomainContacts", "SameDomainContact", "Location", "AssetID", "OwnerID"),
    )
)
_SEALED_TYPES: Final = frozenset({"user-name"})
_DEFANGED: Final = frozenset({"ipv4", "ipv6", "domain", "url", "email"})  # kinds that people keep from being clicked
_DIGITS: Final = re.compile("(?:[0-9a-fA-F]{2})+")
_HASH_BYTES: Final = frozenset({16, 20, 32, 64})
_OBJECTS: Final = {
    "ipv4": ("ipv4-addr", "value"),
    "ipv6": ("ipv6-addr", "value"),
    "domain": ("domain-name", "value"),
    "url": ("url", "value"),
    "email": ("email-addr", "value"),
    "mac": ("mac-addr", "value"),
    "asn": ("autonomous-system", "number"),
    "file-name": ("file", "name"),
    "registry-key": ("windows-registry-key", "key"),
    "mutex": ("mutex", "name"),
}
_HASHES: Final = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}


def fate(name: str) -> tuple[Outcome, str]:
    """Return what becomes of an element that has no place here."""
    return (Outcome.SEALED, "personal") if name in _PERSONAL else (Outcome.UNMAPPED, "element")


def as_object(value: Observable, tlp: Tlp) -> dict[str, Any] | None:
    """Return the cyber-observable object that shows a value; None where STIX has none."""
    marking = [TLP_REFS[tlp]]
    if value.kind in _HASHES:
        hashes = {_HASHES[value.kind]: value.value}
        return fields.observed("file", "hashes", hashes=hashes, object_marking_refs=marking)
    if value.kind not in _OBJECTS:
        return None
    kind, name = _OBJECTS[value.kind]
    content: Any = int(value.value) if value.kind == "asn" else value.value
    return fields.observed(kind, name, object_marking_refs=marking, **{name: content})


class Budget:
    """How much more of a document is looked at."""

    def __init__(self) -> None:
        self.left = LOOKS_MAX


class Values:
    """Collects the values of elements; what they lose is added to a list."""

    def __init__(self, losses: list[Loss], budget: Budget) -> None:
        self._losses, self._budget = losses, budget

    def of(self, element: Element, parent: str = "") -> Iterator[Observable]:
        """Yield the values in an element and below it."""
        if not self._may_look(element):
            return
        if element.name == "File":
            yield from self._file(element)
        elif element.name in _LOOKED_INTO:
            yield from self._inside(element)
        elif element.name == "Address":
            yield from self._typed(element, element.get("category", "ipv4-addr") or "ipv4-addr", element.text)
        elif element.name == "Key" and parent == "WindowsRegistryKeysModified":
            yield from self._key(element)
        elif element.name == "BulkObservableList" and parent == "BulkObservable":
            pass  # read with its type, by `_inside`
        elif element.name in _PLACES and (element.name, parent) != ("URL", "RecordData"):
            yield from self._one(element, (_PLACES[element.name],), element.text)
        else:
            outcome, rule = fate(element.name)
            self._lose(element, outcome, rule, f"{element.name!r} has no place here")

    def _lose(self, element: Element, outcome: Outcome, rule: str, reason: str) -> None:
        self._losses.append(loss(element.where, outcome, rule, reason))

    def _may_look(self, element: Element) -> bool:
        self._budget.left -= 1
        if self._budget.left == 0:
            self._lose(element, Outcome.REFUSED, "too-many", f"more than {LOOKS_MAX} values and elements (LOOKS_MAX)")
        return self._budget.left > 0

    def _inside(self, element: Element) -> Iterator[Observable]:
        if element.name == "BulkObservable":
            yield from self._bulk(element)
        for child in element.children:
            yield from self.of(child, element.name)

    def _one(self, element: Element, kinds: tuple[str, ...], text: str) -> Iterator[Observable]:
        plain = refang(text) if _DEFANGED.issuperset(kinds) else text
        for kind in kinds:
            found = normal(kind, plain)
            if found is not None:
                yield found
                return
        self._lose(element, Outcome.REFUSED, "value", f"{text!r} is no {' or '.join(kinds)}")

    def _typed(self, element: Element, kind: str, text: str) -> Iterator[Observable]:
        if kind in _SEALED_TYPES:
            self._lose(element, Outcome.SEALED, "personal", f"a {kind}")
        elif kind not in _TYPES:
            self._lose(element, Outcome.UNMAPPED, "address-type", f"{kind!r} has no place here")
        else:
            yield from self._one(element, _TYPES[kind], text)

    def _bulk(self, element: Element) -> Iterator[Observable]:
        """RFC 7970 §3.29.4: a type, and values one a line."""
        for each in element.all("BulkObservableList"):
            for line in filter(None, map(str.strip, each.text.splitlines())):
                if not self._may_look(each):
                    return
                yield from self._typed(each, element.get("type"), line)

    def _key(self, element: Element) -> Iterator[Observable]:
        for child in element.children:
            if child.name == "KeyName":
                yield from self._one(child, ("registry-key",), child.text)
            else:
                self._lose(child, Outcome.UNMAPPED, "element", f"{child.name!r} has no place here")

    def _file(self, element: Element) -> Iterator[Observable]:
        """A file by its hashes; by its name only where it has none, since a name alone singles nothing out."""
        hashes = [value for each in element.all("HashData") for value in self._hashes(each)]
        yield from hashes
        for child in element.children:
            if child.name == "FileName" and not hashes:
                yield from self._one(child, ("file-name",), child.text)
            elif child.name == "URL":
                yield from self._one(child, ("url",), child.text)
            elif child.name != "HashData":
                self._lose(child, Outcome.UNMAPPED, "element", f"{child.name!r} has no place here")

    def _hashes(self, element: Element) -> Iterator[Observable]:
        for child in element.children:
            if child.name != "Hash":
                self._lose(child, Outcome.UNMAPPED, "element", f"{child.name!r} has no place here")
                continue
            text = "".join(child.said("DigestValue").split())
            yield from self._one(child, tuple(HASH_OF_LENGTH.values()), _hexadecimal(text))


def _hexadecimal(text: str) -> str:
    """Return a digest in hexadecimal: XML Signature has it in base64, of the bytes or, by many, of the digits."""
    if len(text) > 2 * max(HASH_OF_LENGTH) or (len(text) in HASH_OF_LENGTH and _DIGITS.fullmatch(text)):
        return text
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return text
    digits = raw.decode("ascii", "replace")
    if len(digits) in HASH_OF_LENGTH and _DIGITS.fullmatch(digits):
        return digits
    return raw.hex() if len(raw) in _HASH_BYTES else text
