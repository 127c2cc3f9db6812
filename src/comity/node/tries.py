"""Connections to neighbours, tried: what each is, and in words whether it works, whose fault it is if not, what to do.

Rules: a try sends nothing that a partner would take for real. Whoever adds a kind of neighbour adds a row to
`boot.trying.CHECKS` and nothing else: a row lists the tries of its kind within one's turn; they are run outside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from comity.errors import ComityError

NOBODY = "nobody"  # whose fault it is where all is well


class Try(NamedTuple):
    """One connection to try: `run` says in words what works, and raises the `ComityError` of what does not."""

    what: str  # what is tried, for people: "source isac of csirt"
    run: Callable[[], str]


class Tried(NamedTuple):
    """What came of it."""

    kind: str  # of the row it belongs to
    what: str
    works: bool
    said: str
    whose: str
    advice: str


def attempt(kind: str, one: Try) -> Tried:
    """Run a try; what it raises is an outcome."""
    try:
        return Tried(kind, one.what, True, one.run(), NOBODY, "")
    except ComityError as error:
        return Tried(kind, one.what, False, str(error), error.whose, error.hint)
