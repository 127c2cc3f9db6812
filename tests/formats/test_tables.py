"""Reading tables by a mapping: what a row makes, what it loses, and that nothing hostile stops the rows behind it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS, Context, Made, Outcome, ident
from comity.formats.stix.pattern import parse_pattern
from comity.formats.tables.mapping import Column, Constants, Dates, Join, Mapping, Role, Scale
from comity.formats.tables.reading import read
from comity.formats.tables.rows import Maker
from comity.vocab import Tlp
from tests.formats.tables import AT, LIST, NOW, SECOND, VALUE, indicators, losses, results, rules, table, trees, values

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# --- one row ---------------------------------------------------------------------------------------------


def test_a_value_is_an_indicator_with_an_id_of_its_source_and_itself() -> None:
    (made,) = [each for each in results(b"bad[.]example\n", LIST) if isinstance(each, Made)]
    assert made.timeless
    assert made.where == "line 1"
    (tree,) = trees([made])
    assert tree == {
        "type": "indicator",
        "spec_version": "2.1",
        "id": ident("indicator", AT, "domain", "bad.example"),
        "created": NOW,
        "modified": NOW,
        "name": "bad.example",
        "pattern": "[domain-name:value = 'bad.example']",
        "pattern_type": "stix",
        "valid_from": NOW,
    }


def test_the_same_value_of_another_source_is_another_object() -> None:
    mine, other = (next(iter(read([b"192.0.2.1"], Context(name, 5), LIST))) for name in ("a", "b"))
    again = next(iter(read([b"192.0.2[.]1"], Context("a", 9), LIST)))
    assert trees([mine])[0]["id"] != trees([other])[0]["id"]
    assert trees([again])[0]["id"] == trees([mine])[0]["id"]


def test_a_row_with_everything() -> None:
    columns = (
        Column("ioc", Role.VALUE),
        Column("first", Role.FIRST_SEEN, dates=Dates.DMY),
        Column("last", Role.LAST_SEEN, dates=Dates.UNIX),
        Column("until", Role.VALID_UNTIL),
        Column("sure", Role.CONFIDENCE, scale=Scale.WEP),
        Column("tlp", Role.TLP),
        Column("tags", Role.LABELS, split="|"),
        Column("family", Role.THREAT),
        Column("ref", Role.REFERENCE),
        Column("by", Role.CREATOR),
        Column("text", Role.DESCRIPTION),
        Column("country", Role.NOTE),
        Column("reporter", Role.SEALED),
        Column("n", Role.IGNORED),
    )
    data = (
        b"ioc,first,last,until,sure,tlp,tags,family,ref,by,text,country,reporter,n\r\n"
        b'192.0.2.1:443,01/02/2026,1780000000,2027-01-01,highly likely,tlp:amber,"c2|x",Example,'
        b'https://x.example/1,Arcadia CERT,"seen, twice",NL,ada,1\r\n'
    )
    found = results(data, table(*columns, header=True))
    assert [(each.where, each.outcome) for each in losses(found)] == [("reporter", Outcome.SEALED)]
    identity, tree, family, relation = trees(found)
    amber = [TLP_REFS[Tlp.AMBER]]
    assert (identity["name"], identity["identity_class"], identity["object_marking_refs"]) == (
        "Arcadia CERT", "organization", amber,
    )  # fmt: skip
    assert {name: tree[name] for name in tree if name not in {"type", "spec_version", "id", "pattern_type"}} == {
        "created": "2026-02-01T00:00:00.000Z",
        "modified": "2026-05-28T20:26:40.000Z",
        "name": "192.0.2.1",
        "pattern": "[ipv4-addr:value = '192.0.2.1']",
        "valid_from": "2026-02-01T00:00:00.000Z",
        "valid_until": "2027-01-01T00:00:00.000Z",
        "created_by_ref": identity["id"],
        "object_marking_refs": amber,
        "description": "seen, twice\ncountry: NL\nport: 443",
        "confidence": 90,
        "labels": ["c2", "x"],
        "external_references": [{"source_name": "reference", "url": "https://x.example/1"}],
    }
    assert (family["type"], family["name"], family["is_family"]) == ("malware", "Example", True)
    assert (relation["source_ref"], relation["target_ref"]) == (tree["id"], family["id"])
    assert relation["relationship_type"] == "indicates"
    assert relation["object_marking_refs"] == family["object_marking_refs"] == amber
    assert b"ada" not in b"".join(each.data for each in found if isinstance(each, Made))


def test_the_version_of_a_row_is_when_its_value_was_last_seen() -> None:
    columns = (VALUE, Column(2, Role.FIRST_SEEN), Column(3, Role.LAST_SEEN))
    found = results(
        b"192.0.2.1,2026-01-01,2026-02-01\n192.0.2.2,2026-01-01,\n192.0.2.3,2026-03-01,2026-02-01\n", table(*columns)
    )
    made = [each for each in found if isinstance(each, Made)]
    assert [each.timeless for each in made] == [False, True, False]
    times = [(tree["created"][:10], tree["modified"][:10], tree["valid_from"][:10]) for tree in trees(found)]
    assert times == [
        ("2026-01-01", "2026-02-01", "2026-01-01"),
        ("2026-01-01", NOW[:10], "2026-01-01"),
        ("2026-02-01", "2026-02-01", "2026-03-01"),
    ]


@pytest.mark.parametrize("text", ["2026-13-45", "yesterday", "0000-00-00 00:00:00", "2030-01-01", "1970-01-01"])
def test_a_date_that_is_none_or_lies_ahead_is_told_and_left_out(text: str) -> None:
    found = results(f"192.0.2.1,{text}".encode(), SECOND[Role.LAST_SEEN])
    assert rules(found) == ["date"]
    assert trees(found)[0]["modified"] == NOW


def test_what_is_over_does_not_look_valid_for_ever() -> None:
    columns = (VALUE, Column(2, Role.FIRST_SEEN), Column(3, Role.VALID_UNTIL))
    found = results(b"192.0.2.1,2026-02-01,2026-01-01", table(*columns))
    assert rules(found) == ["valid-until"]
    assert trees(found)[0]["valid_until"] == "2026-02-01T00:00:00.001Z"


@pytest.mark.parametrize(
    ("scale", "text", "number"),
    [
        (Scale.HUNDRED, "85", 85), (Scale.HUNDRED, "85 %", 85), (Scale.HUNDRED, "101", None), (Scale.TEN, "7", 70),
        (Scale.ONE, "0.25", 25), (Scale.LEVELS, "High", 85), (Scale.LEVELS, "none", 0), (Scale.LEVELS, "Med", 50),
        (Scale.ADMIRALTY, "2", 70), (Scale.WEP, "almost certain", 90), (Scale.DNI, "almost certain", 95),
        (Scale.DNI, "very unlikely", 15), (Scale.WEP, "perhaps", None), (Scale.HUNDRED, "-5", None),
    ],
)  # fmt: skip
def test_confidence_is_read_by_its_scale(scale: Scale, text: str, number: int | None) -> None:
    found = results(f"192.0.2.1,{text}".encode(), table(VALUE, Column(2, Role.CONFIDENCE, scale=scale)))
    assert trees(found)[0].get("confidence") == number
    assert rules(found) == ["confidence"] * (number is None)


def test_the_sixth_credibility_says_nothing_and_is_no_loss() -> None:
    found = results(b"192.0.2.1,6", table(VALUE, Column(2, Role.CONFIDENCE, scale=Scale.ADMIRALTY)))
    assert "confidence" not in trees(found)[0]
    assert not rules(found)


@pytest.mark.parametrize(
    ("text", "level", "told"),
    [
        ("TLP:WHITE", Tlp.CLEAR, 0), ("amber+strict", Tlp.AMBER_STRICT, 0), ("TLP-GREEN", Tlp.GREEN, 0),
        ("purple", Tlp.RED, 1), ("TLP:EX:CHR", Tlp.RED, 1),
    ],
)  # fmt: skip
def test_an_unknown_level_is_red(text: str, level: Tlp, told: int) -> None:
    found = results(f"192.0.2.1,{text}".encode(), SECOND[Role.TLP])
    assert trees(found)[0]["object_marking_refs"] == [TLP_REFS[level]]
    assert rules(found) == ["tlp"] * told


def test_a_level_among_the_labels_counts_and_the_stricter_wins() -> None:
    columns = (VALUE, Column(2, Role.TLP), Column(3, Role.LABELS, split=" "))
    found = results(b"192.0.2.1,green,a tlp:amber+strict b", table(*columns))
    assert trees(found)[0]["object_marking_refs"] == [TLP_REFS[Tlp.AMBER_STRICT]]
    assert trees(found)[0]["labels"] == ["a", "b"]


def test_a_name_in_a_red_row_is_not_told_by_an_unmarked_object() -> None:
    columns = (VALUE, Column(2, Role.TLP), Column(3, Role.THREAT))
    found = results(b"192.0.2.1,red,Example\n192.0.2.2,,Example\n192.0.2.3,red,Example", table(*columns))
    families = [tree for tree in trees(found) if tree["type"] == "malware"]
    assert [tree.get("object_marking_refs") for tree in families] == [[TLP_REFS[Tlp.RED]], None]
    assert len({tree["id"] for tree in families}) == 2


def test_constants_hold_where_a_row_says_nothing() -> None:
    constants = Constants("d", Tlp.GREEN, 40, ("l",), "Family", "https://x.example/", "Arcadia")
    found = results(b"192.0.2.1,red\n192.0.2.2,\n", table(VALUE, Column(2, Role.TLP), constants=constants))
    first, second = indicators(found)
    assert first["object_marking_refs"] == [TLP_REFS[Tlp.RED]]
    assert second["object_marking_refs"] == [TLP_REFS[Tlp.GREEN]]
    assert (second["confidence"], second["labels"], second["description"]) == (40, ["l"], "d")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("https://x.example/a b", {"source_name": "reference", "description": "https://x.example/a b"}),
        ("cve-2021-44228", {"source_name": "cve", "external_id": "CVE-2021-44228"}),
        ("CVE-2021-00442", {"source_name": "reference", "description": "CVE-2021-00442"}),
        ("report 5", {"source_name": "reference", "description": "report 5"}),
    ],
)
def test_a_reference_is_an_address_a_cve_or_a_text(text: str, reference: dict[str, str]) -> None:
    found = results(f"192.0.2.1,{text}".encode(), SECOND[Role.REFERENCE])
    assert trees(found)[0]["external_references"] == [reference]


def test_a_creator_with_a_mail_address_is_a_person() -> None:
    found = results(b"192.0.2.1,ada@x.example", SECOND[Role.CREATOR])
    assert [each.outcome for each in losses(found)] == [Outcome.SEALED]
    assert "created_by_ref" not in trees(found)[0]


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "pattern"),
    [
        ("hxxps://bad[.]example/x", "[url:value = 'https://bad.example/x']"),
        ("192.0.2.0/24", "[ipv4-addr:value = '192.0.2.0/24']"),
        ("[2001:db8::1]", "[ipv6-addr:value = '2001:db8::1']"),
        ("AS64496", "[autonomous-system:number = 64496]"),
        (MD5.upper(), f"[file:hashes.MD5 = '{MD5}']"),
        ("evil.exe", "[file:name = 'evil.exe']"),
        ("bad.zip", "[domain-name:value = 'bad.zip']"),
        ('="192.0.2.1"', "[ipv4-addr:value = '192.0.2.1']"),
        ("'192.0.2.1'", "[ipv4-addr:value = '192.0.2.1']"),
        (r"HKLM\Software\X", r"[windows-registry-key:key = 'hkey_local_machine\\software\\x']"),
    ],
)
def test_a_cell_is_read_by_its_look(cell: str, pattern: str) -> None:
    (tree,) = trees(results(cell.encode(), LIST))
    assert tree["pattern"] == pattern


@pytest.mark.parametrize(
    "cell",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "@SUM(A1)",
        "-2+3",
        "<script>",
        "hello",
        "10",
        "a" * 5_000,
        "1.2.3.4.5",
        '=HYPERLINK("x")',
    ],
)
def test_a_cell_that_is_no_value_is_a_loss_and_no_indicator(cell: str) -> None:
    found = results(cell.encode() + b"\n192.0.2.1", LIST)
    assert values(found) == ["192.0.2.1"]
    assert [(each.where, each.rule) for each in losses(found)] == [("line 1", "value")]


@pytest.mark.parametrize(
    ("row", "pattern", "told"),
    [
        ("evil,filename", "[file:name = 'evil']", []),
        (r"Global\x,mutex", r"[mutex:name = 'Global\\x']", []),
        (f"{SHA1},x509-fingerprint-sha1", f"[x509-certificate:hashes.'SHA-1' = '{SHA1}']", []),
        ("192.0.2.1,domain", "[ipv4-addr:value = '192.0.2.1']", ["kind"]),
        ("2001:db8::1,ip-dst", "[ipv6-addr:value = '2001:db8::1']", []),
        ("192.0.2.1:80,ip:port", "[ipv4-addr:value = '192.0.2.1']", []),
        ("http://x.example/,link", "", ["kind"]),
        ("ada,twitter-id", "", ["person"]),
        ("ada@x.example,whois-registrant-email", "", ["person"]),
        ("hello,ip", "", ["value"]),
    ],
)
def test_a_kind_column_decides_what_a_value_is(row: str, pattern: str, told: list[str]) -> None:
    found = results(row.encode(), SECOND[Role.KIND])
    assert [tree["pattern"] for tree in trees(found)] == [pattern] * bool(pattern)
    assert rules(found) == told
    if told == ["person"]:
        assert losses(found)[0].outcome is Outcome.SEALED


def test_hashes_of_one_file_are_one_indicator() -> None:
    columns = tuple(Column(number, Role.VALUE, group="file") for number in (1, 2, 3))
    found = results(f"{MD5},{SHA1},{SHA256}\n,,{SHA256}\n".encode(), table(*columns))
    whole, part = trees(found)
    assert (
        whole["pattern"]
        == f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-1' = '{SHA1}' OR file:hashes.'SHA-256' = '{SHA256}']"
    )
    assert part["id"] == ident("indicator", AT, "sha256", SHA256)


def test_and_joins_within_an_object_and_between_observations() -> None:
    kinds = ("auto", "file-name", "auto", "auto")
    columns = tuple(Column(at, Role.VALUE, group="g", kind=kind) for at, kind in enumerate(kinds, 1))
    found = results(f"{MD5},x.exe,bad.example,192.0.2.1\n".encode(), table(*columns, joins={"g": Join.AND}))
    pattern = trees(found)[0]["pattern"]
    assert pattern == (
        f"[file:hashes.MD5 = '{MD5}' AND file:name = 'x.exe'] AND [domain-name:value = 'bad.example'] "
        "AND [ipv4-addr:value = '192.0.2.1']"
    )
    parse_pattern(pattern)
    either = results(f"{MD5},x.exe,bad.example,192.0.2.1\n".encode(), table(*columns))
    assert trees(either)[0]["id"] != trees(found)[0]["id"]


def test_columns_without_a_group_are_indicators_of_their_own() -> None:
    found = results(b"bad.example,192.0.2.1\n", table(VALUE, Column(2, Role.VALUE)))
    assert values(found) == ["bad.example", "192.0.2.1"]


def test_a_group_beyond_the_longest_pattern_is_refused() -> None:
    columns = tuple(Column(number, Role.VALUE, group="g") for number in range(1, 1_001))
    row = ",".join(f"a{number:04}.{'x' * 60}.example" for number in range(1_000)).encode()
    assert rules(results(row, table(*columns))) == ["pattern"]


def test_what_stands_around_a_value_is_taken_off() -> None:
    columns = (Column(1, Role.VALUE, before="||", after="^"),)
    assert values(results(b"||bad.example^\nworse.example\n", Mapping(columns=columns))) == [
        "bad.example",
        "worse.example",
    ]


CELLS = st.sampled_from(
    [
        "192.0.2.1",
        "bad.example",
        "evil.exe",
        MD5,
        SHA1,
        "http://bad.example/x",
        "http://bad.example/^",
        "bad[.]example",
        "x",
        "1.2.3.4:5",
    ]
)
SIMPLE = st.builds(
    Column,
    st.just(1),
    st.just(Role.VALUE),
    kind=st.sampled_from(["auto", "domain", "url", "sha1", "certificate", "file-name", "text"]),
    before=st.sampled_from(["", "http"]),
    after=st.sampled_from(["", "^", "/x"]),
)


@given(CELLS, SIMPLE, st.lists(st.sampled_from(["a", "b" * 70_000]), max_size=2))
def test_the_quick_way_makes_what_the_other_makes(cell: str, column: Column, notes: list[str]) -> None:
    mapping_ = Mapping(columns=(column,))
    cells = [(column, cell), *((Column(2 + at, Role.NOTE), text) for at, text in enumerate(notes))]
    quick, slow = Maker(mapping_, AT), Maker(mapping_, AT)
    slow._is_bare = False

    def told(maker: Maker) -> list[object]:
        return [
            (json.loads(each.data), *each[1:]) if isinstance(each, Made) else each for each in maker.make("x", cells)
        ]

    assert told(quick) == told(slow)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.text(st.characters(exclude_categories=["Cs"])))
def test_ids_are_those_of_every_reader(source: str, content: str) -> None:
    context = Context(source, 5)
    assert Maker(LIST, context).ident("malware", content, "x") == ident("malware", context, content, "x")
