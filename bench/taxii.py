"""How fast the TAXII server answers and takes in, over HTTP, from a node that is served as operators serve it.

    python -m bench.taxii [--objects 50000 | --full] [--opentaxii PYTHON] [--medallion PYTHON] [--json]

The node runs in a process of its own (`comity serve`), on loopback without TLS; clients run in others, with raw sockets
that are kept open. What clients count is cut out of the answers, not parsed: it is the server that is measured. Every
page is decided for a correspondent, on record, and its receipt is noted. The peers are called through their own WSGI
applications, without a network, which is in their favour (`bench/opentaxii_peer.py`, `bench/medallion_peer.py`).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from bench.feed import Feed
from bench.measure import Rate, Report, arguments, calibrate, memory_megabytes, size
from comity.boot.checking import check_beside
from comity.boot.compose import Machine, opened
from comity.canon import OfficeId
from comity.node import correspondents, credentials, ingest
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent
from comity.party import OfficeRef
from comity.statement import Marking
from comity.vocab import Channel, Tlp

MEDIA = "application/taxii+json;version=2.1"
ROOT = "/taxii2/csirt/collections"
PAGE = 1_000
ENVELOPE = 500
CLIENTS = 8
SECONDS = 6.0  # of each measurement with several clients
COMPARED = 10_000  # objects of the comparison with OpenTAXII
MEDALLION = 2_000  # objects of that with medallion, whose time grows with the square: 10,000 take it an hour
QUICK, FULL = 50_000, 1_000_000
Ours = tuple[Rate, Rate, float]  # POST, walk, object by id
_NEXT = re.compile(rb'"next":"([^"]+)"')
_LENGTH = re.compile(rb"content-length: (\d+)")


class Client:
    """One kept connection."""

    def __init__(self, port: int, login: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: x\r\nAccept: {MEDIA}\r\nAuthorization: Bearer {login}\r\n"
        self._room = bytearray(1 << 24)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Return the whole answer's body."""
        more = "" if body is None else f"Content-Type: {MEDIA}\r\nContent-Length: {len(body)}\r\n"
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{self._head}{more}\r\n".encode()
        self._sock.sendall(head + (body or b""))
        room, got, end, length = memoryview(self._room), 0, -1, 0
        while end < 0 or got < end + length:
            count = self._sock.recv_into(room[got:])
            if not count:
                raise SystemExit(f"the server closed: {bytes(room[:got])[:300]!r}")
            got += count
            if end < 0:
                end = self._room.find(b"\r\n\r\n", 0, got) + 4
                if end < 4:
                    end = -1
                    continue
                found = _LENGTH.search(self._room, 0, end)
                length = int(found[1]) if found else 0
        if bytes(room[9:12]) not in {b"200", b"202"}:
            raise SystemExit(bytes(room[:got])[:500])
        return bytes(room[end:got])


# -- the node -----------------------------------------------------------------------------


def found_node(folder: Path, port: int) -> Path:
    """Make a node as its operator would."""
    home = folder / "arcadia"
    folder.mkdir(exist_ok=True)
    made = [*"init cert.arcadia.example --name Arcadia --jurisdiction XA --office csirt:csirt:CSIRT".split()]
    run = [sys.executable, "-m", "comity.boot.main", "--home", str(home), *made]
    subprocess.run(run, check=True, capture_output=True)
    settings = home / "settings.toml"
    text = settings.read_text().replace('# taxii_listen = ""', f'taxii_listen = "127.0.0.1:{port}"')
    settings.write_text(text.replace("# plain_http = false", "plain_http = true"))
    return home


def prepare(home: Path, count: int) -> str:
    """Take in `count` indicators, register a correspondent; return its token."""
    with opened(home) as machine:
        return _prepare(machine, count)


def _prepare(machine: Machine, count: int) -> str:
    node = machine.services.node
    actor = Actor(OfficeRef(node.me, OfficeId("csirt")), "bench")
    if count:
        with node.writing() as unit:
            source = ingest.put_source(unit, actor, "feed", Marking(Tlp.GREEN))
        ingest.ingest(node, actor, source, Feed().bundle(count), check=check_beside)
    channels = (Allowed(Channel.TAXII, send=True),)
    one = Correspondent(str(actor.office), "grid", "XA", Tlp.AMBER.value, client=True, channels=channels, waits=False)
    correspondents.register(node, actor, one)
    return credentials.create(node, actor, "grid", Channel.TAXII, credentials.BEARER).secret


class Served:
    """A node being served, until `end`."""

    def __init__(self, home: Path) -> None:
        log = (home.parent / "serve.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "comity.boot.main", "--home", str(home), "serve"], stdout=log, stderr=log
        )
        while not (home / "run" / "local.sock").exists():
            if self.process.poll() is not None:
                raise SystemExit((home.parent / "serve.log").read_text())
            time.sleep(0.05)

    def processor(self) -> float:
        """Return the processor time that it has used, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rest(self) -> None:
        """Wait until it has nothing to do any more: what came is indexed for words, a piece at a time."""
        before = -1.0
        while self.processor() - before > 0.1:
            before = self.processor()
            time.sleep(1.5)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


# -- what is measured ------------------------------------------------------------------------


def measured(served: Served, work: Callable[[], int]) -> Rate:
    """Return how many things a second `work` has done: by the clock, and by the server's processor time."""
    clock, processor = time.perf_counter(), served.processor()
    count = work()
    return Rate(count / (time.perf_counter() - clock), count / max(served.processor() - processor, 0.01))


def pages(client: Client) -> Iterator[bytes]:
    """Yield the pages of a walk."""
    path = f"{ROOT}/released/objects/?limit={PAGE}"
    page = client.ask(path)
    while True:
        yield page
        further = _NEXT.search(page, 0, 200)
        if further is None:
            return
        page = client.ask(f"{path}&next={further[1].decode()}")


def walk(client: Client) -> tuple[int, list[float]]:
    """Return how many objects a walk brought, and how long each page took."""
    count, took, began = 0, [], time.perf_counter()
    for page in pages(client):
        took.append(time.perf_counter() - began)
        count += page.count(b'"spec_version"')
        began = time.perf_counter()
    return count, took


def together(target: Callable[..., int], *rest: object) -> int:
    """Return what several clients, each in a process of its own, did in `SECONDS`."""
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        return sum(pool.starmap(target, [(number, *rest) for number in range(CLIENTS)]))


def ask_pages(number: int, port: int, login: str, cursors: list[str]) -> int:
    """Ask for pages of a collection at random places for `SECONDS`; return how many came."""
    client, chance, count = Client(port, login), random.Random(number), 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        client.ask(f"{ROOT}/released/objects/?limit={PAGE}{chance.choice(cursors)}")
        count += 1
    return count


def ask_objects(number: int, port: int, login: str, idents: list[str]) -> int:
    """Ask for objects by id for `SECONDS`; return how many came."""
    client, chance, count = Client(port, login), random.Random(number), 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for _ in range(20):
            client.ask(f"{ROOT}/released/objects/{chance.choice(idents)}/")
        count += 20
    return count


def read(report: Report, port: int, login: str, served: Served, count: int) -> tuple[Rate, float]:
    """Measure everything that is read; return the rate of a first walk and of objects by id."""
    client = Client(port, login)
    served.rest()
    began = time.perf_counter()
    client.ask(f"{ROOT}/released/objects/?limit=1")
    report.figure("first question ever: all is decided and recorded, s", time.perf_counter() - began)
    took: list[float] = []

    def one() -> int:
        got, times = walk(client)
        assert got == count, f"{got} of {count}"
        took[:] = times
        return got

    walked = measured(served, one)
    report.rate(f"one client walks, pages of {PAGE:,}, first time", walked, 80_000)
    report.rate("the same again: receipts are there already", measured(served, one), 80_000)
    tenth = max(1, len(took) // 10)
    report.figure("last tenth of the pages, times as long as the first", sum(took[-tenth:]) / sum(took[:tenth]), 1)
    report.figure("slowest page, ms", max(took) * 1_000, 100)
    cursors = [""] + [f"&next={found[1].decode()}" for page in pages(client) if (found := _NEXT.search(page, 0, 200))]
    same = measured(served, lambda: together(ask_pages, port, login, [""]))
    report.rate(f"pages to {CLIENTS} clients, the same page", same, 300)
    apart = measured(served, lambda: together(ask_pages, port, login, cursors))
    report.rate(f"pages to {CLIENTS} clients, all over the collection", apart, 300)
    some = b"".join(islice(pages(client), 50))
    known = re.findall(rb'"id":\s*"(indicator--[0-9a-f-]{36})"', some)
    chosen = [ident.decode() for ident in random.Random(7).sample(known, min(5_000, len(known)))]
    for ident in chosen:
        client.ask(f"{ROOT}/released/objects/{ident}/")
    by_id = measured(served, lambda: together(ask_objects, port, login, chosen))
    report.rate(f"object by id, {CLIENTS} clients", by_id, 4_000)
    report.figure("memory of the serving process, MB", memory_megabytes(served.process.pid), 500)
    return walked, by_id.clock


def post(report: Report, port: int, login: str, served: Served, count: int) -> Rate:
    """Post `count` objects in envelopes; return the rate."""
    client = Client(port, login)
    envelopes, batch = [], []
    for data in Feed(2).objects(count):
        batch.append(data)
        if len(batch) == ENVELOPE:
            envelopes.append(b'{"objects":[' + b",".join(batch) + b"]}")
            batch = []
    took: list[float] = []

    def work() -> int:
        for envelope in envelopes:
            began = time.perf_counter()
            told = client.ask(f"{ROOT}/inbox/objects/", envelope)
            took.append(time.perf_counter() - began)
            assert b'"failure_count":0' in told, told[:500]
        return len(envelopes) * ENVELOPE

    rate = measured(served, work)
    report.rate(f"POST, {ENVELOPE} objects in each", rate, 10_000)
    tenth = max(1, len(took) // 10)
    report.figure("last tenth of the POSTs, times as long as the first", sum(took[-tenth:]) / sum(took[:tenth]), 1)
    return rate


def peer(python: str, script: str, count: int, folder: Path) -> list[float]:
    """Return what a peer's script measures in an interpreter of its own."""
    folder.mkdir()
    sent = folder / "objects.ndjson"
    sent.write_bytes(b"\n".join(Feed(2).objects(count)))
    command = [python, str(Path(__file__).with_name(script)), str(sent), str(folder), "walk"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    if ran.returncode:
        raise SystemExit(f"{python} could not run {script}:\n{ran.stderr[-2_000:]}")
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=list[float])


def at_size(count: int, folder: Path) -> Ours:
    """Return our own rates of POST, walk and object by id at a size, without printing them."""
    port = free_port()
    home = found_node(folder, port)
    login = prepare(home, 0)
    served = Served(home)
    try:
        quiet = Report("", Rate(1, 1))
        posted = post(quiet, port, login, served, count)
        walked, by_id = read(quiet, port, login, served, count)
    finally:
        served.end()
    return posted, walked, by_id


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def compare(
    report: Report, name: str, found: list[float], ours: tuple[Rate, Rate, float], times: tuple[int, int]
) -> None:
    """Put our rates beside a peer's: POST by clock and processor, walk by both, objects by id by the clock."""
    posted, walked, by_id = ours
    report.rate(f"{name}: POST", Rate(found[0], found[1]))
    report.rate(f"{name}: pages of {PAGE:,}, objects", Rate(found[2], found[3]))
    report.figure(f"POST, times as fast as {name}", posted.clock / found[0], times[0])
    report.figure(f"walk, times as fast as {name}", walked.clock / found[2], times[1])
    report.figure(f"object by id, times as fast as {name}", by_id / found[4])


def main() -> int:
    parser = arguments(__doc__.partition("\n")[0], objects=QUICK, full=FULL)
    parser.add_argument("--opentaxii", metavar="PYTHON", help="an interpreter in which `opentaxii` can be imported")
    parser.add_argument("--medallion", metavar="PYTHON", help="one in which `medallion` can be")
    parser.add_argument("--no-post", action="store_true", help="leave out what is posted")
    options = parser.parse_args()
    count = size(options)
    report = Report(f"TAXII 2.1, {count:,} indicators", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        port = free_port()
        home = found_node(Path(folder), port)
        login = prepare(home, count)
        served = Served(home)
        try:
            read(report, port, login, served, count)
        finally:
            served.end()
        if not options.no_post:
            port = free_port()
            home = found_node(Path(folder) / "post", port)
            login = prepare(home, 0)
            served = Served(home)
            try:
                post(report, port, login, served, count)
            finally:
                served.end()
        if options.opentaxii:
            ours = at_size(COMPARED, Path(folder) / "compared")
            found = peer(options.opentaxii, "opentaxii_peer.py", COMPARED, Path(folder) / "opentaxii")
            compare(report, "OpenTAXII", found, ours, (15, 8))
        if options.medallion:
            ours = at_size(MEDALLION, Path(folder) / "small")
            found = peer(options.medallion, "medallion_peer.py", MEDALLION, Path(folder) / "medallion")
            compare(report, "medallion", found, ours, (0, 300))
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
