"""Files inside MISP events: taken out of base64 and of MISP's own ZIP, and put back as PyMISP reads them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.errors import NotFound
from comity.formats.convert import Attached, Loss, Losses, Made
from comity.formats.misp import files
from comity.formats.misp.files import unwrapped, wrapped
from comity.formats.misp.read import read
from comity.formats.misp.scope import Room
from comity.formats.misp.write import About, File, write
from comity.limits import ATTACHMENT_NAME_CHARS_MAX
from comity.vocab import Tlp
from tests.formats.misp_samples import CONTEXT, EVENT, ORG, Tree, attribute, encoded, event, thing, uuid

SAMPLE = b"MZ\x90 not really a program " * 40
MD5 = hashlib.md5(SAMPLE, usedforsecurity=False).hexdigest()
MOST = 1_000_000
ABOUT = About(EVENT, "Phishing against Arcadia", 1_600_000_000, ORG["name"], ORG["uuid"])


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sample(**changes: Any) -> Tree:
    given = {"data": b64(wrapped(SAMPLE, "a.exe")), "comment": "from the gateway"} | changes
    return attribute("malware-sample", f"a.exe|{MD5}", **given)


def brought(tree: Tree) -> tuple[list[Attached], list[tuple[str, str]], list[Made]]:
    """Return the files of an event, its losses, and its objects."""
    out = list(read([encoded(tree)], CONTEXT))
    lost = [(one.outcome.value, one.rule) for one in out if isinstance(one, Loss)]
    return [one for one in out if isinstance(one, Attached)], lost, [one for one in out if isinstance(one, Made)]


# -- the ZIP -----------------------------------------------------------------------------


@given(st.binary(max_size=2_000), st.text(max_size=20))
def test_a_sample_comes_out_of_the_zip_that_was_made(data: bytes, name: str) -> None:
    assert unwrapped(wrapped(data, name), MOST) == data


def test_a_zip_is_read_by_python_and_by_pymisp() -> None:
    data = wrapped(SAMPLE, "a.exe")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [MD5, f"{MD5}.filename.txt"]
        assert archive.read(MD5, pwd=b"infected") == SAMPLE
        with pytest.raises(RuntimeError, match="password"):
            archive.read(MD5)
        archive.setpassword(b"infected")
        assert archive.testzip() is None
    pymisp = pytest.importorskip("pymisp", reason="pymisp, which judges what is written, is not installed")
    loaded = pymisp.MISPEvent()
    loaded.load({"Event": event(sample(data=b64(data)))})
    (one,) = loaded.attributes
    assert one.malware_binary.getvalue() == SAMPLE
    assert one.malware_filename == "a.exe"


def test_a_zip_that_another_program_made_is_read(tmp_path: Path) -> None:
    program = shutil.which("zip")
    if program is None:
        pytest.skip("Info-ZIP is not installed")
    (tmp_path / MD5).write_bytes(SAMPLE)
    (tmp_path / f"{MD5}.filename.txt").write_text("a.exe")
    subprocess.run([program, "-q", "-P", "infected", "x.zip", MD5, f"{MD5}.filename.txt"], cwd=tmp_path, check=True)
    assert unwrapped((tmp_path / "x.zip").read_bytes(), MOST) == SAMPLE


@given(st.binary(max_size=400), st.data())
def test_any_bytes_are_a_sample_or_none(data: bytes, more: st.DataObject) -> None:
    good = wrapped(data, "x")
    cut = more.draw(st.integers(0, len(good)))
    changed = bytearray(good)
    for at in more.draw(st.lists(st.integers(0, len(good) - 1), max_size=6)):
        changed[at] ^= more.draw(st.integers(1, 255))
    for each in (data, good[:cut], good[cut:], bytes(changed), data + good):
        found = unwrapped(each, MOST)
        assert found is None or len(found) <= MOST


def test_a_zip_that_grows_beyond_its_room_is_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (MOST + 1))
    honest = out.getvalue()
    assert len(honest) < 2_000
    assert unwrapped(honest, MOST) is None
    assert unwrapped(honest, MOST + 1) == b"\0" * (MOST + 1)
    liar = honest.replace(struct.pack("<L", MOST + 1), struct.pack("<L", 10))
    assert liar != honest
    found = unwrapped(liar, MOST)
    assert found is None or len(found) <= MOST


def test_a_directory_of_many_members_is_not_even_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(1_000):
            archive.writestr(f"{number}", b"")
    assert unwrapped(out.getvalue(), MOST) is None
    one = wrapped(b"", "x")
    for count in (0, 3, 65_535):  # the directory has two
        assert unwrapped(one[:-12] + struct.pack("<H", count) + one[-10:], MOST) is None


# -- reading -----------------------------------------------------------------------------


def test_a_sample_and_a_document_are_given_about_what_was_made_of_them() -> None:
    document = attribute("attachment", "report.pdf", 2, data=b64(b"%PDF-1.7"), to_ids=False)
    found, lost, made = brought(event(sample(), document))
    assert [(one.name, one.data, one.note) for one in found] == [
        ("a.exe", SAMPLE, "from the gateway"),
        ("report.pdf", b"%PDF-1.7", ""),
    ]
    idents = {json.loads(one.data)["id"] for one in made}
    assert found[0].about == (f"indicator--{uuid(1)}", f"report--{EVENT}")
    assert found[1].about == (f"observed-data--{uuid(2)}", f"report--{EVENT}")
    assert idents.issuperset(found[0].about + found[1].about)
    assert lost == []


def test_a_file_of_an_object_is_about_the_object() -> None:
    given = sample(object_relation="malware-sample")
    other = attribute("md5", MD5, 3, object_relation="md5")
    (found,), lost, _ = brought(event(Object=[thing("file", given, other)]))
    assert (found.data, found.about) == (SAMPLE, (f"indicator--{uuid(900)}", f"report--{EVENT}"))
    assert lost == []


def test_its_level_is_the_strictest_around_it() -> None:
    tagged = sample(Tag=[{"name": "tlp:red"}])
    (found,), _, _ = brought(event(tagged, Tag=[{"name": "tlp:green"}]))
    assert found.tlp is Tlp.RED
    (found,), _, _ = brought(event(sample(), Tag=[{"name": "tlp:green"}]))
    assert found.tlp is Tlp.GREEN


@pytest.mark.parametrize(
    ("changes", "told", "data"),
    [
        ({"data": "%%%"}, [("refused", "base64")], None),
        ({"data": 7}, [("refused", "base64")], None),
        ({"data": b64(b"MZ raw")}, [("changed", "sample-wrapped")], b"MZ raw"),
        ({"data": b64(wrapped(b"another", "a.exe"))}, [("changed", "sample-hash")], b"another"),
        ({"deleted": True}, [("unmapped", "attachment")], None),
        ({"category": "Person"}, [("sealed", "person")], None),
        ({"data": ""}, [], None),
        ({"data": "\n".join(b64(wrapped(SAMPLE, "a"))[at : at + 60] for at in range(0, 4_000, 60))}, [], SAMPLE),
    ],
)
def test_what_is_not_as_it_should_be_is_said(changes: Tree, told: list[tuple[str, str]], data: bytes | None) -> None:
    found, lost, _ = brought(event(sample(**changes)))
    assert [one for one in lost if one != ("changed", "deleted")] == told
    assert [one.data for one in found] == ([data] if data is not None else [])


def test_files_over_the_room_of_an_input_are_refused_and_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ATTACHMENT_BYTES_MAX", 100)
    large = attribute("attachment", "large", 1, data=b64(b"x" * 101))
    small = attribute("attachment", "small", 2, data=b64(b"x" * 100))
    found, lost, _ = brought(event(large, small))
    assert ([one.name for one in found], lost) == (["small"], [("refused", "attachment-too-large")])


def test_bombs_of_one_input_share_one_room(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 1_000_000)
    bombs = [attribute("malware-sample", f"{n}.exe|{MD5}", n, data=b64(out.getvalue())) for n in range(1, 8)]
    monkeypatch.setattr("comity.formats.misp.read.Room", lambda: Room(3_000_000))
    found, lost, _ = brought(event(*bombs))
    assert sum(len(one.data) for one in found) <= 3_000_000
    assert [len(one.data) for one in found][:3] == [1_000_000] * 3
    assert {rule for _, rule in lost} == {"sample-hash", "sample-wrapped", "attachment-too-large"}


def test_a_zip_that_takes_too_long_is_kept_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    data = wrapped(SAMPLE, "a.exe")
    monkeypatch.setattr(files, "MISP_SAMPLE_BYTES_MAX", len(data) - 1)
    (found,), lost, _ = brought(event(sample()))
    assert (found.data, lost) == (data, [("changed", "sample-wrapped")])


def test_a_long_name_keeps_its_end() -> None:
    name = "a" * 400 + ".pdf"
    (found,), lost, _ = brought(event(attribute("attachment", name, data=b64(b"x"))))
    assert found.name == name[-ATTACHMENT_NAME_CHARS_MAX:]
    assert lost == [("changed", "attachment-name")]


# -- writing -----------------------------------------------------------------------------


def file(found: Attached, data: bytes | None = None) -> File:
    def give() -> bytes:
        if data is not None:
            return data
        raise NotFound("a part is not here")

    digest = hashlib.md5(found.data, usedforsecurity=False).hexdigest()
    return File(found.name, digest, found.about, 1_600_000_000, found.note, "cert.arcadia.example/home/1 x", give)


def test_files_come_round_at_their_own_attributes() -> None:
    document = attribute("attachment", "report.pdf", 2, data=b64(b"%PDF-1.7"), to_ids=False)
    found, _, made = brought(event(sample(), document))
    losses = Losses()
    out = b"".join(write([one.data for one in made], ABOUT, losses, [file(one, one.data) for one in found]))
    first, second = json.loads(out)["Event"]["Attribute"]
    assert (first["uuid"], first["type"], first["value"]) == (uuid(1), "malware-sample", f"a.exe|{MD5}")
    assert unwrapped(base64.b64decode(first["data"]), MOST) == SAMPLE
    assert (second["uuid"], base64.b64decode(second["data"])) == (uuid(2), b"%PDF-1.7")
    assert losses.shown == []
    again, lost, _ = brought(json.loads(out)["Event"])
    assert ([one.data for one in again], lost) == ([one.data for one in found], [])


def test_a_file_without_an_attribute_goes_as_a_sample_of_its_own() -> None:
    alone = Attached(SAMPLE, "odd|name.bin", ("malware--" + uuid(5),), "")
    out = b"".join(write([], ABOUT, Losses(), [file(alone, SAMPLE)]))
    (one,) = json.loads(out)["Event"]["Attribute"]
    assert (one["type"], one["value"], one["to_ids"]) == ("malware-sample", f"odd_name.bin|{MD5}", False)
    assert unwrapped(base64.b64decode(one["data"]), MOST) == SAMPLE
    assert out == b"".join(write([], ABOUT, Losses(), [file(alone, SAMPLE)]))


def test_a_file_that_is_not_whole_is_said_and_costs_its_attribute_nothing() -> None:
    found, _, made = brought(event(sample()))
    losses = Losses()
    out = b"".join(write([one.data for one in made], ABOUT, losses, [file(found[0])]))
    (one,) = json.loads(out)["Event"]["Attribute"]
    assert "data" not in one
    assert [(each.outcome.value, each.rule) for each in losses.shown] == [("unmapped", "attachment")]


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_the_old_cipher_is_what_python_undoes(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(wrapped(data, "x"))) as archive:
        info = archive.infolist()[0]
        assert (info.CRC, info.file_size, info.flag_bits) == (zlib.crc32(data), len(data), 1)
        assert archive.read(info, pwd=b"infected") == data
