"""Personal accounts are sealed on ingest: nobody meets them, no accord gets them, and reading one is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comity import canon
from comity.boot.compose import opened
from tests.cli.conftest import Party

TAIL = "11111111-2222-4333-8444-555555555555"
NAME = "jane.roe.1987"
COMMON = {"spec_version": "2.1", "created": "2026-11-01T00:00:00.000Z", "modified": "2026-11-01T00:00:00.000Z"}
ACCOUNT: dict[str, Any] = {
    "type": "user-account", "spec_version": "2.1", "id": f"user-account--{TAIL}", "account_login": NAME,
}  # fmt: skip
PATTERN: dict[str, Any] = {
    **COMMON, "type": "indicator", "id": f"indicator--{TAIL}", "pattern": f"[user-account:account_login = '{NAME}']",
    "pattern_type": "stix", "valid_from": "2026-11-01T00:00:00Z",
}  # fmt: skip
OBSERVED: dict[str, Any] = {
    **COMMON, "type": "observed-data", "id": f"observed-data--{TAIL}", "first_observed": "2026-11-01T00:00:00Z",
    "last_observed": "2026-11-01T00:00:00Z", "number_observed": 1,
    "objects": {"0": ACCOUNT},
}  # fmt: skip


@pytest.fixture
def sealed(alone: Party, tmp_path: Path) -> Party:
    """A node that took in a host and three things that are about a person's account."""
    host = {"type": "domain-name", "spec_version": "2.1", "id": f"domain-name--{TAIL}", "value": "c2.example"}
    escaped = json.dumps(ACCOUNT | {"id": ACCOUNT["id"].replace("1", "2")}).replace(
        "user-account", "user\\u002daccount"
    )
    objects = [json.dumps(one) for one in (host, ACCOUNT, PATTERN, OBSERVED)] + [escaped]
    (tmp_path / "in.json").write_text("\n".join(objects))
    done = alone.ask(
        "ingest", tmp_path / "in.json", "--source", "feed", "--tlp", "CLEAR", "--pap", "CLEAR", "--format", "stix"
    )
    assert done["kept"] == 1
    return alone


def test_nobody_meets_a_sealed_account(sealed: Party, tmp_path: Path) -> None:
    sealed("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    for arguments, code in (
        (("lookup", NAME), 1), (("show", ACCOUNT["id"]), 66), (("show", PATTERN["id"]), 66), (("search", NAME), 1),
        (("graph", ACCOUNT["id"]), 66), (("correlate", "--source", "feed"), 1),
        (("attachment", "list", ACCOUNT["id"]), 1),
    ):  # fmt: skip
        ran = sealed(*arguments, code=code)
        assert NAME not in ran.out.replace(" ".join(arguments), "").replace(f"{NAME}:", "").replace(
            f"as file-name {NAME}", ""
        )
    for form in ("stix", "misp", "txt", "csv"):
        out = tmp_path / form
        sealed("export", "--to", "cert.arcadia.example/csirt~grid", "--source", "feed", "--format", form, "--out", out)
        assert NAME not in out.read_text()
    for one in sealed.ask("evidence", "list")["evidence"]:
        assert sealed("show", one["statement"], code=66).err
        assert sealed("explain", one["statement"], "--to", "cert.arcadia.example/csirt~grid", code=66).err
        assert NAME not in json.dumps(one)


SENDER = "[email-addr:display_name = 'Jane Roe']"


@pytest.mark.parametrize("pattern", [SENDER, PATTERN["pattern"]])
def test_an_original_with_what_is_sealed_has_a_reason_on_record(alone: Party, tmp_path: Path, pattern: str) -> None:
    old = {"type": "indicator", "id": PATTERN["id"], "created": COMMON["created"], "modified": COMMON["modified"]}
    old |= {"labels": ["malicious-activity"], "pattern": pattern, "valid_from": COMMON["created"]}
    bundle = {"type": "bundle", "id": f"bundle--{TAIL}", "spec_version": "2.0", "objects": [old]}
    given, back = tmp_path / "in.json", tmp_path / "back"
    given.write_text(json.dumps(bundle))
    alone("ingest", given, "--source", "feed", "--tlp", "CLEAR", code=65)
    assert len(alone.ask("evidence", "list")["evidence"]) == 1
    (one,) = alone.ask("imports")["imports"]
    assert "reading it has a reason" in alone("imports", "--original", one["digest"], "--to", back, code=64).err
    assert not back.exists()
    alone("imports", "--original", one["digest"], "--to", back, "--reason", "request 2026-18")
    assert back.read_bytes() == given.read_bytes()
    with opened(alone.home) as machine, machine.services.node.store.read() as unit:
        log = next(log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None)
        (entry,) = unit.entries.read(log.id, log.size - 1, log.size)
    assert b"request 2026-18" in (entry.body or b"") and one["digest"].encode() in (entry.body or b"")


def test_nothing_is_dropped_and_nothing_kept_twice(sealed: Party, tmp_path: Path) -> None:
    found = sealed.ask("evidence", "list")["evidence"]
    assert len(found) == 4
    again = sealed.ask("ingest", tmp_path / "in.json", "--source", "feed", "--format", "stix", "--dry-run")
    assert "sealed" in json.dumps(again)
    sealed("ingest", tmp_path / "in.json", "--source", "feed", "--format", "stix")
    assert sealed.ask("evidence", "list")["evidence"] == found


def test_reading_one_is_on_record_with_its_reason(sealed: Party) -> None:
    (one, *_) = sealed.ask("evidence", "list")["evidence"]
    assert sealed("evidence", "read", one["statement"], "--reason", " ", code=64).err
    got = sealed.ask("evidence", "read", one["statement"], "--reason", "request 2026-17")
    assert NAME in got["text"]
    with opened(sealed.home) as machine, machine.services.node.store.read() as unit:
        log = next(log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None)
        (entry,) = unit.entries.read(log.id, log.size - 1, log.size)
        header = machine.services.node.header(entry.header or b"")
    assert header.kind == "home.access"
    assert b"request 2026-17" in (entry.body or b"")
    sealed("evidence", "erase", one["statement"], "--basis", "GDPR art. 17")
    assert one not in sealed.ask("evidence", "list")["evidence"]
    assert sealed("evidence", "read", one["statement"], "--reason", "again", code=66).err
