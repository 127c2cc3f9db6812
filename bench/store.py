"""How fast a node's store writes, reads and looks up, and how much disk an indicator takes.

    python -m bench.store [--objects 100000] [--json]

Rates are for one thread of one process, by the clock and by its own processor time: on a machine that does other
things too, only the second means anything. Each has its ratio to the calibration of the same run: inserting the same
bodies into a plain two-column SQLite table with the same durability, and reading them from it by random key.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.measure import Rate, Watch
from bench.measure import best as rate
from comity import canon
from comity.areas import intel
from comity.boot.keys import KeySigner
from comity.canon import PartyId
from comity.node import books, views
from comity.node.books import Draft
from comity.node.node import Node
from comity.node.ports import NewEntry, position
from comity.stores import sqlite
from comity.stores.sqlite import SqliteStore
from comity.tlog.leaf import leaf_hashes_of
from comity.tlog.merkle import Frontier
from comity.view import Row
from comity.vocab import Held

BATCH = 4_096  # entries in one durable unit of work
ASKED = 50_000  # values looked up, half of them known
MANY = 1_000  # values asked at once
AUTHORED = 200_000  # indicators written through a whole node, at most
ME = PartyId("cert.arcadia.example")
ORIGIN = canon.home_origin(ME, 1)
HEADER = b'{"accord":0,"kind":"intel.object","media":"application/stix+json;version=2.1","office":"csirt","v":1}'
INDICATOR = (
    '{"type":"indicator","spec_version":"2.1","id":"indicator--%s","created_by_ref":"identity--%s",'
    '"created":"%s","modified":"%s","name":"%s","description":"%s","indicator_types":["%s"],'
    '"pattern":"[file:hashes.\'SHA-256\' = \'%s\']","pattern_type":"stix","pattern_version":"2.1",'
    '"valid_from":"%s","valid_until":"%s","labels":["%s","%s"],"confidence":%d,'
    '"object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]}'
)
FAMILIES = [f"{first} {second}" for first in ("Grey", "Salt", "Iron", "Pale") for second in ("Heron", "Loom", "Tern")]
SENTENCES = [
    "Payload dropped by the loader seen in the wave of invoices",
    "Second stage fetched over HTTPS from a compromised shop",
    "Sample shared by a member, analysed in a sandbox, no attribution",
    "Document with a macro that starts the downloader",
]


class Sample:
    """Indicators as producers write them: random ids, hashes and times between words that repeat."""

    def __init__(self, objects: int) -> None:
        self.chance = random.Random(1)
        self.producers = [self._uuid() for _ in range(20)]
        self.ids = [self._uuid() for _ in range(objects)]
        self.hashes = [self.chance.randbytes(32).hex() for _ in range(objects)]
        self.bodies = [self._body(at) for at in range(objects)]
        self.keys = [sha256(b"sha256\0" + value.encode()).digest()[:16] for value in self.hashes]

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(bytes=self.chance.randbytes(16), version=4)

    def _time(self) -> str:
        days, rest = divmod(self.chance.randrange(365 * 86_400_000), 86_400_000)
        hours, rest = divmod(rest, 3_600_000)
        return (
            f"2026-{days // 31 + 1:02}-{days % 28 + 1:02}T{hours:02}:{rest // 60_000:02}:{rest % 60_000 / 1_000:06.3f}Z"
        )

    def _body(self, at: int) -> bytes:
        pick, created = self.chance.choice, self._time()
        family = pick(FAMILIES)
        return (
            INDICATOR
            % (
                *(self.ids[at], pick(self.producers), created, created, f"{family} sample", pick(SENTENCES)),
                *(pick(("malicious-activity", "anomalous-activity")), self.hashes[at], created, self._time()),
                *(family.lower(), pick(("malware", "loader", "phishing")), self.chance.randrange(100)),
            )
        ).encode()

    def batches(self) -> Iterator[tuple[int, list[NewEntry]]]:
        """Yield what the author appends, batch by batch, in units of `BATCH`."""
        for start in range(0, len(self.bodies), BATCH):
            yield (
                start,
                [
                    NewEntry(self.chance.randbytes(32), Held.PAYLOAD, HEADER, self.chance.randbytes(16), body)
                    for body in self.bodies[start : start + BATCH]
                ],
            )

    def rows(self, log_id: int, start: int) -> tuple[list[Row], list[Row]]:
        """Return the object rows and the observable rows of a batch."""
        indexes = range(start, min(start + BATCH, len(self.bodies)))
        objects: list[Row] = [
            (position(log_id, n), self.ids[n].bytes, 7, 1_780_000_000_000_000 + n * 1_000_003, 1_790_000_000 + n, 0)
            for n in indexes
        ]
        values: list[Row] = [
            (at, self.keys[n], intel.object_number(self.ids[n].bytes), *others)
            for n, (at, _, *others) in zip(indexes, objects, strict=True)
        ]
        return objects, values


def fill(store: SqliteStore, sample: Sample) -> dict[str, Rate]:
    """Write everything, each batch durable; return entries a second, and those with the rows of their views."""
    with store.write() as unit:
        log_id = unit.logs.open(ORIGIN, ME, own=True).id
    frontier, appending, indexing = Frontier(), Watch(), Watch()
    for start, entries in sample.batches():
        objects, values = sample.rows(log_id, start)
        appending.start()
        with store.write() as unit:
            frontier.extend(leaf_hashes_of(b"".join([entry.commitment for entry in entries])))
            unit.entries.append(log_id, start, entries)
            unit.logs.advance(log_id, start, frontier.size, frontier.root(), frontier.encode())
        appending.stop()
        indexing.start()
        with store.write() as unit:
            unit.views.put(intel.OBJECT, objects)
            unit.views.put(intel.OBSERVABLE, values)
        indexing.stop()
    count = len(sample.bodies)
    return {"append, durable": appending.rate(count), "index, durable": indexing.rate(count)}


def author(path: Path, sample: Sample) -> dict[str, Rate]:
    """Write as a node does: salts, commitments, tree, rows, all durable; then the signature, durable too."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    store = sqlite.open_store(path, views.VIEWS)
    node = Node(ME, store, KeySigner(ME, lambda _: key), lambda: 1_790_000_000, random.Random(3).randbytes)
    watch, count, written = Watch(), min(AUTHORED, len(sample.bodies)), 0
    for start in range(0, count, BATCH):
        drafts = [Draft(HEADER, body) for body in sample.bodies[start : start + BATCH]]
        objects, values = sample.rows(1, start)
        watch.start()
        with node.writing() as unit:
            first = books.append(node, unit, ORIGIN, 0, drafts)
            unit.views.put(intel.OBJECT, objects)
            unit.views.put(intel.OBSERVABLE, values)
        watch.stop()
        assert first == position(1, start)
        written += len(drafts)
    store.close()
    return {"author, all of it, durable": watch.rate(written)}


def look_up(store: SqliteStore, sample: Sample) -> dict[str, Rate]:
    """Return random reads a second, and values looked up a second, one at a time and many at once."""
    count = min(ASKED, len(sample.bodies))
    picks = [sample.chance.randrange(len(sample.bodies)) for _ in range(count)]
    asked = [sample.keys[n] if n % 2 else sample.chance.randbytes(16) for n in picks]
    with store.read() as unit:
        log_id = unit.logs.all()[0].id
        one, many, read = unit.lookups.one, unit.lookups.many, unit.entries.read
        parts = [asked[start : start + MANY] for start in range(0, count, MANY)]
        found = sum(len(one(intel.OBSERVABLE, value)) for value in asked)
        assert found == sum(n % 2 for n in picks)
        assert all(read(log_id, n, n + 1)[0].body == sample.bodies[n] for n in picks[:1_000])
        return {
            "look-up, one at a time": rate(count, lambda: [one(intel.OBSERVABLE, v) for v in asked]),
            "look-up, 1,000 at once": rate(count, lambda: [many(intel.OBSERVABLE, p) for p in parts]),
            "payload, at random": rate(count, lambda: [read(log_id, n, n + 1) for n in picks]),
            "payloads, in order": rate(
                len(sample.bodies),
                lambda: [read(log_id, n, n + BATCH) for n in range(0, len(sample.bodies), BATCH)],
            ),
        }


def calibrate(path: Path, bodies: Sequence[bytes]) -> tuple[Rate, Rate]:
    """Return rows a second written to and read from a plain table of the same bodies."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB)")
    writing = Watch()
    writing.start()
    for start in range(0, len(bodies), BATCH):
        with connection:
            connection.executemany("INSERT INTO body VALUES (?, ?)", enumerate(bodies[start : start + BATCH], start))
    writing.stop()
    chance = random.Random(2)
    picks = [chance.randrange(len(bodies)) for _ in range(min(ASKED, len(bodies)))]
    query = "SELECT data FROM body WHERE id = ?"
    read = rate(len(picks), lambda: [connection.execute(query, (n,)).fetchone() for n in picks])
    connection.close()
    return writing.rate(len(bodies)), read


def disk(path: Path, objects: int) -> dict[str, float]:
    """Return bytes of disk per indicator: in all, and of each table and index that takes more than one."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC").fetchall()
    connection.close()
    sizes = {str(name): int(size) / objects for name, size in rows}  # type: ignore[arg-type]
    return {"in all": path.stat().st_size / objects, **{name: size for name, size in sizes.items() if size >= 1}}


class Found(NamedTuple):
    """What was measured."""

    calibration: dict[str, Rate]
    rates: dict[str, Rate]
    body_bytes: float
    disk_bytes: dict[str, float]

    def ratio(self, name: str) -> float:
        """Return the processor's ratio of a rate to that of the plain table."""
        base = self.calibration["plain table, written" if "durable" in name else "plain table, read at random"]
        return self.rates[name].processor / base.processor


def measure(objects: int, folder: Path) -> Found:
    sample = Sample(objects)
    written, read = calibrate(folder / "plain.db", sample.bodies)
    store = sqlite.open_store(folder / "node.db", views.VIEWS)
    try:
        rates = {**author(folder / "author.db", sample), **fill(store, sample), **look_up(store, sample)}
    finally:
        store.close()
    return Found(
        {"plain table, written": written, "plain table, read at random": read},
        rates,
        sum(map(len, sample.bodies)) / objects,
        disk(folder / "node.db", objects),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates and disk of a node's store.")
    parser.add_argument("--objects", type=int, default=100_000, help="indicators, 1.2 kB of memory each")
    parser.add_argument("--folder", type=Path, help="where the files go; by default a temporary folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(arguments.objects, Path(folder))
    if arguments.json:
        print(json.dumps({"objects": arguments.objects, **found._asdict()}))
        return 0
    print(
        f"{arguments.objects:,} indicators of {found.body_bytes:.0f} bytes; ratio 1 is the plain table of the same run"
    )
    print(f"{'':<30} {'/s':>12} {'/processor s':>14} {'ratio':>8}")
    for name, (clock, processor) in found.calibration.items():
        print(f"{name:<30} {clock:>12,.0f} {processor:>14,.0f}")
    for name, (clock, processor) in found.rates.items():
        print(f"{name:<30} {clock:>12,.0f} {processor:>14,.0f} {found.ratio(name):>8.2f}")
    print("bytes of disk per indicator")
    for name, value in found.disk_bytes.items():
        print(f"{name:<40} {value:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
