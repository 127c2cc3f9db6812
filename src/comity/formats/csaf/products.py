"""The product tree of a CSAF document as STIX software, and the checks that references into it need.

Rules: a product is told apart by name, vendor, version and CPE; two product ids of the same make one software. A name
keeps everything its branches say that has no property of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from comity.formats import fields
from comity.formats.convert import TLP_REFS, Loss, Outcome, loss
from comity.formats.csaf.shape import Branch, Product, ProductTree
from comity.vocab import Tlp

PRODUCTS_MAX: Final = 50_000  # products of one document; the longest met have 12,000
NAMED_MAX: Final = 1_000_000  # ids looked up for one document: a group of thousands may be named by thousands
BRANCH_DEPTH_MAX: Final = 30  # CSAF 2.1 §3.1.2

_WORD: Final = r"(?:(?:\?*+|\*?+)(?:[a-zA-Z0-9._-]|\\[\\*?!\"#$%&'()+,/:;<=>@\[\]^`{|}~])++(?:\?*+|\*?+)|[*-])"
_CPE: Final = re.compile(  # CPE 2.3, formatted string (NISTIR 7695 §6.2)
    rf"cpe:2\.3:[aho*-](?::{_WORD}){{5}}:(?:[a-zA-Z]{{2,3}}(?:-(?:[a-zA-Z]{{2}}|[0-9]{{3}}))?+|[*-])(?::{_WORD}){{4}}"
)
_NAMED: Final = ("vendor", "product_version")


class Composite(NamedTuple):
    """A product made of others: its id, and the chain from the first part to the last."""

    product_id: str
    parts: tuple[str, ...]
    kinds: tuple[str, ...]  # how each part stands to the next, one less than parts


@dataclass(slots=True)
class Catalogue:
    """Products by their ids, and groups of them."""

    tlp: Tlp | None
    software: dict[str, dict[str, Any]] = field(default_factory=dict)  # by product id
    groups: dict[str, list[str]] = field(default_factory=dict)
    composites: list[Composite] = field(default_factory=list)  # those whose parts are known
    losses: list[Loss] = field(default_factory=list)
    looked_up: int = 0

    def named(self, products: Iterable[str], groups: Iterable[str], where: str, losses: list[Loss]) -> list[str]:
        """Return the STIX ids of products and groups, each once; a loss is added for each that nothing defines."""
        found: list[str] = []
        for group in groups:
            if group not in self.groups:  # CSAF 2.0 §6.1.4
                losses.append(loss(where, Outcome.CHANGED, "product-group", f"{group!r} is not defined"))
            elif self.looked_up + len(found) <= NAMED_MAX:
                found += self.groups[group]
        found += products
        self.looked_up += len(found)
        if self.looked_up > NAMED_MAX:
            reason = f"products named more than {NAMED_MAX} times (NAMED_MAX): those of this are left out"
            losses.append(loss(where, Outcome.REFUSED, "too-many", reason))
            return []
        refs: dict[str, None] = {}
        for product in dict.fromkeys(found):
            if product in self.software:
                refs[self.software[product]["id"]] = None
            else:  # CSAF 2.0 §6.1.1
                losses.append(loss(where, Outcome.CHANGED, "product-id", f"{product!r} is not defined"))
        return list(refs)


def catalogue(tree: ProductTree | None, tlp: Tlp | None) -> Catalogue:
    """Return the products of a document, all bearing its marking."""
    made = Catalogue(tlp)
    if tree is None:
        return made
    for path, product in _in_branches(tree.branches, made.losses):
        _add(made, product, path, "product_tree.branches")
    for product in tree.full_product_names:
        _add(made, product, [], "product_tree.full_product_names")
    _combine(made, tree)
    for group in tree.product_groups:
        if group.group_id in made.groups:  # CSAF 2.0 §6.1.5
            _lost(made, "product_tree.product_groups", "product-group", f"{group.group_id!r} is defined twice")
            continue
        made.groups[group.group_id] = group.product_ids
    return made


def _combine(made: Catalogue, tree: ProductTree) -> None:
    """Add products made of others; one may be part of another, but not of itself (CSAF 2.0 §6.1.3)."""
    found: list[Composite] = []
    for pair in tree.relationships:
        _add(made, pair.full_product_name, [], "product_tree.relationships")
        two = (pair.product_reference, pair.relates_to_product_reference)
        found.append(Composite(pair.full_product_name.product_id, two, (pair.category,)))
    for path in tree.product_paths:
        _add(made, path.full_product_name, [], "product_tree.product_paths")
        parts = (path.beginning_product_reference, *(step.next_product_reference for step in path.subpaths))
        kinds = tuple(step.category for step in path.subpaths)
        found.append(Composite(path.full_product_name.product_id, parts, kinds))
    ending = _without_circles({each.product_id: each.parts for each in found})
    for each in found:
        missing = [part for part in each.parts if part not in made.software]
        if missing or each.product_id not in made.software:
            _lost(made, "product_tree", "product-id", f"a part of {each.product_id!r} is not defined: {missing[:1]}")
        elif each.product_id not in ending:
            _lost(made, "product_tree", "product-circle", f"{each.product_id!r} is a part of itself")
        else:
            made.composites.append(each)


def _without_circles(parts: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the names whose parts, and theirs, come to an end (Kahn's order)."""
    waiting = {name: sum(part in parts for part in each) for name, each in parts.items()}
    users: dict[str, list[str]] = {}
    for name, each in parts.items():
        for part in each:
            users.setdefault(part, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    done: set[str] = set()
    while ready:
        name = ready.pop()
        done.add(name)
        for user in users.get(name, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return done


def _lost(made: Catalogue, where: str, rule: str, reason: str) -> None:
    made.losses.append(loss(where, Outcome.CHANGED, rule, reason))


def _in_branches(roots: list[Branch], losses: list[Loss]) -> Iterator[tuple[list[Branch], Product]]:
    """Yield each product with the branches that lead to it."""
    pending: list[tuple[list[Branch], Branch]] = [([], branch) for branch in reversed(roots)]
    while pending:
        path, branch = pending.pop()
        here = [*path, branch]
        if len(here) > BRANCH_DEPTH_MAX:
            reason = f"more than {BRANCH_DEPTH_MAX} branches deep (BRANCH_DEPTH_MAX)"
            losses.append(loss("product_tree.branches", Outcome.REFUSED, "too-deep", reason))
            continue
        if branch.product is not None:
            yield here, branch.product
        pending.extend((here, below) for below in reversed(branch.branches))


def _add(made: Catalogue, product: Product, path: list[Branch], where: str) -> None:
    if product.product_id in made.software:  # CSAF 2.0 §6.1.2
        _lost(made, where, "product-id", f"{product.product_id!r} is defined twice")
        return
    if len(made.software) >= PRODUCTS_MAX:
        made.losses.append(
            loss(where, Outcome.REFUSED, "too-many", f"more than {PRODUCTS_MAX} products (PRODUCTS_MAX)")
        )
        return
    own = {branch.category: branch.name for branch in path if branch.category in _NAMED}
    rest = [branch.name for branch in path if branch.category not in _NAMED and branch.name not in product.name]
    name = " ".join([product.name, *(f"({fields.line(text, 128)})" for text in rest)])
    cpe = product.product_identification_helper.get("cpe")
    fits = isinstance(cpe, str) and len(cpe) < fields.REFERENCE_CHARS_MAX and _CPE.fullmatch(cpe) is not None
    kept = set(product.product_identification_helper) - ({"cpe"} if fits else set())
    if kept:
        reason = f"{product.product_id!r}: {', '.join(sorted(kept))}"
        made.losses.append(loss(where, Outcome.UNMAPPED, "product-identification", reason))
    properties: dict[str, Any] = {
        "name": fields.line(name, 1_024) or fields.line(product.product_id) or "unnamed",
        "vendor": fields.line(own.get("vendor", "")),
        "version": fields.line(own.get("product_version", "")),
        "cpe": cpe if fits else "",
        "object_marking_refs": [TLP_REFS[made.tlp]] if made.tlp else [],
    }
    made.software[product.product_id] = fields.observed("software", "name", "cpe", "vendor", "version", **properties)
