"""STIX objects: checked, and what the views keep of one.

Rules: an object's facts come from its own bytes and nothing else; one answer for each object, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from comity.areas.intel.columns import CONFIDENCE_SHIFT, CUSTOM, PERSONAL, REVOKED, type_code
from comity.formats import observables
from comity.formats.stix import check
from comity.formats.stix.edges import Edge
from comity.formats.stix.report import Refusal
from comity.vocab import Tlp


class Facts(NamedTuple):
    """What the views keep of one checked object, and what a report says of it."""

    uuid: bytes  # 16
    type: int  # a code, see STIX_TYPES
    modified: int  # microseconds since the epoch
    until: int | None  # seconds
    flags: int
    tlp: Tlp | None  # the object's own level
    keys: tuple[bytes, ...]  # of its observables
    note: str  # what keeps it from being found by value, see `observe`
    edges: tuple[Edge, ...] = ()


Checker = Callable[[Iterable[Sequence[bytes]]], Iterator[Sequence[Facts | Refusal]]]
"""Answers batches of objects in their order, one answer for each object; may take some batches ahead of answering."""


def facts_of(checked: check.Checked) -> Facts:
    """Return what the views keep of a checked object."""
    key = observables.key
    return Facts(
        checked.uuid,
        type_code(checked.type),
        checked.modified,
        checked.valid_until,
        REVOKED * checked.revoked
        | CUSTOM * checked.custom
        | PERSONAL * checked.personal
        | (checked.confidence + 1) << CONFIDENCE_SHIFT,
        checked.tlp,
        tuple([key(observable) for observable in checked.observables]),
        checked.note,
        checked.edges,
    )


def check_many(objects: Sequence[bytes]) -> list[Facts | Refusal]:
    """Check objects, each given as its producer's bytes; one answer for each, in their order."""
    return [checked if isinstance(checked, Refusal) else facts_of(checked) for checked in check.check_many(objects)]


def check_each(batches: Iterable[Sequence[bytes]]) -> Iterator[list[Facts | Refusal]]:
    """Check batches here and now: the plainest `Checker`."""
    return map(check_many, batches)
