"""Parties: this one's card, other parties' cards, keys, correspondents."""

from __future__ import annotations

from typing import Final

from comity import party
from comity.canon import PartyId
from comity.errors import Malformed, Misuse, Refused
from comity.node import generations, parties
from comity.node.node import Node
from comity.node.ports import LogState, Unit
from comity.party import Card, SignedCard
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import party as verbs
from comity.surfaces.cli.words import fingerprint_of, words_of

KEYS: Final = ("log", "witness", "request", "root")


def card(desk: Desk, ask: Nothing) -> verbs.CardFile:
    """Return this party's own signed card."""
    node = desk.services.node
    with node.store.read() as unit:
        own = node.card(unit, node.me)
    return verbs.CardFile(node.me, own.envelope.encode().decode(), _words(own))


def import_(desk: Desk, ask: verbs.Import) -> verbs.PartyShown:
    """Take a card somebody sent; a stranger's waits until its words were compared."""
    offered = parties.offer(desk.services.node, ask.text.strip().encode())
    return shown(offered.card, "waiting" if offered.state == "pending" else offered.state)


def confirm(desk: Desk, ask: verbs.Confirm) -> Done:
    """Accept a waiting card; where the words heard are given, they must be the card's."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        waiting = next((c for c in parties.pending(unit) if c.card.party == ask.party), None)
    if waiting is not None and ask.words:
        _compare(waiting, ask.words)
    signed = parties.confirm(node, actor, ask.party)
    return Done(f"Card {signed.card.serial} of {signed.card.party} is confirmed", str(actor))


def _compare(waiting: SignedCard, heard: str) -> None:
    name = waiting.card.party
    try:
        same = fingerprint_of(heard) == party.fingerprint(name, waiting.root)
    except Malformed as error:
        raise Misuse(str(error), hint=error.hint) from error
    if not same:
        raise Refused(
            f"these are not the words of the card that waits for {name}",
            hint=f"hear them again; if they still differ, `comity party refuse {name}`: somebody else made this card",
        )


def refuse(desk: Desk, ask: verbs.Named) -> Done:
    """Drop a waiting card and keep it as evidence."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    parties.refuse(node, actor, ask.party)
    return Done(f"The card of {ask.party} is refused and kept as evidence", str(actor))


def list_(desk: Desk, ask: Nothing) -> verbs.PartiesShown:
    """Return every party known, and every card that waits."""
    node = desk.services.node
    with node.store.read() as unit:
        known = [shown(c, _state(node, c.card)) for c in parties.known(unit)]
        waiting = [shown(c, "waiting") for c in parties.pending(unit)]
    return verbs.PartiesShown((*known, *waiting))


def show(desk: Desk, ask: verbs.Named) -> verbs.PartyShown:
    """Return one party's card. Raises `NotFound`."""
    node = desk.services.node
    with node.store.read() as unit:
        for signed in parties.pending(unit):
            if signed.card.party == ask.party:
                return shown(signed, "waiting")
        signed = node.card(unit, ask.party)
    return shown(signed, _state(node, signed.card))


def _state(node: Node, of: Card) -> str:
    return "own" if of.party == node.me else "known"


def rotate(desk: Desk, ask: verbs.Rotate) -> verbs.Rotated:
    """Replace a key: a new card names the new one, every log is signed anew, every accord is told."""
    if ask.key not in KEYS:
        raise Misuse(f"there is no key {ask.key!r} to rotate", hint=f"one of {', '.join(KEYS)}")
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        before = node.card(unit, node.me)
    node.require_signing()
    signed = desk.keys.renewed(before, ask.key, stolen=ask.stolen, at=node.now())
    parties.rotate(node, actor, signed)
    desk.keys.replace(signed)
    node.sign_anew()
    renewed: list[str] = []
    if ask.stolen and ask.key == "log":
        # Whoever has the old key can still sign another tree of these generations: close them.
        with node.store.read() as unit:
            stems = _own_stems(unit)
        reason = f"the log key before card {signed.card.serial} is in other hands"
        renewed = [generations.renew(node, actor, stem, reason, {}) for stem in stems]
    parties.announce(node, actor)  # in the newest generations: one that was forked takes nothing more
    return verbs.Rotated(ask.key, signed.card.serial, str(actor), tuple(renewed))


def _own_stems(unit: Unit) -> list[str]:
    """Return the stems of own logs whose newest generation has entries and is not closed; a frozen one needs it."""
    newest: dict[str, tuple[int, LogState]] = {}
    for log in unit.logs.all():
        if log.own and log.size:
            stem, _, number = log.origin.removeprefix(f"{log.party}/").rpartition("/")
            newest[stem] = max(newest.get(stem, (0, log.state)), (int(number), log.state))
    return [stem for stem, (_, state) in newest.items() if state is not LogState.CLOSED]


def shown(signed: SignedCard, state: str) -> verbs.PartyShown:
    """Return a card as people read it."""
    known = signed.card
    offices = tuple(
        verbs.OfficeShown(o.id, o.kind.value, o.name, o.languages, o.contact, o.hours) for o in known.offices
    )
    pinned = "pinned certificate" if known.tls.certificate else "public authorities, pinned key"
    tls = pinned if known.tls.pin or known.tls.certificate else "public authorities"
    return verbs.PartyShown(
        party=known.party,
        state=state,
        name=known.name,
        jurisdiction=known.jurisdiction,
        serial=known.serial,
        issued=known.issued,
        languages=known.languages,
        time_zone=known.time_zone,
        offices=offices,
        address=known.address,
        tls=tls if known.address.startswith("https://") else "",
        words=_words(signed),
        card=signed.digest,
    )


def _words(signed: SignedCard) -> str:
    return words_of(party.fingerprint(PartyId(signed.card.party), signed.root))


OPERATIONS: Final = (
    Operation(verbs.CARD, card),
    Operation(verbs.IMPORT, import_),
    Operation(verbs.CONFIRM, confirm),
    Operation(verbs.REFUSE, refuse),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.ROTATE, rotate),
)
