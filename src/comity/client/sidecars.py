"""The office's own MISP servers beside the node: how each does, what asks in it and waits.

Rules: as in `answers`: every field has a default, what is not known here is passed over.
"""

from __future__ import annotations

import msgspec


class Tally(msgspec.Struct, frozen=True):
    """What rounds did."""

    events: int = 0
    objects: int = 0
    shared: int = 0
    withheld: int = 0
    withdrawn: int = 0
    written: int = 0
    removed: int = 0
    lost: int = 0


class Sidecar(msgspec.Struct, frozen=True):
    """A side-car and how it does; times are 0 for never."""

    name: str = ""
    office: str = ""
    address: str = ""
    every: int = 0
    enabled: bool = True
    tags: tuple[tuple[str, str], ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    standing: bool = False
    writes: tuple[str, ...] = ()
    marking: str = ""
    attempt: int = 0
    success: int = 0
    due: int = 0
    failures: int = 0
    error: str = ""
    whose: str = ""
    faults: tuple[str, ...] = ()
    last: Tally = Tally()
    total: Tally = Tally()


class Sidecars(msgspec.Struct, frozen=True):
    """The side-cars of the office."""

    sidecars: tuple[Sidecar, ...] = ()


class Asking(msgspec.Struct, frozen=True):
    """An event of the MISP and one accord it asks for; `digest` names the state that is meant."""

    event: str = ""
    title: str = ""
    accord: str = ""
    by: str = ""
    state: str = ""
    digest: str = ""
    stated: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}
    stays: str = ""
    kept: int = 0
    decided: str = ""
    reason: str = ""
    at: int = 0


class Written(msgspec.Struct, frozen=True):
    """An event that is written into the MISP."""

    event: str = ""
    title: str = ""
    party: str = ""
    accord: str = ""
    state: str = ""
    objects: int = 0
    fault: str = ""


class Whole(msgspec.Struct, frozen=True):
    """A side-car with its books; how many events there are in each state, and the first of them."""

    sidecar: Sidecar = Sidecar()
    asks: dict[str, int] = {}
    stands: dict[str, int] = {}
    events: tuple[Asking, ...] = ()
    written: tuple[Written, ...] = ()


class Ran(msgspec.Struct, frozen=True):
    """What a round did."""

    sidecar: Sidecar = Sidecar()


class Outlook(msgspec.Struct, frozen=True):
    """An event that waits, and what would become of it if it were let go now."""

    sidecar: str = ""
    event: Asking = Asking()
    objects: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}


class Waiting(msgspec.Struct, frozen=True):
    """What waits for a person, the longest first."""

    waiting: tuple[Outlook, ...] = ()
