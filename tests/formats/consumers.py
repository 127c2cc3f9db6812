"""Real consumers of what goes out, installed where that can be done, and items to give them.

Rules: a tool that is absent is installed by apt where this is root and apt is there; else its tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from comity.formats.sensors.item import About, Gone, Item, Skipped
from comity.formats.sensors.table import WRITERS

PACKAGES = {
    "named-checkzone": "bind9-utils",
    "named": "bind9",
    "nft": "nftables",
    "ipset": "ipset",
    "suricata": "suricata",
    "xmllint": "libxml2-utils",
    "chromium": "chromium",
}
INSTALL_SECONDS_MAX = 300
RUN_SECONDS_MAX = 120
PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
AT = 1_772_359_200  # 2026-03-01T10:00:00Z
ABOUT = About(
    title="Energy sector: what to block",
    ident="list--energy",
    at=AT,
    node="cert.arcadia.example",
    serial=2026030101,
    ttl=3_600,
    tlp="AMBER+STRICT",
    link="https://cert.arcadia.example/out/energy",
)
IDENT = "indicator--7d3f1a52-3c5e-4a6b-9f10-0123456789ab"


def item(kind: str, value: str, **changes: Any) -> Item:
    """Return an item as a node gives it, with these changes."""
    facts: dict[str, Any] = {
        "ident": IDENT,
        "name": "A server",
        "confidence": 80,
        "valid_from": AT - 86_400,
        "until": AT + 86_400,
        "tlp": "GREEN",
        "marking": "",
        "source": "Borealia CSIRT",
        "labels": ("c2", "loader"),
        "created": AT - 86_400,
        "modified": AT - 3_600,
    }
    return Item(kind, value, **(facts | changes))


def written(form: str, items: Iterable[Item], about: About = ABOUT, skipped: Skipped | None = None) -> bytes:
    """Return what a form writes of these items."""
    return b"".join(WRITERS[form].write(items, about, Skipped() if skipped is None else skipped))


def removed(form: str, gone: Iterable[Gone], skipped: Skipped | None = None) -> bytes:
    """Return what a form writes for the removal of these values."""
    remove = WRITERS[form].removals
    assert remove is not None
    return b"".join(remove(gone, ABOUT, Skipped() if skipped is None else skipped))


@cache
def _found(name: str) -> str:
    found = shutil.which(name, path=PATHS)
    if found or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found or ""
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGES[name]]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, env=quiet, capture_output=True, timeout=INSTALL_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return shutil.which(name, path=PATHS) or ""


def tool(name: str) -> str:
    """Return where a tool is, or skip the test."""
    found = _found(name)
    if not found:
        pytest.skip(f"no {name} here, and it could not be installed from the package {PACKAGES[name]}")
    return found


def run(*command: str | Path, text: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool and return what it said and how it ended."""
    return subprocess.run(
        list(map(str, command)),
        input=text, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, cwd=folder, check=False,
    )  # fmt: skip


@cache
def network_apart() -> tuple[str, ...]:
    """Return a command that runs another in an empty network of its own, or skip the test."""
    command = ("unshare", "--net")
    if not shutil.which("unshare") or run(*command, "true").returncode:
        pytest.skip("no network namespace can be made here: needs root and Linux")
    return command
