"""How fast a node puts statements on record in an accord, every batch durable and signed.

    python -m bench.author [--objects 40000 | --full] [--json]

`state` is what an author does with bytes at hand; `share` restates what was collected before: it reads the objects,
decides for every office of every member, shares their bytes and records on the home log what was passed on.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path

from bench.feed import Feed
from bench.measure import Report, Watch, arguments, calibrate, size
from comity import statement
from comity.canon import AccordId, Instant
from comity.limits import BATCH_ENTRIES_MAX
from comity.node import books, ingest
from comity.statement import INTEL_OBJECT, STIX_MEDIA, Header, Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp

ACCORD = AccordId("three-shores")
QUICK, FULL = 40_960, 204_800


def state(one: Inhabitant, accord: AccordId, count: int, now: Instant) -> Watch:
    """State indicators in an accord, batch by batch; every batch is durable and signed before the next begins."""
    marking, office = Marking(Tlp.GREEN), one.actor.office_id
    header = statement.encode_header(
        Header(v=1, kind=INTEL_OBJECT, office=office, accord=1, at=now, media=STIX_MEDIA, marking=marking)
    )
    watch, made = Watch(), Feed(2).objects(count)
    while drafts := [books.Draft(header, data) for data in islice(made, BATCH_ENTRIES_MAX)]:
        with watch.running(), one.node.writing() as unit:
            books.state(one.node, unit, books.accord_origin(one.node, unit, accord), 1, drafts)
    return watch


def share(one: Inhabitant, accord: AccordId, count: int) -> Watch:
    """Collect indicators, then share them all."""
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(one.node, one.actor, source, Feed(3).bundle(count))
    watch = Watch()
    with watch.running():
        with one.store.read() as unit:
            places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        done = one.services.sharing.share(one.actor, accord, places)
    assert done.stated == count, done
    return watch


def main() -> int:
    parser = arguments("Rates of putting statements on record.", objects=QUICK, full=FULL)
    options = parser.parse_args()
    count = size(options)
    report = Report(f"{count:,} statements in batches of {BATCH_ENTRIES_MAX:,}", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        world = World(1, 2, Path(folder), durability="full")
        accord = world.accord(ACCORD, world.people)
        report.rate("state, durable and signed", state(world.people[0], accord, count, world.now).rate(count), 25_000)
        report.rate("share what was collected", share(world.people[1], accord, count).rate(count))
        world.close()
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
