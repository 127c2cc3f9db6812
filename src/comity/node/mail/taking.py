"""What becomes of a letter: taken as its sender's, asked, noted, or put before a person.

Rules: nothing is answered by a program, so that no two talk for ever. What is proven to be a correspondent's goes on as
a submission, and waits where its terms say so; what bears the address of one that has no key always waits. A request
for information always waits too: what it asks about is no report. What is of nobody who is known, is forged, cannot be
opened or has no room waits as a letter. The label is the strictest anywhere in it, inside and outside. Archives in it
are never opened. Each part goes on in the unit of work that notes it: a break repeats nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from comity.canon import OfficeId
from comity.errors import ComityError, Conflict, Misuse, NotFound, Theirs
from comity.formats.mail import bounces, headers, markings, tickets
from comity.formats.mail.message import WITHIN, Automatic, Message, Part
from comity.formats.readers import HEAD_BYTES
from comity.limits import LETTER_NOTES_MAX, LETTER_PARTS_TAKEN_MAX
from comity.node import correspondents, importing, ingest, submissions
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.importing import Readers
from comity.node.ingest import Ingested
from comity.node.mail import accounts, letters, outbox, threads
from comity.node.mail.accounts import Account
from comity.node.mail.judging import Claim, Judged, is_answer_of_program, judge
from comity.node.mail.letters import Letter
from comity.node.mail.ports import Locks
from comity.node.ports import Unit
from comity.node.services import Services
from comity.node.submissions import Cover, Submitted
from comity.party import OfficeRef
from comity.vocab import Channel, Pap, Tlp

USER: Final = "mail"  # in whose name letters are taken
TEXT: Final = "text"  # the part that is the letter itself
_REQUEST: Final = re.compile(
    r"(?i)\b(rfi|requests? for information|information request|have you seen|demande d['’]information|"
    r"auskunftsersuchen|solicitud de informaci[oó]n|pedido de informa[cç][aã]o|запрос информации)\b|\?\s*$"
)
_TAKEN: Final = frozenset({"stix", "stix20", "misp", "csaf", "iodef", "openioc", "yara", "sigma", "suricata", "table"})
"""Formats of files that go on by themselves; others are named, and imported by a person."""
_SUFFIXES: Final[dict[str, set[str]]] = {
    "json": {"stix", "stix20", "misp", "csaf"}, "stix": {"stix"}, "xml": {"iodef", "openioc"}, "iodef": {"iodef"},
    "ioc": {"openioc"}, "csv": {"table"}, "tsv": {"table"}, "yar": {"yara"}, "yara": {"yara"}, "rules": {"suricata"},
    "yml": {"sigma"}, "yaml": {"sigma"},
}  # fmt: skip
_ARCHIVES: Final = (
    b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"(\xb5/\xfd",
)  # fmt: skip


class Taking:
    """Judges letters and puts each where it belongs."""

    def __init__(self, services: Services, locks: Locks, readers: Readers) -> None:
        self._readers = readers
        self._services = services
        self._node = services.node
        self._locks = locks

    def take(self, account: Account, letter: Letter) -> Letter:
        """Judge a letter that is kept, and take it as far as that goes without a person; return it as it is then."""
        node = self._node
        with node.store.read() as unit:
            data = letters.raw(unit, letter)
            known = self._known(unit, account)
            own = frozenset(one.address.lower() for one in accounts.accounts(unit))
        try:
            judged = judge(account, known, own, data, self._locks, node.now())
        except Theirs as error:
            return self._put(msgspec.structs.replace(letter, state=letters.WAITING, sort="unreadable", why=str(error)))
        letter = _described(letter, judged)
        if judged.claim is Claim.OWN:
            return self._put(_noted(letter, "loop", "a message of this node came back"))
        if judged.outer.automatic is Automatic.BOUNCE:
            return self._bounced(letter, judged.outer)
        if is_answer_of_program(judged.outer):
            return self._automatic(letter, judged)
        if judged.who is None or judged.claim in {Claim.UNKNOWN, Claim.FORGED} or judged.unread:
            return self._put(msgspec.structs.replace(letter, state=letters.WAITING))
        return self._theirs(account, letter, judged, judged.who)

    def _known(self, unit: Unit, account: Account) -> list[Correspondent]:
        office = OfficeRef(self._node.me, OfficeId(account.office))
        return correspondents.correspondents(unit, Actor(office, USER))

    def _put(self, letter: Letter) -> Letter:
        with self._node.writing(sign=False) as unit:
            return letters.put(self._node, unit, letter)

    def _bounced(self, letter: Letter, outer: Message) -> Letter:
        """Believe a notification of a message that this node sent, and of nothing else."""
        notice = bounces.read(outer)
        with self._node.writing(sign=False) as unit:
            about = threads.said_of(unit, letter.office, notice.about) if notice is not None else None
            if notice is not None and about is not None and about.message:
                told = outbox.bounced(self._node, unit, letter.office, about.message, notice)
                letter = msgspec.structs.replace(letter, ticket=about.ticket)
                return letters.put(self._node, unit, _noted(letter, "bounce", told))
            why = "a notification about nothing that this node sent"
            return letters.put(self._node, unit, _noted(letter, "bounce", why))

    def _automatic(self, letter: Letter, judged: Judged) -> Letter:
        with self._node.writing(sign=False) as unit:
            for ident in judged.outer.references:
                said = threads.said_of(unit, letter.office, ident)
                if said is not None and said.message:
                    outbox.remark(unit, letter.office, said.message, "a program answered: " + letter.subject[:120])
            return letters.put(self._node, unit, _noted(letter, "automatic", "a program's answer: nobody answers it"))

    def _theirs(self, account: Account, letter: Letter, judged: Judged, who: Correspondent) -> Letter:
        """Take a letter of a correspondent: to its conversation, and what it says as a submission."""
        node = self._node
        with node.writing(sign=False) as unit:
            ticket = self._ticket(unit, account, letter, judged, who)
            letter = msgspec.structs.replace(letter, ticket=ticket.number)
            is_copy = judged.claim is Claim.PROVEN and letters.seen_content(unit, who.audience, judged.signed)
            if is_copy and not letter.done:
                why = "the same content came before, in another envelope"
                return letters.put(node, unit, _noted(letter, "copy", why))
            outbox.acknowledged(node, unit, letter, who)
            letters.put(node, unit, letter)  # its conversation is part of it, whatever breaks off
        answers = bool(judged.outer.references) and tickets.number(account.prefix, judged.outer.subject) != ""
        is_request = _REQUEST.search(tickets.topic(judged.inner.subject)) is not None and not answers
        letter = msgspec.structs.replace(letter, sort="request" if is_request else "reply" if answers else "report")
        waits = is_request or judged.claim is Claim.UNKEYED
        try:
            letter = self._submit(letter, judged, msgspec.structs.replace(who, waits=True) if waits else who)
        except (Theirs, Conflict) as error:
            return self._put(msgspec.structs.replace(letter, state=letters.WAITING, why=error.says()))
        state = letters.ASKED if is_request else letters.TAKEN
        with node.writing(sign=False) as unit:
            if judged.claim is Claim.PROVEN:
                letters.note_content(unit, who.audience, judged.signed, letter)
            return letters.put(node, unit, msgspec.structs.replace(letter, state=state))

    def _ticket(
        self, unit: Unit, account: Account, letter: Letter, judged: Judged, who: Correspondent
    ) -> threads.Ticket:
        subjects = (judged.outer.subject, judged.inner.subject)
        found = threads.get(unit, account, letter.ticket) if letter.ticket else None
        found = found or threads.find(unit, account, who.audience, subjects, judged.outer.references)
        found = found or threads.begin(self._node, unit, account, who.audience, judged.inner.subject or "(no subject)")
        return threads.add(unit, account, found, judged.outer.ident)

    def _submit(self, letter: Letter, judged: Judged, who: Correspondent) -> Letter:
        """Hand on what a letter says, and the files in it that are read here, part by part."""
        cover = Cover(Tlp(letter.label) if letter.label else None, Pap(letter.pap) if letter.pap else None)
        current = letter

        def submit(part: str, name: str, form: str, data: bytes) -> None:
            def beside(unit: Unit, taken: Submitted) -> None:
                nonlocal current
                current = msgspec.structs.replace(
                    current, done=(*current.done, part), submissions=(*current.submissions, taken.submission.id)
                )
                letters.put(self._node, unit, current)

            if part not in current.done:
                submissions.submit_bytes(
                    self._node,
                    who,
                    Channel.MAIL,
                    data,
                    readers=self._readers,
                    name=name,
                    form=form,
                    check=self._services.check,
                    cover=cover._replace(beside=beside),
                )

        submit(TEXT, tickets.topic(letter.subject) or "mail", "mail", judged.content)
        for count, (part, form) in enumerate(_files(judged.inner, self._readers)):
            what = f"{part.path} {part.name}".strip()
            if not form or count >= LETTER_PARTS_TAKEN_MAX:
                current = _note(current, f"{what}: {_left(part)}")
                continue
            try:
                submit(part.path, part.name or part.media, form, part.data)
            except (Theirs, Conflict, Misuse) as error:
                current = _note(current, f"{what}: not taken: {error}")
        return current

    # -- by a person ----------------------------------------------------------------

    def accept(self, actor: Actor, ident: str, reason: str, *, source: str = "", who: str = "") -> Letter:
        """Take in a letter that waits: as a correspondent's whom a person vouches for, or under a source of the office.

        Raises `NotFound`, `Conflict`, `Misuse` without a reason or where neither or both are said, and what submitting
        does.
        """
        if not reason.strip():
            raise Misuse("who accepts a letter says why", hint="--reason 'called back at the number we know'")
        if bool(source) == bool(who):
            raise Misuse("a letter is accepted as somebody's", hint="--sender CORRESPONDENT, or --source NAME")
        with self._node.store.read() as unit:
            letter = letters.waiting(unit, actor, ident)
            account = accounts.named(unit, actor, letter.account)
            data = letters.raw(unit, letter)
            known = self._known(unit, account)
            sender = correspondents.get(unit, actor, who) if who else None
            origin = ingest.source(unit, actor, source) if source else None
        judged = judge(account, known, frozenset(), data, self._locks, self._node.now())
        if judged.unread:
            raise NotFound(f"{ident} could not be opened: {judged.unread}", hint="ask its sender to write once more")
        letter = msgspec.structs.replace(letter, reason=reason, by=actor.user)
        if sender is not None:
            letter = self._submit(letter, judged, msgspec.structs.replace(sender, waits=False))
            with self._node.store.write() as unit:
                found = threads.find(unit, account, sender.audience, (letter.subject,), judged.outer.references)
                found = found or threads.begin(self._node, unit, account, sender.audience, judged.inner.subject)
                threads.add(unit, account, found, judged.outer.ident)
            letter = msgspec.structs.replace(letter, ticket=found.number, claims=sender.audience)
        elif origin is not None:
            floor = Tlp(letter.label) if letter.label else None
            origin = msgspec.structs.replace(origin, floor=floor, floor_pap=Pap(letter.pap) if letter.pap else None)
            what = importing.Import(letter.subject or ident, "mail", self._readers.reader("mail"), [judged.content])
            importing.bring_in(self._node, actor, origin, what, Ingested(), check=self._services.check)
        state = letters.ASKED if letter.sort == "request" and letter.state == letters.ASKED else letters.ACCEPTED
        return self._put_by(actor, msgspec.structs.replace(letter, state=state))

    def refuse(self, actor: Actor, ident: str, reason: str) -> Letter:
        """Refuse a letter that waits; its first bytes are kept as evidence, the others go. Raises `Misuse`."""
        if not reason.strip():
            raise Misuse("a refusal has a reason", hint="--reason '…': it is on record")
        with self._node.writing() as unit:
            letter = letters.waiting(unit, actor, ident)
            evidence = letters.raw(unit, letter)[: submissions.EVIDENCE_BYTES_MAX]
            unit.quarantine.add(self._node.now(), letter.sender or "mail", "refused", reason, evidence)
            unit.documents.delete(letters.RAW, letter.id)
            refused = msgspec.structs.replace(letter, state=letters.REFUSED, reason=reason, by=actor.user)
            return letters.put(self._node, unit, refused, actor)

    def _put_by(self, actor: Actor, letter: Letter) -> Letter:
        with self._node.writing() as unit:
            return letters.put(self._node, unit, letter, actor)

    def opened(self, actor: Actor, ident: str) -> tuple[Letter, Judged | None]:
        """Return a letter, and what it says where its bytes are still kept and can be read. Raises `NotFound`."""
        with self._node.store.read() as unit:
            letter = letters.get(unit, actor, ident)
            account = next((one for one in accounts.accounts(unit, letter.office) if one.name == letter.account), None)
            if account is None:
                return letter, None
            known = self._known(unit, account)
            try:
                data = letters.raw(unit, letter)
                return letter, judge(account, known, frozenset(), data, self._locks, self._node.now())
            except ComityError:
                return letter, None


def _described(letter: Letter, judged: Judged) -> Letter:
    """Return a letter with what it says of itself."""
    outer, inner = judged.outer, judged.inner
    labels = [one for one in (markings.tlp(outer), markings.tlp(inner)) if one is not None]
    paps = [one for one in (markings.pap(outer), markings.pap(inner)) if one is not None]
    notes = tuple(dict.fromkeys((*outer.defects, *inner.defects)))[:LETTER_NOTES_MAX]
    return msgspec.structs.replace(
        letter,
        ident=outer.ident,
        sender=outer.senders[0].address if len(outer.senders) == 1 else "",
        subject=(inner.subject or outer.subject)[:500],
        label=max(labels, key=lambda one: one.rank).value if labels else "",
        pap=max(paps, key=lambda one: one.rank).value if paps else "",
        protection=outer.protection.value,
        claim=judged.claim.value,
        claims=judged.who.audience if judged.who is not None else "",
        signer=judged.signer,
        why=judged.why,
        references=outer.references[-threads.REFERENCES_KEPT :],
        notes=notes,
    )


def _noted(letter: Letter, sort: str, why: str) -> Letter:
    return msgspec.structs.replace(letter, state=letters.NOTED, sort=sort, why=why)


def _note(letter: Letter, what: str) -> Letter:
    if what in letter.notes or len(letter.notes) >= LETTER_NOTES_MAX:
        return letter
    return msgspec.structs.replace(letter, notes=(*letter.notes, headers.cleaned(what, 300)))


def _files(found: Message, readers: Readers) -> Iterator[tuple[Part, str]]:
    """Yield the files of a letter with the format in which each is read; empty where a person has to look."""
    for part in found.files:
        if part.media in WITHIN or part.media.startswith(("multipart/", "application/pgp-", "application/pkcs7")):
            continue
        yield part, "" if _is_archive(part) else _form(part, readers)


def _form(part: Part, readers: Readers) -> str:
    """Return the format of a file where its name and its bytes agree."""
    suffix = part.name.rpartition(".")[2].lower()
    form = readers.recognise(part.data[:HEAD_BYTES], part.name)
    return form if form in _TAKEN and form in _SUFFIXES.get(suffix, set()) else ""


def _is_archive(part: Part) -> bool:
    return part.data.startswith(_ARCHIVES) or part.data[257:262] == b"ustar"


def _left(part: Part) -> str:
    what = "an archive, which is never opened here" if _is_archive(part) else f"a file of {len(part.data)} bytes"
    return f"{what} ({part.media}): it stays in the letter"
