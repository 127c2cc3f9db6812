"""What can be asked of a node through its command line, as values in and out, one module per subject.

Rules: only plain values that survive JSON; nothing here imports the node, so that a command can be read,
explained and sent to a serving node without loading one. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What every command carries: who asks. An empty office stands for the node's usual one."""

    office: str = ""
    user: str = ""


A = TypeVar("A", bound=Ask)
R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Verb(Generic[A, R]):
    """One thing a node can be asked: `<subject>/<verb>`, what is asked and what is answered.

    `signs` says that something is put on record, so that a doubtful store is compared with its peers first.
    """

    name: str
    asks: type[A]
    answers: type[R]
    signs: bool = False


class Done(msgspec.Struct, frozen=True):
    """Something was put on record: what, by whom, and in which logs."""

    what: str
    by: str = ""
    logs: Sequence[str] = ()


class Nothing(Ask, frozen=True):
    """Nothing more is asked."""


class MarkingSaid(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A marking as people write it; what is empty is left as it was, or as the default is."""

    tlp: str = ""
    pap: str = ""
    to: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    onward: bool = True
    personal: bool = False
    transfer: tuple[str, ...] = ()
    embargo: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far a long operation has come; `total` is 0 where nobody knows."""

    what: str = ""
    done: int = 0
    total: int = 0
