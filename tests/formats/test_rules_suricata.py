"""Suricata and Snort: one rule a line, the newest revision of each sid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS
from comity.formats.rules import suricata
from comity.vocab import Tlp
from tests.formats.reading import CONTEXT, Read, sorted_out

RULE = (
    'alert http $HOME_NET any -> [192.0.2.0/24, ![192.0.2.7]] [80,443] (msg:"ARCADIA loader\\; second \\"stage\\""; '
    'flow:established,to_server; content:"|3b|a"; pcre:"/^(a+)+$/U"; reference:url,cert.arcadia.example/loader; '
    "reference:cve,2021-44228; reference:md5,d41d8cd98f00b204e9800998ecf8427e; classtype:trojan-activity; "
    "sid:9000001; rev:3; metadata:created_at 2024_02_01, updated_at 2024_03_05, confidence High, "
    "mitre_technique_id T1071, mitre_tactic_name Command_And_Control, signature_severity Major;)"
)
SMALL = 'drop udp any any -> any 53 (msg:"second"; sid:9000002;)'


def read(text: str | bytes, language: str = "suricata") -> Read:
    data = text.encode() if isinstance(text, str) else text
    return sorted_out(suricata.read([data], CONTEXT, language=language))


def test_a_rule_becomes_an_indicator_with_its_own_text() -> None:
    found = read(RULE + "\n")
    tree = found.only("indicator")
    assert (tree["pattern"], tree["pattern_type"]) == (RULE, "suricata")
    assert tree["name"] == 'ARCADIA loader; second "stage"'
    assert (tree["created"], tree["modified"]) == ("2024-02-01T00:00:00.000Z", "2024-03-05T00:00:00.003Z")
    assert tree["confidence"] == 85
    assert {"classtype:trojan-activity", "action:alert", "protocol:http", "signature_severity:Major"} <= set(
        tree["labels"]
    )
    assert tree["external_references"] == [
        {"source_name": "url", "url": "http://cert.arcadia.example/loader"},
        {"source_name": "cve", "external_id": "CVE-2021-44228"},
        {"source_name": "md5", "external_id": "d41d8cd98f00b204e9800998ecf8427e"},
    ]
    assert tree["kill_chain_phases"][0]["phase_name"] == "command-and-control"
    assert found.only("relationship")["target_ref"] == found.only("attack-pattern")["id"]
    assert not found.losses


def test_a_backslash_carries_a_rule_on_and_its_text_is_kept() -> None:
    text = SMALL.replace(" (", " \\\n   (", 1)
    found = read(f"\n{text}\r\n{RULE}")
    assert [tree["pattern"] for tree in found.of("indicator")] == [text, RULE]
    assert found.made[0].where == "line 2: sid 9000002"


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 2, 1), (2, 1, 3)])
def test_of_one_sid_the_highest_rev_is_taken_and_the_others_are_told(order: tuple[int, ...]) -> None:
    found = read("\n".join(RULE.replace("rev:3", f"rev:{rev}") for rev in order))
    assert "rev:3;" in found.only("indicator")["pattern"]
    assert found.rules() == [("refused", "duplicate")] * 2


def test_a_newer_rev_is_a_newer_version_and_another_gid_another_rule() -> None:
    old, new = read(RULE).only("indicator"), read(RULE.replace("rev:3", "rev:4")).only("indicator")
    assert (old["id"], old["created"]) == (new["id"], new["created"])
    assert new["modified"] > old["modified"]
    assert read(RULE.replace("sid:", "gid:3; sid:")).only("indicator")["id"] != old["id"]


@pytest.mark.parametrize(
    "text",
    [
        'alert http (msg:"snort 3"; sid:1; http_uri; content:"a;b",nocase;)',
        'block tcp any any -> any any (msg:"inline"; sid:1;)',
        'alert file (msg:"a file"; file_data; sid:1;)',
    ],
)
def test_what_only_snort_takes_is_called_snort(text: str) -> None:
    assert read(text).only("indicator")["pattern_type"] == "snort"


def test_the_language_is_told() -> None:
    assert read(SMALL, "snort").only("indicator")["pattern_type"] == "snort"
    assert read(SMALL).made[0].timeless


@pytest.mark.parametrize(
    "broken",
    [
        "alert tcp any any -> any any",
        'alert tcp any any -> any any (msg:"open; sid:1;)',
        "alert tcp any any -> any any (sid:1)",
        'alert tcp any any -> any any (msg:"no sid";)',
        "alert tcp any any -> any any (sid:one;)",
        "alert tcp any any -> any any (sid:1; sid:2;)",
        "alert tcp any any -> any any (sid:1; rev:99999999999;)",
        "alert tcp any any -> any any (sid:1; rev:4294967296;)",
        "alert tcp any any any any any (sid:1;)",
        "alert tcp [192.0.2.1 any -> any any (sid:1;)",
        "alert tcp any any -> any (sid:1;)",
        "shout tcp any any -> any any (sid:1;)",
        "alert tcp any any -> any any (;)",
        'alert tcp any any -> any any (sid:1; msg:"bell \x07";)',
        'alert tcp any any -> any any (sid:1; msg:"\x85";)',
        "just words",
        "()",
        "alert tcp any any -> any any (" + "a;" * 5_000 + "sid:1;)",
        'alert tcp any any -> any any (sid:1; msg:"' + "x" * 300_000 + '";)',
    ],
)
def test_a_broken_line_is_refused_and_those_around_it_are_read(broken: str) -> None:
    found = read(f"{RULE}\n{broken}\n{SMALL}\n")
    assert len(found.of("indicator")) == 2
    assert [each.where for each in found.losses] == ["line 2"]
    assert found.losses[0].outcome == "refused"


def test_comments_and_rules_set_aside_are_told() -> None:
    found = read(f"# one\n#\n\n# {SMALL}\n#{RULE}\n{SMALL}\n")
    assert found.rules() == [("unmapped", "set-aside")] * 2 + [("unmapped", "comment")]


def test_an_input_that_breaks_off_while_a_line_is_carried_on_is_told() -> None:
    assert read(f"{SMALL} \\").rules() == [("refused", "truncated")]
    assert read("").rules() == [("refused", "empty")]


def test_bytes_that_are_not_utf8_spoil_one_rule_only() -> None:
    found = read(b'alert tcp any any -> any any (sid:5; msg:"\xff";)\n' + SMALL.encode())
    assert len(found.made) == 1
    assert found.rules() == [("refused", "encoding")]


def test_a_label_of_tlp_is_the_marking() -> None:
    text = SMALL.replace("sid:", "metadata:tlp green; sid:")
    assert read(text).only("indicator")["object_marking_refs"] == [TLP_REFS[Tlp.GREEN]]


@given(st.binary(max_size=300))
def test_any_bytes_give_indicators_or_losses(data: bytes) -> None:
    read(data)


@given(st.integers(0, len(RULE)), st.integers(0, 40), st.text(max_size=8))
def test_changed_good_text_gives_indicators_or_losses(start: int, length: int, put: str) -> None:
    text = f"{RULE[:start]}{put}{RULE[start + length :]}\n{SMALL}"
    found = read(text.encode("utf-8", "surrogatepass"))
    assert found.made or found.losses


@given(st.lists(st.sampled_from(list('a";:\\() \n')), max_size=200))
def test_no_mixture_of_marks_takes_long_or_raises(marks: list[str]) -> None:
    read("alert tcp any any -> any any (sid:1; " + "".join(marks) + ";)")
