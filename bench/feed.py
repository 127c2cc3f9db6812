"""A feed of indicators such as producers publish, made while it is read, so that no size needs memory.

Rules: the same numbers give the same values; ids, times and words are of one seed. Addresses are of the range for
benchmarks (RFC 2544, 198.18.0.0/15), names and parties are invented.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from uuid import UUID

from bench.measure import Watch

WINDOW = 100  # indicators in one chunk of a bundle: about 64 kB
PLACES = 131_072  # addresses in 198.18.0.0/15
HEAD = b'{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000006","objects":['
GREEN = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
CAMPAIGN = "网络钓鱼活动"  # said of every hundredth: a campaign of phishing
WORDS = [
    "Payload dropped by the loader seen in the wave of invoices",
    "Second stage fetched over HTTPS from a compromised shop",
    "Sample shared by a member, analysed in a sandbox, no attribution",
    "Document with a macro that starts the downloader",
]


def value(number: int) -> str:
    """Return the value that indicator `number` is about: an address, a domain, a URL or a hash in turn."""
    mixed = sha256(number.to_bytes(8)).hexdigest()
    match number % 4:
        case 0:
            place = number // 4 % PLACES
            return f"198.{18 + (place >> 16)}.{place >> 8 & 255}.{place & 255}"
        case 1:
            return f"{mixed[:11]}.bad.example"
        case 2:
            return f"http://{mixed[:11]}.bad.example/{mixed[11:19]}/gate.php?id={mixed[19:24]}"
        case _:
            return mixed


PATTERNS = (
    "[ipv4-addr:value = '%s']",
    "[domain-name:value = '%s']",
    "[url:value = '%s']",
    "[file:hashes.'SHA-256' = '%s']",
)


class Feed:
    """Indicators one after another, numbered from `start` in steps: with a step of 4 all are of one kind."""

    def __init__(self, seed: int = 1, *, start: int = 0, step: int = 1) -> None:
        self.chance = random.Random(seed)
        self.numbers = start, step
        self.bytes = 0

    def objects(self, count: int) -> Iterator[bytes]:
        """Yield indicators of about 650 bytes."""
        creators = [UUID(int=self.chance.getrandbits(128), version=4) for _ in range(20)]
        start, step = self.numbers
        for number in range(start, start + count * step, step):
            pick = self.chance.getrandbits(128)
            made = self._moment(number, pick)
            text = f"{WORDS[pick % 4]}, campaign {pick % 50}{CAMPAIGN if pick % 100 == 0 else ''}"
            data = (
                f'{{"type":"indicator","spec_version":"2.1","id":"indicator--{UUID(int=pick, version=4)}",'
                f'"created_by_ref":"identity--{creators[pick % 20]}","created":"{made}","modified":"{made}",'
                f'"name":"Indicator {number}","description":"{text}",'
                f'"indicator_types":["malicious-activity"],"pattern":"{PATTERNS[number % 4] % value(number)}",'
                f'"pattern_type":"stix","pattern_version":"2.1","valid_from":"{made}",'
                f'"valid_until":"2027-{1 + pick % 12:02}-01T00:00:00Z","labels":["c2"],"confidence":{pick % 100},'
                f'"object_marking_refs":["{GREEN}"]}}'
            ).encode()
            self.bytes += len(data)
            yield data

    def _moment(self, number: int, pick: int) -> str:
        day = f"2026-{1 + pick % 9:02}-{1 + pick % 28:02}"
        return f"{day}T{number % 24:02}:{pick % 60:02}:{number % 60:02}.{pick % 1000:03}Z"

    def bundle(self, count: int, watch: Watch | None = None) -> Iterator[bytes]:
        """Yield a bundle in chunks; `watch` stands still while one is made."""
        made = self.objects(count)
        lead = HEAD
        while chunk := self._chunk(made, watch):
            yield lead + chunk
            lead = b","
        yield b"]}"

    def _chunk(self, made: Iterator[bytes], watch: Watch | None) -> bytes:
        if watch is not None:
            watch.stop()
        chunk = b",".join(islice(made, WINDOW))
        if watch is not None:
            watch.start()
        return chunk
