"""Registering, listing, polling, resting and forgetting the sources that are fetched."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.node import ingest, sources
from comity.node.ingest import Source
from comity.node.ports import Unit
from comity.node.sources import Counts
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import source as verbs

SHOWN: Final = 20  # refusals and losses named in an answer


def add(desk: Desk, ask: verbs.Add) -> verbs.SourceShown:
    """Register a source, or change how it is fetched; its default marking stays where none is said."""
    if ask.form and ask.form != sources.STIX:
        from comity.formats import readers  # its patterns take time to compile

        readers.reader(ask.form)
    with desk.services.node.store.write() as unit:
        actor = actor_of(desk, unit, ask)
        before = [one for one in ingest.sources(unit, actor.office_id) if one.name == ask.name.strip()]
        kept = before[0].marking if before else None
        source = Source(
            name=ask.name.strip(),
            office=actor.office_id,
            marking=marking_of(ask.marking) if ask.marking is not None else kept,
            note=ask.note,
            reliability=ask.reliability.upper(),
            licence=ask.licence,
            form=ask.form,
            kind=ask.kind,
            address=ask.address,
            collection=ask.collection,
            match=ask.match,
            login=ask.login,
            plain=ask.plain,
            every=ask.every,
        )
        return _shown(unit, sources.register(unit, source))


def list_(desk: Desk, ask: Nothing) -> verbs.SourcesShown:
    """Return the sources of the asking office, and how each does."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        return verbs.SourcesShown(tuple(_shown(unit, one) for one in sources.fetched(unit, actor.office_id)))


def poll(desk: Desk, ask: verbs.Poll) -> verbs.PolledShown:
    """Poll a source now, whether it is due or not."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        source = sources.named(unit, actor, ask.name)
    polled = desk.poll(actor, source, dry=ask.dry)
    with desk.services.node.store.read() as unit:
        shown = _shown(unit, source)
    lines = [verbs.RefusalShown(one.ident or f"byte {one.offset}", one.rule, one.reason) for one in polled.report.shown]
    lines += [verbs.RefusalShown(one.where, f"{one.outcome} {one.rule}", one.reason) for one in polled.losses.shown]
    return verbs.PolledShown(
        source=shown,
        dry=ask.dry,
        counts=_counts(polled.counts),
        unmarked=polled.unmarked,
        refusals=tuple(lines[:SHOWN]),
        error=polled.health.error,
        whose=polled.health.whose,
        faults=polled.health.faults,
        exit_code=polled.error.exit_code if polled.error is not None else 0,
    )


def enable(desk: Desk, ask: verbs.Enable) -> verbs.SourceShown:
    """Let a source rest, or be polled again."""
    with desk.services.node.store.write() as unit:
        source = sources.named(unit, actor_of(desk, unit, ask), ask.name)
        return _shown(unit, sources.enable(unit, source, enabled=ask.enabled))


def remove(desk: Desk, ask: verbs.Named) -> verbs.SourceShown:
    """Forget a source; what came from it stays."""
    with desk.services.node.store.write() as unit:
        source = sources.named(unit, actor_of(desk, unit, ask), ask.name)
        shown = _shown(unit, source)
        sources.remove(unit, source)
        return shown


def _shown(unit: Unit, source: Source) -> verbs.SourceShown:
    health = sources.health_of(unit, source)
    return verbs.SourceShown(
        name=source.name,
        office=source.office,
        kind=source.kind,
        address=source.address,
        collection=source.collection,
        form=source.form or sources.FORMS[sources.Kind(source.kind)],
        every=source.every,
        enabled=source.enabled,
        marking=marking_text(source.marking),
        reliability=source.reliability,
        licence=source.licence,
        login=source.login,
        note=source.note,
        attempt=health.attempt,
        success=health.success,
        due=health.due,
        failures=health.failures,
        error=health.error,
        whose=health.whose,
        faults=health.faults,
        last=_counts(health.last),
        total=_counts(health.total),
    )


def _counts(counts: Counts) -> verbs.CountsShown:
    return verbs.CountsShown(**msgspec.structs.asdict(counts))


OPERATIONS: Final = (
    Operation(verbs.ADD, add),
    Operation(verbs.LIST, list_),
    Operation(verbs.POLL, poll),
    Operation(verbs.ENABLE, enable),
    Operation(verbs.REMOVE, remove),
)
