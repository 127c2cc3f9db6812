"""What a MISP event holds beside attributes, made of STIX objects: clusters, sightings, reports, objects of notes.

Rules: as in `sheet`. A relationship is kept where MISP can say it: an attribute that indicates a cluster gets the
cluster's tag. A sighting's count has no place, so it is said where it is not one.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid5

from comity.formats.convert import NAMESPACE, Outcome
from comity.formats.misp import fields
from comity.formats.misp.categories import category
from comity.formats.misp.sheet import Sheet, Tree, labelled, labels_of
from comity.formats.misp.types import ROWS, Fate
from comity.limits import STIX_NAME_CHARS_MAX

_EVENT_OWN: Final = ("misp:date=", "misp:threat-level-id=", "misp:analysis=", "misp:published=")
GALAXIES: Final = {  # by STIX type: the galaxy of a cluster that no label names
    "attack-pattern": "mitre-attack-pattern",
    "campaign": "stix-2.1-campaign",
    "course-of-action": "mitre-course-of-action",
    "infrastructure": "stix-2.1-infrastructure",
    "intrusion-set": "mitre-intrusion-set",
    "malware": "mitre-malware",
    "threat-actor": "threat-actor",
    "tool": "mitre-tool",
    "vulnerability": "branded-vulnerability",
}
_META: Final = frozenset(
    (
        *("type", "spec_version", "id", "created", "modified", "created_by_ref", "name", "description", "labels"),
        *("aliases", "external_references", "x_misp_meta", "object_marking_refs", "is_family", "revoked", "lang"),
    )
)


def cluster(sheet: Sheet, tree: Tree) -> None:
    """Add an object as a cluster of a galaxy."""
    kind: str = tree["type"]
    name = tree.get("name") or ""
    label = next((each for each in labels_of(tree) if each.startswith("misp-galaxy:")), "")
    galaxy, _, value = label.removeprefix("misp-galaxy:").partition('="')
    numbers = [ref["external_id"] for ref in tree.get("external_references") or () if ref.get("external_id")]
    if not value:
        galaxy = GALAXIES.get(kind, kind)
        value = f'{name} - {numbers[0]}"' if numbers and kind == "attack-pattern" else f'{name}"'
    value = value.removesuffix('"')
    own = tree.get("x_misp_meta")
    meta = {key: each for key, each in (own if isinstance(own, dict) else {}).items() if isinstance(each, list)}
    urls = [ref["url"] for ref in tree.get("external_references") or () if ref.get("url")]
    meta |= {name: each for name, each in (("refs", urls), ("synonyms", list(tree.get("aliases") or ()))) if each}
    if numbers:
        meta["external_id"] = numbers
    entry = {"uuid": tree["id"][-36:], "type": galaxy, "value": value, "description": tree.get("description") or ""}
    entry |= {"meta": meta, "tag_name": f'misp-galaxy:{galaxy}="{value}"'}
    sheet.galaxies.setdefault(galaxy, []).append(entry)
    sheet.clusters[tree["id"]] = f'misp-galaxy:{galaxy}="{value}"'
    for name in sorted(tree.keys() - _META):
        sheet.lose(tree["id"], Outcome.UNMAPPED, "property", f"{name} of a {kind} has no place in a cluster")


def report(sheet: Sheet, tree: Tree) -> None:
    """Take the event's own report for its tags and text, another for an event report; what only groups is done with."""
    if tree["id"] in {f"report--{sheet.about.uuid}", f"grouping--{sheet.about.uuid}"}:
        told = tree.get("description")
        if isinstance(told, str) and told.strip():  # of a UUID of its own, for the event has the report's
            own = {**tree, "id": f"note--{uuid5(NAMESPACE, tree['id'])}"}
            event_report(sheet, own, tree.get("name") or "", told, sheet.when(tree))
        labels = [label for label in labels_of(tree) if not label.startswith(_EVENT_OWN)]
        sheet.tags |= dict.fromkeys(label for label in labels if label[:4].lower() != "tlp:")
    elif tree.get("context") != "misp-event":
        content = tree.get("description") or tree.get("name") or ""
        event_report(sheet, tree, tree.get("name") or "", content, sheet.about.at)
        sheet.lose(tree["id"], Outcome.CHANGED, "report", "what the report names is not said: only its text")


def event_report(sheet: Sheet, tree: Tree, name: str, content: str, at: int) -> None:
    """Add a text about the event."""
    title = name or content[:STIX_NAME_CHARS_MAX].partition("\n")[0]
    entry = {"uuid": tree["id"][-36:], "name": title, "content": content, "timestamp": str(at), "distribution": "5"}
    sheet.event.setdefault("EventReport", []).append(entry | {"deleted": tree.get("revoked") is True})


def identity(sheet: Sheet, tree: Tree) -> None:
    """Take a sector for a cluster, the event's own organisation for known, and say of others that they are not kept."""
    if tree.get("identity_class") == "class":
        cluster(sheet, tree)
    elif tree.get("identity_class") == "individual":
        sheet.lose(tree["id"], Outcome.SEALED, "person", "a person is never written")
    elif tree["id"] != f"identity--{sheet.about.org_uuid}":
        sheet.lose(tree["id"], Outcome.UNMAPPED, "identity", "an event has one organisation, and it is another")


def object_(sheet: Sheet, tree: Tree, at: int) -> None:
    """Add the object whose values without a place a note has kept."""
    labels = labels_of(tree)
    attributes = []
    for number, kept in enumerate(tree["x_misp_attributes"]):
        if not isinstance(kept, dict) or not (fields.text(kept, "type") and fields.text(kept, "value")):
            continue
        if (row := ROWS.get(fields.text(kept, "type"))) is not None and row.fate is Fate.SEALED:
            sheet.lose(f"{tree['id']}[{number}]", Outcome.SEALED, "person", "about a person: never written")
            continue
        attributes.append(_kept(sheet, kept, f"{tree['id']}[{number}]", at))
    name = labelled(labels, "misp:object")
    entry = {"uuid": tree["id"][-36:], "name": name or "annotation", "timestamp": str(at), "distribution": "5"}
    entry |= {"meta-category": labelled(labels, "misp:meta-category") or "misc", "deleted": tree.get("revoked") is True}
    sheet.event.setdefault("Object", []).append(entry | {"Attribute": attributes})


def _kept(sheet: Sheet, kept: dict[str, Any], where: str, at: int) -> dict[str, Any]:
    """Return an attribute that a note has kept, as MISP takes it."""
    value = fields.text(kept, "value")
    kind = sheet.fitting(where, fields.text(kept, "type"), value)
    entry: dict[str, Any] = {"uuid": sheet.uuid(fields.uuid(kept) or where, value), "type": kind, "value": value}
    entry |= {"category": category(kind, fields.text(kept, "category")), "to_ids": fields.truth(kept, "to_ids")}
    entry |= {"comment": fields.text(kept, "comment"), "timestamp": str(at), "distribution": "5"}
    return entry | {"object_relation": fields.text(kept, "object_relation") or kind}


def attach(sheet: Sheet) -> None:
    """Put sightings, opinions and relationships where they belong, now that all is known."""
    for tree in sheet.late:
        if tree["type"] == "relationship":
            _relationship(sheet, tree)
        elif tree["type"] == "sighting":
            _sighting(sheet, tree)
        else:
            _opinion(sheet, tree)


def _relationship(sheet: Sheet, tree: Tree) -> None:
    entries = sheet.attributes.get(tree.get("source_ref", ""), [])
    tag = sheet.clusters.get(tree.get("target_ref", ""))
    if not entries or tag is None:
        sheet.lose(tree["id"], Outcome.UNMAPPED, "relationship", "MISP relates objects only: not written")
        return
    for entry in entries:
        tags = entry.setdefault("Tag", [])
        if {"name": tag} not in tags:
            tags.append({"name": tag})


def _sighting(sheet: Sheet, tree: Tree) -> None:
    entries = sheet.attributes.get(tree.get("sighting_of_ref", ""), [])
    if not entries:
        sheet.lose(tree["id"], Outcome.UNMAPPED, "sighting", "a sighting of what is no attribute")
        return
    if tree.get("count", 1) == 0:  # written as one, it would say the opposite
        sheet.lose(tree["id"], Outcome.UNMAPPED, "not seen", "MISP has no word for what was looked for and not seen")
        return
    if tree.get("count", 1) != 1:
        sheet.lose(tree["id"], Outcome.CHANGED, "count", "MISP counts sightings one by one: written as one")
    seen = fields.moment(tree.get("last_seen") or tree.get("first_seen") or tree.get("created"))
    _add(entries, tree, "0", seen, tree.get("description") or "")


def _opinion(sheet: Sheet, tree: Tree) -> None:
    refs = tree.get("object_refs") or ()
    entries = [entry for ref in refs for entry in sheet.attributes.get(ref, [])[:1]]
    if not entries or not (tree.get("explanation") or "").startswith("false positive"):
        sheet.lose(tree["id"], Outcome.UNMAPPED, "opinion", "an opinion that is no false positive of an attribute")
        return
    for entry in entries:
        _add([entry], tree, "1", fields.moment(tree.get("created")), "")


def _add(entries: list[dict[str, Any]], tree: Tree, kind: str, at: int | None, source: str) -> None:
    when = str((at or 0) // fields.MICROS)
    entries[0].setdefault("Sighting", []).append(
        {"uuid": tree["id"][-36:], "type": kind, "date_sighting": when, "source": source}
    )
