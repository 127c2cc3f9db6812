"""What the benchmarks have in common: watches, a calibration, memory and disk, and one way to print.

Rules: every rate stands beside a calibration made in the same run, SHA-256 of a kilobyte in a Python loop, and has its
ratio to it. There are two rates: by the clock, and by processor time, helpers' too, which alone means
anything on a machine that does other things too. Nothing here judges a number.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from comity.boot.collecting import collect_rarely

ROUNDS = 3
HASHED = 200_000  # kilobytes hashed by the calibration: half a second


class Rate(NamedTuple):
    """Things a second, by the clock and by processor time."""

    clock: float
    processor: float


def processor_seconds() -> float:
    """Return the processor time of this process and of those it waited for."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


class Watch:
    """Adds up the time inside `running`, by the clock and by processor time."""

    def __init__(self) -> None:
        self.clock = self.processor = 0.0

    def start(self) -> None:
        self._began = time.perf_counter(), processor_seconds()

    def stop(self) -> None:
        self.clock += time.perf_counter() - self._began[0]
        self.processor += processor_seconds() - self._began[1]

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        yield
        self.stop()

    def rate(self, count: int) -> Rate:
        return Rate(count / self.clock, count / self.processor)


def best(count: int, work: Callable[[], object], rounds: int = ROUNDS) -> Rate:
    """Return how many of `count` things `work` does in a second, in the best of some rounds."""
    found = []
    for _ in range(rounds):
        watch = Watch()
        with watch.running():
            work()
        found.append(watch.rate(count))
    return Rate(max(one.clock for one in found), max(one.processor for one in found))


def calibrate() -> Rate:
    """Set this process up as the program does itself; return how many kilobytes a Python loop hashes in a second."""
    collect_rarely()
    data = bytes(1_024)

    def loop() -> None:
        for _ in range(HASHED):
            sha256(data).digest()

    return best(HASHED, loop)


def peak_megabytes() -> float:
    """Return the most memory this process has had, with the pages of files that it maps (Linux)."""
    return memory_megabytes("self", "VmHWM")


def memory_megabytes(process: int | str, field: str = "VmRSS") -> float:
    """Return a field of a process's memory (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1_000
    raise ValueError(field)


class Memory:
    """Looks at the memory of another process and of those it began, twenty times a second (Linux)."""

    def __init__(self, process: int) -> None:
        self.own = 0.0  # megabytes at the peak, of all of them together, without pages of files that they map
        self.mapped = 0.0  # megabytes of such pages of the first, at the peak: they are the system's cache
        self._process = process
        self._done = threading.Event()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            with suppress(OSError, ValueError):  # one of them ended meanwhile
                self.mapped = max(self.mapped, memory_megabytes(self._process, "RssFile"))
                self.own = max(self.own, sum(memory_megabytes(one, "RssAnon") for one in self._family()))

    def _family(self) -> list[int]:
        found = [self._process]
        for one in found:
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
        return found

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()


def disk_bytes(path: Path) -> int:
    """Return the bytes of a node's closed file after its write-ahead log is written back, free pages left out."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages, free, size = (pragma(connection, name) for name in ("page_count", "freelist_count", "page_size"))
    connection.close()
    return (pages - free) * size


def pragma(connection: apsw.Connection, name: str) -> int:
    row: Any = connection.execute(f"PRAGMA {name}").fetchone()
    return int(row[0])


class Report:
    """What one benchmark found: rates beside the calibration, and sizes, each with what issue 2 asks for."""

    def __init__(self, title: str, calibration: Rate) -> None:
        self.title = title
        self.calibration = calibration
        self.rates: dict[str, Rate] = {}
        self.figures: dict[str, float] = {}
        self.targets: dict[str, float] = {}

    def rate(self, name: str, rate: Rate, target: float = 0) -> None:
        self.rates[name] = rate
        if target:
            self.targets[name] = target

    def figure(self, name: str, value: float, target: float = 0) -> None:
        self.figures[name] = value
        if target:
            self.targets[name] = target

    def show(self, *, as_json: bool) -> None:
        if as_json:
            print(json.dumps(self.as_dict()))
            return
        print(f"{self.title}; ratio 1 is SHA-256 of a kilobyte in a Python loop, {self.calibration.clock:,.0f} /s")
        if self.rates:
            print(f"{'':<44} {'/s':>11} {'/processor s':>13} {'ratio':>8} {'asked for':>11}")
        for name, (clock, processor) in self.rates.items():
            ratio = processor / self.calibration.processor
            print(f"{name:<44} {clock:>11,.0f} {processor:>13,.0f} {ratio:>8.4f} {self._target(name):>11}")
        if self.figures:
            print(f"{'':<44} {'found':>11} {'asked for':>35}")
        for name, value in self.figures.items():
            print(f"{name:<44} {value:>11,.1f} {self._target(name):>35}")
        sys.stdout.flush()

    def as_dict(self) -> Mapping[str, object]:
        return {
            "title": self.title,
            "calibration": self.calibration._asdict(),
            "rates": {name: rate._asdict() for name, rate in self.rates.items()},
            "ratio": {name: rate.processor / self.calibration.processor for name, rate in self.rates.items()},
            "figures": self.figures,
            "targets": self.targets,
        }

    def _target(self, name: str) -> str:
        return f"{self.targets[name]:,.0f}" if name in self.targets else ""


def arguments(what: str, *, objects: int = 0, full: int = 0) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes; `objects` is the quick size and `full` the stated one."""
    parser = argparse.ArgumentParser(description=what)
    if objects:
        parser.add_argument("--objects", type=int, default=0, help=f"how many; {objects:,} if not said")
        parser.add_argument("--full", action="store_true", help=f"the size that the aims are for: {full:,}")
        parser.set_defaults(quick_size=objects, full_size=full)
    parser.add_argument("--folder", type=Path, help="where the files go; by default a temporary folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def size(options: argparse.Namespace) -> int:
    """Return how many objects were asked for."""
    return int(options.objects or (options.full_size if options.full else options.quick_size))
