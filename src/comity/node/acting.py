"""Acts about what was stated: retract, narrow, consent, erase; and who has complied.

Rules: an act is stated where its statement stands: in the home log for collected objects (whence it
passes on to every accord they were stated in), in the accord's log for what was stated there alone.
Only the author acts; a relay's acts follow the author's by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from comity import canon
from comity.acts import AnyAct, Consent, Narrow, Retract, Span, Tombstone
from comity.canon import AccordId, Instant, OfficeId, Origin, PartyId
from comity.errors import Misuse, NotFound, Refused
from comity.node import books, holdings, views, witness
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.spans import runs
from comity.policy import parse_audience
from comity.vocab import Held

Make = Callable[[tuple[Span, ...]], AnyAct]


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


def retract(actor: Actor, node: Node, places: Sequence[int], reason: str) -> list[Origin]:
    """Retract own statements wherever they were stated; return the logs that carry an act."""
    return state(node, actor, places, lambda spans: Retract(spans, reason))


def narrow(actor: Actor, node: Node, places: Sequence[int], act: Narrow) -> list[Origin]:
    """Narrow own statements' marking; the act's own spans are replaced."""
    for name in (*act.to, *act.revoke):
        parse_audience(name)
    return state(
        node,
        actor,
        places,
        lambda spans: Narrow(spans, act.tlp, act.pap, act.to, act.onward, act.revoke, act.reason),
    )


def erase(actor: Actor, node: Node, places: Sequence[int], basis: str, reason: str) -> list[Origin]:
    """State a tombstone: bytes and salts go, here and at every honest holder. Raises `Misuse` without a basis."""
    if not basis.strip():
        raise Misuse("an erasure names its legal basis", hint="--basis 'GDPR art. 17', 'court order ...'")
    return state(node, actor, places, lambda spans: Tombstone(spans, basis, reason))


def consent(actor: Actor, node: Node, places: Sequence[int], to: Sequence[str], until: Instant) -> list[Origin]:
    """Consent that holders pass statements on to named audiences, until a time (0: open end)."""
    for name in to:
        parse_audience(name)
    if not to:
        raise Misuse("a consent names to whom", hint="--to cert.cascadia.example/csirt")
    if until and until <= node.now():
        raise Misuse("a consent that ends in the past permits nothing")
    return state(node, actor, places, lambda spans: Consent(spans, tuple(sorted(to)), until), in_accords=True)


def state(node: Node, actor: Actor, places: Sequence[int], make: Make, *, in_accords: bool = False) -> list[Origin]:
    """State an act about own statements where they stand; return the logs that carry it. Raises `Refused`."""
    with node.writing() as unit:
        by_log: dict[int, list[int]] = {}
        for at in places:
            for target in _stated_as(unit, at) if in_accords else [at]:
                by_log.setdefault(place(target)[0], []).append(place(target)[1])
        if not by_log:
            raise NotFound(
                "it was not stated in any accord", hint="`comity share` first; consent is about what is shared"
            )
        touched: list[Origin] = []
        for log_id, indexes in sorted(by_log.items()):
            log = unit.logs.get(log_id)
            _check_author(node, unit, actor, log, indexes)
            spans = tuple(Span(log.origin, s, e) for s, e in runs(indexes))
            touched.append(_state(node, unit, actor, log, make(spans)))
            touched += _carried(unit, log, indexes) if not in_accords else []
        return sorted(set(touched))


def _stated_as(unit: Unit, at: int) -> list[int]:
    log = unit.logs.get(place(at)[0])
    if canon.parse_origin(log.origin)[1] is not None:
        return [at]
    return _passed(unit, at)


def _ours(unit: Unit, at: int) -> list[int]:
    """Return where this party stated an entry in accords: its own record, or another's that it passed on."""
    log = unit.logs.get(place(at)[0])
    if log.own and canon.parse_origin(log.origin)[1] is not None:
        return [at]
    return _passed(unit, at)


def _passed(unit: Unit, at: int) -> list[int]:
    return [int(row[0] or 0) for row in unit.views.find(views.PASSED, {"source": at}, limit=1_024)]


def _carried(unit: Unit, log: Log, indexes: Sequence[int]) -> list[Origin]:
    sources = [log.id << 40 | index for index in indexes]
    rows = unit.views.find_many(views.PASSED, "source", sources)
    return [unit.logs.get(place(int(row[0] or 0))[0]).origin for row in rows]


def _check_author(node: Node, unit: Unit, actor: Actor, log: Log, indexes: Sequence[int]) -> None:
    if not log.own:
        raise Refused(
            f"{log.origin} is {log.party}'s: only its author can act on it",
            hint=f"ask {log.party}; here you can stop using it",
        )
    for index in indexes:
        (brief,) = unit.entries.brief(log.id, index, index + 1)
        if brief.held is Held.ERASED:
            raise Misuse(f"{log.origin}#{index} is erased already")
        office = node.header(unit.entries.header(brief.header_id)).office
        if office != actor.office_id:
            raise Refused(f"{log.origin}#{index} is a record of {node.me}/{office}, not of {actor.office}")


def _state(node: Node, unit: Unit, actor: Actor, log: Log, act: AnyAct) -> Origin:
    accord = canon.parse_origin(log.origin)[1]
    target = books.home_origin(node, unit) if accord is None else books.accord_origin(node, unit, accord)
    version = 0 if accord is None else books.version_of_last(unit, target)
    books.state(node, unit, target, version, [books.act_draft(node, actor.office_id, act, version=version)])
    return target


# -- compliance ----------------------------------------------------------------


ACTS_ABOUT: Final = ("tombstone", "retract", "narrow")


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


def told(node: Node, accords: Accords, unit: Unit, office: OfficeId) -> list[Told]:
    """Return every narrowing act of an office about what it stated in accords: the oldest that waits first."""
    found: list[Told] = []
    for log in unit.logs.all():
        accord = canon.parse_origin(log.origin)[1]
        if not log.own or accord is None or not log.size:
            continue
        about: dict[int, list[tuple[int, int]]] = {}
        for start, end, where in unit.spans.about(log.origin, 0, log.size):
            about.setdefault(where, []).append((start, end))
        members = sorted(party for party in accords.get(unit, accord).members if party != node.me)
        heard = {a.holder: a for a in holdings.answers(node, unit, log.origin)} if about else {}
        for where, spans in about.items():
            act, at = node.act(unit, where)
            if act.narrows and _office_of(node, unit, where) == office:
                states = {one: _state_of(node, unit, act, where, spans, log, one, heard) for one in members}
                count = sum(end - start for start, end in spans)
                found.append(Told(act, accord, where, at, count, states))
    return sorted(found, key=lambda one: (not one.waits, one.at, one.position))


def _office_of(node: Node, unit: Unit, at: int) -> str:
    """Return the office of this party that stated an entry; empty for another party's."""
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    return node.header(unit.entries.header(brief.header_id)).office if unit.logs.get(log_id).own else ""


def _state_of(
    node: Node,
    unit: Unit,
    act: AnyAct,
    where: int,
    spans: Sequence[tuple[int, int]],
    log: Log,
    party: PartyId,
    heard: Mapping[PartyId, holdings.Answered],
) -> str:
    """Say how far a member has come with an act, by the least that it has done about any of its statements."""
    told_in, act_index = unit.logs.get(place(where)[0]), place(where)[1]
    answer = heard.get(party)
    if told_in.id != log.id:
        answer = {a.holder: a for a in holdings.answers(node, unit, told_in.origin)}.get(party)
    held = None
    if answer is not None and isinstance(act, Tombstone):
        kept = heard[party].runs if party in heard else ()
        overlaps = any(run.start < end and start < run.end for run in kept for start, end in spans
                       if run.held is Held.PAYLOAD)  # fmt: skip
        held = Held.PAYLOAD if overlaps else Held.ERASED
    receipts = witness.receipts(node, unit, told_in.origin)
    receipt = next((one for one in receipts if one.cosigner == party), None)
    return _word(act.kind.removeprefix("act."), act_index, held, answer, receipt)


def compliance(node: Node, accords: Accords, unit: Unit, places: Sequence[int]) -> list[Complied]:
    """Return what every member has answered about these statements, wherever this party stated or relayed them."""
    found: list[Complied] = []
    for at in sorted({target for place_ in places for target in _ours(unit, place_)}):
        log_id, index = place(at)
        log = unit.logs.get(log_id)
        name = canon.parse_origin(log.origin)[1]
        if not log.own or name is None:
            continue
        answers = {answer.holder: answer for answer in holdings.answers(node, unit, log.origin)}
        receipts = {receipt.cosigner: receipt for receipt in witness.receipts(node, unit, log.origin)}
        act, told_in, act_index = _newest_act(node, unit, log, index)
        # An act about a closed generation stands in the one that followed: that is where it is answered.
        heard = {a.holder: a for a in holdings.answers(node, unit, told_in.origin)} if told_in.id != log.id else answers
        seen = (
            {r.cosigner: r for r in witness.receipts(node, unit, told_in.origin)} if told_in.id != log.id else receipts
        )
        for party in sorted(accords.get(unit, name).members):
            if party == node.me:
                continue
            holds = answers.get(party)
            answer, receipt = heard.get(party), seen.get(party)
            held = holds.at_index(index) if holds else None
            word = _word(act, act_index, held, answer, receipt)
            when = answer.at if answer and word != "witnessed" else receipt.at if receipt else 0
            found.append(Complied(name, party, log.origin, index, act, word, held, when))
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
