"""A node that appends until it is killed: what it signs it prints before it keeps it, what is acknowledged after.

Rules: run as a program of its own, `python appender.py FILE SEED`. Keys come from a constant, so that every
process is the same party; everything else is what a node of a user does.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from random import Random
from typing import Final

from comity import canon, party
from comity.boot.keys import LOG, NEXT_ROOT, REQUEST, ROOT, WITNESS, KeySigner
from comity.canon import OfficeId, Origin, PartyId
from comity.node import books, parties, views
from comity.node.node import CARDS, Node
from comity.statement import INTEL_OBJECT, STIX_MEDIA, Header, encode_header
from comity.stores import sqlite
from comity.stores.sqlite import SqliteStore
from comity.testing import world
from comity.tlog.checkpoint import parse_checkpoint

ME: Final = PartyId("cert.arcadia.example")
HOME: Final = canon.home_origin(ME, 1)
SECRETS: Final = {kind: world._key(7, ME, kind) for kind in (ROOT, NEXT_ROOT, LOG, WITNESS, REQUEST)}


def say(*words: object) -> None:
    """Print one line, whole and at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Talking(KeySigner):
    """Says what it signs before anybody gets it: a signature that left the key counts, kept or not."""

    def checkpoint(self, origin: Origin, text: bytes) -> bytes:
        checkpoint = parse_checkpoint(text)
        say("signed", checkpoint.size, checkpoint.root.hex())
        return super().checkpoint(origin, text)


def compose(path: Path) -> tuple[Node, SqliteStore]:
    """Return the node whose store is in `path`, as it starts."""
    store = sqlite.open_store(path, views.VIEWS, durability="full")
    chance = Random(time.time_ns())  # other salts in every life: a tree made again would be another
    node = Node(ME, store, Talking(ME, SECRETS.__getitem__), lambda: world.START, chance.randbytes)
    with store.read() as unit:
        known = unit.documents.get(CARDS, ME) is not None
    if not known:
        signed = party.sign_card(world._card(ME, 0, SECRETS), SECRETS[ROOT])
        with store.write() as unit:
            parties.put_own(node, unit, signed)
    return node, store


def main(path: Path, seed: int) -> None:
    """Append batches for ever."""
    chance = Random(seed)
    node, store = compose(path)
    node.settle()
    header = encode_header(
        Header(v=1, kind=INTEL_OBJECT, office=OfficeId("csirt"), accord=0, at=world.START, media=STIX_MEDIA)
    )
    say("ready")
    while True:
        bodies = list(world.indicators(chance, chance.choice((1, 3, 40, 300))))
        with node.writing() as unit:
            books.append(node, unit, HOME, 0, [books.Draft(header, body) for body in bodies])
        with store.read() as unit:
            log = unit.logs.find(HOME)
        assert log is not None
        assert log.signed == log.size
        say("acknowledged", log.size, log.root.hex(), base64.b64encode(log.note).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
