"""Acts: their bytes, and what they add up to whatever arrives first."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import acts, canon
from comity.acts import (
    NOBODY,
    UNTOUCHED,
    AnyAct,
    Consent,
    Narrow,
    Retract,
    Span,
    Standing,
    Tombstone,
    narrowed,
    standing,
)
from comity.canon import Digest, PartyId
from comity.errors import Malformed
from comity.policy import Facts, Release, decide, terms_of
from comity.statement import INTEL_OBJECT, Marking, is_act
from comity.vocab import Held, Pap, Tlp
from tests.domain.makers import (
    ARCADIA,
    AT,
    AUDIENCES,
    BOREALIA,
    SPAN,
    STATED,
    acts_about,
    audience,
    in_force,
    mangled,
    markings,
    narrowing,
    office,
    text,
)

DIGEST = Digest("sha256:" + "0" * 64)
HOLDING = acts.Holding(STATED, 4, (acts.HeldRun(0, 3, Held.PAYLOAD), acts.HeldRun(3, 4, Held.ERASED)))
EXAMPLES: tuple[AnyAct, ...] = (
    acts.Join(DIGEST),
    acts.Leave("reason"),
    acts.Suspend(),
    acts.Resume(1),
    acts.Ballot(DIGEST, DIGEST, yes=False),
    acts.Rotate(DIGEST, 2),
    Consent(SPAN, ("cert.borealia.example/csirt",), AT),
    Narrow(SPAN, Tlp.RED, Pap.RED, ("-",), onward=False, revoke=("x",), reason="why"),
    Retract(SPAN, "wrong address"),
    Retract(SPAN, "wrong address", Span(STATED, 7, 8)),
    Tombstone(SPAN, "court order"),
    acts.Hold((HOLDING,)),
    acts.Closed(STATED, 9, "root"),
    acts.Forked(STATED, DIGEST),
)


# -- bytes -------------------------------------------------------------------


def test_every_act_has_an_example_here() -> None:
    assert {type(act) for act in EXAMPLES} == set(get_args(AnyAct))
    assert {act.kind for act in EXAMPLES} == acts.KINDS
    assert all(is_act(kind) for kind in acts.KINDS)


@pytest.mark.parametrize("act", EXAMPLES, ids=lambda act: act.kind)
def test_an_act_is_read_back(act: AnyAct) -> None:
    assert acts.decode(acts.encode(act), act.kind) == act


def test_the_header_and_the_body_must_agree() -> None:
    with pytest.raises(Malformed, match="act.narrow"):
        acts.decode(acts.encode(Retract(SPAN)), "act.narrow")


@pytest.mark.parametrize(
    "body",
    [
        b'{"act":"retract","spans":[["o",3,3]]}',
        b'{"act":"retract","spans":[["o",-1,3]]}',
        b'{"act":"retract","spans":[["o",0,1,2]]}'.replace(b",2]", b"]").replace(b'"o"', b"7"),
        b'{"act":"retract","by":["p/accord/a/1",3,5],"spans":[["p/accord/a/1",0,1]]}',
        b'{"act":"retract","by":["p/accord/a/1",0,1],"spans":[["p/accord/a/1",0,2]]}',
        b'{"act":"retract","by":["p/accord/b/1",3,4],"spans":[["p/accord/a/1",0,1]]}',
        b'{"act":"retract","by":["q/accord/a/1",3,4],"spans":[["p/accord/a/1",0,1]]}',
        b'{"act":"retract","by":["q/home/1",3,4],"spans":[["p/accord/a/1",0,1],["q/home/1",0,1]]}',
        b'{"act":"retract","only":"x","spans":[]}',
        b'{"act":"retract"}',
        b'{"spans":[]}',
        b'{"act":"unknown","spans":[]}',
        b'{"act":1,"spans":[]}',
        b"[]",
        b'{"act":"retract","act":"retract","spans":[]}',
        b'{"spans":[],"act":"retract"}',
        b'{"act":"hold","logs":[["o",1,[[1,1,"payload"]]]]}',
        b'{"act":"hold","logs":[["o",1,[[0,1,"lost"]]]]}',
    ],
)
def test_a_body_that_is_no_such_act_is_malformed(body: bytes) -> None:
    for kind in ("act.retract", "act.hold"):
        with pytest.raises(Malformed):
            acts.decode(body, kind)


@given(st.sampled_from(EXAMPLES).flatmap(lambda act: st.tuples(mangled(acts.encode(act)), st.just(act.kind))))
def test_any_bytes_give_an_act_or_malformed(given_: tuple[bytes, str]) -> None:
    data, kind = given_
    try:
        act = acts.decode(data, kind)
    except Malformed:
        return
    assert act.kind == kind
    assert acts.decode(acts.encode(act), kind) == act


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_a_run_holds_something(start: int, end: int) -> None:
    for make in (lambda: Span(STATED, start, end), lambda: acts.HeldRun(start, end, Held.PAYLOAD)):
        if 0 <= start < end:
            make()
        else:
            with pytest.raises(ValueError, match="nothing"):
                make()


# -- what they add up to -----------------------------------------------------


@given(st.lists(acts_about, max_size=5).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_acts_add_up_in_any_order_and_twice_over(given_: tuple[list[AnyAct], list[AnyAct]]) -> None:
    some, shuffled = given_
    once = standing(some)
    assert standing(shuffled) == once
    assert standing([*some, *shuffled]) == once
    assert canon.encode(standing(shuffled)) == canon.encode(once)


@given(st.lists(acts_about, max_size=4))
def test_a_standing_is_stored_and_read_back(some: list[AnyAct]) -> None:
    whole = standing(some)
    assert canon.decode(canon.encode(whole), Standing, what="a standing") == whole


def test_nothing_said_is_untouched_and_stored_as_nothing() -> None:
    assert standing([]) == UNTOUCHED
    assert canon.encode(UNTOUCHED) == b"{}"


def test_acts_about_other_things_leave_a_standing_alone() -> None:
    about = [act for act in EXAMPLES if not isinstance(act, acts.ABOUT_STATEMENTS)]
    assert standing(about) == UNTOUCHED


@given(markings)
def test_nothing_said_leaves_the_marking_alone(marking: Marking) -> None:
    assert narrowed(marking, UNTOUCHED) == marking


ALICE, BOB, CSIRT = (f"{BOREALIA}/csirt{rest}" for rest in ("/alice", "/bob", ""))


@pytest.mark.parametrize(
    ("marking", "said", "expected"),
    [
        (Marking(Tlp.GREEN), [Narrow(SPAN, Tlp.AMBER)], Marking(Tlp.AMBER)),
        (Marking(Tlp.RED), [Narrow(SPAN, Tlp.GREEN)], Marking(Tlp.RED)),
        (Marking(Tlp.CLEAR, Pap.GREEN), [Narrow(SPAN, pap=Pap.AMBER)], Marking(Tlp.CLEAR, Pap.AMBER)),
        (Marking(Tlp.CLEAR), [Narrow(SPAN, onward=False)], Marking(Tlp.CLEAR, onward=False)),
        (Marking(Tlp.AMBER), [Narrow(SPAN, to=(CSIRT,))], Marking(Tlp.AMBER, to=(CSIRT,))),
        (Marking(Tlp.AMBER, to=(ALICE, BOB)), [Narrow(SPAN, to=(BOB, CSIRT))], Marking(Tlp.AMBER, to=(BOB,))),
        (Marking(Tlp.AMBER, to=(ALICE,)), [Narrow(SPAN, to=(BOB,))], Marking(Tlp.AMBER, to=(NOBODY,))),
        (Marking(Tlp.AMBER), [Narrow(SPAN, to=(ALICE,)), Narrow(SPAN, to=(BOB,))], Marking(Tlp.AMBER, to=(NOBODY,))),
        (Marking(Tlp.AMBER), [Narrow(SPAN, Tlp.RED, to=(ALICE,))], Marking(Tlp.RED, to=(ALICE,))),
        (Marking(Tlp.AMBER, to=(ALICE, BOB)), [Narrow(SPAN, Tlp.RED)], Marking(Tlp.RED, to=(ALICE, BOB))),
        (Marking(Tlp.AMBER), [Narrow(SPAN, Tlp.RED)], Marking(Tlp.RED, to=(NOBODY,))),
        (Marking(Tlp.AMBER), [Narrow(SPAN, Tlp.RED), Narrow(SPAN, to=(ALICE,))], Marking(Tlp.RED, to=(NOBODY,))),
        (Marking(Tlp.RED), [Narrow(SPAN, to=(ALICE,))], Marking(Tlp.RED, to=(NOBODY,))),
    ],
)
def test_what_an_author_leaves_out_stays_and_what_it_says_only_narrows(
    marking: Marking, said: list[AnyAct], expected: Marking
) -> None:
    assert narrowed(marking, standing(said)) == expected


@given(st.lists(acts_about, max_size=5))
def test_a_correction_is_a_retraction_that_names_what_takes_the_place(some: list[AnyAct]) -> None:
    plain = [msgspec.structs.replace(act, by=None) if isinstance(act, Retract) else act for act in some]
    named = {(act.by.origin, act.by.start) for act in some if isinstance(act, Retract) and act.by is not None}
    assert set(standing(some).by) == named
    assert msgspec.structs.replace(standing(some), by=()) == standing(plain)


def test_the_next_generation_of_a_log_may_hold_what_takes_the_place() -> None:
    act = Retract(SPAN, by=Span(canon.Origin(STATED.rpartition("/")[0] + "/2"), 0, 1))
    assert acts.decode(acts.encode(act), act.kind) == act


def test_a_withdrawal_beats_consent_in_whatever_order() -> None:
    consent, withdrawal = Consent(SPAN, (CSIRT, ALICE), 0), Narrow(SPAN, revoke=(CSIRT,))
    for some in ([consent, withdrawal], [withdrawal, consent], [consent, withdrawal, consent]):
        assert standing(some).consents_to(CSIRT) is None
        assert standing(some).consents_to(ALICE) == 0


@pytest.mark.parametrize(("ends", "expected"), [([AT], AT), ([AT, AT + 1], AT + 1), ([AT, 0], 0), ([0], 0), ([], None)])
def test_the_longest_consent_counts(ends: list[int], expected: int | None) -> None:
    assert standing([Consent(SPAN, (CSIRT,), end) for end in ends]).consents_to(CSIRT) == expected


TERMS = terms_of(in_force(text(transfer='"BB", "CC"', use='"defence", "research"')), 1)


def facts_of(marking: Marking, **changes: Any) -> Facts:
    author = office(ARCADIA)
    fields: dict[str, Any] = {
        "author": author,
        "holder": author,
        "kind": INTEL_OBJECT,
        "marking": marking,
        "conduct": "",
        "exercise": False,
        "accord": TERMS.accord,
        "version": 1,
        "jurisdiction": "AA",
    }
    return Facts(**fields | changes)


@given(markings, st.lists(acts_about, max_size=4), st.lists(narrowing, min_size=1, max_size=3), st.booleans())
def test_more_narrowing_acts_never_open_anything(
    marking: Marking, known: list[AnyAct], more: list[AnyAct], relayed: bool
) -> None:
    the_facts = facts_of(marking, **({"holder": office(BOREALIA)} if relayed else {}))
    before, after = standing(known), standing([*known, *more])
    for to in AUDIENCES:
        if isinstance(decide(the_facts, to, TERMS, after, AT), Release):
            assert isinstance(decide(the_facts, to, TERMS, before, AT), Release), to.name


@given(markings, st.lists(narrowing, max_size=4))
def test_a_narrowed_marking_ranks_no_lower(marking: Marking, said: list[AnyAct]) -> None:
    now = narrowed(marking, standing(said))
    assert now.tlp.rank >= marking.tlp.rank
    assert now.pap.rank >= marking.pap.rank
    assert not marking.to or set(now.to) <= {*marking.to, NOBODY}
    assert now.onward <= marking.onward
    rest = ("embargo", "use", "transfer", "personal")
    assert all(getattr(now, name) == getattr(marking, name) for name in rest)


def test_nobody_is_no_audience() -> None:
    assert NOBODY not in {each.name for each in AUDIENCES}
    assert audience(office(PartyId(ARCADIA))).name != NOBODY
