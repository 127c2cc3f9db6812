"""Statements: one thing an office puts on record, as the bytes its log commits to.

Rules: the payload is a header in canonical JSON, one newline, and the body's bytes untouched. The
header steers every decision; the body is what its media type says and is never rewritten. A
statement never changes; what its author later says of it is an act.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.canon import Instant, OfficeId, Origin, PartyId
from comity.errors import Malformed, TooLarge
from comity.limits import STATEMENT_BYTES_MAX, STATEMENT_HEADER_BYTES_MAX
from comity.party import OfficeRef
from comity.vocab import Area, Pap, Priority, Tlp, Use

MEDIA_TYPE: Final = "application/vnd.comity.statement;v=1"
"""The media type in every commitment's pre-authentication encoding."""

ACT_MEDIA: Final = "application/vnd.comity.act+json"
STIX_MEDIA: Final = "application/stix+json;version=2.1"
RELAY_MEDIA: Final = "application/vnd.comity.relay;v=1"

_KIND: Final = re.compile(r"[a-z]+(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+\Z")
KIND_CHARACTERS_MAX: Final = 64  # of a kind's name

INTEL_OBJECT: Final = "intel.object"  # a STIX object, the producer's bytes
INTEL_SIGHTING: Final = "intel.sighting"  # this party saw (or did not see) a value or an object
INTEL_EVIDENCE: Final = "intel.evidence"  # personal accounts: sealed, unindexed, never released
INTEL_QUESTION: Final = "intel.question"  # has anybody seen this?
INTEL_ANSWER: Final = "intel.answer"  # what an office says to a question, or to clarify an answer
INTEL_ATTACHMENT: Final = "intel.attachment"  # what a sample or document is, and what opens it
INTEL_PART: Final = "intel.attachment-part"  # ciphertext
INTEL_INTEREST: Final = "intel.interest"  # what an office asks others for
INTEL_RELAY: Final = "intel.relay"  # another author's statement, original bytes and proof


class Marking(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who may have a statement and what may be done with it.

    An unknown field is refused rather than ignored: it might be a restriction we do not understand.
    """

    tlp: Tlp
    pap: Pap = Pap.RED
    to: tuple[str, ...] = ()  # recipients by name; empty: whoever the TLP label and the accord admit
    embargo: Instant = 0  # nobody before this time; 0: none
    use: tuple[Use, ...] = (Use.DEFENCE,)
    transfer: tuple[str, ...] = ()  # jurisdictions that personal data may go to; empty: only the author's own
    personal: bool = False  # holds personal data
    onward: bool = True  # False: never passed on, not even where the TLP label would allow it


class Ref(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement's id: origin, index and leaf hash (base64)."""

    origin: Origin
    index: int
    leaf: str
    role: str = "about"


class Relayed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a relay's header repeats of the original, so that the release decision can be made by class."""

    origin: Origin
    office: OfficeId
    kind: str
    accord: int


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every statement says of itself. Fields of later versions are kept in the bytes.

    `accord` is the version of the accord under which it was made (0 in a home log).
    """

    v: int
    kind: str
    office: OfficeId
    accord: int
    at: Instant  # by the author's clock: for people; deadlines go by receipts
    media: str
    marking: Marking | None = None  # None only for acts, which carry no content
    priority: Priority = Priority.ROUTINE
    refs: tuple[Ref, ...] = ()
    conduct: str = ""  # for requests and notifications: what they are about, from `vocab.Conduct`
    exercise: bool = False
    source: str = ""  # where the office had it from, as the office names its sources
    relayed: Relayed | None = None  # only in a relay: whose statement it passes on


class Statement(NamedTuple):
    """A statement as read from a log: who, under which header, and the body's bytes."""

    party: PartyId
    header: Header
    body: bytes


def area_of(kind: str) -> str:
    """Return the area of a kind: `intel` of `intel.object`, `act` of `act.retract`."""
    return kind.partition(".")[0]


def is_act(kind: str) -> bool:
    """Say whether a kind is an act: spine, without content, passing every gate."""
    return kind.startswith("act.")


KNOWN_AREAS: Final = frozenset({*(area.value for area in Area), "act", "home"})


def join(header: bytes, body: bytes) -> bytes:
    """Return the payload bytes of a statement. Raises `TooLarge`."""
    if len(header) > STATEMENT_HEADER_BYTES_MAX:
        raise TooLarge(f"a header of {len(header)} bytes is over STATEMENT_HEADER_BYTES_MAX")
    if len(header) + len(body) + 1 > STATEMENT_BYTES_MAX:
        raise TooLarge(f"a statement of {len(header) + len(body)} bytes is over STATEMENT_BYTES_MAX")
    return header + b"\n" + body


def cut(payload: bytes) -> tuple[bytes, bytes]:
    """Split a payload into header bytes and body bytes. Raises `Malformed` or `TooLarge`."""
    if len(payload) > STATEMENT_BYTES_MAX:
        raise TooLarge(f"a statement of {len(payload)} bytes is over STATEMENT_BYTES_MAX")
    end = payload.find(b"\n", 0, STATEMENT_HEADER_BYTES_MAX + 1)
    if end < 0 and len(payload) > STATEMENT_HEADER_BYTES_MAX:
        raise TooLarge("a statement's header is over STATEMENT_HEADER_BYTES_MAX")
    if end < 0:
        raise Malformed("a statement without a header line")
    return payload[:end], payload[end + 1 :]


def encode_header(header: Header) -> bytes:
    """Return the canonical bytes of a header."""
    return canon.encode(header)


def decode_header(data: bytes) -> Header:
    """Read a header; raises `Malformed` for anything but canonical JSON of the right shape.

    Callers keep the answer per distinct bytes: one batch shares a handful of headers.
    """
    header = canon.decode(data, Header, what="a statement's header")
    if header.v != 1:
        raise Malformed(f"a statement of version {header.v}; this node reads version 1", hint="upgrade this node")
    canon.slug(header.office, what="an office")
    _check_kind(header.kind)
    if header.marking is None and header.accord and area_of(header.kind) not in {"act", "home"}:
        # In a home log (accord version 0) content may stay unmarked: it is withheld from everyone.
        raise Malformed(f"a {header.kind} without a marking: unmarked content is not released")
    if is_act(header.kind) and header.marking is not None:
        raise Malformed("an act carries no content and so no marking")
    if (header.kind == INTEL_RELAY) != (header.relayed is not None):
        raise Malformed("a relay, and nothing else, says whose statement it passes on")
    if header.relayed is not None:
        _check_relayed(header.relayed)
    return header


def _check_kind(kind: str) -> None:
    if len(kind) > KIND_CHARACTERS_MAX or not _KIND.match(kind):
        raise Malformed(f"{kind!r} is not a kind of statement")


def _check_relayed(relayed: Relayed) -> None:
    _check_kind(relayed.kind)
    canon.slug(relayed.office, what="an office")
    if canon.parse_origin(relayed.origin)[1] is None:
        raise Malformed("a home log's records are not passed on")
    if is_act(relayed.kind) or relayed.kind == INTEL_RELAY:
        # The release decision takes a relay for what it relays: an act's name would pass every gate.
        raise Malformed(f"a relay of {relayed.kind}: content is relayed, once, with its author's own proof")


def author(statement: Statement) -> OfficeRef:
    """Return the office that made a statement."""
    return OfficeRef(statement.party, statement.header.office)
