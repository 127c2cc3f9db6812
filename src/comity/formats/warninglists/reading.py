"""One warning list in MISP's format: its head, the kinds of value it is for, and its entries.

Rules: a list that is none gives a `Loss`, an entry that is none gives another, and both stop nothing behind
them. Entries come in windows, so that a list of a million names is never there as a million Python strings. A
list that names no attribute is for every kind (misp-warninglists, README); one whose attributes have no kind
here, such as telephone numbers, is kept by name and asked for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from comity.formats.convert import Loss, Outcome, loss
from comity.formats.observables import KINDS, normal
from comity.formats.stix.report import bounded
from comity.limits import WARNING_ENTRY_CHARS_MAX, WARNING_LIST_BYTES_MAX

WINDOW: Final = 65_536  # bytes of entries decoded together: about three thousand names
NAME_CHARS_MAX: Final = 200  # of a list's name and of its description, as shown
VERSION_CHARS_MAX: Final = 40


class Matching(StrEnum):
    """How the entries of a list are compared with a value (misp-warninglists, schema.json)."""

    STRING = "string"
    SUBSTRING = "substring"
    HOSTNAME = "hostname"
    CIDR = "cidr"
    REGEX = "regex"


class Category(StrEnum):
    """What it means to be on a list."""

    FALSE_POSITIVE = "false_positive"
    KNOWN = "known"


class Listed(NamedTuple):
    """A warning list without its entries."""

    name: str
    version: str
    description: str
    matching: Matching
    category: Category
    kinds: frozenset[str]  # of observables that it is for


_MATCHING: Final = {each.value: each for each in Matching}
_CATEGORIES: Final = {each.value: each for each in Category}
_ADDRESS: Final = ("ipv4", "ipv6")
# MISP's attribute types and the kinds that stand for them; of a composite such as `domain|ip` each part counts.
_KINDS: Final = {
    **dict.fromkeys(("ip", "ip-src", "ip-dst"), _ADDRESS),
    **dict.fromkeys(("domain", "hostname"), ("domain",)),
    **dict.fromkeys(("url", "uri", "link"), ("url",)),
    **dict.fromkeys(
        (
            *("email", "email-src", "email-dst", "email-reply-to"),
            *("target-email", "whois-registrant-email", "dns-soa-email"),
        ),
        ("email",),
    ),
    "AS": ("asn",),
    **dict.fromkeys(("mac-address", "mac-eui-64"), ("mac",)),
    **{name: (name,) for name in ("md5", "sha1", "sha256", "sha512", "mutex", "user-agent", "text")},
    **dict.fromkeys((f"x509-fingerprint-{name}" for name in ("md5", "sha1", "sha256")), ("certificate",)),
    "filename": ("file-name", "file-path"),
    "regkey": ("registry-key",),
    "vulnerability": ("cve",),
    **dict.fromkeys(("btc", "xmr", "dash"), ("wallet",)),
}


class _Head(msgspec.Struct):
    name: str
    type: str
    version: int | str
    list: msgspec.Raw
    description: str = ""
    category: str | None = None
    matching_attributes: Any = None


def read_head(data: bytes, where: str) -> tuple[Listed, memoryview, tuple[Loss, ...]] | Loss:
    """Return what a list says of itself, its entries as JSON, and what was changed; or why it is none.

    `where` names the list's file in losses.
    """
    if len(data) > WARNING_LIST_BYTES_MAX:
        return loss(where, Outcome.REFUSED, "list-size", f"longer than {WARNING_LIST_BYTES_MAX} bytes")
    try:
        head = msgspec.json.decode(data, type=_Head)
        entries = memoryview(head.list)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return loss(where, Outcome.REFUSED, "list-form", f"no warning list: {error}")
    matching = _MATCHING.get(head.type)
    if matching is None:
        return loss(where, Outcome.REFUSED, "list-type", f"lists of type {head.type!r} are not known here")
    if not head.name.strip() or bytes(entries[:1]) != b"[":
        return loss(where, Outcome.REFUSED, "list-form", "no warning list: no name, or no array of entries")
    changed: list[Loss] = []
    category = Category.FALSE_POSITIVE  # MISP's own default
    if head.category in _CATEGORIES:
        category = _CATEGORIES[head.category]
    elif head.category is not None:
        changed.append(loss(where, Outcome.CHANGED, "list-category", f"{head.category!r} is read as {category}"))
    kinds, unknown = _kinds(head.matching_attributes)
    if unknown:
        words = f"no kind of value here is what MISP calls {', '.join(unknown)}"
        changed.append(loss(where, Outcome.UNMAPPED, "list-attributes", words))
    listed = Listed(
        bounded(head.name.strip()[:NAME_CHARS_MAX]),
        bounded(str(head.version)[:VERSION_CHARS_MAX]),
        bounded(head.description.strip()[:NAME_CHARS_MAX]),
        matching,
        category,
        kinds,
    )
    return listed, entries, tuple(changed)


def _kinds(attributes: object) -> tuple[frozenset[str], list[str]]:
    """Return the kinds that MISP's attribute types stand for, and the types that have none."""
    if not attributes or attributes == ["ALL"]:
        return frozenset(KINDS), []
    found: set[str] = set()
    unknown: list[str] = []
    for attribute in attributes if isinstance(attributes, list) else [attributes]:
        kinds = [kind for part in str(attribute)[:80].split("|") for kind in _KINDS.get(part, ())]
        found.update(kinds)
        if not kinds:
            unknown.append(str(attribute)[:80])
    return frozenset(found), unknown


def windows(entries: memoryview, where: str) -> Iterator[list[str] | Loss]:
    """Yield a list's entries, some thousands at a time, and a loss for each that is none.

    A line break never stands inside a JSON string, so a comma before one ends an element. Where an array of another
    shape is cut amiss the rest of it is refused.
    """
    number, start, end = 0, 1, len(entries) - 1
    while start < end:
        size = WINDOW
        piece = bytes(entries[start : min(start + size, end)])
        cut = piece.rfind(b",\n")
        while cut < 0 and start + size < end:
            size *= 4
            piece = bytes(entries[start : min(start + size, end)])
            cut = piece.rfind(b",\n")
        if start + size >= end:
            cut = len(piece)
        start += cut + 1
        try:
            found = msgspec.json.decode(b"[%b]" % piece[:cut])
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            yield loss(f"{where}[{number}]", Outcome.REFUSED, "list-entries", f"refused from here on: {error}")
            return
        good = [each for each in found if isinstance(each, str) and 0 < len(each) <= WARNING_ENTRY_CHARS_MAX]
        if len(good) != len(found):
            for place, each in enumerate(found, number):
                if not isinstance(each, str) or not 0 < len(each) <= WARNING_ENTRY_CHARS_MAX:
                    words = f"no text of 1 to {WARNING_ENTRY_CHARS_MAX} characters"
                    yield loss(f"{where}[{place}]", Outcome.REFUSED, "entry-form", words)
        number += len(found)
        yield good


_KEEPS: Final = re.compile(r"[a-z0-9._-]*+(?<=[a-z0-9_-])").fullmatch
_CHANGES: Final = frozenset({"asn", "mac", "cve"})  # kinds whose normal form of such a text may be another text


def same(entries: Sequence[str], kinds: frozenset[str]) -> Iterator[str]:
    """Yield the texts that entries of a `string` list equal: each itself and its normal form in each kind."""
    if kinds & _CHANGES:
        kept: Sequence[str] = ()
        others = entries
    else:
        kept = [entry for entry in entries if _KEEPS(entry)]
        others = entries if len(kept) < len(entries) else ()
    yield from kept
    for entry in others:
        if not kept or not _KEEPS(entry):
            yield from {entry} | {found.value for kind in kinds if (found := normal(kind, entry)) is not None}


def hosts(entries: Iterable[str]) -> Iterator[str]:
    """Yield entries of a `hostname` list in normal form: a name, an address, or a single label."""
    for entry in entries:
        if _KEEPS(entry) and not entry.startswith("."):
            yield entry
            continue
        text = entry.strip().strip(".")
        found = normal("domain", text) or normal("ipv4", text) or normal("ipv6", text)
        if found is not None or text:
            yield found.value if found is not None else text.lower()
