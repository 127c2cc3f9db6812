"""How fast and how well values are found in running text, beside the extractors that the field uses.

    python -m bench.text [--megabytes 10] [--peers PYTHON] [--json]

Speed: reports of plain English with one value in about 2,000 characters, as published ones have, on one core, beside
the calibration of the same run; and a list of nothing but values. Quality: recall and precision over the labelled
texts in tests/formats/labelled, which the scan was written with, and over those in tests/formats/unseen, which were
labelled before it read them. `--peers` names the Python of an environment with `ioc-finder` and `iocsearcher`; both
read the same texts, with all their kinds asked for, and are judged twice: over all labels, and over those kinds only
that they look for. They do not know the reserved domain `example`, so whoever is compared reads the texts with `com`
in its place.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.measure import Rate, Report, best, calibrate
from comity.formats.convert import Context
from comity.formats.observables import normal, refang
from comity.formats.text.read import read
from comity.formats.text.scan import scan

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "formats"
LABELLED, UNSEEN = FOLDER / "labelled", FOLDER / "unseen"
WORDS = """
    the attackers then moved laterally with stolen credentials and deployed a loader that contacted its command server
    over HTTPS. In March we observed activity of the group, which is known for this (see below) and network-level
    compromise; it was first described by Arcadia's analysts in 2024 as "patient" and well-prepared
""".split()
VALUES = (
    "hxxp://bad{0}[.]example/gate.php",
    "198.51.100[.]{0}",
    "d41d8cd98f00b204e9800998ecf842{0:02x}",
    "CVE-2021-44{0:03}",
    "evil{0}.example",
    "T1059.001",
    "C:\\Users\\Public\\a{0}.exe",
    "https://blog.vendor.example/post/{0}",
)
EVERY = 330  # words: about 2,000 characters
LINE = 14  # words
PEER_CHARS = 100_000  # the peers take a second for as much
FINDER = {  # what ioc-finder calls them
    "urls": "url", "domains": "domain", "ipv4s": "ipv4", "ipv4_cidrs": "ipv4", "ipv6s": "ipv6", "md5s": "md5",
    "email_addresses": "email", "sha1s": "sha1", "sha256s": "sha256", "sha512s": "sha512", "asns": "asn", "cves": "cve",
    "mac_addresses": "mac", "file_paths": "file-path", "registry_key_paths": "registry-key",
    "bitcoin_addresses": "wallet",
    "monero_addresses": "wallet", "ipv6_cidrs": "ipv6", "attack_techniques": "attack", "attack_tactics": "attack",
}  # fmt: skip
SEARCHER = {  # what iocsearcher calls them
    "url": "url", "fqdn": "domain", "onionAddress": "domain", "ip4": "ipv4", "ip4Net": "ipv4", "ip6": "ipv6",
    "email": "email", "md5": "md5", "sha1": "sha1", "sha256": "sha256", "cve": "cve", "bitcoin": "wallet",
    "ethereum": "wallet", "monero": "wallet", "ttp": "attack",
}  # fmt: skip
KINDS = {
    "ioc-finder": frozenset(FINDER.values()),
    "iocsearcher": frozenset(SEARCHER.values()),
}
# Runs in the peers' environment: reads a JSON list of texts, writes for each a list of what was found, and the seconds.
ASK = {
    "ioc-finder": """
import json, sys, time
from ioc_finder import find_iocs
from ioc_finder.ioc_finder import SUPPORTED_IOC_TYPES
texts = json.load(sys.stdin)
plain = dict(included_ioc_types=SUPPORTED_IOC_TYPES, parse_unicode_iocs=True, parse_domain_from_url=False,
             parse_from_url_path=False, parse_domain_from_email_address=False,
             parse_address_from_cidr=False)
def flat(found):
    for name, values in found.items():
        if isinstance(values, dict):
            values = [one for group in values.values() for one in group]
        yield from ([name, value] for value in values)
began = time.process_time()
answers = [list(flat(find_iocs(text, **plain))) for text in texts]
json.dump([answers, time.process_time() - began], sys.stdout)
""",
    "iocsearcher": """
import json, sys, time
from iocsearcher.searcher import Searcher
texts = json.load(sys.stdin)
searcher = Searcher()
began = time.process_time()
answers = [[[one.name, one.value] for one in searcher.search_data(text)] for text in texts]
json.dump([answers, time.process_time() - began], sys.stdout)
""",
}
Pairs = set[tuple[str, str]]


class Labelled(NamedTuple):
    name: str
    text: str
    labels: Pairs


class Quality(NamedTuple):
    precision: float
    recall: float


def labelled(folder: Path = LABELLED) -> Iterator[Labelled]:
    """Yield the labelled texts of a folder; README.md beside them has the format."""
    for path in sorted(folder.glob("*.txt")):
        for record in path.read_text("utf-8").split("=== ")[1:]:
            name, _, rest = record.partition("\n")
            text, _, labels = rest.rpartition("---\n")
            pairs = (line.partition(" ") for line in labels.splitlines() if line)
            yield Labelled(name, text, {(kind, value) for kind, _, value in pairs})


def quality(found: list[Pairs], texts: list[Labelled], kinds: frozenset[str] | None = None) -> Quality:
    """Judge what was found in each text, over all kinds or some."""
    right = told = there = 0
    for pairs, one in zip(found, texts, strict=True):
        wanted = {pair for pair in one.labels if kinds is None or pair[0] in kinds}
        given = {pair for pair in pairs if kinds is None or pair[0] in kinds}
        right += len(wanted & given)
        told += len(given)
        there += len(wanted)
    return Quality(right / told, right / there)


def ours(text: str) -> Pairs:
    return {(one.kind, one.value) for one in scan(text)}


def with_com(one: Labelled) -> Labelled:
    """Return a text with a domain that everybody knows in place of the reserved one."""
    labels = {(kind, value.replace("example", "com")) for kind, value in one.labels}
    return Labelled(one.name, one.text.replace("example", "com"), labels)


def report_text(chars: int, every: int = EVERY) -> str:
    """Return plain English with a value after so many words."""
    picks = random.Random(1)
    words: list[str] = []
    size = number = 0
    while size < chars:
        number += 1
        word = picks.choice(VALUES).format(number % 250) if number % every == 0 else picks.choice(WORDS)
        words.append(word + "\n" if number % LINE == 0 else word)
        size += len(words[-1]) + 1
    return " ".join(words)


def chunks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + 65_536] for start in range(0, len(data), 65_536))


def ask(python: str, peer: str, texts: list[str]) -> tuple[list[list[list[str]]], float]:
    """Return what a peer finds in each text, and the seconds of its processor that it took."""
    done = subprocess.run(
        [python, "-c", ASK[peer]], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    answers, seconds = json.loads(done.stdout.splitlines()[-1])
    return answers, seconds


def theirs(peer: str, answer: list[list[str]]) -> Pairs:
    """Return a peer's findings with our kinds and normal forms, so that only what it found is judged."""
    names = FINDER if peer == "ioc-finder" else SEARCHER
    found: Pairs = set()
    for name, value in answer:
        kind = names.get(name, "")
        if kind == "attack":
            found.add((kind, value))
        elif kind:
            meant = normal(kind, refang(value)) or normal(kind, value)
            found.add((kind, meant.value if meant else value))
    return found


def measure(report: Report, megabytes: float) -> None:
    chars = int(megabytes * 1e6)
    text, dense = report_text(chars), report_text(chars // 20, every=1)
    encoded, curly = text.encode(), text.replace('"', "”")
    context = Context("bench", 1_772_000_000)
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "bytes of plain reports": (len(text), lambda: sum(1 for _ in scan(text))),
        "bytes of the same with typographic quotes": (len(text), lambda: sum(1 for _ in scan(curly))),
        "bytes of nothing but values": (len(dense), lambda: sum(1 for _ in scan(dense))),
        "bytes of reports read into objects": (len(encoded), lambda: sum(1 for _ in read(chunks(encoded), context))),
    }  # fmt: skip
    for name, (count, work) in works.items():
        report.rate(name, best(count, work), 20e6 if name == "bytes of plain reports" else 0)
    report.figure("values in a kB of those reports", sum(1 for _ in scan(text)) / len(text) * 1_000)


def compare(report: Report, python: str) -> None:
    for name, folder in (("tuned on", LABELLED), ("unseen", UNSEEN)):
        texts = list(labelled(folder))
        told(report, f"{name}, all kinds, comity", quality([ours(one.text) for one in texts], texts))
        if python:
            beside(report, name, python, [with_com(one) for one in texts])
    sample = report_text(PEER_CHARS)
    for peer in ASK if python else ():
        _, seconds = ask(python, peer, [sample])
        report.rate(f"{peer}: bytes of plain reports", Rate(len(sample) / seconds, len(sample) / seconds))


def beside(report: Report, name: str, python: str, texts: list[Labelled]) -> None:
    """Judge the peers on some texts, and the scan once more over the kinds that each peer looks for."""
    found = [ours(one.text) for one in texts]
    for peer in ASK:
        answers, _ = ask(python, peer, [one.text for one in texts])
        pairs = [theirs(peer, answer) for answer in answers]
        told(report, f"{name}, all kinds, {peer}", quality(pairs, texts))
        for who, judged in ((peer, pairs), ("comity", found)):
            told(report, f"{name}, kinds of {peer}, {who}", quality(judged, texts, KINDS[peer]))


def told(report: Report, name: str, reached: Quality) -> None:
    report.figure(f"{name}: precision", reached.precision * 100)
    report.figure(f"{name}: recall", reached.recall * 100)


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates and quality of finding values in text.")
    parser.add_argument("--megabytes", type=float, default=10, help="characters of plain report, in millions")
    parser.add_argument("--peers", default="", help="the Python of an environment with ioc-finder and iocsearcher")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    report = Report(
        f"{options.megabytes:g} MB of text, {len(list(labelled()))} and {len(list(labelled(UNSEEN)))} labelled texts",
        calibrate(),
    )
    began = time.perf_counter()
    measure(report, options.megabytes)
    compare(report, options.peers)
    report.figure("seconds that this took", time.perf_counter() - began)
    report.show(as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
