"""A process that is killed at any step neither loses nor doubles a message; what it sends twice bears one id."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from comity.boot.compose import Machine, opened
from comity.errors import Unreachable
from comity.formats.telling.message import Message
from comity.node import delivering, neighbours, outbox, telling
from comity.node.neighbours import Neighbour
from comity.node.outbox import Standing
from tests.cli.conftest import Party
from tests.neighbours.conftest import indicator, ingest


class Killed(BaseException):
    """The process ends here."""


class Way:
    """A way that keeps what it is given, and ends the process before or after."""

    def __init__(self, sent: list[Message], end: str = "") -> None:
        self.sent = sent
        self.end = end

    def send(self, message: Message) -> str:
        if self.end == "before":
            raise Killed
        self.sent.append(message)
        if self.end == "after":
            raise Killed
        return "taken"

    def reach(self) -> str:
        return "there"


@pytest.fixture
def party(alone: Party, tmp_path: Path) -> Party:
    alone("neighbour", "add", "hook", "--url", "https://127.0.0.1:1/x", "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    ingest(alone, tmp_path, indicator("198.51.100.3"), source="other")
    return alone


def the(machine: Machine) -> Neighbour:
    with machine.services.node.store.read() as unit:
        (one,) = neighbours.every(unit)
    return one


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "putting": lambda patch: patch.setattr(neighbours, "keep", _killed),
    "deciding": lambda patch: patch.setattr(telling, "tell", _killed),
    "noting": lambda patch: patch.setattr(outbox, "sent", _killed),
}


def _killed(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("step", [*STEPS, "before", "after"])
def test_a_kill_at_any_step_neither_loses_nor_doubles_a_message(
    party: Party, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    sent: list[Message] = []
    with monkeypatch.context() as patch, pytest.raises(Killed), opened(party.home) as machine:
        if step in STEPS:
            STEPS[step](patch)
        delivering.look(machine.services, the(machine))
        delivering.deliver(machine.services, the(machine), Way(sent, step), lambda: 0.0)
    with opened(party.home) as machine:
        one = the(machine)
        for _ in range(3):
            delivering.look(machine.services, one)
            delivering.deliver(machine.services, one, Way(sent), lambda: 0.0)
        with machine.services.node.store.read() as unit:
            assert outbox.count(unit, one, Standing.WAITING) == 0
            done = outbox.of(unit, one, Standing.SENT)
    values = [value.value for message in {one.id: one for one in sent}.values() for thing in message.things
              for value in thing.values]  # fmt: skip
    assert sorted(values) == ["198.51.100.2", "198.51.100.3"]
    assert {message.id for message in sent} == {kept.id for kept in done}
    assert len(sent) - len(done) == (1 if step in {"noting", "after"} else 0)


def test_nothing_more_is_looked_at_while_too_much_waits_and_nothing_is_lost(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "OUTBOX_WAITING_MAX", 1)
    sent: list[Message] = []
    with opened(party.home) as machine:
        one = the(machine)
        for _ in range(5):
            delivering.look(machine.services, one)
    for number in range(10, 14):
        ingest(party, tmp_path, indicator(f"198.51.100.{number}"))
    with opened(party.home) as machine:
        for _ in range(5):
            delivering.look(machine.services, one)
        with machine.services.node.store.read() as unit:
            assert outbox.count(unit, one, Standing.WAITING) == 1
        for _ in range(10):
            delivering.look(machine.services, one)
            delivering.deliver(machine.services, one, Way(sent), lambda: 0.0)
    values = {value.value for message in sent for thing in message.things for value in thing.values}
    assert values == {f"198.51.100.{number}" for number in (2, 3, 10, 11, 12, 13)}


def test_what_was_erased_while_a_receiver_was_down_is_not_sent(party: Party) -> None:
    class Down:
        def send(self, message: Message) -> str:
            raise Unreachable("nobody answers")

        def reach(self) -> str:
            raise Unreachable("nobody answers")

    with opened(party.home) as machine:
        one = the(machine)
        delivering.look(machine.services, one)
        delivering.deliver(machine.services, one, Down(), lambda: 0.0)
    party("erase", indicator("198.51.100.2")["id"], "--basis", "court order", "--reason", "a person's own")
    sent: list[Message] = []
    with opened(party.home) as machine:
        with machine.services.node.store.write() as unit:
            for kept in outbox.of(unit, one, Standing.WAITING):
                outbox.replay(unit, one, kept.id)
        delivering.deliver(machine.services, one, Way(sent), lambda: 0.0)
    assert "198.51.100.2" not in json.dumps([repr(message) for message in sent])
    assert "198.51.100.3" in json.dumps([repr(message) for message in sent])
