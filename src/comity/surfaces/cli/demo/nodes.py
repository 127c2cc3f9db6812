"""The nodes of the demonstration: whose they are, where they are, and how they are asked.

Rules: every node is one that `comity init` made and `comity serve` serves; nothing of it is put together here.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from comity.surfaces.cli.desk import Desk
from comity.surfaces.cli.founding import Founding
from comity.surfaces.cli.host import Host
from comity.surfaces.cli.verbs import A, Progress, R, Verb
from comity.surfaces.cli.verbs.party import PartyShown

LOOPBACK: Final = "127.0.0.1"
SYNC_SECONDS: Final = 1  # between two pulls; a demonstration is watched


@dataclass(eq=False)
class Member:
    """One party of the demonstration, its node's directory and address, and the process that serves it."""

    party: str
    name: str
    jurisdiction: str
    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    words: str = ""

    @property
    def short(self) -> str:
        """Return the name of its directory."""
        return self.home.name

    @property
    def address(self) -> str:
        """Return the base URL of its node."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def office(self) -> str:
        """Return its one office, as an audience."""
        return f"{self.party}/csirt"

    def log(self, accord: str) -> str:
        """Return the origin of its first log in an accord."""
        return f"{self.party}/accord/{accord}/1"


class Listening:
    """A host that remembers the last answer of a node."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.answer: Any = None

    def found(self, home: Path, wanted: Founding) -> PartyShown:
        """Make a node."""
        self.answer = made = self._host.found(home, wanted)
        return made

    def call(self, home: Path, verb: Verb[A, R], ask: A, report: Callable[[Progress], None]) -> R:
        """Ask a node, and remember what it answers."""
        answer = self._host.call(home, verb, ask, report)
        self.answer = answer
        return answer

    def serve(self, home: Path, *, alone: bool) -> None:
        """Serve a node."""
        self._host.serve(home, alone=alone)

    def time_zone(self, home: Path) -> str:
        """Return the time zone in which times are shown."""
        return self._host.time_zone(home)

    def desk(self, home: Path) -> AbstractContextManager[Desk]:
        """Open a node that nobody serves."""
        return self._host.desk(home)


def program() -> list[str]:
    """Return how this very program is started again."""
    return [sys.executable, "-m", "comity.boot.main"]


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def setting(home: Path, name: str, value: str) -> None:
    """Set a line of a node's settings.toml, whether it is commented out or not."""
    path = home / "settings.toml"
    lines = path.read_text("utf-8").splitlines()
    found = [f"{name} = {value}" if line.removeprefix("# ").startswith(f"{name} = ") else line for line in lines]
    path.write_text("\n".join(found) + "\n", "utf-8")


def answers(path: Path) -> bool:
    """Say whether a node answers its owner at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
