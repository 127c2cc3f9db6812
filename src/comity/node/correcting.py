"""Correcting what was stated: a newer version takes its place wherever it went, directly or by others' relays.

Rules: the corrected object goes first, into every accord where the old one stands and under no wider marking; then the
old one is retracted, the act naming what takes its place. So whoever gets the act has the correction before it, and
where the correction may not go the retraction goes all the same. What the author consented to for the old one it
consents to for the new one: who passed the old one on passes the new one on, as far as marking and consents allow, and
says so in an act of its own; until then what it passed on is retracted and names nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Retract, Span, Standing, narrowed
from comity.areas import intel
from comity.canon import Instant, Origin
from comity.errors import Malformed, Misuse, NotFound, Refused
from comity.formats.stix.report import Refusal
from comity.node import acting, anonymising, books, folding, ingest, views
from comity.node.actor import Actor
from comity.node.folding import OWED_CORRECTIONS, OwedCorrection
from comity.node.ingest import Source
from comity.node.node import Node
from comity.node.ports import Unit, place, position
from comity.node.sharing import Offer, Shared, Sharing
from comity.party import OfficeRef
from comity.statement import INTEL_OBJECT, Header, Marking

CORRECTOR: Final = "correction"  # the user in whose name a correction is passed on
CORRECTION_DAYS_MAX: Final = 90  # days a correction may wait to be passed on: after that nobody will send its bytes
_DAY: Final = 86_400


@dataclass(slots=True)
class Corrected:
    """Where a correction went."""

    position: int  # of the corrected version, in the home log
    logs: list[Origin] = field(default_factory=list)  # that carry the act
    stated: list[str] = field(default_factory=list)  # accords that have the corrected version
    withheld: dict[str, str] = field(default_factory=dict)  # accord -> why it may not have it


class _Target(NamedTuple):
    """An accord where the old version stands: how the new one is stated there, and what its author consents to."""

    accord: str
    offer: Offer
    consents: tuple[tuple[str, Instant], ...]  # (to whom, until when)


def correct(node: Node, sharing: Sharing, actor: Actor, at: int, data: bytes, reason: str) -> Corrected:
    """Put a corrected version of an own collected object in the place of one version of it.

    Raises `Malformed` for what is no such version, `Misuse` for a wider label, `Refused` for another's object.
    """
    with node.store.read() as unit:
        header, standing = _own(node, unit, actor, at)
        marking = narrowed(header.marking, standing) if header.marking else None
        _check(unit, at, data, marking)
        source = Source(header.source, str(actor.office_id), marking)
        targets = _accords(node, unit, at)
    kept = ingest.ingest(node, actor, source, [data])
    if kept.kept != 1:
        raise Misuse("this very version is there already", hint="a correction has a later `modified`")
    with node.store.read() as unit:
        done = Corrected(_newest_of(node, unit, data))
    for target in targets:
        try:
            shared = sharing.share(actor, target.accord, [done.position], target.offer)
        except Refused as error:
            done.withheld[target.accord] = str(error)
            continue
        if shared.stated or shared.known:
            done.stated.append(target.accord)
            _consent(node, actor, done.position, target)
        else:
            done.withheld[target.accord] = "; ".join(shared.grounds)
    with node.store.read() as unit:
        log_id, index = place(done.position)
        instead = Span(unit.logs.get(log_id).origin, index, index + 1)
    done.logs = acting.state(node, actor, [at], lambda spans: Retract(spans, reason, instead))
    return done


def _own(node: Node, unit: Unit, actor: Actor, at: int) -> tuple[Header, Standing]:
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    if not log.own or canon.parse_origin(log.origin)[1] is not None:
        raise Refused(
            "only what this office collected is corrected here", hint="its author corrects it; you can stop using it"
        )
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    header = node.header(unit.entries.header(brief.header_id))
    if header.kind != INTEL_OBJECT or header.office != actor.office_id:
        raise Refused(f"{log.origin}#{index} is no object of {actor.office}")
    return header, msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)


def _check(unit: Unit, at: int, data: bytes, marking: Marking | None) -> None:
    (facts,) = intel.check_many([data])
    if isinstance(facts, Refusal):
        raise Malformed(f"the corrected object is refused: {facts.reason}")
    (row,) = unit.views.scan(intel.OBJECT, at, at, limit=1)
    if (facts.uuid, facts.type) != row[1:3]:
        raise Malformed("a correction is a newer version of the same object: its id must stay")
    if facts.modified <= int(row[3] or 0):
        raise Malformed("a correction has a later `modified` than what it corrects")
    if marking is not None and facts.tlp is not None and facts.tlp.rank < marking.tlp.rank:
        raise Misuse(
            f"the corrected object bears {facts.tlp.label}, and what it corrects is {marking.tlp.label} now",
            hint="a correction widens nothing",
        )


def _accords(node: Node, unit: Unit, at: int) -> list[_Target]:
    """Return the accords where an own object stands, and how it was stated there."""
    found: dict[str, _Target] = {}
    for row in unit.views.find(views.PASSED, {"source": at}, limit=1_024):
        log_id, index = place(int(row[0] or 0))
        accord = canon.parse_origin(unit.logs.get(log_id).origin)[1]
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        header = node.header(unit.entries.header(brief.header_id))
        standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
        if accord is not None and header.marking is not None and not standing.erased:
            is_nameless = header.source == anonymising.SOURCE
            offer = Offer(narrowed(header.marking, standing), header.priority, is_nameless)
            consents = tuple((to, until) for to, until in standing.consents if to not in standing.revoked)
            found[accord] = _Target(accord, offer, consents)
    return [found[accord] for accord in sorted(found)]


def _consent(node: Node, actor: Actor, at: int, target: _Target) -> None:
    """Consent for the new version to what was consented to for the old one and has not ended."""
    untils: dict[Instant, list[str]] = {}
    for to, until in target.consents:
        if not until or until > node.now():
            untils.setdefault(until, []).append(to)
    if not untils:
        return
    with node.store.read() as unit:
        log = unit.logs.find(books.accord_origin(node, unit, canon.AccordId(target.accord)))
        stated = None if log is None else folding.passed_as(unit, at, log)
        log = None if stated is None else unit.logs.find(stated.origin)
    if log is not None and stated is not None:
        for until, names in sorted(untils.items()):
            acting.consent(actor, node, [position(log.id, stated.start)], names, until)


def _newest_of(node: Node, unit: Unit, data: bytes) -> int:
    """Return the position of the home log's last entry: the corrected object, which was just stated."""
    log = unit.logs.find(books.home_origin(node, unit))
    for index in range(log.size - 1, max(log.size - 64, -1), -1) if log is not None else ():
        assert log is not None
        (entry,) = unit.entries.read(log.id, index, index + 1)
        if entry.body == data:
            return entry.position
    raise NotFound("the corrected object was stated, and is not found: state it again")


# -- passing corrections on ------------------------------------------------------------


def carry(node: Node, sharing: Sharing) -> int:
    """Pass on what takes the place of things this party relayed; return how many were. What may not go is dropped."""
    with node.store.read() as unit:
        owed = [
            (key, msgspec.json.decode(data, type=OwedCorrection)) for key, data in unit.documents.all(OWED_CORRECTIONS)
        ]
    done = 0
    for key, one in owed:
        with node.writing() as unit:
            if _carry(node, unit, sharing, one):
                unit.documents.delete(OWED_CORRECTIONS, key)
                done += 1
    return done


def _carry(node: Node, unit: Unit, sharing: Sharing, one: OwedCorrection) -> bool:
    """Relay one correction and name it in an act; say whether nothing is left to be done about it."""
    if node.now() > one.since + CORRECTION_DAYS_MAX * _DAY:
        return True
    source, target = unit.logs.find(one.by.origin), unit.logs.find(one.about.origin)
    accord = canon.parse_origin(one.about.origin)[1]
    if target is None or accord is None or source is None or source.size < one.by.end:
        return target is None or accord is None
    at = position(source.id, one.by.start)
    if not _is_version(unit, position(target.id, one.about.start), at):
        return True
    actor = Actor(OfficeRef(node.me, canon.OfficeId(one.office)), CORRECTOR)
    shared = Shared(canon.AccordId(accord))
    try:
        sharing.state(unit, actor, accord, [at], Offer(), shared)
    except (Refused, NotFound):  # not under a checkpoint yet, or suspended: it may go later
        return False
    by = folding.passed_as(unit, at, target)
    if by is None:
        return bool(shared.withheld) and "its bytes are not held here" not in " ".join(shared.grounds)
    version = books.version_of_last(unit, target.origin)
    act = Retract((one.about,), one.reason, by)
    books.state(node, unit, target.origin, version, [books.act_draft(node, actor.office_id, act, version=version)])
    return True


def _is_version(unit: Unit, passed: int, at: int) -> bool:
    """Say whether an entry is of the object that was passed on: nothing else is stated because an author names it."""
    rows = unit.views.scan(views.PASSED, passed, passed, limit=1)
    old = unit.views.scan(intel.OBJECT, int(rows[0][1] or 0), int(rows[0][1] or 0), limit=1) if rows else []
    new = unit.views.scan(intel.OBJECT, at, at, limit=1)
    return bool(old and new) and old[0][1:3] == new[0][1:3]
