"""What correspondents send: taken as theirs, waiting until somebody accepted it where the terms say so.

Rules: whatever is sent comes in from the correspondent as its source, never under another's name: a creator that an
object names is kept as said, as the correspondent's word, and proves nothing. What waits is neither indexed nor
released; it is accepted or refused by a person of the office, on record with the reason. Bytes and number of what waits
are bounded for each correspondent. Objects are answered one by one: one that is wrong stops none behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from comity.areas import intel
from comity.areas.intel import Checker, Facts
from comity.canon import Instant, OfficeId
from comity.errors import Conflict, Malformed, Misuse, NotFound, Refused, TooLarge
from comity.formats.misp import rest
from comity.formats.readers import HEAD_BYTES, STIX
from comity.formats.stix import split
from comity.formats.stix.report import Refusal, refusal
from comity.formats.stix.strict import ident_of
from comity.limits import (
    SUBMISSION_BYTES_MAX,
    SUBMISSION_OBJECTS_MAX,
    SUBMISSIONS_WAITING_BYTES_MAX,
    SUBMISSIONS_WAITING_MAX,
)
from comity.node import books, correspondents, importing, ingest
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.importing import Readers
from comity.node.ingest import SOURCES, Ingested, Source
from comity.node.node import Node
from comity.node.ports import Unit
from comity.statement import Marking
from comity.vocab import Channel, Pap, Tlp

INBOX: Final = "inbox"  # shelf: `<audience> <id>` -> `Submission` that waits
SETTLED: Final = "inbox-settled"  # shelf: `<audience> <id>` -> `Submission` that does not wait any more
BODIES: Final = "inbox-body"  # shelf: id -> the bytes of one that waits
KIND: Final = "home.submission"
WAITING: Final = "waiting"
ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
TAKEN: Final = "taken"  # at once: its terms ask for nobody's acceptance
ID_BYTES: Final = 8
MISP: Final = "misp"  # the form whose creators are looked at
NAME_CHARS_MAX: Final = 200
EVIDENCE_BYTES_MAX: Final = 65_536
WAITS_SECONDS: Final = 86_400  # after which the operator is told


class Answer(NamedTuple):
    """What became of one object of a submission."""

    id: str  # as it says itself; empty where that cannot be read
    modified: int  # microseconds; 0 where it was refused
    outcome: str  # taken, waiting or refused
    reason: str


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that a correspondent sent."""

    id: str
    audience: str
    channel: Channel
    name: str  # of the file, mail or envelope
    form: str  # of a reader, see `formats.readers`
    at: Instant
    bytes: int
    digest: str  # SHA-256 in hexadecimal
    state: str
    objects: int = 0  # that passed their checks; 0 where they are read when it is accepted
    refused: int = 0  # objects
    others: int = 0  # objects (MISP events) whose creator is not one of the correspondent's own identities
    by: str = ""  # who settled it
    settled: Instant = 0
    reason: str = ""
    kept: int = 0  # objects new to this node
    tlp: str = ""  # the label of what it came in, below which nothing of it is marked
    pap: str = ""

    @property
    def key(self) -> str:
        """Return where it is kept."""
        return f"{self.audience} {self.id}"


class Submitted(NamedTuple):
    """A submission, and what became of its objects, in their order; none where it is no STIX."""

    submission: Submission
    answers: tuple[Answer, ...]


Beside = Callable[[Unit, Submitted], None]


class Cover(NamedTuple):
    """What something came in, e.g. a mail: its labels, below which nothing in it is marked; what is noted with it."""

    tlp: Tlp | None = None
    pap: Pap | None = None
    beside: Beside | None = None


NO_COVER: Final = Cover()


@dataclass(slots=True)
class _Checked:
    good: list[bytes]
    facts: list[Facts]
    answers: list[Answer]
    others: int


def submit_objects(
    node: Node,
    who: Correspondent,
    channel: Channel,
    objects: Sequence[bytes],
    *,
    name: str = "",
    check: Checker = intel.check_each,
    beside: Beside | None = None,
) -> Submitted:
    """Take STIX 2.1 objects, each given as its own bytes. Raises `Refused`, `TooLarge`, `Conflict` (too much waits).

    `beside` is called in the unit of work in which the submission is put on record.
    """
    size = sum(map(len, objects))
    _admit(node, who, channel, size)
    if len(objects) > SUBMISSION_OBJECTS_MAX:
        raise TooLarge(f"{len(objects)} objects at once are over SUBMISSION_OBJECTS_MAX ({SUBMISSION_OBJECTS_MAX})")
    checked = _check(who, objects, check, WAITING if who.waits else TAKEN)
    body = b"\n".join(checked.good)
    one = _draft(node, who, channel, name, STIX, body)
    one = msgspec.structs.replace(
        one,
        objects=len(checked.good),
        refused=len(objects) - len(checked.good),
        others=checked.others,
    )
    if who.waits and checked.good:
        _wait(node, who, one, body, checked.answers, beside)
        return Submitted(one, tuple(checked.answers))
    done = Ingested(sign=False)
    if checked.good:
        things = iter([split.Piece(0, data) for data in checked.good])
        facts = iter(checked.facts)

        def known(batches: Iterator[Sequence[bytes]]) -> Iterator[Sequence[Facts | Refusal]]:
            for batch in batches:
                yield [next(facts) for _ in batch]

        ingest.keep(node, who.actor(), _source_of(node, who), things, None, known, done)  # type: ignore[arg-type]
    return Submitted(_settle_taken(node, who, one, done, checked.answers, beside), tuple(checked.answers))


def submit_bytes(  # noqa: PLR0913
    node: Node,
    who: Correspondent,
    channel: Channel,
    data: bytes,
    *,
    readers: Readers,
    name: str = "",
    form: str = "",
    check: Checker = intel.check_each,
    cover: Cover = NO_COVER,
) -> Submitted:
    """Take an input of any format that is read here (`form`; by what it looks like where it is left out).

    STIX 2.1 is cut into its objects, which are answered one by one; under a `cover` it is taken whole. Raises as
    `submit_objects`, and `Misuse` for a form that there is none of.
    """
    form = form or readers.recognise(data[:HEAD_BYTES], name)
    if form != STIX or cover != NO_COVER:
        if form != STIX:
            readers.reader(form)
        _admit(node, who, channel, len(data))
        one = msgspec.structs.replace(_draft(node, who, channel, name, form, data), others=_others(who, form, data))
        one = msgspec.structs.replace(one, tlp=cover.tlp or "", pap=cover.pap or "")
        if who.waits:
            _wait(node, who, one, data, (), cover.beside)
            return Submitted(one, ())
        done = _bring_in(node, who, one, data, readers, check)
        return Submitted(_settle_taken(node, who, one, done, (), cover.beside), ())
    _admit(node, who, channel, len(data))
    pieces = list(split.split([data]))
    taken = submit_objects(
        node, who, channel, [one.data for one in pieces if isinstance(one, split.Piece)], name=name, check=check
    )
    cut = tuple(Answer(one.ident, 0, REFUSED, one.reason) for one in pieces if isinstance(one, Refusal))
    return Submitted(
        msgspec.structs.replace(taken.submission, refused=taken.submission.refused + len(cut)), taken.answers + cut
    )


def _admit(node: Node, who: Correspondent, channel: Channel, size: int) -> None:
    """Refuse what a correspondent may not send, or has no room for."""
    correspondents.audience(who, node.now())
    allowed = who.by(channel)
    if allowed is None or not allowed.send:
        raise Refused(f"{who.audience} may not send by {channel.value}", hint="its office allows that with `--send`")
    if size > SUBMISSION_BYTES_MAX:
        raise TooLarge(f"{size} bytes at once are over SUBMISSION_BYTES_MAX ({SUBMISSION_BYTES_MAX})")
    if who.waits:
        with node.store.read() as unit:
            waits = _waiting(unit, who.audience)
        total = sum(one.bytes for one in waits) + size
        if len(waits) >= SUBMISSIONS_WAITING_MAX or total > SUBMISSIONS_WAITING_BYTES_MAX:
            raise Conflict(
                f"{len(waits)} submissions of {who.audience} wait: no room for more (SUBMISSIONS_WAITING_MAX)",
                hint="they wait for its office, which sees them in `comity inbox list`; try again later",
            )


def _check(who: Correspondent, objects: Sequence[bytes], check: Checker, outcome: str) -> _Checked:
    done = _Checked([], [], [], 0)
    batches = (objects[at : at + 4_096] for at in range(0, len(objects), 4_096))
    answers = (answer for batch in check(batches) for answer in batch)
    for data, answer in zip(objects, answers, strict=True):
        if isinstance(answer, Refusal):
            done.answers.append(Answer(answer.ident or ident_of(data), 0, REFUSED, answer.reason))
            continue
        if len(data) > ingest.ROOM:
            said = refusal("too-large", "more bytes than fit into a statement", ident=ident_of(data))
            done.answers.append(Answer(said.ident, 0, REFUSED, said.reason))
            continue
        creator = _creator(data)
        done.others += bool(creator) and creator not in who.identities
        done.good.append(data)
        done.facts.append(answer)
        done.answers.append(Answer(ident_of(data), answer.modified, outcome, ""))
    return done


class _Said(msgspec.Struct):
    created_by_ref: str = ""


def _creator(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_Said).created_by_ref
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _others(who: Correspondent, form: str, data: bytes) -> int:
    """Return how many of the creators that MISP events name are not the correspondent; of other formats none."""
    if form != MISP:
        return 0
    return sum(f"identity--{uuid}" not in who.identities for uuid in rest.creators(data))


def _draft(node: Node, who: Correspondent, channel: Channel, name: str, form: str, data: bytes) -> Submission:
    shown = "".join(char if char.isprintable() else "\ufffd" for char in name[:NAME_CHARS_MAX])
    digest = hashlib.sha256(data).hexdigest()
    ident = node.entropy(ID_BYTES).hex()
    return Submission(ident, who.audience, channel, shown, form, node.now(), len(data), digest, WAITING)


def _wait(
    node: Node,
    who: Correspondent,
    one: Submission,
    data: bytes,
    answers: Sequence[Answer] = (),
    beside: Beside | None = None,
) -> None:
    with node.writing(sign=False) as unit:
        unit.documents.put(INBOX, one.key, msgspec.json.encode(one))
        unit.documents.put(BODIES, one.id, data)
        _record(node, unit, who.actor(), one)
        if beside is not None:
            beside(unit, Submitted(one, tuple(answers)))


def _settle_taken(
    node: Node,
    who: Correspondent,
    one: Submission,
    done: Ingested,
    answers: Sequence[Answer] = (),
    beside: Beside | None = None,
) -> Submission:
    taken = msgspec.structs.replace(
        one, state=TAKEN, kept=done.kept, settled=node.now(), refused=max(one.refused, done.report.refused)
    )
    with node.writing(sign=False) as unit:
        unit.documents.put(SETTLED, taken.key, msgspec.json.encode(taken))
        _record(node, unit, who.actor(), taken)
        if beside is not None:
            beside(unit, Submitted(taken, tuple(answers)))
    return taken


def _record(node: Node, unit: Unit, actor: Actor, one: Submission) -> None:
    body = {
        "id": one.id,
        "correspondent": one.audience,
        "channel": one.channel.value,
        "form": one.form,
        "digest": one.digest,
        "bytes": one.bytes,
        "state": one.state,
        "objects": one.objects,
        "refused": one.refused,
        "others": one.others,
        "kept": one.kept,
        "by": actor.user,
        "reason": one.reason,
    }
    books.record(node, unit, OfficeId(actor.office_id), KIND, body)


# -- settling ---------------------------------------------------------------------------


def inbox(unit: Unit, actor: Actor, *, waiting: bool = True) -> list[Submission]:
    """Return what waits for the actor's office, or what it settled; the oldest first."""
    shelf = INBOX if waiting else SETTLED
    found = [msgspec.json.decode(data, type=Submission) for _, data in unit.documents.all(shelf, f"{actor.office}~")]
    return sorted(found, key=lambda one: (one.at, one.id))


def get(unit: Unit, actor: Actor, ident: str) -> Submission:
    """Return a submission to the actor's office, by id. Raises `NotFound`."""
    for one in (*inbox(unit, actor), *inbox(unit, actor, waiting=False)):
        if one.id == ident:
            return one
    raise NotFound(f"nothing that was sent to {actor.office} is called {ident!r}", hint="`comity inbox list`")


def body(unit: Unit, actor: Actor, ident: str) -> bytes:
    """Return the bytes of a submission that waits. Raises `NotFound`."""
    one = get(unit, actor, ident)
    data = unit.documents.get(BODIES, ident) if one.state == WAITING else None
    if data is None:
        raise NotFound(f"{ident} does not wait any more", hint="what was accepted is found by its source")
    return data


def accept(
    node: Node, actor: Actor, ident: str, readers: Readers, reason: str = "", check: Checker = intel.check_each
) -> Submission:
    """Take in what waits, as the correspondent's. Raises `NotFound`, `Conflict` where it is settled."""
    with node.store.read() as unit:
        one = _one_waiting(unit, actor, ident)
        data = body(unit, actor, ident)
        who = correspondents.get(unit, actor, one.audience)
    # What breaks off here is accepted once more: the same bytes from the same source are kept once.
    done = _bring_in(node, who, one, data, readers, check)
    return _settled(node, actor, one, ACCEPTED, reason, kept=done.kept, refused=one.refused + done.report.refused)


def refuse(node: Node, actor: Actor, ident: str, reason: str) -> Submission:
    """Refuse what waits; its first bytes are kept as evidence. Raises `Misuse` without a reason."""
    if not reason.strip():
        raise Misuse("a refusal has a reason", hint="--reason '…': it is on record, and the correspondent may ask")
    with node.store.read() as unit:
        one = _one_waiting(unit, actor, ident)
        data = body(unit, actor, ident)
    return _settled(node, actor, one, REFUSED, reason, evidence=data[:EVIDENCE_BYTES_MAX])


def _one_waiting(unit: Unit, actor: Actor, ident: str) -> Submission:
    one = get(unit, actor, ident)
    if one.state != WAITING:
        raise Conflict(f"{ident} was {one.state} by {one.by or one.audience} already")
    return one


def _settled(
    node: Node,
    actor: Actor,
    one: Submission,
    state: str,
    reason: str,
    *,
    kept: int = 0,
    refused: int = 0,
    evidence: bytes = b"",
) -> Submission:
    settled = msgspec.structs.replace(
        one,
        state=state,
        by=actor.user,
        settled=node.now(),
        reason=reason,
        kept=kept,
        refused=max(refused, one.refused),
    )
    with node.writing() as unit:
        if evidence:
            unit.quarantine.add(settled.settled, one.audience, "refused", reason, evidence)
        unit.documents.delete(INBOX, one.key)
        unit.documents.delete(BODIES, one.id)
        unit.documents.put(SETTLED, one.key, msgspec.json.encode(settled))
        _record(node, unit, actor, settled)
    return settled


def _bring_in(
    node: Node, who: Correspondent, one: Submission, data: bytes, readers: Readers, check: Checker
) -> Ingested:
    done, source = Ingested(), _source_of(node, who)
    source = msgspec.structs.replace(
        source, floor=Tlp(one.tlp) if one.tlp else None, floor_pap=Pap(one.pap) if one.pap else None
    )
    if one.form == STIX:
        return ingest.ingest(node, who.actor(), source, [data], None, check, done)
    what = importing.Import(one.name or one.id, one.form, readers.reader(one.form, one.name), [data])
    importing.bring_in(node, who.actor(), source, what, done, check=check)
    return done


def put_source(
    node: Node, actor: Actor, name: str, marking: Marking | None, reliability: str = "", note: str = ""
) -> Source:
    """Say how what a correspondent sends is marked where it is unmarked, and how reliable it is (Admiralty code)."""
    if reliability and reliability not in set("ABCDEF"):
        raise Malformed(f"{reliability!r} is not a reliability", hint="A to F, by the Admiralty code")
    with node.store.write() as unit:
        who = correspondents.get(unit, actor, name)
        known = unit.documents.get(SOURCES, f"{actor.office_id}/{who.source}")
        before = msgspec.json.decode(known, type=Source) if known else Source(who.source, actor.office_id)
        source = msgspec.structs.replace(
            before, marking=marking, reliability=reliability or before.reliability, note=note or before.note
        )
        unit.documents.put(SOURCES, f"{actor.office_id}/{who.source}", msgspec.json.encode(source))
        return source


def _source_of(node: Node, who: Correspondent) -> Source:
    office = who.actor().office_id
    with node.store.read() as unit:
        data = unit.documents.get(SOURCES, f"{office}/{who.source}")
    if data is not None:
        return msgspec.json.decode(data, type=Source)
    with node.store.write() as unit:
        source = Source(who.source, office, note=who.title)
        unit.documents.put(SOURCES, f"{office}/{who.source}", msgspec.json.encode(source))
        return source


def _waiting(unit: Unit, audience: str) -> list[Submission]:
    return [msgspec.json.decode(data, type=Submission) for _, data in unit.documents.all(INBOX, f"{audience} ")]


def troubles(node: Node, unit: Unit) -> list[tuple[str, str]]:
    """Return what waits too long, by office and without naming who sent it, and what to do."""
    old: dict[str, int] = {}
    for _, data in unit.documents.all(INBOX):
        one = msgspec.json.decode(data, type=Submission)
        if one.at + WAITS_SECONDS < node.now():
            office = one.audience.partition("~")[0]
            old[office] = old.get(office, 0) + 1
    advice = "`comity inbox list`"
    return [(f"{count} submissions wait for {office} for over a day", advice) for office, count in old.items()]
