"""Who may have it: MISP's distribution levels and `tlp:` tags as one TLP level.

Rules: the strictest of all that is said counts. What is not understood is RED and said (fails closed). A level that is
not written at all says nothing, as in every MISP feed: then tags and the source's default marking decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from comity.formats.convert import Loss, Outcome, loss
from comity.formats.misp import fields
from comity.vocab import Tlp

INHERITS: Final = 5
SHARING_GROUP: Final = 4
LEVELS: Final[dict[int, Tlp | None]] = {  # MISP core format §2.2.1.6 (distribution)
    0: Tlp.AMBER_STRICT,  # your organisation only
    1: Tlp.AMBER,  # this community only
    2: Tlp.GREEN,  # connected communities
    3: None,  # all communities: the tags or the source's default decide; never CLEAR by itself
}
TAGS: Final = {
    "tlp:white": Tlp.CLEAR,
    "tlp:clear": Tlp.CLEAR,
    "tlp:green": Tlp.GREEN,
    "tlp:amber": Tlp.AMBER,
    "tlp:amber+strict": Tlp.AMBER_STRICT,
    "tlp:red": Tlp.RED,
}


def of_distribution(tree: Mapping[str, Any], where: str, *, inherits: bool) -> tuple[Tlp | None, list[Loss]]:
    """Return the level of an event's or part's `distribution`; parts may inherit their event's."""
    value = tree.get("distribution")
    if value is None or value == "":
        return None, []
    level = fields.number(tree, "distribution")
    if level in LEVELS:
        return LEVELS[level], []
    if level == INHERITS and inherits:
        return None, []
    if level == SHARING_GROUP:
        group = tree.get("SharingGroup")
        name = fields.hit(group[0] if isinstance(group, list) and group else group, ("name", "uuid"))
        name = name or f"number {fields.text(tree, 'sharing_group_id') or 'unknown'}"
        reason = f"the sharing group {name} has no counterpart here: marked TLP:RED"
        return Tlp.RED, [loss(where, Outcome.CHANGED, "sharing-group", reason)]
    reason = f"distribution {value!r} is unknown: marked TLP:RED"
    return Tlp.RED, [loss(where, Outcome.CHANGED, "distribution", reason)]


def of_tags(names: Iterable[str], where: str) -> tuple[Tlp | None, list[Loss]]:
    """Return the strictest level among tags."""
    found = [name for name in names if name[:4].lower() == "tlp:"]
    if not found:
        return None, []
    losses = [
        loss(where, Outcome.CHANGED, "tlp", f"the tag {name} is no TLP level: marked TLP:RED")
        for name in found
        if name.lower() not in TAGS
    ]
    levels = {TAGS.get(name.lower(), Tlp.RED) for name in found}
    level = strictest(*levels)
    if len(levels) > 1:
        names_ = ", ".join(found)
        losses.append(loss(where, Outcome.CHANGED, "tlp", f"{names_}: the strictest counts, TLP:{level}"))
    return level, losses


def strictest(*levels: Tlp | None) -> Tlp | None:
    """Return the strictest level; None where none is said."""
    found: Tlp | None = None
    for level in levels:
        if level is not None and (found is None or level.rank > found.rank):
            found = level
    return found
