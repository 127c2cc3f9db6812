"""Making, listing, running, resting and forgetting standing rules of sharing."""

from __future__ import annotations

from typing import Final

from comity.canon import AccordId
from comity.node import rules
from comity.node.carrying import Carrier
from comity.node.ports import Unit, place
from comity.node.rules import Plan, Rule
from comity.node.warnings import flagged_at
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_text, one_of
from comity.surfaces.cli.operations.release import decision_shown
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import rule as verbs
from comity.surfaces.cli.verbs.release import Planned
from comity.vocab import Tlp

HELD_SHOWN: Final = 20  # objects on warning lists that are named in an answer


def create(desk: Desk, ask: verbs.Create) -> verbs.PlanShown:
    """Say what a rule would share now and to whom, and make it where that is confirmed."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        rule = Rule(
            name=ask.name.strip(),
            office=actor.office_id,
            accord=AccordId(ask.accord),
            by=actor.user,
            at=node.now(),
            source=ask.source,
            type=ask.type,
            tlp=one_of(Tlp, ask.tlp, what="a TLP label"),
            confidence=ask.confidence,
            to=tuple(sorted(ask.to)),
            anonymous=ask.anonymous,
            interest=ask.interest,
            warned=ask.warned,
        )
        rules.check(services, unit, rule)
        planned = rules.plan(services, unit, rule, desk.warnings)
    if ask.yes:
        with node.writing() as unit:
            rules.create(services, unit, actor, rule)
    with node.store.read() as unit:
        return _planned(unit, rule, planned, made=ask.yes)


def list_(desk: Desk, ask: Nothing) -> verbs.RulesShown:
    """Return the rules of the asking office, and how far each has come."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        return verbs.RulesShown(tuple(_shown(unit, one) for one in rules.all_(unit, actor.office_id)))


def show(desk: Desk, ask: verbs.Named) -> verbs.RuleDetail:
    """Return a rule with the first of what it holds back, and why."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        rule = rules.named(unit, actor_of(desk, unit, ask), ask.name)
        places = rules.places_of(rules.state_of(unit, rule).flagged, HELD_SHOWN)
        held: list[verbs.Held] = []
        says = ""
        if places:
            flagged = flagged_at(node, desk.warnings, services.queries, unit, places)
            says = flagged.asked.says()
            for at in places:
                found = flagged.found.get(at, {})
                log_id, index = place(at)
                held.append(
                    verbs.Held(
                        statement=f"{unit.logs.get(log_id).origin}#{index}",
                        values=tuple(value.value for value in found),
                        lists=tuple(sorted({one.name for listed in found.values() for one in listed})),
                    )
                )
        return verbs.RuleDetail(_shown(unit, rule), tuple(held), says)


def plan(desk: Desk, ask: verbs.Named) -> verbs.PlanShown:
    """Return what a rule would share now, and to whom; nothing is stated."""
    with desk.services.node.store.read() as unit:
        rule = rules.named(unit, actor_of(desk, unit, ask), ask.name)
        return _planned(unit, rule, rules.plan(desk.services, unit, rule, desk.warnings), made=True)


def run(desk: Desk, ask: verbs.Run) -> verbs.RunShown:
    """Carry a rule out now: what is new, and what was withheld before."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        rule = rules.named(unit, actor, ask.name)
    done = Carrier(desk.services, desk.warnings).run(actor, rule, again=True, warned=ask.warned, pause=desk.pause)
    with node.store.read() as unit:
        return verbs.RunShown(_shown(unit, rule), done.stated, done.withheld, done.grounds)


def enable(desk: Desk, ask: verbs.Enable) -> verbs.RuleShown:
    """Let a rule rest, or go on."""
    with desk.services.node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        rule = rules.named(unit, actor, ask.name)
        return _shown(unit, rules.enable(desk.services.node, unit, actor, rule, enabled=ask.enabled))


def delete(desk: Desk, ask: verbs.Named) -> Done:
    """Forget a rule; what it shared stays shared."""
    with desk.services.node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        rules.delete(desk.services.node, unit, actor, rules.named(unit, actor, ask.name))
    return Done(f"Deleted the rule {ask.name}; what it shared stays shared.", str(actor))


def _planned(unit: Unit, rule: Rule, found: Plan, *, made: bool) -> verbs.PlanShown:
    return verbs.PlanShown(
        rule=_shown(unit, rule),
        made=made,
        objects=found.objects,
        known=found.known,
        withheld=found.withheld,
        grounds=found.grounds,
        planned=tuple(
            Planned(one.objects, marking_text(one.marking), tuple(map(decision_shown, one.decisions)))
            for one in found.classes
        ),
        flagged=len(found.flagged),
        warnings=found.warnings,
    )


def _shown(unit: Unit, rule: Rule) -> verbs.RuleShown:
    state = rules.state_of(unit, rule)
    return verbs.RuleShown(
        name=rule.name,
        office=rule.office,
        accord=rule.accord,
        by=rule.by,
        at=rule.at,
        source=rule.source,
        type=rule.type,
        tlp=rule.tlp.label,
        confidence=rule.confidence,
        to=rule.to,
        anonymous=rule.anonymous,
        interest=rule.interest,
        warned=rule.warned,
        enabled=rule.enabled,
        stopped=state.stopped,
        ran=state.ran,
        stated=state.stated,
        withheld=rules.count(state.withheld),
        grounds=state.grounds,
        flagged=rules.count(state.flagged),
    )


OPERATIONS: Final = (
    Operation(verbs.CREATE, create),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.PLAN, plan),
    Operation(verbs.RUN, run),
    Operation(verbs.ENABLE, enable),
    Operation(verbs.DELETE, delete),
)
