"""Intelligence: looking it up, showing it, reporting sightings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from comity import canon
from comity.areas import intel
from comity.errors import Malformed, Misuse
from comity.formats import observables
from comity.formats.decay import Verdict
from comity.formats.observables import Observable
from comity.node import ingest as ingesting
from comity.node import knowing, remarks, scoring, sightings
from comity.node.actor import Actor
from comity.node.ports import Unit, place
from comity.node.queries import Found, Witness
from comity.node.sharing import Offer
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import ident_at, marking_of, marking_text, one_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import intel as verbs

STIX_ID: Final = "stix-id"  # the kind of a value that is an object's own id
DETAILED_MAX: Final = 256  # values of one answer whose remarks and contradictions are looked for, a millisecond each
REMARKED_MAX: Final = 64  # objects of one answer whose opinions and notes are looked for


# -- looking up ------------------------------------------------------------------


def lookup(desk: Desk, ask: verbs.Lookup) -> verbs.Answers:
    """Say what is known of each value: by whom, under which marking, for how long."""
    queries = desk.services.queries
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        known = queries.lookup_many(unit, actor, ask.values)
        detailed = len(ask.values) <= DETAILED_MAX
        answers: list[verbs.Answer] = []
        for text, found in zip(ask.values, known, strict=True):
            read = observables.recognise(text)
            seen = [s for o in read for s in _seen(desk, unit, actor, observables.key(o))]
            named = queries.versions(unit, actor, text) if _is_id(text) else []
            meant = {key: Observable(kind, value) for key, kind, value in observables.keyed(text)}
            objects = tuple(
                _object(desk, unit, each, meant.get(each.key, Observable(STIX_ID, text)))
                for each in _newest_first([*found, *named])
            )
            read_as = " or ".join(f"{o.kind} {o.value}" for o in read[:3])
            scores = _scores(desk, unit, actor, text, found) if found else ()
            keys = [key for key, *_ in observables.keyed(text)]
            told, apart = _remarks(desk, unit, actor, [*found, *named], keys) if detailed else ((), ())
            answers.append(verbs.Answer(text, read_as, objects, tuple(seen), scores, told, apart))
    return verbs.Answers(tuple(answers), sum(1 for a in answers if a.found or a.sightings))


def know(desk: Desk, ask: verbs.Know) -> verbs.KnownMany:
    """Say of each of many values on one line what is known."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = knowing.known(desk.services.queries, unit, actor, ask.values, node.now())
    words: dict[int, str] = {}  # markings are few, and one value for each class
    lines = []
    for one in found:
        marking = ""
        if one.witnesses:
            marking = words.get(id(one.marking)) or words.setdefault(id(one.marking), marking_text(one.marking))
        lines.append(
            verbs.Known(
                one.asked,
                one.state.value,
                one.kind,
                one.value,
                one.party,
                one.office,
                one.source,
                marking,
                one.modified,
                one.until,
                one.confidence,
                one.objects,
                one.witnesses,
                one.sightings,
                one.score,
            )
        )
    return verbs.KnownMany(tuple(lines))


def _is_id(text: str) -> bool:
    try:
        intel.uuid_of(text)
    except Malformed:
        return False
    return True


def _newest_first(found: Sequence[Found]) -> list[Found]:
    return sorted(found, key=lambda f: (-f.modified, f.object))


def _object(desk: Desk, unit: Unit, found: Found, value: Observable) -> verbs.ObjectShown:
    body = msgspec.json.decode(desk.services.queries.body(unit, found.witnesses[0].position))
    return verbs.ObjectShown(
        value=value.value,
        kind=value.kind,
        id=str(body["id"]),
        type=str(body["type"]),
        name=str(body.get("name", "")),
        modified=found.modified,
        until=found.until,
        revoked=found.revoked,
        current=found.current(desk.services.node.now()),
        witnesses=tuple(_witness(unit, witness) for witness in found.witnesses),
    )


def _witness(unit: Unit, witness: Witness) -> verbs.WitnessShown:
    log_id, index = place(witness.position)
    return verbs.WitnessShown(
        statement=f"{unit.logs.get(log_id).origin}#{index}",
        party=witness.party,
        office=witness.office,
        source=witness.source,
        marking=marking_text(witness.marking),
        at=witness.at,
        retracted=witness.retracted,
        corrected_by=witness.corrected_by,
    )


def _seen(desk: Desk, unit: Unit, actor: Actor, key: bytes) -> list[verbs.Seen]:
    found: list[verbs.Seen] = []
    for witness, seen, count, verdict, is_stix in desk.services.queries.sightings(unit, actor, key):
        body = desk.services.queries.body(unit, witness.position)
        if is_stix:
            tree = msgspec.json.decode(body, type=dict[str, object])
            note = str(tree.get("explanation") or tree.get("description") or "")
        else:
            note = canon.decode(body, intel.Sighting, what="a sighting").note
        found.append(verbs.Seen(witness.party, witness.office, seen, count, note, witness.retracted, verdict.value))
    return found


def _scores(desk: Desk, unit: Unit, actor: Actor, text: str, found: Sequence[Found]) -> tuple[verbs.ScoreShown, ...]:
    """Return what each reading of a value is worth."""
    shown: list[verbs.ScoreShown] = []
    for key, kind, value in observables.keyed(text):
        one = scoring.of_value(desk.services.queries, unit, actor, kind, key, found, desk.services.node.now())
        if one is not None:
            basis = tuple(verbs.BasisShown(*each) for each in one.basis)
            shown.append(
                verbs.ScoreShown(
                    kind, value, one.score, one.faded, one.base, one.left, one.since, one.model, one.doubted_by,
                    one.ended_by, basis,
                )
            )  # fmt: skip
    return tuple(shown)


def show(desk: Desk, ask: verbs.Show) -> verbs.Shown:
    """Return every version held of an object, with its producer's own bytes and its witnesses."""
    queries = desk.services.queries
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        witnesses = queries.entries_of(unit, actor, ask.name)
        versions: list[verbs.VersionShown] = []
        every: list[Found] = []
        for ident in dict.fromkeys(ident_at(unit, witness.position) for witness in witnesses):
            for found in queries.versions(unit, actor, ident):
                every.append(found)
                body = queries.body(unit, found.witnesses[0].position)
                shown = _object(desk, unit, found, Observable(STIX_ID, ident))
                versions.append(verbs.VersionShown(shown, body.decode("utf-8", "replace")))
        told, apart = _remarks(desk, unit, actor, every, [])
    return verbs.Shown(ask.name, tuple(versions), told, apart)


def _remarks(
    desk: Desk, unit: Unit, actor: Actor, found: Sequence[Found], keys: Sequence[bytes]
) -> tuple[tuple[verbs.RemarkShown, ...], tuple[verbs.ContradictionShown, ...]]:
    """Return what is said about some objects, and where those who speak of them contradict each other."""
    queries = desk.services.queries
    told: list[remarks.Remark] = []
    for ident in dict.fromkeys(ident_at(unit, one.witnesses[0].position) for one in found[:REMARKED_MAX]):
        told += remarks.about(queries, unit, actor, ident)
    about = [*keys, *dict.fromkeys(intel.object_key(one.object) for one in found)]
    seen = [one for key in about for one in queries.sightings(unit, actor, key)] if found else []
    apart = remarks.contradictions(queries, unit, actor, found, seen, told, desk.services.node.now()) if found else []
    return tuple(map(_remark_shown, told)), tuple(
        verbs.ContradictionShown(one.what, {word: tuple(who) for word, who in one.sides}) for one in apart
    )


def _remark_shown(one: remarks.Remark) -> verbs.RemarkShown:
    who = one.witness
    return verbs.RemarkShown(
        one.ident, who.party, who.office, who.source, marking_text(who.marking), one.at, one.opinion, one.text
    )


def remark(desk: Desk, ask: verbs.Remark) -> verbs.Remarked:
    """Put an opinion or a note on the home log, and into an accord where one is named."""
    services, node = desk.services, desk.services.node
    if ask.accord and not ask.marking.tlp:
        raise Misuse("a remark that is shared carries a marking", hint="--tlp AMBER")
    if ask.opinion:
        one_of(remarks.Opinion, ask.opinion, what="an opinion")
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        about = tuple(
            dict.fromkeys(
                ident_at(unit, witness.position)
                for name in ask.about
                for witness in services.queries.entries_of(unit, actor, name)
            )
        )
    marking = marking_of(ask.marking) if ask.marking.tlp else None
    at = remarks.remark(node, actor, about, marking, opinion=ask.opinion, text=ask.text)
    with node.store.read() as unit:
        log_id, index = place(at)
        where = f"{unit.logs.get(log_id).origin}#{index}"
        ident = str(msgspec.json.decode(services.queries.body(unit, at), type=dict[str, object])["id"])
    withheld: dict[str, int] = {}
    if ask.accord:
        withheld = services.sharing.share(actor, ask.accord, [at], Offer(marking)).grounds
    return verbs.Remarked(where, ident, about, str(actor), ask.accord, tuple(withheld))


# -- sightings -------------------------------------------------------------------


def sight(desk: Desk, ask: verbs.Sight) -> verbs.Sighted:
    """Put a sighting on the home log, and into an accord where one is named."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    if ask.count < 0:
        raise Misuse("a sighting counts from 0, which says that nothing was seen")
    verdict = one_of(Verdict, ask.verdict, what="a verdict")
    if verdict is not Verdict.SEEN and ask.count != 1:
        raise Misuse(f"how often something was seen is no part of calling it {verdict.value}")
    if ask.accord and not ask.marking.tlp:
        raise Misuse("a sighting that is shared carries a marking", hint="--tlp AMBER")
    seen = ask.seen or node.now()
    sighting = _sighting(ask, seen, verdict)
    marking = marking_of(ask.marking) if ask.marking.tlp else None
    at = sightings.record(node, actor, sighting, marking)
    with node.store.read() as unit:
        log_id, index = place(at)
        where = f"{unit.logs.get(log_id).origin}#{index}"
    withheld: dict[str, int] = {}
    if ask.accord:
        withheld = desk.services.sharing.share(actor, ask.accord, [at], Offer(marking)).grounds
    about = sighting.object or f"{sighting.kind} {sighting.value}"
    return verbs.Sighted(where, about, sighting.count, seen, str(actor), ask.accord, tuple(withheld), verdict.value)


def _sighting(ask: verbs.Sight, seen: int, verdict: Verdict) -> intel.Sighting:
    count = ask.count if verdict is Verdict.SEEN else 0
    if "--" in ask.name:
        intel.uuid_of(ask.name)
        return intel.Sighting(seen, count, object=ask.name, note=ask.note, verdict=verdict)
    read = observables.recognise(ask.name)
    if not read:
        raise Misuse(f"{ask.name!r} is no value that can be seen")
    return intel.Sighting(seen, count, read[0].kind, read[0].value, note=ask.note, verdict=verdict)


def sources(desk: Desk, ask: Nothing) -> verbs.SourcesShown:
    """Return the sources of the asking office."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = ingesting.sources(unit, actor.office_id)
    return verbs.SourcesShown(
        tuple(verbs.SourceShown(s.office, s.name, marking_text(s.marking), s.note) for s in found)
    )


OPERATIONS: Final = (
    Operation(verbs.LOOKUP, lookup),
    Operation(verbs.KNOW, know),
    Operation(verbs.SHOW, show),
    Operation(verbs.SIGHT, sight),
    Operation(verbs.REMARK, remark),
    Operation(verbs.SOURCES, sources),
)
