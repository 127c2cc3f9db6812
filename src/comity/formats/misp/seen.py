"""Cyber-observable objects made of values and their places (STIX 2.1 §6), and comparisons that find them (§9).

Rules: ids follow from the contributing properties as §2.9 says, so that every producer's object of one value is
one object. Values of one object type and place go into one object while it has room, then into another. What
cannot make an object whole (a port without an address) is given back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from comity.formats.convert import named_uuid, quote
from comity.formats.misp.forms import Moment, Value
from comity.formats.misp.types import Slot

Tree = dict[str, Any]
Placed = tuple[Slot, Value]

_NAMESPACE: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
_SORTED: Final = msgspec.json.Encoder(order="sorted").encode  # RFC 8785 for what stands here: texts and whole numbers
_CONTRIBUTING: Final = {  # §6, each object's ID Contributing Properties; `value` for all that are not here
    "autonomous-system": ("number",),
    "directory": ("path",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "extensions", "parent_directory_ref"),
    "mutex": ("name",),
    "network-traffic": ("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
_ONE_HASH: Final = ("MD5", "SHA-1", "SHA-256", "SHA-512")  # §2.9: the first of these, or else any one
_HIVES: Final = (
    ("HKLM", "HKEY_LOCAL_MACHINE"),
    ("HKCU", "HKEY_CURRENT_USER"),
    ("HKCR", "HKEY_CLASSES_ROOT"),
    ("HKU", "HKEY_USERS"),
    ("HKCC", "HKEY_CURRENT_CONFIG"),
)
# OASIS's schema refuses these anywhere, not only where a hive stands.
_ABBREVIATED: Final = re.compile("^HKLM|HKCC|HKCR|HKCU|HKU|hklm|hkcc|hkcr|hkcu|hku")


def identified(tree: Tree) -> Tree:
    """Give an object the id that follows from its contributing properties; with none of them, from all it has."""
    kind = tree["type"]
    parts = {name: tree[name] for name in _CONTRIBUTING.get(kind, ("value",)) if name in tree}
    hashes = parts.get("hashes")
    if hashes:
        first = next((name for name in _ONE_HASH if name in hashes), None) or min(hashes)
        parts["hashes"] = {first: hashes[first]}
    named = _SORTED(parts or tree).decode()
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{named_uuid(_NAMESPACE, named)}", **tree}


def compare(slot: Slot, value: Value) -> str:
    """Return the comparison that finds a value at its place."""
    path = slot.path
    if path.startswith("ip:"):
        path = f"{_family(value)}:value"
    if isinstance(value, Moment):
        return f"{path} = t{quote(value)}"
    return f"{path} = {value}" if isinstance(value, int) else f"{path} = {quote(value)}"


def compose(parts: Sequence[Placed]) -> tuple[list[Tree], list[int]]:
    """Return the objects that show these values, main ones last, and the indices of what found no place."""
    if len(parts) == 1:  # most attributes
        alone = _alone(*parts[0])
        if alone is not None:
            return ([identified(alone)], []) if alone else ([], [0])
    making = _Making()
    for at, (slot, value) in enumerate(parts):
        making.place(at, slot, value)
    return making.finish()


def _alone(slot: Slot, value: Value) -> Tree | None:
    """Return the object of one value; None where it takes more to say, an empty one where it cannot be shown."""
    kind, _, path = slot.place.partition(":")
    if kind == "ip":
        kind = _family(value)
    if kind in {"network-traffic", "email-message", "windows-registry-key"} or "_ref" in path:
        return None
    if "." in path:
        outer, _, inner = path.partition(".")
        return {"type": kind, outer: {inner: value}} if outer == "hashes" else {}
    return {"type": kind, path: value}


def _family(value: Value) -> str:
    return "ipv6-addr" if ":" in str(value) else "ipv4-addr"


class _Making:
    """Objects in the making: one main object of a type, and those it names."""

    def __init__(self) -> None:
        self.main: dict[str, Tree] = {}
        self.places: dict[str, list[int]] = {}  # of a main object: which values it was made of
        self.done: list[Tree] = []
        self.left: list[int] = []

    def place(self, at: int, slot: Slot, value: Value) -> None:
        """Put one value where it belongs."""
        kind, _, path = slot.place.partition(":")
        steps = path.split(".")
        if kind == "ip" or (kind in {"ipv4-addr", "ipv6-addr"}):
            self.done.append(identified({"type": _family(value), "value": value}))
            return
        tree = self.main.setdefault(kind, {"type": kind})
        first = steps[0]
        if first.endswith(("_ref", "_refs")):
            self._refer(tree, first, slot, value)
            return
        if first == "protocols":
            tree.setdefault("protocols", []).append(str(value).lower())
        elif first == "values":
            values = tree.setdefault("values", [{}])
            if steps[1] in values[-1]:
                values.append({})
            values[-1][steps[1]] = value
        elif first == "hashes" and steps[1] not in tree.get("hashes", ()):
            tree.setdefault("hashes", {})[steps[1]] = value
        elif first != "hashes" and first not in tree:
            tree[first] = value
        else:  # a second name of one file, a second hash of one kind: another object
            self._sibling(at, kind, steps, value)
            return
        self.places.setdefault(kind, []).append(at)

    def _refer(self, tree: Tree, name: str, slot: Slot, value: Value) -> None:
        target = identified(_target(slot, value))
        self.done.append(target)
        if name.endswith("_refs"):
            refs = tree.setdefault(name, [])
            if target["id"] not in refs:
                refs.append(target["id"])
        else:
            tree.setdefault(name, target["id"])

    def _sibling(self, at: int, kind: str, steps: list[str], value: Value) -> None:
        tree: Tree = {"type": kind, steps[0]: {steps[1]: value} if len(steps) > 1 else value}
        if _whole(tree):
            self.done.append(identified(tree))
        else:
            self.left.append(at)

    def finish(self) -> tuple[list[Tree], list[int]]:
        """Return whole objects, each once, and what was left of others."""
        for kind, tree in self.main.items():
            if _whole(tree):
                self.done.append(identified(tree))
            else:
                self.left += self.places.get(kind, [])
        distinct = {tree["id"]: tree for tree in self.done}
        return list(distinct.values()), sorted(set(self.left))


def _target(slot: Slot, value: Value) -> Tree:
    if slot.form == "ip":
        return {"type": _family(value), "value": value}
    if slot.form == "email":
        return {"type": "email-addr", "value": value}
    if slot.place.endswith("directory_ref.path"):
        return {"type": "directory", "path": value}
    if slot.place.endswith("image_ref.name"):
        return {"type": "file", "name": value}
    return {"type": "domain-name", "value": value}


def _whole(tree: Tree) -> bool:
    """Whether an object has what its type asks for; completes what the input need not say."""
    kind = tree["type"]
    if kind == "network-traffic":
        ends = [tree[name] for name in ("src_ref", "dst_ref") if name in tree]
        if not ends:
            return False
        tree.setdefault("protocols", [_protocol(ends[0])])
        return True
    if kind == "email-message":
        tree["is_multipart"] = False  # §6.6.1 asks for it, MISP has no such thing; a body stands as plain text
        return len(tree) > 2
    if kind == "windows-registry-key":
        key = tree.get("key")
        if not key:
            return False
        for short, long in _HIVES:
            if key.upper().startswith(short) and key[len(short) : len(short) + 1] in {"", "\\"}:
                tree["key"] = key = long + key[len(short) :]
        return not _ABBREVIATED.search(key)
    if kind == "file":
        return "name" in tree or "hashes" in tree
    if kind == "domain-name":
        return "value" in tree
    return len(tree) > 1


def _protocol(ref: str) -> str:
    """Return what is known of a connection to an address: the layer of the address itself."""
    return {"ipv4-addr": "ipv4", "ipv6-addr": "ipv6"}.get(ref.partition("--")[0], "ip")
