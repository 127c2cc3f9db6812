"""What an entry says, as a thing that a neighbour is told of: its values, its name, its ids, whose it is.

Rules: whether it may be told is decided elsewhere. What cannot be read is told by its place alone: what a stranger
states stops no message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from comity import canon
from comity.areas import intel
from comity.areas.intel import questions
from comity.errors import ComityError
from comity.formats.stix import observe
from comity.formats.telling.message import Thing, Value
from comity.node.ports import Log, Unit, place
from comity.node.queries import Queries, Stated
from comity.party import OfficeRef
from comity.statement import INTEL_ANSWER, INTEL_OBJECT, INTEL_QUESTION, INTEL_SIGHTING

VALUES_MAX: Final = 20  # values shown of one thing: a question may have a thousand
_TREE: Final = msgspec.json.Decoder(dict[str, Any]).decode


def thing(queries: Queries, unit: Unit, at: int, tlp: str, fields: Iterable[str], note: str = "") -> Thing:
    """Return what an entry says, with the fields that may be seen."""
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    name = f"{log.origin}#{index}"
    told = Thing(statement=name, tlp=tlp, note=note)
    try:
        stated = queries.stated(unit, at)
        told = told._replace(author=_author(log, stated), **_of_kind(stated))
    except (ComityError, msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError, TypeError, RecursionError):
        pass  # its bytes are gone, or are none of the kinds that are read here
    return seen(told, fields)


def seen(told: Thing, fields: Iterable[str]) -> Thing:
    """Return a thing without the fields that may not be seen."""
    left = set(fields)
    return told._replace(
        values=told.values if "values" in left else (),
        name=told.name if "names" in left else "",
        id=told.id if "ids" in left else "",
        statement=told.statement if "ids" in left else "",
        author=told.author if "authors" in left else "",
        note=told.note if "names" in left else told.note.partition(":")[0],
    )


def _author(log: Log, stated: Stated) -> str:
    relayed = stated.header.relayed
    if relayed is None:
        return str(OfficeRef(log.party, stated.header.office))
    return str(OfficeRef(canon.parse_origin(relayed.origin)[0], relayed.office))


def _of_kind(stated: Stated) -> dict[str, Any]:
    kind = intel.kind_of(stated.header)
    if kind == INTEL_OBJECT:
        return _object(_TREE(stated.body))
    if kind == INTEL_SIGHTING:
        said = canon.decode(stated.body, intel.Sighting, what="a sighting")
        values: tuple[Value, ...] = (Value(said.kind, said.value),) if said.value else ()
        told = f"{said.verdict.value}: {said.note}" if said.note else said.verdict.value
        return {"type": "sighting", "id": said.object, "name": told, "values": values}
    if kind == INTEL_QUESTION:
        question = questions.read_question(stated.header, stated.body)
        told = f"{question.why.value}: {question.text}" if question.text else question.why.value
        values = tuple(Value(one.kind, one.value) for one in question.about[:VALUES_MAX])
        return {"type": "question", "name": told, "values": values}
    if kind == INTEL_ANSWER:
        answer = questions.read_answer(stated.header, stated.body)
        values = tuple(Value(line.kind, line.value) for line in answer.lines[:VALUES_MAX] if line.value)
        said_all = sorted({line.said.value for line in answer.lines})
        told = "declined" if answer.declined else ", ".join(said_all) or answer.note
        return {"type": "answer", "name": told, "values": values}
    return {"type": kind.rpartition(".")[2]}


def _object(tree: dict[str, Any]) -> dict[str, Any]:
    found, _ = observe.of_object(tree)
    name = tree.get("name") or tree.get("abstract") or ""
    return {
        "type": str(tree["type"]),
        "id": str(tree["id"]),
        "name": name if isinstance(name, str) else "",
        "values": tuple(Value(one.kind, one.value) for one in found[:VALUES_MAX]),
    }
