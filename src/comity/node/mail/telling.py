"""What goes without anybody asking each time: what was taken back, and digests of what became visible.

Rules: whoever was given something by mail is told by mail that it holds no more; one message tells all that is owed
when it goes. Where no valid key exists a notice goes, which says nothing of it, and it stays owed: the notice is not
repeated for the same things within a week. A digest holds what was opened to its correspondent since the last one.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import ComityError, Misuse, NotFound
from comity.limits import MAIL_DIGEST_SECONDS_MIN
from comity.node import correspondents
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.mail import accounts, outbox
from comity.node.mail.accounts import Account
from comity.node.mail.outbox import Sort
from comity.node.mail.sending import Sending, Wanted
from comity.node.mail.taking import USER
from comity.node.node import Node
from comity.node.owing import Owed
from comity.node.ports import Unit
from comity.node.seeing import Wanted as Page
from comity.node.services import Services
from comity.party import OfficeRef
from comity.vocab import Channel, Tlp

DIGESTS: Final = "mail-digest"  # shelf: audience -> `Digest`
TOLD: Final = "mail-told"  # shelf: audience -> digest of what a message of it was queued for, and when
PAGE: Final = 1_000  # objects of one digest; the rest follows in the next
WEEK: Final = 604_800


class Digest(msgspec.Struct, frozen=True, omit_defaults=True):
    """That a correspondent is sent what became visible to it, and how far that has come."""

    audience: str
    account: str
    every: int  # seconds
    after: int  # microseconds, see `seeing.Wanted`
    due: Instant
    why: str = ""  # why the last one was not queued


class Told(msgspec.Struct, frozen=True):
    """What somebody was told of last."""

    digest: str
    at: Instant


class Telling:
    """Queues what goes by itself."""

    def __init__(self, services: Services, sending: Sending) -> None:
        self._services = services
        self._node = services.node
        self._sending = sending

    def round(self, office: str) -> int:
        """Queue for the correspondents of an office what is owed and what is due; return how many messages."""
        with self._node.store.read() as unit:
            known = accounts.accounts(unit, office)
            actor = Actor(OfficeRef(self._node.me, OfficeId(office)), USER)
            people = correspondents.correspondents(unit, actor) if known else []
            digests = [one for one in _all(unit) if one.audience.startswith(f"{actor.office}~")]
        count = 0
        for who in people:
            count += self._taken_back(actor, known, who)
        for digest in digests:
            if digest.due <= self._node.now():
                count += self._digest(actor, digest)
        return count

    def _taken_back(self, actor: Actor, known: list[Account], who: Correspondent) -> bool:
        allowed = who.by(Channel.MAIL)
        if allowed is None or not allowed.addresses:
            return False
        owed = self._services.owing.owed(who, Channel.MAIL)
        if not owed:
            return False
        now = self._node.now()
        digest = _digest_of(owed, allowed.pgp + allowed.smime)
        with self._node.store.read() as unit:
            data = unit.documents.get(TOLD, who.audience)
            last = msgspec.json.decode(data, type=Told) if data else None
            queued = [one for one in outbox.queued(unit, actor.office_id) if one.to == who.audience]
            account = _account_of(unit, known, who)
        if any(one.sort is Sort.TAKEN_BACK for one in queued):
            return False
        if last is not None and last.digest == digest and now - last.at < WEEK:
            return False
        label = Tlp(who.ceiling)
        about = "Taken back: what you were given by mail"
        self._sending.ask(actor, account, Wanted(who.audience, Sort.TAKEN_BACK, about, "", label))
        with self._node.store.write() as unit:
            unit.documents.put(TOLD, who.audience, msgspec.json.encode(Told(digest, now)))
        return True

    def _digest(self, actor: Actor, digest: Digest) -> bool:
        now = self._node.now()
        after = msgspec.structs.replace(digest, due=now + digest.every, why="")
        queued = False
        try:
            with self._node.store.read() as unit:
                who = correspondents.get(unit, actor, digest.audience)
                account = accounts.named(unit, actor, digest.account)
            page = self._services.seeing.page(who, Page(after=digest.after), limit=PAGE, bodies=False)
            places = [one.position for one in page.objects]
            if places:
                about = f"Digest: {len(places)} objects that are new to you"
                wanted = Wanted(who.audience, Sort.DIGEST, about, "", Tlp.CLEAR, places)
                self._sending.ask(actor, account, wanted)
                queued = True
            due = now if page.more else after.due
            after = msgspec.structs.replace(after, after=page.after, due=due)
        except ComityError as error:
            after = msgspec.structs.replace(after, why=error.says())
        with self._node.store.write() as unit:
            if unit.documents.get(DIGESTS, digest.audience) is not None:
                unit.documents.put(DIGESTS, digest.audience, msgspec.json.encode(after))
        return queued


def _account_of(unit: Unit, known: list[Account], who: Correspondent) -> Account:
    """Return the account by which a correspondent was written to last, else the first."""
    office = known[0].office
    wrote = [one for one in outbox.gone(unit, office) if one.to == who.audience]
    names = [one.account for one in wrote[-1:]]
    return next((one for one in known if one.name in names), known[0])


def _digest_of(owed: list[Owed], keys: bytes) -> str:
    """Return what identifies things owed, together with the keys for which they would be encrypted."""
    words = "\n".join(f"{one.position} {one.word}" for one in owed)
    return hashlib.sha256(words.encode() + b"\n" + keys).hexdigest()


def _all(unit: Unit) -> list[Digest]:
    return [msgspec.json.decode(data, type=Digest) for _, data in unit.documents.all(DIGESTS)]


def digests(unit: Unit, actor: Actor) -> list[Digest]:
    """Return the digests that an office sends."""
    return [one for one in _all(unit) if one.audience.startswith(f"{actor.office}~")]


def schedule(node: Node, actor: Actor, account: Account, name: str, every: int) -> Digest:
    """Send a correspondent digests from now on, of what becomes visible to it from now on. Raises `Misuse`."""
    if every < MAIL_DIGEST_SECONDS_MIN:
        raise Misuse(f"a digest goes every {MAIL_DIGEST_SECONDS_MIN} s at most", hint="for example --every 1d")
    with node.writing() as unit:
        who = correspondents.get(unit, actor, name)
        data = unit.documents.get(DIGESTS, who.audience)
        before = msgspec.json.decode(data, type=Digest) if data else None
        after = before.after if before else node.now() * 1_000_000
        one = Digest(who.audience, account.name, every, after, node.now() + every)
        unit.documents.put(DIGESTS, who.audience, msgspec.json.encode(one))
        correspondents.put(node, unit, actor, who, f"digest by mail every {every} s")
        return one


def end(node: Node, actor: Actor, name: str) -> None:
    """Send a correspondent no digests any more. Raises `NotFound`."""
    with node.writing() as unit:
        who = correspondents.get(unit, actor, name)
        if unit.documents.get(DIGESTS, who.audience) is None:
            raise NotFound(f"{who.audience} is sent no digests")
        unit.documents.delete(DIGESTS, who.audience)
        correspondents.put(node, unit, actor, who, "no digest by mail")
