"""Find out how a table is written and what its columns are, and say why, so that a person can decide.

Rules: a guess reads a sample of at most `TABLE_SAMPLE_BYTES` with the same code that reads the whole. It
answers for any bytes; where nothing in them looks like a value its confidence is 0. What stands in a column
goes before what its title says; names and accounts of persons are sealed by their titles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from comity.formats.convert import Loss
from comity.formats.tables import columns, records, words
from comity.formats.tables.columns import Reason
from comity.formats.tables.dialect import Row, Rows, lines_of, marked_encoding, text_of
from comity.formats.tables.mapping import Form, Mapping
from comity.limits import TABLE_SAMPLE_BYTES

ROWS_MAX: Final = 1_000  # rows of a sample that are looked at
_DELIMITERS: Final = ("\t", "|", ";", ",", " ")
_COMMENTS: Final = ("#", "//", "!", ";", "%", "--", "REM ")
_AGREEING: Final = 0.9  # share of rows that must have as many cells as most
_SCORED_ROWS: Final = 100  # rows, and
_SCORED_COLUMNS: Final = 64  # columns, by which ways to cut are compared
_NAMES: Final = {"\t": "tab", " ": "blanks", "": "none: each line is one value"}
_SEPARATOR: Final = re.compile(r"\A\"?sep=(.)\"?[\r\n]", re.IGNORECASE)
_ARRAY_OF_OBJECTS: Final = re.compile(r"\A\s*\[\s*\{")
_NAMED_ARRAY: Final = re.compile(r'(?<!\\)"((?:[^"\\]|\\.)*+)"\s*:\s*\[\s*\{')
_ARRAY_DEPTH: Final = 3  # names that may lead to the array


class Guess(NamedTuple):
    """A mapping, and what it rests on."""

    mapping: Mapping
    reasons: tuple[Reason, ...]
    confidence: int  # 0: nothing looks like a value, to 100: all does


def shown(found: Guess) -> list[str]:
    """Return a guess as lines for a person: what, read as, why, examples."""
    return [
        f"{each.what}: {each.read_as} – {each.why}" + (f" (e.g. {', '.join(each.examples)})" if each.examples else "")
        for each in found.reasons
    ]


def guess(sample: bytes, name: str = "") -> Guess:
    """Guess the mapping of an input from its beginning and its file's name; answers for any bytes."""
    cut = len(sample) >= TABLE_SAMPLE_BYTES
    sample = sample[:TABLE_SAMPLE_BYTES]
    encoding, why = _encoding(sample)
    text = "".join(text_of([sample], encoding))
    reasons = [Reason("encoding", encoding, why)]
    if cut:  # the last line is probably not whole
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    form = _json_form(text)
    if form is not None:
        return _records(sample, form, encoding, reasons)
    return _delimited(text, name, encoding, reasons)


def _encoding(sample: bytes) -> tuple[str, str]:
    marked = marked_encoding(sample)
    if marked:
        return marked, "a mark of byte order says so"
    head = sample[: len(sample) // 2 * 2]
    for encoding, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros and zeros.count(0) > len(zeros) * 0.4 > others.count(0) * 4:
            return encoding, "every second byte is zero"
    for drop in range(4):  # the sample may end inside a character
        try:
            sample[: len(sample) - drop].decode()
        except UnicodeDecodeError:
            continue
        return "utf-8", "all of it can be read so"
    return "cp1252", "it is not UTF-8; the usual encoding of Western Europe is assumed"


# --- records ---------------------------------------------------------------------------------------------


def _json_form(text: str) -> Mapping | None:
    """Return how records follow one another, as a mapping without columns; None where it is not JSON."""
    if _ARRAY_OF_OBJECTS.match(text):
        return Mapping(columns=(), form=Form.JSON_ARRAY)
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if not first.startswith("{"):
        return None
    try:
        tree = msgspec.json.decode(first.encode("utf-8", "replace"))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        tree = None
    array = _array_in(tree) if isinstance(tree, dict) else ""
    if tree is not None and not array:
        return Mapping(columns=(), form=Form.JSON_LINES)
    if not array:
        array = _array_before(text)
    return Mapping(columns=(), form=Form.JSON_ARRAY, array=array) if array else None


def _array_in(tree: object, place: str = "", depth: int = 0) -> str:
    """Return the path of the first array of objects with observables in them, within objects only."""
    if not isinstance(tree, dict) or depth == _ARRAY_DEPTH:
        return ""
    for key, value in tree.items():
        inner = records.joined(place, key)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if columns.has_value(records.flat(value[0])):
                return inner
        elif found := _array_in(value, inner, depth + 1):
            return found
    return ""


def _array_before(text: str) -> str:
    """Return the path of an array in an object too long for the sample: tried by reading."""
    names = dict.fromkeys(found[1] for found in _NAMED_ARRAY.finditer(text))
    for name in list(names)[:16]:
        try:
            key = msgspec.json.decode(f'"{name}"'.encode("utf-8", "replace"), type=str)
        except msgspec.MsgspecError:
            continue
        path = records.joined("", key)
        mapping = Mapping(columns=(), form=Form.JSON_ARRAY, array=path)
        rows = records.elements([text.encode("utf-8", "replace")], mapping)
        first = next((each for each in rows if isinstance(each, records.Record)), None)
        if first is not None and columns.has_value(first.values):
            return path
    return ""


def _records(sample: bytes, form: Mapping, encoding: str, reasons: list[Reason]) -> Guess:
    form = msgspec.structs.replace(form, encoding=encoding)
    cut = records.lines if form.form is Form.JSON_LINES else records.elements
    found: dict[str, list[str]] = {}
    count = good = 0
    for record in cut([sample], form):
        if isinstance(record, Loss):
            continue
        count += 1
        for path, texts in record.values.items():
            found.setdefault(path, []).extend(texts[:8])
        if count == ROWS_MAX:
            break
    reasons.append(
        Reason("form", form.form.value, f"{count} records were read" + f" in `{form.array}`" * bool(form.array))
    )
    read = columns.guess([columns.Cells(path, path, texts) for path, texts in found.items()])
    good = round(read.share * 100)
    mapping = msgspec.structs.replace(form, columns=read.columns, joins=read.joins)
    return Guess(mapping, (*reasons, *read.reasons), good)


# --- delimited text --------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """One way to cut the sample."""

    mapping: Mapping
    rows: list[list[str]]
    width: int  # cells that most rows have
    share: float  # of rows that have as many


def _delimited(text: str, name: str, encoding: str, reasons: list[Reason]) -> Guess:
    lines = [line.text or "" for line in lines_of([text])]
    comments = tuple(_comments(lines))
    trailing = next((mark for mark in ("#", ";") if mark in comments and _trails(lines, mark, comments)), "")
    base = Mapping(columns=(), encoding=encoding, comments=comments, trailing=trailing)
    layout = _layout(text, base, name)
    mapping, rows = layout.mapping, layout.rows
    titled = _titles_in_comment(lines, mapping, layout.width)
    header = not titled and columns.is_header(rows)
    titles = (rows[0] if header else titled) or [""] * layout.width
    named = header and len({words.title(each) for each in titles if each.strip()}) == len(titles)
    cells = [
        columns.Cells(
            titles[at].strip() if named and at < len(titles) else at + 1,
            titles[at].strip() if at < len(titles) else "",
            [text for row in rows[header:] if at < len(row) and (text := row[at].strip())],
        )
        for at in range(max(layout.width, len(titles)))
    ]
    read = columns.guess(cells, is_hosts=mapping.delimiter == " ")
    mapping = msgspec.structs.replace(mapping, header=header, columns=read.columns, joins=read.joins)
    delimiter = mapping.delimiter
    of_rows = f"{round(layout.share * 100)} % of {len(rows)} rows have {layout.width} cells"
    reasons.append(Reason("delimiter", _NAMES.get(delimiter, delimiter), of_rows))
    if comments:
        reasons.append(Reason("comments", " ".join(comments), "lines that begin so are no rows"))
    if trailing:
        reasons.append(Reason("comment behind a value", trailing, "read as the description"))
    if header:
        reasons.append(Reason("first row", "titles", "it has no values, and the rows below do", tuple(rows[0][:3])))
    elif titled:
        reasons.append(Reason("titles", "from a comment", "the comment before the first row has as many words"))
    confidence = round(read.share * (1 if delimiter == " " or not delimiter else layout.share) * 100)
    return Guess(mapping, (*reasons, *read.reasons), confidence)


def _comments(lines: list[str]) -> Iterator[str]:
    """Yield what comments begin with: `#` always, other marks where a line begins with one and has no value first."""
    yield "#"
    for mark in _COMMENTS[1:]:
        begun = [line.lstrip()[len(mark) :].strip() for line in lines[:ROWS_MAX] if line.lstrip().startswith(mark)]
        if begun and len(begun) < len(lines) and not any(map(columns.is_value, begun)):
            yield mark


def _trails(lines: list[str], mark: str, comments: tuple[str, ...]) -> bool:
    """Whether most lines with a mark behind a blank have one value before it."""
    rows = [line for line in lines[:ROWS_MAX] if line.strip() and not line.lstrip().startswith(comments)]
    marked = [line for line in rows if f" {mark}" in line or f"\t{mark}" in line]
    alone = sum(
        columns.is_value(re.split(rf"[ \t]{re.escape(mark)}", line)[0].split()[-1])
        for line in marked
        if line.split(mark)[0].strip()
    )
    return bool(marked) and alone >= _AGREEING * len(marked)


def _layout(text: str, base: Mapping, name: str) -> _Layout:
    """Choose the delimiter that cuts most rows alike, and so that one column holds values."""
    separator = _SEPARATOR.match(text)
    if separator and separator[1] in _DELIMITERS:
        return _cut(text, msgspec.structs.replace(base, delimiter=separator[1]))
    alone = _cut(text, base)
    preferred = "\t" if name.lower().endswith((".tsv", ".tab")) else ""
    best, best_score = alone, _score(alone) * 0.99  # a list of addresses with commas in some is no table
    for delimiter in _DELIMITERS:
        for quote in ('"', "'", ""):
            layout = _cut(text, msgspec.structs.replace(base, delimiter=delimiter, quote=quote))
            if layout.width < 2 or layout.share < _AGREEING:
                continue
            if quote == "'" and not _framed(layout.mapping, text):
                continue
            score = _score(layout) * (1.01 if delimiter == preferred else 1.0) * (1.02 if quote == "'" else 1.0)
            if score > best_score + 1e-9:
                best, best_score = layout, score
    if _score(best) < 0.5 and best is alone:
        hosts = _cut(text, msgspec.structs.replace(base, delimiter=" "))
        best = hosts if _score(hosts) > _score(alone) else best
    return best


def _cut(text: str, mapping: Mapping) -> _Layout:
    rows: list[list[str]] = []
    broken = 0
    for row in Rows(lines_of([text]), mapping):
        if isinstance(row, Row):
            rows.append(row.cells)
        else:
            broken += 1
        if len(rows) + broken == ROWS_MAX:
            break
    widths = Counter(len(row) for row in rows)
    width, count = max(widths.items(), key=lambda each: (each[1], each[0])) if widths else (1, 0)
    total = len(rows) + broken
    return _Layout(mapping, rows, width, count / total if total else 0.0)


def _score(layout: _Layout) -> float:
    """Say how well a layout fits: rows alike times the share of values in the best column."""
    body = layout.rows[1:] if len(layout.rows) > 1 and columns.is_header(layout.rows) else layout.rows
    best = max(
        (
            columns.value_share([row[at] for row in body[:_SCORED_ROWS] if at < len(row)])
            for at in range(min(layout.width, _SCORED_COLUMNS))
        ),
        default=0.0,
    )
    return layout.share * best


def _framed(mapping: Mapping, text: str) -> bool:
    """Whether apostrophes stand around cells."""
    bare = msgspec.structs.replace(mapping, quote="")
    cells = [cell.strip() for row in _cut(text, bare).rows for cell in row]
    framed = sum(len(cell) > 1 and cell.startswith("'") and cell.endswith("'") for cell in cells)
    return framed * 2 > len(cells)


def _titles_in_comment(lines: list[str], mapping: Mapping, width: int) -> list[str]:
    """Return the titles that the last comment before the first row has, where it has as many as rows have cells."""
    last = ""
    for line in lines:
        bare = line.strip()
        if bare and not bare.startswith(mapping.comments):
            break
        words_ = bare.lstrip("".join(mapping.comments) + " \t")
        last = words_ or last
    if width < 2 or not last:
        return []
    cells = next(_cells(last, mapping), [])
    titles = [cell.strip() for cell in cells]
    fits = len(titles) == width and all(titles) and not any(map(columns.is_value, titles))
    return titles if fits and all(len(title) < 64 for title in titles) else []


def _cells(text: str, mapping: Mapping) -> Iterator[list[str]]:
    bare = msgspec.structs.replace(mapping, comments=(), trailing="")
    return (row.cells for row in Rows(lines_of([text]), bare) if isinstance(row, Row))
