"""Side-cars: a MISP beside this node. Registering, running, letting go what waits, resting, forgetting."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, MarkingSaid, Nothing, Verb


class Add(Ask, frozen=True):
    """A MISP beside this node: where, by which key, what of it asks for what, and what is written into it."""

    name: str
    address: str
    login: str
    every: int  # seconds
    tags: tuple[tuple[str, str], ...] = ()  # (tag, accord)
    groups: tuple[tuple[str, str], ...] = ()  # (UUID of a sharing group, accord)
    standing: bool = False
    unpublished: bool = False
    writes: tuple[str, ...] = ()
    distribution: int = 0
    retracted: str = "delete"
    certificate: str = ""  # PEM
    plain: bool = False
    marking: MarkingSaid | None = None


class Named(Ask, frozen=True):
    """A side-car by name."""

    name: str


class Enable(Ask, frozen=True):
    """A side-car that is to rest, or to go on."""

    name: str
    enabled: bool


class Run(Ask, frozen=True):
    """A side-car whose round is to be made now; `withdraw`: however much is gone from the MISP is taken back."""

    name: str
    withdraw: bool = False


class Waiting(Ask, frozen=True):
    """What waits for a person: of one side-car, or of all of the office's (empty)."""

    name: str = ""


class Settle(Ask, frozen=True):
    """An event to let go or to keep back. `state` is the one that was looked at; empty: as it is now."""

    name: str
    event: str
    accord: str = ""
    state: str = ""
    reason: str = ""


class TallyShown(msgspec.Struct, frozen=True):
    """What rounds did."""

    events: int  # brought in
    objects: int  # of these, new here
    shared: int
    withheld: int
    withdrawn: int
    written: int  # events written into the MISP
    removed: int  # events and parts taken out of it
    lost: int  # did not come over whole, either way


class EventShown(msgspec.Struct, frozen=True):
    """An event of the MISP and one accord it asks for."""

    event: str
    title: str
    accord: str
    by: str
    state: str
    digest: str  # names the state that this is about
    stated: int  # objects that stand in the accord
    withheld: int
    grounds: dict[str, int]
    stays: str
    kept: int  # parts that stay in MISP
    decided: str
    reason: str
    at: int


class WrittenShown(msgspec.Struct, frozen=True):
    """An event that is written into the MISP."""

    event: str
    title: str
    party: str
    accord: str
    state: str
    objects: int
    fault: str


class SidecarShown(msgspec.Struct, frozen=True):
    """A side-car and how it does; times are 0 for never."""

    name: str
    office: str
    address: str
    key_file: str
    every: int
    enabled: bool
    tags: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, str], ...]
    standing: bool
    unpublished: bool
    writes: tuple[str, ...]
    distribution: int
    retracted: str
    marking: str
    attempt: int
    success: int
    due: int
    failures: int
    error: str
    whose: str
    faults: tuple[str, ...]
    last: TallyShown
    total: TallyShown


class SidecarsShown(msgspec.Struct, frozen=True):
    """The side-cars of the asking office."""

    sidecars: tuple[SidecarShown, ...]


class Whole(msgspec.Struct, frozen=True):
    """A side-car with its books; the first events of each, and how many there are in each state."""

    sidecar: SidecarShown
    asks: dict[str, int]
    stands: dict[str, int]
    events: tuple[EventShown, ...]
    written: tuple[WrittenShown, ...]


class RanShown(msgspec.Struct, frozen=True):
    """What a round did."""

    sidecar: SidecarShown
    exit_code: int


class OutlookShown(msgspec.Struct, frozen=True):
    """An event that waits, and what would become of it if it were let go now."""

    sidecar: str
    event: EventShown
    objects: int
    withheld: int
    grounds: dict[str, int]


class WaitingShown(msgspec.Struct, frozen=True):
    """What waits for a person, the longest first."""

    waiting: tuple[OutlookShown, ...]


ADD: Final = Verb("sidecar/add", Add, SidecarShown, signs=True)
LIST: Final = Verb("sidecar/list", Nothing, SidecarsShown)
SHOW: Final = Verb("sidecar/show", Named, Whole)
RUN: Final = Verb("sidecar/run", Run, RanShown, signs=True)
WAITING: Final = Verb("sidecar/waiting", Waiting, WaitingShown)
RELEASE: Final = Verb("sidecar/release", Settle, EventShown, signs=True)
REFUSE: Final = Verb("sidecar/refuse", Settle, EventShown, signs=True)
ENABLE: Final = Verb("sidecar/enable", Enable, SidecarShown, signs=True)
REMOVE: Final = Verb("sidecar/remove", Named, Done, signs=True)
