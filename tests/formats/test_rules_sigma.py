"""Sigma: each document an indicator with its own text, and no trick of YAML let in."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS
from comity.formats.rules import sigma
from comity.vocab import Tlp
from tests.formats.reading import CONTEXT, Read, sorted_out

ID = "2f1f3c52-7a55-4f0e-9c61-0b6f0a1c2d3e"
OTHER = "5b3d9a1e-0c44-4a1b-8d6d-6a2f7e8c9b0a"
RULE = f"""title: Command line of the Arcadian loader – 加载器
id: {ID}
related:
    - id: {OTHER}
      type: derived
status: test
description: |
    Finds the loader.
    Two lines.
references:
    - https://cert.arcadia.example/loader
author: Ada Example
date: 2024-02-01
modified: 2024/03/05
tags:
    - attack.execution
    - attack.t1059.001
    - attack.defense_evasion
    - attack.g0007
    - cve.2021-44228
    - tlp.amber-strict
logsource:
    category: process_creation
    product: windows
detection:
    selection:
        CommandLine|contains: '--- 192.0.2.1'
        CommandLine|re: '(a+)+$'
    condition: selection
falsepositives:
    - Administrators
level: high
"""
SECOND = """title: Second
logsource: {product: linux}
detection:
    keywords: ['x: y', "z"]
    condition: keywords
"""


def read(text: str | bytes) -> Read:
    return sorted_out(sigma.read([text.encode() if isinstance(text, str) else text], CONTEXT))


def test_a_rule_becomes_an_indicator_with_its_own_text() -> None:
    found = read(RULE)
    tree = found.only("indicator")
    assert tree["id"] == f"indicator--{ID}"
    assert (tree["pattern"], tree["pattern_type"]) == (RULE, "sigma")
    assert tree["name"] == "Command line of the Arcadian loader – 加载器"
    assert tree["description"] == "Finds the loader.\nTwo lines.\n\nFalse positives: Administrators"
    assert (tree["created"], tree["modified"]) == ("2024-02-01T00:00:00.000Z", "2024-03-05T00:00:00.000Z")
    assert tree["valid_from"] == tree["created"]
    assert tree["object_marking_refs"] == [TLP_REFS[Tlp.AMBER_STRICT]]
    assert {"level:high", "status:test", "category:process_creation", "product:windows", "attack.t1059.001"} <= set(
        tree["labels"]
    )
    assert [phase["phase_name"] for phase in tree["kill_chain_phases"]] == ["execution", "defense-evasion"]
    assert {
        (each["source_name"], each.get("external_id", each.get("url"))) for each in tree["external_references"]
    } == {
        ("sigma", "https://cert.arcadia.example/loader"),
        ("mitre-attack", "G0007"),
        ("cve", "CVE-2021-44228"),
    }
    assert found.rules() == [("sealed", "author")]
    assert not any(made.timeless for made in found.made if b'"indicator"' in made.data[:40])


def test_a_technique_is_an_attack_pattern_that_the_rule_indicates() -> None:
    found = read(RULE)
    technique = found.only("attack-pattern")
    assert technique["external_references"][0]["external_id"] == "T1059.001"
    ends = {(link["relationship_type"], link["target_ref"]) for link in found.of("relationship")}
    assert ends == {("indicates", technique["id"]), ("derived-from", f"indicator--{OTHER}")}


def test_a_technique_named_by_two_rules_is_made_once() -> None:
    other = RULE.replace(ID, OTHER).replace("id: " + OTHER + "\n      type", "id: " + ID + "\n      type")
    found = read(RULE + "---\n" + other)
    assert len(found.of("indicator")) == 2
    assert len(found.of("attack-pattern")) == 1


def test_several_documents_each_keep_their_own_text_and_a_broken_one_stops_nothing() -> None:
    text = f"# a licence\n---\n{RULE}---\ntitle: [broken\n---\n{SECOND}...\n# end\n---\njust text\n"
    found = read(text)
    assert [tree["pattern"] for tree in found.of("indicator")] == [RULE, SECOND]
    refused = [each for each in found.losses if each.outcome == "refused"]
    assert [each.rule for each in refused] == ["yaml", "not-a-rule"]
    broken = text[: text.index("title: [broken")].count("\n")
    assert refused[0].where in {f"line {broken}", f"line {broken + 1}", f"line {broken + 2}"}


def test_without_a_date_or_an_id_both_follow_from_import_and_source() -> None:
    found = read(SECOND)
    assert found.made[0].timeless
    assert found.only("indicator")["id"] == read(SECOND).only("indicator")["id"]
    other = sorted_out(sigma.read([SECOND.encode()], CONTEXT._replace(source="cascadia-feed")))
    assert other.only("indicator")["id"] != found.only("indicator")["id"]


def test_a_newer_rule_is_a_newer_version() -> None:
    newer = read(RULE.replace("2024/03/05", "2025-01-01")).only("indicator")
    older = read(RULE).only("indicator")
    assert newer["id"] == older["id"]
    assert newer["modified"] > older["modified"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: &x [y]\nb: *x\n", "yaml-anchor"),
        ("a: &a ['lol','lol']\n" + "".join(f"k{n}: &k{n} [*a,*a,*a]\n" for n in range(30)), "yaml-anchor"),
        ("<<: *x\ntitle: y\n", "yaml-anchor"),
        ("title: !!python/object/apply:os.system ['true']\n", "yaml-tag"),
        ("title: !!int '3'\n", "yaml-tag"),
        ("title: x\ntitle: y\n", "duplicate-key"),
        ("? [a, b]\n: c\n", "yaml-key"),
        ("[" * 200, "yaml-size"),
        ("[" * 5_000, "yaml"),
        ("- " * 100 + "x\n", "yaml-size"),
        ("a:\n" + "- x\n" * 60_000, "yaml-size"),
        ("title: 'open\n", "yaml"),
        ("\ttitle: x\n", "yaml"),
        ("title: x\n", "not-a-rule"),
        ("detection: {condition: x}\n", "not-a-rule"),
        ("title: x\ndetection: text\n", "not-a-rule"),
        ("- a list\n", "not-a-rule"),
        ("action: global\ntitle: x\ndetection: {condition: x}\n", "collection"),
        (SECOND + "#" + "x" * 300_000 + "\n", "too-large"),
        (SECOND + "# bell \x07\n", "control"),
        (SECOND + "# line separator \u2028\n", "control"),
        ("", "empty"),
    ],
)
def test_what_is_refused(text: str, rule: str) -> None:
    found = read(text)
    assert not found.made
    assert ("refused", rule) in found.rules()


def test_yaml_is_read_alike_with_and_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = sigma.parse(RULE)
    monkeypatch.setattr(sigma, "_LOADER", yaml.SafeLoader)
    assert sigma.parse(RULE) == fast
    assert not read("[" * 5_000).made


def test_bytes_that_are_not_utf8_spoil_one_document_only() -> None:
    found = read(SECOND.encode() + b"---\ntitle: \xff\n---\n" + RULE.encode())
    assert len(found.of("indicator")) == 2
    assert ("refused", "encoding") in found.rules()


def test_the_same_id_twice_in_one_input_is_told() -> None:
    assert ("refused", "duplicate") in read(RULE + "---\n" + RULE).rules()


@pytest.mark.parametrize(("tag", "level"), [("tlp.clear", Tlp.CLEAR), ("tlp.RED", Tlp.RED), ("tlp.purple", Tlp.RED)])
def test_an_unknown_label_is_taken_as_red(tag: str, level: Tlp) -> None:
    found = read(SECOND + f"tags: [{tag}]\n")
    assert found.only("indicator")["object_marking_refs"] == [TLP_REFS[level]]
    assert (("changed", "tlp") in found.rules()) is (tag == "tlp.purple")


@pytest.mark.parametrize(
    ("extra", "loss"),
    [
        ("date: yesterday\n", ("changed", "date")),
        ("date: 2024-13-45\n", ("changed", "date")),
        ("tags: [attack.t99]\n", ("unmapped", "technique")),
        (f"tags: [{', '.join(f'x.y{n}' for n in range(100))}]\n", ("changed", "labels")),
        (
            f"references: [{', '.join(f'https://cert.arcadia.example/{n}' for n in range(200))}]\n",
            ("changed", "references"),
        ),
        (f"description: {'x' * 20_000}\n", ("changed", "text-cut")),
    ],
)
def test_what_changes_is_told(extra: str, loss: tuple[str, str]) -> None:
    found = read(SECOND + extra)
    assert len(found.of("indicator")) == 1
    assert loss in found.rules()


def test_names_hold_nothing_that_turns_a_line_round() -> None:
    name = read(SECOND.replace("Second", '"Sec\u202eond\\n\\e[31m"')).only("indicator")["name"]
    assert name.isprintable()


def test_the_text_of_a_rule_comes_back_whatever_line_ends_it_has() -> None:
    text = RULE.replace("\n", "\r\n")
    assert read(text).only("indicator")["pattern"] == text.rstrip("\r\n") + "\n"


@given(st.binary(max_size=300))
def test_any_bytes_give_indicators_or_losses(data: bytes) -> None:
    read(data)


@given(st.integers(0, len(RULE)), st.integers(0, 40), st.text(max_size=12))
def test_changed_good_text_gives_indicators_or_losses(start: int, length: int, put: str) -> None:
    text = RULE[:start] + put + RULE[start + length :]
    found = read(text.encode("utf-8", "surrogatepass"))
    assert found.made or found.losses
