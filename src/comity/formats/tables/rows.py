"""One row's cells, sorted by role, to an indicator for each value or group of values in it.

Rules: the id of an indicator follows from the source and its values, so that a value is one object however
often it comes; its version is dated by what the row says was last seen. A row without that date is
`timeless`: whoever stores it compares its content. An unknown TLP word counts as RED. A person's account makes
no object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final, NamedTuple

import msgspec

from comity.formats import observables
from comity.formats.convert import (
    NAMESPACE,
    TLP_REFS,
    Context,
    Loss,
    Made,
    Outcome,
    comparison,
    loss,
    timestamp,
)
from comity.formats.observables import Observable
from comity.formats.tables import dates, words
from comity.formats.tables.mapping import Column, Constants, Join, Mapping, Role, Scale
from comity.formats.tables.values import value_of
from comity.limits import (
    CLOCK_SKEW_SECONDS_MAX,
    PATTERN_BYTES_MAX,
    TABLE_COLUMNS_MAX,
    TABLE_LABELS_MAX,
    TABLE_NAMES_KEPT_MAX,
    TABLE_REFERENCES_MAX,
    TABLE_TEXT_CHARS_MAX,
    TABLE_WORD_CHARS_MAX,
    URL_CHARS_MAX,
)
from comity.vocab import Tlp

Cells = Sequence[tuple[Column, str]]
"""The cells of a row that are read, in the mapping's order."""

_ENCODE: Final = msgspec.json.Encoder().encode
_MICROSECONDS: Final = 1_000_000
_ZONE_SECONDS: Final = 50_400  # a time written without its zone may be 14 hours ahead of UTC
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_CVE: Final = re.compile(r"CVE-[0-9]{4}-(?:0[0-9]{3}|[1-9][0-9]{3,15})", re.IGNORECASE)
_TLP_LABEL: Final = re.compile(r"tlp\s*:.*", re.IGNORECASE)
_CANNOT_BE_JUDGED: Final = ("6", Scale.ADMIRALTY)  # "not specified" in STIX 2.1 appendix A
_DATE_ROLES: Final = frozenset({Role.FIRST_SEEN, Role.LAST_SEEN, Role.VALID_UNTIL})
_read_date: Final = lru_cache(maxsize=4_096)(dates.read)


def _seed(source: str, kind: str) -> Any:
    """Return a hash that has read what all ids of one kind begin with (RFC 9562 §5.5)."""
    return sha1(NAMESPACE.bytes + f"{source}\0{kind}".encode("utf-8", "replace"), usedforsecurity=False)


class Group(NamedTuple):
    """Values that make one indicator."""

    found: dict[Observable, str]  # each with its comparison
    join: Join
    notes: list[str]


class Facts:
    """What a row says besides its values, and what came of it."""

    __slots__ = (
        *("confidence", "creator", "is_cut", "kinds", "labels", "notes", "out", "references", "texts", "threat"),
        *("times", "tlp", "where"),
    )

    def __init__(self, mapping: Mapping, where: str, out: list[Made | Loss]) -> None:
        constants = mapping.constants
        self.where = where
        self.out = out
        self.is_cut = False  # labels were left out, which is told once
        self.texts = [constants.description] if constants.description else []
        self.notes: list[str] = []
        self.labels = list(constants.labels)
        self.references = [constants.reference] if constants.reference else []
        self.times: dict[Role, int] = {}
        self.confidence = constants.confidence
        self.tlp: Tlp | None = None
        self.threat = constants.threat
        self.creator = constants.creator
        self.kinds: tuple[str, ...] | None = ()  # that a kind column allows; none: any; None: an unknown word

    def lose(self, outcome: Outcome, rule: str, reason: str) -> None:
        """Tell of a loss in this row."""
        self.out.append(loss(self.where, outcome, rule, reason))


class Maker:
    """Makes objects of rows of one source."""

    def __init__(self, mapping: Mapping, context: Context) -> None:
        self._mapping = mapping
        self._at = context.at * _MICROSECONDS
        self._now = timestamp(self._at)
        self._latest = (context.at + CLOCK_SKEW_SECONDS_MAX + _ZONE_SECONDS) * _MICROSECONDS
        self._creator = context.creator
        self._seeds = {
            kind: _seed(context.source, kind) for kind in ("indicator", "identity", "malware", "relationship")
        }
        self._named: dict[str, None] = {}
        self._constant = mapping.constants.tlp
        self._is_bare = mapping.constants == Constants() and not context.creator

    def ident(self, kind: str, *content: str) -> str:
        """Return what `convert.ident` returns, at a fifth of its cost."""
        seed = self._seeds[kind].copy()
        seed.update("".join(["\0" + part for part in content]).encode("utf-8", "replace"))
        text = seed.hexdigest()
        return f"{kind}--{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"

    def make(self, where: str, cells: Cells, comment: str = "") -> Iterable[Made | Loss]:
        """Yield what a row makes, and what of it did not come over."""
        if self._is_bare and not comment and (simple := self._simple(where, cells)) is not None:
            return (simple,)
        return self._whole(where, cells, comment)

    def _whole(self, where: str, cells: Cells, comment: str) -> Iterator[Made | Loss]:
        out: list[Made | Loss] = []
        facts = Facts(self._mapping, where, out)
        values: list[tuple[Column, str]] = []
        for cell in cells:
            column, text = cell
            if column.role is Role.VALUE:
                values.append(cell)
            elif column.role is Role.KIND:
                facts.kinds = words.kinds(text)
                if facts.kinds is None:
                    facts.lose(Outcome.UNMAPPED, "kind", f"{text!r} is no kind of value that is known here")
                    yield from out
                    return
                if words.SEALED in facts.kinds:
                    facts.lose(Outcome.SEALED, "person", f"{text!r} is an account or a name of a person")
                    yield from out
                    return
            else:
                self._fact(facts, column, text)
        if comment:
            facts.texts.append(comment)
        if len(values) > TABLE_COLUMNS_MAX:
            reason = f"{len(values)} values; {TABLE_COLUMNS_MAX} of one row are read (TABLE_COLUMNS_MAX)"
            facts.lose(Outcome.REFUSED, "several", reason)
            del values[TABLE_COLUMNS_MAX:]
        if not values:
            facts.lose(Outcome.REFUSED, "no-value", "no value stands in this row")
        for name, members in self._grouped(values):
            group = self._group(facts, members, self._mapping.joins.get(name, Join.OR))
            if group.found:
                self._objects(facts, group)
            yield from out  # one by one: each may have the whole description
            out.clear()
        yield from out

    def _simple(self, where: str, cells: Cells) -> Made | None:
        """Return what one value and notes make, in half the time of `_whole`; None for other rows."""
        if not cells or cells[0][0].role is not Role.VALUE:
            return None
        notes = []
        for column, text in cells[1:]:
            if column.role is not Role.NOTE:
                return None
            notes.append(f"{column.name()}: {text}")
        found, changed = value_of(*cells[0])
        if found is None or changed or not (test := comparison(found)):
            return None
        tree: dict[str, Any] = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": self.ident("indicator", *found),
            "created": self._now,
            "modified": self._now,
            "name": found.value,
            "pattern": f"[{test}]",
            "pattern_type": "stix",
            "valid_from": self._now,
        }
        if notes:
            tree["description"] = "\n".join(notes)
            if len(tree["description"]) > TABLE_TEXT_CHARS_MAX:
                return None
        return Made(_ENCODE(tree), where, True)

    # --- values ------------------------------------------------------------------------------------------

    def _grouped(self, values: list[tuple[Column, str]]) -> Iterable[tuple[str, list[tuple[Column, str]]]]:
        """Return the values that belong together, by their group's name; what has no group is alone."""
        if len(values) < 2:
            return [("", values)] if values else []
        groups: dict[str, list[tuple[Column, str]]] = {}
        for number, cell in enumerate(values):
            groups.setdefault(cell[0].group or f"\0{number}", []).append(cell)
        return groups.items()

    def _group(self, facts: Facts, members: list[tuple[Column, str]], join: Join) -> Group:
        found: dict[Observable, str] = {}
        notes: list[str] = []
        for column, text in members:
            observable, changed = value_of(column, text, facts.kinds or ())
            if observable is None:
                facts.lose(Outcome.REFUSED, "value", f"{text[:200]!r} in {column.name()} is not {changed}")
                continue
            test = comparison(observable)
            if not test:
                facts.lose(Outcome.UNMAPPED, "pattern", f"{observable.kind} has no place in a STIX pattern")
                continue
            if changed == "kind":
                reason = f"{text[:200]!r} is not what its kind column says; read as {observable.kind}"
                facts.lose(Outcome.CHANGED, "kind", reason)
            elif changed:
                notes.append(changed)
            found[observable] = test
        return Group(found, join, notes)

    # --- facts -------------------------------------------------------------------------------------------

    def _fact(self, facts: Facts, column: Column, text: str) -> None:
        """Read a cell that is no value."""
        role = column.role
        if role is Role.NOTE:
            facts.notes.append(f"{column.name()}: {text}")
        elif role is Role.DESCRIPTION:
            facts.texts.append(text)
        elif role in _DATE_ROLES:
            self._date(facts, column, text)
        elif role is Role.LABELS:
            _labels(facts, column, text)
        elif role is Role.REFERENCE:
            facts.references.append(text)
        elif role is Role.CONFIDENCE:
            facts.confidence = words.confidence(text, column.scale)
            if facts.confidence is None and (text, column.scale) != _CANNOT_BE_JUDGED:
                facts.lose(Outcome.CHANGED, "confidence", f"{text!r} is not on the scale {column.scale}; left out")
        elif role is Role.TLP:
            _tlp(facts, text)
        elif role is Role.THREAT:
            facts.threat = text
        elif role is Role.CREATOR:
            if "@" in text:
                facts.lose(Outcome.SEALED, "person", f"{column.name()} holds a mail address or an account")
            else:
                facts.creator = text

    def _date(self, facts: Facts, column: Column, text: str) -> None:
        micros = _read_date(text, column.dates) if len(text) <= dates.CHARS_MAX else None
        if micros is None:
            facts.lose(Outcome.CHANGED, "date", f"{text!r} in {column.name()} is no date ({column.dates}); left out")
        elif micros > self._latest and column.role is not Role.VALID_UNTIL:
            facts.lose(Outcome.CHANGED, "date", f"{text!r} in {column.name()} lies ahead of the import; left out")
        else:
            facts.times[column.role] = micros

    # --- objects -----------------------------------------------------------------------------------------

    def _objects(self, facts: Facts, group: Group) -> None:
        first, last = facts.times.get(Role.FIRST_SEEN), facts.times.get(Role.LAST_SEEN)
        created = first if first is not None else last
        if first is not None and last is not None:
            created = min(first, last)
        pattern = _pattern(group)
        if len(pattern) * 4 > PATTERN_BYTES_MAX and len(pattern.encode()) > PATTERN_BYTES_MAX:
            reason = (
                f"{len(group.found)} values make a pattern of more than {PATTERN_BYTES_MAX} bytes (PATTERN_BYTES_MAX)"
            )
            facts.lose(Outcome.REFUSED, "pattern", reason)
            return
        begin = self._now if created is None else timestamp(created)
        creator = self._creator
        level = facts.tlp or self._constant
        if facts.creator:
            identity = self._named_object("identity", facts.creator, level, {"identity_class": "organization"})
            creator = identity["id"]
            self._once(facts, identity)
        found = tuple(group.found)
        tree: dict[str, Any] = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": self.ident("indicator", *_content(found, group.join)),
            "created": begin,
            "modified": self._now if last is None else timestamp(last),
            "name": found[0].value,
            "pattern": pattern,
            "pattern_type": "stix",
            "valid_from": begin if first is None else timestamp(first),
        }
        if creator:
            tree["created_by_ref"] = creator
        if level is not None:
            tree["object_marking_refs"] = [TLP_REFS[level]]
        self._optional(facts, group, tree)
        facts.out.append(Made(_ENCODE(tree), facts.where, last is None))
        if facts.threat:
            self._indicates(facts, level, tree)

    def _optional(self, facts: Facts, group: Group, tree: dict[str, Any]) -> None:
        until = facts.times.get(Role.VALID_UNTIL)
        if until is not None:
            start = facts.times.get(Role.FIRST_SEEN, facts.times.get(Role.LAST_SEEN, self._at))
            if until <= start:
                # STIX 2.1 §4.7: it must be later. The nearest that may stand keeps what is over from looking valid.
                until = start + 1_000
                facts.lose(Outcome.CHANGED, "valid-until", "ends before it begins: valid for a millisecond")
            tree["valid_until"] = timestamp(until)
        texts = [*facts.texts, *facts.notes, *group.notes]
        if texts:
            text = "\n".join(texts)
            if len(text) > TABLE_TEXT_CHARS_MAX:
                text = text[:TABLE_TEXT_CHARS_MAX]
                reason = f"cut to {TABLE_TEXT_CHARS_MAX} characters (TABLE_TEXT_CHARS_MAX)"
                facts.lose(Outcome.CHANGED, "description", reason)
            tree["description"] = text
        if facts.confidence is not None:
            tree["confidence"] = facts.confidence
        if facts.labels:
            tree["labels"] = facts.labels
        if facts.references:
            if len(facts.references) > TABLE_REFERENCES_MAX:
                reason = f"{len(facts.references)} references; {TABLE_REFERENCES_MAX} are kept (TABLE_REFERENCES_MAX)"
                facts.lose(Outcome.CHANGED, "references", reason)
            tree["external_references"] = [_reference(facts, text) for text in facts.references[:TABLE_REFERENCES_MAX]]

    def _indicates(self, facts: Facts, level: Tlp | None, tree: dict[str, Any]) -> None:
        """Name the family: a malware object, once, and a relationship."""
        family = self._named_object("malware", facts.threat, level, {"is_family": True})
        self._once(facts, family)
        relation: dict[str, Any] = {
            "type": "relationship",
            "spec_version": "2.1",
            "id": self.ident("relationship", tree["id"], family["id"]),
            "created": tree["created"],
            "modified": tree["modified"],
            "relationship_type": "indicates",
            "source_ref": tree["id"],
            "target_ref": family["id"],
        }
        relation |= {key: tree[key] for key in ("created_by_ref", "object_marking_refs") if key in tree}
        facts.out.append(Made(_ENCODE(relation), facts.where, Role.LAST_SEEN not in facts.times))

    def _named_object(self, kind: str, name: str, level: Tlp | None, own: dict[str, Any]) -> dict[str, Any]:
        """Return what many rows name. Rows of different levels name different objects: a name may be what is secret."""
        name = name[:TABLE_WORD_CHARS_MAX]
        tree = {
            "type": kind,
            "spec_version": "2.1",
            "id": self.ident(kind, name, *([level.value] if level else [])),
            "created": self._now,
            "modified": self._now,
            "name": name,
            **own,
        }
        if self._creator and kind != "identity":
            tree["created_by_ref"] = self._creator
        if level is not None:
            tree["object_marking_refs"] = [TLP_REFS[level]]
        return tree

    def _once(self, facts: Facts, tree: dict[str, Any]) -> None:
        """Make an object unless it was made not long ago."""
        if tree["id"] in self._named:
            return
        if len(self._named) >= TABLE_NAMES_KEPT_MAX:
            del self._named[next(iter(self._named))]
        self._named[tree["id"]] = None
        facts.out.append(Made(_ENCODE(tree), facts.where, True))


def _tlp(facts: Facts, text: str) -> None:
    level = words.tlp(text)
    if level is None:
        level = Tlp.RED
        if facts.tlp is not level:
            facts.lose(Outcome.CHANGED, "tlp", f"{text[:TABLE_WORD_CHARS_MAX]!r} is no TLP label; marked RED")
    facts.tlp = level if facts.tlp is None else max(facts.tlp, level, key=lambda each: each.rank)


def _labels(facts: Facts, column: Column, text: str) -> None:
    blank = column.split in {"", " "}
    parts = text.split(None if blank else column.split, TABLE_LABELS_MAX) if column.split else [text]
    for at, part in enumerate(parts):
        label = part.strip()
        if not label or words.is_nothing(label):
            continue
        if at < TABLE_LABELS_MAX and _TLP_LABEL.match(label):
            _tlp(facts, label)
        elif at == TABLE_LABELS_MAX or len(label) > TABLE_WORD_CHARS_MAX or len(facts.labels) >= TABLE_LABELS_MAX:
            if not facts.is_cut:
                reason = f"labels beyond {TABLE_LABELS_MAX}, or longer than {TABLE_WORD_CHARS_MAX} characters"
                facts.lose(Outcome.CHANGED, "labels", reason)
            facts.is_cut = True
            if "tlp" in label.lower():  # what nobody read may be a marking
                _tlp(facts, label)
        elif label not in facts.labels:
            facts.labels.append(label)


def _content(found: Sequence[Observable], join: Join) -> tuple[str, ...]:
    """Return what an indicator's id follows from: its values in any order, and how they are joined."""
    if len(found) == 1:
        return found[0]
    return (*(part for each in sorted(found) for part in each), *((join.value,) if join is Join.AND else ()))


def _pattern(group: Group) -> str:
    """Join comparisons: by OR within one observation; by AND as `_all_of` does."""
    tests = group.found.values()
    return f"[{' OR '.join(tests)}]" if group.join is Join.OR or len(tests) == 1 else _all_of(tests)


def _all_of(tests: Iterable[str]) -> str:
    """Join by AND: within one observation what one object has, between observations the rest (STIX 2.1 §9.5)."""
    observations: dict[tuple[str, int], list[str]] = {}
    paths: Counter[str] = Counter()
    for test in tests:
        path = test.partition(" = ")[0]
        # One object has one value at a path: a second one is of another object.
        observations.setdefault((path.partition(":")[0], paths[path]), []).append(test)
        paths[path] += 1
    return " AND ".join(f"[{' AND '.join(each)}]" for each in observations.values())


def _reference(facts: Facts, text: str) -> dict[str, str]:
    """Return an external reference (STIX 2.1 §2.5) to an address, a CVE id or some other text."""
    if _CVE.fullmatch(text):
        return {"source_name": "cve", "external_id": text.upper()}
    url = observables.normal("url", observables.refang(text))
    if url is not None and len(text) <= URL_CHARS_MAX:
        return {"source_name": "reference", "url": url.value}
    if len(text) > URL_CHARS_MAX:
        facts.lose(Outcome.CHANGED, "references", f"a reference cut to {URL_CHARS_MAX} characters (URL_CHARS_MAX)")
    return {"source_name": "reference", "description": text[:URL_CHARS_MAX]}
