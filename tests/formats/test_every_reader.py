"""One table of all readers: any bytes and any damage give a value or an error of ours, at a cost that grows as they do.

What a function costs is counted in steps of Python: lines and calls, which a machine's load does not change. What a
regular expression costs inside a step is bounded in processor seconds, in a process of its own (`make soak`).
"""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.errors import ComityError
from comity.formats import readers
from tests.formats.every_reader import FORMS, OTHERS, PARSERS, Row, pdf
from tests.tree import PACKAGE, ROOT

ROWS = FORMS | PARSERS
FOLDER = PACKAGE / "formats"
WRITERS = "sensors"  # writes only; what it takes has passed the checks
TOKENS = re.compile(rb"[A-Za-z0-9_.-]+|[ \t]+|\r?\n|[^A-Za-z0-9_. \t\r\n-]")
PIECES = [
    *(b"\0", b"\xff", b"\xc3", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r", b"\t", b" " * 40, b"\\"),
    *(b'"', b"'", b"{", b"}", b"[", b"]", b"(", b")", b"<", b">", b"&", b"&#0;", b"<!--", b"-->", b"]]>", b"%", b"|"),
    *(b"*a", b"&a", b"9" * 30, b"-1", b"1e999", b"NaN", b"null", b"true", b"0x", b"[" * 70, b'{"a":' * 70, b"<a>" * 40),
    *(b"..", b"://", b"@", b"--", b"---", b": ", b"- ", b"=?utf-8?q?", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"/*"),
]
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**70, 1e308, "", "x" * 300, "\ud800", "\0", "\u202e", [], {}, [[]], [None], {"a": {}}),
    *(
        ["a"] * 40,
        {"type": "bundle"},
        "indicator--11111111-2222-4333-8444-555555555555",
        "2026-99-99T00:00:00Z",
        "1e400",
    ),
]


_PDF = pdf() if find_spec("pypdf") else ()  # before Hypothesis runs: their module has tests of it too


def good(name: str) -> tuple[bytes, ...]:
    if name != "pdf":
        return ROWS[name].good
    pytest.importorskip("pypdf", reason="reading PDF is optional: install comity[pdf]")
    return _PDF


def reads(row: Row, data: bytes) -> None:
    """Read an input: a value, or an error of ours."""
    try:
        row.read(data)
    except ComityError:
        pass


# -- the table is whole --------------------------------------------------------------------


def taking_bytes() -> Iterator[str]:
    """Yield the public functions of `comity.formats` that are given bytes, or that refuse what they are given."""
    for path in sorted(FOLDER.rglob("*.py")):
        module = ".".join(path.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__")
        if module.partition(".")[0] == WRITERS:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or not node.args.args:
                continue
            given_ = node.args.args[0].annotation
            said = ast.get_docstring(node) or ""
            if "bytes" in (ast.unparse(given_) if given_ else "") or "`Malformed`" in said:
                yield f"{module}.{node.name}"


def test_every_format_has_its_row() -> None:
    assert set(FORMS) == set(readers.FORMS)


def test_every_parser_has_its_row_or_a_reason() -> None:
    assert not set(taking_bytes()) - set(PARSERS) - set(OTHERS), "a new reader needs a row in every_reader.py"
    assert not set(OTHERS) - set(taking_bytes()), "what is gone has no reason"
    assert not set(OTHERS) & set(PARSERS)


@pytest.mark.parametrize("name", ROWS)
def test_good_input_is_good(name: str) -> None:
    for data in good(name):
        ROWS[name].read(data)  # raises nothing


# -- any bytes, any damage -------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@settings(max_examples=60)
def test_any_bytes_are_a_value_or_an_error_of_ours(name: str, data: bytes) -> None:
    reads(ROWS[name], data)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw damages of good bytes: by the bit, by the byte, by the piece of grammar."""
    for _ in range(draw(st.integers(1, 5))):
        size = len(data)
        at = draw(st.integers(0, size))
        end = min(size, at + draw(st.integers(0, 40)))
        what = draw(st.sampled_from(["flip", "cut", "twice", "stop", "put", "swap", "piece", "without", "repeat"]))
        if what == "flip" and at < size:
            data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
        elif what == "cut":
            data = data[:at] + data[end:]
        elif what == "twice":
            data = data[:end] + data[at:]
        elif what == "stop":
            data = data[:at]
        elif what == "put":
            data = data[:at] + draw(st.sampled_from(PIECES)) + data[end:]
        elif what == "swap":
            data = data[end:] + data[at:end] + data[:at]
        elif tokens := TOKENS.findall(data):
            place = draw(st.integers(0, len(tokens) - 1))
            tokens[place : place + 1] = {
                "piece": [draw(st.sampled_from(tokens))],
                "without": [],
                "repeat": [tokens[place]] * draw(st.integers(2, 60)),
            }.get(what, [tokens[place]])
            data = b"".join(tokens)
    return data


@st.composite
def reshaped(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw a change of a JSON document's shape: a wrong value in any place, a member twice, a list a thousand times."""
    tree = json.loads(data)
    spot, key = {"": tree}, ""
    holder: Any = spot
    while isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 9)):
        holder = holder[key]
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    what = draw(st.sampled_from(["wrong", "gone", "many", "inside"]))
    if what == "gone" and holder is not spot:
        del holder[key]
    elif what == "many" and isinstance(holder, list):
        holder += [holder[key]] * draw(st.integers(1, 200))
    elif what == "inside":
        holder[key] = json.loads("[" * 50 + json.dumps(holder[key]) + "]" * 50)
    else:
        holder[key] = draw(st.sampled_from(VALUES))
    text = json.dumps(spot[""])
    if draw(st.booleans()):
        text = re.sub(r'("[a-z_]+": )', lambda found: f'{found[0]}"twice", {found[0]}', text, count=1)
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", ROWS)
@given(draws=st.data())
@settings(max_examples=60)
def test_any_damage_is_a_value_or_an_error_of_ours(name: str, draws: st.DataObject) -> None:
    for data in good(name):
        reads(ROWS[name], draws.draw(damaged(data)))


def is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict | list)
    except ValueError:
        return False


@pytest.mark.parametrize("name", [name for name in ROWS if any(map(is_json, ROWS[name].good))])
@given(draws=st.data())
@settings(max_examples=100)
def test_any_shape_is_a_value_or_an_error_of_ours(name: str, draws: st.DataObject) -> None:
    for data in filter(is_json, good(name)):
        reads(ROWS[name], draws.draw(reshaped(data)))


# -- cost grows as the input does ------------------------------------------------------------

PART = 1_200  # bytes of a repetition that is doubled, and doubled again
SLACK = 4_000  # steps that an input costs whatever its size
RATIO = 3.0  # twice the input costs twice the steps, or a little more; four times would be quadratic


def steps(work: Callable[[], object]) -> int:
    """Count the lines and calls of Python that a function takes, those of functions in C as one each."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "c_call"

    before, before_profile = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.settrace(before)
        sys.setprofile(before_profile)
    return count


def grows(once: int, twice: int) -> bool:
    """Say whether what twice the input costs is more than twice what once does, by the constants above."""
    return twice > RATIO * once + SLACK


@pytest.mark.parametrize(("read", "seen"), [(len, False), (lambda data: [data.count(one) for one in data], False),
                                            (lambda data: [a for a in data for b in data if a < b], True)])  # fmt: skip
def test_what_grows_faster_than_its_input_is_seen(read: Callable[[bytes], object], seen: bool) -> None:
    assert grows(*(steps(lambda size=size: read(b"ab" * size)) for size in (100, 200))) is seen  # type: ignore[misc]


@pytest.mark.parametrize("name", [name for name in ROWS if name not in readers.APART])
@given(draws=st.data())
@settings(max_examples=20)
def test_twice_the_input_costs_twice_the_steps(name: str, draws: st.DataObject) -> None:
    data = draws.draw(st.sampled_from(good(name)))
    tokens = sorted(set(TOKENS.findall(data)))
    start = data[: draws.draw(st.integers(0, min(len(data), 400)))]
    piece = b"".join(draws.draw(st.lists(st.sampled_from(tokens + PIECES), min_size=1, max_size=4)))
    reads(ROWS[name], start + piece)  # what is loaded or remembered is so before
    once, twice = (
        steps(lambda size=size: reads(ROWS[name], start + piece * (size // len(piece))))  # type: ignore[misc]
        for size in (4 * PART, 8 * PART)
    )
    assert not grows(once, twice), (start[-40:], piece)


SECONDS = 240  # of a processor, for all repetitions of one reader: it takes ten; what is quadratic takes hours
BYTES = 200_000
ALL = """
import sys
from tests.formats.test_every_reader import BYTES, PIECES, ROWS, TOKENS, good, reads
for data in good(sys.argv[1]):
    for piece in [*PIECES, *sorted(set(TOKENS.findall(data)))]:
        for start in (b"", data[: len(data) // 2]):
            reads(ROWS[sys.argv[1]], start + piece * (BYTES // len(piece)))
"""


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in ROWS if name not in readers.APART])
def test_no_repetition_takes_a_processor_for_long(name: str) -> None:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    done = subprocess.run(
        [sys.executable, "-c", ALL, name], cwd=ROOT, preexec_fn=bound, capture_output=True, check=False,
        env={"PYTHONPATH": f"{Path('src').absolute()}:{ROOT}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
