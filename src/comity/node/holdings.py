"""Holdings: this party's statements of what it durably keeps of others' logs.

Rules: every index answers *payload*, *sealed*, *withheld* or *erased*. One act tells of everything a sync
brought. A holding is due for new content and changed answers, never for other holdings, so that two nodes
do not answer each other for ever; routine ones wait `HOLD_SECONDS_MIN` to be told together.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from comity import canon
from comity.acts import HeldRun, Hold, Holding
from comity.canon import AccordId, Instant, Origin, PartyId
from comity.errors import NotFound
from comity.limits import HOLD_RUNS_MAX, HOLD_SECONDS_MIN
from comity.node import books, views
from comity.node.accords import Accords
from comity.node.node import Node
from comity.node.ports import Log, LogState, Unit
from comity.vocab import Held

OWED: Final = "holding-owed"  # origin -> how soon
URGENT: Final = b"urgent"
ROUTINE: Final = b"routine"
TOLD: Final = "holding-told"  # accord -> time of the last holding
STEP: Final = 65_536  # entries looked at in one step


class Answered(NamedTuple):
    """What a holder said of one of our logs, by its newest holding."""

    holder: PartyId
    size: int
    runs: tuple[HeldRun, ...]
    at: Instant

    def at_index(self, index: int) -> Held | None:
        """Return what the holder has at an index; None: it has not answered for it yet."""
        return next((run.held for run in self.runs if run.start <= index < run.end), None)


def runs(unit: Unit, log: Log) -> tuple[HeldRun, ...]:
    """Return what this node has of a log, in ascending runs."""
    found: list[HeldRun] = []
    for start in range(0, log.size, STEP):
        for first, end, held in unit.entries.held_runs(log.id, start, min(start + STEP, log.size)):
            if found and found[-1].held is held and found[-1].end == first:
                found[-1] = HeldRun(found[-1].start, end, held)
            else:
                found.append(HeldRun(first, end, held))
    return tuple(found)


def owe(unit: Unit, origin: Origin, *, urgent: bool) -> None:
    """Note that a holding about a log is due; an urgent one (an act that narrows, an alert) waits for nothing."""
    if urgent or unit.documents.get(OWED, origin) is None:
        unit.documents.put(OWED, origin, URGENT if urgent else ROUTINE)


def is_owed(unit: Unit) -> bool:
    """Say whether any holding is due."""
    return bool(unit.documents.all(OWED))


def tell(node: Node, accords: Accords, unit: Unit) -> int:
    """State what is due, together per accord; return how many acts."""
    due: dict[AccordId, list[Log]] = {}
    urgent: set[AccordId] = set()
    for origin, word in unit.documents.all(OWED):
        accord, log = canon.parse_origin(origin)[1], unit.logs.find(Origin(origin))
        if accord is not None and log is not None and log.state is not LogState.FROZEN:
            due.setdefault(accord, []).append(log)
            urgent |= {accord} if word == URGENT else set()
    told = 0
    for accord, logs in sorted(due.items()):
        last = int(unit.documents.get(TOLD, accord) or b"0")
        if accord in urgent or node.now() >= last + HOLD_SECONDS_MIN:
            told += _tell(node, accords, unit, accord, logs)
    return told


def _tell(node: Node, accords: Accords, unit: Unit, accord: AccordId, logs: list[Log]) -> int:
    try:
        known = accords.get(unit, accord)
    except NotFound:
        return 0
    origin = books.accord_origin(node, unit, accord)
    own = unit.logs.find(origin)
    if own is not None and own.state is not LogState.OPEN:
        return 0  # told in the next generation; the doctor says that this one is frozen
    office, version = node.card(unit, node.me).card.offices[0].id, known.current.text.version
    drafts: list[books.Draft] = []
    group: list[Holding] = []
    for log in sorted(logs, key=lambda log: log.origin):
        holding = Holding(log.origin, log.size, runs(unit, log)[:HOLD_RUNS_MAX])
        if group and sum(len(h.runs) for h in group) + len(holding.runs) > HOLD_RUNS_MAX:
            drafts.append(books.act_draft(node, office, Hold(tuple(group)), version=version))
            group = []
        group.append(holding)
        unit.documents.delete(OWED, log.origin)
    drafts.append(books.act_draft(node, office, Hold(tuple(group)), version=version))
    books.state(node, unit, origin, version, drafts)
    unit.documents.put(TOLD, accord, str(node.now()).encode())
    return len(drafts)


def answers(node: Node, unit: Unit, origin: Origin) -> list[Answered]:
    """Return the newest answer of every holder about a log."""
    found: list[Answered] = []
    for row in unit.views.find(views.HOLDING, {"origin": origin}, limit=1_024):
        where = int(row[0] or 0)
        act, at = node.act(unit, where)
        if isinstance(act, Hold):
            runs_ = next((h.runs for h in act.logs if h.origin == origin), ())
            found.append(Answered(PartyId(str(row[2])), int(row[3] or 0), runs_, at))
    return found
