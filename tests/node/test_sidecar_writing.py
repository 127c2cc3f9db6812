"""What partners state stands in the MISP as theirs, changes with it, and never goes round."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest

from comity.errors import Unreachable
from comity.node import acting, sidecars
from comity.node.ingest import put_source
from comity.node.sidecars import Stand
from comity.statement import Marking
from comity.vocab import Pap, Tlp
from tests.node.sidecars import ACCORD, TAG, Team, Teams, teams_
from tests.transports.misp_server import ORG

__all__ = ["teams_"]


def share(teams: Teams, of: Team, objects: list[bytes], marking: Marking) -> list[int]:
    """Let a party state objects in the accord without any MISP."""
    places = teams.world.collect(of.who, objects, marking)
    of.who.services.sharing.share(of.who.actor, ACCORD, places)
    teams.sync()
    return places


def indicator(number: int, *, version: int = 0, value: str = "") -> bytes:
    value = value or f"198.51.100.{number}"
    return json.dumps(
        {
            "type": "indicator", "spec_version": "2.1", "id": f"indicator--{number:08x}-2222-4333-8444-555555555555",
            "created": "2026-01-01T00:00:00.000Z", "modified": f"2026-01-01T00:00:0{version}.000Z",
            "pattern": f"[ipv4-addr:value = '{value}']", "pattern_type": "stix",
            "valid_from": "2026-01-01T00:00:00Z",
        }
    ).encode()  # fmt: skip


def report(number: int, name: str, *refs: str, labels: tuple[str, ...] = ()) -> bytes:
    tree = {
        "type": "report", "spec_version": "2.1", "id": f"report--{number:08x}-2222-4333-8444-555555555555",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "name": name,
        "published": "2026-01-01T00:00:00Z", "object_refs": list(refs),
    }  # fmt: skip
    return json.dumps(tree | ({"labels": list(labels)} if labels else {})).encode()


GREEN = Marking(tlp=Tlp.GREEN, pap=Pap.GREEN)


def only(team: Team) -> dict[str, Any]:
    (event,) = team.misp.events.values()
    return event


def values(event: dict[str, Any]) -> list[str]:
    return sorted(one["value"] for one in event["Attribute"] if not one["deleted"])


@pytest.mark.parametrize("sync", [False, True])
def test_a_partners_event_stands_in_the_misp_as_theirs(teams: Teams, sync: bool) -> None:
    one, other = teams.arcadia, teams.borealia
    other.misp.sync = sync
    tags = (TAG, "tlp:green", "apt:wolf")
    one.misp.event("Beacons", "198.51.100.7", "198.51.100.8", tags=tags, distribution=3)
    one.good()
    teams.sync()
    assert other.good().health.last.written == 1
    event = only(other)
    assert event["info"] == f"Beacons [{one.who.name}]"
    assert event["Orgc"]["name"] == (one.who.name if sync else ORG["name"])
    assert (event["distribution"], event["published"]) == ("0", False)
    names = {tag["name"] for tag in event["Tag"]}
    assert names == {f'comity:from="{one.who.name}"', 'comity:under="energy"', "PAP:GREEN", "tlp:green", "apt:wolf"}
    assert values(event) == ["198.51.100.7", "198.51.100.8"]
    for attribute in event["Attribute"]:
        assert attribute["to_ids"] is True
        assert f"[{one.who.name}/accord/energy/1#" in attribute["comment"]
    teams.pass_time()
    other.misp.asked.clear()
    other.good()
    assert [asked.path for asked in other.misp.asked] == ["/events/index"]


def test_loose_objects_are_an_event_a_day_until_a_report_names_them(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1), indicator(2)], GREEN)
    other.good()
    day = only(other)
    assert values(day) == ["198.51.100.1", "198.51.100.2"]
    assert day["info"].startswith("energy, 2026-")
    name = json.loads(indicator(2))["id"]
    share(teams, one, [report(9, "Wolf", name), indicator(3)], GREEN)
    other.good()
    assert {event["info"]: values(event) for event in other.misp.events.values()} == {
        day["info"]: ["198.51.100.1", "198.51.100.3"],
        f"Wolf [{one.who.name}]": ["198.51.100.2"],
    }


@pytest.mark.parametrize("way", ["delete", "mark"])
def test_what_is_taken_back_goes_or_is_marked(teams: Teams, way: str) -> None:
    one, other = teams.arcadia, teams.borealia
    other.register(retracted=sidecars.Retracted(way))
    places = share(teams, one, [indicator(1), indicator(2)], GREEN)
    other.good()
    acting.retract(one.who.actor, one.who.node, places[:1], "wrong")
    teams.sync()
    other.good()
    event = only(other)
    if way == "delete":
        assert values(event) == ["198.51.100.2"]
    else:
        marked = next(each for each in event["Attribute"] if each["value"] == "198.51.100.1")
        assert marked["to_ids"] is False
        assert [tag["name"] for tag in marked["Tag"]] == ['comity:retracted="true"']
        assert "taken back" in marked["comment"]
    acting.erase(one.who.actor, one.who.node, places, "court order", "gone")
    teams.sync()
    other.good()
    assert other.misp.events == {}  # what was erased goes, whatever the setting says
    assert [event.stand for event in other.written()] == [Stand.REMOVED]


def test_a_newer_version_edits_the_same_attribute(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1)], GREEN)
    other.good()
    before = only(other)["Attribute"][0]["uuid"]
    share(teams, one, [indicator(1, version=1, value="203.0.113.5")], GREEN)
    other.good()
    assert [(each["uuid"], each["value"]) for each in only(other)["Attribute"]] == [(before, "203.0.113.5")]


def test_no_marking_is_widened(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    other.register(distribution=2)
    share(teams, one, [indicator(1)], Marking(tlp=Tlp.AMBER_STRICT, pap=Pap.GREEN))
    other.good()
    assert only(other)["distribution"] == "0"
    share(teams, one, [indicator(2)], Marking(tlp=Tlp.CLEAR, pap=Pap.AMBER))
    other.good()
    event = only(other)
    assert event["distribution"] == "0"  # the strictest of what is in it
    heard = {each["value"]: each["to_ids"] for each in event["Attribute"]}
    assert heard == {"198.51.100.1": True, "198.51.100.2": False}  # PAP:AMBER is for no sensor
    assert "PAP:AMBER" in {tag["name"] for tag in event["Tag"]}
    teams.pass_time(86_400)
    share(teams, one, [indicator(3)], Marking(tlp=Tlp.CLEAR, pap=Pap.GREEN))
    other.good()
    assert sorted(each["distribution"] for each in other.misp.events.values()) == ["0", "2"]


def test_a_partners_tags_neither_ask_nor_lie(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    lies = (TAG.upper(), 'comity:from="cert.cascadia.example"', "COMITY:under=x", "PAP:CLEAR", "apt:wolf")
    share(teams, one, [indicator(1), report(9, "Wolf", json.loads(indicator(1))["id"], labels=lies)], GREEN)
    other.good()
    other.good()
    event = only(other)
    assert {tag["name"] for tag in event["Tag"]} == {
        "apt:wolf", f'comity:from="{one.who.name}"', 'comity:under="energy"', "PAP:GREEN", "tlp:green",
    }  # fmt: skip


def test_a_uuid_of_ours_in_a_partners_mouth_changes_nothing_of_ours(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    mine = other.misp.event("Mine", "192.0.2.1")
    before = json.dumps(mine, sort_keys=True)
    number, attribute = mine["uuid"], mine["Attribute"][0]["uuid"]
    squat = json.loads(indicator(1)) | {"id": f"indicator--{attribute}"}
    claim = json.loads(report(9, "Yours", squat["id"])) | {"id": f"report--{number}"}
    share(teams, one, [json.dumps(squat).encode(), json.dumps(claim).encode()], GREEN)
    other.good()
    assert json.dumps(other.misp.events[number], sort_keys=True) == before
    assert len(other.misp.events) == 2


def test_what_somebody_deleted_in_the_misp_stays_deleted(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1)], GREEN)
    other.good()
    other.misp.delete(only(other)["uuid"])
    share(teams, one, [indicator(2)], GREEN)
    result = other.good()
    assert "deleted in the MISP" in result.health.faults[0]
    assert other.misp.events == {}
    share(teams, one, [indicator(3)], GREEN)
    other.good()
    assert other.misp.events == {}


def test_a_crash_between_sending_and_noting_writes_once(teams: Teams, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1)], GREEN)
    server = other.server()
    taken = server.add

    class Cut(Exception):
        pass

    def cut(data: bytes) -> Any:
        taken(data)
        raise Cut

    monkeypatch.setattr(server, "add", cut)
    monkeypatch.setattr(other, "server", lambda: server)
    with pytest.raises(Cut):
        other.run()
    monkeypatch.undo()
    assert len(other.misp.events) == 1
    result = other.good()
    assert (len(other.misp.events), result.health.faults) == (1, ())
    assert [event.stand for event in other.written()] == [Stand.WRITTEN]
    assert values(only(other)) == ["198.51.100.1"]


def test_restored_books_do_not_write_twice_nor_over_others(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1)], GREEN)
    other.good()
    (event,) = other.written()
    with other.who.store.write() as unit:
        unit.documents.delete(sidecars.WRITTEN, f"{sidecars.key(other.sidecar)}/{event.uuid}")
        unit.documents.delete(sidecars.LOOKED, sidecars.key(other.sidecar))
    assert other.good().health.faults == ()
    assert len(other.misp.events) == 1
    # The same again, but what stands there under that UUID is not Comity's.
    only(other)["Tag"] = []
    with other.who.store.write() as unit:
        unit.documents.delete(sidecars.WRITTEN, f"{sidecars.key(other.sidecar)}/{event.uuid}")
        unit.documents.delete(sidecars.LOOKED, sidecars.key(other.sidecar))
    before = other.misp.state()
    assert "another event has its UUID" in other.good().health.faults[0]
    assert other.misp.state() == before


def test_an_unreachable_misp_is_an_outcome_and_loses_nothing(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    share(teams, one, [indicator(1)], GREEN)
    base, other.base = other.base, "http://127.0.0.1:1"
    result = other.run()
    assert isinstance(result.error, Unreachable)
    assert (result.health.failures, result.health.success) == (1, 0)
    assert result.health.due > teams.world.now + other.sidecar.every
    other.base = base
    assert other.good().health.failures == 0
    assert values(only(other)) == ["198.51.100.1"]


def meddle(team: Team, number: int, turn: int, random: Random) -> None:
    """Do one thing that an analyst may do in a MISP."""
    own = [event for event in team.misp.events.values() if all("comity:from" not in t["name"] for t in event["Tag"])]
    match random.choice(("event", "event", "change", "remove", "untag", "delete", "touch", "theirs")):
        case "event":
            team.misp.event(f"{number} {turn}", f"198.51.{number}.{turn}", f"203.0.{number}.{turn}", tags=(TAG,))
        case "change" if own:
            event = random.choice(own)
            if values(event):
                team.misp.change(event["uuid"], values(event)[0], f"192.0.{number}.{turn}")
        case "remove" if own:
            event = random.choice(own)
            if values(event):
                team.misp.remove(event["uuid"], values(event)[0])
        case "untag" if own:
            team.misp.detach(random.choice(own)["uuid"], TAG)
        case "delete" if own:
            team.misp.delete(random.choice(own)["uuid"])
        case "touch" if own:
            team.misp.edit(random.choice(own)["uuid"])
        case "theirs":  # an analyst asks for what came from the partner, in both ways there are
            written = [event for event in team.misp.events.values() if event not in own]
            if written:
                team.misp.attach(random.choice(written)["uuid"], TAG)


def test_many_rounds_with_changes_on_both_sides_come_to_rest(teams: Teams) -> None:
    random = Random(3)
    both = [teams.arcadia, teams.borealia]
    for turn in range(12):
        for number, team in enumerate(both):
            meddle(team, number, turn, random)
            team.good()
        teams.pass_time(random.choice((0, 1, 60)))
        teams.sync()
    for _ in range(3):
        for team in both:
            team.good()
        teams.sync()
    before = [team.misp.state() for team in both]
    sizes = _sizes(both)
    for _ in range(3):
        teams.pass_time()
        for team in both:
            team.misp.asked.clear()
            team.good()
            assert team.misp.wrote() == []
        teams.sync()
    assert [team.misp.state() for team in both] == before
    assert _sizes(both) == sizes
    for team, other in (both, reversed(both)):
        own = {
            value
            for event in team.misp.events.values()
            if any(tag["name"] == TAG for tag in event["Tag"])
            and all("comity:from" not in t["name"] for t in event["Tag"])
            for value in values(event)
        }
        there = {
            value
            for event in other.misp.events.values()
            if any(tag["name"] == f'comity:from="{team.who.name}"' for tag in event["Tag"])
            for value in values(event)
        }
        assert there == own


def _sizes(both: list[Team]) -> list[list[int]]:
    """Return the sizes of all accord logs: a home log grows with the records of what was served."""
    found = []
    for team in both:
        with team.who.store.read() as unit:
            found.append([log.size for log in unit.logs.all() if "/accord/" in log.origin])
    return found


def test_the_source_of_a_sidecar_is_its_own(teams: Teams) -> None:
    with teams.arcadia.who.node.writing() as unit:
        found = put_source(unit, teams.arcadia.who.actor, "misp", GREEN)
    assert msgspec.to_builtins(found)["name"] == "misp"
