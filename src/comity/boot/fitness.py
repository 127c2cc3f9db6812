"""Whether the store at hand is the one this node last signed from, or a copy of an older day.

Rules: a marker beside the database, never inside it, says how large each own log was when it was last
signed, in which file, on which machine. A store that holds less, or lies elsewhere, may be a restored
backup: nothing is signed before its peers were asked. The marker can be behind the store, never ahead.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from comity.canon import Instant, Origin
from comity.errors import Fault
from comity.node.ports import Log, Signer
from comity.tlog.checkpoint import parse_checkpoint
from comity.tlog.note import Signature

FILE: Final = "fit.json"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
MACHINE_ID: Final = Path("/etc/machine-id")


class Marker(msgspec.Struct, frozen=True):
    """What the node knew of its store when it last signed."""

    machine: str
    boot: str
    device: int
    inode: int
    sizes: dict[Origin, int]


class Fitness(NamedTuple):
    """`fit`: it may sign. `ask`: peers are asked first. `why`: what speaks against it; empty after a mere restart."""

    fit: bool
    ask: bool
    why: str


def judge(marker: Marker | None, here: Marker, logs: list[Log]) -> Fitness:
    """Compare the marker with the store at hand. A store in which nothing was signed yet is fit."""
    own = {log.origin: log.size for log in logs if log.own}
    if not any(log.signed for log in logs if log.own) and (marker is None or not marker.sizes):
        return Fitness(fit=True, ask=False, why="")
    if marker is None:
        return Fitness(fit=False, ask=True, why="what it last signed is not known here (run/fit.json is missing)")
    if marker.machine != here.machine:
        return Fitness(fit=False, ask=True, why="the store came from another machine")
    if (marker.device, marker.inode) != (here.device, here.inode):
        return Fitness(fit=False, ask=True, why="the store is another file than the one last signed from")
    for origin, size in marker.sizes.items():
        if own.get(origin, 0) < size:
            return Fitness(fit=False, ask=True, why=f"{origin} has {own.get(origin, 0)} entries; {size} were signed")
    # After a restart of the machine its disk may be a snapshot's: ask, but silence proves nothing.
    return Fitness(fit=True, ask=marker.boot != here.boot, why="")


class MarkedSigner:
    """A signer that notes how large a log is before it signs it."""

    def __init__(self, signer: Signer, run: Path, database: Path) -> None:
        self._signer = signer
        self._path = run / FILE
        self._database = database
        self._sizes: dict[Origin, int] = {}

    def read(self) -> Marker | None:
        """Return the marker of the last signing; None where there is none that can be read."""
        try:
            marker = msgspec.json.decode(self._path.read_bytes(), type=Marker)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        self._sizes = dict(marker.sizes)
        return marker

    def here(self) -> Marker:
        """Return the marker of the store as it lies here now."""
        there = self._database.stat()
        return Marker(_machine(), _line(BOOT_ID), there.st_dev, there.st_ino, self._sizes)

    def accept(self, logs: list[Log]) -> None:
        """Take the store at hand for the right one from here on. Raises `Fault`."""
        self._sizes = {log.origin: log.size for log in logs if log.own}
        self._write()

    def checkpoint(self, origin: Origin, text: bytes) -> bytes:
        """Return the signed note of a checkpoint's text; its size is on the disk before."""
        self._sizes[origin] = parse_checkpoint(text).size
        self._write()
        return self._signer.checkpoint(origin, text)

    def cosign(self, text: bytes, at: Instant) -> Signature:
        """Return the cosignature of this party's witness."""
        return self._signer.cosign(text, at)

    def request(self, message: bytes) -> bytes:
        """Return the request key's signature."""
        return self._signer.request(message)

    def _write(self) -> None:
        partial = self._path.with_suffix(".partial")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(msgspec.json.encode(self.here()))
                file.flush()
                os.fdatasync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            raise Fault(f"{self._path} cannot be written: {error.strerror}") from error


def _machine() -> str:
    return _line(MACHINE_ID) or socket.gethostname()


def _line(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
