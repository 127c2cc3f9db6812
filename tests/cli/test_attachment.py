"""`comity attachment`: taken in, found, written out safely, acted on as one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyzipper

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
