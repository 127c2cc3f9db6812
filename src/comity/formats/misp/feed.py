"""The two index files of a MISP feed: `manifest.json` names the events, `hashes.csv` the values.

Rules: a manifest is hostile like any input: what is broken of it is said and costs one event. A UUID becomes part of an
address above, so only the canonical form passes. `hashes.csv` has MD5 because MISP looks values up by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import md5
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.formats.convert import Loss, Outcome, loss
from comity.formats.misp import document, fields
from comity.formats.misp.document import Broken
from comity.limits import FEED_KEPT_SECONDS, MISP_MANIFEST_BYTES_MAX

Event = dict[str, Any]
Gone = Callable[[str], bool]
"""Says by UUID whether an object goes no more, and may still be told of."""
WITHDRAWN: Final = "Withdrawn"
_KEPT: Final = ("uuid", "date", "timestamp", "threat_level_id", "analysis", "Orgc", "distribution")
_ENCODE: Final = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """One event of a feed."""

    uuid: str  # its file is `<uuid>.json`
    timestamp: Instant  # seconds: a newer one means a newer state of the event
    info: str
    date: str
    org: str
    org_uuid: str
    tags: tuple[str, ...]


def read_feed(manifest: bytes) -> Iterator[Entry | Loss]:
    """Yield the events that a manifest.json names, oldest state first, so that a fetcher can go on from a timestamp."""
    if len(manifest) > MISP_MANIFEST_BYTES_MAX:
        yield loss(
            "", Outcome.REFUSED, "too-large", f"more than {MISP_MANIFEST_BYTES_MAX} bytes (MISP_MANIFEST_BYTES_MAX)"
        )
        return
    try:
        found, again = document.members(manifest.removeprefix(b"\xef\xbb\xbf"))
    except Broken as error:
        yield loss("", Outcome.REFUSED, "json", str(error))
        return
    if again:
        yield document.repeated("")
    entries: list[Entry] = []
    for name, raw in found.items():
        entry = _entry(name, raw)
        if isinstance(entry, Loss):
            yield entry
        else:
            entries.append(entry)
    yield from sorted(entries, key=lambda one: (one.timestamp, one.uuid))


def _entry(name: str, raw: document.Raw) -> Entry | Loss:
    uuid = fields.uuid({"uuid": name})
    if not uuid:
        return loss(name, Outcome.REFUSED, "uuid", "the name of an event is no UUID")
    try:
        tree, _ = document.tree(raw)
    except Broken as error:
        return loss(name, Outcome.REFUSED, "json", str(error))
    if not isinstance(tree, dict):
        return loss(name, Outcome.REFUSED, "shape", "what is said of an event is no object")
    when = fields.seconds(tree, "timestamp")
    if when is None:
        return loss(name, Outcome.REFUSED, "timestamp", "an event without a time: nobody can say whether it is new")
    org = tree.get("Orgc")
    tags = tuple(tag for each in fields.trees(tree.get("Tag")) if (tag := fields.text(each, "name")))
    who = fields.hit(org, ("name",)), fields.uuid(org) if isinstance(org, dict) else ""
    return Entry(uuid, when // fields.MICROS, fields.text(tree, "info"), fields.text(tree, "date"), *who, tags)


def manifest(events: Iterable[Entry]) -> bytes:
    """Return the manifest.json of a feed."""
    return _ENCODE(
        {
            one.uuid: {
                "Orgc": {"name": one.org, "uuid": one.org_uuid},
                "Tag": [{"name": tag} for tag in one.tags],
                "info": one.info,
                "date": one.date,
                "analysis": "2",
                "threat_level_id": "4",
                "timestamp": str(one.timestamp),
            }
            for one in events
        }
    )


def entry(event: dict[str, Any]) -> Entry:
    """Return what a manifest says of an event that `write` made."""
    org = event["Orgc"]
    tags = tuple(tag["name"] for tag in event["Tag"])
    return Entry(event["uuid"], int(event["timestamp"]), event["info"], event["date"], org["name"], org["uuid"], tags)


def carried(event: Event, before: Event | None, at: Instant, gone: Gone) -> Event:
    """Return an event as it follows the one before: with what only that had, deleted; the very one if it is the same.

    MISP fetches an event anew only where its timestamp is newer, and takes away only what it is told is deleted. `gone`
    says of what this has no more whether it is to be told, which it is for FEED_KEPT_SECONDS.
    """
    if before is None:
        return event
    found = {**event, "Attribute": [*event["Attribute"], *_deleted(event["Attribute"], before, "Attribute", at, gone)]}
    objects = [*event.get("Object", ()), *_deleted(event.get("Object", ()), before, "Object", at, gone)]
    if objects:
        found["Object"] = objects
    times = {name: before.get(name) for name in ("timestamp", "publish_timestamp", "published")}
    if {**found, **times} == before:
        return before
    newest = str(max(int(event["timestamp"]), (fields.number(before, "timestamp") or 0) + 1, at))
    return {**found, "timestamp": newest}


def withdrawn(before: Event, at: Instant, gone: Gone) -> Event | None:
    """Return what is left of an event that is no more: what it had, deleted; None where nothing is to be told."""
    bare: Event = {name: before[name] for name in _KEPT if name in before}
    bare |= {"info": WITHDRAWN, "Attribute": [], "published": False, "publish_timestamp": "0"}
    bare["Tag"] = [tag for tag in fields.trees(before.get("Tag")) if fields.text(tag, "name").startswith("tlp:")]
    found = carried(bare, before, at, gone)
    return found if found["Attribute"] or found.get("Object") else None


def _deleted(now: Iterable[Event], before: Event, name: str, at: Instant, gone: Gone) -> Iterator[Event]:
    known = {each["uuid"] for each in now}
    for each in fields.trees(before.get(name)):
        ident = fields.text(each, "uuid")
        if not ident or ident in known or not gone(ident):
            continue
        if each.get("deleted") is not True:
            yield {**each, "deleted": True, "timestamp": str(at)}
        elif (fields.number(each, "timestamp") or 0) + FEED_KEPT_SECONDS > at:
            yield each


def hashes(event: dict[str, Any]) -> Iterator[bytes]:
    """Yield an event's lines of hashes.csv: the MD5 of each value, or of each part of a composite, and the UUID."""
    inside = [each for one in event.get("Object", ()) if not one.get("deleted") for each in one["Attribute"]]
    for attribute in [*event["Attribute"], *inside]:
        if attribute.get("deleted"):
            continue
        kind, value = attribute["type"], attribute["value"]
        for part in value.split("|") if "|" in kind or kind == "malware-sample" else [value]:
            digest = md5(part.encode(), usedforsecurity=False).hexdigest()
            yield f"{digest},{event['uuid']}\n".encode()
