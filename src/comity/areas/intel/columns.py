"""The tables that intelligence adds up to, and the codes that stand in them.

Rules: a code is never given another meaning, for rows of older programs hold it; lists are appended to.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct
from typing import Final

from comity.errors import Malformed
from comity.formats.decay import Verdict
from comity.view import View, ViewKind

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
STATED: Final = View(
    "intel_stated",
    (
        ("position", ViewKind.INTEGER),
        ("object", ViewKind.INTEGER),  # see `object_number`
        ("modified", ViewKind.INTEGER),
    ),
    clustered=("object",),
    hashed=True,
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
        ("key", ViewKind.BLOB),  # the key of a value, or of an object (`object_key`)
        ("seen", ViewKind.INTEGER),
        ("count", ViewKind.INTEGER),  # 0: looked for and not seen
        ("verdict", ViewKind.INTEGER),  # the place in VERDICTS
        ("object", ViewKind.INTEGER),  # of a STIX sighting or opinion its own number; 0: a sighting of Comity's own
    ),
    clustered=("key",),
)

VERDICTS: Final = (Verdict.SEEN, Verdict.FALSE_POSITIVE, Verdict.EXPIRED)  # append only
REVOKED: Final = 1
CUSTOM: Final = 2
PERSONAL: Final = 4  # somebody's account: it is sealed, and never has a row
CONFIDENCE_SHIFT: Final = 8  # above the flags: the producer's confidence from 0 to 100, and one; 0 where it gave none

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
_NUMBER: Final = Struct(">q")
_CODES: Final = {name: code for code, name in enumerate(STIX_TYPES, 1)}


def type_code(name: str) -> int:
    """Return the code of an object type; 0 for a custom one."""
    return _CODES.get(name, 0)


def type_name(code: int) -> str:
    """Return the object type of a code; `custom` for 0."""
    return STIX_TYPES[code - 1] if 0 < code <= len(STIX_TYPES) else "custom"


def confidence_of(flags: int) -> int | None:
    """Return the confidence that the flags of a row carry, from 0 to 100; None where its producer gave none."""
    told = flags >> CONFIDENCE_SHIFT
    return told - 1 if told else None


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
    """Return 64 bits of a uuid's digest: among the rows of one value they tell one object from another.

    Of its digest, because nobody can choose another uuid with the same.
    """
    (number,) = _NUMBER.unpack(sha256(uuid).digest()[:8])
    return int(number)


def object_key(number: int) -> bytes:
    """Return what sightings of an object are found by: shorter than any value's key, and so never one."""
    return _NUMBER.pack(number)
