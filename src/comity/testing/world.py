"""A seeded world: composed nodes over real stores, one virtual clock, one faulty network.

Rules: keys, salts, times and faults come from the seed; the same seed gives the same bytes in every log.
Nodes are the ones that users run: only clock, entropy and wires are replaced.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import canon, party
from comity.accord import Member
from comity.boot.keys import LOG, NEXT_ROOT, REQUEST, ROOT, WITNESS, KeySigner, public
from comity.canon import AccordId, Instant, OfficeId, Origin, PartyId
from comity.errors import ComityError
from comity.node import accords, ingest, parties, rebuild, views
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Durability, Store, place, position
from comity.node.services import Services, compose
from comity.node.syncing import Outcome
from comity.party import Card, Keys, Office, OfficeRef, SignedCard
from comity.statement import Marking
from comity.stores import sqlite
from comity.testing.network import NONE, Faults, Network
from comity.vocab import Held, OfficeKind, Tlp, Use

START: Final[Instant] = 1_790_000_000  # 2026-09-21: when every world begins
NAMES: Final = ("arcadia", "borealia", "cascadia", "dorado", "elysia", "florin", "genovia", "hyrule")
JURISDICTIONS: Final = ("XA", "XB", "XC", "XD")
SOURCE: Final = "world"

TEXT: Final = """form = 1
id = "{{id}}"
title = "{{title}}"
version = 1
binding = false
languages = ["en"]
community = "{{id}}"
areas = ["intel"]

[terms]
ceiling = "{{ceiling}}"

{{members}}
"""


@dataclass(slots=True)
class Inhabitant:
    """One party of a world: its node and its keys."""

    name: PartyId
    services: Services
    secrets: dict[str, Ed25519PrivateKey]
    store: Store
    path: Path

    @property
    def node(self) -> Node:
        """Return the node."""
        return self.services.node

    @property
    def actor(self) -> Actor:
        """Return a user of its only office."""
        return Actor(OfficeRef(self.name, OfficeId("csirt")), "duty")

    def card(self) -> SignedCard:
        """Return its own card."""
        with self.store.read() as unit:
            return self.node.card(unit, self.name)


class World:
    """A number of parties that know one another's cards."""

    def __init__(
        self, seed: int, size: int, directory: Path, *, faults: Faults = NONE, durability: Durability = "off"
    ) -> None:
        self.durability: Durability = durability
        self.random = Random(seed)
        self.now = START
        self.network = Network(Random(seed + 1), faults)
        self.people = [self._settle(seed, number, directory) for number in range(size)]
        self.by_name = {one.name: one for one in self.people}
        cards = {one.name: one.card().envelope.encode() for one in self.people}
        for one in self.people:
            for name, data in cards.items():
                if name != one.name:
                    parties.offer(one.node, data)
                    parties.confirm(one.node, one.actor, name)

    def _settle(self, seed: int, number: int, directory: Path) -> Inhabitant:
        stem = NAMES[number % len(NAMES)] + (str(number // len(NAMES)) if number >= len(NAMES) else "")
        name = PartyId(f"cert.{stem}.example")
        secrets = {kind: _key(seed, name, kind) for kind in (ROOT, NEXT_ROOT, LOG, WITNESS, REQUEST)}
        path = directory / f"{stem}.db"
        store = sqlite.open_store(path, views.VIEWS, durability=self.durability)
        rebuild.begin(store)
        entropy = Random(f"{seed} {name}")
        node = Node(name, store, KeySigner(name, secrets.__getitem__), lambda: self.now, entropy.randbytes)
        signed = party.sign_card(_card(name, number, secrets), secrets[ROOT])
        with store.write() as unit:
            parties.put_own(node, unit, signed)
        services = compose(node)
        self.network.nodes[name] = services.serving.answer
        return Inhabitant(name, services, secrets, store, path)

    # -- what inhabitants do ---------------------------------------------------

    def accord(self, name: str, members: Sequence[Inhabitant], *, ceiling: Tlp = Tlp.RED) -> AccordId:
        """Let parties sign an accord, the text going round as files."""
        rows = [Member(m.name, m.card().card.keys.root, m.card().card.jurisdiction) for m in members]
        text = accords.draft(TEXT, {"id": name, "title": name, "ceiling": ceiling.value}, rows).encode()
        digest = canon.digest(text)
        files: list[bytes] = []
        for one in members:
            with one.node.writing() as unit:
                one.services.accords.take_text(unit, text)
                one.services.accords.sign(unit, one.actor, digest, one.secrets[ROOT])
                files.append(one.services.accords.file(unit, digest))
        for one in members:
            with one.node.writing() as unit:
                for data in files:
                    one.services.accords.take_file(unit, data)
        return AccordId(name)

    def collect(self, one: Inhabitant, objects: Sequence[bytes], marking: Marking | None) -> list[int]:
        """Let a node ingest objects; return the positions of its home log that are new."""
        with one.node.writing() as unit:
            source = ingest.put_source(unit, one.actor, SOURCE, marking)
            before = {at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)}
        ingest.ingest(one.node, one.actor, source, [b"\n".join(objects)])
        with one.store.read() as unit:
            after = [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
        return [at for at in after if at not in before]

    def pull(self, one: Inhabitant, peer: Inhabitant, *, tell: bool = True) -> Outcome | ComityError:
        """Let a node pull from another; what the network or the peer did wrong is returned, not raised."""
        self.now += 1
        try:
            return one.services.syncing.pull(peer.name, self.network.wire(one.name, peer.name), tell=tell)
        except ComityError as error:
            return error

    def round(self, order: Callable[[list[Inhabitant]], None] | None = None) -> int:
        """Let everybody pull once from everybody; return how many pulls brought something."""
        people = list(self.people)
        (order or self.random.shuffle)(people)
        brought = 0
        for one in people:
            for peer in people:
                if peer is not one:
                    outcome = self.pull(one, peer, tell=False)
                    brought += not (isinstance(outcome, Outcome) and outcome.unchanged)
            one.services.syncing.tell()
        return brought

    def calm(self, rounds: int) -> int:
        """Heal the network and sync until nothing changes; return the rounds it took. Raises if it never ends."""
        self.network.heal()
        for number in range(rounds):
            self.now += 120  # past the wait for routine holdings
            if not self.round():
                return number
        raise AssertionError(f"the world is not calm after {rounds} rounds")

    def close(self) -> None:
        """Close every store."""
        for one in self.people:
            one.store.close()


def _key(seed: int, name: str, kind: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed} {name} {kind}".encode()).digest())


def _card(name: PartyId, number: int, secrets: dict[str, Ed25519PrivateKey]) -> Card:
    keys = Keys(
        root=canon.b64(public(secrets[ROOT])),
        next_root=party.root_digest(public(secrets[NEXT_ROOT])),
        log=canon.b64(public(secrets[LOG])),
        witness=canon.b64(public(secrets[WITNESS])),
        request=canon.b64(public(secrets[REQUEST])),
    )
    office = Office(OfficeId("csirt"), "National CSIRT", OfficeKind.CSIRT, ("en",))
    jurisdiction = JURISDICTIONS[number % len(JURISDICTIONS)]
    return Card(1, name, 1, START, name, jurisdiction, ("en",), "Etc/UTC", (office,), keys, f"https://{name}")


def indicators(random: Random, count: int, *, at: Instant = START) -> Iterator[bytes]:
    """Yield STIX 2.1 indicators with random ids and hashes, as a producer would write them."""
    for number in range(count):
        ident = uuid.UUID(int=random.getrandbits(128), version=4)
        sha256 = random.randbytes(32).hex()
        moment = _stamp(at + number)
        yield (
            f'{{"type":"indicator","spec_version":"2.1","id":"indicator--{ident}","created":"{moment}",'
            f'"modified":"{moment}","name":"Malicious file {sha256[:8]}","indicator_types":["malicious-activity"],'
            f'"pattern":"[file:hashes.\'SHA-256\' = \'{sha256}\']","pattern_type":"stix",'
            f'"valid_from":"{moment}"}}'
        ).encode()


def _stamp(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def amber(*to: str) -> Marking:
    """Return a TLP:AMBER marking for named recipients, or for everybody in the accord."""
    return Marking(Tlp.AMBER, to=to, use=(Use.DEFENCE,))


# -- comparing ---------------------------------------------------------------------


def told(one: Inhabitant, origin: Origin) -> tuple[tuple[int, bytes], dict[int, tuple[Held, str]]]:
    """Return (size, root) of a log here, and of each index what is held and all that it adds up to."""
    with one.store.read() as unit:
        log = unit.logs.find(origin)
        if log is None:
            return (0, b""), {}
        first, last = position(log.id, 0), position(log.id + 1, 0) - 1
        rows: dict[int, list[str]] = {}
        for view in views.VIEWS:
            if view in {views.PASSED, views.HOLDING}:
                continue  # of this node's own doings, and of the newest answer only
            for row in unit.views.scan(view, first, last, limit=1 << 30):
                rows.setdefault(place(int(row[0] or 0))[1], []).append(repr((view.name, row[1:])))
        entries = unit.entries.read(log.id, 0, log.size)
        return (log.size, log.root), {
            index: (entry.held, repr((entry.standing, sorted(rows.get(index, ())))))
            for index, entry in enumerate(entries)
        }
