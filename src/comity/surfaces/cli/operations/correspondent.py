"""Correspondents: registered, changed, given credentials; what they were given and are owed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from comity.errors import Misuse
from comity.node import constituents, correspondents, credentials, deliveries, submissions
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent, channel_of
from comity.node.credentials import Credential
from comity.node.mail.ports import Way
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, one_of
from comity.surfaces.cli.verbs import Ask, Done, Nothing
from comity.surfaces.cli.verbs import correspondent as verbs
from comity.vocab import Channel, Tlp

OWED_SHOWN: Final = 50  # of each channel
CARRIED: Final = frozenset(
    {Channel.TAXII, Channel.MISP, Channel.MAIL, Channel.FEED, Channel.FILE, Channel.WEBHOOK}
)  # the others are kept for when a surface speaks them
GUARDED: Final = frozenset({Channel.TAXII, Channel.MISP})  # channels at which a credential is asked for


def _actor(desk: Desk, ask: Ask) -> Actor:
    with desk.services.node.store.read() as unit:
        return actor_of(desk, unit, ask)


def add(desk: Desk, ask: verbs.Add) -> Done:
    """Register an organisation or person without a node under the actor's office."""
    node, actor = desk.services.node, _actor(desk, ask)
    ceiling = one_of(Tlp, ask.ceiling, what="a TLP label").value
    one = Correspondent(
        str(actor.office),
        ask.name,
        ask.jurisdiction,
        ceiling,
        client=ask.client,
        individual=ask.individual,
        communities=tuple(sorted(ask.communities)),
        terms=ask.terms,
        title=ask.title,
        until=ask.until,
        waits=ask.waits,
    )
    with node.store.read() as unit:
        if correspondents.by_audience(unit, one.audience) is not None:
            raise Misuse(
                f"{one.audience} is registered already", hint="`comity party correspondent change` changes its record"
            )
    name = correspondents.register(node, actor, one)
    return Done(f"{name} is registered up to TLP:{ceiling}", str(actor))


def list_(desk: Desk, ask: Nothing) -> verbs.CorrespondentsShown:
    """Return the correspondents of the asking office."""
    with desk.services.node.store.read() as unit:
        found = correspondents.correspondents(unit, actor_of(desk, unit, ask))
    return verbs.CorrespondentsShown(tuple(_shown(one, desk.services.node.now()) for one in found))


def show(desk: Desk, ask: verbs.Named) -> verbs.Whole:
    """Return one correspondent with its credentials, receipts and what it is owed."""
    services, now = desk.services, desk.services.node.now()
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        one = correspondents.get(unit, actor, ask.name)
        logins = credentials.credentials(unit, actor, ask.name)
        given = deliveries.deliveries(unit, one.audience)
        waiting = sum(each.audience == one.audience for each in submissions.inbox(unit, actor))
    owed: list[verbs.OwedShown] = []
    more = False
    for channel in sorted({each.channel for each in given}):
        found = services.owing.owed(one, channel, limit=OWED_SHOWN + 1)
        more = more or len(found) > OWED_SHOWN
        owed += [
            verbs.OwedShown(channel.value, each.statement, each.id, each.what, each.reason)
            for each in found[:OWED_SHOWN]
        ]
    return verbs.Whole(
        _shown(one, now),
        tuple(_login_shown(each, now) for each in logins),
        tuple(_delivery_shown(each) for each in given),
        tuple(owed),
        waiting,
        more,
    )


def change(desk: Desk, ask: verbs.Change) -> Done:
    """Change what is on record of a correspondent."""
    node, actor = desk.services.node, _actor(desk, ask)
    fields = ("title", "jurisdiction", "ceiling", "client", "communities", "until", "waits", "identities")
    changes: dict[str, Any] = {name: said for name in fields if (said := getattr(ask, name)) is not None}
    if not changes:
        raise Misuse("nothing is changed", hint="say what: --ceiling, --title, --until …")
    if "ceiling" in changes:
        changes["ceiling"] = one_of(Tlp, changes["ceiling"], what="a TLP label").value
    one = correspondents.change(node, actor, ask.name, **changes)
    return Done(f"{one.audience}: {', '.join(changes)} changed", str(actor))


def accept(desk: Desk, ask: verbs.Accept) -> Done:
    """Put on record that this text of terms was accepted."""
    actor = _actor(desk, ask)
    one = correspondents.accept_terms(
        desk.services.node, actor, ask.name, ask.text.encode(), ask.accepted_by, ask.called
    )
    digest = one.accepted.digest if one.accepted else ""
    return Done(f"{one.audience} accepted the terms {digest}", str(actor))


def allow(desk: Desk, ask: verbs.Allow) -> Done:
    """Allow a channel, or change its settings."""
    actor = _actor(desk, ask)
    channel = channel_of(ask.channel)
    given = Allowed(channel, ask.send, ask.addresses, ask.pgp, ask.smime)
    if channel is not Channel.MAIL and (ask.addresses or ask.pgp or ask.smime):
        raise Misuse("addresses and certificates belong to mail", hint="`allow NAME mail --address …`")
    told = [_known_by(desk, way, data) for way, data in ((Way.PGP, ask.pgp), (Way.SMIME, ask.smime)) if data]
    one = correspondents.allow(desk.services.node, actor, ask.name, given)
    later = "" if channel in CARRIED else f"; nothing goes or comes by {channel.value} in this version yet"
    keys = f"; known by {'; '.join(told)}: compare that with it by another way" if told else ""
    what = f"{one.audience} may use {channel.value}{' and send by it' if ask.send else ''}{keys}{later}"
    return Done(what, str(actor))


def _known_by(desk: Desk, way: Way, data: bytes) -> str:
    """Return by what a certificate is known. Raises `Malformed`, `Misuse` for one that serves nobody."""
    described = desk.mail.locks.describe(way, data)
    now = desk.services.node.now()
    if described.wrong or (described.expires is not None and described.expires <= now):
        what = described.wrong or "has expired"
        raise Misuse(f"the {way} certificate {described.fingerprint} {what}", hint="ask for the one in use")
    until = ""
    if described.expires is not None:
        until = f", until {datetime.fromtimestamp(described.expires, UTC):%Y-%m-%d}"
    return f"{way} {described.fingerprint}{until}"


def forbid(desk: Desk, ask: verbs.Forbid) -> Done:
    """Take a channel away."""
    actor = _actor(desk, ask)
    one = correspondents.forbid(desk.services.node, actor, ask.name, channel_of(ask.channel))
    return Done(f"{one.audience} may not use {ask.channel} any more", str(actor))


def move(desk: Desk, ask: verbs.Move) -> Done:
    """Suspend, resume or end a correspondent."""
    actor = _actor(desk, ask)
    one = correspondents.move(desk.services.node, actor, ask.name, ask.state, ask.reason)
    return Done(f"{one.audience} is {one.state}", str(actor))


def source(desk: Desk, ask: verbs.Source) -> Done:
    """Say how what a correspondent sends is marked by default, and how reliable it is."""
    actor = _actor(desk, ask)
    marking = marking_of(ask.marking) if ask.marking is not None else None
    made = submissions.put_source(desk.services.node, actor, ask.name, marking, ask.reliability)
    label = f"TLP:{made.marking.tlp.value}" if made.marking else "no marking: what comes unmarked stays at home"
    reliable = f", reliability {made.reliability}" if made.reliability else ""
    return Done(f"{made.name}: {label}{reliable}", str(actor))


def promote(desk: Desk, ask: verbs.Promote) -> Done:
    """Put on record that a correspondent is now a party."""
    actor = _actor(desk, ask)
    one = correspondents.promote(desk.services.node, actor, ask.name, ask.party)
    return Done(f"{one.audience} is {one.party} now; its channels stay until it is ended", str(actor))


# -- credentials --------------------------------------------------------------------


def login(desk: Desk, ask: verbs.Login) -> verbs.LoginMade:
    """Make a credential."""
    node, actor = desk.services.node, _actor(desk, ask)
    spki = credentials.spki_digest(ask.certificate) if ask.certificate else ask.spki
    channel = channel_of(ask.channel)
    made = credentials.create(node, actor, ask.name, channel, ask.form, days=ask.days, spki=spki)
    return verbs.LoginMade(_login_shown(made.credential, node.now()), made.secret, channel in GUARDED)


def logins(desk: Desk, ask: verbs.Named) -> verbs.LoginsShown:
    """Return a correspondent's credentials."""
    node = desk.services.node
    with node.store.read() as unit:
        found = credentials.credentials(unit, actor_of(desk, unit, ask), ask.name)
    return verbs.LoginsShown(tuple(_login_shown(one, node.now()) for one in found))


def end_login(desk: Desk, ask: verbs.EndLogin) -> verbs.LoginShown:
    """End a credential."""
    node, actor = desk.services.node, _actor(desk, ask)
    return _login_shown(credentials.revoke(node, actor, ask.name, ask.id), node.now())


# -- tables -------------------------------------------------------------------------


def import_(desk: Desk, ask: verbs.Table) -> verbs.LinesShown:
    """Register or change the correspondents of a table."""
    actor = _actor(desk, ask)
    found = constituents.bring_in(desk.services.node, actor, list(constituents.parse(ask.text)), dry=ask.dry)
    return verbs.LinesShown(tuple(verbs.LineShown(*one) for one in found))


def export(desk: Desk, ask: Nothing) -> verbs.TableShown:
    """Return the office's correspondents as a table."""
    with desk.services.node.store.read() as unit:
        found = correspondents.correspondents(unit, actor_of(desk, unit, ask))
    return verbs.TableShown(constituents.write(found))


# -- shown --------------------------------------------------------------------------


def _shown(one: Correspondent, now: int) -> verbs.CorrespondentShown:
    accepted = one.accepted
    past = one.state == correspondents.ACTIVE and not one.active(now)
    return verbs.CorrespondentShown(
        audience=one.audience,
        jurisdiction=one.jurisdiction,
        ceiling=one.ceiling,
        client=one.client,
        communities=one.communities,
        terms=one.terms,
        title=one.title,
        individual=one.individual,
        state="past its terms" if past else one.state,
        until=one.until,
        accepted=accepted.digest if accepted else "",
        accepted_by=accepted.who if accepted else "",
        accepted_at=accepted.at if accepted else 0,
        waits=one.waits,
        channels=tuple(
            verbs.ChannelShown(
                each.channel.value,
                each.send,
                each.addresses,
                tuple(name for name, data in (("pgp", each.pgp), ("smime", each.smime)) if data),
                each.channel in CARRIED,
            )
            for each in one.channels
        ),
        party=one.party,
    )


def _login_shown(one: Credential, now: int) -> verbs.LoginShown:
    return verbs.LoginShown(
        id=one.id,
        channel=one.channel.value,
        form=one.form,
        user=one.user if one.form == credentials.BASIC else "",
        created=one.created,
        expires=one.expires,
        used=one.used,
        revoked=one.revoked,
        holds=one.holds(now),
        roams=one.roams,
        networks=tuple(verbs.NetworkShown(each.network, each.first, each.last) for each in one.networks),
        by=one.by,
    )


def _delivery_shown(one: deliveries.Delivered) -> verbs.DeliveryShown:
    entries = sum(end - start for start, end in one.runs)
    return verbs.DeliveryShown(one.channel.value, one.grade.value, one.origin, entries, one.runs, one.first, one.last)


OPERATIONS: Final = (
    Operation(verbs.ADD, add),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.CHANGE, change),
    Operation(verbs.ACCEPT, accept),
    Operation(verbs.ALLOW, allow),
    Operation(verbs.FORBID, forbid),
    Operation(verbs.MOVE, move),
    Operation(verbs.SOURCE, source),
    Operation(verbs.PROMOTE, promote),
    Operation(verbs.LOGIN, login),
    Operation(verbs.LOGINS, logins),
    Operation(verbs.END_LOGIN, end_login),
    Operation(verbs.IMPORT, import_),
    Operation(verbs.EXPORT, export),
)
