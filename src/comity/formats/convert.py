"""What readers of foreign formats give: STIX objects, and a line for whatever did not come over whole.

Rules: a reader is a generator of `Made` and `Loss` in the order of its input. It drops nothing without a
`Loss`, and one bad thing stops nothing behind it. It has no clock and no randomness: what its input does not
date it dates with the moment of the import and says so (`timeless`), so that a second import can see
that nothing is new. Ids are the format's own UUIDs, or follow from the source and the content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha1
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from comity.canon import Instant
from comity.formats.observables import Observable
from comity.formats.stix.report import bounded
from comity.limits import INGEST_REFUSALS_SHOWN_MAX
from comity.vocab import Tlp

NAMESPACE: Final = UUID("6f0c6a52-1d0b-5c83-9a3e-5f5f3a0d1c47")  # of ids that follow from source and content
TLP_REFS: Final = {  # TLP 2.0 marking definitions (OASIS common objects)
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODE: Final = msgspec.json.Encoder().encode
_ABSENT: Final[tuple[object, ...]] = (None, "", [])


class Outcome(StrEnum):
    """What became of a part of the input."""

    REFUSED = "refused"  # broken or forbidden: not taken
    UNMAPPED = "unmapped"  # good, but nothing here stands for it: only the original has it
    CHANGED = "changed"  # taken, but not as it was
    SEALED = "sealed"  # a personal account: evidence, outside index and export


class Loss(NamedTuple):
    """One thing that did not come over whole."""

    where: str  # its place in the input: a path, a line, an id
    outcome: Outcome
    rule: str  # a short name to count by, e.g. `attribute-type`
    reason: str  # one line for a person


class Made(NamedTuple):
    """One STIX 2.1 object made of a part of the input."""

    data: bytes  # JSON
    where: str  # the part's place in the input
    timeless: bool = False  # its times are the import's, not the input's


class Attached(NamedTuple):
    """A file that an input carries inside: kept as an attachment, never opened."""

    data: bytes
    name: str
    about: tuple[str, ...]  # STIX ids of what was made of the place it stood at
    where: str
    tlp: Tlp | None = None  # None: the source's default decides
    note: str = ""


class Context(NamedTuple):
    """What a reader is told: whose ids, and the moment of the import."""

    source: str  # of ids for what has none: the same source and content give the same id
    at: Instant  # seconds; the date of what bears none
    creator: str = ""  # a STIX identity id for `created_by_ref` of what names no creator of its own


Reader = Callable[[Iterable[bytes], Context], Iterator[Made | Loss | Attached]]
"""Reads one input, given in chunks of any size. Raises nothing for what its bytes hold: that is a `Loss`."""


def whole(chunks: Iterable[bytes], limit: int) -> bytes | None:
    """Return an input that has to be read whole; None where it is longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)


def loss(where: str, outcome: Outcome, rule: str, reason: str) -> Loss:
    """Return a loss whose words are bounded and printable: they may quote hostile input."""
    return Loss(bounded(where), outcome, rule, bounded(reason))


@dataclass(slots=True)
class Losses:
    """Losses counted by outcome and rule, the first ones named."""

    counts: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    shown: list[Loss] = field(default_factory=list)

    def add(self, found: Loss) -> None:
        """Count a loss; name it while there is room."""
        self.counts[found.outcome, found.rule] += 1
        if len(self.shown) < INGEST_REFUSALS_SHOWN_MAX:
            self.shown.append(found)


def ident(kind: str, context: Context, *content: str) -> str:
    """Return the STIX id that follows from a source and the content."""
    return f"{kind}--{named_uuid(NAMESPACE, chr(0).join((context.source, kind, *content)))}"


def named_uuid(namespace: UUID, name: str) -> str:
    """Return what `str(uuid.uuid5(namespace, name))` does (RFC 9562 §5.5), in a third of the time."""
    digest = bytearray(sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # variant of RFC 9562
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


def timestamp(micros: int) -> str:
    """Return microseconds since the epoch as STIX writes them (§2.16), with three digits or six."""
    when = _EPOCH + timedelta(microseconds=micros)
    digits = f"{micros % 1_000_000:06}" if micros % 1_000 else f"{micros // 1_000 % 1_000:03}"
    return f"{when:%Y-%m-%dT%H:%M:%S}.{digits}Z"


def encode(tree: Mapping[str, Any]) -> bytes:
    """Return an object's JSON, absent values (None, empty text and lists) left out."""
    return _ENCODE({name: value for name, value in tree.items() if value or value not in _ABSENT})


def object_(
    kind: str, ident_: str, created: int, modified: int | None = None, *, tlp: Tlp | None = None, **properties: Any
) -> dict[str, Any]:
    """Return the common properties of a domain object (STIX 2.1 §3.2); times in microseconds since the epoch."""
    made = {
        "type": kind,
        "spec_version": "2.1",
        "id": ident_,
        "created": timestamp(created),
        "modified": timestamp(created if modified is None else max(created, modified)),
        **properties,
    }
    if tlp is not None:
        made["object_marking_refs"] = [TLP_REFS[tlp], *made.get("object_marking_refs", [])]
    return made


_PATHS: Final = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    "asn": "autonomous-system:number",
    "mac": "mac-addr:value",
    "md5": "file:hashes.MD5",
    "sha1": "file:hashes.'SHA-1'",
    "sha256": "file:hashes.'SHA-256'",
    "sha512": "file:hashes.'SHA-512'",
    "file-name": "file:name",
    "file-path": "file:path",
    "registry-key": "windows-registry-key:key",
    "mutex": "mutex:name",
    "user-agent": "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'",
    "cve": "vulnerability:name",
    "wallet": "cryptocurrency-wallet:value",
}
_CERTIFICATES: Final = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}


def comparison(found: Observable) -> str:
    """Return the STIX comparison that an observable is found by, e.g. `ipv4-addr:value = '192.0.2.1'`; or nothing."""
    path = _PATHS.get(found.kind, "")
    if found.kind == "certificate":
        path = f"x509-certificate:hashes.'{_CERTIFICATES[len(found.value)]}'"
    if not path:
        return ""
    if found.kind == "asn":
        return f"{path} = {found.value.lower().removeprefix('as')}"
    return f"{path} = {quote(found.value)}"


def pattern(found: Sequence[Observable]) -> str:
    """Return the STIX pattern that any of these observables match; empty where none has a place in STIX."""
    tests = [test for one in found if (test := comparison(one))]
    return f"[{' OR '.join(tests)}]" if tests else ""


def quote(text: str) -> str:
    """Return a text as a literal of the STIX pattern grammar (§9.1)."""
    escaped = text.replace(chr(92), chr(92) * 2).replace("'", chr(92) + "'")
    return f"'{escaped}'"
