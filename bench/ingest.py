"""How fast a node takes STIX in, end to end, beside the libraries and the server that the field uses.

    python -m bench.ingest [--objects 50000 | --full] [--opentaxii PYTHON] [--json]

End to end is: cut from a stream that is never held, every check, observables, class, index, log, durable commit,
signature. Beside it `stix2` only parses, `stix2-validator` makes the same checks, and OpenTAXII, if a Python that has
it is named, takes the same objects in envelopes of 500 into SQLite (see `bench/opentaxii_peer.py`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.feed import Feed
from bench.measure import Rate, Report, Watch, arguments, best, calibrate, disk_bytes, peak_megabytes, size
from comity.boot.checking import check_beside
from comity.node import ingest
from comity.statement import Marking
from comity.testing.world import World
from comity.vocab import Tlp

PEER_OBJECTS = 1_000  # parsed by `stix2`
VALIDATED = 200  # of them validated by `stix2-validator`
POSTED = 5_000  # sent to OpenTAXII, which takes several hundred a second
QUICK, FULL = 50_000, 1_000_000


def take_in(report: Report, count: int, folder: Path) -> Rate:
    """Ingest a bundle of `count` indicators into a durable node; note rate, memory and disk."""
    world = World(1, 1, folder, durability="full")
    (one,) = world.people
    before = disk_size(one.path)
    feed, watch = Feed(), Watch()
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    with watch.running():
        done = ingest.ingest(one.node, one.actor, source, feed.bundle(count, watch), check=check_beside)
    assert done.kept == count, done.report
    world.close()
    rate = watch.rate(count)
    report.rate("ingest, end to end, durable", rate, 25_000)
    report.figure("peak memory, MB", peak_megabytes(), 400)
    report.figure("bytes of an indicator as its producer wrote it", feed.bytes / count)
    report.figure("bytes of disk per indicator", (disk_bytes(one.path) - before) / count, 450)
    return rate


def disk_size(path: Path) -> int:
    """Return the bytes of an open node's file that are there before anything is taken in."""
    return path.stat().st_size


def libraries(report: Report) -> dict[str, Rate]:
    """Measure the libraries on the first objects of the same feed."""
    import stix2
    from stix2validator import ValidationOptions, validate_instance

    trees = [msgspec.json.decode(data) for data in Feed().objects(PEER_OBJECTS)]
    options = ValidationOptions(version="2.1")
    validate_instance(trees[0], options)  # reads its schemas

    def validate() -> None:
        assert all(validate_instance(tree, options).is_valid for tree in trees[:VALIDATED])

    found = {
        "stix2.parse alone": best(len(trees), lambda: [stix2.parse(tree) for tree in trees]),
        "stix2-validator": best(VALIDATED, validate, rounds=2),
    }
    for name, rate in found.items():
        report.rate(name, rate)
    return found


def opentaxii(report: Report, python: str, folder: Path) -> Rate:
    """Measure OpenTAXII in its own interpreter, on the same objects."""
    sent = folder / "objects.ndjson"
    sent.write_bytes(b"\n".join(Feed().objects(POSTED)))
    script = Path(__file__).with_name("opentaxii_peer.py")
    ran = subprocess.run([python, script, sent, folder], capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        raise SystemExit(f"{python} could not run OpenTAXII:\n{ran.stderr[-2_000:]}")
    rate = Rate(*msgspec.json.decode(ran.stdout, type=tuple[float, float]))
    report.rate("OpenTAXII, POST accepted", rate)
    return rate


def main() -> int:
    parser = arguments(__doc__.partition("\n")[0], objects=QUICK, full=FULL)
    parser.add_argument("--opentaxii", metavar="PYTHON", help="an interpreter in which `opentaxii` can be imported")
    options = parser.parse_args()
    count = size(options)
    report = Report(f"{count:,} indicators in one bundle", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ours = take_in(report, count, Path(folder))
        found = libraries(report)
        if options.opentaxii:
            found["OpenTAXII"] = opentaxii(report, options.opentaxii, Path(folder))
        for (name, rate), times in zip(found.items(), (10, 30, 40), strict=False):
            report.figure(f"times as fast as {name}", ours.clock / rate.clock, times)
            report.figure(f"times as fast as {name}, by processor time", ours.processor / rate.processor)
    report.show(as_json=options.json)
    if not options.opentaxii and not options.json:
        print("OpenTAXII was not measured: name a Python that has it with --opentaxii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
