"""What hostile inputs come to at a node: limited, refused or neutralised, told, and the original still there."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from comity.boot import reading
from comity.errors import Malformed
from comity.limits import ORIGINAL_BYTES_MAX, TEXT_BYTES_MAX
from tests.cli.conftest import Party
from tests.formats.hostile import slow_pdf
from tests.formats.misp_samples import attribute, encoded, event
from tests.transports.taxii_server import Taxii, indicator, served

MILLION = 1_000_000


def bring(party: Party, path: Path, data: bytes, *more: str, code: int = 0) -> dict[str, Any]:
    """Bring an input in; whatever came of it, its original comes back byte for byte."""
    path.write_bytes(data)
    done: dict[str, Any] = party.ask("ingest", path, "--source", "s", "--tlp", "GREEN", *more, code=code)
    (one,) = party.ask("imports")["imports"]
    party("imports", "--original", one["digest"], "--to", path.with_name("back"))
    assert path.with_name("back").read_bytes() == data
    return done


def told(done: dict[str, Any], rule: str) -> str:
    """Return the reason given for the loss of a rule."""
    (reason,) = [one["reason"] for one in done["losses"] if one["rule"] == rule]
    assert isinstance(reason, str)
    return reason


def zipped(member: bytes, name: str = "feed.json") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, member)
    return out.getvalue()


def tarred(member: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("evil.example.json")
        info.size = len(member)
        archive.addfile(info, io.BytesIO(member))
    return out.getvalue()


# -- bombs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "pack"), [("a.zip", zipped), ("a.json.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.tar", tarred)]
)
def test_what_is_packed_is_never_opened(
    alone: Party, tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    done = bring(alone, tmp_path / name, pack(b"0" * 5_000_000), code=Malformed.exit_code)
    assert (done["kept"], done["lost"]) == (0, {"refused not-opened": 1})
    assert "unpack it elsewhere" in told(done, "not-opened")


def test_a_zip_bomb_in_an_event_costs_its_attribute(alone: Party, tmp_path: Path) -> None:
    bomb = base64.b64encode(zipped(b"0" * 100 * MILLION)).decode()
    assert len(bomb) < 200_000
    sample = attribute("malware-sample", f"a.exe|{'0' * 32}", 1, data=bomb)
    done = bring(alone, tmp_path / "event.json", encoded(event(sample, attribute("domain", "c2.example", 2))))
    assert any(one["rule"] in {"sample-wrapped", "attachment-too-large"} for one in done["losses"])
    assert alone.ask("lookup", "c2.example")["answers"][0]["found"]


ENTITIES = '<!ENTITY a "lol">' + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
DOCUMENTS = {
    "x.xml": '<IODEF-Document version="2.00" xmlns="urn:ietf:params:xml:ns:iodef-2.0">{}</IODEF-Document>',
    "x.ioc": '<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><description>{}</description></ioc>',
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("inside", [ENTITIES, '<!ENTITY j SYSTEM "file:///etc/hostname">'], ids=["bomb", "file"])
def test_xml_that_grows_or_reads_files_is_refused(alone: Party, tmp_path: Path, name: str, inside: str) -> None:
    text = f'<?xml version="1.0"?><!DOCTYPE x [{inside}]>{DOCUMENTS[name].format("&j;")}'
    done = bring(alone, tmp_path / name, text.encode(), code=Malformed.exit_code)
    assert (done["kept"], done["lost"]) == (0, {"refused xml": 1})
    assert "document type" in told(done, "xml")


# -- sizes -----------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.parametrize("form", ["stix", "text", "table", "html", "misp", "pdf"])
def test_a_stream_of_five_gigabytes_is_cut_and_told(alone: Party, tmp_path: Path, form: str) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.write(b"192.0.2.7 ")
        file.truncate(5 * 1_024**3)  # zeros, which take no room on this disk
    done = alone.ask("ingest", path, "--source", "s", "--format", form, code=0 if form in {"text", "html"} else 65)
    assert done["refused"] or any(what.startswith("refused ") for what in done["lost"])
    assert form == "stix" or "changed original-too-large" in done["lost"]


def test_a_stream_without_end_is_cut_and_told(alone: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comity.node.importing.ORIGINAL_BYTES_MAX", ORIGINAL_BYTES_MAX // 1_024)
    monkeypatch.setattr("comity.formats.text.read.TEXT_BYTES_MAX", TEXT_BYTES_MAX // 1_024)
    path = tmp_path / "long.txt"
    path.write_bytes(b"C2 is c2.example\n" + b"nothing more to see, go on reading\n" * 100_000)
    done = alone.ask("ingest", path, "--source", "s", "--tlp", "GREEN")
    assert {"refused too-large", "changed original-too-large"} <= set(done["lost"])
    assert alone.ask("lookup", "c2.example")["answers"][0]["found"], "what stood before the cut is kept"
    (one,) = alone.ask("imports")["imports"]
    assert one["bytes"] == path.stat().st_size, "how much came is on record"


def test_a_row_of_a_million_columns_costs_itself(alone: Party, tmp_path: Path) -> None:
    rows = [f"198.51.100.{number},seen" for number in range(100)]
    rows.insert(50, "192.0.2.1," + "x," * MILLION)
    done = bring(alone, tmp_path / "wide.csv", "\n".join(["ip,note", *rows]).encode())
    assert (done["kept"], done["lost"]["refused row-size"]) == (100, 1)
    assert "TABLE_ROW_CHARS_MAX" in told(done, "row-size")


def test_a_table_of_a_million_columns_is_refused(alone: Party, tmp_path: Path) -> None:
    table = b"\n".join([b"ip," * MILLION, b"192.0.2.9," * MILLION])
    done = bring(alone, tmp_path / "wide.csv", table, code=Malformed.exit_code)
    assert done["kept"] == 0
    assert done["lost"] == {"refused row-size": 2}


# -- servers and feeds ---------------------------------------------------------------------


def always_more(envelope: dict[str, object], headers: dict[str, str]) -> None:
    envelope["more"] = True
    envelope.pop("next", None)


def same_next(envelope: dict[str, object], headers: dict[str, str]) -> None:
    envelope |= {"more": True, "next": "MA=="}  # the first page again


def never_more(envelope: dict[str, object], headers: dict[str, str]) -> None:
    envelope["more"] = False
    envelope.pop("next", None)


def endless(envelope: dict[str, object], headers: dict[str, str]) -> None:
    envelope["padding"] = "x" * 200_000


@pytest.mark.parametrize(
    ("lie", "code", "says"),
    [
        (always_more, 65, "no question reaches those behind"),
        (same_next, 65, "nothing new for 3 pages"),
        (never_more, 0, ""),
        (endless, 65, "TAXII_FRAME_BYTES_MAX"),
    ],
)
def test_a_server_that_lies_about_its_pages_loses_us_nothing(
    alone: Party, lie: Callable[[dict[str, object], dict[str, str]], None], code: int, says: str
) -> None:
    server = Taxii(page=3)
    for number in range(9):
        server.add(number, indicator(number))
    server.lie = lie
    with served(server) as base:
        alone("source", "add", "isac", "--kind", "taxii", "--url", f"{base}/taxii2/", "--tlp", "AMBER")
        polled = alone.ask("source", "poll", "isac", code=code)
        told = " ".join([polled["error"], *polled["faults"]])
        assert says in told, "an end that comes too early cannot be told, and is made up for below"
        assert len(server.asked) < 40
        server.lie = lambda envelope, headers: None
        alone("source", "poll", "isac")
    for number in range(9):
        (one,) = alone.ask("lookup", f"198.51.100.{number}")["answers"][0]["found"]
        assert len(one["witnesses"]) == 1, "each is kept once"


IDENT = "indicator--11111111-2222-4333-8444-555555555555"
CREATOR = "identity--11111111-2222-4333-8444-555555555555"


def stated(**changes: Any) -> bytes:
    common = {
        "type": "indicator", "spec_version": "2.1", "id": IDENT, "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z", "created_by_ref": CREATOR, "name": "a controller",
        "pattern": "[domain-name:value = 'c2.example']", "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return json.dumps(common | changes).encode()


def test_a_feed_that_claims_anothers_organisation_speaks_for_itself_only(alone: Party, tmp_path: Path) -> None:
    organisation = {
        "type": "identity", "spec_version": "2.1", "id": CREATOR, "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z", "name": "CERT Borealia", "identity_class": "organization",
    }  # fmt: skip
    for source, objects in (
        ("ours", [stated(), json.dumps(organisation).encode()]),
        (
            "liar",
            [
                stated(modified="2026-02-01T00:00:00.000Z", revoked=True, name="harmless"),
                json.dumps(organisation | {"name": "CERT Arcadia"}).encode(),
            ],
        ),
    ):
        (tmp_path / "in").write_bytes(b"\n".join(objects))
        alone("ingest", tmp_path / "in", "--source", source, "--tlp", "GREEN", "--format", "stix")
    answer = alone.ask("lookup", "c2.example")["answers"][0]
    says = {one["name"]: [who["source"] for who in one["witnesses"]] for one in answer["found"]}
    assert says == {"a controller": ["ours"], "harmless": ["liar"]}, "each stands beside the other, under its source"
    assert "CONTRADICTION" in alone("lookup", "c2.example").out
    shown = alone.ask("show", CREATOR)["versions"]
    says = {one["object"]["name"]: [who["source"] for who in one["object"]["witnesses"]] for one in shown}
    assert says == {"CERT Borealia": ["ours"], "CERT Arcadia": ["liar"]}, "nobody is shown saying another's words"


# -- documents -------------------------------------------------------------------------------

PAGE = b"""<!DOCTYPE html><html><title>Advisory</title>
<script>var a = "script.example"; fetch("http://198.51.100.9/")</script>
<body onload="location='http://onload.example'"><p>The C2 is c2.example.<img src=x onerror="alert('onerror.example')">
<a href="java&#10;script:open('http://code.example')">more</a><a href="data:text/html,http://data.example">more</a>
<iframe srcdoc="&lt;p&gt;frame.example"></iframe><style>a { background: url(http://style.example) }</style>"""


def test_scripts_of_a_page_are_neither_run_nor_read(alone: Party, tmp_path: Path) -> None:
    done = bring(alone, tmp_path / "page.html", PAGE)
    assert done["kept"] == 2, "the report and what people see"
    assert "not looked at" in told(done, "not-shown")
    assert alone.ask("lookup", "c2.example")["answers"][0]["found"]
    for hidden in ("script", "onload", "onerror", "code", "data", "frame", "style"):
        alone("lookup", f"{hidden}.example", code=1)


def test_a_pdf_that_takes_for_ever_is_ended(alone: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_APART_SECONDS", 2)
    done = bring(alone, tmp_path / "advisory.pdf", slow_pdf())
    assert (done["kept"], done["lost"]) == (1, {"refused too-slow": 1})
    assert "what was found before that is kept" in told(done, "too-slow")
    assert alone.ask("lookup", "192.0.2.7")["answers"][0]["found"]


def test_a_pdf_that_is_none_is_refused(alone: Party, tmp_path: Path) -> None:
    data = b"MZ\x90\0 this is no document"
    done = bring(alone, tmp_path / "advisory.pdf", data, "--format", "pdf", code=Malformed.exit_code)
    assert done["lost"] == {"refused not-a-pdf": 1}


# -- patterns and names ----------------------------------------------------------------------

SENT = ("--source", "s", "--tlp", "CLEAR", "--pap", "CLEAR")
CATASTROPHE = "^(([a-z])+.)+[A-Z]([a-z])+$"
VICTIM = "a" * 64  # who tries the expression on it does not come back
SIGMA = f"""
title: A rule
logsource: {{product: windows}}
detection:
  selection: {{Image|re: '{CATASTROPHE}'}}
  condition: selection
"""


def test_expressions_that_explode_are_kept_and_never_tried(alone: Party, tmp_path: Path) -> None:
    pattern = f"[url:value MATCHES '{CATASTROPHE}' AND domain-name:value = 'c2.example']"
    (tmp_path / "in.json").write_bytes(stated(pattern=pattern))
    (tmp_path / "rule.yml").write_text(SIGMA)
    (tmp_path / "x.rules").write_text(
        f'alert http any any -> any any (msg:"x"; content:"a"; pcre:"/{CATASTROPHE}/"; sid:1; rev:1;)\n'
    )
    for file, form in (("in.json", "stix"), ("rule.yml", "sigma"), ("x.rules", "suricata")):
        assert alone.ask("ingest", tmp_path / file, *SENT, "--format", form)["kept"] == 1
    for value in (VICTIM, f"http://{VICTIM}.example/", f"{VICTIM}.example"):
        alone("lookup", value, code=1)
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    for form in ("stix", "misp", "txt", "suricata"):
        out = tmp_path / f"out.{form}"
        alone("export", "--to", "cert.arcadia.example/csirt~grid", "--source", "s", "--format", form, "--out", out)
    assert CATASTROPHE.encode() in (tmp_path / "out.stix").read_bytes(), "as its author wrote it"


def test_names_that_deceive_are_shown_for_what_they_are(alone: Party, tmp_path: Path) -> None:
    name = "CERT \u0410rcadia \u202egpj.exe"  # a Cyrillic letter, and what follows turned round
    (tmp_path / "in.json").write_bytes(stated(name=name, pattern="[file:name = 'invoice\u202efdp.exe']"))
    alone("ingest", tmp_path / "in.json", "--source", "s", "--tlp", "CLEAR", "--format", "stix")
    shown = alone("show", IDENT).out
    assert "CERT \\u0410rcadia \\u202egpj.exe" in shown
    assert "\u202e" not in shown and "\u0410" not in shown
    assert alone.ask("show", IDENT)["versions"][0]["object"]["name"] == name, "nothing of it is lost"
    for asked in ("invoice\u202efdp.exe", "invoicefdp.exe"):
        assert alone.ask("lookup", asked)["answers"][0]["found"], "however it is written"


def test_a_text_that_is_turned_round_is_read_and_told(alone: Party, tmp_path: Path) -> None:
    text = "The loader invoice\u202efdp.exe fetches from \u0430rcadia.example, not arcadia.example.\n"
    done = bring(alone, tmp_path / "report.txt", text.encode())
    assert "turn writing round" in told(done, "turned-writing")
    found = alone.ask("lookup", "\u0430rcadia.example")["answers"][0]["found"]
    assert [one["name"] for one in found] == ["xn--rcadia-2nf.example"], "as the network sees it"
    assert alone.ask("lookup", "invoicefdp.exe")["answers"][0]["found"]


def test_what_a_rule_means_is_said(alone: Party, tmp_path: Path) -> None:
    tree = {"Event": event(attribute("pattern-in-traffic", "x")), "beside": 1}
    (tmp_path / "in.json").write_text(json.dumps(tree))
    assert "beside-event (beside an event" in alone("ingest", tmp_path / "in.json", "--source", "s").out
    pattern = "[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.1']"
    (tmp_path / "in.json").write_bytes(stated(pattern=pattern))
    said = alone("ingest", tmp_path / "in.json", "--source", "s", "--format", "stix").out
    assert "pattern not simple (a value alone is no match" in said


def test_a_part_that_only_describes_is_not_told_as_a_note(alone: Party, tmp_path: Path) -> None:
    size = attribute("size-in-bytes", "17") | {"object_relation": "size-in-bytes", "to_ids": True}
    tree = event(attribute("domain", "a.example"))
    tree["Object"] = [{"name": "file", "meta-category": "file", "uuid": "5f0e1a52-0000-4000-8000-000000000005"}]
    tree["Object"][0]["Attribute"] = [size]
    (tmp_path / "in.json").write_text(json.dumps({"Event": tree}))
    said = alone("ingest", tmp_path / "in.json", "--source", "s").out
    assert "1 changed: to-ids (" in said and "kept as a note" not in said
