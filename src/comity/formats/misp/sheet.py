"""One MISP event while it is put together of STIX objects.

Rules: `add` is the one way of writing an attribute and counts them; `lose` the one way of saying what is not
written. UUIDs are the objects' own; a second attribute of one object gets one that follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import uuid5

from comity.canon import Instant
from comity.formats.convert import NAMESPACE, Losses, Outcome, loss
from comity.formats.misp import fields
from comity.formats.misp.categories import category
from comity.formats.misp.reverse import Typed
from comity.formats.misp.types import ROWS
from comity.limits import MISP_ATTRIBUTES_MAX
from comity.vocab import Tlp

Tree = Mapping[str, Any]
Entry = dict[str, Any]

OWN: Final = ("misp:type=", "misp:category=", "misp:to_ids=", "misp:object=", "misp:meta-category=", "misp:expired=")
"""Beginnings of labels that `read` adds and that are no tags."""


def labels_of(tree: Tree) -> list[str]:
    """Return an object's labels; where the specification knows none they may be anything, and only texts count."""
    labels = tree.get("labels")
    return [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else []


def labelled(labels: Iterable[str], name: str) -> str:
    """Return the value of a label in the form of a machine tag; empty where there is none."""
    head = f'{name}="'
    return next((label[len(head) : -1] for label in labels if label.startswith(head) and label.endswith('"')), "")


class About(NamedTuple):
    """What the event says of itself."""

    uuid: str
    info: str
    at: Instant  # seconds
    org: str
    org_uuid: str
    tlp: Tlp | None = None  # at least this strict
    published: bool = False


class Sheet:
    """One event in the making."""

    def __init__(self, about: About, losses: Losses) -> None:
        self.about = about
        self._losses = losses
        self.attributes: dict[str, list[Entry]] = {}  # by the id of the STIX object they came of
        self.count = 0
        self.uuids: set[str] = set()  # of attributes: MISP takes each once
        self.levels: list[Tlp] = [about.tlp] if about.tlp is not None else []
        self.observed: dict[str, Tree] = {}
        self.observations: list[Tree] = []
        self.tags: dict[str, None] = {}
        self.event: dict[str, list[Entry]] = {}
        self.late: list[Tree] = []  # sightings, opinions, relationships
        self.clusters: dict[str, str] = {}  # id of an object: the tag of its cluster
        self.galaxies: dict[str, list[Entry]] = {}

    def lose(self, where: str, outcome: Outcome, rule: str, reason: str) -> None:
        """Say that something did not come over whole."""
        self._losses.add(loss(where, outcome, rule, reason))

    def add(self, tree: Tree, typed: list[Typed], *, to_ids: bool, comment: str) -> None:
        """Add attributes of one object."""
        ident = tree["id"]
        if self.count + len(typed) > MISP_ATTRIBUTES_MAX:
            self.lose(ident, Outcome.REFUSED, "too-many", "the event is full (MISP_ATTRIBUTES_MAX)")
            return
        self.count += len(typed)
        labels = labels_of(tree)
        own = labelled(labels, "misp:category")
        tags = [label for label in labels if label.strip() and not label.startswith(OWN)]
        entries = self.attributes.setdefault(ident, [])
        for kind, value in typed:
            uuid = self.uuid(ident, kind, value)
            name = self.fitting(ident, kind, value)
            entry: Entry = {"uuid": uuid, "type": name, "category": category(name, own), "value": value}
            entry |= {"to_ids": to_ids, "comment": comment, "timestamp": str(self.when(tree)), "distribution": "5"}
            entry |= {"deleted": tree.get("revoked") is True, "disable_correlation": False}
            if tags:
                entry["Tag"] = [{"name": tag} for tag in tags]
            self._span(entry, tree)
            entries.append(entry)

    def uuid(self, ident: str, *content: str) -> str:
        """Return the UUID of an object, or one that follows from the content where it is taken already."""
        found = ident[-36:].lower()
        if found in self.uuids or not fields.uuid({"uuid": found}):
            found = str(uuid5(NAMESPACE, " ".join((ident, *content))))
        self.uuids.add(found)
        return found

    def fitting(self, ident: str, kind: str, value: str) -> str:
        """Return the type of a value, `text` where MISP would not take it as what it is called."""
        if kind in ROWS and (kind != "datetime" or fields.moment(value) is not None):
            return kind
        self.lose(ident, Outcome.CHANGED, "type", f"MISP would not take it as a {kind}: written as a text")
        return "text"

    def when(self, tree: Tree) -> int:
        """Return when an object was last changed, in seconds."""
        found = fields.moment(tree.get("modified") or tree.get("created"))
        return found // fields.MICROS if found is not None else self.about.at

    def _span(self, entry: Entry, tree: Tree) -> None:
        first = tree.get("valid_from") or tree.get("first_observed")
        last = fields.text(tree, "x_misp_last_seen") or tree.get("last_observed")
        start, stop = fields.moment(first), fields.moment(last)
        if start is not None and first != tree.get("modified"):
            entry["first_seen"] = first
        if stop is not None and last not in {first, tree.get("modified")} and stop >= (start or 0):
            entry["last_seen"] = last
        end = fields.moment(tree.get("valid_until"))
        if end is not None:
            entry["Sighting"] = [{"type": "2", "date_sighting": str(end // fields.MICROS), "source": ""}]
