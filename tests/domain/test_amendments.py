"""Amendments: ballots, rules of voting, newcomers, and never two successors of one version."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity import accord
from comity.accord import Accord, Placed, SignedText, fold, joined, parse_text, votes_needed
from comity.acts import Ballot, Join, Leave
from comity.canon import PartyId
from comity.errors import Misuse
from comity.limits import ACCORD_MEMBERS_MAX
from comity.vocab import Phase
from tests.domain.makers import (
    ARCADIA,
    BOREALIA,
    CASCADIA,
    DORIA,
    PARTIES,
    V1,
    V2,
    V2B,
    V3,
    ballot,
    in_force,
    text,
    toml,
)


def passes(votes: Sequence[Placed], *proposals: SignedText, first: SignedText = V1) -> Accord:
    signatures = {first.digest: frozenset(m.party for m in first.text.member), V2.digest: frozenset({DORIA})}
    return fold(first, proposals, signatures, votes)


def test_an_amendment_passes_with_more_than_half_of_all_members() -> None:
    assert passes([ballot(ARCADIA, V1, V2B)], V2B).current == V1
    assert passes([ballot(ARCADIA, V1, V2B), ballot(BOREALIA, V1, V2B, yes=False)], V2B).current == V1
    assert passes([ballot(ARCADIA, V1, V2B), ballot(BOREALIA, V1, V2B)], V2B).current == V2B
    assert passes([ballot(ARCADIA, V1, V2B), ballot(DORIA, V1, V2B)], V2B).current == V1  # no member, no vote


def test_a_second_ballot_is_shown_and_changes_nothing() -> None:
    votes = [ballot(ARCADIA, V1, V2), ballot(ARCADIA, V1, V2B, index=1), ballot(BOREALIA, V1, V2B)]
    state = passes(votes, V2, V2B)
    assert state.current == V1
    assert state.doubles == (votes[1],)
    again = passes([*votes, ballot(ARCADIA, V1, V2B, yes=False, index=2)], V2, V2B)
    assert again.current == V1
    assert len(again.doubles) == 2
    assert passes([*votes, *votes], V2, V2B) == state  # the same ballot fetched twice is one ballot


def test_a_ballot_of_an_earlier_generation_counts_first() -> None:
    late = Placed(ARCADIA, 2, 0, Ballot(V1.digest, V2B.digest, True))
    state = passes([late, ballot(ARCADIA, V1, V2, index=50), ballot(BOREALIA, V1, V2B)], V2, V2B)
    assert state.doubles == (late,)
    assert state.current == V1


def test_who_left_has_no_vote_but_keeps_the_one_it_cast() -> None:
    leave = Placed(ARCADIA, 1, 1, Leave())
    cast = [ballot(ARCADIA, V1, V2B, index=0), leave, ballot(BOREALIA, V1, V2B)]
    late = [ballot(ARCADIA, V1, V2B, index=2), leave, ballot(BOREALIA, V1, V2B)]
    assert passes(cast, V2B).current == V2B
    assert passes(late, V2B).current == V1


def test_newcomers_sign_before_an_amendment_is_in_force() -> None:
    votes = [ballot(party, V1, V2) for party in (ARCADIA, BOREALIA, CASCADIA)]
    full = {V1.digest: frozenset({ARCADIA, BOREALIA, CASCADIA})}
    assert fold(V1, [V2], full, votes).current == V1
    with_newcomer = fold(V1, [V2], full | {V2.digest: frozenset({DORIA})}, votes)
    assert with_newcomer.current == V2
    assert with_newcomer.takes_part(DORIA)
    assert with_newcomer.members[DORIA].since == 2
    assert with_newcomer.members[CASCADIA].phase is Phase.LEFT
    assert with_newcomer.version(1) == V1
    assert with_newcomer.version(3) is None


def test_who_comes_back_is_a_member_since_it_came_back() -> None:
    state = in_force(V1, V2, V3)
    assert state.current == V3
    assert {party: member.since for party, member in state.members.items()} == {
        ARCADIA: 1,
        BOREALIA: 1,
        CASCADIA: 3,
        DORIA: 2,
    }
    assert state.members[DORIA].phase is Phase.LEFT


@pytest.mark.parametrize("wrong", [{"version": 3}, {"version": 2, "parent": "sha256:" + "0" * 64}])
def test_an_amendment_follows_the_text_in_force(wrong: dict[str, object]) -> None:
    proposal = text(**{"parent": V1.digest} | wrong)  # type: ignore[arg-type]
    votes = [ballot(party, V1, proposal) for party in (ARCADIA, BOREALIA, CASCADIA)]
    assert passes(votes, proposal).current == V1


def test_another_accords_text_is_no_successor() -> None:
    other = parse_text(toml(version=2, parent=V1.digest).replace(b'id = "three-shores"', b'id = "two-shores"'))
    votes = [ballot(party, V1, other) for party in (ARCADIA, BOREALIA, CASCADIA)]
    assert passes(votes, other).current == V1


def test_an_ended_accord_goes_on_if_its_members_had_voted_for_it() -> None:
    votes = [ballot(party, V1, V2) for party in (ARCADIA, BOREALIA, CASCADIA)]
    gone = [Placed(ARCADIA, 1, 9, Leave()), Placed(CASCADIA, 1, 9, Leave())]
    full = {V1.digest: frozenset({ARCADIA, BOREALIA, CASCADIA}), V2.digest: frozenset({DORIA})}
    assert fold(V1, [], full, gone).phase is Phase.ENDED
    late = fold(V1, [V2], full, [*votes, *gone])
    assert late.phase is Phase.ACTIVE
    assert late.takes_part(BOREALIA)
    assert late.takes_part(DORIA)


RULES = ("majority", "two-thirds", "unanimous")


@pytest.mark.parametrize("rule", RULES)
def test_what_passes_takes_more_than_half_and_no_more_than_all(rule: str) -> None:
    for members in range(2, ACCORD_MEMBERS_MAX + 1):
        assert members < 2 * votes_needed(rule, members) <= 2 * members, members


@pytest.mark.parametrize(
    ("rule", "needed"), [("majority", [2, 2, 3, 3, 4]), ("two-thirds", [2, 2, 3, 4, 4]), ("unanimous", [2, 3, 4, 5, 6])]
)
def test_votes_needed(rule: str, needed: list[int]) -> None:
    assert [votes_needed(rule, members) for members in range(2, 7)] == needed


def test_there_is_no_other_rule() -> None:
    with pytest.raises(Misuse):
        votes_needed("plurality", 3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("members", [2, 3, 4])
def test_two_successors_of_one_version_never_both_pass(rule: str, members: int) -> None:
    first = text(PARTIES[:members], rule=rule)
    a, b = (text(PARTIES[:members], version=2, parent=first.digest, title=title) for title in ("a", "b"))
    choices = [None, (a, True), (b, True), (a, False), (b, False)]
    for votes in product(choices, repeat=members):
        cast = [ballot(p, first, v[0], yes=v[1]) for p, v in zip(PARTIES, votes, strict=False) if v is not None]
        # A double ballot by everybody must not help either.
        cast += [ballot(p, first, b, index=1) for p, v in zip(PARTIES, votes, strict=False) if v is not None]
        alone = [passes(cast, each, first=first).current == each for each in (a, b)]
        assert not all(alone)
        both = passes(cast, a, b, first=first)
        assert [both.current == each for each in (a, b)] == alone


@given(st.integers(2, 40), st.sampled_from(RULES), st.data())
@settings(max_examples=60)
def test_nor_with_many_members(members: int, rule: str, data: st.DataObject) -> None:
    names = [PartyId(f"cert.n{n}.example") for n in range(members)]
    first = text(names, rule=rule)
    rivals = [text(names, version=2, parent=first.digest, title=f"rival {n}") for n in range(3)]
    votes = data.draw(st.lists(st.sampled_from([None, *rivals]), min_size=members, max_size=members))
    cast = [ballot(name, first, vote) for name, vote in zip(names, votes, strict=True) if vote is not None]
    winners = [each for each in rivals if passes(cast, each, first=first).current == each]
    assert len(winners) <= 1
    assert passes(cast, *rivals, first=first).current == (winners[0] if winners else first)


@given(st.integers(2, 12), st.sampled_from(RULES))
def test_any_two_passing_majorities_share_a_member(members: int, rule: str) -> None:
    needed = votes_needed(rule, members)
    for one in list(combinations(range(members), needed))[:50]:
        assert len(set(range(members)) - set(one)) < needed


def test_joining_is_said_on_the_partys_own_log() -> None:
    acts = [Placed(ARCADIA, 1, 0, Join(V1.digest))]
    assert joined(acts, ARCADIA, V1.digest)
    assert not joined(acts, BOREALIA, V1.digest)
    assert not joined(acts, ARCADIA, V2.digest)


def test_the_media_type_of_a_text_is_its_own() -> None:
    from comity.party import CARD_MEDIA_TYPE

    assert accord.TEXT_MEDIA_TYPE != CARD_MEDIA_TYPE
