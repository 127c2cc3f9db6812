"""Exports that are folders: a MISP feed and a CSAF provider, checked by those who read them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent
from pysequoia import Cert, Sig, verify

from comity.formats.convert import Loss
from comity.formats.misp import feed
from tests.cli.conftest import Party

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
    (feed_of,) = metadata["distributions"][0]["rolie"]["feeds"]
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
