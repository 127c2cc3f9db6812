"""Mail: accounts set up and tried, letters looked at and settled, messages queued and sent."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.errors import ComityError, Misuse, NotFound, Theirs
from comity.formats.mail import tickets
from comity.node import correspondents
from comity.node.actor import Actor
from comity.node.mail import accounts, letters, outbox, telling
from comity.node.mail.accounts import Account, Server
from comity.node.mail.letters import Letter
from comity.node.mail.outbox import Outgoing, Sort
from comity.node.mail.ports import Described, Way
from comity.node.mail.sending import Wanted
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import chosen, indexed, one_of
from comity.surfaces.cli.verbs import Ask, Done, Nothing
from comity.surfaces.cli.verbs import mail as verbs
from comity.vocab import Channel, Tlp


def _actor(desk: Desk, ask: Ask) -> Actor:
    with desk.services.node.store.read() as unit:
        return actor_of(desk, unit, ask)


def _account(desk: Desk, ask: Ask, name: str) -> tuple[Actor, Account]:
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        return actor, accounts.named(unit, actor, name)


# -- accounts ------------------------------------------------------------------------


def setup(desk: Desk, ask: verbs.Setup) -> verbs.AccountShown:
    """Set up an account, or change it; its OpenPGP key is made where there is none."""
    node, actor = desk.services.node, _actor(desk, ask)
    account = Account(
        name=ask.name,
        office=actor.office_id,
        address=ask.address,
        smtp=_server(ask.smtp),
        imap=_server(ask.imap) if ask.imap is not None else None,
        folder=ask.folder,
        display=ask.display,
        prefix=ask.prefix,
        link=ask.link,
        every=ask.every,
        enabled=ask.enabled,
    )
    accounts.check(account)
    desk.mail.make_key(account)  # before it is registered: it is registered with a key or not at all
    accounts.register(node, actor, account)
    with node.store.read() as unit:
        return _shown(desk, unit, account)


def _server(said: verbs.ServerSaid) -> Server:
    return Server(said.host, said.port, said.security, said.login, said.certificate)


def remove(desk: Desk, ask: verbs.Named) -> Done:
    """Forget an account."""
    actor = _actor(desk, ask)
    if not ask.account:
        raise Misuse("say which account")
    known = accounts.remove(desk.services.node, actor, ask.account)
    return Done(f"{known.name} is forgotten; letters and messages stay, and its keys in `keys`", str(actor))


def show(desk: Desk, ask: verbs.Named) -> verbs.AccountsShown:
    """Return the accounts of the asking office, and how each does."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        known = accounts.accounts(unit, actor.office_id)
        found = [accounts.named(unit, actor, ask.account)] if ask.account else known
        return verbs.AccountsShown(tuple(_shown(desk, unit, one) for one in found))


def key(desk: Desk, ask: verbs.Key) -> verbs.AccountShown:
    """Show an account's keys, or import one."""
    _, account = _account(desk, ask, ask.account)
    if ask.data:
        desk.mail.import_key(account, one_of(Way, ask.way, what="a way of protecting mail"), ask.data)
    with desk.services.node.store.read() as unit:
        return _shown(desk, unit, account, certificates=True)


def keys(desk: Desk, ask: Nothing) -> verbs.KeysShown:
    """Return the keys of the office's correspondents that have mail: what each says, and what is wrong with it."""
    with desk.services.node.store.read() as unit:
        people = correspondents.correspondents(unit, actor_of(desk, unit, ask))
    found: list[verbs.KeyOf] = []
    for who in people:
        allowed = who.by(Channel.MAIL)
        if allowed is None:
            continue
        known = [(way, data) for way, data in ((Way.PGP, allowed.pgp), (Way.SMIME, allowed.smime)) if data]
        for way, data in known:
            found.append(verbs.KeyOf(who.audience, _described(desk, way, data)))
        if not known:
            nothing = verbs.KeyShown("", "", allowed.addresses, 0, "no key is registered")
            found.append(verbs.KeyOf(who.audience, nothing))
    return verbs.KeysShown(tuple(found))


def _described(desk: Desk, way: Way, data: bytes) -> verbs.KeyShown:
    try:
        described = desk.mail.locks.describe(way, data)
    except ComityError as error:
        return verbs.KeyShown(way.value, "", (), 0, str(error))
    shown = _key_shown(way, described)
    if shown.expires and shown.expires <= desk.services.node.now():
        return msgspec.structs.replace(shown, wrong="has expired")
    return shown


def check(desk: Desk, ask: verbs.Named) -> verbs.CheckedShown:
    """Try an account's logins and look at its keys, and at those of correspondents."""
    actor, account = _account(desk, ask, ask.account)
    wrong = [*desk.mail.check(account), *desk.mail.correspondents_keys(actor.office_id)]
    return verbs.CheckedShown(account.name, tuple((one.grave, one.what, one.advice) for one in wrong))


def fetch(desk: Desk, ask: verbs.Named) -> verbs.FetchedShown:
    """Fetch what is new now."""
    _, account = _account(desk, ask, ask.account)
    done = desk.mail.fetch(account)
    return verbs.FetchedShown(
        account=account.name,
        came=done.came,
        known=done.known,
        left=done.left,
        more=done.more,
        states=done.states,
        sorts=done.sorts,
        error=done.health.error,
        whose=done.health.whose,
        exit_code=done.error.exit_code if done.error is not None else 0,
    )


def flush(desk: Desk, ask: verbs.Named) -> verbs.SentShown:
    """Queue what goes by itself, and send what is due now."""
    actor, account = _account(desk, ask, ask.account)
    desk.mail.telling.round(actor.office_id)
    done = desk.mail.send(account)
    return verbs.SentShown(
        account=account.name,
        states=done.states,
        error=done.health.error,
        whose=done.health.whose,
        exit_code=done.error.exit_code if done.error is not None else 0,
    )


def _shown(desk: Desk, unit: Unit, one: Account, *, certificates: bool = False) -> verbs.AccountShown:
    keys = []
    for own in desk.mail.locks.own(one):
        keys.append(_key_shown(own.way, own.described, own.certificate if certificates else b""))
    health = []
    for what in (accounts.FETCH, accounts.SEND):
        known = accounts.health(unit, one, what)
        health.append(verbs.HealthShown(what, *msgspec.structs.astuple(known)))
    return verbs.AccountShown(
        name=one.name,
        office=one.office,
        address=one.address,
        display=one.display,
        imap=f"{one.imap.host}:{one.imap.port}" if one.imap else "",
        folder=one.folder,
        smtp=f"{one.smtp.host}:{one.smtp.port} {one.smtp.security}",
        prefix=one.prefix,
        link=one.link,
        every=one.every,
        enabled=one.enabled,
        keys=tuple(keys),
        health=tuple(health),
        left=len(accounts.cursor(unit, one).left),
    )


def _key_shown(way: Way, described: Described, certificate: bytes = b"") -> verbs.KeyShown:
    return verbs.KeyShown(
        way.value, described.fingerprint, described.users, described.expires or 0, described.wrong, certificate
    )


# -- letters -------------------------------------------------------------------------


def inbox(desk: Desk, ask: verbs.Letters) -> verbs.LettersShown:
    """Return letters to the asking office."""
    with desk.services.node.store.read() as unit:
        office = actor_of(desk, unit, ask).office_id
        found = letters.letters(unit, office)
        if ask.all:
            found = sorted([*letters.letters(unit, office, open_=False), *found], key=lambda one: (one.at, one.id))
    return verbs.LettersShown(tuple(_letter_shown(one) for one in found))


def read(desk: Desk, ask: verbs.LetterNamed) -> verbs.LetterOpened:
    """Return a letter with what it says."""
    node, actor = desk.services.node, _actor(desk, ask)
    letter, judged = desk.mail.taking.opened(actor, ask.id)
    data = b""
    if ask.raw:
        with node.store.read() as unit:
            data = letters.raw(unit, letter)
    if judged is None or judged.unread:
        return verbs.LetterOpened(_letter_shown(letter), "", (), data)
    files = judged.inner.files
    if ask.part:
        named = [one for one in files if one.path == ask.part]
        if not named:
            raise NotFound(f"{ask.id} has no file {ask.part!r}", hint="`comity mail read` names its files by number")
        data = named[0].data
    shown = tuple(verbs.FileShown(one.path, one.name, one.media, len(one.data)) for one in files)
    return verbs.LetterOpened(_letter_shown(letter), judged.inner.text, shown, data)


def accept(desk: Desk, ask: verbs.Accept) -> verbs.LetterShown:
    """Take in a letter that waits."""
    taking = desk.mail.taking
    return _letter_shown(taking.accept(_actor(desk, ask), ask.id, ask.reason, source=ask.source, who=ask.sender))


def refuse(desk: Desk, ask: verbs.Refuse) -> verbs.LetterShown:
    """Refuse a letter that waits."""
    return _letter_shown(desk.mail.taking.refuse(_actor(desk, ask), ask.id, ask.reason))


def _letter_shown(one: Letter) -> verbs.LetterShown:
    fields = {name: getattr(one, name) for name in verbs.LetterShown.__struct_fields__}
    return verbs.LetterShown(**fields)


# -- messages ------------------------------------------------------------------------


def send(desk: Desk, ask: verbs.Send) -> verbs.MessagesShown:
    """Queue a message to each correspondent; one that may not have it stops none behind it."""
    services = desk.services
    choice = ask.choice
    if choice.names or choice.queries:
        indexed(desk, choice)
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        letter = letters.get(unit, actor, ask.letter) if ask.letter else None
        account = accounts.named(unit, actor, letter.account if letter is not None else ask.account)
        places = chosen(services, unit, actor, choice, received=True) if choice.names or choice.queries else []
        to = _to(unit, actor, ask, letter)
    if ask.text.strip() and not ask.tlp:
        raise Misuse("a text has a label", hint="--tlp CLEAR, GREEN, AMBER, AMBER+STRICT or RED")
    label = one_of(Tlp, ask.tlp, what="a TLP label") if ask.tlp else Tlp.CLEAR
    about = ask.about or (f"Re: {tickets.topic(letter.subject)}" if letter is not None else "")
    if not about.strip():
        raise Misuse("a message has a subject", hint="--subject '…'; it is hidden where the message is encrypted")
    sort = Sort.ANSWER if letter is not None else Sort.ALERT
    queued: list[verbs.MessageShown] = []
    refused: list[tuple[str, str]] = []
    last: ComityError | None = None
    for name in to:
        wanted = Wanted(name, sort, about, ask.text, label, places, ask.letter)
        try:
            queued.append(_message_shown(desk.mail.sending.ask(actor, account, wanted)))
        except (Theirs, Misuse, NotFound) as error:
            last = error
            refused.append((name, error.says()))
        desk.pause()
    if last is not None and len(to) == 1:
        raise last
    return verbs.MessagesShown(tuple(queued), tuple(refused))


def _to(unit: Unit, actor: Actor, ask: verbs.Send, letter: Letter | None) -> tuple[str, ...]:
    if letter is None:
        if not ask.to:
            raise Misuse("a message goes to somebody", hint="name a correspondent")
        return tuple(dict.fromkeys(ask.to))
    if ask.to:
        raise Misuse("an answer goes to whoever wrote the letter")
    if not letter.claims or letter.claim in {"forged", "own"}:
        hint = "`comity mail accept --sender NAME` says whose it is, once you have asked"
        raise Misuse(f"nobody knows who wrote {letter.id}: nothing is answered", hint=hint)
    return (correspondents.get(unit, actor, letter.claims).audience,)


def outbox_(desk: Desk, ask: verbs.Messages) -> verbs.MessagesShown:
    """Return the asking office's messages."""
    with desk.services.node.store.read() as unit:
        office = actor_of(desk, unit, ask).office_id
        found = outbox.queued(unit, office)
        if ask.all:
            found = sorted([*outbox.gone(unit, office), *found], key=lambda one: (one.at, one.id))
    return verbs.MessagesShown(tuple(_message_shown(one) for one in found))


def again(desk: Desk, ask: verbs.Again) -> verbs.MessageShown:
    """Queue a message once more."""
    return _message_shown(outbox.again(desk.services.node, _actor(desk, ask), ask.id))


def cancel(desk: Desk, ask: verbs.Again) -> verbs.MessageShown:
    """Take a message out of the queue."""
    if not ask.reason.strip():
        raise Misuse("say why: it goes on record", hint="--reason '…'")
    return _message_shown(outbox.cancel(desk.services.node, _actor(desk, ask), ask.id, ask.reason))


def digest(desk: Desk, ask: verbs.Digest) -> verbs.DigestsShown:
    """Begin or end digests to a correspondent, or list them."""
    node, actor = desk.services.node, _actor(desk, ask)
    if ask.name and ask.end:
        telling.end(node, actor, ask.name)
    elif ask.name:
        _, account = _account(desk, ask, ask.account)
        telling.schedule(node, actor, account, ask.name, ask.every)
    with node.store.read() as unit:
        found = telling.digests(unit, actor)
    shown = [verbs.DigestShown(one.audience, one.account, one.every, one.due, one.why) for one in found]
    return verbs.DigestsShown(tuple(shown))


def _message_shown(one: Outgoing) -> verbs.MessageShown:
    fields = {name: getattr(one, name) for name in verbs.MessageShown.__struct_fields__}
    return verbs.MessageShown(**fields)


OPERATIONS: Final = (
    Operation(verbs.SETUP, setup),
    Operation(verbs.REMOVE, remove),
    Operation(verbs.SHOW, show),
    Operation(verbs.KEY, key),
    Operation(verbs.KEYS, keys),
    Operation(verbs.CHECK, check),
    Operation(verbs.FETCH, fetch),
    Operation(verbs.FLUSH, flush),
    Operation(verbs.INBOX, inbox),
    Operation(verbs.READ, read),
    Operation(verbs.ACCEPT, accept),
    Operation(verbs.REFUSE, refuse),
    Operation(verbs.SEND, send),
    Operation(verbs.OUTBOX, outbox_),
    Operation(verbs.AGAIN, again),
    Operation(verbs.CANCEL, cancel),
    Operation(verbs.DIGEST, digest),
)
