"""A disk that fails where it is told to: one write or sync lost, or done and reported as failed; the power cut.

Rules: only what SQLite does through its VFS is touched; locks and shared memory are the real ones. An operation
counts if it changes what is on the disk: writing, truncating, syncing, deleting. Before `arm` nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

import apsw

NEVER: Final = 1 << 30
SECTOR: Final = 512  # bytes a disk writes wholly or not at all


class Failure(StrEnum):
    """What becomes of the operation that fails, and of those after it."""

    LOST = "lost"  # it is not done, and the error says so
    KEPT = "kept"  # it is done, and an error says that it is not
    BROKEN = "broken"  # it is not done, and nothing after it is, until the disk is mended
    FORGOTTEN = "forgotten"  # a sync fails, and what it should have written is never written: it only reads as if
    KILLED = "killed"  # so too, and the process does nothing after it
    CUT = "cut"  # the power goes: what was not synced is lost
    TORN = "torn"  # the power goes: of what was not synced, some sectors are there


ONCE: Final = {Failure.LOST, Failure.KEPT, Failure.FORGOTTEN}  # what comes after it is done


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)  # type: ignore[arg-type]
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        write = super().xWrite
        self._disk.does(lambda: write(data, offset))
        self._disk.changed(self._path, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        truncate = super().xTruncate
        self._disk.does(lambda: truncate(newsize))
        self._disk.changed(self._path, newsize, None)

    def xSync(self, flags: int) -> None:  # noqa: N802
        sync = super().xSync
        try:
            self._disk.does(lambda: sync(flags))
        except apsw.IOError:
            self._disk.unsynced(self._path)
            raise
        self._disk.synced(self._path)


class Disk(apsw.VFS):
    """A VFS over the real one. `name` is what a store is opened with."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.done = 0
        self._fails = NEVER
        self._how = Failure.LOST
        self._safe: dict[str, bytes] = {}  # what a power cut leaves of each file that was ever synced
        self._loose: dict[str, list[tuple[int, bytes | None]]] = {}  # what was done to a file since

    def arm(self, fails: int, how: Failure) -> None:
        """Count from now on, and let the operation of that number fail, from 1."""
        self.done, self._fails, self._how = 0, fails, how

    def mend(self) -> None:
        """Let nothing fail any more."""
        self._fails = NEVER

    @property
    def failed(self) -> bool:
        """Whether an operation has failed."""
        return self.done >= self._fails

    def does(self, operation: Callable[[], object]) -> None:
        """Do one operation, or fail."""
        self.done += 1
        if self.done < self._fails or (self.done > self._fails and self._how in ONCE):
            operation()
            return
        if self._how is Failure.KEPT:
            operation()
        raise apsw.IOError(f"operation {self.done} is {self._how}")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        delete = super().xDelete
        self.does(lambda: delete(filename, syncdir))
        self._safe.pop(filename, None)
        self._loose.pop(filename, None)

    # -- the power cut -------------------------------------------------------

    def changed(self, path: str, offset: int, data: bytes | None) -> None:
        """Note that a file was written to, or cut to `offset` bytes."""
        self._loose.setdefault(path, []).append((offset, data))

    def keeps(self, path: Path) -> None:
        """Note that a file is on the disk as it is."""
        self._safe[str(path)] = path.read_bytes()
        self._loose.pop(str(path), None)

    def synced(self, path: str) -> None:
        """Note that what was done to a file is on the disk."""
        content = bytearray(self._safe.get(path, b""))
        for offset, data in self._loose.pop(path, ()):
            _redo(content, offset, data)
        self._safe[path] = bytes(content)

    def unsynced(self, path: str) -> None:
        """Forget what was done to a file, where that is how this disk fails."""
        if self._how in {Failure.FORGOTTEN, Failure.KILLED}:
            self._loose.pop(path, None)

    def after_the_cut(self, chance: Random | None = None) -> None:
        """Leave of every file what the disk has: what was synced, and with `chance` some sectors of the rest."""
        for path in {*self._safe, *self._loose}:
            content = bytearray(self._safe.get(path, b""))
            for offset, data in self._loose.get(path, ()) if chance else ():
                _redo(content, offset, data, chance)
            if path in self._safe or content:
                Path(path).write_bytes(content)
            else:
                Path(path).unlink(missing_ok=True)
            Path(f"{path}-shm").unlink(missing_ok=True)
        self._safe.clear()
        self._loose.clear()


def _redo(content: bytearray, offset: int, data: bytes | None, chance: Random | None = None) -> None:
    """Do to the content of a file what was done to it; with `chance` only to some of its sectors."""
    if data is None:
        if chance is None or chance.random() < 0.5:
            del content[offset:]
        return
    for at in range(0, len(data), SECTOR):
        if chance is None or chance.random() < 0.5:
            part = data[at : at + SECTOR]
            content.extend(bytes(max(0, offset + at + len(part) - len(content))))
            content[offset + at : offset + at + len(part)] = part
