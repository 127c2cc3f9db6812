"""TAXII 2.1 (OASIS Standard, 10 June 2021), clause by clause, over the wire of a real node.

A test's name begins with the clause whose MUST it checks. What a client must do is not checked here.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from comity.formats import taxii
from comity.limits import SUBMISSION_BYTES_MAX
from comity.vocab import Tlp
from tests.taxii.conftest import MEDIA, ROOT, Taxii, ident, indicator

NOBODY = "Bearer cmc_000000000000_" + "0" * 64
PAGED = ("objects/", "manifest/", f"objects/{ident(0)}/", f"objects/{ident(0)}/versions/")


def endpoints(node: Taxii) -> list[str]:
    inside = ["", "manifest/", "objects/", f"objects/{ident(0)}/", f"objects/{ident(0)}/versions/"]
    return ["/taxii2/", ROOT, f"{ROOT}collections/", *(node.collection() + each for each in inside)]


def walk(node: Taxii, path: str, by: str, **query: Any) -> list[str]:
    """Return the ids of a collection, page by page, by `next` or by the date of the last."""
    found: list[str] = []
    got = node.get(path, **query)
    while True:
        assert got.status == 200, got.body
        found += got.ids
        if not got.json.get("more"):
            return found
        further = (
            {"next": got.json["next"]} if by == "next" else {"added_after": got.headers["x-taxii-date-added-last"]}
        )
        got = node.get(path, **(query | further))


# -- 1.6.9, 3.1: who asks, media types ---------------------------------------------------


def test_1_6_9_without_a_credential_every_endpoint_answers_401_and_says_how_to_log_in(node: Taxii) -> None:
    node.collect([indicator(0)])
    for path in endpoints(node):
        for login in ("", NOBODY, "Basic Og==", "Basic ###", "Digest x"):
            got = node.get(path, login)
            assert got.status == 401
            assert [one.partition(" ")[0] for one in got.challenges] == ["Basic", "Bearer"]
            assert b"indicator" not in got.body


def test_3_1_every_answer_has_the_media_type_with_its_version(node: Taxii) -> None:
    node.collect([indicator(0)])
    for path in endpoints(node):
        for got in (node.get(path), node.get(path, NOBODY), node.get(path + "no-such/")):
            assert got.headers["content-type"] == MEDIA


def test_3_1_an_accept_that_is_defined_is_never_406_and_another_is(node: Taxii) -> None:
    node.collect([indicator(0)])
    for path in endpoints(node):
        for accept in (MEDIA, "application/taxii+json", f"{MEDIA},application/stix+json;version=2.1"):
            assert node.send("GET", path, Accept=accept).status == 200
        for accept in ("application/taxii+json;version=2.0", "application/vnd.oasis.taxii+json; version=2.0"):
            got = node.send("GET", path, Accept=accept)
            assert (got.status, got.json["http_status"]) == (406, "406")


def test_3_1_and_5_5_a_post_has_a_content_type_of_taxii_or_gets_415(node: Taxii) -> None:
    body = json.dumps({"objects": [indicator(1)]}).encode()
    path = node.collection("inbox") + "objects/"
    for kind in (MEDIA, "application/taxii+json"):
        assert node.send("POST", path, None, body, Content_Type=kind).status == 202
    for kind in ("application/json", "application/taxii+json;version=2.0", None):
        assert node.send("POST", path, None, body, Content_Type=kind).status == 415


def test_3_1_and_8_2_1_a_request_without_user_agent_is_served(node: Taxii) -> None:
    assert node.send("GET", "/taxii2/", User_Agent=None).status == 200


# -- 3.2 to 3.5 ---------------------------------------------------------------------------


@pytest.mark.parametrize("inside", PAGED)
def test_3_2_objects_manifest_object_and_versions_bear_the_first_and_the_last_date(node: Taxii, inside: str) -> None:
    node.collect([indicator(0), indicator(1)])
    got = node.get(node.collection() + inside)
    first, last = (got.headers[f"x-taxii-date-added-{name}"] for name in ("first", "last"))
    manifest = [one["date_added"] for one in node.get(node.collection() + "manifest/").json["objects"]]
    whole = inside in {"objects/", "manifest/"}
    assert [first, last] == [manifest[0], manifest[1 if whole else 0]]
    assert taxii.stamp(taxii.instant(first)) == first  # §2: microseconds, UTC


def test_3_2_an_empty_page_bears_the_dates_too_and_from_them_a_client_goes_on(node: Taxii) -> None:
    empty = node.objects()
    assert empty.json == {}
    node.collect([indicator(0)])
    last = node.objects().headers["x-taxii-date-added-last"]
    behind = node.objects(added_after=last)
    assert (behind.json, behind.headers["x-taxii-date-added-last"]) == ({}, last)
    assert node.objects(added_after=empty.headers["x-taxii-date-added-last"]).ids == [ident(0)]


@pytest.mark.parametrize("by", ["next", "date"])
@pytest.mark.parametrize("inside", ["objects/", "manifest/"])
def test_3_3_and_3_5_pages_ascend_by_date_and_have_everything_once(node: Taxii, inside: str, by: str) -> None:
    for n in range(3):
        node.collect([indicator(10 * n + each) for each in range(7)])
    expected = [ident(10 * n + each) for n in range(3) for each in range(7)]
    for limit in (1, 4, 21, 100):
        assert walk(node, node.collection() + inside, by, limit=limit) == expected
    dates = [one["date_added"] for one in node.get(node.collection() + "manifest/").json["objects"]]
    assert dates == sorted(set(dates))


def test_3_3_collections_keep_their_order(node: Taxii) -> None:
    first = node.get(f"{ROOT}collections/").body
    node.collect([indicator(0)])
    assert node.get(f"{ROOT}collections/").body == first


def test_3_4_added_after_is_strictly_after_and_is_about_no_time_in_an_object(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(4)])
    dates = [one["date_added"] for one in node.get(node.collection() + "manifest/").json["objects"]]
    assert node.objects(added_after=dates[1]).ids == [ident(2), ident(3)]
    assert node.objects(added_after=dates[3]).ids == []
    assert node.objects(added_after="2026-11-01T08:00:00.000000Z").ids == [ident(n) for n in range(4)]


def test_3_4_without_added_after_the_oldest_come_first(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(4)])
    assert node.objects(limit=2).ids == [ident(0), ident(1)]


def test_3_4_a_limit_is_kept_and_more_says_whether_there_are(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(3)])
    short, exact, long = (node.objects(limit=limit).json for limit in (2, 3, 4))
    assert (len(short["objects"]), short["more"]) == (2, True)
    assert (len(exact["objects"]), len(long["objects"])) == (3, 3)
    assert not long.get("more")


@pytest.mark.parametrize(
    "query",
    [
        {"added_after": "now"},
        {"limit": 0},
        {"limit": "x"},
        {"match_version": "all,last"},
        {"match_id": "x"},
        {"next": "x"},
    ],
)
@pytest.mark.parametrize("inside", ["objects/", "manifest/"])
def test_3_4_malformed_parameters_are_400(node: Taxii, inside: str, query: dict[str, Any]) -> None:
    got = node.get(node.collection() + inside, **query)
    assert got.status == 400
    assert got.json["http_status"] == "400"


@pytest.mark.parametrize("inside", ["objects/", "manifest/"])
def test_3_4_matches_are_anded_and_their_values_ored(node: Taxii, inside: str) -> None:
    name = uuid.uuid5(uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7"), '{"value":"c2.example"}')
    domain = {"type": "domain-name", "spec_version": "2.1", "id": f"domain-name--{name}", "value": "c2.example"}
    node.collect([indicator(0), domain, indicator(1)])
    path = node.collection() + inside
    assert node.get(path, match_type="indicator").ids == [ident(0), ident(1)]
    assert node.get(path, match_type="domain-name,indicator").ids == [ident(0), domain["id"], ident(1)]
    assert node.get(path, match_id=f"{ident(1)},{domain['id']}").ids == [domain["id"], ident(1)]
    assert node.get(path, match_id=f"{ident(1)},{domain['id']}", match_type="indicator").ids == [ident(1)]
    assert node.get(path, match_type="malware").json == {}


def test_3_4_1_every_type_of_stix_is_a_type_and_a_custom_one_is_found(node: Taxii) -> None:
    custom = {
        "type": "x-acme-thing", "spec_version": "2.1", "id": f"x-acme-thing--{uuid.uuid4()}",
        "created": "2026-11-01T08:00:00.000Z", "modified": "2026-11-01T08:00:00.000Z", "name": "a thing",
    }  # fmt: skip
    node.collect([indicator(0), custom])
    for kind in ("attack-pattern", "relationship", "marking-definition", "x509-certificate", "language-content"):
        assert node.objects(match_type=kind).status == 200
    assert node.objects(match_type="x-acme-thing").ids == [custom["id"]]
    assert node.objects(match_type="x-other").ids == []
    manifest = node.get(node.collection() + "manifest/", match_type="x-acme-thing").json["objects"]
    assert [one["id"] for one in manifest] == [custom["id"]]


def test_3_4_1_no_other_spec_version_than_asked_for_is_sent(node: Taxii) -> None:
    node.collect([indicator(0)])
    assert node.objects(match_spec_version="2.0").json == {}
    assert node.objects(match_spec_version="2.0,2.1").ids == [ident(0)]
    assert node.objects().json["objects"][0]["spec_version"] == "2.1"


def test_3_4_1_versions_last_first_all_and_by_time(node: Taxii) -> None:
    node.collect([indicator(0, 1), indicator(1, 1), indicator(0, 3)])
    node.collect([indicator(0, 2)])

    def got(version: str | None) -> list[tuple[str, str]]:
        answer = node.objects(**({"match_version": version} if version else {}))
        manifest = node.get(node.collection() + "manifest/", **({"match_version": version} if version else {}))
        found = [(one["id"], one["modified"][-4:-1]) for one in answer.json.get("objects", [])]
        assert found == [(one["id"], one["version"][-4:-1]) for one in manifest.json.get("objects", [])]
        return found

    assert got(None) == got("last") == [(ident(1), "001"), (ident(0), "003")]
    assert got("first") == [(ident(0), "001"), (ident(1), "001")]
    assert got("first,last") == [(ident(0), "001"), (ident(1), "001"), (ident(0), "003")]
    assert len(got("all")) == 4
    assert got("2026-11-01T08:00:00.002Z") == [(ident(0), "002")]
    assert got("2026-11-01T08:00:00.002Z,first") == [(ident(0), "001"), (ident(1), "001"), (ident(0), "002")]
    assert got("2025-11-01T08:00:00.002Z") == []


def test_3_4_1_the_version_of_what_has_no_modified_is_created_else_the_date_it_was_added(node: Taxii) -> None:
    marking = {
        "type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{uuid.uuid4()}",
        "created": "2026-11-01T08:00:00.000Z", "definition_type": "statement", "definition": {"statement": "mine"},
    }  # fmt: skip
    address = {"type": "ipv4-addr", "spec_version": "2.1", "id": f"ipv4-addr--{uuid.uuid4()}", "value": "192.0.2.1"}
    node.collect([marking, address])
    one, other = node.get(node.collection() + "manifest/").json["objects"]
    assert one["version"] == "2026-11-01T08:00:00.000Z"
    assert other["version"] == other["date_added"]
    assert node.objects(match_version=other["version"]).ids == [address["id"]]


# -- 3.6, 3.7 -------------------------------------------------------------------------------


def test_3_6_1_an_error_has_a_title_and_the_status_of_its_header(node: Taxii) -> None:
    for path in (f"{ROOT}no/", f"{ROOT}collections/none/", node.collection() + f"objects/{ident(9)}/", "/else/"):
        got = node.get(path)
        assert (got.status, got.json["http_status"]) == (404, "404")
        assert got.json["title"] == "Not Found"


def test_3_7_objects_come_in_an_envelope_in_their_producers_own_bytes(node: Taxii) -> None:
    odd = json.dumps(indicator(0), indent=1).encode().replace(b'"name"', b'"n\\u0061me"')
    node.collect([odd])
    assert odd in node.objects().body
    assert odd in node.get(node.collection() + f"objects/{ident(0)}/").body


# -- 4 -----------------------------------------------------------------------------------------


def test_4_1_discovery_names_the_api_root_by_a_path_and_the_default_is_one_of_them(node: Taxii) -> None:
    told = node.get("/taxii2/").json
    assert told["title"]
    assert told["default"] in told["api_roots"]
    assert all(root.startswith("/") and not root.startswith("//") and "?" not in root for root in told["api_roots"])
    assert node.get(told["default"]).status == 200


def test_4_2_the_api_root_names_the_version_and_the_largest_body(node: Taxii) -> None:
    told = node.get(ROOT).json
    assert told["title"]
    assert MEDIA in told["versions"]
    assert told["max_content_length"] == SUBMISSION_BYTES_MAX > 0


def test_4_2_1_a_body_within_the_limit_is_not_413_and_one_over_it_is(node: Taxii) -> None:
    path = node.collection("inbox") + "objects/"
    many = b'{"objects":[' + b",".join([b"{}"] * 60_000) + b"]}"
    assert node.send("POST", path, None, many, Content_Type=MEDIA).status == 422  # too many objects, not too many bytes
    over = b'{"objects":[' + b" " * SUBMISSION_BYTES_MAX + b"]}"
    assert node.send("POST", path, None, over, Content_Type=MEDIA).status == 413


def test_4_3_a_status_is_found_by_its_id_by_who_posted_and_nobody_else(node: Taxii) -> None:
    made = node.post([indicator(1)]).json
    again = node.get(f"{ROOT}status/{made['id']}/").json
    assert again == made
    node.take_on("water")
    assert node.get(f"{ROOT}status/{made['id']}/", node.bearer("water")).status == 404
    assert node.get(f"{ROOT}status/{uuid.uuid4()}/").status == 404


def test_4_3_1_a_status_counts_what_succeeded_failed_and_waits(node: Taxii) -> None:
    told = node.post(
        [indicator(1, 5), {"type": "indicator", "id": ident(2), "modified": "2026-11-01T08:00:00.000Z"}]
    ).json
    assert uuid.UUID(told["id"]).version == 4
    counts = [told[f"{name}_count"] for name in ("total", "success", "failure", "pending")]
    assert (told["status"], counts) == ("pending", [2, 0, 1, 1])
    assert told["pendings"] == [{"id": ident(1), "version": "2026-11-01T08:00:00.005Z"}]
    assert (told["failures"][0]["id"], told["failures"][0]["version"]) == (ident(2), "2026-11-01T08:00:00.000Z")
    assert taxii.instant(told["request_timestamp"])
    assert "successes" not in told  # §2: no list is empty


# -- 5 ------------------------------------------------------------------------------------------


def test_5_1_and_5_2_collections_have_what_is_required_and_are_found_by_id_and_alias(node: Taxii) -> None:
    known = node.get(f"{ROOT}collections/").json["collections"]
    assert len({one["alias"] for one in known}) == len({one["id"] for one in known}) == len(known) > 1
    for one in known:
        assert uuid.UUID(one["id"]).version == 4
        assert one["title"]
        assert isinstance(one["can_read"], bool)
        assert isinstance(one["can_write"], bool)
        for name in (one["id"], one["alias"]):
            assert node.get(f"{ROOT}collections/{name}/").json == one


def test_5_3_a_manifest_has_id_date_version_and_a_media_type_of_the_collection(node: Taxii) -> None:
    node.collect([indicator(0, 7)])
    (one,) = node.get(node.collection() + "manifest/").json["objects"]
    assert one["media_type"] in node.get(node.collection()).json["media_types"]
    assert (one["id"], one["version"]) == (ident(0), "2026-11-01T08:00:00.007Z")
    assert node.get(node.collection("tlp-clear") + "manifest/").json == {}


def test_5_4_and_5_6_what_there_is_none_of_is_an_empty_envelope_or_404(node: Taxii) -> None:
    node.collect([indicator(0)])
    assert node.objects(match_id=ident(9)).json == {}
    path = node.collection() + f"objects/{ident(0)}/"
    assert node.get(path, match_version="2020-01-01T00:00:00.000Z").json == {}
    assert node.get(node.collection() + f"objects/{ident(9)}/").status == 404


def test_5_5_a_collection_that_cannot_be_written_refuses_with_403(node: Taxii) -> None:
    assert node.get(node.collection()).json["can_write"] is False
    assert node.post([indicator(1)], alias="released").status == 403
    node.take_on("mute", send=False)
    login = node.bearer("mute")
    assert node.get(node.collection("inbox"), login).json["can_write"] is False
    assert node.post([indicator(1)], login).status == 403


def test_5_5_an_exact_duplicate_is_no_error(node: Taxii) -> None:
    login = node.token(may="write")
    for _ in range(2):
        got = node.post([indicator(1), indicator(1)], login)
        assert (got.status, got.json["failure_count"], got.json["success_count"]) == (202, 0, 2)
    assert node.objects("inbox", login).ids == [ident(1)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nonsense",
        b"{}",
        b'{"objects":[]}',
        b'{"objects":{}}',
        b'{"objects":[{"type":"x"}',
        b'{"objects":[{}],"objects":[{}]}',
    ],
)
def test_5_5_a_body_that_is_no_envelope_is_422_and_nothing_of_it_is_taken(node: Taxii, body: bytes) -> None:
    got = node.send("POST", node.collection("inbox") + "objects/", None, body, Content_Type=MEDIA)
    assert (got.status, got.json["http_status"]) == (422, "422")


def test_5_6_an_object_by_id_is_the_newest_or_the_version_asked_for(node: Taxii) -> None:
    node.collect([indicator(0, 1), indicator(0, 2)])
    path = node.collection() + f"objects/{ident(0)}/"

    def versions(**query: Any) -> list[str]:
        return [one["modified"][-4:-1] for one in node.get(path, **query).json["objects"]]

    assert versions() == ["002"]
    assert versions(match_version="all") == ["001", "002"]
    assert versions(match_version="first") == ["001"]
    page = node.get(path, match_version="all", limit=1).json
    assert (page["more"], versions(match_version="all", limit=1, next=page["next"])) == (True, ["002"])


def test_5_7_what_is_deleted_is_in_object_and_manifest_no_more(node: Taxii) -> None:
    login = node.token(may="write")
    node.post([indicator(1, 1), indicator(1, 2), indicator(2)], login)
    path = node.collection("inbox") + f"objects/{ident(1)}/"
    assert node.send("DELETE", path + "?match%5Bversion%5D=first", login).status == 200
    assert node.get(path, login, match_version="all").json["objects"][0]["modified"][-4:-1] == "002"
    done = node.send("DELETE", path, login)
    assert (done.status, done.body, done.headers["content-type"]) == (200, b"", MEDIA)
    for alias in ("inbox", "released"):
        assert node.get(node.collection(alias) + f"objects/{ident(1)}/", login).status == 404
        assert node.get(node.collection(alias) + "manifest/", login).ids == [ident(2)]
    assert node.send("DELETE", path, login).status == 404


def test_5_7_where_it_cannot_be_written_nothing_is_deleted(node: Taxii) -> None:
    node.collect([indicator(0)])
    assert node.send("DELETE", node.collection() + f"objects/{ident(0)}/").status == 403
    assert node.send("DELETE", node.collection("inbox") + f"objects/{ident(0)}/").status == 404  # not theirs
    assert node.objects().ids == [ident(0)]


def test_5_8_versions_are_listed_each_once(node: Taxii) -> None:
    node.collect([indicator(0, 1), indicator(0, 2)])
    node.collect([indicator(0, 2)], source="other")
    path = node.collection() + f"objects/{ident(0)}/versions/"
    assert node.get(path).json == {"versions": ["2026-11-01T08:00:00.001Z", "2026-11-01T08:00:00.002Z"]}
    assert node.get(path, match_spec_version="2.0").json == {}
    assert node.get(path, match_type="indicator").status == 400


def test_8_2_1_discovery_is_at_the_root_and_other_methods_are_405(node: Taxii) -> None:
    assert node.get("/taxii2/").status == 200
    for method in ("PUT", "PATCH", "OPTIONS"):
        assert node.send(method, "/taxii2/").status == 405
    assert node.send("POST", ROOT, None, b"{}", Content_Type=MEDIA).status == 405
    head = node.send("HEAD", "/taxii2/")
    assert (head.status, head.body) == (200, b"")


def test_a_marking_has_a_collection_of_its_own_and_of_all_below(node: Taxii) -> None:
    node.collect([indicator(0)], Tlp.CLEAR, "clear")
    node.collect([indicator(1)], Tlp.GREEN, "green")
    node.collect([indicator(2)], Tlp.AMBER, "amber")
    node.collect([indicator(3)], Tlp.RED, "red")
    found = {alias: node.objects(alias).ids for alias in ("tlp-clear", "tlp-green", "tlp-amber", "released")}
    assert found == {
        "tlp-clear": [ident(0)],
        "tlp-green": [ident(0), ident(1)],
        "tlp-amber": [ident(0), ident(1), ident(2)],
        "released": [ident(0), ident(1), ident(2)],
    }
    assert node.get(node.collection("tlp-red")).status == 404
