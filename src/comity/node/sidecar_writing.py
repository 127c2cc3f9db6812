"""A side-car's round, second half: events of what partners stated, as they are to stand in the MISP, and sending them.

Rules: an event's JSON follows from the entries that stand in the books for it, so that what was cut short is done again
and comes out the same. An event that somebody deleted in the MISP is not written again, and one that Comity did not
write is not touched. What the office may not read, what names persons only, what is an exercise, what is unmarked, is
not written; what PAP keeps from sensors is for none there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.errors import ComityError
from comity.formats.convert import Losses
from comity.formats.misp import crossing
from comity.formats.misp.crossing import RETRACTED, Entering, Provenance
from comity.formats.misp.write import About, write
from comity.limits import RULE_SECONDS
from comity.node import exporting, sidecars
from comity.node.ports import Unit, place
from comity.node.releases import Class
from comity.node.sidecar_pulling import Round
from comity.node.sidecars import LOOKED, WRITTEN, Answer, Looked, Member, Retracted, Stand, Tally, Written
from comity.party import OfficeRef
from comity.statement import Header, Marking
from comity.vocab import Held, Pap, Tlp

# -- building ------------------------------------------------------------------------------


class _Fit(NamedTuple):
    """An entry that may be written, and under which marking it stands now."""

    at: int
    marking: Marking


def recheck(going: Round) -> None:
    """Mark the events of which other entries may be written than when they were last built.

    Every entry is looked at, so this is done where acts, accords or bytes changed, and once an hour: embargoes end.
    """
    node = going.services.node
    now = node.epoch, node.standings, node.filled, node.now() // RULE_SECONDS
    if going.tried.get(going.at) == now:
        return
    with node.store.read() as unit:
        changed = {
            one.uuid
            for one in sidecars.written(unit, going.sidecar)
            if one.stand is not Stand.DELETED and one.seen != _seen(going, unit, one)
        }
    if changed:
        with node.store.write() as unit:
            if not sidecars.is_kept(unit, going.sidecar):
                return
            looked = sidecars.get(unit, LOOKED, going.at, Looked) or Looked()
            looked.dirty = sorted(changed | set(looked.dirty))
            sidecars.put(unit, LOOKED, going.at, looked)
    going.tried[going.at] = now


def _seen(going: Round, unit: Unit, event: Written) -> str:
    """Return by what the entries of an event are known, as they are now."""
    told = hashlib.sha256()
    for ident, at in sorted(event.members.items()):
        fit = _fit(going, unit, at)
        told.update(msgspec.json.encode((ident, at, None if fit is None else fit.marking)))
    return told.hexdigest()


def _fit(going: Round, unit: Unit, at: int) -> _Fit | None:
    """Return an entry where it may be written; None where it may not, or not any more."""
    node = going.services.node
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    if brief.held is not Held.PAYLOAD:
        return None
    header = node.header(unit.entries.header(brief.header_id))
    standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
    if standing.retracted or standing.erased or header.marking is None or header.exercise:
        return None
    marking = narrowed(header.marking, standing)
    if marking.tlp is Tlp.RED or (marking.embargo and marking.embargo > node.now()):
        return None
    office = OfficeRef(node.me, canon.OfficeId(going.sidecar.office))
    actor = type(going.actor)(office, going.actor.user)
    which = Class(brief.header_id, brief.standing_id)
    judged = going.services.releases.readable(unit, unit.logs.get(log_id), which, actor)
    return _Fit(at, marking) if judged is None or judged.released else None


class Build(NamedTuple):
    """An event as it is to stand in the MISP; None where nothing of it may be written any more."""

    made: Entering | None
    seen: str
    lost: int


def build(going: Round, unit: Unit, event: Written, member: Member) -> Build:
    """Make an event's JSON of its entries as they are now."""
    fits = {ident: fit for ident, at in event.members.items() if (fit := _fit(going, unit, at)) is not None}
    seen = _seen(going, unit, event)
    if not fits:
        return Build(None, seen, 0)
    statements: dict[str, str] = {}
    quiet: set[str] = set()
    bodies: list[bytes] = []
    queries = going.services.queries
    for ident, fit in sorted(fits.items()):
        data = exporting.as_stix(queries, unit, fit.at)
        if data is None:
            continue
        bodies.append(data)
        header = queries.stated(unit, fit.at).header
        statements[ident[-36:].lower()] = _named(unit, fit.at, header, queries.stated(unit, fit.at).number)
        if fit.marking.pap.rank > Pap.GREEN.rank:
            quiet.add(ident[-36:].lower())
    strictest = max((fit.marking.tlp for fit in fits.values()), key=lambda tlp: tlp.rank)
    pap = max((fit.marking.pap for fit in fits.values()), key=lambda level: level.rank)
    losses = Losses()
    about = About(event.report or event.uuid, event.title, event.day, event.party, event.uuid, strictest)
    written = b"".join(write(bodies, about, losses))
    provenance = Provenance(
        uuid=event.uuid,
        party=event.party,
        accord=event.accord,
        statements=statements,
        quiet=quiet,
        pap=pap.value,
        distribution=going.sidecar.distribution,
        asking=going.sidecar.asking,
        creator=member.creator,
    )
    made = crossing.entering(written, provenance)
    return Build(made if made.parts else None, seen, losses.counts.total())


def _named(unit: Unit, at: int, header: Header, number: int) -> str:
    origin = header.relayed.origin if header.relayed else unit.logs.get(place(at)[0]).origin
    return f"{origin}#{number}"


# -- sending ---------------------------------------------------------------------------------


def send(going: Round) -> None:
    """Write the events that changed. Raises `ComityError` for what ends the round."""
    with going.services.node.store.read() as unit:
        waiting = (sidecars.get(unit, LOOKED, going.at, Looked) or Looked()).dirty
    member: Member | None = None
    for uuid in waiting:
        going.pause()
        member = member or going.misp.me()
        _send(going, uuid, member)


def _send(going: Round, uuid: str, member: Member) -> None:
    node, at = going.services.node, f"{going.at}/{uuid}"
    with node.store.read() as unit:
        event = sidecars.get(unit, WRITTEN, at, Written)
        if event is None:
            return
        built = build(going, unit, event, member)
    if event.stand is Stand.DELETED:
        pass
    elif built.made is None:
        _remove(going, event)
    elif built.made.digest != event.digest:
        event.sent = built.made.digest
        _save(going, event)  # before it is sent: what is there after a crash is known as ours
        _write(going, event, built.made)
        going.tally += Tally(lost=built.lost)
    event.seen, event.sent = built.seen, ""
    _save(going, event, done=True)
    if event.fault:
        going.faults.add(f"event {event.uuid} of {event.party}: {event.fault}")


def _write(going: Round, event: Written, made: Entering) -> None:
    """Add an event or edit it, and take out of it what is no more."""
    misp = going.misp
    event.fault = ""
    if event.stand is Stand.WRITTEN:
        answer = misp.edit(event.uuid, made.data)
        if answer.absent:
            event.stand, event.parts, event.digest = Stand.DELETED, (), ""
            what = f"event {event.uuid} of {event.party} was deleted in the MISP: it is not written again"
            going.faults.add(what)
            return
    else:
        answer = misp.add(made.data)
        if answer.exists:
            answer = (
                misp.edit(event.uuid, made.data)
                if _is_ours(going, event)
                else Answer(False, "another event has its UUID")
            )
    if not answer.taken:
        event.fault = f"the MISP does not take it: {answer.why}"
        if event.stand is not Stand.WRITTEN:
            event.stand = Stand.FOREIGN
        return
    gone = [part for part in event.parts if part not in made.parts]
    _take_out(going, event, gone)
    event.stand, event.parts, event.digest = Stand.WRITTEN, made.parts, made.digest
    going.tally += Tally(written=1)
    event.fault = _missing(answer, made) or event.fault


def _is_ours(going: Round, event: Written) -> bool:
    """Say whether the event that the MISP has under our UUID is one that Comity wrote of that partner."""
    found = going.misp.events([event.uuid]).get(event.uuid)
    if found is None:
        return False
    try:
        return crossing.leaving(found, ()).author() == event.party
    except ComityError:
        return False


def _missing(answer: Answer, made: Entering) -> str:
    """Return what the MISP did not take of an event; empty where all of it is there, or it does not say."""
    try:
        there = crossing.parts_of(answer.event)
    except ComityError:
        return ""
    missing = [part for part in made.parts if part not in there.parts]
    if missing:
        return f"the MISP left out {len(missing)} of {len(made.parts)} parts of it"
    if not any(tag.lower().startswith(crossing.FROM) for tag in there.tags):
        return f"the MISP did not take the tag {crossing.FROM}: let the login create tags, or create it there"
    return ""


def _take_out(going: Round, event: Written, parts: Sequence[str]) -> None:
    """Take parts out of an event that their author took back, or had erased."""
    marks = going.sidecar.retracted is Retracted.MARK and not _is_erased(going, event)
    for part in parts:
        reason = f"taken back by {event.party}"
        answer = going.misp.mark(part, RETRACTED, reason) if marks else going.misp.drop(part)
        if answer.taken or answer.absent:
            going.tally += Tally(removed=1)
        else:
            event.fault = f"the MISP does not let go of {part}: {answer.why}"


def _is_erased(going: Round, event: Written) -> bool:
    """Say whether anything of an event was erased: then nothing that is gone of it may stay."""
    with going.services.node.store.read() as unit:
        for at in event.members.values():
            log_id, index = place(at)
            (brief,) = unit.entries.brief(log_id, index, index + 1)
            if brief.held is Held.ERASED:
                return True
    return False


def _remove(going: Round, event: Written) -> None:
    """Take an event out of which nothing may stand any more."""
    if event.stand is not Stand.WRITTEN and not event.sent:
        event.stand = Stand.REMOVED if event.stand is not Stand.FOREIGN else event.stand
        return
    if going.sidecar.retracted is Retracted.MARK and not _is_erased(going, event):
        _take_out(going, event, event.parts)
        event.parts, event.digest = (), ""
        return
    answer = going.misp.delete(event.uuid)
    if answer.taken or answer.absent:
        event.stand, event.parts, event.digest = Stand.REMOVED, (), ""
        going.tally += Tally(removed=1)
    else:
        event.fault = f"the MISP does not delete it: {answer.why}"


def _save(going: Round, event: Written, *, done: bool = False) -> None:
    """Keep an event; with `done` it is as it is to be."""
    with going.services.node.store.write() as unit:
        if not sidecars.is_kept(unit, going.sidecar):
            return
        sidecars.put(unit, WRITTEN, f"{going.at}/{event.uuid}", event)
        looked = sidecars.get(unit, LOOKED, going.at, Looked)
        if done and looked is not None:
            looked.dirty = [uuid for uuid in looked.dirty if uuid != event.uuid]
            sidecars.put(unit, LOOKED, going.at, looked)
