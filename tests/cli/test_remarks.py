"""Opinions and notes as people make them, and what `show` and `lookup` tell of them and of contradictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.errors import Misuse, NotFound
from tests.cli.conftest import Party, accord, acquaint, found

ACCORD = "three-shores"
VALUE = "203.0.113.7"
INDICATOR = "indicator--11111111-1111-4111-8111-111111111111"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Party]]:
    """Return two parties that know one another and have signed an accord; the second serves."""
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    made = {
        "type": "indicator", "spec_version": "2.1", "id": INDICATOR, "pattern_type": "stix",
        "pattern": f"[ipv4-addr:value = '{VALUE}']", "indicator_types": ["malicious-activity"],
        **dict.fromkeys(("created", "modified", "valid_from"), "2026-01-01T00:00:00.000Z"),
    }  # fmt: skip
    (tmp_path / "made.json").write_text(json.dumps(made))
    for party in parties:
        party("ingest", tmp_path / "made.json", "--source", "a feed", "--tlp", "GREEN")
    yield parties
    for party in parties:
        party.end()


def test_a_remark_is_stated_in_an_accord_and_told_beside_what_it_is_about(two: list[Party]) -> None:
    arcadia, borealia = two
    said = borealia.ask(
        "opinion", INDICATOR, "strongly-disagree", "--why", "our own mirror", "--accord", ACCORD, "--tlp", "GREEN"
    )
    assert (said["accord"], said["about"], said["withheld"]) == (ACCORD, [INDICATOR], [])
    borealia("note", VALUE, "--text", "clean\x1b[2J since Monday\u202e", "--accord", ACCORD, "--tlp", "GREEN")
    borealia.serve()
    arcadia("sync")

    shown = arcadia.ask("show", INDICATOR)
    told = {(one["party"], one["opinion"], one["text"]) for one in shown["remarks"]}
    assert told == {
        (borealia.name, "strongly-disagree", "our own mirror"),
        (borealia.name, "", "clean\x1b[2J since Monday\u202e"),
    }
    for command in ("show", "lookup"):
        text = arcadia(command, INDICATOR if command == "show" else VALUE).out
        assert f"strongly-disagree: {borealia.name}/csirt" in text
        assert "our own mirror" in text
        assert "\x1b" not in text and "\u202e" not in text

    arcadia("opinion", INDICATOR, "agree", "--tlp", "GREEN")
    (apart,) = [one for one in arcadia.ask("show", INDICATOR)["contradictions"] if one["what"] == "opinion"]
    assert {word: [who.partition(" ")[0] for who in each] for word, each in apart["sides"].items()} == {
        "agrees": [f"{arcadia.name}/csirt"], "disagrees": [f"{borealia.name}/csirt"],
    }  # fmt: skip
    assert "CONTRADICTION about opinion" in arcadia("lookup", VALUE).out
    borealia("retract", said["id"], "--reason", "it was not ours")
    arcadia("sync")
    assert not arcadia.ask("show", INDICATOR)["contradictions"]


def test_what_is_about_nothing_or_says_nothing_is_refused(two: list[Party]) -> None:
    arcadia = two[0]
    arcadia("note", "192.0.2.99", "--text", "unknown here", "--tlp", "GREEN", code=NotFound.exit_code)
    arcadia("note", VALUE, "--tlp", "GREEN", code=Misuse.exit_code)
    arcadia("opinion", INDICATOR, "splendid", "--tlp", "GREEN", code=Misuse.exit_code)
    assert not arcadia.ask("show", INDICATOR)["remarks"]
