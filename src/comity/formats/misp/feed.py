"""The two index files of a MISP feed: `manifest.json` names the events, `hashes.csv` the values.

Rules: a manifest is hostile like any input: what is broken of it is said and costs one event. A UUID becomes part of an
address above, so only the canonical form passes. `hashes.csv` has MD5 because MISP looks values up by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import md5
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.formats.convert import Loss, Outcome, loss
from comity.formats.misp import document, fields
from comity.formats.misp.document import Broken
from comity.limits import MISP_MANIFEST_BYTES_MAX

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


def hashes(event: dict[str, Any]) -> Iterator[bytes]:
    """Yield an event's lines of hashes.csv: the MD5 of each value, or of each part of a composite, and the UUID."""
    inside = [each for one in event.get("Object", ()) for each in one["Attribute"]]
    for attribute in [*event["Attribute"], *inside]:
        kind, value = attribute["type"], attribute["value"]
        for part in value.split("|") if "|" in kind or kind == "malware-sample" else [value]:
            digest = md5(part.encode(), usedforsecurity=False).hexdigest()
            yield f"{digest},{event['uuid']}\n".encode()
