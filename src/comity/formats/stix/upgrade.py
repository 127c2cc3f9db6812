"""STIX 2.0 objects as STIX 2.1: the same ids and times, the properties of 2.1, observed data as objects of their own.

Rules: a stream of any size is cut by `split`; everything made passes `check`. What is 2.1 already goes through
as its own bytes. Cyber-observable objects leave the observation they were nested in, with ids that follow from
their content (STIX 2.1 §2.9) and with all markings of the observation: a part is never marked less than the whole.
Accounts of persons are sealed. What 2.1 has no place for is a `Loss` naming the object and the property.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from comity.formats.convert import TLP_REFS, Context, Loss, Made, Outcome, encode, loss
from comity.formats.stix.check import TLP_MARKINGS, check_many
from comity.formats.stix.nested import CONTRIBUTING, Nested, dicts, rename_hashes, upgrade_pattern
from comity.formats.stix.report import Refusal
from comity.formats.stix.split import split
from comity.formats.stix.strict import Tree, decode
from comity.limits import STATEMENT_BYTES_MAX, STIX_BATCH_OBJECTS, TABLE_NAMES_KEPT_MAX
from comity.vocab import Tlp

_TYPES_OF: Final = {  # the open vocabulary that 2.0 kept in `labels`
    "indicator": "indicator_types",
    "malware": "malware_types",
    "report": "report_types",
    "threat-actor": "threat_actor_types",
    "tool": "tool_types",
}
_OASIS_TLP: Final = {  # STIX 2.1 §7.2.1.4; 2.0 has the same without their names
    "613f2e26-407d-48c7-9eca-b8e91df99dc9": "white",
    "34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}
_OASIS_TLP_CREATED: Final = "2017-01-20T00:00:00.000Z"
_OBJECT_SELECTOR: Final = re.compile(r"objects(?:\.([^.]+))?(?:\..*)?", re.DOTALL)


class Markings:
    """TLP markings that stand under ids of their producers, from one object of an input to the next.

    2.1 has only OASIS's own (§7.2.1.4): these take their place in what comes after them.
    """

    def __init__(self) -> None:
        self.levels: dict[str, Tlp] = {}
        self.named: dict[str, None] = {}  # before their definition came


class Upgraded(NamedTuple):
    """What one object became."""

    trees: list[Tree]
    losses: list[Loss]


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the objects of a STIX 2.0 bundle (2.1 objects in it as they are). A `convert.Reader`.

    Raises `Fault` where the schemas are not installed, and nothing for what the bytes hold.
    """
    markings = Markings()
    pending: list[tuple[str, list[bytes], list[Loss]]] = []
    size = 0
    for piece in split(chunks):
        if isinstance(piece, Refusal):
            pending.append(("", [], [loss(f"byte {piece.offset}", Outcome.REFUSED, piece.rule, piece.reason)]))
        else:
            pending.append(_piece(f"byte {piece.offset}", piece.data, context, markings))
            size += len(piece.data)
        if len(pending) >= STIX_BATCH_OBJECTS or size >= STATEMENT_BYTES_MAX:
            yield from _checked(pending)
            pending.clear()
            size = 0
    yield from _checked(pending)


def _piece(where: str, data: bytes, context: Context, markings: Markings) -> tuple[str, list[bytes], list[Loss]]:
    tree = decode(data)
    if isinstance(tree, Refusal):
        return where, [], [loss(where, Outcome.REFUSED, tree.rule, tree.reason)]
    if is_current(tree):
        return where, [data], []
    if tree.get("spec_version", "2.0") != "2.0":
        return where, [], [loss(where, Outcome.REFUSED, "version", f"STIX {tree['spec_version']!r} is not read")]
    upgraded = upgrade(tree, context, markings)
    return where, list(map(encode, upgraded.trees)), upgraded.losses


def _checked(pending: list[tuple[str, list[bytes], list[Loss]]]) -> Iterator[Made | Loss]:
    """Yield what passes the checks of STIX 2.1; the rest is lost."""
    results = iter(check_many([data for _, made, _ in pending for data in made]))
    for where, made, losses in pending:
        yield from losses
        for data in made:
            result = next(results)
            if isinstance(result, Refusal):
                yield loss(result.ident or where, Outcome.REFUSED, result.rule, result.reason)
            else:
                yield Made(data, where)


def is_current(tree: Tree) -> bool:
    """Whether an object is of STIX 2.1: it says so, or it is a cyber-observable with an id of its own (§3.2)."""
    kind = tree.get("type")
    observable = isinstance(kind, str) and kind in CONTRIBUTING and "id" in tree
    return tree.get("spec_version") == "2.1" or (observable and "spec_version" not in tree)


def upgrade(tree: Tree, context: Context, markings: Markings) -> Upgraded:
    """Return a decoded STIX 2.0 object as STIX 2.1, not checked yet. All objects of an input share `markings`."""
    return _Upgrade(tree, context, markings).run()


class _Upgrade:
    """One object on its way."""

    def __init__(self, tree: Tree, context: Context, markings: Markings) -> None:
        self._tree = dict(tree)
        self._context = context
        self._markings = markings
        self._id = tree["id"] if isinstance(tree.get("id"), str) else ""
        self._losses: list[Loss] = []

    def run(self) -> Upgraded:
        tree = self._tree
        kind = tree.get("type")
        tree["spec_version"] = "2.1"
        self._mark(tree)
        if kind == "marking-definition":
            return Upgraded([self._tree] if self._marking() else [], self._losses)
        labels = tree.get("labels")
        if isinstance(kind, str) and kind in _TYPES_OF and labels:
            tree.setdefault(_TYPES_OF[kind], labels)  # §4.7, §4.11, §4.16, §4.17, §4.18
        if kind == "indicator":
            self._indicator()
        elif kind == "malware" and "is_family" not in tree:
            tree["is_family"] = False
            self._lose(Outcome.CHANGED, "is-family", "2.0 does not say whether this is a family: taken for an instance")
        for reference in dicts(tree.get("external_references")):
            rename_hashes(reference)
        if kind == "observed-data" and isinstance(tree.get("objects"), dict):
            return self._observed()
        return Upgraded([tree], self._losses)

    def _lose(self, outcome: Outcome, rule: str, reason: str, place: str = "") -> None:
        self._losses.append(loss(f"{self._id} {place}".strip(), outcome, rule, reason))

    # --- markings ----------------------------------------------------------------------------------------

    def _marking(self) -> bool:
        """Take a marking definition; False for a TLP level under an id that 2.1 does not allow."""
        tree = self._tree
        definition = tree.get("definition")
        if tree.get("definition_type") != "tlp" or self._id in TLP_MARKINGS or not isinstance(definition, dict):
            self._oasis()
            return True
        word = str(definition.get("tlp", "")).upper()
        level = Tlp.CLEAR if word == "WHITE" else next((tlp for tlp in Tlp if tlp.value == word), Tlp.RED)
        known = self._markings.levels
        if self._id in known or len(known) < TABLE_NAMES_KEPT_MAX:
            known[self._id] = max(level, known.get(self._id, level), key=lambda each: each.rank)
        reason = f"STIX 2.1 has no TLP marking but OASIS's: {level.label} of OASIS stands for it in what comes after"
        self._lose(Outcome.CHANGED, "tlp-marking", reason)
        if self._id in self._markings.named:
            reason = f"objects before this definition of {level.label} name it, and have no level now"
            self._lose(Outcome.REFUSED, "tlp-unmarked", reason)
        return False

    def _oasis(self) -> None:
        """Give a definition of OASIS the one form that 2.1 allows."""
        word = _OASIS_TLP.get(self._id.removeprefix("marking-definition--"))
        if word is None:
            return
        own = {"created": _OASIS_TLP_CREATED, "definition_type": "tlp", "definition": {"tlp": word}}
        only = {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": self._id,
            "name": f"TLP:{word.upper()}",
            **own,
        }
        if self._tree != {name: value for name, value in only.items() if name in self._tree or name != "name"}:
            self._lose(Outcome.CHANGED, "tlp-marking", "it is OASIS's own, and taken as OASIS has it")
        self._tree = only

    def _mark(self, tree: Tree) -> None:
        refs = tree.get("object_marking_refs")
        if isinstance(refs, list) and all(map(_is_text, refs)):
            tree["object_marking_refs"] = list(dict.fromkeys(map(self._marking_ref, refs)))
        parts = tree.get("granular_markings")
        if isinstance(parts, list):
            tree["granular_markings"] = [
                part | {"marking_ref": self._marking_ref(part["marking_ref"])}
                if isinstance(part, dict) and isinstance(part.get("marking_ref"), str)
                else part
                for part in parts
            ]

    def _marking_ref(self, ref: str) -> str:
        level = self._markings.levels.get(ref)
        if level is None and len(self._markings.named) < TABLE_NAMES_KEPT_MAX:
            self._markings.named[ref] = None
        return TLP_REFS[level] if level is not None else ref

    # --- indicators --------------------------------------------------------------------------------------

    def _indicator(self) -> None:
        tree = self._tree
        tree.setdefault("pattern_type", "stix")
        if "valid_from" not in tree and "created" in tree:
            tree["valid_from"] = tree["created"]
            self._lose(Outcome.CHANGED, "valid-from", "not said: valid from when it was made")
        if tree["pattern_type"] == "stix" and isinstance(tree.get("pattern"), str):
            tree["pattern"], gone = upgrade_pattern(tree["pattern"])
            for path in gone:
                reason = f"STIX 2.1 has no {path}; the comparison is kept and will match nothing"
                self._lose(Outcome.CHANGED, "pattern-path", reason, "pattern")

    # --- observed data -----------------------------------------------------------------------------------

    def _observed(self) -> Upgraded:
        """Turn nested objects into objects of their own (§4.14: `objects` is deprecated for `object_refs`)."""
        tree = self._tree
        objects: Tree = tree.pop("objects")
        marks, by_key, rest = self._marks_of_objects(tree.pop("granular_markings", None))
        if rest:
            tree["granular_markings"] = rest
        whole = _list(tree.get("object_marking_refs"))
        made: dict[str, Tree] = {}
        for key, sco in Nested(objects, self._context, self._id, self._losses).trees():
            self._add(made, key, sco, [*whole, *marks, *by_key.get(key, ())])
        good = self._fitting(list(made.values()))
        if not good:
            self._lose(Outcome.REFUSED, "observed-data", "nothing that it observed could be taken")
            return Upgraded([], self._losses)
        tree["object_refs"] = [*(sco["id"] for sco in good), *_list(tree.get("object_refs"))]
        return Upgraded([*good, tree], self._losses)

    def _add(self, made: dict[str, Tree], key: str, sco: Tree, marks: list[Any]) -> None:
        """Add an object; one that is there already takes the markings of both."""
        before = made.setdefault(sco["id"], sco)
        marks = list(dict.fromkeys([*_list(before.get("object_marking_refs")), *filter(_is_text, marks)]))
        if before is not sco and sco != {name: before[name] for name in before if name != "object_marking_refs"}:
            reason = "it is the same thing as another object of this observation, which stands for both"
            self._lose(Outcome.CHANGED, "observable", reason, f"objects.{key}")
        if marks:
            before["object_marking_refs"] = marks

    def _fitting(self, made: list[Tree]) -> list[Tree]:
        """Return the objects that pass the checks; the others are lost."""
        good = []
        for sco, result in zip(made, check_many(list(map(encode, made))), strict=True):
            if isinstance(result, Refusal):
                self._lose(Outcome.REFUSED, result.rule, result.reason, f"objects {sco['id']}")
            else:
                good.append(sco)
        return good

    def _marks_of_objects(self, parts: object) -> tuple[list[str], dict[str, list[str]], list[Any]]:
        """Return the markings of all nested objects, those of each, and what marks the observation's own properties."""
        everywhere: list[str] = []
        by_key: dict[str, list[str]] = {}
        rest: list[Any] = []
        for part in parts if isinstance(parts, list) else ():
            selectors = part.get("selectors") if isinstance(part, dict) else None
            ref = part.get("marking_ref") if isinstance(part, dict) else None
            if not (isinstance(selectors, list) and all(map(_is_text, selectors)) and isinstance(ref, str)):
                rest.append(part)
                continue
            own = []
            for selector in selectors:
                found = _OBJECT_SELECTOR.fullmatch(selector)
                if found is None:
                    own.append(selector)
                    continue
                (everywhere if found[1] is None else by_key.setdefault(found[1], [])).append(ref)
                reason = f"the marking of {selector} is now the marking of the whole object"
                self._lose(Outcome.CHANGED, "granular-marking", reason)
            if own:
                rest.append(part | {"selectors": own})
        return everywhere, by_key, rest


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_text(value: object) -> bool:
    return isinstance(value, str)
