"""Asking and answering among composed nodes: who reads what, what counts, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity import canon, statement
from comity.areas import intel
from comity.areas.intel import questions
from comity.areas.intel.merging import Status
from comity.areas.intel.questions import Answer, Line, Question, Said, Subject, Wanted, Why
from comity.canon import OfficeId
from comity.errors import Misuse, NotFound, Refused
from comity.node import acting, books, rebuild, views
from comity.statement import INTEL_QUESTION, Header, Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Held, Priority, Tlp
from tests.node.askers import (
    ADDRESS,
    ALL,
    DAY,
    NAME,
    act_on,
    answer,
    ask,
    astuple,
    name_of,
    names,
    office,
    picture,
    posed,
    retract,
    rows,
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


# -- the exchange --------------------------------------------------------------------


def test_a_question_goes_round_and_its_answers_make_one_picture(world: World) -> None:
    arcadia, borealia, cascadia, dorado = world.people
    name = ask(arcadia, deadline=world.now + 3_600)
    assert picture(arcadia, name).picture.awaited == (borealia.name, cascadia.name, dorado.name)
    world.calm(9)
    assert [names(one) for one in world.people] == [[name]] * 4
    answer(borealia, name, Answer((seen(3, first=DAY, last=9 * DAY),)), to_all=True)
    answer(cascadia, name, Answer((seen(2, last=4 * DAY), Line(Said.NOT_SEEN, *astuple(NAME)))))
    world.calm(9)
    world.now += 7_200
    answer(dorado, name, Answer(declined=True))
    world.calm(9)

    whole = picture(arcadia, name).picture
    address, domain = whole.subjects
    assert address.offices(Said.SEEN) == (office(borealia), office(cascadia))
    assert (address.count, address.first, address.last) == (5, DAY, 9 * DAY)
    assert domain.offices(Said.NOT_SEEN) == (office(cascadia),)
    assert (whole.declined, whole.late, whole.awaited) == ((office(dorado),), (office(dorado),), ())
    assert [voice.told.marking.to for voice in address.voices] == [(), (office(arcadia),)]

    # Borealia answered to all; what Cascadia and Dorado told the asker alone, the others do not have.
    assert picture(cascadia, name).picture.answered == (office(borealia), office(cascadia))
    assert picture(dorado, name).picture.answered == (office(borealia), office(dorado))
    assert picture(borealia, name).picture.answered == (office(borealia),)
    assert Held.WITHHELD in held(dorado, f"{cascadia.name}/accord/all/1")


def test_a_question_to_named_offices_is_read_by_no_other(world: World) -> None:
    arcadia, borealia, cascadia, dorado = world.people
    name = ask(arcadia, borealia, cascadia)
    world.calm(9)
    assert (names(borealia), names(cascadia), names(dorado)) == ([name], [name], [])
    with pytest.raises(NotFound):
        posed(dorado, name)
    assert picture(arcadia, name).picture.awaited == (office(borealia), office(cascadia))
    answer(cascadia, name, Answer((seen(),)), to_all=True)
    world.calm(9)
    assert picture(borealia, name).picture.answered == (office(cascadia),)
    assert Held.WITHHELD in held(dorado, f"{cascadia.name}/accord/all/1"), "an answer repeats its question"


def test_who_could_read_a_question_by_consent_may_answer_unasked(world: World) -> None:
    arcadia, borealia, _, dorado = world.people
    name = ask(arcadia, borealia)
    world.calm(9)
    act_on(arcadia, name, lambda actor, node, at: acting.consent(actor, node, at, [office(dorado)], 0))
    world.calm(9)
    answer(dorado, name, Answer((seen(),)))
    world.calm(9)
    assert picture(arcadia, name).picture.volunteered == (office(dorado),)


def test_a_correction_counts_the_older_is_shown_and_both_can_be_taken_back(world: World) -> None:
    arcadia, borealia, *_ = world.people
    name = ask(arcadia)
    world.calm(9)
    first = answer(borealia, name, Answer((seen(9),)))
    second = answer(borealia, name, Answer((seen(4),)))
    world.calm(9)
    found = picture(arcadia, name).picture
    assert [entry.status for entry in found.thread] == [Status.REPLACED, Status.COUNTS]
    assert found.subjects[0].count == 4
    retract(borealia, second)
    world.calm(9)
    found = picture(arcadia, name).picture
    assert [entry.status for entry in found.thread] == [Status.COUNTS, Status.RETRACTED]
    assert found.subjects[0].count == 9
    retract(borealia, first)
    world.calm(9)
    found = picture(arcadia, name).picture
    assert (found.answered, borealia.name in found.awaited) == ((), True)


def test_an_erased_answer_is_gone_from_the_picture_and_its_rows_with_it(world: World) -> None:
    arcadia, borealia, *_ = world.people
    name = ask(arcadia)
    world.calm(9)
    told = answer(borealia, name, Answer((seen(),)))
    world.calm(9)
    act_on(borealia, told, lambda actor, node, at: acting.erase(actor, node, at, "a court order", ""))
    world.calm(9)
    assert not picture(arcadia, name).picture.thread
    assert [rows(one)[1] for one in (arcadia, borealia)] == [[], []]


def test_a_thread_goes_both_ways_and_stays_between_the_two(world: World) -> None:
    arcadia, borealia, cascadia, _ = world.people
    name = ask(arcadia)
    world.calm(9)
    told = answer(borealia, name, Answer((seen(3),)))
    world.calm(9)
    asked_back = answer(arcadia, name, Answer(note="by which sensor?"), reply=told)
    world.calm(9)
    answer(borealia, name, Answer(note="the mail gateway"), reply=asked_back)
    world.calm(9)
    found = picture(arcadia, name).picture
    assert [entry.told.answer.note for entry in found.thread if entry.status is Status.CLARIFIES] == [
        "by which sensor?",
        "the mail gateway",
    ]
    assert found.subjects[0].count == 3
    assert not picture(cascadia, name).picture.thread


def test_not_mine_names_the_office_to_ask(world: World) -> None:
    arcadia, borealia, *_ = world.people
    name = ask(arcadia)
    world.calm(9)
    answer(borealia, name, Answer(forward=f"{borealia.name}/police"))
    world.calm(9)
    assert picture(arcadia, name).picture.forwarded == ((office(borealia), f"{borealia.name}/police"),)


def test_rebuilding_gives_the_same_rows_and_equal_holdings_give_equal_rows(world: World) -> None:
    arcadia, borealia, cascadia, dorado = world.people
    name = ask(arcadia)
    ask(cascadia, dorado)
    world.calm(9)
    answer(borealia, name, Answer((seen(),)), to_all=True)
    told = answer(borealia, name, Answer(declined=True), to_all=True)
    world.calm(9)
    retract(borealia, told)
    world.calm(9)
    before, found = [rows(one) for one in world.people], [picture(one, name).picture for one in world.people]
    assert [[len(view) for view in each] for each in before] == [[1, 2], [1, 2], [2, 2], [2, 2]]
    for one in world.people:
        rebuild.rebuild(one.node)
    assert [rows(one) for one in world.people] == before
    assert [picture(one, name).picture for one in world.people] == found
    assert found[1:] == found[:-1]


def test_a_flash_question_overtakes_and_lists_come_newest_first(world: World) -> None:
    arcadia, borealia, *_ = world.people
    first = ask(arcadia, deadline=world.now + 600)
    world.now += 60
    second = ask(arcadia, priority=Priority.FLASH)
    world.calm(9)
    with borealia.store.read() as unit:
        assert len(unit.views.scan(views.FLASH, 0, 1 << 62, limit=9)) == 1
    assert names(borealia, open_=True) == [second], "the world was at it for longer than ten minutes"
    assert names(borealia) == [second, first]
    assert (names(borealia, mine=True), names(arcadia, mine=True)) == ([], [second, first])
    retract(arcadia, second)
    world.calm(9)
    assert names(borealia, open_=True) == []
    assert posed(borealia, second).retracted
    with pytest.raises(Refused, match="nobody asks any more"):
        answer(borealia, second, Answer((seen(),)))


# -- what is not stated --------------------------------------------------------------


def test_what_is_no_question_or_could_reach_nobody_is_not_stated(world: World) -> None:
    arcadia, borealia, *_ = world.people
    size = held(arcadia, f"{arcadia.name}/accord/all/1")
    for marking, because in (
        (amber("cert.stranger.example/csirt"), "no office of another member"),
        (amber(f"{borealia.name}/police"), "no office of another member"),
        (amber(office(arcadia)), "no office of another member"),
        (Marking(Tlp.RED, to=(office(borealia),)), "named persons only"),
        (Marking(Tlp.AMBER, embargo=world.now + 60), "embargo"),
    ):
        with pytest.raises(Refused, match=because):
            ask(arcadia, marking=marking)
    with pytest.raises(Misuse, match="ahead"):
        ask(arcadia, deadline=world.now)
    with pytest.raises(Misuse, match="nothing that may be asked"):
        ask(arcadia, about=(Subject("text", "Jane Doe"),))
    with pytest.raises(Refused, match="names conduct"):
        ask(arcadia, about=(), text="logins?")
    with pytest.raises(Refused, match="expression"):
        ask(arcadia, about=(), text="posts?", conduct="disinformation")
    assert held(arcadia, f"{arcadia.name}/accord/all/1") == size


def test_an_accord_that_does_not_open_the_kind_takes_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'ceiling = "{{ceiling}}"\nrefused_kinds = ["intel.question"]'
    from comity.testing import world as worlds

    monkeypatch.setattr(worlds, "TEXT", worlds.TEXT.replace('ceiling = "{{ceiling}}"', text))
    world = World(4, 2, tmp_path)
    world.accord(ALL, world.people)
    with pytest.raises(Refused, match="does not open intel.question"):
        ask(world.people[0])
    world.close()


def test_an_answer_fits_its_question_and_goes_no_further(world: World) -> None:
    arcadia, borealia, cascadia, dorado = world.people
    name = ask(arcadia, borealia, cascadia)
    world.calm(9)
    other = Line(Said.SEEN, "ipv4", "198.51.100.1", 1)
    with pytest.raises(Misuse, match="what was not asked"):
        answer(borealia, name, Answer((other,)))
    with pytest.raises(Misuse, match="says nothing"):
        answer(borealia, name, Answer())
    with pytest.raises(Misuse, match="asked this itself"):
        answer(arcadia, name, Answer((seen(),)))
    for wider in ({"tlp": Tlp.GREEN}, {"to": ()}, {"to": (office(arcadia), office(dorado))}):
        with pytest.raises(Refused, match="further than its own"):
            answer(borealia, name, Answer((seen(),)), **wider)
    with pytest.raises(Refused, match="could not have it"):
        answer(borealia, name, Answer((seen(),)), to=(office(cascadia),))
    assert answer(borealia, name, Answer((seen(),)), tlp=Tlp.AMBER_STRICT, to=(office(arcadia), office(cascadia)))


def test_a_question_for_a_person_is_answered_to_a_person(world: World) -> None:
    arcadia, borealia, cascadia, _ = world.people
    name = ask(arcadia, marking=Marking(Tlp.RED, to=(f"{office(borealia)}/duty",)))
    world.calm(9)
    assert (names(borealia), names(cascadia)) == ([name], [])
    with pytest.raises(Refused, match="named persons only"):
        answer(borealia, name, Answer((seen(),)))
    answer(borealia, name, Answer((seen(),)), to=(f"{office(arcadia)}/duty",))
    world.calm(9)
    assert picture(arcadia, name).picture.answered == (office(borealia),)


# -- other versions ------------------------------------------------------------------


def test_a_node_of_before_keeps_what_it_does_not_know(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arcadia, borealia, *_ = world.people
    with monkeypatch.context() as old:
        for module in ("comity.areas.intel.folding", "comity.node.questions"):
            old.setattr(f"{module}.INTEL_QUESTION", "intel.future")
            old.setattr(f"{module}.INTEL_ANSWER", "intel.future")
        old.setattr(intel, "ASKING", frozenset())
        at = state_directly(arcadia)
        world.calm(9)
        assert held(borealia, f"{arcadia.name}/accord/all/1")[-1] is Held.PAYLOAD
        assert names(borealia) == []
    rebuild.rebuild(borealia.node)
    assert names(borealia) == [name_of(arcadia, at)]


def state_directly(one: Inhabitant) -> int:
    header = Header(1, INTEL_QUESTION, OfficeId("csirt"), 1, 1, questions.QUESTION_MEDIA, amber())
    body = canon.encode(Question(Why.HUNT, (ADDRESS,), wants=(Wanted.CONTEXT,)))
    with one.node.writing() as unit:
        draft = books.Draft(statement.encode_header(header), body)
        return books.state(one.node, unit, books.accord_origin(one.node, unit, ALL), 1, [draft])
