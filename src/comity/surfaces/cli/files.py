"""Files that people name on the command line: `-` is standard input or output.

Rules: a path goes to the node as an absolute one, because a serving node has another working directory;
standard input is spooled to a file of its owner alone.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from comity.errors import Fault, Misuse, TooLarge

TEXT_BYTES_MAX: Final = 4_194_304  # bytes of a card, an accord or a proof read whole
# What a directory is searched for; `comity.formats.readers` reads them. Plain text is not: every readme is that.
SUFFIXES: Final = (
    *(".json", ".stix", ".stix2", ".ndjson", ".jsonl", ".csv", ".tsv", ".html", ".htm", ".pdf"),
    *(".xml", ".iodef", ".ioc", ".yml", ".yaml", ".yar", ".yara", ".rules"),
)


def read_text(name: str) -> str:
    """Return a small file's text. Raises `Misuse` or `TooLarge`."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > TEXT_BYTES_MAX:
        raise TooLarge(f"{name} is over {TEXT_BYTES_MAX} bytes: it is no such file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Misuse(f"{name} is not text in UTF-8") from error


def write_text(name: str, text: str) -> None:
    """Write text to a file that people named. Raises `Fault`."""
    if name == "-":
        click.echo(text.rstrip("\n"))
        return
    try:
        Path(name).write_text(text if text.endswith("\n") else text + "\n", "utf-8")
    except OSError as error:
        raise Fault(f"{name} cannot be written: {error.strerror}") from error


@contextmanager
def input_paths(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the absolute paths of files, of the readable files in directories, and of standard input spooled."""
    with tempfile.TemporaryDirectory(prefix="comity-") as spool:
        found: list[str] = []
        for name in names:
            path = Path(name)
            if name == "-":
                found.append(str(_spooled(Path(spool))))
            elif path.is_dir():
                inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
                if not inside:
                    raise Misuse(
                        f"{name} holds no file that can be read", hint=f"their names end in {', '.join(SUFFIXES)}"
                    )
                found += [str(p.absolute()) for p in inside]
            elif path.exists():
                found.append(str(path.absolute()))
            else:
                raise Misuse(f"there is no {name.encode('utf-8', 'backslashreplace').decode()}")
        for name in found:
            try:
                name.encode("utf-8")
            except UnicodeEncodeError as error:
                shown = name.encode("utf-8", "backslashreplace").decode()
                raise Misuse(
                    f"the name of {shown} is not UTF-8", hint="rename it, or give it as standard input"
                ) from error
        yield tuple(dict.fromkeys(found))


def _spooled(spool: Path) -> Path:
    path = spool / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


@contextmanager
def output_path(name: str) -> Iterator[str]:
    """Yield the absolute path a node is to write; for `-`, what it wrote goes to standard output afterwards."""
    if name != "-":
        yield str(Path(name).absolute())
        return
    with tempfile.TemporaryDirectory(prefix="comity-") as spool:
        path = Path(spool) / "out"
        yield str(path)
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
