"""How fast the MISP interface answers PyMISP and a pulling server, from a node that is served as operators serve it.

    python -m bench.misp_rest [--objects 10000 | --full] [--json]

The node holds that many reports, each naming one indicator, and so that many events: the worst case for a search, which
puts whole events together. A second one holds events of ten. Nodes run in processes of their own (`comity serve`), on
loopback without TLS. Every answer is decided for a correspondent, and its receipt is noted.
Searches are PyMISP's own, timed with its reading of the answer; pulls are requests as a MISP server makes them.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from pymisp import PyMISP

from bench.feed import value
from bench.measure import Rate, Report, arguments, calibrate, memory_megabytes, size
from bench.taxii import Served, found_node, free_port, measured
from comity.boot.checking import check_beside
from comity.boot.compose import opened
from comity.canon import OfficeId
from comity.node import correspondents, credentials, ingest
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent
from comity.party import OfficeRef
from comity.statement import Marking
from comity.vocab import Channel, Tlp

QUICK, FULL = 10_000, 100_000
ATTRIBUTES = 10_000  # of the search that is measured
VIEWED = 500  # events fetched one by one, as a pull does
MINIMAL = b'{"minimal":1,"published":1}'
_ENCODE = msgspec.json.Encoder().encode


def events(count: int, inside: int) -> Iterator[bytes]:
    """Yield reports, each with the indicators that it names."""
    for number in range(count):
        at = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T08:00:00.000Z"
        common = {"spec_version": "2.1", "created": at, "modified": at}
        refs = []
        for each in range(number * inside, (number + 1) * inside):
            indicator = {"type": "indicator", "id": f"indicator--{_uuid(each)}", "pattern_type": "stix"}
            pattern = f"[url:value = 'http://{value(4 * each + 1)}/{each}']"
            yield _ENCODE(indicator | common | {"valid_from": at, "pattern": pattern}) + b"\n"
            refs.append(indicator["id"])
        report = {"type": "report", "id": f"report--{_uuid(number)}", "name": f"Wave {number}", "published": at}
        yield _ENCODE(report | common | {"object_refs": refs}) + b"\n"


def _uuid(number: int) -> UUID:
    return UUID(int=number | 0x4000 << 64 | 0x8000 << 48)


def prepare(home: Path, count: int, inside: int = 1) -> str:
    """Take in `count` reports and their indicators, register a correspondent; return its key."""
    with opened(home) as machine:
        node = machine.services.node
        actor = Actor(OfficeRef(node.me, OfficeId("csirt")), "bench")
        with node.writing() as unit:
            source = ingest.put_source(unit, actor, "feed", Marking(Tlp.GREEN))
        ingest.ingest(node, actor, source, events(count, inside), check=check_beside)
        one = Correspondent(str(actor.office), "grid", "XA", Tlp.AMBER.value, channels=(Allowed(Channel.MISP),))
        one = msgspec.structs.replace(one, client=True)
        correspondents.register(node, actor, one)
        return credentials.create(node, actor, "grid", Channel.MISP, "").secret


class Puller:
    """A MISP server that pulls, on one kept connection."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self._headers = {"Authorization": key, "Accept": "application/json"}
        self._etag = ""

    def index(self) -> list[dict[str, Any]]:
        """Return the index; nothing where it is as it was."""
        more = {"If-None-Match": self._etag} if self._etag else {}
        self._connection.request("POST", "/events/index", MINIMAL, self._headers | more)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 304:
            return []
        self._etag = answer.headers["etag"]
        found: list[dict[str, Any]] = msgspec.json.decode(body)
        return found

    def view(self, uuid: str) -> int:
        """Fetch an event; return the bytes."""
        self._connection.request("GET", f"/events/view/{uuid}/deleted[]:0/deleted[]:1.json", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(body[:300])
        return len(body)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long something took, and what it gave."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def read(report: Report, port: int, key: str, served: Served, count: int) -> None:
    """Measure what is read."""
    served.rest()
    before = memory_megabytes(served.process.pid)
    puller = Puller(port, key)
    first, rows = seconds(puller.index)
    if len(rows) != count:
        raise SystemExit(f"{len(rows)} events, and not {count}")
    report.figure("first index, with its catalogue, ms", 1_000 * first)
    report.figure("memory that the catalogue takes, MB", memory_megabytes(served.process.pid) - before)
    unchanged = min(seconds(puller.index)[0] for _ in range(20))
    report.figure("index of an unchanged node, requests", 1, 1)
    report.figure("index of an unchanged node, ms", 1_000 * unchanged)
    some = [row["uuid"] for row in rows[:: max(1, count // VIEWED)]][:VIEWED]

    def view() -> int:
        return sum(puller.view(uuid) > 0 for uuid in some)

    report.rate("events viewed one by one, first time", measured(served, view))
    report.rate("events viewed one by one, again", measured(served, view))
    client = PyMISP(f"http://127.0.0.1:{port}/", key)
    limit = min(ATTRIBUTES, count)
    search(report, client, limit, "in as many events")
    took, found = seconds(lambda: client.search("attributes", limit=limit, pythonify=True))
    report.figure("the same, made into objects by PyMISP, ms", 1_000 * took)
    wanted = found[limit // 2].value
    took = min(seconds(lambda: client.search("attributes", value=wanted))[0] for _ in range(20))
    report.figure("PyMISP search of one value, ms", 1_000 * took)
    report.rate("whole events by PyMISP, in one search", whole(client, served, limit))


def search(report: Report, client: PyMISP, limit: int, how: str) -> None:
    """Measure PyMISP's search of attributes, the first time, when receipts are written, and again."""
    for again in ("", ", again"):
        took, found = seconds(lambda: client.search("attributes", limit=limit))
        if len(found["Attribute"]) != limit:
            raise SystemExit(f"{len(found['Attribute'])} attributes")
        report.figure(f"PyMISP: {limit:,} attributes {how}{again}, ms", 1_000 * took, 1_000)


def whole(client: PyMISP, served: Served, limit: int) -> Rate:
    return measured(served, lambda: len(client.search(limit=limit)))


@contextmanager
def serving(folder: Path, count: int, inside: int) -> Iterator[tuple[int, str, Served]]:
    """Serve a node of some events; give its port, a key, and its process."""
    port = free_port()
    home = found_node(folder, port)
    settings = home / "settings.toml"
    settings.write_text(settings.read_text().replace("taxii_listen =", "misp_listen =", 1))
    key = prepare(home, count, inside)
    served = Served(home)
    try:
        yield port, key, served
    finally:
        served.end()


def main() -> int:
    parser = arguments(__doc__.partition("\n")[0], objects=QUICK, full=FULL)
    options = parser.parse_args()
    count = size(options)
    report = Report(f"MISP's interface, {count:,} events", calibrate())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        with serving(Path(folder) / "single", count, 1) as (port, key, served):
            read(report, port, key, served, count)
        with serving(Path(folder) / "ten", ATTRIBUTES // 10, 10) as (port, key, served):
            served.rest()
            search(report, PyMISP(f"http://127.0.0.1:{port}/", key), ATTRIBUTES, "in a tenth")
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
