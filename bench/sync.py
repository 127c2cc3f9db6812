"""How fast intelligence passes between nodes over TLS, and what it weighs on the wire.

    python -m bench.sync [--objects 20000 | --full] [--json]

Arcadia shares what it collected; Borealia pulls, verifies, indexes and keeps it; Borealia relays a part, to which
Arcadia consented, into an accord with Cascadia, which pulls it with every original's proof. All are durable and speak
TLS on loopback, as `comity serve` does. Both ends are in one process, so the second core gains nothing. The wire is
the bodies of requests and answers; HTTP's headers and TLS add less than one byte for each indicator.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import msgspec

from bench.feed import Feed
from bench.measure import Report, Watch, arguments, calibrate, size
from comity import sync
from comity.areas import intel
from comity.boot.turns import Turns
from comity.canon import AccordId
from comity.http.fetch import Fetcher
from comity.http.listen import Listener, Tcp
from comity.http.tls import pin_of, self_signed, server_context
from comity.node import acting, ingest
from comity.node.ports import Wire, position
from comity.party import Tls
from comity.statement import Marking
from comity.sync import Answer
from comity.testing.world import Inhabitant, World
from comity.transports import native
from comity.vocab import Tlp

QUICK, FULL = 20_000, 100_000
RELAYED_PART = 5  # one indicator in five is relayed


class Weighed:
    """A wire that weighs what passes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.bytes = 0

    def ask(self, request: sync.AnyRequest) -> Answer:
        answer = self._wire.ask(request)
        self.bytes += len(sync.encode_request(request)) + len(answer.body)
        return answer


@contextmanager
def wired(world: World, asker: Inhabitant, peer: Inhabitant, folder: Path) -> Iterator[Weighed]:
    """Serve a node on loopback as `comity serve` does, and yield another's way to it."""
    made = self_signed(("127.0.0.1",), at=world.now)
    certificate, key = folder / f"{peer.name}.pem", folder / f"{peer.name}.key"
    certificate.write_bytes(made.certificate)
    key.write_bytes(made.key)
    address: list[str] = []
    turns = Turns()
    app = native.application(peer.node, peer.services.serving, lambda: address[0], turns.mine)
    listener = Listener(app, Tcp("127.0.0.1", 0, server_context(certificate, key)))
    listener.start()
    address.append(f"https://127.0.0.1:{listener.port}")
    tls = Tls(pin_of(made.certificate), made.certificate.decode())
    card = msgspec.structs.replace(peer.card().card, address=address[0], tls=tls)
    fetcher = Fetcher(allow=[ip_network("127.0.0.0/8")])
    node = asker.node
    try:
        yield Weighed(native.NativeWire(fetcher, card, me=node.me, sign=node.signer.request, clock=node.clock))
    finally:
        fetcher.close()
        listener.stop()


def pulled(world: World, asker: Inhabitant, peer: Inhabitant, folder: Path, count: int) -> tuple[Watch, float]:
    """Pull everything from a peer; return the time, and the bytes on the wire for each of `count` indicators."""
    world.now += 1
    watch = Watch()
    with wired(world, asker, peer, folder) as wire:
        with watch.running():
            outcome = asker.services.syncing.pull(peer.name, wire)
        assert outcome.payloads >= count and not outcome.faults, outcome
        return watch, wire.bytes / max(count, 1)


def direct(report: Report, world: World, folder: Path, count: int) -> None:
    """Arcadia shares what it collected before; Borealia pulls it."""
    arcadia, borealia, cascadia = world.people
    accord = world.accord(AccordId("two-shores"), [arcadia, borealia])
    pulled(world, borealia, arcadia, folder, 0)
    with arcadia.node.writing() as unit:
        source = ingest.put_source(unit, arcadia.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(arcadia.node, arcadia.actor, source, Feed().bundle(count))
    sharing = Watch()
    with sharing.running():
        with arcadia.store.read() as unit:
            found = arcadia.services.queries.home_objects(unit, source="feed", type_="", after=0)
            places = [at for at, _ in found]
        arcadia.services.sharing.share(arcadia.actor, accord, places)
    acting.consent(arcadia.actor, arcadia.node, places[: count // RELAYED_PART], [f"{cascadia.name}/csirt"], 0)
    pulling, weight = pulled(world, borealia, arcadia, folder, count)
    report.rate("shared", sharing.rate(count))
    report.rate("pulled, verified, indexed, both ends", pulling.rate(count))
    seconds = (sharing.clock + pulling.clock) * 100_000 / count
    report.figure("seconds to share and sync 100,000 at this rate", seconds, 15)
    report.figure("the same in processor seconds", (sharing.processor + pulling.processor) * 100_000 / count)
    report.figure("bytes on the wire per indicator, direct", weight, 155)


def relayed(report: Report, world: World, folder: Path, count: int) -> None:
    """Borealia relays a part to an accord with Cascadia, which pulls it."""
    _, borealia, cascadia = world.people
    accord = world.accord(AccordId("far-shores"), [borealia, cascadia])
    pulled(world, cascadia, borealia, folder, 0)
    with borealia.store.read() as unit:
        (log,) = [log for log in unit.logs.all() if log.party == world.people[0].name]
        rows = unit.views.scan(intel.OBJECT, position(log.id, 0), position(log.id, log.size), limit=count)
        places = [int(row[0] or 0) for row in rows]
    watch = Watch()
    with watch.running():
        done = borealia.services.sharing.share(borealia.actor, accord, places)
    assert done.relayed == count, done
    pulling, weight = pulled(world, cascadia, borealia, folder, count)
    report.rate("relayed, each with its proof", watch.rate(count))
    report.rate("relays pulled, proofs verified, indexed", pulling.rate(count))
    report.figure("bytes on the wire per indicator, relayed", weight, 450)


def main() -> int:
    options = arguments("Rates of sync over TLS.", objects=QUICK, full=FULL).parse_args()
    count = size(options)
    report = Report(f"{count:,} indicators shared, {count // RELAYED_PART:,} of them relayed", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder = Path(made)
        world = World(1, 3, folder, durability="full")
        direct(report, world, folder, count)
        relayed(report, world, folder, count // RELAYED_PART)
        world.close()
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
