"""Standing rules and anonymised sharing as commands, and by a serving node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comity.errors import Conflict, Misuse, NotFound, Refused
from comity.node import warnings
from tests.cli.conftest import Party, accord, acquaint, found, until

ACCORD = "three-shores"


@pytest.fixture(autouse=True)
def _no_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read no installed warning lists in this process, which takes seconds; a serving node reads them."""
    monkeypatch.setattr(warnings, "PACKAGE", "nothing_of_this_name")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Party]]:
    """Return two parties that know one another and have signed an accord."""
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    yield parties
    for party in parties:
        party.end()


def sha256(number: int) -> str:
    return f"{number:064x}"


def ingest(party: Party, *numbers: int, tlp: str = "GREEN", source: str = "isac") -> None:
    """Collect indicators for hashes, described with the name of whom they came from."""
    made = [
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{number:08x}-2222-4333-8444-555555555555",
            "created": "2026-01-01T00:00:00.000Z",
            "modified": "2026-01-01T00:00:00.000Z",
            "pattern": f"[file:hashes.'SHA-256' = '{sha256(number)}']",
            "pattern_type": "stix",
            "valid_from": "2026-01-01T00:00:00Z",
            "description": "seen at acme",
        }
        for number in numbers
    ]
    file = party.home.parent / f"{party.home.name}-{min(numbers)}.json"
    bundle = {"type": "bundle", "id": "bundle--11111111-2222-4333-8444-555555555555", "objects": made}
    file.write_text(json.dumps(bundle))
    party("ingest", file, "--source", source, "--tlp", tlp, "--as", "csirt")


def rule(party: Party, *arguments: str) -> Any:
    return party.ask("rule", *arguments, "--as", "csirt")


def told(party: Party, number: int, code: int = 0) -> list[dict[str, Any]]:
    """Return who says that a hash is bad, as a party's office knows it."""
    (answer,) = party.ask("lookup", sha256(number), "--as", "csirt", code=code)["answers"]
    return [witness for one in answer["found"] for witness in one["witnesses"]]


def test_a_rule_is_shown_made_run_rested_and_forgotten(two: list[Party]) -> None:
    arcadia, _ = two
    ingest(arcadia, 1, 2)
    ingest(arcadia, 3, tlp="AMBER", source="other")
    create = ["create", "green", "--accord", ACCORD, "--tlp-at-most", "GREEN"]
    shown = rule(arcadia, *create)
    assert (shown["made"], shown["objects"], shown["withheld"]) == (False, 2, 0)
    outcomes = {one["audience"]: one["outcome"] for planned in shown["planned"] for one in planned["decisions"]}
    assert outcomes["cert.borealia.example/csirt"] == "release"
    assert rule(arcadia, "list")["rules"] == []
    text = arcadia("rule", *create, "--as", "csirt", "--yes").out
    assert "cert.borealia.example/csirt may have it to read" in text
    assert "Made the rule green" in text
    arcadia("rule", *create, "--yes", "--as", "csirt", code=Conflict.exit_code)
    assert rule(arcadia, "run", "green", "--dry-run")["objects"] == 2
    assert rule(arcadia, "run", "green")["stated"] == 2
    assert rule(arcadia, "run", "green")["stated"] == 0
    assert rule(arcadia, "run", "green", "--dry-run")["known"] == 2
    (listed,) = rule(arcadia, "list")["rules"]
    assert (listed["stated"], listed["tlp"], listed["enabled"]) == (2, "TLP:GREEN", True)
    assert "paused" in arcadia("rule", "pause", "green", "--as", "csirt").out
    assert "is paused" in arcadia("doctor").out
    assert "paused" not in arcadia("rule", "resume", "green", "--as", "csirt").out
    assert rule(arcadia, "show", "green")["held"] == []
    arcadia("rule", "show", "green", "--as", "police", code=NotFound.exit_code)
    arcadia("rule", "delete", "green", "--as", "csirt")
    assert rule(arcadia, "list")["rules"] == []


def test_what_cannot_be_a_rule_is_said(two: list[Party]) -> None:
    arcadia, _ = two
    for arguments, code in (
        (["--accord", ACCORD, "--tlp-at-most", "PINK"], Misuse.exit_code),
        (["--accord", ACCORD, "--type", "runes"], Misuse.exit_code),
        (["--accord", "unknown"], Refused.exit_code),
    ):
        arcadia("rule", "create", "x", *arguments, "--as", "csirt", code=code)


def test_a_serving_node_carries_rules_out_and_tells_when_one_stops(two: list[Party]) -> None:
    arcadia, borealia = two
    arcadia.serve()
    rule(arcadia, "create", "isac", "--accord", ACCORD, "--source", "isac", "--anonymous", "--yes")
    ingest(arcadia, 1, 2)
    ingest(arcadia, 3, source="other")
    until(lambda: rule(arcadia, "list")["rules"][0]["stated"] == 2, "a rule is carried out")
    borealia("sync")
    (witness,) = told(borealia, 1)
    assert (witness["party"], witness["source"]) == (arcadia.name, "anonymised")
    assert told(borealia, 3, code=1) == []
    arcadia("accord", "suspend", ACCORD, "--reason", "a dispute", "--as", "csirt")
    until(lambda: "has stopped" in arcadia("doctor").out, "the doctor says that it stopped")
    assert rule(arcadia, "list")["rules"][0]["stopped"]
    arcadia("rule", "run", "isac", "--as", "csirt", code=Refused.exit_code)
    assert arcadia.stop() == 0
    assert "Traceback" not in arcadia.log.read_text()


def test_share_anonymous_says_what_it_would_do_and_does_it(two: list[Party]) -> None:
    arcadia, borealia = two
    ingest(arcadia, 1)
    mail = {"type": "email-addr", "spec_version": "2.1", "value": "jo@acme.example"}
    file = arcadia.home.parent / "mail.json"
    file.write_text(json.dumps({**mail, "id": "email-addr--11111111-2222-5333-8444-555555555555"}))
    arcadia("ingest", file, "--source", "isac", "--tlp", "GREEN", "--as", "csirt")
    share = ["share", "--accord", ACCORD, "--source", "isac", "--anonymous", "--as", "csirt"]
    planned = arcadia.ask(*share, "--dry-run")
    assert (planned["chosen"], planned["withheld"]) == (2, 1)
    assert "withheld 1: anonymous: an object of type email-addr" in arcadia(*share, "--dry-run").out
    done = arcadia.ask(*share)
    assert (done["stated"], done["withheld"], done["grounds"]) == (1, 1, planned["grounds"])
    arcadia.serve()
    borealia("sync")
    (witness,) = told(borealia, 1)
    assert witness["source"] == "anonymised"
