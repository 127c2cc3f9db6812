"""Events that a reader sends, changes and takes back.

Rules: an event comes in as the sender's, through the same checks and the same waiting as by every channel; whom it
names as its creator is the sender's word and is counted where it is not itself. What is held is not taken once more
under a wider distribution than it is held under. Taking back is an act of the sender's office about its own record:
what others say is not deleted by anybody but them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from comity.areas import intel
from comity.areas.intel.edges import EDGE, end_key
from comity.canon import Instant
from comity.errors import Malformed, NotFound, Refused
from comity.formats.misp import fields, marking, rest
from comity.formats.misp.marking import strictest
from comity.formats.stix.strict import ident_of
from comity.node import acting, submissions
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.services import Services
from comity.node.submissions import REFUSED, TAKEN, Submission
from comity.surfaces.cli.desk import Desk
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.answers import Unsaved
from comity.surfaces.misp.catalogue import Catalogue, number
from comity.surfaces.misp.composing import Composed
from comity.surfaces.misp.searching import distribution
from comity.vocab import Channel, Tlp

Tree = dict[str, Any]

FORM: Final = "misp"
SENT: Final = "misp-sent"  # shelf: `<audience> <UUID of the event>` -> `Sent`
_KINDS: Final = ("indicator", "observed-data", "note", "vulnerability", "threat-actor", "campaign")
_ENCODE: Final = msgspec.json.Encoder().encode


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an event that somebody sent."""

    timestamp: Instant  # as the event said it, or when it came
    submission: str


class Taken(msgspec.Struct, frozen=True):
    """What became of an event that was sent."""

    uuid: str
    event: Tree  # as it was taken
    submission: Submission


def sent(node: Node, reader: Reader, uuid: str) -> Sent | None:
    """Return what is kept of an event that a reader sent; None for one that it did not, or that was refused."""
    with node.store.read() as unit:
        data = unit.documents.get(SENT, f"{reader.who.audience} {uuid}")
        found = msgspec.msgpack.decode(data, type=Sent) if data is not None else None
        if found is None:
            return None
        settled = unit.documents.get(submissions.SETTLED, f"{reader.who.audience} {found.submission}")
    if settled is not None and msgspec.json.decode(settled, type=Submission).state == REFUSED:
        return None
    return found


def take(desk: Desk, reader: Reader, catalogue: Catalogue, data: bytes, name: str = "") -> Taken:
    """Take an event: a new one, or a newer state of one, that `name` says if anything.

    Raises `Malformed`, `Unsaved`, `NotFound`, and what `submissions.submit_bytes` does.
    """
    node, who = desk.services.node, reader.who
    if not reader.may_send:
        raise Refused("you may not send events", hint="the office that gave you the key allows it")
    event = rest.event(data)
    uuid = _uuid(node, catalogue, event, name)
    if not fields.text(event, "info").strip():
        raise Unsaved("an event has an info", about="info")
    before = sent(node, reader, uuid)
    dated = fields.seconds(event, "timestamp") is not None
    if before is not None and dated and before.timestamp >= (fields.number(event, "timestamp") or 0):
        raise Unsaved("what you sent of this event is as new already", about="timestamp")
    event["uuid"] = uuid
    rest.dated(event, max(node.now(), before.timestamp + 1 if before else 0))
    _require_as_strict(catalogue, event)
    taken = submissions.submit_bytes(
        node,
        who,
        Channel.MISP,
        _ENCODE({"Event": event}),
        name=f"MISP event {uuid}",
        form=FORM,
        readers=desk.readers,
        check=desk.services.check,
    ).submission
    if taken.state == TAKEN and not taken.kept and taken.refused:
        raise Unsaved(f"nothing of the event was taken: {taken.refused} parts of it are refused", about="Attribute")
    kept = Sent(fields.number(event, "timestamp") or 0, taken.id)
    with node.store.write() as unit:
        unit.documents.put(SENT, f"{who.audience} {uuid}", msgspec.msgpack.encode(kept))
    return Taken(uuid, event, taken)


def _uuid(node: Node, catalogue: Catalogue, event: Tree, name: str) -> str:
    """Return the UUID of an event that is sent. Raises `NotFound` for a number nobody knows, `Malformed`."""
    said = fields.text(event, "uuid")
    uuid = fields.uuid(event)
    if said and not uuid:
        raise Malformed("the event's uuid is none")
    if not name:
        return uuid or str(UUID(bytes=node.entropy(16), version=4))
    known = catalogue.find(name)
    meant = known.uuid if known is not None else fields.uuid({"uuid": name})
    if not meant and uuid and name == str(number(uuid)):
        meant = uuid  # one that waits: its number follows from its UUID
    if not meant:
        raise NotFound("Invalid event")
    if uuid and uuid != meant:
        raise Malformed("the event in the body is another than that of the address")
    return meant


def _require_as_strict(catalogue: Catalogue, event: Tree) -> None:
    """Refuse what is held more strictly; mark as it is held what says nothing of it."""
    held = _held(catalogue, event)
    if held is None:
        return
    tags = [fields.text(one, "name") for one in fields.trees(event.get("Tag"))]
    by_tag, _ = marking.of_tags(tags, "")
    by_distribution, _ = marking.of_distribution(event, "", inherits=False)
    level = strictest(by_tag, by_distribution)
    wider = fields.number(event, "distribution") or 0
    if (level is not None and level.rank < held.rank) or (wider <= 3 and wider > int(distribution(held))):
        raise Unsaved(f"this is held as TLP:{held} and is taken under nothing wider", about="distribution")
    if level is None:
        event["Tag"] = [*fields.trees(event.get("Tag")), {"name": f"tlp:{held.value.lower()}"}]


def _held(catalogue: Catalogue, event: Tree) -> Tlp | None:
    """Return the strictest label of what a reader sees of an event that it sends."""
    known = catalogue.find(event["uuid"])
    parts = fields.trees(event.get("Attribute"))
    for one in fields.trees(event.get("Object")):
        parts += [one, *fields.trees(one.get("Attribute"))]
    things = [catalogue.things.get(f"{kind}--{fields.uuid(one)}") for one in parts for kind in _KINDS]
    level = known.sums().level if known is not None else None
    return strictest(level, *(one.tlp for one in things if one is not None))


# -- taking back ----------------------------------------------------------------------------


def delete(services: Services, reader: Reader, uuid: str) -> int:
    """Take back an event that a reader sent, with what it holds; return how many objects. Raises `Refused`."""
    return _retract(services, reader, [f"report--{uuid}"])


def delete_attribute(services: Services, reader: Reader, uuid: str) -> int:
    """Take back an attribute that a reader sent; return how many objects. Raises `Refused`."""
    return _retract(services, reader, [f"{kind}--{uuid}" for kind in _KINDS])


def _retract(services: Services, reader: Reader, idents: Collection[str]) -> int:
    node = services.node
    with node.store.read() as unit:
        found = _mine(node, unit, reader, idents)
        places = {at for some in found.values() for at, _ in some}
        refs = _refs(found)
        while refs:
            more = _mine(node, unit, reader, refs)
            fresh = {ident: some for ident, some in more.items() if ident not in found}
            found |= fresh
            places |= {at for some in fresh.values() for at, _ in some}
            refs = _refs(fresh)
        places -= _needed(unit, found, places)
    if not places:
        raise Refused(
            "you sent nothing of this that is held here, and what others say is not deleted by you",
            hint="say that it is wrong by a sighting of type 1, or ask the office",
        )
    acting.retract(reader.who.actor(), node, sorted(places), "taken back by whom it came from")
    return len(places)


def _mine(node: Node, unit: Unit, reader: Reader, idents: Iterable[str]) -> dict[str, list[tuple[int, bytes]]]:
    """Return what a reader sent of some objects and stands by: entries and bytes by id."""
    wanted = {ident: intel.object_number(intel.uuid_of(ident)) for ident in idents}
    rows = unit.views.find_many(intel.STATED, "object", sorted(set(wanted.values()))) if wanted else ()
    found: dict[str, list[tuple[int, bytes]]] = {}
    for row in rows:
        log_id, index = place(int(row[0] or 0))
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.header is None or entry.body is None or entry.standing != b"{}" or not unit.logs.get(log_id).own:
            continue
        header = node.header(entry.header)
        is_sent = header.source == reader.who.source and header.office == reader.actor.office_id
        ident = ident_of(entry.body)
        if is_sent and header.relayed is None and ident in wanted:
            found.setdefault(ident, []).append((entry.position, entry.body))
    return found


class _Named(msgspec.Struct):
    object_refs: Any = ()


def _refs(found: dict[str, list[tuple[int, bytes]]]) -> set[str]:
    """Return what reports, groupings and observations name."""
    refs: set[str] = set()
    for some in found.values():
        for _, body in some:
            named = msgspec.json.decode(body, type=_Named).object_refs
            refs.update(ref for ref in named if isinstance(ref, str)) if isinstance(named, list) else None
    return refs


def _needed(unit: Unit, found: dict[str, list[tuple[int, bytes]]], places: set[int]) -> set[int]:
    """Return the places of what something else names that stays: an organisation, an actor, an observed value."""
    keys = {end_key(ident): ident for ident in found}
    needed: set[int] = set()
    for row in unit.views.find_many(EDGE, "key", list(keys)):
        at, key = int(row[0] or 0), row[1]
        assert isinstance(key, bytes)
        ident = keys[key]
        own = {one for one, _ in found[ident]}
        if at in places or ident.startswith(_PARTS):
            continue
        log_id, index = place(at)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        if unit.entries.standing(brief.standing_id) == b"{}":
            needed |= own
    return needed


_PARTS: Final = tuple(f"{kind}--" for kind in ("report", "grouping", *_KINDS))  # of the event alone


# -- one attribute more ---------------------------------------------------------------------

_KEPT: Final = ("uuid", "type", "category", "value", "to_ids", "comment", "timestamp", "first_seen", "last_seen")
_SAID: Final = ("uuid", "info", "date", "threat_level_id", "analysis", "distribution")


def add_attributes(
    desk: Desk, reader: Reader, catalogue: Catalogue, composed: Composed, more: list[Tree]
) -> tuple[Taken, list[Tree]]:
    """Take attributes more of an event that a reader sent, as a newer state of it; return them with their UUIDs.

    Raises `Unsaved` for an event of somebody else's, and what `take` does.
    """
    node, event = desk.services.node, composed.event
    head = event.head
    if head is None or head.sayer.party != node.me or head.sayer.source != reader.who.source:
        raise Unsaved("attributes are added to events of one's own", hint="send an event of your own, or a sighting")
    for one in more:
        if not fields.uuid(one):
            one["uuid"] = str(UUID(bytes=node.entropy(16), version=4))
    state: Tree = {name: composed.tree[name] for name in _SAID}
    state["Tag"] = _tags(composed.tree)
    creator = catalogue.things.get(head.creator)
    if creator is not None:
        state["Orgc"] = {"uuid": head.creator[-36:], "name": creator.title}
    own = [one for one in composed.tree["Attribute"] if composed.sources.get(one["uuid"]) in event.members]
    state["Attribute"] = [_as_sent(one) for one in own] + more
    objects = [one for one in composed.tree["Object"] if composed.sources.get(one["uuid"]) in event.members]
    state["Object"] = [one | {"Attribute": [_as_sent(each) for each in one["Attribute"]]} for one in objects]
    reports = composed.tree["EventReport"]
    state["EventReport"] = [one for one in reports if composed.sources.get(one["uuid"]) in event.members]
    return take(desk, reader, catalogue, _ENCODE({"Event": state}), event.uuid), more


def _as_sent(one: Tree) -> Tree:
    found = {name: one[name] for name in (*_KEPT, "object_relation", "deleted") if one.get(name) is not None}
    return found | {"Tag": _tags(one)}


def _tags(one: Tree) -> list[Tree]:
    return [{"name": each["name"]} for each in one.get("Tag") or ()]
