"""Leads: the values of indicators that are each worth acting on alone, as many objects at once as there are.

Rules: only an indicator whose pattern is one value, or one of several, gives leads; of a combination, or of a pattern
of another language, there is none, and the note says so. Bytes in, plain values out: no clock, no store, so
that it can be done in another process. A value that is on a warning list is told so, and judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from comity.errors import Malformed
from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import observe

NOT_READ: Final = "pattern not read"

Warned = Callable[[Observable], bool]
"""Says whether a warning list has a value."""


class Lead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one indicator says."""

    ident: str
    name: str
    labels: tuple[str, ...]
    values: tuple[tuple[bytes, str, str, bool], ...]  # key by `observables.key`, kind, value, on a warning list
    note: str  # why there is none; empty where there are some


Reader = Callable[[Iterable[Sequence[bytes]]], Iterator[Sequence[Lead]]]
"""Reads batches of indicators in their order."""


class _Indicator(msgspec.Struct, gc=False):
    """The few members of an indicator that a lead is made of."""

    id: str
    pattern: str
    pattern_type: str
    name: str = ""
    labels: tuple[str, ...] = ()


_QUICKLY: Final = msgspec.json.Decoder(_Indicator).decode
_WHOLE: Final = msgspec.json.Decoder(dict[str, Any]).decode


def lead_of(body: bytes, kinds: frozenset[str] = frozenset(), warned: Warned | None = None) -> Lead:
    """Return what a checked indicator says; of kinds that are not in `kinds`, if there are any, nothing is warned."""
    try:
        said = _QUICKLY(body)
    except (msgspec.ValidationError, ValueError):  # what a producer of another custom wrote, and the check let pass
        said = _slowly(_WHOLE(body))
    try:
        found, note = observe.of_pattern(said.pattern_type, said.pattern)
    except Malformed:
        found, note = (), NOT_READ
    if note:
        return Lead(said.id, said.name, said.labels, (), note)
    key = observables.key
    if warned is None:
        values = tuple([(key(one), one.kind, one.value, False) for one in found])
    else:
        values = tuple(
            [(key(one), one.kind, one.value, (not kinds or one.kind in kinds) and warned(one)) for one in found]
        )
    return Lead(said.id, said.name, said.labels, values, "")


def _slowly(tree: dict[str, Any]) -> _Indicator:
    given, pattern = tree.get("labels"), tree.get("pattern")
    labels = tuple(label for label in given if isinstance(label, str)) if isinstance(given, list) else ()
    return _Indicator(
        str(tree.get("id", "")),
        pattern if isinstance(pattern, str) else "",
        str(tree.get("pattern_type", "")),
        str(tree.get("name", "")),
        labels,
    )


def leads_of(bodies: Iterable[bytes], kinds: frozenset[str] = frozenset(), warned: Warned | None = None) -> list[Lead]:
    """Return what `lead_of` says of each of some indicators, in their order."""
    return [lead_of(body, kinds, warned) for body in bodies]


def reader(warned: Warned | None = None, kinds: Iterable[str] = ()) -> Reader:
    """Return what reads leads in this process."""
    wanted = frozenset(kinds)
    return lambda batches: (leads_of(batch, wanted, warned) for batch in batches)
