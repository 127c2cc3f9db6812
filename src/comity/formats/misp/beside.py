"""What hangs on an attribute, object or event: sightings, proposals, galaxies, and what analysts wrote.

Rules: a sighting is one object by its UUID; a false positive is an opinion; an expiration ends an indicator
(`scope` reads it). Proposals are not their author's word, so they stay in the original and are counted. Names and
mail addresses of people are not taken.
"""

from __future__ import annotations

import re
from typing import Any, Final

from comity.formats.convert import Outcome
from comity.formats.misp import fields, galaxies
from comity.formats.misp.fields import timestamp
from comity.formats.misp.scope import Facts, Scope

Tree = dict[str, Any]

_SEEN, _FALSE, _EXPIRED = 0, 1, 2  # MISP core format, sighting types
_OPINIONS: Final = (
    (20, "strongly-disagree"),
    (40, "disagree"),
    (60, "neutral"),
    (80, "agree"),
    (100, "strongly-agree"),
)
_WORD: Final = re.compile("[a-z0-9-]{1,100}")
DEPTH_MAX: Final = 8  # notes on notes; MISP itself shows five
NEWS: Final = ("Galaxy", "Sighting", "ShadowAttribute", "Note", "Opinion", "Relationship")


def of_part(scope: Scope, tree: Tree, made: str, facts: Facts, where: str) -> None:
    """Make what hangs on an attribute or object that `made` stands for."""
    if tree.keys().isdisjoint(NEWS):
        return
    for at, cluster in enumerate(galaxies.clusters(tree)):
        target = galaxies.cluster(scope, cluster, facts, f"{where}.Galaxy[{at}]")
        if target and not made.startswith("note--"):
            word = "indicates" if made.startswith("indicator--") and galaxies.indicated(target) else "related-to"
            scope.relate(made, word, target, facts, where)
    if tree.get("Sighting"):
        sightings(scope, tree, made, facts, where)
    proposals(scope, tree, where)
    words(scope, tree, made, facts, where)


def proposals(scope: Scope, tree: Tree, where: str) -> None:
    """Say that proposals are not taken."""
    shadows = tree.get("ShadowAttribute")
    for at, _ in enumerate(shadows if isinstance(shadows, list) else fields.trees(shadows)):
        reason = "a proposal that its owner has not taken: kept only in the original"
        scope.lose(f"{where}.ShadowAttribute[{at}]", Outcome.UNMAPPED, "proposal", reason)


def sightings(scope: Scope, tree: Tree, made: str, facts: Facts, where: str) -> None:
    """Make sightings, and opinions of false positives."""
    given = tree.get("Sighting")
    for at, each in enumerate(given if isinstance(given, list) else [given]):
        place = f"{where}.Sighting[{at}]"
        kind = fields.number(each, "type") if isinstance(each, dict) else None
        if kind == _EXPIRED and fields.seconds(each, "date_sighting") is not None:
            if not made.startswith("indicator--"):
                scope.lose(place, Outcome.UNMAPPED, "expired", "an expiration of what is no indicator")
            continue
        if kind not in {_SEEN, _FALSE}:
            scope.lose(place, Outcome.REFUSED, "sighting", "a sighting of no known type, or an expiration without date")
            continue
        _sighting(scope, each, kind, made, facts, place)


def _sighting(scope: Scope, tree: Tree, kind: int, made: str, facts: Facts, where: str) -> None:
    when = fields.seconds(tree, "date_sighting")
    at, timeless = (facts.at, facts.timeless) if when is None else (when, False)
    plain = facts._replace(at=at, revoked=False, confidence=None, timeless=timeless)
    who = organisation(scope, tree.get("Organisation"), facts, where)
    name = "sighting" if kind == _SEEN else "opinion"
    found = scope.take(name, fields.uuid(tree), made, str(at), fields.text(tree, "source"), where)
    if not found:
        scope.lose(where, Outcome.REFUSED, "repeated", "the same sighting stands twice")
        return
    source = fields.text(tree, "source")
    if kind == _FALSE:
        opinion = scope.domain("opinion", found, plain, opinion="strongly-disagree", object_refs=[made])
        opinion |= {"explanation": "false positive" + (f" ({source})" if source else ""), "created_by_ref": who}
        scope.make(opinion, where, facts.tlp, timeless=timeless)
        return
    if made.startswith("note--"):
        scope.lose(where, Outcome.UNMAPPED, "sighting", "a sighting of a text")
        return
    sighting = scope.domain("sighting", found, plain, sighting_of_ref=made, count=1, description=source)
    if when is not None:
        sighting |= {"first_seen": timestamp(when), "last_seen": timestamp(when)}
    if who:
        sighting |= {"where_sighted_refs": [who], "created_by_ref": who}
    scope.make(sighting, where, facts.tlp, timeless=timeless)


def organisation(scope: Scope, tree: object, facts: Facts, where: str) -> str:
    """Return the identity of an organisation, made where it is new; empty where there is none."""
    name = fields.hit(tree, ("name",)).strip()
    if not isinstance(tree, dict) or not name:
        return ""
    uuid = fields.uuid(tree)
    kind = "identity"
    ident_ = f"{kind}--{uuid}" if uuid else scope.named(kind, name)
    dated = facts._replace(at=scope.context.at * fields.MICROS, revoked=False, confidence=None)
    identity = scope.domain(kind, ident_, dated, name=name, identity_class="organization")
    identity["created_by_ref"] = ""
    made = scope.make(identity, where, facts.tlp, timeless=True, shared=True)
    return ident_ if made else ""


def words(scope: Scope, tree: Tree, made: str, facts: Facts, where: str, depth: int = 0) -> None:
    """Make what analysts wrote about a part: notes, opinions, relationships (MISP 2.4.197 and later)."""
    if depth == DEPTH_MAX:
        scope.lose(where, Outcome.UNMAPPED, "too-deep", "notes on notes on notes (DEPTH_MAX): only in the original")
        return
    for name, make in (("Note", _note), ("Opinion", _opinion), ("Relationship", _relationship)):
        for at, each in enumerate(fields.trees(tree.get(name))):
            place = f"{where}.{name}[{at}]"
            if each.get("authors"):
                scope.lose(place, Outcome.SEALED, "authors", "who wrote it is a person: kept only in the original")
            own = scope.facts(each, place, facts, _WORDS)
            when = fields.moment(each.get("modified") or each.get("created"))
            own = own._replace(first=None, last=None, confidence=None, valid_until=None)
            make(scope, each, made, own if when is None else own._replace(at=when, timeless=False), place)
            if not each.keys().isdisjoint(("Note", "Opinion", "Relationship")):
                words(scope, each, made, own, place, depth + 1)


_WORDS: Final = frozenset(
    (
        *("id", "uuid", "object_uuid", "object_type", "authors", "org_uuid", "orgc_uuid", "created", "modified"),
        *("distribution", "sharing_group_id", "SharingGroup", "locked", "note", "language", "note_type_name", "Org"),
        *("Orgc", "note_type", "opinion", "comment", "relationship_type", "related_object_uuid", "_canEdit"),
        *("related_object_type", "related_object", "Note", "Opinion", "Relationship"),
    )
)


def _note(scope: Scope, tree: Tree, made: str, facts: Facts, where: str) -> None:
    content = fields.text(tree, "note")
    found = scope.take("note", facts.uuid, made, content) if content.strip() else ""
    if not found:
        scope.lose(where, Outcome.REFUSED, "note", "a note without a text, or one that stands twice")
        return
    note = scope.domain("note", found, facts, content=content, object_refs=[made])
    scope.make(note, where, facts.tlp, timeless=facts.timeless)


def _opinion(scope: Scope, tree: Tree, made: str, facts: Facts, where: str) -> None:
    value = fields.number(tree, "opinion")
    found = scope.take("opinion", facts.uuid, made, str(value)) if value is not None and value <= 100 else ""
    if not found or value is None:
        scope.lose(where, Outcome.REFUSED, "opinion", "an opinion that is no number up to 100, or stands twice")
        return
    word = next(word for limit, word in _OPINIONS if value <= limit)
    opinion = scope.domain("opinion", found, facts, opinion=word, object_refs=[made], x_misp_opinion=value)
    opinion["explanation"] = fields.text(tree, "comment")
    scope.make(opinion, where, facts.tlp, timeless=facts.timeless)


def _relationship(scope: Scope, tree: Tree, made: str, facts: Facts, where: str) -> None:
    later(scope, made, tree, "related_object_uuid", facts, where)


def later(scope: Scope, made: str, tree: Tree, name: str, facts: Facts, where: str) -> None:
    """Keep a relationship until all parts of the event are known."""
    scope.pending.append((made, tree, name, facts, where))


def relationships(scope: Scope) -> None:
    """Make the relationships between parts, now that all are known."""
    for made, tree, name, facts, where in scope.pending:
        target = scope.ids.get(fields.uuid(tree, name), "")
        said = fields.text(tree, "relationship_type").strip()
        word = said.lower().replace(" ", "-").replace("_", "-")
        if not made or not target:
            scope.lose(where, Outcome.UNMAPPED, "reference", "a reference to or from what is no object here")
        elif not _WORD.fullmatch(word):
            scope.lose(where, Outcome.CHANGED, "reference", f"the relationship {said!r} is read as related-to")
            scope.relate(made, "related-to", target, facts, where, fields.text(tree, "comment"))
        else:
            scope.relate(made, word, target, facts, where, fields.text(tree, "comment"))
    scope.pending.clear()
