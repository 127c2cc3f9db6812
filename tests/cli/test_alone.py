"""One node on its own: made, filled, asked, proven, rebuilt."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comity.errors import Conflict, Malformed, Misuse, NotFound, Refused, Unverified
from tests.cli.conftest import Party, comity, found, spawned

DOMAIN = "hugesoft.org"
INDICATOR = "indicator--3f3ff9f1-bb4e-4392-89e5-1991179042ba"


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_init_asks_nothing_and_keeps_keys_from_others(alone: Party) -> None:
    assert stat.S_IMODE((alone.home / "keys").stat().st_mode) == 0o700
    assert modes(alone.home / "keys") == {0o600}
    keys = {path.stem for path in (alone.home / "keys").iterdir()}
    assert keys == {"root", "next-root", "log", "witness", "request", "office-csirt", "office-police"}
    assert stat.S_IMODE(alone.home.stat().st_mode) == 0o700


def test_a_card_carries_the_words_that_init_showed(tmp_path: Path) -> None:
    made = comity(
        "--home", tmp_path / "n", "init", "cert.arcadia.example", "--name", "CERT", "--jurisdiction", "XA",
        "--office", "csirt", "--json",
    ).json  # fmt: skip
    assert len(made["words"].split()) == 12
    assert comity("--home", tmp_path / "n", "party", "card", "--json").json["words"] == made["words"]


def test_init_touches_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    ran = comity(
        "--home", tmp_path, "init", "cert.arcadia.example", "--name", "A", "--jurisdiction", "XA", "--office", "a"
    )
    assert ran.code == Conflict.exit_code
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--office", "csirt:navy:Fleet"], "not a kind of office"),
        (["--office", "csirt", "--time-zone", "Arcadia/Nowhere"], "no time zone"),
        (["--office", "csirt", "--listen", "127.0.0.1:1"], "tells its peers where"),
        (["--office", "csirt", "--address", "http://192.0.2.1", "--listen", "192.0.2.1:1"], "loopback"),
        ([], "--office is missing"),
    ],
)
def test_what_cannot_be_a_node_is_said_before_anything_is_made(tmp_path: Path, arguments: list[str], says: str) -> None:
    home = tmp_path / "n"
    ran = spawned(
        "--home", home, "init", "cert.arcadia.example", "--name", "A", "--jurisdiction", "XA", *arguments, input=""
    )
    assert ran.returncode in {Misuse.exit_code, Malformed.exit_code}
    assert says in ran.stderr
    assert not home.exists()


def test_a_setting_that_is_none_stops_the_node_and_is_named(alone: Party) -> None:
    with (alone.home / "settings.toml").open("a") as file:
        file.write("\nverbosity = 3\n")
    ran = alone("party", "list", code=Misuse.exit_code)
    assert "verbosity" in ran.err


def test_a_key_that_others_can_read_is_not_used(alone: Party) -> None:
    (alone.home / "keys" / "log.key").chmod(0o644)
    ran = alone("sighting", "198.51.100.7", code=74)
    assert "chmod 600" in ran.err


def test_a_report_comes_in_and_is_found_defanged(alone: Party, report: Path) -> None:
    done = alone.ask("ingest", report, "--source", "APT1", "--tlp", "GREEN", "--pap", "GREEN")
    assert (done["kept"], done["refused"]) == (76, 0)
    assert done["by"].endswith("for cert.arcadia.example/csirt")
    assert alone.ask("ingest", report, "--source", "APT1")["known"] == 76
    (answer,) = alone.ask("lookup", "hugesoft[.]org")["answers"]
    (item,) = answer["found"]
    assert item["id"] == INDICATOR
    assert item["current"]
    assert item["witnesses"][0]["marking"] == "TLP:GREEN PAP:GREEN"
    assert item["witnesses"][0]["source"] == "APT1"
    assert alone.ask("lookup", "nothing.example", code=1)["known"] == 0
    assert alone.ask("lookup", INDICATOR)["known"] == 1


def test_standard_input_and_directories_are_read_like_files(alone: Party, report: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "2026"
    folder.mkdir(parents=True)
    (folder / "a.json").write_bytes(report.read_bytes())
    (folder / "readme.txt").write_text("not STIX")
    assert alone.ask("ingest", folder.parent, "--source", "folder")["kept"] == 76
    ran = spawned("--home", alone.home, "ingest", "-", "--source", "pipe", "--json", input=report.read_text())
    assert json.loads(ran.stdout)["kept"] == 76
    assert len(alone.ask("lookup", DOMAIN)["answers"][0]["found"][0]["witnesses"]) == 2


def test_broken_objects_are_named_and_stop_nothing(alone: Party, report: Path, tmp_path: Path) -> None:
    bundle = json.loads(report.read_text())
    bundle["objects"][3]["modified"] = "2001-01-01T00:00:00.000Z"
    bundle["objects"][5] = {"type": "indicator", "id": "indicator--x"}
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(bundle))
    done = alone.ask("ingest", broken, "--source", "b", "--report", tmp_path / "report.json")
    assert (done["kept"], done["refused"]) == (74, 2)
    written = json.loads((tmp_path / "report.json").read_text())
    assert [lost["outcome"] for lost in written["losses"]] == ["refused", "refused"]
    assert written["losses"][1]["where"].endswith("indicator--x")
    assert written["summary"]["kept"] == 74
    nothing = tmp_path / "nothing.json"
    nothing.write_text("this is no STIX at all")
    assert alone("ingest", nothing, "--source", "b", code=Malformed.exit_code)


def test_a_dry_run_tells_the_same_and_writes_nothing(alone: Party, report: Path) -> None:
    would = alone.ask("ingest", report, "--source", "APT1", "--tlp", "GREEN", "--dry-run")
    assert (would["dry"], would["kept"], would["unmarked"]) == (True, 76, 0)
    assert alone.ask("sources")["sources"] == []
    assert alone.ask("lookup", DOMAIN, code=1)["known"] == 0
    assert alone.ask("ingest", report, "--source", "APT1", "--tlp", "GREEN")["kept"] == 76
    assert alone.ask("ingest", report, "--source", "APT1", "--dry-run")["known"] == 76


def test_a_table_is_read_by_a_guess_that_is_shown_and_kept(alone: Party, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("ip,comment\n198.51.100.1,scanner\n198.51.100.2,scanner\n")
    first = alone.ask("ingest", table, "--source", "list", "--tlp", "GREEN")
    assert (first["forms"], first["kept"]) == ({"table": 1}, 2)
    assert any("ipv4" in line for line in first["mapping"])
    again = alone.ask("ingest", table, "--source", "list")
    assert (again["known"], again["mapping"]) == (2, ["read by the mapping that is kept for this source"])
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('delimiter = ","\nheader = true\n[[columns]]\nat = 1\nrole = "value"\nkind = "ipv4"\n')
    assert alone.ask("ingest", table, "--source", "list", "--mapping", mapping)["read"] == 2
    (imported,) = alone.ask("imports", "--source", "list")["imports"]
    copy = tmp_path / "copy"
    alone("imports", "--original", imported["digest"][:12], "--to", copy)
    assert copy.read_bytes() == table.read_bytes()


def test_sensors_get_their_own_formats(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR", "--pap", "CLEAR")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    to = "cert.arcadia.example/csirt~grid"
    for form, says in (
        ("suricata", "hugesoft.org"),
        ("rpz", "hugesoft.org"),
        ("csv", "hugesoft.org"),
        ("misp", '"Event"'),
    ):
        out = tmp_path / form
        done = alone.ask("export", "--to", to, "--type", "indicator", "--format", form, "--faded", "--out", out)
        assert done["objects"] > 0
        assert says in out.read_text()
    assert (
        alone.ask("export", "--to", to, "--type", "indicator", "--format", "csv", "--out", out)["purpose"] == "sensor"
    )
    # The report is of 2013: nothing of it is worth acting on by itself any more.
    aged = alone.ask("export", "--to", to, "--type", "indicator", "--format", "rpz", "--out", out)
    assert (aged["values"], aged["left"]["faded"] > 0) == (0, True)
    assert "suricata" in alone("export", "--to", to, "--format", "help").err
    assert alone("export", "--to", to, "--type", "indicator", "--format", "nothing", code=64).err


def test_words_are_found_in_one_node(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN")
    found = alone.ask("search", "webc2*", "--limit", "3")
    assert len(found["hits"]) == 3
    assert found["more"]
    assert alone.ask("search", "nothing-of-the-kind", code=1)["hits"] == []


def test_standard_input_of_any_length_is_answered_line_by_line(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "GREEN", "--pap", "GREEN")
    hostile = "a\tb\x1b[31m"
    asked = ["hugesoft[.]org", "198.51.100.7", "# a comment", "", hostile, "x" * 70_000, DOMAIN]
    ran = spawned("--home", alone.home, "lookup", "-", "--json", input="\n".join(asked))
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["state"] for line in lines] == ["faded", "unknown", "unknown", "unread", "faded"]
    assert (lines[0]["kind"], lines[0]["value"], lines[0]["source"]) == ("domain", "hugesoft.org", "APT1")
    assert lines[0]["marking"] == "TLP:GREEN PAP:GREEN"
    assert lines[2]["asked"] == hostile
    table = spawned("--home", alone.home, "lookup", "-", input="\n".join(asked)).stdout.splitlines()
    assert {row.count("\t") for row in table} == {11}
    assert "\x1b" not in "".join(table)
    nothing = spawned("--home", alone.home, "lookup", "-", input="198.51.100.7\n")
    assert nothing.returncode == 1
    assert nothing.stdout.startswith("198.51.100.7\tunknown\tipv4\t")


def test_unmarked_objects_stay_at_home_and_are_counted(alone: Party, report: Path) -> None:
    done = alone.ask("ingest", report, "--source", "feed")
    assert done["unmarked"] == 76
    assert done["marking"] == "unmarked"
    findings = alone.ask("explain", DOMAIN, "--to", "cert.arcadia.example/police")["decisions"]
    assert {one["decision"]["outcome"] for one in findings} == {"withholding"}


def test_an_office_does_not_see_what_is_anothers(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "AMBER+STRICT")
    assert alone.ask("lookup", DOMAIN)["known"] == 1
    assert alone.ask("lookup", DOMAIN, "--as", "police", code=1)["known"] == 0
    assert alone("show", INDICATOR, "--as", "police", code=NotFound.exit_code)
    assert alone.ask("sources", "--as", "police")["sources"] == []
    assert "no office" in alone("lookup", DOMAIN, "--as", "navy", code=Misuse.exit_code).err


def test_the_producers_own_bytes_come_back(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    raw = alone("show", INDICATOR, "--raw").out
    assert raw in report.read_text()
    assert json.loads(raw)["id"] == INDICATOR


def test_a_sighting_is_answered_with_the_value(alone: Party) -> None:
    alone("sighting", "198.51.100.7", "--count", "3", "--note", "at the border")
    alone("sighting", "198.51.100.7", "--count", "0", "--seen", "2026-01-02")
    (answer,) = alone.ask("lookup", "198.51.100[.]7")["answers"]
    assert sorted(seen["count"] for seen in answer["sightings"]) == [0, 3]
    assert "at the border" in {seen["note"] for seen in answer["sightings"]}


def test_an_export_is_decided_and_on_record(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "AMBER")  # PAP:RED: not for sensors
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    audience = "cert.arcadia.example/csirt~grid"
    out = tmp_path / "out.json"
    done = alone.ask("export", "--to", audience, "--type", "indicator", "--out", out)
    assert done["objects"] == 12
    objects = json.loads(out.read_text())["objects"]
    assert {one["type"] for one in objects} == {"indicator"}
    before = alone.ask("log", "show")["logs"][0]["size"]
    refused = alone("export", "--to", audience, "--type", "indicator", "--format", "txt", code=1)
    assert "pap" in refused.err
    assert refused.out == ""
    assert alone.ask("log", "show")["logs"][0]["size"] > before


def test_a_proof_file_holds_where_no_node_is_and_a_changed_one_does_not(
    alone: Party, report: Path, tmp_path: Path
) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    proof = tmp_path / "proof.json"
    alone("log", "prove", INDICATOR, "--out", proof)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = spawned("log", "check", proof, "--json", cwd=elsewhere)
    assert ran.returncode == 0, ran.stderr
    checked = json.loads(ran.stdout)
    assert checked["words"] == alone.ask("party", "card")["words"]
    assert json.loads(checked["body"])["id"] == INDICATOR
    assert list(elsewhere.iterdir()) == []
    document = json.loads(proof.read_text())
    document["payload"] = document["payload"][:-8] + "AAAA" + document["payload"][-4:]
    proof.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False))
    assert spawned("log", "check", proof).returncode == Unverified.exit_code


def test_the_whole_node_is_verified_offline(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    found = alone.ask("log", "verify")
    assert found["wrong"] == 0
    assert found["entries"] >= 77


def test_a_rebuild_gives_the_same_answers(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    alone("sighting", DOMAIN)
    before = alone.ask("lookup", DOMAIN, "arrowservice.net")
    assert alone.ask("rebuild")["entries"] >= 78
    assert alone.ask("lookup", DOMAIN, "arrowservice.net") == before


def test_a_copied_store_does_not_sign_before_somebody_vouches(alone: Party, report: Path) -> None:
    database = alone.home / "node.db"
    old = database.read_bytes()
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    database.unlink()
    database.write_bytes(old)  # what restoring a backup does
    assert alone.ask("doctor", code=1)["signs"] is False
    assert alone("sighting", DOMAIN, code=74).err.count("reads but does not sign") == 1
    assert alone("lookup", "198.51.100.7", code=1)
    alone("sync", "--alone")
    assert alone.ask("doctor")["signs"] is True
    alone("sighting", DOMAIN)
    assert alone.ask("log", "verify")["wrong"] == 0


def test_keys_are_replaced_and_everything_still_verifies(alone: Party, report: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR")
    words = alone.ask("party", "card")["words"]
    for serial, key in enumerate(("log", "witness", "request"), 2):
        assert alone.ask("party", "rotate", "--key", key)["serial"] == serial
        assert alone.ask("log", "verify")["wrong"] == 0
    assert alone.ask("party", "card")["words"] == words
    alone("party", "rotate", "--key", "root")
    assert alone.ask("party", "card")["words"] != words
    done = alone.ask("party", "rotate", "--key", "log", "--stolen")
    assert done["renewed"] == ["cert.arcadia.example/home/2"]
    assert alone.ask("log", "verify")["wrong"] == 0
    alone("retract", INDICATOR, "--reason", "what stands in a closed generation can still be retracted")
    assert alone.ask("lookup", DOMAIN)["answers"][0]["found"][0]["witnesses"][0]["retracted"]


def test_a_stranger_waits_for_its_words_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    one, other = (found(tmp_path, short, listens=False) for short in ("arcadia", "borealia"))
    card = tmp_path / "card"
    other("party", "card", "--out", card)
    waiting = one.ask("party", "import", card)
    assert waiting["state"] == "waiting"
    wrong = one.ask("party", "card")["words"]
    assert one("party", "confirm", other.name, "--words", wrong, code=Refused.exit_code)
    assert "misheard" in one("party", "confirm", other.name, "--words", "abandon " * 12, code=Misuse.exit_code).err
    one("party", "confirm", other.name, "--words", waiting["words"].upper())
    other("party", "rotate", "--key", "request")
    other("party", "card", "--out", card)
    assert one.ask("party", "import", card)["state"] == "succeeded"
    impostor = Party(other.name, tmp_path / "impostor")
    impostor("init", other.name, "--name", "Impostor", "--jurisdiction", "XB", "--office", "csirt")
    impostor("party", "card", "--out", card)
    assert one("party", "import", card, code=Unverified.exit_code)
    assert any("never announced" in finding["what"] for finding in one.ask("doctor")["ailments"])


def test_a_device_is_written_to_and_not_replaced(alone: Party, report: Path, tmp_path: Path) -> None:
    alone("ingest", report, "--source", "APT1", "--tlp", "CLEAR", "--pap", "CLEAR")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        alone("export", "--to", "cert.arcadia.example/csirt~grid", "--type", "indicator", "--out", pipe)
        assert len(json.loads(read.result(30))["objects"]) > 0
    assert pipe.is_fifo()


def test_an_id_means_the_object_of_that_type(alone: Party, tmp_path: Path) -> None:
    tail = "11111111-2222-5333-8444-555555555555"
    for kind, value in (("url", "https://c2.example/x"), ("domain-name", "c2.example")):
        (tmp_path / kind).write_text(
            json.dumps({"type": kind, "spec_version": "2.1", "id": f"{kind}--{tail}", "value": value})
        )
        alone("ingest", tmp_path / kind, "--source", "lab", "--tlp", "GREEN")
    assert [v["object"]["type"] for v in alone.ask("show", f"url--{tail}")["versions"]] == ["url"]
    assert [v["object"]["type"] for v in alone.ask("show", f"domain-name--{tail}")["versions"]] == ["domain-name"]
    assert alone("show", f"ipv4-addr--{tail}", code=66).err


def test_no_act_is_told_in_words(alone: Party) -> None:
    assert "nothing that was stated in an accord" in alone("compliance").out
