"""What a correspondent was given of each event, so that it is told of what is there no more.

MISP learns of a change by an event's newer timestamp, and of an end by `deleted`; it has no other word for either. So
what was given is kept: under which timestamp, the UUIDs of its attributes and objects, and the entries they came of.

Rules: kept are names, times and positions, nothing of the content: what is erased leaves its UUID, which has to be
told. What is gone is told for NOTICE_DAYS. Own programs are given no receipts, and nothing is kept of what they got.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from comity.formats.misp import rest
from comity.limits import NOTICE_DAYS
from comity.node.ports import Unit

SHELF: Final = "misp-had"  # `<audience> <UUID of the event>` -> `Had`
DAY: Final = 86_400
ATTRIBUTE, OBJECT, REPORT = b"", b"o", b"r"  # kinds of parts


class Had(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one event."""

    timestamp: int  # seconds: under which it was given
    state: bytes  # a digest of what it was made of then
    changed: int  # seconds: when it was found to be made of something else; 0 if it was not
    found: bytes  # what it was made of when that was found
    first: int  # microseconds: its place among events
    org: tuple[str, str]  # UUID and name of the organisation it was given as of
    places: tuple[int, ...]  # positions of what was given
    parts: dict[bytes, int]  # by `key_of`: 0, or when it was told that one is gone (seconds)


class Given:
    """What one correspondent was given, read once."""

    def __init__(self, unit: Unit, audience: str) -> None:
        self._audience = audience
        self._known: dict[str, Had] = {
            key.rpartition(" ")[2]: msgspec.msgpack.decode(data, type=Had)
            for key, data in unit.documents.all(SHELF, f"{audience} ")
        }
        self._homes = {part: uuid for uuid, had in self._known.items() for part, gone in had.parts.items() if not gone}

    def of(self, uuid: str) -> Had | None:
        """Return what is kept of an event."""
        return self._known.get(uuid)

    def all(self) -> Iterator[tuple[str, Had]]:
        """Yield what is kept, by the UUIDs of events."""
        yield from list(self._known.items())

    def home(self, uuid: str) -> str:
        """Return the UUID of the event that an attribute, object or report was given in: there it stays. Or nothing."""
        for kind in (ATTRIBUTE, OBJECT, REPORT):
            found = self._homes.get(key_of(kind, uuid))
            if found is not None:
                return found
        return ""

    def within(self, uuid: str) -> str:
        """Return the UUID of the event that an attribute was given in, by whatever UUID it has there; or nothing."""
        return self._homes.get(key_of(ATTRIBUTE, uuid), "")

    def keep(self, unit: Unit, uuid: str, had: Had) -> None:
        """Keep what a correspondent has been given of an event."""
        if self._known.get(uuid) == had:
            return
        self._known[uuid] = had
        for part, gone in had.parts.items():
            if gone:
                self._homes.pop(part, None)
            else:
                self._homes[part] = uuid
        unit.documents.put(SHELF, f"{self._audience} {uuid}", msgspec.msgpack.encode(had))

    def forget(self, unit: Unit, uuid: str) -> None:
        """Forget an event of which nothing is to be told any more."""
        if self._known.pop(uuid, None) is not None:
            unit.documents.delete(SHELF, f"{self._audience} {uuid}")


def key_of(kind: bytes, uuid: str) -> bytes:
    """Return the key of an attribute, object or report."""
    return kind + rest.raw(uuid)


def gone(had: Had, alive: Iterable[bytes], at: int) -> dict[bytes, int]:
    """Return what was given and is not among what is `alive`, with when that was first told: `at` for what is news."""
    left = set(alive)
    since = at - NOTICE_DAYS * DAY
    return {part: told or at for part, told in had.parts.items() if part not in left and (not told or told > since)}


def told(had: Had | None, alive: Iterable[bytes], ended: Mapping[bytes, int]) -> dict[bytes, int]:
    """Return the parts to keep: what was given before and now, and when it was told of what is gone."""
    before = had.parts if had else {}
    return {**before, **dict.fromkeys(alive, 0), **ended}
