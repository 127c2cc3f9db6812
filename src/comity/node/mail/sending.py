"""Sending: what may go to a correspondent, decided when it is asked for and again as it goes, signed and encrypted.

Rules: every object is decided by class, as for any export, and the decision is on record before the first byte. The
text of a message is decided too, as if it were stated at home under its label. A message goes under the strictest
label of all that is in it. Above TLP:CLEAR its content goes to a valid key of the correspondent's or not at all: then a
notice goes that says nothing of it. What is taken back is told also to those who take part no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from comity import policy
from comity.acts import UNTOUCHED
from comity.canon import Instant, OfficeId
from comity.errors import ComityError, Misuse, NotFound, Refused, TooLarge, Unreachable, Unverified
from comity.formats.mail import write
from comity.formats.mail.write import Draft
from comity.limits import MAIL_OUT_OBJECTS_MAX, MAIL_OUT_TEXT_CHARS_MAX
from comity.node import books, correspondents, exporting
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.deliveries import Grade
from comity.node.exporting import Exported
from comity.node.mail import accounts, composing, letters, outbox, threads
from comity.node.mail.accounts import SEND, Account, Health
from comity.node.mail.outbox import Outgoing, Sort, State
from comity.node.mail.ports import Later, Locks, Post, Took, Way
from comity.node.owing import Owed
from comity.node.ports import Unit
from comity.node.releases import KIND as RELEASE_KIND
from comity.node.services import Services
from comity.party import OfficeRef
from comity.policy import Audience, Release
from comity.statement import ACT_MEDIA, INTEL_OBJECT, STIX_MEDIA, Header, Marking
from comity.vocab import Channel, Pap, Tlp

NOTICE: Final = "notice"
RETRACT: Final = "act.retract"
CUTS_MAX: Final = 3  # connections that break within one run; then it is the server
TEMPORARY: Final = range(400, 500)  # replies of RFC 5321 §4.2.1 that may be others later
ACCEPTED: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that somebody asks for, to one correspondent."""

    to: str  # short or audience name
    sort: Sort
    about: str
    text: str
    tlp: Tlp
    places: Sequence[int] = ()
    letter: str = ""  # that it answers


@dataclass(slots=True)
class Sendings:
    """What one run of sending did."""

    states: dict[str, int] = field(default_factory=dict)
    health: Health = field(default_factory=Health)
    error: ComityError | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message as it goes now."""

    data: bytes
    sender: str
    to: tuple[str, ...]
    one: Outgoing
    owed: Sequence[Owed] = ()  # that it tells


class Sending:
    """Queues messages, and sends what is due."""

    def __init__(self, services: Services, locks: Locks) -> None:
        self._services = services
        self._node = services.node
        self._locks = locks

    # -- asking -------------------------------------------------------------------

    def ask(self, actor: Actor, account: Account, wanted: Wanted) -> Outgoing:
        """Queue a message. Raises `Refused` where none of it may go, `Misuse` for one that says nothing, `NotFound`."""
        if len(wanted.text) > MAIL_OUT_TEXT_CHARS_MAX or len(wanted.places) > MAIL_OUT_OBJECTS_MAX:
            raise Misuse("a message over MAIL_OUT_TEXT_CHARS_MAX or MAIL_OUT_OBJECTS_MAX", hint="`comity export`")
        if not wanted.text.strip() and not wanted.places and wanted.sort is not Sort.TAKEN_BACK:
            raise Misuse("a message says something", hint="a text, or objects")
        with self._node.store.read() as unit:
            who = correspondents.get(unit, actor, wanted.to)
        audience = self._audience(who, wanted.sort)
        _addresses(who)
        self.decide_text(actor, audience, wanted.tlp, wanted.text)
        exported = self._decide(actor, wanted.places, audience)
        if wanted.places and not exported.places and wanted.sort is not Sort.TAKEN_BACK:
            raise Refused(f"none of it may go to {who.audience}: {'; '.join(sorted(exported.grounds))}")
        with self._node.writing() as unit:
            ticket = self._ticket(unit, account, who, wanted)
            ident = threads.ident(self._node, account)
            one = Outgoing(
                id=self._node.entropy(outbox.ID_BYTES).hex(),
                office=account.office,
                account=account.name,
                to=who.audience,
                sort=wanted.sort,
                about=(wanted.about or ticket.about)[:200],
                text=wanted.text,
                tlp=wanted.tlp.value,
                ident=ident,
                ticket=ticket.number,
                at=self._node.now(),
                by=actor.user,
                places=outbox.runs_of(wanted.places),
                letter=wanted.letter,
                withheld=exported.withheld,
            )
            threads.add(unit, account, ticket, ident, one.id)
            return outbox.queue(self._node, unit, actor, one)

    def _ticket(self, unit: Unit, account: Account, who: Correspondent, wanted: Wanted) -> threads.Ticket:
        if wanted.letter:
            office = Actor(OfficeRef(self._node.me, OfficeId(account.office)), "mail")
            letter = letters.get(unit, office, wanted.letter)
            found = threads.get(unit, account, letter.ticket)
            if found is not None and found.who == who.audience:
                return found
        return threads.begin(self._node, unit, account, who.audience, wanted.about)

    def _audience(self, who: Correspondent, sort: Sort) -> Audience:
        if sort is Sort.TAKEN_BACK:
            return correspondents.as_audience(who)
        return correspondents.audience(who, self._node.now())

    def decide_text(self, actor: Actor, audience: Audience, tlp: Tlp, text: str) -> Release | None:
        """Decide about a text as if it were stated at home under its label, on record; None for no text.

        Raises `Refused` with the grounds.
        """
        if not text.strip():
            return None
        node = self._node
        with node.writing(sign=False) as unit:
            jurisdiction = node.card(unit, node.me).card.jurisdiction
            to = (audience.name,) if tlp is Tlp.RED else ()
            header = Header(
                v=1,
                kind=INTEL_OBJECT,
                office=actor.office_id,
                accord=0,
                at=node.now(),
                media=STIX_MEDIA,
                marking=Marking(tlp=tlp, pap=Pap.RED, to=to),
            )
            facts = policy.facts(header, node.me, accord=None, jurisdiction=jurisdiction)
            decision = policy.decide(facts, audience, policy.EMPTY, UNTOUCHED, node.now())
            findings = [[one.rule, one.allows, one.because] for one in decision.findings]
            outcome = "release" if isinstance(decision, Release) else "withholding"
            body = {"to": audience.name, "why": f"text of a mail by {actor.user}", "label": tlp.value}
            record = {**body, "outcome": outcome, "findings": findings}
            books.record(node, unit, actor.office_id, RELEASE_KIND, record)
        if isinstance(decision, Release):
            return decision
        grounds = "; ".join(sorted(f"{one.rule}: {one.because}" for one in decision.grounds))
        raise Refused(f"a text marked {tlp.label} may not go to {audience.name}: {grounds}")

    def _decide_taken_back(self, actor: Actor, who: Correspondent) -> None:
        """Put on record that what narrows is told: it passes every gate to whoever was given something."""
        node = self._node
        with node.writing(sign=False) as unit:
            header = Header(v=1, kind=RETRACT, office=actor.office_id, accord=0, at=node.now(), media=ACT_MEDIA)
            facts = policy.facts(header, node.me, accord=None, jurisdiction="")
            audience = correspondents.as_audience(who)
            decision = policy.decide(facts, audience, policy.EMPTY, UNTOUCHED, node.now())
            findings = [[one.rule, one.allows, one.because] for one in decision.findings]
            outcome = "release" if isinstance(decision, Release) else "withholding"
            body = {"to": audience.name, "why": f"what was taken back, by mail of {actor.user}", "label": who.ceiling}
            books.record(node, unit, actor.office_id, RELEASE_KIND, {**body, "outcome": outcome, "findings": findings})
        if not isinstance(decision, Release):
            raise Refused(f"what was taken back may not be told to {audience.name}: {decision.grounds[0].because}")

    def _decide(self, actor: Actor, places: Sequence[int], audience: Audience) -> Exported:
        if not places:
            return Exported(audience)
        return exporting.decide_export(self._node, self._services.releases, actor, places, audience)

    # -- sending ------------------------------------------------------------------

    def send(
        self, account: Account, open_post: Callable[[], Post], *, go_on: Callable[[], bool] = lambda: True
    ) -> Sendings:
        """Send what is due by an account; raises nothing that is the server's, the network's or a message's fault."""
        node = self._node
        began = node.now()
        done = Sendings()
        with node.store.read() as unit:
            due = [one for one in outbox.queued(unit, account.office) if one.due <= began]
            due = [one for one in due if one.account == account.name]
        post: Post | None = None
        told = ("", "")
        cuts = 0
        try:
            for one in due:
                if not go_on():
                    break
                ready = self._ready(account, one)
                if isinstance(ready, Outgoing):
                    self._keep(ready, done)
                    continue
                post = post or open_post()
                try:
                    self._keep(self._handed(post, ready), done, ready.owed)
                except Unreachable as error:  # this message may be what cuts the connection: it stops none behind it
                    self._keep(outbox.put_off(one, node.now(), str(error)), done)
                    post.close()
                    post, cuts = None, cuts + 1
                    if cuts == CUTS_MAX:
                        raise
        except ComityError as error:  # the server, not the message: everything else would meet the same
            done.error = error
            told = (f"{error} → {error.hint}" if error.hint else str(error), error.whose)
            self._put_off(account, began, str(error), done)
        finally:
            if post is not None:
                post.close()
        with node.store.write() as unit:
            done.health = accounts.put_health(unit, account, SEND, began, node.now(), told)
        return done

    def _put_off(self, account: Account, began: Instant, why: str, done: Sendings) -> None:
        with self._node.store.write() as unit:
            for one in outbox.queued(unit, account.office):
                if one.account == account.name and one.due <= began:
                    self._count(outbox.put(unit, outbox.put_off(one, self._node.now(), why)), done)

    def _keep(self, one: Outgoing, done: Sendings, owed: Sequence[Owed] = ()) -> None:
        if owed and one.state is State.SENT and one.protected != NOTICE:
            with self._node.store.read() as unit:
                who = correspondents.by_audience(unit, one.to)
            if who is not None:
                self._services.owing.told(who, Channel.MAIL, owed)
        with self._node.writing(sign=False) as unit:
            outbox.put(unit, one)
            outbox.record(self._node, unit, one, "sent" if one.sent else one.state.value, "mail")
            if one.state is State.SENT and one.letter:
                self._answered(unit, one)
        self._count(one, done)

    def _count(self, one: Outgoing, done: Sendings) -> None:
        done.states[one.state.value] = done.states.get(one.state.value, 0) + 1

    def _answered(self, unit: Unit, one: Outgoing) -> None:
        try:
            letter = letters.get(unit, Actor(OfficeRef(self._node.me, OfficeId(one.office)), one.by), one.letter)
        except NotFound:
            return
        if letter.state == letters.ASKED:
            answered = msgspec.structs.replace(letter, state=letters.ANSWERED, by=one.by, reason=f"message {one.id}")
            letters.put(self._node, unit, answered)

    def _ready(self, account: Account, one: Outgoing) -> _Ready | Outgoing:
        """Decide again and write the message; where it may not go, return it as failed."""
        try:
            return self._written(account, one)
        except (Refused, Misuse, NotFound, TooLarge, Unverified) as error:
            return msgspec.structs.replace(one, state=State.FAILED, attempts=one.attempts + 1, why=error.says())

    def _written(self, account: Account, one: Outgoing) -> _Ready:
        node = self._node
        actor = Actor(OfficeRef(node.me, OfficeId(account.office)), one.by)
        with node.store.read() as unit:
            who = correspondents.get(unit, actor, one.to)
            ticket = threads.get(unit, account, one.ticket) or threads.Ticket(one.ticket, "", who.audience, "", 0)
        addresses = _addresses(who)
        owed, text = self._text(actor, one, who)
        exported = self._decide(actor, outbox.positions(one.places), self._audience(who, one.sort))
        if one.places and not exported.places and not text.strip():
            raise Refused(f"none of it may go any more: {'; '.join(sorted(exported.grounds))}")
        labels = {*exported.labels, *([Tlp(one.tlp)] if text.strip() else [])}
        label = max(labels, key=lambda each: each.rank)
        way, certificate, why = self._key(who)
        said = msgspec.structs.replace(one, label=label.value, withheld=exported.withheld)
        if way is None and label is not Tlp.CLEAR:
            about = msgspec.structs.replace(one, about="A message waits for you")
            words = composing.notice(account, label, why)
            made = composing.draft(account, about, ticket, who, node.now(), (Tlp.CLEAR, words))
            data, _ = self._in_the_clear(account, made)
            said = msgspec.structs.replace(said, protected=NOTICE, why=why, went=())
            return _Ready(data, account.address, addresses, said)
        with node.store.read() as unit:
            told, files = composing.carried(self._services.queries, unit, exported, one.ident)
        made = composing.draft(account, one, ticket, who, node.now(), (label, composing.joined(text, told)), files)
        signer = ""
        if way is None:
            data, how = self._in_the_clear(account, made)
        else:
            data, how = self._encrypted(account, way, made, certificate), way.value
            signer = self._locks.describe(way, certificate).fingerprint
        if exported.places:
            self._services.seeing.given(who.audience, Channel.MAIL, Grade.SENT, exported.places)
        went = outbox.runs_of(exported.places)
        said = msgspec.structs.replace(said, protected=how, signer=signer, went=went, why="")
        return _Ready(data, account.address, addresses, said, owed)

    def _text(self, actor: Actor, one: Outgoing, who: Correspondent) -> tuple[Sequence[Owed], str]:
        """Decide about the text, and return it; of what was taken back, all that is owed now."""
        if one.sort is not Sort.TAKEN_BACK:
            self.decide_text(actor, self._audience(who, one.sort), Tlp(one.tlp), one.text)
            return (), one.text
        owed = self._services.owing.owed(who, Channel.MAIL)
        if not owed:
            raise Refused("nothing is owed any more: it was told by another message")
        self._decide_taken_back(actor, who)
        return owed, composing.taken_back(owed)

    def _key(self, who: Correspondent) -> tuple[Way | None, bytes, str]:
        """Return the key that a message is encrypted for, or why there is none."""
        allowed = who.by(Channel.MAIL)
        wrong: list[str] = []
        for way, data in ((Way.PGP, allowed.pgp), (Way.SMIME, allowed.smime)) if allowed is not None else ():
            if not data:
                continue
            try:
                described = self._locks.describe(way, data)
            except ComityError as error:
                wrong.append(f"your {way} key cannot be read: {error}")
                continue
            if described.expires is not None and described.expires <= self._node.now():
                wrong.append(f"your {way} key {described.fingerprint} has expired")
            elif described.wrong:
                wrong.append(f"your {way} key {described.fingerprint} {described.wrong}")
            else:
                return way, data, ""
        return None, b"", "; ".join(wrong) or "no key of yours is registered here"

    def _encrypted(self, account: Account, way: Way, made: Draft, certificate: bytes) -> bytes:
        inside = composing.entity(made, hidden=True)
        return write.message(made, self._locks.encrypt(account, way, inside, certificate, made.ident), hidden=True)

    def _in_the_clear(self, account: Account, made: Draft) -> tuple[bytes, str]:
        """Return a message of TLP:CLEAR, signed where the account has a key."""
        inside = composing.entity(made, hidden=False)
        own = self._locks.own(account)
        if own:
            return write.message(made, self._locks.sign(account, own[0].way, inside, made.ident)), "signed"
        return write.message(made, inside), "plain"

    def _handed(self, post: Post, ready: _Ready) -> Outgoing:
        """Hand a message to the server; return it with what that said. Raises what is not this message's fault."""
        one, now = ready.one, self._node.now()
        try:
            said = post.send(ready.sender, ready.to, ready.data)
        except Refused as error:
            return msgspec.structs.replace(one, state=State.FAILED, attempts=one.attempts + 1, why=str(error))
        except Unreachable as error:
            if isinstance(error.__cause__, Later):
                return outbox.put_off(one, now, str(error))
            raise
        return _settled(one, said, now)


def _settled(one: Outgoing, said: dict[str, Took], now: Instant) -> Outgoing:
    """Return a message with what a server said of its addresses: it went where one of them was taken."""
    took = tuple(address for address, each in said.items() if each.code in ACCEPTED)
    refused = [f"{address}: {each.code} {each.words}" for address, each in said.items() if each.code not in ACCEPTED]
    why = "; ".join(refused)[:500]
    if took:
        notes = (*one.notes, *(f"not taken: {each}"[:300] for each in refused))
        return msgspec.structs.replace(
            one,
            state=State.SENT,
            sent=now,
            attempts=one.attempts + 1,
            addresses=took,
            notes=notes,
            why=one.why if one.protected == NOTICE else "",
        )
    if any(each.code in TEMPORARY for each in said.values()):
        return outbox.put_off(one, now, why)
    return msgspec.structs.replace(one, state=State.FAILED, attempts=one.attempts + 1, why=why)


def _addresses(who: Correspondent) -> tuple[str, ...]:
    """Return where a correspondent has mail. Raises `Misuse`."""
    allowed = who.by(Channel.MAIL)
    if allowed is None or not allowed.addresses:
        hint = f"`comity party correspondent allow {who.name} mail --address …`"
        raise Misuse(f"{who.audience} has no mail address", hint=hint)
    return allowed.addresses
