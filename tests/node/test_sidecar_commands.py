"""A MISP beside a node, as commands and by a serving node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comity.errors import Conflict, Fault, Misuse, NotFound
from comity.node import warnings
from tests.cli.conftest import Party, accord, acquaint, found, until
from tests.transports.misp_server import KEY, Misp, served

TAG = 'comity:share="shores"'
ACCORD = "three-shores"


@pytest.fixture(autouse=True)
def _no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read no installed warning lists in this process, which takes seconds; a serving node reads them."""
    monkeypatch.setattr(warnings, "PACKAGE", "nothing_of_this_name")


@pytest.fixture
def server() -> Misp:
    return Misp()


@pytest.fixture
def base(server: Misp) -> Iterator[str]:
    with served(server) as base:
        yield base


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Party]]:
    """Return two parties that know one another and have signed an accord."""
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    for party in parties:
        key(party)
    yield parties
    for party in parties:
        party.end()


def key(party: Party, mode: int = 0o600, text: str = KEY) -> None:
    path = party.home / "keys" / "misp"
    path.write_text(f"{text}\n")
    path.chmod(mode)


def sidecar(party: Party, *arguments: str, code: int = 0) -> Any:
    return party.ask("sidecar", *arguments, "--as", "csirt", code=code)


def said(party: Party, *arguments: str, code: int = 0) -> str:
    ran = party("sidecar", *arguments, "--as", "csirt", code=code)
    return ran.out + ran.err


def add(party: Party, base: str, *more: str) -> Any:
    options = ["--url", base, "--key-file", "misp", "--tlp", "GREEN", "--pap", "GREEN"]
    return sidecar(party, "add", "misp", *options, *more)


def test_an_event_waits_is_looked_at_let_go_refused_and_forgotten(two: list[Party], server: Misp, base: str) -> None:
    arcadia, _ = two
    shown = add(arcadia, base, "--tag", f"{TAG}={ACCORD}", "--write", ACCORD)
    assert (shown["tags"], shown["standing"]) == ([[TAG, ACCORD]], False)
    one = server.event("Beacons", "198.51.100.7", "198.51.100.8", tags=(TAG,))
    two_ = server.event("Ours", "198.51.100.9", tags=(TAG,))
    red = server.event("Named", "198.51.100.10", tags=(TAG, "tlp:red"))
    private = server.event("Private", "198.51.100.11", tags=(TAG,), distribution=0)
    key(arcadia, mode=0o644)
    assert "chmod 600" in said(arcadia, "run", "misp", code=Fault.exit_code)
    key(arcadia, text="wrong")
    assert "does not let us in" in said(arcadia, "run", "misp", code=Misuse.exit_code)
    assert "keys/misp" in arcadia("doctor").out
    (tried,) = [one for one in arcadia.ask("doctor", "--neighbours", code=1)["tried"] if one["kind"] == "side-car"]
    assert (tried["what"], tried["works"]) == ("side-car misp of csirt", False)
    key(arcadia)
    (tried,) = [one for one in arcadia.ask("doctor", "--neighbours", code=1)["tried"] if one["kind"] == "side-car"]
    assert tried["said"].startswith("its MISP knows the login as one of ")
    assert "4 events" not in said(arcadia, "run", "misp")
    waiting = {each["event"]["event"]: each for each in sidecar(arcadia, "waiting")["waiting"]}
    assert set(waiting) == {one["uuid"], two_["uuid"], red["uuid"]}
    assert waiting[one["uuid"]]["withheld"] == 0
    assert waiting[red["uuid"]]["withheld"] == waiting[red["uuid"]]["objects"]
    assert any("named persons" in ground for ground in waiting[red["uuid"]]["grounds"])
    text = said(arcadia, "waiting", "misp")
    assert f"tag {TAG} asks for {ACCORD}" in text
    done = sidecar(arcadia, "release", "misp", one["uuid"].upper(), "--state", waiting[one["uuid"]]["event"]["digest"])
    assert (done["state"], done["withheld"]) == ("shared", 0)
    assert done["stated"] > 2
    assert "waits for nobody" in said(arcadia, "release", "misp", one["uuid"], code=Conflict.exit_code)
    refused = sidecar(arcadia, "refuse", "misp", two_["uuid"], "--reason", "not ours to give")
    assert (refused["state"], refused["reason"]) == ("refused", "not ours to give")
    sidecar(arcadia, "run", "misp")
    assert {each["event"]["event"] for each in sidecar(arcadia, "waiting")["waiting"]} == {red["uuid"]}
    server.now += 60
    server.change(two_["uuid"], "198.51.100.9", "198.51.100.99")
    sidecar(arcadia, "run", "misp")
    assert two_["uuid"] in {each["event"]["event"] for each in sidecar(arcadia, "waiting")["waiting"]}
    stale = said(arcadia, "release", "misp", two_["uuid"], "--state", refused["digest"], code=Conflict.exit_code)
    assert "changed in MISP" in stale
    whole = sidecar(arcadia, "show", "misp")
    assert whole["asks"] == {"shared": 1, "waiting": 2, "held": 1}
    assert {each["event"]: each["stays"] for each in whole["events"]}[private["uuid"]].endswith("organisation only»")
    assert "your organisation only" in said(arcadia, "show", "misp")
    assert KEY not in said(arcadia, "show", "misp") + said(arcadia, "list", "--json")
    assert "paused" in said(arcadia, "pause", "misp")
    assert "is paused" in arcadia("doctor").out
    assert "paused" not in said(arcadia, "resume", "misp")
    assert "Forgot" in said(arcadia, "remove", "misp")
    assert sidecar(arcadia, "list") == {"sidecars": []}
    said(arcadia, "run", "misp", code=NotFound.exit_code)
    assert KEY.encode() not in (arcadia.home / "node.db").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        ([], "would do nothing", Misuse.exit_code),
        (["--tag", "x"], "for which accord", Misuse.exit_code),
        (["--tag", "a|b=three-shores"], "no tag", Misuse.exit_code),
        (["--tag", "!a=three-shores"], "no tag", Misuse.exit_code),
        (["--tag", "7=three-shores"], "no tag", Misuse.exit_code),
        (["--tag", 'comity:from="x"=three-shores'], "by itself", Misuse.exit_code),
        (["--tag", "A=three-shores", "--tag", "a=three-shores"], "one accord", Misuse.exit_code),
        (["--group", "x=three-shores"], "no UUID", Misuse.exit_code),
        (["--tag", "a=nothing"], "nothing", NotFound.exit_code),
        (["--write", "three-shores", "--every", "10s"], "not a span", Misuse.exit_code),
        (["--write", "three-shores", "--pap", "GREEN"], "begins with --tlp", Misuse.exit_code),
        (["--write", "three-shores", "--key-file", "root.key"], "own keys", Misuse.exit_code),
        (["--write", "three-shores", "--url", "misp.example"], "no URL", Misuse.exit_code),
        (["--write", "three-shores", "--certificate", "/dev/null"], "no certificate", Misuse.exit_code),
    ],
)
def test_what_cannot_be_a_sidecar_is_said(two: list[Party], arguments: list[str], says: str, code: int) -> None:
    arcadia, _ = two
    given = ["sidecar", "add", "misp", "--url", "https://misp.example", "--key-file", "misp", "--as", "csirt"]
    ran = arcadia(*given, *arguments, code=code)
    assert says in ran.out + ran.err


def test_serving_nodes_run_their_sidecars_from_misp_to_misp(two: list[Party], server: Misp, base: str) -> None:
    arcadia, borealia = two
    theirs = Misp()
    event = server.event("Beacons", "ab" * 32, tags=(TAG, "tlp:green"))
    with served(theirs) as there:
        add(arcadia, base, "--tag", f"{TAG}={ACCORD}", "--standing")
        add(borealia, there, "--write", ACCORD, "--every", "1m")
        for party in two:
            party.serve()
        until(lambda: sidecar(arcadia, "show", "misp")["asks"] == {"shared": 1}, "it is shared", 60)

        def arrives() -> bool:
            sidecar(borealia, "run", "misp")
            return bool(theirs.events)

        until(arrives, "the event is in the partner's MISP", 60)
        (written,) = theirs.events.values()
        assert written["info"] == f"Beacons [{arcadia.name}]"
        server.delete(event["uuid"])
        assert sidecar(arcadia, "run", "misp")["sidecar"]["last"]["withdrawn"] > 0

        def goes() -> bool:
            sidecar(borealia, "run", "misp")
            return not theirs.events

        until(goes, "the deletion arrived", 60)
