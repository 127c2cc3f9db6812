"""What else is known of the values that objects are about."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb
from comity.surfaces.cli.verbs.release import Choice


class Correlate(Ask, frozen=True):
    """Objects by choice, or values as people write them; a page of what shares values with them."""

    choice: Choice = Choice()
    values: tuple[str, ...] = ()
    start: int = 0
    limit: int = 50
    common: int = 0  # objects that make a value too common to rank by; 0: the usual number


class RelatedShown(msgspec.Struct, frozen=True):
    """An object that shares values with those asked about."""

    id: str
    type: str
    name: str
    score: float
    shared: int
    values: tuple[str, ...]  # the first ones
    party: str
    office: str
    source: str
    marking: str
    current: bool


class CommonShown(msgspec.Struct, frozen=True):
    """A value that does not rank, because very many objects have it."""

    kind: str
    value: str
    objects: int


class Correlated(msgspec.Struct, frozen=True):
    """A page of what shares values with some objects."""

    asked: int  # objects or values asked about
    values: int
    shared: int
    related: int  # in all
    start: int
    page: tuple[RelatedShown, ...]
    common: int  # values that do not rank
    commonest: tuple[CommonShown, ...]  # the first of them
    unread: int


CORRELATE: Final = Verb("correlating/correlate", Correlate, Correlated)
