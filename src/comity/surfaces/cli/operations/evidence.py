"""Sealed evidence: listed without its content, read on record, erased."""

from __future__ import annotations

from typing import Final

from comity.node import evidence
from comity.node.evidence import Sealed
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import evidence as verbs


def list_(desk: Desk, ask: Nothing) -> verbs.SealedMany:
    """Return what the asking office has sealed."""
    with desk.services.node.store.read() as unit:
        found = evidence.sealed(unit, actor_of(desk, unit, ask))
    return verbs.SealedMany(tuple(map(_shown, found)))


def read(desk: Desk, ask: verbs.Read) -> verbs.Opened:
    """Return one piece with its content; who read it and why is on record first."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    one, data = evidence.read(node, actor, ask.name, ask.reason)
    return verbs.Opened(_shown(one), data.decode("utf-8", "replace"), str(actor))


def erase(desk: Desk, ask: verbs.Erase) -> Done:
    """Erase one piece."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    evidence.erase(node, actor, ask.name, ask.basis)
    return Done(f"Erased {ask.name}.", str(actor))


def _shown(one: Sealed) -> verbs.SealedShown:
    return verbs.SealedShown(one.name, one.source, one.at, one.digest)


OPERATIONS: Final = (Operation(verbs.LIST, list_), Operation(verbs.READ, read), Operation(verbs.ERASE, erase))
