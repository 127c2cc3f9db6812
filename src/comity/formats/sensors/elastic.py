"""Elastic: requests of the bulk interface, with documents of the Elastic Common Schema.

Rules: a document is one indicator (`threat.indicator.*`, ECS 8.17) under an id made of kind and value, so that a second
run replaces and a removal finds it. The index is named in the address of the request. JSON escapes whatever would
break a line; kinds and networks for which the schema has no field are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

from comity.formats.sensors.item import (
    ADDRESSES,
    About,
    Gone,
    Item,
    Skipped,
    chunks,
    gone_values,
    moment,
    one_line,
    suited,
)

ECS_VERSION: Final = "8.17"
_ID_BYTES: Final = 16
_ENCODE: Final = msgspec.json.Encoder().encode
_TYPES: Final = {  # kind: type of the schema, path of its field
    "ipv4": ("ipv4-addr", ("ip",)),
    "ipv6": ("ipv6-addr", ("ip",)),
    "domain": ("domain-name", ("url", "domain")),
    "url": ("url", ("url", "full")),
    "email": ("email-addr", ("email", "address")),
    "md5": ("file", ("file", "hash", "md5")),
    "sha1": ("file", ("file", "hash", "sha1")),
    "sha256": ("file", ("file", "hash", "sha256")),
    "sha512": ("file", ("file", "hash", "sha512")),
    "file-name": ("file", ("file", "name")),
    "file-path": ("file", ("file", "path")),
    "registry-key": ("windows-registry-key", ("registry", "path")),
    "asn": ("autonomous-system", ("as", "number")),
}
KINDS: Final = tuple(_TYPES)
# STIX 2.1 appendix A: None, Low, Medium and High
_CONFIDENCES: Final = ((1, "None"), (30, "Low"), (70, "Medium"))


def _confidence(confidence: int | None) -> str:
    if confidence is None:
        return "Not Specified"
    return next((word for below, word in _CONFIDENCES if confidence < below), "High")


def _identity(kind: str, value: str) -> str:
    return blake2b(f"{kind}\0{value}".encode(), digest_size=_ID_BYTES).hexdigest()


def _document(item: Item, about: About) -> dict[str, Any]:
    type_, path = _TYPES[item.kind]
    indicator: dict[str, Any] = {
        "type": type_,
        "name": item.value,
        "description": one_line(item.name),
        "provider": one_line(item.source or about.node),
        "confidence": _confidence(item.confidence),
        "marking": {"tlp": one_line(item.tlp), "tlp_version": "2.0"},
    }
    for name, seconds in (("first_seen", item.valid_from), ("modified_at", item.modified)):
        if said := moment(seconds):  # an empty date makes Elasticsearch refuse the document
            indicator[name] = said
    place = indicator
    for step in path[:-1]:
        place = place.setdefault(step, {})
    place[path[-1]] = int(item.value) if item.kind == "asn" else item.value
    labels = {"valid_until": moment(item.until), "marking": one_line(item.marking)}
    event: dict[str, Any] = {"kind": "enrichment", "category": ["threat"], "type": ["indicator"]}
    event["id"] = one_line(item.ident)
    if said := moment(item.created):
        event["created"] = said
    return {
        "@timestamp": moment(about.at),
        "ecs": {"version": ECS_VERSION},
        "event": event,
        "tags": [one_line(label) for label in item.labels],
        "labels": {name: text for name, text in labels.items() if text},
        "threat": {"indicator": indicator},
    }


def bulk(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write index actions and documents: the body of `POST /<index>/_bulk`, to be cut at any even line."""

    def lines() -> Iterator[str]:
        for item in suited(items, KINDS, about, skipped):
            if "/" in item.value and item.kind in ADDRESSES:
                skipped.add("network", item.kind, item.value, item.ident)
                continue
            document = _ENCODE(_document(item, about)).decode()
            yield f'{{"index":{{"_id":"{_identity(item.kind, item.value)}"}}}}\n{document}\n'

    return chunks(lines())


def bulk_gone(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write delete actions for what is to be removed; an absent document is an answer of 404 for that line alone."""
    wanted = gone_values(gone, KINDS, skipped)
    return chunks(f'{{"delete":{{"_id":"{_identity(one.kind, one.value)}"}}}}\n' for one in wanted)
