"""Every operation on the disk can fail: what was acknowledged is there, what was not is there wholly or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import pytest

from comity.errors import ComityError, Fault
from comity.node.ports import Store, Unit, position
from comity.stores import sqlite
from comity.stores.sqlite import store as backend
from comity.testing.contract.samples import (
    OBJECTS,
    ORIGIN,
    RETRACTED,
    VALUES,
    VIEWS,
    extend,
    grown,
    open_log,
    payload,
)
from tests.stores.faults import NEVER, Disk, Failure

FIRST: Final = 250  # entries before the unit of work that fails: its first leaves go into a row begun before
SECOND: Final = 20  # entries in it: it fills a block of leaves
NUMBERS: Final = count()

# Where SQLite goes on after an error, as after one in deleting its journal, APSW can only warn of it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store's file as it is before the unit of work, closed and whole."""
    path = tmp_path_factory.mktemp("begun") / "node.db"
    store = sqlite.open_store(path, VIEWS)
    grown(store, [payload(n) for n in range(FIRST)])
    store.close()
    return path


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk(f"faulty-{next(NUMBERS)}")
    yield disk
    disk.unregister()


def work(unit: Unit, first: int = FIRST) -> None:
    """Do what one batch of a node does: entries, tree, signature, views, standings, documents."""
    log = open_log(unit)
    extend(unit, log, [payload(first + n) for n in range(SECOND)])
    unit.entries.set_standing(log.id, 0, 9, RETRACTED)
    unit.entries.erase(log.id, 20, 30)
    at = position(log.id, first)
    unit.views.put(OBJECTS, [(at + n, b"%016d" % n, n, "name") for n in range(SECOND)])
    unit.views.put(VALUES, [(at + n, b"%016d" % n) for n in range(SECOND)])
    unit.documents.put("setting", "last", str(first).encode())
    unit.logs.sign(log.id, log.size + SECOND, b"note of %d" % (log.size + SECOND))


def told(store: Store) -> list[object]:
    """Return everything a store says."""
    with store.read() as unit:
        log = unit.logs.find(ORIGIN)
        assert log is not None
        return [
            log,
            unit.entries.read(log.id, 0, 2**30),
            unit.entries.commitments(log.id, 0, log.size),
            unit.entries.block_roots(log.id, 0, log.size // 256),
            unit.views.scan(OBJECTS, 0, 2**62, limit=2**30),
            unit.views.scan(VALUES, 0, 2**62, limit=2**30),
            unit.documents.all("setting"),
        ]


def copied(begun: Path, folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(begun, folder / "node.db"))


def said(path: Path, *, checked: bool = True) -> list[object]:
    """Return what a store says when it is opened by a new process on a sound disk."""
    store = sqlite.open_store(path, VIEWS)
    try:
        if checked:
            assert list(store.check()) == []
        return told(store)
    finally:
        store.close()


@pytest.fixture(scope="module")
def outcomes(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """Return what a store says before the unit of work, after it, and after one more."""
    path = copied(begun, tmp_path_factory.mktemp("outcomes") / "sound")
    found = {"before": said(path)}
    for name, first in (("after", FIRST), ("more", FIRST + SECOND)):
        store = sqlite.open_store(path, VIEWS)
        with store.write() as unit:
            work(unit, first)
        store.close()
        found[name] = said(path)
    return found


@pytest.fixture(params=[backend.CHECKPOINT_PAGES, 4], ids=["checkpoint later", "checkpoint in the commit"])
def checkpoints(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(backend, "CHECKPOINT_PAGES", request.param)
    return int(request.param)


def operations(disk: Disk, begun: Path, folder: Path) -> int:
    """Return how many operations the unit of work takes on a disk that does not fail."""
    store = sqlite.open_store(copied(begun, folder), VIEWS, vfs=disk.name)
    disk.arm(NEVER, Failure.LOST)
    with store.write() as unit:
        work(unit)
    done = disk.done
    store.close()
    assert done >= 10, "a unit of work that hardly touches the disk tests nothing"
    return done


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("how", [Failure.LOST, Failure.KEPT, Failure.BROKEN])
def test_an_operation_that_fails_leaves_all_or_nothing_and_a_usable_store(
    how: Failure, disk: Disk, begun: Path, outcomes: dict[str, list[object]], tmp_path: Path
) -> None:
    failures = 0
    for number in range(1, operations(disk, begun, tmp_path / "sound") + 1):
        path = copied(begun, tmp_path / str(number))
        store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        disk.arm(number, how)
        try:
            with store.write() as unit:
                work(unit)
            acknowledged = True
        except Fault as error:
            acknowledged, failures = False, failures + 1
            assert error.says()
        assert disk.failed
        if how is Failure.BROKEN and not acknowledged:
            with pytest.raises(ComityError), store.write() as unit:
                work(unit)
        disk.mend()
        # What the live store says now is what it goes on from.
        now = told(store)
        there = now == outcomes["after"]
        assert there or (not acknowledged and now == outcomes["before"]), number
        with store.write() as unit:
            work(unit, FIRST + SECOND if there else FIRST)
        store.close()
        assert said(path, checked=number % 5 == 0) == outcomes["more" if there else "after"], number
    assert failures, "no failure was met: nothing was tested"


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("how", [Failure.LOST, Failure.KEPT, Failure.BROKEN])
def test_a_process_that_ends_after_a_failed_operation_leaves_all_or_nothing(
    how: Failure, disk: Disk, begun: Path, outcomes: dict[str, list[object]], tmp_path: Path
) -> None:
    """The difference to the test above: nothing more is written, so a half-written log is what is found."""
    for number in range(1, operations(disk, begun, tmp_path / "sound") + 1):
        path = copied(begun, tmp_path / str(number))
        store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        disk.arm(number, how)
        acknowledged = worked(store)
        found = tmp_path / f"found-{number}"
        found.mkdir()
        for name in ("node.db", "node.db-wal"):  # what lies there at this moment, before anything is tidied up
            if (path.parent / name).exists():
                shutil.copy(path.parent / name, found / name)
        disk.mend()
        store.close()
        after = said(found / "node.db", checked=number % 5 == 0)
        assert after == outcomes["after"] or (not acknowledged and after == outcomes["before"]), number


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("how", [Failure.CUT, Failure.TORN])
def test_a_power_cut_loses_nothing_acknowledged_and_leaves_no_half(
    how: Failure, disk: Disk, begun: Path, outcomes: dict[str, list[object]], tmp_path: Path
) -> None:
    chance = Random(20) if how is Failure.TORN else None
    seen = set()
    for number in range(1, operations(disk, begun, tmp_path / "sound") + 2):
        path = copied(begun, tmp_path / str(number))
        disk.keeps(path)
        store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        disk.arm(number, how)
        acknowledged = worked(store)
        store.close()  # ends the process's hold on the file; the disk does nothing any more
        disk.after_the_cut(chance)
        disk.mend()
        after = said(path, checked=number % 5 == 0)
        assert after == outcomes["after"] or (not acknowledged and after == outcomes["before"]), number
        seen.add((acknowledged, after == outcomes["after"]))
    assert {(False, False), (True, True)} <= seen, "the cut never came before, or never after, the commit"


@pytest.mark.usefixtures("checkpoints")
@pytest.mark.parametrize("how", [Failure.FORGOTTEN, Failure.KILLED])
def test_nothing_is_built_on_what_a_failed_sync_forgot(
    how: Failure, disk: Disk, begun: Path, outcomes: dict[str, list[object]], tmp_path: Path
) -> None:
    """After a failed sync the system may show pages it never writes: what is acknowledged later needs them."""
    for number in range(1, operations(disk, begun, tmp_path / "sound") + 1):
        path = copied(begun, tmp_path / str(number))
        disk.keeps(path)
        store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        disk.arm(number, how)
        worked(store)
        if how is Failure.KILLED:
            store.close()
            disk.mend()
            store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        there = told(store) == outcomes["after"]
        with store.write() as unit:
            work(unit, FIRST + SECOND if there else FIRST)
        disk.arm(1, Failure.CUT)
        store.close()
        disk.after_the_cut()
        disk.mend()
        assert said(path, checked=number % 5 == 0) == outcomes["more" if there else "after"], number


def worked(store: Store) -> bool:
    """Do the unit of work; say whether it was acknowledged."""
    try:
        with store.write() as unit:
            work(unit)
    except Fault:
        return False
    return True


@pytest.mark.parametrize("how", [Failure.LOST, Failure.KEPT, Failure.BROKEN])
def test_a_failure_while_closing_loses_nothing(
    how: Failure, disk: Disk, begun: Path, outcomes: dict[str, list[object]], tmp_path: Path
) -> None:
    for number in count(1):
        path = copied(begun, tmp_path / str(number))
        store = sqlite.open_store(path, VIEWS, vfs=disk.name)
        with store.write() as unit:
            work(unit)
        with store.write() as unit:  # an erasure empties the write-ahead log at once: closing must find some of it
            unit.documents.put("other", "key", bytes(40_000))
        disk.arm(number, how)
        store.close()
        failed = disk.failed
        disk.mend()
        assert said(path, checked=number % 5 == 0) == outcomes["after"], number
        if not failed:
            break
    assert number > 5, "closing hardly touches the disk: nothing was tested"


@pytest.mark.parametrize("how", [Failure.LOST, Failure.KEPT, Failure.CUT, Failure.TORN])
def test_a_failure_while_a_store_is_made_leaves_one_that_can_be_made(how: Failure, disk: Disk, tmp_path: Path) -> None:
    chance = Random(21) if how is Failure.TORN else None
    for number in count(1):
        path = tmp_path / str(number) / "node.db"
        path.parent.mkdir()
        disk.arm(number, how)
        try:
            sqlite.open_store(path, VIEWS, vfs=disk.name).close()
        except Fault as error:
            assert error.says()
        failed = disk.failed
        if how in {Failure.CUT, Failure.TORN}:
            disk.after_the_cut(chance)
        disk.mend()
        store = sqlite.open_store(path, VIEWS)
        grown(store, [payload(n) for n in range(3)])
        assert list(store.check()) == []
        store.close()
        if not failed:
            break
    assert number > 5, "making a store hardly touches the disk: nothing was tested"
