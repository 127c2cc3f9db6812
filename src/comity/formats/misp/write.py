"""STIX 2.1 objects to one MISP event.

Rules: values become attributes; what was an attribute once becomes the same one again, by its id and labels.
Clusters, sightings and reports go where MISP has them. The event is as strict as its strictest object. What MISP
has no place for is said; a person's account is never written. All is held until the end: what hangs on an
attribute may come after it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from uuid import uuid5

import msgspec

from comity.canon import Instant
from comity.errors import ComityError
from comity.formats.convert import NAMESPACE, Losses, Outcome
from comity.formats.misp.categories import category
from comity.formats.misp.files import SAMPLE, wrapped
from comity.formats.misp.sheet import About, Entry, Sheet
from comity.formats.misp.writing import finish, mark, take
from comity.formats.stix import strict
from comity.formats.stix.report import Refusal
from comity.limits import MISP_ATTRIBUTES_MAX, SPLIT_WINDOW_BYTES

Tree = Mapping[str, Any]

_ENCODE: Final = msgspec.json.Encoder().encode

__all__ = ["About", "File", "write"]


class File(NamedTuple):
    """A file that goes with an event."""

    name: str
    md5: str
    about: tuple[str, ...]  # STIX ids
    at: Instant  # seconds
    note: str
    ident: str  # what its own attribute's UUID follows from, where it has none yet
    read: Callable[[], bytes]  # all of it; raises `ComityError` where it is not whole


def write(
    objects: Iterable[bytes | Mapping[str, Any]], about: About, losses: Losses, files: Iterable[File] = ()
) -> Iterator[bytes]:
    """Yield the JSON of one MISP event of checked STIX 2.1 objects, in pieces of some 64 kB and one for each file.

    `objects` are JSON or decoded; `losses` takes what did not come over whole, by each object's id. `files` are asked
    for after the last object.
    """
    sheet = laid_out(objects, about, losses)
    event, attributes = finish(sheet)
    carrying: dict[int, File] = {}
    for file in files:
        _carry(sheet, attributes, file, carrying)
    yield b'{"Event":' + _ENCODE(event)[:-1] + b',"Attribute":['
    pieces: list[bytes] = []
    size = 0
    for at, attribute in enumerate(attributes):
        if at in carrying:
            attribute = attribute | _data(sheet, attribute, carrying[at])  # noqa: PLW2901 - held no longer than needed
        piece = (b"," if at else b"") + _ENCODE(attribute)
        pieces.append(piece)
        size += len(piece)
        if size > SPLIT_WINDOW_BYTES:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    pieces.append(b"]}}")
    yield b"".join(pieces)


def laid_out(objects: Iterable[bytes | Mapping[str, Any]], about: About, losses: Losses) -> Sheet:
    """Return the sheet of checked STIX 2.1 objects, for `finish`: the newest of each, in their order."""
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
    return sheet


def _carry(sheet: Sheet, attributes: list[Entry], file: File, carrying: dict[int, File]) -> None:
    """Find the attribute that a file belongs to, by what it is about and is called; else add a sample."""
    own = {id(one) for ident in file.about for one in sheet.attributes.get(ident, ())}
    for at, one in enumerate(attributes):
        if id(one) in own and at not in carrying and _fits(one, file):
            carrying[at] = file
            return
    if len(attributes) >= MISP_ATTRIBUTES_MAX:
        sheet.lose(file.ident, Outcome.REFUSED, "too-many", "the event is full (MISP_ATTRIBUTES_MAX)")
        return
    name = file.name.replace("|", "_")
    entry: Entry = {"uuid": str(uuid5(NAMESPACE, file.ident)), "type": SAMPLE, "category": category(SAMPLE, "")}
    entry |= {"value": f"{name}|{file.md5}", "to_ids": False, "comment": file.note, "timestamp": str(file.at)}
    carrying[len(attributes)] = file
    attributes.append(entry | {"distribution": "5", "deleted": False, "disable_correlation": False})


def _fits(attribute: Entry, file: File) -> bool:
    name, _, digest = attribute["value"].partition("|")
    if attribute["type"] == "attachment":
        return bool(attribute["value"].strip() == file.name)
    return attribute["type"] == SAMPLE and name.strip() == file.name and digest.strip().lower() in {"", file.md5}


def _data(sheet: Sheet, attribute: Entry, file: File) -> Entry:
    """Return a file as MISP has it: a sample in its ZIP; nothing, and said, where it is not whole here."""
    try:
        data = file.read()
    except ComityError as error:
        sheet.lose(file.ident, Outcome.UNMAPPED, "attachment", str(error))
        return {}
    if attribute["type"] == SAMPLE:
        data = wrapped(data, file.name)
    return {"data": base64.b64encode(data).decode()}


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
