"""The release decision and the accord: in force, who takes part and since when, acts, the unmarked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import comity
from comity.acts import KINDS, UNTOUCHED, Act, Leave, Retract, Suspend
from comity.policy import EMPTY, RULES, Audience, Finding, decide, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Marking
from comity.vocab import Tlp
from tests.domain.asking import (
    CLIENT,
    CONTACT,
    EXERCISE,
    HOLDER,
    IN_COMMUNITY,
    MEMBER,
    STRANGER,
    TERMS,
    THREE,
    TO_HOLDER,
    WHO,
    amended,
    ask,
    consent,
    facts,
    grounds,
    released,
    when,
)
from tests.domain.makers import ARCADIA, AT, BOREALIA, CASCADIA, DORIA, OFFICES, SPAN, audience, in_force, office, text

# -- the accord ------------------------------------------------------------------


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


# -- acts, unmarked, no rules ----------------------------------------------------


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
    about = {
        cls.__struct_config__.tag for cls in Act.__subclasses__() if cls.narrows and "spans" in cls.__struct_fields__
    }
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
