"""A party that lies: it writes whatever it wants into its logs, and answers whatever it wants.

It has the real keys of one inhabitant of a world and none of the rules; what others see of it are bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from comity import canon, sync
from comity.acts import AnyAct
from comity.canon import AccordId, OfficeId, Origin, PartyId
from comity.errors import ComityError, NotFound
from comity.node import doctor
from comity.statement import ACT_MEDIA, MEDIA_TYPE, STIX_MEDIA, Header, Marking, encode_header
from comity.sync import Answer, Opened
from comity.testing.world import START, Inhabitant, World, amber, indicators
from comity.tlog import leaf
from comity.tlog.checkpoint import Checkpoint
from comity.tlog.merkle import Frontier, consistency_proof, inclusion_proof
from comity.vocab import Held, Tlp, Use

GREEN = Marking(Tlp.GREEN, use=(Use.DEFENCE,))


def header(kind: str = "intel.object", marking: Marking | None = GREEN, version: int = 1, **more: object) -> bytes:
    """Return header bytes of a statement of the only office."""
    media = ACT_MEDIA if kind.startswith("act.") else STIX_MEDIA
    made = Header(1, kind, OfficeId("csirt"), version, START, media, marking)
    return encode_header(msgspec.structs.replace(made, **more))


@dataclass(slots=True)
class Forged:
    """One log: its entries, and the tree over them."""

    origin: Origin
    entries: list[Opened]

    @property
    def size(self) -> int:
        return len(self.entries)

    def read(self, level: int, index: int) -> bytes:
        commitments = b"".join(e.commitment for e in self.entries[index << level : (index + 1) << level])
        return _root(commitments)

    def checkpoint(self, size: int = -1) -> Checkpoint:
        size = self.size if size < 0 else size
        return Checkpoint(self.origin, size, _root(b"".join(e.commitment for e in self.entries[:size])))

    def state(self, head: bytes, body: bytes, *, version: int = 1, commitment: bytes = b"") -> int:
        """Append a statement, well formed or not; return its index."""
        salt = secrets.token_bytes(16)
        made = commitment or leaf.commit(salt, self.origin, version, MEDIA_TYPE, head + b"\n" + body)
        self.entries.append(Opened(Held.PAYLOAD, made, head, salt, body))
        return self.size - 1

    def act(self, act: AnyAct, **more: object) -> int:
        return self.state(header(act.kind, None, **more), canon.encode(act))


def _root(commitments: bytes) -> bytes:
    tree = Frontier()
    tree.extend(leaf.leaf_hashes_of(commitments))
    return tree.root()


Tamper = Callable[[sync.AnyRequest, bytes], bytes]


@dataclass(slots=True)
class Forger:
    """The liar: `logs` is what it shows to whom, `tamper` changes its answers on their way out."""

    world: World
    one: Inhabitant
    logs: dict[Origin, Forged] = field(default_factory=dict)
    to: dict[PartyId, dict[Origin, Forged]] = field(default_factory=dict)  # others see other logs
    others: list[bytes] = field(default_factory=list)  # notes of third parties' logs
    forks: tuple[bytes, ...] = ()
    accords: tuple[sync.AccordHead, ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    home: bytes = b""
    witnessed: bytes = b""
    party: PartyId | None = None
    flash: tuple[int, ...] = ()
    grant: bytes = b""
    tamper: Tamper = lambda request, body: body
    asked: list[sync.AnyRequest] = field(default_factory=list)

    def take_over(self) -> Forger:
        """Answer from now on in place of the party's own node."""
        self.world.network.nodes[self.one.name] = self.answer
        return self

    def log(self, accord: str, generation: int = 1) -> Forged:
        """Return the log it shows in an accord: it begins as the one the party truly has."""
        origin = Origin(f"{self.one.name}/accord/{accord}/{generation}")
        if origin not in self.logs:
            self.logs[origin] = Forged(origin, list(true_entries(self.one, origin)))
        return self.logs[origin]

    def note(self, log: Forged, size: int = -1) -> bytes:
        checkpoint = log.checkpoint(size)
        return self.one.node.signer.checkpoint(log.origin, checkpoint.text())

    def answer(self, asker: PartyId, request: sync.AnyRequest) -> Answer:
        self.asked.append(request)
        return Answer(self.tamper(request, self._answer(asker, request)), secrets.token_hex(8))

    def _answer(self, asker: PartyId, request: sync.AnyRequest) -> bytes:
        logs = self.to.get(asker, self.logs)
        match request:
            case sync.Heads():
                shown = [sync.LogHead(self.note(log), self.flash, self.grant) for log in logs.values()]
                return sync.encode_heads(
                    sync.HeadsAnswer(
                        v=sync.WIRE,
                        party=self.party or self.one.name,
                        card=self.one.card().digest,
                        logs=(*shown, *(sync.LogHead(note) for note in self.others)),
                        home=self.home,
                        witnessed=self.witnessed,
                        accords=self.accords,
                        forks=self.forks,
                    )
                )
            case sync.Card():
                return self.one.card().envelope.encode()
            case sync.AccordText():
                return self.texts[request.digest]
        log = logs.get(request.origin)
        if log is None:
            raise NotFound(f"no log {request.origin}")
        match request:
            case sync.Page():
                end = min(request.end, request.size)
                entries = log.entries[request.start : end]
                if request.bare:
                    entries = [Opened(Held.WITHHELD, e.commitment, None, None, None) for e in entries]
                proof = consistency_proof(end, request.size, log.read) if end < request.size else ()
                return sync.encode_page(log.origin, request.start, entries, proof)
            case sync.Fill():
                return sync.encode_page(log.origin, request.start, log.entries[request.start : request.end])
            case sync.Ahead():
                proof = inclusion_proof(request.index, request.size, log.read)
                return sync.encode_page(log.origin, request.index, [log.entries[request.index]], proof)
            case sync.Consistency():
                return sync.encode_hashes(consistency_proof(request.first, request.second, log.read))
            case sync.Nodes():
                numbers = range(request.start, request.start + request.count)
                return sync.encode_hashes([log.read(request.level, n) for n in numbers])


def true_entries(one: Inhabitant, origin: Origin) -> Sequence[Opened]:
    """Return what a party's own store has of a log."""
    with one.store.read() as unit:
        log = unit.logs.find(origin)
        if log is None:
            return []
        return [Opened(e.held, e.commitment, e.header, e.salt, e.body) for e in unit.entries.read(log.id, 0, log.size)]


def stix(world: World) -> bytes:
    """Return one indicator."""
    return next(indicators(world.random, 1))


def value(body: bytes) -> str:
    """Return the value an indicator is about."""
    return body.decode().split("'SHA-256' = '")[1].split("'")[0]


def held(one: Inhabitant, origin: str) -> list[Held]:
    """Return what a node holds of each index of a log."""
    with one.store.read() as unit:
        log = unit.logs.find(Origin(origin))
        return [] if log is None else [b.held for b in unit.entries.brief(log.id, 0, log.size)]


def refused(one: Inhabitant) -> list[tuple[str, str, str]]:
    """Return (source, code, reason) of what is in quarantine, oldest first."""
    with one.store.read() as unit:
        return [(row[2], row[3], row[4]) for row in reversed(unit.quarantine.all(limit=10_000))]


def evidence(one: Inhabitant) -> list[bytes]:
    """Return the evidence that was kept, oldest first."""
    with one.store.read() as unit:
        return [row[5] for row in reversed(unit.quarantine.all(limit=10_000))]


def doctor_says(one: Inhabitant) -> str:
    """Return what the doctor finds, as text."""
    return "\n".join(a.what for a in doctor.examine(one.node, one.services.accords))


def found(one: Inhabitant, wanted: str) -> list[PartyId]:
    """Return the authors that a look-up names."""
    with one.store.read() as unit:
        return [w.party for f in one.services.queries.lookup(unit, one.actor, wanted) for w in f.witnesses]


def pulled(world: World, one: Inhabitant, peer: Inhabitant):  # type: ignore[no-untyped-def]
    """Pull and return the outcome; an error of the whole pull is a failure of the test."""
    outcome = world.pull(one, peer)
    assert not isinstance(outcome, ComityError), outcome
    return outcome


def assert_refused(one: Inhabitant, code: str, reason: str) -> None:
    """It is in quarantine under that name and reason, and the doctor shows it."""
    rows = refused(one)
    assert [r for r in rows if r[1] == code and reason in r[2]], rows
    assert reason in doctor_says(one)


def assert_others_go_on(world: World) -> None:
    """The victim still learns from the honest party what that one states now."""
    _, victim, honest, _ = world.people
    places = world.collect(honest, list(indicators(world.random, 1)), amber())
    honest.services.sharing.share(honest.actor, AccordId("all"), places)
    outcome = pulled(world, victim, honest)
    assert outcome.payloads and not outcome.faults
