"""Acts about what was stated: retract, narrow, consent, erase.

Rules: an act is stated where its statement stands: in the home log for collected objects (whence it
passes on to every accord they were stated in), in the accord's log for what was stated there alone.
Only the author acts; a relay's acts follow the author's by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from comity import canon
from comity.acts import AnyAct, Consent, Narrow, Retract, Span, Tombstone
from comity.canon import Instant, Origin
from comity.errors import Misuse, NotFound, Refused
from comity.node import books, views
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.spans import runs
from comity.policy import parse_audience
from comity.vocab import Held

Make = Callable[[tuple[Span, ...]], AnyAct]


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
    return passed(unit, at)


def passed(unit: Unit, at: int) -> list[int]:
    """Return where this party stated a collected entry, or passed on another's, in accords."""
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
