"""Exporting to people and tools without a node: files of STIX or of values.

Rules: an export is a release like any other, decided by class for a named audience and purpose, and on
the home log before the first byte is handed out. What is withheld is counted with its grounds.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas import intel
from comity.errors import Malformed
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place, position
from comity.node.queries import Queries, Stated
from comity.node.releases import Class, Judged, Releases, class_runs
from comity.policy import Audience, Withholding
from comity.statement import INTEL_ATTACHMENT, INTEL_OBJECT, INTEL_PART, INTEL_SIGHTING
from comity.vocab import Tlp

_FILES: Final = frozenset({INTEL_ATTACHMENT, INTEL_PART})


@dataclass(slots=True)
class Exported:
    """What an export decided: positions that go, and the grounds of what does not."""

    audience: Audience
    places: MutableSequence[int] = field(default_factory=lambda: array("q"))
    withheld: int = 0
    grounds: dict[str, int] = field(default_factory=dict)
    labels: set[Tlp] = field(default_factory=set)  # of what goes


def decide_export(node: Node, releases: Releases, actor: Actor, places: Sequence[int], audience: Audience) -> Exported:
    """Decide for every place, put the decisions on the home log, and return what may go."""
    done = Exported(audience)
    logs: dict[int, dict[Class, array[int]]] = {}
    with node.store.read() as unit:
        for run in class_runs(unit, places):
            logs.setdefault(run.log_id, {}).setdefault(run.which, array("q")).extend(range(run.start, run.end))
    with node.writing() as unit:
        for log_id, classes in logs.items():
            log = unit.logs.get(log_id)
            decided: list[tuple[Class, Judged, Sequence[int]]] = []
            for which, indexes in classes.items():
                judged = releases.for_audience(unit, log, which, audience)
                decided.append((which, judged, indexes))
                _count(done, judged, log_id, indexes)
                if judged.released:
                    done.labels.add(label_of(node, unit, which))
            lines = releases.unrecorded(unit, log, decided, to=audience.name)
            if lines:
                releases.record(
                    unit, log, lines, to=audience.name, office=actor.office_id, why=f"export by {actor.user}"
                )
    return done


def label_of(node: Node, unit: Unit, which: Class) -> Tlp:
    """Return the label of a class, as narrowed since; RED where it has none."""
    marking = node.header(unit.entries.header(which.header_id)).marking
    standing = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
    return narrowed(marking, standing).tlp if marking else Tlp.RED


def _count(done: Exported, judged: Judged, log_id: int, indexes: Sequence[int]) -> None:
    if judged.released:
        done.places.extend([position(log_id, index) for index in indexes])
        return
    done.withheld += len(indexes)
    for decision in judged.decisions:
        if isinstance(decision, Withholding):
            for ground in decision.grounds:
                text = f"{ground.rule}: {ground.because}"
                done.grounds[text] = done.grounds.get(text, 0) + len(indexes)


def objects(
    queries: Queries, unit: Unit, exported: Exported, left: Counter[str], aside: list[int] | None = None
) -> Iterator[bytes]:
    """Yield what goes as STIX 2.1: objects in their producers' own bytes, and sightings of Comity's own as STIX.

    What STIX has no form for is counted in `left` with the reason; attachments go into `aside` where that is given.
    """
    for at in exported.places:
        told = as_stix(queries, unit, at)
        if told is None and aside is not None and intel.kind_of(queries.stated(unit, at).header) in _FILES:
            aside.append(at)
        elif told is None:
            left["no object of STIX: a sighting of a value, an expiration, a question, an attachment"] += 1
        else:
            yield told


def as_stix(queries: Queries, unit: Unit, at: int) -> bytes | None:
    """Return an entry as STIX: an object in its producer's own bytes; None where STIX has no form for it.

    Raises `NotFound` where its bytes are not held.
    """
    stated = queries.stated(unit, at)
    kind = intel.kind_of(stated.header)
    if kind == INTEL_OBJECT:
        return stated.body
    return _sighting(unit, at, stated) if kind == INTEL_SIGHTING else None


def _sighting(unit: Unit, at: int, stated: Stated) -> bytes | None:
    """Return a sighting as STIX, the same at every export; None where STIX has no form for it."""
    header = stated.header
    if header.marking is None:
        return None
    origin = header.relayed.origin if header.relayed else unit.logs.get(place(at)[0]).origin
    tlp = narrowed(header.marking, msgspec.json.decode(stated.standing, type=Standing)).tlp
    try:
        said = canon.decode(stated.body, intel.Sighting, what="a sighting")
        data = intel.as_stix(said, str(uuid5(NAMESPACE_URL, f"{origin}#{stated.number}")), header.at, tlp)
    except (Malformed, OverflowError):  # what a stranger states stops no export: a time may lie beyond all calendars
        return None
    # An object may be named by another party in any way: nothing goes out that STIX's own schemas refuse.
    return None if data is None or isinstance(check.check_many([data])[0], Refusal) else data


def idents(node: Node, unit: Unit, places: Sequence[int]) -> Iterator[tuple[int, str, Tlp]]:
    """Yield what names each entry, and its label: a STIX id, or where it stands if it is no object."""
    labels: dict[Class, Tlp] = {}
    for at in places:
        rows: Sequence[tuple[Any, ...]] = unit.views.scan(intel.OBJECT, at, at, limit=1)
        log_id, index = place(at)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        which = Class(brief.header_id, brief.standing_id)
        if which not in labels:
            labels[which] = label_of(node, unit, which)
        named = f"{intel.type_name(rows[0][2])}--{UUID(bytes=rows[0][1])}" if rows else f"{log_id}#{index}"
        yield at, named, labels[which]


def bundle(queries: Queries, unit: Unit, exported: Exported, ident: str, left: Counter[str]) -> Iterator[bytes]:
    """Yield a STIX 2.1 bundle of `objects`."""
    yield b'{"type":"bundle","id":"' + ident.encode() + b'","objects":['
    for number, data in enumerate(objects(queries, unit, exported, left)):
        yield (b",\n" if number else b"\n") + data
    yield b"\n]}\n"
