"""Whether bytes are a STIX 2.1 object that may be relied on, and what a node's views need of it.

Rules: `check_many` answers for any bytes with a `Checked` or a `Refusal`, one for each, and raises nothing
for what they hold. The order of the checks: size, strict JSON (duplicate keys, depth, UTF-8, numbers), the
OASIS schema of the type, then what the specification asks and schemas cannot say. Custom types and
properties are kept: they have to meet the common properties and no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from comity.errors import Malformed
from comity.formats.observables import Observable
from comity.formats.stix import edges, observe, schemas, strict
from comity.formats.stix.edges import Edge
from comity.formats.stix.personal import is_account
from comity.formats.stix.report import Refusal, refusal
from comity.formats.stix.schemas import Kind
from comity.formats.stix.strict import Tree
from comity.limits import STIX_BATCH_OBJECTS, STIX_NAME_CHARS_MAX
from comity.vocab import Tlp


class Checked(msgspec.Struct, frozen=True, gc=False):
    """What the views need of an object that passed. Times are of the Unix epoch."""

    id: str
    type: str
    uuid: bytes  # 16
    created: int | None  # microseconds; None for cyber-observable objects
    modified: int  # microseconds; of `created` where the type has no versions, 0 where it has neither
    valid_from: int | None  # seconds
    valid_until: int | None  # seconds, rounded down: never valid for longer than said
    revoked: bool
    name: str  # for display, cut to STIX_NAME_CHARS_MAX
    markings: tuple[str, ...]  # ids of every marking definition, of the whole or of a part
    tlp: Tlp | None  # the strictest of them that is a TLP level
    created_by: str  # id of an identity, or empty
    custom: bool  # a type or property that the specification does not have
    observables: tuple[Observable, ...]
    note: str  # what keeps it from being found by value, see `observe`
    confidence: int = -1  # from 0 to 100; -1 where its producer gave none
    edges: tuple[Edge, ...] = ()
    personal: bool = False  # it is, holds or tests somebody's account


TLP_MARKINGS: Final = {
    # TLP 1.0 (STIX 2.1 §7.2.1.4). FIRST: WHITE is CLEAR in TLP 2.0, the others keep their meaning.
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
    # TLP 2.0 (OASIS common objects, extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d).
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": Tlp.CLEAR,
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Tlp.GREEN,
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": Tlp.AMBER,
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": Tlp.AMBER_STRICT,
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": Tlp.RED,
}

_ADDRESSES: Final = ("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name")
# What a reference of a cyber-observable object may name (STIX 2.1 §6); the schemas only ask for text.
_TARGETS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "directory": {"contains_refs": ("file", "directory")},
    "domain-name": {"resolves_to_refs": ("ipv4-addr", "ipv6-addr", "domain-name")},
    "email-addr": {"belongs_to_ref": ("user-account",)},
    "email-message": {
        **dict.fromkeys(("from_ref", "sender_ref", "to_refs", "cc_refs", "bcc_refs"), ("email-addr",)),
        "raw_email_ref": ("artifact",),
    },
    "file": {"parent_directory_ref": ("directory",), "content_ref": ("artifact",)},
    "ipv4-addr": {"resolves_to_refs": ("mac-addr",), "belongs_to_refs": ("autonomous-system",)},
    "ipv6-addr": {"resolves_to_refs": ("mac-addr",), "belongs_to_refs": ("autonomous-system",)},
    "network-traffic": {
        **dict.fromkeys(("src_ref", "dst_ref"), _ADDRESSES),
        **dict.fromkeys(("src_payload_ref", "dst_payload_ref"), ("artifact",)),
        **dict.fromkeys(("encapsulates_refs", "encapsulated_by_ref"), ("network-traffic",)),
    },
    "process": {
        "opened_connection_refs": ("network-traffic",),
        "creator_user_ref": ("user-account",),
        "image_ref": ("file",),
        **dict.fromkeys(("parent_ref", "child_refs"), ("process",)),
    },
    "windows-registry-key": {"creator_user_ref": ("user-account",)},
}
_IDENTIFIER: Final = re.compile(
    "[a-z][a-z0-9-]+[a-z0-9]--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - all STIX timestamps are UTC (§2.16)
_MICROSECONDS: Final = 1_000_000
_USUAL_CHARS: Final = 27  # of a timestamp with microseconds
CONFIDENCE_MAX: Final = 100  # STIX 2.1 §3.2


class _Broken(Exception):
    """An object breaks a rule; never leaves this module."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.reason = reason


def check_many(objects: Sequence[bytes]) -> list[Checked | Refusal]:
    """Check objects, each given as the bytes its producer wrote; the answers stand in the same order.

    A refusal's offset is 0: only the caller knows where in its input an object began. Raises `Fault` where
    the schemas are not installed.
    """
    results: list[Checked | Refusal] = []
    for start in range(0, len(objects), STIX_BATCH_OBJECTS):
        batch = objects[start : start + STIX_BATCH_OBJECTS]
        trees = strict.decode_many(batch)
        trusted = _schema_many(trees)
        results += [
            tree if isinstance(tree, Refusal) else _judge(tree, tree_kind)
            for tree, tree_kind in zip(trees, trusted, strict=True)
        ]
    return results


# --- the schema ------------------------------------------------------------------------------------------


def _schema_many(trees: Sequence[Tree | Refusal]) -> list[Kind | Refusal]:
    """Return each object's kind, or why its schema refuses it; one call for all objects of a type."""
    by_type: dict[str, list[int]] = {}
    verdicts: list[Any] = [None] * len(trees)
    for at, tree in enumerate(trees):
        if isinstance(tree, Refusal):
            continue
        name = tree.get("type")
        by_type.setdefault(name if isinstance(name, str) else "", []).append(at)
    for name, places in by_type.items():
        kind = schemas.kind(name)
        group: list[Any] = [trees[at] for at in places]
        good = kind is not None and kind.quick.is_valid(group)
        for at, tree in zip(places, group, strict=True):
            verdicts[at] = kind if good else _schema_one(tree, name)
    return verdicts


def _schema_one(tree: Tree, name: str) -> Kind | Refusal:
    ident = tree.get("id")
    ident = ident if isinstance(ident, str) else ""
    if not name:
        return refusal("schema", "no type", ident=ident)
    if name == "bundle":
        return refusal("bundle", "a bundle inside a bundle", ident=ident)
    kind = schemas.kind(name) or schemas.custom_kind(observable="created" not in tree and "modified" not in tree)
    if kind.full.is_valid(tree):
        return kind
    if "spec_version" not in tree and "created" in tree:
        return refusal("version", "no spec_version: an object of STIX 2.0, and only 2.1 is read", ident=ident)
    error = next(iter(kind.full.iter_errors(tree)))
    place = ".".join(map(str, error.instance_path))
    return refusal("schema", f"{place}: {error.message}" if place else error.message, ident=ident)


# --- what schemas cannot say -----------------------------------------------------------------------------


def _judge(tree: Tree, kind: Kind | Refusal) -> Checked | Refusal:
    if isinstance(kind, Refusal):
        return kind
    try:
        return _checked(tree, kind)
    except _Broken as broken:
        return refusal(broken.rule, broken.reason, ident=tree["id"])
    except Malformed as error:
        return refusal("pattern", str(error), ident=tree["id"])


def _checked(tree: Tree, kind: Kind) -> Checked:
    get = tree.get
    name, ident = tree["type"], tree["id"]
    if not ident.startswith(name + "--"):
        raise _Broken("id", f"the id of a {name} does not begin with {name}--")
    # Where the specification does not know `created`, it is a custom property and may be anything.
    created = modified = _micros(tree["created"]) if kind.dated else None
    if created is not None and kind.versioned and tree["modified"] != tree["created"]:
        modified = _micros(tree["modified"])
        if modified < created:
            raise _Broken("order", "modified is before created")
    start, end = _span(tree, *kind.order) if kind.order else (None, None)
    for field in kind.times:
        if field in tree:
            _micros(tree[field])
    custom = kind.custom or not kind.known.issuperset(tree)
    if custom or created is None:
        _check_references(tree, name)
    created_by = get("created_by_ref", "")
    if created_by and not created_by.startswith("identity--"):
        raise _Broken("reference", "created_by_ref does not name an identity")
    markings, tlp = _marked(tuple(get("object_marking_refs", ())), tree)
    found, note = observe.of_object(tree)
    label = get("name") or get("value") or get("pattern")
    is_indicator = name == "indicator"
    confidence = get("confidence", -1)
    return Checked(
        ident,
        name,
        bytes.fromhex(ident[-36:].replace("-", "")),
        created,
        modified or 0,
        start if is_indicator else None,
        end if is_indicator else None,
        get("revoked") is True,
        label[:STIX_NAME_CHARS_MAX] if isinstance(label, str) else "",
        markings,
        tlp,
        created_by,
        custom,
        found,
        note,
        confidence if type(confidence) is int and 0 <= confidence <= CONFIDENCE_MAX else -1,
        () if is_indicator else edges.of_object(tree),  # an indicator has no references, and most objects are one
        is_account(tree),
    )


def moment(text: str) -> int | None:
    """Return a timestamp of a checked object in microseconds since the epoch; None for what is no date."""
    try:
        return _micros(text)
    except _Broken:
        return None


def _micros(text: str) -> int:
    """Read a timestamp in the form the schema asks for as microseconds since the epoch; finer digits are cut off."""
    return _usual(text) if len(text) <= _USUAL_CHARS else _read(text)


def _read(text: str) -> int:
    try:
        return _since_epoch(text[:-1])
    except ValueError as error:
        if text[17:19] == "60":  # a leap second (RFC 3339 §5.6) is read as the second after :59
            with suppress(ValueError):
                return _since_epoch(f"{text[:17]}59{text[19:-1]}") + _MICROSECONDS
        raise _Broken("timestamp", f"{text!r} is not a date") from error


_usual: Final = lru_cache(maxsize=1_024)(_read)  # objects of one origin share many


def _since_epoch(text: str) -> int:
    since = datetime.fromisoformat(text) - _EPOCH  # both without a zone, which would cost as much as the rest
    return (since.days * 86_400 + since.seconds) * _MICROSECONDS + since.microseconds


def _span(tree: Tree, earlier: str, later: str, may_equal: bool) -> tuple[int | None, int | None]:
    """Return two timestamps in seconds, rounded down; None for an absent one."""
    start = _micros(tree[earlier]) if earlier in tree else None
    end = _micros(tree[later]) if later in tree else None
    if start is not None and end is not None and (end < start or (end == start and not may_equal)):
        raise _Broken("order", f"{later} is {'before' if end < start else 'not after'} {earlier}")
    return None if start is None else start // _MICROSECONDS, None if end is None else end // _MICROSECONDS


def _check_references(tree: Tree, name: str) -> None:
    """Check the references that the schema of a custom or cyber-observable object leaves open (STIX 2.1 §3.2)."""
    targets = _TARGETS.get(name, {})
    for field, value in tree.items():
        if not field.endswith(("_ref", "_refs")):
            continue
        for ref in value if isinstance(value, list) else (value,):
            if not isinstance(ref, str) or not _IDENTIFIER.fullmatch(ref):
                raise _Broken("reference", f"{field} holds {ref!r}, which is not an id")
            if field in targets and ref.partition("--")[0] not in targets[field]:
                raise _Broken("reference", f"{field} names {ref}; only {', '.join(targets[field])} may stand there")


def _marked(refs: tuple[str, ...], tree: Tree) -> tuple[tuple[str, ...], Tlp | None]:
    """Return every marking and the level they make. One that covers a part counts for all: bytes travel whole."""
    if "granular_markings" in tree:
        refs = tuple(dict.fromkeys((*refs, *(part["marking_ref"] for part in tree["granular_markings"]))))
    return refs, _level(refs) if refs else None


@lru_cache(maxsize=1_024)
def _level(refs: tuple[str, ...]) -> Tlp | None:
    for ref in refs:
        if not ref.startswith("marking-definition--"):
            raise _Broken("reference", f"object_marking_refs names {ref}, which is not a marking definition")
    levels = [level for ref in refs if (level := TLP_MARKINGS.get(ref)) is not None]
    return max(levels, key=lambda level: level.rank) if levels else None
