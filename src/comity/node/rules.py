"""Standing rules of sharing: what an office's collected objects must be to be stated in an accord, each as it comes.

Rules: a rule shares what `Sharing` would, by the same decisions, and never widens a marking. How far it has looked is
kept in the unit of work that states what it found (`carrying`), so that a crash neither repeats nor skips. What is on
warning lists is held back until somebody lets it go. A rule that may not share any more stops, until it is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.acts import Standing
from comity.areas import intel
from comity.canon import AccordId, Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound, Refused
from comity.limits import RULES_MAX
from comity.node import books, interests
from comity.node.actor import Actor
from comity.node.arrivals import wider
from comity.node.node import Node
from comity.node.ports import Log, Unit, place, position
from comity.node.services import Services
from comity.node.sharing import ANONYMOUS, BATCH, Offer
from comity.node.sources import SCHEDULE
from comity.node.spans import runs
from comity.node.warnings import WarningLists, flagged_at
from comity.party import OfficeRef
from comity.policy import Decision, Release, parse_audience
from comity.statement import INTEL_OBJECT, Header, Marking
from comity.vocab import Held, Tlp

RULES: Final = "rule"  # shelf: office/name -> `Rule`
STATES: Final = "rule-state"  # shelf: office/name -> `State`
KIND: Final = "home.rule"
WIDER: Final = "marking: the recipients of the rule are not all among those of the object"

Runs = tuple[tuple[int, int], ...]
"""Positions as ascending runs (start, end), none across two logs."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an office shares as it comes: own collected objects that fit every part that is said."""

    name: str
    office: OfficeId
    accord: AccordId
    by: str  # the user who made it
    at: Instant
    source: str = ""
    type: str = ""
    tlp: Tlp = Tlp.RED  # at most this strict
    confidence: int = 0  # at least; objects whose producer gave none do not fit where it is over 0
    to: tuple[str, ...] = ()  # only these of those that each object's marking admits
    anonymous: bool = False
    interest: str = ""  # <origin>#<index>: only what fits it, as long as it asks
    warned: bool = False  # also what is on warning lists
    enabled: bool = True


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a rule has come, and what it did."""

    looked: tuple[tuple[str, int], ...] = ()  # (origin, size) up to which each home log was looked at
    stated: int = 0
    withheld: Runs = ()
    grounds: dict[str, int] = {}  # "rule: because" -> objects withheld now
    flagged: Runs = ()  # held back for warning lists
    ran: Instant = 0  # the last time it shared, withheld or held back anything
    tried: Instant = 0  # the last time it tried again what was withheld
    stopped: str = ""  # why it does not go on, until it is resumed


class Class(NamedTuple):
    """What a run would decide for one class of objects."""

    objects: int
    marking: Marking | None
    decisions: Sequence[Decision]


@dataclass(slots=True)
class Plan:
    """What a run would do now."""

    objects: int = 0  # that fit, and do not stand in the accord already
    known: int = 0
    flagged: list[int] = field(default_factory=list)
    warnings: str = ""  # how many warning lists were asked
    classes: list[Class] = field(default_factory=list)
    withheld: int = 0
    grounds: dict[str, int] = field(default_factory=dict)


# -- the register ----------------------------------------------------------------------


def create(services: Services, unit: Unit, actor: Actor, rule: Rule) -> Rule:
    """Keep a rule and put it on record. Raises `Misuse`, `Conflict` for a name in use, `Refused`, `NotFound`."""
    check(services, unit, rule)
    if unit.documents.get(RULES, key(rule)) is not None:
        raise Conflict(f"{actor.office} has a rule {rule.name!r}", hint="`comity rule delete` ends it")
    if len(unit.documents.all(RULES)) >= RULES_MAX:
        raise Conflict(f"there are {RULES_MAX} rules (RULES_MAX)", hint="`comity rule delete` makes room")
    unit.documents.put(RULES, key(rule), msgspec.json.encode(rule))
    record(services.node, unit, rule, "created", actor.user, terms=msgspec.to_builtins(rule))
    return rule


def check(services: Services, unit: Unit, rule: Rule) -> None:
    """Refuse what is no rule, or could share nothing. Raises `Misuse`, `Refused`, `NotFound`."""
    name = rule.name
    if not name or name != name.strip() or len(name) > 200 or not name.isprintable():
        raise Misuse("a rule has a name of 1 to 200 characters on one line")
    if rule.type and not intel.type_code(rule.type):
        raise Misuse(f"{rule.type!r} is not a STIX 2.1 object type")
    for audience in rule.to:
        parse_audience(audience)
    why = obstacle(services, unit, rule)
    if why:
        raise Refused(why)


def named(unit: Unit, actor: Actor, name: str) -> Rule:
    """Return a rule of the actor's office. Raises `NotFound`."""
    data = unit.documents.get(RULES, f"{actor.office_id}/{name}")
    if data is None:
        raise NotFound(f"no rule {name!r} of {actor.office}", hint="`comity rule list` shows them")
    return msgspec.json.decode(data, type=Rule)


def is_kept(unit: Unit, rule: Rule) -> bool:
    """Say whether a rule is kept still, exactly as it was read."""
    data = unit.documents.get(RULES, key(rule))
    return data is not None and msgspec.json.decode(data, type=Rule) == rule


def all_(unit: Unit, office: str = "") -> list[Rule]:
    """Return the rules of an office, or of all, by office and name."""
    prefix = f"{office}/" if office else ""
    return [msgspec.json.decode(data, type=Rule) for _, data in unit.documents.all(RULES, prefix)]


def state_of(unit: Unit, rule: Rule) -> State:
    """Return how far a rule has come."""
    data = unit.documents.get(STATES, key(rule))
    return msgspec.json.decode(data, type=State) if data is not None else State()


def enable(node: Node, unit: Unit, actor: Actor, rule: Rule, *, enabled: bool) -> Rule:
    """Let a rule rest, or go on: also one that has stopped."""
    changed = msgspec.structs.replace(rule, enabled=enabled)
    unit.documents.put(RULES, key(rule), msgspec.json.encode(changed))
    if enabled:
        keep(unit, rule, msgspec.structs.replace(state_of(unit, rule), stopped=""))
    record(node, unit, rule, "resumed" if enabled else "paused", actor.user)
    return changed


def delete(node: Node, unit: Unit, actor: Actor, rule: Rule) -> None:
    """Forget a rule; what it shared stays shared."""
    unit.documents.delete(RULES, key(rule))
    unit.documents.delete(STATES, key(rule))
    record(node, unit, rule, "deleted", actor.user)


def key(rule: Rule) -> str:
    """Return a rule's key on every shelf."""
    return f"{rule.office}/{rule.name}"


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return what an operator should know of the rules, as (what, advice)."""
    found: list[tuple[str, str]] = []
    for rule in all_(unit):
        state, name = state_of(unit, rule), f"rule {rule.name!r} of {rule.office}"
        if state.stopped:
            found.append((f"{name} has stopped: {state.stopped}", f"`comity rule resume {rule.name}` lets it go on"))
        elif not rule.enabled:
            found.append((f"{name} is paused", f"`comity rule resume {rule.name}` lets it go on"))
        if state.flagged:
            what = f"{name} holds back {count(state.flagged)} objects that are on warning lists"
            found.append((what, f"`comity rule show {rule.name}` names them"))
    return found


def obstacle(services: Services, unit: Unit, rule: Rule) -> str:
    """Return why a rule may not share anything; empty where nothing is in its way."""
    node = services.node
    if rule.office not in {office.id for office in node.card(unit, node.me).card.offices}:
        return f"{node.me} has no office {rule.office} any more"
    try:
        accord = services.accords.get(unit, rule.accord)
    except NotFound as error:
        return str(error)
    if not accord.takes_part(node.me):
        return f"{node.me} does not take part in {rule.accord} now"
    return _not_asked(services, unit, rule) if rule.interest else ""


def _not_asked(services: Services, unit: Unit, rule: Rule) -> str:
    """Return why nobody asks for what a rule shares any more; empty where somebody does."""
    actor = Actor(OfficeRef(services.node.me, rule.office), SCHEDULE)
    try:
        voiced = services.interests.named(unit, actor, rule.interest)
    except (NotFound, Misuse) as error:
        return str(error)
    if voiced.accord != rule.accord:
        return f"the interest was stated in {voiced.accord}, and the rule shares in {rule.accord}"
    return "" if voiced.holds(services.node.now()) else f"the interest {rule.interest} was withdrawn or has ended"


def record(node: Node, unit: Unit, rule: Rule, change: str, by: str, **more: object) -> None:
    """Put what became of a rule on the home log."""
    books.record(node, unit, rule.office, KIND, {"name": rule.name, "change": change, "by": by, **more})


def keep(unit: Unit, rule: Rule, state: State) -> None:
    """Keep how far a rule has come."""
    unit.documents.put(STATES, key(rule), msgspec.json.encode(state))


# -- what fits ---------------------------------------------------------------------------


def count(found: Runs) -> int:
    """Return how many positions runs hold."""
    return sum(end - start for start, end in found)


def places_of(found: Runs, limit: int) -> list[int]:
    """Return the first positions that runs hold."""
    places: list[int] = []
    for start, end in found:
        places += range(start, min(end, start + limit - len(places)))
        if len(places) >= limit:
            break
    return places


def homes(unit: Unit) -> list[Log]:
    """Return this party's home logs, all generations."""
    return [log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None]


def fits(services: Services, unit: Unit, rule: Rule, start: int, end: int) -> list[tuple[int, Marking | None]]:
    """Return (position, marking) of what fits a rule among the entries from one position to another of one log."""
    node = services.node
    asked: set[int] | None = None
    if rule.interest:
        actor = Actor(OfficeRef(node.me, rule.office), SCHEDULE)
        interest = services.interests.named(unit, actor, rule.interest).interest
        asked = {at for at, _ in interests.fits(node, services.queries, unit, actor, [interest], start, end)}
    log_id, first = place(start)
    rows: Mapping[int, tuple[object, ...]] = {}
    if rule.type or rule.confidence:
        scanned = unit.views.scan(intel.OBJECT, start, end - 1, limit=end - start)
        rows = {int(row[0] or 0): row for row in scanned}
    found: list[tuple[int, Marking | None]] = []
    for brief in unit.entries.brief(log_id, first, first + end - start):
        if brief.held is not Held.PAYLOAD or (asked is not None and brief.position not in asked):
            continue
        header = node.header(unit.entries.header(brief.header_id))
        if _suits(rule, header) and _suits_row(rule, rows.get(brief.position)):
            found.append((brief.position, header.marking))
    return found


def _suits(rule: Rule, header: Header) -> bool:
    return (
        header.kind == INTEL_OBJECT
        and header.office == rule.office
        and rule.source in {"", header.source}
        and header.marking is not None  # unmarked stays at home, whatever a rule says
        and header.marking.tlp.rank <= rule.tlp.rank
    )


def _suits_row(rule: Rule, row: tuple[object, ...] | None) -> bool:
    if not rule.type and not rule.confidence:
        return True
    if row is None or (rule.type and row[2] != intel.type_code(rule.type)):
        return False
    given = intel.confidence_of(int(str(row[5] or 0)))
    return not rule.confidence or (given is not None and given >= rule.confidence)


def offer_of(rule: Rule, marking: Marking | None) -> Offer | None:
    """Return under which marking an object goes; None where that would be a wider one."""
    if not rule.to or marking is None:
        return Offer(anonymous=rule.anonymous)
    narrowed = msgspec.structs.replace(marking, to=tuple(sorted(rule.to)))
    return None if wider(narrowed, marking) else Offer(narrowed, anonymous=rule.anonymous)


# -- planning ------------------------------------------------------------------------------


def plan(services: Services, unit: Unit, rule: Rule, lists: WarningLists) -> Plan:
    """Return what a rule would share now, from the first object on; nothing is written."""
    node, done = services.node, Plan()
    accord = services.accords.get(unit, rule.accord)
    counts: dict[tuple[int, bytes, bytes], int] = {}
    for log in homes(unit):
        for start in range(0, log.size, BATCH):
            end = min(start + BATCH, log.size)
            places = [at for at, _ in fits(services, unit, rule, position(log.id, start), position(log.id, end))]
            stated = services.sharing.stated(unit, accord.id, places)
            fresh = [at for at in places if at not in stated]
            done.known += len(places) - len(fresh)
            if fresh and not rule.warned:
                flagged = flagged_at(node, lists, services.queries, unit, fresh)
                done.warnings = flagged.asked.says()
                done.flagged += sorted(flagged.found)
                fresh = [at for at in fresh if at not in flagged.found]
            done.objects += len(fresh)
            for class_ in _classes(services, unit, rule, log, fresh, done):
                counts[class_] = counts.get(class_, 0) + 1
    for (log_id, header, standing), objects in counts.items():
        found = node.header(header)
        offer = offer_of(rule, found.marking)
        if offer is None:
            _withhold(done, WIDER, objects)
            continue
        said = msgspec.json.decode(standing, type=Standing)
        decisions = services.sharing.would(unit, unit.logs.get(log_id), found, said, accord, offer)
        done.classes.append(Class(objects, offer.marking or found.marking, decisions))
        if not any(isinstance(one, Release) for one in decisions):
            for ground in {f"{f.rule}: {f.because}" for one in decisions for f in one.findings if not f.allows}:
                done.grounds[ground] = done.grounds.get(ground, 0) + objects
            done.withheld += objects
    return done


def _classes(
    services: Services, unit: Unit, rule: Rule, log: Log, places: Sequence[int], done: Plan
) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield log, header and standing of each object that could go by what it is; count those that could not."""
    for start, end in runs([place(at)[1] for at in places]):
        for entry in unit.entries.read(log.id, start, end):
            why = services.sharing.names_somebody(unit, entry.position) if rule.anonymous else ""
            if why:
                _withhold(done, f"{ANONYMOUS}: {why}", 1)
            elif entry.header is not None:
                yield log.id, entry.header, entry.standing


def _withhold(done: Plan, ground: str, objects: int) -> None:
    done.withheld += objects
    done.grounds[ground] = done.grounds.get(ground, 0) + objects
