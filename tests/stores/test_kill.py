"""A process killed at any moment loses nothing that it acknowledged, and leaves nothing half done."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from comity.node.ports import Store, position
from comity.stores import sqlite
from comity.stores.sqlite import store as backend
from comity.testing.contract.samples import OBJECTS, ORIGIN, VALUES, VIEWS, expected, extend, open_log, payload
from comity.tlog.leaf import leaf_hashes_of
from comity.tlog.merkle import Frontier
from tests.stores.killing import Acknowledge, killed_at_random

KILLS = 30
BATCH_MAX = 300


def append(store: Store, count: int) -> int:
    """Append entries that are known by their index, with their rows; return the log's new size."""
    with store.write() as unit:
        log = open_log(unit)
        indexes = range(log.size, log.size + count)
        extend(unit, log, [payload(n) for n in indexes])
        unit.views.put(OBJECTS, [(position(log.id, n), b"%016d" % n, n, "name") for n in indexes])
        unit.views.put(VALUES, [(position(log.id, n), b"%016d" % n) for n in indexes])
        unit.documents.put("setting", "size", b"%d" % indexes.stop)
    return indexes.stop


def found(store: Store, checked: int) -> int:
    """Check that everything is there and belongs together; entries before `checked` were read already."""
    assert list(store.check()) == []
    with store.read() as unit:
        log = unit.logs.find(ORIGIN)
        if log is None:
            return 0
        assert unit.documents.get("setting", "size") == b"%d" % log.size
        wanted = [expected(position(log.id, n), payload(n)) for n in range(checked, log.size)]
        assert list(unit.entries.read(log.id, checked, log.size)) == wanted
        assert [row[0] for row in unit.views.scan(OBJECTS, 0, 2**62, limit=2**30)] == [
            position(log.id, n) for n in range(log.size)
        ]
        assert unit.views.count(VALUES) == log.size
        frontier = Frontier()
        frontier.extend(leaf_hashes_of(unit.entries.commitments(log.id, 0, log.size)))
        assert (log.root, log.frontier) == (frontier.root(), frontier.encode())
        return log.size


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Often enough that some of the kills meet the log being written back into the file.
    monkeypatch.setattr(backend, "CHECKPOINT_PAGES", 60)
    chance, path = Random(9), tmp_path / "node.db"
    size, acknowledged, interrupted = 0, 0, 0
    for _ in range(KILLS):

        def work(acknowledge: Acknowledge, seed: int = chance.getrandbits(32)) -> None:
            pick, store = Random(seed), sqlite.open_store(path, VIEWS)
            while True:
                acknowledge(append(store, pick.randrange(1, BATCH_MAX)))

        told = killed_at_random(work, chance)
        store = sqlite.open_store(path, VIEWS)
        now = found(store, size)
        store.close()
        assert now >= max([size, *told])
        interrupted += now == max([size, *told])  # the unit of work under way left nothing
        size, acknowledged = now, acknowledged + len(told)
    assert acknowledged > KILLS
    assert interrupted, "every kill met a unit of work already durable: nothing was interrupted"
