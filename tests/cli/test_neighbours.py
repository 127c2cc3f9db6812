"""`comity doctor --neighbours`: every connection tried, and what is wrong told in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comity.boot.compose import opened
from comity.errors import Misuse
from comity.http.tls import self_signed
from tests.cli.conftest import Party, acquaint, found
from tests.transports.taxii_server import Taxii, indicator, served

DAY = 86_400


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Party, Party]]:
    """Return two parties that know one another; the second one is served."""
    first, second = found(tmp_path, "arcadia"), found(tmp_path, "borealia")
    acquaint([first, second], tmp_path)
    second.serve()
    yield first, second
    for one in (first, second):
        one.end()


def tried(party: Party, code: int = 0, *more: str) -> dict[str, dict[str, Any]]:
    return {one["what"]: one for one in party.ask("doctor", "--neighbours", *more, code=code)["tried"]}


def test_what_works_is_said_and_nothing_is_kept(pair: tuple[Party, Party]) -> None:
    arcadia, borealia = pair
    server = Taxii()
    server.add(1, *map(indicator, range(7)))
    with served(server) as base:
        arcadia("source", "add", "isac", "--kind", "taxii", "--url", f"{base}/taxii2/", "--tlp", "GREEN")
        assert "nothing of it was kept" in tried(arcadia)["source isac of csirt"]["said"]
        (source,) = arcadia.ask("source", "list")["sources"]
        assert (source["attempt"], source["total"]["kept"]) == (0, 0)
        arcadia.serve()
        done = tried(arcadia)
        assert arcadia.stop() == 0
    assert done[f"peer {borealia.name}"]["said"].startswith("it knows us")
    assert "nothing of it was kept" in done["source isac of csirt"]["said"]
    assert "holds until" in done["this node's certificate tls.pem"]["said"]
    assert "holds until" in done[f"the certificate in the card of {borealia.name}"]["said"]
    (door,) = [one for what, one in done.items() if what.startswith("the door to peers")]
    assert "it answers (status 4" in door["said"]
    assert "agrees with 1 servers" in done["this machine's clock"]["said"]


def test_whose_fault_it_is_and_what_to_do_is_said(pair: tuple[Party, Party]) -> None:
    arcadia, borealia = pair
    assert borealia.stop() == 0
    ended = self_signed(["127.0.0.1"], at=int(time.time()) - 2 * DAY, days=1)
    (arcadia.home / "tls.pem").write_bytes(ended.certificate)
    arcadia("source", "add", "lan", "--url", "https://10.1.2.3/list.txt")
    arcadia("source", "add", "locked", "--url", "https://127.0.0.1:1/list.txt", "--login", "nothing")
    done = tried(arcadia, 1)
    assert done[f"peer {borealia.name}"]["whose"] == "the network"
    assert (done["source lan of csirt"]["whose"], done["source lan of csirt"]["works"]) == ("their data", False)
    assert "operator can allow that network" in done["source lan of csirt"]["advice"]
    assert "keys/nothing" in done["source locked of csirt"]["said"]
    certificate = done["this node's certificate tls.pem"]
    assert (certificate["whose"], certificate["said"][:12]) == ("this machine", "it ended on ")
    told = arcadia("doctor", "--neighbours", code=1).out
    assert "FAILS  source lan of csirt: their data: " in told
    assert told.splitlines()[-1].endswith("failed.")


def tried_an_hour_ahead(party: Party) -> dict[str, dict[str, Any]]:
    with opened(party.home) as machine:
        machine.services.node.clock = lambda: int(time.time()) + 3_600
        answer = json.loads(machine.perform("node/neighbours", b'{"user":"ada","office":"csirt"}', lambda _: None))
    return {one["what"]: one for one in answer["tried"]}


def test_a_clock_that_is_wrong_is_this_machines_fault(pair: tuple[Party, Party]) -> None:
    arcadia, borealia = pair
    done = tried_an_hour_ahead(arcadia)
    clock = done["this machine's clock"]
    assert (clock["works"], clock["whose"]) == (False, "this machine")
    assert "ahead by 1 servers" in clock["said"]
    assert not done[f"peer {borealia.name}"]["works"]  # it refuses what was signed an hour from now


def test_a_node_without_neighbours_says_so(alone: Party) -> None:
    assert "no neighbour yet" in alone("doctor", "--neighbours").out
    assert "goes with --neighbours" in alone("doctor", "--send-test", code=Misuse.exit_code).err
    assert "one at a time" in alone("doctor", "--neighbours", "--deep", code=Misuse.exit_code).err
