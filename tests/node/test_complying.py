"""Who has complied: with every act, the oldest that waits first; and whoever has a statement, by others' relays too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.acts import Narrow
from comity.canon import accord_origin
from comity.node import acting, complying
from comity.node.complying import Told
from comity.node.sharing import Offer
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, indicators
from comity.vocab import Held, Tlp, Use

CLEAR = Marking(Tlp.CLEAR, use=(Use.DEFENCE,))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three parties: the first and the second have an accord of their own, and all three one."""
    made = World(9, 3, tmp_path)
    made.accord("ab", made.people[:2])
    made.accord("abc", made.people)
    yield made
    made.close()


def told(one: Inhabitant) -> list[Told]:
    with one.store.read() as unit:
        return complying.told(one.node, one.services.accords, unit, one.actor.office_id)


def shared(world: World, count: int, accord: str = "ab") -> list[int]:
    a = world.people[0]
    places = world.collect(a, list(indicators(world.random, count)), CLEAR)
    a.services.sharing.share(a.actor, accord, places, Offer(CLEAR))
    world.calm(8)
    return places


def answers(one: Inhabitant, at: int) -> dict[tuple[str, str, str], tuple[str, str, Held | None]]:
    with one.store.read() as unit:
        found = complying.compliance(one.node, one.services.accords, unit, [at])
    return {(said.accord, said.party, said.relayed_by): (said.act, said.answer, said.held) for said in found}


def test_every_act_is_listed_and_the_oldest_that_waits_stands_first(world: World) -> None:
    a, b, _ = world.people
    first, second, third = shared(world, 3)
    acting.retract(a.actor, a.node, [first], "one")
    world.calm(8)
    world.now += 10
    acting.narrow(a.actor, a.node, [second], Narrow((), Tlp.AMBER, reason="two"))
    world.now += 10
    acting.erase(a.actor, a.node, [third], "GDPR art. 17", "three")
    waiting = told(a)
    assert [one.act.kind for one in waiting] == ["act.narrow", "act.tombstone", "act.retract"]
    assert [one.waits for one in waiting] == [True, True, False]
    assert [one.statements for one in waiting] == [1, 1, 1]
    assert waiting[0].members == {b.name: "silent"}
    world.calm(8)
    assert [(one.act.kind, one.waits) for one in told(a)] == [
        ("act.retract", False), ("act.narrow", False), ("act.tombstone", False),
    ]  # fmt: skip
    assert told(b) == [], "another party's acts are not its own"


def test_one_act_about_many_counts_them_and_waits_for_the_last_member(world: World) -> None:
    a, b, c = world.people
    places = shared(world, 4, "abc")
    acting.retract(a.actor, a.node, places, "all of them")
    world.pull(b, a)
    world.pull(a, b)
    (act,) = told(a)
    assert act.statements == 4
    assert (act.members[b.name], act.members[c.name]) == ("complied", "silent")
    assert act.waits


def test_who_has_it_by_anothers_relay_is_shown_where_the_author_takes_part(world: World) -> None:
    a, b, c = world.people
    (at,) = shared(world, 1)
    with b.store.read() as unit:
        log = unit.logs.find(accord_origin(a.name, "ab", 1))  # type: ignore[arg-type]
        assert log is not None
        held = [brief.position for brief in unit.entries.brief(log.id, 0, log.size)
                if b.node.header(unit.entries.header(brief.header_id)).kind == "intel.object"]  # fmt: skip
    assert b.services.sharing.share(b.actor, "abc", held, Offer(CLEAR)).relayed == 1
    world.calm(8)
    assert answers(a, at) == {
        ("ab", b.name, ""): ("", "holds", Held.PAYLOAD),
        ("abc", c.name, b.name): ("", "holds", Held.PAYLOAD),
    }
    acting.retract(a.actor, a.node, [at], "a mistake")
    world.pull(b, a)
    assert answers(a, at)["abc", c.name, b.name] == ("", "holds", Held.PAYLOAD), "the relay's act is not here yet"
    world.calm(8)
    assert answers(a, at) == {
        ("ab", b.name, ""): ("retract", "complied", Held.PAYLOAD),
        ("abc", c.name, b.name): ("retract", "complied", Held.PAYLOAD),
    }


def test_anothers_statement_of_the_same_object_is_no_relay(world: World) -> None:
    a, b, _ = world.people
    objects = list(indicators(world.random, 1))
    (mine,) = world.collect(a, objects, CLEAR)
    (theirs,) = world.collect(b, objects, CLEAR)
    a.services.sharing.share(a.actor, "ab", [mine], Offer(CLEAR))
    b.services.sharing.share(b.actor, "abc", [theirs], Offer(CLEAR))
    world.calm(8)
    assert set(answers(a, mine)) == {("ab", b.name, "")}
