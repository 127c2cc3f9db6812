"""How fast items go out to sensors and people: every form, beside a calibration, with the memory it takes.

    python -m bench.sensors [--objects 100000 | --full] [--form NAME] [--json]

Items are made while they are written: addresses, domains, web addresses and hashes in turn, of the kinds that the form
takes. Each form is written once, in a process of its own, so that its peak of memory is its own; the bytes go nowhere.
By the clock making the items counts too; of the processor's time it is taken off. Addresses are private ones
(RFC 1918): no range for documentation or benchmarks has a million.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

from bench import feed
from bench.measure import Rate, Report, Watch, arguments, calibrate, peak_megabytes, size
from comity.formats.sensors.item import About, Item, Skipped
from comity.formats.sensors.table import WRITERS

FORMS = (
    *("suricata", "suricata-lists", "suricata-domain", "snort3", "zeek", "rpz", "rpz-below", "hosts", "nftables"),
    *("ipset", "pf", "csv", "splunk", "elastic", "atom", "html", "list-ip", "list-domain"),
)
KINDS = ("ipv4", "domain", "url", "sha256")
QUICK, FULL = 100_000, 1_000_000
SECONDS_MAX, MEGABYTES_MAX = 20, 300  # issue 3: a million items to Suricata or RPZ
AT = 1_772_359_200
ABOUT = About("Energy sector", "list--energy", AT, "cert.arcadia.example", 2026030101, 3_600, None, "AMBER")


def items(count: int, form: str) -> Iterator[Item]:
    """Yield items of the kinds that a form takes, so that every rate is one of writing, not of leaving out."""
    taken = [place for place, kind in enumerate(KINDS) if kind in WRITERS[form].kinds]
    for number in range(count):
        place = taken[number % len(taken)]
        yield Item(
            kind=KINDS[place],
            value=address(number) if not place else feed.value(number * 4 + place),
            ident=f"indicator--{UUID(int=number << 64 | 0x8000_0000_0000_0000)}",
            name=f"Indicator {number}",
            confidence=number % 100,
            valid_from=AT - number % 86_400,
            until=AT + number % 86_400,
            tlp="GREEN",
            marking="",
            source="feed",
            labels=("c2",),
            created=AT - number % 86_400,
            modified=AT - number % 3_600,
        )


def address(number: int) -> str:
    """Return an address of its own for each number: none is covered by another."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def one(form: str, count: int) -> dict[str, float]:
    """Write one form; return seconds of making and of both, bytes, what was left out and the peak of memory."""
    making, both = Watch(), Watch()
    with making.running():
        for _ in items(count, form):
            pass
    skipped, written = Skipped(), 0
    with both.running():
        for chunk in WRITERS[form].write(items(count, form), ABOUT, skipped):
            written += len(chunk)
    return {
        "clock": both.clock,
        "processor": both.processor - making.processor,
        "bytes": written,
        "skipped": skipped.total,
        "megabytes": peak_megabytes(),
    }


def apart(form: str, count: int) -> dict[str, float]:
    """Write one form in a process of its own."""
    command = [sys.executable, "-m", "bench.sensors", "--form", form, "--objects", str(count), "--json"]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def report(options: argparse.Namespace) -> Report:
    count = size(options)
    made = Report(f"{count:,} items to each form", calibrate())
    aim = count / FULL
    for form in FORMS:
        found = apart(form, count)
        aimed = count / (SECONDS_MAX * aim) if form in {"suricata", "rpz"} else 0
        made.rate(form, Rate(count / found["clock"], count / found["processor"]), aimed)
        made.figure(f"{form}: seconds, items made too", found["clock"], SECONDS_MAX if options.full else 0)
        made.figure(f"{form}: MB of memory at the peak", found["megabytes"], MEGABYTES_MAX)
        made.figure(f"{form}: bytes of an item", found["bytes"] / count)
        if found["skipped"]:
            made.figure(f"{form}: left out", found["skipped"])
    return made


def main() -> int:
    parser = arguments("Rates of writing for sensors and people.", objects=QUICK, full=FULL)
    parser.add_argument("--form", choices=sorted(WRITERS), help="one form, in this process")
    options = parser.parse_args()
    if options.form:
        print(json.dumps(one(options.form, size(options))))
        return 0
    report(options).show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
