"""One MISP object to the STIX objects that stand for it.

Rules: what is `to_ids` becomes one indicator, any identifying value of which is a match, within what narrows it
(a port, a registry value); all that is not wholly in it becomes observed objects; what has no place becomes one
note. All have the object's UUID and date, and the strictest marking of its parts. A name beside a hash describes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from comity.formats.convert import Outcome
from comity.formats.misp import attributes, beside, fields, files, seen
from comity.formats.misp.forms import shaped, split
from comity.formats.misp.marking import strictest
from comity.formats.misp.scope import Facts, Scope, machine_tag
from comity.formats.misp.templates import RELATIONS, SEALED, SEALED_RELATIONS
from comity.formats.misp.types import ROWS, Fate, Role, Slot
from comity.limits import PATTERN_BYTES_MAX

Tree = dict[str, Any]

_KEPT: Final = ("object_relation", "type", "category", "value", "to_ids", "uuid", "comment")  # of what a note keeps


class Part(NamedTuple):
    """One attribute of an object."""

    tree: Tree
    kind: str
    value: str
    facts: Facts
    where: str
    placed: tuple[seen.Placed, ...]  # empty where the value has no place
    to_ids: bool


def object_(scope: Scope, tree: object, where: str) -> None:
    """Make what stands for an object and its attributes."""
    if not isinstance(tree, dict):
        scope.lose(where, Outcome.REFUSED, "object", "not an object")
        return
    facts = scope.facts(tree, where)
    template = fields.text(tree, "name")
    given = tree.get("Attribute")
    parts: list[Part] = []
    main, newest = "", facts.at
    for at, each in enumerate(given if isinstance(given, list) else fields.trees(given)):
        place = f"{where}.Attribute[{at}]"
        found = attributes.valued(scope, each, place)
        if found is None or _sealed(scope, template, *found, place):
            continue
        part, alone = _part(scope, template, *found, facts, place)
        newest = max(newest, part.facts.at)  # a part taken away makes a new version of the object too
        if alone:
            main = main or alone
            _remember(scope, part, alone)
            _file(scope, part, alone)
        else:
            parts.append(part)
    made = _made(scope, tree, parts, facts._replace(at=newest), where, main)
    for part in parts:
        _file(scope, part, made)
    if not made:
        if not given:
            scope.lose(where, Outcome.REFUSED, "object", "an object without attributes")
        _hanging(scope, tree, where)
        return
    if facts.uuid:
        scope.ids.setdefault(facts.uuid, made)
    for part in parts:
        _remember(scope, part, made)
    beside.of_part(scope, tree, made, facts, where)
    for at, reference in enumerate(fields.trees(tree.get("ObjectReference"))):
        if not fields.truth(reference, "deleted"):
            beside.later(scope, made, reference, "referenced_uuid", facts, f"{where}.ObjectReference[{at}]")


def _hanging(scope: Scope, tree: Tree, where: str) -> None:
    """Say what hung on an object for which nothing stands."""
    beside.proposals(scope, tree, where)
    for name in ("ObjectReference", "Galaxy", "Sighting", "Note", "Opinion", "Relationship"):
        if tree.get(name):
            scope.lose(where, Outcome.UNMAPPED, "hanging", f"{name} of an object that was not taken")


def _file(scope: Scope, part: Part, made: str) -> None:
    files.file(scope, part.tree, part.kind, part.value, part.facts, made, part.where)


def _remember(scope: Scope, part: Part, made: str) -> None:
    if part.facts.uuid:
        scope.ids.setdefault(part.facts.uuid, made)
    beside.of_part(scope, part.tree, made, part.facts, part.where)


def _sealed(scope: Scope, template: str, tree: Tree, kind: str, value: str, where: str) -> bool:
    if template in SEALED or fields.text(tree, "object_relation").lower() in SEALED_RELATIONS:
        reason = f"{template}: about a person, kept only in the original"
        scope.lose(where, Outcome.SEALED, "person", reason)
        return True
    return attributes.is_sealed(scope, kind, tree, where)


def _part(
    scope: Scope, template: str, tree: Tree, kind: str, value: str, above: Facts, where: str
) -> tuple[Part, str]:  # fmt: skip
    """Return a part, and the id of its own object where it is a rule or is deleted and stands alone."""
    facts = scope.facts(tree, where, above)
    row = ROWS.get(kind)
    to_ids = fields.truth(tree, "to_ids")
    part = Part(tree, kind, value, facts, where, (), to_ids)
    if row is None:
        scope.lose(where, Outcome.CHANGED, "attribute-type", f"the type {kind} is unknown: kept as a note")
        return part, ""
    if (facts.revoked and not above.revoked) or (row.fate is Fate.RULE and to_ids) or row.fate is Fate.NAMED:
        return part, attributes.as_fate(scope, row, tree, value, facts, where)
    own = RELATIONS.get(template, {}).get(fields.text(tree, "object_relation"))
    slots = (own,) if own is not None else row.slots
    placed = _placed(scope, slots, value, where, told=own is None)
    if to_ids and not any(slot.role is not Role.DESCRIBES for slot, _ in placed):
        scope.lose(where, Outcome.CHANGED, "to-ids", f"{kind} is to_ids and has no pattern here: it only describes")
    return part._replace(placed=placed), ""


def _placed(
    scope: Scope, slots: tuple[Slot, ...], value: str, where: str, *, told: bool
) -> tuple[seen.Placed, ...]:  # fmt: skip
    texts = split(value, len(slots)) if slots else []
    placed: list[seen.Placed] = []
    for slot, text in zip(slots, texts, strict=False):
        found, clean = shaped(slot, text)
        if found is None:
            break
        if clean:
            scope.lose(where, Outcome.CHANGED, "refanged", "written so that nobody clicks it: taken as it is meant")
        placed.append((slot, found))
    if len(placed) < len(slots):
        if told:
            scope.lose(where, Outcome.CHANGED, "value-form", "the value does not fit its type: kept as a note")
        return ()
    return tuple(placed)


def _made(scope: Scope, tree: Tree, parts: list[Part], facts: Facts, where: str, main: str) -> str:
    """Make indicator, observed objects and note of an object's parts; return the id of what stands for it.

    `main` is the id of what one of its attributes alone has become, such as a rule or a vulnerability.
    """
    if not parts:
        return main
    template = fields.text(tree, "name")
    facts = _joined(facts, parts)
    labels = [machine_tag("misp:object", template)] if template else []
    category = fields.text(tree, "meta-category")
    labels += [machine_tag("misp:meta-category", category)] if category else []
    labels = list(dict.fromkeys((*labels, *facts.labels, *(tag for part in parts for tag in part.facts.labels))))
    text, used = _pattern(scope, parts)
    indicator = _indicator(scope, text, labels, parts, facts, where) if text else ""
    left = [part for part in parts if not part.placed]
    shown: list[Tree] = []
    if not indicator or not used.issuperset(range(len(parts))):
        showing = [part for part in parts if part.placed]
        shown, rest = seen.compose([one for part in showing for one in part.placed])
        owners = [part for part in showing for _ in part.placed]
        inside = {parts[at].where for at in used} if indicator else set()
        left += [part for part in _each(owners[at] for at in rest) if part.where not in inside]
    observed = _observed(scope, shown, labels, facts, where)
    if indicator and observed:
        scope.relate(indicator, "based-on", observed, facts, where)
    if not indicator and not observed:
        left = parts
    main = indicator or observed or main
    note = _note(scope, template, left, labels, main, facts, where)
    return main or note


def _each(parts: Iterable[Part]) -> list[Part]:
    """Return parts, each once."""
    return list({part.where: part for part in parts}.values())


def _joined(facts: Facts, parts: list[Part]) -> Facts:
    """Return an object's facts with what its parts add: the strictest marking, the span, the comments."""
    comments = [facts.comment, *(part.facts.comment for part in parts)]
    starts = [one.first for one in (facts, *(part.facts for part in parts)) if one.first is not None]
    ends = [one.last for one in (facts, *(part.facts for part in parts)) if one.last is not None]
    expiries = [one.valid_until for one in (facts, *(part.facts for part in parts)) if one.valid_until is not None]
    return facts._replace(
        tlp=strictest(facts.tlp, *(part.facts.tlp for part in parts)),
        comment="\n".join(dict.fromkeys(text for text in comments if text)),
        first=min(starts, default=None),
        last=max(ends, default=None),
        valid_until=min(expiries, default=None),
    )


def _pattern(scope: Scope, parts: list[Part]) -> tuple[str, set[int]]:
    """Return the pattern of what is `to_ids`, empty where that is nothing, and which parts are wholly in it."""
    found: dict[Role, list[tuple[int, str]]] = {role: [] for role in Role}
    for at, part in enumerate(parts):
        if not part.to_ids or not part.placed:
            continue
        if len(part.placed) > 1:  # a composite holds together
            text = " AND ".join(seen.compare(*one) for one in part.placed)
            found[Role.IDENTIFIES].append((at, f"({text})"))
        else:
            slot, value = part.placed[0]
            found[slot.role].append((at, seen.compare(slot, value)))
    either = found[Role.IDENTIFIES] or found[Role.NAMES]
    if found[Role.IDENTIFIES]:
        for at, _ in found[Role.NAMES]:
            reason = "to_ids beside what identifies better: it only describes the object"
            scope.lose(parts[at].where, Outcome.CHANGED, "name-beside", reason)
    narrow = _narrowing(scope, parts, either, found[Role.NARROWS])
    if not either:
        either, narrow = narrow, []
    if not either:
        return "", set()
    texts = list(dict.fromkeys(text for _, text in either))
    text = " OR ".join(texts)
    if narrow:
        text = " AND ".join([f"({text})" if len(texts) > 1 else text, *dict.fromkeys(text for _, text in narrow)])
    elif len(texts) == 1:
        text = text.removeprefix("(").removesuffix(")") if text.startswith("(") else text
    return f"[{text}]", {at for at, _ in either + narrow}


def _narrowing(
    scope: Scope, parts: list[Part], either: list[tuple[int, str]], narrow: list[tuple[int, str]]
) -> list[tuple[int, str]]:  # fmt: skip
    """Return what narrows the object that is identified; a test of another object would never hold with it."""
    roots = {parts[at].placed[0][0].path.partition(":")[0] for at, _ in either}
    fitting = [one for one in narrow if not roots or roots == {parts[one[0]].placed[0][0].path.partition(":")[0]}]
    for one in narrow:
        if one not in fitting:
            reason = "to_ids beside what it does not narrow: it only describes the object"
            scope.lose(parts[one[0]].where, Outcome.CHANGED, "name-beside", reason)
    return fitting


def _indicator(scope: Scope, text: str, labels: list[str], parts: list[Part], facts: Facts, where: str) -> str:
    """Make the indicator; empty, and said, where its pattern is too long: the values are shown all the same."""
    if len(text.encode()) > PATTERN_BYTES_MAX:
        scope.lose(where, Outcome.CHANGED, "too-long", "too long for a pattern (PATTERN_BYTES_MAX): only observed")
        return ""
    first = next(part for part in parts if part.to_ids and part.placed)
    tree = {"type": "", "Tag": []}
    return attributes.pattern(scope, text, "stix", tree, first.value, facts._replace(labels=tuple(labels)), where)


def _observed(scope: Scope, shown: list[Tree], labels: list[str], facts: Facts, where: str) -> str:
    if not shown:
        return ""
    return attributes.observation(scope, shown, {}, where, facts._replace(labels=tuple(labels)), where)


def _note(
    scope: Scope, template: str, parts: list[Part], labels: list[str], about: str, facts: Facts, where: str
) -> str:
    """Keep what has no place: as lines for people, and as it was for whoever makes MISP of it again."""
    if not parts:
        return ""
    found = scope.take("note", facts.uuid, where)
    if not found:
        scope.lose(where, Outcome.REFUSED, "repeated", "the same object stands twice in the event")
        return ""
    lines = [f"{fields.text(part.tree, 'object_relation') or part.kind}: {part.value}" for part in parts]
    made = scope.domain("note", found, facts, abstract=template, content="\n".join(lines), labels=labels)
    made["object_refs"] = [about or scope.report]
    made["x_misp_attributes"] = [
        {name: part.tree[name] for name in _KEPT if isinstance(part.tree.get(name), str | bool) and part.tree[name]}
        for part in parts
    ]
    return found if scope.make(made, where, facts.tlp, timeless=facts.timeless) else ""
