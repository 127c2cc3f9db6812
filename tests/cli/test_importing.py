"""Bringing files in from the command line: reports, mappings, originals, and their erasure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comity.errors import Misuse, NotFound
from tests.cli.conftest import Party

TEXT = "The C2 is evil.example at 198.51.100.7.\n"
KEPT = ["read by the mapping that is kept for this source"]


def test_a_report_is_not_written_over_an_input(alone: Party, tmp_path: Path) -> None:
    text, same = tmp_path / "in.txt", tmp_path / "same.txt"
    text.write_text(TEXT)
    same.symlink_to(text)
    for report in (text, same):
        alone("ingest", text, "--source", "s", "--dry-run", "--report", report, code=Misuse.exit_code)
        assert text.read_text() == TEXT


def test_a_report_is_whole_or_the_old_one_stays(alone: Party, tmp_path: Path) -> None:
    text, report = tmp_path / "in.txt", tmp_path / "report.json"
    text.write_text(TEXT)
    report.write_text("the old one")
    alone("ingest", text, "--source", "s", "--format", "no-such", "--report", report, code=Misuse.exit_code)
    assert report.read_text() == "the old one"
    done = alone.ask("ingest", text, "--source", "s", "--dry-run", "--report", report)
    told = json.loads(report.read_text())
    assert told["summary"]["read"] == done["read"] > 0
    assert len(told["losses"]) == sum(done["lost"].values())
    assert sorted(path.name for path in tmp_path.iterdir() if "partial" in path.name) == []


def test_an_original_is_shown_where_it_stands_and_erased(alone: Party, tmp_path: Path) -> None:
    text, copy = tmp_path / "in.txt", tmp_path / "copy"
    text.write_text(TEXT)
    alone("ingest", text, "--source", "s", "--tlp", "GREEN")
    (shown,) = alone.ask("imports")["imports"]
    (statement,) = shown["statements"]
    assert statement in alone("imports").out
    digest = shown["digest"][:12]
    alone("imports", "--erase", digest, code=Misuse.exit_code)
    gone = alone.ask("imports", "--erase", digest, "--basis", "GDPR art. 17", "--reason", "names a victim")
    assert (gone["digest"], gone["parts"]) == (shown["digest"], 1)
    assert alone.ask("imports")["imports"] == []
    copy.write_text("precious")
    said = alone("imports", "--original", digest, "--to", copy, code=NotFound.exit_code)
    assert "was erased" in said.err
    assert copy.read_text() == "precious"


def test_a_part_erased_by_its_statement_empties_no_file(alone: Party, tmp_path: Path) -> None:
    text, copy = tmp_path / "in.txt", tmp_path / "copy"
    text.write_text(TEXT)
    alone("ingest", text, "--source", "s", "--tlp", "GREEN")
    (shown,) = alone.ask("imports")["imports"]
    alone("erase", *shown["statements"], "--basis", "GDPR art. 17")
    copy.write_text("precious")
    alone("imports", "--original", shown["digest"], "--to", copy, code=NotFound.exit_code)
    assert copy.read_text() == "precious"


def test_a_name_that_is_not_utf8_is_refused_plainly(alone: Party, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/in\xff.csv"
    try:
        Path(os.fsdecode(name)).write_text("ip\n192.0.2.1\n")
    except OSError:
        pytest.skip("this file system takes no such name")
    for given in (Path(os.fsdecode(name)), tmp_path):
        said = alone("ingest", given, "--source", "s", code=Misuse.exit_code)
        assert "is not UTF-8" in said.err


def test_a_guess_is_kept_for_its_layout_alone(alone: Party, tmp_path: Path) -> None:
    one, two, three = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.json"
    one.write_text("ip,comment\n198.51.100.1,scanner\n198.51.100.2,scanner\n")
    two.write_text("first seen;url\n2026-01-01;https://a.example/x\n2026-01-02;https://b.example/y\n")
    three.write_text('{"ip":"198.51.100.7"}\n{"ip":"198.51.100.8"}\n')
    would = alone.ask("ingest", one, two, three, "--source", "s", "--tlp", "GREEN", "--dry-run")
    done = alone.ask("ingest", one, two, three, "--source", "s", "--tlp", "GREEN")
    for each in (would, done):
        assert (each["read"], each["kept"], each["refused"]) == (6, 6, 0)
    assert would["mapping"] == done["mapping"] != KEPT
    assert would["lost"] == done["lost"]
    more = tmp_path / "d.csv"
    more.write_text("ip,comment\n198.51.100.3,scanner\n")
    assert alone.ask("ingest", more, "--source", "s")["mapping"] == KEPT


def test_a_dry_run_keeps_a_guess_for_its_next_file(alone: Party, tmp_path: Path) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("ip,comment\n198.51.100.1,scanner\n198.51.100.2,scanner\n")
    two.write_text("ip,comment\n198.51.100.3,scanner\n")
    would = alone.ask("ingest", one, two, "--source", "s", "--tlp", "GREEN", "--dry-run")
    assert (would["kept"], would["mapping"]) == (3, KEPT)
    done = alone.ask("ingest", one, two, "--source", "s", "--tlp", "GREEN")
    assert (done["kept"], done["mapping"]) == (3, KEPT)


def test_a_mapping_that_was_given_reads_the_sources_tables_and_not_its_json(alone: Party, tmp_path: Path) -> None:
    table, other, records, mapping = (tmp_path / name for name in ("a.csv", "b.csv", "c.json", "m.toml"))
    table.write_text("198.51.100.1,192.0.2.1\n")
    other.write_text("198.51.100.2,192.0.2.2\n")
    records.write_text('{"ip":"198.51.100.7"}\n{"ip":"198.51.100.8"}\n')
    mapping.write_text('delimiter = ","\n[[columns]]\nat = 2\nrole = "value"\nkind = "ipv4"\n')
    alone("ingest", table, "--source", "s", "--tlp", "GREEN", "--mapping", mapping)
    done = alone.ask("ingest", other, "--source", "s")
    assert (done["kept"], done["mapping"]) == (1, KEPT)
    assert alone.ask("lookup", "192.0.2.2")["known"] == 1
    done = alone.ask("ingest", records, "--source", "s")
    assert done["kept"] == 2
    assert done["mapping"] != KEPT
