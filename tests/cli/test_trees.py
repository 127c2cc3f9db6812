"""Exports that are folders: a MISP feed and a CSAF provider, checked by those who read them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent
from pysequoia import Cert, Sig, Tsk, verify

from comity.formats import csaf
from comity.formats.convert import Context, Loss, Made
from comity.formats.csaf import write
from comity.formats.misp import feed
from comity.vocab import Tlp
from tests.cli.conftest import Party
from tests.formats.advisories import advisory

TO = "cert.arcadia.example/csirt~grid"
BASE = "https://csaf.arcadia.example/secret"


@pytest.fixture
def ready(alone: Party, report: Path) -> Party:
    """A node with a report, and one whom it may go to."""
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN", "--pap", "GREEN")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    return alone


def test_a_misp_feed_is_read_by_pymisp_and_by_our_own_reader(ready: Party, tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    done = ready.ask("export", "--to", TO, "--since", "36500d", "--format", "misp-feed", "--out", folder)
    assert done["objects"] == 76
    entries = list(feed.read_feed((folder / "manifest.json").read_bytes()))
    assert entries
    lines = (folder / "hashes.csv").read_text().splitlines()
    for entry in entries:
        assert not isinstance(entry, Loss)
        data = (folder / f"{entry.uuid}.json").read_bytes()
        event = MISPEvent()
        event.load(json.loads(data))
        assert (event.uuid, event.info) == (entry.uuid, entry.info)
        assert [tag.name for tag in event.tags if tag.name.startswith("tlp:")] == ["tlp:green"]
        values = [a.value for a in (*event.attributes, *(a for o in event.objects for a in o.attributes))]
        digests = {hashlib.md5(v.encode(), usedforsecurity=False).hexdigest() for v in values if isinstance(v, str)}
        assert digests & {line.split(",")[0] for line in lines if line.endswith(entry.uuid)}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ready.ask("export", "--to", TO, "--since", "36500d", "--format", "misp-feed", "--out", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def provider(ready: Party, tmp_path: Path) -> Path:
    """The tree of a provider."""
    folder = tmp_path / "csaf"
    ready.ask("export", "--to", TO, "--since", "36500d", "--format", "csaf", "--address", BASE, "--out", folder)
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_every_document_passes_the_checks_of_csaf_by_others(provider: Path) -> None:
    documents = list(provider.glob("green/*/*.json"))
    assert documents
    for path in documents:
        # CSAF 2.0 §6.1, the mandatory tests, as another program has them
        ran = subprocess.run(
            [sys.executable, "-m", "csaf", "validate", "--spec-version", "v20", "--no-network", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        about = read(path)["document"]
        assert about["distribution"]["tlp"]["label"] == "GREEN"
        assert path.name == f"{about['tracking']['id'].lower()}.json"  # CSAF 2.0 §5.1
        assert path.parent.name == about["tracking"]["initial_release_date"][:4]  # §7.1.11
        assert about["references"][0] == {
            "category": "self", "summary": "This document.", "url": f"{BASE}/{path.relative_to(provider)}",
        }  # fmt: skip
        assert "hugesoft[.]org" in json.dumps(about["notes"])
        assert "hugesoft.org" not in json.dumps(about["notes"])


def test_hashes_signatures_and_indexes_fit(provider: Path) -> None:
    metadata = read(provider / "provider-metadata.json")  # §7.1.7
    assert (metadata["role"], metadata["canonical_url"]) == ("csaf_trusted_provider", f"{BASE}/provider-metadata.json")
    key = Cert.from_bytes((provider / "openpgp/key.asc").read_bytes())  # §7.1.20
    assert metadata["public_openpgp_keys"] == [
        {"fingerprint": key.fingerprint.upper(), "url": f"{BASE}/openpgp/key.asc"}
    ]
    assert "PRIVATE" not in (provider / "openpgp/key.asc").read_text()
    names = (provider / "green/index.txt").read_text().splitlines()  # §7.1.12
    changes = [line.split(",")[0].strip('"') for line in (provider / "green/changes.csv").read_text().splitlines()]
    assert sorted(names) == sorted(changes)  # §7.1.13
    feed_of, open_to_all = metadata["distributions"][0]["rolie"]["feeds"]
    assert (feed_of["tlp_label"], open_to_all["tlp_label"]) == ("GREEN", "WHITE")
    assert read(provider / "white/csaf-feed-tlp-white.json")["feed"]["entry"] == []  # §7.1.15: one to follow from now
    rolie = read(provider / feed_of["url"].removeprefix(f"{BASE}/"))["feed"]  # §7.1.15
    linked = [link["href"] for entry in rolie["entry"] for link in entry["link"]]
    for name in names:
        path = provider / "green" / name
        data = path.read_bytes()
        for kind in ("sha256", "sha512"):  # §7.1.18
            said = Path(f"{path}.{kind}").read_text().split()
            assert said == [hashlib.new(kind, data).hexdigest(), path.name]
        signature = Sig.from_bytes(Path(f"{path}.asc").read_bytes())  # §7.1.19
        found = verify(bytes=data, store=lambda _: [key], signature=signature)
        assert [one.certificate for one in found.valid_sigs] == [key.fingerprint]
        with pytest.raises(Exception, match=r"(?i)sig|valid|verif"):
            verify(bytes=data + b" ", store=lambda _: [key], signature=signature)
        for suffix in ("", ".sha256", ".sha512", ".asc"):
            assert f"{BASE}/green/{name}{suffix}" in linked


def test_a_tree_replaces_a_tree_and_nothing_else(ready: Party, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    ready("export", "--to", TO, "--since", "36500d", "--format", "misp-feed", "--out", folder, code=75)
    assert (folder / "thesis.txt").read_text() == "years of work"
    ready("export", "--to", TO, "--format", "csaf", "--since", "36500d", "--out", tmp_path / "x", code=64)
    ready("export", "--to", TO, "--format", "csaf", "--since", "36500d", code=64)


def test_the_key_is_this_owners_alone(provider: Path, ready: Party) -> None:
    key = ready.home / "keys" / "openpgp.asc"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    ran = ready(
        "export", "--to", TO, "--since", "36500d", "--format", "csaf", "--address", BASE, "--out", provider, code=74
    )
    assert "chmod 600" in ran.err


# -- what was taken back ------------------------------------------------------------------


def bundle(path: Path, *objects: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
    return path


def sees(value: str) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_DNS, value)}",
        "created": "2026-11-20T08:00:00.000Z", "modified": "2026-11-20T08:00:00.000Z", "name": value,
        "pattern": f"[ipv4-addr:value = '{value}']", "pattern_type": "stix", "valid_from": "2026-11-20T08:00:00Z",
    }  # fmt: skip


def event_of(folder: Path) -> tuple[dict[str, Any], MISPEvent]:
    (entry,) = feed.read_feed((folder / "manifest.json").read_bytes())
    assert not isinstance(entry, Loss)
    data = read(folder / f"{entry.uuid}.json")
    event = MISPEvent()
    event.load(json.loads(json.dumps(data)))  # it takes what it loads to pieces
    assert entry.timestamp == int(data["Event"]["timestamp"])
    return data["Event"], event


def test_misp_is_told_what_was_taken_back_and_nothing_of_what_was_erased(alone: Party, tmp_path: Path) -> None:
    values = ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    alone(
        "ingest", bundle(tmp_path / "b.json", *map(sees, values)), "--source", "s", "--tlp", "GREEN", "--pap", "GREEN"
    )
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    folder = tmp_path / "feed"

    def export(code: int = 0) -> tuple[dict[str, Any], MISPEvent]:
        alone.ask("export", "--to", TO, "--format", "misp-feed", "--out", folder, code=code)
        return event_of(folder)

    first, _ = export()
    assert export()[0] == first  # nothing changed, nothing is fetched anew
    alone("retract", sees(values[0])["id"], "--reason", "wrong")
    alone("erase", sees(values[1])["id"], "--basis", "a request of the person concerned")
    second, event = export()
    assert int(second["timestamp"]) > int(first["timestamp"])
    assert {each.value: each.deleted for each in event.attributes} == {values[0]: True, values[2]: False}
    assert values[1] not in json.dumps(second)
    digests = (folder / "hashes.csv").read_text()
    assert hashlib.md5(values[2].encode(), usedforsecurity=False).hexdigest() in digests
    assert hashlib.md5(values[0].encode(), usedforsecurity=False).hexdigest() not in digests
    assert export()[0] == second
    alone("retract", sees(values[2])["id"], "--reason", "wrong")
    third, event = export(code=1)  # nothing goes but word of what was taken back
    assert third["info"] == feed.WITHDRAWN
    assert {each.value: each.deleted for each in event.attributes} == {values[0]: True, values[2]: True}
    assert export(code=1)[0] == third


# -- documents that came in ------------------------------------------------------------------


def original(path: Path, **more: Any) -> Path:
    tree = advisory()
    tree["document"] |= more
    path.write_text(json.dumps(tree, indent=3))
    return path


def documents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*/*.json")}


def offer(node: Party, folder: Path) -> dict[str, Any]:
    done: dict[str, Any] = node.ask("export", "--to", TO, "--format", "csaf", "--address", BASE, "--out", folder)
    return done


WHITE = {"distribution": {"tlp": {"label": "WHITE"}}, "acknowledgments": [{"names": ["Ada"]}]}


def test_a_document_goes_out_as_it_came(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    came = original(tmp_path / "arc.json", **WHITE)
    alone("ingest", came, "--source", "arcadia", "--tlp", "CLEAR")
    folder = tmp_path / "csaf"
    offer(alone, folder)
    assert documents(folder) == {"white/2026/arc-2026-001.json": came.read_bytes()}
    rolie = read(folder / "white/csaf-feed-tlp-white.json")["feed"]
    assert [entry["id"] for entry in rolie["entry"]] == ["ARC-2026-001"]
    (folder / "white/2026/arc-2026-001.json.asc").read_text().index("BEGIN PGP SIGNATURE")


def test_a_document_of_which_a_part_may_not_go_stays(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    alone("ingest", original(tmp_path / "arc.json", **WHITE), "--source", "arcadia", "--tlp", "CLEAR")
    shown = alone.ask("lookup", "CVE-2026-1234")
    ident = shown["answers"][0]["found"][0]["id"]
    folder = tmp_path / "csaf"
    offer(alone, folder)
    alone("narrow", ident, "--tlp", "AMBER", "--reason", "not yet")
    done = offer(alone, folder)
    assert done["left"]["a CSAF document that may not go as it came"] == 1
    found = documents(folder)
    assert all(path.startswith("amber/") for path in found)  # ours, under the label that it needs now
    assert all(json.loads(data)["document"]["tracking"]["id"].startswith("COMITY-") for data in found.values())
    assert not any("Ada" in data.decode() for data in found.values())


def test_who_is_thanked_goes_only_to_everybody(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    green = {**WHITE, "distribution": {"tlp": {"label": "GREEN"}}}
    alone("ingest", original(tmp_path / "arc.json", **green), "--source", "arcadia", "--tlp", "GREEN")
    folder = tmp_path / "csaf"
    offer(alone, folder)
    assert documents(folder)
    assert not any("Ada" in data.decode() for data in documents(folder).values())


def test_no_label_is_looser_than_its_authors(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER+STRICT", "--client")
    known = {
        "type": "vulnerability", "spec_version": "2.1", "id": "vulnerability--84e4d88f-44ea-4bcd-bbf3-b2c1c320bcb3",
        "created": "2026-11-20T08:00:00.000Z", "modified": "2026-11-21T08:00:00.000Z", "name": "CVE-2026-11111",
        "description": "In no report; see http://a.evil.example/x.",
    }  # fmt: skip
    alone("ingest", bundle(tmp_path / "b.json", known), "--source", "s", "--tlp", "AMBER")
    folder = tmp_path / "csaf"
    offer(alone, folder)
    ((path, data),) = documents(folder).items()
    assert path == "amber/2026/comity-84e4d88f-44ea-4bcd-bbf3-b2c1c320bcb3.json"
    assert json.loads(data)["vulnerabilities"][0]["cve"] == "CVE-2026-11111"
    assert write.label(Tlp.AMBER_STRICT) == "RED"


def test_a_document_is_not_let_go_by_what_others_say_under_its_ids(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    came = original(tmp_path / "arc.json", **WHITE)
    alone("ingest", came, "--source", "arcadia", "--tlp", "RED")  # told to us alone, whatever its file says
    made = [
        json.loads(one.data) for one in csaf.read([came.read_bytes()], Context("arcadia", 0)) if isinstance(one, Made)
    ]
    # The ids follow from the publisher and the tracking id: anybody can say anything under them.
    alone(
        "ingest", bundle(tmp_path / "b.json", *(one | {"name": "x"} for one in made)), "--source", "s", "--tlp", "CLEAR"
    )
    folder = tmp_path / "csaf"
    assert offer(alone, folder)["left"]["a CSAF document that may not go as it came"] == 1
    assert came.read_bytes() not in documents(folder).values()
    assert not any("Ada" in data.decode() for data in documents(folder).values())


def test_an_older_version_is_not_let_go_by_a_newer_one(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    alone("ingest", original(tmp_path / "old.json", **WHITE), "--source", "arcadia", "--tlp", "RED")
    newer = {**WHITE, "title": "Another title", "csaf_version": "2.1"}  # which the tree has no place for
    alone("ingest", original(tmp_path / "new.json", **newer), "--source", "arcadia", "--tlp", "CLEAR")
    offer(alone, tmp_path / "csaf")
    assert (tmp_path / "old.json").read_bytes() not in documents(tmp_path / "csaf").values()


def test_a_document_is_not_let_go_by_its_sources_laxer_marking(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "GREEN", "--client")
    amber = {**WHITE, "distribution": {"tlp": {"label": "AMBER"}}}
    alone("ingest", original(tmp_path / "arc.json", **amber), "--source", "arcadia", "--tlp", "CLEAR")
    alone("export", "--to", TO, "--format", "csaf", "--address", BASE, "--out", tmp_path / "c")
    assert not documents(tmp_path / "c")


def test_a_name_that_no_file_can_have_stops_no_other_document(alone: Party, tmp_path: Path) -> None:
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    tree = advisory()
    tree["document"] |= {**WHITE, "tracking": {**tree["document"]["tracking"], "id": "A-" * 200}}
    (tmp_path / "long.json").write_text(json.dumps(tree))
    alone("ingest", tmp_path / "long.json", "--source", "borealia", "--tlp", "CLEAR")
    alone("ingest", original(tmp_path / "arc.json", **WHITE), "--source", "arcadia", "--tlp", "CLEAR")
    done = offer(alone, tmp_path / "csaf")
    assert done["left"]["a CSAF document that may not go as it came"] == 1
    assert "white/2026/arc-2026-001.json" in documents(tmp_path / "csaf")


def test_a_year_has_four_digits() -> None:
    assert write.moment(-62_135_596_800) == "0001-01-01T00:00:00Z"
    assert write.moment(1_790_000_000) == "2026-09-21T14:13:20Z"


def test_the_doctor_tells_in_time_that_the_key_expires(alone: Party) -> None:
    day = 86_400
    path = alone.home / "keys" / "openpgp.asc"

    def said(code: int = 0) -> list[tuple[bool, str]]:
        return [(one["grave"], one["what"]) for one in alone.ask("doctor", code=code)["ailments"]]

    assert said() == []
    assert not path.exists()
    for days, found in ((200, []), (30, [(False, "the OpenPGP key that signs advisories expires in 29 days")])):
        path.write_text(str(Tsk.generate("CERT Arcadia", validity_seconds=days * day)))
        path.chmod(0o600)
        assert said() == found
    path.chmod(0o644)
    ((grave, what),) = said(code=1)
    assert grave and "can be read by others" in what
