"""How the demonstration speaks: headings, reasons, commands, answers, claims.

Rules: colour only on a terminal, and no meaning in colour alone; nothing is wrapped, so that a command can
be copied as it stands. What nodes print was written by strangers: it is shown without being interpreted.
"""

from __future__ import annotations

import textwrap
from typing import Final

from rich.console import Console

from comity.surfaces.cli.session import visible

WIDTH: Final = 110  # characters of narration on one line
ANSWER_WIDTH: Final = 150  # characters of a node's answer on one line


class Telling:
    """The voice of the demonstration; `quiet` for one that only checks."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(markup=False, highlight=False, soft_wrap=True)
        self._chapter = 0
        self._step = 0

    def chapter(self, title: str) -> None:
        """Begin a part."""
        self._chapter += 1
        self._step = 0
        self._line("")
        self._line(f"{'━' * 3} {self._chapter}. {title} {'━' * max(3, WIDTH - len(title) - 8)}", "bold cyan")

    def step(self, title: str, why: str) -> None:
        """Begin a step: what happens, and why it matters."""
        self._step += 1
        self._line("")
        self._line(f"{self._chapter}.{self._step}  {title}", "bold")
        self.aside(why)

    def aside(self, text: str) -> None:
        """Say something in between."""
        for line in textwrap.wrap(" ".join(text.split()), WIDTH - 5):
            self._line(f"     {line}", "dim")

    def command(self, text: str) -> None:
        """Show a command as it is typed."""
        self._line(f"  $  {visible(text)}", "yellow")

    def answer(self, text: str, lines: int) -> None:
        """Show what a command printed, its first lines at least."""
        all_ = [line for line in text.splitlines() if line.strip()]
        for line in all_[:lines]:
            seen = visible(line)
            self._line(f"     {seen if len(seen) <= ANSWER_WIDTH else seen[: ANSWER_WIDTH - 2] + ' …'}")
        if lines and len(all_) > lines:
            self._line(f"     … {len(all_) - lines} more lines", "dim")

    def claim(self, what: str, *, holds: bool) -> None:
        """Show a claim that was checked."""
        self._line(f"  {'✓' if holds else '✗'}  {what}", "green" if holds else "bold red")

    def line(self, text: str = "", style: str = "") -> None:
        """Show a line as it is."""
        self._line(text, style)

    def _line(self, text: str, style: str = "") -> None:
        if not self._quiet:
            self._console.print(text, style=style or None)
