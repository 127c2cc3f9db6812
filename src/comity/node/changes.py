"""What came and went of a list, told value by value: why something is gone, and what it was.

Rules: why is found when an edition is made, from what the entry has become; what it was is read from the entry when it
is told. A value that was erased is told by its key alone: who holds it finds it so, nobody else learns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from comity.acts import Standing
from comity.areas import intel
from comity.canon import Instant
from comity.formats.sensors.item import Item, moment
from comity.node import exporting, feeding
from comity.node.editions import TLP_CODES, Change, Member, Op, Why
from comity.node.feeding import READ_AT_ONCE
from comity.node.node import Node
from comity.node.ports import Unit, place, position
from comity.node.queries import Queries
from comity.node.releases import Class, Releases
from comity.policy import Audience
from comity.vocab import Held, Pap, Tlp

_STANDING: Final = msgspec.json.Decoder(Standing).decode
_ENCODE: Final = msgspec.json.Encoder().encode


class Reasons:
    """Why members are gone, at one moment, for one audience."""

    def __init__(self, node: Node, unit: Unit, releases: Releases, audience: Audience) -> None:
        self._node = node
        self._unit = unit
        self._releases = releases
        self._audience = audience

    def of(self, members: Sequence[Member]) -> Iterator[Why]:
        """Yield for each member why its entry gives it no more."""
        for member in members:
            yield self._why(member.at)

    def _why(self, at: int) -> Why:
        log_id, index = place(at)
        (brief,) = self._unit.entries.brief(log_id, index, index + 1)
        if brief.held is Held.ERASED:
            return Why.ERASED
        if brief.held is not Held.PAYLOAD:
            return Why.WITHHELD
        standing = _STANDING(self._unit.entries.standing(brief.standing_id))
        if standing.retracted:
            return Why.RETRACTED
        rows = self._row(at)
        if rows and rows[0][5] & intel.REVOKED:
            return Why.REVOKED
        if rows and rows[0][4] is not None and rows[0][4] <= self._node.now():
            return Why.EXPIRED
        which = Class(brief.header_id, brief.standing_id)
        if not self._releases.for_audience(self._unit, self._unit.logs.get(log_id), which, self._audience).released:
            return Why.NARROWED if _is_narrowed(standing) else Why.WITHHELD
        return self._of_newer(at, intel.object_number(rows[0][1]), rows[0][3]) if rows else Why.OTHER

    def _row(self, at: int) -> Sequence[tuple[Any, ...]]:
        return self._unit.views.scan(intel.OBJECT, at, at, limit=1)

    def _of_newer(self, at: int, number: int, modified: int) -> Why:
        """Look at the newest version that the same author and source have: it may revoke, or say something else."""
        said = feeding.sayer(self._node, self._unit, at)
        stated: Sequence[tuple[Any, ...]] = self._unit.views.find_many(intel.STATED, "object", [number])
        newer = [
            (when, other)
            for other, _, when in stated
            if when > modified and feeding.sayer(self._node, self._unit, other) == said
        ]
        if not newer:
            return Why.OTHER
        rows = self._row(max(newer)[1])
        return Why.REVOKED if rows and rows[0][5] & intel.REVOKED else Why.SUPERSEDED


def _is_narrowed(standing: Standing) -> bool:
    return (
        standing.tlp is not Tlp.CLEAR
        or standing.pap is not Pap.CLEAR
        or standing.to is not None
        or standing.unnamed
        or not standing.onward
        or bool(standing.revoked)
    )


def lines(node: Node, queries: Queries, unit: Unit, changes: Sequence[Change], *, whole: bool) -> Iterator[bytes]:
    """Yield changes as lines of JSON, what was taken back first: `remove` before `add`.

    `whole`: members are objects, and an addition is the object's own bytes. Memory: one block of entries.
    """
    gone = [change for change in changes if change.op is Op.REMOVED]
    for change, found in _told(node, queries, unit, gone, whole=whole):
        yield _ENCODE(_removal(change, found)) + b"\n"
    came = [change for change in changes if change.op is not Op.REMOVED]
    for change, found in _told(node, queries, unit, came, whole=whole):
        if isinstance(found, bytes):
            # Without line breaks: a line is one change. Numbers stay as they are written.
            yield b'{"add":' + msgspec.json.format(found, indent=-1) + b"}\n"
        elif found is not None:
            yield _ENCODE(_addition(change, found)) + b"\n"


def _removal(change: Change, found: Item | bytes | None) -> dict[str, object]:
    said: dict[str, object] = {"remove": None}
    if isinstance(found, Item):
        said = {"remove": found.value, "kind": found.kind, "id": found.ident}
    elif found is not None:
        said = {"remove": msgspec.json.decode(found)["id"]}
    return {
        **said,
        "key": change.member.key.hex(),
        "reason": change.why.name.lower(),
        "at": moment(change.time),
    }


def _addition(change: Change, found: Item) -> dict[str, object]:
    said: dict[str, object] = {"add": found.value, "kind": found.kind, "id": found.ident}
    said |= {"name": found.name} if found.name else {}
    return said | {"tlp": TLP_CODES[change.member.label].value, "key": change.member.key.hex()}


def _told(
    node: Node, queries: Queries, unit: Unit, changes: Sequence[Change], *, whole: bool
) -> Iterator[tuple[Change, Item | bytes | None]]:
    """Yield each change with what its entry says of it: a value, an object's bytes, or None where it is erased."""
    waiting = sorted(changes, key=lambda change: change.member.at)
    start = 0
    while start < len(waiting):
        log_id, index = place(waiting[start].member.at)
        last = position(log_id, index + READ_AT_ONCE)
        end = start
        while end < len(waiting) and waiting[end].member.at < last:
            end += 1
        block = waiting[start:end]
        entries = unit.entries.read(log_id, index, place(block[-1].member.at)[1] + 1)
        held = {entry.position: entry for entry in entries}
        for change in block:
            entry = held.get(change.member.at)
            if entry is None or entry.body is None:
                yield change, None
            elif whole:
                yield change, exporting.as_stix(queries, unit, entry.position)
            else:
                values = feeding.told(node, entry)
                yield change, next((item for key, item in values if key == change.member.key), None)
        start = end


def gone(node: Node, queries: Queries, unit: Unit, changes: Sequence[Change]) -> Iterator[tuple[Instant, Item]]:
    """Yield the values that were taken back, with when, for a form's own way of removing; erased ones are left out."""
    for change, found in _told(node, queries, unit, changes, whole=False):
        if isinstance(found, Item):
            yield change.time, found
