"""Witnessing: cosigned checkpoints both ways, and proof of forks.

Rules: this party cosigns a checkpoint only after checking that it extends the one it cosigned before. Of
each cosigner the newest receipt is kept; older ones are replaced in place, so receipts do not grow a node.
Two contradictory checkpoints become a fork certificate; that generation is frozen and nothing more of it
is believed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from comity import canon, limits, party, sync
from comity.acts import Forked
from comity.canon import AccordId, Instant, Origin, PartyId
from comity.errors import Malformed, Refused, Unverified
from comity.node import books
from comity.node.node import CARDS, HISTORY, Node
from comity.node.ports import Log, LogState, Unit
from comity.sync import Head
from comity.tlog.checkpoint import Checkpoint, parse_checkpoint
from comity.tlog.cosignature import CosignatureVerifier, verify_cosignature
from comity.tlog.errors import TlogError
from comity.tlog.fork import ForkCertificate
from comity.tlog.note import Note, Verifier, parse_note, verify

CHECKED_KEPT: Final = 8_192  # checkpoints remembered as checked: some 500 bytes each
FORKS: Final = "fork"  # origin -> certificate
RECEIPTS: Final = "receipt"  # origin cosigner -> note with that cosigner's line
HOMES: Final = "witnessed-home"  # party -> its home checkpoint, cosigned by us


class Receipt(NamedTuple):
    """Another party's timestamped cosignature on a checkpoint of one of our logs."""

    origin: Origin
    cosigner: PartyId
    size: int
    at: Instant


def witness_name(name: PartyId) -> str:
    """Return the name of a party's witness key in cosignature lines."""
    return f"{name}/w"


def cosigned(node: Node, head: Head) -> bytes:
    """Return a checkpoint's note with its author's signature and ours as a witness."""
    origin = head.checkpoint.origin
    own = tuple(s for s in head.note.signatures if s.name == origin)
    return Note(head.note.text, (*own, node.signer.cosign(head.note.text, node.now()))).encode()


def home_note(unit: Unit, name: PartyId) -> bytes:
    """Return the cosigned home checkpoint of a party, or nothing."""
    return unit.documents.get(HOMES, name) or b""


def log_key(node: Node, unit: Unit, name: PartyId) -> bytes:
    """Return a party's log key. Raises `NotFound` for a party without a card."""
    return party.public(node.card(unit, name).card.keys.log)


def card_of_note(unit: Unit, log: Log) -> bytes | None:
    """Return the signed card whose log key signed the checkpoint kept of a log; None where no card ever held did.

    A log that no longer grows keeps the signature of its day, though the key was replaced since.
    """
    held = unit.documents.get(CARDS, log.party)
    for data in [held, *(old for _, old in unit.documents.all(HISTORY, f"{log.party}/"))]:
        if data is None:
            continue
        try:
            verify(parse_note(log.note), Verifier(log.origin, party.public(party.parse_card(data).card.keys.log)))
        except TlogError:
            continue
        return data
    return None


def take_receipt(node: Node, unit: Unit, cosigner: PartyId, data: bytes) -> bool:
    """Keep another party's cosignature on one of our checkpoints; return whether it is newer.

    Raises `Unverified`: for a checkpoint we never signed, that is evidence of a stolen key or a restored
    store, and the caller freezes nothing but says so.
    """
    origin = sync.origin_of(data)
    head = check_head(node, data, log_key(node, unit, node.me), origin)
    log = unit.logs.find(origin)
    if log is None or head.checkpoint.size > log.size:
        raise Unverified(
            f"{cosigner} holds a checkpoint of our {origin} with {head.checkpoint.size} leaves; we have "
            f"{log.size if log else 0}: this store was restored from an old backup, or the log key is in other hands",
            hint="write nothing more; begin a new generation with `comity log renew`",
        )
    card = node.card(unit, cosigner).card
    verifier = CosignatureVerifier(card.witness_name or witness_name(cosigner), party.public(card.keys.witness))
    try:
        at = verify_cosignature(head.note, verifier)
    except TlogError as error:
        raise Unverified(f"the receipt of {cosigner} for {origin} does not hold") from error
    if at > node.now() + limits.CLOCK_SKEW_SECONDS_MAX:
        raise Unverified(f"the receipt of {cosigner} for {origin} is dated in the future: its clock or ours is off")
    key = f"{origin} {cosigner}"
    older = unit.documents.get(RECEIPTS, key)
    if older is not None and read_head(older).size >= head.checkpoint.size:
        return False
    unit.documents.put(RECEIPTS, key, data)
    return True


def receipts(node: Node, unit: Unit, origin: str = "") -> list[Receipt]:
    """Return the newest receipt of each cosigner for our logs."""
    found: list[Receipt] = []
    for key, data in unit.documents.all(RECEIPTS, origin):
        name, _, cosigner = key.partition(" ")
        note = parse_note(data)
        card = node.card(unit, cosigner).card
        verifier = CosignatureVerifier(
            card.witness_name or witness_name(PartyId(cosigner)), party.public(card.keys.witness)
        )
        try:
            at = verify_cosignature(note, verifier)
        except TlogError:
            at = 0  # by a witness key that was rotated since: it was checked when it came
        found.append(Receipt(Origin(name), PartyId(cosigner), parse_checkpoint(note.text).size, at))
    return found


def check_head(node: Node, data: bytes, key: bytes, origin: Origin) -> Head:
    """Check a signed checkpoint as `sync.check_head` does; one that was checked before is not checked again.

    A community shows one another the same checkpoints: of fifty members each signature would be verified
    fifty times.
    """
    try:
        note = parse_note(data)
    except TlogError as error:
        raise Malformed(f"a checkpoint cannot be read: {error}") from error
    known = (key, note.text, tuple(s.blob for s in note.signatures if s.name == origin))
    if known in node.checked:
        return Head(parse_checkpoint(note.text), note)
    head = sync.check_head(data, key, origin=origin)
    if len(node.checked) >= CHECKED_KEPT:
        node.checked.clear()
    node.checked.add(known)
    return head


def read_head(data: bytes) -> Checkpoint:
    """Return the checkpoint of a note that this node kept."""
    return parse_checkpoint(parse_note(data).text)


def take_certificate(node: Node, unit: Unit, data: bytes) -> Origin | None:
    """Check a fork certificate and freeze that generation; return its origin if that is news.

    Raises `Malformed` or `Unverified` where it proves nothing.
    """
    try:
        certificate = ForkCertificate.decode(data)
        origin = sync.origin_of(certificate.first.text)
        if unit.documents.get(FORKS, origin) is not None:
            return None  # proven before; the key that signed it may have been replaced since
        author, accord, generation = canon.parse_origin(origin)
        if generation > limits.LOG_GENERATIONS_MAX or (accord is not None and not _is_followed(unit, accord)):
            raise Refused(f"a fork of {origin} is none of a log that is followed here")
        certificate.verify(Verifier(origin, log_key(node, unit, author)))
    except TlogError as error:
        raise Unverified(f"a fork certificate proves nothing: {error}") from error
    unit.documents.put(FORKS, origin, data)
    log = unit.logs.find(origin)
    if log is not None:
        unit.logs.set_state(log.id, LogState.FROZEN)
    reason = f"{origin} was shown in two contradictory versions; its certificate is kept"
    unit.quarantine.add(node.now(), author, "forked", reason, data)
    _say_so(node, unit, origin, data)
    node.epoch += 1
    return origin


def _is_followed(unit: Unit, accord: AccordId) -> bool:
    """Say whether any log of an accord is kept here: the quarrels of others fill no disk."""
    return any(canon.parse_origin(log.origin)[1] == accord for log in unit.logs.all())


def _say_so(node: Node, unit: Unit, origin: Origin, data: bytes) -> None:
    """State on our log in the same accord that we hold proof of a fork."""
    accord = canon.parse_origin(origin)[1]
    if accord is None or not node.signs:
        return
    own = books.accord_origin(node, unit, accord)
    log = unit.logs.find(own)
    if log is None or log.state is not LogState.OPEN or own == origin:
        return
    office = node.card(unit, node.me).card.offices[0].id
    act = Forked(origin=origin, certificate=canon.digest(data))
    version = max(1, books.version_of_last(unit, own))
    books.state(node, unit, own, version, [books.act_draft(node, office, act, version=version)])


def is_frozen(unit: Unit, origin: Origin) -> bool:
    """Say whether a fork of this log is proven."""
    return unit.documents.get(FORKS, origin) is not None
