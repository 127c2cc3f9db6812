"""Checking objects: strict JSON, the OASIS schemas, and what the specification asks beyond them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.formats.observables import Observable
from comity.formats.stix.check import TLP_MARKINGS, Checked, _micros, check_many
from comity.formats.stix.report import Refusal, Report, refusal
from comity.limits import INGEST_REFUSALS_SHOWN_MAX, REFUSAL_REASON_CHARS_MAX, STIX_BATCH_OBJECTS, STIX_NAME_CHARS_MAX
from comity.vocab import Tlp
from tests.formats.samples import (
    ABSENT,
    ADDRESS,
    IDENTITY,
    LATER,
    MD5,
    OBJECTS,
    SHA256,
    STRICT,
    TIME,
    TLP1,
    UUID,
    WRONG,
    Tree,
    domain_object,
    encoded,
    indicator,
    observable,
    relationship,
    sighting,
)


def check(tree: Tree) -> Checked | Refusal:
    return check_many([encoded(tree)])[0]


def accepted(tree: Tree) -> Checked:
    result = check(tree)
    assert isinstance(result, Checked), result
    return result


def test_a_good_indicator_gives_everything_the_views_need() -> None:
    markings = [TLP1["GREEN"], f"marking-definition--{UUID}"]
    tree = indicator(
        modified="2026-03-02T00:00:00.000001Z", valid_until=LATER, created_by_ref=IDENTITY, object_marking_refs=markings
    )
    assert accepted(tree) == Checked(
        id=f"indicator--{UUID}",
        type="indicator",
        uuid=bytes.fromhex(UUID.replace("-", "")),
        created=1_772_359_200_000_000,
        modified=1_772_409_600_000_001,
        valid_from=1_772_359_200,
        valid_until=1_775_037_600,
        revoked=False,
        name="A server",
        markings=tuple(markings),
        tlp=Tlp.GREEN,
        created_by=IDENTITY,
        custom=False,
        observables=(Observable("ipv4", "198.51.100.7"),),
        note="",
    )


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (indicator(modified="2026-02-28T10:00:00.000Z"), "order"),
        (indicator(valid_until=TIME), "order"),
        (indicator(valid_until="2026-02-28T10:00:00Z"), "order"),
        (sighting(first_seen=LATER, last_seen=TIME), "order"),
        (domain_object("campaign", name="x", first_seen=LATER, last_seen=TIME), "order"),
        (domain_object("malware", name="x", is_family=True, first_seen=LATER, last_seen=TIME), "order"),
        (relationship(start_time=TIME, stop_time=TIME), "order"),
        (observable("network-traffic", protocols=["tcp"], src_ref=ADDRESS, start=LATER, end=TIME), "order"),
        (indicator(created="2026-02-30T10:00:00.000Z"), "timestamp"),
        (indicator(valid_from="0000-01-01T00:00:00Z"), "timestamp"),
        (indicator(valid_from="2026-02-30T23:59:60Z"), "timestamp"),
        (domain_object("report", name="x", published="2026-02-29T00:00:00Z", object_refs=[IDENTITY]), "timestamp"),
        (indicator(id=f"malware--{UUID}"), "schema"),
        (domain_object("x-thing", id=f"x-other--{UUID}"), "id"),
        (domain_object("x-thing", id="x-thing--1"), "schema"),
        (indicator(created_by_ref=f"malware--{UUID}"), "reference"),
        (indicator(object_marking_refs=[IDENTITY]), "reference"),
        (relationship(source_ref=f"relationship--{UUID}"), "schema"),
        (relationship(target_ref="malware--1"), "schema"),
        (sighting(sighting_of_ref=f"marking-definition--{UUID}"), "schema"),
        (sighting(where_sighted_refs=[f"malware--{UUID}"]), "schema"),
        (sighting(observed_data_refs=[f"indicator--{UUID}"]), "schema"),
        (observable("domain-name", value="bad.example", resolves_to_refs=[f"url--{UUID}"]), "reference"),
        (observable("network-traffic", protocols=["tcp"], src_ref="0"), "reference"),
        (observable("email-message", is_multipart=False, from_ref=ADDRESS), "reference"),
        (indicator(x_seen_refs=["nothing"]), "reference"),
        (indicator(x_seen_ref=5), "reference"),
        (domain_object("x-thing", owner_ref="me"), "reference"),
        (indicator(pattern="[ipv4-addr:value = 198.51.100.7]"), "pattern"),
        (indicator(pattern="[file:hashes.MD5 = 'f00']"), "pattern"),
        (indicator(pattern="[" + "(" * 100 + "a:b = 1" + ")" * 100 + "]"), "pattern"),
        (indicator(pattern=ABSENT), "schema"),
        (indicator(confidence=101), "schema"),
        (indicator(revoked="no"), "schema"),
        (indicator(created="2026-03-01T10:00:00Z"), "schema"),
        (indicator(labels=[]), "schema"),
        (indicator(name=None), "schema"),
        (indicator(X_CAPITAL=1), "schema"),
        (indicator(type=ABSENT), "schema"),
        (indicator(type=5), "schema"),
        (indicator(type=["indicator"]), "schema"),
        (indicator(spec_version=ABSENT), "version"),
        ({"type": "bundle", "id": f"bundle--{UUID}", "objects": [indicator()]}, "bundle"),
        ({}, "schema"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_that_rule(tree: Tree, expected: str) -> None:
    result = check(tree)
    assert isinstance(result, Refusal), result
    assert result.rule == expected
    assert result.reason
    assert result.ident in {tree.get("id"), ""}


@pytest.mark.parametrize(
    "tree",
    [
        indicator(valid_until="2026-03-01T10:00:00.001Z"),
        indicator(modified=TIME),
        sighting(first_seen=TIME, last_seen=TIME),
        observable("network-traffic", protocols=["tcp"], src_ref=ADDRESS, start=TIME, end=TIME),
        relationship(source_ref=ADDRESS, target_ref=f"x-thing--{UUID}"),
        observable("domain-name", value="bad.example", resolves_to_refs=[ADDRESS, f"domain-name--{UUID}"]),
        observable("url", value="http://bad host/a|b"),  # no URL by RFC 3986, and still what was seen
        observable("ipv4-addr", value="198.51.100.7", spec_version=ABSENT),
        observable("file", hashes={"MD5": MD5}, extensions={"ntfs-ext": {"sid": "1"}}),
    ],
)
def test_what_only_looks_wrong_is_accepted(tree: Tree) -> None:
    assert not accepted(tree).custom


@pytest.mark.parametrize(
    "tree",
    [
        domain_object("x-thing", anything={"deep": [1, 2, {"x": None}]}),
        observable("x-arcadia-sensor", value="7"),
        indicator(x_arcadia_score=7, x_more=[{"a": 1}]),
        observable("ipv4-addr", value="198.51.100.7", x_seen=3),
        domain_object("grouping-of-ours", name=5),
    ],
)
def test_custom_types_and_properties_are_kept_and_marked(tree: Tree) -> None:
    assert accepted(tree).custom


def test_the_answers_stand_in_the_order_of_the_objects_whatever_is_among_them() -> None:
    good = [encoded(indicator(name=f"number {number}")) for number in range(3 * STIX_BATCH_OBJECTS)]
    hostile = [
        b"{",
        b"\xff",
        encoded(indicator(confidence=-1)),
        encoded({"type": "x"}),
        b'{"type":"indicator","type":"x"}',
        b"[]",
    ]
    mixed = [each for number, one in enumerate(good) for each in (one, hostile[number % len(hostile)])]
    answers = check_many(mixed)
    assert [answer.name for answer in answers[::2] if isinstance(answer, Checked)] == [
        f"number {n}" for n in range(len(good))
    ]
    assert all(isinstance(answer, Refusal) for answer in answers[1::2])
    assert answers[:40] == [check_many([data])[0] for data in mixed[:40]]
    assert check_many([]) == []


@pytest.mark.parametrize(
    ("refs", "parts", "level"),
    [
        ([], [], None),
        ([f"marking-definition--{UUID}"], [], None),
        ([TLP1["WHITE"]], [], Tlp.CLEAR),
        ([TLP1["AMBER"]], [], Tlp.AMBER),
        ([TLP1["GREEN"], STRICT, TLP1["AMBER"]], [], Tlp.AMBER_STRICT),
        ([TLP1["GREEN"]], [TLP1["RED"]], Tlp.RED),
    ],
)
def test_the_strictest_level_counts_also_where_it_marks_only_a_part(
    refs: list[str], parts: list[str], level: Tlp
) -> None:
    tree = indicator(
        object_marking_refs=refs or ABSENT,
        granular_markings=[{"marking_ref": ref, "selectors": ["name"]} for ref in parts] or ABSENT,
    )
    assert (accepted(tree).markings, accepted(tree).tlp) == ((*refs, *parts), level)


def test_the_tlp_markings_of_both_versions_are_known() -> None:
    assert len(TLP_MARKINGS) == 9
    assert set(TLP_MARKINGS.values()) == set(Tlp)
    assert set(TLP1.values()) <= TLP_MARKINGS.keys()


@pytest.mark.parametrize("level", ["clear", "green", "amber", "amber+strict", "red"])
def test_marking_definitions_of_tlp_2_are_accepted(level: str) -> None:
    extension = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
    tree = domain_object(
        "marking-definition",
        modified=ABSENT,
        name=f"TLP:{level.upper()}",
        extensions={extension: {"extension_type": "property-extension", "tlp_2_0": level}},
    )
    assert accepted(tree).modified == _micros(TIME)


@pytest.mark.parametrize(
    ("tree", "found", "note"),
    [
        (indicator(pattern="rule x {}", pattern_type="yara"), [], "pattern not STIX"),
        (indicator(pattern="[file:size > 5]"), [], "no observable"),
        (indicator(pattern="[a:b = 'x' AND a:c = 'y']"), [("text", "x"), ("text", "y")], "pattern not simple"),
        (observable("ipv4-addr", value="198.51.100.7"), [("ipv4", "198.51.100.7")], ""),
        (observable("ipv4-addr", value="198.51.100.9/24"), [("ipv4", "198.51.100.0/24")], ""),
        (observable("ipv6-addr", value="2001:DB8::1"), [("ipv6", "2001:db8::1")], ""),
        (observable("domain-name", value="BAD.example"), [("domain", "bad.example")], ""),
        (observable("domain-name", value="bad[.]example", defanged=True), [("domain", "bad.example")], ""),
        (observable("url", value="HTTP://bad.example"), [("url", "http://bad.example/")], ""),
        (observable("email-addr", value="a@Bad.example", display_name="A"), [("email", "a@bad.example")], ""),
        (observable("mac-addr", value="00:00:5e:00:53:01"), [("mac", "00:00:5e:00:53:01")], ""),
        (observable("autonomous-system", number=64496), [("asn", "64496")], ""),
        (observable("mutex", name="Global\\x"), [("mutex", "Global\\x")], ""),
        (
            observable("windows-registry-key", key="HKEY_CURRENT_USER\\X"),
            [("registry-key", "hkey_current_user\\x")],
            "",
        ),
        (observable("directory", path="C:\\Temp"), [("file-path", "c:\\temp")], ""),
        (
            observable("file", name="Evil.exe", hashes={"MD5": MD5, "SHA-256": SHA256, "SSDEEP": "3:a:b"}),
            [("file-name", "evil.exe"), ("md5", MD5), ("sha256", SHA256), ("text", "3:a:b")],
            "",
        ),
        (observable("x509-certificate", hashes={"SHA-256": SHA256}), [("certificate", SHA256)], ""),
        (
            observable(
                "network-traffic",
                protocols=["http"],
                dst_ref=ADDRESS,
                extensions={
                    "http-request-ext": {
                        "request_method": "get",
                        "request_value": "/",
                        "request_header": {"User-Agent": ["Evil/1.0"], "Host": ["x"]},
                    }
                },
            ),
            [("user-agent", "Evil/1.0")],
            "",
        ),
        (observable("user-account", user_id="somebody", account_login="somebody"), [], ""),
        (domain_object("vulnerability", name="CVE-2021-44228"), [("cve", "CVE-2021-44228")], ""),
        (
            domain_object(
                "observed-data",
                first_observed=TIME,
                last_observed=TIME,
                number_observed=1,
                objects={
                    "0": observable("ipv4-addr", value="198.51.100.7"),
                    "1": observable("user-account", user_id="x"),
                },
            ),
            [("ipv4", "198.51.100.7")],
            "",
        ),
        (domain_object("malware", name="x", is_family=False), [], ""),
        (relationship(), [], ""),
    ],
)
def test_observables_of_objects(tree: Tree, found: list[tuple[str, str]], note: str) -> None:
    result = accepted(tree)
    assert (result.observables, result.note) == (tuple(Observable(*each) for each in found), note)


def test_the_same_version_is_told_by_its_microsecond_however_it_is_written() -> None:
    tenth = _micros("2026-03-01T10:00:00.1Z")
    assert tenth == _micros("2026-03-01T10:00:00.100Z") == _micros("2026-03-01T10:00:00.1000004Z")
    assert _micros("2016-12-31T23:59:60Z") == _micros("2017-01-01T00:00:00Z")
    assert _micros("1969-12-31T23:59:59.999999Z") == -1


def test_nested_objects_that_the_schema_cannot_see_do_no_harm() -> None:
    # The schema's `^.*$` matches no key with a line break, so such a value may be anything.
    tree = domain_object(
        "observed-data", first_observed=TIME, last_observed=TIME, number_observed=1, objects={"a\nb": 5}
    )
    assert accepted(tree).observables == ()


def test_names_and_reasons_are_bounded() -> None:
    assert len(accepted(indicator(name="x" * 100_000)).name) == STIX_NAME_CHARS_MAX
    refused = check(indicator(confidence="\x1b[2J" * 100_000))
    assert isinstance(refused, Refusal)
    assert len(refused.reason) <= REFUSAL_REASON_CHARS_MAX
    assert refused.reason.isprintable()


def test_a_report_counts_all_and_names_the_first() -> None:
    report = Report()
    report.accept()
    report.accept("pattern not simple")
    for number in range(INGEST_REFUSALS_SHOWN_MAX + 5):
        report.refuse(refusal("schema" if number % 2 else "json", f"number {number}", offset=number))
    assert (report.accepted, report.refused) == (2, INGEST_REFUSALS_SHOWN_MAX + 5)
    assert sum(report.by_rule.values()) == report.refused
    assert [refused.offset for refused in report.shown] == list(range(INGEST_REFUSALS_SHOWN_MAX))
    assert report.notes == {"pattern not simple": 1}


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(
            ["type", "id", "created", "modified", "pattern", "valid_from", "object_marking_refs", "x_y_ref", "name"]
        ),
        st.sampled_from([*WRONG[1:], "indicator", "file", f"indicator--{UUID}", [TLP1["RED"]]])
        | st.recursive(
            st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=4,
        ),
    )
)
def test_any_change_to_any_object_gives_an_answer(changes: Tree) -> None:
    for tree in OBJECTS:
        assert isinstance(check(tree | changes), Checked | Refusal)


@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_give_an_answer(data: bytes) -> None:
    assert isinstance(check_many([data])[0], Refusal)
