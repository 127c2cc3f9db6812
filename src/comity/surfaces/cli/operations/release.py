"""What goes out: sharing and explaining; exporting has a module of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from comity.accord import Accord
from comity.acts import Standing
from comity.errors import Misuse
from comity.node.actor import Actor
from comity.node.ports import Unit, place
from comity.node.sharing import ANONYMOUS, Offer, Shared
from comity.node.warnings import FlaggedPlaces, flagged_at
from comity.policy import Decision, Release
from comity.statement import Header, Marking
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations import acting, exporting
from comity.surfaces.cli.operations.choosing import chosen, indexed, marking_text, narrower, one_of
from comity.surfaces.cli.verbs import MarkingSaid
from comity.surfaces.cli.verbs import release as verbs
from comity.vocab import Held, Priority, Purpose

SHARE_BATCH: Final = 2_048  # objects between two turns of others


# -- sharing ---------------------------------------------------------------------


def share(desk: Desk, ask: verbs.Share) -> verbs.Shared:
    """State objects in an accord: own ones anew, others' as relays with their authors' proof."""
    services, node = desk.services, desk.services.node
    indexed(desk, ask.choice)
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        accord = services.accords.get(unit, ask.accord)
        places = chosen(services, unit, actor, ask.choice, received=False)
        groups = _by_marking(desk, unit, places)
        if ask.dry_run:
            # Only here: reading the lists takes a process seconds, and who shares at once has decided.
            flagged = flagged_at(node, desk.warnings, services.queries, unit, places)
            going, left = _nameless(desk, unit, groups) if ask.anonymous else (groups, Counter[str]())
            planned = _plan(desk, unit, actor, accord, going, ask)
            planned = msgspec.structs.replace(
                planned, chosen=len(places), withheld=planned.withheld + left.total(), grounds=dict(left)
            )
            return _warned(planned, flagged)
    priority = Priority.FLASH if ask.flash else Priority.ROUTINE
    total = Shared(accord.id)
    shared = 0
    for marking, group in groups:
        offer = Offer(_offered(marking, ask.marking), priority, ask.anonymous)
        for start in range(0, len(group), SHARE_BATCH):
            _add(total, services.sharing.share(actor, ask.accord, group[start : start + SHARE_BATCH], offer))
            shared += len(group[start : start + SHARE_BATCH])
            desk.report("sharing", shared, len(places))
            desk.pause()
    return verbs.Shared(
        accord=accord.id,
        by=str(actor),
        chosen=len(places),
        stated=total.stated,
        relayed=total.relayed,
        known=total.known,
        withheld=total.withheld,
        grounds=total.grounds,
    )


def would_share(desk: Desk, unit: Unit, accord: Accord, places: Sequence[int]) -> tuple[tuple[verbs.Planned, ...], int]:
    """Say what stating entries as they are would decide, class by class, and how many could go to nobody."""
    planned: list[verbs.Planned] = []
    withheld = 0
    for marking, group in _by_marking(desk, unit, places):
        more, left = _planned(desk, unit, accord, group, Offer(), marking)
        planned += more
        withheld += left
    return tuple(planned), withheld


def _warned(done: verbs.Shared, flagged: FlaggedPlaces) -> verbs.Shared:
    """Return what would be shared, with what warning lists say of it."""
    by = Counter(
        warning.name for found in flagged.found.values() for warnings in found.values() for warning in warnings
    )
    return msgspec.structs.replace(done, flagged=len(flagged.found), flagged_by=dict(by), warnings=flagged.asked.says())


def _add(total: Shared, more: Shared) -> None:
    total.stated += more.stated
    total.relayed += more.relayed
    total.known += more.known
    total.withheld += more.withheld
    for ground, count in more.grounds.items():
        total.grounds[ground] = total.grounds.get(ground, 0) + count


def _nameless(
    desk: Desk, unit: Unit, groups: Sequence[tuple[Marking | None, list[int]]]
) -> tuple[list[tuple[Marking | None, list[int]]], Counter[str]]:
    """Return what can be anonymised, and how much cannot, by the grounds that sharing it would give."""
    left: Counter[str] = Counter()
    going: list[tuple[Marking | None, list[int]]] = []
    for marking, group in groups:
        fit: list[int] = []
        for at in group:
            why = desk.services.sharing.names_somebody(unit, at)
            if why:
                left[f"{ANONYMOUS}: {why}"] += 1
            else:
                fit.append(at)
        if fit:
            going.append((marking, fit))
    return going, left


def _by_marking(desk: Desk, unit: Unit, places: Sequence[int]) -> list[tuple[Marking | None, list[int]]]:
    groups: dict[Marking | None, list[int]] = {}
    for at in places:
        groups.setdefault(_header(desk, unit, at)[0].marking, []).append(at)
    return list(groups.items())


def _header(desk: Desk, unit: Unit, at: int) -> tuple[Header, Standing, Held]:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
    return desk.services.node.header(unit.entries.header(brief.header_id)), standing, brief.held


def _offered(marking: Marking | None, said: MarkingSaid) -> Marking | None:
    """Return the marking to state under, or None for the one each object has."""
    if said == MarkingSaid():
        return None
    if marking is None:
        raise Misuse(
            "an object without a marking is not shared, and a label of today does not change that",
            hint="give its source a default marking (`comity ingest --source NAME --tlp …`) and ingest it again",
        )
    return narrower(marking, said)


def _plan(
    desk: Desk,
    unit: Unit,
    actor: Actor,
    accord: Accord,
    groups: Sequence[tuple[Marking | None, list[int]]],
    ask: verbs.Share,
) -> verbs.Shared:
    """Say what sharing would decide, class by class, and state nothing."""
    planned: list[verbs.Planned] = []
    withheld = 0
    for marking, group in groups:
        more, left = _planned(desk, unit, accord, group, Offer(_offered(marking, ask.marking)), marking)
        planned += more
        withheld += left
    return verbs.Shared(
        accord=accord.id,
        by=str(actor),
        chosen=sum(len(group) for _, group in groups),
        stated=0,
        relayed=0,
        known=0,
        withheld=withheld,
        grounds={},
        planned=tuple(planned),
    )


def _planned(
    desk: Desk, unit: Unit, accord: Accord, places: Sequence[int], offer: Offer, marking: Marking | None
) -> tuple[list[verbs.Planned], int]:
    """Decide about entries of one marking, class by class; return also how many could go to nobody."""
    classes: dict[tuple[int, Header, Standing], int] = {}
    for at in places:
        header, standing, _ = _header(desk, unit, at)
        key = (place(at)[0], header, standing)
        classes[key] = classes.get(key, 0) + 1
    planned: list[verbs.Planned] = []
    withheld = 0
    for (log_id, header, standing), count in classes.items():
        decisions = desk.services.sharing.would(unit, unit.logs.get(log_id), header, standing, accord, offer)
        withheld += 0 if any(isinstance(d, Release) for d in decisions) else count
        text = marking_text(offer.marking or marking)
        planned.append(verbs.Planned(count, text, tuple(decision_shown(d) for d in decisions)))
    return planned, withheld


# -- explaining ------------------------------------------------------------------


def explain(desk: Desk, ask: verbs.Explain) -> verbs.Explained:
    """Return every rule's finding about an object for an audience, as it stands now."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        purpose = one_of(Purpose, ask.purpose, what="a purpose")
        found = desk.services.explaining.explain(unit, actor, ask.name, ask.to, purpose)
    return verbs.Explained(
        ask.name,
        ask.to,
        tuple(verbs.ExplainedShown(f"{e.origin}#{e.index}", e.as_if, decision_shown(e.decision)) for e in found),
    )


def decision_shown(decision: Decision) -> verbs.DecisionShown:
    """Return a decision as people read it."""
    return verbs.DecisionShown(
        audience=decision.audience.name,
        purpose=decision.audience.purpose.value,
        outcome="release" if isinstance(decision, Release) else "withholding",
        lapses=decision.lapses or 0,
        findings=tuple(verbs.FindingShown(f.rule, f.allows, f.because) for f in decision.findings),
    )


OPERATIONS: Final = (
    Operation(verbs.SHARE, share),
    Operation(verbs.EXPLAIN, explain),
    Operation(verbs.EXPORT, exporting.export),
    Operation(verbs.RETRACT, acting.retract),
    Operation(verbs.NARROW, acting.narrow),
    Operation(verbs.CONSENT, acting.consent),
    Operation(verbs.ERASE, acting.erase),
    Operation(verbs.CORRECT, acting.correct),
    Operation(verbs.ACTS, acting.acts),
    Operation(verbs.COMPLIANCE, acting.compliance),
)
