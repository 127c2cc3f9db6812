"""One attribute to the objects that stand for it.

Rules: an attribute that is `to_ids` becomes one indicator, another an observed object beside what says when and by
whom, and text a note; each has the attribute's UUID and date. A value that does not fit its type is kept
as a note and said. Nothing about a person leaves this module but that there was something.
"""

from __future__ import annotations

from typing import Any, Final

from comity.errors import Malformed
from comity.formats.convert import Outcome
from comity.formats.misp import beside, fields, files, seen
from comity.formats.misp.fields import timestamp
from comity.formats.misp.forms import shaped, split
from comity.formats.misp.scope import Facts, Scope, labelled
from comity.formats.misp.types import ROWS, SEALED_CATEGORIES, Fate, Row, Slot
from comity.formats.stix.pattern import parse_pattern
from comity.limits import PATTERN_BYTES_MAX, STIX_NAME_CHARS_MAX

Tree = dict[str, Any]

_UNKNOWN: Final = Row(Fate.NOTE)


def valued(scope: Scope, tree: object, where: str) -> tuple[Tree, str, str] | None:
    """Return an attribute with its type and value; None, and said, where it has none."""
    if not isinstance(tree, dict):
        scope.lose(where, Outcome.REFUSED, "attribute", "not an object")
        return None
    kind, value = fields.text(tree, "type"), fields.text(tree, "value")
    if type(tree.get("value")) is bool:
        value = str(tree["value"]).lower()
    if not value and isinstance(tree.get("value1"), str):
        second = tree.get("value2")
        value = f"{tree['value1']}|{second}" if isinstance(second, str) and second else tree["value1"]
    if not kind or not value.strip():
        scope.lose(where, Outcome.REFUSED, "attribute", f"no {'value' if kind else 'type'}")
        return None
    return tree, kind, value


def is_sealed(scope: Scope, kind: str, tree: Tree, where: str) -> bool:
    """Whether an attribute is about a person; says so, and never what it is."""
    row = ROWS.get(kind, _UNKNOWN)
    if row.fate is Fate.SEALED or fields.text(tree, "category") in SEALED_CATEGORIES:
        scope.lose(where, Outcome.SEALED, "person", f"{kind}: about a person, kept only in the original")
        return True
    return False


def attribute(scope: Scope, given: object, where: str) -> None:
    """Make what stands for an attribute that belongs to no object."""
    found = valued(scope, given, where)
    if found is None:
        return
    tree, kind, value = found
    facts = scope.facts(tree, where)
    if is_sealed(scope, kind, tree, where):
        return
    row = ROWS.get(kind)
    if row is None:
        scope.lose(where, Outcome.CHANGED, "attribute-type", f"the type {kind} is unknown: kept as a note")
        row = _UNKNOWN
    made = as_fate(scope, row, tree, value, facts, where)
    files.file(scope, tree, kind, value, facts, made, where)
    if made:
        if facts.uuid:
            scope.ids.setdefault(facts.uuid, made)
        beside.of_part(scope, tree, made, facts, where)


def as_fate(scope: Scope, row: Row, tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Make what an attribute's type asks for; return the object's id, empty where there is none."""
    to_ids = fields.truth(tree, "to_ids")
    if row.fate is Fate.VALUE:
        parts = placed(scope, row.slots, value, where)
        if parts is not None:
            return (indicator if to_ids else observed)(scope, parts, tree, value, facts, where)
    elif row.fate is Fate.RULE and to_ids:
        return rule(scope, row, tree, value, facts, where)
    elif row.fate is Fate.NAMED:
        return named(scope, row, tree, value, facts, where)
    elif to_ids:
        reason = f"{fields.text(tree, 'type')} is to_ids and has no pattern: kept as a note"
        scope.lose(where, Outcome.CHANGED, "to-ids", reason)
    return note(scope, tree, value, facts, where)


def placed(scope: Scope, slots: tuple[Slot, ...], value: str, where: str) -> list[seen.Placed] | None:
    """Return a value's parts, each at its place; None, and said, where one does not fit."""
    texts = split(value, len(slots))
    parts: list[seen.Placed] = []
    for slot, text in zip(slots, texts, strict=False):
        part, clean = shaped(slot, text)
        if part is None:
            break
        if clean:
            scope.lose(where, Outcome.CHANGED, "refanged", "written so that nobody clicks it: taken as it is meant")
        parts.append((slot, part))
    if len(parts) < len(slots):
        scope.lose(where, Outcome.CHANGED, "value-form", "the value does not fit its type: kept as a note")
        return None
    return parts


def indicator(scope: Scope, parts: list[seen.Placed], tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Make an indicator whose parts must all hold (STIX 2.1 §9.5: AND)."""
    text = " AND ".join([seen.compare(*part) for part in parts])
    return pattern(scope, f"[{text}]", "stix", tree, value, facts, where)


def pattern(scope: Scope, text: str, language: str, tree: Tree, name: str, facts: Facts, where: str) -> str:
    """Make an indicator of a pattern; return its id."""
    if language == "stix" and len(text.encode()) > PATTERN_BYTES_MAX:
        scope.lose(where, Outcome.CHANGED, "too-long", "too long for a pattern (PATTERN_BYTES_MAX): kept as a note")
        return note(scope, tree, name, facts, where)
    found = taken(scope, "indicator", tree, name, facts, where)
    if not found:
        return ""
    start = facts.first if facts.first is not None else facts.at
    made = scope.domain("indicator", found, facts, name=name if len(name) <= STIX_NAME_CHARS_MAX else "")
    made |= {"description": facts.comment, "pattern": text, "pattern_type": language}
    made["valid_from"] = timestamp(start)
    labels = labelled(facts, tree)
    if facts.valid_until is not None and facts.valid_until > start:
        made["valid_until"] = timestamp(facts.valid_until)
    elif facts.valid_until is not None:
        labels.append('misp:expired="true"')
    made["labels"] = labels
    if facts.last is not None:
        made["x_misp_last_seen"] = timestamp(facts.last)
    return found if scope.make(made, where, facts.tlp, timeless=facts.timeless) else ""


def taken(scope: Scope, kind: str, tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Return the id of an attribute's object; empty, and said, where the same attribute stands twice."""
    found = scope.take(kind, facts.uuid, fields.text(tree, "type"), value)
    if not found:
        scope.lose(where, Outcome.REFUSED, "repeated", "the same attribute stands twice in the event")
    return found


def observed(scope: Scope, parts: list[seen.Placed], tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Make the objects that show a value, and what says when and by whom it was given."""
    shown, left = seen.compose(parts)
    if left:
        return note(scope, tree, value, facts, where)
    return observation(scope, shown, tree, value, facts, where)


def observation(scope: Scope, shown: list[Tree], tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Give objects and the observed-data that names them; return its id. What is deleted is not shown again."""
    found = taken(scope, "observed-data", tree, value, facts, where)
    if not found:
        return ""
    if facts.revoked:
        scope.lose(where, Outcome.CHANGED, "deleted", "deleted by its author: revoked, the value only in the original")
        good = [one["id"] for one in shown]
    else:
        good = [one["id"] for one in shown if scope.make(one, where, facts.tlp, shared=True)]
    if not good:
        return ""
    made = _observed_data(scope, found, good, tree, facts)
    return found if scope.make(made, where, facts.tlp, timeless=facts.timeless) else ""


def _observed_data(scope: Scope, ident_: str, refs: list[str], tree: Tree, facts: Facts) -> Tree:
    first = facts.first if facts.first is not None else facts.at
    last = facts.last if facts.last is not None and facts.last >= first else first
    made = scope.domain("observed-data", ident_, facts, labels=labelled(facts, tree))
    made |= {"first_observed": timestamp(first), "last_observed": timestamp(last), "number_observed": 1}
    return made | {"object_refs": refs, "x_misp_comment": facts.comment}


def rule(scope: Scope, row: Row, tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Make an indicator of a rule in its own language."""
    if row.language == "stix":
        try:
            parse_pattern(value)
        except Malformed as error:
            scope.lose(where, Outcome.CHANGED, "pattern", f"no STIX pattern: kept as a note ({error})")
            return note(scope, tree, value, facts, where)
    return pattern(scope, value, row.language, tree, value, facts, where)


def named(scope: Scope, row: Row, tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Make an object that a name says all of: a vulnerability, an actor, a campaign."""
    found = taken(scope, row.language, tree, value, facts, where)
    if not found:
        return ""
    made = scope.domain(row.language, found, facts, name=value.strip(), description=facts.comment)
    made["labels"] = labelled(facts, tree)
    if row.language == "vulnerability":
        made["external_references"] = [fields.reference(value.strip().upper(), "MISP vulnerability")]
    return found if scope.make(made, where, facts.tlp, timeless=facts.timeless) else ""


def note(scope: Scope, tree: Tree, value: str, facts: Facts, where: str) -> str:
    """Keep a value as a note on the event."""
    found = taken(scope, "note", tree, value, facts, where)
    if not found:
        return ""
    extra = ('misp:to_ids="true"',) if fields.truth(tree, "to_ids") else ()
    made = scope.domain("note", found, facts, abstract=facts.comment, content=value)
    made |= {"object_refs": [scope.report], "labels": labelled(facts, tree, *extra)}
    if fields.text(tree, "type") == "link":
        made["external_references"] = [{"source_name": "MISP", "url": value.strip()}]
    return found if scope.make(made, where, facts.tlp, timeless=facts.timeless) else ""
