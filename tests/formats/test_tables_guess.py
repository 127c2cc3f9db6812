"""Guessing a table: what feeds really look like, generated tables in any dialect, and any bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.formats.convert import Made, Outcome
from comity.formats.tables import mapping
from comity.formats.tables.guess import guess, shown
from comity.formats.tables.mapping import Column, Dates, Form, Role, Scale
from comity.formats.tables.reading import read
from comity.limits import TABLE_SAMPLE_BYTES
from tests.formats.tables import AT, indicators, losses, results, rules, trees, values

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

URLS = b"""################
# a list of addresses of malware
# id,dateadded,url,url_status,last_online,threat,tags,link,reporter
"3001","2026-08-22 10:15:08","http://192.0.2.5:400/i","on","2026-08-22","malware","a,elf","https://l.example/3001","ada"
"3002","2026-08-22 10:16:08","http://192.0.2.6:4000/bin.sh","offline","","malware","","https://l.example/3002","bob"
"3003","2026-08-22 10:17:08","http://bad.example/bin,sh","offline","","malware","None","https://l.example/3003","bob"
"""
MIXED = b"""# "first_seen","id","ioc","type","class","malware","last_seen","confidence","reference","tags","reporter"
"2026-08-22 10:15:08", "1", "192.0.2.5:4000", "ip:port", "c2", "XRat", "", "100", "https://x.example", "a,b", "ada"
"2026-08-22 10:15:09", "2", "bad.example", "domain", "botnet_cc", "XRat", "2026-08-23 10:15:09", "75", "", "c", "ada"
"2026-08-22 10:15:09", "3", "d41d8cd98f00b204e9800998ecf8427e", "md5_hash", "payload", "YRat", "", "50", "", "c", "ada"
"""
EVENTS = b'''uuid,event_id,category,type,value,comment,to_ids,date
7d3f1a52-3c5e-4a6b-9f10-0123456789ab,1,Network activity,ip-dst,192.0.2.9,"c2, ""main""",1,1780000000
7d3f1a52-3c5e-4a6b-9f10-0123456789ac,1,Network activity,domain,bad.example,,1,1780000100
7d3f1a52-3c5e-4a6b-9f10-0123456789ad,1,Person,twitter-id,ada,,0,1780000100
'''


def roles(data: bytes, name: str = "") -> dict[str, Role]:
    """Return what each column is read as, by its title."""
    return {column.name(): column.role for column in guess(data, name).mapping.columns}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"# c\nbad.example\nworse[.]example\n192.0.2.7\nhxxp://bad.example/x,y\n",
         ["bad.example", "worse.example", "192.0.2.7", "http://bad.example/x,y"]),
        (b"http://a.example/x,1\nhttp://b.example/y\nhttp://c.example/z;2,3\n",
         ["http://a.example/x,1", "http://b.example/y", "http://c.example/z;2,3"]),
        (b"domain\r\nbad.example\r\nworse.example\r\n", ["bad.example", "worse.example"]),
        (b"# hosts\n127.0.0.1 localhost\n::1 localhost\n0.0.0.0 bad.example\n0.0.0.0\tworse.example # why\n"
         b"0.0.0.0 a.example  b.example\n0.0.0.0 c.example\n",
         ["bad.example", "worse.example", "a.example", "b.example", "c.example"]),
        (b"127.0.0.1\tbad.example\n127.0.0.1\tworse.example\n", ["bad.example", "worse.example"]),
        (b"# IP\tcount\n192.0.2.1\t10\n192.0.2.2\t9\n", ["192.0.2.1", "192.0.2.2"]),
        (b"; list\n192.0.2.0/24 ; SBL1\n198.51.100.0/25 ; SBL2\n", ["192.0.2.0/24", "198.51.100.0/25"]),
        (b"192.0.2.1 # scanner\n192.0.2.2\n192.0.2.3 # c2, old\n", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        (b"! Title: x\n||bad.example^\n||worse.example^\n", ["bad.example", "worse.example"]),
        (b"address=/bad.example/0.0.0.0\naddress=/worse.example/0.0.0.0\n", ["bad.example", "worse.example"]),
        (b"- 192.0.2.1\n- bad.example\n", ["192.0.2.1", "bad.example"]),
        (f"{MD5}\n{SHA1}\n{SHA256}\n".encode(), [MD5, SHA1, SHA256]),
        (b"192.0.2.1", ["192.0.2.1"]),
        ("sep=;\r\nName;IP\r\nä;192.0.2.1\r\nö;192.0.2.2\r\n".encode("utf-16"), ["192.0.2.1", "192.0.2.2"]),
        ("domain;comment\nbad.example;caf\xe9\nworse.example;b\n".encode("latin-1"), ["bad.example", "worse.example"]),
        ("text\tdomain\n钓鱼\tbad.example\n僵尸\tworse.example".encode("utf-16-le"), ["bad.example", "worse.example"]),
        (b"'192.0.2.1','a, b'\n'192.0.2.2','c'\n'192.0.2.3','d'\n", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        (b'ip,text\n192.0.2.1,3" pipe\n192.0.2.2,"x\n192.0.2.3,y\n', ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    ],
)  # fmt: skip
def test_lists_as_they_are_published_are_read_whole(data: bytes, found: list[str]) -> None:
    assert values(results(data)) == found
    assert guess(data).confidence >= 60


def test_what_a_hosts_file_has_no_use_for_is_told() -> None:
    found = results(b"127.0.0.1 localhost\n0.0.0.0 bad.example\n0.0.0.0 worse.example\n0.0.0.0 c.example\n")
    assert [(each.where, each.rule) for each in losses(found)] == [("line 1", "value")]


def test_a_feed_of_addresses_with_titles_in_a_comment() -> None:
    assert roles(URLS) == {
        "id": Role.IGNORED, "dateadded": Role.FIRST_SEEN, "url": Role.VALUE, "url_status": Role.NOTE,
        "last_online": Role.LAST_SEEN, "threat": Role.LABELS, "tags": Role.LABELS, "link": Role.REFERENCE,
        "reporter": Role.SEALED,
    }  # fmt: skip
    found = results(URLS)
    assert values(found) == ["http://192.0.2.5:400/i", "http://192.0.2.6:4000/bin.sh", "http://bad.example/bin,sh"]
    first = indicators(found)[0]
    assert first["labels"] == ["malware", "a", "elf"]
    assert first["external_references"] == [{"source_name": "reference", "url": "https://l.example/3001"}]
    assert [each.outcome for each in losses(found)] == [Outcome.SEALED]
    assert b"ada" not in b"".join(each.data for each in found if isinstance(each, Made))


def test_a_feed_of_mixed_kinds() -> None:
    found = results(MIXED)
    assert values(found) == ["192.0.2.5", "bad.example", MD5]
    assert [tree["confidence"] for tree in indicators(found)] == [100, 75, 50]
    assert [tree["name"] for tree in trees(found) if tree["type"] == "malware"] == ["XRat", "YRat"]
    assert indicators(found)[0]["description"] == "port: 4000"


def test_an_export_of_events() -> None:
    found = results(EVENTS)
    assert values(found) == ["192.0.2.9", "bad.example"]
    assert indicators(found)[0]["description"] == 'c2, "main"\nto_ids: 1'
    assert indicators(found)[0]["labels"] == ["Network activity"]
    assert indicators(found)[0]["created"] == "2026-05-28T20:26:40.000Z"
    assert [(each.where, each.outcome) for each in losses(found)] == [("line 4", Outcome.SEALED)]


def test_hashes_of_a_file_beside_its_name_are_one_indicator() -> None:
    head = b"name;md5;sha1;sha256;family;date\n"
    rows = f"x.exe;{MD5};{SHA1};{SHA256};Example;13/02/2026\ny.dll;{MD5[::-1]};;;Example;14/02/2026\n".encode()
    found = results(head + rows)
    assert len(indicators(found)) == 2
    assert indicators(found)[0]["pattern"].count(" OR ") == 2
    assert indicators(found)[0]["created"] == "2026-02-13T00:00:00.000Z"
    assert indicators(found)[0]["description"] == "name: x.exe"


def test_what_describes_a_value_is_no_indicator() -> None:
    data = (
        b"domain,ip,asn,country,cve,first_seen,tlp\n"
        b"bad.example,192.0.2.1,AS64496,NL,CVE-2021-44228,2026-01-02T03:04:05Z,TLP:AMBER\n"
        b"worse.example,198.51.100.2,AS64497,DE,,2026-01-03T03:04:05Z,purple\n"
    )
    found = results(data)
    assert values(found) == ["bad.example", "192.0.2.1", "worse.example", "198.51.100.2"]
    assert indicators(found)[0]["external_references"] == [{"source_name": "cve", "external_id": "CVE-2021-44228"}]
    assert rules(found) == ["tlp"]


def test_days_and_months_that_could_be_exchanged_are_said_so() -> None:
    found = guess(b"ip,date\n192.0.2.1,01/02/2026\n192.0.2.2,03/04/2026\n")
    assert found.mapping.columns[1] == Column("date", Role.FIRST_SEEN, dates=Dates.DMY)
    assert "day first is assumed" in next(each.why for each in found.reasons if each.what == "date")
    sure = guess(b"ip,date\n192.0.2.1,01/02/2026\n192.0.2.2,03/14/2026\n")
    assert sure.mapping.columns[1].dates is Dates.MDY


@pytest.mark.parametrize(
    ("texts", "scale"),
    [
        (("high", "low"), Scale.LEVELS), (("90", "5"), Scale.HUNDRED), (("0.5", "0.9"), Scale.ONE),
        (("almost certain", "remote"), Scale.DNI), (("even chance", "impossible"), Scale.WEP),
    ],
)  # fmt: skip
def test_the_scale_of_confidence_is_found(texts: tuple[str, ...], scale: Scale) -> None:
    rows = "".join(f"192.0.2.{number},{text}\n" for number, text in enumerate(texts))
    assert guess(f"ip,confidence\n{rows}".encode()).mapping.columns[1].scale is scale


def test_a_guess_is_shown_line_by_line() -> None:
    lines = shown(guess(URLS))
    assert any(line.startswith("url: value (auto) – 100 % are values: url 3 (e.g. http://192.0.2.5") for line in lines)
    assert any(line.startswith("reporter: sealed – ") for line in lines)
    assert any(line.startswith("delimiter: , – 100 % of 3 rows have 9 cells") for line in lines)


def test_a_guess_is_made_where_no_mapping_is_given() -> None:
    data = b"ip\tseen\n" + b"".join(b"192.0.%d.%d\t2026-01-01\n" % divmod(number, 256) for number in range(20_000))
    assert len(data) > TABLE_SAMPLE_BYTES
    parts = (data[at : at + 1_000] for at in range(0, len(data), 1_000))
    assert list(read(parts, AT)) == list(read([data], AT, guess(data).mapping))


def test_a_list_of_120_000_addresses_is_read_whole(shared_data: Path) -> None:
    data = (shared_data / "ipsum" / "ipsum.txt").read_bytes()
    found = guess(data, "ipsum.txt")
    assert found.confidence == 100
    assert [(column.role, column.title) for column in found.mapping.columns] == [
        (Role.VALUE, "IP"),
        (Role.NOTE, "number of (black)lists"),
    ]
    rows = [line.split(b"\t") for line in data.splitlines() if not line.startswith(b"#")]
    made = list(read([data], AT, found.mapping))
    assert values(made) == [row[0].decode() for row in rows]
    assert [each.rule for each in made if not isinstance(each, Made)] == ["comments"]
    assert indicators(made[:1])[0]["description"] == f"number of (black)lists: {rows[0][1].decode()}"


# --- records ---------------------------------------------------------------------------------------------

META = {"confidence": 80, "first_seen": "2026-01-02"}
RECORDS: list[dict[str, Any]] = [
    {"indicator": "192.0.2.1", "type": "ip", "tags": ["a", "tlp:green"], "meta": META},
    {"indicator": "bad.example", "type": "domain", "tags": [], "meta": META | {"confidence": 70}, "user": "ada"},
    {"indicator": "worse.example", "type": "domain", "odd.key": {"x y": True}, "meta": None},
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "form", "array"),
    [
        ("\n".join(map(json.dumps, RECORDS)), Form.JSON_LINES, ""),
        (json.dumps(RECORDS), Form.JSON_ARRAY, ""),
        (json.dumps(RECORDS, indent=2), Form.JSON_ARRAY, ""),
        (json.dumps({"status": "ok", "data": RECORDS, "count": 3}), Form.JSON_ARRAY, "data"),
        (json.dumps({"a": {"b": [{"x": 1}], "iocs": RECORDS}}, indent=1), Form.JSON_ARRAY, ""),
        ("\ufeff" + json.dumps({"odd key": RECORDS}), Form.JSON_ARRAY, '["odd key"]'),
    ],
)
def test_records_are_guessed_and_read(data: str, form: Form, array: str) -> None:
    found = guess(data.encode())
    if "iocs" in data:  # nested, and not on one line: only a person can say where
        found = found._replace(mapping=mapping.convert(
            {"columns": [{"at": "$.indicator", "role": "value"}], "form": "json-array", "array": "a.iocs"}
        ))  # fmt: skip
        assert values(results(data.encode(), found.mapping)) == ["192.0.2.1", "bad.example", "worse.example"]
        return
    assert (found.mapping.form, found.mapping.array) == (form, array)
    made = results(data.encode(), found.mapping)
    assert values(made) == ["192.0.2.1", "bad.example", "worse.example"]
    first = indicators(made)[0]
    assert (first["labels"], first["confidence"], first["created"][:10]) == (["a"], 80, "2026-01-02")
    assert {each.where for each in losses(made) if each.outcome is Outcome.SEALED} == {"user"}


# --- generated tables ------------------------------------------------------------------------------------

ADDRESSES = st.integers(1, 254).map(lambda number: f"198.51.100.{number}")
DOMAINS = st.from_regex(r"[a-z]{3,8}-[a-z]{2,8}\.example", fullmatch=True)
TEXTS = st.text(st.sampled_from("abc xyz,;|\t\"'#éß\n"), min_size=1, max_size=20).map(lambda text: f"note {text} end")
Drawn = tuple[bytes, list[tuple[str, str, str]]]
LABELS = st.sampled_from(["phishing", "scan", "c2"])


def quoted(cell: str, quote: str, *, always: bool) -> str:
    return f"{quote}{cell.replace(quote, quote * 2)}{quote}" if always else cell


@st.composite
def tables(draw: st.DrawFn) -> Drawn:
    """Draw a table of known columns in any dialect, and the value, date and text of each row."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    quote = draw(st.sampled_from(['"', "'"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]))
    way = draw(st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%SZ"]))
    rows: list[tuple[str, str, str]] = []
    lines: list[list[str]] = [["indicator", "first_seen", "description", "tags"]]
    for number in range(draw(st.integers(4, 12))):
        value = draw(ADDRESSES | DOMAINS)
        day = 13 + number  # beyond any month, so that day and month are told apart
        stamp = f"2026-02-{day:02}"
        written = (
            way.replace("%Y", "2026").replace("%m", "02").replace("%d", f"{day:02}").replace("%H:%M:%S", "00:00:00")
        )
        text = draw(TEXTS)
        rows.append((value, stamp, text))
        lines.append([value, written, text, draw(LABELS)])
    order = draw(st.permutations(range(4)))
    body = end.join(delimiter.join(quoted(line[at], quote, always=True) for at in order) for line in lines)
    return body.replace("\n", end if end != "\n" else "\n").encode(encoding), rows


@given(tables(), st.integers(1, 500))
def test_a_generated_table_in_any_dialect_comes_back(drawn: Drawn, size: int) -> None:
    data, rows = drawn
    found = guess(data)
    made = results(data, found.mapping, size)
    assert not losses(made)
    read_back = [(tree["name"], tree["created"][:10], tree["description"]) for tree in indicators(made)]
    assert read_back == [(value, stamp, text) for value, stamp, text in rows]
    assert mapping.decode(mapping.encode(found.mapping)) == found.mapping


NOISE: Any = st.lists(
    st.sampled_from(
        [
            *(b",", b'"', b"\n", b"\r", b"#", b"192.0.2.1", b"bad.example", b"\0", b"\xff", b" ", b"'", b";"),
            *(b"{", b"}", b'{"ip":"192.0.2.1"}', b"[", b"]", b'"data":[', b"\t", b"2026-01-01", b"||", b"sep=;\n"),
            b"\xfe\xff",
        ]
    ),
    max_size=40,
).map(b"".join) | st.binary(max_size=300)  # fmt: skip


def test_quotes_behind_backslashes_take_linear_time() -> None:
    assert guess(b'{"' + b'\\"' * 120_000).confidence == 0


@pytest.mark.parametrize("cell", [b"x,", b"http:,", b'"x",', b"a;b|c\td e,", b"||x^,", b"0" * 30 + b","])
def test_a_wide_table_without_values_is_guessed_and_given_up(cell: bytes) -> None:
    found = guess((cell * 500 + b"\n") * 1_000)  # as if a hundred times as wide: only the first columns are looked at
    assert found.confidence == 0


@given(NOISE, st.sampled_from(["", "x.tsv", "\0"]))
@example(b",sep=;\n192.0.2.1 192.0.2.1", "")  # fewer titles than cells
def test_any_bytes_are_guessed_and_read(data: bytes, name: str) -> None:
    found = guess(data, name)
    assert 0 <= found.confidence <= 100
    assert len(shown(found)) >= 2
    assert mapping.decode(mapping.encode(found.mapping)) == found.mapping
    results(data, found.mapping)


@given(st.binary(max_size=20), st.integers(0, 400), st.integers(0, 9), st.sampled_from([URLS, MIXED, EVENTS]))
def test_a_mutated_feed_is_guessed_and_read(noise: bytes, at: int, gap: int, feed: bytes) -> None:
    data = feed[:at] + noise + feed[at + gap :]
    results(data, guess(data).mapping)
    results(data, guess(feed).mapping)
