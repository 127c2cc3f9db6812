"""How fast STIX objects are cut, checked and looked up, beside the libraries that the field uses.

    python -m bench.stix [--objects 10000] [--json]

Every rate is for one core, the best of three rounds, and is printed with its ratio to the calibration of the same
run: SHA-256 of each object in a Python loop. Ratios compare between machines; rates do not. The two libraries
measured beside it (`stix2` only parsing, `stix2-validator` making the same checks) get one object in twenty:
they are far slower.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

from comity.formats.observables import Observable, key, recognise
from comity.formats.stix import observe, pattern
from comity.formats.stix.check import Checked, check_many
from comity.formats.stix.split import Piece, split
from comity.limits import SPLIT_WINDOW_BYTES

BATCH = 1_024  # objects checked at once, as an ingest does
LIBRARY_PART = 20  # one object in twenty is enough for the libraries
ROUNDS = 3
CREATOR = "identity--00000000-0000-4000-8000-000000000005"
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"


def indicator(picks: random.Random, number: int) -> dict[str, Any]:
    """Return an indicator as feeds publish them: one value, the usual properties, about 650 bytes."""
    digest = sha256(number.to_bytes(8)).hexdigest()
    patterns = (
        f"[ipv4-addr:value = '198.51.100.{number % 256}']",
        f"[domain-name:value = 'host{number}.bad.example']",
        f"[url:value = 'http://host{number}.bad.example/path/{number}?x=1']",
        f"[file:hashes.'SHA-256' = '{digest}']",
    )
    day, second = picks.randrange(1, 28), picks.randrange(60)
    seen = f"2026-{picks.randrange(1, 10):02}-{day:02}T10:{second:02}:{number % 60:02}.{picks.randrange(1000):03}Z"
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{UUID(int=picks.getrandbits(128), version=4)}",
        "created_by_ref": CREATOR,
        "created": seen,
        "modified": seen,
        "name": f"Indicator {number}",
        "description": f"Seen in campaign {number % 50}",
        "indicator_types": ["malicious-activity"],
        "pattern": patterns[number % 4],
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": seen,
        "valid_until": "2027-01-01T00:00:00Z",
        "labels": ["c2"],
        "confidence": 80,
        "object_marking_refs": [GREEN],
    }


class Sample:
    """Indicators as a bundle, as pieces and as trees, and what is done with them."""

    def __init__(self, objects: int) -> None:
        picks = random.Random(1)
        self.trees = [indicator(picks, number) for number in range(objects)]
        self.pieces = [json.dumps(tree, separators=(",", ":")).encode() for tree in self.trees]
        self.bundle = b'{"type":"bundle","id":"bundle--%b","objects":[%b]}' % (
            b"00000000-0000-4000-8000-000000000006",
            b",".join(self.pieces),
        )
        self.patterns = [tree["pattern"] for tree in self.trees]
        self.values = [observe.of_object(tree)[0][0].value for tree in self.trees]
        self.observables = [Observable(*recognise(value)[0]) for value in self.values]

    def chunks(self) -> Iterator[bytes]:
        """Return the bundle as a file gives it."""
        starts = range(0, len(self.bundle), SPLIT_WINDOW_BYTES)
        return (self.bundle[start : start + SPLIT_WINDOW_BYTES] for start in starts)

    def hash(self) -> None:
        for piece in self.pieces:
            sha256(piece).digest()

    def split(self) -> None:
        for piece in split(self.chunks()):
            assert isinstance(piece, Piece)

    def check(self) -> None:
        """Check and observe, in batches."""
        for start in range(0, len(self.pieces), BATCH):
            assert all(isinstance(each, Checked) for each in check_many(self.pieces[start : start + BATCH]))

    def whole(self) -> None:
        """Split, check and observe, as an ingest does."""
        batch: list[bytes] = []
        for piece in split(self.chunks()):
            assert isinstance(piece, Piece)
            batch.append(piece.data)
            if len(batch) == BATCH:
                check_many(batch)
                batch.clear()
        check_many(batch)


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` things `work` does in a second of processor time, in its best round."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return count / min(seconds)


def library_rates(sample: Sample) -> dict[str, float]:
    import stix2
    from stix2validator import ValidationOptions, validate_instance

    trees = sample.trees[: max(len(sample.trees) // LIBRARY_PART, 1)]
    options = ValidationOptions(version="2.1")

    def parse() -> None:
        for tree in trees:
            stix2.parse(tree, allow_custom=True)

    def validate() -> None:
        assert all(validate_instance(tree, options).is_valid for tree in trees)

    return {"stix2: parse": rate(len(trees), parse), "stix2-validator": rate(len(trees), validate)}


def measure(objects: int) -> dict[str, float]:
    sample = Sample(objects)
    many = {
        "calibration": sample.hash,
        "split": sample.split,
        "check and observe": sample.check,
        "split, check and observe": sample.whole,
        "observe": lambda: [observe.of_object(tree) for tree in sample.trees],
        "pattern, fast way": lambda: [pattern.simple(text) for text in sample.patterns],
        "pattern, parser": lambda: [pattern.parse_pattern(text) for text in sample.patterns],
        "recognise a value": lambda: [recognise(value) for value in sample.values],
        "key of a value": lambda: [key(observable) for observable in sample.observables],
    }
    return {name: rate(objects, work) for name, work in many.items()} | library_rates(sample)


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates of reading STIX.")
    parser.add_argument("--objects", type=int, default=10_000, help="indicators, 5 kB of memory each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    rates = measure(arguments.objects)
    ratios = {name: value / rates["calibration"] for name, value in rates.items()}
    whole = rates["split, check and observe"]
    advantage = {name: whole / rates[name] for name in ("stix2: parse", "stix2-validator")}
    if arguments.json:
        print(json.dumps({"objects": arguments.objects, "per_second": rates, "ratio": ratios, "advantage": advantage}))
        return 0
    print(f"{arguments.objects:,} indicators; ratio 1 is SHA-256 of each object in a Python loop")
    for name, value in rates.items():
        print(f"{name:<30} {value:>12,.0f} /s {ratios[name]:>9.4f}")
    for name, times in advantage.items():
        print(f"split, check and observe together are {times:.0f} times as fast as {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
