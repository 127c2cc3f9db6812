"""Many entries at once are seen as each is alone."""

from __future__ import annotations

from pathlib import Path
from random import Random

from comity.canon import AccordId, OfficeId
from comity.node.actor import Actor
from comity.node.ports import position
from comity.node.releases import class_runs
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import World, amber, indicators
from comity.vocab import Tlp


def test_what_may_be_seen_of_many_entries_is_what_may_be_seen_of_each(tmp_path: Path) -> None:
    world = World(1, 2, tmp_path)
    one = world.people[0]
    accord = world.accord(AccordId("near-shores"), world.people)
    places = world.collect(one, list(indicators(world.random, 5)), Marking(Tlp.GREEN))
    one.services.sharing.share(one.actor, accord, places[:3])
    secret = world.collect(one, list(indicators(world.random, 2)), amber(f"{one.name}/csirt"))
    one.services.sharing.share(one.actor, accord, secret)
    world.calm(8)
    police = Actor(OfficeRef(one.name, OfficeId("police")), "duty")  # what csirt collected it sees where it was stated
    with one.store.read() as unit:
        every = [position(log.id, index) for log in unit.logs.all() for index in range(log.size)]
        asked = every + every[::3]
        Random(2).shuffle(asked)
        alone = [at for at in every if one.services.queries.witness_at(unit, police, at) is not None]
        assert list(one.services.queries.readable(unit, police, asked)) == sorted(alone)
        assert 0 < len(alone) < len(every)
        assert [at for run in class_runs(unit, asked) for at in run.places] == sorted(every)
    world.close()
