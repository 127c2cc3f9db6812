"""Telling neighbours: what is new is put into the outbox, what is due is sent.

Rules: what was looked at and the messages that come of it are one unit of work. What may be told is decided and on
record before a byte leaves, and nobody's turn is kept while the network is waited for. The way to a neighbour is a
port; what it raises is an outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from comity.errors import ComityError, Fault, Unreachable
from comity.formats.telling.message import Message
from comity.limits import OUTBOX_WAITING_MAX
from comity.node import correspondents, events, neighbours, outbox, telling
from comity.node.events import OF_ENTRIES, Event, What
from comity.node.neighbours import Neighbour
from comity.node.outbox import Kept, Standing
from comity.node.ports import Unit
from comity.node.services import Services
from comity.vocab import Channel

LOOKS_MAX: Final = 8  # runs of entries looked at before others have their turn


class Way(Protocol):
    """The way to one neighbour."""

    def send(self, message: Message) -> str:
        """Send one message; return in words what the receiver said. Raises `ComityError`.

        `Unreachable` says that the neighbour as a whole does not answer.
        """

    def reach(self) -> str:
        """Say whether the neighbour can be reached, without sending it what anybody takes for real."""


@dataclass(slots=True)
class Delivered:
    """What one round did for one neighbour."""

    sent: int = 0
    failed: int = 0
    dead: int = 0
    error: str = ""


def begin(services: Services, one: Neighbour) -> neighbours.State:
    """Return from where a new neighbour is told: what stands and holds now is not news."""
    with services.node.store.read() as unit:
        holding = events.holding(services, unit, telling.actor_for(services, one), one.events)
        return neighbours.State(looked=events.ends(unit), raised=tuple(sorted(holding)))


def is_due(services: Services, unit: Unit, one: Neighbour) -> bool:
    """Say whether entries are to be looked at for a neighbour, or messages sent."""
    looked = dict(neighbours.state_of(unit, one).looked)
    return events.next_run(unit, looked) is not None or bool(outbox.due(unit, one, services.node.now()))


def look(services: Services, one: Neighbour, *, conditions: bool = True) -> int:
    """Put what is new for a neighbour into its outbox; return how many messages that made.

    Nothing is looked at while too much waits: it is looked at later, and nothing is lost.
    """
    made = 0
    for _ in range(LOOKS_MAX):
        before = made
        made += _entries(services, one)
        if made == before:
            break
    return made + (_conditions(services, one) if conditions else 0)


def _entries(services: Services, one: Neighbour) -> int:
    node = services.node
    made = 0
    with node.store.read() as unit:
        looked = dict(neighbours.state_of(unit, one).looked)
        if _rests(services, one, outbox.count(unit, one, Standing.WAITING)):
            return 0
        run = events.next_run(unit, looked)
    while run is not None:
        with node.store.write() as unit:
            if not neighbours.is_kept(unit, one):
                return 0
            state = neighbours.state_of(unit, one)
            log, start, end = run
            number = state.next
            for event in events.of_run(node, unit, log, start, end, one.office):
                if event.what in one.events and (one.own or event.what is not What.RETRACTED):
                    outbox.put(unit, one, event, number, node.now())
                    number += 1
            looked = {**dict(state.looked), str(log.origin): end}
            kept = msgspec.structs.replace(state, looked=tuple(sorted(looked.items())), next=number)
            neighbours.keep(unit, one, kept)
            made += number - state.next
            run = None if made else events.next_run(unit, looked)
    return made


def _rests(services: Services, one: Neighbour, waiting: int) -> bool:
    """Say whether nothing more is looked at for a neighbour for now."""
    if waiting >= OUTBOX_WAITING_MAX:
        return True
    if one.own:
        return not OF_ENTRIES & set(one.events)
    with services.node.store.read() as unit:
        who = correspondents.by_audience(unit, one.to)
    return who is None or not who.active(services.node.now()) or who.by(Channel.WEBHOOK) is None


def _conditions(services: Services, one: Neighbour) -> int:
    node = services.node
    with node.store.read() as unit:
        state = neighbours.state_of(unit, one)
        if one.own:
            actor = telling.actor_for(services, one)
            now = events.holding(services, unit, actor, one.events)
            new = list(events.changes(state.raised, now, node.now(), one.events))
            if not new and set(now) == set(state.raised):
                return 0
            raised = tuple(sorted(now))
        else:
            who = correspondents.by_audience(unit, one.to)
            told = [kept.event for kept in outbox.of(unit, one, Standing.WAITING)]
            if who is None or any(event.about == telling.OWED for event in told):
                return 0
            if not services.owing.owed(who, Channel.WEBHOOK, limit=1):
                return 0
            new, raised = [Event(What.RETRACTED, node.now(), about=telling.OWED)], ()
    with node.store.write() as unit:
        if not neighbours.is_kept(unit, one):
            return 0
        state = neighbours.state_of(unit, one)
        for number, event in enumerate(new, state.next):
            outbox.put(unit, one, event, number, node.now())
        neighbours.keep(unit, one, msgspec.structs.replace(state, raised=raised, next=state.next + len(new)))
    return len(new)


def deliver(services: Services, one: Neighbour, way: Way, chance: Callable[[], float]) -> Delivered:
    """Send what is due to a neighbour, the oldest first, until it does not answer."""
    done = Delivered()
    node = services.node
    with node.store.read() as unit:
        waiting = outbox.due(unit, one, node.now())
    for kept in waiting:
        error = _deliver(services, one, kept, way, done, chance)
        if isinstance(error, Unreachable):
            break  # it is left alone for a while, and what waits behind is not counted as tried
    return done


def _deliver(
    services: Services, one: Neighbour, kept: Kept, way: Way, done: Delivered, chance: Callable[[], float]
) -> ComityError | None:
    node = services.node
    try:
        told = telling.tell(services, one, kept)
        if told is None:
            with node.store.write() as unit:
                outbox.void(unit, one, kept, "nothing of it may be told any more: nothing was sent", node.now())
            return None
        telling.note(services, one, told)
        node.settle()  # a decision is signed before what it lets go leaves
        said = way.send(told.message)
    except ComityError as error:
        gone = isinstance(error.__cause__, outbox.Gone)
        with node.store.write() as unit:
            after = outbox.failed(unit, one, kept, error, node.now(), chance())
            if gone or outbox.is_full(unit, one):
                neighbours.pause(unit, one)
        done.failed += 1
        done.dead += after.standing is Standing.DEAD
        done.error = error.says()
        if isinstance(error, Fault) or gone:
            return Unreachable(str(error))  # of this machine: what waits behind would meet it, too
        return error
    telling.told(services, one, told)
    with node.store.write() as unit:
        outbox.sent(unit, one, kept, said, node.now())
    done.sent += 1
    return None


def test(services: Services, one: Neighbour) -> Message:
    """Return a message that says of itself that it is a test, and of nothing else."""
    number = int.from_bytes(services.node.entropy(6), "big")
    event = Event(What.TEST, services.node.now())
    made = telling.tell(services, one, Kept(outbox.ident(one, event, -1 - number), -1, event, event.at))
    assert made is not None
    return made.message
