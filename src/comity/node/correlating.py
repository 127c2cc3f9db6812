"""What else is known of the values that some objects are about: everything, ranked, a page at a time.

Rules: nothing is stored and no value is capped: the look-up index answers as it stands. A value that very many objects
share says nothing of any two of them, so it does not rank; it is named with its number, never dropped in silence. What
the asking office may not read it does not see, and it does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import Final, NamedTuple

from comity.areas import intel
from comity.errors import NotFound
from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.node.actor import Actor
from comity.node.ports import Unit
from comity.node.queries import Found, Queries

COMMON_OBJECTS: Final = 1_000  # objects that share a value before it no longer tells one from another
READ_AT_ONCE: Final = 512  # objects read and checked together


class Common(NamedTuple):
    """A value that is too common to rank by, and how many objects have it."""

    value: Observable
    objects: int


@dataclass(slots=True)
class Related:
    """An object that shares values with those asked about."""

    found: Found
    values: list[Observable] = field(default_factory=list)
    score: float = 0.0  # the sum over shared values of 1 / log2(1 + objects that have the value)


@dataclass(slots=True)
class Correlation:
    """Everything that shares values with some objects."""

    values: int = 0  # of the objects asked about
    shared: int = 0  # of them, those that other objects have too
    related: list[Related] = field(default_factory=list)  # the best first
    common: list[Common] = field(default_factory=list)  # the commonest first
    unread: int = 0  # objects asked about whose bytes are not held


def correlate(
    queries: Queries, unit: Unit, actor: Actor, places: Sequence[int], *, common: int = COMMON_OBJECTS
) -> Correlation:
    """Return what shares values with the objects at some positions, those objects themselves left out."""
    done = Correlation()
    values: dict[bytes, Observable] = {}
    own: set[int] = set()
    for checked in _checked(queries, unit, places, done):
        own.add(intel.object_number(checked.uuid))
        for value in checked.observables:
            values.setdefault(observables.key(value), value)
    return _ranked(queries, unit, actor, values, own, done, common)


def correlate_values(
    queries: Queries, unit: Unit, actor: Actor, texts: Sequence[str], *, common: int = COMMON_OBJECTS
) -> Correlation:
    """Return what shares values with a list that somebody has, e.g. of an event that is not held yet."""
    values = {key: Observable(kind, value) for text in texts for key, kind, value in observables.keyed(text)}
    return _ranked(queries, unit, actor, values, set(), Correlation(), common)


def _ranked(
    queries: Queries,
    unit: Unit,
    actor: Actor,
    values: dict[bytes, Observable],
    own: set[int],
    done: Correlation,
    common: int,
) -> Correlation:
    done.values = len(values)
    related: dict[tuple[int, int], Related] = {}
    for key, found in queries.lookup_keys(unit, actor, list(values)).items():
        others = [one for one in found if one.object not in own]
        if not others:
            continue
        done.shared += 1
        if len(found) > common:
            done.common.append(Common(values[key], len(found)))
            continue
        weight = 1 / log2(1 + len(found))
        for one in others:
            known = related.get((one.object, one.modified))
            if known is None:
                known = related[one.object, one.modified] = Related(one)
            known.values.append(values[key])
            known.score += weight
    for each in related.values():
        each.values.sort()
    done.related = sorted(related.values(), key=lambda one: (-one.score, -one.found.modified, one.found.object))
    done.common.sort(key=lambda one: (-one.objects, one.value))
    return done


def _checked(queries: Queries, unit: Unit, places: Sequence[int], done: Correlation) -> Iterator[check.Checked]:
    for start in range(0, len(places), READ_AT_ONCE):
        bodies: list[bytes] = []
        for at in places[start : start + READ_AT_ONCE]:
            try:
                bodies.append(queries.body(unit, at))
            except NotFound:
                done.unread += 1
        for checked in check.check_many(bodies):
            if isinstance(checked, Refusal):
                done.unread += 1
            else:
                yield checked
