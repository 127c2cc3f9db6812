"""What a value is still worth: confidence joined, worn off, moved by sightings; the same in look-ups and lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from comity.areas import intel
from comity.errors import Malformed
from comity.formats import decay, observables
from comity.formats.decay import DAY, Verdict
from comity.node import acting, feeding, ingest, knowing, scoring, sightings
from comity.node.feeding import Sieve, Sifted
from comity.node.knowing import State
from comity.node.scoring import Score
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.vocab import Tlp, Use

VALUE = "192.0.2.7"
CLEAR = Marking(Tlp.CLEAR, use=(Use.DEFENCE,))
SHORT = '[[model]]\nname = "short"\nkinds = ["ipv4"]\nlifetime = 2\nthreshold = 20\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One party."""
    made = World(11, 1, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    """It."""
    return world.people[0]


def when(at: int) -> str:
    """Return a moment as STIX writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def collect(
    one: Inhabitant, source: str, confidence: int | None, *, age: int = 0, number: int = 1, reliability: str = ""
) -> None:
    """Take in an indicator of `VALUE` from a source, so many days old."""
    tree = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--1111111{number}-2222-4333-8444-555555555555",
        "created": when(START - age * DAY), "modified": when(START - age * DAY), "pattern_type": "stix",
        "pattern": f"[ipv4-addr:value = '{VALUE}']", "valid_from": when(START - age * DAY),
    }  # fmt: skip
    tree |= {} if confidence is None else {"confidence": confidence}
    put(one, source, tree, reliability)


def put(one: Inhabitant, source: str, tree: dict[str, object], reliability: str = "") -> None:
    with one.node.writing() as unit:
        origin = ingest.put_source(unit, one.actor, source, Marking(Tlp.GREEN))
        if reliability:
            origin = ingest.Source(origin.name, origin.office, origin.marking, reliability=reliability)
            unit.documents.put(ingest.SOURCES, f"{origin.office}/{origin.name}", json_bytes(origin))
    assert ingest.ingest(one.node, one.actor, origin, [json.dumps(tree).encode()]).kept == 1


def json_bytes(origin: ingest.Source) -> bytes:
    return msgspec.json.encode(origin)


def worth(one: Inhabitant, days: float = 0) -> Score | None:
    """Return what `VALUE` is worth after some days."""
    ((key, kind, _),) = observables.keyed(VALUE)
    queries = one.services.queries
    with one.store.read() as unit:
        found = queries.lookup(unit, one.actor, VALUE)
        return scoring.of_value(queries, unit, one.actor, kind, key, found, START + int(days * DAY))


def state(one: Inhabitant, days: float = 0) -> tuple[State, int | None]:
    with one.store.read() as unit:
        (told,) = knowing.known(one.services.queries, unit, one.actor, [VALUE], START + int(days * DAY))
    return told.state, told.score


def listed(one: Inhabitant, days: float = 0, *, confidence: int = 0, unsure: bool = True) -> list[str]:
    """Return why `VALUE` is not in a list for sensors; or nothing where it is."""
    at = START + int(days * DAY)
    queries = one.services.queries
    with one.store.read() as unit:
        places = [found for found, _ in queries.home_objects(unit, source="", type_="", after=0)]
        judge = scoring.judge(queries, one.actor, at)
        sieve, done = Sieve(confidence=confidence, unsure=unsure), Sifted()
        given = [item.value for item in feeding.items(one.node, unit, places, sieve, done, at=at, judge=judge)]
    assert given in ([], [VALUE])
    return [] if given else sorted(done.left)


def see(one: Inhabitant, verdict: Verdict, days: float = 0, *, about: str = "") -> int:
    at = START + int(days * DAY)
    count = int(verdict is Verdict.SEEN)
    value = {} if about else {"kind": "ipv4", "value": VALUE}
    return sightings.record(
        one.node, one.actor, intel.Sighting(at, count, object=about, verdict=verdict, **value), CLEAR
    )


def test_witnesses_are_joined_and_wear_off(one: Inhabitant) -> None:
    collect(one, "a", 60)
    assert state(one) == (State.CURRENT, 60)
    collect(one, "b", 60, number=2)
    fresh, later = worth(one), worth(one, 15)
    assert fresh is not None and later is not None
    assert (fresh.score, fresh.base, fresh.left, fresh.model) == (72, 72, 100, "address")
    assert later.score == decay.score(72, "ipv4", START, None, START + 15 * DAY)
    assert state(one, 15) == (State.CURRENT, later.score)
    assert state(one, 29)[0] is State.FADED
    assert [(basis.source, basis.confidence, basis.counted) for basis in fresh.basis] == [("a", 60, 60), ("b", 60, 60)]


def test_who_gives_no_number_ages_all_the_same(one: Inhabitant) -> None:
    collect(one, "a", None)
    assert (state(one), state(one, 29)) == ((State.CURRENT, None), (State.FADED, None))
    assert (listed(one), listed(one, 29), listed(one, unsure=False)) == ([], ["faded"], ["without a confidence"])


def test_who_is_unsure_from_the_start_has_not_faded(one: Inhabitant) -> None:
    collect(one, "a", 10)
    assert (state(one), listed(one), listed(one, confidence=20)) == ((State.CURRENT, 10), [], ["confidence too low"])


def test_a_sighting_begins_anew_a_false_positive_lowers_and_an_expiration_ends(one: Inhabitant) -> None:
    collect(one, "a", 80, age=20)
    assert (listed(one, 5), state(one, 5)[0]) == (["faded"], State.FADED)
    seen = see(one, Verdict.SEEN, 4)
    assert (listed(one, 5), state(one, 4)) == ([], (State.CURRENT, 80))
    see(one, Verdict.FALSE_POSITIVE, 4.5)
    score = worth(one, 4.5)
    assert score is not None
    assert score.doubted_by == (str(one.actor.office),)
    half = START + int(4.5 * DAY)
    words = [decay.Sighted("x", START + 4 * DAY), decay.Sighted("y", half, Verdict.FALSE_POSITIVE)]
    assert score.score == decay.aged(80, "ipv4", START - 20 * DAY, words, half).score
    see(one, Verdict.EXPIRED, 5)
    assert (state(one, 5), listed(one, 5)) == ((State.FADED, 0), ["faded"])
    acting.retract(one.actor, one.node, [seen], "a mistake")
    assert state(one, 4.2)[0] is State.FADED


def test_what_is_said_of_the_object_counts_for_its_values(one: Inhabitant) -> None:
    collect(one, "a", 80)
    see(one, Verdict.EXPIRED, about="indicator--11111111-2222-4333-8444-555555555555")
    assert state(one) == (State.FADED, 0)


@pytest.mark.parametrize(("opinion", "score"), [("strongly-disagree", 60), ("agree", 80)])
def test_stix_opinions_and_sightings_count(one: Inhabitant, opinion: str, score: int) -> None:
    collect(one, "a", 80)
    about = "indicator--11111111-2222-4333-8444-555555555555"
    common = {"spec_version": "2.1", "created": when(START), "modified": when(START)}
    put(
        one,
        "b",
        {"type": "opinion", "id": f"opinion--{about[11:]}", "opinion": opinion, "object_refs": [about], **common},
    )
    assert state(one) == (State.CURRENT, score)
    sighting = {"type": "sighting", "id": f"sighting--{about[11:]}", "sighting_of_ref": about, "count": 3, **common}
    put(one, "b", sighting)
    later = {"modified": when(START + 9 * DAY), "last_seen": when(START + 9 * DAY), "count": 5}
    put(one, "b", sighting | later)
    with one.store.read() as unit:
        (told,) = knowing.known(one.services.queries, unit, one.actor, [VALUE], START + 9 * DAY)
    assert (told.sightings, told.score) == (
        5,
        80,
    )  # a word and its newer version are one; the newest word is that it was seen


def test_an_office_sets_its_own_table(world: World, one: Inhabitant) -> None:
    collect(one, "a", 80, reliability="D")
    scoring.set_table(one.node, one.actor, SHORT)
    assert (state(one, 0), state(one, 1.8)[0]) == ((State.CURRENT, 80), State.FADED)
    scoring.set_table(one.node, one.actor, SHORT + "[reliability]\nD = 50\n")
    score = worth(one)
    assert score is not None
    assert (score.score, score.basis[0].reliability, score.basis[0].counted) == (40, "D", 40)
    assert (state(one)[1], listed(one, confidence=41), listed(one, confidence=40)) == (40, ["confidence too low"], [])
    with pytest.raises(Malformed, match="reliability"):
        scoring.set_table(one.node, one.actor, SHORT + "[reliability]\nZ = 50\n")
    scoring.set_table(one.node, one.actor, "")
    assert state(one) == (State.CURRENT, 80)


def test_joined_witnesses_pass_a_bar_that_none_of_them_does(one: Inhabitant) -> None:
    collect(one, "a", 60)
    collect(one, "b", 60, number=2)
    assert listed(one, confidence=72) == []
    assert "confidence too low" in listed(one, confidence=73)


def renew(one: Inhabitant, source: str, value: str, number: int = 1) -> list[int]:
    """Take in a version of an object that is newer than all others, about a value; return where it stands."""
    later = when(START + DAY)
    tree = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--1111111{number}-2222-4333-8444-555555555555",
        "created": when(START), "modified": later, "pattern_type": "stix", "confidence": 60,
        "pattern": f"[ipv4-addr:value = '{value}']", "valid_from": when(START),
    }  # fmt: skip
    put(one, source, tree)
    with one.store.read() as unit:
        return [max(at for at, _ in one.services.queries.home_objects(unit, source=source, type_="", after=0))]


def test_who_says_something_newer_is_no_witness_of_the_older(one: Inhabitant) -> None:
    collect(one, "a", 60)
    collect(one, "b", 60)
    assert state(one) == (State.CURRENT, 72)
    newer = renew(one, "a", "198.51.100.1")
    assert state(one) == (State.CURRENT, 60)
    acting.retract(one.actor, one.node, newer, "a mistake")
    assert state(one) == (State.CURRENT, 72)


def test_who_took_it_back_keeps_no_version_alive(one: Inhabitant) -> None:
    collect(one, "a", 60)
    collect(one, "b", 60)
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="b", type_="", after=0)]
    acting.retract(one.actor, one.node, places, "a mistake")
    renew(one, "a", "198.51.100.1")
    assert (state(one), worth(one), given(one, VALUE)) == ((State.SUPERSEDED, None), None, False)


def test_a_list_keeps_what_a_version_that_was_taken_back_would_have_replaced(one: Inhabitant) -> None:
    collect(one, "a", 60)
    newer = renew(one, "a", "198.51.100.1")
    assert not given(one, VALUE)
    acting.retract(one.actor, one.node, newer, "a mistake")
    assert given(one, VALUE)


def test_a_list_is_asked_of_all_who_say_a_value(one: Inhabitant) -> None:
    collect(one, "a", 10, age=24)
    collect(one, "b", 60, age=24, number=2)
    assert (state(one)[0], given(one, VALUE), listed(one)[0]) == (State.FADED, False, "faded")


def test_a_word_about_one_object_counts_in_a_list_whichever_object_has_the_value(one: Inhabitant) -> None:
    collect(one, "a", 80)
    collect(one, "b", 80, number=2)
    see(one, Verdict.EXPIRED, about="indicator--11111111-2222-4333-8444-555555555555")
    assert (state(one), given(one, VALUE)) == ((State.FADED, 0), False)


def test_a_word_about_an_object_that_stands_no_longer_does_not_count(one: Inhabitant) -> None:
    collect(one, "a", 80)
    collect(one, "b", 80, number=2)
    renew(one, "b", "198.51.100.1", 2)
    see(one, Verdict.EXPIRED, about="indicator--11111112-2222-4333-8444-555555555555")
    whole = worth(one)
    assert whole is not None
    assert (state(one), whole.score, given(one, VALUE)) == ((State.CURRENT, 80), 80, True)


def given(one: Inhabitant, value: str) -> bool:
    """Say whether a list for sensors has a value."""
    queries = one.services.queries
    with one.store.read() as unit:
        places = [at for at, _ in queries.home_objects(unit, source="", type_="", after=0)]
        judge = scoring.judge(queries, one.actor, START)
        items = feeding.items(one.node, unit, places, Sieve(), Sifted(), at=START, judge=judge)
        return value in [each.value for each in items]
