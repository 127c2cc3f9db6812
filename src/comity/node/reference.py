"""Reference data on this machine: a folder of the node's own first, then what an installed package carries.

Rules: a package is never imported; only its data is read. Only regular files of a bounded size and number are
read: nothing else in a folder stops or delays a node. What cannot be read becomes a loss. A file is known by its place,
size and time of change, so that what was read of it is read again when it changed.
"""

from __future__ import annotations

import importlib.util
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from comity.formats.convert import Loss, Outcome, loss


class File(NamedTuple):
    """One file of reference data."""

    path: Path
    size: int  # bytes
    changed: int  # nanoseconds since 1970

    @property
    def name(self) -> str:
        """Return a name that tells it from the others: its folder's where all files are called alike."""
        return self.path.parent.name if self.path.stem in {"list", "machinetag"} else self.path.stem


def installed(package: str, *inside: str) -> Path | None:
    """Return a folder within an installed package, which is not imported for it; None where it is not there."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place).joinpath(*inside)
        if folder.is_dir():
            return folder
    return None


def files(folder: Path | None, patterns: Sequence[str], most: int) -> list[File]:
    """Return the regular files of a folder that fit any of some patterns, by name, at most so many."""
    if folder is None:
        return []
    found: list[File] = []
    for path in _matching(folder, patterns):
        try:
            state = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(state.st_mode):
            found.append(File(path, state.st_size, state.st_mtime_ns))
        if len(found) > most:
            break
    return sorted(found)[:most]


def _matching(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    try:
        for pattern in patterns:
            yield from folder.glob(pattern)
    except OSError:
        return


def read(file: File, limit: int) -> bytes | Loss:
    """Return a file's bytes, or why it cannot be used: over `limit` bytes, or not readable."""
    where = str(file.name)
    if file.size > limit:
        return loss(where, Outcome.REFUSED, "file-size", f"longer than {limit} bytes")
    try:
        with file.path.open("rb") as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        return loss(where, Outcome.REFUSED, "file-read", f"cannot be read: {error.strerror or error}")
    if len(data) > limit:
        return loss(where, Outcome.REFUSED, "file-size", f"longer than {limit} bytes")
    return data
