"""Catalogues of a node: found in its folders and in packages, asked by name and by tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comity.limits import CATALOGUE_BYTES_MAX
from comity.node import catalogues, reference
from comity.node.catalogues import Catalogues


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's directory with two galaxies and a taxonomy, where no package is installed."""
    monkeypatch.setattr(reference, "installed", lambda *_: None)
    galaxy(tmp_path, "tools.json", "tools", "Worm", "Shell - T1059.001")
    galaxy(tmp_path, "odd-name.json", "actors", "Worm", "Bücher")
    scale = {"namespace": "scale", "predicates": [{"value": "good", "expanded": "Very good"}]}
    path = tmp_path / "taxonomies" / "scale" / "machinetag.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(scale), "utf-8")
    return tmp_path


def galaxy(home: Path, file: str, type_: str, *values: str) -> Path:
    path = home / "galaxies" / file
    path.parent.mkdir(exist_ok=True)
    tree = {"type": type_, "name": type_.title(), "values": [{"value": value} for value in values]}
    path.write_text(json.dumps(tree), "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("worm", [("actors", "Worm"), ("tools", "Worm")]),
        ("t1059.001", [("tools", "Shell - T1059.001")]),
        ("SHELL", [("tools", "Shell - T1059.001")]),
        ("bücher", [("actors", "Bücher")]),
        ("nothing", []),
        ("", []),
        (" ", []),
        ('"', []),
    ],
)
def test_a_name_is_looked_for_in_every_galaxy(home: Path, text: str, found: list[tuple[str, str]]) -> None:
    answer = Catalogues(home).find(text)
    assert [(entry.catalogue, entry.name) for entry in answer.entries] == found
    assert (answer.catalogues, answer.why_not) == (2, "")


@pytest.mark.parametrize(
    ("tag", "words", "why_not"),
    [
        ("scale:good", "Very good", ""),
        ("scale:bad", "", "the taxonomy scale has no such tag"),
        ("tlp:amber", "", "the taxonomy tlp is not here"),
        ('misp-galaxy:actors="worm"', "Actors: Worm", ""),
        ('misp-galaxy:actors="shell"', "", "the galaxy actors has no such entry"),
        ('misp-galaxy:others="worm"', "", "the galaxy others is not here"),
        ("words", "", "not a machine tag: namespace:predicate, or with a value"),
    ],
)
def test_a_tag_is_told_or_it_is_told_why_not(home: Path, tag: str, words: str, why_not: str) -> None:
    told = Catalogues(home).explain(tag)
    assert (told.words, told.why_not) == (words, why_not)


def test_that_no_galaxies_are_here_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "installed", lambda *_: None)
    assert Catalogues(tmp_path).find("worm").why_not == Catalogues(None).find("worm").why_not != ""


def test_a_broken_file_stops_no_other_and_is_named_once(home: Path) -> None:
    (home / "galaxies" / "broken.json").write_text('{"type":"broken","values":{"worm":1}}', "utf-8")
    with (home / "galaxies" / "huge.json").open("wb") as huge:
        huge.truncate(CATALOGUE_BYTES_MAX + 1)
    made = Catalogues(home)
    for _ in range(3):
        assert len(made.find("worm").entries) == 2
    assert [(lost.where, lost.rule) for lost in made.losses.shown] == [("broken", "malformed"), ("huge", "file-size")]
    assert made.losses.counts.total() == 2


def test_a_file_that_changed_is_read_again(home: Path) -> None:
    made = Catalogues(home)
    assert len(made.find("worm").entries) == 2 and not made.find("fresh").entries
    galaxy(home, "tools.json", "tools", "Fresh value")
    assert len(made.find("worm").entries) == 1
    assert [entry.name for entry in made.find("fresh value").entries] == ["Fresh value"]
    made.forget()
    assert len(made.find("worm").entries) == 1


def test_no_more_than_some_megabytes_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogues, "KEPT_BYTES", 1)
    made = Catalogues(home)
    assert len(made.find("worm").entries) == 2
    assert len(made._kept) == 1


def test_published_catalogues_know_att_ck_and_disarm() -> None:
    for _, package, inside, _ in (catalogues.GALAXIES, catalogues.TAXONOMIES):
        if reference.installed(package, *inside) is None:
            pytest.skip(f"the package {package} is not installed: its data is only read by this test")
    made = Catalogues(None)
    (shell,) = [entry for entry in made.find("T1059.001").entries if entry.catalogue == "mitre-attack-pattern"]
    assert (shell.ids, shell.revoked) == (("T1059.001",), False) and shell.phases and shell.refs
    assert "disarm-techniques" in {entry.catalogue for entry in made.find("T0002").entries}
    bears = {(entry.catalogue, entry.name) for entry in made.find("Fancy Bear").entries}
    assert {("threat-actor", "APT28"), ("mitre-intrusion-set", "APT28 - G0007")} <= bears
    assert made.explain(shell.tag).entries == (shell,)
    assert made.explain("tlp:amber").words.startswith("(TLP:AMBER)")
    assert made.explain('admiralty-scale:source-reliability="b"').words == "Source Reliability: Usually reliable"
    assert made.losses.counts.total() == 0
