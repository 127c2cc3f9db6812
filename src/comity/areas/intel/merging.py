"""One picture of all answers to a question: who has seen what, who declined, whom it waits for.

Rules: a fold over sets. Order, repetition and time of arrival change nothing; which of an office's answers is the
newest goes by its place in its author's log, never by a clock. What an office said is shown beside what others
said, and nothing is weighed against anything else. What does not fit the question is shown and not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from comity import canon
from comity.areas.intel.questions import WHOLE, Answer, Line, Question, Said, Subject
from comity.canon import Instant, Origin
from comity.statement import Marking, Ref
from comity.vocab import Priority, Tlp


@dataclass(frozen=True, slots=True)
class Posed:
    """A question as one office reads it."""

    origin: Origin
    index: int
    leaf: str
    asker: str  # `<party>/<office>`
    at: Instant  # by the asker's clock
    version: int  # of the accord it was asked under
    marking: Marking  # in force
    asked: tuple[str, ...]  # the recipients it was made for; empty: all in the accord
    consented: tuple[str, ...]  # whom its author let have it since
    retracted: bool
    priority: Priority
    conduct: str
    question: Question

    @property
    def name(self) -> str:
        """Return `<origin>#<index>`."""
        return f"{self.origin}#{self.index}"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer or a clarification as one office reads it."""

    origin: Origin
    index: int
    leaf: str
    office: str  # `<party>/<office>`
    at: Instant  # by its author's clock
    marking: Marking  # in force
    retracted: bool
    about: Ref
    reply: Ref | None
    answer: Answer

    @property
    def name(self) -> str:
        """Return `<origin>#<index>`."""
        return f"{self.origin}#{self.index}"

    @property
    def place(self) -> tuple[int, int, str, str]:
        """Return what orders the answers of one office: their place in its party's log."""
        return canon.parse_origin(self.origin)[2], self.index, self.leaf, self.origin


class Status(StrEnum):
    """What an answer counts for."""

    COUNTS = "counts"
    REPLACED = "replaced"  # by a newer one of the same office
    RETRACTED = "retracted"
    CLARIFIES = "clarifies"
    UNFIT = "unfit"  # does not fit the question: not counted


class Entry(NamedTuple):
    """An answer in the thread, and what it counts for."""

    told: Told
    status: Status
    late: bool
    why: str  # where it is unfit


class Voice(NamedTuple):
    """What one office says of one value."""

    told: Told
    line: Line
    late: bool


@dataclass(frozen=True, slots=True)
class OnSubject:
    """What all say of one value, side by side."""

    subject: Subject
    voices: tuple[Voice, ...]

    def offices(self, said: Said) -> tuple[str, ...]:
        """Return the offices that say so."""
        return tuple(voice.told.office for voice in self.voices if voice.line.said is said)

    @property
    def count(self) -> int:
        """Return how often it was seen at least, by all who say so."""
        return sum(voice.line.count for voice in self.voices)

    @property
    def first(self) -> Instant:
        """Return the earliest time anybody saw it; 0 where nobody says."""
        return min((t for v in self.voices for t in (v.line.first, v.line.last) if t), default=0)

    @property
    def last(self) -> Instant:
        """Return the latest time anybody saw it; 0 where nobody says."""
        return max((t for v in self.voices for t in (v.line.first, v.line.last)), default=0)

    @property
    def contradicted(self) -> bool:
        """Say whether one calls it malicious and another benign. Seen here and not there is no contradiction."""
        return bool(self.offices(Said.MALICIOUS)) and bool(self.offices(Said.BENIGN))


class Picture(NamedTuple):
    """All answers to one question that an office may read, as one picture."""

    subjects: tuple[OnSubject, ...]
    thread: tuple[Entry, ...]
    answered: tuple[str, ...]  # offices whose answer counts: also those that declined or forwarded
    declined: tuple[str, ...]
    forwarded: tuple[tuple[str, str], ...]  # (office, the office it names)
    late: tuple[str, ...]
    volunteered: tuple[str, ...]  # answered without having been asked
    awaited: tuple[str, ...]  # asked, and not heard of


def could_read(posed: Posed, office: str) -> bool:
    """Say whether a question's marking, as it was made or consented to since, names an office or one of its people."""
    named = any(name == office or name.startswith(f"{office}/") for name in (*posed.asked, *posed.consented))
    return named or office == posed.asker or (not posed.asked and posed.marking.tlp is not Tlp.RED)


def unfit(posed: Posed, told: Told) -> str:
    """Return why an answer does not fit the question it names; empty where it does."""
    if told.about.leaf != posed.leaf:
        return "it names another statement than the question at that place"
    asked = set(posed.question.about) or {Subject(WHOLE, "")}
    if any(line.subject not in asked for line in told.answer.lines):
        return "it speaks of what was not asked"
    if told.office == posed.asker and told.reply is None:
        return "who asks does not answer"
    return ""


def merge(posed: Posed, told: Iterable[Told], awaited: Iterable[str]) -> Picture:
    """Return one picture of a set of answers; `awaited` names the parties or offices that were asked."""
    entries = _judged(posed, told)
    counting = [entry for entry in entries if entry.status is Status.COUNTS]
    offices = {entry.told.office for entry in counting}
    asked = sorted(set(awaited))
    voices = _voices(counting)
    subjects = posed.question.about or (Subject(WHOLE, ""),)
    return Picture(
        subjects=tuple(OnSubject(subject, tuple(voices.get(subject, ()))) for subject in subjects),
        thread=tuple(entries),
        answered=tuple(sorted(offices)),
        declined=tuple(entry.told.office for entry in counting if entry.told.answer.declined),
        forwarded=tuple((e.told.office, e.told.answer.forward) for e in counting if e.told.answer.forward),
        late=tuple(entry.told.office for entry in counting if entry.late),
        volunteered=tuple(sorted(o for o in offices if not any(_covers(name, o) for name in asked))),
        awaited=tuple(name for name in asked if not any(_covers(name, office) for office in offices)),
    )


def _covers(name: str, office: str) -> bool:
    """Say whether an office answers for a name: for itself, or for its party where the party was asked."""
    return office == name or office.startswith(f"{name}/")


def _judged(posed: Posed, told: Iterable[Told]) -> list[Entry]:
    """Return every answer once with what it counts for, by office and place."""
    once = {(one.origin, one.index, one.leaf): one for one in told}
    ordered = sorted(once.values(), key=lambda one: (one.office, one.place))
    whys = [unfit(posed, one) or _unasked(posed, one) for one in ordered]
    newest: dict[str, Told] = {}
    for one, why in zip(ordered, whys, strict=True):
        if not why and one.reply is None and not one.retracted:
            newest[one.office] = one  # they come in the order of their log
    deadline = posed.question.deadline
    return [
        Entry(one, _status(one, why, newest), bool(deadline) and one.at > deadline, why)
        for one, why in zip(ordered, whys, strict=True)
    ]


def _unasked(posed: Posed, told: Told) -> str:
    return "" if could_read(posed, told.office) else "its office could not read the question"


def _status(told: Told, why: str, newest: dict[str, Told]) -> Status:
    if why:
        return Status.UNFIT
    if told.retracted:
        return Status.RETRACTED
    if told.reply is not None:
        return Status.CLARIFIES
    return Status.COUNTS if newest[told.office] is told else Status.REPLACED


def _voices(counting: Iterable[Entry]) -> dict[Subject, list[Voice]]:
    """Return what is said of each subject, by office and word."""
    found: dict[Subject, list[Voice]] = {}
    for entry in counting:
        for line in sorted(entry.told.answer.lines, key=lambda line: line.said):
            found.setdefault(line.subject, []).append(Voice(entry.told, line, entry.late))
    return found
