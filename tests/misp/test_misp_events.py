"""How events are put together of what is held, for each reader, and stay so."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymisp import MISPEvent

from comity.acts import Narrow
from comity.node import acting
from comity.surfaces.misp.admission import admitted
from comity.surfaces.misp.routes import Asking, Routes
from comity.vocab import Tlp
from tests.cli.conftest import found
from tests.misp.conftest import EVENT, Misp, attribute, door_of, event, indicator, uuid

AT = "2026-11-03T09:00:00.000Z"


def report(number: int, *refs: str, kind: str = "report", **more: Any) -> dict[str, Any]:
    made = {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{number:08x}-0000-4000-8000-00000000000b",
        "created": AT,
        "modified": AT,
        "name": f"Report {number}",
        "object_refs": list(refs),
    }
    return made | ({"published": AT} if kind == "report" else {"context": "suspicious-activity"}) | more


def named(number: int) -> str:
    return str(indicator(number)["id"])


def by_info(node: Misp, key: str | None = None) -> dict[str, MISPEvent]:
    return {one.info: one for one in node.client(key).search(pythonify=True)}


def test_a_report_and_a_grouping_are_events_of_their_own_uuid(node: Misp) -> None:
    text = {"description": "What we know so far."}
    node.collect([indicator(1), indicator(2), report(1, named(1), **text), report(2, named(2), kind="grouping")])
    found = by_info(node)
    assert found["Report 1"].uuid == report(1)["id"].removeprefix("report--")
    assert [one.value for one in found["Report 1"].attributes] == ["host-1.example"]
    assert [one.content for one in found["Report 1"].event_reports] == ["What we know so far."]
    assert found["Report 2"].uuid == report(2, kind="grouping")["id"].removeprefix("grouping--")
    assert len(found) == 2


def test_what_two_reports_name_belongs_to_the_first_and_is_a_copy_in_the_other(node: Misp) -> None:
    node.collect([indicator(1), report(1, named(1))])
    node.collect([report(2, named(1))])
    found = by_info(node)
    (own,), (copy,) = found["Report 1"].attributes, found["Report 2"].attributes
    assert (own.uuid, own.value) == (named(1).removeprefix("indicator--"), copy.value)
    assert copy.uuid != own.uuid
    assert node.client().get_attribute(copy.uuid, pythonify=True).value == own.value
    assert {one.uuid for one in node.client().search(value="host-1.example", pythonify=True)} == {
        one.uuid for one in found.values()
    }


def test_another_sources_report_draws_nothing_away(node: Misp) -> None:
    node.collect([indicator(1)])
    node.collect([report(9, named(1))], source="rumours")
    found = by_info(node)
    (own,) = found.pop("Report 9").attributes
    (kept,) = next(iter(found.values())).attributes
    assert kept.uuid == named(1).removeprefix("indicator--") != own.uuid


def test_what_was_given_in_an_event_stays_there_when_a_report_comes_later(node: Misp) -> None:
    node.collect([indicator(1)])
    (before,) = by_info(node).values()
    node.collect([report(1, named(1))])
    found = by_info(node)
    copy = found.pop("Report 1")
    (after,) = found.values()
    assert (after.uuid, after.attributes[0].uuid) == (before.uuid, before.attributes[0].uuid)
    assert copy.attributes[0].uuid != before.attributes[0].uuid
    node.take_on("later")
    assert len(by_info(node, node.credential("later").secret)) == 1  # who never had it finds it in the report alone


def test_what_a_report_names_no_more_leaves_it_and_is_told_as_deleted(node: Misp) -> None:
    node.collect([indicator(1), indicator(2), report(1, named(1), named(2))])
    first = by_info(node)["Report 1"]
    node.collect([report(1, named(1), modified="2026-11-03T10:00:00.000Z")])
    again = node.client().get_event(first.uuid, deleted=True, pythonify=True)
    assert {one.uuid[:8]: one.deleted for one in again.attributes} == {"00000001": False, "00000002": True}
    assert again.timestamp > first.timestamp


def test_an_event_is_as_strict_as_what_is_in_it_and_follows_a_narrowing(node: Misp) -> None:
    node.collect([indicator(1)], Tlp.AMBER)
    node.collect([report(1, named(1))], Tlp.GREEN, "isac")
    found = by_info(node)["Report 1"]
    assert (found.distribution, {tag.name for tag in found.tags}) == (1, {"tlp:amber"})
    (row,) = node.client().search_index(eventinfo="Report 1")
    assert (row["distribution"], row["EventTag"][0]["Tag"]["name"]) == ("1", "tlp:amber")


def test_whose_an_event_is(node: Misp) -> None:
    maker = {
        "type": "identity",
        "spec_version": "2.1",
        "id": "identity--00000001-0000-4000-8000-0000000000aa",
        "created": AT,
        "modified": AT,
        "name": "Arcadian Research",
        "identity_class": "organization",
    }
    node.collect([maker, indicator(1, created_by_ref=maker["id"]), indicator(2)])
    orgs = {one.attributes[0].value: (one.Orgc.name, one.Org.name) for one in node.client().search(pythonify=True)}
    me = "cert.arcadia.example"
    assert orgs == {"host-1.example": ("Arcadian Research", me), "host-2.example": (me, me)}


def test_two_readers_see_their_own_events_and_one_learns_nothing_of_the_others(node: Misp) -> None:
    node.collect([indicator(1), indicator(2)])
    node.collect([indicator(3), report(1, named(1), named(3))], Tlp.AMBER)
    node.collect([indicator(4)], Tlp.CLEAR)
    node.take_on("stranger", client=False)
    assert "Report 1" in by_info(node)
    shown = by_info(node, node.credential("stranger").secret)
    assert {one.value for each in shown.values() for one in each.attributes} == {"host-4.example"}


def test_ids_places_and_timestamps_survive_a_restart(tmp_path: Path) -> None:
    party = found(tmp_path, "arcadia", listens=False)
    with door_of(party, tmp_path) as node:
        node.take_on()
        node.key = node.credential().secret
        node.bring_in(event())
        node.collect([indicator(1), report(1, named(1))])
        key = node.key
        before = {one["uuid"]: (one["id"], one["timestamp"]) for one in node.client().search_index(minimal=True)}
        node.client().get_event(EVENT)
        node.retract(f"indicator--{uuid(1)}")
        changed = {one["uuid"]: one["timestamp"] for one in node.client().search_index(minimal=True)}
        assert changed[EVENT] > before[EVENT][1]
    (tmp_path / "tls.pem").unlink()
    with door_of(party, tmp_path) as node:
        node.key = key
        after = {one["uuid"]: one["id"] for one in node.client().search_index(minimal=True)}
        assert after == {name: ident for name, (ident, _) in before.items()}
        again = {one["uuid"]: one["timestamp"] for one in node.client().search_index(minimal=True)}
        assert again == changed
        told = node.client().get_event(EVENT, deleted=True, pythonify=True)
        assert [one.uuid for one in told.attributes if one.deleted] == [uuid(1)]


GALAXY = {
    "type": "threat-actor",
    "name": "Threat Actor",
    "uuid": uuid(500),
    "GalaxyCluster": [
        {
            "uuid": uuid(501),
            "type": "threat-actor",
            "value": "Sandstone",
            "tag_name": 'misp-galaxy:threat-actor="Sandstone"',
            "description": "An invented group.",
            "meta": {"synonyms": ["Grit"]},
        }
    ],
}


def test_galaxies_and_tags_come_back_and_no_tag_is_wider_than_the_event(node: Misp) -> None:
    whole = event(Galaxy=[GALAXY])
    whole["Attribute"][0]["Tag"] = [{"name": "tlp:clear"}, {"name": 'estimative-language:likelihood="likely"'}]
    whole["Attribute"][0]["Galaxy"] = [GALAXY]
    node.bring_in(whole)
    found = node.client().get_event(EVENT, pythonify=True)
    (galaxy,) = found.galaxies
    assert [(one.value, one.description) for one in galaxy.clusters] == [("Sandstone", "An invented group.")]
    tag = 'misp-galaxy:threat-actor="Sandstone"'
    assert tag in {one.name for one in found.tags}
    shown = {one.uuid: {each.name for each in one.tags} for one in found.attributes}
    assert shown[uuid(1)] == {'estimative-language:likelihood="likely"', tag}
    pulled = node.send("GET", f"/events/view/{EVENT}/excludeGalaxy:1.json").json["Event"]
    assert pulled["Galaxy"] == []


def test_objects_of_an_event_keep_their_values(node: Misp) -> None:
    file = {
        "uuid": uuid(600),
        "name": "file",
        "meta-category": "file",
        "template_uuid": uuid(601),
        "template_version": "1",
        "timestamp": "1793519000",
        "distribution": "5",
        "Attribute": [
            attribute(602, "filename", "invoice.exe", object_relation="filename", category="Payload delivery"),
            attribute(603, "md5", "d41d8cd98f00b204e9800998ecf8427e", object_relation="md5", to_ids=True),
        ],
    }
    node.bring_in(event(Object=[file]))
    assert node.client().search("attributes", value="d41d8cd98f00b204e9800998ecf8427e")["Attribute"]
    whole = node.client().get_event(EVENT)["Event"]
    values = {one["value"] for one in whole["Attribute"]}
    values |= {one["value"] for each in whole["Object"] for one in each["Attribute"]}
    assert any("d41d8cd98f00b204e9800998ecf8427e" in value for value in values)


def test_what_is_narrowed_out_of_a_readers_reach_is_told_as_deleted(node: Misp) -> None:
    node.collect([indicator(1), indicator(2)])
    (before,) = by_info(node).values()
    with node.machine.turns.mine():
        acting.narrow(node.actor, node.machine.services.node, node.places(named(1)), Narrow((), tlp=Tlp.RED))
    after = node.client().get_event(before.uuid, deleted=True, pythonify=True)
    assert {one.uuid[:8]: one.deleted for one in after.attributes} == {"00000001": True, "00000002": False}
    assert "host-1.example" not in after.to_json()


def test_published_events_come_back_as_they_came(node: Misp, shared_data: Path) -> None:
    """Published MISP events, taken in and read by PyMISP: uuid, title, organisation, time, attributes."""
    events: dict[str, Any] = {}
    told: Any = None
    for path in sorted((shared_data / "eset").rglob("*.json")):
        with suppress(json.JSONDecodeError):  # one is broken, which the reader mends
            told = json.loads(path.read_bytes())
        for one in told.get("response", [told]) if isinstance(told, dict) else ():
            if isinstance(one, dict) and isinstance(one.get("Event"), dict) and one["Event"].get("distribution") != "0":
                events[one["Event"]["uuid"]] = one["Event"]
    for one in events.values():
        node.bring_in(one)
    assert len(events) > 40
    shown = {one.uuid: one for one in node.client().search(pythonify=True)}
    assert shown.keys() == events.keys()
    kept = 0
    for name, one in events.items():
        there = shown[name]
        assert (" ".join(one["info"].split()), one["Orgc"]["name"]) == (there.info, there.Orgc.name)
        assert int(there.timestamp.timestamp()) == int(one["timestamp"])
        kept += len({each["uuid"] for each in one["Attribute"]} & {each.uuid for each in there.attributes})
    stood = sum(len(one["Attribute"]) for one in events.values())
    assert kept > 0.99 * stood


def test_an_act_about_what_a_reader_does_not_see_is_no_walk_and_one_about_what_it_sees_is(node: Misp) -> None:
    node.collect([indicator(1), indicator(2)])
    node.collect([indicator(3)], Tlp.RED)
    machine = node.machine
    with machine.turns.mine():
        routes = Routes(machine)
        reader = admitted(machine.services, node.key, "192.0.2.1")

        def things() -> dict[str, Any]:
            routes.answer(Asking(reader, "POST", "/events/index", "", b"{}"))
            return routes._catalogues.of(reader)[0].things

        before = things()
    node.retract(named(3))
    with machine.turns.mine():
        assert things() is before
    node.retract(named(1))
    with machine.turns.mine():
        assert things().keys() == {named(2)}
