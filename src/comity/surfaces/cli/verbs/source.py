"""Sources that are fetched: registering, listing, polling, resting, forgetting."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Nothing, Verb


class Add(Ask, frozen=True):
    """A source to fetch: what, from where, how often, and how far it is trusted."""

    name: str
    kind: str
    address: str
    every: int  # seconds
    form: str = ""
    collection: str = ""
    match: tuple[tuple[str, str], ...] = ()
    login: str = ""
    plain: bool = False
    marking: MarkingSaid | None = None
    reliability: str = ""
    licence: str = ""
    note: str = ""


class Named(Ask, frozen=True):
    """A source by name."""

    name: str


class Enable(Ask, frozen=True):
    """A source that is to rest, or to be polled again."""

    name: str
    enabled: bool


class Poll(Ask, frozen=True):
    """A source to poll now; with `dry` nothing is kept."""

    name: str
    dry: bool = False


class CountsShown(msgspec.Struct, frozen=True):
    """What polls brought: objects read, kept, known already, refused; and losses of a reader."""

    read: int
    kept: int
    known: int
    refused: int
    lost: int


class SourceShown(msgspec.Struct, frozen=True):
    """A source, and how it does; times are 0 for never."""

    name: str
    office: str
    kind: str
    address: str
    collection: str
    form: str
    every: int
    enabled: bool
    marking: str
    reliability: str
    licence: str
    login: str  # the name of its file
    note: str
    attempt: int
    success: int
    due: int
    failures: int
    error: str
    whose: str
    faults: tuple[str, ...]
    last: CountsShown
    total: CountsShown


class SourcesShown(msgspec.Struct, frozen=True):
    """The sources of the asking office that are fetched."""

    sources: tuple[SourceShown, ...]


class RefusalShown(msgspec.Struct, frozen=True):
    """One object that was not taken, or one thing that did not come over whole."""

    where: str
    rule: str
    reason: str


class PolledShown(msgspec.Struct, frozen=True):
    """What a poll did, or with `dry` would do."""

    source: SourceShown
    dry: bool
    counts: CountsShown
    unmarked: int
    refusals: tuple[RefusalShown, ...]  # the first ones, losses too
    error: str
    whose: str
    faults: tuple[str, ...]
    exit_code: int


ADD: Final = Verb("source/add", Add, SourceShown)
LIST: Final = Verb("source/list", Nothing, SourcesShown)
POLL: Final = Verb("source/poll", Poll, PolledShown, signs=True)
ENABLE: Final = Verb("source/enable", Enable, SourceShown)
REMOVE: Final = Verb("source/remove", Named, SourceShown)
