"""House rules that a machine can check: sizes, names, words and addresses that have no place here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import PACKAGE, ROOT, files, name, parsed, python

MODULE_LINES_MAX = 500  # the aim is 150; `make lint` says how many are above it
FUNCTION_LINES_MAX = 60
LINE_CHARACTERS_MAX = 120

DRAWERS = {"utils", "util", "common", "helpers", "helper", "core", "lib", "manager", "managers", "misc"}

# In pieces, so that this file passes its own test.
REGISTRIES = re.compile("|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)"]))
MACHINE_PATHS = re.compile(r"(?<![\w.}>)*/])/(?:work|root|home)/")
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
UNOWNED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))")
CLOCK_READS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"}

TEXTS = [path for path in files() if path.name != "LICENSE"]
PYTHON = python()


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_module_stops_at_500_lines_and_its_lines_at_120_characters(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MODULE_LINES_MAX
    assert not [number for number, line in enumerate(lines, 1) if len(line) > LINE_CHARACTERS_MAX]


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_function_stops_at_60_lines(path: Path) -> None:
    lengths = {
        f"{node.name}, line {node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {function: length for function, length in lengths.items() if length > FUNCTION_LINES_MAX}


@pytest.mark.parametrize("path", python("src", "bench"), ids=name)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


def test_no_module_is_a_drawer() -> None:
    assert not [
        name(path) for path in python("src") if DRAWERS.intersection(path.relative_to(PACKAGE).with_suffix("").parts)
    ]


def found(pattern: re.Pattern[str]) -> list[str]:
    """Return where a pattern stands in any text of the project."""
    return [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in TEXTS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(REGISTRIES, id="registry address"),
        pytest.param(MACHINE_PATHS, id="path of somebody's machine"),
        pytest.param(CONFLICT, id="left-over of a merge"),
        pytest.param(UNOWNED, id="something to do without an issue"),
    ],
)
def test_no_text_holds_a(pattern: re.Pattern[str]) -> None:
    assert not found(pattern)


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("/ro" + "ot/x", True),
        ("cd /ho" + "me/ada", True),
        ("cert.arcadia.example/home/1", False),
        ("{party}/home/1", False),
        ("https://cert.arcadia.example/root/", False),
    ],
)
def test_an_origin_is_no_path_of_a_machine(text: str, is_path: bool) -> None:
    assert bool(MACHINE_PATHS.search(text)) is is_path


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=name)
def test_requirements_are_pinned_by_hash_and_name_no_place(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64})", text, re.MULTILINE)
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert not [entry for entry in entries if not re.match(r"[a-z0-9.-]+==[\w.+!-]+ (?:; .*?)?\\\n\s+--hash=", entry)]


def _reads_clock(node: ast.AST) -> bool:
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "time"
        and call.func.attr in CLOCK_READS
        for call in ast.walk(node)
    )


def _names(node: ast.AST) -> set[str]:
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def _pairs(assign: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield target and value, one by one where several are assigned at once."""
    for target in assign.targets:
        if isinstance(target, ast.Tuple) and isinstance(assign.value, ast.Tuple):
            yield from zip(target.elts, assign.value.elts, strict=False)
        else:
            yield target, assign.value


def _tests_a_deadline(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator) == "pytest.mark.deadline" for decorator in function.decorator_list)


def clock_asserts(module: ast.Module) -> Iterator[int]:
    """Yield the lines that assert on a time this machine took, where no deadline is what is tested."""
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _tests_a_deadline(function):
            continue
        timed: set[str] = set()
        for node in sorted((n for n in ast.walk(function) if isinstance(n, ast.stmt)), key=lambda n: n.lineno):
            if isinstance(node, ast.Assign):
                for target, value in _pairs(node):
                    if _reads_clock(value) or _names(value) & timed:
                        timed |= _names(target)
            if isinstance(node, ast.Assert) and (_reads_clock(node.test) or _names(node.test) & timed):
                yield node.lineno


@pytest.mark.parametrize("path", python("tests", "bench"), ids=name)
def test_nothing_asserts_on_how_long_it_took(path: Path) -> None:
    assert not list(clock_asserts(parsed(path)))


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f():\n    began = time.time()\n    took = time.time() - began\n    assert took < 1", [4]),
        ("def f():\n    began, got = time.monotonic(), 0\n    assert got < 1", []),
        ("def f():\n    began = time.monotonic()\n    print(time.monotonic() - began)", []),
        ("@pytest.mark.deadline\ndef f():\n    assert time.monotonic() < 1", []),
    ],
)
def test_an_assertion_on_the_clock_is_seen(source: str, lines: list[int]) -> None:
    assert list(clock_asserts(ast.parse(source))) == lines
