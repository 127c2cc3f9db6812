"""Sealed evidence: personal accounts that came with intelligence, kept for whoever must have them, and for nobody else.

Rules: it stands in the home log, unmarked and unindexed; look-ups, searches, graphs, exports and other offices never
meet it, and no release decision lets it go. Its office lists what there is by when and whence; reading one is an act
with a reason, on record before the content is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import Misuse, NotFound
from comity.node import acting, books
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.statement import INTEL_EVIDENCE, STIX_MEDIA, Header
from comity.vocab import Held

SHELF: Final = "evidence"  # office/digest -> `_Place`
ACCESS_KIND: Final = "home.access"
REASON_CHARS_MAX: Final = 500


class _Place(msgspec.Struct, frozen=True):
    position: int
    source: str
    at: Instant


class Sealed(NamedTuple):
    """One piece of evidence, without its content."""

    name: str  # <origin>#<index>
    position: int
    source: str
    at: Instant
    digest: str  # of its bytes, in hexadecimal


def header(office: OfficeId, source: str, at: Instant) -> Header:
    """Return the header of what is sealed: unmarked, so that no rule could let it go."""
    return Header(v=1, kind=INTEL_EVIDENCE, office=office, accord=0, at=at, media=STIX_MEDIA, source=source)


def is_kept(unit: Unit, office: str, digest: str) -> bool:
    """Say whether these bytes are sealed already."""
    return unit.documents.get(SHELF, f"{office}/{digest}") is not None


def keep(unit: Unit, office: str, digest: str, position: int, source: str, at: Instant) -> None:
    """Note where something was sealed."""
    unit.documents.put(SHELF, f"{office}/{digest}", msgspec.json.encode(_Place(position, source, at)))


def sealed(unit: Unit, actor: Actor) -> list[Sealed]:
    """Return what the actor's office has sealed, the newest first, without its content."""
    return sorted(_all(unit, actor), key=lambda one: (-one.at, one.name))


def _all(unit: Unit, actor: Actor) -> Iterator[Sealed]:
    for key, data in unit.documents.all(SHELF, f"{actor.office_id}/"):
        one = msgspec.json.decode(data, type=_Place)
        log_id, index = place(one.position)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        if brief.held is Held.PAYLOAD:
            name = f"{unit.logs.get(log_id).origin}#{index}"
            yield Sealed(name, one.position, one.source, one.at, key.partition("/")[2])


def read(node: Node, actor: Actor, name: str, reason: str) -> tuple[Sealed, bytes]:
    """Return a piece of evidence of the actor's office; that it was read, by whom and why is on record first.

    Raises `NotFound`, `Misuse` without a reason.
    """
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise Misuse("reading evidence has a reason", hint="--reason 'request 2026-17 of the prosecutor'")
    with node.writing() as unit:
        one = named(unit, actor, name)
        books.record(node, unit, actor.office_id, ACCESS_KIND, {"read": name, "by": actor.user, "reason": reason})
    with node.store.read() as unit:
        log_id, index = place(one.position)
        (entry,) = unit.entries.read(log_id, index, index + 1)
        return one, entry.body or b""


def named(unit: Unit, actor: Actor, name: str) -> Sealed:
    """Return a piece of evidence of the actor's office by its statement. Raises `NotFound`."""
    for one in _all(unit, actor):
        if one.name == name:
            return one
    raise NotFound(f"no evidence {name} of {actor.office}", hint="`comity evidence list` names what there is")


def erase(node: Node, actor: Actor, name: str, basis: str) -> None:
    """Erase a piece of evidence on a legal basis. Raises `NotFound`, `Misuse` without a basis."""
    with node.store.read() as unit:
        one = named(unit, actor, name)
    acting.erase(actor, node, [one.position], basis, "")
    with node.writing() as unit:
        unit.documents.delete(SHELF, f"{actor.office_id}/{one.digest}")
