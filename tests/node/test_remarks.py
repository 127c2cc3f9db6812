"""Opinions and notes are statements of their own; who contradicts whom is told side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.areas import intel
from comity.errors import Misuse
from comity.formats import observables
from comity.formats.decay import Verdict
from comity.node import acting, remarks, sightings
from comity.node.remarks import Contradiction
from comity.node.sharing import Offer
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.vocab import Tlp, Use
from tests.node.test_intelligence import UUID, indicator

ABOUT = f"indicator--{UUID.decode()}"
OTHER = ABOUT.replace("1", "2")
GREEN = Marking(Tlp.GREEN, use=(Use.DEFENCE,))
VALUE = "192.0.2.7"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties with an accord, both of which have an indicator of the first."""
    made = World(10, 2, tmp_path)
    made.accord("two", made.people)
    a, _ = made.people
    places = made.collect(a, [indicator(more=b',"confidence":90')], GREEN)
    a.services.sharing.share(a.actor, "two", places, Offer(GREEN))
    made.calm(8)
    yield made
    made.close()


def said(one: Inhabitant, ident: str = ABOUT) -> list[tuple[str, str, str]]:
    with one.store.read() as unit:
        found = remarks.about(one.services.queries, unit, one.actor, ident)
    return [(each.witness.party, each.opinion, each.text) for each in found]


def apart(one: Inhabitant) -> list[Contradiction]:
    queries = one.services.queries
    with one.store.read() as unit:
        found = queries.lookup(unit, one.actor, VALUE)
        keys = [key for key, *_ in observables.keyed(VALUE)]
        seen = [each for key in keys for each in queries.sightings(unit, one.actor, key)]
        told = remarks.about(queries, unit, one.actor, ABOUT)
        return remarks.contradictions(queries, unit, one.actor, found, seen, told, START)


def test_an_opinion_and_a_note_reach_the_members_as_stix(world: World) -> None:
    a, b = world.people
    opinion = remarks.remark(b.node, b.actor, [ABOUT], GREEN, opinion="disagree", text="our own mirror")
    note = remarks.remark(b.node, b.actor, [ABOUT, OTHER], GREEN, text="taken down on Monday")
    assert said(a) == []
    b.services.sharing.share(b.actor, "two", [opinion, note], Offer(GREEN))
    world.calm(8)
    assert sorted(said(a)) == sorted([(b.name, "", "taken down on Monday"), (b.name, "disagree", "our own mirror")])
    assert said(a, OTHER) == [(b.name, "", "taken down on Monday")]
    with a.store.read() as unit:
        (one,) = [each for each in remarks.about(a.services.queries, unit, a.actor, ABOUT) if each.opinion]
        tree = json.loads(a.services.queries.body(unit, one.witness.position))
    assert (tree["type"], tree["object_refs"], tree["created_by_ref"][:10]) == ("opinion", [ABOUT], "identity--")
    acting.retract(b.actor, b.node, [opinion, note], "a mistake")
    world.calm(8)
    assert said(a) == said(b) == []


def note(text: str, day: int, uuid: bytes = UUID, about: str = ABOUT, **more: object) -> bytes:
    tree = {"type": "note", "spec_version": "2.1", "id": f"note--{uuid.decode()}", "content": text,
            "created": "2026-01-01T00:00:00.000Z", "modified": f"2026-01-{day:02}T00:00:00.000Z",
            "object_refs": [about]}  # fmt: skip
    return json.dumps(tree | more).encode()


def test_of_a_remark_its_newest_version_counts(world: World) -> None:
    b = world.people[1]
    world.collect(b, [note("second", 2), note("first", 1)], GREEN)
    assert [text for _, _, text in said(b)] == ["second"]
    world.collect(b, [note("about another", 3, about=OTHER)], GREEN)
    assert said(b) == []
    assert [text for _, _, text in said(b, OTHER)] == ["about another"]
    world.collect(b, [note("about another", 4, about=OTHER, revoked=True)], GREEN)
    assert said(b) == said(b, OTHER) == []


def test_remarks_are_found_among_very_many_other_ties(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remarks, "TIES_AT_ONCE", 4)
    b = world.people[1]
    reports = [
        note("", 1, b"%08d" % n + UUID[8:], type="report", id=f"report--{n:08}{UUID[8:].decode()}", name="a report",
             published="2026-01-01T00:00:00.000Z")
        for n in range(25)
    ]  # fmt: skip
    world.collect(b, reports, GREEN)
    world.collect(b, [note("found", 1)], GREEN)
    assert [text for _, _, text in said(b)] == ["found"]


def test_a_remark_without_a_marking_stays_at_home(world: World) -> None:
    a, b = world.people
    at = remarks.remark(b.node, b.actor, [ABOUT], None, text="to ourselves")
    assert b.services.sharing.share(b.actor, "two", [at], Offer()).withheld == 1
    assert [text for _, _, text in said(b)] == ["to ourselves"]
    assert said(a) == []


def test_what_says_nothing_is_refused(world: World) -> None:
    b = world.people[1]
    for wrong in ({"text": " "}, {"text": "x" * 20_001}):
        with pytest.raises(Misuse):
            remarks.remark(b.node, b.actor, [ABOUT], GREEN, **wrong)
    with pytest.raises(ValueError, match="splendid"):
        remarks.remark(b.node, b.actor, [ABOUT], GREEN, opinion="splendid")


def test_contradictions_are_told_side_by_side(world: World) -> None:
    a, b = world.people
    assert apart(b) == []
    more = b',"confidence":30,"indicator_types":["benign"]'
    world.collect(b, [indicator(uuid=UUID.replace(b"1", b"3"), more=more)], GREEN)
    sightings.record(b.node, b.actor, intel.Sighting(START, 2, "ipv4", VALUE), GREEN)
    sightings.record(b.node, b.actor, intel.Sighting(START, 0, "ipv4", VALUE, verdict=Verdict.FALSE_POSITIVE), GREEN)
    remarks.remark(b.node, b.actor, [ABOUT], GREEN, opinion="agree")
    remarks.remark(b.node, b.actor, [ABOUT], GREEN, opinion="strongly-disagree")
    found = {one.what: dict(one.sides) for one in apart(b)}
    us, them = f"{b.name}/{b.actor.office_id}", f"{a.name}/{a.actor.office_id}"
    assert found["whether it hits"] == {"false-positive": (us,), "seen": (us,)}
    assert set(found["confidence"]) == {"30", "90"}
    assert found["confidence"]["90"] == (them,)
    assert set(found["opinion"]) == {"agrees", "disagrees"}
    assert "what it is" not in found  # the other does not say what it is
