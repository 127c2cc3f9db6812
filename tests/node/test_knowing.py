"""What is known of many values at once: newer versions of an object, sightings that came in several ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.areas import intel
from comity.canon import accord_origin
from comity.node import acting, ingest, knowing, sightings
from comity.node import seen as seeing
from comity.node.knowing import Known, State
from comity.node.sharing import Offer
from comity.statement import INTEL_SIGHTING, Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Tlp, Use
from tests.node.test_intelligence import indicator

OLD, NEW, NEWER = (b"2026-01-%02dT00:00:00.000Z" % day for day in (1, 5, 9))
SOON = 1_768_176_000  # 2026-01-12: nothing has faded yet
OTHER = b"99999999-2222-4333-8444-555555555555"
EXPIRED = b',"valid_until":"2026-01-06T00:00:00Z"'
CLEAR = Marking(Tlp.CLEAR, use=(Use.DEFENCE,))
SEEN = "192.0.2.9"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three parties that know each other."""
    made = World(5, 3, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    """The first of them."""
    return world.people[0]


def known(world: World, one: Inhabitant, value: str = "192.0.2.7") -> Known:
    """Return what is known of a value."""
    with one.store.read() as unit:
        (told,) = knowing.known(one.services.queries, unit, one.actor, [value], SOON)
    return told


@pytest.mark.parametrize(
    ("newer", "state"),
    [
        (indicator(modified=NEW), State.CURRENT),
        (indicator(modified=NEW, more=b',"revoked":true'), State.REVOKED),
        (indicator(modified=NEW, more=EXPIRED), State.EXPIRED),
        (indicator(b"198.51.100.1", modified=NEW), State.SUPERSEDED),
        (indicator(b"198.51.100.1", modified=NEW, more=b',"revoked":true'), State.REVOKED),
        (indicator(b"198.51.100.1", modified=NEW, more=EXPIRED), State.EXPIRED),
        (indicator(b"198.51.100.1", modified=NEW, uuid=OTHER), State.CURRENT),
    ],
)
@pytest.mark.parametrize("is_last", [True, False])
def test_the_newest_version_of_an_object_decides(
    world: World, one: Inhabitant, newer: bytes, state: State, is_last: bool
) -> None:
    for data in (indicator(modified=OLD), newer) if is_last else (newer, indicator(modified=OLD)):
        world.collect(one, [data], amber())
    assert known(world, one).state is state


def test_another_object_still_holds_a_value_current(world: World, one: Inhabitant) -> None:
    revoked = indicator(modified=NEW, more=b',"revoked":true')
    world.collect(one, [indicator(), revoked, indicator(uuid=OTHER)], amber())
    assert (known(world, one).state, known(world, one).objects) == (State.CURRENT, 3)


def test_a_newer_version_that_was_taken_back_supersedes_nothing(world: World, one: Inhabitant) -> None:
    world.collect(one, [indicator(modified=OLD)], amber())
    newer = world.collect(one, [indicator(b"198.51.100.1", modified=NEWER)], amber())
    assert known(world, one).state is State.SUPERSEDED
    acting.retract(one.actor, one.node, newer, "a mistake")
    assert known(world, one).state is State.CURRENT


def seen(world: World, one: Inhabitant, count: int = 7) -> int:
    """Put a sighting on record."""
    return sightings.record(one.node, one.actor, intel.Sighting(world.now, count, "ipv4", SEEN), CLEAR)


def test_a_sighting_that_was_taken_back_does_not_count(world: World, one: Inhabitant) -> None:
    at = seen(world, one)
    seen(world, one, 2)
    assert known(world, one, SEEN).sightings == 9
    acting.retract(one.actor, one.node, [at], "a mistake")
    assert known(world, one, SEEN).sightings == 2


def test_two_sightings_in_one_second_are_two(world: World, one: Inhabitant) -> None:
    seen(world, one)
    seen(world, one)
    assert known(world, one, SEEN).sightings == 14


def test_a_sighting_that_came_directly_and_by_relays_counts_once(world: World) -> None:
    a, b, c = world.people
    ab, bc, ac = (world.accord(name, who) for name, who in (("ab", [a, b]), ("bc", [b, c]), ("ac", [a, c])))
    places = [seen(world, a), seen(world, a)]
    for accord in (ab, ac):
        a.services.sharing.share(a.actor, accord, places, Offer(CLEAR))
    world.calm(8)
    with b.store.read() as unit:
        log = unit.logs.find(accord_origin(a.name, ab, 1))
        assert log is not None
        passed = [
            brief.position
            for brief in unit.entries.brief(log.id, 0, log.size)
            if b.node.header(unit.entries.header(brief.header_id)).kind == INTEL_SIGHTING
        ]
    assert b.services.sharing.share(b.actor, bc, passed, Offer(CLEAR)).relayed == 2
    world.calm(8)
    assert [known(world, each, SEEN).sightings for each in (a, b, c)] == [14, 14, 14]


def test_what_is_counted_of_one_value_is_bounded(
    world: World, one: Inhabitant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeing, "SIGHTINGS_COUNTED_MAX", 3)
    for _ in range(5):
        seen(world, one, 1)
    assert known(world, one, SEEN).sightings == 3


def test_nobody_replaces_anothers_word(tmp_path: Path) -> None:
    world = World(1, 1, tmp_path)
    (one,) = world.people
    for source, revoked, modified in (("ours", False, "2026-01-01"), ("theirs", True, "2026-01-05")):
        tree = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": "indicator--11111111-2222-4333-8444-555555555555",
            "created": "2026-01-01T00:00:00.000Z",
            "modified": f"{modified}T00:00:00.000Z",
            "pattern": "[ipv4-addr:value = '192.0.2.7']",
            "pattern_type": "stix",
            "valid_from": "2026-01-01T00:00:00Z",
            "revoked": revoked,
        }
        with one.node.writing() as unit:
            origin = ingest.put_source(unit, one.actor, source, Marking(Tlp.GREEN))
        ingest.ingest(one.node, one.actor, origin, [json.dumps(tree).encode()])
    with one.store.read() as unit:
        (line,) = knowing.known(one.services.queries, unit, one.actor, ["192.0.2.7"], SOON)
    assert (line.state, line.source) == (knowing.State.CURRENT, "ours")
    world.close()
