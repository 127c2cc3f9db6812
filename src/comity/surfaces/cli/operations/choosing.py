"""What people mean by a name, a query or a marking.

Rules: of several entries that carry an object, this office's own collected record comes first: it is what
is stated, retracted or narrowed. A word that is in no vocabulary is a misuse that names the vocabulary.
"""

from __future__ import annotations

import uuid
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from comity.areas import intel
from comity.errors import Misuse, NotFound
from comity.node import attachments, collections, searching
from comity.node.actor import Actor
from comity.node.ports import Unit, place, position
from comity.node.services import Services
from comity.policy import parse_audience
from comity.statement import INTEL_OBJECT, Marking
from comity.surfaces.cli.desk import Desk
from comity.surfaces.cli.verbs import MarkingSaid
from comity.surfaces.cli.verbs.release import Choice
from comity.vocab import Pap, Tlp, Use

W = TypeVar("W", bound=StrEnum)
CHUNK = 4_096  # rows looked at in one step


def one_of(vocabulary: type[W], text: str, *, what: str) -> W:
    """Return the word of a closed vocabulary that a person wrote. Raises `Misuse`."""
    said = text.removeprefix("TLP:").removeprefix("PAP:").casefold()
    for word in vocabulary:
        if word.value.casefold() == said:
            return word
    raise Misuse(f"{text!r} is not {what}", hint=f"one of {', '.join(word.value for word in vocabulary)}")


def marking_of(said: MarkingSaid) -> Marking:
    """Return the marking that people said. Raises `Misuse` where it has no TLP label."""
    if not said.tlp:
        raise Misuse("a marking begins with its TLP label", hint="--tlp CLEAR, GREEN, AMBER, AMBER+STRICT or RED")
    for name in said.to:
        parse_audience(name)
    return Marking(
        tlp=one_of(Tlp, said.tlp, what="a TLP label"),
        pap=one_of(Pap, said.pap, what="a PAP label") if said.pap else Pap.RED,
        to=tuple(sorted(said.to)),
        embargo=said.embargo,
        use=tuple(one_of(Use, word, what="a permitted use") for word in said.use) or (Use.DEFENCE,),
        transfer=tuple(sorted(said.transfer)),
        personal=said.personal,
        onward=said.onward,
    )


def narrower(marking: Marking, said: MarkingSaid) -> Marking:
    """Return a marking with what people said put in its place; whether that is narrower is for the rules to say."""
    for name in said.to:
        parse_audience(name)
    return msgspec.structs.replace(
        marking,
        tlp=one_of(Tlp, said.tlp, what="a TLP label") if said.tlp else marking.tlp,
        pap=one_of(Pap, said.pap, what="a PAP label") if said.pap else marking.pap,
        to=tuple(sorted(said.to)) or marking.to,
        embargo=said.embargo or marking.embargo,
        onward=marking.onward and said.onward,
    )


def marking_text(marking: Marking | None) -> str:
    """Return a marking on one line, as people read it."""
    if marking is None:
        return "unmarked"
    words = [marking.tlp.label, f"PAP:{marking.pap.value}"]
    words += [f"to {', '.join(marking.to)}"] if marking.to else []
    words += [] if marking.use == (Use.DEFENCE,) else [f"use {', '.join(marking.use)}"]
    words += [f"not before {marking.embargo}"] if marking.embargo else []
    words += [] if marking.onward else ["not passed on"]
    words += ["personal data"] if marking.personal else []
    words += [f"transfer to {', '.join(marking.transfer)}"] if marking.transfer else []
    return " ".join(words)


def mine_first(services: Services, unit: Unit, actor: Actor, name: str) -> list[int]:
    """Return the entries a name means: this office's own where there are any, else everybody's newest version."""
    witnesses = services.queries.entries_of(unit, actor, name)
    own = [w.position for w in witnesses if is_own(services, unit, actor, w.position)]
    if own:
        return own
    if "--" in name and "#" not in name:
        newest = services.queries.versions(unit, actor, name)[0]
        return [newest.witnesses[0].position]
    return [w.position for w in witnesses]


def is_own(services: Services, unit: Unit, actor: Actor, at: int) -> bool:
    """Say whether an entry is this office's own record, in its home log or where it stated it."""
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    if not log.own:
        return False
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    header = services.node.header(unit.entries.header(brief.header_id))
    return header.office == actor.office_id and header.relayed is None


def chosen(services: Services, unit: Unit, actor: Actor, choice: Choice, *, received: bool) -> Sequence[int]:
    """Return the entries a choice means; `received` adds what other parties stated. Raises `Misuse`, `NotFound`."""
    if choice.names and choice.queries:
        raise Misuse("name objects, or give a query, not both")
    if not choice.names and not choice.queries:
        hint = "name objects, or give --source, --type, --since, --value or --collection"
        raise Misuse("nothing is chosen", hint=hint)
    if choice.collection:
        if choice != Choice(collection=choice.collection):
            raise Misuse("a collection is its own query: give nothing beside it")
        return _collected(services, unit, actor, choice.collection, received=received)
    if choice.interest:
        if choice != Choice(interest=choice.interest):
            raise Misuse("an interest is its own query: give nothing beside it")
        return _asked_for(services, unit, actor, choice.interest)
    if choice.names:
        places = sorted({at for name in choice.names for at in mine_first(services, unit, actor, name)})
        return attachments.with_parts(services.node, services.queries, unit, actor, places)
    if choice.type and not intel.type_code(choice.type):
        raise Misuse(f"{choice.type!r} is not a STIX 2.1 object type")
    candidates: Iterable[int]
    if choice.values:
        known = services.queries.lookup_many(unit, actor, choice.values)
        candidates = {w.position for each in known for found in each for w in found.witnesses}
        code = intel.type_code(choice.type) if choice.type else None
        candidates = [at for at in sorted(candidates) if _fits(services, unit, at, choice, code)]
    else:
        candidates = _of_query(services, unit, choice, received=received)
    if received:
        return services.queries.readable(unit, actor, array("q", candidates))
    return [at for at in candidates if is_own(services, unit, actor, at)]


def with_named(services: Services, unit: Unit, actor: Actor, places: Iterable[int]) -> list[int]:
    """Return entries together with what they name: what is in a report, what a note or relationship is about.

    One step only, and only what is held here and the actor may read; deciding about it comes after.
    """
    found = set(places)
    for at in list(found):
        stated = services.queries.stated(unit, at)
        if intel.kind_of(stated.header) != INTEL_OBJECT:
            continue
        for ident in _named(stated.body):
            if not unknown(services, unit, actor, ident):
                found.update(mine_first(services, unit, actor, ident))
    return sorted(found)


def _named(body: bytes) -> Iterator[str]:
    """Yield the ids that an object names in its lists of references."""
    tree = msgspec.json.decode(body)
    for name in ("object_refs", "sample_refs"):
        for ref in tree.get(name) or ():
            if isinstance(ref, str):
                yield ref


def _asked_for(services: Services, unit: Unit, actor: Actor, name: str) -> list[int]:
    """Return this office's own objects that fit an interest."""
    voiced = services.interests.named(unit, actor, name)
    if not voiced.holds(services.node.now()):
        raise Misuse(f"{name} was withdrawn or has ended: nobody asks for it any more")
    places: list[int] = []
    before = 0
    while True:
        found = services.interests.fitting(unit, actor, [voiced.interest], before=before, most=10_000)
        places += found.places
        before = found.before
        if not before:
            return sorted(places)


def ident_at(unit: Unit, at: int) -> str:
    """Return the STIX id of the object at a position. Raises `NotFound` for an entry that is none."""
    rows = unit.views.scan(intel.OBJECT, at, at, limit=1)
    if not rows or not isinstance(rows[0][1], bytes):
        raise NotFound(
            "this statement is no object of intelligence", hint="`comity log prove` writes it with its proof"
        )
    return f"{intel.type_name(int(rows[0][2] or 0))}--{uuid.UUID(bytes=rows[0][1])}"


def indexed(desk: Desk, choice: Choice) -> None:
    """Index what is due, where a collection is meant that may ask for words. Never inside a unit of work."""
    total = 0
    while choice.collection and (left := searching.catch_up(desk.services.node)):
        total = max(total, left)
        desk.report("indexing", total - left, total)
        desk.pause()


def unknown(services: Services, unit: Unit, actor: Actor, name: str) -> bool:
    """Say whether nothing that the actor may read is held under a name."""
    try:
        return not services.queries.entries_of(unit, actor, name)
    except NotFound:
        return True


def _collected(services: Services, unit: Unit, actor: Actor, name: str, *, received: bool) -> list[int]:
    """Return the entries that a collection means now; what is no longer held of it is left out."""
    saved = collections.get(unit, actor, name)
    query = saved.query
    places = {
        at
        for ident in saved.objects
        if not unknown(services, unit, actor, ident)
        for at in mine_first(services, unit, actor, ident)
    }
    if not query.asks:
        return sorted(places)
    since = query.after(services.node.now())
    base = Choice(source=query.source, type=query.type, since=since, values=query.values)
    found = chosen(services, unit, actor, base, received=received) if base.queries else None
    if query.words:
        told = collections.having(services.queries, unit, actor, query.words)
        kept = [at for at in told if received or is_own(services, unit, actor, at)] if found is None else found
        found = [at for at in kept if at in told]
    if query.tlp is not None:
        found = collections.at_most(services.queries, unit, actor, found or (), query.tlp)
    return sorted(places.union(found or ()))


def _of_query(services: Services, unit: Unit, choice: Choice, *, received: bool) -> Iterator[int]:
    for at, _ in services.queries.home_objects(unit, source=choice.source, type_=choice.type, after=choice.since):
        yield at
    if not received or choice.source:
        return
    code = intel.type_code(choice.type) if choice.type else None
    for log in unit.logs.all():
        if log.own:
            continue
        for start in range(0, log.size, CHUNK):
            last = min(start + CHUNK, log.size) - 1
            for row in unit.views.scan(intel.OBJECT, position(log.id, start), position(log.id, last), limit=CHUNK):
                at = int(row[0] or 0)
                if (code is None or row[2] == code) and _fits(services, unit, at, choice, None):
                    yield at


def _fits(services: Services, unit: Unit, at: int, choice: Choice, code: int | None) -> bool:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    header = services.node.header(unit.entries.header(brief.header_id))
    if header.at < choice.since or choice.source not in {"", header.source}:
        return False
    if code is None:
        return True
    rows = unit.views.scan(intel.OBJECT, at, at, limit=1)
    return bool(rows) and rows[0][2] == code
