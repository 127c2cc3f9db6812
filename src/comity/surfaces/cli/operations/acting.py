"""Acts about what was stated, and who has complied with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from comity.acts import Narrow
from comity.canon import Origin
from comity.node import acting, correspondents, deliveries
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.surfaces.cli.desk import Desk, actor_of
from comity.surfaces.cli.operations.choosing import mine_first, one_of
from comity.surfaces.cli.verbs import Ask
from comity.surfaces.cli.verbs import release as verbs
from comity.vocab import Pap, Tlp

_Act = Callable[[Actor, Node, Sequence[int]], list[Origin]]


def retract(desk: Desk, ask: verbs.Retract) -> verbs.Acted:
    """Retract own objects wherever they were stated."""
    return _act(desk, ask, ask.names, "retract", lambda actor, node, at: acting.retract(actor, node, at, ask.reason))


def narrow(desk: Desk, ask: verbs.Narrow) -> verbs.Acted:
    """Narrow own objects' marking."""
    act = Narrow(
        spans=(),
        tlp=one_of(Tlp, ask.tlp, what="a TLP label") if ask.tlp else Tlp.CLEAR,
        pap=one_of(Pap, ask.pap, what="a PAP label") if ask.pap else Pap.CLEAR,
        to=tuple(sorted(ask.to)),
        onward=ask.onward,
        revoke=tuple(sorted(ask.revoke)),
        reason=ask.reason,
    )
    return _act(desk, ask, ask.names, "narrow", lambda actor, node, at: acting.narrow(actor, node, at, act))


def consent(desk: Desk, ask: verbs.Consent) -> verbs.Acted:
    """Consent that holders pass own objects on."""
    return _act(
        desk, ask, ask.names, "consent", lambda actor, node, at: acting.consent(actor, node, at, ask.to, ask.until)
    )


def erase(desk: Desk, ask: verbs.Erase) -> verbs.Acted:
    """Erase own objects here and at every honest holder."""
    return _act(
        desk, ask, ask.names, "erase", lambda actor, node, at: acting.erase(actor, node, at, ask.basis, ask.reason)
    )


def _act(desk: Desk, ask: Ask, names: Sequence[str], what: str, carry_out: _Act) -> verbs.Acted:
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        places = _places(desk, unit, actor, names)
    logs = carry_out(actor, node, places)
    with node.store.read() as unit:
        answers = _answers(desk, unit, places)
    return verbs.Acted(what, str(actor), len(places), tuple(logs), answers)


def compliance(desk: Desk, ask: verbs.Compliance) -> verbs.Answered:
    """Say who has answered about own objects and the acts that bear on them."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        places = {at for name in ask.names for at in _own_places(desk, unit, actor, name)}
        return verbs.Answered(_answers(desk, unit, sorted(places)), _given(desk, unit, actor, sorted(places)))


def _given(desk: Desk, unit: Unit, actor: Actor, places: Sequence[int]) -> tuple[verbs.GivenShown, ...]:
    """Return which correspondents of the actor's office were given statements, and whether they know what holds."""
    found: list[verbs.GivenShown] = []
    for at in places:
        log_id, index = place(at)
        for one in deliveries.holders(unit, at):
            known = correspondents.by_audience(unit, one.audience)
            if known is None or known.office != str(actor.office):
                continue  # another office's correspondents are not shown
            told = desk.services.owing.state(unit, known, one.channel, at)
            statement = f"{unit.logs.get(log_id).origin}#{index}"
            found.append(
                verbs.GivenShown(
                    one.audience, known.party, statement, one.channel.value, one.grade.value, told, one.last
                )
            )
    return tuple(found)


def _own_places(desk: Desk, unit: Unit, actor: Actor, name: str) -> list[int]:
    """Return what a name means; an own statement by its place also when its bytes are erased."""
    if "#" in name:
        at = desk.services.queries.parse_place(unit, name)
        if unit.logs.get(place(at)[0]).own:
            return [at]
    return mine_first(desk.services, unit, actor, name)


def _places(desk: Desk, unit: Unit, actor: Actor, names: Sequence[str]) -> list[int]:
    return sorted({at for name in names for at in mine_first(desk.services, unit, actor, name)})


def _answers(desk: Desk, unit: Unit, places: Sequence[int]) -> tuple[verbs.CompliedShown, ...]:
    return tuple(
        verbs.CompliedShown(
            accord=c.accord,
            party=c.party,
            statement=f"{c.origin}#{c.index}",
            act=c.act,
            answer=c.answer,
            held=c.held.value if c.held is not None else "",
            at=c.at,
        )
        for c in acting.compliance(desk.services.node, desk.services.accords, unit, places)
    )
