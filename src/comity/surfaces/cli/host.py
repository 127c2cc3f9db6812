"""What the command line asks of the program around it: to make a node, to ask one, to serve one.

Rules: commands hold no node, they ask; whether the answer comes from this process or from the one that
serves, it is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from comity.surfaces.cli.founding import Founding
from comity.surfaces.cli.verbs import A, Progress, R, Verb
from comity.surfaces.cli.verbs.party import PartyShown

if TYPE_CHECKING:
    from comity.surfaces.cli.desk import Desk


class Host(Protocol):
    """The program around the command line."""

    def found(self, home: Path, wanted: Founding) -> PartyShown:
        """Make a node in an empty directory. Raises `Conflict`, `Misuse`, `Fault`."""

    def call(self, home: Path, verb: Verb[A, R], ask: A, report: Callable[[Progress], None]) -> R:
        """Ask the node in a directory, here or where it is served. Raises any `ComityError`."""

    def serve(self, home: Path, *, alone: bool) -> None:
        """Serve the node until the process is asked to stop."""

    def time_zone(self, home: Path) -> str:
        """Return the time zone in which times are shown."""

    def desk(self, home: Path) -> AbstractContextManager[Desk]:
        """Open a node that nobody serves, in this process: for what no command does. Raises `Conflict`, `NotFound`."""
