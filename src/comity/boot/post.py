"""Mail on this machine: the keys of each account where they lie, and the way to its servers.

Rules: an account's keys are files in `keys`: `mail-<office>-<account>.asc` (OpenPGP, made when it is first needed) and
`mail-<office>-<account>.pem` (S/MIME, imported). No private key leaves this machine's processes. Nobody's turn is kept
while a mail server is waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from comity.boot import openpgp, outgoing, smime
from comity.boot import settings as setting
from comity.boot.opening import Opener
from comity.boot.openpgp import OpenPgpKey
from comity.boot.settings import KEYS, Settings
from comity.boot.turns import Turns
from comity.canon import OfficeId, PartyId
from comity.errors import ComityError, Conflict, Fault, Misuse
from comity.formats.mail import write
from comity.limits import MAIL_SERVER_SECONDS
from comity.node import correspondents
from comity.node.actor import Actor
from comity.node.doctor import Ailment
from comity.node.importing import Readers
from comity.node.mail import accounts, fetching
from comity.node.mail.accounts import STARTTLS, Account, Server
from comity.node.mail.fetching import Fetching
from comity.node.mail.ports import Box, Described, Fetched, Listed, Own, Plain, Post, Sealed, Took, Way
from comity.node.mail.sending import Sending, Sendings
from comity.node.mail.taking import USER, Taking
from comity.node.mail.telling import Telling
from comity.node.services import Services
from comity.party import OfficeRef
from comity.transports.secure import Place
from comity.vocab import Channel

DAY: Final = 86_400
WARNED_SECONDS: Final = 30 * DAY  # before a key expires: its owner has to make another and tell it


class MailLocks:
    """Keys of accounts at work."""

    def __init__(self, folder: Path, party: PartyId) -> None:
        self._folder = folder
        self._party = party
        self._opener = Opener()

    def pgp(self, account: Account) -> OpenPgpKey:
        """Return an account's OpenPGP key."""
        user = f"{account.display} <{account.address}>" if account.display else account.address
        return OpenPgpKey(self._folder, self._party, self._party, file=f"{_stem(account)}.asc", user=user)

    def smime(self, account: Account) -> smime.SmimeKey:
        """Return an account's S/MIME key."""
        return smime.SmimeKey(self._folder / f"{_stem(account)}.pem")

    def own(self, account: Account) -> tuple[Own, ...]:
        """Return the account's keys. Makes none."""
        found: list[Own] = []
        if self.pgp(account).exists:
            pgp = self.pgp(account).certificate()
            found.append(Own(Way.PGP, openpgp.described(pgp), pgp))
        other = self.smime(account)
        if other.exists:
            found.append(Own(Way.SMIME, smime.described(other.certificate()), other.certificate()))
        return tuple(found)

    def describe(self, way: Way, certificate: bytes) -> Described:
        """Return what a certificate says. Raises `Malformed`."""
        return (openpgp.described if way is Way.PGP else smime.described)(certificate)

    def open(self, account: Account, sealed: Sealed, certificates: Sequence[bytes]) -> Plain:
        """Decrypt and check, in a process beside this one."""
        key = self.pgp(account) if sealed.way is Way.PGP else self.smime(account)
        secrets = [*([key.secret()] if key.exists else []), *key.retired()]
        return self._opener.open(sealed, secrets, list(certificates))

    def sign(self, account: Account, way: Way, entity: bytes, ident: str) -> bytes:
        """Return an entity signed in the clear."""
        if way is Way.SMIME:
            return write.smime_signed(entity, self.smime(account).sign(entity), ident)
        return write.pgp_signed(entity, self.pgp(account).sign(entity), "pgp-sha512", ident)

    def encrypt(self, account: Account, way: Way, entity: bytes, certificate: bytes, ident: str) -> bytes:
        """Return an entity signed and encrypted. Raises `Fault` where the account's own key is gone."""
        if way is Way.PGP:
            if not self.pgp(account).exists:
                hint = "restore `keys` from a backup, or `comity mail setup` makes another"
                raise Fault(f"mail account {account.name!r} has no OpenPGP key of its own any more", hint=hint)
            return write.pgp_encrypted(openpgp.encrypted(self.pgp(account).secret(), entity, certificate), ident)
        key = self.smime(account)
        if key.exists:
            signed = write.smime(key.sign_whole(entity), "signed-data")
            return write.smime(smime.encrypted(signed, [certificate, key.certificate()]), "enveloped-data")
        return write.smime(smime.encrypted(entity, [certificate]), "enveloped-data")

    def close(self) -> None:
        """End the process beside this one."""
        self._opener.close()


def _stem(account: Account) -> str:
    return f"mail-{account.office}-{account.name}"


class Mail:
    """Fetching, sending and checking, within one's turn."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        services: Services,
        turns: Turns,
        stop: Callable[[], threading.Event],
        readers: Readers,
    ) -> None:
        self._home = home
        self._settings = settings
        self._services = services
        self._turns = turns
        self._stop = stop
        self.locks = MailLocks(home / KEYS, services.node.me)
        self.taking = Taking(services, self.locks, readers)
        self.sending = Sending(services, self.locks)
        self.telling = Telling(services, self.sending)
        self._under_way: set[tuple[str, str]] = set()  # changed in turns only

    def fetch(self, account: Account) -> Fetching:
        """Fetch what is new. Raises `Conflict` where that is under way."""
        with _Alone(self._under_way, account, accounts.FETCH):
            make = partial(self._box, account)
            return fetching.fetch(self._services.node, self.taking, account, make, go_on=self._goes_on)

    def send(self, account: Account) -> Sendings:
        """Send what is due. Raises `Conflict` where that is under way."""
        with _Alone(self._under_way, account, accounts.SEND):
            return self.sending.send(account, partial(self._post, account), go_on=self._goes_on)

    def _goes_on(self) -> bool:
        return not self._stop().is_set()

    def _box(self, account: Account) -> Box:
        if account.imap is None:
            raise Misuse(f"{account.name} only writes: it has no mailbox", hint="`comity mail setup --imap HOST:993`")
        from comity.transports.imap import ImapBox

        place, login = self._place(account.imap), partial(self._login, account.imap)
        with self._turns.others():
            return _PoliteBox(ImapBox(place, account.folder, login), self._turns)

    def _post(self, account: Account) -> Post:
        from comity.transports.smtp import SmtpPost

        server = account.smtp
        login = partial(self._login, server) if server.login else None
        with self._turns.others():
            post = SmtpPost(self._place(server), login, starttls=server.security == STARTTLS)
            return _PolitePost(post, self._turns)

    def _place(self, server: Server) -> Place:
        allow = setting.networks(self._settings)
        return Place(server.host, server.port, server.certificate, allow, MAIL_SERVER_SECONDS)

    def _login(self, server: Server) -> tuple[str, str]:
        if not server.login:
            raise Misuse(f"{server.host} asks who fetches", hint="`comity mail setup --login FILE`, a file in `keys`")
        return outgoing.login(self._home, server.login).pair

    # -- whether it works -------------------------------------------------------------

    def check(self, account: Account) -> list[Ailment]:
        """Try an account's logins and look at its keys; return what is wrong, in words. Nothing is sent or marked."""
        found: list[Ailment] = []
        ways: list[tuple[str, Callable[[], None]]] = [("SMTP", lambda: self._post(account).close())]
        if account.imap is not None:
            ways.insert(0, ("IMAP", lambda: self._try_box(account)))
        for what, attempt in ways:
            try:
                attempt()
            except ComityError as error:
                said = f"mail account {account.name!r}: {what}: {error.whose}: {error}"
                found.append(Ailment(True, said, error.hint or ""))
        return found + self.keys(account)

    def _try_box(self, account: Account) -> None:
        box = self._box(account)
        try:
            box.select()
        finally:
            box.close()

    def keys(self, account: Account) -> list[Ailment]:
        """Return what is wrong with an account's own keys, or soon will be."""
        found: list[Ailment] = []
        now = self._services.node.now()
        try:
            own = self.locks.own(account)
        except ComityError as error:
            return [Ailment(True, f"mail account {account.name!r}: {error}", error.hint or "")]
        if not any(key.way is Way.PGP for key in own):
            what = f"mail account {account.name!r} has no OpenPGP key of its own any more"
            found.append(Ailment(True, what, "restore `keys` from a backup, or `comity mail setup` makes another"))
        for key in own:
            left = None if key.described.expires is None else key.described.expires - now
            if left is not None and left <= WARNED_SECONDS:
                when = "has expired" if left <= 0 else f"expires in {left // DAY} days"
                what = f"mail account {account.name!r}: its {key.way} key {when}"
                found.append(Ailment(left <= 0, what, "`comity mail key --import FILE`, and tell correspondents"))
        return found

    def correspondents_keys(self, office: str) -> list[Ailment]:
        """Return which keys of an office's correspondents serve no more, or soon will not, without naming whose."""
        node = self._services.node
        counts: dict[str, int] = {}
        with node.store.read() as unit:
            actor = Actor(OfficeRef(node.me, OfficeId(office)), USER)
            people = [one for one in correspondents.correspondents(unit, actor) if one.active(node.now())]
        for one in people:
            allowed = one.by(Channel.MAIL)
            for way, data in ((Way.PGP, allowed.pgp), (Way.SMIME, allowed.smime)) if allowed is not None else ():
                if data and (what := self._wrong(way, data)):
                    counts[what] = counts.get(what, 0) + 1
            if allowed is not None and not allowed.pgp and not allowed.smime:
                what = "no key is registered: nothing above TLP:CLEAR goes there by mail"
                counts[what] = counts.get(what, 0) + 1
        advice = "`comity mail keys` names them; ask each for its new one"
        return [
            Ailment(False, f"{office}: of {count} correspondents: {what}", advice) for what, count in counts.items()
        ]

    def _wrong(self, way: Way, data: bytes) -> str:
        """Return what is wrong with a certificate, or soon will be; nothing where it serves."""
        try:
            described = self.locks.describe(way, data)
        except ComityError as error:
            return f"the {way} key cannot be read: {error}"
        left = None if described.expires is None else described.expires - self._services.node.now()
        if left is not None and left <= WARNED_SECONDS:
            return f"the {way} key {'has expired' if left <= 0 else 'expires within 30 days'}"
        return f"the {way} key {described.wrong}" if described.wrong else ""

    def make_key(self, account: Account) -> None:
        """Make the account's OpenPGP key, unless it has one."""
        self.locks.pgp(account).certificate()

    def import_key(self, account: Account, way: Way, data: bytes) -> None:
        """Use a private key from now on; the one before still opens letters. Raises `Malformed`."""
        (self.locks.pgp(account) if way is Way.PGP else self.locks.smime(account)).take(data)

    def neighbours(self) -> list[Ailment]:
        """Try every account of every office: IMAP login, SMTP login, validity of keys."""
        with self._services.node.store.read() as unit:
            known = accounts.accounts(unit)
        return [ailment for account in known if account.enabled for ailment in self.check(account)]

    def close(self) -> None:
        """End what was begun."""
        self.locks.close()


class _Alone:
    """One fetch, or one run of sending, of an account at a time."""

    def __init__(self, under_way: set[tuple[str, str]], account: Account, what: str) -> None:
        self._under_way = under_way
        self._key = (account.key, what)

    def __enter__(self) -> None:
        if self._key in self._under_way:
            raise Conflict(f"that is under way ({self._key[1]})", hint="`comity mail show` has its outcome")
        self._under_way.add(self._key)

    def __exit__(self, *error: object) -> None:
        self._under_way.discard(self._key)


class _PoliteBox:
    """A box on which nobody's turn is kept."""

    def __init__(self, box: Box, turns: Turns) -> None:
        self._box = box
        self._turns = turns

    def select(self) -> int:
        with self._turns.others():
            return self._box.select()

    def listed(self, after: int) -> Sequence[Listed]:
        with self._turns.others():
            return self._box.listed(after)

    def fetch(self, wanted: Sequence[Listed]) -> Sequence[Fetched]:
        with self._turns.others():
            return self._box.fetch(wanted)

    def mark(self, uids: Sequence[int]) -> None:
        with self._turns.others():
            self._box.mark(uids)

    def close(self) -> None:
        with self._turns.others():
            self._box.close()


class _PolitePost:
    """A post on which nobody's turn is kept."""

    def __init__(self, post: Post, turns: Turns) -> None:
        self._post = post
        self._turns = turns

    def send(self, sender: str, to: Sequence[str], data: bytes) -> dict[str, Took]:
        with self._turns.others():
            return self._post.send(sender, to, data)

    def close(self) -> None:
        with self._turns.others():
            self._post.close()
