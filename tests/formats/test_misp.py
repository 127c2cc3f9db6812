"""MISP events to STIX: what each part becomes, and that nothing is dropped without a word."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stix2

from comity.formats.convert import Loss, Outcome
from comity.formats.misp.read import read
from tests.formats.misp_samples import (
    CONTEXT,
    EVENT,
    MD5,
    ORG,
    SHA256,
    Tree,
    attribute,
    encoded,
    event,
    kinds,
    of_event,
    only,
    taken,
    thing,
    uuid,
)

TIME = "2020-09-13T12:26:40.000Z"


def rules(losses: list[Loss]) -> list[tuple[str, str]]:
    return [(loss.outcome.value, loss.rule) for loss in losses]


# --- one attribute ------------------------------------------------------------------------------------------


def test_a_to_ids_attribute_is_an_indicator_with_its_uuid_date_comment_and_tags() -> None:
    given = attribute(comment="C2", Tag=[{"name": 'osint:certainty="50"'}], first_seen="2020-09-01T00:00:00+02:00")
    objects, losses = of_event(given)
    found = only(objects, "indicator")
    assert losses == []
    assert found["id"] == f"indicator--{uuid(1)}"
    assert (found["created"], found["modified"], found["valid_from"]) == (TIME, TIME, "2020-08-31T22:00:00.000Z")
    assert found["pattern"] == "[ipv4-addr:value = '198.51.100.7']"
    assert found["description"] == "C2"
    assert found["labels"] == ['misp:type="ip-dst"', 'misp:category="Network activity"', 'osint:certainty="50"']
    assert found["created_by_ref"] == f"identity--{ORG['uuid']}"
    assert found["id"] in only(objects, "report")["object_refs"]


def test_a_value_that_is_not_to_ids_is_observed_and_found_by_look_up() -> None:
    objects, losses = of_event(attribute(to_ids=False, comment="seen"))
    observed, address = only(objects, "observed-data"), only(objects, "ipv4-addr")
    assert losses == []
    assert observed["object_refs"] == [address["id"]]
    assert (observed["first_observed"], observed["x_misp_comment"]) == (TIME, "seen")
    assert address["id"] == stix2.v21.IPv4Address(value="198.51.100.7").id


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        ("ip-src", "2001:DB8::1", "[ipv6-addr:value = '2001:db8::1']"),
        ("domain", "Bad.example", "[domain-name:value = 'Bad.example']"),
        ("url", "http://bad.example/it's", "[url:value = 'http://bad.example/it\\'s']"),
        ("md5", MD5, f"[file:hashes.MD5 = '{MD5}']"),
        ("filename", "C:\\a.exe", "[file:name = 'C:\\\\a.exe']"),
        ("AS", "AS64500", "[autonomous-system:number = 64500]"),
        ("email-src", "eve@bad.example", "[email-message:from_ref.value = 'eve@bad.example']"),
        ("port", 8443, "[network-traffic:dst_port = 8443]"),
        ("ja3-fingerprint-md5", MD5, f"[x-misp-ja3-fingerprint-md5:value = '{MD5}']"),
        (
            "domain|ip",
            "bad.example|192.0.2.1",
            "[domain-name:value = 'bad.example' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']",
        ),
        ("filename|sha256", f"a|b|{SHA256}", f"[file:name = 'a|b' AND file:hashes.'SHA-256' = '{SHA256}']"),
        (
            "ip-dst|port",
            "192.0.2.1|443",
            "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]",
        ),
        (
            "regkey|value",
            "HKLM\\Software\\X|1",
            "[windows-registry-key:key = 'HKLM\\\\Software\\\\X' AND windows-registry-key:values[*].data = '1']",
        ),
        ("x509-fingerprint-md5", MD5, f"[x509-certificate:hashes.MD5 = '{MD5}']"),
        ("stix2-pattern", "[url:value = 'x'] FOLLOWEDBY [url:value = 'y']", None),
    ],
)
def test_a_type_has_its_pattern(kind: str, value: object, pattern: str | None) -> None:
    objects, losses = of_event(attribute(kind, value))
    assert losses == []
    assert only(objects, "indicator")["pattern"] == (value if pattern is None else pattern)


def test_what_is_defanged_is_refanged_and_said() -> None:
    objects, losses = of_event(attribute("domain", "bad[.]example"))
    assert only(objects, "indicator")["pattern"] == "[domain-name:value = 'bad.example']"
    assert rules(losses) == [("changed", "refanged")]


@pytest.mark.parametrize(("kind", "value"), [("ip-dst", "nonsense"), ("md5", "abc"), ("domain|ip", "bad.example")])
def test_a_value_that_does_not_fit_its_type_is_a_note_and_said(kind: str, value: str) -> None:
    objects, losses = of_event(attribute(kind, value))
    note = only(objects, "note")
    assert (note["content"], kinds(objects), rules(losses)) == (value, {"note"}, [("changed", "value-form")])
    assert 'misp:to_ids="true"' in note["labels"]


@pytest.mark.parametrize("language", ["yara", "sigma", "snort", "suricata"])
def test_a_rule_is_a_pattern_in_its_own_language_and_a_note_where_it_is_not_to_ids(language: str) -> None:
    objects, _ = of_event(attribute(language, "rule x", 1), attribute(language, "rule y", 2, to_ids=False))
    found = only(objects, "indicator")
    assert (found["pattern"], found["pattern_type"]) == ("rule x", language)
    assert only(objects, "note")["content"] == "rule y"


def test_a_vulnerability_is_one_with_its_reference() -> None:
    objects, _ = of_event(attribute("vulnerability", "CVE-2021-44228", to_ids=False))
    found = only(objects, "vulnerability")
    assert found["id"] == f"vulnerability--{uuid(1)}"
    assert found["external_references"] == [{"source_name": "cve", "external_id": "CVE-2021-44228"}]


def test_a_deleted_attribute_is_revoked_and_what_it_showed_is_not_shown() -> None:
    objects, losses = of_event(attribute(number=1, deleted=True), attribute(number=2, to_ids=False, deleted="1"))
    assert only(objects, "indicator")["revoked"] is True
    assert only(objects, "observed-data")["revoked"] is True
    assert kinds(objects) == {"indicator", "observed-data"}
    assert rules(losses) == [("changed", "deleted")]


def test_an_unknown_type_is_kept_as_a_note_and_said() -> None:
    objects, losses = of_event(attribute("moon-phase", "waxing", to_ids=False))
    assert only(objects, "note")["content"] == "waxing"
    assert rules(losses) == [("changed", "attribute-type")]


def test_a_broken_sample_costs_neither_its_name_nor_its_hash() -> None:
    objects, losses = of_event(attribute("malware-sample", f"a.exe|{MD5}", data="UEsDBA=="))
    assert only(objects, "indicator")["pattern"] == f"[file:name = 'a.exe' AND file:hashes.MD5 = '{MD5}']"
    assert rules(losses) == [("changed", "sample-wrapped")]


def test_a_person_is_sealed_and_nothing_of_the_value_gets_out() -> None:
    secret = "Ada of Arcadia"
    given = [
        attribute("whois-registrant-name", secret, 1),
        attribute("target-user", secret, 2),
        attribute("text", secret, 3, category="Person"),
    ]
    persons = [thing("person", attribute("text", secret, 4)), thing("x", attribute("text", secret, 5), number=901)]
    persons[1]["Attribute"][0]["object_relation"] = "username"
    out = list(read([encoded(event(*given, Object=persons, event_creator_email=f"{secret}@a.example"))], CONTEXT))
    assert [one for one in out if secret in str(one)] == []
    sealed = [one for one in out if isinstance(one, Loss) and one.outcome is Outcome.SEALED]
    assert len(sealed) == 6
    assert [one for one in out if isinstance(one, Loss) and one.outcome is not Outcome.SEALED] == []


def test_a_newer_state_of_an_event_makes_new_versions_of_the_same_objects() -> None:
    first, _ = of_event(attribute(), attribute("text", "x", 2, to_ids=False))
    second, _ = of_event(
        attribute(timestamp="1700000000", comment="still there"),
        attribute("text", "x", 2, to_ids=False, timestamp="1700000000"),
        timestamp="1700000000",
    )
    assert [one["id"] for one in first] == [one["id"] for one in second]
    versions = [(old["modified"], new["modified"]) for old, new in zip(first, second, strict=True)][1:]
    assert all(old < new for old, new in versions)


def test_reading_twice_gives_the_same_bytes() -> None:
    data = encoded(event(attribute(uuid="broken"), attribute(number=2, to_ids=False), uuid=None))
    assert list(read([data], CONTEXT)) == list(read([data[:7], data[7:]], CONTEXT))


# --- what hangs on it ---------------------------------------------------------------------------------------


def test_sightings_false_positives_and_expirations() -> None:
    who = {"name": "CERT Borealia", "uuid": uuid(50)}
    marks = [
        {"uuid": uuid(10), "type": "0", "date_sighting": "1600000500", "source": "sensor", "Organisation": who},
        {"uuid": uuid(11), "type": "1", "date_sighting": "1600000600", "source": ""},
        {"uuid": uuid(12), "type": "2", "date_sighting": "1700000000", "source": ""},
        {"uuid": uuid(13), "type": "9"},
    ]
    objects, losses = of_event(attribute(Sighting=marks))
    sighting, opinion = only(objects, "sighting"), only(objects, "opinion")
    indicator = only(objects, "indicator")
    assert (sighting["id"], sighting["sighting_of_ref"]) == (f"sighting--{uuid(10)}", indicator["id"])
    assert sighting["where_sighted_refs"] == [f"identity--{uuid(50)}"]
    assert sighting["first_seen"] == "2020-09-13T12:35:00.000Z"
    assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-disagree", [indicator["id"]])
    assert indicator["valid_until"] == "2023-11-14T22:13:20.000Z"
    assert rules(losses) == [("refused", "sighting")]


def cluster(kind: str, value: str, number: int = 70, **changes: Any) -> Tree:
    made = {
        "uuid": uuid(number),
        "type": kind,
        "value": value,
        "description": "d",
        "meta": {"refs": ["http://a.example/"]},
    }
    return {"type": kind, "name": kind, "GalaxyCluster": [made | changes]}


@pytest.mark.parametrize(
    ("galaxy", "kind"),
    [
        ("mitre-attack-pattern", "attack-pattern"),
        ("threat-actor", "threat-actor"),
        ("eset-threat-actor", "threat-actor"),
        ("mitre-intrusion-set", "intrusion-set"),
        ("ransomware", "malware"),
        ("mitre-tool", "tool"),
        ("mitre-course-of-action", "course-of-action"),
        ("sector", "identity"),
        ("target-information", "note"),
    ],
)
def test_a_cluster_is_what_its_galaxy_is_about(galaxy: str, kind: str) -> None:
    objects, losses = of_event(attribute(), Galaxy=[cluster(galaxy, "Thing")])
    found = [one for one in objects if one["id"] == f"{kind}--{uuid(70)}"]
    assert len(found) == 1
    assert losses == []
    assert found[0]["id"] in only(objects, "report")["object_refs"]


def test_an_attributes_cluster_is_indicated_and_a_uuid_that_stix_refuses_gets_another() -> None:
    seven = "01890a5d-ac96-774b-bcce-b302099a8057"
    objects, losses = of_event(attribute(Galaxy=[cluster("mitre-attack-pattern", "Phishing - T1566", uuid=seven)]))
    pattern, relation = only(objects, "attack-pattern"), only(objects, "relationship")
    assert losses == []
    assert pattern["name"] == "Phishing"
    assert pattern["external_references"][0] == {"source_name": "mitre-attack", "external_id": "T1566"}
    assert (relation["relationship_type"], relation["target_ref"]) == ("indicates", pattern["id"])
    again, _ = of_event(attribute(Galaxy=[cluster("mitre-attack-pattern", "Phishing - T1566", uuid="x")]))
    assert pattern["id"] == only(again, "attack-pattern")["id"]


def test_reports_and_what_analysts_wrote() -> None:
    note = {"uuid": uuid(20), "note": "see ticket", "authors": "ada@a.example", "created": "2020-10-01 10:00:00"}
    opinion = {"uuid": uuid(21), "opinion": "85", "comment": "sure", "Note": [{"uuid": uuid(22), "note": "why?"}]}
    link = {"uuid": uuid(23), "relationship_type": "related to", "related_object_uuid": uuid(2)}
    report = {"uuid": uuid(24), "name": "Summary", "content": "# What happened", "timestamp": "1600000000"}
    given = attribute(Note=[note], Opinion=[opinion], Relationship=[link])
    objects, losses = of_event(given, attribute(number=2), EventReport=[report])
    notes = {one["content"]: one for one in objects if one["type"] == "note"}
    assert set(notes) == {"see ticket", "why?", "# What happened"}
    assert notes["see ticket"]["modified"] == "2020-10-01T10:00:00.000Z"
    assert notes["why?"]["object_refs"] == [f"indicator--{uuid(1)}"]
    assert notes["# What happened"]["object_refs"] == [f"report--{EVENT}"]
    assert (only(objects, "opinion")["opinion"], only(objects, "opinion")["explanation"]) == ("strongly-agree", "sure")
    relation = only(objects, "relationship")
    assert (relation["relationship_type"], relation["target_ref"]) == ("related-to", f"indicator--{uuid(2)}")
    assert rules(losses) == [("sealed", "authors")]


def test_proposals_stay_in_the_original_and_each_is_counted() -> None:
    shadows = [attribute(number=30), attribute(number=31)]
    objects, losses = of_event(attribute(ShadowAttribute=shadows), ShadowAttribute=shadows)
    assert kinds(objects) == {"indicator"}
    assert rules(losses) == [("unmapped", "proposal")] * 4


def test_confidence_warnings_and_decay_are_kept() -> None:
    tags = [{"name": 'misp:confidence-level="fairly-confident"'}]
    warnings = [{"warninglist_name": "Top 1000 sites", "match": "x"}]
    objects, losses = of_event(attribute(Tag=tags, warnings=warnings, decayed=True))
    found = only(objects, "indicator")
    assert (found["confidence"], losses) == (50, [])
    assert {'misp:warning="Top 1000 sites"', 'misp:decayed="true"'} <= set(found["labels"])


# --- objects ------------------------------------------------------------------------------------------------


def part(relation: str, kind: str, value: str, number: int, **changes: Any) -> Tree:
    return attribute(kind, value, number, object_relation=relation, **changes)


def test_a_file_is_one_indicator_of_its_hashes_and_an_observed_file_of_all_it_has() -> None:
    given = thing(
        "file",
        part("md5", "md5", MD5, 1),
        part("sha256", "sha256", SHA256, 2),
        part("filename", "filename", "a.exe", 3, to_ids=False),
        part("size-in-bytes", "size-in-bytes", "17", 4, to_ids=False),
        part("text", "text", "dropped by b.exe", 5, to_ids=False),
    )
    objects, losses = of_event(Object=[given])
    found, shown, note = only(objects, "indicator"), only(objects, "file"), only(objects, "note")
    assert losses == []
    assert found["id"] == f"indicator--{uuid(900)}"
    assert found["pattern"] == f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-256' = '{SHA256}']"
    assert (shown["name"], shown["size"], shown["hashes"]) == ("a.exe", 17, {"MD5": MD5, "SHA-256": SHA256})
    assert (note["content"], note["object_refs"]) == ("text: dropped by b.exe", [found["id"]])
    relation = only(objects, "relationship")
    assert relation["relationship_type"] == "based-on"
    assert 'misp:object="file"' in found["labels"]


def test_a_name_beside_a_hash_only_describes_and_alone_identifies() -> None:
    beside, losses = of_event(
        Object=[thing("file", part("md5", "md5", MD5, 1), part("filename", "filename", "a.exe", 2))]
    )
    assert only(beside, "indicator")["pattern"] == f"[file:hashes.MD5 = '{MD5}']"
    assert only(beside, "file")["name"] == "a.exe"
    assert rules(losses) == [("changed", "name-beside")]
    alone, losses = of_event(Object=[thing("file", part("filename", "filename", "a.exe", 2))])
    assert (only(alone, "indicator")["pattern"], losses) == ("[file:name = 'a.exe']", [])


def test_a_port_narrows_a_connection() -> None:
    given = thing(
        "network-connection",
        part("ip-dst", "ip-dst", "192.0.2.1", 1),
        part("dst-port", "port", "443", 2),
        part("layer4-protocol", "text", "TCP", 3, to_ids=False),
    )
    objects, losses = of_event(Object=[given])
    assert losses == []
    assert only(objects, "indicator")["pattern"] == (
        "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]"
    )
    traffic = only(objects, "network-traffic")
    assert (traffic["protocols"], traffic["dst_port"]) == (["tcp"], 443)
    assert traffic["dst_ref"] == only(objects, "ipv4-addr")["id"]


@pytest.mark.parametrize("to_ids", [True, False])
def test_of_an_unknown_template_every_value_is_kept(to_ids: bool) -> None:
    parts = [
        part("seen", "domain", "bad.example", 1, to_ids=to_ids),
        part("odd", "text", "free words", 2, to_ids=False),
        part("weird", "moon-phase", "waxing", 3, to_ids=False),
    ]
    objects, losses = of_event(Object=[thing("nobody-knows-this", *parts)])
    text = json.dumps(objects)
    assert all(value in text for value in ("bad.example", "free words", "waxing"))
    assert rules(losses) == [("changed", "attribute-type")]
    kept = only(objects, "note")["x_misp_attributes"]
    assert [one["object_relation"] for one in kept] == ["odd", "weird"]


def test_references_between_objects_are_relationships_and_a_dead_end_is_said() -> None:
    links = [
        {"uuid": uuid(40), "referenced_uuid": uuid(901), "relationship_type": "drops", "comment": "at start"},
        {"uuid": uuid(41), "referenced_uuid": uuid(2), "relationship_type": "contacts"},
        {"uuid": uuid(42), "referenced_uuid": uuid(999), "relationship_type": "drops"},
    ]
    first = thing("file", part("md5", "md5", MD5, 1), ObjectReference=links)
    second = thing("file", part("sha256", "sha256", SHA256, 3), number=901)
    objects, losses = of_event(attribute("domain", "bad.example", 2), Object=[first, second])
    found = {one["relationship_type"]: one for one in objects if one["type"] == "relationship"}
    assert found["drops"]["target_ref"] == f"indicator--{uuid(901)}"
    assert found["drops"]["description"] == "at start"
    assert found["contacts"]["target_ref"] == f"indicator--{uuid(2)}"
    assert rules(losses) == [("unmapped", "reference")]


# --- shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda one: {"Event": one},
        lambda one: one,
        lambda one: [{"Event": one}],
        lambda one: [one],
        lambda one: {"response": [{"Event": one}]},
        lambda one: {"response": {"Event": one}},
        lambda one: {"response": one},
    ],
)
def test_every_shape_gives_the_same_objects(wrap: Any) -> None:
    one = event(attribute(), attribute("text", "x", 2))
    objects, losses = taken(json.dumps(wrap(one)).encode())
    assert {each["id"] for each in objects} == {each["id"] for each in taken(encoded(one))[0]}
    assert rules(losses) == [("changed", "to-ids")]


def test_parts_that_are_numbered_and_not_listed_are_all_read() -> None:
    parts = {"0": attribute(number=1), "1": attribute(number=2)}
    objects, losses = of_event(Attribute=parts, Object={"7": thing("file", attribute("md5", MD5, 3))})
    assert {one["id"] for one in objects if one["type"] == "indicator"} == {
        f"indicator--{uuid(number)}" for number in (1, 2, 900)
    }
    assert losses == []
    alone, _ = of_event(Attribute=attribute())
    assert only(alone, "indicator")["id"] == f"indicator--{uuid(1)}"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'"deleted": false', b'"deleted": false,'),
        lambda data: data.replace(b'"comment": ""', b'"comment": NaN'),
        lambda data: data.replace(b"Phishing", b"Phis\x01hing"),
        lambda data: data.replace(b"]}}", b",]}}"),
    ],
)
def test_what_can_only_mean_one_thing_is_mended(change: Any) -> None:
    data = change(encoded(event(attribute())))
    objects, losses = taken(data)
    assert only(objects, "indicator")["id"] == f"indicator--{uuid(1)}"
    assert rules(losses) in ([], [("changed", "json")])
    assert bool(losses) != data.startswith(b"\xef\xbb\xbf")


def test_the_rest_of_an_event_survives_an_attribute_that_is_none() -> None:
    broken: list[Any] = [5, None, "x", [], {}, {"type": "md5"}, {"value": "x"}, attribute(value=["x"], number=3)]
    objects, losses = of_event(*broken, attribute())
    assert only(objects, "indicator")["id"] == f"indicator--{uuid(1)}"
    assert rules(losses) == [("refused", "attribute")] * len(broken)


def test_a_key_that_stands_twice_is_said() -> None:
    data = encoded(event(attribute())).replace(b'"info"', b'"Attribute": [], "info"')
    assert ("changed", "repeated-key") in rules(taken(data)[1])
    inner = encoded(event(attribute())).replace(b'"value": ', b'"value": "192.0.2.9", "value": ')
    assert rules(taken(inner)[1]) == [("changed", "repeated-key")]
    harmless = encoded(event(attribute("text", 'a:b "c": \\u003a', to_ids=False, comment="x\u003ay")))
    assert taken(harmless)[1] == []


def test_a_large_event_is_named_in_groupings() -> None:
    count = 10_050
    objects, losses = of_event(*[attribute("domain", f"h{at}.bad.example", at + 1) for at in range(count)])
    groups = [one for one in objects if one["type"] == "grouping"]
    named = [ref for one in groups for ref in one["object_refs"]]
    assert losses == []
    assert only(objects, "report")["object_refs"] == [one["id"] for one in groups]
    assert set(named) == {one["id"] for one in objects} - {one["id"] for one in groups} - {f"report--{EVENT}"}
