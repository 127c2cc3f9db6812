"""An event of the catalogue as MISP's JSON: its objects fetched, decided once more, written, and noted as given.

Rules: no distribution and no `tlp:` tag is wider than the strictest marking of anything in the event. What was given
of it and is there no more is told as MISP does it where it cleans what is deleted: UUID and time, and nothing of what
stood there. What is given is noted before it leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from comity.formats.convert import NAMESPACE, Losses
from comity.formats.misp import fields
from comity.formats.misp.marking import TAGS, strictest
from comity.formats.misp.sheet import About, labelled
from comity.formats.misp.write import laid_out
from comity.formats.misp.writing import finish
from comity.node.deliveries import Grade
from comity.node.owing import Owing
from comity.node.seeing import Seen
from comity.node.services import Services
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.catalogue import Catalogue, Event, number
from comity.surfaces.misp.had import ATTRIBUTE, OBJECT, REPORT, Had, gone, key_of, told
from comity.surfaces.misp.things import MICROSECONDS, Thing
from comity.vocab import Channel, Tlp

Tree = dict[str, Any]

CHUNK_OBJECTS: Final = 2_000  # fetched together; others have their turn between two
NESTED_MAX: Final = 3  # steps from an observation to what its objects name
WITHDRAWN: Final = "Withdrawn"
COLOURS: Final = {  # of MISP's taxonomy `tlp`
    Tlp.CLEAR: "#ffffff",
    Tlp.GREEN: "#339900",
    Tlp.AMBER: "#FFC000",
    Tlp.AMBER_STRICT: "#FFC000",
    Tlp.RED: "#CC0033",
}
_COLOUR: Final = {f"tlp:{level.value.lower()}": colour for level, colour in COLOURS.items()}
_DECODE: Final = msgspec.json.Decoder(Tree).decode


@dataclass(slots=True)
class Composed:
    """One event as it goes out, and what it is made of."""

    event: Event
    tree: Tree  # all of it: what is deleted, too
    timestamp: int
    seen: list[tuple[str, Seen]] = field(default_factory=list)  # by STIX id
    sources: dict[str, str] = field(default_factory=dict)  # STIX id by the UUID of the attribute made of it

    def attributes(self) -> Iterator[tuple[Tree, Tree | None]]:
        """Yield every attribute, with the object that it stands in, if any."""
        for one in self.tree["Attribute"]:
            yield one, None
        for each in self.tree["Object"]:
            for one in each["Attribute"]:
                yield one, each

    def made_of(self, uuids: Sequence[str] | None) -> list[Seen]:
        """Return what it is made of; of some attributes, by UUID, only what those are."""
        if uuids is None:
            return [seen for _, seen in self.seen]
        idents = {self.sources.get(uuid, "") for uuid in uuids}
        return [seen for ident, seen in self.seen if ident in idents]

    def parts(self, *, deleted: bool = False) -> list[bytes]:
        """Return the keys of attributes, objects and reports: of what is not deleted, or of all."""
        found = [(ATTRIBUTE, one) for one, _ in self.attributes()]
        found += [(OBJECT, one) for one in self.tree["Object"]] + [(REPORT, one) for one in self.tree["EventReport"]]
        return [key_of(kind, one["uuid"]) for kind, one in found if deleted or not one.get("deleted")]


class Composer:
    """Makes events of what a reader may see."""

    def __init__(self, services: Services, owing: Owing) -> None:
        self._services = services
        self._node = services.node
        self._owing = owing

    def compose(self, reader: Reader, catalogue: Catalogue, events: Sequence[Event]) -> Iterator[Composed]:
        """Yield events as they go out, in their order."""
        chunk: list[Event] = []
        size = 0
        for event in events:
            chunk.append(event)
            size += len(event.members) + len(event.copies) + 1
            if size >= CHUNK_OBJECTS:
                yield from self._chunk(reader, catalogue, chunk)
                chunk, size = [], 0
        yield from self._chunk(reader, catalogue, chunk)

    def _chunk(self, reader: Reader, catalogue: Catalogue, events: Sequence[Event]) -> Iterator[Composed]:
        inside = [_with_shown(catalogue, event) for event in events]
        found = self._fetch(reader, {one.position: one for things in inside for one in things}.values())
        trees = {at: _DECODE(seen.body) for at, seen in found.items()}
        for event, shown in zip(events, inside, strict=True):
            things = [one for one in shown if one.position in found]
            things += self._nested(reader, catalogue, things, found, trees)
            yield self._composed(catalogue, event, things, found, trees)

    def _fetch(self, reader: Reader, things: Iterable[Thing]) -> dict[int, Seen]:
        places = sorted((one.position, one.added) for one in things)
        seen = reader.seeing.at(reader.who, [(added, at) for at, added in places])
        return {one.position: one for one in seen if one.body}

    def _nested(
        self,
        reader: Reader,
        catalogue: Catalogue,
        things: Sequence[Thing],
        found: dict[int, Seen],
        trees: dict[int, Tree],
    ) -> list[Thing]:
        """Return what observed objects name, which is shown through them; fetched where it was not yet."""
        more: list[Thing] = []
        known = {one.ident for one in things}
        new: Sequence[Thing] = things
        for _ in range(NESTED_MAX):
            refs = {ref for one in new if one.scattered for ref in _inner(trees[one.position])} - known
            if not refs:
                break
            named = [catalogue.things[ref] for ref in sorted(refs) if ref in catalogue.things]
            if not named:
                break
            got = self._fetch(reader, [one for one in named if one.position not in found])
            found |= got
            trees |= {at: _DECODE(seen.body) for at, seen in got.items()}
            new = [one for one in named if one.position in found]
            more += new
            known |= refs
        return more

    # -- writing -----------------------------------------------------------------------

    def _composed(
        self,
        catalogue: Catalogue,
        event: Event,
        things: Sequence[Thing],
        found: dict[int, Seen],
        trees: dict[int, Tree],
    ) -> Composed:
        timestamp, published, sighted = catalogue.times(event)
        level = strictest(*(one.tlp for one in things), event.tlp)
        about = About(event.uuid, title(event), timestamp, event.org.name, event.org.uuid, level)
        sheet = laid_out((trees[one.position] for one in things), about, Losses())
        tree, attributes = finish(sheet)
        done = Composed(event, tree, timestamp, [(one.ident, found[one.position]) for one in things])
        tree["Attribute"] = attributes
        tree.setdefault("Object", [])
        tree.setdefault("EventReport", [])
        tree.setdefault("Galaxy", [])
        for ident, entries in sheet.attributes.items():
            for entry in entries:
                if ident in event.copies:
                    entry["uuid"] = copied(event.uuid, entry["uuid"])
                done.sources[entry["uuid"]] = ident
        for name in ("Object", "EventReport"):
            for one in tree[name]:
                ident = f"note--{one['uuid']}"
                if ident in event.copies:
                    one["uuid"] = copied(event.uuid, one["uuid"])
                done.sources[one["uuid"]] = ident
        _tombstones(catalogue, done)
        _head(event, tree, published, sighted)
        for one in tree["Object"]:
            _object(event, one, timestamp)
        level = TAGS.get(tree["Tag"][0]["name"]) if tree["Tag"] else None  # it stands first, where there is one
        for one, within in done.attributes():
            _attribute(event, one, timestamp, within)
            self._hanging(catalogue, event, one, level)
        return done

    def _hanging(self, catalogue: Catalogue, event: Event, one: Tree, level: Tlp | None) -> None:
        """Say of an attribute's tags and sightings what MISP has them say: no label wider than the event's."""
        if "Tag" in one:
            names = [each["name"] for each in one["Tag"]]
            one["Tag"] = [tag(name) for name in names if not _is_wider(name, level)]
        for each in one.get("Sighting", ()):
            known = None
            if "uuid" in each:
                word = "opinion" if each["type"] == "1" else "sighting"
                known = catalogue.things.get(f"{word}--{each['uuid']}")
            org = catalogue.org_of(known) if known is not None else event.owner
            each.setdefault("uuid", str(uuid5(NAMESPACE, f"{one['uuid']} {each['type']} {each['date_sighting']}")))
            each |= {"id": str(number(each["uuid"])), "attribute_id": one["id"], "event_id": one["event_id"]}
            each |= {"attribute_uuid": one["uuid"], "event_uuid": event.uuid}
            each |= {"org_id": str(number(org.uuid)), "Organisation": organisation(*org)}

    # -- what was given ------------------------------------------------------------------

    def give(self, reader: Reader, catalogue: Catalogue, whole: Sequence[Composed]) -> None:
        """Note that a correspondent is given events, before they leave."""
        self._give(reader, catalogue, [(one, None) for one in whole])

    def give_parts(self, reader: Reader, catalogue: Catalogue, some: Sequence[tuple[Composed, Sequence[str]]]) -> None:
        """Note that a correspondent is given attributes of events, by UUID, before they leave."""
        self._give(reader, catalogue, some)

    def _give(
        self, reader: Reader, catalogue: Catalogue, some: Sequence[tuple[Composed, Sequence[str] | None]]
    ) -> None:
        if reader.own or catalogue.given is None:
            return
        seen: dict[int, Seen] = {}
        ended: list[int] = []
        news: list[tuple[str, Had]] = []
        for one, uuids in some:
            made = {each.position: each for each in one.made_of(uuids)}
            before = catalogue.given.of(one.event.uuid)
            had = _had(one, before, set(made), uuids)
            if before is not None and uuids is None:
                ended += [at for at in before.places if at not in made]
            if had != before:
                news.append((one.event.uuid, had))
            seen |= made
        reader.seeing.give(reader.who, Channel.MISP, Grade.FETCHED, list(seen.values()))
        if news:
            with self._node.store.write() as unit:
                for uuid, had in news:
                    catalogue.given.keep(unit, uuid, had)
        ended = [at for at in ended if at not in seen]
        if ended:
            self._owing.told_of(reader.who, Channel.MISP, ended)


def _had(one: Composed, before: Had | None, places: set[int], uuids: Sequence[str] | None) -> Had:
    """Return what is kept of an event that is given as it is now: all of it, or attributes of it."""
    event, alive = one.event, one.parts()
    ended: dict[bytes, int] = {}
    if uuids is not None:
        places = places | set(before.places if before else ())
        alive = [key_of(ATTRIBUTE, uuid) for uuid in uuids]
    elif before is not None:
        ended = gone(before, alive, one.timestamp)
    return Had(
        timestamp=one.timestamp,
        state=event.sums().state,
        changed=before.changed if before else 0,
        found=before.found if before else b"",
        first=event.first,
        org=(event.org.uuid, event.org.name),
        places=tuple(sorted(places)),
        parts=told(before, alive, ended),
    )


def title(event: Event) -> str:
    """Return what an event is called: as its report is, else by whose and of which day it is."""
    if event.head is not None:
        return " ".join(event.head.title.split()) or "Report"
    if not event.day:
        return WITHDRAWN
    return f"{event.org.name}: {event.day}"


def copied(event: str, uuid: str) -> str:
    """Return the UUID of a copy of what belongs to another event."""
    return str(uuid5(NAMESPACE, f"{event} {uuid}"))


@lru_cache(16_384)
def tag(name: str) -> Tree:
    """Return a tag, as events carry it: never changed by who is given it."""
    ident = str(number(str(uuid5(NAMESPACE, f"tag {name}"))))
    colour = _COLOUR.get(name.lower(), "#0088cc")
    return {
        "id": ident,
        "name": name,
        "colour": colour,
        "exportable": True,
        "is_galaxy": name.startswith("misp-galaxy:"),
    }


@lru_cache(16_384)
def organisation(uuid: str, name: str) -> Tree:
    """Return an organisation, as events carry it: never changed by who is given it."""
    return {"id": str(number(uuid)), "name": name, "uuid": uuid, "local": False}


def _with_shown(catalogue: Catalogue, event: Event) -> list[Thing]:
    """Return what is in an event, and the observed objects that its observations show."""
    found = {one.ident: one for one in event.all()}
    for one in list(found.values()):
        if one.kind == "observed-data":
            for ref in one.refs:
                if ref in catalogue.things:
                    found.setdefault(ref, catalogue.things[ref])
    return list(found.values())


def _inner(tree: Tree) -> Iterator[str]:
    """Yield the observed objects that an observed object names."""
    for name, value in tree.items():
        if name.endswith("_ref") and isinstance(value, str):
            yield value
        elif name.endswith("_refs") and isinstance(value, list):
            yield from (ref for ref in value if isinstance(ref, str))


def _head(event: Event, tree: Tree, published: int, sighted: int) -> None:
    """Say of an event what MISP has it say."""
    labels = event.head.labels if event.head is not None else ()
    date = event.day
    if labels and fields.moment(labelled(labels, "misp:date")) is not None:
        date = labelled(labels, "misp:date")
    date = date or fields.timestamp(max(event.first, MICROSECONDS))[:10]
    org, orgc = organisation(*event.owner), organisation(*event.org)
    inside = sum(len(one["Attribute"]) for one in tree["Object"])
    tree |= {
        "id": str(event.number),
        "org_id": org["id"],
        "orgc_id": orgc["id"],
        "date": date[:10],
        "threat_level_id": _one_of(labelled(labels, "misp:threat-level-id"), "1234", "4"),
        "analysis": _one_of(labelled(labels, "misp:analysis"), "012", "2"),
        "published": True,  # to this reader it is
        "publish_timestamp": str(published),
        "sighting_timestamp": str(sighted),
        "attribute_count": str(len(tree["Attribute"]) + inside),
        "proposal_email_lock": False,
        "locked": False,
        "sharing_group_id": "0",
        "disable_correlation": False,
        "extends_uuid": "",
        "Org": org,
        "Orgc": orgc,
        "ShadowAttribute": [],
        "RelatedEvent": [],
        "CryptographicKey": [],
        "Tag": [tag(one["name"]) for one in tree["Tag"]],
    }
    for galaxy in tree["Galaxy"]:
        galaxy |= {"uuid": str(uuid5(NAMESPACE, f"galaxy {galaxy['type']}")), "description": "", "namespace": "misp"}
    for report in tree["EventReport"]:
        report |= {"id": str(number(report["uuid"])), "event_id": tree["id"], "sharing_group_id": "0"}


def _one_of(text: str, known: str, otherwise: str) -> str:
    return text if len(text) == 1 and text in known else otherwise


def _attribute(event: Event, one: Tree, timestamp: int, within: Tree | None = None) -> None:
    """Say of an attribute what MISP has it say; what is deleted is dated so that it is taken."""
    one["id"] = str(number(one["uuid"]))
    one["event_id"] = str(event.number)
    one["object_id"] = within["id"] if within else "0"
    one.setdefault("object_relation", None)
    one.setdefault("disable_correlation", False)
    one.setdefault("deleted", False)
    one.setdefault("first_seen", None)
    one.setdefault("last_seen", None)
    one["sharing_group_id"] = "0"
    one["timestamp"] = str(min(int(one["timestamp"]), timestamp))
    one["Galaxy"] = []
    one["ShadowAttribute"] = []


def _object(event: Event, one: Tree, timestamp: int) -> None:
    one["id"] = str(number(one["uuid"]))
    one["event_id"] = str(event.number)
    one["timestamp"] = str(min(int(one["timestamp"]), timestamp))
    one.setdefault("description", "")
    one.setdefault("template_uuid", str(uuid5(NAMESPACE, f"template {one['name']}")))
    one.setdefault("template_version", "1")
    one["sharing_group_id"] = "0"
    one["ObjectReference"] = []


def _is_wider(name: str, level: Tlp | None) -> bool:
    """Say whether a tag is a TLP label that allows more than the event's."""
    if not name.lower().startswith("tlp:") or level is None:
        return False
    said = TAGS.get(name.lower())
    return said is None or said.rank < level.rank


def _tombstones(catalogue: Catalogue, done: Composed) -> None:
    """Add what was given of an event and is there no more, cleaned as MISP cleans what is deleted."""
    had = catalogue.given.of(done.event.uuid) if catalogue.given is not None else None
    alive = set(done.parts())
    if had is None or alive.issuperset(had.parts):
        return
    shown = set(done.parts(deleted=True))  # deleted by its own author, and shown so
    for part, at in gone(had, alive, done.timestamp).items():
        if part in shown:
            continue
        one: Tree = {"uuid": str(UUID(bytes=part[-16:])), "timestamp": str(at), "distribution": "5", "deleted": True}
        if part[:-16] == OBJECT:
            done.tree["Object"].append(one | {"name": "deleted", "meta-category": "misc", "Attribute": []})
        elif part[:-16] == REPORT:
            done.tree["EventReport"].append(one | {"name": "deleted", "content": ""})
        else:
            cleaned = {"type": "comment", "category": "Other", "value": "deleted", "comment": "", "to_ids": False}
            done.tree["Attribute"].append(one | cleaned)
