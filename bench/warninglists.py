"""How fast values are compared with warning lists, and what the lists take of memory.

    python -m bench.warninglists [--objects 100000] [--json]

All lists of the package `pymispwarninglists` are asked, as a node asks them. The values are a mix of what feeds hold:
addresses, names, URLs, hashes and mail addresses that are on no list of names, and one in ten that is on many. Memory
is what the process has more than before, and what it has more at the worst moment while it reads the lists.
"""

from __future__ import annotations

import gc
import random
import sys
from hashlib import sha256

from bench.measure import Rate, Report, Watch, arguments, best, calibrate, memory_megabytes, peak_megabytes, size
from comity.formats.observables import Observable
from comity.formats.warninglists import Warnings
from comity.node.warnings import NONE_HERE, WarningLists

QUICK, FULL = 100_000, 1_000_000
ASKED = 100_000  # values a second that issue 3 asks for
COMMON = ("www.google.com", "github.com", "cdn.jsdelivr.net")


def value(picks: random.Random, number: int) -> Observable:
    """Return one of a mix of values."""
    digest = sha256(number.to_bytes(8)).hexdigest()
    host = f"{digest[:8]}.host{number % 1_000}.example"
    kinds = (
        Observable("ipv4", ".".join(str(picks.randrange(1, 224)) for _ in range(4))),
        Observable("domain", host),
        Observable("url", f"https://{host}/path/{number}?x=1"),
        Observable("sha256", digest),
        Observable("domain", f"www.{host}"),
        Observable("ipv4", ".".join(str(picks.randrange(1, 224)) for _ in range(4))),
        Observable("md5", digest[:32]),
        Observable("email", f"user{number}@{host}"),
        Observable("ipv6", f"2001:db8::{number & 0xFFFF:x}"),
        Observable("domain", COMMON[number % len(COMMON)]),
    )
    return kinds[number % 10]


def rate(lists: Warnings, some: list[Observable]) -> Rate:
    return best(len(some), lambda: lists.check_many(some))


def by_kind(report: Report, lists: Warnings, values: list[Observable]) -> None:
    for kind in ("ipv4", "ipv6", "domain", "url", "email", "sha256"):
        some = [each for each in values if each.kind == kind and each.value not in COMMON]
        report.rate(f"  of them {kind}", rate(lists, some))
    report.rate("  of them names on many lists", rate(lists, [each for each in values if each.value in COMMON]))


def main() -> int:
    options = arguments("Rates of warning lists.", objects=QUICK, full=FULL).parse_args()
    count = size(options)
    calibration = calibrate()
    picks = random.Random(6)
    values = [value(picks, number) for number in range(count)]
    gc.collect()
    before = memory_megabytes("self")
    watch = Watch()
    with watch.running():
        here = WarningLists(None)
        lists = here.warnings()
    if lists is None:
        print(NONE_HERE)
        return 1
    gc.collect()
    after, peak = memory_megabytes("self"), peak_megabytes()
    report = Report(f"{len(lists.lists)} warning lists with {lists.entries:,} entries", calibration)
    report.rate("values compared with all lists", rate(lists, values), ASKED)
    by_kind(report, lists, values)
    report.rate("entries read", Rate(*watch.rate(lists.entries)))
    report.figure("seconds to read the lists", watch.clock)
    report.figure("memory of the lists, MB", after - before)
    report.figure("memory while reading, MB", peak - before)
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
