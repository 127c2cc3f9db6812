"""What arrives from another party's log: proven, admitted entry by entry, kept and folded.

Rules: leaves are always kept, for they are the author's record; a payload is kept only if the accord and
the rules admit it. What is not admitted goes to quarantine with its reason, its index answers *withheld*,
and nothing behind it waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from comity import canon, limits, policy, sync
from comity.acts import Span
from comity.areas import intel
from comity.canon import PartyId
from comity.errors import ComityError, Conflict, Malformed, NotFound, Refused, Theirs, Unverified
from comity.formats.stix.personal import holds_account
from comity.node import books, folding, questions, witness
from comity.node.accords import Accords
from comity.node.folding import Taken
from comity.node.node import Node, note
from comity.node.ports import Log, NewEntry, Unit, position
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, INTEL_RELAY, MEDIA_TYPE, Header, Marking, cut, is_act, join
from comity.sync import Head, Opened
from comity.tlog import leaf, proof
from comity.tlog.errors import TlogError
from comity.tlog.merkle import Frontier
from comity.tlog.note import Verifier
from comity.vocab import Held, Priority

EVIDENCE_BYTES_MAX: Final = 65_536  # bytes kept of a refused item: enough to see what it was


class Kept(NamedTuple):
    """What one page or fill brought."""

    entries: int
    payloads: int
    refused: int
    telling: bool  # holds more than others' holdings: our own holding is due
    urgent: bool  # holds a narrowing act or a flash statement
    early: bool  # holds what an accord's version not yet in force here governs: asked for again


class Arrivals:
    """Keeps what other parties' nodes answer."""

    def __init__(self, node: Node, accords: Accords) -> None:
        self._node = node
        self._accords = accords
        self._refused: set[bytes] = set()
        self._early = False

    def version_of(self, header: bytes) -> int | None:
        """Return the accord version a header names; None where it cannot be read."""
        try:
            return self._node.header(header).accord
        except Theirs:
            return None

    def keep_page(self, log: Log, entries: Sequence[Opened], after: Frontier, head: Head) -> Kept:
        """Keep a proven page in one unit of work: leaves, tree, payloads, and all they add up to."""
        with self._node.writing() as unit:
            now = unit.logs.get(log.id)
            if now.size != log.size:
                raise Conflict(f"{log.origin} grew meanwhile; the page is asked for again")
            taken, new, refused = self._admit_all(unit, now, now.size, entries)
            unit.entries.append(log.id, now.size, new)
            unit.logs.advance(log.id, now.size, after.size, after.root(), after.encode())
            if after.size == head.checkpoint.size:
                unit.logs.sign(log.id, after.size, witness.cosigned(self._node, head))
            self._fold(unit, log, taken)
            if unit.spans.about(log.origin, now.size, after.size):
                folding.restand(self._node, unit, Span(log.origin, now.size, after.size))
        return self._kept(taken, len(entries), refused)

    def keep_filled(self, log: Log, start: int, entries: Sequence[Opened]) -> Kept:
        """Keep payloads of entries whose leaves are held; each is compared with its own commitment."""
        with self._node.writing() as unit:
            held = unit.entries.commitments(log.id, start, start + len(entries))
            asked = [brief.held is Held.WITHHELD for brief in unit.entries.brief(log.id, start, start + len(entries))]
            fitting: list[Opened] = []
            for at, entry in enumerate(entries):
                leaf_says = held[32 * at : 32 * at + 32]
                if asked[at] and entry.held is Held.PAYLOAD and entry.commitment == leaf_says:
                    fitting.append(entry)
                    continue
                # What was erased meanwhile, or is held already, is not folded a second time.
                fitting.append(Opened(Held.WITHHELD, leaf_says, None, None, None))
                if asked[at] and entry.held is Held.PAYLOAD:
                    self.quarantine(unit, log.party, self._why(log, start + at, entry), entry.body or b"")
            taken, new, refused = self._admit_all(unit, log, start, fitting)
            for index, each in enumerate(new, start):
                if each.held is Held.PAYLOAD:
                    unit.entries.fill(log.id, index, each)
                    self._node.standings += 1  # what is released may be more than it was
                    self._node.filled += 1
            self._fold(unit, log, taken)
            if unit.spans.about(log.origin, start, start + len(entries)):
                folding.restand(self._node, unit, Span(log.origin, start, start + len(entries)))
        return self._kept(taken, 0, refused)

    def keep_ahead(self, log: Log, index: int, entry: Opened, hashes: Sequence[bytes], head: Head) -> Kept:
        """Keep one entry ahead of its turn: its inclusion in the checkpoint is proven first."""
        sync.check_inclusion(entry.commitment, index, head.checkpoint, hashes)
        with self._node.writing() as unit:
            taken, new, refused = self._admit_all(unit, log, index, [entry])
            for each in new:
                if each.held is Held.PAYLOAD:
                    unit.entries.fill(log.id, index, each)
                    self._node.standings += 1  # what is released may be more than it was
                    self._node.filled += 1
            self._fold(unit, log, taken)
        return self._kept(taken, 0, refused)

    def quarantine(self, unit: Unit, source: PartyId, error: ComityError, evidence: bytes) -> None:
        """Keep what was refused, with the reason; the same again within this run is not kept twice."""
        key = hashlib.sha256(f"{source} {error.code} {error}".encode() + evidence).digest()
        if key in self._refused:
            return
        if len(self._refused) >= limits.QUARANTINE_ROWS_MAX:
            self._refused.clear()
        self._refused.add(key)
        unit.quarantine.add(self._node.now(), source, error.code, note(error), evidence[:EVIDENCE_BYTES_MAX])

    def _why(self, log: Log, index: int, entry: Opened) -> Theirs:
        """Say why a payload does not open its leaf."""
        try:
            join(entry.header or b"", entry.body or b"")
            self._node.header(entry.header or b"")
        except Theirs as error:
            return error
        return Unverified(f"{log.origin}#{index}: the payload does not match its commitment")

    # -- admission -----------------------------------------------------------

    def _admit_all(
        self, unit: Unit, log: Log, start: int, entries: Sequence[Opened]
    ) -> tuple[list[Taken], list[NewEntry], int]:
        taken: list[Taken] = []
        new: list[NewEntry] = []
        verdicts: dict[bytes, Theirs | None] = {}
        refused = 0
        self._early = False
        for index, entry in enumerate(entries, start):
            if entry.held is not Held.PAYLOAD or entry.header is None or entry.body is None:
                new.append(NewEntry(entry.commitment, entry.held, None, None, None))
                continue
            header = self._node.header(entry.header)
            if entry.header not in verdicts:
                verdicts[entry.header] = self._verdict(unit, log, header)
            verdict = verdicts[entry.header]
            if verdict is None and header.kind == INTEL_RELAY:
                verdict = self._relay_verdict(unit, header, entry.body)
            if verdict is None and header.kind in intel.ASKING:
                verdict = questions.verdict(self._node, unit, log, index, entry.commitment, header, entry.body)
            evidence = join(entry.header, entry.body)
            if (
                verdict is None
                and intel.kind_of(header) == INTEL_OBJECT
                and holds_account(intel.body_of(header, entry.body))
            ):
                verdict = Refused(f"{log.origin}#{index}: somebody's account is no intelligence, and is not taken")
                evidence = entry.header  # what was refused for that is not kept as evidence of it
            if verdict is not None:
                refused += 1
                self.quarantine(unit, log.party, verdict, evidence)
                new.append(NewEntry(entry.commitment, Held.WITHHELD, None, None, None))
                continue
            new.append(NewEntry(entry.commitment, Held.PAYLOAD, entry.header, entry.salt, entry.body))
            taken.append(Taken(position(log.id, index), header, entry.body))
        return taken, new, refused

    def _verdict(self, unit: Unit, log: Log, header: Header) -> Theirs | None:
        """Say why statements under this header are not admitted, or None."""
        name = canon.parse_origin(log.origin)[1]
        if is_act(header.kind):
            return None
        try:
            accord = self._accords.get(unit, name or "")
            text = accord.version(header.accord)
            if text is None or accord.awaiting:
                self._early = True  # a ballot or a signature may be under way
                raise Refused(f"{log.origin}: made under version {header.accord}, which is not in force here yet")
            if not text.text.opens(header.kind) or header.kind == INTEL_EVIDENCE or header.kind.startswith("home."):
                raise Refused(f"{log.origin}: the accord does not open {header.kind}")
            if text.text.member_of(log.party) is None:
                raise Refused(f"{log.origin}: {log.party} is no member under version {header.accord}")
            self._check_marking(log, header, text.text.terms.ceiling.rank)
            speech = policy.speech(header.kind, header.conduct)
            if not speech.allows:
                raise Refused(f"{log.origin}: {speech.because}")
            if header.exercise != text.text.exercise:
                raise Refused(f"{log.origin}: exercise and production data do not mix")
        except (Theirs, NotFound) as error:
            return error if isinstance(error, Theirs) else Refused(str(error))
        return None

    def _check_marking(self, log: Log, header: Header, ceiling: int) -> None:
        if header.marking is None:
            raise Refused(f"{log.origin}: a {header.kind} without a marking")
        if header.marking.tlp.rank > ceiling:
            raise Refused(f"{log.origin}: {header.marking.tlp.label} is above the accord's ceiling")

    def _relay_verdict(self, unit: Unit, header: Header, body: bytes) -> Theirs | None:
        """Say why a relay is not believed: the original author's log must prove the original bytes."""
        try:
            self._check_relay(unit, header, intel.cut_relay(body))
        except NotFound as error:
            return Unverified(f"a relay's author cannot be checked: {error}", hint=error.hint)
        except (TlogError, Theirs) as error:
            return error if isinstance(error, Theirs) else Unverified(f"a relay proves nothing: {error}")
        return None

    def _check_relay(self, unit: Unit, header: Header, relay: intel.Relay) -> None:
        line, claimed = relay.line, header.relayed
        author, _, _ = canon.parse_origin(line.origin)
        inner_bytes, _ = cut(relay.payload)
        inner = self._node.header(inner_bytes)
        if claimed is None or (claimed.origin, claimed.office, claimed.kind, claimed.accord) != (
            line.origin,
            inner.office,
            inner.kind,
            inner.accord,
        ):
            raise Unverified("a relay's header does not say what its original says")
        if witness.is_frozen(unit, line.origin):
            raise Refused(f"{line.origin} is frozen: a fork of it is proven")
        if header.marking is None or inner.marking is None or wider(header.marking, inner.marking):
            raise Refused("a relay may narrow its original's marking, never widen it")
        if (header.conduct, header.exercise) != (inner.conduct, inner.exercise):
            raise Unverified("a relay does not say what its original is about")
        salt = canon.unb64(line.salt, what="a salt", length=16)
        if line.version != inner.accord:
            raise Malformed("a relay names another accord version than its original")
        commitment = leaf.commit(salt, line.origin, line.version, MEDIA_TYPE, relay.payload)
        parsed = proof.parse_proof(line.proof.encode())
        if parsed.index != line.index:
            raise Unverified("a relay's proof is of another index than it names")
        key = witness.log_key(self._node, unit, author)
        checkpoint = proof.verify_proof(parsed, leaf.leaf_hashes_of(commitment), [Verifier(line.origin, key)])
        if checkpoint.origin != line.origin:
            raise Unverified("a relay's proof is of another log than it names")

    # -- folding -------------------------------------------------------------

    def _fold(self, unit: Unit, log: Log, taken: Sequence[Taken]) -> None:
        books.pass_on(self._node, unit, folding.fold(self._node, unit, log, taken))

    def _kept(self, taken: Sequence[Taken], entries: int, refused: int) -> Kept:
        kinds = {one.header.kind for one in taken}
        urgent = bool(kinds & URGENT) or any(one.header.priority is Priority.FLASH for one in taken)
        telling = refused > 0 or entries > len(taken) or bool(kinds - {"act.hold"})
        return Kept(entries, len(taken), refused, telling, urgent, self._early)


URGENT: Final = frozenset({"act.retract", "act.narrow", "act.tombstone"})


def wider(outer: Marking, inner: Marking) -> bool:
    """Say whether `outer` allows anything that `inner` does not."""
    return (
        outer.tlp.rank < inner.tlp.rank
        or outer.pap.rank < inner.pap.rank
        or outer.embargo < inner.embargo
        or not set(outer.use) <= set(inner.use)
        or not set(outer.transfer) <= set(inner.transfer)
        or (inner.personal and not outer.personal)
        or (outer.onward and not inner.onward)
        or (bool(inner.to) and (not outer.to or not set(outer.to) <= set(inner.to)))
    )
