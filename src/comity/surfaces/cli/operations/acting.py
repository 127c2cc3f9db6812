"""Acts about what was stated, and who has complied with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from comity.acts import Narrow, Retract
from comity.canon import Origin
from comity.errors import Misuse
from comity.node import acting, attachments, complying, correcting, correspondents, deliveries
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.queries import Found
from comity.surfaces.cli.desk import Desk, actor_of
from comity.surfaces.cli.operations.choosing import is_own, mine_first, one_of
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


def correct(desk: Desk, ask: verbs.Correct) -> verbs.Corrected:
    """Put a corrected version in the place of an own object, wherever it went."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        versions = services.queries.versions(unit, actor, ask.name) if "--" in ask.name and "#" not in ask.name else []
        places = _places(desk, unit, actor, [ask.name])
        own = [at for at in places if is_own(services, unit, actor, at)]
        at = _newest(own, versions)
    done = correcting.correct(node, services.sharing, actor, at, ask.text.strip().encode(), ask.reason)
    with node.store.read() as unit:
        log_id, index = place(done.position)
        where = f"{unit.logs.get(log_id).origin}#{index}"
        answers = _answers(desk, unit, [at])
    return verbs.Corrected(where, str(actor), tuple(done.stated), done.withheld, tuple(done.logs), answers)


def _newest(own: Sequence[int], versions: Sequence[Found]) -> int:
    """Return the one place that is meant: of an object's own versions the newest that stands. Raises `Misuse`."""
    for version in versions:
        for witness in version.witnesses:
            if witness.position in own and not witness.retracted:
                return witness.position
    if len(own) == 1:
        return own[0]
    raise Misuse(
        "no single object of your office is meant" if own else "your office has no such object",
        hint="`comity show` names each statement as <origin>#<index>",
    )


def acts(desk: Desk, ask: verbs.Acts) -> verbs.ActsShown:
    """Return this office's acts about content, and how far everybody has come with each."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = complying.told(node, desk.services.accords, unit, actor.office_id)
        waiting = sum(one.waits for one in found)
        total = len(found)
        after = _cursor(ask.after)
        left = [one for one in found if (one.waits or not ask.waiting) and (after is None or one.key > after)]
        page = left[: max(1, ask.limit)]
        shown = tuple(_act_shown(unit, one) for one in page)
    last = page[-1].key if len(page) < len(left) else None
    return verbs.ActsShown(shown, waiting, total, "-".join(str(int(part)) for part in last) if last else "")


def _cursor(text: str) -> tuple[bool, int, int] | None:
    """Read the place of an act in the list, as it was when it was shown. Raises `Misuse`.

    Acts that were complied with since have moved: they may show twice, and none is left out.
    """
    if not text:
        return None
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise Misuse(f"{text!r} is no cursor of this list", hint="take it from `next` of the answer before")
    return parts[0] != "0", int(parts[1]), int(parts[2])


def _act_shown(unit: Unit, one: complying.Told) -> verbs.ActShown:
    log_id, index = place(one.position)
    is_correction = isinstance(one.act, Retract) and one.act.by is not None
    name = "correct" if is_correction else one.act.kind.removeprefix("act.")
    where = f"{unit.logs.get(log_id).origin}#{index}"
    members = {str(party): word for party, word in one.members.items()}
    reason = getattr(one.act, "reason", "")
    return verbs.ActShown(name, one.accord, where, one.at, one.statements, reason, members)


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
    places = {at for name in names for at in mine_first(desk.services, unit, actor, name)}
    services = desk.services
    return attachments.with_parts(services.node, services.queries, unit, actor, sorted(places))


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
            relayed_by=c.relayed_by,
        )
        for c in complying.compliance(desk.services.node, desk.services.accords, unit, places)
    )
