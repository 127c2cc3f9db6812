"""Catalogues and warning lists from the keyboard: what a name means, and which values are likely false positives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Party

CLUSTERS = {
    "type": "disarm-techniques", "name": "Techniques", "uuid": "fb0e6978-2647-5a95-8324-7ebfd2f88b67", "version": 1,
    "values": [
        {
            "value": "Flood Information Space", "uuid": "ee7bc41a-9eb0-5732-924a-3885e1c3bee9",
            "description": "Much of the same at once. " * 30,
            "meta": {
                "external_id": "T0049", "kill_chain": ["tactics:Maximise Exposure"], "refs": ["https://x.example/a"],
            },
        },
        {"value": "Without a UUID", "meta": {"external_id": "T9999"}},
    ],
}  # fmt: skip
LISTED = {
    "name": "Resolvers", "version": 3, "description": "x", "type": "cidr", "matching_attributes": ["ip-dst"],
    "list": ["192.0.2.0/28"],
}  # fmt: skip


@pytest.fixture
def furnished(alone: Party) -> Party:
    """Return a node with a galaxy and a warning list in its own folders, which come before those of packages."""
    for folder, name, tree in (("galaxies", "disarm-techniques", CLUSTERS), ("warninglists", "resolvers", LISTED)):
        (alone.home / folder).mkdir()
        (alone.home / folder / f"{name}.json").write_text(json.dumps(tree))
    return alone


def test_a_technique_is_found_and_brought_in_under_the_id_that_misp_gives_it(furnished: Party, tmp_path: Path) -> None:
    ran = furnished("catalogue", "find", "t0049", "--in", "disarm-techniques")
    assert "T0049  Flood Information Space  (disarm-techniques)" in ran.out
    assert all(len(line) < 500 for line in ran.out.splitlines())
    bundle = furnished("catalogue", "find", "T0049", "--in", "disarm-techniques", "--stix").out
    (made,) = json.loads(bundle)["objects"]
    assert made["id"] == f"attack-pattern--{CLUSTERS['values'][0]['uuid']}"
    assert made["external_references"][0] == {"source_name": "DISARM", "external_id": "T0049"}
    assert made["kill_chain_phases"] == [{"kill_chain_name": "disarm", "phase_name": "maximise-exposure"}]
    (tmp_path / "t.json").write_text(bundle)
    assert furnished.ask("ingest", tmp_path / "t.json", "--source", "DISARM", "--tlp", "CLEAR")["kept"] == 1
    event = {"Event": {"uuid": "0b1d0c58-8a3c-4c6b-a9b7-2a7d2f1f6c11", "info": "x", "date": "2026-11-01", "Galaxy": [
        {"type": "disarm-techniques", "GalaxyCluster": [CLUSTERS["values"][0] | {"type": "disarm-techniques"}]},
    ]}}  # fmt: skip
    (tmp_path / "event.json").write_text(json.dumps(event))
    furnished("ingest", tmp_path / "event.json", "--source", "MISP", "--tlp", "CLEAR", "--format", "misp")
    versions = furnished.ask("show", made["id"])["versions"]
    assert len(versions) == 2
    assert all('"source_name":"DISARM"' in one["text"].replace(": ", ":") for one in versions)


def test_what_no_catalogue_has_is_said_so(furnished: Party) -> None:
    assert "catalogues has 'nothing of the kind'" in furnished("catalogue", "find", "nothing of the kind", code=1).out
    assert "STIX has an object for" in furnished("catalogue", "find", "T9999", "--stix", code=64).err
    assert furnished.ask("catalogue", "find", "T9999")["entries"][0]["object"] == ""
    said = furnished("catalogue", "tag", 'misp-galaxy:disarm-techniques="Flood Information Space"')
    assert "T0049" in said.out
    assert "not a machine tag" in furnished("catalogue", "tag", "nonsense", code=1).out


def test_values_on_warning_lists_are_told_with_the_entry(furnished: Party) -> None:
    ran = furnished("warnings", "192[.]0.2.7", "203.0.113.1")
    assert "Resolvers (version 3): " in ran.out and "192.0.2.0/28" in ran.out
    told = furnished.ask("warnings", "192.0.2.7", "192.0.2.100")
    assert told["lists"] >= 1
    assert "Resolvers" in {each["list"] for each in told["values"][0]["warnings"]}
    assert "Resolvers" not in {each["list"] for each in told["values"][1]["warnings"]}
    assert furnished("warnings", code=64).err
