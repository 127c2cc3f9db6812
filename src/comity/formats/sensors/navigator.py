"""ATT&CK Navigator, and DISARM's: a layer of techniques with counts (layer format 4.5; DISARM's Navigator reads 4.4).

Rules: a technique's score is its count; the scale ends at the highest. A layer for ATT&CK has no version of it, so that
the Navigator takes its current one. It is written at once: either framework has fewer than 1,000 techniques.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from comity.formats.sensors.item import About, Skipped, moment, one_line

DISARM: Final = "DISARM"  # the domain of DISARM's Navigator, which was made of 4.8.2 of the other
_VERSIONS: Final = {"navigator": "4.9.0", "layer": "4.5"}
_DISARM_VERSIONS: Final = {"attack": "1", "navigator": "4.8.2", "layer": "4.4"}
_TECHNIQUE: Final = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?").fullmatch
_COLOURS: Final = ("#ffffff", "#66b1ff")
Domain = Literal["enterprise-attack", "mobile-attack", "ics-attack", "DISARM"]


class Technique(NamedTuple):
    """A technique or sub-technique and how often it was met."""

    ident: str  # e.g. T1566.001
    times: int
    comment: str = ""


def layer(
    techniques: Iterable[Technique], about: About, skipped: Skipped, domain: Domain = "enterprise-attack"
) -> Iterator[bytes]:
    """Write one layer. Counts of one technique given several times are added up."""
    counts: dict[str, int] = {}
    comments: dict[str, str] = {}
    for technique in techniques:
        if _TECHNIQUE(technique.ident) is None:
            skipped.add("technique", "technique", technique.ident)
            continue
        counts[technique.ident] = counts.get(technique.ident, 0) + technique.times
        comments.setdefault(technique.ident, one_line(technique.comment))
    tree = {
        "name": one_line(about.title) or "Techniques",
        "versions": _DISARM_VERSIONS if domain == DISARM else _VERSIONS,
        "domain": domain,
        "description": f"TLP:{one_line(about.tlp)} from {one_line(about.node)}, {moment(about.at)}",
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": [
            {"techniqueID": ident, "score": count, "comment": comments[ident], "enabled": True}
            for ident, count in sorted(counts.items())
        ],
        "gradient": {"colors": _COLOURS, "minValue": 0, "maxValue": max((*counts.values(), 1))},
        "metadata": [{"name": "TLP", "value": one_line(about.tlp)}, {"name": "edition", "value": str(about.serial)}],
    }
    yield msgspec.json.format(msgspec.json.encode(tree), indent=1)
