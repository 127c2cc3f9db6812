"""What happens at a node that a neighbour can be told of: read from the logs as they grow, and from what holds now.

Rules: an event names entries, or what it is about, and holds nothing of their content: what may be told of it is
decided when it is told. Entries are looked at once for each neighbour, in runs, so that a thousand that came together
are one event. A condition (a source that fails, a deadline that is near) is told when it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from comity import canon
from comity.canon import Instant
from comity.limits import BATCH_ENTRIES_MAX, DEADLINE_NEAR_SECONDS, EVENT_ENTRIES_MAX
from comity.node import sources, submissions
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.services import Services
from comity.node.spans import Run, runs
from comity.statement import INTEL_ANSWER, INTEL_OBJECT, INTEL_QUESTION, INTEL_RELAY, INTEL_SIGHTING
from comity.vocab import Held


class What(StrEnum):
    """What happened."""

    RECEIVED = "received"  # intelligence of others arrived
    COLLECTED = "collected"  # this office took something in from a source or by hand
    RETRACTED = "retracted"  # something was retracted, narrowed or is to be erased
    SIGHTED = "sighted"
    ASKED = "asked"
    ANSWERED = "answered"
    DEADLINE = "deadline"  # a question that this office has not answered is due soon
    SUBMITTED = "submitted"  # something of a correspondent waits
    SOURCE_FAILED = "source-failed"
    SOURCE_WORKS = "source-works"  # again
    FORKED = "forked"
    TEST = "test"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened: entries of one log, or something by its name."""

    what: What
    at: Instant
    origin: str = ""
    runs: tuple[Run, ...] = ()
    about: str = ""
    exercise: bool = False

    @property
    def count(self) -> int:
        """Return how many entries it names."""
        return sum(end - start for start, end in self.runs)


_ARRIVING: Final[Mapping[str, What]] = {
    INTEL_OBJECT: What.RECEIVED,
    INTEL_RELAY: What.RECEIVED,
    INTEL_SIGHTING: What.SIGHTED,
    INTEL_QUESTION: What.ASKED,
    INTEL_ANSWER: What.ANSWERED,
}
_TAKEN_BACK: Final = frozenset({"act.retract", "act.tombstone", "act.narrow"})
_ALONE: Final = frozenset({What.ASKED, What.ANSWERED, What.RETRACTED, What.FORKED})  # each is an event of its own
OF_ENTRIES: Final = frozenset({*_ARRIVING.values(), What.COLLECTED, What.RETRACTED, What.FORKED})


def ends(unit: Unit) -> tuple[tuple[str, int], ...]:
    """Return the size of every log: what stands in them is not told to whoever begins now."""
    return tuple((str(log.origin), log.size) for log in unit.logs.all())


def next_run(unit: Unit, looked: Mapping[str, int]) -> tuple[Log, int, int] | None:
    """Return the next entries that were not looked at, or None."""
    for log in unit.logs.all():
        start = looked.get(log.origin, 0)
        if start < log.size:
            return log, start, min(start + BATCH_ENTRIES_MAX, log.size)
    return None


def of_run(node: Node, unit: Unit, log: Log, start: int, end: int, office: str) -> Iterator[Event]:
    """Yield what a run of entries tells an office."""
    groups: dict[tuple[What, bool], list[int]] = {}
    home = canon.parse_origin(log.origin)[1] is None
    for brief in unit.entries.brief(log.id, start, end):
        if brief.held is not Held.PAYLOAD:
            continue
        header = node.header(unit.entries.header(brief.header_id))
        what = _what(header.kind, own=log.own, home=home)
        if what is None or (log.own and what is What.COLLECTED and header.office != office):
            continue
        groups.setdefault((what, header.exercise), []).append(place(brief.position)[1])
    now = node.now()
    for (what, exercise), indexes in groups.items():
        step = 1 if what in _ALONE else EVENT_ENTRIES_MAX
        for first in range(0, len(indexes), step):
            some = tuple(runs(indexes[first : first + step]))
            yield Event(what, now, str(log.origin), some, exercise=exercise)


def _what(kind: str, *, own: bool, home: bool) -> What | None:
    if kind in _TAKEN_BACK:
        return What.RETRACTED if home or not own else None  # what is passed on of it says the same once more
    if kind == "act.forked":
        return What.FORKED if own else None
    if own:
        return What.COLLECTED if home and kind == INTEL_OBJECT else None
    return _ARRIVING.get(kind)


# -- what holds now ----------------------------------------------------------------


def holding(services: Services, unit: Unit, actor: Actor, wanted: Sequence[What]) -> dict[str, What]:
    """Return the conditions that hold for an office now, by `<what> <about>`."""
    found: dict[str, What] = {}
    if What.SOURCE_FAILED in wanted or What.SOURCE_WORKS in wanted:
        for source in sources.fetched(unit, actor.office_id):
            if source.enabled and sources.health_of(unit, source).failures:
                found[f"{What.SOURCE_FAILED} {source.name}"] = What.SOURCE_FAILED
    if What.SUBMITTED in wanted:
        for one in submissions.inbox(unit, actor):
            found[f"{What.SUBMITTED} {one.id}"] = What.SUBMITTED
    if What.DEADLINE in wanted:
        for name in _near(services, unit, actor):
            found[f"{What.DEADLINE} {name}"] = What.DEADLINE
    return found


def _near(services: Services, unit: Unit, actor: Actor) -> Iterator[str]:
    """Yield the questions that are due soon and that the office has not answered."""
    now, me = services.node.now(), str(actor.office)
    for posed in services.asking.questions(unit, actor, open_=True).questions:
        if posed.asker == me or not now < posed.question.deadline <= now + DEADLINE_NEAR_SECONDS:
            continue
        thread = services.asking.picture(unit, actor, posed).picture.thread
        if all(entry.told.office != me for entry in thread):
            yield posed.name


def changes(before: Sequence[str], now: Mapping[str, What], at: Instant, wanted: Sequence[What]) -> Iterator[Event]:
    """Yield what began since, and sources that work again."""
    for key, what in now.items():
        if key not in before and what in wanted:
            yield Event(what, at, about=key.partition(" ")[2])
    for key in before:
        word, _, about = key.partition(" ")
        if key not in now and word == What.SOURCE_FAILED.value and What.SOURCE_WORKS in wanted:
            yield Event(What.SOURCE_WORKS, at, about=about)
