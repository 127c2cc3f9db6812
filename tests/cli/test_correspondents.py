"""`comity party correspondent` and `comity inbox`, as people use them."""

from __future__ import annotations

import json
from pathlib import Path

from comity.boot.compose import opened
from comity.node import correspondents, submissions
from comity.vocab import Channel
from tests.cli.conftest import Party
from tests.node.correspond import ident, indicator

CARD = ("party", "correspondent")


def take_on(alone: Party, *more: str) -> None:
    alone(*CARD, "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client", *more)
    alone(*CARD, "allow", "grid", "taxii", "--send")


def bring(alone: Party, tmp_path: Path, *numbers: int) -> None:
    file = tmp_path / "some.ndjson"
    file.write_bytes(b"\n".join(map(indicator, numbers)))
    alone("ingest", file, "--source", "feed", "--tlp", "GREEN", "--pap", "GREEN")


def test_a_correspondent_is_shown_whole(alone: Party, tmp_path: Path) -> None:
    take_on(alone, "--title", "Arcadian Grid")
    terms = tmp_path / "terms.txt"
    terms.write_text("for defence")
    alone(*CARD, "terms", "grid", terms, "--by", "Ada")
    made = alone.ask(*CARD, "login", "create", "grid", "taxii", "--form", "basic")
    assert len(made["secret"]) == 64
    bring(alone, tmp_path, 1, 2)
    alone("export", "--to", "cert.arcadia.example/csirt~grid", "--source", "feed", "--out", tmp_path / "out.json")
    alone("retract", ident(1), "--reason", "wrong")
    shown = alone.ask(*CARD, "show", "grid")
    assert made["secret"] not in json.dumps(shown)
    assert shown["correspondent"]["accepted_by"] == "Ada"
    assert [(d["channel"], d["grade"], d["entries"]) for d in shown["deliveries"]] == [("file", "sent", 2)]
    assert [(o["id"], o["what"], o["reason"]) for o in shown["owed"]] == [(ident(1), "retracted", "wrong")]
    lines = alone(*CARD, "show", "grid").out
    for said in ("Arcadian Grid", "To be told still", made["shown"]["user"], "waits for your office"):
        assert said in lines
    given = alone.ask("compliance", ident(1))["given"]
    assert [(g["correspondent"], g["grade"], g["told"]) for g in given] == [
        ("cert.arcadia.example/csirt~grid", "sent", "owed")
    ]
    alone(*CARD, "login", "revoke", "grid", made["shown"]["id"])
    assert "REVOKED" in alone(*CARD, "login", "list", "grid").out


def test_a_channel_that_nothing_carries_yet_says_so(alone: Party) -> None:
    take_on(alone)
    assert "in this version" not in alone(*CARD, "allow", "grid", "feed").out
    for channel in ("web",):
        assert f"nothing goes or comes by {channel} in this version yet" in alone(*CARD, "allow", "grid", channel).out
        assert f"credentials of {channel}" in alone(*CARD, "login", "create", "grid", channel).out
    assert "in this version" not in alone(*CARD, "allow", "grid", "misp").out
    assert "in this version" not in alone(*CARD, "allow", "grid", "mail").out
    for channel in ("taxii", "misp"):
        assert "in this version" not in alone(*CARD, "login", "create", "grid", channel).out
    channels = alone.ask(*CARD, "show", "grid")["correspondent"]["channels"]
    assert {each["channel"]: each["carried"] for each in channels} == {
        "taxii": True,
        "feed": True,
        "misp": True,
        "mail": True,
        "web": False,
    }
    assert alone(*CARD, "show", "grid").out.count("NOT IN THIS VERSION YET") == 1


def test_the_same_name_is_not_registered_twice(alone: Party) -> None:
    take_on(alone)
    alone(*CARD, "add", "grid", "--jurisdiction", "XB", "--ceiling", "RED", code=64)
    alone(*CARD, "change", "grid", code=64)
    alone(*CARD, "change", "grid", "--ceiling", "green")
    assert alone.ask(*CARD, "list")["correspondents"][0]["ceiling"] == "GREEN"


def test_a_suspended_one_is_exported_nothing(alone: Party, tmp_path: Path) -> None:
    take_on(alone)
    alone(*CARD, "suspend", "grid", "--reason", "review")
    ran = alone("export", "--to", "cert.arcadia.example/csirt~grid", "--out", tmp_path / "out.json", code=77)
    assert "suspended" in ran.err
    assert not (tmp_path / "out.json").exists()


def test_a_table_comes_in_and_goes_out_again(alone: Party, tmp_path: Path) -> None:
    table = tmp_path / "sector.csv"
    table.write_text(
        "name,title,jurisdiction,ceiling,client,channels,mail\n"
        "water,=Water,xa,TLP:AMBER,yes,taxii+send,soc@water.example\n"
        "rail,Rail,XA,PURPLE,yes,,\n"
        "Bad Name,,XA,GREEN,no,,\n"
        "bus,Bus,XA,GREEN,perhaps,,\n"
    )
    dry = alone.ask(*CARD, "import", table, "--dry-run", code=65)
    assert alone.ask(*CARD, "list")["correspondents"] == []
    done = alone.ask(*CARD, "import", table, code=65)
    assert done == dry
    assert [line["outcome"] for line in done["lines"]] == ["registered", "refused", "refused", "refused"]
    alone(*CARD, "export", "--out", tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    assert "'=Water" in text  # no formula
    assert "mail taxii+send" in text
    again = alone.ask(*CARD, "import", tmp_path / "out.csv")
    assert [line["outcome"] for line in again["lines"]] == ["same"]
    table.write_text("name,jurisdiction,ceilling\nx,XA,RED\n")
    alone(*CARD, "import", table, code=65)


def test_an_inbox_is_settled(alone: Party) -> None:
    take_on(alone)
    with opened(alone.home) as machine:
        node = machine.services.node
        with node.store.read() as unit:
            who = correspondents.by_audience(unit, "cert.arcadia.example/csirt~grid")
        assert who is not None
        forged = indicator(1, created_by_ref="identity--00000001-0000-4000-8000-000000000000")
        first = submissions.submit_objects(node, who, Channel.TAXII, [forged]).submission.id
        second = submissions.submit_objects(node, who, Channel.TAXII, [indicator(2)]).submission.id
    assert "1 name another creator" in alone("inbox", "list").out
    assert ident(1) in alone("inbox", "show", first).out
    alone(*CARD, "source", "grid", "--tlp", "AMBER", "--reliability", "B")
    assert alone.ask("inbox", "accept", first, "--reason", "seen here, too")["kept"] == 1
    alone("inbox", "refuse", second, "--reason", "our own printer")
    assert alone("inbox", "list").out == "Nothing waits.\n"
    states = {one["id"]: one["state"] for one in alone.ask("inbox", "list", "--settled")["submissions"]}
    assert states == {first: "accepted", second: "refused"}
    (version,) = alone.ask("show", ident(1))["versions"]
    assert [w["source"] for w in version["object"]["witnesses"]] == ["~grid"]
    alone("show", ident(2), code=66)
