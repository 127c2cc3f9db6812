"""Intelligence: STIX objects with their producer's bytes, sightings, relays; what they add up to.

Rules: an object's rows come from its own bytes and nothing else, so every node folds the same statement
to the same rows. An object is known by (uuid, type) and its versions by `modified`; the same version
from five sources is five rows with one key: one thing, five witnesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.canon import Instant, Origin
from comity.errors import Malformed
from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.statement import INTEL_OBJECT, INTEL_RELAY, INTEL_SIGHTING, Header
from comity.view import Row, View, ViewKind
from comity.vocab import Tlp

NAME: Final = "intel"
VERSION: Final = 4  # of these views: a store folded by another version is folded again

OBJECT: Final = View(
    "intel_object",
    (
        ("position", ViewKind.INTEGER),
        ("uuid", ViewKind.BLOB),
        ("type", ViewKind.INTEGER),
        ("modified", ViewKind.INTEGER),  # microseconds since the epoch
        ("until", ViewKind.INTEGER),  # seconds; NULL: no end given
        ("flags", ViewKind.INTEGER),
    ),
)
UUID: Final = View(
    "intel_uuid",
    (("position", ViewKind.INTEGER), ("uuid", ViewKind.BLOB), ("modified", ViewKind.INTEGER)),
    clustered=("uuid",),
)
# What a look-up answers stands in the row itself: a value is found in one tree.
OBSERVABLE: Final = View(
    "intel_observable",
    (
        ("position", ViewKind.INTEGER),
        ("key", ViewKind.BLOB),
        ("object", ViewKind.INTEGER),  # see `object_number`
        ("type", ViewKind.INTEGER),
        ("modified", ViewKind.INTEGER),
        ("until", ViewKind.INTEGER),
        ("flags", ViewKind.INTEGER),
    ),
    clustered=("key",),
    with_header=True,
)
SIGHTING: Final = View(
    "intel_sighting",
    (
        ("position", ViewKind.INTEGER),
        ("key", ViewKind.BLOB),  # the key of a value, or the uuid of an object
        ("seen", ViewKind.INTEGER),
        ("count", ViewKind.INTEGER),  # 0: looked for and not seen
    ),
    by=(("key",),),
)
VIEWS: Final = (OBJECT, UUID, OBSERVABLE, SIGHTING)

REVOKED: Final = 1
CUSTOM: Final = 2

STIX_TYPES: Final = (
    *("attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator"),
    *("infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data"),
    *("opinion", "report", "threat-actor", "tool", "vulnerability", "relationship", "sighting"),
    *("marking-definition", "language-content", "extension-definition"),
    *("artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file"),
    *("ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url"),
    *("user-account", "windows-registry-key", "x509-certificate"),
)
"""STIX 2.1 object types; the place in this list, from 1, is the type's code in the view. Append only."""

_HALVES: Final = Struct(">qq").unpack
_CODES: Final = {name: code for code, name in enumerate(STIX_TYPES, 1)}


def type_code(name: str) -> int:
    """Return the code of an object type; 0 for a custom one."""
    return _CODES.get(name, 0)


def type_name(code: int) -> str:
    """Return the object type of a code; `custom` for 0."""
    return STIX_TYPES[code - 1] if 0 < code <= len(STIX_TYPES) else "custom"


class Sighting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """This party saw a value or an object `count` times, last at `seen`; count 0: it looked and saw nothing."""

    seen: Instant
    count: int = 1
    kind: str = ""  # of the value, with `value`
    value: str = ""
    object: str = ""  # a STIX id, where an object was seen
    note: str = ""

    def key(self) -> bytes:
        """Return what the view finds it by. Raises `Malformed` where it names nothing."""
        if self.value:
            return observables.key(Observable(self.kind, self.value))
        return uuid_of(self.object)


def uuid_of(ident: str) -> bytes:
    """Return the 16 bytes of a STIX id's UUID. Raises `Malformed`."""
    _, _, tail = ident.partition("--")
    digits = tail.replace("-", "")
    try:
        value = bytes.fromhex(digits)
    except ValueError as error:
        raise Malformed(f"{ident!r} is not a STIX id") from error
    if len(value) != 16 or len(tail) != 36:
        raise Malformed(f"{ident!r} is not a STIX id")
    return value


def object_number(uuid: bytes) -> int:
    """Return a uuid folded to 64 bits: among the rows of one value it tells one object from another."""
    one, other = _HALVES(uuid)
    return int(one ^ other)


class RelayLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a relay's body: where the original stands, and what opens and proves it."""

    origin: Origin
    index: int
    version: int  # of the accord it was stated under: part of its commitment
    salt: str  # base64 of 16 bytes
    proof: str  # a tlog-proof of the leaf


class Relay(NamedTuple):
    """A relay's body: the line, and the original payload untouched."""

    line: RelayLine
    payload: bytes


def join_relay(relay: Relay) -> bytes:
    """Return the body of a relay."""
    return canon.encode(relay.line) + b"\n" + relay.payload


def cut_relay(body: bytes) -> Relay:
    """Read the body of a relay. Raises `Malformed`."""
    end = body.find(b"\n")
    if end < 0:
        raise Malformed("a relay without its first line")
    return Relay(canon.decode(body[:end], RelayLine, what="a relay"), body[end + 1 :])


class Item(NamedTuple):
    """A statement to fold: where it stands, its header, and the body (for a relay: the original's)."""

    position: int
    header: Header
    body: bytes


class Facts(NamedTuple):
    """What the views keep of one checked object, and what a report says of it."""

    uuid: bytes  # 16
    type: int  # a code, see STIX_TYPES
    modified: int  # microseconds since the epoch
    until: int | None  # seconds
    flags: int
    tlp: Tlp | None  # the object's own level
    keys: tuple[bytes, ...]  # of its observables
    note: str  # what keeps it from being found by value, see `observe`


Checker = Callable[[Iterable[Sequence[bytes]]], Iterator[Sequence[Facts | Refusal]]]
"""Answers batches of objects in their order, one answer for each object; may take some batches ahead of answering."""


class Folded(NamedTuple):
    """The rows of a batch, and what could not be folded: (position, reason)."""

    objects: list[Row]
    uuids: list[Row]
    observables: list[Row]
    sightings: list[Row]
    refused: list[tuple[int, str]]

    @classmethod
    def empty(cls) -> Folded:
        """Return what nothing adds up to."""
        return cls([], [], [], [], [])

    def by_view(self) -> list[tuple[View, list[Row]]]:
        """Return the rows of each view."""
        return list(zip(VIEWS, self[:-1], strict=True))


def kind_of(header: Header) -> str:
    """Return the kind a statement is folded as: a relay counts as what it passes on."""
    return header.relayed.kind if header.kind == INTEL_RELAY and header.relayed else header.kind


def facts_of(checked: check.Checked) -> Facts:
    """Return what the views keep of a checked object."""
    key = observables.key
    return Facts(
        checked.uuid,
        _CODES.get(checked.type, 0),
        checked.modified,
        checked.valid_until,
        REVOKED * checked.revoked | CUSTOM * checked.custom,
        checked.tlp,
        tuple([key(observable) for observable in checked.observables]),
        checked.note,
    )


def check_many(objects: Sequence[bytes]) -> list[Facts | Refusal]:
    """Check objects, each given as its producer's bytes; one answer for each, in their order."""
    return [checked if isinstance(checked, Refusal) else facts_of(checked) for checked in check.check_many(objects)]


def check_each(batches: Iterable[Sequence[bytes]]) -> Iterator[list[Facts | Refusal]]:
    """Check batches here and now: the plainest `Checker`."""
    return map(check_many, batches)


def fold(items: Sequence[Item]) -> Folded:
    """Return the rows that statements add up to; unknown kinds give none and are kept for later."""
    folded = Folded.empty()
    objects = [item for item in items if kind_of(item.header) == INTEL_OBJECT]
    for item, facts in zip(objects, check_many([item.body for item in objects]), strict=True):
        if isinstance(facts, Refusal):
            folded.refused.append((item.position, f"{facts.rule}: {facts.reason}"))
        else:
            rows(folded, item.position, facts)
    for item in items:
        if kind_of(item.header) != INTEL_SIGHTING:
            continue
        try:
            sighting = canon.decode(item.body, Sighting, what="a sighting")
            folded.sightings.append((item.position, sighting.key(), sighting.seen, sighting.count))
        except Malformed as error:
            folded.refused.append((item.position, str(error)))
    return folded


def rows(folded: Folded, position: int, facts: Facts) -> None:
    """Add the rows of one checked object."""
    uuid, code, modified, until, flags, _, keys, _ = facts
    folded.objects.append((position, uuid, code, modified, until, flags))
    folded.uuids.append((position, uuid, modified))
    if keys:
        number = object_number(uuid)
        folded.observables.extend([(position, key, number, code, modified, until, flags) for key in keys])
