"""Requests for information: what a question and an answer say, and the checks that anybody can make of them.

Rules: a question is about values, STIX ids or conduct from the closed list; it has no field for a person or an
opinion, and kinds that could hold one are refused. An answer names its question by origin, index and leaf, and
says something about what was asked and nothing else. What is checked here needs no more than the statement's
own bytes, so that every node refuses the same ones.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from comity import canon
from comity.areas.intel.columns import STIX_TYPES, object_key, object_number, uuid_of
from comity.canon import Instant, Origin
from comity.errors import Malformed, Refused, TooLarge
from comity.formats import observables
from comity.formats.observables import Observable
from comity.statement import Header, Ref
from comity.view import View, ViewKind

QUESTION_MEDIA: Final = "application/vnd.comity.question+json"
ANSWER_MEDIA: Final = "application/vnd.comity.answer+json"

ASKING_BYTES_MAX: Final = 262_144  # bytes of one question or answer: a thousand values with a note each
QUESTION_VALUES_MAX: Final = 1_000  # values and ids in one question: what a person answers, not a feed
ASKING_TEXT_CHARS_MAX: Final = 2_000  # characters of a question's free text: a screen
ASKING_NOTE_CHARS_MAX: Final = 500  # characters of a note: some lines
ANSWER_OBJECTS_MAX: Final = 64  # STIX ids that an answer points to
DAY: Final = 86_400  # seconds: what times are coarse to, unless they say that they are exact

QUESTION: Final = View(
    "intel_question",
    (
        ("position", ViewKind.INTEGER),
        ("deadline", ViewKind.INTEGER),  # seconds; 0: none
        ("subjects", ViewKind.INTEGER),
    ),
)
ANSWER: Final = View(
    "intel_answer",
    (("position", ViewKind.INTEGER), ("question", ViewKind.BLOB)),  # see `question_key`
    by=(("question",),),
)

STIX_ID: Final = "stix-id"
WHOLE: Final = ""  # the kind of the subject that stands for a question without values, as a whole
ASKED_KINDS: Final = frozenset({*observables.KINDS, STIX_ID} - {"text"})  # "text" may be anything, a name too
# An identity or an account may be a person's, an opinion is one.
ASKED_TYPES: Final = frozenset({*STIX_TYPES} - {"identity", "user-account", "opinion", "marking-definition"})

ABOUT: Final = "question"  # the role of an answer's reference to its question
REPLY: Final = "reply"  # the role of a clarification's reference to the answer it is about


class Why(StrEnum):
    """Why an office asks: a closed list."""

    INCIDENT = "incident"  # it handles one now
    HUNT = "hunt"  # it looks for traces in its own telemetry
    TRIAGE = "triage"  # it wants to know whether this is malicious before it acts
    VICTIMS = "victims"  # it looks for victims to notify
    ASSESSMENT = "assessment"  # it assesses a campaign or a report


class Wanted(StrEnum):
    """Which kinds of answer help."""

    SEEN = "seen"  # seen or not seen
    CONTEXT = "context"
    SAMPLE = "sample"
    ACTION = "action"  # what was done about it


class Said(StrEnum):
    """What an answer says of one value."""

    SEEN = "seen"
    NOT_SEEN = "not-seen"
    MALICIOUS = "malicious"
    BENIGN = "benign"
    NO_ANSWER = "no-answer"


_SIGHT: Final = frozenset({Said.SEEN, Said.NOT_SEEN})
_VERDICT: Final = frozenset({Said.MALICIOUS, Said.BENIGN})


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, order=True):
    """What is asked about: a value in the normal form of its kind, or a STIX id."""

    kind: str
    value: str


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an office asks. Who may read it, its urgency and the conduct it concerns stand in the header."""

    why: Why
    about: tuple[Subject, ...] = ()
    text: str = ""
    note: str = ""  # why, in a few words
    wants: tuple[Wanted, ...] = (Wanted.SEEN,)
    deadline: Instant = 0  # 0: none


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an answer says of one value; an empty kind stands for a question without values, as a whole."""

    said: Said
    kind: str = WHOLE
    value: str = ""
    count: int = 0  # with `seen`, from 1: at least so often
    first: Instant = 0  # 0: not given
    last: Instant = 0
    confidence: int | None = None  # 0 to 100, as STIX 2.1 §3.2 counts it
    note: str = ""

    @property
    def subject(self) -> Subject:
        """Return what the line is about."""
        return Subject(self.kind, self.value)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an office answers, or, with a reference to another answer, how it clarifies that one.

    `declined` stands alone: an office that does not answer gives no reason.
    """

    lines: tuple[Line, ...] = ()
    declined: bool = False
    forward: str = ""  # `<party>/<office>`: not mine, ask them
    note: str = ""
    action: str = ""  # what was done
    see: tuple[str, ...] = ()  # STIX ids of what the office shared about it
    exact: bool = False  # times are to the second; else to the day


def question_key(origin: str, index: int) -> bytes:
    """Return the 16 bytes by which the answers to a question are found."""
    return hashlib.sha256(f"{origin}#{index}".encode()).digest()[:16]


def subject_of(kind: str, text: str) -> Subject | None:
    """Return what may be asked about in normal form, or None where it may not or is no such value."""
    if kind not in ASKED_KINDS:
        return None
    if kind == STIX_ID:
        try:
            uuid_of(text)
        except Malformed:
            return None
        return Subject(kind, text) if text.partition("--")[0] in ASKED_TYPES else None
    found = observables.normal(kind, text)
    return None if found is None else Subject(*found)


def keys_of(subject: Subject) -> tuple[bytes, ...]:
    """Return the keys by which the views find what is known of a subject; none for a question as a whole."""
    if subject.kind == STIX_ID:
        return (object_key(object_number(uuid_of(subject.value))),)
    return (observables.key(Observable(subject.kind, subject.value)),) if subject.kind else ()


# -- checks --------------------------------------------------------------------------


def read_question(header: Header, body: bytes) -> Question:
    """Read a question. Raises `Malformed`, `TooLarge`, or `Refused` where it names no conduct and no value."""
    _check_bytes(header, body, QUESTION_MEDIA)
    question = _question(body)
    if not question.about and not header.conduct:
        raise Refused("a question without a value names conduct from the closed list: it is about nothing else")
    return question


@lru_cache(maxsize=8)  # each of a thousand answers is compared with its question
def _question(body: bytes) -> Question:
    question = canon.decode(body, Question, what="a question")
    if len(question.about) > QUESTION_VALUES_MAX:
        raise TooLarge(f"{len(question.about)} values in one question are over QUESTION_VALUES_MAX")
    if len(set(question.about)) != len(question.about):
        raise Malformed("a question asks about each value once")
    for subject in question.about:
        if subject_of(subject.kind, subject.value) != subject:
            raise Malformed(f"{subject.kind!r} {subject.value[:80]!r} is nothing that may be asked about")
    _check_text(question.text, ASKING_TEXT_CHARS_MAX, "text")
    _check_text(question.note, ASKING_NOTE_CHARS_MAX, "note")
    if len(set(question.wants)) != len(question.wants) or not question.wants:
        raise Malformed("a question says which kinds of answer help, each once")
    if question.deadline < 0:
        raise Malformed("a deadline before 1970")
    if not question.about and not question.text.strip():
        raise Malformed("a question asks nothing")
    return question


def read_answer(header: Header, body: bytes) -> Answer:
    """Read an answer or a clarification. Raises `Malformed` or `TooLarge`."""
    _check_bytes(header, body, ANSWER_MEDIA)
    about, reply = refs_of(header)
    answer = canon.decode(body, Answer, what="an answer")
    _check_text(answer.note, ASKING_NOTE_CHARS_MAX, "note")
    _check_text(answer.action, ASKING_NOTE_CHARS_MAX, "action")
    if len(answer.see) > ANSWER_OBJECTS_MAX:
        raise TooLarge(f"{len(answer.see)} objects in one answer are over ANSWER_OBJECTS_MAX")
    for ident in answer.see:
        if subject_of(STIX_ID, ident) is None:
            raise Malformed(f"{ident[:80]!r} is no object that an answer may point to")
    if answer.forward:
        _check_office(answer.forward)
    if answer.declined and answer != Answer(declined=True):
        raise Malformed("who declines to answer says nothing more")
    if answer == Answer(exact=answer.exact):
        raise Malformed("an answer says nothing")
    if reply is not None and (answer.lines or answer.declined):
        raise Malformed("a clarification has words; what an office says of values is its answer")
    if reply is not None and (reply.origin, reply.index) == (about.origin, about.index):
        raise Malformed("a clarification is about an answer, not about the question")
    _check_lines(answer)
    return answer


def refs_of(header: Header) -> tuple[Ref, Ref | None]:
    """Return which question an answer is to, and which answer it clarifies. Raises `Malformed`."""
    about = [ref for ref in header.refs if ref.role == ABOUT]
    reply = [ref for ref in header.refs if ref.role == REPLY]
    if len(about) != 1 or len(reply) > 1:
        raise Malformed("an answer names one question, and at most one answer that it clarifies")
    for ref in (*about, *reply):
        canon.unb64(ref.leaf, what="a leaf", length=32)
        if ref.index < 0 or canon.parse_origin(ref.origin)[1] is None:
            raise Malformed("questions and answers stand in an accord's logs")
    if reply and accord_of(reply[0].origin) != accord_of(about[0].origin):
        raise Malformed("a clarification and its question stand in one accord")
    return about[0], reply[0] if reply else None


def accord_of(origin: Origin) -> str | None:
    """Return the accord of a log's origin; None for a home log. Raises `Malformed`."""
    return canon.parse_origin(origin)[1]


def _check_bytes(header: Header, body: bytes, media: str) -> None:
    if len(body) > ASKING_BYTES_MAX:
        raise TooLarge(f"a {header.kind} of {len(body)} bytes is over ASKING_BYTES_MAX")
    if header.media != media:
        raise Malformed(f"a {header.kind} is {media}, not {header.media[:80]!r}")


def _check_text(text: str, most: int, what: str) -> None:
    if len(text) > most:
        raise TooLarge(f"a {what} of {len(text)} characters, where {most} are allowed")


def _check_office(name: str) -> None:
    party, _, office = name.partition("/")
    canon.party_id(party)
    canon.slug(office, what="an office")


def _check_lines(answer: Answer) -> None:
    if len(answer.lines) > 2 * QUESTION_VALUES_MAX:
        raise TooLarge(f"{len(answer.lines)} lines in one answer are over twice QUESTION_VALUES_MAX")
    said: dict[Subject, set[Said]] = {}
    for line in answer.lines:
        _check_line(line, exact=answer.exact)
        known = said.setdefault(line.subject, set())
        if line.said in known:
            raise Malformed("an answer says each thing of a value once")
        known.add(line.said)
    for words in said.values():
        if len(words & _SIGHT) > 1 or len(words & _VERDICT) > 1 or (Said.NO_ANSWER in words and len(words) > 1):
            raise Malformed("an answer contradicts itself about one value")


def _check_line(line: Line, *, exact: bool) -> None:
    if line.kind == WHOLE:
        if line.value:
            raise Malformed("a value without its kind")
    elif subject_of(line.kind, line.value) != line.subject:
        raise Malformed(f"{line.kind!r} {line.value[:80]!r} is nothing that was asked about")
    _check_text(line.note, ASKING_NOTE_CHARS_MAX, "note")
    if (line.said is Said.SEEN) != (line.count > 0) or line.count < 0:
        raise Malformed("what was seen was seen at least once, and nothing else has a count")
    if line.said is not Said.SEEN and (line.first or line.last):
        raise Malformed("only what was seen has times")
    if line.first < 0 or line.last < 0 or (line.last and line.first > line.last):
        raise Malformed("seen for the last time before the first")
    if not exact and (line.first % DAY or line.last % DAY):
        raise Malformed("times to the second in an answer that says they are to the day")
    if line.confidence is not None and not 0 <= line.confidence <= 100:
        raise Malformed("a confidence is from 0 to 100")
    if line.said is Said.NO_ANSWER and (line.note or line.confidence is not None):
        raise Malformed("who does not answer about a value says nothing more of it")


def coarse(line: Line) -> Line:
    """Return a line with its times cut to the day (UTC): what protects a source."""
    return msgspec.structs.replace(line, first=line.first - line.first % DAY, last=line.last - line.last % DAY)
