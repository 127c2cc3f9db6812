"""Answering other nodes: heads, pages, proofs, card and accord texts.

Rules: an answer to a party holds only logs of accords that name it. Leaves go to every member; payloads
only through `Releases`, decided by class and on record before the answer is returned. The asking party is
proven by the transport (a signed request) before anything here is called.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from comity import canon, limits, sync
from comity.canon import AccordId, Origin, PartyId
from comity.errors import Fault, NotFound, Refused
from comity.node import views, witness
from comity.node.accords import SIGNATURES, Accords, signatures
from comity.node.node import CARDS, Node
from comity.node.ports import Entry, Log, LogState, Unit, place, position
from comity.node.releases import Class, Judged, Releases, by_class
from comity.statement import is_act
from comity.sync import Answer, Opened
from comity.tlog.merkle import StoredTree, consistency_proof, inclusion_proof
from comity.vocab import Held

FLASH_KEPT: Final = limits.SYNC_FLASH_MAX


class _Granted(NamedTuple):
    size: int
    epoch: tuple[int, int]
    until: int | None
    grant: bytes


class _Shown(NamedTuple):
    moment: tuple[int, int, int, int]  # reader, the store's version as it sees it, the node's epochs
    until: int | None
    answer: Answer


class Serving:
    """Answers requests of other parties' nodes."""

    def __init__(self, node: Node, accords: Accords, releases: Releases) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases
        self._shown: dict[PartyId, _Shown] = {}
        self._grants: dict[tuple[int, PartyId], _Granted] = {}
        self._plain: dict[int, tuple[int, set[tuple[int, int]]]] = {}  # log -> up to which size, classes

    def answer(self, party: PartyId, request: sync.AnyRequest) -> Answer:
        """Answer one request of a party. Raises `Refused` or `NotFound`; writes only what it must record."""
        if isinstance(request, sync.Page | sync.Fill | sync.Ahead):
            return self._payloads(party, request)
        if isinstance(request, sync.Heads):
            self._node.settle()  # what serving put on record since is shown signed
        with self._node.store.read() as unit:
            match request:
                case sync.Heads():
                    return self._heads(unit, party, request.etag)
                case sync.Card():
                    return Answer(self._card(unit))
                case sync.AccordText():
                    return Answer(self._text(unit, party, request))
                case sync.Consistency():
                    log = self._log(unit, party, request.origin)
                    return Answer(sync.encode_hashes(self._consistency(unit, log, request.first, request.second)))
                case sync.Nodes():
                    return Answer(self._nodes(unit, self._log(unit, party, request.origin), request))

    # -- heads ---------------------------------------------------------------

    def _heads(self, unit: Unit, party: PartyId, etag: str) -> Answer:
        """Answer with the heads, or that nothing changed: where nobody wrote since, without looking."""
        moment = (threading.get_ident(), unit.version(), self._node.epoch, self._node.standings)
        known = self._shown.get(party)
        if known is None or known.moment != moment or (known.until is not None and self._node.now() >= known.until):
            known = self._shown[party] = self._show(unit, party, moment)
        if known.answer.etag == etag:
            return Answer(b"", etag, unchanged=True)
        return known.answer

    def _show(self, unit: Unit, party: PartyId, moment: tuple[int, int, int, int]) -> _Shown:
        heads = sync.HeadsAnswer(
            v=sync.WIRE,
            party=self._node.me,
            card=canon.digest(self._card(unit)),
            logs=tuple(self._log_head(unit, log, party) for log in self._logs_for(unit, party) if log.signed),
            home=self._home(unit),
            witnessed=witness.home_note(unit, party),
            accords=self._accord_heads(unit, party),
            forks=self._forks(unit, party),
        )
        body = sync.encode_heads(heads)
        tag = hashlib.sha256(body).hexdigest()[:32]
        ends = [g.until for (_, to), g in self._grants.items() if to == party and g.until is not None]
        return _Shown(moment, min(ends, default=None), Answer(body, tag))

    def _logs_for(self, unit: Unit, party: PartyId) -> list[Log]:
        names = {accord.id for accord in self._accords.with_party(unit, party)}
        logs = [log for log in unit.logs.all() if canon.parse_origin(log.origin)[1] in names]
        # Own logs first: what is over the limit is only the comparing of others' logs, which others do too.
        return sorted(logs, key=lambda log: not log.own)[: limits.SYNC_LOGS_MAX]

    def _forks(self, unit: Unit, party: PartyId) -> tuple[bytes, ...]:
        """Return the certificates that concern a party: of home logs, and of the accords that name it."""
        names = {None, *(accord.id for accord in self._accords.with_party(unit, party))}
        held = unit.documents.all(witness.FORKS)
        found = [data for origin, data in held if canon.parse_origin(origin)[1] in names]
        return tuple(found[: limits.SYNC_FORKS_MAX])

    def _log_head(self, unit: Unit, log: Log, party: PartyId) -> sync.LogHead:
        if not log.own:
            return sync.LogHead(log.note)
        first, last = position(log.id, 0), position(log.id, log.size)
        flash = [place(int(row[0] or 0))[1] for row in unit.views.scan(views.FLASH, first, last, limit=1 << 20)]
        return sync.LogHead(log.note, tuple(flash[-FLASH_KEPT:]), self._grant(unit, log, party))

    def _grant(self, unit: Unit, log: Log, party: PartyId) -> bytes:
        """Digest what is released of a log to a party: when it changes, withheld entries are asked for again."""
        known = self._grants.get((log.id, party))
        epoch = (self._node.epoch, self._node.standings)
        fresh = known is not None and (known.until is None or self._node.now() < known.until)
        if known is not None and fresh and known.size == log.size and known.epoch == epoch:
            return known.grant
        allowed: list[int] = []
        ends: list[int] = []
        for pair in sorted(self._classes(unit, log)):
            judged = self._releases.for_party(unit, log, Class(*pair), party)
            if judged.released and not is_act(self._node.header(unit.entries.header(pair[0])).kind):
                allowed += pair
            if judged.lapses is not None:
                ends.append(judged.lapses)
        grant = hashlib.sha256(repr(allowed).encode()).digest()[:8]
        self._grants[log.id, party] = _Granted(log.size, epoch, min(ends, default=None), grant)
        return grant

    def _classes(self, unit: Unit, log: Log) -> set[tuple[int, int]]:
        """Return the classes of a log's payloads: of what no act bore on when it was new, and of all that one bears on.

        So a log of a million is looked through once. A class whose last entry was acted on stays in it: a grant must
        change where something becomes released, and need not where something no longer is.
        """
        size, plain = self._plain.get(log.id, (0, set()))
        plain = plain.union(unit.entries.classes(log.id, size, log.size)) if size < log.size else plain
        self._plain[log.id] = log.size, plain
        return plain.union(unit.entries.classes(log.id, 0, log.size, acted=True))

    def _home(self, unit: Unit) -> bytes:
        home = [log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None]
        open_ = [log for log in home if log.state is LogState.OPEN]
        return open_[-1].note if open_ else b""

    def _accord_heads(self, unit: Unit, party: PartyId) -> tuple[sync.AccordHead, ...]:
        signed = signatures(unit)
        found = []
        # The newest first: a newcomer takes the version that names it, then those it follows on.
        for text in sorted(self._accords.texts(unit), key=lambda text: (text.text.id, -text.text.version)):
            if signed.get(text.digest) and self._accords.concerns(unit, text, party):
                found.append(sync.AccordHead(text.digest, tuple(sorted(signed[text.digest]))))
        return tuple(found)

    # -- documents -----------------------------------------------------------

    def _card(self, unit: Unit) -> bytes:
        data = unit.documents.get(CARDS, self._node.me)
        if data is None:
            raise Fault("this node has no card of its own party", hint="run `comity init`")
        return data

    def _text(self, unit: Unit, party: PartyId, request: sync.AccordText) -> bytes:
        text = self._accords.text(unit, request.digest)
        signed = unit.documents.all(SIGNATURES, f"{request.digest}/")
        if not signed or not self._accords.concerns(unit, text, party):
            raise NotFound("no such text for the asking party")
        return self._accords.file(unit, request.digest)

    # -- proofs --------------------------------------------------------------

    def _log(self, unit: Unit, party: PartyId, origin: Origin) -> Log:
        log = unit.logs.find(origin)
        own_home = log is not None and log.own and canon.parse_origin(origin)[1] is None
        if log is None or not (own_home or self._follows(unit, party, canon.parse_origin(origin)[1])):
            # One answer for "none" and "not yours": names of logs are not disclosed.
            raise NotFound(f"no log {origin} for {party}")
        return log

    def _follows(self, unit: Unit, party: PartyId, name: AccordId | None) -> bool:
        return name is not None and any(accord.id == name for accord in self._accords.with_party(unit, party))

    def _consistency(self, unit: Unit, log: Log, first: int, second: int) -> Sequence[bytes]:
        if not 0 <= first <= second <= log.size:
            raise Refused(f"{log.origin} has {log.size} leaves; a proof from {first} to {second} was asked")
        return consistency_proof(first, second, tree(unit, log)) if first else []

    def _nodes(self, unit: Unit, log: Log, request: sync.Nodes) -> bytes:
        last = (request.start + request.count) << request.level if 0 <= request.level <= 40 else -1
        if not (0 <= request.start and 0 < request.count <= 256 and 0 <= last <= request.size <= log.size):
            raise Refused(f"no such subtrees in {request.size} leaves of {log.origin}")
        read = tree(unit, log)
        return sync.encode_hashes([read(request.level, request.start + n) for n in range(request.count)])

    # -- payloads ------------------------------------------------------------

    def _payloads(self, party: PartyId, request: sync.Page | sync.Fill | sync.Ahead) -> Answer:
        with self._node.store.read() as unit:
            log = self._log(unit, party, request.origin)
            if canon.parse_origin(log.origin)[1] is None:
                raise Refused(f"{log.origin} is witnessed by its checkpoints; its entries are shown to nobody")
            start, end = _bounds(log, request)
            bare = not log.own or (isinstance(request, sync.Page) and request.bare)
            judged = {} if bare else self._judge(unit, log, start, end, party)
            allowed = [which for which, (verdict, _) in judged.items() if verdict.released]
            opened, end = _fit(unit.entries.released(log.id, start, end, allowed), start)
            proof = self._proof(unit, log, request, end)
        # On record is what fits into this answer, no more; and it is on record before the answer leaves.
        decided = [(which, verdict, [i for i in indexes if i < end]) for which, (verdict, indexes) in judged.items()]
        if decided:
            self._record(log, decided, party)
        return Answer(sync.encode_page(log.origin, start, opened, proof))

    def _judge(
        self, unit: Unit, log: Log, start: int, end: int, party: PartyId
    ) -> dict[Class, tuple[Judged, list[int]]]:
        classes = by_class(unit, log, start, end)
        return {c: (self._releases.for_party(unit, log, c, party), indexes) for c, indexes in classes.items()}

    def _record(self, log: Log, decided: Sequence[tuple[Class, Judged, list[int]]], party: PartyId) -> None:
        """Put the decisions on record; nothing is sent until they are durable."""
        with self._node.store.read() as unit:
            lines = self._releases.unrecorded(unit, log, decided, to=party)
        if lines:
            with self._node.writing(sign=False) as unit:
                office = self._node.card(unit, self._node.me).card.offices[0].id
                self._releases.record(unit, log, lines, to=party, office=office, why="sync")
        self._releases.recorded(log, decided, to=party)

    def _proof(self, unit: Unit, log: Log, request: sync.Page | sync.Fill | sync.Ahead, end: int) -> Sequence[bytes]:
        match request:
            case sync.Page():
                return self._consistency(unit, log, end, request.size) if end < request.size else []
            case sync.Ahead():
                return inclusion_proof(request.index, request.size, tree(unit, log))
        return []


def _bounds(log: Log, request: sync.Page | sync.Fill | sync.Ahead) -> tuple[int, int]:
    if isinstance(request, sync.Ahead):
        start, end, size = request.index, request.index + 1, request.size
    else:
        start, end = request.start, request.end
        size = request.size if isinstance(request, sync.Page) else log.size
    end = min(end, size, start + limits.SYNC_PAGE_ENTRIES_MAX)
    if not 0 <= start < end <= size <= log.size:
        raise Refused(f"{log.origin} has {log.size} leaves; {start} to {end} of {size} was asked")
    return start, end


def _fit(entries: Iterable[Entry], start: int) -> tuple[list[Opened], int]:
    """Take entries while they fit into one page's bytes; the first always does."""
    opened: list[Opened] = []
    headers: set[bytes] = set()
    room = limits.SYNC_PAGE_BYTES_MAX - 65_536  # for the proof and the names of the columns
    for entry in entries:
        held = entry.held is Held.PAYLOAD
        room -= len(entry.body or b"") + 64
        if entry.header is not None and entry.header not in headers:
            headers.add(entry.header)
            room -= len(entry.header) + 8
        if room < 0 and opened:
            break
        opened.append(
            Opened(
                entry.held,
                entry.commitment,
                entry.header if held else None,
                entry.salt if held else None,
                entry.body if held else None,
            )
        )
    return opened, start + len(opened)


def tree(unit: Unit, log: Log) -> StoredTree:
    """Return the hashes of a log's tree, computed from what the store keeps."""
    return StoredTree(
        lambda start, end: unit.entries.commitments(log.id, start, end),
        lambda start, end: unit.entries.block_roots(log.id, start, end),
        log.size,
    )
