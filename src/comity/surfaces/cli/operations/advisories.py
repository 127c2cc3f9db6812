"""CSAF documents that came in and may go out again as they came.

Rules: an original goes only where all that was made of it may go, under no stricter label than it bears itself: then it
says nothing that was not decided. What counts is what this office made of it, from that source, byte for byte: its ids
follow from its publisher and its number, so anybody can say anything under them. What a reader refused of it was
decided by nobody; what it sealed (who is thanked) goes only in a document that its publisher gave to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity import canon
from comity.canon import Instant
from comity.errors import NotFound
from comity.formats import csaf, fields
from comity.formats.convert import Context, Loss, Outcome
from comity.formats.csaf import provider
from comity.formats.csaf.tracking import STATUSES
from comity.formats.csaf.write import file_name
from comity.node import importing
from comity.node.importing import Imported
from comity.node.ports import place
from comity.surfaces.cli.operations.forms import Task
from comity.vocab import Tlp

FORM: Final = "csaf"
VERSION: Final = "2.0"  # the one that ROLIE feeds of CSAF 2.0 list
_LABELS: Final = {"WHITE": Tlp.CLEAR, "GREEN": Tlp.GREEN, "AMBER": Tlp.AMBER, "RED": Tlp.RED}
_YEAR: Final = re.compile(r"[0-9]{4}-")
_MICROS: Final = 1_000_000
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode


Going = Mapping[str, Sequence[tuple[int, Tlp]]]
"""Where each object stands that may go, by its STIX id, and under which label."""


class Original(NamedTuple):
    """A document as it came, and what it became here."""

    made: provider.Made
    idents: frozenset[str]  # STIX ids of all that was made of it


def originals(task: Task, going: Going) -> Iterator[Original]:
    """Yield the documents that may go as they came, the newest version of each: of equal publisher and tracking id."""
    newest: dict[tuple[str, str], Original] = {}
    with_parts = [one for one in importing.imports(task.unit, task.actor.office_id) if one.form == FORM and one.parts]
    for imported in with_parts:
        try:
            data = b"".join(importing.original(task.desk.services.node, imported))
        except NotFound:  # erased since
            continue
        found = _original(task, imported, data, going)
        if found is None:
            task.sifted.left["a CSAF document that may not go as it came"] += 1
            continue
        about = found.made.document["document"]
        key = (about["publisher"]["namespace"], about["tracking"]["id"])
        if key not in newest or newest[key].made.released < found.made.released:
            newest[key] = found
    yield from newest.values()


def _original(task: Task, imported: Imported, data: bytes, going: Going) -> Original | None:
    """Return a document that may go as it is, or None."""
    labels: dict[str, Tlp] = {}
    sealed = False
    for thing in csaf.read([data], Context(imported.source, imported.at)):
        if isinstance(thing, Loss):
            if thing.outcome is Outcome.REFUSED:
                return None
            sealed = sealed or thing.outcome is Outcome.SEALED
            continue
        ident = str(_DECODE(thing.data)["id"])
        label = _label(task, imported, thing.data, going.get(ident, ()))
        if label is None:
            return None
        labels[ident] = label
    if not labels:
        return None
    made = _made(data)
    if made is None or (sealed and made.label != "WHITE"):
        return None
    if any(label.rank > _LABELS[made.label].rank for label in labels.values()):
        return None
    return Original(made, frozenset(labels))


def _label(task: Task, imported: Imported, data: bytes, places: Sequence[tuple[int, Tlp]]) -> Tlp | None:
    """Return the strictest label under which this office's own object of an import may go; None where it may not."""
    found: list[Tlp] = []
    for at, label in places:
        log = task.unit.logs.get(place(at)[0])
        if not log.own or canon.parse_origin(log.origin)[1] is not None:
            continue
        stated = task.desk.services.queries.stated(task.unit, at)
        if (stated.header.office, stated.header.source) == (imported.office, imported.source) and stated.body == data:
            found.append(label)
    return max(found, key=lambda label: label.rank, default=None)


def _made(data: bytes) -> provider.Made | None:
    """Return a document as the tree takes it; None where the tree could not name it by its own words."""
    tree = _DECODE(data.removeprefix(b"\xef\xbb\xbf"))
    try:
        about, tracking = tree["document"], tree["document"]["tracking"]
        label = about.get("distribution", {}).get("tlp", {}).get("label", "WHITE")
        dates = _instant(tracking["initial_release_date"]), _instant(tracking["current_release_date"])
        known = about["csaf_version"] == VERSION and tracking["status"] in STATUSES and label in _LABELS
        named = all(isinstance(text, str) and text.strip() for text in (about["title"], tracking["id"]))
        named = named and isinstance(about["publisher"]["namespace"], str)
        named = named and len(file_name(tracking["id"])) <= provider.FILE_NAME_MAX  # a longer one would stop the rest
    except (KeyError, TypeError, AttributeError):
        return None
    if not known or not named or None in dates or not _YEAR.match(str(tracking["initial_release_date"])):
        return None
    begun, released = dates
    assert begun is not None
    assert released is not None
    return provider.Made(tree, label, released, begun, data)


def _instant(text: object) -> Instant | None:
    found = fields.moment(text) if isinstance(text, str) else None
    return None if found is None else found // _MICROS
