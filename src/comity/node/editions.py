"""What a list held at each of its editions: kept beside the list's file, so that what came and went can be told.

Rules: no value lies here, only the key of each and the entry that says it: what is told is read from the entry at that
moment, so an erased value is gone here too. The newest members are one sorted file, and each edition leaves
what changed behind. Both are written aside and renamed, changes first; what a stop left over is dropped at the next
edition. Memory does not grow with the list: members are sorted in runs and compared while they are merged.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.errors import Fault, NotFound
from comity.limits import FEED_CHANGES_MAX, FEED_EDITIONS_MAX, FEED_KEPT_SECONDS, FEED_SORT_MEMBERS
from comity.vocab import Tlp

_MEMBER: Final = struct.Struct(">16sQB")
_CHANGE: Final = struct.Struct(">BBQ16sQB")
_STATE: Final = "state.json"
_MEMBERS: Final = "members"
_CHANGES: Final = "changes"
_READ_AT_ONCE: Final = 4_096  # members or changes read together
TLP_CODES: Final = tuple(Tlp)  # a label by its code; the order of `vocab` never changes
TAG_CHARS: Final = 32


class Member(NamedTuple):
    """One thing that a list holds: which, said by which entry, under which label."""

    key: bytes  # 16 bytes: of a value by `observables.key`, of an object by `object_key`
    at: int  # position of the entry
    label: int  # index into TLP_CODES


class Op(IntEnum):
    """What happened to a member."""

    ADDED = 1
    REMOVED = 2
    CHANGED = 3  # another entry says it, or another label stands on it


class Why(IntEnum):
    """Why a member is gone. A code is kept in files: it never changes its meaning."""

    OTHER = 0  # no more wanted: doubted, worn off, on a warning list, or the definition of what is a value changed
    RETRACTED = 1
    REVOKED = 2
    EXPIRED = 3
    NARROWED = 4  # its author narrowed it, and this audience may have it no more
    ERASED = 5
    SUPERSEDED = 6  # its author has a newer version that does not say it
    WITHHELD = 7  # the audience may have it no more, though nobody narrowed it: terms, purpose or embargo


class Change(NamedTuple):
    """One member that came, went or changed."""

    op: Op
    why: Why
    time: Instant  # when the edition was made that shows it
    member: Member


class Past(NamedTuple):
    """One edition that a list can go on from."""

    serial: int
    tag: str
    at: Instant
    changes: int  # since the one before


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a list's newest edition."""

    tag: str  # follows from what the list holds: equal members, equal tag
    serial: int  # of the edition; one more each time anything changed
    at: Instant  # when it was made
    moment: str  # `feeds.tag` when it was last compared: while that stays, nothing can have changed
    members: int
    history: tuple[Past, ...] = ()  # the editions that it can go on from, oldest first


class NotKept(NotFound):
    """What changed since an edition is not kept, or never was."""


def object_key(ident: str) -> bytes:
    """Return the key under which an object is a member of a list of whole objects."""
    return sha256(b"object\0" + ident.encode("utf-8", "surrogatepass")).digest()[:16]


@dataclass
class Gathering:
    """Members on their way into an edition, in any order, each key once."""

    folder: Path
    _waiting: list[bytes] = field(default_factory=list)
    _runs: list[IO[bytes]] = field(default_factory=list)
    count: int = 0

    def add(self, key: bytes, at: int, label: Tlp) -> None:
        """Take one member."""
        self._waiting.append(_MEMBER.pack(key, at, TLP_CODES.index(label)))
        self.count += 1
        if len(self._waiting) >= FEED_SORT_MEMBERS:
            self._spill()

    def _spill(self) -> None:
        run = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - closed by `close`
        run.writelines(sorted(self._waiting))
        run.seek(0)
        self._runs.append(run)
        self._waiting.clear()

    def sorted(self) -> Iterator[Member]:
        """Yield every member in order of its key."""
        self._waiting.sort()
        parts = [_read(run) for run in self._runs] + [map(_member, self._waiting)]
        yield from heapq.merge(*parts) if self._runs else parts[0]

    def close(self) -> None:
        """Give back what sorting took."""
        for run in self._runs:
            run.close()


class Editions:
    """The editions of one list, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state(self) -> State | None:
        """Return what is known of the newest edition; None where there is none, or none that can be read."""
        try:
            return msgspec.json.decode((self.folder / _STATE).read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, ValueError):
            return None  # whoever has an older tag takes the whole list
        except OSError as error:
            raise Fault(f"{self.folder} cannot be read: {error.strerror}") from error

    def unchanged(self, state: State, moment: str) -> State:
        """Note that what could have changed the list did not."""
        return self._keep(msgspec.structs.replace(state, moment=moment))

    def tag_of(self, gathering: Gathering, definition: bytes) -> str:
        """Return the tag of what was gathered, under what else makes the file what it is."""
        told = sha256(definition)
        for member in gathering.sorted():
            told.update(_MEMBER.pack(*member))
        return told.hexdigest()[:TAG_CHARS]

    def renew(
        self,
        gathering: Gathering,
        tag: str,
        moment: str,
        at: Instant,
        why: Callable[[list[Member]], Iterable[Why]],
    ) -> State:
        """Make what was gathered the newest edition, and keep what changed since the one before.

        `why` says of members that are gone why. Changes older than FEED_KEPT_SECONDS, or beyond FEED_CHANGES_MAX
        or FEED_EDITIONS_MAX, are dropped: whoever has so old a tag takes the whole list.
        """
        before = self.state()
        serial = before.serial + 1 if before else 1
        history = list(before.history) if before else []
        if before is not None:
            changed = self._compare(gathering, serial, at, why)
            history = history if changed is not None else []
            history.append(Past(serial, tag, at, changed or 0))
        else:
            history.append(Past(serial, tag, at, 0))
        self._write(_MEMBERS, (_MEMBER.pack(*member) for member in gathering.sorted()))
        kept = _within(history, at)
        state = self._keep(State(tag, serial, at, moment, gathering.count, kept))
        wanted = {f"{_CHANGES}.{number}" for number, *_ in kept[1:]}
        for path in self.folder.glob(f"{_CHANGES}.*"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)
        return state

    def members(self) -> Iterator[Member]:
        """Yield the newest edition's members, in order of key."""
        try:
            with (self.folder / _MEMBERS).open("rb") as file:
                yield from _read(file)
        except FileNotFoundError:
            return

    def since(self, tag: str) -> list[Change]:
        """Return what came and went between the edition of a tag and the newest, each key once.

        Raises `NotKept` where the tag is none of those kept.
        """
        state = self.state()
        known = [number for number, known, *_ in state.history if known == tag] if state else []
        if state is None or not known:
            raise NotKept("no edition with this tag is kept", hint="take the whole list, and go on from its tag")
        net: dict[bytes, tuple[bool, Change]] = {}
        for number, *_ in state.history:
            if number <= known[-1]:
                continue
            for change in self._changes(number):
                had = net[change.member.key][0] if change.member.key in net else change.op is not Op.ADDED
                net[change.member.key] = (had, change)
        # What came and went again in between was never at whoever asks.
        return [change for had, change in net.values() if had or change.op is not Op.REMOVED]

    def removed(self) -> list[Change]:
        """Return what was taken back within what is kept, and is not in the list again."""
        state = self.state()
        gone: dict[bytes, Change] = {}
        for number, *_ in state.history[1:] if state else ():
            for change in self._changes(number):
                if change.op is Op.REMOVED:
                    gone[change.member.key] = change
                else:
                    gone.pop(change.member.key, None)
        return list(gone.values())

    # -- files -------------------------------------------------------------------

    def _compare(
        self, gathering: Gathering, serial: int, at: Instant, why: Callable[[list[Member]], Iterable[Why]]
    ) -> int | None:
        """Write what changed; return how much, or None where it was too much to keep."""
        count = 0

        def changes() -> Iterator[bytes]:
            nonlocal count
            gone: list[Member] = []
            for op, member in _differences(self.members(), gathering.sorted()):
                count += 1
                if op is Op.REMOVED:
                    gone.append(member)
                    if len(gone) == _READ_AT_ONCE:
                        yield from _packed(gone, why(gone), at)
                        gone = []
                elif count <= FEED_CHANGES_MAX:
                    yield _CHANGE.pack(op, Why.OTHER, at, *member)
                if count > FEED_CHANGES_MAX:
                    return
            yield from _packed(gone, why(gone), at)

        name = f"{_CHANGES}.{serial}"
        self._write(name, changes())
        if count > FEED_CHANGES_MAX:
            (self.folder / name).unlink()
            return None
        return count

    def _changes(self, serial: int) -> Iterator[Change]:
        try:
            with (self.folder / f"{_CHANGES}.{serial}").open("rb") as file:
                while block := file.read(_CHANGE.size * _READ_AT_ONCE):
                    for op, why, time, *member in _CHANGE.iter_unpack(block):
                        yield Change(Op(op), Why(why), time, Member(*member))
        except FileNotFoundError as error:
            hint = "take the whole list, and go on from its tag"
            raise NotKept("what changed since this tag is not kept", hint=hint) from error
        except (struct.error, ValueError) as error:
            raise Fault(f"{self.folder} has a broken record of changes") from error

    def _keep(self, state: State) -> State:
        self._write(_STATE, [msgspec.json.encode(state)])
        return state

    def _write(self, name: str, pieces: Iterable[bytes]) -> None:
        partial = self.folder / f".{name}.partial"
        try:
            with partial.open("wb") as file:
                file.writelines(pieces)
            partial.replace(self.folder / name)
        except OSError as error:
            raise Fault(f"{self.folder / name} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)


def gathering(folder: Path, within: ExitStack) -> Gathering:
    """Return a place for members, whose temporary files end with `within`."""
    made = Gathering(folder)
    within.callback(made.close)
    return made


def _within(history: list[Past], at: Instant) -> tuple[Past, ...]:
    """Return the newest editions whose changes are few enough and young enough; at least the newest."""
    kept: list[Past] = []
    changes = 0
    for one in reversed(history):
        kept.append(one)
        changes += one.changes
        if changes > FEED_CHANGES_MAX or len(kept) >= FEED_EDITIONS_MAX or one.at + FEED_KEPT_SECONDS < at:
            break
    return tuple(reversed(kept))


def _member(packed: bytes) -> Member:
    return Member(*_MEMBER.unpack(packed))


def _read(file: IO[bytes]) -> Iterator[Member]:
    file.seek(0)
    while block := file.read(_MEMBER.size * _READ_AT_ONCE):
        yield from map(Member._make, _MEMBER.iter_unpack(block))


def _differences(before: Iterator[Member], after: Iterator[Member]) -> Iterator[tuple[Op, Member]]:
    """Walk two sorted runs of members together; yield what came, went or changed."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.key < new.key):
            assert old is not None
            yield Op.REMOVED, old
            old = next(before, None)
        elif old is None or new.key < old.key:
            yield Op.ADDED, new
            new = next(after, None)
        else:
            if old != new:
                yield Op.CHANGED, new
            old, new = next(before, None), next(after, None)


def _packed(gone: list[Member], reasons: Iterable[Why], at: Instant) -> Iterator[bytes]:
    for member, reason in zip(gone, reasons, strict=True):
        yield _CHANGE.pack(Op.REMOVED, reason, at, *member)
