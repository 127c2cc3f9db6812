"""The release decision where it protects others than the author, and what no consent opens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from comity import policy
from comity.acts import Retract, Suspend, Tombstone
from comity.policy import EMPTY, Audience, Facts, Terms, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Marking
from comity.vocab import EXPRESSION_CLASSES, Conduct, Pap, Purpose, Tlp, Use
from tests.domain.asking import (
    ASKING,
    AUTHOR,
    CLIENT,
    EXERCISE,
    HOLDER,
    MEMBER,
    STRANGER,
    TERMS,
    ask,
    consent,
    facts,
    grounds,
    released,
    when,
)
from tests.domain.makers import AT, CASCADIA, SPAN, audience, in_force, text

# -- use, transfer, speech, exercise ---------------------------------------------


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


# -- consent opens no more than it should ----------------------------------------

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
