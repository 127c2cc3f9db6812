"""Leads read beside: the same answers in the same order, whatever becomes of the process that makes them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from comity.boot import leading
from comity.boot.leading import BESIDE_MIN, reading
from comity.formats.stix import leads
from comity.formats.stix.leads import Lead
from comity.node.warnings import WarningLists

WARNED = "listed.example"


@pytest.fixture
def lists(tmp_path: Path) -> WarningLists:
    """The lists of a node that has one of its own."""
    folder = tmp_path / "warninglists"
    folder.mkdir()
    entry = {"name": "ours", "version": 1, "description": "", "type": "string", "list": [WARNED]}
    (folder / "ours.json").write_text(json.dumps(entry | {"matching_attributes": ["domain"]}))
    return WarningLists(tmp_path)


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has one to spare, whatever this one has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def batches(count: int) -> list[list[bytes]]:
    """Return batches of indicators, some of them empty; each fourth value is on the list."""
    made = []
    for batch in range(count):
        values = [
            WARNED if not number % 4 else f"n{batch}-{number}.example" for number in range(0 if batch == 1 else 20)
        ]
        trees = [
            {"id": f"indicator--{value}", "pattern": f"[domain-name:value = '{value}']", "pattern_type": "stix"}
            for value in values
        ]
        made.append([json.dumps(tree).encode() for tree in trees])
    return made


def helpers() -> list[multiprocessing.Process]:
    return [one for one in multiprocessing.active_children() if one.name == "comity-leads"]  # type: ignore[misc]


def here(lists: WarningLists, given: Sequence[Sequence[bytes]]) -> list[Sequence[Lead]]:
    kept = lists.warnings()
    assert kept is not None
    return list(leads.reader(lambda value: bool(kept.check(value)), ["domain"])(given))


@pytest.mark.usefixtures("two_processors")
def test_the_answers_are_those_of_reading_here(lists: WarningLists, tmp_path: Path) -> None:
    given = batches(6)
    told = WarningLists(tmp_path)
    with reading(told, ["domain"], BESIDE_MIN) as read:
        assert len(helpers()) == 1
        answers = list(read(given))
    assert not helpers()
    assert answers == here(lists, given)
    assert told._kept is None, "the lists are in the other process alone"
    assert told.asked(7) == lists.asked(7), "which says how many it found"


@pytest.mark.usefixtures("two_processors")
def test_a_helper_that_dies_is_replaced_by_doing_the_work_here(lists: WarningLists) -> None:
    given = batches(8)
    answers = []
    with reading(lists, ["domain"], BESIDE_MIN) as read:
        for number, answer in enumerate(read(given)):
            answers.append(answer)
            if number == 2:
                (helper,) = helpers()
                assert helper.pid is not None
                os.kill(helper.pid, signal.SIGKILL)
                helper.join()
    assert answers == here(lists, given)


@pytest.mark.usefixtures("two_processors")
def test_what_goes_wrong_ends_the_helper(lists: WarningLists) -> None:
    with pytest.raises(RuntimeError, match="full"), reading(lists, (), BESIDE_MIN) as read:
        next(iter(read(batches(3))))
        raise RuntimeError("the disk is full")
    assert not helpers()


@pytest.mark.parametrize(("count", "processors"), [(BESIDE_MIN - 1, {0, 1}), (BESIDE_MIN, {0})])
def test_few_are_read_here_and_so_are_many_on_one_processor(
    lists: WarningLists, monkeypatch: pytest.MonkeyPatch, count: int, processors: set[int]
) -> None:
    def no_helper(*_: object, **__: object) -> None:
        raise AssertionError("a helper was begun")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    monkeypatch.setattr(leading, "Ahead", no_helper)
    given = batches(3)
    with reading(lists, ["domain"], count) as read:
        assert list(read(given)) == here(lists, given)
