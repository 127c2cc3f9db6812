"""What tests of asking share: questions and answers of a world's inhabitants, by name."""

from __future__ import annotations

from typing import Any

import msgspec

from comity.areas.intel import questions
from comity.areas.intel.merging import Posed
from comity.areas.intel.questions import Answer, Line, Question, Said, Subject, Why
from comity.canon import AccordId
from comity.node import acting
from comity.node.asking import Seen, default_marking, for_all
from comity.node.ports import place
from comity.statement import Marking, Ref
from comity.testing.world import Inhabitant, amber
from comity.vocab import Priority

ALL = AccordId("all")
ADDRESS = Subject("ipv4", "192.0.2.7")
NAME = Subject("domain", "evil.example")
UUID = "11111111-2222-4333-8444-555555555555"
DAY = questions.DAY


def office(one: Inhabitant) -> str:
    return f"{one.name}/csirt"


def ask(one: Inhabitant, *to: Inhabitant, marking: Marking | None = None, **more: Any) -> str:
    """Ask about two values; return the question's name."""
    priority, conduct = more.pop("priority", Priority.ROUTINE), more.pop("conduct", "")
    question = Question(**{"why": Why.INCIDENT, "about": (ADDRESS, NAME), **more})
    marking = marking or amber(*map(office, to))
    at = one.services.asking.ask(one.actor, ALL, question, marking, priority=priority, conduct=conduct)
    return name_of(one, at)


def name_of(one: Inhabitant, at: int) -> str:
    with one.store.read() as unit:
        log_id, index = place(at)
        return f"{unit.logs.get(log_id).origin}#{index}"


def posed(one: Inhabitant, name: str) -> Posed:
    with one.store.read() as unit:
        return one.services.asking.posed(unit, one.actor, one.services.queries.parse_place(unit, name))


def answer(one: Inhabitant, name: str, given: Answer, *, to_all: bool = False, **changes: Any) -> str:
    """Answer a question, for the asker alone or for all who could read it; return the answer's name."""
    question = posed(one, name)
    reply = changes.pop("reply", "")
    with one.store.read() as unit:
        at = one.services.queries.parse_place(unit, name)
        about = one.services.queries.parse_place(unit, reply) if reply else None
        clarified = None if about is None else one.services.asking.told(unit, one.actor, about)
    marking = for_all(question) if to_all else default_marking(question, clarified, one.actor)
    marking = msgspec.structs.replace(marking, **changes)
    return name_of(one, one.services.asking.answer(one.actor, at, given, marking, reply=about))


def seen(count: int = 1, subject: Subject = ADDRESS, **more: Any) -> Line:
    return Line(Said.SEEN, subject.kind, subject.value, count, **more)


def picture(one: Inhabitant, name: str) -> Seen:
    question = posed(one, name)
    with one.store.read() as unit:
        return one.services.asking.picture(unit, one.actor, question)


def names(one: Inhabitant, **which: bool) -> list[str]:
    with one.store.read() as unit:
        return [question.name for question in one.services.asking.questions(unit, one.actor, **which).questions]


def act_on(one: Inhabitant, name: str, act: Any) -> None:
    with one.store.read() as unit:
        at = one.services.queries.parse_place(unit, name)
    act(one.actor, one.node, [at])


def retract(one: Inhabitant, name: str) -> None:
    act_on(one, name, lambda actor, node, at: acting.retract(actor, node, at, "a mistake"))


def rows(one: Inhabitant) -> list[list[tuple[object, ...]]]:
    with one.store.read() as unit:
        return [
            sorted(unit.views.scan(view, 0, 1 << 62, limit=1 << 20), key=repr)
            for view in (questions.QUESTION, questions.ANSWER)
        ]


def astuple(subject: Subject) -> tuple[str, str]:
    return subject.kind, subject.value


def about(one: Inhabitant, name: str, **changes: Any) -> Ref:
    question = posed(one, name)
    return msgspec.structs.replace(Ref(question.origin, question.index, question.leaf, "question"), **changes)
