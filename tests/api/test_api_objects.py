"""Objects over the API: the producer's bytes, pages that hold under writes, tags, and who may see them."""

from __future__ import annotations

import hashlib
import json
import threading

from tests.api.conftest import Node, bundle, indicator


def names(node: Node, token: str, query: str = "") -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = node.get(f"/objects?{query}&cursor={cursor}" if cursor else f"/objects?{query}", token).json
        assert len(page["objects"]) == len(page["witnesses"])
        found += [one["id"] for one in page["objects"]]
        cursor = page["next"]
    return found


def test_objects_come_as_their_producers_wrote_them(node: Node) -> None:
    written = b'{ "type":"indicator",  "spec_version":"2.1","id":"indicator--0b1d0c58-8a3c-4c6b-a9b7-2a7d2f1f6c11",'
    written += b'"created":"2026-11-01T08:00:00.000Z","modified":"2026-11-01T08:00:00.000Z","pattern_type":"stix",'
    written += '"name":"caf\u00e9","pattern":"[domain-name:value = \'evil.example\']",'.encode()
    written += b'"valid_from":"2026-11-01T08:00:00Z" }'
    client = node.client()
    done = client.ingest(written, "isac", tlp="GREEN")
    assert (done.read, done.kept, done.marking) == (1, 1, "TLP:GREEN PAP:RED")
    (held,) = client.objects()
    assert held.raw == written
    assert (held.said.source, held.said.marking, held.said.retracted) == ("isac", "TLP:GREEN PAP:RED", False)
    assert held.value["name"] == "café"


def test_raw_bytes_have_their_digest_as_tag_and_are_not_sent_twice(node: Node) -> None:
    token = node.token()
    old, new = indicator("192.0.2.1", 1), indicator("192.0.2.1", 2, name="renamed")
    node.client(token).ingest(bundle([old, new]), "isac", tlp="GREEN")
    path = f"/objects/{old['id']}/raw"
    got = node.get(path, token)
    assert json.loads(got.body) == new
    digest = hashlib.sha256(got.body).hexdigest()
    assert got.headers["etag"] == f'"{digest}"'
    assert got.headers["content-type"] == "application/stix+json;version=2.1"
    assert got.headers["x-content-type-options"] == "nosniff"
    for tag in (f'"{digest}"', f'W/"{digest}"', f'"other", "{digest}"', "*"):
        again = node.get(path, token, If_None_Match=tag)
        assert (again.status, again.body) == (304, b"")
    assert node.get(path, token, If_None_Match='"other"').status == 200
    versions = node.get(f"/objects/{old['id']}", token).json["versions"]
    assert [json.loads(one["text"])["name"] for one in versions] == ["renamed", "C2 at 192.0.2.1"]
    first = versions[1]["object"]["modified"]
    assert json.loads(node.get(f"{path}?modified={first}", token).body) == old
    assert node.get(f"{path}?modified=7", token).status == 404


def test_an_id_of_another_type_with_the_same_uuid_is_not_found(node: Node) -> None:
    token = node.token()
    one = indicator("192.0.2.1")
    node.client(token).ingest(bundle([one]), "isac")
    other = one["id"].replace("indicator--", "malware--")
    assert node.get(f"/objects/{other}", token).status == 404
    assert node.get(f"/objects/{other}/raw", token).status == 404
    for odd in ("indicator", "indicator--1", "..%2f..%2fobjects", "INDICATOR--0", "%00"):
        assert node.get(f"/objects/{odd}", token).status in {400, 404}


def test_filters_choose_by_type_source_and_time(node: Node) -> None:
    token = node.token()
    client = node.client(token)
    client.ingest(bundle([indicator("192.0.2.1")]), "isac")
    tool = {
        "type": "tool", "spec_version": "2.1", "id": "tool--0b1d0c58-8a3c-4c6b-a9b7-2a7d2f1f6c11", "name": "t",
        "created": "2020-01-01T00:00:00.000Z", "modified": "2020-01-01T00:00:00.000Z",
    }  # fmt: skip
    client.ingest(bundle([tool]), "lab")
    assert len(names(node, token)) == 2
    assert names(node, token, "type=tool") == [tool["id"]]
    assert names(node, token, "source=isac") == [indicator("192.0.2.1")["id"]]
    assert names(node, token, "since=1600000000") == [indicator("192.0.2.1")["id"]]
    now = node.machine.services.node.now()
    assert len(names(node, token, f"updated_since={now - 3600}")) == 2
    assert names(node, token, f"updated_since={now + 3600}") == []


def test_a_walk_meets_everything_once_while_others_write(node: Node) -> None:
    token = node.token()
    first = [indicator(f"198.51.100.{n}", n) for n in range(1, 101)]
    node.client(token).ingest(bundle(first), "isac")
    wrote = threading.Event()

    def write() -> None:
        for round_ in range(5):
            more = [indicator(f"203.0.113.{n}", n) for n in range(round_ * 20 + 1, round_ * 20 + 21)]
            node.client(token).ingest(bundle(more), "isac")
        wrote.set()

    writer = threading.Thread(target=write)
    walked: list[str] = []
    for held in node.client(token).objects(limit=7):
        walked.append(held.value["id"])
        if len(walked) == 14:
            writer.start()
        if len(walked) == 50:
            writer.join()
    assert wrote.is_set()
    assert len(walked) == len(set(walked))
    assert {one["id"] for one in first} <= set(walked)
    assert len(walked) == 200


def test_a_cursor_is_good_for_its_own_question_only(shared_node: Node) -> None:
    token = shared_node.token()
    page = shared_node.get("/objects?limit=2", token).json
    assert shared_node.get(f"/objects?limit=3&cursor={page['next']}", token).status == 200
    for query in (f"type=tool&cursor={page['next']}", "cursor=AAAA", "cursor=%00", "cursor=" + "A" * 500, "cursor=é"):
        got = shared_node.get(f"/objects?{query}".replace("é", "%C3%A9"), token)
        assert (got.status, got.json["errors"][0]["field"]) == (400, "cursor")


def test_parameters_are_named_when_they_cannot_stay(shared_node: Node) -> None:
    token = shared_node.token()
    for query, field in (
        ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=1&limit=2", "limit"),
        ("type=nothing", "type"), ("bogus=1", "bogus"), ("since=-1", "since"), (f"since={2**63}", "since"),
        (f"updated_since={2**53}", "updated_since"), ("access_token=x", "access_token"),
    ):  # fmt: skip
        got = shared_node.get(f"/objects?{query}", token)
        assert (got.status, got.json["errors"][0]["field"]) == (400, field)
        assert got.json["whose"] == "this request"


def test_another_offices_token_sees_nothing(node: Node) -> None:
    mine, theirs = node.token(), node.token(office="police")
    one = indicator("192.0.2.1")
    node.client(mine).ingest(bundle([one]), "isac", tlp="GREEN")
    assert len(names(node, mine)) == 1
    assert names(node, theirs) == []
    assert node.get(f"/objects/{one['id']}", theirs).status == 404
    assert node.get(f"/objects/{one['id']}/raw", theirs).status == 404
    assert node.post("/lookup", theirs, {"values": ["192.0.2.1"]}).json["known"] == 0
    assert node.post("/known", theirs, {"values": ["192.0.2.1"]}).json["lines"][0]["state"] == "unknown"
    assert node.get("/sources", theirs).json == {"sources": []}
    assert node.get("/imports", theirs).json == {"imports": []}
    assert node.post("/retract", theirs, {"names": [one["id"]], "reason": "x"}).status == 404


def test_sensors_and_outside_look_ups_are_given_only_what_their_pap_allows(node: Node) -> None:
    client = node.client()
    for number, pap in enumerate(("CLEAR", "GREEN", "AMBER", "RED"), 1):
        client.ingest(bundle([indicator(f"192.0.2.{number}")]), f"pap {pap}", tlp="GREEN", pap=pap)
    client.ingest(bundle([indicator("192.0.2.9")]), "unmarked")
    ids = [indicator(f"192.0.2.{number}")["id"] for number in (1, 2, 3, 4, 9)]
    tokens = {purpose: node.token(purpose=purpose, may="read") for purpose in ("read", "lookup", "sensor")}
    assert names(node, tokens["read"]) == ids
    assert names(node, tokens["lookup"]) == ids[:3]
    assert names(node, tokens["sensor"]) == ids[:2]
    assert node.get(f"/objects/{ids[2]}/raw", tokens["sensor"]).status == 404
    assert node.get(f"/objects/{ids[1]}/raw", tokens["sensor"]).status == 200
    refused = node.post("/known", tokens["sensor"], {"values": ["192.0.2.1"]})
    assert (refused.status, refused.json["code"]) == (403, "refused")
    client.retract([ids[0]], "a mistake")
    assert names(node, tokens["sensor"]) == ids[1:2]
    retracted = {held.value["id"]: held.said.retracted for held in node.client(tokens["read"]).objects()}
    assert [retracted[one] for one in ids] == [True, False, False, False, False]
