"""Tables as a whole: lines and quotes in any dialect, hostile input, mappings as data, dates and words."""

from __future__ import annotations

import tomllib
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.formats.convert import TLP_REFS, Made, Outcome
from comity.formats.tables import dates, mapping, words
from comity.formats.tables.dialect import REPLACED
from comity.formats.tables.mapping import Column, Dates, Join, Mapping, Role, Scale
from comity.formats.tables.reading import read
from comity.limits import (
    STATEMENT_BYTES_MAX,
    TABLE_COLUMNS_MAX,
    TABLE_LABELS_MAX,
    TABLE_ROW_CHARS_MAX,
    TABLE_ROW_LINES_MAX,
    TABLE_TEXT_CHARS_MAX,
)
from comity.vocab import Tlp
from tests.formats.tables import AT, LIST, SECOND, VALUE, losses, results, rules, table, trees, values

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# --- the table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"192.0.2.1\r\n192.0.2.2\r192.0.2.3\n\n \n192.0.2.4",
        b"\xef\xbb\xbf192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n",
        "192.0.2.1\n192.0.2.2\r\n192.0.2.3\n192.0.2.4".encode("utf-16"),
        b"\xfe\xff" + "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4".encode("utf-16-be"),
        b"sep=;\r\n192.0.2.1\r\n192.0.2.2\r\n192.0.2.3\r\n192.0.2.4\r\n",
        b'"192.0.2.1"\n 192.0.2.2 \n "192.0.2.3" \n\'192.0.2.4\'',
        b"  # comment\n192.0.2.1\n192.0.2.2\n#192.0.2.9\n192.0.2.3\n192.0.2.4",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 4_096])
def test_lines_end_and_begin_in_many_ways(data: bytes, size: int) -> None:
    assert values(results(data, LIST, size)) == [f"192.0.2.{number}" for number in (1, 2, 3, 4)]


def test_a_quoted_cell_may_hold_anything() -> None:
    data = b'192.0.2.1,"a ""quoted"", text\r\nover\n\nlines, #1"\n192.0.2.2,"b"\n'
    found = results(data, SECOND[Role.DESCRIPTION])
    assert [tree["description"] for tree in trees(found)] == ['a "quoted", text\nover\n\nlines, #1', "b"]
    assert trees(found)[1]["name"] == "192.0.2.2"


def test_a_separator_line_of_excel_goes_before_the_mapping() -> None:
    found = results(b"sep=;\n192.0.2.1;x\n", SECOND[Role.DESCRIPTION])
    assert trees(found)[0]["description"] == "x"


def test_nul_and_broken_characters_are_told() -> None:
    found = results(b"192.0.2.1,a\0b\n192.0.2.2,c\xff\n", SECOND[Role.DESCRIPTION])
    assert [tree["description"] for tree in trees(found)] == ["ab", f"c{REPLACED}"]
    assert rules(found) == ["nul", "encoding"]


def test_columns_that_are_not_read_are_told_once() -> None:
    columns = (Column("ioc", Role.VALUE), Column("absent", Role.NOTE), Column("left", Role.IGNORED))
    found = list(
        read([b"ioc,left,more\n192.0.2.1,a,b\n192.0.2.2,a,b,c\n192.0.2.3\n"], AT, table(*columns, header=True))
    )
    assert [(each.where, each.rule) for each in found if not isinstance(each, Made)] == [
        ("absent", "column"),
        ("left", "ignored"),
        ("column 3", "column"),
        ("line 3", "columns"),
    ]
    assert len(values(found)) == 3


def test_a_mapping_that_does_not_fit_is_one_loss() -> None:
    found = results(b"a,b\n" * 5_000, table(Column("ioc", Role.VALUE), header=True))
    assert rules(found)[-1] == "mapping"
    assert len(found) < 10


def test_comments_are_counted_and_those_behind_a_value_are_kept() -> None:
    found = list(
        read([b"; x\n192.0.2.0/24 ; SBL1\n; y\n"], AT, Mapping(columns=(VALUE,), comments=(";",), trailing=";"))
    )
    assert trees(found)[0]["description"] == "SBL1"
    assert found[-1][1:] == (Outcome.UNMAPPED, "comments", "2 lines of comment")


# --- hostile input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (b"a," * 1_000_000, "row-size"),
        (b"a," * (TABLE_COLUMNS_MAX + 5), "columns"),
        (b'"a",' * (TABLE_COLUMNS_MAX + 5), "columns"),
        (b"x" * (TABLE_ROW_CHARS_MAX + 1), "row-size"),
        (b'"' + b"x" * (TABLE_ROW_CHARS_MAX + 1), "row-size"),
        (b'"192.0.2.1', "quote"),
        (b'192.0.2.1,"a"b', "quote"),
        (b'"' * 999, "quote"),
        (b"\0" * 1_000, "no-value"),
    ],
)
def test_a_hostile_row_costs_itself(row: bytes, rule: str) -> None:
    data = b"192.0.2.1,a\n" + row + b"\n" + b"192.0.2.2,b\n" * 3
    for size in (7_000, len(data)):
        found = results(data, SECOND[Role.DESCRIPTION], size)
        assert values(found) == ["192.0.2.1"] + ["192.0.2.2"] * 3
        assert [each for each in rules(found) if each != "nul"] == [rule]


def test_a_quote_that_is_never_closed_costs_its_line() -> None:
    good = b'192.0.2.2,"x"\n192.0.2.3,y\n' * TABLE_ROW_LINES_MAX
    found = results(
        b'192.0.2.1,"open\n' + b"192.0.2.4,z\n" * (TABLE_ROW_LINES_MAX + 5) + good, SECOND[Role.DESCRIPTION]
    )
    assert len(values(found)) == 3 * TABLE_ROW_LINES_MAX + 5
    assert [(each.where, each.rule) for each in losses(found)] == [("line 1", "quote")]


def test_open_quotes_on_every_line_are_read_in_linear_time() -> None:
    for line in (b'x","y\n', b'"\n', b'a,"b\n', b'"""\n'):
        count = 100_000 // len(line)
        # With a search of TABLE_ROW_LINES_MAX lines for each of them this would take minutes.
        assert len(results(line * count, SECOND[Role.DESCRIPTION])) >= count // TABLE_ROW_LINES_MAX


def test_long_texts_are_cut_and_told_and_what_is_made_fits_a_statement() -> None:
    columns = (
        VALUE, Column(2, Role.DESCRIPTION), Column(3, Role.LABELS, split=" "), Column(4, Role.THREAT),
        Column(5, Role.REFERENCE), Column(6, Role.CREATOR),
    )  # fmt: skip
    long = "\x01" * (TABLE_TEXT_CHARS_MAX + 1)
    labels = " ".join(f"{number}{'é' * 250}" for number in range(TABLE_LABELS_MAX + 1))
    row = f"192.0.2.1,{long},{labels},{'f' * 999},{'r' * 9_000},{'c' * 999}"
    found = results(row.encode(), table(*columns))
    assert sorted(rules(found)) == ["description", "labels", "references"]
    assert all(len(each.data) < STATEMENT_BYTES_MAX for each in found if isinstance(each, Made))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.VALUE])
@pytest.mark.parametrize("text", ["x", "tlp:x ", "x ", "5", "a@", "2026-01-01 "])
def test_a_cell_of_the_longest_row_is_read_in_linear_time_and_told_briefly(role: Role, text: str) -> None:
    row = "192.0.2.1," + text * (1_000_000 // len(text))
    found = results(row.encode(), table(VALUE, Column(2, role, split=" ")))
    assert len(found) < 10


def test_a_level_beyond_the_labels_that_are_read_still_counts() -> None:
    row = "192.0.2.1," + "x " * (TABLE_LABELS_MAX + 5) + "TLP:AMBER"
    found = results(row.encode(), table(VALUE, Column(2, Role.LABELS, split=" ")))
    assert trees(found)[0]["object_marking_refs"] == [TLP_REFS[Tlp.RED]]


def test_a_table_of_any_size_takes_the_memory_of_a_window() -> None:
    def input_of(count: int) -> Iterator[bytes]:
        for number in range(count):
            yield b'192.0.2.%d,"text over\ntwo lines"\n' % (number % 200) * 100

    tracemalloc.start()
    count = sum(isinstance(each, Made) for each in read(input_of(300), AT, SECOND[Role.DESCRIPTION]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30_000
    assert peak < 3 * STATEMENT_BYTES_MAX


def test_a_line_without_an_end_is_not_collected() -> None:
    tracemalloc.start()
    found = list(read((b"x" * 65_536 for _ in range(256)), AT, LIST))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.rule for each in found if not isinstance(each, Made)] == ["row-size"]
    assert peak < 6 * TABLE_ROW_CHARS_MAX  # the input has sixteen times as much


PIECES = st.lists(
    st.sampled_from(
        [
            *(b",", b'"', b"\n", b"\r\n", b"\r", b"#", b"192.0.2.1", b"bad.example", b"\0", b"\xff", b" ", b"'", b";"),
            *(b"\xef\xbb\xbf", b"\t", b"2026-01-01", b"high", b"tlp:red", b"=1+1", MD5.encode(), b"\xff\xfe"),
        ]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip
COLUMNS = st.lists(
    st.builds(
        Column,
        st.integers(1, 6) | st.sampled_from(["bad.example", "x"]),
        st.sampled_from(Role),
        group=st.sampled_from(["", "g"]),
        split=st.sampled_from(["", " ", ","]),
        dates=st.sampled_from(Dates),
        scale=st.sampled_from(Scale),
        kind=st.sampled_from(["auto", "domain", "text", "file-name"]),
        through=st.booleans(),
    ),
    max_size=6,
).map(lambda columns: (VALUE, *columns))
MAPPINGS = st.builds(
    Mapping,
    columns=COLUMNS,
    encoding=st.sampled_from(mapping.ENCODINGS),
    delimiter=st.sampled_from(["", " ", ",", ";", "\t"]),
    quote=st.sampled_from(['"', "'", ""]),
    comments=st.sampled_from([(), ("#",)]),
    trailing=st.sampled_from(["", "#"]),
    header=st.booleans(),
    joins=st.sampled_from([{}, {"g": Join.AND}]),
)


@given(PIECES | st.binary(max_size=200), MAPPINGS, st.integers(1, 9))
def test_any_bytes_by_any_mapping_give_objects_and_losses_whatever_the_chunks(
    data: bytes, mapping_: Mapping, size: int
) -> None:
    assert results(data, mapping_, size) == results(data, mapping_)


@given(MAPPINGS)
def test_a_mapping_is_kept_as_json(mapping_: Mapping) -> None:
    assert mapping.decode(mapping.encode(mapping_)) == mapping_


def test_a_mapping_is_written_as_toml() -> None:
    text = """
        delimiter = ";"
        header = true
        columns = [
            {at = "ioc", role = "value"},
            {at = 2, role = "first-seen", dates = "dmy"},
        ]
        joins = {file = "and"}
        [constants]
        tlp = "AMBER+STRICT"
    """
    made = mapping.convert(tomllib.loads(text))
    assert made.columns == (Column("ioc", Role.VALUE), Column(2, Role.FIRST_SEEN, dates=Dates.DMY))
    assert made.constants.tlp is Tlp.AMBER_STRICT
    assert mapping.decode(mapping.encode(made)) == made


@pytest.mark.parametrize(
    "text",
    [
        b"", b"5", b'{"columns":[{"at":0,"role":"value"}]}', b'{"columns":[],"encoding":"rot13"}',
        b'{"columns":[],"delimiter":"ab"}', b'{"columns":[],"quote":"x"}', b'{"columns":[],"comments":[""]}',
        b'{"columns":[{"at":1,"role":"value","kind":"x"}]}', b'{"columns":[],"constants":{"confidence":101}}',
        b'{"columns":[],"more":1}', b'{"columns":[{"at":1,"role":"verdict"}]}', b"\xff", b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_mapping_that_nobody_could_follow_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        mapping.decode(text)


# --- cells -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "way", "stamp"),
    [
        ("2026-02-03", Dates.YMD, "2026-02-03T00:00:00"), ("2026/2/3 4:05", Dates.YMD, "2026-02-03T04:05:00"),
        ("2026-02-03T04:05:06.5Z", Dates.YMD, "2026-02-03T04:05:06.500"),
        ("2026-02-03 04:05:06 UTC", Dates.YMD, "2026-02-03T04:05:06"),
        ("2026-02-03T04:05:06+02:00", Dates.YMD, "2026-02-03T02:05:06"), ("20260203", Dates.YMD, "2026-02-03T00:00:00"),
        ("20260203T040506Z", Dates.YMD, "2026-02-03T04:05:06"), ("03.02.2026", Dates.DMY, "2026-02-03T00:00:00"),
        ("03/02/26", Dates.DMY, "2026-02-03T00:00:00"), ("02/03/2026 4:05 PM", Dates.MDY, "2026-02-03T16:05:00"),
        ("Tue, 03 Feb 2026 04:05:06 -0500", Dates.DMY, "2026-02-03T09:05:06"),
        ("Feb 3, 2026", Dates.MDY, "2026-02-03T00:00:00"), ("3 February 2026", Dates.DMY, "2026-02-03T00:00:00"),
        ("1770091506", Dates.UNIX, "2026-02-03T04:05:06"), ("1770091506500", Dates.UNIX_MS, "2026-02-03T04:05:06.500"),
    ],
)  # fmt: skip
def test_dates_are_read_as_tables_write_them(text: str, way: Dates, stamp: str) -> None:
    found = results(f'192.0.2.1,"{text}"'.encode(), table(VALUE, Column(2, Role.FIRST_SEEN, dates=way)))
    assert trees(found)[0]["created"].startswith(stamp)


@given(
    st.text(max_size=40) | st.from_regex(r"[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}( [0-9:.]{1,9})?", fullmatch=True)
)
def test_any_text_is_a_date_or_none(text: str) -> None:
    for way in Dates:
        micros = dates.read(text, way)
        assert micros is None or micros > 0


@given(st.text(max_size=40))
def test_any_text_is_a_word_or_none(text: str) -> None:
    assert words.tlp(text) in {None, *Tlp}
    for scale in Scale:
        number = words.confidence(text, scale)
        assert number is None or 0 <= number <= 100
