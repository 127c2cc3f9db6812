"""Requests for information: asking, listing questions, answering, the answers as one picture."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Verb


class Pose(Ask, frozen=True):
    """A question for an accord: values as people write them, `KIND=VALUE` where a text alone does not say its kind."""

    accord: str
    why: str
    values: tuple[str, ...] = ()
    text: str = ""
    note: str = ""
    wants: tuple[str, ...] = ()
    deadline: int = 0
    priority: str = ""
    conduct: str = ""
    marking: MarkingSaid = MarkingSaid()


class QuestionShown(msgspec.Struct, frozen=True):
    """A question, and how far its answers have come."""

    statement: str  # <origin>#<index>
    accord: str
    asker: str
    at: int
    marking: str
    to: tuple[str, ...]  # empty: everybody in the accord
    priority: str
    conduct: str
    about: tuple[tuple[str, str], ...]  # (kind, value)
    text: str
    why: str
    note: str
    wants: tuple[str, ...]
    deadline: int  # 0: none
    overdue: bool
    retracted: bool
    answered: tuple[str, ...]  # offices whose answers the asking office may read
    awaited: tuple[str, ...]
    by_us: str  # what this office's own answer is: answered, declined, or nothing


class Posed(msgspec.Struct, frozen=True):
    """A question on record."""

    question: QuestionShown
    by: str


class ListQuestions(Ask, frozen=True):
    """Which questions to list: those this office asked, those still open; at most `limit` of them."""

    mine: bool = False
    open: bool = False
    limit: int = 50


class Questions(msgspec.Struct, frozen=True):
    """The newest questions and how many there are; `unread` counts older ones of parties that asked very many."""

    questions: tuple[QuestionShown, ...]
    total: int
    unread: int


class LineSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of one value, as typed: for `seen` with `VALUE` or `VALUE:COUNT`; no value: the whole question."""

    said: str
    value: str = ""


class GiveAnswer(Ask, frozen=True):
    """An answer to a question, or, with `reply`, a clarification of an answer."""

    question: str
    lines: tuple[LineSaid, ...] = ()
    first: int = 0
    last: int = 0
    exact: bool = False
    confidence: int | None = None
    decline: bool = False
    forward: str = ""
    note: str = ""
    action: str = ""
    see: tuple[str, ...] = ()
    reply: str = ""
    marking: MarkingSaid = MarkingSaid()
    to_all: bool = False


class Answered(msgspec.Struct, frozen=True):
    """An answer on record: where it stands, to whom it may go, and whether it came after the deadline."""

    statement: str
    question: str
    marking: str
    to: tuple[str, ...]
    late: bool
    by: str


class Suggest(Ask, frozen=True):
    """A question to draft an answer to."""

    question: str


class LineShown(msgspec.Struct, frozen=True):
    """What one office says of one value; times to the day unless `exact`."""

    kind: str
    value: str
    said: str
    count: int
    first: int
    last: int
    exact: bool
    confidence: int | None
    note: str


class BasisShown(msgspec.Struct, frozen=True):
    """One record that a draft rests on."""

    value: str
    statement: str
    marking: str


class Suggested(msgspec.Struct, frozen=True):
    """A draft that nobody has sent."""

    question: str
    lines: tuple[LineShown, ...]
    tlp: str
    pap: str
    to: tuple[str, ...]
    basis: tuple[BasisShown, ...]
    remarks: tuple[str, ...]


class Picture(Ask, frozen=True):
    """A question whose answers are wanted as one picture."""

    question: str


class VoiceShown(msgspec.Struct, frozen=True):
    """One office's line about a value, where it stands and under which marking."""

    office: str
    statement: str
    marking: str
    at: int
    late: bool
    line: LineShown


class ValueShown(msgspec.Struct, frozen=True):
    """What all say of one value, side by side."""

    kind: str
    value: str
    seen: tuple[str, ...]
    not_seen: tuple[str, ...]
    malicious: tuple[str, ...]
    benign: tuple[str, ...]
    no_answer: tuple[str, ...]
    count: int
    first: int
    last: int
    contradicted: bool
    voices: tuple[VoiceShown, ...]


class EntryShown(msgspec.Struct, frozen=True):
    """One answer or clarification in the thread, and what it counts for."""

    statement: str
    office: str
    at: int
    marking: str
    status: str  # counts, replaced, retracted, clarifies, unfit
    why: str
    late: bool
    reply: str  # the answer it clarifies
    declined: bool
    forward: str
    note: str
    action: str
    see: tuple[str, ...]
    lines: tuple[LineShown, ...]


class PictureShown(msgspec.Struct, frozen=True):
    """All answers to one question as one picture; `unread` counts answers beyond what is read of one party."""

    question: QuestionShown
    values: tuple[ValueShown, ...]
    answered: tuple[str, ...]
    declined: tuple[str, ...]
    forwarded: tuple[tuple[str, str], ...]
    late: tuple[str, ...]
    volunteered: tuple[str, ...]
    awaited: tuple[str, ...]
    thread: tuple[EntryShown, ...]
    unread: int


ASK: Final = Verb("asking/ask", Pose, Posed, signs=True)
QUESTIONS: Final = Verb("asking/questions", ListQuestions, Questions)
ANSWER: Final = Verb("asking/answer", GiveAnswer, Answered, signs=True)
SUGGEST: Final = Verb("asking/suggest", Suggest, Suggested)
ANSWERS: Final = Verb("asking/answers", Picture, PictureShown)
