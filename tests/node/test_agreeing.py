"""Look-ups, scores and lists for sensors say the same, in whatever order it came: what a plain reckoning says."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from comity.areas import intel
from comity.formats import confidence, decay
from comity.formats.decay import DAY, Sighted, Verdict
from comity.node import acting, feeding, ingest, knowing, scoring, sightings
from comity.node.feeding import Sieve, Sifted
from comity.node.knowing import State
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.vocab import Tlp
from tests.node.test_scoring import CLEAR, VALUE, state, when, worth

ELSEWHERE = "198.51.100.1"


class Version(NamedTuple):
    """One version of an object, as a source states it."""

    source: str
    object: int
    day: int  # before START; by it versions follow each other
    names: bool  # the value asked about, or another one
    confidence: int | None
    revoked: bool
    ended: bool
    retracted: bool


class Word(NamedTuple):
    """A sighting of the value, or of an object."""

    object: int | None
    day: int
    verdict: Verdict


VERSIONS = st.lists(
    st.builds(
        Version,
        st.sampled_from("abc"),
        st.integers(1, 3),
        st.sampled_from([0, 1, 12, 24]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([None, 10, 60, 60, 90]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda one: (one.source, one.object, one.day),
)
WORDS = st.lists(
    st.builds(Word, st.sampled_from([None, 1, 2, 3]), st.sampled_from([0, 1, 6, 20]), st.sampled_from(Verdict)),
    max_size=3,
)


def ident(number: int) -> str:
    return f"indicator--1111111{number}-2222-4333-8444-555555555555"


def play(one: Inhabitant, versions: Sequence[Version], words: Sequence[Word]) -> None:
    """Put a history on record, in this order."""
    for each in versions:
        stated = START - each.day * DAY
        tree = {
            "type": "indicator", "spec_version": "2.1", "id": ident(each.object), "pattern_type": "stix",
            "created": when(START - 60 * DAY), "modified": when(stated), "valid_from": when(START - 60 * DAY),
            "pattern": f"[ipv4-addr:value = '{VALUE if each.names else ELSEWHERE}']", "revoked": each.revoked,
        }  # fmt: skip
        tree |= {} if each.confidence is None else {"confidence": each.confidence}
        tree |= {"valid_until": when(START - 1)} if each.ended else {}
        with one.node.writing() as unit:
            source = ingest.put_source(unit, one.actor, each.source, Marking(Tlp.GREEN))
        before = last(one)
        assert ingest.ingest(one.node, one.actor, source, [json.dumps(tree).encode()]).kept == 1
        if each.retracted:
            acting.retract(one.actor, one.node, [at for at in last(one) if at not in before], "a mistake")
    for word in words:
        about = {"object": ident(word.object)} if word.object else {"kind": "ipv4", "value": VALUE}
        said = intel.Sighting(START - word.day * DAY, int(word.verdict is Verdict.SEEN), verdict=word.verdict, **about)
        sightings.record(one.node, one.actor, said, CLEAR)


def last(one: Inhabitant) -> list[int]:
    with one.store.read() as unit:
        return [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]


def reckoned(versions: Sequence[Version], words: Sequence[Word], who: str) -> tuple[int | None, bool] | None:
    """Return score and whether it has faded by the rules of `docs/reference/decay.md`; None where nothing stands."""
    newest: dict[tuple[str, int], Version] = {}
    for each in versions:
        key = each.source, each.object
        if not each.retracted and (key not in newest or each.day < newest[key].day):
            newest[key] = each
    stands = [one for one in newest.values() if one.names and not one.revoked and not one.ended]
    if not stands:
        return None
    told: dict[str, int] = {}
    for one in stands:
        if one.confidence is not None:
            told[one.source] = max(told.get(one.source, 0), one.confidence)
    base = confidence.combined(told.values())
    said = [
        Sighted(who, START - word.day * DAY, word.verdict)
        for word in words
        if word.object is None or word.object in {one.object for one in stands}
    ]
    first = START - min(one.day for one in stands) * DAY
    whole = decay.aged(100, "ipv4", first, said, START)
    if base is None:
        return None, whole.expired
    aged = decay.aged(base, "ipv4", first, said, START)
    return aged.score, aged.expired if base >= 20 else whole.expired


@settings(max_examples=80, deadline=None)
@given(VERSIONS, WORDS, st.data())
def test_every_way_of_asking_says_the_same_in_any_order(
    versions: list[Version], words: list[Word], data: st.DataObject
) -> None:
    least = data.draw(st.integers(1, 100), label="least")
    told = []
    for order in (versions, data.draw(st.permutations(versions), label="order")):
        with tempfile.TemporaryDirectory() as folder:
            world = World(11, 1, Path(folder))
            (one,) = world.people
            play(one, order, words)
            found, score, whole = *state(one), worth(one)
            expected = reckoned(versions, words, str(one.actor.office))
            if expected is None:
                assert (found in {State.CURRENT, State.FADED}, score, whole) == (False, None, None)
            else:
                assert (score, found) == (expected[0], State.FADED if expected[1] else State.CURRENT)
                assert whole is not None
                assert (whole.score, whole.faded) == expected
            assert is_listed(one) == (found is State.CURRENT)
            enough = found is State.CURRENT and (score is None or score >= least)
            assert is_listed(one, least) == enough
            told.append(known(one))
            world.close()
    assert told[0] == told[1]


def is_listed(one: Inhabitant, least: int = 0) -> bool:
    """Say whether a list for sensors has the value."""
    queries = one.services.queries
    sieve = Sieve(confidence=least)
    with one.store.read() as unit:
        judge = scoring.judge(queries, one.actor, START)
        given = list(feeding.items(one.node, unit, last(one), sieve, Sifted(), at=START, judge=judge))
    return VALUE in [item.value for item in given]


def known(one: Inhabitant) -> knowing.Known:
    with one.store.read() as unit:
        (line,) = knowing.known(one.services.queries, unit, one.actor, [VALUE], START)
    return line
