"""The release decision, rule by rule, label by label, and what must hold of all of it."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import comity
from comity import policy
from comity.accord import Placed, SignedText
from comity.acts import KINDS, UNTOUCHED, Act, Consent, Leave, Narrow, Retract, Standing, Suspend, Tombstone, standing
from comity.canon import AccordId, OfficeId
from comity.errors import Malformed
from comity.policy import EMPTY, RULES, Audience, Decision, Facts, Finding, Release, Terms, Withholding, decide, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Header, Marking
from comity.vocab import EXPRESSION_CLASSES, Conduct, Pap, Phase, Purpose, Tlp, Use

from tests.domain.makers import ARCADIA, AT, AUDIENCES, BOREALIA, CASCADIA, DORIA, JURISDICTIONS, OFFICES, SPAN, acts_about
from tests.domain.makers import audience, in_force, instants, markings, names, office, text

AUTHOR = office(ARCADIA)
HOLDER = office(BOREALIA)
THREE = in_force(text())
TERMS = terms_of(THREE, 1)

# Audiences by what they are to the author (Arcadia's CSIRT) and to a holder (Borealia's CSIRT).
MEMBER = audience(office(CASCADIA))
PERSON = audience(office(CASCADIA), person="alice")
OTHER_PERSON = audience(office(CASCADIA), person="bob")
OWN_POLICE = audience(office(ARCADIA, "police"))
STRANGER = audience(office(DORIA))
CLIENT = audience(AUTHOR, correspondent="bank")
CONTACT = audience(AUTHOR, correspondent="isac", client=False)
IN_COMMUNITY = audience(AUTHOR, correspondent="lab", client=False, communities=frozenset({"three-shores"}))


def facts(marking: Marking | None = None, **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "author": AUTHOR,
        "holder": AUTHOR,
        "kind": INTEL_OBJECT,
        "marking": marking or Marking(Tlp.CLEAR),
        "conduct": "",
        "exercise": False,
        "accord": TERMS.accord,
        "version": 1,
        "jurisdiction": "AA",
    }
    return Facts(**fields | changes)


def ask(
    the_facts: Facts, to: Audience = MEMBER, *said: Any, terms: Terms = TERMS, at: int = AT
) -> Decision:
    return decide(the_facts, to, terms, standing(said), at)


def grounds(decision: Decision) -> set[str]:
    """Return the rules that forbid; an empty set is a release."""
    assert isinstance(decision, Release) is all(f.allows for f in decision.findings)
    return {finding.rule for finding in decision.findings if not finding.allows}


def released(decision: Decision) -> bool:
    return isinstance(decision, Release)


def consent(*to: Audience, until: int = 0) -> Consent:
    return Consent(SPAN, tuple(each.name for each in to), until)


def test_every_rule_is_asked_and_gives_its_reason() -> None:
    decision = ask(facts())
    names_asked = [finding.rule for finding in decision.findings]
    assert names_asked == ["accord", "kind", "newcomer", "standing", "tlp", "ceiling", "recipients", "onward"] + [
        "pap", "embargo", "use", "transfer", "speech", "exercise"
    ]  # fmt: skip
    assert all(finding.because for finding in decision.findings)
    assert all(f" {name} " in (policy.__doc__ or "") for name in names_asked)


def test_a_withholding_names_all_its_grounds() -> None:
    bad = facts(Marking(Tlp.RED, Pap.RED, ("x",), AT + 1, (Use.ATTACK,), personal=True), conduct="opinion", exercise=True)
    decision = ask(bad, audience(office(DORIA), purpose=Purpose.SENSOR), Retract(SPAN))
    assert isinstance(decision, Withholding)
    assert {f.rule for f in decision.grounds} == {
        "accord", "newcomer", "standing", "tlp", "recipients", "pap", "embargo", "use", "transfer", "speech", "exercise"
    }  # fmt: skip


# -- TLP 2.0 -----------------------------------------------------------------

TLP_TABLE: dict[Tlp, set[str]] = {
    Tlp.CLEAR: {"member", "person", "own police", "client", "contact", "in community"},
    Tlp.GREEN: {"member", "person", "own police", "client", "in community"},
    Tlp.AMBER: {"member", "person", "own police", "client"},
    Tlp.AMBER_STRICT: {"member", "person", "own police"},
    Tlp.RED: set(),
}
WHO = {
    "member": MEMBER,
    "person": PERSON,
    "own police": OWN_POLICE,
    "client": CLIENT,
    "contact": CONTACT,
    "in community": IN_COMMUNITY,
    "stranger": STRANGER,
}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("tlp", Tlp)
def test_an_author_releases_by_label_exactly(tlp: Tlp, who: str) -> None:
    decision = ask(facts(Marking(tlp)), WHO[who])
    assert released(decision) is (who in TLP_TABLE[tlp])
    if who != "stranger" and not released(decision):
        assert grounds(decision) == {"tlp"}


@pytest.mark.parametrize("to", [(), (MEMBER.name,), (OTHER_PERSON.name,), (MEMBER.name, OTHER_PERSON.name)])
def test_red_is_for_named_persons_and_not_for_their_office(to: tuple[str, ...]) -> None:
    red = facts(Marking(Tlp.RED, to=to))
    assert "tlp" in grounds(ask(red, PERSON))
    assert "tlp" in grounds(ask(red, MEMBER))
    assert released(ask(red, OTHER_PERSON)) is (OTHER_PERSON.name in to)


def test_red_never_reaches_a_correspondent_even_by_name_or_consent() -> None:
    odd = replace(CLIENT, person="alice")  # neither a person nor a correspondent: it gets the worse of both
    for to in (CLIENT, odd):
        assert "tlp" in grounds(ask(facts(Marking(Tlp.RED, to=(to.name,))), to, consent(to)))


def test_consent_to_an_office_names_no_person_for_red() -> None:
    red = facts(Marking(Tlp.RED), holder=HOLDER)
    assert {"tlp", "onward"} <= grounds(ask(red, PERSON, consent(MEMBER)))
    assert "tlp" in grounds(ask(red, MEMBER, consent(MEMBER)))
    assert released(ask(red, PERSON, consent(PERSON)))
    assert not released(ask(red, OTHER_PERSON, consent(PERSON)))


def test_a_persons_expired_consent_is_not_kept_alive_by_the_offices() -> None:
    red = facts(Marking(Tlp.RED))
    said = (consent(PERSON, until=AT), consent(MEMBER))
    assert released(ask(red, PERSON, *said, at=AT - 1))
    assert not released(ask(red, PERSON, *said, at=AT))


def test_withdrawing_from_one_person_holds_although_the_office_is_consented_to() -> None:
    kept = facts(Marking(Tlp.AMBER, to=("nobody",)))
    said = (consent(MEMBER), Narrow(SPAN, revoke=(PERSON.name,)))
    assert not released(ask(kept, PERSON, *said))
    assert released(ask(kept, OTHER_PERSON, *said))
    assert released(ask(kept, MEMBER, *said))


@pytest.mark.parametrize("ceiling", Tlp)
@pytest.mark.parametrize("tlp", Tlp)
def test_nothing_goes_above_a_ceiling(tlp: Tlp, ceiling: Tlp) -> None:
    below = tlp.rank <= ceiling.rank
    terms = terms_of(in_force(text(ceiling=ceiling)), 1)
    assert ("ceiling" not in grounds(ask(facts(Marking(tlp)), MEMBER, terms=terms))) is below
    assert ("ceiling" not in grounds(ask(facts(Marking(tlp)), replace(CLIENT, ceiling=ceiling)))) is below


def test_a_correspondent_without_accepted_terms_gets_clear_at_most() -> None:
    assert Audience(AUTHOR, "AA", correspondent="bank").ceiling is Tlp.CLEAR
    assert ask(facts(Marking(Tlp.AMBER), accord=None), replace(CLIENT, ceiling=Tlp.CLEAR), terms=EMPTY).findings
    assert grounds(ask(facts(Marking(Tlp.AMBER), accord=None), replace(CLIENT, ceiling=Tlp.CLEAR), terms=EMPTY)) == {"ceiling"}


# -- who passes on what -------------------------------------------------------

HELD_TABLE: dict[Tlp, set[str]] = {
    Tlp.CLEAR: {"member", "person", "own", "own person", "own police", "client", "contact", "in community"},
    Tlp.GREEN: {"member", "person", "own", "own person", "own police", "client", "in community"},
    Tlp.AMBER: {"own", "own person", "client"},
    Tlp.AMBER_STRICT: {"own", "own person"},
    Tlp.RED: set(),
}
TO_HOLDER = {
    "member": MEMBER,
    "person": PERSON,
    "own": audience(HOLDER),
    "own person": audience(HOLDER, person="bo"),
    "own police": audience(office(BOREALIA, "police")),
    "client": audience(HOLDER, correspondent="bank"),
    "contact": audience(HOLDER, correspondent="isac", client=False),
    "in community": audience(HOLDER, correspondent="lab", client=False, communities=frozenset({"three-shores"})),
    "another's client": audience(office(CASCADIA), correspondent="bank"),
    "its police's client": audience(office(BOREALIA, "police"), correspondent="bank"),
    "the author's client": CLIENT,
    "stranger": STRANGER,
}


@pytest.mark.parametrize("who", TO_HOLDER)
@pytest.mark.parametrize("tlp", Tlp)
def test_a_holder_passes_on_by_label_exactly(tlp: Tlp, who: str) -> None:
    held = facts(Marking(tlp), holder=HOLDER)
    assert released(ask(held, TO_HOLDER[who])) is (who in HELD_TABLE[tlp])


@pytest.mark.parametrize("who", TO_HOLDER)
@pytest.mark.parametrize("tlp", Tlp)
def test_onward_false_stops_all_but_what_the_author_consents_to(tlp: Tlp, who: str) -> None:
    held = facts(Marking(tlp, onward=False), holder=HOLDER)
    to = TO_HOLDER[who]
    assert released(ask(held, to)) is (who in {"own", "own person"} and tlp is not Tlp.RED)
    outsider = who in {"another's client", "its police's client", "the author's client", "stranger"}
    nobody = tlp is Tlp.RED and not to.person
    assert released(ask(held, to, consent(to))) is not (outsider or nobody)


def test_consent_to_another_offices_correspondent_opens_nothing() -> None:
    to = TO_HOLDER["another's client"]
    assert grounds(ask(facts(holder=HOLDER), to, consent(to))) == {"accord"}


def test_an_offices_record_is_not_anothers_of_the_same_party() -> None:
    """Need-to-know: the police of a party hold what the CSIRT wrote, and may not let it go, even if it is CLEAR."""
    held = facts(Marking(Tlp.CLEAR), holder=office(ARCADIA, "police"))
    assert grounds(ask(held, MEMBER)) == {"onward"}
    assert grounds(ask(held, MEMBER, consent(MEMBER))) == {"onward"}


def test_an_office_reads_another_ones_home_record_never_and_its_accord_statement_by_label() -> None:
    home = facts(Marking(Tlp.CLEAR), accord=None, version=0)
    assert "accord" in grounds(ask(home, OWN_POLICE, terms=EMPTY))
    assert released(ask(facts(Marking(Tlp.AMBER)), OWN_POLICE))
    csirts = terms_of(in_force(text(offices={ARCADIA: ["csirt"]})), 1)
    assert "accord" in grounds(ask(facts(Marking(Tlp.CLEAR)), OWN_POLICE, terms=csirts))


def test_an_office_that_takes_no_part_lets_nothing_go() -> None:
    csirts = terms_of(in_force(text(offices={BOREALIA: ["csirt"]})), 1)
    assert released(ask(facts(holder=HOLDER), MEMBER, terms=csirts))
    police = facts(holder=office(BOREALIA, "police"))
    assert grounds(ask(police, MEMBER, terms=csirts)) == {"accord"}


@pytest.mark.parametrize("tlp", [Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT])
def test_into_another_accord_only_clear_goes_without_consent(tlp: Tlp) -> None:
    other = replace(TERMS, accord=AccordId("four-winds"))
    assert released(ask(facts(Marking(Tlp.CLEAR), holder=HOLDER, version=9), MEMBER, terms=other))
    held = facts(Marking(tlp), holder=HOLDER, version=9)
    assert grounds(ask(held, MEMBER, terms=other)) == {"onward"}
    assert released(ask(held, MEMBER, consent(MEMBER), terms=other))


def test_another_accords_community_is_not_this_ones() -> None:
    other = replace(TERMS, accord=AccordId("four-winds"))
    to = TO_HOLDER["in community"]
    assert {"tlp", "onward"} <= grounds(ask(facts(Marking(Tlp.GREEN), holder=HOLDER), to, terms=other))


# -- recipients --------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "admitted"),
    [
        ((), {"member", "person", "own police", "client"}),
        ((MEMBER.name,), {"member", "person"}),
        ((PERSON.name,), {"person"}),
        ((CLIENT.name,), {"client"}),
        ((str(AUTHOR),), set()),  # naming an office does not name its correspondents
        ((str(CASCADIA),), set()),  # nor does a party's name name an office
        (("-",), set()),
        (("cert.cascadia.example/csirt/alice/x", ""), set()),
    ],
)
def test_named_recipients_are_the_only_ones(to: tuple[str, ...], admitted: set[str]) -> None:
    for who, each in WHO.items():
        assert released(ask(facts(Marking(Tlp.AMBER, to=to)), each)) is (who in admitted), who


# -- PAP ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "allowed"),
    [
        (Purpose.READ, {Pap.CLEAR, Pap.GREEN, Pap.AMBER, Pap.RED}),
        (Purpose.LOOKUP, {Pap.CLEAR, Pap.GREEN, Pap.AMBER}),
        (Purpose.SENSOR, {Pap.CLEAR, Pap.GREEN}),
    ],
)
def test_pap(purpose: Purpose, allowed: set[Pap]) -> None:
    for level in Pap:
        for to in (MEMBER, CLIENT):
            decision = ask(facts(Marking(Tlp.CLEAR, level)), replace(to, purpose=purpose), consent(to))
            assert grounds(decision) == (set() if level in allowed else {"pap"}), level


def test_what_is_not_said_of_actions_is_red() -> None:
    assert Marking(Tlp.CLEAR).pap is Pap.RED


# -- time --------------------------------------------------------------------


def test_an_embargo_ends_at_its_time_and_not_before() -> None:
    held_back = facts(Marking(Tlp.CLEAR, embargo=AT))
    early = ask(held_back, MEMBER, at=AT - 1)
    assert grounds(early) == {"embargo"}
    assert early.lapses == AT
    due = ask(held_back, MEMBER, at=AT)
    assert released(due)
    assert due.lapses is None


def test_a_consent_ends_at_its_time() -> None:
    held = facts(Marking(Tlp.AMBER), holder=HOLDER)
    last = ask(held, MEMBER, consent(MEMBER, until=AT), at=AT - 1)
    assert released(last)
    assert last.lapses == AT
    gone = ask(held, MEMBER, consent(MEMBER, until=AT), at=AT)
    assert grounds(gone) == {"onward"}
    assert gone.lapses is None


def test_consent_ending_while_an_embargo_is_pending() -> None:
    held = facts(Marking(Tlp.AMBER, embargo=AT + 20), holder=HOLDER)
    said = consent(MEMBER, until=AT + 10)
    now, then, after = (ask(held, MEMBER, said, at=at) for at in (AT, AT + 10, AT + 20))
    assert (grounds(now), now.lapses) == ({"embargo"}, AT + 10)
    assert (grounds(then), then.lapses) == ({"embargo", "onward"}, AT + 20)
    assert (grounds(after), after.lapses) == ({"onward"}, None)


@given(markings, st.lists(acts_about, max_size=4), st.sampled_from(AUDIENCES), st.booleans(), st.integers(-15, 25))
def test_an_answer_holds_until_it_lapses(marking: Marking, said: list[Any], to: Audience, own: bool, at: int) -> None:
    the_facts = facts(marking, holder=AUTHOR if own else HOLDER)
    now = ask(the_facts, to, *said, at=AT + at)
    assert now.lapses is None or now.lapses > AT + at
    for later in range(AT + at, AT + 40):
        if now.lapses is not None and later >= now.lapses:
            break
        assert ask(the_facts, to, *said, at=later) == now


# -- use, transfer, speech, exercise -----------------------------------------


@pytest.mark.parametrize(
    ("marked", "agreed", "allowed"),
    [
        ((Use.DEFENCE,), '"defence"', True),
        ((Use.DEFENCE, Use.RESEARCH), '"defence"', True),
        ((Use.RESEARCH,), '"defence"', False),
        ((Use.RESEARCH,), '"defence", "research"', True),
        ((Use.DEFENCE,), '"research"', False),
        ((), '"defence"', False),
        ((Use.DEFENCE, Use.INVESTIGATION), '"defence"', False),
        ((Use.INTELLIGENCE,), '"defence"', False),
        ((Use.ATTACK,), '"defence"', False),
        ((Use.DEFENCE,), "", False),
    ],
)
def test_permitted_use(marked: tuple[Use, ...], agreed: str, allowed: bool) -> None:
    terms = terms_of(in_force(text(use=agreed)), 1)
    decision = ask(facts(Marking(Tlp.CLEAR, use=marked)), MEMBER, consent(MEMBER), terms=terms)
    assert grounds(decision) == (set() if allowed else {"use"})


@pytest.mark.parametrize(
    ("agreed", "marked", "where", "allowed"),
    [
        ('"CC"', ("CC",), "CC", True),
        ('"CC"', (), "CC", False),
        ("", ("CC",), "CC", False),
        ('"BB"', ("CC",), "CC", False),
        ("", (), "AA", True),
        ('"AA", "CC"', ("AA", "CC"), "", False),
    ],
)
def test_personal_data_stays_unless_both_agree(agreed: str, marked: tuple[str, ...], where: str, allowed: bool) -> None:
    terms = terms_of(in_force(text(transfer=agreed)), 1)
    the_facts = facts(Marking(Tlp.CLEAR, personal=True, transfer=marked))
    to = MEMBER if where == "CC" else audience(AUTHOR) if where == "AA" else Audience(AUTHOR, where)
    decision = ask(the_facts, to, consent(to), terms=terms)
    assert grounds(decision) == (set() if allowed else {"transfer"})


def test_no_jurisdiction_on_either_side_is_not_the_same_one() -> None:
    nowhere = replace(CLIENT, jurisdiction="")
    the_facts = facts(Marking(Tlp.CLEAR, personal=True), accord=None, jurisdiction="")
    assert grounds(ask(the_facts, nowhere, terms=EMPTY)) == {"transfer"}


def test_a_members_own_card_does_not_move_it_to_the_authors_jurisdiction() -> None:
    moved = replace(MEMBER, jurisdiction="AA")  # the accord says CC
    assert grounds(ask(facts(Marking(Tlp.CLEAR, personal=True)), moved)) == {"transfer"}
    assert released(ask(facts(Marking(Tlp.CLEAR)), moved))


def test_personal_data_goes_to_no_foreign_correspondent_without_an_accord() -> None:
    abroad = replace(CLIENT, jurisdiction="BB")
    the_facts = facts(Marking(Tlp.CLEAR, personal=True, transfer=("BB",)), accord=None)
    assert grounds(ask(the_facts, abroad, consent(abroad), terms=EMPTY)) == {"transfer"}
    assert released(ask(the_facts, CLIENT, terms=EMPTY))


ASKING = ("requests.assistance", "requests.takedown", "response.notification", "response.notification.update")


@pytest.mark.parametrize("kind", [*ASKING, INTEL_OBJECT, "response.situation-report"])
@pytest.mark.parametrize("word", sorted(EXPRESSION_CLASSES))
def test_expression_is_never_a_ground(kind: str, word: str) -> None:
    for said in (word, word.upper(), f" {word} "):
        assert grounds(ask(facts(kind=kind, conduct=said), MEMBER, consent(MEMBER))) == {"speech"}
        assert "expression" in policy.speech(kind, said).because


@pytest.mark.parametrize("kind", [*ASKING, INTEL_OBJECT])
@pytest.mark.parametrize("word", Conduct)
def test_conduct_from_the_closed_list_is(kind: str, word: Conduct) -> None:
    assert released(ask(facts(kind=kind, conduct=word)))


@pytest.mark.parametrize("word", ["insult", "malware2", "hate speech", "mal ware", "Мalware", "malware,opinion", "*"])
def test_what_is_not_on_the_list_is_not(word: str) -> None:
    assert grounds(ask(facts(kind="requests.takedown", conduct=word))) == {"speech"}


def test_a_request_names_its_conduct_and_an_object_need_not() -> None:
    for kind in ASKING:
        assert grounds(ask(facts(kind=kind))) == {"speech"}
        assert grounds(ask(facts(kind=kind, conduct="  "))) == {"speech"}
    assert released(ask(facts(kind=INTEL_OBJECT)))


def test_the_two_lists_have_nothing_in_common() -> None:
    assert not EXPRESSION_CLASSES & {word.value for word in Conduct}
    assert all(word == word.strip().lower() for word in EXPRESSION_CLASSES)


EXERCISE = terms_of(in_force(text(exercise=True)), 1)


@pytest.mark.parametrize(
    ("exercise", "terms", "purpose", "allowed"),
    [
        (False, TERMS, Purpose.READ, True),
        (False, TERMS, Purpose.SENSOR, True),
        (True, TERMS, Purpose.READ, False),
        (False, EXERCISE, Purpose.READ, False),
        (True, EXERCISE, Purpose.READ, True),
        (True, EXERCISE, Purpose.SENSOR, False),
        (True, EXERCISE, Purpose.LOOKUP, False),
    ],
)
def test_exercises_are_kept_apart_both_ways(exercise: bool, terms: Terms, purpose: Purpose, allowed: bool) -> None:
    the_facts = facts(Marking(Tlp.CLEAR, Pap.CLEAR), exercise=exercise)
    for to in (MEMBER, CLIENT):
        decision = ask(the_facts, replace(to, purpose=purpose), consent(to), terms=terms)
        assert grounds(decision) == (set() if allowed else {"exercise"})


def test_exercise_data_never_leaves_by_a_correspondent_outside_any_accord() -> None:
    assert grounds(ask(facts(accord=None, exercise=True), CLIENT, terms=EMPTY)) == {"exercise"}


# -- the accord ---------------------------------------------------------------


def when(*moves: tuple[Any, Any], version: int = 1, texts: tuple[SignedText, ...] = ()) -> Terms:
    acts = [Placed(party, 1, index, act) for index, (party, act) in enumerate(moves)]
    return terms_of(in_force(*(texts or (text(),)), acts=acts), version)


@pytest.mark.parametrize("move", [Suspend(), Leave()])
@pytest.mark.parametrize("who", ["holder", "audience"])
def test_who_suspended_or_left_neither_gives_nor_gets_and_no_consent_helps(move: Any, who: str) -> None:
    terms = when(((ARCADIA if who == "holder" else CASCADIA), move))
    assert terms.in_force
    for tlp in (Tlp.CLEAR, Tlp.AMBER):
        assert "accord" in grounds(ask(facts(Marking(tlp)), MEMBER, consent(MEMBER), terms=terms))


def test_what_a_member_left_behind_may_still_be_passed_on_by_those_who_hold_it() -> None:
    terms = when((ARCADIA, Leave()))
    assert released(ask(facts(Marking(Tlp.GREEN), holder=HOLDER), MEMBER, terms=terms))


@pytest.mark.parametrize("move", [Suspend(), Leave()])
def test_a_holder_that_suspended_or_left_passes_nothing_to_its_clients(move: Any) -> None:
    to = TO_HOLDER["client"]
    held = facts(Marking(Tlp.AMBER), holder=HOLDER)
    assert released(ask(held, to))
    assert grounds(ask(held, to, consent(to), terms=when((BOREALIA, move)))) == {"accord"}
    ended = when((ARCADIA, Leave()), (CASCADIA, Leave()))
    assert grounds(ask(held, to, consent(to), terms=ended)) == {"accord"}


def test_an_author_keeps_the_word_over_its_own_clients() -> None:
    assert released(ask(facts(Marking(Tlp.AMBER)), CLIENT, terms=when((ARCADIA, Suspend()))))


@pytest.mark.parametrize("to", [CLIENT, replace(IN_COMMUNITY, client=True)])
def test_under_terms_that_are_not_known_no_correspondent_gets_anything(to: Audience) -> None:
    for terms in (EMPTY, when(version=7)):
        decision = ask(facts(version=7), to, consent(to), terms=terms)
        assert {"accord", "kind"} <= grounds(decision)


def test_why_not_says_why_not() -> None:
    assert terms_of(THREE, 1).why_not == ""
    assert "version 7" in terms_of(THREE, 7).why_not
    assert "ended" in when((ARCADIA, Leave()), (CASCADIA, Leave())).why_not
    drafted = comity.accord.fold(text(), [], {}, [])  # type: ignore[attr-defined]
    assert "draft" in terms_of(drafted, 1).why_not
    assert "no accord" in EMPTY.why_not
    for terms in (terms_of(THREE, 7), terms_of(drafted, 1), EMPTY):
        (finding,) = [f for f in ask(facts(), MEMBER, terms=terms).findings if f.rule == "accord"]
        assert finding == Finding("accord", False, terms.why_not)


@pytest.mark.parametrize(
    "kind", [INTEL_EVIDENCE, "home.release", "home.intel", "consultation.meeting", "intel.sighting", "unknown.thing"]
)
def test_kinds_that_are_not_opened_or_never_leave(kind: str) -> None:
    terms = terms_of(in_force(text(refused='"intel.sighting"')), 1)
    for to in (MEMBER, CLIENT):
        assert "kind" in grounds(ask(facts(kind=kind), to, consent(to), terms=terms))


@pytest.mark.parametrize("kind", [INTEL_EVIDENCE, "home.release"])
def test_evidence_and_home_records_never_leave_by_a_correspondent_either(kind: str) -> None:
    assert grounds(ask(facts(kind=kind, accord=None), CLIENT, consent(CLIENT), terms=EMPTY)) == {"kind"}


V1 = text()


def amended(*changes: dict[str, Any]) -> tuple[SignedText, ...]:
    texts = [text(**changes[0])]
    for number, change in enumerate(changes[1:], 2):
        texts.append(text(**{"version": number, "parent": texts[-1].digest} | change))
    return tuple(texts)


@pytest.mark.parametrize(
    ("narrow", "marking", "rule"),
    [
        ({"ceiling": Tlp.GREEN}, Marking(Tlp.AMBER), "ceiling"),
        ({"refused": '"intel.object"'}, Marking(Tlp.AMBER), "kind"),
        ({"areas": '"response"'}, Marking(Tlp.AMBER), "kind"),
        ({"use": '"research"'}, Marking(Tlp.AMBER), "use"),
        ({"transfer": ""}, Marking(Tlp.AMBER, personal=True, transfer=("CC",)), "transfer"),
        ({"exercise": True}, Marking(Tlp.AMBER), "exercise"),
        ({"offices": {CASCADIA: ["police"]}}, Marking(Tlp.AMBER), "newcomer"),
    ],
)
def test_later_versions_only_narrow_what_is_stated(narrow: dict[str, Any], marking: Marking, rule: str) -> None:
    wide = {"transfer": '"CC"'}
    in_the_end = amended(wide, wide | narrow)
    back_again = amended(wide, wide | narrow, wide)
    from_the_start = amended(wide | narrow, wide)
    the_facts = facts(marking)
    assert released(ask(the_facts, terms=when(texts=amended(wide))))
    for texts in (in_the_end, back_again, from_the_start):
        assert rule in grounds(ask(the_facts, terms=when(texts=texts)))
    last = facts(marking, version=3)
    assert released(ask(last, terms=when(texts=back_again, version=3)))


def test_the_community_is_that_of_every_version_since() -> None:
    texts = amended({}, {"community": "four-winds"})
    green = facts(Marking(Tlp.GREEN))
    assert "tlp" in grounds(ask(green, IN_COMMUNITY, terms=when(texts=texts)))
    both = replace(IN_COMMUNITY, communities=frozenset({"three-shores", "four-winds"}))
    assert released(ask(green, both, terms=when(texts=texts)))


def test_a_newcomer_gets_earlier_payloads_only_by_their_authors_release() -> None:
    texts = amended({"members": (ARCADIA, BOREALIA)}, {"members": (ARCADIA, BOREALIA, DORIA)})
    to = audience(office(DORIA))
    assert grounds(ask(facts(), to, terms=when(texts=texts))) == {"newcomer"}
    assert released(ask(facts(), to, consent(to), terms=when(texts=texts)))
    assert released(ask(facts(), replace(to, person="dan"), consent(to), terms=when(texts=texts)))
    assert grounds(ask(facts(), to, consent(to, until=AT), terms=when(texts=texts))) == {"newcomer"}
    assert released(ask(facts(version=2), to, terms=when(texts=texts, version=2)))


def test_a_newcomer_gets_no_older_statement_by_a_relay_of_today() -> None:
    texts = amended({"members": (ARCADIA, BOREALIA)}, {"members": (ARCADIA, BOREALIA, DORIA)})
    to = audience(office(DORIA))
    held = facts(Marking(Tlp.GREEN), holder=HOLDER, version=1)  # relayed under version 2, stated under 1
    assert grounds(ask(held, to, terms=when(texts=texts, version=2))) == {"newcomer"}


def test_an_office_that_came_later_is_a_newcomer_too() -> None:
    texts = amended({"offices": {BOREALIA: ["csirt"]}}, {"offices": {BOREALIA: ["csirt", "police"]}})
    police = audience(office(BOREALIA, "police"))
    assert grounds(ask(facts(), police, terms=when(texts=texts))) == {"newcomer"}
    assert released(ask(facts(), police, consent(police), terms=when(texts=texts)))
    assert released(ask(facts(version=2), police, terms=when(texts=texts, version=2)))


def test_who_was_away_and_came_back_is_a_newcomer_to_what_was_stated_meanwhile() -> None:
    three, two = (ARCADIA, BOREALIA, CASCADIA), (ARCADIA, BOREALIA)
    texts = amended({"members": three}, {"members": two}, {"members": three})
    for version in (1, 2):
        assert grounds(ask(facts(version=version), terms=when(texts=texts, version=version))) == {"newcomer"}
    assert released(ask(facts(version=3), terms=when(texts=texts, version=3)))


# -- consent opens no more than it should ------------------------------------

SHUT: dict[str, tuple[Facts, Audience, Terms, list[Any]]] = {
    "retracted": (facts(), MEMBER, TERMS, [Retract(SPAN)]),
    "erased": (facts(), MEMBER, TERMS, [Tombstone(SPAN, "law")]),
    "embargo": (facts(Marking(Tlp.CLEAR, embargo=AT + 1)), MEMBER, TERMS, []),
    "speech": (facts(conduct="opinion"), MEMBER, TERMS, []),
    "exercise": (facts(exercise=True), MEMBER, TERMS, []),
    "transfer": (facts(Marking(Tlp.CLEAR, personal=True)), MEMBER, TERMS, []),
    "use": (facts(Marking(Tlp.CLEAR, use=(Use.ATTACK,))), MEMBER, TERMS, []),
    "pap": (facts(), replace(MEMBER, purpose=Purpose.SENSOR), TERMS, []),
    "ceiling": (facts(Marking(Tlp.AMBER)), MEMBER, terms_of(in_force(text(ceiling=Tlp.GREEN)), 1), []),
    "kind": (facts(kind=INTEL_EVIDENCE), MEMBER, TERMS, []),
    "suspended": (facts(), MEMBER, when((CASCADIA, Suspend())), []),
    "no member": (facts(), STRANGER, TERMS, []),
}


@pytest.mark.parametrize("what", SHUT)
def test_consent_does_not_open(what: str) -> None:
    the_facts, to, terms, said = SHUT[what]
    for holder in (AUTHOR, HOLDER):
        held = replace(the_facts, holder=holder)
        office_too = Audience(to.office, to.jurisdiction)
        assert not released(ask(held, to, *said, consent(to, office_too), terms=terms))


# -- acts, unmarked, no rules ------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_acts_pass_every_gate_to_whoever_is_or_was_a_member(kind: str) -> None:
    act = replace(facts(kind=kind), marking=None)
    ended = when((ARCADIA, Leave()), (CASCADIA, Leave()))
    for terms in (TERMS, EXERCISE, when((CASCADIA, Leave())), when((CASCADIA, Suspend())), ended):
        decision = ask(act, MEMBER, Retract(SPAN), terms=terms)
        assert released(decision)
        assert decision.lapses is None
    assert grounds(ask(act, STRANGER)) == {"acts"}
    assert grounds(ask(act, MEMBER, terms=EMPTY)) == {"acts"}


def test_what_narrows_reaches_the_holders_own_correspondents_and_no_other_act_does() -> None:
    about = {cls.__struct_config__.tag for cls in Act.__subclasses__() if cls.narrows and "spans" in cls.__struct_fields__}
    assert about == {"narrow", "retract", "tombstone"}
    for kind in KINDS:
        act = replace(facts(kind=kind), marking=None)
        narrows = kind.removeprefix("act.") in about
        for terms in (TERMS, EMPTY, when((ARCADIA, Leave()))):
            assert released(ask(act, CONTACT, terms=terms)) is narrows
            assert not released(ask(act, TO_HOLDER["contact"], terms=terms))


def test_content_that_calls_itself_an_act_stays_home() -> None:
    assert grounds(ask(facts(Marking(Tlp.CLEAR), kind="act.retract"))) == {"acts"}


@pytest.mark.parametrize("kind", [INTEL_OBJECT, "home.release", "requests.takedown"])
def test_the_unmarked_stays_home(kind: str) -> None:
    unmarked = replace(facts(kind=kind), marking=None)
    for to in WHO.values():
        assert grounds(ask(unmarked, to, consent(to))) == {"marking"}


def test_no_rules_allow_nothing() -> None:
    decision = decide(facts(), MEMBER, TERMS, UNTOUCHED, AT, rules=())
    assert grounds(decision) == {"rules"}
    assert released(decide(facts(), MEMBER, TERMS, UNTOUCHED, AT, rules=RULES))


def test_without_an_accord_no_office_gets_anything() -> None:
    for each in OFFICES:
        assert "accord" in grounds(ask(facts(accord=None, version=0), audience(each), terms=EMPTY))


# -- names -------------------------------------------------------------------


@pytest.mark.parametrize("to", [*AUDIENCES[:8]])
def test_an_audiences_name_is_read_back(to: Audience) -> None:
    assert policy.parse_audience(to.name) == (to.office, to.person, to.correspondent)


@pytest.mark.parametrize(
    "name",
    ["", "-", "cert.arcadia.example", "cert.arcadia.example/", "/csirt", "cert.arcadia.example/csirt/", "a.example/b~"]
    + ["cert.arcadia.example/csirt/alice/x", "a.example/csirt/alice~bank", "a.example/CSIRT", "a.example/b\n", "a.example~b"]
    + ["a.example/csirt/\u202ealice", "a.example/csirt/\ud800", "a.example/csirt~\x00", "~", "//", "a.example//alice"],
)
def test_what_names_no_audience_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        policy.parse_audience(name)


pieces = st.sampled_from(["cert.arcadia.example", "csirt", "alice", "/", "~", "//", "", "\n", "é", "-", "a.b"])


@given(st.text(max_size=40) | st.lists(pieces, max_size=7).map("".join))
def test_any_text_is_one_audience_or_malformed(name: str) -> None:
    try:
        ref, person, correspondent = policy.parse_audience(name)
    except Malformed:
        return
    assert Audience(ref, "", person, correspondent).name == name
    assert not (person and correspondent)


def test_facts_are_those_of_the_header() -> None:
    header = Header(1, INTEL_OBJECT, OfficeId("csirt"), 3, AT, "m", Marking(Tlp.RED), conduct="malware", exercise=True)
    made = policy.facts(header, ARCADIA, accord=AccordId("x"), jurisdiction="AA")
    assert made == Facts(AUTHOR, AUTHOR, INTEL_OBJECT, Marking(Tlp.RED), "malware", True, AccordId("x"), 3, "AA")
    assert made.direct
    held = policy.facts(header, ARCADIA, accord=AccordId("x"), jurisdiction="AA", holder=HOLDER)
    assert held == replace(made, holder=HOLDER)
    assert not held.direct


# -- what must hold of every decision ----------------------------------------

worlds = st.sampled_from(
    [EMPTY, TERMS, EXERCISE, terms_of(THREE, 9), replace(TERMS, accord=AccordId("four-winds")), replace(TERMS, texts=())]
    + [when((BOREALIA, Suspend())), when((CASCADIA, Leave())), when((ARCADIA, Leave()), (CASCADIA, Leave()))]
    + [when(texts=amended({"transfer": '"CC"'}, {"ceiling": Tlp.GREEN}, {"offices": {BOREALIA: ["csirt"]}}), version=2)]
    + [replace(TERMS, phases={}), Terms(phases={CASCADIA: Phase.ACTIVE}, in_force=True)]
)
any_text = st.text(max_size=12) | st.sampled_from([*(word.value for word in Conduct), *EXPRESSION_CLASSES])
any_facts = st.builds(
    Facts,
    author=st.sampled_from(OFFICES),
    holder=st.sampled_from(OFFICES),
    kind=st.sampled_from([INTEL_OBJECT, INTEL_EVIDENCE, *ASKING, *sorted(KINDS), "act.new", "home.x", ""]) | any_text,
    marking=st.none() | markings,
    conduct=any_text,
    exercise=st.booleans(),
    accord=st.sampled_from([None, TERMS.accord, AccordId("four-winds")]),
    version=st.integers(-1, 4),
    jurisdiction=st.sampled_from(["", *JURISDICTIONS.values()]),
)
any_audience = st.builds(
    Audience,
    office=st.sampled_from(OFFICES),
    jurisdiction=st.sampled_from(["", *JURISDICTIONS.values()]),
    person=st.sampled_from(["", "alice", "bob", "~"]),
    correspondent=st.sampled_from(["", "", "bank"]),
    client=st.booleans(),
    communities=st.sampled_from([frozenset(), frozenset({"three-shores"}), frozenset({""})]),
    ceiling=st.sampled_from(Tlp),
    purpose=st.sampled_from(Purpose),
)
any_standing = st.lists(acts_about, max_size=4).map(standing) | st.builds(
    Standing,
    st.booleans(),
    st.booleans(),
    st.sampled_from(Tlp),
    st.sampled_from(Pap),
    st.none() | names,
    consents=st.lists(st.tuples(st.sampled_from(("", "-", MEMBER.name)), instants | st.integers()), max_size=3).map(tuple),
)


@given(any_facts, any_audience, worlds, any_standing, st.integers())
@settings(max_examples=500)
def test_there_is_an_answer_to_every_question(
    the_facts: Facts, to: Audience, terms: Terms, known: Standing, at: int
) -> None:
    decision = decide(the_facts, to, terms, known, at)
    assert decision.audience == to
    assert decision.findings
    assert released(decision) is all(finding.allows for finding in decision.findings)
    assert decision.lapses is None or decision.lapses > at
    assert decide(the_facts, to, terms, known, at) == decision


def _narrower(draw: st.DrawFn, marking: Marking) -> Marking:
    """Draw a marking that says no more than this one."""
    changes: dict[str, Any] = {}
    changes["tlp"] = draw(st.sampled_from([tlp for tlp in Tlp if tlp.rank >= marking.tlp.rank]))
    changes["pap"] = draw(st.sampled_from([pap for pap in Pap if pap.rank >= marking.pap.rank]))
    if marking.to:
        changes["to"] = draw(st.lists(st.sampled_from(marking.to), min_size=1, unique=True).map(tuple))
    elif marking.tlp is not Tlp.RED:  # RED to nobody is the narrowest there is
        changes["to"] = draw(st.just(()) | names.filter(bool))
    changes["embargo"] = max(marking.embargo, draw(instants))
    if not set(marking.use) & {Use.INVESTIGATION, Use.INTELLIGENCE, Use.ATTACK}:
        changes["use"] = tuple(u for u in marking.use if draw(st.booleans()))
    changes["transfer"] = tuple(where for where in marking.transfer if draw(st.booleans()))
    changes["personal"] = marking.personal or draw(st.booleans())
    changes["onward"] = marking.onward and draw(st.booleans())
    return msgspec.structs.replace(marking, **changes)


@given(any_facts, worlds, st.lists(acts_about, max_size=3), st.data())
@settings(max_examples=300)
def test_a_narrower_marking_never_opens_anything(
    the_facts: Facts, terms: Terms, said: list[Any], data: st.DataObject
) -> None:
    marking = data.draw(markings)
    narrower = data.draw(st.composite(_narrower)(marking))
    before, after = (replace(the_facts, marking=each, kind=INTEL_OBJECT, conduct="") for each in (marking, narrower))
    for to in AUDIENCES:
        if released(ask(after, to, *said, terms=terms)):
            assert released(ask(before, to, *said, terms=terms)), to.name


@given(markings, st.lists(acts_about, max_size=3), st.sampled_from([AUTHOR, HOLDER]), st.data())
def test_leaving_suspending_and_stricter_versions_never_open_anything(
    marking: Marking, said: list[Any], holder: Any, data: st.DataObject
) -> None:
    the_facts = facts(marking, holder=holder)
    moves = data.draw(st.lists(st.sampled_from([(p, m) for p in (ARCADIA, BOREALIA, CASCADIA) for m in (Leave(), Suspend())])))
    wide: dict[str, Any] = {"transfer": '"BB", "CC"', "use": '"defence", "research"'}
    strict = data.draw(
        st.sampled_from([{"ceiling": Tlp.GREEN}, {"refused": '"intel.object"'}, {"transfer": ""}, {"community": "x"}, {}])
    )
    before = when(*moves[:-1], texts=amended(wide))
    for after in (when(*moves, texts=amended(wide)), when(*moves[:-1], texts=amended(wide, wide | strict))):
        for to in AUDIENCES:
            if released(ask(the_facts, to, *said, terms=after)):
                assert released(ask(the_facts, to, *said, terms=before)), to.name


# -- only the policy makes a release ------------------------------------------

SOURCES = Path(comity.__file__).parent


def _called(tree: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}


def test_only_the_policy_makes_a_release() -> None:
    makers = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if "Release" in _called(ast.parse(path.read_text()))
    }
    assert makers == {"policy/decision.py"}


def test_no_module_renames_subclasses_or_copies_a_release() -> None:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert all(a.name != "Release" or a.asname in (None, "Release") for a in node.names), path
            if isinstance(node, ast.ClassDef):
                assert all(not (isinstance(b, ast.Name) and b.id == "Release") for b in node.bases), path
            if isinstance(node, ast.Assign):
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Release"), path


def test_no_module_decides_by_fewer_rules() -> None:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called != "decide" or all(k.arg != "rules" for k in node.keywords), path
