"""Pulling from one peer: heads, documents, receipts, then every log it writes, flash before bulk.

Rules: a cut costs the page under way and nothing else. A fault of one log is quarantined and never stops
the others. What the peer shows of third parties' logs is compared with what is held here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from comity import canon, limits, party, sync
from comity.canon import AccordId, Digest, Origin, PartyId
from comity.errors import Conflict, NotFound, Refused, Theirs, TooLarge, Unverified
from comity.node import forks, holdings, parties, witness
from comity.node.accords import TEXTS, Accords
from comity.node.arrivals import Arrivals, Kept
from comity.node.node import CARDS, Node
from comity.node.ports import Log, LogState, Wire
from comity.sync import Head, LogHead
from comity.tlog.merkle import Frontier
from comity.vocab import Held

ETAGS: Final = "heads-etag"
GRANTS: Final = "grant"


@dataclass(slots=True)
class Outcome:
    """What one pull brought."""

    peer: PartyId
    unchanged: bool = False
    entries: int = 0
    payloads: int = 0
    refused: int = 0
    receipts: int = 0
    faults: list[str] = field(default_factory=list)
    forks: list[Origin] = field(default_factory=list)
    early: bool = False


Progress = Callable[[str, int, int], None]


class Syncing:
    """Pulls from peers, one at a time."""

    def __init__(self, node: Node, accords: Accords) -> None:
        self._node = node
        self._accords = accords
        self._arrivals = Arrivals(node, accords)
        self._compared: dict[tuple[PartyId, Origin], bytes] = {}
        self._ahead: dict[tuple[PartyId, Origin], int] = {}

    def pull(self, peer: PartyId, wire: Wire, progress: Progress | None = None, *, tell: bool = True) -> Outcome:
        """Pull everything new from a peer. Raises `Unreachable`, or `Theirs` where nothing could be believed.

        `tell=False` leaves the holdings that became due to a later `tell`.
        """
        outcome = Outcome(peer)
        with self._node.store.read() as unit:
            etag = (unit.documents.get(ETAGS, peer) or b"").decode()
        answer = wire.ask(sync.Heads(etag))
        if answer.unchanged:
            outcome.unchanged = True
            if tell:
                self.tell()
            return outcome
        heads = sync.decode_heads(answer.body)
        if heads.party != peer:
            raise Unverified(f"{heads.party} answers where {peer} was asked")
        self._guard(outcome, b"", partial(self._take_card, peer, heads.card, wire))
        for offered in heads.accords:
            self._guard(outcome, b"", partial(self._take_accord, offered, wire))
        for certificate in heads.forks:
            self._guard(outcome, certificate, partial(self._take_fork, outcome, certificate))
        for log in heads.logs:
            self._guard(outcome, log.note, partial(self._take_log, outcome, log, wire, progress))
        if heads.witnessed:
            self._guard(outcome, heads.witnessed, partial(self._take_receipt, outcome, heads.witnessed))
        if heads.home:
            self._guard(outcome, heads.home, partial(self._witness_home, peer, heads.home, wire))
        if tell:
            self.tell()
        if not outcome.faults and not outcome.early:
            with self._node.store.write() as unit:
                unit.documents.put(ETAGS, peer, answer.etag.encode())
        return outcome

    def _guard(self, outcome: Outcome, evidence: bytes, step: Callable[[], None]) -> None:
        """Run one step; what it refuses is kept, shown, and stops nothing else."""
        try:
            step()
        except (Theirs, NotFound, Conflict) as error:
            outcome.faults.append(error.says())
            with self._node.store.write() as unit:
                self._arrivals.quarantine(unit, outcome.peer, error, evidence)

    # -- documents -----------------------------------------------------------

    def _take_card(self, peer: PartyId, digest: Digest, wire: Wire) -> None:
        with self._node.store.read() as unit:
            held = unit.documents.get(CARDS, peer)
        if held is not None and canon.digest(held) == digest:
            return
        data = wire.ask(sync.Card()).body
        new = party.parse_card(data)
        with self._node.writing() as unit:
            if party.check_succession(self._node.card(unit, peer), new):
                parties.keep(self._node, unit, new)

    def _take_accord(self, offered: sync.AccordHead, wire: Wire) -> None:
        with self._node.store.read() as unit:
            known = unit.documents.get(TEXTS, offered.digest) is not None
            missing = [s for s in offered.signers if not self._accords.has_signed(unit, offered.digest, s)]
        if known and not missing:
            return
        data = wire.ask(sync.AccordText(offered.digest)).body
        with self._node.writing() as unit:
            self._accords.take_file(unit, data)

    def _take_fork(self, outcome: Outcome, data: bytes) -> None:
        with self._node.writing() as unit:
            origin = witness.take_certificate(self._node, unit, data)
        if origin is not None:
            outcome.forks.append(origin)

    def _take_receipt(self, outcome: Outcome, note: bytes) -> None:
        with self._node.store.write() as unit:
            outcome.receipts += witness.take_receipt(self._node, unit, outcome.peer, note)

    def _witness_home(self, peer: PartyId, data: bytes, wire: Wire) -> None:
        with self._node.store.read() as unit:
            head = sync.check_head(data, witness.log_key(self._node, unit, peer))
            held = unit.documents.get(witness.HOMES, peer)
        author, accord, generation = canon.parse_origin(head.checkpoint.origin)
        if author != peer or accord is not None:
            raise Unverified(f"{peer} shows {head.checkpoint.origin} as its home log")
        if held is not None:
            before = witness.read_head(held)
            same = before.origin == head.checkpoint.origin
            if same and before.size == head.checkpoint.size and before.root == head.checkpoint.root:
                return
            if not same and canon.parse_origin(before.origin)[2] >= generation:
                raise Refused(f"{peer} shows an older generation of its home log")
            if same:
                if before.size > head.checkpoint.size:
                    raise Refused(f"{peer} shows a home log shorter than the one it signed before")
                request = sync.Consistency(Origin(before.origin), before.size, head.checkpoint.size)
                proof = sync.decode_hashes(wire.ask(request).body).hashes
                sync.check_consistency(before.size, before.root, head.checkpoint, proof)
        with self._node.store.write() as unit:
            unit.documents.put(witness.HOMES, peer, witness.cosigned(self._node, head))

    # -- logs ----------------------------------------------------------------

    def _take_log(self, outcome: Outcome, shown: LogHead, wire: Wire, progress: Progress | None) -> None:
        origin = sync.origin_of(shown.note)
        author, accord, _ = canon.parse_origin(origin)
        if author == self._node.me:
            with self._node.store.read() as unit:
                frozen = witness.is_frozen(unit, origin)
            if not frozen:  # of a forked log nothing is believed, and its key may have been replaced
                self._take_receipt(outcome, shown.note)
            return
        with self._node.store.read() as unit:
            if accord is None or outcome.peer not in self._accords.get(unit, accord).members:
                raise Refused(f"{outcome.peer} shows {origin}, which is no log of an accord with it")
            log = unit.logs.find(origin)
            key = witness.log_key(self._node, unit, author)
        if log is not None and log.state is LogState.FROZEN:
            return
        if author != outcome.peer:
            if log is not None:
                self._compare(outcome, log, shown, key, wire)
            return
        head = witness.check_head(self._node, shown.note, key, origin)
        if log is None:
            if self._accords_member(accord, author):
                with self._node.store.write() as unit:
                    log = unit.logs.open(origin, author, own=False)
            else:
                raise Refused(f"{author} is no member of {accord}")
        self._follow(outcome, log, shown, head, wire, progress)

    def _accords_member(self, accord: AccordId, author: PartyId) -> bool:
        with self._node.store.read() as unit:
            return author in self._accords.get(unit, accord).members

    def _follow(
        self, outcome: Outcome, log: Log, shown: LogHead, head: Head, wire: Wire, progress: Progress | None
    ) -> None:
        size = head.checkpoint.size
        if size > limits.SYNC_LOG_ENTRIES_MAX:
            raise TooLarge(f"{log.origin} has {size} entries: over SYNC_LOG_ENTRIES_MAX; raise it if this is meant")
        with self._node.store.read() as unit:
            contradiction = forks.contradicts(unit, log, head.checkpoint)
        if contradiction:
            self._prove_fork(outcome, log, head, wire)
            return
        if size < log.size:
            raise Refused(f"{log.origin}: an older checkpoint of {size} leaves is shown, {log.size} are held")
        for index in shown.flash:
            if log.size <= index < size:
                self._ahead_of_turn(outcome, log, index, head, wire)
        while log.size < size:
            log = self._page(outcome, log, head, wire)
            if progress is not None:
                progress(log.origin, log.size, size)
        self._refill(outcome, log, shown.grant, wire)

    def _page(self, outcome: Outcome, log: Log, head: Head, wire: Wire) -> Log:
        size = head.checkpoint.size
        end = min(size, log.size + limits.SYNC_PAGE_ENTRIES_MAX)
        before = Frontier.decode(log.frontier) if log.frontier else Frontier()
        refill = False
        try:
            page = sync.decode_page(wire.ask(sync.Page(log.origin, log.size, end, size)).body)
            entries = sync.open_page(page, self._arrivals.version_of)
            after = sync.check_page(page, entries, before, head.checkpoint)
        except Theirs as error:
            with self._node.store.write() as unit:
                self._arrivals.quarantine(unit, log.party, error, head.note.encode())
            try:
                page = sync.decode_page(wire.ask(sync.Page(log.origin, log.size, end, size, bare=True)).body)
                entries = sync.open_page(page, self._arrivals.version_of)
                after = sync.check_page(page, entries, before, head.checkpoint)
            except Unverified:
                self._prove_fork(outcome, log, head, wire)
                raise
            refill = True
        kept = self._arrivals.keep_page(log, entries, after, head)
        self._count(outcome, log, kept)
        if refill:
            self._fill(outcome, log, log.size, after.size, wire)
        with self._node.store.read() as unit:
            return unit.logs.get(log.id)

    def _ahead_of_turn(self, outcome: Outcome, log: Log, index: int, head: Head, wire: Wire) -> None:
        with self._node.store.read() as unit:
            if unit.entries.is_held(log.id, index):
                return
        page = sync.decode_page(wire.ask(sync.Ahead(log.origin, index, head.checkpoint.size)).body)
        (entry, *_) = sync.open_page(page, self._arrivals.version_of)
        self._count(outcome, log, self._arrivals.keep_ahead(log, index, entry, page.proof, head))

    def _refill(self, outcome: Outcome, log: Log, grant: bytes, wire: Wire) -> None:
        """Ask again for what was withheld, where what is released to us has changed."""
        with self._node.store.read() as unit:
            if unit.documents.get(GRANTS, log.origin) == grant:
                return
            gaps = [(s, e) for s, e, held in unit.entries.held_runs(log.id, 0, log.size) if held is Held.WITHHELD]
        early, outcome.early = outcome.early, False
        for start, end in gaps:
            for first in range(start, end, limits.SYNC_PAGE_ENTRIES_MAX):
                self._fill(outcome, log, first, min(end, first + limits.SYNC_PAGE_ENTRIES_MAX), wire)
        if not outcome.early:
            with self._node.store.write() as unit:
                unit.documents.put(GRANTS, log.origin, grant)
        outcome.early = early and outcome.early if gaps else early

    def _fill(self, outcome: Outcome, log: Log, start: int, end: int, wire: Wire) -> None:
        while start < end:
            page = sync.decode_page(wire.ask(sync.Fill(log.origin, start, end)).body)
            if page.origin != log.origin or page.start != start or not page.held:
                raise Unverified(f"{log.origin}: another run came than {start} to {end}")
            entries = sync.open_page(page, self._version_or_none)
            self._count(outcome, log, self._arrivals.keep_filled(log, start, entries))
            start += len(entries)

    def _version_or_none(self, header: bytes) -> int:
        """Return the version a header names; 0 where it cannot be read: then the commitment does not match."""
        try:
            return self._arrivals.version_of(header)
        except Theirs:
            return 0

    def _count(self, outcome: Outcome, log: Log, kept: Kept) -> None:
        outcome.entries += kept.entries
        outcome.payloads += kept.payloads
        outcome.refused += kept.refused
        outcome.early = outcome.early or kept.early
        if kept.telling:
            with self._node.store.write() as unit:
                holdings.owe(unit, log.origin, urgent=kept.urgent)

    # -- forks ---------------------------------------------------------------

    def _compare(self, outcome: Outcome, log: Log, shown: LogHead, key: bytes, wire: Wire) -> None:
        """Compare what a peer shows of a third party's log with what is held."""
        seen = (outcome.peer, log.origin)
        if self._compared.get(seen) == shown.note:
            return
        head = witness.check_head(self._node, shown.note, key, log.origin)
        with self._node.store.read() as unit:
            contradiction = forks.contradicts(unit, log, head.checkpoint)
        if contradiction:
            self._prove_fork(outcome, log, head, wire)
            return
        if head.checkpoint.size <= log.size:
            self._compared[seen] = shown.note
            return
        if self._ahead.get(seen, -1) != log.size or not log.size:
            # The author will probably show us as much in its turn; if it does not, the peer must prove it.
            self._ahead[seen] = log.size
            return
        request = sync.Consistency(log.origin, log.size, head.checkpoint.size)
        try:
            proof = sync.decode_hashes(wire.ask(request).body).hashes
            sync.check_consistency(log.size, log.root, head.checkpoint, proof)
        except Unverified:
            self._prove_fork(outcome, log, head, wire)
            return
        self._compared[seen] = shown.note

    def _prove_fork(self, outcome: Outcome, log: Log, head: Head, wire: Wire) -> None:
        with self._node.store.read() as unit:
            certificate = forks.hunt(unit, log, head, wire)
        if certificate is None:
            raise Unverified(
                f"{log.origin}: {outcome.peer} shows a tree that does not extend the one held, and proves no fork",
                hint="its copy may be damaged; ask its operator to run `comity doctor`",
            )
        self._take_fork(outcome, certificate)

    def tell(self) -> None:
        """State the holdings that are due: after one pull, or after a pass over all peers."""
        if not self._node.signs:
            return
        with self._node.store.read() as unit:
            due = holdings.is_owed(unit)
        if due:
            with self._node.writing() as unit:
                holdings.tell(self._node, self._accords, unit)
