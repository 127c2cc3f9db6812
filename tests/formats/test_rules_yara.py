"""YARA: a file cut into rules that a real compiler takes, and broken ones that cost only themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS
from comity.formats.rules import yara
from comity.formats.rules.indicator import RULE_BYTES_MAX
from comity.vocab import Tlp
from tests.formats.reading import CONTEXT, Read, chunked, sorted_out

LOADER = r"""rule Loader : backdoor windows {
    meta:
        description = "Finds the \"loader\" } of Arcadia"
        author = "Ada Example"
        date = "2024-02-01"
        modified = "2024-03-05"
        reference = "https://cert.arcadia.example/loader"
        reference2 = "a talk"
        hash1 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        tlp = "AMBER"
        score = -5
        mitre_att = "T1059.001"
    strings:
        $text = "a { brace, a // and a \" quote" wide ascii
        $hex = { 6A 40 [4-6] ?? /* } */ ( 62 B4 | 56 ) }
        $regex = /ab\/c{2,3}[\/}"]x/is
    condition:
        pe.is_pe and Base and any of them // rule Other {
}"""
BASE = "private rule Base { condition: filesize < 1MB and filesize \\ 2 > 1 }"
HEAD = '/* a licence\n of two lines */\nimport "pe"\nimport "math"\n'
FILE = f"{HEAD}{BASE}\n\n{LOADER}\nglobal rule Last {{ condition: true }}\n"
BASE_LINE = FILE[: FILE.index(BASE)].count("\n") + 1


def read(text: str | bytes) -> Read:
    return sorted_out(yara.read(chunked(text.encode() if isinstance(text, str) else text), CONTEXT))


def named(found: Read) -> dict[str, dict[str, Any]]:
    return {tree["name"]: tree for tree in found.of("indicator")}


def test_a_file_is_cut_into_its_rules() -> None:
    found = read(FILE)
    rules = named(found)
    assert list(rules) == ["Base", "Loader", "Last"]
    assert rules["Base"]["pattern"] == BASE + "\n"
    assert rules["Loader"]["pattern"] == f'import "pe"\n\n{LOADER}\n'
    assert rules["Last"]["pattern"] == "global rule Last { condition: true }\n"
    assert {tree["pattern_type"] for tree in rules.values()} == {"yara"}
    assert found.made[0].where == f"line {BASE_LINE}: Base"
    assert found.rules() == [("unmapped", "comment"), ("sealed", "author")]


def test_what_the_meta_section_tells_stands_beside_the_rule() -> None:
    found = read(FILE)
    tree = named(found)["Loader"]
    assert tree["description"] == 'Finds the "loader" } of Arcadia'
    assert tree["labels"] == ["backdoor", "windows"]
    assert (tree["created"][:10], tree["modified"][:10]) == ("2024-02-01", "2024-03-05")
    assert tree["object_marking_refs"] == [TLP_REFS[Tlp.AMBER]]
    told = [next(iter(reversed(each.values()))) for each in tree["external_references"]]
    assert [text[:20] for text in told] == ["https://cert.arcadia", "a talk", "e3b0c44298fc1c149afb"]
    assert found.only("attack-pattern")["name"] == "T1059.001"


def test_a_rule_that_needs_another_says_so() -> None:
    found = read(FILE)
    rules = named(found)
    link = next(link for link in found.of("relationship") if link["relationship_type"] == "depends-on")
    assert (link["source_ref"], link["target_ref"]) == (rules["Loader"]["id"], rules["Base"]["id"])


def test_rules_are_what_a_compiler_takes() -> None:
    yara_x = pytest.importorskip("yara_x", reason="yara-x is not installed")
    for name, tree in named(read(FILE)).items():
        compiler = yara_x.Compiler()
        compiler.add_source(BASE + "\n" + tree["pattern"] if name == "Loader" else tree["pattern"])
        compiler.build()


@pytest.mark.parametrize(
    "broken",
    [
        'rule Broken { strings: $a = "open\n condition: $a }',
        "rule Broken { strings: $a = /open\n condition: $a }",
        "rule Broken { condition: true",
        "rule Broken { strings: $a = { 00 condition: $a }",
        "rule 1Broken { condition: true }",
        "rule Broken ( condition: true }",
        "rule meta { condition: true }",
        "rule",
        "private 5",
        "import pe",
        "what is this",
        "}",
        "rule " + "B" * 200 + " { condition: true }",
        "rule Broken { condition: \x07 }",
        "rule Broken { condition: " + "1 + " * (RULE_BYTES_MAX // 3) + "1 }",
    ],
)
def test_a_broken_rule_is_refused_with_its_line_and_those_around_it_are_read(broken: str) -> None:
    found = read(f"{BASE}\n\n{broken}\n\nprivate rule Next {{ condition: true }}\n{LOADER}\n")
    assert list(named(found)) == ["Base", "Next", "Loader"]
    assert named(found)["Next"]["pattern"] == "private rule Next { condition: true }\n"
    assert "line 3" in [each.where.partition(":")[0] for each in found.losses if each.outcome == "refused"]


def test_a_comment_that_nothing_closes_costs_what_it_stands_in_and_no_time() -> None:
    text = "".join(f"rule R{number} {{ /* \n" for number in range(20_000))
    found = read(text + BASE)
    assert list(named(found)) == ["Base"]
    assert len(found.losses) == 20_000


def test_rules_that_never_close_are_read_once() -> None:
    text = "".join(f"rule R{number} {{ condition: true " for number in range(20_000))
    found = read(text + "}")
    assert list(named(found)) == ["R19999"]
    assert len(found.losses) == 19_999


def test_a_private_rule_behind_one_that_is_not_closed_stays_private() -> None:
    assert named(read("rule A { condition: true\n private rule B { condition: true }"))["B"]["pattern"].startswith(
        "private"
    )


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ('include "other.yar"\n' + BASE, ("unmapped", "include")),
        (BASE + BASE, ("refused", "duplicate")),
        ("", ("refused", "empty")),
        ('rule A { meta: date = "soon" condition: true }', ("changed", "date")),
        ('rule A { meta: tlp = "purple" condition: true }', ("changed", "tlp")),
    ],
)
def test_what_is_told(text: str, loss: tuple[str, str]) -> None:
    assert loss in read(text).rules()


def test_bytes_that_are_not_utf8_spoil_one_rule_only() -> None:
    found = read(BASE.encode() + b'\nrule Latin { strings: $a = "\xfc" condition: $a }\n' + LOADER.encode())
    assert list(named(found)) == ["Base", "Loader"]
    assert ("refused", "encoding") in found.rules()


def test_without_a_date_a_rule_is_dated_with_the_import() -> None:
    assert read(BASE).made[0].timeless


@given(st.binary(max_size=300))
def test_any_bytes_give_indicators_or_losses(data: bytes) -> None:
    read(data)


@given(
    st.integers(0, len(FILE)),
    st.integers(0, 60),
    st.sampled_from(["{", "}", '"', "/", "/*", "*/", "rule ", "\n", "", "\\"]),
)
def test_changed_good_text_gives_indicators_or_losses(start: int, length: int, put: str) -> None:
    found = read(FILE[:start] + put + FILE[start + length :])
    assert found.made or found.losses
