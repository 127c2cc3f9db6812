"""What a CSAF document holds, as types: versions 2.0 and 2.1 in one.

Rules: a name here is the specification's. What has no name here is told by `unknown`, so that nothing is dropped in
silence; a vulnerability stays bytes until its turn, so that a broken one costs only itself.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct

PATHS_MAX: Final = 1_000  # distinct unknown names told one by one; a document of invented names would have no end


class Label(Struct):
    """TLP (CSAF 2.1 §3.2.2.5.3)."""

    label: str
    url: str = ""


class SharingGroup(Struct):
    """Who may have it (CSAF 2.1 §3.2.2.5.1)."""

    id: str
    name: str = ""


class Distribution(Struct):
    """CSAF 2.0 §3.2.1.5."""

    text: str = ""
    tlp: Label | None = None
    sharing_group: SharingGroup | None = None


class Publisher(Struct):
    """CSAF 2.0 §3.2.1.8."""

    category: str
    name: str
    namespace: str
    contact_details: str = ""
    contact: dict[str, Any] = {}  # 2.1
    issuing_authority: str = ""


class Revision(Struct):
    """CSAF 2.0 §3.2.1.12.6."""

    date: str
    number: str
    summary: str = ""
    legacy_version: str = ""


class Tracking(Struct):
    """CSAF 2.0 §3.2.1.12."""

    id: str
    current_release_date: str
    initial_release_date: str
    status: str
    version: str
    revision_history: list[Revision]
    aliases: list[str] = []
    generator: Any = None


class Note(Struct):
    """CSAF 2.0 §3.1.4."""

    category: str
    text: str
    title: str = ""
    audience: str = ""
    group_ids: list[str] = []
    product_ids: list[str] = []


class Reference(Struct):
    """CSAF 2.0 §3.1.6."""

    url: str
    summary: str = ""
    category: str = "external"


class Severity(Struct):
    """CSAF 2.0 §3.2.1.2."""

    text: str
    namespace: str = ""


class Action(Struct):
    """What somebody involved did (CSAF 2.1, `document.involvement.actions`)."""

    category: str
    status: str
    date: str = ""
    summary: str = ""
    action_id: str = ""
    acting_entity_refs: list[str] = []
    receiving_entity_refs: list[str] = []
    referenced_action_ids: list[str] = []
    dl_vuln_ids: list[str] = []
    group_ids: list[str] = []
    product_ids: list[str] = []


class Participation(Struct):
    """Who was involved, and in what (CSAF 2.1, `document.involvement`)."""

    actions: list[Action] = []
    entities: list[Any] = []
    entity_groups: list[Any] = []


class Document(Struct):
    """CSAF 2.0 §3.2.1."""

    category: str
    csaf_version: str
    title: str
    publisher: Publisher
    tracking: Tracking
    distribution: Distribution | None = None
    notes: list[Note] = []
    references: list[Reference] = []
    lang: str = ""
    source_lang: str = ""
    license_expression: str = ""
    aggregate_severity: Severity | None = None
    acknowledgments: list[Any] = []
    involvement: Participation | None = None  # 2.1


class Product(Struct):
    """Full product name (CSAF 2.0 §3.1.3)."""

    name: str
    product_id: str
    product_identification_helper: dict[str, Any] = {}


class Branch(Struct):
    """CSAF 2.0 §3.1.2."""

    category: str
    name: str
    branches: list[Branch] = []
    product: Product | None = None


class Combination(Struct):
    """A product on, in or with another (CSAF 2.0 §3.2.2.4)."""

    category: str
    full_product_name: Product
    product_reference: str
    relates_to_product_reference: str


class Step(Struct):
    """A step of a product path (CSAF 2.1)."""

    category: str
    next_product_reference: str


class ProductPath(Struct):
    """A product on, in or with others (CSAF 2.1, `product_tree.product_paths`)."""

    full_product_name: Product
    beginning_product_reference: str
    subpaths: list[Step]


class Group(Struct):
    """CSAF 2.0 §3.2.2.3."""

    group_id: str
    product_ids: list[str]
    summary: str = ""


class ProductTree(Struct):
    """CSAF 2.0 §3.2.2."""

    branches: list[Branch] = []
    full_product_names: list[Product] = []
    relationships: list[Combination] = []  # 2.0
    product_paths: list[ProductPath] = []  # 2.1
    product_groups: list[Group] = []


class Weakness(Struct):
    """CSAF 2.0 §3.2.3.3; 2.1 has several, with the version of CWE."""

    id: str
    name: str = ""
    version: str = ""


class Ident(Struct):
    """CSAF 2.0 §3.2.3.6."""

    system_name: str
    text: str
    group_ids: list[str] = []
    product_ids: list[str] = []


class Restart(Struct):
    """CSAF 2.0 §3.2.3.12.7."""

    category: str
    details: str = ""


class Remediation(Struct):
    """CSAF 2.0 §3.2.3.12."""

    category: str
    details: str
    date: str = ""
    entitlements: list[str] = []
    group_ids: list[str] = []
    product_ids: list[str] = []
    restart_required: Restart | None = None
    url: str = ""


class Threat(Struct):
    """CSAF 2.0 §3.2.3.14."""

    category: str
    details: str
    date: str = ""
    group_ids: list[str] = []
    product_ids: list[str] = []


class Flag(Struct):
    """Why a product is not affected (CSAF 2.0 §3.2.3.5)."""

    label: str
    date: str = ""
    group_ids: list[str] = []
    product_ids: list[str] = []


class Involvement(Struct):
    """CSAF 2.0 §3.2.3.7."""

    party: str
    status: str
    summary: str = ""
    date: str = ""
    contact: str = ""
    group_ids: list[str] = []
    product_ids: list[str] = []


class Score(Struct):
    """CSAF 2.0 §3.2.3.13."""

    products: list[str] = []
    cvss_v2: dict[str, Any] = {}
    cvss_v3: dict[str, Any] = {}


class Metric(Struct):
    """CSAF 2.1 §3.2.4.10."""

    content: dict[str, Any]
    products: list[str] = []
    source: str = ""


class Exploitation(Struct):
    """CSAF 2.1 §3.2.4.5."""

    date: str = ""
    exploitation_date: str = ""
    group_ids: list[str] = []
    product_ids: list[str] = []


class Vulnerability(Struct):
    """CSAF 2.0 §3.2.3."""

    cve: str = ""
    dl_vuln_id: str = ""  # 2.1
    cwe: Weakness | None = None
    cwes: list[Weakness] = []
    ids: list[Ident] = []
    title: str = ""
    notes: list[Note] = []
    references: list[Reference] = []
    remediations: list[Remediation] = []
    threats: list[Threat] = []
    flags: list[Flag] = []
    involvements: list[Involvement] = []
    scores: list[Score] = []
    metrics: list[Metric] = []
    product_status: dict[str, list[str]] = {}
    first_known_exploitation_dates: list[Exploitation] = []
    discovery_date: str = ""
    disclosure_date: str = ""
    release_date: str = ""
    acknowledgments: list[Any] = []


class Advisory(Struct):
    """CSAF 2.0 §3.2."""

    document: Document
    product_tree: ProductTree | None = None
    vulnerabilities: list[msgspec.Raw] = []
    schema: str = msgspec.field(default="", name="$schema")


def unknown(tree: Any, kind: type[Struct]) -> Counter[str]:
    """Return the names in a decoded document that a type does not have, as paths, with how often each stands."""
    found: Counter[str] = Counter()
    pending: list[tuple[Any, type[Struct], str]] = [(tree, kind, "")]
    while pending and len(found) < PATHS_MAX:
        value, shape, path = pending.pop()
        if isinstance(value, list):
            pending += [(each, shape, path) for each in value]
        elif isinstance(value, dict):
            children = _children(shape)
            for name, inner in value.items():
                place = f"{path}.{name}" if path else name
                if name not in children:
                    found[place] += 1
                elif (below := children[name]) is not None:
                    pending.append((inner, below, place))
    return found


@cache
def _children(kind: type[Struct]) -> dict[str, type[Struct] | None]:
    """Return the names of a type, each with the type of what stands below it."""
    hints = get_type_hints(kind)
    below = {each.encode_name: _struct_in(hints[each.name]) for each in msgspec.structs.fields(kind)}
    return below | {"vulnerabilities": Vulnerability} if kind is Advisory else below


def _struct_in(hint: Any) -> type[Struct] | None:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((inner for part in get_args(hint) if (inner := _struct_in(part)) is not None), None)
