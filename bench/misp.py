"""How fast MISP events are read and written, beside the converter that the field uses.

    python -m bench.misp [--attributes 10000] [--misp-stix PYTHON] [--json]

Both ways from bytes to bytes, one core: an event's JSON to STIX objects, each as JSON, and those objects to an event's
JSON. The attributes are those that feeds have: addresses, names, URLs, hashes and composites, a quarter not `to_ids`,
and a file object for every twenty. `misp-stix`, if a Python that has it is named, converts a tenth of the same event,
from bytes to bytes too.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.measure import Rate, Report, best, calibrate
from comity.formats.convert import Context, Loss, Losses, Made
from comity.formats.misp.read import read
from comity.formats.misp.write import About, write
from comity.formats.stix.check import Checked, check_many

AIM = 10_000  # attributes a second, each way
AIM_TIMES = 10  # as fast as misp-stix
PEER_PART = 10  # of the attributes: the library is far slower, and no slower a piece for a smaller event
EVENT = "00000000-0000-4000-8000-000000000007"
ORG = "00000000-0000-4000-8000-000000000008"
AT = 1_790_000_000

# Run in the other interpreter: the same bytes, both ways, its best of three.
_PEER = """
import json, sys, time
from misp_stix_converter import InternalSTIX2toMISPParser, MISPtoSTIX21Parser
from pymisp import MISPEvent
from stix2.parsing import parse

data = open(sys.argv[1], "rb").read()
rates = {"out": [], "back": []}
for _ in range(3):
    clocks = time.perf_counter(), time.process_time()
    event = MISPEvent()
    event.load(json.loads(data))
    parser = MISPtoSTIX21Parser()
    parser.parse_misp_event(event)
    text = parser.bundle.serialize()
    rates["out"].append((time.perf_counter() - clocks[0], time.process_time() - clocks[1]))
    clocks = time.perf_counter(), time.process_time()
    back = InternalSTIX2toMISPParser()
    back.load_stix_bundle(parse(text, allow_custom=True))
    back.parse_stix_bundle()
    back.misp_event.to_json()
    rates["back"].append((time.perf_counter() - clocks[0], time.process_time() - clocks[1]))
print(json.dumps({name: [min(times) for times in zip(*each)] for name, each in rates.items()}))
"""


def _value(number: int) -> tuple[str, str]:
    digest = f"{number * 7_919:064x}"
    return (
        ("ip-dst", f"198.51.100.{number % 256}"),
        ("domain", f"host{number}.bad.example"),
        ("url", f"http://host{number}.bad.example/path/{number}?x=1"),
        ("sha256", digest),
        ("filename|md5", f"dropper{number}.exe|{digest[-32:]}"),
        ("domain|ip", f"host{number}.bad.example|203.0.113.{number % 256}"),
        ("text", f"Seen by sensor {number}"),
    )[number % 7]


def attribute(picks: random.Random, number: int, kind: str, value: str, **changes: object) -> dict[str, Any]:
    """Return an attribute with the members that a server writes."""
    made: dict[str, Any] = {
        "id": str(number),
        "uuid": str(UUID(int=picks.getrandbits(128), version=4)),
        "type": kind,
        "category": "Other" if kind == "text" else "Payload delivery",
        "value": value,
        "to_ids": number % 4 != 0 and kind != "text",
        "timestamp": str(1_700_000_000 + number % 100),
        "distribution": "5",
        "comment": f"seen in campaign {number % 50}",
        "deleted": False,
        "disable_correlation": False,
    }
    return made | changes


def event(count: int, event: int = 0) -> bytes:
    """Return an event of so many attributes, those of its objects among them; each event has others."""
    picks = random.Random(1 + event)
    alone, objects = [], []
    for number in range(event * count, event * count + count):
        if number % 20 >= 3:
            alone.append(attribute(picks, number, *_value(number)))
        elif number % 20 == 0:
            digest = f"{number * 104_729:064x}"
            parts = [
                ("md5", "md5", digest[-32:]),
                ("sha256", "sha256", digest),
                ("filename", "filename", f"a{number}.exe"),
            ]
            inner = [
                attribute(picks, number + at, kind, value, object_relation=relation, to_ids=relation != "filename")
                for at, (relation, kind, value) in enumerate(parts)
            ]
            made: dict[str, Any] = {
                "uuid": str(UUID(int=picks.getrandbits(128), version=4)),
                "name": "file",
                "meta-category": "file",
            }
            objects.append(made | {"timestamp": "1700000000", "distribution": "5", "Attribute": inner})
    tree: dict[str, Any] = {
        "uuid": EVENT if not event else str(UUID(int=picks.getrandbits(128), version=4)),
        "info": "Phishing against Arcadia",
        "date": "2026-01-01",
        "timestamp": "1700000000",
    }
    tree |= {"distribution": "3", "published": True, "publish_timestamp": "1700000000", "threat_level_id": "2"}
    tree |= {"analysis": "2", "Orgc": {"uuid": ORG, "name": "CERT Arcadia"}, "Tag": [{"name": "tlp:green"}]}
    return json.dumps({"Event": tree | {"Attribute": alone, "Object": objects}}).encode()


def ours(report: Report, count: int) -> tuple[Rate, Rate]:
    """Measure both ways; what is made passes every check."""
    data = event(count)
    context = Context("bench", AT)
    out = list(read([data], context))
    made = [one.data for one in out if isinstance(one, Made)]
    assert not [one for one in out if isinstance(one, Loss)]
    assert all(isinstance(verdict, Checked) for verdict in check_many(made))
    about = About(EVENT, "Phishing against Arcadia", AT, "CERT Arcadia", ORG)
    to_stix = best(count, lambda: list(read([data], context)))
    to_misp = best(count, lambda: b"".join(write(made, about, Losses())))
    report.rate("MISP to STIX, attributes", to_stix, AIM)
    report.rate("STIX to MISP, attributes", to_misp, AIM)
    report.figure("objects made of an attribute", len(made) / count)
    return to_stix, to_misp


def peer(report: Report, python: str, count: int) -> tuple[Rate, Rate]:
    """Measure misp-stix in its own interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "event.json"
        path.write_bytes(event(count))
        ran = subprocess.run([python, "-c", _PEER, path], capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        raise SystemExit(f"{python} could not run misp-stix:\n{ran.stderr[-2_000:]}")
    found = json.loads(ran.stdout.splitlines()[-1])
    out, back = (Rate(*(count / seconds for seconds in found[name])) for name in ("out", "back"))
    report.rate("misp-stix: MISP to STIX, attributes", out)
    report.rate("misp-stix: STIX to MISP, attributes", back)
    return out, back


def compare(report: Report, mine: tuple[Rate, Rate], theirs: tuple[Rate, Rate]) -> None:
    for way, one, other in zip(("to STIX", "to MISP"), mine, theirs, strict=True):
        report.figure(
            f"times as fast as misp-stix, {way}, by processor time", one.processor / other.processor, AIM_TIMES
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--attributes", type=int, default=10_000, help="in one event")
    parser.add_argument("--misp-stix", metavar="PYTHON", help="an interpreter in which `misp_stix_converter` is found")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    report = Report(f"an event of {options.attributes:,} attributes", calibrate())
    mine = ours(report, options.attributes)
    if options.misp_stix:
        compare(report, mine, peer(report, options.misp_stix, max(options.attributes // PEER_PART, 20)))
    report.show(as_json=options.json)
    if not options.misp_stix and not options.json:
        print("misp-stix was not measured: name a Python that has it with --misp-stix")
    return 0


if __name__ == "__main__":
    sys.exit(main())
