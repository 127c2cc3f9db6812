"""The project's own files, for the tests that read them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "comity"
BUILT = {".venv", ".git", "__pycache__", "dist", "build", ".demo", ".hypothesis"}


@cache
def files() -> tuple[Path, ...]:
    """Return every text file that is in the repository or would be added to it."""
    if (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        found = [ROOT / name for name in listing.split("\0") if name]
    else:  # an unpacked source archive
        found = [path for path in ROOT.rglob("*") if not BUILT.intersection(path.relative_to(ROOT).parts)]
    return tuple(path for path in sorted(set(found)) if path.is_file() and not _is_binary(path))


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" in file.read(8_192)


def python(*folders: str) -> list[Path]:
    """Return the Python files under `folders` of the project, all of them if none is named."""
    roots = [ROOT / folder for folder in folders] or [ROOT]
    return [path for path in files() if path.suffix == ".py" and any(path.is_relative_to(root) for root in roots)]


def name(path: Path) -> str:
    """Return a file's place in the project, as messages show it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return a Python file's syntax tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a module imports, inside functions too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
