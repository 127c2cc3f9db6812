"""STIX paths and values back to MISP attribute types.

Rules: the type that an object's label names is taken where its places are the ones that were found; else the
commonest type of a place. What has no type of its own is kept as a `stix2-pattern` or said, never bent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

from comity.formats.misp.types import ROWS, Fate, Slot
from comity.formats.stix import pattern
from comity.formats.stix.pattern import Comparison, Joined, Literal, Observation

Tree = Mapping[str, Any]
Pair = tuple[str, str]  # a place and the value there, e.g. ("file:hashes.MD5", "d41d…")


class Typed(NamedTuple):
    """An attribute's type and value."""

    type: str
    value: str


def _keys(slot: Slot) -> set[str]:
    """Return every place at which a slot's value can stand in STIX."""
    places = {slot.place, slot.path.replace("[*]", "").replace("'", "")}
    if "ip:value" in places:
        places |= {"ipv4-addr:value", "ipv6-addr:value"}
    return places


_PREFERRED: Final = (  # of types with one place, the ones that say least beyond it
    *("ip-dst", "domain", "url", "email", "filename", "regkey", "user-agent", "btc", "mutex"),
    *ROWS,
)
_SINGLE: Final[dict[str, str]] = {}
_PAIRS: Final[dict[tuple[str, ...], str]] = {}
_PLACES: Final[dict[str, tuple[set[str], ...]]] = {
    name: tuple(_keys(slot) for slot in row.slots) for name, row in ROWS.items() if row.fate is Fate.VALUE
}
for _name in _PREFERRED:
    _places = _PLACES.get(_name, ())
    if len(_places) == 1:
        for _key in _places[0]:
            _SINGLE.setdefault(_key, _name)
    elif len(_places) == 2 and _name != "malware-sample":
        for _first in _places[0]:
            for _second in _places[1]:
                _PAIRS.setdefault((_first, _second), _name)
_FOLDED: Final = {"network-traffic:dst_ref.value": "ip-dst", "network-traffic:src_ref.value": "ip-src"}
_ESCAPED: Final = frozenset({"AS"})
LANGUAGES: Final = {
    row.language: name for name, row in reversed(ROWS.items()) if row.fate is Fate.RULE and name != "bro"
}
"""The attribute type of a rule, by STIX's name of its language (`pattern_type`)."""


def comparisons(text: str) -> tuple[str, list[Pair]] | None:
    """Return how a pattern joins its tests, and the tests, where each compares one place with one value.

    The word is AND, OR, or empty for one test. None for anything richer. Raises `Malformed` for what is no pattern.
    """
    simple = pattern.simple(text)
    if simple is not None:
        pairs = [(f"{one.type}:{one.path.replace(chr(39), '')}", one.value) for one in simple]
        return ("OR" if len(pairs) > 1 else "", pairs)
    root = pattern.parse_pattern(text).root
    if not isinstance(root, Observation):
        return None
    word = ""
    parts: tuple[pattern.Node, ...] = (root.test,)
    if isinstance(root.test, Joined):
        word, parts = root.test.word, root.test.parts
    pairs = []
    for part in parts:
        if not isinstance(part, Comparison) or part.operator != "=" or part.negated:
            return None
        if not isinstance(part.value, Literal) or not isinstance(part.value.value, str | int):
            return None
        pairs.append((f"{part.path.type}:{part.path.text()}", str(part.value.value)))
    return word, pairs


def together(pairs: Sequence[Pair], hint: str) -> Typed | None:
    """Return the one attribute that all these values are, by the type that is hinted or by their places."""
    places = [place for place, _ in pairs]
    hinted = _PLACES.get(hint)
    if hinted is not None and len(hinted) == len(pairs):
        ordered = [next((value for place, value in pairs if place in keys), None) for keys in hinted]
        if None not in ordered:
            return _fitting(hint, [value for value in ordered if value is not None])
    if len(pairs) == 1:
        name = _FOLDED.get(places[0]) or _SINGLE.get(places[0])
        if name in {"ip-dst", "ip-src"} and not _is_address(pairs[0][1]):
            name = "hostname"
        return _fitting(name, [pairs[0][1]]) if name else None
    name = _PAIRS.get(tuple(places))
    if name is None:
        name = _PAIRS.get(tuple(reversed(places)))
        pairs = list(reversed(pairs))
    if name == "ip-dst|port" and not _is_address(pairs[0][1]):
        name = "hostname|port"
    return _fitting(name, [value for _, value in pairs]) if name else None


def _is_address(value: str) -> bool:
    return ":" in value or value.replace(".", "").replace("/", "").isdigit()


def _fitting(name: str, values: list[str]) -> Typed:
    return Typed(name, "|".join(f"AS{value}" if name in _ESCAPED and value.isdigit() else value for value in values))


def shown(tree: Tree, held: Mapping[str, Tree], named: Set[str]) -> tuple[list[Pair], list[str]]:
    """Return the values that an observed object shows, each with its place; and the properties that it leaves out.

    `held` has the objects that its references name; of a list of them, only those count that an observation names
    too, if it is one that shows this object: others belong to other observations of it.
    """
    kind = tree["type"]
    pairs: list[Pair] = []
    left: list[str] = []
    for name, value in tree.items():
        if name in _COMMON:
            continue
        before = len(pairs)
        if name == "hashes" and isinstance(value, dict):
            pairs += [(f"{kind}:hashes.{key}", each) for key, each in value.items() if isinstance(each, str)]
        elif name.endswith(("_ref", "_refs")):
            refs = value if isinstance(value, list) else [value]
            if named and isinstance(value, list):
                refs = [ref for ref in refs if ref in named]
            for ref in refs:
                target = held.get(ref) if isinstance(ref, str) else None
                label = target.get("value", target.get("path", target.get("name"))) if target else None
                if isinstance(label, str):
                    step = next(step for step in ("value", "path", "name") if target and target.get(step) == label)
                    pairs.append((f"{kind}:{name}.{step}", label))
        elif name == "values" and isinstance(value, list):
            pairs += [
                (f"{kind}:values.data", each["data"])
                for each in value
                if isinstance(each, dict) and isinstance(each.get("data"), str)
            ]
        elif isinstance(value, str | int) and not isinstance(value, bool):
            pairs.append((f"{kind}:{name}", str(value)))
        if len(pairs) == before and not (named and name.endswith("_refs")):
            left.append(name)
    return pairs, left


_COMMON: Final = frozenset(
    (
        *("type", "spec_version", "id", "object_marking_refs", "granular_markings", "defanged", "extensions"),
        *("is_multipart", "protocols", "created_by_ref"),
    )
)


def apart(pairs: Sequence[Pair]) -> tuple[list[Typed], list[Pair]]:
    """Return an attribute for each value that has a type, and the values that have none."""
    found: list[Typed] = []
    left: list[Pair] = []
    for pair in pairs:
        typed = together([pair], "")
        if typed is None:
            left.append(pair)
        else:
            found.append(typed)
    return found, left
