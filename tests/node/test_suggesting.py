"""Drafts of answers: from the office's own records, for the asker, and never sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.areas import intel
from comity.areas.intel import questions
from comity.areas.intel.columns import SIGHTING
from comity.areas.intel.questions import Line, Said, Subject
from comity.node import ingest, sightings
from comity.node.suggesting import Suggesting, Suggestion
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Tlp
from tests.node.askers import (
    ADDRESS,
    ALL,
    DAY,
    NAME,
    UUID,
    answer,
    ask,
    astuple,
    office,
    picture,
    posed,
    seen,
)
from tests.sync.forger import held


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Four parties in one accord."""
    made = World(9, 4, tmp_path)
    made.accord(ALL, made.people)
    yield made
    made.close()


# -- suggestions ---------------------------------------------------------------------


def indicator(kinds: str = '["malicious-activity"]') -> bytes:
    moment = "2026-01-01T00:00:00.000Z"
    return (
        f'{{"type":"indicator","spec_version":"2.1","id":"indicator--{UUID}","created":"{moment}",'
        f'"modified":"{moment}","indicator_types":{kinds},"pattern":"[ipv4-addr:value = \'192.0.2.7\']",'
        f'"pattern_type":"stix","valid_from":"{moment}"}}'
    ).encode()


def take(one: Inhabitant, data: bytes, marking: Marking | None, source: str = "feed") -> None:
    with one.node.writing() as unit:
        made = ingest.put_source(unit, one.actor, source, marking)
    ingest.ingest(one.node, one.actor, made, [data])


def saw(one: Inhabitant, at: int, count: int, marking: Marking | None = None, subject: Subject = ADDRESS) -> None:
    sightings.record(one.node, one.actor, intel.Sighting(at, count, subject.kind, subject.value), marking)


def suggest(one: Inhabitant, name: str) -> Suggestion:
    question = posed(one, name)
    with one.store.read() as unit:
        return Suggesting(one.node, one.services.queries, unit, one.actor).suggest(question)


def test_a_draft_adds_up_the_office_s_own_records_and_states_nothing(world: World) -> None:
    arcadia, borealia, *_ = world.people
    name = ask(arcadia)
    world.calm(9)
    saw(borealia, 5 * DAY + 7, 3, Marking(Tlp.AMBER_STRICT))
    saw(borealia, 2 * DAY + 7, 2)
    saw(borealia, 3 * DAY, 0, subject=NAME)
    take(borealia, indicator(), amber())
    before = held(borealia, f"{borealia.name}/accord/all/1")
    draft = suggest(borealia, name)
    assert draft.answer.lines == (
        seen(5, first=2 * DAY, last=5 * DAY),
        Line(Said.MALICIOUS, *astuple(ADDRESS)),
        Line(Said.NOT_SEEN, *astuple(NAME)),
    )
    assert (draft.marking.tlp, draft.marking.to) == (Tlp.AMBER_STRICT, (office(arcadia),))
    assert len(draft.basis) == 4
    assert len([remark for remark in draft.remarks if "unmarked" in remark]) == 2
    assert held(borealia, f"{borealia.name}/accord/all/1") == before
    answer(borealia, name, draft.answer, tlp=draft.marking.tlp)
    world.calm(9)
    assert picture(arcadia, name).picture.subjects[0].count == 5


def test_a_draft_tells_nothing_that_others_said_and_nothing_marked_for_others(world: World) -> None:
    arcadia, borealia, cascadia, _ = world.people
    name = ask(arcadia)
    take(cascadia, indicator(), amber())
    with cascadia.store.read() as unit:
        (home,) = [at for at, _ in cascadia.services.queries.home_objects(unit, source="", type_="", after=0)]
    cascadia.services.sharing.share(cascadia.actor, ALL, [home])
    world.calm(9)
    saw(borealia, DAY, 3, amber(office(cascadia)))
    draft = suggest(borealia, name)
    assert draft.answer.lines == ()
    assert any(f"{office(cascadia)} has stated something of it" in remark for remark in draft.remarks)
    assert any("marked for others" in remark for remark in draft.remarks)
    assert not draft.basis


def test_a_draft_never_takes_silence_for_not_seen_nor_contradicts_itself(world: World) -> None:
    arcadia, borealia, *_ = world.people
    name = ask(arcadia, about=(ADDRESS, NAME, Subject("stix-id", f"indicator--{UUID}")))
    world.calm(9)
    take(borealia, indicator('["benign"]'), amber())
    draft = suggest(borealia, name)
    assert draft.answer.lines == (
        Line(Said.BENIGN, *astuple(ADDRESS)),
        Line(Said.BENIGN, "stix-id", f"indicator--{UUID}"),
    )
    assert any(remark.startswith("evil.example: no record") for remark in draft.remarks)
    second = indicator().replace(UUID.encode(), b"22222222-2222-4333-8444-555555555555")
    take(borealia, second, amber(), "other")
    draft = suggest(borealia, name)
    assert draft.answer.lines == (Line(Said.BENIGN, "stix-id", f"indicator--{UUID}"),)
    assert any("malicious and benign" in remark for remark in draft.remarks)


def test_own_accord_logs_index_questions_and_no_other_content(world: World) -> None:
    arcadia, borealia, *_ = world.people
    ask(arcadia)
    saw(arcadia, DAY, 1, amber())
    with arcadia.store.read() as unit:
        (row,) = unit.views.scan(SIGHTING, 0, 1 << 62, limit=9)
    arcadia.services.sharing.share(arcadia.actor, ALL, [int(row[0] or 0)])
    with arcadia.store.read() as unit:
        assert len(unit.views.scan(SIGHTING, 0, 1 << 62, limit=9)) == 1
        assert len(unit.views.scan(questions.QUESTION, 0, 1 << 62, limit=9)) == 1
    world.calm(9)
    with borealia.store.read() as unit:
        assert len(unit.views.scan(SIGHTING, 0, 1 << 62, limit=9)) == 1
