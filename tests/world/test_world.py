"""Worlds of composed nodes: whatever the network does, equal holdings add up to equal views."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.acts import Narrow
from comity.canon import AccordId, Origin, accord_origin
from comity.errors import ComityError
from comity.node import acting, complying, rebuild, views
from comity.node.ports import position
from comity.node.sharing import Offer
from comity.statement import Marking
from comity.testing.network import ROUGH
from comity.testing.world import Inhabitant, World, amber, indicators, told
from comity.vocab import Held, Tlp

NODES = int(os.environ.get("COMITY_WORLD_NODES", "50"))
STATEMENTS = int(os.environ.get("COMITY_WORLD_STATEMENTS", "200"))
ALL = AccordId("all")


def states(world: World, one: Inhabitant, count: int) -> None:
    """Let one node collect and share, then act on part of it: narrow, retract, consent, erase."""
    random = world.random
    objects = list(indicators(random, count))
    marking = random.choice([amber(), amber(), Marking(Tlp.GREEN), Marking(Tlp.AMBER_STRICT)])
    for start in range(0, count, max(1, count // 3)):
        places = world.collect(one, objects[start : start + max(1, count // 3)], marking)
        one.services.sharing.share(one.actor, ALL, places, Offer())
    with one.store.read() as unit:
        home = [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
    chosen = random.sample(home, min(8, len(home)))
    acting.retract(one.actor, one.node, chosen[:2], "a false positive")
    acting.narrow(one.actor, one.node, chosen[2:4], Narrow((), Tlp.AMBER_STRICT, onward=False))
    acting.consent(one.actor, one.node, chosen[4:6], [f"{world.people[0].name}/csirt"], 0)
    acting.erase(one.actor, one.node, chosen[6:7], "a court order", "personal data")


def assert_alike(world: World) -> None:
    """Everybody has the same tree of every log; where two hold the same of an entry, it adds up to the same."""
    held: Counter[Held] = Counter()
    for author in world.people:
        origin = accord_origin(author.name, ALL, 1)
        with author.store.read() as unit:
            log = unit.logs.find(origin)
        assert log is not None
        seen: dict[tuple[int, Held], str] = {}
        for holder in world.people:
            if holder is author:
                continue
            tree, entries = told(holder, origin)
            assert tree == (log.size, log.root), f"{holder.name} has another tree of {origin}"
            for index, (what, adds_up) in entries.items():
                held[what] += 1
                assert seen.setdefault((index, what), adds_up) == adds_up, f"{holder.name}: {origin}#{index}"
    assert held[Held.PAYLOAD] > 0.7 * held.total() and held[Held.ERASED] > 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A small world of four."""
    made = World(11, 4, tmp_path, faults=ROUGH)
    yield made
    made.close()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_small_world_agrees_under_every_fault(seed: int, tmp_path: Path) -> None:
    world = World(seed, 5, tmp_path, faults=ROUGH)
    world.accord(ALL, world.people)
    for _ in range(3):
        for one in world.people:
            states(world, one, 9)
        sides = world.random.sample(world.people, 2)
        world.network.partition([s.name for s in sides], [p.name for p in world.people if p not in sides])
        world.round()
        world.network.parts.clear()
        world.round()
    world.calm(20)
    assert_alike(world)
    assert not any(certificate for one in world.people for certificate in _forks(one))
    world.close()


def _forks(one: Inhabitant) -> list[str]:
    with one.store.read() as unit:
        return [key for key, _ in unit.documents.all("fork")]


@pytest.mark.parametrize("statements", [STATEMENTS, pytest.param(10 * STATEMENTS, marks=pytest.mark.soak)])
def test_many_nodes_agree_after_the_network_heals(statements: int, tmp_path: Path) -> None:
    world = World(2026, NODES, tmp_path, faults=ROUGH)
    world.accord(ALL, world.people)
    for one in world.people:
        states(world, one, statements)
    world.round()
    world.calm(20)
    assert_alike(world)
    world.close()


def test_the_same_seed_gives_the_same_bytes_in_every_log(tmp_path: Path) -> None:
    notes = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        world = World(7, 3, tmp_path / str(number), faults=ROUGH)
        world.accord(ALL, world.people)
        for one in world.people:
            states(world, one, 9)
        for _ in range(3):
            world.round()
        kept = []
        for one in world.people:
            with one.store.read() as unit:
                kept += [(one.name, log.origin, log.note) for log in unit.logs.all()]
        notes.append((kept, world.network.asked, world.network.carried))
        world.close()
    assert notes[0] == notes[1]


def test_rebuilding_folds_the_same_rows(world: World) -> None:
    world.accord(ALL, world.people)
    for one in world.people:
        states(world, one, 9)
    world.calm(20)
    one = world.people[0]
    before = _rows(one)
    rebuild.rebuild(one.node)
    assert _rows(one) == before
    assert sum(len(rows) for rows in before.values()) > 60


def _rows(one: Inhabitant) -> dict[str, list[tuple[object, ...]]]:
    with one.store.read() as unit:
        found: dict[str, list[tuple[object, ...]]] = {
            view.name: sorted(unit.views.scan(view, 0, 1 << 62, limit=1 << 30), key=repr) for view in views.VIEWS
        }
        found["standing"] = [
            (log.origin, entry.standing) for log in unit.logs.all() for entry in unit.entries.read(log.id, 0, log.size)
        ]
        found["spans"] = [s for log in unit.logs.all() for s in unit.spans.about(log.origin, 0, max(1, log.size))]
        return found


def test_a_retraction_and_an_erasure_reach_everybody_who_holds(world: World) -> None:
    a, b, c, _ = world.people
    world.accord(ALL, world.people)
    places = world.collect(a, list(indicators(world.random, 3)), amber())
    a.services.sharing.share(a.actor, ALL, places)
    world.calm(20)
    acting.retract(a.actor, a.node, places[:1], "a false positive")
    acting.erase(a.actor, a.node, places[1:2], "GDPR art. 17", "a victim's address")
    world.calm(20)
    for holder in (b, c):
        with holder.store.read() as unit:
            log = unit.logs.find(accord_origin(a.name, ALL, 1))
            assert log is not None
            entries = unit.entries.read(log.id, 1, 4)
            assert b'"retracted":true' in entries[0].standing
            assert entries[1].held is Held.ERASED and entries[1].salt is None and entries[1].body is None
            assert entries[2].held is Held.PAYLOAD
    with a.store.read() as unit:
        said = complying.compliance(a.node, a.services.accords, unit, places[:2])
        assert {(line.act, line.answer) for line in said} == {("retract", "complied"), ("tombstone", "complied")}
        assert len(said) == 6
        home = unit.entries.read(places[1] >> 40, places[1] & 0xFFFF, (places[1] & 0xFFFF) + 1)
        assert home[0].held is Held.ERASED, "the author's own copy is erased too"


def test_a_relay_needs_consent_keeps_the_author_and_follows_its_acts(world: World) -> None:
    a, b, c, _ = world.people
    one, two = AccordId("one"), AccordId("two")
    world.accord(one, [a, b])
    world.accord(two, [b, c])
    places = world.collect(a, list(indicators(world.random, 2)), amber())
    a.services.sharing.share(a.actor, one, places)
    world.calm(20)
    with b.store.read() as unit:
        log = unit.logs.find(accord_origin(a.name, one, 1))
        assert log is not None
        held = [position(log.id, index) for index in (1, 2)]
    assert _as_if(b, f"{accord_origin(a.name, one, 1)}#1", c) == {two: ["onward"]}
    refused = b.services.sharing.share(b.actor, two, held)
    assert refused.relayed == 0 and any("onward" in ground for ground in refused.grounds)
    acting.consent(a.actor, a.node, places[:1], [f"{c.name}/csirt"], 0)
    world.calm(20)
    assert _as_if(b, f"{accord_origin(a.name, one, 1)}#1", c) == {two: []}
    done = b.services.sharing.share(b.actor, two, held)
    assert (done.relayed, done.withheld) == (1, 1)
    world.calm(20)
    with c.store.read() as unit:
        found = c.services.queries.lookup(unit, c.actor, _value(a, places[0]))
        assert [w.party for f in found for w in f.witnesses] == [a.name], "the author stays the author"
        assert not c.services.queries.lookup(unit, c.actor, _value(a, places[1]))
    acting.retract(a.actor, a.node, places[:1], "a false positive")
    world.calm(20)
    with c.store.read() as unit:
        found = c.services.queries.lookup(unit, c.actor, _value(a, places[0]))
        assert [w.retracted for f in found for w in f.witnesses] == [True], "the relay passed the act on"


def _as_if(one: Inhabitant, name: str, to: Inhabitant) -> dict[str, list[str]]:
    """Return, for each accord it could be relayed in, the rules that forbid it."""
    with one.store.read() as unit:
        explained = one.services.explaining.explain(unit, one.actor, name, f"{to.name}/csirt")
    return {e.as_if: [f.rule for f in e.decision.findings if not f.allows] for e in explained if e.as_if}


def _value(one: Inhabitant, at: int) -> str:
    with one.store.read() as unit:
        body = one.services.queries.body(unit, at).decode()
    return body.split("'SHA-256' = '")[1].split("'")[0]


def test_a_peer_that_never_signed_the_accord_sees_nothing_of_it(world: World) -> None:
    a, b, _, stranger = world.people
    name = world.accord(AccordId("pair"), [a, b])
    places = world.collect(a, list(indicators(world.random, 2)), amber())
    a.services.sharing.share(a.actor, name, places)
    world.calm(20)
    with stranger.store.read() as unit:
        assert unit.logs.find(accord_origin(a.name, name, 1)) is None
    from comity import sync

    with pytest.raises(ComityError, match="no log"):
        world.network.carry(stranger.name, a.name, sync.Page(Origin(accord_origin(a.name, name, 1)), 0, 1, 1))
