"""Anonymised objects: the technical part of a collected object, without anything that could name whom it came from.

Rules: what is not known to name nobody does not pass. Properties, types of objects, paths of patterns and words of open
vocabularies are lists here; what is on none is dropped, and an object that would mean something else without it is
refused. Dates are those of days, because a moment to the millisecond names its producer's original. The id follows from
the original's by a secret of this node: the same original is the same object again, and nobody else can link the two.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.errors import Malformed
from comity.formats.convert import encode, timestamp
from comity.formats.stix import check
from comity.formats.stix.check import Checked
from comity.formats.stix.pattern import Literal, comparisons, parse_pattern
from comity.formats.stix.report import Refusal
from comity.node.node import SETTINGS, Node
from comity.node.ports import Unit

SOURCE: Final = "anonymised"  # what a statement's header says in place of where its author had it from
LABEL: Final = "anonymised"
SHELVED: Final = "anonymising-secret"  # shelf `setting`: 32 bytes, drawn when first used
SECRET_BYTES: Final = 32
_DAY_MICROS: Final = 86_400_000_000
_DAY: Final = 86_400

INDICATOR: Final = "indicator"
OBSERVABLES: Final = {
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "domain-name": ("value",),
    "url": ("value",),
    "mac-addr": ("value",),
    "autonomous-system": ("number",),
    "file": ("hashes", "size"),  # a file's name or folder often names whom it was found at
}
"""Which cyber-observable objects can be anonymised, and the properties that pass; the first one has to be there."""

_PATHS: Final = frozenset(
    (
        *("ipv4-addr:value", "ipv6-addr:value", "domain-name:value", "url:value", "mac-addr:value"),
        *("autonomous-system:number", "file:size", "network-traffic:dst_port", "network-traffic:src_port"),
        *("network-traffic:protocols", "network-traffic:dst_ref.value", "network-traffic:src_ref.value"),
    )
)
_HASHED: Final = ("file:hashes.", "x509-certificate:hashes.")
_HASHES: Final = frozenset(
    ("MD5", "SHA-1", "SHA-256", "SHA-512", "SHA3-256", "SHA3-512", "SSDEEP", "TLSH")  # STIX 2.1 §10.7
)
_TYPES: Final = frozenset(  # STIX 2.1 §10.10, indicator-type-ov
    (
        *("anomalous-activity", "anonymization", "benign", "compromised", "malicious-activity", "attribution"),
        "unknown",
    )
)
_CHAINS: Final = frozenset(
    ("lockheed-martin-cyber-kill-chain", "mitre-attack", "mitre-mobile-attack", "mitre-ics-attack")
)
_PHASES: Final = frozenset(  # tactics of ATT&CK (Enterprise, Mobile, ICS) and phases of Lockheed Martin's kill chain
    (
        *("reconnaissance", "resource-development", "initial-access", "execution", "persistence"),
        *("privilege-escalation", "defense-evasion", "credential-access", "discovery", "lateral-movement"),
        *("collection", "command-and-control", "exfiltration", "impact", "network-effects", "remote-service-effects"),
        *("evasion", "inhibit-response-function", "impair-process-control", "weaponization", "delivery"),
        *("exploitation", "installation", "actions-on-objectives"),
    )
)
_STRING: Final = re.compile(r"'(?:[^'\\]++|\\['\\])*+'")  # STIX 2.1 §9.1
_PERSONAL: Final = ("@", "%40", "%2540")  # a lure's URL often holds whom it was sent to, or who logs in there


class Unfit(Exception):
    """Why an object cannot be anonymised; never leaves this module."""


def secret(node: Node, unit: Unit) -> bytes:
    """Return this node's secret for ids of anonymised objects, drawn if there is none yet; `unit` can be written."""
    known = unit.documents.get(SETTINGS, SHELVED)
    if known is None:
        known = node.entropy(SECRET_BYTES)
        unit.documents.put(SETTINGS, SHELVED, known)
    return known


def anonymised(body: bytes, key: bytes, collected: Instant) -> bytes | str:
    """Return an object anonymised, as JSON; or why that cannot be done, in one of a few sentences.

    `body` is the original, `collected` when this node took it in: the version of what is made of it.
    """
    (checked,) = check.check_many([body])
    if isinstance(checked, Refusal):
        return "it cannot be read"
    tree = msgspec.json.decode(body, type=dict[str, Any])
    try:
        made = _indicator(tree, checked, collected) if checked.type == INDICATOR else _observable(tree, checked)
    except Unfit as unfit:
        return str(unfit)
    made["id"] = f"{checked.type}--{_uuid(key, checked.id)}"
    data = encode(made)
    (judged,) = check.check_many([data])
    return "what is left of it is no STIX object" if isinstance(judged, Refusal) else data


def _uuid(key: bytes, original: str) -> UUID:
    return UUID(bytes=hmac.new(key, original.encode(), sha256).digest()[:16], version=4)


def _observable(tree: dict[str, Any], checked: Checked) -> dict[str, Any]:
    passing = OBSERVABLES.get(checked.type)
    if passing is None:
        known = intel.type_name(intel.type_code(checked.type))
        raise Unfit(f"an object of type {known} may name somebody in places that no list knows")
    made = {"type": checked.type, "spec_version": "2.1", **{name: tree[name] for name in passing if name in tree}}
    if passing[0] not in made:
        raise Unfit(f"a {checked.type} without {passing[0]} has nothing left when it is anonymised")
    if "hashes" in made:
        made["hashes"] = {name: value for name, value in made["hashes"].items() if name in _HASHES}
    _impersonal(str(made[passing[0]]))
    return made


def _indicator(tree: dict[str, Any], checked: Checked, collected: Instant) -> dict[str, Any]:
    if tree["pattern_type"] != "stix":
        raise Unfit("a pattern that is not STIX may name somebody in places that no list knows")
    _check_pattern(tree["pattern"])
    modified = collected * 1_000_000
    created = (checked.created or 0) // _DAY_MICROS * _DAY_MICROS
    start = (checked.valid_from or 0) // _DAY * _DAY
    made: dict[str, Any] = {
        "type": INDICATOR,
        "spec_version": "2.1",
        "created": timestamp(min(created, modified)),
        "modified": timestamp(modified),
        "pattern": tree["pattern"],
        "pattern_type": "stix",
        "valid_from": timestamp(start * 1_000_000),
        "indicator_types": [word for word in tree.get("indicator_types", ()) if word in _TYPES],
        "kill_chain_phases": [phase for phase in map(_phase, tree.get("kill_chain_phases", ())) if phase],
        "confidence": tree.get("confidence"),
        "revoked": tree.get("revoked") or None,
        "labels": [LABEL],
    }
    if checked.valid_until is not None:
        # Never a day longer than a day: an end within the first day is put at that day's end.
        made["valid_until"] = timestamp(max(checked.valid_until // _DAY * _DAY, start + _DAY) * 1_000_000)
    return made


def _phase(phase: dict[str, Any]) -> dict[str, Any] | None:
    chain, name = phase.get("kill_chain_name"), phase.get("phase_name")
    return {"kill_chain_name": chain, "phase_name": name} if chain in _CHAINS and name in _PHASES else None


def _check_pattern(text: str) -> None:
    bare = _STRING.sub("''", text)
    if "/*" in bare or "//" in bare:
        raise Unfit("its pattern has a comment")
    if "START" in bare:
        raise Unfit("its pattern holds for a time of its own")
    try:
        parsed = parse_pattern(text)
    except Malformed as error:
        raise Unfit("its pattern cannot be read") from error
    for one in comparisons(parsed):
        path = f"{one.path.type}:{one.path.text()}"
        if path not in _PATHS and not (path.startswith(_HASHED) and path.partition(".")[2] in _HASHES):
            raise Unfit("its pattern is about more than addresses, domains, URLs, ports and hashes")
        for literal in _literals(one.value):
            if isinstance(literal.value, bytes):
                raise Unfit("its pattern has a value in bytes, in which anything may stand")
            _impersonal(str(literal.value))


def _literals(value: Literal | tuple[Literal, ...] | None) -> Iterator[Literal]:
    if isinstance(value, Literal):
        yield value
    elif value is not None:
        yield from value


def _impersonal(text: str) -> None:
    if any(mark in text for mark in _PERSONAL):
        raise Unfit("its value holds an address or a name of somebody")
