"""Checking beside: the same answers in the same order, whatever becomes of the process that makes them."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from comity.areas import intel
from comity.boot import checking
from comity.boot.checking import BEGIN_BATCHES, check_beside
from comity.testing.world import indicators


def batches(count: int) -> list[list[bytes]]:
    """Return batches with good, broken and hostile objects, some of them empty."""
    chance = random.Random(7)
    bad = [b"{", b'{"type":"bundle"}', b'{"type":"indicator","type":"indicator"}', b"[]", b"\xff"]
    made = []
    for number in range(count):
        batch = [*indicators(chance, 40), *bad] if number % 4 != 1 else []
        chance.shuffle(batch)
        made.append(batch)
    return made


def helpers() -> list[multiprocessing.Process]:
    return [one for one in multiprocessing.active_children() if one.name == "comity-check"]  # type: ignore[misc]


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has one to spare, whatever this one has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("two_processors")
@pytest.mark.parametrize("count", [0, 1, BEGIN_BATCHES, BEGIN_BATCHES + 1, BEGIN_BATCHES + 6])
def test_the_answers_are_those_of_checking_here(count: int) -> None:
    given = batches(count)
    assert list(map(list, check_beside(iter(given)))) == list(intel.check_each(given))
    assert not helpers(), "it ended with its input"


@pytest.mark.usefixtures("two_processors")
def test_a_helper_that_dies_is_replaced_by_doing_the_work_here() -> None:
    given = batches(BEGIN_BATCHES + 8)
    answers = []
    for number, each in enumerate(check_beside(iter(given))):
        answers.append(list(each))
        if number == BEGIN_BATCHES + 2:
            (helper,) = helpers()
            assert helper.pid is not None
            os.kill(helper.pid, signal.SIGKILL)
            helper.join()
    assert answers == list(intel.check_each(given))


@pytest.mark.usefixtures("two_processors")
def test_a_helper_ends_when_nobody_asks_on() -> None:
    asking = check_beside(iter(batches(BEGIN_BATCHES + 8)))
    for _ in range(BEGIN_BATCHES + 2):
        next(asking)
    assert len(helpers()) == 1
    asking.close()  # type: ignore[attr-defined]  # it is a generator
    assert not helpers()


def test_on_one_processor_there_is_no_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_helper(*_: object, **__: object) -> None:
        raise AssertionError("a helper was begun")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(checking, "Ahead", no_helper)
    given = batches(BEGIN_BATCHES + 3)
    assert list(map(list, check_beside(iter(given)))) == list(intel.check_each(given))


@pytest.mark.usefixtures("two_processors")
def test_the_input_is_read_one_batch_ahead_and_no_more() -> None:
    given = batches(BEGIN_BATCHES + 6)
    read = 0

    def source() -> Iterator[Sequence[bytes]]:
        nonlocal read
        for batch in given:
            read += 1
            yield batch

    for answered, _ in enumerate(check_beside(source()), 1):
        assert read - answered <= 1


@pytest.mark.usefixtures("two_processors")
def test_no_code_of_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "multiprocessing.py").write_text("open('ran', 'w').close()\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    given = batches(BEGIN_BATCHES + 3)
    assert list(map(list, check_beside(iter(given)))) == list(intel.check_each(given))
    assert not (tmp_path / "ran").exists()
    assert "PYTHONSAFEPATH" not in os.environ
