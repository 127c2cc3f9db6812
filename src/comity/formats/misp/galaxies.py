"""Clusters of MISP galaxies as the STIX objects they are about.

Rules: a cluster keeps its UUID, which is the STIX id's own for what MITRE publishes; one without a UUID that STIX
takes gets an id of its galaxy and name. They have no dates, so their objects are timeless. What STIX has no
property for stays in `x_misp_meta`; a galaxy that is about nothing STIX knows becomes a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from comity.formats.catalogues import Entry
from comity.formats.convert import Outcome, encode
from comity.formats.misp import fields, marking
from comity.formats.misp.scope import Facts, Scope

Tree = dict[str, Any]

_ENCODE: Final = msgspec.json.Encoder().encode
# The end of a galaxy's type, and the STIX type its clusters are about. The first that fits counts.
KINDS: Final = (
    ("attack-pattern", "attack-pattern"),
    ("mitre-ics-techniques", "attack-pattern"),
    ("disarm-techniques", "attack-pattern"),
    ("amitt-misinformation-pattern", "attack-pattern"),
    ("course-of-action", "course-of-action"),
    ("disarm-countermeasures", "course-of-action"),
    ("intrusion-set", "intrusion-set"),
    ("mitre-ics-groups", "threat-actor"),
    ("activity-group", "threat-actor"),
    ("threat-actor", "threat-actor"),
    ("campaign", "campaign"),
    ("campaigns", "campaign"),
    *((name, "malware") for name in ("malware", "mitre-ics-software", "android", "backdoor", "banker", "cryptominers")),
    *((name, "malware") for name in ("malpedia", "ransomware", "stealer", "wiper")),
    *((name, "tool") for name in ("tool", "botnet", "rat", "exploit-kit", "tds")),
    ("vulnerability", "vulnerability"),
    ("sector", "identity"),
)
DISARM: Final = "DISARM"  # as its own bundles name their source
UNDATED: Final = "2000-01-01T00:00:00.000Z"  # of what has no date: before ATT&CK and DISARM
_INDICATED: Final = ("attack-pattern", "campaign", "intrusion-set", "malware", "threat-actor", "tool")
_ALIASED: Final = frozenset({"attack-pattern", "campaign", "intrusion-set", "malware", "threat-actor", "tool"})
_MITRE: Final = re.compile(r"(.+) - ((?:T[0-9]{4}(?:\.[0-9]{3})?|[GSCM][0-9]{4}|T[0-9]{4}))")
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,2000}")


def clusters(tree: Tree) -> Iterator[Tree]:
    """Yield the clusters of every galaxy of a part, each with its galaxy's type."""
    for galaxy in fields.trees(tree.get("Galaxy")):
        kind = fields.text(galaxy, "type")
        inner = fields.trees(galaxy.get("GalaxyCluster"))
        for cluster_ in inner:
            yield {**cluster_, "type": fields.text(cluster_, "type") or kind}
        if not inner:
            yield {"type": kind, "value": fields.text(galaxy, "name"), "empty": True}


def indicated(ident_: str) -> bool:
    """Whether an indicator can be of what an id names (STIX 2.1 §4.7: `indicates`)."""
    return ident_.partition("--")[0] in _INDICATED


def kind_of(galaxy: str) -> str:
    """Return the STIX type that a galaxy's clusters are about; `note` for none."""
    return next((kind for end, kind in KINDS if galaxy == end or galaxy.endswith("-" + end)), "note")


def of_entry(entry: Entry) -> bytes:
    """Return a catalogue's entry as a STIX object under the id that an event's cluster of it gets; nothing for a note.

    A catalogue has no dates: the object's is earlier than any that its framework publishes, which therefore follows it.
    """
    kind = kind_of(entry.catalogue)
    if kind == "note" or not entry.uuid:
        return b""
    found = _MITRE.fullmatch(entry.name)
    tree: Tree = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{entry.uuid}"}
    tree |= {"created": UNDATED, "modified": UNDATED, "name": found[1] if found else entry.name}
    tree |= {"description": entry.description, "labels": [entry.tag]}
    if kind in _ALIASED:
        tree["aliases"] = list(entry.synonyms)
    if kind == "malware":
        tree["is_family"] = True
    if kind == "identity":
        tree["identity_class"] = "class"
    urls = [url for url in entry.refs if _URL.fullmatch(url)]
    tree["external_references"] = [
        *_numbers(entry.catalogue, "", list(entry.ids)),
        *({"source_name": "MISP galaxy", "url": url} for url in urls),
    ]
    if entry.catalogue.startswith("disarm-"):
        phases = (one.partition(":")[2].lower().replace(" ", "-") for one in entry.phases)
        tree["kill_chain_phases"] = [{"kill_chain_name": "disarm", "phase_name": each} for each in phases if each]
    return encode({name: value for name, value in tree.items() if value not in ("", [])})


def cluster(scope: Scope, tree: Tree, facts: Facts, where: str) -> str:
    """Make a cluster's object where it is new; return its id, empty where there is none."""
    galaxy, value = fields.text(tree, "type"), fields.text(tree, "value").strip()
    if tree.get("empty") or not value:
        scope.lose(where, Outcome.REFUSED, "galaxy", f"the galaxy {galaxy or value} without a cluster's name")
        return ""
    kind = kind_of(galaxy)
    level, losses = marking.of_distribution(tree, where, inherits=True)
    scope.out += losses
    if fields.number(tree, "distribution") not in marking.LEVELS:
        level = marking.strictest(level, scope.tlp)  # a cluster of somebody's own may be as secret as the event
    dated = facts._replace(at=scope.context.at * fields.MICROS, revoked=False, confidence=None)
    uuid = fields.uuid(tree)
    ident_ = f"{kind}--{uuid}" if uuid else scope.named(kind, galaxy, value)
    made = scope.domain(kind, ident_, dated, **_described(kind, tree, galaxy, value, scope.report))
    made["created_by_ref"] = ""
    return ident_ if scope.make(made, where, level, timeless=True, shared=True) else ""


def _described(kind: str, tree: Tree, galaxy: str, value: str, report: str) -> Tree:
    description = fields.text(tree, "description")
    if kind == "note":
        return {"abstract": f"{galaxy}: {value}", "content": description or value, "object_refs": [report]}
    meta = _meta(tree.get("meta"))
    found = _MITRE.fullmatch(value)
    made: Tree = {"name": found[1] if found else value, "description": description}
    made["labels"] = [f'misp-galaxy:{galaxy}="{value}"'[:1_000]]
    made["external_references"] = [
        *_numbers(galaxy, found[2] if found else "", meta.pop("external_id", [])),
        *({"source_name": "MISP galaxy", "url": url} for url in meta.get("refs", ()) if _URL.fullmatch(url)),
    ]
    meta["refs"] = [url for url in meta.pop("refs", ()) if not _URL.fullmatch(url)]
    if kind in _ALIASED:
        made["aliases"] = meta.pop("synonyms", [])
    if kind == "malware":
        made["is_family"] = True
    if kind == "identity":
        made["identity_class"] = "class"
    made["x_misp_meta"] = {name: values for name, values in meta.items() if values} or None
    return made


def _numbers(galaxy: str, number: str, more: list[str]) -> Iterator[Tree]:
    """Yield references of numbers: those of DISARM and others look like ATT&CK's, and name other things."""
    for each in dict.fromkeys(([number] if number else []) + more):
        found = fields.reference(each, "MISP galaxy")
        if found["source_name"] == "mitre-attack" and "mitre" not in galaxy:
            found["source_name"] = DISARM if galaxy.startswith("disarm-") else "MISP galaxy"
        yield found


def _meta(meta: object) -> dict[str, list[str]]:
    """Return a cluster's meta as lists of texts, whatever it is."""
    if not isinstance(meta, dict):
        return {}
    found: dict[str, list[str]] = {}
    for name, values in meta.items():
        each = values if isinstance(values, list) else [values]
        texts = [one if isinstance(one, str) else _ENCODE(one).decode() for one in each if one not in (None, "")]
        if texts:
            found[name] = list(dict.fromkeys(texts))
    return found
