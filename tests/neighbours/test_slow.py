"""Receivers that do not answer, or drip: bounded, an outcome, and in nobody's way."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from comity.errors import Malformed, Unreachable
from comity.transports import posting
from tests.cli.conftest import Party, until
from tests.http.servers import RawServer, read_head
from tests.neighbours.conftest import add, indicator, ingest
from tests.neighbours.receivers import Receiver


def hush(connection: socket.socket) -> None:
    time.sleep(3_600)


def drip(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(3_600):
        connection.sendall(b"X-Drip: 1\r\n")
        time.sleep(0.2)


def cut(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\nabc")


@pytest.mark.parametrize("talk", [hush, drip])
def test_who_never_answers_costs_bounded_time_and_holds_up_nobody(
    alone: Party, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: object
) -> None:
    monkeypatch.setattr(posting, "TELLING_SECONDS", 1.0)
    server = RawServer(talk)  # type: ignore[arg-type]
    try:
        alone(
            "neighbour", "add", "slow", "--url", f"http://127.0.0.1:{server.port}/", "--plain-http",
            "--event", "collected",
        )  # fmt: skip
        ingest(alone, tmp_path, indicator("198.51.100.2"), tlp="CLEAR")
        done = alone.ask("neighbour", "send", "slow", code=Malformed.exit_code)
        assert (done["neighbour"]["whose"], done["neighbour"]["waiting"]) == (Unreachable.whose, 1)
        add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
        ingest(alone, tmp_path, indicator("198.51.100.3"))
        assert alone.ask("neighbour", "send", "hook")["sent"] == 1
    finally:
        server.close()


def test_while_one_neighbour_is_waited_for_the_node_answers_others(
    alone: Party, receiver: Receiver, tmp_path: Path
) -> None:
    server = RawServer(hush)
    try:
        add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
        alone(
            "neighbour", "add", "slow", "--url", f"http://127.0.0.1:{server.port}/", "--plain-http",
            "--event", "collected",
        )  # fmt: skip
        alone.serve()
        ingest(alone, tmp_path, indicator("198.51.100.2"), tlp="CLEAR")
        until(lambda: server.connections > 0, "the slow one is asked")
        assert alone.ask("lookup", "198.51.100.2")["answers"][0]["found"]
        until(lambda: len(receiver.posts) == 1, "the other is told")
    finally:
        server.close()


def test_an_answer_that_breaks_off_after_its_status_was_one(alone: Party, tmp_path: Path) -> None:
    server = RawServer(cut)
    try:
        alone(
            "neighbour", "add", "cut", "--url", f"http://127.0.0.1:{server.port}/", "--plain-http",
            "--event", "collected",
        )  # fmt: skip
        assert alone.ask("neighbour", "test", "cut")["sent"] == 1
    finally:
        server.close()
