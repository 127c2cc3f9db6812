"""CSAF 2.0 and 2.1 (OASIS): an advisory as a report, its vulnerabilities, products, remedies and notes.

Rules: one document is one input. It is read strictly: JSON that two parsers could read differently, or a document
without what makes an advisory, is refused whole; a broken vulnerability is refused alone. Ids follow from source,
publisher's namespace and tracking id, so that a new version of a document makes new versions of its objects. The
marking is the document's own; an unknown label, or a sharing group, is taken as RED.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, loss, whole
from comity.formats.csaf import objects, products, shape, tracking
from comity.formats.csaf.shape import Advisory, Document
from comity.vocab import Tlp

CSAF_BYTES_MAX: Final = 16_777_216  # bytes of a document; CSAF 2.0 appendix C.1 asks for 15 MB at most
VULNERABILITIES_MAX: Final = 10_000  # of one document; the longest met have 500

_VERSIONS: Final = frozenset({"2.0", "2.1"})
_EVERYBODY: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # a sharing group that is none (CSAF 2.1 §3.2.2.5.1.1)
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


class _RepeatedKeyError(ValueError):
    """A key stands twice; the message is the key."""


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the objects of one advisory and its losses."""
    data = whole(chunks, CSAF_BYTES_MAX)
    if data is None:
        yield loss("", Outcome.REFUSED, "too-large", f"more than {CSAF_BYTES_MAX} bytes (CSAF_BYTES_MAX)")
        return
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        advisory = msgspec.json.decode(data, type=Advisory)
        tree = json.loads(data, object_pairs_hook=_distinct)
    except _UNREADABLE as error:
        rule = "duplicate-key" if isinstance(error, _RepeatedKeyError) else _rule_of(error)
        yield loss("", Outcome.REFUSED, rule, str(error) or type(error).__name__)
        return
    document = advisory.document
    missing = _missing(document)
    if missing:
        yield loss("document", Outcome.REFUSED, "required", missing)
        return
    for path, count in shape.unknown(tree, Advisory).items():
        yield loss(path, Outcome.UNMAPPED, "name", f"stands {count} times and has no place here")
    yield from tracking.check(document.tracking)
    losses: list[Loss] = []
    tlp = _marking(document, losses)
    catalogue = products.catalogue(advisory.product_tree, tlp)
    yield from losses + catalogue.losses
    if len(advisory.vulnerabilities) > VULNERABILITIES_MAX:
        reason = f"{len(advisory.vulnerabilities)}; {VULNERABILITIES_MAX} are read (VULNERABILITIES_MAX)"
        yield loss("vulnerabilities", Outcome.REFUSED, "too-many", reason)
    advisory.vulnerabilities = advisory.vulnerabilities[:VULNERABILITIES_MAX]
    yield from objects.of(advisory, catalogue, context, tlp)


def _rule_of(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too-deep"
    return "required" if isinstance(error, msgspec.ValidationError) else "json"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if name in tree:
            raise _RepeatedKeyError(f"the key {name!r} stands twice in one object")
        tree[name] = value
    return tree


def _missing(document: Document) -> str:
    """Say what of an advisory is not there; empty where all is."""
    if document.csaf_version not in _VERSIONS:
        return f"csaf_version {document.csaf_version!r}: only {' and '.join(sorted(_VERSIONS))} are read"
    needed = {
        "title": document.title,
        "category": document.category,
        "tracking.id": document.tracking.id,
        "publisher.name": document.publisher.name,
        "publisher.namespace": document.publisher.namespace,
    }
    empty = [name for name, text in needed.items() if not fields.line(text)]
    return f"no {', '.join(empty)}" if empty else ""


def _marking(document: Document, losses: list[Loss]) -> Tlp | None:
    """Return the document's level; None where version 2.0 names none, so that the source's default applies."""
    where = "document.distribution"
    given = document.distribution
    if given is not None and given.sharing_group is not None and given.sharing_group.id.lower() != _EVERYBODY:
        reason = f"for the sharing group {given.sharing_group.name or given.sharing_group.id!r} only: taken as TLP:RED"
        losses.append(loss(where, Outcome.CHANGED, "sharing-group", reason))
        return Tlp.RED
    if given is not None and given.tlp is not None:
        return fields.marking([given.tlp.label], where, losses)
    if document.csaf_version == "2.0":  # §3.2.1.5: TLP is optional
        return None
    losses.append(loss(where, Outcome.CHANGED, "tlp", "no TLP label, which 2.1 asks for: taken as TLP:RED"))
    return Tlp.RED
