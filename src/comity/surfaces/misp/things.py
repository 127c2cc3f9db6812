"""What a reader sees, object by object, with what grouping it into events needs; read on from where it was left.

Rules: kept of an object are its names and references, never its content. Who says an object is told by its log, office
and source: one who states another's object anew replaces nothing of it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any, Final, NamedTuple

import msgspec

from comity.acts import Standing
from comity.canon import OfficeId, PartyId, parse_origin
from comity.formats.misp import fields
from comity.limits import SEEN_PAGE_OBJECTS_MAX
from comity.node import exporting
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.releases import Class
from comity.node.seeing import Wanted
from comity.node.spans import runs
from comity.surfaces.misp.admission import Reader
from comity.vocab import Tlp

MICROSECONDS: Final = 1_000_000
GATHERERS: Final = frozenset({"report", "grouping"})
PART: Final = "misp-event"  # context of a grouping that is a part of a report
_STANDING: Final = msgspec.json.Decoder(Standing).decode


class Sayer(NamedTuple):
    """Who says an object: whose log it stands in (of a relay: the first), the office, and where that had it from."""

    party: PartyId
    office: OfficeId
    source: str


@dataclass(slots=True, eq=False)
class Thing:
    """One object that a reader sees."""

    ident: str  # STIX id
    position: int
    added: int  # microseconds: when it was opened to the reader
    modified: int  # microseconds; 0 where it has none
    day: str  # on which it was made, by itself or by when it was recorded
    creator: str  # STIX id; empty for none
    refs: tuple[str, ...]  # of a report, grouping or observation: what it names; of others: what they are about
    sayer: Sayer
    tlp: Tlp  # of the statement, as narrowed since
    word: str  # see `openings`
    title: str = ""  # of reports, groupings and identities
    labels: tuple[str, ...] = ()  # of reports and groupings
    part: bool = False  # a grouping that is a part of a report
    home: Any = None  # the event that it belongs to
    kind: str = ""  # STIX type
    scattered: bool = False  # an observed object: others that it names are shown through it


class _Said(msgspec.Struct):
    """What is read of an object; where a specification knows none of it, it may be anything."""

    id: str
    created: Any = ""
    modified: Any = ""
    created_by_ref: Any = ""
    object_refs: Any = ()
    sighting_of_ref: Any = ""
    source_ref: Any = ""
    target_ref: Any = ""
    name: Any = ""
    labels: Any = ()
    context: Any = ""


_DECODE: Final = msgspec.json.Decoder(_Said).decode
_NAMED: Final = frozenset({"report", "grouping", "identity"})


class Walk:
    """Reads what a reader sees, page by page."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._sayers: dict[tuple[int, int], Sayer] = {}  # by log and header
        self._labels: dict[tuple[int, int], Tlp] = {}  # by header and standing

    def forget(self) -> None:
        """Forget what is known by numbers of headers and standings."""
        self._sayers.clear()
        self._labels.clear()

    def pages(self, reader: Reader, after: int) -> Iterator[list[Thing]]:
        """Yield what a reader sees that was added after a time, in that order, a page at a time."""
        seeing, who = reader.seeing, reader.who
        while True:
            wanted = Wanted(after=after)
            plain = seeing.plain(who, wanted, limit=SEEN_PAGE_OBJECTS_MAX)
            if plain is not None:
                rows = [
                    (at, added, plain.word, body)
                    for at, added, body in zip(plain.places, plain.times, plain.bodies, strict=True)
                ]
                after, more = plain.last, plain.more
            else:
                page = seeing.page(who, wanted, limit=SEEN_PAGE_OBJECTS_MAX)
                rows = [(one.position, one.added, one.word, one.body) for one in page.objects]
                after, more = page.after, page.more
            with self._node.store.read() as unit:
                yield self._things(unit, rows)
            if not more:
                return

    def _things(self, unit: Unit, rows: Sequence[tuple[int, int, str, bytes]]) -> list[Thing]:
        facts = self._facts(unit, [row[0] for row in rows])
        return [_thing(row, facts[row[0]]) for row in rows if row[0] in facts]

    def _facts(self, unit: Unit, places: Sequence[int]) -> dict[int, tuple[Sayer, Tlp, int]]:
        """Return who says each entry, its label, and when it was recorded (seconds)."""
        found: dict[int, tuple[Sayer, Tlp, int]] = {}
        wanted = set(places)
        for first, end in runs(sorted(wanted)):
            log_id, index = place(first)
            for brief in unit.entries.brief(log_id, index, index + end - first):
                header = self._node.header(unit.entries.header(brief.header_id))
                sayer = self._sayers.get((log_id, brief.header_id))
                if sayer is None:
                    party, office, source = unit.logs.get(log_id).party, header.office, header.source
                    if header.relayed is not None:
                        party, office, source = parse_origin(header.relayed.origin)[0], header.relayed.office, ""
                    sayer = self._sayers[log_id, brief.header_id] = Sayer(party, office, source)
                pair = brief.header_id, brief.standing_id
                if pair not in self._labels:
                    self._labels[pair] = exporting.label_of(self._node, unit, Class(*pair))
                found[brief.position] = sayer, self._labels[pair], header.at
        return found


def _thing(row: tuple[int, int, str, bytes], facts: tuple[Sayer, Tlp, int]) -> Thing:
    at, added, word, body = row
    sayer, tlp, recorded = facts
    said = _DECODE(body)
    kind = said.id.partition("--")[0]
    modified = fields.moment(said.modified)
    created = said.created if isinstance(said.created, str) and fields.moment(said.created) else ""
    day = created[:10] or fields.timestamp(recorded * MICROSECONDS)[:10]
    about = [said.sighting_of_ref, said.source_ref, said.target_ref]
    refs = tuple(intern(ref) for ref in (*_texts(said.object_refs), *about) if isinstance(ref, str) and ref)
    creator = intern(_text(said.created_by_ref))
    thing = Thing(intern(said.id), at, added, modified or 0, intern(day), creator, refs, sayer, tlp, word)
    thing.kind, thing.scattered = intern(kind), not created
    if kind in _NAMED:
        thing.title, thing.labels = _text(said.name), _texts(said.labels)
        thing.part = kind == "grouping" and said.context == PART
    return thing


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
