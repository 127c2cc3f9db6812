"""Three parties on three served nodes over loopback TLS: sharing, explaining, retracting, restoring, amending."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from comity.errors import NotFound, Refused, Unreachable
from tests.cli.conftest import Party, accord, acquaint, comity, found, until

DOMAIN = "hugesoft.org"
INDICATOR = "indicator--3f3ff9f1-bb4e-4392-89e5-1991179042ba"


def known(party: Party, value: str = DOMAIN) -> bool:
    return bool(json.loads(_lookup(party, value))["known"])


def _lookup(party: Party, value: str) -> str:
    return comity("--home", party.home, "lookup", value, "--json").out


def words(party: Party, name: str) -> dict[str, str]:
    return {answer["party"]: answer["answer"] for answer in party.ask("compliance", name)["answers"]}


def test_a_report_is_shared_received_explained_retracted_and_complied_with(three: list[Party], report: Path) -> None:
    arcadia, borealia, cascadia = three
    for party in three:
        party.serve()
    assert arcadia.ask("accord", "show", "three-shores")["phase"] == "active"
    arcadia("ingest", report, "--source", "APT1", "--tlp", "GREEN", "--pap", "GREEN")
    planned = arcadia.ask("share", "--accord", "three-shores", "--source", "APT1", "--dry-run")
    assert (planned["chosen"], planned["withheld"], planned["stated"]) == (76, 0, 0)
    assert not known(borealia)
    assert arcadia.ask("share", "--accord", "three-shores", "--source", "APT1")["stated"] == 76
    assert arcadia.ask("share", "--accord", "three-shores", "--source", "APT1")["known"] == 76
    for party in (borealia, cascadia):
        until(lambda p=party: known(p), f"{party.name} has the report")
    (item,) = borealia.ask("lookup", DOMAIN)["answers"][0]["found"]
    assert item["witnesses"][0]["party"] == arcadia.name
    assert item["witnesses"][0]["source"] == ""  # whence Arcadia has it is Arcadia's business

    explained = borealia.ask("explain", INDICATOR, "--to", "cert.cascadia.example/csirt")["decisions"]
    assert [one["decision"]["outcome"] for one in explained] == ["release"]
    assert all(finding["because"] for finding in explained[0]["decision"]["findings"])
    assert borealia("retract", INDICATOR, "--reason", "not ours", code=Refused.exit_code)

    arcadia("retract", INDICATOR, "--reason", "a false positive")
    everybody = {borealia.name: "complied", cascadia.name: "complied"}
    until(lambda: words(arcadia, INDICATOR) == everybody, "everybody has complied")
    assert borealia.ask("lookup", DOMAIN)["answers"][0]["found"][0]["witnesses"][0]["retracted"]
    assert "RETRACTED" in borealia("lookup", DOMAIN).out
    acts = arcadia.ask("compliance", "--waiting")
    assert (acts["total"], acts["waiting"], acts["acts"]) == (1, 0, [])
    (act,) = arcadia.ask("compliance")["acts"]
    assert (act["act"], act["statements"], act["members"]) == ("retract", 1, everybody)
    mended = json.loads(arcadia.ask("show", INDICATOR)["versions"][0]["text"])
    (arcadia.home / "mended.json").write_text(json.dumps(mended | {"modified": "2026-11-22T00:00:00.000Z"}))
    done = arcadia.ask("correct", INDICATOR, "--with", arcadia.home / "mended.json", "--reason", "the date was wrong")
    assert done["stated"] == ["three-shores"]
    until(lambda: arcadia.ask("compliance", "--waiting")["waiting"] == 0, "everybody has the correction")
    assert "corrected by" in borealia("lookup", DOMAIN).out

    cosigners = {one["cosigner"] for one in arcadia.ask("receipts")["receipts"]}
    assert cosigners == {borealia.name, cascadia.name}
    for party in three:
        assert party.ask("log", "verify")["wrong"] == 0
        found_ = json.loads(comity("--home", party.home, "doctor", "--deep", "--json").out)
        assert found_["serving"]
        assert not [one for one in found_["ailments"] if one["grave"]]
    for party in three:
        assert party.stop() == 0


def test_the_answers_of_a_served_node_are_those_of_the_command_line_alone(
    alone: Party, report: Path, tmp_path: Path
) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    questions = [
        ["lookup", DOMAIN, "8.8.8.8"],
        ["show", INDICATOR],
        ["explain", DOMAIN, "--to", "cert.arcadia.example/csirt"],
        ["party", "list"],
        ["sources"],
        ["log", "show"],
        ["log", "verify"],
        ["receipts"],
        ["accord", "list"],
    ]
    before = [alone.ask(*question) for question in questions]
    texts = [alone(*question).out for question in questions]
    refused = alone("accord", "show", "nothing", code=66).err
    alone.serve()
    assert [alone.ask(*question) for question in questions] == before
    assert [alone(*question).out for question in questions] == texts
    assert alone("accord", "show", "nothing", code=66).err == refused
    assert alone.ask("ingest", report, "--source", "again")["kept"] == 76
    out = tmp_path / "export.json"
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER")
    assert alone.ask("export", "--to", "cert.arcadia.example/csirt~grid", "--type", "indicator", "--out", out)[
        "objects"
    ]
    assert len(json.loads(out.read_text())["objects"]) == 12  # what the second source brought has no marking
    assert alone.stop() == 0
    assert not (alone.home / "run" / "local.sock").exists()
    assert alone.ask("log", "verify")["wrong"] == 0


def test_a_restored_backup_asks_its_peers_and_goes_on_in_a_new_generation(three: list[Party], tmp_path: Path) -> None:
    arcadia, borealia, _ = three
    borealia.serve()
    arcadia("sync")
    for name in ("node.db", "node.db-wal"):
        if (arcadia.home / name).exists():
            shutil.copy(arcadia.home / name, tmp_path / name)
    arcadia("sighting", "198.51.100.7", "--accord", "three-shores", "--tlp", "GREEN")
    arcadia.serve()
    until(lambda: any(one["size"] > 2 for one in arcadia.ask("receipts")["receipts"]), "Borealia has witnessed it")
    arcadia.stop()

    (arcadia.home / "node.db").unlink()
    for name in ("node.db-wal", "node.db-shm"):
        (arcadia.home / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "node.db", arcadia.home / "node.db")
    refused = arcadia("sighting", "198.51.100.8", code=74).err
    assert "cert.borealia.example holds" in refused
    assert "log renew" in refused
    assert arcadia.ask("doctor", code=1)["signs"] is False
    renewed = arcadia.ask("log", "renew", "--reason", "restored from a backup")
    assert "cert.arcadia.example/accord/three-shores/2" in renewed["origins"]
    assert renewed["signs"] is True
    arcadia("sighting", "198.51.100.8", "--accord", "three-shores", "--tlp", "GREEN")
    arcadia.serve()
    until(lambda: known(borealia, "198.51.100.8") or bool(_sightings(borealia, "198.51.100.8")), "Borealia follows")
    assert not [one for one in borealia.ask("doctor")["ailments"] if one["grave"]]


def _sightings(party: Party, value: str) -> list[object]:
    found_: list[object] = json.loads(_lookup(party, value))["answers"][0]["sightings"]
    return found_


def test_an_accord_goes_round_by_the_nodes_own_api_and_is_amended_by_ballot(tmp_path: Path) -> None:
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    arcadia, borealia = parties
    acquaint(parties, tmp_path)
    try:
        for party in parties:
            party.serve()
        text = tmp_path / "shores.toml"
        arcadia("accord", "draft", "--template", "bilateral", "--id", "shores", "--with", borealia.name, "--out", text)
        review = arcadia("accord", "review", text).out
        assert "VII. Emergency response" in review
        assert "not legally binding" in review
        arcadia("accord", "sign", text)
        until(lambda: borealia.ask("accord", "list")["accords"], "Borealia has the text")
        borealia("accord", "sign", "shores")
        until(lambda: arcadia.ask("accord", "show", "shores")["phase"] == "active", "both have signed")

        following = tmp_path / "next.toml"
        arcadia("accord", "draft", "--amends", "shores", "--out", following)
        following.write_text(following.read_text().replace('flash-acknowledge = "1h"', 'flash-acknowledge = "30m"'))
        assert '+flash-acknowledge = "30m"' in arcadia("accord", "review", following).out
        arcadia("accord", "amend", following)
        until(lambda: borealia.ask("accord", "show", "shores")["proposed"], "Borealia has the amendment")
        assert '+flash-acknowledge = "30m"' in borealia("accord", "review", "shores").out
        assert borealia.ask("accord", "show", "shores")["version"] == 1
        borealia("accord", "ballot", "shores", "yes")
        assert borealia.ask("accord", "show", "shores")["version"] == 2
        until(lambda: arcadia.ask("accord", "show", "shores")["version"] == 2, "the ballot has arrived")

        borealia("accord", "suspend", "shores", "--reason", "maintenance")
        borealia("share", "--accord", "shores", "--value", "198.51.100.7", code=1)
        borealia("accord", "resume", "shores")
        borealia("accord", "leave", "shores")
        assert borealia("accord", "resume", "shores", code=Refused.exit_code)
    finally:
        for party in parties:
            party.end()


def test_what_is_not_to_go_on_does_not_and_what_is_erased_is_answered_for(
    three: list[Party], report: Path, tmp_path: Path
) -> None:
    arcadia, borealia, cascadia = three
    accord([borealia, cascadia], tmp_path, "two-shores")
    for party in three:
        party.serve()
    arcadia("ingest", report, "--source", "APT1", "--tlp", "AMBER+STRICT")
    arcadia("share", "--accord", "three-shores", "--to", "cert.borealia.example/csirt", INDICATOR)
    until(lambda: known(borealia), "Borealia has it")
    withheld = borealia.ask("share", "--accord", "two-shores", INDICATOR, code=1)
    assert withheld["withheld"] == 1
    assert any("onward" in ground or "recipients" in ground for ground in withheld["grounds"])
    assert not known(cascadia)
    erased = arcadia.ask("erase", INDICATOR, "--basis", "GDPR art. 17")["answers"][0]["statement"]
    until(lambda: not known(borealia), "Borealia has erased it")
    everybody = {borealia.name: "complied", cascadia.name: "complied"}
    until(lambda: words(arcadia, erased) == everybody, "both answer that it is gone")
    assert arcadia("show", erased, code=NotFound.exit_code)
    assert arcadia.ask("log", "verify")["wrong"] == 0


def test_a_silent_peer_stops_nobody_and_is_seen(three: list[Party]) -> None:
    arcadia, borealia, cascadia = three
    cascadia.serve()
    pulls = {one["party"]: one for one in arcadia.ask("sync")["pulls"]}
    assert "network" in pulls[borealia.name]["error"]
    assert not pulls[cascadia.name]["error"]
    assert "cert.borealia.example: the network" in arcadia("doctor").out
    assert arcadia("sync", borealia.name, code=Unreachable.exit_code)
