"""What two who state the same version of an object really say: the same, or two things under one id and date.

Rules: JSON says the same in any order of keys and with any spaces. What is not held any more says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from comity.errors import NotFound


class Stands(Protocol):
    """Something that stands at a place in the logs."""

    @property
    def position(self) -> int:
        """Return the place."""


W = TypeVar("W", bound=Stands)


def by_content(witnesses: Sequence[W], body: Callable[[int], bytes]) -> list[tuple[W, ...]]:
    """Part witnesses who say different things, so that nobody is shown saying another's words; in their order."""
    if len(witnesses) == 1:
        return [tuple(witnesses)]
    apart: dict[bytes, list[W]] = {}
    for one in witnesses:
        try:
            tree = msgspec.json.decode(body(one.position))
        except (NotFound, msgspec.MsgspecError):
            tree = None
        apart.setdefault(msgspec.json.encode(tree, order="sorted"), []).append(one)
    return [tuple(same) for same in apart.values()]
