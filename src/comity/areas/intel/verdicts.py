"""What STIX sightings and opinions say of an indicator: that it was seen, or that it hits what is harmless.

Comity's own sightings go out in the same two forms (`as_stix`).

Rules: a sighting counts for the object that it is of, an opinion that disagrees for each object that it is about (STIX
2.1 §4.14, §5.2). An opinion that agrees has seen nothing, and changes no score. What cannot be read changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from comity.areas.intel.bodies import Sighting
from comity.areas.intel.columns import VERDICTS, object_key, object_number, type_code, uuid_of
from comity.canon import Instant
from comity.errors import Malformed
from comity.formats.convert import TLP_REFS, encode, timestamp
from comity.formats.decay import Verdict
from comity.formats.stix.check import moment
from comity.view import Row
from comity.vocab import Tlp

WORDS: Final = frozenset({type_code("sighting"), type_code("opinion")})
DISAGREEING: Final = frozenset({"strongly-disagree", "disagree"})  # STIX 2.1 §10.19, opinion-enum
_NO_DOMAIN_OBJECT: Final = type_code("relationship")  # from here on the types are no domain objects
ABOUT_MAX: Final = 256  # objects of one opinion that are followed
_SECOND: Final = 1_000_000  # microseconds


class _Word(msgspec.Struct):
    """The fields of a sighting or opinion that bear on a score; the object is checked already."""

    type: str
    modified: str
    sighting_of_ref: str = ""
    last_seen: str = ""
    first_seen: str = ""
    count: int = 1
    opinion: str = ""
    object_refs: Sequence[str] = ()


_DECODE: Final = msgspec.json.Decoder(_Word).decode


def as_stix(said: Sighting, uuid: str, stated: Instant, tlp: Tlp) -> bytes | None:
    """Return a sighting as a STIX object of this UUID, stated at a moment; None where STIX has no form for it.

    STIX sees domain objects, no bare values or observables (§5.2), and has no word for an indicator that has ended.
    """
    if not said.object or said.verdict is Verdict.EXPIRED:
        return None
    if said.verdict is Verdict.SEEN and type_code(said.object.partition("--")[0]) >= _NO_DOMAIN_OBJECT:
        return None
    seen = timestamp(said.seen * _SECOND)
    tree: dict[str, object] = {"spec_version": "2.1", "object_marking_refs": [TLP_REFS[tlp]]}
    if said.verdict is Verdict.SEEN:
        at = timestamp(stated * _SECOND)
        tree |= {"type": "sighting", "id": f"sighting--{uuid}", "created": at, "modified": at, "last_seen": seen}
        tree |= {"sighting_of_ref": said.object, "count": said.count, "description": said.note}
    else:
        tree |= {"type": "opinion", "id": f"opinion--{uuid}", "created": seen, "modified": seen}
        tree |= {"opinion": "strongly-disagree", "object_refs": [said.object]}
        tree |= {"explanation": "false positive" + (f" ({said.note})" if said.note else "")}
    return encode(tree)


def word_rows(position: int, number: int, data: bytes) -> list[Row]:
    """Return the sighting rows of a checked STIX sighting or opinion of this number; none where it says nothing."""
    try:
        word = _DECODE(data)
        if word.type == "sighting":
            when = moment(word.last_seen or word.first_seen or word.modified)
            verdict, about, count = Verdict.SEEN, [word.sighting_of_ref], word.count
        else:
            when, verdict, count = moment(word.modified), Verdict.FALSE_POSITIVE, 0
            about = list(word.object_refs[:ABOUT_MAX]) if word.opinion in DISAGREEING else []
        keys = {object_key(object_number(uuid_of(ident))) for ident in about}
    except (msgspec.MsgspecError, Malformed, ValueError):
        return []
    seen = (when or 0) // _SECOND
    return [(position, key, seen, count, VERDICTS.index(verdict), number) for key in sorted(keys)]
