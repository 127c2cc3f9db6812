"""What a node costs while nothing much happens: the start of a command, memory, and growth by others' checkpoints.

    python -m bench.idle [--rounds 40 | --full] [--json]

Growth: 20 members of one accord sign a checkpoint of their home log every second, and a node pulls from each of
them and is pulled from, so that receipts go both ways. What its file has grown by over the second half of the rounds
is extrapolated to a day.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import Report, arguments, calibrate, memory_megabytes, pragma
from comity.canon import AccordId
from comity.node import books
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, indicators
from comity.vocab import Tlp

RUNS = 20
MEMBERS = 20
QUICK, FULL = 40, 400  # seconds of the members' life
DAY = 86_400
COMITY = (sys.executable, "-m", "comity.boot.main")
START_SECONDS = 20.0
SETTLE_SECONDS = 3.0


def help_milliseconds(folder: Path) -> float:
    """Return how long `comity --help` takes, in the middle of some runs, once compiled as an installed program is."""
    took = []
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        subprocess.run([*COMITY, "--help"], check=True, stdout=subprocess.DEVNULL, env=compiled)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took[1:])  # the first run compiles


def interpreter_milliseconds() -> float:
    """Return how long Python alone takes to do nothing."""
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took)


def serving_megabytes(home: Path) -> float:
    """Return the memory of a node that serves and has nothing to do."""
    who = ["cert.arcadia.example", "--name", "CERT Arcadia", "--jurisdiction", "XA", "--office", "csirt:csirt:CSIRT"]
    where = ["--address", "https://127.0.0.1:8460", "--listen", "127.0.0.1:0"]
    subprocess.run([*COMITY, "--home", home, "init", *who, *where], check=True, stdout=subprocess.DEVNULL)
    serving = subprocess.Popen([*COMITY, "--home", home, "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_SECONDS
        while not (home / "run" / "local.sock").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)
        return memory_megabytes(serving.pid)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(START_SECONDS)


def growth(folder: Path, rounds: int) -> float:
    """Return megabytes a day that a node grows by."""
    world = World(1, MEMBERS + 1, folder)
    accord = world.accord(AccordId("many-shores"), world.people)
    node, *members = world.people
    for one in world.people:
        places = world.collect(one, list(indicators(world.random, 3)), Marking(Tlp.GREEN))
        one.services.sharing.share(one.actor, accord, places)
    world.calm(8)
    for _ in range(rounds // 2):
        second(world, node, members)
    before = used(node)
    for _ in range(rounds - rounds // 2):
        second(world, node, members)
    grown = used(node) - before
    world.close()
    return grown / (rounds - rounds // 2) * DAY / 1_000_000


def second(world: World, node: Inhabitant, members: list[Inhabitant]) -> None:
    """Let every member sign a checkpoint, the node pull from each, and each pull from the node."""
    world.now += 1
    for one in members:
        with one.node.writing() as unit:
            books.record(one.node, unit, one.actor.office_id, "home.note", {"at": world.now})
    for one in members:
        outcome = node.services.syncing.pull(one.name, world.network.wire(node.name, one.name), tell=False)
        assert not outcome.unchanged and not outcome.faults, outcome
    node.services.syncing.tell()
    for one in members:
        one.services.syncing.pull(node.name, world.network.wire(one.name, node.name))


def used(one: Inhabitant) -> int:
    """Return the bytes in use of a node's open file."""
    with one.store.read() as unit:
        connection = unit.connection  # type: ignore[attr-defined]
        return (pragma(connection, "page_count") - pragma(connection, "freelist_count")) * pragma(
            connection, "page_size"
        )


def main() -> int:
    parser = arguments("What a node costs while nothing much happens.")
    parser.add_argument("--rounds", type=int, default=0, help=f"seconds of the members' life; {QUICK} if not said")
    parser.add_argument("--full", action="store_true", help=f"{FULL} seconds: {FULL * MEMBERS:,} checkpoints")
    options = parser.parse_args()
    rounds = options.rounds or (FULL if options.full else QUICK)
    report = Report(f"{MEMBERS} members, {rounds * MEMBERS:,} checkpoints", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report.figure("`comity --help`, ms", help_milliseconds(Path(folder)), 150)
        report.figure("Python doing nothing, ms", interpreter_milliseconds())
        report.figure("memory of an idle `comity serve`, MB", serving_megabytes(Path(folder) / "node"), 120)
        report.figure("growth by a checkpoint a second each, MB a day", growth(Path(folder), rounds), 50)
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
