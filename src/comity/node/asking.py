"""Asking and answering: a question to all or some of an accord, and everybody's answers as one picture.

Rules: questions and answers are stated in the accord at once, never first at home, for they say something only
there. Each is decided first by the rules that decide at sending: a question that a named office could not have,
or an answer that the asker could not have, is not stated. An answer is never wider than its question, which it
repeats. Nothing is answered but by a person: a suggestion is a draft, made of what this office itself put on record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from comity import canon, policy, statement
from comity.accord import Accord
from comity.acts import UNTOUCHED
from comity.areas.intel import merging, questions
from comity.areas.intel.merging import Picture, Posed, Told
from comity.areas.intel.questions import ANSWER, QUESTION, Answer, Question
from comity.errors import Malformed, Misuse, NotFound, Refused, Theirs, TooLarge
from comity.node import books
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.arrivals import wider
from comity.node.node import Node
from comity.node.ports import Entry, Log, Unit, place
from comity.node.queries import Queries
from comity.node.questions import posed as posed_at
from comity.node.questions import told as told_at
from comity.node.releases import Releases
from comity.policy import Decision, Release
from comity.statement import INTEL_ANSWER, INTEL_QUESTION, Header, Marking, Ref
from comity.vocab import Phase, Priority

T = TypeVar("T")

CHUNK: Final = 4_096  # rows looked at in one step
# Newest questions and answers read of one party's log: nobody's flood hides what others say.
QUESTIONS_OF_LOG_MAX: Final = 1_000
ANSWERS_OF_LOG_MAX: Final = 256


class Seen(NamedTuple):
    """A question with its picture: `unread` counts older answers of parties that gave more than is read."""

    posed: Posed
    picture: Picture
    unread: int


class Listed(NamedTuple):
    """Questions, the newest first: `unread` counts older ones of parties that asked more than is read."""

    questions: tuple[Posed, ...]
    unread: int


class Asking:
    """Asks, answers, lists and merges."""

    def __init__(self, node: Node, accords: Accords, releases: Releases, queries: Queries) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases
        self._queries = queries

    # -- stating -------------------------------------------------------------

    def ask(
        self,
        actor: Actor,
        accord: str,
        question: Question,
        marking: Marking,
        *,
        priority: Priority = Priority.ROUTINE,
        conduct: str = "",
    ) -> int:
        """State a question in an accord; return its position.

        Raises `Misuse` for a question that is none, `Refused` where a rule forbids it or nobody could have it.
        """
        with self._node.writing() as unit:
            found = self.taking_part(unit, accord)
            if question.deadline and question.deadline <= self._node.now():
                raise Misuse("a deadline lies ahead", hint="--deadline 4h, or a time to come")
            header = self.header(actor, found, INTEL_QUESTION, questions.QUESTION_MEDIA, marking, priority)
            header = msgspec.structs.replace(header, conduct=conduct)
            body = readable(lambda: canon.encode(question))
            speech = policy.speech(header.kind, conduct)
            if not speech.allows:
                raise Refused(speech.because)
            readable(lambda: questions.read_question(header, body))
            decisions = self.decide(unit, found, header)
            for name in marking.to:
                require(decisions, name)
            if not any(isinstance(decision, Release) for decision in decisions):
                raise Refused(f"nobody in {found.id} could have the question: {_grounds(decisions)}")
            return self.put(unit, found, header, body)

    def answer(self, actor: Actor, at: int, answer: Answer, marking: Marking, *, reply: int | None = None) -> int:
        """State an answer to the question at a position, or with `reply` clarify an answer; return its position.

        Raises `NotFound`, `Misuse` where it does not fit the question, `Refused` where a rule forbids it, where its
        marking is wider than the question's, and where whoever it is for could not have it.
        """
        with self._node.writing() as unit:
            posed = self.posed(unit, actor, at)
            if posed.retracted:
                raise Refused(f"{posed.name} is retracted: nobody asks any more")
            clarified = None if reply is None else self.told(unit, actor, reply)
            found = self.taking_part(unit, questions.accord_of(posed.origin) or "")
            header = self.header(actor, found, INTEL_ANSWER, questions.ANSWER_MEDIA, marking, posed.priority)
            header = msgspec.structs.replace(header, conduct=posed.conduct, refs=_refs(posed, clarified))
            body = readable(lambda: canon.encode(answer))
            read = readable(lambda: questions.read_answer(header, body))
            _check_fit(posed, clarified, actor, read)
            _check_width(posed, clarified, marking)
            require(self.decide(unit, found, header), recipient(posed, clarified, actor))
            return self.put(unit, found, header, body)

    def taking_part(self, unit: Unit, accord: str) -> Accord:
        """Return an accord that this party takes part in. Raises `NotFound`, `Refused`."""
        found = self._accords.get(unit, accord)
        if not found.takes_part(self._node.me):
            raise Refused(f"{accord} is {found.phase} for {self._node.me}: nothing new is stated in it")
        return found

    def header(
        self, actor: Actor, accord: Accord, kind: str, media: str, marking: Marking, priority: Priority
    ) -> Header:
        """Return the header of what an office says in an accord. Raises `Refused` for a kind that it does not open."""
        text = accord.current.text
        if not text.opens(kind):
            raise Refused(f"{accord.id} does not open {kind}")
        return Header(
            v=1,
            kind=kind,
            office=actor.office_id,
            accord=text.version,
            at=self._node.now(),
            media=media,
            marking=marking,
            priority=priority,
            exercise=text.exercise,
        )

    def decide(self, unit: Unit, accord: Accord, header: Header) -> list[Decision]:
        """Decide for every audience of every other member, as sending will."""
        me = self._node.me
        jurisdiction = self._node.card(unit, me).card.jurisdiction
        facts = policy.facts(header, me, accord=accord.id, jurisdiction=jurisdiction)
        terms = policy.terms_of(accord, header.accord)
        return [
            policy.decide(facts, audience, terms, UNTOUCHED, self._node.now())
            for member in sorted(accord.members)
            if member != me
            for audience in self._releases.audiences(unit, facts, member, UNTOUCHED)
        ]

    def put(self, unit: Unit, accord: Accord, header: Header, body: bytes) -> int:
        """State it; return its position."""
        origin = books.accord_origin(self._node, unit, accord.id)
        draft = books.Draft(statement.encode_header(header), body)
        return books.state(self._node, unit, origin, header.accord, [draft])

    # -- reading -------------------------------------------------------------

    def posed(self, unit: Unit, actor: Actor, at: int) -> Posed:
        """Return the question at a position as this actor may read it. Raises `NotFound`."""
        log, entry = self._entry(unit, actor, at)
        try:
            return posed_at(self._node, log, entry)
        except Theirs as error:
            raise NotFound(f"{log.origin}#{place(at)[1]} is no question: {error}") from error

    def told(self, unit: Unit, actor: Actor, at: int) -> Told:
        """Return the answer at a position as this actor may read it. Raises `NotFound`."""
        log, entry = self._entry(unit, actor, at)
        try:
            return told_at(self._node, log, entry)
        except Theirs as error:
            raise NotFound(f"{log.origin}#{place(at)[1]} is no answer: {error}") from error

    def _entry(self, unit: Unit, actor: Actor, at: int) -> tuple[Log, Entry]:
        log_id, index = place(at)
        log = unit.logs.get(log_id)
        if self._queries.witness_at(unit, actor, at) is None:
            raise NotFound(f"{log.origin}#{index} is not here for {actor.office}")
        (entry,) = unit.entries.read(log_id, index, index + 1)
        return log, entry

    def questions(self, unit: Unit, actor: Actor, *, mine: bool = False, open_: bool = False) -> Listed:
        """Return the questions this actor may read, the newest first.

        `mine`: asked by the actor's office; `open_`: neither retracted nor past their deadline.
        """
        now = self._node.now() if open_ else 0
        rows = (at for at, deadline in _rows(unit) if not deadline or deadline >= now)
        if mine:
            own = {log.id for log in unit.logs.all() if log.own}
            rows = (at for at in rows if place(at)[0] in own)
        places, unread = _newest(rows, QUESTIONS_OF_LOG_MAX)
        found: list[Posed] = []
        for at in places:
            try:
                posed = self.posed(unit, actor, at)
            except NotFound:
                continue
            if (mine and posed.asker != str(actor.office)) or (open_ and posed.retracted):
                continue
            found.append(posed)
        return Listed(tuple(sorted(found, key=lambda posed: (-posed.at, posed.origin, posed.index))), unread)

    def picture(self, unit: Unit, actor: Actor, posed: Posed) -> Seen:
        """Return everything answered to a question that this actor may read, as one picture."""
        answers: list[Told] = []
        key = questions.question_key(posed.origin, posed.index)
        places, unread = _newest(_answers(unit, key), ANSWERS_OF_LOG_MAX)
        for at in places:
            try:
                answers.append(self.told(unit, actor, at))
            except NotFound:
                continue
        return Seen(posed, merging.merge(posed, answers, self._awaited(unit, posed)), unread)

    def _awaited(self, unit: Unit, posed: Posed) -> list[str]:
        """Return whom a question asks: the offices it names, or every other party that takes part in the accord."""
        if posed.asked:
            offices = {str(policy.parse_audience(name)[0]) for name in posed.asked if _is_audience(name)}
            return sorted(offices - {posed.asker})
        try:
            accord = self._accords.get(unit, questions.accord_of(posed.origin) or "")
        except NotFound:
            return []
        text = accord.version(posed.version)
        asker = posed.asker.partition("/")[0]
        return [
            party
            for party, member in sorted(accord.members.items())
            if party != asker and member.phase is Phase.ACTIVE and text is not None and text.text.member_of(party)
        ]


# -- what may be answered ------------------------------------------------------------


def recipient(posed: Posed, clarified: Told | None, actor: Actor) -> str:
    """Return the office that an answer or a clarification is for. Raises `Misuse` where that is the actor's own."""
    if clarified is not None and clarified.office != str(actor.office):
        return clarified.office
    if posed.asker == str(actor.office):
        raise Misuse(f"{actor.office} asked this itself", hint="--reply ANSWER asks back about an answer")
    return posed.asker


def default_marking(posed: Posed, clarified: Told | None, actor: Actor) -> Marking:
    """Return the question's marking for the office it is for alone: the narrowest that answers."""
    marking = posed.marking if clarified is None else _narrowest(posed.marking, clarified.marking)
    return msgspec.structs.replace(marking, to=(recipient(posed, clarified, actor),))


def for_all(posed: Posed) -> Marking:
    """Return the question's marking, for everybody who could read the question and whoever asked."""
    to = tuple(sorted({*posed.marking.to, posed.asker})) if posed.marking.to else ()
    return msgspec.structs.replace(posed.marking, to=to)


def _narrowest(one: Marking, other: Marking) -> Marking:
    return msgspec.structs.replace(
        one,
        tlp=max(one.tlp, other.tlp, key=lambda tlp: tlp.rank),
        pap=max(one.pap, other.pap, key=lambda pap: pap.rank),
        embargo=max(one.embargo, other.embargo),
        use=tuple(use for use in one.use if use in other.use) or other.use,
        transfer=tuple(where for where in one.transfer if where in other.transfer),
        onward=one.onward and other.onward,
        personal=one.personal or other.personal,
    )


def _check_fit(posed: Posed, clarified: Told | None, actor: Actor, answer: Answer) -> None:
    if clarified is not None and (clarified.about.origin, clarified.about.index) != (posed.origin, posed.index):
        raise Misuse(f"{clarified.name} answers another question")
    if not merging.could_read(posed, str(actor.office)):
        raise Refused(f"{posed.name} was not asked of {actor.office}")
    probe = Told(
        origin=posed.origin,
        index=posed.index,
        leaf=posed.leaf,
        office=str(actor.office),
        at=0,
        marking=posed.marking,
        retracted=False,
        about=Ref(posed.origin, posed.index, posed.leaf, questions.ABOUT),
        reply=None if clarified is None else Ref(clarified.origin, clarified.index, clarified.leaf, questions.REPLY),
        answer=answer,
    )
    why = merging.unfit(posed, probe)
    if why:
        raise Misuse(f"{posed.name} cannot be answered like this: {why}")


def _check_width(posed: Posed, clarified: Told | None, marking: Marking) -> None:
    """Refuse an answer that would carry the question, or the answer it is about, beyond its own audience."""
    about = [(posed.marking, posed.asker, posed.name)]
    about += [(clarified.marking, clarified.office, clarified.name)] if clarified is not None else []
    for inner, author, name in about:
        # Its author knows what it said already; between the two offices of a thread nothing is passed on.
        others = tuple(to for to in marking.to if to != author and not to.startswith(f"{author}/"))
        outer = msgspec.structs.replace(marking, to=others or inner.to) if marking.to else marking
        if wider(outer, inner):
            raise Refused(
                f"the marking asked for would take {name} further than its own does",
                hint="a stricter --tlp or --pap, or fewer --to",
            )


def readable(read: Callable[[], T]) -> T:
    """Read what a person of this party wrote. Raises `Misuse` for what others would refuse as malformed."""
    try:
        return read()
    except (Malformed, TooLarge) as error:
        raise Misuse(str(error), hint=error.hint) from error


def _is_audience(name: str) -> bool:
    try:
        policy.parse_audience(name)
    except Malformed:
        return False  # a name that nobody can have asks nobody
    return True


def _refs(posed: Posed, clarified: Told | None) -> tuple[Ref, ...]:
    refs = (Ref(posed.origin, posed.index, posed.leaf, questions.ABOUT),)
    if clarified is None:
        return refs
    return (*refs, Ref(clarified.origin, clarified.index, clarified.leaf, questions.REPLY))


def require(decisions: Sequence[Decision], name: str) -> None:
    """Refuse what the office or person of a name could not have. Raises `Refused` with the grounds."""
    about = [d for d in decisions if name in {d.audience.name, str(d.audience.office)}]
    if not about:
        raise Refused(f"{name} is no office of another member", hint="`comity accord show` names the members")
    if not any(isinstance(decision, Release) for decision in about):
        raise Refused(f"{name} could not have it: {_grounds(about)}")


def _grounds(decisions: Sequence[Decision]) -> str:
    grounds = {f"{f.rule}: {f.because}" for d in decisions for f in d.findings if not f.allows}
    return "; ".join(sorted(grounds)) or "the accord has no other member"


# -- rows ----------------------------------------------------------------------------


def _rows(unit: Unit) -> Iterator[tuple[int, int]]:
    """Yield (position, deadline) of every question held."""
    last = -1
    while rows := unit.views.scan(QUESTION, last + 1, (1 << 62), limit=CHUNK):
        yield from ((int(row[0] or 0), int(row[1] or 0)) for row in rows)
        last = int(rows[-1][0] or 0)


def _answers(unit: Unit, key: bytes) -> Iterator[int]:
    """Yield the position of every answer held to a question."""
    last = -1
    while rows := unit.views.find(ANSWER, {"question": key}, limit=CHUNK, after=last):
        yield from (int(row[0] or 0) for row in rows)
        last = int(rows[-1][0] or 0)


def _newest(places: Iterable[int], of_log: int) -> tuple[list[int], int]:
    """Return the newest positions of each log, at most `of_log` of one, and how many older ones there are."""
    newest: dict[int, deque[int]] = {}
    seen = 0
    for at in places:
        newest.setdefault(place(at)[0], deque(maxlen=of_log)).append(at)
        seen += 1
    kept = [at for some in newest.values() for at in some]
    return kept, seen - len(kept)
