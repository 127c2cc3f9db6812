"""Comparing checkpoints: is what a peer shows of a log the log that is held here?

Rules: two checkpoints of one author either extend one another or prove a fork. A certificate is believed
for the author's signatures in it alone, whoever helped to find the leaf that differs.
"""

from __future__ import annotations

from comity import sync
from comity.canon import Origin
from comity.errors import Unverified
from comity.node.ports import Log, Unit, Wire
from comity.node.serving import tree
from comity.sync import Head
from comity.tlog.checkpoint import Checkpoint
from comity.tlog.errors import TlogError
from comity.tlog.fork import prove_fork
from comity.tlog.merkle import HashReader, tree_root
from comity.tlog.note import parse_note


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
