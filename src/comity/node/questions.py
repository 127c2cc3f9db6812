"""Questions and answers where they stand in logs: read with what their authors said of them since, and admitted.

Rules: admission needs no order of arrival. Whatever a statement's own bytes show is refused by everybody. What
only the question shows is refused where the question is held already, and is kept and not counted elsewhere.
"""

from __future__ import annotations

import msgspec

from comity import canon
from comity.acts import Standing, narrowed
from comity.areas.intel import merging, questions, read_interest
from comity.areas.intel.merging import Posed, Told
from comity.errors import Malformed, Refused, Theirs
from comity.node.node import Node
from comity.node.ports import Entry, Log, Unit, place
from comity.party import OfficeRef
from comity.statement import INTEL_ANSWER, INTEL_INTEREST, INTEL_QUESTION, Header, Marking, Ref
from comity.tlog import leaf
from comity.vocab import Held


def leaf_of(commitment: bytes) -> str:
    """Return the leaf hash of a commitment as references write it."""
    return canon.b64(leaf.leaf_hashes_of(commitment))


def posed(node: Node, log: Log, entry: Entry) -> Posed:
    """Return an entry as a question. Raises `Malformed` where it is none, and what `read_question` raises."""
    header, body, standing = _opened(node, entry, INTEL_QUESTION)
    question = questions.read_question(header, body)
    return Posed(
        origin=log.origin,
        index=place(entry.position)[1],
        leaf=leaf_of(entry.commitment),
        asker=str(OfficeRef(log.party, header.office)),
        at=header.at,
        version=header.accord,
        marking=_marking(header, standing),
        asked=header.marking.to if header.marking else (),
        consented=tuple(to for to, _ in standing.consents if to not in standing.revoked),
        retracted=standing.retracted,
        priority=header.priority,
        conduct=header.conduct,
        question=question,
    )


def told(node: Node, log: Log, entry: Entry) -> Told:
    """Return an entry as an answer. Raises `Malformed` where it is none, and what `read_answer` raises."""
    header, body, standing = _opened(node, entry, INTEL_ANSWER)
    return _told(log, place(entry.position)[1], entry.commitment, header, body, standing)


def _told(log: Log, index: int, commitment: bytes, header: Header, body: bytes, standing: Standing) -> Told:
    about, reply = questions.refs_of(header)
    return Told(
        origin=log.origin,
        index=index,
        leaf=leaf_of(commitment),
        office=str(OfficeRef(log.party, header.office)),
        at=header.at,
        marking=_marking(header, standing),
        retracted=standing.retracted,
        about=about,
        reply=reply,
        answer=questions.read_answer(header, body),
    )


def _opened(node: Node, entry: Entry, kind: str) -> tuple[Header, bytes, Standing]:
    if entry.held is not Held.PAYLOAD or entry.header is None or entry.body is None:
        raise Malformed("its bytes are not held here")
    header = node.header(entry.header)
    if header.kind != kind:
        raise Malformed(f"a {header.kind} where a {kind} should be")
    return header, entry.body, msgspec.json.decode(entry.standing, type=Standing)


def _marking(header: Header, standing: Standing) -> Marking:
    if header.marking is None:
        raise Malformed(f"a {header.kind} without a marking")
    return narrowed(header.marking, standing)


# -- admission -----------------------------------------------------------------------


def verdict(
    node: Node, unit: Unit, log: Log, index: int, commitment: bytes, header: Header, body: bytes
) -> Theirs | None:
    """Say why a question, an answer or an interest that arrives in a member's log is not admitted, or None."""
    try:
        if header.kind == INTEL_QUESTION:
            questions.read_question(header, body)
        elif header.kind == INTEL_INTEREST:
            read_interest(header, body)
        else:
            _admit(node, unit, log, _told(log, index, commitment, header, body, Standing()))
    except Theirs as error:
        return error
    return None


def _admit(node: Node, unit: Unit, log: Log, one: Told) -> None:
    where = f"{log.origin}#{one.index}"
    if questions.accord_of(one.about.origin) != questions.accord_of(log.origin):
        raise Refused(f"{where}: an answer to a question of another accord")
    entry = held(unit, one.about)
    if entry is None:
        return  # it may come later, or is not for this party
    asked_in = unit.logs.get(place(entry.position)[0])
    if leaf_of(entry.commitment) != one.about.leaf:
        raise Refused(f"{where}: it names another statement than stands at {asked_in.origin}#{one.about.index}")
    if entry.held is not Held.PAYLOAD:
        return
    try:
        question = posed(node, asked_in, entry)
    except Theirs as error:
        raise Refused(f"{where}: it answers what is no question") from error
    why = merging.unfit(question, one)
    if not why and asked_in.own and not merging.could_read(question, one.office):
        # Only the asker surely knows whom it let have the question since.
        why = "its office could not read the question"
    if why:
        raise Refused(f"{where}: {why}")


def held(unit: Unit, ref: Ref) -> Entry | None:
    """Return the entry that a reference names, or None where its leaf is not here."""
    log = unit.logs.find(ref.origin)
    if log is None or ref.index >= log.size:
        return None
    (entry,) = unit.entries.read(log.id, ref.index, ref.index + 1)
    return entry
