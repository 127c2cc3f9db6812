"""Proof files: one statement with everything that proves it, checked by anyone, anywhere, offline.

Rules: a proof file needs nothing but itself and the author's log key, which it carries and which the
reader compares with a party card or the twelve words. The payload travels only if the asker may have it;
without it the file proves that a leaf stands in the log.
"""

from __future__ import annotations

from typing import Final

import msgspec

from comity import canon, party, statement
from comity.areas import intel
from comity.canon import Instant, Origin
from comity.errors import Malformed, NotFound, Unverified
from comity.limits import STATEMENT_BYTES_MAX
from comity.node import witness
from comity.node.node import CARDS, Node
from comity.node.ports import Log, Unit, place
from comity.node.serving import tree
from comity.node.witness import RECEIPTS, witness_name
from comity.statement import INTEL_RELAY, MEDIA_TYPE
from comity.tlog import leaf, proof
from comity.tlog.checkpoint import parse_checkpoint
from comity.tlog.cosignature import CosignatureVerifier, verify_cosignature
from comity.tlog.errors import TlogError
from comity.tlog.merkle import Frontier, inclusion_proof
from comity.tlog.note import Note, Verifier, parse_note

FORMAT: Final = "comity/proof/v1"
PROOF_BYTES_MAX: Final = 4 * STATEMENT_BYTES_MAX  # bytes of a proof file: base64 of a statement and its proof
BLOCK: Final = 4_096


class ProofFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A proof file: canonical JSON."""

    format: str
    card: str  # base64 of the author's signed card
    proof: str  # a tlog-proof
    version: int  # of the accord
    salt: str
    payload: str  # base64
    cosigners: tuple[str, ...] = ()  # base64 of the signed cards of those whose receipts the proof carries


class Checked(msgspec.Struct, frozen=True):
    """What a proof file proves."""

    party: str
    office: str
    origin: Origin
    index: int
    size: int
    at: Instant  # by the author's clock
    kind: str
    tlp: str
    words: bytes  # the 16 bytes of the fingerprint, for people to compare
    receipts: tuple[tuple[str, Instant], ...]
    body: bytes


def prove(node: Node, unit: Unit, at: int) -> bytes:
    """Return the proof file of a statement held here, with its receipts; of a relay, its author's.

    Raises `NotFound`.
    """
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    (entry,) = unit.entries.read(log_id, index, index + 1)
    if entry.header is None or entry.body is None or entry.salt is None or index >= log.signed:
        raise NotFound(f"{log.origin}#{index} is not held here with its bytes under a signed checkpoint")
    header = node.header(entry.header)
    if header.kind == INTEL_RELAY:
        return _relayed(unit, log, intel.cut_relay(entry.body))
    note, cards = _note(node, unit, log)
    card = witness.card_of_note(unit, log)
    if card is None:
        raise NotFound(f"no card of {log.party} is held that names the key of {log.origin}")
    size = parse_checkpoint(note.text).size
    if index >= size:
        note, cards, size = parse_note(log.note), (), log.signed
    hashes = inclusion_proof(index, size, tree(unit, log))
    return canon.encode(
        ProofFile(
            FORMAT,
            canon.b64(card),
            proof.Proof(index, tuple(hashes), note.encode(), None).encode().decode(),
            header.accord,
            canon.b64(entry.salt),
            canon.b64(statement.join(entry.header, entry.body)),
            cards,
        )
    )


def _relayed(unit: Unit, log: Log, relay: intel.Relay) -> bytes:
    """Return the proof file of what a relay passes on: the author's statement, witnessed by whoever passed it on."""
    line, author = relay.line, canon.parse_origin(relay.line.origin)[0]
    card = unit.documents.get(CARDS, author)
    if card is None:
        raise NotFound(f"no card of {author} is held", hint=f"ask {author} for its card, then `comity party import`")
    cards = _card_of(unit, log.party)
    return canon.encode(
        ProofFile(FORMAT, canon.b64(card), line.proof, line.version, line.salt, canon.b64(relay.payload), cards)
    )


def _note(node: Node, unit: Unit, log: Log) -> tuple[Note, tuple[str, ...]]:
    """Return the newest checkpoint that most others cosigned, with their cards: ours where nobody did."""
    held = parse_note(log.note)
    if not log.own:
        return held, _card_of(unit, node.me)
    by_text: dict[bytes, list[tuple[str, Note]]] = {held.text: []}
    for key, data in unit.documents.all(RECEIPTS, f"{log.origin} "):
        note = parse_note(data)
        by_text.setdefault(note.text, []).append((key.partition(" ")[2], note))
    text = max(by_text, key=lambda t: (len(by_text[t]), parse_checkpoint(t).size))
    if not by_text[text]:
        return held, ()
    own = [s for s in by_text[text][0][1].signatures if s.name == log.origin]
    others = [s for _, note in by_text[text] for s in note.signatures if s.name != log.origin]
    cards = tuple(card for name, _ in by_text[text] for card in _card_of(unit, name))
    return Note(text, (*own, *others)), cards


def _card_of(unit: Unit, name: str) -> tuple[str, ...]:
    data = unit.documents.get(CARDS, name)
    return (canon.b64(data),) if data is not None else ()


def check(data: bytes) -> Checked:
    """Verify a proof file on a machine that has never seen the node.

    1. The author's card is signed by its own root. 2. The log key in it signed the checkpoint. 3. The leaf
    stands in it. 4. The salt opens the leaf to these very bytes. Raises `Malformed` or `Unverified`.
    """
    if len(data) > PROOF_BYTES_MAX:
        raise Malformed(f"a proof file of {len(data)} bytes is over PROOF_BYTES_MAX")
    file = canon.decode(data, ProofFile, what="a proof file")
    if file.format != FORMAT:
        raise Malformed(f"a file of format {file.format!r}, where {FORMAT!r} is wanted")
    signed = party.parse_card(canon.unb64(file.card, what="a card"))
    salt = canon.unb64(file.salt, what="a salt", length=16)
    payload = canon.unb64(file.payload, what="a payload")
    try:
        parsed = proof.parse_proof(file.proof.encode())
        note = parse_note(parsed.checkpoint)
        origin = Origin(parse_checkpoint(note.text).origin)
        author = canon.parse_origin(origin)[0]
        if author != signed.card.party:
            raise Unverified(f"the log is {author}'s, the card {signed.card.party}'s")
        header_bytes, body = statement.cut(payload)
        header = statement.decode_header(header_bytes)
        if header.accord != file.version:
            raise Unverified("the file names another accord version than its statement")
        commitment = leaf.commit(salt, origin, file.version, MEDIA_TYPE, payload)
        verifier = Verifier(origin, party.public(signed.card.keys.log))
        checkpoint = proof.verify_proof(parsed, leaf.leaf_hashes_of(commitment), [verifier])
    except TlogError as error:
        raise Unverified(f"the proof does not hold: {error}", hint="the file was altered, or was never true") from error
    return Checked(
        party=author,
        office=header.office,
        origin=origin,
        index=parsed.index,
        size=checkpoint.size,
        at=header.at,
        kind=header.kind,
        tlp=header.marking.tlp.label if header.marking else "",
        words=party.fingerprint(author, signed.root),
        receipts=_receipts(note, file.cosigners),
        body=body,
    )


def _receipts(note: Note, cards: tuple[str, ...]) -> tuple[tuple[str, Instant], ...]:
    found: list[tuple[str, Instant]] = []
    for encoded in cards:
        card = party.parse_card(canon.unb64(encoded, what="a card")).card
        name = card.witness_name or witness_name(card.party)
        try:
            at = verify_cosignature(note, CosignatureVerifier(name, party.public(card.keys.witness)))
        except TlogError:
            continue  # a card whose holder did not cosign proves nothing and harms nothing
        found.append((card.party, at))
    return tuple(found)


# -- the whole node --------------------------------------------------------------


def verify_log(node: Node, unit: Unit, log: Log) -> tuple[int, list[str]]:
    """Check a whole log offline: every payload opens its leaf, the leaves give the signed root.

    Returns how many entries were checked, and what is wrong in words.
    """
    wrong: list[str] = []
    frontier = Frontier()
    signed_root = b"" if log.signed else Frontier().root()
    for start in range(0, log.size, BLOCK):
        end = min(start + BLOCK, log.size)
        commitments = unit.entries.commitments(log.id, start, end)
        wrong += _openings(node, unit, log, start, end, commitments)
        if start <= log.signed <= end and log.signed:
            part = frontier.copy()
            part.extend(leaf.leaf_hashes_of(commitments[: 32 * (log.signed - start)]))
            signed_root = part.root()
        frontier.extend(leaf.leaf_hashes_of(commitments))
    if frontier.size != log.size or frontier.root() != log.root:
        wrong.append(f"{log.origin}: the leaves do not give the root that was kept for {log.size} entries")
    if log.note:
        wrong += _signature(unit, log, signed_root)
    elif log.size:
        wrong.append(f"{log.origin}: {log.size} entries and no signed checkpoint")
    return log.size, wrong


def _openings(node: Node, unit: Unit, log: Log, start: int, end: int, commitments: bytes) -> list[str]:
    wrong: list[str] = []
    for at, entry in enumerate(unit.entries.read(log.id, start, end)):
        expected = commitments[32 * at : 32 * at + 32]
        if entry.header is None or entry.body is None or entry.salt is None:
            continue
        version = node.header(entry.header).accord
        payload = statement.join(entry.header, entry.body)
        if leaf.commit(entry.salt, log.origin, version, MEDIA_TYPE, payload) != expected:
            wrong.append(f"{log.origin}#{start + at}: the payload does not match its commitment")
    return wrong


def _signature(unit: Unit, log: Log, root: bytes) -> list[str]:
    try:
        checkpoint = parse_checkpoint(parse_note(log.note).text)
    except TlogError as error:
        return [f"{log.origin}: the signed checkpoint does not hold: {error}"]
    if witness.card_of_note(unit, log) is None:
        return [f"{log.origin}: the signed checkpoint does not hold: no known key of {log.party} signed it"]
    if checkpoint.size != log.signed or checkpoint.root != root:
        return [f"{log.origin}: the signed checkpoint is of another tree"]
    return []
