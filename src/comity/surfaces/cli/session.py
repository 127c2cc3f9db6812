"""One run of a command: asks the node, shows progress, prints the answer.

Rules: what is printed goes through `visible`, for names and reasons were written by strangers; nothing is
ever read as markup. Answers go to standard output, everything else to standard error.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click
import msgspec

from comity.formats.lookalikes import told
from comity.surfaces.cli.verbs import A, Progress, R, Verb

_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from comity.surfaces.cli.host import Host


class Session:
    """One run of a command."""

    def __init__(self, host: Host, home: Path, office: str, user: str, *, as_json: bool) -> None:
        self.host = host
        self.home = home
        self.as_json = as_json
        self._office = office
        self._user = user

    @property
    def who(self) -> dict[str, str]:
        """Return who asks, as every `Ask` takes it."""
        return {"office": self._office, "user": self._user or login()}

    def ask(self, verb: Verb[A, R], ask: A) -> R:
        """Ask the node and wait for its answer, showing how far it is on a terminal."""
        with _Meter() as meter:
            return self.host.call(self.home, verb, ask, meter.show)

    def put(self, answer: msgspec.Struct, lines: Iterable[str]) -> None:
        """Print an answer: as JSON where that was asked for, else as lines for people."""
        if self.as_json:
            data = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
            click.echo("".join(_in_json(char) for char in data))
            return
        for line in lines:
            click.echo(visible(line))

    def stream(self, answers: Iterable[msgspec.Struct], lines: Iterable[str]) -> None:
        """Print some of many answers: one line each, or one line of JSON each, as they come."""
        if self.as_json:
            encode = msgspec.json.Encoder().encode
            text = "".join([f"{encode(answer).decode()}\n" for answer in answers])
            click.echo("".join(map(_in_json, text)) if not _is_plain(text) else text, nl=False)
            return
        # Tabs stand between cells, whose own were taken out.
        told = list(lines)
        text = "".join([f"{line}\n" for line in told])
        if not _is_plain(text) or text.count("\n") > len(told):
            text = "".join([f"{visible_cells(line)}\n" for line in told])
        click.echo(text, nl=False)

    def note(self, line: str) -> None:
        """Say something beside the answer."""
        click.echo(visible(line), err=True)

    def utc(self, at: int) -> str:
        """Return a time in UTC, for programs and tables."""
        try:
            return f"{datetime.fromtimestamp(at, UTC).isoformat()[:19]}Z"  # by the hundred thousand: `strftime` is slow
        except (ValueError, OverflowError, OSError):
            return str(at)

    def time(self, at: int) -> str:
        """Return a time in the node's zone and in UTC; a dash for none."""
        from zoneinfo import ZoneInfo

        if not at:
            return "–"
        try:
            local = datetime.fromtimestamp(at, ZoneInfo(self.host.time_zone(self.home)))
            utc = datetime.fromtimestamp(at, ZoneInfo("Etc/UTC"))
        except (ValueError, OverflowError, OSError):
            return f"{at} s"  # a stranger's clock can say anything
        if local.utcoffset() == utc.utcoffset():
            return f"{utc:%Y-%m-%d %H:%M:%SZ}"
        return f"{local:%Y-%m-%d %H:%M:%S %Z} ({utc:%H:%M}Z)"


def login() -> str:
    """Return the login name of whoever runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"


def visible(line: str) -> str:
    """Return a line in which all is shown that would not print, or that passes for something else.

    Controls, escapes and turned writing are written out, and so are foreign letters among Latin ones.
    """
    if line.isascii() and line.isprintable():
        return line
    line = told(line)
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def visible_cells(line: str) -> str:
    """Return a line of cells with tabs between them, each cell `visible`."""
    return "\t".join([visible(cell) for cell in line.split("\t")])


def _is_plain(text: str) -> bool:
    """Say whether there is nothing to make visible, by a look at the bytes: nearly always so, and quick."""
    return text.isascii() and not _UNSEEN.search(text)


def _in_json(char: str) -> str:
    if char.isprintable() or char == "\n":
        return char
    return "".join(f"\\u{unit:04x}" for unit in _units(char))


def _units(char: str) -> list[int]:
    data = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


def columns(rows: Iterable[Iterable[str]]) -> list[str]:
    """Return rows as lines with aligned columns; the last column is as wide as it is."""
    table = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in table if at < len(row)) for at in range(max(map(len, table), default=0))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in table]


class _Meter:
    """Progress on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show how far an operation has come."""
        if not sys.stderr.isatty():
            return
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import Progress as Rich

            self._bar = Rich(console=Console(stderr=True, markup=False), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        from rich.markup import escape

        total = progress.total or None
        self._bar.update(self._task, description=escape(visible(progress.what)), completed=progress.done, total=total)
