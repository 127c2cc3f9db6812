"""What a neighbour is told of an event: decided when it is told, up to its ceiling, with its fields.

Rules: a neighbour inside the organisation is told of what its office may read. One outside is told of what a recorded
release decision lets go to it, and learns nothing of the rest, not even that it is there. Above the ceiling there is a
number and a label. What carries no marking is above every ceiling, for it was never meant to leave. What was taken
back is told to those outside who had it, and to nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from comity.acts import Narrow, Retract, Standing, Tombstone, narrowed
from comity.canon import OfficeId, Origin
from comity.errors import ComityError
from comity.formats.telling.message import Message, Thing
from comity.limits import EVENT_THINGS_MAX
from comity.node import correspondents, exporting, tokens
from comity.node.actor import Actor
from comity.node.deliveries import Grade
from comity.node.events import Event, What
from comity.node.neighbours import Neighbour
from comity.node.outbox import Kept
from comity.node.owing import Owed
from comity.node.ports import Log, Unit, position
from comity.node.queries import only_retracted
from comity.node.releases import Class, class_runs
from comity.node.services import Services
from comity.node.things import seen, thing
from comity.party import OfficeRef
from comity.vocab import Channel, Held, Tlp

USER: Final = "neighbour:"  # what begins the name of who acts when a neighbour is told
OWED: Final = "owed"  # what an event is about that tells a correspondent what it is owed
_SEVERITY: Final = {What.FORKED: 10, What.RETRACTED: 6, What.DEADLINE: 6, What.ASKED: 5, What.SOURCE_FAILED: 4}
_TITLES: Final = {
    What.RECEIVED: "intelligence received",
    What.COLLECTED: "intelligence collected",
    What.RETRACTED: "taken back",
    What.SIGHTED: "sighted",
    What.ASKED: "a question was asked",
    What.ANSWERED: "a question was answered",
    What.DEADLINE: "a question is due within a day and not answered",
    What.SUBMITTED: "something that a correspondent sent waits in the inbox",
    What.SOURCE_FAILED: "a source fails",
    What.SOURCE_WORKS: "a source works again",
    What.FORKED: "a log was shown in two versions: the fork is proven, and nothing more of it is believed",
    What.TEST: "this is a test: nothing happened",
}


@dataclass(slots=True)
class Telling:
    """A message, and what is noted of it: `given` and `owed` where it goes outside."""

    message: Message
    given: list[int] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)


def actor_for(services: Services, one: Neighbour) -> Actor:
    """Return in whose name a neighbour is told."""
    return Actor(OfficeRef(services.node.me, OfficeId(one.office)), f"{USER}{one.name}")


def tell(services: Services, one: Neighbour, kept: Kept) -> Telling | None:
    """Return what a neighbour is told now, the decisions on record; None where nothing may be told any more."""
    event = kept.event
    if event.what is What.RETRACTED and event.about == OWED:
        return _owed(services, one, kept)
    if not event.runs:
        return Telling(_message(services, one, kept, subject=_subject(event)))
    with services.node.store.read() as unit:
        places: Sequence[int] = _places(unit, event)
        if event.what is What.RETRACTED:
            return _taken_back(services, unit, one, kept, places)
        if event.what is What.FORKED:
            return Telling(_message(services, one, kept, subject=_subject(event)))
        places = services.queries.readable(unit, actor_for(services, one), places)
    if not one.own:
        places = _released(services, one, places)
    with services.node.store.read() as unit:
        shown, hidden, hidden_tlp = _sorted(services, unit, one, places)
        if not shown and not hidden:
            return None
        things = tuple(thing(services.queries, unit, at, tlp, one.fields) for at, tlp in shown[:EVENT_THINGS_MAX])
        subject = _subject_of(services, unit, event, places)
    message = _message(
        services, one, kept, subject=subject, things=things, more=len(shown) - len(things),
        hidden=hidden, hidden_tlp=hidden_tlp,
    )  # fmt: skip
    # What is only counted may be asked for by another way, which notes it then.
    return Telling(message, [] if one.own else [at for at, _ in shown[:EVENT_THINGS_MAX]])


def note(services: Services, one: Neighbour, telling: Telling) -> None:
    """Note what goes outside, before it leaves."""
    if telling.given:
        services.seeing.given(one.to, Channel.WEBHOOK, Grade.SENT, telling.given)


def told(services: Services, one: Neighbour, telling: Telling) -> None:
    """Note what a correspondent was told, after it took it."""
    if telling.owed:
        with services.node.store.read() as unit:
            who = correspondents.by_audience(unit, one.to)
        if who is not None:
            services.owing.told(who, Channel.WEBHOOK, telling.owed)


# -- what may be seen --------------------------------------------------------------


def _places(unit: Unit, event: Event) -> list[int]:
    log = unit.logs.find(Origin(event.origin))
    return [] if log is None else [position(log.id, index) for run in event.runs for index in range(*run)]


def _released(services: Services, one: Neighbour, places: Sequence[int]) -> Sequence[int]:
    """Decide for a correspondent, on record; return what may go. Raises `Refused` while it takes no part."""
    with services.node.store.read() as unit:
        audience = services.releases.audience(unit, one.to, one.purpose)
    return exporting.decide_export(services.node, services.releases, actor_for(services, one), places, audience).places


def _sorted(
    services: Services, unit: Unit, one: Neighbour, places: Sequence[int]
) -> tuple[list[tuple[int, str]], int, str]:
    """Return what may be shown with its label, the newest first, and how much is above the ceiling, under which."""
    shown: list[tuple[int, str]] = []
    above: list[Tlp | None] = []
    actor = actor_for(services, one)
    for run in class_runs(unit, places):
        log = unit.logs.get(run.log_id)
        if not tokens.serves_class(services.node, unit, actor, one.purpose, log, run.which):
            continue
        tlp = _label(services, unit, run.which)
        if tlp is None or tlp.rank > one.ceiling.rank:
            above += [tlp] * len(run.places)
        else:
            shown += [(at, tlp.label) for at in run.places]
    return shown[::-1], len(above), _strictest(above)


def _label(services: Services, unit: Unit, which: Class) -> Tlp | None:
    marking = services.node.header(unit.entries.header(which.header_id)).marking
    standing = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
    return narrowed(marking, standing).tlp if marking is not None else None


def _strictest(above: Sequence[Tlp | None]) -> str:
    labels = [tlp for tlp in above if tlp is not None]
    return max(labels, key=lambda tlp: tlp.rank).label if labels else ""


# -- what was taken back -----------------------------------------------------------


def _taken_back(services: Services, unit: Unit, one: Neighbour, kept: Kept, places: Sequence[int]) -> Telling | None:
    """Tell a neighbour inside of what an author's act was about, as far as the office could read it before."""
    things: list[Thing] = []
    hidden: list[Tlp | None] = []
    more, first = 0, ""
    for at in places:
        try:
            act, _ = services.node.act(unit, at)
        except ComityError:
            continue
        if not isinstance(act, Retract | Narrow | Tombstone):
            continue
        for log, index in _about(unit, act):
            first = first or f"{log.origin}#{index}"
            if isinstance(act, Tombstone):
                erased = Thing(statement=f"{log.origin}#{index}", note="erased")
                # Its label went with it; that a place is empty is no secret, and what was told of it has to go.
                things += [seen(erased, {*one.fields, "ids"})] if len(things) < EVENT_THINGS_MAX else []
                continue
            tlp, may = _before(services, unit, one, log, index)
            if not may:
                continue
            if tlp is None or tlp.rank > one.ceiling.rank:
                hidden.append(tlp)
            elif len(things) == EVENT_THINGS_MAX:
                more += 1
            else:
                word = "retracted" if isinstance(act, Retract) else "narrowed"
                said = f"{word}: {act.reason}" if act.reason else word
                where = position(log.id, index)
                things.append(thing(services.queries, unit, where, tlp.label, one.fields, said))
    if not things and not hidden:
        return None
    subject = first or _subject(kept.event)
    return Telling(
        _message(services, one, kept, subject=subject, things=tuple(things), more=more,
                 hidden=len(hidden), hidden_tlp=_strictest(hidden))
    )  # fmt: skip


def _about(unit: Unit, act: Retract | Narrow | Tombstone) -> Iterator[tuple[Log, int]]:
    for span in act.spans:
        log = unit.logs.find(span.origin)
        if log is not None:
            yield from ((log, index) for index in range(span.start, min(span.end, log.size)))


def _before(services: Services, unit: Unit, one: Neighbour, log: Log, index: int) -> tuple[Tlp | None, bool]:
    """Return the label that an entry bears, and whether the office could read it but for the act."""
    (brief,) = unit.entries.brief(log.id, index, index + 1)
    if brief.held is not Held.PAYLOAD:
        return None, False
    which = Class(brief.header_id, brief.standing_id)
    judged = services.releases.readable(unit, log, which, actor_for(services, one))
    may = judged is None or bool(judged.released) or only_retracted(judged.decisions)
    return _label(services, unit, which), may


def _owed(services: Services, one: Neighbour, kept: Kept) -> Telling | None:
    """Tell a correspondent what it has been given by webhook and may not keep as it was."""
    with services.node.store.read() as unit:
        who = correspondents.by_audience(unit, one.to)
    items = services.owing.owed(who, Channel.WEBHOOK, limit=EVENT_THINGS_MAX) if who is not None else []
    if not items:
        return None
    things = []
    for item in items:
        label = item.marking.tlp if item.marking is not None else None
        said = f"{item.what}: {item.reason}" if item.reason else item.what
        if label is not None and label.rank > one.ceiling.rank:
            said = item.what
        bare = Thing(statement=item.statement, id=item.id, tlp=label.label if label is not None else "", note=said)
        # Which object it is has to be told whatever it may see: it is to find it and delete it.
        things.append(seen(bare, {*one.fields, "ids"}))
    subject = things[0].id or things[0].statement
    return Telling(_message(services, one, kept, subject=subject, things=tuple(things)), owed=items)


# -- the message -------------------------------------------------------------------


def _subject(event: Event) -> str:
    if event.runs:
        return f"{event.origin}#{event.runs[0][0]}"
    return event.about or event.what.value


def _named(one: Neighbour, event: Event, subject: str, *, told: bool) -> str:
    """Return a subject as the neighbour may read it: a place in a log says whose it is, and in which accord."""
    if not event.runs or (told and {"ids", "authors"} <= set(one.fields)):
        return subject if one.own or told else event.what.value
    return "about-" + hashlib.sha256(msgspec.json.encode([one.office, one.name, one.created, subject])).hexdigest()[:24]


def _subject_of(services: Services, unit: Unit, event: Event, places: Sequence[int]) -> str:
    """Return what an event is about: of an answer the question, else its first entry."""
    if event.what is What.ANSWERED and places:
        log = unit.logs.get(places[0] >> 40)
        (brief,) = unit.entries.brief(log.id, places[0] & ((1 << 40) - 1), (places[0] & ((1 << 40) - 1)) + 1)
        refs = services.node.header(unit.entries.header(brief.header_id)).refs
        if refs:
            return f"{refs[0].origin}#{refs[0].index}"
    return _subject(event)


def _message(
    services: Services,
    one: Neighbour,
    kept: Kept,
    *,
    subject: str,
    things: tuple[Thing, ...] = (),
    more: int = 0,
    hidden: int = 0,
    hidden_tlp: str = "",
) -> Message:
    event = kept.event
    count = len(things) + more + hidden
    title = _TITLES[event.what]
    if count > 1:
        title = f"{title} ({count})"
    if event.about and one.own and event.about != OWED:
        title = f"{title}: {event.about}"
    return Message(
        id=kept.id,
        event=event.what.value,
        at=event.at,
        party=str(services.node.me),
        office=str(one.office),
        title=title,
        subject=_named(one, event, subject, told=bool(things)),
        severity=_SEVERITY.get(event.what, 3),
        things=things,
        more=more,
        hidden=hidden,
        hidden_tlp=hidden_tlp,
        link=one.link,
        exercise=event.exercise,
        test=event.what is What.TEST,
    )
