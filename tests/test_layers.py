"""What the layers promise and import-linter does not see. The direction of imports is in pyproject.toml."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.tree import PACKAGE, ROOT, imports, name, parsed, python

# What may touch the world. Everything else under src/comity is pure: nobody has to list a new module for it.
WORLDLY = ("node", "stores", "http", "client", "transports", "hunt", "surfaces", "boot", "testing")
# A pure module gets bytes, values and `at`. These would let it read a clock, the disk, the network or chance.
WORLD = set(
    """
    apsw asyncio concurrent ctypes fcntl getpass glob http.client http.server httpcore2 httpx2 importlib io logging mmap
    multiprocessing os pathlib platform psycopg queue random requests rich sched secrets select selectors shutil signal
    smtplib socket socketserver sqlite3 ssl starlette structlog subprocess sys tempfile threading time urllib.request
    uvicorn
    """.split()
)
# OASIS's schemas are data of an installed package, read once when first asked for.
READS_PACKAGE_DATA = {"formats/stix/schemas.py": {"importlib", "pathlib"}}
CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__"}
METHODS = set("now utcnow today generate uuid1 uuid4 read_text read_bytes write_text write_bytes".split())

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Never imported: the schemas and example reports inside it are read as package data.
DATA_ONLY = {"stix2-validator", "pymispgalaxies", "pymispwarninglists", "pytaxonomies"}


def is_pure(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] not in WORLDLY


def is_world(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:depth]) in WORLD for depth in range(1, len(parts) + 1))


def offences(path: Path) -> list[str]:
    module = parsed(path)
    allowed = READS_PACKAGE_DATA.get(path.relative_to(PACKAGE).as_posix(), set())
    found = [
        f"{name(path)}:{line}: imports {what}"
        for line, what in imports(module)
        if is_world(what) and what.split(".")[0] not in allowed
    ]
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{name(path)}:{node.lineno}: calls {node.func.id}")
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not allowed:
            found.append(f"{name(path)}:{node.lineno}: calls .{node.func.attr}")
    return found


PURE = [path for path in python("src/comity") if is_pure(path)]


def test_there_are_pure_modules_to_check() -> None:
    assert {"canon.py", "statement.py"} <= {path.name for path in PURE}


@pytest.mark.parametrize("path", PURE, ids=name)
def test_a_pure_module_reads_no_clock_file_socket_database_thread_or_chance(path: Path) -> None:
    assert not offences(path)


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("import time", "imports time"),
        ("def f():\n    from os import urandom", "imports os.urandom"),
        ("from urllib import request", "imports urllib.request"),
        ("import http.client as wire", "imports http.client"),
        ("from datetime import datetime\nx = datetime.now()", "calls .now"),
        ("key = Ed25519PrivateKey.generate()", "calls .generate"),
        ("text = open('x')", "calls open"),
        ("from urllib.parse import urlsplit", ""),
    ],
)
def test_the_check_finds_what_it_looks_for(source: str, offence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "parsed", lambda _path: ast.parse(source))
    found = offences(PACKAGE / "canon.py")
    assert [entry.rpartition(": ")[2] for entry in found] == ([offence] if offence else [])


def test_tlog_could_be_published_alone() -> None:
    borrowed = [
        f"{name(path)}:{line}: {what}"
        for path in python("src/comity/tlog")
        for line, what in imports(parsed(path))
        if what.startswith("comity") and not what.startswith("comity.tlog")
    ]
    assert not borrowed


def test_only_the_release_decision_makes_a_release() -> None:
    makers = [
        f"{name(path)}:{node.lineno}"
        for path in python("src/comity")
        if path.relative_to(PACKAGE).parts[0] not in {"policy", "policy.py"}
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Release"
    ]
    assert not makers


def _canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", distribution, maxsplit=1)[0]).lower()


def _declared() -> set[str]:
    extras = [item for group in DECLARED["optional-dependencies"].values() for item in group]
    return {_canonical(item) for item in [*DECLARED["dependencies"], *extras]}


def _imported() -> dict[str, str]:
    """Return the distributions that src/comity imports, each with one place that does."""
    owners = importlib.metadata.packages_distributions()
    found: dict[str, str] = {}
    for path in python("src/comity"):
        for line, what in imports(parsed(path)):
            top = what.split(".")[0]
            if top != "comity" and top not in sys.stdlib_module_names:
                found[_canonical(owners.get(top, [top])[0])] = f"{name(path)}:{line}"
    return found


def test_what_is_imported_is_declared() -> None:
    declared = _declared()
    assert not {package: place for package, place in _imported().items() if package not in declared}


def test_what_is_declared_is_imported() -> None:
    assert _declared() - set(_imported()) == DATA_ONLY
