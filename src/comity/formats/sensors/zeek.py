r"""Zeek: a file of the intelligence framework.

Rules: fields are separated by tabs; what would be a separator, a comment or an unset field is written as `\xNN`, which
Zeek's reader undoes, so every value comes back exactly. Web addresses stand without their scheme, because that
is how Zeek sees them. A full list replaces the last: the framework has no notion of removal in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from comity.formats.sensors.item import About, Item, Skipped, chunks, inert, suited

TYPES: Final = {
    "ipv4": "ADDR",
    "ipv6": "ADDR",
    "domain": "DOMAIN",
    "url": "URL",
    "email": "EMAIL",
    "md5": "FILE_HASH",
    "sha1": "FILE_HASH",
    "sha256": "FILE_HASH",
    "file-name": "FILE_NAME",
    "user-agent": "SOFTWARE",
    "certificate": "CERT_HASH",
}
"""Kind to `Intel::` type; a network is a SUBNET."""
_HEAD: Final = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url\n"
_SCHEME: Final = re.compile(r"(?:https?|ftp)://")
_SOURCE: Final = "Comity"  # Zeek takes no item without a source
_UNSET: Final = ("-", "(empty)")


def field(text: str) -> str:
    """Return a field's text for Zeek's ASCII reader; `-` for an empty one, which is Zeek's unset field."""
    if not text:
        return "-"
    text = text.replace("\\", "\\x5c")
    if text[0] == "#" or text in _UNSET:
        text = f"\\x{ord(text[0]):02x}{text[1:]}"
    return text


def _indicator(item: Item, skipped: Skipped) -> str:
    """Return what Zeek looks for, with its type, or nothing where it would never see it."""
    kind, value = item.kind, item.value
    type_ = TYPES[kind]
    rule = ""
    if type_ == "ADDR" and "/" in value:
        type_ = "SUBNET"
    elif kind == "url":
        found = _SCHEME.match(value)
        if found is None:
            rule = "scheme"
        elif "#" in value:
            rule = "fragment"
        else:
            value = value[found.end() :]
    elif kind == "certificate" and len(value) != 40:  # Zeek computes SHA-1 of certificates
        rule = "fingerprint"
    if rule:
        skipped.add(rule, kind, item.value, item.ident)
        return ""
    return f"{field(value)}\tIntel::{type_}"


def intel(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write an intelligence file with the columns indicator, type, `meta.source`, `meta.desc` and `meta.url`."""

    def lines() -> Iterator[str]:
        yield _HEAD
        node, link = field(inert(about.node) or _SOURCE), field(about.link if about.link.isprintable() else "")
        for item in suited(items, TYPES, about, skipped):
            indicator = _indicator(item, skipped)
            if indicator:
                source = field(inert(item.source)) if item.source else node
                said = field(inert(f"TLP:{item.tlp} {item.name}"))
                yield f"{indicator}\t{source}\t{said}\t{link}\n"

    return chunks(lines())
