"""What changed of a list, over a real listener: additions and removals since a tag, and what was taken back."""

from __future__ import annotations

import ipaddress
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from comity.formats.convert import Context, Made
from comity.formats.misp.read import read as read_event
from comity.http.fetch import Fetcher
from comity.http.login import NOBODY
from comity.node import editions
from comity.transports.caller import Caller
from comity.transports.feeds import MispFeed
from tests.api.conftest import STIX, Got, Node, indicator
from tests.transports.conftest import LOOPBACK, Patience
from tests.transports.test_feeds import fetch

TO = "cert.arcadia.example/csirt~grid"
ONE, TWO, THREE = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def ready(node: Node, form: str = "list-ip", **more: Any) -> str:
    """Register a correspondent, take an indicator in, make a list; return its path."""
    node.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="AMBER", client=True)
    take(node, indicator(ONE, 1))
    made = node.perform("feed/create", name="block", to=TO, form=form, warned=True, faded=True, **more)
    path: str = made["path"]
    return path


def take(node: Node, *objects: dict[str, Any], tlp: str = "GREEN") -> None:
    body = "\n".join(map(json.dumps, objects)).encode()
    got = node.send("POST", f"/api/v1/ingest?source=feed&tlp={tlp}&pap=GREEN", node.token(), body, Content_Type=STIX)
    assert got.status == 200, got.body


def tag(node: Node, path: str) -> str:
    got = node.send("GET", path)
    assert got.status == 200, got.body
    return got.headers["etag"].strip('"')


def told(got: Got) -> list[dict[str, Any]]:
    assert got.status == 200, got.body
    assert got.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in got.body.splitlines()]


def test_additions_and_removals_since_a_tag(node: Node) -> None:
    path = ready(node)
    first = tag(node, path)
    assert told(node.send("GET", f"{path}?since={first}")) == []
    take(node, indicator(TWO, 2), indicator(THREE, 3))
    got = node.send("GET", f"{path}?since={first}")
    lines = told(got)
    assert [(line["add"], line["kind"], line["tlp"]) for line in lines] == [
        (TWO, "ipv4", "GREEN"),
        (THREE, "ipv4", "GREEN"),
    ]
    assert got.headers["etag"].strip('"') == tag(node, path) != first  # the increment leads to the newest edition
    second = tag(node, path)
    node.perform("release/retract", names=[indicator(ONE, 1)["id"]], reason="a false positive")
    (line,) = told(node.send("GET", f"{path}?since={second}"))
    assert (line["remove"], line["kind"], line["reason"]) == (ONE, "ipv4", "retracted")
    assert line["id"] == indicator(ONE, 1)["id"]
    # From the first edition on: what was there before is removed, and stands before what is added.
    lines = told(node.send("GET", f"{path}?since={first}"))
    assert [line.get("remove") or line["add"] for line in lines] == [ONE, TWO, THREE]


def test_what_came_and_went_in_between_is_not_told(node: Node) -> None:
    path = ready(node)
    first = tag(node, path)
    take(node, indicator(TWO, 2))
    tag(node, path)
    node.perform("release/retract", names=[indicator(TWO, 2)["id"]], reason="a false positive")
    assert told(node.send("GET", f"{path}?since={first}")) == []
    assert tag(node, path) == first  # equal members, equal tag: whoever has the first edition has the newest
    assert [line["remove"] for line in told(node.send("GET", f"{path}/removed"))] == [TWO]


def test_each_reason_is_told(node: Node) -> None:
    path = ready(node)
    names = {reason: f"192.0.2.{n}" for n, reason in enumerate(("retracted", "revoked", "narrowed", "erased"), 10)}
    take(node, *(indicator(value, n) for n, value in enumerate(names.values(), 10)))
    tag(node, path)
    idents = {reason: indicator(value)["id"] for reason, value in names.items()}
    node.perform("release/retract", names=[idents["retracted"]], reason="wrong")
    node.perform("release/narrow", names=[idents["narrowed"]], tlp="RED", reason="a person is named")
    node.perform("release/erase", names=[idents["erased"]], basis="a request of the person concerned")
    take(node, indicator(names["revoked"], 900, revoked=True))
    lines = told(node.send("GET", f"{path}/removed"))
    found = {line["reason"]: line for line in lines}
    assert {reason: line["remove"] for reason, line in found.items()} == names | {"erased": None}
    assert "id" not in found["erased"]
    assert found["erased"]["key"]  # by which whoever holds the value finds it
    assert all(line["at"].endswith("Z") for line in lines)
    assert node.send("GET", path).body == f"{ONE}\n".encode()


def test_what_expired_is_told(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ready(node)
    soon = node.machine.services.node.now() + 5_000
    from datetime import UTC, datetime

    until = datetime.fromtimestamp(soon, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    take(node, indicator(TWO, 2, valid_until=until))
    tag(node, path)
    clock = node.machine.services.node.clock
    monkeypatch.setattr(node.machine.services.node, "clock", lambda: clock() + 10_000)
    (line,) = told(node.send("GET", f"{path}/removed"))
    assert (line["remove"], line["reason"]) == (TWO, "expired")


def test_a_value_that_another_object_still_says_stays(node: Node) -> None:
    path = ready(node)
    other = {**indicator(ONE, 2), "id": f"indicator--{uuid.uuid4()}"}
    take(node, other)
    first = tag(node, path)
    node.perform("release/retract", names=[other["id"]], reason="wrong")
    (line,) = told(node.send("GET", f"{path}?since={first}"))
    assert (line["add"], line["id"]) == (ONE, indicator(ONE, 1)["id"])  # under another object, and not removed
    assert told(node.send("GET", f"{path}/removed")) == []


@pytest.mark.parametrize("since", ["", "0" * 32, "..%2F..", "%00", "A" * 500])
def test_an_unknown_tag_is_gone(node: Node, since: str) -> None:
    path = ready(node)
    tag(node, path)
    got = node.send("GET", f"{path}?since={since}")
    assert got.status == 410
    assert "whole list" in got.json["hint"]


def test_a_tag_that_is_too_old_is_gone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ready(node)
    first = tag(node, path)
    monkeypatch.setattr(editions, "FEED_CHANGES_MAX", 2)
    take(node, *(indicator(f"192.0.2.{n}", n) for n in range(3)))  # more than is kept at once
    assert node.send("GET", f"{path}?since={first}").status == 410
    second = tag(node, path)
    for number in range(3):  # more editions than changes are kept of
        take(node, indicator(f"192.0.2.{100 + number}", number))
        tag(node, path)
    assert node.send("GET", f"{path}?since={second}").status == 410
    kept = sorted((node.party.home / "run" / "feeds").glob("*/changes.*"))
    assert len(kept) <= 3


def test_a_list_whose_state_is_broken_begins_anew(node: Node) -> None:
    path = ready(node)
    first = tag(node, path)
    (state,) = (node.party.home / "run" / "feeds").glob("*/state.json")
    state.write_bytes(b"{")
    take(node, indicator(TWO, 2))
    assert node.send("GET", f"{path}?since={first}").status == 410
    assert sorted(node.send("GET", path).body.split()) == [ONE.encode(), TWO.encode()]


def test_a_form_removes_in_its_own_way(node: Node) -> None:
    path = ready(node, "nftables")
    tag(node, path)
    node.perform("release/retract", names=[indicator(ONE, 1)["id"]], reason="wrong")
    got = node.send("GET", f"{path}/removed?native")
    assert got.body == f"delete element inet comity ipv4 {{ {ONE} }}\n".encode()
    path = node.perform("feed/create", name="zone", to=TO, form="rpz")["path"]
    tag(node, path)
    assert node.send("GET", f"{path}/removed?native").status == 400


def test_only_kinds_that_the_form_has_are_told(node: Node) -> None:
    path = ready(node, "hosts")
    first = tag(node, path)
    take(node, indicator("evil.example", 2, "domain-name"), indicator(TWO, 3))
    assert [line["add"] for line in told(node.send("GET", f"{path}?since={first}"))] == ["evil.example"]


def test_objects_are_told_in_their_own_bytes(node: Node) -> None:
    path = ready(node, "stix")
    first = tag(node, path)
    made = indicator(TWO, 2)
    take(node, made)
    assert [line["add"] for line in told(node.send("GET", f"{path}?since={first}"))] == [made]
    node.perform("release/retract", names=[indicator(ONE, 1)["id"]], reason="wrong")
    (line,) = told(node.send("GET", f"{path}/removed"))
    assert (line["remove"], line["reason"]) == (indicator(ONE, 1)["id"], "retracted")
    path = node.perform("feed/create", name="event", to=TO, form="misp", purpose="read")["path"]
    assert node.send("GET", f"{path}?since={tag(node, path)}").status == 400


def test_a_wrong_secret_learns_nothing_of_changes(node: Node) -> None:
    ready(node)
    assert node.send("GET", f"/feeds/{'A' * 43}/block.txt/removed").status == 404
    assert node.send("GET", f"/feeds/{'A' * 43}/block.txt?since=x").status == 404


def test_no_value_lies_beside_the_list_and_nothing_after_it_has_ended(node: Node) -> None:
    path = ready(node)
    tag(node, path)
    node.perform("release/erase", names=[indicator(ONE, 1)["id"]], basis="a request of the person concerned")
    tag(node, path)
    take(node, indicator(TWO, 2))
    tag(node, path)  # only the last two editions' files stay
    folder = node.party.home / "run" / "feeds"
    assert told(node.send("GET", f"{path}/removed"))[0]["remove"] is None
    for file in folder.rglob("*"):
        assert not file.is_file() or ONE.encode() not in file.read_bytes(), file
    assert not list(folder.glob("told.*"))  # what was told is not left lying
    node.perform("feed/revoke", name="block")
    other = node.perform("feed/create", name="other", to=TO, form="list-ip")["path"]
    tag(node, other)
    assert len(list(folder.iterdir())) == 1


def test_the_hour_alone_makes_no_new_edition(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ready(node)
    first = tag(node, path)
    clock = node.machine.services.node.clock
    monkeypatch.setattr(node.machine.services.node, "clock", lambda: clock() + 7_200)
    assert node.send("GET", path, If_None_Match=f'"{first}"').status == 304


def test_members_beyond_memory_are_sorted_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import ExitStack

    from comity.vocab import Tlp

    monkeypatch.setattr(editions, "FEED_SORT_MEMBERS", 7)
    values = [str(ipaddress.IPv4Address(0xC0000200 + n)) for n in range(100)]
    keys = {value: editions.object_key(value) for value in values}
    shelf = editions.Editions(tmp_path)

    def renew(chosen: list[str], at: int) -> str:
        with ExitStack() as within:
            gathered = editions.gathering(tmp_path, within)
            for number, value in enumerate(chosen):
                gathered.add(keys[value], number, Tlp.GREEN)
            told = shelf.tag_of(gathered, b"")
            shelf.renew(gathered, told, "m", at, lambda gone: [editions.Why.RETRACTED] * len(gone))
        return told

    first = renew(values[:60], 1)
    renew(list(reversed(values[30:90])), 2)
    members = [member.key for member in shelf.members()]
    assert members == sorted(keys[value] for value in values[30:90])
    found = shelf.since(first)
    assert {c.member.key for c in found if c.op is editions.Op.REMOVED} == {keys[v] for v in values[:30]}
    assert {c.member.key for c in found if c.op is editions.Op.ADDED} == {keys[v] for v in values[60:90]}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_misp_feed_is_polled_by_our_own_poller_and_tells_what_was_taken_back(node: Node, tmp_path: Path) -> None:
    path = ready(node, "misp-feed", type="", purpose="read")
    take(node, indicator(TWO, 2))
    fetcher = Fetcher(allow=LOOPBACK, seconds=20.0)
    caller = Caller(fetcher, node.base + path.removesuffix("/manifest.json"), Patience().manners, NOBODY, "arcadia")
    try:
        came, cursor = fetch(MispFeed(caller))
        assert fetch(MispFeed(caller), cursor) == ({}, cursor)
        node.perform("release/retract", names=[indicator(ONE, 1)["id"]], reason="wrong")
        again, _ = fetch(MispFeed(caller), cursor)
    finally:
        fetcher.close()
    assert [*came] == [*again]  # the same event, in a newer state
    told_now = {}
    for data in again.values():
        for thing in read_event([data], Context("arcadia", 0)):
            if isinstance(thing, Made) and (tree := json.loads(thing.data))["type"] == "indicator":
                told_now[tree["pattern"]] = tree.get("revoked", False)
    assert told_now.get(indicator(TWO)["pattern"]) is False
    gone = node.send("GET", f"{path.removesuffix('/manifest.json')}/removed")
    assert [line["remove"] for line in told(gone)] == [indicator(ONE, 1)["id"]]
    (event,) = (json.loads(data)["Event"] for data in again.values())
    assert {each["value"]: each.get("deleted", False) for each in event["Attribute"]} == {ONE: True, TWO: False}
    assert node.send("GET", f"{path.removesuffix('manifest.json')}hashes.csv").body.count(b"\n") == 1
