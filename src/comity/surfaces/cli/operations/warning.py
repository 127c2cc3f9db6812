"""Warning lists asked about values, before they are taken in or shared."""

from __future__ import annotations

from typing import Final

from comity.formats import observables
from comity.formats.observables import Observable
from comity.node import warnings
from comity.surfaces.cli.desk import Desk, Operation
from comity.surfaces.cli.verbs import warning as verbs


def check(desk: Desk, ask: verbs.Check) -> verbs.CheckedMany:
    """Return which lists have which of some values, under any reading."""
    read = [tuple(Observable(kind, value) for _, kind, value in observables.keyed(text)) for text in ask.values]
    told = warnings.flagged(desk.services.node, desk.warnings, [each for some in read for each in some])
    values = []
    for text, some in zip(ask.values, read, strict=True):
        # A list may have a value under two readings of it; it is named once.
        found = dict.fromkeys(warning for each in some for warning in told.found.get(each, ()))
        shown = tuple(verbs.WarningShown(one.name, one.version, one.entry, one.why) for one in found)
        values.append(verbs.Checked(text, tuple(f"{each.kind} {each.value}" for each in some), shown))
    return verbs.CheckedMany(tuple(values), told.asked.lists, told.asked.why_not)


OPERATIONS: Final = (Operation(verbs.CHECK, check),)
