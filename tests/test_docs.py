"""The pages keep their word: what they show runs, what they link to is there, what they cite as a test is one."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.markdown import NOT_RUN, Block, anchors, column, links, read
from tests.tree import ROOT, files, name, parsed, python

PAGE_SECONDS_MAX = 300
PAGES = [path for path in files() if path.suffix == ".md"]
RUNNABLE = [
    path
    for path in PAGES
    if name(path) in {"README.md", "docs/tutorial.md"} or name(path.parent) == "docs/howto"
]  # fmt: skip
THREATS = ROOT / "docs" / "threat-model.md"
TEST_NAME = re.compile(r"`([\w./-]+\.py::[\w:]+)(?:\[[^`]*\])?`")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def script(path: Path, blocks: tuple[Block, ...]) -> str:
    """Return a page's blocks as one shell script, which says each line's place before it runs."""
    lines = ["set -euo pipefail"]
    for block in blocks:
        if not block.runs or block.language not in {"console", "python"}:
            continue
        where = f"{name(path) if path.is_relative_to(ROOT) else path.name}:{block.line}"
        lines.append(f"echo {shlex.quote(f'@ {where}')} >&2")
        if block.language == "python":
            lines += [f"{shlex.quote(sys.executable)} - <<'END_OF_BLOCK'", block.text, "END_OF_BLOCK"]
        else:
            lines += commands(block.text)
    return "\n".join(lines) + "\n"


def commands(text: str) -> list[str]:
    """Return what follows `$ ` in a console block, with the lines that a closing backslash carries on."""
    found: list[str] = []
    carried = False
    for line in text.splitlines():
        if carried or line.startswith("$ "):
            found.append(line if carried else line[2:])
            carried = line.endswith("\\")
    return found


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    said: str


def run(path: Path, folder: Path) -> Ran:
    """Run a page in an empty folder, as a person without settings of their own would."""
    binaries = str(Path(sys.executable).parent)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COMITY_", "PYTEST_", "XDG_"))}
    environment = kept | {"PATH": f"{binaries}{os.pathsep}{kept['PATH']}", "HOME": str(folder), "NO_COLOR": "1"}
    # Files, not pipes: a node left serving in the background would hold a pipe open for ever.
    with tempfile.TemporaryDirectory() as beside:
        program, output = Path(beside, "page.sh"), Path(beside, "output")
        program.write_text(script(path, read(path).blocks), "utf-8")
        with output.open("wb") as said:
            process = subprocess.Popen(
                ["bash", str(program)], cwd=folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            code = process.wait(timeout=PAGE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{path.name} still runs after {PAGE_SECONDS_MAX} s:\n{output.read_text('utf-8', 'replace')}")
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing of the page is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ran(code, output.read_text("utf-8", "replace"))


def needs_comity() -> None:
    if shutil.which("comity", path=str(Path(sys.executable).parent)):
        return
    assert not os.environ.get("CI"), "comity is not installed beside this Python"
    pytest.skip("comity is not installed beside this Python: `make test` does that")


@pytest.mark.parametrize("path", RUNNABLE, ids=name)
def test_what_a_page_shows_runs(path: Path, tmp_path: Path) -> None:
    if any(block.runs and block.language in {"console", "python"} for block in read(path).blocks):
        needs_comity()
    done = run(path, tmp_path)
    assert done.code == 0, done.said


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_inside_the_project_lead_somewhere(path: Path) -> None:
    broken = []
    for line, target in links(read(path)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        place, _, anchor = target.partition("#")
        there = (path.parent / place).resolve() if place else path
        if not there.is_relative_to(ROOT) or not there.exists():
            broken.append(f"{name(path)}:{line}: {target}")
        elif anchor and there.suffix == ".md" and anchor not in anchors(read(there)):
            broken.append(f"{name(path)}:{line}: {target} (no such heading)")
    assert not broken


def functions(module: ast.Module) -> set[str]:
    """Return a test file's functions, and methods as `Class::method`."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {node.name} | {f"{node.name}::{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
            found |= {f"{node.name}::test_it"} if any(_is_machine(base) for base in node.bases) else set()
    return found


def _is_machine(base: ast.expr) -> bool:
    return ast.unparse(base).endswith("RuleBasedStateMachine")


def missing(cell: str) -> list[str]:
    """Return the tests a cell names that are not there; a cell that names none is missing its own."""
    named = TEST_NAME.findall(cell)
    absent = []
    for test in named:
        file, _, function = test.partition("::")
        holders = [path for path in python("tests") if name(path) == file or name(path).endswith("/" + file)]
        if not any(function in functions(parsed(path)) for path in holders):
            absent.append(test)
    return absent if named else ["(no test named)"]


@pytest.mark.skipif(not THREATS.exists(), reason="docs/threat-model.md is not written yet")
def test_every_threat_points_to_a_test_that_exists() -> None:
    rows = list(column(read(THREATS), "test"))
    assert rows
    assert not {f"{name(THREATS)}:{line}": absent for line, cell in rows if (absent := missing(cell))}


def test_every_dependency_has_its_line() -> None:
    groups = PYPROJECT["dependency-groups"]
    wanted = [item for group in groups.values() for item in group if isinstance(item, str)]
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    wanted += PYPROJECT["project"]["dependencies"] + [item for extra in extras for item in extra]
    rows = [cell.strip("`") for _, cell in column(read(ROOT / "docs" / "dependencies.md"), "package")]
    assert sorted(rows) == sorted({re.split(r"[\[<>=]", item, maxsplit=1)[0] for item in wanted})


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("```console\n$ x=1; mkdir d && cd d\n$ echo \\\n    got-$x\nnot a command\n```\n", 0, "got-1"),
        ("```console\n$ false\n$ echo reached\n```\n", 1, "@ page.md:2"),
        (f"{NOT_RUN}\n\n```console\n$ false\n```\n", 0, ""),
        ("```python\nprint('py' + 'thon')\n```\n", 0, "python"),
        ("```python\nraise SystemExit(3)\n```\n", 3, ""),
        ("```toml\n$ false\n```\n", 0, ""),
    ],
)
def test_a_page_runs_as_its_reader_would_run_it(text: str, code: int, says: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = run(page, tmp_path)
    assert done.code == code
    assert says in done.said
    assert "reached" not in done.said


def test_a_page_leaves_nothing_running(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ sleep 600 >/dev/null 2>&1 & echo $! > pid\n```\n")
    assert run(page, tmp_path).code == 0
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.05)
    pytest.fail("the background process outlived its page")


def _runs(pid: int) -> bool:
    """Say whether a process runs still; one that is dead and not yet reaped by whoever adopted it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_cell_names_tests_that_exist_and_no_others() -> None:
    assert missing("`tests/test_docs.py::test_a_cell_names_tests_that_exist_and_no_others`, `test_docs.py::run`") == []
    assert missing("`test_docs.py::test_of_nothing`") == ["test_docs.py::test_of_nothing"]
    assert missing("soon") == ["(no test named)"]


def test_headings_give_the_anchors_that_links_use(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One idea\n## `decide()`, and why\n## One idea\n```\n# not a heading\n```\n[a](#x) `[b](#y)`\n")
    assert anchors(read(page)) == {"one-idea", "decide-and-why", "one-idea-1"}
    assert list(links(read(page))) == [(7, "#x")]
