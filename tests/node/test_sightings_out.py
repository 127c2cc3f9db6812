"""Sightings of Comity's own, exported: STIX and MISP in their own words, nothing that they have no word for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from comity.areas import intel
from comity.formats.convert import Losses
from comity.formats.decay import Verdict
from comity.formats.misp.write import About as Event
from comity.formats.misp.write import write as write_event
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.node import correspondents, exporting, ingest, sightings
from comity.node.correspondents import Correspondent
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.vocab import Tlp
from tests.node.test_scoring import CLEAR, VALUE, collect, state, when

ABOUT = "indicator--11111111-2222-4333-8444-555555555555"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties."""
    made = World(12, 2, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    """The first, which has a correspondent."""
    one = world.people[0]
    office = str(one.actor.office)
    correspondents.register(one.node, one.actor, Correspondent(office, "bank", "XA", Tlp.AMBER.value, client=True))
    return one


def see(one: Inhabitant, verdict: Verdict, count: int = 0, *, about: str = ABOUT, value: str = "") -> int:
    said = intel.Sighting(START + 60, count, "ipv4" if value else "", value, about, "in our sinkhole", verdict)
    return sightings.record(one.node, one.actor, said, CLEAR)


def exported(one: Inhabitant, places: Sequence[int]) -> tuple[list[bytes], int]:
    """Return the objects that go to the correspondent, and how many have no form."""
    with one.store.read() as unit:
        to = one.services.releases.audience(unit, f"{one.actor.office}~bank")
    done = exporting.decide_export(one.node, one.services.releases, one.actor, places, to)
    left: Counter[str] = Counter()
    with one.store.read() as unit:
        return list(exporting.objects(one.services.queries, unit, done, left)), left.total()


@pytest.mark.parametrize(("verdict", "count"), [(Verdict.SEEN, 3), (Verdict.SEEN, 0), (Verdict.FALSE_POSITIVE, 0)])
def test_a_sighting_of_an_object_goes_out_as_stix_has_it(one: Inhabitant, verdict: Verdict, count: int) -> None:
    at = see(one, verdict, count)
    (data,), left = exported(one, [at])
    assert (exported(one, [at]), left) == (([data], 0), 0), "the same at every export"
    assert not isinstance(check.check_many([data])[0], Refusal)
    tree = json.loads(data)
    assert tree["object_marking_refs"] == ["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"]
    if verdict is Verdict.SEEN:
        assert (tree["type"], tree["sighting_of_ref"], tree["count"]) == ("sighting", ABOUT, count)
        assert (tree["last_seen"], tree["description"]) == (when(START + 60), "in our sinkhole")
    else:
        assert (tree["type"], tree["opinion"], tree["object_refs"]) == ("opinion", "strongly-disagree", [ABOUT])


def test_what_stix_has_no_word_for_is_counted_and_never_written_raw(one: Inhabitant) -> None:
    places = [see(one, Verdict.EXPIRED), see(one, Verdict.FALSE_POSITIVE, about="", value=VALUE)]
    places.append(see(one, Verdict.SEEN, 1, about="ipv4-addr--11111111-2222-5333-8444-555555555555"))
    far = intel.Sighting(2**52, object=ABOUT)
    places.append(sightings.record(one.node, one.actor, far, CLEAR))
    assert exported(one, places) == ([], 4)


def test_a_false_positive_lowers_the_score_where_it_arrives_as_a_file(world: World, one: Inhabitant) -> None:
    data, _ = exported(one, [see(one, Verdict.FALSE_POSITIVE)])
    other = world.people[1]
    collect(other, "a", 80)
    world.now = START + 120
    with other.node.writing() as unit:
        source = ingest.put_source(unit, other.actor, "files", Marking(Tlp.GREEN))
    assert ingest.ingest(other.node, other.actor, source, data).kept == 1
    assert state(other, 120 / 86_400)[1] == 59


def test_misp_gets_its_types_and_no_sighting_of_what_was_not_seen(one: Inhabitant) -> None:
    collect(one, "a", 80)
    places = [*held(one), see(one, Verdict.SEEN, 1), see(one, Verdict.FALSE_POSITIVE), see(one, Verdict.SEEN, 0)]
    data, _ = exported(one, places)
    losses = Losses()
    about = Event(ABOUT[11:], "x", START, "arcadia.example", ABOUT[11:], Tlp.CLEAR)
    event = json.loads(b"".join(write_event(data, about, losses)))["Event"]
    (attribute,) = event["Attribute"]
    assert [(one["type"], one["date_sighting"]) for one in attribute["Sighting"]] == [
        ("0", str(START + 60)),
        ("1", str(START + 60)),
    ]
    assert {rule for _, rule in losses.counts} >= {"not seen"}


def held(one: Inhabitant) -> list[int]:
    with one.store.read() as unit:
        return [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
