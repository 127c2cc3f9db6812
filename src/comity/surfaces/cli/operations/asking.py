"""Requests for information: asking, listing questions, answering, the answers as one picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from comity.areas.intel import questions
from comity.areas.intel.merging import Entry, OnSubject, Posed, Told, Voice
from comity.areas.intel.questions import STIX_ID, WHOLE, Answer, Line, Question, Said, Subject, Wanted, Why
from comity.canon import parse_origin
from comity.errors import Misuse
from comity.formats import observables
from comity.node import asking
from comity.node.actor import Actor
from comity.node.asking import Seen
from comity.node.ports import Unit
from comity.node.suggesting import Suggesting
from comity.policy import parse_audience
from comity.statement import Marking, Ref
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text, narrower, one_of
from comity.surfaces.cli.verbs import asking as verbs
from comity.vocab import Conduct, Priority

REST: Final = "*"  # every asked value that is not named; the question as a whole where it is about none
AS_WRITTEN: Final = frozenset({*observables.FREE_KINDS, "file-path", "registry-key"})  # dots and brackets are theirs
PRIORITIES: Final = {"": Priority.ROUTINE, **{word.name.lower(): word for word in Priority}}


# -- asking --------------------------------------------------------------------------


def ask(desk: Desk, said: verbs.Pose) -> verbs.Posed:
    """State a question in an accord."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, said)
    if said.priority not in PRIORITIES:
        raise Misuse(f"{said.priority!r} is no priority", hint="bulk, routine or flash")
    question = Question(
        why=one_of(Why, said.why, what="a reason to ask"),
        about=tuple(dict.fromkeys(_subject(value) for value in said.values)),
        text=said.text,
        note=said.note,
        wants=tuple(dict.fromkeys(one_of(Wanted, word, what="a kind of answer") for word in said.wants))
        or (Wanted.SEEN,),
        deadline=said.deadline,
    )
    conduct = one_of(Conduct, said.conduct, what="a conduct of the closed list").value if said.conduct else ""
    at = desk.services.asking.ask(
        actor,
        said.accord,
        question,
        marking_of(said.marking),
        priority=PRIORITIES[said.priority],
        conduct=conduct,
    )
    with node.store.read() as unit:
        posed = desk.services.asking.posed(unit, actor, at)
        return verbs.Posed(_question(desk, unit, actor, posed), str(actor))


def _subject(text: str) -> Subject:
    """Return what a person asks about. Raises `Misuse` where the text does not say what it is."""
    readings = _readings(text)
    if not readings:
        kinds = ", ".join(sorted(observables.FREE_KINDS[:-1]))
        raise Misuse(
            f"{text[:80]!r} is no value that can be asked about",
            hint=f"an address, name, URL, hash … or a STIX id; for other texts KIND=VALUE with {kinds}",
        )
    return readings[0]


def _readings(text: str) -> list[Subject]:
    """Return what a text may mean in a question, the likeliest first: free text only where its kind is said."""
    kind, equals, value = text.partition("=")
    if equals and kind in questions.ASKED_KINDS:
        told = questions.subject_of(kind, value if kind in AS_WRITTEN else observables.refang(value))
        return [told] if told is not None else []
    named = questions.subject_of(STIX_ID, text.strip())
    if named is not None:
        return [named]
    known = observables.recognise(text)
    if not known or (known[0].kind in observables.FREE_KINDS and known[0].kind != "file-path"):
        return []
    return [s for each in known if (s := questions.subject_of(*each)) is not None]


def list_questions(desk: Desk, said: verbs.ListQuestions) -> verbs.Questions:
    """Return the newest questions that the asking office may read."""
    if said.limit < 1:
        raise Misuse("a list has at least one line")
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, said)
        found = desk.services.asking.questions(unit, actor, mine=said.mine, open_=said.open)
        shown = tuple(_question(desk, unit, actor, posed) for posed in found.questions[: said.limit])
    return verbs.Questions(shown, len(found.questions), found.unread)


def _question(desk: Desk, unit: Unit, actor: Actor, posed: Posed) -> verbs.QuestionShown:
    return _question_of(desk, actor, desk.services.asking.picture(unit, actor, posed))


def _question_of(desk: Desk, actor: Actor, seen: Seen) -> verbs.QuestionShown:
    posed, picture = seen.posed, seen.picture
    question = posed.question
    us = str(actor.office)
    by_us = "declined" if us in picture.declined else "answered" if us in picture.answered else ""
    return verbs.QuestionShown(
        statement=posed.name,
        accord=parse_origin(posed.origin)[1] or "",
        asker=posed.asker,
        at=posed.at,
        marking=marking_text(posed.marking),
        to=posed.asked,
        priority=posed.priority.name.lower(),
        conduct=posed.conduct,
        about=tuple((subject.kind, subject.value) for subject in question.about),
        text=question.text,
        why=question.why.value,
        note=question.note,
        wants=tuple(want.value for want in question.wants),
        deadline=question.deadline,
        overdue=bool(question.deadline) and question.deadline < desk.services.node.now(),
        retracted=posed.retracted,
        answered=picture.answered,
        awaited=picture.awaited,
        by_us=by_us,
    )


# -- answering -----------------------------------------------------------------------


def answer(desk: Desk, said: verbs.GiveAnswer) -> verbs.Answered:
    """State an answer, for the asker's office alone unless more is said."""
    node, services = desk.services.node, desk.services
    with node.store.read() as unit:
        actor = actor_of(desk, unit, said)
        at = services.queries.parse_place(unit, said.question)
        posed = services.asking.posed(unit, actor, at)
        reply = services.queries.parse_place(unit, said.reply) if said.reply else None
        clarified = None if reply is None else services.asking.told(unit, actor, reply)
    given = Answer(
        lines=_lines(posed.question, said),
        declined=said.decline,
        forward=_office(said.forward),
        note=said.note,
        action=said.action,
        see=said.see,
        exact=said.exact and bool(said.lines),
    )
    marking = _marking(posed, clarified, actor, said)
    where = services.asking.answer(actor, at, given, marking, reply=reply)
    with node.store.read() as unit:
        told = services.asking.told(unit, actor, where)
    return verbs.Answered(
        statement=told.name,
        question=posed.name,
        marking=marking_text(told.marking),
        to=told.marking.to,
        late=bool(posed.question.deadline) and told.at > posed.question.deadline,
        by=str(actor),
    )


def _marking(posed: Posed, clarified: Told | None, actor: Actor, said: verbs.GiveAnswer) -> Marking:
    if said.to_all and said.marking.to:
        raise Misuse("--to-all leaves nobody to name", hint="either --to or --to-all")
    if said.to_all:
        return narrower(asking.for_all(posed), said.marking)
    return narrower(asking.default_marking(posed, clarified, actor), said.marking)


def _office(name: str) -> str:
    if not name:
        return ""
    office, person, correspondent = parse_audience(name)
    if person or correspondent:
        raise Misuse(f"{name!r} is no office", hint="--forward PARTY/OFFICE")
    return str(office)


def _lines(question: Question, said: verbs.GiveAnswer) -> tuple[Line, ...]:
    if (said.first or said.last) and not any(line.said == Said.SEEN for line in said.lines):
        raise Misuse("only what was seen has times", hint="--seen VALUE:COUNT")
    meant: list[tuple[Said, Subject, int]] = []
    for rest in (False, True):  # what is named first: the others are what is left then
        named = {subject for _, subject, _ in meant}
        for each in said.lines:
            word = one_of(Said, each.said, what="something that an answer says")
            if (each.value.partition(":")[0] == REST) is rest:
                meant += [
                    (word, s, count) for s, count in _meant(question, each.value, word) if s not in named or not rest
                ]
    return tuple(_said(said, *one) for one in meant)


def _said(said: verbs.GiveAnswer, word: Said, subject: Subject, count: int) -> Line:
    seen = word is Said.SEEN
    line = Line(
        word,
        subject.kind,
        subject.value,
        count=count,
        first=said.first if seen else 0,
        last=said.last if seen else 0,
        confidence=None if word is Said.NO_ANSWER else said.confidence,
    )
    return line if said.exact else questions.coarse(line)


def _meant(question: Question, text: str, word: Said) -> list[tuple[Subject, int]]:
    """Return which of the asked values a person means, and how often each was seen. Raises `Misuse`."""
    once = 1 if word is Said.SEEN else 0
    value, _, number = text.rpartition(":")
    counted = word is Said.SEEN and number.isascii() and number.isdigit() and len(number) <= 15
    if REST in {text, value if counted else text}:
        every = question.about or (Subject(WHOLE, ""),)
        return [(subject, int(number) if counted else once) for subject in every]
    exact = next((subject for subject in question.about if subject.value == text), None)
    # Before `:3` is read as a port, it is a count; an address that ends like one is known by its normal form.
    found = _asked(question, value) if counted and exact is None else None
    if found is not None:
        return [(found, int(number))]
    found = exact or _asked(question, text)
    if found is None:
        raise Misuse(f"{text[:80]!r} is not what was asked", hint="`comity answers QUESTION` shows what was")
    return [(found, once)]


def _asked(question: Question, text: str) -> Subject | None:
    readings = set(_readings(text))
    return next((s for s in question.about if s in readings or s.value == text), None)


def suggest(desk: Desk, said: verbs.Suggest) -> verbs.Suggested:
    """Draft an answer from the office's own records; nothing is stated."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, said)
        posed = services.asking.posed(unit, actor, services.queries.parse_place(unit, said.question))
        made = Suggesting(services.node, services.queries, unit, actor).suggest(posed)
    return verbs.Suggested(
        question=posed.name,
        lines=tuple(_line(line, exact=made.answer.exact) for line in made.answer.lines),
        tlp=made.marking.tlp.value,
        pap=made.marking.pap.value,
        to=made.marking.to,
        basis=tuple(verbs.BasisShown(b.subject.value, b.statement, marking_text(b.marking)) for b in made.basis),
        remarks=made.remarks,
    )


# -- the picture ---------------------------------------------------------------------


def answers(desk: Desk, said: verbs.Picture) -> verbs.PictureShown:
    """Return all answers to a question that the asking office may read, as one picture."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, said)
        posed = services.asking.posed(unit, actor, services.queries.parse_place(unit, said.question))
        seen = services.asking.picture(unit, actor, posed)
    picture = seen.picture
    return verbs.PictureShown(
        question=_question_of(desk, actor, seen),
        values=tuple(_value(one) for one in picture.subjects),
        answered=picture.answered,
        declined=picture.declined,
        forwarded=picture.forwarded,
        late=picture.late,
        volunteered=picture.volunteered,
        awaited=picture.awaited,
        thread=tuple(_entry(entry) for entry in _in_order(picture.thread)),
        unread=seen.unread,
    )


def _in_order(thread: Sequence[Entry]) -> list[Entry]:
    return sorted(thread, key=lambda entry: (entry.told.at, entry.told.office, entry.told.place))


def _value(one: OnSubject) -> verbs.ValueShown:
    return verbs.ValueShown(
        kind=one.subject.kind,
        value=one.subject.value,
        seen=one.offices(Said.SEEN),
        not_seen=one.offices(Said.NOT_SEEN),
        malicious=one.offices(Said.MALICIOUS),
        benign=one.offices(Said.BENIGN),
        no_answer=one.offices(Said.NO_ANSWER),
        count=one.count,
        first=one.first,
        last=one.last,
        contradicted=one.contradicted,
        voices=tuple(_voice(voice) for voice in one.voices),
    )


def _voice(voice: Voice) -> verbs.VoiceShown:
    told = voice.told
    line = _line(voice.line, exact=told.answer.exact)
    return verbs.VoiceShown(told.office, told.name, marking_text(told.marking), told.at, voice.late, line)


def _line(line: Line, *, exact: bool) -> verbs.LineShown:
    fields = msgspec.structs.asdict(line)
    return verbs.LineShown(**{**fields, "said": line.said.value}, exact=exact)


def _entry(entry: Entry) -> verbs.EntryShown:
    told, given = entry.told, entry.told.answer
    return verbs.EntryShown(
        statement=told.name,
        office=told.office,
        at=told.at,
        marking=marking_text(told.marking),
        status=entry.status.value,
        why=entry.why,
        late=entry.late,
        reply=_name(told.reply),
        declined=given.declined,
        forward=given.forward,
        note=given.note,
        action=given.action,
        see=given.see,
        lines=_shown(given.lines, exact=given.exact),
    )


def _shown(lines: Iterable[Line], *, exact: bool) -> tuple[verbs.LineShown, ...]:
    return tuple(_line(line, exact=exact) for line in lines)


def _name(ref: Ref | None) -> str:
    return "" if ref is None else f"{ref.origin}#{ref.index}"


OPERATIONS: Final = (
    Operation(verbs.ASK, ask),
    Operation(verbs.QUESTIONS, list_questions),
    Operation(verbs.ANSWER, answer),
    Operation(verbs.SUGGEST, suggest),
    Operation(verbs.ANSWERS, answers),
)
