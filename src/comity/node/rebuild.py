"""Folding every view again from the logs.

Rules: views are never the only copy. All of them are cleared and folded in one unit of work, so a reader
sees the old rows or the new ones, and a failure leaves the old. Nothing is added to a log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from comity import canon
from comity.acts import Span
from comity.areas import intel
from comity.formats import words
from comity.node import folding, views, wording
from comity.node.folding import Taken
from comity.node.node import SETTINGS, Node
from comity.node.ports import Log, Store, Unit
from comity.vocab import Held

CHUNK: Final = 4_096
VIEWS_VERSION: Final = "views-version"


def version() -> bytes:
    """Return the version of all views this program folds."""
    return f"{views.VERSION}.{intel.VERSION}.{words.VERSION}".encode()


def is_due(unit: Unit) -> bool:
    """Say whether the views in the store were folded by another version, or by one that left no word of it."""
    known = unit.documents.get(SETTINGS, VIEWS_VERSION)
    return known != version() if known is not None else _has_entries(unit)


def begin(store: Store) -> None:
    """Write the version of the views down in a store that has no entries yet."""
    with store.read() as unit:
        is_new = unit.documents.get(SETTINGS, VIEWS_VERSION) is None and not _has_entries(unit)
    if is_new:
        with store.write() as unit:
            unit.documents.put(SETTINGS, VIEWS_VERSION, version())


def _has_entries(unit: Unit) -> bool:
    return any(log.size for log in unit.logs.all())


def rebuild(node: Node, progress: Callable[[int, int], None] | None = None) -> int:
    """Clear every view and fold it again; return how many entries were read."""
    read = 0
    with node.store.write() as unit:
        for view in views.VIEWS:
            unit.views.clear(view)
        unit.spans.clear()
        unit.texts.clear()
        wording.clear(unit)
        # Home first: its records say what was passed on, which standings of own statements rest on.
        logs = sorted(unit.logs.all(), key=lambda log: (canon.parse_origin(log.origin)[1] is not None, log.origin))
        total = sum(log.size for log in logs)
        for log in logs:
            for start in range(0, log.size, CHUNK):
                end = min(start + CHUNK, log.size)
                folding.fold(node, unit, log, _taken(node, unit, log, start, end))
                read += end - start
                if progress is not None:
                    progress(read, total)
        for log in logs:
            if log.size and unit.spans.about(log.origin, 0, log.size):
                folding.restand(node, unit, Span(log.origin, 0, log.size))
        unit.documents.put(SETTINGS, VIEWS_VERSION, version())
    node.epoch += 1
    return read


def _taken(node: Node, unit: Unit, log: Log, start: int, end: int) -> list[Taken]:
    return [
        Taken(entry.position, node.header(entry.header), entry.body)
        for entry in unit.entries.read(log.id, start, end)
        if entry.held is Held.PAYLOAD and entry.header is not None and entry.body is not None
    ]
