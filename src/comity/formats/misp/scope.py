"""What is known while one event is read, and the one way of making an object of it.

Rules: every object passes `make`, which marks, dates and bounds it and notes it for the event's report; every
loss passes `lose`. An id is taken once in an event: what repeats a UUID gets an id of its own content.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from comity.formats.convert import TLP_REFS, Attached, Context, Loss, Made, Outcome, encode, ident, loss
from comity.formats.misp import fields, marking
from comity.formats.misp.fields import timestamp
from comity.limits import (
    MISP_DATA_BYTES_MAX,
    MISP_LABEL_CHARS_MAX,
    STATEMENT_BYTES_MAX,
    STATEMENT_HEADER_BYTES_MAX,
)
from comity.vocab import Tlp

Tree = dict[str, Any]

BYTES_MAX: Final = STATEMENT_BYTES_MAX - STATEMENT_HEADER_BYTES_MAX  # so that a statement can carry it
_CONFIDENCE: Final = {  # the taxonomy `misp`, predicate confidence-level
    'misp:confidence-level="completely-confident"': 100,
    'misp:confidence-level="usually-confident"': 75,
    'misp:confidence-level="fairly-confident"': 50,
    'misp:confidence-level="rarely-confident"': 25,
    'misp:confidence-level="unconfident"': 0,
}
_INHERITS: Final = str(marking.INHERITS)  # as MISP writes it
# What an attribute or object may have that is MISP's own bookkeeping or is read where it matters.
KNOWN: Final = frozenset(
    (
        *("id", "event_id", "object_id", "object_relation", "type", "category", "to_ids", "uuid", "timestamp"),
        *("distribution", "sharing_group_id", "SharingGroup", "comment", "deleted", "disable_correlation", "value"),
        *("first_seen", "last_seen", "Tag", "Galaxy", "Sighting", "ShadowAttribute", "data", "validationIssue"),
        *("warnings", "Note", "Opinion", "Relationship", "name", "meta-category", "description", "template_uuid"),
        *("template_version", "ObjectReference", "Attribute", "value1", "value2", "decayed", "decay_score"),
        *("event_uuid", "event_tags", "AttributeTag", "data-md5", "image", "galaxies_relations"),
    )
)
_JUDGED: Final = frozenset({"warnings", "decayed"})  # members that say what a MISP server thinks of a value


class Facts(NamedTuple):
    """What attributes and objects alike say of themselves."""

    uuid: str  # empty where it has none that STIX takes
    at: int  # microseconds
    tlp: Tlp | None  # with the event's
    labels: tuple[str, ...]  # tags
    comment: str
    first: int | None
    last: int | None
    revoked: bool
    confidence: int | None
    valid_until: int | None
    timeless: bool


@dataclass(slots=True)
class Room:
    """How many bytes of files one input may still give."""

    left: int = MISP_DATA_BYTES_MAX


@dataclass(slots=True)
class Scope:
    """One event while it is read."""

    context: Context
    key: str  # what ids derive from where a part has no UUID: the event's, or its place
    report: str  # id of the event's report
    at: int  # microseconds: the event's own date
    timeless: bool  # the event has no date
    tlp: Tlp | None
    creator: str
    stated: bool  # the event says its distribution
    shared: set[bytes]  # objects given already in this read, which several events may need
    room: Room
    out: list[Made | Loss | Attached] = field(default_factory=list)
    refs: dict[str, None] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # UUID of a part: the object that stands for it
    taken: set[str] = field(default_factory=set)
    pending: list[tuple[str, Tree, str, Facts, str]] = field(default_factory=list)  # relationships, see `beside`
    odd: set[str] = field(default_factory=set)  # members without a meaning here, said once an event

    def lose(self, where: str, outcome: Outcome, rule: str, reason: str) -> None:
        """Say that something did not come over whole."""
        self.out.append(loss(where, outcome, rule, reason))

    def take(self, kind: str, uuid: str, *content: str) -> str:
        """Return an id that nothing else of the event has: of the UUID, else of the content; empty for a repetition."""
        found = f"{kind}--{uuid}" if uuid else ""
        if not found or found in self.taken:
            found = ident(kind, self.context, self.key, *content)
        if found in self.taken:
            return ""
        self.taken.add(found)
        return found

    def named(self, kind: str, *content: str) -> str:
        """Return the id of a thing that only its name identifies, the same in every event of the source."""
        return ident(kind, self.context, *content)

    def make(self, tree: Tree, where: str, tlp: Tlp | None, *, timeless: bool = False, shared: bool = False) -> bool:
        """Give an object, marked; whether it was small enough. `shared` ones are given once in a read."""
        if tlp is not None:
            tree["object_marking_refs"] = [TLP_REFS[tlp]]
        data = encode(tree)
        if len(data) > BYTES_MAX:
            reason = f"{tree['type']} of {len(data)} bytes: {BYTES_MAX} fit a statement (STATEMENT_BYTES_MAX)"
            self.lose(where, Outcome.REFUSED, "too-large", reason)
            return False
        self.refs[tree["id"]] = None
        if shared:
            if data in self.shared:
                return True
            self.shared.add(data)
        self.out.append(Made(data, where, timeless))
        return True

    def domain(self, kind: str, ident_: str, facts: Facts, **properties: Any) -> Tree:
        """Return a domain object with the common properties (STIX 2.1 §3.2)."""
        at = timestamp(facts.at)
        tree: Tree = {"type": kind, "spec_version": "2.1", "id": ident_, "created_by_ref": self.creator}
        tree |= {"created": at, "modified": at, **properties}
        if facts.revoked:
            tree["revoked"] = True
        if facts.confidence is not None:
            tree["confidence"] = facts.confidence
        return tree

    def relate(self, source: str, word: str, target: str, facts: Facts, where: str, comment: str = "") -> None:
        """Give a relationship; its id follows from its ends."""
        found = self.take("relationship", "", source, word, target)
        if found:
            tree = self.domain("relationship", found, facts._replace(confidence=None), relationship_type=word)
            tree |= {"source_ref": source, "target_ref": target, "description": comment}
            self.make(tree, where, facts.tlp, timeless=facts.timeless)

    def facts(self, tree: Tree, where: str, above: Facts | None = None, known: frozenset[str] = KNOWN) -> Facts:
        """Read what attributes and objects alike say; `above` is the object's that an attribute stands in."""
        if not known.issuperset(tree):
            self._say_odd(tree, where, known)
        labels = self.tags(tree, where)
        level, losses = self._distribution(tree, where, above)
        by_tag, more = marking.of_tags(labels, where)
        self.out += losses
        self.out += more
        at, timeless = self.when(tree, where, above)
        first, last = self.span(tree, where)
        return Facts(
            fields.uuid(tree),
            at,
            marking.strictest(above.tlp if above else self.tlp, level, by_tag),
            labels,
            fields.text(tree, "comment"),
            first,
            last,
            fields.truth(tree, "deleted") or (above is not None and above.revoked),
            next((_CONFIDENCE[label] for label in labels if label in _CONFIDENCE), None) if labels else None,
            self._expiry(tree),
            timeless,
        )

    def _say_odd(self, tree: Tree, where: str, known: frozenset[str]) -> None:
        """Say which members have no meaning here."""
        for name in tree.keys() - known:
            if tree[name] not in (None, "", [], {}, False) and name not in self.odd:
                self.odd.add(name)
                self.lose(where, Outcome.UNMAPPED, "member", f"the member {name}, here and wherever it stands")

    def _distribution(self, tree: Tree, where: str, above: Facts | None) -> tuple[Tlp | None, list[Loss]]:
        """Return the level of a part; one that inherits from what says nothing is not understood, so RED."""
        if self.stated and tree.get("distribution") == _INHERITS and "Event" not in tree:  # nearly all
            return None, []
        outer = tree.get("Event")  # an answer of attributes alone names each one's event
        outer = outer if isinstance(outer, dict) else {}
        stated = self.stated or outer.get("distribution") is not None or (above is not None and above.tlp is not None)
        level, losses = marking.of_distribution(tree, where, inherits=stated)
        around, more = marking.of_distribution(outer, where, inherits=False)
        return marking.strictest(level, around), [*losses, *more]

    def when(self, tree: Tree, where: str, above: Facts | None = None) -> tuple[int, bool]:
        """Return when a part was last changed, and whether that is only the moment of the import."""
        found = fields.seconds(tree, "timestamp")
        if found is not None:
            return found, False
        if tree.get("timestamp") not in (None, "", 0, "0"):
            self.lose(where, Outcome.CHANGED, "timestamp", f"{tree['timestamp']!r} is no time: the event's is used")
        return (above.at, above.timeless) if above else (self.at, self.timeless)

    def span(self, tree: Tree, where: str) -> tuple[int | None, int | None]:
        """Return first_seen and last_seen in microseconds."""
        if "first_seen" not in tree and "last_seen" not in tree:
            return None, None
        found: list[int | None] = []
        for name in ("first_seen", "last_seen"):
            value = tree.get(name)
            read = fields.moment(value)
            if read is None and value not in (None, ""):
                self.lose(where, Outcome.CHANGED, name.replace("_", "-"), f"{name} {value!r} is no time: left out")
            found.append(read)
        first, last = found
        if first is not None and last is not None and last < first:
            self.lose(where, Outcome.CHANGED, "last-seen", "last_seen is before first_seen: taken the other way")
            return last, first
        return first, last

    def tags(self, tree: Tree, where: str) -> tuple[str, ...]:
        """Return the names of the tags, each once."""
        tags = tree.get("Tag")
        if not tags:
            return ()
        found: dict[str, None] = {}
        for tag in tags if isinstance(tags, list) else [tags]:
            name = fields.text(tag, "name") if isinstance(tag, dict) else tag
            if not isinstance(name, str) or not name.strip():
                self.lose(where, Outcome.REFUSED, "tag", "a tag without a name")
            elif len(name) > MISP_LABEL_CHARS_MAX:
                reason = f"a tag of {len(name)} characters: cut (MISP_LABEL_CHARS_MAX)"
                self.lose(where, Outcome.CHANGED, "tag", reason)
                found[name[:MISP_LABEL_CHARS_MAX]] = None
            else:
                found[name] = None
        return tuple(found)

    def _expiry(self, tree: Tree) -> int | None:
        """Return the earliest sighting that says expiration (MISP core format, sighting type 2)."""
        if not tree.get("Sighting"):
            return None
        ends = [
            end
            for each in fields.trees(tree.get("Sighting"))
            if fields.number(each, "type") == 2 and (end := fields.seconds(each, "date_sighting")) is not None
        ]
        return min(ends, default=None)


def labelled(facts: Facts, tree: Tree, *extra: str) -> list[str]:
    """Return the labels of an attribute: its type and category as machine tags, then its tags."""
    kind, category = fields.text(tree, "type"), fields.text(tree, "category")
    labels = [machine_tag("misp:type", kind)] if kind else []
    if category:
        labels.append(machine_tag("misp:category", category))
    if not extra and not facts.labels and tree.keys().isdisjoint(_JUDGED):
        return labels
    warnings = tree.get("warnings")
    for warning in warnings if isinstance(warnings, list) else fields.trees(warnings):
        name = fields.hit(warning, ("warninglist_name", "name", "match")) if isinstance(warning, dict) else warning
        if isinstance(name, str) and name:
            labels.append(machine_tag("misp:warning", name))
    if fields.truth(tree, "decayed"):
        labels.append('misp:decayed="true"')
    return list(dict.fromkeys((*labels, *extra, *facts.labels)))


def machine_tag(name: str, value: str) -> str:
    """Return a label in the form of a machine tag, bounded."""
    return f'{name}="{value[:MISP_LABEL_CHARS_MAX]}"'
