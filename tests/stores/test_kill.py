"""A node killed at any moment has all it acknowledged, and never signs a second tree."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Final

from comity.node import proofs
from comity.tlog.checkpoint import parse_checkpoint
from comity.tlog.leaf import leaf_hashes_of
from comity.tlog.merkle import Frontier
from comity.tlog.note import parse_note
from tests.conftest import ROOT
from tests.stores import appender

KILLS: Final = 26
LINES_MAX: Final = 12  # a node is killed after it said at most this much, which is six batches
SECONDS_MAX: Final = 0.02  # and at most this long after that: about one batch
HANG_SECONDS: Final = 60.0


def life(path: Path, seed: int, wanted: int, seconds: float) -> list[str]:
    """Let a node append until it said `wanted` lines and a moment more, kill it, and return the whole lines."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "stores" / "appender.py"), str(path), str(seed)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        hung = threading.Timer(HANG_SECONDS, child.kill)
        hung.start()
        lines: list[bytes] = []  # what it says while it starts counts too
        while b"ready\n" not in lines or len(lines) <= lines.index(b"ready\n") + wanted:
            line = child.stdout.readline()
            if not line:
                break
            lines.append(line)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        rest, complaint = child.communicate(timeout=HANG_SECONDS)
        hung.cancel()
    assert not complaint, complaint.decode()
    assert child.returncode == -signal.SIGKILL
    said = b"".join(lines) + rest
    return said[: said.rfind(b"\n") + 1].decode().splitlines()


class Witness:
    """Remembers every tree that was signed or acknowledged: of one size there is one."""

    def __init__(self) -> None:
        self.roots: dict[int, str] = {}
        self.acknowledged = 0
        self.signed = 0

    def hear(self, line: str) -> None:
        match line.split():
            case ["signed", size, root]:
                self.signed += 1
                self.see(int(size), root)
            case ["acknowledged", size, root, note]:
                self.see(int(size), root)
                self.see_note(base64.b64decode(note))
                self.acknowledged = max(self.acknowledged, int(size))

    def see_note(self, note: bytes) -> None:
        checkpoint = parse_checkpoint(parse_note(note).text)
        self.see(checkpoint.size, checkpoint.root.hex())

    def see(self, size: int, root: str) -> None:
        assert self.roots.setdefault(size, root) == root, f"two trees of {size} leaves"


def test_a_node_killed_at_any_moment_loses_nothing_and_never_signs_two_trees(tmp_path: Path) -> None:
    path, chance, witness = tmp_path / "node.db", Random(11), Witness()
    for number in range(KILLS):
        for line in life(path, number, chance.randrange(LINES_MAX), chance.random() * SECONDS_MAX):
            witness.hear(line)
        look(path, witness, deep=number % 6 == 0)
    assert witness.signed > KILLS, "hardly anything was appended: the kills came too early"
    node, store = appender.compose(path)
    node.settle()  # what grew and was not signed is signed as it was
    with store.read() as unit:
        log = unit.logs.find(appender.HOME)
        assert log is not None
        assert log.signed == log.size
        assert proofs.verify_log(node, unit, log) == (log.size, [])
        assert_roots(unit.entries.commitments(log.id, 0, log.size), witness.roots)
    store.close()


def look(path: Path, witness: Witness, *, deep: bool) -> None:
    """See what a kill left: sound, and with everything that was acknowledged."""
    node, store = appender.compose(path)
    try:
        assert list(store.check()) == []
        with store.read() as unit:
            log = unit.logs.find(appender.HOME)
            if log is None:
                assert not witness.acknowledged
                return
            assert log.size >= witness.acknowledged
            witness.see(log.size, log.root.hex())
            if log.note:
                witness.see_note(log.note)
            if log.note and deep:
                assert proofs.verify_log(node, unit, log)[1] == []
    finally:
        store.close()


def assert_roots(commitments: bytes, roots: dict[int, str]) -> None:
    """Every tree that was ever signed or acknowledged is a beginning of the tree that is there."""
    frontier = Frontier()
    for size in sorted(roots):
        frontier.extend(leaf_hashes_of(commitments[32 * frontier.size : 32 * size]))
        assert frontier.root().hex() == roots[size]
