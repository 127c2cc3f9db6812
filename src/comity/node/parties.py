"""Parties: this one's card, and other parties' cards.

Rules: a stranger's card waits until a person has compared its twelve words by voice; a successor of a
known card is taken when the known root, or the root it announced, signed it; anything else is refused
and kept as evidence. Every card ever accepted stays, so that old proofs can still be checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from comity import canon, party
from comity.acts import Rotate
from comity.canon import OfficeId, PartyId
from comity.errors import Misuse, NotFound, Theirs
from comity.node import books
from comity.node.actor import Actor
from comity.node.node import CARDS, HISTORY, Node, note
from comity.node.ports import LogState, Unit
from comity.party import SignedCard

PENDING: Final = "card-pending"
EVIDENCE_BYTES_MAX: Final = 65_536


class Offered(NamedTuple):
    """A card that was offered: what became of it, and the 16 bytes people compare."""

    card: SignedCard
    words: bytes
    state: str  # pending | known | succeeded


def put_own(node: Node, unit: Unit, signed: SignedCard) -> None:
    """Keep this party's own card and its place in the history."""
    if signed.card.party != node.me:
        raise Misuse(f"a card of {signed.card.party} is no card of {node.me}")
    keep(node, unit, signed)


def keep(node: Node, unit: Unit, signed: SignedCard) -> None:
    """Put a checked card in force; it stays in the history when another follows."""
    data = signed.envelope.encode()
    unit.documents.put(CARDS, signed.card.party, data)
    unit.documents.put(HISTORY, f"{signed.card.party}/{signed.card.serial:08}", data)
    node.epoch += 1
    node.cards += 1


def offer(node: Node, data: bytes) -> Offered:
    """Take a card somebody sent: a stranger's waits for its words, a successor is checked and taken."""
    signed = party.parse_card(data)
    words = party.fingerprint(signed.card.party, signed.root)
    with node.store.write() as unit:
        known = unit.documents.get(CARDS, signed.card.party)
        if known is None:
            unit.documents.put(PENDING, signed.card.party, signed.envelope.encode())
            return Offered(signed, words, "pending")
    try:
        newer = party.check_succession(party.parse_card(known), signed)
    except Theirs as error:
        with node.store.write() as unit:
            unit.quarantine.add(node.now(), signed.card.party, error.code, note(error), data[:EVIDENCE_BYTES_MAX])
        raise
    if not newer:
        return Offered(signed, words, "known")
    with node.store.write() as unit:
        keep(node, unit, signed)
    return Offered(signed, words, "succeeded")


def confirm(node: Node, actor: Actor, name: str) -> SignedCard:
    """Accept a waiting card: the person at this node has compared its words by voice."""
    with node.writing() as unit:
        data = unit.documents.get(PENDING, name)
        if data is None:
            raise NotFound(f"no card of {name} is waiting", hint="`comity party import FILE` first")
        signed = party.parse_card(data)
        keep(node, unit, signed)
        unit.documents.delete(PENDING, name)
        body = {"party": name, "card": signed.digest, "serial": signed.card.serial, "by": actor.user}
        books.record(node, unit, actor.office_id, "home.party", body)
        return signed


def refuse(node: Node, actor: Actor, name: str) -> None:
    """Drop a waiting card whose words did not match; it is kept as evidence."""
    with node.writing() as unit:
        data = unit.documents.get(PENDING, name)
        if data is None:
            raise NotFound(f"no card of {name} is waiting")
        reason = f"the words did not match, says {actor}"
        unit.quarantine.add(node.now(), PartyId(name), "unverified", reason, data[:EVIDENCE_BYTES_MAX])
        unit.documents.delete(PENDING, name)


def history(unit: Unit, name: str) -> list[SignedCard]:
    """Return every card of a party that was ever in force here, oldest first."""
    return [party.parse_card(data) for _, data in unit.documents.all(HISTORY, f"{name}/")]


def pending(unit: Unit) -> list[SignedCard]:
    """Return the cards that wait for their words to be compared."""
    return [party.parse_card(data) for _, data in unit.documents.all(PENDING)]


def known(unit: Unit) -> list[SignedCard]:
    """Return the cards in force, this party's own among them, in order of party."""
    return [party.parse_card(data) for _, data in unit.documents.all(CARDS)]


def rotate(node: Node, actor: Actor, signed: SignedCard) -> None:
    """Put a new card of our own in force and say so in every accord; own logs are signed anew by the caller."""
    with node.store.read() as unit:
        before = node.card(unit, node.me)
    if not party.check_succession(before, signed):
        raise Misuse("the new card is the one in force")
    with node.store.write() as unit:
        keep(node, unit, signed)


def announce(node: Node, actor: Actor) -> None:
    """State, in every open own log, which card is in force now, and sign every log with the keys at hand."""
    with node.writing() as unit:
        signed = node.card(unit, node.me)
        act = Rotate(signed.digest, signed.card.serial)
        body = {"card": signed.digest, "serial": signed.card.serial, "by": actor.user}
        books.record(node, unit, actor.office_id, "home.key", body)
        for log in unit.logs.all():
            accord = canon.parse_origin(log.origin)[1]
            if log.own and accord is not None and log.state is LogState.OPEN and log.size:
                version = books.version_of_last(unit, log.origin)
                draft = books.act_draft(node, actor.office_id, act, version=version)
                books.state(node, unit, log.origin, version, [draft])


def offices(unit: Unit, node: Node) -> Sequence[OfficeId]:
    """Return this party's offices."""
    return [office.id for office in node.card(unit, node.me).card.offices]
