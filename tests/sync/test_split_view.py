"""A log in two versions: found by showing heads, proven to anybody, frozen. A lying accuser freezes nothing."""

from __future__ import annotations

import pytest

from comity import canon, sync
from comity.canon import AccordId, Origin
from comity.node import forks, witness
from comity.node.ports import LogState
from comity.testing.world import Inhabitant, World
from comity.tlog.fork import ForkCertificate
from comity.tlog.note import parse_note
from comity.vocab import Held
from tests.sync.forger import (
    Forged,
    Forger,
    assert_others_go_on,
    assert_refused,
    doctor_says,
    header,
    held,
    pulled,
    stix,
)

ALL = AccordId("all")
PAYLOAD, WITHHELD = Held.PAYLOAD, Held.WITHHELD


def split(hostile: World, liar: Forger, sizes: tuple[int, int]) -> tuple[Forged, Forged]:
    """Let the liar show one history to the second party and another to the third."""
    _, b, c, _ = hostile.people
    one = liar.log(ALL)
    other = Forged(one.origin, list(one.entries))
    for log, size in zip((one, other), sizes, strict=True):
        while log.size < size:
            log.state(header(), stix(hostile))
    liar.to = {b.name: {one.origin: one}, c.name: {other.origin: other}}
    return one, other


@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 3), (2, 300), (300, 2)])
def test_a_split_view_is_found_by_showing_heads_and_proven_to_anybody(
    hostile: World, liar: Forger, sizes: tuple[int, int]
) -> None:
    _, b, c, _ = hostile.people
    one, other = split(hostile, liar, sizes)
    pulled(hostile, b, liar.one)
    pulled(hostile, c, liar.one)
    assert len(held(b, one.origin)) == sizes[0] and len(held(c, one.origin)) == sizes[1]
    for _ in range(3):
        pulled(hostile, b, c)
        pulled(hostile, c, b)
    for holder in (b, c):
        with holder.store.read() as unit:
            log = unit.logs.find(one.origin)
            assert log is not None and log.state is LogState.FROZEN
            file = forks.export(unit, one.origin)
        proven = forks.check(file)
        assert proven.party == liar.one.name and proven.first != proven.second
        assert f"{one.origin} is frozen" in doctor_says(holder)
        assert_refused(holder, "forked", "two contradictory versions")
    # Nothing more of it is believed: neither history grows here.
    before = [len(held(holder, one.origin)) for holder in (b, c)]
    for log in (one, other):
        log.state(header(), stix(hostile))
    pulled(hostile, b, liar.one)
    pulled(hostile, c, liar.one)
    assert [len(held(holder, one.origin)) for holder in (b, c)] == before
    assert_others_go_on(hostile)


def test_a_split_view_whose_both_sides_grow_is_found_by_who_is_always_behind(hostile: World, liar: Forger) -> None:
    """The third party hears of the other history only through longer checkpoints, never asks twice at one size."""
    _, b, c, _ = hostile.people
    one, other = split(hostile, liar, (6, 3))
    for _ in range(6):
        pulled(hostile, b, liar.one)
        pulled(hostile, c, b)
        pulled(hostile, c, liar.one)
        if witness_frozen(c, one.origin):
            break
        one.state(header(), stix(hostile))
        one.state(header(), stix(hostile))
        other.state(header(), stix(hostile))
        other.state(header(), stix(hostile))
    assert witness_frozen(c, one.origin)


def test_a_split_view_is_found_though_the_peer_has_nothing_new(hostile: World, liar: Forger) -> None:
    """The second party's heads do not change: the comparing that was put off is not forgotten for that."""
    _, b, c, _ = hostile.people
    one, _ = split(hostile, liar, (6, 3))
    pulled(hostile, b, liar.one)
    pulled(hostile, c, liar.one)
    for _ in range(2):
        pulled(hostile, c, b)
    assert witness_frozen(c, one.origin)


def witness_frozen(one: Inhabitant, origin: str) -> bool:
    with one.store.read() as unit:
        return witness.is_frozen(unit, Origin(origin))


def test_a_rewritten_history_is_proven_by_what_was_held(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    log.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
    log.entries.pop()
    for _ in range(3):
        log.state(header(), stix(hostile))
    outcome = pulled(hostile, victim, liar.one)
    assert outcome.forks == [log.origin] and witness_frozen(victim, log.origin)
    assert held(victim, log.origin) == [PAYLOAD] * 2, "what was held stays, as it was"


def test_a_home_log_in_two_versions_is_a_fork_too(hostile: World, liar: Forger) -> None:
    victim, honest = hostile.people[1], hostile.people[2]
    home = canon.home_origin(liar.one.name, 1)
    trees = [Forged(home, []) for _ in range(2)]
    for tree in trees:
        for _ in range(3):
            tree.state(header("home.release", None, 0), b"{}", version=0)
    liar.home = liar.note(trees[0])
    assert not pulled(hostile, victim, liar.one).faults
    liar.home = liar.note(trees[1])
    assert pulled(hostile, victim, liar.one).forks == [home]
    assert pulled(hostile, honest, victim).forks == [home], "it is passed on"
    liar.home = liar.note(trees[0], 2)
    assert not pulled(hostile, victim, liar.one).faults, "nothing more of it is believed, and nothing more is said"


def test_a_home_log_that_shrinks_or_is_rewritten_is_refused(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    home = canon.home_origin(liar.one.name, 1)
    tree, other = Forged(home, []), Forged(home, [])
    for log in (tree, other):
        for _ in range(5):
            log.state(header("home.release", None, 0), b"{}", version=0)
    liar.home = liar.note(tree, 4)
    liar.logs[home] = tree
    pulled(hostile, victim, liar.one)
    liar.home = liar.note(tree, 3)
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "refused", "a home log shorter than the one it signed before")
    liar.home = liar.note(other)
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "unverified", "do not match")


def test_a_lying_accuser_freezes_nothing(hostile: World, liar: Forger) -> None:
    victim, honest = hostile.people[1], hostile.people[2]
    origin = Origin(f"{honest.name}/accord/{ALL}/1")
    true, false = Forger(hostile, honest).log(ALL), Forged(origin, [])
    false.state(header(), b"{}")
    real = parse_note(honest.node.signer.checkpoint(origin, true.checkpoint().text()))
    fake = parse_note(liar.one.node.signer.checkpoint(origin, false.checkpoint().text()))
    pulled(hostile, victim, honest)
    grown = Forged(origin, [*true.entries])
    grown.state(header(), b"{}")
    longer = parse_note(honest.node.signer.checkpoint(origin, grown.checkpoint().text()))
    mine = Forged(Origin(f"{liar.one.name}/accord/elsewhere/1"), [])
    liar.forks = (
        ForkCertificate(real, fake).encode(),
        ForkCertificate(fake, real).encode(),
        ForkCertificate(real, real).encode(),
        ForkCertificate(real, longer).encode(),
        b"comity/fork/v1\n\n",
        b"",
    )
    liar.others = [fake.encode()]
    outcome = pulled(hostile, victim, liar.one)
    assert outcome.forks == [] and len(outcome.faults) == 7
    assert not witness_frozen(victim, origin)
    with victim.store.read() as unit:
        log = unit.logs.find(origin)
        assert log is not None and log.state is LogState.OPEN
    assert_refused(victim, "unverified", "a fork certificate proves nothing")
    assert_others_go_on(hostile)
    # A true fork of a log that concerns nobody here fills no disk either.
    two = Forged(mine.origin, [])
    mine.state(header(), b"{}")
    two.state(header(), b"{}")
    liar.others = []
    liar.forks = (ForkCertificate(parse_note(liar.note(mine)), parse_note(liar.note(two))).encode(),)
    assert pulled(hostile, victim, liar.one).forks == []
    assert_refused(victim, "refused", "none of a log that is followed here")


def test_a_certificate_that_comes_before_its_log_freezes_it_too(hostile: World, liar: Forger) -> None:
    victim, honest, log = hostile.people[1], hostile.people[2], liar.log(ALL)
    other = Forged(log.origin, [])
    other.state(header(), b"{}")
    certificate = ForkCertificate(parse_note(liar.note(log)), parse_note(liar.note(other))).encode()
    accuser = Forger(hostile, honest).take_over()
    accuser.forks = (certificate,)
    assert pulled(hostile, victim, honest).forks == [log.origin]
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == []


def test_forks_of_an_accord_are_shown_to_its_members_only(hostile: World, liar: Forger) -> None:
    _, b, c, stranger = hostile.people
    split(hostile, liar, (3, 3))
    pulled(hostile, b, liar.one)
    pulled(hostile, c, liar.one)
    assert pulled(hostile, b, c).forks
    assert sync.decode_heads(b.services.serving.answer(c.name, sync.Heads()).body).forks
    assert not sync.decode_heads(b.services.serving.answer(stranger.name, sync.Heads()).body).forks
