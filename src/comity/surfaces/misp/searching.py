"""Events and attributes that fit what is asked for, a page at a time; rows of the index.

Rules: events stand in the order in which they came, new ones behind, so that pages neither repeat nor miss anything
while others write; where a page ended is remembered. A search that would have to look at too much says so and gives
nothing, for an answer that is cut off silently is taken for a whole one. Others have their turn during a long search.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from comity.areas import intel
from comity.errors import TooLarge
from comity.formats import observables
from comity.formats.misp.filters import Filters, Span, Terms
from comity.formats.misp.sheet import labelled
from comity.limits import (
    MISP_ANSWER_ATTRIBUTES_MAX,
    MISP_CATALOGUE_OBJECTS_MAX,
    MISP_CURSORS_MAX,
    MISP_SCAN_OBJECTS_MAX,
)
from comity.surfaces.cli.desk import Desk
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.catalogue import Catalogue, Event, Org
from comity.surfaces.misp.composing import CHUNK_OBJECTS, Composed, Composer, organisation, tag, title
from comity.vocab import Tlp

Tree = dict[str, Any]

DISTRIBUTIONS: Final = {Tlp.CLEAR: "3", Tlp.GREEN: "2", Tlp.AMBER: "1"}  # of all others 0
_NARROWER: Final = "name a value, an event, a time or an organisation, or ask with a limit for fewer"


WEIGHT: Final = 4  # of an event, in attributes: what it takes of memory beside them


def _require_room(size: int) -> None:
    if size > MISP_ANSWER_ATTRIBUTES_MAX:
        raise TooLarge("one answer would hold too much (MISP_ANSWER_ATTRIBUTES_MAX)", hint=_NARROWER)


class Match(NamedTuple):
    """One attribute that fits, and the event that it stands in."""

    composed: Composed
    attribute: Tree
    within: Tree | None  # the object that it stands in


class _Cursor(NamedTuple):
    """Where a page ended."""

    first: int  # microseconds: the place of the last event
    last: str  # UUID of the last attribute that was given of it; empty where it was done with


class Catalogues:
    """The catalogues of readers, the longest unused given up first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: OrderedDict[str, Catalogue] = OrderedDict()

    def of(self, reader: Reader) -> tuple[Catalogue, Hashable]:
        """Return the catalogue of a reader as of now, and a mark that stays while it does. Raises `Refused`."""
        key = reader.who.audience
        catalogue = self._known.pop(key, None) or Catalogue(self._desk.services.node, self._desk.pause)
        self._known[key] = catalogue
        mark = catalogue.refresh(reader)
        while len(self._known) > 1 and sum(one.size for one in self._known.values()) > MISP_CATALOGUE_OBJECTS_MAX:
            self._known.popitem(last=False)
        return catalogue, mark


class Searching:
    """Searches of one node."""

    def __init__(self, desk: Desk, catalogues: Catalogues, composer: Composer) -> None:
        self._desk = desk
        self._node = desk.services.node
        self._catalogues = catalogues
        self._composer = composer
        self._cursors: OrderedDict[Hashable, _Cursor] = OrderedDict()

    # -- pages --------------------------------------------------------------------------

    def attributes(self, reader: Reader, asked: Filters) -> list[Match]:
        """Return a page of the attributes that fit. Raises `TooLarge`."""
        found: list[Match] = []
        key, cursor, passed = self._begin(reader, "attributes", asked)
        limit, size = asked.limit or MISP_ANSWER_ATTRIBUTES_MAX, 0
        for composed in self._composed(reader, asked, cursor, inside=True):
            behind = cursor is not None and cursor.first == composed.event.first and cursor.last
            some = list(_matching(composed, asked))
            places = [at for at, one in enumerate(some) if one.attribute["uuid"] == behind] if behind else []
            some = some[places[0] + 1 :] if places else some
            skipped = some[:passed]
            passed -= len(skipped)
            some = some[len(skipped) :]
            room = limit - len(found)
            found += some[:room]
            size += len(some[:room]) + WEIGHT * bool(some)
            _require_room(size)
            if len(found) == limit and (len(some) > room or asked.limit):
                if not asked.limit:
                    _require_room(limit + 1)
                self._end(key, asked, _Cursor(composed.event.first, found[-1].attribute["uuid"]))
                return found
        self._end(key, asked, self._last(reader))
        return found

    def events(self, reader: Reader, asked: Filters) -> list[Composed]:
        """Return a page of the events that fit, whole. Raises `TooLarge`."""
        found: list[Composed] = []
        key, cursor, passed = self._begin(reader, "events", asked)
        size = 0
        for composed in self._composed(reader, asked, cursor):
            if asked.looks_inside and not _has_match(composed, asked):
                continue
            if passed:
                passed -= 1
                continue
            found.append(composed)
            size += int(composed.tree["attribute_count"]) + WEIGHT
            _require_room(size if len(found) > 1 else 0)
            if len(found) == asked.limit:
                self._end(key, asked, _Cursor(composed.event.first, ""))
                return found
        self._end(key, asked, self._last(reader))
        return found

    def index(self, reader: Reader, asked: Filters) -> list[Event]:
        """Return a page of the events that fit, by what the catalogue knows of them. Raises `TooLarge`."""
        if asked.looks_inside:
            return [one.event for one in self.events(reader, asked)]
        key, cursor, passed = self._begin(reader, "index", asked)
        catalogue, _ = self._catalogues.of(reader)
        found: list[Event] = []
        for event in catalogue.behind(cursor.first if cursor else -1):
            if not _fits(catalogue, event, asked):
                continue
            if passed:
                passed -= 1
                continue
            found.append(event)
            if len(found) == asked.limit:
                self._end(key, asked, _Cursor(event.first, ""))
                return found
        self._end(key, asked, self._last(reader))
        return found

    def _begin(self, reader: Reader, what: str, asked: Filters) -> tuple[Hashable, _Cursor | None, int]:
        """Return the key of a search, where its page begins if that is known, else how many to pass over."""
        key = reader.who.audience, what, asked._replace(page=0)
        page = max(asked.page, 1)
        cursor = self._cursors.get((key, page))
        if page == 1 or not asked.limit:
            return key, None, 0
        return key, cursor, 0 if cursor else (page - 1) * asked.limit

    def _last(self, reader: Reader) -> _Cursor:
        """Return where a page ended that had no more: what comes later stands behind it."""
        return _Cursor(self._catalogues.of(reader)[0].last, "")

    def _end(self, key: Hashable, asked: Filters, cursor: _Cursor) -> None:
        if not asked.limit:
            return
        self._cursors[key, max(asked.page, 1) + 1] = cursor
        self._cursors.move_to_end((key, max(asked.page, 1) + 1))
        while len(self._cursors) > MISP_CURSORS_MAX:
            self._cursors.popitem(last=False)

    # -- what is looked at -----------------------------------------------------------------

    def _composed(
        self, reader: Reader, asked: Filters, cursor: _Cursor | None, *, inside: bool = False
    ) -> Iterator[Composed]:
        """Yield the events that may hold what is asked for, in their order, from where a page begins.

        `inside` says that times are asked of attributes: then an event that is as new may have some.
        """
        after = cursor.first - (1 if cursor.last else 0) if cursor else -1
        looked = 0
        while True:
            catalogue, _ = self._catalogues.of(reader)
            chunk, size = [], 0
            for event in self._behind(catalogue, asked, after):
                if _fits(catalogue, event, asked, inside=inside):
                    chunk.append(event)
                    size += len(event.members) + len(event.copies) + 1
                    if size >= CHUNK_OBJECTS:
                        break
            if not chunk:
                return
            looked += size
            if looked > MISP_SCAN_OBJECTS_MAX + size:
                raise TooLarge("this search would look at too much of what is held here", hint=_NARROWER)
            yield from self._composer.compose(reader, catalogue, chunk)
            after = chunk[-1].first
            self._desk.pause()

    def _behind(self, catalogue: Catalogue, asked: Filters, after: int) -> Iterator[Event]:
        known = self._named(catalogue, asked)
        if known is None:
            yield from catalogue.behind(after)
            return
        found = dict.fromkeys(one for one in known if one.first > after and catalogue.is_there(one))
        yield from sorted(found, key=lambda one: one.first)

    def _named(self, catalogue: Catalogue, asked: Filters) -> list[Event] | None:
        """Return the events in which all that is asked for stands, where an index says it; else None."""
        if asked.events.exact is not None:
            return [event for name in asked.events.exact if (event := catalogue.find(name)) is not None]
        if asked.attributes.exact is not None:
            return [event for name in asked.attributes.exact for event in holding(catalogue, name)]
        exact = asked.values.exact
        if exact is None:
            return None
        meant = [observables.keyed(text) for text in exact]
        if not all(meant):
            return None
        return self._showing(catalogue, [key for each in meant for key, _, _ in each])

    def _showing(self, catalogue: Catalogue, keys: Sequence[bytes]) -> list[Event]:
        """Return the events with what shows or tests any of some values, by the index of values."""
        with self._node.store.read() as unit:
            places = [row[1] for row in unit.lookups.many(intel.OBSERVABLE, keys)]
            rows = unit.views.find_many(intel.OBJECT, "position", sorted(set(places))) if places else ()
        found: list[Event] = []
        for _, uuid, code, *_ in rows:
            assert isinstance(uuid, bytes)
            kind = intel.type_name(int(code or 0))
            thing = catalogue.things.get(f"{kind}--{UUID(bytes=uuid)}")
            if thing is not None:
                found += catalogue.events_of(thing)
        return found


def holding(catalogue: Catalogue, name: str) -> list[Event]:
    """Return the events that a UUID names: an event's own, or those that show an attribute, object or report of it."""
    low = name.lower()
    event = catalogue.find(low)
    found = [event] if event is not None else []
    for kind in ("indicator", "observed-data", "note", "vulnerability", "threat-actor", "campaign", *_OBSERVED):
        thing = catalogue.things.get(f"{kind}--{low}")
        if thing is not None:
            found += catalogue.events_of(thing)
    if not found and catalogue.given is not None and len(low) == 36:
        other = catalogue.find(catalogue.given.within(low))
        found += [other] if other is not None else []
    return found


_OBSERVED: Final = (
    *("ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "file", "mutex", "autonomous-system", "mac-addr"),
    *("email-message", "network-traffic", "windows-registry-key", "x509-certificate", "directory", "process"),
)


# -- whether something fits ----------------------------------------------------------------


def level_tag(event: Event) -> list[str]:
    """Return the `tlp:` tag of an event, as far as the catalogue knows it."""
    level = event.sums().level
    return [f"tlp:{level.value.lower()}"] if level is not None else []


def tags_of(event: Event) -> list[str]:
    """Return the tags of an event, as far as the catalogue knows them."""
    labels = event.head.labels if event.head is not None else ()
    return level_tag(event) + [one for one in labels if not one.startswith("misp:") and one[:4].lower() != "tlp:"]


def date_of(event: Event) -> str:
    """Return the date of an event."""
    return (labelled(event.head.labels, "misp:date") if event.head is not None else "") or event.day


def distribution(level: Tlp | None) -> str:
    """Return MISP's distribution for a label: never wider."""
    return DISTRIBUTIONS.get(level, "0") if level is not None else "0"


def _fits(catalogue: Catalogue, event: Event, asked: Filters, *, inside: bool = False) -> bool:
    """Say whether an event may hold what is asked for, by what the catalogue knows of it."""
    return _is_called_so(event, asked) and _is_of_that_time(catalogue, event, asked, inside=inside)


def _is_called_so(event: Event, asked: Filters) -> bool:
    if asked.is_published is False:
        return False
    rows = _row(event) if asked.threat or asked.analysis or asked.distribution else {}
    pairs: tuple[tuple[Terms, Callable[[], Sequence[str]]], ...] = (
        (asked.events, lambda: (event.uuid, str(event.number))),
        (asked.orgs, lambda: _names(event.org)),
        (asked.infos, lambda: (title(event),)),
        (asked.event_tags, lambda: tags_of(event)),
        (asked.threat, lambda: (rows["threat_level_id"],)),
        (asked.analysis, lambda: (rows["analysis"],)),
        (asked.distribution, lambda: (rows["distribution"],)),
    )
    return all(terms.fits(texts()) for terms, texts in pairs if terms)


def _is_of_that_time(catalogue: Catalogue, event: Event, asked: Filters, *, inside: bool) -> bool:
    if (asked.since and date_of(event) < asked.since) or (asked.until and date_of(event) > asked.until):
        return False
    spans = asked.event_changed, asked.published, asked.changed
    if not any(spans):
        return True
    timestamp, published, _ = catalogue.times(event)
    changed = asked.changed._replace(end=Span().end) if asked.changed is not None and inside else asked.changed
    pairs = (asked.event_changed, timestamp), (asked.published, published), (changed, timestamp)
    return all(span.has(at) for span, at in pairs if span is not None)


def _names(org: Org) -> tuple[str, ...]:
    return org.name, org.uuid, organisation(*org)["id"]


def _has_match(composed: Composed, asked: Filters) -> bool:
    """Say whether an event is asked for: it, or any of its attributes."""
    inside = (asked.values, asked.types, asked.categories, asked.comments, asked.object_names)
    if not any(inside) and asked.to_ids is None:
        around = tag_names(composed.tree)
        of_itself = not asked.tags or asked.tags.fits(around)
        of_itself &= not asked.anything or asked.anything.fits((composed.tree["info"], *around))
        if of_itself and (not asked.attributes or asked.attributes.fits((composed.event.uuid,))):
            return True
    return any(True for _ in _matching(composed, asked, events=True))


def _matching(composed: Composed, asked: Filters, *, events: bool = False) -> Iterator[Match]:
    """Yield the attributes of an event that fit; in a search of `events` times are theirs, not the attributes'."""
    around = tag_names(composed.tree)
    for one, within in composed.attributes():
        if bool(one["deleted"]) not in asked.deleted:
            continue
        if not events and asked.changed is not None and not asked.changed.has(int(one["timestamp"])):
            continue
        if _is_asked_for(one, within, composed.tree, around, asked):
            yield Match(composed, one, within)


def _is_asked_for(one: Tree, within: Tree | None, event: Tree, around: list[str], asked: Filters) -> bool:
    value = one["value"]
    if asked.values and not asked.values.fits((value, *value.split("|")) if "|" in one["type"] else (value,)):
        return False
    if asked.types and not asked.types.fits((one["type"],)):
        return False
    if asked.categories and not asked.categories.fits((one["category"],)):
        return False
    if asked.comments and not asked.comments.fits((one.get("comment") or "",)):
        return False
    if asked.to_ids is not None and bool(one["to_ids"]) is not asked.to_ids:
        return False
    if asked.object_names and not asked.object_names.fits((within["name"],) if within else ()):
        return False
    if asked.attributes:
        names = [one["uuid"], event["uuid"], *([within["uuid"]] if within else [])]
        if not asked.attributes.fits(names):
            return False
    if asked.tags and not asked.tags.fits((*tag_names(one), *around)):
        return False
    texts = (value, one.get("comment") or "", event["info"])
    return not asked.anything or asked.anything.fits((*texts, *tag_names(one), *around))


def tag_names(tree: Tree) -> list[str]:
    """Return the names of the tags of an event or attribute."""
    return [each["name"] for each in tree.get("Tag") or ()]


# -- the index ------------------------------------------------------------------------------


def minimal(catalogue: Catalogue, event: Event) -> Tree:
    """Return the row of an event that MISP servers pull by."""
    timestamp, _, sighted = catalogue.times(event)
    row = {"id": str(event.number), "timestamp": str(timestamp), "sighting_timestamp": str(sighted)}
    return row | {"published": True, "uuid": event.uuid, "orgc_uuid": event.org.uuid}


def _row(event: Event) -> Tree:
    labels = event.head.labels if event.head is not None else ()
    return {
        "threat_level_id": labelled(labels, "misp:threat-level-id") or "4",
        "analysis": labelled(labels, "misp:analysis") or "2",
        "distribution": distribution(event.sums().level),
    }


def row(catalogue: Catalogue, event: Event) -> Tree:
    """Return the whole row of an event in the index."""
    timestamp, published, sighted = catalogue.times(event)
    org, orgc = organisation(*event.owner), organisation(*event.org)
    named = [tag(name) for name in tags_of(event)]
    return _row(event) | {
        "id": str(event.number),
        "uuid": event.uuid,
        "info": title(event),
        "date": date_of(event) or "1970-01-01",
        "published": True,
        "timestamp": str(timestamp),
        "publish_timestamp": str(published),
        "sighting_timestamp": str(sighted),
        "attribute_count": str(sum(one.kind in _COUNTED for one in event.all())),
        "org_id": org["id"],
        "orgc_id": orgc["id"],
        "sharing_group_id": "0",
        "proposal_email_lock": False,
        "locked": False,
        "disable_correlation": False,
        "extends_uuid": "",
        "Org": org,
        "Orgc": orgc,
        "EventTag": [{"event_id": str(event.number), "tag_id": one["id"], "Tag": one} for one in named],
        "GalaxyCluster": [],
    }


_COUNTED: Final = frozenset({"indicator", "observed-data", "vulnerability"})
