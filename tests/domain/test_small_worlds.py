"""Small worlds of honest nodes: no sequence of doings shows a statement to whom its own marking forbids.

Each node knows its own log at once and other logs as far as it has pulled them; it lets nothing go but by
`decide()` on what it knows. `plain_words` says independently what the marking forbids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from comity.accord import Accord, Placed, SignedText, fold, parse_text
from comity.acts import AnyAct, Ballot, Consent, Join, Leave, Narrow, Resume, Retract, Suspend, Tombstone, standing
from comity.canon import AccordId, Digest, PartyId
from comity.party import OfficeRef
from comity.policy import EMPTY, Facts, Release, decide, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Marking
from comity.vocab import Pap, Purpose, Tlp, Use
from tests.domain.makers import (
    ARCADIA,
    AT,
    BOREALIA,
    CASCADIA,
    DORIA,
    JURISDICTIONS,
    PARTIES,
    SPAN,
    audience,
    in_force,
    office,
    toml,
)
from tests.domain.plain_words import Said, Showing, forbidden, recipient_lists

SHORES, WINDS = AccordId("three-shores"), AccordId("four-winds")


def text_of(accord: AccordId, members: Sequence[PartyId], **changes: Any) -> SignedText:
    return parse_text(
        toml(members, community=accord, **changes).replace(b'id = "three-shores"', f'id = "{accord}"'.encode())
    )


FIRST = {
    SHORES: text_of(SHORES, (ARCADIA, BOREALIA, CASCADIA), transfer='"BB"'),
    WINDS: text_of(WINDS, (BOREALIA, CASCADIA, DORIA)),
}
AMENDMENTS: tuple[dict[str, Any], ...] = (
    {"ceiling": Tlp.GREEN},
    {"ceiling": Tlp.AMBER},
    {"refused": '"intel.object"'},
    {"members": (ARCADIA, BOREALIA, CASCADIA, DORIA)},
    {"members": (ARCADIA, CASCADIA)},
    {"offices": {BOREALIA: ["csirt"], ARCADIA: ["csirt"]}},
    {},
)

OFFICES = tuple(office(p, o) for p in PARTIES for o in ("csirt", "police"))
AUDIENCES = tuple(
    each
    for ref in OFFICES
    for each in (
        audience(ref),
        audience(ref, person="alice"),
        audience(ref, correspondent="bank"),
        audience(ref, correspondent="ada", individual=True),
        audience(ref, correspondent="lab", client=False, communities=frozenset({SHORES})),
        audience(ref, correspondent="press", client=False),
    )
)
NAMES = tuple(each.name for each in AUDIENCES)


def asked(s: Showing) -> bool:
    """Ask the policy the same question; say whether it releases."""
    facts = Facts(
        author=s.said.author,
        holder=s.by,
        kind=s.said.kind,
        marking=s.said.marking,
        conduct=s.said.conduct,
        exercise=s.said.exercise,
        accord=s.said.accord,
        version=s.said.version,
        jurisdiction=JURISDICTIONS[s.said.author.party],
    )
    terms = EMPTY if s.through is None else terms_of(s.through, s.version)
    return isinstance(decide(facts, s.to, terms, standing(s.heard), s.at), Release)


# -- all worlds of one step ---------------------------------------------------


SECOND = text_of(
    SHORES, (ARCADIA, BOREALIA, CASCADIA, DORIA), version=2, parent=FIRST[SHORES].digest, ceiling=Tlp.AMBER
)
STATES = (
    in_force(FIRST[SHORES]),
    in_force(FIRST[SHORES], SECOND),
    in_force(FIRST[SHORES], acts=[Placed(BOREALIA, 1, 0, Suspend())]),
    in_force(FIRST[WINDS]),
    None,
)
A, B = office(ARCADIA), office(BOREALIA)
SEEN = tuple(
    each
    for ref in (A, B, office(ARCADIA, "police"), office(CASCADIA), office(DORIA))
    for each in AUDIENCES
    if each.office == ref
)


@pytest.mark.parametrize("label", Tlp)
@pytest.mark.parametrize("through", STATES, ids=["in force", "amended", "suspended", "another accord", "none"])
def test_decide_says_exactly_what_the_plain_words_say(label: Tlp, through: Accord | None) -> None:
    alice = f"{CASCADIA}/csirt/alice"
    seen: Counter[bool] = Counter()
    for to, by, named, onward, who in product(
        SEEN, (A, B, office(ARCADIA, "police")), (False, True), (True, False), range(4)
    ):
        consents = ((), (to.name,), (str(to.office),), (alice,))[who]
        heard: tuple[AnyAct, ...] = (Consent(SPAN, consents, AT + 1),) if consents else ()
        marking = Marking(label, to=(alice, str(B)) if named else (), onward=onward)
        showing = Showing(Said(0, A, marking, SHORES, 1), by, to, through, 1, heard, AT)
        why_not = forbidden(showing)
        assert asked(showing) is not bool(why_not), f"{to.name} by {by}: {why_not or 'nothing forbids it'}"
        seen[not why_not] += 1
    assert seen[False]
    assert seen[True] or through is not STATES[0]


# -- worlds of many steps ------------------------------------------------------


@dataclass
class Node:
    """What one party knows: how far it has read each log, and what came to it beside the logs."""

    read: Counter[tuple[PartyId, AccordId]] = field(default_factory=Counter)
    told: set[tuple[int, AnyAct]] = field(default_factory=set)


@dataclass(frozen=True)
class Entry:
    """An act in a party's log: one that moves the accord, or one about a statement."""

    act: AnyAct
    about: int | None = None


def rarely(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Draw the usual value mostly: what is forbidden on every ground at once tests nothing."""
    return st.sampled_from([*[usual] * 6, *others, *[usual] * 6])


some_names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True).map(tuple)
markings = st.builds(
    Marking,
    tlp=st.sampled_from(Tlp),
    pap=st.sampled_from(Pap),
    to=st.one_of(st.just(()), st.just(()), some_names),
    embargo=rarely(0, AT + 3),
    use=rarely((Use.DEFENCE,), (Use.DEFENCE, Use.ATTACK), (Use.RESEARCH,)),
    transfer=st.sampled_from([(), ("BB",)]),
    personal=rarely(False, True),
    onward=rarely(True, False),
)
kinds = rarely(
    (INTEL_OBJECT, ""),
    *(("intel.sighting", ""), (INTEL_EVIDENCE, ""), ("requests.takedown", "malware"), ("requests.takedown", "opinion")),
)


about = st.one_of(
    st.builds(Consent, st.just(SPAN), some_names, st.sampled_from((0, AT + 4, AT + 8))),
    st.builds(Consent, st.just(SPAN), st.just(NAMES), st.just(0)),
    st.builds(
        Narrow,
        st.just(SPAN),
        rarely(Tlp.CLEAR, *Tlp),
        rarely(Pap.CLEAR, *Pap),
        st.just(()) | some_names,
        onward=rarely(True, False),
        revoke=st.just(()) | some_names,
    ),
    st.sampled_from((Retract(SPAN), Tombstone(SPAN, "law"), Narrow(SPAN))),
)
moves = rarely(Suspend(), Leave(), Resume(1), Resume(3))


class SmallWorld(RuleBasedStateMachine):
    """Four parties, two accords, and everything they may do to one another."""

    def __init__(self) -> None:
        super().__init__()
        self.now = AT
        self.logs: dict[tuple[PartyId, AccordId], list[Entry]] = {log: [] for log in product(PARTIES, FIRST)}
        self.nodes = {party: Node() for party in PARTIES}
        self.texts: dict[AccordId, list[SignedText]] = {SHORES: [], WINDS: []}
        self.said: list[Said] = []
        self.held: dict[int, set[OfficeRef]] = {}
        self.shown: list[Showing] = []

    # What a node knows ------------------------------------------------------

    def known(self, reader: PartyId, writer: PartyId, accord: AccordId) -> list[Entry]:
        log = self.logs[writer, accord]
        return log if reader == writer else log[: self.nodes[reader].read[writer, accord]]

    def accord(self, reader: PartyId, name: AccordId) -> Accord:
        signatures: dict[Digest, set[PartyId]] = {FIRST[name].digest: {m.party for m in FIRST[name].text.member}}
        placed = []
        for writer in PARTIES:
            for index, entry in enumerate(self.known(reader, writer, name)):
                placed.append(Placed(writer, 1, index, entry.act))
                if isinstance(entry.act, Join):
                    signatures.setdefault(entry.act.text, set()).add(writer)
        return fold(FIRST[name], self.texts[name], signatures, placed)

    def heard(self, reader: PartyId, said: Said) -> tuple[AnyAct, ...]:
        read = [e.act for e in self.known(reader, said.author.party, said.accord) if e.about == said.number]
        told = [act for number, act in self.nodes[reader].told if number == said.number and act not in read]
        return (*read, *told)

    # What parties do ----------------------------------------------------------

    @initialize(three=st.lists(st.tuples(st.sampled_from(OFFICES), markings), min_size=3, max_size=3))
    def begin(self, three: list[tuple[OfficeRef, Marking]]) -> None:
        for who, marking in three:
            self.share(who, WINDS if who.party == DORIA else SHORES, marking, (INTEL_OBJECT, ""), exercise=False)

    @rule(
        who=st.sampled_from(OFFICES),
        accord=st.sampled_from((SHORES, WINDS)),
        marking=markings,
        what=kinds,
        exercise=rarely(False, True),
    )
    def share(self, who: OfficeRef, accord: AccordId, marking: Marking, what: tuple[str, str], exercise: bool) -> None:
        state = self.accord(who.party, accord)
        if not state.takes_part(who.party):
            return
        kind, conduct = what
        version = state.current.text.version
        said = Said(len(self.said), who, marking, accord, version, kind, conduct, exercise)
        self.said.append(said)
        self.held[said.number] = {who}

    @rule(data=st.data(), act=about)
    def say(self, data: st.DataObject, act: AnyAct) -> None:
        """An author consents, narrows, retracts or erases."""
        said = data.draw(st.sampled_from(self.said), "about")
        self.logs[said.author.party, said.accord].append(Entry(act, said.number))
        self._drop_erased(said.author.party)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), purpose=rarely(Purpose.READ, Purpose.SENSOR, Purpose.LOOKUP))
    def show(self, data: st.DataObject, purpose: Purpose) -> None:
        """Somebody who holds a statement tries everybody: from the log, by relay in either accord, by other means."""
        said = data.draw(st.sampled_from([each for each in self.said if self.held[each.number]]), "what")
        by = data.draw(st.sampled_from(sorted(self.held[said.number])), "by")
        heard = self.heard(by.party, said)
        accords = [self.accord(by.party, name) for name in (SHORES, WINDS)]
        ways = [(state, state.current.text.version) for state in accords]
        ways += [(state, said.version) for state in accords if state.id == said.accord]
        for to, (through, version) in product(AUDIENCES, [*ways, (None, said.version)]):
            self._judge(Showing(said, by, replace(to, purpose=purpose), through, version, heard, self.now))

    def _judge(self, showing: Showing) -> None:
        why_not = forbidden(showing)
        if not asked(showing):
            # Two lists of recipients are compared name by name: an office and its people there have none in common.
            assert why_not or len(recipient_lists(showing)) > 1, "withheld, and nothing forbids it"
            return
        assert not why_not, f"shown to {showing.to.name} by {showing.by}, but: {why_not}"
        self.shown.append(showing)
        if not showing.to.correspondent:
            self.held[showing.said.number].add(showing.to.office)

    # How news travels ----------------------------------------------------------

    @rule(
        reader=st.sampled_from(PARTIES), writers=st.sets(st.sampled_from(PARTIES), min_size=1), count=st.integers(1, 9)
    )
    def pull(self, reader: PartyId, writers: set[PartyId], count: int) -> None:
        """Read on in others' logs: acts pass every gate, to whoever is or was a member by what the writer knows."""
        for writer, accord in product(sorted(writers - {reader}), (SHORES, WINDS)):
            author = office(writer)
            state = self.accord(writer, accord)
            for entry in self.logs[writer, accord][self.nodes[reader].read[writer, accord] :][:count]:
                facts = Facts(author, author, entry.act.kind, None, "", False, accord, 1, JURISDICTIONS[writer])
                going = decide(facts, audience(office(reader)), terms_of(state, 1), standing([]), self.now)
                assert isinstance(going, Release) is (reader in state.members)
                self.nodes[reader].read[writer, accord] += isinstance(going, Release)
        self._drop_erased(reader)

    @rule(by=st.sampled_from(PARTIES), to=st.sampled_from(PARTIES))
    def pass_on_acts(self, by: PartyId, to: PartyId) -> None:
        """Whoever passed a statement on passes every narrowing act to the same recipients."""
        for showing in self.shown:
            if showing.by.party != by or showing.to.office.party != to or by == to:
                continue
            for act in self.heard(by, showing.said):
                if act.narrows:
                    self.nodes[to].told.add((showing.said.number, act))
        self._drop_erased(to)

    def _drop_erased(self, party: PartyId) -> None:
        for said in self.said:
            if any(isinstance(act, Tombstone) for act in self.heard(party, said)):
                self.held[said.number] -= {ref for ref in OFFICES if ref.party == party}

    # How accords move ------------------------------------------------------------

    @rule(who=st.sampled_from(PARTIES), move=moves)
    def move(self, who: PartyId, move: AnyAct) -> None:
        """Somebody suspends its part, resumes it or leaves."""
        self.logs[who, SHORES].append(Entry(move))

    @rule(
        by=st.sampled_from(PARTIES),
        change=st.sampled_from(AMENDMENTS),
        voters=st.sets(st.sampled_from(PARTIES), min_size=2),
    )
    def amend(self, by: PartyId, change: dict[str, Any], voters: set[PartyId]) -> None:
        """Propose a successor of the text in force as the proposer knows it; its members sign, some vote for it."""
        now = self.accord(by, SHORES).current
        members = change.get("members", tuple(m.party for m in now.text.member))
        rest = {name: value for name, value in change.items() if name != "members"}
        text = text_of(SHORES, members, version=now.text.version + 1, parent=now.digest, **rest)
        if text not in self.texts[SHORES]:
            self.texts[SHORES].append(text)
        for party in members:
            self.logs[party, SHORES].append(Entry(Join(text.digest)))
        for party in sorted(voters):
            self.logs[party, SHORES].append(Entry(Ballot(now.digest, text.digest, True)))

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    # What must hold of the whole ---------------------------------------------------

    @invariant()
    def nothing_shown_exceeds_the_first_marking(self) -> None:
        """Whatever anybody knew: the marking as first written admits it, with all that its author consented to."""
        for showing in self.shown[-8:]:
            log = self.logs[showing.said.author.party, showing.said.accord]
            consents = (e.act for e in log if e.about == showing.said.number and isinstance(e.act, Consent))
            assert not forbidden(replace(showing, heard=tuple(consents)))

    def teardown(self) -> None:
        # What a node heard beside consents only narrows: without it, nothing less is shown.
        for showing in self.shown:
            assert asked(replace(showing, heard=tuple(act for act in showing.heard if isinstance(act, Consent))))


SmallWorld.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
test_no_sequence_shows_a_statement_to_whom_its_marking_forbids = SmallWorld.TestCase
