"""What a MISP asks to be released: decided, explained, shared; and taken back where it asks no more.

Rules: nothing is stated but by `Sharing`, so by the same decisions as everything else. What waits for a person goes
when the person says so, and in the state that the person saw; what is taken back waits for nobody. A newer version
goes first, then the one before is retracted and names it. What another event still stands for is left where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from comity import canon
from comity.acts import Retract, Span, Standing
from comity.areas import intel
from comity.areas.intel.edges import EDGE, end_key, ends_of
from comity.canon import AccordId
from comity.errors import Conflict, NotFound, Refused
from comity.node import acting, sidecars
from comity.node.actor import Actor
from comity.node.arrivals import wider
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.services import Services
from comity.node.sharing import Offer, Shared
from comity.node.sidecars import EVENTS, Asked, Asking, Kept, Sidecar, Tally
from comity.policy import Release
from comity.statement import Marking

# Kinds whose newer version takes nothing back of what the one before said.
_CARRIED_ON: Final = frozenset({"report", "grouping", "identity", "relationship"})
EDGES_MAX: Final = 1_024  # events that may name one object before it is taken for one that others name
CHANGED: Final = "changed in MISP"
GONE: Final = "deleted in MISP"
NO_MORE: Final = "no more released in MISP"
HELD: Final = "nothing of it may leave MISP"


FLAGGED: Final = "warning lists: likely false positives, which a person lets go"

Hold = Callable[[Unit, Sequence[int]], Collection[int]]
"""Which of some entries do not go by themselves."""


def nothing(unit: Unit, places: Sequence[int]) -> Collection[int]:
    """Hold nothing back."""
    return ()


@dataclass(slots=True)
class Outlook:
    """What would become of an event that waits, if it were let go now."""

    objects: int = 0
    withheld: int = 0
    grounds: dict[str, int] = field(default_factory=dict)


def settle(
    services: Services, actor: Actor, sidecar: Sidecar, kept: Kept, asked: Mapping[str, str], hold: Hold = nothing
) -> Tally:
    """Bring what stands in accords in line with an event: `asked` says by what it asks for which accord.

    Changes `kept`, which the caller keeps. What a side-car lets go by itself goes, but what `hold` names; else all of
    it waits for a person.
    """
    tally = Tally()
    for accord in sorted({*kept.asks, *asked}):
        asking = kept.asks.setdefault(accord, Asking())
        by = asked.get(accord, "")
        if not by or kept.stays or kept.gone:
            tally += _withdraw_all(services, actor, sidecar, kept, accord, asking)
            asking.by = by or asking.by
            asking.state = Asked.HELD if by and kept.stays else Asked.WITHDRAWN
            asking.reason = kept.stays or (GONE if kept.gone else NO_MORE)
            asking.digest, asking.at = kept.digest, services.node.now()
            continue
        same = asking.digest == kept.digest and asking.state not in {Asked.WITHDRAWN, Asked.HELD}
        asking.by = by
        tally += _drop(services, actor, sidecar, kept, accord, asking, everything=False)
        if sidecar.standing:
            tally += share(services, actor, sidecar, kept, accord, hold)
        elif not same:
            asking.state, asking.decided, asking.reason = Asked.WAITING, "", ""
            asking.withheld, asking.grounds = 0, {}
        asking.digest, asking.at = kept.digest, services.node.now()
    return tally


def share(services: Services, actor: Actor, sidecar: Sidecar, kept: Kept, accord: str, hold: Hold = nothing) -> Tally:
    """State what may go of an event in an accord, and take back what it replaces. Changes `kept`."""
    asking = kept.asks[accord]
    fresh = sorted({at for ident, at in kept.objects.items() if asking.stated.get(ident) != at})
    with services.node.store.read() as unit:
        held = hold(unit, fresh) if fresh else ()
    fresh = [at for at in fresh if at not in held]
    tally = Tally()
    done = Shared(AccordId(accord))
    if fresh:
        try:
            done = services.sharing.share(actor, accord, fresh, Offer(again=True))
        except (Refused, NotFound) as error:  # the accord is over, or suspended: it waits, and says why
            asking.state, asking.withheld, asking.grounds = Asked.WAITING, len(fresh), {f"accord: {error}": len(fresh)}
            return Tally(withheld=len(fresh))
    with services.node.store.read() as unit:
        there = services.sharing.stated(unit, AccordId(accord), fresh, stood_by=True)
    tally += Tally(shared=done.stated, withheld=done.withheld)
    tally += _drop(services, actor, sidecar, kept, accord, asking, everything=True, there=there)
    for ident, at in kept.objects.items():
        if at in there:
            asking.stated[ident] = at
    asking.state, asking.withheld, asking.grounds = Asked.SHARED, done.withheld, dict(done.grounds)
    if held:
        asking.state = Asked.WAITING
        asking.grounds[FLAGGED] = len(held)
    return tally


def _drop(
    services: Services,
    actor: Actor,
    sidecar: Sidecar,
    kept: Kept,
    accord: str,
    asking: Asking,
    *,
    everything: bool,
    there: Iterable[int] = (),
) -> Tally:
    """Take back what an event does not say any more; with `everything` also what `there` now stands instead of.

    Without it, what has a newer version stays until that goes, unless its label would let it go further than the
    newer one may.
    """
    node, now = services.node, set(there)
    replaced: list[tuple[int, int]] = []
    plain: list[int] = []
    with node.store.read() as unit:
        for ident, before in list(asking.stated.items()):
            after = kept.objects.get(ident)
            if after == before:
                continue
            if after is None:
                del asking.stated[ident]
                if not _needed(services, unit, sidecar, kept, ident, before):
                    plain.append(before)
            elif _is_wider(node, unit, before, after) or (everything and after not in now):
                del asking.stated[ident]
                plain.append(before)
            elif everything:
                if ident.partition("--")[0] in _CARRIED_ON:
                    asking.older.append(before)
                elif not _needed(services, unit, sidecar, kept, ident, before):
                    replaced.append((before, after))
        plain = _standing(unit, plain)
        replaced = [pair for pair in replaced if _standing(unit, pair[:1])]
    if plain:
        acting.retract(actor, node, plain, CHANGED)
    for before, after in replaced:
        _replace(node, actor, before, after)
    return Tally(withdrawn=len(plain) + len(replaced))


def _replace(node: Node, actor: Actor, before: int, after: int) -> None:
    """Retract a version, naming the one in its place."""
    with node.store.read() as unit:
        log_id, index = place(after)
        instead = Span(unit.logs.get(log_id).origin, index, index + 1)
    acting.state(node, actor, [before], lambda spans: Retract(spans, CHANGED, instead))


def _withdraw_all(services: Services, actor: Actor, sidecar: Sidecar, kept: Kept, accord: str, asking: Asking) -> Tally:
    """Take everything of an event back from an accord; where the event is gone, at home too."""
    node = services.node
    reason = GONE if kept.gone else (HELD if kept.stays else NO_MORE)
    with node.store.read() as unit:
        stood = [*((ident, at) for ident, at in asking.stated.items()), *(("", at) for at in asking.older)]
        mine = [at for ident, at in stood if not _needed(services, unit, sidecar, kept, ident, at, accord)]
        mine = sorted(set(mine))
        inside = [at for one in mine for at in _stated_in(unit, one, accord)]
        targets = _standing(unit, mine if kept.gone else inside)
    if targets:
        acting.retract(actor, node, targets, reason)
    asking.stated, asking.older = {}, []
    return Tally(withdrawn=len(targets))


def _stated_in(unit: Unit, at: int, accord: str) -> list[int]:
    """Return where a home entry was stated in an accord."""
    return [
        one for one in acting.passed(unit, at) if canon.parse_origin(unit.logs.get(place(one)[0]).origin)[1] == accord
    ]


def _standing(unit: Unit, places: Sequence[int]) -> list[int]:
    """Return those of some entries that are not taken back already."""
    found: list[int] = []
    for at in places:
        log_id, index = place(at)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
        if not (standing.retracted or standing.erased):
            found.append(at)
    return found


def _needed(
    services: Services, unit: Unit, sidecar: Sidecar, kept: Kept, ident: str, at: int, accord: str = ""
) -> bool:
    """Say whether another event that was brought in, and is stated in the accord (or any), has this very entry.

    Observed values, organisations and clusters have one id wherever they stand.
    """
    if not ident:
        return False
    rows = unit.views.find(EDGE, {"key": end_key(ident)}, limit=EDGES_MAX)
    ends = [end for row in rows for end in ends_of(bytes(row[2] or b""))]  # type: ignore[arg-type]
    reports = {end.ident for end in ends if not end.out and end.ident.startswith("report--")}
    for report in reports:
        uuid = report[-36:]
        if uuid == kept.uuid:
            continue
        other = sidecars.get(unit, EVENTS, f"{sidecars.key(sidecar)}/{uuid}", Kept)
        if other is None or other.gone:
            continue
        asks = [other.asks[accord]] if accord and accord in other.asks else [] if accord else other.asks.values()
        if any(asking.stated.get(ident) == at for asking in asks):
            return True
    return False


def _is_wider(node: Node, unit: Unit, before: int, after: int) -> bool:
    """Say whether an entry's marking allows anything that another's does not."""
    first, second = _marking(node, unit, before), _marking(node, unit, after)
    return second is None or first is None or wider(first, second)


def _marking(node: Node, unit: Unit, at: int) -> Marking | None:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    return node.header(unit.entries.header(brief.header_id)).marking


# -- what people do ---------------------------------------------------------------------


def waiting(unit: Unit, sidecar: Sidecar) -> list[tuple[Kept, str]]:
    """Return the events that wait for a person, each with the accord, the longest first."""
    found = [
        (kept, accord)
        for kept in sidecars.events(unit, sidecar)
        for accord, asking in kept.asks.items()
        if asking.state is Asked.WAITING
    ]
    return sorted(found, key=lambda pair: (pair[0].asks[pair[1]].at, pair[0].uuid, pair[1]))


def outlook(services: Services, unit: Unit, kept: Kept, accord: str) -> Outlook:
    """Return what would become of an event's objects in an accord now; nothing is written. Raises `NotFound`."""
    found, done = services.accords.get(unit, AccordId(accord)), Outlook()
    asking = kept.asks.get(accord, Asking())
    classes: dict[tuple[int, bytes, bytes], int] = {}
    for ident, at in kept.objects.items():
        if asking.stated.get(ident) == at:
            continue
        log_id, index = place(at)
        for entry in unit.entries.read(log_id, index, index + 1):
            if entry.header is not None:
                which = log_id, entry.header, entry.standing
                classes[which] = classes.get(which, 0) + 1
    for (log_id, header, said), objects in classes.items():
        standing = msgspec.json.decode(said, type=Standing)
        decisions = services.sharing.would(
            unit, unit.logs.get(log_id), services.node.header(header), standing, found, Offer()
        )
        done.objects += objects
        if not any(isinstance(one, Release) for one in decisions):
            done.withheld += objects
            for ground in {f"{f.rule}: {f.because}" for one in decisions for f in one.findings if not f.allows}:
                done.grounds[ground] = done.grounds.get(ground, 0) + objects
    return done


def release(services: Services, actor: Actor, sidecar: Sidecar, uuid: str, accord: str, digest: str = "") -> Tally:
    """Let an event that waits go, in the state that was seen; on record. Raises `NotFound`, `Conflict`."""
    kept, accord = _found(services, sidecar, uuid, accord)
    if digest and kept.digest != digest:
        raise Conflict("it changed in MISP since you looked", hint="`comity sidecar waiting` shows it as it is")
    if kept.stays or kept.gone:
        raise Refused(kept.stays or GONE)
    tally = share(services, actor, sidecar, kept, accord)
    kept.asks[accord].decided = actor.user
    _decide(services, actor, sidecar, kept, accord, "released")
    return tally


def refuse(services: Services, actor: Actor, sidecar: Sidecar, uuid: str, accord: str, reason: str) -> None:
    """Keep an event back in its present state; what it stated before stays. Raises `NotFound`, `Conflict`."""
    kept, accord = _found(services, sidecar, uuid, accord)
    asking = kept.asks[accord]
    asking.state, asking.decided, asking.reason = Asked.REFUSED, actor.user, reason
    _decide(services, actor, sidecar, kept, accord, "refused", reason=reason)


def _found(services: Services, sidecar: Sidecar, uuid: str, accord: str) -> tuple[Kept, str]:
    with services.node.store.read() as unit:
        kept = sidecars.get(unit, EVENTS, f"{sidecars.key(sidecar)}/{uuid.lower()}", Kept)
    if kept is None:
        raise NotFound(f"no event {uuid!r} was brought in by {sidecar.name}", hint="`comity sidecar waiting`")
    open_ = [name for name, asking in kept.asks.items() if asking.state in {Asked.WAITING, Asked.REFUSED}]
    chosen = [name for name in open_ if not accord or name == accord]
    if not chosen:
        states = ", ".join(f"{name}: {asking.state}" for name, asking in sorted(kept.asks.items()))
        raise Conflict(f"this event waits for nobody ({states or 'it asks for nothing'})")
    if len(chosen) > 1:
        raise Conflict(f"it asks for {', '.join(sorted(chosen))}", hint="say which with --accord")
    return kept, chosen[0]


def _decide(
    services: Services, actor: Actor, sidecar: Sidecar, kept: Kept, accord: str, what: str, **more: object
) -> None:
    kept.asks[accord].at = services.node.now()
    with services.node.writing() as unit:
        sidecars.put(unit, EVENTS, f"{sidecars.key(sidecar)}/{kept.uuid}", kept)
        body = {"event": kept.uuid, "accord": accord, "state": kept.digest, **more}
        sidecars.record(services.node, unit, sidecar, what, actor, **body)


def kinds(objects: Iterable[str]) -> dict[str, int]:
    """Return how many objects of each type there are, by their ids."""
    counts: dict[str, int] = {}
    for ident in objects:
        kind = intel.type_name(intel.type_code(ident.partition("--")[0]))
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))
