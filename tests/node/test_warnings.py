"""Warning lists of a node: where they are found, when they are read, and what is said of values and objects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.formats.observables import Observable
from comity.formats.warninglists import Category
from comity.limits import WARNING_LIST_BYTES_MAX
from comity.node import reference, warnings
from comity.node.ports import place
from comity.node.warnings import Choice, WarningLists, flagged, flagged_at
from comity.testing.world import Inhabitant, World, amber

PACKAGE = warnings.PACKAGE
LISTED = Observable("ipv4", "192.0.2.7")
OTHER = Observable("ipv4", "198.51.100.7")


def a_list(name: str, *entries: str, **more: object) -> str:
    return json.dumps({"name": name, "type": "cidr", "version": 1, "description": "", "list": entries, **more})


def indicator(address: str, number: int) -> bytes:
    """Return a STIX indicator for an address."""
    tree = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--11111111-2222-4333-8444-{number:012}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '{address}']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
    }
    return json.dumps(tree).encode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(3, 1, tmp_path)
    made.now += 60
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    return world.people[0]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node's directory with a folder for warning lists."""
    (tmp_path / "home" / warnings.FOLDER).mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are about the node's own lists: what is installed must not speak too."""
    monkeypatch.setattr(warnings, "PACKAGE", "no_such_package_of_lists")


def put(home: Path, file: str, text: str) -> Path:
    path = home / warnings.FOLDER / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_that_no_lists_are_here_is_an_answer(one: Inhabitant, tmp_path: Path) -> None:
    for directory in (None, tmp_path / "nowhere"):
        found = flagged(one.node, WarningLists(directory), [LISTED])
        assert (found.asked.lists, found.asked.at, found.found) == (0, one.node.now(), {})
        assert found.asked.says().startswith("no warning lists are here")


def test_lists_that_are_all_broken_are_not_called_none(one: Inhabitant, home: Path) -> None:
    put(home, "broken.json", "{")
    lists = WarningLists(home)
    found = flagged(one.node, lists, [LISTED])
    assert (found.asked.lists, found.asked.losses) == (0, 1)
    assert found.asked.says() == "none of the 1 files of warning lists is in use"
    assert [lost.where for lost in lists.losses] == ["broken"]


def test_values_on_lists_are_told_with_a_date(one: Inhabitant, home: Path) -> None:
    put(home, "ours.json", a_list("ours", "192.0.2.0/24"))
    put(home, "theirs/list.json", a_list("theirs", "192.0.2.7", "203.0.113.0/24"))
    found = flagged(one.node, WarningLists(home), iter([LISTED, OTHER, LISTED]))
    assert found.asked == (one.node.now(), 2, 3, 0, "")
    assert {value: [each.name for each in told] for value, told in found.found.items()} == {LISTED: ["ours", "theirs"]}
    assert found.lists() == {"ours": 1, "theirs": 1}
    assert found.asked.says() == "2 warning lists were asked, with 3 entries"


def test_nothing_is_read_before_somebody_asks_and_again_only_when_it_changed(
    one: Inhabitant, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(home, "ours.json", a_list("ours", "192.0.2.0/24"))
    read: list[str] = []

    def reading(file: reference.File, limit: int) -> object:
        read.append(file.name)
        return real(file, limit)

    real = reference.read
    monkeypatch.setattr(reference, "read", reading)
    lists = WarningLists(home)
    assert read == []
    assert flagged(one.node, lists, [LISTED]).found and flagged(one.node, lists, [LISTED]).found
    assert read == ["ours"]
    path.write_text(a_list("ours", "198.51.100.0/24", "203.0.113.9"), "utf-8")
    assert set(flagged(one.node, lists, [LISTED, OTHER]).found) == {OTHER}
    lists.forget()
    assert lists.losses == ()
    assert set(flagged(one.node, lists, [LISTED, OTHER]).found) == {OTHER}
    assert read == ["ours"] * 3
    path.unlink()
    assert flagged(one.node, lists, [OTHER]).asked.lists == 0


def test_a_node_chooses_its_lists(one: Inhabitant, home: Path) -> None:
    put(home, "known.json", a_list("known", "192.0.2.7", category="known"))
    put(home, "large.json", a_list("large", *(f"192.0.2.{n}" for n in range(200))))
    put(home, "plain.json", a_list("plain", "192.0.2.7"))
    put(home, "named/list.json", a_list("by its name", "192.0.2.7"))

    def names(choice: Choice) -> set[str]:
        return set(flagged(one.node, WarningLists(home, choice), [LISTED]).lists())

    assert names(Choice()) == {"large", "plain", "by its name"}
    assert names(Choice(categories=frozenset(Category))) == {"known", "large", "plain", "by its name"}
    assert names(Choice(bytes_max=1_000, without=frozenset({"plain"}))) == {"by its name"}
    assert names(Choice(without=frozenset({"named", "large"}))) == {"plain"}
    assert names(Choice(without=frozenset({"by its name", "large"}))) == {"plain"}


def test_a_folder_may_hold_anything(one: Inhabitant, home: Path) -> None:
    put(home, "good.json", a_list("good", "192.0.2.7"))
    put(home, "notes.txt", "no list")
    os.mkfifo(home / warnings.FOLDER / "pipe.json")
    (home / warnings.FOLDER / "folder.json").mkdir()
    (home / warnings.FOLDER / "gone.json").symlink_to(home / "nowhere")
    with put(home, "huge.json", "").open("wb") as huge:
        huge.truncate(WARNING_LIST_BYTES_MAX + 1)
    lists = WarningLists(home, Choice(bytes_max=2 * WARNING_LIST_BYTES_MAX))
    found = flagged(one.node, lists, [LISTED])
    assert (found.asked.lists, found.asked.losses) == (1, 1)
    assert [(lost.where, lost.rule) for lost in lists.losses] == [("huge", "file-size")]


def test_a_file_that_cannot_be_read_is_a_loss(home: Path) -> None:
    path = put(home, "ours.json", "{}")
    (file,) = WarningLists(home).files()
    path.unlink()
    lost = reference.read(file, 10)
    assert not isinstance(lost, bytes) and lost.rule == "file-read"


def test_objects_are_told_by_their_positions(world: World, one: Inhabitant, home: Path) -> None:
    put(home, "ours.json", a_list("ours", "192.0.2.0/24"))
    places = world.collect(one, [indicator("192.0.2.7", 1), indicator("198.51.100.7", 2)], amber())
    with one.store.read() as unit:
        found = flagged_at(one.node, WarningLists(home), one.services.queries, unit, places)
    assert {
        at: {value: [each.name for each in told] for value, told in on.items()} for at, on in found.found.items()
    } == {places[0]: {LISTED: ["ours"]}}
    assert found.asked == (one.node.now(), 1, 1, 0, "") and found.unread == ()


def test_what_is_not_held_is_said_to_be_unread(world: World, one: Inhabitant, home: Path) -> None:
    put(home, "ours.json", a_list("ours", "192.0.2.0/24"))
    (at,) = world.collect(one, [indicator("192.0.2.7", 1)], amber())
    log_id, index = place(at)
    with one.store.write() as unit:
        unit.entries.erase(log_id, index, index + 1)
    with one.store.read() as unit:
        found = flagged_at(one.node, WarningLists(home), one.services.queries, unit, [at])
    assert (found.found, found.unread) == ({}, (at,))


def test_without_lists_no_object_is_called_clean(world: World, one: Inhabitant) -> None:
    places = world.collect(one, [indicator("192.0.2.7", 1)], amber())
    with one.store.read() as unit:
        found = flagged_at(one.node, WarningLists(None), one.services.queries, unit, places)
    assert found.asked.lists == 0 and found.asked.why_not and found.found == {}


def test_installed_lists_are_found_and_own_ones_of_the_same_name_come_first(
    one: Inhabitant, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "PACKAGE", PACKAGE)
    if reference.installed(warnings.PACKAGE, "data") is None:
        pytest.skip("the package pymispwarninglists is not installed: its lists are only read by this test")
    small = Choice(bytes_max=2_000)
    installed = WarningLists(None, small)
    assert flagged(one.node, installed, [LISTED]).lists()["List of RFC 5735 CIDR blocks"] == 1
    put(home, "mine.json", a_list("List of RFC 5735 CIDR blocks", "198.51.100.0/24"))
    both = WarningLists(home, small)
    assert "List of RFC 5735 CIDR blocks" not in flagged(one.node, both, [LISTED]).lists()
    assert flagged(one.node, both, [OTHER]).lists()["List of RFC 5735 CIDR blocks"] == 1
    assert "list-twice" in {lost.rule for lost in both.losses}
