"""Sightings, both ways: what a reader says of attributes that it sees, and what it sees said of them.

Rules: a sighting comes in as the sender's, of an object that it sees, and is marked as strictly as that. A false
positive is an opinion. An expiry is its author's to say, so one that is sent is refused and not passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from comity.areas import intel
from comity.errors import Malformed, NotFound, Refused, TooLarge
from comity.formats import observables
from comity.formats.convert import TLP_REFS, timestamp
from comity.formats.misp import fields, filters, rest
from comity.formats.misp.filters import Span, Terms
from comity.limits import MISP_SIGHTED_MAX
from comity.node import submissions
from comity.node.services import Services
from comity.node.submissions import REFUSED, Answer
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.answers import Unsaved, Unusual
from comity.surfaces.misp.catalogue import Catalogue, Event, number
from comity.surfaces.misp.composing import Composed, organisation
from comity.surfaces.misp.searching import holding
from comity.surfaces.misp.things import MICROSECONDS, Thing
from comity.vocab import Channel

Tree = dict[str, Any]

SEEN, FALSE, EXPIRED = 0, 1, 2
SIGHTED: Final = ("indicator", "observed-data", "vulnerability", "threat-actor", "campaign")
_ENCODE: Final = msgspec.json.Encoder().encode


class Said(NamedTuple):
    """One sighting that is sent."""

    uuid: str
    kind: int
    at: int  # seconds
    source: str
    of: Thing


class Sighted(NamedTuple):
    """A sighting that was taken, and what became of it."""

    said: Said
    answer: Answer


def said(services: Services, catalogue: Catalogue, found: Tree, name: str = "") -> list[Said]:
    """Read a sighting that is sent, of each attribute that it is about. Raises `NotFound`, `Malformed`, `TooLarge`."""
    node = services.node
    kind = fields.number(found, "type") if fields.text(found, "type") else SEEN
    if kind == EXPIRED:
        raise Unsaved("when an attribute ends is its author's to say", about="type")
    if kind not in (SEEN, FALSE):
        raise Malformed("a sighting is of type 0 (seen) or 1 (false positive)")
    when = next((found[key] for key in ("timestamp", "date_sighting") if found.get(key)), None)
    at = filters.moment("timestamp", when, node.now()) if when is not None else node.now()
    about = _about(services, catalogue, found, name)
    if len(about) > MISP_SIGHTED_MAX:
        raise TooLarge(f"{len(about)} attributes have these values (MISP_SIGHTED_MAX)", hint="name one by its uuid")
    own = fields.uuid(found) if len(about) == 1 and (name or found.get("attribute_uuid")) else ""
    source = fields.text(found, "source")[: filters.TERM_CHARS_MAX]
    return [Said(own or str(UUID(bytes=node.entropy(16), version=4)), kind, at, source, one) for one in about]


def _about(services: Services, catalogue: Catalogue, found: Tree, name: str) -> list[Thing]:
    texts = found.get("values", found.get("value"))
    if not name and texts:
        values = [one for one in (texts if isinstance(texts, list) else [texts]) if isinstance(one, str)]
        things = _valued(services, catalogue, values)
        if not things:
            raise NotFound("No valid attributes found")
        return things
    name = name or rest.named_in(found, ("attribute_uuid", "uuid", "attribute_id", "id"))
    thing = attribute(services, catalogue, name)
    if thing is None:
        raise NotFound("Invalid attribute")
    return [thing]


def _valued(services: Services, catalogue: Catalogue, values: Sequence[str]) -> list[Thing]:
    """Return what tests, shows or is called any of some values."""
    keys = [key for value in values for key, _, _ in observables.keyed(value)]
    with services.node.store.read() as unit:
        places = sorted({row[1] for row in unit.lookups.many(intel.OBSERVABLE, keys)}) if keys else []
        rows = unit.views.find_many(intel.OBJECT, "position", places) if places else ()
    found: dict[str, Thing] = {}
    for _, uuid, code, *_ in rows:
        assert isinstance(uuid, bytes)
        ident = f"{intel.type_name(int(code or 0))}--{UUID(bytes=uuid)}"
        some = [catalogue.things[ident]] if ident in catalogue.things else []
        some += catalogue.shown.get(ident, [])
        found |= {one.ident: one for one in some if one.kind in SIGHTED}
    return list(found.values())


def attribute(services: Services, catalogue: Catalogue, name: str) -> Thing | None:
    """Return what an attribute was made of, by its UUID or number; None where the reader sees none."""
    uuid = rest.uuid_of(name)
    wanted = rest.number_of(name)
    if not uuid and wanted is not None:
        with services.node.store.read() as unit:
            both = [wanted, wanted - rest.NUMBER_MAX - 1]  # the number is the digest's without its sign
            rows = unit.views.find_many(intel.STATED, "object", both)
            objects = unit.views.find_many(intel.OBJECT, "position", [row[0] for row in rows]) if rows else ()
        for row in objects:
            assert isinstance(row[1], bytes)
            uuid = str(UUID(bytes=row[1]))
    for kind in SIGHTED if uuid else ():
        thing = catalogue.things.get(f"{kind}--{uuid}")
        if thing is not None:
            return thing
    return None


def take(services: Services, reader: Reader, some: Sequence[Said], *, what: str) -> list[Sighted]:
    """Take sightings as the sender's. Raises what `submissions.submit_objects` does."""
    if not reader.may_send:
        raise Refused("you may not send sightings", hint="the office that gave you the key allows it")
    objects = [_ENCODE(_object(reader, one)) for one in some]
    done = submissions.submit_objects(services.node, reader.who, Channel.MISP, objects, name=what, check=services.check)
    return [Sighted(one, answer) for one, answer in zip(some, done.answers, strict=True)]


def _object(reader: Reader, one: Said) -> Tree:
    at = timestamp(one.at * MICROSECONDS)  # of what it says and not of when it came, so that sent again it is the same
    kind = "sighting" if one.kind == SEEN else "opinion"
    found: Tree = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{one.uuid}", "created": at, "modified": at}
    own = next(iter(reader.who.identities), "")
    if own:
        found["created_by_ref"] = own
    found["object_marking_refs"] = [TLP_REFS[one.of.tlp]]
    if kind == "opinion":
        said_by = f" ({one.source})" if one.source else ""
        return found | {
            "opinion": "strongly-disagree",
            "object_refs": [one.of.ident],
            "explanation": f"false positive{said_by}",
        }
    if own:
        found["where_sighted_refs"] = [own]
    found |= {"sighting_of_ref": one.of.ident, "count": 1, "first_seen": at, "last_seen": at}
    return found | ({"description": one.source} if one.source else {})


def shown(catalogue: Catalogue, reader_org: tuple[str, str], one: Said) -> Tree:
    """Return a sighting that was taken, as MISP answers it."""
    home = one.of.home
    uuid = one.of.ident[-36:]
    return {
        "id": str(number(one.uuid)),
        "attribute_id": str(number(uuid)),
        "attribute_uuid": uuid,
        "event_id": str(home.number) if isinstance(home, Event) else "0",
        "org_id": organisation(*reader_org)["id"],
        "date_sighting": str(one.at),
        "uuid": one.uuid,
        "source": one.source,
        "type": str(one.kind),
        "Organisation": organisation(*reader_org),
    }


def require_taken(done: Sequence[Sighted]) -> None:
    """Raise `Unsaved` where nothing was taken."""
    if done and all(one.answer.outcome == REFUSED for one in done):
        raise Unsaved(f"the sighting is not taken: {done[0].answer.reason}", about="sighting")


class Asked(NamedTuple):
    """Which sightings are asked for."""

    context: str  # attribute, event; empty for all
    names: tuple[str, ...]
    kinds: frozenset[str]
    span: Span | None
    orgs: Terms
    source: str
    event: bool
    attribute: bool


def asked(found: Tree, context: str, now: int) -> Asked:
    """Read which sightings are asked for. Raises `Malformed`."""
    if context not in {"", "attribute", "event"}:
        raise Unusual(HTTPStatus.BAD_REQUEST, "sightings are asked for by attribute or event")
    named = found.get("uuid") or found.get("id") or found.get("eventid") or []
    names = tuple(str(one) for one in (named if isinstance(named, list) else [named]))
    if len(names) > filters.TERMS_MAX:
        raise Malformed(f"more than {filters.TERMS_MAX} at once")
    kinds = found.get("type", [])
    some = kinds if isinstance(kinds, list) else [kinds]
    times = {key: found[key] for key in ("from", "to", "last") if found.get(key)}
    start = filters.moment("from", times.get("from", times.get("last", 0)), now) if times else 0
    end = filters.moment("to", times["to"], now) if "to" in times else Span().end
    orgs = filters.filters({"org": found.get("org_id")}, now).orgs
    return Asked(
        context,
        names,
        frozenset(str(one) for one in some if one is not None),
        Span(start, end) if times else None,
        orgs,
        fields.text(found, "source"),
        event=fields.truth(found, "includeEvent"),
        attribute=fields.truth(found, "includeAttribute"),
    )


def events(catalogue: Catalogue, wanted: Asked) -> list[Event]:
    """Return the events that may hold the sightings that are asked for."""
    if not wanted.names:
        return [one for one in catalogue.behind(-1) if one.sums().sighted]
    if wanted.context == "event":
        found = [catalogue.find(name) for name in wanted.names]
        return [one for one in dict.fromkeys(found) if one is not None]
    return list(dict.fromkeys(one for name in wanted.names for one in holding(catalogue, name)))


def sightings(composed: Composed, wanted: Asked) -> Iterator[tuple[Tree, Tree]]:
    """Yield the sightings of an event that are asked for, each with its attribute."""
    names = {name.lower() for name in wanted.names}
    for one, _ in composed.attributes():
        if wanted.context == "attribute" and names and names.isdisjoint((one["uuid"], one["id"])):
            continue
        for each in one.get("Sighting", ()):
            org = each["Organisation"]
            if wanted.kinds and each["type"] not in wanted.kinds:
                continue
            if wanted.span is not None and not wanted.span.has(int(each["date_sighting"])):
                continue
            if wanted.orgs and not wanted.orgs.fits((org["id"], org["uuid"], org["name"])):
                continue
            if not wanted.source or each.get("source") == wanted.source:
                yield each, one
