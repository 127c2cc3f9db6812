"""The node itself: syncing, logs and proofs, receipts, rebuilding, the doctor."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Nothing, Verb


class Sync(Ask, frozen=True):
    """Parties to pull from; none named: every one with an address.

    `alone` lets a restored store sign although no peer could be asked, on record.
    """

    parties: tuple[str, ...] = ()
    alone: bool = False


class Pulled(msgspec.Struct, frozen=True):
    """What one pull brought; `error` says why nothing came."""

    party: str
    at: int
    unchanged: bool = False
    entries: int = 0
    payloads: int = 0
    refused: int = 0
    receipts: int = 0
    forks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    error: str = ""


class Synced(msgspec.Struct, frozen=True):
    """What the pulls brought, by party."""

    pulls: tuple[Pulled, ...]


class LogShown(msgspec.Struct, frozen=True):
    """One generation of one log as this node has it."""

    origin: str
    own: bool
    state: str
    size: int
    signed: int
    root: str
    held: dict[str, int]  # payload, sealed, withheld, erased -> entries


class LogsShown(msgspec.Struct, frozen=True):
    """Every log this node writes or follows."""

    logs: tuple[LogShown, ...]


class Checkpoint(Ask, frozen=True):
    """A log by its origin."""

    origin: str


class CheckpointShown(msgspec.Struct, frozen=True):
    """The newest signed checkpoint of a log, with its signatures."""

    origin: str
    text: str


class LogVerified(msgspec.Struct, frozen=True):
    """What checking one log found."""

    origin: str
    entries: int
    wrong: tuple[str, ...]


class Verified(msgspec.Struct, frozen=True):
    """What checking the whole node found."""

    logs: tuple[LogVerified, ...]
    entries: int
    wrong: int


class Prove(Ask, frozen=True):
    """An object or statement, and the file for its proof (absolute path)."""

    name: str
    path: str


class Proven(msgspec.Struct, frozen=True):
    """A proof file that was written."""

    statement: str
    party: str
    others: tuple[str, ...]  # further statements of the same object that could be proven


class Fork(Ask, frozen=True):
    """A log of which a fork is proven here."""

    origin: str


class ForkShown(msgspec.Struct, frozen=True):
    """The text of a file that proves the fork."""

    origin: str
    text: str


class Renew(Ask, frozen=True):
    """Logs to follow by a new generation: `home`, an accord's name, or none for every one that needs it."""

    names: tuple[str, ...] = ()
    reason: str = ""


class Renewed(msgspec.Struct, frozen=True):
    """The generations that were begun."""

    origins: tuple[str, ...]
    by: str
    signs: bool
    why_not: str


class ReceiptShown(msgspec.Struct, frozen=True):
    """Another party's timestamped cosignature on one of our checkpoints."""

    origin: str
    cosigner: str
    size: int
    at: int
    current: int  # entries of that log now


class ReceiptsShown(msgspec.Struct, frozen=True):
    """The newest receipt of each cosigner."""

    receipts: tuple[ReceiptShown, ...]


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild read."""

    entries: int


class Examine(Ask, frozen=True):
    """Whether every entry of every log is to be verified too."""

    deep: bool = False


class AilmentShown(msgspec.Struct, frozen=True):
    """One finding of the doctor."""

    grave: bool
    what: str
    advice: str


class Examined(msgspec.Struct, frozen=True):
    """Everything worth knowing about this node."""

    party: str
    signs: bool
    serving: bool
    ailments: tuple[AilmentShown, ...]
    pulls: tuple[Pulled, ...]


class Neighbours(Ask, frozen=True):
    """Whether something marked as a test may be sent to those who are only sent to."""

    send_test: bool = False


class TriedShown(msgspec.Struct, frozen=True):
    """One connection that was tried: whether it works, in words, whose fault it is if not, and what to do."""

    kind: str
    what: str
    works: bool
    said: str
    whose: str
    advice: str


class NeighboursTried(msgspec.Struct, frozen=True):
    """Every connection that was tried."""

    tried: tuple[TriedShown, ...]


SYNC: Final = Verb("node/sync", Sync, Synced)
LOGS: Final = Verb("node/logs", Nothing, LogsShown)
CHECKPOINT: Final = Verb("node/checkpoint", Checkpoint, CheckpointShown)
VERIFY: Final = Verb("node/verify", Nothing, Verified)
PROVE: Final = Verb("node/prove", Prove, Proven)
FORK: Final = Verb("node/fork", Fork, ForkShown)
RENEW: Final = Verb("node/renew", Renew, Renewed)
RECEIPTS: Final = Verb("node/receipts", Nothing, ReceiptsShown)
REBUILD: Final = Verb("node/rebuild", Nothing, Rebuilt)
DOCTOR: Final = Verb("node/doctor", Examine, Examined)
NEIGHBOURS: Final = Verb("node/neighbours", Neighbours, NeighboursTried)
