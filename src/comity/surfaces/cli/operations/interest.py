"""Interests: stating them, listing them, what fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from comity.areas.intel import interests
from comity.areas.intel.interests import Interest
from comity.areas.intel.questions import Subject, Why
from comity.errors import Misuse
from comity.formats import observables
from comity.node.actor import Actor
from comity.node.interests import Voiced
from comity.node.ports import Unit, place
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text, one_of
from comity.surfaces.cli.operations.release import would_share
from comity.surfaces.cli.verbs import interest as verbs
from comity.surfaces.cli.verbs.release import Planned


def voice(desk: Desk, ask: verbs.Voice) -> verbs.InterestShown:
    """State an interest in an accord."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    networks, domains, values = _about(ask.about)
    interest = Interest(
        why=one_of(Why, ask.why, what="a reason to ask"),
        types=_each(ask.types),
        kinds=_each(ask.kinds),
        networks=networks,
        domains=domains,
        values=values,
        names=_each(ask.names),
        techniques=_each(ask.techniques),
        sectors=_each(ask.sectors),
        countries=_each(ask.countries),
        confidence=ask.confidence,
        until=ask.until,
        text=ask.text,
    )
    at = desk.services.interests.voice(actor, ask.accord, interest, marking_of(ask.marking))
    with node.store.read() as unit:
        return _shown(desk.services.interests.voiced(unit, actor, at))


def _each(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _about(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Subject, ...]]:
    """Sort what people write into networks, domains and values. Raises `Misuse` for what is none of them."""
    networks: list[str] = []
    domains: list[str] = []
    values: list[Subject] = []
    for text in texts:
        network = interests.prefix(observables.refang(text))
        if network and "/" in text:
            networks.append(network)
            continue
        (read, *_) = observables.recognise(text) or (None,)
        if read is None:
            raise Misuse(f"{text!r} is no value, network or domain")
        if read.kind == "domain":
            domains.append(read.value)
        else:
            values.append(Subject(*read))
    return _each(networks), _each(domains), tuple(dict.fromkeys(values))


def list_(desk: Desk, ask: verbs.List) -> verbs.InterestsShown:
    """Return the interests that the asking office may read."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = desk.services.interests.all_(unit, actor, mine=ask.mine, ended=ask.ended)
    return verbs.InterestsShown(tuple(map(_shown, found)))


def match(desk: Desk, ask: verbs.Match) -> verbs.Matched:
    """Return what of the asking office's own fits an interest, with what would be decided."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        voiced = services.interests.named(unit, actor, ask.name)
        found = services.interests.fitting(unit, actor, [voiced.interest], before=ask.before, most=ask.limit)
        accord = services.accords.get(unit, voiced.accord)
        known = services.sharing.stated(unit, accord.id, found.places)
        planned: tuple[Planned, ...] = ()
        withheld = 0
        fresh = [at for at in found.places if at not in known]
        if fresh:
            planned, withheld = would_share(desk, unit, accord, fresh)
        shown = tuple(_fitting(desk, unit, actor, at, known=at in known) for at in found.places)
    return verbs.Matched(shown, found.looked, found.before, planned, withheld)


def arrived(desk: Desk, ask: verbs.Arrived) -> verbs.Matched:
    """Return what arrived from others that fits the asking office's interests."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        wanted = [one.interest for one in services.interests.all_(unit, actor, mine=True)]
        if not wanted:
            return verbs.Matched((), 0, 0)
        found = services.interests.fitting(
            unit, actor, wanted, arrived=True, since=ask.since, before=ask.before, most=ask.limit
        )
        shown = tuple(_fitting(desk, unit, actor, at, known=False) for at in found.places)
    return verbs.Matched(shown, found.looked, found.before)


def _fitting(desk: Desk, unit: Unit, actor: Actor, at: int, *, known: bool) -> verbs.FittingShown:
    log_id, index = place(at)
    witness = desk.services.queries.witness_at(unit, actor, at)
    assert witness is not None  # `fitting` gives what the actor may read
    tree = msgspec.json.decode(desk.services.queries.body(unit, at), type=dict[str, object])
    return verbs.FittingShown(
        f"{unit.logs.get(log_id).origin}#{index}",
        str(tree.get("id", "")),
        str(tree.get("type", "")),
        str(tree.get("name", "")),
        witness.party,
        witness.source,
        marking_text(witness.marking),
        witness.at,
        known,
    )


def _shown(one: Voiced) -> verbs.InterestShown:
    found = one.interest
    return verbs.InterestShown(
        one.name,
        one.party,
        one.office,
        one.accord,
        one.at,
        marking_text(one.marking),
        found.why.value,
        one.withdrawn,
        found.until,
        found.types,
        found.kinds,
        found.networks,
        found.domains,
        tuple((each.kind, each.value) for each in found.values),
        found.names,
        found.techniques,
        found.sectors,
        found.countries,
        found.confidence,
        found.text,
    )


OPERATIONS: Final = (
    Operation(verbs.VOICE, voice),
    Operation(verbs.LIST, list_),
    Operation(verbs.MATCH, match),
    Operation(verbs.ARRIVED, arrived),
)
