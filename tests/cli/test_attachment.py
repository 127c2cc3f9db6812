"""`comity attachment`: taken in, found, written out safely, acted on as one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pyzipper

from comity.errors import Misuse
from comity.formats.misp.files import wrapped
from comity.surfaces.cli.operations.writing import PRIVATE, beside
from tests.cli.conftest import Party

DATA = b"MZ\x90\x00 a sample that nothing runs\n" * 40_000


def added(alone: Party, tmp_path: Path, *more: str) -> str:
    """Take a sample in; return its name."""
    sample = tmp_path / "in voice.pdf.exe"
    sample.write_bytes(DATA)
    done = alone.ask("attachment", "add", sample, "--tlp", "AMBER", "--note", "found at the border", *more)
    name: str = done["attachment"]["statement"]
    return name


def test_a_sample_goes_in_is_found_and_comes_out_in_a_zip(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN")
    name = added(alone, tmp_path, "--about", "hugesoft.org")
    digest = hashlib.sha256(DATA).hexdigest()
    (found,) = alone.ask("attachment", "list", digest)["attachments"]
    assert (found["statement"], found["size"], found["missing"]) == (name, len(DATA), [])
    assert found["about"][0].startswith("indicator--")
    assert alone.ask("attachment", "list", found["about"][0])["attachments"] == [found]
    assert "key" not in found
    out = tmp_path / "out.zip"
    got = alone.ask("attachment", "get", name, "--out", out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert DATA[:64] not in out.read_bytes()
    with pyzipper.AESZipFile(out) as archive:
        (inside,) = archive.infolist()
        assert (inside.filename, got["inside"]) == ("in_voice.pdf.exe", "in_voice.pdf.exe")
        assert inside.flag_bits & 1
        assert archive.read(inside, pwd=b"infected") == DATA
    alone("attachment", "get", name, "--out", tmp_path / "plain", "--plain")
    assert (tmp_path / "plain").read_bytes() == DATA
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o600


def test_no_plaintext_lies_in_the_node(alone: Party, tmp_path: Path) -> None:
    added(alone, tmp_path)
    for path in alone.home.rglob("*"):
        assert not path.is_file() or DATA[:48] not in path.read_bytes()


def test_what_is_done_to_it_is_done_to_its_parts(alone: Party, tmp_path: Path) -> None:
    name = added(alone, tmp_path)
    parts = alone.ask("attachment", "list")["attachments"][0]["parts"]
    assert alone.ask("narrow", name, "--tlp", "RED", "--to", "cert.arcadia.example/csirt")["objects"] == parts + 1
    assert alone.ask("retract", name, "--reason", "a mistake")["objects"] == parts + 1
    assert alone.ask("attachment", "list")["attachments"][0]["retracted"]
    assert alone.ask("erase", name, "--basis", "GDPR art. 17")["objects"] == parts + 1
    assert alone.ask("attachment", "list", code=1)["attachments"] == []
    assert alone("attachment", "get", name, "--out", tmp_path / "x", code=66).err
    assert not (tmp_path / "x").exists()


def test_what_is_none_is_said_to_be_none(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN")
    first = alone.ask("lookup", "hugesoft.org")["answers"][0]["found"][0]["witnesses"][0]["statement"]
    assert "no attachment" in alone("attachment", "get", first, "--out", tmp_path / "x", code=66).err
    alone("attachment", "list", "0" * 64, code=1)


def misp(tmp_path: Path, **changes: object) -> Path:
    """Return a file with a MISP event that carries a sample and a document."""
    sample = {"uuid": "5b773e07-e694-458b-b99c-27f30a016220", "type": "malware-sample", "to_ids": True}
    sample |= {"value": f"a.exe|{hashlib.md5(DATA).hexdigest()}", "category": "Payload delivery"}
    sample |= {"data": base64.b64encode(wrapped(DATA, "a.exe")).decode(), "timestamp": "1600000000"}
    document = {"uuid": "5b773e07-e694-458b-b99c-27f30a016221", "type": "attachment", "value": "report.pdf"}
    document |= {"data": base64.b64encode(b"%PDF-1.7").decode(), "category": "External analysis", "to_ids": False}
    event = {"uuid": "5b773e07-e694-458b-b99c-27f30a016219", "info": "Lures", "date": "2020-09-13"}
    event |= {"timestamp": "1600000000", "Attribute": [sample, {**document, "timestamp": "1600000000", **changes}]}
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"Event": event}))
    return path


def test_files_inside_a_misp_event_are_kept_found_and_known_again(alone: Party, tmp_path: Path) -> None:
    event = misp(tmp_path)
    would = alone.ask("ingest", event, "--source", "peer", "--tlp", "GREEN", "--dry-run")
    assert (would["attached"], would["attached_known"]) == (2, 0)
    assert alone.ask("attachment", "list", code=1)["attachments"] == []
    done = alone.ask("ingest", event, "--source", "peer", "--tlp", "GREEN")
    assert (done["attached"], done["lost"]) == (2, would["lost"])
    (found,) = alone.ask("attachment", "list", hashlib.sha256(DATA).hexdigest())["attachments"]
    assert (found["name"], found["size"], found["source"], found["marking"]) == (
        "a.exe", len(DATA), "peer", done["marking"]
    )  # fmt: skip
    (about, report) = found["about"]
    assert (about.partition("--")[0], report.partition("--")[0]) == ("indicator", "report")
    alone("show", about)
    for how in ("--dry-run", "--no-onward"):
        again = alone("ingest", event, "--source", "peer", "--tlp", "GREEN", how)
        assert "0 " in again.out
        assert "2 known already (`comity attachment list`)" in again.out
    assert len(alone.ask("attachment", "list")["attachments"]) == 2
    for path in alone.home.rglob("*"):
        assert not path.is_file() or DATA[:48] not in path.read_bytes()


def test_a_misp_export_carries_what_was_asked_for_and_may_go(alone: Party, tmp_path: Path) -> None:
    alone("ingest", misp(tmp_path, Tag=[{"name": "tlp:red"}]), "--source", "peer", "--tlp", "CLEAR", "--pap", "CLEAR")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    to, out = f"{alone.name}/csirt~grid", tmp_path / "out.json"

    def exported(*more: str) -> list[dict[str, str]]:
        alone("export", "--to", to, "--source", "peer", "--format", "misp", "--out", out, *more)
        attributes: list[dict[str, str]] = json.loads(out.read_text())["Event"]["Attribute"]
        return attributes

    assert all("data" not in one for one in exported())
    (sample,) = exported("--attachments")
    assert (sample["type"], sample["uuid"]) == ("malware-sample", "5b773e07-e694-458b-b99c-27f30a016220")
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(sample["data"]))) as archive:
        assert archive.read(archive.namelist()[0], pwd=b"infected") == DATA
    said = alone("export", "--to", to, "--source", "peer", "--attachments", "--out", out, code=Misuse.exit_code)
    assert "stix has no place for attachments" in said.err
    (found,) = alone.ask("attachment", "list", hashlib.sha256(DATA).hexdigest())["attachments"]
    alone("erase", found["statement"], "--basis", "a court order")
    assert all("data" not in one for one in exported("--attachments"))


def test_it_is_found_by_the_value_it_is_about(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN")
    name = added(alone, tmp_path, "--about", "hugesoft.org")
    (found,) = alone.ask("attachment", "list", "hugesoft[.]org")["attachments"]
    assert found["statement"] == name
    none = alone("attachment", "list", "0" * 64, code=1)
    assert "of that" in none.out and "attachment add" not in none.out


def test_whoever_takes_a_retracted_one_out_is_told(alone: Party, tmp_path: Path) -> None:
    name = added(alone, tmp_path)
    assert "RETRACTED" not in alone("attachment", "get", name, "--out", tmp_path / "a.zip").out
    alone("retract", name, "--reason", "another's")
    assert "RETRACTED" in alone("attachment", "get", name, "--out", tmp_path / "b.zip").out


# -- files that are written ---------------------------------------------------------------


def test_nothing_that_lies_in_wait_is_written_to(tmp_path: Path) -> None:
    precious, out = tmp_path / "precious", tmp_path / "out"
    precious.write_bytes(b"years of work")
    (tmp_path / f".out.{os.getpid()}.partial").symlink_to(precious)
    with beside(out, PRIVATE) as file:
        file.write(b"a sample")
    assert (out.read_bytes(), out.stat().st_mode & 0o777) == (b"a sample", 0o600)
    assert precious.read_bytes() == b"years of work"


def test_two_who_write_one_file_write_it_whole(tmp_path: Path) -> None:
    out = tmp_path / ("x" * 250)
    with beside(out) as first:
        first.write(b"first")
        with beside(out) as second:
            second.write(b"the second")
        assert out.read_bytes() == b"the second"
    assert out.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [out]
