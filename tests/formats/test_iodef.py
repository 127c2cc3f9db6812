"""IODEF: incidents of both versions, whose victims are no indicators and whose people stay sealed."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats import iodef, iodef_values
from comity.formats.convert import TLP_REFS
from comity.vocab import Tlp
from tests.formats.reading import CONTEXT, Read, chunked, sorted_out

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
V1 = """<?xml version="1.0" encoding="UTF-8"?>
<IODEF-Document version="1.00" lang="en" xmlns="urn:ietf:params:xml:ns:iodef-1.0">
  <Incident purpose="reporting" restriction="need-to-know">
    <IncidentID name="csirt.arcadia.example">189493</IncidentID>
    <AlternativeID><IncidentID name="cert.borealia.example">B-7</IncidentID></AlternativeID>
    <RelatedActivity><URL>https://cert.arcadia.example/worm</URL></RelatedActivity>
    <ReportTime>2026-01-13T23:19:24+00:00</ReportTime>
    <Description>Host sending out probes</Description>
    <Assessment><Impact severity="high" completion="failed" type="admin"/><Confidence rating="medium"/></Assessment>
    <Method><Reference><ReferenceName>CVE-2026-1234</ReferenceName><URL>https://cve.example/1</URL></Reference></Method>
    <Contact role="creator" type="organization">
      <ContactName>CSIRT Arcadia</ContactName>
      <Email>ada@arcadia.example</Email>
      <Contact role="tech" type="person"><ContactName>Ada Example</ContactName></Contact>
    </Contact>
    <EventData>
      <DetectTime>2026-01-13T18:00:00+01:00</DetectTime>
      <EndTime>2026-01-13T19:00:00+01:00</EndTime>
      <Flow>
        <System category="source">
          <Node><Address category="ipv4-addr">192.0.2.200</Address><Counter type="event">57</Counter></Node>
        </System>
        <System category="target"><Node><Address category="ipv4-net">198.51.100.16/28</Address></Node></System>
        <System category="source" spoofed="yes"><Node><Address category="ipv6-addr">2001:db8::7</Address></Node>
        </System>
      </Flow>
      <Expectation action="block-host"/>
    </EventData>
    <History><HistoryItem action="notification"><DateTime>2026-01-13T20:00:00Z</DateTime>
      <Description>Told the owner</Description><Contact role="tech" type="person"/></HistoryItem></History>
  </Incident>
</IODEF-Document>"""
REFERENCE = "<ObservableReference uid-ref='addr'/>"
FILE = (
    "<Observable><FileData><File><FileName>loader.exe</FileName><HashData scope='file-contents'><Hash>"
    "<ds:DigestMethod Algorithm='x'/><ds:DigestValue>{digest}</ds:DigestValue>"
    "</Hash></HashData></File></FileData></Observable>"
)


def bulk(kind: str, values: str, more: str = "") -> str:
    listed = f"<BulkObservableList>{values}</BulkObservableList>"
    return f"<Observable><BulkObservable type='{kind}' {more}>{listed}</BulkObservable></Observable>"


def system(category: str, inside: str, more: str = "") -> str:
    return f"<EventData {more}><Flow><System category='{category}'><Node>{inside}</Node></System></Flow></EventData>"


NAMED = "<DomainData><Name>c2[.]borealia[.]example</Name></DomainData>"
DOMAIN = f"<Observable><System><Node>{NAMED}</Node></System></Observable>"
SEALED = bulk("user-name", "ada")
SPACES = "xmlns='urn:ietf:params:xml:ns:iodef-2.0' xmlns:ds='http://www.w3.org/2000/09/xmldsig#'"


def v2(indicator: str, *, attributes: str = "restriction='green'", more: str = "") -> str:
    seen = system("intermediate", "<Address observable-id='addr' category='ipv4-addr'>203.0.113.9</Address>")
    return (
        f"<IODEF-Document version='2.00' {SPACES}><Incident purpose='watch' status='open' {attributes}>"
        "<IncidentID name='csirt.arcadia.example'>2-1</IncidentID>"
        "<GenerationTime>2026-02-01T00:00:00Z</GenerationTime>"
        "<Contact type='organization' role='creator'><ContactName>CSIRT Arcadia</ContactName></Contact>"
        f"{seen}{more}"
        "<IndicatorData><Indicator><IndicatorID name='csirt.arcadia.example' version='1'>I-1</IndicatorID>"
        "<Description>the loader</Description>"
        "<StartTime>2026-01-02T00:00:00Z</StartTime><EndTime>2026-06-01T00:00:00Z</EndTime>"
        f"<Confidence rating='numeric'>75</Confidence>{indicator}</Indicator></IndicatorData>"
        "</Incident></IODEF-Document>"
    )


def read(text: str | bytes) -> Read:
    return sorted_out(iodef.read(chunked(text.encode() if isinstance(text, str) else text), CONTEXT))


def indicator(text: str) -> dict[str, Any]:
    return read(v2(text)).only("indicator")


def level(tree: dict[str, Any]) -> Tlp:
    (ref,) = tree["object_marking_refs"]
    return next(tlp for tlp, each in TLP_REFS.items() if each == ref)


def test_an_incident_is_a_report_of_its_csirt() -> None:
    found = read(V1)
    report = found.only("report")
    assert report["name"] == report["description"] == "Host sending out probes"
    assert report["created"] == report["published"] == "2026-01-13T23:19:24.000Z"
    assert report["labels"] == [
        "purpose:reporting",
        "impact-type:admin",
        "impact-severity:high",
        "impact-completion:failed",
    ]
    assert report["confidence"] == 50
    assert [(each["source_name"], each.get("external_id")) for each in report["external_references"]] == [
        ("csirt.arcadia.example", "189493"), ("cert.borealia.example", "B-7"), ("iodef", None),
        ("cve", "CVE-2026-1234"),
    ]  # fmt: skip
    names = {tree["id"]: tree.get("name") for tree in found.of("identity")}
    assert sorted(map(str, names.values())) == ["CSIRT Arcadia", "csirt.arcadia.example"]
    assert names[report["created_by_ref"]] == "csirt.arcadia.example"
    assert set(report["object_refs"]) == {tree["id"] for tree in found.trees if tree["type"] not in {"report", "note"}}


def test_a_source_is_an_indicator_and_a_victim_is_not() -> None:
    found = read(V1)
    assert found.only("indicator")["pattern"] == "[ipv4-addr:value = '192.0.2.200']"
    seen = found.only("observed-data")
    shown = {tree["value"] for tree in found.trees if tree["id"] in seen["object_refs"]}
    assert shown == {"198.51.100.16/28", "2001:db8::7"}
    assert (seen["first_observed"], seen["last_observed"]) == ("2026-01-13T17:00:00.000Z", "2026-01-13T18:00:00.000Z")


def test_no_person_is_in_what_is_made() -> None:
    found = read(V1)
    made = b"".join(each.data for each in found.made)
    assert b"Ada" not in made
    assert b"ada@" not in made
    assert ("sealed", "contact") in found.rules()


def test_everything_is_marked_as_the_incident_is() -> None:
    found = read(V1)
    assert {level(tree) for tree in found.trees if tree.get("name") != "csirt.arcadia.example"} == {Tlp.AMBER_STRICT}


def test_what_version_1_loses_is_told() -> None:
    assert sorted(read(V1).rules()) == [
        ("sealed", "contact"), ("sealed", "contact"), ("sealed", "personal"),
        ("unmapped", "element"), ("unmapped", "element"),
    ]  # fmt: skip


def test_a_history_is_a_note() -> None:
    note = read(V1).only("note")
    assert note["content"] == "notification: 2026-01-13T20:00:00Z: Told the owner"


@pytest.mark.parametrize(
    ("restriction", "wanted", "told"),
    [
        ("public", Tlp.CLEAR, False),
        ("white", Tlp.CLEAR, False),
        ("partner", Tlp.GREEN, False),
        ("amber", Tlp.AMBER, False),
        ("need-to-know", Tlp.AMBER_STRICT, False),
        ("private", Tlp.RED, False),
        ("red", Tlp.RED, False),
        ("default", Tlp.RED, True),
        ("ext-value", Tlp.RED, True),
        ("", Tlp.RED, False),
    ],
)
def test_restrictions_are_levels_and_fail_closed(restriction: str, wanted: Tlp, told: bool) -> None:
    found = read(v2(DOMAIN, attributes=f"restriction='{restriction}'"))
    assert level(found.only("report")) == level(found.only("indicator")) == wanted
    assert (("changed", "restriction") in found.rules()) is told


def test_a_restriction_inside_another_only_makes_stricter() -> None:
    event = system("source", "<Address>192.0.2.1</Address>", "restriction='{}'").replace("'source'", "'source' {}")
    looser = read(v2(DOMAIN, attributes="restriction='amber'", more=event.format("public", "")))
    assert {level(tree) for tree in looser.of("indicator")} == {Tlp.AMBER}
    assert ("changed", "restriction") in looser.rules()
    stricter = read(v2(DOMAIN, attributes="restriction='green'", more=event.format("amber", "restriction='red'")))
    assert {level(tree) for tree in stricter.of("indicator")} == {Tlp.GREEN, Tlp.RED}


def test_an_indicator_of_version_2_keeps_its_times_and_confidence() -> None:
    tree = indicator(DOMAIN)
    assert tree["pattern"] == "[domain-name:value = 'c2.borealia.example']"
    assert (tree["valid_from"][:10], tree["valid_until"][:10], tree["confidence"]) == ("2026-01-02", "2026-06-01", 75)
    assert (tree["name"], tree["description"]) == ("csirt.arcadia.example I-1", "the loader")


@pytest.mark.parametrize(
    "digest",
    [MD5, MD5.upper(), b64encode(bytes.fromhex(MD5)).decode(), b64encode(MD5.encode()).decode()],
    ids=["hexadecimal", "upper case", "base64 of bytes", "base64 of digits"],
)
def test_a_file_is_known_by_its_hash_however_it_is_written(digest: str) -> None:
    assert indicator(FILE.format(digest=digest))["pattern"] == f"[file:hashes.MD5 = '{MD5}']"


def test_a_list_is_one_pattern_and_what_does_not_fit_is_refused() -> None:
    text = bulk("ipv4-addr", "192.0.2.1\n 192.0.2.2\nnonsense\n")
    found = read(v2(text))
    assert found.only("indicator")["pattern"] == "[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2']"
    assert ("refused", "value") in found.rules()


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("asn", "64500", "autonomous-system:number = 64500"),
        ("e-mail", "x@borealia.example", "email-addr:value = 'x@borealia.example'"),
        ("ipv6-net", "2001:db8::/32", "ipv6-addr:value = '2001:db8::/32'"),
        ("mac", "00-00-5E-00-53-01", "mac-addr:value = '00:00:5e:00:53:01'"),
        ("site-uri", "hxxp://a[.]example/x", "url:value = 'http://a.example/x'"),
        ("file-hash", SHA256, f"file:hashes.'SHA-256' = '{SHA256}'"),
        ("windows-reg-key", "HKLM\\Run", "windows-registry-key:key = 'hkey_local_machine\\\\run'"),
        ("mutex", "Global\\x", "mutex:name = 'Global\\\\x'"),
        ("file-path", "/tmp/x", "file:path = '/tmp/x'"),
        ("http-user-agent", "x/1", "'User-Agent' = 'x/1'"),
    ],
)
def test_types_of_values(kind: str, value: str, wanted: str) -> None:
    assert wanted in indicator(bulk(kind, value))["pattern"]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (REFERENCE, "[ipv4-addr:value = '203.0.113.9']"),
        (f"<IndicatorExpression operator='and'>{REFERENCE}{DOMAIN}</IndicatorExpression>",
         "([ipv4-addr:value = '203.0.113.9'] AND [domain-name:value = 'c2.borealia.example'])"),
        (f"<IndicatorExpression>{REFERENCE}</IndicatorExpression>", "[ipv4-addr:value = '203.0.113.9']"),
        (f"<IndicatorExpression operator='or'>{SEALED}{DOMAIN}</IndicatorExpression>",
         "[domain-name:value = 'c2.borealia.example']"),
        (f"<IndicatorExpression operator='or'>{REFERENCE}<IndicatorExpression operator='and'>{DOMAIN}{SEALED}"
         "</IndicatorExpression></IndicatorExpression>", "[ipv4-addr:value = '203.0.113.9']"),
    ],
)  # fmt: skip
def test_expressions_keep_their_logic(expression: str, wanted: str) -> None:
    assert indicator(expression)["pattern"] == wanted


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        (f"<IndicatorExpression operator='and'>{DOMAIN}{SEALED}</IndicatorExpression>", "and-branch"),
        (f"<IndicatorExpression operator='and'>{DOMAIN}<IndicatorReference uid-ref='x'/></IndicatorExpression>",
         "and-branch"),
        (f"<IndicatorExpression operator='not'>{DOMAIN}</IndicatorExpression>", "operator"),
        (f"<IndicatorExpression operator='xor'>{DOMAIN}{REFERENCE}</IndicatorExpression>", "operator"),
        ("<ObservableReference uid-ref='nowhere'/>", "reference"),
        (SEALED, "personal"),
        ("", "no-pattern"),
    ],
)  # fmt: skip
def test_an_indicator_is_refused_rather_than_weakened(expression: str, rule: str) -> None:
    found = read(v2(expression))
    assert not found.of("indicator")
    assert {rule, "no-pattern"} <= {each for _, each in found.rules()}


def test_a_list_that_is_named_many_times_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iodef_values, "LOOKS_MAX", 300)
    listed = bulk("ipv4-addr", "\n".join(f"192.0.2.{number}" for number in range(100)), "observable-id='b'")
    named = "<ObservableReference uid-ref='b'/>" * 1_000
    text = f"<IndicatorExpression operator='or'>{listed}{named}</IndicatorExpression>"
    found = read(v2(text))
    assert found.rules().count(("refused", "too-many")) == 1


def test_two_indicators_of_one_id_are_told() -> None:
    named = "<IndicatorID name='csirt.arcadia.example'>I-1</IndicatorID>"
    found = read(v2(DOMAIN, more=f"<IndicatorData><Indicator>{named}{REFERENCE}</Indicator></IndicatorData>"))
    assert len(found.of("indicator")) == 1
    assert ("refused", "duplicate") in found.rules()


def test_a_value_in_two_incidents_keeps_its_first_marking_and_says_so() -> None:
    seen = system("target", "<Address>192.0.2.1</Address>")
    incidents = [
        f"<Incident restriction='{word}'><IncidentID name='c.example'>{word}</IncidentID>{seen}</Incident>"
        for word in ("private", "public")
    ]
    found = read(f"<IODEF-Document {SPACES}>{''.join(incidents)}</IODEF-Document>")
    assert level(found.only("ipv4-addr")) is Tlp.RED
    assert ("changed", "marking") in found.rules()
    assert len(found.of("observed-data")) == 2


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "xml"),
        ("<a/>", "not-iodef"),
        ("<IODEF-Document/>", "not-iodef"),
        ("<IODEF-Document xmlns='urn:ietf:params:xml:ns:iodef-2.0'/>", "empty"),
        ("<IODEF-Document xmlns='urn:ietf:params:xml:ns:iodef-2.0'><Incident/></IODEF-Document>", "required"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + V1.partition("\n")[2], "xml"),
        (" " * 20_000_000, "too-large"),
    ],
)
def test_what_is_refused(text: str, rule: str) -> None:
    found = read(text)
    assert not found.made
    assert found.rules() == [("refused", rule)]


def test_an_incident_that_shows_nothing_is_still_a_report() -> None:
    found = read(f"<IODEF-Document {SPACES}><Incident><IncidentID>7</IncidentID></Incident></IODEF-Document>")
    assert found.only("report")["name"] == "7"
    assert found.made[0].timeless


@pytest.mark.parametrize(
    ("more", "loss"),
    [
        ("<AdditionalData dtype='string'>x</AdditionalData>", ("unmapped", "element")),
        ("<Assessment><MonetaryImpact>1000</MonetaryImpact></Assessment>", ("unmapped", "element")),
        ("<Assessment><Confidence rating='numeric'>900</Confidence></Assessment>", ("changed", "confidence")),
        ("<ReportTime>soon</ReportTime>", ("changed", "date")),
        ("<EventData><Record><RecordData><RecordItem dtype='string'>log</RecordItem></RecordData></Record></EventData>",
         ("unmapped", "element")),
        ("<EventData><Flow><System category='target'><Node><Location>x</Location></Node></System></Flow></EventData>",
         ("sealed", "personal")),
        ("<EventData><Flow><System><Node><Address category='atm'>1</Address></Node></System></Flow></EventData>",
         ("unmapped", "address-type")),
        ("<RelatedActivity><ThreatActor/></RelatedActivity>", ("unmapped", "element")),
    ],
)  # fmt: skip
def test_what_has_no_place_is_told(more: str, loss: tuple[str, str]) -> None:
    assert loss in read(v2(DOMAIN, more=more)).rules()


@given(st.binary(max_size=300))
def test_any_bytes_give_objects_or_losses(data: bytes) -> None:
    read(data)


EITHER = f"<IndicatorExpression operator='or'>{REFERENCE}{DOMAIN}{FILE.format(digest=MD5)}</IndicatorExpression>"
GOOD = [V1, v2(EITHER)]


@given(st.sampled_from(GOOD), st.integers(0, 3_000), st.integers(0, 60), st.text(max_size=8))
def test_changed_good_text_gives_objects_or_losses(good: str, start: int, length: int, put: str) -> None:
    found = read((good[:start] + put + good[start + length :]).encode("utf-8", "surrogatepass"))
    assert found.made or found.losses
