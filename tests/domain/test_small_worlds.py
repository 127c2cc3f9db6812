"""Small worlds of honest nodes: no sequence of doings shows a statement to whom its own marking forbids.

Each node knows its own log at once and other logs as far as it has pulled them; it lets nothing go but by
`decide()` on what it knows. What the marking forbids is said here a second time, in plain words after TLP 2.0
and design §4 and §5, from the raw acts and texts, without a line of the policy's.
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
from comity.policy import EMPTY, Audience, Facts, Release, decide, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Marking
from comity.vocab import Conduct, Pap, Phase, Purpose, Tlp, Use

from tests.domain.makers import ARCADIA, AT, BOREALIA, CASCADIA, DORIA, JURISDICTIONS, PARTIES, SPAN, audience, in_force
from tests.domain.makers import office, toml

SHORES, WINDS = AccordId("three-shores"), AccordId("four-winds")


def text_of(accord: AccordId, members: Sequence[PartyId], **changes: Any) -> SignedText:
    return parse_text(toml(members, community=accord, **changes).replace(b'id = "three-shores"', f'id = "{accord}"'.encode()))


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
        audience(ref, correspondent="lab", client=False, communities=frozenset({SHORES})),
        audience(ref, correspondent="press", client=False),
    )
)
NAMES = tuple(each.name for each in AUDIENCES)


@dataclass(frozen=True)
class Said:
    """A statement, and in which accord under which version it was made."""

    number: int
    author: OfficeRef
    marking: Marking
    accord: AccordId
    version: int
    kind: str = INTEL_OBJECT
    conduct: str = ""
    exercise: bool = False


# -- what a marking forbids, in plain words -----------------------------------


@dataclass(frozen=True)
class Showing:
    """`by` lets `to` have a statement at a time, through an accord (None: outside any), knowing what it knows."""

    said: Said
    by: OfficeRef
    to: Audience
    through: Accord | None
    version: int
    heard: tuple[AnyAct, ...]  # the author's acts about it that `by` holds
    at: int


def forbidden(s: Showing) -> str:
    """Return why the statement may not be shown, or nothing."""
    return _gone(s) or _by_protection(s) or _by_accord(s) or _by_recipients(s) or _by_label(s) or _by_onward(s)


def _narrows(s: Showing) -> list[Narrow]:
    return [act for act in s.heard if isinstance(act, Narrow)]


def _label(s: Showing) -> Tlp:
    strictness = [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED]
    return max([s.said.marking.tlp, *(n.tlp for n in _narrows(s))], key=strictness.index)


def _author_consents(s: Showing) -> bool:
    """The author's consent on record names to whom and until when; a withdrawal ends it for good."""
    withdrawn = {name for n in _narrows(s) for name in n.revoke}
    office_name = f"{s.to.office.party}/{s.to.office.office}"
    for act in s.heard:
        if not isinstance(act, Consent) or (act.until and act.until <= s.at) or s.to.name in withdrawn:
            continue
        if s.to.name in act.to:
            return True
        if s.to.person and _label(s) is not Tlp.RED and office_name in act.to and office_name not in withdrawn:
            return True
    return False


def _gone(s: Showing) -> str:
    if any(isinstance(act, Retract | Tombstone) for act in s.heard):
        return "its author took it back"
    if s.at < s.said.marking.embargo:
        return "it is not yet time"
    return ""


def _by_protection(s: Showing) -> str:
    m = s.said.marking
    if s.said.kind == INTEL_EVIDENCE:
        return "sealed evidence"
    if s.said.conduct and s.said.conduct not in [c.value for c in Conduct]:
        return "not about conduct from the closed list"
    if s.said.kind.startswith("requests.") and not s.said.conduct:
        return "a request that does not say what it is about"
    if s.said.exercise or Use.DEFENCE not in m.use or Use.ATTACK in m.use:
        return "exercise data in production, or not for defence"
    pap = max([m.pap, *(n.pap for n in _narrows(s))], key=[Pap.CLEAR, Pap.GREEN, Pap.AMBER, Pap.RED].index)
    if s.to.purpose is Purpose.SENSOR and pap in (Pap.AMBER, Pap.RED):
        return "the adversary would see it used"
    if s.to.purpose is Purpose.LOOKUP and pap is Pap.RED:
        return "a third party would see it used"
    home = JURISDICTIONS[s.said.author.party]
    if m.personal and s.to.jurisdiction != home:
        agreed = bool(_texts(s)) and all(s.to.jurisdiction in t.text.terms.transfer for t in _texts(s))
        if s.to.jurisdiction not in m.transfer or not agreed:
            return "personal data would go abroad"
    return ""


def _texts(s: Showing) -> list[SignedText]:
    """Return the texts that bind it here: from the one it was made under (or is passed on under) to today's."""
    if s.through is None:
        return []
    start = min(s.version, s.said.version) if s.through.id == s.said.accord else s.version
    return [t for t in s.through.versions if t.text.version >= start]


def _has_seat(text: SignedText, ref: OfficeRef) -> bool:
    return any(m.party == ref.party and (not m.offices or ref.office in m.offices) for m in text.text.member)


def _by_accord(s: Showing) -> str:
    if s.to.correspondent and s.to.office != s.by:
        return "another office's correspondent"
    own = s.by == s.said.author
    if not s.to.correspondent or not own:
        if s.through is None or s.through.phase is not Phase.ACTIVE:
            return "no accord in force"
        seats = [s.by] if s.to.correspondent else [s.by, s.to.office]
        for ref in seats:
            state = s.through.members.get(ref.party)
            if state is None or state.phase is not Phase.ACTIVE or not _has_seat(_texts(s)[-1], ref):
                return "an office that does not take part now"
    if not _texts(s):
        return "terms nobody knows"
    if not s.to.correspondent and not all(_has_seat(t, s.to.office) for t in _texts(s)) and not _author_consents(s):
        return "made before this office took part"
    if any(t.text.exercise for t in _texts(s)):
        return "production data in an exercise"
    for t in _texts(s):
        opened = [area.value for area in t.text.areas]
        if s.said.kind.split(".")[0] not in opened or s.said.kind in t.text.terms.refused_kinds:
            return "a kind that is not opened"
        if [*Tlp].index(_label(s)) > [*Tlp].index(t.text.terms.ceiling):
            return "above the ceiling"
    if s.to.correspondent and [*Tlp].index(_label(s)) > [*Tlp].index(s.to.ceiling):
        return "above what the correspondent accepted"
    return ""


def _by_recipients(s: Showing) -> str:
    lists = [names for names in (s.said.marking.to, *(n.to for n in _narrows(s))) if names]
    for names in lists:
        office_named = not s.to.correspondent and f"{s.to.office.party}/{s.to.office.office}" in names
        if s.to.name not in names and not office_named and not _author_consents(s):
            return "somebody else is named"
    return ""


def _by_label(s: Showing) -> str:
    label = _label(s)
    consented = _author_consents(s)
    own_client = bool(s.to.correspondent) and s.to.client and s.to.office == s.by
    if label is Tlp.RED:
        # Every saying that made it RED must name the person; the marking's list or another act's does for one without.
        sayings = [(s.said.marking.tlp, s.said.marking.to), *((n.tlp, n.to) for n in _narrows(s))]
        red = [names for tlp, names in sayings if tlp is Tlp.RED]
        named = all(s.to.name in (names or s.said.marking.to) for names in red)
        return "" if s.to.person and not s.to.correspondent and (named or consented) else "RED, and not a named person"
    if label is Tlp.AMBER_STRICT and s.to.correspondent and not consented:
        return "AMBER+STRICT, and not the office"
    if label is Tlp.AMBER and s.to.correspondent and not (own_client or consented):
        return "AMBER, and not a client of the office"
    if label is Tlp.GREEN and s.to.correspondent and not (own_client or consented or _in_community(s)):
        return "GREEN, and not of the community"
    return ""


def _in_community(s: Showing) -> bool:
    """Say whether the audience is of the community of the accord in which it was stated."""
    if s.through is None or s.through.id != s.said.accord:
        return False
    return not s.to.correspondent or all(t.text.community in s.to.communities for t in _texts(s))


def _by_onward(s: Showing) -> str:
    if s.by == s.said.author or (s.to.office == s.by and not s.to.correspondent):
        return ""
    if s.by.party == s.said.author.party:
        return "another office's record"
    if _author_consents(s):
        return ""
    if not s.said.marking.onward or not all(n.onward for n in _narrows(s)):
        return "not to be passed on"
    label = _label(s)
    own_client = bool(s.to.correspondent) and s.to.client
    free = label is Tlp.CLEAR or (label is Tlp.GREEN and (own_client or _in_community(s)))
    return "" if free or (label is Tlp.AMBER and own_client) else "passing it on takes the author's consent"


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


SECOND = text_of(SHORES, (ARCADIA, BOREALIA, CASCADIA, DORIA), version=2, parent=FIRST[SHORES].digest, ceiling=Tlp.AMBER)
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
    for to, by, named, onward, who in product(SEEN, (A, B, office(ARCADIA, "police")), (False, True), (True, False), range(4)):
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
        if not asked(showing):
            return
        why_not = forbidden(showing)
        assert not why_not, f"shown to {showing.to.name} by {showing.by}, but: {why_not}"
        self.shown.append(showing)
        if not showing.to.correspondent:
            self.held[showing.said.number].add(showing.to.office)

    # How news travels ----------------------------------------------------------

    @rule(reader=st.sampled_from(PARTIES), writers=st.sets(st.sampled_from(PARTIES), min_size=1), count=st.integers(1, 9))
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

    @rule(by=st.sampled_from(PARTIES), change=st.sampled_from(AMENDMENTS), voters=st.sets(st.sampled_from(PARTIES), min_size=2))
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
        """By all that its author ever consented to, and whatever anybody knew: the marking as first written admits it."""
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
