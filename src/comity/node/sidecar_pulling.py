"""A side-car's round, first half: what asks in the MISP, brought in as it stands there now.

Rules: an index tells which events ask; each of which another state was taken last is fetched, and each that left the
index. So what MISP tells nobody, a deletion or a tag that was taken off, is told all the same, once the event itself
says so. States are compared by being equal, never by being later, so a clock that was set back hides nothing; and each
is looked at once more in the next round, for two edits in one second look like one in an index. Where very much is
gone at once nothing is taken back before a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from comity.acts import Narrow, Standing, narrowed
from comity.errors import ComityError, Fault, Malformed, Theirs
from comity.formats.convert import Attached, Context, Loss, Made, Reader
from comity.formats.misp import crossing
from comity.formats.misp.crossing import Leaving
from comity.limits import (
    RULE_SECONDS,
    SIDECAR_EVENTS_AT_ONCE,
    SIDECAR_GONE_MAX,
    SIDECAR_GONE_SHARE,
    SIDECAR_UNASKED_MAX,
)
from comity.node import acting, importing, ingest, sidecar_asking, sidecars
from comity.node.actor import Actor
from comity.node.ingest import Ingested, Source
from comity.node.polling import Faults
from comity.node.ports import Unit, place
from comity.node.services import Services
from comity.node.sidecars import (
    EVENTS,
    INDEXES,
    WRITTEN,
    Asked,
    Index,
    Kept,
    Listed,
    Listing,
    Misp,
    Row,
    Sidecar,
    Tally,
    Written,
)
from comity.vocab import Pap

AGAIN_MAX: Final = 5 * SIDECAR_EVENTS_AT_ONCE  # events that are looked at once more


@dataclass(slots=True)
class Round:
    """One round of a side-car: with whom, in whose name, and what it has done so far."""

    services: Services
    actor: Actor
    sidecar: Sidecar
    misp: Misp
    read: Reader
    withdrawals: bool = False  # a person has looked at how much is gone
    pause: Callable[[], None] = lambda: None
    hold: sidecar_asking.Hold = sidecar_asking.nothing
    tried: dict[str, tuple[int, ...]] = field(default_factory=dict)  # side-car -> under what it was last rechecked
    tally: Tally = field(default_factory=Tally)
    faults: Faults = field(default_factory=Faults)

    @property
    def at(self) -> str:
        """Return the key of the side-car."""
        return sidecars.key(self.sidecar)


def pull(going: Round) -> None:
    """Bring in what changed of what asks, and settle it. Raises `ComityError` for what ends the round."""
    with going.services.node.store.read() as unit:
        index = sidecars.get(unit, INDEXES, going.at, Index) or Index()
    rows, changed = _listed(going, index)
    if changed:
        _keep(going, index)
    wanted = [uuid for uuid, row in rows.items() if index.seen.get(uuid) != row.timestamp and _is_ready(going, row)]
    gone = [uuid for uuid in index.seen if uuid not in rows]
    if gone and not going.withdrawals and len(gone) > max(SIDECAR_GONE_MAX, len(index.seen) // SIDECAR_GONE_SHARE):
        going.faults.add(
            f"{len(gone)} of {len(index.seen)} events are gone at once, and nothing is taken back: "
            f"look at the MISP, then `comity sidecar run {going.sidecar.name} --withdraw`"
        )
        gone = []
    wanted.sort(key=lambda uuid: (rows[uuid].timestamp, uuid))
    newest = max((row.timestamp for row in rows.values()), default=0)
    # Of very many only those of the newest second: the clock has gone on past all others.
    fresh = [uuid for uuid in wanted if len(wanted) <= AGAIN_MAX or rows[uuid].timestamp == newest]
    wanted += [
        uuid for uuid in index.again if uuid in rows and uuid not in set(wanted) and _is_ready(going, rows[uuid])
    ]
    again = bool(index.again or fresh)
    index.again = fresh[:AGAIN_MAX]
    if again:
        _keep(going, index)
    _retry(going, index)
    unasked = 0
    for some in _some([*gone, *wanted]):
        going.pause()
        for uuid, data in _events(going, some).items():
            unasked += _take(going, index, uuid, data, rows.get(uuid)) and uuid in rows
        _keep(going, index)
        if unasked > SIDECAR_UNASKED_MAX:
            raise Malformed(
                f"the MISP lists events that do not ask ({unasked} so far): it does not do what it is asked for",
                hint="is it a MISP of version 2.4 or later?",
            )


def _retry(going: Round, index: Index) -> None:
    """Try again what might not go when it was last tried: embargoes end, and accords go on."""
    now = going.services.node.now()
    due = [uuid for uuid, at in index.withheld.items() if now >= at + RULE_SECONDS]
    for uuid in due:
        going.pause()
        with going.services.node.store.read() as unit:
            kept = sidecars.get(unit, EVENTS, f"{going.at}/{uuid}", Kept)
        if kept is None:
            del index.withheld[uuid]
            continue
        asked = {accord: asking.by for accord, asking in kept.asks.items() if asking.state is not Asked.WITHDRAWN}
        _settle(going, index, kept, asked)
    if due:
        _keep(going, index)


def _settle(going: Round, index: Index, kept: Kept, asked: Mapping[str, str]) -> None:
    """Bring accords in line with an event, and keep how that came out."""
    going.tally += sidecar_asking.settle(going.services, going.actor, going.sidecar, kept, asked, going.hold)
    index.withheld.pop(kept.uuid, None)
    if going.sidecar.standing and any(asking.withheld for asking in kept.asks.values()):
        index.withheld[kept.uuid] = going.services.node.now()
    _put(going, kept)


def _is_ready(going: Round, row: Row) -> bool:
    return row.published or going.sidecar.unpublished


def _some(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(uuids), SIDECAR_EVENTS_AT_ONCE):
        yield uuids[start : start + SIDECAR_EVENTS_AT_ONCE]


def _listed(going: Round, index: Index) -> tuple[dict[str, Row], bool]:
    """Return every event that asks, and whether any answer was another than the last."""
    sidecar = going.sidecar
    questions: list[tuple[list[str], str]] = [([tag for tag, _ in sidecar.tags], "")] if sidecar.tags else []
    for group, _ in sidecar.groups:
        number = index.groups.get(group) or going.misp.group(group)
        if number:
            index.groups[group] = number
            questions.append(([], number))
        else:
            going.faults.add(f"the MISP shows our login no sharing group {group}")
    rows: dict[str, Row] = {}
    asked: set[str] = set()
    changed = False
    for tags, number in questions:
        name = "|".join(tags) if tags else f"group {number}"
        asked.add(name)
        before = index.listed.get(name, Listed())
        found = going.misp.index(tags, number, Listing({}, before.etag, before.digest))
        if found is not None:
            changed = True
            pairs = {uuid: (row.timestamp, row.published) for uuid, row in found.rows.items()}
            before = index.listed[name] = Listed(found.etag, found.digest, pairs)
        for uuid, (timestamp, published) in before.rows.items():
            rows[uuid] = Row(timestamp, published)
    for name in index.listed.keys() - asked:
        del index.listed[name]  # of a tag that asks no more
        changed = True
    return rows, changed


def _events(going: Round, uuids: Sequence[str]) -> dict[str, bytes | None]:
    """Return the events as they are now, None for one that is not there; what is too large is named and left."""
    try:
        found = going.misp.events(uuids)
    except Theirs as error:
        if len(uuids) == 1:
            going.faults.add(f"event {uuids[0]}: {error}")
            return {}
        return {uuid: data for one in uuids for uuid, data in _events(going, [one]).items()}
    return {uuid: found.get(uuid) for uuid in uuids}


def _take(going: Round, index: Index, uuid: str, data: bytes | None, row: Row | None) -> bool:
    """Bring one event in as it is now, and settle what it asks; return whether it asks for nothing at all."""
    with going.services.node.store.read() as unit:
        kept = sidecars.get(unit, EVENTS, f"{going.at}/{uuid}", Kept)
        ours = sidecars.get(unit, WRITTEN, f"{going.at}/{uuid}", Written)
    try:
        if data is None:
            if kept is not None and row is None:
                _gone(going, index, kept)
            if row is None:
                index.seen.pop(uuid, None)
            return False
        left = crossing.leaving(data, {group for group, _ in going.sidecar.groups})
        asked = _asked(going.sidecar, left)
        if kept is None and (ours is not None or left.author()):
            if asked:
                author = left.author() or "a partner"
                going.faults.add(
                    f"event {uuid} asks, and came from {author} by Comity: it is not brought in again"
                    " (`comity share` passes a partner's statement on)"
                )
        elif asked and row is not None and not _is_ready(going, Row(left.timestamp, left.published)):
            return False  # it was unpublished since the index was made: somebody is at it
        elif asked or kept is not None:
            _bring(going, index, kept or Kept(uuid), left, asked)
    except Fault:
        raise
    except ComityError as error:
        going.faults.add(f"event {uuid}: {error}")
        return False
    if row is not None:
        index.seen[uuid] = row.timestamp
    else:
        index.seen.pop(uuid, None)
    return not asked


def _asked(sidecar: Sidecar, left: Leaving) -> dict[str, str]:
    """Return for which accords an event asks, and by what."""
    found: dict[str, str] = {}
    accords = sidecars.accords_of(sidecar)
    for tag in left.tags:
        if tag.lower() in accords:
            found.setdefault(str(accords[tag.lower()]), f"tag {tag}")
    if left.group and left.group in accords:
        found.setdefault(str(accords[left.group]), f"sharing group {left.group}")
    return found


def _bring(going: Round, index: Index, kept: Kept, left: Leaving, asked: dict[str, str]) -> None:
    """Bring an event's objects in, if anything of it changed, and settle."""
    kept.title, kept.timestamp, kept.stays, kept.kept, kept.gone = (
        left.title,
        left.timestamp,
        left.stays,
        left.kept,
        False,
    )
    if asked and not left.stays and (left.digest != kept.digest or not kept.objects):
        done = Ingested()
        kept.objects = _objects(going, left, done)
        going.tally += Tally(events=1, objects=done.kept, lost=done.report.refused + done.losses.counts.total())
    kept.digest = left.digest
    _settle(going, index, kept, asked)


def _objects(going: Round, left: Leaving, done: Ingested) -> dict[str, int]:
    """Return the home entries of what an event's readers make of it, by id."""
    node, made = going.services.node, list[Made]()

    def watched(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss | Attached]:
        for thing in going.read(chunks, context):
            if isinstance(thing, Made):
                made.append(thing)
            yield thing

    with node.store.read() as unit:
        source = _bound(sidecars.source_of(unit, going.sidecar), left.pap)
    what = importing.Import(f"{left.uuid}.json", "misp", watched, [left.data])
    importing.bring_in(node, going.actor, source, what, done, check=going.services.check)
    with node.store.read() as unit:
        found = ingest.positions(node, unit, source, made)
        loose = [at for at in sorted(set(found.values())) if left.pap and _is_looser(going, unit, at, Pap(left.pap))]
    if loose:  # brought in before somebody tagged the event
        acting.narrow(going.actor, node, loose, Narrow((), pap=Pap(left.pap), reason="tagged so in MISP"))
    return found


def _bound(source: Source, pap: str) -> Source:
    """Return a source whose default marking is no laxer than an event's `PAP:` tags."""
    marking = source.marking
    if marking is None or not pap or Pap(pap).rank <= marking.pap.rank:
        return source
    return msgspec.structs.replace(source, marking=msgspec.structs.replace(marking, pap=Pap(pap)))


def _is_looser(going: Round, unit: Unit, at: int, pap: Pap) -> bool:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    marking = going.services.node.header(unit.entries.header(brief.header_id)).marking
    standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
    return marking is not None and narrowed(marking, standing).pap.rank < pap.rank


def _gone(going: Round, index: Index, kept: Kept) -> None:
    """Take an event back that is in the MISP no more."""
    kept.gone = True
    _settle(going, index, kept, {})


def _put(going: Round, kept: Kept) -> None:
    with going.services.node.store.write() as unit:
        if sidecars.is_kept(unit, going.sidecar):
            sidecars.put(unit, EVENTS, f"{going.at}/{kept.uuid}", kept)


def _keep(going: Round, index: Index) -> None:
    with going.services.node.store.write() as unit:
        if sidecars.is_kept(unit, going.sidecar):
            sidecars.put(unit, INDEXES, going.at, index)
