"""How fast a node says what it knows of a value: who says so, from which source, under which marking, until when.

    python -m bench.lookup [--objects 100000 | --full] [--json]

Every answer is what the command line and the API get, inside the process: the value is recognised as a person writes
it, every entry is judged for the office that asks, versions and witnesses are grouped. Half the values are known.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from bench import feed
from bench.feed import Feed
from bench.measure import Rate, Report, Watch, arguments, best, calibrate, peak_megabytes, size
from comity.areas.intel.interests import Interest
from comity.areas.intel.questions import Subject, Why
from comity.boot.collecting import collect_rarely
from comity.node import correlating, feeding, ingest, knowing, scoring
from comity.node.feeding import Sieve, Sifted
from comity.node.ports import Unit
from comity.node.queries import Found
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp

ASKED = 50_000  # values
BATCH = 10_000  # values in one call, as the command line asks
READ = 50_000  # payloads
LISTED = 100_000  # objects
EVENT = 10_000  # values
ASKED_FOR = 1_000  # entries of one list of an interest
QUICK, FULL = 100_000, 1_000_000


def filled(folder: Path, count: int) -> World:
    world = World(1, 1, folder, durability="full")
    (one,) = world.people
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(one.node, one.actor, source, Feed().bundle(count))
    return world


def answers(report: Report, one: Inhabitant, count: int) -> None:
    """Look values up in every way."""
    chance = random.Random(4)
    picks = [chance.randrange(count) for _ in range(ASKED)]
    asked = [feed.value(n if at % 2 else n + count) for at, n in enumerate(picks)]
    batches = [asked[start : start + BATCH] for start in range(0, ASKED, BATCH)]
    queries, actor = one.services.queries, one.actor
    with one.store.read() as unit:
        check(queries.lookup_many(unit, actor, asked))
        check([queries.lookup(unit, actor, value) for value in asked[:1_000]])
        one_by_one = best(ASKED, lambda: [queries.lookup(unit, actor, value) for value in asked])
        many = best(ASKED, lambda: [queries.lookup_many(unit, actor, batch) for batch in batches])
    report.rate("one value at a time", one_by_one, 50_000)
    report.rate("one at a time, each in a read of its own", best(ASKED, lambda: apart(one, asked)))
    report.rate(f"{BATCH:,} values at a time", many, 200_000)
    report.rate("pasted values, one line each as JSON", best(ASKED, lambda: lines(one, batches)), 100_000)


def lines(one: Inhabitant, batches: Sequence[Sequence[str]]) -> None:
    """Answer what `comity lookup -` asks of the node; the program's start and its printing are not in it."""
    encode = msgspec.json.Encoder().encode
    for batch in batches:
        with one.store.read() as unit:
            for line in knowing.known(one.services.queries, unit, one.actor, batch, one.node.now()):
                encode(line)


def lists(report: Report, one: Inhabitant) -> None:
    """Sift and weigh values for a list, as an export for sensors does before it writes them."""
    queries, now = one.services.queries, one.node.now()
    watch, done = Watch(), Sifted()
    with one.store.read() as unit:
        held = (at for at, _ in queries.home_objects(unit, source="feed", type_="", after=0))
        places = list(islice(held, LISTED))
        judge = scoring.judge(queries, one.actor, now)
        with watch.running():
            for _ in feeding.items(one.node, unit, places, Sieve(), done, at=now, judge=judge):
                pass
    assert done.given and done.left["faded"]
    rate = Rate(len(places) / watch.clock, len(places) / watch.processor)
    report.rate("objects sifted and weighed for a list", rate)


def correlation(report: Report, one: Inhabitant, count: int) -> None:
    """Compare an event of 10,000 values with all that is held."""
    chance = random.Random(6)
    event = [feed.value(chance.randrange(count)) for _ in range(EVENT)]
    watch = Watch()
    with one.store.read() as unit, watch.running():
        found = correlating.correlate_values(one.services.queries, unit, one.actor, event)
    assert found.shared == found.values
    report.figure(f"an event of {EVENT:,} values correlated, ms", watch.clock * 1_000, 1_000)


def interests(report: Report, one: Inhabitant, count: int) -> None:
    """Compare what is held with what a member asks for: its networks and domains, and then values alone."""
    networks = tuple(f"203.{n >> 8}.{n & 255}.0/24" for n in range(ASKED_FOR))
    wide = Interest(Why.HUNT, networks=networks, domains=tuple(f"organisation{n}.example" for n in range(ASKED_FOR)))
    values = [feed.value(n) for n in range(1, min(count, 4 * ASKED_FOR), 4)]  # domains
    named = Interest(Why.HUNT, values=tuple(Subject("domain", value) for value in values))
    with one.store.read() as unit:
        looked = one.services.interests.fitting(unit, one.actor, [wide]).looked
        found = len(one.services.interests.fitting(unit, one.actor, [named]).places)
        assert found == len(values)
        through = best(looked, lambda: one.services.interests.fitting(unit, one.actor, [wide]))
        by_index = best(found, lambda: one.services.interests.fitting(unit, one.actor, [named]))
    report.rate(f"objects compared with an interest in {2 * ASKED_FOR:,} networks and domains", through)
    report.rate(f"an interest in {found:,} values: values answered by the index", by_index)


def apart(one: Inhabitant, asked: Sequence[str]) -> None:
    for value in asked:
        with one.store.read() as unit:
            one.services.queries.lookup(unit, one.actor, value)


def check(found: Sequence[Sequence[Found]]) -> None:
    """Every second value is known, and each answer names source, marking and validity."""
    for at, each in enumerate(found):
        assert bool(each) or at % 2 == 0
        for answer in each:
            assert answer.until
            assert all(w.source == "feed" and w.marking is not None for w in answer.witnesses)


def payloads(report: Report, one: Inhabitant, count: int) -> None:
    """Read objects' original bytes at random places."""
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        chance = random.Random(5)
        picks = [places[chance.randrange(count)] for _ in range(READ)]
        report.rate("payload at random, its original bytes", best(READ, lambda: read(one, unit, picks)), 60_000)


def read(one: Inhabitant, unit: Unit, picks: Sequence[int]) -> None:
    for at in picks:
        one.services.queries.body(unit, at)


def main() -> int:
    options = arguments("Rates of look-ups.", objects=QUICK, full=FULL).parse_args()
    count = size(options)
    collect_rarely()  # as the program itself does
    report = Report(f"{count:,} indicators held", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        world = filled(Path(folder), count)
        (one,) = world.people
        answers(report, one, count)
        lists(report, one)
        correlation(report, one, count)
        interests(report, one, count)
        payloads(report, one, count)
        report.figure("peak memory, MB", peak_megabytes())
        world.close()
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
