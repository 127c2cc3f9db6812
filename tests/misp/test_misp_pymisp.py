"""PyMISP, as people use it, against a serving node over TLS."""

from __future__ import annotations

from pymisp import MISPAttribute, MISPEvent, MISPSighting

from tests.misp.conftest import EVENT, Misp, event, indicator, uuid


def test_pymisp_logs_in_and_learns_who_it_is(node: Misp) -> None:
    assert len(node.key) == 40
    assert node.key.isalnum()
    client = node.client()
    assert client.misp_instance_version["version"].startswith("2.5.")
    me = client.get_user("me", pythonify=True)
    assert me.email == "grid@cert.arcadia.example"
    (role,) = client.roles(pythonify=True)
    assert (role.perm_sync, role.perm_add, role.perm_admin) == (True, True, False)


def test_an_imported_event_comes_back_under_its_own_uuid_as_its_author_made_it(node: Misp) -> None:
    node.bring_in(event())
    found = node.client().get_event(EVENT, pythonify=True)
    assert (found.uuid, found.info, str(found.date)) == (EVENT, "Phishing of grid operators", "2026-11-01")
    assert (found.Orgc.name, found.Org.name) == ("CERT Borealia", "cert.arcadia.example")
    assert (found.threat_level_id, found.analysis, found.distribution) == (2, 1, 2)
    assert int(found.timestamp.timestamp()) == 1793520000
    assert {tag.name for tag in found.tags} == {"tlp:green", 'workflow:state="complete"'}
    by_uuid = {one.uuid: one for one in found.attributes}
    assert (by_uuid[uuid(1)].type, by_uuid[uuid(1)].value, by_uuid[uuid(1)].to_ids) == (
        "domain", "login.example.com", True,
    )  # fmt: skip
    assert by_uuid[uuid(1)].comment == "seen in mail"
    assert (by_uuid[uuid(2)].type, by_uuid[uuid(2)].value) == ("ip-dst", "198.51.100.7")
    assert node.client().get_event(found.id)["Event"]["uuid"] == EVENT


def values(found: list[MISPEvent]) -> set[str]:
    return {one.value for each in found for one in each.attributes}


def test_events_are_searched_by_value_type_tag_time_and_organisation(node: Misp) -> None:
    node.bring_in(event())
    node.collect([indicator(1), indicator(2)])
    client = node.client()
    for asked in (
        {"value": "login.example.com"},
        {"value": "%login%"},
        {"type_attribute": "ip-dst"},
        {"tags": "workflow:state%"},
        {"org": "CERT Borealia"},
        {"eventinfo": "%grid%"},
        {"uuid": uuid(2)},
        {"eventid": EVENT},
        {"date_from": "2026-11-01", "date_to": "2026-11-01", "org": "CERT Borealia"},
        {"timestamp": [1793519999, 1793520001]},
        {"quick_filter": "%seen in mail%"},
    ):
        found = client.search(pythonify=True, **asked)
        assert [one.uuid for one in found] == [EVENT], asked
    assert client.search(value="nothing.example.com") == []
    assert client.search(timestamp="1h", org="CERT Borealia") == []
    everything = client.search(publish_timestamp="1h", pythonify=True)
    assert values(everything) == {"login.example.com", "198.51.100.7", "host-1.example", "host-2.example"}
    others = client.search(org="!CERT Borealia", pythonify=True)
    assert values(others) == {"host-1.example", "host-2.example"}


def test_attributes_are_searched_and_carry_their_event(node: Misp) -> None:
    node.bring_in(event())
    node.collect([indicator(number) for number in range(30)])
    client = node.client()
    (one,) = client.search("attributes", value="login.example.com", pythonify=True)
    assert (one.uuid, one.Event.uuid, one.Event.info) == (uuid(1), EVENT, "Phishing of grid operators")
    assert {one.value for one in client.search("attributes", to_ids=1, pythonify=True)} == {
        "login.example.com", *(f"host-{n}.example" for n in range(30)),
    }  # fmt: skip
    some = client.search("attributes", tags=["tlp:green"], type_attribute="ip-dst", pythonify=True)
    assert [one.value for one in some] == ["198.51.100.7"]
    pages = [client.search("attributes", limit=10, page=n)["Attribute"] for n in range(1, 6)]
    assert [len(page) for page in pages] == [10, 10, 10, 2, 0]
    assert len({one["uuid"] for page in pages for one in page}) == 32
    assert client.get_attribute(uuid(1), pythonify=True).value == "login.example.com"
    assert client.get_attribute(one.id, pythonify=True).uuid == uuid(1)


def test_pages_neither_repeat_nor_miss_while_others_write_and_take_back(node: Misp) -> None:
    node.collect([indicator(number, created=f"2026-10-{number % 28 + 1:02}T08:00:00.000Z") for number in range(40)])
    client = node.client()
    first = client.search("attributes", limit=15, page=1)["Attribute"]
    gone = first[0]["uuid"]
    node.retract(f"indicator--{gone}")
    node.collect([indicator(number, created="2026-10-01T08:00:00.000Z") for number in range(40, 50)])
    rest: list[str] = []
    for page in range(2, 6):
        rest += [one["uuid"] for one in client.search("attributes", limit=15, page=page)["Attribute"]]
    seen = [one["uuid"] for one in first] + rest
    assert len(seen) == len(set(seen))
    assert {f"{number:08x}-0000-4000-8000-000000000000" for number in range(40)} <= set(seen)


def test_what_no_report_names_stands_in_events_of_its_day_and_label(node: Misp) -> None:
    from comity.vocab import Tlp

    node.collect([indicator(1), indicator(2, created="2026-10-02T08:00:00.000Z")])
    node.collect([indicator(3)], Tlp.AMBER, "other")
    found = node.client().search(pythonify=True)
    assert sorted((len(one.attributes), one.distribution, one.tags[0].name) for one in found) == [
        (1, 1, "tlp:amber"), (1, 2, "tlp:green"), (1, 2, "tlp:green"),
    ]  # fmt: skip
    assert {one.Orgc.name for one in found} == {"cert.arcadia.example"}
    assert {one.uuid for one in node.client().search(pythonify=True)} == {one.uuid for one in found}


def test_an_event_that_is_sent_comes_in_as_theirs_and_is_changed_and_taken_back(node: Misp) -> None:
    node.perform("correspondent/source", name="grid", marking={"tlp": "GREEN"})
    client = node.client()
    new = MISPEvent()
    new.info, new.distribution = "Scans of substations", 2
    new.add_tag("tlp:green")
    new.add_attribute("ip-src", "203.0.113.9", to_ids=True)
    added = client.add_event(new, pythonify=True)
    assert (added.uuid, added.info) == (new.uuid, new.info)
    held = client.get_event(new.uuid, pythonify=True)
    assert [one.value for one in held.attributes] == ["203.0.113.9"]
    assert held.Orgc.name == "cert.arcadia.example"  # whom it names as its creator proves nothing
    held.add_attribute("domain", "scan.example.net")
    changed = client.update_event(held, pythonify=True)
    assert {one.value for one in changed.attributes} == {"203.0.113.9", "scan.example.net"}
    assert client.event_exists(new.uuid)
    assert client.delete_event(new.uuid)["success"] is True
    after = client.get_event(new.uuid, deleted=True, pythonify=True)
    assert {(one.value, one.deleted) for one in after.attributes} == {("deleted", True)}
    assert {one.uuid for one in after.attributes} == {one.uuid for one in changed.attributes}


def test_an_event_that_waits_is_said_to_wait(node: Misp) -> None:
    node.take_on("slow", waits=True)
    client = node.client(node.credential("slow").secret)
    new = MISPEvent()
    new.info = "Waits"
    new.add_attribute("domain", "waits.example.net")
    answer = client.add_event(new)
    assert answer["Comity"]["state"] == "waiting"
    assert client.event_exists(new.uuid)
    assert client.get_event(new.uuid)["errors"][0] == 404
    node.perform("correspondent/source", name="slow", marking={"tlp": "GREEN"})
    (waiting,) = node.perform("inbox/list")["submissions"]
    assert waiting["form"] == "misp"
    node.perform("inbox/accept", id=waiting["id"], reason="")
    assert [one.value for one in client.get_event(new.uuid, pythonify=True).attributes] == ["waits.example.net"]
    second = MISPEvent()
    second.info = "Is refused"
    second.add_attribute("domain", "refused.example.net")
    client.add_event(second)
    (waiting,) = node.perform("inbox/list")["submissions"]
    node.perform("inbox/refuse", id=waiting["id"], reason="not ours")
    assert not client.event_exists(second.uuid)


def test_what_others_say_is_not_deleted(node: Misp) -> None:
    node.bring_in(event())
    assert node.client().delete_event(EVENT)["errors"][0] == 403
    assert node.client().get_event(EVENT, pythonify=True).info == "Phishing of grid operators"


def test_sightings_go_both_ways(node: Misp) -> None:
    node.bring_in(event())
    client = node.client()
    (one,) = client.search("attributes", value="login.example.com", pythonify=True)
    sighting = MISPSighting()
    sighting.from_dict(type="0", source="mail gateway", timestamp=1793600000)
    told = client.add_sighting(sighting, one, pythonify=True)
    assert (told.source, told.type) == ("mail gateway", "0")
    client.add_sighting({"value": "198.51.100.7", "type": "1"})
    node.take_on("other")
    other = node.client(node.credential("other").secret)
    seen = other.get_event(EVENT, pythonify=True)
    by_value = {each.value: each for each in seen.attributes}
    (shown,) = by_value["login.example.com"].sightings
    assert (shown.source, shown.type, shown.date_sighting) == ("mail gateway", "0", "1793600000")
    assert shown.Organisation["name"] == "cert.arcadia.example"
    (false,) = by_value["198.51.100.7"].sightings
    assert false.type == "1"
    assert len(other.sightings(seen)) == 2
    (found,) = other.search_sightings(context="attribute", context_id=one.uuid, include_event_meta=True)
    assert found["Sighting"]["Event"]["uuid"] == EVENT
    assert other.add_sighting({"type": "2", "uuid": one.uuid})["errors"][0] == 403


def test_what_was_taken_back_is_told_as_deleted_to_who_had_it_and_to_nobody_else(node: Misp) -> None:
    node.bring_in(event())
    client = node.client()
    before = client.get_event(EVENT, pythonify=True)
    node.retract(f"indicator--{uuid(1)}")
    after = client.get_event(EVENT, pythonify=True)
    assert [one.value for one in after.attributes] == ["198.51.100.7"]
    assert after.timestamp > before.timestamp
    told = client.get_event(EVENT, deleted=True, pythonify=True)
    (gone,) = (one for one in told.attributes if one.deleted)
    assert (gone.uuid, gone.value, gone.timestamp > before.timestamp) == (uuid(1), "deleted", True)
    assert client.search("attributes", value="login.example.com")["Attribute"] == []
    node.take_on("other")
    other = node.client(node.credential("other").secret).get_event(EVENT, deleted=True, pythonify=True)
    assert [one.uuid for one in other.attributes] == [uuid(2)]
    shown = node.perform("correspondent/show", name="grid")
    assert not shown["owed"], "what was told is owed no more"


def test_tags_organisations_and_types_are_told(node: Misp) -> None:
    node.bring_in(event())
    client = node.client()
    assert {one.name for one in client.tags(pythonify=True)} == {"tlp:green", 'workflow:state="complete"'}
    assert [one.name for one in client.search_tags("%workflow%", pythonify=True)] == ['workflow:state="complete"']
    named = {one.name for one in client.organisations(pythonify=True)}
    assert {"CERT Borealia", "cert.arcadia.example"} <= named
    assert client.get_organisation("5f0c2a9b-0000-4000-8000-00000000000a", pythonify=True).name == "CERT Borealia"
    assert client.sharing_groups() == []
    assert "ip-dst" in client.describe_types_remote["types"]
    assert MISPAttribute(client.describe_types_remote) is not None


def test_an_attribute_is_added_to_an_event_of_ones_own_and_to_no_other(node: Misp) -> None:
    node.perform("correspondent/source", name="grid", marking={"tlp": "GREEN"})
    client = node.client()
    new = MISPEvent()
    new.info = "Scans of substations"
    new.add_tag("tlp:green")
    new.add_attribute("ip-src", "203.0.113.9", comment="from the honeypot", to_ids=True)
    client.add_event(new)
    before = client.get_event(new.uuid, pythonify=True)
    more = MISPAttribute()
    more.from_dict(type="domain", value="scan.example.net")
    added = client.add_attribute(new.uuid, more, pythonify=True)
    after = client.get_event(new.uuid, pythonify=True)
    by_value = {one.value: one for one in after.attributes}
    assert by_value.keys() == {"203.0.113.9", "scan.example.net"}
    assert by_value["scan.example.net"].uuid == added.uuid
    kept = by_value["203.0.113.9"]
    assert (kept.uuid, kept.type, kept.comment) == (before.attributes[0].uuid, "ip-src", "from the honeypot")
    assert after.timestamp > before.timestamp
    node.bring_in(event())
    assert client.add_attribute(EVENT, more)["errors"][0] == 403
