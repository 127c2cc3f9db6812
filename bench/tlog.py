"""How fast a log is written and checked, beside a bare hash loop and a signature on each object.

    python -m bench.tlog [--entries 100000] [--json]

Every rate is for one core, the best of three rounds, and is printed with its ratio to the calibration of the same
run: SHA-256 over 64 bytes in a Python loop. Ratios compare between machines; rates do not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.tlog.leaf import commit_many, leaf_hashes_of
from comity.tlog.merkle import (
    Frontier,
    StoredTree,
    block_roots,
    consistency_proof,
    inclusion_proof,
    verify_inclusion,
)

BATCH = 4_096  # entries under one checkpoint
PAYLOAD_BYTES = 772  # mean size of a STIX indicator in canonical JSON
SIGNED_PART = 20  # one object in twenty is enough to measure signatures, which are far slower
PROOFS = 1_000
ROUNDS = 3
ORIGIN, VERSION, KIND = "cert.arcadia.example/accord/three-shores/1", 1, "application/vnd.example+json"


class Sample:
    """A log of random entries: what its author writes, what a replica is sent, and what a store keeps."""

    def __init__(self, entries: int) -> None:
        self.picks = random.Random(1)
        self.entries = entries
        self.payloads = [self.picks.randbytes(PAYLOAD_BYTES) for _ in range(entries)]
        self.salts = [self.picks.randbytes(16) for _ in range(entries)]
        self.committed = self.commit()
        self.commitments = b"".join(self.committed)
        self.leaf_hashes = leaf_hashes_of(self.commitments)
        self.block_roots = block_roots(self.leaf_hashes)
        self.root = self.append()

    def commit(self) -> list[bytes]:
        """What the author does to each entry: hash salt, log and payload."""
        batches = [slice(start, start + BATCH) for start in range(0, self.entries, BATCH)]
        return [commit_many(self.salts[batch], ORIGIN, VERSION, KIND, self.payloads[batch]) for batch in batches]

    def append(self) -> bytes:
        """What both do to each commitment: hash its leaf into the tree."""
        frontier = Frontier()
        for run in self.committed:
            frontier.extend(leaf_hashes_of(run))
        return frontier.root()

    def replicate(self) -> None:
        """What a replica does to each entry: open its commitment, hash its leaf, rebuild the signed root."""
        assert self.commit() == self.committed
        assert self.append() == self.root

    def tree(self) -> StoredTree:
        """Return the tree as a store holds it, with nothing hashed yet."""
        return StoredTree(
            lambda start, stop: self.commitments[32 * start : 32 * stop],
            lambda start, stop: self.block_roots[32 * start : 32 * stop],
            self.entries,
        )


def rate(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` things `work` does in a second, in its best round."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return count / min(seconds)


def hash_rate(count: int) -> float:
    data = bytes(64)

    def loop() -> None:
        for _ in range(count):
            sha256(data).digest()

    return rate(count, loop)


def signature_rate(sample: Sample) -> float:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key()
    objects = sample.payloads[: max(sample.entries // SIGNED_PART, 1)]
    signed = [(private.sign(payload), payload) for payload in objects]

    def verify() -> None:
        for signature, payload in signed:
            public.verify(signature, payload)

    return rate(len(signed), verify)


def proof_rates(sample: Sample) -> dict[str, float]:
    size, tree = sample.entries, sample.tree()
    indexes = [sample.picks.randrange(size) for _ in range(PROOFS)]
    proofs = [(index, inclusion_proof(index, size, tree)) for index in indexes]

    def verify() -> None:
        for index, proof in proofs:
            verify_inclusion(sample.leaf_hashes[32 * index : 32 * index + 32], index, size, proof, sample.root)

    return {
        "inclusion proof, cold tree": rate(1, lambda: inclusion_proof(size // 3, size, sample.tree())),
        "inclusion proof, warm tree": rate(PROOFS, lambda: [inclusion_proof(index, size, tree) for index in indexes]),
        "consistency proof, warm tree": rate(
            PROOFS, lambda: [consistency_proof(index, size, tree) for index in indexes]
        ),
        "inclusion proof, verified": rate(PROOFS, verify),
    }


def measure(entries: int) -> dict[str, float]:
    sample = Sample(entries)
    return {
        "calibration": hash_rate(entries),
        "commit": rate(entries, sample.commit),
        "leaf and frontier": rate(entries, sample.append),
        "replica: verify entries": rate(entries, sample.replicate),
        "Ed25519: verify objects": signature_rate(sample),
        **proof_rates(sample),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates of writing and checking a log.")
    parser.add_argument("--entries", type=int, default=100_000, help="entries, 900 bytes of memory each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    rates = measure(arguments.entries)
    ratios = {name: value / rates["calibration"] for name, value in rates.items()}
    advantage = rates["replica: verify entries"] / rates["Ed25519: verify objects"]
    if arguments.json:
        print(json.dumps({"entries": arguments.entries, "per_second": rates, "ratio": ratios, "advantage": advantage}))
        return 0
    print(f"{arguments.entries:,} entries of {PAYLOAD_BYTES} bytes; ratio 1 is SHA-256 of 64 bytes in a Python loop")
    for name, value in rates.items():
        print(f"{name:<30} {value:>12,.0f} /s {ratios[name]:>9.4f}")
    print(f"through the log, a replica verifies {advantage:.0f} times as many objects as by a signature on each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
