"""What a node does with very much intelligence, end to end: exports, correlation, search, MISP in and out.

    python -m bench.intel [--objects 100000 | --full] [--folder DIR] [--json]

One node in a directory is filled by `comity ingest`, as a user does it: with indicators of every kind, with as many of
domains alone, with MISP events. Exports are whole commands, each a process of its own: start, query, decision on
record, scores, warning lists, writing to a file; nothing is left out for its age. Domains alone, because every form
takes them and no warning list has them; the addresses of the others are on one, and how many values were written is
told. Questions are put to the open node, from their bytes to the answer's, as the API and the command line put them.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench import feed, misp
from bench.feed import Feed
from bench.measure import Memory, Rate, Report, Watch, arguments, calibrate, size
from comity.boot.compose import Machine, opened
from comity.surfaces.cli.verbs import Ask, Verb
from comity.surfaces.cli.verbs.correlating import CORRELATE, Correlate
from comity.surfaces.cli.verbs.searching import SEARCH, Search

COMITY: Final = (sys.executable, "-m", "comity.boot.main")
ME: Final = "cert.arcadia.example"
TO: Final = f"{ME}/csirt~grid-operator"
QUICK, FULL = 100_000, 1_000_000
SECONDS_MAX, MEGABYTES_MAX = 20, 300  # issue 3: a million to Suricata or RPZ
EVENT: Final = 10_000  # values of a new event; attributes of a MISP event
EVENTS: Final = 4  # of MISP
MARKED: Final = ("--tlp", "GREEN", "--pap", "CLEAR")  # sensors may have it
CORRELATE_MAX, SEARCH_MAX = 1_000, 50  # milliseconds
ROUNDS: Final = 5
MIXED, DOMAINS, MISP = "mixed", "domains", "misp"  # sources
SEARCHES: Final = {  # what is asked for, by why it may be slow
    "one word, said by a quarter": "sandbox",
    "two words, said by a quarter each": "sandbox attribution",
    "a word that all say": "campaign",
    "a Chinese word that a hundredth say": feed.CAMPAIGN[:4],
    "two words that nobody says together": "sandbox invoices",
    "the beginning of a word": "compro*",
    "the beginning of very many words": "1*",
    "one of very many words": "4713",
    "what nobody says": "nowhere",
}
NOWHERE: Final = ("sandbox invoices", "nowhere")


class Ran(NamedTuple):
    """One command, from its start to its end."""

    answer: dict[str, Any]
    clock: float  # seconds
    processor: float  # seconds, of its helper too
    megabytes: float  # of its own, its helper's too, at the peak; the store's pages that it maps are the system's cache
    mapped: float  # megabytes of files that it maps, at the peak

    def rate(self, count: int) -> Rate:
        return Rate(count / self.clock, count / self.processor)


class Place:
    """A node in a directory, and a correspondent that takes its lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "node"
        self.run("init", ME, "--name", "CERT Arcadia", "--jurisdiction", "XA", "--office", "csirt:csirt:National CSIRT")
        terms = ["--ceiling", "AMBER", "--client", "--community", "energy", "--terms", "letter of 2026-03-01"]
        self.run("party", "correspondent", "add", "grid-operator", "--jurisdiction", "XA", *terms)

    def run(self, *words: str, given: Iterable[bytes] = ()) -> Ran:
        """Run a command in a process of its own."""
        command = [*COMITY, *words, "--user", "duty", "--json"]
        env = {**os.environ, "COMITY_HOME": str(self.home)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program does not compile itself at each start
        began = time.perf_counter()
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, stderr=said, env=env)
            assert process.stdin is not None
            memory = Memory(process.pid)
            with process.stdin as pipe, memory.watched():
                pipe.writelines(given)
                pipe.close()
                _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            clock = time.perf_counter() - began
            for file in (told, said):
                file.seek(0)
            if process.returncode:
                raise SystemExit(f"comity {' '.join(words)}:\n{(said.read() + told.read()).decode()[-2_000:]}")
            answer = json.loads(told.read())
        return Ran(answer, clock, used.ru_utime + used.ru_stime, memory.own, memory.mapped)


# -- in and out ------------------------------------------------------------------------


def fill(report: Report, place: Place, source: str, made: Feed, count: int) -> None:
    """Bring indicators in; by the clock, making them counts too."""
    done = place.run("ingest", "-", "--source", source, *MARKED, given=made.bundle(count))
    assert done.answer["kept"] == count, done.answer
    report.rate(f"{source} brought in, objects", done.rate(count))


def export(report: Report, place: Place, source: str, form: str, count: int) -> None:
    """Write a source's objects in a form."""
    out = place.folder / f"list.{form}"
    done = place.run("export", "--to", TO, "--source", source, "--format", form, "--faded", "--out", str(out))
    assert done.answer["objects"] == count, done.answer
    assert out.stat().st_size
    out.unlink()
    name, full = f"{source} to {form}", count == FULL
    report.rate(f"{name}, objects", done.rate(count), FULL / SECONDS_MAX if full else 0)
    report.figure(f"{name}: values written", done.answer["values"])
    report.figure(f"{name}: seconds", done.clock, SECONDS_MAX if full else 0)
    report.figure(f"{name}: seconds of the processor", done.processor)
    report.figure(f"{name}: MB of memory at the peak", done.megabytes, MEGABYTES_MAX)
    report.figure(f"{name}: MB of the store mapped beside it", done.mapped)


def misp_both_ways(report: Report, place: Place) -> None:
    """Bring MISP events in from files, and write one event of all that they made."""
    events = place.folder / "events"
    events.mkdir()
    for number in range(EVENTS):
        (events / f"{number}.json").write_bytes(misp.event(EVENT, number))
    count = EVENTS * EVENT
    came = place.run("ingest", str(events), "--source", MISP, *MARKED)
    assert came.answer["kept"] > count / 2 and not came.answer["refused"], came.answer
    report.rate("MISP events brought in, attributes", came.rate(count), misp.AIM)
    out = place.folder / "out.json"
    went = place.run("export", "--to", TO, "--source", MISP, "--format", "misp", "--out", str(out))
    event = json.loads(out.read_bytes())["Event"]
    written = len(event["Attribute"]) + sum(len(each["Attribute"]) for each in event.get("Object", ()))
    report.rate("a MISP event written, attributes", went.rate(written), misp.AIM)
    report.figure("attributes of that event", written)


# -- questions -------------------------------------------------------------------------


def ask(machine: Machine, verb: Verb[Any, Any], asked: Ask) -> Any:
    """Ask the open node, from the question's bytes to the answer's."""
    data = machine.perform(verb.name, msgspec.json.encode(asked), lambda _: None)
    return msgspec.json.decode(data, type=verb.answers)


def asked_often(report: Report, name: str, machine: Machine, verb: Verb[Any, Any], asked: Ask, most: float) -> Any:
    """Note the milliseconds of a question, in the middle of some rounds; return the answer."""
    answer = ask(machine, verb, asked)
    watches = [Watch() for _ in range(ROUNDS)]
    for watch in watches:
        with watch.running():
            answer = ask(machine, verb, asked)
    report.figure(f"{name}: ms", statistics.median(watch.clock for watch in watches) * 1_000, most)
    report.figure(f"{name}: ms of the processor", statistics.median(watch.processor for watch in watches) * 1_000)
    return answer


def search(report: Report, machine: Machine, count: int) -> None:
    """Ask for words; the answer has the beginning of what each object says."""
    watch = Watch()
    with watch.running():
        ask(machine, SEARCH, Search(user="duty", text="nowhere"))  # indexes what is due
    report.rate("words of objects indexed", watch.rate(count))
    for why, text in SEARCHES.items():
        question = Search(user="duty", text=text)
        found = asked_often(report, f"search for {why}", machine, SEARCH, question, SEARCH_MAX)
        assert bool(found.hits) is (text not in NOWHERE), text


def correlate(report: Report, machine: Machine, count: int) -> None:
    """Compare an event with all that is held: half its values are known."""
    chance = random.Random(6)
    numbers = [chance.randrange(count) for _ in range(EVENT)]
    values = tuple(feed.value(number if at % 2 else number + 8 * count) for at, number in enumerate(numbers))
    name = f"an event of {EVENT:,} values correlated with {2 * count:,} objects"
    found = asked_often(report, name, machine, CORRELATE, Correlate(user="duty", values=values), CORRELATE_MAX)
    assert found.shared > EVENT // 3, found.shared


def measure(report: Report, place: Place, count: int) -> None:
    fill(report, place, MIXED, Feed(), count)
    with opened(place.home) as machine:
        search(report, machine, count)
    # The same domains are in neither: their numbers lie behind.
    fill(report, place, DOMAINS, Feed(2, start=4 * count + 1, step=4), count)
    with opened(place.home) as machine:
        correlate(report, machine, count)
    export(report, place, MIXED, "suricata", count)
    for form in ("suricata", "rpz"):
        export(report, place, DOMAINS, form, count)
    misp_both_ways(report, place)


def main() -> int:
    options = arguments(__doc__.partition("\n")[0], objects=QUICK, full=FULL).parse_args()
    count = size(options)
    report = Report(f"two sources of {count:,} indicators, {EVENTS} MISP events of {EVENT:,} attributes", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(report, Place(Path(folder)), count)
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
