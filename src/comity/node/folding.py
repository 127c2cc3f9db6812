"""What entries add up to, in any log and in any order: intelligence, standings, membership, holdings.

Rules: folding reads entries and writes views, standings and spans; it never adds to a log. What it finds
due (a narrowing act about something this party restated or relayed) is returned for `books` to state.
An act about statements counts only in a log of the statements' own author. In this party's own accord
logs only acts, questions and answers are folded: all other content is indexed where it was first held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from comity import acts, canon
from comity.acts import AnyAct, Ballot, Consent, Hold, Join, Leave, Narrow, Resume, Retract, Span, Suspend, Tombstone
from comity.areas import intel
from comity.canon import Instant, OfficeId, Origin
from comity.errors import ComityError, Theirs
from comity.limits import ORIGIN_BYTES_MAX
from comity.node import deliveries, views, wording
from comity.node.node import Node, note
from comity.node.ports import Log, LogState, Unit, place, position
from comity.node.spans import runs
from comity.statement import Header, is_act
from comity.vocab import Held, Priority

MOVES: Final = (Join, Leave, Suspend, Resume, Ballot)
CHUNK: Final = 4_096  # entries looked at in one step
AboutStatements = Consent | Narrow | Retract | Tombstone
PASSED_KIND: Final = "home.passed"
OWED_CORRECTIONS: Final = "correction-owed"  # shelf: place of what was passed on -> `OwedCorrection`


class Taken(NamedTuple):
    """An entry to fold."""

    position: int
    header: Header
    body: bytes


class Due(NamedTuple):
    """A narrowing act that this party owes: in which of its logs, by which office, about which runs."""

    origin: Origin
    office: OfficeId
    act: AboutStatements


class OwedCorrection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this party passed on was corrected, and it has not passed on the correction yet (`correcting`)."""

    about: Span  # in the own log
    by: Span  # what takes its place, where its author stated it
    office: OfficeId
    reason: str
    since: Instant


class Passed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The home log's record that statements were passed on: (source origin, start, count, target start)."""

    to: Origin
    runs: tuple[tuple[Origin, int, int, int], ...]


def fold(node: Node, unit: Unit, log: Log, entries: Sequence[Taken]) -> list[Due]:
    """Fold entries of one log; return the narrowing acts that are now due."""
    due: list[Due] = []
    touched: list[Span] = []
    content: list[intel.Item] = []
    index_content = not log.own or canon.parse_origin(log.origin)[1] is None
    flash = []
    for entry in entries:
        kind = entry.header.kind
        if entry.header.priority is Priority.FLASH:
            flash.append((entry.position,))
        if is_act(kind):
            due += _act(node, unit, log, entry, touched)
        elif kind == PASSED_KIND:
            _passed(unit, entry)
        elif (index_content and kind.startswith("intel.")) or kind in intel.ASKING:
            content += _items(node, unit, log, entry)
    if flash:
        unit.views.put(views.FLASH, flash)
    if content:
        put(node, unit, log, intel.fold(content))
    for span in merged(touched):  # once for all acts of a page: each may be about the whole log
        restand(node, unit, span)
    return due


def put(node: Node, unit: Unit, log: Log, folded: intel.Folded, *, first: bool = False) -> None:
    """Write an area's rows, for the `first` time or anew; what could not be folded is shown in quarantine."""
    for view, rows in folded.by_view():
        if rows:
            unit.views.put(view, rows, first=first)
    if folded.objects:
        places = [int(row[0] or 0) for row in folded.objects]
        wording.note(unit, min(places), max(places))
    for where, reason in folded.refused:
        evidence = f"{log.origin}#{place(where)[1]}".encode()
        unit.quarantine.add(node.now(), log.party, "not-indexed", reason, evidence)


def arrange(node: Node) -> None:
    """After bulk work, let look-ups find its rows as quickly as all others."""
    with node.store.write() as unit:
        for view in views.VIEWS:
            unit.views.arrange(view)


def _items(node: Node, unit: Unit, log: Log, entry: Taken) -> list[intel.Item]:
    try:
        return [intel.Item(entry.position, entry.header, intel.body_of(entry.header, entry.body))]
    except Theirs as error:
        unit.quarantine.add(node.now(), log.party, error.code, note(error), entry.body[:CHUNK])
        return []


def _act(node: Node, unit: Unit, log: Log, entry: Taken, touched: list[Span]) -> list[Due]:
    try:
        act = acts.decode(entry.body, entry.header.kind)
    except ComityError as error:
        if entry.header.kind in acts.KINDS:
            unit.quarantine.add(node.now(), log.party, error.code, note(error), entry.body[:CHUNK])
        return []  # an act this version does not know is kept in the log, and folded after an upgrade
    accord = canon.parse_origin(log.origin)[1]
    if isinstance(act, MOVES):
        unit.views.put(views.MEMBERSHIP, [(entry.position, accord or "")])
        node.epoch += 1
    elif isinstance(act, Hold):
        _hold(unit, log, entry.position, act)
    elif isinstance(act, acts.ABOUT_STATEMENTS):
        return _about(node, unit, log, entry.position, act, touched)
    elif isinstance(act, acts.Closed):
        _closed(unit, log, act)
    return []


def _closed(unit: Unit, log: Log, act: acts.Closed) -> None:
    closed = unit.logs.find(act.origin)
    if closed is not None and closed.party == log.party and closed.state is LogState.OPEN and closed.id != log.id:
        unit.logs.set_state(closed.id, LogState.CLOSED)


def _hold(unit: Unit, log: Log, where: int, act: Hold) -> None:
    for holding in act.logs:
        about = unit.logs.find(holding.origin)
        if about is None or canon.parse_origin(about.origin)[1] != canon.parse_origin(log.origin)[1]:
            continue  # of a log not followed here nobody asks who holds it; of another accord it is not said here
        key = {"origin": holding.origin, "holder": log.party}
        older = unit.views.find(views.HOLDING, key, limit=8)
        if any(int(row[0] or 0) > where for row in older):
            continue
        unit.views.delete(views.HOLDING, older)  # only the newest answer counts; the older act stays in its log
        unit.views.put(views.HOLDING, [(where, holding.origin, log.party, holding.size)])


def _passed(unit: Unit, entry: Taken) -> None:
    record = canon.decode(entry.body, Passed, what="a record of what was passed on")
    target = unit.logs.find(record.to)
    rows: list[tuple[int, int]] = []
    for origin, start, count, at in record.runs:
        source = unit.logs.find(origin)
        if source is None or target is None:
            continue
        rows += [(position(target.id, at + n), position(source.id, start + n)) for n in range(count)]
    if rows:
        unit.views.put(views.PASSED, rows)


def _about(node: Node, unit: Unit, log: Log, where: int, act: AboutStatements, touched: list[Span]) -> list[Due]:
    due: list[Due] = []
    strange = [span.origin for span in act.spans if not span.origin.startswith(f"{log.party}/")]
    if strange:
        reason = f"{log.party} cannot say {act.kind} of statements in {strange[0][:ORIGIN_BYTES_MAX]!r}"
        unit.quarantine.add(node.now(), log.party, "refused", reason, acts.encode(act)[:CHUNK])
    for span in merged(span for span in act.spans if span.origin.startswith(f"{log.party}/")):
        unit.spans.add(span.origin, span.start, span.end, where)
        node.standings += 1
        if act.narrows or not log.own:
            due += _owed(node, unit, span, act)  # before the bytes go, with the header that names the office
        touched.append(span)
    return due


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the fewest runs that hold the same statements."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and found[-1].origin == span.origin and span.start <= found[-1].end:
            found[-1] = Span(span.origin, found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def restand(node: Node, unit: Unit, span: Span) -> None:
    """Compute anew what the known acts add up to for a run of statements, and apply it."""
    log = unit.logs.find(span.origin)
    if log is None or span.start >= log.size:
        return
    _apply(node, unit, log, span.start, min(span.end, log.size))
    for target, start, end in _targets(unit, log, span.start, min(span.end, log.size)):
        _apply(node, unit, target, start, end)


def _apply(node: Node, unit: Unit, log: Log, start: int, end: int) -> None:
    for first, last, known in _segments(node, unit, log, start, end):
        standing = acts.standing(known)
        unit.entries.set_standing(log.id, first, last, canon.encode(standing))
        if standing.erased:
            _erase(node, unit, log, first, last)


def _erase(node: Node, unit: Unit, log: Log, start: int, end: int) -> None:
    """Drop salts, bytes and rows of a run; the rows are found by folding the bytes a last time."""
    for first in range(start, end, CHUNK):
        entries = unit.entries.read(log.id, first, min(first + CHUNK, end))
        held = [
            Taken(entry.position, node.header(entry.header), entry.body)
            for entry in entries
            if entry.header is not None and entry.body is not None
        ]
        items = [item for one in held for item in _items(node, unit, log, one)]
        deliveries.keep_names(unit, log, first, [(item.position, item.body) for item in items])
        folded = intel.fold(items)
        for view, rows in folded.by_view():
            unit.views.delete(view, rows)
        wording.forget(node, unit, entries)
    unit.entries.erase(log.id, start, end)


def _segments(node: Node, unit: Unit, log: Log, start: int, end: int) -> list[tuple[int, int, list[AnyAct]]]:
    """Cut a run where the set of acts that bear on it changes."""
    about = [(max(s, start), min(e, end), a) for s, e, a in unit.spans.about(log.origin, start, end)]
    about += _from_sources(unit, log, start, end)
    edges = sorted({start, end, *(s for s, _, _ in about), *(e for _, e, _ in about)})
    known = {a: node.act(unit, a)[0] for _, _, a in about}
    begins: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for s, e, a in about:
        begins.setdefault(s, []).append(a)
        ends.setdefault(e, []).append(a)
    open_: Counter[int] = Counter()  # an act may reach a run both by itself and by what it was passed on from
    found: list[tuple[int, int, list[AnyAct]]] = []
    for first, last in pairwise(edges):
        open_.subtract(ends.get(first, ()))
        open_.update(begins.get(first, ()))
        found.append((first, last, [known[a] for a, times in open_.items() if times > 0]))
    return found


def _from_sources(unit: Unit, log: Log, start: int, end: int) -> list[tuple[int, int, int]]:
    """Return the acts about what was passed on as this run, as acts about this run."""
    if not log.own or canon.parse_origin(log.origin)[1] is None:
        return []
    found: list[tuple[int, int, int]] = []
    rows = unit.views.scan(views.PASSED, position(log.id, start), position(log.id, end - 1), limit=end - start)
    for row in rows:
        here, (source_id, index) = place(int(row[0] or 0))[1], place(int(row[1] or 0))
        source = unit.logs.get(source_id)
        found += [(here, here + 1, a) for _, _, a in unit.spans.about(source.origin, index, index + 1)]
    return found


def _targets(unit: Unit, log: Log, start: int, end: int) -> list[tuple[Log, int, int]]:
    """Return the runs in this party's own logs that pass on statements of a run."""
    indexes: dict[int, list[int]] = {}
    for first in range(start, end, CHUNK):
        sources = [position(log.id, index) for index in range(first, min(first + CHUNK, end))]
        for row in unit.views.find_many(views.PASSED, "source", sources):
            log_id, index = place(int(row[0] or 0))
            indexes.setdefault(log_id, []).append(index)
    return [(unit.logs.get(log_id), s, e) for log_id, found in indexes.items() for s, e in runs(found)]


def _owed(node: Node, unit: Unit, span: Span, act: AboutStatements) -> list[Due]:
    """Return the same act about what this party passed on of the run.

    Consents pass on too, from relayed statements: by them a receiver knows that it may read.
    """
    log = unit.logs.find(span.origin)
    if log is None:
        return []
    due: list[Due] = []
    for target, start, end in _targets(unit, log, span.start, min(span.end, log.size)):
        if target.state is LogState.FROZEN:
            continue
        living = [b for b in unit.entries.brief(target.id, start, end) if b.held is not Held.ERASED]
        if not living:
            continue  # erased before: the act that did it is on that log
        office = node.header(unit.entries.header(living[0].header_id)).office
        about = Span(target.origin, start, end)
        if isinstance(act, Retract) and act.by is not None:
            instead = _instead(node, unit, target, about, act, act.by, office)
            owed: AboutStatements = msgspec.structs.replace(act, spans=(about,), by=instead)
        else:
            owed = msgspec.structs.replace(act, spans=(about,))
        due.append(Due(target.origin, office, owed))
    return due


def _instead(node: Node, unit: Unit, target: Log, about: Span, act: Retract, by: Span, office: OfficeId) -> Span | None:
    """Return what takes the place of something passed on, in the same accord; if it is not there yet, note that."""
    source = unit.logs.find(by.origin)
    found = None if source is None else passed_as(unit, position(source.id, by.start), target)
    if found is None and canon.parse_origin(target.origin)[1] is not None:
        one = OwedCorrection(about, by, office, act.reason, node.now())
        unit.documents.put(OWED_CORRECTIONS, f"{about.origin}#{about.start}", msgspec.json.encode(one))
    return found


def passed_as(unit: Unit, at: int, target: Log) -> Span | None:
    """Return where an entry was passed on in a log of this party's own or another generation of it; None if nowhere."""
    wanted = canon.parse_origin(target.origin)[:2]
    for row in unit.views.find(views.PASSED, {"source": at}, limit=1_024):
        log_id, index = place(int(row[0] or 0))
        log = unit.logs.get(log_id)
        if canon.parse_origin(log.origin)[:2] == wanted and log.state is not LogState.FROZEN:
            return Span(log.origin, index, index + 1)
    return None
