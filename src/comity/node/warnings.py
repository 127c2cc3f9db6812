"""Warning lists on this machine, and which values and objects of this node are on them.

Rules: nothing is read before somebody asks, and `forget` gives the memory back; lists that changed are read again. The
lists in the node's own `warninglists` folder come first, so that one of the same name takes the place of the installed
one. An answer is dated and says how many lists were asked; that none are here is an answer of its own. A warning stops
nothing here: whoever shares or exports decides what it means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from comity.canon import Instant
from comity.errors import NotFound
from comity.formats.convert import Loss
from comity.formats.observables import Observable
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.formats.warninglists import Builder, Category, Listed, ListWarning, Warnings
from comity.limits import WARNING_LIST_BYTES_MAX, WARNING_LISTS_MAX
from comity.node import reference
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Queries
from comity.node.reference import File

FOLDER: Final = "warninglists"  # in the node's directory
PACKAGE: Final = "pymispwarninglists"
NONE_HERE: Final = (
    f"no warning lists are here: put some into the folder {FOLDER} of the node, or install the package {PACKAGE}"
)
_INSIDE: Final = ("data", "misp-warninglists", "lists")
_PATTERNS: Final = ("*.json", "*/list.json")
_READ_AT_ONCE: Final = 512  # objects read and checked together


class Choice(NamedTuple):
    """Which lists are asked."""

    categories: frozenset[Category] = frozenset({Category.FALSE_POSITIVE})
    without: frozenset[str] = frozenset()  # names of lists, or of their files' folders
    bytes_max: int = WARNING_LIST_BYTES_MAX  # of a list's file: 8 MB leave out the lists of a million names


class Counted(NamedTuple):
    """How many lists and entries are in use, and how many of both could not be used."""

    lists: int
    entries: int
    losses: int


class Asked(NamedTuple):
    """When, and of how many lists, something was asked."""

    at: Instant
    lists: int
    entries: int
    losses: int  # lists and entries that could not be used
    why_not: str  # empty where lists were asked

    def says(self) -> str:
        """Return one line for a person."""
        return self.why_not or f"{self.lists} warning lists were asked, with {self.entries} entries"


class Flagged(NamedTuple):
    """Values that are on lists; those that are on none are left out."""

    asked: Asked
    found: dict[Observable, tuple[ListWarning, ...]]

    def lists(self) -> Counter[str]:
        """Return how many of the values each list has."""
        return Counter(warning.name for warnings in self.found.values() for warning in warnings)


class FlaggedPlaces(NamedTuple):
    """Objects with values that are on lists, by their positions; those with none are left out."""

    asked: Asked
    found: dict[int, dict[Observable, tuple[ListWarning, ...]]]
    unread: tuple[int, ...]  # positions whose objects are not held or cannot be read: nothing is known of them


class WarningLists:
    """The warning lists of this machine."""

    def __init__(self, home: Path | None, choice: Choice = Choice()) -> None:  # noqa: B008
        """Remember the node's directory, if it has one, and which lists to use; read nothing."""
        self.home = home
        self.choice = choice
        self._stamp: tuple[File, ...] = ()
        self._kept: Warnings | None = None
        self._noted: tuple[tuple[File, ...], Counted] | None = None

    def files(self) -> list[File]:
        """Return the files of lists: the node's own, then the installed ones."""
        own = self.home / FOLDER if self.home is not None else None
        found: list[File] = []
        for folder in (own, reference.installed(PACKAGE, *_INSIDE)):
            found += reference.files(folder, _PATTERNS, WARNING_LISTS_MAX)
        return [file for file in found if file.name not in self.choice.without]

    def warnings(self) -> Warnings | None:
        """Return the lists, read again where files changed; None where there is none."""
        stamp = tuple(self.files())
        if stamp != self._stamp:
            self._kept, self._stamp = None, ()
        if self._kept is None and stamp:
            self._kept, self._stamp = self._read(stamp), stamp
        return self._kept if self._kept is not None and self._kept.lists else None

    def _read(self, found: Sequence[File]) -> Warnings:
        builder = Builder()
        for file in found:
            if file.size > self.choice.bytes_max:
                continue
            data = reference.read(file, WARNING_LIST_BYTES_MAX)
            if isinstance(data, Loss):
                builder.losses.add(data)
            else:
                builder.add(data, file.name, self._wanted)
        return builder.done()

    def _wanted(self, listed: Listed) -> bool:
        return listed.category in self.choice.categories and listed.name not in self.choice.without

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Return what of the lists in memory could not be used, the first thousand of it."""
        return tuple(self._kept.losses.shown) if self._kept is not None else ()

    def forget(self) -> None:
        """Give the memory back; the next question reads the lists again."""
        self._kept, self._stamp = None, ()

    def counted(self) -> Counted:
        """Return how many lists there are to ask."""
        kept = self.warnings()
        if kept is not None:
            return Counted(len(kept.lists), kept.entries, kept.losses.counts.total())
        return Counted(0, 0, self._kept.losses.counts.total() if self._kept is not None else 0)

    def note(self, counted: Counted) -> None:
        """Note how many lists another process found, which asks them instead of this one."""
        self._noted = tuple(self.files()), counted

    def asked(self, at: Instant) -> Asked:
        """Return how many lists there are to ask at a moment; nothing is read where another process said so."""
        stamp = tuple(self.files())
        noted = self._noted is not None and self._noted[0] == stamp and self._kept is None
        counted = self._noted[1] if noted and self._noted is not None else self.counted()
        why = ""
        if not counted.lists:
            why = f"none of the {len(stamp)} files of warning lists is in use" if stamp else NONE_HERE
        return Asked(at, *counted, why)

    def ready(self, at: Instant) -> tuple[Asked, Warnings | None]:
        """Return how many lists there are to ask at a moment, and the lists; None and why where there is none."""
        kept = self.warnings()
        return self.asked(at), kept


def flagged(node: Node, lists: WarningLists, values: Iterable[Observable]) -> Flagged:
    """Return which of some values are on lists, each value once."""
    asked, kept = lists.ready(node.now())
    if kept is None:
        return Flagged(asked, {})
    distinct = list(dict.fromkeys(values))
    told = zip(distinct, kept.check_many(distinct), strict=True)
    return Flagged(asked, {value: warnings for value, warnings in told if warnings})


def flagged_at(node: Node, lists: WarningLists, queries: Queries, unit: Unit, places: Sequence[int]) -> FlaggedPlaces:
    """Return which of the objects at some positions have values that are on lists.

    Who may read them is not asked: give only what the office may read, or has decided to release.
    """
    asked, kept = lists.ready(node.now())
    found: dict[int, dict[Observable, tuple[ListWarning, ...]]] = {}
    unread: list[int] = []
    if kept is None:
        return FlaggedPlaces(asked, found, ())
    for start in range(0, len(places), _READ_AT_ONCE):
        held: list[int] = []
        bodies: list[bytes] = []
        for place in places[start : start + _READ_AT_ONCE]:
            try:
                bodies.append(queries.body(unit, place))
            except NotFound:
                unread.append(place)
            else:
                held.append(place)
        for place, checked in zip(held, check.check_many(bodies), strict=True):
            if isinstance(checked, Refusal):
                unread.append(place)
                continue
            on = {value: told for value in checked.observables if (told := kept.check(value))}
            if on:
                found[place] = on
    return FlaggedPlaces(asked, found, tuple(unread))
