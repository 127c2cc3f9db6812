"""Questions and answers of a party that lies: refused by their own names, or shown and not counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from comity import canon, statement
from comity.areas.intel import questions
from comity.areas.intel.merging import Status
from comity.areas.intel.questions import Answer, Line, Said
from comity.canon import OfficeId, Origin
from comity.node import asking
from comity.node.questions import leaf_of
from comity.statement import INTEL_ANSWER, INTEL_QUESTION, Header
from comity.testing.world import World, amber
from comity.vocab import Held, Tlp
from tests.node.askers import (
    ALL,
    about,
    answer,
    ask,
    names,
    picture,
    seen,
)
from tests.sync.forger import Forger, assert_others_go_on, assert_refused, held, pulled

QUESTION_HEADER = Header(1, INTEL_QUESTION, OfficeId("csirt"), 1, 1, questions.QUESTION_MEDIA, amber())
ANSWER_HEADER = msgspec.structs.replace(QUESTION_HEADER, kind=INTEL_ANSWER, media=questions.ANSWER_MEDIA)


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[World]:
    """Three parties in one accord, and a stranger; the first will lie."""
    made = World(5, 4, tmp_path)
    made.accord(ALL, made.people[:3], ceiling=Tlp.AMBER)
    yield made
    made.close()


def state(liar: Forger, header: Header, body: bytes | object) -> Origin:
    log = liar.log(ALL)
    log.state(statement.encode_header(header), body if isinstance(body, bytes) else canon.encode(body))
    return log.origin


@pytest.mark.parametrize(
    ("lie", "code", "because"),
    [
        ("another accord", "refused", "a question of another accord"),
        ("home log", "malformed", "stand in an accord's logs"),
        ("another leaf", "refused", "names another statement"),
        ("no question", "refused", "it answers what is no question"),
        ("not asked", "refused", "what was not asked"),
        ("could not read", "refused", "could not read the question"),
        ("no reference", "malformed", "names one question"),
        ("oversized", "too-large", "ASKING_BYTES_MAX"),
        ("no answer", "malformed", "an answer cannot be read"),
        ("media", "malformed", "is application/vnd.comity.answer"),
    ],
)
def test_an_answer_that_lies_is_refused_by_its_own_name(
    hostile: World, tmp_path: Path, lie: str, code: str, because: str
) -> None:
    one, victim, honest, _ = hostile.people
    name = ask(victim, *([honest] if lie == "could not read" else []))
    # What it is told of the question is what everybody is: the leaf.
    ref, given, header = about(victim, name), Answer((seen(),)), ANSWER_HEADER
    body: bytes | None = None
    match lie:
        case "another accord":
            ref = about(victim, name, origin=Origin(f"{victim.name}/accord/other/1"))
        case "home log":
            ref = about(victim, name, origin=Origin(f"{victim.name}/home/1"))
        case "another leaf":
            ref = about(victim, name, leaf=canon.b64(b"\1" * 32))
        case "no question":
            with victim.store.read() as unit:
                log = unit.logs.find(Origin(f"{victim.name}/accord/all/1"))
                assert log is not None
                (entry,) = unit.entries.read(log.id, 0, 1)
            ref = about(victim, name, index=0, leaf=leaf_of(entry.commitment))
        case "not asked":
            given = Answer((Line(Said.BENIGN, "ipv4", "198.51.100.1"),))
        case "oversized":
            given = Answer((seen(),), note="x" * 300_000)
        case "no answer":
            body = b'{"opinion":"bad"}'
        case "media":
            header = msgspec.structs.replace(header, media=questions.QUESTION_MEDIA)
    refs = () if lie == "no reference" else (ref,)
    liar = Forger(hostile, one).take_over()
    origin = state(liar, msgspec.structs.replace(header, refs=refs), body or given)
    pulled(hostile, victim, one)
    assert held(victim, origin)[-1] is Held.WITHHELD
    assert_refused(victim, code, because)
    assert not picture(victim, name).picture.thread
    assert_others_go_on(hostile)


@pytest.mark.parametrize(
    ("header", "body", "code", "because"),
    [
        (QUESTION_HEADER, {"why": "hunt", "about": [["text", "Jane Doe"]]}, "malformed", "nothing that may be asked"),
        (QUESTION_HEADER, {"why": "hunt", "text": "who wrote this?"}, "refused", "names conduct"),
        (QUESTION_HEADER, {"why": "curiosity", "about": [["domain", "a.example"]]}, "malformed", "curiosity"),
        (QUESTION_HEADER, {"why": "hunt", "text": "x" * 300_000}, "too-large", "ASKING_BYTES_MAX"),
        (
            msgspec.structs.replace(QUESTION_HEADER, conduct="disinformation"),
            {"why": "hunt", "text": "x"},
            "refused",
            "describes expression",
        ),
    ],
)
def test_a_question_that_is_none_is_refused_by_its_own_name(
    hostile: World, header: Header, body: object, code: str, because: str
) -> None:
    one, victim, *_ = hostile.people
    liar = Forger(hostile, one).take_over()
    origin = state(liar, header, body)
    pulled(hostile, victim, one)
    assert held(victim, origin)[-1] is Held.WITHHELD
    assert_refused(victim, code, because)
    assert names(victim) == []
    assert_others_go_on(hostile)


def test_an_answer_that_comes_before_its_question_is_kept_and_judged_with_it(hostile: World) -> None:
    one, victim, honest, _ = hostile.people
    name = ask(victim)
    ref = about(victim, name)
    liar = Forger(hostile, one).take_over()
    state(liar, msgspec.structs.replace(ANSWER_HEADER, refs=(ref,)), Answer((seen(2),)))
    log = state(
        liar,
        msgspec.structs.replace(ANSWER_HEADER, refs=(ref,), at=2),
        Answer((Line(Said.BENIGN, "ipv4", "198.51.100.1"),)),
    )
    pulled(hostile, honest, one)
    assert held(honest, log)[-2:] == [Held.PAYLOAD, Held.PAYLOAD], "the question has not come yet"
    pulled(hostile, honest, victim)
    found = picture(honest, name).picture
    assert [entry.status for entry in found.thread] == [Status.COUNTS, Status.UNFIT]
    pulled(hostile, victim, one)
    assert held(victim, log)[-2:] == [Held.PAYLOAD, Held.WITHHELD], "who holds the question sees it at once"
    assert picture(victim, name).picture.subjects == found.subjects


def test_a_flood_of_questions_hides_nobody_s(hostile: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, victim, honest, _ = hostile.people
    name = ask(honest)
    hostile.calm(9)
    monkeypatch.setattr(asking, "QUESTIONS_OF_LOG_MAX", 5)
    liar = Forger(hostile, one).take_over()
    for number in range(20):
        state(liar, QUESTION_HEADER, {"why": "hunt", "about": [["domain", f"n{number}.example"]]})
    pulled(hostile, victim, one)
    with victim.store.read() as unit:
        found = victim.services.asking.questions(unit, victim.actor)
    assert (len(found.questions), found.unread) == (6, 15)
    assert name in {question.name for question in found.questions}
    assert found.questions[-1].question.about[0].value == "n19.example"


def test_a_flood_of_answers_drowns_nobody(hostile: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, victim, honest, _ = hostile.people
    name = ask(victim)
    world_now = hostile.now
    hostile.calm(9)
    answer(honest, name, Answer((seen(7),)))
    hostile.calm(9)
    monkeypatch.setattr(asking, "ANSWERS_OF_LOG_MAX", 5)
    liar = Forger(hostile, one).take_over()
    header = msgspec.structs.replace(ANSWER_HEADER, refs=(about(victim, name),), at=world_now)
    for count in range(1, 21):
        state(liar, header, Answer((seen(count),)))
    pulled(hostile, victim, one)
    found = picture(victim, name)
    assert found.unread == 15
    assert sorted(voice.line.count for voice in found.picture.subjects[0].voices) == [7, 20]
