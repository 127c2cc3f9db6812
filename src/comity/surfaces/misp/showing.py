"""Events and attributes as they are answered: the part of them that is asked for."""

from __future__ import annotations

from typing import Any, Final

from comity.formats.misp import feed, fields
from comity.formats.misp.filters import Filters
from comity.surfaces.misp.catalogue import Catalogue, Event
from comity.surfaces.misp.composing import Composed, title
from comity.surfaces.misp.searching import Match, date_of, tags_of

Tree = dict[str, Any]

_ROW: Final = ("id", "org_id", "orgc_id", "distribution", "info", "uuid", "publish_timestamp", "timestamp", "date")
_INSIDE: Final = frozenset({"Attribute", "Object", "EventReport", "Galaxy", "ShadowAttribute", "RelatedEvent"})


def shown(composed: Composed, asked: Filters) -> Tree:
    """Return an event with what is asked for of it, deleted or not."""
    if len(asked.deleted) > 1:
        return composed.tree

    def fits(one: Tree) -> bool:
        return bool(one.get("deleted")) in asked.deleted

    found = dict(composed.tree)
    found["Attribute"] = [one for one in found["Attribute"] if fits(one)]
    found["EventReport"] = [one for one in found["EventReport"] if fits(one)]
    objects = [one | {"Attribute": [each for each in one["Attribute"] if fits(each)]} for one in found["Object"]]
    found["Object"] = [one for one in objects if fits(one) or one["Attribute"]]
    count = len(found["Attribute"]) + sum(len(one["Attribute"]) for one in found["Object"])
    return found | {"attribute_count": str(count)}


def without_sightings(shown: Tree) -> Tree:
    """Return an event without what others say of its attributes."""
    bare = [{name: value for name, value in one.items() if name != "Sighting"} for one in shown["Attribute"]]
    return shown | {"Attribute": bare}


def echoed(event: Tree) -> Tree:
    """Return an event as it was sent, without its files."""
    attributes = [
        {name: value for name, value in one.items() if name != "data"} for one in fields.trees(event.get("Attribute"))
    ]
    return event | {"Attribute": attributes}


def around(composed: Composed) -> Tree:
    """Return what is said of an event beside a part of it."""
    return {name: composed.tree[name] for name in _ROW} | {"Orgc": composed.tree["Orgc"]}


def with_event(one: Match) -> Tree:
    """Return an attribute with the event that it stands in."""
    return one.attribute | {"Event": around(one.composed)}


def metadata(event: Tree) -> Tree:
    """Return an event without what is in it."""
    return {name: value for name, value in event.items() if name not in _INSIDE}


def entry(catalogue: Catalogue, event: Event) -> feed.Entry:
    """Return what the manifest of a feed says of an event."""
    timestamp, _, _ = catalogue.times(event)
    tags = tuple(tags_of(event))
    date = date_of(event) or "1970-01-01"
    return feed.Entry(event.uuid, timestamp, title(event), date, event.org.name, event.org.uuid, tags)
