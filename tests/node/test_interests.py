"""Interests between nodes: voiced, seen, matched on both sides, withdrawn, and shared for by a standing rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from comity.areas.intel.interests import Interest
from comity.areas.intel.questions import Subject, Why
from comity.canon import AccordId
from comity.errors import Misuse, NotFound, Refused
from comity.node import acting, interests, rules
from comity.node.carrying import Carrier
from comity.node.rules import Rule
from comity.node.sharing import Offer
from comity.node.warnings import WarningLists
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Tlp, Use
from tests.node.test_intelligence import UUID, indicator

GREEN = Marking(Tlp.GREEN, use=(Use.DEFENCE,))
NETWORK = Interest(Why.HUNT, networks=("192.0.2.0/24",))
FITS, OTHER = indicator(b"192.0.2.7"), indicator(b"198.51.100.7", uuid=UUID.replace(b"1", b"2"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties with an accord."""
    made = World(9, 2, tmp_path)
    made.accord("two", made.people)
    yield made
    made.close()


def voiced(world: World, interest: Interest = NETWORK) -> str:
    """Have the second party say what it asks for; return the interest's name."""
    _, b = world.people
    at = b.services.interests.voice(b.actor, "two", interest, amber())
    world.calm(8)
    with b.store.read() as unit:
        return b.services.interests.voiced(unit, b.actor, at).name


def matching(one: Inhabitant, name: str) -> list[bytes]:
    with one.store.read() as unit:
        wanted = one.services.interests.named(unit, one.actor, name).interest
        found = one.services.interests.fitting(unit, one.actor, [wanted])
        return [one.services.queries.body(unit, at) for at in found.places]


def arrived(one: Inhabitant) -> list[bytes]:
    with one.store.read() as unit:
        wanted = [each.interest for each in one.services.interests.all_(unit, one.actor, mine=True)]
        found = one.services.interests.fitting(unit, one.actor, wanted, arrived=True)
        return [one.services.queries.body(unit, at) for at in found.places]


def test_an_interest_is_seen_and_matched_on_both_sides(world: World) -> None:
    a, b = world.people
    name = voiced(world)
    places = world.collect(a, [FITS, OTHER], GREEN)
    with a.store.read() as unit:
        (seen,) = a.services.interests.all_(unit, a.actor)
        assert not a.services.interests.all_(unit, a.actor, mine=True)
    assert (seen.party, seen.accord, seen.interest) == (b.name, "two", NETWORK)
    assert matching(a, name) == [FITS]
    assert a.services.sharing.share(a.actor, "two", places, Offer(GREEN)).stated == 2
    world.calm(8)
    assert arrived(b) == [FITS]
    acting.retract(a.actor, a.node, [places[0]], "a mistake")
    assert matching(a, name) == []


def test_a_look_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a = world.people[0]
    monkeypatch.setattr(interests, "STEP", 3)
    many = [indicator(b"192.0.2.%d" % n, uuid=b"%08d" % n + UUID[8:]) for n in range(20)]
    world.collect(a, many, GREEN)
    met: list[int] = []
    before = 0
    with a.store.read() as unit:
        while True:
            found = a.services.interests.fitting(unit, a.actor, [NETWORK], before=before, most=4)
            met += found.places
            before = found.before
            if not before:
                break
    assert met == sorted(set(met), reverse=True)
    assert len(met) == 20


def test_values_alone_are_found_by_the_index_as_looking_through_finds_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.people
    many = [indicator(b"192.0.2.%d" % n, uuid=b"%08d" % n + UUID[8:]) for n in range(20)]
    places = world.collect(a, many, GREEN)
    a.services.sharing.share(a.actor, "two", places[5:], Offer(GREEN))
    world.calm(8)
    acting.retract(a.actor, a.node, [places[12]], "a mistake")
    world.calm(8)
    last = f"indicator--{(b'%08d' % 19 + UUID[8:]).decode()}"
    named = Interest(
        Why.HUNT, values=(Subject("stix-id", last), *(Subject("ipv4", f"192.0.2.{n}") for n in range(3, 16)))
    )
    wider = msgspec.structs.replace(named, networks=("203.0.113.0/24",))  # and is looked through
    for one, arrived_ in ((a, False), (b, True)):
        with one.store.read() as unit:
            find = one.services.interests.fitting
            quick = find(unit, one.actor, [named], arrived=arrived_)
            slow = find(unit, one.actor, [wider], arrived=arrived_)
            assert quick.places == slow.places
            assert len(quick.places) == (13 if one is a else 11)
            assert quick.looked < slow.looked
            met, before = [], 0
            while len(met) < 50:
                page = find(unit, one.actor, [named], arrived=arrived_, before=before, most=4)
                met += page.places
                if not (before := page.before):
                    break
            assert met == quick.places
            later = msgspec.structs.replace(named, types=("malware",))
            assert find(unit, one.actor, [later], arrived=arrived_).places == []


def test_another_offices_records_do_not_match(world: World) -> None:
    a = world.people[0]
    name = voiced(world)
    world.collect(a, [FITS], GREEN)
    stranger = a.actor._replace(office=a.actor.office._replace(office="police"))  # type: ignore[arg-type]
    with a.store.read() as unit:
        wanted = a.services.interests.named(unit, a.actor, name).interest
        assert a.services.interests.fitting(unit, stranger, [wanted]).places == []


def test_a_rule_shares_what_was_asked_for_until_it_is_withdrawn(world: World) -> None:
    a, b = world.people
    name = voiced(world)
    accord = AccordId("two")
    rule = Rule("asked", a.actor.office_id, accord, "duty", a.node.now(), interest=name, warned=True)
    with a.node.writing() as unit:
        rules.create(a.services, unit, a.actor, rule)
    carrier = Carrier(a.services, WarningLists(None))
    world.collect(a, [FITS, OTHER], GREEN)
    assert carrier.run(a.actor, rule).stated == 1
    world.calm(8)
    assert arrived(b) == [FITS]
    with b.store.read() as unit:
        at = b.services.queries.parse_place(unit, name)
    acting.retract(b.actor, b.node, [at], "solved")
    world.calm(8)
    world.collect(a, [indicator(b"192.0.2.8", uuid=UUID.replace(b"1", b"3"))], GREEN)
    with pytest.raises(Refused, match="withdrawn"):
        carrier.run(a.actor, rule)
    with a.store.read() as unit:
        assert "withdrawn" in rules.state_of(unit, rule).stopped
        assert a.services.interests.all_(unit, a.actor) == []
        assert len(a.services.interests.all_(unit, a.actor, ended=True)) == 1


def test_what_is_no_interest_is_not_taken_for_one(world: World) -> None:
    a, b = world.people
    (at,) = world.collect(a, [FITS], GREEN)
    with a.store.read() as unit:
        with pytest.raises(NotFound):
            a.services.interests.voiced(unit, a.actor, at)
    with pytest.raises(Misuse):
        b.services.interests.voice(b.actor, "two", Interest(Why.HUNT), amber())
    with pytest.raises(Misuse):
        b.services.interests.voice(b.actor, "two", Interest(Why.HUNT, kinds=("ipv4",), until=1), amber())


@pytest.mark.parametrize("tlp", [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER])
def test_what_is_asked_for_in_one_accord_goes_to_no_other(tmp_path: Path, tlp: Tlp) -> None:
    """Own networks and domains say what a party looks after: consent and label do not let a holder pass them on."""
    world = World(9, 3, tmp_path)
    a, b, c = world.people
    world.accord("ab", [a, b])
    world.accord("bc", [b, c])
    at = a.services.interests.voice(a.actor, "ab", NETWORK, Marking(tlp, use=(Use.DEFENCE,)))
    acting.consent(a.actor, a.node, [at], [f"{c.name}/csirt"], 0)
    world.calm(8)
    with b.store.read() as unit:
        (seen,) = b.services.interests.all_(unit, b.actor)
    done = b.services.sharing.share(b.actor, "bc", [seen.position])
    assert (done.relayed, done.withheld) == (0, 1)
    assert any("ask it anew" in ground for ground in done.grounds)
    world.calm(8)
    with c.store.read() as unit:
        assert c.services.interests.all_(unit, c.actor) == []
        for log in unit.logs.all():
            assert not any(b"192.0.2.0" in (entry.body or b"") for entry in unit.entries.read(log.id, 0, log.size))
    world.close()
