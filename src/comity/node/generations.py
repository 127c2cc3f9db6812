"""Generations of a log, and starting after a restored backup.

Rules: a node never signs two trees of one generation. A store that may have been restored signs nothing
until a peer has said which checkpoints it holds; a longer or contradicting one closes that generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from comity import canon, sync
from comity.acts import Closed
from comity.canon import Origin, PartyId
from comity.errors import ComityError, NotFound, Theirs
from comity.node import books, forks, witness
from comity.node.actor import Actor
from comity.node.node import Node, generation
from comity.node.ports import LogState, Unit, Wire
from comity.sync import Head

Heads: TypeAlias = Mapping[Origin, Head]
"""The largest checkpoint of each of our logs that any peer holds."""


class Asked(NamedTuple):
    """What the peers said of our own logs."""

    answered: tuple[PartyId, ...]
    silent: tuple[PartyId, ...]
    ahead: tuple[str, ...]  # in words: who holds more of, or other than, what is here


def ask_peers(node: Node, wires: Mapping[PartyId, Wire]) -> Asked:
    """Ask every peer for the checkpoints of our logs that it holds; compare them with what is here."""
    answered: list[PartyId] = []
    silent: list[PartyId] = []
    ahead: list[str] = []
    for peer, wire in wires.items():
        try:
            heads = sync.decode_heads(wire.ask(sync.Heads()).body)
        except ComityError:
            silent.append(peer)
            continue
        answered.append(peer)
        notes = [*(log.note for log in heads.logs), *([heads.witnessed] if heads.witnessed else [])]
        for note in notes:
            word = _compare(node, peer, note)
            if word:
                ahead.append(word)
    return Asked(tuple(answered), tuple(silent), tuple(ahead))


def _compare(node: Node, peer: PartyId, note: bytes) -> str:
    """Return what is wrong about a checkpoint of one of our logs that a peer holds, or nothing."""
    try:
        origin = sync.origin_of(note)
        if canon.parse_origin(origin)[0] != node.me:
            return ""
        with node.store.read() as unit:
            head = sync.check_head(note, witness.log_key(node, unit, node.me), origin=origin)
            log = unit.logs.find(origin)
            if log is not None and log.state is not LogState.OPEN:
                return ""  # it does not grow any more: nothing can contradict what was closed
            if log is None or head.checkpoint.size > log.size:
                return f"{peer} holds {head.checkpoint.size} entries of {origin}; here are {log.size if log else 0}"
            if forks.contradicts(unit, log, head.checkpoint):
                return f"{peer} holds another tree of {origin} than is here"
    except Theirs:
        return ""  # not signed by our key: nobody else's word counts about our own logs
    return ""


def settle_restored(node: Node, asked: Asked, *, alone: bool) -> str:
    """Decide whether a possibly restored node may sign; return why not, or nothing."""
    if asked.ahead:
        why = "; ".join(asked.ahead) + ": begin a new generation with `comity log renew`"
    elif not asked.answered and not alone:
        why = "this store may be a restored backup and no peer could be asked; `--alone` takes that on record"
    else:
        why = ""
    node.signs, node.why_not = not why, why
    return why


def renew(node: Node, actor: Actor, stem: str, reason: str, heads: Heads) -> Origin:
    """Close the newest generation of one of our logs and begin the next; return its origin.

    `stem` is `home` or `accord/<id>`. `heads` are larger checkpoints that peers hold: the closing act
    names the largest, so that nobody is asked to forget what they saw.
    """
    signs, node.signs = node.signs, True  # the new generation is empty: there is nothing it could contradict
    try:
        with node.writing() as unit:
            _catch_up(node, unit, stem, heads)
            origin = Origin(f"{node.me}/{stem}/{generation(unit, node.me, stem)}")
            log = unit.logs.find(origin)
            if log is None:
                raise NotFound(f"there is no log {origin}")
            size, root = log.size, log.root
            if origin in heads and heads[origin].checkpoint.size > size:
                size, root = heads[origin].checkpoint.size, heads[origin].checkpoint.root
            if log.state is LogState.OPEN:
                unit.logs.set_state(log.id, LogState.CLOSED)
            following = Origin(f"{node.me}/{stem}/{canon.parse_origin(origin)[2] + 1}")
            unit.logs.open(following, node.me, own=True)
            version = books.version_of_last(unit, origin)
            act = Closed(origin, size, canon.b64(root), reason)
            draft = books.act_draft(node, actor.office_id, act, version=version)
            books.state(node, unit, following, version, [draft])
            node.epoch += 1
            return following
    finally:
        node.signs = signs


def _catch_up(node: Node, unit: Unit, stem: str, heads: Heads) -> None:
    """Know of generations that a peer holds and that were begun after this store was backed up."""
    held = [canon.parse_origin(origin)[2] for origin in heads if origin.rpartition("/")[0] == f"{node.me}/{stem}"]
    newest = generation(unit, node.me, stem)
    for missed in range(newest + 1, max(held, default=0) + 1):
        before = unit.logs.open(Origin(f"{node.me}/{stem}/{missed - 1}"), node.me, own=True)
        if before.state is LogState.OPEN:
            unit.logs.set_state(before.id, LogState.CLOSED)
        unit.logs.open(Origin(f"{node.me}/{stem}/{missed}"), node.me, own=True)


def largest(node: Node, wires: Mapping[PartyId, Wire]) -> dict[Origin, Head]:
    """Return the largest checkpoint of each of our logs that any peer holds."""
    found: dict[Origin, Head] = {}
    with node.store.read() as unit:
        key = witness.log_key(node, unit, node.me)
    for wire in wires.values():
        try:
            heads = sync.decode_heads(wire.ask(sync.Heads()).body)
        except ComityError:
            continue
        for note in [*(log.note for log in heads.logs), *([heads.witnessed] if heads.witnessed else [])]:
            try:
                head = sync.check_head(note, key)
            except Theirs:
                continue
            origin = Origin(head.checkpoint.origin)
            if origin not in found or found[origin].checkpoint.size < head.checkpoint.size:
                found[origin] = head
    return found
