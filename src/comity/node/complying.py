"""Who has complied with acts about what was stated: every act, or every holder of one statement.

Rules: a member counts by what it said itself, in a holding or by a receipt; silence is shown as silence. Of relays by
others this party knows those that were made where it takes part too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from comity import canon
from comity.acts import AnyAct, Tombstone
from comity.areas import intel
from comity.canon import AccordId, Instant, OfficeId, Origin, PartyId
from comity.node import acting, holdings, views, witness
from comity.node.accords import Accords
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.statement import INTEL_RELAY
from comity.vocab import Held

ACTS_ABOUT: Final = ("tombstone", "retract", "narrow")


@dataclass(frozen=True, slots=True)
class Complied:
    """What one member has answered about one of our statements and the acts that bear on it."""

    accord: AccordId
    party: PartyId
    origin: Origin
    index: int
    act: str  # the newest narrowing act about it, or ""
    answer: str  # complied, holds-the-act, witnessed, silent; without an act: holds, answered
    held: Held | None
    at: Instant
    relayed_by: str = ""  # the party whose relay of the statement this is about; empty: our own


class Told(NamedTuple):
    """One act about content in one of our logs, and how far each member has come with it."""

    act: AnyAct
    accord: AccordId
    position: int
    at: Instant
    statements: int
    members: dict[PartyId, str]

    @property
    def waits(self) -> bool:
        """Say whether somebody has not complied with it."""
        return any(word != "complied" for word in self.members.values())

    @property
    def key(self) -> tuple[bool, Instant, int]:
        """Return what acts are listed by: those that wait first, the oldest of them first."""
        return not self.waits, self.at, self.position


def told(node: Node, accords: Accords, unit: Unit, office: OfficeId) -> list[Told]:
    """Return every narrowing act of an office about what it stated in accords: the oldest that waits first."""
    found: list[Told] = []
    heard: dict[int, _Heard] = {}  # by log: asked once for all acts
    for log in unit.logs.all():
        accord = canon.parse_origin(log.origin)[1]
        if not log.own or accord is None or not log.size:
            continue
        about: dict[int, list[tuple[int, int]]] = {}
        for start, end, where in unit.spans.about(log.origin, 0, log.size):
            about.setdefault(where, []).append((start, end))
        members = sorted(party for party in accords.get(unit, accord).members if party != node.me)
        for where, spans in about.items():
            act, at = node.act(unit, where)
            if not act.narrows or _office_of(node, unit, where) != office:
                continue
            for one in {log.id, place(where)[0]} - heard.keys():
                heard[one] = _hear(node, unit, unit.logs.get(one).origin)
            of_log, of_act = heard[log.id], heard[place(where)[0]]
            states = {party: _state_of(act, where, spans, party, of_log, of_act) for party in members}
            found.append(Told(act, accord, where, at, sum(end - start for start, end in spans), states))
    return sorted(found, key=lambda one: one.key)


class _Heard(NamedTuple):
    """What other parties have said of one of our logs."""

    answers: Mapping[PartyId, holdings.Answered]
    receipts: Mapping[PartyId, witness.Receipt]


def _hear(node: Node, unit: Unit, origin: Origin) -> _Heard:
    return _Heard(
        {answer.holder: answer for answer in holdings.answers(node, unit, origin)},
        {receipt.cosigner: receipt for receipt in witness.receipts(node, unit, f"{origin} ")},
    )


def _office_of(node: Node, unit: Unit, at: int) -> str:
    """Return the office of this party that stated an entry; empty for another party's."""
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    return node.header(unit.entries.header(brief.header_id)).office if unit.logs.get(log_id).own else ""


def _state_of(
    act: AnyAct, where: int, spans: Sequence[tuple[int, int]], party: PartyId, of_log: _Heard, of_act: _Heard
) -> str:
    """Say how far a member has come with an act, by the least that it has done about any of its statements.

    An act about a closed generation stands in the one that followed: that is where it is answered.
    """
    answer, held = of_act.answers.get(party), None
    if answer is not None and isinstance(act, Tombstone):
        kept = of_log.answers[party].runs if party in of_log.answers else ()
        overlaps = any(
            run.start < end and start < run.end for run in kept if run.held is Held.PAYLOAD for start, end in spans
        )
        held = Held.PAYLOAD if overlaps else Held.ERASED
    return _word(act.kind.removeprefix("act."), place(where)[1], held, answer, of_act.receipts.get(party))


def compliance(node: Node, accords: Accords, unit: Unit, places: Sequence[int]) -> list[Complied]:
    """Return what every member has answered about these statements, wherever this party stated or relayed them.

    Others' relays of them follow, as far as this party takes part where they were relayed and their bytes are there.
    """
    targets = sorted({target for place_ in places for target in _ours(unit, place_)})
    found = [one for at in targets if unit.logs.get(place(at)[0]).own for one in _answered(node, accords, unit, at)]
    for at in sorted(relays(node, unit, targets)):
        by = unit.logs.get(place(at)[0]).party
        found += [replace(one, relayed_by=by) for one in _answered(node, accords, unit, at) if one.party != by]
    return found


def _answered(node: Node, accords: Accords, unit: Unit, at: int) -> Iterator[Complied]:
    """Yield what every other member has answered about one statement in an accord."""
    log_id, index = place(at)
    log = unit.logs.get(log_id)
    name = canon.parse_origin(log.origin)[1]
    if name is None:
        return
    act, told_in, act_index = _newest_act(node, unit, log, index)
    of_log = _hear(node, unit, log.origin)
    # An act about a closed generation stands in the one that followed: that is where it is answered.
    of_act = _hear(node, unit, told_in.origin) if told_in.id != log.id else of_log
    for party in sorted(accords.get(unit, name).members):
        if party == node.me:
            continue
        holds, answer, receipt = of_log.answers.get(party), of_act.answers.get(party), of_act.receipts.get(party)
        held = holds.at_index(index) if holds else None
        word = _word(act, act_index, held, answer, receipt)
        when = answer.at if answer and word != "witnessed" else receipt.at if receipt else 0
        yield Complied(name, party, log.origin, index, act, word, held, when)


def _ours(unit: Unit, at: int) -> list[int]:
    """Return where this party stated an entry in accords: its own record, or another's that it passed on."""
    log = unit.logs.get(place(at)[0])
    if log.own and canon.parse_origin(log.origin)[1] is not None:
        return [at]
    return acting.passed(unit, at)


def relays(node: Node, unit: Unit, targets: Sequence[int]) -> set[int]:
    """Return where others relay these own statements of objects, as far as the relays' bytes are held here."""
    sources = {int(row[1] or 0): at for at in targets for row in unit.views.scan(views.PASSED, at, at, limit=1)}
    objects = {intel.object_number(bytes(row[1])) for at in sources  # type: ignore[arg-type]
               for row in unit.views.scan(intel.OBJECT, at, at, limit=1)}  # fmt: skip
    named = {(unit.logs.get(place(at)[0]).origin, place(at)[1]) for at in targets}
    found: set[int] = set()
    for row in unit.views.find_many(intel.STATED, "object", sorted(objects)):
        log_id, index = place(int(row[0] or 0))
        if unit.logs.get(log_id).own:
            continue
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.body is None or entry.header is None or node.header(entry.header).kind != INTEL_RELAY:
            continue
        line = intel.cut_relay(entry.body).line
        if (line.origin, line.index) in named:
            found.add(entry.position)
    return found


def _newest_act(node: Node, unit: Unit, log: Log, index: int) -> tuple[str, Log, int]:
    """Return kind, log and index of the strongest narrowing act about a statement in its accord, or ("", log, -1)."""
    best: tuple[int, str, int, int] = (len(ACTS_ABOUT), "", log.id, -1)
    accord = canon.parse_origin(log.origin)[1]
    for _, _, where in unit.spans.about(log.origin, index, index + 1):
        act_log, act_index = place(where)
        kind = node.act(unit, where)[0].kind.removeprefix("act.")
        if kind in ACTS_ABOUT and canon.parse_origin(unit.logs.get(act_log).origin)[1] == accord:
            best = min(best, (ACTS_ABOUT.index(kind), kind, act_log, act_index))
    return best[1], unit.logs.get(best[2]), best[3]


def _word(
    act: str,
    act_index: int,
    held: Held | None,
    answer: holdings.Answered | None,
    receipt: witness.Receipt | None,
) -> str:
    """Say how far a member has come with an act about a statement, in one word."""
    knows = answer is not None and answer.at_index(act_index) is Held.PAYLOAD if act else answer is not None
    if not act:
        return "holds" if held is Held.PAYLOAD else "answered" if answer else "witnessed" if receipt else "silent"
    if knows and (act != "tombstone" or held is not Held.PAYLOAD):
        return "complied"
    if knows:
        return "holds-the-act"
    if receipt is not None and receipt.size > act_index:
        return "witnessed"
    return "silent"
