"""`comity graph`: a tree for people, DOT and JSON for tools, and nothing of strangers' text means anything there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Misuse, NotFound
from comity.surfaces.cli.commands.graph import dot, quoted
from comity.surfaces.cli.verbs import graph as verbs
from tests.cli.conftest import Party
from tests.node.test_graph import W1, W2, W3, ident, malware, report, thing, tied

HOSTILE = 'a" ]; evil -> "b \\N &lt; \x1b[2J\u202e\n <b>'


def bring(alone: Party, tmp_path: Path, *objects: bytes) -> None:
    bundle = {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000000"}
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps(bundle | {"objects": [json.loads(one) for one in objects]}))
    alone("ingest", file, "--source", "feed", "--tlp", "GREEN")


def test_a_tree_names_each_edge_once(alone: Party, tmp_path: Path) -> None:
    bring(
        alone, tmp_path, malware(1), malware(2), report(4, W1, W3),
        tied(9, W1, "variant-of", W2), tied(10, W2, "drops", W1),
    )  # fmt: skip
    lines = alone("graph", W1, "--depth", "2").out.splitlines()
    assert lines[0] == f"malware 'Worm 1' {W1}"
    assert {line.split("  says ")[0] for line in lines[1:]} == {
        f"  variant-of → malware 'Worm 2' {W2}",
        f"    drops → malware 'Worm 1' {W1} (above)",
        f"  ← object_refs by report 'R' {ident('report', 4)}",
        f"    object_refs → malware {W3} (not held)",
    }
    assert len(lines) == 5
    assert all(line.endswith("  says cert.arcadia.example/csirt") for line in lines[1:])


def test_what_is_left_out_is_said(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, malware(1), *(tied(100 + n, W1, "uses", ident("tool", n)) for n in range(9)))
    said = alone("graph", W1, "--edges", "4").out
    assert said.count("uses →") == 4
    assert f"More edges of {W1}: --start 4" in said
    rest = alone("graph", W1, "--edges", "4", "--start", "8").out
    assert (rest.count("uses →"), "More edges" in rest) == (1, False)
    assert "Not all" in alone("graph", W1, "--limit", "3").out


def test_json_and_dot_for_tools(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, malware(1), thing("malware", 2, name=HOSTILE, is_family=True), tied(9, W1, "uses", W2))
    asked = alone.ask("graph", W1)
    assert json.loads(alone("graph", W1, "--format", "json").out) == asked
    assert [(tie["source"], tie["role"], tie["target"]) for tie in asked["ties"]] == [(W1, "uses", W2)]
    assert asked["ties"][0]["witnesses"][0]["marking"].startswith("TLP:GREEN")
    text = alone("graph", W1, "--format", "dot").out
    assert len(text.splitlines()) == 5
    assert f'"{W1}" -> "{W2}" [label="uses"];' in text
    if shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True, check=True).stdout
        assert "evil" not in {line.split()[1] for line in drawn.splitlines() if line.startswith("node")}


def test_who_is_alone_or_unknown_is_told_so(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, malware(1))
    assert alone("graph", W1, code=1).out.strip() == f"malware 'Worm 1' {W1}"
    alone("graph", W2, code=NotFound.exit_code)
    alone("graph", "evil.example", code=NotFound.exit_code)
    alone("graph", W1, "--depth", "4", code=Misuse.exit_code)


@given(st.text())
def test_a_quoted_string_ends_where_it_should(text: str) -> None:
    made = quoted(text)
    assert made.isprintable()
    inner = made[1:-1]
    assert made == f'"{inner}"'
    rest = inner.replace("\\\\", "").replace('\\"', "")
    assert '"' not in rest
    assert "\\" not in rest
    assert "&" not in inner.replace("&amp;", "")


@pytest.mark.parametrize("retracted", [True, False])
def test_dot_shows_what_is_not_held_and_what_nobody_stands_by(retracted: bool) -> None:
    vertices = (
        verbs.VertexShown(W1, "malware", "one", held=True, depth=0, more=False),
        verbs.VertexShown(W2, "malware", "", held=False, depth=1, more=False),
    )
    lines = list(dot(verbs.Walked(W1, vertices, (verbs.TieShown(W1, "uses", W2, retracted, ()),), cut=False)))
    assert f'  "{W2}" [label="{W2}", style=dashed];' in lines
    assert any("style=dotted" in line for line in lines) is retracted
