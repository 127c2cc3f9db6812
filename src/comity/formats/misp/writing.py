"""STIX objects to the parts of a MISP event.

Rules: `take` sorts each object by its type and raises nothing for what a checked object holds; `finish` joins
what belongs together, now that all is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from comity.errors import Malformed
from comity.formats.convert import Outcome
from comity.formats.misp import fields, hanging, reverse
from comity.formats.misp.marking import strictest
from comity.formats.misp.reverse import Typed
from comity.formats.misp.sheet import Entry, Sheet, Tree, labelled, labels_of
from comity.formats.misp.types import ROWS, Fate
from comity.formats.stix.check import TLP_MARKINGS
from comity.formats.stix.personal import is_personal
from comity.vocab import Tlp

_DISTRIBUTIONS: Final = {Tlp.CLEAR: 3, Tlp.GREEN: 2, Tlp.AMBER: 1, Tlp.AMBER_STRICT: 0, Tlp.RED: 0}
_SEALED: Final = frozenset({"user-account", "persona"})
_PERSONAL: Final = ("user-account", "display_name")  # in a pattern: then it is looked at closely
_OBSERVED: Final = frozenset(
    (
        *("autonomous-system", "cryptocurrency-wallet", "directory", "domain-name", "email-addr", "email-message"),
        *("file", "ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "url", "user-agent"),
        *("windows-registry-key", "x509-certificate"),
    )
)


def take(sheet: Sheet, tree: Tree) -> None:
    """Take one object that has a type and an id."""
    kind, ident = tree["type"], tree["id"]
    if kind in _SEALED:
        sheet.lose(ident, Outcome.SEALED, "person", "a personal account is never written")
        return
    if kind in _OBSERVED or kind.startswith("x-misp-"):
        sheet.observed[ident] = tree
    elif kind in {"sighting", "opinion", "relationship"}:
        sheet.late.append(tree)
    elif kind in _TAKERS:
        _TAKERS[kind](sheet, tree)
    elif kind in hanging.GALAXIES:
        hanging.cluster(sheet, tree)
    elif kind not in {"marking-definition", "extension-definition"}:
        sheet.lose(ident, Outcome.UNMAPPED, "type", f"MISP has no place for a {kind}")


def mark(sheet: Sheet, tree: Tree, ident: str) -> None:
    """Note how strict an object is, an older version of it too."""
    refs = list(tree.get("object_marking_refs") or ())
    refs += [part.get("marking_ref") for part in tree.get("granular_markings") or ()]
    for ref in refs:
        level = TLP_MARKINGS.get(ref)
        if level is None:
            sheet.lose(ident, Outcome.CHANGED, "marking", f"the marking {ref} is not written")
        else:
            sheet.levels.append(level)


def indicator(sheet: Sheet, tree: Tree) -> None:
    """Add what an indicator's pattern tests."""
    text, language = tree.get("pattern", ""), tree.get("pattern_type", "stix")
    comment = tree.get("description") or ""
    hint = labelled(labels_of(tree), "misp:type")
    if language != "stix":
        row = ROWS.get(hint)
        kind = hint if row is not None and row.language == language else reverse.LANGUAGES.get(language)
        if kind is None:
            sheet.lose(tree["id"], Outcome.UNMAPPED, "language", f"MISP has no type for a pattern in {language}")
        else:
            sheet.add(tree, [Typed(kind, text)], to_ids=True, comment=comment)
        return
    try:
        found = reverse.comparisons(text)
        personal = any(word in text for word in _PERSONAL) and is_personal(text)
    except Malformed as error:
        sheet.lose(tree["id"], Outcome.REFUSED, "pattern", str(error))
        return
    if personal:
        sheet.lose(tree["id"], Outcome.SEALED, "person", "a pattern of a personal account is never written")
        return
    typed: list[Typed] = []
    if found is not None and hint != "stix2-pattern":
        word, pairs = found
        if word == "OR":
            typed, left = reverse.apart(pairs)
            typed = [] if left else typed
        else:
            one = reverse.together(pairs, hint)
            typed = [one] if one is not None else []
    sheet.add(tree, typed or [Typed("stix2-pattern", text)], to_ids=True, comment=comment)


def observation(sheet: Sheet, tree: Tree) -> None:
    """Keep an observation until all observed objects are known."""
    sheet.observations.append(tree)


def note(sheet: Sheet, tree: Tree) -> None:
    """Add a note: the attribute or object it was once, else a report of the event."""
    labels = labels_of(tree)
    kind = labelled(labels, "misp:type")
    content, abstract = tree.get("content") or "", tree.get("abstract") or ""
    row = ROWS.get(kind)
    if row is not None and row.fate is Fate.SEALED:
        sheet.lose(tree["id"], Outcome.SEALED, "person", f"{kind}: about a person, never written")
    elif row is not None and content:
        to_ids = 'misp:to_ids="true"' in labels
        sheet.add(tree, [Typed(kind, content)], to_ids=to_ids, comment=abstract)
    elif isinstance(tree.get("x_misp_attributes"), list):
        hanging.object_(sheet, tree, sheet.when(tree))
    else:
        hanging.event_report(sheet, tree, abstract, content, sheet.when(tree))


def named(sheet: Sheet, tree: Tree) -> None:
    """Add an object that its name says all of; one that is no attribute is a cluster."""
    kind = labelled(labels_of(tree), "misp:type")
    if not kind and tree["type"] == "vulnerability":
        kind = "vulnerability"
    name = tree.get("name") or ""
    row = ROWS.get(kind)
    if row is not None and row.fate is Fate.NAMED and name:
        sheet.add(tree, [Typed(kind, name)], to_ids=False, comment=tree.get("description") or "")
    else:
        hanging.cluster(sheet, tree)


def finish(sheet: Sheet) -> tuple[Entry, list[Entry]]:
    """Return the event without its attributes, and these."""
    _observe(sheet)
    hanging.attach(sheet)
    level = strictest(*sheet.levels)
    about = sheet.about
    for galaxy, found in sheet.galaxies.items():
        sheet.event.setdefault("Galaxy", []).append({"type": galaxy, "name": galaxy, "GalaxyCluster": found})
        sheet.tags |= dict.fromkeys(f'misp-galaxy:{galaxy}="{one["value"]}"' for one in found)
    tags = ([f"tlp:{level.value.lower()}"] if level is not None else []) + list(sheet.tags)
    at = str(about.at)
    event: Entry = {"uuid": about.uuid, "info": about.info, "date": fields.timestamp(about.at * fields.MICROS)[:10]}
    event |= {"timestamp": at, "publish_timestamp": at if about.published else "0", "published": about.published}
    event |= {"threat_level_id": "4", "analysis": "2", "Orgc": {"uuid": about.org_uuid, "name": about.org}}
    # Without a level nobody has said who may have it, so it stays at home.
    event["distribution"] = str(_DISTRIBUTIONS[level] if level is not None else 0)
    event["Tag"] = [{"name": tag} for tag in tags]
    return event | sheet.event, [entry for entries in sheet.attributes.values() for entry in entries]


def _observe(sheet: Sheet) -> None:
    """Add what is observed: by the observation that names it, or by itself."""
    told: set[str] = set()
    inner = {ref for tree in sheet.observed.values() for ref in _named(tree, lists=True)}
    for tree in sheet.observations:
        refs = [ref for ref in tree.get("object_refs") or () if isinstance(ref, str)]
        held = [ref for ref in refs if ref in sheet.observed]
        if len(held) < len(refs):
            reason = f"{len(refs) - len(held)} objects that it names are not here"
            sheet.lose(tree["id"], Outcome.UNMAPPED, "observed", reason)
        within = {ref for each in held for ref in _named(sheet.observed[each], lists=True)}
        for ref in [ref for ref in held if ref not in within] or held:
            _show(sheet, tree, sheet.observed[ref], fields.text(tree, "x_misp_comment"))
            told.update(_named(sheet.observed[ref], lists=False))
        told.update(held)
    # Objects that name others go first: what they show of them need not be shown again.
    for ident, tree in sorted(sheet.observed.items(), key=lambda item: item[0] in inner):
        if ident not in told:
            _show(sheet, tree, tree, "")
            told.update(_named(tree, lists=True))


def _named(tree: Tree, *, lists: bool) -> list[str]:
    """Return what an observed object names by its references, with or without those that are lists."""
    refs: list[str] = []
    for name, value in tree.items():
        if name.endswith("_ref") and isinstance(value, str):
            refs.append(value)
        elif lists and name.endswith("_refs") and isinstance(value, list):
            refs += [ref for ref in value if isinstance(ref, str)]
    return refs


def _show(sheet: Sheet, source: Tree, tree: Tree, comment: str) -> None:
    named = set(source.get("object_refs") or ())
    pairs, left = reverse.shown(tree, sheet.observed, named)
    hint = labelled(labels_of(source), "misp:type")
    one = reverse.together(pairs, hint) if pairs else None
    typed = [one] if one is not None else []
    if one is None:
        typed, rest = reverse.apart(pairs)
        left = left + [place for place, _ in rest]
    for name in left:
        sheet.lose(tree["id"], Outcome.UNMAPPED, "property", f"{name} of a {tree['type']} has no attribute type")
    sheet.add(source, typed, to_ids=False, comment=comment)


_TAKERS: Final[dict[str, Callable[[Sheet, Tree], None]]] = {
    "indicator": indicator,
    "observed-data": observation,
    "note": note,
    "vulnerability": named,
    "threat-actor": named,
    "campaign": named,
    "report": hanging.report,
    "grouping": hanging.report,
    "identity": hanging.identity,
}
