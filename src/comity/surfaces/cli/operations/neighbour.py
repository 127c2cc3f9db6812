"""Adding, testing, telling, replaying, resting and forgetting the neighbours that are told what happens."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from comity.canon import OfficeId
from comity.errors import ComityError, Malformed, Misuse
from comity.formats.telling import standard, syslog
from comity.http import tls
from comity.node import delivering, neighbours, outbox
from comity.node import tickets as kept_tickets
from comity.node.events import What
from comity.node.neighbours import FIELDS, FORMS, Kind, Neighbour
from comity.node.outbox import Kept, Standing
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import one_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import neighbour as verbs
from comity.vocab import Purpose, Tlp

USUAL: Final = (What.RECEIVED, What.RETRACTED, What.ASKED, What.ANSWERED, What.FORKED)
OUTSIDE: Final = (What.RECEIVED, What.COLLECTED)


def add(desk: Desk, ask: verbs.Add) -> verbs.Added:
    """Add a neighbour, or change one; its secret stays where none is asked for."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        known = {one.name: one for one in neighbours.every(unit, actor.office_id)}.get(ask.name)
    wanted = _wanted(ask, actor.office_id)
    if ask.certificate:
        tls.pin_of(ask.certificate)
    made = standard.made(node.entropy(standard.SECRET_BYTES)) if ask.sign else ""
    secret = f"{actor.office_id}-{ask.name}.webhook" if made else known.secret if known is not None else ""
    wanted = msgspec.structs.replace(wanted, secret=secret if wanted.kind is Kind.WEBHOOK else "")
    begun = delivering.begin(desk.services, wanted)
    with node.writing() as unit:
        kept = neighbours.add(node, unit, actor, wanted, begun)
        if made:
            desk.keep_secret(secret, made)
        return verbs.Added(_shown(unit, kept), made)


def _wanted(ask: verbs.Add, office: OfficeId) -> Neighbour:
    kind = one_of(Kind, ask.kind, what="a kind of neighbour")
    own = ask.to == neighbours.OWN
    usual = USUAL if own else OUTSIDE
    events = tuple(dict.fromkeys(one_of(What, word, what="an event") for word in ask.events)) or usual
    if not own and (wrong := [event.value for event in events if event not in OUTSIDE and event is not What.RETRACTED]):
        hint = "received and collected; what is taken back is told in any case"
        raise Misuse(f"nobody outside is told of {wrong[0]!r}", hint=hint)
    if What.TEST in events:
        raise Misuse("a test is sent when it is asked for", hint="`comity neighbour test`")
    if ask.facility not in syslog.FACILITIES:
        raise Misuse(f"there is no facility {ask.facility!r}", hint=f"one of {', '.join(syslog.FACILITIES)}")
    if ask.sign and kind is not Kind.WEBHOOK:
        raise Misuse(f"a {kind} is not signed", hint="webhooks are; syslog goes by TLS")
    return Neighbour(
        name=ask.name,
        office=office,
        kind=kind,
        form=ask.form or FORMS[kind][0],
        address=ask.address,
        to=ask.to,
        ceiling=one_of(Tlp, ask.ceiling, what="a TLP label"),
        events=events,
        fields=ask.fields or FIELDS,
        purpose=one_of(Purpose, ask.purpose, what="a purpose"),
        login=ask.login,
        certificate=ask.certificate,
        link=ask.link,
        facility=syslog.FACILITIES[ask.facility],
        settings=tuple(sorted(dict(ask.settings).items())),
        plain=ask.plain,
    )


def list_(desk: Desk, ask: Nothing) -> verbs.NeighboursShown:
    """Return the neighbours of the asking office, and how each does."""
    with desk.services.node.store.read() as unit:
        office = actor_of(desk, unit, ask).office_id
        return verbs.NeighboursShown(tuple(_shown(unit, one) for one in neighbours.every(unit, office)))


def _named(desk: Desk, unit: Unit, ask: verbs.Named | verbs.Messages | verbs.Message | verbs.Enable) -> Neighbour:
    return neighbours.named(unit, actor_of(desk, unit, ask), ask.name)


def show(desk: Desk, ask: verbs.Named) -> verbs.NeighbourShown:
    """Return a neighbour of the asking office."""
    with desk.services.node.store.read() as unit:
        return _shown(unit, _named(desk, unit, ask))


def messages(desk: Desk, ask: verbs.Messages) -> verbs.MessagesShown:
    """Return the messages of a neighbour, the newest first."""
    standings = [one_of(Standing, ask.standing, what="a state of messages")] if ask.standing else list(Standing)
    with desk.services.node.store.read() as unit:
        one = _named(desk, unit, ask)
        found = [kept for standing in standings for kept in outbox.of(unit, one, standing)]
    return verbs.MessagesShown(tuple(_message(kept) for kept in sorted(found, key=lambda kept: -kept.number)))


def message(desk: Desk, ask: verbs.Message) -> verbs.MessageShown:
    """Return one message of a neighbour."""
    with desk.services.node.store.read() as unit:
        return _message(outbox.find(unit, _named(desk, unit, ask), ask.id))


def test(desk: Desk, ask: verbs.Named) -> verbs.ToldShown:
    """Send a neighbour a message that says of itself that it is a test."""
    node = desk.services.node
    with node.store.read() as unit:
        one = _named(desk, unit, ask)
    said, code = "", 0
    try:
        said = desk.way(one).send(delivering.test(desk.services, one))
    except ComityError as error:
        said, code = error.says(), error.exit_code
    with node.store.read() as unit:
        return verbs.ToldShown(_shown(unit, one), 0 if code else 1, 1 if code else 0, 0, said, code)


def send(desk: Desk, ask: verbs.Named) -> verbs.ToldShown:
    """Look what is new for a neighbour and send what is due."""
    node = desk.services.node
    with node.store.read() as unit:
        one = _named(desk, unit, ask)
    if not one.enabled:
        raise Misuse(f"{one.name} is paused", hint=f"`comity neighbour resume {one.name}`")
    done = desk.told(one)
    with node.store.read() as unit:
        shown = _shown(unit, neighbours.named(unit, actor_of(desk, unit, ask), ask.name))
    code = Malformed.exit_code if done.failed and not done.sent else 0
    return verbs.ToldShown(shown, done.sent, done.failed, done.dead, done.error, code)


def tickets(desk: Desk, ask: verbs.Named) -> verbs.TicketsShown:
    """Return the tickets of a neighbour, the newest first."""
    with desk.services.node.store.read() as unit:
        found = kept_tickets.of(unit, _named(desk, unit, ask))
    return verbs.TicketsShown(
        tuple(
            verbs.TicketShown(one.subject, one.reference, one.id, one.url, one.opened, len(one.told)) for one in found
        )
    )


def replay(desk: Desk, ask: verbs.Message) -> verbs.Replayed:
    """Have messages sent again: those that were given up, or one by its id."""
    with desk.services.node.store.write() as unit:
        return verbs.Replayed(outbox.replay(unit, _named(desk, unit, ask), ask.id))


def enable(desk: Desk, ask: verbs.Enable) -> verbs.NeighbourShown:
    """Let a neighbour rest, or tell it again."""
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        return _shown(unit, neighbours.enable(node, unit, actor, _named(desk, unit, ask), enabled=ask.enabled))


def renew(desk: Desk, ask: verbs.Named) -> verbs.Added:
    """Make a new secret; the one in use signs, too, until it is renewed again."""
    node = desk.services.node
    with node.store.read() as unit:
        one = _named(desk, unit, ask)
        shown = _shown(unit, one)
    if not one.secret:
        raise Misuse(f"messages to {one.name} are not signed", hint="`comity neighbour add … --sign`")
    made = standard.made(node.entropy(standard.SECRET_BYTES))
    desk.keep_secret(one.secret, made)
    return verbs.Added(shown, made)


def remove(desk: Desk, ask: verbs.Named) -> verbs.NeighbourShown:
    """Forget a neighbour with its messages; what it was told is on record where it left this organisation."""
    node = desk.services.node
    with node.writing() as unit:
        one = _named(desk, unit, ask)
        shown = _shown(unit, one)
        neighbours.forget(node, unit, actor_of(desk, unit, ask), one)
        outbox.forget(unit, one)
        kept_tickets.forget(unit, one)
        return shown


def _shown(unit: Unit, one: Neighbour) -> verbs.NeighbourShown:
    state = neighbours.state_of(unit, one)
    return verbs.NeighbourShown(
        name=one.name,
        office=one.office,
        kind=one.kind.value,
        form=one.form,
        address=_host(one.address),
        to=one.to,
        ceiling=one.ceiling.label,
        events=tuple(event.value for event in one.events),
        fields=one.fields,
        purpose=one.purpose.value,
        login=one.login,
        signed=bool(one.secret),
        link=one.link,
        enabled=one.enabled,
        waiting=outbox.count(unit, one, Standing.WAITING),
        sent=state.sent,
        dead=outbox.count(unit, one, Standing.DEAD),
        attempt=state.attempt,
        success=state.success,
        due=state.due,
        failures=state.failures,
        error=state.error,
        whose=state.whose,
    )


def _host(address: str) -> str:
    """Return an address without what may be a secret in it."""
    if address.startswith("unix:"):
        return address
    parts = urlsplit(address)
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{hidden}"


def _message(kept: Kept) -> verbs.MessageShown:
    event = kept.event
    about = [f"{event.origin}#{start}" if end == start + 1 else f"{event.origin}#{start}-{end - 1}"
             for start, end in event.runs]  # fmt: skip
    return verbs.MessageShown(
        id=kept.id,
        event=event.what.value,
        at=event.at,
        about=tuple(about) or ((event.about,) if event.about else ()),
        standing=kept.standing.value,
        attempts=kept.attempts,
        due=kept.due,
        ended=kept.ended,
        said=kept.said,
        whose=kept.whose,
    )


OPERATIONS: Final = (
    Operation(verbs.ADD, add),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.MESSAGES, messages),
    Operation(verbs.MESSAGE, message),
    Operation(verbs.TEST, test),
    Operation(verbs.SEND, send),
    Operation(verbs.REPLAY, replay),
    Operation(verbs.ENABLE, enable),
    Operation(verbs.RENEW, renew),
    Operation(verbs.REMOVE, remove),
    Operation(verbs.TICKETS, tickets),
)
