"""Registering side-cars, making their rounds, letting go what waits, resting and forgetting them."""

from __future__ import annotations

from collections import Counter
from typing import Final

from comity.canon import AccordId
from comity.errors import Misuse
from comity.node import sidecar_asking, sidecars
from comity.node.ports import Unit
from comity.node.sidecars import EVENTS, Kept, Retracted, Sidecar, Tally
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text, one_of
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import sidecar as verbs

SHOWN: Final = 50  # events named in an answer


def add(desk: Desk, ask: verbs.Add) -> verbs.SidecarShown:
    """Register a side-car, or change it; its default marking stays where none is said."""
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        wanted = Sidecar(
            name=ask.name.strip(),
            office=actor.office_id,
            address=ask.address.rstrip("/"),
            login=ask.login,
            every=ask.every,
            tags=ask.tags,
            groups=tuple((group.lower(), accord) for group, accord in ask.groups),
            standing=ask.standing,
            unpublished=ask.unpublished,
            writes=tuple(sorted(set(ask.writes))),
            distribution=ask.distribution,
            retracted=one_of(Retracted, ask.retracted, what="what becomes of what was taken back"),
            certificate=ask.certificate,
            plain=ask.plain,
        )
        for accord in {*(one for _, one in (*wanted.tags, *wanted.groups)), *wanted.writes}:
            desk.services.accords.get(unit, AccordId(accord))
        before = [one for one in sidecars.all_(unit, actor.office_id) if one.name == wanted.name]
        kept = sidecars.source_of(unit, before[0]).marking if before else None
        marking = marking_of(ask.marking) if ask.marking is not None else kept
        return _shown(unit, sidecars.register(node, unit, actor, wanted, marking))


def list_(desk: Desk, ask: Nothing) -> verbs.SidecarsShown:
    """Return the side-cars of the asking office, and how each does."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        return verbs.SidecarsShown(tuple(_shown(unit, one) for one in sidecars.all_(unit, actor.office_id)))


def show(desk: Desk, ask: verbs.Named) -> verbs.Whole:
    """Return a side-car with its books, what changed last first."""
    with desk.services.node.store.read() as unit:
        sidecar = sidecars.named(unit, actor_of(desk, unit, ask), ask.name)
        pairs = [(kept, accord) for kept in sidecars.events(unit, sidecar) for accord in kept.asks]
        pairs.sort(key=lambda pair: (-pair[0].asks[pair[1]].at, pair[0].uuid, pair[1]))
        written = sidecars.written(unit, sidecar)
        return verbs.Whole(
            sidecar=_shown(unit, sidecar),
            asks=dict(Counter(kept.asks[accord].state.value for kept, accord in pairs)),
            stands=dict(Counter(one.stand.value for one in written)),
            events=tuple(_event(kept, accord) for kept, accord in pairs[:SHOWN]),
            written=tuple(
                verbs.WrittenShown(
                    event=one.uuid,
                    title=one.title,
                    party=one.party,
                    accord=one.accord,
                    state=one.stand.value,
                    objects=len(one.members),
                    fault=one.fault,
                )
                for one in written[:SHOWN]
            ),
        )


def run(desk: Desk, ask: verbs.Run) -> verbs.RanShown:
    """Make a round now, whether it is due or not."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        sidecar = sidecars.named(unit, actor, ask.name)
    result = desk.sidecar(actor, sidecar, withdrawals=ask.withdraw)
    with desk.services.node.store.read() as unit:
        return verbs.RanShown(_shown(unit, sidecar), result.error.exit_code if result.error is not None else 0)


def waiting(desk: Desk, ask: verbs.Waiting) -> verbs.WaitingShown:
    """Return what waits for a person, each with what would become of it."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        chosen = [sidecars.named(unit, actor, ask.name)] if ask.name else sidecars.all_(unit, actor.office_id)
        shown: list[verbs.OutlookShown] = []
        for sidecar in chosen:
            for kept, accord in sidecar_asking.waiting(unit, sidecar)[:SHOWN]:
                found = sidecar_asking.outlook(services, unit, kept, accord)
                event = _event(kept, accord)
                shown.append(verbs.OutlookShown(sidecar.name, event, found.objects, found.withheld, found.grounds))
        return verbs.WaitingShown(tuple(shown))


def release(desk: Desk, ask: verbs.Settle) -> verbs.EventShown:
    """Let an event that waits go, as far as it may."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        sidecar = sidecars.named(unit, actor, ask.name)
    before = _asked(desk, sidecar, ask.event)
    sidecar_asking.release(desk.services, actor, sidecar, ask.event, ask.accord, ask.state)
    return _settled(desk, sidecar, before, ask)


def refuse(desk: Desk, ask: verbs.Settle) -> verbs.EventShown:
    """Keep an event back in its present state."""
    if not ask.reason.strip():
        raise Misuse("a refusal says why", hint="--reason 'not ours to give'")
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        sidecar = sidecars.named(unit, actor, ask.name)
    before = _asked(desk, sidecar, ask.event)
    sidecar_asking.refuse(desk.services, actor, sidecar, ask.event, ask.accord, ask.reason)
    return _settled(desk, sidecar, before, ask)


def enable(desk: Desk, ask: verbs.Enable) -> verbs.SidecarShown:
    """Let a side-car rest, or go on."""
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        sidecar = sidecars.named(unit, actor, ask.name)
        return _shown(unit, sidecars.enable(node, unit, actor, sidecar, enabled=ask.enabled))


def remove(desk: Desk, ask: verbs.Named) -> Done:
    """Forget a side-car; what it shared stays shared, what it wrote stays written."""
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        sidecar = sidecars.named(unit, actor, ask.name)
        sidecars.remove(node, unit, actor, sidecar)
        return Done(f"Forgot the side-car {sidecar.name}", actor.user)


def _asked(desk: Desk, sidecar: Sidecar, event: str) -> frozenset[str]:
    """Return the accords for which an event waits or was refused."""
    kept = _kept(desk, sidecar, event)
    open_ = (sidecars.Asked.WAITING, sidecars.Asked.REFUSED)
    return frozenset(accord for accord, asking in kept.asks.items() if asking.state in open_)


def _settled(desk: Desk, sidecar: Sidecar, before: frozenset[str], ask: verbs.Settle) -> verbs.EventShown:
    accord = ask.accord or min(before)
    return _event(_kept(desk, sidecar, ask.event), accord)


def _kept(desk: Desk, sidecar: Sidecar, event: str) -> Kept:
    with desk.services.node.store.read() as unit:
        found = sidecars.get(unit, EVENTS, f"{sidecars.key(sidecar)}/{event.lower()}", Kept)
    return found or Kept(event)


def _event(kept: Kept, accord: str) -> verbs.EventShown:
    asking = kept.asks[accord]
    return verbs.EventShown(
        event=kept.uuid,
        title=kept.title,
        accord=accord,
        by=asking.by,
        state=asking.state.value,
        digest=kept.digest,
        stated=len(asking.stated),
        withheld=asking.withheld,
        grounds=asking.grounds,
        stays=kept.stays,
        kept=kept.kept,
        decided=asking.decided,
        reason=asking.reason,
        at=asking.at,
    )


def _shown(unit: Unit, one: Sidecar) -> verbs.SidecarShown:
    health = sidecars.health_of(unit, one)
    return verbs.SidecarShown(
        name=one.name,
        office=one.office,
        address=one.address,
        key_file=one.login,
        every=one.every,
        enabled=one.enabled,
        tags=one.tags,
        groups=one.groups,
        standing=one.standing,
        unpublished=one.unpublished,
        writes=one.writes,
        distribution=one.distribution,
        retracted=one.retracted.value,
        marking=marking_text(sidecars.source_of(unit, one).marking),
        attempt=health.attempt,
        success=health.success,
        due=health.due,
        failures=health.failures,
        error=health.error,
        whose=health.whose,
        faults=health.faults,
        last=_tally(health.last),
        total=_tally(health.total),
    )


def _tally(tally: Tally) -> verbs.TallyShown:
    return verbs.TallyShown(**sidecars.counts(tally))


OPERATIONS: Final = (
    Operation(verbs.ADD, add),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.RUN, run),
    Operation(verbs.WAITING, waiting),
    Operation(verbs.RELEASE, release),
    Operation(verbs.REFUSE, refuse),
    Operation(verbs.ENABLE, enable),
    Operation(verbs.REMOVE, remove),
)
