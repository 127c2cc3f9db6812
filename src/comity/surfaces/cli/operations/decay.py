"""How confidence wears off for an office: its table of models."""

from __future__ import annotations

from typing import Final

from comity.formats.decay import Models
from comity.node import scoring
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import decay as verbs


def show(desk: Desk, ask: Nothing) -> verbs.TableShown:
    """Return the table that the asking office weighs by."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        return _shown(scoring.weights(unit, actor).models, scoring.table(unit, actor.office_id))


def set_(desk: Desk, ask: verbs.SetTable) -> verbs.TableShown:
    """Put an office's own table in force, or the default again."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    return _shown(scoring.set_table(node, actor, ask.table), ask.table)


def _shown(models: Models, own: str) -> verbs.TableShown:
    lines = (
        verbs.ModelShown(one.name, one.kinds, one.lifetime, one.speed, one.threshold, one.false_positive)
        for one in models.model
    )
    return verbs.TableShown(tuple(lines), models.reliability, own)


OPERATIONS: Final = (Operation(verbs.SHOW, show), Operation(verbs.SET, set_))
