"""Forms that people read: reports as a page and as a feed, techniques as a layer of the ATT&CK or DISARM Navigator.

Rules: what may go was decided before, and what a report names is shown only where it may go itself. A file bears the
strictest label of what stands in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from comity.formats.sensors import atom, navigator, report
from comity.formats.sensors.account import TECHNIQUE, Account, account, named_as
from comity.formats.sensors.item import About
from comity.node import exporting, reports
from comity.node.reports import Told
from comity.surfaces.cli.operations.forms import Task
from comity.vocab import Tlp

_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode
_NAMING: Final = ("report", "grouping", "relationship")


def page(task: Task) -> Iterator[bytes]:
    """Yield the reports that may go as one page."""
    accounts = _accounts(task)
    return report.page(accounts, _labelled(task.about, accounts))


def feed(task: Task) -> Iterator[bytes]:
    """Yield the reports that may go as a feed."""
    accounts = _accounts(task)
    return atom.of_accounts(accounts, _labelled(task.about, accounts))


def layer(task: Task, *, disarm: bool = False) -> Iterator[bytes]:
    """Yield a layer of ATT&CK or of DISARM.

    A technique counts once for itself, and once for each report or relationship that names it.
    """
    services = task.desk.services
    techniques: dict[str, tuple[str, str]] = {}
    naming: list[int] = []
    for at, ident, _ in exporting.idents(services.node, task.unit, task.exported.places):
        kind = ident.partition("--")[0]
        if kind == "attack-pattern":
            found = named_as(_DECODE(services.queries.body(task.unit, at)))
            if TECHNIQUE.fullmatch(found.ident) and found.disarm is disarm:
                techniques[ident] = (found.ident, found.name)
            else:
                framework = "DISARM" if disarm else "ATT&CK"
                task.sifted.left[f"no technique of {framework} by its references"] += 1
        elif kind in _NAMING:
            naming.append(at)
    times = Counter(techniques.keys())
    for at in naming:
        tree = _DECODE(services.queries.body(task.unit, at))
        times.update(ref for ref in {*reports.refs(tree), str(tree.get("target_ref"))} if ref in techniques)
    counted = (navigator.Technique(techniques[ident][0], count, techniques[ident][1]) for ident, count in times.items())
    return navigator.layer(counted, task.about, task.skipped, navigator.DISARM if disarm else "enterprise-attack")


def _accounts(task: Task) -> list[Account]:
    services = task.desk.services
    told = reports.reports(services.node, services.queries, task.unit, task.exported.places)
    return [_account(each) for each in told]


def _account(told: Told) -> Account:
    return account(
        told.tree, told.named, label=told.label, source=told.source, recorded=told.recorded, version=told.versions
    )


def _labelled(about: About, accounts: Sequence[Account]) -> About:
    """Return what a file says of itself, under the strictest label of what it shows."""
    label = max((one.label for one in accounts), key=lambda one: one.rank, default=Tlp(about.tlp))
    return about._replace(tlp=label.value)
