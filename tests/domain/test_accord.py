"""Accords: the text and its errors, the life cycle as a table, and ballots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity import canon
from comity.accord import TRANSITIONS, Accord, Placed, SignedText, fold, parse_text, seconds
from comity.acts import AnyAct, Ballot, Join, Leave, Resume, Suspend
from comity.canon import Digest, PartyId
from comity.errors import Malformed, Refused, TooLarge
from comity.limits import ACCORD_BYTES_MAX, ACCORD_MEMBERS_MAX
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
    mangled,
    text,
    toml,
)

# -- the text ----------------------------------------------------------------


def test_a_text_is_read_with_its_bytes_and_digest() -> None:
    read = text()
    assert read.data == toml()
    assert read.digest == canon.digest(toml())
    assert [m.party for m in read.text.member] == [ARCADIA, BOREALIA, CASCADIA]
    assert read.text.member_of(DORIA) is None


@pytest.mark.parametrize(
    ("kind", "opened"),
    [("intel.object", True), ("intel.sighting", False), ("consultation.meeting", False), ("intelx.object", False)]
    + [("home.release", False), ("", False)],
)
def test_a_text_opens_its_areas_less_the_kinds_it_refuses(kind: str, opened: bool) -> None:
    assert text(refused='"intel.sighting"').text.opens(kind) is opened


BAD_TEXTS: list[tuple[bytes, bytes, str]] = [
    (b"form = 1", b"form = 2", "form"),
    (b"form = 1", b"form = true", "form"),
    (b"form = 1\n", b"", "form"),
    (b'id = "three-shores"', b'id = "Three Shores"', "Three Shores"),
    (b"version = 1", b"version = 0", "version"),
    (b"version = 1", b"version = 2", "version"),
    (b'parent = ""', b'parent = "sha256:00"', "version"),
    (b"version = 1", b"version = 1.0", "version"),
    (b"version = 1", b"version = 1979-05-27", "version"),
    (b"binding = false", b'binding = "no"', "binding"),
    (b'community = "three-shores"', b'community = " "', "community"),
    (b'areas = ["intel", "response", "requests"]', b"areas = []", "area"),
    (b'areas = ["intel", "response", "requests"]', b'areas = ["censorship"]', "areas"),
    (b'ceiling = "RED"', b'ceiling = "WHITE"', "ceiling"),
    (b'use = ["defence"]', b'use = ["surveillance"]', "use"),
    (b'rule = "majority"', b'rule = "acclamation"', "rule"),
    (b'party = "cert.borealia.example"', b'party = "Borealia"', "Borealia"),
    (b'party = "cert.borealia.example"', b'party = "cert.arcadia.example"', "twice"),
    (b'root = "', b'root = "x', "root key"),
    (b'jurisdiction = "BB"', b'jurisdiction = "BB"\nseat = 3', "seat"),
    (b"[terms]", b"[terms]\nlegal = 1", "legal"),
    (b'title = "Three shores"', b'title = "Three shores', "line"),
    (b'title = "Three shores"', b'title = "Three shores"\ntitle = "x"', "line"),
    (b"[voting]", b'[clocks]\nflash-ack = "soon"\n[voting]', "flash-ack"),
    (b"[voting]", b'[retention]\n"intel.object" = "0d"\n[voting]', "intel.object"),
    (b"[voting]", b"[retention]\n" + b'"intel.object" = 9' + b"9" * 5_000 + b"\n[voting]", "cannot be read"),
    (b'title = "Three shores"', b"title = " + b"[" * 20_000, "cannot be read"),
    (b'title = "Three shores"', b'title = "\xff"', "utf-8"),
]


@pytest.mark.parametrize(("old", "new", "named"), BAD_TEXTS, ids=lambda part: repr(part)[:30])
def test_an_error_in_a_text_names_its_line_or_field(old: bytes, new: bytes, named: str) -> None:
    data = toml()
    assert old in data
    with pytest.raises(Malformed, match=named):
        parse_text(data.replace(old, new, 1))


def test_two_members_do_not_share_a_root_key() -> None:
    roots = [member.root.encode() for member in text().text.member]
    with pytest.raises(Malformed, match="root key"):
        parse_text(toml().replace(roots[1], roots[0]))


@pytest.mark.parametrize("use", ["attack", "intelligence", "investigation"])
def test_no_accord_permits_in_general_what_takes_a_request(use: str) -> None:
    with pytest.raises(Refused, match=use):
        text(use=f'"defence", "{use}"')


def test_an_accord_has_two_members_or_more_and_not_too_many() -> None:
    many = [PartyId(f"cert.n{n}.example") for n in range(ACCORD_MEMBERS_MAX + 1)]
    assert len(parse_text(toml(many[:-1])).text.member) == ACCORD_MEMBERS_MAX
    for members in (many, [], many[:1]):
        with pytest.raises(Malformed):
            parse_text(toml(members))


def test_an_oversize_text_is_too_large() -> None:
    with pytest.raises(TooLarge):
        parse_text(toml() + b"#" * ACCORD_BYTES_MAX)


@given(mangled(toml()) | st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@settings(max_examples=200)
def test_any_bytes_give_a_text_or_their_fault(data: bytes) -> None:
    try:
        read = parse_text(data)
    except (Malformed, TooLarge, Refused):
        return
    assert read.data == data
    assert len(read.text.member) >= 2


@pytest.mark.parametrize(("words", "length"), [("30m", 1_800), ("72h", 259_200), ("730d", 63_072_000), ("1m", 60)])
def test_durations(words: str, length: int) -> None:
    assert seconds(words) == length


@pytest.mark.parametrize("words", ["", "0m", "01h", "-1d", "1", "h", "1.5h", "1 h", "1H", "1h\n", "1000000d", "٣h"])
def test_what_is_no_duration_is_malformed(words: str) -> None:
    with pytest.raises(Malformed):
        seconds(words)


# -- the life cycle ----------------------------------------------------------


def test_every_phase_has_a_row_and_every_row_leads_to_a_phase() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert {after for row in TRANSITIONS.values() for after in row.values()} <= set(Phase)


class Arrival(NamedTuple):
    """Something that reaches a node: a signature, an act, or a text."""

    signed: tuple[SignedText, PartyId] | None = None
    act: Placed | None = None
    text: SignedText | None = None


def known(arrivals: Sequence[Arrival]) -> Accord:
    signatures: dict[Digest, set[PartyId]] = {}
    for one in arrivals:
        if one.signed is not None:
            signatures.setdefault(one.signed[0].digest, set()).add(one.signed[1])
    texts = [one.text for one in arrivals if one.text is not None]
    return fold(V1, texts, signatures, [one.act for one in arrivals if one.act is not None])


def _moves(party: PartyId, index: int) -> st.SearchStrategy[Arrival]:
    votes = [
        Ballot(V1.digest, V2.digest, True),
        Ballot(V1.digest, V2B.digest, True),
        Ballot(V2.digest, V3.digest, True),
    ]
    votes += [Ballot(V1.digest, V2.digest, False)]
    moves = [*votes, Suspend(), Resume(1), Resume(9), Leave(), Join(V1.digest)]
    return st.sampled_from(moves).map(lambda act: Arrival(act=Placed(party, 1, index, act)))


@st.composite
def histories(draw: st.DrawFn) -> list[Arrival]:
    """Return what reaches a node: each party's acts in the order of its log, all else in any order."""
    waiting: list[list[Arrival]] = [[Arrival(text=each)] for each in (V2, V2B, V3)]
    waiting += [[Arrival(signed=(V1, m.party))] for m in V1.text.member]
    waiting += [[Arrival(signed=(V2, DORIA))], [Arrival(signed=(V3, CASCADIA))]]
    for party in PARTIES:
        count = draw(st.integers(0, 4))
        waiting.append([draw(_moves(party, index)) for index in range(count)])
    history: list[Arrival] = []
    while any(waiting):
        queue = draw(st.sampled_from([each for each in waiting if each]))
        history.append(queue.pop(0))
    return history


@given(histories())
@settings(max_examples=300)
def test_no_arrival_moves_an_accord_as_the_table_does_not(history: list[Arrival]) -> None:
    before = known([])
    assert before.phase is Phase.DRAFT
    for end in range(1, len(history) + 1):
        after = known(history[:end])
        assert after.phase is before.phase or after.phase in TRANSITIONS[before.phase].values()
        for party, state in after.members.items():
            was = before.members[party].phase if party in before.members else state.phase
            back_while_suspended = (was, state.phase) == (Phase.LEFT, Phase.SUSPENDED)
            assert state.phase is was or state.phase in TRANSITIONS[was].values() or back_while_suspended
        before = after


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_order_of_arrival_never_matters(history: list[Arrival], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert known(shuffled) == known(history)
    assert known([*history, *shuffled]) == known(history)


def _voted(proposal: SignedText) -> list[Arrival]:
    parent = V1 if proposal.text.version == 2 else V2
    votes = [Arrival(act=ballot(m.party, parent, proposal, index=proposal.text.version)) for m in parent.text.member]
    newcomer = DORIA if proposal is V2 else CASCADIA
    return [Arrival(text=proposal), Arrival(signed=(proposal, newcomer)), *votes]


def _acted(party: PartyId, *acts: AnyAct) -> list[Arrival]:
    return [Arrival(act=Placed(party, 1, 10 + index, act)) for index, act in enumerate(acts)]


SIGNED = [Arrival(signed=(V1, party)) for party in (ARCADIA, BOREALIA, CASCADIA)]
GONE = [*_acted(ARCADIA, Leave()), *_acted(CASCADIA, Leave())]

# How each row of the table comes about: what is known before, what arrives, and whose phase moves (None: the accord's).
STORIES: dict[tuple[Phase, str], tuple[list[Arrival], list[Arrival], PartyId | None]] = {
    (Phase.DRAFT, "sign"): ([], SIGNED[:1], None),
    (Phase.DRAFT, "last-but-one-leaves"): (GONE[:1], GONE[1:], None),
    (Phase.SIGNING, "sign"): (SIGNED[:1], SIGNED[1:2], None),
    (Phase.SIGNING, "last-signature"): (SIGNED[:2], SIGNED[2:], None),
    (Phase.SIGNING, "last-but-one-leaves"): ([*SIGNED[:2], *GONE[:1]], GONE[1:], None),
    (Phase.ACTIVE, "suspend"): (SIGNED, _acted(CASCADIA, Suspend()), CASCADIA),
    (Phase.ACTIVE, "leave"): (SIGNED, _acted(CASCADIA, Leave()), CASCADIA),
    (Phase.ACTIVE, "expelled"): ([*SIGNED, *_voted(V2)[:-2]], _voted(V2)[-2:], CASCADIA),
    (Phase.ACTIVE, "amend"): ([*SIGNED, *_voted(V2)[:-2]], _voted(V2)[-2:], None),
    (Phase.ACTIVE, "last-but-one-leaves"): ([*SIGNED, *GONE[:1]], GONE[1:], None),
    (Phase.SUSPENDED, "resume"): (
        [*SIGNED, *_acted(CASCADIA, Suspend())],
        _acted(CASCADIA, Suspend(), Resume(1))[1:],
        CASCADIA,
    ),
    (Phase.SUSPENDED, "leave"): (
        [*SIGNED, *_acted(CASCADIA, Suspend())],
        _acted(CASCADIA, Suspend(), Leave())[1:],
        CASCADIA,
    ),
    (Phase.SUSPENDED, "expelled"): (
        [*SIGNED, *_acted(CASCADIA, Suspend()), *_voted(V2)[:-2]],
        _voted(V2)[-2:],
        CASCADIA,
    ),
    (Phase.LEFT, "readmitted"): ([*SIGNED, *_voted(V2), *_voted(V3)[:-2]], _voted(V3)[-2:], CASCADIA),
    (Phase.ENDED, "late-amendment"): ([*SIGNED, *GONE, *_voted(V2)[:-2]], _voted(V2)[-2:], None),
}


def test_every_row_of_the_table_comes_about() -> None:
    assert set(STORIES) == {(phase, event) for phase, row in TRANSITIONS.items() for event in row}
    for (phase, event), (known_before, arriving, party) in STORIES.items():
        before, after = known(known_before), known([*known_before, *arriving])
        was, now = (each.members[party].phase if party else each.phase for each in (before, after))
        assert (was, now) == (phase, TRANSITIONS[phase][event]), event
        assert before != after


@given(histories(), histories())
def test_who_left_by_its_own_act_stays_away(history: list[Arrival], more: list[Arrival]) -> None:
    left = Arrival(act=Placed(CASCADIA, 1, 0, Leave()))
    rest = [a for a in [*history, *more] if a.act is None or a.act.party != CASCADIA or a.act.index]
    state = known([left, *rest])
    assert state.members[CASCADIA].phase is Phase.LEFT
    assert not state.takes_part(CASCADIA)


def test_in_force_from_the_last_signature() -> None:
    phases = []
    for count in range(4):
        state = fold(V1, [], {V1.digest: frozenset([ARCADIA, BOREALIA, CASCADIA][:count])}, [])
        phases.append(state.phase)
        assert len(state.awaiting) == 3 - count
    assert phases == [Phase.DRAFT, Phase.SIGNING, Phase.SIGNING, Phase.ACTIVE]


def test_a_strangers_signature_counts_for_nothing() -> None:
    state = fold(V1, [], {V1.digest: frozenset({ARCADIA, BOREALIA, DORIA})}, [])
    assert state.phase is Phase.SIGNING
    assert state.awaiting == (CASCADIA,)


def moved(*moves: tuple[PartyId, AnyAct]) -> Accord:
    return in_force(V1, acts=[Placed(p, 1, index, act) for index, (p, act) in enumerate(moves)])


@pytest.mark.parametrize(
    ("own", "phase"),
    [
        ([], Phase.ACTIVE),
        ([Suspend()], Phase.SUSPENDED),
        ([Suspend(), Resume(1)], Phase.ACTIVE),
        ([Suspend(), Suspend(), Resume(1)], Phase.SUSPENDED),
        ([Suspend(), Suspend(), Resume(2)], Phase.ACTIVE),
        ([Suspend(), Resume(1), Suspend()], Phase.SUSPENDED),
        ([Suspend(), Resume(1), Suspend(), Resume(2)], Phase.ACTIVE),
        ([Suspend(), Resume(1), Resume(1), Suspend()], Phase.SUSPENDED),
        ([Resume(9), Suspend()], Phase.SUSPENDED),  # none that is yet to come
        ([Resume(-1), Suspend(), Resume(0)], Phase.SUSPENDED),
        ([Suspend(), Leave(), Resume(1)], Phase.LEFT),
        ([Leave(), Suspend(), Resume(9), Join(V1.digest)], Phase.LEFT),
    ],
)
def test_suspensions_are_counted_and_leaving_is_final(own: list[AnyAct], phase: Phase) -> None:
    state = moved(*((CASCADIA, act) for act in own))
    assert state.members[CASCADIA].phase is phase
    assert state.takes_part(CASCADIA) is (phase is Phase.ACTIVE)
    assert state.takes_part(ARCADIA)
    assert state.phase is Phase.ACTIVE


def test_an_accord_ends_when_one_member_remains() -> None:
    assert moved((ARCADIA, Leave())).phase is Phase.ACTIVE
    ended = moved((ARCADIA, Leave()), (BOREALIA, Leave()))
    assert ended.phase is Phase.ENDED
    assert not ended.takes_part(CASCADIA)


def test_leaving_before_all_have_signed_ends_the_draft() -> None:
    acts = [Placed(ARCADIA, 1, 0, Leave()), Placed(BOREALIA, 1, 0, Leave())]
    assert fold(V1, [], {V1.digest: frozenset({ARCADIA})}, acts).phase is Phase.ENDED


def test_an_act_speaks_for_its_own_party_only() -> None:
    state = moved((DORIA, Leave()), (DORIA, Suspend()))
    assert all(state.takes_part(party) for party in (ARCADIA, BOREALIA, CASCADIA))
    assert not state.takes_part(DORIA)


def test_two_acts_at_one_place_of_a_forked_log_fold_alike_in_any_order() -> None:
    forked = [Placed(ARCADIA, 1, 0, vote.act) for vote in (ballot(ARCADIA, V1, V2), ballot(ARCADIA, V1, V2B))]
    others = [ballot(BOREALIA, V1, V2), Placed(DORIA, 1, 0, Join(V2.digest))]
    signatures = {V1.digest: frozenset({ARCADIA, BOREALIA, CASCADIA}), V2.digest: frozenset({DORIA})}
    folds = [fold(V1, [V2, V2B], signatures, order) for order in permutations([*forked, *others])]
    assert all(each == folds[0] for each in folds)
