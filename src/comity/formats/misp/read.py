"""MISP events to STIX 2.1 objects.

Rules: one event after another, one attribute after another; a broken one costs itself. An event becomes a report
that names everything made of it, in groupings where it is too long for one; its UUIDs become STIX's, so that a
newer state of the event makes new versions. Who may have it is the strictest of distribution and `tlp:` tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from comity.formats.convert import NAMESPACE, Attached, Context, Loss, Made, Outcome, ident, loss, named_uuid, whole
from comity.formats.misp import beside, document, fields, galaxies, marking
from comity.formats.misp.attributes import attribute
from comity.formats.misp.document import Broken, Event
from comity.formats.misp.fields import timestamp
from comity.formats.misp.objects import object_
from comity.formats.misp.scope import Facts, Room, Scope, machine_tag
from comity.limits import MISP_BYTES_MAX, MISP_REFS_MAX

Tree = dict[str, Any]

_OWN: Final = frozenset({"type", "value", "name", "uuid"})  # what tells one part from an object of numbered parts
_PARTS: Final = ("Attribute", "Object")  # their items stay bytes until their turn
_EVENT: Final = frozenset(
    (
        *("id", "uuid", "info", "date", "timestamp", "publish_timestamp", "published", "distribution", "analysis"),
        *("threat_level_id", "attribute_count", "sharing_group_id", "SharingGroup", "org_id", "orgc_id", "Org"),
        *("Orgc", "Tag", "Galaxy", "Attribute", "Object", "ShadowAttribute", "RelatedEvent", "EventReport", "locked"),
        *("proposal_email_lock", "disable_correlation", "extends_uuid", "event_creator_email", "protected"),
        *("CryptographicKey", "Sighting", "Note", "Opinion", "Relationship", "sighting_timestamp", "user_id"),
        *("comment", "deleted", "first_seen", "last_seen", "orgc", "org", "EventTag", "extensionEvents"),
        *("contributors", "threat_level", "decayed"),
    )
)


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss | Attached]:
    """Yield the objects, files and losses of a MISP document (MISP core format; see `document.events` for its shapes).

    Read whole, up to MISP_BYTES_MAX bytes. Raises nothing for what the bytes hold.
    """
    data = whole(chunks, MISP_BYTES_MAX)
    if data is None:
        yield loss("", Outcome.REFUSED, "too-large", f"more than {MISP_BYTES_MAX} bytes (MISP_BYTES_MAX)")
        return
    shared: set[bytes] = set()
    room = Room()
    try:
        for part in document.events(data):
            if isinstance(part, Loss):
                yield part
            else:
                yield from _event(part, context, shared, room)
    except Broken as error:
        yield loss("", Outcome.REFUSED, "json", str(error))


def _event(part: Event, context: Context, shared: set[bytes], room: Room) -> Iterator[Made | Loss | Attached]:
    if part.again:
        yield document.repeated(part.where)
    tree: Tree = {}
    for name, raw in part.members.items():
        if name in _PARTS:
            continue
        try:
            tree[name], again = document.tree(raw)
        except Broken as error:
            yield loss(f"{part.where}.{name}", Outcome.REFUSED, "json", str(error))
            continue
        if again:
            yield document.repeated(f"{part.where}.{name}")
    scope, facts = _opened(tree, part.where, context, shared, room)
    yield from _emptied(scope)
    for name, make in (("Attribute", attribute), ("Object", object_)):
        for at, found in enumerate(document.trees(_items(scope, part.members, name, part.where))):
            where = f"{part.where}.{name}[{at}]"
            if isinstance(found, Broken):
                yield loss(where, Outcome.REFUSED, "json", str(found))
                continue
            given, again = found
            if again:
                yield document.repeated(where)
            make(scope, given, where)
            yield from scope.out
            scope.out.clear()
    _closed(scope, tree, facts, part.where)
    yield from _emptied(scope)


def _emptied(scope: Scope) -> Iterator[Made | Loss | Attached]:
    yield from scope.out
    scope.out.clear()


def _items(scope: Scope, raws: dict[str, document.Raw], name: str, where: str) -> list[document.Raw]:
    raw = raws.get(name)
    if raw is None or document.is_empty(raw):
        return []
    head = bytes(raw)[:1]
    try:
        if head == b"{":
            inner, again = document.members(raw)
            if again:
                scope.out.append(document.repeated(f"{where}.{name}"))
            numbered = all(bytes(each)[:1] == b"{" for each in inner.values())
            return list(inner.values()) if numbered and _OWN.isdisjoint(inner) else [raw]
        return document.items(raw)
    except Broken as error:
        scope.lose(f"{where}.{name}", Outcome.REFUSED, "shape", f"no list: {error}")
        return []


def _opened(tree: Tree, where: str, context: Context, shared: set[bytes], room: Room) -> tuple[Scope, Facts]:
    """Return an event's scope and its own facts; gives identities, clusters and first losses."""
    uuid = fields.uuid(tree)
    info = fields.text(tree, "info").strip()
    date = fields.moment(tree.get("date"))
    at = fields.seconds(tree, "timestamp") or fields.seconds(tree, "publish_timestamp") or date
    key = uuid or f"{info}\0{fields.text(tree, 'date')}\0{where}"
    report = f"report--{uuid}" if uuid else ident("report", context, key)
    scope = Scope(
        context, key, report, at or context.at * fields.MICROS, at is None, None, context.creator, False, shared, room
    )
    scope.stated = tree.get("distribution") not in (None, "")
    if not uuid:
        scope.lose(where, Outcome.CHANGED, "uuid", "an event without a UUID that STIX takes: ids of its content")
    tags = scope.tags(tree, where)
    level, losses = marking.of_distribution(tree, where, inherits=False)
    by_tag, more = marking.of_tags(tags, where)
    scope.out += [*losses, *more]
    scope.tlp = marking.strictest(level, by_tag)
    facts = scope.facts({**tree, "distribution": None, "Tag": None, "Event": None}, where, known=_EVENT)._replace(
        labels=tags
    )
    scope.creator = beside.organisation(scope, tree.get("Orgc"), facts, where) or context.creator
    _left_behind(scope, tree, where)
    return scope, facts


def _left_behind(scope: Scope, tree: Tree, where: str) -> None:
    """Say what of an event itself has no place."""
    org, orgc = tree.get("Org"), tree.get("Orgc")
    name = fields.hit(org, ("name", "uuid"))
    if name and (fields.hit(org, ("uuid",)), name) != (fields.hit(orgc, ("uuid",)), fields.hit(orgc, ("name", "uuid"))):
        reason = f"held by {name}, made by another: who held it stays in the original"
        scope.lose(f"{where}.Org", Outcome.UNMAPPED, "org", reason)
    if tree.get("event_creator_email"):
        reason = "the mail address of whoever entered it: kept only in the original"
        scope.lose(f"{where}.event_creator_email", Outcome.SEALED, "person", reason)
    for member in ("RelatedEvent", "CryptographicKey", "extensionEvents", "Sighting"):
        if tree.get(member):
            scope.lose(f"{where}.{member}", Outcome.UNMAPPED, "beside-event", f"{member}: kept only in the original")
    beside.proposals(scope, tree, where)


def _closed(scope: Scope, tree: Tree, facts: Facts, where: str) -> None:
    """Give what needs to know all parts: relationships, event reports, and the report itself."""
    for at, cluster in enumerate(galaxies.clusters(tree)):
        galaxies.cluster(scope, cluster, facts, f"{where}.Galaxy[{at}]")
    for at, each in enumerate(fields.trees(tree.get("EventReport"))):
        _event_report(scope, each, facts, f"{where}.EventReport[{at}]")
    if fields.uuid(tree):
        scope.ids.setdefault(fields.uuid(tree), scope.report)
    beside.words(scope, tree, scope.report, facts, where)
    beside.relationships(scope)
    refs = list(scope.refs) or ([scope.creator] if scope.creator else [])
    if not refs:
        scope.lose(where, Outcome.REFUSED, "empty-event", "an event that says nothing but its title")
        return
    report = scope.domain("report", scope.report, facts, **_titled(tree, facts))
    report["object_refs"] = _grouped(scope, refs, report["name"], facts, where)
    scope.make(report, where, facts.tlp, timeless=facts.timeless)


_REPORT: Final = frozenset(
    (
        *("id", "uuid", "event_id", "name", "content", "distribution", "sharing_group_id", "SharingGroup", "deleted"),
        *("timestamp", "Tag", "Note", "Opinion", "Relationship", "Event"),
    )
)


def _event_report(scope: Scope, tree: Tree, above: Facts, where: str) -> None:
    content = fields.text(tree, "content")
    own = scope.facts(tree, where, above._replace(revoked=False), _REPORT)
    found = scope.take("note", own.uuid, "report", content) if content.strip() else ""
    if not found:
        scope.lose(where, Outcome.REFUSED, "event-report", "a report without a text, or one that stands twice")
        return
    note = scope.domain("note", found, own, abstract=fields.text(tree, "name"), content=content)
    note |= {"object_refs": [scope.report], "labels": ['misp:event-report="true"', *own.labels]}
    if scope.make(note, where, own.tlp, timeless=own.timeless):
        if own.uuid:
            scope.ids.setdefault(own.uuid, found)
        beside.words(scope, tree, found, own, where)


def _titled(tree: Tree, facts: Facts) -> Tree:
    """Return what a report says of itself."""
    published = fields.seconds(tree, "publish_timestamp") or facts.at
    labels = [
        machine_tag(f"misp:{name.replace('_', '-')}", fields.text(tree, name))
        for name in ("date", "threat_level_id", "analysis")
        if fields.text(tree, name)
    ]
    if not fields.truth(tree, "published"):
        labels.append('misp:published="false"')
    titled: Tree = {
        "name": fields.text(tree, "info").strip() or "MISP event",
        "published": timestamp(published),
        "labels": list(dict.fromkeys((*labels, *facts.labels))),
    }
    extended = fields.text(tree, "extends_uuid")
    if extended:
        titled["external_references"] = [fields.reference(extended, "MISP event extended")]
    return titled


def _grouped(scope: Scope, refs: list[str], name: str, facts: Facts, where: str) -> list[str]:
    """Return what a report names: all of it, or groupings of it where that is more than one can hold."""
    if len(refs) <= MISP_REFS_MAX:
        return refs
    groups = []
    for at, start in enumerate(range(0, len(refs), MISP_REFS_MAX)):
        found = f"grouping--{named_uuid(NAMESPACE, f'{scope.report} {at}')}"
        grouping = scope.domain("grouping", found, facts, name=f"{name} ({at + 1})", context="misp-event")
        grouping["object_refs"] = refs[start : start + MISP_REFS_MAX]
        scope.make(grouping, where, facts.tlp, timeless=facts.timeless)
        groups.append(found)
    return groups
