"""The outbox: messages that are to go, each in exactly one state, and what became of those that went.

Rules: what is kept is the request, not the message: what may go is decided when it is queued, so that who asks learns
it, and again whenever it is sent. What a server will not take now is tried again, ever more rarely, up to
MAIL_GIVE_UP_SECONDS. A bounce is believed of a message that went, by its id, which nobody can guess. No state is
another party's word but `acknowledged`, and that is graded as receipts are: never shown as witnessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import Conflict, NotFound
from comity.formats.mail.bounces import Notice
from comity.limits import (
    LETTER_DAYS,
    LETTER_NOTES_MAX,
    MAIL_GIVE_UP_SECONDS,
    MAIL_OUT_QUEUED_MAX,
    MAIL_RETRY_SECONDS,
    MAIL_RETRY_SECONDS_MAX,
)
from comity.node import books, deliveries
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.deliveries import Grade
from comity.node.mail import threads
from comity.node.mail.letters import Letter
from comity.node.node import Node
from comity.node.ports import Unit
from comity.vocab import Channel

QUEUE: Final = "mail-out"  # shelf: `<office> <id>` -> `Outgoing` that is to go
GONE: Final = "mail-gone"  # shelf: `<office> <id>` -> `Outgoing` that went, or will not
KIND: Final = "home.mail"
ID_BYTES: Final = 8
DOUBLINGS_MAX: Final = 12
DAY: Final = 86_400


class State(StrEnum):
    """Where a message is. One at a time."""

    QUEUED = "queued"  # it is to go
    DEFERRED = "deferred"  # a server asks to wait: ours, and it is tried again; or theirs, which goes on trying
    SENT = "sent"  # our mail server took it
    BOUNCED = "bounced"  # a server on the way sent it back
    FAILED = "failed"  # it will not go: what our server or a rule said
    ACKNOWLEDGED = "acknowledged"  # whom it was for answered it


class Sort(StrEnum):
    """What a message is."""

    ALERT = "alert"  # objects that were released, sent at once
    ANSWER = "answer"  # to a letter
    DIGEST = "digest"  # what became visible since the last one
    TAKEN_BACK = "taken-back"  # what was given and holds no more, or only more narrowly


class Outgoing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One message to one correspondent, as it was asked for; and what became of it."""

    id: str
    office: str
    account: str
    to: str  # audience
    sort: Sort
    about: str
    text: str
    tlp: str  # label of the text
    ident: str  # Message-ID
    ticket: str
    at: Instant
    by: str
    places: tuple[tuple[int, int], ...] = ()  # runs of positions as (first, count)
    letter: str = ""  # that it answers
    state: State = State.QUEUED
    due: Instant = 0
    attempts: int = 0
    why: str = ""
    sent: Instant = 0
    label: str = ""  # under which it went
    protected: str = ""  # pgp, smime, signed, plain; `notice` where its content did not go
    signer: str = ""  # fingerprint of the key it was encrypted for
    went: tuple[tuple[int, int], ...] = ()  # runs of positions of the objects that it carried
    withheld: int = 0
    addresses: tuple[str, ...] = ()  # that took it
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return where it is kept."""
        return f"{self.office} {self.id}"

    @property
    def objects(self) -> int:
        """Return how many objects it carried."""
        return sum(count for _, count in self.went)

    @property
    def is_over(self) -> bool:
        """Say whether it is not to be sent any more."""
        return self.state not in {State.QUEUED, State.DEFERRED} or bool(self.sent)


def queue(node: Node, unit: Unit, actor: Actor, one: Outgoing) -> Outgoing:
    """Put a message into the queue, on record. Raises `Conflict` where too many wait."""
    if len(unit.documents.all(QUEUE, f"{one.office} ")) >= MAIL_OUT_QUEUED_MAX:
        raise Conflict(f"{MAIL_OUT_QUEUED_MAX} messages wait to go (MAIL_OUT_QUEUED_MAX)", hint="`comity mail outbox`")
    unit.documents.put(QUEUE, one.key, msgspec.json.encode(one))
    record(node, unit, one, "queued", actor.user)
    return one


def record(node: Node, unit: Unit, one: Outgoing, what: str, by: str) -> None:
    """Put on the home log what was done with a message; its text is not there: an erasure could not reach it."""
    body: dict[str, object] = {"id": one.id, "account": one.account, "to": one.to, "sort": one.sort.value}
    body |= {"what": what, "by": by}
    body |= {"state": one.state.value, "label": one.label or one.tlp, "protected": one.protected, "why": one.why}
    body |= {"objects": one.objects, "withheld": one.withheld, "ticket": one.ticket}
    books.record(node, unit, OfficeId(one.office), KIND, body)


def queued(unit: Unit, office: str) -> list[Outgoing]:
    """Return what is to go, the longest due first."""
    found = [msgspec.json.decode(data, type=Outgoing) for _, data in unit.documents.all(QUEUE, f"{office} ")]
    return sorted(found, key=lambda one: (one.due, one.at, one.id))


def gone(unit: Unit, office: str) -> list[Outgoing]:
    """Return what went or will not, the oldest first."""
    found = [msgspec.json.decode(data, type=Outgoing) for _, data in unit.documents.all(GONE, f"{office} ")]
    return sorted(found, key=lambda one: (one.at, one.id))


def get(unit: Unit, office: str, ident: str) -> Outgoing:
    """Return a message by id. Raises `NotFound`."""
    for shelf in (QUEUE, GONE):
        data = unit.documents.get(shelf, f"{office} {ident}")
        if data is not None:
            return msgspec.json.decode(data, type=Outgoing)
    raise NotFound(f"no message is called {ident!r}", hint="`comity mail outbox --all` names them")


def put(unit: Unit, one: Outgoing) -> Outgoing:
    """Keep what became of a message."""
    unit.documents.delete(GONE if not one.is_over else QUEUE, one.key)
    unit.documents.put(GONE if one.is_over else QUEUE, one.key, msgspec.json.encode(one))
    return one


def put_off(one: Outgoing, now: Instant, why: str) -> Outgoing:
    """Return a message that is to be tried again later, or has failed where it was tried for long enough."""
    attempts = one.attempts + 1
    if now - one.at >= MAIL_GIVE_UP_SECONDS:
        why = f"given up after {attempts} attempts: {why}"
        return msgspec.structs.replace(one, state=State.FAILED, attempts=attempts, why=why)
    wait = min(MAIL_RETRY_SECONDS * 2 ** min(one.attempts, DOUBLINGS_MAX), MAIL_RETRY_SECONDS_MAX)
    return msgspec.structs.replace(one, state=State.DEFERRED, attempts=attempts, due=now + wait, why=why)


def again(node: Node, actor: Actor, ident: str) -> Outgoing:
    """Queue a message anew that failed, bounced or went as a notice only. Raises `Conflict` where it went whole."""
    with node.writing() as unit:
        one = get(unit, actor.office_id, ident)
        if one.state in {State.SENT, State.ACKNOWLEDGED} and one.protected != "notice":
            raise Conflict(f"{ident} is {one.state}", hint="a new message says more: `comity mail send`")
        fresh = msgspec.structs.replace(
            one,
            state=State.QUEUED,
            due=0,
            attempts=0,
            sent=0,
            at=node.now(),
            why="",
            protected="",
            by=actor.user,
        )
        put(unit, fresh)
        record(node, unit, fresh, "queued again", actor.user)
        return fresh


def cancel(node: Node, actor: Actor, ident: str, reason: str) -> Outgoing:
    """Take a message out of the queue. Raises `NotFound`, `Conflict` where it went."""
    with node.writing() as unit:
        one = get(unit, actor.office_id, ident)
        if one.is_over:
            raise Conflict(f"{ident} is {one.state} already")
        one = msgspec.structs.replace(one, state=State.FAILED, why=f"taken back by {actor.user}: {reason}")
        put(unit, one)
        record(node, unit, one, "cancelled", actor.user)
        return one


# -- what comes back ------------------------------------------------------------------


def bounced(node: Node, unit: Unit, office: str, ident: str, notice: Notice) -> str:
    """Note what a notification says of a message that went; return that in words."""
    try:
        one = get(unit, office, ident)
    except NotFound:
        return "a notification about a message that is not kept any more"
    failed = [each for each in notice.bounces if each.action == "failed"]
    delayed = [each for each in notice.bounces if each.action == "delayed"]
    told = "; ".join(f"{each.recipient}: {each.status} {each.reason}".strip() for each in failed or delayed)[:500]
    if failed and one.state in {State.SENT, State.DEFERRED}:
        one = put(unit, msgspec.structs.replace(one, state=State.BOUNCED, why=told))
        record(node, unit, one, "bounced", "mail")
        return f"{ident} bounced: {told}"
    if delayed and one.state is State.SENT:
        put(unit, msgspec.structs.replace(one, state=State.DEFERRED, why=f"on its way, and tried again: {told}"))
        return f"{ident} is on its way, and tried again: {told}"
    return f"of {ident}, which is {one.state}: {told or 'no failure'}"


def remark(unit: Unit, office: str, ident: str, what: str) -> None:
    """Note something beside a message's state."""
    try:
        one = get(unit, office, ident)
    except NotFound:
        return
    if what not in one.notes and len(one.notes) < LETTER_NOTES_MAX:
        put(unit, msgspec.structs.replace(one, notes=(*one.notes, what)))


def acknowledged(node: Node, unit: Unit, letter: Letter, who: Correspondent) -> None:
    """Note that a correspondent answered messages: its letter names them, so it had them."""
    for ident in letter.references:
        said = threads.said_of(unit, letter.office, ident)
        if said is None or not said.message:
            continue
        try:
            one = get(unit, letter.office, said.message)
        except NotFound:
            continue
        if one.to == who.audience and one.sent and one.state is not State.ACKNOWLEDGED:
            one = put(unit, msgspec.structs.replace(one, state=State.ACKNOWLEDGED, why=f"letter {letter.id}"))
            record(node, unit, one, "acknowledged", "mail")
            if one.protected != "notice":
                went = positions(one.went)
                deliveries.graded(node, unit, who.audience, Channel.MAIL, Grade.ACKNOWLEDGED, went)


def forget_old(node: Node, unit: Unit, office: str) -> int:
    """Forget messages that are over for more than LETTER_DAYS; return how many. What was given stays on record."""
    old = [one for one in gone(unit, office) if one.at + LETTER_DAYS * DAY < node.now()]
    for one in old:
        unit.documents.delete(GONE, one.key)
        unit.documents.delete(threads.IDENTS, f"{office} {one.ident}")
    return len(old)


def troubles(node: Node, unit: Unit) -> list[tuple[str, str]]:
    """Return what did not go in the last seven days, by office and without naming for whom it was."""
    counts: dict[tuple[str, str], int] = {}
    for _, data in unit.documents.all(GONE):
        one = msgspec.json.decode(data, type=Outgoing)
        recent = max(one.at, one.sent) + 7 * DAY > node.now()
        what = one.state.value if one.state in {State.FAILED, State.BOUNCED} else ""
        what = what or ("sent as a notice only, for want of a valid key" if one.protected == "notice" else "")
        if recent and what:
            counts[one.office, what] = counts.get((one.office, what), 0) + 1
    return [
        (f"{count} messages of {office} in the last week: {what}", "`comity mail outbox --all`")
        for (office, what), count in sorted(counts.items())
    ]


def positions(some: Sequence[tuple[int, int]]) -> list[int]:
    """Return the positions of runs."""
    return [at for first, count in some for at in range(first, first + count)]


def runs_of(places: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return positions as (first, count), ascending."""
    found: list[tuple[int, int]] = []
    for at in sorted(set(places)):
        if found and found[-1][0] + found[-1][1] == at:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((at, 1))
    return tuple(found)
