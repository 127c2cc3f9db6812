"""Sharing: stating collected intelligence in an accord, and relaying what others stated, their proof with it.

Rules: what is shared is decided first, for every member's every office, by the same rules that decide at
sending; what nobody could receive is not stated. A restatement is a new statement of this office, with a
fresh salt and no trace of the home log; an anonymised one (`anonymising`) is of a new object too. A relay carries
the original bytes and the author's own proof, and is made only as the label or the author's consent allows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from comity import canon, policy, statement
from comity.accord import Accord
from comity.acts import Consent, Span, Standing, narrowed
from comity.areas import intel
from comity.canon import AccordId, Instant, Origin
from comity.errors import Misuse, NotFound, Refused
from comity.node import anonymising, books, folding, views
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.arrivals import wider
from comity.node.folding import PASSED_KIND, Passed
from comity.node.node import Node
from comity.node.ports import Entry, Log, Unit, place
from comity.node.releases import Releases
from comity.node.serving import tree
from comity.node.spans import runs
from comity.party import OfficeRef
from comity.policy import Finding, Release
from comity.statement import INTEL_OBJECT, INTEL_RELAY, RELAY_MEDIA, Header, Marking, Relayed
from comity.tlog.merkle import StoredTree, inclusion_proof
from comity.tlog.proof import Proof
from comity.vocab import Held, Priority

_Verdicts = dict[tuple[bytes, bytes], Sequence[Finding]]

ANONYMOUS: Final = "anonymous"  # the rule by which an object that may name somebody stays
NOT_OURS: Final = "another party's statement is passed on with its proof, or not at all"
BATCH: Final = 2_048  # statements stated in one unit of work


class Offer(NamedTuple):
    """What may change on the way into an accord: only ever narrower than the source's marking."""

    marking: Marking | None = None  # None: the marking each object has at home
    priority: Priority = Priority.ROUTINE
    anonymous: bool = False  # what is stated names nobody but this office; what would is withheld
    again: bool = False  # also what was stated there and taken back since


@dataclass(slots=True)
class Shared:
    """What sharing did: how much was stated, and what was held back and why."""

    accord: AccordId
    stated: int = 0
    relayed: int = 0
    known: int = 0  # stated in this accord before
    withheld: int = 0
    grounds: dict[str, int] = field(default_factory=dict)  # "rule: because" -> statements


class Sharing:
    """States and relays."""

    def __init__(self, node: Node, accords: Accords, releases: Releases) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases

    def share(self, actor: Actor, accord: str, places: Sequence[int], offer: Offer = Offer()) -> Shared:  # noqa: B008
        """State entries in an accord: own ones anew, others' as relays. Raises `Refused` where nothing may go."""
        done = Shared(AccordId(accord))
        for start in range(0, len(places), BATCH):
            with self._node.writing() as unit:
                self.state(unit, actor, accord, places[start : start + BATCH], offer, done)
        return done

    def state(self, unit: Unit, actor: Actor, accord: str, places: Sequence[int], offer: Offer, done: Shared) -> None:
        """Do what `share` does with at most `BATCH` entries in the caller's unit of work, adding to `done`."""
        found = self._accords.get(unit, accord)
        if not found.takes_part(self._node.me):
            raise Refused(f"{accord} is {found.phase} for {self._node.me}: nothing new is stated in it")
        self._batch(unit, actor, found, sorted(places), offer, done)

    def _batch(
        self, unit: Unit, actor: Actor, accord: Accord, places: Sequence[int], offer: Offer, done: Shared
    ) -> None:
        stated = self.stated(unit, accord.id, places, stood_by=offer.again)
        fresh = [at for at in places if at not in stated]
        done.known += len(places) - len(fresh)
        for log_id, group in groupby(fresh, key=lambda at: at >> 40):
            log = unit.logs.get(log_id)
            indexes = [place(at)[1] for at in group]
            entries = [e for s, e_ in runs(indexes) for e in unit.entries.read(log.id, s, e_)]
            home = log.own and canon.parse_origin(log.origin)[1] is None
            verdicts: _Verdicts = {}
            chosen = []
            for entry in entries:
                grounds = self._may(unit, log, entry, actor, accord, offer, verdicts)
                if grounds:
                    self._count(done, grounds)
                else:
                    chosen.append(entry)
            if home and offer.anonymous:
                chosen = self._anonymised(unit, chosen, done)
            if not chosen:
                continue
            if home:
                self._restate(unit, actor, accord, log, chosen, offer)
                done.stated += len(chosen)
            elif not log.own:
                self._relay(unit, actor, accord, log, chosen, offer)
                done.relayed += len(chosen)
            else:
                raise Misuse(f"{log.origin} is this party's own log in an accord: share the collected object instead")

    def stated(self, unit: Unit, accord: AccordId, places: Sequence[int], *, stood_by: bool = False) -> set[int]:
        """Return which of these entries stand in the accord already: restated, relayed, or stated there.

        With `stood_by`, what was passed on and taken back since does not count.
        """
        rows = unit.views.find_many(views.PASSED, "source", places)
        if stood_by:
            rows = [row for row in rows if not _taken_back(unit, int(row[0] or 0))]
        logs = {place(int(row[0] or 0))[0] for row in rows} | {place(at)[0] for at in places}
        inside = {log_id for log_id in logs if canon.parse_origin(unit.logs.get(log_id).origin)[1] == accord}
        passed = {int(row[1] or 0) for row in rows if place(int(row[0] or 0))[0] in inside}
        return passed | {at for at in places if place(at)[0] in inside}

    # -- deciding ------------------------------------------------------------

    def _may(
        self, unit: Unit, log: Log, entry: Entry, actor: Actor, accord: Accord, offer: Offer, verdicts: _Verdicts
    ) -> Sequence[Finding]:
        """Return why no other member could receive an entry: nothing where one could. Asked once per class."""
        if entry.held is not Held.PAYLOAD or entry.header is None:
            return [Finding("standing", False, "its bytes are not held here")]
        if offer.anonymous and not log.own:
            return [Finding(ANONYMOUS, False, NOT_OURS)]
        known = verdicts.get((entry.header, entry.standing))
        if known is not None:
            return known
        header = self._node.header(entry.header)
        if log.own and header.office != actor.office_id:
            raise Refused(f"{log.origin}#{place(entry.position)[1]} is another office's record")
        if not log.own and (header.relayed.kind if header.relayed else header.kind) in intel.ASKING:
            # It tells what its author looks after or looks for, and was said to these members under any label.
            return [Finding("onward", False, "what is asked for in one accord is not passed on: ask it anew elsewhere")]
        decisions = self.would(unit, log, header, msgspec.json.decode(entry.standing, type=Standing), accord, offer)
        grounds = [f for d in decisions for f in d.findings if not f.allows]
        if any(isinstance(d, Release) for d in decisions):
            grounds = []
        elif not grounds:
            grounds = [Finding("accord", False, "the accord has no other member")]
        verdicts[entry.header, entry.standing] = grounds
        return grounds

    def _count(self, done: Shared, grounds: Sequence[Finding]) -> None:
        done.withheld += 1
        for ground in {f"{f.rule}: {f.because}" for f in grounds}:
            done.grounds[ground] = done.grounds.get(ground, 0) + 1

    def would(
        self, unit: Unit, log: Log, header: Header, standing: Standing, accord: Accord, offer: Offer
    ) -> list[policy.Decision]:
        """Decide, for every office of every other member, as if it were stated in the accord now."""
        marking = self._offered(header, offer)
        home = log.own and canon.parse_origin(log.origin)[1] is None
        version = accord.current.text.version
        facts = self._releases.facts(unit, log, header)
        if home:
            office = canon.OfficeId(header.office)
            stated = msgspec.structs.replace(header, office=office, accord=version, marking=marking)
            jurisdiction = facts.jurisdiction
            facts = policy.facts(stated, self._node.me, accord=accord.id, jurisdiction=jurisdiction)
        else:
            holder = OfficeRef(self._node.me, self._node.card(unit, self._node.me).card.offices[0].id)
            facts = dataclasses.replace(self._releases.facts(unit, log, header, holder), marking=marking)
        terms = policy.terms_of(accord, version)
        decisions: list[policy.Decision] = []
        for member in sorted(accord.members):
            if member == self._node.me:
                continue
            for audience in self._releases.audiences(unit, facts, member, standing):
                decisions.append(policy.decide(facts, audience, terms, standing, self._node.now()))
        return decisions

    def _offered(self, header: Header, offer: Offer) -> Marking | None:
        if offer.marking is None or header.marking is None:
            return offer.marking or header.marking
        if wider(offer.marking, header.marking):
            raise Refused(
                "the marking asked for would widen what its source allows",
                hint="share it under its own marking, or narrow it",
            )
        return offer.marking

    # -- stating -------------------------------------------------------------

    def _anonymised(self, unit: Unit, entries: Sequence[Entry], done: Shared) -> list[Entry]:
        """Return the entries with anonymised bodies; count those that cannot be."""
        key = anonymising.secret(self._node, unit)
        found: list[Entry] = []
        for entry in entries:
            assert entry.header is not None and entry.body is not None
            made = self.anonymised(entry.header, entry.body, key)
            if isinstance(made, bytes):
                found.append(entry._replace(body=made))
            else:
                self._count(done, [Finding(ANONYMOUS, False, made)])
        return found

    def names_somebody(self, unit: Unit, at: int) -> str:
        """Return why an entry cannot be anonymised; empty where it can, or where its bytes are not held here."""
        log_id, index = place(at)
        if not unit.logs.get(log_id).own:
            return NOT_OURS
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.header is None or entry.body is None:
            return ""
        made = self.anonymised(entry.header, entry.body, bytes(anonymising.SECRET_BYTES))  # for an id nobody sees
        return made if isinstance(made, str) else ""

    def anonymised(self, header: bytes, body: bytes, key: bytes) -> bytes | str:
        """Return an own collected entry's object anonymised, or why that cannot be done."""
        home = self._node.header(header)
        if home.kind != INTEL_OBJECT:
            return "only objects are anonymised"
        return anonymising.anonymised(body, key, home.at)

    def _restate(
        self, unit: Unit, actor: Actor, accord: Accord, log: Log, entries: Sequence[Entry], offer: Offer
    ) -> None:
        version = accord.current.text.version
        drafts: list[books.Draft] = []
        headers: dict[bytes, bytes] = {}
        for entry in entries:
            assert entry.header is not None and entry.body is not None
            header = headers.get(entry.header)
            if header is None:
                home = self._node.header(entry.header)
                stated = Header(
                    v=1,
                    kind=home.kind,
                    office=actor.office_id,
                    accord=version,
                    at=self._node.now(),
                    media=home.media,
                    marking=self._offered(home, offer),
                    priority=offer.priority,
                    conduct=home.conduct,
                    exercise=home.exercise,
                    source=anonymising.SOURCE if offer.anonymous else "",
                )
                header = headers[entry.header] = statement.encode_header(stated)
            drafts.append(books.Draft(header, entry.body, None if offer.anonymous else entry.position))
        self._state(unit, actor, accord, log, entries, drafts)

    def _relay(
        self, unit: Unit, actor: Actor, accord: Accord, log: Log, entries: Sequence[Entry], offer: Offer
    ) -> None:
        drafts: list[books.Draft] = []
        read = tree(unit, log)  # one for all: it keeps the hashes that proofs have in common
        for entry in entries:
            assert entry.header is not None and entry.body is not None
            header = self._node.header(entry.header)
            if header.kind == INTEL_RELAY and header.relayed is not None:
                relayed, original, body = header.relayed, header, entry.body  # the first author's proof goes on
            else:
                original = header
                relayed = Relayed(log.origin, header.office, header.kind, header.accord)
                body = intel.join_relay(self._original(log, entry, read))
            standing = msgspec.json.decode(entry.standing, type=Standing)
            marking = self._offered(original, offer)
            if marking is None:
                raise Refused("an unmarked statement is not relayed")
            outer = Header(
                v=1,
                kind=INTEL_RELAY,
                office=actor.office_id,
                accord=accord.current.text.version,
                at=self._node.now(),
                media=RELAY_MEDIA,
                marking=narrowed(marking, standing),
                priority=offer.priority,
                conduct=original.conduct,
                exercise=original.exercise,
                relayed=relayed,
            )
            drafts.append(books.Draft(statement.encode_header(outer), body))
        start = self._state(unit, actor, accord, log, entries, drafts)
        self._pass_consents(unit, actor, accord, entries, start)

    def _pass_consents(self, unit: Unit, actor: Actor, accord: Accord, entries: Sequence[Entry], start: int) -> None:
        """State the author's consents about the relays: by them a receiver knows that it may read."""
        target = books.accord_origin(self._node, unit, accord.id)
        version = accord.current.text.version
        about: dict[tuple[str, Instant], list[int]] = {}
        for number, entry in enumerate(entries, start):
            standing = msgspec.json.decode(entry.standing, type=Standing)
            for to, until in standing.consents:
                if to not in standing.revoked:
                    about.setdefault((to, until), []).append(number)
        drafts = [
            books.act_draft(
                self._node,
                actor.office_id,
                Consent(tuple(Span(target, s, e) for s, e in runs(numbers)), (to,), until),
                version=version,
            )
            for (to, until), numbers in sorted(about.items())
        ]
        if drafts:
            books.state(self._node, unit, target, version, drafts)

    def _original(self, log: Log, entry: Entry, read: StoredTree) -> intel.Relay:
        index = place(entry.position)[1]
        if log.signed <= index or entry.salt is None or entry.header is None or entry.body is None:
            raise NotFound(f"{log.origin}#{index} is not under a checkpoint here yet")
        hashes = inclusion_proof(index, log.signed, read)
        proof = Proof(index, tuple(hashes), log.note, None).encode().decode()
        version = self._node.header(entry.header).accord
        line = intel.RelayLine(log.origin, index, version, canon.b64(entry.salt), proof)
        return intel.Relay(line, statement.join(entry.header, entry.body))

    def _state(
        self,
        unit: Unit,
        actor: Actor,
        accord: Accord,
        log: Log,
        entries: Sequence[Entry],
        drafts: Sequence[books.Draft],
    ) -> int:
        """State drafts in the accord and put on the home log which entries they pass on; return the first index."""
        target = books.accord_origin(self._node, unit, accord.id)
        first = books.state(self._node, unit, target, accord.current.text.version, drafts)
        start = begin = place(first)[1]
        indexes = [place(entry.position)[1] for entry in entries]
        passed: list[tuple[Origin, int, int, int]] = []
        for s, e in runs(indexes):
            passed.append((log.origin, s, e - s, start))
            start += e - s
        record = Passed(target, tuple(passed))
        books.record(self._node, unit, actor.office_id, PASSED_KIND, record)
        for s, e in runs(indexes):
            if unit.spans.about(log.origin, s, e):
                folding.restand(self._node, unit, Span(log.origin, s, e))
        return begin


def _taken_back(unit: Unit, at: int) -> bool:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
    return bool(standing.retracted or standing.erased)
