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
from comity.canon import Digest, Origin, PartyId
from comity.errors import Ours, Refused, Theirs, TooLarge, Unverified
from comity.node import correcting, forks, holdings, parties, witness
from comity.node.accords import TEXTS, Accords
from comity.node.arrivals import Arrivals, Kept
from comity.node.node import CARDS, Node
from comity.node.ports import Log, LogState, Unit, Wire
from comity.node.sharing import Sharing
from comity.sync import Head, LogHead
from comity.tlog.fork import ForkCertificate
from comity.tlog.merkle import Frontier
from comity.tlog.note import parse_note
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
    early: bool = False  # something is to be asked again though the peer may have nothing new: keep no etag


Progress = Callable[[str, int, int], None]


class Syncing:
    """Pulls from peers, one at a time."""

    def __init__(self, node: Node, accords: Accords, sharing: Sharing) -> None:
        self._node = node
        self._sharing = sharing
        self._accords = accords
        self._arrivals = Arrivals(node, accords)
        self._compared: dict[tuple[PartyId, Origin], bytes] = {}
        self._longer: dict[tuple[PartyId, Origin], tuple[Head, int]] = {}  # and our size when it was shown

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
            self._guard(outcome, b"", partial(self._take_accord, outcome, offered, wire))
        for certificate in heads.forks:
            self._guard(outcome, certificate, partial(self._take_fork, outcome, certificate))
        for log in heads.logs:
            self._guard(outcome, log.note, partial(self._take_log, outcome, log, wire, progress))
        if heads.witnessed:
            self._guard(outcome, heads.witnessed, partial(self._take_receipt, outcome, heads.witnessed))
        if heads.home:
            self._guard(outcome, heads.home, partial(self._witness_home, outcome, heads.home, wire))
        correcting.carry(self._node, self._sharing)
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
        except (Theirs, Ours) as error:  # also what the peer answered that we had asked wrongly
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

    def _take_accord(self, outcome: Outcome, offered: sync.AccordHead, wire: Wire) -> None:
        with self._node.store.read() as unit:
            known = unit.documents.get(TEXTS, offered.digest) is not None
            if known and not self._missing(unit, offered):
                return
            if not known and len(self._accords.texts(unit)) >= limits.ACCORD_TEXTS_MAX:
                raise TooLarge("accord texts over ACCORD_TEXTS_MAX are offered", hint="`comity accord withdraw` drops")
        data = wire.ask(sync.AccordText(offered.digest)).body
        with self._node.writing() as unit:
            text = self._accords.take_file(unit, data)
            if text.digest != offered.digest:
                raise Unverified(f"{outcome.peer} offers the text {offered.digest} and answers with {text.digest}")
            if not any(self._accords.has_signed(unit, text.digest, m.party) for m in text.text.member):
                raise Refused(f"{outcome.peer} offers a text of {text.text.id} that no known party has signed")
            outcome.early = outcome.early or bool(self._missing(unit, offered))  # a card may be imported meanwhile

    def _missing(self, unit: Unit, offered: sync.AccordHead) -> list[PartyId]:
        return [s for s in offered.signers if not self._accords.has_signed(unit, offered.digest, s)]

    def _take_fork(self, outcome: Outcome, data: bytes) -> None:
        with self._node.writing() as unit:
            origin = witness.take_certificate(self._node, unit, data)
        if origin is not None:
            outcome.forks.append(origin)

    def _take_receipt(self, outcome: Outcome, note: bytes) -> None:
        origin = sync.origin_of(note)
        seen = (outcome.peer, origin)
        if self._compared.get(seen) == note:
            return
        with self._node.store.write() as unit:
            log = unit.logs.find(origin)
            head = witness.check_head(self._node, note, witness.log_key(self._node, unit, self._node.me), origin)
            other = log is not None and forks.contradicts(unit, log, head.checkpoint)
            if log is not None and log.state is not LogState.OPEN and (other or head.checkpoint.size > log.size):
                return  # it was closed for that: the next generation's first act says at which size
            if other:
                raise Unverified(
                    f"{outcome.peer} holds another tree of our {origin} under our own signature: this store was "
                    "restored from an old backup, or the log key is in other hands",
                    hint="write nothing more; begin a new generation with `comity log renew`",
                )
            outcome.receipts += witness.take_receipt(self._node, unit, outcome.peer, note)
        self._compared[seen] = note

    def _witness_home(self, outcome: Outcome, data: bytes, wire: Wire) -> None:
        peer = outcome.peer
        with self._node.store.read() as unit:
            head = sync.check_head(data, witness.log_key(self._node, unit, peer))
            held = unit.documents.get(witness.HOMES, peer)
            frozen = witness.is_frozen(unit, Origin(head.checkpoint.origin))
        author, accord, generation = canon.parse_origin(head.checkpoint.origin)
        if author != peer or accord is not None:
            raise Unverified(f"{peer} shows {head.checkpoint.origin} as its home log")
        if frozen:
            return
        if held is not None:
            before = witness.read_head(held)
            same = before.origin == head.checkpoint.origin
            if same and before.size == head.checkpoint.size and before.root == head.checkpoint.root:
                return
            if not same and canon.parse_origin(before.origin)[2] >= generation:
                raise Refused(f"{peer} shows an older generation of its home log")
            if same:
                if before.size == head.checkpoint.size:
                    self._take_fork(outcome, ForkCertificate(parse_note(held), head.note).encode())
                    return
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
        with self._node.store.read() as unit:
            if witness.is_frozen(unit, origin):
                return  # of a forked log nothing is believed, and its key may have been replaced
        if author == self._node.me:
            self._take_receipt(outcome, shown.note)
            return
        with self._node.store.read() as unit:
            known = self._accords.get(unit, accord or "")
            if outcome.peer not in known.members:
                raise Refused(f"{outcome.peer} shows {origin}, which is no log of an accord with it")
            if self._node.me in known.awaiting:
                outcome.early = True
                return  # before this party has signed, nobody may fill its disk with an accord's logs
            log = unit.logs.find(origin)
            key = witness.log_key(self._node, unit, author)
        if author != outcome.peer:
            if log is not None:
                self._compare(outcome, log, shown, key, wire)
            return
        head = witness.check_head(self._node, shown.note, key, origin)
        self._follow(outcome, log or self._begin(origin), shown, head, wire, progress)

    def _begin(self, origin: Origin) -> Log:
        """Begin to follow a log. Raises `TooLarge` for more generations than anybody needs."""
        stem = origin.rpartition("/")[0] + "/"
        with self._node.store.write() as unit:
            if sum(log.origin.startswith(stem) for log in unit.logs.all()) >= limits.LOG_GENERATIONS_MAX:
                raise TooLarge(f"{origin}: generations over LOG_GENERATIONS_MAX; call its author")
            return unit.logs.open(origin, canon.parse_origin(origin)[0], own=False)

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
        if size < log.size and log.state is LogState.CLOSED:
            return  # its author went back to a backup, and has closed this generation for it
        if size < log.size:
            raise Refused(f"{log.origin}: an older checkpoint of {size} leaves is shown, {log.size} are held")
        for index in shown.flash:
            if log.size <= index < size:
                step = partial(self._ahead_of_turn, outcome, log, index, head, wire)
                self._guard(outcome, shown.note, step)  # the bulk does not wait for an alert that cannot be read
        elsewhere, outcome.early = outcome.early, False
        while log.size < size:
            log = self._page(outcome, log, head, wire)
            if progress is not None:
                progress(log.origin, log.size, size)
        if log.signed == size and _by_author(log.note) != _by_author(shown.note):
            with self._node.store.write() as unit:  # the same tree, signed anew after a rotation
                unit.logs.sign(log.id, size, witness.cosigned(self._node, head))
        self._refill(outcome, log, shown.grant, wire)
        outcome.early = outcome.early or elsewhere

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
        if (page.origin, page.start, len(page.held)) != (log.origin, index, 1):
            # Under another origin a leaf copied from there would open, and look like this author's.
            raise Unverified(f"{log.origin}#{index}: another entry came than the one asked for ahead of its turn")
        (entry,) = sync.open_page(page, self._arrivals.version_of)
        self._count(outcome, log, self._arrivals.keep_ahead(log, index, entry, page.proof, head))

    def _refill(self, outcome: Outcome, log: Log, grant: bytes, wire: Wire) -> None:
        """Ask again for what was withheld, where what is released to us has changed."""
        with self._node.store.read() as unit:
            if unit.documents.get(GRANTS, log.origin) == grant and not outcome.early:
                return
            gaps = [(s, e) for s, e, held in unit.entries.held_runs(log.id, 0, log.size) if held is Held.WITHHELD]
        outcome.early = False
        for start, end in gaps:
            for first in range(start, end, limits.SYNC_PAGE_ENTRIES_MAX):
                self._fill(outcome, log, first, min(end, first + limits.SYNC_PAGE_ENTRIES_MAX), wire)
        with self._node.store.write() as unit:
            if outcome.early:
                unit.documents.delete(GRANTS, log.origin)
            else:
                unit.documents.put(GRANTS, log.origin, grant)

    def _fill(self, outcome: Outcome, log: Log, start: int, end: int, wire: Wire) -> None:
        while start < end:
            page = sync.decode_page(wire.ask(sync.Fill(log.origin, start, end)).body)
            if page.origin != log.origin or page.start != start or not 0 < len(page.held) <= end - start:
                raise Unverified(f"{log.origin}: another run came than {start} to {end}")
            entries = sync.open_page(page, self._arrivals.version_of)
            self._count(outcome, log, self._arrivals.keep_filled(log, start, entries))
            start += len(entries)

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
        waiting, size = self._longer.get(seen, (head, -1))
        with self._node.store.read() as unit:
            wrong = [one for one in (waiting, head) if forks.contradicts(unit, log, one.checkpoint)]
        if wrong:
            self._prove_fork(outcome, log, wrong[0], wire)
            return
        if waiting.checkpoint.size <= log.size:
            self._longer.pop(seen, None)
            waiting, size = head, -1
        if head.checkpoint.size <= log.size:
            self._compared[seen] = shown.note
            return
        if size != log.size or not log.size:
            # The author will probably show us as much in its turn, and then it is compared; if not, the peer proves it.
            # What waits is kept until then: of one who is always ahead, the newest could never be compared.
            self._longer[seen] = (waiting, log.size)
            outcome.early = True
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


def _by_author(note: bytes) -> tuple[bytes, ...]:
    """Return what the log itself signed of a kept note: without the lines of witnesses."""
    read = parse_note(note)
    return tuple(s.blob for s in read.signatures if s.name == read.text.partition(b"\n")[0].decode())
