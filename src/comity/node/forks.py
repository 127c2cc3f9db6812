"""Comparing checkpoints: is what a peer shows of a log the log that is held here?

Rules: two checkpoints of one author either extend one another or prove a fork. A certificate is believed
for the author's signatures in it alone, whoever helped to find the leaf that differs.
"""

from __future__ import annotations

from typing import Final

import msgspec

from comity import canon, party, sync
from comity.canon import Origin
from comity.errors import Malformed, NotFound, Unverified
from comity.limits import CARD_BYTES_MAX
from comity.node import witness
from comity.node.node import CARDS, HISTORY
from comity.node.ports import Log, Unit, Wire
from comity.node.serving import tree
from comity.party import SignedCard
from comity.sync import Head
from comity.tlog.checkpoint import Checkpoint
from comity.tlog.errors import TlogError
from comity.tlog.fork import ForkCertificate, prove_fork
from comity.tlog.limits import NOTE_BYTES_MAX
from comity.tlog.merkle import HashReader, tree_root
from comity.tlog.note import Verifier, parse_note

FORMAT: Final = "comity/fork-proof/v1"
FILE_BYTES_MAX: Final = 2 * (CARD_BYTES_MAX + 2 * NOTE_BYTES_MAX)  # bytes of a fork file: base64 of a card and notes


def contradicts(unit: Unit, log: Log, theirs: Checkpoint) -> bool:
    """Say whether a checkpoint no longer than what is held has another root. Longer ones need a proof."""
    if theirs.size > log.size:
        return False
    root = log.root if theirs.size == log.size else tree_root(theirs.size, tree(unit, log))
    return root != theirs.root


def hunt(unit: Unit, log: Log, theirs: Head, wire: Wire) -> bytes | None:
    """Return a fork certificate where the signed checkpoints contradict each other, or None.

    None means that the peer's answers do not prove what its checkpoint claims: it is at fault, or its
    copy is, and no blame falls on the author.
    """
    if not log.note:
        return None
    try:
        certificate = prove_fork(parse_note(log.note), theirs.note, tree(unit, log), _far_tree(theirs, wire))
    except TlogError:
        return None
    return certificate.encode()


def _far_tree(head: Head, wire: Wire) -> HashReader:
    """Return a reader of the peer's copy: one hash an answer, a few dozen in all."""
    origin, size = Origin(head.checkpoint.origin), head.checkpoint.size

    def read(level: int, index: int) -> bytes:
        answer = sync.decode_hashes(wire.ask(sync.Nodes(origin, size, level, index, 1)).body)
        if len(answer.hashes) != 1:
            raise Unverified(f"{origin}: one subtree hash was asked, {len(answer.hashes)} came")
        return answer.hashes[0]

    return read


# -- files that prove a fork -------------------------------------------------------


class ForkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fork certificate with the card that names the key it is checked with: canonical JSON."""

    format: str
    card: str  # base64 of the author's signed card
    certificate: str  # base64


class Forked(msgspec.Struct, frozen=True):
    """What a fork file proves: `party` signed both of these (size, root) of one log."""

    party: str
    origin: Origin
    first: tuple[int, str]
    second: tuple[int, str]
    words: bytes  # the 16 bytes of the fingerprint, for people to compare


def export(unit: Unit, origin: str) -> bytes:
    """Return the file that proves the fork of a log to anybody. Raises `NotFound`."""
    data = unit.documents.get(witness.FORKS, origin)
    if data is None:
        raise NotFound(f"no fork of {origin} is proven here", hint="`comity log show` lists the logs and their state")
    author = canon.parse_origin(origin)[0]
    cards = [unit.documents.get(CARDS, author), *(old for _, old in unit.documents.all(HISTORY, f"{author}/"))]
    for card in cards:  # the key may have been replaced since: by the card of that day
        if card is None:
            continue
        file = canon.encode(ForkFile(FORMAT, canon.b64(card), canon.b64(data)))
        try:
            check(file)
        except Unverified:
            continue
        return file
    raise NotFound(f"the card of {author} that named the key is not held here any more")


def is_file(data: bytes) -> bool:
    """Say whether bytes want to be a fork file; nothing of them is believed."""
    return f'"format":"{FORMAT}"'.encode() in data[:FILE_BYTES_MAX]


def check(data: bytes) -> Forked:
    """Verify a fork file on any machine. Raises `Malformed` or `Unverified`.

    1. The card is signed by its own root. 2. Its log key signed both checkpoints. 3. They contradict.
    """
    if len(data) > FILE_BYTES_MAX:
        raise Malformed(f"a fork file of {len(data)} bytes is over FILE_BYTES_MAX")
    file = canon.decode(data, ForkFile, what="a fork file")
    if file.format != FORMAT:
        raise Malformed(f"a file of format {file.format!r}, where {FORMAT!r} is wanted")
    signed: SignedCard = party.parse_card(canon.unb64(file.card, what="a card"))
    try:
        certificate = ForkCertificate.decode(canon.unb64(file.certificate, what="a fork certificate"))
        origin = sync.origin_of(certificate.first.text)
        author = canon.parse_origin(origin)[0]
        if author != signed.card.party:
            raise Unverified(f"the log is {author}'s, the card {signed.card.party}'s")
        first, second = certificate.verify(Verifier(origin, party.public(signed.card.keys.log)))
    except TlogError as error:
        raise Unverified(f"no fork is proven: {error}", hint="the file was altered, or was never true") from error
    return Forked(
        party=author,
        origin=origin,
        first=(first.size, canon.b64(first.root)),
        second=(second.size, canon.b64(second.root)),
        words=party.fingerprint(author, signed.root),
    )
