"""A MISP server's own pull and push, request by request as it makes them (MISP 2.5, `ServerSyncTool`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from comity.limits import SEEN_PAGE_OBJECTS_MAX
from tests.misp.conftest import EVENT, Misp, attribute, event, indicator, uuid

# What MISP 2.5 puts behind `events/view` when it pulls.
VIEW = (
    "/deleted[]:0/deleted[]:1/excludeGalaxy:1/includeEventCorrelations:0/includeFeedCorrelations:0"
    "/includeWarninglistHits:0/excludeLocalTags:1/includeAnalystData:1.json"
)


def pulled(node: Misp, known: dict[str, int], etag: str = "") -> tuple[dict[str, Any], str, int]:
    """Pull as a MISP does; return the events by UUID, the tag of the index, and how many requests it took."""
    got = node.send("GET", "/servers/getVersion")
    assert (got.json["perm_sync"], got.json["filter_sightings"]) == (True, True)
    headers = {"If_None_Match": etag} if etag else {}
    got = node.send("POST", "/events/index", {"minimal": 1, "published": 1}, **headers)
    if got.status == 304:
        return {}, etag, 1
    assert got.status == 200
    found: dict[str, Any] = {}
    for row in got.json:
        if known.get(row["uuid"], -1) < int(row["timestamp"]):
            one = node.send("GET", f"/events/view/{row['uuid']}{VIEW}")
            found[row["uuid"]] = one.json["Event"]
            known[row["uuid"]] = int(row["timestamp"])
    return found, got.headers["etag"], 1 + len(found)


def test_a_pull_gets_everything_once_and_an_unchanged_node_costs_one_request(node: Misp) -> None:
    node.bring_in(event())
    node.collect([indicator(number, created=f"2026-10-{number + 1:02}T08:00:00.000Z") for number in range(9)])
    known: dict[str, int] = {}
    first, etag, requests = pulled(node, known)
    assert (len(first), requests) == (10, 11)
    assert first[EVENT]["Orgc"]["name"] == "CERT Borealia"
    assert {one["value"] for one in first[EVENT]["Attribute"]} == {"login.example.com", "198.51.100.7"}
    assert pulled(node, known, etag) == ({}, etag, 1)
    assert pulled(node, known)[0] == {}  # nor does one that forgot the tag fetch anything twice
    assert node.send("POST", "/sightings/restSearch/event", {"returnFormat": "json", "uuid": list(known)}).json == {
        "response": []
    }
    for path in ("/shadow_attributes/index", "/galaxy_clusters/restSearch"):
        assert node.send("POST", path, {"returnFormat": "json"}).status == 200


def test_a_pull_learns_of_news_and_of_what_was_taken_back(node: Misp) -> None:
    node.bring_in(event())
    known: dict[str, int] = {}
    _, etag, _ = pulled(node, known)
    later = event(timestamp="1793521000")
    later["Attribute"].append(attribute(3, "url", "https://login.example.com/in", timestamp="1793521000"))
    node.bring_in(later)
    news, etag, _ = pulled(node, known, etag)
    assert {one["value"] for one in news[EVENT]["Attribute"]} >= {"https://login.example.com/in"}
    before = int(news[EVENT]["timestamp"])
    node.retract(f"indicator--{uuid(1)}")
    news, etag, _ = pulled(node, known, etag)
    gone = {one["uuid"]: one for one in news[EVENT]["Attribute"] if one["deleted"]}
    assert (list(gone), gone[uuid(1)]["value"]) == ([uuid(1)], "deleted")
    assert int(news[EVENT]["timestamp"]) > before
    assert int(gone[uuid(1)]["timestamp"]) > 1793519000
    assert pulled(node, known, etag)[0] == {}


def test_an_event_of_which_nothing_is_left_is_told_as_withdrawn_and_stays_in_the_index(node: Misp) -> None:
    node.collect([indicator(1)])
    known: dict[str, int] = {}
    ((name, before),) = pulled(node, known)[0].items()
    node.retract(indicator(1)["id"])
    ((again, after),) = pulled(node, known)[0].items()
    assert (again, after["info"]) == (name, "Withdrawn")
    assert [(one["uuid"], one["deleted"]) for one in after["Attribute"]] == [(before["Attribute"][0]["uuid"], True)]
    assert after["Orgc"] == before["Orgc"]
    node.take_on("other")
    assert node.send("POST", "/events/index", {"minimal": 1}, node.credential("other").secret).json == []


def test_an_unchanged_event_keeps_its_authors_timestamp_so_that_nothing_goes_round(node: Misp) -> None:
    node.bring_in(event())
    for _ in range(2):
        found = node.send("GET", f"/events/view/{EVENT}{VIEW}").json["Event"]
        assert found["timestamp"] == "1793520000"
    (row,) = node.send("POST", "/events/index", {"minimal": 1, "published": 1}).json
    assert (row["timestamp"], row["orgc_uuid"]) == ("1793520000", "5f0c2a9b-0000-4000-8000-00000000000a")


def test_a_push_asks_what_is_news_and_sends_that_with_its_sightings(node: Misp) -> None:
    node.perform("correspondent/source", name="grid", marking={"tlp": "GREEN"})
    got = node.send("POST", "/servers/postTest", {"testString": "€"})
    assert got.json["body"] == {"testString": "€"}
    assert got.json["headers"] == {"Content-type": "application/json", "Accept": "application/json"}
    heads = [{"Event": {"uuid": EVENT, "timestamp": "1793520000"}}]
    assert node.send("POST", "/events/filterEventIdsForPush", heads).json == [EVENT]
    assert node.send("HEAD", f"/events/view/{EVENT}").status == 404
    got = node.send("POST", "/events/add/metadata:1", {"Event": event()})
    assert (got.status, got.json["Event"]["uuid"]) == (200, EVENT)
    assert "Attribute" not in got.json["Event"]
    assert node.send("HEAD", f"/events/view/{EVENT}").status == 200
    assert node.send("POST", "/events/filterEventIdsForPush", heads).json == []
    newer = event(timestamp="1793530000")
    newer["Attribute"][1] |= {"deleted": True, "timestamp": "1793530000"}
    got = node.send("POST", f"/events/edit/{EVENT}/metadata:1", {"Event": newer})
    assert got.status == 200
    stale = node.send("POST", f"/events/edit/{EVENT}", {"Event": newer})
    assert (stale.status, stale.json["saved"]) == (403, False)
    sightings = [
        {"uuid": uuid(70), "type": "0", "date_sighting": "1793540000", "attribute_uuid": uuid(1), "source": ""},
        {"uuid": uuid(71), "type": "0", "date_sighting": "1793540000", "attribute_uuid": uuid(99), "source": ""},
    ]
    asked = f"/sightings/filterSightingUuidsForPush/{EVENT}"
    assert node.send("POST", asked, [uuid(70), uuid(71)]).json == []  # those that are here already
    saved = node.send("POST", f"/sightings/bulkSaveSightings/{EVENT}", sightings)
    assert (saved.json["saved"], saved.json["message"], saved.json["left"]) == (True, "1 sightings added.", 1)
    assert node.send("POST", asked, [uuid(70), uuid(71)]).json == [uuid(70)]
    again = node.send("POST", f"/sightings/bulkSaveSightings/{EVENT}", sightings[1:])
    assert again.json["saved"] is False
    blocked = {"returnFormat": "json", "last": 0, "includeUuid": True, "uuid": [EVENT]}
    (sighted,) = node.send("POST", "/sightings/restSearch/event", blocked).json["response"]
    assert (sighted["Sighting"]["uuid"], sighted["Sighting"]["attribute_uuid"]) == (uuid(70), uuid(1))
    nobody = f"!{sighted['Sighting']['Organisation']['uuid']}"
    assert node.send("POST", "/sightings/restSearch/event", blocked | {"org_id": [nobody]}).json["response"] == []
    shown = node.send("GET", f"/events/view/{EVENT}{VIEW}").json["Event"]
    assert [one["uuid"] for each in shown["Attribute"] for one in each.get("Sighting", [])] == [uuid(70)]
    assert {one["uuid"] for one in shown["Attribute"] if one["deleted"]} == {uuid(2)}


def test_the_manifest_and_files_of_a_feed_are_there_for_who_has_a_key(node: Misp) -> None:
    node.bring_in(event())
    manifest = node.send("GET", "/manifest.json")
    assert manifest.json[EVENT]["timestamp"] == "1793520000"
    assert node.send("GET", f"/{EVENT}.json").json["Event"]["info"] == "Phishing of grid operators"
    assert node.send("GET", "/manifest.json", key="").status == 403


def test_many_who_ask_at_once_while_a_catalogue_is_built_get_the_same(node: Misp) -> None:
    """The first index walks over all in pages, between which others have their turn."""
    node.collect([indicator(number) for number in range(SEEN_PAGE_OBJECTS_MAX + 2_000)])
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(node.send, "POST", "/events/index", {"minimal": 1}) for _ in range(4)]
        searched = pool.submit(node.send, "POST", "/attributes/restSearch", {"limit": 50, "page": 3})
        rows = [one.result().json for one in asked]
    assert rows[0] and all(one == rows[0] for one in rows)
    assert len(searched.result().json["response"]["Attribute"]) == 50
    (whole,) = node.send("POST", "/events/restSearch", {"limit": 1}).json["response"]
    assert int(whole["Event"]["attribute_count"]) == SEEN_PAGE_OBJECTS_MAX + 2_000


def test_the_rules_of_a_pull_are_kept(node: Misp) -> None:
    node.bring_in(event())
    node.collect([indicator(1)])

    def rows(**rules: str) -> set[str]:
        got = node.send("POST", "/events/index", {"minimal": 1, "published": 1, **rules})
        return {one["uuid"] for one in got.json}

    everything = rows()
    assert rows(tag='workflow:state="complete"|tlp:red') == {EVENT}
    assert rows(tag='tlp:green|!workflow:state="complete"') == everything - {EVENT}
    assert rows(org="CERT Borealia|CERT Nowhere") == {EVENT}
    assert rows(org="!CERT Borealia") == everything - {EVENT}
    rules = node.send("GET", "/servers/getAvailableSyncFilteringRules").json
    assert "CERT Borealia" in rules["organisations"] and "tlp:green" in rules["tags"]
    assert rows(publish_timestamp="1h") == everything
    assert rows(timestamp="1h", org="CERT Borealia") == set()
