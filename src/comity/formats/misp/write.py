"""STIX 2.1 objects to one MISP event.

Rules: values become attributes; what was an attribute once becomes the same one again, by its id and labels.
Clusters, sightings and reports go where MISP has them. The event is as strict as its strictest object. What MISP
has no place for is said; a person's account is never written. All is held until the end: what hangs on an
attribute may come after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from comity.formats.convert import Losses, Outcome
from comity.formats.misp.sheet import About, Sheet
from comity.formats.misp.writing import finish, mark, take
from comity.formats.stix import strict
from comity.formats.stix.report import Refusal
from comity.limits import MISP_ATTRIBUTES_MAX, SPLIT_WINDOW_BYTES

Tree = Mapping[str, Any]

_ENCODE: Final = msgspec.json.Encoder().encode

__all__ = ["About", "write"]


def write(objects: Iterable[bytes | Mapping[str, Any]], about: About, losses: Losses) -> Iterator[bytes]:
    """Yield the JSON of one MISP event of checked STIX 2.1 objects, in pieces of some 64 kB.

    `objects` are JSON or decoded; `losses` takes what did not come over whole, by each object's id.
    """
    sheet = Sheet(about, losses)
    latest: dict[object, Tree] = {}
    for given in objects:
        tree = strict.decode(given) if isinstance(given, bytes) else given
        if isinstance(tree, Refusal):
            sheet.lose(tree.ident, Outcome.REFUSED, tree.rule, tree.reason)
        elif not (isinstance(tree.get("id"), str) and isinstance(tree.get("type"), str)):
            sheet.lose("", Outcome.REFUSED, "object", "no type or no id")
        elif len(latest) >= 2 * MISP_ATTRIBUTES_MAX and tree["id"] not in latest:
            sheet.lose(
                tree["id"], Outcome.REFUSED, "too-many", "more objects than an event holds (MISP_ATTRIBUTES_MAX)"
            )
        else:
            mark(sheet, tree, tree["id"])
            latest[tree["id"]] = _newest(sheet, latest.get(tree["id"]), tree)
    for ident in list(latest):
        take(sheet, latest.pop(ident))
    event, attributes = finish(sheet)
    yield b'{"Event":' + _ENCODE(event)[:-1] + b',"Attribute":['
    pieces: list[bytes] = []
    size = 0
    for at, attribute in enumerate(attributes):
        piece = (b"," if at else b"") + _ENCODE(attribute)
        pieces.append(piece)
        size += len(piece)
        if size > SPLIT_WINDOW_BYTES:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    pieces.append(b"]}}")
    yield b"".join(pieces)


def _newest(sheet: Sheet, known: Tree | None, tree: Tree) -> Tree:
    """Return the newer of two versions; of observed objects, which have none, both with what each says it names."""
    if known is None:
        return tree
    if "modified" not in known:
        lists = [name for name, value in known.items() if name.endswith("_refs") and isinstance(value, list)]
        both = {name: [*known[name], *tree[name]] for name in lists if isinstance(tree.get(name), list)}
        return {**known, **tree, **both}
    before, after = str(known["modified"]), str(tree.get("modified"))
    if before != after:
        sheet.lose(tree["id"], Outcome.CHANGED, "version", "an older version is left out")
    return tree if after > before else known
