"""What STIX 2.0 nested in an observation, as cyber-observable objects of 2.1, and the same names in patterns.

Rules: an id follows from the content (STIX 2.1 §2.9) wherever it may; references by key become references by id.
Accounts of persons are sealed. What 2.1 has no place for is a `Loss` naming the object and the property; whether
what was made is good is for `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid5

from comity import canon
from comity.errors import Malformed
from comity.formats.convert import Context, Loss, Outcome, ident, loss
from comity.formats.stix.strict import Tree
from comity.limits import JSON_DEPTH_MAX, PATTERN_BYTES_MAX

_SCO_NAMESPACE: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
CONTRIBUTING: Final = {  # STIX 2.1 §6: "ID Contributing Properties"
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "parent_directory_ref", "extensions"),
    "mutex": ("name",),
    "network-traffic": ("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    "process": (),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
    **dict.fromkeys(("domain-name", "email-addr", "ipv4-addr", "ipv6-addr", "mac-addr", "url"), ("value",)),
}
_HASH_ORDER: Final = ("MD5", "SHA-1", "SHA-256", "SHA-512")
_RENAMED: Final = {
    "directory": {"created": "ctime", "modified": "mtime", "accessed": "atime"},
    "file": {"created": "ctime", "modified": "mtime", "accessed": "atime"},
    "network-traffic": {"encapsulates_by_ref": "encapsulated_by_ref"},
    "process": {"created": "created_time", "binary_ref": "image_ref"},
    "user-account": {"password_last_changed": "credential_last_changed"},
    "windows-registry-key": {"modified": "modified_time"},
}
_GONE: Final = {
    "file": ("is_encrypted", "encryption_algorithm", "decryption_key"),
    "process": ("arguments", "name"),
}
_GONE_FROM: Final = {  # properties of extensions
    "archive-ext": ("version",),
    "raster-image-ext": ("image_compression_algorithm",),
    "socket-ext": ("protocol_family",),
}
_SEALED: Final = "user-account"
_DEPTH_MAX: Final = 2 * JSON_DEPTH_MAX  # steps from object to object, and within one, to find an id
_LATE: Final = 1 << 20  # a depth that nothing reaches: every id is known
_LEADS_TO: Final = {  # types that references within a path lead to
    **dict.fromkeys(("parent_ref", "child_refs"), "process"),
    **dict.fromkeys(("binary_ref", "image_ref", "service_dll_refs"), "file"),
    **dict.fromkeys(("encapsulates_refs", "encapsulated_by_ref", "opened_connection_refs"), "network-traffic"),
    **dict.fromkeys(("creator_user_ref", "belongs_to_ref"), "user-account"),
    "parent_directory_ref": "directory",
}
_STEP: Final = r"(?:[A-Za-z_][A-Za-z0-9_-]*+|'(?:[^'\\]++|\\.)*+')"
_EACH_STEP: Final = re.compile(rf"(\.?)(?:({_STEP})|(\[(?:\*|[0-9]++)\]))", re.DOTALL)
# A text without its end goes to the end of the pattern, and words begin at their first letter: no part is read twice.
_PATTERN: Final = re.compile(
    r"(?P<bound>(?<![A-Za-z0-9_-])(?:START|STOP))[ \t\r\n]*+(?=')"
    r"|(?P<text>[tbh]?'(?:[^'\\]++|\\.)*+(?:'|\\?\Z))"
    rf"|(?<![A-Za-z0-9_-])(?P<type>[A-Za-z_][A-Za-z0-9_-]*+):(?P<path>{_STEP}(?:\.{_STEP}|\[(?:\*|[0-9]++)\])*+)",
    re.DOTALL,
)


class _UnsettledError(Exception):
    """An id cannot follow from a content that leads back to it, or is too long a way."""


class Nested:
    """The objects of one observation, by their keys."""

    def __init__(self, objects: Tree, context: Context, owner: str, losses: list[Loss]) -> None:
        self._objects = objects
        self._context = context
        self._owner = owner
        self._losses = losses
        self._done: dict[str, Tree | None] = {}  # None: no object is made of it
        self._open: set[str] = set()  # whose ids are being found
        self._told: set[tuple[str, str, str]] = set()
        self._content: dict[str, Tree] = {}  # what ids follow from, its references resolved
        self._images: dict[str, Tree] = {}  # files that names of processes stand for

    def trees(self) -> Iterator[tuple[str, Tree]]:
        """Yield what the objects became, each with the key it is from; what is lost was told."""
        for key in self._objects:
            self._identified(key, 0)
        for key in self._objects:
            tree = self._done[key]
            if tree is None:
                continue
            content = self._content.get(key, {})
            rest = {name: value for name, value in tree.items() if name not in content}
            done: Tree = self._resolved(key, rest, _LATE) | content
            if key in self._images:
                yield key, self._images[key]
                done["image_ref"] = self._images[key]["id"]
            yield key, done

    def _lose(self, key: str, outcome: Outcome, rule: str, reason: str) -> None:
        self._losses.append(loss(f"{self._owner} objects.{key}", outcome, rule, reason))

    def _identified(self, key: str, depth: int) -> Tree | None:
        """Return an object with its id, and, where the id follows from the content, with that content's references."""
        if key in self._done:
            return self._done[key]
        self._done[key] = None
        source = self._objects[key]
        if not isinstance(source, dict) or not isinstance(kind := source.get("type"), str):
            self._lose(key, Outcome.REFUSED, "observable", "not an object with a type")
            return None
        if kind == _SEALED:
            self._lose(key, Outcome.SEALED, "person", "an account: only the original has it")
            return None
        del self._done[key]
        tree = self._renamed(key, kind, source)
        content: Tree = {name: tree[name] for name in CONTRIBUTING.get(kind, ()) if name in tree}
        self._open.add(key)
        try:
            self._content[key] = content = self._resolved(key, content, depth + 1)
        except _UnsettledError:
            content = {}
        self._open.remove(key)
        tree["id"] = self._ident(key, kind, content)
        self._done[key] = tree
        return tree

    def _ident(self, key: str, kind: str, content: Tree) -> str:
        """Return the id that follows from the content (§2.9), or, where it must not, from the place."""
        hashes = content.get("hashes")
        if isinstance(hashes, dict) and hashes:
            name = next((each for each in _HASH_ORDER if each in hashes), min(hashes))
            content = content | {"hashes": {name: hashes[name]}}
        if content:
            try:
                return f"{kind}--{uuid5(_SCO_NAMESPACE, canon.encode(content).decode())}"
            except Malformed:  # numbers that RFC 8785 writes as no encoder here does
                pass
        return ident(kind, self._context, self._owner, key)

    def _renamed(self, key: str, kind: str, source: Tree) -> Tree:
        """Return an object with the names and forms of 2.1, its references still keys."""
        renamed = _RENAMED.get(kind, {})
        tree = {renamed.get(name, name): value for name, value in source.items()}
        tree["spec_version"] = "2.1"
        for name in _GONE.get(kind, ()):
            if name in tree and not (kind == "process" and name == "name" and self._named_image(key, tree)):
                del tree[name]
                self._lose(key, Outcome.UNMAPPED, "property", f"STIX 2.1 has no {kind}:{name}")
        if kind == "email-addr" and tree.pop("display_name", None) is not None:
            self._lose(key, Outcome.SEALED, "person", "a display name: only the original has it")
        rename_hashes(tree)
        extensions = tree.get("extensions")
        if isinstance(extensions, dict):
            tree["extensions"] = {name: self._extension(key, name, value) for name, value in extensions.items()}
        return tree

    def _named_image(self, key: str, tree: Tree) -> bool:
        """Turn a process's name into the file it runs, where it names none (§6.13 has no name)."""
        name = tree["name"]
        if "image_ref" in tree or not isinstance(name, str):
            return False
        del tree["name"]
        image = {"type": "file", "spec_version": "2.1", "id": self._ident(key, "file", {"name": name}), "name": name}
        self._images[key] = image
        self._lose(key, Outcome.CHANGED, "process-name", "the process's name is now the name of the file it runs")
        return True

    def _extension(self, key: str, name: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        gone = [each for each in _GONE_FROM.get(name, ()) if each in value]
        for each in gone:
            self._lose(key, Outcome.UNMAPPED, "property", f"STIX 2.1 has no {each} in {name}")
        value = {each: inner for each, inner in value.items() if each not in gone}
        header = value.get("request_header") if name == "http-request-ext" else None
        if isinstance(header, dict):  # §6.12.2: a list of values for each header
            value["request_header"] = {each: [text] if isinstance(text, str) else text for each, text in header.items()}
        for inner in (
            value,
            value.get("optional_header"),
            *dicts(value.get("sections")),
            *dicts(value.get("alternate_data_streams")),
        ):
            if isinstance(inner, dict):
                rename_hashes(inner)
        return value

    def _resolved(self, key: str, value: Any, depth: int) -> Any:
        """Return a value in which references are ids; those that lead nowhere are left out."""
        if isinstance(value, list):
            return [self._resolved(key, each, depth + 1) for each in value]
        if not isinstance(value, dict):
            return value
        found: Tree = {}
        for name, inner in value.items():
            if name.endswith("_ref") and isinstance(inner, str):
                if (ref := self._ref(key, name, inner, depth)) is not None:
                    found[name] = ref
            elif name.endswith("_refs") and isinstance(inner, list):
                refs = [ref for each in inner if (ref := self._ref(key, name, each, depth)) is not None]
                if refs:
                    found[name] = refs
            else:
                found[name] = self._resolved(key, inner, depth + 1)
        return found

    def _ref(self, key: str, name: str, target: object, depth: int) -> str | None:
        if not isinstance(target, str) or target not in self._objects:
            self._tell(key, name, target, "is no object beside it")
            return None
        if depth < _LATE and target not in self._done and (target in self._open or depth >= _DEPTH_MAX):
            raise _UnsettledError
        tree = self._identified(target, depth)
        if tree is None:
            self._tell(key, name, target, "was not taken")
            return None
        ref: str = tree["id"]
        return ref

    def _tell(self, key: str, name: str, target: object, what: str) -> None:
        """Tell once of a reference that is left out: some are followed twice."""
        if (known := (key, name, repr(target))) not in self._told:
            self._told.add(known)
            self._lose(key, Outcome.CHANGED, "reference", f"{name} names {target!r}, which {what}")


def upgrade_pattern(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a STIX 2.0 pattern as 2.1 writes it, and the paths in it that 2.1 does not have.

    Bounds of START and STOP become timestamps, and properties that 2.1 renamed follow. What is no pattern stays
    broken, for the check to refuse.
    """
    gone: dict[str, None] = {}

    def changed(found: re.Match[str]) -> str:
        if found["bound"] is not None:
            return f"{found['bound']} t"
        if found["text"] is not None:
            return found[0]
        steps, missing = _steps(found["type"], found["path"])
        if missing:
            gone[found[0]] = None
        return f"{found['type']}:{steps}"

    return (_PATTERN.sub(changed, text), tuple(gone)) if len(text) <= PATTERN_BYTES_MAX else (text, ())


def _steps(kind: str, path: str) -> tuple[str, bool]:
    """Return a path with the names of 2.1, and whether it leads to what 2.1 does not have."""
    made, missing, extension = "", False, ""
    for found in _EACH_STEP.finditer(path):
        dot, written, index = found.groups()
        if index is not None:
            made += index
            continue
        name = written.strip("'")
        missing = missing or name in _GONE_FROM.get(extension, ())
        if kind == "process" and name == "name":
            written = "image_ref.name"
        else:
            missing = missing or name in _GONE.get(kind, ())
            written = _RENAMED.get(kind, {}).get(name, written)
        kind = _LEADS_TO.get(name, "")
        extension = name if name in _GONE_FROM else ""
        made += dot + written
    return made, missing


def dicts(value: object) -> list[Tree]:
    """Return the objects of what should be a list of them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def rename_hashes(tree: Tree) -> None:
    """Write the one algorithm that 2.1 spells differently (§10.7)."""
    for name in ("hashes", "file_header_hashes"):
        hashes = tree.get(name)
        if isinstance(hashes, dict) and "ssdeep" in hashes:
            tree[name] = {"SSDEEP" if each == "ssdeep" else each: value for each, value in hashes.items()}
