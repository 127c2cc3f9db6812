"""The one way out: what may go to whom, decided by class and recorded before a byte is sent.

Rules: statements share a class when they share header and standing; the decision is the same for all of
it, so it is made once and applied in SQL. A decision is kept in memory until it lapses or anything it
rests on changes (`Node.epoch`). Each decision that lets something go, or holds it back from somebody who
asked, is on the home log with its findings and the runs it covers, before the bytes leave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from comity import canon, policy
from comity.acts import Standing
from comity.canon import Instant, OfficeId, PartyId
from comity.errors import Malformed, NotFound
from comity.node import books, correspondents
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Brief, Log, Unit, place, position
from comity.node.spans import joined, runs, without
from comity.party import OfficeRef
from comity.policy import Audience, Decision, Facts, Release, Terms
from comity.statement import Header, is_act
from comity.vocab import Held, Purpose

KIND: Final = "home.release"
READ_AT_ONCE: Final = 4_096  # entries read together, without bytes
HALVED_MIN: Final = 256  # entries; so few are read one by one
_TWO: Final = 2
CLASSES_KEPT: Final = 65_536  # decisions kept in memory: some 500 bytes each


class Judged(NamedTuple):
    """The decisions about one class of statements for one party or audience."""

    decisions: tuple[Decision, ...]
    lapses: Instant | None

    @property
    def released(self) -> tuple[Release, ...]:
        """Return the releases among them."""
        return tuple(d for d in self.decisions if isinstance(d, Release))


class Class(NamedTuple):
    """A class of statements within one log: interned header and standing."""

    header_id: int
    standing_id: int


class _Line(NamedTuple):
    of: str  # the digest of the class's header bytes, or "acts"
    spans: list[tuple[int, int]]
    decisions: list[dict[str, object]]


_Audiences = Callable[[Facts, Standing], tuple[Audience, ...]]


class Releases:
    """Decides, remembers and records."""

    def __init__(self, node: Node, accords: Accords) -> None:
        self._node = node
        self._accords = accords
        self._epoch = -1
        self._kept: dict[tuple[int, Class, str], Judged] = {}
        self._recorded: dict[tuple[str, str, bytes], list[tuple[int, int]]] = {}  # runs on record, ascending

    # -- deciding ------------------------------------------------------------

    def for_party(self, unit: Unit, log: Log, which: Class, party: PartyId) -> Judged:
        """Decide a class for every audience of a party: its offices and the persons a marking names."""
        return self._judge(unit, log, which, str(party), lambda facts, by: self.audiences(unit, facts, party, by))

    def for_audience(self, unit: Unit, log: Log, which: Class, audience: Audience) -> Judged:
        """Decide a class for one audience."""
        return self._judge(unit, log, which, f"{audience.name} {audience.purpose}", lambda *_: (audience,), audience)

    def _judge(
        self, unit: Unit, log: Log, which: Class, key: str, audiences: _Audiences, only: Audience | None = None
    ) -> Judged:
        if self._epoch != self._node.epoch or len(self._kept) > CLASSES_KEPT:
            self._kept.clear()
            self._epoch = self._node.epoch
        known = self._kept.get((log.id, which, key))
        now = self._node.now()
        if known is not None and (known.lapses is None or now < known.lapses):
            return known
        header = self._node.header(unit.entries.header(which.header_id))
        standing = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
        facts = self.facts(unit, log, header, self._holder(log, header, only))
        terms = self.terms(unit, log, header)
        decisions = tuple(policy.decide(facts, to, terms, standing, now) for to in audiences(facts, standing))
        ends = [d.lapses for d in decisions if d.lapses is not None]
        judged = self._kept[log.id, which, key] = Judged(decisions, min(ends, default=None))
        return judged

    def _holder(self, log: Log, header: Header, audience: Audience | None) -> OfficeRef | None:
        """Return the office of ours that would let a received statement go to its correspondent, or None."""
        if audience is None or not audience.correspondent or audience.office.party != self._node.me:
            return None
        received = not log.own or header.relayed is not None
        return audience.office if received else None

    def facts(self, unit: Unit, log: Log, header: Header, holder: OfficeRef | None = None) -> Facts:
        """Return the facts of a class in a log: of the original, where it is a relay.

        Its author holds it, or the relay's office, unless `holder` says who else lets it go.
        """
        party, accord, _ = canon.parse_origin(log.origin)
        if header.relayed is None:
            jurisdiction = self._jurisdiction(unit, party)
            return policy.facts(header, party, accord=accord, jurisdiction=jurisdiction, holder=holder)
        author, stated_in, _ = canon.parse_origin(header.relayed.origin)
        original = msgspec.structs.replace(
            header, kind=header.relayed.kind, office=header.relayed.office, accord=header.relayed.accord, relayed=None
        )
        holder = holder or OfficeRef(party, header.office)
        jurisdiction = self._jurisdiction(unit, author)
        return policy.facts(original, author, accord=stated_in, jurisdiction=jurisdiction, holder=holder)

    def terms(self, unit: Unit, log: Log, header: Header) -> Terms:
        """Return the terms that govern a class: of the log's accord, at the version the statement names."""
        accord = canon.parse_origin(log.origin)[1]
        if accord is None:
            return policy.EMPTY
        try:
            return policy.terms_of(self._accords.get(unit, accord), header.accord)
        except NotFound:
            return policy.EMPTY

    def audiences(self, unit: Unit, facts: Facts, party: PartyId, standing: Standing) -> tuple[Audience, ...]:
        """Return everybody of a party whom a statement could reach: its offices, and persons named by its author."""
        try:
            card = self._node.card(unit, party).card
        except NotFound:
            return ()
        offices = [Audience(ref, card.jurisdiction) for ref in card.offices_refs]
        marked = facts.marking.to if facts.marking else ()
        names = {*marked, *(standing.to or ()), *(to for to, _ in standing.consents)}
        named: list[Audience] = []
        for name in sorted(names):
            try:
                office, person, _ = policy.parse_audience(name)
            except Malformed:
                continue  # a name that nobody can have admits nobody
            if office.party == party and person:
                named.append(Audience(office, card.jurisdiction, person=person))
        return (*offices, *named)

    def audience(self, unit: Unit, name: str, purpose: Purpose = Purpose.READ) -> Audience:
        """Return the audience of that name, as cards and registers describe it. Raises `NotFound`, `Malformed`."""
        office, person, correspondent = policy.parse_audience(name)
        card = self._node.card(unit, office.party).card
        card.office(office.office)
        if not correspondent:
            return Audience(office, card.jurisdiction, person=person, purpose=purpose)
        known = correspondents.by_audience(unit, name)
        if known is None:
            raise NotFound(f"{name} is not registered", hint="`comity party correspondent` registers it with a ceiling")
        return correspondents.audience(known, self._node.now(), purpose)

    def readable(self, unit: Unit, log: Log, which: Class, actor: Actor) -> Judged | None:
        """Return the decision that lets an office of this party read, or None for its own records."""
        header = self._node.header(unit.entries.header(which.header_id))
        if log.own and header.office == actor.office_id and header.relayed is None:
            return None
        card = self._node.card(unit, self._node.me).card
        office, person = actor.office, actor.user
        audiences = (Audience(office, card.jurisdiction), Audience(office, card.jurisdiction, person=person))
        return self._judge(unit, log, which, f"{actor.person} reads", lambda *_: audiences)

    def _jurisdiction(self, unit: Unit, party: PartyId) -> str:
        try:
            return self._node.card(unit, party).card.jurisdiction
        except NotFound:
            return ""

    # -- recording -----------------------------------------------------------

    def unrecorded(
        self, unit: Unit, log: Log, decided: Iterable[tuple[Class, Judged, Sequence[int]]], *, to: str
    ) -> list[_Line]:
        """Return what of these decisions is not on the home log yet, by class with the runs it covers."""
        lines: list[_Line] = []
        for which, judged, indexes in decided:
            header = unit.entries.header(which.header_id)
            findings = _findings(judged)
            digest = hashlib.sha256(canon.encode(findings)).digest()
            spans = without(runs(indexes), self._recorded.get((to, log.origin, digest), ()))
            if spans:
                name = "acts" if is_act(self._node.header(header).kind) else canon.digest(header)
                lines.append(_Line(name, spans, findings))
        return _merged(lines)

    def record(self, unit: Unit, log: Log, lines: Sequence[_Line], *, to: str, office: OfficeId, why: str) -> None:
        """Put decisions on the home log. Must be durable before bytes leave; `recorded` then remembers it."""
        body = {"to": to, "origin": log.origin, "why": why, "classes": [line._asdict() for line in lines]}
        books.record(self._node, unit, office, KIND, body)

    def recorded(self, log: Log, decided: Iterable[tuple[Class, Judged, Sequence[int]]], *, to: str) -> None:
        """Remember what is durably on record, so that it is not repeated for the same entries."""
        if sum(map(len, self._recorded.values())) > CLASSES_KEPT:
            self._recorded.clear()  # what is forgotten is recorded once more: never the other way round
        for _, judged, indexes in decided:
            digest = hashlib.sha256(canon.encode(_findings(judged))).digest()
            known = self._recorded.setdefault((to, log.origin, digest), [])
            known[:] = joined([*known, *runs(indexes)])


def _findings(judged: Judged) -> list[dict[str, object]]:
    return [
        {
            "audience": d.audience.name,
            "purpose": d.audience.purpose.value,
            "outcome": "release" if isinstance(d, Release) else "withholding",
            "lapses": d.lapses or 0,
            "findings": [[f.rule, f.allows, f.because] for f in d.findings],
        }
        for d in judged.decisions
    ]


def _merged(lines: Sequence[_Line]) -> list[_Line]:
    """Join the lines of one class with equal decisions: acts of a thousand headers are one line."""
    merged: dict[bytes, _Line] = {}
    for line in lines:
        known = merged.setdefault(canon.encode([line.of, line.decisions]), _Line(line.of, [], line.decisions))
        known.spans.extend(line.spans)
    return list(merged.values())


class ClassRun(NamedTuple):
    """A run of entries whose payloads are held, all of one class."""

    log_id: int
    start: int  # indexes
    end: int
    which: Class

    @property
    def places(self) -> range:
        """Return the positions of its entries."""
        return range(position(self.log_id, self.start), position(self.log_id, self.end))


def class_runs(unit: Unit, places: Sequence[int]) -> Iterator[ClassRun]:
    """Yield what is held of some positions, ascending, as runs of one class.

    Of a log most entries that stand together are of one class, and to ask for the classes of a run makes no row for
    each entry.
    """
    for start, end in runs(places):
        log_id, first = place(start)
        yield from classes_in(unit, log_id, first, first + end - start)


def classes_in(unit: Unit, log_id: int, start: int, end: int) -> Iterator[ClassRun]:
    """Yield the same of a run of a log's entries."""
    size = unit.logs.get(log_id).size  # what came ahead of its turn stands behind it
    for first in range(start, end, READ_AT_ONCE):
        last = min(first + READ_AT_ONCE, end)
        if last <= size:
            yield from _halved(unit, log_id, first, last)
        else:
            yield from _one_by_one(log_id, unit.entries.brief(log_id, first, last))


def _halved(unit: Unit, log_id: int, start: int, end: int) -> Iterator[ClassRun]:
    """Yield a short run's classes; where one ends and another begins is found by halving."""
    classes = unit.entries.classes(log_id, start, end)
    if len(classes) == 1 and [held for _, _, held in unit.entries.held_runs(log_id, start, end)] == [Held.PAYLOAD]:
        yield ClassRun(log_id, start, end, Class(*classes[0]))
    elif len(classes) == _TWO and end - start > HALVED_MIN:
        middle = (start + end) // 2
        yield from _halved(unit, log_id, start, middle)
        yield from _halved(unit, log_id, middle, end)
    elif classes:
        yield from _one_by_one(log_id, unit.entries.brief(log_id, start, end))


def _one_by_one(log_id: int, found: Iterable[Brief]) -> Iterator[ClassRun]:
    open_: ClassRun | None = None
    for brief in found:
        if brief.held is not Held.PAYLOAD:
            continue
        index, which = place(brief.position)[1], Class(brief.header_id, brief.standing_id)
        if open_ is not None and (open_.end, open_.which) == (index, which):
            open_ = open_._replace(end=index + 1)
            continue
        if open_ is not None:
            yield open_
        open_ = ClassRun(log_id, index, index + 1, which)
    if open_ is not None:
        yield open_


def by_class(unit: Unit, log: Log, start: int, end: int) -> dict[Class, list[int]]:
    """Return the indexes of a run's held payloads by class."""
    found: dict[Class, list[int]] = {}
    for brief in unit.entries.brief(log.id, start, end):
        if brief.held is Held.PAYLOAD:
            found.setdefault(Class(brief.header_id, brief.standing_id), []).append(place(brief.position)[1])
    return found
