"""Reports out of a real node: as a page, as a feed, under the label that all of it needs."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import Party

TO = "cert.arcadia.example/csirt~grid"
ATOM = "{http://www.w3.org/2005/Atom}"


def thing(kind: str, number: int, **more: Any) -> dict[str, Any]:
    ident = f"{kind}--{uuid.uuid5(uuid.NAMESPACE_DNS, f'{kind}{number}')}"
    times = {"created": "2026-11-20T08:00:00.000Z", "modified": "2026-11-20T08:00:00.000Z"}
    return {"type": kind, "spec_version": "2.1", "id": ident, **times, **more}


def sees(value: str, number: int) -> dict[str, Any]:
    pattern = {"pattern": f"[ipv4-addr:value = '{value}']", "pattern_type": "stix", "name": f"C2 {number}"}
    return thing("indicator", number, valid_from="2026-11-20T08:00:00Z", **pattern)


@pytest.fixture
def ready(alone: Party, tmp_path: Path) -> Party:
    """A node with two reports, one of whose indicators is under a stricter label, and a vulnerability alone."""
    green, red = sees("198.51.100.1", 1), sees("198.51.100.2", 2)
    amber = sees("198.51.100.3", 3)
    known = thing("vulnerability", 1, name="CVE-2026-11111", description="In no report.")
    refs = [green["id"], red["id"]]
    first = thing(
        "report", 1, name="Quiet Harbour", description="First.", published="2026-11-20T08:00:00Z", object_refs=refs
    )
    refs = [green["id"], amber["id"]]
    second = thing("report", 2, name="Loud Harbour", published="2026-11-20T08:00:00Z", object_refs=refs)
    for label, objects in (("GREEN", [green, first, second, known]), ("RED", [red]), ("AMBER", [amber])):
        path = tmp_path / f"{label}.json"
        path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
        alone("ingest", path, "--source", label.lower(), "--tlp", label, "--pap", "GREEN")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    return alone


def test_a_page_holds_what_may_go_under_the_strictest_label(ready: Party, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = ready.ask("export", "--to", TO, "--format", "html-report", "--out", out)
    assert (done["purpose"], done["withheld"]) == ("read", 1)
    text = out.read_text()
    for said in ("Quiet Harbour", "Loud Harbour", "198[.]51[.]100[.]1", "198[.]51[.]100[.]3", "CVE-2026-11111"):
        assert said in text
    assert "198[.]51[.]100[.]2" not in text  # RED, for nobody named
    assert text.count(">TLP:AMBER</div>") == 2  # head and foot
    quiet = text[text.index("<h2><bdi>Quiet") - 60 :]
    assert "TLP:GREEN" in quiet[:60]  # the report's own, for nothing stricter stands in it


def test_a_report_by_name_comes_with_what_it_names(ready: Party, tmp_path: Path) -> None:
    out = tmp_path / "one.html"
    named = thing("report", 2)["id"]
    done = ready.ask("export", named, "--to", TO, "--format", "html-report", "--out", out)
    assert done["objects"] == 3
    text = out.read_text()
    assert "198[.]51[.]100[.]3" in text
    assert "Quiet Harbour" not in text


def test_what_was_taken_back_is_in_no_report(ready: Party, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    ready("retract", thing("report", 1)["id"], "--reason", "wrong")
    ready("retract", thing("indicator", 3)["id"], "--reason", "wrong")
    ready.ask("export", "--to", TO, "--format", "html-report", "--out", out)
    text = out.read_text()
    assert "Quiet Harbour" not in text
    assert "198[.]51[.]100[.]3" not in text
    assert ">TLP:GREEN</div>" in text


def test_the_feed_has_an_entry_for_each_report_and_what_no_report_names(ready: Party, tmp_path: Path) -> None:
    out = tmp_path / "reports.atom"
    ready.ask("export", "--to", TO, "--format", "atom-reports", "--out", out)
    root = ET.fromstring(out.read_bytes())
    assert root.findtext(f"{ATOM}rights") == "TLP:AMBER"
    titles = {each.findtext(f"{ATOM}title"): each.findtext(f"{ATOM}rights") for each in root.iter(f"{ATOM}entry")}
    assert titles == {"Quiet Harbour": "TLP:GREEN", "Loud Harbour": "TLP:AMBER", "CVE-2026-11111": "TLP:GREEN"}


def test_a_list_of_reports_is_made_without_a_word_of_what(ready: Party) -> None:
    made = ready.ask("feed", "create", "bulletin", "--to", TO, "--format", "html-report")
    assert (made["feed"]["type"], made["feed"]["purpose"]) == ("", "read")
    assert made["path"].endswith("/bulletin.html")


def test_a_layer_counts_who_names_a_technique(ready: Party, tmp_path: Path) -> None:
    references = [{"source_name": "mitre-attack", "external_id": "T1566.001"}]
    technique = thing("attack-pattern", 1, name="Spearphishing Attachment", external_references=references)
    other = thing("attack-pattern", 2, name="Something of our own")
    tells = thing(
        "report", 9, name="Mails", published="2026-11-20T08:00:00Z", object_refs=[technique["id"], other["id"]]
    )
    path = tmp_path / "more.json"
    objects = [technique, other, tells]
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
    ready("ingest", path, "--source", "more", "--tlp", "GREEN")
    done = ready.ask("export", "--to", TO, "--format", "navigator", "--out", tmp_path / "layer.json")
    assert done["left"] == {"no technique of ATT&CK by its references": 1}
    layer = json.loads((tmp_path / "layer.json").read_bytes())
    (found,) = layer["techniques"]
    assert (found["techniqueID"], found["score"], found["comment"]) == ("T1566.001", 2, "Spearphishing Attachment")


def test_a_layer_of_disarm_has_its_behaviours_alone_and_the_page_says_what_is_sealed(
    ready: Party, tmp_path: Path
) -> None:
    by_number = [{"source_name": "DISARM", "external_id": "T0049"}]
    behaviour = thing("attack-pattern", 1, name="Flood Information Space", external_references=by_number)
    by_tag = thing(
        "attack-pattern", 2, name="Create Inauthentic Websites", labels=['misp-galaxy:disarm-techniques="…"'],
        external_references=[{"source_name": "mitre-attack", "external_id": "T0013"}],
    )  # fmt: skip
    of_attack = thing(
        "attack-pattern", 3, name="Domains",
        external_references=[{"source_name": "mitre-attack", "external_id": "T1583.001"}],
    )  # fmt: skip
    account = {
        "type": "user-account", "spec_version": "2.1", "id": f"user-account--{uuid.uuid4()}",
        "account_login": "harbour_watch_77",
    }  # fmt: skip
    named = [one["id"] for one in (behaviour, by_tag, of_attack, account)]
    tells = thing("report", 9, name="Harbour Lights", published="2026-11-20T08:00:00Z", object_refs=named)
    objects = [behaviour, by_tag, of_attack, account, tells]
    path = tmp_path / "campaign.json"
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
    ready("ingest", path, "--source", "campaign", "--tlp", "GREEN")
    layers = {}
    for form in ("disarm-navigator", "navigator"):
        out = tmp_path / f"{form}.json"
        ready("export", "--to", TO, "--source", "campaign", "--format", form, "--out", out)
        layers[form] = json.loads(out.read_bytes())
    assert [one["techniqueID"] for one in layers["navigator"]["techniques"]] == ["T1583.001"]
    layer = layers["disarm-navigator"]
    assert [(one["techniqueID"], one["score"]) for one in layer["techniques"]] == [("T0013", 2), ("T0049", 2)]
    assert (layer["domain"], layer["versions"]["layer"]) == ("DISARM", "4.4")
    for form in ("html-report", "atom-reports"):
        ready(
            "export", "--to", TO, "--source", "campaign", "--type", "report", "--format", form, "--out", tmp_path / form
        )
        text = (tmp_path / form).read_text()
        assert "It names an account of a person, sealed where it came in" in text
        assert account["id"] not in text and "harbour_watch" not in text
    page = (tmp_path / "html-report").read_text()
    assert page.index("Techniques (ATT&amp;CK)") < page.index("T1583.001") < page.index("Behaviours (DISARM)")
    assert page.index("Behaviours (DISARM)") < min(page.index("T0013"), page.index("T0049"))
    assert "names an account of a person: sealed" in ready("show", tells["id"]).out
