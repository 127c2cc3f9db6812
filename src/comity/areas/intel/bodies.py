"""What a sighting and a relay say, as the bytes of a statement's body.

Rules: a body with an unknown field is refused: it might be one that changes what the others mean.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from comity import canon
from comity.areas.intel.columns import object_key, object_number, uuid_of
from comity.canon import Instant, Origin
from comity.errors import Malformed
from comity.formats import observables
from comity.formats.decay import Verdict
from comity.formats.observables import Observable
from comity.statement import INTEL_RELAY, Header, cut


class Sighting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """This party saw a value or an object `count` times, last at `seen`; count 0: it looked and saw nothing.

    With another verdict it says so of the indicator: that it hits what is harmless, or that it has ended.
    """

    seen: Instant
    count: int = 1
    kind: str = ""  # of the value, with `value`
    value: str = ""
    object: str = ""  # a STIX id, where an object was seen
    note: str = ""
    verdict: Verdict = Verdict.SEEN

    def key(self) -> bytes:
        """Return what the view finds it by. Raises `Malformed` where it names nothing."""
        if self.value:
            return observables.key(Observable(self.kind, self.value))
        return object_key(object_number(uuid_of(self.object)))


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


def body_of(header: Header, body: bytes) -> bytes:
    """Return the body of what was stated: of a relay the original's. Raises `Malformed`."""
    return cut(cut_relay(body).payload)[1] if header.kind == INTEL_RELAY else body
