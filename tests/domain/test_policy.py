"""The release decision, rule by rule and label by label: what the marking says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import policy
from comity.acts import Narrow, Retract
from comity.canon import AccordId
from comity.policy import EMPTY, Audience, Withholding, terms_of
from comity.statement import Marking
from comity.vocab import Pap, Purpose, Tlp, Use
from tests.domain.asking import (
    AUTHOR,
    CLIENT,
    HOLDER,
    MEMBER,
    OTHER_PERSON,
    OWN_POLICE,
    PERSON,
    TERMS,
    TO_HOLDER,
    WHO,
    ask,
    consent,
    facts,
    grounds,
    released,
)
from tests.domain.makers import (
    ARCADIA,
    AT,
    AUDIENCES,
    BOREALIA,
    CASCADIA,
    DORIA,
    SPAN,
    acts_about,
    audience,
    in_force,
    markings,
    office,
    text,
)


def test_every_rule_is_asked_and_gives_its_reason() -> None:
    decision = ask(facts())
    names_asked = [finding.rule for finding in decision.findings]
    assert names_asked == ["accord", "kind", "newcomer", "standing", "tlp", "ceiling", "recipients", "onward"] + [
        "pap", "embargo", "use", "transfer", "speech", "exercise"
    ]  # fmt: skip
    assert all(finding.because for finding in decision.findings)
    assert all(f" {name} " in (policy.__doc__ or "") for name in names_asked)


def test_a_withholding_names_all_its_grounds() -> None:
    bad = facts(
        Marking(Tlp.RED, Pap.RED, ("x",), AT + 1, (Use.ATTACK,), personal=True), conduct="opinion", exercise=True
    )
    decision = ask(bad, audience(office(DORIA), purpose=Purpose.SENSOR), Retract(SPAN))
    assert isinstance(decision, Withholding)
    assert {f.rule for f in decision.grounds} == {
        "accord", "newcomer", "standing", "tlp", "recipients", "pap", "embargo", "use", "transfer", "speech", "exercise"
    }  # fmt: skip


# -- TLP 2.0 ---------------------------------------------------------------------

TLP_TABLE: dict[Tlp, set[str]] = {
    Tlp.CLEAR: {"member", "person", "own police", "client", "contact", "in community"},
    Tlp.GREEN: {"member", "person", "own police", "client", "in community"},
    Tlp.AMBER: {"member", "person", "own police", "client"},
    Tlp.AMBER_STRICT: {"member", "person", "own police"},
    Tlp.RED: set(),
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
    assert grounds(ask(facts(Marking(Tlp.AMBER), accord=None), replace(CLIENT, ceiling=Tlp.CLEAR), terms=EMPTY)) == {
        "ceiling"
    }


# -- who passes on what ----------------------------------------------------------

HELD_TABLE: dict[Tlp, set[str]] = {
    Tlp.CLEAR: {"member", "person", "own", "own person", "own police", "client", "contact", "in community"},
    Tlp.GREEN: {"member", "person", "own", "own person", "own police", "client", "in community"},
    Tlp.AMBER: {"own", "own person", "client"},
    Tlp.AMBER_STRICT: {"own", "own person"},
    Tlp.RED: set(),
}


@pytest.mark.parametrize("who", TO_HOLDER)
@pytest.mark.parametrize("tlp", Tlp)
def test_a_holder_passes_on_by_label_exactly(tlp: Tlp, who: str) -> None:
    held = facts(Marking(tlp), holder=HOLDER)
    assert released(ask(held, TO_HOLDER[who])) is (who in HELD_TABLE[tlp])
    if who == "client":
        # Two rules guard what is stricter than AMBER from the holder's clients.
        assert ("onward" in grounds(ask(held, TO_HOLDER[who]))) is (tlp in {Tlp.AMBER_STRICT, Tlp.RED})


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


# -- recipients ------------------------------------------------------------------


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


# -- PAP -------------------------------------------------------------------------


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


# -- time ------------------------------------------------------------------------


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
