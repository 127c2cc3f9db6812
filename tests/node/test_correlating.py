"""What shares values with what: complete, ranked, and common values named instead of dropped."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.areas import intel
from comity.canon import OfficeId
from comity.node import correlating, ingest
from comity.node.actor import Actor
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp

OBJECT = (
    '{"type":"indicator","spec_version":"2.1","id":"indicator--%s","created":"2026-01-01T00:00:00.000Z",'
    '"modified":"2026-01-01T00:00:00.000Z","name":"%s","pattern":"%s","pattern_type":"stix",'
    '"valid_from":"2026-01-01T00:00:00Z"}'
)


def indicator(number: int, values: list[int]) -> bytes:
    """Return an indicator about some addresses, by number."""
    pattern = " OR ".join(f"ipv4-addr:value = '198.51.{value >> 8}.{value & 255}'" for value in values)
    return (OBJECT % (f"{number:08x}-0000-4000-8000-000000000000", f"n{number}", f"[{pattern}]")).encode()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def take(one: Inhabitant, objects: list[bytes]) -> list[int]:
    """Ingest objects; return their positions."""
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(one.node, one.actor, source, objects)
    with one.store.read() as unit:
        return [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]


def numbers(one: Inhabitant, found: correlating.Correlation) -> list[int]:
    """Return the numbers of the objects that are related, in their order."""
    with one.store.read() as unit:
        bodies = [one.services.queries.body(unit, each.found.witnesses[0].position) for each in found.related]
    return [int(body.partition(b"indicator--")[2][:8], 16) for body in bodies]


def test_what_shares_more_and_rarer_values_comes_first(one: Inhabitant) -> None:
    places = take(
        one,
        [
            indicator(1, [10, 11, 12]),
            indicator(2, [10]),  # a value that four have
            indicator(3, [10]),
            indicator(4, [11, 10]),  # one more, that only two have
            indicator(5, [99]),
        ],
    )
    with one.store.read() as unit:
        found = correlating.correlate(one.services.queries, unit, one.actor, places[:1])
    assert numbers(one, found)[0] == 4
    assert sorted(numbers(one, found)[1:]) == [2, 3]
    assert (found.values, found.shared, found.common, found.unread) == (3, 2, [], 0)
    assert [value.value for value in found.related[0].values] == ["198.51.0.10", "198.51.0.11"]


def test_a_common_value_is_named_with_its_number_and_ranks_nothing(one: Inhabitant) -> None:
    places = take(one, [indicator(n, [7]) for n in range(30)] + [indicator(100, [7, 8]), indicator(101, [8])])
    with one.store.read() as unit:
        found = correlating.correlate(one.services.queries, unit, one.actor, places[30:31], common=20)
        whole = correlating.correlate(one.services.queries, unit, one.actor, places[30:31])
    assert numbers(one, found) == [101]
    assert [(each.value.value, each.objects) for each in found.common] == [("198.51.0.7", 31)]
    assert len(whole.related) == 31, "without the limit all of them: nothing is capped"


def test_values_of_an_event_that_is_not_held_are_compared_too(one: Inhabitant) -> None:
    take(one, [indicator(1, [1]), indicator(2, [2])])
    with one.store.read() as unit:
        found = correlating.correlate_values(
            one.services.queries, unit, one.actor, ["198[.]51[.]0[.]2", "198.51.0.9", "nothing.example"]
        )
    assert (numbers(one, found), found.values, found.shared) == ([2], 3, 1)


def test_what_an_office_may_not_read_does_not_count(tmp_path: Path) -> None:
    world = World(1, 1, tmp_path)
    (one,) = world.people
    take(one, [indicator(1, [1]), indicator(2, [1])])
    stranger = Actor(OfficeRef(one.name, OfficeId("police")), "reader")
    with one.store.read() as unit:
        assert correlating.correlate_values(one.services.queries, unit, stranger, ["198.51.0.1"]).shared == 0
        assert correlating.correlate_values(one.services.queries, unit, one.actor, ["198.51.0.1"]).shared == 1
    world.close()


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True), min_size=2, max_size=12))
def test_it_finds_exactly_what_shares_a_value(sets: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(1, 1, Path(folder))
        (one,) = world.people
        places = take(one, [indicator(n, values) for n, values in enumerate(sets)])
        chosen = Random(len(sets)).randrange(len(sets))
        with one.store.read() as unit:
            found = correlating.correlate(one.services.queries, unit, one.actor, [places[chosen]])
        wanted = {n for n, values in enumerate(sets) if n != chosen and set(values) & set(sets[chosen])}
        assert set(numbers(one, found)) == wanted
        assert {intel.type_name(each.found.code) for each in found.related} <= {"indicator"}
        world.close()
