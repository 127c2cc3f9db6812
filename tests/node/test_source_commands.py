"""Sources that are fetched, as commands and by a serving node."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.boot.polls import Polls
from comity.boot.turns import Turns
from comity.errors import Fault, Malformed, Misuse, NotFound, Refused
from comity.node import sources
from comity.node.ingest import Source
from comity.testing.world import World
from tests.cli.conftest import Party, found, until
from tests.http.servers import raw, read_head
from tests.transports.taxii_server import Taxii, indicator, served


@pytest.fixture
def server() -> Taxii:
    return Taxii()


@pytest.fixture
def base(server: Taxii) -> Iterator[str]:
    with served(server) as base:
        yield base


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Party]:
    party = found(tmp_path, "arcadia", listens=False)
    yield party
    party.end()


def add(alone: Party, base: str, *more: str, name: str = "isac") -> None:
    alone(
        "source", "add", name, "--kind", "taxii", "--url", f"{base}/taxii2/", "--tlp", "AMBER", "--every", "1h",
        "--reliability", "b", "--licence", "CC-BY-4.0", *more,
    )  # fmt: skip


def test_a_source_is_added_tried_polled_listed_rested_and_forgotten(alone: Party, server: Taxii, base: str) -> None:
    server.login = "Bearer s3cret"
    server.add(1, *map(indicator, range(7)))
    add(alone, base, "--login", "isac")
    ran = alone("source", "poll", "isac", code=NotFound.exit_code)
    assert "keys/isac" in ran.out
    secret = alone.home / "keys" / "isac"
    secret.write_text("bearer s3cret\n")
    secret.chmod(0o644)
    assert "chmod 600" in alone("source", "poll", "isac", code=Fault.exit_code).out
    secret.chmod(0o600)
    dry = alone.ask("source", "poll", "isac", "--dry-run")
    assert (dry["counts"]["kept"], dry["source"]["total"]["kept"], dry["dry"]) == (7, 0, True)
    assert alone.ask("source", "poll", "isac")["counts"] == {"read": 7, "kept": 7, "known": 0, "refused": 0, "lost": 0}
    (shown,) = alone.ask("source", "list")["sources"]
    assert (shown["reliability"], shown["licence"], shown["failures"]) == ("B", "CC-BY-4.0", 0)
    assert shown["success"] <= shown["due"] - 3_600
    listed = alone("source", "list").out
    assert "7 kept" in listed
    assert "s3cret" not in listed + alone("source", "list", "--json").out
    (answer,) = alone.ask("lookup", "198.51.100.3")["answers"]
    assert answer["found"][0]["witnesses"][0]["source"] == "isac"
    assert "paused" in alone("source", "pause", "isac").out
    assert "is paused" in alone("doctor").out
    assert "paused" not in alone("source", "resume", "isac").out
    assert "7 objects" in alone("source", "remove", "isac").out
    assert alone.ask("source", "list")["sources"] == []
    alone("source", "poll", "isac", code=NotFound.exit_code)
    assert b"s3cret" not in (alone.home / "node.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--every", "1"], "not a span"),
        (["--every", "1s"], "not a span"),
        (["--match", "type"], "no match"),
        (["--pap", "GREEN"], "begins with --tlp"),
        (["--reliability", "Z"], "Admiralty"),
        (["--format", "runes"], "no reader"),
        (["--login", "root.key"], "own keys"),
    ],
)
def test_what_cannot_be_a_source_is_said(alone: Party, arguments: list[str], says: str) -> None:
    ran = alone("source", "add", "x", "--url", "https://feed.example/", *arguments, code=Misuse.exit_code)
    assert says in ran.err


def test_a_poll_that_fails_leaves_with_the_code_of_its_error(alone: Party, base: str) -> None:
    alone("source", "add", "gone", "--kind", "url", "--url", f"{base}/gone")
    ran = alone("source", "poll", "gone", code=Malformed.exit_code)
    assert "FAILED: their data" in ran.out
    assert "1 times" in alone("source", "list").out
    assert "gone" in alone("doctor").out


def test_a_serving_node_polls_by_itself(alone: Party, server: Taxii, base: str) -> None:
    server.add(1, *map(indicator, range(5)))
    alone.serve()
    add(alone, base)
    alone("source", "add", "bad", "--url", f"{base}/nothing", "--every", "1m")
    until(lambda: alone.ask("source", "list")["sources"][1]["total"]["kept"] == 5, "a source is polled")
    until(lambda: alone.ask("source", "list")["sources"][0]["failures"] == 1, "another fails")
    assert alone.ask("source", "poll", "isac")["counts"]["known"] == 5
    assert alone.stop() == 0
    assert "Traceback" not in alone.log.read_text()


@pytest.mark.parametrize(
    ("setting", "code", "says"),
    [
        ('outbound_proxy = "socks5://proxy.example"', Misuse.exit_code, "settings.toml"),
        ('outbound_proxy = "http://proxy.example:1"\nno_proxy = ["*"]', Misuse.exit_code, "'*'"),
        ('outbound_proxy_login = "root.key"', Misuse.exit_code, "no file of a login"),
        ('outbound_proxy = "http://proxy.example:1"\noutbound_proxy_login = "proxy"', NotFound.exit_code, "keys/proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_stops_the_node_and_is_named(
    alone: Party, setting: str, code: int, says: str
) -> None:
    with (alone.home / "settings.toml").open("a") as file:
        file.write(f"\n{setting}\n")
    assert says in alone("source", "list", code=code).err


def test_every_request_goes_through_the_proxy_that_is_set(alone: Party) -> None:
    heads: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with raw(talk) as relay:
        settings = alone.home / "settings.toml"
        settings.write_text(settings.read_text().replace('["127.0.0.0/8"]', '["127.0.0.0/8", "192.0.2.0/24"]'))
        with settings.open("a") as file:
            file.write(f'\noutbound_proxy = "http://127.0.0.1:{relay.port}"\noutbound_proxy_login = "proxy"\n')
        secret = alone.home / "keys" / "proxy"
        secret.touch(0o600)
        secret.write_text("basic node:s3cret")
        alone("source", "add", "far", "--url", "https://198.51.100.7/x", "--tlp", "CLEAR")
        assert "inside this machine" in alone("source", "poll", "far", code=Refused.exit_code).out
        assert not heads
        alone("source", "add", "far", "--url", "https://192.0.2.7/x", "--tlp", "CLEAR")
        assert "forbids" in alone("source", "poll", "far", code=Refused.exit_code).out
    assert heads[0].startswith(b"CONNECT 192.0.2.7:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bm9kZTpzM2NyZXQ=\r\n" in heads[0]


def test_a_fault_of_the_program_in_one_poll_stops_no_node(
    tmp_path: Path,
) -> None:
    world = World(5, 1, tmp_path)
    one = world.people[0]

    class Faulty:
        services, turns = one.services, Turns()

        def poll(self, actor: object, source: Source) -> None:
            raise KeyError(source.name)

    said: list[dict[str, object]] = []

    class Log:
        def error(self, event: str, **words: object) -> None:
            said.append(words)

    with one.node.writing() as unit:
        sources.register(unit, Source("bad", "csirt", kind="url", address="https://feed.example/", every=60))
    polls = Polls(Faulty(), Log())  # type: ignore[arg-type]
    polls.attend()
    polls.close()
    polls.attend()
    polls.attend()  # not begun again at once: the pool is closed, and would say so
    assert [(words["source"], words["what"]) for words in said] == [("bad", "a fault of this program: KeyError('bad')")]
    world.close()
