"""How long a retraction, a narrowing and a correction of one object take in a store of many, end to end.

    python -m bench.retract [--objects 100000 | --full] [--json]

Arcadia collects indicators and shares them all with Borealia, which relays some of them to Cascadia. Then objects are
picked by their values, one at a time, and acted on in turn: retracted, narrowed, corrected. Each time is by the clock,
of the whole step, on disk and signed: at the author from the value that an analyst names to the acts on its home and
accord logs; at a holder the pull that brings them, until a look-up shows them; at the next holder the same by the
relay's own act. The nodes are of one process, without TLS. Earlier acts are on record, so that lists are not empty.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import feed
from bench.feed import Feed
from bench.measure import Report, arguments, calibrate, peak_megabytes, size
from comity.acts import Narrow
from comity.boot.collecting import collect_rarely
from comity.canon import AccordId
from comity.node import acting, complying, correcting, ingest
from comity.node.queries import Found, Witness
from comity.node.syncing import Outcome
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp

QUICK, FULL = 100_000, 1_000_000
AIM = 50  # milliseconds, found and acted on
EACH = 16  # objects for each kind of act
EARLIER = 1_000  # acts that are on record before
NEAR, FAR = AccordId("near-shores"), AccordId("far-shores")
LATER = b'"modified":"2029-01-01T00:00:00.000Z"'


class Step(NamedTuple):
    """One kind of act: its name, how it is done to one own object, and whether a witness in a look-up shows that."""

    name: str
    act: Callable[[Inhabitant, int], object]
    shown: Callable[[Witness], bool]


def settle(folder: Path, count: int, picked: Sequence[int]) -> World:
    """Return three parties of which the second holds everything the first has, and the third what is picked."""
    world = World(1, 3, folder, durability="full")
    arcadia, borealia, cascadia = world.people
    world.accord(NEAR, [arcadia, borealia])
    world.accord(FAR, [borealia, cascadia])
    with arcadia.node.writing() as unit:
        source = ingest.put_source(unit, arcadia.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(arcadia.node, arcadia.actor, source, Feed().bundle(count))
    with arcadia.store.read() as unit:
        places = [at for at, _ in arcadia.services.queries.home_objects(unit, source="feed", type_="", after=0)]
    arcadia.services.sharing.share(arcadia.actor, NEAR, places)
    chosen = [place for number in picked for place in witnesses(look_up(arcadia, number))]
    acting.consent(arcadia.actor, arcadia.node, chosen, [f"{cascadia.name}/csirt"], 0)
    pull(world, borealia, arcadia)
    held = [place for number in picked for place in witnesses(look_up(borealia, number))]
    relayed = borealia.services.sharing.share(borealia.actor, FAR, held)
    assert relayed.relayed >= len(picked), relayed
    pull(world, cascadia, borealia)
    return world


def pull(world: World, asker: Inhabitant, peer: Inhabitant) -> None:
    done = world.pull(asker, peer)
    assert isinstance(done, Outcome), done
    assert not done.faults and not done.unchanged, done


def look_up(one: Inhabitant, number: int) -> Sequence[Found]:
    with one.store.read() as unit:
        return one.services.queries.lookup(unit, one.actor, feed.value(number))


def witnesses(found: Sequence[Found]) -> list[int]:
    return [witness.position for each in found for witness in each.witnesses]


def retract(one: Inhabitant, at: int) -> None:
    acting.retract(one.actor, one.node, [at], "the domain has a new owner")


def narrow(one: Inhabitant, at: int) -> None:
    acting.narrow(one.actor, one.node, [at], Narrow((), Tlp.AMBER, reason="the source asked"))


def correct(one: Inhabitant, at: int) -> None:
    with one.store.read() as unit:
        data = one.services.queries.body(unit, at)
    start = data.index(b'"modified":"')
    mended = data[:start] + LATER + data[data.index(b'"', start + 12) + 1 :]
    done = correcting.correct(one.node, one.services.sharing, one.actor, at, mended, "a mended version")
    assert done.stated == [NEAR], done


STEPS = (
    Step("retraction", retract, lambda witness: witness.retracted),
    Step("narrowing", narrow, lambda witness: witness.marking is not None and witness.marking.tlp is Tlp.AMBER),
    Step("correction", correct, lambda witness: bool(witness.corrected_by)),
)


def earlier(one: Inhabitant, numbers: Sequence[int]) -> None:
    """Put acts on record, one for each object."""
    for number in numbers:
        retract(one, witnesses(look_up(one, number))[0])


class Times:
    """Milliseconds of one step, in all its rounds."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def run(self, work: Callable[[], None]) -> None:
        began = time.perf_counter()
        work()
        self.found.append((time.perf_counter() - began) * 1_000)

    def show(self, report: Report, name: str) -> None:
        report.figure(f"{name}, ms", statistics.median(self.found), AIM)
        report.figure(f"{name}, the slowest, ms", max(self.found))


def measure(report: Report, world: World, step: Step, picked: Sequence[int]) -> None:
    """Act on objects one at a time, and see each through to the last holder."""
    arcadia, borealia, cascadia = world.people
    author, holder, relayed = Times(), Times(), Times()

    def first(number: int) -> None:
        step.act(arcadia, witnesses(look_up(arcadia, number))[0])

    def seen(asker: Inhabitant, peer: Inhabitant, number: int) -> None:
        pull(world, asker, peer)
        found = [witness for each in look_up(asker, number) for witness in each.witnesses]
        assert any(map(step.shown, found)), (step.name, number, found)

    for number in picked:
        world.now += 1
        author.run(lambda number=number: first(number))  # type: ignore[misc]
        holder.run(lambda number=number: seen(borealia, arcadia, number))  # type: ignore[misc]
        relayed.run(lambda number=number: seen(cascadia, borealia, number))  # type: ignore[misc]
    author.show(report, f"{step.name} found and stated, at the author")
    holder.show(report, f"{step.name} pulled and shown, at a holder")
    relayed.show(report, f"{step.name} pulled and shown, behind a relay")


def overview(report: Report, one: Inhabitant) -> None:
    """List every act and who has complied."""
    times = Times()

    def listed() -> None:
        with one.store.read() as unit:
            assert len(complying.told(one.node, one.services.accords, unit, one.actor.office_id)) >= EARLIER

    for _ in range(3):
        times.run(listed)
    report.figure("every act and who has complied, ms", min(times.found))


def main() -> int:
    options = arguments("What acts about one object take.", objects=QUICK, full=FULL).parse_args()
    count = size(options)
    collect_rarely()  # as the program itself does
    report = Report(f"{count:,} indicators held, {EARLIER:,} acts on record", calibrate())
    chosen = random.Random(7).sample(range(1, count, 4), len(STEPS) * EACH + EARLIER)  # domains: no two share one
    picked, before = chosen[: len(STEPS) * EACH], chosen[len(STEPS) * EACH :]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        world = settle(Path(folder), count, picked)
        earlier(world.people[0], before)
        pull(world, world.people[1], world.people[0])
        for at, step in enumerate(STEPS):
            measure(report, world, step, picked[at * EACH : (at + 1) * EACH])
        overview(report, world.people[0])
        report.figure("peak memory, MB", peak_megabytes())
        world.close()
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
